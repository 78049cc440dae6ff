/* Malformed, forged, replayed, cut short, too much: what hostile peers and paths do. */
#include "htx_pair.h"
#include "htx_raw.h"

#include "check.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#define CRC HTX_FLAG_CRC

static const struct {
    uint8_t type, flags;
    uint32_t stream, seq;
    size_t n;
    uint32_t reason; /* HTX_NORMAL_END: allowed */
} frames[] = {
    { HTX_T_DATA, 0, 0, 1, 1, HTX_PROTOCOL },
    { HTX_T_DATA, 0, 1, 0, 1, HTX_PROTOCOL },
    { HTX_T_DATA, HTX_FLAG_MORE, 1, 1, 0, HTX_PROTOCOL },
    { HTX_T_DATA, CRC, 1, 1, 1, HTX_PROTOCOL },
    { HTX_T_DATA, 0, 2, 1, 1, HTX_PROTOCOL },
    { HTX_T_DATA, HTX_FLAG_LZ4, 1, 1, 4, HTX_PROTOCOL },
    { HTX_T_DATA, 0, 1, 1025, 1, HTX_LIMIT },
    { HTX_T_DATA, 0, 1, 1024, 1, HTX_NORMAL_END },
    { HTX_T_DATA, 0, 2 * 160 + 1, 1, 1, HTX_LIMIT },
    { HTX_T_DATA, 0, 2 * 160 - 1, 1, 1, HTX_NORMAL_END },
    { HTX_T_ACK, 0, 0, 0, 8, HTX_PROTOCOL },
    { HTX_T_ACK, 0, 1, 0, 7, HTX_PROTOCOL },
    { HTX_T_WINDOW, 0, 0, 0, 9, HTX_PROTOCOL },
    { HTX_T_WINDOW, 0, 0, 1, 8, HTX_PROTOCOL },
    { HTX_T_WINDOW, HTX_FLAG_MORE, 0, 0, 8, HTX_PROTOCOL },
    { HTX_T_PING, 0, 0, 0, 0, HTX_PROTOCOL },
    { HTX_T_PING, 0, 1, 0, 8, HTX_PROTOCOL },
    { HTX_T_PONG, 0, 0, 0, 8, HTX_NORMAL_END },
    { HTX_T_CLOSE, 0, 1, 1, 3, HTX_PROTOCOL },
    { HTX_T_RESET, 0, 0, 0, 4, HTX_PROTOCOL },
    { HTX_T_DATAGRAM, 0, 1, 0, 4, HTX_PROTOCOL },
    { HTX_T_DATAGRAM, 0, 0, 0, HTX_DATAGRAM_MAX + 1, HTX_PROTOCOL },
    { HTX_T_SETTINGS, 0, 0, 0, 0, HTX_PROTOCOL },
    { HTX_T_GOAWAY, 0, 0, 0, 3, HTX_PROTOCOL },
    { HTX_T_RESUME, 0, 0, 0, 36, HTX_PROTOCOL },
    { HTX_T_KEYUPDATE, 0, 0, 0, 1, HTX_PROTOCOL },
    { 13, 0, 0, 0, 0, HTX_PROTOCOL },
    { 127, 0, 0, 0, 0, HTX_PROTOCOL },
    { 128, 15 & ~CRC, 9, 9, 100, HTX_NORMAL_END },
    { 255, 0, 0, 0, 0, HTX_NORMAL_END },
    { HTX_T_PAD, 0, 0, 0, 1000, HTX_NORMAL_END },
};

TEST(htx_hostile, ends_the_session_at_each_malformed_frame_and_only_then) {
    static const uint8_t zeros[HTX_PLAIN_MAX];
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct raw r;
        raw_up(&r, NULL, true);
        raw_frame(&r, frames[i].type, frames[i].flags, frames[i].stream, frames[i].seq, zeros, frames[i].n);
        raw_send(&r);
        bool bad = frames[i].reason != HTX_NORMAL_END;
        if (r.seen[HTX_SESSION_LOST] != bad) print_error("frame %zu\n", i);
        CHECK_EQ(bad, r.seen[HTX_SESSION_LOST]);
        if (bad) {
            CHECK_EQ(frames[i].reason, r.last[HTX_SESSION_LOST].reason);
            CHECK_EQ(1, r.frames[HTX_T_CLOSE]); /* and the peer is told why */
            CHECK_EQ(frames[i].reason, r.value[HTX_T_CLOSE]);
        }
        raw_down(&r);
    }
}

