#include "fog/pareto.h"

#include "fog/nsga2_priv.h"
#include "fog/pareto_priv.h"

#include "base/heap.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POPULATION_MIN 4u
#define POPULATION_MAX 10000u
#define ETA_MAX 1000.0

/* Parents and children lie in 2n slots that never move: only lists of slots do. */
struct run {
    const struct nsga2_config *c;
    const struct nsga2_problem *p;
    uint32_t n, m;
    struct vl_prng rng;
    struct nsga2_variation variation;
    double *x, *f, *violation, *crowding; /* by slot */
    uint32_t *rank, *order, *previous;    /* of pareto_sort() */
    uint32_t *slots;                      /* n parents, then n free ones */
    uint32_t *chosen, *front, *entrants;  /* selection; a front; who enters tournaments, shuffled */
    uint32_t next_entrant;
    uint32_t *lower[PARETO_OBJECTIVES_MAX], *upper[PARETO_OBJECTIVES_MAX]; /* neighbours by slot, while pruning */
    double scale[PARETO_OBJECTIVES_MAX];
    struct vl_heap heap; /* least crowding first */
    struct vl_heap_node *waiting;
};

struct nsga2_config nsga2_config_default(void) {
    return (struct nsga2_config){ .population = 50,
                                  .generations = 100,
                                  .crossover = 0.8,
                                  .mutation = 0.1,
                                  .eta_crossover = 15,
                                  .eta_mutation = 20,
                                  .tournament = 3,
                                  .seed = 1 };
}

static bool between(double x, double lo, double hi) { return x >= lo && x <= hi; } /* false for NaN */

static bool valid(const struct nsga2_config *c, const struct nsga2_problem *p) {
    if (c->population < POPULATION_MIN || c->population > POPULATION_MAX || c->population % 2 != 0) return false;
    if (c->tournament < 2 || c->tournament > c->population) return false;
    if (!between(c->crossover, 0, 1) || !between(c->mutation, 0, 1)) return false;
    if (!between(c->eta_crossover, 0, ETA_MAX) || !between(c->eta_mutation, 0, ETA_MAX)) return false;
    if (p->variables == 0 || p->variables > NSGA2_VARIABLES_MAX) return false;
    if (p->objectives == 0 || p->objectives > PARETO_OBJECTIVES_MAX) return false;
    for (uint32_t i = 0; i < p->variables; i++)
        if (!(p->lo[i] <= p->hi[i]) || !isfinite(2 * p->lo[i]) || !isfinite(2 * p->hi[i]) ||
            !isfinite(2 * (p->hi[i] - p->lo[i])))
            return false; /* twice: what the operators add up stays finite */
    return true;
}

static void run_close(struct run *r) {
    free(r->x);
    free(r->f);
    free(r->violation);
    free(r->rank);
    free(r->lower[0]);
    free(r->waiting);
    vl_heap_free(&r->heap);
}

static enum vl_err run_open(struct run *r, const struct nsga2_config *c, const struct nsga2_problem *p) {
    uint32_t n = c->population, m = p->objectives;
    size_t all = 2 * (size_t)n;
    *r = (struct run){ .c = c, .p = p, .n = n, .m = m };
    r->x = malloc(all * p->variables * sizeof *r->x);
    r->f = malloc(all * m * sizeof *r->f);
    r->violation = malloc(2 * all * sizeof *r->violation);
    r->rank = malloc((6 * all + n) * sizeof *r->rank);
    r->lower[0] = malloc(2 * m * all * sizeof *r->lower[0]);
    r->waiting = calloc(all, sizeof *r->waiting);
    if (!r->x || !r->f || !r->violation || !r->rank || !r->lower[0] || !r->waiting) {
        run_close(r);
        return VL_ENOMEM;
    }
    r->crowding = r->violation + all;
    r->order = r->rank + all;
    r->previous = r->order + all;
    r->slots = r->previous + all;
    r->chosen = r->slots + all;
    r->front = r->chosen + all;
    r->entrants = r->front + all;
    for (uint32_t j = 0; j < m; j++) {
        r->lower[j] = r->lower[0] + 2 * j * all;
        r->upper[j] = r->lower[j] + all;
    }
    vl_prng_seed(&r->rng, c->seed);
    nsga2_variation_init(&r->variation, c, p, &r->rng);
    for (uint32_t i = 0; i < all; i++) r->slots[i] = i;
    for (uint32_t i = 0; i < n; i++) r->entrants[i] = i;
    r->next_entrant = n;
    return VL_OK;
}

static double *x_of(const struct run *r, uint32_t slot) { return r->x + (size_t)slot * r->p->variables; }
static double *f_of(const struct run *r, uint32_t slot) { return r->f + (size_t)slot * r->m; }

