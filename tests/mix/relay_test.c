/* What becomes of packets: handed on, delivered, and each way to be dropped. */
#include "mix/relay_rig.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

/* Everything received or made so far was dropped for that reason, or is still here. */
static void only(const struct relay_rig *g, enum relay_drop why, uint64_t n) {
    struct relay_stats s = rig_stats(g);
    for (unsigned i = 0; i < RELAY_DROPS; i++)
        if (s.dropped[i] != (i == why ? n : 0))
            fail_msg("%s: %llu", relay_drop_name((enum relay_drop)i), (unsigned long long)s.dropped[i]);
    rig_check(g);
}
static void pass(struct relay_rig *g, const uint8_t *packet) {
    CHECK_EQ(0, rig_input(g, 1, packet, SPHINX_PACKET));
    rig_flush(g);
}
static struct relay_rig rig(unsigned keys) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    rig_init(&g, &l, 1);
    for (unsigned k = 0; k < keys; k++) rig_key(&g, k, 5000);
    return g;
}

TEST(relay, hands_on_what_the_next_node_can_open) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET], key;
    struct relay_out out;
    (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet);
    CHECK_EQ(0, rig_input(&g, 1, packet, sizeof packet));
    memset(packet, 0, sizeof packet); /* it was copied */
    CHECK(!relay_next(g.r, g.now, &out));
    rig_flush(&g);
    CHECK(relay_next(g.r, g.now, &out));
    CHECK_EQ(RELAY_FORWARD, out.kind);
    CHECK_EQ(RIG_NEXT, out.next);
    memcpy(packet, out.packet, sizeof packet);
    struct sphinx_work w = { .packet = packet };
    CHECK_EQ(SPHINX_OK, sphinx_glance(packet, &g.next, 1, &key));
    sphinx_open(&w, 1, &g.next);
    sphinx_peel(&w, 1);
    CHECK_EQ(SPHINX_OK, w.verdict);
    CHECK_EQ(SPHINX_DROP, w.command);
    relay_gone(g.r, out.handle);
    CHECK(!relay_next(g.r, g.now, &out));
    struct relay_stats s = rig_stats(&g);
    CHECK_EQ(1, s.received);
    CHECK_EQ(1, s.taken);
    CHECK_EQ(1, s.opened);
    CHECK_EQ(1, s.forwarded);
    CHECK_EQ(0, s.delivered);
    CHECK_EQ(2048, s.free_packets);
    rig_free(&g);
}

TEST(relay, delivers_a_body_to_its_recipient_and_a_reply_to_its_mailbox) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET], want[32], type;
    struct vl_span data;
    struct relay_out out;
    memset(want, 0xa5, 32);
    (void)rig_packet(&g, 0, SPHINX_DELIVER, 0, packet);
    pass(&g, packet);
    CHECK(relay_next(g.r, g.now, &out));
    CHECK_EQ(RELAY_DELIVER, out.kind);
    CHECK_EQ(3, out.end.service);
    CHECK_MEM(want, out.end.recipient, 32);
    CHECK_OK(sphinx_body_read(out.packet, &type, &data));
    CHECK_EQ(7, type);
    CHECK_EQ(40, data.n);
    relay_gone(g.r, out.handle);

    (void)rig_packet(&g, 0, SPHINX_REPLY, 0, packet);
    pass(&g, packet);
    CHECK(relay_next(g.r, g.now, &out));
    CHECK_EQ(RELAY_REPLY, out.kind);
    CHECK_MEM(want, out.end.recipient, 32);
    CHECK_EQ(0xc3, out.end.surb_id[15]);
    CHECK(out.packet == relay_packet(g.r, out.handle) + SPHINX_HEADER);
    relay_gone(g.r, out.handle);
    struct relay_stats s = rig_stats(&g);
    CHECK_EQ(2, s.delivered);
    CHECK_EQ(1, s.replied);
    CHECK_EQ(0, s.forwarded);
    only(&g, RELAY_DROP_MAC, 0);
    rig_free(&g);
}

