#include "sandbox/runner_priv.h"

#include "sandbox/guest.h"
#include "sandbox/native.h"
#include "sandbox/pace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_FORK "the machine refuses a new process"

struct job_place {
    char name[16], root[SANDBOX_PATH_MAX], out[SANDBOX_PATH_MAX], err[SANDBOX_PATH_MAX], module[SANDBOX_PATH_MAX];
};
static struct job_place place(const struct runner *r, const struct job *j) {
    struct job_place p;
    snprintf(p.name, sizeof p.name, "t-%u", j->slot);
    snprintf(p.root, sizeof p.root, "%s/%s/root", r->work, p.name);
    snprintf(p.out, sizeof p.out, "%s/%s/stdout", r->work, p.name);
    snprintf(p.err, sizeof p.err, "%s/%s/stderr", r->work, p.name);
    snprintf(p.module, sizeof p.module, "%s/%s/root/" GUEST_MODULE_FILE, r->work, p.name);
    return p;
}

struct job *job_find(struct runner *r, uint64_t task) {
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++)
        if (r->jobs[i].state != JOB_FREE && r->jobs[i].run.task == task) return &r->jobs[i];
    return NULL;
}

/* ---------------------------------------------------------------------------------------------- leaving */

void runner_job_release(struct runner *r, struct job *j) {
    struct job_place p = place(r, j);
    enum vl_err left = tree_remove(r->work_fd, p.name);
    (void)left; /* what cannot be removed now is tried again before the slot is used, and at the next start */
    if (j->info_fd >= 0) close(j->info_fd);
    free(j->packet);
    *j = (struct job){ .slot = j->slot, .report = j->report, .info_fd = -1 };
}

void job_refuse(struct runner *r, struct job *j, const char *text) {
    struct sandbox_event ev = { .kind = SANDBOX_EVT_EXITED, .u.exited = { .task = j->run.task, .outcome = SANDBOX_REFUSED,
                                .exit_code = -1, .text = text } };
    runner_send(r, &ev);
    runner_job_release(r, j);
}

/* ---------------------------------------------------------------------------------------------- starting */

static bool copy_file(const char *from, const char *to) {
    struct vl_buf b;
    vl_buf_init(&b, CACHE_FILE_MAX);
    bool ok = cache_read_file(from, &b) == VL_OK;
    int fd = ok ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444) : -1;
    for (size_t at = 0; fd >= 0 && ok && at < b.len;) {
        ssize_t n = write(fd, b.p + at, b.len - at);
        ok = n > 0;
        if (ok) at += (size_t)n;
    }
    ok = ok && fd >= 0;
    if (fd >= 0) ok = fchmod(fd, 0444) == 0 && ok;
    if (fd >= 0) close(fd);
    vl_buf_free(&b);
    return ok;
}

static bool own(const struct runner *r, const struct job *j, const char *path) {
    uid_t id = CONFINE_UID_FIRST + j->slot;
    return !r->confine.root || lchown(path, id, id) == 0;
}

static bool make_place(struct runner *r, const struct job *j, const struct job_place *p, const char *module) {
    char sub[SANDBOX_PATH_MAX];
    if (mkdirat(r->work_fd, p->name, 0700) != 0) {
        if (errno != EEXIST || tree_remove(r->work_fd, p->name) || mkdirat(r->work_fd, p->name, 0700) != 0) return false;
    }
    if (mkdir(p->root, 0700) != 0) return false;
    if (module)
        return (link(module, p->module) == 0 || copy_file(module, p->module)) && own(r, j, p->root);
    snprintf(sub, sizeof sub, "%s/%s/root/in", r->work, p->name);
    if (mkdir(sub, 0755) != 0) return false;
    snprintf(sub, sizeof sub, "%s/%s/root/out", r->work, p->name);
    /* bubblewrap enters it as root without capabilities; the folder above is closed to others */
    return mkdir(sub, 0755) == 0 && chmod(sub, 0755) == 0 && own(r, j, sub);
}

