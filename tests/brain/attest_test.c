/* Admission by evidence: a coordinator, a member on hardware that signs, and one that keeps to no rule. */
#include "brain/attest_priv.h"

#include "check.h"
#include "made.h"
#include "trust/attest_bind.h"
#include "trust/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD, GOOD, ROGUE, NODES };
enum machine { NOTHING, HARDWARE, DEBUGGED, FORGED, SILENT, OTHERS, OLD };
enum { ROWS = 64 };

struct side {
    struct brain *brain;
    uint32_t conn, head, dial;
    enum machine machine;
    struct made made;
    uint8_t last[1184]; /* its report of the round before */
    bool has_last, cut; /* cut: its connections fail */
    uint64_t boots;
    unsigned quotes;
};
struct row {
    unsigned side;
    uint8_t key[32], *bytes;
    int32_t kind;
    uint64_t number;
    size_t n;
};
struct rig {
    struct side side[NODES];
    struct admission *policy;
    vl_ms now;
    struct row rows[ROWS];
    unsigned n_rows;
    char refusal[256];
};

static void keep(struct rig *r, unsigned side, const struct record *rec) {
    if (rec->kind != RECORD_ITEM || (rec->state != ITEM_ATTESTED && rec->state != ITEM_ATTESTATION)) return;
    unsigned i = 0;
    while (i < r->n_rows && (r->rows[i].side != side || r->rows[i].kind != rec->state || r->rows[i].number != rec->number ||
                             memcmp(r->rows[i].key, rec->key, 32) != 0))
        i++;
    if (i < r->n_rows) {
        free(r->rows[i].bytes);
        r->rows[i] = r->rows[--r->n_rows];
    }
    if (rec->remove) return;
    CHECK(r->n_rows < ROWS);
    struct row *row = &r->rows[r->n_rows++];
    *row = (struct row){ .side = side, .kind = rec->state, .number = rec->number, .n = rec->bytes.n, .bytes = malloc(rec->bytes.n + 1) };
    memcpy(row->key, rec->key, 32);
    memcpy(row->bytes, rec->bytes.p, rec->bytes.n);
}

static void quote(struct rig *r, unsigned i, const struct brain_effect *e) {
    struct side *s = &r->side[i], *from = s->machine == OTHERS ? &r->side[GOOD] : s;
    struct attestation a = { .made_ms = r->now };
    uint8_t before[1184];
    s->quotes++;
    if (s->machine == SILENT) return;
    if (s->machine == NOTHING) {
        brain_tee_quoted(s->brain, r->now, e->req, NULL, 0, "no such hardware");
        return;
    }
    memcpy(before, s->last, sizeof before);
    made_report(&from->made, e->bytes.p, s->machine == DEBUGGED, &a);
    memcpy(s->last, from->made.report, sizeof s->last);
    if (s->machine == FORGED) from->made.report[0x2a0] ^= 1;
    if (s->machine == OLD && s->has_last) a.evidence = vl_span(before, sizeof before);
    if (s->machine == OTHERS) a.evidence = vl_span(r->side[GOOD].last, sizeof before);
    s->has_last = true;
    brain_tee_quoted(s->brain, r->now, e->req, &a, 1, "");
}

static void answer(struct rig *r, unsigned i, const struct brain_effect *e) {
    struct side *s = &r->side[i];
    switch ((int)e->kind) {
    case BRAIN_COMMIT:
        for (size_t k = 0; k < e->records_n; k++) {
            struct job_row row;
            keep(r, i, &e->records[k]);
            if (i != HEAD && e->records[k].kind == RECORD_JOB && job_row_decode(e->records[k].bytes, &row) == VL_OK)
                snprintf(r->refusal, sizeof r->refusal, "%.*s", (int)row.error_text.n, (const char *)row.error_text.p);
        }
        brain_committed(s->brain, r->now, e->seq);
        return;
    case BRAIN_DIAL:
        s->dial = e->dial;
        return;
    case BRAIN_TEE_QUOTE:
        quote(r, i, e);
        return;
    case BRAIN_ATTEST:
        brain_attest_run(e->attest);
        brain_attest_done(s->brain, r->now, e->attest);
        return;
    case BRAIN_CONN_CLOSE:
        if (i != HEAD && e->conn == s->conn) {
            uint32_t conn = s->conn, head = s->head;
            s->conn = s->head = 0;
            brain_conn_lost(s->brain, conn, r->now);
            brain_conn_lost(r->side[HEAD].brain, head, r->now);
        }
        return;
    }
}

