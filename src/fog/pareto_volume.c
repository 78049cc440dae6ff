#include "fog/pareto.h"

#include "fog/pareto_priv.h"

#include "base/prng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One level for each number of objectives: level d works on rows of d, and makes those of level d - 1. */
struct volume {
    const double *reference;
    double *rows[PARETO_OBJECTIVES_MAX + 1];
    uint32_t *index[PARETO_OBJECTIVES_MAX + 1];
};

static double box(const struct volume *v, const double *p, uint32_t d) {
    double x = 1;
    for (uint32_t j = 0; j < d; j++) x *= v->reference[j] - p[j];
    return x;
}

static double sweep(const struct volume *v, const double *p, uint32_t n, uint32_t *index) {
    for (uint32_t i = 0; i < n; i++) index[i] = i;
    pareto_by_column(p, 2, 0, index, n);
    double sum = 0, floor = v->reference[1];
    for (uint32_t i = 0; i < n; i++) {
        const double *x = p + 2 * (size_t)index[i];
        if (x[1] >= floor) continue;
        sum += (v->reference[0] - x[0]) * (floor - x[1]);
        floor = x[1];
    }
    return sum;
}

/* Adds x to n rows of d none of which dominates another; what x dominates leaves, x itself when it adds nothing.  The
 * new number of rows. */
static uint32_t keep_best(double *rows, uint32_t n, const double *x, uint32_t d) {
    for (uint32_t i = 0; i < n; i++) {
        const double *y = rows + (size_t)i * d;
        uint32_t j = 0;
        while (j < d && y[j] <= x[j]) j++;
        if (j == d) return n;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        double *y = rows + (size_t)i * d;
        if (pareto_dominates(x, y, d)) continue;
        if (kept != i) memcpy(rows + (size_t)kept * d, y, d * sizeof *y);
        kept++;
    }
    memcpy(rows + (size_t)kept * d, x, d * sizeof *x);
    return kept + 1;
}

/* WFG: the volume is the sum of what each point adds to those after it.  Taken worst in the last objective first, those
 * after it reach further there, so that this objective is a plain factor and the rest a problem with one objective
 * less: the box of the point without what the others, cut down to that box, fill of it. */
static double wfg(const struct volume *v, uint32_t n, uint32_t d) {
    const double *p = v->rows[d];
    uint32_t *index = v->index[d];
    if (n == 0) return 0;
    if (n == 1) return box(v, p, d);
    if (d == 2) return sweep(v, p, n, index);
    for (uint32_t i = 0; i < n; i++) index[i] = i;
    pareto_by_column(p, d, d - 1, index, n);
    double sum = 0;
    for (uint32_t k = n; k-- > 0;) {
        const double *x = p + (size_t)index[k] * d;
        uint32_t inside = 0;
        for (uint32_t i = 0; i < k; i++) {
            const double *y = p + (size_t)index[i] * d;
            double cut[PARETO_OBJECTIVES_MAX];
            for (uint32_t j = 0; j < d - 1; j++) cut[j] = x[j] > y[j] ? x[j] : y[j];
            if (d > 3)
                inside = keep_best(v->rows[d - 1], inside, cut, d - 1);
            else /* the sweep finds its way through dominated points faster than they are sorted out */
                memcpy(v->rows[2] + 2 * (size_t)inside++, cut, 2 * sizeof *cut);
        }
        sum += (v->reference[d - 1] - x[d - 1]) * (box(v, x, d - 1) - wfg(v, inside, d - 1));
    }
    return sum;
}

static bool inside(const double *p, const double *reference, uint32_t m) {
    for (uint32_t j = 0; j < m; j++)
        if (!(p[j] < reference[j])) return false;
    return true;
}

static bool all_finite(const double *x, uint32_t m) {
    for (uint32_t j = 0; j < m; j++)
        if (!isfinite(x[j])) return false;
    return true;
}

enum vl_err pareto_hypervolume(const double *f, uint32_t n, uint32_t m, const double *reference, double *ret) {
    if (m == 0 || m > PARETO_OBJECTIVES_MAX || n > PARETO_POINTS_MAX || !all_finite(reference, m)) return VL_ERANGE;
    size_t columns = 0;
    for (uint32_t d = 2; d <= m; d++) columns += d;
    columns += m == 1;
    double *rows = malloc((n + 1) * columns * sizeof *rows);
    uint32_t *index = malloc((size_t)(n + 1) * m * sizeof *index);
    enum vl_err err = rows != NULL && index != NULL ? VL_OK : VL_ENOMEM;
    struct volume v = { .reference = reference };
    for (uint32_t d = m == 1 ? 1 : 2, at = 0; err == VL_OK && d <= m; at += d++) {
        v.rows[d] = rows + (size_t)at * (n + 1);
        v.index[d] = index + (size_t)(d - 1) * (n + 1);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; err == VL_OK && i < n; i++) {
        const double *x = f + (size_t)i * m;
        if (!inside(x, reference, m)) continue;
        if (!all_finite(x, m))
            err = VL_ERANGE;
        else
            kept = keep_best(v.rows[m], kept, x, m);
    }
    if (err == VL_OK) *ret = wfg(&v, kept, m); /* one objective: one point is left */
    free(rows);
    free(index);
    return err;
}

static bool reaches(const double *p, const double *x, uint32_t m) {
    for (uint32_t j = 0; j < m; j++)
        if (!(p[j] <= x[j])) return false;
    return true;
}

double pareto_hypervolume_share(const double *f, uint32_t n, uint32_t m, const double *lo, const double *hi,
                                uint32_t samples, uint64_t seed) {
    if (n == 0 || samples == 0 || m == 0 || m > PARETO_OBJECTIVES_MAX) return 0;
    struct vl_prng rng;
    vl_prng_seed(&rng, seed);
    uint32_t hits = 0, last = 0; /* the point that dominated the sample before often does again */
    for (uint32_t s = 0; s < samples; s++) {
        double x[PARETO_OBJECTIVES_MAX];
        for (uint32_t j = 0; j < m; j++) x[j] = lo[j] + vl_prng_unit(&rng) * (hi[j] - lo[j]);
        uint32_t i = last;
        if (!reaches(f + (size_t)i * m, x, m))
            for (i = 0; i < n && !reaches(f + (size_t)i * m, x, m); i++) {
            }
        if (i == n) continue;
        hits++;
        last = i;
    }
    return (double)hits / samples;
}
