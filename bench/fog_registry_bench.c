/* fog_registry_bench.c - what 100,000 nodes cost their coordinator (FOG-01, FOG-02): processor time of their heartbeats
 * at one in 30 s, in virtual time, through the shipped decoder, registry_step() and its effects (records encoded as
 * for the store); and heap for each node.  One node in 200 falls silent for two minutes and comes back, so that timers,
 * losses and returns are in it.  Prints two JSON lines; the peer is the budget: 30 % of a core, 1 KiB for a node.
 * Usage: fog_registry_bench [NODES] */
#include "fog/registry.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PERIODS 6u
#define WARM 2u /* periods before the clock runs: all have been heard, none is new */
#define CPU_BUDGET 30.0
#define BYTES_BUDGET 1024.0

static double cpu_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what) {
    (void)fprintf(stderr, "fog_registry_bench: %s\n", what);
    exit(1);
}

static size_t heap(void) {
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static struct vl_node_id node_id(uint32_t i) {
    struct vl_node_id id;
    uint64_t x = i + 1ull;
    for (size_t k = 0; k < 4; k++) { /* as spread as keys are */
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u + 0x9e3779b97f4a7c15u * (k + 1);
        x ^= x >> 27;
        vl_put_u64(id.b + 8 * k, x);
    }
    return id;
}

struct beat { /* one heartbeat on its way */
    vl_ms at;
    uint32_t node;
};

static int by_time(const void *a, const void *b) {
    const struct beat *x = a, *y = b;
    return x->at != y->at ? (x->at < y->at ? -1 : 1) : (x->node > y->node) - (x->node < y->node);
}

/* What a node of a house says: labels, a version, some work. */
static void say(uint32_t i, unsigned round, struct heartbeat *h) {
    *h = (struct heartbeat){ .kind = NODE_COMPUTE, .protocol = 1, .started_ms = 1000, .load_milli = (i * 7 + round * 31) % 1000 };
    h->caps = (struct node_caps){ .cpus = 8, .slots = 8, .memory_bytes = 16ull << 30, .disk_bytes = 100ull << 30, .features = 3 };
    (void)snprintf(h->caps.version, sizeof h->caps.version, "0.2.0");
    (void)snprintf(h->caps.domain[DOMAIN_SITE], LABEL_MAX, "site-%u", i % 1000);
    (void)snprintf(h->caps.domain[DOMAIN_OWNER], LABEL_MAX, "owner-%u", i % 5000);
    (void)snprintf(h->caps.domain[DOMAIN_REGION], LABEL_MAX, "eu-%u", i % 10);
    (void)snprintf(h->addr, sizeof h->addr, "10.%u.%u.%u:7000", i >> 16 & 255, i >> 8 & 255, i & 255);
    h->n_running = (i + round) % 4;
    for (uint32_t k = 0; k < h->n_running; k++) h->running[k] = (struct task_ref){ .job = { { 1 } }, .task = k, .epoch = i + 1 };
    h->free_slots = 8 - h->n_running;
    h->memory_free_bytes = (16ull << 30) - ((uint64_t)h->n_running << 30);
    h->disk_free_bytes = 90ull << 30;
    h->done = round * 4ull;
}

struct bench {
    struct registry *r;
    struct registry_effects fx;
    struct vl_buf record;
    uint64_t beats, changed, written, lost, back;
};

static void carry_out(struct bench *b) {
    for (uint32_t i = 0; i < b->fx.n; i++) {
        const struct registry_effect *e = &b->fx.v[i];
        b->changed += e->kind == REGISTRY_NODE_CHANGED;
        b->lost += e->kind == REGISTRY_NODE_LOST;
        b->back += e->kind == REGISTRY_NODE_BACK;
        if (e->kind != REGISTRY_NODE_CHANGED || !e->persist) continue;
        vl_buf_clear(&b->record);
        if (registry_record_encode(registry_get(b->r, e->node), &b->record)) die("a record does not encode");
        b->written++;
    }
}

static void step(struct bench *b, const struct registry_event *ev) {
    if (registry_step(b->r, ev, &b->fx)) die("an event was refused");
    carry_out(b);
}

/* All heartbeats of the run, in order of time.  Quiet nodes miss four periods in the middle. */
static struct beat *beats_make(uint32_t nodes, vl_ms start, size_t *ret_n) {
    struct vl_prng rng;
    struct beat *v = malloc((size_t)nodes * (PERIODS + 2) * sizeof *v);
    size_t n = 0;
    if (v == NULL) die("out of memory");
    vl_prng_seed(&rng, 7);
    for (uint32_t i = 0; i < nodes; i++) {
        vl_ms at = start + vl_prng_below(&rng, REGISTRY_HEARTBEAT_MS);
        for (unsigned k = 0; at < start + PERIODS * REGISTRY_HEARTBEAT_MS; k++, at = heartbeat_next(&rng, at, REGISTRY_HEARTBEAT_MS))
            if (i % 200 != 0 || k < 1 || k >= 5) v[n++] = (struct beat){ at, i };
    }
    qsort(v, n, sizeof *v, by_time);
    *ret_n = n;
    return v;
}

static double run(struct bench *b, uint32_t nodes, vl_ms start) {
    static struct heartbeat h, got;
    struct vl_buf wire;
    size_t n = 0;
    struct beat *v = beats_make(nodes, start, &n);
    double spent = 0;
    vl_buf_init(&wire, VL_MESSAGE_MAX);
    for (size_t i = 0; i < n; i++) {
        bool counts = v[i].at >= start + WARM * REGISTRY_HEARTBEAT_MS;
        struct vl_node_id id = node_id(v[i].node);
        say(v[i].node, (unsigned)((v[i].at - start) / REGISTRY_HEARTBEAT_MS), &h);
        vl_buf_clear(&wire);
        if (heartbeat_encode(&h, &wire)) die("a heartbeat does not encode");
        double began = cpu_s();
        while (registry_deadline(b->r) <= v[i].at) step(b, &(struct registry_event){ .kind = REGISTRY_TICK, .now = v[i].at });
        if (heartbeat_decode(vl_span(wire.p, wire.len), &got)) die("a heartbeat does not decode");
        step(b, &(struct registry_event){ .kind = REGISTRY_HEARTBEAT, .now = v[i].at, .node = id, .heartbeat = &got });
        if (counts) spent += cpu_s() - began;
        b->beats += counts;
    }
    vl_buf_free(&wire);
    free(v);
    return spent;
}

int main(int argc, char **argv) {
    uint32_t nodes = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : VL_NODES_MAX;
    struct registry_config cfg;
    static struct bench b;
    vl_ms start = 1000000;
    if (nodes == 0 || nodes > VL_NODES_MAX) die("NODES is 1 to 100000");
    registry_config_defaults(&cfg);
    cfg.seed = 11;
    vl_buf_init(&b.record, REGISTRY_RECORD_MAX);
    size_t before = heap();
    if ((b.r = registry_create(&cfg)) == NULL) die("out of memory");
    for (uint32_t i = 0; i < nodes; i++) {
        char name[VL_NAME_MAX];
        (void)snprintf(name, sizeof name, "node-%u", i);
        step(&b, &(struct registry_event){ .kind = REGISTRY_JOINED, .now = start, .node = node_id(i), .name = name, .addr = "" });
    }
    double spent = run(&b, nodes, start);
    double bytes = (double)(heap() - before) / nodes, seconds = (PERIODS - WARM) * REGISTRY_HEARTBEAT_MS / 1e3;
    double percent = spent / seconds * 100;
    (void)fprintf(stderr,
                  "fog_registry_bench: %u nodes, %llu heartbeats, %.2f us each with what they cause; %llu changes told, %llu records"
                  " written, %llu lost, %llu back\n",
                  nodes, (unsigned long long)b.beats, spent / (double)b.beats * 1e6, (unsigned long long)b.changed,
                  (unsigned long long)b.written, (unsigned long long)b.lost, (unsigned long long)b.back);
    (void)printf("{\"name\":\"registry.100k_cpu_percent\",\"value\":%.3f,\"unit\":\"%%\",\"peer\":\"budget of 30 %% of a core\",\"ratio\":%.1f}\n",
                 percent, CPU_BUDGET / percent);
    (void)printf("{\"name\":\"registry.bytes_per_node\",\"value\":%.0f,\"unit\":\"B\",\"peer\":\"budget of 1 KiB\",\"ratio\":%.2f}\n", bytes,
                 BYTES_BUDGET / bytes);
    registry_destroy(b.r);
    vl_buf_free(&b.record);
    return 0;
}
