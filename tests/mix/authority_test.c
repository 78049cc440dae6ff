#include "mix/authority.h"

#include "crypto/hash.h"
#include "mix/authority_priv.h"
#include "wire/pack.h"

#include "authority_net.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

/* --- the normal case --- */

TEST(authority, all_agree_on_one_consensus_for_each_epoch_in_time) {
    for (size_t s = 0; s < NET_SIZES; s++) {
        struct net net;
        net_init(&net, net_sizes[s].n, net_sizes[s].threshold, 1);
        net_run_to(&net, 5, 31);
        CHECK_EQ(5, net_consensuses(&net, 1, 5));
        net_check_all_have(&net, 5);
        for (uint64_t e = 1; e <= 5; e++) {
            CHECK(net.first[e] >= mix_epoch_start(&net.charter, e) - NET_EPOCH * 2 / 16);
            CHECK(net.first[e] < mix_epoch_start(&net.charter, e) - NET_EPOCH / 16);
        }
        for (int i = 0; i < net.n; i++) {
            struct authority_stats st = authority_stats(net.at[i].a);
            CHECK_EQ(5, st.consensuses);
            CHECK_EQ(5, st.epoch);
            CHECK_EQ(0, st.failed_epochs);
            CHECK_EQ(5 * (net.n - 1), st.votes);
            CHECK_EQ(5 * (net.relays + net.clients), st.descriptors);
            CHECK_EQ(5, net.at[i].published);
        }
        CHECK_EQ(0, net.accusations);
        net_free(&net);
    }
}

TEST(authority, the_consensus_lists_who_handed_in_a_descriptor) {
    struct net net;
    net_init(&net, 4, 3, 2);
    net_run_to(&net, 3, 0);
    const struct mix_consensus *c = &net.last;
    unsigned layer[3] = { 0 };
    CHECK_EQ(2, c->epoch);
    CHECK_EQ(net.relays, c->relays_n);
    CHECK_EQ(net.clients, c->clients_n);
    CHECK_EQ(net.relays + 1, c->next_number);
    CHECK_EQ(4, c->commitments_n);
    for (uint32_t k = 0; k < net.relays; k++) {
        struct mix_descriptor d = help_relay(k, 2);
        const struct mix_relay *r = mix_relay_by_node(c, d.node);
        CHECK(r != NULL);
        CHECK_MEM(d.mix_key, r->mix_key, 32); /* of this epoch */
        CHECK_MEM(d.vrf_key, r->vrf_key, 32);
        CHECK_STR(d.addr, r->addr);
        CHECK_EQ(d.bandwidth, r->bandwidth);
        CHECK_EQ(510, r->reputation); /* lower median of 500, 510, 520, 530 */
        layer[r->layer]++;
    }
    for (size_t i = 0; i < 3; i++) CHECK_EQ(2, layer[i]);
    for (uint32_t k = 0; k < net.clients; k++) {
        struct mix_descriptor d = help_client(k, 2, (k + net.relays) % net.relays);
        const struct mix_client *m = mix_client_by_node(c, d.node);
        CHECK(m != NULL);
        CHECK_EQ(mix_relay_by_node(c, d.provider)->number, m->provider);
    }
    net_free(&net);
}

TEST(authority, numbers_stay_with_their_nodes_and_are_never_given_twice) {
    struct net net;
    net_init(&net, 3, 2, 3);
    net.relays = 4;
    net.clients = 0;
    net_run_to(&net, 3, 0);
    uint32_t number[8];
    for (uint32_t k = 0; k < 4; k++) number[k] = mix_relay_by_node(&net.last, help_relay(k, 1).node)->number;
    net.relays = 7; /* newcomers */
    net_run_to(&net, 4, 0);
    CHECK_EQ(7, net.last.relays_n);
    for (uint32_t k = 0; k < 4; k++) CHECK_EQ(number[k], mix_relay_by_node(&net.last, help_relay(k, 1).node)->number);
    const struct mix_relay *r = net.last.relays; /* the new ones ascend by node */
    CHECK(memcmp(r[4].node.b, r[5].node.b, 32) < 0 && memcmp(r[5].node.b, r[6].node.b, 32) < 0);
    CHECK_EQ(5, r[4].number);
    uint32_t last = 0; /* the one with the highest number, which must not be free again */
    while (!vl_node_eq(help_relay(last, 1).node, net.owner[7])) last++;
    net.only[last] = 1u << 31; /* silent for epoch 5 */
    net_run_to(&net, 6, 0);
    CHECK(mix_relay_by_node(&net.last, net.owner[7]) == NULL);
    CHECK_EQ(6, net.last.relays_n);
    CHECK_EQ(8, net.last.next_number);
    net.only[last] = 0;
    net_run_to(&net, 7, 0);
    CHECK_EQ(8, mix_relay_by_node(&net.last, net.owner[7])->number);
    net_free(&net);
}

