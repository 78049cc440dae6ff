/* The coordinator's part of an epoch: it takes keys and reveals, closes the epoch for everybody with one document, passes certificates to
 * the neighbours they draw, and challenges and answers between members that have no link of their own.  All that it decides is when an
 * epoch ends, which reveals came in time, and the weights. */
#include "brain/topo_priv.h"

#include "crypto/hash.h"
#include "trust/membership.h"

#include <stdlib.h>

/* Weights: a newcomer counts a thousandth of who has earned full trust, so that many fresh keys are worth little.  The factor leaves
 * room for halving before nothing is left. */
#define WEIGHT_UNIT 1024u

enum { TAG_CLOSE = 0xa6, TAG_STATE_DOC = 0xa7, DOC_VERSION = 1 };
enum { CHANGE_LEAVE = 0, CHANGE_MEMBER = 1 };

enum vl_err topo_lead_create(struct brain *b) {
    struct village_id village = topo_village(b);
    struct vl_hash id;
    crypto_blake2b256(vl_span(village.b, sizeof village.b), &id);
    b->topo->t = topology_create(TOPOLOGY_FILE_MEMBERS, &id, b->now / b->topo->epoch_ms);
    return b->topo->t ? VL_OK : VL_ENOMEM;
}

#define SETTLE_MAX_MS 60000u /* twice the longest pause before a member dials again */
bool topo_lead_settling(const struct brain *b) {
    vl_ms quarter = b->topo->epoch_ms / 4;
    return b->now < b->started_ms + (quarter < SETTLE_MAX_MS ? quarter : SETTLE_MAX_MS);
}

/* ---- what members say ------------------------------------------------------------------------------------------------ */

/* What a member may make us do in an epoch has an end. */
static bool allowed(struct topo_key *k) {
    if (k->passed >= TOPO_KEPT) return false;
    k->passed++;
    return true;
}

void topo_lead_key(struct brain *b, struct vl_node_id node, struct crypto_vrf_public vrf) {
    struct topo *t = b->topo;
    struct topo_key *k = vl_map_get(&t->keys, node.b);
    if (vrf.suite != CRYPTO_VRF_TAI && vrf.suite != CRYPTO_VRF_ELL2) {
        b->counters.messages_bad++;
        return;
    }
    if (k && k->vrf.suite == vrf.suite && memcmp(k->vrf.key, vrf.key, 32) == 0) return;
    if (k && !allowed(k)) return; /* each change is a row */
    if (k == NULL) {
        k = calloc(1, sizeof *k);
        if (k == NULL || vl_map_put(&t->keys, node.b, k)) { /* a village of more members: the others draw without it */
            free(k);
            return;
        }
        memcpy(k->node, node.b, 32);
    }
    k->vrf = vrf;
    if (!b->started) return;
    uint8_t row[33] = { vrf.suite };
    memcpy(row + 1, vrf.key, 32);
    topo_row(b, node, ROW_KEY, vl_span(row, sizeof row));
}

static void taken(struct brain *b, struct vl_node_id node) {
    uint8_t body[9] = { REVEAL_TAKEN };
    vl_put_u64(body + 1, topology_epoch(b->topo->t));
    if (vl_node_eq(node, b->self))
        b->topo->revealed = true;
    else
        held_inside(b, OUT_SEND, node, LANE_MESSAGE, LINK_REVEAL, vl_span(body, sizeof body));
}

static struct vl_node_id node_in(struct vl_span cert) {
    struct vl_node_id node = { { 0 } };
    if (cert.n == TOPOLOGY_CERT_BYTES) memcpy(node.b, cert.p + 11, sizeof node.b); /* version, role, epoch before it */
    return node;
}

