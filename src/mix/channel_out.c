#include "mix/channel_priv.h"

#include "crypto/random.h"
#include "mix/fec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void channel_out_set(struct channel *c, struct out_msg *m, uint32_t i, enum frag_state state) {
    struct frag *f = &m->frag[i];
    if (f->state == FRAG_WAITING) c->stats.waiting--;
    if (state == FRAG_WAITING) c->stats.waiting++;
    m->count[f->state]--;
    m->count[state]++;
    f->state = state;
}

int channel_out_waiting(const struct out_msg *m) {
    for (uint32_t i = 0; i < m->n; i++)
        if (m->frag[i].state == FRAG_WAITING) return (int)i;
    return -1;
}

struct channel_shard channel_out_shard(const struct out_msg *m, uint32_t i) {
    struct channel_shard s = { .k = (uint8_t)m->k,
                               .n = (uint8_t)m->n,
                               .index = (uint8_t)i,
                               .length = m->length,
                               .data = m->shards + (size_t)i * m->size };
    memcpy(s.id, m->id, sizeof s.id);
    return s;
}

/* ---- birth and end ---- */

static uint32_t parity(const struct channel *c, uint32_t k) {
    uint32_t p = (k * c->parity_permille + 999) / 1000;
    return k == 1 ? 0 : p == 0 ? 1 : p;
}

static enum vl_err cut(struct out_msg *m, struct vl_span message) {
    uint8_t *shard[CHANNEL_SHARDS_MAX];
    m->shards = calloc(m->n, m->size);
    if (m->shards == NULL) return VL_ENOMEM;
    if (message.n > 0) memcpy(m->shards, message.p, message.n);
    for (uint32_t i = 0; i < m->n; i++) shard[i] = m->shards + (size_t)i * m->size;
    return fec_encode(m->k, m->n, m->size, shard);
}

static enum vl_err enter(struct channel *c, struct out_msg *m) {
    enum vl_err err = vl_heap_set(&c->out_due, &m->due, m->expires);
    if (err == VL_OK) err = vl_map_put(&c->out, &m->number, m);
    if (err == VL_OK) err = vl_map_put(&c->out_ids, m->id, m);
    return err;
}

enum vl_err channel_out_new(struct channel *c, vl_ms now, struct vl_span message, const struct channel_to *to,
                            struct talk_in *responder, struct out_msg **ret) {
    uint32_t size = responder ? CHANNEL_ANSWER_DATA : CHANNEL_FRAGMENT_DATA;
    if (message.n > CHANNEL_MESSAGE_MAX) return VL_ERANGE;
    uint32_t k = channel_shards((uint32_t)message.n, size), n = k + parity(c, k);
    if (c->out.len >= CHANNEL_OUT_MAX || c->out_bytes + (uint64_t)n * size > CHANNEL_OUT_BYTES) return VL_ELIMIT;
    struct out_msg *m = calloc(1, sizeof *m);
    if (m == NULL) return VL_ENOMEM;
    m->number = ++c->numbers;
    m->size = size, m->k = k, m->n = n, m->length = (uint32_t)message.n;
    m->expires = vl_ms_add(now, c->ttl_ms);
    m->count[FRAG_IDLE] = n;
    m->responder = responder;
    c->out_bytes += (uint64_t)n * size;
    if (to) m->to = *to;
    crypto_drbg_bytes(&c->rng, m->id, sizeof m->id);
    m->event = calloc(1, sizeof *m->event);
    enum vl_err err = m->event == NULL ? VL_ENOMEM : cut(m, message);
    if (err == VL_OK) err = enter(c, m);
    if (err) {
        channel_out_free(c, m);
        return err;
    }
    if (responder) channel_list_add(&responder->answers, &m->answer);
    c->stats.sent++;
    *ret = m;
    return VL_OK;
}

void channel_out_free(struct channel *c, struct out_msg *m) {
    while (m->keys.first) channel_key_free(c, CHANNEL_OF(struct surb_key, own, m->keys.first));
    for (uint32_t i = 0; i < m->n; i++) channel_out_set(c, m, i, FRAG_KNOWN); /* nothing of it waits any more */
    channel_list_del(&c->ring, &m->ring);
    if (m->responder) channel_list_del(&m->responder->answers, &m->answer);
    if (vl_map_get(&c->out, &m->number) == m) (void)vl_map_del(&c->out, &m->number);
    if (vl_map_get(&c->out_ids, m->id) == m) (void)vl_map_del(&c->out_ids, m->id);
    vl_heap_remove(&c->out_due, &m->due);
    c->out_bytes -= (uint64_t)m->n * m->size;
    free(m->event);
    channel_wipe_free(m->shards, (size_t)m->n * m->size);
    channel_wipe_free(m, sizeof *m);
}

