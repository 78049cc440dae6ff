/* edwards.h - points of edwards25519, -x^2 + y^2 = 1 + d x^2 y^2 over fe25519.h (RFC 8032 5.1), in extended
 * coordinates: x = X/Z, y = Y/Z, T = XY/Z (Hisil, Wong, Carter, Dawson 2008).  The formulas are complete: identity,
 * equal and opposite points are nothing special.  What VRF and ristretto.h share; others want ristretto.h, which has no
 * cofactor.
 *
 * Constant time but for _vartime.  Coordinates are tight limbs always.  Pure. */
#ifndef VL_CRYPTO_EDWARDS_H
#define VL_CRYPTO_EDWARDS_H

#include "base/err.h"
#include "crypto/fe25519.h"

#include <stddef.h>

struct edwards {
    struct fe x, y, z, t;
};
/* The right-hand side of an addition, prepared: Y + X, Y - X, 2 Z, 2 d T.  Loose limbs. */
struct edwards_cached {
    struct fe ypx, ymx, z2, t2d;
};
/* The same for a point with Z = 1. */
struct edwards_affine {
    struct fe ypx, ymx, t2d;
};

extern const struct edwards edwards_base; /* RFC 8032: y = 4/5, x even */

struct edwards edwards_identity(void);
struct edwards_cached edwards_cache(const struct edwards *p);
/* p must have Z = 1. */
struct edwards_affine edwards_cache_affine(const struct edwards *p);
struct edwards edwards_neg(const struct edwards *p);

/* a + b or, with a factor exchanged, a - b; z2 is twice the product of both Z. */
static inline struct edwards edwards_join(const struct edwards *p, struct fe ypx, struct fe ymx, struct fe z2,
                                          struct fe t2d, bool minus) {
    struct fe a = fe_mul(fe_sub(p->y, p->x), ymx), b = fe_mul(fe_add(p->y, p->x), ypx), c = fe_mul(p->t, t2d);
    struct fe e = fe_sub(b, a), h = fe_add(b, a);
    struct fe f = minus ? fe_add(z2, c) : fe_sub(z2, c), g = minus ? fe_sub(z2, c) : fe_add(z2, c);
    return (struct edwards){ fe_mul(e, f), fe_mul(g, h), fe_mul(f, g), fe_mul(e, h) };
}
static inline struct edwards edwards_add(const struct edwards *p, const struct edwards_cached *q) {
    return edwards_join(p, q->ypx, q->ymx, fe_mul(p->z, q->z2), q->t2d, false);
}
static inline struct edwards edwards_sub(const struct edwards *p, const struct edwards_cached *q) {
    return edwards_join(p, q->ymx, q->ypx, fe_mul(p->z, q->z2), q->t2d, true);
}
static inline struct edwards edwards_add_affine(const struct edwards *p, const struct edwards_affine *q) {
    return edwards_join(p, q->ypx, q->ymx, fe_add(p->z, p->z), q->t2d, false);
}
static inline struct edwards edwards_sub_affine(const struct edwards *p, const struct edwards_affine *q) {
    return edwards_join(p, q->ymx, q->ypx, fe_add(p->z, p->z), q->t2d, true);
}

/* 2 p.  Reads no T; with want_t false none is written either, for a doubling that another one follows. */
static inline struct edwards edwards_double_to(const struct edwards *p, bool want_t) {
    struct fe a = fe_sq(p->x), b = fe_sq(p->y), z = fe_sq(p->z), s = fe_sq(fe_add(p->x, p->y));
    struct fe h = fe_add(a, b), e = fe_sub(h, s), g = fe_sub(a, b), f = fe_add(fe_add(z, z), g);
    struct edwards r = { fe_mul(e, f), fe_mul(g, h), fe_mul(f, g), FE_ZERO };
    if (want_t) r.t = fe_mul(e, h);
    return r;
}
static inline struct edwards edwards_double(const struct edwards *p) { return edwards_double_to(p, true); }
/* 8 p. */
struct edwards edwards_clear_cofactor(const struct edwards *p);

/* RFC 8032 5.1.2.  Constant time. */
void edwards_encode(const struct edwards *p, uint8_t ret[32]);
/* RFC 8032 5.1.3, strictly: VL_EPARSE when y >= p, when there is no such point, and for x = 0 with the sign set. */
VL_MUST_CHECK enum vl_err edwards_decode_vartime(const uint8_t in[32], struct edwards *ret);
bool edwards_is_identity_vartime(const struct edwards *p);
/* In the group of prime order L (the identity is): L p is the identity. */
bool edwards_is_prime_order_vartime(const struct edwards *p);
/* map_to_curve_elligator2_edwards25519 of RFC 9380 (6.8.2 and appendix G.2.2) of a tight u: a point of any order. */
struct edwards edwards_elligator2_vartime(struct fe u);

/* Z = 1 for all, with one inversion.  scratch: n elements. */
void edwards_normalise(struct edwards *p, size_t n, struct fe *scratch);

#endif
