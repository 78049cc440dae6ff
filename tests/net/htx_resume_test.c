/* A session outlives its connections: the transport is cut at every output, with nothing, a part or all of the last
 * bytes delivered, and what was queued arrives once, whole and in order. */
#include "htx_pair.h"
#include "net/htx_priv.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGES 40u

static size_t size_of(uint32_t stream, uint32_t i) {
    return (i * 7919u + stream * 104729u) % 5 == 0 ? 40000 + i : 100 + i;
}

static uint8_t byte_of(uint32_t stream, uint32_t i, size_t at) { return (uint8_t)(stream * 31 + i * 17 + at * 3); }

/* Queues message i on the stream. */
static void queue_one(struct pair *p, unsigned who, uint32_t stream, uint32_t i) {
    static uint8_t data[60000];
    size_t n = size_of(stream, i);
    for (size_t k = 0; k < n; k++) data[k] = byte_of(stream, i, k);
    pair_send(p, who, stream, data, n);
}

static void check_got(struct pair *p, unsigned who, uint32_t stream, uint32_t count) {
    struct vl_buf *got = &p->side[who].got[stream];
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(at + 4 <= got->len);
        size_t n = vl_get_u32(got->p + at);
        CHECK_EQ(size_of(stream, i), n);
        CHECK(at + 4 + n <= got->len);
        for (size_t k = 0; k < n; k += 97) CHECK_EQ(byte_of(stream, i, k), got->p[at + 4 + k]);
        at += 4 + n;
    }
    CHECK_EQ(at, got->len); /* nothing doubled */
}

/* When nothing is on its way, both sides count the same session credit, however often connections died. */
static void check_credit(struct pair *p) {
    for (unsigned i = 0; i < 2; i++) {
        const struct htx_session *from = htx_session_of(p->side[i].ep, p->side[i].session);
        const struct htx_session *to = htx_session_of(p->side[1 - i].ep, p->side[1 - i].session);
        CHECK_EQ(to->rx_bytes, from->tx_off);
        CHECK(from->tx_partial == 0 && to->rx_partial == 0 && from->unsent == 0);
    }
}

static void resume_until_up(struct pair *p) {
    for (int i = 0; i < 50 && p->side[0].conn == 0; i++) {
        p->now += 5;
        if (p->side[0].session != 0)
            pair_dial(p, HTX_CHOOSE, true);
        else
            pair_dial(p, HTX_XK, false);
    }
}

/* Cut at output `at` and, when `again` is not 0, once more so many outputs after the first resume began. */
static uint64_t run(uint64_t at, size_t keep, uint64_t again) {
    struct pair p;
    pair_init(&p, NULL, NULL);
    p.chunk_max = HTX_RECORD_WIRE_MAX; /* one record per output */
    pair_dial(&p, HTX_XK, false);
    uint64_t start = p.chunks;
    uint32_t a = pair_open(&p, 0, HTX_NORMAL), b = pair_open(&p, 0, HTX_BULK), c = pair_open(&p, 1, HTX_HIGH);
    p.cut_at = at != 0 ? start + at : 0;
    p.cut_keep = keep;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        queue_one(&p, 0, a, i);
        queue_one(&p, 0, b, i);
        queue_one(&p, 1, c, i);
        if (i == MESSAGES - 1) CHECK_OK(htx_close_stream(p.side[0].ep, p.side[0].session, b, p.now));
        if (i % 8 == 7 && p.side[0].conn != 0) {
            pair_pump(&p);
            if (p.side[0].conn == 0 && again != 0) p.cut_at = p.chunks + again;
        }
        if (i % 16 == 15 && p.side[0].conn == 0) resume_until_up(&p);
    }
    resume_until_up(&p);
    pair_pump(&p);
    resume_until_up(&p);
    pair_wait(&p, 100);
    check_got(&p, 1, a, MESSAGES);
    check_got(&p, 1, b, MESSAGES);
    check_got(&p, 0, c, MESSAGES);
    CHECK_EQ(1, p.side[1].seen[HTX_STREAM_CLOSED]);
    check_credit(&p);
    for (unsigned i = 0; i < 2; i++) {
        struct htx_session_info info;
        CHECK_EQ(0, p.side[i].seen[HTX_SESSION_LOST]);
        CHECK_OK(htx_session_info(p.side[i].ep, p.side[i].session, &info));
        CHECK_EQ(0, info.queued_bytes);
        CHECK_EQ(at != 0, p.side[i].seen[HTX_SESSION_DETACHED] > 0);
    }
    uint64_t chunks = p.chunks - start;
    pair_free(&p);
    return chunks;
}

