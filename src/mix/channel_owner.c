/* Conversations we began: the other side answers through reply blocks that we give it, and tells in what it sends how
 * many it has left.  What we know of that is always late, so a conversation that hears nothing asks again, ever more
 * rarely: a responder without a block can say nothing at all. */
#include "mix/channel_priv.h"

#include "crypto/random.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_BIT (1ull << 63) /* of handles: a control cell */

enum { REFILL_BLOCKS = 3, PROBE_BLOCKS = 1, PROBE_RTTS = 4 };

static struct talk_out *find(const struct channel *c, vl_ms now, const struct channel_to *to) {
    for (struct channel_link *l = c->talks_out_list.first; l; l = l->next) {
        struct talk_out *t = CHANNEL_OF(struct talk_out, link, l);
        if (t->fresh_until > now && t->to.level == to->level && vl_node_eq(t->to.node, to->node) &&
            memcmp(t->to.static_key, to->static_key, sizeof to->static_key) == 0)
            return t;
    }
    return NULL;
}

enum vl_err channel_owner_talk(struct channel *c, vl_ms now, const struct channel_to *to, struct talk_out **ret) {
    struct talk_out *t = find(c, now, to);
    if (t == NULL) {
        if (c->talks_out_list.n >= CHANNEL_TALKS_OUT) return VL_ELIMIT;
        t = calloc(1, sizeof *t);
        if (t == NULL) return VL_ENOMEM;
        t->number = ++c->numbers;
        t->to = *to;
        t->refill.kind = CHANNEL_TASK_REFILL;
        t->refill.control = true;
        t->fresh_until = vl_ms_add(now, c->ttl_ms); /* a new one then: not all we ever say shall be linked */
        t->expires = t->fresh_until;
        t->rtt_ms = CHANNEL_PARTIAL_ACK_MS;
        t->probe_at = VL_MS_NEVER;
        crypto_drbg_bytes(&c->rng, t->id, sizeof t->id);
        enum vl_err err = vl_heap_set(&c->talks_due, &t->due, t->expires);
        if (err == VL_OK) err = vl_map_put(&c->talks_out, &t->number, t);
        if (err) {
            vl_heap_remove(&c->talks_due, &t->due);
            free(t);
            return err;
        }
        channel_list_add(&c->talks_out_list, &t->link);
    }
    *ret = t;
    return VL_OK;
}

void channel_owner_free(struct channel *c, struct talk_out *t) {
    channel_task_off(c, &t->refill);
    while (t->keys.first) channel_key_free(c, CHANNEL_OF(struct surb_key, own, t->keys.first));
    channel_list_del(&c->talks_out_list, &t->link);
    (void)vl_map_del(&c->talks_out, &t->number);
    vl_heap_remove(&c->talks_due, &t->due);
    channel_wipe_free(t, sizeof *t);
}

/* ---- when to send blocks ---- */

/* How many the responder has, as far as we know: what it said, and what is on its way; never more than we could still
 * open. */
static uint32_t believed(const struct talk_out *t) {
    uint32_t n = t->left;
    for (uint32_t i = 0; i < t->flights; i++) n += t->flight[i].blocks;
    return n < t->keys.n ? n : t->keys.n;
}

static bool short_of(const struct channel *c, const struct talk_out *t) {
    uint32_t want = c->low_water + t->wanted;
    return believed(t) < (want < CHANNEL_POOL_MAX - REFILL_BLOCKS ? want : CHANNEL_POOL_MAX - REFILL_BLOCKS);
}

static bool dormant(const struct talk_out *t) { return !t->started || t->fails >= CHANNEL_TRIES; }

static uint32_t wanted_now(const struct channel *c, vl_ms now, const struct talk_out *t) {
    if (dormant(t) || t->open || t->flights == CHANNEL_FLIGHTS_MAX || now < t->quiet_until) return 0;
    return short_of(c, t) ? REFILL_BLOCKS : now >= t->probe_at ? PROBE_BLOCKS : 0;
}

static void flights_expire(vl_ms now, struct talk_out *t) {
    bool lost = false;
    for (uint32_t i = 0; i < t->flights;) {
        if (t->flight[i].at <= now) {
            t->flight[i] = t->flight[--t->flights];
            lost = true;
        } else {
            i++;
        }
    }
    if (lost && now >= t->quiet_until) { /* several of one volley count once */
        t->fails++;
        t->quiet_until = vl_ms_add(now, t->rtt_ms * (t->fails < CHANNEL_BACKOFF_MAX ? t->fails : CHANNEL_BACKOFF_MAX));
    }
}

