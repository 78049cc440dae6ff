/* Proofs of the log of receipts: from tiles that are rows, and those that the brain still fills. */
#include "node/persist.h"

#include "trust/merkle_log.h"

#include <stdlib.h>
#include <string.h>

/* All tiles of the third level and above of ten million leaves, a fifth of the second: 12 MiB, touched as the log grows. */
#define SLOTS (256u + 8192u + 3072u + 256u)

/* A full tile never changes, so one that was read is right for as long as the store is this one. */
struct slot {
    bool used;
    uint8_t level;
    uint64_t index;
    uint8_t bytes[MERKLE_TILE_BYTES];
};
struct persist_tiles {
    struct slot slot[SLOTS];
};

struct persist_tiles *persist_tiles_create(void) { return calloc(1, sizeof(struct persist_tiles)); }
void persist_tiles_destroy(struct persist_tiles *t) { free(t); }

/* Each level has a part of its own, so that the many tiles of the lowest do not push out the few above. */
static struct slot *slot_of(struct persist_tiles *t, uint8_t level, uint64_t index) {
    uint64_t spread = index * 0x9e3779b97f4a7c15ull >> 32;
    switch (level) {
    case 0: return &t->slot[spread % 256];
    case 1: return &t->slot[256 + spread % 8192];
    case 2: return &t->slot[8448 + index % 3072];
    default: return &t->slot[11520 + (index + 31u * level) % 256];
    }
}

static enum vl_err tile_read(struct store *s, uint8_t level, uint64_t tile, struct slot *ret) {
    uint8_t key[32] = { level };
    struct store_row row;
    struct store_value k[] = { store_int(ITEM_TILE), store_blob(key, 32), store_int((int64_t)tile) };
    enum vl_err err = store_get(s, STORE_ITEMS, k, &row);
    if (err) return err == VL_ENOTFOUND ? VL_EAGAIN : err;
    struct vl_span bytes = store_row_blob(&row, STORE_ITEMS_RECORD);
    if (bytes.n != sizeof ret->bytes) return VL_ECORRUPT;
    ret->used = true;
    ret->level = level;
    ret->index = tile;
    memcpy(ret->bytes, bytes.p, bytes.n);
    return VL_OK;
}

enum vl_err persist_log_node(struct store *s, struct persist_tiles *tiles, unsigned height, uint64_t index, struct vl_hash *ret) {
    struct slot own = { .used = false }, *at = &own;
    uint8_t level;
    uint64_t tile;
    merkle_tile_of(height, index, &level, &tile);
    if (tiles != NULL) at = slot_of(tiles, level, tile);
    enum vl_err err = at->used && at->level == level && at->index == tile ? VL_OK : tile_read(s, level, tile, at);
    return err ? err : merkle_tile_node(vl_span(at->bytes, sizeof at->bytes), height, index, ret);
}

enum vl_err persist_log_nodes(struct store *s, struct persist_tiles *tiles, const struct brain *b, const struct merkle_plan *plan, struct vl_hash *ret) {
    struct vl_hash node[MERKLE_PLAN_MAX];
    enum vl_err err = VL_OK;
    for (uint32_t i = 0; err == VL_OK && i < plan->n; i++)
        if (!brain_log_node(b, plan->at[i].height, plan->at[i].index, &node[i])) err = persist_log_node(s, tiles, plan->at[i].height, plan->at[i].index, &node[i]);
    if (err == VL_OK) merkle_plan_fold(plan, node, ret);
    return err;
}

enum vl_err persist_log_prove(struct store *s, struct persist_tiles *tiles, const struct brain *b, uint64_t first, uint64_t second, struct vl_hash *ret,
                              uint32_t *ret_n) {
    struct merkle_plan p;
    enum vl_err err = merkle_consistency_plan(first, second, &p);
    if (err == VL_OK) err = persist_log_nodes(s, tiles, b, &p, ret);
    if (err == VL_OK) *ret_n = p.items;
    return err;
}
