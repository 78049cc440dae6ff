#include "net/delivery.h"

#include "crypto/hash.h"
#include "delivery_rig.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

/* A link between 0 and 1, or two that lose nothing. */
static void join(struct rig *r, unsigned a, unsigned b) {
    rig_up(r, a, b, true);
    rig_up(r, b, a, true);
}
static size_t count(const struct rig *r, enum delivery_effect_kind kind) {
    size_t n = 0;
    for (size_t i = 0; i < r->fx.n; i++) n += r->fx.v[i].kind == kind;
    return n;
}
static struct delivery_counters at(const struct rig *r, unsigned node) { return delivery_counters(r->node[node].d); }

/* The packet on top of the network, taken out of it. */
static struct rig_packet *take(struct rig *r) {
    struct rig_packet *p = (struct rig_packet *)vl_heap_top(&r->net);
    CHECK(p != NULL);
    vl_heap_remove(&r->net, &p->at);
    return p;
}
static enum vl_err receive(struct rig *r, unsigned to, unsigned from, struct vl_span bytes) {
    struct delivery_event ev = { .kind = DELIVERY_RECV_ENVELOPE };
    ev.u.recv.peer = r->node[from].id;
    ev.u.recv.bytes = bytes;
    return rig_event(r, to, ev);
}
static void drop(struct rig_packet *p) {
    free(p->p);
    free(p);
}

/* An envelope of node `from` with any body. */
static void forge(struct rig *r, unsigned from, struct envelope_body b, struct vl_buf *out) {
    struct vl_buf body;
    struct vl_hash h;
    struct envelope e = { .hop_limit = 1 };
    vl_buf_init(&body, ENVELOPE_BODY_MAX);
    CHECK_OK(envelope_body_encode(&b, &body));
    e.body = vl_span(body.p, body.len);
    crypto_blake2b256(e.body, &h);
    CHECK_OK(crypto_sign_message(&r->node[from].key, ENVELOPE_CONTEXT, vl_span(h.b, 32), e.signature));
    vl_buf_clear(out);
    CHECK_OK(envelope_encode(&e, out));
    vl_buf_free(&body);
}
static struct envelope_body plain(const struct rig *r, unsigned from, unsigned to, uint64_t seq) {
    struct envelope_body b = { .sender = r->node[from].id, .recipient = r->node[to].id, .epoch = 9, .seq = seq, .type = 1,
                               .priority = ENVELOPE_NORMAL, .requires_ack = true, .chunk_total = 1, .created_ms = r->now,
                               .expires_ms = r->now + 1000 };
    vl_put_u64(b.id.b, seq + 1);
    return b;
}

TEST(delivery, transmits_at_once_and_ends_with_the_acknowledgement) {
    struct rig r;
    struct vl_msg_id id;
    rig_init(&r, 1);
    join(&r, 0, 1);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "hello", 5, &id));
    CHECK_EQ(2, r.fx.n);
    CHECK_EQ(DELIVERY_PUT_OUT, r.fx.v[0].kind);
    CHECK_EQ(DELIVERY_TRANSMIT, r.fx.v[1].kind);
    rig_run(&r, r.now + 100);
    struct rig_row *got = vl_map_get(&r.node[1].got, id.b);
    CHECK(got != NULL && got->n == 5 && memcmp(got->p, "hello", 5) == 0);
    CHECK_EQ(1, at(&r, 0).delivered);
    CHECK_EQ(1, at(&r, 0).transmitted);
    CHECK_EQ(1, r.node[0].confirmed);
    CHECK_EQ(0, r.node[0].out.len);
    CHECK_EQ(0, rig_flying(&r));
    rig_free(&r);
}

