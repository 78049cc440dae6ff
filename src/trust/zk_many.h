/* zk_many.h - that a commitment is to one of many public numbers, in O(log n) points and O(n) arithmetic modulo L
 * (Groth, Kohlweiss 2015, "One-out-of-many proofs"; the bits of the index committed together as in Bootle, Cerulli,
 * Chaidos, Ghadafi, Groth, Petit 2015, section 4.1; in base 2).
 *
 * Why no points of the set are needed.  The paper wants one of D[i] = V - s[i] B to be a commitment to 0, and has to
 * sum p[i](x) D[i] for polynomials p[i] of the secret index.  Our s[i] are public numbers, so that this sum is (sum of
 * p[i](x)) V - (sum of p[i](x) s[i]) B, and the p[i] add up to x^m: everything that grows with n is arithmetic modulo
 * L.
 *
 * Tuples.  With `width` 2 the statement is: the pair of commitments (V[0], V[1]) is to one of the public pairs.  It is
 * proved for V[0] + y V[1] and the numbers s[i][0] + y s[i][1], where y is a challenge drawn after the commitments and
 * the whole set.  That is sound: two proofs for different y open both commitments, to some (v0, v1), and if (v0, v1) is
 * no pair of the set then v0 + y v1 = s[i][0] + y s[i][1] holds for at most one y for each i (a polynomial of degree 1
 * that is not 0), hence for a random one with probability below n / L < 2^-239.  For more columns, powers of y:
 * degree 3.
 *
 * Not a member: the set is sorted, v lies in the gap between two neighbours.  Commit to both, prove with `width` 2 and
 * `stride` 1 that they are neighbours, and v > lower and v < upper by ranges (both numbers below 2^63, or the ranges'
 * differences wrap).  That the set is sorted without doubles, and has sentinels at its ends, the caller checks: it is
 * public.
 *
 * Fiat-Shamir over the caller's transcript, all of the statement absorbed here.  Errors, encodings, constant time (the
 * index is secret, too; time depends on n and width) and `random` as in zk_sigma.h.  Pure but for allocations. */
#ifndef VL_TRUST_ZK_MANY_H
#define VL_TRUST_ZK_MANY_H

#include "trust/zk_batch.h"
#include "trust/zk_range.h"
#include "trust/zk_scalar.h"

#define ZK_MANY_MIN 2u
#define ZK_MANY_MAX 8192u
#define ZK_MANY_WIDTH_MAX 4u
#define ZK_MANY_PROOF_MAX 1056u /* of 8,192 */

/* n tuples of `width` numbers; number j of tuple i is at[i * stride + j].  stride >= 1: with `width` 1 and stride 1 a
 * plain set, with `width` 2 and stride 1 all pairs of neighbours of n + 1 numbers.  at: (n - 1) * stride + width
 * numbers below L, borrowed. */
struct zk_many_set {
    const struct zk_scalar *at;
    unsigned n, width, stride; /* ZK_MANY_MIN..MAX, 1..ZK_MANY_WIDTH_MAX, 1..ZK_MANY_WIDTH_MAX */
};

/* Bytes of a proof, 32 (7 + 2 m) with m the bits of n - 1; 0 where n is out of range. */
size_t zk_many_size(unsigned n);

/* Constant time in v: which tuple is v[0..width)?  n when none is.  Of equal ones the first. */
unsigned zk_many_find(const struct zk_many_set *set, const struct zk_scalar *v);

/* commitment[j] is to number j of tuple `index`, with blind[j].  The generators must be for 16 bits or more.
 * VL_ERANGE: the set, the generators, or the commitments are not to that tuple.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err zk_many_prove(const struct zk_gens *g, struct transcript *t, const struct zk_many_set *set,
                                        const uint8_t (*commitment)[32], unsigned index, const uint8_t (*blind)[32],
                                        const uint8_t random[32], uint8_t *ret_proof);
VL_MUST_CHECK enum vl_err zk_many_verify(const struct zk_gens *g, struct transcript *t, const struct zk_many_set *set,
                                         const uint8_t (*commitment)[32], struct vl_span proof);
VL_MUST_CHECK enum vl_err zk_many_add(struct zk_batch *b, struct transcript *t, const struct zk_many_set *set,
                                      const uint8_t (*commitment)[32], struct vl_span proof);

#endif
