/* zk_form.h - linear forms over attributes with whole coefficients, and what values they can have.  Every operation is
 * checked: a form that might leave 127 bits fails, so that what comes out means integers.  Internal to zk_*.c.  Pure. */
#ifndef VL_TRUST_ZK_FORM_H
#define VL_TRUST_ZK_FORM_H

#include "trust/zk_pred.h"
#include "trust/zk_scalar.h"

__extension__ typedef __int128 zk_wide;

/* k[0] x[0] + ... + k[n-1] x[n-1] + c */
struct zk_form {
    zk_wide k[ZK_ATTRS_MAX], c;
};
struct zk_bounds {
    zk_wide lo, hi;
};

bool zk_form_is_const(const struct zk_form *f);
/* Terms with an attribute. */
unsigned zk_form_terms(const struct zk_form *f);
/* *a += k * b; false: too large, *a is of no use. */
VL_MUST_CHECK bool zk_form_add(struct zk_form *a, zk_wide k, const struct zk_form *b);
/* *a = a * b, one of them a constant; false: none is, or too large. */
VL_MUST_CHECK bool zk_form_mul(struct zk_form *a, const struct zk_form *b);
/* Greatest common divisor of the coefficients, at least 1. */
zk_wide zk_form_gcd(const struct zk_form *f);
/* What f can be for attributes below 2^bits.  false: it could pass 2^124 in size. */
VL_MUST_CHECK bool zk_form_bounds(const struct zk_form *f, const struct zk_attribute *attr, unsigned n,
                                  struct zk_bounds *ret);
/* Its value at values of attributes that are below 2^bits, for a form whose bounds are known to be; constant time. */
zk_wide zk_form_at(const struct zk_form *f, const uint64_t *value, unsigned n);
/* v modulo L, for |v| < 2^126; constant time. */
struct zk_scalar zk_of_wide(zk_wide v);
/* Bits that v >= 0 needs, 0 for 0. */
unsigned zk_wide_bits(zk_wide v);
zk_wide zk_wide_div_floor(zk_wide a, zk_wide b); /* b > 0 */
/* Decimal, with '-'; dst holds ZK_WIDE_TEXT bytes. */
#define ZK_WIDE_TEXT 48u
const char *zk_wide_text(zk_wide v, char dst[ZK_WIDE_TEXT]);

#endif
