/* text.h - bytes as text: hex, base32 (RFC 4648, lower case, no padding), base64 (RFC 4648 section 4, padded), base58btc; strict decoders. */
#ifndef VL_BASE_TEXT_H
#define VL_BASE_TEXT_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* dst holds 2n + 1 bytes. */
void vl_hex_encode(const void *src, size_t n, char *dst);
/* Exactly n bytes from 2n lower- or upper-case digits.  VL_EPARSE; dst untouched on error. */
VL_MUST_CHECK enum vl_err vl_hex_decode(const char *s, void *dst, size_t n);

/* Characters without the NUL for n bytes. */
size_t vl_base32_len(size_t n);
void vl_base32_encode(const void *src, size_t n, char *dst);
/* Decodes all of s (either case).  VL_EPARSE: foreign character, impossible length, non-zero spare bits.
 * VL_ELIMIT: more than cap bytes. */
VL_MUST_CHECK enum vl_err vl_base32_decode(const char *s, void *dst, size_t cap, size_t *ret_n);

/* Characters with the NUL for n bytes. */
#define VL_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
void vl_base64_encode(const void *src, size_t n, char *dst);
/* Decodes all of s.  VL_EPARSE: foreign character, wrong padding, non-zero spare bits.  VL_ELIMIT: more than cap bytes. */
VL_MUST_CHECK enum vl_err vl_base64_decode(const char *s, void *dst, size_t cap, size_t *ret_n);

/* n <= 128; cap counts the NUL, n * 138 / 100 + 2 always suffices.  VL_ELIMIT when cap is too small or n too large. */
VL_MUST_CHECK enum vl_err vl_base58_encode(const void *src, size_t n, char *dst, size_t cap);
/* At most 180 characters.  VL_EPARSE; VL_ELIMIT: more than cap bytes. */
VL_MUST_CHECK enum vl_err vl_base58_decode(const char *s, void *dst, size_t cap, size_t *ret_n);

#endif