TEST(delivery, keeps_a_message_for_a_peer_that_is_away_until_the_exact_end_of_its_life) {
    struct rig r;
    rig_init(&r, 1);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 5000, "a", 1, NULL));
    CHECK_EQ(r.now + 5000, delivery_deadline(r.node[0].d));
    rig_run(&r, r.now + 4999);
    CHECK_EQ(1, at(&r, 0).pending);
    rig_run(&r, r.now + 1);
    CHECK_EQ(0, at(&r, 0).pending);
    CHECK_EQ(1, at(&r, 0).expired);
    CHECK_EQ(1, r.node[0].dropped);
    CHECK_EQ(0, r.node[0].out.len);
    CHECK_EQ(VL_MS_NEVER, delivery_deadline(r.node[0].d));
    rig_free(&r);
}

TEST(delivery, forwards_what_waited_in_order_when_the_peer_comes_up) {
    struct rig r;
    struct vl_msg_id id[3];
    rig_init(&r, 1);
    for (uint8_t i = 0; i < 3; i++) CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_LOW, 0, &i, 1, &id[i]));
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_CRITICAL, 0, "!", 1, NULL));
    CHECK_EQ(0, count(&r, DELIVERY_TRANSMIT));
    rig_up(&r, 0, 1, true);
    CHECK_EQ(4, r.fx.n);
    CHECK_EQ(ENVELOPE_CRITICAL, r.fx.v[0].priority);
    for (size_t i = 0; i < 3; i++) CHECK(vl_msg_eq(id[i], r.fx.v[i + 1].id));
    rig_free(&r);
}

TEST(delivery, is_silent_while_the_peer_is_down_and_starts_again_when_it_comes) {
    struct rig r;
    rig_init(&r, 1);
    rig_up(&r, 0, 1, true);
    r.loss = 100;
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
    rig_down(&r, 0, 1);
    rig_run(&r, r.now + 600000);
    CHECK_EQ(1, at(&r, 0).transmitted);
    rig_up(&r, 0, 1, true);
    CHECK_EQ(2, at(&r, 0).transmitted);
    rig_free(&r);
}

TEST(delivery, gives_no_seq_twice_to_a_peer_that_was_forgotten_meanwhile) {
    struct rig r;
    rig_init(&r, 1);
    for (unsigned i = 0; i < 3; i++) {
        join(&r, 0, 1);
        CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
        rig_run(&r, r.now + 100);
        CHECK_EQ(i + 1, r.node[1].delivers);
        rig_down(&r, 0, 1); /* nothing waits for it: forgotten */
        rig_down(&r, 1, 0);
    }
    rig_free(&r);
}

TEST(delivery, does_not_repeat_on_a_reliable_link_before_the_acknowledgement_is_late) {
    struct rig r;
    rig_init(&r, 1);
    rig_up(&r, 0, 1, true);
    r.loss = 100;
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
    rig_run(&r, r.now + 4999);
    CHECK_EQ(1, at(&r, 0).transmitted);
    rig_run(&r, r.now + 252); /* 5 s and at most 0.25 s of jitter */
    CHECK_EQ(2, at(&r, 0).transmitted);
    CHECK_EQ(1, at(&r, 0).retried);
    rig_run(&r, r.now + 9999 - 252);
    CHECK_EQ(2, at(&r, 0).transmitted); /* doubled */
    rig_run(&r, r.now + 1000);
    CHECK_EQ(3, at(&r, 0).transmitted);
    rig_run(&r, r.now + 3600000);
    CHECK(at(&r, 0).transmitted >= 3 + 28 && at(&r, 0).transmitted <= 3 + 62); /* every 60..120 s in the end */
    rig_free(&r);
}

