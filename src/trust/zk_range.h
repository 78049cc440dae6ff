/* zk_range.h - that committed numbers lie in [0, 2^n), and nothing else about them: aggregated Bulletproofs range
 * proofs (Bünz, Bootle, Boneh, Poelstra, Wuille, Maxwell 2018, sections 4.1, 4.2 and 6) on ristretto255 with Merlin
 * transcripts, byte for byte as the bulletproofs crate of dalek has them.
 *
 * A commitment to v with blinding factor r is v B + r C, where nobody knows c with C = c B (Pedersen): it hides v
 * perfectly, and binds as long as discrete logarithms are hard.  A range proof of a number that its owner chose freely
 * says little: who vouches for the commitment is the caller's question.
 *
 * What the caller put into the transcript before is part of the statement.  Prover and verifier continue it in the same
 * way, and must begin with the same one: a purpose, the other side and its nonce belong into it.
 * Pure but for allocations. */
#ifndef VL_TRUST_ZK_RANGE_H
#define VL_TRUST_ZK_RANGE_H

#include "base/bytes.h"
#include "crypto/ristretto.h"
#include "crypto/transcript.h"
#include "trust/zk_batch.h"

#include <stdint.h>

#define ZK_RANGE_BITS_MAX 64u
#define ZK_RANGE_VALUES_MAX 8u
#define ZK_GENS_VALUES_MAX 64u
#define ZK_RANGE_PROOF_MAX 864u /* of 8 values of 64 bits */

/* Generators for proofs up to `bits` and `values`; make once, they cost about 20 us each (2 * bits * values). */
struct zk_gens;
/* bits: 8, 16, 32 or 64; values: a power of two up to ZK_GENS_VALUES_MAX, more than 8 for circuits (zk_r1cs.h; range
 * proofs have at most 8) (asserted).
 * NULL: out of memory.  Returns owned. */
struct zk_gens *zk_gens_create(unsigned bits, unsigned values);
void zk_gens_destroy(struct zk_gens *g);
/* B, the base point, and C = SHA3-512(B) as an element.  Borrowed. */
const struct ristretto *zk_gens_value(const struct zk_gens *g);
const struct ristretto *zk_gens_blind(const struct zk_gens *g);

/* v B + blind C, constant time.  blind: below L, secret, uniform, used once. */
void zk_commit(const struct zk_gens *g, uint64_t v, const uint8_t blind[32], uint8_t ret[32]);

/* Bytes of a proof; 0 where bits or values are none of those above. */
size_t zk_range_size(unsigned bits, unsigned values);

/* Proves v[0..m) in [0, 2^bits); constant time in v and blind.  random: 32 fresh bytes; though they were bad, no two
 * statements share a nonce.  Writes the commitments, and zk_range_size() bytes to ret_proof.
 * VL_ERANGE: bits, m or a number out of range, or more than the generators allow.  VL_ENOMEM.  VL_ECRYPTO: a challenge
 * was 0, probability 2^-250.  On error the transcript is of no use any more and no output is written. */
VL_MUST_CHECK enum vl_err zk_range_prove(const struct zk_gens *g, struct transcript *t, const uint64_t *v,
                                         const uint8_t (*blind)[32], unsigned m, unsigned bits,
                                         const uint8_t random[32], uint8_t (*ret_commitment)[32], uint8_t *ret_proof);

/* Any bytes give a verdict.  VL_ERANGE: bits, m.  VL_EPARSE: not the length, a point that is no encoding or the
 * identity, a scalar that is not reduced.  VL_ECRYPTO: wrong.  VL_ENOMEM: no verdict. */
VL_MUST_CHECK enum vl_err zk_range_verify(const struct zk_gens *g, struct transcript *t,
                                          const uint8_t (*commitment)[32], unsigned m, unsigned bits,
                                          struct vl_span proof);

/* The same into a batch of proofs of any kind (zk_batch.h). */
VL_MUST_CHECK enum vl_err zk_range_add(struct zk_batch *b, struct transcript *t, const uint8_t (*commitment)[32],
                                       unsigned m, unsigned bits, struct vl_span proof);

/* One proof of a batch of range proofs alone; all is borrowed. */
struct zk_range_claim {
    struct transcript *t;
    const uint8_t (*commitment)[32];
    unsigned m, bits;
    struct vl_span proof;
};
/* Checks n proofs as one sum with random weights: a wrong one gets through with probability 2^-250.  seed: 32 bytes
 * that no prover could foresee.  ret_each[i] is the verdict of claim i, as of zk_range_verify(): a batch with a wrong
 * one is checked proof by proof, so that it is named.  VL_OK: all are right.  Else the first that is not; or VL_ELIMIT
 * (n > ZK_BATCH_MAX) or VL_ENOMEM with that in all of ret_each. */
VL_MUST_CHECK enum vl_err zk_range_verify_batch(const struct zk_gens *g, const struct zk_range_claim *claim, unsigned n,
                                                const uint8_t seed[32], enum vl_err *ret_each);

#endif