static void pump(struct rig *r) {
    static uint8_t buf[HTX_OUTPUT_GOOD];
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned i = 0; i < NODES; i++) {
            struct brain_effect e;
            struct side *s = &r->side[i];
            for (; s->brain && brain_next_effect(s->brain, &e); moved = true) answer(r, i, &e);
            if (i == HEAD || s->brain == NULL || s->dial == 0) continue;
            uint32_t dial = s->dial;
            s->dial = 0;
            if (s->cut) {
                brain_dial_failed(s->brain, r->now, dial);
                continue;
            }
            CHECK_OK(brain_dialled(s->brain, r->now, dial, &s->conn));
            CHECK_OK(brain_accept(r->side[HEAD].brain, r->now, &s->head));
            moved = true;
        }
        for (unsigned i = 1; i < NODES; i++) {
            struct side *s = &r->side[i];
            for (size_t n; s->conn && (n = brain_output(s->brain, s->conn, r->now, buf, sizeof buf)) > 0; moved = true)
                vl_ignore(brain_input(r->side[HEAD].brain, s->head, r->now, buf, n));
            for (size_t n; s->head && (n = brain_output(r->side[HEAD].brain, s->head, r->now, buf, sizeof buf)) > 0; moved = true)
                vl_ignore(brain_input(s->brain, s->conn, r->now, buf, n));
        }
    }
}

static void pass(struct rig *r, vl_ms ms) {
    vl_ms step = ms > 600000 ? 5000 : 100;
    for (vl_ms until = r->now + ms; r->now < until;) {
        r->now += step;
        for (unsigned i = 0; i < NODES; i++)
            if (r->side[i].brain && brain_deadline(r->side[i].brain) <= r->now) brain_tick(r->side[i].brain, r->now);
        pump(r);
    }
}

static void lose(struct rig *r, unsigned i) { /* the connection: both see it */
    struct side *s = &r->side[i];
    uint32_t conn = s->conn, head = s->head;
    s->conn = s->head = 0;
    if (conn) brain_conn_lost(s->brain, conn, r->now);
    if (head) brain_conn_lost(r->side[HEAD].brain, head, r->now);
    pump(r);
}

static const uint8_t secret[16] = { 5 };

static void create(struct rig *r, unsigned i) {
    struct brain_config cfg = { .coordinator = i == HEAD, .boot_epoch = ++r->side[i].boots, .caps = { .disk_bytes = 1ull << 40, .slots = 2 } };
    struct crypto_sign_key root;
    uint8_t seed[32];
    memset(seed, 3, sizeof seed);
    crypto_sign_key_from_seed(seed, &root);
    snprintf(cfg.name, sizeof cfg.name, "n%u", i);
    memset(cfg.sign_seed, (int)(10 + i), 32);
    memset(cfg.static_secret, (int)(20 + i), 32);
    memset(cfg.seed, (int)(30 + i + 10 * r->side[i].boots), 32);
    memcpy(cfg.root_seed, seed, 32);
    memcpy(cfg.ticket_village, village_id_of(root.public).b, 16);
    memcpy(cfg.ticket_secret, secret, 16);
    cfg.admission = i == HEAD ? r->policy : NULL;
    snprintf(cfg.coordinator_addr, sizeof cfg.coordinator_addr, "head:1");
    CHECK_OK(brain_create(&cfg, r->now, &r->side[i].brain));
}

static void rig_policy(struct rig *r, const char *more) {
    char text[1024];
    struct vl_errmsg why;
    made_policy(&r->side[GOOD].made, more, text, sizeof text);
    CHECK_OK(admission_create(vl_span_str(text), NULL, 0, &r->policy, &why));
}

