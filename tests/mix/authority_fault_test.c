/* Authorities that restart, lose their disks, lie, and all of it at once. */
#include "mix/authority.h"

#include "wire/pack.h"

#include "authority_net.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

/* --- restarts --- */

/* The net fails on any accusation: there is no second vote and no second signature, whenever it dies. */
TEST(authority, a_restart_at_any_step_loses_no_epoch_and_contradicts_nothing) {
    for (uint32_t step = 0; step < 32; step++) {
        struct net net;
        net_init(&net, 3, 2, 50 + step);
        net_run_to(&net, 3, step);
        net_run(&net, net.now + 15);
        net_crash(&net, 1);
        net_start(&net, 1);
        net_run_to(&net, 5, 0);
        CHECK_EQ(4, net_consensuses(&net, 1, 4));
        net_check_all_have(&net, 4);
        net_free(&net);
    }
}

/* All three are needed here: the restored vote and signature must still be good. */
TEST(authority, a_restart_after_the_vote_goes_on_with_the_stored_vote) {
    for (uint32_t step = 20; step < 31; step++) {
        struct net net;
        struct mix_vote before;
        net_init(&net, 3, 3, 90 + step);
        net_run_to(&net, 3, step);
        net_run(&net, net.now + 15);
        before = net.vote[1];
        CHECK_EQ(3, before.epoch);
        net_crash(&net, 1);
        net_start(&net, 1);
        net_run_to(&net, 4, 0);
        CHECK_MEM(&before, &net.vote[1], sizeof before);
        CHECK_EQ(3, net_consensuses(&net, 1, 3));
        CHECK_EQ(0, authority_stats(net.at[1].a).withheld);
        net_free(&net);
    }
}

/* Its votes are gone with its memory, so it cannot compute again; but what it signed it can say again. */
static bool drop_signatures_of_chosen(struct net *net, int from, int to, uint8_t kind) {
    (void)to;
    return from == net->chosen && kind == AUTHORITY_SIGNATURE;
}
TEST(authority, a_restart_after_signing_sends_the_stored_signature) {
    struct net net;
    net_init(&net, 3, 3, 125);
    net_run_to(&net, 3, 2);
    net.drop = drop_signatures_of_chosen;
    net.chosen = 1;
    net_run_to(&net, 3, 28);
    net_crash(&net, 1);
    net.drop = NULL;
    net_run_to(&net, 3, 29);
    CHECK_EQ(0, net_consensuses(&net, 3, 3));
    net_start(&net, 1);
    net_run_to(&net, 4, 0);
    CHECK_EQ(1, net_consensuses(&net, 3, 3));
    net_check_all_have(&net, 3);
    net_free(&net);
}

TEST(authority, one_that_lost_its_disk_in_the_voting_phase_does_not_vote_again) {
    for (uint32_t step = 20; step < 32; step++) {
        struct net net;
        net_init(&net, 4, 3, 130 + step);
        net_run_to(&net, 3, step);
        net_run(&net, net.now + 15);
        net_crash(&net, 1);
        net_wipe(&net, 1);
        net_start(&net, 1);
        net_run_to(&net, 5, 0);
        CHECK_EQ(4, net_consensuses(&net, 1, 4));
        net_check_all_have(&net, 4);
        net_free(&net);
    }
}

/* Disk and clock went back: the others still know the vote of the earlier life. */
TEST(authority, does_not_vote_when_others_know_a_vote_of_its_own) {
    struct net net;
    struct vl_buf echo;
    net_init(&net, 4, 3, 145);
    net_run_to(&net, 3, 19);
    struct mix_statement s = { .kind = MIX_STATEMENT_VOTE, .epoch = 3, .hash = { 1 } };
    mix_statement_sign(&s, &net.charter, &net.key[0]);
    vl_buf_init(&echo, 4096);
    struct pack w = pack_begin(&echo);
    pack_u8(&w, AUTHORITY_ECHO);
    pack_u64(&w, 3);
    pack_u8(&w, 1);
    pack_u8(&w, 0);
    pack_bytes(&w, s.hash, 32);
    pack_bytes(&w, s.signature, 64);
    CHECK_OK(pack_end(&w));
    CHECK_OK(authority_recv(net.at[0].a, net.now, net.charter.authority[1].node, 0, vl_span(echo.p, echo.len)));
    vl_buf_free(&echo);
    net_run_to(&net, 4, 0);
    CHECK_EQ(2, net.vote[0].epoch);
    CHECK_EQ(1, net_consensuses(&net, 3, 3)); /* by the others */
    net_check_all_have(&net, 3);
    CHECK_EQ(0, net.accusations);
    net_free(&net);
}

