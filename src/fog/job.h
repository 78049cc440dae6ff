/* job.h - core: the coordinator's job book (FOG-04, FOG-08, FOG-10).  Event sourced: the log of the events that changed
 * it is the truth, a book is rebuilt from snapshots and the events after them.  No clock, no I/O.  Not thread-safe.
 *
 * Times are > 0 (0 means "not yet") and never run backwards.
 * One event = one step.  The caller steps, writes the event to its log when effects->changed says so, commits, and only
 * then carries out the effects.  Replaying the log (effects thrown away) gives the same book, byte for byte in its
 * snapshot.
 *
 *   SUBMITTED -> PRICED -> PLACED -> RUNNING <-> VERIFYING -> DONE
 *        any of these but DONE -> FAILED | CANCELLED | EXPIRED          (the last four are final)
 *   SUBMITTED and PRICED happen in one step, without a price; what a quote or an auction says comes as PRICE, as a
 *   line of history with each.
 *   A job with `after` rests in PRICED until all of those are DONE; if one ends otherwise, so does this, as FAILED.
 *
 * Tasks: map tasks 0..n-1, one per input; then merge tasks.  A merge takes at most JOB_MERGE_FANIN inputs, so more map
 * tasks than that merge in rounds (the merge program reads its own output, as a combiner does); the last task is the
 * result.
 *
 * Copies of a task that is to be compared commit to their result before any of them tells it (FOG-11):
 *
 *   PLACED -> ACCEPTED -> STARTED -> COMMIT (a hash) ... all of the round have, or the round has lasted: REVEAL to each
 *   -> REPORT with the salt; one that does not open the commitment, or came without, is refused: VERDICT_WRONG; one that
 *   does not come in time: VERDICT_SILENT.
 *
 * Which of the results is the task's is decided when all that were asked have told theirs: by majority, or as the ruling
 * in the event says (fog/verify.h; the caller knows credibilities, the log must not).
 *
 * Every placing of a task is a copy with an epoch of its own, 1, 2, 3 ... per task.  A report counts only for a copy
 * that is alive, or lost but not yet replaced; anything else is VL_ESTALE, counted and otherwise ignored.  A task
 * finishes once. */
#ifndef VL_FOG_JOB_H
#define VL_FOG_JOB_H

#include "fog/sched.h"
#include "wire/heartbeat.h"
#include "wire/job.h"

#define JOB_MERGE_FANIN VL_TASK_INPUTS_MAX
#define JOB_COPIES_MAX                                                                                                 \
    SCHED_AVOID_MAX         /* remembered per task: replicas, extra votes, a duplicate, failed and lost ones */
#define JOB_EXTRA_VOTES 3u  /* replicas added when results disagree, before the task fails */
#define JOB_LOST_MAX 20u    /* copies of a task lost with their nodes, before it fails: such a task kills nodes */
#define JOB_REFUSED_MAX 50u /* refusals and unanswered assignments of a task */
#define JOB_REFUSED_WAIT_MAX_MS 60000u
#define JOB_DEPENDENTS_MAX 1024u /* jobs waiting for one job: bounds the work of one step */
#define JOB_LEASE_MS 90000u      /* as REGISTRY_LOST_MS: a node silent for that long is lost */
#define JOB_ACCEPT_MS 90000u     /* an assignment not accepted by then is taken back */
#define JOB_PRIVATE_MS 600000u   /* more for one that travels through the private network: as long as messages live there */
#define JOB_OVERTIME_MS 60000u   /* beyond limits.timeout_ms, for fetching inputs and reporting */
#define JOB_FROZEN_MS 660000u    /* more time for a copy each time it is frozen: ten minutes (fog/harvest.h), and a word's way */
#define JOB_FROZEN_MAX_MS 3600000u /* and in all: a node cannot keep a task for ever by saying so */
#define JOB_RETRY_MS 1000u       /* first back-off after a failure or refusal; doubles */
#define JOB_RETRY_MAX_MS 300000u
#define JOB_RUNNING_GRACE_MS 45000u /* a copy younger than this may be missing in a running list that crossed it */
#define JOB_STRAGGLER_MIN_MS 2000u  /* tasks younger than this are no stragglers, whatever the median */
#define JOB_STRAGGLER_SAMPLE 3u     /* finished tasks needed for a median */
#define JOB_ROUND_MS 30000u  /* the first of a round to commit waits for the others as long as it took itself, but at least this */
#define JOB_REVEAL_MS 60000u /* to answer a REVEAL */
#define JOB_TICK_MAX 1024u          /* timers served by one TICK; the deadline stays due */

