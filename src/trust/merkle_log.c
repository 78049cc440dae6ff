#include "trust/merkle_log.h"

#include "wire/pack.h"

#include <string.h>

enum { TAG_LOG = 0x72, LOG_VERSION = 1, FAN_BITS = 4 };
/* Where the nodes of each of the four heights begin in a tile. */
static const uint8_t begins[FAN_BITS] = { 0, 16, 24, 28 };

void merkle_log_init(struct merkle_log *l) { memset(l, 0, sizeof *l); }

static void fill(struct merkle_tile *t, const struct vl_hash lowest[MERKLE_FAN]) {
    memcpy(t->node, lowest, MERKLE_FAN * sizeof *lowest);
    for (unsigned r = 1; r < FAN_BITS; r++)
        for (unsigned i = 0; i < MERKLE_FAN >> r; i++)
            t->node[begins[r] + i] = merkle_node(&t->node[begins[r - 1] + 2 * i], &t->node[begins[r - 1] + 2 * i + 1]);
}

enum vl_err merkle_log_append(struct merkle_log *l, const struct vl_hash *leaf, struct merkle_tile *ret, uint32_t *ret_n) {
    struct vl_hash up = *leaf;
    uint32_t n = 0;
    if (l->size >= MERKLE_SIZE_MAX - 1) return VL_ELIMIT;
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        l->open[level].node[l->open[level].n++] = up;
        if (l->open[level].n < MERKLE_FAN) break;
        struct merkle_tile *t = &ret[n++];
        t->level = (uint8_t)level;
        t->index = l->size >> (FAN_BITS * (level + 1));
        fill(t, l->open[level].node);
        up = merkle_node(&t->node[begins[3]], &t->node[begins[3] + 1]);
        l->open[level].n = 0;
    }
    l->size++;
    *ret_n = n;
    return VL_OK;
}

void merkle_tile_of(unsigned height, uint64_t index, uint8_t *ret_level, uint64_t *ret_tile) {
    unsigned level = height / FAN_BITS, r = height % FAN_BITS;
    *ret_level = (uint8_t)level;
    *ret_tile = index >> (FAN_BITS - r);
}

bool merkle_log_node(const struct merkle_log *l, unsigned height, uint64_t index, struct vl_hash *ret) {
    uint8_t level;
    uint64_t tile;
    merkle_tile_of(height, index, &level, &tile);
    if (level >= MERKLE_LEVELS || tile != l->size >> (FAN_BITS * (level + 1u))) return false;
    unsigned r = height % FAN_BITS, at = (unsigned)(index << r & (MERKLE_FAN - 1)), n = 1u << r;
    if (at + n > l->open[level].n) return false;
    struct vl_hash h[MERKLE_FAN];
    memcpy(h, &l->open[level].node[at], n * sizeof *h);
    for (; n > 1; n /= 2)
        for (unsigned i = 0; i < n / 2; i++) h[i] = merkle_node(&h[2 * i], &h[2 * i + 1]);
    *ret = h[0];
    return true;
}

enum vl_err merkle_tile_node(struct vl_span bytes, unsigned height, uint64_t index, struct vl_hash *ret) {
    unsigned r = height % FAN_BITS, at = begins[r] + (unsigned)(index & ((MERKLE_FAN >> r) - 1));
    if (bytes.n != MERKLE_TILE_BYTES) return VL_ECORRUPT;
    memcpy(ret->b, bytes.p + (size_t)at * 32, 32);
    return VL_OK;
}

/* All the nodes of the root's cover are in open tiles: the digits of the size in base 16 say how many of each level. */
struct vl_hash merkle_log_root(const struct merkle_log *l) {
    struct merkle_plan p;
    struct vl_hash node[MERKLE_PLAN_MAX], root;
    if (merkle_root_plan(l->size, &p) != VL_OK) return merkle_empty();
    for (uint32_t i = 0; i < p.n; i++)
        if (!merkle_log_node(l, p.at[i].height, p.at[i].index, &node[i])) memset(&node[i], 0, sizeof node[i]);
    merkle_plan_fold(&p, node, &root);
    return root;
}

enum vl_err merkle_log_encode(const struct merkle_log *l, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_LOG, LOG_VERSION);
    pack_u64(&w, l->size);
    for (unsigned i = 0; i < MERKLE_LEVELS; i++) pack_bytes(&w, l->open[i].node, l->open[i].n * sizeof(struct vl_hash));
    return pack_end(&w);
}

enum vl_err merkle_log_decode(struct vl_span in, struct merkle_log *l) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_LOG, LOG_VERSION);
    if (err) return err;
    struct merkle_log got;
    merkle_log_init(&got);
    got.size = unpack_u64_in(&r, 0, MERKLE_SIZE_MAX - 1);
    for (unsigned i = 0; i < MERKLE_LEVELS; i++) {
        got.open[i].n = (uint32_t)(got.size >> (FAN_BITS * i) & (MERKLE_FAN - 1));
        vl_read_bytes(&r, got.open[i].node, got.open[i].n * sizeof(struct vl_hash));
    }
    err = vl_reader_end(&r);
    if (err == VL_OK) *l = got;
    return err;
}
