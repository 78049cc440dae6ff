/* aes_sliced.h - AES-256 (FIPS 197) of eight blocks at once, without tables and without branches on secrets, in 128-bit
 * vectors that every compiler can lower (SSE2, NEON, or plain words).  For hctr2_portable.c only.  Pure.
 *
 * Bit slicing: the state of eight blocks is eight planes.  Byte j of plane b holds bit b of state byte j of all eight
 * blocks, block k in bit k.  Bytes keep the order of FIPS 197, so that a 32-bit lane is a column and a row is the same
 * byte of each lane. */
#ifndef VL_CRYPTO_AES_SLICED_H
#define VL_CRYPTO_AES_SLICED_H

#include <stdint.h>

#define AES_SLICED_BLOCKS 8u
#define AES_SLICED_ROUNDS 14u

typedef uint32_t aes_plane __attribute__((vector_size(16)));

/* A secret: about 2 KiB, to be wiped by the owner. */
struct aes_sliced_key {
    aes_plane round[AES_SLICED_ROUNDS + 1][8];
};

void aes_sliced_expand(struct aes_sliced_key *ret, const uint8_t key[32]);
/* In place. */
void aes_sliced_encrypt(const struct aes_sliced_key *key, uint8_t blocks[AES_SLICED_BLOCKS][16]);
void aes_sliced_decrypt(const struct aes_sliced_key *key, uint8_t blocks[AES_SLICED_BLOCKS][16]);

#endif
