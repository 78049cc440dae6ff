/* When things happen: batches, delays, order, retries, rates, keys, time. */
#include "mix/relay_rig.h"

#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct relay_rig rig(unsigned keys) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    rig_init(&g, &l, 2);
    for (unsigned k = 0; k < keys; k++) rig_key(&g, k, 5000);
    return g;
}
/* n packets that wait at the door; they are garbage, for where the content does not matter. */
static void at_the_door(struct relay_rig *g, unsigned n) {
    uint8_t packet[SPHINX_PACKET];
    rig_garbage(g, 0, packet);
    for (unsigned i = 0; i < n; i++) (void)rig_input(g, 1, packet, sizeof packet);
}
static uint32_t take(struct relay_rig *g) { /* size of the next batch, which is done with at once; 0: none */
    struct relay_batch *b = relay_batch_take(g->r, g->now);
    if (b == NULL) return 0;
    uint32_t n = b->n;
    relay_batch_run(b);
    relay_batch_done(g->r, g->now, b);
    return n;
}

/* ---- batches ---- */

TEST(relay_batch, seven_wait_for_company_until_the_exact_end_and_eight_do_not) {
    struct relay_rig g = rig(1);
    at_the_door(&g, 7);
    CHECK_EQ(g.now + RELAY_FLUSH_MS, relay_deadline(g.r));
    CHECK_EQ(0, take(&g));
    g.now += RELAY_FLUSH_MS - 1;
    CHECK_EQ(0, take(&g));
    g.now += 1;
    CHECK_EQ(7, take(&g));
    CHECK_EQ(VL_MS_NEVER, relay_deadline(g.r));
    at_the_door(&g, 8);
    CHECK_EQ(g.now, relay_deadline(g.r));
    CHECK_EQ(8, take(&g));
    rig_free(&g);
}

TEST(relay_batch, takes_groups_of_eight_and_leaves_a_remainder_that_has_time) {
    struct relay_rig g = rig(1);
    at_the_door(&g, 3);
    g.now += RELAY_FLUSH_MS;
    at_the_door(&g, 16); /* the first group holds the old ones; the remainder is young */
    CHECK_EQ(16, take(&g));
    CHECK_EQ(0, take(&g));
    CHECK_EQ(3, rig_stats(&g).ingress);
    at_the_door(&g, 6);
    CHECK_EQ(8, take(&g));
    g.now += RELAY_FLUSH_MS;
    at_the_door(&g, 10); /* one old, ten young: the old one is in the first group */
    CHECK_EQ(8, take(&g));
    g.now += RELAY_FLUSH_MS;
    at_the_door(&g, 2);
    CHECK_EQ(5, take(&g)); /* three are due, and two go with them */
    rig_free(&g);
}

TEST(relay_batch, is_of_64_and_of_256_from_256_waiting_on) {
    struct relay_rig g = rig(1);
    at_the_door(&g, 255);
    CHECK_EQ(64, take(&g));
    at_the_door(&g, 65);
    CHECK_EQ(256, take(&g));
    at_the_door(&g, 72);
    CHECK_EQ(64, take(&g));
    CHECK_EQ(8, take(&g));
    at_the_door(&g, 600);
    CHECK_EQ(256, take(&g));
    CHECK_EQ(256, take(&g));
    CHECK_EQ(64, take(&g));
    CHECK_EQ(24, take(&g));
    rig_free(&g);
}

TEST(relay_batch, one_is_out_at_a_time_and_meanwhile_the_door_stays_open) {
    struct relay_rig g = rig(1);
    at_the_door(&g, 8);
    struct relay_batch *b = relay_batch_take(g.r, g.now);
    CHECK(b != NULL);
    at_the_door(&g, 20);
    CHECK(relay_batch_take(g.r, g.now) == NULL);
    CHECK_EQ(VL_MS_NEVER, relay_deadline(g.r)); /* what comes next is the batch */
    CHECK_EQ(8, rig_stats(&g).batched);
    rig_check(&g);
    relay_batch_run(b);
    relay_batch_done(g.r, g.now, b);
    CHECK_EQ(g.now, relay_deadline(g.r));
    CHECK_EQ(16, take(&g));
    CHECK_EQ(2, rig_stats(&g).batches);
    CHECK_EQ(24, rig_stats(&g).opened);
    rig_free(&g);
}

