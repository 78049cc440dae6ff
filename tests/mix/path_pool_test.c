#include "mix/path.h"

#include "check.h"
#include "crypto/random.h"
#include "mix/path_priv.h"
#include "village.h"

#include <string.h>

#define MINUTE 60000ull

static struct village v;
static struct vl_node_id alice, bob;

static struct paths *start(void) {
    village_init(&v, 30);
    alice = village_client(&v, 1, 100);
    bob = village_client(&v, 2, 200);
    village_client(&v, 0xee, 50);
    CHECK_OK(crypto_init());
    return village_paths(&v, 1);
}

static uint32_t take(struct paths *p, vl_ms now, enum paths_use use, struct vl_node_id to,
                     struct sphinx_prebuilt *ret) {
    uint32_t sum = 0;
    CHECK_OK(paths_take(p, now, use, MIX_CONFIDENTIAL, to, ret, &sum));
    return sum;
}

TEST(pool, builds_eight_at_a_time_and_gives_each_header_once) {
    static struct sphinx_prebuilt got[40];
    struct paths *p = start();
    for (uint32_t i = 0; i < 40; i++) {
        CHECK_EQ(5 * 50, take(p, T0, PATHS_CLIENT, alice, &got[i]));
        CHECK_EQ(5, got[i].n);
        CHECK_EQ(8 * (i / 8 + 1), paths_stats(p).built);
        CHECK_EQ(7 - i % 8, paths_stats(p).ready);
        for (uint32_t k = 0; k < i; k++) {
            CHECK(memcmp(got[k].header, got[i].header, SPHINX_HEADER) != 0);
            CHECK(memcmp(got[k].payload_key[0], got[i].payload_key[0], 32) != 0);
        }
    }
    CHECK_EQ(40, paths_stats(p).taken);
    CHECK_EQ(0, paths_stats(p).expired);
    paths_destroy(p);
}

TEST(pool, keeps_nothing_of_a_header_that_was_taken_or_thrown_away) {
    static const struct sphinx_prebuilt nothing;
    struct sphinx_prebuilt h;
    struct paths *p = start();
    take(p, T0, PATHS_CLIENT, alice, &h);
    for (uint32_t i = 0; i < 8; i++)
        CHECK_EQ(i == 0, memcmp(&p->pool[PATHS_CLIENT].v[i].header, &nothing, sizeof nothing) == 0);
    paths_consensus(p, T0, &v.c);
    for (uint32_t i = 0; i < 8; i++) CHECK_MEM(&nothing, &p->pool[PATHS_CLIENT].v[i].header, sizeof nothing);
    paths_destroy(p);
}

TEST(pool, refills_what_was_used_last_up_to_what_is_wanted) {
    struct sphinx_prebuilt h;
    struct paths *p = start();
    paths_refill(p, T0, 16); /* nothing is known yet */
    CHECK_EQ(0, paths_stats(p).ready);
    take(p, T0, PATHS_LOOP, alice, &h);
    take(p, T0, PATHS_DROP, alice, &h);
    CHECK_EQ(14, paths_stats(p).ready);
    paths_refill(p, T0, 7);
    CHECK_EQ(14, paths_stats(p).ready);
    paths_refill(p, T0, 8);
    CHECK_EQ(30, paths_stats(p).ready);
    paths_refill(p, T0, 1000); /* bounded: 25 are there after each */
    CHECK_EQ(2 * 31, paths_stats(p).ready);
    paths_destroy(p);
}

TEST(pool, gives_headers_to_the_recipient_asked_for_only) {
    struct sphinx_prebuilt h;
    struct paths *p = start();
    take(p, T0, PATHS_CLIENT, alice, &h);
    CHECK_EQ(7, paths_stats(p).ready);
    take(p, T0, PATHS_CLIENT, bob, &h);
    CHECK_EQ(7, paths_stats(p).ready);
    CHECK_EQ(7, paths_stats(p).expired);
    uint32_t sum;
    CHECK_OK(paths_take(p, T0, PATHS_CLIENT, MIX_PRIVATE, bob, &h, &sum)); /* another level, likewise */
    CHECK_EQ(3, h.n);
    CHECK_EQ(60, sum);
    CHECK_EQ(14, paths_stats(p).expired);
    CHECK_EQ(24, paths_stats(p).built);
    paths_destroy(p);
}

