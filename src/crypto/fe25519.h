/* fe25519.h - the field of integers modulo p = 2^255 - 19, in five limbs of 51 bits (Bernstein et al., "High-speed
 * high-security signatures", 2011, section 4; our own code).
 *
 * Constant time: no branch and no index depends on a value, but for the functions whose name ends in _vartime.
 * Limbs are unsigned and not always reduced; each function says what it takes and gives:
 *   tight  every limb < 2^51 + 2^15: what fe_mul, fe_sq, fe_carry and fe_decode give
 *   loose  every limb < 2^54: what fe_mul, fe_sq, fe_carry, fe_encode and all that follow from them take
 * fe_add of two tight is < 2^52.1; fe_sub of anything tight or twice tight is < 2^53.7: so one addition or subtraction,
 * or a subtraction of such a sum, goes straight into a product and needs no carry.  Pure. */
#ifndef VL_CRYPTO_FE25519_H
#define VL_CRYPTO_FE25519_H

#include <stdbool.h>
#include <stdint.h>

struct fe {
    uint64_t v[5]; /* value = sum of v[i] * 2^(51 i) */
};
__extension__ typedef unsigned __int128 fe_wide;

/* Limbs must stay in registers: left to itself gcc calls these and passes them through memory, at 1.7 times the time.
 */
#define FE_INLINE static inline __attribute__((always_inline))
#define FE_MASK ((1ull << 51) - 1)
#define FE_ZERO ((struct fe){ { 0, 0, 0, 0, 0 } })
#define FE_ONE ((struct fe){ { 1, 0, 0, 0, 0 } })

/* d = -121665/121666 of the curve, 2d, and the even root of -1. */
extern const struct fe fe_d, fe_2d, fe_sqrt_m1;

/* Loose when both are below 2^53. */
FE_INLINE struct fe fe_add(struct fe a, struct fe b) {
    const uint64_t *x = a.v, *y = b.v;
    return (struct fe){ { x[0] + y[0], x[1] + y[1], x[2] + y[2], x[3] + y[3], x[4] + y[4] } };
}

/* a - b, b's limbs < 2^53 - 76: 4 p is added so that no limb falls below zero.  Loose when a's are < 2^53. */
FE_INLINE struct fe fe_sub(struct fe a, struct fe b) {
    const uint64_t *x = a.v, *y = b.v, p4 = 0x1ffffffffffffcu;
    return (struct fe){ { x[0] + (p4 - 72 - y[0]), x[1] + (p4 - y[1]), x[2] + (p4 - y[2]), x[3] + (p4 - y[3]),
                          x[4] + (p4 - y[4]) } };
}

/* Loose to tight. */
FE_INLINE struct fe fe_carry(struct fe a) {
    const uint64_t *x = a.v;
    return (struct fe){ { (x[0] & FE_MASK) + 19 * (x[4] >> 51), (x[1] & FE_MASK) + (x[0] >> 51),
                          (x[2] & FE_MASK) + (x[1] >> 51), (x[3] & FE_MASK) + (x[2] >> 51),
                          (x[4] & FE_MASK) + (x[3] >> 51) } };
}

/* -a: takes limbs < 2^53 - 76, gives loose. */
FE_INLINE struct fe fe_neg(struct fe a) { return fe_sub(FE_ZERO, a); }

/* Five columns to tight limbs.  Each column of a product of loose factors is < 77 * 2^108 < 2^114.3, the last, which
 * has no factor 19 in it, < 5 * 2^108 + 2^63.3: so carries fit 64 bits, and so does 19 times the last. */
FE_INLINE struct fe fe_columns(fe_wide c0, fe_wide c1, fe_wide c2, fe_wide c3, fe_wide c4) {
    struct fe r;
    c1 += (uint64_t)(c0 >> 51);
    c2 += (uint64_t)(c1 >> 51);
    c3 += (uint64_t)(c2 >> 51);
    c4 += (uint64_t)(c3 >> 51);
    uint64_t low = ((uint64_t)c0 & FE_MASK) + 19 * (uint64_t)(c4 >> 51);
    r.v[0] = low & FE_MASK;
    r.v[1] = ((uint64_t)c1 & FE_MASK) + (low >> 51);
    r.v[2] = (uint64_t)c2 & FE_MASK;
    r.v[3] = (uint64_t)c3 & FE_MASK;
    r.v[4] = (uint64_t)c4 & FE_MASK;
    return r;
}

