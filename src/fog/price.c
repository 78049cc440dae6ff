#include "fog/price.h"

#include "fog/rate.h"
#include "wire/pack.h"

#include <string.h>

#define CONTEXT "village-quote-1:"
#define QUOTE_BYTES_MAX 512u
enum { TAG_QUOTE = 0x72, TAG_SERIES = 0x73, VERSION = 1 };

__extension__ typedef __int128 wide;

uint32_t price_tier_percent(enum sla_tier tier) {
    switch (tier) {
    case TIER_BRONZE:
        return 50;
    case TIER_SILVER:
        return 75;
    case TIER_NONE:
    case TIER_GOLD:
        return 100;
    case TIER_PLATINUM:
        return 150;
    }
    return 100;
}

uint64_t price_tier(uint64_t base, enum sla_tier tier) { return rate_mul_div_up(base, price_tier_percent(tier), 100); }
uint64_t price_of_work(uint64_t hour_price, uint64_t nh) { return rate_mul_div_up(hour_price, nh, RATE_NH_HOUR); }

/* ---- quotes -------------------------------------------------------------------------------------------------------- */

static bool quote_ok(const struct price_quote *q) {
    return (unsigned)q->tier < SLA_TIERS && q->price <= TERMS_PRICE_MAX && q->until_ms > q->made_ms &&
           q->price == price_of_work(q->hour_price, q->nh);
}

static void quote_pack(struct pack *w, const struct price_quote *q) {
    if (!quote_ok(q)) pack_fail(w, VL_ERANGE);
    pack_bytes(w, q->signer.b, sizeof q->signer.b);
    pack_bytes(w, q->id, sizeof q->id);
    pack_u8(w, (uint8_t)q->tier);
    pack_u64(w, q->nh);
    pack_u64(w, q->hour_price);
    pack_u64(w, q->price);
    pack_u64(w, q->made_ms);
    pack_u64(w, q->until_ms);
}

static enum vl_err quote_body(const struct price_quote *q, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_QUOTE, VERSION);
    quote_pack(&w, q);
    return pack_end(&w);
}

enum vl_err price_quote_sign(struct price_quote *q, const struct crypto_sign_key *key) {
    struct vl_buf buf;
    q->signer = crypto_sign_node_id(key);
    vl_buf_init(&buf, QUOTE_BYTES_MAX);
    enum vl_err err = quote_body(q, &buf);
    if (err == VL_OK) err = crypto_sign_message(key, CONTEXT, vl_span(buf.p, buf.len), q->signature);
    vl_buf_free(&buf);
    return err;
}

enum vl_err price_quote_verify(const struct price_quote *q, vl_ms now) {
    struct vl_buf buf;
    vl_buf_init(&buf, QUOTE_BYTES_MAX);
    enum vl_err err = quote_body(q, &buf);
    if (err == VL_OK) err = crypto_verify_message(q->signer.b, CONTEXT, vl_span(buf.p, buf.len), q->signature);
    vl_buf_free(&buf);
    return err == VL_OK && now > q->until_ms ? VL_EEXPIRED : err;
}

enum vl_err price_quote_encode(const struct price_quote *q, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_QUOTE, VERSION);
    quote_pack(&w, q);
    pack_bytes(&w, q->signature, sizeof q->signature);
    return pack_end(&w);
}

enum vl_err price_quote_decode(struct vl_span in, struct price_quote *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_QUOTE, VERSION);
    if (err) return err;
    struct price_quote q = { .signer = unpack_node(&r) };
    vl_read_bytes(&r, q.id, sizeof q.id);
    q.tier = (enum sla_tier)unpack_u8_in(&r, TIER_NONE, TIER_PLATINUM);
    q.nh = vl_read_u64(&r);
    q.hour_price = vl_read_u64(&r);
    q.price = vl_read_u64(&r);
    q.made_ms = vl_read_u64(&r);
    q.until_ms = vl_read_u64(&r);
    vl_read_bytes(&r, q.signature, sizeof q.signature);
    unpack_require(&r, quote_ok(&q));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = q;
    return err;
}

/* ---- history ------------------------------------------------------------------------------------------------------- */

static uint64_t add(uint64_t a, uint64_t b) { return b > UINT64_MAX - a ? UINT64_MAX : a + b; }

void price_add(struct price_series *s, vl_ms now, uint64_t nh, uint64_t hour_price) {
    uint64_t hour = now / PRICE_HOUR_MS;
    uint32_t i = s->n;
    while (i > 0 && s->v[i - 1].hour > hour) i--; /* a clock that stepped back: into its place */
    if (i == 0 || s->v[i - 1].hour != hour) {
        if (s->n == PRICE_HOURS) {
            if (i == 0) return;
            memmove(&s->v[0], &s->v[1], (PRICE_HOURS - 1) * sizeof s->v[0]);
            s->n--;
            i--;
        }
        memmove(&s->v[i + 1], &s->v[i], (s->n - i) * sizeof s->v[0]);
        s->v[i] = (struct price_hour){ .hour = hour, .low = hour_price, .high = hour_price };
        s->n++;
        i++;
    }
    struct price_hour *h = &s->v[i - 1];
    h->nh = add(h->nh, nh);
    h->cost = add(h->cost, price_of_work(hour_price, nh));
    if (hour_price < h->low) h->low = hour_price;
    if (hour_price > h->high) h->high = hour_price;
    if (h->sales < UINT32_MAX) h->sales++;
}

