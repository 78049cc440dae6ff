#include "crypto/ristretto.h"

#include <assert.h>
#include <sodium.h>

/* RFC 9496 4.1: sqrt(a d - 1), 1/sqrt(a - d), 1 - d^2, (d - 1)^2 with a = -1. */
static const struct fe sqrt_ad_minus_one = { { 0x7f6a0497b2e1b, 0x1836f0a97afd2, 0x7d747f6be7638, 0x456079e7e6498,
                                               0x376931bf2b834 } };
static const struct fe invsqrt_a_minus_d = { { 0xfdaa805d40ea, 0x2eb482e57d339, 0x7610274bc58, 0x6510b613dc8ff,
                                               0x786c8905cfaff } };
static const struct fe one_minus_d_sq = { { 0x409c1945fc176, 0x719abc6a1fc4f, 0x1c37f90b20684, 0x6bccca55eedf,
                                            0x29072a8b2b3e } };
static const struct fe d_minus_one_sq = { { 0x55aaa44ed4d20, 0x59603c3332635, 0x26d3baf4a7928, 0x120a66e6997a9,
                                            0x5968b37af66c2 } };

struct ristretto ristretto_identity(void) {
    return (struct ristretto){ edwards_identity() };
}

struct ristretto ristretto_base(void) {
    return (struct ristretto){ edwards_base };
}

struct ristretto ristretto_add(const struct ristretto *a, const struct ristretto *b) {
    struct edwards_cached c = edwards_cache(&b->e);
    return (struct ristretto){ edwards_add(&a->e, &c) };
}

struct ristretto ristretto_sub(const struct ristretto *a, const struct ristretto *b) {
    struct edwards_cached c = edwards_cache(&b->e);
    return (struct ristretto){ edwards_sub(&a->e, &c) };
}

struct ristretto ristretto_double(const struct ristretto *a) {
    return (struct ristretto){ edwards_double(&a->e) };
}

struct ristretto ristretto_neg(const struct ristretto *a) {
    return (struct ristretto){ edwards_neg(&a->e) };
}

bool ristretto_equal(const struct ristretto *a, const struct ristretto *b) { /* RFC 9496 4.3.3 */
    uint64_t crossed = fe_equal(fe_mul(a->e.x, b->e.y), fe_mul(a->e.y, b->e.x));
    uint64_t straight = fe_equal(fe_mul(a->e.y, b->e.y), fe_mul(a->e.x, b->e.x));
    return (crossed | straight) != 0;
}

bool ristretto_is_identity(const struct ristretto *a) { return (fe_is_zero(a->e.x) | fe_is_zero(a->e.y)) != 0; }

enum vl_err ristretto_decode(const uint8_t in[RISTRETTO_BYTES], struct ristretto *ret) {
    uint8_t again[32];
    struct fe s = fe_decode(in), root;
    fe_encode(s, again);
    if (sodium_memcmp(again, in, sizeof again) != 0 || (in[0] & 1) != 0) return VL_EPARSE;
    struct fe ss = fe_sq(s), u1 = fe_carry(fe_sub(FE_ONE, ss)), u2 = fe_add(FE_ONE, ss), u2u2 = fe_sq(u2);
    /* v = -(d u1^2) - u2^2 */
    struct fe v = fe_carry(fe_neg(fe_add(fe_mul(fe_d, fe_sq(u1)), u2u2)));
    uint64_t square = fe_sqrt_ratio(FE_ONE, fe_mul(v, u2u2), &root);
    struct fe den_x = fe_mul(root, u2), den_y = fe_mul(fe_mul(root, den_x), v);
    struct fe x = fe_carry(fe_abs(fe_mul(fe_add(s, s), den_x))), y = fe_mul(u1, den_y), t = fe_mul(x, y);
    if (!square || fe_is_negative(t) || fe_is_zero(y)) return VL_EPARSE;
    ret->e = (struct edwards){ x, y, FE_ONE, t };
    return VL_OK;
}

