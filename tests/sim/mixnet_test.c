/* Small mixnets in virtual time: everything arrives, senders hide the better the more there is to hide among, and a
 * mixnet that does not mix is seen to be one.  Larger ones: sim_mix. */
#include "sim/mixnet.h"

#include "crypto/random.h"
#include "sim/mixnet_entropy.h"

#include "check.h"

#include <math.h>
#include <string.h>

/* 60 clients, 9 relays, 2.4 packets/s each, no floor, mean delay `mean_ms` whatever is asked for. */
static struct sim_mixnet_cfg small(uint16_t mean_ms) {
    struct sim_mixnet_cfg c = sim_mixnet_cfg_default();
    c.clients = 60;
    c.relays = 9;
    c.rates = (struct cover_rates){ .payload_mhz = 2000, .loop_mhz = 200, .drop_mhz = 200 };
    c.load = 12;
    c.floor = 0;
    for (uint16_t i = 0; i < MIX_DELAYS; i++) c.delay_ms[i] = (uint16_t)(mean_ms + i);
    c.rate_ms = 1000;
    c.measure_ms = 8000;
    return c;
}

static struct sim_mixnet_result run(const struct sim_mixnet_cfg *c) {
    struct sim_mixnet_result r;
    CHECK_OK(crypto_init());
    CHECK_OK(sim_mixnet_run(c, &r));
    return r;
}
static struct sim_mixnet_result good(const struct sim_mixnet_cfg *c) {
    struct sim_mixnet_result r = run(c);
    const char *wrong = sim_mixnet_wrong(c, &r);
    if (wrong) print_message("# seed %llu: %s\n", (unsigned long long)c->seed, wrong);
    CHECK(wrong == NULL);
    return r;
}

/* ---- the calculus ---- */

TEST(mixnet, gives_each_of_n_waiting_packets_an_equal_chance_to_be_the_one_that_leaves) {
    struct mass *m;
    double sum;
    CHECK_OK(mass_create(5, 2, &m));
    float *v = mass_new(m), *w = mass_new(m);
    for (uint32_t i = 0; i < 4; i++) CHECK_OK(mass_in(m, 0, NULL, i));
    mass_out(m, 0, v);
    CHECK(fabs(mass_entropy(m, v, &sum) - 2) < 1e-6);
    CHECK(fabs(sum - 1) < 1e-6);
    CHECK_EQ(3, mass_waiting(m, 0));
    mass_out(m, 0, w); /* who has gone is not known: the same four are as likely */
    CHECK(fabs(mass_entropy(m, w, &sum) - 2) < 1e-6);
    CHECK_OK(mass_in(m, 0, NULL, 4)); /* beside two of whom each is one of four */
    mass_out(m, 0, w);
    CHECK(fabs(w[4] - 1.0 / 3) < 1e-6 && fabs(w[0] - 1.0 / 6) < 1e-6);
    CHECK_OK(mass_in(m, 1, w, 0)); /* alone: what came leaves */
    mass_out(m, 1, v);
    CHECK(memcmp(v, w, 5 * sizeof *v) == 0);
    mass_free(m, v);
    mass_free(m, w);
    mass_destroy(m);
}

TEST(mixnet, keeps_its_sums_over_many_departures) {
    struct mass *m;
    double sum = 0;
    CHECK_OK(mass_create(64, 1, &m));
    float *v = mass_new(m);
    for (uint32_t i = 0; i < 20000; i++) { /* the pool of three is written anew again and again */
        CHECK_OK(mass_in(m, 0, NULL, i % 64));
        if (i < 3) continue;
        mass_out(m, 0, v);
        (void)mass_entropy(m, v, &sum);
        CHECK(fabs(sum - 1) < 1e-4);
    }
    mass_free(m, v);
    mass_destroy(m);
}

/* ---- the network ---- */

TEST(mixnet, delivers_every_message_though_each_link_loses_one_packet_in_twenty) {
    struct sim_mixnet_cfg c = small(50);
    c.loss_ppm = 50000;
    c.message_bytes = 2500; /* three fragments and one of parity */
    struct sim_mixnet_result r = good(&c);
    CHECK(r.messages > 60);
    CHECK_EQ(r.messages, r.received);
    CHECK(r.retransmitted > 0 && r.loops_lost > 0);
    CHECK(r.lost * 1000 > r.packets * 40 && r.lost * 1000 < r.packets * 60);
}

