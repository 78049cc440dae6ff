#include "trust/challenge.h"

#include "crypto/hash.h"

#define ANSWER_CONTEXT "village-answer-1:"
#define STATEMENT_CONTEXT "village-witness-1:"
enum { TAG_WATCH = 0xa2, TAG_STATEMENT = 0xa3, VERSION = 1 };

static struct vl_hash slot_number(const char tag[16], const uint8_t output[CRYPTO_VRF_OUTPUT], struct vl_node_id subject, unsigned slot) {
    const uint8_t which = (uint8_t)slot;
    struct crypto_blake2b h;
    struct vl_hash r;
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, tag, 16);
    crypto_blake2b_update(&h, output, CRYPTO_VRF_OUTPUT);
    crypto_blake2b_update(&h, subject.b, sizeof subject.b);
    crypto_blake2b_update(&h, &which, 1);
    crypto_blake2b_final(&h, &r);
    return r;
}

bool challenge_due(const uint8_t output[CRYPTO_VRF_OUTPUT], struct vl_node_id subject, unsigned slot) {
    struct vl_hash r = slot_number("village-chall-01", output, subject, slot);
    return topology_share(r.b, CHALLENGE_SLOTS) < CHALLENGE_MEAN;
}

struct vl_hash challenge_nonce(const uint8_t output[CRYPTO_VRF_OUTPUT], struct vl_node_id subject, unsigned slot) {
    return slot_number("village-nonce-01", output, subject, slot);
}

uint64_t challenge_chunk(const struct vl_hash *nonce, uint64_t size) { return topology_share(nonce->b, challenge_chunks(size)); }

/* ---- answers ------------------------------------------------------------------------------------------------------ */

#define ANSWER_BYTES (8u + 32u + 32u + 1u + 32u + 32u + 8u)
static struct vl_span answer_bytes(const struct challenge_ask *a, const struct challenge_promise *p, uint8_t dst[ANSWER_BYTES]) {
    struct vl_writer w = vl_writer(dst, ANSWER_BYTES);
    vl_write_u64(&w, a->epoch);
    vl_write_bytes(&w, a->witness.b, sizeof a->witness.b);
    vl_write_bytes(&w, a->subject.b, sizeof a->subject.b);
    vl_write_u8(&w, a->slot);
    vl_write_bytes(&w, a->nonce.b, sizeof a->nonce.b);
    vl_write_bytes(&w, p->root.b, sizeof p->root.b);
    vl_write_u64(&w, p->size);
    return vl_span(dst, w.len);
}

enum vl_err challenge_answer_sign(const struct crypto_sign_key *key, const struct challenge_ask *ask,
                                  const struct challenge_promise *promise, uint8_t ret[CRYPTO_SIGNATURE]) {
    uint8_t bytes[ANSWER_BYTES];
    return crypto_sign_message(key, ANSWER_CONTEXT, answer_bytes(ask, promise, bytes), ret);
}

enum vl_err challenge_answer_check(const struct challenge_ask *ask, const struct challenge_promise *promise,
                                   const uint8_t signature[CRYPTO_SIGNATURE]) {
    uint8_t bytes[ANSWER_BYTES];
    return crypto_verify_message(ask->subject.b, ANSWER_CONTEXT, answer_bytes(ask, promise, bytes), signature);
}

enum vl_err challenge_chunk_check(const struct challenge_promise *promise, const struct vl_hash *nonce, struct vl_span chunk,
                                  const struct vl_hash *path, uint32_t path_n) {
    uint64_t n = challenge_chunks(promise->size), at = challenge_chunk(nonce, promise->size);
    if (n == 0 || promise->size > CHALLENGE_KEEP_MAX) return VL_ERANGE;
    uint64_t want = at + 1 < n ? CHALLENGE_CHUNK : promise->size - at * CHALLENGE_CHUNK;
    if (chunk.n != want || path_n > MERKLE_PROOF_MAX) return VL_ERANGE;
    struct vl_hash leaf = merkle_leaf(chunk);
    return merkle_inclusion_check(at, n, &leaf, path, path_n, &promise->root);
}

/* ---- a witness's account ------------------------------------------------------------------------------------------- */

