#include "fog/market.h"

#include "fog_help.h"
#include "market_help.h"

#include "check.h"

#include <string.h>

TEST(market, the_lowest_bid_wins_and_gets_the_second_lowest_price) {
    struct stall *s = stall_open(1, 1000, 3);
    const uint64_t bids[] = { 700, 300, 500 };
    stall_bids(s, bids, 3);
    CHECK_EQ(MARKET_CLEARED, s->v.state);
    CHECK_EQ(BID_WON, s->v.bids[1].state);
    CHECK_EQ(500, s->v.bids[1].price);
    CHECK_EQ(BID_LOST, s->v.bids[0].state);
    CHECK_EQ(500, stall_balance(s, ACCOUNT_ESCROW));   /* what is above the price is back */
    CHECK_EQ(100, stall_balance(s, ACCOUNT_DEPOSIT));  /* 20 % of the price; the others' are released */
    CHECK_OK(stall_award(s, MARKET_EV_ENDED, 1, MARKET_SHARE));
    CHECK_EQ(MARKET_SETTLED, s->v.state);
    CHECK_EQ(500, stall_member(s, 11));
    CHECK_EQ(-500, stall_member(s, STALL_BUYER));
    stall_close(s);
}

TEST(market, k_units_go_to_the_k_lowest_at_the_next_price) {
    struct stall *s = stall_open(2, 1000, 3);
    const uint64_t bids[] = { 700, 300, 500, 650, 900 };
    stall_bids(s, bids, 5);
    CHECK_EQ(650, s->v.bids[1].price);
    CHECK_EQ(650, s->v.bids[2].price);
    CHECK_EQ(1300, stall_balance(s, ACCOUNT_ESCROW));
    stall_close(s);
}

TEST(market, one_valid_bid_gets_the_reserve_when_one_provider_is_enough) {
    struct stall *s = stall_open(1, 1000, 1);
    const uint64_t bids[] = { 0 };
    stall_bids(s, bids, 1);
    CHECK_EQ(BID_WON, s->v.bids[0].state);
    CHECK_EQ(1000, s->v.bids[0].price);
    CHECK_EQ(200, stall_balance(s, ACCOUNT_DEPOSIT)); /* who bids nothing still has something to lose */
    stall_close(s);
}

TEST(market, two_providers_are_no_market_when_three_are_asked_for) {
    struct stall *s = stall_open(1, 1000, 3);
    const uint64_t bids[] = { 400, 500 };
    stall_bids(s, bids, 2);
    CHECK_EQ(MARKET_FAILED, s->v.state);
    CHECK_EQ(MARKET_FAIL_PROVIDERS, s->v.failure);
    CHECK_EQ(0, stall_member(s, STALL_BUYER));
    CHECK_EQ(0, stall_member(s, 10));
    stall_close(s);
}

TEST(market, twenty_nodes_of_one_owner_are_one_provider_and_the_twenty_first_is_refused) {
    struct stall *s = stall_open(1, 1000, 3);
    s->group = 77;
    for (uint32_t i = 0; i < 20; i++) CHECK_OK(stall_bid(s, i, 100 + i));
    CHECK_EQ(VL_ELIMIT, stall_bid(s, 20, 100));
    stall_show_all(s);
    CHECK_EQ(MARKET_FAILED, s->v.state);
    CHECK_EQ(MARKET_FAIL_PROVIDERS, s->v.failure);
    stall_close(s);
}

TEST(market, who_never_reveals_loses_a_tenth_of_its_deposit_to_the_treasury_when_others_clear) {
    struct stall *s = stall_open(1, 1000, 3);
    for (uint32_t i = 0; i < 4; i++) CHECK_OK(stall_bid(s, i, 300 + i));
    stall_at(s, s->v.until_ms);
    for (uint32_t i = 1; i < 4; i++) CHECK_OK(stall_show(s, i));
    CHECK_EQ(MARKET_REVEAL, s->v.state);
    stall_at(s, s->v.until_ms - 1);
    CHECK_EQ(VL_ESTALE, stall_tick(s));
    stall_at(s, s->v.until_ms);
    CHECK_EQ(MARKET_CLEARED, s->v.state);
    CHECK_EQ(BID_SILENT, s->v.bids[0].state);
    CHECK_EQ(-20, stall_member(s, 10)); /* 10 % of 200 */
    CHECK_EQ(20, stall_balance(s, ACCOUNT_TREASURY));
    CHECK_EQ(VL_ESTATE, stall_show(s, 0)); /* too late */
    stall_close(s);
}

