/* Credit, back-pressure, fairness, keys, clocks and memory. */
#include "htx_pair.h"
#include "net/htx_priv.h"

#include "check.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static uint8_t zeros[VL_MESSAGE_MAX];

static void up(struct pair *p, const struct htx_config *a, const struct htx_config *b) {
    pair_init(p, a, b);
    pair_dial(p, HTX_XK, false);
    CHECK(p->side[0].session != 0 && p->side[1].session != 0);
}

static enum vl_err try_send(struct pair *p, uint32_t stream, size_t n) {
    struct vl_span part = vl_span(zeros, n);
    return htx_send(p->side[0].ep, p->side[0].session, stream, p->now, &part, 1);
}

TEST(htx_limits, a_full_budget_pushes_back_and_says_when_there_is_room) {
    struct pair p;
    up(&p, NULL, NULL);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL), control = pair_open(&p, 0, HTX_CONTROL);
    unsigned sent = 0;
    while (try_send(&p, stream, VL_MESSAGE_MAX) == VL_OK) sent++;
    CHECK_EQ(15, sent); /* 16 with their headers pass 4 MiB */
    CHECK_EQ(VL_EAGAIN, try_send(&p, stream, VL_MESSAGE_MAX));
    CHECK_OK(try_send(&p, control, 1000)); /* never silenced by bulk */
    struct htx_session_info info;
    CHECK_OK(htx_session_info(p.side[0].ep, p.side[0].session, &info));
    CHECK(info.queued_bytes <= 4u << 20);
    pair_pump(&p);
    CHECK_EQ(1, p.side[0].seen[HTX_WRITABLE]);
    CHECK_EQ(stream, p.side[0].last[HTX_WRITABLE].stream);
    CHECK_EQ(16, p.side[1].seen[HTX_MESSAGE]);
    CHECK_OK(try_send(&p, stream, 1));
    pair_free(&p);
}

TEST(htx_limits, a_stream_on_hold_stops_at_its_window_and_goes_on_when_released) {
    struct pair p;
    up(&p, NULL, NULL);
    uint32_t held = pair_open(&p, 0, HTX_NORMAL), other = pair_open(&p, 0, HTX_NORMAL);
    pair_send(&p, 0, held, zeros, 1024);
    pair_pump(&p);
    CHECK_OK(htx_hold(p.side[1].ep, p.side[1].session, held, true));
    for (int i = 0; i < 1000; i++) pair_send(&p, 0, held, zeros, 1024);
    pair_pump(&p);
    CHECK_EQ(256, p.side[1].seen[HTX_MESSAGE]); /* 256 KiB exactly */
    pair_send(&p, 0, other, zeros, 100000);     /* others are not held up */
    pair_pump(&p);
    CHECK_EQ(257, p.side[1].seen[HTX_MESSAGE]);
    pair_wait(&p, 60000); /* to be without credit is not to be slow */
    CHECK_EQ(0, p.side[0].seen[HTX_CONN_CLOSE]);
    CHECK_OK(htx_hold(p.side[1].ep, p.side[1].session, held, false));
    pair_pump(&p);
    CHECK_EQ(1002, p.side[1].seen[HTX_MESSAGE]);
    pair_free(&p);
}

TEST(htx_limits, many_long_messages_at_once_never_lock_up) {
    struct pair p;
    struct htx_config a = pair_config(0);
    a.limits.send_budget = 64u << 20;
    up(&p, &a, NULL);
    for (int i = 0; i < 100; i++) {
        uint32_t stream = pair_open(&p, 0, (enum htx_priority)(i % 5));
        CHECK_OK(try_send(&p, stream, VL_MESSAGE_MAX));
        CHECK_OK(try_send(&p, stream, VL_MESSAGE_MAX));
    }
    pair_pump(&p);
    CHECK_EQ(200, p.side[1].seen[HTX_MESSAGE]);
    pair_free(&p);
}

