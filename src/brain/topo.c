/* The draws of an epoch, as every member plays its part (trust/topology.h): it keeps the same book as the coordinator, reveals, draws its
 * neighbours, shows them its certificate, and checks that of others.  The coordinator orders and passes on; what it says is recomputed.
 *
 * Epochs are counted by the coordinator's closes, not by clocks: an epoch in which the coordinator was away is prolonged, so that nobody
 * loses weight for a silence that nobody could hear. */
#include "brain/topo_priv.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <stdlib.h>

static const uint8_t zeros[32];

struct village_id topo_village(const struct brain *b) { return roster_village(b->roster); }

/* ---- life ---------------------------------------------------------------------------------------------------------- */

/* From the node's key, so that it lives and moves with it.  The label keeps what is signed and what is drawn apart. */
static enum vl_err vrf_key(struct brain *b, struct crypto_vrf_key *ret) {
    uint8_t seed[32];
    crypto_blake2b_keyed(vl_span(b->cfg.sign_seed, 32), (struct vl_span){ 0 }, "village-vrf-key1", seed, sizeof seed);
    enum vl_err err = crypto_vrf_key_make(CRYPTO_VRF_ELL2, seed, ret);
    crypto_wipe(seed, sizeof seed);
    return err;
}

enum vl_err topo_create(struct brain *b) {
    struct topo *t = calloc(1, sizeof *t);
    if (t == NULL) return VL_ENOMEM;
    b->topo = t;
    vl_map_init(&t->draws, 33, (size_t)TOPOLOGY_FILE_MEMBERS * TOPO_LIVE, vl_prng_next(&b->rng));
    vl_map_init(&t->reveals, 32, TOPOLOGY_FILE_MEMBERS, vl_prng_next(&b->rng));
    vl_map_init(&t->counts, 32, 4ull * TOPOLOGY_FILE_MEMBERS, vl_prng_next(&b->rng)); /* of those who left, too */
    vl_map_init(&t->keys, 32, TOPOLOGY_FILE_MEMBERS, vl_prng_next(&b->rng));
    vl_buf_init(&t->doc, TOPO_DOC_MAX);
    t->epoch_ms = b->cfg.epoch_ms ? b->cfg.epoch_ms : TOPOLOGY_EPOCH_MS;
    t->again = t->ends = t->slot_at = VL_MS_NEVER;
    enum vl_err err = vrf_key(b, &t->vrf);
    return err || !b->cfg.coordinator ? err : topo_lead_create(b);
}

static void draw_free(struct topo_draw *d) {
    if (d->watch) crypto_wipe(d->watch, sizeof *d->watch);
    free(d->watch);
    for (unsigned i = 0; i < TOPOLOGY_NEIGHBOURS; i++) vl_buf_free(&d->statement[i]);
    free(d);
}

