#include "fog/pareto.h"

#include <math.h>
#include <string.h>

/* C(m + p - 1, p), or max + 1 when it is more than max. */
static uint32_t simplex_points(uint32_t m, uint32_t p, uint32_t max) {
    uint64_t n = 1;
    for (uint32_t k = 1; k < m; k++) {
        n = n * (p + k) / k; /* C(p + k, k): whole after every step */
        if (n > max) return max + 1;
    }
    return (uint32_t)n;
}

uint32_t pareto_directions(uint32_t m, uint32_t p, double *ret, uint32_t max) {
    if (m == 0 || m > PARETO_OBJECTIVES_MAX || p == 0 || p > PARETO_POINTS_MAX || max > PARETO_POINTS_MAX) return 0;
    uint32_t n = simplex_points(m, p, max);
    if (n > max) return 0;
    uint32_t part[PARETO_OBJECTIVES_MAX] = { 0 };
    part[m - 1] = p;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < m; j++) ret[(size_t)i * m + j] = (double)part[j] / p;
        /* Next composition of p in lexicographic order: what the last part holds moves one place up. */
        uint32_t j = m - 1;
        uint32_t rest = part[j];
        part[j] = 0;
        while (j > 0 && rest == 0) {
            j--;
            rest = part[j];
            part[j] = 0;
        }
        if (j == 0) continue; /* the last one: all in the first part */
        part[j - 1]++;
        part[m - 1] = rest - 1;
    }
    return n;
}

uint32_t pareto_niche(const double *f, uint32_t m, const double *directions, uint32_t n_directions,
                      double *ret_distance) {
    uint32_t best = 0;
    double best_share = -1, best_dot = 0, best_square = 1; /* share: square of the projection, largest is nearest */
    for (uint32_t i = 0; i < n_directions; i++) {
        const double *w = directions + (size_t)i * m;
        double dot = 0, square = 0;
        for (uint32_t j = 0; j < m; j++) {
            dot += f[j] * w[j];
            square += w[j] * w[j];
        }
        double share = dot * dot / square;
        if (!(share > best_share)) continue; /* NaN, too: a direction without length, a point without place */
        best = i;
        best_share = share;
        best_dot = dot;
        best_square = square;
    }
    double d = 0; /* again by components: |f|^2 - share would cancel */
    for (uint32_t j = 0; n_directions > 0 && j < m; j++) {
        double off = f[j] - directions[(size_t)best * m + j] * (best_dot / best_square);
        d += off * off;
    }
    d = sqrt(d);
    *ret_distance = isnan(d) ? (double)INFINITY : d;
    return best;
}

static void sort_values(double *v, uint32_t n) {
    static const uint32_t gaps[] = { 46314, 20131, 8750, 3803, 1652, 701, 301, 132, 57, 23, 10, 4, 1 };
    for (uint32_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        uint32_t gap = gaps[g];
        for (uint32_t i = gap; i < n; i++) {
            double x = v[i];
            uint32_t at = i;
            for (; at >= gap && v[at - gap] > x; at -= gap) v[at] = v[at - gap];
            v[at] = x;
        }
    }
}

/* How many of the sorted values are below x (or not above it, with `also_equal`). */
static uint32_t below(const double *sorted, uint32_t n, double x, bool also_equal) {
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (sorted[mid] < x || (also_equal && sorted[mid] == x))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Ranks with ties averaged, less their mean; returns the sum of their squares. */
static double ranks(const double *f, uint32_t n, uint32_t m, uint32_t column, double *sorted, double *ret) {
    for (uint32_t i = 0; i < n; i++) sorted[i] = f[(size_t)i * m + column];
    sort_values(sorted, n);
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double x = f[(size_t)i * m + column];
        ret[i] = (below(sorted, n, x, false) + (double)below(sorted, n, x, true) - n) / 2;
        sum += ret[i] * ret[i];
    }
    return sum;
}

double pareto_rank_correlation(const double *f, uint32_t n, uint32_t m, uint32_t a, uint32_t b, double *scratch) {
    double *ra = scratch + n, *rb = scratch + 2 * (size_t)n;
    double square_a = ranks(f, n, m, a, scratch, ra), square_b = ranks(f, n, m, b, scratch, rb), both = 0;
    if (square_a <= 0 || square_b <= 0) return 0;
    for (uint32_t i = 0; i < n; i++) both += ra[i] * rb[i];
    double r = both / sqrt(square_a * square_b);
    return r > 1 ? 1 : r < -1 ? -1 : r;
}
