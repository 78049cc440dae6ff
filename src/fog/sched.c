#include "fog/sched.h"

#include "fog/sched_priv.h"

#include "base/bounds.h"

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
    case SCHED_NO_EVIDENCE:
        return "no ready node has shown evidence of that level";
    case SCHED_TOO_FAR:
        return "no ready node is that near";
    case SCHED_TOO_DEAR:
        return "no ready node is that cheap";
    case SCHED_TOO_LATE:
        return "no ready node would finish before the deadline";
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

/* By the speed of the median node, if its own is not known; 0: nothing is known of the task. */
static uint64_t takes_ms(const struct sched_node *n, const struct sched_task *t) {
    return (uint64_t)t->cpu_milli * 1000 / (n->rate_milli ? n->rate_milli : 1000);
}

enum sched_reason sched_fits(const struct sched_node *n, const struct sched_task *t, bool *ret_soft) {
    *ret_soft = false;
    if (n->blocked != 0) return SCHED_NO_READY;
    if ((n->features & t->features) != t->features || n->slots == 0) return SCHED_NO_FEATURE;
    if (n->memory_total < t->memory_bytes || n->disk_total < t->disk_bytes) return SCHED_TOO_LARGE;
    if (excluded(t, &n->id)) return SCHED_EXCLUDED;
    if (t->region != 0 && n->domain[DOMAIN_REGION] != t->region) return SCHED_NO_REGION;
    if (n->trust_milli < t->min_trust_milli || (t->class == SLA_S && !n->attested)) return SCHED_NO_TRUST;
    if (n->attest_milli < t->min_attest_milli || (n->barred >> t->class & 1) != 0) return SCHED_NO_EVIDENCE;
    if (t->max_latency_us != 0 && (n->latency_us == 0 || n->latency_us > t->max_latency_us)) return SCHED_TOO_FAR;
    if (t->max_price != 0 && n->price > t->max_price) return SCHED_TOO_DEAR;
    if (t->left_ms != 0 && takes_ms(n, t) > t->left_ms) return SCHED_TOO_LATE;
    if (n->memory_free < t->memory_bytes || n->disk_free < t->disk_bytes) return SCHED_NO_ROOM;
    if (n->free_slots == 0) return SCHED_NO_SLOT;
    for (uint32_t i = 0; i < t->n_avoid; i++) {
        if (!vl_node_eq(t->avoid[i].node, n->id)) continue;
        if (t->avoid[i].hard) return SCHED_AVOIDED;
        *ret_soft = true;
    }
    return SCHED_PLACED;
}

double sched_distrust(const struct sched_node *n) {
    double open = n->trust_milli < 1000 ? 1 - n->trust_milli / 1000.0 : 0;
    uint32_t shown = n->attest_milli <= 300 ? 0 : n->attest_milli < 1000 ? n->attest_milli - 300 : 700;
    return open * (1 - shown / 1400.0);
}

/* Callers have asked sched_fits(); figures of a node that lies never wrap. */
void sched_take(struct sched_node *n, const struct sched_task *t) {
    n->free_slots--;
    n->running++;
    n->memory_free -= t->memory_bytes;
    n->disk_free -= t->disk_bytes;
}

bool sched_spread(const struct sched_task *t, enum domain *ret) {
    if (!t->spread_set && t->class == SLA_B) return false;
    *ret = t->spread_set ? t->spread : DOMAIN_OWNER;
    return true;
}

static bool same_label(const struct sched_node *a, const struct sched_node *b, enum domain d) {
    return a->domain[d] != 0 && a->domain[d] == b->domain[d];
}
bool sched_together(const struct sched_node *a, const struct sched_node *b, enum domain d) {
    return same_label(a, b, d) || same_label(a, b, DOMAIN_HOST);
}

uint32_t sched_node_index(const struct sched_node *nodes, uint32_t n_nodes, const struct vl_node_id *id) {
    uint32_t lo = 0, hi = n_nodes;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = memcmp(nodes[mid].id.b, id->b, sizeof id->b);
        if (c == 0) return mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return n_nodes;
}

static bool same_task(const struct sched_task *a, const struct sched_task *b) {
    return a->task == b->task && vl_job_eq(a->job, b->job);
}

