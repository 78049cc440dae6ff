#include "crypto/x25519_priv.h"

#include <immintrin.h>
#ifdef X25519_BOUNDS /* a build for tests: every bound stated below is asserted, in every lane */
#include <assert.h>
#endif

#define TARGET __attribute__((target("avx2")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define LANES 4u

/* --- the field: a residue modulo p = 2^255 - 19 is the sum of limb[i] 2^(25.5 i), exponents rounded up ---
 *
 * Even limbs have 26 bits and odd ones 25, so that a product of two odd ones counts twice in its column.  VPMULUDQ
 * multiplies the low 32 bits of each lane.  Limbs come in two kinds:
 *   tight  even ones at most EVEN = 2^26 + 2^16, odd ones at most half of that: what two rounds of carries leave;
 *   loose  a sum of two tight ones, or a tight one plus 2 p minus a tight one: even ones at most LOOSE, odd ones half.
 * Factors are loose.  Because 2^255 = 19, column k + 10 counts 19 times in column k.  19 times a loose limb, 38 times
 * an odd one, twice any: all are below 2^32.
 *
 * Columns, in squares of LOOSE: two even limbs give 1, two odd ones 2/4, an even and an odd one 1/2.  Column 0 has one
 * pair of its own, (0,0), and is brought (2,8) (4,6) (6,4) (8,2) and five odd pairs: 1 + 19 (4 + 5/2) = 124.5.  Column
 * 1 has two pairs of its own and is brought eight: (2 + 19 x 8)/2 = 77, which no other odd one exceeds.  A later column
 * has more pairs of its own and is brought as many less.  So even columns are below 2^62.2 and odd ones below 2^61.5.
 */
#define LIMBS 10
#define LIMB_BITS(i) ((i) % 2 == 0 ? 26 : 25)
#define MASK(i) ((UINT64_C(1) << LIMB_BITS(i)) - 1)
#define EVEN ((UINT64_C(1) << 26) + (UINT64_C(1) << 16))
#define LOOSE (3 * (UINT64_C(1) << 26) + (UINT64_C(1) << 16))
#define COLUMN_EVEN (125 * LOOSE * LOOSE)
#define COLUMN_ODD (77 * LOOSE * LOOSE)
/* 2 p: limb 0, and the others */
#define BIAS(i) (2 * ((i) == 0 ? MASK(0) - 18 : MASK(i)))
_Static_assert(19 * LOOSE < UINT64_C(1) << 32, "multiples of factors are factors");
_Static_assert(COLUMN_EVEN / 125 == LOOSE * LOOSE && COLUMN_EVEN < UINT64_C(1) << 63, "columns do not overflow");
_Static_assert(BIAS(0) >= EVEN && BIAS(1) >= EVEN / 2, "tight + 2 p - tight is not negative");
_Static_assert(EVEN + BIAS(2) <= LOOSE && EVEN / 2 + BIAS(1) <= LOOSE / 2, "and it is loose");
/* After one round limb 0 is the largest, with 19 carries of limb 9; it makes the carry into limb 1 of the second. */
#define ROUND1 (MASK(0) + 19 * (COLUMN_ODD >> 25))
_Static_assert(MASK(1) + (ROUND1 >> 26) <= EVEN / 2, "limb 1 is tight after two rounds");
_Static_assert(MASK(0) + 19 * ((MASK(1) + (COLUMN_EVEN >> 26)) >> 25) <= EVEN, "limb 0 is tight after two rounds");

typedef __m256i vec;
typedef __m256i lane_mask;
struct fe {
    vec limb[LIMBS];
};

INLINE vec all(uint64_t x) { return _mm256_set1_epi64x((long long)x); }
INLINE vec lanes(const uint64_t w[LANES]) { return _mm256_loadu_si256((const __m256i *)w); }
INLINE void lanes_out(uint64_t w[LANES], vec a) { _mm256_storeu_si256((__m256i *)w, a); }
INLINE vec plus(vec a, vec b) { return _mm256_add_epi64(a, b); }
INLINE vec twice(vec a) { return _mm256_add_epi64(a, a); }
INLINE vec nine(vec a) { return _mm256_add_epi64(a, _mm256_slli_epi64(a, 3)); }
INLINE vec both(vec a, vec b) { return _mm256_and_si256(a, b); }
INLINE vec shift_down(vec a, int bits) { return _mm256_srli_epi64(a, bits); }
INLINE vec times(vec a, vec b) { return _mm256_mul_epu32(a, b); }

INLINE lane_mask no_lane(void) { return _mm256_setzero_si256(); }
INLINE lane_mask every_lane(void) { return _mm256_set1_epi64x(-1); }
INLINE lane_mask where_zero(vec a) { return _mm256_cmpeq_epi64(a, no_lane()); }
INLINE lane_mask where_any(vec a, vec bits) { return _mm256_xor_si256(where_zero(both(a, bits)), every_lane()); }
INLINE lane_mask where_differ(lane_mask a, lane_mask b) { return _mm256_xor_si256(a, b); }
INLINE vec choose_vec(lane_mask second, vec a, vec b) { return _mm256_blendv_epi8(a, b, second); }

