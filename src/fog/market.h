/* market.h - core: sealed reverse auctions of computing, with deposits and escrow (FOG-15).  Pure: no clock, no I/O, no
 * balances.  Money is micro-credits in integers.  Sources: design/fog.md section 5 "Auction"; Vickrey 1961.
 *
 *   COMMIT -> REVEAL -> CLEARED -> SETTLED        commit: sealed bids; reveal: bids and salts; cleared: winners work;
 *      |         |         |                      settled: every winner was paid or has failed
 *      |         +-> FAILED                       FAILED, CANCELLED, SETTLED are final: nothing is held any more
 *      +-> FAILED, CANCELLED
 *
 * A bid is what one provider asks for one unit (`quantity` nH).  The lowest bids win, as many as there are units; all
 * winners get the price at which they would just not have won: the lowest bid that lost, or the reserve where that is
 * less or nobody lost.  What a provider says therefore decides whether it wins, never what it gets: asking its true cost
 * is the best it can do.  With `quality` bids are compared by bid / trust (lower bound of the reputation), and each
 * winner's price is that which makes its score equal to the best one that lost.  Ties go by hash(bid, beacon); the
 * beacon is a hash over all that was revealed, so that neither coordinator nor bidder chooses it.
 *
 * Money moves between accounts of an auction and those of members, as effects that a ledger carries out:
 *   requester -> escrow: units * reserve at open, what is above the price back at clearing;
 *   provider -> deposit: 20 % of the reserve with the commitment (20 % of the bid would tell the bid); lost bids are
 *   released at once, a winner's is cut to 20 % of its price, which is no less than its bid (of a bid of 0 nothing
 *   would be at stake).  No reveal costs 10 % of the deposit, an abandoned award 50 %, a result proven wrong 100 %: to
 *   the requester up to what it lost, the rest to the treasury.
 * In every state  escrow + deposits = held - released - paid - slashed,  and in the final ones both are 0.
 *
 * Event sourced: the caller logs each event that changed something, with its auction; auctions do not depend on each
 * other, so their logs may be replayed in any order.  Times may step backwards: the core never does. */
#ifndef VL_FOG_MARKET_H
#define VL_FOG_MARKET_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "wire/terms.h"

#include <stdbool.h>
#include <stdint.h>

#define MARKET_BIDS_MAX 128u      /* of one auction: bounds its memory and what one step emits */
#define MARKET_GROUP_BIDS_MAX 20u /* of one provider, however many nodes it has */
#define MARKET_UNITS_MAX 32u
#define MARKET_OPEN_MAX 64u   /* auctions that have not ended */
#define MARKET_ENDED_MAX 256u /* that are remembered */
#define MARKET_DURATION_MS 300000u
#define MARKET_DURATION_MIN_MS 1000u
#define MARKET_DURATION_MAX_MS 86400000u
#define MARKET_REVEAL_MIN_MS 5000u /* a fifth of the duration, within these */
#define MARKET_REVEAL_MAX_MS 60000u
#define MARKET_PROVIDERS 3u /* different ones; below them there is no market, only an offer */
#define MARKET_DEPOSIT_PERMILLE 200u
#define MARKET_SILENT_PERMILLE 100u /* of the deposit: committed and did not reveal */
#define MARKET_ABANDON_PERMILLE 500u
#define MARKET_WRONG_PERMILLE 1000u
#define MARKET_SHARE 1000u
#define MARKET_QUANTITY_MAX (1ull << 50) /* nH of a unit: a million H200-hours */
#define MARKET_TIME_MAX (1ull << 60)     /* ms: sums of times stay in 64 bits */
#define MARKET_TITLE_MAX 64u             /* with the NUL; printable ASCII */