/* ---- delays ---- */

enum { MANY = 2000, MEAN = 100 };
struct timed {
    uint8_t packet[MANY][SPHINX_PACKET];
    uint64_t us[MANY];
};
static int by_value(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

TEST(relay_delay, every_packet_waits_what_the_secret_of_the_epoch_says_and_that_is_exponential) {
    struct relay_limits l = rig_limits();
    struct relay_rig g;
    struct timed *t = malloc(sizeof *t);
    CHECK(t != NULL);
    l.packets = l.ingress = MANY + 8;
    rig_init(&g, &l, 3);
    rig_key(&g, 0, MANY);
    uint64_t sum = 0;
    unsigned due[4096] = { 0 };
    vl_ms start = g.now;
    for (unsigned i = 0; i < MANY; i++) {
        enum sphinx_command c = i % 3 == 0 ? SPHINX_FORWARD : i % 3 == 1 ? SPHINX_DELIVER : SPHINX_REPLY;
        t->us[i] = rig_delay(&g, 0, rig_packet(&g, 0, c, MEAN, t->packet[i]), MEAN);
        CHECK(t->us[i] / 1000 + 1 < 4096);
        due[(t->us[i] + 999) / 1000]++; /* at the end of the millisecond: never early */
        sum += t->us[i];
    }
    (void)rig_input(&g, 1, t->packet[0], sizeof t->packet);
    while (rig_batches(&g) > 0) {
    }
    CHECK_EQ(MANY, rig_stats(&g).opened);
    struct relay_stats s = rig_stats(&g);
    CHECK_EQ(MANY, s.delay_n);
    CHECK_EQ(sum, s.delay_sum_us);
    for (unsigned ms = 0; ms < 4096; ms++, g.now++) {
        vl_ms at = relay_deadline(g.r);
        CHECK(at >= g.now);
        CHECK_EQ(due[ms] > 0, at == g.now);
        CHECK_EQ(due[ms], rig_hand_on(&g)); /* in that very millisecond */
    }
    CHECK_EQ(start + 4096, g.now);
    CHECK_EQ(MANY, rig_stats(&g).forwarded + rig_stats(&g).delivered);
    /* Kolmogorov-Smirnov against 1 - exp(-t / mean), one per cent. */
    qsort(t->us, MANY, sizeof t->us[0], by_value);
    double worst = 0;
    for (unsigned i = 0; i < MANY; i++) {
        double f = 1 - exp(-(double)t->us[i] / (MEAN * 1000.0));
        worst = fmax(worst, fmax(fabs(f - (double)i / MANY), fabs(f - (double)(i + 1) / MANY)));
    }
    CHECK(worst * sqrt(MANY) < 1.63);
    rig_free(&g);
    free(t);
}

TEST(relay_delay, begins_when_the_batch_comes_back) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    uint64_t us = rig_delay(&g, 0, rig_packet(&g, 0, SPHINX_FORWARD, 500, packet), 500);
    CHECK(us > 2000);
    (void)rig_input(&g, 1, packet, sizeof packet);
    g.now += 50;
    struct relay_batch *b = relay_batch_take(g.r, g.now);
    relay_batch_run(b);
    g.now += 50;
    relay_batch_done(g.r, g.now, b);
    CHECK_EQ(g.now + (us + 999) / 1000, relay_deadline(g.r));
    rig_free(&g);
}

/* Own packets show the order: their next node is a number. */
static void order_of(uint64_t seed, uint32_t n, uint32_t *ret) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    struct relay_out out;
    uint8_t packet[SPHINX_PACKET] = { 0 };
    rig_init(&g, &l, seed);
    for (uint32_t i = 0; i < n; i++) CHECK_OK(relay_send(g.r, g.now, i + 1, packet));
    for (uint32_t i = 0; i < n; i++) {
        CHECK(relay_next(g.r, g.now, &out));
        ret[i] = out.next;
        relay_gone(g.r, out.handle);
    }
    rig_free(&g);
}

