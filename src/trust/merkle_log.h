/* merkle_log.h - core: an append-only log as a Merkle tree (crypto/merkle.h), for the receipts of a village (FOG-11).
 * Pure.  In memory are the nodes of tiles that are not full yet: sixteen siblings of one height, a multiple of four.  A full
 * tile, with the nodes of the three heights above them, is given out to be kept; nothing in it ever changes.  So an
 * append costs two hashes on average, whatever the size, and a proof reads one tile for every four heights: six for ten
 * million leaves (decision 20). */
#ifndef VL_TRUST_MERKLE_LOG_H
#define VL_TRUST_MERKLE_LOG_H

#include "base/bytes.h"
#include "crypto/merkle.h"

#define MERKLE_FAN 16u
#define MERKLE_LEVELS 12u /* 16^12 = MERKLE_SIZE_MAX */
#define MERKLE_TILE_NODES 30u
#define MERKLE_TILE_BYTES (MERKLE_TILE_NODES * 32u)
#define MERKLE_LOG_BYTES_MAX (10u + MERKLE_LEVELS * (1u + MERKLE_FAN * 32u))

struct merkle_tile {
    uint8_t level; /* its lowest nodes have height 4 * level */
    uint64_t index;
    struct vl_hash node[MERKLE_TILE_NODES]; /* 16 of the lowest height, 8, 4, 2 */
};
struct merkle_log {
    uint64_t size;
    struct {
        uint32_t n; /* < MERKLE_FAN between appends */
        struct vl_hash node[MERKLE_FAN];
    } open[MERKLE_LEVELS];
};

void merkle_log_init(struct merkle_log *l);
/* Full tiles are put into ret (room for MERKLE_LEVELS); their number in *ret_n.  VL_ELIMIT: the log is full. */
VL_MUST_CHECK enum vl_err merkle_log_append(struct merkle_log *l, const struct vl_hash *leaf, struct merkle_tile *ret, uint32_t *ret_n);
struct vl_hash merkle_log_root(const struct merkle_log *l);
/* The node when it is in an open tile; false: it stands in the tile named, or lies beyond the log. */
bool merkle_log_node(const struct merkle_log *l, unsigned height, uint64_t index, struct vl_hash *ret);
void merkle_tile_of(unsigned height, uint64_t index, uint8_t *ret_level, uint64_t *ret_tile);
/* From the stored bytes of that tile.  VL_ECORRUPT: another length. */
VL_MUST_CHECK enum vl_err merkle_tile_node(struct vl_span bytes, unsigned height, uint64_t index, struct vl_hash *ret);
/* The open tiles: what a log is opened with again.  VL_EPARSE, VL_EVERSION; then l is unchanged. */
VL_MUST_CHECK enum vl_err merkle_log_encode(const struct merkle_log *l, struct vl_buf *out);
VL_MUST_CHECK enum vl_err merkle_log_decode(struct vl_span in, struct merkle_log *l);

#endif
