/* Which nodes could keep a job's promise: the registry's nodes as candidates for fog/quorum.h. */
#include "brain/quorum_priv.h"

#include <stdlib.h>
#include <string.h>

void quorum_task_of(const struct job_spec *s, struct sched_task *t) {
    *t = (struct sched_task){ .features = (s->kind == TASK_WASM ? NODE_FEATURE_WASM : NODE_FEATURE_NATIVE) |
                                          (s->privacy ? NODE_FEATURE_PRIVATE : 0u),
                              .memory_bytes = s->limits.memory_bytes,
                              .disk_bytes = s->limits.disk_bytes,
                              .class = s->terms.class,
                              .spread_set = s->terms.spread_set,
                              .spread = s->terms.spread,
                              .min_trust_milli = s->terms.min_trust_milli,
                              .min_attest_milli = s->terms.min_attest_milli,
                              .max_latency_us = s->terms.max_latency_us,
                              .max_price = s->terms.max_price,
                              .region = label_hash(s->terms.region),
                              .n_exclude = s->terms.n_exclude };
    memcpy(t->exclude, s->terms.exclude, sizeof t->exclude);
}

struct quorum_node *quorum_candidates(const struct brain *b, const struct sched_task *t, const struct agreement *kept,
                                      uint32_t *ret_n) {
    struct quorum_node *v = calloc(registry_count(b->registry) + 1u, sizeof *v);
    const struct node_record *r = NULL;
    *ret_n = 0;
    while (v && (r = registry_next(b->registry, r ? &r->id : NULL)) != NULL) {
        struct sched_node n;
        bool soft, up;
        placing_node(b, r, &n);
        n.blocked &= SCHED_MAINTENANCE | SCHED_OFFLINE | SCHED_HARVEST; /* breaker and flapping pass, and show in the bound */
        n.slots = n.free_slots = r->caps.slots; /* one that is being measured is there in a moment */
        n.memory_free = n.memory_total;
        n.disk_free = n.disk_total;
        if (sched_fits(&n, t, &soft) != SCHED_PLACED) continue;
        struct quorum_node *c = &v[(*ret_n)++];
        *c = (struct quorum_node){ .id = r->id, .avail_ppb = quorum_lower_ppb(b, r->id), .price = n.price, .busy = quorum_busy(b, r->id) };
        memcpy(c->domain, n.domain, sizeof c->domain);
        if (kept && agreement_holds(kept, r->id, &up) && up) c->price = 0;
    }
    return v;
}

struct quorum_ask quorum_ask_of(const struct job_spec *s, const struct sched_task *t) {
    /* Class B with one copy: whichever comes first is the result.  Otherwise results are compared, by majority. */
    uint32_t least = s->terms.class == SLA_A ? 2 : s->terms.class == SLA_S ? 3 : 1;
    struct quorum_ask ask = { .tier = s->terms.tier,
                              .majority = s->terms.class != SLA_B || job_spec_replicas(s) > 1,
                              .least = job_spec_replicas(s) > least ? job_spec_replicas(s) : least,
                              .most = JOB_REPLICAS_MAX,
                              .beta = quorum_beta_default() };
    ask.spread_set = sched_spread(t, &ask.spread);
    return ask;
}

uint32_t quorum_width(const struct job_spec *s) { return s->map ? s->n_inputs + s->has_merge : 1; }

enum vl_err quorum_find(const struct brain *b, const struct job_spec *s, bool wide, struct brain_quorum *ret) {
    struct sched_task t;
    quorum_task_of(s, &t);
    struct quorum_ask ask = quorum_ask_of(s, &t);
    *ret = (struct brain_quorum){ .majority = ask.majority };
    struct quorum_node *v = quorum_candidates(b, &t, NULL, &ret->candidates);
    if (v == NULL) return VL_ENOMEM;
    enum vl_err err = quorum_choose(&ask, v, ret->candidates, &ret->choice);
    ret->n = err == VL_OK ? ret->choice.n : 0;
    ret->groups = 1;
    for (uint32_t i = 0; i < ret->n; i++) ret->node[i] = v[ret->choice.node[i]];
    uint32_t want = wide ? quorum_width(s) : 1;
    if (err == VL_OK && ret->choice.ok && want > 1) {
        struct quorum_groups g;
        err = quorum_widen(&ask, v, ret->candidates, &ret->choice, want, &g);
        if (err == VL_OK && g.groups > 1) {
            ret->n = g.groups * g.size;
            ret->groups = g.groups;
            for (uint32_t i = 0; i < ret->n; i++) ret->node[i] = v[g.node[i]];
            ret->choice.n = g.size;
            ret->choice.avail_ppb = g.avail_ppb;
            ret->choice.price = g.price;
        }
    }
    free(v);
    return err;
}
