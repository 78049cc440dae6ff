/* Challenges of availability (trust/challenge.h): as witness of those who drew us, as the node that is asked, and with the statements
 * that come of it. */
#include "brain/topo_priv.h"

#include "crypto/random.h"

#include <stdlib.h>

#define DEADLINE_MIN_MS 250u
#define DEADLINE_MAX_MS CHALLENGE_LATE_MS
#define CHUNK_PATH_MAX 20u /* of CHALLENGE_KEEP_MAX */

/* A sixteenth of an epoch, so that an answer is decided long before the next challenge is likely. */
static vl_ms deadline_of(const struct topo *t) {
    vl_ms d = t->epoch_ms / 16;
    return d < DEADLINE_MIN_MS ? DEADLINE_MIN_MS : d > DEADLINE_MAX_MS ? DEADLINE_MAX_MS : d;
}
static vl_ms slot_ms(const struct topo *t) { return t->epoch_ms / CHALLENGE_SLOTS; }

static bool own_cert(const struct brain *b, uint64_t epoch, struct topology_cert *ret) {
    return topology_draw(b->topo->t, b->self, &b->topo->vrf, epoch, TOPOLOGY_CHALLENGE, ret) == VL_OK;
}

void topo_watch_begin(struct brain *b, struct topo_draw *d) {
    struct topology_cert own;
    if (d->watch || d->cert.epoch != topology_epoch(b->topo->t) || topo_place(d, b->self) < 0 || !own_cert(b, d->cert.epoch, &own)) return;
    d->watch = malloc(sizeof *d->watch);
    if (d->watch) challenge_watch_begin(d->watch, &own, d->cert.node);
    crypto_wipe(&own, sizeof own);
}

