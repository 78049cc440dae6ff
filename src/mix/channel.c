#include "mix/channel.h"

#include "crypto/random.h"
#include "mix/channel_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- small things ---- */

void channel_list_add(struct channel_list *l, struct channel_link *x) {
    assert(!x->in);
    *x = (struct channel_link){ .prev = l->last, .in = true };
    *(l->last ? &l->last->next : &l->first) = x;
    l->last = x;
    l->n++;
}

void channel_list_del(struct channel_list *l, struct channel_link *x) {
    if (!x->in) return;
    *(x->prev ? &x->prev->next : &l->first) = x->next;
    *(x->next ? &x->next->prev : &l->last) = x->prev;
    *x = (struct channel_link){ 0 };
    l->n--;
}

void channel_wipe_free(void *p, size_t n) {
    if (p) crypto_wipe(p, n);
    free(p);
}

vl_ms channel_random(struct channel *c, vl_ms lo, vl_ms span) {
    return vl_ms_add(lo, crypto_drbg_below(&c->rng, vl_ms_add(span, 1)));
}

static struct channel_list *task_list(struct channel *c, const struct channel_task *t) {
    return t->control ? &c->controls : &c->replies;
}

void channel_task_ready(struct channel *c, struct channel_task *t) {
    vl_heap_remove(&c->tasks_due, &t->due);
    if (!t->link.in) channel_list_add(task_list(c, t), &t->link);
}

void channel_task_at(struct channel *c, struct channel_task *t, vl_ms at) {
    if (t->link.in || (t->due.index != 0 && t->due.at <= at)) return;
    if (vl_heap_set(&c->tasks_due, &t->due, at)) channel_task_ready(c, t); /* without memory for the wait: at once */
}

void channel_task_off(struct channel *c, struct channel_task *t) {
    vl_heap_remove(&c->tasks_due, &t->due);
    channel_list_del(task_list(c, t), &t->link);
}

void channel_event_push(struct channel *c, struct channel_event_node *e) { channel_list_add(&c->events, &e->link); }

static void event_free(struct channel_event_node *e) {
    if (e == NULL) return;
    channel_wipe_free(e->bytes, e->event.bytes.n);
    free(e);
}

/* ---- reply blocks ---- */

void channel_key_free(struct channel *c, struct surb_key *k) {
    (void)vl_map_del(&c->keys, k->keys.id);
    channel_list_del(&c->keys_list, &k->all);
    channel_list_del(k->msg ? &k->msg->keys : &k->talk->keys, &k->own);
    channel_wipe_free(k, sizeof *k);
}

enum vl_err channel_key_add(struct channel *c, const struct sphinx_surb_keys *keys, uint32_t expiry, struct out_msg *m,
                            struct talk_out *t) {
    if (vl_map_get(&c->keys, keys->id)) return VL_EEXISTS;
    if (c->keys_list.n >= CHANNEL_BLOCKS_MAX) channel_key_free(c, CHANNEL_OF(struct surb_key, all, c->keys_list.first));
    struct surb_key *k = calloc(1, sizeof *k);
    if (k == NULL) return VL_ENOMEM;
    k->keys = *keys;
    k->expiry = expiry;
    k->msg = m, k->talk = t;
    enum vl_err err = vl_map_put(&c->keys, keys->id, k);
    if (err) {
        channel_wipe_free(k, sizeof *k);
        return err;
    }
    channel_list_add(&c->keys_list, &k->all);
    channel_list_add(m ? &m->keys : &t->keys, &k->own);
    return VL_OK;
}

bool channel_block_dead(const struct channel *c, const uint8_t *surb) { return sphinx_surb_expiry(surb) < c->epoch; }

struct block *channel_block_new(const uint8_t surb[SPHINX_SURB]) {
    struct block *b = calloc(1, sizeof *b);
    if (b) memcpy(b->surb, surb, SPHINX_SURB);
    return b;
}

void channel_block_free(struct block *b) { channel_wipe_free(b, sizeof *b); }