TEST(authority, layers_are_drawn_anew_for_each_epoch_and_balanced) {
    struct net net;
    uint8_t before[20] = { 0 };
    unsigned moved = 0;
    net_init(&net, 3, 2, 4);
    net.relays = 20;
    net.clients = 0;
    for (uint64_t e = 1; e <= 4; e++) {
        unsigned layer[3] = { 0 };
        net_run_to(&net, e + 1, 0);
        CHECK_EQ(20, net.last.relays_n);
        for (uint32_t k = 0; k < 20; k++) {
            uint8_t l = net.last.relays[k].layer;
            layer[l]++;
            moved += e > 1 && l != before[k];
            before[k] = l;
        }
        for (size_t i = 0; i < 3; i++) CHECK(layer[i] == 6 || layer[i] == 7);
    }
    CHECK(moved > 20 && moved < 60); /* 40 of 60 expected */
    net_free(&net);
}

TEST(authority, parameters_are_the_lower_median_of_the_votes) {
    struct net net;
    net_init(&net, 4, 3, 5);
    for (int i = 0; i < 4; i++) {
        net_crash(&net, i);
        net.at[i].cfg.anonymity_floor = 10u * (uint32_t)(i + 1);
        net.at[i].cfg.tolerance_permille = (uint16_t)(2000 - 100 * i);
        net.at[i].cfg.delay_ms[7] = (uint16_t)(i == 0 ? 65535 : 2000);
        net_start(&net, i);
    }
    net_run_to(&net, 2, 0);
    CHECK_EQ(1, net.last.epoch);
    CHECK_EQ(20, net.last.anonymity_floor);
    CHECK_EQ(1800, net.last.tolerance_permille);
    CHECK_EQ(2000, net.last.delay_ms[7]);
    net_free(&net);
}

/* The rules of computing are part of the protocol: all authorities must change them at once. */
TEST(authority, computes_these_bytes_on_every_machine) {
    struct net net;
    struct vl_hash h;
    net_init(&net, 4, 3, 6);
    net_run_to(&net, 4, 0);
    crypto_blake2b256(vl_span(net.hash[1], 3 * 32), &h);
    static const uint8_t want[8] = { 0x30, 0x86, 0xc9, 0xa6, 0x06, 0x1c, 0xf6, 0x44 };
    if (memcmp(h.b, want, 8) != 0)
        fail_msg("%02x%02x%02x%02x%02x%02x%02x%02x", h.b[0], h.b[1], h.b[2], h.b[3], h.b[4], h.b[5], h.b[6], h.b[7]);
    net_free(&net);
}

/* --- loss, crashes, late starts --- */

TEST(authority, thirty_percent_loss_costs_no_epoch) {
    for (size_t s = 0; s < NET_SIZES; s++) {
        struct net net;
        net_init(&net, net_sizes[s].n, net_sizes[s].threshold, 10 + s);
        net.loss = 30;
        net_run_to(&net, 21, 0);
        if (net_consensuses(&net, 1, 20) != 20) fail_msg("n=%d: %u of 20", net.n, net_consensuses(&net, 1, 20));
        net_check_all_have(&net, 20);
        net_free(&net);
    }
}

TEST(authority, one_that_crashed_is_not_missed) {
    for (size_t s = 0; s < NET_SIZES; s++) {
        struct net net;
        net_init(&net, net_sizes[s].n, net_sizes[s].threshold, 20 + s);
        net_run_to(&net, 2, 0);
        net_crash(&net, net.n - 1);
        net_run_to(&net, 6, 0);
        CHECK_EQ(5, net_consensuses(&net, 1, 5));
        CHECK_EQ(net.n - 1, net.last.commitments_n);
        net_start(&net, net.n - 1); /* from the consensus of epoch 1 */
        net_run_to(&net, 7, 0);
        net_check_all_have(&net, 6);
        CHECK_EQ(net.n, net.last.commitments_n);
        net_free(&net);
    }
}

TEST(authority, fewer_than_the_threshold_make_no_consensus_and_say_so) {
    struct net net;
    net_init(&net, 4, 3, 30);
    net_run_to(&net, 3, 0);
    net_crash(&net, 0);
    net_crash(&net, 1);
    net_run_to(&net, 7, 1);
    CHECK_EQ(2, net_consensuses(&net, 1, 6));
    struct authority_stats st = authority_stats(net.at[2].a);
    CHECK_EQ(4, st.failed_epochs);
    CHECK_EQ(4, st.failed_votes);
    CHECK_EQ(0, st.failed_documents + st.failed_signatures);
    CHECK_EQ(2, st.epoch);
    net_start(&net, 0);
    net_run_to(&net, 8, 0);
    CHECK_EQ(1, net_consensuses(&net, 7, 7)); /* goes on from epoch 2: the net checks the chain */
    CHECK_MEM(net.hash[2], net.previous[7], 32);
    CHECK_EQ(4, authority_stats(net.at[2].a).failed_epochs);
    net_free(&net);
}

