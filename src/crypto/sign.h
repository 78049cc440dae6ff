/* sign.h - Ed25519 (RFC 8032), with a context in front of every message so that a signature made for one purpose is
 * worth nothing for another.  Pure and deterministic. */
#ifndef VL_CRYPTO_SIGN_H
#define VL_CRYPTO_SIGN_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"

#include <stdint.h>

#define CRYPTO_SIGN_SEED 32u
#define CRYPTO_SIGNATURE 64u
#define CRYPTO_SIGN_MAX 4096u /* context and message; of anything longer its hash is signed */

/* A secret: wipe with crypto_sign_key_wipe(). */
struct crypto_sign_key {
    uint8_t secret[64]; /* seed, then public key */
    uint8_t public[32];
};
void crypto_sign_key_from_seed(const uint8_t seed[CRYPTO_SIGN_SEED], struct crypto_sign_key *ret);
void crypto_sign_key_wipe(struct crypto_sign_key *key);
/* The node id of a key is its public half. */
struct vl_node_id crypto_sign_node_id(const struct crypto_sign_key *key);

/* Signs context || message.  `context` is a literal that ends with its only ':' ("village-cert-1:"), hence none is a
 * prefix of another; or "" where a foreign protocol signs bare messages.  VL_ELIMIT: longer than CRYPTO_SIGN_MAX. */
VL_MUST_CHECK enum vl_err crypto_sign_message(const struct crypto_sign_key *key, const char *context,
                                              struct vl_span message, uint8_t ret[CRYPTO_SIGNATURE]);
/* Strict: small-order and non-canonical keys and points, and S >= L, are refused.
 * VL_ECRYPTO: not a signature of this message under this key and context.  VL_ELIMIT: as above. */
VL_MUST_CHECK enum vl_err crypto_verify_message(const uint8_t public[32], const char *context, struct vl_span message,
                                                const uint8_t signature[CRYPTO_SIGNATURE]);

#endif
