/* The default path: the best of a sample of nodes with room.  What is compared of a node lies in one cache line; the
 * lines lie in shuffled order, so that a random stretch of them is a random sample, read one after the other. */
#include "fog/plan.h"
#include "fog/sched_priv.h"

#include "base/prng.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

struct hot {
    uint64_t memory, disk, price;
    uint32_t features, trust, latency, free_slots; /* latency: FAR when unknown */
    float base[SLA_CLASSES];                       /* distance from ideal by the weights of a class, without load */
    float load, step;                              /* load, and what one more task adds */
    uint32_t node;
};
static_assert(sizeof(struct hot) == 64, "one cache line");
#define FAR UINT32_MAX

struct sched_fast {
    struct sched_node *nodes;
    uint32_t n, n_active; /* hot[0..n_active): may take something */
    struct hot *hot;
    uint32_t *place; /* by node: where it is in hot */
    uint32_t n_new, *newcomers;
    bool *is_listed; /* by node: among the newcomers */
    double weight[SLA_CLASSES][PLAN_OBJECTIVES], middle_latency, middle_cost, middle_price;
    uint32_t worst_latency;
    uint64_t seed;
    struct vl_prng rng;
    struct sched_refusals refusals;
    bool refused; /* something was in this batch */
};

/* ---- the compact copy ---- */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
#define MIDDLE_OF 511u
/* Median over nodes at equal distances: a figure without a scale becomes x / (x + median), which no liar with a huge
 * one can press flat for all others. */
static double middle(const struct sched_fast *f, double (*of)(const struct sched_fast *f, const struct sched_node *n)) {
    double v[MIDDLE_OF];
    uint32_t n = f->n < MIDDLE_OF ? f->n : MIDDLE_OF;
    for (uint32_t i = 0; i < n; i++) v[i] = of(f, &f->nodes[(uint64_t)i * f->n / n]);
    if (n == 0) return 1;
    qsort(v, n, sizeof *v, by_size);
    return v[n / 2] > 0 ? v[n / 2] : 1;
}
static double latency_of(const struct sched_fast *f, const struct sched_node *n) {
    return n->latency_us ? n->latency_us : f->worst_latency;
}
static double cost_of(const struct sched_fast *f, const struct sched_node *n) {
    (void)f;
    return sched_price_of_work(n->cost, n->rate_milli);
}
static double price_of(const struct sched_fast *f, const struct sched_node *n) {
    (void)f;
    return sched_price_of_work(n->price, n->rate_milli);
}
static double bent(double x, double mid) { return x / (x + mid); }

static bool takes(const struct sched_node *n) { return n->blocked == 0 && n->slots > 0 && n->free_slots > 0; }

static void fill(const struct sched_fast *f, uint32_t node, struct hot *h) {
    const struct sched_node *n = &f->nodes[node];
    *h = (struct hot){ .memory = n->memory_free,
                       .disk = n->disk_free,
                       .price = n->price,
                       .features = sched_node_bits(n),
                       .trust = n->trust_milli,
                       .latency = n->latency_us ? n->latency_us : FAR,
                       .free_slots = n->free_slots,
                       .node = node };
    if (n->slots > 0) {
        h->load = (float)((double)n->running / n->slots + n->load_milli / 1000.0);
        h->step = 1.0f / (float)n->slots;
    }
    double latency = bent(latency_of(f, n), f->middle_latency), cost = bent(cost_of(f, n), f->middle_cost);
    double price = bent(price_of(f, n), f->middle_price),
           distrust = sched_distrust(n);
    for (uint32_t c = 0; c < SLA_CLASSES; c++) {
        const double *w = f->weight[c];
        h->base[c] =
            (float)(w[PLAN_LATENCY] * latency + w[PLAN_TRUST] * distrust + w[PLAN_COST] * cost + w[PLAN_PRICE] * price);
    }
}

static void trade(struct sched_fast *f, uint32_t a, uint32_t b) {
    struct hot t = f->hot[a];
    f->hot[a] = f->hot[b];
    f->hot[b] = t;
    f->place[f->hot[a].node] = a;
    f->place[f->hot[b].node] = b;
}

static void note_newcomer(struct sched_fast *f, uint32_t node) {
    if (f->is_listed[node] || f->nodes[node].doubt_milli < SCHED_DOUBT_MILLI) return;
    f->is_listed[node] = true;
    f->newcomers[f->n_new++] = node;
}

