#include "sandbox/runner.h"

#include "crypto/random.h"
#include "os/file.h"
#include "sandbox/pace.h"
#include "sandbox/runner_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t runner_now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---------------------------------------------------------------------------------------------- sending */

/* true: sent; false: the socket is full, or broken (then stop is set). */
static bool try_send(struct runner *r, const uint8_t *p, size_t n) {
    ssize_t done;
    do done = send(r->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (done < 0 && errno == EINTR);
    if (done >= 0) return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) r->stop = true;
    return false;
}

void runner_send(struct runner *r, const struct sandbox_event *ev) {
    static uint8_t packet[SANDBOX_MESSAGE_MAX];
    size_t n = 0;
    uint8_t len[4];
    if (sandbox_event_encode(ev, packet, sizeof packet, &n)) {
        r->stop = true; /* our own bug: an event outside its ranges; better no runner than a task without an end */
        return;
    }
    if (r->outbox.len == 0 && try_send(r, packet, n)) return;
    vl_put_u32(len, (uint32_t)n);
    if (vl_buf_append(&r->outbox, len, sizeof len) || vl_buf_append(&r->outbox, packet, n)) r->stop = true;
}

static void flush(struct runner *r) {
    size_t at = 0;
    while (at < r->outbox.len) {
        size_t n = vl_get_u32(r->outbox.p + at);
        if (!try_send(r, r->outbox.p + at + 4, n)) break;
        at += 4 + n;
    }
    vl_buf_consume(&r->outbox, at);
}

static void refuse(struct runner *r, uint8_t request, uint64_t task, enum vl_err err, const char *text) {
    struct sandbox_event ev = { .kind = SANDBOX_EVT_REFUSED };
    ev.u.refused.request = request;
    ev.u.refused.task = task;
    ev.u.refused.err = err;
    ev.u.refused.text = text;
    runner_send(r, &ev);
}

/* ---------------------------------------------------------------------------------------------- requests */

static void say_hello(struct runner *r) {
    char text[SANDBOX_TEXT_MAX];
    const struct toolchain *t = &r->tools;
    snprintf(text, sizeof text, "%s%s%s%s%s", t->missing, t->missing[0] ? "; " : "",
             t->bwrap[0] ? "" : "bubblewrap is missing: native programs are refused; ",
             t->bwrap[0] && !t->jailed ? "bubblewrap does not work here (namespaces not permitted): native programs are "
                                         "refused and the compiler runs behind seccomp and rlimits only; " : "",
             r->confine.chroot ? "" : "user namespaces are not permitted: WebAssembly tasks keep sight of the file system "
                                      "behind seccomp, rlimits and WASI's own rules; ");
    struct sandbox_event ev = { .kind = SANDBOX_EVT_HELLO, .u.hello = {
        .protocol = SANDBOX_PROTOCOL, .wasm = t->ok, .native = t->jailed, .chroot = r->confine.chroot,
        .landlock = r->confine.landlock > 0, .compile_sandboxed = t->jailed, .cgroup = r->cgroups.version,
        .toolchain = t->hash, .wasm2c = t->wasm2c, .cc = t->cc, .bwrap = t->bwrap, .text = text } };
    runner_send(r, &ev);
}

static void do_hello(struct runner *r, uint32_t protocol) {
    if (r->greeted) {
        refuse(r, SANDBOX_REQ_HELLO, 0, VL_ESTATE, "HELLO came twice");
    } else if (protocol != SANDBOX_PROTOCOL) {
        refuse(r, SANDBOX_REQ_HELLO, 0, VL_EVERSION, "the runner speaks another version of the protocol");
    } else {
        r->greeted = true;
        say_hello(r);
    }
}

static void do_compile(struct runner *r, const struct sandbox_compile *c) {
    if (build_ask(r, &c->module, c->module_path, c->level, false, true))
        refuse(r, SANDBOX_REQ_COMPILE, 0, VL_EBUSY, "too many modules wait for the compiler");
}

