/* Placement: how long a batch takes and how good it is beside plain NSGA-II, and how many placements a second the
 * default path makes.  Nodes and tasks are drawn in the shape of a published GPU cluster's trace: memory and times of
 * many orders, latency lognormal, reputation Beta(8,2), prices that rise with it, a third to two thirds of the room
 * asked for. */
#include "fog/pareto.h"
#include "fog/plan.h"

#include "base/prng.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_s(void) { /* of this thread alone: others build on the same machine */
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
_Noreturn static void die(const char *what) {
    fprintf(stderr, "fog_plan_bench: %s\n", what);
    exit(1);
}
static void *must(void *p) {
    if (p == NULL) die("out of memory");
    return p;
}
static void print(const char *name, double value, const char *unit, const char *peer, double peer_value) {
    if (peer != NULL)
        printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"peer\":\"%s\",\"ratio\":%.4g}\n", name, value, unit,
               peer, value / peer_value);
    else
        printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"peer\":null,\"ratio\":null}\n", name, value, unit);
    fflush(stdout);
}
static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *v, size_t n) {
    qsort(v, n, sizeof *v, by_size);
    return v[n / 2];
}

/* ---- the generator ---- */

static double exponential(struct vl_prng *r) { return -log(1 - vl_prng_unit(r)); }
static double normal(struct vl_prng *r) { return sqrt(2 * exponential(r)) * cos(6.283185307179586 * vl_prng_unit(r)); }
static double beta_8_2(struct vl_prng *r) {
    double a = 0, b = 0;
    for (int i = 0; i < 8; i++) a += exponential(r);
    for (int i = 0; i < 2; i++) b += exponential(r);
    return a / (a + b);
}

struct batch {
    struct sched_node *nodes;
    struct sched_task *tasks;
    uint32_t n_nodes, n_tasks;
};

static void draw_nodes(struct batch *b, struct vl_prng *r, double slots_mean) {
    static const uint64_t gib[] = { 64, 256, 256, 384, 512, 768 };
    for (uint32_t i = 0; i < b->n_nodes; i++) {
        struct sched_node *n = &b->nodes[i];
        uint32_t slots = 1 + (uint32_t)(2 * (slots_mean - 1) * vl_prng_unit(r) + 0.5),
                 k = (uint32_t)vl_prng_below(r, 6);
        double trust = beta_8_2(r), cost = 20000 * exp(0.6 * normal(r));
        *n = (struct sched_node){ .features = 3,
                                  .slots = slots,
                                  .free_slots = slots,
                                  .latency_us = (uint32_t)(20000 * exp(0.5 * normal(r))),
                                  .trust_milli = (uint32_t)(1000 * trust),
                                  .memory_total = gib[k] << 30,
                                  .disk_total = 1ull << 40,
                                  .rate_milli = (uint32_t)(1000 * exp(0.2 * normal(r))),
                                  .cost = (uint64_t)cost,
                                  .price = (uint64_t)(cost * (0.8 + 0.8 * trust) * exp(0.1 * normal(r))) };
        n->memory_free = n->memory_total;
        n->disk_free = n->disk_total;
        n->id.b[0] = (uint8_t)(i >> 16);
        n->id.b[1] = (uint8_t)(i >> 8);
        n->id.b[2] = (uint8_t)i;
    }
}
static void draw_tasks(struct batch *b, struct vl_prng *r) {
    for (uint32_t i = 0; i < b->n_tasks; i++) {
        double mib = 8192 * exp(1.1 * normal(r)), seconds = 616 * exp(2.0 * normal(r));
        b->tasks[i] = (struct sched_task){ .task = i,
                                           .features = 1 + (uint32_t)vl_prng_below(r, 2),
                                           .class = (enum sla_class)vl_prng_below(r, 2),
                                           .memory_bytes = (uint64_t)(mib < 131072 ? mib : 131072) << 20,
                                           .disk_bytes = 1ull << 30,
                                           .cpu_milli = (uint32_t)(1000 * (seconds < 1e6 ? seconds : 1e6)) };
    }
}
static struct batch draw(uint32_t n_tasks, uint32_t n_nodes, uint64_t seed) {
    struct vl_prng r;
    struct batch b = { must(calloc(n_nodes, sizeof *b.nodes)), must(calloc(n_tasks, sizeof *b.tasks)), n_nodes,
                       n_tasks };
    vl_prng_seed(&r, seed);
    double load = 0.35 + 0.35 * vl_prng_unit(&r), slots = (double)n_tasks / n_nodes / load;
    draw_nodes(&b, &r, slots > 1.5 ? slots : 1.5);
    draw_tasks(&b, &r);
    return b;
}
static void batch_free(struct batch *b) {
    free(b->nodes);
    free(b->tasks);
}

