#include "fog/price.h"

#include "fog/rate.h"
#include "fog_help.h"

#include "check.h"

#include <string.h>

TEST(price, tiers_are_a_half_three_quarters_one_and_one_and_a_half) {
    CHECK_EQ(50, price_tier(100, TIER_BRONZE));
    CHECK_EQ(75, price_tier(100, TIER_SILVER));
    CHECK_EQ(100, price_tier(100, TIER_GOLD));
    CHECK_EQ(150, price_tier(100, TIER_PLATINUM));
    CHECK_EQ(2, price_tier(3, TIER_BRONZE)); /* 1.5: up */
}

TEST(price, work_is_rounded_up_once_for_all_of_it) {
    CHECK_EQ(4000000, price_of_work(4000000, RATE_NH_HOUR));
    CHECK_EQ(1, price_of_work(4000000, 1)); /* 0.004 */
    CHECK_EQ(4, price_of_work(4000000, 1000));
    CHECK_EQ(5, price_of_work(4000000, 1001));
    CHECK_EQ(0, price_of_work(4000000, 0));
}

TEST(price, quotes_are_signed_and_hold_until_their_time_exactly) {
    struct crypto_sign_key key;
    struct vl_buf buf;
    struct price_quote got, q = { .id = { 9 }, .tier = TIER_GOLD, .nh = 5000, .hour_price = 4000000, .price = 20,
                                  .made_ms = 1000, .until_ms = 1000 + PRICE_QUOTE_MS };
    crypto_sign_key_from_seed((const uint8_t[32]){ 1 }, &key);
    CHECK_OK(price_quote_sign(&q, &key));
    CHECK_OK(price_quote_verify(&q, q.until_ms));
    CHECK_EQ(VL_EEXPIRED, price_quote_verify(&q, q.until_ms + 1));
    vl_buf_init(&buf, 1024);
    CHECK_OK(price_quote_encode(&q, &buf));
    for (size_t n = 0; n < buf.len; n++) CHECK(price_quote_decode(vl_span(buf.p, n), &got) != VL_OK);
    CHECK_OK(price_quote_decode(vl_span(buf.p, buf.len), &got));
    CHECK_OK(price_quote_verify(&got, 5));
    got.until_ms++;
    CHECK_EQ(VL_ECRYPTO, price_quote_verify(&got, 5));
    q.price++; /* not what the work costs at that price */
    CHECK_EQ(VL_ERANGE, price_quote_sign(&q, &key));
    vl_buf_free(&buf);
}

TEST(price, history_keeps_the_last_week_of_hours_whatever_the_clock_does) {
    static struct price_series s;
    memset(&s, 0, sizeof s);
    price_add(&s, 10 * PRICE_HOUR_MS, 1000000, 100);
    price_add(&s, 10 * PRICE_HOUR_MS + 5, 3000000, 200);
    CHECK_EQ(1, s.n);
    CHECK_EQ(2, s.v[0].sales);
    CHECK(price_mean(&s.v[0]) >= 100 && price_mean(&s.v[0]) <= 200);
    price_add(&s, 8 * PRICE_HOUR_MS, 1000, 50); /* stepped back */
    CHECK_EQ(2, s.n);
    CHECK_EQ(8, s.v[0].hour);
    for (uint64_t h = 11; h < 400; h++) price_add(&s, h * PRICE_HOUR_MS, 1000, h);
    CHECK_EQ(PRICE_HOURS, s.n);
    CHECK_EQ(399, s.v[PRICE_HOURS - 1].hour);
    CHECK_EQ(399 - PRICE_HOURS + 1, s.v[0].hour);
    price_add(&s, PRICE_HOUR_MS, 1000, 7); /* older than all that is kept */
    CHECK_EQ(399 - PRICE_HOURS + 1, s.v[0].hour);
    for (uint32_t i = 1; i < s.n; i++) CHECK(s.v[i].hour > s.v[i - 1].hour);
    static struct price_series got;
    struct vl_buf buf;
    vl_buf_init(&buf, 65536);
    CHECK_OK(price_series_encode(&s, &buf));
    for (size_t n = 0; n < buf.len; n += 7) CHECK(price_series_decode(vl_span(buf.p, n), &got) != VL_OK);
    CHECK_OK(price_series_decode(vl_span(buf.p, buf.len), &got));
    CHECK_MEM(&s, &got, sizeof s);
    vl_buf_free(&buf);
}

/* 100 nH * 10^7: large enough that the mean of an hour is its price. */
static void sell(struct price_series *s, uint64_t hour, uint64_t price) {
    price_add(s, hour * PRICE_HOUR_MS, RATE_NH_HOUR, price);
}

TEST(price, nothing_is_foretold_from_two_hours) {
    static struct price_series s;
    struct price_forecast f = { .value = 77 };
    memset(&s, 0, sizeof s);
    sell(&s, 1, 100);
    sell(&s, 2, 100);
    CHECK_EQ(VL_ENOTFOUND, price_foretell(&s, 1, &f));
    CHECK_EQ(77, f.value);
    sell(&s, 3, 100);
    CHECK_OK(price_foretell(&s, 1, &f));
    CHECK_EQ(100, f.value);
    CHECK_EQ(100, f.low);
    CHECK_EQ(100, f.high);
    CHECK_EQ(0, f.error_permille);
    CHECK_EQ(VL_ERANGE, price_foretell(&s, 0, &f));
    CHECK_EQ(VL_ERANGE, price_foretell(&s, PRICE_AHEAD_MAX + 1, &f));
}

TEST(price, a_steady_rise_is_followed_within_two_percent_and_its_error_is_told) {
    static struct price_series s;
    struct price_forecast f, far;
    memset(&s, 0, sizeof s);
    for (uint64_t h = 0; h < 100; h++) sell(&s, h, 10000 + 100 * h);
    CHECK_OK(price_foretell(&s, 1, &f));
    CHECK(f.value > 19600 && f.value < 20400); /* 20000 */
    CHECK(f.low <= 20000 && f.high >= 20000);
    CHECK(f.error_permille < 20);
    CHECK_OK(price_foretell(&s, 24, &far));
    CHECK(far.high - far.low > f.high - f.low); /* further is less certain */
}

TEST(price, ninety_five_percent_of_noisy_hours_fall_into_the_interval_told_before_them) {
    static struct price_series s;
    uint64_t seed = 0x853c49e6748fea9bu;
    uint32_t in = 0, told = 0;
    memset(&s, 0, sizeof s);
    for (uint64_t h = 0; h < 2000; h++) {
        struct price_forecast f;
        uint64_t noise = 0;
        for (unsigned i = 0; i < 8; i++) { /* nearly normal */
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            noise += seed >> 54;
        }
        uint64_t price = 100000 + noise * 4;
        if (s.n > 50 && price_foretell(&s, 1, &f) == VL_OK) {
            told++;
            in += price >= f.low && price <= f.high;
        }
        sell(&s, h, price);
    }
    CHECK(in * 1000 / told >= 930 && in * 1000 / told <= 970);
}

TEST(price, prices_at_the_top_of_the_range_are_foretold_without_overflow) {
    static struct price_series s;
    struct price_forecast f;
    memset(&s, 0, sizeof s);
    for (uint64_t h = 0; h < 50; h++) price_add(&s, h * 100 * PRICE_HOUR_MS, UINT64_MAX, h % 2 ? UINT64_MAX : 0);
    CHECK_OK(price_foretell(&s, 24, &f));
    CHECK(f.low <= f.value && f.value <= f.high);
}