TEST(market, when_silence_makes_an_auction_fail_the_requester_gets_the_tenth) {
    struct stall *s = stall_open(1, 1000, 3);
    for (uint32_t i = 0; i < 3; i++) CHECK_OK(stall_bid(s, i, 300 + i));
    stall_at(s, s->v.until_ms);
    CHECK_OK(stall_show(s, 1));
    CHECK_OK(stall_show(s, 2));
    stall_at(s, s->v.until_ms);
    CHECK_EQ(MARKET_FAILED, s->v.state);
    CHECK_EQ(20, stall_member(s, STALL_BUYER));
    CHECK_EQ(-20, stall_member(s, 10));
    CHECK_EQ(0, stall_member(s, 11));
    stall_close(s);
}

TEST(market, revealing_something_else_is_refused_and_counts_as_silence) {
    struct stall *s = stall_open(1, 1000, 1);
    CHECK_OK(stall_bid(s, 0, 300));
    CHECK_OK(stall_bid(s, 1, 400));
    stall_at(s, s->v.until_ms);
    s->bids[0] = 200; /* undercut after the fact */
    CHECK_EQ(VL_ECRYPTO, stall_show(s, 0));
    CHECK_OK(stall_show(s, 1));
    CHECK_EQ(VL_EEXISTS, stall_show(s, 1));
    stall_at(s, s->v.until_ms);
    CHECK_EQ(BID_SILENT, s->v.bids[0].state);
    CHECK_EQ(BID_WON, s->v.bids[1].state);
    stall_close(s);
}

TEST(market, bids_above_the_reserve_up_to_the_largest_number_are_no_bids_and_cost_nothing) {
    struct stall *s = stall_open(1, 1000, 1);
    const uint64_t bids[] = { 1000, 1001, UINT64_MAX };
    stall_bids(s, bids, 3);
    CHECK_EQ(BID_WON, s->v.bids[0].state);
    CHECK_EQ(1000, s->v.bids[0].price);
    CHECK_EQ(BID_ABOVE, s->v.bids[1].state);
    CHECK_EQ(BID_ABOVE, s->v.bids[2].state);
    CHECK_EQ(0, stall_member(s, 12));
    stall_close(s);
}

TEST(market, ties_depend_on_all_that_was_revealed_and_not_on_the_order_of_coming) {
    uint32_t won[3] = { 0 };
    for (uint8_t salt = 0; salt < 60; salt++) {
        struct stall *s = stall_open(1, 1000, 3), *t = stall_open(1, 1000, 3);
        s->salt = t->salt = salt;
        for (uint32_t i = 0; i < 3; i++) CHECK_OK(stall_bid(s, i, 500));
        for (uint32_t i = 3; i-- > 0;) CHECK_OK(stall_bid(t, i, 500));
        stall_show_all(s);
        stall_show_all(t);
        for (uint32_t i = 0; i < 3; i++) {
            bool here = market_bid_of(&s->v, node_n(10 + i))->state == BID_WON;
            CHECK_EQ(here, market_bid_of(&t->v, node_n(10 + i))->state == BID_WON);
            won[i] += here;
        }
        CHECK_EQ(500, market_bid_of(&s->v, node_n(10))->state == BID_WON ? market_bid_of(&s->v, node_n(10))->price : 500);
        stall_close(s);
        stall_close(t);
    }
    CHECK(won[0] > 5 && won[1] > 5 && won[2] > 5);
}

TEST(market, with_quality_the_best_score_wins_and_gets_the_price_that_equals_the_next_score) {
    struct stall *s = stall_open_quality(1, 1000, 3);
    s->trust = 900;
    CHECK_OK(stall_bid(s, 0, 450)); /* score 500 */
    s->trust = 500;
    CHECK_OK(stall_bid(s, 1, 300)); /* 600 */
    s->trust = 100;
    CHECK_OK(stall_bid(s, 2, 90)); /* 900: cheap, and not worth it */
    stall_show_all(s);
    CHECK_EQ(BID_WON, s->v.bids[0].state);
    CHECK_EQ(540, s->v.bids[0].price); /* 300 * 900 / 500 */
    stall_close(s);
}