void topo_destroy(struct brain *b) {
    struct topo *t = b->topo;
    size_t it = 0;
    if (t == NULL) return;
    for (struct topo_draw *d; (d = vl_map_next(&t->draws, &it, NULL));) draw_free(d);
    it = 0;
    for (void *p; (p = vl_map_next(&t->reveals, &it, NULL));) free(p);
    it = 0;
    for (void *p; (p = vl_map_next(&t->keys, &it, NULL));) free(p);
    it = 0;
    for (void *p; (p = vl_map_next(&t->counts, &it, NULL));) free(p);
    vl_map_free(&t->counts);
    vl_map_free(&t->draws);
    vl_map_free(&t->reveals);
    vl_map_free(&t->keys);
    vl_buf_free(&t->doc);
    topo_keep_free(&t->keep);
    topology_destroy(t->t);
    crypto_vrf_key_wipe(&t->vrf);
    free(t);
    b->topo = NULL;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

void topo_row(struct brain *b, struct vl_node_id node, uint64_t number, struct vl_span bytes) {
    if (bytes.n > 0)
        item_put(b, ITEM_TOPOLOGY, node.b, number, bytes);
    else
        item_remove(b, ITEM_TOPOLOGY, node.b, number);
}

enum { TAG_STATE = 0xa5, STATE_VERSION = 1 };

void topo_state_save(struct brain *b) {
    struct topo *t = b->topo;
    struct vl_buf buf;
    vl_buf_init(&buf, TOPO_DOC_MAX);
    struct pack w = pack_message(&buf, TAG_STATE, STATE_VERSION);
    pack_u64(&w, t->epoch_ms);
    pack_u64(&w, t->began);
    pack_u64(&w, t->ends);
    pack_bytes(&w, t->digest.b, sizeof t->digest.b);
    for (unsigned i = 0; i < TOPO_LIVE; i++) topology_seal_pack(&t->seal[i], &w);
    enum vl_err err = pack_end(&w);
    if (err == VL_OK) err = topology_save(t->t, &buf);
    if (err)
        out_of_memory(b);
    else
        item_put(b, ITEM_TOPOLOGY, zeros, ROW_STATE, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static enum vl_err state_restore(struct brain *b, struct vl_span bytes) {
    struct topo *t = b->topo;
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    struct topology *fresh;
    enum vl_err err = unpack_message(&r, TAG_STATE, STATE_VERSION);
    if (err) return err;
    vl_ms epoch_ms = unpack_u64_in(&r, BRAIN_EPOCH_MIN_MS, UINT32_MAX);
    t->began = vl_read_u64(&r);
    t->ends = vl_read_u64(&r);
    t->digest = unpack_hash(&r);
    for (unsigned i = 0; i < TOPO_LIVE; i++) topology_seal_unpack(&r, &t->seal[i]);
    if (r.failed) return VL_ECORRUPT;
    if (!b->cfg.coordinator) t->epoch_ms = epoch_ms; /* the coordinator's own setting wins over what it was */
    err = topology_restore(vl_span(r.p, r.n), TOPOLOGY_FILE_MEMBERS, &fresh);
    if (err) return err == VL_ENOMEM ? err : VL_ECORRUPT;
    topology_destroy(t->t);
    t->t = fresh;
    return VL_OK;
}

static enum vl_err watch_restore(struct brain *b, struct topo_draw *d, struct vl_span bytes) {
    struct challenge_watch *w = malloc(sizeof *w);
    if (w == NULL) return VL_ENOMEM;
    enum vl_err err = challenge_watch_restore(bytes, w);
    if (err || d == NULL || d->watch || w->epoch != d->cert.epoch || !vl_node_eq(w->witness, b->self)) {
        crypto_wipe(w, sizeof *w);
        free(w);
        return err ? VL_ECORRUPT : VL_OK;
    }
    d->watch = w;
    return VL_OK;
}

/* Rows of epochs that are gone are left from before: whatever does not fit the state is not taken up. */
static enum vl_err row_restore(struct brain *b, struct vl_node_id node, uint64_t number, struct vl_span bytes) {
    struct topo *t = b->topo;
    struct topology_cert c;
    if (number == ROW_KEY && b->cfg.coordinator && bytes.n == 33) {
        struct crypto_vrf_public vrf = { .suite = bytes.p[0] };
        memcpy(vrf.key, bytes.p + 1, 32);
        topo_lead_key(b, node, vrf);
        return VL_OK;
    }
    if (number == ROW_COUNT) return topo_count_restore(b, node, bytes);
    if (t->t == NULL || number == ROW_KEY) return VL_OK;
    if (number == ROW_REVEAL) {
        if (b->cfg.coordinator && topology_reveal(t->t, bytes) == VL_OK) {
            uint8_t *kept = malloc(TOPOLOGY_CERT_BYTES);
            if (kept == NULL) return VL_ENOMEM;
            memcpy(kept, bytes.p, TOPOLOGY_CERT_BYTES);
            free(vl_map_del(&t->reveals, node.b));
            if (vl_map_put(&t->reveals, node.b, kept)) {
                free(kept);
                return VL_ENOMEM;
            }
        }
        return VL_OK;
    }
    uint64_t m = number >= ROW_WATCH ? number - ROW_WATCH : number >= ROW_STATEMENT ? (number - ROW_STATEMENT) / 8 : number - ROW_DRAW;
    if (m >= TOPO_LIVE) return VL_ECORRUPT;
    if (number < ROW_STATEMENT) {
        if (topology_check(t->t, bytes, &c, NULL) == VL_OK && c.role == TOPOLOGY_NEIGHBOUR && c.epoch % TOPO_LIVE == m)
            (void)topo_draw_add(b, &c);
        return VL_OK;
    }
    uint64_t near = topology_epoch(t->t);
    while (near % TOPO_LIVE != m) near++;
    struct topo_draw *d = topo_draw_of(t, node, near > topology_epoch(t->t) + 1 ? near - TOPO_LIVE : near);
    if (number >= ROW_WATCH) return watch_restore(b, d, bytes);
    struct challenge_statement s;
    unsigned at = (unsigned)((number - ROW_STATEMENT) % 8);
    if (d && at < d->n && challenge_statement_check(t->t, &d->cert, bytes, &s, NULL) == VL_OK && topo_place(d, s.witness) == (int)at)
        return vl_buf_append(&d->statement[at], bytes.p, bytes.n);
    return VL_OK;
}

enum vl_err topo_restore(struct brain *b, const struct record *r) {
    struct vl_node_id node;
    memcpy(node.b, r->key, sizeof node.b);
    if (memcmp(r->key, zeros, sizeof zeros) != 0) return row_restore(b, node, r->number, r->bytes);
    return r->number == ROW_STATE ? state_restore(b, r->bytes) : topo_keep_restore(b, r->bytes);
}

/* ---- draws --------------------------------------------------------------------------------------------------------- */

static void draw_key(struct vl_node_id node, uint64_t epoch, uint8_t ret[33]) {
    memcpy(ret, node.b, 32);
    ret[32] = (uint8_t)(epoch % TOPO_LIVE);
}

struct topo_draw *topo_draw_of(const struct topo *t, struct vl_node_id node, uint64_t epoch) {
    uint8_t key[33];
    draw_key(node, epoch, key);
    struct topo_draw *d = vl_map_get(&t->draws, key);
    return d && d->cert.epoch == epoch ? d : NULL;
}

int topo_place(const struct topo_draw *d, struct vl_node_id node) {
    for (uint32_t i = 0; i < d->n; i++)
        if (vl_node_eq(d->neighbour[i], node)) return (int)i;
    return -1;
}

static void draw_drop(struct brain *b, const uint8_t key[33]) {
    struct topo_draw *d = vl_map_del(&b->topo->draws, key);
    if (d == NULL) return;
    uint64_t m = d->cert.epoch % TOPO_LIVE;
    topo_row(b, d->cert.node, ROW_DRAW + m, (struct vl_span){ 0 });
    if (d->watch) topo_row(b, d->cert.node, ROW_WATCH + m, (struct vl_span){ 0 });
    for (unsigned i = 0; i < TOPOLOGY_NEIGHBOURS; i++)
        if (d->statement[i].len) topo_row(b, d->cert.node, ROW_STATEMENT + 8 * m + i, (struct vl_span){ 0 });
    draw_free(d);
}

struct topo_draw *topo_draw_add(struct brain *b, const struct topology_cert *c) {
    struct topo *t = b->topo;
    uint8_t key[33];
    if (topo_draw_of(t, c->node, c->epoch)) return NULL;
    draw_key(c->node, c->epoch, key);
    draw_drop(b, key); /* of three epochs ago */
    struct topo_draw *d = calloc(1, sizeof *d);
    if (d == NULL || vl_map_put(&t->draws, key, d)) {
        free(d);
        return NULL;
    }
    d->cert = *c;
    d->n = topology_neighbours(t->t, c, d->neighbour);
    for (unsigned i = 0; i < TOPOLOGY_NEIGHBOURS; i++) vl_buf_init(&d->statement[i], CHALLENGE_STATEMENT_MAX);
    if (b->started) {
        uint8_t encoded[TOPOLOGY_CERT_BYTES];
        topology_cert_encode(c, encoded);
        topo_row(b, c->node, ROW_DRAW + c->epoch % TOPO_LIVE, vl_span(encoded, sizeof encoded));
        topo_watch_begin(b, d);
    }
    return d;
}

/* Draws of epochs before the last are of no use: their rolls are gone. */
static void draws_sweep(struct brain *b) {
    struct topo *t = b->topo;
    uint8_t key[33];
    size_t it = 0;
    const void *at;
    for (struct topo_draw *d; (d = vl_map_next(&t->draws, &it, &at));) {
        if (d->cert.epoch + 1 >= topology_epoch(t->t)) continue;
        memcpy(key, at, sizeof key);
        draw_drop(b, key);
        it--;
    }
}

static void own_draw(struct brain *b, uint64_t epoch) {
    struct topology_cert c;
    if (topo_draw_of(b->topo, b->self, epoch)) return;
    if (topology_draw(b->topo->t, b->self, &b->topo->vrf, epoch, TOPOLOGY_NEIGHBOUR, &c) == VL_OK) (void)topo_draw_add(b, &c);
}

void topo_begin(struct brain *b, bool fresh) {
    struct topo *t = b->topo;
    uint64_t epoch = topology_epoch(t->t);
    t->revealed = t->drawn = false;
    t->wanted = false;
    t->again = b->now;
    if (fresh) {
        t->began = b->now;
        t->slot = 0;
        draws_sweep(b);
        topo_state_save(b);
    }
    own_draw(b, epoch);
    own_draw(b, epoch + 1);
    size_t it = 0;
    for (struct topo_draw *d; (d = vl_map_next(&t->draws, &it, NULL));) topo_watch_begin(b, d);
    topo_state_all(b, false);
    t->slot_at = b->now;
}

/* ---- to the coordinator --------------------------------------------------------------------------------------------- */

static bool up(struct brain *b, enum link_kind kind, uint8_t what, struct vl_span bytes) {
    uint8_t head = what;
    return link_send(b, b->coordinator, LANE_MESSAGE, kind, vl_span(&head, 1), bytes);
}

static void own_reveal(struct brain *b) {
    struct topo *t = b->topo;
    struct topology_cert c;
    uint8_t encoded[TOPOLOGY_CERT_BYTES];
    enum vl_err err = topology_draw(t->t, b->self, &t->vrf, topology_epoch(t->t), TOPOLOGY_BEACON, &c);
    if (err) {
        t->revealed = err == VL_ENOTFOUND; /* not in this roll: nothing to be said */
        return;
    }
    topology_cert_encode(&c, encoded);
    if (b->cfg.coordinator)
        topo_lead_reveal(b, b->self, vl_span(encoded, sizeof encoded));
    else
        (void)up(b, LINK_REVEAL, REVEAL_VALUE, vl_span(encoded, sizeof encoded));
}

/* That of the next epoch, or of this one when it was not known before. */
static void own_show(struct brain *b) {
    struct topo *t = b->topo;
    uint8_t encoded[TOPOLOGY_CERT_BYTES];
    bool any = false;
    for (uint64_t e = topology_epoch(t->t); e <= topology_epoch(t->t) + 1; e++) {
        const struct topo_draw *d = topo_draw_of(t, b->self, e);
        if (d == NULL) continue;
        any = true;
        topology_cert_encode(&d->cert, encoded);
        if (b->cfg.coordinator)
            topo_lead_draw(b, b->self, vl_span(encoded, sizeof encoded));
        else
            (void)up(b, LINK_DRAW, DRAW_CERT, vl_span(encoded, sizeof encoded));
    }
    if (!any) t->drawn = true;
}

void topo_repeat(struct brain *b) {
    struct topo *t = b->topo;
    vl_ms pause = t->epoch_ms / 8;
    t->again = VL_MS_NEVER;
    if (t->t == NULL) return;
    if (!t->revealed) own_reveal(b);
    if (!t->drawn) own_show(b);
    if (!t->revealed || !t->drawn) t->again = b->now + (pause < 250 ? 250 : pause);
}

void topo_peer_up(struct brain *b, struct peer *p) {
    struct topo *t = b->topo;
    if (b->cfg.coordinator) {
        topo_lead_peer(b, p->node);
        return;
    }
    if (!vl_node_eq(p->node, b->coordinator)) return;
    uint8_t key[33] = { t->vrf.suite };
    memcpy(key + 1, t->vrf.public, 32);
    (void)up(b, LINK_REVEAL, REVEAL_KEY, vl_span(key, sizeof key));
    t->wanted = false;
    topo_watch_lost(b);
    vl_buf_clear(&t->doc); /* what came over the old link ends with it */
    t->revealed = t->drawn = false;
    topo_repeat(b);
    if (t->t) topo_state_all(b, true);
}

/* ---- from the coordinator ------------------------------------------------------------------------------------------- */

static void want(struct brain *b) {
    if (b->topo->wanted) return;
    b->topo->wanted = up(b, LINK_ROLL, ROLL_WANT, (struct vl_span){ 0 });
}

static void document(struct brain *b) {
    struct topo *t = b->topo;
    struct vl_errmsg why = { "" };
    struct vl_span doc = vl_span(t->doc.p, t->doc.len);
    enum vl_err err = t->doc_kind == ROLL_CLOSE ? topo_close_apply(b, doc, &why) : topo_state_apply(b, doc, &why);
    if (err == VL_ENOMEM) out_of_memory(b);
    if (err == VL_OK) {
        if (t->doc_kind == ROLL_CLOSE)
            t->counters.closes++;
        else
            t->counters.states++;
        topo_begin(b, true);
    } else if (err != VL_ESTALE || t->t == NULL) {
        t->counters.refused_rolls++;
        note(b, err, b->coordinator, why.text[0] ? why.text : "what the coordinator says of an epoch does not follow");
    }
    vl_buf_clear(&t->doc);
    if (err && t->doc_kind == ROLL_CLOSE) want(b);
    topo_repeat(b);
}

/* Parts come in order on one stream: u32 of the whole, u32 of what came before. */
static void part(struct brain *b, uint8_t what, struct vl_reader r) {
    struct topo *t = b->topo;
    uint32_t total = unpack_u32_in(&r, 1, TOPO_DOC_MAX), before = vl_read_u32(&r);
    if (before == 0) {
        vl_buf_clear(&t->doc);
        t->doc_kind = what;
    }
    if (r.failed || t->doc_kind != what || before != t->doc.len || r.n > total - before || r.n == 0) {
        b->counters.messages_bad++;
        vl_buf_clear(&t->doc);
        return;
    }
    if (vl_buf_append(&t->doc, r.p, r.n)) {
        out_of_memory(b);
        return;
    }
    if (t->doc.len == total) document(b);
}

static void from_roll(struct brain *b, struct vl_span body) {
    struct topo *t = b->topo;
    struct vl_reader r = vl_reader(body.p, body.n);
    unsigned what = vl_read_u8(&r);
    if (what == ROLL_HEAD) {
        uint64_t epoch = vl_read_u64(&r);
        struct vl_hash digest = unpack_hash(&r);
        if (vl_reader_end(&r))
            b->counters.messages_bad++;
        else if (t->t == NULL || topology_epoch(t->t) != epoch || !vl_hash_eq(digest, t->digest))
            want(b);
    } else if (what == ROLL_CLOSE || what == ROLL_STATE) {
        part(b, (uint8_t)what, r);
    } else {
        b->counters.messages_bad++;
    }
}

static void from_draw(struct brain *b, struct vl_span cert) {
    struct topo *t = b->topo;
    struct topology_cert c;
    if (t->t == NULL) return;
    enum vl_err err = topology_check(t->t, cert, &c, NULL);
    if (err == VL_OK && vl_node_eq(c.node, b->self)) {
        if (c.epoch > topology_epoch(t->t)) t->drawn = true;
        return;
    }
    if (err == VL_OK && (c.role != TOPOLOGY_NEIGHBOUR || !topology_is_neighbour(t->t, &c, b->self))) err = VL_EDENIED;
    if (err) {
        t->counters.refused += err != VL_ERANGE; /* late or early is not false */
        return;
    }
    if (topo_draw_add(b, &c)) t->counters.checked++;
}

static void routed(struct brain *b, struct vl_span body) {
    struct vl_reader r = vl_reader(body.p, body.n);
    unsigned what = vl_read_u8(&r);
    if (what == DRAW_CERT) {
        from_draw(b, vl_span(r.p, r.n));
        return;
    }
    struct vl_node_id from = unpack_node(&r);
    struct vl_span rest = vl_span(r.p, r.n);
    if (r.failed || what < DRAW_ASK || what > DRAW_UNSENT)
        b->counters.messages_bad++;
    else if (what == DRAW_ASK)
        topo_asked(b, from, rest);
    else if (what == DRAW_ANSWER)
        topo_answered(b, from, rest);
    else if (what == DRAW_STATEMENT)
        topo_statement(b, from, rest);
    else
        topo_unsent(b, from, rest);
}

static void to_lead(struct brain *b, struct vl_node_id from, enum link_kind kind, struct vl_span body) {
    struct vl_reader r = vl_reader(body.p, body.n);
    unsigned what = vl_read_u8(&r);
    struct vl_span rest = vl_span(r.p, r.n);
    if (kind == LINK_ROLL && what == ROLL_WANT && rest.n == 0) {
        topo_lead_want(b, from);
    } else if (kind == LINK_REVEAL && what == REVEAL_KEY && rest.n == 33) {
        struct crypto_vrf_public vrf = { .suite = rest.p[0] };
        memcpy(vrf.key, rest.p + 1, 32);
        topo_lead_key(b, from, vrf);
    } else if (kind == LINK_REVEAL && what == REVEAL_VALUE) {
        topo_lead_reveal(b, from, rest);
    } else if (kind == LINK_DRAW && what == DRAW_CERT) {
        topo_lead_draw(b, from, rest);
    } else if (kind == LINK_DRAW) {
        topo_lead_route(b, from, body);
    } else {
        b->counters.messages_bad++;
    }
}

void topo_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body) {
    if (!link_is_star(b, p) || body.n == 0) {
        b->counters.messages_bad++;
    } else if (b->cfg.coordinator) {
        to_lead(b, p->node, kind, body);
    } else if (kind == LINK_ROLL) {
        from_roll(b, body);
    } else if (kind == LINK_REVEAL) {
        if (body.n == 9 && body.p[0] == REVEAL_TAKEN && b->topo->t)
            b->topo->revealed |= vl_get_u64(body.p + 1) == topology_epoch(b->topo->t);
        else
            b->counters.messages_bad++;
    } else {
        routed(b, body);
    }
}

bool topo_send_to(struct brain *b, struct vl_node_id to, enum topo_draw_kind what, struct vl_span bytes) {
    uint8_t head[33] = { (uint8_t)what };
    struct vl_buf buf;
    memcpy(head + 1, b->cfg.coordinator ? b->self.b : to.b, 32); /* the coordinator puts the sender's id where ours is the receiver's */
    if (!b->cfg.coordinator) return link_send(b, b->coordinator, LANE_MESSAGE, LINK_DRAW, vl_span(head, sizeof head), bytes);
    vl_buf_init(&buf, 65536);
    enum vl_err err = vl_buf_append(&buf, head, sizeof head);
    if (err == VL_OK) err = vl_buf_append(&buf, bytes.p, bytes.n);
    if (err == VL_OK) held_inside(b, OUT_SEND, to, LANE_MESSAGE, LINK_DRAW, vl_span(buf.p, buf.len)); /* behind the document of its epoch */
    vl_buf_free(&buf);
    return err == VL_OK;
}

/* ---- timers and views ----------------------------------------------------------------------------------------------- */

void topo_start(struct brain *b) {
    struct topo *t = b->topo;
    if (b->cfg.coordinator) {
        struct crypto_vrf_public vrf = { .suite = t->vrf.suite };
        memcpy(vrf.key, t->vrf.public, 32);
        topo_lead_key(b, b->self, vrf);
        vl_ms least = b->now + t->epoch_ms / 2; /* so long have members to come back */
        if (t->ends == VL_MS_NEVER || t->ends < least || t->ends > b->now + t->epoch_ms) t->ends = t->ends == VL_MS_NEVER ? b->now + t->epoch_ms : least;
    }
    topo_keep_start(b);
    if (t->t == NULL) return;
    if (t->began > b->now) t->began = b->now;
    topo_begin(b, false);
}

void topo_tick(struct brain *b) {
    struct topo *t = b->topo;
    if (b->cfg.coordinator) topo_lead_tick(b);
    if (t->again <= b->now) topo_repeat(b);
    topo_watch_tick(b);
}

vl_ms topo_deadline(const struct brain *b) {
    const struct topo *t = b->topo;
    if (!b->started) return VL_MS_NEVER;
    vl_ms at = vl_ms_min(t->again, topo_watch_deadline(b));
    return b->cfg.coordinator ? vl_ms_min(at, t->ends) : at;
}

void brain_topology(const struct brain *b, struct brain_topology *ret) {
    const struct topo *t = b->topo;
    *ret = (struct brain_topology){ .epoch_ms = t->epoch_ms, .counters = t->counters };
    ret->kept_bytes = t->keep.ready ? t->keep.promise.size : 0;
    if (t->t == NULL) return;
    ret->known = true;
    ret->epoch = topology_epoch(t->t);
    ret->seed = topology_seed(t->t);
    ret->began_ms = t->began;
    ret->members = topology_roll_size(t->t, ret->epoch, b->self, &ret->weight, &ret->total);
    ret->missed = topology_missed(t->t, b->self);
    size_t it = 0;
    for (const struct topo_draw *d; (d = vl_map_next(&t->draws, &it, NULL));) {
        if (!vl_node_eq(d->cert.node, b->self)) {
            ret->watched += d->watch != NULL && d->cert.epoch == ret->epoch;
            continue;
        }
        unsigned at = d->cert.epoch == ret->epoch ? 0 : d->cert.epoch == ret->epoch + 1 ? 1 : 2;
        if (at == 2) continue;
        ret->n[at] = d->n;
        memcpy(ret->neighbour[at], d->neighbour, sizeof ret->neighbour[at]);
    }
}

enum vl_err brain_neighbours_file(const struct brain *b, struct vl_buf *out) {
    const struct topo *t = b->topo;
    if (t->t == NULL) return VL_ENOTFOUND;
    uint64_t epoch = topology_epoch(t->t);
    const struct topo_draw *d = topo_draw_of(t, b->self, epoch);
    if (d == NULL) return VL_ENOTFOUND;
    return neighbours_artefact_make(t->t, topo_village(b), &d->cert, &t->seal[epoch % TOPO_LIVE], out);
}

enum vl_err brain_availability_file(const struct brain *b, struct vl_node_id node, struct vl_buf *out) {
    const struct topo *t = b->topo;
    struct vl_span statement[TOPOLOGY_NEIGHBOURS];
    uint32_t n = 0;
    if (t->t == NULL || topology_epoch(t->t) == 0) return VL_ENOTFOUND;
    uint64_t epoch = topology_epoch(t->t) - 1;
    const struct topo_draw *d = topo_draw_of(t, node, epoch);
    if (d == NULL) return VL_ENOTFOUND;
    for (uint32_t i = 0; i < d->n; i++)
        if (d->statement[i].len) statement[n++] = vl_span(d->statement[i].p, d->statement[i].len);
    return availability_artefact_make(t->t, topo_village(b), &d->cert, &t->seal[epoch % TOPO_LIVE], statement, n, out);
}
