/* persist.h - the records of a brain as rows of a store, and back.  Used by the running node and by the simulator, so
 * that both restart in the same way. */
#ifndef VL_NODE_PERSIST_H
#define VL_NODE_PERSIST_H

#include "brain/brain.h"
#include "store/store.h"

/* Builds the batch of one BRAIN_COMMIT.  Returns owned; NULL only when out of memory (store_submit() takes it then
 * too). */
struct store_batch *persist_batch(const struct record *v, size_t n);
/* Feeds everything a brain needs from the store to brain_restore(), in the right order.
 * VL_ECORRUPT and the store's errors; `msg` says which table. */
VL_MUST_CHECK enum vl_err persist_restore(struct store *s, struct brain *b, vl_ms now, struct vl_errmsg *msg);
/* Deletes what has expired by now from tables that nothing else trims; at most a few hundred rows. */
void persist_trim(struct store_batch *batch, vl_ms now);
/* Content of a small blob, borrowed as store_get() lends it.  VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err persist_small_blob(struct store *s, const struct vl_hash *h, struct vl_span *ret);
/* Tiles of the log of receipts that were read from one store.  NULL: out of memory; all below work without, and slower. */
struct persist_tiles;
struct persist_tiles *persist_tiles_create(void);
void persist_tiles_destroy(struct persist_tiles *t);
/* One node of the log out of its tile.  VL_EAGAIN: that is on its way to the store; VL_ECORRUPT, and the store's errors. */
VL_MUST_CHECK enum vl_err persist_log_node(struct store *s, struct persist_tiles *tiles, unsigned height, uint64_t index, struct vl_hash *ret);
/* Hashes that a plan folds to, ret has room for plan->items: from tiles of the store and the open ones of the brain.  Errors as above. */
VL_MUST_CHECK enum vl_err persist_log_nodes(struct store *s, struct persist_tiles *tiles, const struct brain *b, const struct merkle_plan *plan,
                                            struct vl_hash *ret);
/* Answers BRAIN_LOG_PROVE: ret holds MERKLE_PROOF_MAX + 1.  Also VL_ERANGE. */
VL_MUST_CHECK enum vl_err persist_log_prove(struct store *s, struct persist_tiles *tiles, const struct brain *b, uint64_t first, uint64_t second,
                                            struct vl_hash *ret, uint32_t *ret_n);
/* One value of the META table, copied to dst.  VL_ENOTFOUND, VL_ELIMIT: longer than cap. */
VL_MUST_CHECK enum vl_err persist_meta_get(struct store *s, const char *key, void *dst, size_t cap, size_t *ret_n);
void persist_meta_put(struct store_batch *batch, const char *key, struct vl_span value);

#endif
