#include "sandbox/native.h"

#include "sandbox/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static _Noreturn void fail(const struct native *n, const char *what, int err) {
    snprintf(n->report->text, sizeof n->report->text, "%s: %s", what, strerror(err));
    n->report->outcome = SANDBOX_INTERNAL;
    n->report->phase = WASI_ENDED;
    _exit(0);
}

static void place_fd(const struct native *n, const char *path, int flags, int want) {
    int fd = open(path, flags | O_NOFOLLOW, 0600);
    if (fd < 0) fail(n, path, errno);
    if (fd != want && dup2(fd, want) < 0) fail(n, path, errno);
    if (fd != want) close(fd);
}

static void set_pair(const struct native *n, __rlimit_resource_t what, uint64_t soft, uint64_t hard) {
    struct rlimit old, r = { soft, hard };
    if (getrlimit(what, &old) != 0) fail(n, "reading limits", errno);
    if (old.rlim_max < r.rlim_max) r.rlim_max = old.rlim_max; /* never ask for more than we have */
    if (r.rlim_cur > r.rlim_max) r.rlim_cur = r.rlim_max;
    if (setrlimit(what, &r) != 0) fail(n, "setting limits", errno);
}

static void set(const struct native *n, __rlimit_resource_t what, uint64_t value) { set_pair(n, what, value, value); }

static void limits(const struct native *n) {
    const struct sandbox_limits *l = &n->run->limits;
    set(n, RLIMIT_CORE, 0);
    set(n, RLIMIT_FSIZE, l->disk_bytes > l->output_bytes ? l->disk_bytes : l->output_bytes);
    set(n, RLIMIT_NOFILE, 1024);
    set(n, RLIMIT_STACK, 8u << 20);
    set(n, RLIMIT_MEMLOCK, 0);
    uint64_t cpu_s = (l->cpu_ms + 999) / 1000;
    if (l->cpu_ms) set_pair(n, RLIMIT_CPU, cpu_s, cpu_s + 1); /* the soft one is told apart: SIGXCPU */
    if (!n->cgroups->memory) set(n, RLIMIT_DATA, l->memory_bytes);
    if (n->confine->root) set(n, RLIMIT_NPROC, l->processes); /* root is exempt; the task's own user will not be */
    if (setpriority(PRIO_PROCESS, 0, 10) != 0) fail(n, "setting the priority", errno);
}

/* A file that the task's user may not read itself is copied: a bind mount keeps the rights of the file. */
static const char *input_source(const struct native *n, uint32_t i, char copy[SANDBOX_PATH_MAX]) {
    const struct sandbox_input *in = &n->run->inputs[i];
    struct stat st;
    int from = open(in->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (from < 0 || fstat(from, &st) != 0) fail(n, in->path, errno);
    if (!S_ISREG(st.st_mode)) fail(n, in->path, EINVAL);
    if (!n->confine->root || (st.st_mode & S_IROTH)) {
        close(from);
        return in->path;
    }
    if ((size_t)snprintf(copy, SANDBOX_PATH_MAX, "%s/in/%u", n->root_dir, i) >= SANDBOX_PATH_MAX)
        fail(n, in->path, ENAMETOOLONG);
    int to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (to < 0) fail(n, copy, errno);
    for (off_t left = st.st_size; left > 0;) {
        ssize_t done = sendfile(to, from, NULL, (size_t)left);
        if (done <= 0) fail(n, copy, done == 0 ? EIO : errno);
        left -= done;
    }
    close(from);
    close(to);
    return copy;
}

/* "K=V" strings as --setenv K V; K is copied into `names`, which holds VL_ARGS_BYTES. */
static void add_env(struct jail *j, const struct sandbox_run *run, char *names) {
    bool path = false;
    const char *p = (const char *)run->env.p;
    for (uint32_t i = 0; i < run->envc; i++) {
        size_t n = strcspn(p, "=");
        memcpy(names, p, n);
        names[n] = 0;
        path = path || strcmp(names, "PATH") == 0;
        jail_add(j, "--setenv");
        jail_add(j, names);
        jail_add(j, p + n + 1);
        names += n + 1;
        p += strlen(p) + 1;
    }
    if (path) return;
    jail_add(j, "--setenv");
    jail_add(j, "PATH");
    jail_add(j, "/usr/bin:/bin");
}

static void add_mounts(const struct native *n, struct jail *j) {
    static char out[SANDBOX_PATH_MAX], copies[VL_TASK_INPUTS_MAX][SANDBOX_PATH_MAX],
        names[VL_TASK_INPUTS_MAX][VL_NAME_MAX + 4];
    if ((size_t)snprintf(out, sizeof out, "%s/out", n->root_dir) >= sizeof out) fail(n, n->root_dir, ENAMETOOLONG);
    jail_add(j, "--bind");
    jail_add(j, out);
    jail_add(j, "/out");
    jail_add(j, "--dir");
    jail_add(j, "/in");
    for (uint32_t i = 0; i < n->run->inputs_n; i++) {
        snprintf(names[i], sizeof names[i], "/in/%s", n->run->inputs[i].name);
        jail_add(j, "--ro-bind");
        jail_add(j, input_source(n, i, copies[i]));
        jail_add(j, names[i]);
    }
    jail_add(j, "--remount-ro"); /* the folder that holds all the others would else be memory without a limit */
    jail_add(j, "/");
    jail_add(j, "--chdir");
    jail_add(j, "/out");
}

void native_main(const struct native *n) {
    static struct jail j;
    static char env_names[VL_ARGS_BYTES];
    const struct sandbox_run *run = n->run;
    uint64_t tmp = run->limits.disk_bytes < run->limits.memory_bytes ? run->limits.disk_bytes : run->limits.memory_bytes;
    struct jail_options o = { .confine = n->confine, .network = run->network, .tmp_bytes = tmp > 4096 ? tmp : 4096,
                              .uid_slot = n->slot, .processes = run->limits.processes, .info_fd = n->info_fd };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    umask(022);
    place_fd(n, run->stdin_path[0] ? run->stdin_path : "/dev/null", O_RDONLY, 0);
    place_fd(n, n->stdout_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 1);
    place_fd(n, n->stderr_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 2);
    jail_begin(&j, &o);
    add_mounts(n, &j);
    add_env(&j, run, env_names);
    jail_command(&j, &o);
    jail_add(&j, run->program);
    const char *p = (const char *)run->argv.p; /* argv[0] is the name; setpriv and prlimit run the path itself */
    for (uint32_t i = 0; i < run->argc; i++, p += strlen(p) + 1)
        if (i > 0) jail_add(&j, p);
    if (!cgroup_enter(n->cgroups, n->slot)) fail(n, "entering the control group", errno);
    limits(n);
    fcntl(n->info_fd, F_SETFD, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != n->parent) fail(n, "tying the task to the runner", errno);
    n->report->phase = WASI_RUNNING;
    jail_exec(&j);
}
