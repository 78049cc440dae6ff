#include "mix/path.h"

#include "check.h"
#include "village.h"

#include <string.h>

static struct village v; /* large: not on the stack */
static struct sphinx_path path;
static struct vl_errmsg msg;
static uint16_t mean;

static const enum mix_level levels[] = { MIX_PUBLIC, MIX_PRIVATE, MIX_CONFIDENTIAL, MIX_SECRET };

/* ---- shape ---- */

TEST(path, has_the_hops_of_its_level_and_ends_at_the_provider) {
    village_init(&v, 30);
    struct vl_node_id to = village_client(&v, 7, 200);
    struct paths *p = village_paths(&v, 1);
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(paths_to_client(p, T0, levels[i], to, &path, &msg));
        CHECK_EQ(mix_level_hops(levels[i]), path.n);
        CHECK_EQ(200, path.hop[path.n - 1].node);
        CHECK_EQ(SPHINX_DELIVER, path.end.command);
        CHECK_EQ(PATHS_SERVICE_MAIL, path.end.service);
        CHECK_MEM(to.b, path.end.recipient, 32);
        for (uint32_t h = 0; h < path.n; h++) {
            CHECK_EQ(0x45, path.hop[h].key_id); /* low byte of the epoch */
            CHECK_EQ(9, path.hop[h].key[0]);
        }
    }
    paths_destroy(p);
}

TEST(path, of_one_hop_goes_to_the_provider_alone_and_needs_no_guard) {
    village_init(&v, 1);
    v.relay[0].roles = MIX_ROLE_EXIT;
    struct vl_node_id to = village_client(&v, 7, 10);
    struct paths *p = village_paths(&v, 1);
    CHECK_OK(paths_to_client(p, T0, MIX_PUBLIC, to, &path, &msg));
    CHECK_EQ(1, path.n);
    CHECK_EQ(10, path.hop[0].node);
    CHECK_OK(paths_level(p, T0, MIX_PUBLIC, &mean, &msg));
    paths_destroy(p);
}

TEST(path, is_the_same_again_for_the_same_seed_and_another_for_another) {
    struct sphinx_path a[8], b[8], c[8];
    village_init(&v, 30);
    struct paths *p = village_paths(&v, 1), *q = village_paths(&v, 1), *r = village_paths(&v, 2);
    for (int i = 0; i < 8; i++) {
        CHECK_OK(paths_drop(p, T0, MIX_SECRET, &a[i]));
        CHECK_OK(paths_drop(q, T0, MIX_SECRET, &b[i]));
        CHECK_OK(paths_drop(r, T0, MIX_SECRET, &c[i]));
        for (uint32_t h = 0; h < 7; h++) CHECK_EQ(a[i].hop[h].node, b[i].hop[h].node);
    }
    uint32_t differ = 0;
    for (int i = 0; i < 8; i++)
        for (uint32_t h = 0; h < 7; h++) differ += a[i].hop[h].node != c[i].hop[h].node;
    CHECK(differ > 28);
    paths_destroy(p);
    paths_destroy(q);
    paths_destroy(r);
}

TEST(path, begins_at_the_guard_in_use) {
    village_init(&v, 30);
    struct vl_node_id to = village_client(&v, 7, 200);
    struct paths *p = village_paths(&v, 3);
    uint32_t guard = paths_guard(p, T0);
    CHECK(guard != 0 && guard != 200);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(paths_to_client(p, T0, levels[1 + i % 3], to, &path, &msg));
        CHECK_EQ(guard, path.hop[0].node);
    }
    paths_destroy(p);
}