void sched_ask_of(const struct sched_node *nodes, uint32_t n_nodes, const struct sched_task *tasks, uint32_t k,
                  const struct sched_choice *before, struct sched_ask *ret) {
    const struct sched_task *t = &tasks[k];
    ret->task = t;
    ret->spread = ret->crowded = false;
    ret->n_apart = ret->n_never = 0;
    bool siblings = k > 0 && same_task(&tasks[k - 1], t);
    if (t->n_avoid == 0 && !siblings) return;
    ret->spread = sched_spread(t, &ret->domain);
    for (uint32_t i = 0; i < t->n_avoid; i++) {
        uint32_t x = t->avoid[i].hard ? sched_node_index(nodes, n_nodes, &t->avoid[i].node) : n_nodes;
        if (x != n_nodes) ret->apart[ret->n_apart++] = x;
    }
    for (uint32_t i = k; siblings && i > 0 && same_task(&tasks[i - 1], t); i--) {
        if (before[i - 1].reason != SCHED_PLACED) continue;
        if (ret->n_never == SCHED_AVOID_MAX) {
            ret->crowded = true;
            return;
        }
        ret->never[ret->n_never++] = before[i - 1].node;
        ret->apart[ret->n_apart++] = before[i - 1].node;
    }
}

enum sched_reason sched_ask_apart(const struct sched_node *nodes, uint32_t node, const struct sched_ask *a) {
    if (a->crowded) return SCHED_AVOIDED;
    for (uint32_t i = 0; i < a->n_never; i++)
        if (a->never[i] == node) return SCHED_AVOIDED;
    if (!a->spread) return SCHED_PLACED;
    for (uint32_t i = 0; i < a->n_apart; i++)
        if (sched_together(&nodes[node], &nodes[a->apart[i]], a->domain)) return SCHED_SPREAD;
    return SCHED_PLACED;
}

enum sched_reason sched_ask_fits(const struct sched_node *nodes, uint32_t node, const struct sched_ask *a,
                                 bool *ret_soft) {
    enum sched_reason r = sched_fits(&nodes[node], a->task, ret_soft);
    return r == SCHED_PLACED ? sched_ask_apart(nodes, node, a) : r;
}

enum sched_reason sched_furthest(const struct sched_node *nodes, uint32_t n_nodes, const struct sched_ask *a) {
    enum sched_reason r = SCHED_NO_NODES;
    for (uint32_t i = 0; i < n_nodes; i++) {
        bool soft;
        enum sched_reason one = sched_ask_fits(nodes, i, a, &soft);
        if (one > r) r = one;
    }
    return r;
}

void sched_why(const struct sched_node *nodes, uint32_t n_nodes, const struct sched_task *t, struct sched_why *ret) {
    bool soft;
    struct sched_ask a;
    *ret = (struct sched_why){ .nodes = n_nodes };
    sched_ask_of(nodes, n_nodes, t, 0, NULL, &a);
    for (uint32_t i = 0; i < n_nodes; i++) ret->by[sched_ask_fits(nodes, i, &a, &soft)]++;
}

uint64_t sched_mix(uint64_t x) { /* the finish of splitmix64 */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}
uint64_t sched_task_hash(const struct sched_task *t, uint64_t seed) {
    uint64_t w[2];
    memcpy(w, t->job.b, sizeof w);
    return sched_mix(sched_mix(seed ^ w[0]) ^ w[1] ^ (uint64_t)t->task * 0x9e3779b97f4a7c15u);
}
bool sched_explores(const struct sched_task *t, uint64_t seed) {
    return t->class == SLA_B && !t->privacy && sched_task_hash(t, seed) % SCHED_EXPLORE_ONE_IN == 0;
}