TEST(authority, refuses_a_state_that_is_not_its_own) {
    struct net net;
    net_init(&net, 3, 2, 150);
    net_run_to(&net, 2, 31);
    struct vl_buf *mine = &net.at[0].state, *other = &net.at[1].state;
    CHECK(mine->len > 0);
    net_crash(&net, 0);
    struct authority *a = NULL;
    CHECK_OK(authority_create(&net.at[0].cfg, net.now, &a));
    CHECK_EQ(VL_ECORRUPT, authority_restore_state(a, net.now, vl_span(other->p, other->len)));
    for (size_t n = 0; n < mine->len; n++)
        CHECK_EQ(VL_ECORRUPT, authority_restore_state(a, net.now, vl_span(mine->p, n)));
    for (size_t i = 0; i < mine->len; i += 7) {
        mine->p[i] ^= 0x10;
        if (i < 2 || i >= 10) /* an epoch before is none of ours, but no damage */
            CHECK_EQ(VL_ECORRUPT, authority_restore_state(a, net.now, vl_span(mine->p, mine->len)));
        mine->p[i] ^= 0x10;
    }
    CHECK_OK(authority_restore_state(a, net.now, vl_span(mine->p, mine->len)));
    authority_destroy(a);
    net.at[0].a = NULL;
    CHECK_OK(authority_create(&net.at[0].cfg, net.now + NET_EPOCH, &a));
    CHECK_OK(authority_restore_state(a, net.now + NET_EPOCH, vl_span(mine->p, mine->len))); /* over: no effect */
    authority_destroy(a);
    CHECK_OK(authority_create(&net.at[0].cfg, net.now - 2 * NET_EPOCH, &a));
    CHECK_EQ(VL_ECORRUPT, authority_restore_state(a, net.now - 2 * NET_EPOCH, vl_span(mine->p, mine->len)));
    authority_destroy(a);
    net_free(&net);
}

/* --- liars --- */

TEST(authority, one_that_tells_two_stories_is_accused_and_left_out) {
    for (size_t s = 0; s < NET_SIZES; s++) {
        for (int liar = 0; liar < 3; liar += 2) {
            struct net net;
            net_init(&net, net_sizes[s].n, net_sizes[s].threshold, 160 + s);
            net_run_to(&net, 3, 0);
            net_corrupt(&net, liar);
            net_run_to(&net, 5, 0);
            CHECK_EQ(4, net_consensuses(&net, 1, 4)); /* made by the others */
            CHECK(net.accusations >= (uint32_t)(net.n - 1));
            CHECK_EQ(net.n - 1, net.last.commitments_n);
            for (size_t i = 0; i < net.last.commitments_n; i++)
                CHECK(!vl_node_eq(net.last.commitment[i].authority, net.charter.authority[liar].node));
            for (int i = 0; i < net.n; i++)
                if (i != liar) CHECK_EQ(2, authority_stats(net.at[i].a).equivocations);
            net_free(&net);
        }
    }
}

TEST(authority, a_liar_stops_the_epoch_when_everybody_is_needed) {
    struct net net;
    net_init(&net, 3, 3, 170);
    net_run_to(&net, 3, 0);
    net_corrupt(&net, 0);
    net_run_to(&net, 5, 0);
    CHECK_EQ(2, net_consensuses(&net, 1, 4));
    CHECK(net.accusations >= 4);
    net_free(&net);
}

