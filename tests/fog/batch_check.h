/* batch_check.h - random batches, and what must be true of any placement of them, said again in other words than the
 * scheduler's: tests and fuzz targets hold it against every strategy and the plan. */
#ifndef VL_TESTS_BATCH_CHECK_H
#define VL_TESTS_BATCH_CHECK_H

#include "base/bytes.h"
#include "base/prng.h"
#include "fog/sched.h"
#include "wire/heartbeat.h"

/* Whether the node could run the task if it were empty of this batch; replicas apart. */
static inline bool batch_may_run(const struct sched_node *n, const struct sched_task *t) {
    bool far = t->max_latency_us > 0 && (n->latency_us == 0 || n->latency_us > t->max_latency_us);
    bool dear = t->max_price > 0 && n->price > t->max_price;
    bool elsewhere = t->region > 0 && t->region != n->domain[DOMAIN_REGION];
    bool unproven = n->attest_milli < t->min_attest_milli || (n->barred & 1u << t->class);
    bool distrusted = n->trust_milli < t->min_trust_milli || (t->class == SLA_S && !n->attested);
    uint32_t speed = n->rate_milli > 0 ? n->rate_milli : 1000;
    bool late = t->left_ms > 0 && t->cpu_milli * 1000ull / speed > t->left_ms;
    bool named = false, invited = t->n_only == 0;
    for (uint32_t i = 0; i < t->n_exclude; i++) named |= vl_node_eq(n->id, t->exclude[i]);
    for (uint32_t i = 0; i < t->n_only; i++) invited |= vl_node_eq(n->id, t->only[i]);
    return !n->blocked && n->slots && !(t->features & ~n->features) && !far && !dear && !late && !elsewhere && !distrusted && !unproven &&
           !named && invited && n->memory_total >= t->memory_bytes && n->disk_total >= t->disk_bytes;
}

static inline bool batch_one_fails_with_other(const struct sched_node *a, const struct sched_node *b, enum domain d) {
    return (a->domain[d] && a->domain[d] == b->domain[d]) ||
           (a->domain[DOMAIN_HOST] && a->domain[DOMAIN_HOST] == b->domain[DOMAIN_HOST]);
}

/* Does a replica of the task on `other` keep `n` from taking one? */
static inline bool batch_kept_off(const struct sched_node *n, const struct sched_node *other,
                                  const struct sched_task *t) {
    if (n == other) return true;
    if (!t->spread_set && t->class == SLA_B) return false;
    return batch_one_fails_with_other(n, other, t->spread_set ? t->spread : DOMAIN_OWNER);
}

static inline bool batch_same_task(const struct sched_task *a, const struct sched_task *b) {
    return vl_job_eq(a->job, b->job) && a->task == b->task;
}

/* Would node x take task k beside all other choices? */
static inline bool batch_takes(const struct sched_node *nodes, uint32_t n, uint32_t x, const struct sched_task *tasks,
                               uint32_t n_tasks, uint32_t k, const struct sched_choice *c) {
    const struct sched_task *t = &tasks[k];
    if (!batch_may_run(&nodes[x], t)) return false;
    for (uint32_t i = 0; i < t->n_avoid; i++)
        for (uint32_t o = 0; o < n; o++)
            if (t->avoid[i].hard && vl_node_eq(t->avoid[i].node, nodes[o].id) &&
                batch_kept_off(&nodes[x], &nodes[o], t))
                return false;
    uint64_t memory = t->memory_bytes, disk = t->disk_bytes;
    uint32_t slots = 1;
    for (uint32_t i = 0; i < n_tasks; i++) {
        if (i == k || c[i].reason != SCHED_PLACED) continue;
        if (batch_same_task(&tasks[i], t) && batch_kept_off(&nodes[x], &nodes[c[i].node], t)) return false;
        if (c[i].node != x) continue;
        if (__builtin_add_overflow(memory, tasks[i].memory_bytes, &memory) ||
            __builtin_add_overflow(disk, tasks[i].disk_bytes, &disk))
            return false;
        slots++;
    }
    return slots <= nodes[x].free_slots && memory <= nodes[x].memory_free && disk <= nodes[x].disk_free;
}

/* What is wrong with a placement on nodes as they were before; NULL: nothing. */
static inline const char *batch_wrong(const struct sched_node *nodes, uint32_t n, const struct sched_task *tasks,
                                      uint32_t n_tasks, const struct sched_choice *c) {
    for (uint32_t k = 0; k < n_tasks; k++) {
        if ((unsigned)c[k].reason >= SCHED_REASONS) return "a reason that there is not";
        if (c[k].reason == SCHED_PLACED && c[k].node >= n) return "a node that there is not";
    }
    for (uint32_t k = 0; k < n_tasks; k++) {
        if (c[k].reason == SCHED_PLACED) {
            if (!batch_takes(nodes, n, c[k].node, tasks, n_tasks, k, c)) return "a task where it may not be";
            continue;
        }
        if ((c[k].reason == SCHED_NO_NODES) != (n == 0)) return "no nodes, it says";
        for (uint32_t x = 0; x < n; x++)
            if (batch_takes(nodes, n, x, tasks, n_tasks, k, c)) return "a task that waits though a node would take it";
    }
    return NULL;
}

