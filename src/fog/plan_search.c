/* The search: Tchebycheff neighbourhoods (MOEA/D: Zhang & Li 2007) over placements that never break capacity, begun
 * with a sweep of weighted greedy placements, with moves of single tasks that are tried before a child is looked at. */
#include "fog/plan_priv.h"

#include <stdlib.h>

#define NEIGHBOURS 10u
#define REPLACED_MAX 2u /* neighbours that one child may take the place of: keeps them different (Li & Zhang 2009) */
#define OUTSIDE 0.1     /* parents taken from everywhere */
#define TRIES_TASKS 6u  /* single moves tried on a child: tasks, and nodes for each */
#define TRIES_NODES 5u
#define FEW_TASKS 10u
#define SAME_AXIS 0.95
#define LEAST_WEIGHT 1e-3

struct member {
    double f[PLAN_OBJECTIVES];
    uint32_t *gene;
};
struct swarm {
    struct plan *p;
    struct plan_work w;
    struct plan_archive *archive;
    uint32_t n;
    struct member *member;
    double *weight;      /* n rows */
    uint32_t *neighbour; /* n rows of n_neighbour */
    uint32_t n_neighbour, *turn, *gene, *child;
    double ideal[PLAN_OBJECTIVES], nadir[PLAN_OBJECTIVES], scale[PLAN_OBJECTIVES];
    uint32_t merged;
};

static void swarm_free(struct swarm *s) {
    plan_work_free(&s->w);
    free(s->member);
    free(s->weight);
    free(s->neighbour);
    free(s->turn);
    free(s->gene);
    free(s->child);
}

/* Directions as even as they can be had for n, the rest drawn. */
static void directions(struct plan *p, uint32_t n, double *ret) {
    uint32_t have = 0, div = 1;
    while (pareto_directions(PLAN_OBJECTIVES, div + 1, ret, n) > 0) div++;
    have = pareto_directions(PLAN_OBJECTIVES, div, ret, n);
    uint32_t inner =
        div > 1 ? pareto_directions(PLAN_OBJECTIVES, div - 1, ret + (size_t)have * PLAN_OBJECTIVES, n - have) : 0;
    for (uint32_t i = have * PLAN_OBJECTIVES; i < (have + inner) * PLAN_OBJECTIVES; i++)
        ret[i] = 0.5 * ret[i] + 0.5 / PLAN_OBJECTIVES; /* a second layer half way to the middle (Deb & Jain 2014) */
    for (uint32_t i = have + inner; i < n; i++) {
        double *w = ret + (size_t)i * PLAN_OBJECTIVES, sum = 0;
        for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
            w[o] = vl_prng_unit(&p->rng);
            w[o] *= w[o];
            sum += w[o];
        }
        for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) w[o] = sum > 0 ? w[o] / sum : 1.0 / PLAN_OBJECTIVES;
    }
}

static double gap_between(const double *a, const double *b) {
    double sum = 0;
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) sum += (a[o] - b[o]) * (a[o] - b[o]);
    return sum;
}
/* The nearest ones, itself first: n is small, and this is done once. */
static void find_neighbours(struct swarm *s) {
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t *row = s->neighbour + (size_t)i * s->n_neighbour, have = 0;
        const double *w = s->weight + (size_t)i * PLAN_OBJECTIVES;
        for (uint32_t k = 0; k < s->n; k++) {
            double d = gap_between(w, s->weight + (size_t)k * PLAN_OBJECTIVES);
            uint32_t at = have;
            while (at > 0 && gap_between(w, s->weight + (size_t)row[at - 1] * PLAN_OBJECTIVES) > d) at--;
            if (at == s->n_neighbour) continue;
            if (have < s->n_neighbour) have++;
            memmove(row + at + 1, row + at, (have - at - 1) * sizeof *row);
            row[at] = k;
        }
    }
}

