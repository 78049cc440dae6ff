/* The archive with the placements of its points, and the scalar by which a point is taken from it. */
#include "fog/plan_priv.h"

#include <stdlib.h>

enum vl_err plan_archive_init(struct plan_archive *a, const struct plan *p) {
    uint32_t cap = p->config->archive, rows = cap + 1; /* one in hand while a point enters */
    *a = (struct plan_archive){ .n_task = p->n_task };
    enum vl_err err = pareto_archive_init(&a->points, PLAN_OBJECTIVES, cap);
    if (err) return err;
    a->gene = malloc((size_t)rows * (p->n_task ? p->n_task : 1) * sizeof *a->gene);
    a->free = malloc(rows * sizeof *a->free);
    a->dropped = malloc(rows * sizeof *a->dropped);
    if (a->gene == NULL || a->free == NULL || a->dropped == NULL) {
        plan_archive_free(a);
        return VL_ENOMEM;
    }
    for (uint32_t i = rows; i-- > 0;) a->free[a->n_free++] = i;
    return VL_OK;
}

void plan_archive_free(struct plan_archive *a) {
    pareto_archive_free(&a->points);
    free(a->gene);
    free(a->free);
    free(a->dropped);
    *a = (struct plan_archive){ 0 };
}

void plan_archive_add(struct plan_archive *a, const uint32_t *gene, const double f[PLAN_OBJECTIVES]) {
    uint32_t row = a->free[a->n_free - 1], dropped = 0;
    if (!pareto_archive_add(&a->points, f, row, a->dropped, &dropped)) return;
    a->n_free--;
    memcpy(a->gene + (size_t)row * a->n_task, gene, a->n_task * sizeof *gene);
    for (uint32_t i = 0; i < dropped; i++) a->free[a->n_free++] = a->dropped[i];
}

void plan_box(const struct plan_archive *a, double ideal[PLAN_OBJECTIVES], double nadir[PLAN_OBJECTIVES]) {
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) ideal[o] = nadir[o] = a->points.n > 0 ? a->points.f[o] : 0;
    for (uint32_t i = 1; i < a->points.n; i++) {
        const double *f = a->points.f + (size_t)i * PLAN_OBJECTIVES;
        for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
            if (f[o] < ideal[o]) ideal[o] = f[o];
            if (f[o] > nadir[o]) nadir[o] = f[o];
        }
    }
}

void plan_scale(const double ideal[PLAN_OBJECTIVES], const double nadir[PLAN_OBJECTIVES], double ret[PLAN_OBJECTIVES]) {
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
        double range = nadir[o] - ideal[o];
        ret[o] = range > 1e-12 * (nadir[o] > 0 ? nadir[o] : 1) ? 1 / range : 0;
    }
}

#define AUGMENT 0.05 /* enough to tell apart what the worst objective leaves equal */
double plan_scalar(const double f[PLAN_OBJECTIVES], const double w[PLAN_OBJECTIVES],
                   const double ideal[PLAN_OBJECTIVES], const double scale[PLAN_OBJECTIVES]) {
    double worst = 0, sum = 0;
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
        double d = w[o] * (f[o] - ideal[o]) * scale[o];
        sum += d;
        if (d > worst) worst = d;
    }
    return worst + AUGMENT * sum;
}
