#include "wire/market.h"

#include "check.h"

#include <string.h>

static void cuts(enum vl_err (*decode)(struct vl_span), const struct vl_buf *b) {
    uint8_t more[512];
    for (size_t n = 0; n < b->len; n++) CHECK(decode(vl_span(b->p, n)) != VL_OK);
    CHECK_OK(decode(vl_span(b->p, b->len)));
    CHECK(b->len < sizeof more);
    memcpy(more, b->p, b->len);
    more[b->len] = 0;
    CHECK_EQ(VL_EPARSE, decode(vl_span(more, b->len + 1)));
    more[1] = 9;
    CHECK_EQ(VL_EVERSION, decode(vl_span(more, b->len)));
    more[0] ^= 0x80;
    CHECK_EQ(VL_EPARSE, decode(vl_span(more, b->len)));
}

static struct market_call call;
static struct market_seal_msg seal;
static struct market_open_msg open_msg;
static struct market_show_msg show;
static struct market_award_msg award;
static enum vl_err call_in(struct vl_span s) { return market_call_decode(s, &call); }
static enum vl_err seal_in(struct vl_span s) { return market_seal_decode(s, &seal); }
static enum vl_err open_in(struct vl_span s) { return market_open_decode(s, &open_msg); }
static enum vl_err show_in(struct vl_span s) { return market_show_decode(s, &show); }
static enum vl_err award_in(struct vl_span s) { return market_award_decode(s, &award); }

TEST(market_wire, messages_come_back_as_they_were_and_every_cut_is_refused) {
    const struct market_call c = { .auction = { { 1 } }, .tier = TIER_SILVER, .units = 2, .quantity = 3, .reserve = 4,
                                   .hour_price = 5, .quality = true, .until_ms = 6 };
    const struct market_seal_msg s = { .auction = { { 1 } }, .seal = { { 2 } } };
    const struct market_open_msg o = { .auction = { { 1 } }, .until_ms = 9 };
    const struct market_show_msg w = { .auction = { { 1 } }, .bid = UINT64_MAX, .salt = { 3 } };
    const struct market_award_msg a = { .auction = { { 1 } }, .won = true, .price = TERMS_PRICE_MAX };
    struct vl_buf b;
    vl_buf_init(&b, 1024);
    CHECK_OK(market_call_encode(&c, &b));
    cuts(call_in, &b);
    CHECK(call.tier == TIER_SILVER && call.units == 2 && call.quantity == 3 && call.reserve == 4 && call.hour_price == 5 &&
          call.quality && call.until_ms == 6 && call.auction.b[0] == 1);
    vl_buf_clear(&b);
    CHECK_OK(market_seal_encode(&s, &b));
    cuts(seal_in, &b);
    CHECK(seal.auction.b[0] == 1 && seal.seal.b[0] == 2);
    vl_buf_clear(&b);
    CHECK_OK(market_open_encode(&o, &b));
    cuts(open_in, &b);
    CHECK_EQ(9, open_msg.until_ms);
    vl_buf_clear(&b);
    CHECK_OK(market_show_encode(&w, &b));
    cuts(show_in, &b);
    CHECK(show.bid == UINT64_MAX && show.salt[0] == 3);
    vl_buf_clear(&b);
    CHECK_OK(market_award_encode(&a, &b));
    cuts(award_in, &b);
    CHECK(award.won && award.price == TERMS_PRICE_MAX);
    vl_buf_free(&b);
}

TEST(market_wire, values_out_of_range_are_refused_on_both_sides) {
    const struct market_call good = { .tier = TIER_GOLD, .units = 1, .quantity = 1, .reserve = TERMS_PRICE_MAX };
    struct vl_buf b;
    vl_buf_init(&b, 1024);
    CHECK_OK(market_call_encode(&good, &b));
    for (unsigned i = 0; i < 5; i++) {
        struct market_call bad = good;
        if (i == 0) bad.tier = TIER_NONE;
        if (i == 1) bad.units = 0;
        if (i == 2) bad.quantity = 0;
        if (i == 3) bad.reserve = 0;
        if (i == 4) bad.reserve = TERMS_PRICE_MAX + 1;
        CHECK_EQ(VL_ERANGE, market_call_encode(&bad, &b));
    }
    b.p[2 + 32] = 5; /* a tier that there is not */
    CHECK_EQ(VL_EPARSE, call_in(vl_span(b.p, b.len)));
    CHECK_EQ(VL_ERANGE, market_award_encode(&(struct market_award_msg){ .price = TERMS_PRICE_MAX + 1 }, &b));
    vl_buf_free(&b);
}
