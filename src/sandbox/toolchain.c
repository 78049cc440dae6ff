#include "sandbox/toolchain.h"

#include "crypto/hash.h"
#include "sandbox/guest.h"
#include "sandbox/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WASM2C_VERSION "1.0.32" /* later ones name every symbol differently */

/* The four of fog.md section 3 (wabt's three and no contraction), position independence, and stack probes, because a
 * large frame must touch the guard page and not jump over it. The two renamed calls hold memory to the task's limit. */
#define FLAGS                                                                                                          \
    "-std=gnu11 -fno-optimize-sibling-calls -frounding-math -fsignaling-nans -ffp-contract=off -fno-fast-math "         \
    "-fno-strict-aliasing -fstack-clash-protection -fPIC -fvisibility=hidden -fno-plt -w -DNDEBUG "                    \
    "-Dwasm_rt_allocate_memory=wasm_guest_allocate -Dwasm_rt_grow_memory=wasm_guest_grow "                             \
    "-shared -nostdlib -Wl,-z,relro,-z,now,-z,noexecstack,--build-id=none,-s"

/* Behind the generated header: every float that goes to memory or into an integer passes by here. wasm2c stores through
 * wasm_rt_memcpy from a variable of the float's type, and reinterprets with memcpy. */
static const char header_text[] =
    "static inline float vl_canon32(float x) { unsigned u; __builtin_memcpy(&u, &x, 4);\n"
    "  if (__builtin_expect(u == 0xffc00000u, 0)) { u = 0x7fc00000u; __builtin_memcpy(&x, &u, 4); } return x; }\n"
    "static inline double vl_canon64(double x) { unsigned long long u; __builtin_memcpy(&u, &x, 8);\n"
    "  if (__builtin_expect(u == 0xfff8000000000000ull, 0)) { u = 0x7ff8000000000000ull; __builtin_memcpy(&x, &u, 8); }\n"
    "  return x; }\n"
    "static inline void vl_copy32(void *d, const float *s, unsigned long n) { float x = vl_canon32(*s); (void)n;\n"
    "  __builtin_memcpy(d, &x, 4); }\n"
    "static inline void vl_copy64(void *d, const double *s, unsigned long n) { double x = vl_canon64(*s); (void)n;\n"
    "  __builtin_memcpy(d, &x, 8); }\n"
    "static inline void vl_copy(void *d, const void *s, unsigned long n) { __builtin_memcpy(d, s, n); }\n"
    "#define VL_COPY(d, s, n) _Generic((s), float *: vl_copy32, double *: vl_copy64, default: vl_copy)((d), (s), (n))\n"
    "#undef wasm_rt_memcpy\n"
    "#define wasm_rt_memcpy(d, s, n) VL_COPY(d, s, n)\n"
    "#define memcpy(d, s, n) VL_COPY(d, s, n)\n"
    "#define copysign(x, y) __builtin_copysign((x), vl_canon64(y))\n"
    "#define copysignf(x, y) __builtin_copysignf((x), vl_canon32(y))\n";

/* Behind the generated code: the one symbol that the runner looks up (struct guest_module). */
static const char tail_text[] =
    "__attribute__((visibility(\"default\"))) const struct { u32 abi, size; void (*init)(void);\n"
    "  void (*instantiate)(Z_prog_instance_t *, struct Z_wasi_snapshot_preview1_instance_t *);\n"
    "  wasm_rt_memory_t *(*memory)(Z_prog_instance_t *); void (*start)(Z_prog_instance_t *); }\n"
    "village_module = { VILLAGE_ABI, sizeof(Z_prog_instance_t), Z_prog_init_module, VILLAGE_INSTANTIATE,\n"
    "  Z_progZ_memory, Z_progZ__start };\n";

/* A module without imports gets an instantiate function of one argument. */
static const char script_text[] =
    "ulimit -v $4 || exit 100\n" /* here and not before exec: a sanitizer's shadow would not fit */
    "wasm2c -n prog in.wasm -o m.c || exit 101\n"
    "if ! grep -q 'Z_prog_instantiate(Z_prog_instance_t\\*, ' m.h; then\n"
    "  echo 'struct Z_wasi_snapshot_preview1_instance_t; static void one(Z_prog_instance_t *i,"
    " struct Z_wasi_snapshot_preview1_instance_t *w) { Z_prog_instantiate(i); }' >t.c; inst=one\n"
    "else :>t.c; inst=Z_prog_instantiate; fi\n"
    "cat header >>m.h && cat t.c tail >>m.c || exit 102\n"
    "gcc -O$1 $2 -DVILLAGE_ABI=$3 -DVILLAGE_INSTANTIATE=$inst m.c -lgcc -o out.so || exit 102\n";

