#include "sandbox/guest.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From libwabt's wasm-rt-impl.h, which Debian does not install as a public header. */
extern jmp_buf wasm_rt_jmp_buf;

/* Compiled modules take these from this program. Nothing else here needs libm, and the linker drops a library that
 * nothing needs. */
double (*const guest_libm[])(double) = { floor, ceil, trunc, nearbyint, sqrt };
float (*const guest_libmf[])(float) = { floorf, ceilf, truncf, nearbyintf, sqrtf };
double (*const guest_libm2[])(double, double) = { copysign };
float (*const guest_libm2f[])(float, float) = { copysignf };

enum sandbox_trap guest_trap(uint32_t t) {
    switch (t) { /* a number from a page that the task could write */
    case WASM_RT_TRAP_OOB: return SANDBOX_TRAP_OUT_OF_BOUNDS;
    case WASM_RT_TRAP_INT_OVERFLOW: return SANDBOX_TRAP_INT_OVERFLOW;
    case WASM_RT_TRAP_DIV_BY_ZERO: return SANDBOX_TRAP_DIVIDE_BY_ZERO;
    case WASM_RT_TRAP_INVALID_CONVERSION: return SANDBOX_TRAP_BAD_CONVERSION;
    case WASM_RT_TRAP_CALL_INDIRECT: return SANDBOX_TRAP_BAD_INDIRECT_CALL;
    case WASM_RT_TRAP_EXHAUSTION: return SANDBOX_TRAP_STACK_OVERFLOW;
    default: return SANDBOX_TRAP_UNREACHABLE;
    }
}

const char *guest_trap_text(enum sandbox_trap t) {
    switch (t) {
    case SANDBOX_TRAP_NONE: return "";
    case SANDBOX_TRAP_OUT_OF_BOUNDS: return "trap: memory or table access out of bounds";
    case SANDBOX_TRAP_INT_OVERFLOW: return "trap: integer overflow in a division or conversion";
    case SANDBOX_TRAP_DIVIDE_BY_ZERO: return "trap: integer divide by zero";
    case SANDBOX_TRAP_BAD_CONVERSION: return "trap: conversion of NaN to an integer";
    case SANDBOX_TRAP_UNREACHABLE: return "trap: unreachable code executed (abort, panic or assertion of the program)";
    case SANDBOX_TRAP_BAD_INDIRECT_CALL: return "trap: indirect call of a missing function or with the wrong type";
    case SANDBOX_TRAP_STACK_OVERFLOW: return "trap: call stack exhausted (recursion too deep)";
    case SANDBOX_TRAP_SIGNAL: return "ended by a signal";
    case SANDBOX_TRAP_FORBIDDEN: return "ended for a system call that the sandbox forbids";
    }
    return "";
}

static _Noreturn void fail(const struct guest *g, const char *what, int err) {
    snprintf(g->report->text, sizeof g->report->text, "%s: %s", what, err ? strerror(err) : "failed");
    g->report->outcome = SANDBOX_INTERNAL;
    g->report->phase = WASI_ENDED;
    _exit(0);
}

static void place_fd(const struct guest *g, const char *path, int flags, int want) {
    int fd = open(path, flags | O_NOFOLLOW, 0600);
    if (fd < 0) fail(g, path, errno);
    if (fd != want && dup2(fd, want) < 0) fail(g, path, errno);
    if (fd != want) close(fd);
}

static void default_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    static const int fatal[] = { SIGPIPE, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTERM, SIGPROF, SIGXCPU };
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) signal(fatal[i], SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* the write fails with EFBIG instead, which the program may handle */
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void open_inputs(const struct guest *g, struct wasi_input inputs[VL_TASK_INPUTS_MAX]) {
    for (uint32_t i = 0; i < g->run->inputs_n; i++) {
        struct stat st;
        int fd = open(g->run->inputs[i].path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) != 0) fail(g, g->run->inputs[i].path, errno);
        if (!S_ISREG(st.st_mode)) fail(g, g->run->inputs[i].path, EINVAL);
        inputs[i] = (struct wasi_input){ .name = g->run->inputs[i].name, .fd = fd, .size = (uint64_t)st.st_size };
    }
}

