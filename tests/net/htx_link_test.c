/* Handshake, verdict, sessions, streams and their ends, between two endpoints on a perfect transport. */
#include "htx_pair.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

static void up(struct pair *p, enum htx_pattern pattern) {
    pair_init(p, NULL, NULL);
    pair_dial(p, pattern, false);
    CHECK_EQ(1, p->side[0].seen[HTX_SESSION_UP]);
    CHECK_EQ(1, p->side[1].seen[HTX_SESSION_UP]);
}

TEST(htx, comes_up_with_each_pattern_and_shows_who_the_peer_is) {
    for (unsigned pattern = HTX_XX; pattern <= HTX_IK; pattern++) {
        struct pair p;
        up(&p, (enum htx_pattern)pattern);
        struct vl_node_id a = htx_node_id(p.side[0].ep), b = htx_node_id(p.side[1].ep);
        CHECK(vl_node_eq(a, p.side[1].last[HTX_CONN_UP].node) && vl_node_eq(b, p.side[0].last[HTX_CONN_UP].node));
        CHECK(vl_node_eq(a, p.side[1].last[HTX_SESSION_UP].node));
        CHECK_EQ(0x1122334455667788u, p.side[1].last[HTX_CONN_UP].capabilities);
        CHECK_EQ(26, p.side[1].certificate_n);
        CHECK_MEM("certificate of the dialler", p.side[1].certificate, 26);
        CHECK_MEM("cert B", p.side[0].certificate, 6);
        CHECK(!p.side[0].last[HTX_SESSION_UP].resumed);
        struct htx_session_info info;
        CHECK_OK(htx_session_info(p.side[0].ep, p.side[0].session, &info));
        CHECK(info.dialled && info.rtt_ms == 0);
        CHECK_OK(htx_session_info(p.side[1].ep, p.side[1].session, &info));
        CHECK(!info.dialled);
        pair_free(&p);
    }
}

TEST(htx, comes_up_with_chachapoly) {
    struct htx_config a = pair_config(0);
    a.suite = HTX_CHACHAPOLY_SHA256;
    struct pair p;
    pair_init(&p, &a, NULL);
    pair_dial(&p, HTX_XK, false);
    CHECK_EQ(1, p.side[1].seen[HTX_SESSION_UP]);
    pair_free(&p);
}

TEST(htx, delivers_messages_of_every_size_whole_and_in_order) {
    static const size_t sizes[] = { 0,     1,     255,   1000,  16359, 16360,  16361,         16384,
                                    20000, 32720, 32721, 65536, 65537, 262143, VL_MESSAGE_MAX };
    struct pair p;
    up(&p, HTX_XK);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    CHECK_EQ(1, stream);
    uint8_t *data = malloc(VL_MESSAGE_MAX);
    for (size_t i = 0; i < VL_MESSAGE_MAX; i++) data[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pair_send(&p, 0, stream, data, sizes[i]);
        if (i % 3 == 2) pair_pump(&p);
    }
    pair_pump(&p);
    CHECK_EQ(sizeof sizes / sizeof *sizes, p.side[1].seen[HTX_MESSAGE]);
    size_t at = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(at + 4 + sizes[i] <= p.side[1].got[1].len);
        CHECK_EQ(sizes[i], vl_get_u32(p.side[1].got[1].p + at));
        CHECK(sizes[i] == 0 || memcmp(data, p.side[1].got[1].p + at + 4, sizes[i]) == 0);
        at += 4 + sizes[i];
    }
    free(data);
    pair_free(&p);
}