void channel_owner_plan(struct channel *c, vl_ms now, struct talk_out *t) {
    if (t->expires <= now) {
        channel_owner_free(c, t);
        return;
    }
    flights_expire(now, t);
    vl_ms at = t->expires;
    if (wanted_now(c, now, t) > 0)
        channel_task_ready(c, &t->refill);
    else
        channel_task_off(c, &t->refill);
    for (uint32_t i = 0; i < t->flights; i++) at = vl_ms_min(at, t->flight[i].at);
    if (!dormant(t) && t->quiet_until > now) at = vl_ms_min(at, t->quiet_until);
    if (!dormant(t) && t->probe_at > now) at = vl_ms_min(at, t->probe_at);
    vl_ignore(vl_heap_set(&c->talks_due, &t->due, at)); /* it is in the heap: cannot fail */
}

static void probe_soon(vl_ms now, struct talk_out *t) {
    t->probe_every = PROBE_RTTS * t->rtt_ms;
    t->probe_at = vl_ms_add(now, t->probe_every);
}

void channel_owner_status(struct channel *c, vl_ms now, struct talk_out *t, const struct channel_status *s,
                          bool answer) {
    if ((int32_t)(s->seq - t->status_seq) <= 0) return; /* overtaken by a newer one */
    t->status_seq = s->seq;
    t->left = s->left;
    t->wanted = s->wanted;
    t->fails = 0;
    t->quiet_until = 0;
    for (uint32_t i = 0; i < t->flights;) {
        uint32_t ago = s->top - t->flight[i].seq;
        if (ago < 32 && s->bits >> ago & 1)
            t->flight[i] = t->flight[--t->flights]; /* counted in what is left */
        else
            i++;
    }
    if (answer || s->wanted > 0) probe_soon(now, t);
    channel_owner_plan(c, now, t);
}

/* ---- cells ---- */

static struct talk_out *by_number(const struct channel *c, uint64_t number) {
    return vl_map_get(&c->talks_out, &number);
}

static void open_cell(struct channel *c, vl_ms now, struct talk_out *t, uint32_t blocks, const struct in_msg *receipt,
                      struct channel_slot *ret) {
    struct control_open *o = &c->open[c->opens++ % CHANNEL_OPEN_MAX];
    if (o->handle) channel_owner_skip(c, now, o->handle); /* nobody comes back for it */
    *o = (struct control_open){ .handle = OPEN_BIT | c->opens, .talk = t->number, .blocks = blocks };
    if (receipt) {
        o->has_receipt = true;
        memcpy(o->receipt, receipt->key, sizeof o->receipt);
    }
    if (blocks > 0) t->open = true;
    *ret = (struct channel_slot){ .to = t->to.node, .level = t->to.level, .surbs = blocks, .handle = o->handle };
}

bool channel_owner_refill(struct channel *c, vl_ms now, struct talk_out *t, struct channel_slot *ret) {
    uint32_t blocks = wanted_now(c, now, t);
    if (blocks == 0) return false;
    open_cell(c, now, t, blocks, NULL, ret);
    return true;
}

bool channel_owner_ack(struct channel *c, vl_ms now, struct in_msg *m, struct channel_slot *ret) {
    struct talk_out *t = by_number(c, vl_get_u64(m->key + 16));
    if (t == NULL) return false;
    bool blocks = !dormant(t) && !t->open && t->flights < CHANNEL_FLIGHTS_MAX && short_of(c, t);
    if (blocks) channel_task_off(c, &t->refill); /* they go along */
    open_cell(c, now, t, blocks ? REFILL_BLOCKS : 0, m, ret);
    return true;
}

static struct control_open *opened(struct channel *c, uint64_t handle) {
    for (uint32_t i = 0; i < CHANNEL_OPEN_MAX; i++)
        if (c->open[i].handle == handle && handle != 0) return &c->open[i];
    return NULL;
}