static struct rig *rig_new(const char *more, enum machine rogue) {
    struct rig *r = calloc(1, sizeof *r);
    r->now = MADE_WHEN_S * 1000ull;
    for (unsigned i = 0; i < NODES; i++) made_begin(&r->side[i].made);
    rig_policy(r, more);
    r->side[GOOD].machine = HARDWARE;
    r->side[ROGUE].machine = rogue;
    for (unsigned i = 0; i < NODES; i++) create(r, i);
    brain_start(r->side[HEAD].brain, r->now);
    brain_create_ticket(r->side[HEAD].brain, r->now, 1, secret, 10, 3600000);
    pump(r);
    brain_start(r->side[GOOD].brain, r->now);
    pass(r, 2000);
    brain_start(r->side[ROGUE].brain, r->now);
    pass(r, 3000);
    CHECK(brain_is_member(r->side[GOOD].brain) && brain_is_member(r->side[ROGUE].brain));
    return r;
}

static void rig_end(struct rig *r) {
    for (unsigned i = 0; i < NODES; i++) {
        CHECK(r->side[i].brain == NULL || !brain_failed(r->side[i].brain));
        brain_destroy(r->side[i].brain);
        made_end(&r->side[i].made);
    }
    for (unsigned i = 0; i < r->n_rows; i++) free(r->rows[i].bytes);
    admission_destroy(r->policy);
    free(r);
}

static struct vl_node_id id_of(const struct rig *r, unsigned i) { return brain_node_id(r->side[i].brain); }
static struct brain_attested of(const struct rig *r, unsigned i) {
    struct brain_attested a;
    CHECK(brain_attested(r->side[HEAD].brain, id_of(r, i), &a));
    return a;
}
static struct brain_counters counters(const struct rig *r, unsigned i) {
    struct brain_counters c;
    brain_counters(r->side[i].brain, &c);
    return c;
}
static const struct row *row_of(const struct rig *r, unsigned side, int32_t kind, struct vl_node_id key, uint64_t number) {
    for (unsigned i = 0; i < r->n_rows; i++)
        if (r->rows[i].side == side && r->rows[i].kind == kind && r->rows[i].number == number && memcmp(r->rows[i].key, key.b, 32) == 0)
            return &r->rows[i];
    return NULL;
}

static void restart(struct rig *r, unsigned i) {
    if (i == HEAD)
        for (unsigned k = 1; k < NODES; k++) lose(r, k);
    else
        lose(r, i);
    brain_destroy(r->side[i].brain);
    create(r, i);
    for (unsigned k = 0; k < r->n_rows; k++) {
        struct record rec = { .kind = RECORD_ITEM, .state = r->rows[k].kind, .number = r->rows[k].number,
                              .bytes = vl_span(r->rows[k].bytes, r->rows[k].n) };
        memcpy(rec.key, r->rows[k].key, 32);
        if (r->rows[k].side == i && rec.state < (int32_t)ITEM_VIEWS) CHECK_OK(brain_restore(r->side[i].brain, r->now, &rec));
    }
}

TEST(attest, hardware_that_signs_has_its_level_and_a_member_without_its_own_word) {
    struct rig *r = rig_new("", NOTHING);
    struct brain_attested a = of(r, GOOD), own;
    CHECK(a.known && !a.running);
    CHECK_EQ(900, a.level);
    CHECK_EQ(1, a.number);
    CHECK(strstr(a.why, "snp: accepted") != NULL);
    CHECK_EQ(300, of(r, ROGUE).level);
    CHECK_STR("no such hardware", of(r, ROGUE).why);
    CHECK(of(r, HEAD).known); /* the coordinator asks its own machine too */
    CHECK(brain_attested(r->side[GOOD].brain, id_of(r, GOOD), &own));
    CHECK(own.known && own.level == 900); /* and was told: its receipts name the result */
    struct attested said;
    struct vl_hash result_id;
    struct vl_span earlier;
    const struct row *told = row_of(r, GOOD, ITEM_ATTESTED, id_of(r, GOOD), 0);
    CHECK_OK(attest_row(vl_span(told->bytes, told->n), &said, &result_id, &earlier));
    CHECK(vl_hash_eq(result_id, r->side[GOOD].brain->attestation));
    CHECK(!brain_attested(r->side[GOOD].brain, id_of(r, HEAD), &own));
    CHECK(row_of(r, HEAD, ITEM_ATTESTED, id_of(r, GOOD), 0) != NULL);
    CHECK(row_of(r, HEAD, ITEM_ATTESTATION, id_of(r, GOOD), 1) != NULL);
    CHECK(row_of(r, GOOD, ITEM_ATTESTED, id_of(r, GOOD), 0) != NULL);
    rig_end(r);
}

