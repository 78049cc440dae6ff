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
        *c = (struct quorum_node){ .id = r->id, .avail_ppb = quorum_lower_ppb(b, r->id), .price = n.price };
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

enum vl_err quorum_find(const struct brain *b, const struct job_spec *s, struct brain_quorum *ret) {
    struct sched_task t;
    quorum_task_of(s, &t);
    struct quorum_ask ask = quorum_ask_of(s, &t);
    *ret = (struct brain_quorum){ .majority = ask.majority };
    struct quorum_node *v = quorum_candidates(b, &t, NULL, &ret->candidates);
    if (v == NULL) return VL_ENOMEM;
    enum vl_err err = quorum_choose(&ask, v, ret->candidates, &ret->choice);
    for (uint32_t i = 0; err == VL_OK && i < ret->choice.n; i++) ret->node[i] = v[ret->choice.node[i]];
    free(v);
    return err;
}
