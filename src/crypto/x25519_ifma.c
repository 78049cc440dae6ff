#include "crypto/x25519_priv.h"

#include <immintrin.h>
#ifdef X25519_BOUNDS /* a build for tests: every bound stated below is asserted, in every lane */
#include <assert.h>
#endif

#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512ifma")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define LANES 8u

/* --- the field: a residue modulo p = 2^255 - 19 is the sum of limb[i] 2^(51 i) ---
 *
 * VPMADD52 takes the low 52 bits of two factors and adds the low (LO) or the high (HI) 52 bits of their product to 64
 * bits.  Limbs come in three kinds, and every function says which it takes and gives:
 *   tight   at most TIGHT = 2^51 + 2^15: a factor loses no bits;
 *   wide    at most WIDE < 2^59: a product before its carries;
 *   biased  wide plus the limb of a multiple of p, BIAS: a wide one can be subtracted and nothing is negative.
 *
 * Why WIDE is enough: with tight factors a LO is at most 2^52 - 1 and a HI at most HIGH.  A HI weighs 2^52 and counts
 * twice in the column after its own; 2^255 = 19, so column k + 5 counts 19 times in column k.  Column 0 has 1 LO of its
 * own, and column 5 brings 4 LO and 5 HI.  Column k > 0 has k more LO and k HI of its own, and is brought k less of
 * each: WIDE = (1 + 19 x 4) (2^52 - 1) + 19 x 5 x 2 HIGH. All are sums of positive terms, so no sum on the way is
 * larger than its end. */
#define LIMBS 5
#define LIMB_BITS(i) 51
#define MASK51 ((UINT64_C(1) << 51) - 1)
#define TIGHT ((UINT64_C(1) << 51) + (UINT64_C(1) << 15))
#define HIGH ((UINT64_C(1) << 50) + (UINT64_C(1) << 16))
#define WIDE (77 * ((UINT64_C(1) << 52) - 1) + 190 * HIGH)
#define CARRY_MAX ((UINT64_C(1) << 61) - 1) /* what carry() takes */
/* 2^8 p: limb 0, and the others */
#define BIAS0 ((MASK51 - 18) << 8)
#define BIAS (MASK51 << 8)
_Static_assert(TIGHT < UINT64_C(1) << 52, "a tight limb is a factor");
/* TIGHT^2 = 2^102 + 2^67 + 2^30 */
_Static_assert(HIGH >= (UINT64_C(1) << 50) + (UINT64_C(1) << 15) + 1, "the high half of a product of tight limbs");
_Static_assert(BIAS0 >= WIDE && BIAS >= WIDE, "biased - wide is not negative");
_Static_assert(BIAS % 4 == 0, "product_of_itself() adds it in quarters");
_Static_assert(BIAS + 2 * WIDE <= CARRY_MAX, "biased + wide can be carried");
_Static_assert(MASK51 + 19 * (CARRY_MAX >> 51) <= TIGHT, "what carry() leaves is tight");

typedef __m512i vec;
typedef __mmask8 lane_mask;
struct fe {
    vec limb[LIMBS];
};

INLINE vec all(uint64_t x) { return _mm512_set1_epi64((long long)x); }
INLINE vec lanes(const uint64_t w[LANES]) { return _mm512_loadu_si512(w); }
INLINE void lanes_out(uint64_t w[LANES], vec a) { _mm512_storeu_si512(w, a); }
INLINE vec plus(vec a, vec b) { return _mm512_add_epi64(a, b); }
INLINE vec twice(vec a) { return _mm512_add_epi64(a, a); }
INLINE vec nine(vec a) { return _mm512_add_epi64(a, _mm512_slli_epi64(a, 3)); }
INLINE vec both(vec a, vec b) { return _mm512_and_si512(a, b); }
INLINE vec shift_down(vec a, unsigned bits) { return _mm512_srli_epi64(a, bits); }
INLINE vec add_lo(vec sum, vec a, vec b) { return _mm512_madd52lo_epu64(sum, a, b); }
INLINE vec add_hi(vec sum, vec a, vec b) { return _mm512_madd52hi_epu64(sum, a, b); }

