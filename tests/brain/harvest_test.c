/* A harvested coordinator that works for itself: what its owner's rules do to its tasks, what outlives kill -9, and what it believes of
 * others' sessions. */
#include "brain/priv.h"

#include "fog/harvest.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define START 1800000000000ull
#define MEMORY (64ull << 20)
enum { ROWS = 256 };

struct row {
    struct record r;
    uint8_t *bytes;
};
struct rig {
    struct brain *b;
    vl_ms now;
    struct machine_reading reading;
    struct row rows[ROWS]; /* the store */
    uint32_t n_rows;
    uint64_t running, killed; /* tasks of the last effects */
    uint32_t cap, caps_told;
    enum vl_err replied;
    bool crash; /* commits are lost */
};

static void keep(struct rig *r, const struct record *rec) {
    if (rec->kind != RECORD_ITEM && rec->kind != RECORD_NODE && rec->kind != RECORD_LOG) return;
    uint32_t i = rec->kind == RECORD_LOG ? r->n_rows : 0;
    while (i < r->n_rows && (r->rows[i].r.kind != rec->kind || r->rows[i].r.state != (rec->kind == RECORD_ITEM ? rec->state : r->rows[i].r.state) ||
                             (rec->kind == RECORD_ITEM && r->rows[i].r.number != rec->number) || memcmp(r->rows[i].r.key, rec->key, 32) != 0))
        i++;
    if (i < r->n_rows && rec->remove) {
        free(r->rows[i].bytes);
        memmove(&r->rows[i], &r->rows[i + 1], (--r->n_rows - i) * sizeof r->rows[0]);
        return;
    }
    if (rec->remove) return;
    CHECK(i < ROWS);
    if (i == r->n_rows) r->n_rows++;
    else free(r->rows[i].bytes);
    r->rows[i].r = *rec;
    r->rows[i].bytes = malloc(rec->bytes.n + 1);
    memcpy(r->rows[i].bytes, rec->bytes.p, rec->bytes.n);
    r->rows[i].r.bytes.p = r->rows[i].bytes;
}

static void effects(struct rig *r) {
    struct brain_effect e;
    while (brain_next_effect(r->b, &e)) {
        if (e.kind == BRAIN_COMMIT && !r->crash) {
            for (size_t i = 0; i < e.records_n; i++) keep(r, &e.records[i]);
            brain_committed(r->b, r->now, e.seq);
        }
        if (e.kind == BRAIN_TASK_RUN) {
            r->running = e.task;
            brain_task_started(r->b, r->now, e.task);
        }
        if (e.kind == BRAIN_TASK_KILL) r->killed = e.task;
        if (e.kind == BRAIN_REPLY) r->replied = e.err;
        if (e.kind == BRAIN_PLAN) {
            brain_plan_run(e.plan, NULL, NULL);
            brain_plan_done(r->b, r->now, e.plan, 0);
        }
        if (e.kind != BRAIN_HARVEST) continue;
        r->cap = e.index;
        r->caps_told++;
    }
}

static void open_brain(struct rig *r) {
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = r->now, .harvest = true,
                                .caps = { .cpus = 2, .slots = 2, .memory_bytes = 1ull << 30, .disk_bytes = 1ull << 34,
                                          .features = NODE_FEATURE_NATIVE } };
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    CHECK_OK(brain_create(&cfg, r->now, &r->b));
    for (int pass = 0; pass < 3; pass++)
        for (uint32_t i = 0; i < r->n_rows; i++) {
            static const enum record_kind order[] = { RECORD_NODE, RECORD_ITEM, RECORD_LOG };
            const struct record *rec = &r->rows[i].r;
            if (rec->kind == order[pass] && (rec->kind != RECORD_ITEM || rec->state < (int32_t)ITEM_VIEWS))
                CHECK_OK(brain_restore(r->b, r->now, rec));
        }
    brain_start(r->b, r->now);
    brain_runner_ready(r->b, r->now, NODE_FEATURE_NATIVE);
    effects(r);
}

static void good(struct rig *r) {
    static const int64_t v[SIGNALS] = { [SIGNAL_BATTERY] = -1, [SIGNAL_AC] = 1, [SIGNAL_TEMPERATURE] = 40000, [SIGNAL_IDLE] = 900000 };
    for (unsigned i = 0; i < SIGNALS; i++) r->reading.signal[i] = (struct signal_value){ .known = true, .v = v[i] };
}
static void set(struct rig *r, enum signal_kind s, int64_t v) { r->reading.signal[s].v = v; }

