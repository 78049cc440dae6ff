/* One placement that changes move by move: room, sums and balance follow each move in constant time. */
#include "fog/plan_priv.h"

#include <stdlib.h>

#define ANY_TRIALS 16u

enum vl_err plan_work_init(struct plan_work *w, struct plan *p) {
    size_t tasks = p->n_task ? p->n_task : 1, nodes = p->n_node ? p->n_node : 1;
    *w = (struct plan_work){ .p = p,
                             .gene = malloc(tasks * sizeof *w->gene),
                             .left = malloc(nodes * sizeof *w->left),
                             .touched = malloc(nodes * sizeof *w->touched),
                             .is_touched = calloc(nodes, sizeof *w->is_touched),
                             .pending = malloc(tasks * sizeof *w->pending) };
    if (w->gene == NULL || w->left == NULL || w->touched == NULL || w->is_touched == NULL || w->pending == NULL) {
        plan_work_free(w);
        return VL_ENOMEM;
    }
    for (uint32_t n = 0; n < p->n_node; n++) w->left[n] = p->node[n].room;
    plan_work_clear(w);
    return VL_OK;
}

void plan_work_free(struct plan_work *w) {
    free(w->gene);
    free(w->left);
    free(w->touched);
    free(w->is_touched);
    free(w->pending);
    *w = (struct plan_work){ 0 };
}

void plan_work_clear(struct plan_work *w) {
    const struct plan *p = w->p;
    for (uint32_t i = 0; i < w->n_touched; i++) {
        uint32_t n = w->touched[i];
        w->left[n] = p->node[n].room;
        w->is_touched[n] = false;
    }
    w->n_touched = 0;
    for (uint32_t j = 0; j < p->n_task; j++) w->gene[j] = PLAN_NOWHERE;
    memcpy(w->sum, p->fixed_sum, sizeof w->sum);
    w->load_sum = p->load_sum;
    w->load_square = p->load_square;
}

bool plan_has_room(const struct plan_work *w, uint32_t task, uint32_t node) {
    const struct plan_room *r = &w->left[node];
    const struct plan_task *t = &w->p->task[task];
    return (r->slots > 0) & (r->memory >= t->memory) & (r->disk >= t->disk);
}

static double load_of(const struct plan_work *w, uint32_t node) {
    const struct plan_node *n = &w->p->node[node];
    return n->load + (n->room.slots - w->left[node].slots) * n->step;
}

/* sign +1: the task comes, -1: it goes. */
static void count(struct plan_work *w, uint32_t task, uint32_t node, double sign) {
    const struct plan_node *n = &w->p->node[node];
    double hours = w->p->task[task].hours * sign, step = sign * n->step;
    w->sum[0] += sign * n->term[0];
    w->sum[1] += sign * n->term[1];
    w->sum[2] += hours * n->term[2];
    w->sum[3] += hours * n->term[3];
    w->load_square += (2 * load_of(w, node) + step) * step;
    w->load_sum += step;
}

void plan_put(struct plan_work *w, uint32_t task, uint32_t node) {
    const struct plan_task *t = &w->p->task[task];
    count(w, task, node, 1);
    w->left[node].memory -= t->memory;
    w->left[node].disk -= t->disk;
    w->left[node].slots--;
    w->gene[task] = node;
    if (w->is_touched[node]) return;
    w->is_touched[node] = true;
    w->touched[w->n_touched++] = node;
}

void plan_pull(struct plan_work *w, uint32_t task) {
    const struct plan_task *t = &w->p->task[task];
    uint32_t node = w->gene[task];
    count(w, task, node, -1);
    w->left[node].memory += t->memory;
    w->left[node].disk += t->disk;
    w->left[node].slots++;
    w->gene[task] = PLAN_NOWHERE;
}

void plan_move(struct plan_work *w, uint32_t task, uint32_t to) {
    plan_pull(w, task);
    plan_put(w, task, to);
}

void plan_recount(struct plan_work *w) {
    const struct plan *p = w->p;
    memcpy(w->sum, p->fixed_sum, sizeof w->sum);
    for (uint32_t k = 0; k < p->n_task; k++) {
        uint32_t j = p->order[k]; /* as plan_load() does: equal placements have equal figures */
        const struct plan_node *n = &p->node[w->gene[j]];
        double hours = p->task[j].hours;
        w->sum[0] += n->term[0];
        w->sum[1] += n->term[1];
        w->sum[2] += hours * n->term[2];
        w->sum[3] += hours * n->term[3];
    }
}

