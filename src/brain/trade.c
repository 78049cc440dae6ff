/* The market on the coordinator: events of fog/market.h become rows, messages, prices of jobs, and where they run.
 *
 * Until there is a ledger, money moves in books only: each movement is a row (ITEM_MOVE) that a ledger can carry out
 * later, and the sums must agree after every step.  No balance is looked at, none is pretended. */
#include "brain/trade_priv.h"

#include "crypto/hash.h"
#include "wire/market.h"
#include "wire/pack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_SUMS = 0x79, TAG_MOVE = 0x7a, VERSION = 1 };
#define SEQ_SUMS 0u
#define SEQ_PRICES 1u /* and the tier */
#define MOVES_OF_EVENT 1024u
_Static_assert(MARKET_BIDS_MAX * 4 + 8 < MOVES_OF_EVENT, "movements of one event have numbers of their own");

static const uint8_t nobody[32];

enum vl_err trade_create(struct brain *b) {
    struct trade *t = calloc(1, sizeof *t);
    if (t == NULL) return VL_ENOMEM;
    b->trade = t;
    if (!b->cfg.coordinator) return VL_OK;
    t->core = market_create(vl_prng_next(&b->rng));
    return t->core ? VL_OK : VL_ENOMEM;
}

void trade_destroy(struct brain *b) {
    if (b->trade) market_destroy(b->trade->core);
    free(b->trade);
}

uint64_t trade_base(const struct brain *b) { return b->cfg.price_base ? b->cfg.price_base : PRICE_BASE_DEFAULT; }

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

static void put(struct brain *b, enum record_item kind, const uint8_t key[32], uint64_t seq, enum vl_err err,
                const struct vl_buf *buf) {
    if (err)
        out_of_memory(b); /* all that is written here is encodable: nothing else can be wrong */
    else
        item_put(b, kind, key, seq, vl_span(buf->p, buf->len));
}

static void sums_put(struct brain *b) {
    const struct brain_market_sums *s = &b->trade->sums;
    struct vl_buf buf;
    vl_buf_init(&buf, 128);
    struct pack w = pack_message(&buf, TAG_SUMS, VERSION);
    pack_u64(&w, s->held);
    pack_u64(&w, s->released);
    pack_u64(&w, s->paid);
    pack_u64(&w, s->slashed);
    pack_u64(&w, s->treasury);
    pack_u64(&w, s->now);
    enum vl_err err = pack_end(&w);
    put(b, ITEM_MARKET, nobody, SEQ_SUMS, err, &buf);
    vl_buf_free(&buf);
}

static enum vl_err sums_restore(struct brain *b, struct vl_span bytes) {
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    struct brain_market_sums s = { 0 };
    enum vl_err err = unpack_message(&r, TAG_SUMS, VERSION);
    s.held = vl_read_u64(&r);
    s.released = vl_read_u64(&r);
    s.paid = vl_read_u64(&r);
    s.slashed = vl_read_u64(&r);
    s.treasury = vl_read_u64(&r);
    s.now = vl_read_u64(&r);
    if (err == VL_OK) err = vl_reader_end(&r);
    if (err == VL_OK && s.held != s.released + s.paid + s.slashed + s.now) err = VL_ECORRUPT;
    if (err == VL_OK) b->trade->sums = s;
    return err;
}

static void move_put(struct brain *b, const struct market_effect *e, uint64_t seq) {
    struct vl_buf buf;
    vl_buf_init(&buf, 256);
    struct pack w = pack_message(&buf, TAG_MOVE, VERSION);
    pack_u8(&w, (uint8_t)e->kind);
    pack_u8(&w, (uint8_t)e->from);
    pack_bytes(&w, e->node.b, sizeof e->node.b);
    pack_u8(&w, (uint8_t)e->to);
    pack_bytes(&w, e->payee.b, sizeof e->payee.b);
    pack_u64(&w, e->amount);
    enum vl_err err = pack_end(&w);
    put(b, ITEM_MOVE, e->auction.b, seq, err, &buf);
    vl_buf_free(&buf);
}

static void sums_add(struct brain_market_sums *s, const struct market_effect *e) {
    uint64_t *side = e->kind == MARKET_FX_HOLD      ? &s->held
                     : e->kind == MARKET_FX_RELEASE ? &s->released
                     : e->kind == MARKET_FX_PAY     ? &s->paid
                                                    : &s->slashed;
    *side += e->amount;
    if (e->kind == MARKET_FX_HOLD)
        s->now += e->amount;
    else
        s->now -= e->amount;
    if (e->to == ACCOUNT_TREASURY) s->treasury += e->amount;
}

