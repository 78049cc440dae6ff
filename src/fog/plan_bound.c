/* What no placement of these tasks can beat, objective by objective.
 *
 * Slots are the only room that is counted, so that each objective is an assignment problem: min sum of c(t, n) with at
 * most room(n) tasks on n.  For any prices m(n) >= 0 of slots its Lagrangian dual
 *     D(m) = sum over t of min over n that suit t of (c(t, n) + m(n)), less the sum of m(n) room(n)
 * is at most the optimum (weak duality), so every price vector gives a bound that holds; the best one found is told.
 * Three are tried: no prices (each task its own best node), the prices that clear the slots when every node suited
 * every task, and, where the batch is small, those of a subgradient ascent (Held, Wolfe, Crowder 1974). */
#include "fog/plan_priv.h"

#include <math.h>
#include <stdlib.h>

#define ASCENT_PAIRS (1u << 14)
#define ASCENT_ROUNDS 40u

struct bound {
    const struct plan *p;
    uint32_t *by_term;     /* nodes, the cheapest first */
    double *price, *hours; /* of slots; of the tasks, the longest first */
    uint32_t *demand;
};

static double cost_of(const struct plan *p, uint32_t term, uint32_t task, uint32_t node) {
    return (term < 2 ? 1 : p->task[task].hours) * p->node[node].term[term];
}