TEST(htx_hostile, refuses_a_frame_header_that_lies) {
    for (int i = 0; i < 4; i++) {
        struct raw r;
        raw_up(&r, NULL, true);
        raw_frame(&r, HTX_T_PAD, 0, 0, 0, "abc", 3);
        if (i == 0) r.plain[0] ^= 1;      /* magic */
        if (i == 1) r.plain[2] = 0x20;    /* version */
        if (i == 2) r.plain[7] = 4;       /* longer than the record */
        if (i == 3) r.n = HTX_HEADER - 1; /* shorter than a header */
        raw_send(&r);
        CHECK_EQ(HTX_PROTOCOL, r.last[HTX_SESSION_LOST].reason);
        raw_down(&r);
    }
}

TEST(htx_hostile, refuses_first_frames_other_than_settings_and_resume) {
    for (uint8_t type = 0; type < HTX_T_KNOWN; type++) {
        struct raw r;
        static const uint8_t zeros[64];
        size_t n = type == HTX_T_CLOSE || type == HTX_T_RESET || type == HTX_T_GOAWAY ? 4
                   : type == HTX_T_RESUME                                             ? 36
                   : type == HTX_T_KEYUPDATE || type == HTX_T_SETTINGS                ? 0
                                                                                      : 8;
        raw_up(&r, NULL, false);
        raw_frame(&r, type, 0, type <= HTX_T_ACK ? 1 : 0, type == HTX_T_DATA, zeros, n);
        raw_send(&r);
        bool fine = type == HTX_T_SETTINGS || type == HTX_T_RESUME || type == HTX_T_KEYUPDATE || type == HTX_T_PAD;
        CHECK_EQ(!fine, r.seen[HTX_CONN_CLOSE]);
        if (type == HTX_T_RESUME) CHECK_EQ(HTX_UNKNOWN_SESSION, r.value[HTX_T_RESET]);
        raw_down(&r);
    }
}

TEST(htx_hostile, a_damaged_or_replayed_record_ends_the_connection_and_keeps_the_session) {
    for (int replay = 0; replay < 2; replay++) {
        struct raw r;
        uint8_t wire[100];
        raw_up(&r, NULL, true);
        raw_frame(&r, HTX_T_PAD, 0, 0, 0, NULL, 0);
        CHECK_OK(htx_record_seal(&r.tx, r.plain, r.n, wire));
        if (replay)
            raw_give(&r, wire, r.n + 18);
        else
            wire[10] ^= 1;
        CHECK_EQ(0, r.seen[HTX_CONN_CLOSE]);
        raw_give(&r, wire, r.n + 18);
        CHECK_EQ(HTX_CRYPTO, r.last[HTX_CONN_CLOSE].reason);
        CHECK_EQ(1, r.seen[HTX_SESSION_DETACHED]);
        CHECK_EQ(0, r.seen[HTX_SESSION_LOST]);
        size_t used;
        CHECK_EQ(VL_ECLOSED, htx_input(r.ep, r.conn, r.now, wire, 1, &used));
        raw_down(&r);
    }
}

TEST(htx_hostile, refuses_records_of_impossible_length) {
    static const uint16_t lengths[] = { 0, 1, 16, HTX_PLAIN_MAX + HTX_TAG + 1, 65535 };
    static uint8_t junk[70000];
    for (size_t i = 0; i < 5; i++) {
        struct raw r;
        raw_up(&r, NULL, true);
        vl_put_u16(junk, lengths[i]);
        raw_give(&r, junk, i % 2 ? 2 : 2 + lengths[i]);
        if (r.seen[HTX_CONN_CLOSE] == 0) raw_give(&r, junk + 2, lengths[i]);
        CHECK_EQ(HTX_CRYPTO, r.last[HTX_CONN_CLOSE].reason);
        raw_down(&r);
    }
}

