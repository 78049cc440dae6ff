/* The single strategies: each an order of the nodes, and one search that takes the first that fits. */
#include "fog/sched_priv.h"

#include "base/prng.h"
#include "wire/heartbeat.h"

#include <stdlib.h>

/* Strategies whose first choice is often refused (a region, a price) look further in order, but not for ever. */
#define SEARCH_MAX 64u

/* Nodes that may still take something, in a heap by key. */
struct field {
    struct sched_node *nodes;
    uint32_t n_nodes, n, *heap; /* heap: indexes of nodes */
    struct sched_key *key;      /* by node */
    struct sched_key (*key_of)(const struct field *f, const struct sched_node *n);
    uint32_t worst_latency;
    uint64_t home_region, seed;
    bool explores;
    uint32_t n_new, *newcomers; /* doubtful nodes; only when explores */
    struct sched_refusals refusals;
};

static bool before(const struct field *f, uint32_t a, uint32_t b) {
    const struct sched_key *x = &f->key[a], *y = &f->key[b];
    if (x->first != y->first) return x->first < y->first;
    return x->second != y->second ? x->second < y->second : a < b;
}

static void swap(uint32_t *a, uint32_t *b) {
    uint32_t t = *a;
    *a = *b;
    *b = t;
}
static void sift_down(struct field *f, uint32_t i) {
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= f->n) return;
        if (child + 1 < f->n && before(f, f->heap[child + 1], f->heap[child])) child++;
        if (!before(f, f->heap[child], f->heap[i])) return;
        swap(&f->heap[child], &f->heap[i]);
        i = child;
    }
}
static void sift_up(struct field *f, uint32_t i) {
    for (; i > 0 && before(f, f->heap[i], f->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&f->heap[i], &f->heap[(i - 1) / 2]);
}

static void field_close(struct field *f) {
    free(f->heap);
    free(f->key);
    free(f->newcomers);
}

static bool open_for_tasks(const struct sched_node *n) { return n->blocked == 0 && n->slots > 0 && n->free_slots > 0; }

static enum vl_err field_open(struct field *f, const struct sched_state *state, struct sched_node *nodes,
                              uint32_t n_nodes,
                              struct sched_key (*key_of)(const struct field *f, const struct sched_node *n)) {
    size_t room = n_nodes ? n_nodes : 1;
    *f = (struct field){ .nodes = nodes,
                         .n_nodes = n_nodes,
                         .heap = malloc(room * sizeof *f->heap),
                         .key = malloc(room * sizeof *f->key),
                         .newcomers = malloc(room * sizeof *f->newcomers),
                         .key_of = key_of,
                         .worst_latency = sched_worst_latency(nodes, n_nodes),
                         .home_region = state->home_region,
                         .seed = state->seed };
    if (f->heap == NULL || f->key == NULL || f->newcomers == NULL) {
        field_close(f);
        return VL_ENOMEM;
    }
    for (uint32_t i = 0; i < n_nodes; i++) {
        if (!open_for_tasks(&nodes[i])) continue;
        f->key[i] = key_of(f, &nodes[i]);
        f->heap[f->n++] = i;
        if (nodes[i].doubt_milli >= SCHED_DOUBT_MILLI) f->newcomers[f->n_new++] = i;
    }
    for (uint32_t i = f->n / 2; i-- > 0;) sift_down(f, i);
    return VL_OK;
}

/* Place in the heap of the best node that fits; soft ones only when there is no other.  f->n: none. */
static uint32_t scan(const struct field *f, const struct sched_ask *a) {
    uint32_t best = f->n, best_soft = f->n;
    for (uint32_t i = 0; i < f->n; i++) {
        bool soft;
        if (sched_ask_fits(f->nodes, f->heap[i], a, &soft) != SCHED_PLACED) continue;
        uint32_t *slot = soft ? &best_soft : &best;
        if (*slot == f->n || before(f, f->heap[i], f->heap[*slot])) *slot = i;
    }
    return best != f->n ? best : best_soft;
}

/* The same, looking at the nodes in their order as long as that is short: the children of a place in the heap come
 * after it, so that a small list of places holds the next one. */
static uint32_t search(const struct field *f, const struct sched_ask *a) {
    uint32_t edge[SEARCH_MAX + 1], n = 0;
    if (f->n > 0) edge[n++] = 0;
    for (uint32_t seen = 0; n > 0; seen++) {
        if (seen == SEARCH_MAX) return scan(f, a);
        uint32_t first = 0;
        for (uint32_t i = 1; i < n; i++)
            if (before(f, f->heap[edge[i]], f->heap[edge[first]])) first = i;
        uint32_t at = edge[first];
        bool soft;
        if (sched_ask_fits(f->nodes, f->heap[at], a, &soft) == SCHED_PLACED) return soft ? scan(f, a) : at;
        edge[first] = edge[--n];
        for (uint32_t c = 2 * at + 1; c <= 2 * at + 2 && c < f->n; c++) edge[n++] = c; /* one out, two in */
    }
    return f->n;
}

static void take(struct field *f, uint32_t at, const struct sched_task *t) {
    uint32_t x = f->heap[at];
    sched_take(&f->nodes[x], t);
    if (f->nodes[x].free_slots == 0) {
        f->heap[at] = f->heap[--f->n]; /* gone for this batch; who moves in may belong above or below */
        if (at == f->n) return;
    } else {
        f->key[x] = f->key_of(f, &f->nodes[x]);
    }
    sift_up(f, at);
    sift_down(f, at);
}

static double running_share(const struct sched_node *n) { return (double)n->running / n->slots; }

/* A newcomer for a task that explores, the least busy one first; f->n: none fits. */
static uint32_t newcomer(const struct field *f, const struct sched_ask *a) {
    uint32_t best = f->n_nodes;
    for (uint32_t i = 0; i < f->n_new; i++) {
        uint32_t x = f->newcomers[i];
        bool soft;
        if (best != f->n_nodes && running_share(&f->nodes[x]) >= running_share(&f->nodes[best])) continue;
        if (sched_ask_fits(f->nodes, x, a, &soft) == SCHED_PLACED && !soft) best = x;
    }
    if (best == f->n_nodes) return f->n;
    uint32_t at = 0;
    while (at < f->n && f->heap[at] != best) at++;
    return at;
}

static void place_one(struct field *f, const struct sched_task *tasks, uint32_t k, struct sched_choice *ret) {
    enum sched_reason before_it = sched_refused(&f->refusals, &tasks[k]);
    if (before_it != SCHED_PLACED) {
        ret[k] = (struct sched_choice){ .reason = before_it };
        return;
    }
    struct sched_ask a;
    sched_ask_of(f->nodes, f->n_nodes, tasks, k, ret, &a);
    uint32_t at = f->n;
    if (f->explores && f->n_new > 0 && sched_explores(&tasks[k], f->seed)) at = newcomer(f, &a);
    if (at == f->n) at = search(f, &a);
    if (at == f->n) {
        ret[k] = (struct sched_choice){ .reason = sched_refuse(&f->refusals, f->nodes, f->n_nodes, &a) };
        return;
    }
    ret[k] = (struct sched_choice){ .reason = SCHED_PLACED, .node = f->heap[at] };
    take(f, at, &tasks[k]);
}

static enum vl_err place_by_key(const struct sched_state *state, struct sched_node *nodes, uint32_t n_nodes,
                                const struct sched_task *tasks, uint32_t n_tasks, struct sched_choice *ret,
                                struct sched_key (*key_of)(const struct field *, const struct sched_node *),
                                bool explores) {
    struct field f;
    enum vl_err err = field_open(&f, state, nodes, n_nodes, key_of);
    if (err) return err;
    f.explores = explores;
    for (uint32_t k = 0; k < n_tasks; k++) place_one(&f, tasks, k, ret);
    field_close(&f);
    return VL_OK;
}

/* ---- orders ---- */

static uint32_t latency(const struct field *f, const struct sched_node *n) {
    return n->latency_us ? n->latency_us : f->worst_latency;
}
/* What runs counts beside what was measured: the measure is as old as the heartbeat, what was promised since is not in
 * it; and what others than the village do on the machine is in the measure alone. */
static double busy(const struct sched_node *n) { return running_share(n) + n->load_milli / 1000.0; }

static struct sched_key by_latency(const struct field *f, const struct sched_node *n) {
    return (struct sched_key){ latency(f, n), 0 };
}
SCHED_PLACE(sched_place_latency_first) {
    return place_by_key(state, nodes, n_nodes, tasks, n_tasks, ret, by_latency, false);
}

static double larger(double a, double b) { return a > b ? a : b; }
static double used_share(uint64_t total, uint64_t left) {
    return total > left ? (double)(total - left) / (double)total : 0;
}
/* The scarcest of what it has, so that no node is full of memory while its slots are empty. */
static struct sched_key by_balance(const struct field *f, const struct sched_node *n) {
    (void)f;
    double share = larger(running_share(n),
                          larger(used_share(n->memory_total, n->memory_free), used_share(n->disk_total, n->disk_free)));
    return (struct sched_key){ larger(share, n->load_milli / 1000.0), busy(n) };
}
SCHED_PLACE(sched_place_load_balance) {
    return place_by_key(state, nodes, n_nodes, tasks, n_tasks, ret, by_balance, false);
}

static struct sched_key by_trust(const struct field *f, const struct sched_node *n) {
    (void)f;
    return (struct sched_key){ sched_distrust(n), 0 };
}
SCHED_PLACE(sched_place_trust_first) {
    return place_by_key(state, nodes, n_nodes, tasks, n_tasks, ret, by_trust, true);
}

static struct sched_key by_cost(const struct field *f, const struct sched_node *n) {
    (void)f;
    return (struct sched_key){ sched_price_of_work(n->cost, n->rate_milli),
                               sched_price_of_work(n->price, n->rate_milli) };
}
SCHED_PLACE(sched_place_cost) { return place_by_key(state, nodes, n_nodes, tasks, n_tasks, ret, by_cost, false); }

static struct sched_key by_running(const struct field *f, const struct sched_node *n) {
    (void)f;
    return (struct sched_key){ busy(n), 0 };
}
SCHED_PLACE(sched_place_least_loaded) {
    return place_by_key(state, nodes, n_nodes, tasks, n_tasks, ret, by_running, false);
}

/* Latencies within a step are equally near: then the region counts, then who is idle. */
#define PROXIMITY_STEP_US 2000u
static struct sched_key by_proximity(const struct field *f, const struct sched_node *n) {
    bool near = f->home_region != 0 && n->domain[DOMAIN_REGION] == f->home_region;
    double load = busy(n);
    return (struct sched_key){ latency(f, n) / PROXIMITY_STEP_US, (near ? 0 : 1) + load / (1 + load) };
}
SCHED_PLACE(sched_place_proximity) {
    return place_by_key(state, nodes, n_nodes, tasks, n_tasks, ret, by_proximity, false);
}

/* ---- privacy ---- */

/* Labels that the node shares with replicas; the owner before all, who could put two and two together. */
static uint32_t shared_labels(const struct field *f, const struct sched_node *n, const struct sched_ask *a) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < a->n_apart; i++) {
        const struct sched_node *other = &f->nodes[a->apart[i]];
        uint32_t count = 0;
        for (uint32_t d = 0; d < DOMAINS; d++)
            if (n->domain[d] != 0 && n->domain[d] == other->domain[d]) count += d == DOMAIN_OWNER ? DOMAINS : 1;
        if (count > most) most = count;
    }
    return most;
}
static uint32_t most_private(const struct field *f, const struct sched_ask *a) {
    uint32_t best = f->n;
    uint64_t best_rank = UINT64_MAX;
    for (uint32_t i = 0; i < f->n; i++) {
        const struct sched_node *n = &f->nodes[f->heap[i]];
        bool soft;
        if (sched_ask_fits(f->nodes, f->heap[i], a, &soft) != SCHED_PLACED) continue;
        uint64_t rank =
            (uint64_t)soft << 40 | (uint64_t)((n->features & NODE_FEATURE_PRIVATE) == 0) << 32 | shared_labels(f, n, a);
        if (rank > best_rank || (rank == best_rank && !before(f, f->heap[i], f->heap[best]))) continue;
        best = i;
        best_rank = rank;
    }
    return best;
}
/* Private tasks choose first: what reaches the private network is scarcer than what does not. */
SCHED_PLACE(sched_place_privacy_aware) {
    struct field f;
    enum vl_err err = field_open(&f, state, nodes, n_nodes, by_trust);
    if (err) return err;
    f.explores = true;
    for (uint32_t k = 0; k < n_tasks; k++) {
        if (!tasks[k].privacy) continue;
        enum sched_reason no = sched_refused(&f.refusals, &tasks[k]);
        struct sched_ask a;
        sched_ask_of(nodes, n_nodes, tasks, k, ret, &a);
        uint32_t at = no == SCHED_PLACED ? most_private(&f, &a) : f.n;
        if (no == SCHED_PLACED && at == f.n) no = sched_refuse(&f.refusals, nodes, n_nodes, &a);
        ret[k] = (struct sched_choice){ .reason = no, .node = at < f.n ? f.heap[at] : 0 };
        if (at < f.n) take(&f, at, &tasks[k]);
    }
    for (uint32_t k = 0; k < n_tasks; k++)
        if (!tasks[k].privacy) place_one(&f, tasks, k, ret);
    field_close(&f);
    return VL_OK;
}

