/* merkle.h - the Merkle tree of an append-only log (RFC 6962 section 2.1, RFC 9162 section 2.1): hashes, which nodes a proof
 * consists of, and checking one; and its signed head as text (C2SP tlog-checkpoint and signed-note).  SHA-256; a leaf is
 * hashed behind a byte 0, a node behind a byte 1, so that neither passes for the other.  Pure; no state.
 *
 * Node (height h, index i) is the root over the leaves i * 2^h .. (i + 1) * 2^h - 1: those are never changed by later
 * leaves, so whoever keeps them can prove for every size the log ever had.  The log itself: trust/merkle_log.h. */
#ifndef VL_CRYPTO_MERKLE_H
#define VL_CRYPTO_MERKLE_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/sign.h"

#include <stdbool.h>
#include <stdint.h>

#define MERKLE_PROOF_MAX 64u /* hashes of an inclusion proof; a consistency proof has one more at most */
#define MERKLE_PLAN_MAX 128u
#define MERKLE_SIZE_MAX (1ull << 48)
#define MERKLE_ORIGIN_MAX 96u /* with the NUL */
#define MERKLE_CHECKPOINT_MAX 512u

struct vl_hash merkle_leaf(struct vl_span leaf);
struct vl_hash merkle_node(const struct vl_hash *left, const struct vl_hash *right);
struct vl_hash merkle_empty(void); /* root of no leaves: SHA-256 of nothing */

/* Which nodes make up a proof or a root: fetch all, then merkle_plan_fold(). */
struct merkle_plan {
    uint32_t n, items; /* nodes; hashes that they fold to */
    struct merkle_at {
        uint8_t height, item;
        uint64_t index;
    } at[MERKLE_PLAN_MAX];
};
/* VL_ERANGE: size 0 or above MERKLE_SIZE_MAX; index >= size; old 0 or above new. */
VL_MUST_CHECK enum vl_err merkle_root_plan(uint64_t size, struct merkle_plan *ret);
VL_MUST_CHECK enum vl_err merkle_inclusion_plan(uint64_t index, uint64_t size, struct merkle_plan *ret);
VL_MUST_CHECK enum vl_err merkle_consistency_plan(uint64_t old_size, uint64_t new_size, struct merkle_plan *ret);
/* node[i] is the hash of plan->at[i]; ret has room for plan->items (MERKLE_PROOF_MAX + 1 does). */
void merkle_plan_fold(const struct merkle_plan *plan, const struct vl_hash *node, struct vl_hash *ret);

/* RFC 9162 sections 2.1.3.2 and 2.1.4.2.  VL_ECRYPTO: it proves nothing of the kind. */
VL_MUST_CHECK enum vl_err merkle_inclusion_check(uint64_t index, uint64_t size, const struct vl_hash *leaf,
                                                 const struct vl_hash *proof, uint32_t n, const struct vl_hash *root);
VL_MUST_CHECK enum vl_err merkle_consistency_check(uint64_t old_size, uint64_t new_size, const struct vl_hash *old_root,
                                                   const struct vl_hash *new_root, const struct vl_hash *proof, uint32_t n);

/* A head, signed.  Text:
 *   ORIGIN \n SIZE \n ROOT in base64 \n time TIME_MS \n \n  EM-DASH SPACE ORIGIN SPACE base64(4 bytes of key hash, signature) \n */
struct merkle_checkpoint {
    char origin[MERKLE_ORIGIN_MAX]; /* printable ASCII without space and '+' */
    uint64_t size;
    struct vl_hash root;
    vl_ms time_ms;
};
/* Appends nothing: writes NUL-terminated text of at most MERKLE_CHECKPOINT_MAX bytes.  VL_ERANGE: origin. */
VL_MUST_CHECK enum vl_err merkle_checkpoint_sign(const struct merkle_checkpoint *c, const struct crypto_sign_key *key,
                                                 char ret[MERKLE_CHECKPOINT_MAX]);
/* Strict.  VL_EPARSE; VL_ECRYPTO: not signed by this key. */
VL_MUST_CHECK enum vl_err merkle_checkpoint_open(struct vl_span text, const uint8_t public[32], struct merkle_checkpoint *ret);

#endif