static void sold(struct brain *b, const struct market_view *v) {
    struct price_series *s = &b->trade->prices[v->order.tier];
    struct vl_buf buf;
    price_add(s, b->now, v->order.quantity * v->order.units, v->hour_price);
    vl_buf_init(&buf, 65536);
    enum vl_err err = price_series_encode(s, &buf);
    put(b, ITEM_MARKET, nobody, SEQ_PRICES + (uint64_t)v->order.tier, err, &buf);
    vl_buf_free(&buf);
}

/* ---- what follows from an event ------------------------------------------------------------------------------------ */

static void say(struct brain *b, struct vl_node_id to, enum brain_message type, enum vl_err err, const struct vl_buf *m) {
    if (err == VL_OK) err = message_send(b, to, MIX_OFF, type, ENVELOPE_HIGH, vl_span(m->p, m->len), NULL);
    if (err) note(b, err, to, "a message of an auction could not be sent");
}

/* Those that could do the work, from a place in the village that the auction's id draws, so that in a large one not always
 * the same are asked. */
static void call_members(struct brain *b, const struct market_view *v) {
    struct market_call m = { .auction = v->id,
                             .tier = v->order.tier,
                             .units = v->order.units,
                             .quantity = v->order.quantity,
                             .reserve = v->order.reserve,
                             .hour_price = price_tier(trade_base(b), v->order.tier),
                             .quality = v->order.quality,
                             .until_ms = v->until_ms };
    struct vl_buf buf;
    uint32_t called = 0;
    vl_buf_init(&buf, 512);
    enum vl_err err = market_call_encode(&m, &buf);
    struct vl_node_id at;
    memcpy(at.b, v->id.b, sizeof at.b);
    const struct node_record *r = registry_next(b->registry, &at);
    for (uint32_t i = 0, n = registry_count(b->registry); i < n && called < MARKET_BIDS_MAX; i++) {
        if (r == NULL && (r = registry_next(b->registry, NULL)) == NULL) break;
        if (!vl_node_eq(r->id, v->order.requester) && trade_able(b, v, r, true)) {
            say(b, r->id, MSG_MARKET_CALL, err, &buf);
            called++;
        }
        r = registry_next(b->registry, &r->id);
    }
    vl_buf_free(&buf);
}

static void open_bids(struct brain *b, const struct market_view *v) {
    struct vl_buf buf;
    vl_buf_init(&buf, 128);
    enum vl_err err = market_open_encode(&(struct market_open_msg){ .auction = v->id, .until_ms = v->until_ms }, &buf);
    for (uint32_t i = 0; i < v->n_bids; i++)
        if (v->bids[i].state == BID_SEALED) say(b, v->bids[i].node, MSG_MARKET_OPEN, err, &buf);
    vl_buf_free(&buf);
}

static void tell(struct brain *b, const struct market_effect *e) {
    struct vl_buf buf;
    vl_buf_init(&buf, 128);
    struct market_award_msg m = { .auction = e->auction, .won = e->kind == MARKET_FX_WON, .price = e->amount };
    say(b, e->node, MSG_MARKET_AWARD, market_award_encode(&m, &buf), &buf);
    vl_buf_free(&buf);
}

static void give_up_job(struct brain *b, const struct market_view *v, const char *why) {
    if (!v->order.has_job) return;
    view_history(b, v->order.job, "auction", why, UINT32_MAX, v->order.requester);
    vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_CANCEL, .now = b->now, .job = v->order.job }));
}

/* What a winner did of the whole: its unit's share, as one of so many winners. */
static uint32_t share_of(const struct brain *b, const struct market_view *v, struct vl_node_id node) {
    struct job_view j;
    uint32_t mine = 0;
    if (!job_book_job(b->jobs, v->order.job, &j) || j.total == 0) return 0;
    for (uint32_t i = 0; i < j.total; i++) {
        struct job_task_view t;
        if (job_book_task(b->jobs, v->order.job, i, &t) && t.state == JOB_TASK_DONE && t.has_node &&
            vl_node_eq(t.node, node))
            mine++;
    }
    uint64_t share = (uint64_t)mine * v->order.units * MARKET_SHARE / j.total;
    return share > MARKET_SHARE ? MARKET_SHARE : (uint32_t)share;
}

