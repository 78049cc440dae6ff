/* runner_priv.h - the runner's tables, shared by runner.c (loop, requests), job.c (tasks) and build.c (compilations).
 *
 *   RUN -> WAITING --module compiled, a place free--> RUNNING --process gone--> [DRAINING --its pid 1 gone-->] ENDED -> RELEASE
 *             \--module refused--> gone                                                                               */
#ifndef VL_SANDBOX_RUNNER_PRIV_H
#define VL_SANDBOX_RUNNER_PRIV_H

#include "base/bytes.h"
#include "sandbox/cache.h"
#include "sandbox/cgroup.h"
#include "sandbox/confine.h"
#include "sandbox/request.h"
#include "sandbox/runner.h"
#include "sandbox/toolchain.h"
#include "sandbox/tree.h"
#include "sandbox/wasi.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define RUNNER_BUILDS_MAX 128u      /* compilations that run or wait: one for each task that may wait, and as many asked for */
#define RUNNER_BUILDS_AT_ONCE 2u    /* the C compiler takes a whole core and up to 1 GiB */
#define RUNNER_MODULES_MAX 256u     /* modules whose runs are counted, whose failure is remembered */
#define RUNNER_FAILURE_MS 600000u   /* a module that did not compile is not tried again so long: it costs a minute of CPU */
#define RUNNER_CHECK_MS 50u         /* how often a native task's disk, output and CPU are looked at */
#define RUNNER_OUTBOX_MAX (8u << 20) /* events the node has not read yet: 64 tasks of 64 KiB and room */

enum job_state { JOB_FREE = 0, JOB_WAITING, JOB_RUNNING, JOB_DRAINING, JOB_ENDED };
struct job {
    enum job_state state;
    uint32_t slot;
    uint64_t order;            /* of arrival */
    uint8_t *packet;           /* the RUN message, which run borrows */
    struct sandbox_run run;
    struct wasi_report *report; /* a page shared with the task, kept for the slot's life */
    pid_t pid, inner;          /* inner: pid 1 of a native task's namespace, 0 while unknown */
    bool inner_gone, grouped;
    int info_fd;               /* -1: closed */
    int status;                /* of waitpid */
    uint64_t started_us, wall_us, deadline_us, check_us, cpu_us, peak_bytes;
    uint64_t stopped_at_us, stopped_us, paced_us; /* pace.c: standing still since, 0: not; in all; CPU already counted */
    enum sandbox_outcome forced; /* why we killed it, 0 when we did not */
    const char *forced_text;     /* static */
};

struct build {
    bool used, background, wanted; /* wanted: a COMPILED event is due */
    struct vl_hash module;
    uint8_t level;
    uint64_t order, started_us;
    pid_t pid;                     /* 0: waits */
    bool timed_out, warned;
    uint64_t stopped_at_us, paced_us; /* as of jobs */
    char path[SANDBOX_PATH_MAX];
};

struct module_note {
    bool used, hot_asked;
    struct vl_hash module;
    uint32_t runs;
    uint64_t failed_us; /* 0: it did not fail */
    char text[256];
};

struct runner {
    int fd, signals, work_fd;
    pid_t self;
    bool greeted, stop, strangers; /* strangers: a jail was killed whose pid 1 is unknown */
    struct confine confine;
    struct toolchain tools;
    struct cgroups cgroups;
    struct cache cache;
    struct sandbox_stats stats;
    uint32_t jobs_max, hot_runs;
    uint32_t pace_milli;  /* pace.h */
    bool stopped;         /* all stand still now */
    bool trees;           /* frozen ones among them that must be looked at again */
    int64_t budget_us;    /* processor time they may still use */
    uint64_t paced_at_us; /* of the last look */
    uint64_t next_order;
    struct vl_buf outbox; /* u32 length, event, ... */
    struct job jobs[SANDBOX_JOBS_MAX];
    struct build builds[RUNNER_BUILDS_MAX];
    struct module_note notes[RUNNER_MODULES_MAX];
    uint32_t next_note;
    char work[SANDBOX_PATH_MAX - 160]; /* "/t-NN/root/out/" and a name fit behind it */
    uint8_t packet[SANDBOX_MESSAGE_MAX];
};

uint64_t runner_now_us(void); /* monotonic */
/* Encodes and sends, or puts it into the outbox.  An event that does not fit ends the runner. */
void runner_send(struct runner *r, const struct sandbox_event *ev);
/* Starts what can start now. */
void runner_advance(struct runner *r);

/* build.c */
void build_key(const struct runner *r, const struct vl_hash *module, uint8_t level, struct vl_hash *ret);
/* The compiled file of the best level there is.  false: none. */
bool build_find(struct runner *r, const struct vl_hash *module, char path[SANDBOX_PATH_MAX]);
/* Puts a compilation in line unless the same is there.  VL_ELIMIT: the line is full. */
VL_MUST_CHECK enum vl_err build_ask(struct runner *r, const struct vl_hash *module, const char *path, uint8_t level,
                                    bool background, bool wanted);
/* true: one ended at once (refused, or in the cache), so tasks that waited for it may go on. */
bool build_start_next(struct runner *r);
/* true: the pid was a compilation's. */
bool build_reaped(struct runner *r, pid_t pid, int status);
void build_tick(struct runner *r, uint64_t now_us, uint64_t *deadline_us);
void build_kill_all(struct runner *r);
/* Why the module cannot run, NULL when nothing is known against it. */
const char *build_failure(struct runner *r, const struct vl_hash *module);
/* Counts a run and asks for a better level when it is time. */
void build_count_run(struct runner *r, const struct vl_hash *module, const char *path);

/* job.c */
struct job *job_find(struct runner *r, uint64_t task);
void job_start(struct runner *r, struct job *j);
void job_refuse(struct runner *r, struct job *j, const char *text);
void job_kill(struct runner *r, struct job *j, enum sandbox_outcome why, const char *text);
bool job_reaped(struct runner *r, pid_t pid, int status, const struct rusage *ru);
void job_tick(struct runner *r, uint64_t now_us, uint64_t *deadline_us);
void runner_job_release(struct runner *r, struct job *j);

#endif