/* ---- one batch ---- */

struct box {
    double lo[PLAN_OBJECTIVES], hi[PLAN_OBJECTIVES];
};
static void widen(struct box *x, const double f[PLAN_OBJECTIVES], bool top) {
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
        if (f[o] < x->lo[o]) x->lo[o] = f[o];
        if (top && f[o] > x->hi[o]) x->hi[o] = f[o];
    }
}

/* The box in which both are measured hangs on neither: its worst corner is the worst of the single strategies. */
static void strategies(const struct plan_input *in, struct box *x, bool table) {
    struct sched_node *nodes = must(malloc(in->n_nodes * sizeof *nodes));
    struct sched_choice *c = must(malloc(in->n_tasks * sizeof *c));
    static const char *const names[] = { "latency_first", "load_balance", "trust_first", "cost" };
    for (uint32_t k = 0; k < 4; k++) {
        struct sched_state state = { .seed = in->seed };
        double f[PLAN_OBJECTIVES], a = now_s();
        memcpy(nodes, in->nodes, in->n_nodes * sizeof *nodes);
        if (sched_place(sched_strategy_find(names[k]), &state, nodes, in->n_nodes, in->tasks, in->n_tasks, c) != VL_OK)
            die("a strategy failed");
        double b = now_s();
        if (plan_evaluate(in, c, f) > 0) die("a strategy broke capacity");
        widen(x, f, true);
        if (table)
            printf("# %-14s latency %.2f balance %.4f distrust %.3f cost %.0f price %.0f ms %.3f\n", names[k], f[0],
                   f[1], f[2], f[3], f[4], (b - a) * 1e3);
    }
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) x->hi[o] += 0.1 * (x->hi[o] - x->lo[o]);
    free(nodes);
    free(c);
}

static double volume(const struct plan_result *r, const struct box *x) {
    double f[PLAN_FRONT_MAX * PLAN_OBJECTIVES];
    for (uint32_t i = 0; i < r->n_front; i++)
        memcpy(f + (size_t)i * PLAN_OBJECTIVES, r->front[i].f, sizeof r->front[i].f);
    return pareto_hypervolume_share(f, r->n_front, PLAN_OBJECTIVES, x->lo, x->hi, 200000, 1);
}

/* The product ends a search after 50 ms; what follows it takes some more. */
#define BOX_S 0.042
static bool expired(void *arg) { return now_s() - *(double *)arg > BOX_S; }

static double plan(struct plan_input *in, struct plan_result *r) {
    double a = now_s();
    in->expired = in->config->plain ? NULL : expired;
    in->arg = &a;
    if (plan_run(in, r) != VL_OK) die("plan_run failed");
    double f[PLAN_OBJECTIVES], ms = (now_s() - a) * 1e3;
    if (plan_evaluate(in, r->choice, f) > 0) die("the plan broke capacity");
    return ms;
}

