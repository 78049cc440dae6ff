/* ChaCha20 for sixteen keys at once: register w holds word w of the sixteen states (RFC 8439 section 2.3). */
#include "crypto/stream_priv.h"

#include "crypto/random.h"

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f")))
#define BLOCK 64u

TARGET static inline void quarter(__m512i *a, __m512i *b, __m512i *c, __m512i *d) {
    *a = _mm512_add_epi32(*a, *b);
    *d = _mm512_rol_epi32(_mm512_xor_si512(*d, *a), 16);
    *c = _mm512_add_epi32(*c, *d);
    *b = _mm512_rol_epi32(_mm512_xor_si512(*b, *c), 12);
    *a = _mm512_add_epi32(*a, *b);
    *d = _mm512_rol_epi32(_mm512_xor_si512(*d, *a), 8);
    *c = _mm512_add_epi32(*c, *d);
    *b = _mm512_rol_epi32(_mm512_xor_si512(*b, *c), 7);
}

TARGET static inline void double_round(__m512i x[16]) {
    quarter(&x[0], &x[4], &x[8], &x[12]);
    quarter(&x[1], &x[5], &x[9], &x[13]);
    quarter(&x[2], &x[6], &x[10], &x[14]);
    quarter(&x[3], &x[7], &x[11], &x[15]);
    quarter(&x[0], &x[5], &x[10], &x[15]);
    quarter(&x[1], &x[6], &x[11], &x[12]);
    quarter(&x[2], &x[7], &x[8], &x[13]);
    quarter(&x[3], &x[4], &x[9], &x[14]);
}

/* Words 4q..4q+3 of all states, as four registers of which lane l of number j belongs to state 4l + j. */
TARGET static inline void store_words(const __m512i x[4], uint8_t *const at[STREAM_LANES], size_t offset) {
    __m512i t0 = _mm512_unpacklo_epi32(x[0], x[1]), t1 = _mm512_unpackhi_epi32(x[0], x[1]);
    __m512i t2 = _mm512_unpacklo_epi32(x[2], x[3]), t3 = _mm512_unpackhi_epi32(x[2], x[3]);
    __m512i u[4] = { _mm512_unpacklo_epi64(t0, t2), _mm512_unpackhi_epi64(t0, t2), _mm512_unpacklo_epi64(t1, t3),
                     _mm512_unpackhi_epi64(t1, t3) };
    CRYPTO_UNROLL
    for (int j = 0; j < 4; j++) {
        _mm_storeu_si128((void *)(at[j] + offset), _mm512_extracti32x4_epi32(u[j], 0));
        _mm_storeu_si128((void *)(at[4 + j] + offset), _mm512_extracti32x4_epi32(u[j], 1));
        _mm_storeu_si128((void *)(at[8 + j] + offset), _mm512_extracti32x4_epi32(u[j], 2));
        _mm_storeu_si128((void *)(at[12 + j] + offset), _mm512_extracti32x4_epi32(u[j], 3));
    }
}

TARGET void stream_chacha20_avx512(const uint8_t (*key)[CRYPTO_CHACHA20_KEY], size_t n, uint8_t *const *dst,
                                   size_t len) {
    assert(n >= 1 && n <= STREAM_LANES && len % BLOCK == 0);
    _Alignas(64) uint32_t words[8][STREAM_LANES] = { 0 };
    uint8_t sink[BLOCK], *at[STREAM_LANES]; /* lanes without a key write there */
    for (size_t i = 0; i < n; i++)
        for (size_t w = 0; w < 8; w++) memcpy(&words[w][i], key[i] + 4 * w, 4);
    __m512i start[16], x[16];
    static const int sigma[4] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    for (int w = 0; w < 4; w++) start[w] = _mm512_set1_epi32(sigma[w]);
    for (int w = 0; w < 8; w++) start[4 + w] = _mm512_load_si512(words[w]);
    for (int w = 12; w < 16; w++) start[w] = _mm512_setzero_si512();
    for (size_t done = 0; done < len; done += BLOCK) {
        for (size_t i = 0; i < STREAM_LANES; i++) at[i] = i < n ? dst[i] + done : sink;
        CRYPTO_UNROLL
        for (int w = 0; w < 16; w++) x[w] = start[w];
        for (int round = 0; round < 10; round++) double_round(x);
        CRYPTO_UNROLL
        for (int w = 0; w < 16; w++) x[w] = _mm512_add_epi32(x[w], start[w]);
        CRYPTO_UNROLL
        for (int q = 0; q < 4; q++) store_words(x + 4 * q, at, (size_t)(16 * q));
        start[12] = _mm512_add_epi32(start[12], _mm512_set1_epi32(1));
    }
    crypto_wipe(words, sizeof words);
    crypto_wipe(start, sizeof start);
    crypto_wipe(x, sizeof x);
    crypto_wipe(sink, sizeof sink);
}
