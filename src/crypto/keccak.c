#include "crypto/keccak.h"

#include "crypto/random.h"

#include <string.h>

#define ROUNDS 24

/* iota, FIPS 202 3.2.5: the bits of rc[t] at 2^j - 1, from the shift register x^8 + x^6 + x^5 + x^4 + 1. */
static const uint64_t iota[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};
/* rho, FIPS 202 table 2 modulo 64, by lane. */
static const uint8_t rho[25] = { 0,  1,  62, 28, 27, 36, 44, 6,  55, 20, 3,  10, 43,
                                 25, 39, 41, 45, 15, 21, 8,  18, 2,  61, 56, 14 };

static inline uint64_t rotated(uint64_t v, unsigned n) { return v << n | v >> ((64 - n) % 64); }

void keccak_f1600(uint64_t lane[25]) {
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t c[5], b[25];
        for (int x = 0; x < 5; x++) c[x] = lane[x] ^ lane[x + 5] ^ lane[x + 10] ^ lane[x + 15] ^ lane[x + 20];
        for (int y = 0; y < 5; y++)
            for (int x = 0; x < 5; x++) { /* theta, rho, and pi: A[x, y] moves to A[y, 2x + 3y] */
                uint64_t v = lane[x + 5 * y] ^ c[(x + 4) % 5] ^ rotated(c[(x + 1) % 5], 1);
                b[y + 5 * ((2 * x + 3 * y) % 5)] = rotated(v, rho[x + 5 * y]);
            }
        for (int y = 0; y < 25; y += 5)
            for (int x = 0; x < 5; x++) lane[x + y] = b[x + y] ^ (~b[(x + 1) % 5 + y] & b[(x + 2) % 5 + y]);
        lane[0] ^= iota[round];
    }
}

void keccak_init(struct keccak *k) { memset(k, 0, sizeof *k); }

static void absorb_byte(struct keccak *k, uint32_t at, uint8_t byte) {
    k->lane[at / 8] ^= (uint64_t)byte << at % 8 * 8;
}

void keccak_update(struct keccak *k, const void *p, size_t n) {
    const uint8_t *in = p;
    for (size_t i = 0; i < n; i++) {
        absorb_byte(k, k->at++, in[i]);
        if (k->at == KECCAK_RATE_256) {
            keccak_f1600(k->lane);
            k->at = 0;
        }
    }
}

static void final(struct keccak *k, uint8_t domain, uint8_t ret[32]) {
    absorb_byte(k, k->at, domain);
    absorb_byte(k, KECCAK_RATE_256 - 1, 0x80);
    keccak_f1600(k->lane);
    for (int i = 0; i < 32; i++) ret[i] = (uint8_t)(k->lane[i / 8] >> i % 8 * 8);
    crypto_wipe(k, sizeof *k);
}

void keccak_final_sha3_256(struct keccak *k, uint8_t ret[32]) { final(k, 0x06, ret); }
void keccak_final_keccak_256(struct keccak *k, uint8_t ret[32]) { final(k, 0x01, ret); }

void keccak_sha3_256(struct vl_span in, uint8_t ret[32]) {
    struct keccak k;
    keccak_init(&k);
    keccak_update(&k, in.p, in.n);
    keccak_final_sha3_256(&k, ret);
}

void keccak_256(struct vl_span in, uint8_t ret[32]) {
    struct keccak k;
    keccak_init(&k);
    keccak_update(&k, in.p, in.n);
    keccak_final_keccak_256(&k, ret);
}

/* One input, any rate and length of output. */
static void sponge(uint32_t rate, uint8_t domain, struct vl_span in, uint8_t *dst, size_t n) {
    struct keccak k = { .at = 0 };
    for (size_t i = 0; i < in.n; i++) {
        absorb_byte(&k, k.at++, in.p[i]);
        if (k.at == rate) {
            keccak_f1600(k.lane);
            k.at = 0;
        }
    }
    absorb_byte(&k, k.at, domain);
    absorb_byte(&k, rate - 1, 0x80);
    for (size_t i = 0; i < n; i++) {
        if (i % rate == 0) keccak_f1600(k.lane);
        dst[i] = (uint8_t)(k.lane[i % rate / 8] >> i % 8 * 8);
    }
    crypto_wipe(&k, sizeof k);
}

void keccak_sha3_512(struct vl_span in, uint8_t ret[64]) { sponge(72, 0x06, in, ret, 64); }
void keccak_shake256(struct vl_span in, uint8_t *dst, size_t n) { sponge(KECCAK_RATE_256, 0x1f, in, dst, n); }