TEST(path, begins_at_the_next_guard_when_the_provider_is_the_first_or_related_to_it) {
    village_init(&v, 30);
    struct paths *p = village_paths(&v, 3);
    uint32_t guards[PATHS_GUARDS];
    CHECK_EQ(3, paths_guards(p, T0, guards));
    CHECK_EQ(paths_guard(p, T0), guards[0]);
    struct mix_relay *first = (struct mix_relay *)village_relay(&v, guards[0]), *other = &v.relay[0];
    while (other->number == guards[0] || other->number == guards[1]) other++;
    struct vl_node_id at_guard = village_client(&v, 7, guards[0]), beside = village_client(&v, 8, other->number);
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_to_client(p, T0, MIX_PRIVATE, at_guard, &path, &msg));
    CHECK_EQ(guards[1], path.hop[0].node);
    CHECK_OK(paths_to_client(p, T0, MIX_PRIVATE, beside, &path, &msg));
    CHECK_EQ(guards[0], path.hop[0].node);
    memset(first->family, 5, 16);
    memset(other->family, 5, 16);
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_to_client(p, T0, MIX_PRIVATE, beside, &path, &msg));
    CHECK_EQ(guards[1], path.hop[0].node);
    memset(first->family, 0, 16);
    first->subnet = other->subnet;
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_to_client(p, T0, MIX_PRIVATE, beside, &path, &msg));
    CHECK_EQ(guards[1], path.hop[0].node);
    first->subnet = other->subnet = 0; /* not compared */
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_to_client(p, T0, MIX_PRIVATE, beside, &path, &msg));
    CHECK_EQ(guards[0], path.hop[0].node);
    paths_destroy(p);
}

TEST(path, takes_the_hops_between_from_one_layer_after_the_other) {
    village_init(&v, 40);
    struct paths *p = village_paths(&v, 4);
    uint32_t starts[3] = { 0 };
    for (int i = 0; i < 300; i++) {
        CHECK_OK(paths_drop(p, T0, MIX_SECRET, &path));
        uint32_t start = village_relay(&v, path.hop[1].node)->layer;
        starts[start]++;
        for (uint32_t h = 1; h < 6; h++) CHECK_EQ((start + h - 1) % 3, village_relay(&v, path.hop[h].node)->layer);
    }
    for (int l = 0; l < 3; l++) CHECK(starts[l] > 60 && starts[l] < 140);
    paths_destroy(p);
}

TEST(path, leaves_layers_aside_where_one_has_two_relays_only) {
    village_init(&v, 30);
    for (uint32_t i = 0; i < 30; i++) v.relay[i].layer = (uint8_t)(i < 2 ? 2 : i % 2);
    struct paths *p = village_paths(&v, 4);
    uint32_t in_order = 0;
    for (int i = 0; i < 100; i++) {
        CHECK_OK(paths_drop(p, T0, MIX_CONFIDENTIAL, &path));
        uint32_t l[3];
        for (uint32_t h = 0; h < 3; h++) l[h] = village_relay(&v, path.hop[h + 1].node)->layer;
        in_order += (l[0] + 1) % 3 == l[1] && (l[1] + 1) % 3 == l[2];
    }
    CHECK(in_order < 20);
    paths_destroy(p);
}

/* ---- who is chosen ---- */

TEST(path, never_chooses_a_relay_without_reputation_nor_ourselves) {
    village_init(&v, 8);
    v.relay[2].reputation = 0;
    v.relay[5].node = village_self();
    struct paths *p = village_paths(&v, 5);
    CHECK_EQ(6, paths_stats(p).eligible);
    for (int i = 0; i < 500; i++) {
        CHECK_OK(paths_drop(p, T0, MIX_CONFIDENTIAL, &path));
        for (uint32_t h = 0; h < 5; h++) CHECK(path.hop[h].node != 30 && path.hop[h].node != 60);
    }
    paths_destroy(p);
}

TEST(path, keeps_to_roles) {
    village_init(&v, 9);
    for (uint32_t i = 0; i < 9; i++)
        v.relay[i].roles = (uint8_t)(i < 3 ? MIX_ROLE_GUARD : i < 7 ? MIX_ROLE_MIX : MIX_ROLE_EXIT);
    struct paths *p = village_paths(&v, 5);
    for (int i = 0; i < 300; i++) {
        CHECK_OK(paths_drop(p, T0, MIX_CONFIDENTIAL, &path));
        for (uint32_t h = 0; h < 5; h++) {
            uint8_t want = h == 0 ? MIX_ROLE_GUARD : h == 4 ? MIX_ROLE_EXIT : MIX_ROLE_MIX;
            CHECK_EQ(want, village_relay(&v, path.hop[h].node)->roles);
        }
    }
    paths_destroy(p);
}

