/* What must hold for any auction: truth is the best bid, nobody loses by taking part, money is neither made nor lost,
 * every state is reached and ends. */
#include "fog/market.h"

#include "fog_help.h"
#include "market_help.h"

#include "base/prng.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vl_prng rng_of(uint64_t fallback) {
    const char *text = getenv("VILLAGE_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : fallback;
    struct vl_prng r;
    vl_prng_seed(&r, seed);
    print_message("# VILLAGE_SEED=%llu\n", (unsigned long long)seed);
    return r;
}

struct game {
    uint32_t n, units, providers;
    uint64_t reserve, cost[8], bid[8];
    uint32_t trust[8];
    bool quality, silent[8];
    uint8_t salt;
};

/* What bidder `who` gains in that game: its price less its cost, and less what it was slashed. */
static int64_t play(const struct game *g, uint32_t who) {
    struct stall *s = g->quality ? stall_open_quality(g->units, g->reserve, g->providers)
                                 : stall_open(g->units, g->reserve, g->providers);
    int64_t gain;
    s->salt = g->salt;
    for (uint32_t i = 0; i < g->n; i++) {
        s->trust = g->trust[i];
        CHECK_OK(stall_bid(s, i, g->bid[i]));
    }
    stall_at(s, s->v.until_ms);
    for (uint32_t i = 0; i < g->n; i++)
        if (!g->silent[i]) CHECK_OK(stall_show(s, i));
    if (s->v.state == MARKET_REVEAL) stall_at(s, s->v.until_ms);
    bool won = s->v.bids[who].state == BID_WON;
    for (uint32_t i = 0; i < g->n; i++)
        if (s->v.bids[i].state == BID_WON) CHECK_OK(stall_award(s, MARKET_EV_ENDED, i, MARKET_SHARE));
    CHECK(market_state_final(s->v.state));
    gain = stall_member(s, 10 + who) - (won ? (int64_t)g->cost[who] : 0);
    stall_close(s);
    return gain;
}

static struct game draw(struct vl_prng *r) {
    struct game g = { .n = 1 + (uint32_t)vl_prng_below(r, 8) };
    g.units = 1 + (uint32_t)vl_prng_below(r, 3);
    g.providers = 1 + (uint32_t)vl_prng_below(r, 3);
    g.reserve = 1 + vl_prng_below(r, 60); /* small numbers: many ties */
    g.quality = vl_prng_below(r, 2);
    g.salt = (uint8_t)vl_prng_next(r);
    for (uint32_t i = 0; i < g.n; i++) {
        g.cost[i] = vl_prng_below(r, 70);
        g.bid[i] = vl_prng_below(r, 2) ? g.cost[i] : vl_prng_below(r, 70);
        g.trust[i] = (uint32_t)vl_prng_below(r, 11) * 100;
    }
    return g;
}

TEST(market_property, no_deviation_from_the_true_cost_gains_anything_in_3000_random_games) {
    struct vl_prng r = rng_of(20261128);
    for (unsigned t = 0; t < 3000; t++) {
        struct game g = draw(&r);
        uint32_t who = (uint32_t)vl_prng_below(&r, g.n);
        g.bid[who] = g.cost[who];
        int64_t truth = play(&g, who);
        CHECK(truth >= 0); /* individual rationality: taking part with the true cost never loses */
        for (unsigned k = 0; k < 6; k++) {
            struct game h = g;
            h.bid[who] = vl_prng_below(&r, 2) ? vl_prng_below(&r, 80)
                                              : g.cost[who] + vl_prng_below(&r, 5) - (g.cost[who] < 2 ? 0 : 2);
            h.silent[who] = vl_prng_below(&r, 8) == 0;
            if (play(&h, who) > truth) {
                printf("# game %u: bidder %u gains by %llu instead of %llu\n", t, who, (unsigned long long)h.bid[who],
                       (unsigned long long)g.cost[who]);
                CHECK(false);
            }
        }
    }
}

/* Any event in any order, with a clock that steps: after each the sums agree (stall_step), and everything ends. */
TEST(market_property, money_is_conserved_in_any_order_of_events_and_every_auction_ends) {
    struct vl_prng r = rng_of(4711);
    uint32_t seen[7] = { 0 }, bids_seen[10] = { 0 };
    for (unsigned t = 0; t < 1500; t++) {
        struct stall *s = vl_prng_below(&r, 2) ? stall_open(1 + (uint32_t)vl_prng_below(&r, 3), 1 + vl_prng_below(&r, 1000), 1)
                                               : stall_open_quality(1, 1000, 1 + (uint32_t)vl_prng_below(&r, 3));
        for (unsigned e = 0; e < 60; e++) {
            uint32_t who = (uint32_t)vl_prng_below(&r, 6);
            enum market_event_kind kind = (enum market_event_kind)(2 + vl_prng_below(&r, 9));
            s->now = vl_prng_below(&r, 20) == 0 ? vl_prng_below(&r, 3000000) : s->now + vl_prng_below(&r, 6000);
            s->trust = (uint32_t)vl_prng_below(&r, 1001);
            if (kind == MARKET_EV_BID && e < 30)
                vl_ignore(stall_bid(s, who, vl_prng_below(&r, 10) ? vl_prng_below(&r, 1200) : UINT64_MAX));
            else if (kind == MARKET_EV_SHOW)
                vl_ignore(stall_show(s, who));
            else if (kind == MARKET_EV_CANCEL)
                vl_ignore(stall_award(s, kind, vl_prng_below(&r, 30) ? who : STALL_BUYER - 10, 0));
            else if (kind == MARKET_EV_METERED)
                vl_ignore(stall_meter(s, who, vl_prng_below(&r, 40)));
            else if (kind != MARKET_EV_BID)
                vl_ignore(stall_award(s, kind, who, (uint32_t)vl_prng_below(&r, 1200)));
            seen[s->v.state]++;
            for (uint32_t i = 0; i < s->v.n_bids; i++) bids_seen[s->v.bids[i].state]++;
        }
        while (s->v.until_ms != 0) stall_at(s, s->v.until_ms > s->now ? s->v.until_ms : s->now);
        for (uint32_t i = 0; s->v.state == MARKET_CLEARED && i < 6; i++)
            vl_ignore(stall_award(s, MARKET_EV_ENDED, i, MARKET_SHARE));
        CHECK(market_state_final(s->v.state));
        enum market_state end = s->v.state;
        for (unsigned k = MARKET_EV_BID; k <= MARKET_EV_RESUMED; k++) /* nothing happens after the end */
            CHECK(stall_award(s, (enum market_event_kind)k, 0, 0) != VL_OK);
        CHECK_EQ(end, s->v.state);
        stall_close(s);
    }
    for (unsigned i = MARKET_COMMIT; i <= MARKET_CANCELLED; i++) CHECK(seen[i] > 0);
    for (unsigned i = BID_SEALED; i <= BID_WRONG; i++) CHECK(bids_seen[i] > 0);
}
