/* life_test.c - the runner itself: its states, queue, cache, what is left when someone dies, and the walls around code that
 * is no longer WebAssembly. */
#include "harness.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "os/file.h"
#include "sandbox/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *many(void) { return wasm_from_c("many.c", NULL); }

static struct sandbox_request doing(uint64_t task, const char *what) {
    struct sandbox_request q = run_wasm(task, many());
    static uint8_t text[64][32];
    static int next;
    uint8_t *p = text[next++ % 64];
    int n = snprintf((char *)p, 32, "m%c%s", 0, what);
    q.u.run.argv = vl_span(p, (size_t)n + 1);
    q.u.run.argc = 2;
    return q;
}

/* Pids whose parent is `pid` (proc(5)). */
static int children(pid_t pid, pid_t *ret, int max) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC), n = 0;
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) close(fd);
    text[len > 0 ? len : 0] = 0;
    for (char *p = text, *end; n < max; p = end) {
        long v = strtol(p, &end, 10);
        if (end == p) break;
        ret[n++] = (pid_t)v;
    }
    return n;
}

static bool gone(pid_t pid) { /* waits up to 5 s: the kernel kills in its own time */
    for (int i = 0; i < 500; i++) {
        if (kill(pid, 0) != 0 && errno == ESRCH) return true;
        usleep(10000);
    }
    return false;
}

static void wait_started(struct rig *g) {
    while (rig_event(g)->kind != SANDBOX_EVT_STARTED) {}
}

TEST(runner, answers_nothing_before_hello_and_refuses_what_does_not_fit_its_state) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    struct sandbox_request q = { .kind = SANDBOX_REQ_HELLO, .u.protocol = SANDBOX_PROTOCOL };
    rig_send(g, &q);
    CHECK_EQ(SANDBOX_EVT_REFUSED, rig_event(g)->kind);
    CHECK_EQ(VL_ESTATE, g->ev.u.refused.err);
    q = (struct sandbox_request){ .kind = SANDBOX_REQ_KILL, .u.task = 9 };
    rig_send(g, &q);
    CHECK_EQ(VL_ENOTFOUND, rig_event(g)->u.refused.err);
    q.kind = SANDBOX_REQ_RELEASE;
    rig_send(g, &q);
    CHECK_EQ(VL_ENOTFOUND, rig_event(g)->u.refused.err);
    CHECK_EQ(3, send(g->fd, "\x07xx", 3, 0));
    CHECK_EQ(VL_EPARSE, rig_event(g)->u.refused.err);
    q = doing(1, "sleep");
    rig_send(g, &q);
    wait_started(g);
    rig_send(g, &q); /* the same number again */
    CHECK_EQ(SANDBOX_EVT_REFUSED, rig_event(g)->kind);
    CHECK_EQ(VL_EEXISTS, g->ev.u.refused.err);
    q = (struct sandbox_request){ .kind = SANDBOX_REQ_RELEASE, .u.task = 1 };
    rig_send(g, &q); /* while it runs */
    CHECK_EQ(VL_ESTATE, rig_event(g)->u.refused.err);
    q.kind = SANDBOX_REQ_KILL;
    rig_send(g, &q);
    CHECK_EQ(SANDBOX_KILLED, rig_exited(g, 1)->outcome);
    rig_send(g, &q); /* a second time */
    CHECK_EQ(VL_ESTATE, rig_event(g)->u.refused.err);
    q = (struct sandbox_request){ .kind = SANDBOX_REQ_STATS };
    rig_send(g, &q);
    CHECK_EQ(SANDBOX_EVT_STATS, rig_event(g)->kind);
    CHECK_EQ(1, g->ev.u.stats.malformed);
    CHECK_EQ(1, g->ev.u.stats.unreleased);
    CHECK_EQ(0, g->ev.u.stats.running);
    rig_stop(g, true);
}