/* Chi-square of exits of n drops against weights that sum to `sum`. */
static double exits_chi2(struct paths *p, uint32_t relays, const double *weight, double sum, uint32_t n) {
    uint32_t seen[64] = { 0 };
    for (uint32_t i = 0; i < n; i++) {
        CHECK_OK(paths_drop(p, T0, MIX_PRIVATE, &path));
        seen[path.hop[2].node / 10 - 1]++;
    }
    double chi2 = 0;
    for (uint32_t i = 0; i < relays; i++) {
        double want = n * weight[i] / sum, d = seen[i] - want;
        chi2 += d * d / want;
    }
    return chi2;
}

TEST(path, chooses_by_bandwidth_times_reputation) {
    double weight[10], sum = 0;
    village_init(&v, 10);
    for (uint32_t i = 0; i < 10; i++) {
        v.relay[i].bandwidth = 100 + 30 * i;
        v.relay[i].reputation = (uint16_t)(1000 - 70 * i);
        sum += weight[i] = v.relay[i].bandwidth * (double)v.relay[i].reputation;
    }
    struct paths *p = village_paths(&v, 6);
    CHECK(exits_chi2(p, 10, weight, sum, 20000) < 27.9); /* 9 degrees of freedom, 0.1 % */
    paths_destroy(p);
}

TEST(path, gives_nobody_more_than_a_third_whatever_bandwidth_he_claims) {
    double one[5] = { 20, 10, 10, 10, 10 }, two[5] = { 20, 20, 10, 5, 5 };
    village_init(&v, 5);
    for (uint32_t i = 0; i < 5; i++) v.relay[i].bandwidth = 10;
    v.relay[0].bandwidth = UINT32_MAX;
    struct paths *p = village_paths(&v, 6);
    CHECK(exits_chi2(p, 5, one, 60, 20000) < 18.5); /* 4 degrees of freedom, 0.1 % */
    v.relay[1].bandwidth = UINT32_MAX / 2;
    v.relay[3].bandwidth = v.relay[4].bandwidth = 5;
    paths_consensus(p, T0, &v.c);
    CHECK(exits_chi2(p, 5, two, 60, 20000) < 18.5);
    paths_destroy(p);
}

TEST(path, shares_equally_among_three) {
    double weight[3] = { 1, 1, 1 };
    village_init(&v, 3);
    v.relay[0].bandwidth = UINT32_MAX;
    v.relay[1].bandwidth = 0; /* not measured yet */
    struct paths *p = village_paths(&v, 6);
    CHECK(exits_chi2(p, 3, weight, 3, 9000) < 13.8); /* 2 degrees of freedom, 0.1 % */
    paths_destroy(p);
}

/* ---- levels and their reasons ---- */

static void check_refused(struct paths *p, enum mix_level level, enum vl_err err, const char *text) {
    mean = 12345;
    CHECK_EQ(err, paths_level(p, T0, level, &mean, &msg));
    CHECK_STR(text, msg.text);
    CHECK_EQ(12345, mean);
}

