#include "fog/agreement.h"

#include "fog_help.h"

#include "base/prng.h"

#include "check.h"

#include <string.h>

#define T0 1000000000ull
#define LAG 180000u
#define GAP 90000u

static struct agreement open_for(enum sla_tier tier, uint32_t nodes, bool majority, uint64_t span) {
    struct agreement a;
    struct agreement_terms t = { .job = job_n(1),
                                 .tier = tier,
                                 .majority = majority,
                                 .computed_ppb = 999000000,
                                 .span_ms = span,
                                 .lag_ms = LAG,
                                 .gap_ms = GAP,
                                 .n = nodes,
                                 .groups = 1 };
    for (uint32_t i = 0; i < nodes; i++) t.node[i] = node_n(i);
    CHECK_OK(agreement_open(&a, &t, T0));
    return a;
}

/* Looks every 30 s from the last look to `to`. */
static void watch(struct agreement *a, vl_ms to) {
    while (a->looked_ms < to) agreement_look(a, a->looked_ms + 30000 < to ? a->looked_ms + 30000 : to);
}

TEST(agreement, is_up_while_one_node_is_and_down_between) {
    struct agreement a = open_for(TIER_GOLD, 2, false, 10000000);
    watch(&a, T0 + 100000);
    CHECK(agreement_node(&a, T0 + 100000, node_n(0), T0 + 100000, false));
    CHECK(!agreement_node(&a, T0 + 100000, node_n(0), T0 + 100000, false)); /* known */
    CHECK(!agreement_node(&a, T0 + 100000, node_n(7), T0 + 100000, false)); /* none of it */
    watch(&a, T0 + 200000);
    CHECK(agreement_node(&a, T0 + 200000, node_n(1), T0 + 200000, false));
    watch(&a, T0 + 260001);
    CHECK(agreement_node(&a, T0 + 260001, node_n(0), T0 + 260001, true));
    watch(&a, T0 + 500000);
    agreement_close(&a, T0 + 500000);
    CHECK_EQ(60001, a.down_ms);
    CHECK_EQ(439999, a.up_ms);
    CHECK_EQ(0, a.blind_ms);
    CHECK_EQ(1, a.outages);
    agreement_close(&a, T0 + 900000); /* ended is ended */
    CHECK_EQ(T0 + 500000, a.end_ms);
}

TEST(agreement, of_voters_needs_more_than_half) {
    struct agreement a = open_for(TIER_SILVER, 4, true, 10000000);
    watch(&a, T0 + 1000);
    agreement_node(&a, T0 + 1000, node_n(0), T0 + 1000, false);
    watch(&a, T0 + 2000);
    agreement_node(&a, T0 + 2000, node_n(1), T0 + 2000, false); /* two of four are no majority */
    watch(&a, T0 + 5000);
    agreement_node(&a, T0 + 5000, node_n(1), T0 + 5000, true);
    agreement_close(&a, T0 + 6000);
    CHECK_EQ(3000, a.down_ms);
    CHECK_EQ(3000, a.up_ms);
}

TEST(agreement, downtime_begins_when_the_node_was_last_heard_not_when_it_was_missed) {
    struct agreement a = open_for(TIER_GOLD, 1, false, 10000000);
    watch(&a, T0 + 300000);
    agreement_node(&a, T0 + 300000, node_n(0), T0 + 210000, false); /* 90 s silent */
    watch(&a, T0 + 310000);
    agreement_node(&a, T0 + 310000, node_n(0), T0 + 310000, true);
    agreement_close(&a, T0 + 400000);
    CHECK_EQ(100000, a.down_ms);
    CHECK_EQ(300000, a.up_ms);
}

TEST(agreement, an_outage_over_before_it_was_noticed_is_found) {
    struct agreement a = open_for(TIER_GOLD, 2, false, 10000000);
    watch(&a, T0 + 300000);
    /* 1 fell at 220 s, and is found lost at 310 s; 0 fell at 215 s, was found at 305 s; it is back at 250 s, told late */
    agreement_node(&a, T0 + 305000, node_n(0), T0 + 215000, false);
    agreement_node(&a, T0 + 306000, node_n(0), T0 + 250000, true);
    agreement_node(&a, T0 + 310000, node_n(1), T0 + 220000, false);
    agreement_close(&a, T0 + 320000);
    CHECK_EQ(30000, a.down_ms); /* 220 to 250 */
}

