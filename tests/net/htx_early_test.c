/* Early data of IK: heard half a round trip sooner, or sent again; never heard twice from one handshake. */
#include "htx_pair.h"
#include "net/htx_priv.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define MINUTES10 600000u

static const struct vl_span two[] = { { (const uint8_t *)"back", 4 }, { (const uint8_t *)"again!", 6 } };
#define TWO "\0\0\0\4back\0\0\0\6again!"
#define CHECK_TWO(buf)                                                                                                 \
    do {                                                                                                               \
        CHECK_EQ(sizeof TWO - 1, (buf).len);                                                                           \
        CHECK_MEM(TWO, (buf).p, sizeof TWO - 1);                                                                       \
    } while (0)

/* A session that both sides have, `age` after the accepter began to watch, and no transport. */
static void detached(struct pair *p, vl_ms age) {
    pair_init(p, NULL, NULL);
    pair_dial(p, HTX_XK, false);
    pair_wait(p, age);
    pair_cut(p);
    CHECK_EQ(1, p->side[0].seen[HTX_SESSION_DETACHED]);
}

/* The dialler's first bytes, moved to the accepter by hand. */
static size_t first_flight(struct pair *p, uint8_t *buf, size_t cap) {
    size_t n = htx_output(p->side[0].ep, p->side[0].conn, p->now, buf, cap);
    CHECK(n > HTX_PREFACE);
    return n;
}
static void give(struct pair *p, uint32_t conn, const uint8_t *bytes, size_t n) {
    size_t used = 1;
    for (size_t at = 0; at < n && used > 0; at += used) {
        CHECK_OK(htx_input(p->side[1].ep, conn, p->now, bytes + at, n - at, &used));
        pair_drain_events(p, 1);
    }
}

static struct htx_stats stats_of(struct pair *p, unsigned who) {
    struct htx_stats s;
    htx_stats(p->side[who].ep, &s);
    return s;
}

TEST(htx_early, is_heard_with_the_first_bytes_of_the_dialler) {
    static uint8_t buf[HTX_OUTPUT_GOOD];
    struct pair p;
    detached(&p, MINUTES10);
    pair_dial_early(&p, two, 2);
    size_t n = first_flight(&p, buf, sizeof buf);
    give(&p, p.side[1].conn, buf, n);
    CHECK_EQ(2, p.side[1].seen[HTX_EARLY]); /* and nothing has gone back yet */
    CHECK_TWO(p.side[1].early);
    CHECK_EQ(p.side[1].conn, p.side[1].last[HTX_EARLY].conn);
    CHECK_EQ(0, p.side[1].last[HTX_EARLY].session);
    CHECK_EQ(p.now, p.side[1].last[HTX_EARLY].sent_ms);
    CHECK(vl_node_eq(htx_node_id(p.side[0].ep), p.side[1].last[HTX_EARLY].node));
    pair_pump(&p);
    CHECK_EQ(HTX_EARLY_ACCEPTED, p.side[0].last[HTX_CONN_UP].early);
    CHECK_EQ(0, p.side[1].last[HTX_CONN_UP].early);
    CHECK(p.side[1].last[HTX_SESSION_UP].resumed);
    CHECK_EQ(2, p.side[1].seen[HTX_EARLY]);
    CHECK_EQ(0, p.side[1].seen[HTX_DATAGRAM]); /* nothing doubled */
    for (unsigned i = 0; i < 2; i++) CHECK_EQ(0, htx_conn_of(p.side[i].ep, p.side[i].conn)->early.cap);
    pair_free(&p);
}