static bool drop_signatures(struct net *net, int from, int to, uint8_t kind) {
    (void)net, (void)from, (void)to;
    return kind == AUTHORITY_SIGNATURE || kind == AUTHORITY_HAVE;
}
TEST(authority, an_epoch_without_signatures_is_told_apart) {
    struct net net;
    net_init(&net, 3, 2, 31);
    net.drop = drop_signatures;
    net_run_to(&net, 3, 1);
    CHECK_EQ(2, authority_stats(net.at[0].a).failed_signatures);
    CHECK_EQ(2, authority_stats(net.at[0].a).failed_epochs);
    net.drop = NULL;
    net_run_to(&net, 4, 0);
    CHECK_EQ(1, net_consensuses(&net, 1, 3));
    net_free(&net);
}

TEST(authority, one_that_starts_late_in_any_phase_learns_the_chain_and_joins) {
    for (uint32_t step = 0; step < 32; step += 3) {
        struct net net;
        net_init(&net, 4, 3, 40 + step);
        net_crash(&net, 2);
        net_wipe(&net, 2);
        net_run_to(&net, 3, step);
        net_start(&net, 2);
        net_run_to(&net, 3, 22);
        if (step <= 16) CHECK_EQ(2, net.vote[2].previous_epoch); /* it knows of the chain when it votes */
        net_run_to(&net, 5, 0);
        CHECK_EQ(4, net_consensuses(&net, 1, 4));
        net_check_all_have(&net, 4);
        CHECK_EQ(4, net.last.commitments_n); /* its vote counts again */
        CHECK_EQ(step >= 20 && step < 24, authority_stats(net.at[2].a).withheld);
        net_free(&net);
    }
}

TEST(authority, works_from_before_genesis_on) {
    struct net net;
    net_init(&net, 3, 2, 45);
    for (int i = 0; i < 3; i++) net_crash(&net, i);
    net.now = HELP_GENESIS - 10000;
    net.next_members = HELP_GENESIS; /* as for epoch 1 */
    for (int i = 0; i < 3; i++) {
        net_start(&net, i);
        authority_tick(net.at[i].a, net.now);
        CHECK_EQ(HELP_GENESIS, authority_deadline(net.at[i].a));
    }
    net_run_to(&net, 3, 0);
    CHECK_EQ(2, net_consensuses(&net, 1, 2));
    net_free(&net);
}

/* --- the shared random value --- */

static void shared_random(const struct net *net, const uint8_t before[32], uint64_t epoch, uint32_t mask,
                          uint8_t ret[32]) {
    static const char domain[] = "village-mix-shared-random-1:";
    struct vl_buf b;
    struct vl_hash h;
    vl_buf_init(&b, 4096);
    struct pack w = pack_begin(&b);
    pack_bytes(&w, domain, strlen(domain));
    pack_bytes(&w, before, 32);
    pack_u64(&w, epoch);
    for (int i = 0; i < net->n; i++) {
        if ((mask >> i & 1u) == 0) continue;
        pack_bytes(&w, net->charter.authority[i].node.b, 32);
        pack_bytes(&w, net->vote[i].reveal, 32);
    }
    CHECK_OK(pack_end(&w));
    crypto_blake2b256(vl_span(b.p, b.len), &h);
    memcpy(ret, h.b, 32);
    vl_buf_free(&b);
}

TEST(shared_random, comes_from_the_shares_that_were_committed_to) {
    struct net net;
    uint8_t before[32], want[32], step[32], commitment[4][32];
    net_init(&net, 4, 3, 210);
    net_run_to(&net, 3, 0);
    for (int i = 0; i < 4; i++) memcpy(commitment[i], net.vote[i].commitment, 32);
    memcpy(before, net.last.shared_random, 32);
    net_run_to(&net, 4, 0);
    shared_random(&net, before, 3, 15, want);
    CHECK_MEM(want, net.last.shared_random, 32);
    for (int i = 0; i < 4; i++) {
        mix_share_step(net.vote[i].reveal, step);
        CHECK_MEM(commitment[i], step, 32);
        CHECK(memcmp(net.vote[i].reveal, net.vote[(i + 1) % 4].reveal, 32) != 0);
    }
    net_free(&net);
}