void sched_fast_update(struct sched_fast *f, uint32_t node) {
    assert(node < f->n);
    uint32_t at = f->place[node];
    fill(f, node, &f->hot[at]);
    note_newcomer(f, node);
    if (takes(&f->nodes[node])) {
        if (at >= f->n_active) trade(f, at, f->n_active++);
    } else if (at < f->n_active) {
        trade(f, at, --f->n_active);
    }
}

void sched_fast_destroy(struct sched_fast *f) {
    if (f == NULL) return;
    free(f->hot);
    free(f->place);
    free(f->newcomers);
    free(f->is_listed);
    free(f);
}

enum vl_err sched_fast_create(struct sched_node *nodes, uint32_t n_nodes, uint64_t seed, struct sched_fast **ret) {
    if (!sched_nodes_ok(nodes, n_nodes)) return VL_ERANGE;
    size_t room = n_nodes ? n_nodes : 1;
    struct sched_fast *f = calloc(1, sizeof *f);
    if (f == NULL) return VL_ENOMEM;
    f->nodes = nodes;
    f->n = n_nodes;
    f->seed = seed;
    f->hot = aligned_alloc(sizeof *f->hot, room * sizeof *f->hot);
    f->place = malloc(room * sizeof *f->place);
    f->newcomers = malloc(room * sizeof *f->newcomers);
    f->is_listed = calloc(room, sizeof *f->is_listed);
    if (f->hot == NULL || f->place == NULL || f->newcomers == NULL || f->is_listed == NULL) {
        sched_fast_destroy(f);
        return VL_ENOMEM;
    }
    vl_prng_seed(&f->rng, seed);
    for (uint32_t c = 0; c < SLA_CLASSES; c++) plan_weights((enum sla_class)c, f->weight[c]);
    f->worst_latency = sched_worst_latency(nodes, n_nodes);
    f->middle_latency = middle(f, latency_of);
    f->middle_cost = middle(f, cost_of);
    f->middle_price = middle(f, price_of);
    for (uint32_t i = 0; i < n_nodes; i++) f->place[i] = i;
    for (uint32_t i = n_nodes; i > 1; i--) {
        uint32_t j = (uint32_t)vl_prng_below(&f->rng, i), t = f->place[i - 1];
        f->place[i - 1] = f->place[j];
        f->place[j] = t;
    }
    for (uint32_t i = 0; i < n_nodes; i++) {
        fill(f, i, &f->hot[f->place[i]]);
        note_newcomer(f, i);
    }
    for (uint32_t at = 0; at < n_nodes; at++)
        if (takes(&nodes[f->hot[at].node])) trade(f, at, f->n_active++);
    *ret = f;
    return VL_OK;
}

/* ---- placing ---- */

struct need {
    uint64_t memory, disk, price;
    uint32_t features, trust, latency;
    float load_weight;
    bool rare; /* asks what is not in the compact copy */
};

static struct need need_of(const struct sched_fast *f, const struct sched_task *t) {
    return (struct need){ .memory = t->memory_bytes,
                          .disk = t->disk_bytes,
                          .price = t->max_price ? t->max_price : UINT64_MAX,
                          .features = sched_task_bits(t),
                          .trust = t->min_trust_milli,
                          /* where a bound is set, the unknown is beyond it */
                          .latency = t->max_latency_us == 0     ? FAR
                                     : t->max_latency_us == FAR ? FAR - 1
                                                                : t->max_latency_us,
                          .load_weight = (float)f->weight[t->class][PLAN_BALANCE],
                          .rare = sched_particular(t) };
}

static inline bool meets(const struct hot *h, const struct need *w) {
    return ((h->features & w->features) == w->features) & (h->memory >= w->memory) & (h->disk >= w->disk) &
           (h->trust >= w->trust) & (h->latency <= w->latency) & (h->price <= w->price);
}

struct found {
    uint32_t at, at_soft; /* UINT32_MAX: none */
    float score, score_soft;
};

static void look(const struct sched_fast *f, uint32_t from, uint32_t to, const struct need *w,
                 const struct sched_ask *a, struct found *best) {
    bool rare = w->rare || a->n_never > 0 || a->crowded;
    enum sla_class class = a->task->class;
    for (uint32_t p = from; p < to; p++) {
        const struct hot *h = &f->hot[p];
        float score = h->base[class] + w->load_weight * (h->load + h->step);
        if (!meets(h, w) || score > best->score) continue;
        if (score == best->score && best->at != UINT32_MAX && f->hot[best->at].node < h->node) continue;
        bool soft = false;
        if (rare && sched_ask_fits(f->nodes, h->node, a, &soft) != SCHED_PLACED) continue;
        if (!soft) {
            best->at = p;
            best->score = score;
        } else if (best->at_soft == UINT32_MAX || score < best->score_soft ||
                   (score == best->score_soft && h->node < f->hot[best->at_soft].node)) {
            best->at_soft = p;
            best->score_soft = score;
        }
    }
}