TEST(delivery, acknowledges_a_copy_again_but_delivers_it_once) {
    struct rig r;
    rig_init(&r, 1);
    join(&r, 0, 1);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
    struct rig_packet *p = take(&r);
    CHECK_OK(receive(&r, 1, 0, vl_span(p->p, p->n)));
    CHECK_EQ(1, count(&r, DELIVERY_DELIVER));
    CHECK_EQ(1, count(&r, DELIVERY_PUT_IN));
    r.loss = 100;
    rig_run(&r, r.now + 10); /* that acknowledgement is lost */
    r.loss = 0;
    CHECK_OK(receive(&r, 1, 0, vl_span(p->p, p->n)));
    CHECK_EQ(0, r.fx.n);
    CHECK_EQ(1, at(&r, 1).duplicates);
    rig_run(&r, r.now + 10);
    CHECK_EQ(2, at(&r, 1).acks_sent);
    CHECK_EQ(1, at(&r, 0).delivered);
    drop(p);
    rig_free(&r);
}

TEST(delivery, refuses_a_replay_after_restart) {
    struct rig r;
    rig_init(&r, 1);
    join(&r, 0, 1);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
    struct rig_packet *p = take(&r);
    CHECK_OK(receive(&r, 1, 0, vl_span(p->p, p->n)));
    rig_crash(&r, 1);
    rig_start(&r, 1);
    rig_up(&r, 1, 0, true);
    CHECK_OK(receive(&r, 1, 0, vl_span(p->p, p->n)));
    CHECK_EQ(0, count(&r, DELIVERY_DELIVER));
    CHECK_EQ(1, at(&r, 1).duplicates);
    rig_run(&r, r.now + 10);
    CHECK_EQ(1, at(&r, 0).delivered);
    drop(p);
    rig_free(&r);
}

TEST(delivery, batches_acknowledgements_up_to_64) {
    struct rig r;
    rig_init(&r, 1);
    for (unsigned i = 0; i < RIG_NODES; i++) {
        rig_crash(&r, i);
        for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++) r.node[i].cfg.limits.in_flight[p] = DELIVERY_WINDOW;
        rig_start(&r, i);
    }
    for (unsigned i = 0; i < 70; i++) CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
    r.delay_max = 0;
    join(&r, 0, 1);
    rig_run(&r, r.now);
    CHECK_EQ(1, at(&r, 1).acks_sent);
    CHECK_EQ(64, at(&r, 0).delivered);
    rig_run(&r, r.now + 4);
    CHECK_EQ(1, at(&r, 1).acks_sent);
    rig_run(&r, r.now + 1);
    CHECK_EQ(2, at(&r, 1).acks_sent);
    CHECK_EQ(70, at(&r, 0).delivered);
    rig_free(&r);
}

TEST(delivery, refuses_what_is_forged_misdirected_or_out_of_time) {
    struct rig r;
    struct vl_buf e;
    struct envelope_body b;
    rig_init(&r, 1);
    vl_buf_init(&e, ENVELOPE_MAX);
    forge(&r, 0, plain(&r, 0, 1, 0), &e);
    CHECK_EQ(VL_EDENIED, receive(&r, 2, 0, vl_span(e.p, e.len))); /* not for node 2 */
    CHECK_EQ(VL_EDENIED, receive(&r, 1, 2, vl_span(e.p, e.len))); /* not from that link's peer */
    forge(&r, 2, plain(&r, 0, 1, 0), &e);
    CHECK_EQ(VL_ECRYPTO, receive(&r, 1, 0, vl_span(e.p, e.len)));
    forge(&r, 0, plain(&r, 0, 1, 0), &e);
    e.p[e.len - 1] ^= 1; /* hop limit: not signed */
    CHECK_EQ(VL_EPARSE, receive(&r, 1, 0, vl_span(e.p, e.len - 1)));
    vl_ms skew = r.node[1].cfg.limits.skew_ms;
    b = plain(&r, 0, 1, 0);
    b.created_ms = b.expires_ms = r.now - skew;
    forge(&r, 0, b, &e);
    CHECK_EQ(VL_EEXPIRED, receive(&r, 1, 0, vl_span(e.p, e.len)));
    b.expires_ms++;
    forge(&r, 0, b, &e);
    CHECK_OK(receive(&r, 1, 0, vl_span(e.p, e.len)));
    b = plain(&r, 0, 1, 1);
    b.created_ms = r.now + skew + 1;
    b.expires_ms = b.created_ms + 1;
    forge(&r, 0, b, &e);
    CHECK_EQ(VL_ERANGE, receive(&r, 1, 0, vl_span(e.p, e.len)));
    b = plain(&r, 0, 1, 1);
    b.expires_ms = b.created_ms + r.node[1].cfg.limits.ttl_max_ms + 1;
    forge(&r, 0, b, &e);
    CHECK_EQ(VL_ERANGE, receive(&r, 1, 0, vl_span(e.p, e.len)));
    b = plain(&r, 0, 1, 1);
    b.encrypted = true;
    forge(&r, 0, b, &e);
    CHECK_EQ(VL_EUNSUPPORTED, receive(&r, 1, 0, vl_span(e.p, e.len)));
    b = plain(&r, 0, 1, 1);
    b.compressed = true;
    b.payload = vl_span_str("\0\1\0\0junk that is no LZ4 block");
    b.payload = vl_span("\0\0\4\1junk that is no LZ4 block", 29);
    forge(&r, 0, b, &e);
    CHECK_EQ(VL_EPARSE, receive(&r, 1, 0, vl_span(e.p, e.len)));
    CHECK_EQ(1, at(&r, 1).received);
    CHECK_EQ(1, r.node[1].in.len);
    vl_buf_free(&e);
    rig_free(&r);
}