TEST(relay_delay, packets_that_are_due_together_leave_in_an_order_that_says_nothing) {
    enum { N = 8, ROUNDS = 400 };
    unsigned place[N][N] = { { 0 } };
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        uint32_t order[N];
        order_of(seed, N, order);
        for (unsigned i = 0; i < N; i++) place[i][order[i] - 1]++;
    }
    /* Each of 64 cells expects 50, standard deviation 6.6: four of them either way. */
    for (unsigned i = 0; i < N; i++)
        for (unsigned k = 0; k < N; k++) CHECK(place[i][k] > 23 && place[i][k] < 77);
}

TEST(relay_delay, the_queue_gives_back_what_it_got_in_order_of_time) {
    enum { CAP = 70000 };
    struct relay_queue q;
    struct crypto_drbg rng;
    uint8_t seed[32] = { 4 };
    uint64_t put = 0, got = 0;
    crypto_drbg_init(&rng, seed);
    CHECK_OK(relay_queue_init(&q, CAP));
    for (unsigned round = 0; round < 40; round++) {
        for (uint64_t n = crypto_drbg_below(&rng, CAP - q.n + 1); n > 0; n--) {
            struct relay_wait w = { .due = crypto_drbg_below(&rng, 1u << (round % 30)), .slot = q.n };
            relay_queue_push(&q, w);
            put += w.due;
        }
        vl_ms last = 0;
        for (uint64_t n = round == 39 ? q.n : crypto_drbg_below(&rng, q.n + 1u); n > 0; n--) {
            vl_ms top = relay_queue_top(&q).due;
            struct relay_wait w = relay_queue_pop(&q);
            CHECK(w.due >= last && w.due == top);
            last = w.due;
            got += w.due;
        }
    }
    CHECK_EQ(0, q.n);
    CHECK_EQ(put, got);
    relay_queue_free(&q);
}

/* ---- time ---- */

TEST(relay_time, that_stands_still_or_runs_back_brings_nothing_early) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    uint64_t us = rig_delay(&g, 0, rig_packet(&g, 0, SPHINX_FORWARD, 1000, packet), 1000);
    CHECK(us > 10000);
    (void)rig_input(&g, 1, packet, sizeof packet);
    for (int i = 0; i < 100; i++) CHECK_EQ(0, rig_batches(&g));
    rig_flush(&g);
    for (int i = 0; i < 100; i++) CHECK_EQ(0, rig_hand_on(&g));
    vl_ms due = relay_deadline(g.r), latest = g.now;
    g.now -= 500000; /* counts as the latest seen */
    CHECK_EQ(0, rig_hand_on(&g));
    CHECK_OK(relay_send(g.r, g.now, 1, packet));
    CHECK_EQ(latest, relay_deadline(g.r));
    CHECK_EQ(1, rig_hand_on(&g));
    us = rig_delay(&g, 0, rig_packet(&g, 0, SPHINX_FORWARD, 1, packet), 1);
    CHECK(latest + us / 1000 + 1 < due);
    (void)rig_input(&g, 1, packet, sizeof packet);
    CHECK_EQ(latest + RELAY_FLUSH_MS, relay_deadline(g.r));
    g.now = latest + RELAY_FLUSH_MS;
    struct relay_batch *b = relay_batch_take(g.r, g.now);
    relay_batch_run(b);
    relay_batch_done(g.r, 0, b);
    CHECK_EQ(g.now + (us + 999) / 1000, relay_deadline(g.r));
    g.now = due - 1;
    CHECK_EQ(1, rig_hand_on(&g));
    g.now = due;
    CHECK_EQ(1, rig_hand_on(&g));
    rig_free(&g);
}

