/* Jobs of members against a coordinator, with a member that keeps to no rule.  Commits are durable at once; nothing is
 * stored: what a restart keeps is the simulator's to test. */
#include "brain/remote_priv.h"

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "net/htx.h"
#include "trust/roster.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD, HONEST, ROGUE, NODES };

struct side {
    struct brain *brain;
    uint32_t conn; /* of a member: at its end */
    uint32_t head; /* at the coordinator's */
    uint32_t dial;
};
struct rig {
    struct side side[NODES];
    vl_ms now;
    uint8_t blob[100000]; /* the only one that members have */
    struct vl_hash hash;
    size_t blob_n;
    unsigned replies, blobs_kept, jobs_changed;
    enum vl_err last;
    bool deaf[NODES]; /* BLOB_READ is not answered */
    char error[256];  /* of the last row of a job that the honest member wrote */
};

static void answer(struct rig *r, unsigned i, const struct brain_effect *e) {
    struct brain *b = r->side[i].brain;
    bool have = (i != HEAD || r->blobs_kept) && r->blob_n && vl_hash_eq(e->hash, r->hash);
    switch ((int)e->kind) {
    case BRAIN_COMMIT:
        for (size_t k = 0; k < e->records_n; k++) {
            struct job_row row;
            r->blobs_kept += i == HEAD && e->records[k].kind == RECORD_BLOB;
            if (i == HONEST && e->records[k].kind == RECORD_JOB && job_row_decode(e->records[k].bytes, &row) == VL_OK)
                snprintf(r->error, sizeof r->error, "%.*s", (int)row.error_text.n, (const char *)row.error_text.p);
        }
        brain_committed(b, r->now, e->seq);
        return;
    case BRAIN_DIAL:
        r->side[i].dial = e->dial;
        return;
    case BRAIN_BLOB_FIND:
        brain_blob_found(b, r->now, e->hash, have, have ? r->blob_n : 0, 0);
        return;
    case BRAIN_BLOB_READ:
        if (r->deaf[i]) return;
        if (have && e->offset < r->blob_n) {
            size_t n = r->blob_n - e->offset < e->length ? r->blob_n - e->offset : e->length;
            brain_blob_read(b, r->now, e->req, VL_OK, r->blob_n, vl_span(r->blob + e->offset, n));
        } else {
            brain_blob_read(b, r->now, e->req, VL_ENOTFOUND, 0, (struct vl_span){ 0 });
        }
        return;
    case BRAIN_REPLY:
        r->replies++;
        r->last = e->err;
        return;
    case BRAIN_JOB_CHANGED:
        r->jobs_changed++;
        return;
    case BRAIN_CONN_CLOSE:
        if (i != HEAD && e->conn == r->side[i].conn) {
            uint32_t conn = r->side[i].conn, head = r->side[i].head;
            r->side[i].conn = r->side[i].head = 0;
            brain_conn_lost(b, conn, r->now);
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
            for (; brain_next_effect(r->side[i].brain, &e); moved = true) answer(r, i, &e);
            struct side *s = &r->side[i];
            if (i == HEAD || s->dial == 0) continue;
            CHECK_OK(brain_dialled(s->brain, r->now, s->dial, &s->conn));
            CHECK_OK(brain_accept(r->side[HEAD].brain, r->now, &s->head));
            s->dial = 0;
            moved = true;
        }
        for (unsigned i = 1; i < NODES; i++) {
            struct side *s = &r->side[i];
            for (size_t n; s->conn && (n = brain_output(s->brain, s->conn, r->now, buf, sizeof buf)) > 0; moved = true)
                vl_ignore(brain_input(r->side[HEAD].brain, s->head, r->now, buf, n));
            for (size_t n; s->head && (n = brain_output(r->side[HEAD].brain, s->head, r->now, buf, sizeof buf)) > 0;
                 moved = true)
                vl_ignore(brain_input(s->brain, s->conn, r->now, buf, n));
        }
    }
}

static void pass(struct rig *r, vl_ms ms) {
    for (vl_ms until = r->now + ms; r->now < until;) {
        r->now += 100;
        for (unsigned i = 0; i < NODES; i++)
            if (brain_deadline(r->side[i].brain) <= r->now) brain_tick(r->side[i].brain, r->now);
        pump(r);
    }
}