TEST(relay, a_reply_that_comes_back_opens_for_its_owner) {
    struct relay_rig g = rig(1);
    uint8_t body[SPHINX_BODY], back[SPHINX_BODY], packet[SPHINX_PACKET], surb[1][SPHINX_SURB];
    struct sphinx_path path = { .n = 1, .end = { .command = SPHINX_REPLY } };
    struct sphinx_surb_keys keys;
    struct relay_out out;
    uint32_t first;
    path.hop[0] = (struct sphinx_hop){ .node = RIG_NODE, .key_id = g.key[0].key_id };
    memcpy(path.hop[0].key, g.key[0].public, 32);
    CHECK_OK(sphinx_body(1, vl_span_str("an answer"), body));
    CHECK_OK(sphinx_surb_build(&path, 1, 5, &g.rng, surb, &keys));
    CHECK_OK(sphinx_surb_use(surb[0], body, packet, &first));
    CHECK_EQ(RIG_NODE, first);
    pass(&g, packet);
    CHECK(relay_next(g.r, g.now, &out));
    CHECK_OK(sphinx_surb_open(&keys, out.packet, back));
    CHECK_MEM(body, back, sizeof body);
    relay_gone(g.r, out.handle);
    rig_free(&g);
}

TEST(relay, own_packets_go_to_the_node_named_at_once) {
    struct relay_rig g = rig(0);
    uint8_t packet[SPHINX_PACKET] = { 5 };
    struct relay_out out;
    CHECK_EQ(VL_ERANGE, relay_send(g.r, g.now, 0, packet));
    CHECK_OK(relay_send(g.r, g.now, 12, packet));
    CHECK_EQ(g.now, relay_deadline(g.r));
    CHECK(relay_next(g.r, g.now, &out));
    CHECK(out.kind == RELAY_FORWARD && out.next == 12);
    CHECK_MEM(packet, out.packet, sizeof packet);
    relay_gone(g.r, out.handle);
    struct relay_stats s = rig_stats(&g);
    CHECK_EQ(1, s.made);
    CHECK_EQ(1, s.forwarded);
    CHECK_EQ(0, s.received);
    CHECK_EQ(0, s.delay_n);
    rig_free(&g);
}

/* ---- every reason, by a real packet ---- */

TEST(relay_drop, version_suite_and_reserved_bytes) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    static const unsigned at[] = { 0, 1, 3, 7 };
    for (unsigned i = 0; i < 4; i++) {
        (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet);
        packet[at[i]] ^= 1;
        pass(&g, packet);
        only(&g, RELAY_DROP_VERSION, i + 1);
    }
    CHECK_EQ(0, rig_stats(&g).taken);
    rig_free(&g);
}

TEST(relay_drop, a_key_id_that_is_none_of_ours) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    (void)rig_packet(&g, 1, SPHINX_FORWARD, 0, packet); /* not given to the relay */
    pass(&g, packet);
    only(&g, RELAY_DROP_KEY_ID, 1);
    CHECK_EQ(0, rig_stats(&g).taken);
    rig_free(&g);
}

TEST(relay_drop, a_point_of_low_order) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet);
    memset(packet + 8, 0, 32);
    pass(&g, packet);
    only(&g, RELAY_DROP_POINT, 1);
    rig_free(&g);
}

TEST(relay_drop, a_changed_header) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet);
    packet[447] ^= 1;
    pass(&g, packet);
    only(&g, RELAY_DROP_MAC, 1);
    packet[447] ^= 1; /* the forgery did not use up the tag */
    pass(&g, packet);
    only(&g, RELAY_DROP_MAC, 1);
    CHECK_EQ(1, rig_hand_on(&g));
    rig_free(&g);
}

