#include "trust/proof_log.h"

#include "crypto/node_id.h"
#include "trust/proof_execution.h"
#include "trust/roster.h"
#include "wire/pack.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TAG_CONSISTENCY = 0x91, TAG_CONTRADICTION = 0x92, PROOF_VERSION = 1 };

/* ---- bytes ---------------------------------------------------------------------------------------------------------- */

static bool consistency_ok(const struct proof_consistency *p) {
    return p->older.n > 0 && p->older.n <= COSIGN_NOTE_MAX && p->newer.n > 0 && p->newer.n <= COSIGN_NOTE_MAX &&
           p->coordinator.n <= CERT_BYTES_MAX && p->n <= PROOF_CONSISTENCY_HASHES;
}

enum vl_err proof_consistency_encode(const struct proof_consistency *p, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_CONSISTENCY, PROOF_VERSION);
    if (!consistency_ok(p)) {
        pack_fail(&w, VL_ERANGE);
        return pack_end(&w);
    }
    pack_span16(&w, p->older);
    pack_span16(&w, p->newer);
    pack_u8(&w, (uint8_t)p->n);
    for (uint32_t i = 0; i < p->n; i++) pack_bytes(&w, p->proof[i].b, 32);
    pack_span16(&w, p->coordinator);
    return pack_end(&w);
}

enum vl_err proof_consistency_decode(struct vl_span in, struct proof_consistency *ret) {
    struct proof_consistency p = { .n = 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_CONSISTENCY, PROOF_VERSION);
    if (err) return err;
    p.older = unpack_span16(&r, COSIGN_NOTE_MAX);
    p.newer = unpack_span16(&r, COSIGN_NOTE_MAX);
    p.n = unpack_u8_in(&r, 0, PROOF_CONSISTENCY_HASHES);
    for (uint32_t i = 0; i < p.n; i++) p.proof[i] = unpack_hash(&r);
    p.coordinator = unpack_span16(&r, CERT_BYTES_MAX);
    unpack_require(&r, r.failed || consistency_ok(&p));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = p;
    return err;
}

static bool contradiction_ok(const struct proof_contradiction *p) {
    size_t max = p->what == PROOF_TWO_RECEIPTS ? RECEIPT_BYTES_MAX : COSIGN_NOTE_MAX;
    return (p->what == PROOF_TWO_RECEIPTS || p->what == PROOF_TWO_HEADS) && p->first.n > 0 && p->first.n <= max && p->second.n > 0 &&
           p->second.n <= max && p->signer.n <= CERT_BYTES_MAX;
}

enum vl_err proof_contradiction_encode(const struct proof_contradiction *p, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_CONTRADICTION, PROOF_VERSION);
    if (!contradiction_ok(p)) {
        pack_fail(&w, VL_ERANGE);
        return pack_end(&w);
    }
    pack_u8(&w, (uint8_t)p->what);
    pack_span16(&w, p->first);
    pack_span16(&w, p->second);
    pack_span16(&w, p->signer);
    return pack_end(&w);
}

enum vl_err proof_contradiction_decode(struct vl_span in, struct proof_contradiction *ret) {
    struct proof_contradiction p;
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_CONTRADICTION, PROOF_VERSION);
    if (err) return err;
    p.what = (enum proof_contradiction_of)unpack_u8_in(&r, PROOF_TWO_RECEIPTS, PROOF_TWO_HEADS);
    p.first = unpack_span16(&r, COSIGN_NOTE_MAX);
    p.second = unpack_span16(&r, COSIGN_NOTE_MAX);
    p.signer = unpack_span16(&r, CERT_BYTES_MAX);
    unpack_require(&r, r.failed || contradiction_ok(&p));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = p;
    return err;
}

/* ---- heads ---------------------------------------------------------------------------------------------------------- */