/* ---- affinity: rendezvous hashing (Thaler & Ravishankar 1998) ---- */

static uint64_t node_word(const struct sched_node *n) {
    uint64_t w;
    memcpy(&w, n->id.b, sizeof w);
    return w;
}
static struct sched_key by_program(const struct field *f, const struct sched_node *n) {
    uint64_t h = sched_mix(sched_mix(node_word(n)) ^ f->seed); /* seed: the program at present */
    return (struct sched_key){ (double)(h >> 11), 0 };
}
static void field_for_program(struct field *f, uint64_t program) {
    f->seed = program;
    for (uint32_t i = 0; i < f->n; i++) f->key[f->heap[i]] = by_program(f, &f->nodes[f->heap[i]]);
    for (uint32_t i = f->n / 2; i-- > 0;) sift_down(f, i);
}
SCHED_PLACE(sched_place_affinity) {
    struct field f;
    enum vl_err err = field_open(&f, state, nodes, n_nodes, by_program);
    if (err) return err;
    for (uint32_t k = 0; k < n_tasks; k++) {
        if (k == 0 || tasks[k].program != f.seed) field_for_program(&f, tasks[k].program);
        place_one(&f, tasks, k, ret);
    }
    field_close(&f);
    return VL_OK;
}

/* ---- round robin, random ---- */

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