static void started(struct runner *r, struct job *j, pid_t pid) {
    uint64_t now = runner_now_us();
    struct sandbox_event ev = { .kind = SANDBOX_EVT_STARTED, .u.task = j->run.task };
    j->pid = pid;
    j->state = JOB_RUNNING;
    j->started_us = now;
    j->deadline_us = now + j->run.limits.timeout_ms * 1000u;
    j->check_us = now + RUNNER_CHECK_MS * 1000u;
    r->stats.started++;
    runner_send(r, &ev);
}

static void start_wasm(struct runner *r, struct job *j, const struct job_place *p, const char *module) {
    if (!make_place(r, j, p, module)) {
        job_refuse(r, j, "the task's folder cannot be made: is the disk full?");
        return;
    }
    struct guest g = { .confine = &r->confine, .run = &j->run, .report = j->report, .root_dir = p->root,
                       .stdout_path = p->out, .stderr_path = p->err, .slot = j->slot, .parent = r->self };
    pid_t pid = fork();
    if (pid == 0) guest_main(&g);
    if (pid < 0) job_refuse(r, j, TEXT_FORK);
    else started(r, j, pid);
}

static void start_native(struct runner *r, struct job *j, const struct job_place *p) {
    int info[2];
    if (!make_place(r, j, p, NULL)) {
        job_refuse(r, j, "the task's folder cannot be made: is the disk full?");
        return;
    }
    j->grouped = cgroup_make(&r->cgroups, j->slot, j->run.limits.memory_bytes, j->run.limits.processes);
    if (!j->grouped || pipe2(info, O_CLOEXEC | O_NONBLOCK) != 0) {
        if (j->grouped) cgroup_remove(&r->cgroups, j->slot);
        job_refuse(r, j, "the task's control group cannot be made");
        return;
    }
    struct native n = { .confine = &r->confine, .cgroups = &r->cgroups, .run = &j->run, .report = j->report,
                        .root_dir = p->root, .stdout_path = p->out, .stderr_path = p->err, .slot = j->slot,
                        .parent = r->self, .info_fd = info[1] };
    pid_t pid = fork();
    if (pid == 0) native_main(&n);
    close(info[1]);
    j->info_fd = info[0];
    if (pid < 0) {
        cgroup_remove(&r->cgroups, j->slot);
        job_refuse(r, j, TEXT_FORK);
    } else {
        started(r, j, pid);
    }
}

