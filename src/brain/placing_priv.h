/* placing_priv.h - inside of placing: shared by placing.c and placing_record.c only. */
#ifndef VL_BRAIN_PLACING_PRIV_H
#define VL_BRAIN_PLACING_PRIV_H

#include "brain/priv.h"
#include "fog/plan.h"
#include "fog/plan_record.h"

#define PLACE_BATCH 256u /* tasks placed in one step: bounds the step and its transaction */

struct wait {
    struct vl_job_id job;
    enum sched_reason reason;
};

struct placing {
    struct sched_state state[STRATEGIES];
    struct job_cursor cursor; /* where placing stopped for want of budget; zeros: at the beginning */
    struct vl_map waits; /* struct wait, by job */
    vl_ms look_at;       /* not before */
    uint64_t seed;       /* of samples */
    uint64_t batch;      /* the last number given */
    struct sched_node *nodes; /* all, sorted by id, as they are now */
    uint32_t nodes_n;
    struct sched_fast *fast; /* index over them; NULL: they are to be read again */
    vl_ms nodes_at;          /* when they were read */
    bool stale;              /* a node came or went */
    bool pardoned;           /* flapping nodes are let in, there being no others */
    struct task_ref *planned; /* tasks of the batch that is on another thread, sorted; epoch 0 */
    uint32_t planned_n;       /* 0: none is */
};

/* One call of the scheduler: what it works on. */
struct round {
    struct sched_task *tasks, *group;
    struct sched_choice *choice;
    uint32_t placed, private_room; /* private_room: assignments that the private network takes now */
    bool more;  /* the budget of this step is spent */
    bool again; /* something waits for the private network to get through what it has */
};

struct brain_plan {
    struct plan_config config;
    struct plan_record record;
    struct sched_node *nodes;
    struct sched_task *tasks;
    uint32_t n_nodes, n_tasks;
    struct plan_result result;
    enum vl_err err;
};

/* placing.c */
/* Every node, also those that take nothing; the count. */
uint32_t placing_all_nodes(const struct brain *b, struct sched_node *v, uint32_t max);
/* The furthest that any node came. */
enum sched_reason placing_reason(const struct sched_why *why);
bool placing_commit(struct brain *b, const struct sched_task *t, struct vl_node_id node, uint64_t batch);
void placing_take_plan(struct brain *b, const struct brain_plan *p, struct plan_record *rec);

/* placing_record.c */
/* Gives the batch its number, class and seed. */
void placing_begin(struct brain *b, struct plan_record *rec, const struct sched_task *tasks, uint32_t n);
/* Places into r->choice, and fills the figures of the record. */
VL_MUST_CHECK enum vl_err placing_place(struct brain *b, struct round *r, enum strategy s, const struct sched_task *tasks,
                                        uint32_t n, struct plan_record *rec);
void placing_record(struct brain *b, const struct plan_record *rec);
/* True: the batch goes to another thread. */
bool placing_plan_start(struct brain *b, const struct sched_task *tasks, uint32_t n);
bool placing_planned(const struct placing *p, const struct sched_task *t);

#endif