TEST(relay_drop, a_replay_in_the_same_batch_and_in_a_later_one) {
    struct relay_rig g = rig(1);
    uint8_t packet[3][SPHINX_PACKET];
    (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet[0]);
    memcpy(packet[1], packet[0], sizeof packet[0]);
    memcpy(packet[2], packet[0], sizeof packet[0]);
    packet[2][1000] ^= 1; /* the tag is the header's: another payload is the same packet */
    CHECK_EQ(0, rig_input(&g, 1, packet[0], sizeof packet));
    rig_flush(&g);
    only(&g, RELAY_DROP_REPLAY, 2);
    pass(&g, packet[0]);
    only(&g, RELAY_DROP_REPLAY, 3);
    g.now += 3600000;
    pass(&g, packet[0]);
    only(&g, RELAY_DROP_REPLAY, 4);
    CHECK_EQ(1, rig_hand_on(&g));
    rig_free(&g);
}

TEST(relay_drop, an_authentic_slot_with_an_unknown_command) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    rig_forged_slot(&g, 0, packet);
    pass(&g, packet);
    only(&g, RELAY_DROP_COMMAND, 1);
    rig_free(&g);
}

TEST(relay_drop, a_delay_longer_than_any_of_the_consensus) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    (void)rig_packet(&g, 0, SPHINX_FORWARD, UINT16_MAX, packet);
    pass(&g, packet);
    only(&g, RELAY_DROP_COMMAND, 0);
    relay_longest_delay(g.r, 200);
    (void)rig_packet(&g, 0, SPHINX_DELIVER, 200, packet);
    pass(&g, packet);
    only(&g, RELAY_DROP_COMMAND, 0);
    (void)rig_packet(&g, 0, SPHINX_FORWARD, 201, packet);
    pass(&g, packet);
    only(&g, RELAY_DROP_COMMAND, 1);
    CHECK_EQ(2, rig_stats(&g).delayed);
    rig_free(&g);
}

TEST(relay_drop, a_changed_payload_at_its_end) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    (void)rig_packet(&g, 0, SPHINX_DELIVER, 0, packet);
    packet[2047] ^= 1;
    pass(&g, packet);
    only(&g, RELAY_DROP_PAYLOAD, 1);
    rig_free(&g);
}

TEST(relay_drop, what_is_no_multiple_of_a_packet) {
    struct relay_rig g = rig(1);
    uint8_t packet[3][SPHINX_PACKET];
    for (int i = 0; i < 3; i++) (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet[i]);
    CHECK_EQ(0, rig_input(&g, 1, packet[0], 0));
    only(&g, RELAY_DROP_SIZE, 0);
    CHECK_EQ(0, rig_input(&g, 1, packet[0], 2047));
    only(&g, RELAY_DROP_SIZE, 1);
    CHECK_EQ(0, rig_input(&g, 1, packet[0], 2049));
    only(&g, RELAY_DROP_SIZE, 3);
    CHECK_EQ(0, rig_input(&g, 1, packet[0], 3 * 2048 - 1));
    only(&g, RELAY_DROP_SIZE, 6);
    CHECK_EQ(0, rig_input(&g, 1, packet[0], 3 * 2048));
    CHECK_EQ(9, rig_stats(&g).received);
    CHECK_EQ(3, rig_stats(&g).taken);
    rig_free(&g);
}

TEST(relay_drop, what_finds_the_ingress_queue_full) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    l.ingress = 20;
    rig_init(&g, &l, 1);
    rig_key(&g, 0, 100);
    uint8_t packet[SPHINX_PACKET];
    for (unsigned i = 0; i < 22; i++) {
        (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet);
        vl_ms rest = rig_input(&g, 1, packet, sizeof packet);
        CHECK_EQ(i + 1 >= 15, rest != 0); /* told at three quarters */
    }
    only(&g, RELAY_DROP_FULL, 2);
    rig_flush(&g);
    CHECK_EQ(20, rig_hand_on(&g)); /* the first twenty */
    rig_free(&g);
}