TEST(runner, refuses_requests_before_hello_and_other_versions) {
    int sv[2];
    uint8_t packet[512];
    size_t n;
    struct sandbox_event ev;
    struct sandbox_request q = { .kind = SANDBOX_REQ_STATS };
    struct rig *other = rig_start(NULL); /* for its folder */
    char work[160], cache[160];
    snprintf(work, sizeof work, "%s/work2", other->dir);
    snprintf(cache, sizeof cache, "%s/cache2", other->dir);
    CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv));
    pid_t pid = fork();
    if (pid == 0) {
        close(sv[0]);
        _exit(runner_main(sv[1], &(struct runner_config){ .work_dir = work, .cache_dir = cache }));
    }
    close(sv[1]);
    CHECK_OK(sandbox_request_encode(&q, packet, sizeof packet, &n));
    CHECK_EQ(n, send(sv[0], packet, n, 0));
    ssize_t got = recv(sv[0], packet, sizeof packet, 0);
    CHECK_OK(sandbox_event_decode(vl_span(packet, (size_t)got), &ev));
    CHECK_EQ(VL_ESTATE, ev.u.refused.err);
    q = (struct sandbox_request){ .kind = SANDBOX_REQ_HELLO, .u.protocol = SANDBOX_PROTOCOL + 1 };
    CHECK_OK(sandbox_request_encode(&q, packet, sizeof packet, &n));
    CHECK_EQ(n, send(sv[0], packet, n, 0));
    got = recv(sv[0], packet, sizeof packet, 0);
    CHECK_OK(sandbox_event_decode(vl_span(packet, (size_t)got), &ev));
    CHECK_EQ(VL_EVERSION, ev.u.refused.err);
    close(sv[0]);
    int status = -1;
    CHECK_EQ(pid, waitpid(pid, &status, 0));
    CHECK_EQ(0, status);
    rig_stop(other, true);
}

TEST(runner, runs_as_many_at_once_as_told_and_the_rest_in_their_order) {
    NEED_WASM(many());
    struct rig *g = rig_start_with(NULL, (struct runner_config){ .jobs_max = 1 });
    struct sandbox_request q = doing(1, "sleep"), k = { .kind = SANDBOX_REQ_KILL, .u.task = 1 };
    rig_send(g, &q);
    for (uint64_t t = 2; t <= 4; t++) {
        q = doing(t, "hello");
        rig_send(g, &q);
    }
    wait_started(g);
    CHECK_EQ(1, g->ev.u.task);
    CHECK(!rig_event_within(g, 100));
    k.u.task = 3; /* one that waits can be killed too */
    rig_send(g, &k);
    CHECK_EQ(SANDBOX_KILLED, rig_exited(g, 3)->outcome);
    k.u.task = 1;
    rig_send(g, &k);
    CHECK_EQ(SANDBOX_KILLED, rig_exited(g, 1)->outcome);
    CHECK_EQ(7, rig_exited(g, 2)->exit_code);
    CHECK_EQ(7, rig_exited(g, 4)->exit_code);
    rig_stop(g, true);
}

TEST(runner, refuses_the_65th_task_until_one_is_released) {
    NEED_WASM(many());
    struct rig *g = rig_start_with(NULL, (struct runner_config){ .jobs_max = 2 });
    for (uint64_t t = 1; t <= SANDBOX_JOBS_MAX + 1; t++) {
        struct sandbox_request q = doing(t, "sleep");
        rig_send(g, &q);
    }
    while (rig_event(g)->kind != SANDBOX_EVT_REFUSED) {}
    CHECK_EQ(VL_EBUSY, g->ev.u.refused.err);
    CHECK_EQ(SANDBOX_JOBS_MAX + 1, g->ev.u.refused.task);
    struct sandbox_request k = { .kind = SANDBOX_REQ_KILL, .u.task = 64 };
    rig_send(g, &k);
    CHECK_EQ(SANDBOX_KILLED, rig_exited(g, 64)->outcome);
    rig_release(g, 64);
    struct sandbox_request q = doing(100, "sleep");
    rig_send(g, &q);
    CHECK(!rig_event_within(g, 100) || g->ev.kind != SANDBOX_EVT_REFUSED);
    rig_stop(g, true);
}

TEST(runner, kills_every_task_when_the_node_goes_away) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    pid_t kids[8];
    for (uint64_t t = 1; t <= 3; t++) {
        struct sandbox_request q = doing(t, t == 2 ? "ever" : "sleep");
        rig_send(g, &q);
        wait_started(g);
    }
    int n = children(g->pid, kids, 8);
    CHECK_EQ(3, n);
    rig_stop(g, true); /* closes the socket; checks that the work folder is empty */
    for (int i = 0; i < n; i++) CHECK(gone(kids[i]));
}

