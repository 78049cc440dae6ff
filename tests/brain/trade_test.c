/* The market among whole members: bids by themselves, awards, and what becomes of those who vanish, lie or restart. What
 * is committed is stored at once, and a killed node is built again from its store. */
#include "brain/priv.h"

#include "crypto/hash.h"
#include "fog/market.h"
#include "net/htx.h"
#include "trust/roster.h"
#include "wire/market.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD, MEMBERS = 4, NODES };
#define ROWS_MAX 4000u

struct row {
    struct record r;
    uint8_t *bytes;
    bool used;
};
struct side {
    struct brain *brain;
    struct brain_config cfg;
    uint32_t conn, head, dial; /* conn: at its end; head: at the coordinator's */
    struct row *rows;
    size_t rows_n;
    bool off; /* killed */
};
struct rig {
    struct side side[NODES];
    vl_ms now;
    struct vl_hash auction;
    enum vl_err last;
    bool work;      /* tasks end at once */
    bool lie;       /* with wrong output */
    uint64_t memory; /* that the job of an auction asks for; 0: the default */
    uint32_t replicas;
    unsigned ran[NODES];
    char note[256]; /* the coordinator's last */
};

/* ---- a store ------------------------------------------------------------------------------------------------------- */

static bool same_row(const struct record *a, const struct record *b) {
    if (a->kind != b->kind || a->kind == RECORD_LOG || memcmp(a->key, b->key, sizeof a->key) != 0) return false;
    if (a->kind == RECORD_ITEM) return a->state == b->state && a->number == b->number;
    return a->kind != RECORD_MEMBER || a->number == b->number;
}

static void keep(struct side *s, const struct record *r) {
    if (r->kind > RECORD_LOG || (r->kind == RECORD_ITEM && r->state >= ITEM_VIEWS)) return; /* views */
    size_t at = s->rows_n;
    for (size_t i = 0; i < s->rows_n; i++)
        if (s->rows[i].used && same_row(&s->rows[i].r, r)) at = i;
    if (r->remove) {
        if (at < s->rows_n) s->rows[at].used = false;
        return;
    }
    CHECK(at < ROWS_MAX);
    if (at == s->rows_n) s->rows_n++;
    struct row *w = &s->rows[at];
    free(w->bytes);
    *w = (struct row){ .r = *r, .used = true, .bytes = malloc(r->bytes.n + r->text.n + 1) };
    if (r->bytes.n) memcpy(w->bytes, r->bytes.p, r->bytes.n);
    if (r->text.n) memcpy(w->bytes + r->bytes.n, r->text.p, r->text.n);
    w->r.bytes = vl_span(w->bytes, r->bytes.n);
    w->r.text = vl_span(w->bytes + r->bytes.n, r->text.n);
}

/* In the order of persist.c: kinds, then kind of item, key, sequence. */
static int row_order(const void *a, const void *b) {
    const struct record *x = &(*(struct row *const *)a)->r, *y = &(*(struct row *const *)b)->r;
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    if (x->kind == RECORD_ITEM && x->state != y->state) return x->state < y->state ? -1 : 1;
    int c = x->kind == RECORD_ITEM ? memcmp(x->key, y->key, sizeof x->key) : 0;
    if (c == 0 && x->kind == RECORD_ITEM && x->number != y->number) c = x->number < y->number ? -1 : 1;
    return c ? c : (a > b) - (a < b);
}