static enum vl_err swarm_init(struct swarm *s, struct plan *p, struct plan_archive *archive) {
    uint32_t n = p->config->population;
    size_t tasks = p->n_task ? p->n_task : 1;
    *s = (struct swarm){ .p = p, .archive = archive, .n = n, .n_neighbour = n < NEIGHBOURS ? n : NEIGHBOURS };
    enum vl_err err = plan_work_init(&s->w, p);
    s->member = calloc(n, sizeof *s->member);
    s->weight = malloc((size_t)n * PLAN_OBJECTIVES * sizeof *s->weight);
    s->neighbour = malloc((size_t)n * s->n_neighbour * sizeof *s->neighbour);
    s->turn = malloc(n * sizeof *s->turn);
    s->gene = malloc((size_t)n * tasks * sizeof *s->gene);
    s->child = malloc(tasks * sizeof *s->child);
    if (err || s->member == NULL || s->weight == NULL || s->neighbour == NULL || s->turn == NULL || s->gene == NULL ||
        s->child == NULL) {
        swarm_free(s);
        return VL_ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        s->member[i].gene = s->gene + (size_t)i * tasks;
        s->turn[i] = i;
    }
    directions(p, n, s->weight);
    find_neighbours(s);
    for (uint32_t i = 0; i < n * PLAN_OBJECTIVES; i++) s->weight[i] += LEAST_WEIGHT; /* nothing is worth nothing */
    return VL_OK;
}

static double scalar(const struct swarm *s, uint32_t i, const double f[PLAN_OBJECTIVES]) {
    return plan_scalar(f, s->weight + (size_t)i * PLAN_OBJECTIVES, s->ideal, s->scale);
}

static void widen(struct swarm *s, const double f[PLAN_OBJECTIVES]) {
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++)
        if (f[o] < s->ideal[o]) s->ideal[o] = f[o];
}

/* ---- the first placements ---- */

static void seed_one(struct swarm *s, const double *weight, double f[PLAN_OBJECTIVES]) {
    struct plan *p = s->p;
    double linear[PLAN_TERMS + 1];
    for (uint32_t k = 0; k < PLAN_TERMS; k++) linear[k] = weight[plan_term_of[k]] + LEAST_WEIGHT;
    linear[PLAN_TERMS] = weight[PLAN_BALANCE] + LEAST_WEIGHT;
    if (!plan_greedy(&s->w, linear)) (void)plan_load(&s->w, p->first); /* holds all tasks: that was its test */
    p->evaluations++;
    plan_objectives(&s->w, f);
    plan_archive_add(s->archive, s->w.gene, f);
}

static enum vl_err seeds(struct swarm *s) {
    struct plan *p = s->p;
    uint32_t n = p->config->sweep > s->n ? p->config->sweep : s->n;
    double *w = malloc((size_t)n * PLAN_OBJECTIVES * sizeof *w), f[PLAN_OBJECTIVES];
    if (w == NULL) return VL_ENOMEM;
    directions(p, n, w);
    (void)plan_load(&s->w, p->first);
    plan_objectives(&s->w, f);
    plan_archive_add(s->archive, s->w.gene, f);
    memcpy(s->ideal, f, sizeof f);
    for (uint32_t i = 0; i < n; i++) {
        if (i < p->config->sweep) {
            seed_one(s, w + (size_t)i * PLAN_OBJECTIVES, f);
        } else { /* more members than the sweep has placements: drawn ones */
            for (uint32_t j = 0; j < p->n_task; j++) s->child[j] = PLAN_NOWHERE;
            if (!plan_load(&s->w, s->child)) (void)plan_load(&s->w, p->first);
            p->evaluations++;
            plan_objectives(&s->w, f);
            plan_archive_add(s->archive, s->w.gene, f);
        }
        widen(s, f);
    }
    free(w);
    return VL_OK;
}

/* Each direction takes the best for it of all that was found. */
static void assign(struct swarm *s) {
    const struct pareto_archive *a = &s->archive->points;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t best = 0;
        double best_value = 0;
        for (uint32_t k = 0; k < a->n; k++) {
            double v = scalar(s, i, a->f + (size_t)k * PLAN_OBJECTIVES);
            if (k > 0 && v >= best_value) continue;
            best = k;
            best_value = v;
        }
        memcpy(s->member[i].f, a->f + (size_t)best * PLAN_OBJECTIVES, sizeof s->member[i].f);
        memcpy(s->member[i].gene, s->archive->gene + (size_t)a->item[best] * s->p->n_task,
               s->p->n_task * sizeof *s->child);
    }
}