static void senses(struct rig *r, vl_ms ms) {
    r->now += ms;
    brain_harvest(r->b, r->now, &(struct brain_harvest_input){ .local_minute = 60, .reading = &r->reading });
    effects(r);
    brain_tick(r->b, r->now);
    effects(r);
}
static void seconds(struct rig *r, unsigned n) {
    for (unsigned i = 0; i < n; i++) senses(r, 1000);
}

static struct rig *rig(void) {
    struct rig *r = calloc(1, sizeof *r);
    r->now = START;
    good(r);
    open_brain(r);
    return r;
}
static void end(struct rig *r) {
    brain_destroy(r->b);
    for (uint32_t i = 0; i < r->n_rows; i++) free(r->rows[i].bytes);
    free(r);
}
/* kill -9: what was committed is there, nothing else. */
static void die(struct rig *r) {
    brain_destroy(r->b);
    r->running = r->killed = 0;
    open_brain(r);
}

static void submit(struct rig *r, uint8_t id, uint64_t memory) {
    struct job_spec spec;
    job_spec_defaults(&spec);
    spec.kind = TASK_NATIVE;
    spec.command = vl_span_str("/bin/true");
    spec.limits.memory_bytes = memory;
    brain_submit_job(r->b, r->now, 7, (struct vl_job_id){ { id } }, &spec, 0, NULL);
    effects(r);
}
static struct job_task_view task(struct rig *r, uint8_t id) {
    struct job_task_view v;
    CHECK(job_book_task(brain_jobs(r->b), (struct vl_job_id){ { id } }, 0, &v));
    return v;
}
static void ends(struct rig *r, uint64_t cpu_us) {
    brain_task_ended(r->b, r->now, &(struct brain_task_end){ .task = r->running, .outcome = TASK_DONE, .cpu_us = cpu_us, .peak_bytes = 1000 });
    r->running = 0;
    effects(r);
}
static const struct contribution_row *kept(struct rig *r, uint32_t *ret_n) {
    static struct contribution_row row;
    *ret_n = 0;
    for (uint32_t i = 0; i < r->n_rows; i++)
        if (r->rows[i].r.kind == RECORD_ITEM && r->rows[i].r.state == ITEM_CONTRIBUTION) {
            CHECK_OK(contribution_row_decode(r->rows[i].r.bytes, &row));
            ++*ret_n;
        }
    return &row;
}

TEST(harvested, member_begins_nothing_before_its_owners_rules_allow_it) {
    struct rig *r = rig();
    CHECK_EQ(0, r->cap);
    set(r, SIGNAL_SCREEN, 1);
    seconds(r, 3);
    submit(r, 1, MEMORY);
    seconds(r, 3);
    CHECK_EQ(0, r->running);
    CHECK_EQ(JOB_TASK_WAITING, task(r, 1).state);
    set(r, SIGNAL_SCREEN, 0);
    seconds(r, 2);
    CHECK(r->running != 0);
    CHECK_EQ(500, r->cap);
    CHECK_EQ(JOB_TASK_RUNNING, task(r, 1).state);
    end(r);
}

TEST(harvested, member_says_how_much_memory_it_lends_and_takes_no_task_above_it) {
    struct rig *r = rig();
    seconds(r, 2);
    const struct node_record *n = registry_get(brain_registry(r->b), brain_node_id(r->b));
    CHECK_EQ((1ull << 30) / 100 * 30, n->caps.memory_bytes);
    CHECK_EQ(HARVEST_SAYS_READY, n->harvest);
    submit(r, 1, 400ull << 20); /* fits into the machine, not into 30 % of it */
    seconds(r, 2);
    CHECK_EQ(0, r->running);
    submit(r, 2, 200ull << 20);
    seconds(r, 2);
    CHECK(r->running != 0);
    end(r);
}

TEST(harvested, member_orders_a_freeze_within_the_step_that_saw_the_input) {
    struct rig *r = rig();
    seconds(r, 2);
    submit(r, 1, MEMORY);
    seconds(r, 1);
    CHECK_EQ(500, r->cap);
    set(r, SIGNAL_IDLE, 0);
    r->now += 50;
    brain_harvest(r->b, r->now, &(struct brain_harvest_input){ .local_minute = 60, .reading = &r->reading });
    effects(r);
    CHECK_EQ(0, r->cap);
    seconds(r, 1);
    CHECK_EQ(HARVEST_SAYS_PAUSED, registry_get(brain_registry(r->b), brain_node_id(r->b))->harvest);
    CHECK_EQ(0, r->killed);
    end(r);
}

