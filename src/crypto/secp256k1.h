/* secp256k1.h - recoverable ECDSA on secp256k1 as the Ethereum chain has it (yellow paper, appendix F; EIP-2: s at most
 * half the order), by libsecp256k1.  Nonces follow RFC 6979, so a signature depends on key and digest alone.
 * Not thread-safe: one context for each thread.  A library of its own (secp_lib): absent where libsecp256k1 is. */
#ifndef VL_CRYPTO_SECP256K1_H
#define VL_CRYPTO_SECP256K1_H

#include "base/bytes.h"

struct secp; /* opaque: a context, blinded against side channels */

struct secp_signature {
    uint8_t r[32], s[32]; /* big-endian */
    uint8_t parity;       /* of the y of the nonce's point: 0 or 1 */
};

/* blind: random bytes, secret, copied.  NULL: out of memory.  End it with secp_destroy() (NULL is a no-op). */
struct secp *secp_create(const uint8_t blind[32]);
void secp_destroy(struct secp *c);
/* The public key x || y, both big-endian.  VL_ERANGE: the secret is zero or not below the order. */
VL_MUST_CHECK enum vl_err secp_public(const struct secp *c, const uint8_t secret[32], uint8_t ret[64]);
/* VL_ERANGE as above; VL_EINTERNAL: the nonce's x is not below the order, which nobody has seen. */
VL_MUST_CHECK enum vl_err secp_sign(const struct secp *c, const uint8_t secret[32], const uint8_t digest[32], struct secp_signature *ret);
/* The key whose signature of the digest this is.  VL_ECRYPTO: of no key, r or s out of range, s above half the order
 * (the second form of the same signature), or another parity than 0 and 1. */
VL_MUST_CHECK enum vl_err secp_recover(const struct secp *c, const struct secp_signature *s, const uint8_t digest[32], uint8_t ret[64]);

#endif
