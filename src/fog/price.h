/* price.h - what computing costs: tiers, quotes, the history of clearing prices and a forecast (FOG-15).
 * Pure, integers only.  Prices are micro-credits for an H200-hour. */
#ifndef VL_FOG_PRICE_H
#define VL_FOG_PRICE_H

#include "base/ms.h"
#include "crypto/sign.h"
#include "wire/terms.h"

#define PRICE_BASE_DEFAULT 4000000ull /* 4 credits: between the 2.5 and 7 that an H200-hour was offered for in 2026 */
#define PRICE_BASE_MAX (1ull << 40)
#define PRICE_QUOTE_MS 600000u /* a quote holds for ten minutes */

/* "tiers bronze 0.50, silver 0.75, gold 1.00, platinum 1.50 base rate" (spec/fog.md). TIER_NONE is sold as gold. */
uint32_t price_tier_percent(enum sla_tier tier);
/* base * tier, rounded up. */
uint64_t price_tier(uint64_t base, enum sla_tier tier);
/* What `nh` cost at that price, rounded up to whole micro-credits once for all of it, not for each part. */
uint64_t price_of_work(uint64_t hour_price, uint64_t nh);

/* ---- quotes ---- */
struct price_quote {
    struct vl_node_id signer; /* the coordinator */
    uint8_t id[16];
    enum sla_tier tier;
    uint64_t nh, hour_price, price; /* price == price_of_work(hour_price, nh) <= TERMS_PRICE_MAX */
    vl_ms made_ms, until_ms;
    uint8_t signature[CRYPTO_SIGNATURE];
};
/* Signs in place; context "village-quote-1:".  VL_ERANGE: price or times out of range. */
VL_MUST_CHECK enum vl_err price_quote_sign(struct price_quote *q, const struct crypto_sign_key *key);
/* VL_ECRYPTO: not signed by q->signer.  VL_EEXPIRED: after until_ms. */
VL_MUST_CHECK enum vl_err price_quote_verify(const struct price_quote *q, vl_ms now);
VL_MUST_CHECK enum vl_err price_quote_encode(const struct price_quote *q, struct vl_buf *out);
VL_MUST_CHECK enum vl_err price_quote_decode(struct vl_span in, struct price_quote *ret);

/* ---- history ---- */
#define PRICE_HOURS 168u /* a week of hours of each tier */
#define PRICE_HOUR_MS 3600000u

struct price_hour { /* all sales of one hour; addable in any order */
    uint64_t hour; /* ms / PRICE_HOUR_MS */
    uint64_t nh, cost; /* sums: the mean price is weighted by what was sold */
    uint64_t low, high; /* prices of an H200-hour */
    uint32_t sales;
};
struct price_series {
    uint32_t n;
    struct price_hour v[PRICE_HOURS]; /* ascending by hour */
};
/* Adds a sale; of hours older than the oldest kept when the series is full nothing remains.  Sums saturate. */
void price_add(struct price_series *s, vl_ms now, uint64_t nh, uint64_t hour_price);
uint64_t price_mean(const struct price_hour *h);
VL_MUST_CHECK enum vl_err price_series_encode(const struct price_series *s, struct vl_buf *out);
VL_MUST_CHECK enum vl_err price_series_decode(struct vl_span in, struct price_series *ret);

/* ---- forecast: Holt's linear exponential smoothing (Holt 1957), in fixed point ---- */
#define PRICE_AHEAD_MAX 24u  /* hours */
#define PRICE_SAMPLES_MIN 3u /* below that nothing is foretold */
struct price_forecast {
    uint64_t value, low, high;  /* low, high: about 95 %, from the errors that it would have made (below) */
    uint32_t samples;           /* hours with sales */
    uint32_t error_permille;    /* mean absolute error of foretelling each hour from those before it, of the mean price */
};
/* `ahead` hours after the last one with sales, 1..PRICE_AHEAD_MAX.  VL_ENOTFOUND: too few sales.  VL_ERANGE. */
VL_MUST_CHECK enum vl_err price_foretell(const struct price_series *s, uint32_t ahead, struct price_forecast *ret);

#endif