TEST(htx_early, goes_again_as_datagrams_when_it_was_refused) {
    struct pair p;
    detached(&p, 0); /* a fresh memory: who was here before may have heard it */
    pair_dial_early(&p, two, 2);
    pair_pump(&p);
    CHECK_EQ(HTX_EARLY_REFUSED, p.side[0].last[HTX_CONN_UP].early);
    CHECK_EQ(0, p.side[1].seen[HTX_EARLY]);
    CHECK_TWO(p.side[1].datagrams);
    CHECK_EQ(1, stats_of(&p, 1).early_refused);
    CHECK(p.side[1].last[HTX_SESSION_UP].resumed);
    for (unsigned i = 0; i < 2; i++) CHECK_EQ(0, htx_conn_of(p.side[i].ep, p.side[i].conn)->early.cap);
    pair_free(&p);
}

TEST(htx_early, is_refused_for_exactly_ten_minutes_after_the_accepter_started) {
    for (int early = 0; early < 2; early++) {
        struct pair p;
        detached(&p, MINUTES10 - (vl_ms)early);
        pair_dial_early(&p, two, 2);
        pair_pump(&p);
        CHECK_EQ(early ? HTX_EARLY_REFUSED : HTX_EARLY_ACCEPTED, p.side[0].last[HTX_CONN_UP].early);
        pair_free(&p);
    }
}

TEST(htx_early, a_recorded_handshake_is_not_heard_twice) {
    static uint8_t buf[HTX_OUTPUT_GOOD];
    struct pair p;
    detached(&p, MINUTES10);
    pair_dial_early(&p, two, 2);
    size_t n = first_flight(&p, buf, sizeof buf);
    give(&p, p.side[1].conn, buf, n);
    pair_pump(&p);
    CHECK_EQ(2, p.side[1].seen[HTX_EARLY]);
    for (vl_ms wait = 0; wait < 3; wait++) {
        uint32_t again = 0, up = p.side[1].seen[HTX_CONN_UP];
        pair_wait(&p, wait * 200000);
        CHECK_OK(htx_accept(p.side[1].ep, p.now, &again));
        give(&p, again, buf, n);
        CHECK_EQ(up + 1, p.side[1].seen[HTX_CONN_UP]); /* the handshake itself is as good as any */
        CHECK_EQ(2, p.side[1].seen[HTX_EARLY]);
        htx_conn_lost(p.side[1].ep, again, p.now);
    }
    CHECK_EQ(1, stats_of(&p, 1).early_accepted);
    CHECK_EQ(3, stats_of(&p, 1).early_refused);
    CHECK_EQ(1, p.side[1].seen[HTX_SESSION_DETACHED]); /* the true link never noticed */
    pair_free(&p);
}

TEST(htx_early, waits_for_the_verdict_and_dies_with_a_no) {
    for (int deny = 0; deny < 2; deny++) {
        struct pair p;
        detached(&p, MINUTES10);
        p.side[1].no_verdict = true;
        pair_dial_early(&p, two, 2);
        pair_pump(&p);
        CHECK_EQ(0, p.side[1].seen[HTX_EARLY]);
        CHECK_OK(htx_admit(p.side[1].ep, p.side[1].conn, p.now, !deny));
        pair_pump(&p);
        CHECK_EQ(deny ? 0 : 2, p.side[1].seen[HTX_EARLY]);
        CHECK_EQ(deny ? 1 : 0, p.side[1].seen[HTX_CONN_CLOSE]);
        CHECK_EQ(0, p.side[1].seen[HTX_DATAGRAM]);
        pair_free(&p);
    }
}

TEST(htx_early, is_heard_only_of_a_node_with_which_there_is_a_session) {
    struct pair p;
    detached(&p, MINUTES10);
    CHECK_OK(htx_close(p.side[1].ep, p.side[1].session, p.now, 0));
    pair_dial_early(&p, two, 2);
    pair_pump(&p);
    CHECK_EQ(HTX_EARLY_REFUSED, p.side[0].last[HTX_CONN_UP].early);
    CHECK_EQ(HTX_UNKNOWN_SESSION, p.side[0].last[HTX_SESSION_LOST].reason);
    CHECK_EQ(0, p.side[1].seen[HTX_EARLY]);
    CHECK_TWO(p.side[1].datagrams); /* on the session that took the place */
    pair_free(&p);
}

