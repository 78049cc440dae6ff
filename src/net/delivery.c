#include "net/delivery.h"

#include "crypto/hash.h"
#include "net/delivery_priv.h"
#include "net/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct delivery_cfg delivery_cfg_default(void) {
    return (struct delivery_cfg){
        .limits = { .queue = { 10, 50, 200, 500, 500 }, /* NET-16; bulk as low */
                    .in_flight = { 16, 16, 32, 16, 16 },
                    .messages = 65536,
                    .bytes = 256ull << 20,
                    .peers = VL_NODES_MAX,
                    .windows = 65536,
                    .windows_per_sender = 320, /* 64 starts of a peer in a day, five priorities each */
                    .ttl_ms = 86400000,
                    .ttl_max_ms = 86400000,
                    .skew_ms = 120000 },
        .retry = { .base_ms = 250, .cap_ms = 60000, .ack_timeout_ms = 5000, .unreliable_ms = 100, .ack_delay_ms = 5 },
    };
}

/* ---- effects ---- */

void delivery_effects_init(struct delivery_effects *fx) {
    *fx = (struct delivery_effects){ 0 };
    vl_buf_init(&fx->arena, STEP_ARENA);
}
void delivery_effects_free(struct delivery_effects *fx) {
    free(fx->v);
    vl_buf_free(&fx->arena);
    delivery_effects_init(fx);
}

enum vl_err delivery_fx_reserve(struct delivery_effects *fx, size_t n) {
    size_t need = fx->n + n + STEP_BUDGET + 4; /* 4: what one optional action may add past the budget */
    if (need > DELIVERY_EFFECTS_MAX) return VL_ENOMEM;
    if (need > fx->cap) {
        struct delivery_effect *v = realloc(fx->v, need * sizeof *v);
        if (v == NULL) return VL_ENOMEM;
        fx->v = v;
        fx->cap = need;
    }
    return fx->arena.cap == 0 ? vl_buf_reserve(&fx->arena, STEP_ARENA) : VL_OK;
}
void delivery_fx_add(struct delivery_effects *fx, struct delivery_effect e) {
    assert(fx->n < fx->cap);
    fx->v[fx->n++] = e;
}
bool delivery_fx_full(const struct delivery_effects *fx) { return fx->n >= STEP_BUDGET || fx->n + 4 > fx->cap; }

/* ---- create ---- */

static bool cfg_sound(const struct delivery_cfg *cfg) {
    const struct delivery_limits *l = &cfg->limits;
    bool ok = cfg->key != NULL && vl_node_eq(cfg->self, crypto_sign_node_id(cfg->key));
    for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++)
        ok = ok && l->queue[p] >= 1 && l->queue[p] <= DELIVERY_QUEUE_MAX && l->in_flight[p] >= 1 &&
             l->in_flight[p] <= DELIVERY_WINDOW;
    return ok && l->messages >= 1 && l->bytes >= ENVELOPE_MAX && l->peers >= 1 && l->windows >= 1 &&
           l->windows_per_sender >= 1 && l->ttl_ms >= 1 && l->ttl_ms <= l->ttl_max_ms &&
           l->ttl_max_ms <= DELIVERY_TTL_MAX && l->skew_ms <= DELIVERY_TTL_MAX && cfg->retry.base_ms >= 1 &&
           cfg->retry.cap_ms >= cfg->retry.base_ms && cfg->retry.ack_timeout_ms >= 1 && cfg->retry.unreliable_ms >= 1;
}

enum vl_err delivery_create(const struct delivery_cfg *cfg, struct delivery **ret) {
    if (!cfg_sound(cfg)) return VL_ERANGE;
    struct delivery *d = calloc(1, sizeof *d);
    if (d == NULL) return VL_ENOMEM;
    d->cfg = *cfg;
    vl_prng_seed(&d->prng, cfg->seed);
    uint64_t hash_seed = vl_prng_next(&d->prng);
    /* One more message than the limit, for the moment in which one takes another's place. */
    vl_map_init(&d->messages, sizeof(struct vl_msg_id), (size_t)cfg->limits.messages + 1, hash_seed);
    vl_map_init(&d->dests, sizeof(struct vl_node_id), cfg->limits.peers, hash_seed);
    vl_map_init(&d->windows, 41, (size_t)cfg->limits.windows + 1, hash_seed);
    vl_map_init(&d->senders, sizeof(struct vl_node_id), (size_t)cfg->limits.windows + 1, hash_seed);
    *ret = d;
    return VL_OK;
}

void delivery_destroy(struct delivery *d) {
    if (d == NULL) return;
    delivery_out_destroy(d);
    delivery_in_destroy(d);
    free(d);
}

/* ---- acknowledgements ---- */

static bool signature_holds(const uint8_t public[32], const char *context, struct vl_span body, const uint8_t *signature) {
    struct vl_hash h;
    crypto_blake2b256(body, &h);
    return crypto_verify_message(public, context, vl_span(h.b, sizeof h.b), signature) == VL_OK;
}

