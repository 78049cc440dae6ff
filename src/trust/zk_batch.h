/* zk_batch.h - many zero-knowledge proofs checked as one sum.  A verifier turns a proof into one equation, "this sum of
 * products is the identity"; an accumulator takes equations of every kind (zk_range.h, zk_sigma.h, zk_many.h,
 * zk_r1cs.h), multiplies each by a weight and adds them up, so that the generators they share are paid for once.
 *
 *     struct zk_batch *b = zk_batch_create(gens);
 *     zk_range_add(b, ...); zk_linear_add(b, ...); zk_many_add(b, ...);    claims 0, 1, 2
 *     zk_batch_check(b, seed, each);
 *
 * Weights come from the seed and from all of every proof: a wrong proof gets through with probability 2^-250.
 * Public data only: variable time.  Pure but for allocations. */
#ifndef VL_TRUST_ZK_BATCH_H
#define VL_TRUST_ZK_BATCH_H

#include "base/err.h"

#include <stdint.h>

#define ZK_BATCH_MAX 256u /* claims */

struct zk_gens;
struct zk_batch;

/* Empty; borrows g, which must be large enough for every claim that will be added.  NULL: out of memory.  Returns
 * owned. */
struct zk_batch *zk_batch_create(const struct zk_gens *g);
void zk_batch_destroy(struct zk_batch *b);
/* Claims so far; the next zk_*_add() is the claim of this number. */
unsigned zk_batch_count(const struct zk_batch *b);

/* What every zk_*_add(b, t, ...) does: it reads a proof as its zk_*_verify() would, continues the transcript t in the
 * same way, copies what it needs, and takes the next place whatever comes of it.  VL_OK: well-formed, the sum will
 * decide.  Else the verdict, which zk_batch_check() gives again in that place.  VL_ELIMIT: ZK_BATCH_MAX claims are
 * there already, and no place was taken. */

/* The verdict of everything added.  seed: 32 bytes that no prover could foresee.  ret_each (may be NULL): room for
 * zk_batch_count() verdicts, in order; when the sum is wrong each equation is checked alone, so that all wrong ones are
 * named.  VL_OK: all are right, also when there is none.  Else the first that is not; or VL_ENOMEM, with that in all of
 * ret_each.  Adding and checking can go on afterwards. */
VL_MUST_CHECK enum vl_err zk_batch_check(struct zk_batch *b, const uint8_t seed[32], enum vl_err *ret_each);

#endif
