/* The batch in a compact form, and which of its tasks can be placed at once: the search then never weighs a placement
 * of ten tasks against one of nine. */
#include "fog/plan_priv.h"

#include "base/bounds.h"

#include <assert.h>
#include <stdlib.h>

#define MS_PER_HOUR 3600000.0
#define EJECT_LOOKS (1u << 20) /* bounds the time spent on making room for tasks that find none: a few ms */

bool plan_config_ok(const struct plan_config *c) {
    return c->population >= 4 && c->population <= 10000 && c->generations <= 1000000 && c->tournament >= 1 &&
           c->tournament <= 64 && c->crossover >= 0 && c->crossover <= 1 && c->mutation >= 0 && c->mutation <= 1 &&
           c->sweep <= 10000 && c->sample >= 1 && c->archive >= 2 * PLAN_OBJECTIVES && c->archive <= 8192;
}

double plan_mean_hours(const struct sched_task *tasks, uint32_t n) {
    double sum = 0;
    uint32_t known = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += tasks[i].cpu_milli / MS_PER_HOUR;
        known += tasks[i].cpu_milli > 0;
    }
    return known ? sum / known : 1;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool open_for_tasks(const struct sched_node *n) { return n->blocked == 0 && n->slots > 0 && n->free_slots > 0; }

static enum vl_err add_nodes(struct plan *p) {
    const struct plan_input *in = p->in;
    size_t room = in->n_nodes ? in->n_nodes : 1;
    uint32_t worst = sched_worst_latency(in->nodes, in->n_nodes);
    double *v = malloc(room * sizeof *v);
    p->node = malloc(room * sizeof *p->node);
    if (v == NULL || p->node == NULL) {
        free(v);
        return VL_ENOMEM;
    }
    for (uint32_t i = 0; i < in->n_nodes; i++) {
        const struct sched_node *n = &in->nodes[i];
        if (n->blocked != 0 || n->slots == 0) continue;
        double load = sched_load(n);
        p->n_load++;
        p->load_sum += load;
        p->load_square += load * load;
        if (!open_for_tasks(n)) continue;
        p->node[p->n_node++] = (struct plan_node){
            .room = { n->memory_free, n->disk_free, n->free_slots },
            .price = n->price,
            .features = sched_node_bits(n),
            .trust = n->trust_milli,
            .latency = n->latency_us ? n->latency_us : UINT32_MAX,
            .index = i,
            .term = { (n->latency_us ? n->latency_us : worst) / 1000.0,
                      sched_distrust(n),
                      sched_price_of_work(n->cost, n->rate_milli), sched_price_of_work(n->price, n->rate_milli) },
            .load = load,
            .step = 1.0 / n->slots,
        };
    }
    for (uint32_t k = 0; k < PLAN_TERMS && p->n_node > 0; k++) {
        for (uint32_t i = 0; i < p->n_node; i++) v[i] = p->node[i].term[k];
        qsort(v, p->n_node, sizeof *v, by_size);
        double middle = v[p->n_node / 2] > 0 ? v[p->n_node / 2] : 1; /* no liar presses the others flat */
        for (uint32_t i = 0; i < p->n_node; i++)
            p->node[i].bent[k] = p->node[i].term[k] / (p->node[i].term[k] + middle);
    }
    free(v);
    return VL_OK;
}

static bool same_task(const struct sched_task *a, const struct sched_task *b) {
    return a->task == b->task && vl_job_eq(a->job, b->job);
}

/* Of several replicas in a batch the first is searched for; the others are placed when it has its node. */
static enum vl_err add_tasks(struct plan *p) {
    const struct plan_input *in = p->in;
    size_t room = in->n_tasks ? in->n_tasks : 1, rare = 0, used = 0;
    for (uint32_t i = 0; i < in->n_tasks; i++) {
        const struct sched_task *t = &in->tasks[i];
        rare += sched_particular(t);
    }
    p->task = malloc(room * sizeof *p->task);
    p->order = malloc(room * sizeof *p->order);
    p->longest = malloc(room * sizeof *p->longest);
    p->first = malloc(room * sizeof *p->first);
    p->asks = malloc((rare ? rare : 1) * sizeof *p->asks);
    if (p->task == NULL || p->order == NULL || p->longest == NULL || p->first == NULL || p->asks == NULL)
        return VL_ENOMEM;
    for (uint32_t i = 0; i < in->n_tasks; i++) {
        const struct sched_task *t = &in->tasks[i];
        p->choice[i] = (struct sched_choice){ .reason = SCHED_NO_NODES };
        if (i > 0 && same_task(&in->tasks[i - 1], t)) continue;
        struct plan_task *x = &p->task[p->n_task++];
        *x = (struct plan_task){
            .memory = t->memory_bytes,
            .disk = t->disk_bytes,
            .price = t->max_price ? t->max_price : UINT64_MAX,
            .features = sched_task_bits(t),
            .trust = t->min_trust_milli,
            .latency = t->max_latency_us == 0            ? UINT32_MAX
                       : t->max_latency_us == UINT32_MAX ? UINT32_MAX - 1
                                                         : t->max_latency_us,
            .index = i,
            .hours = t->cpu_milli ? t->cpu_milli / MS_PER_HOUR : p->mean_hours,
        };
        if (sched_particular(t)) {
            sched_ask_of(in->nodes, in->n_nodes, t, 0, NULL, &p->asks[used]);
            x->ask = &p->asks[used++];
        }
    }
    return VL_OK;
}