TEST(agreement, time_nobody_looked_is_not_up) {
    struct agreement a = open_for(TIER_GOLD, 1, false, 1000000000);
    agreement_look(&a, T0 + GAP); /* exactly the gap is still watched */
    agreement_look(&a, T0 + GAP + GAP + 1);
    agreement_close(&a, T0 + GAP + GAP + 1);
    CHECK_EQ(GAP, a.up_ms);
    CHECK_EQ(GAP + 1, a.blind_ms);
    CHECK_EQ(0, a.down_ms);
    struct agreement_bill bill;
    agreement_bill(&a, 0, &bill);
    CHECK(bill.breach && bill.missed_ms == GAP + 1);
}

TEST(agreement, a_clock_that_steps_ahead_counts_no_further_than_the_end) {
    struct agreement a = open_for(TIER_BRONZE, 1, false, 600000);
    watch(&a, T0 + 60000);
    agreement_look(&a, T0 + 365ull * 86400000);
    agreement_close(&a, T0 + 365ull * 86400000);
    CHECK_EQ(60000, a.up_ms);
    CHECK_EQ(540000, a.blind_ms);
    CHECK_EQ(T0 + 600000, a.end_ms);
}

TEST(agreement, a_clock_that_steps_back_adds_nothing) {
    struct agreement a = open_for(TIER_BRONZE, 1, false, 6000000);
    watch(&a, T0 + 60000);
    agreement_look(&a, T0 + 1000);
    agreement_node(&a, T0 + 1000, node_n(0), T0 + 500, false); /* late, but it fell then */
    agreement_close(&a, T0 + 60000);
    CHECK_EQ(500, a.up_ms);
    CHECK_EQ(59500, a.down_ms);
}

TEST(agreement, another_node_takes_the_place_of_a_lost_one) {
    struct agreement a = open_for(TIER_GOLD, 1, false, 10000000);
    bool up = false;
    watch(&a, T0 + 100000);
    agreement_node(&a, T0 + 100000, node_n(0), T0 + 10000, false);
    CHECK(!agreement_replace(&a, T0 + 110000, 0, node_n(5), node_n(6)));
    CHECK(agreement_replace(&a, T0 + 110000, 0, node_n(0), node_n(6)));
    CHECK(agreement_holds(&a, node_n(6), &up) && up);
    CHECK(!agreement_holds(&a, node_n(0), &up));
    CHECK(!agreement_node(&a, T0 + 120000, node_n(0), T0 + 120000, true)); /* its return is no news */
    agreement_close(&a, T0 + 200000);
    CHECK_EQ(100000, a.down_ms);
    CHECK_EQ(100000, a.up_ms);
}

TEST(agreement, counts_the_mean_of_its_groups_and_rounds_in_favour_of_whoever_paid) {
    struct agreement a;
    struct agreement_terms t = { .job = job_n(1), .tier = TIER_BRONZE, .computed_ppb = 950000000, .span_ms = 10000000,
                                 .lag_ms = LAG, .gap_ms = GAP, .n = 6, .groups = 3 };
    uint32_t up = 0;
    for (uint32_t i = 0; i < 6; i++) t.node[i] = node_n(i == 5 ? 0 : i); /* 0 serves in the first group and the last */
    CHECK_OK(agreement_open(&a, &t, T0));
    CHECK(agreement_node(&a, T0 + 1000, node_n(0), T0 + 1000, false));
    CHECK(agreement_node(&a, T0 + 2000, node_n(4), T0 + 2000, false)); /* the last group is down */
    CHECK(!agreement_group_up(&a, 2, &up) && up == 0);
    CHECK(agreement_group_up(&a, 0, &up) && up == 1);
    CHECK(!agreement_replace(&a, T0 + 2500, 1, node_n(4), node_n(9))); /* not of that group */
    CHECK(agreement_node(&a, T0 + 2901, node_n(4), T0 + 2901, true));
    CHECK(agreement_node(&a, T0 + 3000, node_n(1), T0 + 3000, false)); /* the first */
    struct vl_buf b;
    vl_buf_init(&b, AGREEMENT_RECORD_MAX);
    agreement_look(&a, T0 + 3050);
    CHECK_OK(agreement_encode(&a, &b));
    CHECK_OK(agreement_decode(vl_span(b.p, b.len), &a));
    vl_buf_free(&b);
    agreement_close(&a, T0 + 3100);
    CHECK_EQ(334, a.down_ms); /* (901 + 100) / 3, rounded up */
    CHECK_EQ(2766, a.up_ms);
    CHECK_EQ(2, a.outages);
    t.node[5] = node_n(4);
    CHECK_EQ(VL_ERANGE, agreement_open(&a, &t, T0)); /* twice in one group */
}

