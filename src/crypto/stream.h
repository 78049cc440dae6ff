/* stream.h - ChaCha20 and Poly1305 (RFC 8439 sections 2.4, 2.5) by themselves, for formats that take their keys from a
 * KDF and use each for one message: the nonce is zero, the counter starts at 0.  Pure; thread-safe. */
#ifndef VL_CRYPTO_STREAM_H
#define VL_CRYPTO_STREAM_H

#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

#define CRYPTO_CHACHA20_KEY 32u
#define CRYPTO_POLY1305_KEY 32u
#define CRYPTO_POLY1305_TAG 16u

/* The first n bytes of the stream.  A key gives one stream and no more: never xor two messages with it. */
void crypto_chacha20(const uint8_t key[CRYPTO_CHACHA20_KEY], uint8_t *dst, size_t n);
/* The same for n keys, each with its own stream of len bytes, a multiple of 64, at dst[i]: 16 side by side where the
 * processor has AVX-512.  A stream of a few blocks costs a quarter so. */
void crypto_chacha20_many(const uint8_t (*key)[CRYPTO_CHACHA20_KEY], size_t n, uint8_t *const *dst, size_t len);
/* dst = src xor the stream; dst == src, or the two do not overlap. */
void crypto_chacha20_xor(const uint8_t key[CRYPTO_CHACHA20_KEY], const uint8_t *src, size_t n, uint8_t *dst);
/* Tag of message.  The key is used for one message only. */
void crypto_poly1305(const uint8_t key[CRYPTO_POLY1305_KEY], struct vl_span message, uint8_t ret[CRYPTO_POLY1305_TAG]);

#endif