TEST(attest, evidence_of_another_member_counts_for_nothing) {
    struct rig *r = rig_new("", OTHERS);
    CHECK_EQ(900, of(r, GOOD).level);
    CHECK_EQ(0, of(r, ROGUE).level);
    CHECK(strstr(of(r, ROGUE).why, "another challenge") != NULL);
    CHECK_EQ(1, counters(r, HEAD).attest_refused);
    rig_end(r);
}

TEST(attest, an_answer_counts_once_and_for_its_challenge_alone) {
    struct rig *r = rig_new("", HARDWARE);
    /* rogue's root is none of the policy's: */
    CHECK_EQ(300, of(r, ROGUE).level);
    r->side[GOOD].machine = OLD; /* the good one's evidence of the round before, again */
    brain_attest_now(r->side[HEAD].brain, r->now, 9, id_of(r, GOOD));
    pass(r, 1000);
    CHECK_EQ(2, of(r, GOOD).number);
    CHECK_EQ(0, of(r, GOOD).level);
    /* an answer to no challenge: */
    struct attestation_part part = { .nonce = { 3 }, .why = "none" };
    struct vl_buf out;
    vl_buf_init(&out, 1024);
    CHECK_OK(attestation_part_encode(&part, &out));
    uint64_t before = counters(r, HEAD).attest_stale;
    struct brain *b = r->side[GOOD].brain;
    step_begin(b, r->now);
    CHECK(link_send(b, b->coordinator, LANE_MESSAGE, LINK_ATTEST_PART, vl_span(out.p, out.len), (struct vl_span){ 0 }));
    step_end(b);
    pump(r);
    CHECK_EQ(before + 1, counters(r, HEAD).attest_stale);
    CHECK_EQ(2, of(r, GOOD).number);
    vl_buf_free(&out);
    rig_end(r);
}

TEST(attest, a_machine_that_changes_loses_its_level_at_the_next_round) {
    struct rig *r = rig_new("", NOTHING);
    static const struct {
        enum machine machine;
        uint32_t level;
    } rows[] = { { DEBUGGED, 300 }, { HARDWARE, 900 }, { FORGED, 0 }, { HARDWARE, 900 }, { NOTHING, 300 } };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct brain_attested own;
        r->side[GOOD].machine = rows[i].machine;
        brain_attest_now(r->side[HEAD].brain, r->now, 9, id_of(r, GOOD));
        pass(r, 1000);
        CHECK_EQ(rows[i].level, of(r, GOOD).level);
        CHECK(brain_attested(r->side[GOOD].brain, id_of(r, GOOD), &own));
        CHECK_EQ(rows[i].level, own.level);
    }
    rig_end(r);
}

TEST(attest, evidence_is_made_anew_each_period_and_old_rows_go) {
    struct rig *r = rig_new(", \"period_s\": 3600", NOTHING);
    struct brain_attested before = of(r, GOOD);
    CHECK_EQ(before.when_ms + 7200000, before.until_ms);
    pass(r, 6 * 3600000);
    struct brain_attested after = of(r, GOOD);
    CHECK(after.number >= before.number + 6 && after.number <= before.number + 8);
    CHECK_EQ(900, after.found);
    CHECK(after.level > 890);
    CHECK(row_of(r, HEAD, ITEM_ATTESTATION, id_of(r, GOOD), 1) == NULL);
    CHECK(row_of(r, HEAD, ITEM_ATTESTATION, id_of(r, GOOD), after.number) != NULL);
    rig_end(r);
}

