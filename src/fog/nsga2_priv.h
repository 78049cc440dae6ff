/* nsga2_priv.h - variation operators of nsga2.c: one state for all of them, seeded by the run. */
#ifndef VL_FOG_NSGA2_PRIV_H
#define VL_FOG_NSGA2_PRIV_H

#include "fog/pareto.h"

#include "base/prng.h"

/* x to the power of eta + 1, and back. */
struct nsga2_power {
    double exponent, inverse;
    uint32_t squarings; /* > 0: the exponent is this power of two, and squares and square roots do */
};
struct nsga2_variation {
    struct vl_prng *rng;
    uint32_t variables;
    const double *lo, *hi;
    double crossover;
    struct nsga2_power spread, shift; /* of crossover and mutation */
    double gap_scale;                 /* 1 / log(1 - mutation) */
    uint64_t until_mutation;          /* variables to pass before the next one that mutates */
};
void nsga2_variation_init(struct nsga2_variation *v, const struct nsga2_config *c, const struct nsga2_problem *p,
                          struct vl_prng *rng);
/* Simulated binary crossover of a and b into c and d (Deb & Agrawal 1995, bounded as in Deb & Jain's codes): with the
 * probability of a pair; each variable of it with 1/2. */
void nsga2_cross(struct nsga2_variation *v, const double *a, const double *b, double *c, double *d);
/* Polynomial mutation (Deb & Goyal 1996, bounded). */
void nsga2_mutate(struct nsga2_variation *v, double *x);

#endif
