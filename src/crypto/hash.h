/* hash.h - BLAKE2b (RFC 7693), SHA-256 (FIPS 180-4), HMAC (RFC 2104), HKDF (RFC 5869).
 * BLAKE2b-256 names blobs; SHA-256 and BLAKE2b-512 are the two hashes of Noise.  Pure. */
#ifndef VL_CRYPTO_HASH_H
#define VL_CRYPTO_HASH_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"

#include <stddef.h>
#include <stdint.h>

#define CRYPTO_HASH_MAX 64u /* longest digest of this header */

void crypto_blake2b256(struct vl_span in, struct vl_hash *ret);

/* BLAKE2b of 1..64 bytes with a key of 0..64 bytes and a personalisation (NULL, or exactly 16 bytes: another use of
 * the same input gives an unrelated digest). */
void crypto_blake2b_keyed(struct vl_span in, struct vl_span key, const char personal[16], uint8_t *dst, size_t n);

/* BLAKE2b-256 piece by piece.  Plain value: copy it to fork the hash. */
struct crypto_blake2b {
    _Alignas(16) uint8_t state[384];
};
void crypto_blake2b_init(struct crypto_blake2b *h);
void crypto_blake2b_update(struct crypto_blake2b *h, const void *p, size_t n);
/* Ends and wipes h. */
void crypto_blake2b_final(struct crypto_blake2b *h, struct vl_hash *ret);

void crypto_sha256(struct vl_span in, uint8_t ret[32]);

/* Numbers appear in no message; Noise names them by text. */
enum crypto_hash_kind { CRYPTO_SHA256 = 1, CRYPTO_BLAKE2B = 2 }; /* BLAKE2B: 64 bytes, as Noise has it */
/* 32 or 64. */
size_t crypto_hash_len(enum crypto_hash_kind kind);
/* Digest of a || b into crypto_hash_len(kind) bytes; dst may be a's or b's memory. */
void crypto_hash2(enum crypto_hash_kind kind, struct vl_span a, struct vl_span b, uint8_t *dst);
/* HMAC over a || b || c, crypto_hash_len(kind) bytes.  BLAKE2b goes through HMAC as well (Noise 4.3). */
void crypto_hmac(enum crypto_hash_kind kind, struct vl_span key, struct vl_span a, struct vl_span b, struct vl_span c,
                 uint8_t *dst);
/* dst: crypto_hash_len(kind) bytes. */
void crypto_hkdf_extract(enum crypto_hash_kind kind, struct vl_span salt, struct vl_span ikm, uint8_t *dst);
/* VL_ERANGE: n > 255 * crypto_hash_len(kind).  With an empty info this is the HKDF of Noise (its section 4.3). */
VL_MUST_CHECK enum vl_err crypto_hkdf_expand(enum crypto_hash_kind kind, struct vl_span prk, struct vl_span info,
                                             uint8_t *dst, size_t n);

#endif
