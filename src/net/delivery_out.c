#include "net/delivery_priv.h"

#include "crypto/hash.h"
#include "net/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define VICTIMS_MAX 16u /* messages that give way to one */

static void list_insert(struct message_list *l, struct message *after, struct message *m) {
    m->prev = after;
    m->next = after ? after->next : l->first;
    *(m->prev ? &m->prev->next : &l->first) = m;
    *(m->next ? &m->next->prev : &l->last) = m;
}
static void list_remove(struct message_list *l, struct message *m) {
    *(m->prev ? &m->prev->next : &l->first) = m->next;
    *(m->next ? &m->next->prev : &l->last) = m->prev;
    m->next = m->prev = NULL;
}
static bool before(const struct message *a, const struct message *b) {
    return a->epoch != b->epoch ? a->epoch < b->epoch : a->seq < b->seq;
}
/* From the back: what is inserted nearly always belongs there. */
static void list_insert_sorted(struct message_list *l, struct message *m) {
    struct message *at = l->last;
    while (at != NULL && before(m, at)) at = at->prev;
    list_insert(l, at, m);
}
static void idle_add(struct delivery *d, struct message *m) {
    struct message_list *l = &d->idle[m->priority];
    m->idle = true;
    m->idle_next = NULL;
    m->idle_prev = l->last;
    *(l->last ? &l->last->idle_next : &l->first) = m;
    l->last = m;
}
static void idle_remove(struct delivery *d, struct message *m) {
    struct message_list *l = &d->idle[m->priority];
    if (!m->idle) return;
    m->idle = false;
    *(m->idle_prev ? &m->idle_prev->idle_next : &l->first) = m->idle_next;
    *(m->idle_next ? &m->idle_next->idle_prev : &l->last) = m->idle_prev;
}

/* ---- destinations ---- */

struct dest *delivery_dest_find(const struct delivery *d, struct vl_node_id id) { return vl_map_get(&d->dests, id.b); }

enum vl_err delivery_dest_get(struct delivery *d, struct vl_node_id id, struct dest **ret) {
    struct dest *t = delivery_dest_find(d, id);
    if (t == NULL) {
        t = calloc(1, sizeof *t);
        if (t == NULL) return VL_ENOMEM;
        t->id = id;
        for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++) t->seq[p] = d->seq_base;
        enum vl_err err = vl_map_put(&d->dests, id.b, t);
        if (err) {
            free(t);
            return err;
        }
    }
    *ret = t;
    return VL_OK;
}

static bool dest_idle(const struct dest *t) {
    bool idle = !t->up && !t->listed && t->ack_due.index == 0;
    for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++) idle = idle && t->queued[p] == 0;
    return idle;
}

void delivery_dest_release(struct delivery *d, struct dest *t) {
    if (!dest_idle(t)) return;
    /* Its next seq must never be given again in this epoch: the recipient would take new messages for copies. */
    for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++)
        if (t->seq[p] > d->seq_base) d->seq_base = t->seq[p];
    vl_map_del(&d->dests, t->id.b);
    free(t->acks);
    free(t);
}

static void dest_list(struct delivery *d, struct dest *t) {
    if (t->listed || !t->up) return;
    t->listed = true;
    t->ready_next = NULL;
    *(d->ready_last ? &d->ready_last->ready_next : &d->ready_first) = t;
    d->ready_last = t;
}
static struct dest *dest_unlist_first(struct delivery *d) {
    struct dest *t = d->ready_first;
    d->ready_first = t->ready_next;
    if (d->ready_first == NULL) d->ready_last = NULL;
    t->listed = false;
    return t;
}

/* ---- a message's life ---- */

static void message_free(struct message *m) {
    if (m == NULL) return;
    free(m->row);
    free(m);
}

static vl_ms message_due(const struct message *m) {
    return m->in_flight ? vl_ms_min(m->retry_ms, m->expires_ms) : m->expires_ms;
}

/* Takes m; its id is new and its heap place and map place are free to take.  VL_ELIMIT, VL_ENOMEM: m is still the
 * caller's. */
