#include "crypto/dh.h"

#include <sodium.h>
#include <string.h>

void crypto_dh_key_from_seed(const uint8_t seed[32], struct crypto_dh_key *ret) {
    uint8_t public[32];
    crypto_scalarmult_curve25519_base(public, seed);
    memmove(ret->secret, seed, sizeof ret->secret);
    memcpy(ret->public, public, sizeof ret->public);
}

void crypto_dh_key_wipe(struct crypto_dh_key *key) { sodium_memzero(key, sizeof *key); }

enum vl_err crypto_dh(const uint8_t secret[32], const uint8_t public[32], uint8_t ret[32]) {
    uint8_t shared[32];
    int bad = crypto_scalarmult_curve25519(shared, secret, public);
    if (bad == 0) memcpy(ret, shared, sizeof shared);
    sodium_memzero(shared, sizeof shared);
    return bad == 0 ? VL_OK : VL_ECRYPTO;
}