static void winners_step(struct brain *b, const struct market_view *v, enum market_event_kind kind, bool whole) {
    struct vl_node_id won[MARKET_UNITS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->n_bids && n < MARKET_UNITS_MAX; i++) /* v's bids move with each step */
        if (v->bids[i].state == BID_WON) won[n++] = v->bids[i].node;
    for (uint32_t i = 0; i < n; i++)
        vl_ignore(trade_step(b, &(struct market_event){ .kind = kind,
                                                        .now = b->now,
                                                        .auction = v->id,
                                                        .node = won[i],
                                                        .share = whole ? MARKET_SHARE : share_of(b, v, won[i]) }));
}

/* Who had opened its bid and was gone when it won will not be told lost again. */
static void winners_lost(struct brain *b, const struct market_view *v) {
    struct vl_node_id gone[MARKET_UNITS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->n_bids && n < MARKET_UNITS_MAX; i++) {
        const struct node_record *r = v->bids[i].state == BID_WON ? registry_get(b->registry, v->bids[i].node) : NULL;
        if (v->bids[i].state == BID_WON && (r == NULL || r->lost)) gone[n++] = v->bids[i].node;
    }
    for (uint32_t i = 0; i < n; i++)
        vl_ignore(trade_step(b, &(struct market_event){
                                    .kind = MARKET_EV_ABANDONED, .now = b->now, .auction = v->id, .node = gone[i] }));
}

/* Without a job, or when it has ended meanwhile, nothing is bought: the auction has found a price, all is released. */
static void cleared(struct brain *b, const struct market_view *v) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < v->n_bids; i++) sum += v->bids[i].price;
    if (!v->order.has_job || coordinator_job(b, &(struct job_event){ .kind = JOB_EV_PRICE,
                                                                     .now = b->now,
                                                                     .job = v->order.job,
                                                                     .price = sum < TERMS_PRICE_MAX ? sum : TERMS_PRICE_MAX,
                                                                     .cleared = true }))
        winners_step(b, v, MARKET_EV_ENDED, false);
    else
        winners_lost(b, v);
    b->schedule_due = true;
}

static void changed(struct brain *b, const struct market_effect *e) {
    struct market_view v;
    if (!market_get(b->trade->core, e->auction, &v) || v.state != e->state) return; /* a later note says more */
    switch (e->state) {
    case MARKET_COMMIT:
        call_members(b, &v);
        return;
    case MARKET_REVEAL:
        open_bids(b, &v);
        return;
    case MARKET_CLEARED:
        cleared(b, &v);
        return;
    case MARKET_FAILED:
        give_up_job(b, &v, market_failure_text(v.failure));
        return;
    case MARKET_CANCELLED:
        give_up_job(b, &v, "the auction was cancelled");
        return;
    case MARKET_SETTLED:
        for (uint32_t i = 0; i < v.n_bids; i++)
            if (v.bids[i].state == BID_PAID) return;
        give_up_job(b, &v, "every winner has failed"); /* no-op when the job has ended already */
        return;
    }
}

static void carry_out(struct brain *b, const struct market_effects *fx) {
    struct trade *t = b->trade;
    struct market_view v;
    bool money = false;
    for (uint32_t i = 0; i < fx->n; i++) { /* books first: what follows may be another event */
        const struct market_effect *e = &fx->v[i];
        if (e->kind > MARKET_FX_SLASH) continue;
        move_put(b, e, (uint64_t)fx->sequence * MOVES_OF_EVENT + i);
        sums_add(&t->sums, e);
        money = true;
    }
    assert(t->sums.held == t->sums.released + t->sums.paid + t->sums.slashed + t->sums.now);
    if (money) sums_put(b);
    for (uint32_t i = 0; i < fx->n; i++) {
        const struct market_effect *e = &fx->v[i];
        switch (e->kind) {
        case MARKET_FX_HOLD:
        case MARKET_FX_RELEASE:
        case MARKET_FX_PAY:
        case MARKET_FX_SLASH:
            break;
        case MARKET_FX_CHANGED:
            changed(b, e);
            break;
        case MARKET_FX_WON:
        case MARKET_FX_LOST:
            tell(b, e);
            break;
        case MARKET_FX_STOP:
            note(b, VL_ELIMIT, e->node, "its escrow is used up: it gets no more of this auction's work");
            break;
        case MARKET_FX_SOLD:
            if (market_get(t->core, e->auction, &v)) sold(b, &v);
            break;
        case MARKET_FX_DROPPED:
            for (uint64_t k = 0; k < e->amount; k++) item_remove(b, ITEM_MARKET, e->auction.b, k);
            break;
        }
    }
}