static bool report_page(struct job *j) {
    if (j->report == NULL) {
        void *p = mmap(NULL, sizeof *j->report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return false;
        j->report = p;
    }
    memset(j->report, 0, sizeof *j->report);
    return true;
}

void job_start(struct runner *r, struct job *j) {
    char module[SANDBOX_PATH_MAX];
    struct job_place p = place(r, j);
    if (!report_page(j)) {
        job_refuse(r, j, "out of memory");
    } else if (j->run.kind == SANDBOX_NATIVE) {
        start_native(r, j, &p);
    } else if (build_find(r, &j->run.module, module)) {
        r->stats.cache_hits++;
        build_count_run(r, &j->run.module, j->run.program);
        start_wasm(r, j, &p, module);
    }
}

/* ---------------------------------------------------------------------------------------------- ending */

void job_kill(struct runner *r, struct job *j, enum sandbox_outcome why, const char *text) {
    if (j->forced) return;
    j->forced = why;
    j->forced_text = text;
    kill(j->pid, SIGKILL);
    pace_killed(r, j);
}

static uint64_t rusage_us(const struct rusage *ru) {
    return (uint64_t)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000u +
           (uint64_t)(ru->ru_utime.tv_usec + ru->ru_stime.tv_usec);
}

/* What the runner itself saw goes before what the process says of itself; its page is believed only within ranges. */
static void judge_wasm(const struct job *j, struct sandbox_exited *e, char text[SANDBOX_TEXT_MAX]) {
    struct wasi_report rep = *j->report;
    rep.text[sizeof rep.text - 1] = 0;
    for (char *c = rep.text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    snprintf(text, SANDBOX_TEXT_MAX, "%s", rep.text);
    e->peak_bytes = (rep.pages <= 65536 ? rep.pages : 0) * 65536ull;
    if (WIFSIGNALED(j->status)) {
        int sig = WTERMSIG(j->status);
        bool cpu = sig == SIGPROF || sig == SIGXCPU || (sig == SIGKILL && j->run.limits.cpu_ms &&
                                                        j->cpu_us >= j->run.limits.cpu_ms * 1000u);
        e->exit_code = 128 + sig;
        e->outcome = cpu ? SANDBOX_CPU_EXCEEDED : sig == SIGKILL ? SANDBOX_MEMORY_EXCEEDED
                     : rep.phase == WASI_RUNNING ? SANDBOX_TRAPPED : SANDBOX_INTERNAL;
        if (e->outcome == SANDBOX_TRAPPED) e->trap = sig == SIGSYS ? SANDBOX_TRAP_FORBIDDEN : SANDBOX_TRAP_SIGNAL;
        snprintf(text, SANDBOX_TEXT_MAX, "%s", cpu ? "the program used more CPU time than its limit"
                 : sig == SIGKILL ? "killed from outside, most likely because the machine ran out of memory"
                 : e->outcome == SANDBOX_TRAPPED ? guest_trap_text(e->trap) : "the sandbox failed before the program began");
        if (cpu) e->exit_code = -1;
        return;
    }
    bool known = rep.phase == WASI_ENDED && rep.outcome >= SANDBOX_EXITED && rep.outcome <= SANDBOX_INTERNAL &&
                 rep.outcome != SANDBOX_REFUSED && rep.outcome != SANDBOX_KILLED;
    e->outcome = known ? (enum sandbox_outcome)rep.outcome : SANDBOX_INTERNAL;
    if (!known) snprintf(text, SANDBOX_TEXT_MAX, "the task ended without a report");
    if (e->outcome == SANDBOX_EXITED) e->exit_code = (int32_t)(rep.exit_code & 0xff);
    if (e->outcome == SANDBOX_TRAPPED) {
        e->trap = guest_trap(rep.trap);
        snprintf(text, SANDBOX_TEXT_MAX, "%s", guest_trap_text(e->trap));
    }
    if (e->outcome == SANDBOX_INTERNAL && !text[0]) snprintf(text, SANDBOX_TEXT_MAX, "a fault outside the program's memory");
    bool failed = e->outcome == SANDBOX_TRAPPED || (e->outcome == SANDBOX_EXITED && e->exit_code != 0);
    if (failed && rep.grow_refused) { /* most programs abort when malloc fails: say why */
        e->outcome = SANDBOX_MEMORY_EXCEEDED;
        snprintf(text, SANDBOX_TEXT_MAX, "the program asked for more memory than its limit of %llu bytes and failed",
                 (unsigned long long)j->run.limits.memory_bytes);
    }
}

static uint64_t output_bytes(const struct job_place *p) {
    struct stat a = { 0 }, b = { 0 };
    if (lstat(p->out, &a) != 0) a.st_size = 0;
    if (lstat(p->err, &b) != 0) b.st_size = 0;
    return (uint64_t)a.st_size + (uint64_t)b.st_size;
}

/* bubblewrap and a shell report a signal as 128 + its number; these are the ones that programs die of. */
static bool deadly(int code) {
    static const int signals[] = { SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV, SIGPIPE, SIGTERM, SIGSYS };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (code == 128 + signals[i]) return true;
    return false;
}

static void judge_native(const struct job *j, const struct job_place *p, const struct cgroup_figures *fig,
                         struct sandbox_exited *e, char text[SANDBOX_TEXT_MAX]) {
    const char *say = "";
    int code = WIFEXITED(j->status) ? WEXITSTATUS(j->status) : 128 + WTERMSIG(j->status);
    e->exit_code = code;
    e->outcome = SANDBOX_EXITED;
    if (j->report->outcome == SANDBOX_INTERNAL) {
        e->outcome = SANDBOX_INTERNAL;
        e->exit_code = -1;
        j->report->text[sizeof j->report->text - 1] = 0;
        say = j->report->text;
    } else if (code != 0 && fig->out_of_memory) {
        e->outcome = SANDBOX_MEMORY_EXCEEDED;
        say = "the program used more memory than its limit";
    } else if (code == 128 + SIGXCPU) {
        e->outcome = SANDBOX_CPU_EXCEEDED;
        say = "the program used more CPU time than its limit";
    } else if (code == 128 + SIGXFSZ) {
        bool output = output_bytes(p) >= j->run.limits.output_bytes;
        e->outcome = output ? SANDBOX_OUTPUT_EXCEEDED : SANDBOX_DISK_EXCEEDED;
        say = output ? "the program wrote more than its output limit" : "the program wrote more than its disk limit";
    } else if (code != 0 && fig->out_of_pids) {
        e->outcome = SANDBOX_PROCESS_LIMIT;
        say = "the program wanted more processes than its limit and failed";
    } else if (deadly(code)) {
        e->outcome = SANDBOX_TRAPPED;
        e->trap = code == 128 + SIGSYS ? SANDBOX_TRAP_FORBIDDEN : SANDBOX_TRAP_SIGNAL;
        say = guest_trap_text(e->trap);
    }
    snprintf(text, SANDBOX_TEXT_MAX, "%s", say);
}

struct outputs {
    struct tree_file files[VL_TASK_OUTPUTS_MAX - 2];
    char paths[VL_TASK_OUTPUTS_MAX - 2][SANDBOX_PATH_MAX];
};

/* A stream that a native task wrote past the limit between two looks is cut to it. */
static uint64_t stream_size(const char *path, uint64_t *left) {
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) return 0;
    uint64_t size = (uint64_t)st.st_size;
    if (size > *left && truncate(path, (off_t)*left) == 0) size = *left;
    *left -= size < *left ? size : *left;
    return size;
}

static void collect(struct runner *r, const struct job *j, const struct job_place *p, struct outputs *o,
                    struct sandbox_exited *e) {
    uint64_t left = j->run.limits.output_bytes;
    e->outputs[0] = (struct sandbox_output){ .name = "stdout", .path = p->out, .size = stream_size(p->out, &left) };
    e->outputs[1] = (struct sandbox_output){ .name = "stderr", .path = p->err, .size = stream_size(p->err, &left) };
    e->outputs_n = 2;
    char dir[48];
    snprintf(dir, sizeof dir, "%s/root/out", p->name);
    uint32_t n = tree_outputs(r->work_fd, dir, o->files, VL_TASK_OUTPUTS_MAX - 2, &e->ignored);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(o->paths[i], sizeof o->paths[i], "%s/%s/%s", r->work, dir, o->files[i].name);
        e->outputs[e->outputs_n++] = (struct sandbox_output){ .name = o->files[i].name, .path = o->paths[i],
                                                              .size = o->files[i].size };
    }
}