enum job_state {
    JOB_SUBMITTED = 1,
    JOB_PRICED = 2,
    JOB_PLACED = 3,
    JOB_RUNNING = 4,
    JOB_VERIFYING = 5,
    JOB_DONE = 6,
    JOB_FAILED = 7,
    JOB_CANCELLED = 8,
    JOB_EXPIRED = 9,
};
enum job_task_state {
    JOB_TASK_WAITING = 1,
    JOB_TASK_PLACED = 2,
    JOB_TASK_RUNNING = 3,
    JOB_TASK_DONE = 4,
    JOB_TASK_FAILED = 5,
    JOB_TASK_CANCELLED = 6,
};
const char *job_state_text(enum job_state s); /* "submitted" ... as in the API */
const char *job_task_state_text(enum job_task_state s);
bool job_state_final(enum job_state s);
bool job_state_may(enum job_state from, enum job_state to);

struct job_book; /* opaque: queues, timers, indexes and counters agree */

struct job_config {
    uint64_t seed;                             /* of the hash tables only: no decision depends on it */
    uint32_t max_jobs;                         /* 1..VL_JOBS_MAX */
    uint32_t max_tasks;                        /* of all jobs together, > 0 */
    uint64_t lease_ms, accept_ms, overtime_ms; /* > 0 */
};
/* The figures above; seed 0; max_tasks 2,000,000. */
void job_config_defaults(struct job_config *ret);

/* Numbers are in the log. */
enum job_event_kind {
    JOB_EV_SUBMIT = 1,    /* job (chosen by the caller), spec */
    JOB_EV_PLACED = 2,    /* job, task, node, batch: the scheduler's decision; the book gives the copy its epoch */
    JOB_EV_ACCEPTED = 3,  /* job, task, epoch, node */
    JOB_EV_STARTED = 4,   /* job, task, epoch, node */
    JOB_EV_REPORT = 5,    /* node (authenticated sender), report; job, task, epoch are the report's */
    JOB_EV_NODE_LOST = 6, /* node */
    JOB_EV_NODE_BACK = 7, /* node, running: what it holds now */
    JOB_EV_CANCEL = 8,    /* job */
    JOB_EV_TICK = 9,      /* at job_book_deadline() or later */
    JOB_EV_FORGET = 10,   /* job: ended, drop it */
    JOB_EV_FROZEN = 11,   /* job, task, epoch, node: its owner made it stand still; see JOB_FROZEN_MS */
    JOB_EV_COMMIT = 12,   /* job, task, epoch, node, commitment */
    JOB_EV_PRICE = 20,    /* job, price, cleared */
};
/* What is to be done with the results of a task once a new one is in.  Numbers are in the log. */
enum job_rule {
    JOB_RULE_MAJORITY = 0, /* half of the replicas and one more must be equal, in class S all; else more, else it fails */
    JOB_RULE_ACCEPT = 1,   /* the result of copy `winner` is the task's */
    JOB_RULE_MORE = 2,     /* `want` results in all; at `until` with nobody at work on one (0: never) that of `winner` does */
    JOB_RULE_REFEREE = 3,  /* one more result, which decides alone */
};
struct job_ruling {
    enum job_rule rule;
    uint64_t winner; /* epoch of a copy whose result is in, this report's included */
    uint8_t want;    /* MORE: cut at the replicas and JOB_EXTRA_VOTES */
    vl_ms until;
};
struct job_event {
    enum job_event_kind kind;
    vl_ms now;
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
    struct vl_node_id node;
    uint64_t batch; /* PLACED: number of the batch that was placed together, for people; 0: none */
    uint64_t price; /* PRICE: micro-credits, <= TERMS_PRICE_MAX */
    bool cleared;   /* PRICE: an auction said so; false: a quote, the most that it will cost */
    const struct job_spec *spec;      /* SUBMIT */
    const struct task_report *report; /* REPORT; inline bytes are not kept: store the blobs first */
    struct job_ruling ruling;         /* REPORT of a result */
    struct vl_hash commitment;        /* COMMIT */
    const struct task_ref *running;   /* NODE_BACK; ascending by task_ref_compare() */
    uint32_t n_running;               /* <= HEARTBEAT_RUNNING_MAX */
    bool restarted; /* NODE_BACK: its process is new, so what it does not list is gone, without grace */
};