static enum vl_err message_queue(struct delivery *d, struct dest *t, struct message *m) {
    enum vl_err err = vl_heap_set(&d->due, &m->due, m->expires_ms);
    if (err) return err;
    err = vl_map_put(&d->messages, m->id.b, m);
    if (err) {
        vl_heap_remove(&d->due, &m->due);
        return err;
    }
    m->dest = t;
    list_insert_sorted(&t->waiting[m->priority], m);
    t->queued[m->priority]++;
    d->bytes += m->row_n;
    d->counters.accepted++;
    d->counters.pending++;
    return VL_OK;
}

static void message_unqueue(struct delivery *d, struct message *m) {
    struct dest *t = m->dest;
    list_remove(m->in_flight ? &t->flight[m->priority] : &t->waiting[m->priority], m);
    idle_remove(d, m);
    vl_heap_remove(&d->due, &m->due);
    vl_map_del(&d->messages, m->id.b);
    if (m->in_flight) t->in_flight[m->priority]--;
    t->queued[m->priority]--;
    d->bytes -= m->row_n;
    d->counters.pending--;
    dest_list(d, t); /* a place in flight, or in the window, may have come free */
    message_free(m);
}

static void message_end(struct delivery *d, struct message *m, enum delivery_effect_kind kind, enum vl_err why,
                        struct delivery_effects *fx) {
    struct delivery_effect told = { .kind = kind, .id = m->id, .peer = m->dest->id, .type = m->type,
                                    .priority = m->priority, .err = why };
    delivery_fx_add(fx, (struct delivery_effect){ .kind = DELIVERY_DEL_OUT, .id = m->id, .peer = m->dest->id });
    delivery_fx_add(fx, told);
    message_unqueue(d, m);
}

void delivery_out_acked(struct delivery *d, struct message *m, struct delivery_effects *fx) {
    d->counters.delivered++;
    message_end(d, m, DELIVERY_DELIVERED, VL_OK, fx);
}

/* ---- transmission ---- */

/* First in line and inside the recipient's window (delivery.h). */
static bool may_fly(const struct delivery *d, const struct dest *t, const struct message *m) {
    uint64_t oldest = m->seq;
    if (t->in_flight[m->priority] >= d->cfg.limits.in_flight[m->priority]) return false;
    for (const struct message *f = t->flight[m->priority].first; f != NULL; f = f->next)
        if (f->epoch == m->epoch) {
            oldest = f->seq < oldest ? f->seq : oldest;
            break;
        }
    return m->seq - oldest < DELIVERY_WINDOW;
}

/* min(cap, base * 2^n) without overflow. */
static vl_ms doubled(vl_ms base, uint32_t n, vl_ms cap) {
    return n >= 40 || base > (cap >> n) ? cap : base << n;
}

static void schedule_retry(struct delivery *d, struct message *m, vl_ms now) {
    const struct delivery_retry *law = &d->cfg.retry;
    vl_ms jitter = vl_prng_below(&d->prng, doubled(law->base_ms, m->attempt, law->cap_ms) + 1);
    vl_ms wait = m->dest->reliable ? doubled(law->ack_timeout_ms, m->attempt, law->cap_ms) : law->unreliable_ms;
    m->retry_ms = vl_ms_add(now, wait + jitter);
}

/* False: no room left for it in this step. */
static bool transmit(struct delivery *d, struct message *m, vl_ms now, struct delivery_effects *fx) {
    struct vl_span bytes = vl_span(m->row, m->row_n);
    if (delivery_fx_full(fx)) return false;
    if (m->attempt > 0) {
        struct envelope e;
        size_t start = fx->arena.len;
        if (fx->arena.cap - start < ENVELOPE_MAX) return false;
        enum vl_err err = envelope_decode(bytes, &e);
        assert(err == VL_OK); /* we wrote it */
        e.attempt = m->attempt;
        err = envelope_encode(&e, &fx->arena);
        assert(err == VL_OK);
        bytes = vl_span(fx->arena.p + start, fx->arena.len - start);
        d->counters.retried++;
    }
    delivery_fx_add(fx, (struct delivery_effect){ .kind = DELIVERY_TRANSMIT,
                                                  .frame = DELIVERY_FRAME_ENVELOPE,
                                                  .id = m->id,
                                                  .peer = m->dest->id,
                                                  .type = m->type,
                                                  .priority = m->priority,
                                                  .bytes = bytes });
    d->counters.transmitted++;
    schedule_retry(d, m, now);
    m->attempt++;
    return true;
}

