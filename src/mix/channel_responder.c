/* Conversations that others began.  A conversation without a block holds up nobody else: its answers leave the ring of
 * messages until blocks arrive. */
#include "mix/channel_priv.h"

#include "crypto/random.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct talk_in *channel_responder_find(const struct channel *c, const uint8_t id[16]) {
    return vl_map_get(&c->talks_in, id);
}

static struct block *pool_pop(struct channel *c, struct talk_in *t) {
    struct channel_link *l = t->pool.first;
    if (l == NULL) return NULL;
    channel_list_del(&t->pool, l);
    c->blocks--;
    return CHANNEL_OF(struct block, link, l);
}

void channel_responder_free(struct channel *c, struct talk_in *t) {
    while (t->answers.first) channel_out_end(c, CHANNEL_OF(struct out_msg, answer, t->answers.first), CHANNEL_FAILED);
    for (struct block *b; (b = pool_pop(c, t)) != NULL;) channel_block_free(b);
    channel_task_off(c, &t->status);
    channel_list_del(&c->talks_in_list, &t->link);
    (void)vl_map_del(&c->talks_in, t->id);
    channel_wipe_free(t, sizeof *t);
}

static struct talk_in *talk_new(struct channel *c, const uint8_t id[16]) {
    if (c->talks_in_list.n >= CHANNEL_TALKS_IN)
        channel_responder_free(c, CHANNEL_OF(struct talk_in, link, c->talks_in_list.first));
    struct talk_in *t = calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    memcpy(t->id, id, sizeof t->id);
    t->status.kind = CHANNEL_TASK_STATUS;
    if (vl_map_put(&c->talks_in, id, t)) {
        free(t);
        return NULL;
    }
    return t;
}

struct talk_in *channel_responder_hear(struct channel *c, vl_ms now, const uint8_t id[16], enum mix_level level,
                                       uint32_t rtt_ms) {
    struct talk_in *t = channel_responder_find(c, id);
    if (t == NULL) t = talk_new(c, id);
    if (t == NULL) return NULL;
    t->level = level;
    t->rtt_ms = rtt_ms;
    t->heard = now;
    channel_list_del(&c->talks_in_list, &t->link);
    channel_list_add(&c->talks_in_list, &t->link);
    return t;
}

static bool pool_has(const struct talk_in *t, const struct block *b) {
    for (const struct channel_link *l = t->pool.first; l; l = l->next)
        if (memcmp(CHANNEL_OF(const struct block, link, l)->surb, b->surb, SPHINX_SURB) == 0) return true;
    return false;
}

void channel_responder_give(struct channel *c, vl_ms now, struct talk_in *t, struct block *b) {
    if (t->pool.n >= CHANNEL_POOL_MAX || c->blocks >= CHANNEL_BLOCKS_MAX || channel_block_dead(c, b->surb) ||
        pool_has(t, b)) {
        channel_block_free(b);
        return;
    }
    channel_list_add(&t->pool, &b->link);
    c->blocks++;
    if (t->pool.n > 1) return;
    struct channel_link *next;
    for (struct channel_link *l = t->answers.first; l; l = next) { /* one of them may end */
        next = l->next;
        channel_out_settle(c, now, CHANNEL_OF(struct out_msg, answer, l));
    }
}

/* False: that number came before, or is too old to tell. */
static bool number_new(struct talk_in *t, uint32_t seq) {
    uint32_t ago = t->top - seq;
    if (t->top == 0 || (int32_t)(seq - t->top) > 0) {
        uint32_t ahead = seq - t->top;
        t->bits = ahead < 64 ? t->bits << ahead | 1 : 1;
        t->top = seq;
        return true;
    }
    if (ago >= 64 || t->bits >> ago & 1) return false;
    t->bits |= 1ull << ago;
    return true;
}