static void do_run(struct runner *r, const struct sandbox_run *run, struct vl_span packet) {
    struct job *j = NULL;
    if (job_find(r, run->task)) {
        refuse(r, SANDBOX_REQ_RUN, run->task, VL_EEXISTS, "a task of this number is here already");
        return;
    }
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX && j == NULL; i++)
        if (r->jobs[i].state == JOB_FREE) j = &r->jobs[i];
    uint8_t *copy = j ? malloc(packet.n) : NULL;
    if (copy == NULL) {
        refuse(r, SANDBOX_REQ_RUN, run->task, VL_EBUSY, "no place for another task");
        return;
    }
    struct sandbox_request again;
    memcpy(copy, packet.p, packet.n);
    enum vl_err err = sandbox_request_decode(vl_span(copy, packet.n), &again);
    *j = (struct job){ .state = JOB_WAITING, .slot = j->slot, .report = j->report, .info_fd = -1, .packet = copy,
                       .order = r->next_order++ };
    if (err == VL_OK) j->run = again.u.run; /* the same bytes decoded before */
    if (run->kind == SANDBOX_NATIVE && !r->tools.jailed)
        job_refuse(r, j, r->tools.bwrap[0] ? "native programs cannot be isolated on this machine: bubblewrap does not work here"
                                           : "native programs need bubblewrap: install it on this machine");
}

static void do_stats(struct runner *r) {
    struct sandbox_event ev = { .kind = SANDBOX_EVT_STATS, .u.stats = r->stats };
    struct sandbox_stats *s = &ev.u.stats;
    s->cache_bytes = r->cache.bytes;
    s->cache_rebuilt = r->cache.rebuilt;
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++) {
        enum job_state state = r->jobs[i].state;
        s->running += state == JOB_RUNNING || state == JOB_DRAINING;
        s->waiting += state == JOB_WAITING;
        s->unreleased += state == JOB_ENDED;
    }
    runner_send(r, &ev);
}

static void do_kill(struct runner *r, uint64_t task) {
    static const char text[] = "killed on request";
    struct job *j = job_find(r, task);
    if (j == NULL || j->state == JOB_ENDED) {
        refuse(r, SANDBOX_REQ_KILL, task, j ? VL_ESTATE : VL_ENOTFOUND, j ? "the task has ended" : "no such task");
    } else if (j->state == JOB_WAITING) {
        struct sandbox_event ev = { .kind = SANDBOX_EVT_EXITED, .u.exited = { .task = task, .outcome = SANDBOX_KILLED,
                                    .exit_code = -1, .text = text } };
        runner_send(r, &ev);
        j->state = JOB_ENDED;
    } else if (j->state == JOB_RUNNING) {
        job_kill(r, j, SANDBOX_KILLED, text);
    }
}

static void do_release(struct runner *r, uint64_t task) {
    struct job *j = job_find(r, task);
    if (j == NULL) refuse(r, SANDBOX_REQ_RELEASE, task, VL_ENOTFOUND, "no such task");
    else if (j->state != JOB_ENDED) refuse(r, SANDBOX_REQ_RELEASE, task, VL_ESTATE, "the task has not ended");
    else runner_job_release(r, j);
}

static void request(struct runner *r, struct vl_span packet) {
    static struct sandbox_request q;
    if (sandbox_request_decode(packet, &q)) {
        r->stats.malformed++;
        refuse(r, 0, 0, VL_EPARSE, "malformed request");
        return;
    }
    if (!r->greeted && q.kind != SANDBOX_REQ_HELLO) {
        refuse(r, (uint8_t)q.kind, q.kind == SANDBOX_REQ_RUN ? q.u.run.task : 0, VL_ESTATE, "HELLO comes first");
        return;
    }
    switch (q.kind) {
    case SANDBOX_REQ_HELLO: do_hello(r, q.u.protocol); break;
    case SANDBOX_REQ_COMPILE: do_compile(r, &q.u.compile); break;
    case SANDBOX_REQ_RUN: do_run(r, &q.u.run, packet); break;
    case SANDBOX_REQ_KILL: do_kill(r, q.u.task); break;
    case SANDBOX_REQ_RELEASE: do_release(r, q.u.task); break;
    case SANDBOX_REQ_STATS: do_stats(r); break;
    case SANDBOX_REQ_PACE: pace_set(r, q.u.cap_milli); break;
    }
}