SCHED_PLACE(sched_place_round_robin) {
    uint32_t at = resume(state, nodes, n_nodes);
    struct sched_refusals no = { 0 };
    for (uint32_t k = 0; k < n_tasks; k++) {
        enum sched_reason reason = sched_refused(&no, &tasks[k]);
        struct sched_ask a;
        sched_ask_of(nodes, n_nodes, tasks, k, ret, &a);
        uint32_t found = n_nodes, found_soft = n_nodes;
        for (uint32_t i = 0; reason == SCHED_PLACED && i < n_nodes && found == n_nodes; i++) {
            uint32_t x = (at + i) % n_nodes;
            bool soft;
            if (sched_ask_fits(nodes, x, &a, &soft) != SCHED_PLACED) continue;
            if (!soft)
                found = x;
            else if (found_soft == n_nodes)
                found_soft = x;
        }
        if (found == n_nodes) found = found_soft;
        if (found == n_nodes) {
            if (reason == SCHED_PLACED) reason = sched_refuse(&no, nodes, n_nodes, &a);
            ret[k] = (struct sched_choice){ .reason = reason };
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

/* Every node that fits with the same probability: by trial while that is likely to hit, else by one pass. */
#define RANDOM_TRIALS 16u
static uint32_t draw(const struct field *f, const struct sched_ask *a, struct vl_prng *rng) {
    bool soft;
    for (uint32_t i = 0; f->n > 0 && i < RANDOM_TRIALS; i++) {
        uint32_t at = (uint32_t)vl_prng_below(rng, f->n);
        if (sched_ask_fits(f->nodes, f->heap[at], a, &soft) == SCHED_PLACED && !soft) return at;
    }
    uint32_t found[2] = { f->n, f->n }, count[2] = { 0, 0 };
    for (uint32_t i = 0; i < f->n; i++)
        if (sched_ask_fits(f->nodes, f->heap[i], a, &soft) == SCHED_PLACED && vl_prng_below(rng, ++count[soft]) == 0)
            found[soft] = i;
    return found[0] != f->n ? found[0] : found[1];
}
static struct sched_key by_nothing(const struct field *f, const struct sched_node *n) {
    (void)f;
    (void)n;
    return (struct sched_key){ 0, 0 };
}
SCHED_PLACE(sched_place_random) {
    struct field f;
    struct vl_prng rng;
    enum vl_err err = field_open(&f, state, nodes, n_nodes, by_nothing);
    if (err) return err;
    vl_prng_seed(&rng, sched_mix(state->seed) ^ state->batches);
    for (uint32_t k = 0; k < n_tasks; k++) {
        enum sched_reason reason = sched_refused(&f.refusals, &tasks[k]);
        struct sched_ask a;
        sched_ask_of(nodes, n_nodes, tasks, k, ret, &a);
        uint32_t at = reason == SCHED_PLACED ? draw(&f, &a, &rng) : f.n;
        if (reason == SCHED_PLACED && at == f.n) reason = sched_refuse(&f.refusals, nodes, n_nodes, &a);
        ret[k] = (struct sched_choice){ .reason = reason, .node = at < f.n ? f.heap[at] : 0 };
        if (at < f.n) take(&f, at, &tasks[k]);
    }
    field_close(&f);
    return VL_OK;
}