enum vl_err channel_responder_refill(struct channel *c, vl_ms now, const struct channel_refill *r) {
    for (uint32_t i = 0; i < r->blocks; i++)
        if (channel_block_dead(c, r->surb + (size_t)i * SPHINX_SURB)) return VL_EEXPIRED;
    struct talk_in *t = channel_responder_find(c, r->conversation);
    if (t == NULL && r->blocks == 0) return VL_OK; /* the receipt of an answer that is over */
    t = channel_responder_hear(c, now, r->conversation, r->level, r->rtt_ms);
    if (t == NULL) return VL_ENOMEM;
    if (r->has_receipt) {
        struct out_msg *m = vl_map_get(&c->out_ids, r->receipt.id);
        if (m && m->responder == t) channel_out_receipt(c, now, m, &r->receipt);
    }
    if (r->blocks == 0) return VL_OK;
    struct block *b[3] = { NULL };
    enum vl_err err = VL_OK;
    for (uint32_t i = 0; i < r->blocks; i++)
        if ((b[i] = channel_block_new(r->surb + (size_t)i * SPHINX_SURB)) == NULL) err = VL_ENOMEM;
    if (err == VL_OK && !number_new(t, r->seq)) err = VL_EREPLAY;
    for (uint32_t i = 0; i < r->blocks; i++) {
        if (err == VL_OK)
            channel_responder_give(c, now, t, b[i]);
        else
            channel_block_free(b[i]);
    }
    if (err) return err;
    channel_task_at(c, &t->status, vl_ms_add(now, channel_random(c, 0, CHANNEL_ACK_MS)));
    return VL_OK;
}

/* ---- what goes back ---- */

void channel_responder_stand(struct channel *c, struct talk_in *t, struct channel_status *ret) {
    uint32_t wanted = 0;
    for (struct channel_link *l = t->answers.first; l; l = l->next)
        wanted += CHANNEL_OF(struct out_msg, answer, l)->count[FRAG_WAITING];
    channel_task_off(c, &t->status); /* this tells it */
    *ret = (struct channel_status){ .seq = ++t->seq,
                                    .left = (uint16_t)t->pool.n,
                                    .wanted = (uint16_t)wanted,
                                    .top = t->top,
                                    .bits = (uint32_t)t->bits };
}

bool channel_responder_status(struct channel *c, struct talk_in *t, struct channel_slot *ret) {
    uint8_t data[CHANNEL_ACK_BYTES];
    for (struct block *b; (b = pool_pop(c, t)) != NULL;) {
        struct channel_ack a = { .has_status = true };
        channel_responder_stand(c, t, &a.status);
        channel_ack_encode(&a, data);
        if (channel_reply(b, vl_span(data, sizeof data), ret) == VL_OK) return true;
        c->stats.bad++;
    }
    return false;
}

bool channel_responder_take(struct channel *c, vl_ms now, struct out_msg *m, struct channel_slot *ret) {
    uint8_t data[CHANNEL_ANSWER_BYTES];
    struct talk_in *t = m->responder;
    int i = channel_out_waiting(m);
    assert(i >= 0);
    for (struct block *b; (b = pool_pop(c, t)) != NULL;) {
        struct channel_reply_shard a = { .shard = channel_out_shard(m, (uint32_t)i) };
        channel_out_set(c, m, (uint32_t)i, FRAG_OPEN); /* no longer among those that want a block */
        channel_responder_stand(c, t, &a.status);
        channel_answer_encode(&a, data);
        if (channel_reply(b, vl_span(data, sizeof data), ret) == VL_OK) {
            channel_out_sent(c, now, m, (uint32_t)i, t->rtt_ms);
            return true;
        }
        c->stats.bad++;
        channel_out_set(c, m, (uint32_t)i, FRAG_WAITING);
    }
    channel_out_settle(c, now, m);
    return false;
}

/* ---- time ---- */

void channel_responder_age(struct channel *c, vl_ms now) {
    while (channel_responder_deadline(c) <= now)
        channel_responder_free(c, CHANNEL_OF(struct talk_in, link, c->talks_in_list.first));
}

vl_ms channel_responder_deadline(const struct channel *c) {
    const struct channel_link *l = c->talks_in_list.first;
    return l ? vl_ms_add(CHANNEL_OF(const struct talk_in, link, l)->heard, c->ttl_ms) : VL_MS_NEVER;
}

void channel_responder_epoch(struct channel *c) {
    for (struct channel_link *l = c->talks_in_list.first; l; l = l->next) {
        struct talk_in *t = CHANNEL_OF(struct talk_in, link, l);
        struct channel_link *next;
        for (struct channel_link *b = t->pool.first; b; b = next) {
            next = b->next;
            if (!channel_block_dead(c, CHANNEL_OF(struct block, link, b)->surb)) continue;
            channel_list_del(&t->pool, b);
            c->blocks--;
            channel_block_free(CHANNEL_OF(struct block, link, b));
        }
    }
}
