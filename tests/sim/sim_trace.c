/* sim_trace.c - replays the trace of a real GPU cluster (openb: 1,523 nodes, 8,152 pods, 149 days) in virtual time
 * through the shipped scheduler: the default path with its kept index, and two single strategies beside it.
 *
 * A pod is a task with its share of processors and GPUs and the time it ran.  The scheduler counts memory, disk and
 * slots of a node: here processors stand in the place of memory and GPUs in that of disk, both in thousandths, for they
 * are what was short in that cluster; slots are as many as processors.  A pod that finds no room waits, and is tried
 * again in the order of arrival whenever one has ended.
 *
 * sim_trace [--speed X] [--share N] [DIRECTORY]: pods arrive X times as fast as they did (they run as long as they did;
 * at their own pace the cluster is nearly empty), on every N-th node.  The trace is not ours to ship: name its
 * directory, or have it in $VILLAGE_SHARED/data/fog. */
#include "fog/sched.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NODES_FILE "openb_node_list_all_node.csv"
#define PODS_FILE "openb_pod_list_default.csv"
#define NODES_MAX 65536u
#define FEATURE_CPU 1u
#define FEATURE_GPU 2u
#define SPEED 1000.0 /* and SHARE: room is short for a while, so that it matters who goes where */
#define SHARE 4u
#define SKIPPED 0 /* a machine without the trace has done nothing wrong */

struct pod {
    uint64_t cpu, gpu;    /* thousandths */
    double arrives, runs; /* seconds */
    double begins;        /* virtual; < 0: not yet */
    uint32_t node;
};
struct trace {
    struct sched_node *nodes; /* as at the start */
    struct pod *pods;
    uint32_t n_nodes, n_pods;
};

_Noreturn static void die(const char *what) {
    fprintf(stderr, "sim_trace: %s\n", what);
    exit(1);
}
static void *must(void *p) {
    if (p == NULL) die("out of memory");
    return p;
}
static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- reading ---- */

/* Cuts a line at its commas, in place; returns the number of fields. */
static uint32_t fields(char *line, char **ret, uint32_t max) {
    uint32_t n = 0;
    line[strcspn(line, "\r\n")] = 0;
    for (char *p = line; p != NULL && n < max; n++) {
        ret[n] = p;
        p = strchr(p, ',');
        if (p != NULL) *p++ = 0;
    }
    return n;
}
static double number(const char *text) { return text[0] ? strtod(text, NULL) : -1; }

static FILE *open_in(const char *directory, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return fopen(path, "r");
}

static void read_nodes(FILE *f, uint32_t share, struct trace *t) {
    char line[512], *v[5];
    t->nodes = must(calloc(NODES_MAX, sizeof *t->nodes));
    for (uint32_t row = 0; fgets(line, sizeof line, f) != NULL; row++) {
        if (row == 0 || row % share != 0 || t->n_nodes == NODES_MAX || fields(line, v, 5) < 4) continue;
        struct sched_node *n = &t->nodes[t->n_nodes];
        double cpu = number(v[1]), gpus = number(v[3]);
        *n = (struct sched_node){ .features = FEATURE_CPU | (gpus > 0 ? FEATURE_GPU : 0),
                                  .slots = (uint32_t)(cpu / 1000) + 1,
                                  .latency_us = 1000,
                                  .trust_milli = 900,
                                  .memory_total = (uint64_t)cpu,
                                  .disk_total = (uint64_t)(1000 * gpus),
                                  .cost = 1000 + (gpus > 0 ? (uint64_t)(2000 * gpus) : 0) };
        n->price = 2 * n->cost;
        n->free_slots = n->slots;
        n->memory_free = n->memory_total;
        n->disk_free = n->disk_total;
        n->id.b[0] = (uint8_t)(t->n_nodes >> 8);
        n->id.b[1] = (uint8_t)t->n_nodes;
        t->n_nodes++;
    }
}