TEST(delivery, believes_an_acknowledgement_only_of_the_recipient) {
    struct rig r;
    struct vl_buf body, ack;
    struct vl_hash h;
    uint8_t sig[64];
    struct envelope_ack a = { .n = 1 };
    struct delivery_event ev = { .kind = DELIVERY_RECV_ACK };
    rig_init(&r, 1);
    vl_buf_init(&body, ENVELOPE_ACK_MAX);
    vl_buf_init(&ack, ENVELOPE_ACK_MAX);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, &a.ids[0]));
    a.from = r.node[2].id; /* node 2 says that it has what was sent to node 1 */
    a.to = r.node[0].id;
    CHECK_OK(envelope_ack_body_encode(&a, &body));
    crypto_blake2b256(vl_span(body.p, body.len), &h);
    CHECK_OK(crypto_sign_message(&r.node[2].key, ENVELOPE_ACK_CONTEXT, vl_span(h.b, 32), sig));
    CHECK_OK(envelope_ack_encode(vl_span(body.p, body.len), sig, &ack));
    ev.u.recv.peer = r.node[2].id;
    ev.u.recv.bytes = vl_span(ack.p, ack.len);
    CHECK_OK(rig_event(&r, 0, ev));
    CHECK_EQ(1, at(&r, 0).pending);
    ev.u.recv.peer = r.node[1].id;
    CHECK_EQ(VL_EDENIED, rig_event(&r, 0, ev));
    sig[0] ^= 1;
    vl_buf_clear(&ack);
    CHECK_OK(envelope_ack_encode(vl_span(body.p, body.len), sig, &ack));
    ev.u.recv.peer = r.node[2].id;
    ev.u.recv.bytes = vl_span(ack.p, ack.len);
    CHECK_EQ(VL_ECRYPTO, rig_event(&r, 0, ev));
    CHECK_EQ(1, at(&r, 0).pending);
    vl_buf_free(&body);
    vl_buf_free(&ack);
    rig_free(&r);
}