static bool same_wish(const struct sched_task *a, const struct sched_task *b) {
    return a->features == b->features && a->memory_bytes == b->memory_bytes && a->disk_bytes == b->disk_bytes &&
           (a->class == SLA_S) == (b->class == SLA_S) && a->min_trust_milli == b->min_trust_milli &&
           a->min_attest_milli == b->min_attest_milli && a->class == b->class &&
           a->max_latency_us == b->max_latency_us && a->max_price == b->max_price && a->region == b->region &&
           a->left_ms == b->left_ms && (a->left_ms == 0 || a->cpu_milli == b->cpu_milli) &&
           a->n_exclude == b->n_exclude && memcmp(a->exclude, b->exclude, a->n_exclude * sizeof *a->exclude) == 0 &&
           a->n_only == b->n_only && memcmp(a->only, b->only, a->n_only * sizeof *a->only) == 0;
}
static uint32_t wish_slot(const struct sched_task *t) {
    uint64_t h = t->features ^ t->memory_bytes * 3 ^ sched_mix(t->disk_bytes ^ t->max_price) ^ t->region;
    h ^= (uint64_t)t->min_trust_milli << 32 ^ (uint64_t)t->max_latency_us << 16 ^ (t->class == SLA_S) ^
         t->n_exclude * 8u;
    return (uint32_t)(sched_mix(h) % SCHED_REFUSALS);
}
enum sched_reason sched_refused(const struct sched_refusals *r, const struct sched_task *t) {
    uint32_t s = wish_slot(t);
    return r->v[s].task != NULL && same_wish(r->v[s].task, t) ? r->v[s].reason : SCHED_PLACED;
}
enum sched_reason sched_refuse(struct sched_refusals *r, const struct sched_node *nodes, uint32_t n_nodes,
                               const struct sched_ask *a) {
    enum sched_reason reason = sched_furthest(nodes, n_nodes, a);
    uint32_t s = wish_slot(a->task);
    if (reason < SCHED_AVOIDED) { /* else it is this task's own replicas, and no other's matter */
        r->v[s].task = a->task;
        r->v[s].reason = reason;
    }
    return reason;
}

double sched_load(const struct sched_node *n) {
    double share = n->slots ? (double)n->running / n->slots : 0,
           seen = n->load_milli < 1000 ? n->load_milli / 1000.0 : 1;
    if (share > SCHED_LOAD_MAX) share = SCHED_LOAD_MAX;
    return share > seen ? share : seen;
}
uint32_t sched_worst_latency(const struct sched_node *nodes, uint32_t n_nodes) {
    uint32_t worst = 1;
    for (uint32_t i = 0; i < n_nodes; i++)
        if (nodes[i].latency_us > worst) worst = nodes[i].latency_us;
    return worst;
}
double sched_price_of_work(uint64_t per_hour, uint32_t rate_milli) {
    if (per_hour > TERMS_PRICE_MAX) per_hour = TERMS_PRICE_MAX;
    return (double)per_hour * 1000.0 / (rate_milli ? rate_milli : 1000);
}

static const struct sched_strategy strategies[] = {
    { "default", sched_place_default },
    { "latency_first", sched_place_latency_first },
    { "load_balance", sched_place_load_balance },
    { "trust_first", sched_place_trust_first },
    { "cost", sched_place_cost },
    { "round_robin", sched_place_round_robin },
    { "least_loaded", sched_place_least_loaded },
    { "affinity", sched_place_affinity },
    { "proximity", sched_place_proximity },
    { "privacy_aware", sched_place_privacy_aware },
    { "random", sched_place_random },
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

bool sched_nodes_ok(const struct sched_node *nodes, uint32_t n_nodes) {
    if (n_nodes > VL_NODES_MAX) return false;
    for (uint32_t i = 1; i < n_nodes; i++)
        if (memcmp(nodes[i - 1].id.b, nodes[i].id.b, sizeof nodes[i].id.b) >= 0) return false;
    return true;
}
bool sched_tasks_ok(const struct sched_task *tasks, uint32_t n_tasks) {
    if (n_tasks > SCHED_BATCH_MAX) return false;
    for (uint32_t i = 0; i < n_tasks; i++)
        if (tasks[i].n_avoid > SCHED_AVOID_MAX || tasks[i].n_exclude > TERMS_EXCLUDE_MAX ||
            tasks[i].n_only > SCHED_ONLY_MAX || (unsigned)tasks[i].spread >= DOMAINS ||
            (unsigned)tasks[i].class >= SLA_CLASSES)
            return false;
    return true;
}

enum vl_err sched_place(const struct sched_strategy *s, struct sched_state *state, struct sched_node *nodes,
                        uint32_t n_nodes, const struct sched_task *tasks, uint32_t n_tasks, struct sched_choice *ret) {
    if (!sched_nodes_ok(nodes, n_nodes) || !sched_tasks_ok(tasks, n_tasks)) return VL_ERANGE;
    enum vl_err err = s->place(state, nodes, n_nodes, tasks, n_tasks, ret);
    if (err == VL_OK) state->batches++;
    return err;
}
