/* x25519_priv.h - what the implementations of batched X25519 offer to x25519_batch.c and to tests. */
#ifndef VL_CRYPTO_X25519_PRIV_H
#define VL_CRYPTO_X25519_PRIV_H

#include "crypto/cpu.h"
#include "crypto/x25519_batch.h"

/* As crypto_x25519_batch(), on a processor that can; point NULL: 9 in every lane. */
void x25519_avx2(const uint8_t (*scalar)[32], const uint8_t (*point)[32], uint8_t (*ret)[32], size_t n);
void x25519_ifma(const uint8_t (*scalar)[32], const uint8_t (*point)[32], uint8_t (*ret)[32], size_t n);
/* Takes the best implementation that `cpu` can run, and makes those available.  crypto_init() calls it with what the
 * processor has; a test may call it with less. */
void x25519_choose(const struct crypto_cpu *cpu);

#endif