/* Closes the cell; its receipt is owed again at `at`. */
static void close_cell(struct channel *c, vl_ms now, struct control_open *o, vl_ms again) {
    struct talk_out *t = by_number(c, o->talk);
    struct in_msg *m = o->has_receipt ? channel_in_find(c, o->receipt) : NULL;
    if (again != VL_MS_NEVER && m) channel_task_at(c, &m->task, again);
    if (t && o->blocks > 0) {
        t->open = false;
        if (again != VL_MS_NEVER && t->quiet_until < again) t->quiet_until = again;
        channel_owner_plan(c, now, t);
    }
    *o = (struct control_open){ 0 };
}

void channel_owner_skip(struct channel *c, vl_ms now, uint64_t handle) {
    struct control_open *o = opened(c, handle);
    if (o) close_cell(c, now, o, vl_ms_add(now, CHANNEL_SKIP_MS));
}

static enum vl_err keys_add(struct channel *c, struct talk_out *t, uint32_t n, const uint8_t (*surb)[SPHINX_SURB],
                            const struct sphinx_surb_keys *keys) {
    for (uint32_t i = 0; i < n; i++) {
        enum vl_err err = channel_key_add(c, &keys[i], sphinx_surb_expiry(surb[i]), NULL, t);
        if (err == VL_OK) continue;
        while (i-- > 0) channel_key_free(c, vl_map_get(&c->keys, keys[i].id));
        return err;
    }
    return VL_OK;
}

static void sent(struct channel *c, vl_ms now, struct talk_out *t, uint32_t seq, uint32_t blocks) {
    vl_ms rtt = vl_ms_min(t->rtt_ms ? t->rtt_ms : 1, c->ttl_ms);
    t->flight[t->flights++] = (struct refill_flight){
        .seq = seq, .blocks = blocks, .at = vl_ms_add(now, channel_random(c, CHANNEL_ACK_MS + rtt, rtt))
    };
    if (t->probe_every == 0) t->probe_every = PROBE_RTTS * rtt;
    t->probe_at = vl_ms_add(now, channel_random(c, t->probe_every, t->probe_every / 2));
    t->probe_every = vl_ms_min(2 * t->probe_every, c->ttl_ms);
    c->stats.refills++;
}

enum vl_err channel_owner_fill(struct channel *c, vl_ms now, uint64_t handle, vl_ms rtt_ms,
                               const uint8_t (*surb)[SPHINX_SURB], const struct sphinx_surb_keys *keys,
                               uint8_t ret_body[SPHINX_BODY]) {
    uint8_t cell[CHANNEL_CELL], box[SPHINX_DATA_MAX];
    struct control_open *o = opened(c, handle);
    struct talk_out *t = o ? by_number(c, o->talk) : NULL;
    struct in_msg *m = o && o->has_receipt ? channel_in_find(c, o->receipt) : NULL;
    if (t == NULL || (m == NULL && o->blocks == 0)) {
        if (o) close_cell(c, now, o, VL_MS_NEVER);
        return VL_ESTALE;
    }
    t->rtt_ms = vl_ms_min(rtt_ms, c->ttl_ms);
    struct channel_refill r = { .blocks = (uint8_t)o->blocks,
                                .seq = o->blocks ? t->next_seq + 1 : 0,
                                .has_receipt = m != NULL,
                                .rtt_ms = (uint32_t)vl_ms_min(rtt_ms, UINT32_MAX),
                                .level = t->to.level,
                                .surb = o->blocks ? surb[0] : NULL };
    memcpy(r.conversation, t->id, sizeof r.conversation);
    if (m) channel_in_receipt(m, &r.receipt);
    enum vl_err err = keys_add(c, t, o->blocks, surb, keys);
    if (err == VL_OK) {
        channel_refill_encode(&r, cell);
        err = channel_box_seal(&c->rng, t->to.static_key, cell, box);
        crypto_wipe(cell, sizeof cell);
        for (uint32_t i = 0; err && i < o->blocks; i++) channel_key_free(c, vl_map_get(&c->keys, keys[i].id));
    }
    if (err) {
        channel_owner_skip(c, now, handle);
        return err;
    }
    vl_ignore(sphinx_body(CHANNEL_BODY, vl_span(box, sizeof box), ret_body)); /* the length is right */
    if (o->blocks) {
        t->next_seq++;
        sent(c, now, t, r.seq, o->blocks);
    }
    if (m) c->stats.acks_sent++;
    close_cell(c, now, o, VL_MS_NEVER);
    return VL_OK;
}
