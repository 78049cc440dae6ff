#include "crypto/x25519_batch.h"

#include "crypto/random.h"

#include <sodium.h>

enum crypto_x25519_impl crypto_x25519_chosen(void) { return CRYPTO_X25519_PORTABLE; }

bool crypto_x25519_available(enum crypto_x25519_impl impl) { return impl == CRYPTO_X25519_PORTABLE; }

void crypto_x25519_batch(const uint8_t (*scalar)[32], const uint8_t (*point)[32], uint8_t (*ret)[32], size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint8_t q[32];
        if (crypto_scalarmult_curve25519(q, scalar[i], point[i])) sodium_memzero(q, sizeof q);
        for (size_t j = 0; j < 32; j++) ret[i][j] = q[j];
        sodium_memzero(q, sizeof q);
    }
}

void crypto_x25519_base_batch(const uint8_t (*scalar)[32], uint8_t (*ret)[32], size_t n) {
    for (size_t i = 0; i < n; i++) (void)crypto_scalarmult_curve25519_base(ret[i], scalar[i]);
}

void crypto_x25519_batch_with(enum crypto_x25519_impl impl, const uint8_t (*scalar)[32], const uint8_t (*point)[32],
                              uint8_t (*ret)[32], size_t n) {
    (void)impl;
    crypto_x25519_batch(scalar, point, ret, n);
}

bool crypto_x25519_is_zero(const uint8_t result[32]) { return sodium_is_zero(result, 32) == 1; }