TEST(relay_drop, the_earliest_deadline_gives_way_when_no_buffer_is_left) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    uint8_t packet[SPHINX_PACKET] = { 0 };
    struct relay_out out;
    l.packets = l.ingress = 64;
    rig_init(&g, &l, 1);
    rig_key(&g, 0, 100);
    for (uint32_t i = 0; i < 64; i++) CHECK_OK(relay_send(g.r, g.now + i, 1 + i, packet));
    CHECK_EQ(0, rig_stats(&g).free_packets);
    only(&g, RELAY_DROP_FULL, 0);
    g.now += 64;
    CHECK_OK(relay_send(g.r, g.now, 65, packet));
    only(&g, RELAY_DROP_FULL, 1); /* 1 */
    (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet);
    CHECK_EQ(0, rig_input(&g, 1, packet, sizeof packet));
    only(&g, RELAY_DROP_FULL, 2); /* 2 */
    for (uint32_t i = 3; i <= 65; i++) {
        CHECK(relay_next(g.r, g.now, &out));
        CHECK_EQ(i, out.next);
        relay_gone(g.r, out.handle);
    }
    only(&g, RELAY_DROP_FULL, 2);
    rig_free(&g);
}

TEST(relay_drop, a_newcomer_when_every_buffer_is_at_the_door) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    static uint8_t packet[65][SPHINX_PACKET];
    struct relay_batch *b;
    l.packets = l.ingress = 64;
    rig_init(&g, &l, 1);
    rig_key(&g, 0, 100);
    for (int i = 0; i < 65; i++) (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet[i]);
    (void)rig_input(&g, 1, packet[0], 64 * SPHINX_PACKET);
    only(&g, RELAY_DROP_FULL, 0);
    CHECK_EQ(VL_ELIMIT, relay_send(g.r, g.now, 1, packet[0])); /* its maker still has it: not counted */
    only(&g, RELAY_DROP_FULL, 0);
    CHECK((b = relay_batch_take(g.r, g.now)) != NULL);
    CHECK_EQ(0, rig_stats(&g).ingress);
    CHECK_EQ(0, rig_input(&g, 1, packet[64], SPHINX_PACKET)); /* the queue has room, the pool has not */
    only(&g, RELAY_DROP_FULL, 1);
    relay_batch_run(b);
    relay_batch_done(g.r, g.now, b);
    CHECK_EQ(64, rig_hand_on(&g));
    rig_free(&g);
}

TEST(relay_drop, what_the_replay_table_has_no_room_for) {
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    uint8_t packet[SPHINX_PACKET];
    rig_init(&g, &l, 1);
    rig_key(&g, 0, 5);
    for (unsigned i = 0; i < 7; i++) {
        (void)rig_packet(&g, 0, SPHINX_FORWARD, 0, packet);
        pass(&g, packet);
        only(&g, RELAY_DROP_REPLAY_FULL, i < 5 ? 0 : i - 4);
        CHECK_EQ(i >= 4, rig_stats(&g).replay.crowded);
    }
    CHECK_EQ(5, rig_stats(&g).replay.entries);
    CHECK_EQ(2, rig_stats(&g).replay.refused);
    CHECK_EQ(5, rig_hand_on(&g));
    rig_free(&g);
}

TEST(relay_drop, what_waits_for_a_key_that_is_destroyed) {
    struct relay_rig g = rig(2);
    uint8_t packet[5][SPHINX_PACKET];
    for (unsigned i = 0; i < 5; i++) (void)rig_packet(&g, i & 1, SPHINX_FORWARD, 0, packet[i]);
    CHECK_EQ(0, rig_input(&g, 1, packet[0], sizeof packet));
    rig_key_drop(&g, 0);
    only(&g, RELAY_DROP_EPOCH, 3);
    CHECK_EQ(2, rig_stats(&g).ingress);
    rig_flush(&g);
    CHECK_EQ(2, rig_hand_on(&g));
    only(&g, RELAY_DROP_EPOCH, 3);
    rig_free(&g);
}

