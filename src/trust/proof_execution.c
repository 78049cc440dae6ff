#include "trust/proof_execution.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/node_id.h"
#include "trust/roster.h"
#include "trust/signing.h"
#include "wire/pack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_EXECUTION = 0x90, EXECUTION_VERSION = 1 };

/* ---- bytes ---------------------------------------------------------------------------------------------------------- */

static bool lengths_ok(const struct proof_execution *p) {
    if (p->n > MERKLE_PROOF_MAX || p->witnesses > COSIGN_MAX || p->receipt.n == 0 || p->receipt.n > RECEIPT_BYTES_MAX || p->note.n == 0 ||
        p->note.n > COSIGN_NOTE_MAX || p->worker.n > CERT_BYTES_MAX || p->coordinator.n > CERT_BYTES_MAX || p->index >= MERKLE_SIZE_MAX)
        return false;
    for (uint32_t i = 0; i < p->witnesses; i++)
        if (p->witness[i].n > CERT_BYTES_MAX) return false;
    return true;
}

enum vl_err proof_execution_encode(const struct proof_execution *p, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_EXECUTION, EXECUTION_VERSION);
    if (!lengths_ok(p)) {
        pack_fail(&w, VL_ERANGE);
        return pack_end(&w);
    }
    pack_span16(&w, p->receipt);
    pack_u64(&w, p->index);
    pack_u8(&w, (uint8_t)p->n);
    for (uint32_t i = 0; i < p->n; i++) pack_bytes(&w, p->proof[i].b, 32);
    pack_span16(&w, p->note);
    pack_span16(&w, p->worker);
    pack_span16(&w, p->coordinator);
    pack_u8(&w, (uint8_t)p->witnesses);
    for (uint32_t i = 0; i < p->witnesses; i++) pack_span16(&w, p->witness[i]);
    return pack_end(&w);
}

enum vl_err proof_execution_decode(struct vl_span in, struct proof_execution *ret) {
    struct proof_execution p = { .index = 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_EXECUTION, EXECUTION_VERSION);
    if (err) return err;
    p.receipt = unpack_span16(&r, RECEIPT_BYTES_MAX);
    p.index = unpack_u64_in(&r, 0, MERKLE_SIZE_MAX - 1);
    p.n = unpack_u8_in(&r, 0, MERKLE_PROOF_MAX);
    for (uint32_t i = 0; i < p.n; i++) p.proof[i] = unpack_hash(&r);
    p.note = unpack_span16(&r, COSIGN_NOTE_MAX);
    p.worker = unpack_span16(&r, CERT_BYTES_MAX);
    p.coordinator = unpack_span16(&r, CERT_BYTES_MAX);
    p.witnesses = unpack_u8_in(&r, 0, COSIGN_MAX);
    for (uint32_t i = 0; i < p.witnesses; i++) p.witness[i] = unpack_span16(&r, CERT_BYTES_MAX);
    unpack_require(&r, r.failed || lengths_ok(&p));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = p;
    return err;
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    const struct verify_named *x = *(const struct verify_named *const *)a, *y = *(const struct verify_named *const *)b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int c = n ? memcmp(x->name.p, y->name.p, n) : 0;
    return c != 0 ? c : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

enum vl_err proof_files_root(const char *domain, const struct verify_named *files, uint32_t n, struct vl_hash *ret) {
    const struct verify_named *sorted[VERIFY_FILES_MAX];
    struct crypto_blake2b h;
    uint8_t head[8];
    if (n > VERIFY_FILES_MAX) return VL_ERANGE;
    for (uint32_t i = 0; i < n; i++) sorted[i] = &files[i];
    if (n > 1) qsort(sorted, n, sizeof sorted[0], by_name);
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, domain, strlen(domain) + 1);
    vl_put_u32(head, n);
    crypto_blake2b_update(&h, head, 4);
    for (uint32_t i = 0; i < n; i++) {
        vl_put_u16(head, (uint16_t)sorted[i]->name.n);
        crypto_blake2b_update(&h, head, 2);
        crypto_blake2b_update(&h, sorted[i]->name.p, sorted[i]->name.n);
        vl_put_u64(head, sorted[i]->size);
        crypto_blake2b_update(&h, head, 8);
        crypto_blake2b_update(&h, sorted[i]->hash.b, 32);
    }
    crypto_blake2b_final(&h, ret);
    return VL_OK;
}

