/* Proofs of the log of receipts: from tiles that are rows, and those that the brain still fills. */
#include "node/persist.h"

#include "trust/merkle_log.h"

static enum vl_err tile_node(struct store *s, unsigned height, uint64_t index, struct vl_hash *ret) {
    uint8_t key[32] = { 0 };
    uint64_t tile;
    struct store_row row;
    merkle_tile_of(height, index, &key[0], &tile);
    struct store_value k[] = { store_int(ITEM_TILE), store_blob(key, 32), store_int((int64_t)tile) };
    enum vl_err err = store_get(s, STORE_ITEMS, k, &row);
    if (err) return err == VL_ENOTFOUND ? VL_EAGAIN : err;
    return merkle_tile_node(store_row_blob(&row, STORE_ITEMS_RECORD), height, index, ret);
}

enum vl_err persist_log_nodes(struct store *s, const struct brain *b, const struct merkle_plan *plan, struct vl_hash *ret) {
    struct vl_hash node[MERKLE_PLAN_MAX];
    enum vl_err err = VL_OK;
    for (uint32_t i = 0; err == VL_OK && i < plan->n; i++)
        if (!brain_log_node(b, plan->at[i].height, plan->at[i].index, &node[i])) err = tile_node(s, plan->at[i].height, plan->at[i].index, &node[i]);
    if (err == VL_OK) merkle_plan_fold(plan, node, ret);
    return err;
}

enum vl_err persist_log_prove(struct store *s, const struct brain *b, uint64_t first, uint64_t second, struct vl_hash *ret, uint32_t *ret_n) {
    struct merkle_plan p;
    enum vl_err err = merkle_consistency_plan(first, second, &p);
    if (err == VL_OK) err = persist_log_nodes(s, b, &p, ret);
    if (err == VL_OK) *ret_n = p.items;
    return err;
}