void channel_out_end(struct channel *c, struct out_msg *m, enum channel_event_kind kind) {
    *(kind == CHANNEL_DONE ? &c->stats.done : &c->stats.failed) += 1;
    m->event->event = (struct channel_event){ .kind = kind, .id = m->number };
    channel_event_push(c, m->event);
    m->event = NULL;
    channel_out_free(c, m);
}

/* ---- what to send next ---- */

/* The fragment to send again: the one tried least, the first of those. */
static int idle_best(const struct out_msg *m) {
    int best = -1;
    for (uint32_t i = 0; i < m->n; i++) {
        const struct frag *f = &m->frag[i];
        if (f->state == FRAG_IDLE && f->tries < CHANNEL_TRIES && (best < 0 || f->tries < m->frag[best].tries))
            best = (int)i;
    }
    return best;
}

/* As many under way as are missing, and as much parity on top as the message has: at first that is all n. */
static void plan(struct channel *c, struct out_msg *m) {
    uint32_t need = m->k - m->count[FRAG_KNOWN];
    uint32_t want = need + (need * (m->n - m->k) + m->k - 1) / m->k;
    for (int i; m->count[FRAG_WAITING] + m->count[FRAG_OPEN] + m->count[FRAG_FLIGHT] < want;) {
        if ((i = idle_best(m)) < 0) return;
        channel_out_set(c, m, (uint32_t)i, FRAG_WAITING);
    }
}

static vl_ms next_due(const struct out_msg *m, vl_ms now) {
    vl_ms at = m->expires;
    for (uint32_t i = 0; i < m->n; i++)
        if (m->frag[i].state == FRAG_FLIGHT) at = vl_ms_min(at, m->frag[i].at);
    return m->count[FRAG_WAITING] > 0 && m->blocked_until > now ? vl_ms_min(at, m->blocked_until) : at;
}

void channel_out_settle(struct channel *c, vl_ms now, struct out_msg *m) {
    for (uint32_t i = 0; i < m->n; i++)
        if (m->frag[i].state == FRAG_FLIGHT && m->frag[i].at <= now) channel_out_set(c, m, i, FRAG_IDLE);
    plan(c, m);
    if (m->expires <= now || m->count[FRAG_WAITING] + m->count[FRAG_OPEN] + m->count[FRAG_FLIGHT] == 0) {
        channel_out_end(c, m, CHANNEL_FAILED);
        return;
    }
    bool ready =
        m->count[FRAG_WAITING] > 0 && m->blocked_until <= now && (m->responder == NULL || m->responder->pool.n > 0);
    if (ready && !m->ring.in) channel_list_add(&c->ring, &m->ring);
    if (!ready) channel_list_del(&c->ring, &m->ring);
    vl_ignore(vl_heap_set(&c->out_due, &m->due, next_due(m, now))); /* it is in the heap: cannot fail */
}

void channel_out_sent(struct channel *c, vl_ms now, struct out_msg *m, uint32_t i, vl_ms rtt_ms) {
    struct frag *f = &m->frag[i];
    c->stats.fragments++;
    c->stats.retransmitted += f->tries > 0;
    f->tries++;
    /* Random, for a retransmission at a fixed time would tell an observer whose packets he dropped (katzenpost #199).
     * It cannot flood: slots come at a constant rate; so the wait grows threefold at most, and all tries fit in a ttl.
     */
    vl_ms rtt = vl_ms_min(rtt_ms ? rtt_ms : 1, c->ttl_ms);
    vl_ms wait = rtt * (f->tries < CHANNEL_BACKOFF_MAX ? f->tries : CHANNEL_BACKOFF_MAX);
    vl_ms owed = m->k > 1 ? CHANNEL_PARTIAL_ACK_MS : CHANNEL_ACK_MS;
    f->at = vl_ms_add(now, channel_random(c, owed + wait, wait));
    channel_out_set(c, m, i, FRAG_FLIGHT);
    channel_out_settle(c, now, m);
}

