#include "fog/pareto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCALE_DRIFT 0.1 /* share by which the box may change before all distances are measured anew */

enum vl_err pareto_archive_init(struct pareto_archive *a, uint32_t m, uint32_t cap) {
    if (m == 0 || m > PARETO_OBJECTIVES_MAX || cap < m || cap > PARETO_POINTS_MAX) return VL_ERANGE;
    struct pareto_archive made = { .m = m, .cap = cap };
    size_t room = (size_t)cap + 1; /* one more, until it is clear who leaves */
    made.f = malloc(room * m * sizeof *made.f);
    made.item = malloc(room * sizeof *made.item);
    made.near = malloc(room * sizeof *made.near);
    made.neighbour = malloc(room * sizeof *made.neighbour);
    if (made.f == NULL || made.item == NULL || made.near == NULL || made.neighbour == NULL) {
        pareto_archive_free(&made);
        return VL_ENOMEM;
    }
    *a = made;
    return VL_OK;
}

void pareto_archive_free(struct pareto_archive *a) {
    free(a->f);
    free(a->item);
    free(a->near);
    free(a->neighbour);
    *a = (struct pareto_archive){ 0 };
}

static const double *row(const struct pareto_archive *a, uint32_t i) { return a->f + (size_t)i * a->m; }

static double apart(const struct pareto_archive *a, uint32_t i, uint32_t k) {
    const double *x = row(a, i), *y = row(a, k);
    double sum = 0;
    for (uint32_t j = 0; j < a->m; j++) {
        if (a->scale[j] <= 0) continue; /* an infinity less an infinity is no distance */
        double d = (x[j] - y[j]) * a->scale[j];
        sum += d * d;
    }
    return sum;
}

/* Nearest of the others but `except`. */
static uint32_t nearest(const struct pareto_archive *a, uint32_t i, uint32_t except, double *ret) {
    uint32_t best = PARETO_NONE;
    *ret = (double)INFINITY;
    for (uint32_t k = 0; k < a->n; k++) {
        if (k == i || k == except) continue;
        double d = apart(a, i, k);
        if (best != PARETO_NONE && d >= *ret) continue;
        *ret = d;
        best = k;
    }
    return best;
}

static void measure_box(struct pareto_archive *a) {
    for (uint32_t j = 0; j < a->m; j++) {
        a->lo[j] = (double)INFINITY;
        a->hi[j] = -(double)INFINITY;
        for (uint32_t i = 0; i < a->n; i++) {
            double x = row(a, i)[j];
            a->lo[j] = x < a->lo[j] ? x : a->lo[j];
            a->hi[j] = x > a->hi[j] ? x : a->hi[j];
        }
    }
}

/* The last one takes the place of i. */
static void remove_at(struct pareto_archive *a, uint32_t i) {
    uint32_t last = --a->n;
    bool corner = false;
    for (uint32_t j = 0; j < a->m; j++) corner |= row(a, i)[j] == a->lo[j] || row(a, i)[j] == a->hi[j];
    if (i != last) {
        memcpy(a->f + (size_t)i * a->m, row(a, last), a->m * sizeof *a->f);
        a->item[i] = a->item[last];
        a->near[i] = a->near[last];
        a->neighbour[i] = a->neighbour[last];
    }
    for (uint32_t k = 0; k < a->n; k++) {
        if (a->neighbour[k] == i)
            a->neighbour[k] = PARETO_NONE;
        else if (a->neighbour[k] == last)
            a->neighbour[k] = i;
    }
    if (corner) measure_box(a);
}

static void append(struct pareto_archive *a, const double *f, uint32_t item) {
    uint32_t new = a->n++;
    memcpy(a->f + (size_t) new * a->m, f, a->m * sizeof *f);
    a->item[new] = item;
    a->neighbour[new] = PARETO_NONE;
    a->near[new] = (double)INFINITY;
    for (uint32_t j = 0; j < a->m; j++) {
        if (new == 0 || f[j] < a->lo[j]) a->lo[j] = f[j];
        if (new == 0 || f[j] > a->hi[j]) a->hi[j] = f[j];
    }
}