TEST(relay_time, that_jumps_by_an_hour_lets_everything_go_and_fills_buckets_to_the_brim_only) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    static uint8_t packet[40][SPHINX_PACKET];
    l.link_rate = 4000000000u;
    l.link_burst = 20;
    rig_init(&g, &l, 2);
    rig_key(&g, 0, 100);
    for (int i = 0; i < 40; i++) (void)rig_packet(&g, 0, SPHINX_FORWARD, 1000, packet[i]);
    (void)rig_input(&g, 1, packet[0], 16 * SPHINX_PACKET);
    (void)rig_batches(&g);
    g.now += 3600000;
    CHECK_EQ(16, rig_hand_on(&g));
    CHECK_EQ(0, rig_stats(&g).rate);
    (void)rig_input(&g, 1, packet[16], 24 * SPHINX_PACKET);
    CHECK_EQ(36, rig_stats(&g).taken);
    CHECK_EQ(4, rig_stats(&g).dropped[RELAY_DROP_RATE]);
    g.now = VL_MS_NEVER - 10;
    CHECK_EQ(1, rig_batches(&g)); /* all twenty: they have waited long enough */
    CHECK_EQ(20, rig_stats(&g).delayed);
    rig_check(&g);
    rig_free(&g);
}

TEST(relay_time, the_rate_is_of_the_last_sixty_whole_seconds) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    for (unsigned second = 0; second < 30; second++, g.now += 1000 - RELAY_FLUSH_MS) {
        for (unsigned i = 0; i < 20; i++) { /* 600 in all */
            (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet);
            (void)rig_input(&g, 1, packet, sizeof packet);
        }
        rig_flush(&g);
        CHECK_EQ(20, rig_hand_on(&g));
        CHECK_EQ(second * 20 / 60, rig_stats(&g).rate); /* without the second that is not whole yet */
    }
    CHECK_EQ(10, rig_stats(&g).rate);
    struct relay_stats s = relay_stats(g.r, g.now + 30000);
    CHECK_EQ(10, s.rate);
    s = relay_stats(g.r, g.now + 31000); /* the first second is out */
    CHECK_EQ(580 / 60, s.rate);
    s = relay_stats(g.r, g.now + 59000);
    CHECK_EQ(20 / 60, s.rate);
    s = relay_stats(g.r, g.now + 60000);
    CHECK_EQ(0, s.rate);
    rig_garbage(&g, 0, packet); /* what was not unwrapped is not counted, nor is what we make */
    for (unsigned i = 0; i < 600; i++) {
        (void)rig_input(&g, 1, packet, sizeof packet);
        CHECK_OK(relay_send(g.r, g.now, 1, packet));
    }
    rig_flush(&g);
    g.now += 1000;
    CHECK_EQ(600 / 60, rig_stats(&g).rate);
    rig_free(&g);
}

/* ---- retries ---- */

TEST(relay_retry, tries_again_at_the_time_named_until_five_seconds_have_passed) {
    struct relay_rig g = rig(0);
    uint8_t packet[SPHINX_PACKET] = { 0 };
    struct relay_out out;
    vl_ms first = g.now;
    CHECK_OK(relay_send(g.r, g.now, 9, packet));
    CHECK(relay_next(g.r, g.now, &out));
    relay_retry(g.r, g.now, out.handle, g.now + 100);
    CHECK_EQ(g.now + 100, relay_deadline(g.r));
    g.now += 99;
    CHECK(!relay_next(g.r, g.now, &out));
    g.now += 1;
    CHECK(relay_next(g.r, g.now, &out));
    CHECK_EQ(9, out.next);
    relay_retry(g.r, g.now, out.handle, g.now - 50); /* not at once again, or nobody would come to an end */
    CHECK(!relay_next(g.r, g.now, &out));
    CHECK_EQ(g.now + 1, relay_deadline(g.r));
    g.now += 1;
    CHECK(relay_next(g.r, g.now, &out));
    relay_retry(g.r, g.now, out.handle, VL_MS_NEVER); /* never later than the last try */
    CHECK_EQ(first + RELAY_RETRY_MS, relay_deadline(g.r));
    g.now = first + RELAY_RETRY_MS - 1;
    CHECK(!relay_next(g.r, g.now, &out));
    g.now++;
    CHECK(relay_next(g.r, g.now, &out));
    CHECK_EQ(0, rig_dropped(&g));
    relay_retry(g.r, g.now, out.handle, g.now + 100);
    CHECK_EQ(1, rig_stats(&g).dropped[RELAY_DROP_LINK]);
    CHECK_EQ(1, rig_dropped(&g));
    CHECK_EQ(VL_MS_NEVER, relay_deadline(g.r));
    rig_check(&g);
    rig_free(&g);
}

