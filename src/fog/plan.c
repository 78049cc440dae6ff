/* Configuration, names and weights of the multi-objective placement; and one batch from input to result. */
#include "fog/plan.h"

#include "fog/plan_priv.h"

#include <math.h>
#include <stdlib.h>

#define VOLUME_SAMPLES 2048u /* of the hypervolume: a standard error of 1 % at most */
#define VOLUME_MARGIN 0.1
#define POLISH_ROUNDS 4u
#define BOUND_TINY 1e-9

const char *plan_objective_name(enum plan_objective o) {
    switch (o) {
    case PLAN_LATENCY:
        return "latency";
    case PLAN_BALANCE:
        return "balance";
    case PLAN_TRUST:
        return "trust";
    case PLAN_COST:
        return "cost";
    case PLAN_PRICE:
        return "price";
    }
    return "unknown";
}

struct plan_config plan_config_default(void) {
    return (struct plan_config){ .population = 50,
                                 .generations = 100,
                                 .tournament = 3,
                                 .crossover = 0.8,
                                 .mutation = 0.1,
                                 .sweep = 50,
                                 .sample = 32,
                                 .full_scan = 200,
                                 .archive = 256 };
}

void plan_weights(enum sla_class c, double ret[PLAN_OBJECTIVES]) {
    /* latency, balance, trust, cost, price (fog.md 2.5 item 5) */
    static const double weights[SLA_CLASSES][PLAN_OBJECTIVES] = {
        [SLA_B] = { 0.10, 0.10, 0.10, 0.35, 0.35 },
        [SLA_A] = { 0.20, 0.20, 0.20, 0.20, 0.20 },
        [SLA_S] = { 0.20, 0.10, 0.50, 0.10, 0.10 },
    };
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) ret[o] = weights[c][o];
}

/* ---- the point that is taken ---- */

static uint32_t best_point(const struct plan_archive *a, const double weights[PLAN_OBJECTIVES],
                           const double ideal[PLAN_OBJECTIVES], const double nadir[PLAN_OBJECTIVES]) {
    double scale[PLAN_OBJECTIVES], best_value = 0;
    uint32_t best = 0;
    plan_scale(ideal, nadir, scale);
    for (uint32_t i = 0; i < a->points.n; i++) {
        double v = plan_scalar(a->points.f + (size_t)i * PLAN_OBJECTIVES, weights, ideal, scale);
        if (i > 0 && v >= best_value) continue;
        best = i;
        best_value = v;
    }
    return best;
}

static const uint32_t *gene_of(const struct plan_archive *a, uint32_t point) {
    return a->gene + (size_t)a->points.item[point] * a->n_task;
}

/* The point that the class asks for, its single moves tried; what comes of it joins the archive. */
static enum vl_err polish(struct plan *p, struct plan_archive *a) {
    struct plan_work w;
    double ideal[PLAN_OBJECTIVES], nadir[PLAN_OBJECTIVES], scale[PLAN_OBJECTIVES], f[PLAN_OBJECTIVES];
    enum vl_err err = plan_work_init(&w, p);
    if (err) return err;
    plan_box(a, ideal, nadir);
    plan_scale(ideal, nadir, scale);
    if (plan_load(&w, gene_of(a, best_point(a, p->weights, ideal, nadir)))) {
        plan_polish(&w, p->weights, ideal, scale, POLISH_ROUNDS);
        plan_recount(&w);
        plan_objectives(&w, f);
        plan_archive_add(a, w.gene, f);
    }
    plan_work_free(&w);
    return VL_OK;
}

/* What an empty search has to show: the placement that proved that all fits. */
static enum vl_err at_least_one(struct plan *p, struct plan_archive *a) {
    struct plan_work w;
    double f[PLAN_OBJECTIVES];
    if (a->points.n > 0) return VL_OK;
    enum vl_err err = plan_work_init(&w, p);
    if (err) return err;
    if (plan_load(&w, p->first)) {
        plan_objectives(&w, f);
        plan_archive_add(a, w.gene, f);
    }
    plan_work_free(&w);
    return VL_OK;
}

/* ---- tasks that the search left out: replicas of others, and those without room ---- */

