#include "fog/sched.h"

#include "base/bounds.h"

#include <stdlib.h>

const char *sched_reason_text(enum sched_reason r) {
    switch (r) {
    case SCHED_PLACED:
        return "placed";
    case SCHED_NO_NODES:
        return "there are no nodes";
    case SCHED_NO_READY:
        return "no node is ready: all are offline, in maintenance or failing";
    case SCHED_NO_FEATURE:
        return "no ready node can run this kind of program";
    case SCHED_TOO_LARGE:
        return "no ready node has that much memory or disk";
    case SCHED_EXCLUDED:
        return "the job rules out every node that could run it";
    case SCHED_NO_REGION:
        return "no ready node is in that region";
    case SCHED_NO_TRUST:
        return "no ready node is trusted that much";
    case SCHED_TOO_FAR:
        return "no ready node is that near";
    case SCHED_TOO_DEAR:
        return "no ready node is that cheap";
    case SCHED_NO_ROOM:
        return "memory and disk are taken at present";
    case SCHED_NO_SLOT:
        return "all slots are taken at present";
    case SCHED_AVOIDED:
        return "the nodes with room already hold a replica";
    case SCHED_SPREAD:
        return "the nodes with room share a failure domain with another replica";
    }
    return "unknown";
}

static bool excluded(const struct sched_task *t, const struct vl_node_id *id) {
    for (uint32_t i = 0; i < t->n_exclude; i++)
        if (vl_node_eq(t->exclude[i], *id)) return true;
    for (uint32_t i = 0; i < t->n_only; i++)
        if (vl_node_eq(t->only[i], *id)) return false;
    return t->n_only > 0;
}

enum sched_reason sched_fits(const struct sched_node *n, const struct sched_task *t, bool *ret_soft) {
    *ret_soft = false;
    if (n->blocked != 0) return SCHED_NO_READY;
    if ((n->features & t->features) != t->features || n->slots == 0) return SCHED_NO_FEATURE;
    if (n->memory_total < t->memory_bytes || n->disk_total < t->disk_bytes) return SCHED_TOO_LARGE;
    if (excluded(t, &n->id)) return SCHED_EXCLUDED;
    if (t->region != 0 && n->domain[DOMAIN_REGION] != t->region) return SCHED_NO_REGION;
    if (n->trust_milli < t->min_trust_milli || (t->class == SLA_S && !n->attested)) return SCHED_NO_TRUST;
    if (t->max_latency_us != 0 && (n->latency_us == 0 || n->latency_us > t->max_latency_us)) return SCHED_TOO_FAR;
    if (t->max_price != 0 && n->price > t->max_price) return SCHED_TOO_DEAR;
    if (n->memory_free < t->memory_bytes || n->disk_free < t->disk_bytes) return SCHED_NO_ROOM;
    if (n->free_slots == 0) return SCHED_NO_SLOT;
    for (uint32_t i = 0; i < t->n_avoid; i++) {
        if (!vl_node_eq(t->avoid[i].node, n->id)) continue;
        if (t->avoid[i].hard) return SCHED_AVOIDED;
        *ret_soft = true;
    }
    return SCHED_PLACED;
}

void sched_take(struct sched_node *n, const struct sched_task *t) {
    n->free_slots--;
    n->running++;
    n->memory_free -= t->memory_bytes;
    n->disk_free -= t->disk_bytes;
}

bool sched_spread(const struct sched_task *t, enum domain *ret) {
    if (!t->spread_set && t->class == SLA_B) return false;
    *ret = t->spread_set ? t->spread : DOMAIN_HOST;
    return true;
}

void sched_why(const struct sched_node *nodes, uint32_t n_nodes, const struct sched_task *t, struct sched_why *ret) {
    bool soft;
    *ret = (struct sched_why){ .nodes = n_nodes };
    for (uint32_t i = 0; i < n_nodes; i++) ret->by[sched_fits(&nodes[i], t, &soft)]++;
}

