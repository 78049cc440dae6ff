/* Placing in a coordinator's brain: what waits and why, batches planned on another thread, and what is kept of them. Nodes
 * exist in the registry only: what they say is fed to it as the links would. */
#include "brain/priv.h"

#include "fog/plan_record.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    struct brain *brain;
    vl_ms now;
    struct brain_plan *plan; /* taken off the effects, not run yet */
    unsigned plans, assigned;
    struct plan_record *record; /* the last one stored */
    char history[8192];
    uint8_t waits; /* of the last job row */
};

static struct vl_node_id node_n(unsigned n) { return (struct vl_node_id){ { 100, (uint8_t)(n >> 8), (uint8_t)n } }; }
static struct vl_job_id job_n(uint8_t n) { return (struct vl_job_id){ { n } }; }

static void keep(struct rig *r, const struct record *v) {
    if (v->kind == RECORD_ITEM && v->state == ITEM_PLAN) CHECK_OK(plan_record_decode(v->bytes, r->record));
    if (v->kind == RECORD_HISTORY) {
        size_t n = strlen(r->history);
        snprintf(r->history + n, sizeof r->history - n, "%.*s: %.*s\n", (int)v->text.n, (const char *)v->text.p,
                 (int)v->bytes.n, (const char *)v->bytes.p);
    }
    struct job_row row;
    if (v->kind == RECORD_JOB && !v->remove) {
        CHECK_OK(job_row_decode(v->bytes, &row));
        r->waits = row.waits;
    }
}

static void effects(struct rig *r) {
    struct brain_effect e;
    while (brain_next_effect(r->brain, &e)) {
        if (e.kind == BRAIN_COMMIT) {
            for (size_t i = 0; i < e.records_n; i++) keep(r, &e.records[i]);
            brain_committed(r->brain, r->now, e.seq);
        }
        if (e.kind == BRAIN_PLAN) {
            CHECK(r->plan == NULL); /* one at a time */
            r->plan = e.plan;
            r->plans++;
        }
    }
}

static struct rig *rig_new(void) {
    struct rig *r = calloc(1, sizeof *r);
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = 1 };
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    CHECK(r != NULL && (r->record = calloc(1, sizeof *r->record)) != NULL);
    r->now = 1000000000;
    CHECK_OK(brain_create(&cfg, r->now, &r->brain));
    brain_start(r->brain, r->now);
    effects(r);
    return r;
}

static void rig_end(struct rig *r) {
    brain_plan_free(r->plan);
    brain_destroy(r->brain);
    free(r->record);
    free(r);
}

static void beat(struct rig *r, unsigned n, uint32_t slots) {
    struct heartbeat *h = calloc(1, sizeof *h);
    CHECK(h != NULL);
    h->kind = NODE_COMPUTE;
    h->protocol = 1;
    h->started_ms = 5;
    h->free_slots = slots;
    h->memory_free_bytes = h->disk_free_bytes = 1ull << 34;
    h->caps = (struct node_caps){
        .cpus = slots, .slots = slots, .memory_bytes = 1ull << 34, .disk_bytes = 1ull << 34, .features = NODE_FEATURE_NATIVE
    };
    h->caps.cost = 10 + n;
    snprintf(h->caps.domain[DOMAIN_OWNER], LABEL_MAX, "owner%u", n);
    snprintf(h->caps.domain[DOMAIN_HOST], LABEL_MAX, "host%u", n);
    step_begin(r->brain, r->now);
    coordinator_heartbeat(r->brain, node_n(n), h);
    step_end(r->brain);
    effects(r);
    free(h);
}

static void join(struct rig *r, unsigned first, unsigned last, uint32_t slots) {
    for (unsigned n = first; n <= last; n++) {
        char name[16];
        snprintf(name, sizeof name, "node%u", n);
        step_begin(r->brain, r->now);
        coordinator_registry(r->brain, &(struct registry_event){
                                           .kind = REGISTRY_JOINED, .now = r->now, .node = node_n(n), .name = name });
        step_end(r->brain);
        beat(r, n, slots);
    }
}