TEST(htx_resume, loses_and_doubles_nothing_when_cut_at_any_output) {
    uint64_t chunks = run(0, 0, 0);
    CHECK(chunks > 60);
    for (uint64_t at = 1; at < 60; at++) {
        run(at, 0, 0);
        run(at, 5000, 0);
        run(at, SIZE_MAX, 0);
    }
}

TEST(htx_resume, loses_and_doubles_nothing_when_cut_again_while_resuming) {
    for (uint64_t again = 1; again < 12; again++) {
        run(9, 0, again);
        run(20, SIZE_MAX, again);
    }
}

static void up(struct pair *p) {
    pair_init(p, NULL, NULL);
    pair_dial(p, HTX_XK, false);
}

TEST(htx_resume, goes_on_with_the_same_handle_and_says_so) {
    struct pair p;
    up(&p);
    uint32_t session[2] = { p.side[0].session, p.side[1].session };
    pair_cut(&p);
    CHECK_EQ(HTX_TRANSPORT, p.side[0].last[HTX_SESSION_DETACHED].reason);
    pair_dial(&p, HTX_CHOOSE, true);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(2, p.side[i].seen[HTX_SESSION_UP]);
        CHECK(p.side[i].last[HTX_SESSION_UP].resumed);
        CHECK_EQ(session[i], p.side[i].last[HTX_SESSION_UP].session);
    }
    pair_free(&p);
}

TEST(htx_resume, ends_a_detached_session_at_the_exact_end_of_its_time) {
    struct pair p;
    up(&p);
    pair_cut(&p);
    vl_ms end = p.now + 120000;
    CHECK_EQ(end, htx_deadline(p.side[0].ep));
    htx_expire(p.side[0].ep, end - 1);
    pair_drain_events(&p, 0);
    CHECK_EQ(0, p.side[0].seen[HTX_SESSION_LOST]);
    htx_expire(p.side[0].ep, end);
    pair_drain_events(&p, 0);
    CHECK_EQ(1, p.side[0].seen[HTX_SESSION_LOST]);
    CHECK_EQ(HTX_RESUME_TIMEOUT, p.side[0].last[HTX_SESSION_LOST].reason);
    pair_free(&p);
}

TEST(htx_resume, begins_a_new_session_when_the_peer_has_forgotten) {
    struct pair p;
    up(&p);
    uint32_t old = p.side[0].session;
    CHECK_OK(htx_close(p.side[1].ep, p.side[1].session, p.now, 0));
    pair_cut(&p); /* the goodbye is lost */
    pair_dial(&p, HTX_CHOOSE, true);
    CHECK_EQ(1, p.side[0].seen[HTX_SESSION_LOST]);
    CHECK_EQ(HTX_UNKNOWN_SESSION, p.side[0].last[HTX_SESSION_LOST].reason);
    CHECK_EQ(old, p.side[0].last[HTX_SESSION_LOST].session);
    CHECK(!p.side[0].last[HTX_SESSION_UP].resumed && p.side[0].session != old);
    pair_send(&p, 0, pair_open(&p, 0, HTX_NORMAL), "again", 5);
    pair_pump(&p);
    CHECK_EQ(1, p.side[1].seen[HTX_MESSAGE]);
    pair_free(&p);
}

TEST(htx_resume, takes_over_from_a_half_open_connection) {
    struct pair p;
    up(&p);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL), half_open = p.side[1].conn;
    htx_conn_lost(p.side[0].ep, p.side[0].conn, p.now); /* the other side does not notice */
    pair_drain_events(&p, 0);
    pair_send(&p, 0, stream, "over", 4);
    pair_dial(&p, HTX_CHOOSE, true);
    CHECK_EQ(half_open, p.side[1].last[HTX_CONN_CLOSE].conn);
    CHECK_EQ(HTX_SUPERSEDED, p.side[1].last[HTX_CONN_CLOSE].reason);
    CHECK_EQ(0, p.side[1].seen[HTX_SESSION_DETACHED]);
    CHECK_EQ(1, p.side[1].seen[HTX_MESSAGE]);
    pair_free(&p);
}