/* Node x of a list; few values of everything, so that all reasons, ties and shared domains come up. */
static inline void batch_draw_node(struct vl_prng *r, uint32_t x, struct sched_node *n) {
    *n = (struct sched_node){ .slots = (uint32_t)vl_prng_below(r, 6),
                              .features = (uint32_t)vl_prng_below(r, 8),
                              .blocked = vl_prng_below(r, 8) == 0 ? 1u << vl_prng_below(r, 5) : 0,
                              .latency_us = (uint32_t)vl_prng_below(r, 6) * 1000,
                              .trust_milli = (uint32_t)vl_prng_below(r, 11) * 100,
                              .doubt_milli = (uint32_t)vl_prng_below(r, 11) * 100,
                              .load_milli = (uint32_t)vl_prng_below(r, 5) * 300,
                              .rate_milli = (uint32_t)vl_prng_below(r, 3) * 800,
                              .cost = vl_prng_below(r, 4) * 100,
                              .price = vl_prng_below(r, 20) == 0 ? TERMS_PRICE_MAX : vl_prng_below(r, 6) * 100,
                              .memory_total = 20 + vl_prng_below(r, 100),
                              .disk_total = 20 + vl_prng_below(r, 50),
                              .attested = vl_prng_below(r, 2) == 0,
                              .attest_milli = (uint32_t)vl_prng_below(r, 11) * 100,
                              .barred = vl_prng_below(r, 8) == 0 ? (uint32_t)vl_prng_below(r, 8) : 0 };
    vl_put_u32(n->id.b, x + 1);
    n->running = n->slots ? (uint32_t)vl_prng_below(r, n->slots + 1) : 0;
    n->free_slots = n->slots - n->running;
    n->memory_free = vl_prng_below(r, n->memory_total + 1);
    n->disk_free = vl_prng_below(r, n->disk_total + 1);
    for (uint32_t d = 0; d < DOMAINS; d++) n->domain[d] = vl_prng_below(r, d == DOMAIN_HOST ? 12 : 4);
}

static inline void batch_draw_task(struct vl_prng *r, uint32_t k, uint32_t n_nodes, struct sched_task *t) {
    *t = (struct sched_task){ .task = k,
                              .features = (uint32_t)vl_prng_below(r, 4),
                              .memory_bytes = vl_prng_below(r, 40),
                              .disk_bytes = vl_prng_below(r, 30),
                              .class = (enum sla_class)vl_prng_below(r, SLA_CLASSES),
                              .spread_set = vl_prng_below(r, 4) == 0,
                              .spread = (enum domain)vl_prng_below(r, DOMAINS),
                              .privacy = vl_prng_below(r, 4) == 0,
                              .program = vl_prng_below(r, 4),
                              .cpu_milli = vl_prng_below(r, 3) == 0 ? 0 : (uint32_t)vl_prng_below(r, 1u << 22) };
    if (vl_prng_below(r, 4) == 0) t->min_trust_milli = (uint32_t)vl_prng_below(r, 1002);
    if (vl_prng_below(r, 6) == 0) t->min_attest_milli = (uint32_t)vl_prng_below(r, 1001);
    if (vl_prng_below(r, 5) == 0) t->max_latency_us = (uint32_t)vl_prng_below(r, 6000);
    if (vl_prng_below(r, 5) == 0) t->max_price = 1 + vl_prng_below(r, 600);
    if (vl_prng_below(r, 6) == 0) t->left_ms = 1 + vl_prng_below(r, 1u << 22);
    if (vl_prng_below(r, 6) == 0) t->region = vl_prng_below(r, 4);
    uint32_t range = n_nodes + 1; /* the last one is in no list */
    if (vl_prng_below(r, 5) == 0) {
        t->n_exclude = (uint32_t)vl_prng_below(r, 4);
        for (uint32_t i = 0; i < t->n_exclude; i++) vl_put_u32(t->exclude[i].b, 1 + (uint32_t)vl_prng_below(r, range));
    }
    if (vl_prng_below(r, 10) == 0) {
        t->n_only = 1 + (uint32_t)vl_prng_below(r, 3);
        for (uint32_t i = 0; i < t->n_only; i++) vl_put_u32(t->only[i].b, 1 + (uint32_t)vl_prng_below(r, range));
    }
    if (vl_prng_below(r, 3) == 0) {
        t->n_avoid = (uint32_t)vl_prng_below(r, 4);
        for (uint32_t i = 0; i < t->n_avoid; i++) {
            vl_put_u32(t->avoid[i].node.b, 1 + (uint32_t)vl_prng_below(r, range));
            t->avoid[i].hard = vl_prng_below(r, 2) == 0;
        }
    }
}
/* One task in five is a further replica of the one before. */
static inline void batch_draw(struct vl_prng *r, struct sched_node *nodes, uint32_t n, struct sched_task *tasks,
                              uint32_t n_tasks) {
    for (uint32_t x = 0; x < n; x++) batch_draw_node(r, x, &nodes[x]);
    for (uint32_t k = 0; k < n_tasks; k++) {
        if (k > 0 && vl_prng_below(r, 5) == 0)
            tasks[k] = tasks[k - 1];
        else
            batch_draw_task(r, k, n, &tasks[k]);
    }
}

#endif