/* Takes the box of the points as the measure, unless it is nearly what it was.  True: all distances have changed. */
static bool rescale(struct pareto_archive *a) {
    double scale[PARETO_OBJECTIVES_MAX];
    bool changed = false;
    for (uint32_t j = 0; j < a->m; j++) {
        scale[j] = a->hi[j] > a->lo[j] ? 1 / (a->hi[j] - a->lo[j]) : 0;
        if (!isfinite(scale[j])) scale[j] = 0;
        changed |= (scale[j] > 0) != (a->scale[j] > 0) || fabs(scale[j] - a->scale[j]) > SCALE_DRIFT * a->scale[j];
    }
    if (changed) memcpy(a->scale, scale, a->m * sizeof *scale);
    return changed;
}

/* Measures the points that have lost their neighbour; with `all`, every one. */
static void measure(struct pareto_archive *a, bool all) {
    for (uint32_t i = 0; i < a->n; i++)
        if (all || a->neighbour[i] == PARETO_NONE) a->neighbour[i] = nearest(a, i, i, &a->near[i]);
}

/* Measures the newest point, and tells the others of it. */
static void introduce(struct pareto_archive *a) {
    uint32_t new = a->n - 1;
    for (uint32_t i = 0; i < new; i++) {
        double d = apart(a, i, new);
        if (a->neighbour[new] == PARETO_NONE || d < a->near[new]) {
            a->near[new] = d;
            a->neighbour[new] = i;
        }
        if (a->neighbour[i] == PARETO_NONE || d >= a->near[i]) continue;
        a->near[i] = d;
        a->neighbour[i] = new;
    }
}

/* The first point that is best in an objective stays. */
static bool is_end(const struct pareto_archive *a, const uint32_t *best, uint32_t i) {
    for (uint32_t j = 0; j < a->m; j++)
        if (best[j] == i) return true;
    return false;
}

/* The point that leaves a full archive.  There are more points than objectives, so that one is always free to go. */
static uint32_t most_crowded(const struct pareto_archive *a) {
    uint32_t best[PARETO_OBJECTIVES_MAX], out = PARETO_NONE;
    for (uint32_t j = 0; j < a->m; j++) {
        best[j] = 0;
        while (row(a, best[j])[j] != a->lo[j]) best[j]++;
    }
    for (uint32_t i = 0; i < a->n; i++) /* of several the last, which tends to be the newest */
        if ((out == PARETO_NONE || a->near[i] <= a->near[out]) && !is_end(a, best, i)) out = i;
    uint32_t other = a->neighbour[out];
    if (other == PARETO_NONE || is_end(a, best, other)) return out;
    double third, others_third;
    (void)nearest(a, out, other, &third);
    (void)nearest(a, other, out, &others_third);
    return others_third < third ? other : out;
}

bool pareto_archive_add(struct pareto_archive *a, const double *f, uint32_t item, uint32_t *dropped,
                        uint32_t *ret_dropped) {
    *ret_dropped = 0;
    for (uint32_t j = 0; j < a->m; j++)
        if (isnan(f[j])) return false;
    for (uint32_t i = a->n; i-- > 0;) { /* whoever it dominates: nobody inside dominates it then, nor is equal */
        const double *x = row(a, i);
        bool better = false, worse = false;
        for (uint32_t j = 0; j < a->m && !(better && worse); j++) {
            better |= x[j] < f[j];
            worse |= x[j] > f[j];
        }
        if (!worse) return false;
        if (better) continue;
        dropped[(*ret_dropped)++] = a->item[i];
        remove_at(a, i);
    }
    uint32_t new = a->n;
    append(a, f, item);
    bool all = rescale(a);
    if (!all) introduce(a);
    measure(a, all);
    if (a->n <= a->cap) return true;
    uint32_t out = most_crowded(a);
    if (out != new) dropped[(*ret_dropped)++] = a->item[out];
    remove_at(a, out);
    measure(a, false);
    return out != new;
}
