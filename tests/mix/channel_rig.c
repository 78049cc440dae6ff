#include "mix/channel_rig.h"

#include "crypto/random.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

void rig_init(struct rig *r, uint64_t seed, const struct channel_config *cfg) {
    uint8_t full[32] = { 0 };
    CHECK_OK(crypto_init());
    memset(r, 0, sizeof *r);
    vl_put_u64(full, seed);
    crypto_drbg_init(&r->rng, full);
    vl_prng_seed(&r->net, seed);
    r->now = 1000000;
    r->slot_ms = 20;
    r->delay_ms = 20;
    r->epoch = 7;
    for (uint32_t i = 0; i < RIG_RELAYS; i++) {
        struct crypto_dh_key k;
        crypto_drbg_bytes(&r->rng, full, sizeof full);
        crypto_dh_key_from_seed(full, &k);
        r->relay[i].key_id = (uint8_t)i;
        memcpy(r->relay[i].secret, k.secret, 32);
        memcpy(r->relay[i].public, k.public, 32);
    }
    for (unsigned i = 0; i < RIG_PARTIES; i++) {
        struct channel_config cc = cfg ? *cfg : channel_config_default();
        crypto_drbg_bytes(&r->rng, cc.seed, sizeof cc.seed);
        crypto_drbg_bytes(&r->rng, cc.static_secret, sizeof cc.static_secret);
        crypto_dh_key_from_seed(cc.static_secret, &r->party[i].key);
        memset(r->party[i].node.b, (int)i, sizeof r->party[i].node.b);
        CHECK_OK(channel_create(&cc, &r->party[i].channel));
        channel_epoch(r->party[i].channel, r->now, r->epoch);
    }
}

void rig_end(struct rig *r) {
    for (unsigned i = 0; i < RIG_PARTIES; i++) {
        channel_destroy(r->party[i].channel);
        for (size_t e = 0; e < r->party[i].events_n; e++) free(r->party[i].events[e].bytes);
        free(r->party[i].events);
    }
    for (struct vl_heap_node *n; (n = vl_heap_top(&r->in_flight)) != NULL;) {
        vl_heap_remove(&r->in_flight, n);
        free(n); /* the first member of struct parcel */
    }
    vl_heap_free(&r->in_flight);
}

struct channel_to rig_to(const struct rig *r, unsigned party, enum mix_level level, bool anonymous) {
    struct channel_to to = { .node = r->party[party].node, .level = level, .anonymous = anonymous };
    memcpy(to.static_key, r->party[party].key.public, 32);
    return to;
}

static struct sphinx_path path(struct rig *r, enum mix_level level, enum sphinx_command command, unsigned to) {
    struct sphinx_path p = { .n = mix_level_hops(level), .end = { .command = command } };
    uint32_t from = (uint32_t)vl_prng_below(&r->net, RIG_RELAYS);
    for (uint32_t i = 0; i < p.n; i++) {
        uint32_t k = (from + i) % RIG_RELAYS;
        p.hop[i] = (struct sphinx_hop){ .node = 1 + k, .key_id = (uint8_t)k, .delay_ms = (uint16_t)r->delay_ms };
        memcpy(p.hop[i].key, r->relay[k].public, 32);
    }
    memset(p.end.recipient, (int)to, sizeof p.end.recipient);
    if (command == SPHINX_REPLY) crypto_drbg_bytes(&r->rng, p.end.surb_id, sizeof p.end.surb_id);
    return p;
}

void rig_surbs(struct rig *r, unsigned party, enum mix_level level, uint32_t n, uint8_t (*surb)[SPHINX_SURB],
               struct sphinx_surb_keys *keys) {
    struct sphinx_path p[3];
    CHECK(n <= 3);
    for (uint32_t i = 0; i < n; i++) p[i] = path(r, level, SPHINX_REPLY, party);
    if (n > 0) CHECK_OK(sphinx_surb_build(p, n, r->epoch + 1, &r->rng, surb, keys));
}

/* Through all relays to the mailbox; the delays and losses of the way are drawn by whoever asks for them. */
static void pass(struct rig *r, uint32_t first, uint8_t packet[SPHINX_PACKET], struct parcel *ret, uint32_t *ret_hops) {
    struct sphinx_work w;
    for (*ret_hops = 1;; ++*ret_hops) {
        CHECK(first >= 1 && first <= RIG_RELAYS);
        const struct sphinx_node_key *k = &r->relay[first - 1];
        w = (struct sphinx_work){ .packet = packet };
        w.verdict = sphinx_glance(packet, k, 1, &w.key);
        sphinx_open(&w, 1, k);
        sphinx_peel(&w, 1);
        CHECK_EQ(SPHINX_OK, w.verdict);
        if (w.command != SPHINX_FORWARD) break;
        first = w.next;
    }
    ret->to = w.end.recipient[0];
    ret->reply = w.command == SPHINX_REPLY;
    memcpy(ret->surb_id, w.end.surb_id, 16);
    if (ret->reply)
        memcpy(ret->bytes, packet + SPHINX_HEADER, SPHINX_DELTA);
    else
        memcpy(ret->bytes, packet + SPHINX_HEADER + 16, SPHINX_BODY);
}

