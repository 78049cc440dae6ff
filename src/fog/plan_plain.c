/* NSGA-II as published (Deb, Pratap, Agarwal, Meyarivan 2002) over the same batch, for comparison: a random first
 * population, constraint domination instead of repair, crowding instead of directions, no archive. */
#include "fog/plan_priv.h"

#include <stdlib.h>

struct plain {
    struct plan *p;
    uint32_t n; /* population; all arrays hold two */
    uint32_t *gene, *order, *scratch, *rank, *keep;
    double *f, *violation, *crowd;
    struct plan_room *used;
};

static void plain_free(struct plain *s) {
    free(s->gene);
    free(s->order);
    free(s->scratch);
    free(s->rank);
    free(s->keep);
    free(s->f);
    free(s->violation);
    free(s->crowd);
    free(s->used);
}

static enum vl_err plain_init(struct plain *s, struct plan *p) {
    uint32_t n = p->config->population;
    *s = (struct plain){ .p = p, .n = n };
    s->gene = malloc((size_t)2 * n * (p->n_task ? p->n_task : 1) * sizeof *s->gene);
    s->order = malloc((size_t)2 * n * sizeof *s->order);
    s->scratch = malloc((size_t)2 * n * sizeof *s->scratch);
    s->rank = malloc((size_t)2 * n * sizeof *s->rank);
    s->keep = malloc((size_t)2 * n * sizeof *s->keep);
    s->f = malloc((size_t)2 * n * PLAN_OBJECTIVES * sizeof *s->f);
    s->violation = malloc((size_t)2 * n * sizeof *s->violation);
    s->crowd = malloc((size_t)2 * n * sizeof *s->crowd);
    s->used = malloc((p->n_node ? p->n_node : 1) * sizeof *s->used);
    if (s->gene && s->order && s->scratch && s->rank && s->keep && s->f && s->violation && s->crowd && s->used)
        return VL_OK;
    plain_free(s);
    return VL_ENOMEM;
}

static double above(uint64_t used, uint64_t room) {
    return used > room ? (double)(used - room) / (room > 0 ? (double)room : 1) : 0;
}

static void evaluate(struct plain *s, uint32_t i) {
    struct plan *p = s->p;
    const uint32_t *gene = s->gene + (size_t)i * p->n_task;
    double *f = s->f + (size_t)i * PLAN_OBJECTIVES, sum[PLAN_TERMS], load = p->load_sum, square = p->load_square,
           bad = 0;
    memcpy(sum, p->fixed_sum, sizeof sum);
    memset(s->used, 0, p->n_node * sizeof *s->used);
    for (uint32_t j = 0; j < p->n_task; j++) {
        const struct plan_node *n = &p->node[gene[j]];
        struct plan_room *u = &s->used[gene[j]];
        double now = n->load + u->slots * n->step, hours = p->task[j].hours;
        sum[0] += n->term[0];
        sum[1] += n->term[1];
        sum[2] += hours * n->term[2];
        sum[3] += hours * n->term[3];
        square += (2 * now + n->step) * n->step;
        load += n->step;
        u->memory += p->task[j].memory;
        u->disk += p->task[j].disk;
        u->slots++;
        if (!plan_suits(p, j, gene[j])) bad += 1;
    }
    for (uint32_t n = 0; n < p->n_node; n++) {
        const struct plan_room *u = &s->used[n], *r = &p->node[n].room;
        bad += above(u->memory, r->memory) + above(u->disk, r->disk) + above(u->slots, r->slots);
    }
    double mean = load / (p->n_load ? p->n_load : 1), variance = square / (p->n_load ? p->n_load : 1) - mean * mean;
    uint32_t tasks = p->n_task + p->n_fixed;
    f[PLAN_LATENCY] = sum[0] / (tasks ? tasks : 1);
    f[PLAN_TRUST] = sum[1] / (tasks ? tasks : 1);
    f[PLAN_COST] = sum[2];
    f[PLAN_PRICE] = sum[3];
    f[PLAN_BALANCE] = variance > 0 ? variance : 0;
    s->violation[i] = bad;
    p->evaluations++;
}

static uint32_t parent(struct plain *s) {
    uint32_t best = plan_draw(s->p, s->n);
    for (uint32_t k = 1; k < s->p->config->tournament; k++) {
        uint32_t x = plan_draw(s->p, s->n);
        if (s->rank[x] < s->rank[best] || (s->rank[x] == s->rank[best] && s->crowd[x] > s->crowd[best])) best = x;
    }
    return best;
}