TEST(htx_hostile, puts_frames_in_order_and_reports_the_gap) {
    struct raw r;
    raw_up(&r, NULL, true);
    raw_frame(&r, HTX_T_DATA, 0, 1, 1, "1", 1);
    raw_frame(&r, HTX_T_DATA, 0, 1, 5, "5", 1);
    raw_frame(&r, HTX_T_DATA, 0, 1, 3, "3", 1);
    raw_frame(&r, HTX_T_DATA, 0, 1, 3, "X", 1); /* doubled */
    raw_frame(&r, HTX_T_DATA, HTX_FLAG_ACKREQ, 1, 1, "Y", 1);
    raw_send(&r);
    CHECK_EQ(1, r.seen[HTX_MESSAGE]);
    CHECK_EQ(1, r.newest[HTX_T_ACK].seq);
    CHECK_EQ(5, r.value[HTX_T_ACK]); /* 3 and 5: bits 0 and 2 above seq + 2 */
    raw_frame(&r, HTX_T_DATA, HTX_FLAG_MORE, 1, 2, "2", 1);
    raw_send(&r); /* 2 begins a message that 3 ends */
    CHECK_EQ(2, r.seen[HTX_MESSAGE]);
    raw_frame(&r, HTX_T_DATA, HTX_FLAG_ACKREQ, 1, 4, "4", 1);
    raw_send(&r);
    CHECK_EQ(4, r.seen[HTX_MESSAGE]);
    CHECK_EQ(5, r.got.len);
    CHECK_MEM("12345", r.got.p, 5);
    CHECK_EQ(5, r.newest[HTX_T_ACK].seq);
    CHECK_EQ(0, r.value[HTX_T_ACK]);
    raw_down(&r);
}

TEST(htx_hostile, keeps_a_bounded_amount_of_frames_ahead_of_a_gap) {
    struct raw r;
    static const uint8_t data[16000];
    raw_up(&r, NULL, true);
    for (uint32_t seq = 2; seq < 18; seq++) { /* 256,000 of 262,144 bytes */
        raw_frame(&r, HTX_T_DATA, 0, 1, seq, data, sizeof data);
        raw_send(&r);
    }
    CHECK_EQ(0, r.seen[HTX_CONN_CLOSE]);
    raw_frame(&r, HTX_T_DATA, 0, 3, 2, data, 6200);
    raw_send(&r);
    CHECK_EQ(HTX_LIMIT, r.last[HTX_SESSION_LOST].reason);
    raw_down(&r);
}

TEST(htx_hostile, ends_the_session_at_the_first_byte_past_the_credit) {
    for (int more = 0; more < 2; more++) {
        struct raw r;
        static const uint8_t data[HTX_FRAGMENT_MAX];
        raw_up(&r, NULL, true);
        raw_frame(&r, HTX_T_DATA, 0, 1, 1, "", 0);
        raw_send(&r);
        CHECK_OK(htx_hold(r.ep, r.session, 1, true));
        size_t left = HTX_WINDOW_STREAM;
        for (uint32_t seq = 2; left > 0; seq++) {
            size_t n = left < sizeof data ? left : sizeof data;
            raw_frame(&r, HTX_T_DATA, 0, 1, seq, data, n);
            raw_send(&r);
            left -= n;
        }
        CHECK_EQ(0, r.seen[HTX_SESSION_LOST]);
        if (more) CHECK_OK(htx_hold(r.ep, r.session, 1, false)); /* renewed */
        raw_frame(&r, HTX_T_DATA, 0, 1, 100, data, 1);
        raw_send(&r);
        CHECK_EQ(!more, r.seen[HTX_SESSION_LOST]);
        if (!more) CHECK_EQ(HTX_LIMIT, r.last[HTX_SESSION_LOST].reason);
        raw_down(&r);
    }
}

