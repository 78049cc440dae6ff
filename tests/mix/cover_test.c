#include "mix/cover.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define START 1700000000000ull

static struct cover *start(uint32_t payload, uint32_t loop, uint32_t drop, uint8_t seed) {
    struct cover_rates r = { payload, loop, drop };
    uint8_t bytes[32] = { seed };
    struct cover *c = NULL;
    CHECK_OK(cover_create(&r, bytes, START, &c));
    return c;
}

/* Runs to the next slot, as a loop that never oversleeps does. */
static vl_ms step(struct cover *c, enum cover_slot *slot) {
    vl_ms at = cover_deadline(c);
    CHECK(at == 0 || !cover_next(c, at - 1, slot));
    CHECK(cover_next(c, at, slot));
    return at;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov distance of n gaps from the exponential distribution. */
static double distance(double *gap, size_t n, double mean) {
    double most = 0;
    qsort(gap, n, sizeof *gap, ascending);
    for (size_t i = 0; i < n; i++) {
        double want = 1 - exp(-gap[i] / mean), below = want - (double)i / (double)n,
               above = (double)(i + 1) / (double)n - want;
        if (below > most) most = below;
        if (above > most) most = above;
    }
    return most;
}

enum { GAPS = 5000 };
static const double gate = 1.95 / 70.7; /* 0.1 % for 5,000 */

TEST(cover, gaps_are_exponential_with_the_rate_of_the_sum) {
    static double gap[GAPS];
    struct cover *c = start(800, 150, 50, 1);
    vl_ms before = START;
    enum cover_slot slot;
    for (size_t i = 0; i < GAPS; i++) {
        vl_ms at = step(c, &slot);
        gap[i] = (double)(at - before);
        before = at;
    }
    CHECK(distance(gap, GAPS, 1000) < gate);
    CHECK(distance(gap, GAPS, 1100) > gate); /* the test sees a rate that is 10 % off */
    cover_destroy(c);
}

TEST(cover, each_stream_by_itself_is_poisson_with_its_rate) {
    static double gap[3][GAPS];
    static const double mean[3] = { 2000, 5000, 10000 / 3.0 };
    struct cover *c = start(500, 200, 300, 2);
    size_t n[3] = { 0 };
    vl_ms before[3] = { START, START, START };
    while (n[0] < GAPS || n[1] < GAPS || n[2] < GAPS) {
        enum cover_slot slot;
        vl_ms at = step(c, &slot);
        if (n[slot] < GAPS) gap[slot][n[slot]++] = (double)(at - before[slot]);
        before[slot] = at;
    }
    for (int s = 0; s < 3; s++) CHECK(distance(gap[s], GAPS, mean[s]) < gate);
    cover_destroy(c);
}

TEST(cover, slots_are_the_same_whatever_payload_there_is) {
    struct cover *c[3] = { start(10000, 1000, 1000, 3), start(10000, 1000, 1000, 3), start(10000, 1000, 1000, 3) };
    uint32_t payload = 0;
    for (uint32_t i = 0; i < 12000; i++) {
        enum cover_slot slot[3];
        vl_ms at[3];
        for (uint32_t k = 0; k < 3; k++) {
            at[k] = step(c[k], &slot[k]);
            CHECK_EQ(at[0], at[k]);
            CHECK_EQ(slot[0], slot[k]);
            if (slot[k] == COVER_PAYLOAD && payload % 2 < k) cover_filled(c[k]); /* none, every second, all */
        }
        payload += slot[0] == COVER_PAYLOAD;
    }
    CHECK_EQ(0, cover_stats(c[0]).filled);
    CHECK_EQ((payload + 1) / 2, cover_stats(c[1]).filled);
    CHECK_EQ(payload, cover_stats(c[2]).filled);
    CHECK_EQ(payload, cover_stats(c[2]).payload);
    CHECK_EQ(12000, payload + cover_stats(c[0]).loops + cover_stats(c[0]).drops);
    CHECK(payload > 9800 && payload < 10200);
    vl_ms took = cover_deadline(c[0]) - START;
    CHECK(took > 960000 && took < 1040000); /* 12 a second */
    for (int k = 0; k < 3; k++) cover_destroy(c[k]);
}

TEST(cover, gives_one_slot_and_no_burst_after_a_pause_of_an_hour) {
    uint32_t at_once = 0, second = 0;
    for (uint8_t seed = 0; seed < 100; seed++) {
        struct cover *c = start(10000, 1000, 1000, seed);
        enum cover_slot slot;
        vl_ms wake = START + 3600000;
        while (cover_next(c, wake, &slot)) at_once++;
        CHECK(cover_deadline(c) > wake);
        for (vl_ms t = wake + 1; t <= wake + 1000; t++)
            while (cover_next(c, t, &slot)) second++;
        cover_destroy(c);
    }
    CHECK(at_once >= 100 && at_once < 110); /* the next gap is below a millisecond once in 83 times */
    CHECK(second > 1090 && second < 1310);  /* 1,200 expected */
}

TEST(cover, keeps_its_rate_when_each_wake_up_is_a_little_late) {
    struct cover *c = start(10000, 1000, 1000, 9);
    enum cover_slot slot;
    uint32_t n = 0;
    for (vl_ms t = START; t < START + 1000000; t += 50)
        while (cover_next(c, t, &slot)) n++;
    CHECK(n > 11650 && n < 12350); /* 12,000 expected: three sigma */
    cover_destroy(c);
}

TEST(cover, catches_up_to_a_tenth_of_a_second_and_not_a_millisecond_more) {
    enum cover_slot slot;
    for (uint32_t more = 0; more < 2; more++) {
        struct cover *c = start(1000000, 0, 0, 5); /* 1,000 a second */
        uint32_t n = 0;
        vl_ms late = cover_deadline(c) + COVER_CATCH_UP_MS + more;
        while (cover_next(c, late, &slot)) n++;
        CHECK(more == 0 ? n > 60 && n < 140 : n >= 1 && n < 10);
        cover_destroy(c);
    }
}

TEST(cover, of_no_rate_never_comes_and_of_too_high_a_rate_is_refused) {
    enum cover_slot slot;
    struct cover *c = start(0, 0, 0, 1);
    CHECK_EQ(VL_MS_NEVER, cover_deadline(c));
    CHECK(!cover_next(c, VL_MS_NEVER, &slot));
    cover_destroy(c);
    struct cover_rates most = { COVER_RATE_MAX - 1, 1, 0 }, more = { UINT32_MAX, UINT32_MAX, 1 };
    uint8_t seed[32] = { 0 };
    CHECK_OK(cover_create(&most, seed, START, &c));
    cover_destroy(c);
    c = NULL;
    most.drop_mhz = 1;
    CHECK_EQ(VL_ERANGE, cover_create(&most, seed, START, &c));
    CHECK_EQ(VL_ERANGE, cover_create(&more, seed, START, &c));
    CHECK(c == NULL);
    struct cover_rates usual = cover_rates_default();
    CHECK_EQ(12000, usual.payload_mhz + usual.loop_mhz + usual.drop_mhz);
}

/* ---- loops ---- */

TEST(cover, loop_comes_back_once) {
    struct cover *c = start(0, 1000, 0, 1);
    uint8_t a[32], b[32], forged[32];
    cover_loop_sent(c, START, 1000, a);
    cover_loop_sent(c, START + 10, 1000, b);
    CHECK(memcmp(a, b, 32) != 0);
    memcpy(forged, a, 32);
    forged[31] ^= 1;
    CHECK_EQ(VL_ENOTFOUND, cover_loop_back(c, START + 20, forged));
    memset(forged, 0, 32); /* what free places of the table hold */
    CHECK_EQ(VL_ENOTFOUND, cover_loop_back(c, START + 20, forged));
    CHECK_OK(cover_loop_back(c, START + 500, b));
    CHECK_EQ(VL_ENOTFOUND, cover_loop_back(c, START + 501, b));
    CHECK_OK(cover_loop_back(c, START + 900, a));
    struct cover_stats s = cover_stats(c);
    CHECK_EQ(2, s.back);
    CHECK_EQ(0, s.lost);
    CHECK_EQ(0, s.late);
    CHECK_EQ(0, s.out);
    CHECK_EQ(490, s.delay_p50_ms);
    CHECK_EQ(900, s.delay_p95_ms);
    cover_destroy(c);
}

TEST(cover, loop_is_lost_at_an_exact_time_and_counted_once) {
    uint8_t id[32];
    enum cover_slot slot;
    for (int early = 0; early < 2; early++) {
        struct cover *c = start(0, 1, 0, 1);
        cover_tolerance(c, 500);
        cover_loop_sent(c, START, 1000, id);
        vl_ms end = START + 4 * 1500 + COVER_SLACK_MS;
        (void)cover_next(c, end - 1, &slot);
        CHECK_EQ(0, cover_stats(c).lost);
        if (early) {
            CHECK_OK(cover_loop_back(c, end - 1, id));
            CHECK_EQ(1, cover_stats(c).late);
        }
        CHECK_EQ(VL_ENOTFOUND, cover_loop_back(c, end, id));
        (void)cover_next(c, end, &slot);
        (void)cover_next(c, end + 1, &slot);
        struct cover_stats s = cover_stats(c);
        CHECK_EQ(early, s.back);
        CHECK_EQ(1 - early, s.lost);
        CHECK_EQ(early ? 0 : 1000, s.loss_permille);
        CHECK_EQ(0, s.out);
        cover_destroy(c);
    }
}

TEST(cover, loop_is_late_beyond_the_tolerance) {
    uint8_t id[32];
    struct cover *c = start(0, 1, 0, 1);
    cover_tolerance(c, 250);
    cover_loop_sent(c, START, 999, id);
    CHECK_OK(cover_loop_back(c, START + 999 + 249, id));
    CHECK_EQ(0, cover_stats(c).late);
    cover_loop_sent(c, START, 999, id);
    CHECK_OK(cover_loop_back(c, START + 999 + 250, id));
    CHECK_EQ(1, cover_stats(c).late);
    cover_destroy(c);
}

TEST(cover, loops_beyond_the_table_are_cover_only) {
    static uint8_t id[COVER_LOOPS_OUT + 1][32];
    struct cover *c = start(0, 1000, 0, 1);
    for (uint32_t i = 0; i <= COVER_LOOPS_OUT; i++) cover_loop_sent(c, START, 1000, id[i]);
    CHECK_EQ(COVER_LOOPS_OUT, cover_stats(c).out);
    CHECK_EQ(VL_ENOTFOUND, cover_loop_back(c, START + 1, id[COVER_LOOPS_OUT]));
    for (uint32_t i = 0; i < COVER_LOOPS_OUT; i++) CHECK_OK(cover_loop_back(c, START + 1, id[i]));
    cover_loop_sent(c, START + 1, 1000, id[0]);
    CHECK_OK(cover_loop_back(c, START + 2, id[0]));
    CHECK_EQ(0, cover_stats(c).loss_permille);
    cover_destroy(c);
}

TEST(cover, loss_and_delays_are_those_of_the_last_256_loops) {
    uint8_t id[32];
    struct cover *c = start(0, 1, 0, 1);
    vl_ms t = START;
    for (uint32_t i = 0; i < 300; i++, t += 1000000) cover_loop_sent(c, t, 100, id); /* all lost */
    for (uint32_t i = 0; i < 300; i++, t += 1000000) {
        cover_loop_sent(c, t, 100, id);
        if (i % 4 != 0) CHECK_OK(cover_loop_back(c, t + i, id));
    }
    struct cover_stats s = cover_stats(c);
    CHECK_EQ(225, s.back);
    CHECK_EQ(375, s.lost);
    CHECK_EQ(250, s.loss_permille);
    /* 192 came back, 45, 46, 47, 49, ... 299 ms: the 96th and the 183rd of them */
    CHECK_EQ(171, s.delay_p50_ms);
    CHECK_EQ(287, s.delay_p95_ms);
    cover_destroy(c);
}