enum vl_err channel_reply(struct block *b, struct vl_span data, struct channel_slot *ret) {
    uint8_t body[SPHINX_BODY];
    struct channel_slot s = { .reply = true };
    vl_ignore(sphinx_body(CHANNEL_BODY, data, body)); /* what the codec makes fits */
    enum vl_err err = sphinx_surb_use(b->surb, body, s.packet, &s.first);
    channel_block_free(b);
    if (err == VL_OK) *ret = s;
    crypto_wipe(body, sizeof body);
    return err;
}

/* ---- life ---- */

struct channel_config channel_config_default(void) {
    return (struct channel_config){ .ttl_ms = 600000, .parity_permille = 250, .surbs_low_water = 8 };
}

enum vl_err channel_create(const struct channel_config *cfg, struct channel **ret) {
    if (cfg->ttl_ms == 0 || cfg->ttl_ms > CHANNEL_TTL_MAX || cfg->parity_permille > 1000 || cfg->surbs_low_water < 1 ||
        cfg->surbs_low_water > 32)
        return VL_ERANGE;
    struct channel *c = calloc(1, sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    c->ttl_ms = cfg->ttl_ms;
    c->parity_permille = cfg->parity_permille;
    c->low_water = cfg->surbs_low_water;
    crypto_dh_key_from_seed(cfg->static_secret, &c->self);
    crypto_drbg_init(&c->rng, cfg->seed);
    uint64_t seed = crypto_drbg_u64(&c->rng);
    vl_map_init(&c->out, 8, CHANNEL_OUT_MAX, seed);
    vl_map_init(&c->out_ids, 16, CHANNEL_OUT_MAX, seed);
    vl_map_init(&c->keys, 16, CHANNEL_BLOCKS_MAX, seed);
    vl_map_init(&c->in, 24, CHANNEL_IN_MAX + CHANNEL_REMEMBERED + 1, seed);
    vl_map_init(&c->talks_out, 8, CHANNEL_TALKS_OUT, seed);
    vl_map_init(&c->talks_in, 16, CHANNEL_TALKS_IN, seed);
    *ret = c;
    return VL_OK;
}

void channel_destroy(struct channel *c) {
    if (c == NULL) return;
    while (c->talks_in_list.first) channel_responder_free(c, CHANNEL_OF(struct talk_in, link, c->talks_in_list.first));
    for (struct vl_heap_node *n; (n = vl_heap_top(&c->out_due)) != NULL;)
        channel_out_free(c, CHANNEL_OF(struct out_msg, due, n));
    channel_in_destroy(c);
    while (c->talks_out_list.first) channel_owner_free(c, CHANNEL_OF(struct talk_out, link, c->talks_out_list.first));
    while (c->events.first) {
        struct channel_event_node *e = CHANNEL_OF(struct channel_event_node, link, c->events.first);
        channel_list_del(&c->events, &e->link);
        event_free(e);
    }
    event_free(c->given);
    vl_map_free(&c->out);
    vl_map_free(&c->out_ids);
    vl_map_free(&c->keys);
    vl_map_free(&c->in);
    vl_map_free(&c->talks_out);
    vl_map_free(&c->talks_in);
    vl_heap_free(&c->out_due);
    vl_heap_free(&c->tasks_due);
    vl_heap_free(&c->talks_due);
    channel_wipe_free(c, sizeof *c);
}

/* ---- time ---- */

void channel_tick(struct channel *c, vl_ms now) {
    while (vl_heap_deadline(&c->out_due) <= now)
        channel_out_settle(c, now, CHANNEL_OF(struct out_msg, due, vl_heap_top(&c->out_due)));
    channel_in_age(c, now);
    while (vl_heap_deadline(&c->tasks_due) <= now)
        channel_task_ready(c, CHANNEL_OF(struct channel_task, due, vl_heap_top(&c->tasks_due)));
    while (vl_heap_deadline(&c->talks_due) <= now) /* after the messages in them */
        channel_owner_plan(c, now, CHANNEL_OF(struct talk_out, due, vl_heap_top(&c->talks_due)));
    channel_responder_age(c, now);
}

vl_ms channel_deadline(const struct channel *c) {
    vl_ms at = vl_ms_min(vl_heap_deadline(&c->out_due), vl_heap_deadline(&c->tasks_due));
    at = vl_ms_min(at, vl_heap_deadline(&c->talks_due));
    return vl_ms_min(at, vl_ms_min(channel_in_deadline(c), channel_responder_deadline(c)));
}

void channel_epoch(struct channel *c, vl_ms now, uint64_t epoch) {
    channel_tick(c, now);
    c->epoch = epoch;
    struct channel_link *next;
    for (struct channel_link *l = c->keys_list.first; l; l = next) {
        next = l->next;
        if (CHANNEL_OF(struct surb_key, all, l)->expiry < epoch)
            channel_key_free(c, CHANNEL_OF(struct surb_key, all, l));
    }
    channel_in_epoch(c);
    channel_responder_epoch(c);
    for (struct channel_link *l = c->talks_out_list.first; l; l = next) { /* they may be short of blocks now */
        next = l->next;
        channel_owner_plan(c, now, CHANNEL_OF(struct talk_out, link, l));
    }
}

/* ---- sending ---- */

enum vl_err channel_send(struct channel *c, vl_ms now, const struct channel_to *to, struct vl_span message,
                         uint64_t *ret_id) {
    uint8_t shared[32];
    struct talk_out *t = NULL;
    struct out_msg *m;
    channel_tick(c, now);
    if (message.n > CHANNEL_MESSAGE_MAX || to->level <= MIX_OFF || to->level >= MIX_LEVELS) return VL_ERANGE;
    enum vl_err err = crypto_dh(c->self.secret, to->static_key, shared); /* refuses keys of low order */
    crypto_wipe(shared, sizeof shared);
    if (err == VL_OK && to->anonymous) err = channel_owner_talk(c, now, to, &t);
    if (err == VL_OK) err = channel_out_new(c, now, message, to, NULL, &m);
    if (err) return err; /* a new conversation without messages ends after ttl */
    *ret_id = m->number;
    if (t) {
        m->talk = t;
        t->newest = m->number;
        t->expires = m->expires;
        t->fails = 0;
        channel_owner_plan(c, now, t);
    }
    channel_out_settle(c, now, m);
    return VL_OK;
}

enum vl_err channel_answer(struct channel *c, vl_ms now, const uint8_t conversation[16], struct vl_span message,
                           uint64_t *ret_id) {
    struct out_msg *m;
    channel_tick(c, now);
    struct talk_in *t = channel_responder_find(c, conversation);
    if (t == NULL) return VL_ENOTFOUND;
    if (t->answers.n >= CHANNEL_ANSWERS_MAX) return VL_EAGAIN;
    enum vl_err err = channel_out_new(c, now, message, NULL, t, &m);
    if (err) return err;
    *ret_id = m->number;
    channel_out_settle(c, now, m);
    return VL_OK;
}

/* ---- slots ---- */

static bool task_take(struct channel *c, vl_ms now, struct channel_list *list, struct channel_slot *ret) {
    while (list->first) {
        struct channel_task *t = CHANNEL_OF(struct channel_task, link, list->first);
        bool taken = false;
        channel_list_del(list, &t->link);
        switch (t->kind) {
        case CHANNEL_TASK_ACK: {
            struct in_msg *m = CHANNEL_OF(struct in_msg, task, t);
            taken = t->control ? channel_owner_ack(c, now, m, ret) : channel_in_ack(c, m, ret);
            break;
        }
        case CHANNEL_TASK_STATUS:
            taken = channel_responder_status(c, CHANNEL_OF(struct talk_in, status, t), ret);
            break;
        case CHANNEL_TASK_REFILL:
            taken = channel_owner_refill(c, now, CHANNEL_OF(struct talk_out, refill, t), ret);
            break;
        }
        if (taken) return true;
    }
    return false;
}

static bool tasks_take(struct channel *c, vl_ms now, struct channel_slot *ret) {
    struct channel_list *first = c->control_turn ? &c->controls : &c->replies;
    struct channel_list *second = c->control_turn ? &c->replies : &c->controls;
    c->control_turn = !c->control_turn;
    return task_take(c, now, first, ret) || task_take(c, now, second, ret);
}

bool channel_slot(struct channel *c, vl_ms now, struct channel_slot *ret) {
    enum { TASKS_IN_A_ROW = 2 };
    channel_tick(c, now);
    if (c->urgent_run < TASKS_IN_A_ROW && tasks_take(c, now, ret)) {
        c->urgent_run++;
        return true;
    }
    c->urgent_run = 0;
    return channel_out_take(c, now, ret) || tasks_take(c, now, ret);
}

static bool is_control(uint64_t handle) { return handle >> 63; }

enum vl_err channel_fill(struct channel *c, vl_ms now, uint64_t handle, vl_ms rtt_ms,
                         const uint8_t (*surb)[SPHINX_SURB], const struct sphinx_surb_keys *keys,
                         uint8_t ret_body[SPHINX_BODY]) {
    channel_tick(c, now);
    return is_control(handle) ? channel_owner_fill(c, now, handle, rtt_ms, surb, keys, ret_body)
                              : channel_out_fill(c, now, handle, rtt_ms, surb[0], keys, ret_body);
}

void channel_skip(struct channel *c, vl_ms now, uint64_t handle) {
    channel_tick(c, now);
    if (is_control(handle))
        channel_owner_skip(c, now, handle);
    else
        channel_out_skip(c, now, handle);
}

/* ---- receiving ---- */

static enum vl_err fragment_recv(struct channel *c, vl_ms now, const uint8_t cell[CHANNEL_CELL]) {
    struct channel_fragment f;
    enum vl_err err = channel_fragment_decode(cell, &f);
    if (err == VL_OK && channel_block_dead(c, f.surb)) err = VL_EEXPIRED;
    if (err) return err;
    if (f.talk && channel_responder_hear(c, now, f.conversation, f.level, f.rtt_ms) == NULL) return VL_ENOMEM;
    return channel_in_shard(c, now, &f.shard,
                            &(struct in_source){ .level = f.level,
                                                 .conversation = f.talk ? f.conversation : NULL,
                                                 .surb = f.surb,
                                                 .size = CHANNEL_FRAGMENT_DATA });
}

static enum vl_err cell_recv(struct channel *c, vl_ms now, const uint8_t cell[CHANNEL_CELL]) {
    enum channel_kind kind;
    struct channel_refill r;
    enum vl_err err = channel_kind_of(vl_span(cell, CHANNEL_CELL), &kind);
    if (err) return err;
    if (kind == CHANNEL_FRAGMENT) return fragment_recv(c, now, cell);
    if (kind != CHANNEL_REFILL) return VL_EPARSE;
    err = channel_refill_decode(cell, &r);
    return err ? err : channel_responder_refill(c, now, &r);
}

static enum vl_err counted(struct channel *c, enum vl_err err) {
    c->stats.bad += err == VL_EPARSE || err == VL_EVERSION || err == VL_ECRYPTO || err == VL_EEXPIRED;
    return err;
}

enum vl_err channel_recv(struct channel *c, vl_ms now, const uint8_t body[SPHINX_BODY]) {
    uint8_t type, cell[CHANNEL_CELL];
    struct vl_span data;
    channel_tick(c, now);
    if (c->events.n >= CHANNEL_EVENTS_MAX) return VL_ELIMIT;
    enum vl_err err = sphinx_body_read(body, &type, &data);
    if (err == VL_OK && (type != CHANNEL_BODY || data.n != SPHINX_DATA_MAX)) err = VL_EPARSE;
    if (err == VL_OK) err = channel_box_open(&c->self, data.p, cell);
    if (err == VL_OK) {
        err = cell_recv(c, now, cell);
        crypto_wipe(cell, sizeof cell);
    }
    return counted(c, err);
}

/* Replies to a message end it or tell what is missing; those of a conversation may do so for any message in it. */
static enum vl_err ack_recv(struct channel *c, vl_ms now, const struct channel_ack *a, struct out_msg *m,
                            struct talk_out *t) {
    if (m && (a->has_status || memcmp(m->id, a->receipt.id, sizeof m->id) != 0)) return VL_EPARSE;
    if (t && a->has_receipt) {
        m = vl_map_get(&c->out_ids, a->receipt.id);
        if (m && m->talk != t) return VL_EPARSE;
    }
    if (m) channel_out_receipt(c, now, m, &a->receipt);
    if (t && a->has_status) channel_owner_status(c, now, t, &a->status, false);
    return VL_OK;
}

static enum vl_err answer_recv(struct channel *c, vl_ms now, const struct channel_reply_shard *a, struct talk_out *t) {
    if (t == NULL) return VL_EPARSE; /* that block was for an acknowledgement */
    enum vl_err err = channel_in_shard(
        c, now, &a->shard,
        &(struct in_source){ .level = t->to.level, .conversation = t->id, .answers = t, .size = CHANNEL_ANSWER_DATA });
    channel_owner_status(c, now, t, &a->status, true);
    return err;
}

static enum vl_err reply_recv(struct channel *c, vl_ms now, struct vl_span data, struct out_msg *m,
                              struct talk_out *t) {
    enum channel_kind kind;
    struct channel_ack a;
    struct channel_reply_shard s;
    enum vl_err err = channel_kind_of(data, &kind);
    if (err == VL_OK && kind == CHANNEL_ACK) {
        err = channel_ack_decode(data, &a);
        return err ? err : ack_recv(c, now, &a, m, t);
    }
    if (err == VL_OK && kind == CHANNEL_ANSWER) {
        err = channel_answer_decode(data, &s);
        return err ? err : answer_recv(c, now, &s, t);
    }
    return err ? err : VL_EPARSE;
}

enum vl_err channel_recv_reply(struct channel *c, vl_ms now, const uint8_t surb_id[16],
                               const uint8_t delta[SPHINX_DELTA]) {
    uint8_t body[SPHINX_BODY], type;
    struct vl_span data;
    channel_tick(c, now);
    if (c->events.n >= CHANNEL_EVENTS_MAX) return VL_ELIMIT;
    struct surb_key *k = vl_map_get(&c->keys, surb_id);
    if (k == NULL) return VL_ENOTFOUND;
    enum vl_err err = sphinx_surb_open(&k->keys, delta, body);
    if (err) return counted(c, err);
    struct out_msg *m = k->msg;
    struct talk_out *t = k->talk;
    channel_key_free(c, k); /* single use */
    err = sphinx_body_read(body, &type, &data);
    if (err == VL_OK && type != CHANNEL_BODY) err = VL_EPARSE;
    if (err == VL_OK) err = reply_recv(c, now, data, m, t);
    crypto_wipe(body, sizeof body);
    return counted(c, err);
}

/* ---- looking ---- */

bool channel_next(struct channel *c, struct channel_event *ret) {
    event_free(c->given);
    c->given = NULL;
    if (c->events.first == NULL) return false;
    c->given = CHANNEL_OF(struct channel_event_node, link, c->events.first);
    channel_list_del(&c->events, &c->given->link);
    *ret = c->given->event;
    return true;
}

struct channel_stats channel_stats(const struct channel *c) {
    struct channel_stats s = c->stats;
    s.out = (uint32_t)c->out.len;
    s.in = c->partial.n;
    s.talks_out = c->talks_out_list.n;
    s.talks_in = c->talks_in_list.n;
    s.blocks = c->blocks;
    return s;
}