static void evaluate(struct run *r, uint32_t slot) {
    double *f = f_of(r, slot), v = r->p->evaluate(r->p->arg, x_of(r, slot), f);
    bool bad = isnan(v);
    for (uint32_t j = 0; j < r->m; j++) bad |= isnan(f[j]);
    for (uint32_t j = 0; bad && j < r->m; j++) f[j] = (double)INFINITY;
    r->violation[slot] = bad ? (double)INFINITY : v > 0 ? v : 0;
}

/* ---- selection ---- */

/* With an infinite distance for whoever is last on a side: an end. */
static double crowding_of(const struct run *r, uint32_t slot) {
    double sum = 0;
    for (uint32_t j = 0; j < r->m; j++) {
        uint32_t a = r->lower[j][slot], b = r->upper[j][slot];
        if (r->scale[j] < 0) continue;
        if (a == PARETO_NONE || b == PARETO_NONE) return (double)INFINITY;
        if (r->scale[j] > 0) sum += (f_of(r, b)[j] - f_of(r, a)[j]) * r->scale[j];
    }
    return sum;
}

/* Doubles that are not negative are ordered like their bits. */
static uint64_t key_of(double distance) {
    uint64_t bits;
    memcpy(&bits, &distance, sizeof bits);
    return bits;
}

/* Neighbours in every objective.  scale: 0 between infinities, where there are ends but no measure; < 0 where all are
 * alike, and nobody is an end. */
static void link_neighbours(struct run *r, uint32_t n) {
    for (uint32_t j = 0; j < r->m; j++) {
        pareto_by_column(r->f, r->m, j, r->front, n);
        for (uint32_t k = 0; k < n; k++) {
            r->lower[j][r->front[k]] = k > 0 ? r->front[k - 1] : PARETO_NONE;
            r->upper[j][r->front[k]] = k + 1 < n ? r->front[k + 1] : PARETO_NONE;
        }
        double lo = f_of(r, r->front[0])[j], hi = f_of(r, r->front[n - 1])[j], scale = 1 / (hi - lo);
        r->scale[j] = lo == hi ? -1 : isfinite(scale) ? scale : 0;
    }
}

static enum vl_err requeue(struct run *r, uint32_t slot) {
    if (slot == PARETO_NONE) return VL_OK;
    r->crowding[slot] = crowding_of(r, slot);
    return vl_heap_set(&r->heap, &r->waiting[slot], key_of(r->crowding[slot]));
}

/* Takes `keep` of the n points in r->front. */
static enum vl_err prune(struct run *r, uint32_t n, uint32_t keep, uint32_t *taken) {
    enum vl_err err = VL_OK;
    link_neighbours(r, n);
    for (uint32_t k = 0; k < n && err == VL_OK; k++) err = requeue(r, r->front[k]);
    for (; err == VL_OK && r->heap.len > keep;) {
        struct vl_heap_node *top = vl_heap_top(&r->heap);
        uint32_t slot = (uint32_t)(top - r->waiting);
        vl_heap_remove(&r->heap, top);
        for (uint32_t j = 0; j < r->m; j++) {
            uint32_t a = r->lower[j][slot], b = r->upper[j][slot];
            if (a != PARETO_NONE) r->upper[j][a] = b;
            if (b != PARETO_NONE) r->lower[j][b] = a;
        }
        for (uint32_t j = 0; j < r->m && err == VL_OK; j++) {
            if (r->scale[j] < 0) continue;
            err = requeue(r, r->lower[j][slot]);
            if (err == VL_OK) err = requeue(r, r->upper[j][slot]);
        }
    }
    for (uint32_t k = 0; k < n && err == VL_OK; k++) {
        struct vl_heap_node *w = &r->waiting[r->front[k]];
        if (w->index == 0) continue;
        vl_heap_remove(&r->heap, w);
        r->chosen[(*taken)++] = r->front[k];
    }
    return err;
}

/* Of the first `from` slots the n best become parents. */
static enum vl_err select_parents(struct run *r, uint32_t from) {
    uint32_t fronts, taken = 0;
    enum vl_err err = pareto_sort(r->f, r->violation, from, r->m, r->rank, r->order, r->previous, &fronts);
    for (uint32_t k = 0; k < fronts && err == VL_OK && taken < r->n; k++) {
        uint32_t n = 0;
        for (uint32_t i = r->order[k]; i != PARETO_NONE; i = r->previous[i]) r->front[n++] = i;
        if (n > r->n - taken) {
            err = prune(r, n, r->n - taken, &taken);
            continue;
        }
        pareto_crowding(r->f, r->m, r->front, n, r->crowding);
        memcpy(r->chosen + taken, r->front, n * sizeof *r->front);
        taken += n;
    }
    if (err != VL_OK) return err;
    assert(taken == r->n);
    uint32_t *parent = r->order, n_free = 0;
    memset(parent, 0, 2 * (size_t)r->n * sizeof *parent);
    for (uint32_t k = 0; k < r->n; k++) {
        r->slots[k] = r->chosen[k];
        parent[r->chosen[k]] = 1;
    }
    for (uint32_t i = 0; i < 2 * r->n; i++)
        if (parent[i] == 0) r->slots[r->n + n_free++] = i;
    return VL_OK;
}