TEST(htx_early, can_be_given_to_the_next_dial_when_the_connection_died) {
    static uint8_t buf[HTX_OUTPUT_GOOD];
    struct pair p;
    detached(&p, MINUTES10);
    pair_dial_early(&p, two, 2);
    size_t n = first_flight(&p, buf, sizeof buf);
    give(&p, p.side[1].conn, buf, n - 1);
    pair_cut(&p);
    CHECK_EQ(0, p.side[1].seen[HTX_EARLY]);
    pair_dial_early(&p, two, 2);
    pair_pump(&p);
    CHECK_TWO(p.side[1].early);
    CHECK_EQ(0, p.side[1].seen[HTX_DATAGRAM]);
    pair_free(&p);
}

TEST(htx_early, has_exact_limits_and_needs_ik) {
    static uint8_t data[HTX_EARLY_BYTES_MAX];
    struct vl_span many[HTX_EARLY_COUNT_MAX + 1], one = vl_span(data, HTX_EARLY_BYTES_MAX - HTX_HEADER);
    struct pair p;
    uint32_t conn = 0;
    for (size_t i = 0; i <= HTX_EARLY_COUNT_MAX; i++) many[i] = vl_span(data, i);
    detached(&p, MINUTES10);
    struct htx_dial dial = { .resume = p.side[0].session, .early = many, .nearly = HTX_EARLY_COUNT_MAX + 1 };
    CHECK_EQ(VL_ERANGE, htx_dial(p.side[0].ep, p.now, &dial, &conn));
    dial.nearly--;
    dial.pattern = HTX_XK;
    CHECK_EQ(VL_ERANGE, htx_dial(p.side[0].ep, p.now, &dial, &conn));
    one.n++;
    dial = (struct htx_dial){ .resume = p.side[0].session, .early = &one, .nearly = 1 };
    CHECK_EQ(VL_ERANGE, htx_dial(p.side[0].ep, p.now, &dial, &conn));
    one.n--;
    pair_dial_early(&p, &one, 1);
    pair_pump(&p);
    CHECK_EQ(4 + one.n, p.side[1].early.len);
    pair_cut(&p);
    pair_dial_early(&p, many, HTX_EARLY_COUNT_MAX);
    pair_pump(&p);
    CHECK_EQ(1 + HTX_EARLY_COUNT_MAX, p.side[1].seen[HTX_EARLY]);
    pair_free(&p);
}

/* -- the memory of handshakes ------------------------------------------------------------------------------------- */

static enum htx_early_answer judge(struct htx_early_cache *c, vl_ms now, vl_ms sent, uint32_t key) {
    uint8_t ephemeral[32] = { 0 };
    vl_put_u32(ephemeral, key);
    return htx_early_judge(c, now, sent, ephemeral);
}

#define NOW 10000000u
static struct htx_early_cache watching(void) {
    struct htx_early_cache c = { 0 };
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, NOW, NOW, 1)); /* not before it watches */
    htx_early_watch(&c, NOW - MINUTES10);
    htx_early_watch(&c, NOW);
    return c;
}

TEST(htx_early, must_have_been_sent_eight_minutes_ago_at_most_and_two_ahead) {
    struct htx_early_cache c = watching();
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, NOW, NOW - 480001, 1));
    CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, NOW, NOW - 480000, 1));
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, NOW, NOW + 120001, 2));
    CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, NOW, NOW + 120000, 2));
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, NOW, 0, 3));
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, NOW, UINT64_MAX, 4));
    CHECK_EQ(2, c.n);
    htx_early_cache_free(&c);
}

