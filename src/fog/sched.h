/* sched.h - places a batch of tasks on nodes by one of several strategies (FOG-07's interface; fog.md 2.5 items 1 and
 * 6). Pure and deterministic: the same input gives the same answer; ties go to the smaller node id.  Not thread-safe
 * per call data. To add a strategy: one function and one row in sched.c. */
#ifndef VL_FOG_SCHED_H
#define VL_FOG_SCHED_H

#include "base/err.h"
#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

#define SCHED_AVOID_MAX 24u
#define SCHED_BATCH_MAX 4096u /* tasks of one call: bounds the time the loop is away */

/* Why a node takes nothing now; bits. */
#define SCHED_MAINTENANCE 1u /* a person said so */
#define SCHED_OFFLINE 2u     /* offline, suspect, or not heard since it joined */
#define SCHED_BREAKER 4u     /* circuit breaker open */
#define SCHED_FLAPPING 8u    /* came and went too often lately */

struct sched_node {
    struct vl_node_id id;
    uint32_t blocked;  /* SCHED_* bits; 0: takes tasks */
    uint32_t features; /* NODE_FEATURE_* */
    uint32_t slots, free_slots, running;
    uint32_t load_milli;
    uint64_t memory_free, disk_free; /* not yet promised to tasks */
    uint64_t memory_total, disk_total;
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
    uint32_t n_avoid;
    struct sched_avoid avoid[SCHED_AVOID_MAX];
};

/* Ordered: the reason given is the furthest that any node came. */
enum sched_reason {
    SCHED_PLACED = 0,
    SCHED_NO_NODES = 1,   /* the list is empty */
    SCHED_NO_READY = 2,   /* all are in maintenance, offline, broken or flapping */
    SCHED_NO_FEATURE = 3, /* none has wasm or native as needed */
    SCHED_TOO_LARGE = 4,  /* none has that much memory or disk even when empty */
    SCHED_NO_ROOM = 5,    /* memory or disk is taken now */
    SCHED_NO_SLOT = 6,    /* all slots are taken now */
    SCHED_AVOIDED = 7,    /* what fits holds another replica */
};
const char *sched_reason_text(enum sched_reason r);

struct sched_choice {
    enum sched_reason reason;
    uint32_t node; /* index into nodes; only when placed */
};

/* What a strategy remembers between batches: zero it once, keep it. */
struct sched_state {
    struct vl_node_id last; /* round robin: last node used */
    bool used;
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

#endif