TEST(delivery, pushes_back_when_a_queue_is_full_and_lets_the_critical_take_a_place) {
    struct rig r;
    struct vl_msg_id last = { { 0 } }, id;
    rig_init(&r, 1);
    for (unsigned i = 0; i < 500; i++) CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_BULK, 0, "a", 1, &last));
    CHECK_EQ(VL_ELIMIT, rig_send(&r, 0, 1, ENVELOPE_BULK, 0, "a", 1, NULL));
    for (unsigned i = 0; i < 50; i++) CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_HIGH, 0, "a", 1, NULL));
    CHECK_EQ(VL_ELIMIT, rig_send(&r, 0, 1, ENVELOPE_HIGH, 0, "a", 1, NULL)); /* high takes nothing from bulk */
    for (unsigned i = 0; i < 10; i++) CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_CRITICAL, 0, "a", 1, NULL));
    CHECK_EQ(0, at(&r, 0).evicted);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_CRITICAL, 0, "a", 1, &id));
    CHECK_EQ(DELIVERY_PUT_OUT, r.fx.v[0].kind);
    CHECK_EQ(DELIVERY_DROPPED, r.fx.v[2].kind);
    CHECK_EQ(VL_ELIMIT, r.fx.v[2].err);
    CHECK(vl_msg_eq(last, r.fx.v[2].id)); /* the newest bulk message */
    CHECK_EQ(1, at(&r, 0).evicted);
    CHECK(vl_map_get(&r.node[0].out, id.b) != NULL);
    CHECK_EQ(560, r.node[0].out.len);
    rig_free(&r);
}

TEST(delivery, refuses_even_the_critical_when_nothing_may_give_way) {
    struct rig r;
    rig_init(&r, 1);
    for (unsigned i = 0; i < 10; i++) CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_CRITICAL, 0, "a", 1, NULL));
    CHECK_EQ(VL_ELIMIT, rig_send(&r, 0, 1, ENVELOPE_CRITICAL, 0, "a", 1, NULL));
    r.loss = 100;
    rig_up(&r, 0, 1, true);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_BULK, 0, "a", 1, NULL)); /* on its way: may be delivered already */
    CHECK_EQ(VL_ELIMIT, rig_send(&r, 0, 1, ENVELOPE_CRITICAL, 0, "a", 1, NULL));
    CHECK_EQ(11, at(&r, 0).pending);
    rig_free(&r);
}

TEST(delivery, keeps_the_limit_of_all_destinations_together) {
    struct rig r;
    rig_init(&r, 1);
    rig_crash(&r, 0);
    r.node[0].cfg.limits.messages = 3;
    rig_start(&r, 0);
    for (unsigned i = 1; i < 4; i++) CHECK_OK(rig_send(&r, 0, i, ENVELOPE_LOW, 0, "a", 1, NULL));
    CHECK_EQ(VL_ELIMIT, rig_send(&r, 0, 1, ENVELOPE_LOW, 0, "a", 1, NULL));
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_CRITICAL, 0, "a", 1, NULL));
    CHECK_EQ(3, at(&r, 0).pending);
    CHECK_EQ(0, delivery_pending(r.node[0].d, r.node[3].id));
    rig_free(&r);
}

TEST(delivery, forgets_a_node_that_left_for_good) {
    struct rig r;
    struct delivery_event ev = { .kind = DELIVERY_PURGE };
    rig_init(&r, 1);
    for (unsigned i = 0; i < 500; i++) CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_BULK, 0, "a", 1, NULL));
    CHECK_OK(rig_send(&r, 0, 2, ENVELOPE_BULK, 0, "a", 1, NULL));
    ev.u.peer = r.node[1].id;
    CHECK_OK(rig_event(&r, 0, ev));
    CHECK_EQ(500, at(&r, 0).purged);
    CHECK_EQ(500, count(&r, DELIVERY_DROPPED));
    CHECK_EQ(1, r.node[0].out.len);
    rig_free(&r);
}

TEST(delivery, gives_messages_to_itself_in_the_same_step) {
    struct rig r;
    rig_init(&r, 1);
    CHECK_OK(rig_send(&r, 0, 0, ENVELOPE_NORMAL, 0, "me", 2, NULL));
    CHECK_EQ(2, r.fx.n);
    CHECK_EQ(DELIVERY_DELIVER, r.fx.v[0].kind);
    CHECK_EQ(DELIVERY_DELIVERED, r.fx.v[1].kind);
    CHECK_EQ(VL_MS_NEVER, delivery_deadline(r.node[0].d));
    rig_free(&r);
}

