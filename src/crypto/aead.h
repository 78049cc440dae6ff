/* aead.h - ChaCha20-Poly1305 (RFC 8439) and AES-256-GCM (NIST SP 800-38D) behind one context, with the nonces of Noise
 * (section 12): 4 zero bytes, then the 64-bit counter, little-endian for ChaChaPoly, big-endian for AESGCM.
 * Small messages go to libsodium (no set-up), large ones to libcrypto (twice as fast), or for AES-GCM to vaes.h where
 * the machine has it (four times as fast again), which then takes the small ones of that context too.  All give the
 * same bytes; see aead.c for the measured edges.  A context belongs to one thread at a time. */
#ifndef VL_CRYPTO_AEAD_H
#define VL_CRYPTO_AEAD_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_AEAD_KEY 32u
#define CRYPTO_AEAD_TAG 16u
#define CRYPTO_AEAD_MAX (1u << 30)              /* plaintext of one message; libcrypto counts in int */
#define CRYPTO_AEAD_NONCE_LAST (UINT64_MAX - 1) /* the counter after it belongs to rekey */

enum crypto_aead_kind { CRYPTO_CHACHAPOLY = 1, CRYPTO_AESGCM = 2 };

/* Members are private.  A secret; 570 bytes, and once a large message has passed 1 KiB of keys (vaes.h) or 1.4 KiB of
 * libcrypto's. */
struct crypto_aead {
    _Alignas(16) uint8_t aes[512]; /* libsodium's expanded key, AESGCM only */
    uint8_t key[CRYPTO_AEAD_KEY];
    enum crypto_aead_kind kind;
    bool evp_seals;           /* direction evp is set up for */
    bool use_vaes;            /* large messages go to vaes.h, not to libcrypto */
    void *evp;                /* owned EVP_CIPHER_CTX, NULL until a large message */
    struct crypto_vaes *vaes; /* owned, NULL until a large message */
};

/* Copies the key.  Allocates nothing.  End with crypto_aead_destroy(). */
void crypto_aead_init(struct crypto_aead *a, enum crypto_aead_kind kind, const uint8_t key[CRYPTO_AEAD_KEY]);
/* Wipes; an all-zero context is fine. */
void crypto_aead_destroy(struct crypto_aead *a);

/* n bytes at src become n + 16 at dst (ciphertext, tag); dst == src, or the two do not overlap.  The caller never uses
 * a nonce twice.  VL_ELIMIT: nonce past CRYPTO_AEAD_NONCE_LAST, or n past CRYPTO_AEAD_MAX.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err crypto_aead_seal(struct crypto_aead *a, uint64_t nonce, struct vl_span ad, const uint8_t *src,
                                           size_t n, uint8_t *dst);
/* n bytes at src (tag included) become n - 16 at dst; dst == src, or no overlap.  On VL_ECRYPTO (forged or damaged, or
 * n < 16) the n - 16 bytes at dst are zeroed: unauthenticated plaintext never leaves.  VL_ELIMIT, VL_ENOMEM: above. */
VL_MUST_CHECK enum vl_err crypto_aead_open(struct crypto_aead *a, uint64_t nonce, struct vl_span ad, const uint8_t *src,
                                           size_t n, uint8_t *dst);
/* REKEY of Noise 4.2: the key becomes the encryption of 32 zeros under the reserved nonce 2^64 - 1.  VL_ENOMEM: key
 * kept. */
VL_MUST_CHECK enum vl_err crypto_aead_rekey(struct crypto_aead *a);

#endif
