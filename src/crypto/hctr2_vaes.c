#include "crypto/hctr2_priv.h"

#include "crypto/hctr2_x86.h"

#define TARGET __attribute__((target("aes,pclmul,sse4.1,avx2,avx512f,avx512bw,avx512dq,avx512vl,vaes,vpclmulqdq")))
#define LANES 4  /* blocks in a register */
#define GROUPS 4 /* registers at once: hides the latency of VAESENC; 15 of 16 reductions are spared */
#define WIDE (LANES * GROUPS)

struct state {
    __m128i power[WIDE]; /* hbar^WIDE first, hbar last */
    __m128i round[X86_ROUNDS + 1];
};
_Static_assert(sizeof(struct state) <= HCTR2_STATE, "room for the state");

struct product {
    __m512i low, middle, high;
};

TARGET static inline struct product multiply_add(struct product sum, __m512i a, __m512i b) {
    __m512i cross0 = _mm512_clmulepi64_epi128(a, b, 0x01), cross1 = _mm512_clmulepi64_epi128(a, b, 0x10);
    sum.low = _mm512_xor_si512(sum.low, _mm512_clmulepi64_epi128(a, b, 0x00));
    sum.high = _mm512_xor_si512(sum.high, _mm512_clmulepi64_epi128(a, b, 0x11));
    sum.middle = _mm512_ternarylogic_epi64(sum.middle, cross0, cross1, 0x96); /* the xor of three */
    return sum;
}

/* As x86_reduce(), in every lane. */
TARGET static inline __m512i reduce(struct product p) {
    const __m512i poly = _mm512_set1_epi64((long long)0xc200000000000000u);
    __m512i low = _mm512_xor_si512(p.low, _mm512_bslli_epi128(p.middle, 8));
    __m512i high = _mm512_xor_si512(p.high, _mm512_bsrli_epi128(p.middle, 8));
    low = _mm512_xor_si512(_mm512_shuffle_epi32(low, 0x4e), _mm512_clmulepi64_epi128(low, poly, 0x00));
    return _mm512_ternarylogic_epi64(high, _mm512_shuffle_epi32(low, 0x4e), _mm512_clmulepi64_epi128(low, poly, 0x00),
                                     0x96);
}

TARGET static inline __m512i multiply(__m512i a, __m512i b) {
    return reduce(multiply_add((struct product){ 0 }, a, b));
}

TARGET static inline __m128i sum_of_lanes(__m512i x) {
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

TARGET static inline void set_powers(struct state *s, __m128i hbar) {
    __m128i square = x86_multiply(hbar, hbar);
    __m256i two = _mm256_set_m128i(hbar, square);
    __m128i fourth = x86_multiply(square, square), third = x86_multiply(square, hbar);
    __m512i last = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(third, fourth)), two, 1);
    __m512i eighth = multiply(last, _mm512_broadcast_i32x4(fourth));
    __m512i by8 = _mm512_broadcast_i32x4(_mm512_castsi512_si128(eighth));
    _mm512_storeu_si512(s->power + 3 * LANES, last);
    _mm512_storeu_si512(s->power + 2 * LANES, eighth);
    _mm512_storeu_si512(s->power + LANES, multiply(last, by8));
    _mm512_storeu_si512(s->power, multiply(eighth, by8));
}

TARGET static void setup(void *state, const uint8_t key[32], uint8_t l[16]) {
    struct state *s = state;
    x86_expand(key, s->round);
    x86_store(l, x86_encrypt(s->round, _mm_set_epi64x(0, 1)));
    set_powers(s, x86_encrypt(s->round, _mm_setzero_si128()));
}

TARGET static void hash_key(void *state, const uint8_t hbar[16]) { set_powers(state, x86_load(hbar)); }

TARGET static void encrypt(const void *state, const uint8_t src[16], uint8_t dst[16]) {
    x86_store(dst, x86_encrypt(((const struct state *)state)->round, x86_load(src)));
}

TARGET static void decrypt(const void *state, const uint8_t src[16], uint8_t dst[16]) {
    x86_store(dst, x86_decrypt(((const struct state *)state)->round, x86_load(src)));
}