TEST(relay_drop, what_its_caller_has_no_place_for) {
    static const enum relay_drop why[] = { RELAY_DROP_NO_ROUTE, RELAY_DROP_LINK, RELAY_DROP_RECIPIENT };
    for (int i = 0; i < 3; i++) {
        struct relay_rig g = rig(1);
        uint8_t packet[SPHINX_PACKET];
        struct relay_out out;
        (void)rig_packet(&g, 0, why[i] == RELAY_DROP_RECIPIENT ? SPHINX_DELIVER : SPHINX_FORWARD, 0, packet);
        pass(&g, packet);
        CHECK(relay_next(g.r, g.now, &out));
        relay_drop(g.r, out.handle, why[i]);
        only(&g, why[i], 1);
        CHECK_EQ(2048, rig_stats(&g).free_packets);
        rig_free(&g);
    }
}

TEST(relay_drop, cover_that_has_come_to_its_end) {
    struct relay_rig g = rig(1);
    uint8_t packet[SPHINX_PACKET];
    (void)rig_packet(&g, 0, SPHINX_DROP, 0, packet);
    pass(&g, packet);
    only(&g, RELAY_DROP_COVER, 1);
    CHECK_EQ(0, rig_hand_on(&g));
    rig_free(&g);
}

TEST(relay_drop, every_reason_has_a_name_of_its_own) {
    for (unsigned i = 0; i < RELAY_DROPS; i++)
        for (unsigned k = 0; k < i; k++)
            CHECK(strcmp(relay_drop_name((enum relay_drop)i), relay_drop_name((enum relay_drop)k)) != 0);
}

/* ---- floods ---- */

TEST(relay, garbage_costs_a_glance_and_no_key_exchange) {
    struct relay_rig g;
    struct relay_limits l = relay_limits_default();
    static uint8_t packet[100][SPHINX_PACKET];
    rig_init(&g, &l, 1);
    rig_key(&g, 0, 100);
    for (unsigned i = 0; i < 100; i++) {
        rig_garbage(&g, 0, packet[i]);
        if (i & 1)
            packet[i][0] ^= 1;
        else
            packet[i][2] ^= 0x80;
    }
    for (unsigned i = 0; i < 1000; i++, g.now += 5) /* at a rate that the buckets let through */
        CHECK_EQ(0, rig_input(&g, 1, packet[0], sizeof packet));
    rig_flush(&g);
    struct relay_stats s = rig_stats(&g);
    CHECK_EQ(100000, s.received);
    CHECK_EQ(50000, s.dropped[RELAY_DROP_VERSION]);
    CHECK_EQ(50000, s.dropped[RELAY_DROP_KEY_ID]);
    CHECK_EQ(0, s.taken);
    CHECK_EQ(0, s.opened);
    CHECK_EQ(0, s.batches);
    rig_free(&g);
}

TEST(relay, garbage_under_our_key_id_costs_no_more_key_exchanges_than_the_links_bucket_holds) {
    struct relay_rig g;
    struct relay_limits l = relay_limits_default();
    static uint8_t packet[100][SPHINX_PACKET];
    l.link_burst = 300;
    rig_init(&g, &l, 1);
    rig_key(&g, 0, 100);
    for (unsigned i = 0; i < 100; i++) rig_garbage(&g, 0, packet[i]);
    for (unsigned i = 0; i < 1000; i++) {
        CHECK_EQ(i >= 1, rig_input(&g, 1, packet[0], sizeof packet) != 0);
        (void)rig_batches(&g);
    }
    rig_flush(&g);
    struct relay_stats s = rig_stats(&g);
    CHECK_EQ(300, s.opened);
    CHECK_EQ(300, s.dropped[RELAY_DROP_MAC]);
    CHECK_EQ(99700, s.dropped[RELAY_DROP_RATE]);
    rig_free(&g);
}
