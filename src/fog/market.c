#include "fog/market.h"

#include "fog/market_priv.h"

#include "crypto/hash.h"
#include "fog/rate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *market_state_text(enum market_state s) {
    static const char *const text[] = { "unknown", "commit", "reveal", "cleared", "settled", "failed", "cancelled" };
    return s >= MARKET_COMMIT && s <= MARKET_CANCELLED ? text[s] : text[0];
}
bool market_state_final(enum market_state s) {
    return s == MARKET_SETTLED || s == MARKET_FAILED || s == MARKET_CANCELLED;
}
const char *market_failure_text(enum market_failure f) {
    switch (f) {
    case MARKET_FAIL_NONE:
        return "";
    case MARKET_FAIL_PROVIDERS:
        return "too few different providers asked for no more than the reserve";
    case MARKET_FAIL_UNITS:
        return "fewer bids at or below the reserve than units wanted";
    case MARKET_FAIL_NO_BIDS:
        return "nobody asked for no more than the reserve";
    }
    return "unknown";
}
const char *market_bid_state_text(enum market_bid_state s) {
    static const char *const text[] = { "unknown", "sealed", "revealed",  "above", "silent",
                                        "lost",    "won",    "paid",      "abandoned", "wrong" };
    return s >= BID_SEALED && s <= BID_WRONG ? text[s] : text[0];
}

uint64_t market_reveal_ms(uint64_t duration_ms) {
    uint64_t fifth = duration_ms / 5;
    return fifth < MARKET_REVEAL_MIN_MS ? MARKET_REVEAL_MIN_MS : fifth > MARKET_REVEAL_MAX_MS ? MARKET_REVEAL_MAX_MS : fifth;
}

static bool title_ok(const char *t) {
    size_t n = strnlen(t, MARKET_TITLE_MAX);
    for (size_t i = 0; i < n; i++)
        if (t[i] < 0x20 || t[i] >= 0x7f) return false;
    return n < MARKET_TITLE_MAX;
}

enum vl_err market_order_check(const struct market_order *o, struct vl_errmsg *msg) {
    if (o->tier < TIER_BRONZE || o->tier > TIER_PLATINUM)
        return vl_errmsg_set(msg, VL_ERANGE, "the tier is bronze, silver, gold or platinum");
    if (!title_ok(o->title))
        return vl_errmsg_set(msg, VL_ERANGE, "the title has at most %u printable ASCII characters", MARKET_TITLE_MAX - 1);
    if (o->units < 1 || o->units > MARKET_UNITS_MAX)
        return vl_errmsg_set(msg, VL_ERANGE, "1 to %u units are sold at once", MARKET_UNITS_MAX);
    if (o->quantity < 1 || o->quantity > MARKET_QUANTITY_MAX)
        return vl_errmsg_set(msg, VL_ERANGE, "a unit is 1 to %llu nano-H200-hours", (unsigned long long)MARKET_QUANTITY_MAX);
    if (o->reserve < 1 || o->reserve > TERMS_PRICE_MAX)
        return vl_errmsg_set(msg, VL_ERANGE, "the reserve is 1 to %llu micro-credits", (unsigned long long)TERMS_PRICE_MAX);
    if (o->min_providers < 1 || o->min_providers > MARKET_BIDS_MAX)
        return vl_errmsg_set(msg, VL_ERANGE, "1 to %u providers can be asked for", MARKET_BIDS_MAX);
    if (o->duration_ms < MARKET_DURATION_MIN_MS || o->duration_ms > MARKET_DURATION_MAX_MS)
        return vl_errmsg_set(msg, VL_ERANGE, "bids are taken for 1 second to 1 day");
    if (o->period < 1 || o->period > o->quantity)
        return vl_errmsg_set(msg, VL_ERANGE, "a billing period is 1 nH to the whole unit");
    return VL_OK;
}

struct vl_hash market_seal(struct vl_hash auction, struct vl_node_id node, uint64_t bid,
                           const uint8_t salt[MARKET_SALT]) {
    struct crypto_blake2b h;
    struct vl_hash ret;
    uint8_t price[8];
    vl_put_u64(price, bid);
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, "village-bid-1:", 14);
    crypto_blake2b_update(&h, price, sizeof price);
    crypto_blake2b_update(&h, salt, MARKET_SALT);
    crypto_blake2b_update(&h, node.b, sizeof node.b);
    crypto_blake2b_update(&h, auction.b, sizeof auction.b);
    crypto_blake2b_final(&h, &ret);
    return ret;
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

