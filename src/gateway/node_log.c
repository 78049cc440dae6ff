/* node_log.c - the log of receipts as the gateway shows it: proofs from the rows of the store and the head that the brain
 * signed. */
#include "gateway/node_backend.h"

#include "node/persist.h"
#include "trust/anchor_artefact.h"
#include "trust/merkle_log.h"

#include <stdlib.h>
#include <string.h>

struct question {
    struct node *node;
    struct backend_log_query q;
    backend_log_fn done;
    void *arg;
    struct vl_buf stored, artefact; /* ANCHOR: the head's row, and what goes out */
};

static enum vl_err item_get(struct store *s, enum record_item kind, const uint8_t key[32], uint64_t seq, struct store_row *row,
                            struct vl_span *ret) {
    struct store_value k[] = { store_int(kind), store_blob(key, 32), store_int((int64_t)seq) };
    enum vl_err err = store_get(s, STORE_ITEMS, k, row);
    if (err == VL_OK) *ret = store_row_blob(row, STORE_ITEMS_RECORD);
    return err;
}

static enum vl_err prove(struct store *s, const struct merkle_log *log, const struct merkle_plan *p, struct view_log *v) {
    struct vl_hash node[MERKLE_PLAN_MAX];
    for (uint32_t i = 0; i < p->n; i++) {
        uint8_t key[32] = { 0 };
        uint64_t tile;
        struct store_row row;
        struct vl_span bytes;
        if (merkle_log_node(log, p->at[i].height, p->at[i].index, &node[i])) continue;
        merkle_tile_of(p->at[i].height, p->at[i].index, &key[0], &tile);
        enum vl_err err = item_get(s, ITEM_TILE, key, tile, &row, &bytes);
        if (err == VL_OK) err = merkle_tile_node(bytes, p->at[i].height, p->at[i].index, &node[i]);
        if (err) return err == VL_ENOTFOUND ? VL_ECORRUPT : err;
    }
    merkle_plan_fold(p, node, v->proof);
    v->proof_n = p->items;
    return VL_OK;
}

/* The artefact of a head as it was kept, and the leaf in it. */
static enum vl_err anchor_of(struct question *c, const struct merkle_log *log, struct view_log *v) {
    static const uint8_t no_key[32];
    struct store *s = node_store(c->node);
    struct anchor_artefact a;
    struct anchor_shown shown;
    struct merkle_plan plan;
    struct store_row row;
    enum vl_err err = node_backend_anchored(s, c->q.index, &c->stored);
    if (err == VL_OK) err = anchor_artefact_decode(vl_span(c->stored.p, c->stored.len), &a);
    if (err) return err == VL_ENOTFOUND ? err : VL_ECORRUPT;
    (void)anchor_artefact_check(vl_span(c->stored.p, c->stored.len), NULL, &shown); /* for the head in it */
    v->size = shown.head.size;
    v->root = shown.head.root;
    v->time_ms = shown.head.time_ms;
    if (c->q.index != UINT64_MAX) {
        err = merkle_inclusion_plan(c->q.index, shown.head.size, &plan);
        if (err == VL_OK) err = prove(s, log, &plan, v);
        if (err == VL_OK) err = item_get(s, ITEM_LEAF, no_key, c->q.index, &row, &a.leaf);
        if (err) return err;
        a.leaf_index = c->q.index;
        a.proof_n = v->proof_n;
        for (uint32_t i = 0; i < v->proof_n && i < MERKLE_PROOF_MAX; i++) a.proof[i] = v->proof[i];
    }
    err = anchor_artefact_encode(&a, &c->artefact);
    v->artefact = vl_span(c->artefact.p, c->artefact.len);
    v->leaf = a.leaf;
    return err;
}

static enum vl_err answer(struct question *c, struct vl_span bytes, struct merkle_log *log, struct view_log *v) {
    static const uint8_t no_key[32];
    struct merkle_checkpoint head;
    struct merkle_plan plan;
    struct store *s = node_store(c->node);
    v->signer = brain_node_id(node_brain(c->node));
    enum vl_err err = brain_log_head_open(bytes, v->signer, &head, v->text, log);
    if (err) return err;
    v->size = head.size;
    v->root = head.root;
    v->time_ms = head.time_ms;
    v->index = c->q.index;
    switch (c->q.kind) {
    case BACKEND_LOG_HEAD:
        return VL_OK;
    case BACKEND_LOG_LEAF:
        if (c->q.index >= head.size) return VL_ENOTFOUND;
        err = merkle_inclusion_plan(c->q.index, head.size, &plan);
        break;
    case BACKEND_LOG_ANCHOR:
        return anchor_of(c, log, v);
    case BACKEND_LOG_CONSISTENCY:
        if (c->q.second > head.size) return VL_ENOTFOUND;
        err = merkle_consistency_plan(c->q.first, c->q.second, &plan);
        break;
    }
    struct store_row row;
    if (err == VL_OK) err = prove(s, log, &plan, v);
    if (err == VL_OK && c->q.kind == BACKEND_LOG_LEAF) /* last: the store lends one row at a time */
        err = item_get(s, ITEM_LEAF, no_key, c->q.index, &row, &v->leaf);
    return err;
}

static void head_came(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct question *c = arg;
    struct merkle_log *log = malloc(sizeof *log);
    struct view_log *v = calloc(1, sizeof *v);
    if (err == VL_OK && (log == NULL || v == NULL)) err = VL_ENOMEM;
    if (err == VL_OK) err = answer(c, bytes, log, v);
    c->done(c->arg, err, detail, err ? NULL : v);
    free(log);
    free(v);
    vl_buf_free(&c->stored);
    vl_buf_free(&c->artefact);
    free(c);
}

enum vl_err node_backend_log(void *self, const struct backend_log_query *q, backend_log_fn done, void *arg) {
    struct question *c = malloc(sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    *c = (struct question){ .node = ((struct node_backend *)self)->node, .q = *q, .done = done, .arg = arg };
    vl_buf_init(&c->stored, ANCHOR_ARTEFACT_MAX);
    vl_buf_init(&c->artefact, ANCHOR_ARTEFACT_MAX);
    node_log_head(c->node, head_came, c);
    return VL_OK;
}

/* Task, epoch and place in the log of each receipt of a job, in the order of tasks. */
enum vl_err node_backend_receipts(void *self, struct vl_job_id id, uint64_t after_run, uint32_t max, view_receipt_fn sink,
                                  void *arg) {
    struct store *s = node_store(((struct node_backend *)self)->node);
    uint8_t job[32] = { 0 };
    memcpy(job, id.b, sizeof id.b);
    struct store_value prefix[] = { store_int(ITEM_LEAF_OF), store_blob(job, sizeof job) }, from = store_int((int64_t)after_run);
    struct store_query q = { .table = STORE_ITEMS,
                             .prefix = prefix,
                             .n_prefix = 2,
                             .from = &from,
                             .n_from = after_run ? 1 : 0,
                             .limit = max };
    struct store_iter *it;
    struct store_row row;
    struct store_value known = store_blob(id.b, sizeof id.b);
    enum vl_err err = store_get(s, STORE_JOBS, &known, &row);
    if (err == VL_OK) err = store_scan(s, &q, &it);
    if (err) return err;
    while (store_next(it, &row)) {
        struct vl_span at = store_row_blob(&row, STORE_ITEMS_RECORD);
        uint64_t run = (uint64_t)store_row_int(&row, STORE_ITEMS_SEQ);
        if (at.n == 8) sink(arg, run, (uint32_t)(run >> 48), run & ((1ull << 48) - 1), vl_get_u64(at.p));
    }
    return store_end(it);
}
