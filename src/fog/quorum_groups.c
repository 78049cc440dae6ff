/* Groups for wide jobs: several sets of one size that keep a tier each by itself. */
#include "fog/quorum.h"

#include <stdlib.h>
#include <string.h>

#define POOL_MAX 96u
#define POOL_OWNER 16u /* of one owner, and of one place: a cheap owner's hundred machines make no diverse set */
#define POOL_PLACE 48u
#define FAILURES_MAX 4u /* nodes that no set is found for, before the search ends */

struct rank {
    const struct quorum_node *v;
    uint32_t at;
};

static int by_rank(const void *x, const void *y) {
    const struct rank *a = x, *b = y;
    if (a->v->price != b->v->price) return a->v->price < b->v->price ? -1 : 1;
    if (a->v->busy != b->v->busy) return a->v->busy < b->v->busy ? -1 : 1;
    if (a->v->avail_ppb != b->v->avail_ppb) return a->v->avail_ppb > b->v->avail_ppb ? -1 : 1;
    return a->at < b->at ? -1 : 1;
}

static bool crowded(const struct quorum_node *nodes, const uint32_t *pool, uint32_t n, const struct quorum_node *v) {
    uint32_t owner = 0, region = 0, infra = 0;
    for (uint32_t i = 0; i < n; i++) {
        owner += nodes[pool[i]].domain[DOMAIN_OWNER] == v->domain[DOMAIN_OWNER];
        region += nodes[pool[i]].domain[DOMAIN_REGION] == v->domain[DOMAIN_REGION];
        infra += nodes[pool[i]].domain[DOMAIN_INFRA] == v->domain[DOMAIN_INFRA];
    }
    return owner >= POOL_OWNER || region >= POOL_PLACE || infra >= POOL_PLACE;
}

/* Those worth looking at, in order of price. */
static enum vl_err pool_make(const struct quorum_node *nodes, uint32_t n, uint32_t *pool, uint32_t *ret_n) {
    struct rank *r = calloc(n ? n : 1, sizeof *r);
    if (r == NULL) return VL_ENOMEM;
    *ret_n = 0;
    for (uint32_t i = 0; i < n; i++) r[i] = (struct rank){ &nodes[i], i };
    qsort(r, n, sizeof *r, by_rank);
    for (uint32_t strict = n > POOL_MAX ? 0 : 1; strict < 2; strict++)
        for (uint32_t i = 0; i < n && *ret_n < POOL_MAX; i++) {
            if (r[i].v == NULL || (strict == 0 && crowded(nodes, pool, *ret_n, r[i].v))) continue;
            pool[(*ret_n)++] = r[i].at;
            r[i].v = NULL;
        }
    free(r);
    return VL_OK;
}

/* The rest of a group that begins with which[0]: whichever brings it nearest, and last the least available that will do, so
 * that sound nodes are left for other groups. */
static bool complete(const struct quorum_ask *ask, const struct quorum_node *nodes, const uint32_t *pool, const bool *used,
                     uint32_t n, uint32_t size, uint32_t *which) {
    for (uint32_t have = 1; have < size; have++) {
        uint32_t best = UINT32_MAX, spare = UINT32_MAX;
        double least = QUORUM_NEVER;
        for (uint32_t i = 0; i < n; i++) {
            bool in = used[i];
            for (uint32_t k = 0; k < have && !in; k++) in = which[k] == pool[i];
            if (in) continue;
            which[have] = pool[i];
            double lack = quorum_lacking(ask, nodes, which, have + 1);
            if (lack < least) {
                least = lack;
                best = pool[i];
            }
            if (have + 1 == size && lack < QUORUM_NEVER && quorum_keeps(ask, nodes, which, size, NULL) &&
                (spare == UINT32_MAX || nodes[pool[i]].avail_ppb < nodes[spare].avail_ppb))
                spare = pool[i];
        }
        if (best == UINT32_MAX) return false;
        which[have] = have + 1 == size && spare != UINT32_MAX ? spare : best;
    }
    return quorum_keeps(ask, nodes, which, size, NULL);
}