static void revive(struct rig *r, unsigned i) {
    struct side *s = &r->side[i];
    struct row **v = calloc(s->rows_n + 1, sizeof *v);
    size_t n = 0;
    for (size_t k = 0; k < s->rows_n; k++)
        if (s->rows[k].used) v[n++] = &s->rows[k];
    for (size_t k = 1; k < n; k++) /* stable: the log keeps its order */
        for (size_t q = k; q > 0 && row_order(&v[q - 1], &v[q]) > 0 &&
                           !(v[q - 1]->r.kind == RECORD_LOG && v[q]->r.kind == RECORD_LOG);
             q--) {
            struct row *t = v[q];
            v[q] = v[q - 1];
            v[q - 1] = t;
        }
    s->cfg.boot_epoch++;
    CHECK_OK(brain_create(&s->cfg, r->now, &s->brain));
    for (size_t k = 0; k < n; k++) CHECK_OK(brain_restore(s->brain, r->now, &v[k]->r));
    free(v);
    s->off = false;
    brain_start(s->brain, r->now);
    if (s->cfg.caps.slots) brain_runner_ready(s->brain, r->now, NODE_FEATURE_WASM);
}

static void cut(struct rig *r, unsigned i) {
    struct side *s = &r->side[i];
    uint32_t conn = s->conn, head = s->head;
    s->conn = s->head = s->dial = 0;
    if (conn && !s->off) brain_conn_lost(s->brain, conn, r->now);
    if (head && !r->side[HEAD].off) brain_conn_lost(r->side[HEAD].brain, head, r->now);
}

static void kill_node(struct rig *r, unsigned i) {
    r->side[i].off = true;
    if (i == HEAD)
        for (unsigned k = 1; k < NODES; k++) cut(r, k);
    else
        cut(r, i);
    brain_destroy(r->side[i].brain);
    r->side[i].brain = NULL;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static void run_task(struct rig *r, unsigned i, const struct brain_effect *e) {
    static const char right[] = "right", wrong[] = "wrong";
    const char *text = r->lie ? wrong : right;
    struct task_output out = { .name = vl_span_str("stdout"), .size = 5, .inline_bytes = vl_span(text, 5) };
    struct brain_task_end end = { .task = e->task, .outcome = TASK_DONE, .outputs = &out, .outputs_n = 1 };
    crypto_blake2b256(out.inline_bytes, &out.hash);
    r->ran[i]++;
    if (!r->work) return;
    brain_task_started(r->side[i].brain, r->now, e->task);
    brain_task_ended(r->side[i].brain, r->now, &end);
}

static void answer(struct rig *r, unsigned i, const struct brain_effect *e) {
    struct side *s = &r->side[i];
    switch ((int)e->kind) {
    case BRAIN_COMMIT:
        for (size_t k = 0; k < e->records_n; k++) keep(s, &e->records[k]);
        brain_committed(s->brain, r->now, e->seq);
        return;
    case BRAIN_DIAL:
        s->dial = e->dial;
        return;
    case BRAIN_BLOB_FIND:
        brain_blob_found(s->brain, r->now, e->hash, true, 10, 0);
        return;
    case BRAIN_TASK_RUN:
        run_task(r, i, e);
        return;
    case BRAIN_REPLY:
        r->last = e->err;
        if (e->err == VL_OK && e->bytes.n == sizeof r->auction.b) memcpy(r->auction.b, e->bytes.p, e->bytes.n);
        return;
    case BRAIN_NOTE:
        if (i == HEAD && e->detail) snprintf(r->note, sizeof r->note, "%s", e->detail);
        return;
    case BRAIN_CONN_CLOSE:
        if (i != HEAD && e->conn == s->conn) cut(r, i);
        return;
    }
}

static void pump(struct rig *r) {
    static uint8_t buf[HTX_OUTPUT_GOOD];
    struct brain *head = r->side[HEAD].brain;
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned i = 0; i < NODES; i++) {
            struct side *s = &r->side[i];
            struct brain_effect e;
            for (; !s->off && brain_next_effect(s->brain, &e); moved = true) answer(r, i, &e);
            if (i == HEAD || s->off || s->dial == 0) continue;
            uint32_t dial = s->dial;
            s->dial = 0;
            moved = true;
            if (r->side[HEAD].off) {
                brain_dial_failed(s->brain, r->now, dial);
                continue;
            }
            CHECK_OK(brain_dialled(s->brain, r->now, dial, &s->conn));
            CHECK_OK(brain_accept(head, r->now, &s->head));
        }
        for (unsigned i = 1; i < NODES; i++) {
            struct side *s = &r->side[i];
            for (size_t n; s->conn && (n = brain_output(s->brain, s->conn, r->now, buf, sizeof buf)) > 0; moved = true)
                vl_ignore(brain_input(head, s->head, r->now, buf, n));
            for (size_t n; s->head && (n = brain_output(head, s->head, r->now, buf, sizeof buf)) > 0; moved = true)
                vl_ignore(brain_input(s->brain, s->conn, r->now, buf, n));
        }
    }
}

