/* Reputation as the coordinator keeps it: verdicts and presence become rows, rows become the same reputation again, and
 * the rows alone give the score to anyone. */
#include "brain/priv.h"
#include "crypto/random.h"
#include "trust/reputation.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define HOUR ((vl_ms)3600000)
#define START (20000 * 24 * HOUR)
enum { ROWS = 2048 };

struct row {
    int32_t kind;
    uint8_t key[32];
    uint64_t seq;
    uint8_t *bytes;
    size_t n;
};
struct rig {
    struct brain *b;
    vl_ms now;
    struct row rows[ROWS]; /* the store: RECORD_ITEM and, kind -1, RECORD_NODE */
    uint32_t n_rows;
};

static void keep(struct rig *r, const struct record *rec) {
    if (rec->kind != RECORD_ITEM && rec->kind != RECORD_NODE) return;
    int32_t kind = rec->kind == RECORD_NODE ? -1 : rec->state;
    uint64_t seq = rec->kind == RECORD_NODE ? 0 : rec->number;
    uint32_t i = 0;
    while (i < r->n_rows &&
           (r->rows[i].kind != kind || r->rows[i].seq != seq || memcmp(r->rows[i].key, rec->key, 32) != 0))
        i++;
    if (i < r->n_rows) {
        free(r->rows[i].bytes);
        r->rows[i] = r->rows[--r->n_rows];
    }
    if (rec->remove) return;
    CHECK(r->n_rows < ROWS);
    struct row *row = &r->rows[r->n_rows++];
    *row = (struct row){ .kind = kind, .seq = seq, .n = rec->bytes.n, .bytes = malloc(rec->bytes.n + 1) };
    memcpy(row->key, rec->key, 32);
    memcpy(row->bytes, rec->bytes.p, rec->bytes.n);
}

static void drain(struct rig *r) {
    struct brain_effect e;
    while (brain_next_effect(r->b, &e)) {
        if (e.kind != BRAIN_COMMIT) continue;
        for (size_t i = 0; i < e.records_n; i++) keep(r, &e.records[i]);
        brain_committed(r->b, r->now, e.seq);
    }
}

static void start(struct rig *r) {
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = 1 };
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    CHECK_OK(crypto_init());
    CHECK_OK(brain_create(&cfg, r->now, &r->b));
    for (uint32_t i = 0; i < r->n_rows; i++) { /* in no order of kinds: each is for itself */
        const struct row *row = &r->rows[i];
        struct record rec = { .kind = row->kind < 0 ? RECORD_NODE : RECORD_ITEM,
                              .state = row->kind,
                              .number = row->seq,
                              .bytes = vl_span(row->bytes, row->n) };
        memcpy(rec.key, row->key, 32);
        if (row->kind < (int32_t)ITEM_VIEWS) CHECK_OK(brain_restore(r->b, r->now, &rec));
    }
    brain_start(r->b, r->now);
    drain(r);
}

static void end(struct rig *r) {
    brain_destroy(r->b);
    for (uint32_t i = 0; i < r->n_rows; i++) free(r->rows[i].bytes);
    free(r);
}

static struct rig *rig(void) {
    struct rig *r = calloc(1, sizeof *r);
    r->now = START;
    start(r);
    return r;
}

static struct vl_node_id node(uint8_t n) { return (struct vl_node_id){ { n } }; }

static void verdict(struct rig *r, uint8_t n, enum job_verdict v) {
    step_begin(r->b, r->now);
    standing_verdict(r->b, &(struct job_effect){ .kind = JOB_FX_VERDICT,
                                                 .node = node(n),
                                                 .job = { { 1 } },
                                                 .epoch = 1,
                                                 .verdict = v,
                                                 .receipt = { { 3 } } });
    step_end(r->b);
    drain(r);
}

static uint32_t rows_of(const struct rig *r, enum record_item kind, struct vl_node_id n) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->n_rows; i++)
        count += r->rows[i].kind == (int32_t)kind && memcmp(r->rows[i].key, n.b, 32) == 0;
    return count;
}

