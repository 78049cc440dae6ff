/* A coordinator whose disk is slow: what it tells those who bring work, and how it comes back. */
#include "brain/brain.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

#define NO_REPLY 1

struct desk {
    struct brain *b;
    vl_ms now;
    uint64_t seq;       /* handed to the disk last */
    enum vl_err answer; /* of the last job that was answered; NO_REPLY */
    uint32_t retry_ms, jobs, snapshots;
    char detail[256];
};

static void effects(struct desk *d) {
    struct brain_effect e;
    while (brain_next_effect(d->b, &e)) {
        if (e.kind == BRAIN_COMMIT) {
            d->seq = e.seq;
            for (size_t i = 0; i < e.records_n; i++) d->snapshots += e.records[i].kind == RECORD_SNAPSHOT;
        }
        if (e.kind != BRAIN_REPLY) continue;
        d->answer = e.err;
        d->retry_ms = e.bytes.n == 4 ? vl_get_u32(e.bytes.p) : 0;
        (void)snprintf(d->detail, sizeof d->detail, "%s", e.detail ? e.detail : "");
    }
}

static void disk(struct desk *d, vl_ms took) {
    d->now += took;
    brain_committed(d->b, d->now, d->seq);
    effects(d);
}

static void desk_open_with(struct desk *d, struct brain_config cfg) {
    cfg.coordinator = true;
    cfg.boot_epoch = 1;
    memcpy(cfg.name, "head", 5);
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    *d = (struct desk){ .now = 1000000, .answer = (enum vl_err)NO_REPLY };
    CHECK_OK(brain_create(&cfg, d->now, &d->b));
    brain_start(d->b, d->now);
    effects(d);
    disk(d, 1);
}

static void desk_open(struct desk *d) { desk_open_with(d, (struct brain_config){ .coordinator = true }); }

static void submit(struct desk *d, enum sla_class class) {
    struct job_spec spec;
    struct vl_job_id id = { { 0 } };
    job_spec_defaults(&spec);
    spec.kind = TASK_NATIVE;
    spec.command = vl_span_str("/bin/true");
    spec.terms.class = class;
    vl_put_u32(id.b, ++d->jobs);
    d->answer = (enum vl_err)NO_REPLY;
    brain_submit_job(d->b, d->now, d->jobs, id, &spec, 0, NULL);
    effects(d);
}

/* Jobs of class S whose commits take that long, for at least `ms`. */
static void traffic(struct desk *d, vl_ms commit_ms, vl_ms ms) {
    for (vl_ms end = d->now + ms; d->now <= end;) {
        submit(d, SLA_S);
        disk(d, commit_ms);
        CHECK_EQ(VL_OK, d->answer);
    }
}

TEST(overload, a_slow_disk_turns_class_b_away_in_words_then_a_and_never_s) {
    struct desk d;
    struct brain_load load;
    desk_open(&d);
    submit(&d, SLA_B);
    disk(&d, 1);
    CHECK_EQ(VL_OK, d.answer);
    traffic(&d, 150, 1200);
    submit(&d, SLA_B);
    CHECK_EQ(VL_EOVERLOAD, d.answer); /* at once: a refusal promises nothing */
    CHECK(strstr(d.detail, "150 ms") && strstr(d.detail, "class B") && strstr(d.detail, "A and S are still taken"));
    CHECK(d.retry_ms >= 2000 && d.retry_ms <= 4000);
    submit(&d, SLA_A);
    disk(&d, 150);
    CHECK_EQ(VL_OK, d.answer);
    traffic(&d, 150, 1200);
    submit(&d, SLA_A);
    CHECK_EQ(VL_EOVERLOAD, d.answer);
    traffic(&d, 1000, 10000);
    brain_load(d.b, &load);
    CHECK_EQ(2, load.level);
    CHECK_EQ(1, load.refused[SLA_B]);
    CHECK_EQ(1, load.refused[SLA_A]);
    CHECK_EQ(0, load.refused[SLA_S]);
    brain_destroy(d.b);
}

TEST(overload, ends_by_itself_although_nobody_asks) {
    struct desk d;
    struct brain_load load;
    desk_open(&d);
    traffic(&d, 200, 3000);
    brain_load(d.b, &load);
    CHECK_EQ(2, load.level);
    vl_ms calm = d.now;
    while (d.now < calm + 3000) { /* only what is due */
        d.now = brain_deadline(d.b) > d.now ? brain_deadline(d.b) : d.now;
        brain_tick(d.b, d.now);
        effects(&d);
        disk(&d, 0);
    }
    brain_load(d.b, &load);
    CHECK_EQ(0, load.level);
    submit(&d, SLA_B);
    disk(&d, 1);
    CHECK_EQ(VL_OK, d.answer);
    brain_destroy(d.b);
}

TEST(overload, a_disk_that_does_not_answer_at_all_is_seen_without_an_answer) {
    struct desk d;
    desk_open(&d);
    submit(&d, SLA_B);
    for (int i = 0; i < 20; i++) {
        d.now += 100;
        if (brain_deadline(d.b) <= d.now) brain_tick(d.b, d.now);
        effects(&d);
        submit(&d, SLA_B);
    }
    CHECK_EQ(VL_EOVERLOAD, d.answer);
    brain_destroy(d.b);
}