static void add(const struct quorum_ask *ask, const struct quorum_node *nodes, const uint32_t *pool, bool *used, uint32_t n,
                const uint32_t *which, struct quorum_groups *g) {
    uint32_t ppb;
    (void)quorum_keeps(ask, nodes, which, g->size, &ppb);
    if (ppb < g->avail_ppb) g->avail_ppb = ppb;
    for (uint32_t i = 0; i < g->size; i++) {
        g->node[g->groups * g->size + i] = which[i];
        g->price += nodes[which[i]].price;
        for (uint32_t k = 0; k < n; k++) used[k] = used[k] || pool[k] == which[i];
    }
    g->groups++;
}

static void build(const struct quorum_ask *ask, const struct quorum_node *nodes, const uint32_t *pool, uint32_t n,
                  const struct quorum_choice *first, uint32_t want, uint32_t size, struct quorum_groups *ret) {
    bool used[POOL_MAX] = { false };
    uint32_t failed = 0;
    *ret = (struct quorum_groups){ .size = size, .avail_ppb = QUORUM_ONE };
    if (first->n == size) add(ask, nodes, pool, used, n, first->node, ret);
    for (uint32_t i = 0; i < n && ret->groups < want && (size == 1 || failed < FAILURES_MAX); i++) {
        uint32_t which[QUORUM_NODES_MAX] = { pool[i] };
        if (used[i]) continue;
        if (complete(ask, nodes, pool, used, n, size, which))
            add(ask, nodes, pool, used, n, which, ret);
        else
            failed++;
    }
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

enum vl_err quorum_widen(const struct quorum_ask *ask, const struct quorum_node *nodes, uint32_t n,
                         const struct quorum_choice *first, uint32_t want, struct quorum_groups *ret) {
    uint32_t pool[POOL_MAX] = { 0 }, m = 0;
    if (!first->ok || first->n == 0 || want == 0) return VL_ERANGE;
    enum vl_err err = want > 1 ? pool_make(nodes, n, pool, &m) : VL_OK;
    if (err) return err;
    build(ask, nodes, pool, m, first, least(want, QUORUM_WIDE_MAX / first->n), first->n, ret);
    for (uint32_t size = first->n + 1; size <= ask->most && want > 1; size++) {
        struct quorum_groups g;
        uint32_t most = least(want, least(QUORUM_WIDE_MAX, m) / size);
        if (most <= ret->groups) break; /* larger ones are fewer still */
        build(ask, nodes, pool, m, first, most, size, &g);
        if (g.groups > ret->groups) *ret = g;
    }
    return VL_OK;
}

uint32_t quorum_fill(const struct quorum_ask *ask, const struct quorum_node *nodes, uint32_t n_nodes, const bool *taken,
                     const uint32_t *which, uint32_t n) {
    uint32_t set[QUORUM_NODES_MAX], best = n_nodes;
    bool best_keeps = false;
    double least_lack = QUORUM_NEVER;
    if (n >= QUORUM_NODES_MAX) return n_nodes;
    memcpy(set, which, n * sizeof *set);
    for (uint32_t i = 0; i < n_nodes; i++) {
        bool in = false;
        for (uint32_t k = 0; k < n; k++) in = in || which[k] == i;
        if (in) continue;
        set[n] = i;
        double lack = quorum_lacking(ask, nodes, set, n + 1);
        bool keeps = quorum_keeps(ask, nodes, set, n + 1, NULL), wins;
        if (lack >= QUORUM_NEVER) continue;
        if (best == n_nodes || keeps != best_keeps)
            wins = best == n_nodes || keeps;
        else if (taken[i] != taken[best])
            wins = !taken[i];
        else if (keeps)
            wins = by_rank(&(struct rank){ &nodes[i], i }, &(struct rank){ &nodes[best], best }) < 0;
        else
            wins = lack < least_lack;
        if (!wins) continue;
        best = i;
        best_keeps = keeps;
        least_lack = lack;
    }
    return best;
}