/* ---- the next generation ---- */

/* Everyone enters once before anyone enters again. */
static uint32_t entrant(struct run *r) {
    if (r->next_entrant == r->n) {
        for (uint32_t i = r->n - 1; i > 0; i--) {
            uint32_t k = (uint32_t)vl_prng_below(&r->rng, i + 1), t = r->entrants[i];
            r->entrants[i] = r->entrants[k];
            r->entrants[k] = t;
        }
        r->next_entrant = 0;
    }
    return r->slots[r->entrants[r->next_entrant++]];
}

static uint32_t winner(struct run *r) {
    uint32_t best = entrant(r);
    for (uint32_t k = 1; k < r->c->tournament; k++) {
        uint32_t i = entrant(r);
        if (r->rank[i] < r->rank[best] || (r->rank[i] == r->rank[best] && r->crowding[i] > r->crowding[best])) best = i;
    }
    return best;
}

static void breed(struct run *r) {
    for (uint32_t k = r->n; k < 2 * r->n; k += 2) {
        uint32_t a = winner(r), b = winner(r);
        nsga2_cross(&r->variation, x_of(r, a), x_of(r, b), x_of(r, r->slots[k]), x_of(r, r->slots[k + 1]));
        for (uint32_t i = k; i < k + 2; i++) {
            nsga2_mutate(&r->variation, x_of(r, r->slots[i]));
            evaluate(r, r->slots[i]);
        }
    }
}

static void scatter(struct run *r) {
    for (uint32_t k = 0; k < r->n; k++) {
        double *x = x_of(r, k);
        for (uint32_t i = 0; i < r->p->variables; i++)
            x[i] = r->p->lo[i] + vl_prng_unit(&r->rng) * (r->p->hi[i] - r->p->lo[i]);
        evaluate(r, k);
    }
}

static enum vl_err result_open(struct nsga2_result *ret, uint32_t n, uint32_t variables, uint32_t objectives) {
    *ret = (struct nsga2_result){ .n = n, .variables = variables, .objectives = objectives };
    ret->x = malloc((size_t)n * variables * sizeof *ret->x);
    ret->f = malloc((size_t)n * objectives * sizeof *ret->f);
    ret->violation = malloc(n * sizeof *ret->violation);
    ret->rank = malloc(n * sizeof *ret->rank);
    if (ret->x != NULL && ret->f != NULL && ret->violation != NULL && ret->rank != NULL) return VL_OK;
    nsga2_result_free(ret);
    return VL_ENOMEM;
}

static void collect(const struct run *r, struct nsga2_result *ret) {
    for (uint32_t k = 0; k < r->n; k++) {
        uint32_t slot = r->slots[k];
        memcpy(ret->x + (size_t)k * ret->variables, x_of(r, slot), ret->variables * sizeof *ret->x);
        memcpy(ret->f + (size_t)k * r->m, f_of(r, slot), r->m * sizeof *ret->f);
        ret->violation[k] = r->violation[slot];
        ret->rank[k] = r->rank[slot];
    }
    ret->evaluations = (uint64_t)r->n * ((uint64_t)r->c->generations + 1);
}

enum vl_err nsga2_run(const struct nsga2_config *c, const struct nsga2_problem *p, struct nsga2_result *ret) {
    if (!valid(c, p)) return VL_ERANGE;
    struct run r;
    struct nsga2_result made;
    enum vl_err err = run_open(&r, c, p);
    if (err != VL_OK) return err;
    err = result_open(&made, c->population, p->variables, p->objectives);
    if (err == VL_OK) {
        scatter(&r);
        err = select_parents(&r, r.n);
        for (uint32_t g = 0; g < c->generations && err == VL_OK; g++) {
            breed(&r);
            err = select_parents(&r, 2 * r.n);
        }
        if (err == VL_OK) {
            collect(&r, &made);
            *ret = made;
        } else {
            nsga2_result_free(&made);
        }
    }
    run_close(&r);
    return err;
}

void nsga2_result_free(struct nsga2_result *r) {
    free(r->x);
    free(r->f);
    free(r->violation);
    free(r->rank);
    *r = (struct nsga2_result){ 0 };
}