static struct rig *rig_new(void) {
    struct rig *r = calloc(1, sizeof *r);
    struct crypto_sign_key root;
    uint8_t seed[32], secret[16] = { 5 };
    memset(seed, 3, sizeof seed);
    crypto_sign_key_from_seed(seed, &root);
    r->now = 1000000;
    for (unsigned i = 0; i < NODES; i++) {
        struct brain_config cfg = { .coordinator = i == HEAD, .boot_epoch = 1, .caps = { .disk_bytes = 1ull << 40 } };
        snprintf(cfg.name, sizeof cfg.name, "n%u", i);
        memset(cfg.sign_seed, (int)(10 + i), 32);
        memset(cfg.static_secret, (int)(20 + i), 32);
        memset(cfg.seed, (int)(30 + i), 32);
        memset(cfg.root_seed, 3, 32);
        memcpy(cfg.ticket_village, village_id_of(root.public).b, 16);
        memcpy(cfg.ticket_secret, secret, 16);
        snprintf(cfg.coordinator_addr, sizeof cfg.coordinator_addr, "head:1");
        CHECK_OK(brain_create(&cfg, r->now, &r->side[i].brain));
    }
    brain_start(r->side[HEAD].brain, r->now);
    brain_create_ticket(r->side[HEAD].brain, r->now, 1, secret, 10, 3600000);
    pump(r);
    brain_start(r->side[HONEST].brain, r->now);
    brain_start(r->side[ROGUE].brain, r->now);
    pass(r, 2000);
    CHECK(brain_is_member(r->side[HONEST].brain) && brain_is_member(r->side[ROGUE].brain));
    r->replies = 0;
    return r;
}

static void rig_end(struct rig *r) {
    for (unsigned i = 0; i < NODES; i++) {
        CHECK(!brain_failed(r->side[i].brain));
        brain_destroy(r->side[i].brain);
    }
    free(r);
}

static void blob_make(struct rig *r, size_t n) {
    for (size_t i = 0; i < n; i++) r->blob[i] = (uint8_t)(i * 7);
    r->blob_n = n;
    crypto_blake2b256(vl_span(r->blob, n), &r->hash);
}

static struct vl_job_id job_n(const struct rig *r, uint8_t n) {
    struct vl_job_id id = { { 0 } };
    vl_put_u64(id.b, r->now << 16);
    id.b[15] = n;
    return id;
}

/* A program that is the blob, without inputs. */
static struct job_spec spec_of(const struct rig *r) {
    struct job_spec s;
    job_spec_defaults(&s);
    s.kind = TASK_WASM;
    s.program = r->hash;
    return s;
}

static bool booked(const struct rig *r, struct vl_job_id id) {
    struct job_view v;
    return job_book_job(brain_jobs(r->side[HEAD].brain), id, &v);
}

static void say(struct rig *r, unsigned from, enum brain_message type, const struct vl_buf *m) {
    struct brain *b = r->side[from].brain;
    step_begin(b, r->now);
    CHECK_OK(message_send(b, b->coordinator, MIX_OFF, type, ENVELOPE_NORMAL, vl_span(m->p, m->len), NULL));
    step_end(b);
    pump(r);
}

static void say_submit(struct rig *r, unsigned from, struct vl_job_id id, const struct job_spec *spec) {
    struct vl_buf s, m;
    vl_buf_init(&s, JOB_SPEC_MAX);
    vl_buf_init(&m, VL_PAYLOAD_MAX);
    CHECK_OK(job_spec_encode(spec, &s));
    CHECK_OK(remote_submit_encode(&(struct remote_submit){ .job = id, .spec = vl_span(s.p, s.len) }, &m));
    say(r, from, MSG_SUBMIT, &m);
    vl_buf_free(&s);
    vl_buf_free(&m);
}

static void say_data(struct rig *r, unsigned from, struct vl_hash hash, uint32_t total, uint32_t offset,
                     const uint8_t *bytes) {
    struct vl_buf m;
    vl_buf_init(&m, VL_PAYLOAD_MAX);
    struct remote_data d = {
        .hash = hash, .total = total, .offset = offset, .bytes = vl_span(bytes, remote_piece_size(total, offset))
    };
    CHECK_OK(remote_data_encode(&d, &m));
    say(r, from, MSG_DATA, &m);
    vl_buf_free(&m);
}

