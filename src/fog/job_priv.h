/* job_priv.h - inside of the job book, shared by the job*.c files only.
 *
 * Rules that hold between steps (job_book_check() in the tests walks them):
 *   a copy PLACED, ACCEPTED or STARTED is live: counted in its node, its task and its job, and in its node's tree;
 *   a copy AWAY is in its node's tree but not counted: its node is lost, its epoch still good until another copy
 * replaces it; live + votes <= target + (duplicate wanted);  queued => want > 0;  a final task has no copies but, when
 * done, the winner's. Everything that is not in a job's record (counters, queues, timers) follows from what is: restore
 * recomputes it. */
#ifndef VL_FOG_JOB_PRIV_H
#define VL_FOG_JOB_PRIV_H

#include "base/map.h"
#include "fog/job.h"
#include "fog/order.h"

#define TASK_BITS 15u /* of a timer's low key: TASK_INDEX_MAX < 2^15; all ones is the job's own timer */
#define JOB_TIMER_INDEX ((1u << TASK_BITS) - 1)
#define MERGE_LEVELS 4u /* 64^3 > VL_JOB_TASKS_MAX */

enum copy_state {
    COPY_PLACED = 1,
    COPY_ACCEPTED = 2,
    COPY_STARTED = 3,
    COPY_AWAY = 4,
    COPY_VOTE = 5,   /* its result waits to be compared */
    COPY_FAILED = 6, /* remembered, so that the next try goes elsewhere */
    COPY_GONE = 7,   /* lost, refused, revoked or replaced: the same */
    COPY_WON = 8,    /* its result is the task's */
};

struct node_load {
    struct vl_node_id id;
    struct order copies;    /* live and AWAY ones by (job seq, task, epoch) */
    uint32_t refs;          /* copies that name this node, dead ones too */
    struct sched_load load; /* of the live ones */
};

struct copy {
    struct order_node on_node;
    struct copy *next; /* by epoch, ascending */
    struct node_load *node;
    struct task *task;
    uint64_t epoch, batch;
    vl_ms placed_ms, started_ms, touched_ms; /* touched: its last event */
    vl_ms deadline_ms;                       /* live only */
    enum copy_state state;
    uint32_t report_len;
    uint8_t *report;     /* VOTE: encoded, without inline bytes */
    struct vl_hash root; /* VOTE */
    struct vl_hash commitment;
    bool due;       /* must commit before it reports */
    bool committed; /* has */
    bool asked;     /* was told to reveal */
    bool referee;   /* its result decides alone */
};

struct task {
    struct order_node timer;
    struct job *job;
    struct copy *copies;
    uint8_t *report; /* of the winner or the last failure */
    uint32_t report_len;
    int32_t error;  /* of the last failure */
    uint64_t epoch; /* last one given */
    vl_ms not_before, started_ms, ended_ms;
    uint32_t pending; /* merge: inputs that are not done */
    uint16_t failures, refusals, losses;
    uint8_t state;  /* enum job_task_state */
    uint8_t target; /* results wanted: replicas, and one more for each disagreement */
    uint8_t n_copies, live, votes;
    bool duplicate; /* a straggler: one copy more than the target */
    bool queued;
    bool judge;      /* a result came and was not judged yet: others of its round are still to be told */
    bool referee;    /* the replicas disagree for good: the next copy decides */
    uint8_t rule;    /* enum job_rule of the last result */
    uint64_t winner; /* of the ruling; 0: none */
    vl_ms until;     /* of the ruling; 0: none */
    vl_ms round_ms;  /* when a round that has begun to commit is told to reveal at the latest; 0: none has */
};

struct waiter {
    struct waiter *next;
    struct job *job; /* the one that waits */
};

struct job {
    struct order_node by_seq, queue,
        timer; /* queue: the ready queue while running, the list of ended ones afterwards */
    struct vl_job_id id;
    uint64_t seq;
    uint8_t *spec; /* encoded */
    uint32_t spec_len;
    uint32_t n_tasks, n_maps, n_queued;
    struct task *tasks;
    uint64_t *queued_bits; /* by task; points at one_word when 64 suffice */
    uint64_t one_word;
    uint32_t *input_at; /* offsets into the packed inputs; NULL when there is one map task */
    struct waiter *waiters;
    uint32_t n_waiters, after_left;
    uint32_t waiting, running, done, failed, voting, live; /* voting: unfinished tasks with a vote */
    uint32_t open;           /* copies that owe a verdict: live, AWAY, VOTE */
    uint32_t attempts;
    vl_ms submitted_ms, started_ms, ended_ms, expires_ms;
    uint64_t memory_bytes, disk_bytes, timeout_ms;
    struct job_terms *terms; /* NULL: nothing asked */
    bool dated;              /* expires_ms is a deadline somebody asked for */
    uint64_t worked_ms;      /* sum over the tasks done: what a task of it takes */
    uint64_t program;        /* first bytes of what it runs: tasks of one program are drawn to the same nodes */
    uint64_t price;          /* micro-credits; 0: none */
    uint64_t step; /* of the last JOB_CHANGED, to give it once per step */
    int32_t error;
    uint8_t state, kind, priority, privacy, replicas, max_attempts, class;
    uint8_t quorum; /* equal results that settle a task when nobody rules otherwise */
    bool deterministic; /* wasm with virtual clock and randomness: equal inputs give equal bits */
    bool counted;       /* the job itself says how many replicas */
    bool standby;       /* class B with a tier: replicas stand by for each other, the first result counts */
    bool has_merge, map, placed, release; /* placed: some task ever was; release: ended, its waiters are not told yet */
    char error_text[96];
};