TEST(path, secret_is_refused_below_21_relays_in_7_families) {
    village_init(&v, 21);
    for (uint32_t i = 0; i < 21; i++) memset(v.relay[i].family, (int)(1 + i % 7), 16);
    struct paths *p = village_paths(&v, 1);
    CHECK_OK(paths_level(p, T0, MIX_SECRET, &mean, &msg));
    for (uint32_t i = 0; i < 21; i++)
        if (v.relay[i].family[0] == 7) memset(v.relay[i].family, 6, 16);
    paths_consensus(p, T0, &v.c);
    check_refused(p, MIX_SECRET, VL_EUNSUPPORTED, "secret needs 21 relays in 7 families; there are 21 in 6");
    for (uint32_t i = 0; i < 21; i++) memset(v.relay[i].family, 0, 16); /* none declared: one each */
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_level(p, T0, MIX_SECRET, &mean, &msg));
    CHECK_EQ(21, paths_stats(p).families);
    v.relay[4].reputation = 0;
    paths_consensus(p, T0, &v.c);
    check_refused(p, MIX_SECRET, VL_EUNSUPPORTED, "secret needs 21 relays in 7 families; there are 20 in 20");
    CHECK_OK(paths_level(p, T0, MIX_CONFIDENTIAL, &mean, &msg));
    village_init(&v, 9);
    for (uint32_t i = 0; i < 9; i++) memset(v.relay[i].family, (int)(1 + i % 3), 16);
    paths_consensus(p, T0, &v.c);
    check_refused(p, MIX_SECRET, VL_EUNSUPPORTED, "secret needs 21 relays in 7 families; there are 9 in 3");
    CHECK_EQ(VL_EUNSUPPORTED, paths_drop(p, T0, MIX_SECRET, &path));
    CHECK_EQ(VL_EUNSUPPORTED, paths_loop(p, T0, MIX_SECRET, 0, &path));
    CHECK_EQ(2, paths_stats(p).refused);
    paths_destroy(p);
}

TEST(path, levels_say_which_constraint_cannot_be_met) {
    village_init(&v, 2);
    struct paths *p = village_paths(&v, 1);
    check_refused(p, MIX_PRIVATE, VL_EUNSUPPORTED, "private needs 3 relays in 3 families; there are 2 in 2");
    v.c.relays_n = 0;
    paths_consensus(p, T0, &v.c);
    check_refused(p, MIX_PUBLIC, VL_EUNSUPPORTED, "public needs 1 relay in 1 family; there are 0 in 0");
    check_refused(p, MIX_OFF, VL_EUNSUPPORTED, "level off has no path");
    village_init(&v, 5);
    for (uint32_t i = 0; i < 5; i++) v.relay[i].subnet = 1 + i % 2;
    paths_consensus(p, T0, &v.c);
    check_refused(p, MIX_PRIVATE, VL_EUNSUPPORTED,
                  "private needs 3 relays that are no family and no subnet of each other; of 5 there are at most 2");
    village_init(&v, 5);
    for (uint32_t i = 0; i < 5; i++) v.relay[i].roles = i == 0 ? MIX_ROLE_MIX : MIX_ROLE_MIX | MIX_ROLE_EXIT;
    paths_consensus(p, T0, &v.c);
    check_refused(p, MIX_PRIVATE, VL_EUNSUPPORTED, "private needs a guard; no relay of the consensus can be ours");
    for (uint32_t i = 0; i < 5; i++) v.relay[i].roles = i == 0 ? MIX_ROLE_MIX : MIX_ROLE_GUARD | MIX_ROLE_EXIT;
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_level(p, T0, MIX_PRIVATE, &mean, &msg));
    check_refused(p, MIX_CONFIDENTIAL, VL_EUNSUPPORTED,
                  "confidential needs 3 mixes between guard and provider, of other families and subnets than these and "
                  "each other; there is at most 1");
    for (uint32_t i = 0; i < 5; i++) v.relay[i].roles = i == 0 ? MIX_ROLE_GUARD | MIX_ROLE_EXIT : MIX_ROLE_MIX;
    paths_consensus(p, T0, &v.c);
    check_refused(p, MIX_PRIVATE, VL_EUNSUPPORTED,
                  "private needs a guard of another family and subnet than an exit; of 1 that can be reached none is");
    paths_destroy(p);
}

TEST(path, needs_a_consensus_that_has_begun_and_lives) {
    village_init(&v, 5);
    uint8_t seed[32] = { 1 };
    struct paths *p = NULL;
    CHECK_OK(paths_create(seed, village_self(), &p));
    check_refused(p, MIX_PRIVATE, VL_EEXPIRED, "there is no consensus yet");
    CHECK_EQ(0, paths_guard(p, T0));
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_level(p, T0 + 2 * EPOCH - 1, MIX_PRIVATE, &mean, &msg));
    CHECK_EQ(VL_EEXPIRED, paths_level(p, T0 + 2 * EPOCH, MIX_PRIVATE, &mean, &msg));
    CHECK_STR("the consensus of epoch 74565 ended 0 s ago", msg.text);
    CHECK_EQ(VL_EEXPIRED, paths_drop(p, T0 + 2 * EPOCH, MIX_PRIVATE, &path));
    CHECK_OK(paths_level(p, T0 - MIX_SKEW_MS, MIX_PRIVATE, &mean, &msg));
    CHECK_EQ(VL_EEXPIRED, paths_level(p, T0 - MIX_SKEW_MS - 1, MIX_PRIVATE, &mean, &msg));
    CHECK_STR("epoch 74565 begins in 61 s only", msg.text);
    paths_consensus(p, T0, NULL);
    check_refused(p, MIX_PRIVATE, VL_EEXPIRED, "there is no consensus yet");
    paths_destroy(p);
}