static void submit(struct rig *r, uint8_t id, uint32_t tasks, enum strategy s, uint64_t memory) {
    struct job_spec spec;
    struct vl_buf inputs;
    job_spec_defaults(&spec);
    vl_buf_init(&inputs, 1u << 20);
    for (uint32_t i = 0; i < tasks; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        CHECK_OK(job_inputs_append(&inputs, vl_span_str(name), (struct vl_hash){ { 1 } }, 1));
    }
    spec.kind = TASK_NATIVE;
    spec.command = vl_span_str("/bin/true");
    spec.map = true;
    spec.n_inputs = tasks;
    spec.inputs = vl_span(inputs.p, inputs.len);
    spec.limits.memory_bytes = memory;
    spec.terms.strategy = s;
    brain_submit_job(r->brain, r->now, 7, job_n(id), &spec, 0, NULL);
    effects(r);
    vl_buf_free(&inputs);
}

static void pass(struct rig *r, uint64_t ms) {
    r->now += ms;
    brain_tick(r->brain, r->now);
    effects(r);
}

static uint32_t placed(struct rig *r, uint8_t id) {
    struct job_view v;
    CHECK(job_book_job(brain_jobs(r->brain), job_n(id), &v));
    return v.running;
}

TEST(placing, a_job_that_fits_no_node_says_so_at_once_and_again_when_that_changes) {
    struct rig *r = rig_new();
    join(r, 1, 3, 4);
    submit(r, 9, 1, STRATEGY_DEFAULT, 1ull << 40);
    CHECK_EQ(SCHED_TOO_LARGE, r->waits);
    CHECK(strstr(r->history, "job_waiting: no ready node has that much memory or disk") != NULL);
    struct sched_why why;
    uint32_t tasks = 0;
    CHECK_OK(brain_explain(r->brain, job_n(9), &why, &tasks));
    CHECK(tasks == 1 && why.nodes == 4 && why.by[SCHED_NO_READY] == 1 && why.by[SCHED_TOO_LARGE] == 3);
    for (unsigned n = 1; n <= 3; n++) brain_maintenance(r->brain, r->now, 8, node_n(n), true);
    effects(r);
    pass(r, 5000);
    CHECK_EQ(SCHED_NO_FEATURE, r->waits); /* the coordinator alone is ready, and runs nothing here */
    rig_end(r);
}

TEST(placing, what_waits_for_a_slot_stops_waiting_when_it_is_placed) {
    struct rig *r = rig_new();
    join(r, 1, 1, 1);
    submit(r, 9, 4, STRATEGY_DEFAULT, 1 << 20);
    pass(r, 1000);
    CHECK_EQ(2, placed(r, 9)); /* one runs, one is held ahead of the slot */
    CHECK_EQ(SCHED_NO_SLOT, r->waits);
    join(r, 2, 3, 4);
    pass(r, 1000);
    CHECK_EQ(4, placed(r, 9));
    CHECK_EQ(SCHED_PLACED, r->waits);
    CHECK(r->record->sampled && r->record->n_front == 1);
    CHECK(r->record->hypervolume >= 0 && r->record->hypervolume <= 1);
    for (unsigned o = 0; o < PLAN_OBJECTIVES; o++)
        CHECK(o == PLAN_BALANCE || (r->record->bound[o] <= r->record->ideal[o] && r->record->gap[o] >= 0));
    rig_end(r);
}

TEST(placing, a_job_that_asks_for_it_is_planned_elsewhere_and_then_placed_as_planned) {
    struct rig *r = rig_new();
    join(r, 1, 12, 8);
    submit(r, 9, 60, STRATEGY_NSGA2, 1 << 20);
    CHECK(r->plan != NULL);
    CHECK_EQ(0, placed(r, 9)); /* nothing moves before the answer */
    pass(r, 10);
    CHECK_EQ(1, r->plans);
    struct brain_plan *p = r->plan;
    r->plan = NULL;
    brain_plan_run(p, NULL, NULL);
    brain_plan_done(r->brain, r->now, p, 1234);
    effects(r);
    CHECK_EQ(60, placed(r, 9));
    CHECK(r->record->strategy == STRATEGY_NSGA2 && !r->record->sampled && r->record->generations > 0);
    CHECK(r->record->placed == 60 && r->record->conflicts == 0 && r->record->took_us == 1234);
    CHECK(r->record->n_front > 1 && r->record->taken < r->record->n_front);
    struct job_task_view t;
    CHECK(job_book_task(brain_jobs(r->brain), job_n(9), 59, &t) && t.batch == r->record->batch);
    rig_end(r);
}