static uint32_t node_for(const struct plan *p, const struct sched_node *nodes, const struct sched_ask *ask) {
    uint32_t best[2] = { PLAN_NOWHERE, PLAN_NOWHERE }; /* [1]: where it failed before */
    double value[2] = { 0, 0 };
    for (uint32_t n = 0; n < p->n_node; n++) {
        const struct plan_node *x = &p->node[n];
        bool soft;
        if (sched_ask_fits(nodes, x->index, ask, &soft) != SCHED_PLACED) continue;
        double v = p->linear[PLAN_TERMS] * nodes[x->index].running * x->step;
        for (uint32_t k = 0; k < PLAN_TERMS; k++) v += p->linear[k] * x->bent[k];
        if (best[soft] != PLAN_NOWHERE && v >= value[soft]) continue;
        best[soft] = x->index;
        value[soft] = v;
    }
    return best[0] != PLAN_NOWHERE ? best[0] : best[1];
}

static enum vl_err place_rest(const struct plan *p, uint32_t *ret_placed) {
    const struct plan_input *in = p->in;
    struct sched_refusals no = { 0 };
    struct sched_node *nodes = malloc((in->n_nodes ? in->n_nodes : 1) * sizeof *nodes);
    if (nodes == NULL) return VL_ENOMEM;
    if (in->n_nodes > 0) memcpy(nodes, in->nodes, in->n_nodes * sizeof *nodes);
    for (uint32_t k = 0; k < in->n_tasks; k++)
        if (p->choice[k].reason == SCHED_PLACED) sched_take(&nodes[p->choice[k].node], &in->tasks[k]);
    for (uint32_t k = 0; k < in->n_tasks; k++) {
        struct sched_ask ask;
        if (p->choice[k].reason == SCHED_PLACED) {
            ++*ret_placed;
            continue;
        }
        enum sched_reason reason = sched_refused(&no, &in->tasks[k]);
        if (reason == SCHED_PLACED) {
            sched_ask_of(nodes, in->n_nodes, in->tasks, k, p->choice, &ask);
            uint32_t x = node_for(p, nodes, &ask);
            if (x != PLAN_NOWHERE) {
                p->choice[k] = (struct sched_choice){ .reason = SCHED_PLACED, .node = x };
                sched_take(&nodes[x], &in->tasks[k]);
                ++*ret_placed;
                continue;
            }
            reason = sched_refuse(&no, nodes, in->n_nodes, &ask);
        }
        p->choice[k] = (struct sched_choice){ .reason = reason };
    }
    free(nodes);
    return VL_OK;
}

/* ---- what is reported ---- */

struct ranked {
    double latency;
    uint32_t point;
};
static int nearest_first(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (x->latency != y->latency) return x->latency < y->latency ? -1 : 1;
    return (x->point > y->point) - (x->point < y->point);
}
static void show_point(const struct plan_archive *a, uint32_t point, const double scale[PLAN_OBJECTIVES],
                       double *away) {
    const double *x = a->points.f + (size_t)point * PLAN_OBJECTIVES;
    for (uint32_t i = 0; i < a->points.n; i++) {
        const double *f = a->points.f + (size_t)i * PLAN_OBJECTIVES;
        double d = 0;
        for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) d += (f[o] - x[o]) * (f[o] - x[o]) * scale[o] * scale[o];
        if (d < away[i]) away[i] = d;
    }
    away[point] = -1;
}
/* Of a large archive the ends and the point taken; then again and again the one that is farthest from those shown. */
static enum vl_err report_front(const struct plan *p, const struct plan_archive *a, uint32_t taken,
                                const double scale[PLAN_OBJECTIVES], struct plan_result *ret) {
    uint32_t n = a->points.n, want = n < PLAN_FRONT_MAX ? n : PLAN_FRONT_MAX;
    double *away = malloc(n * sizeof *away);
    if (away == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i < n; i++) away[i] = (double)INFINITY;
    struct ranked v[PLAN_FRONT_MAX];
    for (uint32_t k = 0; ret->n_front < want; k++) {
        uint32_t next = k == 0 ? taken : 0;
        for (uint32_t i = 1; k > 0 && i < n; i++)
            if (k <= PLAN_OBJECTIVES ? a->points.f[(size_t)i * PLAN_OBJECTIVES + k - 1] <
                                           a->points.f[(size_t)next * PLAN_OBJECTIVES + k - 1]
                                     : away[i] > away[next])
                next = i;
        if (away[next] < 0) continue; /* one end in two objectives */
        show_point(a, next, scale, away);
        v[ret->n_front++] = (struct ranked){ a->points.f[(size_t)next * PLAN_OBJECTIVES + PLAN_LATENCY], next };
    }
    free(away);
    qsort(v, ret->n_front, sizeof *v, nearest_first);
    for (uint32_t i = 0; i < ret->n_front; i++) {
        if (v[i].point == taken) ret->taken = i;
        memcpy(ret->front[i].f, a->points.f + (size_t)v[i].point * PLAN_OBJECTIVES, sizeof ret->front[i].f);
        ret->front[i].placed = p->n_task + p->n_fixed;
    }
    return VL_OK;
}

