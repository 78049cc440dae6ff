/* No table of the field is kept: the product with one coefficient is linear over GF(2), so two tables of 16 entries for
 * the low and the high half of a byte, made from eight doublings, do for a whole shard (Plank, Greenan & Miller 2013);
 * they are what a byte shuffle wants, too. */
#include "mix/fec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* The field: x^8 + x^4 + x^3 + x^2 + 1, in which x generates all elements. */
static uint8_t twice(uint8_t a) { return (uint8_t)((a << 1) ^ (a & 0x80 ? 0x1d : 0)); }

static uint8_t product(uint8_t a, uint8_t b) {
    uint8_t r = 0;
    for (; b != 0; b >>= 1, a = twice(a))
        if (b & 1) r ^= a;
    return r;
}

/* a^254 = a^-1 for a != 0. */
static uint8_t inverse(uint8_t a) {
    uint8_t r = 1;
    for (int i = 0; i < 7; i++) {
        a = product(a, a);
        r = product(r, a);
    }
    return r;
}

/* Row i (a parity shard), column j (a data shard).  Shard numbers are the elements, hence all distinct, and every
 * square part of such a matrix can be inverted (Cauchy). */
static uint8_t cauchy(uint32_t i, uint32_t j) { return inverse((uint8_t)(i ^ j)); }

struct halves {
    _Alignas(16) uint8_t low[16], high[16];
};
static void halves_of(uint8_t c, struct halves *ret) {
    uint8_t power[8];
    for (unsigned bit = 0; bit < 8; bit++, c = twice(c)) power[bit] = c;
    ret->low[0] = ret->high[0] = 0;
    for (unsigned i = 1; i < 16; i++) { /* what i has without its lowest bit, and that bit */
        unsigned rest = i & (i - 1), bit = (unsigned)__builtin_ctz(i);
        ret->low[i] = ret->low[rest] ^ power[bit];
        ret->high[i] = ret->high[rest] ^ power[bit + 4];
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static size_t add_wide(uint8_t *dst, const uint8_t *src, size_t size,
                                                       const struct halves *h) {
    const __m256i mask = _mm256_set1_epi8(15);
    const __m256i low = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)h->low));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)h->high));
    size_t at = 0;
    for (; at + 32 <= size; at += 32) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(src + at));
        __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(dst + at));
        __m256i a = _mm256_shuffle_epi8(low, _mm256_and_si256(x, mask));
        __m256i b = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(x, 4), mask));
        _mm256_storeu_si256((__m256i *)(void *)(dst + at), _mm256_xor_si256(y, _mm256_xor_si256(a, b)));
    }
    return at;
}
static bool wide(void) { return __builtin_cpu_supports("avx2"); }
#else
static size_t add_wide(uint8_t *dst, const uint8_t *src, size_t size, const struct halves *h) {
    (void)dst, (void)src, (void)size, (void)h;
    return 0;
}
static bool wide(void) { return false; }
#endif

/* dst += c * src */
static void add_product(uint8_t *dst, const uint8_t *src, size_t size, uint8_t c, bool use_wide) {
    struct halves h;
    if (c == 0) return;
    halves_of(c, &h);
    size_t at = use_wide ? add_wide(dst, src, size, &h) : 0;
    for (; at < size; at++) dst[at] ^= h.low[src[at] & 15] ^ h.high[src[at] >> 4];
}

static bool range_good(uint32_t k, uint32_t n) { return k >= 1 && k <= n && n <= FEC_SHARDS_MAX; }

enum vl_err fec_encode(uint32_t k, uint32_t n, size_t size, uint8_t *const *shard) {
    if (!range_good(k, n)) return VL_ERANGE;
    bool use_wide = wide();
    for (uint32_t i = k; i < n; i++) {
        memset(shard[i], 0, size);
        for (uint32_t j = 0; j < k; j++) add_product(shard[i], shard[j], size, cauchy(i, j), use_wide);
    }
    return VL_OK;
}

/* The inverse of the square Cauchy matrix over rows x and columns y, entry by entry (Schechter 1959; signs vanish in
 * characteristic 2):  1 / (x_i + y_j) becomes  a_i b_j / (x_i + y_j)  with
 *   a_i = prod_l (x_i + y_l) / prod_{l != i} (x_i + x_l),   b_j the same with x and y exchanged. */
static uint8_t factor(uint8_t self, const uint8_t *own, const uint8_t *other, uint32_t m) {
    uint8_t over = 1, under = 1;
    for (uint32_t l = 0; l < m; l++) {
        over = product(over, (uint8_t)(self ^ other[l]));
        if (own[l] != self) under = product(under, (uint8_t)(self ^ own[l]));
    }
    return product(over, inverse(under));
}

enum vl_err fec_decode(uint32_t k, uint32_t n, size_t size, uint8_t *const *shard, const bool *have) {
    uint8_t lost[FEC_SHARDS_MAX], spare[FEC_SHARDS_MAX], a[FEC_SHARDS_MAX];
    uint32_t m = 0, rows = 0;
    if (!range_good(k, n)) return VL_ERANGE;
    for (uint32_t j = 0; j < k; j++)
        if (!have[j]) lost[m++] = (uint8_t)j;
    for (uint32_t i = k; i < n && rows < m; i++)
        if (have[i]) spare[rows++] = (uint8_t)i;
    if (rows < m) return VL_EAGAIN;
    if (m == 0 || size == 0) return VL_OK;

    bool use_wide = wide();
    uint8_t *rest = malloc(m * size); /* what the lost shards alone give to each parity shard */
    if (rest == NULL) return VL_ENOMEM;
    for (uint32_t r = 0; r < m; r++) {
        memcpy(rest + r * size, shard[spare[r]], size);
        for (uint32_t j = 0; j < k; j++)
            if (have[j]) add_product(rest + r * size, shard[j], size, cauchy(spare[r], j), use_wide);
        a[r] = factor(spare[r], spare, lost, m);
    }
    for (uint32_t l = 0; l < m; l++) {
        uint8_t b = factor(lost[l], lost, spare, m);
        memset(shard[lost[l]], 0, size);
        for (uint32_t r = 0; r < m; r++)
            add_product(shard[lost[l]], rest + r * size, size, product(product(a[r], b), cauchy(spare[r], lost[l])),
                        use_wide);
    }
    memset(rest, 0, m * size);
    free(rest);
    return VL_OK;
}