TEST(path, mean_delay_is_the_smallest_value_that_reaches_level_and_floor) {
    static const struct {
        uint32_t rate;
        enum mix_level level;
        uint16_t mean;
    } row[] = {
        { 1000000, MIX_PUBLIC, 20 },  { 1000000, MIX_PRIVATE, 20 },    { 1000000, MIX_CONFIDENTIAL, 50 },
        { 1000000, MIX_SECRET, 200 }, { 3200, MIX_PRIVATE, 20 },       { 3199, MIX_PRIVATE, 50 },
        { 1280, MIX_PRIVATE, 50 },    { 1279, MIX_CONFIDENTIAL, 100 }, { 320, MIX_SECRET, 200 },
        { 319, MIX_SECRET, 500 },     { 64, MIX_PRIVATE, 1000 },       { 0, MIX_PRIVATE, 1000 },
    };
    village_init(&v, 25);
    struct paths *p = village_paths(&v, 1);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        for (uint32_t r = 0; r < 25; r++) v.relay[r].rate = row[i].rate;
        paths_consensus(p, T0, &v.c);
        CHECK_OK(paths_level(p, T0, row[i].level, &mean, &msg));
        CHECK_EQ(row[i].mean, mean);
        CHECK_OK(paths_drop(p, T0, row[i].level, &path));
        for (uint32_t h = 0; h < path.n; h++) CHECK_EQ(row[i].mean, path.hop[h].delay_ms);
    }
    v.c.anonymity_floor = 0; /* no floor: then no rate is needed either */
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_level(p, T0, MIX_PRIVATE, &mean, &msg));
    CHECK_EQ(20, mean);
    paths_destroy(p);
}

TEST(path, mean_delay_goes_by_the_slowest_relay_on_it) {
    village_init(&v, 8);
    for (uint32_t i = 0; i < 8; i++) v.relay[i].rate = i == 3 ? 640 : 3200;
    struct paths *p = village_paths(&v, 1);
    CHECK_OK(paths_level(p, T0, MIX_PRIVATE, &mean, &msg));
    CHECK_EQ(100, mean);
    uint32_t slow = 0;
    for (int i = 0; i < 200; i++) {
        CHECK_OK(paths_drop(p, T0, MIX_PRIVATE, &path));
        bool on_it = path.hop[0].node == 40 || path.hop[1].node == 40 || path.hop[2].node == 40;
        slow += on_it;
        for (uint32_t h = 0; h < 3; h++) CHECK_EQ(on_it ? 100 : 20, path.hop[h].delay_ms);
    }
    CHECK(slow > 0 && slow < 200);
    paths_destroy(p);
}