TEST(mixnet, hides_senders_better_with_more_cover_and_with_longer_delays) {
    struct sim_mixnet_cfg c = small(20), slow = small(200), rare = small(200);
    rare.rates = (struct cover_rates){ .payload_mhz = 600, .loop_mhz = 60, .drop_mhz = 60 };
    double least = good(&c).entropy, most = good(&slow).entropy, middle = good(&rare).entropy;
    print_message("# %.2f bits at 20 ms, %.2f at 200 ms, %.2f with 0.3 of the cover, of %.2f\n", least, most, middle,
                  log2(60));
    CHECK(most > least + 0.5);
    CHECK(most > middle + 0.5);
    CHECK(most < log2(60) && most > 0.75 * log2(60));
}

TEST(mixnet, raises_the_delay_to_keep_the_floor_and_refuses_the_level_when_it_cannot) {
    struct sim_mixnet_cfg c = small(20);
    mix_delays_default(MIX_EPOCH_MS, c.delay_ms);
    c.rate_ms = 4000;
    c.measure_ms = 4000;
    c.floor = 10; /* at some 30 packets a second that is a third of a second */
    struct sim_mixnet_result r = good(&c);
    CHECK(r.level_mean_ms >= 500);
    CHECK(r.pool > 3);
    c.floor = 1000; /* half a minute */
    r = run(&c);
    CHECK(strstr(r.refused.text, "private wants 1000 packets waiting at each relay") != NULL);
    CHECK_EQ(0, r.messages);
}

TEST(mixnet, refuses_a_level_for_which_there_are_too_few_relays) {
    struct sim_mixnet_cfg c = small(200);
    c.level = MIX_SECRET;
    CHECK_STR("secret needs 21 relays in 7 families; there are 9 in 9", run(&c).refused.text);
}

TEST(mixnet, hides_senders_at_seven_hops) {
    struct sim_mixnet_cfg c = small(200);
    c.relays = 21;
    c.level = c.cover_level = MIX_SECRET;
    c.measure_ms = 4000;
    struct sim_mixnet_result r = good(&c);
    CHECK(r.entropy > 0.75 * log2(60));
}

TEST(mixnet, happens_again_from_the_same_seed) {
    struct sim_mixnet_cfg c = small(50);
    c.measure_ms = 2000;
    c.loss_ppm = 20000;
    struct sim_mixnet_result a = run(&c), b = run(&c);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    c.seed++;
    CHECK(run(&c).trace != a.trace);
}

TEST(mixnet, refuses_what_it_cannot_run) {
    struct sim_mixnet_cfg c = small(50);
    struct sim_mixnet_result r;
    c.clients = 1;
    CHECK_EQ(VL_ERANGE, sim_mixnet_run(&c, &r));
    c = small(50);
    c.delay_ms[3] = c.delay_ms[2];
    CHECK_EQ(VL_ERANGE, sim_mixnet_run(&c, &r));
    c = small(50);
    c.latency_max_ms = SIM_MIX_LATENCY_MAX + 1;
    CHECK_EQ(VL_ERANGE, sim_mixnet_run(&c, &r));
}

/* ---- planted bugs ---- */

static struct sim_mixnet_result planted(enum sim_mix_bug bug, const char *want) {
    struct sim_mixnet_cfg c = small(200);
    c.bug = bug;
    c.measure_ms = 4000;
    struct sim_mixnet_result r = run(&c);
    CHECK_STR(want, sim_mixnet_wrong(&c, &r));
    return r;
}

TEST(canary, is_seen_when_relays_do_not_wait) {
    struct sim_mixnet_result r = planted(SIM_MIX_NO_DELAY, "packets do not wait as long as they ask for");
    CHECK(r.entropy < 1);
}
TEST(canary, is_seen_when_members_with_nothing_to_say_are_silent) {
    struct sim_mixnet_result r = planted(SIM_MIX_NO_COVER, "clients do not send at the rate of their slots");
    CHECK(r.entropy < 0.75 * log2(60));
}
TEST(canary, is_seen_when_packets_leave_in_the_order_in_which_they_came) {
    (void)planted(SIM_MIX_IN_ORDER, "when packets leave depends on when they came");
}
