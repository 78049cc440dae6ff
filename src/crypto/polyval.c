#include "crypto/polyval.h"

#include "crypto/cpu.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "POLYVAL's bytes are little-endian");

__extension__ typedef unsigned __int128 u128;

/* Every fourth bit: 15 of them in 60 bits.  When two such numbers are multiplied as integers at most 15 ones meet in a
 * column, so that sums stay inside their four bits, and the lowest bit of each is the carry-less one. */
#define EVERY4 0x111111111111111u
#define LOW60 0xfffffffffffffffu
#define EVERY4_WIDE ((u128)0x1111111111111111u << 64 | 0x1111111111111111u)

static inline u128 with_holes(uint64_t a, uint64_t b) { return (u128)a * b; }

/* The carry-less product. */
static u128 clmul(uint64_t a, uint64_t b) {
    uint64_t as[4], bs[4];
    CRYPTO_UNROLL
    for (unsigned i = 0; i < 4; i++) {
        as[i] = a & LOW60 & (uint64_t)EVERY4 << i;
        bs[i] = b & LOW60 & (uint64_t)EVERY4 << i;
    }
    u128 product = 0;
    CRYPTO_UNROLL
    for (unsigned i = 0; i < 4; i++) { /* the columns that are i modulo 4 */
        u128 sum = with_holes(as[0], bs[i]) ^ with_holes(as[1], bs[(i + 3) % 4]) ^ with_holes(as[2], bs[(i + 2) % 4]) ^
                   with_holes(as[3], bs[(i + 1) % 4]);
        product ^= sum & EVERY4_WIDE << i;
    }
    CRYPTO_UNROLL
    for (unsigned i = 60; i < 64; i++) { /* what LOW60 left out */
        product ^= (u128)(b & (0 - (a >> i & 1))) << i;
        product ^= (u128)(a & LOW60 & (0 - (b >> i & 1))) << i;
    }
    return product;
}

/* low x^-64, modulo x^128 + x^127 + x^126 + x^121 + 1: the polynomial times `low` clears the lowest word. */
static inline u128 shifted_out(uint64_t low) {
    u128 wide = (u128)low << 64;
    return wide ^ wide >> 1 ^ wide >> 2 ^ wide >> 7;
}

static u128 multiply(u128 a, u128 b) {
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    u128 low = clmul(a0, b0), high = clmul(a1, b1), middle = clmul(a0 ^ a1, b0 ^ b1) ^ low ^ high;
    low ^= middle << 64;
    high ^= middle >> 64;
    low = low >> 64 ^ shifted_out((uint64_t)low);
    low = low >> 64 ^ shifted_out((uint64_t)low);
    return high ^ low;
}

void polyval_update(const uint8_t h[16], uint8_t acc[16], const uint8_t *data, size_t blocks) {
    u128 key, sum, block;
    memcpy(&key, h, 16);
    memcpy(&sum, acc, 16);
    for (size_t i = 0; i < blocks; i++) {
        memcpy(&block, data + 16 * i, 16);
        sum = multiply(sum ^ block, key);
    }
    memcpy(acc, &sum, 16);
}