/* ---------------------------------------------------------------------------------------------- probing */

/* First line of what a program prints; "" when it cannot be started or fails. */
static void first_line(const char *const argv[], char *dst, size_t cap) {
    int p[2];
    dst[0] = 0;
    if (pipe2(p, O_CLOEXEC) != 0) return;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        if (null < 0 || dup2(null, 0) < 0 || dup2(p[1], 1) < 0 || dup2(null, 2) < 0) _exit(127);
        execvp(argv[0], (char *const *)(void *)argv);
        _exit(127);
    }
    close(p[1]);
    size_t used = 0;
    for (ssize_t n; pid > 0 && used < cap - 1 && (n = read(p[0], dst + used, cap - 1 - used)) > 0;) used += (size_t)n;
    char drop[512];
    while (pid > 0 && read(p[0], drop, sizeof drop) > 0) {}
    close(p[0]);
    dst[used] = 0;
    dst[strcspn(dst, "\r\n")] = 0;
    int status = 1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) dst[0] = 0;
}

void toolchain_probe(struct toolchain *t, const struct confine *c) {
    *t = (struct toolchain){ .ok = false };
    first_line((const char *const[]){ "wasm2c", "--version", NULL }, t->wasm2c, sizeof t->wasm2c);
    first_line((const char *const[]){ "gcc", "--version", NULL }, t->cc, sizeof t->cc);
    first_line((const char *const[]){ "bwrap", "--version", NULL }, t->bwrap, sizeof t->bwrap);
    t->jailed = t->bwrap[0] && jail_probe(c);
    t->ok = strcmp(t->wasm2c, WASM2C_VERSION) == 0 && t->cc[0];
    if (!t->wasm2c[0]) snprintf(t->missing, sizeof t->missing, "wasm2c is missing: install wabt " WASM2C_VERSION);
    else if (strcmp(t->wasm2c, WASM2C_VERSION) != 0)
        snprintf(t->missing, sizeof t->missing, "wasm2c is %s, " WASM2C_VERSION " is needed", t->wasm2c);
    else if (!t->cc[0]) snprintf(t->missing, sizeof t->missing, "gcc is missing: install gcc and libc6-dev");
    char all[sizeof t->wasm2c + sizeof t->cc + 16];
    int n = snprintf(all, sizeof all, "%s\n%s\n%u", t->wasm2c, t->cc, GUEST_ABI);
    const struct vl_span parts[] = { vl_span(all, (size_t)n + 1), vl_span(FLAGS, sizeof FLAGS),
                                     vl_span(header_text, sizeof header_text), vl_span(tail_text, sizeof tail_text),
                                     vl_span(script_text, sizeof script_text) };
    struct crypto_blake2b h;
    crypto_blake2b_init(&h);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) crypto_blake2b_update(&h, parts[i].p, parts[i].n);
    crypto_blake2b_final(&h, &t->hash);
}

/* ---------------------------------------------------------------------------------------------- compiling */

static bool write_file(int dir, const char *name, const char *text, size_t n) {
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n;
    if (fd >= 0) close(fd);
    return ok;
}

static bool limit(__rlimit_resource_t what, uint64_t value) {
    struct rlimit r = { value, value };
    return setrlimit(what, &r) == 0;
}

/* Without bubblewrap: the walls that are always there. */
static _Noreturn void exec_bare(const struct confine *c, uint32_t uid_slot, const char *const words[]) {
    static const char *const env[] = { "PATH=/usr/bin:/bin", "TMPDIR=.", "LC_ALL=C", NULL };
    uid_t id = CONFINE_UID_FIRST + uid_slot;
    if (c->root && (setgroups(0, NULL) != 0 || setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0)) _exit(125);
    if (confine_native(c) != 0) _exit(125);
    execve("/bin/sh", (char *const *)(void *)words, (char *const *)(void *)env);
    _exit(127);
}

