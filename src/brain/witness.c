/* Witnesses of the log of receipts: members that cosign its heads, each only what follows from all it saw before (C2SP tlog-witness).
 *
 *   coordinator                     member
 *   HEAD size, proof  ----------->  against the head it saw last; that it saw this one is durable before it says so
 *                     <-----------  COSIGNATURE: signed; or the size it is at, for a proof from there; or refused: a fork
 *
 * Rows of ITEM_WITNESS: SEEN at a witness; ASKED and BEST at the coordinator; and on every member the hash of its last receipt, which
 * the next one names.  A fork that a witness saw is kept as a view. */
#include "brain/priv.h"

#include "base/text.h"
#include "crypto/cosign.h"
#include "crypto/hash.h"
#include "trust/merkle_log.h"
#include "wire/pack.h"
#include "wire/witness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_SEEN = 0, ROW_ASKED = 1, ROW_BEST = 2, ROW_RECEIPT = 3 };
#define ROUND_MS 5000u    /* between two heads that are shown: what is cosigned is at most this old */
#define SOON_MS 1000u     /* a burst of receipts is one head */
#define AGAIN_MS 60000u   /* to a witness that did not answer */
#define AHEAD_MS 120000u  /* how far the coordinator's clock may be ahead of a witness's */
#define KEEP_MS 60000u    /* how long a head with more witnesses is preferred to a newer one with fewer */
#define ASKED_MAX 16u     /* witnesses asked for one head */
enum { TAG_SEEN = 0x97, SEEN_VERSION = 1 };

struct signed_head {
    struct merkle_checkpoint head;
    char text[MERKLE_CHECKPOINT_MAX];
    uint32_t n;
    struct cosignature by[ASKED_MAX];
};
struct known { /* coordinator: what a witness is at */
    uint64_t size;
    uint64_t asked_size;
    vl_ms asked_at;
};
struct witness {
    struct signed_head asked, best; /* coordinator */
    struct vl_map known;
    vl_ms round_at, last_at;
    struct merkle_checkpoint seen; /* member; size 0: none */
    bool fork;
    struct vl_hash last_receipt;
};

static const uint8_t no_key[32];

enum vl_err witness_create(struct brain *b) {
    b->witness = calloc(1, sizeof *b->witness);
    if (b->witness == NULL) return VL_ENOMEM;
    b->witness->round_at = VL_MS_NEVER;
    vl_map_init(&b->witness->known, sizeof(struct vl_node_id), VL_NODES_MAX, vl_get_u64(b->cfg.seed + 8));
    return VL_OK;
}

void witness_destroy(struct brain *b) {
    if (b->witness == NULL) return;
    size_t it = 0;
    for (struct known *k; (k = vl_map_next(&b->witness->known, &it, NULL));) free(k);
    vl_map_free(&b->witness->known);
    free(b->witness);
}

/* ---- receipts name the one before ----------------------------------------------------------------------------------- */

struct vl_hash witness_last_receipt(const struct brain *b) { return b->witness->last_receipt; }

void witness_receipt_signed(struct brain *b, const struct receipt *r) {
    struct vl_buf buf;
    vl_buf_init(&buf, RECEIPT_BYTES_MAX);
    if (receipt_encode(r, &buf)) {
        out_of_memory(b);
    } else {
        crypto_blake2b256(vl_span(buf.p, buf.len), &b->witness->last_receipt);
        item_put(b, ITEM_WITNESS, no_key, ROW_RECEIPT, vl_span(b->witness->last_receipt.b, 32));
    }
    vl_buf_free(&buf);
}

/* ---- heads ------------------------------------------------------------------------------------------------------------ */

static void origin_of(const struct brain *b, char ret[MERKLE_ORIGIN_MAX]) {
    char village[33];
    uint8_t id[16];
    brain_village_id(b, id);
    vl_hex_encode(id, sizeof id, village);
    snprintf(ret, MERKLE_ORIGIN_MAX, "village.%s/receipts", village);
}

static enum vl_err head_sign(struct brain *b, struct signed_head *ret) {
    struct signed_head h = { .head = { .size = b->receipts->size, .root = merkle_log_root(b->receipts), .time_ms = b->now } };
    origin_of(b, h.head.origin);
    enum vl_err err = merkle_checkpoint_sign(&h.head, &b->key, h.text);
    if (err == VL_OK) *ret = h;
    return err;
}