void topo_lead_reveal(struct brain *b, struct vl_node_id from, struct vl_span cert) {
    struct topo *t = b->topo;
    if (!vl_node_eq(node_in(cert), from)) {
        t->counters.refused++;
        return;
    }
    if (topology_has_revealed(t->t, from)) { /* its acknowledgement was lost */
        taken(b, from);
        return;
    }
    uint8_t *kept = malloc(TOPOLOGY_CERT_BYTES);
    enum vl_err err = kept ? topology_reveal(t->t, cert) : VL_ENOMEM;
    if (err) {
        free(kept);
        t->counters.refused += err != VL_ESTALE && err != VL_ERANGE; /* late is not false */
        return;
    }
    memcpy(kept, cert.p, TOPOLOGY_CERT_BYTES);
    free(vl_map_del(&t->reveals, from.b));
    if (vl_map_put(&t->reveals, from.b, kept)) {
        free(kept);
        out_of_memory(b);
        return;
    }
    t->counters.reveals++;
    topo_row(b, from, ROW_REVEAL, cert);
    taken(b, from);
}

static void draw_send(struct brain *b, struct vl_node_id to, const struct topology_cert *c) {
    uint8_t body[1 + TOPOLOGY_CERT_BYTES] = { DRAW_CERT };
    topology_cert_encode(c, body + 1);
    if (!vl_node_eq(to, b->self)) held_inside(b, OUT_SEND, to, LANE_MESSAGE, LINK_DRAW, vl_span(body, sizeof body));
}

void topo_lead_draw(struct brain *b, struct vl_node_id from, struct vl_span cert) {
    struct topo *t = b->topo;
    struct topology_cert c;
    struct topo_key *k = vl_map_get(&t->keys, from.b);
    if (!vl_node_eq(node_in(cert), from)) {
        t->counters.refused++;
        return;
    }
    if (k == NULL || !allowed(k)) return; /* it is checked, and goes to eight others */
    enum vl_err err = topology_check(t->t, cert, &c, NULL);
    if (err == VL_OK && c.role != TOPOLOGY_NEIGHBOUR) err = VL_EDENIED;
    if (err || c.epoch < topology_epoch(t->t)) {
        t->counters.refused += err != VL_OK && err != VL_ERANGE;
        return;
    }
    struct topo_draw *d = topo_draw_of(t, from, c.epoch);
    if (d == NULL) {
        d = topo_draw_add(b, &c);
        if (d == NULL) return;
        t->counters.checked++;
    } else if (vl_node_eq(from, b->self) && t->drawn) {
        return;
    }
    if (vl_node_eq(from, b->self) && c.epoch > topology_epoch(t->t)) t->drawn = true;
    for (uint32_t i = 0; i < d->n; i++) draw_send(b, d->neighbour[i], &c);
    draw_send(b, from, &c);
}

/* Challenges, answers and statements between two members: only between a node and the neighbours it drew. */
void topo_lead_route(struct brain *b, struct vl_node_id from, struct vl_span message) {
    struct topo *t = b->topo;
    struct topo_key *k = vl_map_get(&t->keys, from.b);
    struct vl_reader r = vl_reader(message.p, message.n);
    unsigned what = vl_read_u8(&r);
    struct vl_node_id to = unpack_node(&r);
    struct vl_span rest = vl_span(r.p, r.n);
    if (r.failed || what < DRAW_ASK || what > DRAW_STATEMENT || k == NULL) {
        b->counters.messages_bad++;
        return;
    }
    if (!allowed(k)) return;
    if (what == DRAW_ASK ? rest.n != TOPO_ASK_BYTES : rest.n > TOPO_ANSWER_MAX) { /* a statement is not longer, either */
        b->counters.messages_bad++;
        return;
    }
    if (what == DRAW_STATEMENT) {
        topo_statement(b, from, rest);
        return;
    }
    const struct topo_draw *d = topo_draw_of(t, what == DRAW_ASK ? to : from, topology_epoch(t->t));
    if (d == NULL || topo_place(d, what == DRAW_ASK ? from : to) < 0) {
        t->counters.refused++;
        return;
    }
    if (vl_node_eq(to, b->self)) {
        if (what == DRAW_ASK)
            topo_asked(b, from, rest);
        else
            topo_answered(b, from, rest);
        return;
    }
    uint8_t head[33] = { (uint8_t)what };
    memcpy(head + 1, from.b, 32);
    if (what == DRAW_ASK && link_peer(b, to) == NULL && topo_lead_settling(b)) {
        uint8_t of[33] = { DRAW_UNSENT };
        memcpy(of + 1, to.b, 32);
        (void)link_send(b, from, LANE_MESSAGE, LINK_DRAW, vl_span(of, sizeof of), rest);
        return;
    }
    (void)link_send(b, to, LANE_MESSAGE, LINK_DRAW, vl_span(head, sizeof head), rest);
}