TEST(placing, what_a_plan_finds_taken_is_placed_again_and_nothing_twice) {
    struct rig *r = rig_new();
    join(r, 1, 12, 2);
    submit(r, 9, 40, STRATEGY_NSGA2, 1 << 20);
    CHECK(r->plan != NULL);
    brain_plan_run(r->plan, NULL, NULL);
    for (unsigned n = 1; n <= 6; n++) brain_maintenance(r->brain, r->now, 8, node_n(n), true); /* half are gone meanwhile */
    effects(r);
    submit(r, 10, 4, STRATEGY_LEAST_LOADED, 1 << 20); /* and others take what is left of the rest */
    CHECK_EQ(4, placed(r, 10));
    struct brain_plan *p = r->plan;
    r->plan = NULL;
    brain_plan_done(r->brain, r->now, p, 0);
    effects(r);
    struct brain_counters c;
    brain_counters(r->brain, &c);
    CHECK(c.plans == 1 && c.plan_conflicts >= 16);
    CHECK_EQ(20, placed(r, 9)); /* six nodes hold 24: four are the other job's */
    for (unsigned n = 1; n <= 12; n++)
        CHECK(job_book_on_node(brain_jobs(r->brain), node_n(n)).running == (n <= 6 ? 0u : 4u));
    rig_end(r);
}

TEST(placing, a_plan_that_is_out_may_outlive_its_brain) {
    struct rig *r = rig_new();
    join(r, 1, 4, 8);
    submit(r, 9, 10, STRATEGY_NSGA2, 1 << 20);
    CHECK(r->plan != NULL); /* rig_end() frees it unrun */
    rig_end(r);
}

TEST(placing, a_large_village_keeps_its_index_true_while_nodes_fill_come_and_go) {
    struct rig *r = rig_new();
    join(r, 1, 300, 2); /* above what is read anew each time */
    submit(r, 9, 500, STRATEGY_DEFAULT, 1 << 20);
    for (unsigned i = 0; i < 8; i++) pass(r, 10);
    CHECK_EQ(500, placed(r, 9));
    join(r, 301, 310, 2);
    brain_maintenance(r->brain, r->now, 8, node_n(301), true);
    effects(r);
    submit(r, 10, 255, STRATEGY_DEFAULT, 1 << 20); /* one assignment is held ahead for each slot */
    submit(r, 11, 500, STRATEGY_DEFAULT, 1 << 20);
    for (unsigned i = 0; i < 8; i++) pass(r, 10);
    uint32_t all = 0;
    for (unsigned n = 1; n <= 310; n++) {
        uint32_t on = job_book_on_node(brain_jobs(r->brain), node_n(n)).running;
        CHECK(on <= (n == 301 ? 0u : 4u));
        all += on;
    }
    CHECK_EQ(309 * 4, all);
    rig_end(r);
}

TEST(placing, records_survive_their_codec_and_hostile_ones_are_refused) {
    struct plan_record p = { .batch = 5, .strategy = STRATEGY_COST, .n_front = 2, .taken = 1, .hypervolume = 0.5 }, q;
    struct vl_buf b;
    vl_buf_init(&b, 16384);
    p.front[1].f[PLAN_COST] = 7;
    CHECK_OK(plan_record_encode(&p, &b));
    CHECK_OK(plan_record_decode(vl_span(b.p, b.len), &q));
    CHECK(q.batch == 5 && q.front[1].f[PLAN_COST] == 7 && q.hypervolume == 0.5);
    for (size_t cut = 0; cut < b.len; cut++) CHECK_EQ(VL_EPARSE, plan_record_decode(vl_span(b.p, cut), &q));
    p.taken = 2;
    vl_buf_clear(&b);
    CHECK_EQ(VL_ERANGE, plan_record_encode(&p, &b));
    vl_buf_free(&b);
}