TEST(attest, silence_over_the_same_channel_ages_and_ends) {
    struct rig *r = rig_new(", \"period_s\": 3600", NOTHING);
    r->side[GOOD].machine = SILENT;
    pass(r, 3600000 + 600000);
    CHECK(of(r, GOOD).level > 890); /* a round failed; the result still counts */
    CHECK(counters(r, HEAD).attest_silent > 0);
    CHECK_EQ(1, of(r, GOOD).number);
    pass(r, 2 * 3600000);
    CHECK_EQ(300, of(r, GOOD).level);
    rig_end(r);
}

/* Whoever copied a member's keys has another machine, and shows nothing over its own channel. */
TEST(attest, silence_over_a_new_channel_ends_the_level_at_once) {
    struct rig *r = rig_new("", NOTHING);
    struct brain_attested a = of(r, GOOD);
    CHECK_EQ(900, a.level);
    r->side[GOOD].machine = SILENT;
    struct brain *b = r->side[HEAD].brain;
    step_begin(b, r->now);
    link_close_node(b, id_of(r, GOOD), HTX_NORMAL_END); /* the session ends: a new handshake follows */
    step_end(b);
    pump(r);
    pass(r, 5000);
    CHECK_EQ(900, of(r, GOOD).level); /* it is asked, */
    CHECK(of(r, GOOD).running);
    pass(r, 100000);
    CHECK_EQ(300, of(r, GOOD).level); /* and does not answer */
    CHECK(strstr(of(r, GOOD).why, "sent no evidence in time") != NULL);
    rig_end(r);
}

TEST(attest, a_coordinator_that_was_killed_still_knows_and_asks_again) {
    struct rig *r = rig_new("", NOTHING);
    struct vl_node_id good = id_of(r, GOOD);
    restart(r, HEAD);
    struct brain *b = r->side[HEAD].brain;
    CHECK_EQ(900, attest_level_of(b, good));
    CHECK_EQ(300, attest_level_of(b, id_of(r, ROGUE)));
    /* under another policy what was found counts no more than the node's own word */
    brain_destroy(b);
    admission_destroy(r->policy);
    rig_policy(r, ", \"admit\": 1");
    r->side[HEAD].brain = NULL;
    create(r, HEAD);
    for (unsigned k = 0; k < r->n_rows; k++) {
        struct record rec = { .kind = RECORD_ITEM, .state = r->rows[k].kind, .bytes = vl_span(r->rows[k].bytes, r->rows[k].n) };
        memcpy(rec.key, r->rows[k].key, 32);
        if (r->rows[k].side == HEAD && rec.state == ITEM_ATTESTED) CHECK_OK(brain_restore(r->side[HEAD].brain, r->now, &rec));
    }
    CHECK_EQ(300, attest_level_of(r->side[HEAD].brain, good));
    /* rows that somebody changed on the disk do not pass */
    for (unsigned k = 0; k < r->n_rows; k++) {
        struct record rec = { .kind = RECORD_ITEM, .state = r->rows[k].kind, .bytes = vl_span(r->rows[k].bytes, r->rows[k].n) };
        if (r->rows[k].side != HEAD || rec.state != ITEM_ATTESTED) continue;
        memcpy(rec.key, r->rows[k].key, 32);
        r->rows[k].bytes[rec.bytes.n / 2] ^= 1;
        CHECK_EQ(VL_ECORRUPT, brain_restore(r->side[HEAD].brain, r->now, &rec));
    }
    rig_end(r);
}

TEST(attest, a_member_that_was_killed_knows_its_own_result) {
    struct rig *r = rig_new("", NOTHING);
    struct brain_attested own;
    restart(r, GOOD);
    /* a row about the key that it had before it changed keys: passed over */
    const struct row *other = row_of(r, HEAD, ITEM_ATTESTED, id_of(r, ROGUE), 0);
    struct record rec = { .kind = RECORD_ITEM, .state = ITEM_ATTESTED, .bytes = vl_span(other->bytes, other->n) };
    memcpy(rec.key, other->key, 32);
    CHECK_OK(brain_restore(r->side[GOOD].brain, r->now, &rec));
    CHECK(brain_attested(r->side[GOOD].brain, id_of(r, GOOD), &own));
    CHECK(own.known);
    CHECK_EQ(900, own.level);
    rig_end(r);
}