struct job_book {
    struct job_config config;
    struct vl_map jobs, nodes;
    struct order by_seq, ready, ended, task_timers, job_timers;
    uint64_t next_seq, step;
    struct order release; /* ended jobs with waiters, by the order in which they ended; uses struct job.timer */
    uint32_t n_tasks, n_queued, n_live, n_ended, by_state[10];
    uint64_t stale, denied;
};

static inline struct job *job_of(struct order_node *n, size_t offset) {
    return n ? (struct job *)(void *)((char *)n - offset) : NULL;
}

/* job_fx.c: effects */
VL_MUST_CHECK enum vl_err fx_reserve(struct job_effects *fx, size_t more);
void fx_assign(struct job_effects *fx, const struct copy *c);
void fx_reveal(struct job_effects *fx, const struct copy *c);
void fx_revoke(struct job_effects *fx, struct vl_node_id node, struct vl_job_id job, uint32_t task, uint64_t epoch);
void fx_job(struct job_book *b, struct job_effects *fx, struct job *j);
void fx_task(struct job_effects *fx, const struct task *t);
/* A line about one copy and its node. */
void fx_history_of(struct job_effects *fx, const struct copy *c, enum job_history what, struct vl_span text);
void fx_history(struct job_effects *fx, const struct job *j, uint32_t task, enum job_history what, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* What the copy says of its node: once per copy, when it leaves the state of being open. */
void fx_verdict(struct job_effects *fx, const struct copy *c, enum job_verdict verdict);
/* Effects that ending j, or settling it, can cause at most. */
size_t fx_of_job(const struct job *j);

/* job_task.c: copies and tasks.  fx may be NULL while restoring. */
uint32_t task_index(const struct task *t);
bool copy_live(const struct copy *c);
struct job *book_find(const struct job_book *b, struct vl_job_id id);
struct task *job_task(const struct job *j, uint32_t i); /* NULL out of range */
struct copy *task_copy(const struct task *t, uint64_t epoch);
struct node_load *node_find(const struct job_book *b, struct vl_node_id id);
VL_MUST_CHECK enum vl_err node_get(struct job_book *b, struct vl_node_id id, struct node_load **ret);
void node_put(struct job_book *b, struct node_load *n); /* frees it when nothing names it */
void copy_link(struct job_book *b, struct copy *c);     /* as its state says: counters and trees */
void copy_unlink(struct job_book *b, struct copy *c);
void copy_set(struct job_book *b, struct copy *c, enum copy_state state);
void copy_free(struct job_book *b, struct copy *c);
void task_drop_copies(struct job_book *b, struct task *t);
void task_set_state(struct task *t, enum job_task_state to);
uint32_t task_want(const struct task *t);
bool task_eligible(const struct task *t);
/* Brings queue, timer and state in line after anything about the task changed. */
void task_settle(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx);
void task_timer(struct job_book *b, struct task *t);
void task_queue(struct job_book *b, struct task *t, bool queued);
/* One run ended without a result: back-off, another try, or the end of the job. */
void task_failed(struct job_book *b, const struct copy *c, vl_ms now, int32_t error, struct vl_span why,
                 struct job_effects *fx);
void task_handed_back(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx);
void task_refused(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx);
void task_lost(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx);
/* Whether some that were told to reveal have not. */
bool task_revealing(const struct task *t);
/* When the copy's time is over, as things stand. */
vl_ms copy_deadline(const struct job_book *b, const struct copy *c, vl_ms now);
/* A copy whose result cannot be counted: refused, silent. */
void task_cheated(struct job_book *b, struct task *t, struct copy *c, enum job_verdict verdict, const char *why, vl_ms now,
                  struct job_effects *fx);
/* Compares the votes: done, one more replica, or failed. */
void task_judge(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx);

/* job_life.c: whole jobs */
void job_set_state(struct job_book *b, struct job *j, enum job_state to);
void job_settle(struct job_book *b, struct job *j, vl_ms now, struct job_effects *fx);
void job_end(struct job_book *b, struct job *j, enum job_state to, vl_ms now, int32_t error, const char *text,
             struct job_effects *fx);
void job_timer(struct job_book *b, struct job *j);
/* Tells the waiters of one ended job. */
void job_release(struct job_book *b, struct job *j, vl_ms now, struct job_effects *fx);
void job_detach(struct job_book *b, struct job *j);
void job_free(struct job_book *b, struct job *j);
/* A job with its tasks, all waiting, in no queue; counted nowhere.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err job_new(const struct job_spec *spec, struct vl_span encoded, struct job **ret);
/* Puts it into the book's indexes and links it to the jobs it waits for.  Nothing changed on error. */
VL_MUST_CHECK enum vl_err job_enter(struct job_book *b, struct job *j, const struct job_spec *spec);
uint32_t job_task_total(const struct job_spec *spec);
/* Merge tree: the tasks that task i reads; n 0 for a map task. */
void merge_children(const struct job *j, uint32_t i, uint32_t *ret_first, uint32_t *ret_n);
uint32_t merge_parent(const struct job *j, uint32_t i); /* UINT32_MAX: none */
/* Cuts s, which vsnprintf may have cut inside a character, back to valid UTF-8. */
void text_trim(char *s);
/* Inputs of merge task i in order; the count, which may pass VL_TASK_INPUTS_MAX (then no more are written). */
uint32_t merge_inputs(const struct job *j, uint32_t i, struct job_names *names, struct task_input *ret);
/* Age at which a running task counts as a straggler, VL_MS_NEVER: not now. */
uint64_t straggler_age(const struct job *j);
vl_ms straggler_due(const struct job *j);

#endif