void challenge_watch_begin(struct challenge_watch *w, const struct topology_cert *own, struct vl_node_id subject) {
    *w = (struct challenge_watch){ .epoch = own->epoch, .witness = own->node, .subject = subject };
    memcpy(w->output, own->beta, sizeof w->output);
}

/* Late is what comes after the deadline, and no deadline is longer than what a statement may say. */
static bool late(const struct challenge_watch *w, vl_ms now, vl_ms deadline_ms) {
    return now >= vl_ms_add(w->asked_ms, deadline_ms < CHALLENGE_LATE_MS ? deadline_ms : CHALLENGE_LATE_MS);
}

bool challenge_watch_go(struct challenge_watch *w, vl_ms now, unsigned slot, vl_ms deadline_ms, struct challenge_ask *ret_ask) {
    if (w->asked_ms != 0 && late(w, now, deadline_ms)) {
        w->slot[w->asked].state = CHALLENGE_UNANSWERED;
        w->asked_ms = 0;
    }
    if (w->asked_ms != 0 || slot >= CHALLENGE_SLOTS || w->slot[slot].state != CHALLENGE_OPEN) return false;
    if (!challenge_due(w->output, w->subject, slot)) return false;
    w->asked = (uint8_t)slot;
    w->asked_ms = now > 0 ? now : 1;
    *ret_ask = (struct challenge_ask){ .epoch = w->epoch, .witness = w->witness, .subject = w->subject, .slot = (uint8_t)slot,
                                       .nonce = challenge_nonce(w->output, w->subject, slot) };
    return true;
}

static bool promise_eq(const struct challenge_promise *a, const struct challenge_promise *b) {
    return a->size == b->size && vl_hash_eq(a->root, b->root);
}

enum vl_err challenge_watch_answer(struct challenge_watch *w, vl_ms now, vl_ms deadline_ms, uint8_t slot,
                                   const struct challenge_promise *promise, const uint8_t signature[CRYPTO_SIGNATURE],
                                   struct vl_span chunk, const struct vl_hash *path, uint32_t path_n) {
    if (w->asked_ms == 0 || slot != w->asked || late(w, now, deadline_ms)) return VL_ESTALE;
    if (promise->size > CHALLENGE_KEEP_MAX) return VL_ERANGE;
    if (w->has_promise && !promise_eq(promise, &w->promise)) return VL_EDENIED;
    struct challenge_ask ask = { .epoch = w->epoch, .witness = w->witness, .subject = w->subject, .slot = slot,
                                 .nonce = challenge_nonce(w->output, w->subject, slot) };
    enum vl_err err = challenge_answer_check(&ask, promise, signature);
    if (err) return err;
    struct challenge_slot *s = &w->slot[slot];
    s->stored = promise->size > 0 && challenge_chunk_check(promise, &ask.nonce, chunk, path, path_n) == VL_OK;
    s->state = CHALLENGE_ANSWERED;
    s->latency_ms = now > w->asked_ms ? (uint32_t)(now - w->asked_ms) : 0;
    memcpy(s->signature, signature, CRYPTO_SIGNATURE);
    w->promise = *promise;
    w->has_promise = true;
    w->asked_ms = 0;
    return VL_OK;
}

void challenge_watch_unsent(struct challenge_watch *w, uint8_t slot) {
    if (w->asked_ms == 0 || slot != w->asked) return;
    w->slot[slot].state = CHALLENGE_NOT_ASKED;
    w->asked_ms = 0;
}

static void slots_pack(const struct challenge_watch *w, bool closed, struct pack *p) {
    for (unsigned i = 0; i < CHALLENGE_SLOTS; i++) {
        const struct challenge_slot *s = &w->slot[i];
        if (!challenge_due(w->output, w->subject, i)) continue;
        unsigned state = closed && s->state == CHALLENGE_OPEN ? CHALLENGE_NOT_ASKED : s->state;
        if (closed && w->asked_ms != 0 && w->asked == i) state = CHALLENGE_NOT_ASKED; /* its time was not over: nothing is known */
        pack_u8(p, (uint8_t)i);
        pack_u8(p, (uint8_t)state);
        if (state != CHALLENGE_ANSWERED) continue;
        pack_bool(p, s->stored);
        pack_u32(p, s->latency_ms);
        pack_bytes(p, s->signature, sizeof s->signature);
    }
}