static void pass(struct rig *r, vl_ms ms) {
    for (vl_ms until = r->now + ms; r->now < until;) {
        r->now += 100;
        for (unsigned i = 0; i < NODES; i++)
            if (!r->side[i].off && brain_deadline(r->side[i].brain) <= r->now) brain_tick(r->side[i].brain, r->now);
        pump(r);
    }
}

static const uint8_t bench[] = "not a module, but long enough to be hashed";

static struct rig *rig_new(const uint64_t ask[MEMBERS]) {
    struct rig *r = calloc(1, sizeof *r);
    struct crypto_sign_key root;
    uint8_t seed[32], secret[16] = { 5 };
    memset(seed, 3, sizeof seed);
    crypto_sign_key_from_seed(seed, &root);
    r->now = 1000000;
    r->work = true;
    for (unsigned i = 0; i < NODES; i++) {
        struct side *s = &r->side[i];
        s->rows = calloc(ROWS_MAX, sizeof *s->rows);
        s->cfg = (struct brain_config){ .coordinator = i == HEAD,
                                        .heartbeat_ms = 500,
                                        .lost_ms = 3000,
                                        .bench_program = vl_span(bench, sizeof bench),
                                        .caps = { .disk_bytes = 1ull << 40,
                                                  .memory_bytes = 1ull << 40,
                                                  .cpus = 2,
                                                  .slots = i == HEAD ? 0 : 2,
                                                  .features = NODE_FEATURE_WASM,
                                                  .ask = i == HEAD ? 0 : ask[i - 1] } };
        snprintf(s->cfg.name, sizeof s->cfg.name, "n%u", i);
        memset(s->cfg.sign_seed, (int)(10 + i), 32);
        memset(s->cfg.static_secret, (int)(20 + i), 32);
        memset(s->cfg.seed, (int)(30 + i), 32);
        memset(s->cfg.root_seed, 3, 32);
        memcpy(s->cfg.ticket_village, village_id_of(root.public).b, 16);
        memcpy(s->cfg.ticket_secret, secret, 16);
        snprintf(s->cfg.coordinator_addr, sizeof s->cfg.coordinator_addr, "head:1");
    }
    revive(r, HEAD);
    brain_create_ticket(r->side[HEAD].brain, r->now, 1, secret, 10, 3600000);
    for (unsigned i = 1; i < NODES; i++) r->side[i].off = true;
    pump(r);
    for (unsigned i = 1; i < NODES; i++) revive(r, i);
    pass(r, 3000);
    for (unsigned i = 1; i < NODES; i++) CHECK(brain_is_member(r->side[i].brain));
    return r;
}

static void rig_end(struct rig *r) {
    for (unsigned i = 0; i < NODES; i++) {
        struct side *s = &r->side[i];
        CHECK(s->off || !brain_failed(s->brain));
        brain_destroy(s->brain);
        for (size_t k = 0; k < s->rows_n; k++) free(s->rows[k].bytes);
        free(s->rows);
    }
    free(r);
}

static const struct market_bid *bid_at(struct rig *r, unsigned i, struct market_view *v) {
    struct crypto_sign_key key;
    crypto_sign_key_from_seed(r->side[i].cfg.sign_seed, &key);
    CHECK(market_get(brain_market(r->side[HEAD].brain), r->auction, v));
    return market_bid_of(v, crypto_sign_node_id(&key));
}
static enum market_state state_now(struct rig *r) {
    struct market_view v;
    CHECK(market_get(brain_market(r->side[HEAD].brain), r->auction, &v));
    return v.state;
}
static struct brain_market_sums money(struct rig *r) {
    struct brain_market_sums s;
    brain_market_sums(r->side[HEAD].brain, &s);
    CHECK_EQ(s.held, s.released + s.paid + s.slashed + s.now);
    return s;
}