static bool suits(const struct plan *p, const struct plan_task *t, const struct plan_node *n) {
    bool figures = ((n->features & t->features) == t->features) & (n->room.memory >= t->memory) &
                   (n->room.disk >= t->disk) & (n->trust >= t->trust) & (n->latency <= t->latency) &
                   (n->price <= t->price);
    bool soft = false; /* where it failed before: only when the search finds no other, then as one that is left out */
    return figures &&
           (t->ask == NULL || (sched_ask_fits(p->in->nodes, n->index, t->ask, &soft) == SCHED_PLACED && !soft));
}
bool plan_suits(const struct plan *p, uint32_t task, uint32_t node) {
    if (p->fits != NULL) return p->fits[(size_t)task * p->n_node + node] != 0;
    return suits(p, &p->task[task], &p->node[node]);
}

/* ---- sizes and order ---- */

struct sized {
    double size;
    uint32_t task;
};
static int larger_first(const void *a, const void *b) {
    const struct sized *x = a, *y = b;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return (x->task > y->task) - (x->task < y->task);
}
static void take_order(const struct plan *p, struct sized *v, uint32_t *ret) {
    qsort(v, p->n_task, sizeof *v, larger_first);
    for (uint32_t j = 0; j < p->n_task; j++) ret[j] = v[j].task;
}
/* Size: the largest share of what the average node has left. */
static enum vl_err sort_tasks(struct plan *p) {
    double memory = 1, disk = 1;
    for (uint32_t i = 0; i < p->n_node; i++) {
        memory += (double)p->node[i].room.memory / p->n_node;
        disk += (double)p->node[i].room.disk / p->n_node;
    }
    struct sized *v = malloc((p->n_task ? p->n_task : 1) * sizeof *v);
    if (v == NULL) return VL_ENOMEM;
    for (uint32_t j = 0; j < p->n_task; j++) {
        const struct plan_task *t = &p->task[j];
        double m = (double)t->memory / memory, d = (double)t->disk / disk;
        v[j] = (struct sized){ m > d ? m : d, j };
    }
    take_order(p, v, p->order);
    for (uint32_t j = 0; j < p->n_task; j++) v[j] = (struct sized){ p->task[j].hours, j };
    take_order(p, v, p->longest);
    free(v);
    return VL_OK;
}

/* ---- who can be placed at once ---- */

static uint32_t newcomer(struct plan_work *w, uint32_t task) {
    const struct plan *p = w->p;
    uint32_t best = PLAN_NOWHERE;
    double best_load = 0;
    for (uint32_t n = 0; n < p->n_node; n++) {
        const struct plan_node *x = &p->node[n];
        if (p->in->nodes[x->index].doubt_milli < SCHED_DOUBT_MILLI) continue;
        double load = x->load + (x->room.slots - w->left[n].slots) * x->step;
        if ((best != PLAN_NOWHERE && load >= best_load) || !plan_suits(p, task, n) || !plan_has_room(w, task, n))
            continue;
        best = n;
        best_load = load;
    }
    return best;
}

/* Makes room for the task by moving one other to a third node; *budget bounds the nodes looked at for that. */
static bool eject(struct plan_work *w, uint32_t task, uint32_t placed, uint32_t *budget) {
    struct plan *p = w->p;
    uint32_t from = plan_draw(p, p->n_node);
    for (uint32_t i = 0; i < p->n_node; i++) {
        uint32_t n = (from + i) % p->n_node;
        if (!plan_suits(p, task, n)) continue;
        for (uint32_t j = 0; j < placed; j++) {
            uint32_t looks = p->n_node + placed;
            if (w->gene[j] != n) continue;
            if (*budget < looks) return false;
            *budget -= looks;
            plan_pull(w, j);
            uint32_t third = PLAN_NOWHERE;
            if (plan_has_room(w, task, n)) {
                plan_put(w, task, n);
                third = plan_any(w, j);
                if (third == PLAN_NOWHERE) plan_pull(w, task);
            }
            plan_put(w, j, third != PLAN_NOWHERE ? third : n);
            if (third != PLAN_NOWHERE) return true;
        }
    }
    return false;
}