enum job_effect_kind {
    JOB_FX_ASSIGN = 1,       /* node, job, task, epoch: send job_book_assignment() */
    JOB_FX_REVOKE = 2,       /* node, job, task, epoch */
    JOB_FX_JOB_CHANGED = 3,  /* job: its summary differs */
    JOB_FX_TASK_CHANGED = 4, /* job, task */
    JOB_FX_JOB_ENDED = 5,    /* job, state */
    JOB_FX_HISTORY = 6,      /* job, task (UINT32_MAX: the job), history, detail */
    JOB_FX_FORGOTTEN = 7,    /* job */
    JOB_FX_VERDICT = 8,      /* node, job, task, epoch, verdict: what this copy says of its node */
    JOB_FX_REVEAL = 9,       /* node, job, task, epoch: ask for the report */
};
/* Lines of a job's history.  Numbers are stored. */
enum job_history {
    JOB_H_SUBMITTED = 1,
    JOB_H_PRICED = 2,
    JOB_H_PLACED = 3,
    JOB_H_STARTED = 4,
    JOB_H_TASK_DONE = 5,
    JOB_H_TASK_FAILED = 6, /* one attempt */
    JOB_H_TASK_REFUSED = 7,
    JOB_H_NODE_LOST = 8,
    JOB_H_RECONNECTED = 9,
    JOB_H_DUPLICATED = 10, /* straggler */
    JOB_H_DISAGREED = 11,  /* replicas */
    JOB_H_TIMEOUT = 12,
    JOB_H_DONE = 13,
    JOB_H_FAILED = 14,
    JOB_H_CANCELLED = 15,
    JOB_H_EXPIRED = 16,
    JOB_H_RELEASED = 17, /* all jobs it waited for are done */
    JOB_H_AUDITED = 18,  /* one result is there; others are wanted to compare it with */
    JOB_H_WRONG = 19,    /* a copy's result was refused, or is not the accepted one, or was not told */
    JOB_H_REFEREE = 20,  /* replicas disagree: one more run decides */
};
const char *job_history_text(enum job_history h);
/* What became of one copy, seen as evidence about its node.  Numbers are stored. */
enum job_verdict {
    VERDICT_AGREED = 1,      /* its result was compared with others' and is the accepted one */
    VERDICT_WRONG = 2,       /* its result was compared and is not the accepted one */
    VERDICT_ACCEPTED = 3,    /* its result was accepted without comparison: says that it was in time, nothing more */
    VERDICT_LATE = 4,        /* its lease or its time limit ran out */
    VERDICT_LOST = 5,        /* its node was lost with it */
    VERDICT_HANDED_BACK = 6, /* refused, or given back by the owner's wish (harvest) */
    VERDICT_FAILED = 7,      /* the program failed: says nothing until others fail or succeed with it */
    VERDICT_SILENT = 8,      /* committed to a result and did not reveal it */
};
const char *job_verdict_text(enum job_verdict v); /* "agreed" ... as in the API */
struct job_effect {
    enum job_effect_kind kind;
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
    struct vl_node_id node;
    enum job_state state;
    enum job_history history;
    enum job_verdict verdict;
    struct vl_hash receipt; /* VERDICT: BLAKE2b-256 of the encoded receipt; zeros: it left none */
    char detail[96]; /* NUL-terminated, UTF-8 of our own words and numbers */
};
/* Owned by the caller, reused from step to step; the step empties it first.  Grows to what one event needs: at most a
 * few per live copy of one job or node, reserved before anything changes. */
struct job_effects {
    struct job_effect *v;
    uint32_t n, cap;
    bool changed; /* the event changed the book: log it */
};
void job_effects_free(struct job_effects *fx);

/* NULL: out of memory.  Owned by the caller. */
struct job_book *job_book_create(const struct job_config *config);
void job_book_destroy(struct job_book *b);