static const struct vl_job_id the_job = { { 1, 2, 3 } };

/* Two tasks, two units: bids are asks / 1000. */
static void open_auction(struct rig *r, uint32_t units, uint64_t reserve, bool job) {
    struct market_order o = { .tier = TIER_GOLD,
                              .title = "test",
                              .units = units,
                              .quantity = 1000000,
                              .reserve = reserve,
                              .min_providers = 2,
                              .duration_ms = 5000 };
    struct job_spec spec;
    struct vl_buf inputs;
    job_spec_defaults(&spec);
    vl_buf_init(&inputs, 4096);
    spec.kind = TASK_WASM;
    spec.program = (struct vl_hash){ { 7 } };
    spec.map = true;
    spec.n_inputs = 2;
    CHECK_OK(job_inputs_append(&inputs, vl_span_str("a"), (struct vl_hash){ { 1 } }, 0));
    CHECK_OK(job_inputs_append(&inputs, vl_span_str("b"), (struct vl_hash){ { 1 } }, 0));
    spec.inputs = vl_span(inputs.p, inputs.len);
    if (r->memory) spec.limits.memory_bytes = r->memory;
    if (r->replicas) spec.replicas = r->replicas;
    r->last = VL_EINTERNAL;
    brain_auction_open(r->side[HEAD].brain, r->now, 9, &o, the_job, job ? &spec : NULL);
    pump(r);
    CHECK_EQ(r->replicas > units ? VL_ERANGE : VL_OK, r->last);
    vl_buf_free(&inputs);
}

static enum job_state job_now(struct rig *r) {
    struct job_view v;
    CHECK(job_book_job(brain_jobs(r->side[HEAD].brain), the_job, &v));
    return v.state;
}

static const uint64_t asks[MEMBERS] = { 100000, 200000, 300000, 400000 };

TEST(trade, members_bid_what_they_ask_and_the_winners_alone_do_the_job) {
    struct rig *r = rig_new(asks);
    struct market_view v;
    open_auction(r, 2, 1000, true);
    pass(r, 1000);
    CHECK_EQ(MARKET_COMMIT, state_now(r));
    CHECK(bid_at(r, 1, &v) && bid_at(r, 4, &v));
    CHECK_EQ(JOB_PRICED, job_now(r));
    CHECK_EQ(0, r->ran[1] + r->ran[2] + r->ran[3] + r->ran[4]); /* it waits */
    pass(r, 5000);
    CHECK_EQ(MARKET_SETTLED, state_now(r));
    CHECK_EQ(JOB_DONE, job_now(r));
    CHECK(r->ran[1] == 1 && r->ran[2] == 1 && r->ran[3] + r->ran[4] == 0);
    CHECK_EQ(100, bid_at(r, 1, &v)->bid);
    CHECK_EQ(300, bid_at(r, 1, &v)->price); /* the third lowest */
    CHECK_EQ(300, bid_at(r, 2, &v)->price);
    CHECK_EQ(600, money(r).paid);
    CHECK_EQ(0, money(r).now);
    struct job_view j;
    CHECK(job_book_job(brain_jobs(r->side[HEAD].brain), the_job, &j));
    CHECK_EQ(600, j.price);
    CHECK_EQ(1, brain_prices(r->side[HEAD].brain, TIER_GOLD)->n);
    rig_end(r);
}