TEST(htx_resume, moves_a_live_session_to_a_better_connection) {
    struct pair p;
    up(&p);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL), back = pair_open(&p, 1, HTX_NORMAL);
    uint32_t old[2] = { p.side[0].conn, p.side[1].conn };
    pair_send(&p, 0, stream, "one", 3);
    pair_send(&p, 1, back, "uno", 3);
    pair_pump(&p);
    pair_send(&p, 0, stream, "two", 3);
    pair_send(&p, 1, back, "due", 3);
    pair_dial(&p, HTX_CHOOSE, true); /* the old connection carries nothing any more */
    pair_send(&p, 0, stream, "three", 5);
    pair_pump(&p);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(old[i], p.side[i].last[HTX_CONN_CLOSE].conn);
        CHECK_EQ(0, p.side[i].seen[HTX_SESSION_DETACHED] + p.side[i].seen[HTX_SESSION_LOST]);
        htx_conn_lost(p.side[i].ep, old[i], p.now);
    }
    CHECK_EQ(19, p.side[1].got[stream].len - 4);
    CHECK_MEM("\0\0\0\3one\0\0\0\3two\0\0\0\5three", p.side[1].got[stream].p, 23);
    CHECK_MEM("\0\0\0\3uno\0\0\0\3due", p.side[0].got[back].p, 14);
    CHECK_EQ(14, p.side[0].got[back].len);
    pair_wait(&p, 60000); /* and stays up */
    CHECK_EQ(0, p.side[0].seen[HTX_SESSION_DETACHED]);
    pair_free(&p);
}

/* Moves bytes of two connections at once: all speak before any of them hears. */
static void pump_two(struct pair *p, const uint32_t conn[2][2]) {
    static uint8_t buf[4][HTX_OUTPUT_GOOD];
    size_t n[4], total = 1;
    while (total > 0) {
        total = 0;
        for (unsigned j = 0; j < 4; j++) {
            n[j] = htx_output(p->side[j % 2].ep, conn[j / 2][j % 2], p->now, buf[j], sizeof buf[j]);
            total += n[j];
        }
        for (unsigned j = 0; j < 4; j++) {
            unsigned to = 1 - j % 2;
            size_t used = 1;
            for (size_t at = 0; at < n[j] && used > 0; at += used) {
                if (htx_input(p->side[to].ep, conn[j / 2][to], p->now, buf[j] + at, n[j] - at, &used) != VL_OK) break;
                pair_drain_events(p, to);
            }
        }
    }
}

TEST(htx_resume, two_dials_at_once_end_on_one_connection) {
    struct pair p;
    up(&p);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    pair_cut(&p);
    pair_send(&p, 0, stream, "x", 1);
    uint32_t conn[2][2];
    struct htx_dial from_a = { .resume = p.side[0].session }, from_b = { .resume = p.side[1].session };
    CHECK_OK(htx_dial(p.side[0].ep, p.now, &from_a, &conn[0][0]));
    CHECK_OK(htx_accept(p.side[1].ep, p.now, &conn[0][1]));
    CHECK_OK(htx_dial(p.side[1].ep, p.now, &from_b, &conn[1][1]));
    CHECK_OK(htx_accept(p.side[0].ep, p.now, &conn[1][0]));
    CHECK_EQ(VL_ESTATE, htx_dial(p.side[0].ep, p.now, &from_a, &conn[0][0]));
    pump_two(&p, (const uint32_t(*)[2])conn);
    CHECK_EQ(conn[0][0], p.side[0].last[HTX_SESSION_UP].conn); /* that of the session's first dialler */
    CHECK_EQ(conn[0][1], p.side[1].last[HTX_SESSION_UP].conn);
    CHECK_EQ(1, p.side[1].seen[HTX_MESSAGE]);
    CHECK_EQ(0, p.side[0].seen[HTX_SESSION_LOST] + p.side[1].seen[HTX_SESSION_LOST]);
    pair_free(&p);
}