/* On any error nothing changed (but a counter of job_book_stats) and the event must not be logged.
 * VL_ERANGE      SUBMIT: a spec that fails job_spec_check(); a task index outside the job; a running list out of order.
 * VL_EEXISTS     SUBMIT: the id is known.
 * VL_ELIMIT      SUBMIT: too many jobs, tasks, dependents, or inputs for one task; PLACED: too many copies to remember.
 * VL_ENOTFOUND   no such job; SUBMIT: a job in `after` is unknown.
 * VL_ESTATE      PLACED: the task wants no copy, or another replica is on that node; CANCEL, PRICE: ended; FORGET: not;
 *                COMMIT: none is due, or it committed to something else; REPORT: the ruling names no result.
 * VL_ESTALE      ACCEPTED, STARTED, FROZEN, COMMIT, REPORT: the epoch is not alive.
 * VL_EDENIED     the same: the copy belongs to another node.
 * VL_ENOMEM */
VL_MUST_CHECK enum vl_err job_book_step(struct job_book *b, const struct job_event *ev, struct job_effects *fx);
/* When to feed TICK; VL_MS_NEVER when nothing waits. */
vl_ms job_book_deadline(const struct job_book *b);

/* Placing.  Fills up to max tasks that want a copy, best first: critical jobs, then by age with a handicap of 10 min
 * per class below high, so that nothing starves.  A task that wants several copies is given once
 * for each, one after the other, as far as there is room.
 * cursor: zeroed to begin; afterwards the next call goes on behind the last task given.  Returns the number filled. */
struct job_cursor {
    uint64_t key[2];
    uint32_t task;
};
uint32_t job_book_ready(const struct job_book *b, vl_ms now, struct job_cursor *cursor, struct sched_task *ret, uint32_t max);

/* The first task of the job that wants a copy.  False: none does. */
bool job_book_waiting(const struct job_book *b, vl_ms now, struct vl_job_id job, struct sched_task *ret);

/* What to send for a live copy.  Spans borrow from the book until the next step; merge inputs get names "00012.stdout"
 * that live in `names`.  No inline bytes, no sources: the caller adds them.  VL_ENOTFOUND: no such live copy. */
struct job_names {
    char v[VL_TASK_INPUTS_MAX][VL_NAME_MAX];
};
VL_MUST_CHECK enum vl_err job_book_assignment(const struct job_book *b, struct vl_job_id job, uint32_t task,
                                              uint64_t epoch, struct job_names *names, struct assignment *ret);
/* The results of a task that are in, and what a report of `node` would add: for who rules (fog/verify.h). */
struct job_votes {
    uint32_t replicas;  /* as the job itself says; 0: as its class does */
    uint32_t coming;    /* copies at work, that of the report not counted */
    uint32_t room;      /* more results than those that may still be wanted */
    bool referee;       /* the report is that of the referee, or one is at work */
    bool deterministic; /* equal inputs give equal bits: a wasm program with virtual clock and randomness */
    enum sla_class class;
    enum sla_tier tier;
    uint32_t n;
    struct job_vote {
        struct vl_node_id node;
        uint64_t epoch;
        struct vl_hash root;
    } v[JOB_COPIES_MAX];
};
/* False: the report would not be taken as a result. */
bool job_book_votes(const struct job_book *b, struct vl_node_id node, const struct task_report *report, struct job_votes *ret);
/* The copy was told to reveal and has not: whoever sends the asking out again after a restart wants to know. */
bool job_book_asked(const struct job_book *b, struct vl_job_id job, uint32_t task, uint64_t epoch);
/* Equal inputs give equal bits: wasm with virtual clock and randomness.  False also when there is no such job. */
bool job_book_deterministic(const struct job_book *b, struct vl_job_id job);
/* What to run to check a task that is done, as job_book_assignment() with epoch 1.  VL_ENOTFOUND: it is not. */
VL_MUST_CHECK enum vl_err job_book_rerun(const struct job_book *b, struct vl_job_id job, uint32_t task, struct job_names *names,
                                         struct assignment *ret);