TEST(harvested, member_begins_no_task_that_waits_here_while_others_stand_still) {
    struct rig *r = rig();
    seconds(r, 2);
    for (uint8_t i = 1; i <= 3; i++) submit(r, i, MEMORY); /* two slots, so that one waits here */
    seconds(r, 1);
    CHECK_EQ(3, brain_harvest_view(r->b)->running);
    set(r, SIGNAL_IDLE, 0);
    seconds(r, 1);
    ends(r, 1); /* it had come to its end before it was stopped */
    seconds(r, 5);
    CHECK_EQ(0, r->running);
    set(r, SIGNAL_IDLE, 900000);
    seconds(r, 25);
    CHECK(r->running != 0);
    end(r);
}

TEST(harvested, member_gives_a_task_back_with_the_reason_and_does_not_get_it_again) {
    struct rig *r = rig();
    seconds(r, 2);
    submit(r, 1, MEMORY);
    seconds(r, 1);
    uint64_t was = r->running;
    r->running = 0;
    set(r, SIGNAL_TEMPERATURE, 66000);
    seconds(r, 2);
    CHECK_EQ(was, r->killed);
    struct job_task_view v = task(r, 1);
    CHECK_EQ(JOB_TASK_WAITING, v.state);
    CHECK_EQ(TASK_HANDED_BACK, v.error);
    seconds(r, 30);
    CHECK_EQ(0, r->running);
    CHECK_EQ(HARVEST_COOLING, brain_harvest_view(r->b)->state);
    brain_task_ended(r->b, r->now, &(struct brain_task_end){ .task = was, .outcome = TASK_FAILED, .cpu_us = 5 }); /* killed at last */
    effects(r);
    good(r);
    seconds(r, 30 * 60);
    CHECK(r->running != 0);
    end(r);
}

TEST(harvested, member_keeps_pause_policy_and_cool_down_over_kill_9) {
    struct rig *r = rig();
    seconds(r, 2);
    struct harvest_policy p = brain_harvest_view(r->b)->policy;
    p.v[HARVEST_CPU] = 40;
    brain_harvest_policy(r->b, r->now, 1, &p);
    effects(r);
    CHECK_OK(r->replied);
    p.v[HARVEST_CPU] = 0;
    brain_harvest_policy(r->b, r->now, 2, &p);
    effects(r);
    CHECK_EQ(VL_ERANGE, r->replied);
    brain_harvest_pause(r->b, r->now, 3, true, VL_MS_NEVER);
    effects(r);
    die(r);
    seconds(r, 2);
    CHECK_EQ(40, brain_harvest_view(r->b)->policy.v[HARVEST_CPU]);
    CHECK_EQ(HARVEST_RULE_OWNER, brain_harvest_view(r->b)->reason.rule);
    brain_harvest_pause(r->b, r->now, 4, false, 0);
    effects(r);
    submit(r, 1, MEMORY);
    seconds(r, 2);
    CHECK(r->running != 0);
    set(r, SIGNAL_TEMPERATURE, 80000);
    seconds(r, 1);
    vl_ms hot = r->now;
    die(r);
    good(r);
    seconds(r, 30 * 60 - 1);
    CHECK(r->now < hot + 1800000);
    CHECK_EQ(0, r->running);
    CHECK_EQ(HARVEST_RULE_COOLDOWN, brain_harvest_view(r->b)->reason.rule);
    seconds(r, 3);
    CHECK_EQ(HARVEST_RUNNING, brain_harvest_view(r->b)->state);
    end(r);
}

TEST(harvested, member_promises_nothing_before_it_is_on_the_disk) {
    struct rig *r = rig();
    seconds(r, 2);
    r->crash = true;
    r->replied = VL_EINTERNAL;
    brain_harvest_pause(r->b, r->now, 3, true, VL_MS_NEVER);
    effects(r);
    CHECK_EQ(VL_EINTERNAL, r->replied); /* no answer yet */
    r->crash = false;
    die(r);
    seconds(r, 2);
    CHECK_EQ(HARVEST_ELIGIBLE, brain_harvest_view(r->b)->state);
    end(r);
}

TEST(harvested, member_meters_a_session_from_its_first_task_to_the_end_of_its_last) {
    struct rig *r = rig();
    uint32_t n = 0;
    seconds(r, 2);
    CHECK(brain_harvest_session(r->b) == NULL);
    submit(r, 1, MEMORY);
    vl_ms began = r->now;
    seconds(r, 10);
    set(r, SIGNAL_IDLE, 0);
    seconds(r, 5); /* frozen */
    set(r, SIGNAL_IDLE, 900000);
    seconds(r, 50);
    ends(r, 2500000);
    set(r, SIGNAL_SCREEN, 1);
    seconds(r, 3);
    CHECK(brain_harvest_session(r->b) == NULL);
    const struct contribution_row *row = kept(r, &n);
    CHECK_EQ(1, n);
    CHECK(!row->claimed.open);
    CHECK_EQ(began, row->claimed.start_ms);
    CHECK_EQ(1, row->claimed.done);
    CHECK_EQ(2500000, row->claimed.cpu_us);
    CHECK_EQ(1000 * 65, row->claimed.memory_byte_s);
    CHECK(row->claimed.frozen_ms >= 24000 && row->claimed.frozen_ms <= 26000); /* and the 20 s until it went on */
    CHECK_EQ(1, row->receipts);
    CHECK_EQ(2500000, row->believed_cpu_us);
    end(r);
}