/* Whoever is bound by the share of one epoch is so by that of the next, but where a chain ends; not all end at once. */
TEST(shared_random, shares_lie_on_chains_that_end_at_different_epochs) {
    struct net net;
    unsigned ends[3] = { 0 }, together = 0;
    net_init(&net, 3, 2, 215);
    for (uint64_t e = 1; e <= 1024; e++) {
        unsigned here = 0;
        for (int i = 0; i < 3; i++) {
            uint8_t share[32], next[32];
            authority_share(net.at[i].a, e, share);
            authority_share(net.at[i].a, e + 1, next);
            CHECK(memcmp(share, next, 32) != 0);
            mix_share_step(next, next);
            bool end = memcmp(share, next, 32) != 0;
            ends[i] += end;
            here += end;
        }
        together += here == 3;
    }
    for (int i = 0; i < 3; i++) CHECK_EQ(2, ends[i]);
    CHECK_EQ(0, together);
    net_free(&net);
}

TEST(shared_random, leaves_out_a_share_that_was_not_committed_to) {
    struct net net;
    uint8_t before[32], want[32];
    net_init(&net, 4, 3, 220);
    net_run_to(&net, 3, 0);
    memcpy(before, net.last.shared_random, 32);
    net_crash(&net, 2);
    net.at[2].cfg.seed[5] ^= 1; /* another seed: another share than it is bound to */
    net_start(&net, 2);
    net_run_to(&net, 4, 0);
    CHECK_EQ(4, net.last.commitments_n); /* its vote counts */
    shared_random(&net, before, 3, 0xb, want);
    CHECK_MEM(want, net.last.shared_random, 32);
    memcpy(before, net.last.shared_random, 32);
    net_run_to(&net, 5, 0); /* bound to the new one now */
    shared_random(&net, before, 4, 15, want);
    CHECK_MEM(want, net.last.shared_random, 32);
    net_free(&net);
}

/* Shares shown in epochs that failed are public: those of the next epoch must not follow from them, and still be bound.
 */
TEST(shared_random, stays_bound_over_epochs_that_failed) {
    struct net net;
    uint8_t before[32], want[32], shown[32];
    net_init(&net, 3, 3, 230);
    net_run_to(&net, 3, 0);
    memcpy(before, net.last.shared_random, 32);
    net_crash(&net, 0);
    net_run_to(&net, 7, 0);
    CHECK_EQ(0, net_consensuses(&net, 3, 6));
    memcpy(shown, net.vote[1].reveal, 32);
    net_start(&net, 0);
    net_run_to(&net, 8, 0);
    CHECK_EQ(7, net.last.epoch);
    CHECK(memcmp(shown, net.vote[1].reveal, 32) != 0);
    shared_random(&net, before, 7, 7, want);
    CHECK_MEM(want, net.last.shared_random, 32);
    net_free(&net);
}

/* --- descriptors --- */

TEST(authority, a_node_is_listed_when_more_than_half_of_all_authorities_list_it) {
    struct net net;
    net_init(&net, 4, 3, 240);
    net.only[0] = 0x3; /* two of four: no majority */
    net.only[1] = 0x7; /* three: the fourth asks for the descriptor */
    net.only[2] = 0x8;
    net_run_to(&net, 3, 0);
    CHECK_EQ(2, net_consensuses(&net, 1, 2));
    CHECK_EQ(4, net.last.relays_n);
    CHECK(mix_relay_by_node(&net.last, help_relay(0, 1).node) == NULL);
    CHECK(mix_relay_by_node(&net.last, help_relay(1, 1).node) != NULL);
    CHECK(mix_relay_by_node(&net.last, help_relay(2, 1).node) == NULL);
    net_check_all_have(&net, 2);
    CHECK_EQ(2, net.at[3].published);
    CHECK(net.message[AUTHORITY_WANT].len > 0);
    net_free(&net);
}

static enum vl_err hand(struct authority *a, vl_ms now, struct vl_node_id from, const struct mix_descriptor *d) {
    struct vl_buf m;
    uint8_t kind = AUTHORITY_DESCRIPTOR;
    vl_buf_init(&m, 1024);
    CHECK_OK(vl_buf_append(&m, &kind, 1));
    CHECK_OK(mix_descriptor_encode(d, &m));
    enum vl_err err = authority_recv(a, now, from, 500, vl_span(m.p, m.len));
    vl_buf_free(&m);
    return err;
}