/* Loose factors, tight product. */
FE_INLINE struct fe fe_mul(struct fe f, struct fe g) {
    const uint64_t *a = f.v, *b = g.v;
    uint64_t b1 = 19 * b[1], b2 = 19 * b[2], b3 = 19 * b[3], b4 = 19 * b[4];
    fe_wide c0 =
        (fe_wide)a[0] * b[0] + (fe_wide)a[1] * b4 + (fe_wide)a[2] * b3 + (fe_wide)a[3] * b2 + (fe_wide)a[4] * b1;
    fe_wide c1 =
        (fe_wide)a[0] * b[1] + (fe_wide)a[1] * b[0] + (fe_wide)a[2] * b4 + (fe_wide)a[3] * b3 + (fe_wide)a[4] * b2;
    fe_wide c2 =
        (fe_wide)a[0] * b[2] + (fe_wide)a[1] * b[1] + (fe_wide)a[2] * b[0] + (fe_wide)a[3] * b4 + (fe_wide)a[4] * b3;
    fe_wide c3 =
        (fe_wide)a[0] * b[3] + (fe_wide)a[1] * b[2] + (fe_wide)a[2] * b[1] + (fe_wide)a[3] * b[0] + (fe_wide)a[4] * b4;
    fe_wide c4 = (fe_wide)a[0] * b[4] + (fe_wide)a[1] * b[3] + (fe_wide)a[2] * b[2] + (fe_wide)a[3] * b[1] +
                 (fe_wide)a[4] * b[0];
    return fe_columns(c0, c1, c2, c3, c4);
}

/* Loose in, tight out. */
FE_INLINE struct fe fe_sq(struct fe f) {
    const uint64_t *a = f.v;
    uint64_t d0 = 2 * a[0], d1 = 2 * a[1], e3 = 19 * a[3], e4 = 19 * a[4];
    fe_wide c0 = (fe_wide)a[0] * a[0] + (fe_wide)d1 * e4 + (fe_wide)(2 * a[2]) * e3;
    fe_wide c1 = (fe_wide)d0 * a[1] + (fe_wide)(2 * a[2]) * e4 + (fe_wide)a[3] * e3;
    fe_wide c2 = (fe_wide)d0 * a[2] + (fe_wide)a[1] * a[1] + (fe_wide)(2 * a[3]) * e4;
    fe_wide c3 = (fe_wide)d0 * a[3] + (fe_wide)d1 * a[2] + (fe_wide)a[4] * e4;
    fe_wide c4 = (fe_wide)d0 * a[4] + (fe_wide)d1 * a[3] + (fe_wide)a[2] * a[2];
    return fe_columns(c0, c1, c2, c3, c4);
}

/* b when take is 1, a when it is 0; take is nothing else. */
FE_INLINE struct fe fe_select(struct fe a, struct fe b, uint64_t take) {
    uint64_t m = 0 - take;
    for (int i = 0; i < 5; i++) a.v[i] ^= m & (a.v[i] ^ b.v[i]);
    return a;
}

/* 32 bytes little-endian, bit 255 ignored; values >= p are taken modulo p.  Tight. */
struct fe fe_decode(const uint8_t in[32]);
/* The one encoding below p.  Loose in. */
void fe_encode(struct fe a, uint8_t ret[32]);
/* 1 or 0.  Loose in. */
uint64_t fe_is_zero(struct fe a);
uint64_t fe_equal(struct fe a, struct fe b); /* tight in */
/* The lowest bit of the encoding (RFC 9496 4.1: IS_NEGATIVE). */
uint64_t fe_is_negative(struct fe a);
/* -a when it is negative.  Takes limbs < 2^53 - 76, gives loose. */
struct fe fe_abs(struct fe a);
/* a^(p-2), 0 for 0.  Loose in, tight out. */
struct fe fe_invert(struct fe a);
/* SQRT_RATIO_M1 of RFC 9496 4.2: *ret is the non-negative root of u/v and the result 1 when there is one; else (0) *ret
 * is the root of sqrt(-1) u/v; 0 with result 1 for u = 0; 0 with result 0 for v = 0 and u not 0.  Loose in and out. */
uint64_t fe_sqrt_ratio(struct fe u, struct fe v, struct fe *ret);
/* 64 bytes little-endian modulo p.  Tight. */
struct fe fe_decode_wide(const uint8_t in[64]);
/* true: the 32 bytes, bit 255 aside, are below p.  Takes time that depends on the bytes. */
bool fe_canonical_vartime(const uint8_t in[32]);

#endif