static void head_facts(struct verdict *v, const struct cosign_note *note) {
    char node[NODE_ID_TEXT];
    verdict_fact(v, "log", "%s", note->head.origin);
    verdict_fact(v, "log_size", "%" PRIu64, note->head.size);
    verdict_fact_hash(v, "log_root", note->head.root);
    verdict_fact(v, "log_time_ms", "%" PRIu64, note->head.time_ms);
    for (uint32_t i = 0; i < note->n; i++) {
        node_id_format(note->by[i].by, node);
        verdict_fact(v, "witness", "%s", node);
    }
}

static bool note_open(struct verdict *v, struct vl_span text, struct vl_node_id signer, const char *which, struct cosign_note *ret) {
    enum vl_err err = cosign_open(text, signer.b, ret);
    if (err == VL_ECRYPTO) return verdict_refuse(v, "%s carries a signature that is wrong, or is another key's", which);
    if (err) return verdict_refuse(v, "%s is malformed", which);
    return true;
}

static bool coordinator_of(struct verdict *v, const struct verify_query *q, struct vl_span bytes, struct cert *cert, char origin[MERKLE_ORIGIN_MAX]) {
    char village[33];
    if (!proof_cert(v, "the coordinator", bytes, NULL, cert) || !proof_village(v, q, cert->root, village)) return false;
    if (!(cert->roles & CERT_COORDINATOR)) return verdict_refuse(v, "who signed the heads is a member of the village, but not its coordinator");
    snprintf(origin, MERKLE_ORIGIN_MAX, "village.%s/receipts", village);
    return true;
}

static bool head_in_time(struct verdict *v, const struct verify_query *q, const struct cert *cert, const char *origin, const struct cosign_note *n) {
    if (strcmp(n->head.origin, origin) != 0) return verdict_refuse(v, "a head is of another log than the receipts of this village");
    if (n->head.time_ms >= cert->expires_ms) return verdict_refuse(v, "the coordinator's certificate had expired when it signed a head");
    if (n->head.time_ms > vl_ms_add(q->at_ms, VERIFY_SKEW_MS)) return verdict_refuse(v, "a head is later than the time of judging");
    return true;
}

void proof_consistency_verify(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct proof_consistency p;
    struct cosign_note older, newer;
    struct cert cert;
    char origin[MERKLE_ORIGIN_MAX], when[VERDICT_TIME];
    enum vl_err err = proof_consistency_decode(bytes, &p);
    if (err) {
        verdict_refuse(v, err == VL_EVERSION ? "it is of a newer version of village" : "it is malformed");
        return;
    }
    if (!coordinator_of(v, q, p.coordinator, &cert, origin) || !note_open(v, p.older, cert.node, "the older head", &older) ||
        !note_open(v, p.newer, cert.node, "the newer head", &newer) || !head_in_time(v, q, &cert, origin, &older) ||
        !head_in_time(v, q, &cert, origin, &newer))
        return;
    verdict_fact(v, "older_size", "%" PRIu64, older.head.size);
    verdict_fact_hash(v, "older_root", older.head.root);
    head_facts(v, &newer);
    if (newer.n < q->witnesses) {
        verdict_refuse(v, "%" PRIu32 " witnesses saw the newer head, and %" PRIu32 " are wanted", newer.n, q->witnesses);
        return;
    }
    if (merkle_consistency_check(older.head.size, newer.head.size, &older.head.root, &newer.head.root, p.proof, p.n)) {
        verdict_refuse(v, "the newer head does not follow from the older one by this proof");
        return;
    }
    verdict_time(newer.head.time_ms, when);
    verdict_proves(v, "The log of %" PRIu64 " receipts is that of %" PRIu64 " with others added behind: none was taken out, changed or put between.",
                   newer.head.size, older.head.size);
    verdict_as_of(v, "The newer head, of %s.", when);
    verdict_not(v, "That everybody is shown these heads: for that, compare them with what others have, or ask for witnesses.");
    verdict_yes(v);
}

