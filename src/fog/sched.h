/* sched.h - places a batch of tasks on nodes by one of several single strategies (FOG-03, FOG-07; fog.md 2.5 items 1, 2
 * and 6); the multi-objective one is in plan.h.  Pure and deterministic: the same input gives the same answer; ties go
 * to the smaller node id.  To add a strategy: a number in wire/terms.h, one function and one row in sched.c.
 *
 * Spread: two nodes share a failure domain when their labels in it are known and equal, or their hosts are: an unknown
 * label proves nothing and keeps nobody apart, one machine always does.  Nodes that hold replicas must be in the list,
 * blocked and full ones too, or their labels are not seen.  Entries of a batch for the same job and task that follow
 * each other are replicas of each other. */
#ifndef VL_FOG_SCHED_H
#define VL_FOG_SCHED_H

#include "base/err.h"
#include "base/id.h"
#include "wire/terms.h"

#include <stdbool.h>
#include <stdint.h>

#define SCHED_AVOID_MAX 24u
#define SCHED_ONLY_MAX 9u     /* JOB_REPLICAS_MAX */
#define SCHED_BATCH_MAX 4096u /* tasks of one call: bounds the time the loop is away */

/* Why a node takes nothing now; bits. */
#define SCHED_MAINTENANCE 1u /* a person said so */
#define SCHED_OFFLINE 2u     /* offline, suspect, or not heard since it joined */
#define SCHED_BREAKER 4u     /* circuit breaker open */
#define SCHED_FLAPPING 8u    /* came and went too often lately */
#define SCHED_HARVEST 16u    /* its owner uses it (fog/harvest.h) */

struct sched_node {
    struct vl_node_id id;
    uint32_t blocked;  /* SCHED_* bits; 0: takes tasks */
    uint32_t features; /* NODE_FEATURE_* */
    uint32_t slots, free_slots, running;
    uint32_t load_milli;
    uint64_t memory_free, disk_free; /* not yet promised to tasks */
    uint64_t memory_total, disk_total;
    uint32_t latency_us;      /* round trip, measured; 0: unknown, taken for the worst known */
    uint32_t trust_milli;     /* lower bound of its reputation, 0..1000 */
    uint32_t doubt_milli;     /* uncertainty of its reputation, 0..1000: exploration gives such nodes B tasks */
    uint32_t rate_milli;      /* measured speed of a slot, 1000: the village's median; 0: unknown, taken for 1000 */
    uint64_t cost;            /* what an hour of one slot costs its owner, micro-credits */
    uint64_t price;           /* what an hour of one slot is sold for at present, micro-credits */
    uint64_t domain[DOMAINS]; /* label_hash(); 0: unknown */
    uint32_t attest_milli;    /* level of its evidence of where it runs, 0..1000 */
    uint32_t barred;          /* bit c: the operator's policy on evidence gives it no tasks of class c */
    bool attested;            /* evidence was verified, or its results were audited lately: class S may go there */
};

/* What the coordinator's books have already promised of a node. */
struct sched_load {
    uint32_t running;
    uint64_t memory_bytes, disk_bytes;
};

struct sched_avoid {
    struct vl_node_id node;
    bool hard; /* true: another replica is there, never; false: failed there before, only when nothing else fits */
};
struct sched_task {
    struct vl_job_id job;
    uint32_t task;
    uint32_t features; /* all needed */
    uint64_t memory_bytes, disk_bytes;
    uint32_t priority; /* enum task_priority */
    enum sla_class class;
    enum strategy strategy;
    bool spread_set; /* as struct job_terms */
    enum domain spread;
    bool privacy; /* travels through the private network */
    uint32_t min_trust_milli, max_latency_us;
    uint32_t min_attest_milli;   /* 0: any */
    uint64_t max_price, region;  /* 0: any; region: label_hash() */
    uint64_t program;            /* of what it runs, for affinity */
    uint64_t left_ms;            /* until the deadline that its job asked for; 0: it asked for none */
    uint32_t cpu_milli;          /* work expected, for costs: slot-milliseconds; 0: unknown, taken as equal for all */
    uint32_t n_exclude, n_only, n_avoid; /* before their lists: what placing reads of most tasks lies in two cache lines;
                                            n_only 0: anywhere */
    struct vl_node_id exclude[TERMS_EXCLUDE_MAX]; /* ascending */
    struct vl_node_id only[SCHED_ONLY_MAX]; /* nowhere else: they keep a promise of availability together (fog/quorum.h) */
    struct sched_avoid avoid[SCHED_AVOID_MAX];
};