TEST(trade, who_asks_more_than_the_reserve_or_has_no_slots_does_not_bid) {
    static const uint64_t dear[MEMBERS] = { 100000, 200000, 2000000, 1000001 };
    struct rig *r = rig_new(dear);
    struct market_view v;
    open_auction(r, 1, 1000, false);
    pass(r, 6000);
    CHECK(bid_at(r, 3, &v) == NULL && bid_at(r, 4, &v) == NULL);
    CHECK_EQ(2, v.n_bids);
    /* without a job a price was found and nothing was bought */
    CHECK_EQ(MARKET_SETTLED, state_now(r));
    CHECK_EQ(200, bid_at(r, 1, &v)->price);
    CHECK_EQ(0, money(r).paid);
    CHECK_EQ(0, money(r).now);
    rig_end(r);
}

TEST(trade, who_cannot_do_the_job_is_not_asked_and_its_bid_is_not_taken) {
    struct rig *r = rig_new(asks);
    struct market_view v;
    struct vl_buf m;
    kill_node(r, 1); /* the cheapest comes back with less memory than the job asks for */
    r->side[1].cfg.caps.memory_bytes = 1ull << 30;
    revive(r, 1);
    pass(r, 3000);
    r->memory = 2ull << 30;
    open_auction(r, 1, 1000, true);
    pass(r, 1000);
    struct market_seal_msg seal = { .auction = r->auction, .seal = { { 1 } } };
    vl_buf_init(&m, 256);
    CHECK_OK(market_seal_encode(&seal, &m));
    step_begin(r->side[1].brain, r->now);
    CHECK_OK(message_send(r->side[1].brain, r->side[1].brain->coordinator, MIX_OFF, MSG_MARKET_SEAL, ENVELOPE_NORMAL,
                          vl_span(m.p, m.len), NULL));
    step_end(r->side[1].brain);
    pass(r, 6000);
    CHECK(bid_at(r, 1, &v) == NULL);
    CHECK_EQ(BID_PAID, bid_at(r, 2, &v)->state);
    CHECK_EQ(300, bid_at(r, 2, &v)->price);
    vl_buf_free(&m);
    rig_end(r);
}

TEST(trade, replicas_need_a_unit_each) {
    struct rig *r = rig_new(asks);
    r->replicas = 2;
    open_auction(r, 1, 1000, true); /* refused */
    open_auction(r, 2, 1000, true);
    pass(r, 8000);
    CHECK_EQ(JOB_DONE, job_now(r));
    CHECK(r->ran[1] == 2 && r->ran[2] == 2);
    rig_end(r);
}

TEST(trade, a_winner_that_vanishes_pays_half_its_deposit_and_the_other_does_the_work) {
    struct rig *r = rig_new(asks);
    struct market_view v;
    r->work = false; /* tasks run on */
    open_auction(r, 2, 1000, true);
    pass(r, 6000);
    CHECK_EQ(MARKET_CLEARED, state_now(r));
    kill_node(r, 1);
    pass(r, 6000);
    CHECK_EQ(BID_ABANDONED, bid_at(r, 1, &v)->state);
    CHECK_EQ(30, bid_at(r, 1, &v)->slashed); /* half of 20 % of 300 */
    CHECK_EQ(BID_WON, bid_at(r, 2, &v)->state);
    CHECK_EQ(30, money(r).slashed);
    CHECK_EQ(0, money(r).treasury); /* the requester's */
    CHECK_EQ(2, r->ran[2]);
    CHECK_EQ(0, r->ran[3] + r->ran[4]);
    kill_node(r, 2);
    pass(r, 6000);
    CHECK_EQ(MARKET_SETTLED, state_now(r));
    CHECK_EQ(JOB_CANCELLED, job_now(r)); /* nobody is left who was paid for it */
    CHECK_EQ(0, money(r).now);
    CHECK_EQ(0, money(r).paid);
    rig_end(r);
}