/* Takes what is there, but not for ever: tasks must be started and reaped in between. */
static void receive(struct runner *r) {
    for (int i = 0; i < 32 && !r->stop && r->outbox.len == 0; i++) {
        ssize_t n = recv(r->fd, r->packet, sizeof r->packet, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            r->stop = true; /* the node is gone */
        } else if ((size_t)n > sizeof r->packet) {
            r->stats.malformed++;
            refuse(r, 0, 0, VL_EPARSE, "the request is too long");
        } else {
            request(r, vl_span(r->packet, (size_t)n));
        }
    }
}

/* ---------------------------------------------------------------------------------------------- scheduling */

static struct job *oldest_waiting(struct runner *r, uint64_t after) {
    struct job *best = NULL;
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++) {
        struct job *j = &r->jobs[i];
        if (j->state == JOB_WAITING && j->order >= after && (best == NULL || j->order < best->order)) best = j;
    }
    return best;
}

/* true: it may start now.  Asks for the compilation it waits for, or refuses it. */
static bool ready(struct runner *r, struct job *j) {
    char path[SANDBOX_PATH_MAX];
    if (j->run.kind == SANDBOX_NATIVE || build_find(r, &j->run.module, path)) return true;
    const char *failure = build_failure(r, &j->run.module);
    if (failure) job_refuse(r, j, failure);
    else if (build_ask(r, &j->run.module, j->run.program, 1, false, false))
        job_refuse(r, j, "too many modules wait for the compiler");
    return false;
}

static void start_waiting(struct runner *r) {
    uint32_t running = 0;
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++)
        running += r->jobs[i].state == JOB_RUNNING || r->jobs[i].state == JOB_DRAINING;
    uint64_t after = 0;
    for (struct job *j; running < r->jobs_max && (j = oldest_waiting(r, after)) != NULL;) {
        after = j->order + 1;
        if (!ready(r, j)) continue;
        job_start(r, j);
        running += j->state == JOB_RUNNING;
    }
}

void runner_advance(struct runner *r) {
    if (r->pace_milli == 0) return; /* frozen: nothing begins */
    do start_waiting(r);
    while (build_start_next(r));
}

/* ---------------------------------------------------------------------------------------------- children */

/* A child that is in no table: pid 1 of a jail whose bubblewrap was killed before it could say the number. It may have
 * missed its parent's death, so it is killed here (/proc/PID/task/TID/children, proc(5)). */
static void kill_strangers(struct runner *r) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", r->self);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    for (char *p = text, *end; *p; p = end) {
        pid_t pid = (pid_t)strtol(p, &end, 10);
        if (end == p) break;
        bool known = false;
        for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++)
            known = known || (pid == r->jobs[i].pid && r->jobs[i].state == JOB_RUNNING);
        for (uint32_t i = 0; i < RUNNER_BUILDS_MAX; i++) known = known || (r->builds[i].used && pid == r->builds[i].pid);
        if (!known && pid > 1) kill(pid, SIGKILL);
    }
}

static void reap(struct runner *r) {
    struct rusage ru;
    int status;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &ru)) > 0;)
        if (!job_reaped(r, pid, status, &ru)) build_reaped(r, pid, status);
    if (r->strangers) kill_strangers(r);
    r->strangers = false;
}

static void read_signals(struct runner *r) {
    struct signalfd_siginfo si;
    while (read(r->signals, &si, sizeof si) == (ssize_t)sizeof si)
        if (si.ssi_signo == SIGTERM) r->stop = true;
    reap(r);
}

static void end_all(struct runner *r) {
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++)
        if (r->jobs[i].state == JOB_RUNNING) {
            kill(r->jobs[i].pid, SIGKILL);
            pace_killed(r, &r->jobs[i]);
        }
    build_kill_all(r);
    kill_strangers(r);
    for (pid_t pid; (pid = waitpid(-1, NULL, 0)) > 0 || errno == EINTR;) {
        for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++) /* its number is free for others now: never signal it again */
            if (r->jobs[i].pid == pid) r->jobs[i].pid = 0;
        for (uint32_t i = 0; i < RUNNER_BUILDS_MAX; i++)
            if (r->builds[i].pid == pid) r->builds[i].pid = 0;
        kill_strangers(r);
    }
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++)
        if (r->jobs[i].state != JOB_FREE) runner_job_release(r, &r->jobs[i]);
}

/* ---------------------------------------------------------------------------------------------- start and end */

