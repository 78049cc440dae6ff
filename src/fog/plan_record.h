/* plan_record.h - what is kept of a batch that was placed: which way, what it reached, and what it could not have
 * reached.  Durable form for the API (`village explain`); written by brain/, read by gateway/. */
#ifndef VL_FOG_PLAN_RECORD_H
#define VL_FOG_PLAN_RECORD_H

#include "base/bytes.h"
#include "base/ms.h"
#include "fog/plan.h"

#define PLAN_RECORDS_KEPT 8192u /* batches explained; a row each, used in turn */

struct plan_record {
    uint64_t batch; /* number, > 0, grows */
    vl_ms at_ms;
    enum strategy strategy; /* that placed it; NSGA2 with `sampled`: its fast path */
    bool sampled;
    enum sla_class class; /* whose weights were used: the strictest of the batch */
    uint32_t tasks, placed, conflicts, nodes; /* conflicts: taken by others while it was planned, and placed again */
    uint32_t waiting[SCHED_REASONS];          /* tasks left, by what stopped them */
    uint32_t took_us;                         /* on the pool; 0: in the step */
    uint64_t seed;
    /* As struct plan_result, whose arrays these are. */
    uint32_t n_front, taken, merged, generations, evaluations;
    bool cut;
    struct plan_point front[PLAN_FRONT_MAX];
    double ideal[PLAN_OBJECTIVES], nadir[PLAN_OBJECTIVES], bound[PLAN_OBJECTIVES], gap[PLAN_OBJECTIVES],
        weights[PLAN_OBJECTIVES];
    double hypervolume, hypervolume_first, score;
};
/* Takes over the figures of a plan. */
void plan_record_take(struct plan_record *r, const struct plan_result *from);

/* Fills them for tasks that were placed without a search, from the nodes as they are afterwards: one point; the bound is
 * what the best node would give to all, capacity not regarded; hypervolume of the box between that and the worst node. */
void plan_record_assess(struct plan_record *r, const struct sched_node *after, uint32_t n_nodes,
                        const struct sched_task *tasks, const struct sched_choice *choice, uint32_t n_tasks);

/* VL_ERANGE: counts out of range.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err plan_record_encode(const struct plan_record *r, struct vl_buf *out);
/* VL_EPARSE, VL_EVERSION; numbers may be any double, also NAN. */
VL_MUST_CHECK enum vl_err plan_record_decode(struct vl_span in, struct plan_record *ret);

#endif
