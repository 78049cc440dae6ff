/* zk_inner.h - the inner-product argument of Bulletproofs (Bünz and others 2018, section 3): that <a, G> + <b, H'> +
 * <a, b> Q is a point that both sides know, for H'[i] = y^-i H[i], in 2 log2(n) points and two numbers.  Labels and
 * bytes are dalek's.  Variable time: a and b are blinded by whoever calls and might be shown as they are; the argument
 * makes them short, it does not hide them.  Internal to zk_*.c. */
#ifndef VL_TRUST_ZK_INNER_H
#define VL_TRUST_ZK_INNER_H

#include "trust/zk_priv.h"

#define ZK_ROUNDS_MAX 12u /* of 4,096 */

/* Q = w B.  n: a power of two; a and b are folded in place; g and h: n generators each.  out: 64 log2(n) + 64 bytes.
 * VL_ECRYPTO: a challenge was 0.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err zk_inner_prove(const struct zk_gens *gens, const struct ristretto *g,
                                         const struct ristretto *h, struct transcript *t, unsigned n,
                                         struct zk_scalar *a, struct zk_scalar *b, struct zk_scalar y,
                                         struct zk_scalar w, uint8_t *out);

/* A verifier's challenges. */
struct zk_inner {
    unsigned n, rounds;
    struct zk_scalar sq[ZK_ROUNDS_MAX], inv_sq[ZK_ROUNDS_MAX], inv_y, inv_all;
};
/* Continues the transcript over the Ls and Rs at `in`.  y: not 0.  false: a challenge is 0. */
bool zk_inner_read(struct transcript *t, unsigned n, const uint8_t *in, struct zk_scalar y, struct zk_inner *ret);
/* s[0..n): of what every G[i] is multiplied by besides a; s[n-1-i] is 1 / s[i]. */
void zk_inner_scalars(const struct zk_inner *c, struct zk_scalar *s);
unsigned zk_log2(unsigned n); /* rounded up; 0 for 0 and 1 */

#endif