static uint64_t bad(const struct rig *r) {
    struct brain_counters c;
    brain_counters(r->side[HEAD].brain, &c);
    return c.messages_bad;
}

TEST(remote, a_job_with_its_blob_in_three_pieces_reaches_the_book_once) {
    struct rig *r = rig_new();
    blob_make(r, sizeof r->blob);
    struct vl_job_id id = job_n(r, 1);
    struct job_spec s = spec_of(r);
    brain_submit_job(r->side[HONEST].brain, r->now, 7, id, &s, r->blob_n, NULL);
    pump(r);
    CHECK_EQ(1, r->replies);
    CHECK_EQ(VL_OK, r->last);
    CHECK(booked(r, id));
    CHECK_EQ(1, r->blobs_kept);
    pass(r, 200); /* the news leaves with the next tick */
    CHECK_EQ(REMOTE_OPEN, remote_get(r->side[HONEST].brain, id)->state);
    CHECK_EQ(0, r->side[HEAD].brain->remote->parts_bytes);
    say_submit(r, HONEST, id, &s); /* once more: the same job */
    pass(r, 6000);
    say_submit(r, HONEST, id, &s);
    struct job_stats stats;
    job_book_stats(brain_jobs(r->side[HEAD].brain), &stats);
    CHECK_EQ(1, stats.jobs);
    rig_end(r);
}

TEST(remote, a_tier_that_cannot_be_kept_is_refused_with_the_reason_at_the_member) {
    struct rig *r = rig_new();
    blob_make(r, 100);
    struct vl_job_id id = job_n(r, 1);
    struct job_spec s = spec_of(r);
    s.terms.tier = TIER_PLATINUM;
    brain_submit_job(r->side[HONEST].brain, r->now, 7, id, &s, r->blob_n, NULL);
    pump(r);
    pass(r, 500);
    CHECK(!booked(r, id));
    CHECK_EQ(REMOTE_ENDED, remote_get(r->side[HONEST].brain, id)->state);
    CHECK_STR("platinum cannot be honoured: no node fits the job", r->error);
    rig_end(r);
}

TEST(remote, a_cancelled_job_is_cancelled_in_the_book_and_shown_so) {
    struct rig *r = rig_new();
    blob_make(r, 100);
    struct vl_job_id id = job_n(r, 1);
    struct job_spec s = spec_of(r);
    brain_submit_job(r->side[HONEST].brain, r->now, 7, id, &s, r->blob_n, NULL);
    pump(r);
    brain_cancel_job(r->side[HONEST].brain, r->now, 8, id);
    pass(r, 500);
    struct job_view v;
    CHECK(job_book_job(brain_jobs(r->side[HEAD].brain), id, &v) && v.state == JOB_CANCELLED);
    CHECK_EQ(REMOTE_ENDED, remote_get(r->side[HONEST].brain, id)->state);
    CHECK_EQ(REMOTE_ENDED, remote_get(r->side[HEAD].brain, id)->state);
    brain_cancel_job(r->side[HONEST].brain, r->now, 9, id);
    pump(r);
    CHECK_EQ(VL_ESTATE, r->last);
    rig_end(r);
}

TEST(remote, what_was_cancelled_before_the_answer_is_cancelled_there_too) {
    struct rig *r = rig_new();
    blob_make(r, 100);
    struct vl_job_id id = job_n(r, 1);
    struct job_spec s = spec_of(r);
    r->deaf[HONEST] = true; /* its blob does not leave */
    brain_submit_job(r->side[HONEST].brain, r->now, 7, id, &s, r->blob_n, NULL);
    pump(r);
    CHECK(!booked(r, id));
    brain_cancel_job(r->side[HONEST].brain, r->now, 8, id);
    pump(r);
    CHECK_EQ(VL_OK, r->last);
    CHECK_EQ(REMOTE_ENDED, remote_get(r->side[HONEST].brain, id)->state);
    CHECK(remote_get(r->side[HEAD].brain, id) == NULL);
    s.kind = TASK_NATIVE; /* as if the submission had been on its way still: nothing holds this one up */
    memset(&s.program, 0, sizeof s.program);
    s.command = vl_span_str("/bin/true");
    say_submit(r, HONEST, id, &s);
    pass(r, 500);
    struct job_view v;
    CHECK(job_book_job(brain_jobs(r->side[HEAD].brain), id, &v) && v.state == JOB_CANCELLED);
    rig_end(r);
}

