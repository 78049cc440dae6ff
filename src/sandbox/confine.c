#include "sandbox/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNTIME_DATA (64ull << 20) /* heap of libc, WASI tables and listings beside the linear memory */
#define STACK_BYTES (8ull << 20)   /* native stack of the compiled program: ends in a stack overflow trap */

/* What a running WASI program can cause us to call; exec, fork, socket, kill, ptrace, chmod and chown are not here. */
static const char *const run_calls[] = {
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "close", "fstat", "newfstatat", "openat2",
    "getdents64", "ftruncate", "fallocate", "fadvise64", "fsync", "fdatasync", "mkdirat", "unlinkat", "renameat",
    "renameat2", "utimensat", "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "getrandom", "munmap",
    "madvise", "mremap", "brk", "rt_sigreturn", "rt_sigprocmask", "sigaltstack", "rt_sigaction", "sched_yield", "futex",
    "exit", "exit_group", "restart_syscall", "gettid", "getpid",
};
/* What ld.so needs beside those, with executable mappings. */
static const char *const load_calls[] = { "openat", "mmap", "mprotect", "seccomp", "prctl" };

/* Default-deny for native programs: what programs of a distribution use. Everything that administers the machine,
 * looks into other processes, makes namespaces or loads code into the kernel is missing on purpose. */
static const char *const native_calls[] = {
    "_llseek", "_newselect", "accept", "accept4", "access", "alarm", "arch_prctl", "bind", "brk", "capget", "capset",
    "chdir", "chmod", "chown", "clock_getres", "clock_gettime", "clock_nanosleep", "close", "close_range", "connect",
    "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2", "execve", "execveat", "exit", "exit_group", "faccessat",
    "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchown", "fchownat", "fcntl", "fdatasync",
    "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate",
    "futex", "futex_waitv", "getcpu", "getcwd", "getdents", "getdents64", "getegid", "geteuid", "getgid", "getgroups",
    "getitimer", "getpeername", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid",
    "getresuid", "getrlimit", "get_robust_list", "getrusage", "getsid", "getsockname", "getsockopt", "get_thread_area",
    "gettid", "gettimeofday", "getuid", "getxattr", "inotify_add_watch", "inotify_init", "inotify_init1",
    "inotify_rm_watch", "ioctl", "ioprio_get", "ioprio_set", "kill", "lchown", "lgetxattr", "link", "linkat", "listen",
    "listxattr", "llistxattr", "lseek", "lstat", "madvise", "membarrier", "memfd_create", "mincore", "mkdir", "mkdirat",
    "mknod", "mknodat", "mlock", "mlock2", "mlockall", "mmap", "mprotect", "mremap", "msync", "munlock", "munlockall", "munmap",
    "nanosleep", "newfstatat", "open", "openat", "openat2", "pause", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2",
    "poll", "ppoll", "prctl", "pread64", "preadv", "preadv2", "prlimit64", "pselect6", "pwrite64", "pwritev", "pwritev2",
    "read", "readahead", "readlink", "readlinkat", "readv", "recvfrom", "recvmmsg", "recvmsg", "rename", "renameat",
    "renameat2", "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
    "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_getaffinity",
    "sched_getattr", "sched_getparam", "sched_get_priority_max", "sched_get_priority_min", "sched_getscheduler",
    "sched_setaffinity", "sched_yield", "select", "semctl", "semget", "semop", "semtimedop", "sendfile", "sendmmsg",
    "sendmsg", "sendto", "setfsgid", "setfsuid", "setgid", "setgroups", "setitimer", "setpgid", "setpriority", "setregid",
    "setresgid", "setresuid", "setreuid", "setrlimit", "set_robust_list", "setsid", "setsockopt", "set_thread_area",
    "set_tid_address", "setuid", "shmat", "shmctl", "shmdt", "shmget", "shutdown", "sigaltstack", "signalfd",
    "signalfd4", "socketpair", "splice", "stat", "statfs", "statx", "symlink", "symlinkat", "sync_file_range", "sysinfo",
    "tee", "tgkill", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
    "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "tkill", "truncate", "umask", "uname", "unlink",
    "unlinkat", "utime", "utimensat", "utimes", "vfork", "wait4", "waitid", "write", "writev",
};

static int allow_all(scmp_filter_ctx f, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int nr = seccomp_syscall_resolve_name(names[i]);
        if (nr < 0) continue; /* not on this architecture */
        int err = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
        if (err) return err;
    }
    return 0;
}

