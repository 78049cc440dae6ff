#include "crypto/edwards.h"

const struct edwards edwards_base = {
    .x = { { 0x62d608f25d51a, 0x412a4b4f6592a, 0x75b7171a4b31d, 0x1ff60527118fe, 0x216936d3cd6e5 } },
    .y = { { 0x6666666666658, 0x4cccccccccccc, 0x1999999999999, 0x3333333333333, 0x6666666666666 } },
    .z = { { 1, 0, 0, 0, 0 } },
    .t = { { 0x68ab3a5b7dda3, 0xeea2a5eadbb, 0x2af8df483c27e, 0x332b375274732, 0x67875f0fd78b7 } },
};

struct edwards edwards_identity(void) {
    return (struct edwards){ FE_ZERO, FE_ONE, FE_ONE, FE_ZERO };
}

struct edwards_cached edwards_cache(const struct edwards *p) {
    return (struct edwards_cached){ fe_add(p->y, p->x), fe_sub(p->y, p->x), fe_add(p->z, p->z), fe_mul(p->t, fe_2d) };
}

struct edwards_affine edwards_cache_affine(const struct edwards *p) {
    return (struct edwards_affine){ fe_add(p->y, p->x), fe_sub(p->y, p->x), fe_mul(p->t, fe_2d) };
}

struct edwards edwards_neg(const struct edwards *p) {
    return (struct edwards){ fe_carry(fe_neg(p->x)), p->y, p->z, fe_carry(fe_neg(p->t)) };
}

struct edwards edwards_clear_cofactor(const struct edwards *p) {
    struct edwards r = edwards_double_to(p, false);
    r = edwards_double_to(&r, false);
    return edwards_double(&r);
}

void edwards_encode(const struct edwards *p, uint8_t ret[32]) {
    struct fe inverse = fe_invert(p->z);
    uint64_t sign = fe_is_negative(fe_mul(p->x, inverse));
    fe_encode(fe_mul(p->y, inverse), ret);
    ret[31] = (uint8_t)(ret[31] | sign << 7);
}

enum vl_err edwards_decode_vartime(const uint8_t in[32], struct edwards *ret) {
    if (!fe_canonical_vartime(in)) return VL_EPARSE;
    struct fe y = fe_decode(in), yy = fe_sq(y), x;
    /* x^2 = (y^2 - 1) / (d y^2 + 1) */
    if (!fe_sqrt_ratio(fe_sub(yy, FE_ONE), fe_add(fe_mul(fe_d, yy), FE_ONE), &x)) return VL_EPARSE;
    x = fe_carry(x);
    if (in[31] >> 7) {
        if (fe_is_zero(x)) return VL_EPARSE;
        x = fe_carry(fe_neg(x));
    }
    *ret = (struct edwards){ x, y, FE_ONE, fe_mul(x, y) };
    return VL_OK;
}

bool edwards_is_identity_vartime(const struct edwards *p) { return fe_is_zero(p->x) && fe_equal(p->y, p->z); }

bool edwards_is_prime_order_vartime(const struct edwards *p) {
    /* L = 2^252 + 27742317777372353535851937790883648493, from bit 251 downwards; the 125 bits of its tail. */
    static const uint64_t tail[2] = { 0x5812631a5cf5d3ed, 0x14def9dea2f79cd6 };
    struct edwards_cached c = edwards_cache(p);
    struct edwards r = *p;
    for (int bit = 251; bit >= 0; bit--) {
        bool one = bit < 128 && (tail[bit / 64] >> (bit % 64) & 1);
        r = edwards_double_to(&r, one);
        if (one) r = edwards_add(&r, &c);
    }
    return edwards_is_identity_vartime(&r);
}

struct edwards edwards_elligator2_vartime(struct fe u) {
    static const struct fe j = { { 486662, 0, 0, 0, 0 } };
    static const struct fe scale = {
        /* the even root of -486664, RFC 9380 appendix D.1 */
        { 0x604aaff457e06, 0x2296fa350598d, 0x7f13dfb16874f, 0x35de93d846e01, 0xf26edf460a00 }
    };
    struct fe uu = fe_sq(u), x = fe_mul(fe_carry(fe_neg(j)), fe_invert(fe_add(FE_ONE, fe_add(uu, uu)))), y;
    /* On the Montgomery curve y^2 = x^3 + J x^2 + x: the first x, with y odd, or the second, with y even. */
    struct fe gx = fe_mul(x, fe_add(fe_mul(x, fe_add(x, j)), FE_ONE));
    if (fe_sqrt_ratio(gx, FE_ONE, &y)) {
        y = fe_carry(fe_neg(fe_carry(y))); /* fe_sqrt_ratio gives the even one; 0 stays 0 */
    } else {
        x = fe_carry(fe_neg(fe_add(x, j)));
        gx = fe_mul(x, fe_add(fe_mul(x, fe_add(x, j)), FE_ONE));
        (void)fe_sqrt_ratio(gx, FE_ONE, &y); /* one of the two is a square (RFC 9380 6.7.1) */
        y = fe_carry(y);
    }
    struct fe below = fe_add(x, FE_ONE), above = fe_sub(x, FE_ONE), sx = fe_mul(scale, x);
    struct edwards r = { fe_mul(sx, below), fe_mul(above, y), fe_mul(below, y), fe_mul(sx, above) };
    return fe_is_zero(r.z) ? edwards_identity() : r;
}

void edwards_normalise(struct edwards *p, size_t n, struct fe *scratch) {
    struct fe all = FE_ONE;
    for (size_t i = 0; i < n; i++) { /* scratch[i] = product of the Z before i */
        scratch[i] = all;
        all = fe_mul(all, p[i].z);
    }
    all = fe_invert(all); /* no Z is 0 */
    for (size_t i = n; i-- > 0;) {
        struct fe inverse = fe_mul(all, scratch[i]);
        all = fe_mul(all, p[i].z);
        p[i] = (struct edwards){ fe_mul(p[i].x, inverse), fe_mul(p[i].y, inverse), FE_ONE, FE_ZERO };
        p[i].t = fe_mul(p[i].x, p[i].y);
    }
}