static void objectives(const struct plan *p, const double sum[PLAN_TERMS], double load_sum, double load_square,
                       double f[PLAN_OBJECTIVES]) {
    double tasks = p->n_task + p->n_fixed > 0 ? p->n_task + p->n_fixed : 1, nodes = p->n_load > 0 ? p->n_load : 1;
    double mean = load_sum / nodes, variance = load_square / nodes - mean * mean;
    f[PLAN_LATENCY] = sum[0] / tasks;
    f[PLAN_TRUST] = sum[1] / tasks;
    f[PLAN_COST] = sum[2];
    f[PLAN_PRICE] = sum[3];
    f[PLAN_BALANCE] = variance > 0 ? variance : 0;
}
void plan_objectives(const struct plan_work *w, double f[PLAN_OBJECTIVES]) {
    objectives(w->p, w->sum, w->load_sum, w->load_square, f);
}
void plan_objectives_moved(const struct plan_work *w, uint32_t task, uint32_t to, double f[PLAN_OBJECTIVES]) {
    uint32_t from = w->gene[task];
    const struct plan_node *a = &w->p->node[from], *b = &w->p->node[to];
    double hours = w->p->task[task].hours;
    double sum[PLAN_TERMS] = { w->sum[0] + b->term[0] - a->term[0], w->sum[1] + b->term[1] - a->term[1],
                               w->sum[2] + hours * (b->term[2] - a->term[2]),
                               w->sum[3] + hours * (b->term[3] - a->term[3]) };
    double square =
        w->load_square - (2 * load_of(w, from) - a->step) * a->step + (2 * load_of(w, to) + b->step) * b->step;
    objectives(w->p, sum, w->load_sum - a->step + b->step, square, f);
}

uint32_t plan_any(struct plan_work *w, uint32_t task) {
    struct plan *p = w->p;
    if (p->n_node == 0) return PLAN_NOWHERE;
    for (uint32_t i = 0; i < ANY_TRIALS; i++) {
        uint32_t n = plan_draw(p, p->n_node);
        if (plan_has_room(w, task, n) && plan_suits(p, task, n)) return n;
    }
    uint32_t from = plan_draw(p, p->n_node);
    for (uint32_t i = 0; i < p->n_node; i++) {
        uint32_t n = from + i < p->n_node ? from + i : from + i - p->n_node;
        if (plan_has_room(w, task, n) && plan_suits(p, task, n)) return n;
    }
    return PLAN_NOWHERE;
}

bool plan_load(struct plan_work *w, const uint32_t *gene) {
    const struct plan *p = w->p;
    uint32_t pending = 0;
    plan_work_clear(w);
    for (uint32_t k = 0; k < p->n_task; k++) {
        uint32_t j = p->order[k];
        if (gene[j] != PLAN_NOWHERE && plan_has_room(w, j, gene[j]))
            plan_put(w, j, gene[j]);
        else
            w->pending[pending++] = j;
    }
    for (uint32_t k = 0; k < pending; k++) {
        uint32_t n = plan_any(w, w->pending[k]);
        if (n == PLAN_NOWHERE) return false;
        plan_put(w, w->pending[k], n);
    }
    return true;
}

uint32_t plan_sample_size(const struct plan *p) {
    return p->n_node > p->config->full_scan && p->config->sample < p->n_node ? p->config->sample : 0;
}

/* Of times of many orders a few tasks are most of the hours: for these it pays to look at every node. */
#define LONG_TASK 8.0
uint32_t plan_sample_for(const struct plan *p, uint32_t task) {
    return p->task[task].hours > LONG_TASK * p->mean_hours ? 0 : plan_sample_size(p);
}

/* What costs by the hour counts by the hours: who takes long goes to cheap nodes, who is done at once to near ones. */
static double linear_of(const struct plan_work *w, const double linear[PLAN_TERMS + 1], double hours, uint32_t n) {
    const struct plan_node *x = &w->p->node[n];
    return linear[0] * x->bent[0] + linear[1] * x->bent[1] + hours * (linear[2] * x->bent[2] + linear[3] * x->bent[3]) +
           linear[PLAN_TERMS] * (load_of(w, n) + x->step);
}

uint32_t plan_best(struct plan_work *w, uint32_t task, const double linear[PLAN_TERMS + 1], uint32_t sample) {
    struct plan *p = w->p;
    uint32_t best = PLAN_NOWHERE;
    double best_value = 0, hours = p->task[task].hours / p->mean_hours;
    for (uint32_t round = sample > 0 ? 0 : 1; round < 2 && best == PLAN_NOWHERE; round++) {
        uint32_t n = round == 0 ? sample : p->n_node;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t x = round == 0 ? plan_draw(p, p->n_node) : i;
            if (!plan_has_room(w, task, x) || !plan_suits(p, task, x)) continue;
            double value = linear_of(w, linear, hours, x);
            if (best != PLAN_NOWHERE && (value > best_value || (value == best_value && x >= best))) continue;
            best = x;
            best_value = value;
        }
    }
    return best;
}

bool plan_greedy(struct plan_work *w, const double linear[PLAN_TERMS + 1]) {
    const struct plan *p = w->p;
    bool cheap = linear[2] + linear[3] > 0.5;
    const uint32_t *order = cheap ? p->longest : p->order;
    plan_work_clear(w);
    for (uint32_t k = 0; k < p->n_task; k++) {
        uint32_t n = plan_best(w, order[k], linear, cheap ? plan_sample_for(p, order[k]) : plan_sample_size(p));
        if (n == PLAN_NOWHERE) return false;
        plan_put(w, order[k], n);
    }
    return true;
}