TEST(authority, takes_one_descriptor_of_a_node_for_the_epoch_that_comes) {
    struct net net;
    net_init(&net, 3, 2, 250);
    struct authority *a = net.at[0].a;
    vl_ms now = mix_epoch_start(&net.charter, 4);
    struct mix_descriptor d = help_relay(1, 5), late = help_relay(2, 5), old = help_relay(1, 4), far = help_relay(1, 6);
    struct crypto_sign_key key = help_key(1001);
    CHECK_EQ(VL_ESTALE, hand(a, now, d.node, &old));
    CHECK_EQ(VL_ERANGE, hand(a, now, d.node, &far));
    CHECK_EQ(VL_EDENIED, hand(a, now, late.node, &d));                     /* of somebody else */
    CHECK_EQ(VL_EDENIED, hand(a, now, net.charter.authority[1].node, &d)); /* hearsay, even of an authority */
    CHECK_OK(hand(a, now, d.node, &d));
    CHECK_OK(hand(a, now, d.node, &d)); /* repeated, as links lose */
    CHECK_EQ(1, authority_stats(a).descriptors);
    struct mix_descriptor other = d;
    other.rate++;
    CHECK_OK(mix_descriptor_sign(&other, &key));
    CHECK_EQ(VL_EEXISTS, hand(a, now, d.node, &other));
    vl_ms vote = now + NET_EPOCH * 10 / 16;
    CHECK_EQ(VL_ESTALE, hand(a, vote, late.node, &late));
    CHECK_OK(hand(a, vote, d.node, &d));
    CHECK_OK(hand(a, vote - 1 + NET_EPOCH, d.node, &far)); /* the next one */
    CHECK_EQ(2, authority_stats(a).descriptors);
    CHECK_EQ(6, authority_stats(a).refused);
    net_free(&net);
}

TEST(authority, an_authority_that_is_a_relay_too_has_one_descriptor_as_well) {
    struct net net;
    net_init(&net, 3, 2, 255);
    struct authority *a = net.at[0].a;
    struct mix_descriptor d = help_relay(1, 1);
    d.node = net.charter.authority[1].node;
    CHECK_OK(mix_descriptor_sign(&d, &net.key[1]));
    CHECK_OK(hand(a, net.now, d.node, &d));
    d.rate++;
    CHECK_OK(mix_descriptor_sign(&d, &net.key[1]));
    CHECK_EQ(VL_EEXISTS, hand(a, net.now, d.node, &d));
    CHECK_EQ(1, authority_stats(a).descriptors);
    net_free(&net);
}

TEST(authority, a_flood_of_newcomers_leaves_room_for_those_that_were_there) {
    struct net net;
    net_init(&net, 3, 2, 260);
    net.relays = 10;
    net.clients = 0;
    net_run_to(&net, 1, 31);
    CHECK_EQ(10, net.last.relays_n);
    struct authority *a = net.at[0].a;
    vl_ms now = mix_epoch_start(&net.charter, 1); /* nobody has handed in anything for epoch 2 */
    uint32_t taken = 0, refused = 0;
    for (uint32_t i = 100; i < 400; i++) {
        struct mix_descriptor d = help_relay(i, 2);
        enum vl_err err = hand(a, now, d.node, &d);
        CHECK(err == VL_OK || err == VL_ELIMIT);
        taken += err == VL_OK;
        refused += err == VL_ELIMIT;
    }
    CHECK_EQ(MIX_RELAYS_MAX - 10, taken);
    CHECK_EQ(300 - taken, refused);
    for (uint32_t i = 0; i < 10; i++) {
        struct mix_descriptor d = help_relay(i, 2);
        CHECK_OK(hand(a, now, d.node, &d));
    }
    net_free(&net);
}

TEST(authority, a_full_village_fits) {
    struct net net;
    net_init(&net, 3, 2, 270);
    net.relays = 1;
    net.clients = 0;
    net_run_to(&net, 2, 1);
    for (uint32_t i = 0; i < MIX_CLIENTS_MAX + 3; i++) {
        struct mix_descriptor d = help_client(i, 2, 0);
        for (int k = 0; k < 3; k++)
            CHECK_EQ(i < MIX_CLIENTS_MAX ? VL_OK : VL_ELIMIT, hand(net.at[k].a, net.now, d.node, &d));
    }
    net_run_to(&net, 3, 0);
    CHECK_EQ(2, net.last.epoch);
    CHECK_EQ(MIX_CLIENTS_MAX, net.last.clients_n);
    net_free(&net);
}

/* --- the chain --- */

/* `chosen` gets no consensus before the votes, so its vote names none; then it must ask for what the others go on from.
 */