TEST(htx, joins_the_parts_of_a_message_and_refuses_one_byte_too_many) {
    struct pair p;
    up(&p, HTX_XK);
    uint32_t stream = pair_open(&p, 0, HTX_HIGH);
    struct vl_span parts[] = { vl_span_str("ab"), vl_span(NULL, 0), vl_span_str("cde"), vl_span(NULL, 0) };
    CHECK_OK(htx_send(p.side[0].ep, p.side[0].session, stream, p.now, parts, 4));
    uint8_t *big = calloc(1, VL_MESSAGE_MAX);
    struct vl_span too_big[] = { vl_span(big, VL_MESSAGE_MAX), vl_span(big, 1) };
    CHECK_EQ(VL_ERANGE, htx_send(p.side[0].ep, p.side[0].session, stream, p.now, too_big, 2));
    free(big);
    pair_pump(&p);
    CHECK_EQ(1, p.side[1].seen[HTX_MESSAGE]);
    CHECK_MEM("\0\0\0\5abcde", p.side[1].got[1].p, 9);
    pair_free(&p);
}

TEST(htx, numbers_streams_odd_for_the_dialler_and_even_for_the_other) {
    struct pair p;
    up(&p, HTX_XX);
    CHECK_EQ(1, pair_open(&p, 0, HTX_NORMAL));
    CHECK_EQ(2, pair_open(&p, 1, HTX_NORMAL));
    CHECK_EQ(3, pair_open(&p, 0, HTX_NORMAL));
    CHECK_EQ(4, pair_open(&p, 1, HTX_NORMAL));
    pair_send(&p, 1, 4, "x", 1); /* opens 2 as well */
    pair_pump(&p);
    CHECK_EQ(2, p.side[0].seen[HTX_STREAM_OPENED]);
    CHECK_EQ(4, p.side[0].last[HTX_STREAM_OPENED].stream);
    pair_free(&p);
}

TEST(htx, a_stream_ends_when_both_sides_closed_and_its_memory_goes) {
    struct pair p;
    up(&p, HTX_XK);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    pair_send(&p, 0, stream, "last words", 10);
    CHECK_OK(htx_close_stream(p.side[0].ep, p.side[0].session, stream, p.now));
    CHECK_EQ(VL_ECLOSED, htx_close_stream(p.side[0].ep, p.side[0].session, stream, p.now));
    struct vl_span part = vl_span_str("no");
    CHECK_EQ(VL_ECLOSED, htx_send(p.side[0].ep, p.side[0].session, stream, p.now, &part, 1));
    pair_pump(&p);
    CHECK_EQ(1, p.side[1].seen[HTX_MESSAGE]);
    CHECK_EQ(1, p.side[1].seen[HTX_STREAM_CLOSED]);
    pair_send(&p, 1, stream, "answer", 6); /* the other direction is still open */
    CHECK_OK(htx_close_stream(p.side[1].ep, p.side[1].session, stream, p.now));
    pair_pump(&p);
    CHECK_EQ(1, p.side[0].seen[HTX_MESSAGE]);
    CHECK_EQ(1, p.side[0].seen[HTX_STREAM_CLOSED]);
    struct htx_session_info info;
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(htx_session_info(p.side[i].ep, p.side[i].session, &info));
        CHECK_EQ(0, info.streams);
        CHECK_EQ(0, info.queued_bytes);
    }
    CHECK_EQ(VL_ENOTFOUND, htx_close_stream(p.side[1].ep, p.side[1].session, stream, p.now));
    pair_free(&p);
}

TEST(htx, a_reset_ends_both_directions_and_tells_the_code) {
    struct pair p;
    up(&p, HTX_XK);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    pair_send(&p, 0, stream, "hello", 5);
    pair_pump(&p);
    pair_send(&p, 0, stream, "never seen", 10);
    CHECK_OK(htx_reset_stream(p.side[0].ep, p.side[0].session, stream, p.now, 777));
    CHECK_EQ(VL_ENOTFOUND, htx_reset_stream(p.side[0].ep, p.side[0].session, stream, p.now, 777));
    pair_pump(&p);
    CHECK_EQ(1, p.side[1].seen[HTX_MESSAGE]);
    CHECK_EQ(1, p.side[1].seen[HTX_STREAM_RESET]);
    CHECK_EQ(777, p.side[1].last[HTX_STREAM_RESET].reason);
    CHECK_EQ(0, p.side[0].seen[HTX_STREAM_RESET]);
    struct htx_session_info info;
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(htx_session_info(p.side[i].ep, p.side[i].session, &info));
        CHECK_EQ(0, info.streams);
    }
    pair_free(&p);
}

