/* zk_range_priv.h - what the prover (zk_range.c) and the verifier (zk_range_verify.c) share. */
#ifndef VL_TRUST_ZK_RANGE_PRIV_H
#define VL_TRUST_ZK_RANGE_PRIV_H

#include "trust/zk_inner.h"

#define ZK_TERMS_MAX (ZK_RANGE_BITS_MAX * ZK_RANGE_VALUES_MAX)

/* A proof begins with A, S, T1, T2 and t(x), its blinding factor, the one of the inner product; pairs L, R follow; then
 * a and b. */
#define ZK_HEAD (7u * 32u)

/* log2(bits * m), or -1 where there are no such proofs. */
int zk_range_rounds(unsigned bits, unsigned m);
/* The transcript up to the commitments. */
void zk_range_begin(struct transcript *t, const uint8_t (*commitment)[32], unsigned m, unsigned bits);

#endif