TEST(relay_retry, a_buffer_used_again_has_its_whole_time) {
    struct relay_rig g = rig(0);
    uint8_t packet[SPHINX_PACKET] = { 0 };
    struct relay_out out;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(relay_send(g.r, g.now, 9, packet));
        CHECK(relay_next(g.r, g.now, &out));
        relay_retry(g.r, g.now, out.handle, g.now + 10);
        g.now += 4000;
        CHECK(relay_next(g.r, g.now, &out));
        relay_retry(g.r, g.now, out.handle, g.now + 10);
        g.now += 10;
        CHECK(relay_next(g.r, g.now, &out));
        relay_gone(g.r, out.handle);
    }
    CHECK_EQ(0, rig_dropped(&g));
    rig_free(&g);
}

/* ---- rates ---- */

TEST(relay_rate, a_link_is_told_to_rest_and_dropped_only_when_it_goes_on) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    l.link_rate = 1000;
    l.link_burst = 100;
    rig_init(&g, &l, 2);
    rig_key(&g, 0, 100);
    uint8_t packet[SPHINX_PACKET];
    rig_garbage(&g, 0, packet);
    for (unsigned i = 1; i <= 100; i++) {
        vl_ms rest = rig_input(&g, 1, packet, sizeof packet);
        /* Half is left until 50; then until three quarters are back, at one a millisecond. */
        CHECK_EQ(i <= 50 ? 0 : g.now + 75 - (100 - i), rest);
    }
    CHECK_EQ(0, rig_dropped(&g));
    CHECK_EQ(50, rig_stats(&g).rests);
    CHECK_EQ(g.now + 75, rig_input(&g, 1, packet, sizeof packet));
    CHECK_EQ(1, rig_stats(&g).dropped[RELAY_DROP_RATE]);
    CHECK_EQ(0, rig_input(&g, 2, packet, sizeof packet)); /* others are not meant */
    g.now += 75;
    CHECK_EQ(0, rig_input(&g, 1, packet, sizeof packet)); /* having rested it goes on */
    CHECK_EQ(1, rig_dropped(&g));
    CHECK_EQ(102, rig_stats(&g).taken);
    rig_free(&g);
}

TEST(relay_rate, nobody_is_dropped_who_was_not_told_however_small_the_bucket) {
    for (uint32_t burst = 1; burst <= 6; burst++)
        for (uint32_t rate = 1; rate <= 2001; rate += 250) {
            struct relay_rig g;
            struct relay_limits l = rig_limits();
            l.link_rate = rate;
            l.link_burst = burst;
            rig_init(&g, &l, 2);
            rig_key(&g, 0, 100);
            uint8_t packet[SPHINX_PACKET];
            rig_garbage(&g, 0, packet);
            for (unsigned i = 0; i < 40; i++) { /* who rests as told loses nothing */
                vl_ms rest = rig_input(&g, 1, packet, sizeof packet);
                if (rest) g.now = rest;
            }
            CHECK_EQ(0, rig_dropped(&g));
            rig_free(&g);
        }
}

TEST(relay_rate, all_links_together_have_a_bucket_too) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    l.rate = 500;
    l.burst = 60;
    rig_init(&g, &l, 2);
    rig_key(&g, 0, 100);
    uint8_t packet[SPHINX_PACKET];
    rig_garbage(&g, 0, packet);
    for (unsigned i = 1; i <= 60; i++) CHECK_EQ(i > 30, rig_input(&g, i % 4, packet, sizeof packet) != 0);
    CHECK_EQ(0, rig_dropped(&g));
    CHECK_EQ(g.now + 90, rig_input(&g, 9, packet, sizeof packet)); /* 45 packets at 500 a second */
    CHECK_EQ(1, rig_stats(&g).dropped[RELAY_DROP_RATE]);
    g.now += 2;
    (void)rig_input(&g, 9, packet, sizeof packet); /* one more is there */
    CHECK_EQ(1, rig_dropped(&g));
    rig_free(&g);
}