TEST(htx, opens_128_streams_and_no_more_until_one_has_ended) {
    struct pair p;
    up(&p, HTX_XK);
    uint32_t stream = 0;
    for (unsigned i = 0; i < HTX_STREAMS_MAX; i++) pair_send(&p, 0, pair_open(&p, 0, HTX_NORMAL), "x", 1);
    CHECK_EQ(VL_ELIMIT, htx_open(p.side[0].ep, p.side[0].session, HTX_NORMAL, &stream));
    CHECK_EQ(0, stream);
    pair_pump(&p);
    CHECK_EQ(HTX_STREAMS_MAX, p.side[1].seen[HTX_STREAM_OPENED]);
    CHECK_OK(htx_reset_stream(p.side[0].ep, p.side[0].session, 7, p.now, 0));
    pair_pump(&p);
    CHECK_EQ(2 * HTX_STREAMS_MAX + 1, pair_open(&p, 0, HTX_NORMAL));
    pair_free(&p);
}

TEST(htx, a_denied_peer_learns_it_and_gets_no_session) {
    struct pair p;
    pair_init(&p, NULL, NULL);
    p.side[1].deny = true;
    pair_dial(&p, HTX_XK, false);
    CHECK_EQ(0, p.side[1].seen[HTX_SESSION_UP]);
    CHECK_EQ(HTX_DENIED, p.side[1].last[HTX_CONN_CLOSE].reason);
    CHECK_EQ(1, p.side[0].seen[HTX_SESSION_LOST]);
    CHECK_EQ(HTX_DENIED, p.side[0].last[HTX_SESSION_LOST].reason);
    CHECK_EQ(HTX_DENIED, p.side[0].last[HTX_CONN_CLOSE].reason);
    pair_free(&p);
}

TEST(htx, takes_no_record_before_the_verdict) {
    struct pair p;
    pair_init(&p, NULL, NULL);
    p.side[1].no_verdict = true;
    pair_dial(&p, HTX_XK, false);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    pair_send(&p, 0, stream, "early", 5);
    pair_pump(&p);
    CHECK_EQ(0, p.side[1].seen[HTX_MESSAGE]);
    CHECK(p.side[1].in.len > 0);
    CHECK_OK(htx_admit(p.side[1].ep, p.side[1].conn, p.now, true));
    CHECK_EQ(VL_ESTATE, htx_admit(p.side[1].ep, p.side[1].conn, p.now, true));
    pair_pump(&p);
    CHECK_EQ(1, p.side[1].seen[HTX_MESSAGE]);
    pair_free(&p);
}

TEST(htx, closing_a_session_tells_the_peer_the_reason) {
    struct pair p;
    up(&p, HTX_XK);
    uint32_t session = p.side[0].session;
    CHECK_OK(htx_close(p.side[0].ep, session, p.now, 300));
    CHECK_EQ(VL_ENOTFOUND, htx_close(p.side[0].ep, session, p.now, 300));
    pair_pump(&p);
    CHECK_EQ(0, p.side[0].seen[HTX_SESSION_LOST]);
    CHECK_EQ(1, p.side[0].seen[HTX_CONN_CLOSE]);
    CHECK_EQ(1, p.side[1].seen[HTX_SESSION_LOST]);
    CHECK_EQ(300, p.side[1].last[HTX_SESSION_LOST].reason);
    CHECK_EQ(1, p.side[1].seen[HTX_CONN_CLOSE]);
    pair_free(&p);
}