static void move_to_due(struct delivery *d, struct message *m) {
    enum vl_err err = vl_heap_set(&d->due, &m->due, message_due(m));
    assert(err == VL_OK); /* it is in the heap already: nothing is allocated */
    (void)err;
}

/* False: the step is full. */
static bool dest_run(struct delivery *d, struct dest *t, vl_ms now, struct delivery_effects *fx) {
    for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++) {
        struct message *m;
        while ((m = t->waiting[p].first) != NULL && may_fly(d, t, m)) {
            if (!transmit(d, m, now, fx)) return false;
            idle_remove(d, m);
            list_remove(&t->waiting[p], m);
            list_insert_sorted(&t->flight[p], m);
            m->in_flight = true;
            t->in_flight[p]++;
            move_to_due(d, m);
        }
    }
    return true;
}

/* False: the step is full. */
static bool due_run(struct delivery *d, vl_ms now, struct delivery_effects *fx) {
    while (vl_heap_deadline(&d->due) <= now) {
        struct message *m = (struct message *)vl_heap_top(&d->due);
        if (delivery_fx_full(fx)) return false;
        if (now >= m->expires_ms) {
            struct dest *t = m->dest;
            d->counters.expired++;
            message_end(d, m, DELIVERY_DROPPED, VL_EEXPIRED, fx);
            delivery_dest_release(d, t);
            continue;
        }
        if (!transmit(d, m, now, fx)) return false;
        move_to_due(d, m);
    }
    return true;
}

void delivery_out_run(struct delivery *d, vl_ms now, struct delivery_effects *fx) {
    if (!due_run(d, now, fx)) return;
    while (d->ready_first != NULL) {
        struct dest *t = dest_unlist_first(d);
        if (t->up && !dest_run(d, t, now, fx)) {
            dest_list(d, t);
            return;
        }
        delivery_dest_release(d, t);
    }
}

/* ---- links ---- */

static void ground_all(struct delivery *d, struct dest *t) {
    for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++) {
        struct message *after = NULL; /* those in flight are older than those waiting, restored ones apart */
        for (struct message *m = t->flight[p].first, *next; m != NULL; m = next) {
            next = m->next;
            list_remove(&t->flight[p], m);
            struct message *at = after ? after->next : t->waiting[p].first;
            while (at != NULL && before(at, m)) {
                after = at;
                at = at->next;
            }
            list_insert(&t->waiting[p], after, m);
            after = m;
            m->in_flight = false;
            move_to_due(d, m);
        }
        t->in_flight[p] = 0;
    }
}

enum vl_err delivery_out_up(struct delivery *d, const struct delivery_event *ev) {
    struct dest *t = NULL;
    enum vl_err err = delivery_dest_get(d, ev->u.up.peer, &t);
    if (err) return err;
    t->up = true;
    t->reliable = ev->u.up.reliable;
    ground_all(d, t);
    dest_list(d, t);
    return VL_OK;
}

void delivery_out_down(struct delivery *d, struct dest *t) {
    t->up = false;
    vl_heap_remove(&d->ack_due, &t->ack_due); /* the sender will ask again */
    if (t->acks != NULL) t->acks->n = 0;
    ground_all(d, t);
    delivery_dest_release(d, t);
}