/* From the rows alone, as a client would. */
static enum vl_err recheck(const struct rig *r, struct vl_node_id n, struct reputation_score *ret) {
    struct vl_span state = { 0 };
    struct vl_buf list;
    struct vl_node_id by;
    struct vl_errmsg why = { "" };
    vl_buf_init(&list, REPUTATION_KEPT * EVIDENCE_BYTES);
    for (uint32_t i = 0; i < r->n_rows; i++) {
        const struct row *row = &r->rows[i];
        if (memcmp(row->key, n.b, 32) != 0) continue;
        if (row->kind == ITEM_REPUTATION) state = vl_span(row->bytes, row->n);
        if (row->kind == ITEM_EVIDENCE) CHECK_OK(vl_buf_append(&list, row->bytes, row->n));
    }
    enum vl_err err = reputation_check(state, vl_span(list.p, list.len), REPUTATION_BASE_MILLI, r->now, ret, &by, &why);
    if (err == VL_OK && !vl_node_eq(by, r->b->self)) err = VL_EDENIED;
    vl_buf_free(&list);
    return err;
}

TEST(standing, a_newcomer_is_doubted_and_flagged) {
    struct rig *r = rig();
    struct standing s = standing_of(r->b, node(5));
    CHECK_EQ(25, s.trust_milli);
    CHECK_EQ(1000, s.doubt_milli);
    CHECK_EQ(1000000, s.error_ppm);
    CHECK(s.flagged && !s.trusted);
    CHECK_EQ(500, standing_mix_milli(r->b, node(5)));
    end(r);
}

TEST(standing, verdicts_count_and_a_failed_program_says_nothing) {
    struct rig *r = rig();
    verdict(r, 5, VERDICT_FAILED);
    CHECK_EQ(0, rows_of(r, ITEM_REPUTATION, node(5)));
    for (unsigned i = 0; i < 44; i++) verdict(r, 5, VERDICT_AGREED); /* of no known length: a quarter each */
    CHECK(standing_of(r->b, node(5)).trusted);
    CHECK_EQ(805, standing_of(r->b, node(5)).trust_milli); /* 11 / 0 */
    verdict(r, 5, VERDICT_WRONG);
    struct standing s = standing_of(r->b, node(5));
    CHECK(!s.trusted && s.trust_milli < 400);
    CHECK_EQ(44 + 1, rows_of(r, ITEM_EVIDENCE, node(5)));
    end(r);
}

TEST(standing, is_the_same_after_a_restart_and_follows_from_the_rows) {
    struct rig *r = rig();
    static const enum job_verdict v[] = { VERDICT_AGREED, VERDICT_ACCEPTED, VERDICT_LATE,  VERDICT_LOST,
                                          VERDICT_AGREED, VERDICT_SILENT,   VERDICT_WRONG, VERDICT_HANDED_BACK };
    for (unsigned i = 0; i < 700; i++, r->now += HOUR / 7) {
        verdict(r, 5, v[i % 8]);
        if (i % 100 == 99) {
            struct standing before = standing_of(r->b, node(5));
            brain_destroy(r->b);
            start(r);
            struct standing after = standing_of(r->b, node(5));
            CHECK_EQ(before.trust_milli, after.trust_milli);
            CHECK_EQ(before.doubt_milli, after.doubt_milli);
            CHECK_EQ(before.error_ppm, after.error_ppm);
        }
    }
    struct reputation_score want, got;
    CHECK_EQ(700 - REPUTATION_FOLD, rows_of(r, ITEM_EVIDENCE, node(5))); /* the first 256 are sums now */
    CHECK_OK(recheck(r, node(5), &got));
    CHECK(reputation_get(brain_reputation(r->b), node(5), r->now, &want));
    CHECK(reputation_score_same(&want, &got));
    CHECK_EQ(700, got.pieces);
    for (uint32_t i = 0; i < r->n_rows; i++) /* the coordinator's own rows, falsified on disk */
        if (r->rows[i].kind == ITEM_EVIDENCE && r->rows[i].seq == 600) r->rows[i].bytes[110] ^= 8; /* the weight */
    CHECK_EQ(VL_ECRYPTO, recheck(r, node(5), &got));
    end(r);
}

TEST(standing, an_expelled_key_comes_back_with_what_is_known_of_it) {
    struct rig *r = rig();
    step_begin(r->b, r->now);
    coordinator_registry(r->b, &(struct registry_event){
                                   .kind = REGISTRY_JOINED, .now = r->now, .node = node(5), .name = "five" });
    step_end(r->b);
    verdict(r, 5, VERDICT_WRONG);
    uint32_t before = standing_of(r->b, node(5)).error_ppm;
    step_begin(r->b, r->now);
    standing_gone(r->b, node(5));
    coordinator_registry(r->b,
                         &(struct registry_event){ .kind = REGISTRY_EXPELLED, .now = r->now, .node = node(5) });
    step_end(r->b);
    drain(r);
    brain_destroy(r->b);
    start(r);
    CHECK_EQ(before, standing_of(r->b, node(5)).error_ppm);
    CHECK_EQ(0, standing_of(r->b, node(5)).trust_milli);
    CHECK_EQ(25, standing_of(r->b, node(6)).trust_milli); /* another key, whoever holds it */
    end(r);
}