static int by_arrival(const void *a, const void *b) {
    const struct pod *x = a, *y = b;
    return (x->arrives > y->arrives) - (x->arrives < y->arrives);
}
static void read_pods(FILE *f, double speed, struct trace *t) {
    char line[512], *v[11];
    uint32_t room = 0;
    for (uint32_t row = 0; fgets(line, sizeof line, f) != NULL; row++) {
        if (row == 0 || fields(line, v, 11) < 11) continue;
        double created = number(v[8]), deleted = number(v[9]), scheduled = number(v[10]);
        double begun = scheduled >= 0 ? scheduled : created;
        if (deleted < begun || created < 0) continue;
        if (t->n_pods == room) t->pods = must(realloc(t->pods, (room = room ? 2 * room : 1024) * sizeof *t->pods));
        double gpus = number(v[3]), each = number(v[4]);
        t->pods[t->n_pods++] = (struct pod){ .cpu = (uint64_t)number(v[1]),
                                             .gpu = gpus > 0 ? (uint64_t)(gpus * each) : 0,
                                             .arrives = created / speed,
                                             .runs = deleted - begun };
    }
    if (t->n_pods > 0) qsort(t->pods, t->n_pods, sizeof *t->pods, by_arrival);
}

/* ---- one replay ---- */

struct replay {
    const struct trace *t;
    struct pod *pods;
    struct sched_node *nodes;
    struct sched_fast *fast; /* NULL: by strategy */
    const struct sched_strategy *strategy;
    struct sched_state state;
    uint32_t *running, n_running; /* pods in a heap by their end */
    uint32_t *waiting, n_waiting;
    struct sched_task *tasks;
    struct sched_choice *choice;
    double *used;                     /* by node: processor-seconds */
    double now, short_s, short_gpu_s; /* time in which something waited, and GPUs in use in it */
    double open_s, open_cpu_s;        /* time in which pods arrived, and processors in use in it */
    uint64_t busy_cpu, busy_gpu, all_cpu, all_gpu;
    uint64_t placements;
};

static double end_of(const struct replay *r, uint32_t pod) { return r->pods[pod].begins + r->pods[pod].runs; }

static void heap_push(struct replay *r, uint32_t pod) {
    uint32_t i = r->n_running++;
    for (; i > 0 && end_of(r, pod) < end_of(r, r->running[(i - 1) / 2]); i = (i - 1) / 2)
        r->running[i] = r->running[(i - 1) / 2];
    r->running[i] = pod;
}
static uint32_t heap_pop(struct replay *r) {
    uint32_t top = r->running[0], last = r->running[--r->n_running], i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= r->n_running) break;
        if (child + 1 < r->n_running && end_of(r, r->running[child + 1]) < end_of(r, r->running[child])) child++;
        if (end_of(r, last) <= end_of(r, r->running[child])) break;
        r->running[i] = r->running[child];
        i = child;
    }
    r->running[i] = last;
    return top;
}

static void place_waiting(struct replay *r) {
    uint32_t n = r->n_waiting < SCHED_BATCH_MAX ? r->n_waiting : SCHED_BATCH_MAX, left = 0;
    if (n == 0) return;
    for (uint32_t k = 0; k < n; k++) {
        const struct pod *p = &r->pods[r->waiting[k]];
        r->tasks[k] = (struct sched_task){ .task = r->waiting[k],
                                           .features = p->gpu > 0 ? FEATURE_GPU : FEATURE_CPU,
                                           .memory_bytes = p->cpu,
                                           .disk_bytes = p->gpu,
                                           .class = SLA_A };
    }
    enum vl_err err = r->fast ? sched_fast_place(r->fast, r->tasks, n, r->choice)
                              : sched_place(r->strategy, &r->state, r->nodes, r->t->n_nodes, r->tasks, n, r->choice);
    if (err != VL_OK) die("not placed");
    for (uint32_t k = 0; k < n; k++) {
        uint32_t pod = r->waiting[k];
        if (r->choice[k].reason != SCHED_PLACED) {
            r->waiting[left++] = pod;
            continue;
        }
        r->pods[pod].begins = r->now;
        r->pods[pod].node = r->choice[k].node;
        r->busy_cpu += r->pods[pod].cpu;
        r->busy_gpu += r->pods[pod].gpu;
        r->placements++;
        heap_push(r, pod);
    }
    memmove(r->waiting + left, r->waiting + n, (r->n_waiting - n) * sizeof *r->waiting);
    r->n_waiting -= n - left;
}

