#include "crypto/stream.h"

#include "crypto/stream_priv.h"

#include <assert.h>
#include <sodium.h>

static const uint8_t zero_nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = { 0 };
static bool wide; /* written by crypto_init() alone */

void stream_choose(const struct crypto_cpu *cpu) {
#if defined(__x86_64__)
    wide = cpu->avx512;
#else
    (void)cpu;
#endif
}

void crypto_chacha20(const uint8_t key[CRYPTO_CHACHA20_KEY], uint8_t *dst, size_t n) {
    (void)crypto_stream_chacha20_ietf(dst, n, zero_nonce, key);
}

void crypto_chacha20_many(const uint8_t (*key)[CRYPTO_CHACHA20_KEY], size_t n, uint8_t *const *dst, size_t len) {
    assert(len % 64 == 0);
    size_t i = 0;
#if defined(__x86_64__)
    for (size_t take; wide && n - i >= 2; i += take) { /* for one alone the lanes cost more than they bring */
        take = n - i < STREAM_LANES ? n - i : STREAM_LANES;
        stream_chacha20_avx512(key + i, take, dst + i, len);
    }
#endif
    for (; i < n; i++) crypto_chacha20(key[i], dst[i], len);
}

void crypto_chacha20_xor(const uint8_t key[CRYPTO_CHACHA20_KEY], const uint8_t *src, size_t n, uint8_t *dst) {
    (void)crypto_stream_chacha20_ietf_xor(dst, src, n, zero_nonce, key);
}

void crypto_poly1305(const uint8_t key[CRYPTO_POLY1305_KEY], struct vl_span message, uint8_t ret[CRYPTO_POLY1305_TAG]) {
    (void)crypto_onetimeauth_poly1305(ret, message.p, message.n, key);
}