/* One task in twenty of class B goes to whoever is little known: else a newcomer, whose lower bound is .025, would never
 * begin. */
static uint32_t share_of_newcomer(struct rig *r, const char *strategy, enum sla_class class, uint32_t tasks) {
    struct sched_state state = { .seed = 3 };
    uint32_t got = 0;
    for (uint32_t i = 0; i < tasks; i++) {
        struct sched_node v[5];
        struct sched_task t = { .job = { { (uint8_t)i, (uint8_t)(i >> 8) } }, .task = i, .class = class };
        struct sched_choice c = { 0 };
        for (uint8_t n = 0; n < 5; n++) {
            struct standing s = standing_of(r->b, node((uint8_t)(n + 1)));
            v[n] = (struct sched_node){ .id = node((uint8_t)(n + 1)),
                                        .slots = 4,
                                        .free_slots = 4,
                                        .memory_free = 1u << 30,
                                        .memory_total = 1u << 30,
                                        .disk_free = 1u << 30,
                                        .disk_total = 1u << 30,
                                        .trust_milli = s.trust_milli,
                                        .doubt_milli = s.doubt_milli };
        }
        CHECK_OK(sched_place(sched_strategy_find(strategy), &state, v, 5, &t, 1, &c));
        CHECK_EQ(SCHED_PLACED, c.reason);
        got += c.node == 4;
    }
    return got;
}

TEST(standing, a_newcomer_gets_one_in_twenty_of_the_tasks_that_may_explore_and_none_of_the_others) {
    struct rig *r = rig();
    for (uint8_t n = 1; n <= 4; n++)
        for (unsigned i = 0; i < 60; i++) verdict(r, n, VERDICT_AGREED);
    CHECK(standing_of(r->b, node(1)).trusted && standing_of(r->b, node(5)).flagged);
    uint32_t got = share_of_newcomer(r, "trust_first", SLA_B, 2000);
    CHECK(got >= 60 && got <= 140); /* 100 expected, four times its deviation */
    CHECK_EQ(0, share_of_newcomer(r, "trust_first", SLA_A, 200));
    for (unsigned i = 0; i < 60; i++) verdict(r, 5, VERDICT_AGREED); /* it has used its chance */
    CHECK(standing_of(r->b, node(5)).trusted);
    end(r);
}

/* ---- presence ------------------------------------------------------------------------------------------------------- */

static void beat(struct rig *r, uint8_t n) {
    struct heartbeat h = { .kind = NODE_COMPUTE, .protocol = 1, .started_ms = START, .caps = { .cpus = 2, .slots = 2 }, .free_slots = 2 };
    step_begin(r->b, r->now);
    coordinator_registry(
        r->b, &(struct registry_event){ .kind = REGISTRY_HEARTBEAT, .now = r->now, .node = node(n), .heartbeat = &h });
    step_end(r->b);
    drain(r);
}

/* Minutes go by; the node beats in those of which `there` says so. */
static void pass(struct rig *r, uint8_t n, unsigned minutes, bool (*there)(unsigned minute)) {
    for (unsigned i = 0; i < minutes; i++, r->now += HOUR / 60) {
        if (there(i)) beat(r, n);
        brain_tick(r->b, r->now);
        drain(r);
    }
}
static bool always(unsigned minute) { return minute < UINT32_MAX; }
static bool never(unsigned minute) { return minute == UINT32_MAX; }
static bool by_day(unsigned minute) { return minute % 1440 < 480; }

static void join(struct rig *r, uint8_t n) {
    step_begin(r->b, r->now);
    coordinator_registry(r->b, &(struct registry_event){
                                   .kind = REGISTRY_JOINED, .now = r->now, .node = node(n), .name = "five" });
    step_end(r->b);
    drain(r);
}

static struct reputation_beta presence_of(const struct rig *r, uint8_t n) {
    struct reputation_score s;
    (void)reputation_get(brain_reputation(r->b), node(n), r->now, &s);
    return s.dim[REPUTATION_AVAILABLE];
}