TEST(runner, killed_by_force_leaves_no_task_and_its_successor_cleans_up) {
    NEED_WASM(many());
    struct rig *g = rig_start(NULL);
    pid_t kids[8];
    char dir[128], left[192];
    for (uint64_t t = 1; t <= 3; t++) {
        struct sandbox_request q = doing(t, t == 2 ? "ever" : "sleep");
        rig_send(g, &q);
        wait_started(g);
    }
    int n = children(g->pid, kids, 8);
    CHECK_EQ(3, n);
    CHECK_OK(kill(g->pid, SIGKILL));
    CHECK_EQ(g->pid, waitpid(g->pid, NULL, 0));
    for (int i = 0; i < n; i++) CHECK(gone(kids[i]));
    snprintf(dir, sizeof dir, "%s", g->dir);
    snprintf(left, sizeof left, "%s/work/t-0", dir);
    CHECK_OK(access(left, F_OK));
    close(g->fd);
    free(g);
    g = rig_start(dir);
    CHECK(access(left, F_OK) != 0);
    rig_stop(g, true);
}

/* ---------------------------------------------------------------------------------------------- cache */

static struct sandbox_compiled *compile(struct rig *g, const char *path, uint8_t level) {
    struct sandbox_request q = { .kind = SANDBOX_REQ_COMPILE };
    hash_of_file(path, &q.u.compile.module);
    q.u.compile.module_path = path;
    q.u.compile.level = level;
    rig_send(g, &q);
    CHECK_EQ(SANDBOX_EVT_COMPILED, rig_event(g)->kind);
    if (!g->ev.u.compiled.ok) print_message("# %s\n", g->ev.u.compiled.text);
    return &g->ev.u.compiled;
}

static int cache_files(const char *dir, char *ret_first, size_t cap) {
    char path[192];
    snprintf(path, sizeof path, "%s/cache", dir);
    DIR *d = opendir(path);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(ret_first, cap, "%s/%.150s", path, e->d_name);
        n++;
    }
    if (d) closedir(d);
    return n;
}

TEST(cache, keeps_modules_over_restarts_and_rebuilds_a_damaged_one) {
    NEED_WASM(many());
    char dir[64] = "/tmp/village-cache-XXXXXX", file[400];
    assert_non_null(mkdtemp(dir));
    struct rig *g = rig_start(dir);
    struct sandbox_compiled *c = compile(g, many(), 1);
    CHECK(c->ok && !c->cached);
    print_message("# compiled in %u ms\n", c->ms);
    c = compile(g, many(), 1);
    CHECK(c->ok && c->cached);
    rig_stop(g, false);
    CHECK_EQ(1, cache_files(dir, file, sizeof file));
    g = rig_start(dir);
    c = compile(g, many(), 1);
    CHECK(c->ok && c->cached);
    rig_stop(g, false);
    CHECK_OK(chmod(file, 0644));
    int fd = open(file, O_RDWR | O_CLOEXEC);
    CHECK_EQ(1, pwrite(fd, "X", 1, 3000));
    close(fd);
    g = rig_start(dir);
    struct sandbox_request q = doing(1, "hello");
    CHECK_EQ(7, rig_run(g, &q)->exit_code);
    q = (struct sandbox_request){ .kind = SANDBOX_REQ_STATS };
    rig_send(g, &q);
    CHECK_EQ(SANDBOX_EVT_STATS, rig_event(g)->kind);
    CHECK_EQ(1, g->ev.u.stats.cache_rebuilt);
    CHECK_EQ(1, g->ev.u.stats.compiled);
    CHECK_EQ(1, cache_files(dir, file, sizeof file));
    CHECK_OK(chmod(file, 0644));
    CHECK_OK(truncate(file, 100)); /* now while it runs */
    q = doing(2, "hello");
    CHECK_EQ(7, rig_run(g, &q)->exit_code);
    rig_stop(g, true);
}

TEST(cache, drops_the_oldest_beyond_its_size_and_strangers_at_start) {
    NEED_WASM(many());
    char dir[64] = "/tmp/village-cache-XXXXXX", file[400], stranger[128];
    assert_non_null(mkdtemp(dir));
    snprintf(stranger, sizeof stranger, "%s/cache", dir);
    CHECK_OK(os_mkdir_all(stranger, 0700));
    snprintf(stranger, sizeof stranger, "%s/cache/readme.txt", dir);
    CHECK_OK(os_file_write(stranger, "x", 1, 0600));
    struct rig *g = rig_start_with(dir, (struct runner_config){ .cache_bytes = 1 });
    CHECK_EQ(0, cache_files(dir, file, sizeof file));
    CHECK(compile(g, many(), 1)->ok);
    CHECK(compile(g, many(), 2)->ok);
    CHECK_EQ(1, cache_files(dir, file, sizeof file));
    rig_stop(g, true);
}

