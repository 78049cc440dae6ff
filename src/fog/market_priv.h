/* market_priv.h - inside of the market: what market.c, market_clear.c and market_log.c share. */
#ifndef VL_FOG_MARKET_PRIV_H
#define VL_FOG_MARKET_PRIV_H

#include "base/map.h"
#include "fog/market.h"

struct auction {
    struct auction *newer, *older; /* by time of opening */
    struct market_view v;          /* v.bids points to bids */
    struct market_bid *bids;
    uint32_t cap;
    vl_ms clock; /* latest time seen: a clock that steps back does not reopen a phase */
};
struct market {
    struct vl_map by_id;
    struct auction *newest, *oldest;
    uint32_t live, ended;
};

/* Room for n more effects, before anything changes. */
VL_MUST_CHECK enum vl_err deal_reserve(struct market_effects *fx, uint32_t n);
void deal_note(struct market_effects *fx, const struct auction *a, enum market_effect_kind kind, struct vl_node_id node,
             uint64_t amount);
/* Money: each books both sides. Amounts of 0 leave no trace. */
void money_hold_escrow(struct market_effects *fx, struct auction *a, uint64_t amount);
void money_release_escrow(struct market_effects *fx, struct auction *a, uint64_t amount);
void money_pay(struct market_effects *fx, struct auction *a, struct market_bid *b, uint64_t amount);
void money_hold_deposit(struct market_effects *fx, struct auction *a, struct market_bid *b, uint64_t amount);
void money_release_deposit(struct market_effects *fx, struct auction *a, struct market_bid *b, uint64_t amount);
/* permille of the deposit: to the requester up to `loss`, the rest to the treasury; what remains is released. */
void money_slash(struct market_effects *fx, struct auction *a, struct market_bid *b, uint32_t permille, uint64_t loss);

/* Ends a phase: sealed bids are silent; then clears or fails. */
void auction_clear(struct market_effects *fx, struct auction *a);
void auction_state(struct market_effects *fx, struct auction *a, enum market_state s);
/* CLEARED and no winner is working any more: settled. */
void auction_settle(struct market_effects *fx, struct auction *a);

#endif
