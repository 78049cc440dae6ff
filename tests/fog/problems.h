/* problems.h - problems of multi-objective optimisation whose best fronts are known: ZDT1-4 and 6 (Zitzler, Deb, Thiele
 * 2000; 30 variables, ZDT4 and 6: 10), DTLZ1 and 2 (Deb, Thiele, Laumanns, Zitzler 2002; three objectives, 7 and 12
 * variables).  For tests and benches. */
#ifndef VL_TESTS_PROBLEMS_H
#define VL_TESTS_PROBLEMS_H

#include "fog/pareto.h"

#define PROBLEM_VARIABLES_MAX 30u
#define PROBLEM_FRONT_MAX 5050u

struct problem {
    const char *name;
    uint32_t variables, objectives;
    double rest_lo, rest_hi; /* bounds of all variables but the first, which is in 0..1 */
    double reference;        /* of the hypervolume, in every objective */
    double ideal;            /* hypervolume of the whole front */
    double (*evaluate)(const void *arg, const double *x, double *f);
};
extern const struct problem problems[];
extern const uint32_t n_problems;
const struct problem *problem_find(const char *name); /* NULL: none of that name */

/* The problem as nsga2_run() takes it; lo and hi have room for its variables. */
struct nsga2_problem problem_for_nsga2(const struct problem *p, double *lo, double *hi);
/* 100 x 250, crossover 0.9 with eta 15, mutation 1/variables with eta 20, tournaments of 2: what published figures of
 * NSGA-II are measured with. */
struct nsga2_config problem_config(uint64_t seed);
/* Points of the best front: about 1,000 for two objectives, 5,050 for three.  ret: PROBLEM_FRONT_MAX rows. */
uint32_t problem_front(const struct problem *p, double *ret);
/* Inverted generational distance: mean distance of the points of the front to the nearest of the n found. */
double problem_igd(const double *front, uint32_t n_front, const double *f, uint32_t n, uint32_t m);

#endif
