/* zk_artefact.h - the file of a proof that a predicate is true (zk_proof.h): what is in it, and its canonical bytes.
 *
 *   tag, version
 *   canonical text of the predicate         16-bit length
 *   its published sets, in its order        count; each its numbers, 8 bytes, ascending
 *   credential                              16-bit length, 0: none
 *   verifier, purpose, nonce, epoch
 *   commitments of self-asserted attributes count, in the predicate's order
 *   signature of the credential's holder    present or not
 *   proof                                   32-bit length
 *
 * Strict: one encoding.  What the parts mean is judged by zk_verify().  Internal to zk_*.c and tests.  Pure. */
#ifndef VL_TRUST_ZK_ARTEFACT_H
#define VL_TRUST_ZK_ARTEFACT_H

#include "trust/zk_proof.h"

struct zk_artefact { /* spans are borrowed from the bytes */
    struct vl_span text;
    unsigned n_sets;
    struct vl_span set[ZK_SETS_MAX];
    struct vl_span credential;
    struct zk_context context;
    unsigned n_own;
    uint8_t own[ZK_ATTRS_MAX][32];
    bool has_holder;
    uint8_t holder[CRYPTO_SIGNATURE];
    struct vl_span proof;
};
/* Purpose: printable, not empty; epoch below 2^63. */
bool zk_context_ok(const struct zk_context *c);
bool zk_context_eq(const struct zk_context *a, const struct zk_context *b);
/* Errors of appending; VL_ERANGE: what does not fit its length. */
VL_MUST_CHECK enum vl_err zk_artefact_write(const struct zk_artefact *a, struct vl_buf *out);
/* VL_EPARSE, VL_EVERSION, VL_ELIMIT (more than ZK_ARTEFACT_MAX). */
VL_MUST_CHECK enum vl_err zk_artefact_read(struct vl_span in, struct zk_artefact *ret);
/* The numbers of a set as they stand in an artefact: appends 8 n bytes. */
VL_MUST_CHECK enum vl_err zk_artefact_put_set(const struct zk_set *s, struct vl_buf *out);
/* VL_EPARSE: not ascending, out of range, none; VL_ENOMEM.  Returns owned. */
VL_MUST_CHECK enum vl_err zk_artefact_get_set(struct vl_span in, struct zk_set **ret);

#endif
