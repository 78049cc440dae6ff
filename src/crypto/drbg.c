#include "crypto/drbg.h"

#include "base/bytes.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

/* Erasing the key that made the block first means: who steals the state learns nothing that was given out before. */
static void refill(struct crypto_drbg *g) {
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = { 0 };
    crypto_stream_chacha20_ietf(g->block, sizeof g->block, nonce, g->key);
    memcpy(g->key, g->block, sizeof g->key);
    sodium_memzero(g->block, sizeof g->key);
    g->used = sizeof g->key;
}

void crypto_drbg_init(struct crypto_drbg *g, const uint8_t seed[CRYPTO_DRBG_SEED]) {
    *g = (struct crypto_drbg){ .used = CRYPTO_DRBG_BLOCK };
    memcpy(g->key, seed, sizeof g->key);
}

void crypto_drbg_bytes(struct crypto_drbg *g, void *dst, size_t n) {
    uint8_t *at = dst;
    while (n > 0) {
        if (g->used == sizeof g->block) refill(g);
        size_t left = sizeof g->block - g->used, take = n < left ? n : left;
        memcpy(at, g->block + g->used, take);
        sodium_memzero(g->block + g->used, take);
        g->used += take;
        at += take;
        n -= take;
    }
}

uint64_t crypto_drbg_u64(struct crypto_drbg *g) {
    uint8_t b[8];
    crypto_drbg_bytes(g, b, sizeof b);
    return vl_get_u64(b);
}

uint64_t crypto_drbg_below(struct crypto_drbg *g, uint64_t n) {
    assert(n > 0);
    uint64_t skip = -n % n, x; /* 2^64 mod n: values below it would come once too often */
    do x = crypto_drbg_u64(g);
    while (x < skip);
    return x % n;
}

void crypto_drbg_wipe(struct crypto_drbg *g) { sodium_memzero(g, sizeof *g); }