TEST(agreement, more_news_than_it_keeps_makes_the_oldest_final) {
    struct agreement a = open_for(TIER_GOLD, 1, false, 10000000);
    uint64_t down = 0;
    for (uint32_t i = 0; i < 3 * AGREEMENT_PENDING_MAX; i++) {
        vl_ms at = T0 + 1000 + i * 100;
        CHECK(agreement_node(&a, at, node_n(0), at, i % 2 == 1));
        down += i % 2 == 1 ? 100 : 0;
        CHECK(a.n_pending <= AGREEMENT_PENDING_MAX);
    }
    vl_ms end = T0 + 1000 + 3 * AGREEMENT_PENDING_MAX * 100;
    agreement_close(&a, end);
    CHECK_EQ(down, a.down_ms);
    CHECK_EQ(end - T0 - down, a.up_ms);
}

/* Against a table of every second. */
TEST(agreement, sums_are_those_of_a_log_of_every_second) {
    struct vl_prng rng;
    vl_prng_seed(&rng, 11);
    for (uint32_t round = 0; round < 200; round++) {
        static bool up[3][2000];
        struct agreement a = open_for(TIER_GOLD, 3, round % 2, 100000000);
        bool state[3] = { true, true, true };
        memset(up, 1, sizeof up);
        for (uint32_t s = 1; s < 2000; s++) {
            vl_ms now = T0 + s * 1000;
            for (uint32_t k = 0; k < 3; k++) up[k][s] = state[k];
            agreement_look(&a, now);
            if (vl_prng_below(&rng, 60) != 0) continue;
            uint32_t k = (uint32_t)vl_prng_below(&rng, 3), since = s;
            if (state[k]) { /* found out late */
                uint32_t late = (uint32_t)vl_prng_below(&rng, 100);
                while (late-- > 0 && since > 1 && up[k][since - 1]) since--;
            }
            state[k] = !state[k];
            for (uint32_t i = since; i <= s; i++) up[k][i] = state[k];
            CHECK(agreement_node(&a, now, node_n(k), T0 + since * 1000, state[k]));
        }
        agreement_close(&a, T0 + 2000000);
        uint64_t want = 0;
        for (uint32_t s = 0; s < 2000; s++) {
            uint32_t n = (uint32_t)up[0][s] + up[1][s] + up[2][s];
            want += n >= (a.majority ? 2u : 1u) ? 1000 : 0;
        }
        CHECK_EQ(want, a.up_ms);
        CHECK_EQ(2000000, a.up_ms + a.down_ms + a.blind_ms);
    }
}

TEST(agreement, goes_on_from_its_record_as_if_nothing_had_been) {
    struct vl_prng rng;
    struct vl_buf b;
    vl_buf_init(&b, AGREEMENT_RECORD_MAX);
    vl_prng_seed(&rng, 12);
    struct agreement a = open_for(TIER_PLATINUM, 5, true, 100000000), c = a;
    for (uint32_t i = 0; i < 500; i++) {
        vl_ms now = T0 + i * 20000;
        uint32_t k = (uint32_t)vl_prng_below(&rng, 5);
        bool up = vl_prng_below(&rng, 2);
        agreement_node(&a, now, node_n(k), now - vl_prng_below(&rng, 50000), up);
        vl_prng_seed(&rng, vl_prng_next(&rng));
        c = a;
        vl_buf_clear(&b);
        CHECK_OK(agreement_encode(&a, &b));
        struct agreement back;
        CHECK_OK(agreement_decode(vl_span(b.p, b.len), &back));
        a = back;
        CHECK_EQ(c.up_ms, a.up_ms);
        CHECK_EQ(c.n_pending, a.n_pending);
    }
    agreement_close(&a, T0 + 10000000);
    agreement_close(&c, T0 + 10000000);
    CHECK(a.up_ms == c.up_ms && a.down_ms == c.down_ms && a.blind_ms == c.blind_ms && a.outages == c.outages);
    vl_buf_free(&b);
}

TEST(agreement, an_outage_of_the_coordinator_is_seen_after_its_restart) {
    struct agreement a = open_for(TIER_GOLD, 1, false, 100000000), back;
    struct vl_buf b;
    vl_buf_init(&b, AGREEMENT_RECORD_MAX);
    watch(&a, T0 + 600000);
    CHECK_OK(agreement_encode(&a, &b));
    watch(&a, T0 + 640000); /* looked at, but not written: lost with kill -9 */
    CHECK_OK(agreement_decode(vl_span(b.p, b.len), &back));
    agreement_look(&back, T0 + 1600000);
    agreement_close(&back, T0 + 1600000);
    CHECK_EQ(600000, back.up_ms);
    CHECK_EQ(1000000, back.blind_ms);
    for (size_t n = 0; n < b.len; n++) CHECK(agreement_decode(vl_span(b.p, n), &back) != VL_OK);
    vl_buf_free(&b);
}

