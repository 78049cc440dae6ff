/* zk_gadget.h - parts of circuits (zk_r1cs.h).  The price in multipliers stands at each one.
 *
 * A boolean here is a linear combination that the circuit has bound to 0 or 1: the results of these functions, and what
 * zk_gadget_bool() was given.  Errors stick in the system.  Nothing here takes time that depends on values.  Pure but
 * for what the system allocates. */
#ifndef VL_TRUST_ZK_GADGET_H
#define VL_TRUST_ZK_GADGET_H

#include "trust/zk_r1cs.h"

#define ZK_BITS_MAX 64u
#define ZK_COMPARE_MAX 62u /* width of numbers that are compared */

/* v is 0 or 1.  1 multiplier. */
void zk_gadget_bool(struct zk_cs *cs, const struct zk_lc *v);
/* v in [0, 2^n), n of 1..ZK_BITS_MAX (asserted).  ret_bit: n booleans, the lowest first; NULL when they are not wanted.
 * n multipliers. */
void zk_gadget_range(struct zk_cs *cs, const struct zk_lc *v, unsigned n, struct zk_var *ret_bit);

/* Of booleans.  1 multiplier each, NOT none. */
struct zk_lc zk_gadget_not(const struct zk_lc *a);
struct zk_lc zk_gadget_and(struct zk_cs *cs, const struct zk_lc *a, const struct zk_lc *b);
struct zk_lc zk_gadget_or(struct zk_cs *cs, const struct zk_lc *a, const struct zk_lc *b);
/* This boolean is 1.  No multiplier. */
void zk_gadget_true(struct zk_cs *cs, const struct zk_lc *a);

/* v != 0 modulo L.  1 multiplier. */
void zk_gadget_nonzero(struct zk_cs *cs, const struct zk_lc *v);
/* Is v = 0?  2 multipliers.  For a = b give it the difference. */
struct zk_lc zk_gadget_is_zero(struct zk_cs *cs, const struct zk_lc *v);

/* v is one of set[0..n), n >= 1 (asserted).  max(n - 1, 0) multipliers. */
void zk_gadget_member(struct zk_cs *cs, const struct zk_lc *v, const struct zk_scalar *set, unsigned n);
/* Is it?  n + 1 multipliers. */
struct zk_lc zk_gadget_is_member(struct zk_cs *cs, const struct zk_lc *v, const struct zk_scalar *set, unsigned n);

/* Is a >= b?  For a and b in [0, 2^width), width of 1..ZK_COMPARE_MAX (asserted), which the caller has made sure of by
 * zk_gadget_range(), a range proof or who signed it: outside, the prover may have no proof, or a wrong answer has one.
 * In fact |a - b| < 2^width is enough: give it a difference and 0.  width + 1 multipliers. */
struct zk_lc zk_gadget_at_least(struct zk_cs *cs, const struct zk_lc *a, const struct zk_lc *b, unsigned width);

#endif
