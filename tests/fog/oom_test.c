/* Every allocation of the fog cores refused once: the answer is VL_ENOMEM, nothing has changed, nothing leaks, and the
 * same event succeeds afterwards. */
#include "fog/pareto.h"
#include "fog/plan.h"
#include "fog/registry.h"
#include "fog_help.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t a, size_t b);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t a, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t a, size_t b);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t a, size_t n);

static uint32_t countdown; /* 0: off; 1: the next allocation fails */

static bool refuse(void) { return countdown > 0 && --countdown == 0; }
void *__wrap_malloc(size_t n) { return refuse() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t a, size_t b) { return refuse() ? NULL : __real_calloc(a, b); }
void *__wrap_realloc(void *p, size_t n) { return refuse() ? NULL : __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t a, size_t n) { return refuse() ? NULL : __real_aligned_alloc(a, n); }

static uint32_t refusals;

/* The event with the 1st, 2nd, 3rd ... allocation refused, until it gets through. */
static void insist(struct desk *d, struct job_event ev) {
    struct vl_buf before, after;
    vl_buf_init(&before, 16 << 20);
    vl_buf_init(&after, 16 << 20);
    ev.now = d->now;
    snapshot_of(d->book, &before);
    for (uint32_t k = 1;; k++) {
        job_effects_free(&d->fx); /* so that its growth is refused as well */
        countdown = k;
        enum vl_err err = job_book_step(d->book, &ev, &d->fx);
        countdown = 0;
        if (err == VL_OK) break;
        CHECK_EQ(VL_ENOMEM, err);
        CHECK(d->fx.n == 0 && !d->fx.changed);
        refusals++;
        snapshot_of(d->book, &after);
        CHECK_EQ(before.len, after.len);
        CHECK_MEM(before.p, after.p, before.len);
    }
    vl_buf_free(&before);
    vl_buf_free(&after);
}

static void insist_report(struct desk *d, uint32_t task, uint32_t node, enum task_outcome outcome) {
    struct task_report r = report_of(job_n(0), task, 1, outcome, 1);
    insist(d, (struct job_event){ .kind = JOB_EV_REPORT, .node = node_n(node), .report = &r });
}

TEST(oom, every_event_of_the_job_book_happens_wholly_or_not_at_all) {
    struct desk d = desk_open();
    struct vl_buf inputs;
    struct job_spec spec;
    vl_buf_init(&inputs, 1 << 20);
    spec_of(&spec, &inputs, 70);
    spec.has_merge = true;
    insist(&d, (struct job_event){ .kind = JOB_EV_SUBMIT, .job = job_n(0), .spec = &spec });
    spec.n_after = 1;
    spec.after[0] = job_n(0);
    insist(&d, (struct job_event){ .kind = JOB_EV_SUBMIT, .job = job_n(1), .spec = &spec });
    for (uint32_t i = 0; i < 6; i++)
        insist(&d, (struct job_event){ .kind = JOB_EV_PLACED, .job = job_n(0), .task = i, .node = node_n(i % 4) });
    for (uint32_t i = 0; i < 5; i++)
        insist(&d, (struct job_event){
                       .kind = JOB_EV_STARTED, .job = job_n(0), .task = i, .epoch = 1, .node = node_n(i % 4) });
    insist_report(&d, 0, 0, TASK_DONE);
    insist_report(&d, 1, 1, TASK_FAILED);
    insist_report(&d, 2, 2, TASK_REFUSED);
    insist(&d, (struct job_event){ .kind = JOB_EV_NODE_LOST, .node = node_n(0) });
    struct task_ref running = { job_n(0), 4, 1 };
    insist(&d, (struct job_event){ .kind = JOB_EV_NODE_BACK, .node = node_n(0), .running = &running, .n_running = 1 });
    d.now += JOB_ACCEPT_MS;
    insist(&d, (struct job_event){ .kind = JOB_EV_TICK });
    insist(&d, (struct job_event){ .kind = JOB_EV_CANCEL, .job = job_n(0) });
    insist(&d, (struct job_event){ .kind = JOB_EV_TICK });
    CHECK_EQ(JOB_FAILED, desk_job(&d, 1).state);
    insist(&d, (struct job_event){ .kind = JOB_EV_FORGET, .job = job_n(0) });
    CHECK(refusals > 30);
    vl_buf_free(&inputs);
    desk_close(&d);
}