static scmp_filter_ctx guest_filter(bool loading) {
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (f == NULL) return NULL;
    int err = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: fewer steps for each call */
    if (!err) err = allow_all(f, run_calls, sizeof run_calls / sizeof *run_calls);
    if (!err && loading) err = allow_all(f, load_calls, sizeof load_calls / sizeof *load_calls);
    if (!err && !loading) {
        struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
        err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec);
        if (!err) err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec);
    }
    if (err) {
        seccomp_release(f);
        return NULL;
    }
    return f;
}

static scmp_filter_ctx native_filter(bool network) {
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS)); /* ENOSYS: libc falls back, for example from clone3 */
    if (f == NULL) return NULL;
    int err = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!err) err = allow_all(f, native_calls, sizeof native_calls / sizeof *native_calls);
    /* Families whose reach a network namespace does not end, such as AF_VSOCK, stay out. */
    const unsigned long families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
    for (size_t i = 0; !err && i < (network ? 4u : 1u); i++)
        err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, families[i]));
    const unsigned long new_ns = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                                 CLONE_NEWCGROUP;
    if (!err) err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, new_ns, 0));
    if (!err) err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1, SCMP_A0(SCMP_CMP_EQ, 0));
    if (err) {
        seccomp_release(f);
        return NULL;
    }
    return f;
}

/* A memory file with the BPF; -1 on failure. */
static int export_filter(scmp_filter_ctx f) {
    if (f == NULL) return -1;
    int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd >= 0 && (seccomp_export_bpf(f, fd) != 0 || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -1;
    }
    seccomp_release(f);
    return fd;
}

static enum vl_err filter_bytes(bool loading, struct vl_buf *out) {
    vl_buf_init(out, BPF_MAXINSNS * sizeof(struct sock_filter));
    int fd = export_filter(guest_filter(loading));
    if (fd < 0) return VL_EUNSUPPORTED;
    enum vl_err err = vl_buf_reserve(out, out->max);
    ssize_t n = err ? -1 : read(fd, out->p, out->max);
    close(fd);
    if (n <= 0 || (size_t)n % sizeof(struct sock_filter)) return err ? err : VL_EIO;
    out->len = (size_t)n;
    return VL_OK;
}

static int install(const struct vl_buf *filter) {
    struct sock_fprog prog = { .len = (unsigned short)(filter->len / sizeof(struct sock_filter)),
                               .filter = (struct sock_filter *)(void *)filter->p };
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0 ? 0 : errno;
}

static int write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int err = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return err;
}

/* A user namespace in which we are ourselves, for the right to chroot. */
static int own_user_namespace(void) {
    unsigned uid = (unsigned)geteuid(), gid = (unsigned)getegid();
    char map[64];
    if (unshare(CLONE_NEWUSER) != 0) return errno;
    int err = write_text("/proc/self/setgroups", "deny"); /* user_namespaces(7): before gid_map, or it is refused */
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    if (!err) err = write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    if (!err) err = write_text("/proc/self/gid_map", map);
    return err;
}

static int drop_capabilities(void) {
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
    return syscall(SYS_capset, &head, none) == 0 ? 0 : errno;
}

/* Files can be touched below root_fd only.  The set of rights is version 1 of the interface (Linux 5.13). */
static int landlock_root(int root_fd, int version) {
    uint64_t refer = version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0; /* else moving between folders is forbidden */
    struct landlock_ruleset_attr attr = { .handled_access_fs = ((1ull << 13) - 1) | refer };
    long rules = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0u);
    if (rules < 0) return errno;
    struct landlock_path_beneath_attr below = {
        .parent_fd = root_fd,
        .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                          LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                          LANDLOCK_ACCESS_FS_MAKE_DIR | refer,
    };
    int err = syscall(SYS_landlock_add_rule, (int)rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0u) ? errno : 0;
    if (!err && syscall(SYS_landlock_restrict_self, (int)rules, 0u)) err = errno;
    close((int)rules);
    return err;
}