static bool drop_news(struct net *net, int from, int to, uint8_t kind) {
    (void)from;
    uint64_t at = (net->now - HELP_GENESIS) % NET_EPOCH;
    return to == net->chosen && kind == AUTHORITY_CONSENSUS && at < NET_EPOCH * 11 / 16;
}
TEST(authority, the_consensus_that_most_votes_name_is_gone_on_from) {
    struct net net;
    net_init(&net, 5, 4, 280);
    net_run_to(&net, 3, 0);
    net_crash(&net, 4);
    net_crash(&net, 3); /* four are needed: `chosen` must sign as well */
    net_wipe(&net, 4);
    net.drop = drop_news;
    net.chosen = 4;
    net_start(&net, 4);
    net_run_to(&net, 4, 0);
    CHECK_EQ(0, net.vote[4].previous_epoch);
    CHECK_EQ(1, net_consensuses(&net, 3, 3)); /* chained to epoch 2: checked by the net */
    net_check_all_have(&net, 3);
    net_free(&net);
}

TEST(authority, one_that_names_an_older_consensus_than_most_is_not_followed) {
    struct net net;
    net_init(&net, 4, 4, 281);
    net_run_to(&net, 2, 0);
    struct vl_buf old;
    vl_buf_init(&old, MIX_DOC_MAX + 1);
    CHECK_OK(vl_buf_append(&old, net.at[3].consensus.p, net.at[3].consensus.len));
    net_run_to(&net, 3, 0);
    net_crash(&net, 3);
    vl_buf_clear(&net.at[3].consensus);
    CHECK_OK(vl_buf_append(&net.at[3].consensus, old.p, old.len)); /* as from a backup */
    vl_buf_free(&old);
    net.drop = drop_news;
    net.chosen = 3;
    net_start(&net, 3);
    net_run_to(&net, 4, 0);
    CHECK_EQ(1, net.vote[3].previous_epoch);
    CHECK_EQ(1, net_consensuses(&net, 3, 3)); /* chained to epoch 2: checked by the net */
    net_check_all_have(&net, 3);
    net_free(&net);
}

/* Epoch 3 is known to `chosen` alone when all vote, and to the others before they compute: the votes decide. */
static bool drop_to_others(struct net *net, int from, int to, uint8_t kind) {
    (void)from;
    return to != net->chosen && net->now < mix_epoch_start(&net->charter, 3) + NET_EPOCH * 21 / 32 &&
           net->now > mix_epoch_start(&net->charter, 2) + NET_EPOCH * 22 / 32 &&
           (kind == AUTHORITY_SIGNATURE || kind == AUTHORITY_CONSENSUS || kind == AUTHORITY_HAVE);
}
TEST(authority, a_consensus_learned_after_the_vote_is_not_gone_on_from_before_the_next) {
    struct net net;
    net_init(&net, 3, 2, 282);
    net.lax = true;
    net.drop = drop_to_others;
    net.chosen = 0;
    net_run_to(&net, 4, 21);
    CHECK_EQ(3, net_consensuses(&net, 1, 3));
    CHECK_EQ(3, net.vote[0].previous_epoch);
    CHECK_EQ(2, net.vote[1].previous_epoch);
    CHECK_EQ(2, net.vote[2].previous_epoch);
    uint8_t have[41] = { AUTHORITY_HAVE, [8] = 3 };
    memcpy(have + 9, net.hash[3], 32);
    for (int to = 1; to < 3; to++)
        CHECK_OK(authority_recv(net.at[to].a, net.now, net.charter.authority[0].node, 0, vl_span(have, sizeof have)));
    net_run_to(&net, 4, 27);
    CHECK_EQ(3, authority_consensus(net.at[1].a)->epoch);
    net_run_to(&net, 5, 0);
    CHECK_EQ(1, net_consensuses(&net, 4, 4));
    CHECK_MEM(net.hash[2], net.previous[4], 32);
    net_check_all_have(&net, 4);
    net_free(&net);
}

/* Two of three lost their disks, and hear of the chain only by the vote of the third. */
static bool drop_chain(struct net *net, int from, int to, uint8_t kind) {
    (void)from, (void)to;
    uint64_t at = (net->now - HELP_GENESIS) % NET_EPOCH;
    return kind == AUTHORITY_HAVE && at < NET_EPOCH * 11 / 16;
}
TEST(authority, to_know_of_no_consensus_is_no_vote_against_one) {
    struct net net;
    net_init(&net, 3, 2, 285);
    net_run_to(&net, 3, 0);
    for (int i = 0; i < 2; i++) {
        net_crash(&net, i);
        net_wipe(&net, i);
        net_start(&net, i);
    }
    net.drop = drop_chain;
    net_run_to(&net, 4, 0);
    CHECK_EQ(0, net.vote[0].previous_epoch + net.vote[1].previous_epoch);
    CHECK_EQ(1, net_consensuses(&net, 3, 3));
    CHECK_MEM(net.hash[2], net.previous[3], 32);
    net_free(&net);
}

