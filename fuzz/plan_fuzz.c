/* Hostile batches under every strategy, the kept index and the plan: figures of all sizes, wishes that contradict each
 * other, replicas, lists that name nodes that there are not.  No node is ever above its capacity, every rule holds, and
 * whoever waits has a reason and no node that would take it.  Bytes: what to run, counts, then nodes and tasks. */
#include "fog/batch_check.h"
#include "fog/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NODES 8u
#define TASKS 12u

struct bytes {
    const uint8_t *p;
    size_t n;
};
static uint8_t take(struct bytes *b) {
    if (b->n == 0) return 0;
    b->n--;
    return *b->p++;
}
/* Small ones, and those at which sums and products break. */
static uint64_t figure(struct bytes *b) {
    static const uint64_t edges[] = { 0,
                                      999,
                                      1000,
                                      1001,
                                      65535,
                                      1u << 20,
                                      UINT32_MAX,
                                      1ull << 32,
                                      1ull << 40,
                                      TERMS_PRICE_MAX,
                                      UINT64_MAX / 2,
                                      UINT64_MAX };
    uint8_t x = take(b);
    return x < 200 ? x : edges[x % (sizeof edges / sizeof *edges)];
}
static uint32_t figure32(struct bytes *b) {
    uint64_t x = figure(b);
    return x < UINT32_MAX ? (uint32_t)x : UINT32_MAX;
}

static void node_of(struct bytes *b, uint32_t i, struct sched_node *n) {
    uint8_t flags = take(b);
    *n = (struct sched_node){ .blocked = (flags & 3) == 3 ? 1u + flags / 64u : 0,
                              .features = flags >> 2 & 7,
                              .attested = flags & 128,
                              .slots = figure32(b),
                              .running = figure32(b),
                              .load_milli = figure32(b),
                              .memory_total = figure(b),
                              .disk_total = figure(b),
                              .latency_us = figure32(b),
                              .trust_milli = figure32(b),
                              .doubt_milli = figure32(b),
                              .rate_milli = figure32(b),
                              .cost = figure(b),
                              .price = figure(b) };
    vl_put_u32(n->id.b, i + 1);
    n->free_slots = n->slots > n->running ? n->slots - n->running : 0;
    n->memory_free = n->memory_total - n->memory_total / 256 * take(b);
    n->disk_free = n->disk_total - n->disk_total / 256 * take(b);
    for (uint32_t d = 0; d < DOMAINS; d++) n->domain[d] = take(b) % 4;
}

static void task_of(struct bytes *b, uint32_t k, struct sched_task *t) {
    uint8_t flags = take(b), lists = take(b);
    *t = (struct sched_task){ .task = k,
                              .features = flags & 7,
                              .class = (enum sla_class)((flags >> 3 & 7) % SLA_CLASSES),
                              .privacy = flags & 64,
                              .spread_set = flags & 128,
                              .spread = (enum domain)(take(b) % DOMAINS),
                              .memory_bytes = figure(b),
                              .disk_bytes = figure(b),
                              .min_trust_milli = figure32(b),
                              .max_latency_us = figure32(b),
                              .max_price = figure(b),
                              .region = take(b) % 4,
                              .program = figure(b),
                              .cpu_milli = figure32(b) };
    t->n_exclude = lists & 3;
    t->n_only = lists >> 2 & 1;
    t->n_avoid = lists >> 4 & 3;
    for (uint32_t i = 0; i < t->n_exclude; i++) vl_put_u32(t->exclude[i].b, take(b) % (NODES + 2u));
    for (uint32_t i = 0; i < t->n_only; i++) vl_put_u32(t->only[i].b, take(b) % (NODES + 2u));
    for (uint32_t i = 0; i < t->n_avoid; i++) {
        uint8_t x = take(b);
        vl_put_u32(t->avoid[i].node.b, (x & 127) % (NODES + 2u));
        t->avoid[i].hard = x & 128;
    }
}