/* Place of the best of a random stretch, of all when none of it will do. */
static uint32_t sample(struct sched_fast *f, const struct sched_ask *a) {
    struct need w = need_of(f, a->task);
    struct found best = { UINT32_MAX, UINT32_MAX, INFINITY, INFINITY };
    uint32_t n = f->n_active;
    if (n > SCHED_SAMPLE) {
        uint32_t from = (uint32_t)((vl_prng_next(&f->rng) >> 32) * n >> 32), to = from + SCHED_SAMPLE;
        look(f, from, to < n ? to : n, &w, a, &best);
        if (to > n) look(f, 0, to - n, &w, a, &best);
        if (best.at != UINT32_MAX) return best.at;
    }
    look(f, 0, n, &w, a, &best);
    return best.at != UINT32_MAX ? best.at : best.at_soft;
}

static uint32_t explore(struct sched_fast *f, const struct sched_ask *a) {
    uint32_t best = UINT32_MAX, n = f->n_new < SCHED_SAMPLE ? f->n_new : SCHED_SAMPLE;
    uint32_t from = (uint32_t)vl_prng_below(&f->rng, f->n_new);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t x = f->newcomers[(from + i) % f->n_new], at = f->place[x];
        bool soft;
        if (at >= f->n_active || f->nodes[x].doubt_milli < SCHED_DOUBT_MILLI) continue;
        if (best != UINT32_MAX &&
            (f->hot[at].load > f->hot[best].load || (f->hot[at].load == f->hot[best].load && x > f->hot[best].node)))
            continue;
        if (sched_ask_fits(f->nodes, x, a, &soft) == SCHED_PLACED && !soft) best = at;
    }
    return best;
}

static void settle(struct sched_fast *f, uint32_t at, const struct sched_task *t) {
    struct hot *h = &f->hot[at];
    sched_take(&f->nodes[h->node], t);
    h->memory -= t->memory_bytes;
    h->disk -= t->disk_bytes;
    h->load += h->step;
    if (--h->free_slots == 0) trade(f, at, --f->n_active);
}

static void place_one(struct sched_fast *f, const struct sched_task *tasks, uint32_t k, struct sched_choice *ret) {
    const struct sched_task *t = &tasks[k];
    enum sched_reason no = f->refused ? sched_refused(&f->refusals, t) : SCHED_PLACED;
    if (no != SCHED_PLACED) {
        ret[k] = (struct sched_choice){ .reason = no };
        return;
    }
    struct sched_ask a;
    sched_ask_of(f->nodes, f->n, tasks, k, ret, &a);
    uint32_t at = UINT32_MAX;
    if (f->n_new > 0 && sched_explores(t, f->seed)) at = explore(f, &a);
    if (at == UINT32_MAX) at = sample(f, &a);
    if (at == UINT32_MAX) {
        f->refused = true;
        ret[k] = (struct sched_choice){ .reason = sched_refuse(&f->refusals, f->nodes, f->n, &a) };
        return;
    }
    ret[k] = (struct sched_choice){ .reason = SCHED_PLACED, .node = f->hot[at].node };
    settle(f, at, t);
}

enum vl_err sched_fast_place(struct sched_fast *f, const struct sched_task *tasks, uint32_t n_tasks,
                             struct sched_choice *ret) {
    if (!sched_tasks_ok(tasks, n_tasks)) return VL_ERANGE;
    if (f->refused) f->refusals = (struct sched_refusals){ 0 }; /* of another batch: there may be room again */
    f->refused = false;
    for (uint32_t k = 0; k < n_tasks; k++) place_one(f, tasks, k, ret);
    return VL_OK;
}

SCHED_PLACE(sched_place_default) {
    struct sched_fast *f;
    enum vl_err err = sched_fast_create(nodes, n_nodes, sched_mix(state->seed) ^ state->batches, &f);
    if (err) return err;
    f->seed = state->seed; /* who explores depends on no count of batches */
    err = sched_fast_place(f, tasks, n_tasks, ret);
    sched_fast_destroy(f);
    return err;
}