struct ranked {
    double value;
    uint32_t node;
};
static int cheapest_first(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}
static int longest_first(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static enum vl_err rank_nodes(struct bound *b, uint32_t term) {
    const struct plan *p = b->p;
    struct ranked *v = malloc((p->n_node ? p->n_node : 1) * sizeof *v);
    if (v == NULL) return VL_ENOMEM;
    for (uint32_t n = 0; n < p->n_node; n++) v[n] = (struct ranked){ p->node[n].term[term], n };
    qsort(v, p->n_node, sizeof *v, cheapest_first);
    for (uint32_t n = 0; n < p->n_node; n++) b->by_term[n] = v[n].node;
    free(v);
    return VL_OK;
}

/* No prices; and the clearing prices: a slot cheaper than `level` is worth the difference. */
static double own_best(const struct bound *b, uint32_t term, double level) {
    const struct plan *p = b->p;
    double sum = 0;
    for (uint32_t j = 0; j < p->n_task; j++) {
        uint32_t i = 0;
        while (i + 1 < p->n_node && !plan_suits(p, j, b->by_term[i])) i++; /* one does: it was placed */
        double c = p->node[b->by_term[i]].term[term];
        sum += (term < 2 ? 1 : p->task[j].hours) * (c > level ? c : level);
    }
    return sum;
}
/* Rearrangement: the longest tasks on the cheapest slots is the least when every node suits every task.  *ret_level:
 * the dearest slot used. */
static double any_suits(const struct bound *b, uint32_t term, double *ret_level) {
    const struct plan *p = b->p;
    double sum = 0;
    uint32_t j = 0;
    *ret_level = 0;
    for (uint32_t i = 0; i < p->n_node && j < p->n_task; i++) {
        const struct plan_node *n = &p->node[b->by_term[i]];
        for (uint32_t s = 0; s < n->room.slots && j < p->n_task; s++, j++) {
            sum += (term < 2 ? 1 : b->hours[j]) * n->term[term];
            *ret_level = n->term[term];
        }
    }
    return sum;
}
/* For terms without hours the clearing prices keep what each task asks: D = sum max(level, own) - sum (level - c) room.
 */
static double clearing(const struct bound *b, uint32_t term, double level) {
    const struct plan *p = b->p;
    double sum = own_best(b, term, level);
    for (uint32_t n = 0; n < p->n_node; n++)
        if (p->node[n].term[term] < level) sum -= (level - p->node[n].term[term]) * p->node[n].room.slots;
    return sum;
}

/* D at b->price, and in b->demand how many tasks want each node. */
static double dual(struct bound *b, uint32_t term) {
    const struct plan *p = b->p;
    double sum = 0;
    memset(b->demand, 0, p->n_node * sizeof *b->demand);
    for (uint32_t j = 0; j < p->n_task; j++) {
        double best = (double)INFINITY;
        uint32_t at = 0;
        for (uint32_t n = 0; n < p->n_node; n++) {
            double v = cost_of(p, term, j, n) + b->price[n];
            if (v >= best || !plan_suits(p, j, n)) continue;
            best = v;
            at = n;
        }
        sum += best;
        b->demand[at]++;
    }
    for (uint32_t n = 0; n < p->n_node; n++) sum -= b->price[n] * p->node[n].room.slots;
    return sum;
}

static double ascend(struct bound *b, uint32_t term, double level, double have, double target) {
    const struct plan *p = b->p;
    double best = have, pace = 1;
    for (uint32_t n = 0; n < p->n_node; n++)
        b->price[n] = term < 2 && p->node[n].term[term] < level ? level - p->node[n].term[term] : 0;
    for (uint32_t r = 0; r < ASCENT_ROUNDS; r++) {
        double value = dual(b, term), norm = 0;
        if (value > best)
            best = value;
        else
            pace *= 0.85;
        for (uint32_t n = 0; n < p->n_node; n++) {
            double g = (double)b->demand[n] - p->node[n].room.slots;
            if (g > 0 || b->price[n] > 0) norm += g * g;
        }
        if (norm <= 0 || target <= value) break; /* every slot is asked for as often as it is there: the optimum */
        double step = pace * (target - value) / norm;
        for (uint32_t n = 0; n < p->n_node; n++) {
            b->price[n] += step * ((double)b->demand[n] - p->node[n].room.slots);
            if (b->price[n] < 0) b->price[n] = 0;
        }
    }
    return best;
}

static void bound_free(struct bound *b) {
    free(b->by_term);
    free(b->price);
    free(b->hours);
    free(b->demand);
}

enum vl_err plan_bounds(const struct plan *p, const double ideal[PLAN_OBJECTIVES], double ret[PLAN_OBJECTIVES]) {
    size_t nodes = p->n_node ? p->n_node : 1, tasks = p->n_task ? p->n_task : 1;
    struct bound b = { .p = p,
                       .by_term = malloc(nodes * sizeof *b.by_term),
                       .price = malloc(nodes * sizeof *b.price),
                       .hours = malloc(tasks * sizeof *b.hours),
                       .demand = malloc(nodes * sizeof *b.demand) };
    enum vl_err err = b.by_term && b.price && b.hours && b.demand ? VL_OK : VL_ENOMEM;
    for (uint32_t j = 0; err == VL_OK && j < p->n_task; j++) b.hours[j] = p->task[j].hours;
    if (err == VL_OK) qsort(b.hours, p->n_task, sizeof *b.hours, longest_first);
    double all = p->n_task + p->n_fixed > 0 ? p->n_task + p->n_fixed : 1;
    for (uint32_t k = 0; err == VL_OK && k < PLAN_TERMS; k++) {
        enum plan_objective o = plan_term_of[k];
        double level, per = k < 2 ? all : 1;
        if ((err = rank_nodes(&b, k)) != VL_OK) break;
        double best = p->n_task > 0 ? own_best(&b, k, 0) : 0, other = any_suits(&b, k, &level);
        if (other > best) best = other;
        if (k < 2 && p->n_task > 0 && (other = clearing(&b, k, level)) > best) best = other;
        if (p->n_task > 0 && (size_t)p->n_task * p->n_node <= ASCENT_PAIRS)
            best = ascend(&b, k, level, best, ideal[o] * per - p->fixed_sum[k]);
        ret[o] = (p->fixed_sum[k] + best) / per;
        ret[o] -= 1e-9 * fabs(ret[o]); /* sums of the search are rounded, too: never above what it can reach */
    }
    ret[PLAN_BALANCE] = (double)NAN;
    bound_free(&b);
    return err;
}
