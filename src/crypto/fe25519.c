#include "crypto/fe25519.h"

#include <string.h>

const struct fe fe_d = { { 0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff } };
const struct fe fe_2d = { { 0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff } };
const struct fe fe_sqrt_m1 = { { 0x61b274a0ea0b0, 0xd5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d } };

static uint64_t load64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static void store64(uint8_t *p, uint64_t v) {
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(v >> 8 * i);
}

struct fe fe_decode(const uint8_t in[32]) {
    uint64_t w[4];
    for (int i = 0; i < 4; i++) w[i] = load64(in + 8 * i);
    return (struct fe){ { w[0] & FE_MASK, (w[0] >> 51 | w[1] << 13) & FE_MASK, (w[1] >> 38 | w[2] << 26) & FE_MASK,
                          (w[2] >> 25 | w[3] << 39) & FE_MASK, w[3] >> 12 & FE_MASK } };
}

void fe_encode(struct fe a, uint8_t ret[32]) {
    a = fe_carry(fe_carry(a)); /* now below 2^255 + 2^204, so below 2 p */
    /* q = 1 when the value is p or more: then adding 19 carries out of bit 255. */
    uint64_t q = (a.v[0] + 19) >> 51;
    for (int i = 1; i < 5; i++) q = (a.v[i] + q) >> 51;
    a.v[0] += 19 * q;
    for (int i = 0; i < 4; i++) {
        a.v[i + 1] += a.v[i] >> 51;
        a.v[i] &= FE_MASK;
    }
    a.v[4] &= FE_MASK;
    store64(ret, a.v[0] | a.v[1] << 51);
    store64(ret + 8, a.v[1] >> 13 | a.v[2] << 38);
    store64(ret + 16, a.v[2] >> 26 | a.v[3] << 25);
    store64(ret + 24, a.v[3] >> 39 | a.v[4] << 12);
}

uint64_t fe_is_zero(struct fe a) {
    uint8_t s[32];
    uint64_t any = 0;
    fe_encode(a, s);
    for (int i = 0; i < 32; i++) any |= s[i];
    return (any - 1) >> 63;
}

uint64_t fe_equal(struct fe a, struct fe b) { return fe_is_zero(fe_sub(a, b)); }

uint64_t fe_is_negative(struct fe a) {
    uint8_t s[32];
    fe_encode(a, s);
    return s[0] & 1u;
}

struct fe fe_abs(struct fe a) {
    return fe_select(a, fe_neg(a), fe_is_negative(a));
}

static struct fe squared(struct fe a, unsigned times) {
    while (times-- > 0) a = fe_sq(a);
    return a;
}

/* a^(2^250 - 1); *ret_11 is a^11.  With r_n = a^(2^n - 1): r_(m+n) = r_m^(2^n) * r_n. */
static struct fe power_250(struct fe a, struct fe *ret_11) {
    struct fe a2 = fe_sq(a), a9 = fe_mul(squared(a2, 2), a), a11 = fe_mul(a9, a2);
    struct fe r5 = fe_mul(fe_sq(a11), a9), r10 = fe_mul(squared(r5, 5), r5), r20 = fe_mul(squared(r10, 10), r10);
    struct fe r40 = fe_mul(squared(r20, 20), r20), r50 = fe_mul(squared(r40, 10), r10);
    struct fe r100 = fe_mul(squared(r50, 50), r50), r200 = fe_mul(squared(r100, 100), r100);
    *ret_11 = a11;
    return fe_mul(squared(r200, 50), r50);
}

struct fe fe_invert(struct fe a) { /* p - 2 = 2^5 (2^250 - 1) + 11 */
    struct fe a11, r250 = power_250(a, &a11);
    return fe_mul(squared(r250, 5), a11);
}

uint64_t fe_sqrt_ratio(struct fe u, struct fe v, struct fe *ret) {
    struct fe v3 = fe_mul(fe_sq(v), v), v7 = fe_mul(fe_sq(v3), v), uv7 = fe_mul(u, v7), ignored;
    /* (p - 5) / 8 = 2^2 (2^250 - 1) + 1 */
    struct fe r = fe_mul(fe_mul(u, v3), fe_mul(squared(power_250(uv7, &ignored), 2), uv7));
    struct fe check = fe_mul(v, fe_sq(r)), tight = fe_carry(u), minus = fe_carry(fe_neg(tight));
    uint64_t correct = fe_equal(check, tight), flipped = fe_equal(check, minus);
    uint64_t flipped_i = fe_equal(check, fe_mul(minus, fe_sqrt_m1));
    r = fe_select(r, fe_mul(r, fe_sqrt_m1), flipped | flipped_i);
    *ret = fe_abs(r);
    return correct | flipped;
}

struct fe fe_decode_wide(const uint8_t in[64]) {
    /* 2^256 = 38; the two bits 255, which fe_decode() leaves out, are worth 19 and 19 * 38. */
    static const struct fe high = { { 38, 0, 0, 0, 0 } };
    struct fe bits = { { 19u * (in[31] >> 7) + 722u * (in[63] >> 7), 0, 0, 0, 0 } };
    return fe_carry(fe_add(fe_add(fe_decode(in), fe_mul(fe_decode(in + 32), high)), bits));
}

bool fe_canonical_vartime(const uint8_t in[32]) {
    if ((in[31] & 0x7f) != 0x7f || in[0] < 0xed) return true;
    for (int i = 1; i < 31; i++)
        if (in[i] != 0xff) return true;
    return false;
}