static void submit(struct rig *r, unsigned from, struct job_terms terms, uint8_t n) {
    struct job_spec s;
    struct vl_job_id id = { { 0 } };
    vl_put_u64(id.b, r->now << 16);
    id.b[15] = n;
    job_spec_defaults(&s);
    s.kind = TASK_NATIVE;
    s.command = vl_span_str("/bin/true");
    s.terms = terms;
    brain_submit_job(r->side[from].brain, r->now, n, id, &s, 0, NULL);
    pump(r);
}

TEST(attest, quarantine_is_no_work_and_no_jobs_until_something_is_shown) {
    struct rig *r = rig_new(", \"admit\": 700", NOTHING);
    CHECK_EQ(0, of(r, GOOD).barred);
    CHECK_EQ(7, of(r, ROGUE).barred);
    submit(r, ROGUE, (struct job_terms){ .class = SLA_B }, 1);
    pass(r, 60000);
    CHECK(strstr(r->refusal, "quarantine") != NULL);
    r->refusal[0] = '\0';
    submit(r, GOOD, (struct job_terms){ .class = SLA_B }, 2);
    pass(r, 60000);
    CHECK(strstr(r->refusal, "quarantine") == NULL);
    rig_end(r);
}

static struct sched_node node_of(const struct rig *r, unsigned i) {
    const struct brain *b = r->side[HEAD].brain;
    struct sched_node n;
    placing_node(b, registry_get(b->registry, id_of(r, i)), &n);
    n.blocked = 0;
    n.features = UINT32_MAX;
    n.slots = n.free_slots = 1;
    n.memory_free = n.memory_total = n.disk_free = n.disk_total = 1;
    n.attested = true; /* audited */
    return n;
}

TEST(attest, classes_and_jobs_ask_for_levels_and_the_reason_says_so) {
    struct rig *r = rig_new(", \"tasks\": {\"A\": 700, \"S\": 950}", NOTHING);
    struct sched_node good = node_of(r, GOOD), rogue = node_of(r, ROGUE);
    bool soft;
    static const struct {
        enum sla_class class;
        uint32_t min;
        enum sched_reason good, rogue;
    } rows[] = { { SLA_B, 0, SCHED_PLACED, SCHED_PLACED },
                 { SLA_B, 700, SCHED_PLACED, SCHED_NO_EVIDENCE },
                 { SLA_B, 901, SCHED_NO_EVIDENCE, SCHED_NO_EVIDENCE },
                 { SLA_A, 0, SCHED_PLACED, SCHED_NO_EVIDENCE },
                 { SLA_S, 0, SCHED_NO_EVIDENCE, SCHED_NO_EVIDENCE } };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sched_task t = { .class = rows[i].class, .min_attest_milli = rows[i].min };
        CHECK_EQ(rows[i].good, sched_fits(&good, &t, &soft));
        CHECK_EQ(rows[i].rogue, sched_fits(&rogue, &t, &soft));
    }
    good.trust_milli = rogue.trust_milli = 400;
    CHECK(sched_distrust(&good) < sched_distrust(&rogue)); /* and it weighs where nobody asks */
    rig_end(r);
}

TEST(attest, members_send_pieces_out_of_order_or_none_to_their_own_loss) {
    struct rig *r = rig_new("", SILENT);
    struct brain *b = r->side[ROGUE].brain, *head = r->side[HEAD].brain;
    uint8_t bytes[8] = { 1 };
    struct vl_buf out;
    vl_buf_init(&out, 1024);
    CHECK(of(r, ROGUE).running);
    struct attestation_part part = { .total = 16, .at = 8, .bytes = { bytes, 8 } }; /* the second piece first */
    memcpy(part.nonce, b->attests->answer.blank.nonce, 32);
    CHECK_OK(attestation_part_encode(&part, &out));
    step_begin(b, r->now);
    CHECK(link_send(b, b->coordinator, LANE_MESSAGE, LINK_ATTEST_PART, vl_span(out.p, out.len), (struct vl_span){ 0 }));
    step_end(b);
    pump(r);
    CHECK(!of(r, ROGUE).running);
    CHECK_EQ(300, of(r, ROGUE).level);
    CHECK_EQ(0, head->attests->running);
    vl_buf_free(&out);
    rig_end(r);
}
