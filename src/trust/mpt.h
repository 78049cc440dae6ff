/* mpt.h - the Merkle-Patricia trie of the Ethereum chain (yellow paper, appendix D): checking that a value is in one, and proving it for the
 * tries of a block, whose keys are the RLP of 0, 1, 2... (transactions, receipts).  Pure; only public data. */
#ifndef VL_TRUST_MPT_H
#define VL_TRUST_MPT_H

#include "base/bytes.h"
#include "base/id.h"

#define MPT_NODES_MAX 32u
#define MPT_KEY_MAX 32u
#define MPT_ITEMS_MAX 65536u

/* node[0] hashes to the root, each of the others to what the one before refers to; the last holds the value (borrowed).
 * VL_ECRYPTO: it is no proof of that; VL_ERANGE: the key is too long. */
VL_MUST_CHECK enum vl_err mpt_check(const struct vl_hash *root, struct vl_span key, const struct vl_span *node, uint32_t n, struct vl_span *ret);

/* The proof that `item[at]` is in the trie of all n: nodes one behind the other in `out`, their lengths in len.  root: of the trie.
 * VL_ERANGE: at >= n, n above MPT_ITEMS_MAX, an item below 32 bytes (no transaction or receipt is); VL_ELIMIT: no room in out; VL_ENOMEM. */
struct mpt_proof {
    struct vl_hash root;
    uint32_t nodes;
    size_t len[MPT_NODES_MAX];
};
VL_MUST_CHECK enum vl_err mpt_prove(const struct vl_span *item, uint32_t n, uint32_t at, struct vl_buf *out, struct mpt_proof *ret);
/* RLP of a number below 2^32, at most 5 bytes: the key of item `at`. */
size_t mpt_key(uint32_t at, uint8_t ret[8]);

#endif
