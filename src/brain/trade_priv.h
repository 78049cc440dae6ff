/* trade_priv.h - inside of the market's wiring: what trade.c, trade_bid.c and trade_view.c share. */
#ifndef VL_BRAIN_TRADE_PRIV_H
#define VL_BRAIN_TRADE_PRIV_H

#include "brain/priv.h"

#define TRADE_OWN_BIDS_MAX 64u /* sealed bids of this member that wait for their auction's end */

struct own_bid {
    struct vl_hash auction;
    uint64_t bid;
    vl_ms until_ms; /* of bidding */
    bool used;
};
struct trade {
    struct market *core; /* NULL: not the coordinator */
    struct price_series prices[SLA_TIERS];
    struct brain_market_sums sums;
    struct own_bid own[TRADE_OWN_BIDS_MAX];
    uint32_t holding; /* auctions whose job waits or runs: while there is none nobody need look for them */
};

/* One event of the market: steps the core, logs it, carries out what follows. Errors of market_step(). */
enum vl_err trade_step(struct brain *b, const struct market_event *ev);
/* Whether that node could do the work of the auction; `now`: this very moment, or else once it has room. */
bool trade_able(const struct brain *b, const struct market_view *v, const struct node_record *r, bool now);
uint64_t trade_base(const struct brain *b);
/* Member: an auction was announced, is to be opened, has ended. */
void bid_called(struct brain *b, struct vl_span bytes);
void bid_open(struct brain *b, struct vl_span bytes);
void bid_awarded(struct brain *b, struct vl_span bytes);
enum vl_err bid_restore(struct brain *b, const struct record *r);

#endif
