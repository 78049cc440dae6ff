/* hctr2_x86.h - AES-256 and POLYVAL on single blocks by AES-NI and PCLMULQDQ: what hctr2_aesni.c and hctr2_vaes.c have
 * in common.  Inlined into functions of either target, so that no SSE code meets AVX code. */
#ifndef VL_CRYPTO_HCTR2_X86_H
#define VL_CRYPTO_HCTR2_X86_H

#include "crypto/cpu.h"

#include <immintrin.h>
#include <stdint.h>

#define X86_ROUNDS 14
#define X86_INLINE static inline __attribute__((always_inline, target("aes,pclmul,sse4.1")))

X86_INLINE __m128i x86_load(const void *p) { return _mm_loadu_si128(p); }
X86_INLINE void x86_store(void *p, __m128i x) { _mm_storeu_si128(p, x); }

/* The next four words of a key schedule: each is the xor of the old words up to its own, and of `t`. */
X86_INLINE __m128i x86_next_words(__m128i old, __m128i t) {
    old = _mm_xor_si128(old, _mm_slli_si128(old, 4));
    old = _mm_xor_si128(old, _mm_slli_si128(old, 8));
    return _mm_xor_si128(old, t);
}

/* FIPS 197 section 5.2.  SubWord is AESENCLAST of four equal columns, where ShiftRows changes nothing; it waits for a
 * third of what AESKEYGENASSIST costs. */
X86_INLINE void x86_expand(const uint8_t key[32], __m128i round[X86_ROUNDS + 1]) {
    const __m128i rotated_last = _mm_set1_epi32(0x0c0f0e0d), last = _mm_set1_epi32(0x0f0e0d0c);
    __m128i even = x86_load(key), odd = x86_load(key + 16), rcon = _mm_set1_epi32(1);
    round[0] = even;
    round[1] = odd;
    for (int r = 2; r <= X86_ROUNDS; r += 2) {
        even = x86_next_words(even, _mm_aesenclast_si128(_mm_shuffle_epi8(odd, rotated_last), rcon));
        round[r] = even;
        rcon = _mm_slli_epi32(rcon, 1);
        if (r == X86_ROUNDS) break;
        odd = x86_next_words(odd, _mm_aesenclast_si128(_mm_shuffle_epi8(even, last), _mm_setzero_si128()));
        round[r + 1] = odd;
    }
}

X86_INLINE __m128i x86_encrypt(const __m128i round[X86_ROUNDS + 1], __m128i x) {
    x = _mm_xor_si128(x, round[0]);
    for (int r = 1; r < X86_ROUNDS; r++) x = _mm_aesenc_si128(x, round[r]);
    return _mm_aesenclast_si128(x, round[X86_ROUNDS]);
}
X86_INLINE __m128i x86_decrypt(const __m128i round[X86_ROUNDS + 1], __m128i x) {
    x = _mm_xor_si128(x, round[X86_ROUNDS]);
    for (int r = X86_ROUNDS - 1; r > 0; r--) x = _mm_aesdec_si128(x, _mm_aesimc_si128(round[r]));
    return _mm_aesdeclast_si128(x, round[0]);
}

/* A carry-less product of 256 bits before its reduction, or the sum of some: low + middle x^64 + high x^128. */
struct x86_product {
    __m128i low, middle, high;
};
X86_INLINE struct x86_product x86_multiply_add(struct x86_product sum, __m128i a, __m128i b) {
    sum.low = _mm_xor_si128(sum.low, _mm_clmulepi64_si128(a, b, 0x00));
    sum.high = _mm_xor_si128(sum.high, _mm_clmulepi64_si128(a, b, 0x11));
    sum.middle = _mm_xor_si128(sum.middle, _mm_clmulepi64_si128(a, b, 0x01));
    sum.middle = _mm_xor_si128(sum.middle, _mm_clmulepi64_si128(a, b, 0x10));
    return sum;
}
/* Times x^-128, modulo P = x^128 + x^127 + x^126 + x^121 + 1: twice, P times the lowest 64 bits is added, which clears
 * them, and what is left moves down by them.  0xc2 << 56 is (P - 1 - x^128) x^-64. */
X86_INLINE __m128i x86_reduce(struct x86_product p) {
    const __m128i poly = _mm_set1_epi64x((long long)0xc200000000000000u);
    __m128i low = _mm_xor_si128(p.low, _mm_slli_si128(p.middle, 8));
    __m128i high = _mm_xor_si128(p.high, _mm_srli_si128(p.middle, 8));
    CRYPTO_UNROLL
    for (int i = 0; i < 2; i++)
        low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, poly, 0x00));
    return _mm_xor_si128(high, low);
}
X86_INLINE __m128i x86_multiply(__m128i a, __m128i b) {
    return x86_reduce(x86_multiply_add((struct x86_product){ 0 }, a, b));
}

#endif