TEST(overload, a_loop_that_comes_late_to_what_is_due_turns_work_away) {
    struct desk d;
    desk_open(&d);
    submit(&d, SLA_B);
    disk(&d, 1);
    for (int i = 0; i < 12; i++) {
        vl_ms due = brain_deadline(d.b);
        if (due == VL_MS_NEVER) break;
        d.now = (due > d.now ? due : d.now) + 300;
        brain_tick(d.b, d.now);
        effects(&d);
        disk(&d, 0);
    }
    submit(&d, SLA_B);
    CHECK_EQ(VL_EOVERLOAD, d.answer);
    CHECK(strstr(d.detail, "events wait") != NULL);
    brain_destroy(d.b);
}

/* The snapshots taken by a coordinator with 20 jobs, one every 5 events. */
static uint32_t snapshots_below(uint64_t bytes) {
    struct desk d;
    desk_open_with(&d, (struct brain_config){ .snapshot_events = 5, .snapshot_bytes = bytes });
    for (int i = 0; i < 20; i++) {
        submit(&d, SLA_B);
        CHECK_EQ((enum vl_err)NO_REPLY, d.answer);
        disk(&d, 1);
        brain_tick(d.b, ++d.now);
        effects(&d);
        disk(&d, 1);
    }
    brain_destroy(d.b);
    return d.snapshots;
}

TEST(overload, a_book_too_large_for_a_snapshot_is_not_handed_to_the_store_which_would_refuse_it) {
    uint32_t all = snapshots_below(0), few = snapshots_below(1500);
    CHECK_EQ(3, all);
    CHECK(few > 0 && few < all); /* the first still fit */
    CHECK_EQ(0, snapshots_below(10));
}

TEST(overload, ended_jobs_of_many_tasks_are_forgotten_after_an_hour_so_that_the_book_stays_small) {
    struct desk d;
    struct job_spec spec;
    struct job_stats stats;
    struct vl_buf inputs;
    desk_open(&d);
    vl_buf_init(&inputs, JOB_SPEC_MAX);
    job_spec_defaults(&spec);
    spec.kind = TASK_NATIVE;
    spec.command = vl_span_str("/bin/true");
    spec.map = true;
    for (spec.n_inputs = 0; spec.n_inputs < VL_JOB_TASKS_MAX; spec.n_inputs++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%u", spec.n_inputs);
        CHECK_OK(job_inputs_append(&inputs, vl_span_str(name), (struct vl_hash){ { 1 } }, 1));
    }
    spec.inputs = vl_span(inputs.p, inputs.len);
    for (uint32_t i = 0; i < 12; i++) {
        struct vl_job_id id = { { 0, 0, 0, (uint8_t)i } };
        brain_submit_job(d.b, d.now, 100 + i, id, &spec, 0, NULL);
        effects(&d);
        disk(&d, 1);
        CHECK_OK(d.answer);
        brain_cancel_job(d.b, d.now, 200 + i, id);
        effects(&d);
        disk(&d, 1);
    }
    vl_ms ended = d.now;
    for (int late = 0; late <= 1; late++) {
        d.now = ended + 3600000 - 1000 + 2000 * (vl_ms)late;
        brain_tick(d.b, d.now);
        effects(&d);
        disk(&d, 1);
        job_book_stats(brain_jobs(d.b), &stats);
        CHECK_EQ(late ? 10 : 12, stats.jobs); /* 100,000 tasks may stay */
    }
    vl_buf_free(&inputs);
    brain_destroy(d.b);
}

TEST(overload, standing_of_a_node_is_read_back_from_its_row) {
    struct desk d;
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = 2 };
    struct node_record n = { .id = { { 9 } }, .kind = NODE_COMPUTE, .state = NODE_OFFLINE, .joined_ms = 1, .flaps = 2, .hold_until_ms = 5 };
    struct vl_buf node, row;
    vl_buf_init(&node, REGISTRY_RECORD_MAX);
    vl_buf_init(&row, REGISTRY_STANDING_MAX);
    for (int i = 0; i < 5; i++) (void)breaker_result(&n.breaker, 999990, false);
    CHECK_OK(registry_record_encode(&n, &node));
    CHECK_OK(registry_standing_encode(&n, &row));
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    d = (struct desk){ .now = 1000000 };
    CHECK_OK(brain_create(&cfg, d.now, &d.b));
    struct record r = { .kind = RECORD_NODE, .key = { 9 }, .bytes = vl_span(node.p, node.len) };
    CHECK_OK(brain_restore(d.b, d.now, &r));
    r = (struct record){ .kind = RECORD_ITEM, .state = ITEM_STANDING, .key = { 9 }, .bytes = vl_span(row.p, row.len) };
    CHECK_OK(brain_restore(d.b, d.now, &r));
    r.bytes.n--;
    CHECK(brain_restore(d.b, d.now, &r) != VL_OK);
    const struct node_record *back = registry_get(brain_registry(d.b), n.id);
    CHECK(back != NULL && back->breaker.open && back->flaps == 2);
    CHECK_EQ(BREAKER_OPEN, breaker_state(&back->breaker, d.now));
    brain_destroy(d.b);
    vl_buf_free(&node);
    vl_buf_free(&row);
}
