/* fog_durable_bench.c - placements made durable by a real coordinator: the shipped brain and records on the SQLite store,
 * synchronous=FULL, in a directory of its own.  2,000 nodes of 16 slots beat every 30 s as nodes do; jobs of nop tasks come
 * in; each placement is an event of the log, a line of history, the rows of task and job, and a signed assignment in the
 * outbox.  Nodes are registered inside, not over links: a coordinator has 1,024 of those, and what they cost is measured by
 * htx_bench.
 *   sched.durable_rate     placements a second, with the queue never empty: 40 jobs of 1,000 tasks
 *   sched.latency_p50_ms,  from the arrival of a job of 10 tasks (the moment it should arrive, so that a stall counts for
 *   sched.latency_p99_ms   all that it holds up) until the placement of each is on disk, at RATE placements a second
 * Usage: fog_durable_bench [RATE [DIRECTORY]]; directories are made in it and removed again. */
#include "brain/priv.h"
#include "node/persist.h"
#include "store/sqlite.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NODES 2000u
#define SLOTS 16u
#define FLOOD_JOBS 40u
#define FLOOD_TASKS 1000u
#define STEADY_TASKS 10u
#define STEADY_S 2.0
#define PER_JOB_MAX 1000u

static uint64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static double cpu_s(int who) {
    struct rusage u;
    (void)getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
static void die(const char *what, const char *why) {
    (void)fprintf(stderr, "fog_durable_bench: %s: %s\n", what, why);
    exit(1);
}

struct bench {
    struct brain *b;
    struct store *store;
    vl_ms base_ms;
    uint64_t base_ns;
    uint64_t *arrived_ns; /* by job */
    uint32_t *samples_us, n_samples, max_samples;
    uint32_t jobs;
    bool refused; /* the last job: the disk is too slow at present, the same is tried again */
    uint64_t rows, commits, refusals;
};

struct commit {
    struct bench *bench;
    uint64_t seq;
    uint32_t n, job[]; /* one for each placement in it */
};

static vl_ms bench_now(const struct bench *x) { return x->base_ms + (now_ns() - x->base_ns) / 1000000u; }

static void committed(void *arg, const struct store_result *r) {
    struct commit *c = arg;
    struct bench *x = c->bench;
    if (r->err) die("commit", vl_err_text(r->err));
    brain_committed(x->b, bench_now(x), c->seq);
    uint64_t now = now_ns();
    for (uint32_t i = 0; i < c->n && x->n_samples < x->max_samples; i++)
        x->samples_us[x->n_samples++] = (uint32_t)((now - x->arrived_ns[c->job[i]]) / 1000u);
    free(c);
}

static void commit(struct bench *x, const struct brain_effect *e) {
    struct commit *c = malloc(sizeof *c + e->records_n * sizeof c->job[0]);
    if (c == NULL) die("commit", "out of memory");
    *c = (struct commit){ .bench = x, .seq = e->seq };
    for (size_t i = 0; i < e->records_n; i++) /* an assignment in the outbox is a placement */
        if (e->records[i].kind == RECORD_TASK && e->records[i].has_node) c->job[c->n++] = vl_get_u32(e->records[i].key);
    x->rows += e->records_n;
    x->commits++;
    if (store_submit(x->store, persist_batch(e->records, e->records_n), committed, c)) die("store", "took no more");
}

static void pump(struct bench *x) {
    struct brain_effect e;
    while (brain_next_effect(x->b, &e)) {
        if (e.kind == BRAIN_COMMIT) commit(x, &e);
        if (e.kind == BRAIN_REPLY && e.err == VL_EOVERLOAD)
            x->refused = true;
        else if (e.kind == BRAIN_REPLY && e.err)
            die("submit", e.detail ? e.detail : vl_err_text(e.err));
    }
}

/* What the loop of a node does between two events of the outside. */
static void turn(struct bench *x, uint64_t until_ns) {
    vl_ms now = bench_now(x), at = brain_deadline(x->b);
    if (at <= now) {
        brain_tick(x->b, now);
        pump(x);
    }
    uint64_t ns = now_ns();
    bool due = brain_deadline(x->b) <= now || until_ns <= ns;
    struct pollfd p = { .fd = store_wake_fd(x->store), .events = POLLIN };
    struct timespec wait = { 0 };
    if (!due) wait.tv_nsec = (long)(until_ns - ns < 1000000u ? until_ns - ns : 1000000u);
    if (ppoll(&p, 1, &wait, NULL) < 0 && errno != EINTR) die("poll", strerror(errno));
    if (store_poll(x->store) > 0) pump(x);
}

static void beat(struct bench *x, uint32_t i) {
    static struct heartbeat h;
    struct vl_node_id id = { { 0 } };
    h = (struct heartbeat){ .kind = NODE_COMPUTE, .protocol = 1, .started_ms = 1, .free_slots = SLOTS };
    h.caps = (struct node_caps){ .cpus = SLOTS, .slots = SLOTS, .memory_bytes = 64ull << 30, .disk_bytes = 512ull << 30, .features = 3 };
    h.memory_free_bytes = h.caps.memory_bytes;
    h.disk_free_bytes = h.caps.disk_bytes;
    for (size_t k = 0; k < 4; k++) vl_put_u64(id.b + 8 * k, (i + 1) * (0x9e3779b97f4a7c15u + 2 * k));
    step_begin(x->b, bench_now(x));
    if (registry_get(x->b->registry, id) == NULL) {
        char name[VL_NAME_MAX];
        (void)snprintf(name, sizeof name, "node-%u", i);
        coordinator_registry(x->b, &(struct registry_event){ .kind = REGISTRY_JOINED, .now = x->b->now, .node = id, .name = name });
        coordinator_registry(x->b, &(struct registry_event){ .kind = REGISTRY_LINK_UP, .now = x->b->now, .node = id });
    }
    coordinator_heartbeat(x->b, id, &h);
    step_end(x->b);
    pump(x);
}

static bool submit(struct bench *x, uint32_t tasks, uint64_t arrived_ns) {
    struct job_spec spec;
    struct vl_buf inputs;
    struct vl_job_id id = { { 0 } };
    uint32_t job = x->jobs++;
    vl_buf_init(&inputs, JOB_SPEC_MAX);
    job_spec_defaults(&spec);
    spec.kind = TASK_NATIVE;
    spec.command = vl_span_str("/bin/true");
    spec.map = true;
    spec.n_inputs = tasks;
    for (uint32_t i = 0; i < tasks; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%05u", i);
        if (job_inputs_append(&inputs, vl_span_str(name), (struct vl_hash){ { 7 } }, 1)) die("submit", "inputs");
    }
    spec.inputs = vl_span(inputs.p, inputs.len);
    vl_put_u32(id.b, job);
    vl_put_u32(id.b + 4, 1);
    x->arrived_ns[job] = arrived_ns;
    x->refused = false;
    brain_submit_job(x->b, bench_now(x), job + 1, id, &spec, 0, NULL);
    pump(x);
    vl_buf_free(&inputs);
    x->refusals += x->refused;
    if (x->refused) x->jobs--;
    return !x->refused;
}

static void start(struct bench *x, const char *dir, uint32_t jobs, uint32_t placements) {
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = 1, .snapshot_events = UINT64_MAX };
    struct vl_errmsg msg = { "" };
    *x = (struct bench){ .base_ms = 1700000000000u, .base_ns = now_ns(), .max_samples = placements };
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    x->arrived_ns = calloc(jobs, sizeof *x->arrived_ns);
    x->samples_us = calloc(placements, sizeof *x->samples_us);
    if (!x->arrived_ns || !x->samples_us) die("start", "out of memory");
    if (store_sqlite_open(dir, &x->store, &msg)) die(dir, msg.text);
    if (brain_create(&cfg, x->base_ms, &x->b)) die("brain", "not created");
    brain_start(x->b, x->base_ms);
    pump(x);
    for (uint32_t i = 0; i < NODES; i++) {
        beat(x, i);
        if (i % 64 == 63) {
            store_flush(x->store);
            pump(x);
        }
    }
    store_flush(x->store);
    pump(x);
    x->rows = x->commits = 0;
}