TEST(remote, nobody_touches_the_job_of_another) {
    struct rig *r = rig_new();
    struct vl_buf m;
    blob_make(r, 100);
    struct vl_job_id id = job_n(r, 1);
    struct job_spec s = spec_of(r);
    brain_submit_job(r->side[HONEST].brain, r->now, 7, id, &s, r->blob_n, NULL);
    pass(r, 6000);
    vl_buf_init(&m, 256);
    CHECK_OK(remote_cancel_encode(&(struct remote_cancel){ .job = id }, &m));
    say(r, ROGUE, MSG_CANCEL, &m);
    vl_buf_clear(&m);
    CHECK_OK(
        remote_missing_encode(&(struct remote_missing){ .job = id, .n = 1, .hashes = vl_span(r->hash.b, 32) }, &m));
    say(r, ROGUE, MSG_MISSING, &m);
    say_submit(r, ROGUE, id, &s);
    vl_buf_free(&m);
    pass(r, 6000);
    struct job_view v;
    CHECK(job_book_job(brain_jobs(r->side[HEAD].brain), id, &v) && !job_state_final(v.state));
    CHECK(vl_node_eq(remote_get(r->side[HEAD].brain, id)->peer, brain_node_id(r->side[HONEST].brain)));
    CHECK(r->side[HEAD].brain->remote->sending == NULL);
    struct brain_counters c;
    brain_counters(r->side[HEAD].brain, &c);
    CHECK_EQ(2, c.remote_refused); /* the question and the submission; a cancel has no answer */
    CHECK_EQ(REMOTE_OPEN, remote_get(r->side[HONEST].brain, id)->state);
    rig_end(r);
}

TEST(remote, data_that_nobody_asked_for_leaves_nothing) {
    struct rig *r = rig_new();
    blob_make(r, 100);
    say_data(r, ROGUE, r->hash, 100, 0, r->blob);
    CHECK_EQ(0, r->blobs_kept);
    struct job_spec s = spec_of(r);
    r->deaf[HONEST] = true;
    brain_submit_job(r->side[HONEST].brain, r->now, 7, job_n(r, 1), &s, r->blob_n, NULL);
    pump(r);
    say_data(r, ROGUE, r->hash, 100, 0, r->blob); /* asked of another */
    CHECK_EQ(0, r->blobs_kept);
    CHECK_EQ(0, r->side[HEAD].brain->remote->parts_bytes);
    rig_end(r);
}

TEST(remote, a_blob_that_is_not_its_hash_or_changes_its_size_is_refused) {
    struct rig *r = rig_new();
    blob_make(r, sizeof r->blob);
    struct vl_job_id id = job_n(r, 1);
    struct job_spec s = spec_of(r);
    say_submit(r, ROGUE, id, &s);
    uint64_t before = bad(r);
    say_data(r, ROGUE, r->hash, 100, 0, r->blob); /* whole, but a lie */
    CHECK_EQ(before + 1, bad(r));
    say_data(r, ROGUE, r->hash, 100000, REMOTE_PIECE, r->blob + REMOTE_PIECE);
    say_data(r, ROGUE, r->hash, 100001, 0, r->blob);
    CHECK_EQ(before + 2, bad(r));
    say_data(r, ROGUE, r->hash, 100000, 0, r->blob);
    say_data(r, ROGUE, r->hash, 100000, 0, r->blob); /* doubled */
    CHECK(!booked(r, id));
    say_data(r, ROGUE, r->hash, 100000, 2 * REMOTE_PIECE, r->blob + 2 * REMOTE_PIECE);
    CHECK(booked(r, id));
    CHECK_EQ(1, r->blobs_kept);
    rig_end(r);
}

TEST(remote, a_flood_of_submissions_is_held_at_16_that_wait) {
    struct rig *r = rig_new();
    blob_make(r, 100);
    struct job_spec s = spec_of(r);
    for (uint8_t i = 1; i <= 40; i++) say_submit(r, ROGUE, job_n(r, i), &s);
    unsigned n = 0;
    for (struct remote_job *j = r->side[HEAD].brain->remote->live; j; j = j->next) n++;
    CHECK_EQ(REMOTE_PENDING_MAX, n);
    pass(r, REMOTE_IDLE_MS + 1000); /* and forgotten when nothing comes of them */
    CHECK(r->side[HEAD].brain->remote->live == NULL);
    rig_end(r);
}