TEST(path, a_floor_that_no_delay_reaches_is_refused_with_figures) {
    village_init(&v, 4);
    for (uint32_t i = 0; i < 4; i++) v.relay[i].rate = 64;
    struct paths *p = village_paths(&v, 1);
    CHECK_OK(paths_level(p, T0, MIX_PRIVATE, &mean, &msg));
    v.relay[0].rate = 63; /* one too slow: three are left */
    paths_consensus(p, T0, &v.c);
    for (int i = 0; i < 100; i++) {
        CHECK_OK(paths_drop(p, T0, MIX_PRIVATE, &path));
        for (uint32_t h = 0; h < 3; h++) CHECK(path.hop[h].node != 10);
    }
    v.relay[2].rate = 40;
    paths_consensus(p, T0, &v.c);
    check_refused(
        p, MIX_PRIVATE, VL_EDENIED,
        "private wants 64 packets waiting at each relay; 2 of 4 forward too few for that even with the longest "
        "mean delay of 1000 ms (the slowest 40 a second)");
    check_refused(p, MIX_CONFIDENTIAL, VL_EUNSUPPORTED, "confidential needs 5 relays in 5 families; there are 2 in 2");
    v.relay[2].rate = 0; /* unknown: allowed, with the longest delay */
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_level(p, T0, MIX_PRIVATE, &mean, &msg));
    CHECK_EQ(1000, mean);
    for (size_t i = 0; i < MIX_DELAYS; i++) v.c.delay_ms[i] = (uint16_t)(1 + i);
    paths_consensus(p, T0, &v.c);
    check_refused(p, MIX_PUBLIC, VL_EDENIED,
                  "public wants a mean delay of 20 ms; the longest of the consensus is 8 ms");
    paths_destroy(p);
}

TEST(path, to_a_recipient_that_cannot_be_reached_says_why) {
    village_init(&v, 6);
    struct vl_node_id none = { { 2, 1 } }, lost = village_client(&v, 2, 0), gone = village_client(&v, 3, 77),
                      bad = village_client(&v, 4, 20), slow = village_client(&v, 5, 30), us = village_client(&v, 6, 40);
    v.relay[1].reputation = 0;
    v.relay[2].rate = 1;
    v.relay[3].node = village_self();
    struct paths *p = village_paths(&v, 1);
    memset(&path, 0x5a, sizeof path);
    CHECK_EQ(VL_ENOTFOUND, paths_to_client(p, T0, MIX_PRIVATE, none, &path, &msg));
    CHECK_STR("the recipient is not in the consensus", msg.text);
    CHECK_EQ(VL_ENOTFOUND, paths_to_client(p, T0, MIX_PRIVATE, lost, &path, &msg));
    CHECK_STR("the recipient's provider is not in the consensus", msg.text);
    CHECK_EQ(VL_ENOTFOUND, paths_to_client(p, T0, MIX_PRIVATE, gone, &path, &msg));
    CHECK_EQ(VL_EUNSUPPORTED, paths_to_client(p, T0, MIX_PRIVATE, bad, &path, &msg));
    CHECK_STR("the provider has no reputation", msg.text);
    CHECK_EQ(VL_EDENIED, paths_to_client(p, T0, MIX_PRIVATE, slow, &path, &msg));
    CHECK_STR("private wants 64 packets waiting at each relay; the provider forwards 1 a second, too few even with the "
              "longest mean delay of 1000 ms",
              msg.text);
    CHECK_EQ(VL_EUNSUPPORTED, paths_to_client(p, T0, MIX_PRIVATE, village_self(), &path, &msg));
    CHECK_STR("the recipient is ourselves", msg.text);
    CHECK_EQ(6, paths_stats(p).refused);
    for (size_t i = 0; i < sizeof path; i++) CHECK_EQ(0x5a, ((uint8_t *)&path)[i]);
    CHECK_OK(paths_to_client(p, T0, MIX_PRIVATE, us, &path, &msg)); /* its mailbox is here: the path comes back to us */
    CHECK_EQ(3, path.n);
    CHECK_EQ(40, path.hop[2].node);
    CHECK(path.hop[0].node != 40 && path.hop[1].node != 40 && path.hop[0].node != path.hop[1].node);
    CHECK_OK(paths_reply(p, T0, MIX_PRIVATE, us, (const uint8_t[16]){ 7 }, &path, &msg));
    CHECK_EQ(40, path.hop[0].node);
    paths_destroy(p);
}

/* ---- small villages, cover, replies ---- */