TEST(trade, a_winner_that_was_gone_before_it_won_has_abandoned) {
    struct rig *r = rig_new(asks);
    struct market_view v;
    open_auction(r, 1, 1000, true);
    pass(r, 1000);
    kill_node(r, 4); /* its silence keeps the bids open for 5 seconds */
    while (state_now(r) == MARKET_COMMIT || bid_at(r, 1, &v)->state == BID_SEALED) pass(r, 100);
    CHECK_EQ(MARKET_REVEAL, state_now(r));
    kill_node(r, 1);
    pass(r, 4500); /* lost after 3 */
    CHECK_EQ(MARKET_REVEAL, state_now(r));
    pass(r, 1500);
    CHECK_EQ(BID_ABANDONED, bid_at(r, 1, &v)->state);
    CHECK_EQ(MARKET_SETTLED, state_now(r));
    CHECK_EQ(JOB_CANCELLED, job_now(r));
    CHECK_EQ(0, money(r).now);
    rig_end(r);
}

TEST(trade, a_killed_coordinator_loses_no_bid_and_gives_the_phase_its_time_again) {
    struct rig *r = rig_new(asks);
    struct market_view before, after;
    struct brain_market_sums sums;
    open_auction(r, 1, 1000, true);
    pass(r, 2000);
    CHECK(bid_at(r, 1, &before) != NULL);
    sums = money(r);
    CHECK_EQ(4, before.n_bids);
    kill_node(r, HEAD);
    pass(r, 20000); /* the auction's time passes while nobody can open a bid */
    revive(r, HEAD);
    CHECK(bid_at(r, 1, &after) != NULL);
    CHECK_EQ(MARKET_COMMIT, after.state);
    CHECK_EQ(4, after.n_bids);
    CHECK_EQ(before.deposits, after.deposits);
    CHECK_EQ(r->now + 5000, after.until_ms);
    struct brain_market_sums got = money(r);
    CHECK_MEM(&sums, &got, sizeof got);
    pass(r, 20000);
    CHECK_EQ(MARKET_SETTLED, state_now(r));
    CHECK_EQ(BID_PAID, bid_at(r, 1, &after)->state);
    CHECK_EQ(200, money(r).paid);
    CHECK_EQ(0, money(r).slashed);
    kill_node(r, HEAD);
    revive(r, HEAD);
    CHECK_EQ(MARKET_SETTLED, state_now(r));
    CHECK_EQ(200, money(r).paid);
    CHECK_EQ(1, brain_prices(r->side[HEAD].brain, TIER_GOLD)->n);
    rig_end(r);
}

TEST(trade, a_member_restarted_with_another_price_opens_the_bid_that_it_sealed) {
    struct rig *r = rig_new(asks);
    struct market_view v;
    open_auction(r, 1, 1000, true);
    pass(r, 1000);
    kill_node(r, 1);
    r->side[1].cfg.caps.ask = 900000;
    revive(r, 1);
    pass(r, 12000);
    CHECK_EQ(BID_PAID, bid_at(r, 1, &v)->state);
    CHECK_EQ(100, bid_at(r, 1, &v)->bid);
    rig_end(r);
}

/* A member that says what it likes: bids that are opened as something else, twice, for others' auctions, too late. */
static void say(struct rig *r, unsigned i, enum brain_message type, const struct vl_buf *m) {
    struct brain *b = r->side[i].brain;
    step_begin(b, r->now);
    CHECK_OK(message_send(b, b->coordinator, MIX_OFF, type, ENVELOPE_NORMAL, vl_span(m->p, m->len), NULL));
    step_end(b);
    pump(r);
}