static void report_volume(const struct plan *p, const struct plan_archive *a, const struct plan_first *first,
                          struct plan_result *ret) {
    double hi[PLAN_OBJECTIVES];
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
        double range = ret->nadir[o] - ret->ideal[o];
        hi[o] = ret->nadir[o] + (range > 0 ? VOLUME_MARGIN * range : 1);
    }
    ret->hypervolume = pareto_hypervolume_share(a->points.f, a->points.n, PLAN_OBJECTIVES, ret->ideal, hi,
                                                VOLUME_SAMPLES, p->in->seed);
    ret->hypervolume_first =
        pareto_hypervolume_share(first->f, first->n, PLAN_OBJECTIVES, ret->ideal, hi, VOLUME_SAMPLES, p->in->seed);
}

static void report_gap(struct plan_result *ret) {
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
        double size = fabs(ret->bound[o]);
        ret->gap[o] = (ret->ideal[o] - ret->bound[o]) / (size > BOUND_TINY ? size : BOUND_TINY);
    }
}

/* The search had nothing to choose from; what was placed went where it had failed before. */
static void only_point(const struct plan *p, struct plan_result *ret) {
    struct plan_point *one = &ret->front[0];
    (void)plan_evaluate(p->in, p->choice, one->f);
    memcpy(ret->ideal, one->f, sizeof ret->ideal);
    memcpy(ret->nadir, one->f, sizeof ret->nadir);
    one->placed = ret->placed;
    ret->n_front = 1;
    report_gap(ret);
}

static enum vl_err finish(struct plan *p, struct plan_archive *a, const struct plan_first *first,
                          struct plan_result *ret) {
    double scale[PLAN_OBJECTIVES];
    memcpy(ret->weights, p->weights, sizeof ret->weights);
    plan_box(a, ret->ideal, ret->nadir);
    plan_scale(ret->ideal, ret->nadir, scale);
    enum vl_err err = plan_bounds(p, ret->ideal, ret->bound);
    if (err) return err;
    report_gap(ret);
    if (a->points.n > 0) {
        uint32_t taken = best_point(a, p->weights, ret->ideal, ret->nadir);
        const uint32_t *gene = gene_of(a, taken);
        ret->score = plan_scalar(a->points.f + (size_t)taken * PLAN_OBJECTIVES, p->weights, ret->ideal, scale);
        for (uint32_t j = 0; j < p->n_task; j++)
            p->choice[p->task[j].index] =
                (struct sched_choice){ .reason = SCHED_PLACED, .node = p->node[gene[j]].index };
        if ((err = report_front(p, a, taken, scale, ret)) != VL_OK) return err;
        report_volume(p, a, first, ret);
    }
    err = place_rest(p, &ret->placed);
    if (err == VL_OK && ret->n_front == 0 && ret->placed > 0) only_point(p, ret);
    return err;
}

