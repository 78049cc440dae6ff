#include "mix/path_priv.h"

#include <assert.h>
#include <sodium.h>

/* Headers of one use and recipient.  Each is given out at most once: taking wipes it here. */

static void drop_oldest(struct pool *pool) {
    assert(pool->n > 0);
    sphinx_prebuilt_wipe(&pool->v[pool->first].header);
    pool->first = (pool->first + 1) % POOL_MAX;
    pool->n--;
}

void pool_clear(struct paths *p, struct pool *pool) {
    p->stats.expired += pool->n;
    while (pool->n > 0) drop_oldest(pool);
}

void pool_clear_through(struct paths *p, uint32_t first) {
    for (size_t use = 0; use < POOL_USES; use++) {
        struct pool *pool = &p->pool[use];
        bool any = false;
        for (uint32_t i = 0; i < pool->n; i++) any |= pool->v[(pool->first + i) % POOL_MAX].header.first == first;
        if (any) pool_clear(p, pool);
    }
}

/* Throws away what is too old, or leads through a guard that is not in use any more. */
static void pool_purge(struct paths *p, vl_ms now, struct pool *pool) {
    if (pool->n > 0 && pool->guard != paths_guard(p, now)) pool_clear(p, pool);
    while (pool->n > 0 && now >= pool->v[pool->first].end) {
        drop_oldest(pool);
        p->stats.expired++;
    }
}

/* The first epoch of a consensus is the one its keys are for; in the second they are only still accepted. */
static vl_ms end_of(const struct mix_consensus *c, vl_ms now) {
    vl_ms epoch_end = c->valid_from + (c->valid_until - c->valid_from) / 2;
    return vl_ms_min(vl_ms_add(now, POOL_LIFE_MS), now < epoch_end ? epoch_end : c->valid_until);
}

static enum vl_err draw_batch(struct paths *p, vl_ms now, const struct pool *pool, enum paths_use use,
                              struct sphinx_path path[POOL_BATCH]) {
    for (size_t i = 0; i < POOL_BATCH; i++) {
        enum vl_err err = VL_EINTERNAL;
        switch (use) {
        case PATHS_LOOP:
            err = paths_loop(p, now, pool->level, PATHS_SERVICE_MAIL, &path[i]);
            break;
        case PATHS_DROP:
            err = paths_drop(p, now, pool->level, &path[i]);
            break;
        case PATHS_CLIENT:
            err = paths_to_client(p, now, pool->level, pool->to, &path[i], NULL);
            break;
        }
        if (err) return err;
    }
    return VL_OK;
}

static enum vl_err pool_build(struct paths *p, vl_ms now, struct pool *pool, enum paths_use use) {
    struct sphinx_path path[POOL_BATCH];
    struct sphinx_prebuilt made[POOL_BATCH];
    assert(pool->n + POOL_BATCH <= POOL_MAX);
    enum vl_err err = draw_batch(p, now, pool, use, path);
    if (!err) err = sphinx_build(path, POOL_BATCH, &p->sphinx_rng, made);
    if (err) goto out;
    pool->guard = paths_guard(p, now);
    for (size_t i = 0; i < POOL_BATCH; i++) {
        struct pool_entry *e = &pool->v[(pool->first + pool->n++) % POOL_MAX];
        *e = (struct pool_entry){ .header = made[i], .end = end_of(p->topo.c, now) };
        for (uint32_t h = 0; h < path[i].n; h++) e->delay_sum_ms += path[i].hop[h].delay_ms;
    }
    p->stats.built += POOL_BATCH;
out:
    sodium_memzero(made, sizeof made);
    sodium_memzero(path, sizeof path);
    return err;
}

void paths_refill(struct paths *p, vl_ms now, uint32_t wanted) {
    if (wanted > POOL_MAX - POOL_BATCH + 1) wanted = POOL_MAX - POOL_BATCH + 1;
    for (unsigned use = 0; use < POOL_USES; use++) {
        struct pool *pool = &p->pool[use];
        if (!pool->used) continue;
        pool_purge(p, now, pool);
        while (pool->n < wanted)
            if (pool_build(p, now, pool, (enum paths_use)use) != VL_OK) break; /* paths_take() will say why */
    }
}

enum vl_err paths_take(struct paths *p, vl_ms now, enum paths_use use, enum mix_level level, struct vl_node_id to,
                       struct sphinx_prebuilt *ret, uint32_t *ret_delay_sum_ms) {
    struct pool *pool = &p->pool[use];
    bool same = pool->level == level && (use != PATHS_CLIENT || vl_node_eq(pool->to, to));
    if (!pool->used || !same) {
        pool_clear(p, pool);
        pool->used = true;
        pool->level = level;
        pool->to = to;
    }
    pool_purge(p, now, pool);
    if (pool->n == 0) {
        enum vl_err err = pool_build(p, now, pool, use);
        pool->used = err == VL_OK; /* paths_refill() does not try in vain */
        if (err) return err;
    }
    struct pool_entry *e = &pool->v[pool->first];
    *ret = e->header;
    *ret_delay_sum_ms = e->delay_sum_ms;
    drop_oldest(pool);
    p->stats.taken++;
    return VL_OK;
}