TEST(standing, presence_is_metered_once_in_four_hours_whatever_the_heartbeats) {
    struct rig *r = rig();
    join(r, 5);
    pass(r, 5, 25 * 60, always);
    CHECK(rows_of(r, ITEM_EVIDENCE, node(5)) >= 5 && rows_of(r, ITEM_EVIDENCE, node(5)) <= 7);
    CHECK(presence_of(r, 5).bad_micro < 20000);
    CHECK(presence_of(r, 5).good_micro > 4800000);
    CHECK_EQ(25, standing_of(r->b, node(5)).trust_milli); /* being there is no merit where results are meant */
    CHECK_EQ(500, standing_mix_milli(r->b, node(5)));
    end(r);
}

TEST(standing, a_node_that_is_there_by_day_is_expected_a_third_of_the_time) {
    struct rig *r = rig();
    join(r, 5);
    pass(r, 5, 20 * 24 * 60, by_day);
    uint32_t e = presence_of(r, 5).expect_ppm;
    CHECK(e > 300000 && e < 370000);
    CHECK(standing_mix_milli(r->b, node(5)) < 370);
    end(r);
}

TEST(standing, long_absence_says_no_more_after_a_day_and_maintenance_says_nothing) {
    struct rig *r = rig();
    join(r, 5);
    pass(r, 5, 9 * 60, always);
    uint32_t rows = rows_of(r, ITEM_EVIDENCE, node(5));
    pass(r, 5, 10 * 24 * 60, never);
    uint32_t after = rows_of(r, ITEM_EVIDENCE, node(5));
    CHECK(after > rows + 4 && after <= rows + 9);
    join(r, 6);
    beat(r, 6);
    step_begin(r->b, r->now);
    coordinator_registry(r->b, &(struct registry_event){
                                   .kind = REGISTRY_MAINTENANCE, .now = r->now, .node = node(6), .flag = true });
    step_end(r->b);
    pass(r, 6, 30 * 60, never);
    CHECK_EQ(0, rows_of(r, ITEM_EVIDENCE, node(6)));
    end(r);
}

TEST(standing, nobody_is_blamed_for_the_time_in_which_the_coordinator_was_away) {
    struct rig *r = rig();
    join(r, 5);
    pass(r, 5, 9 * 60, always);
    uint64_t bad = presence_of(r, 5).bad_micro;
    brain_destroy(r->b);
    r->now += 48 * HOUR;
    start(r);
    pass(r, 5, 9 * 60, always);
    CHECK(presence_of(r, 5).bad_micro <= bad + 50000);
    CHECK(presence_of(r, 5).good_micro > 2500000);
    end(r);
}

/* ---- metering ------------------------------------------------------------------------------------------------------- */

static void claim(struct rig *r, uint64_t epoch, uint64_t cpu_us) {
    struct task_report report = { .job = { { 8 } }, .epoch = epoch, .outcome = TASK_DONE, .has_receipt = true };
    report.receipt = (struct receipt){ .job = report.job, .epoch = epoch, .cpu_us = cpu_us, .node = node(5) };
    step_begin(r->b, r->now);
    standing_metered(r->b, node(5), &report);
    step_end(r->b);
    drain(r);
}

TEST(standing, more_processor_time_than_can_have_passed_is_false_metering_from_the_very_millisecond) {
    struct rig *r = rig();
    struct job_spec spec;
    struct vl_job_id job = { { 8 } };
    job_spec_defaults(&spec);
    spec.kind = TASK_NATIVE; /* may use both processors of the node */
    spec.command = vl_span_str("/bin/true");
    join(r, 5);
    beat(r, 5);
    step_begin(r->b, r->now);
    CHECK_OK(coordinator_job(r->b, &(struct job_event){ .kind = JOB_EV_SUBMIT, .now = r->now, .job = job, .spec = &spec }));
    CHECK_OK(coordinator_job(r->b, &(struct job_event){ .kind = JOB_EV_PLACED, .now = r->now, .job = job, .node = node(5) }));
    step_end(r->b);
    drain(r);
    r->now += 10000;
    claim(r, 1, 22625999); /* 2 x (10 s + 10 s / 32 + 1 s), cut to milliseconds */
    claim(r, 2, UINT64_MAX); /* of a copy that is not there */
    CHECK_EQ(0, rows_of(r, ITEM_EVIDENCE, node(5)));
    claim(r, 1, 22626000);
    CHECK_EQ(1, rows_of(r, ITEM_EVIDENCE, node(5)));
    struct reputation_score s;
    CHECK(reputation_get(brain_reputation(r->b), node(5), r->now, &s));
    CHECK_EQ(10000000, s.dim[REPUTATION_HONEST].bad_micro);
    CHECK_EQ(0, standing_of(r->b, node(5)).trust_milli);
    end(r);
}