TEST(oom, restoring_a_snapshot_with_refused_memory_leaks_nothing) {
    struct desk d = desk_open();
    struct vl_buf inputs, snap;
    struct job_spec spec;
    vl_buf_init(&inputs, 1 << 20);
    vl_buf_init(&snap, 1 << 20);
    spec_of(&spec, &inputs, 3);
    spec.replicas = 3;
    CHECK_OK(desk_submit(&d, 0, &spec));
    CHECK_OK(desk_place(&d, 0, 0, 1));
    CHECK_OK(desk_place(&d, 0, 0, 2));
    CHECK_OK(desk_place(&d, 0, 0, 3));
    for (uint32_t n = 1; n <= 3; n++) CHECK_OK(desk_commit(&d, 0, 0, n, n, 1));
    CHECK_OK(desk_report(&d, 0, 0, 1, 1, TASK_DONE, 1));
    CHECK_OK(desk_report(&d, 0, 0, 2, 2, TASK_FAILED, 1));
    spec.n_after = 1;
    spec.after[0] = job_n(0);
    CHECK_OK(desk_submit(&d, 1, &spec));
    snapshot_of(d.book, &snap);
    uint32_t tries = 0;
    for (bool done = false; !done; tries++) {
        struct job_config config;
        job_config_defaults(&config);
        struct job_book *b = job_book_create(&config);
        struct vl_reader r = vl_reader(snap.p, snap.len);
        enum vl_err err = VL_OK;
        countdown = tries + 1;
        while (r.n > 0 && err == VL_OK) err = job_book_restore(b, vl_read_span(&r, vl_read_u32(&r)));
        countdown = 0;
        CHECK(err == VL_OK || err == VL_ENOMEM);
        done = err == VL_OK;
        job_book_destroy(b);
    }
    CHECK(tries > 10);
    vl_buf_free(&inputs);
    vl_buf_free(&snap);
    desk_close(&d);
}

TEST(oom, registry_refuses_a_node_and_keeps_a_snapshot_due) {
    struct registry_config config;
    registry_config_defaults(&config);
    struct registry *r = registry_create(&config);
    struct registry_effects *fx = malloc(sizeof *fx);
    CHECK(r != NULL && fx != NULL);
    struct registry_event ev = { .kind = REGISTRY_JOINED, .now = 1000, .node = node_n(1) };
    countdown = 1;
    CHECK_EQ(VL_ENOMEM, registry_step(r, &ev, fx));
    CHECK_EQ(0, registry_count(r));
    CHECK_OK(registry_step(r, &ev, fx));
    ev.kind = REGISTRY_TICK;
    countdown = 1;
    CHECK_EQ(VL_ENOMEM, registry_step(r, &ev, fx));
    CHECK_EQ(1000, registry_deadline(r));
    CHECK_OK(registry_step(r, &ev, fx));
    struct topology t;
    CHECK(registry_topology_at(r, 0, &t) && t.nodes == 1);
    free(fx);
    registry_destroy(r);
}

static double sphere(const void *arg, const double *x, double *f) {
    (void)arg;
    f[0] = x[0] * x[0];
    f[1] = (x[0] - 1) * (x[0] - 1);
    return 0;
}