TEST(htx_early, is_remembered_to_the_last_moment_at_which_it_could_be_accepted) {
    struct htx_early_cache c = watching();
    vl_ms sent = NOW + 120000, last = sent + 480000;
    CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, NOW, sent, 1));
    for (uint32_t i = 0; i < 100; i++) CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, NOW + i * 6000, NOW + i * 6000, 100 + i));
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, last, sent, 1));
    CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, last, sent, 2)); /* only because it was seen */
    CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, last + 1, last + 1, 3));
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, last + 1, sent, 1));
    CHECK(c.n < 103); /* what is over was forgotten */
    htx_early_cache_free(&c);
}

TEST(htx_early, old_news_stay_old_when_the_clock_steps_back) {
    struct htx_early_cache c = watching();
    CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, NOW, NOW, 1));
    CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, NOW + 480001, NOW + 480001, 2)); /* forgets the first */
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, NOW, NOW, 1));
    htx_early_cache_free(&c);
}

TEST(htx_early, is_refused_while_the_memory_is_full) {
    struct htx_early_cache c = watching();
    for (uint32_t i = 0; i < HTX_EARLY_SEEN_MAX; i++) CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, NOW, NOW, i));
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, NOW, NOW, HTX_EARLY_SEEN_MAX));
    CHECK_EQ(HTX_EARLY_REFUSED, judge(&c, NOW + 480000, NOW + 480000, HTX_EARLY_SEEN_MAX));
    CHECK_EQ(HTX_EARLY_ACCEPTED, judge(&c, NOW + 480001, NOW + 480001, HTX_EARLY_SEEN_MAX));
    CHECK_EQ(1, c.n);
    htx_early_cache_free(&c);
}

/* -- the section -------------------------------------------------------------------------------------------------- */

TEST(htx_early, a_section_is_datagrams_of_one_moment_and_nothing_else) {
    uint8_t good[HTX_EARLY_SECTION_MAX], bad[HTX_EARLY_SECTION_MAX + 1] = { 0 };
    vl_ms sent = 0;
    size_t n = htx_early_put(good, 0x1122334455667788u, two, 2);
    CHECK_EQ(8 + 24 + 4 + 24 + 6, n);
    CHECK_OK(htx_early_check(vl_span(good, n), &sent));
    CHECK_EQ(0x1122334455667788u, sent);
    for (size_t cut = 0; cut < n; cut++)
        CHECK_EQ(cut == 8 + 24 + 4 ? VL_OK : VL_EPARSE, htx_early_check(vl_span(good, cut), &sent));
    for (unsigned type = 0; type < 256; type++) {
        memcpy(bad, good, n);
        bad[8 + 3] = (uint8_t)type;
        CHECK_EQ(type == HTX_T_DATAGRAM ? VL_OK : VL_EPARSE, htx_early_check(vl_span(bad, n), &sent));
    }
    for (size_t bit = 0; bit < (8 + 24) * 8; bit++) { /* any other header, length and moment among it */
        memcpy(bad, good, n);
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_EQ(VL_EPARSE, htx_early_check(vl_span(bad, n), &sent));
    }
    memcpy(bad, good, 8);
    for (unsigned i = 0; i <= HTX_EARLY_COUNT_MAX; i++) memcpy(bad + 8 + i * 24, good + 8, 24), bad[8 + i * 24 + 7] = 0;
    CHECK_OK(htx_early_check(vl_span(bad, 8 + HTX_EARLY_COUNT_MAX * 24), &sent));
    CHECK_EQ(VL_EPARSE, htx_early_check(vl_span(bad, 8 + (HTX_EARLY_COUNT_MAX + 1) * 24), &sent));
    vl_put_u32(bad + 8 + 4, HTX_EARLY_BYTES_MAX - 24);
    CHECK_OK(htx_early_check(vl_span(bad, HTX_EARLY_SECTION_MAX), &sent));
    vl_put_u32(bad + 8 + 4, HTX_EARLY_BYTES_MAX - 23);
    CHECK_EQ(VL_EPARSE, htx_early_check(vl_span(bad, HTX_EARLY_SECTION_MAX + 1), &sent));
    CHECK_EQ(0, htx_early_put(bad, 1, two, 0));
}
