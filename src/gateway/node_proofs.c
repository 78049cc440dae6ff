/* node_proofs.c - artefacts put together from rows of the store and what the brain signs. */
#include "gateway/node_backend.h"

#include "crypto/cosign.h"
#include "node/persist.h"
#include "trust/proof_execution.h"
#include "trust/proof_log.h"
#include "trust/roster.h"

#include <stdlib.h>
#include <string.h>

struct question {
    struct node *node;
    struct backend_proof_query q;
    backend_proof_fn done;
    void *arg;
    uint64_t index;
    uint8_t leaf[RECEIPT_BYTES_MAX], other[RECEIPT_BYTES_MAX];
    size_t leaf_n, other_n;
    struct vl_buf older; /* CONSISTENCY: the caller's text outlives the call only so */
};

static void question_free(struct question *c) {
    vl_buf_free(&c->older);
    free(c);
}

/* The receipt at this place of the log, copied.  VL_ENOTFOUND. */
static enum vl_err leaf_get(struct store *s, uint64_t index, uint8_t dst[RECEIPT_BYTES_MAX], size_t *ret_n) {
    static const uint8_t no_key[32];
    struct store_row row;
    struct store_value k[] = { store_int(ITEM_LEAF), store_blob(no_key, 32), store_int((int64_t)index) };
    if (index > INT64_MAX) return VL_ENOTFOUND;
    enum vl_err err = store_get(s, STORE_ITEMS, k, &row);
    if (err) return err;
    struct vl_span bytes = store_row_blob(&row, STORE_ITEMS_RECORD);
    if (bytes.n > RECEIPT_BYTES_MAX) return VL_ECORRUPT;
    memcpy(dst, bytes.p, bytes.n);
    *ret_n = bytes.n;
    return VL_OK;
}

/* Where the receipt of a run is; epoch 0: of the task's last run that has one. */
static enum vl_err index_find(struct store *s, const struct backend_proof_query *q, uint64_t *ret) {
    uint8_t job[32] = { 0 };
    memcpy(job, q->job.b, sizeof q->job.b);
    struct store_value prefix[] = { store_int(ITEM_LEAF_OF), store_blob(job, sizeof job) };
    struct store_value from = store_int((int64_t)(q->epoch ? (uint64_t)q->task << 48 | q->epoch : (q->task + 1ull) << 48));
    struct store_query scan = { .table = STORE_ITEMS, .descending = true, .inclusive = q->epoch != 0, .prefix = prefix, .n_prefix = 2, .from = &from,
                                .n_from = 1, .limit = 1 };
    struct store_iter *it;
    struct store_row row;
    bool found = false;
    enum vl_err err = store_scan(s, &scan, &it);
    if (err) return err;
    if (store_next(it, &row)) {
        struct vl_span at = store_row_blob(&row, STORE_ITEMS_RECORD);
        uint64_t run = (uint64_t)store_row_int(&row, STORE_ITEMS_SEQ);
        found = at.n == 8 && run >> 48 == q->task && (q->epoch == 0 || (run & ((1ull << 48) - 1)) == q->epoch);
        if (found) *ret = vl_get_u64(at.p);
    }
    err = store_end(it);
    return err ? err : found ? VL_OK : VL_ENOTFOUND;
}

static enum vl_err inclusion(struct question *c, uint64_t size, struct proof_execution *p) {
    struct merkle_plan plan;
    enum vl_err err = merkle_inclusion_plan(c->index, size, &plan);
    if (err) return err;
    struct vl_hash proof[MERKLE_PROOF_MAX + 1];
    err = persist_log_nodes(node_store(c->node), node_tiles(c->node), node_brain(c->node), &plan, proof);
    if (err == VL_OK) memcpy(p->proof, proof, plan.items * sizeof proof[0]);
    p->n = plan.items;
    return err;
}

static enum vl_err execution_put(struct question *c, const struct brain_proof_parts *parts, const struct cosign_note *note, struct vl_buf *out) {
    struct proof_execution p = { .receipt = vl_span(c->leaf, c->leaf_n), .index = c->index, .note = parts->note, .worker = parts->worker,
                                 .coordinator = parts->coordinator, .witnesses = parts->witnesses };
    for (uint32_t i = 0; i < parts->witnesses; i++) p.witness[i] = parts->witness[i];
    enum vl_err err = inclusion(c, note->head.size, &p);
    return err ? err : proof_execution_encode(&p, out);
}

static enum vl_err consistency_put(struct question *c, const struct brain_proof_parts *parts, const struct cosign_note *note, struct vl_buf *out,
                                   const char **why) {
    struct vl_span text = vl_span(c->older.p, c->older.len);
    struct proof_consistency p = { .older = text, .newer = parts->note, .coordinator = parts->coordinator };
    struct cosign_note *older = malloc(sizeof *older);
    struct merkle_plan plan;
    enum vl_err err = older ? cosign_open(text, brain_node_id(node_brain(c->node)).b, older) : VL_ENOMEM;
    if (err == VL_OK && (strcmp(older->head.origin, note->head.origin) != 0 || older->head.size == 0)) err = VL_ERANGE;
    if (err == VL_OK && older->head.size > note->head.size) {
        err = VL_ENOTFOUND;
        *why = "The older head is larger than the newest: it is newer, or this log was set back.";
    } else if (err && err != VL_ENOMEM) {
        err = VL_ERANGE;
        *why = "The older head is none that this coordinator signed for its log.";
    }
    if (err == VL_OK) err = merkle_consistency_plan(older->head.size, note->head.size, &plan);
    if (err == VL_OK) err = persist_log_nodes(node_store(c->node), node_tiles(c->node), node_brain(c->node), &plan, p.proof);
    if (err == VL_OK) {
        p.n = plan.items;
        err = proof_consistency_encode(&p, out);
    }
    free(older);
    return err;
}