uint32_t rig_pack(struct rig *r, const struct channel_slot *s, const uint8_t body[SPHINX_BODY], struct parcel *ret) {
    uint8_t packet[SPHINX_PACKET];
    uint32_t first = s->first, hops;
    if (s->reply) {
        memcpy(packet, s->packet, sizeof packet);
    } else {
        struct sphinx_prebuilt pre;
        struct sphinx_path p = path(r, s->level, SPHINX_DELIVER, s->to.b[0]);
        CHECK_OK(sphinx_build(&p, 1, &r->rng, &pre));
        sphinx_seal(&pre, body, packet);
        first = pre.first;
    }
    pass(r, first, packet, ret, &hops);
    return hops;
}

static uint32_t carry(struct rig *r, unsigned party, const struct channel_slot *s, vl_ms rtt_ms, struct parcel *ret) {
    uint8_t body[SPHINX_BODY] = { 0 }, surb[3][SPHINX_SURB];
    struct sphinx_surb_keys keys[3];
    if (!s->reply) {
        rig_surbs(r, party, s->level, s->surbs, surb, keys);
        CHECK_OK(channel_fill(r->party[party].channel, r->now, s->handle, rtt_ms, (const uint8_t(*)[SPHINX_SURB])surb,
                              keys, body));
    }
    *ret = (struct parcel){ .from = party };
    return rig_pack(r, s, body, ret);
}

void rig_carry(struct rig *r, unsigned party, const struct channel_slot *s, vl_ms rtt_ms, struct parcel *ret) {
    (void)carry(r, party, s, rtt_ms, ret);
}

bool rig_slot(struct rig *r, unsigned party, struct parcel *ret) {
    struct channel_slot s;
    if (!channel_slot(r->party[party].channel, r->now, &s)) return false;
    rig_carry(r, party, &s, RIG_RTT, ret);
    return true;
}

enum vl_err rig_deliver(struct rig *r, const struct parcel *p) {
    struct channel *c = r->party[p->to].channel;
    enum vl_err err =
        p->reply ? channel_recv_reply(c, r->now, p->surb_id, p->bytes) : channel_recv(c, r->now, p->bytes);
    rig_drain(r, p->to);
    return err;
}

void rig_drain(struct rig *r, unsigned party) {
    struct rig_party *p = &r->party[party];
    struct channel_event ev;
    while (channel_next(p->channel, &ev)) {
        if (p->events_n == p->events_cap) {
            p->events_cap = p->events_cap ? 2 * p->events_cap : 64;
            p->events = realloc(p->events, p->events_cap * sizeof *p->events);
            assert_non_null(p->events);
        }
        struct rig_event *e = &p->events[p->events_n++];
        e->event = ev;
        e->bytes = malloc(ev.bytes.n + 1);
        if (ev.bytes.n > 0) memcpy(e->bytes, ev.bytes.p, ev.bytes.n);
        e->event.bytes.p = e->bytes;
    }
}

/* ---- time ---- */

static void post(struct rig *r, const struct parcel *p, uint32_t hops) {
    vl_ms delay = 1;
    for (uint32_t i = 0; i < hops; i++) delay += vl_prng_below(&r->net, 2 * r->delay_ms + 1);
    struct parcel *copy = malloc(sizeof *copy);
    assert_non_null(copy);
    *copy = *p;
    copy->at = (struct vl_heap_node){ 0 };
    CHECK_OK(vl_heap_set(&r->in_flight, &copy->at, r->now + delay));
}

static void slot(struct rig *r, unsigned party) {
    struct channel_slot s;
    struct parcel p;
    if (!channel_slot(r->party[party].channel, r->now, &s)) return;
    uint32_t hops = carry(r, party, &s, RIG_RTT, &p);
    bool lost = r->drop && r->drop(r, &p);
    for (uint32_t i = 0; i < hops; i++) lost |= vl_prng_below(&r->net, 1000) < r->loss_permille;
    r->sent++;
    r->lost += lost;
    if (lost) return;
    post(r, &p, hops);
    if (vl_prng_below(&r->net, 1000) < r->copies_permille) post(r, &p, hops); /* a mailbox that says it twice */
}

bool rig_quiet(const struct rig *r) {
    if (r->in_flight.len > 0) return false;
    for (unsigned i = 0; i < RIG_PARTIES; i++) {
        struct channel_stats s = channel_stats(r->party[i].channel);
        if (s.out > 0 || s.waiting > 0) return false;
    }
    return true;
}

void rig_run(struct rig *r, vl_ms until) {
    while (r->now < until && !rig_quiet(r)) {
        vl_ms next = r->now + r->slot_ms;
        for (struct vl_heap_node *n; (n = vl_heap_top(&r->in_flight)) != NULL && n->at <= next;) {
            struct parcel *p = (struct parcel *)n; /* its first member */
            vl_heap_remove(&r->in_flight, n);
            r->now = n->at > r->now ? n->at : r->now;
            (void)rig_deliver(r, p);
            free(p);
        }
        r->now = next;
        for (unsigned i = 0; i < RIG_PARTIES; i++) {
            channel_tick(r->party[i].channel, r->now);
            CHECK(channel_deadline(r->party[i].channel) > r->now);
            rig_drain(r, i);
            struct channel_stats s = channel_stats(r->party[i].channel);
            CHECK_EQ(s.sent, s.done + s.failed + s.out);
            CHECK_EQ(s.done, rig_count(r, i, CHANNEL_DONE, 0));
            slot(r, i);
            rig_drain(r, i);
        }
    }
}

size_t rig_count(const struct rig *r, unsigned party, enum channel_event_kind kind, uint64_t id) {
    size_t n = 0;
    for (size_t i = 0; i < r->party[party].events_n; i++) {
        const struct channel_event *e = &r->party[party].events[i].event;
        n += e->kind == kind && (id == 0 || e->id == id);
    }
    return n;
}