static bool files_same(struct verdict *v, const struct verify_query *q, const struct receipt *r) {
    struct vl_hash root;
    if (q->has_program) {
        if (!vl_hash_eq(q->program, r->program)) return verdict_refuse(v, "the program given is not the one that the receipt names");
        verdict_proves(v, "The program given is the one that was run.");
    }
    if (q->has_inputs) {
        if (proof_files_root("village-inputs-1:", q->inputs, q->n_inputs, &root) || !vl_hash_eq(root, r->input_root))
            return verdict_refuse(v, "the inputs given are not those that the receipt names: contents, names (NAME=FILE) and their number must "
                                     "be the same");
        verdict_proves(v, "The %" PRIu32 " inputs given are all the inputs it had, byte for byte.", q->n_inputs);
    }
    if (q->has_outputs) {
        if (proof_files_root("village-outputs-1:", q->outputs, q->n_outputs, &root) || !vl_hash_eq(root, r->output_root))
            return verdict_refuse(v, "the outputs given are not those that the receipt names: contents, names (NAME=FILE) and their number must "
                                     "be the same, without stderr");
        verdict_proves(v, "The %" PRIu32 " outputs given are all the outputs it made but for its messages on stderr, byte for byte.", q->n_outputs);
    }
    if (!q->has_program || !q->has_inputs || !q->has_outputs)
        verdict_not(v, "Which files these are: give program, inputs and outputs to have them compared (--program, --input, --output).");
    return true;
}

/* ---- who ------------------------------------------------------------------------------------------------------------ */

bool proof_cert(struct verdict *v, const char *whose, struct vl_span bytes, const uint8_t root[32], struct cert *ret) {
    enum vl_err err = cert_decode(bytes, ret);
    if (err) return verdict_refuse(v, "%s's certificate: %s", whose, roster_problem(err == VL_EVERSION ? VL_EVERSION : VL_EPARSE));
    if (cert_verify(ret, bytes)) return verdict_refuse(v, "%s's certificate was not signed by the root key it names", whose);
    if (root != NULL && memcmp(ret->root, root, sizeof ret->root) != 0) return verdict_refuse(v, "%s's certificate is of another village", whose);
    return true;
}

bool proof_village(struct verdict *v, const struct verify_query *q, const uint8_t root[32], char ret_text[33]) {
    struct village_id id = village_id_of(root);
    vl_hex_encode(id.b, sizeof id.b, ret_text);
    verdict_fact(v, "village", "%s", ret_text);
    if (q->has_village && !village_eq(id, q->village)) return verdict_refuse(v, "it is of village %s, not of the one expected", ret_text);
    if (q->has_village)
        verdict_whom(v, "To anyone: it is of the village expected, %s.", ret_text);
    else
        verdict_whom(v, "To whoever knows that the village meant is %s: compare the id, or give it with --village.", ret_text);
    return true;
}

struct who {
    struct cert worker, coordinator;
    char village[33], origin[MERKLE_ORIGIN_MAX];
};

static bool who_check(struct verdict *v, const struct verify_query *q, const struct proof_execution *p, struct who *w) {
    char node[NODE_ID_TEXT];
    if (!proof_cert(v, "the coordinator", p->coordinator, NULL, &w->coordinator)) return false;
    if (!proof_village(v, q, w->coordinator.root, w->village)) return false;
    if (!(w->coordinator.roles & CERT_COORDINATOR))
        return verdict_refuse(v, "who signed the log is a member of the village, but not its coordinator");
    if (!proof_cert(v, "the worker", p->worker, w->coordinator.root, &w->worker)) return false;
    snprintf(w->origin, sizeof w->origin, "village.%s/receipts", w->village);
    node_id_format(w->worker.node, node);
    verdict_fact(v, "worker", "%s", node);
    node_id_format(w->coordinator.node, node);
    verdict_fact(v, "coordinator", "%s", node);
    return true;
}

/* ---- the receipt, the log, its witnesses ------------------------------------------------------------------------------ */