TEST(relay_rate, one_link_too_many_is_refused_until_another_has_been_idle) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    l.links = 3;
    l.link_rate = 1000;
    l.link_burst = 10;
    rig_init(&g, &l, 2);
    rig_key(&g, 0, 100);
    uint8_t packet[SPHINX_PACKET];
    rig_garbage(&g, 0, packet);
    for (uint64_t link = 1; link <= 3; link++) CHECK_EQ(0, rig_input(&g, link, packet, sizeof packet));
    CHECK_EQ(g.now + 11, rig_input(&g, 4, packet, sizeof packet));
    CHECK_EQ(1, rig_stats(&g).dropped[RELAY_DROP_RATE]);
    g.now += 1; /* all are full again; the one used longest ago gives way */
    CHECK_EQ(0, rig_input(&g, 1, packet, sizeof packet));
    CHECK_EQ(0, rig_input(&g, 4, packet, sizeof packet)); /* for 2 */
    CHECK_EQ(0, rig_input(&g, 2, packet, sizeof packet)); /* for 3 */
    CHECK(rig_input(&g, 3, packet, sizeof packet) != 0);
    CHECK_EQ(2, rig_dropped(&g));
    rig_free(&g);
}

TEST(relay_rate, dialling_again_does_not_fill_the_bucket) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    l.link_rate = 1000;
    l.link_burst = 10;
    l.links = 1;
    rig_init(&g, &l, 2);
    rig_key(&g, 0, 100);
    uint8_t packet[SPHINX_PACKET];
    rig_garbage(&g, 0, packet);
    for (unsigned i = 0; i < 10; i++) (void)rig_input(&g, 1, packet, sizeof packet);
    relay_link_gone(g.r, 1);
    (void)rig_input(&g, 1, packet, sizeof packet);
    CHECK_EQ(1, rig_stats(&g).dropped[RELAY_DROP_RATE]);
    (void)rig_input(&g, 2, packet, sizeof packet); /* and keeps its place meanwhile */
    CHECK_EQ(2, rig_stats(&g).dropped[RELAY_DROP_RATE]);
    g.now += 10;
    (void)rig_hand_on(&g); /* tells the relay the time */
    relay_link_gone(g.r, 1);
    relay_link_gone(g.r, 77); /* nobody */
    CHECK_EQ(0, rig_input(&g, 2, packet, sizeof packet));
    CHECK_EQ(2, rig_dropped(&g));
    rig_free(&g);
}

TEST(relay_rate, the_table_of_links_finds_each_again_after_many_have_come_and_gone) {
    struct relay_limits l = rig_limits();
    struct relay_links t;
    const uint64_t sip[2] = { 1, 2 };
    l.links = 100;
    l.link_rate = 1;
    l.link_burst = 1000;
    CHECK_OK(relay_links_init(&t, &l, sip));
    uint32_t used[150] = { 0 }; /* packets taken from the bucket of that link since it is known; 0: unknown */
    unsigned known = 0;
    struct crypto_drbg rng;
    uint8_t seed[32] = { 6 };
    crypto_drbg_init(&rng, seed);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t id = crypto_drbg_below(&rng, 150);
        if (crypto_drbg_below(&rng, 3) == 0) {
            relay_links_gone(&t, id, 5); /* a bucket from which something was taken stays */
            continue;
        }
        struct relay_bucket *b = relay_links_get(&t, id, 5);
        CHECK_EQ(used[id] == 0 && known == 100, b == NULL);
        if (b == NULL) continue;
        CHECK_EQ(1000000 - used[id] * 1000, b->milli);
        if (used[id] == 0) known++;
        if (used[id] < 900) used[id] += relay_bucket_take(b);
    }
    for (uint64_t id = 0; id < 150; id++) relay_links_gone(&t, id, 2000000);
    for (uint64_t id = 1000; id < 1100; id++) CHECK(relay_links_get(&t, id, 2000000) != NULL);
    CHECK(relay_links_get(&t, 5, 2000000) != NULL); /* 1000 gives way: nothing was taken from it */
    relay_links_free(&t);
}