static void holding_count(struct brain *b) {
    struct trade *t = b->trade;
    struct market_view v;
    t->holding = 0;
    for (bool more = market_older(t->core, NULL, &v); more; more = market_older(t->core, &v.id, &v))
        t->holding += v.order.has_job && !market_state_final(v.state);
}

enum vl_err trade_step(struct brain *b, const struct market_event *ev) {
    struct market_effects fx = { 0 };
    struct vl_buf buf;
    enum vl_err err = market_step(b->trade->core, ev, &fx);
    if (err == VL_ENOMEM) out_of_memory(b);
    if (err == VL_OK) {
        vl_buf_init(&buf, 1024);
        enum vl_err coded = market_event_encode(ev, &buf);
        put(b, ITEM_MARKET, ev->auction.b, fx.sequence, coded, &buf);
        vl_buf_free(&buf);
        holding_count(b);
        carry_out(b, &fx);
    }
    market_effects_free(&fx);
    return err;
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

enum vl_err trade_restore(struct brain *b, const struct record *r) {
    struct market_effects fx = { 0 };
    struct market_event ev;
    if (!b->cfg.coordinator) return bid_restore(b, r);
    if (memcmp(r->key, nobody, sizeof nobody) == 0) {
        if (r->number == SEQ_SUMS) return sums_restore(b, r->bytes);
        if (r->number - SEQ_PRICES >= SLA_TIERS) return VL_ECORRUPT;
        return price_series_decode(r->bytes, &b->trade->prices[r->number - SEQ_PRICES]);
    }
    enum vl_err err = market_event_decode(r->bytes, &ev);
    if (err == VL_OK) err = market_step(b->trade->core, &ev, &fx);
    if (err == VL_OK && (fx.sequence != r->number || memcmp(r->key, ev.auction.b, sizeof r->key) != 0)) err = VL_ECORRUPT;
    market_effects_free(&fx);
    return err == VL_ENOMEM ? err : err ? VL_ECORRUPT : VL_OK; /* what was logged was taken once: it must be again */
}

/* While we were away nobody could bid or open a bid: every phase gets its time again. */
void trade_start(struct brain *b) {
    struct market_view v;
    if (b->trade->core == NULL) return;
    holding_count(b);
    for (bool more = market_older(b->trade->core, NULL, &v); more; more = market_older(b->trade->core, &v.id, &v))
        if (v.until_ms != 0)
            vl_ignore(trade_step(b, &(struct market_event){ .kind = MARKET_EV_RESUMED, .now = b->now, .auction = v.id }));
}

void trade_tick(struct brain *b) {
    struct vl_hash due;
    if (b->trade->core == NULL) return;
    for (unsigned i = 0; i < MARKET_OPEN_MAX && market_deadline(b->trade->core, &due) <= b->now; i++)
        if (trade_step(b, &(struct market_event){ .kind = MARKET_EV_TICK, .now = b->now, .auction = due })) return;
}

vl_ms trade_deadline(const struct brain *b) {
    return b->trade->core ? market_deadline(b->trade->core, NULL) : VL_MS_NEVER;
}

/* ---- messages ------------------------------------------------------------------------------------------------------ */

static void on_seal(struct brain *b, struct vl_node_id from, struct vl_span bytes) {
    struct market_seal_msg m;
    const struct node_record *r = registry_get(b->registry, from);
    struct market_view v;
    if (r == NULL || market_seal_decode(bytes, &m)) {
        b->counters.messages_bad++;
        return;
    }
    if (!market_get(b->trade->core, m.auction, &v) || !trade_able(b, &v, r, false)) return;
    vl_ignore(trade_step(b, &(struct market_event){ .kind = MARKET_EV_BID,
                                                    .now = b->now,
                                                    .auction = m.auction,
                                                    .node = from,
                                                    .group = r->domain[DOMAIN_OWNER],
                                                    .trust_milli = standing_of(b, from).trust_milli,
                                                    .seal = m.seal }));
}

static void on_show(struct brain *b, struct vl_node_id from, struct vl_span bytes) {
    struct market_show_msg m;
    if (market_show_decode(bytes, &m)) {
        b->counters.messages_bad++;
        return;
    }
    struct market_event ev = {
        .kind = MARKET_EV_SHOW, .now = b->now, .auction = m.auction, .node = from, .bid = m.bid
    };
    memcpy(ev.salt, m.salt, sizeof ev.salt);
    if (trade_step(b, &ev) == VL_ECRYPTO) note(b, VL_ECRYPTO, from, "opened another bid than it had sealed: it does not count");
}

void trade_message(struct brain *b, struct vl_node_id from, enum brain_message type, struct vl_span bytes) {
    bool ours = b->cfg.coordinator, theirs = vl_node_eq(from, b->coordinator);
    if (type == MSG_MARKET_SEAL && ours)
        on_seal(b, from, bytes);
    else if (type == MSG_MARKET_SHOW && ours)
        on_show(b, from, bytes);
    else if (type == MSG_MARKET_CALL && theirs && !ours)
        bid_called(b, bytes);
    else if (type == MSG_MARKET_OPEN && theirs && !ours)
        bid_open(b, bytes);
    else if (type == MSG_MARKET_AWARD && theirs && !ours)
        bid_awarded(b, bytes);
    else
        b->counters.messages_bad++;
}

/* ---- jobs ---------------------------------------------------------------------------------------------------------- */

void trade_job_submitted(struct brain *b, struct vl_job_id job, const struct job_spec *spec) {
    const struct job_terms *t = &spec->terms;
    struct job_view v;
    if (t->tier == TIER_NONE && t->max_price == 0 && t->strategy != STRATEGY_COST) return;
    if (!job_book_job(b->jobs, job, &v)) return;
    /* what it may use at most: its limits, for each copy of each task, on a slot of median speed */
    uint64_t ms = spec->limits.cpu_ms ? spec->limits.cpu_ms : spec->limits.timeout_ms;
    uint64_t nh = rate_mul_div(rate_of_time(bench_median(b), ms), (uint64_t)v.total * job_spec_replicas(spec), 1);
    uint64_t price = price_of_work(price_tier(trade_base(b), t->tier), nh);
    vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_PRICE,
                                                      .now = b->now,
                                                      .job = job,
                                                      .price = price < TERMS_PRICE_MAX ? price : TERMS_PRICE_MAX }));
}