TEST(delivery, refuses_arguments_out_of_range) {
    struct rig r;
    static uint8_t big[VL_PAYLOAD_MAX + 1];
    struct delivery *d = NULL;
    rig_init(&r, 1);
    CHECK_EQ(VL_ERANGE, rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, big, sizeof big, NULL));
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, big, sizeof big - 1, NULL));
    CHECK_EQ(VL_ERANGE, rig_send(&r, 0, 1, (enum envelope_priority)5, 0, "a", 1, NULL));
    CHECK_EQ(VL_ERANGE, rig_send(&r, 0, 1, ENVELOPE_NORMAL, 86400001, "a", 1, NULL));
    CHECK_EQ(VL_ERANGE, rig_event(&r, 0, (struct delivery_event){ .kind = (enum delivery_event_kind)99 }));
    struct delivery_cfg cfg = r.node[0].cfg;
    cfg.limits.in_flight[2] = DELIVERY_WINDOW + 1; /* would break the window's law */
    CHECK_EQ(VL_ERANGE, delivery_create(&cfg, &d));
    cfg = r.node[0].cfg;
    cfg.self = r.node[1].id;
    CHECK_EQ(VL_ERANGE, delivery_create(&cfg, &d));
    rig_free(&r);
}

TEST(delivery, packs_text_and_leaves_noise) {
    struct rig r;
    uint8_t noise[4096];
    char text[4096];
    struct vl_msg_id a, b;
    rig_init(&r, 1);
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)vl_prng_next(&r.prng);
    for (size_t i = 0; i < sizeof text; i++) text[i] = "{\"node\":\"a\",\"load\":12}"[i % 22];
    join(&r, 0, 1);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, noise, sizeof noise, &a));
    CHECK(r.fx.v[0].bytes.n > sizeof noise);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, text, sizeof text, &b));
    CHECK(r.fx.v[0].bytes.n < sizeof text / 5);
    rig_run(&r, r.now + 100);
    struct rig_row *row = vl_map_get(&r.node[1].got, a.b);
    CHECK(row != NULL && row->n == sizeof noise && memcmp(row->p, noise, sizeof noise) == 0);
    row = vl_map_get(&r.node[1].got, b.b);
    CHECK(row != NULL && row->n == sizeof text && memcmp(row->p, text, sizeof text) == 0);
    rig_free(&r);
}

TEST(delivery, takes_the_window_as_exact_256_and_what_is_below_as_a_copy) {
    struct rig r;
    struct vl_buf e;
    rig_init(&r, 1);
    vl_buf_init(&e, ENVELOPE_MAX);
    const uint64_t seqs[] = { 1000, 745, 744, 746, 1001, 745, 1256, 1255 };
    const uint64_t received[] = { 1, 2, 2, 3, 4, 4, 5, 6 };
    for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
        forge(&r, 0, plain(&r, 0, 1, seqs[i]), &e);
        CHECK_OK(receive(&r, 1, 0, vl_span(e.p, e.len)));
        CHECK_EQ(received[i], at(&r, 1).received);
    }
    CHECK_EQ(1, r.node[1].in.len);
    vl_buf_free(&e);
    rig_free(&r);
}