TEST(htx_hostile, allows_eight_unfinished_messages_and_no_message_past_its_limit) {
    struct raw r;
    static const uint8_t data[HTX_FRAGMENT_MAX];
    raw_up(&r, NULL, true);
    for (uint32_t i = 0; i < 9; i++) {
        CHECK_EQ(0, r.seen[HTX_SESSION_LOST]);
        raw_frame(&r, HTX_T_DATA, HTX_FLAG_MORE, 2 * i + 1, 1, "x", 1);
        raw_send(&r);
    }
    CHECK_EQ(HTX_LIMIT, r.last[HTX_SESSION_LOST].reason);
    raw_down(&r);
    raw_up(&r, NULL, true);
    for (uint32_t seq = 1; seq < 17; seq++) {
        raw_frame(&r, HTX_T_DATA, HTX_FLAG_MORE, 1, seq, data, sizeof data);
        raw_send(&r);
    }
    raw_frame(&r, HTX_T_DATA, HTX_FLAG_MORE, 1, 17, data, VL_MESSAGE_MAX - 16 * sizeof data);
    raw_send(&r);
    CHECK_EQ(0, r.seen[HTX_SESSION_LOST]);
    raw_frame(&r, HTX_T_DATA, 0, 1, 18, data, 1);
    raw_send(&r);
    CHECK_EQ(HTX_LIMIT, r.last[HTX_SESSION_LOST].reason);
    raw_down(&r);
}

TEST(htx_hostile, refuses_compression_bombs_and_broken_blocks) {
    static char zeros[VL_MESSAGE_MAX + 1], block[4096];
    int n = LZ4_compress_default(zeros, block + 4, VL_MESSAGE_MAX, sizeof block - 4);
    CHECK(n > 0);
    for (int i = 0; i < 6; i++) {
        struct raw r;
        uint32_t raw_size = VL_MESSAGE_MAX;
        size_t len = (size_t)n + 4;
        raw_up(&r, NULL, true);
        if (i == 1) raw_size++; /* past the limit */
        if (i == 2) raw_size--; /* more comes out than was said */
        if (i == 3) raw_size = 0;
        if (i == 4) len = 900; /* cut, and 291:1 */
        if (i == 5) block[n / 2] ^= 0x55;
        vl_put_u32((uint8_t *)block, raw_size);
        raw_frame(&r, HTX_T_DATA, HTX_FLAG_LZ4, 1, 1, block, len);
        raw_send(&r);
        if (i == 0) CHECK_EQ(VL_MESSAGE_MAX, r.got.len);
        if (i > 0 && i < 5) CHECK_EQ(HTX_PROTOCOL, r.last[HTX_SESSION_LOST].reason);
        raw_down(&r);
    }
}

TEST(htx_hostile, answers_a_flood_of_pings_once) {
    struct raw r;
    raw_up(&r, NULL, true);
    for (int i = 0; i < 400; i++) raw_u64(&r, HTX_T_PING, 0, 0, (uint64_t)i);
    raw_send(&r);
    CHECK_EQ(1, r.frames[HTX_T_PONG]);
    CHECK_EQ(399, r.value[HTX_T_PONG]);
    raw_down(&r);
}

TEST(htx_hostile, refuses_acks_of_what_was_never_sent) {
    struct raw r;
    uint32_t stream = 0;
    raw_up(&r, NULL, true);
    CHECK_OK(htx_open(r.ep, r.session, HTX_NORMAL, &stream));
    struct vl_span part = vl_span_str("x");
    CHECK_OK(htx_send(r.ep, r.session, stream, r.now, &part, 1));
    raw_u64(&r, HTX_T_ACK, stream, 1, 0); /* queued, not yet sent */
    raw_send(&r);
    CHECK_EQ(HTX_PROTOCOL, r.last[HTX_SESSION_LOST].reason);
    raw_down(&r);
}

TEST(htx_hostile, a_resume_of_another_node_finds_nothing) {
    struct pair p;
    pair_init(&p, NULL, NULL);
    pair_dial(&p, HTX_XK, false);
    struct htx_session *s = htx_session_of(p.side[1].ep, p.side[1].session);
    pair_cut(&p);
    /* the id is right, the node is not */
    struct vl_node_id node = s->node;
    s->node.b[0] ^= 1;
    pair_dial(&p, HTX_CHOOSE, true);
    s->node = node;
    CHECK_EQ(HTX_UNKNOWN_SESSION, p.side[0].last[HTX_SESSION_LOST].reason);
    pair_free(&p);
}

/* -- the path before the keys ---------------------------------------------------------------------------------------
 */