static bool receipt_good(struct verdict *v, const struct proof_execution *p, const struct who *w, struct receipt *r) {
    struct vl_buf body;
    if (receipt_decode(p->receipt, r)) return verdict_refuse(v, "its leaf is no receipt");
    if (!vl_node_eq(r->node, w->worker.node)) return verdict_refuse(v, "the certificate is not that of the node that signed the receipt");
    vl_buf_init(&body, RECEIPT_BYTES_MAX);
    enum vl_err err = receipt_body_encode(r, &body);
    if (err == VL_OK) err = crypto_verify_message(r->node.b, RECEIPT_CONTEXT, vl_span(body.p, body.len), r->signature);
    vl_buf_free(&body);
    if (err == VL_ENOMEM) return verdict_refuse(v, "out of memory");
    if (err) return verdict_refuse(v, "the worker's signature of the receipt is wrong");
    if (r->ended_ms >= w->worker.expires_ms) return verdict_refuse(v, "the worker's certificate had expired when the task ended");
    return true;
}

static bool logged(struct verdict *v, const struct verify_query *q, const struct proof_execution *p, const struct who *w,
                   struct cosign_note *note) {
    struct vl_hash leaf = merkle_leaf(p->receipt);
    enum vl_err err = cosign_open(p->note, w->coordinator.node.b, note);
    if (err == VL_ECRYPTO) return verdict_refuse(v, "the head of the log carries a signature that is wrong");
    if (err) return verdict_refuse(v, "the head of the log is malformed");
    if (note->others > 0) return verdict_refuse(v, "the head of the log carries lines that are no cosignatures of members");
    if (strcmp(note->head.origin, w->origin) != 0) return verdict_refuse(v, "the head is of another log than the receipts of village %s", w->village);
    if (note->head.time_ms >= w->coordinator.expires_ms) return verdict_refuse(v, "the coordinator's certificate had expired when it signed the head");
    if (note->head.time_ms > vl_ms_add(q->at_ms, VERIFY_SKEW_MS)) return verdict_refuse(v, "the head of the log is later than the time of judging");
    if (merkle_inclusion_check(p->index, note->head.size, &leaf, p->proof, p->n, &note->head.root))
        return verdict_refuse(v, "the proof does not lead from the receipt to the head of the log");
    return true;
}

static bool witnessed(struct verdict *v, const struct verify_query *q, const struct proof_execution *p, const struct who *w,
                      const struct cosign_note *note) {
    struct cert cert;
    uint64_t last_s = 0;
    if (p->witnesses != note->n) return verdict_refuse(v, "it has %" PRIu32 " cosignatures and %" PRIu32 " certificates of witnesses", note->n, p->witnesses);
    for (uint32_t i = 0; i < note->n; i++) {
        char node[NODE_ID_TEXT];
        node_id_format(note->by[i].by, node);
        if (!proof_cert(v, "a witness", p->witness[i], w->coordinator.root, &cert)) return false;
        if (!vl_node_eq(cert.node, note->by[i].by)) return verdict_refuse(v, "a certificate is not that of the witness %s", node);
        if (vl_node_eq(cert.node, w->coordinator.node)) return verdict_refuse(v, "the coordinator is no witness of its own log");
        if (note->by[i].time_s > cert.expires_ms / 1000) return verdict_refuse(v, "the certificate of the witness %s had expired", node);
        if (note->by[i].time_s > vl_ms_add(q->at_ms, VERIFY_SKEW_MS) / 1000) return verdict_refuse(v, "the witness %s signed later than the time of judging", node);
        if (note->by[i].time_s > last_s) last_s = note->by[i].time_s;
        verdict_fact(v, "witness", "%s", node);
    }
    if (note->n < q->witnesses)
        return verdict_refuse(v, "%" PRIu32 " witnesses saw this head, and %" PRIu32 " are wanted: generate the proof again a minute later", note->n,
                              q->witnesses);
    verdict_fact(v, "witnesses", "%" PRIu32, note->n);
    if (note->n > 0)
        verdict_proves(v, "%" PRIu32 " other members saw this head, none of them a log that contradicts it before.", note->n);
    else
        verdict_not(v, "That everybody is shown the same log: no witness saw this head (yet).");
    return true;
}