/* ---- documents ------------------------------------------------------------------------------------------------------- */

/* In parts, after the commit; to: NULL for everybody. */
static void doc_send(struct brain *b, enum topo_roll what, struct vl_span doc, const struct vl_node_id *to) {
    struct vl_buf buf;
    vl_buf_init(&buf, TOPO_PART + 16);
    for (size_t at = 0; at < doc.n; at += TOPO_PART) {
        uint8_t head[9] = { (uint8_t)what };
        size_t n = doc.n - at < TOPO_PART ? doc.n - at : TOPO_PART;
        vl_put_u32(head + 1, (uint32_t)doc.n);
        vl_put_u32(head + 5, (uint32_t)at);
        vl_buf_clear(&buf);
        if (vl_buf_append(&buf, head, sizeof head) || vl_buf_append(&buf, doc.p + at, n)) {
            out_of_memory(b);
            break;
        }
        held_inside(b, to ? OUT_SEND : OUT_BROADCAST, to ? *to : b->self, LANE_MESSAGE, LINK_ROLL, vl_span(buf.p, buf.len));
    }
    vl_buf_free(&buf);
}

static void digest_now(struct topo *t, struct vl_hash *ret, enum vl_err *err) {
    struct vl_buf buf;
    vl_buf_init(&buf, TOPO_DOC_MAX);
    *err = topology_save(t->t, &buf);
    if (*err == VL_OK) crypto_blake2b256(vl_span(buf.p, buf.len), ret);
    vl_buf_free(&buf);
}

static uint32_t weight_of(struct brain *b, struct vl_node_id node) { return (1 + standing_of(b, node).trust_milli) * WEIGHT_UNIT; }

static void change(struct pack *w, uint32_t *n, unsigned op, const uint8_t node[32], const struct crypto_vrf_public *vrf, uint32_t weight) {
    static const struct crypto_vrf_public none;
    const struct crypto_vrf_public *v = vrf ? vrf : &none;
    pack_u8(w, (uint8_t)op);
    pack_bytes(w, node, 32);
    pack_u8(w, v->suite);
    pack_bytes(w, v->key, 32);
    pack_u32(w, weight);
    ++*n;
}

/* Members, keys and weights as they are now, in the book and in the document. */
static enum vl_err changes(struct brain *b, struct pack *w, uint32_t *n) {
    struct topo *t = b->topo;
    struct vl_node_id gone;
    size_t it = 0;
    for (struct topo_key *k; (k = vl_map_next(&t->keys, &it, NULL));) { /* first those who left */
        memcpy(gone.b, k->node, 32);
        if (membership_get(b->membership, gone)) continue;
        free(vl_map_del(&t->keys, gone.b));
        it--;
        topo_row(b, gone, ROW_KEY, (struct vl_span){ 0 });
        if (topology_leave(t->t, gone) == VL_OK) change(w, n, CHANGE_LEAVE, gone.b, NULL, 0);
    }
    it = 0;
    for (struct topo_key *k; (k = vl_map_next(&t->keys, &it, NULL));) {
        struct vl_node_id node;
        struct crypto_vrf_public vrf;
        uint32_t weight;
        memcpy(node.b, k->node, 32);
        k->passed = k->wants = 0;
        uint32_t now = weight_of(b, node);
        if (topology_book(t->t, node, &vrf, &weight) && weight == now && vrf.suite == k->vrf.suite && memcmp(vrf.key, k->vrf.key, 32) == 0) continue;
        enum vl_err err = topology_member(t->t, node, &k->vrf, now);
        if (err) return err;
        change(w, n, CHANGE_MEMBER, node.b, &k->vrf, now);
    }
    return VL_OK;
}

