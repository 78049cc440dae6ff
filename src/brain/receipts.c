/* The log of receipts on the coordinator: every receipt it takes is a leaf, in the same commit as what it made of it (FOG-11).
 * trust/merkle_log.h is the tree.  Rows: leaves, full tiles, and where the receipts of a job are: views.  The head comes
 * back at start: at every sixteenth leaf the open tiles, since then the leaves one by one (decision 20). */
#include "brain/priv.h"

#include "base/text.h"
#include "trust/merkle_log.h"
#include "wire/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_HEAD = 0x73, HEAD_VERSION = 1 };

static const uint8_t no_key[32];

enum vl_err receipts_create(struct brain *b) {
    b->receipts = malloc(sizeof *b->receipts);
    if (b->receipts == NULL) return VL_ENOMEM;
    merkle_log_init(b->receipts);
    return VL_OK;
}

void receipts_destroy(struct brain *b) { free(b->receipts); }

static void tile_put(struct brain *b, const struct merkle_tile *t) {
    uint8_t key[32] = { t->level };
    item_put(b, ITEM_TILE, key, t->index, vl_span(t->node[0].b, MERKLE_TILE_BYTES));
}

static enum vl_err head_put(struct brain *b, const struct vl_hash *leaf) {
    struct merkle_log *l = b->receipts;
    uint8_t last[8 + 32];
    struct vl_buf buf;
    if (l->size % MERKLE_FAN != 0) {
        vl_put_u64(last, l->size - 1);
        memcpy(last + 8, leaf->b, 32);
        item_put(b, ITEM_LOG_HEAD, no_key, l->size % MERKLE_FAN, vl_span(last, sizeof last));
        return VL_OK;
    }
    vl_buf_init(&buf, MERKLE_LOG_BYTES_MAX);
    enum vl_err err = merkle_log_encode(l, &buf);
    if (err == VL_OK) item_put(b, ITEM_LOG_HEAD, no_key, 0, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
    return err;
}

void receipts_add(struct brain *b, const struct receipt *r, struct vl_span encoded) {
    struct merkle_tile full[MERKLE_LEVELS];
    struct vl_hash leaf = merkle_leaf(encoded);
    uint8_t job[32] = { 0 }, index[8];
    uint32_t n = 0;
    vl_put_u64(index, b->receipts->size);
    enum vl_err err = merkle_log_append(b->receipts, &leaf, full, &n);
    if (err) {
        note(b, err, b->self, "the log of receipts is full: a receipt is not in it");
        return;
    }
    memcpy(job, r->job.b, sizeof r->job.b);
    item_put(b, ITEM_LEAF, no_key, b->receipts->size - 1, encoded);
    item_put(b, ITEM_LEAF_OF, job, (uint64_t)r->task << 48 | r->epoch, vl_span(index, sizeof index));
    for (uint32_t i = 0; i < n; i++) tile_put(b, &full[i]);
    if (head_put(b, &leaf)) out_of_memory(b);
    witness_log_grew(b);
}

/* The head first, then what came after it, in order: the rows are sorted by their number. */
enum vl_err receipts_restore(struct brain *b, const struct record *r) {
    struct merkle_tile full[MERKLE_LEVELS];
    struct vl_hash leaf;
    uint32_t n = 0;
    if (b->receipts == NULL) return VL_OK;
    if (r->number == 0) return merkle_log_decode(r->bytes, b->receipts);
    if (r->number >= MERKLE_FAN || r->bytes.n != 40) return VL_ECORRUPT;
    uint64_t index = vl_get_u64(r->bytes.p);
    if (index < b->receipts->size) return VL_OK; /* of the round before */
    if (index > b->receipts->size) return VL_ECORRUPT;
    memcpy(leaf.b, r->bytes.p + 8, 32);
    enum vl_err err = merkle_log_append(b->receipts, &leaf, full, &n);
    return err ? err : n > 0 ? VL_ECORRUPT : VL_OK;
}

void receipts_origin(const struct brain *b, char ret[MERKLE_ORIGIN_MAX]) {
    uint8_t id[16];
    char village[33];
    brain_village_id(b, id);
    vl_hex_encode(id, sizeof id, village);
    snprintf(ret, MERKLE_ORIGIN_MAX, "village.%s/receipts", village);
}

/* What was signed must never be taken back by a crash: the answer waits for the commit of all that it covers. */
void brain_log_head(struct brain *b, vl_ms now, uint64_t token) {
    struct merkle_checkpoint c = { .time_ms = now };
    struct vl_buf buf;
    char text[MERKLE_CHECKPOINT_MAX];
    step_begin(b, now);
    vl_buf_init(&buf, MERKLE_LOG_BYTES_MAX + MERKLE_CHECKPOINT_MAX + 16);
    enum vl_err err = b->receipts ? VL_OK : VL_EUNSUPPORTED;
    if (err == VL_OK) {
        receipts_origin(b, c.origin);
        c.size = b->receipts->size;
        c.root = merkle_log_root(b->receipts);
        err = merkle_checkpoint_sign(&c, &b->key, text);
    }
    if (err == VL_OK) {
        struct pack w = pack_message(&buf, TAG_HEAD, HEAD_VERSION);
        pack_span16(&w, vl_span_str(text));
        err = pack_end(&w);
    }
    if (err == VL_OK) err = merkle_log_encode(b->receipts, &buf);
    reply(b, token, err, err == VL_EUNSUPPORTED ? "the coordinator keeps the log of receipts" : NULL, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
    step_end(b);
}

enum vl_err brain_log_head_open(struct vl_span bytes, struct vl_node_id signer, struct merkle_checkpoint *ret_head,
                                char ret_text[MERKLE_CHECKPOINT_MAX], struct merkle_log *ret_log) {
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    enum vl_err err = unpack_message(&r, TAG_HEAD, HEAD_VERSION);
    if (err) return err;
    struct vl_span text = unpack_span16(&r, MERKLE_CHECKPOINT_MAX - 1);
    if (r.failed) return VL_EPARSE;
    err = merkle_checkpoint_open(text, signer.b, ret_head);
    if (err == VL_OK) err = merkle_log_decode(vl_span(r.p, r.n), ret_log);
    if (err) return err;
    memcpy(ret_text, text.p, text.n);
    ret_text[text.n] = 0;
    return VL_OK;
}