/* ---- words ---------------------------------------------------------------------------------------------------------- */

static void facts(struct verdict *v, const struct receipt *r, const struct proof_execution *p, const struct cosign_note *note) {
    char job[JOB_ID_TEXT];
    job_id_format(r->job, job);
    verdict_fact(v, "job", "%s", job);
    verdict_fact(v, "task", "%" PRIu32, r->task);
    verdict_fact(v, "run", "%" PRIu64, r->epoch);
    verdict_fact_hash(v, "program", r->program);
    verdict_fact_hash(v, "toolchain", r->toolchain);
    verdict_fact_hash(v, "input_root", r->input_root);
    verdict_fact_hash(v, "output_root", r->output_root);
    verdict_fact(v, "exit_code", "%" PRId32, r->exit_code);
    verdict_fact(v, "cpu_us", "%" PRIu64, r->cpu_us);
    verdict_fact(v, "started_ms", "%" PRIu64, r->started_ms);
    verdict_fact(v, "ended_ms", "%" PRIu64, r->ended_ms);
    if (receipt_version(r) == 2) {
        verdict_fact_hash(v, "previous", r->previous);
        verdict_fact_hash(v, "attestation", r->attestation);
    }
    verdict_fact(v, "leaf", "%" PRIu64, p->index);
    verdict_fact(v, "log_size", "%" PRIu64, note->head.size);
    verdict_fact_hash(v, "log_root", note->head.root);
    verdict_fact(v, "log_time_ms", "%" PRIu64, note->head.time_ms);
}

static void words(struct verdict *v, const struct receipt *r, const struct who *w, const struct cosign_note *note) {
    static const struct vl_hash none;
    char node[NODE_ID_TEXT], job[JOB_ID_TEXT], from[VERDICT_TIME], until[VERDICT_TIME];
    node_id_format(r->node, node);
    job_id_format(r->job, job);
    verdict_time(r->started_ms, from);
    verdict_time(r->ended_ms, until);
    verdict_proves(v,
                   "The member %s signed that it ran task %" PRIu32 " of job %s from %s to %s, with exit code %" PRId32 " and %" PRIu64
                   ".%03u ms of processor time, on exactly these inputs and with exactly these outputs.",
                   node, r->task, job, from, until, r->exit_code, r->cpu_us / 1000, (unsigned)(r->cpu_us % 1000));
    verdict_time(note->head.time_ms, until);
    verdict_proves(v, "The coordinator of the village took that receipt into its log, and signed a head of %" PRIu64 " receipts that covers it.",
                   note->head.size);
    verdict_as_of(v, "The head of the log of %s.", until);
    verdict_not(v, "That the result is right: a worker signs what it did; whether others found the same is for the village's reputation to say.");
    if (vl_hash_eq(r->attestation, none))
        verdict_not(v, "On what machine it ran: the receipt names no attestation.");
    else
        verdict_not(v, "On what machine it ran: the receipt names an attestation, which has to be checked by itself.");
    verdict_not(v, "That the times are true: they are those of the worker's clock.");
    if (w->worker.issued_ms > vl_ms_add(r->ended_ms, ROSTER_SKEW_MS))
        verdict_not(v, "That it was a member when it ran: this certificate was given to it later (certificates are renewed).");
    verdict_not(v, "Whether these members were expelled since.");
}

void proof_execution_verify(struct vl_span bytes, const struct verify_query *q, struct verdict *v) {
    struct proof_execution p;
    struct cosign_note note;
    struct receipt r;
    struct who w;
    enum vl_err err = proof_execution_decode(bytes, &p);
    if (err) {
        verdict_refuse(v, err == VL_EVERSION ? "it is of a newer version of village" : "it is malformed");
        return;
    }
    if (!who_check(v, q, &p, &w) || !receipt_good(v, &p, &w, &r) || !logged(v, q, &p, &w, &note)) return;
    facts(v, &r, &p, &note);
    words(v, &r, &w, &note);
    if (!witnessed(v, q, &p, &w, &note) || !files_same(v, q, &r)) return;
    verdict_yes(v);
}