/* Done: every winner held its place until the end and is paid in full.  Otherwise each for what it did. */
void trade_job_ended(struct brain *b, struct vl_job_id job, enum job_state state) {
    struct market_view v;
    if (!market_of_job(b->trade->core, job, &v)) return;
    if (v.state == MARKET_CLEARED) winners_step(b, &v, MARKET_EV_ENDED, state == JOB_DONE);
    if (v.state == MARKET_COMMIT)
        vl_ignore(trade_step(b, &(struct market_event){
                                    .kind = MARKET_EV_CANCEL, .now = b->now, .auction = v.id, .node = v.order.requester }));
}

void trade_verdict(struct brain *b, const struct job_effect *e) {
    struct market_view v;
    if (e->verdict != VERDICT_WRONG || !market_of_job(b->trade->core, e->job, &v)) return;
    vl_ignore(trade_step(
        b, &(struct market_event){ .kind = MARKET_EV_WRONG, .now = b->now, .auction = v.id, .node = e->node }));
}

void trade_node_lost(struct brain *b, struct vl_node_id node) {
    struct market_view v;
    if (!b->started) return;
    for (bool more = market_older(b->trade->core, NULL, &v); more; more = market_older(b->trade->core, &v.id, &v)) {
        const struct market_bid *bid = market_bid_of(&v, node);
        if (v.state == MARKET_CLEARED && bid && bid->state == BID_WON)
            vl_ignore(trade_step(b, &(struct market_event){
                                        .kind = MARKET_EV_ABANDONED, .now = b->now, .auction = v.id, .node = node }));
    }
}

uint64_t market_price(const struct brain *b, struct vl_node_id node) {
    const struct node_record *r = b->registry ? registry_get(b->registry, node) : NULL;
    if (r == NULL) return 0;
    uint64_t hour = r->caps.ask ? r->caps.ask : price_tier(trade_base(b), TIER_GOLD);
    return price_of_work(hour, bench_rate(b, node));
}
