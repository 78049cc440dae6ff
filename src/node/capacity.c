#include "node/capacity.h"

#include "node/node.h"

#include "crypto/random.h"
#include "os/file.h"
#include "wire/ticket.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EPOCH_MS 40000u   /* keys live for two: longer than the longest trial with the making of its packets */
#define STARTUP_MS 60000u /* for everything until the first consensus is in force */
#define DELAY_MS 20u
#define DRAIN_MS 3000u /* 150 times the mean delay: what has not come by then is lost */
#define START_RATE 4000u

/* The village of a measurement: head and load live in this process, the mix in one of its own. */
struct rig {
    const struct node_capacity_options *o;
    uv_loop_t loop;
    char dir[64];
    struct vl_log log;
    struct node *head, *load;
    pid_t mix;
    uint32_t mix_number, load_number;
    struct mix_relay relays[2];
    char ticket[TICKET_TEXT];
    struct crypto_drbg rng;
    unsigned answers;
    bool one_core;
};

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void say(const struct rig *r, const char *text) {
    if (r->o->progress) r->o->progress(r->o->arg, text);
}

static void answered(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct rig *r = arg;
    (void)detail;
    (void)bytes;
    if (err == VL_OK) r->answers++;
}

static bool bind_to(unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

/* Runs the loop until done() says so.  False: not in time. */
static bool until(struct rig *r, bool (*done)(struct rig *r)) {
    for (uint64_t end = now_us() + STARTUP_MS * 1000ull; now_us() < end;) {
        uv_run(&r->loop, UV_RUN_NOWAIT);
        if (done(r)) return true;
        usleep(1000);
    }
    return false;
}

static bool has_answer(struct rig *r) { return r->answers > 0; }

static bool three_members(struct rig *r) {
    const struct registry *reg = brain_registry(node_brain(r->head));
    uint32_t n = 0;
    for (const struct node_record *x = registry_next(reg, NULL); x; x = registry_next(reg, &x->id)) n += x->addr[0] != 0;
    return n == 3;
}

static bool in_force(struct rig *r) {
    struct brain_mix_view v;
    brain_mix_view(node_brain(r->load), &v);
    if (v.consensus == NULL || v.consensus->relays_n != 2) return false;
    struct vl_node_id self = brain_node_id(node_brain(r->load));
    for (unsigned i = 0; i < 2; i++) r->relays[vl_node_eq(v.consensus->relays[i].node, self)] = v.consensus->relays[i];
    return true;
}

static enum vl_err mix_start(struct rig *r) {
    char dir[128], log[128];
    snprintf(dir, sizeof dir, "%s/mix", r->dir);
    snprintf(log, sizeof log, "%s/mix.log", r->dir);
    r->mix = fork();
    if (r->mix < 0) return VL_ENOMEM;
    if (r->mix > 0) return VL_OK;
    if (r->one_core) (void)bind_to(0);
    if (freopen(log, "w", stdout) == NULL || dup2(fileno(stdout), 2) < 0) _exit(127);
    execl(r->o->program, "village", "join", r->ticket, "--mix", "--mix-rate", "200000", "--no-cover", "--listen",
          "127.0.0.1:0", "--data", dir, "--name", "mix", "--slots", "1", "--heartbeat", "1s", (char *)NULL);
    _exit(127);
}

static enum vl_err node_open(struct rig *r, const char *name, bool found, struct node **ret, struct vl_errmsg *msg) {
    char dir[128];
    struct node_hooks hooks = { 0 };
    snprintf(dir, sizeof dir, "%s/%s", r->dir, name);
    struct node_config cfg = { .data_dir = dir,
                               .name = name,
                               .listen = "127.0.0.1:0",
                               .ticket = found ? NULL : r->ticket,
                               .found = found,
                               .slots = NODE_NO_SLOTS,
                               .mix = !found,
                               .mix_rate = CAPACITY_RATE_MAX,
                               .no_cover = true,
                               .heartbeat_ms = 1000,
                               .log = &r->log };
    return node_create(&r->loop, &cfg, &hooks, ret, msg);
}

static int by_node(const void *a, const void *b) { return memcmp(a, b, 32); }

static enum vl_err charter(struct rig *r) {
    const struct registry *reg = brain_registry(node_brain(r->head));
    struct mix_charter c = { .genesis_ms = node_now(r->head) - EPOCH_MS * 9 / 16, .epoch_ms = EPOCH_MS, .threshold = 2, .anonymity_floor = 1 };
    for (const struct node_record *x = registry_next(reg, NULL); x && c.n < 3; x = registry_next(reg, &x->id)) {
        c.authority[c.n].node = x->id;
        memcpy(c.authority[c.n++].addr, x->addr, sizeof x->addr);
    }
    qsort(c.authority, c.n, sizeof c.authority[0], by_node); /* the id comes first in each */
    r->answers = 0;
    node_mix_charter(r->head, &c, answered, r);
    return until(r, has_answer) ? VL_OK : VL_ETIMEOUT;
}

static enum vl_err rig_open(struct rig *r, struct vl_errmsg *msg) {
    say(r, "starting a mix, a sender and a receiver");
    enum vl_err err = node_open(r, "head", true, &r->head, msg);
    if (err == VL_OK) err = node_create_ticket(r->head, 2, 600000, r->ticket, answered, r);
    if (err == VL_OK && !until(r, has_answer)) err = VL_ETIMEOUT;
    if (err == VL_OK) err = mix_start(r);
    if (err == VL_OK && r->one_core) (void)bind_to(1);
    if (err == VL_OK) err = node_open(r, "load", false, &r->load, msg);
    if (err == VL_OK && !until(r, three_members)) err = VL_ETIMEOUT;
    if (err == VL_OK) err = charter(r);
    if (err == VL_OK) say(r, "waiting for the consensus of its directory");
    if (err == VL_OK && !until(r, in_force)) err = VL_ETIMEOUT;
    if (err == VL_ETIMEOUT) vl_errmsg_set(msg, err, "the village of the measurement did not come up within a minute");
    return err;
}

static void mark(void *arg) { *(bool *)arg = true; }

static void rig_close(struct rig *r) {
    struct node *all[] = { r->load, r->head };
    if (r->mix > 0) {
        kill(r->mix, SIGTERM);
        waitpid(r->mix, NULL, 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        bool gone = all[i] == NULL;
        if (all[i]) node_stop(all[i], mark, &gone);
        while (!gone) uv_run(&r->loop, UV_RUN_ONCE);
    }
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
    vl_ignore(os_tree_remove(r->dir));
    crypto_drbg_wipe(&r->rng);
}

/* ---- trials ----------------------------------------------------------------------------------------------------- */

/* Packets that the mix forwards to us, where they end as drop cover. */
static enum vl_err packets_make(struct rig *r, uint8_t *dst, uint64_t n) {
    struct sphinx_path *path = calloc(SPHINX_BATCH, sizeof *path);
    struct sphinx_prebuilt *pre = calloc(SPHINX_BATCH, sizeof *pre);
    static const uint8_t body[SPHINX_BODY];
    enum vl_err err = path && pre ? VL_OK : VL_ENOMEM;
    uint64_t epoch = 0;
    struct brain_mix_view v;
    brain_mix_view(node_brain(r->load), &v);
    if (v.consensus) epoch = v.consensus->epoch;
    for (unsigned i = 0; err == VL_OK && i < SPHINX_BATCH; i++) {
        path[i] = (struct sphinx_path){ .n = 2, .end = { .command = SPHINX_DROP } };
        for (unsigned h = 0; h < 2; h++) {
            path[i].hop[h].node = r->relays[h].number;
            path[i].hop[h].key_id = (uint8_t)epoch;
            path[i].hop[h].delay_ms = h ? 0 : DELAY_MS;
            memcpy(path[i].hop[h].key, r->relays[h].mix_key, 32);
        }
    }
    for (uint64_t done = 0; err == VL_OK && done < n;) {
        uint64_t left = n - done;
        size_t some = left < SPHINX_BATCH ? (size_t)left : SPHINX_BATCH;
        err = sphinx_build(path, some, &r->rng, pre);
        for (size_t i = 0; err == VL_OK && i < some; i++) sphinx_seal(&pre[i], body, dst + (done + i) * SPHINX_PACKET);
        done += some;
        uv_run(&r->loop, UV_RUN_NOWAIT); /* links want their heartbeats */
    }
    free(path);
    free(pre);
    return err;
}

static uint64_t arrived(struct rig *r) {
    struct brain_mix_view v;
    brain_mix_view(node_brain(r->load), &v);
    return v.relay.received;
}

/* Processor time of the mix so far, all of its threads. */
static double mix_cpu_s(const struct rig *r) {
    char path[64], line[512];
    unsigned long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)r->mix);
    FILE *f = fopen(path, "r");
    const char *rest = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL; /* the name may hold anything */
    if (f) fclose(f);
    if (rest == NULL || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2) return 0;
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* One trial at a rate: sends by the clock, then waits for the last. */
static enum vl_err trial(struct rig *r, uint32_t rate, struct node_capacity *ret) {
    uint64_t n = (uint64_t)rate * r->o->seconds, sent = 0, before;
    uint8_t *packets = malloc(n * SPHINX_PACKET);
    char text[160];
    if (packets == NULL || !in_force(r)) {
        free(packets);
        return packets ? VL_EEXPIRED : VL_ENOMEM;
    }
    snprintf(text, sizeof text, "%u packets/s for %u s: making the packets", rate, r->o->seconds);
    say(r, text);
    enum vl_err err = packets_make(r, packets, n);
    before = arrived(r);
    double cpu = mix_cpu_s(r);
    uint64_t start = now_us(), end = start + (r->o->seconds + 2ull) * 1000000u;
    while (err == VL_OK && sent < n && now_us() < end) {
        uint64_t due = (now_us() - start) * rate / 1000000u;
        if (due > n) due = n;
        if (due > sent) sent += node_mix_hand(r->load, r->relays[0].number, packets + sent * SPHINX_PACKET, due - sent);
        uv_run(&r->loop, UV_RUN_NOWAIT);
    }
    uint64_t took = now_us() - start;
    for (end = now_us() + DRAIN_MS * 1000ull; arrived(r) - before < sent && now_us() < end;) {
        uv_run(&r->loop, UV_RUN_NOWAIT);
        usleep(200);
    }
    free(packets);
    *ret = (struct node_capacity){
        .rate = rate, .seconds = r->o->seconds, .sent = n, .received = arrived(r) - before, .one_core = r->one_core
    };
    if (ret->received) ret->cpu_us = (mix_cpu_s(r) - cpu) * 1e6 / (double)ret->received;
    /* what could not be handed over in time counts as lost */
    snprintf(text, sizeof text, "%u packets/s: %llu of %llu arrived, sent in %.2f s", rate,
             (unsigned long long)ret->received, (unsigned long long)n, (double)took / 1e6);
    say(r, text);
    return err;
}

static enum vl_err search(struct rig *r, struct node_capacity *best) {
    uint32_t low = 0, high = 0, rate = START_RATE;
    while (high == 0 || high - low > low / 20) {
        struct node_capacity t;
        enum vl_err err = trial(r, rate, &t);
        if (err) return err;
        if (t.received == t.sent) {
            low = rate;
            *best = t;
        } else {
            high = rate;
        }
        if (low == CAPACITY_RATE_MAX) break;
        rate = high ? low + (high - low) / 2 : rate * 2 > CAPACITY_RATE_MAX ? CAPACITY_RATE_MAX : rate * 2;
        if (rate == low) break;
    }
    return VL_OK;
}

enum vl_err node_capacity(const struct node_capacity_options *o, struct node_capacity *ret, struct vl_errmsg *msg) {
    struct rig r = { .o = o, .log = { .fd = -1, .min = VL_ERROR } };
    const char *tmp = getenv("TMPDIR");
    uint8_t seed[CRYPTO_DRBG_SEED];
    snprintf(r.dir, sizeof r.dir, "%.40s/village-cap-XXXXXX", tmp && tmp[0] ? tmp : "/var/tmp");
    if (mkdtemp(r.dir) == NULL) return vl_errmsg_set(msg, VL_EIO, "cannot make a directory below %s", tmp ? tmp : "/var/tmp");
    crypto_random(seed, sizeof seed);
    crypto_drbg_init(&r.rng, seed);
    uv_loop_init(&r.loop);
    r.one_core = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    enum vl_err err = rig_open(&r, msg);
    if (err == VL_OK) err = o->rate ? trial(&r, o->rate, ret) : search(&r, ret);
    if (err && msg->text[0] == '\0') vl_errmsg_set(msg, err, "the measurement failed: %s", vl_err_text(err));
    rig_close(&r);
    return err;
}