TEST(oom, optimiser_archive_and_hypervolume_refuse_whole_and_leak_nothing) {
    const double lo = -1, hi = 2, reference[3] = { 9, 9, 9 }, f[6] = { 1, 2, 3, 3, 2, 1 };
    struct nsga2_problem p = { .variables = 1, .objectives = 2, .lo = &lo, .hi = &hi, .evaluate = sphere };
    struct nsga2_config c = nsga2_config_default();
    struct nsga2_result r = { .n = 7 };
    struct pareto_archive a = { .n = 7 };
    double volume = 7;
    enum vl_err err = VL_ENOMEM;
    for (uint32_t k = 1; err != VL_OK; k++) {
        countdown = k;
        err = nsga2_run(&c, &p, &r);
        if (err != VL_OK) CHECK_EQ(7, r.n);
        if (k <= 10) CHECK_EQ(VL_ENOMEM, err);
    }
    nsga2_result_free(&r);
    for (uint32_t k = 1; k <= 4; k++) {
        countdown = k;
        CHECK_EQ(VL_ENOMEM, pareto_archive_init(&a, 2, 9));
        CHECK_EQ(7, a.n);
    }
    for (uint32_t k = 1; k <= 2; k++) {
        countdown = k;
        CHECK_EQ(VL_ENOMEM, pareto_hypervolume(f, 2, 3, reference, &volume));
        CHECK(volume == 7);
    }
    countdown = 0;
}

enum { OOM_NODES = 5, OOM_TASKS = 8 };
static void oom_batch(struct sched_node *n, struct sched_task *t) {
    for (uint32_t i = 0; i < OOM_NODES; i++)
        n[i] =
            (struct sched_node){ .id = node_n(i), .features = 1, .slots = 3, .free_slots = 3, .latency_us = 100 * i };
    for (uint32_t k = 0; k < OOM_TASKS; k++) {
        t[k] = (struct sched_task){ .job = job_n(k), .features = 1, .class = SLA_A };
        t[k].avoid[t[k].n_avoid++] = (struct sched_avoid){ node_n(k % OOM_NODES), true };
    }
}

TEST(oom, every_strategy_without_memory_places_nothing_and_takes_nothing) {
    struct sched_node n[OOM_NODES], before[OOM_NODES];
    struct sched_task t[OOM_TASKS];
    const struct sched_strategy *s;
    uint32_t refused = 0;
    oom_batch(n, t);
    memcpy(before, n, sizeof n);
    for (uint32_t k = 0; (s = sched_strategy_at(k)) != NULL; k++) {
        struct sched_state memory_of = { 0 };
        struct sched_choice c[OOM_TASKS] = { { .node = 77 } };
        memcpy(n, before, sizeof n);
        for (uint32_t tries = 1;; tries++) {
            countdown = tries;
            enum vl_err err = sched_place(s, &memory_of, n, OOM_NODES, t, OOM_TASKS, c);
            countdown = 0;
            if (err == VL_OK) break;
            CHECK_EQ(VL_ENOMEM, err);
            CHECK_EQ(77, c[0].node);
            CHECK_MEM(before, n, sizeof n);
            refused++;
        }
    }
    CHECK(refused > 20);
}

TEST(oom, a_plan_without_memory_leaves_its_result_alone) {
    for (uint32_t plain = 0; plain < 2; plain++) {
        struct sched_node n[OOM_NODES];
        struct sched_task t[OOM_TASKS];
        struct plan_config config = plan_config_default();
        struct plan_result r = { .placed = 77 };
        oom_batch(n, t);
        config.generations = 2;
        config.plain = plain;
        struct plan_input in = {
            .config = &config, .nodes = n, .n_nodes = OOM_NODES, .tasks = t, .n_tasks = OOM_TASKS
        };
        uint32_t tries = 0;
        for (;;) {
            countdown = ++tries;
            enum vl_err err = plan_run(&in, &r);
            countdown = 0;
            if (err == VL_OK) break;
            CHECK_EQ(VL_ENOMEM, err);
            CHECK_EQ(77, r.placed);
        }
        CHECK_EQ(OOM_TASKS, r.placed);
        CHECK(tries > 30);
        plan_result_free(&r);
    }
}