/* Sends what has gathered for t.  Room: 1 effect and ENVELOPE_ACK_MAX bytes. */
static void ack_flush(struct delivery *d, struct dest *t, struct delivery_effects *fx) {
    uint8_t body_bytes[ENVELOPE_ACK_MAX], signature[ENVELOPE_SIGNATURE];
    struct vl_buf body = { .p = body_bytes, .cap = sizeof body_bytes, .max = sizeof body_bytes };
    struct vl_hash h;
    size_t start = fx->arena.len;
    vl_heap_remove(&d->ack_due, &t->ack_due);
    enum vl_err err = envelope_ack_body_encode(t->acks, &body);
    crypto_blake2b256(vl_span(body.p, body.len), &h);
    if (!err) err = crypto_sign_message(d->cfg.key, ENVELOPE_ACK_CONTEXT, vl_span(h.b, sizeof h.b), signature);
    if (!err) err = envelope_ack_encode(vl_span(body.p, body.len), signature, &fx->arena);
    assert(err == VL_OK); /* all sizes are our own and fit */
    (void)err;
    t->acks->n = 0;
    delivery_fx_add(fx, (struct delivery_effect){ .kind = DELIVERY_TRANSMIT,
                                                  .frame = DELIVERY_FRAME_ACK,
                                                  .peer = t->id,
                                                  .priority = ENVELOPE_HIGH,
                                                  .bytes = vl_span(fx->arena.p + start, fx->arena.len - start) });
    d->counters.acks_sent++;
}

/* Whatever can fail of ack_add(). */
static enum vl_err ack_reserve(struct delivery *d, struct dest *t, vl_ms now) {
    if (t->acks == NULL) {
        t->acks = calloc(1, sizeof *t->acks);
        if (t->acks == NULL) return VL_ENOMEM;
        t->acks->from = d->cfg.self;
        t->acks->to = t->id;
    }
    return t->ack_due.index ? VL_OK : vl_heap_set(&d->ack_due, &t->ack_due, vl_ms_add(now, d->cfg.retry.ack_delay_ms));
}
static void ack_add(struct delivery *d, struct dest *t, struct vl_msg_id id, struct delivery_effects *fx) {
    t->acks->ids[t->acks->n++] = id;
    if (t->acks->n == ENVELOPE_ACK_IDS_MAX) ack_flush(d, t, fx);
}

static void ack_run(struct delivery *d, vl_ms now, struct delivery_effects *fx) {
    while (vl_heap_deadline(&d->ack_due) <= now) {
        struct vl_heap_node *n = vl_heap_top(&d->ack_due);
        struct dest *t = (struct dest *)((char *)n - offsetof(struct dest, ack_due));
        if (delivery_fx_full(fx) || fx->arena.cap - fx->arena.len < ENVELOPE_ACK_MAX) return;
        if (t->acks->n > 0) ack_flush(d, t, fx);
        else vl_heap_remove(&d->ack_due, &t->ack_due);
        delivery_dest_release(d, t);
    }
}

static enum vl_err recv_ack(struct delivery *d, const struct delivery_event *ev, struct delivery_effects *fx) {
    struct vl_span body;
    uint8_t signature[ENVELOPE_SIGNATURE];
    struct envelope_ack ack;
    enum vl_err err = envelope_ack_decode(ev->u.recv.bytes, &body, signature);
    if (!err) err = envelope_ack_body_decode(body, &ack);
    if (err) {
        d->counters.refused_malformed++;
        return err;
    }
    if (!vl_node_eq(ack.to, d->cfg.self) || !vl_node_eq(ack.from, ev->u.recv.peer)) {
        d->counters.refused_recipient++;
        return VL_EDENIED;
    }
    if (!signature_holds(ack.from.b, ENVELOPE_ACK_CONTEXT, body, signature)) {
        d->counters.refused_signature++;
        return VL_ECRYPTO;
    }
    err = delivery_fx_reserve(fx, 2 * ack.n);
    if (err) return err;
    d->counters.acks_received++;
    for (size_t i = 0; i < ack.n; i++) {
        struct message *m = vl_map_get(&d->messages, ack.ids[i].b);
        /* Only the recipient itself can say that it has the message. */
        if (m == NULL || !vl_node_eq(m->dest->id, ack.from)) continue;
        delivery_out_acked(d, m, fx);
    }
    return VL_OK;
}

/* ---- receiving ---- */

/* Everything that can be said against an envelope before its signature is worth checking. */
static enum vl_err body_check(struct delivery *d, const struct delivery_event *ev, const struct envelope *e,
                              const struct envelope_body *b) {
    const struct delivery_limits *l = &d->cfg.limits;
    if (b->topic.n != 0 || b->chunk_total != 1 || b->encrypted) {
        d->counters.refused_malformed++;
        return VL_EUNSUPPORTED;
    }
    if (!vl_node_eq(b->recipient, d->cfg.self) || !vl_node_eq(b->sender, ev->u.recv.peer) || e->hop_count != 0) {
        d->counters.refused_recipient++;
        return VL_EDENIED;
    }
    if (b->expires_ms - b->created_ms > l->ttl_max_ms || b->created_ms > vl_ms_add(ev->now, l->skew_ms)) {
        d->counters.refused_expired++;
        return VL_ERANGE;
    }
    if (ev->now >= vl_ms_add(b->expires_ms, l->skew_ms)) {
        d->counters.refused_expired++;
        return VL_EEXPIRED;
    }
    return VL_OK;
}

