/* What a batch reached that was placed without a search: one point, and what no placement could have beaten. */
#include "fog/plan_record.h"

#include "fog/sched_priv.h"

#include <math.h>
#include <string.h>

#define TINY 1e-9
#define IMBALANCE_MAX 0.25 /* variance of shares when half of the nodes are full and half empty */

struct figures {
    double latency, distrust, cost, price; /* of one node */
};

static struct figures figures_of(const struct sched_node *n, uint32_t worst_latency) {
    return (struct figures){ .latency = (n->latency_us ? n->latency_us : worst_latency) / 1000.0,
                             .distrust = sched_distrust(n),
                             .cost = sched_price_of_work(n->cost, n->rate_milli),
                             .price = sched_price_of_work(n->price, n->rate_milli) };
}

/* Variance of running per slot, over nodes that may take something. */
static double imbalance(const struct sched_node *nodes, uint32_t n) {
    double sum = 0, squares = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (nodes[i].blocked || nodes[i].slots == 0) continue;
        double load = (double)nodes[i].running / nodes[i].slots;
        sum += load;
        squares += load * load;
        count++;
    }
    if (count == 0) return 0;
    double mean = sum / count, v = squares / count - mean * mean;
    return v > 0 ? v : 0;
}

/* The best and the worst that any node would give. */
static void extremes_of(const struct sched_node *nodes, uint32_t n, uint32_t worst, struct figures *least,
                        struct figures *most) {
    *least = (struct figures){ INFINITY, INFINITY, INFINITY, INFINITY };
    *most = (struct figures){ 0, 0, 0, 0 };
    for (uint32_t i = 0; i < n; i++) {
        if (nodes[i].blocked || nodes[i].slots == 0) continue;
        struct figures f = figures_of(&nodes[i], worst);
        least->latency = fmin(least->latency, f.latency);
        least->distrust = fmin(least->distrust, f.distrust);
        least->cost = fmin(least->cost, f.cost);
        least->price = fmin(least->price, f.price);
        most->latency = fmax(most->latency, f.latency);
        most->distrust = fmax(most->distrust, f.distrust);
        most->cost = fmax(most->cost, f.cost);
        most->price = fmax(most->price, f.price);
    }
}

/* Of one point, as a share of the box between the bound and the worst node; an axis on which all nodes are alike says
 * nothing. */
static double volume(const double f[PLAN_OBJECTIVES], const double lo[PLAN_OBJECTIVES],
                     const double hi[PLAN_OBJECTIVES]) {
    double v = 1;
    for (unsigned o = 0; o < PLAN_OBJECTIVES; o++)
        if (hi[o] - lo[o] > TINY) v *= fmin(fmax((hi[o] - f[o]) / (hi[o] - lo[o]), 0), 1);
    return v;
}

/* As long as it is not known how long a task takes, an hour is as good as any other time: only ratios count. */
static double plan_hours(const struct sched_task *t) { return t->cpu_milli ? t->cpu_milli / 3600000.0 : 1; }

void plan_record_assess(struct plan_record *r, const struct sched_node *after, uint32_t n_nodes,
                        const struct sched_task *tasks, const struct sched_choice *choice, uint32_t n_tasks) {
    uint32_t worst = sched_worst_latency(after, n_nodes), placed = 0;
    double *f = r->front[0].f, hours = 0;
    struct figures least, most;
    memset(r->front, 0, sizeof r->front);
    for (uint32_t i = 0; i < n_tasks; i++) {
        if (choice[i].reason != SCHED_PLACED) continue;
        struct figures one = figures_of(&after[choice[i].node], worst);
        double h = plan_hours(&tasks[i]);
        f[PLAN_LATENCY] += one.latency;
        f[PLAN_TRUST] += one.distrust;
        f[PLAN_COST] += one.cost * h;
        f[PLAN_PRICE] += one.price * h;
        hours += h;
        placed++;
    }
    r->n_front = placed > 0;
    r->front[0].placed = placed;
    if (placed == 0) return;
    f[PLAN_LATENCY] /= placed;
    f[PLAN_TRUST] /= placed;
    f[PLAN_BALANCE] = imbalance(after, n_nodes);
    extremes_of(after, n_nodes, worst, &least, &most);
    const double bound[PLAN_OBJECTIVES] = { least.latency, NAN, least.distrust, least.cost * hours,
                                            least.price * hours };
    for (unsigned o = 0; o < PLAN_OBJECTIVES; o++) {
        r->ideal[o] = r->nadir[o] = f[o];
        r->bound[o] = bound[o];
        r->gap[o] = (f[o] - bound[o]) / fmax(fabs(bound[o]), TINY);
    }
    const double lo[PLAN_OBJECTIVES] = { least.latency, 0, least.distrust, least.cost * hours, least.price * hours };
    const double hi[PLAN_OBJECTIVES] = { most.latency, IMBALANCE_MAX, most.distrust, most.cost * hours, most.price * hours };
    plan_weights(r->class, r->weights);
    r->hypervolume = r->hypervolume_first = volume(f, lo, hi);
    r->score = NAN; /* nothing was weighed against it */
}