TEST(harvested, member_that_dies_closes_its_session_when_it_is_back_and_loses_a_minute_at_most) {
    struct rig *r = rig();
    uint32_t n = 0;
    seconds(r, 2);
    submit(r, 1, MEMORY);
    seconds(r, 10);
    ends(r, 700);
    submit(r, 2, MEMORY);
    seconds(r, 200);
    vl_ms died = r->now;
    r->now += 3600000; /* off for an hour */
    die(r);
    const struct contribution_row *row = kept(r, &n);
    CHECK_EQ(1, n);
    CHECK(!row->claimed.open);
    CHECK(row->claimed.end_ms <= died && row->claimed.end_ms + 60000 >= died);
    CHECK_EQ(700, row->believed_cpu_us);
    end(r);
}

static void tell(struct rig *r, struct vl_node_id node, struct contribution c) {
    struct vl_buf b;
    vl_buf_init(&b, CONTRIBUTION_RECORD_MAX);
    CHECK_OK(contribution_encode(&c, &b));
    step_begin(r->b, r->now);
    contribution_message(r->b, node, vl_span(b.p, b.len));
    step_end(r->b);
    effects(r);
    vl_buf_free(&b);
}

static void heard(struct rig *r, struct vl_node_id node) {
    struct heartbeat *h = calloc(1, sizeof *h);
    *h = (struct heartbeat){ .kind = NODE_COMPUTE, .protocol = 1, .started_ms = 5, .harvest = HARVEST_SAYS_READY };
    step_begin(r->b, r->now);
    coordinator_registry(r->b, &(struct registry_event){ .kind = REGISTRY_JOINED, .now = r->now, .node = node, .name = "other" });
    coordinator_heartbeat(r->b, node, h);
    step_end(r->b);
    effects(r);
    free(h);
}

TEST(contribution, coordinator_believes_no_more_processor_time_than_receipts_show) {
    struct rig *r = rig();
    struct vl_node_id liar = { { 200 } };
    uint32_t n = 0;
    heard(r, liar);
    step_begin(r->b, r->now);
    contribution_receipt(r->b, liar, 300);
    contribution_receipt(r->b, liar, 400);
    step_end(r->b);
    effects(r);
    die(r); /* its own sum is durable, too */
    tell(r, liar, (struct contribution){ .start_ms = r->now - 1000, .end_ms = r->now, .cpu_us = 1000000 });
    const struct contribution_row *row = kept(r, &n);
    CHECK_EQ(1, n);
    CHECK_EQ(700, row->believed_cpu_us);
    CHECK_EQ(1000000, row->claimed.cpu_us);
    r->now += 60000;
    tell(r, liar, (struct contribution){ .start_ms = r->now - 1000, .end_ms = r->now, .cpu_us = 500 }); /* receipts count once */
    row = kept(r, &n);
    CHECK_EQ(2, n);
    CHECK_EQ(0, row->believed_cpu_us);
    end(r);
}

TEST(contribution, coordinator_keeps_no_heap_of_sessions_for_who_sends_one_after_the_other) {
    struct rig *r = rig();
    struct vl_node_id node = { { 200 } };
    struct brain_counters c;
    uint32_t n = 0;
    heard(r, node);
    for (unsigned i = 1; i <= 100; i++) {
        tell(r, node, (struct contribution){ .start_ms = START + i, .end_ms = START + i, .open = true });
        tell(r, node, (struct contribution){ .start_ms = START + i, .end_ms = START + i });
    }
    kept(r, &n);
    CHECK(n <= 2);
    tell(r, node, (struct contribution){ .start_ms = START - 5, .end_ms = START - 5, .open = true }); /* older than the last */
    tell(r, node, (struct contribution){ .start_ms = r->now + 90000000, .end_ms = r->now + 90000000, .open = true }); /* of the day after next */
    brain_counters(r->b, &c);
    CHECK(c.messages_bad >= 100);
    kept(r, &n);
    CHECK(n <= 2);
    end(r);
}