static void reveals_forget(struct brain *b) {
    struct topo *t = b->topo;
    size_t it = 0;
    const void *at;
    while (vl_map_next(&t->reveals, &it, &at)) {
        struct vl_node_id node;
        memcpy(node.b, at, 32);
        free(vl_map_del(&t->reveals, node.b));
        it--;
        topo_row(b, node, ROW_REVEAL, (struct vl_span){ 0 });
    }
}

static void close_epoch(struct brain *b) {
    struct topo *t = b->topo;
    struct vl_buf doc;
    uint64_t epoch = topology_epoch(t->t);
    uint32_t n = 0;
    size_t it = 0;
    vl_buf_init(&doc, TOPO_DOC_MAX);
    struct pack w = pack_message(&doc, TAG_CLOSE, DOC_VERSION);
    pack_u64(&w, t->epoch_ms);
    pack_u64(&w, epoch);
    pack_u32(&w, (uint32_t)t->reveals.len);
    for (const uint8_t *cert; (cert = vl_map_next(&t->reveals, &it, NULL));) pack_bytes(&w, cert, TOPOLOGY_CERT_BYTES);
    size_t count_at = doc.len;
    pack_u32(&w, 0);
    enum vl_err err = changes(b, &w, &n);
    if (err == VL_OK && w.err == VL_OK) vl_put_u32(doc.p + count_at, n);
    if (err == VL_OK) err = topology_advance(t->t, epoch + 1);
    if (err == VL_OK) digest_now(t, &t->digest, &err);
    struct topology_seal *seal = &t->seal[(epoch + 1) % TOPO_LIVE];
    if (err == VL_OK) err = topology_seal_make(t->t, epoch + 1, topo_village(b), &b->key, vl_span(b->certificate, b->certificate_n), seal);
    pack_bytes(&w, t->digest.b, sizeof t->digest.b);
    topology_seal_pack(seal, &w);
    enum vl_err end = pack_end(&w);
    if (err || end) { /* half of it is in the book: begin again from the store */
        out_of_memory(b);
    } else {
        t->ends = b->now + t->epoch_ms;
        reveals_forget(b);
        t->counters.closes++;
        doc_send(b, ROLL_CLOSE, vl_span(doc.p, doc.len), NULL); /* before anything that is said in the new epoch */
        topo_begin(b, true);
    }
    vl_buf_free(&doc);
}

void topo_lead_tick(struct brain *b) {
    struct topo *t = b->topo;
    if (b->now < t->ends) return;
    if (b->now - t->ends > t->epoch_ms / 4)
        t->ends = b->now + t->epoch_ms / 2; /* it was us who slept: members get their time */
    else
        close_epoch(b);
}

void topo_lead_want(struct brain *b, struct vl_node_id from) {
    struct topo *t = b->topo;
    struct topo_key *k = vl_map_get(&t->keys, from.b);
    struct vl_buf doc;
    if (k == NULL || k->wants >= TOPO_WANTS) return;
    k->wants++;
    vl_buf_init(&doc, TOPO_DOC_MAX);
    struct pack w = pack_message(&doc, TAG_STATE_DOC, DOC_VERSION);
    pack_u64(&w, t->epoch_ms);
    pack_bytes(&w, t->digest.b, sizeof t->digest.b);
    for (unsigned i = 0; i < TOPO_LIVE; i++) topology_seal_pack(&t->seal[i], &w);
    enum vl_err err = pack_end(&w);
    if (err == VL_OK) err = topology_save(t->t, &doc);
    if (err)
        out_of_memory(b);
    else
        doc_send(b, ROLL_STATE, vl_span(doc.p, doc.len), &from);
    vl_buf_free(&doc);
}

