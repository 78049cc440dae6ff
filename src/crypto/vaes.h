/* vaes.h - AES-256-GCM (NIST SP 800-38D) with the vector AES of newer x86-64 processors, through Intel's ipsec-mb
 * library: four times as fast as libcrypto 3.0, which knows AES-NI only (decision 11 has the figures).
 * For aead.c alone: whoever wants AES-GCM takes crypto_aead.  Where the library's header was not there at build time,
 * the library is not there or of another version at run time, or the processor lacks VAES, VPCLMULQDQ or AVX-512,
 * crypto_vaes_available() is false and nothing else may be called. */
#ifndef VL_CRYPTO_VAES_H
#define VL_CRYPTO_VAES_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crypto_vaes; /* a secret, 1 KiB */

/* Looks once per process, at the library and the processor; any thread. */
bool crypto_vaes_available(void);
/* Copies the 32 bytes at `key`.  The caller owns it, end with crypto_vaes_free().  NULL: out of memory. */
struct crypto_vaes *crypto_vaes_new(const uint8_t *key);
/* Wipes; NULL is a no-op. */
void crypto_vaes_free(struct crypto_vaes *v);
/* n bytes at src become n + 16 at dst (ciphertext, tag); in place or without overlap. */
void crypto_vaes_seal(const struct crypto_vaes *v, const uint8_t nonce[12], struct vl_span ad, const uint8_t *src,
                      size_t n, uint8_t *dst);
/* n + 16 bytes at src become n at dst; in place or without overlap.  false: forged, and dst holds what must not be
 * used. */
bool crypto_vaes_open(const struct crypto_vaes *v, const uint8_t nonce[12], struct vl_span ad, const uint8_t *src,
                      size_t n, uint8_t *dst);

#endif
