/* The operators by themselves: what they promise of their distributions, within five standard deviations. */
#include "fog/nsga2_priv.h"

#include "check.h"

#include <math.h>

#define DRAWS 20000u

static struct nsga2_variation operators(double eta, double crossover, double mutation, const double *lo,
                                        const double *hi, uint32_t variables, struct vl_prng *rng) {
    struct nsga2_config c = { .crossover = crossover, .mutation = mutation, .eta_crossover = eta, .eta_mutation = eta };
    struct nsga2_problem p = { .variables = variables, .lo = lo, .hi = hi };
    struct nsga2_variation v;
    vl_prng_seed(rng, 1);
    nsga2_variation_init(&v, &c, &p, rng);
    return v;
}

static void check_share(double want, uint32_t count, uint32_t of) {
    double got = (double)count / of, deviation = sqrt(want * (1 - want) / of);
    if (fabs(got - want) > 5 * deviation) fail_msg("want a share of %g, got %g of %u", want, got, of);
}

TEST(nsga2_cross, spreads_children_around_the_parents_by_its_distribution) {
    double lo[70], hi[70];
    static const double etas[] = { 15, 14.5 }; /* by squares and roots, by powers */
    for (uint32_t i = 0; i < 70; i++) lo[i] = -1e6, hi[i] = 1e6;
    for (uint32_t e = 0; e < 2; e++) {
        struct vl_prng rng;
        struct nsga2_variation v = operators(etas[e], 0.9, 0.1, lo, hi, 70, &rng);
        double a[70], b[70], c[70], d[70];
        uint32_t crossed = 0, pairs = 0, near = 0, far = 0, swapped = 0, rounds = DRAWS / 35;
        for (uint32_t i = 0; i < 70; i++) a[i] = 1, b[i] = 3;
        for (uint32_t k = 0; k < rounds; k++) {
            nsga2_cross(&v, a, b, c, d);
            uint32_t changed = 0;
            for (uint32_t i = 0; i < 70; i++) {
                CHECK(fabs(c[i] + d[i] - 4) < 1e-5); /* the bounds are far: the mean of the parents is kept */
                double spread = fabs(c[i] - d[i]) / 2;
                if (c[i] == 1 && d[i] == 3) continue;
                changed++;
                near += spread <= 0.9;
                far += spread >= 1 / 0.9;
                swapped += c[i] > d[i];
            }
            crossed += changed;
            pairs += changed > 0;
        }
        check_share(0.9, pairs, rounds);
        check_share(0.5, crossed, pairs * 70);
        check_share(0.5, swapped, crossed);
        check_share(0.5 * pow(0.9, etas[e] + 1), near, crossed);
        check_share(0.5 * pow(0.9, etas[e] + 1), far, crossed);
    }
}

TEST(nsga2_cross, reaches_to_the_bounds_and_never_piles_up_on_them) {
    const double lo[1] = { 0 }, hi[1] = { 1 }, pairs[][2] = { { 0, 0.3 }, { 0.1, 0.2 }, { 0.7, 1 }, { 0, 1 } };
    for (uint32_t p = 0; p < 4; p++) {
        for (uint32_t e = 0; e < 2; e++) {
            struct vl_prng rng;
            struct nsga2_variation v = operators(e == 0 ? 1 : 2.5, 1, 0.1, lo, hi, 1, &rng);
            double least = 1, most = 0, c, d;
            for (uint32_t k = 0; k < DRAWS; k++) {
                nsga2_cross(&v, &pairs[p][0], &pairs[p][1], &c, &d);
                if (c == pairs[p][0] && d == pairs[p][1]) continue;
                CHECK(c > 0 && c < 1 && d > 0 && d < 1);
                least = fmin(least, fmin(c, d));
                most = fmax(most, fmax(c, d));
            }
            if (!(least < 0.05 && most > 0.6)) fail_msg("pair %u, operator %u: from %g to %g", p, e, least, most);
        }
    }
}

TEST(nsga2_mutate, touches_its_share_of_the_variables_and_stays_inside) {
    const double lo[7] = { 0 }, hi[7] = { 1, 1, 1, 1, 1, 1, 1 }, rates[] = { 0.1, 0.01, 1, 0 };
    for (uint32_t k = 0; k < 4; k++) {
        struct vl_prng rng;
        struct nsga2_variation v = operators(k % 2 ? 15 : 20, 1, rates[k], lo, hi, 7, &rng);
        uint32_t touched[7] = { 0 }, up = 0, all = 0;
        for (uint32_t i = 0; i < DRAWS; i++) {
            double x[7] = { 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5 };
            nsga2_mutate(&v, x);
            for (uint32_t j = 0; j < 7; j++) {
                CHECK(x[j] > 0 && x[j] < 1);
                touched[j] += x[j] != 0.5;
                up += x[j] > 0.5;
            }
        }
        for (uint32_t j = 0; j < 7; j++) {
            check_share(rates[k] > 0 ? rates[k] : 1.0 / 7, touched[j], DRAWS);
            all += touched[j];
        }
        check_share(0.5, up, all);
    }
}
