/* pareto.h - the arithmetic of multi-objective optimisation: dominance, sorting into fronts, niches, archive,
 * hypervolume; and NSGA-II over real variables for problems with known fronts.  All objectives are minimised.  Pure,
 * deterministic by seed, floating point: for decisions that one node makes, never for what two must agree on.
 *
 * Sources: Deb, Pratap, Agarwal, Meyarivan 2002 (NSGA-II, constraint domination, crowding); Zhang, Tian, Cheng, Jin 2015
 * (ENS-BS); Das & Dennis 1998 (reference directions); Deb & Jain 2014 (niching, NSGA-III); While, Bradstreet, Barone
 * 2012 (WFG hypervolume). */
#ifndef VL_FOG_PARETO_H
#define VL_FOG_PARETO_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARETO_OBJECTIVES_MAX 8u
#define PARETO_POINTS_MAX 65536u
#define PARETO_NONE UINT32_MAX

/* Points are rows of m doubles, none NaN (infinities are ordered as numbers); violation (may be NULL: all feasible) is
 * 0 for feasible, else how much is broken, > 0. */

/* a before b: no objective worse, one better. */
bool pareto_dominates(const double *a, const double *b, uint32_t m);
/* Deb's constraint domination: feasible beats infeasible, less violation beats more, then Pareto. */
bool pareto_beats(const double *a, double violation_a, const double *b, double violation_b, uint32_t m);

/* rank[i]: 0 for the first front, and so on; the number of fronts.  ENS-BS; identical to Deb's sort.  Equal points share
 * a front.  order and scratch each have room for n; afterwards they list the fronts: order[k] is the point of front k
 * that is last in lexicographic order, scratch[i] the one before point i in its front, PARETO_NONE for the first.
 * VL_ERANGE: m 0 or above its bound, n above its. */
VL_MUST_CHECK enum vl_err pareto_sort(const double *f, const double *violation, uint32_t n, uint32_t m, uint32_t *rank,
                                      uint32_t *order, uint32_t *scratch, uint32_t *ret_fronts);
/* Crowding distance of the points index[0..n) of one front, whose order it changes; ends get INFINITY (an objective in
 * which all are alike has none; one or two points are ends always). */
void pareto_crowding(const double *f, uint32_t m, uint32_t *index, uint32_t n, double *distance /* by point */);

/* Das-Dennis directions with p divisions: C(m+p-1, p) rows of m weights that sum to 1.  0: more than max. */
uint32_t pareto_directions(uint32_t m, uint32_t p, double *ret, uint32_t max);
/* Nearest direction by perpendicular distance of a point already translated to the ideal and scaled to 0..1; the first
 * of several.  A point with an infinite objective has the distance INFINITY. */
uint32_t pareto_niche(const double *f, uint32_t m, const double *directions, uint32_t n_directions, double *ret_distance);

/* Hypervolume between the points and the reference, exact: sweep for 2, WFG for more.  Points not better than the
 * reference in every objective count nothing.  VL_ENOMEM; VL_ERANGE: m or n out of bounds, the reference or a point that
 * counts not finite.  For m = 5 keep n below about 200. */
VL_MUST_CHECK enum vl_err pareto_hypervolume(const double *f, uint32_t n, uint32_t m, const double *reference,
                                             double *ret);
/* The same as a share of the box lo..hi by a Monte Carlo with `samples` points: for large fronts. */
double pareto_hypervolume_share(const double *f, uint32_t n, uint32_t m, const double *lo, const double *hi,
                                uint32_t samples, uint64_t seed);
/* Spearman's rank correlation of two columns over n points; 0 when one is constant.  scratch: 4 n doubles. */
double pareto_rank_correlation(const double *f, uint32_t n, uint32_t m, uint32_t a, uint32_t b, double *scratch);

/* ---- archive: the non-dominated points seen, each with a caller's number ---- */
struct pareto_archive {
    uint32_t m, n, cap;
    double *f;      /* n rows of m, in no order */
    uint32_t *item; /* what the caller keeps for the point */
    /* private: the box of the points and the inverse of its widths (0: none) when distances were measured; of every
     * point its nearest other, and the square of that distance */
    double lo[PARETO_OBJECTIVES_MAX], hi[PARETO_OBJECTIVES_MAX], scale[PARETO_OBJECTIVES_MAX];
    double *near;
    uint32_t *neighbour;
};
/* VL_ENOMEM; VL_ERANGE: m 0 or above its bound, cap below m or above PARETO_POINTS_MAX.  Owned by the caller; free with
 * pareto_archive_free(). */
VL_MUST_CHECK enum vl_err pareto_archive_init(struct pareto_archive *a, uint32_t m, uint32_t cap);
void pareto_archive_free(struct pareto_archive *a);
/* True: f entered; points it dominates are gone, their items are told in dropped (room for cap).  When full, the most
 * crowded point leaves: of the two that are nearest one another the one with the nearer third, never the only one that
 * is best in an objective.  False when that is f itself, or f is dominated or equal to one inside, or has a NaN. */
bool pareto_archive_add(struct pareto_archive *a, const double *f, uint32_t item, uint32_t *dropped,
                        uint32_t *ret_dropped);

/* ---- NSGA-II over real variables ---- */
struct nsga2_config {
    uint32_t population; /* even, 4..10000 */
    uint32_t generations;
    double crossover;    /* probability of a pair, SBX */
    double mutation;     /* probability of a variable; 0: 1/variables */
    double eta_crossover, eta_mutation; /* crossover is fastest when its eta + 1 is a power of two */
    uint32_t tournament; /* >= 2 */
    uint64_t seed;
};
/* 50, 100, 0.8, 0.1, tournaments of 3; eta 15 and 20; seed 1. */
struct nsga2_config nsga2_config_default(void);
#define NSGA2_VARIABLES_MAX 65536u
struct nsga2_problem {
    uint32_t variables, objectives; /* 1..NSGA2_VARIABLES_MAX, 1..PARETO_OBJECTIVES_MAX */
    const double *lo, *hi; /* bounds of the variables */
    /* Fills f; returns the violation, 0 when feasible.  Pure.  NaN in either: the point counts as infinitely infeasible,
     * its objectives as INFINITY. */
    double (*evaluate)(const void *arg, const double *x, double *f);
    const void *arg;
};
struct nsga2_result {
    uint32_t n, variables, objectives;
    double *x, *f, *violation; /* n rows: the last population, owned */
    uint32_t *rank;
    uint64_t evaluations;
};
/* NSGA-II with simulated binary crossover and polynomial mutation, both bounded; the crowding of the front that does not
 * fit whole is measured anew after each point given up (Kukkonen & Deb 2006), which spreads the front more evenly.  No
 * allocation after the first generation.  VL_ERANGE: configuration or problem out of range (a probability outside 0..1,
 * an eta outside 0..1000, a tournament below 2 or above the population), a bound not finite or upside down.
 * VL_ENOMEM. */
VL_MUST_CHECK enum vl_err nsga2_run(const struct nsga2_config *c, const struct nsga2_problem *p,
                                    struct nsga2_result *ret);
void nsga2_result_free(struct nsga2_result *r);

#endif