TEST(htx_limits, windows_grow_while_credit_is_what_limits) {
    struct pair p;
    up(&p, NULL, NULL);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    for (int i = 0; i < 200; i++) {
        CHECK_OK(try_send(&p, stream, VL_MESSAGE_MAX));
        pair_pump(&p);
    }
    struct htx_session *s = htx_session_of(p.side[1].ep, p.side[1].session);
    CHECK_EQ(HTX_WINDOW_STREAM_MAX, htx_stream_find(s, stream)->window);
    CHECK_EQ(HTX_WINDOW_SESSION_MAX, s->window);
    pair_free(&p);
}

TEST(htx_limits, shares_bytes_eight_four_two_one_and_lets_control_go_first) {
    struct pair p;
    struct htx_config a = pair_config(0);
    a.limits.send_budget = 64u << 20;
    up(&p, &a, NULL);
    uint32_t stream[5];
    for (int c = HTX_BULK; c >= 0; c--) stream[c] = pair_open(&p, 0, (enum htx_priority)c);
    struct htx_session *s = htx_session_of(p.side[0].ep, p.side[0].session);
    s->tx_limit = 64u << 20; /* credit is not what this is about */
    for (int c = HTX_HIGH; c <= HTX_BULK; c++) {
        htx_stream_find(s, stream[c])->tx_limit = 64u << 20;
        for (int i = 0; i < 3000; i++) CHECK_OK(try_send(&p, stream[c], 1000));
    }
    CHECK_OK(try_send(&p, stream[HTX_CONTROL], 5000));
    static uint8_t buf[HTX_RECORD_WIRE_MAX];
    CHECK(htx_output(p.side[0].ep, p.side[0].conn, p.now, buf, sizeof buf) > 0);
    CHECK_EQ(0, htx_stream_find(s, stream[HTX_CONTROL])->q.unsent); /* in the first record */
    size_t wire = 0;
    while (wire < 3u << 20) wire += htx_output(p.side[0].ep, p.side[0].conn, p.now, buf, sizeof buf);
    double share[5];
    for (int c = HTX_HIGH; c <= HTX_BULK; c++) share[c] = (double)htx_stream_find(s, stream[c])->tx_off / (double)wire;
    CHECK(share[1] > 0.47 && share[1] < 0.57); /* 8/15 less headers */
    CHECK(share[2] > 0.22 && share[2] < 0.30);
    CHECK(share[3] > 0.10 && share[3] < 0.16);
    CHECK(share[4] > 0.045 && share[4] < 0.085);
    pair_free(&p);
}

TEST(htx_limits, changes_keys_by_records_by_bytes_and_by_time) {
    for (int by = 0; by < 3; by++) {
        struct pair p;
        struct htx_config a = pair_config(0);
        struct htx_stats stats, other;
        if (by == 0) a.limits.rekey_records = 3;
        if (by == 1) a.limits.rekey_bytes = 100000;
        if (by == 2) a.limits.rekey_ms = 1000;
        up(&p, &a, NULL);
        uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
        for (int i = 0; i < 30; i++) {
            CHECK_OK(try_send(&p, stream, 10000));
            pair_pump(&p);
            p.now += 100;
        }
        CHECK_EQ(30, p.side[1].seen[HTX_MESSAGE]);
        htx_stats(p.side[0].ep, &stats);
        htx_stats(p.side[1].ep, &other);
        CHECK(stats.rekeys_sent >= 2);
        CHECK_EQ(stats.rekeys_sent, other.rekeys_received);
        CHECK_EQ(0, other.rekeys_sent);
        pair_free(&p);
    }
}