/* Fewer than WIDE blocks, of which each takes the power of its distance from the end. */
TARGET static inline __m128i polyval_rest(const struct state *s, __m512i sum, const uint8_t *data, size_t blocks) {
    struct product p = { 0 };
    const __m128i *power = s->power + WIDE - blocks;
    for (size_t at = 0; at < blocks; at += LANES) {
        size_t left = blocks - at;
        __mmask8 mask = (__mmask8)(left >= LANES ? 0xffu : (1u << 2 * left) - 1); /* two words a block */
        __m512i x = _mm512_xor_si512(sum, _mm512_maskz_loadu_epi64(mask, data + 16 * at));
        p = multiply_add(p, x, _mm512_maskz_loadu_epi64(mask, power + at));
        sum = _mm512_setzero_si512();
    }
    return sum_of_lanes(reduce(p));
}

TARGET static void polyval(const void *state, uint8_t acc[16], const uint8_t *data, size_t blocks) {
    const struct state *s = state;
    __m512i sum = _mm512_zextsi128_si512(x86_load(acc)), power[GROUPS];
    CRYPTO_UNROLL
    for (int g = 0; g < GROUPS; g++) power[g] = _mm512_loadu_si512(s->power + LANES * g);
    for (; blocks >= WIDE; blocks -= WIDE, data += 16 * WIDE) {
        struct product p = { 0 };
        CRYPTO_UNROLL
        for (int g = GROUPS - 1; g > 0; g--) p = multiply_add(p, _mm512_loadu_si512(data + 64 * g), power[g]);
        p = multiply_add(p, _mm512_xor_si512(sum, _mm512_loadu_si512(data)), power[0]); /* what comes last, last */
        sum = _mm512_zextsi128_si512(sum_of_lanes(reduce(p)));
    }
    x86_store(acc, blocks > 0 ? polyval_rest(s, sum, data, blocks) : _mm512_castsi512_si128(sum));
}

/* GROUPS registers of key stream; *counter holds the numbers of the next LANES blocks. */
TARGET static inline void stream(const __m512i round[X86_ROUNDS + 1], __m512i iv, __m512i *counter, __m512i x[GROUPS]) {
    CRYPTO_UNROLL
    for (int g = 0; g < GROUPS; g++) {
        x[g] = _mm512_ternarylogic_epi64(iv, *counter, round[0], 0x96);
        *counter = _mm512_add_epi64(*counter, _mm512_set_epi64(0, LANES, 0, LANES, 0, LANES, 0, LANES));
    }
    for (int r = 1; r < X86_ROUNDS; r++) CRYPTO_UNROLL
    for (int g = 0; g < GROUPS; g++) x[g] = _mm512_aesenc_epi128(x[g], round[r]);
    CRYPTO_UNROLL
    for (int g = 0; g < GROUPS; g++) x[g] = _mm512_aesenclast_epi128(x[g], round[X86_ROUNDS]);
}

TARGET static void xctr(const void *state, const uint8_t iv[16], const uint8_t *src, size_t n, uint8_t *dst) {
    const struct state *s = state;
    __m512i round[X86_ROUNDS + 1], x[GROUPS], start = _mm512_broadcast_i32x4(x86_load(iv));
    __m512i counter = _mm512_set_epi64(0, 4, 0, 3, 0, 2, 0, 1);
    for (int r = 0; r <= X86_ROUNDS; r++) round[r] = _mm512_broadcast_i32x4(s->round[r]);
    for (; n >= sizeof x; n -= sizeof x, src += sizeof x, dst += sizeof x) {
        stream(round, start, &counter, x);
        CRYPTO_UNROLL
        for (int g = 0; g < GROUPS; g++)
            _mm512_storeu_si512(dst + 64 * g, _mm512_xor_si512(x[g], _mm512_loadu_si512(src + 64 * g)));
    }
    if (n == 0) return;
    stream(round, start, &counter, x);
    for (int g = 0; g < GROUPS && n > 0; g++) {
        size_t part = n < 64 ? n : 64;
        __mmask64 mask = part == 64 ? ~0ull : (1ull << part) - 1;
        _mm512_mask_storeu_epi8(dst, mask, _mm512_xor_si512(x[g], _mm512_maskz_loadu_epi8(mask, src)));
        n -= part, src += part, dst += part;
    }
}

const struct hctr2_ops hctr2_vaes = {
    .state = sizeof(struct state),
    .setup = setup,
    .hash_key = hash_key,
    .encrypt = encrypt,
    .decrypt = decrypt,
    .polyval = polyval,
    .xctr = xctr,
};