TEST(htx_hostile, answers_a_foreign_preface_with_its_own_and_closes) {
    static const uint8_t prefaces[][8] = {
        { 'G', 'E', 'T', ' ', '/', ' ', 'H', 'T' }, { 'H', 'T', 'X', '1', 2, 2, 1, 0 },
        { 'H', 'T', 'X', '1', 1, 4, 1, 0 },         { 'H', 'T', 'X', '1', 1, 0, 1, 0 },
        { 'H', 'T', 'X', '1', 1, 2, 3, 0 },         { 'H', 'T', 'X', '1', 1, 2, 1, 1 }
    };
    for (size_t i = 0; i < 6; i++) {
        struct pair p;
        static uint8_t buf[HTX_RECORD_WIRE_MAX];
        size_t used;
        pair_init(&p, NULL, NULL);
        CHECK_OK(htx_accept(p.side[1].ep, p.now, &p.side[1].conn));
        CHECK_OK(htx_input(p.side[1].ep, p.side[1].conn, p.now, prefaces[i], 8, &used));
        pair_drain_events(&p, 1);
        CHECK_EQ(HTX_VERSION, p.side[1].last[HTX_CONN_CLOSE].reason);
        CHECK_EQ(8, htx_output(p.side[1].ep, p.side[1].conn, p.now, buf, sizeof buf));
        CHECK_MEM("HTX1\1\1\1\0", buf, 8);
        pair_free(&p);
    }
}

/* Carries the handshake by hand; byte `at` of what the side `who` says is changed by `flip`.  True: both sessions up.
 */
static bool flipped(enum htx_pattern pattern, unsigned who, size_t at, uint8_t flip, size_t *ret_said) {
    struct pair p;
    uint8_t key[32];
    static uint8_t buf[HTX_OUTPUT_GOOD];
    pair_init(&p, NULL, NULL);
    htx_static_public(p.side[1].ep, key);
    struct htx_dial dial = { .peer_static = pattern == HTX_XX ? NULL : key, .pattern = pattern };
    CHECK_OK(htx_dial(p.side[0].ep, p.now, &dial, &p.side[0].conn));
    CHECK_OK(htx_accept(p.side[1].ep, p.now, &p.side[1].conn));
    size_t said[2] = { 0, 0 };
    for (int round = 0; round < 8; round++)
        for (unsigned i = 0; i < 2; i++) {
            size_t n = htx_output(p.side[i].ep, p.side[i].conn, p.now, buf, sizeof buf), used = 1;
            if (i == who && at >= said[i] && at < said[i] + n) buf[at - said[i]] ^= flip;
            said[i] += n;
            for (size_t k = 0; k < n && used > 0; k += used) {
                if (htx_input(p.side[1 - i].ep, p.side[1 - i].conn, p.now, buf + k, n - k, &used) != VL_OK) break;
                pair_drain_events(&p, 1 - i);
            }
        }
    bool up = p.side[0].seen[HTX_SESSION_UP] && p.side[1].seen[HTX_SESSION_UP] && !p.side[0].seen[HTX_CONN_CLOSE] &&
              !p.side[1].seen[HTX_CONN_CLOSE];
    *ret_said = said[who];
    pair_free(&p);
    return up;
}

TEST(htx_hostile, does_not_come_up_when_any_byte_of_the_handshake_is_changed) {
    for (unsigned pattern = HTX_XX; pattern <= HTX_IK; pattern++)
        for (unsigned who = 0; who < 2; who++) {
            size_t said;
            CHECK(flipped((enum htx_pattern)pattern, who, 0, 0, &said));
            size_t total = said;
            for (size_t at = 0; at < total; at += at < 12 ? 1 : 7) {
                /* The top bit of a Curve25519 point is ignored by the curve, but not by the transcript. */
                bool up = flipped((enum htx_pattern)pattern, who, at, 0x80, &said);
                if (up) print_error("pattern %u side %u byte %zu\n", pattern, who, at);
                CHECK(!up);
            }
        }
}

