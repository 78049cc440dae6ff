#include "fog/rate.h"

#include "fog_help.h"
#include "fog/rate_kernel.h"

#include "check.h"

#include <string.h>

TEST(rate, an_h200_hour_is_the_reference_at_full_use_for_an_hour_exactly) {
    uint64_t nh = 7;
    CHECK_OK(rate_work(RATE_H200_OPS, RATE_PPM, 3600000, &nh));
    CHECK_EQ(RATE_NH_HOUR, nh);
    CHECK_OK(rate_work(RATE_H200_OPS, RATE_PPM / 2, 3600000, &nh));
    CHECK_EQ(RATE_NH_HOUR / 2, nh);
    /* 3.24e9 operations are 1 nH, one less is 0: rounded down */
    CHECK_OK(rate_work(RATE_NH_OPS, RATE_PPM, 1000, &nh));
    CHECK_EQ(1, nh);
    CHECK_OK(rate_work(RATE_NH_OPS - 1, RATE_PPM, 1000, &nh));
    CHECK_EQ(0, nh);
}

TEST(rate, work_at_every_limit_at_once_does_not_overflow_and_beyond_it_is_refused) {
    uint64_t nh = 0;
    CHECK_OK(rate_work(RATE_OPS_MAX, RATE_PPM, RATE_MS_MAX, &nh));
    /* 1e18 * 2^45 / 3.24e12, by hand: 10859374.7e12 */
    CHECK(nh / 1000000000000u == 10859374u);
    uint64_t before = nh;
    CHECK_EQ(VL_ERANGE, rate_work(RATE_OPS_MAX + 1, 1, 1, &nh));
    CHECK_EQ(VL_ERANGE, rate_work(1, RATE_PPM + 1, 1, &nh));
    CHECK_EQ(VL_ERANGE, rate_work(1, 1, RATE_MS_MAX + 1, &nh));
    CHECK(nh == before);
}

