/* What a batch reached that was placed without a search: one point, and what no placement could have beaten. */
#include "fog/plan_record.h"

#include "fog/sched_priv.h"

#include <math.h>
#include <string.h>

#define TINY 1e-9

struct figures {
    double latency, distrust, cost, price; /* of one node */
};

static struct figures figures_of(const struct sched_node *n, uint32_t worst_latency) {
    return (struct figures){ .latency = (n->latency_us ? n->latency_us : worst_latency) / 1000.0,
                             .distrust = n->trust_milli < 1000 ? 1 - n->trust_milli / 1000.0 : 0,
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

static void least_of(const struct sched_node *nodes, uint32_t n, uint32_t worst, struct figures *ret) {
    *ret = (struct figures){ INFINITY, INFINITY, INFINITY, INFINITY };
    for (uint32_t i = 0; i < n; i++) {
        if (nodes[i].blocked || nodes[i].slots == 0) continue;
        struct figures f = figures_of(&nodes[i], worst);
        ret->latency = fmin(ret->latency, f.latency);
        ret->distrust = fmin(ret->distrust, f.distrust);
        ret->cost = fmin(ret->cost, f.cost);
        ret->price = fmin(ret->price, f.price);
    }
}

/* As long as it is not known how long a task takes, an hour is as good as any other time: only ratios count. */
static double plan_hours(const struct sched_task *t) { return t->cpu_milli ? t->cpu_milli / 3600000.0 : 1; }

void plan_record_assess(struct plan_record *r, const struct sched_node *after, uint32_t n_nodes,
                        const struct sched_task *tasks, const struct sched_choice *choice, uint32_t n_tasks) {
    uint32_t worst = sched_worst_latency(after, n_nodes), placed = 0;
    double *f = r->front[0].f, hours = 0;
    struct figures least;
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
    least_of(after, n_nodes, worst, &least);
    const double bound[PLAN_OBJECTIVES] = { least.latency, NAN, least.distrust, least.cost * hours,
                                            least.price * hours };
    for (unsigned o = 0; o < PLAN_OBJECTIVES; o++) {
        r->ideal[o] = r->nadir[o] = f[o];
        r->bound[o] = bound[o];
        r->gap[o] = (f[o] - bound[o]) / fmax(fabs(bound[o]), TINY);
    }
    plan_weights(r->class, r->weights);
    r->hypervolume = r->hypervolume_first = r->score = NAN; /* of one point there is no box */
}