TEST(pool, throws_headers_away_at_the_very_end_of_ten_minutes) {
    struct sphinx_prebuilt h;
    struct paths *p = start();
    take(p, T0, PATHS_DROP, alice, &h);
    take(p, T0 + 10 * MINUTE - 1, PATHS_DROP, alice, &h);
    CHECK_EQ(8, paths_stats(p).built);
    CHECK_EQ(0, paths_stats(p).expired);
    take(p, T0 + 10 * MINUTE, PATHS_DROP, alice, &h);
    CHECK_EQ(16, paths_stats(p).built);
    CHECK_EQ(6, paths_stats(p).expired);
    CHECK_EQ(7, paths_stats(p).ready);
    paths_destroy(p);
}

TEST(pool, throws_headers_away_at_the_very_end_of_their_epoch) {
    struct sphinx_prebuilt h;
    struct paths *p = start();
    take(p, T0 + EPOCH - 1000, PATHS_DROP, alice, &h);
    take(p, T0 + EPOCH - 1, PATHS_DROP, alice, &h);
    CHECK_EQ(0, paths_stats(p).expired);
    take(p, T0 + EPOCH, PATHS_DROP, alice, &h); /* no newer consensus yet: these keys are still accepted */
    CHECK_EQ(6, paths_stats(p).expired);
    take(p, T0 + 2 * EPOCH - 1000, PATHS_DROP, alice, &h);
    CHECK_EQ(13, paths_stats(p).expired);
    uint32_t sum = 77;
    CHECK_EQ(VL_EEXPIRED, paths_take(p, T0 + 2 * EPOCH, PATHS_DROP, MIX_CONFIDENTIAL, alice, &h, &sum));
    CHECK_EQ(77, sum);
    CHECK_EQ(20, paths_stats(p).expired);
    CHECK_EQ(0, paths_stats(p).ready);
    paths_destroy(p);
}

TEST(pool, throws_headers_away_with_their_consensus) {
    struct sphinx_prebuilt h;
    struct paths *p = start();
    take(p, T0, PATHS_LOOP, alice, &h);
    take(p, T0, PATHS_CLIENT, alice, &h);
    paths_consensus(p, T0 + 5, &v.c);
    CHECK_EQ(14, paths_stats(p).expired);
    CHECK_EQ(0, paths_stats(p).ready);
    paths_destroy(p);
}

TEST(pool, throws_headers_away_when_their_guard_cannot_be_reached) {
    struct sphinx_prebuilt h;
    struct paths *p = start();
    uint32_t guard = paths_guard(p, T0);
    take(p, T0, PATHS_CLIENT, alice, &h);
    CHECK_EQ(guard, h.first);
    paths_guard_result(p, T0 + 1, guard, false);
    CHECK_EQ(7, paths_stats(p).expired);
    take(p, T0 + 1, PATHS_CLIENT, alice, &h);
    CHECK_EQ(paths_guard(p, T0 + 1), h.first);
    CHECK(h.first != guard);
    /* When it is due for another try it is in use again: headers through the lesser guard are thrown away. */
    take(p, T0 + 5 * MINUTE, PATHS_CLIENT, bob, &h);
    CHECK(h.first != guard);
    CHECK_EQ(14, paths_stats(p).expired);
    take(p, T0 + 10 * MINUTE, PATHS_CLIENT, bob, &h);
    CHECK(h.first != guard);
    CHECK_EQ(14, paths_stats(p).expired);
    take(p, T0 + 10 * MINUTE + 1, PATHS_CLIENT, bob, &h);
    CHECK_EQ(guard, h.first);
    CHECK_EQ(20, paths_stats(p).expired);
    paths_destroy(p);
}

TEST(pool, says_why_nothing_can_be_taken_and_does_not_try_in_vain) {
    struct sphinx_prebuilt h;
    uint32_t sum;
    struct paths *p = start();
    struct vl_node_id nobody = { { 3 } };
    CHECK_EQ(VL_ENOTFOUND, paths_take(p, T0, PATHS_CLIENT, MIX_PRIVATE, nobody, &h, &sum));
    paths_refill(p, T0, 8);
    CHECK_EQ(1, paths_stats(p).refused);
    for (uint32_t i = 0; i < 30; i++) memset(v.relay[i].mix_key, 0, 32); /* of low order */
    paths_consensus(p, T0, &v.c);
    CHECK_EQ(VL_ECRYPTO, paths_take(p, T0, PATHS_DROP, MIX_PRIVATE, nobody, &h, &sum));
    CHECK_EQ(0, paths_stats(p).built);
    paths_destroy(p);
}