uint64_t price_mean(const struct price_hour *h) {
    /* the rounding of small sales must not leave the range of what was really paid */
    uint64_t mean = h->nh ? rate_mul_div(h->cost, RATE_NH_HOUR, h->nh) : h->high;
    return mean < h->low ? h->low : mean > h->high ? h->high : mean;
}

static bool hour_ok(const struct price_series *s, uint32_t i) {
    const struct price_hour *h = &s->v[i];
    return h->sales > 0 && h->low <= h->high && (i == 0 || s->v[i - 1].hour < h->hour);
}

enum vl_err price_series_encode(const struct price_series *s, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_SERIES, VERSION);
    if (s->n > PRICE_HOURS) pack_fail(&w, VL_ERANGE);
    pack_u16(&w, (uint16_t)s->n);
    for (uint32_t i = 0; i < s->n && i < PRICE_HOURS; i++) {
        if (!hour_ok(s, i)) pack_fail(&w, VL_ERANGE);
        pack_u64(&w, s->v[i].hour);
        pack_u64(&w, s->v[i].nh);
        pack_u64(&w, s->v[i].cost);
        pack_u64(&w, s->v[i].low);
        pack_u64(&w, s->v[i].high);
        pack_u32(&w, s->v[i].sales);
    }
    return pack_end(&w);
}

enum vl_err price_series_decode(struct vl_span in, struct price_series *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_SERIES, VERSION);
    if (err) return err;
    struct price_series s = { .n = vl_read_u16(&r) };
    unpack_require(&r, s.n <= PRICE_HOURS);
    for (uint32_t i = 0; i < s.n && !r.failed; i++) {
        s.v[i].hour = vl_read_u64(&r);
        s.v[i].nh = vl_read_u64(&r);
        s.v[i].cost = vl_read_u64(&r);
        s.v[i].low = vl_read_u64(&r);
        s.v[i].high = vl_read_u64(&r);
        s.v[i].sales = vl_read_u32(&r);
        unpack_require(&r, hour_ok(&s, i));
    }
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = s;
    return err;
}

/* ---- forecast ------------------------------------------------------------------------------------------------------ */

#define FRACTION 16      /* bits behind the point of level and trend */
#define LEVEL_SHARE 500  /* permille of each new price in the level, of each new slope in the trend: prices of a village */
#define TREND_SHARE 200  /* are few and noisy, so the trend follows slowly */
#define PRICE_CAP ((wide)1 << 62)

struct holt {
    wide level, trend;
};

static wide blend(wide old, wide new, int share) { return (old * (1000 - share) + new * share) / 1000; }

/* Hours without sales widen the step, so that a price after a quiet night is not taken for a jump of an hour. */
static wide holt_at(const struct holt *h, uint64_t ahead) {
    wide v = h->level + h->trend * (wide)ahead;
    return v < 0 ? 0 : v > PRICE_CAP << FRACTION ? PRICE_CAP << FRACTION : v;
}

static void holt_take(struct holt *h, uint64_t gap, wide price) {
    wide was = h->level, guess = holt_at(h, gap);
    h->level = blend(guess, price, LEVEL_SHARE);
    h->trend = blend(h->trend, (h->level - was) / (wide)gap, TREND_SHARE);
}

static uint64_t root(wide v) { /* floor of the square root, bit by bit */
    wide r = 0;
    for (wide bit = (wide)1 << 62; bit; bit >>= 1)
        if ((r + bit) * (r + bit) <= v) r += bit;
    return (uint64_t)r;
}

static uint64_t whole(wide v) { return (uint64_t)(v >> FRACTION); }

enum vl_err price_foretell(const struct price_series *s, uint32_t ahead, struct price_forecast *ret) {
    if (ahead < 1 || ahead > PRICE_AHEAD_MAX) return VL_ERANGE;
    if (s->n < PRICE_SAMPLES_MIN) return VL_ENOTFOUND;
    struct holt h = { .level = (wide)price_mean(&s->v[0]) << FRACTION };
    wide squares = 0, absolute = 0, sum = 0;
    for (uint32_t i = 1; i < s->n; i++) {
        uint64_t gap = s->v[i].hour - s->v[i - 1].hour, price = price_mean(&s->v[i]);
        if (gap > PRICE_HOURS) gap = PRICE_HOURS;
        if (price > TERMS_PRICE_MAX) price = TERMS_PRICE_MAX;
        wide error = (wide)price - (wide)whole(holt_at(&h, gap));
        if (error < 0) error = -error;
        if (error > (wide)TERMS_PRICE_MAX) error = (wide)TERMS_PRICE_MAX;
        squares += error * error; /* 168 of at most 2^100 */
        absolute += error;
        sum += (wide)price;
        holt_take(&h, gap, (wide)price << FRACTION);
    }
    wide n = s->n - 1;
    uint64_t deviation = root(squares / n), value = whole(holt_at(&h, ahead));
    /* errors of later hours add up like those of a walk: times the root of the distance; 1.96 deviations hold 95 % */
    uint64_t width = rate_mul_div(deviation, 196 * root((wide)ahead * 10000), 10000);
    *ret = (struct price_forecast){ .value = value,
                                    .low = value > width ? value - width : 0,
                                    .high = add(value, width),
                                    .samples = s->n,
                                    .error_permille = sum ? (uint32_t)(absolute * 1000 / sum > 1000000
                                                                           ? 1000000
                                                                           : absolute * 1000 / sum)
                                                          : 0 };
    return VL_OK;
}