static void finish(struct runner *r, struct job *j) {
    static struct outputs o; /* 40 KiB; one thread */
    struct job_place p = place(r, j);
    struct cgroup_figures fig = { 0 };
    char text[SANDBOX_TEXT_MAX] = "";
    struct sandbox_event ev = { .kind = SANDBOX_EVT_EXITED };
    struct sandbox_exited *e = &ev.u.exited;
    *e = (struct sandbox_exited){ .task = j->run.task, .exit_code = -1, .outcome = SANDBOX_INTERNAL, .wall_us = j->wall_us };
    if (j->grouped) cgroup_read(&r->cgroups, j->slot, &fig);
    if (fig.cpu_us > j->cpu_us) j->cpu_us = fig.cpu_us;
    e->peak_bytes = fig.peak_bytes ? fig.peak_bytes : j->peak_bytes;
    if (j->run.kind == SANDBOX_WASM) judge_wasm(j, e, text);
    else judge_native(j, &p, &fig, e, text);
    if (j->forced) {
        e->outcome = j->forced;
        e->exit_code = -1;
        e->trap = SANDBOX_TRAP_NONE;
        snprintf(text, sizeof text, "%s", j->forced_text);
    }
    e->cpu_us = j->cpu_us;
    e->text = text;
    collect(r, j, &p, &o, e);
    if (j->grouped) cgroup_remove(&r->cgroups, j->slot);
    j->grouped = false;
    j->state = JOB_ENDED;
    r->stats.ended++;
    runner_send(r, &ev);
}