/* ---- keys ---- */

TEST(relay_key, three_at_a_time_and_each_id_once) {
    struct relay_rig g = rig(3);
    CHECK_EQ(VL_EEXISTS, relay_key_add(g.r, &g.key[1], g.table[1], g.y[1]));
    CHECK_EQ(VL_ELIMIT, relay_key_add(g.r, &g.key[3], g.table[1], g.y[3]));
    CHECK(relay_key_drop(g.r, 99)); /* nobody's */
    rig_key_drop(&g, 0);
    rig_key(&g, 3, 100);
    for (unsigned k = 1; k <= 3; k++) {
        uint8_t packet[SPHINX_PACKET];
        uint64_t us = rig_delay(&g, k, rig_packet(&g, k, SPHINX_FORWARD, 700, packet), 700);
        (void)rig_input(&g, 1, packet, sizeof packet);
        rig_flush(&g);
        CHECK_EQ(g.now + (us + 999) / 1000, relay_deadline(g.r)); /* the secret of its own epoch */
        g.now = relay_deadline(g.r);
        CHECK_EQ(1, rig_hand_on(&g));
    }
    rig_free(&g);
}

/* How often the secret of key k stands anywhere in the relay's own memory. */
static unsigned secrets(const struct relay_rig *g, unsigned k) {
    unsigned n = 0;
    const uint8_t *p = (const uint8_t *)g->r;
    for (size_t i = 0; i + 32 <= sizeof *g->r; i++) n += memcmp(p + i, g->key[k].secret, 32) == 0;
    for (size_t i = 0; i + 64 <= sizeof *g->r; i++) n += memcmp(p + i, g->y[k], 64) == 0;
    return n;
}

TEST(relay_key, is_gone_with_its_epoch_and_what_was_unwrapped_goes_on) {
    struct relay_rig g = rig(2);
    uint8_t packet[SPHINX_PACKET];
    (void)rig_packet(&g, 0, SPHINX_FORWARD, 1000, packet);
    (void)rig_input(&g, 1, packet, sizeof packet);
    rig_flush(&g);
    CHECK_EQ(2, secrets(&g, 0));
    rig_key_drop(&g, 0);
    CHECK_EQ(0, secrets(&g, 0));
    CHECK_EQ(2, secrets(&g, 1));
    g.now = relay_deadline(g.r);
    CHECK_EQ(1, rig_hand_on(&g));
    CHECK_EQ(0, rig_dropped(&g));
    rig_free(&g);
}

TEST(relay_key, dropped_while_its_batch_is_out_lives_on_in_the_batch_alone) {
    struct relay_rig g = rig(2);
    uint8_t packet[2][SPHINX_PACKET];
    for (unsigned k = 0; k < 2; k++) (void)rig_packet(&g, k, SPHINX_FORWARD, 0, packet[k]);
    (void)rig_input(&g, 1, packet[0], SPHINX_PACKET);
    g.now += RELAY_FLUSH_MS;
    struct relay_batch *b = relay_batch_take(g.r, g.now);
    CHECK_EQ(1, b->n);
    (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet[0]);
    (void)rig_input(&g, 1, packet[0], SPHINX_PACKET);
    CHECK(!relay_key_drop(g.r, g.key[0].key_id));
    CHECK_EQ(1, rig_stats(&g).dropped[RELAY_DROP_EPOCH]); /* the one at the door */
    CHECK_EQ(2, secrets(&g, 0));
    (void)rig_input(&g, 1, packet[0], SPHINX_PACKET); /* no more of them */
    CHECK_EQ(1, rig_stats(&g).dropped[RELAY_DROP_KEY_ID]);
    CHECK_EQ(VL_EEXISTS, relay_key_add(g.r, &g.key[0], g.table[0], g.y[0]));
    rig_key_drop(&g, 1); /* the batch has nothing of this one */
    CHECK_EQ(0, secrets(&g, 1));
    relay_batch_run(b);
    CHECK(!relay_key_drop(g.r, g.key[0].key_id));
    relay_batch_done(g.r, g.now, b);
    CHECK_EQ(0, secrets(&g, 0));
    rig_key_drop(&g, 0);
    CHECK_EQ(1, rig_hand_on(&g));
    CHECK_EQ(2, rig_dropped(&g));
    rig_free(&g);
}