void topo_watch_save(struct brain *b, const struct topo_draw *d) {
    struct vl_buf buf;
    vl_buf_init(&buf, 8192);
    if (challenge_watch_save(d->watch, &buf))
        out_of_memory(b);
    else
        topo_row(b, d->cert.node, ROW_WATCH + d->cert.epoch % TOPO_LIVE, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static void ask_send(struct brain *b, const struct challenge_ask *a) {
    uint8_t body[TOPO_ASK_BYTES];
    struct vl_writer w = vl_writer(body, sizeof body);
    vl_write_u64(&w, a->epoch);
    vl_write_u8(&w, a->slot);
    vl_write_bytes(&w, a->nonce.b, 32);
    (void)topo_send_to(b, a->subject, DRAW_ASK, vl_span(body, sizeof body)); /* no link: unanswered, as for a node that is off */
    b->topo->counters.asked++;
}

/* A witness that cannot reach anybody asks nobody: nothing of the node is known then. */
static bool connected(const struct brain *b) {
    const struct peer *p = b->cfg.coordinator ? NULL : link_peer(b, b->coordinator);
    return b->cfg.coordinator ? !topo_lead_settling(b) : p != NULL && p->attached;
}

void topo_watch_lost(struct brain *b) {
    size_t it = 0;
    for (struct topo_draw *d; (d = vl_map_next(&b->topo->draws, &it, NULL));)
        if (d->watch) challenge_watch_unsent(d->watch, d->watch->asked);
}

void topo_unsent(struct brain *b, struct vl_node_id subject, struct vl_span bytes) {
    struct topo *t = b->topo;
    if (bytes.n != TOPO_ASK_BYTES) {
        b->counters.messages_bad++;
        return;
    }
    struct topo_draw *d = t->t ? topo_draw_of(t, subject, vl_get_u64(bytes.p)) : NULL;
    if (d && d->watch) challenge_watch_unsent(d->watch, bytes.p[8]);
}

void topo_watch_tick(struct brain *b) {
    struct topo *t = b->topo;
    if (t->t == NULL || b->now < t->slot_at) return;
    vl_ms len = slot_ms(t), deadline = deadline_of(t), next = VL_MS_NEVER;
    if (!connected(b)) topo_watch_lost(b);
    uint64_t slot = len ? (b->now - t->began) / len : CHALLENGE_SLOTS;
    size_t it = 0;
    for (struct topo_draw *d; (d = vl_map_next(&t->draws, &it, NULL));) {
        struct challenge_ask ask;
        if (d->watch == NULL || d->cert.epoch != topology_epoch(t->t)) continue;
        bool waits = d->watch->asked_ms != 0;
        bool go = challenge_watch_go(d->watch, b->now, slot < CHALLENGE_SLOTS && connected(b) ? (unsigned)slot : CHALLENGE_SLOTS, deadline, &ask);
        if (go) ask_send(b, &ask);
        if (waits && (d->watch->asked_ms == 0 || go)) { /* it was silent: to the disk */
            t->counters.unanswered++;
            topo_watch_save(b, d);
        }
        if (d->watch->asked_ms != 0) next = vl_ms_min(next, d->watch->asked_ms + deadline);
    }
    if (slot < CHALLENGE_SLOTS) next = vl_ms_min(next, t->began + (slot + 1) * len);
    t->slot_at = next;
}

vl_ms topo_watch_deadline(const struct brain *b) { return b->topo->t ? b->topo->slot_at : VL_MS_NEVER; }

/* ---- asked, and answered ---------------------------------------------------------------------------------------------- */

void topo_asked(struct brain *b, struct vl_node_id from, struct vl_span bytes) {
    struct topo *t = b->topo;
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    struct challenge_ask ask = { .epoch = vl_read_u64(&r), .witness = from, .subject = b->self };
    ask.slot = unpack_u8_in(&r, 0, CHALLENGE_SLOTS - 1);
    ask.nonce = unpack_hash(&r);
    if (vl_reader_end(&r)) {
        b->counters.messages_bad++;
        return;
    }
    const struct topo_draw *d = t->t ? topo_draw_of(t, b->self, topology_epoch(t->t)) : NULL;
    if (d == NULL || ask.epoch != d->cert.epoch || topo_place(d, from) < 0) {
        t->counters.refused++;
        return;
    }
    if (!topo_keep_ask(b, &ask)) topo_answer(b, &ask, (struct vl_span){ 0 }, NULL, 0);
}

void topo_answer(struct brain *b, const struct challenge_ask *ask, struct vl_span chunk, const struct vl_hash *path, uint32_t path_n) {
    static const struct challenge_promise nothing;
    const struct topo_keep *k = &b->topo->keep;
    const struct challenge_promise *promise = k->has ? &k->promise : &nothing; /* also while it is read again after a start */
    uint8_t signature[CRYPTO_SIGNATURE];
    struct vl_buf buf;
    if (challenge_answer_sign(&b->key, ask, promise, signature)) return;
    vl_buf_init(&buf, TOPO_ANSWER_MAX);
    struct pack w = pack_begin(&buf);
    pack_u64(&w, ask->epoch);
    pack_u8(&w, ask->slot);
    pack_bytes(&w, promise->root.b, 32);
    pack_u64(&w, promise->size);
    pack_bytes(&w, signature, sizeof signature);
    pack_span16(&w, chunk);
    pack_u8(&w, (uint8_t)path_n);
    for (uint32_t i = 0; i < path_n; i++) pack_bytes(&w, path[i].b, 32);
    if (pack_end(&w) == VL_OK) {
        (void)topo_send_to(b, ask->witness, DRAW_ANSWER, vl_span(buf.p, buf.len));
        b->topo->counters.answers++;
    }
    vl_buf_free(&buf);
}

void topo_answered(struct brain *b, struct vl_node_id from, struct vl_span bytes) {
    struct topo *t = b->topo;
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    struct challenge_promise promise;
    struct vl_hash path[CHUNK_PATH_MAX];
    uint8_t signature[CRYPTO_SIGNATURE];
    uint64_t epoch = vl_read_u64(&r);
    uint8_t slot = unpack_u8_in(&r, 0, CHALLENGE_SLOTS - 1);
    promise.root = unpack_hash(&r);
    promise.size = unpack_u64_in(&r, 0, CHALLENGE_KEEP_MAX);
    vl_read_bytes(&r, signature, sizeof signature);
    struct vl_span chunk = unpack_span16(&r, CHALLENGE_CHUNK);
    uint32_t n = unpack_u8_in(&r, 0, CHUNK_PATH_MAX);
    for (uint32_t i = 0; i < n; i++) path[i] = unpack_hash(&r);
    if (vl_reader_end(&r)) {
        b->counters.messages_bad++;
        return;
    }
    struct topo_draw *d = t->t && epoch == topology_epoch(t->t) ? topo_draw_of(t, from, epoch) : NULL;
    if (d == NULL || d->watch == NULL) return;
    enum vl_err err = challenge_watch_answer(d->watch, b->now, deadline_of(t), slot, &promise, signature, chunk, path, n);
    if (err) {
        t->counters.refused += err != VL_ESTALE;
        return;
    }
    t->counters.answered++;
    topo_watch_save(b, d);
}

/* ---- statements ------------------------------------------------------------------------------------------------------- */

/* One that came, or our own: kept when it is right and the first of its witness. */
void topo_statement(struct brain *b, struct vl_node_id from, struct vl_span bytes) {
    struct topo *t = b->topo;
    struct challenge_statement s;
    struct vl_node_id subject, witness;
    (void)from; /* the witness has signed it, whoever brings it */
    if (t->t == NULL || topology_epoch(t->t) == 0 || !challenge_statement_names(bytes, &subject, &witness)) return;
    struct topo_draw *d = topo_draw_of(t, subject, topology_epoch(t->t) - 1);
    if (d == NULL) return;
    int at = topo_place(d, witness);
    if (at >= 0 && d->statement[at].len) return; /* said already: before the work of checking it again */
    if (at < 0 || challenge_statement_check(t->t, &d->cert, bytes, &s, NULL)) {
        t->counters.refused++;
        return;
    }
    if (vl_buf_append(&d->statement[at], bytes.p, bytes.n)) return;
    t->counters.statements++;
    topo_row(b, subject, ROW_STATEMENT + 8 * (d->cert.epoch % TOPO_LIVE) + (unsigned)at, bytes);
    if (b->cfg.coordinator) topo_count_add(b, subject, d->cert.epoch, &s.count);
    if (!b->cfg.coordinator || vl_node_eq(subject, b->self)) return;
    struct vl_buf buf;
    vl_buf_init(&buf, CHALLENGE_STATEMENT_MAX + 64);
    uint8_t head[33] = { DRAW_STATEMENT };
    memcpy(head + 1, s.witness.b, 32);
    if (vl_buf_append(&buf, head, sizeof head) == VL_OK && vl_buf_append(&buf, bytes.p, bytes.n) == VL_OK)
        held_inside(b, OUT_SEND, subject, LANE_MESSAGE, LINK_DRAW, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static void state_one(struct brain *b, struct topo_draw *d) {
    struct topology_cert own;
    struct vl_buf buf;
    if (!own_cert(b, d->cert.epoch, &own)) return;
    vl_buf_init(&buf, CHALLENGE_STATEMENT_MAX);
    if (challenge_statement_make(d->watch, &own, &b->key, &buf) == VL_OK) {
        if (b->cfg.coordinator)
            topo_statement(b, b->self, vl_span(buf.p, buf.len));
        else
            (void)topo_send_to(b, d->cert.node, DRAW_STATEMENT, vl_span(buf.p, buf.len));
        d->stated = true;
    }
    vl_buf_free(&buf);
}

void topo_state_all(struct brain *b, bool again) {
    struct topo *t = b->topo;
    size_t it = 0;
    for (struct topo_draw *d; (d = vl_map_next(&t->draws, &it, NULL));)
        if (d->watch && d->cert.epoch + 1 == topology_epoch(t->t) && (again || !d->stated)) state_one(b, d);
}
