/* The gateway's commands over a real node: each is answered once, whatever becomes of the node meanwhile. */
#include "check.h"

#include "crypto/random.h"
#include "gateway/node_backend.h"
#include "os/file.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define TICKETS 3

struct scene {
    uv_loop_t loop;
    struct node_backend backend;
    struct backend b;
    char dir[64];
    bool gone;
    struct told {
        unsigned times;
        enum vl_err err;
    } told[TICKETS];
};

static void begin(struct scene *s) {
    struct vl_errmsg msg = { "" };
    memset(s, 0, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "/var/tmp/village-backend-XXXXXX");
    CHECK(mkdtemp(s->dir) != NULL);
    CHECK_OK(crypto_init());
    CHECK_EQ(0, uv_loop_init(&s->loop));
    const struct node_config cfg = { .data_dir = s->dir, .name = "head", .listen = "127.0.0.1:0", .found = true, .slots = NODE_NO_SLOTS };
    const struct node_hooks hooks = { 0 };
    CHECK_OK(node_create(&s->loop, &cfg, &hooks, &s->backend.node, &msg));
    s->b = node_backend(&s->backend);
}

static void mark(void *arg) { *(bool *)arg = true; }

static void end(struct scene *s) {
    while (!s->gone) uv_run(&s->loop, UV_RUN_ONCE);
    CHECK_EQ(0, uv_loop_close(&s->loop));
    CHECK_OK(os_tree_remove(s->dir));
}

static void on_ticket(void *arg, enum vl_err err, const char *detail, const struct view_ticket *v, const char *text) {
    struct told *t = arg;
    (void)detail;
    t->times++;
    t->err = err;
    CHECK((v != NULL) == (err == VL_OK) && (text != NULL) == (err == VL_OK));
}

static void ask(struct scene *s) {
    for (unsigned i = 0; i < TICKETS; i++) CHECK_OK(s->b.ops->ticket_create(s->b.self, 1, 3600, on_ticket, &s->told[i]));
    for (unsigned i = 0; i < TICKETS; i++) CHECK_EQ(0, s->told[i].times); /* never from within the call */
}

TEST(node_backend, what_a_stopping_node_did_not_acknowledge_is_refused) {
    struct scene s;
    begin(&s);
    ask(&s);
    node_stop(s.backend.node, mark, &s.gone);
    end(&s);
    for (unsigned i = 0; i < TICKETS; i++) {
        CHECK_EQ(1, s.told[i].times);
        CHECK_EQ(VL_ECLOSED, s.told[i].err);
    }
}

TEST(node_backend, a_ticket_whose_commit_fails_is_refused_and_the_next_one_is_made) {
    struct scene s;
    struct rlimit whole, none;
    begin(&s);
    CHECK_EQ(0, getrlimit(RLIMIT_FSIZE, &whole));
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    none = (struct rlimit){ 1, whole.rlim_max };
    CHECK_EQ(0, setrlimit(RLIMIT_FSIZE, &none));
    ask(&s);
    while (s.told[0].times + s.told[1].times + s.told[2].times < TICKETS) uv_run(&s.loop, UV_RUN_ONCE);
    CHECK_EQ(0, setrlimit(RLIMIT_FSIZE, &whole));
    signal(SIGXFSZ, before);
    for (unsigned i = 0; i < TICKETS; i++) {
        CHECK_EQ(1, s.told[i].times);
        CHECK(s.told[i].err != VL_OK);
    }
    struct told again = { 0 };
    do {
        again.times = 0;
        CHECK_OK(s.b.ops->ticket_create(s.b.self, 1, 3600, on_ticket, &again));
        while (again.times == 0) uv_run(&s.loop, UV_RUN_ONCE);
    } while (again.err != VL_OK);
    node_stop(s.backend.node, mark, &s.gone);
    end(&s);
}
