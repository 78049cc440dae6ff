/* plan_priv.h - what the files of the multi-objective placement share: the batch in a compact form, and a placement
 * that is changed move by move.  Nodes and tasks are meant by their places in the compact lists; `index` leads back. */
#ifndef VL_FOG_PLAN_PRIV_H
#define VL_FOG_PLAN_PRIV_H

#include "base/prng.h"
#include "fog/pareto.h"
#include "fog/plan.h"
#include "fog/sched_priv.h"

#include <stddef.h>

/* Four objectives are sums over the tasks; balance is not. */
#define PLAN_TERMS 4u
static const enum plan_objective plan_term_of[PLAN_TERMS] = { PLAN_LATENCY, PLAN_TRUST, PLAN_COST, PLAN_PRICE };
#define PLAN_NOWHERE UINT32_MAX
#define PLAN_MATRIX_MAX (1u << 20) /* pairs of task and node whose fit is noted rather than looked up */

struct plan_room {
    uint64_t memory, disk;
    uint32_t slots;
};
struct plan_node {
    struct plan_room room;
    uint64_t price;                            /* as asked, for max_price */
    uint32_t features, trust, latency, index;  /* latency: UINT32_MAX when unknown */
    double term[PLAN_TERMS], bent[PLAN_TERMS]; /* ms, distrust, credits of an hour; the same bent to 0..1 */
    double load, step;                         /* 0..1 and more; what one more task adds */
};
struct plan_task {
    uint64_t memory, disk, price;
    uint32_t features, trust, latency, index;
    double hours;
    const struct sched_ask *ask; /* NULL: nothing but the figures above */
};

struct plan {
    const struct plan_input *in;
    const struct plan_config *config;
    struct vl_prng rng;
    struct plan_node *node;  /* those that take something, in the order of their ids */
    uint32_t n_node, n_load; /* n_load: nodes whose load is balanced, full ones too */
    struct plan_task *task;  /* those that are placed by search, all of which fit at once */
    uint32_t n_task, n_fixed;
    uint32_t *order, *longest; /* of the tasks: largest first, longest first */
    uint8_t *fits;             /* n_task rows of n_node; NULL: too large */
    struct sched_ask *asks;
    double fixed_sum[PLAN_TERMS], load_sum, load_square;     /* of what is there before the search */
    double mean_hours;                                       /* of tasks that do not say */
    double weights[PLAN_OBJECTIVES], linear[PLAN_TERMS + 1]; /* linear: the same in the order of terms, then balance */
    uint32_t *first;                                         /* a placement of all tasks */
    struct sched_choice *choice;                             /* by input task; what is not searched is decided here */
    uint64_t evaluations;
};

/* A placement of p->task and what it leaves of the nodes. */
struct plan_work {
    struct plan *p;
    uint32_t *gene; /* by task; PLAN_NOWHERE while it has none */
    struct plan_room *left;
    uint32_t *touched, n_touched; /* nodes whose room differs from that at first */
    bool *is_touched;
    uint32_t *pending;
    double sum[PLAN_TERMS], load_sum, load_square;
};

VL_MUST_CHECK enum vl_err plan_setup(const struct plan_input *in, struct sched_choice *choice, struct plan *ret);
void plan_teardown(struct plan *p);
bool plan_config_ok(const struct plan_config *c);
/* Mean hours of what says how long it takes; 1 when none does. */
double plan_mean_hours(const struct sched_task *tasks, uint32_t n);

VL_MUST_CHECK enum vl_err plan_work_init(struct plan_work *w, struct plan *p);
void plan_work_free(struct plan_work *w);
void plan_work_clear(struct plan_work *w);
bool plan_suits(const struct plan *p, uint32_t task, uint32_t node); /* by itself, whatever else is there */
bool plan_has_room(const struct plan_work *w, uint32_t task, uint32_t node);
void plan_put(struct plan_work *w, uint32_t task, uint32_t node);
void plan_pull(struct plan_work *w, uint32_t task);
void plan_move(struct plan_work *w, uint32_t task, uint32_t to);
/* Sums anew: after moves away from nodes of huge figures what is left of these sums is rounding. */
void plan_recount(struct plan_work *w);
/* Objectives; and those after moving one task, without doing it. */
void plan_objectives(const struct plan_work *w, double f[PLAN_OBJECTIVES]);
void plan_objectives_moved(const struct plan_work *w, uint32_t task, uint32_t to, double f[PLAN_OBJECTIVES]);
/* Takes over a placement, the largest tasks first; what finds no room goes to a random node that has some.  False: one
 * found none. */
