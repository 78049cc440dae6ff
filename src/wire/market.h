/* market.h - what coordinator and members say about an auction (fog/market.h).  All travel as durable, signed messages.
 * Same codec rules as wire/task.h. */
#ifndef VL_WIRE_MARKET_H
#define VL_WIRE_MARKET_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/ms.h"
#include "wire/terms.h"

#define MARKET_SALT_BYTES 16u

/* Coordinator to members: who does this for less? */
struct market_call {
    struct vl_hash auction;
    enum sla_tier tier; /* bronze .. platinum */
    uint32_t units;     /* >= 1; each node may do one */
    uint64_t quantity;  /* nH of a unit, > 0 */
    uint64_t reserve;   /* the most that is paid for a unit, micro-credits, 1..TERMS_PRICE_MAX */
    uint64_t hour_price; /* the village's own price of an H200-hour in that tier */
    bool quality;
    vl_ms until_ms; /* bids that come later are too late */
};
/* Member to coordinator: a sealed bid. */
struct market_seal_msg {
    struct vl_hash auction, seal;
};
/* Coordinator to bidder: open it now. */
struct market_open_msg {
    struct vl_hash auction;
    vl_ms until_ms;
};
/* Bidder to coordinator. */
struct market_show_msg {
    struct vl_hash auction;
    uint64_t bid;
    uint8_t salt[MARKET_SALT_BYTES];
};
/* Coordinator to bidder: the end. */
struct market_award_msg {
    struct vl_hash auction;
    bool won;
    uint64_t price; /* of its unit; 0 when it lost */
};

VL_MUST_CHECK enum vl_err market_call_encode(const struct market_call *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err market_call_decode(struct vl_span in, struct market_call *ret);
VL_MUST_CHECK enum vl_err market_seal_encode(const struct market_seal_msg *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err market_seal_decode(struct vl_span in, struct market_seal_msg *ret);
VL_MUST_CHECK enum vl_err market_open_encode(const struct market_open_msg *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err market_open_decode(struct vl_span in, struct market_open_msg *ret);
VL_MUST_CHECK enum vl_err market_show_encode(const struct market_show_msg *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err market_show_decode(struct vl_span in, struct market_show_msg *ret);
VL_MUST_CHECK enum vl_err market_award_encode(const struct market_award_msg *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err market_award_decode(struct vl_span in, struct market_award_msg *ret);

#endif
