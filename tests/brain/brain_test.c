#include "brain/brain.h"
#include "net/htx.h"
#include "wire/link.h"

#include "check.h"

#include <string.h>

/* A coordinator, and a stranger who speaks HTX but has no certificate. Commits are durable at once. */
struct rig {
    struct brain *brain;
    struct htx_endpoint *ep;
    uint32_t conn, theirs, session, stream;
    bool closed;
    unsigned replies;
    struct link_join_reply reply;
    vl_ms now;
};

static void rig_effects(struct rig *r) {
    struct brain_effect e;
    while (brain_next_effect(r->brain, &e)) {
        if (e.kind == BRAIN_COMMIT) brain_committed(r->brain, r->now, e.seq);
        if (e.kind == BRAIN_CONN_CLOSE) r->closed = true;
    }
}

static void rig_events(struct rig *r) {
    struct htx_event ev;
    while (htx_next_event(r->ep, &ev)) {
        if (ev.type == HTX_CONN_UP) CHECK_OK(htx_admit(r->ep, ev.conn, r->now, true));
        if (ev.type == HTX_SESSION_UP) r->session = ev.session;
        if (ev.type == HTX_MESSAGE && ev.data.n > 0 && ev.data.p[0] == LINK_JOIN_REPLY) {
            CHECK_OK(link_join_reply_decode(vl_span(ev.data.p + 1, ev.data.n - 1), &r->reply));
            r->replies++;
        }
    }
}

static void rig_pump(struct rig *r) {
    static uint8_t buf[HTX_OUTPUT_GOOD];
    for (bool moved = true; moved;) {
        moved = false;
        rig_effects(r);
        for (size_t n; (n = htx_output(r->ep, r->conn, r->now, buf, sizeof buf)) > 0; moved = true) {
            vl_ignore(brain_input(r->brain, r->theirs, r->now, buf, n));
            rig_effects(r);
        }
        for (size_t n; (n = brain_output(r->brain, r->theirs, r->now, buf, sizeof buf)) > 0; moved = true)
            for (size_t at = 0, used = 1; at < n && used > 0; at += used) {
                used = 0;
                vl_ignore(htx_input(r->ep, r->conn, r->now, buf + at, n - at, &used));
                rig_events(r);
            }
    }
}

static void rig_start(struct rig *r) {
    struct brain_config cfg = { .coordinator = true, .name = "head", .boot_epoch = 1 };
    struct htx_config stranger = { .suite = HTX_AESGCM_SHA256, .limits = htx_limits_default() };
    memset(cfg.sign_seed, 1, 32);
    memset(cfg.static_secret, 2, 32);
    memset(cfg.root_seed, 3, 32);
    memset(stranger.sign_seed, 4, 32);
    memset(stranger.static_secret, 5, 32);
    memset(stranger.seed, 6, 32);
    *r = (struct rig){ .now = 1000000 };
    CHECK_OK(brain_create(&cfg, r->now, &r->brain));
    brain_start(r->brain, r->now);
    rig_effects(r);
    CHECK_OK(htx_endpoint_create(&stranger, &r->ep));
    CHECK_OK(htx_dial(r->ep, r->now, &(struct htx_dial){ 0 }, &r->conn));
    CHECK_OK(brain_accept(r->brain, r->now, &r->theirs));
    rig_pump(r);
    CHECK(r->session != 0);
    CHECK_OK(htx_open(r->ep, r->session, HTX_CONTROL, &r->stream));
}

static void rig_end(struct rig *r) {
    brain_destroy(r->brain);
    htx_endpoint_destroy(r->ep);
}

TEST(brain, a_stranger_may_say_nothing_but_a_request_to_join) {
    struct rig r;
    struct brain_counters c;
    rig_start(&r);
    for (uint8_t kind = LINK_HEARTBEAT; kind <= LINK_STATUS; kind++) {
        if (kind == LINK_JOIN) continue;
        const uint8_t message[] = { kind, 0, 0 };
        CHECK_OK(htx_send(r.ep, r.session, r.stream, r.now, &(struct vl_span){ message, sizeof message }, 1));
        rig_pump(&r);
        brain_counters(r.brain, &c);
        CHECK_EQ(kind < LINK_JOIN ? kind : kind - 1, c.messages_bad);
    }
    CHECK_EQ(0, r.replies);
    rig_end(&r);
}

TEST(brain, a_join_with_a_secret_nobody_made_is_refused_in_words) {
    struct rig r;
    struct vl_buf b;
    struct link_join join = { .secret = { 9 }, .name = "stranger", .roles = 1 };
    rig_start(&r);
    htx_static_public(r.ep, join.static_key);
    vl_buf_init(&b, 1024);
    CHECK_OK(link_join_encode(&join, &b));
    CHECK_OK(htx_send(r.ep, r.session, r.stream, r.now, &(struct vl_span){ b.p, b.len }, 1));
    rig_pump(&r);
    CHECK_EQ(1, r.replies);
    CHECK_EQ(VL_ENOTFOUND, r.reply.code);
    CHECK(r.reply.detail[0] != '\0' && r.reply.cert_len == 0);
    vl_buf_free(&b);
    rig_end(&r);
}

TEST(brain, a_stranger_who_does_not_join_is_dismissed_after_30_s_and_not_before) {
    struct rig r;
    rig_start(&r);
    r.now += 29999;
    brain_tick(r.brain, r.now);
    rig_pump(&r);
    CHECK(!r.closed);
    CHECK(brain_deadline(r.brain) <= r.now + 1);
    r.now += 1;
    brain_tick(r.brain, r.now);
    rig_pump(&r);
    CHECK(r.closed);
    rig_end(&r);
}

TEST(brain, a_reply_waits_for_its_commit_and_for_those_before_it) {
    struct rig r;
    struct brain_effect e;
    uint64_t seq = 0;
    unsigned replies = 0;
    rig_start(&r);
    brain_create_ticket(r.brain, r.now, 7, (const uint8_t[16]){ 1 }, 1, 3600000);
    brain_create_ticket(r.brain, r.now, 8, (const uint8_t[16]){ 2 }, 1, 3600000);
    while (brain_next_effect(r.brain, &e)) {
        CHECK(e.kind != BRAIN_REPLY);
        if (e.kind == BRAIN_COMMIT) seq = e.seq;
    }
    brain_committed(r.brain, r.now, seq - 1);
    while (brain_next_effect(r.brain, &e)) {
        replies += e.kind == BRAIN_REPLY;
        if (e.kind == BRAIN_REPLY) CHECK_EQ(7, e.token);
    }
    CHECK_EQ(1, replies);
    brain_committed(r.brain, r.now, seq);
    while (brain_next_effect(r.brain, &e)) replies += e.kind == BRAIN_REPLY && e.token == 8 && e.err == VL_OK;
    CHECK_EQ(2, replies);
    rig_end(&r);
}