TEST(trade, a_liar_can_neither_open_another_bid_nor_speak_for_the_coordinator) {
    struct rig *r = rig_new(asks);
    struct market_view v;
    struct vl_buf m;
    vl_buf_init(&m, 1024);
    r->side[4].cfg.caps.ask = 9000000; /* it does not bid by itself */
    kill_node(r, 4);
    revive(r, 4);
    pass(r, 2000);
    open_auction(r, 1, 1000, true);
    uint8_t salt[MARKET_SALT] = { 1 };
    struct brain *liar = r->side[4].brain;
    struct market_seal_msg seal = { .auction = r->auction, .seal = market_seal(r->auction, liar->self, 50, salt) };
    CHECK_OK(market_seal_encode(&seal, &m));
    say(r, 4, MSG_MARKET_SEAL, &m);
    say(r, 4, MSG_MARKET_SEAL, &m); /* twice is once */
    pass(r, 1000);
    CHECK(bid_at(r, 4, &v) != NULL);
    CHECK_EQ(4, v.n_bids);
    struct market_show_msg show = { .auction = r->auction, .bid = 40, .salt = { 1 } };
    vl_buf_clear(&m);
    CHECK_OK(market_show_encode(&show, &m));
    say(r, 4, MSG_MARKET_SHOW, &m); /* too early */
    while (state_now(r) == MARKET_COMMIT) pass(r, 100);
    say(r, 4, MSG_MARKET_SHOW, &m); /* 40 is not what it sealed */
    vl_buf_clear(&m);
    CHECK_OK(market_award_encode(&(struct market_award_msg){ .auction = r->auction, .won = true, .price = 5 }, &m));
    say(r, 4, MSG_MARKET_AWARD, &m);
    vl_buf_clear(&m);
    CHECK_OK(vl_buf_append(&m, "nonsense", 8));
    say(r, 4, MSG_MARKET_SHOW, &m);
    pass(r, 10000);
    CHECK_EQ(BID_SILENT, bid_at(r, 4, &v)->state);
    CHECK_EQ(20, bid_at(r, 4, &v)->slashed); /* a tenth of 20 % of 1000 */
    CHECK_EQ(20, money(r).treasury);
    CHECK_EQ(BID_PAID, bid_at(r, 1, &v)->state);
    CHECK_EQ(200, bid_at(r, 1, &v)->price);
    vl_buf_free(&m);
    rig_end(r);
}

TEST(trade, a_cancelled_auction_releases_all_and_cancels_its_job_and_the_other_way_round) {
    struct rig *r = rig_new(asks);
    open_auction(r, 1, 1000, true);
    pass(r, 1000);
    brain_auction_cancel(r->side[HEAD].brain, r->now, 5, r->auction);
    pump(r);
    CHECK_OK(r->last);
    CHECK_EQ(JOB_CANCELLED, job_now(r));
    CHECK_EQ(0, money(r).now);
    brain_auction_cancel(r->side[HEAD].brain, r->now, 5, r->auction);
    pump(r);
    CHECK_EQ(VL_ESTATE, r->last);
    rig_end(r);
    r = rig_new(asks);
    open_auction(r, 1, 1000, true);
    pass(r, 1000);
    brain_cancel_job(r->side[HEAD].brain, r->now, 5, the_job);
    pump(r);
    CHECK_EQ(MARKET_CANCELLED, state_now(r));
    CHECK_EQ(0, money(r).now);
    rig_end(r);
}

TEST(trade, a_failed_auction_cancels_its_job_and_holds_nothing) {
    static const uint64_t dear[MEMBERS] = { 100000, 2000000, 2000000, 2000000 };
    struct rig *r = rig_new(dear);
    struct market_view v;
    open_auction(r, 1, 1000, true); /* two providers are asked for, one bids */
    pass(r, 6000);
    CHECK_EQ(MARKET_FAILED, state_now(r));
    CHECK(bid_at(r, 1, &v) != NULL);
    CHECK_EQ(MARKET_FAIL_PROVIDERS, v.failure);
    for (size_t k = 0; k < r->side[1].rows_n; k++) /* the bidder has forgotten its bid */
        CHECK(!r->side[1].rows[k].used || r->side[1].rows[k].r.kind != RECORD_ITEM || r->side[1].rows[k].r.state != ITEM_MARKET);
    CHECK_EQ(JOB_CANCELLED, job_now(r));
    CHECK_EQ(0, r->ran[1] + r->ran[2] + r->ran[3] + r->ran[4]);
    CHECK_EQ(0, money(r).now);
    CHECK_EQ(0, money(r).slashed);
    rig_end(r);
}

