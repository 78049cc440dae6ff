#include "mix/channel_priv.h"

#include "crypto/random.h"
#include "mix/fec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A message here:
 *   incomplete   in c->partial and c->ages; gone after ttl_ms, or when it must give way
 *   recent       delivered; its fragments are told to be copies for ttl_ms at least: so long its sender may repeat them
 *   old          the same while a fragment sent within that time could still carry a living reply block, that is for
 *                two more epochs: a provider that kept some back cannot have them delivered once more
 */

struct in_msg *channel_in_find(const struct channel *c, const uint8_t key[24]) {
    return vl_map_get(&c->in, key);
}

static void shards_free(struct channel *c, struct in_msg *m) {
    if (m->shard == NULL) return;
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->shard[i] && channel_bit(m->bitmap, i)) c->in_bytes -= m->size;
        channel_wipe_free(m->shard[i], m->size);
    }
    free(m->shard);
    m->shard = NULL;
}

static struct channel_list *list_of(struct channel *c, const struct in_msg *m) {
    return !m->complete ? &c->partial : m->epoch == UINT64_MAX ? &c->recent : &c->old;
}

static void in_free(struct channel *c, struct in_msg *m) {
    channel_task_off(c, &m->task);
    channel_list_del(list_of(c, m), &m->link);
    channel_list_del(&c->ages, &m->age);
    (void)vl_map_del(&c->in, m->key);
    shards_free(c, m);
    channel_block_free(m->block);
    channel_wipe_free(m, sizeof *m);
}

static void evict(struct channel *c, struct in_msg *m) {
    c->stats.evicted++;
    in_free(c, m);
}

static void forget_one(struct channel *c) {
    struct channel_link *l = c->old.first ? c->old.first : c->recent.first;
    if (l) in_free(c, CHANNEL_OF(struct in_msg, link, l));
}

/* ---- a fragment ---- */

/* The first of the messages being put together for a conversation of ours, when that has its share already. */
static struct in_msg *over_share(const struct channel *c, const struct talk_out *t) {
    struct in_msg *first = NULL;
    uint32_t n = 0;
    for (struct channel_link *l = c->partial.first; l; l = l->next) {
        struct in_msg *m = CHANNEL_OF(struct in_msg, link, l);
        if (vl_get_u64(m->key + 16) != t->number) continue;
        if (n++ == 0) first = m;
    }
    return n >= CHANNEL_ANSWERS_MAX ? first : NULL;
}

static enum vl_err in_new(struct channel *c, vl_ms now, const uint8_t key[24], const struct channel_shard *s,
                          const struct in_source *from, struct in_msg **ret) {
    struct in_msg *over = from->answers ? over_share(c, from->answers) : NULL;
    if (over) evict(c, over);
    if (c->partial.n >= CHANNEL_IN_MAX) evict(c, CHANNEL_OF(struct in_msg, link, c->partial.first));
    struct in_msg *m = calloc(1, sizeof *m);
    if (m == NULL) return VL_ENOMEM;
    m->task.kind = CHANNEL_TASK_ACK;
    m->task.control = from->answers != NULL;
    memcpy(m->key, key, sizeof m->key);
    m->level = from->level;
    m->k = s->k, m->n = s->n, m->length = s->length, m->size = from->size;
    m->at = now;
    m->epoch = UINT64_MAX;
    m->instance = (uint32_t)crypto_drbg_u64(&c->rng);
    m->has_conversation = from->conversation != NULL;
    if (from->conversation) memcpy(m->conversation, from->conversation, sizeof m->conversation);
    m->shard = calloc(m->n, sizeof *m->shard);
    enum vl_err err = m->shard == NULL ? VL_ENOMEM : vl_map_put(&c->in, key, m);
    if (err) {
        free(m->shard);
        free(m);
        return err;
    }
    channel_list_add(&c->partial, &m->link);
    channel_list_add(&c->ages, &m->age);
    *ret = m;
    return VL_OK;
}

static bool same_message(const struct in_msg *m, const struct channel_shard *s, const struct in_source *from) {
    return m->k == s->k && m->n == s->n && m->length == s->length && m->level == from->level &&
           m->has_conversation == (from->conversation != NULL) &&
           (from->conversation == NULL || memcmp(m->conversation, from->conversation, sizeof m->conversation) == 0);
}

/* The newest reply block acknowledges: the older ones may have run into an epoch's end, or their way into an attacker
 * who sees them expected.  In a conversation the one it takes the place of is good for an answer. */
static enum vl_err block_take(struct channel *c, vl_ms now, struct in_msg *m, const uint8_t *surb) {
    if (m->block && memcmp(m->block->surb, surb, SPHINX_SURB) == 0) return VL_OK; /* the same body again */
    struct block *b = channel_block_new(surb), *before = m->block;
    if (b == NULL) return VL_ENOMEM;
    m->block = b;
    struct talk_in *t = before && m->has_conversation ? channel_responder_find(c, m->conversation) : NULL;
    if (t)
        channel_responder_give(c, now, t, before);
    else
        channel_block_free(before);
    return VL_OK;
}