static enum vl_err note_write(const struct signed_head *h, struct vl_buf *out) {
    char line[COSIGN_LINE];
    enum vl_err err = vl_buf_append(out, h->text, strlen(h->text));
    for (uint32_t i = 0; err == VL_OK && i < h->n; i++) {
        cosign_line(&h->by[i], line);
        err = vl_buf_append(out, line, strlen(line));
    }
    return err;
}

static void head_put(struct brain *b, const struct signed_head *h, uint64_t row) {
    struct vl_buf buf;
    vl_buf_init(&buf, COSIGN_NOTE_MAX);
    if (note_write(h, &buf))
        out_of_memory(b);
    else
        item_put(b, ITEM_WITNESS, no_key, row, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static enum vl_err head_restore(struct brain *b, struct vl_span text, struct signed_head *ret) {
    struct cosign_note *note = malloc(sizeof *note);
    enum vl_err err = note != NULL ? cosign_open(text, b->self.b, note) : VL_ENOMEM;
    if (err == VL_OK && (note->n > ASKED_MAX || note->plain.n >= sizeof ret->text)) err = VL_ECORRUPT;
    if (err == VL_OK) {
        *ret = (struct signed_head){ .head = note->head, .n = note->n };
        memcpy(ret->text, note->plain.p, note->plain.n);
        memcpy(ret->by, note->by, note->n * sizeof note->by[0]);
    }
    free(note);
    return err == VL_ENOMEM ? err : err ? VL_ECORRUPT : VL_OK;
}

static enum vl_err seen_restore(struct brain *b, struct vl_span bytes) {
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    enum vl_err err = unpack_message(&r, TAG_SEEN, SEEN_VERSION);
    if (err) return err;
    struct merkle_checkpoint c = { .size = unpack_u64_in(&r, 1, MERKLE_SIZE_MAX) };
    c.root = unpack_hash(&r);
    c.time_ms = vl_read_u64(&r);
    bool fork = unpack_bool(&r);
    err = vl_reader_end(&r);
    if (err) return VL_ECORRUPT;
    b->witness->seen = c;
    b->witness->fork = fork;
    return VL_OK;
}

enum vl_err witness_restore(struct brain *b, const struct record *r) {
    switch (r->number) {
    case ROW_SEEN: return seen_restore(b, r->bytes);
    case ROW_ASKED: return b->cfg.coordinator ? head_restore(b, r->bytes, &b->witness->asked) : VL_ECORRUPT;
    case ROW_BEST: return b->cfg.coordinator ? head_restore(b, r->bytes, &b->witness->best) : VL_ECORRUPT;
    case ROW_RECEIPT:
        if (r->bytes.n != 32) return VL_ECORRUPT;
        memcpy(b->witness->last_receipt.b, r->bytes.p, 32);
        return VL_OK;
    default: return VL_ECORRUPT;
    }
}

/* ---- the coordinator ---------------------------------------------------------------------------------------------------- */

static struct known *known_of(struct brain *b, struct vl_node_id node) {
    struct known *k = vl_map_get(&b->witness->known, node.b);
    if (k != NULL) return k;
    k = calloc(1, sizeof *k);
    if (k == NULL || vl_map_put(&b->witness->known, node.b, k)) {
        free(k);
        return NULL;
    }
    return k;
}

static bool cosigned_by(const struct signed_head *h, struct vl_node_id node) {
    for (uint32_t i = 0; i < h->n; i++)
        if (vl_node_eq(h->by[i].by, node)) return true;
    return false;
}

static void head_send(struct brain *b, struct vl_node_id to, uint64_t from, const struct vl_hash *proof, uint32_t n) {
    struct witness_head m = { .old_size = from, .n = n, .text = vl_span_str(b->witness->asked.text) };
    struct vl_buf buf;
    if (n > 0) memcpy(m.proof, proof, n * sizeof *proof);
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    if (witness_head_encode(&m, &buf) == VL_OK) vl_ignore(message_send(b, to, MIX_OFF, MSG_HEAD, ENVELOPE_LOW, vl_span(buf.p, buf.len), NULL));
    vl_buf_free(&buf);
}

/* The proof is made of tiles that lie in the store: the shell reads them, after the commit of all that the head covers. */
static void ask(struct brain *b, struct vl_node_id node, struct known *k) {
    struct witness *w = b->witness;
    k->asked_size = w->asked.head.size;
    k->asked_at = b->now;
    if (k->size == 0 || k->size > w->asked.head.size) {
        head_send(b, node, 0, NULL, 0);
        return;
    }
    struct brain_effect *e = effect_held(b, BRAIN_LOG_PROVE, (struct vl_span){ 0 }, NULL);
    e->node = node;
    e->offset = k->size;
    e->length = w->asked.head.size;
}

void brain_log_proved(struct brain *b, vl_ms now, struct vl_node_id node, uint64_t first, uint64_t second, enum vl_err err, const struct vl_hash *proof,
                      uint32_t n) {
    step_begin(b, now);
    struct known *k = vl_map_get(&b->witness->known, node.b);
    if (err == VL_OK && k != NULL && k->size == first && b->witness->asked.head.size == second && n <= WITNESS_PROOF_MAX)
        head_send(b, node, first, proof, n);
    else if (k != NULL)
        k->asked_size = 0; /* a tile is still on its way to the disk: at the next round */
    step_end(b);
}

bool brain_log_node(const struct brain *b, unsigned height, uint64_t index, struct vl_hash *ret) {
    return b->receipts != NULL && merkle_log_node(b->receipts, height, index, ret);
}

/* Those that have a link and have not cosigned the head yet. */
static void ask_all(struct brain *b) {
    struct witness *w = b->witness;
    size_t it = 0;
    uint32_t asked = w->asked.n;
    for (struct peer *p; asked < ASKED_MAX && (p = vl_map_next(&b->by_session, &it, NULL));) {
        if (p->guest || !p->attached || vl_node_eq(p->node, b->self) || cosigned_by(&w->asked, p->node)) continue;
        struct known *k = known_of(b, p->node);
        if (k == NULL) return;
        asked++;
        if (k->asked_size == w->asked.head.size && b->now - k->asked_at < AGAIN_MS) continue;
        ask(b, p->node, k);
    }
}

void witness_log_grew(struct brain *b) {
    struct witness *w = b->witness;
    vl_ms quiet = w->last_at ? vl_ms_add(w->last_at, ROUND_MS) : 0, soon = vl_ms_add(b->now, SOON_MS);
    if (w->round_at == VL_MS_NEVER) w->round_at = quiet > soon ? quiet : soon;
}

/* A member came: it may be the first that can cosign. */
void witness_peer_up(struct brain *b) {
    if (b->cfg.coordinator && b->receipts->size > 0 && b->witness->round_at == VL_MS_NEVER) b->witness->round_at = vl_ms_add(b->now, SOON_MS);
}

vl_ms witness_deadline(const struct brain *b) { return b->witness->round_at; }

void witness_tick(struct brain *b) {
    struct witness *w = b->witness;
    if (w->round_at > b->now) return;
    w->round_at = VL_MS_NEVER;
    w->last_at = b->now;
    size_t it = 0;
    bool anybody = false;
    for (struct peer *p; !anybody && (p = vl_map_next(&b->by_session, &it, NULL));) anybody = !p->guest && p->attached;
    if (!anybody) return; /* witness_peer_up() */
    if (b->receipts->size > w->asked.head.size) {
        if (head_sign(b, &w->asked)) return;
        head_put(b, &w->asked, ROW_ASKED);
    }
    ask_all(b);
    if (w->asked.n == 0 || b->receipts->size > w->asked.head.size) w->round_at = vl_ms_add(b->now, ROUND_MS);
}

/* The head with more witnesses is shown, unless it is old. */
static void promote(struct brain *b) {
    struct witness *w = b->witness;
    if (w->asked.n == 0 || (w->best.n > w->asked.n && w->asked.head.time_ms < vl_ms_add(w->best.head.time_ms, KEEP_MS))) return;
    w->best = w->asked;
    head_put(b, &w->best, ROW_BEST);
}

static void cosigned(struct brain *b, struct vl_node_id from, const struct witness_answer *m, struct known *k) {
    struct witness *w = b->witness;
    struct vl_span body;
    struct cosignature c = { .by = from, .time_s = m->time_s };
    if (m->size != w->asked.head.size || cosigned_by(&w->asked, from) || w->asked.n == ASKED_MAX) return; /* late, or twice */
    memcpy(c.signature, m->signature, sizeof c.signature);
    if (cosign_body(vl_span_str(w->asked.text), &body) || cosign_check(body, &c)) {
        b->counters.messages_bad++;
        return;
    }
    k->size = m->size;
    w->asked.by[w->asked.n++] = c;
    b->counters.cosigned++;
    head_put(b, &w->asked, ROW_ASKED);
    promote(b);
}

void coordinator_cosignature(struct brain *b, struct vl_node_id from, struct vl_span bytes) {
    struct witness_answer m;
    struct known *k = known_of(b, from);
    if (k == NULL) return;
    if (witness_answer_decode(bytes, &m)) {
        b->counters.messages_bad++;
        return;
    }
    switch (m.what) {
    case WITNESS_SIGNED:
        cosigned(b, from, &m, k);
        return;
    case WITNESS_AHEAD:
        if (m.size == k->size && k->asked_at != 0 && b->now - k->asked_at < AGAIN_MS) return; /* the proof is on its way */
        if (m.size > b->receipts->size) { /* it saw more of our log than we have: this store was set back */
            b->counters.witness_refused++;
            note(b, VL_ECORRUPT, from, "a witness has seen a longer log of receipts than there is: was an old copy of the data folder put back?");
            return;
        }
        k->size = m.size;
        if (b->witness->asked.head.size >= m.size && m.size > 0 && !cosigned_by(&b->witness->asked, from)) ask(b, from, k);
        return;
    case WITNESS_REFUSED:
        b->counters.witness_refused++;
        note(b, VL_ECRYPTO, from, "a witness refuses the head of the log of receipts: it contradicts one that it saw before");
        return;
    }
}

/* ---- a witness ---------------------------------------------------------------------------------------------------------- */

static void answer(struct brain *b, enum witness_answer_kind what, uint64_t size, const struct cosignature *c) {
    struct witness_answer m = { .what = what, .size = size };
    struct vl_buf buf;
    if (c != NULL) {
        m.time_s = c->time_s;
        memcpy(m.signature, c->signature, sizeof m.signature);
    }
    vl_buf_init(&buf, 128);
    if (witness_answer_encode(&m, &buf) == VL_OK)
        vl_ignore(message_send(b, b->coordinator, MIX_OFF, MSG_COSIGNATURE, ENVELOPE_LOW, vl_span(buf.p, buf.len), NULL));
    vl_buf_free(&buf);
}

static void seen_put(struct brain *b) {
    const struct witness *w = b->witness;
    struct vl_buf buf;
    vl_buf_init(&buf, 64);
    struct pack p = pack_message(&buf, TAG_SEEN, SEEN_VERSION);
    pack_u64(&p, w->seen.size);
    pack_bytes(&p, w->seen.root.b, 32);
    pack_u64(&p, w->seen.time_ms);
    pack_bool(&p, w->fork);
    if (pack_end(&p))
        out_of_memory(b);
    else
        item_put(b, ITEM_WITNESS, no_key, ROW_SEEN, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

/* What it shows now is kept: with what this member cosigned before, it is what others need to see the fork. */
static void forked(struct brain *b, struct vl_span text) {
    b->witness->fork = true;
    b->counters.witness_forks++;
    item_put(b, ITEM_FORK, no_key, b->now, text);
    seen_put(b);
    note(b, VL_ECRYPTO, b->coordinator, "the coordinator shows a log of receipts that contradicts the one it showed before: not cosigned, and kept");
    answer(b, WITNESS_REFUSED, b->witness->seen.size, NULL);
}

void witness_head(struct brain *b, struct vl_span bytes) {
    struct witness *w = b->witness;
    struct witness_head m;
    struct merkle_checkpoint head;
    struct cosignature c;
    struct vl_span body;
    char origin[MERKLE_ORIGIN_MAX];
    origin_of(b, origin);
    if (b->cfg.coordinator || !b->member || witness_head_decode(bytes, &m) || merkle_checkpoint_open(m.text, b->coordinator.b, &head) ||
        strcmp(head.origin, origin) != 0 || head.size == 0 || head.time_ms > vl_ms_add(b->now, AHEAD_MS)) {
        b->counters.messages_bad++;
        return;
    }
    if (head.size < w->seen.size && head.time_ms <= w->seen.time_ms) return; /* an old one, overtaken on its way */
    if (head.size < w->seen.size || (head.size == w->seen.size && !vl_hash_eq(head.root, w->seen.root))) {
        forked(b, m.text); /* shorter and yet signed later, or another of the same size */
        return;
    }
    if (head.size > w->seen.size && w->seen.size > 0) {
        if (m.old_size != w->seen.size) {
            answer(b, WITNESS_AHEAD, w->seen.size, NULL);
            return;
        }
        if (merkle_consistency_check(w->seen.size, head.size, &w->seen.root, &head.root, m.proof, m.n)) {
            forked(b, m.text);
            return;
        }
    }
    if (cosign_body(m.text, &body) || cosign_make(body, &b->key, b->now / 1000, &c)) return;
    w->seen = head;
    seen_put(b);
    b->counters.cosigned++;
    answer(b, WITNESS_SIGNED, head.size, &c);
}

/* ---- what a proof of execution is made of --------------------------------------------------------------------------------- */

static const struct cert *cert_of(const struct brain *b, struct vl_node_id node) {
    const struct member_record *m = membership_get(b->membership, node);
    return m != NULL ? &m->cert : NULL;
}

static enum vl_err cert_pack(struct pack *w, const struct cert *c) {
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = 0;
    enum vl_err err = cert_encode(c, raw, sizeof raw, &n);
    if (err == VL_OK) pack_span16(w, vl_span(raw, n));
    return err;
}

enum { TAG_PARTS = 0x94, PARTS_VERSION = 1 };

static enum vl_err parts_write(struct brain *b, struct vl_node_id worker, const struct signed_head *h, struct vl_buf *out) {
    const struct cert *w = cert_of(b, worker), *own = cert_of(b, b->self);
    struct vl_buf note;
    struct signed_head known = *h; /* only witnesses whose certificates there are */
    if (w == NULL || own == NULL) return VL_ENOTFOUND;
    known.n = 0;
    for (uint32_t i = 0; i < h->n; i++)
        if (cert_of(b, h->by[i].by) != NULL) known.by[known.n++] = h->by[i];
    vl_buf_init(&note, COSIGN_NOTE_MAX);
    enum vl_err err = note_write(&known, &note);
    struct pack p = pack_message(out, TAG_PARTS, PARTS_VERSION);
    pack_span16(&p, vl_span(note.p, note.len));
    if (err == VL_OK) err = cert_pack(&p, w);
    if (err == VL_OK) err = cert_pack(&p, own);
    pack_u8(&p, (uint8_t)known.n);
    for (uint32_t i = 0; err == VL_OK && i < known.n; i++) err = cert_pack(&p, cert_of(b, known.by[i].by));
    vl_buf_free(&note);
    enum vl_err packed = pack_end(&p);
    return err ? err : packed;
}

void brain_proof_parts(struct brain *b, vl_ms now, uint64_t token, uint64_t index, struct vl_node_id worker) {
    struct signed_head fresh;
    struct vl_buf buf;
    const char *why = NULL;
    step_begin(b, now);
    vl_buf_init(&buf, 65536);
    const struct signed_head *h = NULL;
    enum vl_err err = b->receipts ? VL_OK : VL_EUNSUPPORTED;
    if (err) why = "the coordinator keeps the log of receipts: ask there";
    bool leaf = index != BRAIN_PROOF_NO_LEAF;
    if (err == VL_OK && leaf && index >= b->receipts->size) err = VL_ENOTFOUND;
    if (err == VL_OK && leaf && b->witness->best.head.size > index && b->witness->best.n > 0)
        h = &b->witness->best;
    else if (err == VL_OK && leaf && b->witness->asked.head.size > index)
        h = &b->witness->asked;
    else if (err == VL_OK && (err = head_sign(b, &fresh)) == VL_OK)
        h = &fresh;
    if (h != NULL && (err = parts_write(b, worker, h, &buf)) == VL_ENOTFOUND)
        why = "the village holds no certificate of that node any more: it was expelled, or left long ago";
    reply(b, token, err, why, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
    step_end(b);
}

enum vl_err brain_proof_parts_open(struct vl_span in, struct brain_proof_parts *ret) {
    struct brain_proof_parts p = { .witnesses = 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_PARTS, PARTS_VERSION);
    if (err) return err;
    p.note = unpack_span16(&r, COSIGN_NOTE_MAX);
    p.worker = unpack_span16(&r, CERT_BYTES_MAX);
    p.coordinator = unpack_span16(&r, CERT_BYTES_MAX);
    p.witnesses = unpack_u8_in(&r, 0, ASKED_MAX);
    for (uint32_t i = 0; i < p.witnesses; i++) p.witness[i] = unpack_span16(&r, CERT_BYTES_MAX);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = p;
    return err;
}

void brain_witness_view(const struct brain *b, struct brain_witness_view *ret) {
    const struct witness *w = b->witness;
    *ret = (struct brain_witness_view){ .seen_size = w->seen.size,
                                        .fork = w->fork,
                                        .best_size = w->best.head.size,
                                        .best_witnesses = w->best.n,
                                        .best_time_ms = w->best.head.time_ms,
                                        .asked_size = w->asked.head.size,
                                        .asked_witnesses = w->asked.n };
}