TEST(htx_resume, finished_streams_stay_finished_when_their_last_ack_was_lost) {
    for (uint64_t at = 1; at < 8; at++) {
        struct pair p;
        up(&p);
        uint32_t stream = pair_open(&p, 0, HTX_NORMAL), other = pair_open(&p, 0, HTX_NORMAL);
        pair_send(&p, 0, stream, "q", 1);
        CHECK_OK(htx_close_stream(p.side[0].ep, p.side[0].session, stream, p.now));
        CHECK_OK(htx_reset_stream(p.side[0].ep, p.side[0].session, other, p.now, 5));
        p.cut_at = p.chunks + at;
        p.cut_keep = at % 2 ? 0 : SIZE_MAX;
        pair_pump(&p);
        if (p.side[1].seen[HTX_STREAM_CLOSED])
            CHECK_OK(htx_close_stream(p.side[1].ep, p.side[1].session, stream, p.now));
        pair_pump(&p);
        resume_until_up(&p);
        pair_wait(&p, 100);
        if (p.side[1].got[stream].len == 5 && htx_close_stream(p.side[1].ep, p.side[1].session, stream, p.now) == VL_OK)
            pair_pump(&p);
        p.cut_at = 0;
        pair_cut(&p);
        resume_until_up(&p);
        pair_wait(&p, 100);
        struct htx_session_info info;
        for (unsigned i = 0; i < 2; i++) {
            CHECK_OK(htx_session_info(p.side[i].ep, p.side[i].session, &info));
            CHECK_EQ(0, info.streams);
            CHECK_EQ(0, info.queued_bytes);
        }
        CHECK_EQ(1, p.side[1].seen[HTX_MESSAGE]);
        CHECK_EQ(1, p.side[1].seen[HTX_STREAM_RESET]);
        pair_free(&p);
    }
}

TEST(htx_resume, what_the_peer_has_forgotten_is_not_sent_again) {
    struct pair p;
    up(&p);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    pair_send(&p, 0, stream, "x", 1);
    pair_pump(&p);
    pair_wait(&p, 100);
    CHECK_OK(htx_reset_stream(p.side[0].ep, p.side[0].session, stream, p.now, 5));
    p.cut_at = p.chunks + 2; /* the RESET arrives, its acknowledgement does not */
    pair_pump(&p);
    CHECK_EQ(1, p.side[1].seen[HTX_STREAM_RESET]);
    resume_until_up(&p);
    struct htx_session_info info;
    CHECK_OK(htx_session_info(p.side[0].ep, p.side[0].session, &info));
    CHECK_EQ(0, info.streams);
    CHECK_EQ(0, info.replayed_frames);
    pair_free(&p);
}

TEST(htx_resume, a_move_while_data_flows_keeps_the_credit_right) {
    struct pair p;
    static uint8_t data[200000], buf[2][HTX_OUTPUT_GOOD];
    up(&p);
    uint32_t back = pair_open(&p, 1, HTX_NORMAL), old[2] = { p.side[0].conn, p.side[1].conn };
    pair_send(&p, 1, back, "first", 5);
    pair_pump(&p);
    pair_send(&p, 1, back, data, sizeof data);
    size_t late = htx_output(p.side[1].ep, old[1], p.now, buf[1], sizeof buf[1]);
    /* The new connection is dialled and its RESUME leaves; only then the old one's bytes come. */
    struct htx_dial dial = { .resume = p.side[0].session };
    CHECK_OK(htx_dial(p.side[0].ep, p.now, &dial, &p.side[0].conn));
    CHECK_OK(htx_accept(p.side[1].ep, p.now, &p.side[1].conn));
    size_t used = 0, n = htx_output(p.side[0].ep, p.side[0].conn, p.now, buf[0], sizeof buf[0]);
    for (size_t at = 0; at < n; at += used, pair_drain_events(&p, 1))
        CHECK_OK(htx_input(p.side[1].ep, p.side[1].conn, p.now, buf[0] + at, n - at, &used));
    n = htx_output(p.side[1].ep, p.side[1].conn, p.now, buf[0], sizeof buf[0]);
    CHECK_OK(htx_input(p.side[0].ep, p.side[0].conn, p.now, buf[0], n, &used));
    pair_drain_events(&p, 0);
    n = htx_output(p.side[0].ep, p.side[0].conn, p.now, buf[0], sizeof buf[0]); /* RESUME */
    for (size_t at = 0; at < late; at += used, pair_drain_events(&p, 0))
        CHECK_OK(htx_input(p.side[0].ep, old[0], p.now, buf[1] + at, late - at, &used));
    for (size_t at = 0; at < n; at += used, pair_drain_events(&p, 1))
        CHECK_OK(htx_input(p.side[1].ep, p.side[1].conn, p.now, buf[0] + at, n - at, &used));
    pair_pump(&p);
    pair_wait(&p, 100);
    CHECK_EQ(2, p.side[0].seen[HTX_MESSAGE]);
    CHECK_EQ(9 + 4 + sizeof data, p.side[0].got[back].len);
    struct htx_session_info info;
    CHECK_OK(htx_session_info(p.side[0].ep, p.side[0].session, &info));
    CHECK(info.duplicate_frames > 0);
    check_credit(&p);
    pair_free(&p);
}