TEST(htx_limits, keeps_a_quiet_link_alive_and_finds_a_half_open_one) {
    struct pair p;
    up(&p, NULL, NULL);
    pair_wait(&p, 10 * 60 * 1000);
    CHECK_EQ(0, p.side[0].seen[HTX_CONN_CLOSE] + p.side[1].seen[HTX_CONN_CLOSE]);
    struct htx_stats stats;
    htx_stats(p.side[0].ep, &stats);
    CHECK(stats.tx_records < 200); /* PING and PONG, nothing more */
    vl_ms last = htx_conn_of(p.side[0].ep, p.side[0].conn)->last_rx;
    uint32_t gone = p.side[1].conn;
    p.side[1].conn = 0; /* the peer falls silent */
    htx_conn_lost(p.side[1].ep, gone, p.now);
    pair_wait(&p, last + 44999 - p.now);
    CHECK_EQ(0, p.side[0].seen[HTX_CONN_CLOSE]);
    pair_wait(&p, 1);
    CHECK_EQ(HTX_IDLE, p.side[0].last[HTX_CONN_CLOSE].reason);
    CHECK_EQ(1, p.side[0].seen[HTX_SESSION_DETACHED]);
    pair_free(&p);
}

TEST(htx_limits, gives_up_a_peer_that_takes_but_never_acknowledges) {
    struct pair p;
    struct htx_config a = pair_config(0);
    a.limits.idle_ms = 1000000;
    a.limits.keepalive_ms = 900000;
    up(&p, &a, NULL);
    pair_send(&p, 0, pair_open(&p, 0, HTX_NORMAL), "x", 1);
    static uint8_t buf[HTX_OUTPUT_GOOD];
    vl_ms start = p.now;
    CHECK(htx_output(p.side[0].ep, p.side[0].conn, p.now, buf, sizeof buf) > 0); /* into the void */
    CHECK(htx_deadline(p.side[0].ep) <= start + 30000);
    htx_expire(p.side[0].ep, start + 29999);
    pair_drain_events(&p, 0);
    CHECK_EQ(0, p.side[0].seen[HTX_CONN_CLOSE]);
    htx_expire(p.side[0].ep, start + 30000);
    pair_drain_events(&p, 0);
    CHECK_EQ(HTX_SLOW, p.side[0].last[HTX_CONN_CLOSE].reason);
    CHECK_EQ(1, p.side[0].seen[HTX_SESSION_DETACHED]);
    pair_free(&p);
}

TEST(htx_limits, acknowledges_late_alone_but_at_once_in_company) {
    struct pair p;
    struct htx_stats a, b;
    up(&p, NULL, NULL);
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
    htx_stats(p.side[1].ep, &a);
    for (int i = 0; i < 100; i++) pair_send(&p, 0, stream, "x", 1);
    pair_pump(&p);
    htx_stats(p.side[1].ep, &b);
    CHECK_EQ(a.tx_records, b.tx_records); /* nothing yet */
    struct htx_session_info info;
    pair_wait(&p, 19);
    CHECK_OK(htx_session_info(p.side[0].ep, p.side[0].session, &info));
    CHECK(info.queued_bytes > 0);
    pair_wait(&p, 1);
    CHECK_OK(htx_session_info(p.side[0].ep, p.side[0].session, &info));
    CHECK_EQ(0, info.queued_bytes);
    htx_stats(p.side[1].ep, &b);
    CHECK_EQ(a.tx_records + 1, b.tx_records); /* one for a hundred */
    p.side[1].echo = true;
    pair_send(&p, 0, stream, "x", 1);
    pair_pump(&p);
    CHECK_OK(htx_session_info(p.side[0].ep, p.side[0].session, &info));
    CHECK_EQ(0, info.queued_bytes); /* it came with the echo */
    pair_free(&p);
}