/* ---- paid back ----------------------------------------------------------------------------------------------------- */

TEST(refund, begins_one_millisecond_beyond_what_the_tier_allows) {
    const uint64_t month = 30ull * 86400000;
    const struct {
        enum sla_tier tier;
        uint64_t allowed;
    } rows[] = { { TIER_BRONZE, 129600000 }, { TIER_SILVER, 12960000 }, { TIER_GOLD, 2592000 }, { TIER_PLATINUM, 259200 } };
    for (uint32_t i = 0; i < 4; i++) {
        struct agreement_bill bill;
        uint64_t ok = rows[i].allowed;
        agreement_bill_of(rows[i].tier, month - ok, ok, 0, &bill);
        CHECK_EQ(ok, bill.allowed_ms);
        CHECK(!bill.breach);
        CHECK_EQ(0, agreement_refund(&bill, 1000000000));
        agreement_bill_of(rows[i].tier, month - ok - 1, ok, 1, &bill); /* a blind one is missed, too */
        CHECK(bill.breach);
        CHECK_EQ(1, agreement_refund(&bill, 1));    /* rounded up, to whoever paid */
        CHECK_EQ(4, bill.share_ppb);                /* 10 ms of 2,592,000,000: 3.86, rounded up */
        CHECK_EQ(4000, agreement_refund(&bill, 1000000000000));
    }
}

TEST(refund, is_ten_times_the_part_missed_and_never_more_than_the_price) {
    struct agreement_bill bill;
    agreement_bill_of(TIER_BRONZE, 900000, 100000, 0, &bill); /* 10 % missed, 5 % allowed: half */
    CHECK_EQ(500000000, bill.share_ppb);
    CHECK_EQ(50, agreement_refund(&bill, 100));
    CHECK_EQ(51, agreement_refund(&bill, 101));
    agreement_bill_of(TIER_BRONZE, 850000, 150000, 0, &bill); /* 15 %: all of it, exactly */
    CHECK_EQ(QUORUM_ONE, bill.share_ppb);
    agreement_bill_of(TIER_BRONZE, 850001, 149999, 0, &bill);
    CHECK(bill.share_ppb < QUORUM_ONE);
    agreement_bill_of(TIER_BRONZE, 0, 1000000, 0, &bill);
    CHECK_EQ(TERMS_PRICE_MAX, agreement_refund(&bill, TERMS_PRICE_MAX));
    agreement_bill_of(TIER_BRONZE, 0, 0, 0, &bill);
    CHECK(!bill.breach && bill.measured_ppb == QUORUM_ONE);
}

TEST(refund, grows_with_what_was_missed_and_holds_at_the_limits) {
    struct agreement_bill bill;
    for (int t = TIER_BRONZE; t <= TIER_PLATINUM; t++) {
        uint64_t last = 0;
        for (uint64_t down = 0; down <= AGREEMENT_SPAN_MAX_MS; down += AGREEMENT_SPAN_MAX_MS / 512) {
            agreement_bill_of((enum sla_tier)t, AGREEMENT_SPAN_MAX_MS - down, down, 0, &bill);
            uint64_t paid = agreement_refund(&bill, TERMS_PRICE_MAX);
            CHECK(paid >= last && paid <= TERMS_PRICE_MAX);
            CHECK_EQ(bill.breach, paid > 0);
            last = paid;
        }
        CHECK_EQ(TERMS_PRICE_MAX, last);
    }
    agreement_bill_of(TIER_GOLD, UINT64_MAX, UINT64_MAX, UINT64_MAX, &bill); /* a record of nonsense overflows nothing */
    CHECK_EQ(AGREEMENT_SPAN_MAX_MS, bill.total_ms);
}

TEST(refund, reads_back_what_it_wrote_and_no_refund_above_the_price) {
    struct agreement_refund_row v = { .tier = TIER_GOLD, .at_ms = T0, .price = 10, .refund = 10, .measured_ppb = 5 }, back;
    struct vl_buf b;
    vl_buf_init(&b, 256);
    CHECK_OK(agreement_refund_encode(&v, &b));
    CHECK_OK(agreement_refund_decode(vl_span(b.p, b.len), &back));
    CHECK(back.refund == 10 && back.tier == TIER_GOLD && back.measured_ppb == 5);
    for (size_t n = 0; n < b.len; n++) CHECK(agreement_refund_decode(vl_span(b.p, n), &back) != VL_OK);
    vl_buf_clear(&b);
    v.refund = 11;
    CHECK_OK(agreement_refund_encode(&v, &b));
    CHECK_EQ(VL_EPARSE, agreement_refund_decode(vl_span(b.p, b.len), &back));
    vl_buf_free(&b);
}