/* Numbers of this header are on disk and on the wire. */
enum market_state {
    MARKET_COMMIT = 1,
    MARKET_REVEAL = 2,
    MARKET_CLEARED = 3,
    MARKET_SETTLED = 4,
    MARKET_FAILED = 5,
    MARKET_CANCELLED = 6,
};
const char *market_state_text(enum market_state s); /* "commit" ... as in the API */
bool market_state_final(enum market_state s);
enum market_failure {
    MARKET_FAIL_NONE = 0,
    MARKET_FAIL_PROVIDERS = 1, /* fewer different providers than asked made bids below the reserve */
    MARKET_FAIL_UNITS = 2,     /* fewer bids than units */
    MARKET_FAIL_NO_BIDS = 3,
};
const char *market_failure_text(enum market_failure f); /* a sentence for people */
enum market_bid_state {
    BID_SEALED = 1,
    BID_REVEALED = 2,
    BID_ABOVE = 3,  /* above the reserve: no bid, nobody is hurt */
    BID_SILENT = 4, /* did not reveal, or something else than was sealed: slashed */
    BID_LOST = 5,
    BID_WON = 6,
    BID_PAID = 7,
    BID_ABANDONED = 8,
    BID_WRONG = 9,
};
const char *market_bid_state_text(enum market_bid_state s);

struct market_order {
    struct vl_node_id requester;
    enum sla_tier tier;
    char title[MARKET_TITLE_MAX];
    uint32_t units;         /* 1..MARKET_UNITS_MAX; each goes to another node */
    uint64_t quantity;      /* nH of one unit, 1..MARKET_QUANTITY_MAX */
    uint64_t reserve;       /* the most that is paid for a unit, 1..TERMS_PRICE_MAX */
    uint32_t min_providers; /* 1..MARKET_BIDS_MAX */
    uint64_t duration_ms;   /* of the commit phase */
    bool quality;
    uint64_t period; /* nH paid for at a time when work is metered, 1..quantity */
    bool has_job;
    struct vl_job_id job;
};
/* VL_ERANGE, with the reason for people in msg (may be NULL). */
VL_MUST_CHECK enum vl_err market_order_check(const struct market_order *o, struct vl_errmsg *msg);
uint64_t market_reveal_ms(uint64_t duration_ms);

#define MARKET_SALT 16u
/* What is sealed: BLAKE2b-256("village-bid-1:" | bid | salt | node | auction). */
struct vl_hash market_seal(struct vl_hash auction, struct vl_node_id node, uint64_t bid,
                           const uint8_t salt[MARKET_SALT]);

enum market_event_kind {
    MARKET_EV_OPEN = 1,      /* auction (chosen by the caller, at random), order */
    MARKET_EV_BID = 2,       /* auction, node, group, trust_milli, seal */
    MARKET_EV_SHOW = 3,      /* auction, node, bid, salt */
    MARKET_EV_TICK = 4,      /* auction: its deadline has passed */
    MARKET_EV_CANCEL = 5,    /* auction, node: the requester, while bids are sealed */
    MARKET_EV_ENDED = 6,     /* auction, node (a winner), share: of its unit that it did, 0..MARKET_SHARE; pays and ends */
    MARKET_EV_ABANDONED = 7, /* auction, node: gone with what it had won */
    MARKET_EV_WRONG = 8,     /* auction, node: its result is proven wrong */
    MARKET_EV_METERED = 9,   /* auction, node, nh: so much more was done: paid out of the escrow, whole periods only */
    MARKET_EV_RESUMED = 10,  /* auction: the coordinator was away; whoever could not reach it gets the phase's time again */
};
struct market_event {
    enum market_event_kind kind;
    vl_ms now;
    struct vl_hash auction;
    struct vl_node_id node;
    uint64_t group; /* who stands behind the node: label_hash() of its owner; 0: the node alone */
    uint32_t trust_milli;
    struct vl_hash seal;
    uint64_t bid;
    uint8_t salt[MARKET_SALT];
    uint32_t share;
    uint64_t nh;
    struct market_order order;
};