TEST(cache, a_module_that_runs_often_is_compiled_again_better) {
    NEED_WASM(many());
    char dir[64] = "/tmp/village-cache-XXXXXX", file[400];
    assert_non_null(mkdtemp(dir));
    struct rig *g = rig_start_with(dir, (struct runner_config){ .hot_runs = 2 });
    for (uint64_t t = 1; t <= 2; t++) {
        struct sandbox_request q = doing(t, "hello");
        CHECK_EQ(7, rig_run(g, &q)->exit_code);
    }
    for (int i = 0; i < 600 && cache_files(dir, file, sizeof file) < 2; i++) usleep(100000);
    CHECK_EQ(2, cache_files(dir, file, sizeof file));
    struct sandbox_request q = doing(3, "nan");
    CHECK_STR("7ff8000000000000 7fc00000 1 7ff8000000000000 fff8000000001234\n", output_text(rig_run(g, &q), "stdout"));
    rig_stop(g, true);
}

/* ---------------------------------------------------------------------------------------------- the second wall */

/* Puts native code into the cache in the place of `module` and runs it. */
static struct sandbox_exited *run_evil(struct rig **g, uint64_t task, const char *deed, bool early) {
    char so[256], to[400], key_hex[65], sum_hex[65], source[256];
    struct vl_hash key, sum, module = { .b = { (uint8_t)task, early } };
    uint8_t all[65];
    snprintf(so, sizeof so, "%s/evil.so", (*g)->dir);
    snprintf(source, sizeof source, SANDBOX_PROGRAMS "/evil.c");
    const char *const argv[] = { "gcc", "-shared", "-fPIC", "-O1", "-o", so, source, deed, early ? "-DEARLY" : "-DLATE", NULL };
    pid_t pid = fork();
    if (pid == 0) {
        execvp("gcc", (char *const *)(void *)argv);
        _exit(127);
    }
    int status = 1;
    CHECK_EQ(pid, waitpid(pid, &status, 0));
    CHECK_EQ(0, status);
    memcpy(all, module.b, 32);
    memcpy(all + 32, (*g)->ev.u.hello.toolchain.b, 32);
    all[64] = 1;
    crypto_blake2b256(vl_span(all, sizeof all), &key);
    hash_of_file(so, &sum);
    vl_hex_encode(key.b, 32, key_hex);
    vl_hex_encode(sum.b, 32, sum_hex);
    char dir[128];
    snprintf(dir, sizeof dir, "%s", (*g)->dir);
    rig_stop(*g, false);
    snprintf(to, sizeof to, "%s/cache/%s-%s.so", dir, key_hex, sum_hex);
    CHECK_OK(rename(so, to));
    *g = rig_start(dir);
    struct sandbox_request q = run_wasm(task, many());
    q.u.run.module = module;
    q.u.run.program = "/nowhere";
    return rig_run(*g, &q);
}

TEST(walls, native_code_in_place_of_a_module_can_call_nothing_but_what_wasi_needs) {
    NEED_WASM(many());
    char dir[64] = "/tmp/village-evil-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct rig *g = rig_start(dir);
    static const char *const forbidden[] = { "-DDEED=1", "-DDEED=2", "-DDEED=3", "-DDEED=4", "-DDEED=5", "-DDEED=6",
                                             "-DDEED=7" };
    for (uint64_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        struct sandbox_exited *e = run_evil(&g, i + 1, forbidden[i], false);
        if (e->trap != SANDBOX_TRAP_FORBIDDEN) print_message("# %s: %s %d\n", forbidden[i], e->text, e->exit_code);
        CHECK_EQ(SANDBOX_TRAPPED, e->outcome);
        CHECK_EQ(SANDBOX_TRAP_FORBIDDEN, e->trap);
        rig_release(g, i + 1);
        rig_stop(g, false); /* run_evil() wants the HELLO of a fresh one */
        g = rig_start(dir);
    }
    if (g->ev.u.hello.chroot) {
        struct sandbox_exited *e = run_evil(&g, 20, "-DDEED=8", false);
        CHECK_EQ(SANDBOX_EXITED, e->outcome);
        CHECK_EQ(42, e->exit_code);
    }
    rig_stop(g, true);
}

TEST(walls, code_that_runs_while_a_module_is_loaded_has_no_sockets_either) {
    NEED_WASM(many());
    char dir[64] = "/tmp/village-evil-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct rig *g = rig_start(dir);
    struct sandbox_exited *e = run_evil(&g, 1, "-DDEED=1", true);
    CHECK_EQ(SANDBOX_INTERNAL, e->outcome);
    CHECK(strstr(e->text, "before the program began") != NULL);
    rig_stop(g, true);
}