static enum vl_err run(struct plan *p, struct plan_result *ret) {
    struct plan_archive a;
    struct plan_first first = { 0 };
    enum vl_err err = plan_archive_init(&a, p);
    if (err) return err;
    if (p->n_task > 0) err = p->config->plain ? plan_search_plain(p, &a, &first, ret) : plan_search(p, &a, &first, ret);
    if (err == VL_OK && p->n_task + p->n_fixed > 0) err = at_least_one(p, &a);
    if (err == VL_OK && p->n_task > 0 && !p->config->plain) err = polish(p, &a);
    if (err == VL_OK) err = finish(p, &a, &first, ret);
    ret->evaluations = p->evaluations < UINT32_MAX ? (uint32_t)p->evaluations : UINT32_MAX;
    plan_archive_free(&a);
    return err;
}

enum vl_err plan_run(const struct plan_input *in, struct plan_result *ret) {
    if (!plan_config_ok(in->config) || !sched_nodes_ok(in->nodes, in->n_nodes) ||
        !sched_tasks_ok(in->tasks, in->n_tasks))
        return VL_ERANGE;
    struct plan p;
    struct plan_result *made = calloc(1, sizeof *made);
    struct sched_choice *choice = malloc((in->n_tasks ? in->n_tasks : 1) * sizeof *choice);
    enum vl_err err = made == NULL || choice == NULL ? VL_ENOMEM : plan_setup(in, choice, &p);
    if (err == VL_OK) {
        err = run(&p, made);
        plan_teardown(&p);
    }
    if (err == VL_OK) {
        *ret = *made;
        ret->choice = choice;
        ret->n_tasks = in->n_tasks;
    } else {
        free(choice);
    }
    free(made);
    return err;
}

void plan_result_free(struct plan_result *r) {
    free(r->choice);
    r->choice = NULL;
}

/* ---- a placement by itself ---- */

static double above(double used, double room) { return used > room ? (used - room) / (room > 0 ? room : 1) : 0; }

double plan_evaluate(const struct plan_input *in, const struct sched_choice *choice, double ret[PLAN_OBJECTIVES]) {
    double mean_hours = plan_mean_hours(in->tasks, in->n_tasks), load_sum = 0, load_square = 0, broken = 0;
    uint32_t worst = sched_worst_latency(in->nodes, in->n_nodes), placed = 0, open = 0;
    memset(ret, 0, PLAN_OBJECTIVES * sizeof *ret);
    for (uint32_t k = 0; k < in->n_tasks; k++) {
        if (choice[k].reason != SCHED_PLACED) continue;
        const struct sched_node *n = &in->nodes[choice[k].node];
        const struct sched_task *t = &in->tasks[k];
        double hours = t->cpu_milli ? t->cpu_milli / 3600000.0 : mean_hours;
        struct sched_ask ask;
        bool soft;
        sched_ask_of(in->nodes, in->n_nodes, in->tasks, k, choice, &ask);
        broken += sched_ask_fits(in->nodes, choice[k].node, &ask, &soft) != SCHED_PLACED;
        ret[PLAN_LATENCY] += (n->latency_us ? n->latency_us : worst) / 1000.0;
        ret[PLAN_TRUST] += sched_distrust(n);
        ret[PLAN_COST] += hours * sched_price_of_work(n->cost, n->rate_milli);
        ret[PLAN_PRICE] += hours * sched_price_of_work(n->price, n->rate_milli);
        placed++;
    }
    for (uint32_t i = 0; i < in->n_nodes; i++) {
        const struct sched_node *n = &in->nodes[i];
        double slots = 0, memory = 0, disk = 0;
        for (uint32_t k = 0; k < in->n_tasks; k++) {
            if (choice[k].reason != SCHED_PLACED || choice[k].node != i) continue;
            slots++;
            memory += (double)in->tasks[k].memory_bytes;
            disk += (double)in->tasks[k].disk_bytes;
        }
        broken +=
            above(slots, n->free_slots) + above(memory, (double)n->memory_free) + above(disk, (double)n->disk_free);
        if (n->blocked != 0 || n->slots == 0) continue;
        double load = sched_load(n) + slots / n->slots;
        load_sum += load;
        load_square += load * load;
        open++;
    }
    double mean = open ? load_sum / open : 0, variance = open ? load_square / open - mean * mean : 0;
    ret[PLAN_BALANCE] = variance > 0 ? variance : 0;
    ret[PLAN_LATENCY] /= placed ? placed : 1;
    ret[PLAN_TRUST] /= placed ? placed : 1;
    return broken;
}