enum market_effect_kind {
    MARKET_FX_HOLD = 1,    /* requester -> escrow, or provider -> deposit */
    MARKET_FX_RELEASE = 2, /* the way back */
    MARKET_FX_PAY = 3,     /* escrow -> provider */
    MARKET_FX_SLASH = 4,   /* deposit -> requester or treasury */
    MARKET_FX_CHANGED = 5, /* the auction's state differs: `state` */
    MARKET_FX_WON = 6,     /* node, amount: its price */
    MARKET_FX_LOST = 7,    /* node */
    MARKET_FX_STOP = 8,    /* node: what is left in escrow is less than one period: stop its work */
    MARKET_FX_SOLD = 9,    /* amount: price of an H200-hour at which this auction cleared */
    MARKET_FX_DROPPED = 10, /* auction: ended longest ago, forgotten: drop its log of `amount` events */
};
enum market_account { ACCOUNT_MEMBER = 1, ACCOUNT_ESCROW = 2, ACCOUNT_DEPOSIT = 3, ACCOUNT_TREASURY = 4 };
struct market_effect {
    enum market_effect_kind kind;
    struct vl_hash auction;
    struct vl_node_id node; /* of the escrow the requester, of a deposit the provider */
    enum market_account from, to;
    struct vl_node_id payee; /* PAY, SLASH: the member that gets it */
    uint64_t amount;
    enum market_state state;
};
/* Owned by the caller, emptied first by each step. */
struct market_effects {
    struct market_effect *v;
    uint32_t n, cap;
    bool changed;      /* log the event */
    uint32_t sequence; /* its place in the auction's log, 0.. */
};
void market_effects_free(struct market_effects *fx);

struct market; /* opaque: index, bids and sums agree */
/* seed: of hash tables only.  NULL: out of memory. */
struct market *market_create(uint64_t seed);
void market_destroy(struct market *m);

/* On any error nothing changed and the event must not be logged.
 * VL_ERANGE     a field out of range.              VL_EEXISTS  OPEN: the id is known; BID: this node has one already.
 * VL_ENOTFOUND  no such auction; no such bid.      VL_ELIMIT   too many auctions; too many bids, in all or of one group.
 * VL_ESTATE     not in this phase.                 VL_ESTALE   too late by the clock, or TICK too early.
 * VL_EDENIED    CANCEL by another; BID by the requester itself.   VL_ECRYPTO  SHOW: not what was sealed (and slashed for
 *               when the phase ends).              VL_ENOMEM */
VL_MUST_CHECK enum vl_err market_step(struct market *m, const struct market_event *ev, struct market_effects *fx);
/* When an auction is to be ticked, and which; VL_MS_NEVER. */
vl_ms market_deadline(const struct market *m, struct vl_hash *ret_auction);

/* Log records. VL_ERANGE: not encodable.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err market_event_encode(const struct market_event *ev, struct vl_buf *out);
VL_MUST_CHECK enum vl_err market_event_decode(struct vl_span in, struct market_event *ret);

struct market_bid {
    struct vl_node_id node;
    uint64_t group;
    uint32_t trust_milli; /* at least 1 */
    struct vl_hash seal;
    enum market_bid_state state;
    uint64_t bid;
    uint8_t salt[MARKET_SALT];
    uint64_t deposit;         /* held now */
    uint64_t price, escrow;   /* winner: of its unit; what of it is still held */
    uint64_t metered, slashed; /* nH; micro-credits in all */
};
struct market_view {
    struct vl_hash id;
    struct market_order order;
    enum market_state state;
    enum market_failure failure;
    vl_ms opened_ms, until_ms, ended_ms; /* until: of the phase; 0: none */
    uint64_t escrow;                     /* held now, all */
    uint64_t deposits;                   /* held now, all */
    uint64_t held, released, paid, slashed;
    uint64_t hour_price; /* of an H200-hour at clearing; 0: not cleared */
    uint32_t n_bids, log;
    const struct market_bid *bids; /* borrowed until the next step; those of COMMIT are sealed */
};
bool market_get(const struct market *m, struct vl_hash auction, struct market_view *ret);
/* By time of opening, newest first: NULL begins, then the id of the last one. */
bool market_older(const struct market *m, const struct vl_hash *last, struct market_view *ret);
/* The auction that a job belongs to. */
bool market_of_job(const struct market *m, struct vl_job_id job, struct market_view *ret);
const struct market_bid *market_bid_of(const struct market_view *v, struct vl_node_id node);

/* Whether every sum agrees with every other: false is a defect of ours. */
bool market_sound(const struct market *m);

#endif