TEST(delivery, never_flies_further_than_the_window_ahead_of_an_undecided_message) {
    struct rig r;
    rig_init(&r, 1);
    rig_crash(&r, 0);
    r.node[0].cfg.limits.queue[ENVELOPE_NORMAL] = 2 * DELIVERY_WINDOW;
    r.node[0].cfg.limits.in_flight[ENVELOPE_NORMAL] = DELIVERY_WINDOW;
    rig_start(&r, 0);
    join(&r, 0, 1);
    r.loss = 100; /* the first is lost */
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
    r.loss = 0;
    for (unsigned i = 1; i < DELIVERY_WINDOW + 8; i++) {
        CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
        rig_run(&r, r.now + 10);
    }
    CHECK_EQ(DELIVERY_WINDOW - 1, r.node[1].delivers);
    CHECK_EQ(9, at(&r, 0).pending);
    rig_run(&r, r.now + 6000);
    CHECK_EQ(DELIVERY_WINDOW + 8, r.node[1].delivers);
    CHECK_EQ(0, at(&r, 0).pending);
    rig_free(&r);
}

TEST(delivery, forgets_a_window_only_when_all_it_could_refuse_has_expired) {
    struct rig r;
    rig_init(&r, 1);
    join(&r, 0, 1);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
    rig_run(&r, r.now + 100);
    CHECK_EQ(1, r.node[1].in.len);
    vl_ms end = delivery_deadline(r.node[1].d);
    rig_run(&r, end - 1);
    CHECK_EQ(1, r.node[1].in.len);
    rig_run(&r, end);
    CHECK_EQ(0, r.node[1].in.len);
    CHECK_EQ(VL_MS_NEVER, delivery_deadline(r.node[1].d));
    rig_free(&r);
}

TEST(delivery, lets_a_sender_without_end_of_epochs_forget_only_its_own) {
    struct rig r;
    struct vl_buf e;
    rig_init(&r, 1);
    vl_buf_init(&e, ENVELOPE_MAX);
    rig_crash(&r, 1);
    r.node[1].cfg.limits.windows = 4;
    r.node[1].cfg.limits.windows_per_sender = 3;
    rig_start(&r, 1);
    for (uint64_t epoch = 0; epoch < 10; epoch++) {
        struct envelope_body b = plain(&r, 0, 1, epoch);
        b.epoch = epoch;
        forge(&r, 0, b, &e);
        CHECK_OK(receive(&r, 1, 0, vl_span(e.p, e.len)));
        CHECK(r.node[1].in.len <= 3);
    }
    forge(&r, 2, plain(&r, 2, 1, 77), &e);
    CHECK_OK(receive(&r, 1, 2, vl_span(e.p, e.len)));
    forge(&r, 3, plain(&r, 3, 1, 78), &e);
    CHECK_EQ(VL_ELIMIT, receive(&r, 1, 3, vl_span(e.p, e.len)));
    CHECK_EQ(4, r.node[1].in.len);
    CHECK_EQ(1, at(&r, 1).refused_limit);
    vl_buf_free(&e);
    rig_free(&r);
}

TEST(delivery, refuses_rows_that_are_damaged_or_of_this_epoch) {
    struct rig r;
    struct delivery_event ev = { .kind = DELIVERY_RESTORE_OUT };
    uint8_t copy[512];
    rig_init(&r, 1);
    CHECK_OK(rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, "a", 1, NULL));
    size_t it = 0, n;
    struct rig_row *row = vl_map_next(&r.node[0].out, &it, NULL);
    n = row->n;
    memcpy(copy, row->p, n);
    ev.u.row = vl_span(copy, n);
    CHECK_EQ(VL_ESTATE, rig_event(&r, 0, ev));
    for (size_t i = 0; i + 1 < n; i++) { /* the last byte is the hop limit, which is not signed */
        copy[i] ^= 0x10;
        CHECK_EQ(VL_ECORRUPT, rig_event(&r, 0, ev));
        copy[i] ^= 0x10;
    }
    CHECK_EQ(VL_ECORRUPT, rig_event(&r, 1, ev)); /* another node's */
    ev.kind = DELIVERY_RESTORE_IN;
    ev.u.row = vl_span(copy, DELIVERY_IN_ROW);
    CHECK_EQ(VL_ECORRUPT, rig_event(&r, 0, ev));
    rig_free(&r);
}