void topo_lead_peer(struct brain *b, struct vl_node_id node) {
    struct topo *t = b->topo;
    uint8_t head[41] = { ROLL_HEAD };
    vl_put_u64(head + 1, topology_epoch(t->t));
    memcpy(head + 9, t->digest.b, 32);
    held_inside(b, OUT_SEND, node, LANE_MESSAGE, LINK_ROLL, vl_span(head, sizeof head));
    size_t it = 0;
    for (const struct topo_draw *d; (d = vl_map_next(&t->draws, &it, NULL));) {
        if (d->cert.epoch >= topology_epoch(t->t) && topo_place(d, node) >= 0) draw_send(b, node, &d->cert);
        if (d->cert.epoch + 1 != topology_epoch(t->t) || !vl_node_eq(d->cert.node, node)) continue;
        for (uint32_t i = 0; i < d->n; i++)
            if (d->statement[i].len)
                (void)topo_send_to(b, node, DRAW_STATEMENT, vl_span(d->statement[i].p, d->statement[i].len));
    }
}

/* ---- the same, read by a member -------------------------------------------------------------------------------------- */

static enum vl_err reveals_apply(struct brain *b, struct vl_reader *r, uint32_t n, struct vl_errmsg *why) {
    struct topo *t = b->topo;
    bool ours = false;
    for (uint32_t i = 0; i < n; i++) {
        struct vl_span cert = vl_read_span(r, TOPOLOGY_CERT_BYTES);
        if (r->failed) return VL_EPARSE;
        enum vl_err err = topology_reveal(t->t, cert);
        if (err && err != VL_EEXISTS) return vl_errmsg_set(why, err, "a reveal that the coordinator counts is false");
        ours |= vl_node_eq(node_in(cert), b->self);
    }
    if (t->revealed && !ours && topology_roll_size(t->t, topology_epoch(t->t), b->self, NULL, NULL) > 0) {
        struct topology_cert c;
        if (topology_draw(t->t, b->self, &t->vrf, topology_epoch(t->t), TOPOLOGY_BEACON, &c)) return VL_OK;
        t->counters.left_out++;
        note(b, VL_EDENIED, b->coordinator, "the coordinator took our reveal and left it out of the seed");
    }
    return VL_OK;
}

static enum vl_err changes_apply(struct brain *b, struct vl_reader *r, struct vl_errmsg *why) {
    uint32_t n = unpack_u32_in(r, 0, 2 * TOPOLOGY_FILE_MEMBERS);
    enum vl_err err = VL_OK;
    for (uint32_t i = 0; i < n && err == VL_OK; i++) {
        struct crypto_vrf_public vrf;
        unsigned op = unpack_u8_in(r, CHANGE_LEAVE, CHANGE_MEMBER);
        struct vl_node_id node = unpack_node(r);
        vrf.suite = vl_read_u8(r);
        vl_read_bytes(r, vrf.key, sizeof vrf.key);
        uint32_t weight = vl_read_u32(r);
        if (r->failed) return VL_EPARSE;
        err = op == CHANGE_MEMBER ? topology_member(b->topo->t, node, &vrf, weight) : topology_leave(b->topo->t, node);
    }
    return err ? vl_errmsg_set(why, err, "the members that the coordinator names do not fit the book") : VL_OK;
}