void channel_out_receipt(struct channel *c, vl_ms now, struct out_msg *m, const struct channel_receipt *r) {
    c->stats.acks++;
    if (m->has_instance && m->instance != r->instance) /* what it had it lost: begin again */
        for (uint32_t i = 0; i < m->n; i++)
            if (m->frag[i].state == FRAG_KNOWN) channel_out_set(c, m, i, FRAG_IDLE);
    m->has_instance = true;
    m->instance = r->instance;
    for (uint32_t i = 0; i < m->n; i++)
        if (channel_bit(r->bitmap, i) && m->frag[i].state != FRAG_KNOWN) channel_out_set(c, m, i, FRAG_KNOWN);
    if (r->complete || m->count[FRAG_KNOWN] >= m->k)
        channel_out_end(c, m, CHANNEL_DONE);
    else
        channel_out_settle(c, now, m);
}

/* ---- slots ---- */

bool channel_out_take(struct channel *c, vl_ms now, struct channel_slot *ret) {
    while (c->ring.first) {
        struct out_msg *m = CHANNEL_OF(struct out_msg, ring, c->ring.first);
        channel_list_del(&c->ring, &m->ring);
        if (m->responder) {
            if (channel_responder_take(c, now, m, ret)) return true;
            continue;
        }
        int i = channel_out_waiting(m);
        assert(i >= 0);
        channel_out_set(c, m, (uint32_t)i, FRAG_OPEN);
        channel_out_settle(c, now, m); /* at the end of the ring when there is more */
        *ret = (struct channel_slot){
            .to = m->to.node, .level = m->to.level, .surbs = 1, .handle = m->number << 8 | (uint32_t)i
        };
        return true;
    }
    return false;
}

static struct out_msg *opened(const struct channel *c, uint64_t handle, uint32_t *ret_i) {
    uint64_t number = handle >> 8;
    struct out_msg *m = vl_map_get(&c->out, &number);
    *ret_i = handle & 255;
    return m && *ret_i < m->n && m->frag[*ret_i].state == FRAG_OPEN ? m : NULL;
}

enum vl_err channel_out_fill(struct channel *c, vl_ms now, uint64_t handle, vl_ms rtt_ms, const uint8_t *surb,
                             const struct sphinx_surb_keys *keys, uint8_t ret_body[SPHINX_BODY]) {
    uint8_t cell[CHANNEL_CELL], box[SPHINX_DATA_MAX];
    uint32_t i;
    struct out_msg *m = opened(c, handle, &i);
    if (m == NULL) return VL_ESTALE;
    struct channel_fragment f = { .shard = channel_out_shard(m, i), .level = m->to.level, .surb = surb };
    if (m->talk) {
        f.talk = true;
        memcpy(f.conversation, m->talk->id, sizeof f.conversation);
        f.rtt_ms = (uint32_t)vl_ms_min(rtt_ms, UINT32_MAX);
    }
    enum vl_err err = channel_key_add(c, keys, sphinx_surb_expiry(surb), m->talk ? NULL : m, m->talk);
    if (err == VL_OK) {
        channel_fragment_encode(&f, cell);
        err = channel_box_seal(&c->rng, m->to.static_key, cell, box);
        if (err) channel_key_free(c, vl_map_get(&c->keys, keys->id));
        crypto_wipe(cell, sizeof cell);
    }
    if (err) {
        channel_out_set(c, m, i, FRAG_WAITING);
        channel_out_settle(c, now, m);
        return err;
    }
    vl_ignore(sphinx_body(CHANNEL_BODY, vl_span(box, sizeof box), ret_body)); /* the length is right */
    struct talk_out *t = m->talk;
    channel_out_sent(c, now, m, i, rtt_ms);
    if (t) {
        t->started = true;
        t->rtt_ms = vl_ms_min(rtt_ms, c->ttl_ms);
        channel_owner_plan(c, now, t);
    }
    return VL_OK;
}

void channel_out_skip(struct channel *c, vl_ms now, uint64_t handle) {
    uint32_t i;
    struct out_msg *m = opened(c, handle, &i);
    if (m == NULL) return;
    channel_out_set(c, m, i, FRAG_WAITING);
    m->blocked_until = vl_ms_add(now, CHANNEL_SKIP_MS);
    channel_out_settle(c, now, m);
}