void ristretto_encode(const struct ristretto *a, uint8_t ret[RISTRETTO_BYTES]) {
    const struct edwards *p = &a->e;
    struct fe u1 = fe_mul(fe_add(p->z, p->y), fe_sub(p->z, p->y)), u2 = fe_mul(p->x, p->y), root;
    (void)fe_sqrt_ratio(FE_ONE, fe_mul(u1, fe_sq(u2)), &root); /* a square for every element; 0 for the identity */
    struct fe den1 = fe_mul(root, u1), den2 = fe_mul(root, u2), z_inv = fe_mul(fe_mul(den1, den2), p->t);
    struct fe ix = fe_mul(p->x, fe_sqrt_m1), iy = fe_mul(p->y, fe_sqrt_m1), enchanted = fe_mul(den1, invsqrt_a_minus_d);
    uint64_t rotate = fe_is_negative(fe_mul(p->t, z_inv));
    struct fe x = fe_select(p->x, iy, rotate), y = fe_select(p->y, ix, rotate),
              den = fe_select(den2, enchanted, rotate);
    y = fe_select(y, fe_carry(fe_neg(y)), fe_is_negative(fe_mul(x, z_inv)));
    fe_encode(fe_abs(fe_mul(den, fe_sub(p->z, y))), ret);
}

/* MAP of RFC 9496 4.3.4. */
static struct edwards map(struct fe in) {
    struct fe r = fe_mul(fe_sqrt_m1, fe_sq(in)), u = fe_mul(fe_add(r, FE_ONE), one_minus_d_sq), s;
    /* v = (-1 - r d) (r + d) */
    struct fe v = fe_mul(fe_neg(fe_add(FE_ONE, fe_mul(r, fe_d))), fe_add(r, fe_d));
    uint64_t square = fe_sqrt_ratio(u, v, &s);
    s = fe_carry(s);
    struct fe other = fe_carry(fe_neg(fe_carry(fe_abs(fe_mul(s, in)))));
    s = fe_select(other, s, square);
    struct fe c = fe_select(r, fe_carry(fe_neg(FE_ONE)), square);
    struct fe n = fe_carry(fe_sub(fe_mul(fe_mul(c, fe_sub(r, FE_ONE)), d_minus_one_sq), v));
    struct fe ss = fe_sq(s), w0 = fe_mul(fe_add(s, s), v), w1 = fe_mul(n, sqrt_ad_minus_one);
    struct fe w2 = fe_sub(FE_ONE, ss), w3 = fe_add(FE_ONE, ss);
    return (struct edwards){ fe_mul(w0, w3), fe_mul(w2, w1), fe_mul(w1, w3), fe_mul(w0, w2) };
}

void ristretto_from_uniform(const uint8_t in[RISTRETTO_UNIFORM], struct ristretto *ret) {
    struct edwards a = map(fe_decode(in)), b = map(fe_decode(in + 32));
    struct edwards_cached c = edwards_cache(&b);
    ret->e = edwards_add(&a, &c);
}

/* libsodium returns -1 when the product is the identity and has then written its encoding, which is what we want: the
 * result does not matter.  It cannot fail otherwise, since the point is an encoding of our own. */
static void from_sodium(const uint8_t product[32], struct ristretto *ret) {
    enum vl_err err = ristretto_decode(product, ret);
    assert(err == VL_OK);
    (void)err;
}

void ristretto_mul(const uint8_t scalar[32], const struct ristretto *a, struct ristretto *ret) {
    uint8_t point[32], product[32] = { 0 };
    ristretto_encode(a, point);
    int ignored = crypto_scalarmult_ristretto255(product, scalar, point);
    (void)ignored;
    from_sodium(product, ret);
    sodium_memzero(product, sizeof product);
}

void ristretto_mul_base(const uint8_t scalar[32], struct ristretto *ret) {
    uint8_t product[32] = { 0 };
    int ignored = crypto_scalarmult_ristretto255_base(product, scalar);
    (void)ignored;
    from_sodium(product, ret);
    sodium_memzero(product, sizeof product);
}