TEST(path, works_in_a_village_of_three_relays) {
    village_init(&v, 3);
    for (uint32_t i = 0; i < 3; i++) village_client(&v, (uint8_t)(i + 1), 10 * (i + 1));
    struct vl_node_id self = village_client(&v, 0xee, 20);
    CHECK(vl_node_eq(self, village_self()));
    for (uint8_t seed = 0; seed < 20; seed++) {
        uint8_t id[16] = { seed };
        struct paths *p = village_paths(&v, seed);
        CHECK_OK(paths_level(p, T0, MIX_PRIVATE, &mean, &msg));
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_OK(paths_to_client(p, T0, MIX_PRIVATE, v.client[i].node, &path, &msg));
            CHECK_EQ(10 * (i + 1), path.hop[2].node);
            CHECK_EQ(60, path.hop[0].node + path.hop[1].node + path.hop[2].node); /* all three */
            CHECK_OK(paths_reply(p, T0, MIX_PRIVATE, v.client[i].node, id, &path, &msg));
        }
        CHECK_OK(paths_loop(p, T0, MIX_PRIVATE, 4, &path));
        CHECK_OK(paths_drop(p, T0, MIX_PRIVATE, &path));
        paths_destroy(p);
    }
}

TEST(path, loop_starts_at_the_guard_and_ends_at_our_mailbox_there) {
    village_init(&v, 10);
    struct paths *p = village_paths(&v, 1);
    uint32_t guard = paths_guard(p, T0);
    village_client(&v, 0xee, guard);
    for (int listed = 0; listed < 2; listed++) { /* not listed yet: the guard will be named */
        if (!listed) v.c.clients_n = 0;
        paths_consensus(p, T0, &v.c);
        CHECK_OK(paths_loop(p, T0, MIX_CONFIDENTIAL, 4, &path));
        CHECK_EQ(guard, path.hop[0].node);
        CHECK_EQ(guard, path.hop[4].node);
        for (uint32_t h = 1; h < 4; h++) CHECK(path.hop[h].node != guard);
        CHECK_EQ(SPHINX_DELIVER, path.end.command);
        CHECK_EQ(4, path.end.service);
        CHECK_MEM(village_self().b, path.end.recipient, 32);
        v.c.clients_n = 1;
    }
    CHECK_OK(paths_loop(p, T0, MIX_PUBLIC, 4, &path));
    CHECK_EQ(guard, path.hop[0].node);
    paths_destroy(p);
}

TEST(path, loop_ends_at_the_provider_that_is_listed_even_when_the_guard_has_changed) {
    village_init(&v, 10);
    struct paths *p = village_paths(&v, 1);
    uint32_t guard = paths_guard(p, T0), old = guard == 50 ? 60 : 50;
    village_client(&v, 0xee, old);
    paths_consensus(p, T0, &v.c);
    CHECK_OK(paths_loop(p, T0, MIX_PRIVATE, 4, &path));
    CHECK_EQ(guard, path.hop[0].node);
    CHECK_EQ(old, path.hop[2].node);
    paths_destroy(p);
}

TEST(path, of_a_relay_loops_and_replies_end_at_itself) {
    uint8_t id[16] = { 7 };
    village_init(&v, 5);
    v.relay[2].node = village_self();
    v.relay[3].subnet = v.relay[2].subnet; /* no guard for us: loops would need a second one */
    v.relay[2].rate = 1;                   /* nobody needs to be hidden from us at our own relay */
    struct vl_node_id other = village_client(&v, 1, 10);
    village_client(&v, 0xee, 30);
    for (uint8_t seed = 0; seed < 10; seed++) {
        struct paths *p = village_paths(&v, seed);
        CHECK(paths_guard(p, T0) != 30 && paths_guard(p, T0) != 40);
        CHECK_OK(paths_loop(p, T0, MIX_PRIVATE, 0, &path));
        CHECK_EQ(30, path.hop[2].node);
        CHECK_EQ(20, path.hop[2].delay_ms);
        CHECK(path.hop[0].node != 30 && path.hop[1].node != 30 && path.hop[1].node != 40);
        CHECK_OK(paths_reply(p, T0, MIX_PRIVATE, other, id, &path, &msg));
        CHECK_EQ(10, path.hop[0].node);
        CHECK_EQ(30, path.hop[2].node);
        CHECK_EQ(VL_EUNSUPPORTED, paths_loop(p, T0, MIX_PUBLIC, 0, &path)); /* from us to us */
        CHECK_OK(paths_reply(p, T0, MIX_PUBLIC, other, id, &path, &msg));
        CHECK_EQ(30, path.hop[0].node);
        paths_destroy(p);
    }
}