TEST(remote, an_id_from_the_future_and_too_many_tasks_are_refused) {
    struct rig *r = rig_new();
    struct vl_buf inputs;
    blob_make(r, 100);
    struct job_spec s = spec_of(r);
    struct vl_job_id late = job_n(r, 1), wide = job_n(r, 2);
    vl_put_u64(late.b, (r->now + REMOTE_AHEAD_MS + 1000) << 16);
    say_submit(r, ROGUE, late, &s);
    CHECK(remote_get(r->side[HEAD].brain, late) == NULL);
    vl_buf_init(&inputs, JOB_SPEC_MAX);
    s.map = true;
    for (; s.n_inputs <= REMOTE_TASKS_MAX; s.n_inputs++)
        CHECK_OK(job_inputs_append(&inputs, vl_span_str("i"), r->hash, 100));
    s.inputs = vl_span(inputs.p, inputs.len);
    say_submit(r, ROGUE, wide, &s);
    CHECK(remote_get(r->side[HEAD].brain, wide) == NULL);
    brain_submit_job(r->side[HONEST].brain, r->now, 7, job_n(r, 3), &s, 100, NULL);
    pump(r);
    CHECK_EQ(VL_ERANGE, r->last);
    vl_buf_free(&inputs);
    rig_end(r);
}

TEST(remote, a_member_takes_orders_from_its_coordinator_only_and_gives_only_what_its_job_names) {
    struct rig *r = rig_new();
    struct vl_hash other = { { 1 } };
    struct vl_buf m;
    blob_make(r, 100);
    struct job_spec s = spec_of(r);
    struct vl_job_id id = job_n(r, 1);
    r->deaf[HONEST] = true;
    brain_submit_job(r->side[HONEST].brain, r->now, 7, id, &s, r->blob_n, NULL);
    pump(r);
    struct brain *b = r->side[HONEST].brain;
    vl_buf_init(&m, 256);
    remote_send_stop(b, remote_get(b, id));
    CHECK_OK(remote_missing_encode(&(struct remote_missing){ .job = id, .n = 1, .hashes = vl_span(other.b, 32) }, &m));
    step_begin(b, r->now);
    remote_message(b, brain_node_id(r->side[ROGUE].brain), MIX_OFF, MSG_MISSING, vl_span(m.p, m.len));
    CHECK(!remote_get(b, id)->sending);
    remote_message(b, b->coordinator, MIX_OFF, MSG_MISSING, vl_span(m.p, m.len));
    CHECK(!remote_get(b, id)->sending);
    step_end(b);
    vl_buf_clear(&m);
    CHECK_OK(
        remote_missing_encode(&(struct remote_missing){ .job = id, .n = 1, .hashes = vl_span(r->hash.b, 32) }, &m));
    step_begin(b, r->now);
    remote_message(b, b->coordinator, MIX_OFF, MSG_MISSING, vl_span(m.p, m.len));
    CHECK(remote_get(b, id)->sending);
    step_end(b);
    vl_buf_free(&m);
    rig_end(r);
}

TEST(remote, a_job_after_another_waits_until_that_one_is_in_the_book) {
    struct rig *r = rig_new();
    blob_make(r, 100);
    struct vl_job_id first = job_n(r, 1), second = job_n(r, 2);
    struct job_spec s = spec_of(r), t = spec_of(r);
    t.n_after = 1;
    t.after[0] = first;
    r->deaf[HONEST] = true; /* the first waits for its blob */
    brain_submit_job(r->side[HONEST].brain, r->now, 7, first, &s, r->blob_n, NULL);
    brain_submit_job(r->side[HONEST].brain, r->now, 8, second, &t, r->blob_n, NULL);
    pass(r, 3000);
    CHECK(remote_get(r->side[HEAD].brain, second) == NULL);
    say_data(r, HONEST, r->hash, 100, 0, r->blob);
    CHECK(booked(r, first));
    pass(r, 3000);
    CHECK(booked(r, second));
    rig_end(r);
}