/* The one who boasts has it not: at 15/16 the others go on without. */
TEST(authority, a_previous_consensus_that_nobody_can_show_holds_up_nobody) {
    struct net net;
    net_init(&net, 4, 3, 286);
    struct mix_vote v = { .epoch = 1 };
    struct crypto_sign_key *key = &net.key[3];
    struct vl_buf m;
    uint8_t kind = AUTHORITY_VOTE;
    net_crash(&net, 3);
    net_run_to(&net, 3, 20);
    CHECK_EQ(2, net_consensuses(&net, 1, 2));
    for (int i = 0; i < 3; i++) { /* nobody knows of one any more, but for the liar */
        net_crash(&net, i);
        net_wipe(&net, i);
    }
    memset(net.hash, 0, sizeof net.hash);
    memset(net.owner, 0, sizeof net.owner);
    net_run_to(&net, 4, 0);
    for (int i = 0; i < 3; i++) net_start(&net, i);
    net_run_to(&net, 4, 20);
    memcpy(v.delay_ms, net.vote[0].delay_ms, sizeof v.delay_ms);
    v.epoch = 4;
    v.previous_epoch = 3;
    memset(v.previous, 7, 32);
    vl_buf_init(&m, 4096);
    CHECK_OK(vl_buf_append(&m, &kind, 1));
    CHECK_OK(mix_vote_sign(&v, &net.charter, key, &m));
    for (int i = 0; i < 3; i++)
        CHECK_OK(authority_recv(net.at[i].a, net.now, net.charter.authority[3].node, 0, vl_span(m.p, m.len)));
    vl_buf_free(&m);
    net_run_to(&net, 4, 30);
    CHECK_EQ(0, net_consensuses(&net, 4, 4));
    net_run_to(&net, 5, 0);
    CHECK_EQ(1, net_consensuses(&net, 4, 4));
    CHECK_EQ(4, net.last.commitments_n);
    net_free(&net);
}

TEST(authority, a_consensus_under_the_former_charter_is_gone_on_from) {
    struct net net;
    net_init(&net, 3, 2, 290);
    net_run_to(&net, 3, 0);
    struct mix_charter former = net.charter;
    net.charter.number = 2;
    net.charter.threshold = 3;
    CHECK_OK(mix_charter_sign(&net.charter, &net.root));
    for (int i = 0; i < 3; i++) {
        net_crash(&net, i);
        net.at[i].cfg.charter = net.charter;
        struct authority *a = NULL;
        CHECK_OK(authority_create(&net.at[i].cfg, net.now, &a));
        struct vl_buf *m = &net.at[i].consensus;
        CHECK_EQ(VL_ECRYPTO, authority_restore(a, net.now, vl_span(m->p + 1, m->len - 1)));
        authority_destroy(a);
        net.at[i].cfg.former = former;
        vl_buf_clear(&net.at[i].state);
        net_start(&net, i);
    }
    net_run_to(&net, 4, 0);
    CHECK_EQ(1, net_consensuses(&net, 3, 3));
    CHECK_MEM(net.hash[2], net.previous[3], 32);
    net_free(&net);
}

/* --- who may say what --- */

TEST(authority, is_only_made_for_a_key_of_the_charter) {
    struct net net;
    struct authority *a = NULL;
    net_init(&net, 3, 2, 300);
    struct authority_config cfg = net.at[0].cfg;
    cfg.key = &net.root;
    CHECK_EQ(VL_EDENIED, authority_create(&cfg, net.now, &a));
    cfg = net.at[0].cfg;
    cfg.delay_ms[3] = cfg.delay_ms[2];
    CHECK_EQ(VL_ERANGE, authority_create(&cfg, net.now, &a));
    cfg = net.at[0].cfg;
    cfg.former = cfg.charter;
    cfg.former.epoch_ms++;
    CHECK_EQ(VL_ERANGE, authority_create(&cfg, net.now, &a));
    cfg = net.at[0].cfg;
    cfg.charter.epoch_ms = 0;
    CHECK_EQ(VL_ERANGE, authority_create(&cfg, net.now, &a));
    CHECK(a == NULL);
    net_free(&net);
}