TEST(market, an_abandoned_award_costs_half_the_deposit_and_a_wrong_result_all_of_it) {
    struct stall *s = stall_open(3, 1000, 1);
    const uint64_t bids[] = { 100, 200, 300, 400 };
    stall_bids(s, bids, 4);
    CHECK_EQ(1200, stall_balance(s, ACCOUNT_ESCROW));
    CHECK_OK(stall_award(s, MARKET_EV_ABANDONED, 0, 0));
    CHECK_EQ(-40, stall_member(s, 10)); /* half of 20 % of 400 */
    CHECK_OK(stall_award(s, MARKET_EV_WRONG, 1, 0));
    CHECK_EQ(-80, stall_member(s, 11));
    CHECK_EQ(VL_ENOTFOUND, stall_award(s, MARKET_EV_WRONG, 1, 0)); /* once */
    CHECK_EQ(MARKET_CLEARED, s->v.state);
    CHECK_OK(stall_award(s, MARKET_EV_ENDED, 2, 500)); /* half of its part was done */
    CHECK_EQ(200, stall_member(s, 12));
    CHECK_EQ(MARKET_SETTLED, s->v.state);
    CHECK_EQ(40 + 80 - 200, stall_member(s, STALL_BUYER));
    CHECK_EQ(0, stall_balance(s, ACCOUNT_TREASURY));
    stall_close(s);
}

TEST(market, metered_work_is_paid_by_whole_periods_and_stopped_when_less_than_one_is_left) {
    struct stall *s = stall_open(1, 1000, 1); /* a unit of 100 nH, periods of 10 */
    const uint64_t bids[] = { 100, 333 };
    stall_bids(s, bids, 2);
    CHECK_OK(stall_meter(s, 0, 9));
    CHECK_EQ(0, stall_member(s, 10) + 67); /* the deposit: 20 % of 333, rounded up */
    CHECK_OK(stall_meter(s, 0, 2));
    CHECK_EQ(33 - 67, stall_member(s, 10)); /* floor(333 * 10 / 100) */
    CHECK(!stall_has(s, MARKET_FX_STOP));
    CHECK_OK(stall_meter(s, 0, 79)); /* 90 of 100: one whole period is left */
    CHECK(!stall_has(s, MARKET_FX_STOP));
    CHECK_OK(stall_meter(s, 0, 1));
    CHECK(stall_has(s, MARKET_FX_STOP));
    CHECK_OK(stall_meter(s, 0, UINT64_MAX)); /* never more than was bought */
    CHECK_EQ(333 - 67, stall_member(s, 10));
    CHECK_EQ(VL_ERANGE, stall_meter(s, 0, 1));
    CHECK_OK(stall_award(s, MARKET_EV_ENDED, 0, 0));
    CHECK_EQ(333, stall_member(s, 10));
    stall_close(s);
}

TEST(market, phases_end_at_their_time_exactly_and_a_clock_that_steps_back_reopens_none) {
    struct stall *s = stall_open(1, 1000, 1);
    vl_ms end = s->v.until_ms;
    s->now = end - 1;
    CHECK_OK(stall_bid(s, 0, 100));
    CHECK_EQ(VL_ESTALE, stall_tick(s));
    s->now = end;
    CHECK_EQ(VL_ESTALE, stall_bid(s, 1, 100));
    CHECK_OK(stall_tick(s));
    CHECK_EQ(end + market_reveal_ms(60000), s->v.until_ms);
    s->now = 5;
    CHECK_EQ(VL_ESTATE, stall_bid(s, 1, 100));
    CHECK_OK(stall_show(s, 0));
    CHECK_EQ(MARKET_CLEARED, s->v.state);
    stall_close(s);
}

TEST(market, nobody_bids_for_its_own_order_and_only_its_requester_cancels_while_bids_are_sealed) {
    struct stall *s = stall_open(1, 1000, 1);
    CHECK_EQ(VL_EDENIED, stall_bid(s, STALL_BUYER - 10, 5));
    CHECK_OK(stall_bid(s, 0, 100));
    CHECK_EQ(VL_EEXISTS, stall_bid(s, 0, 90));
    CHECK_EQ(VL_EDENIED, stall_award(s, MARKET_EV_CANCEL, 0, 0));
    CHECK_OK(stall_award(s, MARKET_EV_CANCEL, STALL_BUYER - 10, 0));
    CHECK_EQ(MARKET_CANCELLED, s->v.state);
    CHECK_EQ(0, stall_member(s, 10));
    CHECK_EQ(0, stall_member(s, STALL_BUYER));
    CHECK_EQ(VL_ESTATE, stall_award(s, MARKET_EV_CANCEL, STALL_BUYER - 10, 0));
    stall_close(s);
    s = stall_open(1, 1000, 1);
    CHECK_OK(stall_bid(s, 0, 100));
    stall_at(s, s->v.until_ms);
    CHECK_EQ(VL_ESTATE, stall_award(s, MARKET_EV_CANCEL, STALL_BUYER - 10, 0));
    stall_close(s);
}