TEST(path, drop_ends_at_an_exit_and_uses_the_second_guard_as_often_as_payload_would) {
    village_init(&v, 5);
    struct paths *p = village_paths(&v, 1);
    uint32_t guards[PATHS_GUARDS], second = 0;
    CHECK_EQ(3, paths_guards(p, T0, guards));
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(paths_drop(p, T0, MIX_PRIVATE, &path));
        CHECK_EQ(SPHINX_DROP, path.end.command);
        bool at_guard = path.hop[2].node == guards[0];
        CHECK_EQ(at_guard ? guards[1] : guards[0], path.hop[0].node);
        second += at_guard;
    }
    CHECK(second > 150 && second < 250); /* one exit of five */
    paths_destroy(p);
}

TEST(path, reply_leads_from_the_provider_of_who_answers_to_our_own) {
    uint8_t id[16] = { 9, 8, 7 };
    village_init(&v, 30);
    struct vl_node_id other = village_client(&v, 1, 100), near = village_client(&v, 2, 50);
    village_client(&v, 0xee, 50);
    struct paths *p = village_paths(&v, 1);
    for (size_t i = 1; i < 4; i++) {
        CHECK_OK(paths_reply(p, T0, levels[i], other, id, &path, &msg));
        CHECK_EQ(mix_level_hops(levels[i]), path.n);
        CHECK_EQ(100, path.hop[0].node);
        CHECK_EQ(50, path.hop[path.n - 1].node);
        CHECK_EQ(SPHINX_REPLY, path.end.command);
        CHECK_MEM(village_self().b, path.end.recipient, 32);
        CHECK_MEM(id, path.end.surb_id, 16);
    }
    CHECK_OK(paths_reply(p, T0, MIX_PUBLIC, other, id, &path, &msg));
    CHECK_EQ(1, path.n);
    CHECK_EQ(50, path.hop[0].node);
    CHECK_OK(paths_reply(p, T0, MIX_CONFIDENTIAL, near, id, &path, &msg)); /* one relay at both ends */
    CHECK_EQ(50, path.hop[0].node);
    CHECK_EQ(50, path.hop[4].node);
    CHECK_EQ(VL_EUNSUPPORTED, paths_reply(p, T0, MIX_SECRET, near, id, &path, &msg));
    CHECK_STR("secret needs providers of other families and subnets at the two ends", msg.text);
    CHECK_EQ(VL_ENOTFOUND, paths_reply(p, T0, MIX_PRIVATE, (struct vl_node_id){ { 2, 9 } }, id, &path, &msg));
    paths_destroy(p);
}

TEST(path, without_a_guard_that_can_be_reached_is_for_later) {
    village_init(&v, 4);
    struct paths *p = village_paths(&v, 1);
    uint32_t guard = paths_guard(p, T0);
    struct vl_node_id to = village_client(&v, 7, guard);
    paths_consensus(p, T0, &v.c);
    for (uint32_t i = 1; i <= 4; i++) paths_guard_result(p, T0 + 1000, 10 * i, false);
    CHECK_EQ(VL_EAGAIN, paths_to_client(p, T0 + 2000, MIX_PRIVATE, to, &path, &msg));
    CHECK_STR("none of 4 guards could be reached; the next try is in 59 s", msg.text);
    CHECK_EQ(VL_EAGAIN, paths_level(p, T0 + 2000, MIX_PRIVATE, &mean, &msg));
    CHECK_OK(paths_to_client(p, T0 + 2000, MIX_PUBLIC, to, &path, &msg));
    paths_guard_result(p, T0 + 3000, guard, true); /* only the provider itself: no guard for this recipient */
    CHECK_EQ(VL_EAGAIN, paths_to_client(p, T0 + 3000, MIX_PRIVATE, to, &path, &msg));
    CHECK_STR("private needs a guard of another family and subnet than the provider; of 1 that can be reached none is",
              msg.text);
    paths_destroy(p);
}