TEST(rate, division_rounds_as_said_and_saturates) {
    CHECK_EQ(3, rate_mul_div(7, 1, 2));
    CHECK_EQ(4, rate_mul_div_up(7, 1, 2));
    CHECK_EQ(4, rate_mul_div_up(8, 1, 2));
    CHECK(rate_mul_div(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    CHECK(rate_mul_div(UINT64_MAX, 2, 1) == UINT64_MAX);
    CHECK(rate_mul_div_up(UINT64_MAX, UINT64_MAX, 1) == UINT64_MAX);
}

TEST(rate, a_run_as_fast_as_the_reference_would_be_rates_one_h200_hour_an_hour) {
    /* 512 segments are 6.29e9 operations and 33.6 MB: 6.99 us each on the reference, 13.98 us together; in 13.98 s a
     * machine is a millionth of it */
    CHECK_EQ(1000, rate_from_run(512, 13981) - rate_from_run(512, 13981) % 10);
    CHECK(rate_from_run(1, 0) == rate_from_run(1, 1));
    CHECK(rate_from_run(512, 1000) == 2 * rate_from_run(512, 2000) || rate_from_run(512, 1000) == 2 * rate_from_run(512, 2000) + 1);
}

TEST(rate, segments_keep_the_proportion_of_the_reference) {
    CHECK_EQ((uint64_t)RATE_SEGMENT_OPS * 48, (uint64_t)RATE_SEGMENT_BYTES * 9000);
}

TEST(rate, an_answer_is_believed_only_when_the_segments_done_over_agree) {
    uint8_t nonce[RATE_NONCE] = "0123456789abcde", answer[2 * 8];
    for (uint32_t s = 0; s < 2; s++) vl_put_u64(answer + 8 * s, rate_segment(nonce, s));
    CHECK(rate_answer_true(nonce, 2, vl_span(answer, sizeof answer), 1, RATE_CHECKS));
    CHECK(!rate_answer_true(nonce, 2, vl_span(answer, sizeof answer - 1), 1, 1));
    CHECK(!rate_answer_true(nonce, 1, vl_span(answer, sizeof answer), 1, 1));
    answer[7] ^= 1;
    answer[15] ^= 1;
    CHECK(!rate_answer_true(nonce, 2, vl_span(answer, sizeof answer), 1, 1));
    nonce[0]++; /* an answer prepared for another nonce */
    answer[7] ^= 1;
    answer[15] ^= 1;
    CHECK(!rate_answer_true(nonce, 2, vl_span(answer, sizeof answer), 1, 1));
}

static struct rate_record record_of(uint32_t slots, uint64_t alone, uint32_t wide, uint64_t all) {
    return (struct rate_record){ .node = node_n(3),
                                 .slots_claimed = slots,
                                 .cpus_claimed = slots,
                                 .measured_ms = 1000,
                                 .hardware = 5,
                                 .receipt_n = 3,
                                 .receipt = "abc",
                                 .run = { .segments = 512,
                                          .alone_ms = alone,
                                          .wide = wide,
                                          .wide_ms = all,
                                          .answers_true = true } };
}

/* What a node claims, and what it is found to have: the figures that must hold. */
TEST(rate, nodes_that_lie_about_their_slots_are_cut_to_what_was_measured) {
    static const struct {
        uint32_t slots, wide;
        uint64_t alone, all;
        enum rate_verdict verdict;
        uint32_t measured;
    } rows[] = {
        { 4, 4, 1000, 1000, RATE_GOOD, 4 },       /* four real ones */
        { 4, 4, 1000, 1900, RATE_GOOD, 4 },       /* two threads on each core */
        { 4, 4, 1000, 2000, RATE_GOOD, 4 },       /* the edge */
        { 4, 4, 1000, 2001, RATE_OVERSOLD, 2 },
        { 16, 16, 1000, 16000, RATE_OVERSOLD, 1 }, /* one processor sold as sixteen */
        { 16, 16, 1000, 8000, RATE_OVERSOLD, 2 },
        { 48, 16, 1000, 4000, RATE_OVERSOLD, 12 }, /* measured on 16, the others as those */
        { 16, 16, 1, 100000, RATE_OVERSOLD, 1 },   /* all slots pooled for the task alone */
        { 1, 1, 1000, 5000, RATE_GOOD, 1 },        /* one slot cannot be oversold */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rate_record r = record_of(rows[i].slots, rows[i].alone, rows[i].wide, rows[i].all);
        CHECK_OK(rate_judge(&r));
        CHECK_EQ(rows[i].verdict, r.verdict);
        CHECK_EQ(rows[i].measured, r.slots_measured);
        CHECK_EQ(rows[i].measured, rate_slots(&r, rows[i].slots));
        /* whatever it says, all its slots together are rated no higher than what they did together */
        uint64_t all_did = rate_from_run(512, rows[i].all) * rows[i].slots;
        CHECK(r.rate * r.slots_measured <= all_did + r.slots_measured);
    }
    CHECK_EQ(9, rate_slots(NULL, 9));
}

TEST(rate, a_wrong_answer_leaves_the_rate_unknown) {
    struct rate_record r = record_of(4, 1000, 4, 1000);
    r.run.answers_true = false;
    CHECK_OK(rate_judge(&r));
    CHECK_EQ(RATE_FALSE, r.verdict);
    CHECK_EQ(0, r.rate);
}

TEST(rate, is_measured_again_between_a_day_and_seven_and_soon_when_the_hardware_differs) {
    struct rate_record r = record_of(4, 1000, 4, 1000);
    CHECK_OK(rate_judge(&r));
    for (uint64_t draw = 0; draw < 2000; draw++) {
        vl_ms at = rate_due(&r, 5, draw * 0x9e3779b97f4a7c15u);
        CHECK(at >= 1000 + 86400000u && at <= 1000 + 7ull * 86400000u);
    }
    CHECK_EQ(1000 + 60000, rate_due(&r, 6, 1));
    r.rate = 0;
    CHECK_EQ(1000 + 3600000, rate_due(&r, 5, 1));
    struct node_caps caps = { .cpus = 4, .slots = 4, .memory_bytes = 8ull << 30 };
    uint64_t h = rate_hardware(&caps);
    caps.disk_bytes = 12345; /* changes all the time */
    CHECK(h == rate_hardware(&caps));
    caps.slots = 8;
    CHECK(h != rate_hardware(&caps));
}

TEST(rate, records_are_signed_and_come_back_as_they_were) {
    struct crypto_sign_key key;
    struct rate_record r = record_of(4, 1000, 4, 3000), got;
    struct vl_buf buf;
    crypto_sign_key_from_seed((const uint8_t[32]){ 7 }, &key);
    CHECK_OK(rate_judge(&r));
    CHECK_OK(rate_sign(&r, &key));
    CHECK_OK(rate_verify(&r));
    vl_buf_init(&buf, RATE_RECORD_MAX);
    CHECK_OK(rate_record_encode(&r, &buf));
    for (size_t n = 0; n < buf.len; n++) CHECK(rate_record_decode(vl_span(buf.p, n), &got) != VL_OK);
    CHECK_OK(rate_record_decode(vl_span(buf.p, buf.len), &got));
    CHECK_OK(rate_verify(&got));
    CHECK_EQ(r.rate, got.rate);
    got.rate++;
    CHECK_EQ(VL_ECRYPTO, rate_verify(&got));
    vl_buf_free(&buf);
}