static enum vl_err envelope_open(struct delivery *d, const struct delivery_event *ev, struct envelope_body *b) {
    struct envelope e;
    enum vl_err err = envelope_decode(ev->u.recv.bytes, &e);
    if (!err) err = envelope_body_decode(e.body, b);
    if (err) {
        d->counters.refused_malformed++;
        return err;
    }
    err = body_check(d, ev, &e, b);
    if (err) return err;
    if (!signature_holds(b->sender.b, ENVELOPE_CONTEXT, e.body, e.signature)) {
        d->counters.refused_signature++;
        return VL_ECRYPTO;
    }
    return VL_OK;
}

static enum vl_err receive_new(struct delivery *d, const struct envelope_body *b, vl_ms now, struct delivery_effects *fx) {
    struct vl_span payload = b->payload;
    if (b->compressed) {
        size_t start = fx->arena.len;
        enum vl_err err = pack_open(b->payload, &fx->arena);
        if (err) {
            d->counters.refused_malformed++;
            return err;
        }
        payload = vl_span(fx->arena.p + start, fx->arena.len - start);
    }
    enum vl_err err = delivery_in_note(d, b, now, fx);
    if (err) {
        d->counters.refused_limit++;
        return err;
    }
    delivery_fx_add(fx, (struct delivery_effect){ .kind = DELIVERY_DELIVER,
                                                  .id = b->id,
                                                  .peer = b->sender,
                                                  .type = b->type,
                                                  .priority = b->priority,
                                                  .bytes = payload });
    d->counters.received++;
    return VL_OK;
}

static enum vl_err recv_envelope(struct delivery *d, const struct delivery_event *ev, struct delivery_effects *fx) {
    struct envelope_body b;
    struct dest *t = NULL;
    enum vl_err err = envelope_open(d, ev, &b);
    if (!err) err = delivery_dest_get(d, ev->u.recv.peer, &t);
    if (err) return err;
    err = delivery_fx_reserve(fx, 5); /* PUT_IN, two DEL_IN, DELIVER, the acknowledgement */
    if (!err && b.requires_ack) err = ack_reserve(d, t, ev->now);
    if (!err && delivery_in_seen(d, &b)) d->counters.duplicates++; /* its acknowledgement may have been lost */
    else if (!err) err = receive_new(d, &b, ev->now, fx);
    if (!err && b.requires_ack) ack_add(d, t, b.id, fx);
    delivery_dest_release(d, t);
    return err;
}

/* ---- events ---- */

static void peer_down(struct delivery *d, struct vl_node_id peer) {
    struct dest *t = delivery_dest_find(d, peer);
    if (t != NULL) delivery_out_down(d, t);
}

static enum vl_err apply(struct delivery *d, const struct delivery_event *ev, struct delivery_effects *fx) {
    switch (ev->kind) {
    case DELIVERY_SEND: return delivery_out_send(d, ev, fx);
    case DELIVERY_PEER_UP: return delivery_out_up(d, ev);
    case DELIVERY_PEER_DOWN: peer_down(d, ev->u.peer); return VL_OK;
    case DELIVERY_RECV_ENVELOPE: return recv_envelope(d, ev, fx);
    case DELIVERY_RECV_ACK: return recv_ack(d, ev, fx);
    case DELIVERY_TICK: return VL_OK;
    case DELIVERY_RESTORE_OUT: return delivery_out_restore(d, ev->u.row);
    case DELIVERY_RESTORE_IN: return delivery_in_restore(d, ev->u.row);
    case DELIVERY_PURGE: return delivery_out_purge(d, ev->u.peer, fx);
    }
    return VL_ERANGE;
}

enum vl_err delivery_step(struct delivery *d, const struct delivery_event *ev, struct delivery_effects *fx) {
    fx->n = 0;
    vl_buf_clear(&fx->arena);
    enum vl_err err = delivery_fx_reserve(fx, 4);
    if (!err) err = apply(d, ev, fx);
    if (err) {
        fx->n = 0;
        return err;
    }
    if (ev->kind == DELIVERY_RESTORE_OUT || ev->kind == DELIVERY_RESTORE_IN) return VL_OK; /* not before all is known */
    ack_run(d, ev->now, fx);
    delivery_out_run(d, ev->now, fx);
    delivery_in_age(d, ev->now, fx);
    return VL_OK;
}

vl_ms delivery_deadline(const struct delivery *d) {
    if (d->ready_first != NULL) return 0;
    vl_ms due = vl_ms_min(vl_heap_deadline(&d->due), vl_heap_deadline(&d->ack_due));
    return vl_ms_min(due, delivery_in_deadline(d));
}

struct delivery_counters delivery_counters(const struct delivery *d) { return d->counters; }
