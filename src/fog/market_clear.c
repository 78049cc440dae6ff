/* Clearing: who wins, at which price; and the movements of money. */
#include "fog/market_priv.h"

#include "crypto/hash.h"
#include "fog/rate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

/* ---- money -------------------------------------------------------------------------------------------------------- */

static void move(struct market_effects *fx, const struct auction *a, enum market_effect_kind kind,
                 struct vl_node_id node, enum market_account from, enum market_account to, struct vl_node_id payee,
                 uint64_t amount) {
    assert(fx->n < fx->cap);
    fx->v[fx->n++] = (struct market_effect){ .kind = kind,
                                             .auction = a->v.id,
                                             .node = node,
                                             .from = from,
                                             .to = to,
                                             .payee = payee,
                                             .amount = amount,
                                             .state = a->v.state };
}

void money_hold_escrow(struct market_effects *fx, struct auction *a, uint64_t amount) {
    if (amount == 0) return;
    a->v.escrow += amount;
    a->v.held += amount;
    move(fx, a, MARKET_FX_HOLD, a->v.order.requester, ACCOUNT_MEMBER, ACCOUNT_ESCROW, a->v.order.requester, amount);
}

void money_release_escrow(struct market_effects *fx, struct auction *a, uint64_t amount) {
    if (amount == 0) return;
    assert(amount <= a->v.escrow);
    a->v.escrow -= amount;
    a->v.released += amount;
    move(fx, a, MARKET_FX_RELEASE, a->v.order.requester, ACCOUNT_ESCROW, ACCOUNT_MEMBER, a->v.order.requester, amount);
}

void money_pay(struct market_effects *fx, struct auction *a, struct market_bid *b, uint64_t amount) {
    if (amount == 0) return;
    assert(amount <= b->escrow && amount <= a->v.escrow);
    b->escrow -= amount;
    a->v.escrow -= amount;
    a->v.paid += amount;
    move(fx, a, MARKET_FX_PAY, a->v.order.requester, ACCOUNT_ESCROW, ACCOUNT_MEMBER, b->node, amount);
}

void money_hold_deposit(struct market_effects *fx, struct auction *a, struct market_bid *b, uint64_t amount) {
    if (amount == 0) return;
    b->deposit += amount;
    a->v.deposits += amount;
    a->v.held += amount;
    move(fx, a, MARKET_FX_HOLD, b->node, ACCOUNT_MEMBER, ACCOUNT_DEPOSIT, b->node, amount);
}

void money_release_deposit(struct market_effects *fx, struct auction *a, struct market_bid *b, uint64_t amount) {
    if (amount == 0) return;
    assert(amount <= b->deposit);
    b->deposit -= amount;
    a->v.deposits -= amount;
    a->v.released += amount;
    move(fx, a, MARKET_FX_RELEASE, b->node, ACCOUNT_DEPOSIT, ACCOUNT_MEMBER, b->node, amount);
}

static void slash_to(struct market_effects *fx, struct auction *a, struct market_bid *b, enum market_account to,
                     uint64_t amount) {
    if (amount == 0) return;
    b->deposit -= amount;
    b->slashed += amount;
    a->v.deposits -= amount;
    a->v.slashed += amount;
    move(fx, a, MARKET_FX_SLASH, b->node, ACCOUNT_DEPOSIT, to, a->v.order.requester, amount);
}

void money_slash(struct market_effects *fx, struct auction *a, struct market_bid *b, uint32_t permille, uint64_t loss) {
    uint64_t slash = rate_mul_div_up(b->deposit, permille, 1000), to_requester = slash < loss ? slash : loss;
    slash_to(fx, a, b, ACCOUNT_MEMBER, to_requester);
    slash_to(fx, a, b, ACCOUNT_TREASURY, slash - to_requester);
    money_release_deposit(fx, a, b, b->deposit);
}

/* ---- clearing ------------------------------------------------------------------------------------------------------ */

struct ranked {
    struct market_bid *b;
    uint64_t tie[4]; /* hash(bid, beacon) */
    bool quality;
};

/* By score, then by the tie. Scores bid/trust are compared crosswise: no division, so no rounding between them. */
static int by_score(const void *x, const void *y) {
    const struct ranked *p = x, *q = y;
    wide l = p->b->bid, r = q->b->bid;
    if (p->quality) {
        l *= q->b->trust_milli;
        r *= p->b->trust_milli;
    }
    if (l != r) return l < r ? -1 : 1;
    return memcmp(p->tie, q->tie, sizeof p->tie);
}

static int by_node(const void *x, const void *y) {
    const struct ranked *p = x, *q = y;
    return memcmp(p->b->node.b, q->b->node.b, sizeof p->b->node.b);
}

/* Over all that was revealed, in the order of the nodes: whoever wants another beacon must have sealed another bid before
 * knowing the others', or keep silent and pay for it. */