INLINE lane_mask no_lane(void) { return 0; }
INLINE lane_mask every_lane(void) { return 0xff; }
INLINE lane_mask where_zero(vec a) { return _mm512_testn_epi64_mask(a, a); }
INLINE lane_mask where_any(vec a, vec bits) { return _mm512_test_epi64_mask(a, bits); }
INLINE lane_mask where_differ(lane_mask a, lane_mask b) { return (lane_mask)(a ^ b); }
INLINE vec choose_vec(lane_mask second, vec a, vec b) { return _mm512_mask_blend_epi64(second, a, b); }

INLINE struct fe within(struct fe a, uint64_t limit) {
#ifdef X25519_BOUNDS
    for (int i = 0; i < LIMBS; i++) assert(_mm512_cmpgt_epu64_mask(a.limb[i], all(limit)) == 0);
#else
    (void)limit;
#endif
    return a;
}

/* Limbs up to CARRY_MAX to tight ones: all five carries at once, of which each is below 2^10. */
INLINE struct fe carry(struct fe a) {
    struct fe r;
    (void)within(a, CARRY_MAX);
    r.limb[0] = add_lo(both(a.limb[0], all(MASK51)), shift_down(a.limb[4], 51), all(19));
    CRYPTO_UNROLL
    for (int i = 1; i < LIMBS; i++) r.limb[i] = plus(both(a.limb[i], all(MASK51)), shift_down(a.limb[i - 1], 51));
    return within(r, TIGHT);
}

/* sum[j] += LO or HI of x b[j], from <= j < to. */
INLINE void row_lo(vec *sum, vec x, const struct fe *b, int from, int to) {
    CRYPTO_UNROLL
    for (int j = from; j < to; j++) sum[j] = add_lo(sum[j], x, b->limb[j]);
}
INLINE void row_hi(vec *sum, vec x, const struct fe *b, int from, int to) {
    CRYPTO_UNROLL
    for (int j = from; j < to; j++) sum[j] = add_hi(sum[j], x, b->limb[j]);
}

/* Tight x tight gives wide, or biased.  high[k] is the sum of the HIs of a[i] b[j] with i + j = k.  Columns 5 to 9 come
 * first, because the others begin with 19 times them: 2 (high + 9 column) + column. */
INLINE struct fe product(struct fe a, struct fe b, bool biased) {
    vec high[9] = { 0 }, column[10], half = all(biased ? BIAS / 2 : 0);
    (void)within(a, TIGHT), (void)within(b, TIGHT);
    high[0] = high[1] = high[2] = high[3] = half;
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) row_hi(high + i, a.limb[i], &b, 0, LIMBS);
    CRYPTO_UNROLL
    for (int k = 5; k < 10; k++) column[k] = twice(high[k - 1]);
    CRYPTO_UNROLL
    for (int i = 1; i < LIMBS; i++) row_lo(column + i, a.limb[i], &b, 5 - i, LIMBS);
    column[0] = plus(twice(nine(column[5])), column[5]);
    if (biased) column[0] = plus(column[0], all(BIAS0));
    CRYPTO_UNROLL
    for (int k = 1; k < LIMBS; k++) column[k] = plus(twice(plus(high[k - 1], nine(column[k + 5]))), column[k + 5]);
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) row_lo(column + i, a.limb[i], &b, 0, LIMBS - i);
    return (struct fe){ { column[0], column[1], column[2], column[3], column[4] } };
}
INLINE struct fe multiply(struct fe a, struct fe b) { return within(product(a, b, false), WIDE); }
INLINE struct fe multiply_biased(struct fe a, struct fe b) { return within(product(a, b, true), WIDE + BIAS); }

/* As product(a, a), but a[i] a[j] with i < j is taken once: its HI is doubled before those of the squares come, its LO
 * goes into the half of the column. */
