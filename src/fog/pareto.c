#include "fog/pareto.h"

#include "fog/pareto_priv.h"

#include <math.h>
#include <string.h>

#define RUN 12u /* points that insertion sorts before merging begins */

bool pareto_dominates(const double *a, const double *b, uint32_t m) {
    bool better = false;
    for (uint32_t j = 0; j < m; j++) {
        if (a[j] > b[j]) return false;
        better |= a[j] < b[j];
    }
    return better;
}

/* Below zero counts as feasible. */
static double broken(const double *violation, uint32_t i) {
    return violation != NULL && violation[i] > 0 ? violation[i] : 0;
}

bool pareto_beats(const double *a, double violation_a, const double *b, double violation_b, uint32_t m) {
    double x = broken(&violation_a, 0), y = broken(&violation_b, 0);
    return x != y ? x < y : pareto_dominates(a, b, m);
}

struct points {
    const double *f, *violation;
    uint32_t m;
};

/* Strictly before in lexicographic order of (violation, objectives). */
static bool before(const struct points *p, uint32_t a, uint32_t b) {
    if (p->violation != NULL) {
        double x = broken(p->violation, a), y = broken(p->violation, b);
        if (x != y) return x < y;
    }
    const double *fa = p->f + (size_t)a * p->m, *fb = p->f + (size_t)b * p->m;
    for (uint32_t j = 0; j < p->m; j++)
        if (fa[j] != fb[j]) return fa[j] < fb[j];
    return false;
}

static void merge(const struct points *p, const uint32_t *from, uint32_t n_left, uint32_t n, uint32_t *to) {
    uint32_t a = 0, b = n_left;
    for (uint32_t k = 0; k < n; k++)
        to[k] = b == n || (a < n_left && !before(p, from[b], from[a])) ? from[a++] : from[b++];
}

/* Stable; the result is in order. */
static void sort_points(const struct points *p, uint32_t n, uint32_t *order, uint32_t *scratch) {
    for (uint32_t lo = 0; lo < n; lo += RUN) {
        uint32_t hi = n - lo < RUN ? n : lo + RUN;
        for (uint32_t i = lo; i < hi; i++) {
            uint32_t at = i;
            for (; at > lo && before(p, i, order[at - 1]); at--) order[at] = order[at - 1];
            order[at] = i;
        }
    }
    uint32_t *from = order, *to = scratch;
    for (uint32_t width = RUN; width < n; width *= 2) {
        for (uint32_t lo = 0; lo < n; lo += 2 * width) {
            uint32_t left = n - lo, both = n - lo;
            if (left > width) left = width;
            if (both > 2 * width) both = 2 * width;
            merge(p, from + lo, left, both, to + lo);
        }
        uint32_t *t = from;
        from = to;
        to = t;
    }
    if (from != order) memcpy(order, from, n * sizeof *order);
}

/* Does a point of the front that ends in `last` dominate point i?  All of them come before i lexicographically, so that
 * none is worse in the first objective.  With two objectives the last one of a front is the best in the second. */
static bool front_dominates(const struct points *p, uint32_t last, const uint32_t *previous, uint32_t i) {
    const double *x = p->f + (size_t)i * p->m;
    for (uint32_t q = last; q != PARETO_NONE; q = previous[q]) {
        const double *y = p->f + (size_t)q * p->m;
        uint32_t j = 1;
        while (j < p->m && y[j] <= x[j]) j++;
        if (j == p->m)
            for (uint32_t k = 0; k < p->m; k++)
                if (y[k] != x[k]) return true;
        if (p->m <= 2) return false;
    }
    return false;
}

enum vl_err pareto_sort(const double *f, const double *violation, uint32_t n, uint32_t m, uint32_t *rank,
                        uint32_t *order, uint32_t *scratch, uint32_t *ret_fronts) {
    if (m == 0 || m > PARETO_OBJECTIVES_MAX || n > PARETO_POINTS_MAX) return VL_ERANGE;
    struct points p = { f, violation, m };
    sort_points(&p, n, order, scratch);
    /* From here the sorted order is read from the left, and what has been read makes room for the ends of the fronts:
     * there are never more fronts than points in them. */
    uint32_t fronts = 0, base = 0;
    double level = 0;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = order[k];
        double v = broken(violation, i);
        if (v != level) base = fronts; /* beaten by all that violate less */
        level = v;
        uint32_t lo = base, hi = fronts;
        while (lo < hi) {
            uint32_t mid = lo + (hi - lo) / 2;
            if (front_dominates(&p, order[mid], scratch, i))
                lo = mid + 1;
            else
                hi = mid;
        }
        rank[i] = lo;
        scratch[i] = lo == fronts ? PARETO_NONE : order[lo];
        order[lo] = i;
        if (lo == fronts) fronts++;
    }
    *ret_fronts = fronts;
    return VL_OK;
}

/* Whether the keys never fall along the index; sign -1: never rise. */
static bool in_order(const double *f, uint32_t m, const uint32_t *index, uint32_t n, double sign) {
    for (uint32_t k = 1; k < n; k++)
        if (f[(size_t)index[k] * m] * sign < f[(size_t)index[k - 1] * m] * sign) return false;
    return true;
}

void pareto_by_column(const double *f, uint32_t m, uint32_t column, uint32_t *index, uint32_t n) {
    static const uint32_t gaps[] = { 46314, 20131, 8750, 3803, 1652, 701, 301, 132, 57, 23, 10, 4, 1 };
    f += column;
    if (in_order(f, m, index, n, 1)) return;
    if (in_order(f, m, index, n, -1)) { /* a front of two objectives, sorted by the other one */
        for (uint32_t a = 0, b = n - 1; a < b; a++, b--) {
            uint32_t t = index[a];
            index[a] = index[b];
            index[b] = t;
        }
        return;
    }
    for (uint32_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        uint32_t gap = gaps[g];
        for (uint32_t i = gap; i < n; i++) {
            uint32_t x = index[i], at = i;
            double key = f[(size_t)x * m];
            for (; at >= gap && f[(size_t)index[at - gap] * m] > key; at -= gap) index[at] = index[at - gap];
            index[at] = x;
        }
    }
}

void pareto_crowding(const double *f, uint32_t m, uint32_t *index, uint32_t n, double *distance) {
    for (uint32_t k = 0; k < n; k++) distance[index[k]] = n <= 2 ? (double)INFINITY : 0;
    if (n <= 2) return;
    for (uint32_t j = 0; j < m; j++) {
        pareto_by_column(f, m, j, index, n);
        double lo = f[(size_t)index[0] * m + j], hi = f[(size_t)index[n - 1] * m + j];
        if (lo == hi) continue; /* all alike: no ends */
        distance[index[0]] = distance[index[n - 1]] = (double)INFINITY;
        double scale = 1 / (hi - lo);
        if (!(scale > 0) || !isfinite(scale)) continue; /* between infinities there is no measure */
        for (uint32_t k = 1; k < n - 1; k++)
            distance[index[k]] += (f[(size_t)index[k + 1] * m + j] - f[(size_t)index[k - 1] * m + j]) * scale;
    }
}