TEST(htx_hostile, a_downgrade_on_the_path_breaks_the_handshake) {
    struct pair p;
    static uint8_t buf[HTX_OUTPUT_GOOD];
    size_t used = 0;
    pair_init(&p, NULL, NULL);
    struct htx_dial dial = { 0 };
    CHECK_OK(htx_dial(p.side[0].ep, p.now, &dial, &p.side[0].conn));
    CHECK_OK(htx_accept(p.side[1].ep, p.now, &p.side[1].conn));
    size_t n = htx_output(p.side[0].ep, p.side[0].conn, p.now, buf, sizeof buf);
    buf[6] = HTX_CHACHAPOLY_SHA256; /* there and, in the answer, back again */
    CHECK_OK(htx_input(p.side[1].ep, p.side[1].conn, p.now, buf, n, &used));
    n = htx_output(p.side[1].ep, p.side[1].conn, p.now, buf, sizeof buf);
    buf[6] = HTX_AESGCM_SHA256;
    CHECK_OK(htx_input(p.side[0].ep, p.side[0].conn, p.now, buf, n, &used));
    pair_drain_events(&p, 0);
    CHECK_EQ(HTX_CRYPTO, p.side[0].last[HTX_CONN_CLOSE].reason);
    pair_free(&p);
}

TEST(htx_hostile, refuses_a_wrong_key_and_a_wrong_node) {
    for (int i = 0; i < 3; i++) {
        struct pair p;
        uint8_t key[32];
        struct vl_node_id node;
        pair_init(&p, NULL, NULL);
        node = htx_node_id(p.side[1].ep);
        htx_static_public(p.side[i == 1 ? 0 : 1].ep, key);
        if (i != 1) node.b[0] ^= 1;
        struct htx_dial dial = { .expect = &node, .peer_static = i == 2 ? NULL : key };
        CHECK_OK(htx_dial(p.side[0].ep, p.now, &dial, &p.side[0].conn));
        CHECK_OK(htx_accept(p.side[1].ep, p.now, &p.side[1].conn));
        pair_pump(&p);
        if (i == 1)
            CHECK_EQ(HTX_CRYPTO, p.side[1].last[HTX_CONN_CLOSE].reason);
        else
            CHECK_EQ(HTX_WRONG_PEER, p.side[0].last[HTX_CONN_CLOSE].reason);
        CHECK_EQ(0, p.side[0].seen[HTX_CONN_UP] + p.side[1].seen[HTX_SESSION_UP]);
        pair_free(&p);
    }
}

TEST(htx_hostile, a_stream_cut_at_any_byte_does_no_harm_and_times_out) {
    /* One dialler's bytes, recorded against the same seeds, end at every length. */
    for (size_t cut = 0; cut < 460; cut += cut < 60 ? 1 : 5) {
        struct pair p;
        static uint8_t buf[HTX_OUTPUT_GOOD];
        uint8_t key[32];
        size_t used = 0, given = 0;
        pair_init(&p, NULL, NULL);
        htx_static_public(p.side[1].ep, key);
        struct htx_dial dial = { .peer_static = key };
        CHECK_OK(htx_dial(p.side[0].ep, p.now, &dial, &p.side[0].conn));
        CHECK_OK(htx_accept(p.side[1].ep, p.now, &p.side[1].conn));
        for (int round = 0; round < 4; round++)
            for (unsigned i = 0; i < 2; i++) {
                size_t n = htx_output(p.side[i].ep, p.side[i].conn, p.now, buf, sizeof buf);
                if (i == 0) {
                    if (given + n > cut) n = cut - given;
                    given += n;
                }
                for (size_t at = 0; at < n; at += used) { /* byte by byte towards the other side */
                    if (htx_input(p.side[1 - i].ep, p.side[1 - i].conn, p.now, buf + at, 1, &used) != VL_OK) break;
                    pair_drain_events(&p, 1 - i);
                    CHECK_EQ(1, used);
                }
            }
        if (p.side[1].seen[HTX_SESSION_UP] == 0) {
            htx_expire(p.side[1].ep, p.now + 9999);
            pair_drain_events(&p, 1);
            CHECK_EQ(0, p.side[1].seen[HTX_CONN_CLOSE]);
            htx_expire(p.side[1].ep, p.now + 10000);
            pair_drain_events(&p, 1);
            CHECK_EQ(HTX_HANDSHAKE_TIMEOUT, p.side[1].last[HTX_CONN_CLOSE].reason);
        }
        pair_free(&p);
    }
}