/* Fewer running per slot first; equal: smaller index, which is the smaller id. */
static bool lighter(const struct sched_node *nodes, uint32_t a, uint32_t b) {
    uint64_t x = (uint64_t)nodes[a].running * nodes[b].slots, y = (uint64_t)nodes[b].running * nodes[a].slots;
    return x != y ? x < y : a < b;
}

/* Indexes of nodes that may still take something, lightest first. */
struct load_heap {
    uint32_t *v, n;
    const struct sched_node *nodes;
};

static void sift_down(struct load_heap *h, uint32_t i) {
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= h->n) return;
        if (child + 1 < h->n && lighter(h->nodes, h->v[child + 1], h->v[child])) child++;
        if (!lighter(h->nodes, h->v[child], h->v[i])) return;
        uint32_t t = h->v[i];
        h->v[i] = h->v[child];
        h->v[child] = t;
        i = child;
    }
}

/* Place in the heap of the lightest node that fits; soft ones only when there is no other.  h->n when none fits. */
static uint32_t scan(const struct load_heap *h, const struct sched_task *t) {
    uint32_t best = h->n, best_soft = h->n;
    for (uint32_t i = 0; i < h->n; i++) {
        bool soft;
        if (sched_fits(&h->nodes[h->v[i]], t, &soft) != SCHED_PLACED) continue;
        uint32_t *slot = soft ? &best_soft : &best;
        if (*slot == h->n || lighter(h->nodes, h->v[i], h->v[*slot])) *slot = i;
    }
    return best != h->n ? best : best_soft;
}

static enum sched_reason furthest(const struct sched_node *nodes, uint32_t n, const struct sched_task *t) {
    enum sched_reason r = SCHED_NO_NODES;
    for (uint32_t i = 0; i < n; i++) {
        bool soft;
        enum sched_reason one = sched_fits(&nodes[i], t, &soft);
        if (one > r) r = one;
    }
    return r;
}

/* Room only shrinks within a batch: what did not fit for one task will not fit for the next that asks for the same.
 * Without this a long queue of unplaceable tasks would cost a full scan each. */
struct refusal {
    bool set;
    uint32_t features;
    uint64_t memory_bytes, disk_bytes;
    enum sched_reason reason;
};
static bool refused_before(const struct refusal *r, const struct sched_task *t) {
    return r->set && t->features == r->features && t->memory_bytes == r->memory_bytes && t->disk_bytes == r->disk_bytes;
}
static enum sched_reason refuse(struct refusal *r, const struct sched_node *nodes, uint32_t n,
                                const struct sched_task *t) {
    enum sched_reason reason = furthest(nodes, n, t);
    if (reason != SCHED_AVOIDED) *r = (struct refusal){ true, t->features, t->memory_bytes, t->disk_bytes, reason };
    return reason;
}

static enum vl_err place_least_loaded(struct sched_state *state, struct sched_node *nodes, uint32_t n_nodes,
                                      const struct sched_task *tasks, uint32_t n_tasks, struct sched_choice *ret) {
    (void)state;
    struct load_heap h = { .v = malloc((n_nodes ? n_nodes : 1) * sizeof *h.v), .nodes = nodes };
    if (h.v == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i < n_nodes; i++)
        if (nodes[i].blocked == 0 && nodes[i].slots > 0 && nodes[i].free_slots > 0) h.v[h.n++] = i;
    for (uint32_t i = h.n / 2; i-- > 0;) sift_down(&h, i);
    struct refusal no = { 0 };
    for (uint32_t k = 0; k < n_tasks; k++) {
        if (refused_before(&no, &tasks[k])) {
            ret[k] = (struct sched_choice){ .reason = no.reason };
            continue;
        }
        bool soft = false;
        bool top = h.n > 0 && sched_fits(&nodes[h.v[0]], &tasks[k], &soft) == SCHED_PLACED && !soft;
        uint32_t at = top ? 0 : scan(&h, &tasks[k]);
        if (at == h.n) {
            ret[k] = (struct sched_choice){ .reason = refuse(&no, nodes, n_nodes, &tasks[k]) };
            continue;
        }
        ret[k] = (struct sched_choice){ .reason = SCHED_PLACED, .node = h.v[at] };
        sched_take(&nodes[h.v[at]], &tasks[k]);
        if (nodes[h.v[at]].free_slots == 0) {
            /* Gone for this batch; the last one moves in, and may be lighter than its new parent. */
            h.v[at] = h.v[--h.n];
            for (uint32_t i = at; i > 0 && i < h.n && lighter(nodes, h.v[i], h.v[(i - 1) / 2]); i = (i - 1) / 2) {
                uint32_t t = h.v[i];
                h.v[i] = h.v[(i - 1) / 2];
                h.v[(i - 1) / 2] = t;
            }
        }
        if (at < h.n) sift_down(&h, at);
    }
    free(h.v);
    return VL_OK;
}

