#include "harness.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "os/file.h"
#include "sandbox/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef VL_COVERAGE
extern void __gcov_dump(void); /* of libgcov: _exit() writes no counts */
static _Noreturn void leave(int code) {
    __gcov_dump();
    _exit(code);
}
#else
#define leave _exit
#endif

static char temp_root[64];

static void remove_temp(void) {
    if (temp_root[0] && os_tree_remove(temp_root)) fprintf(stderr, "# left behind: %s\n", temp_root);
}

static const char *temp(void) {
    if (!temp_root[0]) {
        snprintf(temp_root, sizeof temp_root, "/tmp/village-sandbox-XXXXXX");
        if (mkdtemp(temp_root) == NULL) abort();
        static pid_t owner;
        owner = getpid();
        (void)owner;
        atexit(remove_temp);
    }
    return temp_root;
}

/* Once, so that a log tells which walls a green run had. */
static void tell_walls(const struct sandbox_hello *h) {
    static const char *const groups[] = { "none (rlimits only)", "v1", "v2" };
    static bool told;
    if (told) return;
    told = true;
    print_message("# control groups: %s; native %s, chroot %s, landlock %s\n", groups[h->cgroup], h->native ? "yes" : "no",
                  h->chroot ? "yes" : "no", h->landlock ? "yes" : "no");
}

struct rig *rig_start_with(const char *keep, struct runner_config cfg) {
    static int number;
    struct rig *g = calloc(1, sizeof *g);
    char work[160], cache[160], files[160];
    int sv[2];
    assert_non_null(g);
    CHECK_OK(crypto_init());
    if (keep) snprintf(g->dir, sizeof g->dir, "%s", keep);
    else snprintf(g->dir, sizeof g->dir, "%s/rig-%d", temp(), number++);
    snprintf(work, sizeof work, "%s/work", g->dir);
    snprintf(cache, sizeof cache, "%s/cache", keep ? g->dir : temp()); /* one for all that do not care: compiles once */
    snprintf(files, sizeof files, "%s/files", g->dir);
    CHECK_OK(os_mkdir_all(files, 0755));
    CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv));
    g->pid = fork();
    if (g->pid == 0) {
        close(sv[0]);
        cfg.work_dir = work;
        if (cfg.cache_dir == NULL) cfg.cache_dir = cache;
        leave(runner_main(sv[1], &cfg));
    }
    close(sv[1]);
    g->fd = sv[0];
    struct sandbox_request q = { .kind = SANDBOX_REQ_HELLO, .u.protocol = SANDBOX_PROTOCOL };
    rig_send(g, &q);
    CHECK_EQ(SANDBOX_EVT_HELLO, rig_event(g)->kind);
    tell_walls(&g->ev.u.hello);
    return g;
}

struct rig *rig_start(const char *keep) { return rig_start_with(keep, (struct runner_config){ 0 }); }

void rig_stop(struct rig *g, bool drop) {
    int status = -1;
    char work[160];
    close(g->fd);
    CHECK_EQ(g->pid, waitpid(g->pid, &status, 0));
    CHECK_EQ(0, status);
    snprintf(work, sizeof work, "%s/work", g->dir);
    CHECK_OK(rmdir(work)); /* nothing is left in it */
    if (drop) CHECK_OK(os_tree_remove(g->dir));
    free(g);
}

void rig_send(struct rig *g, const struct sandbox_request *q) {
    static uint8_t packet[SANDBOX_MESSAGE_MAX];
    size_t n = 0;
    CHECK_OK(sandbox_request_encode(q, packet, sizeof packet, &n));
    CHECK_EQ(n, send(g->fd, packet, n, MSG_NOSIGNAL));
}

bool rig_event_within(struct rig *g, int ms) {
    struct pollfd p = { .fd = g->fd, .events = POLLIN };
    if (poll(&p, 1, ms) != 1) return false;
    ssize_t n = recv(g->fd, g->packet, sizeof g->packet, 0);
    if (n <= 0) return false;
    CHECK_OK(sandbox_event_decode(vl_span(g->packet, (size_t)n), &g->ev));
    return true;
}

struct sandbox_event *rig_event(struct rig *g) {
    CHECK(rig_event_within(g, 120000));
    return &g->ev;
}

struct sandbox_exited *rig_exited(struct rig *g, uint64_t task) {
    for (;;) {
        struct sandbox_event *ev = rig_event(g);
        if (ev->kind == SANDBOX_EVT_EXITED && ev->u.exited.task == task) return &ev->u.exited;
        if (ev->kind == SANDBOX_EVT_REFUSED) print_message("# refused: %s\n", ev->u.refused.text);
        CHECK(ev->kind != SANDBOX_EVT_REFUSED);
    }
}

void rig_release(struct rig *g, uint64_t task) {
    struct sandbox_request q = { .kind = SANDBOX_REQ_RELEASE, .u.task = task };
    rig_send(g, &q);
}

struct sandbox_exited *rig_run(struct rig *g, struct sandbox_request *q) {
    rig_send(g, q);
    return rig_exited(g, q->u.run.task);
}

static const uint8_t one_arg[] = "prog";

struct sandbox_request run_wasm(uint64_t task, const char *module_path) {
    struct sandbox_request q = { .kind = SANDBOX_REQ_RUN };
    struct sandbox_run *r = &q.u.run;
    r->task = task;
    r->kind = SANDBOX_WASM;
    r->program = module_path;
    r->argc = 1;
    r->argv = vl_span(one_arg, sizeof one_arg);
    r->stdin_path = "";
    r->limits = sandbox_limits_default();
    r->limits.timeout_ms = 20000;
    hash_of_file(module_path, &r->module);
    return q;
}

