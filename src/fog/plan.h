/* plan.h - multi-objective placement of one batch of tasks (FOG-06; fog.md 2.5): NSGA-II over latency, load balance,
 * trust, cost and market price, with what makes it work at scale: capacity summed over the batch, constraint
 * domination, repair, seeds from a sweep of weighted greedy placements, an archive, reference directions.  Pure: runs on
 * any thread over copied input; deterministic by seed unless `expired` cuts it short, and then again with the number of
 * generations that it reports. */
#ifndef VL_FOG_PLAN_H
#define VL_FOG_PLAN_H

#include "fog/sched.h"

enum plan_objective { PLAN_LATENCY = 0, PLAN_BALANCE = 1, PLAN_TRUST = 2, PLAN_COST = 3, PLAN_PRICE = 4 };
#define PLAN_OBJECTIVES 5u
const char *plan_objective_name(enum plan_objective o); /* "latency" ... as in the API */
/* Units of an objective as people read it: ms (mean over the tasks), variance of the nodes' load (0..1), mean distrust
 * (1 - lower bound, 0..1), micro-credits (cost, price of the whole batch for what its tasks are expected to take). */

#define PLAN_FRONT_MAX 64u /* points reported of the archive */

struct plan_config {
    uint32_t population, generations, tournament; /* 50, 100, 3 */
    double crossover, mutation;                   /* 0.8, 0.1: the mutation of a gene is at most 1/tasks above 10 tasks */
    uint32_t sweep;                               /* weighted greedy placements to begin with; 50 */
    uint32_t sample;                              /* nodes looked at for a task when there are more than full_scan; 32 */
    uint32_t full_scan;                           /* 200 */
    uint32_t archive;                             /* points kept; 256 */
    bool plain; /* benches and tests only: random first population, no repair, no seeds, no archive, crowding */
};
struct plan_config plan_config_default(void);

/* How the classes weigh the objectives when one point of the front is taken; sums to 1. */
void plan_weights(enum sla_class c, double ret[PLAN_OBJECTIVES]);

struct plan_input {
    const struct plan_config *config;
    uint64_t seed;
    const struct sched_node *nodes; /* sorted by id; not written to */
    uint32_t n_nodes;
    const struct sched_task *tasks;
    uint32_t n_tasks;           /* <= SCHED_BATCH_MAX */
    bool (*expired)(void *arg); /* asked once a generation; true: best so far.  NULL: never */
    void *arg;
};
struct plan_point {
    double f[PLAN_OBJECTIVES];
    uint32_t placed; /* tasks of the batch that it places */
};
/* Owned by the caller; free with plan_result_free(). */
struct plan_result {
    struct sched_choice *choice; /* n_tasks; unplaced ones with the constraint that stopped them */
    uint32_t n_tasks, placed;
    struct plan_point front[PLAN_FRONT_MAX]; /* feasible, none dominates another; sorted by latency */
    uint32_t n_front, taken;                 /* taken: index of the point that choice is */
    double ideal[PLAN_OBJECTIVES], nadir[PLAN_OBJECTIVES]; /* of the archive */
    double bound[PLAN_OBJECTIVES]; /* what no placement can beat, from a relaxation; NAN for balance when unknown */
    double gap[PLAN_OBJECTIVES];   /* (ideal - bound) / max(|bound|, tiny): how far the best found is from it at most */
    double weights[PLAN_OBJECTIVES];       /* used to take the point */
    double hypervolume, hypervolume_first; /* share of the box of the archive with a margin: at the end, of the seeds */
    double score;                          /* augmented Tchebycheff of the point taken; 0: ideal in all */
    uint32_t merged; /* bit o: objective o was left out of the selection, its ranks being another's (> 0.95) */
    uint32_t generations, evaluations;
    bool cut; /* by `expired` */
};
/* No nodes, no tasks: fine, nothing is placed.  VL_ERANGE as sched_place(); VL_ENOMEM. */
VL_MUST_CHECK enum vl_err plan_run(const struct plan_input *in, struct plan_result *ret);
void plan_result_free(struct plan_result *r);

/* The five objectives of a placement, and how far it breaks capacity (sum over nodes of the share above 1) or puts tasks
 * where they do not fit; for tests and benches. */
double plan_evaluate(const struct plan_input *in, const struct sched_choice *choice, double ret[PLAN_OBJECTIVES]);

#endif