bool proof_checkpoint_is(struct vl_span bytes) {
    struct vl_span body;
    return bytes.n > 8 && memcmp(bytes.p, "village.", 8) == 0 && cosign_body(bytes, &body) == VL_OK;
}

void proof_checkpoint_verify(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct cosign_note note;
    char when[VERDICT_TIME], node[NODE_ID_TEXT];
    if (!q->has_signer) {
        verdict_refuse(v, "a bare head does not say whose key is right: give the coordinator's node id with --key");
        return;
    }
    if (!note_open(v, bytes, q->signer, "the head", &note)) return;
    head_facts(v, &note);
    if (note.head.time_ms > vl_ms_add(q->at_ms, VERIFY_SKEW_MS)) {
        verdict_refuse(v, "the head is later than the time of judging");
        return;
    }
    if (note.n < q->witnesses) {
        verdict_refuse(v, "%" PRIu32 " witnesses saw this head, and %" PRIu32 " are wanted", note.n, q->witnesses);
        return;
    }
    node_id_format(q->signer, node);
    verdict_time(note.head.time_ms, when);
    verdict_proves(v, "%s signed that its log %s had %" PRIu64 " leaves with this root.", node, note.head.origin, note.head.size);
    if (note.n > 0) verdict_proves(v, "%" PRIu32 " keys signed as witnesses that they saw it, and no log that contradicts it before.", note.n);
    verdict_whom(v, "To whoever knows that this key is the log's.");
    verdict_as_of(v, "%s, by the signer's clock.", when);
    verdict_not(v, "That the witnesses are members of the village: a bare head carries no certificates.");
    verdict_not(v, "What the leaves are.");
    verdict_yes(v);
}

/* ---- contradictions --------------------------------------------------------------------------------------------------- */

enum vl_err proof_receipt_open(struct vl_span bytes, struct receipt *ret) {
    struct vl_buf body;
    if (receipt_decode(bytes, ret)) return VL_EPARSE;
    vl_buf_init(&body, RECEIPT_BYTES_MAX);
    enum vl_err err = receipt_body_encode(ret, &body);
    if (err == VL_OK) err = crypto_verify_message(ret->node.b, RECEIPT_CONTEXT, vl_span(body.p, body.len), ret->signature);
    vl_buf_free(&body);
    return err == VL_ENOMEM ? err : err ? VL_ECRYPTO : VL_OK;
}

/* All that is signed.  Two signatures over the same say the same: Ed25519 lets a signer make many. */
static bool says_the_same(const struct receipt *a, const struct receipt *b) {
    return vl_job_eq(a->job, b->job) && a->task == b->task && a->epoch == b->epoch && vl_hash_eq(a->program, b->program) &&
           vl_hash_eq(a->toolchain, b->toolchain) && vl_hash_eq(a->input_root, b->input_root) && vl_hash_eq(a->output_root, b->output_root) &&
           a->exit_code == b->exit_code && a->cpu_us == b->cpu_us && a->started_ms == b->started_ms && a->ended_ms == b->ended_ms &&
           vl_hash_eq(a->previous, b->previous) && vl_hash_eq(a->attestation, b->attestation);
}

enum vl_err proof_receipts_clash(struct vl_span first, struct vl_span second, struct receipt *a, struct receipt *b, const char **why) {
    static const struct vl_hash none;
    enum vl_err err = proof_receipt_open(first, a);
    if (err == VL_OK) err = proof_receipt_open(second, b);
    if (err) return err;
    if (!vl_node_eq(a->node, b->node) || says_the_same(a, b)) return VL_ENOTFOUND;
    if (vl_job_eq(a->job, b->job) && a->task == b->task && a->epoch == b->epoch) {
        *why = "for the same run of the same task";
        return VL_OK;
    }
    if (!vl_hash_eq(a->previous, none) && vl_hash_eq(a->previous, b->previous)) {
        *why = "both as the next one after the same receipt";
        return VL_OK;
    }
    return VL_ENOTFOUND;
}