struct sandbox_request run_native(uint64_t task, const char *program) {
    struct sandbox_request q = { .kind = SANDBOX_REQ_RUN };
    struct sandbox_run *r = &q.u.run;
    r->task = task;
    r->kind = SANDBOX_NATIVE;
    r->program = program;
    r->argc = 1;
    r->argv = vl_span(one_arg, sizeof one_arg);
    r->stdin_path = "";
    r->limits = sandbox_limits_default();
    r->limits.timeout_ms = 20000;
    return q;
}

static uint32_t pack(const char *const words[], uint8_t *dst, struct vl_span *ret) {
    size_t at = 0;
    uint32_t n = 0;
    for (; words[n]; n++) {
        size_t len = strlen(words[n]) + 1;
        memcpy(dst + at, words[n], len);
        at += len;
    }
    *ret = vl_span(dst, at);
    return n;
}

void run_args(struct sandbox_request *q, const char *const words[]) {
    static uint8_t text[VL_ARGS_BYTES];
    q->u.run.argc = pack(words, text, &q->u.run.argv);
}

void run_env(struct sandbox_request *q, const char *const words[]) {
    static uint8_t text[VL_ARGS_BYTES];
    q->u.run.envc = pack(words, text, &q->u.run.env);
}

const char *output_text(const struct sandbox_exited *e, const char *name) {
    static char text[1 << 20];
    text[0] = 0;
    for (uint32_t i = 0; i < e->outputs_n; i++) {
        if (strcmp(e->outputs[i].name, name) != 0) continue;
        int fd = open(e->outputs[i].path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0) close(fd);
        text[n > 0 ? n : 0] = 0;
    }
    return text;
}

const char *rig_file(struct rig *g, const char *name, const void *p, size_t n) {
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/files/%s", g->dir, name);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    CHECK(fd >= 0);
    CHECK_EQ(n, write(fd, p, n));
    close(fd);
    return path;
}

void hash_of_file(const char *path, struct vl_hash *ret) {
    struct vl_buf b;
    vl_buf_init(&b, SANDBOX_MODULE_MAX);
    CHECK_OK(cache_read_file(path, &b));
    crypto_blake2b256(vl_span(b.p, b.len), ret);
    vl_buf_free(&b);
}

static int run_compiler(const char *const argv[]) {
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        if (getenv("VILLAGE_TEST_VERBOSE") == NULL) dup2(null, 2);
        dup2(null, 1);
        execvp(argv[0], (char *const *)(void *)argv);
        _exit(127);
    }
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : 1;
}

const char *wasm_from_c(const char *name, const char *flags) {
    static struct {
        const char *name;
        char path[128];
        bool ok;
    } made[8];
    static size_t n;
    for (size_t i = 0; i < n; i++)
        if (strcmp(made[i].name, name) == 0) return made[i].ok ? made[i].path : NULL;
    if (n == 8) abort();
    char c[256];
    snprintf(c, sizeof c, "%s%s", name[0] == '/' ? "" : SANDBOX_PROGRAMS "/", name);
    snprintf(made[n].path, sizeof made[n].path, "%s/p%zu.wasm", temp(), n);
    const char *const argv[] = { "clang", "--target=wasm32-wasi", "-O2", "-Wl,--stack-first", "-Wl,-z,stack-size=1048576",
                                 "-o", made[n].path, c, flags ? flags : "-DPLAIN", NULL };
    made[n].name = name;
    made[n].ok = run_compiler(argv) == 0;
    n++;
    return made[n - 1].ok ? made[n - 1].path : NULL;
}

/* Debian's rustc has the library in libstd-rust-dev-wasm32 and links with its own wasm-ld and the wasi-libc package. */
const char *wasm_from_rust(const char *name) {
    static char path[128], rs[256];
    snprintf(rs, sizeof rs, SANDBOX_PROGRAMS "/%s", name);
    snprintf(path, sizeof path, "%s/r.wasm", temp());
    static const char crt[] = "/usr/lib/wasm32-wasi/crt1-command.o";
    const char *const debian[] = { "/usr/bin/rustc", "--target=wasm32-wasi", "-O", "-Clinker=wasm-ld-14", "-Clink-self-contained=no",
                                   "-Clink-arg=/usr/lib/wasm32-wasi/crt1-command.o", "-Clink-arg=-L/usr/lib/wasm32-wasi",
                                   "-Clink-arg=-lc", "-o", path, rs, NULL };
    const char *const plain[] = { "rustc", "--target=wasm32-wasi", "-O", "-o", path, rs, NULL };
    const char *const newer[] = { "rustc", "--target=wasm32-wasip1", "-O", "-o", path, rs, NULL };
    if (run_compiler(plain) == 0 || run_compiler(newer) == 0) return path;
    return access(crt, R_OK) == 0 && run_compiler(debian) == 0 ? path : NULL;
}

const char *wasm_from_go(const char *compiler, const char *name) {
    static char path[128], go[256];
    snprintf(go, sizeof go, SANDBOX_PROGRAMS "/%s", name);
    snprintf(path, sizeof path, "%s/%s.wasm", temp(), compiler);
    const char *const tiny[] = { "tinygo", "build", "-target", "wasip1", "-o", path, go, NULL };
    const char *const large[] = { "env", "GOOS=wasip1", "GOARCH=wasm", "GOTOOLCHAIN=local", "go", "build", "-trimpath",
                                  "-ldflags=-s -w", "-o", path, go, NULL };
    return run_compiler(strcmp(compiler, "go") == 0 ? large : tiny) == 0 ? path : NULL;
}