enum vl_err delivery_out_purge(struct delivery *d, struct vl_node_id dst, struct delivery_effects *fx) {
    struct dest *t = delivery_dest_find(d, dst);
    size_t n = 0;
    if (t == NULL) return VL_OK;
    for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++) n += t->queued[p];
    enum vl_err err = delivery_fx_reserve(fx, 2 * n);
    if (err) return err;
    for (size_t p = 0; p < ENVELOPE_PRIORITIES; p++)
        for (struct message *m; (m = t->flight[p].first ? t->flight[p].first : t->waiting[p].first) != NULL;) {
            d->counters.purged++;
            message_end(d, m, DELIVERY_DROPPED, VL_EDENIED, fx);
        }
    delivery_dest_release(d, t);
    return VL_OK;
}

/* ---- sending ---- */

struct vl_msg_id delivery_next_id(struct delivery *d) {
    uint8_t in[48];
    struct vl_hash h;
    struct vl_msg_id id;
    memcpy(in, d->cfg.self.b, 32);
    vl_put_u64(in + 32, d->cfg.epoch);
    vl_put_u64(in + 40, d->counter++);
    crypto_blake2b256(vl_span(in, sizeof in), &h);
    memcpy(id.b, h.b, sizeof id.b);
    return id;
}

/* Signs and wraps the body into m->row. */
static enum vl_err message_seal(struct delivery *d, const struct envelope_body *b, struct message *m) {
    struct vl_buf body, row;
    struct vl_hash h;
    struct envelope e = { .hop_limit = ENVELOPE_HOPS_MAX };
    vl_buf_init(&body, ENVELOPE_BODY_MAX);
    vl_buf_init(&row, ENVELOPE_MAX);
    enum vl_err err = envelope_body_encode(b, &body);
    if (err) goto out;
    e.body = vl_span(body.p, body.len);
    crypto_blake2b256(e.body, &h);
    err = crypto_sign_message(d->cfg.key, ENVELOPE_CONTEXT, vl_span(h.b, sizeof h.b), e.signature);
    if (!err) err = envelope_encode(&e, &row);
    if (err) goto out;
    m->row = row.p;
    m->row_n = row.len;
    vl_buf_init(&row, 0);
out:
    vl_buf_free(&body);
    vl_buf_free(&row);
    return err;
}

static enum vl_err message_make(struct delivery *d, const struct delivery_event *ev, const struct dest *t,
                                struct message **ret) {
    struct vl_buf packed;
    bool is_packed = false;
    vl_ms ttl = ev->u.send.ttl_ms ? ev->u.send.ttl_ms : d->cfg.limits.ttl_ms;
    struct envelope_body b = { .id = delivery_next_id(d), .sender = d->cfg.self, .recipient = ev->u.send.dst,
                               .epoch = d->cfg.epoch, .seq = t->seq[ev->u.send.priority], .type = ev->u.send.type,
                               .priority = ev->u.send.priority, .requires_ack = true, .chunk_total = 1,
                               .created_ms = ev->now, .expires_ms = vl_ms_add(ev->now, ttl),
                               .payload = ev->u.send.payload };
    struct message *m = calloc(1, sizeof *m);
    if (m == NULL) return VL_ENOMEM;
    vl_buf_init(&packed, VL_PAYLOAD_MAX + PACK_HEAD);
    enum vl_err err = pack_try(b.payload, &packed, &is_packed);
    if (is_packed) {
        b.payload = vl_span(packed.p, packed.len);
        b.compressed = true;
    }
    if (!err) err = message_seal(d, &b, m);
    vl_buf_free(&packed);
    if (err) {
        message_free(m);
        return err;
    }
    m->id = b.id;
    m->epoch = b.epoch;
    m->seq = b.seq;
    m->type = b.type;
    m->priority = b.priority;
    m->expires_ms = b.expires_ms;
    d->counters.raw_bytes += ev->u.send.payload.n;
    d->counters.packed_bytes += b.payload.n;
    *ret = m;
    return VL_OK;
}

struct victims {
    struct message *v[VICTIMS_MAX];
    size_t n;
    uint64_t bytes;
};
static void victims_add(struct victims *out, struct message *m) {
    out->v[out->n++] = m;
    out->bytes += m->row_n;
}