static void finish_one(struct replay *r) {
    const struct pod *p = &r->pods[heap_pop(r)];
    struct sched_node *n = &r->nodes[p->node];
    r->used[p->node] += (double)p->cpu / 1000 * p->runs;
    r->busy_cpu -= p->cpu;
    r->busy_gpu -= p->gpu;
    n->running--;
    n->free_slots++;
    n->memory_free += p->cpu;
    n->disk_free += p->gpu;
    if (n->memory_free > n->memory_total || n->disk_free > n->disk_total || n->free_slots > n->slots)
        die("a node got back more than it gave");
    if (r->fast) sched_fast_update(r->fast, p->node);
}

static void play(struct replay *r) {
    uint32_t next = 0;
    while (next < r->t->n_pods || r->n_running > 0) {
        double arrival = next < r->t->n_pods ? r->pods[next].arrives : (double)INFINITY;
        double end = r->n_running > 0 ? end_of(r, r->running[0]) : (double)INFINITY;
        double to = arrival < end ? arrival : end;
        if (r->n_waiting > 0) {
            r->short_s += to - r->now;
            r->short_gpu_s += (to - r->now) * (double)r->busy_gpu;
        }
        if (next > 0 && next < r->t->n_pods) {
            r->open_s += to - r->now;
            r->open_cpu_s += (to - r->now) * (double)r->busy_cpu;
        }
        r->now = to;
        while (r->n_running > 0 && end_of(r, r->running[0]) <= r->now) finish_one(r);
        for (; next < r->t->n_pods && r->pods[next].arrives <= r->now; next++) r->waiting[r->n_waiting++] = next;
        place_waiting(r);
    }
}

struct figures {
    double seconds, utilisation, packed, p50, p99, mean, fairness;
    uint64_t placed, never;
};
static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
/* Utilisation: share of the processors in use while pods arrived; packed: share of the GPUs in use
 * while something waited; fairness: Jain's index of how much of its processors each node gave. */
static struct figures measure(const struct replay *r, double seconds) {
    struct figures f = { .seconds = seconds };
    double *wait = must(malloc((r->t->n_pods + 1) * sizeof *wait)), sum = 0, square = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->t->n_pods; i++) {
        const struct pod *p = &r->pods[i];
        if (p->begins < 0) {
            f.never++;
            continue;
        }
        wait[n] = p->begins - p->arrives;
        f.mean += wait[n++];
    }
    for (uint32_t i = 0; i < r->t->n_nodes; i++) {
        double cores = (double)r->nodes[i].memory_total / 1000, share = cores > 0 ? r->used[i] / cores : 0;
        sum += share;
        square += share * share;
    }
    qsort(wait, n, sizeof *wait, by_size);
    f.placed = r->placements;
    f.p50 = n ? wait[n / 2] : 0;
    f.p99 = n ? wait[(uint64_t)n * 99 / 100] : 0;
    f.mean /= n ? n : 1;
    f.utilisation = r->open_s > 0 && r->all_cpu > 0 ? r->open_cpu_s / r->open_s / (double)r->all_cpu : 0;
    f.packed = r->short_s > 0 && r->all_gpu > 0 ? r->short_gpu_s / r->short_s / (double)r->all_gpu : 0;
    f.fairness = square > 0 ? sum * sum / (r->t->n_nodes * square) : 1;
    free(wait);
    return f;
}

