#include "sandbox/pace.h"

#include "os/sensors.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TREE_MAX 4096u
#define PASSES_MAX 8u /* a tree that forks while it is being stopped is looked through again */

static uint32_t processors(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? (uint32_t)n : 1;
}

/* ---- signals to a whole tree ---------------------------------------------------------------------------------------- */

static void children_of(pid_t pid, pid_t *list, uint32_t *n) {
    char dir[64], path[384], text[8192];
    snprintf(dir, sizeof dir, "/proc/%d/task", (int)pid);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s/children", dir, e->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
        if (fd >= 0) close(fd);
        text[got > 0 ? got : 0] = '\0';
        for (char *p = text, *end; *n < TREE_MAX; p = end) {
            long child = strtol(p, &end, 10);
            if (end == p) break;
            if (child > 1) list[(*n)++] = (pid_t)child;
        }
    }
    if (d) closedir(d);
}

/* Parents first, so that a stopped one makes no more children; again until a pass finds as many as the one before. */
static void signal_tree(pid_t pid, int sig) {
    static pid_t list[TREE_MAX]; /* one thread */
    uint32_t before = 0;
    for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
        uint32_t n = 1;
        list[0] = pid;
        for (uint32_t i = 0; i < n; i++) {
            kill(list[i], sig);
            children_of(list[i], list, &n);
        }
        if (n == before || sig != SIGSTOP) return;
        before = n;
    }
}

static void hold_job(struct runner *r, struct job *j, bool stop) {
    int sig = stop ? SIGSTOP : SIGCONT;
    if (j->run.kind == SANDBOX_WASM)
        kill(j->pid, sig); /* one process, and seccomp lets it make no other */
    else if (!j->grouped || !cgroup_freeze(&r->cgroups, j->slot, stop))
        signal_tree(j->pid, sig);
}

/* ---- stopping and going on, with the time in between ----------------------------------------------------------------- */

static void job_hold(struct runner *r, struct job *j, bool stop, uint64_t now) {
    if (j->state != JOB_RUNNING || j->forced || (j->stopped_at_us != 0) == stop) return;
    hold_job(r, j, stop);
    if (!stop) {
        uint64_t stood = now - j->stopped_at_us;
        j->deadline_us += stood;
        j->stopped_us += stood;
    }
    j->stopped_at_us = stop ? now : 0;
}

static void build_hold(struct build *b, bool stop, uint64_t now) {
    if (!b->used || !b->pid || b->timed_out || (b->stopped_at_us != 0) == stop) return;
    signal_tree(b->pid, stop ? SIGSTOP : SIGCONT);
    if (!stop) b->started_us += now - b->stopped_at_us;
    b->stopped_at_us = stop ? now : 0;
}

static void hold_all(struct runner *r, bool stop, uint64_t now) {
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++) job_hold(r, &r->jobs[i], stop, now);
    for (uint32_t i = 0; i < RUNNER_BUILDS_MAX; i++) build_hold(&r->builds[i], stop, now);
    r->stopped = stop;
}

void pace_killed(struct runner *r, struct job *j) {
    if (j->stopped_at_us != 0 && j->run.kind == SANDBOX_NATIVE && j->grouped) cgroup_freeze(&r->cgroups, j->slot, false);
    j->stopped_at_us = 0;
}

/* ---- measuring -------------------------------------------------------------------------------------------------------- */

/* Processor time of all threads of a process; 0: it has gone. */
static uint64_t process_us(pid_t pid) {
    clockid_t id;
    struct timespec t;
    if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t job_used(struct runner *r, const struct job *j) {
    struct cgroup_figures fig;
    if (j->run.kind == SANDBOX_WASM) return process_us(j->pid);
    if (j->grouped && r->cgroups.cpu) {
        cgroup_read(&r->cgroups, j->slot, &fig);
        return fig.cpu_us;
    }
    return sensors_tree_cpu_ms("/proc", j->pid) * 1000u;
}

static uint64_t newly(uint64_t *seen, uint64_t used) {
    uint64_t d = used > *seen ? used - *seen : 0;
    if (used > *seen) *seen = used;
    return d;
}

static uint64_t used_since(struct runner *r, bool *ret_any) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++) {
        struct job *j = &r->jobs[i];
        if (j->state != JOB_RUNNING) continue;
        *ret_any = true;
        sum += newly(&j->paced_us, job_used(r, j));
    }
    for (uint32_t i = 0; i < RUNNER_BUILDS_MAX; i++) {
        struct build *b = &r->builds[i];
        if (!b->used || !b->pid) continue;
        *ret_any = true;
        sum += newly(&b->paced_us, sensors_tree_cpu_ms("/proc", b->pid) * 1000u);
    }
    return sum;
}

void pace_set(struct runner *r, uint32_t cap_milli) {
    uint64_t now = runner_now_us();
    bool any = false;
    if (cap_milli == r->pace_milli) return;
    if (r->pace_milli == 1000 || r->pace_milli == 0) { /* what was used before is nothing to pay for */
        used_since(r, &any);
        r->budget_us = 0;
        r->paced_at_us = now;
    }
    r->pace_milli = cap_milli;
    r->trees = cap_milli == 0;
    hold_all(r, cap_milli == 0, now);
}

/* A tree that was forking while it was stopped may have a process that goes on: look again.  false: there is none to look at. */
static bool stop_again(struct runner *r, uint64_t now) {
    r->paced_at_us = now;
    r->trees = false;
    for (uint32_t i = 0; i < SANDBOX_JOBS_MAX; i++) {
        struct job *j = &r->jobs[i];
        if (j->state != JOB_RUNNING || j->run.kind == SANDBOX_WASM || (j->grouped && r->cgroups.version == SANDBOX_CGROUP_V2)) continue;
        signal_tree(j->pid, SIGSTOP);
        r->trees = true;
    }
    for (uint32_t i = 0; i < RUNNER_BUILDS_MAX; i++) {
        if (!r->builds[i].used || !r->builds[i].pid) continue;
        signal_tree(r->builds[i].pid, SIGSTOP);
        r->trees = true;
    }
    return r->trees;
}

void pace_tick(struct runner *r, uint64_t now_us, uint64_t *deadline_us) {
    if (r->pace_milli == 1000) return;
    if (r->pace_milli == 0) {
        hold_all(r, true, now_us);
        bool trees = now_us >= r->paced_at_us + PACE_AGAIN_US ? stop_again(r, now_us) : r->trees;
        if (trees && r->paced_at_us + PACE_AGAIN_US < *deadline_us) *deadline_us = r->paced_at_us + PACE_AGAIN_US;
        return;
    }
    bool any = false;
    if (now_us >= r->paced_at_us + PACE_TICK_US) {
        int64_t rate_milli = (int64_t)r->pace_milli * processors(), burst = (int64_t)PACE_BURST_US * rate_milli / 1000;
        int64_t spent = (int64_t)used_since(r, &any);
        r->budget_us += (int64_t)(now_us - r->paced_at_us) * rate_milli / 1000 - spent;
        if (r->budget_us > burst) r->budget_us = burst;
        r->paced_at_us = now_us;
        if (!r->stopped && r->budget_us < 0) hold_all(r, true, now_us);
        else if (r->stopped && r->budget_us >= (int64_t)PACE_TICK_US * rate_milli / 1000) hold_all(r, false, now_us);
        else if (r->stopped) hold_all(r, true, now_us);
    } else {
        any = true;
    }
    if (any && r->paced_at_us + PACE_TICK_US < *deadline_us) *deadline_us = r->paced_at_us + PACE_TICK_US;
}