static void ties(struct ranked *r, uint32_t n, const struct auction *a) {
    struct crypto_blake2b h;
    struct vl_hash beacon;
    uint8_t price[8];
    qsort(r, n, sizeof *r, by_node);
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, "village-beacon-1:", 17);
    crypto_blake2b_update(&h, a->v.id.b, sizeof a->v.id.b);
    for (uint32_t i = 0; i < n; i++) {
        crypto_blake2b_update(&h, r[i].b->node.b, sizeof r[i].b->node.b);
        crypto_blake2b_update(&h, r[i].b->salt, sizeof r[i].b->salt);
        vl_put_u64(price, r[i].b->bid);
        crypto_blake2b_update(&h, price, sizeof price);
    }
    crypto_blake2b_final(&h, &beacon);
    for (uint32_t i = 0; i < n; i++) {
        struct vl_hash t;
        crypto_blake2b_init(&h);
        crypto_blake2b_update(&h, beacon.b, sizeof beacon.b);
        crypto_blake2b_update(&h, r[i].b->seal.b, sizeof r[i].b->seal.b);
        crypto_blake2b_final(&h, &t);
        memcpy(r[i].tie, t.b, sizeof r[i].tie);
    }
}

static uint32_t providers(const struct ranked *r, uint32_t n) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool seen = false;
        for (uint32_t k = 0; k < i && !seen; k++)
            seen = r[i].b->group ? r[k].b->group == r[i].b->group : vl_node_eq(r[k].b->node, r[i].b->node);
        count += !seen;
    }
    return count;
}

/* The most that b could have asked and still won against the best bid that lost; at most the reserve.  Rounding down
 * cannot fall below its own bid, which is an integer that does not exceed the exact value. */
static uint64_t price_of(const struct auction *a, const struct market_bid *b, const struct market_bid *loser) {
    uint64_t reserve = a->v.order.reserve, p;
    if (loser == NULL) return reserve;
    p = a->v.order.quality ? rate_mul_div(loser->bid, b->trust_milli, loser->trust_milli) : loser->bid;
    return p < reserve ? p : reserve;
}

void auction_state(struct market_effects *fx, struct auction *a, enum market_state s) {
    a->v.state = s;
    if (market_state_final(s)) {
        a->v.until_ms = 0;
        a->v.ended_ms = a->clock;
    }
    deal_note(fx, a, MARKET_FX_CHANGED, a->v.order.requester, 0);
}

static void fail(struct market_effects *fx, struct auction *a, enum market_failure why) {
    a->v.failure = why;
    for (uint32_t i = 0; i < a->v.n_bids; i++) {
        if (a->bids[i].state == BID_REVEALED) a->bids[i].state = BID_LOST;
        money_release_deposit(fx, a, &a->bids[i], a->bids[i].deposit);
    }
    money_release_escrow(fx, a, a->v.escrow);
    auction_state(fx, a, MARKET_FAILED);
}

static void award(struct market_effects *fx, struct auction *a, struct ranked *r, uint32_t n) {
    uint32_t units = a->v.order.units;
    const struct market_bid *loser = n > units ? r[units].b : NULL;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct market_bid *b = r[i].b;
        if (i < units) {
            b->state = BID_WON;
            b->price = b->escrow = price_of(a, b, loser);
            sum += b->price;
            uint64_t stake = rate_mul_div_up(b->price, MARKET_DEPOSIT_PERMILLE, 1000);
            if (stake < b->deposit) money_release_deposit(fx, a, b, b->deposit - stake);
            deal_note(fx, a, MARKET_FX_WON, b->node, b->price);
        } else {
            b->state = BID_LOST;
            money_release_deposit(fx, a, b, b->deposit);
        }
    }
    money_release_escrow(fx, a, a->v.escrow - sum);
    a->v.until_ms = 0;
    a->v.hour_price = rate_mul_div(sum / units, RATE_NH_HOUR, a->v.order.quantity);
    deal_note(fx, a, MARKET_FX_SOLD, a->v.order.requester, a->v.hour_price);
    auction_state(fx, a, MARKET_CLEARED);
}

void auction_clear(struct market_effects *fx, struct auction *a) {
    struct ranked r[MARKET_BIDS_MAX];
    uint32_t n = 0, silent = 0;
    for (uint32_t i = 0; i < a->v.n_bids; i++) {
        if (a->bids[i].state == BID_REVEALED)
            r[n++] = (struct ranked){ .b = &a->bids[i], .quality = a->v.order.quality };
        silent += a->bids[i].state == BID_SEALED;
    }
    ties(r, n, a);
    uint32_t known = providers(r, n);
    enum market_failure why = n == 0                               ? MARKET_FAIL_NO_BIDS
                              : known < a->v.order.min_providers   ? MARKET_FAIL_PROVIDERS
                              : n < a->v.order.units               ? MARKET_FAIL_UNITS
                                                                   : MARKET_FAIL_NONE;
    /* who kept silent hurt the requester only when the auction fails: then it lost at most the whole purchase */
    for (uint32_t i = 0; silent > 0 && i < a->v.n_bids; i++) {
        if (a->bids[i].state != BID_SEALED) continue;
        a->bids[i].state = BID_SILENT;
        money_slash(fx, a, &a->bids[i], MARKET_SILENT_PERMILLE, why ? a->v.escrow : 0);
    }
    if (why) {
        fail(fx, a, why);
    } else {
        qsort(r, n, sizeof r[0], by_score);
        award(fx, a, r, n);
    }
    for (uint32_t i = 0; i < a->v.n_bids; i++) /* whoever has not won may forget its bid */
        if (a->bids[i].state != BID_WON) deal_note(fx, a, MARKET_FX_LOST, a->bids[i].node, 0);
}

void auction_settle(struct market_effects *fx, struct auction *a) {
    for (uint32_t i = 0; i < a->v.n_bids; i++)
        if (a->bids[i].state == BID_WON) return;
    auction_state(fx, a, MARKET_SETTLED);
}