/* bubblewrap's {"child-pid": N}: pid 1 of the task's namespace. */
static void learn_inner(struct job *j) {
    char text[256];
    if (j->inner || j->info_fd < 0) return;
    ssize_t n = read(j->info_fd, text, sizeof text - 1);
    if (n <= 0) return;
    text[n] = 0;
    const char *at = strstr(text, "\"child-pid\":");
    long pid = at ? strtol(at + 12, NULL, 10) : 0;
    if (pid > 1 && pid < INT32_MAX) j->inner = (pid_t)pid;
}

bool job_reaped(struct runner *r, pid_t pid, int status, const struct rusage *ru) {
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++) {
        struct job *j = &r->jobs[i];
        if (j->state != JOB_RUNNING && j->state != JOB_DRAINING) continue;
        if (j->run.kind == SANDBOX_NATIVE) learn_inner(j);
        if (pid != j->pid && pid != j->inner) continue;
        j->cpu_us += rusage_us(ru);
        if ((uint64_t)ru->ru_maxrss * 1024u > j->peak_bytes) j->peak_bytes = (uint64_t)ru->ru_maxrss * 1024u;
        if (pid == j->pid) {
            j->status = status;
            j->wall_us = runner_now_us() - j->started_us;
            j->state = JOB_DRAINING;
            j->pid = 0;
            if (j->run.kind == SANDBOX_NATIVE && j->inner == 0) r->strangers = true;
        } else {
            j->inner_gone = true;
        }
        /* Until its pid 1 is gone, processes of the task may still write. */
        if (j->state == JOB_DRAINING && (j->inner == 0 || j->inner_gone)) finish(r, j);
        else if (j->state == JOB_DRAINING) kill(j->inner, SIGKILL);
        return true;
    }
    return false;
}

/* Limits that no rlimit holds for a tree of processes. */
static void check_native(struct runner *r, struct job *j) {
    struct job_place p = place(r, j);
    const struct sandbox_limits *l = &j->run.limits;
    struct tree_usage u;
    struct cgroup_figures fig;
    char dir[48];
    snprintf(dir, sizeof dir, "%s/root/out", p.name);
    tree_usage(r->work_fd, dir, l->files, &u);
    if (u.bytes > l->disk_bytes) job_kill(r, j, SANDBOX_DISK_EXCEEDED, "the program wrote more than its disk limit");
    else if (u.entries > l->files) job_kill(r, j, SANDBOX_DISK_EXCEEDED, "the program made more files than its limit");
    else if (output_bytes(&p) > l->output_bytes)
        job_kill(r, j, SANDBOX_OUTPUT_EXCEEDED, "the program wrote more than its output limit");
    if (!l->cpu_ms) return;
    cgroup_read(&r->cgroups, j->slot, &fig);
    if (fig.cpu_us > l->cpu_ms * 1000u) job_kill(r, j, SANDBOX_CPU_EXCEEDED, "the program used more CPU time than its limit");
}

void job_tick(struct runner *r, uint64_t now_us, uint64_t *deadline_us) {
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++) {
        struct job *j = &r->jobs[i];
        if (j->state != JOB_RUNNING || j->forced || j->stopped_at_us) continue; /* time stands still for a stopped one */
        if (now_us >= j->deadline_us) {
            job_kill(r, j, SANDBOX_TIMED_OUT, "the program ran longer than its time limit");
            continue;
        }
        if (j->deadline_us < *deadline_us) *deadline_us = j->deadline_us;
        if (j->run.kind != SANDBOX_NATIVE) continue;
        if (now_us >= j->check_us) {
            check_native(r, j);
            j->check_us = now_us + RUNNER_CHECK_MS * 1000u;
        }
        if (j->check_us < *deadline_us) *deadline_us = j->check_us;
    }
}