TEST(trade, a_job_that_ends_while_bids_are_opened_buys_nothing) {
    struct rig *r = rig_new(asks);
    open_auction(r, 1, 1000, true);
    kill_node(r, 4); /* it bid, so that its silence keeps the phase open */
    while (state_now(r) == MARKET_COMMIT) pass(r, 100);
    CHECK_EQ(MARKET_REVEAL, state_now(r));
    brain_cancel_job(r->side[HEAD].brain, r->now, 5, the_job);
    pass(r, 8000);
    CHECK_EQ(MARKET_SETTLED, state_now(r));
    CHECK_EQ(0, money(r).paid);
    CHECK_EQ(0, money(r).now);
    rig_end(r);
}

TEST(trade, jobs_that_ask_for_a_price_get_a_quote_before_they_are_placed) {
    struct rig *r = rig_new(asks);
    struct job_spec spec;
    struct job_view v;
    job_spec_defaults(&spec);
    spec.kind = TASK_WASM;
    spec.program = (struct vl_hash){ { 7 } };
    spec.limits.timeout_ms = 3600000;
    spec.terms.max_price = 1000000;
    brain_submit_job(r->side[HEAD].brain, r->now, 3, the_job, &spec, 0, NULL);
    pump(r);
    CHECK(job_book_job(brain_jobs(r->side[HEAD].brain), the_job, &v));
    CHECK_EQ(12, v.price); /* 3000 nH at 4 credits */
    spec.terms.max_price = 0;
    struct vl_job_id other = { { 4 } };
    brain_submit_job(r->side[HEAD].brain, r->now, 3, other, &spec, 0, NULL);
    pump(r);
    CHECK(job_book_job(brain_jobs(r->side[HEAD].brain), other, &v));
    CHECK_EQ(0, v.price);
    rig_end(r);
}

TEST(trade, a_node_that_answers_the_benchmark_wrongly_keeps_an_unknown_rate) {
    struct rig *r = rig_new(asks);
    struct brain_rate rate;
    struct crypto_sign_key key;
    crypto_sign_key_from_seed(r->side[2].cfg.sign_seed, &key);
    struct vl_node_id node = crypto_sign_node_id(&key);
    r->lie = true;
    brain_measure(r->side[HEAD].brain, r->now, 5, node);
    pump(r);
    CHECK_OK(r->last);
    pass(r, 3000);
    CHECK(brain_rate(r->side[HEAD].brain, node, &rate));
    CHECK(rate.known && !rate.running);
    CHECK_EQ(RATE_FALSE, rate.record.verdict);
    CHECK_EQ(0, rate.record.rate);
    CHECK_OK(rate_verify(&rate.record));
    CHECK(rate.record.receipt_n > 0); /* what it signed */
    CHECK_EQ(0, rate_of(r->side[HEAD].brain, node));
    struct job_stats stats;
    job_book_stats(brain_jobs(r->side[HEAD].brain), &stats);
    CHECK_EQ(0, stats.jobs); /* nothing is left of it */
    kill_node(r, HEAD);
    revive(r, HEAD);
    CHECK(brain_rate(r->side[HEAD].brain, node, &rate));
    CHECK_EQ(RATE_FALSE, rate.record.verdict);
    rig_end(r);
}

TEST(trade, a_measurement_that_a_restart_interrupts_leaves_nothing_behind) {
    struct rig *r = rig_new(asks);
    struct job_stats stats;
    r->work = false;
    brain_measure(r->side[HEAD].brain, r->now, 5, (struct vl_node_id){ { 0 } });
    pass(r, 2000);
    job_book_stats(brain_jobs(r->side[HEAD].brain), &stats);
    CHECK_EQ(1, stats.jobs); /* one at a time: nobody said that these are different machines */
    kill_node(r, HEAD);
    revive(r, HEAD);
    pump(r);
    job_book_stats(brain_jobs(r->side[HEAD].brain), &stats);
    CHECK_EQ(0, stats.jobs);
    rig_end(r);
}
