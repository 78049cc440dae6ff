/* x25519_batch.h - many X25519 (RFC 7748 section 5) at once: eight lanes of AVX-512 IFMA where the processor has them,
 * four of AVX2 where it has those, else one by one through libsodium; the same results in every case.  Constant time in
 * scalars and points.
 * The implementation is chosen by crypto_init().  Pure; thread-safe. */
#ifndef VL_CRYPTO_X25519_BATCH_H
#define VL_CRYPTO_X25519_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_X25519_LANES 8u /* of the widest implementation: a batch of a multiple of it wastes nothing */

/* Stable names, shown in figures. */
enum crypto_x25519_impl { CRYPTO_X25519_PORTABLE = 1, CRYPTO_X25519_AVX2 = 2, CRYPTO_X25519_IFMA = 3 };
/* The one that crypto_init() chose, and one by number for tests and benches.  False: this processor cannot. */
enum crypto_x25519_impl crypto_x25519_chosen(void);
bool crypto_x25519_available(enum crypto_x25519_impl impl);

/* ret[i] = X25519(scalar[i], point[i]) for i < n; scalars are clamped in use, bit 255 of points is ignored.
 * Unlike crypto_dh() it does not refuse: where the result is all zero (a low-order point) the lane is 32 zero bytes and
 * the caller, who has the other lanes to go on with, must check (crypto_x25519_is_zero()).
 * ret may be the memory of scalar or point, lane by lane. */
void crypto_x25519_batch(const uint8_t (*scalar)[32], const uint8_t (*point)[32], uint8_t (*ret)[32], size_t n);
/* ret[i] = X25519(scalar[i], 9): public keys. */
void crypto_x25519_base_batch(const uint8_t (*scalar)[32], uint8_t (*ret)[32], size_t n);
/* Both with one implementation, which must be available: for tests and benches. */
void crypto_x25519_batch_with(enum crypto_x25519_impl impl, const uint8_t (*scalar)[32], const uint8_t (*point)[32],
                              uint8_t (*ret)[32], size_t n);
void crypto_x25519_base_batch_with(enum crypto_x25519_impl impl, const uint8_t (*scalar)[32], uint8_t (*ret)[32],
                                   size_t n);
/* Constant time. */
bool crypto_x25519_is_zero(const uint8_t result[32]);

#endif
