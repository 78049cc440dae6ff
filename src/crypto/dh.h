/* dh.h - X25519 (RFC 7748).  Pure. */
#ifndef VL_CRYPTO_DH_H
#define VL_CRYPTO_DH_H

#include "base/err.h"

#include <stdint.h>

/* A secret: wipe with crypto_dh_key_wipe(). */
struct crypto_dh_key {
    uint8_t secret[32];
    uint8_t public[32];
};
/* The seed is the scalar (clamped in use). */
void crypto_dh_key_from_seed(const uint8_t seed[32], struct crypto_dh_key *ret);
void crypto_dh_key_wipe(struct crypto_dh_key *key);
/* VL_ECRYPTO: the result would be all zero (a low-order public key: the peer would choose our secret). */
VL_MUST_CHECK enum vl_err crypto_dh(const uint8_t secret[32], const uint8_t public[32], uint8_t ret[32]);

#endif