/* Limits of even and of odd limbs. */
INLINE struct fe within(struct fe a, uint64_t even, uint64_t odd) {
#ifdef X25519_BOUNDS
    for (int i = 0; i < LIMBS; i++) {
        uint64_t w[LANES];
        lanes_out(w, a.limb[i]);
        for (unsigned lane = 0; lane < LANES; lane++) assert(w[lane] <= (i % 2 == 0 ? even : odd));
    }
#else
    (void)even, (void)odd;
#endif
    return a;
}

/* All ten carries at once. */
INLINE struct fe carry_round(struct fe a) {
    struct fe r;
    vec over = shift_down(a.limb[9], LIMB_BITS(9));
    r.limb[0] = plus(both(a.limb[0], all(MASK(0))), plus(twice(nine(over)), over));
    CRYPTO_UNROLL
    for (int i = 1; i < LIMBS; i++)
        r.limb[i] = plus(both(a.limb[i], all(MASK(i))), shift_down(a.limb[i - 1], LIMB_BITS(i - 1)));
    return r;
}
INLINE struct fe carry(struct fe a) {
    (void)within(a, COLUMN_EVEN, COLUMN_ODD);
    return within(carry_round(carry_round(a)), EVEN, EVEN / 2);
}

/* Columns += x times the limbs of b, where x is limb i of the other factor and x2 twice that, for odd limbs of b when i
 * is odd; b19 is 19 b. */
INLINE void row(vec column[LIMBS], int i, vec x, vec x2, const struct fe *b, const struct fe *b19) {
    CRYPTO_UNROLL
    for (int j = 0; j < LIMBS; j++) {
        vec by = i + j < LIMBS ? b->limb[j] : b19->limb[j];
        column[(i + j) % LIMBS] = plus(column[(i + j) % LIMBS], times(i % 2 == 1 && j % 2 == 1 ? x2 : x, by));
    }
}

INLINE struct fe multiply(struct fe a, struct fe b) {
    struct fe b19 = b, r = { { all(0) } };
    (void)within(a, LOOSE, LOOSE / 2), (void)within(b, LOOSE, LOOSE / 2);
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) r.limb[i] = all(0);
    CRYPTO_UNROLL
    for (int i = 1; i < LIMBS; i++) b19.limb[i] = times(b.limb[i], all(19));
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) row(r.limb, i, a.limb[i], twice(a.limb[i]), &b, &b19);
    return carry(r);
}

/* As multiply(a, a), but a[i] a[j] with i < j is taken once, as 2 a[i] a[j]. */
INLINE void square_row(vec column[LIMBS], int i, const struct fe *a, const struct fe *a2, const struct fe *a19) {
    vec odd = i % 2 == 1 ? a2->limb[i] : a->limb[i]; /* for odd limbs */
    column[2 * i % LIMBS] = plus(column[2 * i % LIMBS], times(odd, 2 * i < LIMBS ? a->limb[i] : a19->limb[i]));
    CRYPTO_UNROLL
    for (int j = i + 1; j < LIMBS; j++) {
        vec by = i + j < LIMBS ? a->limb[j] : a19->limb[j];
        if (i % 2 == 1 && j % 2 == 1) by = twice(by);
        column[(i + j) % LIMBS] = plus(column[(i + j) % LIMBS], times(a2->limb[i], by));
    }
}

INLINE struct fe square(struct fe a) {
    struct fe a2 = a, a19 = a, r = { { all(0) } };
    (void)within(a, LOOSE, LOOSE / 2);
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) r.limb[i] = all(0);
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) a2.limb[i] = twice(a.limb[i]);
    CRYPTO_UNROLL
    for (int i = 5; i < LIMBS; i++) a19.limb[i] = times(a.limb[i], all(19));
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) square_row(r.limb, i, &a, &a2, &a19);
    return carry(r);
}

/* --- what the ladder asks of a field (see x25519_lanes.h): products, biased ones too, are tight; factors are loose ---
 */
INLINE struct fe multiply_biased(struct fe a, struct fe b) { return multiply(a, b); }
INLINE struct fe square_biased(struct fe a) { return square(a); }
INLINE struct fe as_biased(struct fe a) { return a; }
INLINE struct fe factor(struct fe product) { return product; }
INLINE struct fe sum(struct fe a, struct fe b) {
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) a.limb[i] = plus(a.limb[i], b.limb[i]);
    return a;
}
INLINE struct fe difference(struct fe a, struct fe b) {
    (void)within(b, EVEN, EVEN / 2);
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) a.limb[i] = plus(a.limb[i], _mm256_sub_epi64(all(BIAS(i)), b.limb[i]));
    return a;
}
/* 9 x tight is below 2^30: one round is enough. */
INLINE struct fe times_9(struct fe a) {
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) a.limb[i] = nine(a.limb[i]);
    return within(carry_round(a), EVEN, EVEN / 2);
}
/* Tight + 121665 x loose is at most 2^45: loose after one round. */
INLINE struct fe add_121665(struct fe a, struct fe b) {
    CRYPTO_UNROLL
    for (int i = 0; i < LIMBS; i++) a.limb[i] = plus(a.limb[i], times(b.limb[i], all(121665)));
    return within(carry_round(a), LOOSE, LOOSE / 2);
}

#define X25519_LANES_FUNCTION x25519_avx2
#include "crypto/x25519_lanes.h"