TEST(relay_key, a_batch_may_hold_packets_of_three_keys) {
    struct relay_rig g = rig(3);
    static uint8_t packet[64][SPHINX_PACKET];
    for (unsigned i = 0; i < 64; i++) (void)rig_packet(&g, i * i % 3 + i % 2, SPHINX_FORWARD, 0, packet[i]);
    (void)rig_input(&g, 1, packet[0], sizeof packet);
    CHECK_EQ(1, rig_batches(&g));
    CHECK_EQ(64, rig_hand_on(&g));
    (void)rig_input(&g, 1, packet[0], sizeof packet);
    CHECK_EQ(1, rig_batches(&g));
    CHECK_EQ(64, rig_stats(&g).dropped[RELAY_DROP_REPLAY]);
    uint64_t entries = 0;
    for (unsigned k = 0; k < 3; k++) entries += replay_stats(g.table[k]).entries;
    CHECK_EQ(64, entries);
    rig_free(&g);
}

/* ---- the rest ---- */

TEST(relay, refuses_limits_outside_their_ranges) {
    const uint8_t seed[32] = { 0 };
    struct relay *r = NULL;
    struct relay_limits l = relay_limits_default();
    CHECK_OK(relay_create(&l, seed, &r));
    relay_destroy(r);
    r = NULL;
#define REFUSED(field, value)                                                                                          \
    l = relay_limits_default();                                                                                        \
    l.field = (value);                                                                                                 \
    CHECK_EQ(VL_ERANGE, relay_create(&l, seed, &r))
    REFUSED(packets, 63);
    REFUSED(packets, RELAY_PACKETS_MAX + 1);
    REFUSED(ingress, 0);
    REFUSED(ingress, 65537);
    REFUSED(rate, 0);
    REFUSED(burst, 0);
    REFUSED(link_rate, 0);
    REFUSED(link_burst, 0);
    REFUSED(links, 0);
    REFUSED(links, RELAY_LINKS_MAX + 1);
#undef REFUSED
    CHECK(r == NULL);
    relay_destroy(NULL);
}

static void *run_batch(void *arg) {
    relay_batch_run(arg);
    return NULL;
}

/* Of worth under ThreadSanitizer above all: what the other thread touches nobody else does. */
TEST(relay, works_on_while_a_batch_runs_on_another_thread) {
    struct relay_rig g = rig(3);
    static uint8_t packet[6][64][SPHINX_PACKET];
    for (unsigned i = 0; i < 6 * 64; i++) (void)rig_packet(&g, i % 3, SPHINX_FORWARD, 5, packet[i / 64][i % 64]);
    (void)rig_input(&g, 1, packet[0][0], sizeof packet[0]);
    for (unsigned i = 1; i < 6; i++) {
        pthread_t t;
        struct relay_batch *b = relay_batch_take(g.r, g.now);
        CHECK(b != NULL);
        CHECK_OK(pthread_create(&t, NULL, run_batch, b));
        (void)rig_input(&g, i, packet[i][0], sizeof packet[i]);
        g.now += 5;
        (void)rig_hand_on(&g);
        (void)relay_deadline(g.r);
        (void)rig_stats(&g);
        CHECK_OK(relay_send(g.r, g.now, 5, packet[0][0]));
        if (i == 5) CHECK(!relay_key_drop(g.r, g.key[1].key_id));
        relay_link_gone(g.r, i);
        CHECK_OK(pthread_join(t, NULL));
        relay_batch_done(g.r, g.now, b);
    }
    rig_check(&g);
    rig_free(&g);
}