struct market *market_create(uint64_t seed) {
    struct market *m = calloc(1, sizeof *m);
    if (m) vl_map_init(&m->by_id, sizeof(struct vl_hash), MARKET_OPEN_MAX + MARKET_ENDED_MAX + 1, seed);
    return m;
}

static void auction_free(struct auction *a) {
    free(a->bids);
    free(a);
}

void market_destroy(struct market *m) {
    if (m == NULL) return;
    for (struct auction *a = m->newest, *next; a; a = next) {
        next = a->older;
        auction_free(a);
    }
    vl_map_free(&m->by_id);
    free(m);
}

void market_effects_free(struct market_effects *fx) {
    free(fx->v);
    *fx = (struct market_effects){ 0 };
}

enum vl_err deal_reserve(struct market_effects *fx, uint32_t n) {
    if (fx->cap - fx->n >= n) return VL_OK;
    struct market_effect *v = realloc(fx->v, (fx->n + n) * sizeof *v);
    if (v == NULL) return VL_ENOMEM;
    fx->v = v;
    fx->cap = fx->n + n;
    return VL_OK;
}

void deal_note(struct market_effects *fx, const struct auction *a, enum market_effect_kind kind, struct vl_node_id node,
             uint64_t amount) {
    assert(fx->n < fx->cap);
    fx->v[fx->n++] = (struct market_effect){
        .kind = kind, .auction = a->v.id, .node = node, .amount = amount, .state = a->v.state
    };
}

static struct auction *find(const struct market *m, struct vl_hash id) { return vl_map_get(&m->by_id, id.b); }

static struct market_bid *bid_find(const struct auction *a, struct vl_node_id node) {
    for (uint32_t i = 0; i < a->v.n_bids; i++)
        if (vl_node_eq(a->bids[i].node, node)) return &a->bids[i];
    return NULL;
}

static bool opened_before(const struct auction *a, const struct auction *b) {
    if (a->v.opened_ms != b->v.opened_ms) return a->v.opened_ms < b->v.opened_ms;
    return memcmp(a->v.id.b, b->v.id.b, sizeof a->v.id.b) < 0;
}

/* By time of opening, then by id: the same list whatever the order in which logs are replayed. */
static void link_auction(struct market *m, struct auction *a) {
    a->older = m->newest;
    while (a->older && opened_before(a, a->older)) {
        a->newer = a->older;
        a->older = a->older->older;
    }
    if (a->newer) a->newer->older = a;
    if (a->older) a->older->newer = a;
    if (a->newer == NULL) m->newest = a;
    if (a->older == NULL) m->oldest = a;
}

static void unlink_auction(struct market *m, struct auction *a) {
    if (a->newer) a->newer->older = a->older;
    if (a->older) a->older->newer = a->newer;
    if (m->newest == a) m->newest = a->older;
    if (m->oldest == a) m->oldest = a->newer;
}