/* The due slots, all of them and in order; those of an account that goes on may be open. */
static void slots_unpack(struct vl_reader *r, const uint8_t *output, struct vl_node_id subject, bool closed, struct challenge_slot *ret) {
    for (unsigned i = 0; i < CHALLENGE_SLOTS && !r->failed; i++) {
        ret[i] = (struct challenge_slot){ .state = CHALLENGE_OPEN };
        if (!challenge_due(output, subject, i)) continue;
        unpack_require(r, vl_read_u8(r) == i);
        ret[i].state = unpack_u8_in(r, closed ? CHALLENGE_ANSWERED : CHALLENGE_OPEN, CHALLENGE_NOT_ASKED);
        if (ret[i].state != CHALLENGE_ANSWERED) continue;
        ret[i].stored = unpack_bool(r);
        ret[i].latency_ms = unpack_u32_in(r, 0, CHALLENGE_LATE_MS - 1);
        vl_read_bytes(r, ret[i].signature, sizeof ret[i].signature);
    }
}

static void promise_pack(const struct challenge_promise *p, bool has, struct pack *w) {
    static const struct challenge_promise none;
    const struct challenge_promise *said = has ? p : &none;
    pack_bool(w, has);
    pack_bytes(w, said->root.b, sizeof said->root.b);
    pack_u64(w, said->size);
}

static bool promise_unpack(struct vl_reader *r, struct challenge_promise *ret) {
    bool has = unpack_bool(r);
    ret->root = unpack_hash(r);
    ret->size = unpack_u64_in(r, 0, has ? CHALLENGE_KEEP_MAX : 0);
    return has;
}

enum vl_err challenge_watch_save(const struct challenge_watch *w, struct vl_buf *dst) {
    struct pack p = pack_message(dst, TAG_WATCH, VERSION);
    pack_u64(&p, w->epoch);
    pack_bytes(&p, w->witness.b, sizeof w->witness.b);
    pack_bytes(&p, w->subject.b, sizeof w->subject.b);
    pack_bytes(&p, w->output, sizeof w->output);
    promise_pack(&w->promise, w->has_promise, &p);
    slots_pack(w, false, &p);
    return pack_end(&p);
}

enum vl_err challenge_watch_restore(struct vl_span in, struct challenge_watch *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_WATCH, VERSION);
    if (err) return err;
    *ret = (struct challenge_watch){ .epoch = vl_read_u64(&r) };
    ret->witness = unpack_node(&r);
    ret->subject = unpack_node(&r);
    vl_read_bytes(&r, ret->output, sizeof ret->output);
    ret->has_promise = promise_unpack(&r, &ret->promise);
    slots_unpack(&r, ret->output, ret->subject, false, ret->slot);
    return vl_reader_end(&r);
}

/* ---- statements ---------------------------------------------------------------------------------------------------- */

enum vl_err challenge_statement_make(const struct challenge_watch *w, const struct topology_cert *own, const struct crypto_sign_key *key,
                                     struct vl_buf *out) {
    uint8_t cert[TOPOLOGY_CERT_BYTES], signature[CRYPTO_SIGNATURE];
    struct vl_hash digest;
    size_t began = out->len;
    struct pack p = pack_message(out, TAG_STATEMENT, VERSION);
    topology_cert_encode(own, cert);
    pack_bytes(&p, w->subject.b, sizeof w->subject.b);
    pack_bytes(&p, cert, sizeof cert);
    promise_pack(&w->promise, w->has_promise, &p);
    slots_pack(w, true, &p);
    if (p.err == VL_OK) {
        crypto_blake2b256(vl_span(out->p + began, out->len - began), &digest);
        enum vl_err err = crypto_sign_message(key, STATEMENT_CONTEXT, vl_span(digest.b, sizeof digest.b), signature);
        if (err) pack_fail(&p, err);
        pack_bytes(&p, signature, sizeof signature);
    }
    return pack_end(&p);
}

