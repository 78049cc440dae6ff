#include "crypto/hctr2_priv.h"

#include "crypto/aes_sliced.h"
#include "crypto/polyval.h"
#include "crypto/random.h"

#include <string.h>

#define WIDE (16 * AES_SLICED_BLOCKS)

struct state {
    struct aes_sliced_key aes;
    uint8_t hbar[16];
};
_Static_assert(sizeof(struct state) <= HCTR2_STATE, "room for the state");

static void setup(void *state, const uint8_t key[32], uint8_t l[16]) {
    struct state *s = state;
    uint8_t blocks[AES_SLICED_BLOCKS][16] = { [1] = { 1 } };
    aes_sliced_expand(&s->aes, key);
    aes_sliced_encrypt(&s->aes, blocks);
    memcpy(s->hbar, blocks[0], 16);
    memcpy(l, blocks[1], 16);
    crypto_wipe(blocks, sizeof blocks);
}

static void hash_key(void *state, const uint8_t hbar[16]) { memcpy(((struct state *)state)->hbar, hbar, 16); }

static void encrypt(const void *state, const uint8_t src[16], uint8_t dst[16]) {
    uint8_t blocks[AES_SLICED_BLOCKS][16] = { 0 };
    memcpy(blocks[0], src, 16);
    aes_sliced_encrypt(&((const struct state *)state)->aes, blocks);
    memcpy(dst, blocks[0], 16);
    crypto_wipe(blocks, sizeof blocks);
}

static void decrypt(const void *state, const uint8_t src[16], uint8_t dst[16]) {
    uint8_t blocks[AES_SLICED_BLOCKS][16] = { 0 };
    memcpy(blocks[0], src, 16);
    aes_sliced_decrypt(&((const struct state *)state)->aes, blocks);
    memcpy(dst, blocks[0], 16);
    crypto_wipe(blocks, sizeof blocks);
}

static void polyval(const void *state, uint8_t acc[16], const uint8_t *data, size_t blocks) {
    polyval_update(((const struct state *)state)->hbar, acc, data, blocks);
}

static void xctr(const void *state, const uint8_t iv[16], const uint8_t *src, size_t n, uint8_t *dst) {
    uint8_t stream[AES_SLICED_BLOCKS][16];
    uint64_t counter = 0, low;
    memcpy(&low, iv, 8); /* the counter is little-endian and never reaches the upper half */
    for (size_t at = 0; at < n; at += WIDE) {
        for (unsigned i = 0; i < AES_SLICED_BLOCKS; i++) {
            uint64_t first = low ^ ++counter;
            memcpy(stream[i], &first, 8);
            memcpy(stream[i] + 8, iv + 8, 8);
        }
        aes_sliced_encrypt(&((const struct state *)state)->aes, stream);
        size_t part = n - at < WIDE ? n - at : WIDE;
        for (size_t i = 0; i < part; i++) dst[at + i] = src[at + i] ^ stream[i / 16][i % 16];
    }
    crypto_wipe(stream, sizeof stream);
}

const struct hctr2_ops hctr2_portable = {
    .state = sizeof(struct state),
    .setup = setup,
    .hash_key = hash_key,
    .encrypt = encrypt,
    .decrypt = decrypt,
    .polyval = polyval,
    .xctr = xctr,
};