static void check(const struct sched_node *nodes, uint32_t n, const struct sched_task *tasks, uint32_t n_tasks,
                  const struct sched_choice *c) {
    if (batch_wrong(nodes, n, tasks, n_tasks, c) != NULL) abort();
    for (uint32_t k = 0; k < n_tasks; k++) {
        struct sched_why why;
        uint32_t sum = 0;
        sched_why(nodes, n, &tasks[k], &why);
        for (uint32_t i = 0; i < SCHED_REASONS; i++) sum += why.by[i];
        if (sum != n) abort();
    }
}

static void plan(struct plan_input *in, uint8_t how) {
    struct plan_config config = plan_config_default();
    struct plan_result r;
    double f[PLAN_OBJECTIVES];
    config.generations = how >> 4 & 3;
    config.plain = how & 64;
    config.full_scan = how & 128 ? 2 : 200;
    config.sample = 2;
    in->config = &config;
    if (plan_run(in, &r) != VL_OK) abort();
    check(in->nodes, in->n_nodes, in->tasks, in->n_tasks, r.choice);
    if (plan_evaluate(in, r.choice, f) > 0 || !isfinite(r.score)) abort();
    for (uint32_t i = 0; i < r.n_front; i++)
        for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++)
            if (!isfinite(r.front[i].f[o]) || r.front[i].f[o] < r.bound[o]) abort(); /* false beside NAN */
    plan_result_free(&r);
}

static void keep_index(struct sched_node *nodes, uint32_t n, const struct sched_task *tasks, uint32_t n_tasks) {
    struct sched_fast *f;
    struct sched_node before[NODES];
    struct sched_choice c[TASKS];
    if (sched_fast_create(nodes, n, 5, &f) != VL_OK) abort();
    for (uint32_t round = 0; round < 3; round++) {
        memcpy(before, nodes, n * sizeof *nodes);
        if (sched_fast_place(f, tasks, n_tasks, c) != VL_OK) abort();
        check(before, n, tasks, n_tasks, c);
        for (uint32_t k = 0; k < n_tasks; k++) {
            if (c[k].reason != SCHED_PLACED || k % 2) continue; /* every other one ends */
            struct sched_node *x = &nodes[c[k].node];
            x->free_slots++;
            x->running--;
            x->memory_free += tasks[k].memory_bytes;
            x->disk_free += tasks[k].disk_bytes;
            sched_fast_update(f, c[k].node);
        }
    }
    sched_fast_destroy(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t size) {
    static struct sched_node before[NODES], nodes[NODES];
    static struct sched_task tasks[TASKS];
    struct sched_choice c[TASKS];
    struct bytes b = { p, size };
    uint8_t how = take(&b), counts = take(&b), again = take(&b);
    uint32_t n = counts % (NODES + 1u), n_tasks = (counts >> 4) % (TASKS + 1u);
    for (uint32_t i = 0; i < n; i++) node_of(&b, i, &before[i]);
    for (uint32_t k = 0; k < n_tasks; k++) {
        if (k > 0 && again >> k % 8 & 1)
            tasks[k] = tasks[k - 1]; /* a further replica */
        else
            task_of(&b, k, &tasks[k]);
    }
    memcpy(nodes, before, sizeof nodes);
    const struct sched_strategy *s = sched_strategy_at(how % 14u);
    if (s != NULL) {
        struct sched_state state = { .seed = how, .home_region = how % 4u };
        if (sched_place(s, &state, nodes, n, tasks, n_tasks, c) != VL_OK) abort();
        check(before, n, tasks, n_tasks, c);
    } else if (how % 14u == 11) {
        keep_index(nodes, n, tasks, n_tasks);
    } else {
        struct plan_input in = { .seed = how, .nodes = before, .n_nodes = n, .tasks = tasks, .n_tasks = n_tasks };
        plan(&in, how);
    }
    return 0;
}