TEST(htx, goaway_stops_new_streams_of_the_peer_only) {
    struct pair p;
    up(&p, HTX_XK);
    CHECK_OK(htx_goaway(p.side[0].ep, p.side[0].session, 9));
    pair_pump(&p);
    CHECK_EQ(9, p.side[1].last[HTX_PEER_GOING_AWAY].reason);
    uint32_t stream = 0;
    CHECK_EQ(VL_ECLOSED, htx_open(p.side[1].ep, p.side[1].session, HTX_NORMAL, &stream));
    CHECK_OK(htx_open(p.side[0].ep, p.side[0].session, HTX_NORMAL, &stream));
    pair_free(&p);
}

TEST(htx, carries_datagrams_while_attached_and_sixty_four_at_most) {
    struct pair p;
    up(&p, HTX_XK);
    static uint8_t data[HTX_DATAGRAM_MAX + 1];
    CHECK_EQ(VL_ERANGE, htx_datagram(p.side[0].ep, p.side[0].session, p.now, vl_span(data, sizeof data)));
    for (int i = 0; i < 64; i++)
        CHECK_OK(htx_datagram(p.side[0].ep, p.side[0].session, p.now, vl_span(data, i == 0 ? HTX_DATAGRAM_MAX : 0)));
    CHECK_EQ(VL_EAGAIN, htx_datagram(p.side[0].ep, p.side[0].session, p.now, vl_span(data, 1)));
    pair_pump(&p);
    CHECK_EQ(64, p.side[1].seen[HTX_DATAGRAM]);
    pair_cut(&p);
    CHECK_EQ(VL_EAGAIN, htx_datagram(p.side[0].ep, p.side[0].session, p.now, vl_span(data, 1)));
    pair_free(&p);
}

TEST(htx, echo_from_the_borrowed_message_works_for_all_kinds_of_buffer) {
    struct pair p;
    up(&p, HTX_XK);
    p.side[1].echo = true;
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    CHECK_OK(htx_tune(p.side[0].ep, p.side[0].session, stream, HTX_NORMAL, true));
    static uint8_t data[100000];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)("abcdefgh"[i % 8] + i / 4000);
    pair_send(&p, 0, stream, data, sizeof data); /* compressed */
    CHECK_OK(htx_tune(p.side[0].ep, p.side[0].session, stream, HTX_NORMAL, false));
    pair_send(&p, 0, stream, data, sizeof data); /* reassembled */
    pair_send(&p, 0, stream, data, 77);          /* in one record */
    pair_pump(&p);
    CHECK_EQ(3, p.side[0].seen[HTX_MESSAGE]);
    const uint8_t *got = p.side[0].got[1].p;
    CHECK_MEM(data, got + 4, sizeof data);
    CHECK_MEM(data, got + 8 + sizeof data, sizeof data);
    CHECK_MEM(data, got + 12 + 2 * sizeof data, 77);
    pair_free(&p);
}

TEST(htx, compresses_only_what_gains_an_eighth_and_only_when_told) {
    struct pair p;
    up(&p, HTX_XK);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    static uint8_t text[60000], noise[60000];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t) "the quick brown fox "[i % 20];
        x = x * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(x >> 24);
    }
    struct htx_stats before, after;
    for (int round = 0; round < 4; round++) { /* text plain, text, noise, a short one */
        htx_stats(p.side[0].ep, &before);
        CHECK_OK(htx_tune(p.side[0].ep, p.side[0].session, stream, HTX_NORMAL, round > 0));
        pair_send(&p, 0, stream, round == 2 ? noise : text, round == 3 ? 255 : sizeof text);
        pair_pump(&p);
        htx_stats(p.side[0].ep, &after);
        uint64_t wire = after.tx_wire_bytes - before.tx_wire_bytes;
        if (round == 0 || round == 2) CHECK(wire > 60000);
        if (round == 1) CHECK(wire < 6000);
        if (round == 3) CHECK(wire > 255);
    }
    CHECK_EQ(4, p.side[1].seen[HTX_MESSAGE]);
    CHECK_MEM(text, p.side[1].got[1].p + 4 + 60004, sizeof text);
    pair_free(&p);
}