/* Who must give way so that a critical message to t, of row_n bytes, finds room: lowest priority first, newest first, and
 * only what was never transmitted, for that may be delivered already.  False: not possible. */
static bool victims_find(const struct delivery *d, const struct dest *t, size_t row_n, struct victims *out) {
    const struct delivery_limits *l = &d->cfg.limits;
    if (t->queued[ENVELOPE_CRITICAL] >= l->queue[ENVELOPE_CRITICAL]) {
        for (size_t p = ENVELOPE_PRIORITIES; --p > ENVELOPE_CRITICAL && out->n == 0;)
            if (t->waiting[p].last != NULL && t->waiting[p].last->idle) victims_add(out, t->waiting[p].last);
        if (out->n == 0) return false;
    }
    struct message *own = out->n ? out->v[0] : NULL;
    for (size_t p = ENVELOPE_PRIORITIES; --p > ENVELOPE_CRITICAL;)
        for (struct message *m = d->idle[p].last; m != NULL; m = m->idle_prev) {
            bool room = d->counters.pending - out->n < l->messages && d->bytes - out->bytes + row_n <= l->bytes;
            if (room) return true;
            if (out->n == VICTIMS_MAX) return false;
            if (m != own) victims_add(out, m);
        }
    return d->counters.pending - out->n < l->messages && d->bytes - out->bytes + row_n <= l->bytes;
}

static bool has_room(const struct delivery *d, const struct dest *t, enum envelope_priority p, size_t row_n) {
    const struct delivery_limits *l = &d->cfg.limits;
    return t->queued[p] < l->queue[p] && d->counters.pending < l->messages && d->bytes + row_n <= l->bytes;
}

static void give_way(struct delivery *d, struct message *m, struct delivery_effects *fx) {
    d->counters.purged++;
    d->counters.evicted++;
    message_end(d, m, DELIVERY_DROPPED, VL_ELIMIT, fx);
}

static void put_out(const struct message *m, struct vl_node_id dst, struct delivery_effects *fx) {
    delivery_fx_add(fx, (struct delivery_effect){ .kind = DELIVERY_PUT_OUT,
                                                  .id = m->id,
                                                  .peer = dst,
                                                  .type = m->type,
                                                  .priority = m->priority,
                                                  .at_ms = m->expires_ms,
                                                  .bytes = vl_span(m->row, m->row_n) });
}

static enum vl_err send_to(struct delivery *d, const struct delivery_event *ev, struct dest *t,
                           struct delivery_effects *fx) {
    enum envelope_priority p = ev->u.send.priority;
    struct message *m = NULL;
    struct victims victims = { .n = 0 };
    if (p != ENVELOPE_CRITICAL && !has_room(d, t, p, ev->u.send.payload.n)) return VL_ELIMIT; /* before the signature */
    enum vl_err err = delivery_fx_reserve(fx, 1 + 2 * VICTIMS_MAX);
    if (!err) err = message_make(d, ev, t, &m);
    if (err) return err;
    if (!has_room(d, t, p, m->row_n) && (p != ENVELOPE_CRITICAL || !victims_find(d, t, m->row_n, &victims))) {
        message_free(m);
        return VL_ELIMIT;
    }
    err = message_queue(d, t, m);
    if (err) {
        message_free(m);
        return err;
    }
    idle_add(d, m);
    t->seq[p]++;
    put_out(m, t->id, fx);
    for (size_t i = 0; i < victims.n; i++) {
        struct dest *loser = victims.v[i]->dest;
        give_way(d, victims.v[i], fx);
        if (loser != t) delivery_dest_release(d, loser);
    }
    dest_list(d, t);
    return VL_OK;
}