/* True when NODE_BACK with this list would change something: heartbeats are compared without writing anything. */
bool job_book_differs(const struct job_book *b, vl_ms now, struct vl_node_id node, const struct task_ref *running,
                      uint32_t n_running);
/* When a live copy was given to its node; false: there is no such copy on that node. */
bool job_book_placed(const struct job_book *b, struct vl_job_id job, uint32_t task, uint64_t epoch,
                     struct vl_node_id node, vl_ms *ret_at);
/* What the live copies on the node were promised. */
struct sched_load job_book_on_node(const struct job_book *b, struct vl_node_id node);

/* Views.  Spans borrow from the book until the next step.  False: no such job or task. */
struct job_view {
    struct vl_job_id id;
    uint64_t seq; /* order of submission, 1.. */
    enum job_state state;
    enum task_kind kind;
    enum task_priority priority;
    struct vl_span name;
    uint32_t replicas;
    uint32_t total, waiting, running, done, failed; /* tasks; running counts placed ones; cancelled ones are in none */
    vl_ms submitted_ms, started_ms, ended_ms;       /* 0: not yet */
    int32_t error;                                  /* enum vl_err; 0: none */
    struct vl_span error_text;
    uint32_t attempts;   /* failed runs of all tasks */
    uint32_t after_left; /* jobs it still waits for */
    uint64_t price;      /* micro-credits; 0: none was asked for */
    struct vl_span spec; /* encoded job_spec */
};
struct job_task_view {
    uint32_t index;
    enum job_task_state state;
    bool merge;
    bool has_node;
    struct vl_node_id node;     /* of the result, or of the newest live copy */
    uint32_t attempt;           /* 1.. */
    uint64_t epoch;             /* of that copy; 0: never placed */
    uint64_t batch;             /* in which it was placed; 0: unknown */
    vl_ms started_ms, ended_ms; /* by our clock; 0: not yet */
    uint32_t copies;            /* live */
    uint32_t votes;             /* results waiting to be compared */
    struct vl_span input;       /* name; empty unless a map task */
    int32_t error;
    struct vl_span error_text;
    struct vl_span
        report; /* encoded task_report of the accepted or last failed run, without inline bytes; may be empty */
};
bool job_book_job(const struct job_book *b, struct vl_job_id id, struct job_view *ret);
bool job_book_task(const struct job_book *b, struct vl_job_id id, uint32_t task, struct job_task_view *ret);
/* Jobs by age, newest first: below_seq 0 begins, then the seq of the last one. */
bool job_book_older(const struct job_book *b, uint64_t below_seq, struct job_view *ret);
/* The job that ended first of those still kept: what retention forgets next. */
bool job_book_oldest_ended(const struct job_book *b, struct job_view *ret);

struct job_stats {
    uint32_t jobs, ended, tasks, ready, live; /* now; ready: tasks in the queue; live: copies */
    uint32_t by_state[10];                    /* jobs by enum job_state */
    uint64_t stale, denied;                   /* since create; not part of a snapshot */
};
void job_book_stats(const struct job_book *b, struct job_stats *ret);

/* Log records.  An event decoded borrows from `in` and from `store`.  A report is written without its inline bytes.
 * VL_ERANGE: not encodable.  VL_EPARSE, VL_EVERSION. */
struct job_event_store {
    struct job_spec spec;
    struct task_report report;
    struct task_ref running[HEARTBEAT_RUNNING_MAX];
};
VL_MUST_CHECK enum vl_err job_event_encode(const struct job_event *ev, struct vl_buf *out);
VL_MUST_CHECK enum vl_err job_event_decode(struct vl_span in, struct job_event_store *store, struct job_event *ret);

/* Snapshot in chunks: one head, then one record per job.  Write: start with *cursor = 0 and append chunk after chunk
 * until VL_ENOTFOUND.  Read: into an empty book, in the same order; VL_EPARSE, VL_EVERSION, VL_ECORRUPT (parts
 * contradict each other), VL_ELIMIT, VL_ENOMEM: destroy the book.  Then the events after the snapshot. */
VL_MUST_CHECK enum vl_err job_book_snapshot(const struct job_book *b, uint64_t *cursor, struct vl_buf *chunk);
VL_MUST_CHECK enum vl_err job_book_restore(struct job_book *b, struct vl_span chunk);

#endif
