#include "crypto/stream.h"

#include <sodium.h>

static const uint8_t zero_nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = { 0 };

void crypto_chacha20(const uint8_t key[CRYPTO_CHACHA20_KEY], uint8_t *dst, size_t n) {
    (void)crypto_stream_chacha20_ietf(dst, n, zero_nonce, key);
}

void crypto_chacha20_xor(const uint8_t key[CRYPTO_CHACHA20_KEY], const uint8_t *src, size_t n, uint8_t *dst) {
    (void)crypto_stream_chacha20_ietf_xor(dst, src, n, zero_nonce, key);
}

void crypto_poly1305(const uint8_t key[CRYPTO_POLY1305_KEY], struct vl_span message, uint8_t ret[CRYPTO_POLY1305_TAG]) {
    (void)crypto_onetimeauth_poly1305(ret, message.p, message.n, key);
}