static const struct guest_module *load(const struct guest *g, int root) {
    char path[SANDBOX_PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", g->confine->chroot ? "" : g->root_dir, GUEST_MODULE_FILE);
    if (len < 0 || (size_t)len >= sizeof path) fail(g, "the path of the module", ENAMETOOLONG);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct guest_module *m = so ? dlsym(so, "village_module") : NULL;
    if (m == NULL) {
        const char *why = dlerror();
        fail(g, why ? why : "the compiled module has no entry", 0);
    }
    if (m->abi != GUEST_ABI) fail(g, "the compiled module is of another version", 0);
    if (unlinkat(root, GUEST_MODULE_FILE, 0) != 0) fail(g, "removing the module file", errno);
    return m;
}

/* ---------------------------------------------------------------------------------------------- faults */

#define STACK_REACH (16u << 20) /* twice RLIMIT_STACK: what lies further below was not the stack */
#define RESERVE (8ull << 30)    /* what wasm2c's runtime reserves for a linear memory, guard pages for the rest */

static wasi *fault_instance; /* a signal handler has no argument of ours; one job = one process */
static uintptr_t fault_stack;

/* wasm2c's own handler jumps out of the signal; ending here needs no jump and tells the stack from a hole in the host.
 * AddressSanitizer would look into /proc before each call that does not return, which the filter forbids: so there is
 * no such call, only a plain one of exit_group. */
__attribute__((no_sanitize_address)) static void on_fault(int sig, siginfo_t *si, void *context) {
    wasi *w = fault_instance;
    struct wasi_report *r = w->report;
    uintptr_t at = (uintptr_t)si->si_addr, memory = (uintptr_t)w->memory->data;
    (void)sig;
    (void)context;
    r->outcome = SANDBOX_TRAPPED;
    if (memory && at >= memory && at - memory < RESERVE) r->trap = WASM_RT_TRAP_OOB;
    else if (at < fault_stack && fault_stack - at < STACK_REACH) r->trap = WASM_RT_TRAP_EXHAUSTION;
    else r->outcome = SANDBOX_INTERNAL; /* outside the program's memory: a hole in the host */
    r->pages = w->memory->pages;
    r->phase = WASI_ENDED;
    syscall(SYS_exit_group, 0);
}

static void catch_faults(wasi *w, const void *stack) {
    static _Alignas(16) uint8_t alternative[65536]; /* the program's own stack may be what ran out */
    stack_t ss = { .ss_sp = alternative, .ss_size = sizeof alternative };
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    fault_instance = w;
    fault_stack = (uintptr_t)stack;
    sigemptyset(&sa.sa_mask);
    if (sigaltstack(&ss, NULL) != 0 || sigaction(SIGSEGV, &sa, NULL) != 0 || sigaction(SIGBUS, &sa, NULL) != 0)
        wasi_end(w, SANDBOX_INTERNAL, 0, "the fault handler cannot be installed");
}

static _Noreturn void start(const struct guest *g, const struct guest_module *m, wasi *w, void *instance) {
    w->memory = m->memory(instance);
    catch_faults(w, __builtin_frame_address(0));
    m->init();
    g->report->phase = WASI_RUNNING;
    wasm_rt_set_unwind_target(&wasm_rt_jmp_buf);
    int trap = sigsetjmp(wasm_rt_jmp_buf, 1);
    if (trap) {
        g->report->trap = (uint32_t)trap;
        wasi_end(w, SANDBOX_TRAPPED, 0, NULL);
    }
    m->instantiate(instance, w);
    m->start(instance);
    wasi_end(w, SANDBOX_EXITED, 0, NULL);
}

void guest_main(const struct guest *g) {
    static wasi w;
    struct wasi_input inputs[VL_TASK_INPUTS_MAX];
    const struct sandbox_limits *l = &g->run->limits;
    struct confine_limits limits = { .memory_bytes = l->memory_bytes > 1ull << 32 ? 1ull << 32 : l->memory_bytes,
                                     .file_bytes = l->disk_bytes > l->output_bytes ? l->disk_bytes : l->output_bytes,
                                     .cpu_ms = l->cpu_ms };
    default_signals();
    place_fd(g, g->run->stdin_path[0] ? g->run->stdin_path : "/dev/null", O_RDONLY, 0);
    place_fd(g, g->stdout_path, O_WRONLY | O_CREAT | O_EXCL, 1);
    place_fd(g, g->stderr_path, O_WRONLY | O_CREAT | O_EXCL, 2);
    if (close_range(3, ~0u, 0) != 0) fail(g, "closing descriptors", errno); /* the node's socket among them */
    open_inputs(g, inputs);
    int root = open(g->root_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (root < 0) fail(g, g->root_dir, errno);
    int err = confine_limit(&limits);
    if (err) fail(g, "setting limits", err);
    err = confine_enter(g->confine, root, g->slot, g->parent);
    if (err) fail(g, "entering the sandbox", err);
    err = confine_load(g->confine);
    if (err) fail(g, "the first seccomp filter", err);
    const struct guest_module *m = load(g, root);
    void *instance = calloc(1, m->instance_size);
    if (instance == NULL) fail(g, "allocating the instance", errno);
    wasi_init(&w, g->run, inputs, root, g->report);
    err = confine_run(g->confine);
    if (err) fail(g, "the second seccomp filter", err);
    start(g, m, &w, instance);
}