TEST(authority, messages_between_authorities_are_refused_from_others_and_when_cut) {
    struct net net;
    net_init(&net, 4, 3, 310);
    net.only[1] = 0x7; /* so that somebody asks */
    net_corrupt(&net, 0);
    net_run_to(&net, 3, 30);
    for (uint8_t kind = AUTHORITY_DESCRIPTOR; kind <= AUTHORITY_HAVE; kind++) {
        const struct vl_buf *m = &net.message[kind];
        int to = (net.sender[kind] + 1) % 4;
        if (to == 0) to = 1;
        CHECK(kind == AUTHORITY_CONSENSUS || m->len > 0);
        if (m->len == 0) continue;
        struct vl_node_id from = net.charter.authority[net.sender[kind]].node, outsider = help_relay(30, 1).node;
        if (kind != AUTHORITY_DESCRIPTOR) /* its own test */
            CHECK_EQ(VL_EDENIED, authority_recv(net.at[to].a, net.now, outsider, 0, vl_span(m->p, m->len)));
        for (size_t n = 0; n < m->len; n++) {
            uint8_t *cut = malloc(n ? n : 1);
            CHECK(cut != NULL);
            memcpy(cut, m->p, n);
            CHECK(authority_recv(net.at[to].a, net.now, from, 0, vl_span(cut, n)) != VL_OK);
            free(cut);
        }
    }
    uint8_t unknown[3] = { 77 };
    CHECK_EQ(VL_EPARSE, authority_recv(net.at[1].a, net.now, net.charter.authority[2].node, 0, vl_span(unknown, 3)));
    net_free(&net);
}

TEST(authority, votes_and_echoes_of_another_epoch_are_refused) {
    struct net net;
    net_init(&net, 4, 3, 320);
    net_run_to(&net, 3, 27);
    struct authority *fresh = NULL;
    static const uint8_t kinds[] = { AUTHORITY_VOTE, AUTHORITY_ECHO };
    for (size_t i = 0; i < 2; i++) {
        const struct vl_buf *m = &net.message[kinds[i]];
        int to = (net.sender[kinds[i]] + 1) % 4;
        struct vl_node_id from = net.charter.authority[net.sender[kinds[i]]].node;
        CHECK_OK(authority_create(&net.at[to].cfg, net.now - NET_EPOCH, &fresh));
        CHECK_EQ(VL_ERANGE, authority_recv(fresh, net.now - NET_EPOCH, from, 0, vl_span(m->p, m->len)));
        CHECK_EQ(VL_ESTALE, authority_recv(fresh, net.now + NET_EPOCH, from, 0, vl_span(m->p, m->len)));
        authority_destroy(fresh);
    }
    net_free(&net);
}

TEST(authority, a_boast_of_a_newer_consensus_does_not_keep_it_from_asking_the_others) {
    struct net net;
    struct authority *fresh = NULL;
    struct authority_effect e;
    net_init(&net, 4, 3, 325);
    net_run_to(&net, 5, 0);
    CHECK_OK(authority_create(&net.at[0].cfg, net.now, &fresh));
    uint8_t boast[41] = { AUTHORITY_HAVE, [8] = 5, [9] = 1 }, truth[41] = { AUTHORITY_HAVE, [8] = 4 };
    memcpy(truth + 9, net.hash[4], 32);
    uint32_t asked[4] = { 0 };
    for (uint32_t step = 0; step < 6; step++) {
        vl_ms now = net.now + NET_EPOCH * step / 32;
        authority_tick(fresh, now);
        for (int from = 1; from < 4; from++) /* the liar is always first */
            CHECK_OK(authority_recv(fresh, now, net.charter.authority[from].node, 0,
                                    vl_span(from == 1 ? boast : truth, 41)));
        while (authority_next(fresh, &e)) asked[mix_charter_find(&net.charter, e.to)]++;
    }
    for (int from = 1; from < 4; from++) CHECK_EQ(2, asked[from]);
    authority_destroy(fresh);
    net_free(&net);
}

TEST(authority, answers_only_so_many_questions_of_one_authority_in_a_step) {
    struct net net;
    struct authority_effect e;
    net_init(&net, 3, 2, 330);
    net_run_to(&net, 3, 2);
    struct authority *a = net.at[0].a;
    uint8_t want[4 + 32] = { AUTHORITY_WANT, 3, 0, 1 };
    memcpy(want + 4, net.hash[2], 32);
    uint32_t answers = 0, refused = 0;
    for (int i = 0; i < 20; i++) {
        enum vl_err err = authority_recv(a, net.now, net.charter.authority[1].node, 0, vl_span(want, sizeof want));
        CHECK(err == VL_OK || err == VL_ELIMIT);
        refused += err == VL_ELIMIT;
        while (authority_next(a, &e)) answers += e.kind == AUTHORITY_SEND && e.bytes.p[0] == AUTHORITY_CONSENSUS;
    }
    CHECK_EQ(8, answers);
    CHECK_EQ(12, refused);
    net_run_to(&net, 3, 4);
    CHECK_OK(authority_recv(a, net.now, net.charter.authority[1].node, 0, vl_span(want, sizeof want)));
    net_free(&net);
}