/* Keeps at most MARKET_ENDED_MAX ended ones: the one opened first goes. */
static void forget_oldest(struct market *m, struct market_effects *fx) {
    if (m->ended <= MARKET_ENDED_MAX) return;
    for (struct auction *a = m->oldest; a; a = a->newer) {
        if (!market_state_final(a->v.state)) continue;
        deal_note(fx, a, MARKET_FX_DROPPED, a->v.order.requester, a->v.log);
        unlink_auction(m, a);
        vl_map_del(&m->by_id, a->v.id.b);
        auction_free(a);
        m->ended--;
        return;
    }
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static enum vl_err on_open(struct market *m, const struct market_event *ev, struct market_effects *fx) {
    enum vl_err err = market_order_check(&ev->order, NULL);
    if (err) return err;
    if (find(m, ev->auction)) return VL_EEXISTS;
    if (m->live >= MARKET_OPEN_MAX) return VL_ELIMIT;
    struct auction *a = calloc(1, sizeof *a);
    if (a == NULL) return VL_ENOMEM;
    a->clock = ev->now;
    a->v = (struct market_view){ .id = ev->auction,
                                 .order = ev->order,
                                 .state = MARKET_COMMIT,
                                 .opened_ms = ev->now,
                                 .until_ms = ev->now + ev->order.duration_ms };
    err = vl_map_put(&m->by_id, a->v.id.b, a);
    if (err) {
        free(a);
        return err;
    }
    link_auction(m, a);
    m->live++;
    money_hold_escrow(fx, a, ev->order.reserve * ev->order.units);
    deal_note(fx, a, MARKET_FX_CHANGED, ev->order.requester, 0);
    return VL_OK;
}

static enum vl_err on_bid(struct auction *a, const struct market_event *ev, struct market_effects *fx) {
    uint32_t of_group = 0;
    if (a->v.state != MARKET_COMMIT) return VL_ESTATE;
    if (a->clock >= a->v.until_ms) return VL_ESTALE;
    if (vl_node_eq(ev->node, a->v.order.requester)) return VL_EDENIED; /* would set its own price */
    if (bid_find(a, ev->node)) return VL_EEXISTS;
    for (uint32_t i = 0; i < a->v.n_bids; i++) of_group += ev->group != 0 && a->bids[i].group == ev->group;
    if (of_group >= MARKET_GROUP_BIDS_MAX || a->v.n_bids >= MARKET_BIDS_MAX) return VL_ELIMIT;
    if (a->v.n_bids == a->cap) {
        uint32_t cap = a->cap ? a->cap * 2 : 8;
        struct market_bid *v = realloc(a->bids, cap * sizeof *v);
        if (v == NULL) return VL_ENOMEM;
        a->bids = v;
        a->cap = cap;
        a->v.bids = v;
    }
    struct market_bid *b = &a->bids[a->v.n_bids++];
    *b = (struct market_bid){ .node = ev->node,
                              .group = ev->group,
                              .trust_milli = ev->trust_milli ? ev->trust_milli : 1,
                              .seal = ev->seal,
                              .state = BID_SEALED };
    money_hold_deposit(fx, a, b, rate_mul_div_up(a->v.order.reserve, MARKET_DEPOSIT_PERMILLE, 1000));
    return VL_OK;
}

static bool all_shown(const struct auction *a) {
    for (uint32_t i = 0; i < a->v.n_bids; i++)
        if (a->bids[i].state == BID_SEALED) return false;
    return true;
}

static enum vl_err on_show(struct auction *a, const struct market_event *ev, struct market_effects *fx) {
    if (a->v.state != MARKET_REVEAL) return VL_ESTATE;
    if (a->clock >= a->v.until_ms) return VL_ESTALE;
    struct market_bid *b = bid_find(a, ev->node);
    if (b == NULL) return VL_ENOTFOUND;
    if (b->state != BID_SEALED) return VL_EEXISTS;
    if (!vl_hash_eq(b->seal, market_seal(a->v.id, ev->node, ev->bid, ev->salt))) return VL_ECRYPTO;
    b->bid = ev->bid;
    memcpy(b->salt, ev->salt, sizeof b->salt);
    b->state = ev->bid <= a->v.order.reserve ? BID_REVEALED : BID_ABOVE;
    if (b->state == BID_ABOVE) money_release_deposit(fx, a, b, b->deposit);
    if (all_shown(a)) auction_clear(fx, a); /* nobody is waited for */
    return VL_OK;
}

static enum vl_err on_tick(struct auction *a, struct market_effects *fx) {
    if (a->v.state != MARKET_COMMIT && a->v.state != MARKET_REVEAL) return VL_ESTATE;
    if (a->clock < a->v.until_ms) return VL_ESTALE;
    if (a->v.state == MARKET_COMMIT && a->v.n_bids > 0) {
        a->v.until_ms = a->clock + market_reveal_ms(a->v.order.duration_ms);
        auction_state(fx, a, MARKET_REVEAL);
    } else {
        auction_clear(fx, a);
    }
    return VL_OK;
}

static enum vl_err on_cancel(struct auction *a, const struct market_event *ev, struct market_effects *fx) {
    if (!vl_node_eq(ev->node, a->v.order.requester)) return VL_EDENIED;
    if (a->v.state != MARKET_COMMIT) return VL_ESTATE; /* who has seen bids must stand by the order */
    for (uint32_t i = 0; i < a->v.n_bids; i++) {
        a->bids[i].state = BID_LOST;
        money_release_deposit(fx, a, &a->bids[i], a->bids[i].deposit);
        deal_note(fx, a, MARKET_FX_LOST, a->bids[i].node, 0);
    }
    money_release_escrow(fx, a, a->v.escrow);
    auction_state(fx, a, MARKET_CANCELLED);
    return VL_OK;
}

/* What of its price has been paid for when the work stands at nh: rounded down, so that the sum of periods never passes
 * the price and the last one brings it to the unit. */
static uint64_t earned(const struct auction *a, const struct market_bid *b, uint64_t nh) {
    return rate_mul_div(b->price, nh, a->v.order.quantity);
}

static enum vl_err on_metered(struct auction *a, const struct market_event *ev, struct market_bid *b,
                              struct market_effects *fx) {
    uint64_t left = a->v.order.quantity - b->metered, nh = ev->nh < left ? ev->nh : left, paid = b->price - b->escrow;
    if (nh == 0) return VL_ERANGE;
    b->metered += nh;
    uint64_t whole = b->metered == a->v.order.quantity ? b->metered : b->metered - b->metered % a->v.order.period;
    uint64_t due = earned(a, b, whole);
    if (due > paid) money_pay(fx, a, b, due - paid);
    if (a->v.order.quantity - b->metered < a->v.order.period) deal_note(fx, a, MARKET_FX_STOP, b->node, b->escrow);
    return VL_OK;
}

static enum vl_err on_award(struct auction *a, const struct market_event *ev, struct market_effects *fx) {
    if (a->v.state != MARKET_CLEARED) return VL_ESTATE;
    struct market_bid *b = bid_find(a, ev->node);
    if (b == NULL || b->state != BID_WON) return VL_ENOTFOUND;
    if (ev->kind == MARKET_EV_METERED) return on_metered(a, ev, b, fx);
    if (ev->kind == MARKET_EV_ENDED) {
        if (ev->share > MARKET_SHARE) return VL_ERANGE;
        uint64_t due = rate_mul_div(b->price, ev->share, MARKET_SHARE), by_meter = earned(a, b, b->metered),
                 paid = b->price - b->escrow;
        if (by_meter > due) due = by_meter;
        b->state = BID_PAID;
        if (due > paid) money_pay(fx, a, b, due - paid);
        money_release_deposit(fx, a, b, b->deposit);
    } else {
        bool wrong = ev->kind == MARKET_EV_WRONG;
        b->state = wrong ? BID_WRONG : BID_ABANDONED;
        money_slash(fx, a, b, wrong ? MARKET_WRONG_PERMILLE : MARKET_ABANDON_PERMILLE, b->price);
    }
    money_release_escrow(fx, a, b->escrow);
    b->escrow = 0;
    auction_settle(fx, a);
    return VL_OK;
}

static enum vl_err on_resumed(struct auction *a) {
    uint64_t time = a->v.state == MARKET_REVEAL ? market_reveal_ms(a->v.order.duration_ms) : a->v.order.duration_ms;
    if (a->v.state != MARKET_COMMIT && a->v.state != MARKET_REVEAL) return VL_ESTATE;
    if (a->clock + time <= a->v.until_ms) return VL_ESTALE; /* nothing to give back */
    a->v.until_ms = a->clock + time;
    return VL_OK;
}

static enum vl_err dispatch(struct auction *a, const struct market_event *ev, struct market_effects *fx) {
    switch (ev->kind) {
    case MARKET_EV_OPEN:
        break;
    case MARKET_EV_BID:
        return on_bid(a, ev, fx);
    case MARKET_EV_SHOW:
        return on_show(a, ev, fx);
    case MARKET_EV_TICK:
        return on_tick(a, fx);
    case MARKET_EV_CANCEL:
        return on_cancel(a, ev, fx);
    case MARKET_EV_ENDED:
    case MARKET_EV_ABANDONED:
    case MARKET_EV_WRONG:
    case MARKET_EV_METERED:
        return on_award(a, ev, fx);
    case MARKET_EV_RESUMED:
        return on_resumed(a);
    }
    return VL_ERANGE;
}

enum vl_err market_step(struct market *m, const struct market_event *ev, struct market_effects *fx) {
    fx->n = 0;
    fx->changed = false;
    if (ev->now > MARKET_TIME_MAX) return VL_ERANGE;
    /* the most: every bid slashed to two and released, a note each, the escrow, the state, the one forgotten */
    enum vl_err err = deal_reserve(fx, MARKET_BIDS_MAX * 4 + 8);
    if (err) return err;
    struct auction *a = find(m, ev->auction);
    if (ev->kind == MARKET_EV_OPEN) {
        err = on_open(m, ev, fx);
        if (err) return err;
        a = find(m, ev->auction);
    } else if (a == NULL) {
        return VL_ENOTFOUND;
    } else {
        vl_ms before = a->clock;
        if (ev->now > a->clock) a->clock = ev->now;
        err = dispatch(a, ev, fx);
        if (err) {
            a->clock = before;
            fx->n = 0;
            return err;
        }
        if (market_state_final(a->v.state)) {
            m->live--;
            m->ended++;
        }
    }
    fx->changed = true;
    fx->sequence = a->v.log++;
    forget_oldest(m, fx);
    return VL_OK;
}

/* ---- views --------------------------------------------------------------------------------------------------------- */

vl_ms market_deadline(const struct market *m, struct vl_hash *ret_auction) {
    vl_ms at = VL_MS_NEVER;
    for (const struct auction *a = m->newest; a; a = a->older) {
        if (a->v.until_ms == 0 || a->v.until_ms >= at) continue;
        at = a->v.until_ms;
        if (ret_auction) *ret_auction = a->v.id;
    }
    return at;
}

bool market_get(const struct market *m, struct vl_hash auction, struct market_view *ret) {
    const struct auction *a = find(m, auction);
    if (a) *ret = a->v;
    return a != NULL;
}

bool market_older(const struct market *m, const struct vl_hash *last, struct market_view *ret) {
    const struct auction *a = last ? find(m, *last) : NULL;
    a = last == NULL ? m->newest : a ? a->older : NULL;
    if (a) *ret = a->v;
    return a != NULL;
}

bool market_of_job(const struct market *m, struct vl_job_id job, struct market_view *ret) {
    for (const struct auction *a = m->newest; a; a = a->older)
        if (a->v.order.has_job && vl_job_eq(a->v.order.job, job)) {
            *ret = a->v;
            return true;
        }
    return false;
}

const struct market_bid *market_bid_of(const struct market_view *v, struct vl_node_id node) {
    for (uint32_t i = 0; i < v->n_bids; i++)
        if (vl_node_eq(v->bids[i].node, node)) return &v->bids[i];
    return NULL;
}

static bool bid_sound(const struct auction *a, const struct market_bid *b) {
    bool open = b->state == BID_SEALED || b->state == BID_REVEALED || b->state == BID_WON;
    if (!open && b->deposit != 0) return false;
    if (b->state != BID_WON && b->escrow != 0) return false;
    return b->escrow <= b->price && b->price <= a->v.order.reserve;
}

static bool auction_sound(const struct auction *a) {
    uint64_t deposits = 0, escrow = 0, slashed = 0;
    for (uint32_t i = 0; i < a->v.n_bids; i++) {
        if (!bid_sound(a, &a->bids[i])) return false;
        deposits += a->bids[i].deposit;
        escrow += a->bids[i].escrow;
        slashed += a->bids[i].slashed;
    }
    if (a->v.state == MARKET_CLEARED ? escrow != a->v.escrow : escrow != 0) return false;
    if (market_state_final(a->v.state) && a->v.escrow + a->v.deposits != 0) return false;
    return deposits == a->v.deposits && slashed == a->v.slashed &&
           a->v.escrow + a->v.deposits == a->v.held - a->v.released - a->v.paid - a->v.slashed;
}

bool market_sound(const struct market *m) {
    uint32_t live = 0, ended = 0;
    for (const struct auction *a = m->newest; a; a = a->older) {
        if (!auction_sound(a)) return false;
        live += !market_state_final(a->v.state);
        ended += market_state_final(a->v.state);
    }
    return live == m->live && ended == m->ended;
}