static void breed(struct plain *s, uint32_t i) {
    struct plan *p = s->p;
    const uint32_t *a = s->gene + (size_t)parent(s) * p->n_task, *b = s->gene + (size_t)parent(s) * p->n_task;
    uint32_t *child = s->gene + (size_t)i * p->n_task;
    bool cross = vl_prng_unit(&p->rng) < p->config->crossover;
    for (uint32_t j = 0; j < p->n_task; j++) {
        child[j] = cross && (vl_prng_next(&p->rng) & 1) ? b[j] : a[j];
        if (vl_prng_unit(&p->rng) < p->config->mutation) child[j] = plan_draw(p, p->n_node);
    }
}

struct crowded {
    double crowd;
    uint32_t index;
};
static int emptiest_first(const void *a, const void *b) {
    const struct crowded *x = a, *y = b;
    if (x->crowd != y->crowd) return x->crowd > y->crowd ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Ranks and crowding of the first n; keep: the indexes of the best s->n of them, front by front. */
static enum vl_err select_best(struct plain *s, uint32_t n) {
    uint32_t fronts = 0, have = 0;
    enum vl_err err = pareto_sort(s->f, s->violation, n, PLAN_OBJECTIVES, s->rank, s->order, s->scratch, &fronts);
    struct crowded *v = err == VL_OK ? malloc(n * sizeof *v) : NULL;
    if (v == NULL) return err ? err : VL_ENOMEM;
    for (uint32_t r = 0; r < fronts && have < s->n; r++) {
        uint32_t in = 0;
        for (uint32_t i = 0; i < n; i++)
            if (s->rank[i] == r) s->scratch[in++] = i;
        pareto_crowding(s->f, PLAN_OBJECTIVES, s->scratch, in, s->crowd);
        for (uint32_t i = 0; i < in; i++) v[i] = (struct crowded){ s->crowd[s->scratch[i]], s->scratch[i] };
        qsort(v, in, sizeof *v, emptiest_first);
        for (uint32_t i = 0; i < in && have < s->n; i++) s->keep[have++] = v[i].index;
    }
    free(v);
    return VL_OK;
}

static int by_index(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}
/* Moves those kept to the front: in the order of their places, so that none is written over before it is read. */
static void pack(struct plain *s) {
    size_t tasks = s->p->n_task;
    qsort(s->keep, s->n, sizeof *s->keep, by_index);
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t from = s->keep[i];
        memmove(s->gene + i * tasks, s->gene + from * tasks, tasks * sizeof *s->gene);
        memmove(s->f + (size_t)i * PLAN_OBJECTIVES, s->f + (size_t)from * PLAN_OBJECTIVES,
                PLAN_OBJECTIVES * sizeof *s->f);
        s->violation[i] = s->violation[from];
        s->rank[i] = s->rank[from];
        s->crowd[i] = s->crowd[from];
    }
}

enum vl_err plan_search_plain(struct plan *p, struct plan_archive *a, struct plan_first *first,
                              struct plan_result *ret) {
    struct plain s;
    enum vl_err err = plain_init(&s, p);
    if (err) return err;
    for (uint32_t i = 0; i < s.n; i++) {
        for (uint32_t j = 0; j < p->n_task; j++) s.gene[(size_t)i * p->n_task + j] = plan_draw(p, p->n_node);
        evaluate(&s, i);
    }
    err = select_best(&s, s.n);
    first->n = 0;
    for (uint32_t i = 0; i < s.n && first->n < PLAN_FIRST_MAX; i++)
        if (s.violation[i] <= 0)
            memcpy(first->f + (size_t)first->n++ * PLAN_OBJECTIVES, s.f + (size_t)i * PLAN_OBJECTIVES,
                   PLAN_OBJECTIVES * sizeof *s.f);
    while (err == VL_OK && ret->generations < p->config->generations) {
        if (p->in->expired != NULL && p->in->expired(p->in->arg)) {
            ret->cut = true;
            break;
        }
        for (uint32_t i = s.n; i < 2 * s.n; i++) {
            breed(&s, i);
            evaluate(&s, i);
        }
        err = select_best(&s, 2 * s.n);
        if (err == VL_OK) pack(&s);
        ret->generations++;
    }
    for (uint32_t i = 0; err == VL_OK && i < s.n; i++)
        if (s.violation[i] <= 0) plan_archive_add(a, s.gene + (size_t)i * p->n_task, s.f + (size_t)i * PLAN_OBJECTIVES);
    plain_free(&s);
    return err;
}