static _Noreturn void child(const struct toolchain *t, const struct confine *c, const char *dir, unsigned level,
                            uint32_t uid_slot, int parent) {
    static struct jail j;
    char olevel[2] = { (char)('0' + level), 0 }, abi[12], kib[12];
    snprintf(abi, sizeof abi, "%u", GUEST_ABI);
    snprintf(kib, sizeof kib, "%lu", TOOLCHAIN_MEMORY / 1024);
    const char *const words[] = { "/bin/sh", "-c", script_text, "sh", olevel, FLAGS, abi, kib, NULL };
    /* sh splits $2 into the flags: they are ours and hold no quotes */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(022); /* the compiler is another user and must read what we write */
    int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int null = open("/dev/null", O_RDWR);
    if (d < 0 || fchdir(d) != 0 || null < 0) _exit(125);
    int log = openat(d, TOOLCHAIN_LOG, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log, 2) < 0) _exit(125);
    if (!write_file(d, "header", header_text, sizeof header_text - 1)) _exit(125);
    if (!write_file(d, "tail", tail_text, sizeof tail_text - 1)) _exit(125);
    if (!limit(RLIMIT_CPU, TOOLCHAIN_CPU_S) || !limit(RLIMIT_FSIZE, 256u << 20) ||
        !limit(RLIMIT_CORE, 0) || setpriority(PRIO_PROCESS, 0, 15) != 0)
        _exit(125);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(125);
    if (!t->jailed) exec_bare(c, uid_slot, words);
    struct jail_options o = { .confine = c, .tmp_bytes = 512u << 20, .uid_slot = uid_slot, .processes = 32, .info_fd = -1 };
    jail_begin(&j, &o);
    const char *const mounts[] = { "--bind", dir, "/b", "--chdir", "/b", "--setenv", "PATH", "/usr/bin:/bin", "--setenv",
                                   "LC_ALL", "C" };
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) jail_add(&j, mounts[i]);
    jail_command(&j, &o);
    for (size_t i = 0; words[i]; i++) jail_add(&j, words[i]);
    jail_exec(&j);
}

pid_t toolchain_start(const struct toolchain *t, const struct confine *c, const char *dir, unsigned level,
                      uint32_t uid_slot, int parent) {
    pid_t pid = fork();
    if (pid == 0) child(t, c, dir, level, uid_slot, parent);
    return pid;
}

/* wasm2c warns of harmless things in lines of their own, and would push what matters out of the text. */
static void drop_warnings(char *log) {
    char *to = log;
    for (char *line = log; *line;) {
        size_t n = strcspn(line, "\n");
        n += line[n] == '\n';
        if (strncmp(line, "warning: ", 9) != 0) {
            memmove(to, line, n);
            to += n;
        }
        line += n;
    }
    *to = 0;
}

static bool says_any(const char *log, const char *const words[]) {
    for (size_t i = 0; words[i]; i++)
        if (strstr(log, words[i])) return true;
    return false;
}

void toolchain_explain(int status, const char *dir, char *text, size_t cap) {
    /* What sh, gcc, its parts and the assembler say when one of them meets a limit. */
    static const char *const starved[] = { "CPU time limit", "Killed", "emory exhausted", "out of memory",
                                           "annot allocate memory", "failed to map segment", NULL };
    char path[SANDBOX_PATH_MAX], log[8192];
    ssize_t n = -1;
    if ((size_t)snprintf(path, sizeof path, "%s/" TOOLCHAIN_LOG, dir) < sizeof path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0) n = read(fd, log, sizeof log - 1);
        if (fd >= 0) close(fd);
    }
    log[n > 0 ? n : 0] = 0;
    drop_warnings(log);
    for (char *p = log; *p; p++)
        if ((unsigned char)*p < 0x20) *p = ' ';
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code == 128 + SIGXCPU || code == 128 + SIGKILL || says_any(log, starved))
        snprintf(text, cap, "compiling the module takes more than %u s or 1 GiB: make it smaller (Go: use TinyGo)",
                 TOOLCHAIN_CPU_S);
    else if (code == 101) snprintf(text, cap, "wasm2c refuses the module: %.500s", log);
    else if (code == 102) snprintf(text, cap, "the C compiler failed: %.500s", log);
    else snprintf(text, cap, "the compiler could not be started (status %d): %.500s", code, log);
}