bool plan_load(struct plan_work *w, const uint32_t *gene);
/* The best node with room for the task by weights of terms and load: of a sample, of all when that has none.  sample 0:
 * of all. */
uint32_t plan_best(struct plan_work *w, uint32_t task, const double linear[PLAN_TERMS + 1], uint32_t sample);
/* A node with room, drawn; PLAN_NOWHERE: there is none. */
uint32_t plan_any(struct plan_work *w, uint32_t task);
uint32_t plan_sample_size(const struct plan *p);               /* 0: all */
uint32_t plan_sample_for(const struct plan *p, uint32_t task); /* the same where hours count */
/* All tasks by plan_best(), those first that matter most to the weights.  False: one found no room. */
bool plan_greedy(struct plan_work *w, const double linear[PLAN_TERMS + 1]);

/* Below n by one multiplication; the bias of 1 in 2^32/n harms no search. */
static inline uint32_t plan_draw(struct plan *p, uint32_t n) {
    return (uint32_t)((vl_prng_next(&p->rng) >> 32) * n >> 32);
}

/* What is kept of the search: the archive and the placements of its points. */
struct plan_archive {
    struct pareto_archive points;
    uint32_t *gene;         /* rows of n_task; item i of the archive is row i */
    uint32_t *free, n_free; /* rows of nobody */
    uint32_t *dropped;
    uint32_t n_task;
};
VL_MUST_CHECK enum vl_err plan_archive_init(struct plan_archive *a, const struct plan *p);
void plan_archive_free(struct plan_archive *a);
void plan_archive_add(struct plan_archive *a, const uint32_t *gene, const double f[PLAN_OBJECTIVES]);
void plan_box(const struct plan_archive *a, double ideal[PLAN_OBJECTIVES], double nadir[PLAN_OBJECTIVES]);
/* Augmented Tchebycheff over a box; objectives without a range count nothing. */
double plan_scalar(const double f[PLAN_OBJECTIVES], const double w[PLAN_OBJECTIVES],
                   const double ideal[PLAN_OBJECTIVES], const double scale[PLAN_OBJECTIVES]);
void plan_scale(const double ideal[PLAN_OBJECTIVES], const double nadir[PLAN_OBJECTIVES], double ret[PLAN_OBJECTIVES]);

/* The points of the seeds, for the hypervolume at first. */
#define PLAN_FIRST_MAX 128u
struct plan_first {
    uint32_t n;
    double f[PLAN_FIRST_MAX * PLAN_OBJECTIVES];
};
/* Fills the archive; sets generations, cut and merged. */
VL_MUST_CHECK enum vl_err plan_search(struct plan *p, struct plan_archive *a, struct plan_first *first,
                                      struct plan_result *ret);
/* The same by NSGA-II as published, for comparison: the archive gets what of its last population breaks nothing. */
VL_MUST_CHECK enum vl_err plan_search_plain(struct plan *p, struct plan_archive *a, struct plan_first *first,
                                            struct plan_result *ret);
/* Moves single tasks as long as the scalar falls, `rounds` times over all of them. */
void plan_polish(struct plan_work *w, const double weights[PLAN_OBJECTIVES], const double ideal[PLAN_OBJECTIVES],
                 const double scale[PLAN_OBJECTIVES], uint32_t rounds);
/* ideal: the best found, at which the ascent aims.  NAN for balance. */
VL_MUST_CHECK enum vl_err plan_bounds(const struct plan *p, const double ideal[PLAN_OBJECTIVES],
                                      double ret[PLAN_OBJECTIVES]);

#endif
