/* zk_sigma.h - short proofs about Pedersen commitments v B + r C (zk_range.h): linear relations (Schnorr 1991), that
 * openings are known (Okamoto 1992, many at once as Gennaro, Leigh, Sundaram, Yerazunis 2004), membership in a small
 * public set (Cramer, Damgård, Schoenmakers 1994).
 *
 * Fiat-Shamir over the caller's transcript.  All of the statement is absorbed here: kind, sizes, coefficients, set,
 * commitments.  What the caller absorbed before (context, purpose, nonce) is part of it.  Prover and verifier leave the
 * transcript in one state.  Each proof has exactly one encoding: scalars below L, points canonical and not the
 * identity.
 *
 * Provers: constant time in values, blinding factors and in which member of the set is meant; `random` is 32 fresh
 * bytes, and nonces follow from the witness and the statement as well.  A prover refuses a statement that its witness
 * does not fulfil (VL_ERANGE).  On error no output is written and the transcript is of no use any more.
 * Verifiers: variable time, total.  VL_ERANGE: sizes or public scalars out of range, or more than the generators allow.
 * VL_EPARSE: not the length, a point that is no encoding, a scalar not reduced.  VL_ECRYPTO: wrong.  VL_ENOMEM: no
 * verdict.  zk_*_add(): zk_batch.h.  Pure but for allocations. */
#ifndef VL_TRUST_ZK_SIGMA_H
#define VL_TRUST_ZK_SIGMA_H

#include "trust/zk_batch.h"
#include "trust/zk_range.h"
#include "trust/zk_scalar.h"

#define ZK_LINEAR_MAX 64u   /* commitments in one relation, or opened at once */
#define ZK_LINEAR_PROOF 64u /* bytes */
#define ZK_OPEN_PROOF 96u
#define ZK_SET_MIN 2u
#define ZK_SET_MAX 64u
#define ZK_SET_PROOF_MAX (96u * ZK_SET_MAX - 32u)

/* v B + blind C for any number modulo L, such as a hash of text; constant time.  zk_commit() is the same for 64 bits.
 */
void zk_commit_scalar(const struct zk_gens *g, const struct zk_scalar *v, const uint8_t blind[32], uint8_t ret[32]);

/* a[0] v[0] + ... + a[n-1] v[n-1] = k modulo L, for public a and k (below L) and n of 1..ZK_LINEAR_MAX commitments.
 * Equality of two is a = (1, -1), k = 0.  Modulo L: whoever means integers must know that no sum can wrap.
 * Proves knowledge of r with sum(a[i] V[i]) - k B = r C, hence the relation of whatever the commitments open to.  That
 * their openings are known at all is shown by zk_open_*(), by a range proof, or by whoever signed them. */
VL_MUST_CHECK enum vl_err zk_linear_prove(const struct zk_gens *g, struct transcript *t, const struct zk_scalar *a,
                                          const uint8_t (*commitment)[32], unsigned n, const struct zk_scalar *k,
                                          const uint8_t (*blind)[32], const uint8_t random[32],
                                          uint8_t ret_proof[ZK_LINEAR_PROOF]);
VL_MUST_CHECK enum vl_err zk_linear_verify(const struct zk_gens *g, struct transcript *t, const struct zk_scalar *a,
                                           const uint8_t (*commitment)[32], unsigned n, const struct zk_scalar *k,
                                           struct vl_span proof);
VL_MUST_CHECK enum vl_err zk_linear_add(struct zk_batch *b, struct transcript *t, const struct zk_scalar *a,
                                        const uint8_t (*commitment)[32], unsigned n, const struct zk_scalar *k,
                                        struct vl_span proof);

/* Openings (v[i], blind[i]) of all of n (1..ZK_LINEAR_MAX) commitments are known. */
VL_MUST_CHECK enum vl_err zk_open_prove(const struct zk_gens *g, struct transcript *t, const uint8_t (*commitment)[32],
                                        unsigned n, const struct zk_scalar *v, const uint8_t (*blind)[32],
                                        const uint8_t random[32], uint8_t ret_proof[ZK_OPEN_PROOF]);
VL_MUST_CHECK enum vl_err zk_open_verify(const struct zk_gens *g, struct transcript *t, const uint8_t (*commitment)[32],
                                         unsigned n, struct vl_span proof);
VL_MUST_CHECK enum vl_err zk_open_add(struct zk_batch *b, struct transcript *t, const uint8_t (*commitment)[32],
                                      unsigned n, struct vl_span proof);

/* Bytes of a proof of membership: 96 n - 32; 0 where n is not ZK_SET_MIN..ZK_SET_MAX.  zk_many.h is shorter from 5
 * members on, faster to prove from 4, to check from 10. */
size_t zk_set_size(unsigned n);
/* The commitment is to one of set[0..n), public numbers below L; also shows that its opening is known.  index: which
 * one, secret.  A number may be in the set twice. */
VL_MUST_CHECK enum vl_err zk_set_prove(const struct zk_gens *g, struct transcript *t, const struct zk_scalar *set,
                                       unsigned n, const uint8_t commitment[32], unsigned index,
                                       const uint8_t blind[32], const uint8_t random[32], uint8_t *ret_proof);
VL_MUST_CHECK enum vl_err zk_set_verify(const struct zk_gens *g, struct transcript *t, const struct zk_scalar *set,
                                        unsigned n, const uint8_t commitment[32], struct vl_span proof);
VL_MUST_CHECK enum vl_err zk_set_add(struct zk_batch *b, struct transcript *t, const struct zk_scalar *set, unsigned n,
                                     const uint8_t commitment[32], struct vl_span proof);

#endif