static enum vl_err shard_add(struct channel *c, struct in_msg *m, const struct channel_shard *s) {
    uint8_t *copy = malloc(m->size);
    if (copy == NULL) return VL_ENOMEM;
    memcpy(copy, s->data, m->size);
    m->shard[s->index] = copy;
    channel_bit_set(m->bitmap, s->index);
    m->have++;
    c->in_bytes += m->size;
    channel_list_del(&c->partial, &m->link); /* made progress: last to give way */
    channel_list_add(&c->partial, &m->link);
    while (c->in_bytes > CHANNEL_IN_BYTES && c->partial.first != &m->link)
        evict(c, CHANNEL_OF(struct in_msg, link, c->partial.first));
    return VL_OK;
}

static void shard_drop(struct channel *c, struct in_msg *m, uint32_t i) {
    channel_wipe_free(m->shard[i], m->size);
    m->shard[i] = NULL;
    m->bitmap[i / 8] &= (uint8_t) ~(1u << i % 8);
    m->have--;
    c->in_bytes -= m->size;
}

static enum vl_err restore(struct channel *c, struct in_msg *m) {
    bool have[CHANNEL_SHARDS_MAX], whole = true;
    uint8_t *shard[CHANNEL_SHARDS_MAX];
    for (uint32_t i = 0; i < m->n; i++) {
        have[i] = channel_bit(m->bitmap, i);
        if (i < m->k && !have[i]) {
            whole = false;
            if (m->shard[i] == NULL) m->shard[i] = malloc(m->size);
            if (m->shard[i] == NULL) return VL_ENOMEM;
        }
        shard[i] = m->shard[i];
    }
    enum vl_err err = whole ? VL_OK : fec_decode(m->k, m->n, m->size, shard, have);
    if (err == VL_OK && !whole) c->stats.recovered++;
    return err;
}

/* Joins the data pieces.  SPEC CHN-10: "the last piece is filled with zeros, and a message in which it is not is
 * dropped." */
static enum vl_err join(const struct in_msg *m, uint8_t *dst) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < m->k; i++) {
        uint32_t take = m->length - at < m->size ? m->length - at : m->size;
        uint8_t rest = 0;
        memcpy(dst + at, m->shard[i], take);
        for (uint32_t b = take; b < m->size; b++) rest |= m->shard[i][b];
        if (rest != 0) return VL_EPARSE;
        at += take;
    }
    return VL_OK;
}

/* k fragments are there.  VL_ENOMEM: m is as before; VL_EPARSE. */
static enum vl_err finish(struct channel *c, vl_ms now, struct in_msg *m, uint64_t answers_newest) {
    struct channel_event_node *e = calloc(1, sizeof *e);
    if (e == NULL) return VL_ENOMEM;
    e->bytes = malloc(m->length + 1u);
    enum vl_err err = e->bytes == NULL ? VL_ENOMEM : restore(c, m);
    if (err == VL_OK) err = join(m, e->bytes);
    if (err) {
        channel_wipe_free(e->bytes, m->length + 1u);
        free(e);
        return err;
    }
    e->event = (struct channel_event){ .kind = CHANNEL_RECEIVED,
                                       .bytes = vl_span(e->bytes, m->length),
                                       .has_conversation = m->has_conversation,
                                       .level = m->level,
                                       .answer = m->task.control,
                                       .id = answers_newest };
    memcpy(e->event.conversation, m->conversation, sizeof m->conversation);
    channel_event_push(c, e);
    channel_list_del(&c->partial, &m->link);
    channel_list_del(&c->ages, &m->age);
    shards_free(c, m);
    m->complete = true;
    m->at = now;
    channel_list_add(&c->recent, &m->link);
    while (c->recent.n + c->old.n > CHANNEL_REMEMBERED) forget_one(c);
    c->stats.received++;
    return VL_OK;
}

/* A whole message is worth telling at once, for that ends its sender's retransmissions; of a part its sender learns
 * what to repeat, which can wait until more has come.  Random, so that the answer's time does not point at the
 * question's. */
static void ack_later(struct channel *c, vl_ms now, struct in_msg *m, bool soon) {
    vl_ms wait = soon ? channel_random(c, 0, CHANNEL_ACK_MS)
                      : channel_random(c, CHANNEL_PARTIAL_ACK_MS / 2, CHANNEL_PARTIAL_ACK_MS / 2);
    channel_task_at(c, &m->task, vl_ms_add(now, wait));
}

static void key_of(const struct channel_shard *s, const struct in_source *from, uint8_t key[24]) {
    memcpy(key, s->id, 16);
    vl_put_u64(key + 16, from->answers ? from->answers->number : 0);
}

