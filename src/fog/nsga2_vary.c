#include "fog/nsga2_priv.h"

#include <math.h>
#include <string.h>

static struct nsga2_power power_of(double eta) {
    struct nsga2_power p = { .exponent = eta + 1, .inverse = 1 / (eta + 1) };
    for (uint32_t k = 1; k <= 6; k++)
        if (p.exponent == (double)(1u << k)) p.squarings = k;
    return p;
}

static double raise(const struct nsga2_power *p, double x) {
    if (p->squarings == 0) return pow(x, p->exponent);
    for (uint32_t k = 0; k < p->squarings; k++) x *= x;
    return x;
}

static double root(const struct nsga2_power *p, double x) {
    if (p->squarings == 0) return pow(x, p->inverse);
    for (uint32_t k = 0; k < p->squarings; k++) x = sqrt(x);
    return x;
}

/* Variables to pass until the next that mutates: geometric, one logarithm instead of a draw for each variable. */
static uint64_t next_gap(struct nsga2_variation *v) {
    double gap = floor(log1p(-vl_prng_unit(v->rng)) * v->gap_scale);
    return gap < 0x1p62 ? (uint64_t)gap : (uint64_t)1 << 62;
}

void nsga2_variation_init(struct nsga2_variation *v, const struct nsga2_config *c, const struct nsga2_problem *p,
                          struct vl_prng *rng) {
    double mutation = c->mutation > 0 ? c->mutation : 1.0 / p->variables;
    *v = (struct nsga2_variation){ .rng = rng,
                                   .variables = p->variables,
                                   .lo = p->lo,
                                   .hi = p->hi,
                                   .crossover = c->crossover,
                                   .spread = power_of(c->eta_crossover),
                                   .shift = power_of(c->eta_mutation),
                                   .gap_scale = 1 / log1p(-mutation) }; /* -0 for all */
    v->until_mutation = next_gap(v);
}

static double clamp(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }

/* How far a child lies from the middle, in halves of the parents' gap; ratio: that gap over the widest that keeps the
 * child inside its bound. */
static double spread(const struct nsga2_power *p, double u, double ratio) {
    double x = u * (2 - raise(p, ratio));
    return root(p, x <= 1 ? x : 1 / (2 - x));
}

static void cross_one(const struct nsga2_variation *v, uint32_t i, double *c, double *d) {
    double low = c[i] < d[i] ? c[i] : d[i], high = c[i] < d[i] ? d[i] : c[i], gap = high - low;
    if (!(gap > 0)) return;
    double u = vl_prng_unit(v->rng);
    double below = spread(&v->spread, u, gap / (gap + 2 * (low - v->lo[i])));
    double above = spread(&v->spread, u, gap / (gap + 2 * (v->hi[i] - high)));
    double middle = low + high;
    c[i] = clamp(0.5 * (middle - below * gap), v->lo[i], v->hi[i]);
    d[i] = clamp(0.5 * (middle + above * gap), v->lo[i], v->hi[i]);
}

void nsga2_cross(struct nsga2_variation *v, const double *a, const double *b, double *c, double *d) {
    memcpy(c, a, v->variables * sizeof *c);
    memcpy(d, b, v->variables * sizeof *d);
    if (vl_prng_unit(v->rng) >= v->crossover) return;
    for (uint32_t base = 0; base < v->variables; base += 64) { /* 64 coins a draw */
        uint64_t crossed = vl_prng_next(v->rng), swapped = vl_prng_next(v->rng);
        if (v->variables - base < 64) crossed &= ((uint64_t)1 << (v->variables - base)) - 1;
        for (; crossed != 0; crossed &= crossed - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(crossed), i = base + bit;
            cross_one(v, i, c, d);
            if ((swapped >> bit & 1) == 0) continue;
            double t = c[i];
            c[i] = d[i];
            d[i] = t;
        }
    }
}

static void mutate_one(const struct nsga2_variation *v, double *x, double lo, double hi) {
    double u = vl_prng_unit(v->rng), width = hi - lo;
    if (!(width > 0)) return;
    if (u < 0.5) {
        double far = raise(&v->shift, (hi - *x) / width);
        *x += (root(&v->shift, 2 * u + (1 - 2 * u) * far) - 1) * width;
    } else {
        double far = raise(&v->shift, (*x - lo) / width);
        *x += (1 - root(&v->shift, 2 * (1 - u) + (2 * u - 1) * far)) * width;
    }
    *x = clamp(*x, lo, hi);
}

void nsga2_mutate(struct nsga2_variation *v, double *x) {
    for (; v->until_mutation < v->variables; v->until_mutation += 1 + next_gap(v)) {
        uint64_t i = v->until_mutation;
        mutate_one(v, &x[i], v->lo[i], v->hi[i]);
    }
    v->until_mutation -= v->variables;
}