INLINE struct fe product_of_itself(struct fe a, bool biased) {
    vec high[9] = { 0 }, half[8], column[10], quarter = all(biased ? BIAS / 4 : 0);
    (void)within(a, TIGHT);
    high[1] = high[2] = high[3] = quarter;
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) row_hi(high + i, a.limb[i], &a, i + 1, LIMBS);
    high[0] = all(biased ? BIAS / 2 : 0);
    CRYPTO_UNROLL
    for (int k = 1; k < 8; k++) high[k] = twice(high[k]);
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) high[2 * i] = add_hi(high[2 * i], a.limb[i], a.limb[i]);

    CRYPTO_UNROLL
    for (int k = 5; k < 8; k++) half[k] = high[k - 1];
    row_lo(half + 1, a.limb[1], &a, 4, LIMBS);
    row_lo(half + 2, a.limb[2], &a, 3, LIMBS);
    row_lo(half + 3, a.limb[3], &a, 4, LIMBS);
    column[5] = twice(half[5]);
    column[6] = add_lo(twice(half[6]), a.limb[3], a.limb[3]);
    column[7] = twice(half[7]);
    column[8] = add_lo(twice(high[7]), a.limb[4], a.limb[4]);
    column[9] = twice(high[8]);

    half[0] = nine(column[5]);
    CRYPTO_UNROLL
    for (int k = 1; k < LIMBS; k++) half[k] = plus(high[k - 1], nine(column[k + 5]));
    row_lo(half, a.limb[0], &a, 1, LIMBS);
    row_lo(half + 1, a.limb[1], &a, 2, 4);
    CRYPTO_UNROLL
    for (int k = 0; k < LIMBS; k++) column[k] = plus(twice(half[k]), column[k + 5]);
    if (biased) column[0] = plus(column[0], all(BIAS0));
    CRYPTO_UNROLL
    for (int i = 0; i < 3; i++) column[2 * i] = add_lo(column[2 * i], a.limb[i], a.limb[i]);
    return (struct fe){ { column[0], column[1], column[2], column[3], column[4] } };
}
INLINE struct fe square(struct fe a) { return within(product_of_itself(a, false), WIDE); }
INLINE struct fe square_biased(struct fe a) { return within(product_of_itself(a, true), WIDE + BIAS); }

/* --- what the ladder asks of a field (see x25519_lanes.h) --- */
INLINE struct fe as_biased(struct fe a) {
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) a.limb[i] = plus(a.limb[i], all(i == 0 ? BIAS0 : BIAS));
    return a;
}
INLINE struct fe factor(struct fe product) { return carry(product); }
INLINE struct fe sum(struct fe biased, struct fe wide) {
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) biased.limb[i] = plus(biased.limb[i], wide.limb[i]);
    return carry(biased);
}
INLINE struct fe difference(struct fe biased, struct fe wide) {
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) biased.limb[i] = _mm512_sub_epi64(biased.limb[i], wide.limb[i]);
    return carry(biased);
}

/* 9 TIGHT is wide. */
INLINE struct fe times_9(struct fe a) {
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) a.limb[i] = nine(a.limb[i]);
    return within(a, WIDE);
}

/* Before its carry TIGHT + 2^52 + 38 x 2^17 at most. */
INLINE struct fe add_121665(struct fe a, struct fe b) {
    const vec k = all(121665);
    (void)within(a, TIGHT), (void)within(b, TIGHT);
    vec over = add_hi(all(0), b.limb[LIMBS - 1], k); /* at 2^256 = 2 x 19 */
    a.limb[0] = plus(a.limb[0], twice(plus(twice(nine(over)), over)));
    CRYPTO_UNROLL
    for (int i = 1; i < LIMBS; i++) a.limb[i] = plus(a.limb[i], twice(add_hi(all(0), b.limb[i - 1], k)));
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) a.limb[i] = add_lo(a.limb[i], b.limb[i], k);
    return carry(a);
}

#define X25519_LANES_FUNCTION x25519_ifma
#include "crypto/x25519_lanes.h"
