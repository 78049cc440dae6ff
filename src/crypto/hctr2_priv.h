/* hctr2_priv.h - what an implementation of HCTR2 offers to the mode in hctr2.c; tests hold each part against vectors of
 * its own.  Notation of eprint 2021/1441: hbar is the key of POLYVAL, L the mask of XCTR's start. */
#ifndef VL_CRYPTO_HCTR2_PRIV_H
#define VL_CRYPTO_HCTR2_PRIV_H

#include "crypto/cpu.h"
#include "crypto/hctr2.h"

#define HCTR2_STATE 2048u /* bytes at most, at an address that is a multiple of 64 */

struct hctr2_ops {
    size_t state; /* bytes that are used, and wiped afterwards */
    /* Expands the key; hbar = E(0), and L = E(1). */
    void (*setup)(void *state, const uint8_t key[32], uint8_t l[16]);
    /* Another hbar: for tests of POLYVAL alone. */
    void (*hash_key)(void *state, const uint8_t hbar[16]);
    void (*encrypt)(const void *state, const uint8_t src[16], uint8_t dst[16]);
    void (*decrypt)(const void *state, const uint8_t src[16], uint8_t dst[16]);
    /* POLYVAL's sum goes on over `blocks` blocks. */
    void (*polyval)(const void *state, uint8_t acc[16], const uint8_t *data, size_t blocks);
    /* dst = src xor E(iv xor 1) || E(iv xor 2) || ...  dst == src, or they do not overlap. */
    void (*xctr)(const void *state, const uint8_t iv[16], const uint8_t *src, size_t n, uint8_t *dst);
};

extern const struct hctr2_ops hctr2_portable, hctr2_aesni, hctr2_vaes; /* the last two on x86-64 only */
/* Takes the best implementation that `cpu` can run, and makes those available.  crypto_init() calls it with what the
 * processor has; a test may call it with less. */
void hctr2_choose(const struct crypto_cpu *cpu);
/* NULL: this processor cannot, or there is no such implementation. */
const struct hctr2_ops *hctr2_ops_of(enum crypto_hctr2_impl impl);

#endif
