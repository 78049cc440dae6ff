/* What must hold of reputations in a simulated village: each follows from the evidence stored beside it. */
#include "sim/village_priv.h"

#include "crypto/hash.h"
#include "trust/reputation.h"

#include <string.h>

static enum vl_err pieces(struct store *s, struct vl_node_id node, struct vl_buf *list) {
    struct store_value prefix[] = { store_int(ITEM_EVIDENCE), store_blob(node.b, sizeof node.b) };
    struct store_query q = { .table = STORE_ITEMS, .prefix = prefix, .n_prefix = 2, .limit = REPUTATION_KEPT + 1 };
    struct store_iter *it;
    struct store_row row;
    enum vl_err err = store_scan(s, &q, &it);
    if (err) return err;
    while (err == VL_OK && store_next(it, &row)) {
        struct vl_span record = store_row_blob(&row, STORE_ITEMS_RECORD);
        err = vl_buf_append(list, record.p, record.n);
    }
    enum vl_err end = store_end(it);
    return err ? err : end;
}

/* A good result names the receipt that the node signed for it, and that is there. */
static bool receipts_there(struct store *s, const struct vl_buf *list) {
    struct evidence e;
    for (size_t at = 0; at + EVIDENCE_BYTES <= list->len; at += EVIDENCE_BYTES) {
        if (evidence_decode(vl_span(list->p + at, EVIDENCE_BYTES), &e) != VL_OK) return false;
        if (e.kind != EVIDENCE_AGREED && e.kind != EVIDENCE_ACCEPTED) continue;
        struct store_value key[] = { store_blob(e.job.b, sizeof e.job.b), store_int(e.task), store_int((int64_t)e.epoch) };
        struct store_row row;
        struct vl_hash h;
        if (store_get(s, STORE_RECEIPTS, key, &row) != VL_OK) return false;
        crypto_blake2b256(store_row_blob(&row, STORE_RECEIPTS_RECORD), &h);
        if (!vl_hash_eq(h, e.receipt)) return false;
    }
    return true;
}

void sim_reputations_hold(struct sim_village *v, struct sim_node *head, vl_ms now) {
    for (uint32_t i = 0; i < v->cfg.world.nodes; i++) {
        struct store_value key[] = { store_int(ITEM_REPUTATION), store_blob(v->ids[i].b, sizeof v->ids[i].b),
                                     store_int(0) };
        struct store_row row;
        struct vl_buf state, list;
        struct reputation_score stored, kept;
        struct vl_node_id by;
        struct vl_errmsg why;
        vl_buf_init(&state, REPUTATION_RECORD_MAX);
        vl_buf_init(&list, (size_t)(REPUTATION_KEPT + 1) * EVIDENCE_BYTES);
        enum vl_err err = store_get(head->disk->store, STORE_ITEMS, key, &row);
        if (err == VL_OK) {
            struct vl_span record = store_row_blob(&row, STORE_ITEMS_RECORD);
            err = vl_buf_append(&state, record.p, record.n);
        }
        if (err == VL_OK || err == VL_ENOTFOUND) err = pieces(head->disk->store, v->ids[i], &list);
        bool known = reputation_get(brain_reputation(head->brain), v->ids[i], now, &kept);
        if (err || known != (state.len > 0) || known != (list.len > 0)) {
            v->wrong = "a reputation and its evidence are not both there";
        } else if (known) {
            if (reputation_check(vl_span(state.p, state.len), vl_span(list.p, list.len), REPUTATION_BASE_MILLI, kept.at_ms,
                                 &stored, &by, &why))
                v->wrong = "a reputation does not follow from the evidence that is stored";
            else if (!reputation_score_same(&stored, &kept))
                v->wrong = "a coordinator came back with another reputation than it stored";
            else if (!receipts_there(head->disk->store, &list))
                v->wrong = "evidence names a receipt that is not stored";
        }
        vl_buf_free(&state);
        vl_buf_free(&list);
    }
}
