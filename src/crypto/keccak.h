/* keccak.h - the permutation Keccak-f[1600] and hashes on it: SHA3-256, SHA3-512 and SHAKE256 (FIPS 202), and
 * Keccak-256 as the Ethereum chain has it, SHA3-256 with the padding of the original submission (0x01 in place of
 * 0x06).  Pure. */
#ifndef VL_CRYPTO_KECCAK_H
#define VL_CRYPTO_KECCAK_H

#include "base/bytes.h"

#include <stdint.h>

#define KECCAK_STATE 200u
#define KECCAK_RATE_256 136u

/* FIPS 202 3.4 with 24 rounds, on lanes A[x, y] = lane[x + 5 y]. */
void keccak_f1600(uint64_t lane[25]);

/* A hash piece by piece; a plain value: copy it to fork.  Members are private. */
struct keccak {
    uint64_t lane[25];
    uint32_t at; /* bytes of the block taken in */
};
void keccak_init(struct keccak *k);
void keccak_update(struct keccak *k, const void *p, size_t n);
/* One of these ends it; the state is wiped. */
void keccak_final_sha3_256(struct keccak *k, uint8_t ret[32]);
void keccak_final_keccak_256(struct keccak *k, uint8_t ret[32]);

void keccak_sha3_256(struct vl_span in, uint8_t ret[32]);
void keccak_256(struct vl_span in, uint8_t ret[32]);
void keccak_sha3_512(struct vl_span in, uint8_t ret[64]);
/* n bytes of SHAKE256 of `in`. */
void keccak_shake256(struct vl_span in, uint8_t *dst, size_t n);

#endif