struct figures {
    double ms, hv, plain_ms, plain_hv, first;
};
static struct figures compare(uint32_t n_tasks, uint32_t n_nodes, uint64_t seed, bool table) {
    struct plan_config c = plan_config_default(), plain = c;
    plain.plain = true;
    struct batch b = draw(n_tasks, n_nodes, seed);
    struct plan_input in = {
        .config = &c, .seed = seed, .nodes = b.nodes, .n_nodes = n_nodes, .tasks = b.tasks, .n_tasks = n_tasks
    };
    struct plan_result *r = must(calloc(2, sizeof *r));
    struct box x;
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
        x.lo[o] = INFINITY;
        x.hi[o] = -INFINITY;
    }
    struct figures f = { .ms = plan(&in, &r[0]) };
    in.config = &plain;
    f.plain_ms = plan(&in, &r[1]);
    strategies(&in, &x, table);
    for (uint32_t k = 0; k < 2; k++)
        for (uint32_t i = 0; i < r[k].n_front; i++) widen(&x, r[k].front[i].f, false);
    f.hv = volume(&r[0], &x);
    f.plain_hv = volume(&r[1], &x);
    f.first = r[0].hypervolume_first / r[0].hypervolume;
    for (uint32_t k = 0; table && k < 2; k++) {
        const struct plan_result *p = &r[k];
        printf("# %-14s %u x %u: hv %.3f, best latency %.2f balance %.4f distrust %.3f cost %.0f price %.0f, ms %.2f, "
               "placed %u, front %u\n",
               k ? "plain NSGA-II" : "default", n_tasks, n_nodes, k ? f.plain_hv : f.hv, p->ideal[0], p->ideal[1],
               p->ideal[2], p->ideal[3], p->ideal[4], k ? f.plain_ms : f.ms, p->placed, p->n_front);
        if (k == 0)
            printf("#   gap: latency %.3f distrust %.3f cost %.3f price %.3f; seeds had %.2f of the volume; merged %x; "
                   "score %.3f evaluations %u\n",
                   p->gap[0], p->gap[2], p->gap[3], p->gap[4], f.first, p->merged, p->score, p->evaluations);
    }
    plan_result_free(&r[0]);
    plan_result_free(&r[1]);
    free(r);
    batch_free(&b);
    return f;
}

#define SEEDS 9u
static void bench_batch(const char *name, uint32_t n_tasks, uint32_t n_nodes, uint32_t seeds, bool table) {
    double ms[SEEDS], hv[SEEDS], plain_hv[SEEDS], plain_ms[SEEDS];
    char line[64];
    for (uint32_t s = 0; s < seeds; s++) {
        struct figures f = compare(n_tasks, n_nodes, s + 1, table);
        ms[s] = f.ms;
        hv[s] = f.hv;
        plain_ms[s] = f.plain_ms;
        plain_hv[s] = f.plain_hv;
    }
    snprintf(line, sizeof line, "sched.batch_%s_ms", name);
    print(line, median(ms, seeds), "ms", "NSGA-II 50x100 as published", median(plain_ms, seeds));
    double peer = median(plain_hv, seeds);
    snprintf(line, sizeof line, "sched.batch_%s_hv", name);
    if (peer > 0)
        print(line, median(hv, seeds), "share", "NSGA-II 50x100 as published", peer);
    else
        print(line, median(hv, seeds), "share", NULL, 0); /* the peer placed nothing that holds */
}

static void bench_fast(void) {
    enum { TASKS = 40000, NODES = 10000, RUNS = 9 };
    struct batch b = draw(TASKS, NODES, 7);
    struct sched_node *nodes = must(malloc(NODES * sizeof *nodes));
    struct sched_choice *c = must(malloc(TASKS * sizeof *c));
    double rate[RUNS];
    for (uint32_t k = 0; k < RUNS; k++) {
        struct sched_fast *f;
        memcpy(nodes, b.nodes, NODES * sizeof *nodes);
        if (sched_fast_create(nodes, NODES, k, &f) != VL_OK) die("no index");
        double a = now_s();
        for (uint32_t i = 0; i < TASKS; i += 4000)
            if (sched_fast_place(f, b.tasks + i, 4000, c + i) != VL_OK) die("not placed");
        rate[k] = TASKS / (now_s() - a);
        sched_fast_destroy(f);
    }
    print("sched.fast_rate", median(rate, RUNS), "placements/s", NULL, 0);
    free(nodes);
    free(c);
    batch_free(&b);
}

int main(int argc, char **argv) {
    bool table = argc > 1 && strcmp(argv[1], "--table") == 0;
    bench_batch("100x100", 100, 100, SEEDS, table);
    bench_batch("1000x1523", 1000, 1523, 3, table);
    if (table) {
        bench_batch("30x10", 30, 10, 5, true);
        bench_batch("100x30", 100, 30, 5, true);
    }
    bench_fast();
    return 0;
}