/* Rights and namespaces may be cut down by policy (containers, AppArmor, a root that is none): only trying tells. */
static bool works(bool (*attempt)(void)) {
    pid_t pid = fork();
    if (pid == 0) _exit(attempt() ? 0 : 1);
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool become_another(void) {
    uid_t id = CONFINE_UID_FIRST;
    return chroot("/") == 0 && setgroups(0, NULL) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0;
}

static bool chroot_as_we_are(void) { return chroot("/") == 0; }

static bool chroot_in_namespace(void) { return own_user_namespace() == 0 && chroot("/") == 0; }

enum vl_err confine_create(struct confine *c, struct vl_errmsg *why) {
    *c = (struct confine){ .native_fd = -1, .native_net_fd = -1 };
    enum vl_err err = filter_bytes(true, &c->load);
    if (err == VL_OK) err = filter_bytes(false, &c->run);
    if (err) return vl_errmsg_set(why, VL_EUNSUPPORTED, "seccomp filters cannot be built on this machine");
    if (prctl(PR_GET_SECCOMP) < 0)
        return vl_errmsg_set(why, VL_EUNSUPPORTED, "this kernel has no seccomp (CONFIG_SECCOMP_FILTER)");
    c->native_fd = export_filter(native_filter(false));
    c->native_net_fd = export_filter(native_filter(true));
    c->root = geteuid() == 0 && works(become_another);
    c->user_namespace = !c->root && !works(chroot_as_we_are) && works(chroot_in_namespace);
    c->chroot = c->root || c->user_namespace || works(chroot_as_we_are);
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    c->landlock = version > 0 ? (int)version : 0;
    return VL_OK;
}

void confine_destroy(struct confine *c) {
    vl_buf_free(&c->load);
    vl_buf_free(&c->run);
    if (c->native_fd >= 0) close(c->native_fd);
    if (c->native_net_fd >= 0) close(c->native_net_fd);
    c->native_fd = c->native_net_fd = -1;
}

static int limit(__rlimit_resource_t what, uint64_t value) {
    struct rlimit old, want = { value, value };
    if (getrlimit(what, &old) != 0) return errno;
    if (old.rlim_max < want.rlim_max) want.rlim_cur = want.rlim_max = old.rlim_max; /* never ask for more than we have */
    return setrlimit(what, &want) == 0 ? 0 : errno;
}

int confine_limit(const struct confine_limits *l) {
    int err = limit(RLIMIT_CORE, 0);
    if (!err) err = limit(RLIMIT_FSIZE, l->file_bytes);
    if (!err) err = limit(RLIMIT_NOFILE, 512);
    if (!err) err = limit(RLIMIT_STACK, STACK_BYTES);
    if (!err) err = limit(RLIMIT_MEMLOCK, 0);
#ifndef __SANITIZE_ADDRESS__ /* the shadow of AddressSanitizer is data too; memory.grow is held by max_pages there */
    if (!err) err = limit(RLIMIT_DATA, l->memory_bytes + RUNTIME_DATA);
#endif
    if (!err && l->cpu_ms) {
        struct itimerval cpu = { .it_value = { .tv_sec = (time_t)(l->cpu_ms / 1000),
                                               .tv_usec = (suseconds_t)(l->cpu_ms % 1000 * 1000) } };
        if (setitimer(ITIMER_PROF, &cpu, NULL) != 0) err = errno; /* SIGPROF ends it, to the millisecond */
        if (!err) err = limit(RLIMIT_CPU, l->cpu_ms / 1000 + 2);
    }
    if (!err && setpriority(PRIO_PROCESS, 0, 10) != 0) err = errno;
    return err;
}

int confine_enter(const struct confine *c, int root_fd, uint32_t slot, int parent) {
    uid_t uid = CONFINE_UID_FIRST + slot;
    int err = 0;
    if (c->user_namespace) err = own_user_namespace();
    if (err) return err;
    if (c->chroot && (fchdir(root_fd) != 0 || chroot(".") != 0 || chdir("/") != 0)) return errno;
    if (c->root && (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)) return errno;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    err = drop_capabilities();
    if (!err && c->landlock) err = landlock_root(root_fd, c->landlock);
    /* Changing the user clears it, so it comes last; a parent that died before is seen by its id. */
    if (!err && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) err = errno;
    if (!err && getppid() != parent) err = ECHILD;
    return err;
}

int confine_load(const struct confine *c) { return install(&c->load); }
int confine_run(const struct confine *c) { return install(&c->run); }

int confine_native(const struct confine *c) {
    struct vl_buf b;
    vl_buf_init(&b, BPF_MAXINSNS * sizeof(struct sock_filter));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    int err = drop_capabilities();
    if (!err && vl_buf_reserve(&b, b.max) != VL_OK) err = ENOMEM;
    ssize_t n = err ? -1 : pread(c->native_fd, b.p, b.max, 0);
    if (!err && n <= 0) err = EIO;
    if (err) return err;
    b.len = (size_t)n;
    return install(&b);
}