/* The state must be the coordinator's to the bit, and sealed by it. */
static enum vl_err agree(struct brain *b, const struct vl_hash *digest, const struct topology_seal *seal, bool whole, struct vl_errmsg *why) {
    struct topo *t = b->topo;
    struct vl_hash own;
    struct vl_node_id signer;
    enum vl_err err = VL_OK;
    if (whole) digest_now(t, &own, &err);
    if (err) return err;
    if (whole && !vl_hash_eq(own, *digest)) {
        t->counters.disagreed++;
        return vl_errmsg_set(why, VL_EDENIED, "the book of draws differs from the coordinator's");
    }
    err = topology_seal_check(t->t, topology_epoch(t->t), topo_village(b), seal, &signer, why);
    if (err == VL_OK && !vl_node_eq(signer, b->coordinator)) err = vl_errmsg_set(why, VL_EDENIED, "the roll is sealed by another node than the coordinator");
    return err;
}

enum vl_err topo_close_apply(struct brain *b, struct vl_span doc, struct vl_errmsg *why) {
    struct topo *t = b->topo;
    struct vl_reader r = vl_reader(doc.p, doc.n);
    struct topology_seal seal;
    if (t->t == NULL) return VL_ESTALE;
    enum vl_err err = unpack_message(&r, TAG_CLOSE, DOC_VERSION);
    if (err) return err;
    vl_ms epoch_ms = unpack_u64_in(&r, BRAIN_EPOCH_MIN_MS, UINT32_MAX);
    uint64_t epoch = vl_read_u64(&r);
    uint32_t n = unpack_u32_in(&r, 0, TOPOLOGY_FILE_MEMBERS);
    if (r.failed) return VL_EPARSE;
    if (epoch != topology_epoch(t->t)) return VL_ESTALE;
    err = reveals_apply(b, &r, n, why);
    if (err == VL_OK) err = changes_apply(b, &r, why);
    struct vl_hash digest = unpack_hash(&r);
    topology_seal_unpack(&r, &seal);
    if (err == VL_OK) err = vl_reader_end(&r);
    if (err == VL_OK) err = topology_advance(t->t, epoch + 1);
    if (err == VL_OK) err = agree(b, &digest, &seal, true, why);
    if (err) { /* half of it is in the book */
        topology_destroy(t->t);
        t->t = NULL;
        return err;
    }
    t->digest = digest;
    t->epoch_ms = epoch_ms;
    t->seal[(epoch + 1) % TOPO_LIVE] = seal;
    return VL_OK;
}

enum vl_err topo_state_apply(struct brain *b, struct vl_span doc, struct vl_errmsg *why) {
    struct topo *t = b->topo;
    struct vl_reader r = vl_reader(doc.p, doc.n);
    struct topology_seal seal[TOPO_LIVE];
    struct topology *fresh, *old = t->t;
    enum vl_err err = unpack_message(&r, TAG_STATE_DOC, DOC_VERSION);
    if (err) return err;
    vl_ms epoch_ms = unpack_u64_in(&r, BRAIN_EPOCH_MIN_MS, UINT32_MAX);
    struct vl_hash digest = unpack_hash(&r);
    for (unsigned i = 0; i < TOPO_LIVE; i++) topology_seal_unpack(&r, &seal[i]);
    if (r.failed) return VL_EPARSE;
    err = topology_restore(vl_span(r.p, r.n), TOPOLOGY_FILE_MEMBERS, &fresh);
    if (err) return err;
    t->t = fresh;
    const struct topology_seal *now = &seal[topology_epoch(fresh) % TOPO_LIVE];
    /* before the first close there is nothing to seal: every roll is empty */
    if (now->cert_n > 0 || topology_roll_size(fresh, topology_epoch(fresh), b->self, NULL, NULL) > 0) err = agree(b, &digest, now, false, why);
    if (err) {
        t->t = old;
        topology_destroy(fresh);
        return err;
    }
    topology_destroy(old);
    t->digest = digest;
    t->epoch_ms = epoch_ms;
    memcpy(t->seal, seal, sizeof seal);
    return VL_OK;
}