static void admit(struct plan *p, struct plan_work *w, bool *explorer, bool *stays) {
    uint32_t budget = EJECT_LOOKS;
    for (uint32_t j = 0; j < p->n_task; j++) {
        const struct sched_task *t = &p->in->tasks[p->task[j].index];
        uint32_t n = PLAN_NOWHERE;
        explorer[j] = false;
        if (!p->config->plain && sched_explores(t, p->in->seed)) {
            n = newcomer(w, j);
            explorer[j] = n != PLAN_NOWHERE;
        }
        if (n == PLAN_NOWHERE) n = plan_best(w, j, p->linear, plan_sample_size(p));
        stays[j] = true;
        if (n != PLAN_NOWHERE)
            plan_put(w, j, n);
        else
            stays[j] = p->n_node > 0 && eject(w, j, j, &budget);
        explorer[j] &= w->gene[j] == n;
    }
}

/* Keeps the tasks that found a place and are to be searched for; explorers keep the node they have. */
static void keep(struct plan *p, struct plan_work *w, const bool *explorer, const bool *stays) {
    uint32_t kept = 0;
    for (uint32_t j = 0; j < p->n_task; j++) {
        uint32_t n = w->gene[j];
        if (!stays[j]) continue;
        if (!explorer[j]) {
            p->first[kept] = n;
            p->task[kept++] = p->task[j];
            continue;
        }
        struct plan_node *x = &p->node[n];
        p->choice[p->task[j].index] = (struct sched_choice){ .reason = SCHED_PLACED, .node = x->index };
        for (uint32_t k = 0; k < PLAN_TERMS; k++) p->fixed_sum[k] += (k < 2 ? 1 : p->task[j].hours) * x->term[k];
        x->room.memory -= p->task[j].memory;
        x->room.disk -= p->task[j].disk;
        x->room.slots--;
        p->load_sum += x->step;
        p->load_square += (2 * x->load + x->step) * x->step;
        x->load += x->step;
        p->n_fixed++;
    }
    p->n_task = kept;
}

static enum vl_err choose_tasks(struct plan *p) {
    struct plan_work w;
    enum vl_err err = plan_work_init(&w, p);
    if (err) return err;
    bool *explorer = malloc((size_t)2 * (p->n_task + 1) * sizeof *explorer);
    if (explorer != NULL) {
        bool *stays = explorer + p->n_task + 1;
        admit(p, &w, explorer, stays);
        keep(p, &w, explorer, stays);
    }
    plan_work_free(&w);
    bool done = explorer != NULL;
    free(explorer);
    return done ? VL_OK : VL_ENOMEM;
}

static enum vl_err note_fits(struct plan *p) {
    size_t pairs = (size_t)p->n_task * p->n_node;
    if (pairs == 0 || pairs > PLAN_MATRIX_MAX) return VL_OK;
    uint8_t *fits = malloc(pairs);
    if (fits == NULL) return VL_ENOMEM;
    for (uint32_t j = 0; j < p->n_task; j++)
        for (uint32_t n = 0; n < p->n_node; n++) fits[(size_t)j * p->n_node + n] = suits(p, &p->task[j], &p->node[n]);
    p->fits = fits;
    return VL_OK;
}

static void batch_weights(struct plan *p) {
    for (uint32_t i = 0; i < p->in->n_tasks; i++) {
        double w[PLAN_OBJECTIVES];
        plan_weights(p->in->tasks[i].class, w);
        for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) p->weights[o] += w[o] / p->in->n_tasks;
    }
    for (uint32_t k = 0; k < PLAN_TERMS; k++) p->linear[k] = p->weights[plan_term_of[k]];
    p->linear[PLAN_TERMS] = p->weights[PLAN_BALANCE];
}

enum vl_err plan_setup(const struct plan_input *in, struct sched_choice *choice, struct plan *ret) {
    *ret = (struct plan){ .in = in, .config = in->config, .choice = choice };
    vl_prng_seed(&ret->rng, in->seed);
    ret->mean_hours = plan_mean_hours(in->tasks, in->n_tasks);
    batch_weights(ret);
    enum vl_err err = add_nodes(ret);
    if (err == VL_OK) err = add_tasks(ret);
    if (err == VL_OK) err = choose_tasks(ret);
    if (err == VL_OK) err = sort_tasks(ret);
    if (err == VL_OK) err = note_fits(ret);
    if (err) plan_teardown(ret);
    return err;
}

void plan_teardown(struct plan *p) {
    free(p->node);
    free(p->task);
    free(p->order);
    free(p->longest);
    free(p->first);
    free(p->fits);
    free(p->asks);
}