static void measure_box(struct swarm *s) {
    double ideal[PLAN_OBJECTIVES];
    plan_box(s->archive, ideal, s->nadir);
    plan_scale(s->ideal, s->nadir, s->scale);
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++)
        if (s->merged & 1u << o) s->scale[o] = 0;
}

/* Objectives that rank the points alike are one axis: the later of two is left out of the search, not of the record. */
static enum vl_err merge_axes(struct swarm *s) {
    const struct pareto_archive *a = &s->archive->points;
    double *scratch = malloc((size_t)4 * (a->n + 1) * sizeof *scratch);
    if (scratch == NULL) return VL_ENOMEM;
    for (uint32_t b = 1; a->n > 2 && b < PLAN_OBJECTIVES; b++)
        for (uint32_t x = 0; x < b; x++)
            if (!(s->merged & 1u << x) &&
                pareto_rank_correlation(a->f, a->n, PLAN_OBJECTIVES, x, b, scratch) > SAME_AXIS)
                s->merged |= 1u << b;
    free(scratch);
    return VL_OK;
}

/* ---- children ---- */

static uint32_t parent(struct swarm *s, uint32_t i) {
    struct plan *p = s->p;
    bool outside = vl_prng_unit(&p->rng) < OUTSIDE;
    uint32_t best = PLAN_NOWHERE;
    double best_value = 0;
    for (uint32_t k = 0; k < p->config->tournament; k++) {
        uint32_t x =
            outside ? plan_draw(p, s->n) : s->neighbour[(size_t)i * s->n_neighbour + plan_draw(p, s->n_neighbour)];
        double v = scalar(s, i, s->member[x].f);
        if (best != PLAN_NOWHERE && v >= best_value) continue;
        best = x;
        best_value = v;
    }
    return best;
}

static void mutate(struct plan *p, uint32_t *gene, uint32_t j) {
    for (uint32_t k = 0; k < 8; k++) {
        uint32_t n = plan_draw(p, p->n_node);
        if (!plan_suits(p, j, n)) continue;
        gene[j] = n;
        return;
    }
}

static void breed(struct swarm *s, uint32_t i) {
    struct plan *p = s->p;
    const uint32_t *a = s->member[i].gene, *b = s->member[parent(s, i)].gene;
    uint64_t coin = 0;
    bool cross = vl_prng_unit(&p->rng) < p->config->crossover;
    memcpy(s->child, a, p->n_task * sizeof *s->child);
    for (uint32_t j = 0; cross && j < p->n_task; j++, coin >>= 1) {
        if (j % 64 == 0) coin = vl_prng_next(&p->rng);
        if (coin & 1) s->child[j] = b[j];
    }
    if (p->n_task <= FEW_TASKS) {
        for (uint32_t j = 0; j < p->n_task; j++)
            if (vl_prng_unit(&p->rng) < p->config->mutation) mutate(p, s->child, j);
        return;
    }
    /* At most one task in the mean, however many there are: three draws of a third. */
    double rate = p->config->mutation * p->n_task;
    for (uint32_t k = 0; k < 3; k++)
        if (vl_prng_unit(&p->rng) < (rate < 1 ? rate : 1) / 3) mutate(p, s->child, plan_draw(p, p->n_task));
}

/* Moves of single tasks that bring the child nearer to what direction i wants.  False: none did. */
static bool improve(struct swarm *s, uint32_t i, double f[PLAN_OBJECTIVES]) {
    struct plan *p = s->p;
    double now = scalar(s, i, f);
    bool moved = false;
    for (uint32_t k = 0; k < TRIES_TASKS; k++) {
        uint32_t j = plan_draw(p, p->n_task), best = PLAN_NOWHERE;
        double best_f[PLAN_OBJECTIVES], g[PLAN_OBJECTIVES];
        for (uint32_t t = 0; t < TRIES_NODES; t++) {
            uint32_t n = plan_draw(p, p->n_node);
            if (n == s->w.gene[j] || !plan_has_room(&s->w, j, n) || !plan_suits(p, j, n)) continue;
            plan_objectives_moved(&s->w, j, n, g);
            double v = scalar(s, i, g);
            if (v >= now) continue;
            now = v;
            best = n;
            memcpy(best_f, g, sizeof g);
        }
        if (best == PLAN_NOWHERE) continue;
        plan_move(&s->w, j, best);
        memcpy(f, best_f, sizeof best_f);
        moved = true;
    }
    return moved;
}