static bool two_receipts(struct verdict *v, const struct proof_contradiction *p, const struct cert *cert, vl_ms *ret_at) {
    struct receipt a, b;
    char node[NODE_ID_TEXT], job[JOB_ID_TEXT];
    const char *why = "";
    enum vl_err err = proof_receipts_clash(p->first, p->second, &a, &b, &why);
    if (err == VL_ENOTFOUND) return verdict_refuse(v, "the two receipts do not contradict each other");
    if (err == VL_ECRYPTO) return verdict_refuse(v, "a receipt's signature is wrong");
    if (err) return verdict_refuse(v, "what it holds are no receipts");
    if (!vl_node_eq(a.node, cert->node)) return verdict_refuse(v, "the certificate is not that of the node that signed the receipts");
    node_id_format(a.node, node);
    job_id_format(a.job, job);
    verdict_fact(v, "node", "%s", node);
    verdict_fact(v, "job", "%s", job);
    verdict_fact(v, "task", "%" PRIu32, a.task);
    verdict_fact(v, "run", "%" PRIu64, a.epoch);
    verdict_fact_hash(v, "first_output_root", a.output_root);
    verdict_fact_hash(v, "second_output_root", b.output_root);
    verdict_proves(v, "The member %s signed two receipts that differ, %s: it did not tell the truth in at least one.", node, why);
    *ret_at = a.ended_ms > b.ended_ms ? a.ended_ms : b.ended_ms;
    return true;
}

static bool two_heads(struct verdict *v, const struct verify_query *q, const struct proof_contradiction *p, const struct cert *cert, vl_ms *ret_at) {
    struct cosign_note a, b;
    char node[NODE_ID_TEXT];
    (void)q;
    if (!(cert->roles & CERT_COORDINATOR)) return verdict_refuse(v, "who signed the heads is not the coordinator");
    if (!note_open(v, p->first, cert->node, "the first head", &a) || !note_open(v, p->second, cert->node, "the second head", &b)) return false;
    if (strcmp(a.head.origin, b.head.origin) != 0 || a.head.size != b.head.size || vl_hash_eq(a.head.root, b.head.root))
        return verdict_refuse(v, "the two heads do not contradict each other: they are not of one log and size with two roots");
    node_id_format(cert->node, node);
    verdict_fact(v, "node", "%s", node);
    verdict_fact(v, "log", "%s", a.head.origin);
    verdict_fact(v, "log_size", "%" PRIu64, a.head.size);
    verdict_fact_hash(v, "first_root", a.head.root);
    verdict_fact_hash(v, "second_root", b.head.root);
    verdict_proves(v, "The coordinator %s signed two logs of %" PRIu64 " receipts that differ: it shows different members different pasts.", node,
                   a.head.size);
    *ret_at = a.head.time_ms > b.head.time_ms ? a.head.time_ms : b.head.time_ms;
    return true;
}

void proof_contradiction_verify(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct proof_contradiction p;
    struct cert cert;
    vl_ms at = 0;
    char village[33], when[VERDICT_TIME];
    enum vl_err err = proof_contradiction_decode(bytes, &p);
    if (err) {
        verdict_refuse(v, err == VL_EVERSION ? "it is of a newer version of village" : "it is malformed");
        return;
    }
    if (!proof_cert(v, "the signer", p.signer, NULL, &cert) || !proof_village(v, q, cert.root, village)) return;
    if (p.what == PROOF_TWO_RECEIPTS ? !two_receipts(v, &p, &cert, &at) : !two_heads(v, q, &p, &cert, &at)) return;
    verdict_time(at, when);
    verdict_as_of(v, "%s, the later of the two by the signer's clock.", when);
    verdict_not(v, "Which of the two is true, and whether it was meant: a machine set back to an older state does it, too.");
    verdict_yes(v);
}