/* Ordered: the reason given is the furthest that any node came. */
enum sched_reason {
    SCHED_PLACED = 0,
    SCHED_NO_NODES = 1,   /* the list is empty */
    SCHED_NO_READY = 2,   /* all are in maintenance, offline, broken or flapping */
    SCHED_NO_FEATURE = 3, /* none has wasm or native as needed */
    SCHED_TOO_LARGE = 4,  /* none has that much memory or disk even when empty */
    SCHED_EXCLUDED = 5,   /* the job rules it out by name, or its agreement is on other nodes */
    SCHED_NO_REGION = 6,  /* none in that region */
    SCHED_NO_TRUST = 7,   /* reputation below what the job or its class asks; class S: not attested */
    SCHED_NO_EVIDENCE = 8, /* level of evidence below what the job or the policy asks */
    SCHED_TOO_FAR = 9,    /* round trip above max_latency_us */
    SCHED_TOO_DEAR = 10, /* price above max_price */
    SCHED_TOO_LATE = 11,  /* would not end before the job's deadline, by what its other tasks took and the node's speed */
    SCHED_NO_ROOM = 12,   /* memory or disk is taken now */
    SCHED_NO_SLOT = 13,   /* all slots are taken now */
    SCHED_AVOIDED = 14,   /* what fits holds another replica */
    SCHED_SPREAD = 15,    /* what fits shares a failure domain with another replica */
};
#define SCHED_REASONS 16u
const char *sched_reason_text(enum sched_reason r);

/* Whether the node takes the task now, by itself, or the first thing in the way in the order above; the spread over
 * domains needs the other replicas' nodes and is not looked at.  *ret_soft: it failed there before. */
enum sched_reason sched_fits(const struct sched_node *n, const struct sched_task *t, bool *ret_soft);
/* 0..1: what speaks against the node, by its reputation and its evidence: full evidence halves what reputation leaves open. */
double sched_distrust(const struct sched_node *n);
/* Lowers the node's free figures by the task. */
void sched_take(struct sched_node *n, const struct sched_task *t);
/* Domain by which the replicas of a task are kept apart: as asked, else by owner for class A and S; false: by none. */
bool sched_spread(const struct sched_task *t, enum domain *ret);
/* Whether a failure of that domain takes both at once, as far as is known. */
bool sched_together(const struct sched_node *a, const struct sched_node *b, enum domain d);
/* How many nodes each reason stops: what people are told of a job that waits.  One full scan; nodes sorted by id. */
struct sched_why {
    uint32_t nodes, by[SCHED_REASONS]; /* by[SCHED_PLACED]: nodes that would take it */
};
void sched_why(const struct sched_node *nodes, uint32_t n_nodes, const struct sched_task *t, struct sched_why *ret);

struct sched_choice {
    enum sched_reason reason;
    uint32_t node; /* index into nodes; only when placed */
};

/* Newcomers: so doubtful a node has had fewer than 8 results.  This share of class B tasks that no privacy binds goes
 * to them first under the strategies that look at reputation, else they never start (fog.md 5). */
#define SCHED_DOUBT_MILLI 200u
#define SCHED_EXPLORE_ONE_IN 20u
/* Is this one of them?  By hash: the same task is always, or never. */
bool sched_explores(const struct sched_task *t, uint64_t seed);

/* What a strategy remembers between batches: zero it once, keep it. */
struct sched_state {
    struct vl_node_id last; /* round robin: last node used */
    bool used;
    uint64_t seed;        /* for random, for samples and for exploration; set it once */
    uint64_t batches;     /* draws of one batch are not those of the next */
    uint64_t home_region; /* label_hash() of where the village is run; 0: unknown, proximity looks at latency alone */
};

struct sched_strategy {
    const char *name; /* as in the settings */
    enum vl_err (*place)(struct sched_state *state, struct sched_node *nodes, uint32_t n_nodes,
                         const struct sched_task *tasks, uint32_t n_tasks, struct sched_choice *ret);
};
/* NULL when there is none of that name.  Static storage. */
const struct sched_strategy *sched_strategy_find(const char *name);
/* Row i of the table, NULL past its end. */
const struct sched_strategy *sched_strategy_at(uint32_t i);

/* Places tasks in their order.  nodes: sorted by id, all different; their free figures are lowered by what is placed,
 * so that one list can serve several calls.  ret has n_tasks entries, untouched on error. VL_ERANGE: nodes not sorted,
 * more than VL_NODES_MAX or n_tasks > SCHED_BATCH_MAX.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err sched_place(const struct sched_strategy *s, struct sched_state *state,
                                      struct sched_node *nodes, uint32_t n_nodes, const struct sched_task *tasks,
                                      uint32_t n_tasks, struct sched_choice *ret);

/* ---- the default path: the best of a sample ------------------------------------------------------------------------
 * For each task the best of SCHED_SAMPLE nodes with room by the weights of its class (plan_weights()); all of them when
 * none of the sample fits.  Millions of placements a second with ten thousand nodes.  sched_strategy_find("default")
 * builds one for a batch; who places one by one keeps it. */
#define SCHED_SAMPLE 32u
struct sched_fast;
/* Borrows nodes (as for sched_place()) until sched_fast_destroy() and lowers their free figures as it places.
 * VL_ERANGE: nodes not sorted or too many.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err sched_fast_create(struct sched_node *nodes, uint32_t n_nodes, uint64_t seed,
                                            struct sched_fast **ret);
void sched_fast_destroy(struct sched_fast *f);
/* nodes[node] was changed by the caller (a task ended there, it was heard): look at it again. */
void sched_fast_update(struct sched_fast *f, uint32_t node);
/* As sched_place(). */
VL_MUST_CHECK enum vl_err sched_fast_place(struct sched_fast *f, const struct sched_task *tasks, uint32_t n_tasks,
                                           struct sched_choice *ret);

#endif