TEST(htx_limits, refuses_links_past_its_limits) {
    struct pair p;
    struct htx_config b = pair_config(1);
    b.limits.max_links = 4;
    b.limits.max_half_open = 2;
    pair_init(&p, NULL, &b);
    uint32_t conn[4] = { 0 }, none = 0;
    CHECK_OK(htx_accept(p.side[1].ep, p.now, &conn[0]));
    CHECK_OK(htx_accept(p.side[1].ep, p.now, &conn[1]));
    CHECK_EQ(VL_ELIMIT, htx_accept(p.side[1].ep, p.now, &none));
    struct htx_dial dial = { 0 };
    CHECK_OK(htx_dial(p.side[1].ep, p.now, &dial, &conn[2]));
    CHECK_OK(htx_dial(p.side[1].ep, p.now, &dial, &conn[3]));
    CHECK_EQ(VL_ELIMIT, htx_dial(p.side[1].ep, p.now, &dial, &none));
    CHECK_EQ(0, none);
    htx_conn_lost(p.side[1].ep, conn[0], p.now);
    CHECK_OK(htx_accept(p.side[1].ep, p.now, &none));
    CHECK(none != conn[0]); /* an old handle never names a new connection */
    htx_conn_lost(p.side[1].ep, conn[0], p.now);
    struct htx_stats stats;
    htx_stats(p.side[1].ep, &stats);
    CHECK_EQ(4, stats.conns);
    CHECK_EQ(2, stats.half_open);
    pair_free(&p);
}

TEST(htx_limits, refuses_a_configuration_out_of_range) {
    for (int i = 0; i < 6; i++) {
        struct htx_config c = pair_config(0);
        struct htx_endpoint *ep = NULL;
        if (i == 0) c.limits.max_links = VL_LINKS_MAX + 1;
        if (i == 1) c.limits.send_budget = VL_MESSAGE_MAX;
        if (i == 2) c.limits.idle_ms = c.limits.keepalive_ms;
        if (i == 3) c.suite = (enum htx_suite)3;
        if (i == 4) c.certificate = vl_span(zeros, HTX_CERT_MAX + 1);
        if (i == 5) c.limits.rekey_records = (1u << 20) + 1;
        CHECK_EQ(VL_ERANGE, htx_endpoint_create(&c, &ep));
        CHECK(ep == NULL);
    }
}

TEST(htx_limits, an_idle_link_holds_less_than_forty_kib) {
    struct pair p;
    up(&p, NULL, NULL);
    struct htx_session_info info;
    uint32_t stream = pair_open(&p, 0, HTX_NORMAL), small = pair_open(&p, 0, HTX_CONTROL);
    for (int i = 0; i < 20; i++) {
        CHECK_OK(try_send(&p, stream, VL_MESSAGE_MAX)); /* a busy past */
        CHECK_OK(try_send(&p, small, 300));
        pair_pump(&p);
    }
    pair_wait(&p, 20000);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(htx_session_info(p.side[i].ep, p.side[i].session, &info));
        print_message("# idle link, side %u: %zu bytes\n", i, info.memory);
        CHECK(info.memory <= 40 * 1024);
    }
    pair_free(&p);
}

#ifndef __SANITIZE_ADDRESS__ /* the sanitizer has an allocator of its own */
TEST(htx_limits, the_memory_it_reports_is_what_the_allocator_gave) {
    struct pair p;
    enum { LINKS = 256 };
    pair_init(&p, NULL, NULL);
    p.side[1].forget = true;
    pair_dial(&p, HTX_XK, false);
    CHECK_OK(try_send(&p, pair_open(&p, 0, HTX_NORMAL), VL_MESSAGE_MAX)); /* what the endpoints share */
    pair_pump(&p);
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < LINKS; i++) {
        pair_dial(&p, HTX_XK, false);
        uint32_t stream = pair_open(&p, 0, HTX_NORMAL);
        CHECK_OK(try_send(&p, stream, VL_MESSAGE_MAX));
        pair_pump(&p);
    }
    struct mallinfo2 after = mallinfo2();
    struct htx_session_info a, b;
    CHECK_OK(htx_session_info(p.side[0].ep, p.side[0].session, &a));
    CHECK_OK(htx_session_info(p.side[1].ep, p.side[1].session, &b));
    size_t each = (after.uordblks - before.uordblks) / LINKS;
    print_message("# a pair of links: %zu bytes reported, %zu allocated\n", a.memory + b.memory, each);
    CHECK(each < 2 * 40 * 1024);
    CHECK(a.memory + b.memory > each * 7 / 10);
    pair_free(&p);
}
#endif