enum vl_err channel_in_shard(struct channel *c, vl_ms now, const struct channel_shard *s,
                             const struct in_source *from) {
    uint8_t key[24];
    enum vl_err err = VL_OK;
    key_of(s, from, key);
    struct in_msg *m = channel_in_find(c, key);
    if (m && !same_message(m, s, from)) return VL_EPARSE;
    if (m == NULL) err = in_new(c, now, key, s, from, &m);
    if (err) return err;
    if (from->surb) err = block_take(c, now, m, from->surb);
    if (err == VL_OK && (m->complete || channel_bit(m->bitmap, s->index))) {
        /* What more than k fragments bring was sent before the first receipt could arrive, most of it: one will do. */
        bool again = !m->complete || channel_bit(m->bitmap, s->index);
        channel_bit_set(m->bitmap, s->index);
        c->stats.duplicates++;
        ack_later(c, now, m, m->complete && again);
        return VL_EREPLAY;
    }
    if (err == VL_OK) err = shard_add(c, m, s);
    if (err == VL_OK && m->have == m->k) {
        err = finish(c, now, m, from->answers ? from->answers->newest : 0);
        if (err == VL_ENOMEM) shard_drop(c, m, s->index); /* its sender repeats it */
        if (err == VL_EPARSE) {
            in_free(c, m);
            return err;
        }
    }
    if (m->have > 0)
        ack_later(c, now, m, m->complete);
    else
        in_free(c, m);
    return err;
}

/* ---- acknowledging ---- */

void channel_in_receipt(const struct in_msg *m, struct channel_receipt *ret) {
    *ret = (struct channel_receipt){ .complete = m->complete, .instance = m->instance };
    memcpy(ret->id, m->key, sizeof ret->id);
    memcpy(ret->bitmap, m->bitmap, sizeof ret->bitmap);
}

bool channel_in_ack(struct channel *c, struct in_msg *m, struct channel_slot *ret) {
    uint8_t data[CHANNEL_ACK_BYTES];
    struct channel_ack a = { .has_receipt = true };
    struct block *b = m->block;
    m->block = NULL;
    if (b == NULL) return false; /* used, or its epoch is over: the next copy brings another */
    struct talk_in *t = m->has_conversation ? channel_responder_find(c, m->conversation) : NULL;
    channel_in_receipt(m, &a.receipt);
    if (t) {
        a.has_status = true;
        channel_responder_stand(c, t, &a.status);
    }
    channel_ack_encode(&a, data);
    enum vl_err err = channel_reply(b, vl_span(data, sizeof data), ret);
    *(err ? &c->stats.bad : &c->stats.acks_sent) += 1;
    return err == VL_OK;
}

/* ---- time ---- */

void channel_in_age(struct channel *c, vl_ms now) {
    struct channel_link *l;
    while ((l = c->ages.first) != NULL) {
        struct in_msg *m = CHANNEL_OF(struct in_msg, age, l);
        if (vl_ms_add(m->at, c->ttl_ms) > now) break;
        in_free(c, m);
    }
    while ((l = c->recent.first) != NULL) {
        struct in_msg *m = CHANNEL_OF(struct in_msg, link, l);
        if (vl_ms_add(m->at, c->ttl_ms) > now) break;
        channel_list_del(&c->recent, l);
        m->epoch = c->epoch;
        channel_list_add(&c->old, l);
    }
}

vl_ms channel_in_deadline(const struct channel *c) {
    vl_ms at = VL_MS_NEVER;
    if (c->ages.first) at = vl_ms_add(CHANNEL_OF(struct in_msg, age, c->ages.first)->at, c->ttl_ms);
    if (c->recent.first) at = vl_ms_min(at, vl_ms_add(CHANNEL_OF(struct in_msg, link, c->recent.first)->at, c->ttl_ms));
    return at;
}

static void blocks_drop(struct channel *c, struct channel_list *list) {
    for (struct channel_link *l = list->first; l; l = l->next) {
        struct in_msg *m = CHANNEL_OF(struct in_msg, link, l);
        if (m->block && channel_block_dead(c, m->block->surb)) {
            channel_block_free(m->block);
            m->block = NULL;
        }
    }
}

void channel_in_epoch(struct channel *c) {
    blocks_drop(c, &c->partial);
    blocks_drop(c, &c->recent);
    blocks_drop(c, &c->old);
    while (c->old.first) {
        struct in_msg *m = CHANNEL_OF(struct in_msg, link, c->old.first);
        if (m->epoch + 2 > c->epoch) break;
        in_free(c, m);
    }
}

void channel_in_destroy(struct channel *c) {
    struct channel_list *lists[] = { &c->partial, &c->recent, &c->old };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        while (lists[i]->first) in_free(c, CHANNEL_OF(struct in_msg, link, lists[i]->first));
}
