/* drbg.h - deterministic generator for cores that need unpredictable bytes (ids, ephemerals): ChaCha20 with fast key
 * erasure (Bernstein 2017), from one seed that node/ draws from crypto/random.h and sim/ from its own seed.
 * The stream does not depend on how it is cut into requests.  Pure; not thread-safe. */
#ifndef VL_CRYPTO_DRBG_H
#define VL_CRYPTO_DRBG_H

#include <stddef.h>
#include <stdint.h>

#define CRYPTO_DRBG_SEED 32u
#define CRYPTO_DRBG_BLOCK 512u

/* Members are private; a secret. */
struct crypto_drbg {
    uint8_t key[32];
    uint8_t block[CRYPTO_DRBG_BLOCK];
    size_t used; /* bytes of block already given out, and wiped */
};
void crypto_drbg_init(struct crypto_drbg *g, const uint8_t seed[CRYPTO_DRBG_SEED]);
void crypto_drbg_bytes(struct crypto_drbg *g, void *dst, size_t n);
uint64_t crypto_drbg_u64(struct crypto_drbg *g);
/* Uniform in [0, n), n > 0, without modulo bias. */
uint64_t crypto_drbg_below(struct crypto_drbg *g, uint64_t n);
void crypto_drbg_wipe(struct crypto_drbg *g);

#endif
