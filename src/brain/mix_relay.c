/* A member as a mix: its keys by epoch, batches for the pool, packets on their way, mailboxes of those it provides for.
 */
#include "brain/mix_priv.h"

#include "crypto/random.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_LINK_MS 250u /* next node has no link now */
#define RETRY_FULL_MS 20u  /* its link has no room */

enum vl_err mix_relay_create(struct brain *b) {
    struct mix *m = b->mix;
    uint8_t seed[32];
    crypto_drbg_bytes(&m->rng, seed, sizeof seed);
    enum vl_err err = relay_create(&b->cfg.mix.limits, seed, &m->relay);
    crypto_wipe(seed, sizeof seed);
    if (err) return err;
    m->cells = calloc(MIX_MAIL_MAX, sizeof *m->cells);
    if (m->cells == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i + 1 < MIX_MAIL_MAX; i++) m->cells[i].next = &m->cells[i + 1];
    m->free_cells = m->cells;
    return VL_OK;
}

void mix_relay_destroy(struct brain *b) {
    struct mix *m = b->mix;
    size_t it = 0;
    for (void *p; (p = vl_map_next(&m->mailboxes, &it, NULL));) free(p);
    relay_destroy(m->relay);
    m->relay = NULL;
    free(m->cells);
    crypto_wipe(m->keys, sizeof m->keys);
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

struct mix_key *mix_key_of(struct mix *m, uint64_t epoch) {
    for (unsigned i = 0; i < MIX_KEYS; i++)
        if (m->keys[i].state != MIX_KEY_NONE && m->keys[i].epoch == epoch) return &m->keys[i];
    return NULL;
}

static void key_ask(struct brain *b, uint64_t epoch, bool make) {
    struct mix *m = b->mix;
    for (unsigned i = 0; i < MIX_KEYS; i++) {
        struct mix_key *k = &m->keys[i];
        if (k->state != MIX_KEY_NONE) continue;
        *k = (struct mix_key){ .epoch = epoch, .state = MIX_KEY_OPENING };
        struct brain_effect *e = effect_now(b, BRAIN_MIX_KEY, (struct vl_span){ 0 }, NULL);
        e->seq = epoch;
        e->index = make;
        /* it takes packets for its epoch and the next; a quarter more than the token bucket lets in */
        e->length = (uint64_t)b->cfg.mix.limits.rate * 2u * m->charter.epoch_ms / 1000u * 5u / 4u + 1000u;
        return;
    }
}

/* A key lives until the end of the epoch after its own.  Its delay proof may be told from then on. */
static void key_drop(struct brain *b, struct mix_key *k) {
    struct mix *m = b->mix;
    bool live = k->state == MIX_KEY_LIVE || k->state == MIX_KEY_DROPPING;
    if (live && !relay_key_drop(m->relay, k->key.key_id)) {
        k->state = MIX_KEY_DROPPING; /* a batch that uses it is out */
        return;
    }
    if (live && k->epoch + 1 < m->epoch) { /* not one that is given up early: its proof must not be told yet */
        m->proof_epoch = k->epoch;
        memcpy(m->proof, k->proof, sizeof m->proof);
    }
    effect_now(b, BRAIN_MIX_KEY_DROP, (struct vl_span){ 0 }, NULL)->seq = k->epoch;
    crypto_wipe(k, sizeof *k);
}

static void key_enliven(struct brain *b, struct mix_key *k, const struct mix_consensus *c) {
    struct mix *m = b->mix;
    const struct mix_relay *self = mix_relay_by_node(c, b->self);
    struct delay_epoch e = { .epoch = c->epoch };
    if (self == NULL || memcmp(self->mix_key, k->key.public, 32) != 0) return; /* not listed, or with an older key */
    memcpy(e.shared_random, c->shared_random, sizeof e.shared_random);
    enum vl_err err = delay_epoch_begin(&m->vrf, &e, k->y, k->proof);
    if (err == VL_OK) err = relay_key_add(m->relay, &k->key, k->table, k->y);
    if (err)
        note(b, err, b->self, "the mix key of an epoch cannot be used");
    else
        k->state = MIX_KEY_LIVE;
}

void mix_relay_keys_forget(struct brain *b) {
    struct mix *m = b->mix;
    struct brain_effect *e = effect_now(b, BRAIN_MIX_KEY_DROP, (struct vl_span){ 0 }, NULL);
    e->seq = UINT64_MAX;
    e->index = 1; /* what is open goes one by one */
    for (unsigned i = 0; i < MIX_KEYS; i++)
        if (m->keys[i].state > MIX_KEY_OPENING) key_drop(b, &m->keys[i]);
}

void mix_relay_keys_sweep(struct brain *b, uint64_t epoch) {
    if (epoch < 2) return;
    struct brain_effect *e = effect_now(b, BRAIN_MIX_KEY_DROP, (struct vl_span){ 0 }, NULL);
    e->seq = epoch - 2;
    e->index = 1;
}

void mix_relay_keys(struct brain *b) {
    struct mix *m = b->mix;
    for (unsigned i = 0; i < MIX_KEYS; i++)
        if (m->keys[i].state > MIX_KEY_OPENING &&
            (m->keys[i].epoch + 1 < m->epoch || m->keys[i].state == MIX_KEY_DROPPING))
            key_drop(b, &m->keys[i]);
    for (uint64_t e = m->epoch ? m->epoch - 1 : 0; e <= m->epoch + 1; e++)
        if (mix_key_of(m, e) == NULL) key_ask(b, e, e > m->epoch);
    for (unsigned i = 0; i < MIX_KEYS; i++) {
        struct mix_key *k = &m->keys[i];
        if (k->state != MIX_KEY_READY) continue;
        if (m->current.have && m->current.c.epoch == k->epoch)
            key_enliven(b, k, &m->current.c);
        else if (m->next.have && m->next.c.epoch == k->epoch)
            key_enliven(b, k, &m->next.c);
    }
}

void brain_mix_key(struct brain *b, vl_ms now, uint64_t epoch, enum vl_err err, const uint8_t secret[32],
                   struct replay *table) {
    step_begin(b, now);
    struct mix *m = b->mix;
    struct mix_key *k = mix_key_of(m, epoch);
    if (k != NULL && k->state == MIX_KEY_OPENING) {
        if (err) { /* none: this relay takes no part in that epoch */
            if (err != VL_ENOTFOUND) {
                note(b, err, b->self,
                     err == VL_ENOSPC ? "no room for the replay table of an epoch: free some space"
                                      : "no mix key for an epoch");
                m->counters.keys_failed++;
            }
            k->state = MIX_KEY_NONE;
            if (epoch > m->epoch) m->describe_at = VL_MS_NEVER; /* asked again at the turn */
        } else {
            struct crypto_dh_key dh;
            crypto_dh_key_from_seed(secret, &dh);
            memcpy(k->key.secret, dh.secret, 32);
            memcpy(k->key.public, dh.public, 32);
            crypto_dh_key_wipe(&dh);
            k->key.key_id = (uint8_t)epoch;
            k->table = table;
            k->state = MIX_KEY_READY;
            if (epoch == m->epoch + 1) m->describe_at = b->now;
            mix_relay_keys(b);
        }
    }
    step_end(b);
}

/* ---- mailboxes -------------------------------------------------------------------------------------------------- */

static struct mailbox *mailbox_open(struct brain *b, struct vl_node_id node) {
    struct mix *m = b->mix;
    struct mailbox *box = vl_map_get(&m->mailboxes, node.b);
    if (box != NULL) return box;
    box = calloc(1, sizeof *box);
    if (box == NULL) return NULL;
    *box = (struct mailbox){ .node = node };
    box->last = &box->first;
    if (vl_map_put(&m->mailboxes, node.b, box)) {
        free(box);
        return NULL;
    }
    return box;
}

static bool mail_put(struct brain *b, const uint8_t to[32], enum mix_cell kind, const uint8_t id[16], const uint8_t *p,
                     size_t n) {
    struct mix *m = b->mix;
    struct mailbox *box = vl_map_get(&m->mailboxes, to);
    struct mail *c = m->free_cells;
    if (box == NULL || c == NULL || box->n == MIX_MAILBOX_MAX) return false;
    m->free_cells = c->next;
    memset(c->cell, 0, sizeof c->cell);
    c->cell[0] = (uint8_t)kind;
    if (id) memcpy(c->cell + 1, id, 16);
    memcpy(c->cell + 17, p, n);
    c->next = NULL;
    *box->last = c;
    box->last = &c->next;
    box->n++;
    m->mail_n++;
    m->counters.mail_in++;
    return true;
}

static struct mail *mail_pop(struct mix *m, struct mailbox *box) {
    struct mail *c = box->first;
    if (c == NULL) return NULL;
    box->first = c->next;
    if (box->first == NULL) box->last = &box->first;
    box->n--;
    m->mail_n--;
    return c;
}

static void mail_free(struct mix *m, struct mail *c) {
    c->next = m->free_cells;
    m->free_cells = c;
}

/* A question of one byte has an answer of 6 KiB: who asks faster than everybody does gets none. */
static bool may_fetch(struct mailbox *box, vl_ms now) {
    if (box->next_ms > now + (MIX_FETCH_BURST - 1) * MIX_FETCH_MS) return false;
    box->next_ms = (box->next_ms > now ? box->next_ms : now) + MIX_FETCH_MS;
    return true;
}

void mix_mail_fetch(struct brain *b, struct peer *p) {
    struct mix *m = b->mix;
    uint8_t mail[MIX_FETCH_CELLS * MIX_CELL];
    struct mailbox *box = mailbox_open(b, p->node);
    unsigned n = 0;
    if (box == NULL || !may_fetch(box, b->now)) {
        m->counters.fetches_refused++;
        return;
    }
    memset(mail, 0, sizeof mail);
    for (struct mail *c = box->first; c && n < MIX_FETCH_CELLS; c = c->next)
        memcpy(mail + n++ * MIX_CELL, c->cell, MIX_CELL);
    box->fetched = b->now;
    m->counters.fetches++;
    if (!link_send(b, p->node, LANE_MIX, LINK_MIX_MAIL, vl_span(mail, sizeof mail), (struct vl_span){ 0 })) return;
    for (m->counters.mail_out += n; n > 0; n--) mail_free(m, mail_pop(m, box));
}

static void mailboxes_sweep(struct brain *b) {
    struct mix *m = b->mix;
    bool again = true;
    while (again) { /* the walk must not see deletions */
        size_t it = 0;
        again = false;
        for (struct mailbox *box; (box = vl_map_next(&m->mailboxes, &it, NULL));) {
            if (b->now < box->fetched + MIX_MAILBOX_IDLE_MS) continue;
            for (struct mail *c; (c = mail_pop(m, box)); m->counters.mail_lost++) mail_free(m, c);
            vl_map_del(&m->mailboxes, box->node.b);
            free(box);
            again = true;
            break;
        }
    }
    m->sweep_at = b->now + MIX_MAILBOX_IDLE_MS;
}

/* ---- packets ---------------------------------------------------------------------------------------------------- */

/* By node, not by session: who dials again gains nothing. */
uint64_t mix_link_number(const struct peer *p) { return vl_get_u64(p->node.b) | 1u; }

void mix_packets(struct brain *b, struct peer *p, uint32_t stream, struct vl_span bytes) {
    struct mix *m = b->mix;
    if (m->relay == NULL) {
        b->counters.messages_bad++;
        return;
    }
    vl_ms rest = relay_input(m->relay, b->now, mix_link_number(p), bytes.p, bytes.n);
    if (rest > b->now && htx_hold(b->htx, p->session, stream, true) == VL_OK) {
        p->rest_until = rest;
        p->rest_stream = stream;
        m->rest_at = vl_ms_min(m->rest_at, rest);
    }
    m->pump = true;
}

static void links_wake(struct brain *b) {
    struct mix *m = b->mix;
    size_t it = 0;
    m->rest_at = VL_MS_NEVER;
    for (struct peer *p; (p = vl_map_next(&b->by_session, &it, NULL));) {
        if (p->rest_until == 0) continue;
        if (p->rest_until <= b->now) {
            vl_ignore(htx_hold(b->htx, p->session, p->rest_stream, false));
            p->rest_until = 0;
        } else {
            m->rest_at = vl_ms_min(m->rest_at, p->rest_until);
        }
    }
}

static void forward(struct brain *b, const struct relay_out *o) {
    struct mix *m = b->mix;
    const struct mix_relay *r = mix_relay_find(b, o->next);
    if (r == NULL || vl_node_eq(r->node, b->self)) {
        relay_drop(m->relay, o->handle, RELAY_DROP_NO_ROUTE);
        return;
    }
    const struct peer *p = link_peer(b, r->node);
    if (p == NULL || !p->attached)
        relay_retry(m->relay, b->now, o->handle, b->now + RETRY_LINK_MS);
    else if (link_send(b, r->node, LANE_MIX, LINK_MIX, vl_span(o->packet, SPHINX_PACKET), (struct vl_span){ 0 }))
        relay_gone(m->relay, o->handle);
    else
        relay_retry(m->relay, b->now, o->handle, b->now + RETRY_FULL_MS);
}

static void deliver(struct brain *b, const struct relay_out *o) {
    struct mix *m = b->mix;
    bool reply = o->kind == RELAY_REPLY, taken = true;
    if (memcmp(o->end.recipient, b->self.b, 32) != 0)
        taken = mail_put(b, o->end.recipient, reply ? MIX_CELL_REPLY : MIX_CELL_BODY, reply ? o->end.surb_id : NULL,
                         o->packet, reply ? SPHINX_DELTA : SPHINX_BODY);
    else if (reply)
        mix_client_reply(b, o->end.surb_id, o->packet);
    else
        mix_client_body(b, o->packet);
    if (taken)
        relay_gone(m->relay, o->handle);
    else
        relay_drop(m->relay, o->handle, RELAY_DROP_RECIPIENT);
}

void mix_relay_pump(struct brain *b) {
    struct mix *m = b->mix;
    struct relay_out o;
    m->pump = false;
    while (relay_next(m->relay, b->now, &o)) {
        if (o.kind == RELAY_FORWARD)
            forward(b, &o);
        else
            deliver(b, &o);
    }
    struct relay_batch *batch = m->batch_out ? NULL : relay_batch_take(m->relay, b->now);
    if (batch == NULL) return;
    m->batch_out = true;
    effect_now(b, BRAIN_MIX_BATCH, (struct vl_span){ 0 }, NULL)->batch = batch;
}

void brain_mix_batch_run(struct relay_batch *batch) { relay_batch_run(batch); }

void brain_mix_batch_done(struct brain *b, vl_ms now, struct relay_batch *batch) {
    step_begin(b, now);
    struct mix *m = b->mix;
    m->batch_out = false;
    relay_batch_done(m->relay, b->now, batch);
    bool dropped = false;
    for (unsigned i = 0; i < MIX_KEYS; i++)
        if (m->keys[i].state == MIX_KEY_DROPPING) {
            key_drop(b, &m->keys[i]);
            dropped = true;
        }
    if (dropped && m->has_charter) mix_relay_keys(b); /* its place may be wanted */
    m->pump = true;
    step_end(b);
}

void mix_relay_tick(struct brain *b) {
    struct mix *m = b->mix;
    if (m->rest_at <= b->now) links_wake(b);
    if (m->sweep_at <= b->now) mailboxes_sweep(b);
    if (relay_deadline(m->relay) <= b->now) m->pump = true;
}

vl_ms mix_relay_deadline(const struct brain *b) {
    const struct mix *m = b->mix;
    vl_ms at = vl_ms_min(m->rest_at, m->sweep_at);
    return vl_ms_min(at, relay_deadline(m->relay));
}