/* First index whose id is above the last one used. */
static uint32_t resume(const struct sched_state *state, const struct sched_node *nodes, uint32_t n) {
    if (!state->used) return 0;
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (memcmp(nodes[mid].id.b, state->last.b, sizeof state->last.b) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n ? lo : 0;
}

static enum vl_err place_round_robin(struct sched_state *state, struct sched_node *nodes, uint32_t n_nodes,
                                     const struct sched_task *tasks, uint32_t n_tasks, struct sched_choice *ret) {
    uint32_t at = resume(state, nodes, n_nodes);
    struct refusal no = { 0 };
    for (uint32_t k = 0; k < n_tasks; k++) {
        if (refused_before(&no, &tasks[k])) {
            ret[k] = (struct sched_choice){ .reason = no.reason };
            continue;
        }
        uint32_t found = n_nodes, found_soft = n_nodes;
        for (uint32_t i = 0; i < n_nodes && found == n_nodes; i++) {
            uint32_t x = (at + i) % n_nodes;
            bool soft;
            if (sched_fits(&nodes[x], &tasks[k], &soft) != SCHED_PLACED) continue;
            if (!soft)
                found = x;
            else if (found_soft == n_nodes)
                found_soft = x;
        }
        if (found == n_nodes) found = found_soft;
        if (found == n_nodes) {
            ret[k] = (struct sched_choice){ .reason = refuse(&no, nodes, n_nodes, &tasks[k]) };
            continue;
        }
        ret[k] = (struct sched_choice){ .reason = SCHED_PLACED, .node = found };
        sched_take(&nodes[found], &tasks[k]);
        state->last = nodes[found].id;
        state->used = true;
        at = (found + 1) % n_nodes;
    }
    return VL_OK;
}

static const struct sched_strategy strategies[] = {
    { "least_loaded", place_least_loaded },
    { "round_robin", place_round_robin },
};

const struct sched_strategy *sched_strategy_at(uint32_t i) {
    return i < sizeof strategies / sizeof *strategies ? &strategies[i] : NULL;
}

const struct sched_strategy *sched_strategy_find(const char *name) {
    const struct sched_strategy *s;
    for (uint32_t i = 0; (s = sched_strategy_at(i)) != NULL; i++)
        if (strcmp(s->name, name) == 0) return s;
    return NULL;
}

enum vl_err sched_place(const struct sched_strategy *s, struct sched_state *state, struct sched_node *nodes,
                        uint32_t n_nodes, const struct sched_task *tasks, uint32_t n_tasks, struct sched_choice *ret) {
    if (n_nodes > VL_NODES_MAX || n_tasks > SCHED_BATCH_MAX) return VL_ERANGE;
    for (uint32_t i = 1; i < n_nodes; i++)
        if (memcmp(nodes[i - 1].id.b, nodes[i].id.b, sizeof nodes[i].id.b) >= 0) return VL_ERANGE;
    for (uint32_t i = 0; i < n_tasks; i++)
        if (tasks[i].n_avoid > SCHED_AVOID_MAX) return VL_ERANGE;
    return s->place(state, nodes, n_nodes, tasks, n_tasks, ret);
}