TEST(market, an_auction_without_bids_fails_when_its_time_is_over) {
    struct stall *s = stall_open(1, 1000, 3);
    stall_at(s, s->v.until_ms);
    CHECK_EQ(MARKET_FAILED, s->v.state);
    CHECK_EQ(MARKET_FAIL_NO_BIDS, s->v.failure);
    stall_close(s);
}

TEST(market, a_phase_interrupted_by_a_restart_gets_its_time_again) {
    struct stall *s = stall_open(1, 1000, 1);
    CHECK_OK(stall_bid(s, 0, 100));
    s->now += 50000;
    CHECK_OK(stall_award(s, MARKET_EV_RESUMED, 0, 0));
    CHECK_EQ(s->now + 60000, s->v.until_ms);
    CHECK_EQ(VL_ESTALE, stall_award(s, MARKET_EV_RESUMED, 0, 0));
    stall_close(s);
}

TEST(market, time_counts_from_the_latest_moment_seen_when_the_clock_steps_back) {
    struct stall *s = stall_open(1, 1000, 1);
    s->now += 30000;
    vl_ms latest = s->now;
    CHECK_OK(stall_bid(s, 0, 100));
    s->now = 5;
    CHECK_OK(stall_award(s, MARKET_EV_RESUMED, 0, 0));
    CHECK_EQ(latest + 60000, s->v.until_ms);
    stall_close(s);
}

TEST(market, only_so_many_auctions_run_at_once_and_the_oldest_ended_ones_are_forgotten) {
    struct market *m = market_create(1);
    struct market_effects fx = { 0 };
    struct market_event ev = { .kind = MARKET_EV_OPEN, .now = 1000, .order = order_of(1, 1000, 1) };
    uint32_t dropped = 0;
    for (uint32_t i = 0; i < MARKET_OPEN_MAX; i++) {
        vl_put_u32(ev.auction.b, i);
        CHECK_OK(market_step(m, &ev, &fx));
    }
    vl_put_u32(ev.auction.b, 9999);
    CHECK_EQ(VL_ELIMIT, market_step(m, &ev, &fx));
    CHECK(!fx.changed);
    for (uint32_t i = 0; i < 400; i++) { /* one ends, one begins */
        struct vl_hash due;
        CHECK(market_deadline(m, &due) != VL_MS_NEVER);
        CHECK_OK(market_step(m, &(struct market_event){ .kind = MARKET_EV_TICK, .now = 1000000 + i, .auction = due }, &fx));
        for (uint32_t k = 0; k < fx.n; k++)
            if (fx.v[k].kind == MARKET_FX_DROPPED) {
                dropped++;
                CHECK_EQ(2, fx.v[k].amount); /* its log: open, tick */
            }
        ev.now = 90000 + i;
        vl_put_u32(ev.auction.b, 10000 + i);
        CHECK_OK(market_step(m, &ev, &fx));
        CHECK(market_sound(m));
    }
    CHECK_EQ(400 - MARKET_ENDED_MAX, dropped);
    market_effects_free(&fx);
    market_destroy(m);
}

TEST(market, orders_out_of_range_are_refused_with_a_reason) {
    struct vl_errmsg msg = { "" };
    struct market_order o = order_of(1, 1000, 3), bad;
    CHECK_OK(market_order_check(&o, &msg));
    for (unsigned i = 0; i < 10; i++) {
        bad = o;
        if (i == 0) bad.units = 0;
        if (i == 1) bad.units = MARKET_UNITS_MAX + 1;
        if (i == 2) bad.reserve = 0;
        if (i == 3) bad.reserve = TERMS_PRICE_MAX + 1;
        if (i == 4) bad.quantity = 0;
        if (i == 5) bad.duration_ms = 999;
        if (i == 6) bad.min_providers = 0;
        if (i == 7) bad.period = bad.quantity + 1;
        if (i == 8) bad.tier = TIER_NONE;
        if (i == 9) bad.title[3] = '\n';
        msg.text[0] = 0;
        CHECK_EQ(VL_ERANGE, market_order_check(&bad, &msg));
        CHECK(msg.text[0] != 0);
    }
}