#define SUBJECT_AT 2u                             /* behind tag and version */
#define WITNESS_AT (SUBJECT_AT + 32u + 1u + 2u + 8u) /* version, role and epoch of its certificate before it */
bool challenge_statement_names(struct vl_span in, struct vl_node_id *ret_subject, struct vl_node_id *ret_witness) {
    if (in.n < WITNESS_AT + sizeof ret_witness->b) return false;
    memcpy(ret_subject->b, in.p + SUBJECT_AT, sizeof ret_subject->b);
    memcpy(ret_witness->b, in.p + WITNESS_AT, sizeof ret_witness->b);
    return true;
}

static enum vl_err slots_count(const struct challenge_slot *slot, const struct challenge_ask *ask, const uint8_t *output, bool has_promise,
                               const struct challenge_promise *promise, struct challenge_count *ret) {
    for (unsigned i = 0; i < CHALLENGE_SLOTS; i++) {
        struct challenge_ask a = *ask;
        ret->due += slot[i].state != CHALLENGE_OPEN;
        ret->unanswered += slot[i].state == CHALLENGE_UNANSWERED;
        ret->not_asked += slot[i].state == CHALLENGE_NOT_ASKED;
        if (slot[i].state != CHALLENGE_ANSWERED) continue;
        a.slot = (uint8_t)i;
        a.nonce = challenge_nonce(output, ask->subject, i);
        if (!has_promise || (slot[i].stored && promise->size == 0)) return VL_EPARSE;
        if (challenge_answer_check(&a, promise, slot[i].signature)) return VL_ECRYPTO;
        ret->answered++;
        ret->stored += slot[i].stored;
        ret->latency_ms += slot[i].latency_ms;
    }
    return VL_OK;
}

enum vl_err challenge_statement_check(const struct topology *t, const struct topology_cert *subject, struct vl_span in,
                                      struct challenge_statement *ret, struct vl_errmsg *why) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct challenge_slot slot[CHALLENGE_SLOTS];
    struct challenge_statement s = { .count = { .due = 0 } };
    struct topology_cert own;
    struct vl_hash digest;
    enum vl_err err = unpack_message(&r, TAG_STATEMENT, VERSION);
    if (err) return vl_errmsg_set(why, err, "a statement of a witness is of no known version");
    struct vl_node_id about = unpack_node(&r);
    struct vl_span cert = vl_read_span(&r, TOPOLOGY_CERT_BYTES);
    bool has = promise_unpack(&r, &s.promise);
    if (r.failed) return vl_errmsg_set(why, VL_EPARSE, "a statement of a witness is cut off");
    if (!vl_node_eq(about, subject->node)) return vl_errmsg_set(why, VL_EDENIED, "a statement is about another node");
    err = topology_check(t, cert, &own, why);
    if (err) return err;
    if (own.role != TOPOLOGY_CHALLENGE || own.epoch != subject->epoch)
        return vl_errmsg_set(why, VL_EDENIED, "a witness shows a draw for something else than challenges of that epoch");
    if (!topology_is_neighbour(t, subject, own.node)) return vl_errmsg_set(why, VL_EDENIED, "a statement is by a node that was not drawn as witness");
    s.witness = own.node;
    slots_unpack(&r, own.beta, about, true, slot);
    struct vl_span body = vl_span(in.p, in.n - r.n), signature = vl_read_span(&r, CRYPTO_SIGNATURE);
    if (vl_reader_end(&r)) return vl_errmsg_set(why, VL_EPARSE, "the slots of a statement are not those that were due");
    crypto_blake2b256(body, &digest);
    err = crypto_verify_message(own.node.b, STATEMENT_CONTEXT, vl_span(digest.b, sizeof digest.b), signature.p);
    if (err) return vl_errmsg_set(why, err, "a statement is not signed by its witness");
    struct challenge_ask ask = { .epoch = own.epoch, .witness = own.node, .subject = about };
    err = slots_count(slot, &ask, own.beta, has, &s.promise, &s.count);
    if (err) return vl_errmsg_set(why, err, "an answer in a statement is not signed by the node");
    *ret = s;
    return VL_OK;
}