static enum vl_err contradiction_put(struct question *c, const struct brain_proof_parts *parts, struct vl_buf *out, const char **why) {
    struct receipt a, b;
    struct proof_contradiction p = { .what = PROOF_TWO_RECEIPTS, .first = vl_span(c->leaf, c->leaf_n), .second = vl_span(c->other, c->other_n),
                                     .signer = parts->worker };
    const char *how;
    if (proof_receipts_clash(p.first, p.second, &a, &b, &how)) {
        *why = "These receipts do not contradict each other.";
        return VL_ENOTFOUND;
    }
    return proof_contradiction_encode(&p, out);
}

static enum vl_err put(struct question *c, const struct brain_proof_parts *parts, struct vl_buf *out, struct view_proof *v, const char **why) {
    if (c->q.kind == BACKEND_PROOF_CERTIFICATE) { /* no head is needed: the log may be empty */
        v->label = VERIFY_CERTIFICATE_LABEL;
        return vl_buf_append(out, parts->worker.p, parts->worker.n);
    }
    struct cosign_note *note = malloc(sizeof *note);
    enum vl_err err = note ? cosign_open(parts->note, brain_node_id(node_brain(c->node)).b, note) : VL_ENOMEM;
    if (err == VL_OK) {
        v->witnesses = note->n;
        switch (c->q.kind) {
        case BACKEND_PROOF_EXECUTION:
            v->label = PROOF_EXECUTION_LABEL;
            err = execution_put(c, parts, note, out);
            break;
        case BACKEND_PROOF_CONSISTENCY:
            v->label = PROOF_CONSISTENCY_LABEL;
            err = consistency_put(c, parts, note, out, why);
            break;
        case BACKEND_PROOF_CONTRADICTION:
            v->label = PROOF_CONTRADICTION_LABEL;
            v->witnesses = 0;
            err = contradiction_put(c, parts, out, why);
            break;
        case BACKEND_PROOF_CHECKPOINT:
            err = vl_buf_append(out, parts->note.p, parts->note.n);
            break;
        case BACKEND_PROOF_CERTIFICATE:  /* made above */
        case BACKEND_PROOF_NEIGHBOURS:   /* made elsewhere: node_neighbours.c */
        case BACKEND_PROOF_AVAILABILITY:
            err = VL_EINTERNAL;
            break;
        }
    }
    free(note);
    return err;
}

static void parts_came(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct question *c = arg;
    struct brain_proof_parts parts;
    struct view_proof v = { .label = NULL };
    struct vl_buf out;
    const char *why = NULL;
    vl_buf_init(&out, PROOF_EXECUTION_MAX * 2);
    if (err == VL_OK) err = brain_proof_parts_open(bytes, &parts);
    if (err == VL_OK) err = put(c, &parts, &out, &v, &why);
    v.bytes = vl_span(out.p, out.len);
    c->done(c->arg, err, why ? why : detail, err ? NULL : &v);
    vl_buf_free(&out);
    question_free(c);
}

/* The leaves that it is about, and whose certificate is needed. */
static enum vl_err leaves(struct question *c, struct vl_node_id *ret_node) {
    struct store *s = node_store(c->node);
    struct receipt r;
    enum vl_err err = VL_OK;
    *ret_node = brain_node_id(node_brain(c->node));
    if (c->q.kind == BACKEND_PROOF_CERTIFICATE) {
        *ret_node = c->q.node;
        c->index = BRAIN_PROOF_NO_LEAF;
    }
    if (c->q.kind != BACKEND_PROOF_EXECUTION && c->q.kind != BACKEND_PROOF_CONTRADICTION) return VL_OK;
    c->index = c->q.first;
    if (c->q.kind == BACKEND_PROOF_EXECUTION) err = index_find(s, &c->q, &c->index);
    if (err == VL_OK) err = leaf_get(s, c->index, c->leaf, &c->leaf_n);
    if (err == VL_OK && c->q.kind == BACKEND_PROOF_CONTRADICTION) err = leaf_get(s, c->q.second, c->other, &c->other_n);
    if (err == VL_OK && receipt_decode(vl_span(c->leaf, c->leaf_n), &r)) err = VL_ECORRUPT;
    if (err == VL_OK) *ret_node = r.node;
    return err;
}

enum vl_err node_backend_prove(void *self, const struct backend_proof_query *q, backend_proof_fn done, void *arg) {
    struct vl_node_id node;
    if (q->kind == BACKEND_PROOF_NEIGHBOURS || q->kind == BACKEND_PROOF_AVAILABILITY) return node_backend_draw_file(self, q, done, arg);
    struct question *c = calloc(1, sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    c->node = ((struct node_backend *)self)->node;
    c->q = *q;
    c->done = done;
    c->arg = arg;
    vl_buf_init(&c->older, COSIGN_NOTE_MAX);
    enum vl_err err = q->older.n > 0 ? vl_buf_append(&c->older, q->older.p, q->older.n) : VL_OK;
    if (err == VL_OK && brain_members(node_brain(c->node)) == NULL) err = VL_EUNSUPPORTED;
    if (err == VL_OK) err = leaves(c, &node);
    if (err) {
        question_free(c);
        return err;
    }
    node_proof_parts(c->node, c->index, node, parts_came, c);
    return VL_OK;
}