static void step(struct swarm *s, uint32_t i) {
    struct plan *p = s->p;
    double f[PLAN_OBJECTIVES];
    breed(s, i);
    p->evaluations++;
    if (!plan_load(&s->w, s->child)) return;
    plan_objectives(&s->w, f);
    if (improve(s, i, f)) {
        plan_recount(&s->w);
        plan_objectives(&s->w, f);
    }
    widen(s, f);
    uint32_t replaced = 0, from = plan_draw(p, s->n_neighbour);
    for (uint32_t k = 0; k < s->n_neighbour && replaced < REPLACED_MAX; k++) {
        uint32_t x = s->neighbour[(size_t)i * s->n_neighbour + (from + k) % s->n_neighbour];
        if (scalar(s, x, f) >= scalar(s, x, s->member[x].f)) continue;
        memcpy(s->member[x].f, f, sizeof f);
        memcpy(s->member[x].gene, s->w.gene, p->n_task * sizeof *s->child);
        replaced++;
    }
    /* Of no use to any direction near: not worth comparing with the whole archive, which costs more than a child. */
    if (replaced > 0) plan_archive_add(s->archive, s->w.gene, f);
}

static void shuffle(struct swarm *s) {
    for (uint32_t i = s->n; i > 1; i--) {
        uint32_t k = plan_draw(s->p, i), t = s->turn[i - 1];
        s->turn[i - 1] = s->turn[k];
        s->turn[k] = t;
    }
}

enum vl_err plan_search(struct plan *p, struct plan_archive *a, struct plan_first *first, struct plan_result *ret) {
    struct swarm s;
    enum vl_err err = swarm_init(&s, p, a);
    if (err) return err;
    err = seeds(&s);
    if (err == VL_OK) err = merge_axes(&s);
    if (err == VL_OK) {
        first->n = a->points.n < PLAN_FIRST_MAX ? a->points.n : PLAN_FIRST_MAX;
        memcpy(first->f, a->points.f, (size_t)first->n * PLAN_OBJECTIVES * sizeof *first->f);
        measure_box(&s);
        assign(&s);
        while (ret->generations < p->config->generations) {
            if (p->in->expired != NULL && p->in->expired(p->in->arg)) {
                ret->cut = true;
                break;
            }
            shuffle(&s);
            for (uint32_t i = 0; i < s.n; i++) step(&s, s.turn[i]);
            measure_box(&s);
            ret->generations++;
        }
    }
    ret->merged = s.merged;
    swarm_free(&s);
    return err;
}

void plan_polish(struct plan_work *w, const double weights[PLAN_OBJECTIVES], const double ideal[PLAN_OBJECTIVES],
                 const double scale[PLAN_OBJECTIVES], uint32_t rounds) {
    struct plan *p = w->p;
    double f[PLAN_OBJECTIVES], g[PLAN_OBJECTIVES];
    plan_objectives(w, f);
    double now = plan_scalar(f, weights, ideal, scale);
    bool moved = true;
    for (uint32_t r = 0; r < rounds && moved; r++) {
        moved = false;
        for (uint32_t k = 0; k < p->n_task; k++) {
            uint32_t j = p->order[k], best = PLAN_NOWHERE;
            uint32_t sample = plan_sample_for(p, j), n_tries = sample ? sample : p->n_node;
            for (uint32_t t = 0; t < n_tries; t++) {
                uint32_t n = sample ? plan_draw(p, p->n_node) : t;
                if (n == w->gene[j] || !plan_has_room(w, j, n) || !plan_suits(p, j, n)) continue;
                plan_objectives_moved(w, j, n, g);
                double v = plan_scalar(g, weights, ideal, scale);
                if (v >= now) continue;
                now = v;
                best = n;
            }
            if (best == PLAN_NOWHERE) continue;
            plan_move(w, j, best);
            moved = true;
        }
    }
}