static bool clean_work(struct runner *r) {
    DIR *d = fdopendir(dup(r->work_fd));
    bool ok = d != NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) ok = tree_remove(r->work_fd, e->d_name) == VL_OK && ok;
    if (d) closedir(d);
    return ok;
}

static bool open_signals(struct runner *r) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT); /* Ctrl-C reaches the whole group; the node decides what it means */
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0) return false;
    r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return r->signals >= 0;
}

static bool fail(const char *what, const char *why) {
    fprintf(stderr, "village runner: %s: %s\n", what, why);
    return false;
}

static bool open_all(struct runner *r, const struct runner_config *cfg) {
    struct vl_errmsg why = { "" };
    if (crypto_init()) return fail("start", "no source of random bytes");
    if (strlen(cfg->work_dir) >= sizeof r->work || cfg->work_dir[0] != '/') return fail(cfg->work_dir, "bad or too long path");
    snprintf(r->work, sizeof r->work, "%s", cfg->work_dir);
    enum vl_err err = os_mkdir_all(r->work, 0700);
    if (err) return fail(r->work, vl_err_text(err));
    r->work_fd = open(r->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->work_fd < 0 || !clean_work(r)) return fail(r->work, "leftovers cannot be removed");
    err = cache_open(&r->cache, cfg->cache_dir, cfg->cache_bytes ? cfg->cache_bytes : 1ull << 30);
    if (err) return fail(cfg->cache_dir, vl_err_text(err));
    if (!open_signals(r)) return fail("signals", strerror(errno));
    /* What outlives bubblewrap comes to us, so that we see the end of all of it; and we end with the node in order. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return fail("subreaper", strerror(errno));
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) return fail("parent's death", strerror(errno));
    fcntl(r->fd, F_SETFD, FD_CLOEXEC);
    cgroups_open(&r->cgroups); /* before the trials: their last processes would be strangers in our group */
    if (confine_create(&r->confine, &why)) return fail("sandbox", why.text);
    toolchain_probe(&r->tools, &r->confine);
    return true;
}

static void loop(struct runner *r) {
    while (!r->stop) {
        uint64_t now = runner_now_us(), deadline = now + 60000000u;
        job_tick(r, now, &deadline);
        build_tick(r, now, &deadline);
        pace_tick(r, now, &deadline);
        short wanted = r->outbox.len ? POLLOUT : POLLIN; /* a node that does not read is not listened to */
        struct pollfd p[2] = { { .fd = r->fd, .events = wanted }, { .fd = r->signals, .events = POLLIN } };
        int timeout_ms = deadline <= now ? 0 : (int)((deadline - now + 999) / 1000);
        if (poll(p, 2, timeout_ms) < 0 && errno != EINTR) break;
        if (p[1].revents) read_signals(r);
        if (p[0].revents & POLLOUT) flush(r);
        if (p[0].revents & (POLLIN | POLLHUP | POLLERR)) receive(r);
        runner_advance(r);
    }
}

int runner_main(int fd, const struct runner_config *cfg) {
    struct runner *r = calloc(1, sizeof *r);
    if (r == NULL) return 1;
    r->fd = fd;
    r->signals = r->work_fd = -1;
    r->confine.native_fd = r->confine.native_net_fd = -1;
    for (size_t i = 0; i < 3; i++) r->cgroups.held[i] = -1;
    r->self = getpid();
    r->pace_milli = 1000;
    r->jobs_max = cfg->jobs_max && cfg->jobs_max < SANDBOX_JOBS_MAX ? cfg->jobs_max : SANDBOX_JOBS_MAX;
    r->hot_runs = cfg->hot_runs ? cfg->hot_runs : 16;
    vl_buf_init(&r->outbox, RUNNER_OUTBOX_MAX);
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++) r->jobs[i] = (struct job){ .slot = i, .info_fd = -1 };
    bool ok = open_all(r, cfg);
    if (ok) loop(r);
    end_all(r);
    if (r->work_fd >= 0) ok = clean_work(r) && ok;
    cgroups_close(&r->cgroups);
    confine_destroy(&r->confine);
    cache_close(&r->cache);
    vl_buf_free(&r->outbox);
    if (r->signals >= 0) close(r->signals);
    if (r->work_fd >= 0) close(r->work_fd);
    close(fd);
    free(r);
    return ok ? 0 : 1;
}