/* To ourselves there is no wire to lose it on: the transaction of this step is the delivery. */
static enum vl_err send_to_self(struct delivery *d, const struct delivery_event *ev, struct delivery_effects *fx) {
    struct delivery_effect e = { .kind = DELIVERY_DELIVER,
                                 .id = delivery_next_id(d),
                                 .peer = d->cfg.self,
                                 .type = ev->u.send.type,
                                 .priority = ev->u.send.priority,
                                 .bytes = ev->u.send.payload };
    delivery_fx_add(fx, e);
    e.kind = DELIVERY_DELIVERED;
    e.bytes = vl_span(NULL, 0);
    delivery_fx_add(fx, e);
    d->counters.accepted++;
    d->counters.delivered++;
    d->counters.received++;
    return VL_OK;
}

enum vl_err delivery_out_send(struct delivery *d, const struct delivery_event *ev, struct delivery_effects *fx) {
    struct dest *t = NULL;
    if (ev->u.send.payload.n > VL_PAYLOAD_MAX || ev->u.send.type == 0 || ev->u.send.ttl_ms > d->cfg.limits.ttl_max_ms ||
        (uint32_t)ev->u.send.priority >= ENVELOPE_PRIORITIES)
        return VL_ERANGE;
    if (vl_node_eq(ev->u.send.dst, d->cfg.self)) return send_to_self(d, ev, fx);
    enum vl_err err = delivery_dest_get(d, ev->u.send.dst, &t);
    if (err) return err;
    err = send_to(d, ev, t, fx);
    if (err) delivery_dest_release(d, t);
    return err;
}

/* ---- restoring ---- */

static enum vl_err row_open(const struct delivery *d, struct vl_span row, struct envelope_body *ret) {
    struct envelope e;
    struct vl_hash h;
    if (envelope_decode(row, &e) != VL_OK || envelope_body_decode(e.body, ret) != VL_OK) return VL_ECORRUPT;
    if (!vl_node_eq(ret->sender, d->cfg.self) || ret->topic.n != 0) return VL_ECORRUPT;
    crypto_blake2b256(e.body, &h);
    /* A flipped bit would be refused by the recipient for as long as the message lives. */
    if (crypto_verify_message(d->cfg.self.b, ENVELOPE_CONTEXT, vl_span(h.b, sizeof h.b), e.signature) != VL_OK) return VL_ECORRUPT;
    if (ret->epoch >= d->cfg.epoch) return VL_ESTATE;
    if (vl_map_get(&d->messages, ret->id.b) != NULL) return VL_EEXISTS;
    return VL_OK;
}

enum vl_err delivery_out_restore(struct delivery *d, struct vl_span row) {
    struct envelope_body b;
    struct dest *t = NULL;
    enum vl_err err = row_open(d, row, &b);
    if (err) return err;
    struct message *m = calloc(1, sizeof *m);
    if (m == NULL) return VL_ENOMEM;
    *m = (struct message){ .id = b.id, .epoch = b.epoch, .seq = b.seq, .type = b.type, .priority = b.priority,
                           .expires_ms = b.expires_ms, .row = malloc(row.n), .row_n = row.n };
    err = m->row == NULL ? VL_ENOMEM : delivery_dest_get(d, b.recipient, &t);
    if (!err) {
        memcpy(m->row, row.p, row.n);
        err = message_queue(d, t, m);
    }
    if (err) {
        message_free(m);
        if (t != NULL) delivery_dest_release(d, t);
        return err;
    }
    d->counters.restored++;
    dest_list(d, t);
    return VL_OK;
}

uint32_t delivery_pending(const struct delivery *d, struct vl_node_id dst) {
    const struct dest *t = delivery_dest_find(d, dst);
    uint32_t n = 0;
    for (size_t p = 0; t != NULL && p < ENVELOPE_PRIORITIES; p++) n += t->queued[p];
    return n;
}

void delivery_out_destroy(struct delivery *d) {
    size_t it = 0;
    for (struct message *m; (m = vl_map_next(&d->messages, &it, NULL)) != NULL;) message_free(m);
    it = 0;
    for (struct dest *t; (t = vl_map_next(&d->dests, &it, NULL)) != NULL;) {
        free(t->acks);
        free(t);
    }
    vl_map_free(&d->messages);
    vl_map_free(&d->dests);
    vl_heap_free(&d->due);
    vl_heap_free(&d->ack_due);
}