static struct figures replay(const struct trace *t, const char *strategy) {
    struct replay r = { .t = t, .state = { .seed = 1 } };
    size_t pods = t->n_pods + 1;
    r.pods = must(malloc(pods * sizeof *r.pods));
    r.nodes = must(malloc((t->n_nodes + 1) * sizeof *r.nodes));
    r.running = must(malloc(pods * sizeof *r.running));
    r.waiting = must(malloc(pods * sizeof *r.waiting));
    r.tasks = must(malloc(SCHED_BATCH_MAX * sizeof *r.tasks));
    r.choice = must(malloc(SCHED_BATCH_MAX * sizeof *r.choice));
    r.used = must(calloc(t->n_nodes + 1, sizeof *r.used));
    memcpy(r.pods, t->pods, t->n_pods * sizeof *r.pods);
    memcpy(r.nodes, t->nodes, t->n_nodes * sizeof *r.nodes);
    for (uint32_t i = 0; i < t->n_pods; i++) r.pods[i].begins = -1;
    if (strategy == NULL) {
        if (sched_fast_create(r.nodes, t->n_nodes, 1, &r.fast) != VL_OK) die("no index");
    } else {
        r.strategy = sched_strategy_find(strategy);
    }
    for (uint32_t i = 0; i < t->n_nodes; i++) {
        r.all_cpu += t->nodes[i].memory_total;
        r.all_gpu += t->nodes[i].disk_total;
    }
    double a = now_s();
    play(&r);
    struct figures f = measure(&r, now_s() - a);
    sched_fast_destroy(r.fast);
    free(r.pods);
    free(r.nodes);
    free(r.running);
    free(r.waiting);
    free(r.tasks);
    free(r.choice);
    free(r.used);
    return f;
}

/* ---- telling ---- */

static void row(const char *name, const char *strategy, double value, const char *unit, double peer) {
    if (strategy != NULL)
        printf("{\"name\":\"%s.%s\",\"value\":%.6g,\"unit\":\"%s\",\"peer\":null,\"ratio\":null}\n", name, strategy,
               value, unit);
    else if (peer > 0)
        printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"peer\":\"least_loaded\",\"ratio\":%.4g}\n", name,
               value, unit, value / peer);
    else
        printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"peer\":\"least_loaded\",\"ratio\":null}\n", name,
               value, unit);
}
static void tell(const struct figures *f, const char *strategy, const struct figures *peer) {
    row("trace.openb_s", strategy, f->seconds, "s", peer->seconds);
    row("trace.openb_placed", strategy, (double)f->placed, "tasks", (double)peer->placed);
    row("trace.openb_never", strategy, (double)f->never, "tasks", (double)peer->never);
    row("trace.openb_utilisation", strategy, f->utilisation, "share", peer->utilisation);
    row("trace.openb_packed", strategy, f->packed, "share of GPUs", peer->packed);
    row("trace.openb_wait_mean_s", strategy, f->mean, "s", peer->mean);
    row("trace.openb_wait_p50_s", strategy, f->p50, "s", peer->p50);
    row("trace.openb_wait_p99_s", strategy, f->p99, "s", peer->p99);
    row("trace.openb_fairness", strategy, f->fairness, "Jain", peer->fairness);
}

int main(int argc, char **argv) {
    const char *directory = NULL, *shared = getenv("VILLAGE_SHARED");
    char under[4000];
    uint32_t share = SHARE;
    double speed = SPEED;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--share") == 0 && i + 1 < argc)
            share = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--speed") == 0 && i + 1 < argc)
            speed = strtod(argv[++i], NULL);
        else if (argv[i][0] == '-')
            die("usage: sim_trace [--speed X] [--share N] [DIRECTORY]");
        else
            directory = argv[i];
    }
    if (share == 0 || !(speed > 0)) die("--share is 1 or more, --speed above 0");
    if (directory == NULL && shared != NULL) {
        snprintf(under, sizeof under, "%s/data/fog", shared);
        directory = under;
    }
    FILE *nodes = directory ? open_in(directory, NODES_FILE) : NULL,
         *pods = directory ? open_in(directory, PODS_FILE) : NULL;
    if (nodes == NULL || pods == NULL) {
        fprintf(stderr, "sim_trace: skipped: there is no %s and %s in %s; name a directory or set VILLAGE_SHARED\n",
                NODES_FILE, PODS_FILE, directory ? directory : "any directory named");
        if (nodes) fclose(nodes);
        if (pods) fclose(pods);
        return SKIPPED;
    }
    struct trace t = { 0 };
    read_nodes(nodes, share, &t);
    read_pods(pods, speed, &t);
    fclose(nodes);
    fclose(pods);
    if (t.n_nodes == 0 || t.n_pods == 0) die("the trace is empty");
    struct figures by_default = replay(&t, NULL), least = replay(&t, "least_loaded"), random = replay(&t, "random");
    tell(&by_default, NULL, &least);
    tell(&least, "least_loaded", &least);
    tell(&random, "random", &random);
    free(t.nodes);
    free(t.pods);
    return 0;
}
