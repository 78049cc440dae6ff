/* The market under a list of events, with the accounts they move; and its decoders, those of rates, quotes and price
 * series and the messages between coordinator and bidders under raw bytes.  First byte 0: the rest is an encoding. */
#include "fog/market.h"
#include "fog/price.h"
#include "fog/rate.h"
#include "wire/market.h"

#include <stdlib.h>
#include <string.h>

static void same(enum vl_err err, struct vl_buf *out, struct vl_span in) {
    if (err != VL_OK || !vl_span_eq(in, vl_span(out->p, out->len))) abort();
    vl_buf_clear(out);
}

static void decoders(struct vl_span in) {
    static struct price_series series;
    struct market_event ev;
    struct rate_record rate;
    struct price_quote quote;
    struct price_forecast f;
    struct market_call call;
    struct market_seal_msg seal;
    struct market_open_msg opening;
    struct market_show_msg show;
    struct market_award_msg award;
    struct vl_buf out;
    vl_buf_init(&out, 1u << 20);
    if (market_call_decode(in, &call) == VL_OK) same(market_call_encode(&call, &out), &out, in);
    if (market_seal_decode(in, &seal) == VL_OK) same(market_seal_encode(&seal, &out), &out, in);
    if (market_open_decode(in, &opening) == VL_OK) same(market_open_encode(&opening, &out), &out, in);
    if (market_show_decode(in, &show) == VL_OK) same(market_show_encode(&show, &out), &out, in);
    if (market_award_decode(in, &award) == VL_OK) same(market_award_encode(&award, &out), &out, in);
    if (market_event_decode(in, &ev) == VL_OK) same(market_event_encode(&ev, &out), &out, in);
    if (rate_record_decode(in, &rate) == VL_OK) same(rate_record_encode(&rate, &out), &out, in);
    if (price_quote_decode(in, &quote) == VL_OK) same(price_quote_encode(&quote, &out), &out, in);
    if (price_series_decode(in, &series) == VL_OK) {
        same(price_series_encode(&series, &out), &out, in);
        for (uint32_t ahead = 1; ahead <= PRICE_AHEAD_MAX; ahead++)
            if (price_foretell(&series, ahead, &f) == VL_OK && (f.low > f.value || f.value > f.high)) abort();
    }
    vl_buf_free(&out);
}

struct sums {
    __extension__ __int128 member, account[5];
};

static void money(struct sums *s, const struct market_effects *fx) {
    for (uint32_t i = 0; i < fx->n; i++) {
        const struct market_effect *e = &fx->v[i];
        if (e->kind > MARKET_FX_SLASH) continue;
        *(e->from == ACCOUNT_MEMBER ? &s->member : &s->account[e->from]) -= e->amount;
        *(e->to == ACCOUNT_MEMBER ? &s->member : &s->account[e->to]) += e->amount;
    }
    if (s->account[ACCOUNT_ESCROW] < 0 || s->account[ACCOUNT_DEPOSIT] < 0 || s->account[ACCOUNT_TREASURY] < 0) abort();
    if (s->member + s->account[ACCOUNT_ESCROW] + s->account[ACCOUNT_DEPOSIT] + s->account[ACCOUNT_TREASURY] != 0) abort();
}

static struct market_event event_of(const uint8_t e[8], vl_ms now) {
    struct market_event ev = { .kind = (enum market_event_kind)(e[0] % 12), .now = now, .trust_milli = e[5] * 4u };
    ev.auction.b[0] = e[1] & 3;
    ev.node.b[0] = e[1] >> 2;
    ev.group = e[6] & 3;
    ev.bid = (e[2] & 15) == 15 ? UINT64_MAX : (uint64_t)e[2] << (e[3] & 31);
    ev.salt[0] = e[4] & 1; /* now and then not what was sealed */
    ev.share = e[5] * 5u;
    ev.nh = e[6];
    ev.order = (struct market_order){ .tier = TIER_GOLD,
                                      .units = e[2] % 5u,
                                      .quantity = 1 + (uint64_t)e[3],
                                      .reserve = (uint64_t)e[4] << (e[5] & 31),
                                      .min_providers = 1 + (e[6] & 1u),
                                      .duration_ms = 1000 + e[7] * 8u,
                                      .period = 1 + e[3] / 2,
                                      .quality = e[7] & 1 };
    ev.order.requester.b[0] = 63;
    uint8_t salt[MARKET_SALT] = { 0 };
    ev.seal = market_seal(ev.auction, ev.node, ev.bid, salt);
    return ev;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (n > 0 && p[0] == 0) {
        decoders(vl_span(p + 1, n - 1));
        return 0;
    }
    struct market *m = market_create(1);
    struct market_effects fx = { 0 };
    struct sums sums = { 0 };
    vl_ms now = 1000;
    if (m == NULL) return 0;
    for (size_t i = 1; i + 8 <= n && i < 8000; i += 8) {
        now += p[i] & 128 ? p[i + 7] * 100u : p[i + 7];
        struct market_event ev = event_of(p + i, p[i] == 255 ? 3 : now);
        enum vl_err err = market_step(m, &ev, &fx);
        if ((err == VL_OK) != fx.changed || (err != VL_OK && fx.n != 0)) abort();
        money(&sums, &fx);
        if (!market_sound(m)) abort();
    }
    market_effects_free(&fx);
    market_destroy(m);
    return 0;
}