static void stop(struct bench *x, const char *dir) {
    static const char *const names[] = { "store.db", "store.db-wal", "store.db-shm", "store.lock" };
    char path[4200];
    brain_destroy(x->b);
    store_close(x->store);
    free(x->arrived_ns);
    free(x->samples_us);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

static double flood(const char *dir) {
    struct bench x;
    uint32_t total = FLOOD_JOBS * FLOOD_TASKS, sent = 0;
    start(&x, dir, FLOOD_JOBS, total);
    double cpu = cpu_s(RUSAGE_THREAD), all = cpu_s(RUSAGE_SELF);
    uint64_t began = now_ns();
    while (x.n_samples < total) {
        if (sent < FLOOD_JOBS && sent * FLOOD_TASKS < x.n_samples + 4 * FLOOD_TASKS) {
            sent += submit(&x, FLOOD_TASKS, now_ns());
        }
        turn(&x, now_ns() + 1000000u);
        if (now_ns() - began > 60000000000u) die("flood", "not all tasks were placed in a minute");
    }
    double took = (double)(now_ns() - began) / 1e9;
    cpu = cpu_s(RUSAGE_THREAD) - cpu;
    all = cpu_s(RUSAGE_SELF) - all;
    (void)fprintf(stderr,
                  "fog_durable_bench: %u placements in %.2f s; each %.1f us of the loop's processor time and %.1f us of the writer's, %.1f"
                  " rows; %.1f placements a batch; turned away %llu times\n",
                  total, took, cpu / total * 1e6, (all - cpu) / total * 1e6, (double)x.rows / total, (double)total / (double)x.commits,
                  (unsigned long long)x.refusals);
    stop(&x, dir);
    return total / took;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void steady(const char *dir, double rate, double *ret_p50_ms, double *ret_p99_ms) {
    struct bench x;
    uint32_t jobs = (uint32_t)(rate * STEADY_S / STEADY_TASKS), total = jobs * STEADY_TASKS, sent = 0, beaten = 0;
    start(&x, dir, jobs, total);
    uint64_t began = now_ns(), gap = (uint64_t)(STEADY_TASKS * 1e9 / rate), beat_gap = 30000000000u / NODES;
    double cpu = cpu_s(RUSAGE_THREAD), all = cpu_s(RUSAGE_SELF);
    while (x.n_samples < total) {
        uint64_t now = now_ns(), next = began + sent * gap;
        if (sent < jobs && next <= now) {
            sent += submit(&x, STEADY_TASKS, next);
        }
        if (now >= began + (beaten + 1) * beat_gap) beat(&x, beaten++ % NODES);
        turn(&x, sent < jobs ? began + sent * gap : now + 1000000u);
        if (now - began > 60000000000u) die("steady", "not all tasks were placed in a minute");
    }
    double took = (double)(now_ns() - began) / 1e9;
    cpu = cpu_s(RUSAGE_THREAD) - cpu;
    all = cpu_s(RUSAGE_SELF) - all;
    qsort(x.samples_us, total, sizeof x.samples_us[0], compare);
    *ret_p50_ms = x.samples_us[total / 2] / 1e3;
    *ret_p99_ms = x.samples_us[(uint64_t)total * 99 / 100] / 1e3;
    (void)fprintf(stderr,
                  "fog_durable_bench: %.0f placements a second for %.1f s: p50 %.2f ms, p99 %.2f ms, worst %.2f ms; loop %.0f %%, writer"
                  " %.0f %% of a core; turned away %llu times\n",
                  rate, took, *ret_p50_ms, *ret_p99_ms, x.samples_us[total - 1] / 1e3, cpu / took * 100, (all - cpu) / took * 100,
                  (unsigned long long)x.refusals);
    stop(&x, dir);
}

int main(int argc, char **argv) {
    double rate = argc > 1 ? strtod(argv[1], NULL) : 5000, p50 = 0, p99 = 0;
    const char *parent = argc > 2 ? argv[2] : "/var/tmp";
    char dir[4096];
    if (!(rate >= 10 && rate <= 25000)) die("RATE", "is 10 to 25000");
    (void)snprintf(dir, sizeof dir, "%s/fog_durable_bench.XXXXXX", parent);
    if (mkdtemp(dir) == NULL) die(dir, strerror(errno));
    double durable = flood(dir);
    (void)snprintf(dir, sizeof dir, "%s/fog_durable_bench.XXXXXX", parent);
    if (mkdtemp(dir) == NULL) die(dir, strerror(errno));
    steady(dir, rate, &p50, &p99);
    (void)printf("{\"name\":\"sched.durable_rate\",\"value\":%.0f,\"unit\":\"1/s\",\"peer\":\"goal of 20,000/s\",\"ratio\":%.2f}\n", durable,
                 durable / 20000);
    (void)printf("{\"name\":\"sched.latency_p50_ms\",\"value\":%.2f,\"unit\":\"ms\",\"peer\":\"%.0f placements a second\",\"ratio\":null}\n", p50,
                 rate);
    (void)printf("{\"name\":\"sched.latency_p99_ms\",\"value\":%.2f,\"unit\":\"ms\",\"peer\":\"goal of 5 ms at %.0f/s\",\"ratio\":%.2f}\n", p99,
                 rate, p99 > 0 ? 5 / p99 : 0);
    return 0;
}