TEST(authority, a_liar_is_found_under_loss) {
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct net net;
        net_init(&net, 5, 3, 180 + seed);
        net.loss = 30;
        net_corrupt(&net, 3);
        net_run_to(&net, 9, 0);
        CHECK_EQ(8, net_consensuses(&net, 1, 8));
        CHECK(net.accusations >= 8 * 4);
        net_free(&net);
    }
}

/* Only one of the others gets the vote of `chosen` from itself: it echoes, and the rest ask for it. */
static bool drop_votes_but_one(struct net *net, int from, int to, uint8_t kind) {
    return kind == AUTHORITY_VOTE && from == net->chosen && to != (net->chosen + 1) % net->n;
}
TEST(authority, a_vote_told_to_one_alone_counts_for_all) {
    for (int chosen = 0; chosen < 4; chosen++) {
        struct net net;
        net_init(&net, 4, 3, 190);
        net.drop = drop_votes_but_one;
        net.chosen = chosen;
        net_run_to(&net, 4, 0);
        CHECK_EQ(3, net_consensuses(&net, 1, 3));
        CHECK_EQ(4, net.last.commitments_n);
        net_free(&net);
    }
}

/* The vote of `chosen` comes after 12/16: too late from itself, and nobody can echo it. */
static bool drop_early(struct net *net, int from, int to, uint8_t kind) {
    (void)to;
    uint64_t at = (net->now - HELP_GENESIS) % NET_EPOCH;
    return kind == AUTHORITY_VOTE && from == net->chosen && at < NET_EPOCH * 12 / 16;
}
TEST(authority, a_vote_that_comes_too_late_counts_for_nobody) {
    struct net net;
    net_init(&net, 4, 3, 200);
    net.drop = drop_early;
    net.chosen = 2;
    net_run_to(&net, 4, 0);
    CHECK_EQ(3, net_consensuses(&net, 1, 3));
    CHECK_EQ(3, net.last.commitments_n);
    CHECK(authority_stats(net.at[0].a).refused > 0);
    net_free(&net);
}

/* --- everything at once --- */

/* Loss, crashes, lost disks, restarts, at times a liar; the net checks after every effect.  When it is over, all agree.
 */
static void storm(uint64_t seed) {
    struct net net;
    struct vl_prng r;
    vl_prng_seed(&r, seed);
    size_t size = vl_prng_below(&r, NET_SIZES);
    net_init(&net, net_sizes[size].n, net_sizes[size].threshold, seed);
    net.loss = (unsigned)vl_prng_below(&r, 60);
    net.delay_max = 1 + vl_prng_below(&r, 250);
    net.lax = true;
    uint64_t lies_from = vl_prng_below(&r, 2) ? 3 + vl_prng_below(&r, 40) : UINT64_MAX;
    for (uint64_t i = 0; i < 64; i++) { /* eighths of an epoch */
        net_run(&net, net.now + NET_EPOCH / 8);
        if (i == lies_from) net_corrupt(&net, (int)vl_prng_below(&r, (uint64_t)net.n));
        int who = (int)vl_prng_below(&r, (uint64_t)net.n);
        if (vl_prng_below(&r, 100) < 25 && who != net.liar) {
            if (net.at[who].a != NULL) {
                net_crash(&net, who);
                if (vl_prng_below(&r, 10) == 0) net_wipe(&net, who);
            } else
                net_start(&net, who);
        }
    }
    if (net.liar >= 0) {
        authority_destroy(net.at[net.liar].twin);
        net.at[net.liar].twin = NULL;
    }
    net.loss = 0;
    net.delay_max = 40;
    for (int i = 0; i < net.n; i++)
        if (net.at[i].a == NULL) net_start(&net, i);
    net_run_to(&net, 11, 0);
    if (net_consensuses(&net, 10, 10) != 1)
        fail_msg("seed %llu: no consensus after the storm", (unsigned long long)seed);
    net_check_all_have(&net, 10);
    net_free(&net);
}
TEST(authority, a_storm_of_loss_crashes_and_lies_breaks_no_promise) {
    const char *one = getenv("SEED");
    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t s = one ? strtoull(one, NULL, 10) : seed;
        print_message("# seed %llu\n", (unsigned long long)s);
        storm(s);
        if (one) break;
    }
}
