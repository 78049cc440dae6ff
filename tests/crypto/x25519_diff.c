#include "x25519_diff.h"

#include <sodium.h>
#include <string.h>

#define BATCH_MAX 200u

static void fill(struct vl_prng *rng, uint8_t dst[32]) {
    for (int i = 0; i < 32; i += 8) {
        uint64_t x = vl_prng_next(rng);
        memcpy(dst + i, &x, 8);
    }
}

/* p - 1 + k for k from 0 to 19 and its twin with bit 255: 0 and 1 that are not reduced among them. */
static void near_p(struct vl_prng *rng, uint8_t dst[32]) {
    memset(dst, 0xff, 32);
    dst[0] = (uint8_t)(0xec + vl_prng_below(rng, 20));
    dst[31] = (uint8_t)(0x7f | vl_prng_below(rng, 2) << 7);
}

/* 2^e + d with a small d of either sign, so that carries run far. */
static void near_power(struct vl_prng *rng, uint8_t dst[32]) {
    uint64_t e = vl_prng_below(rng, 255);
    memset(dst, 0, 32);
    dst[e / 8] = (uint8_t)(1u << e % 8);
    unsigned d = (unsigned)vl_prng_below(rng, 40), borrow = 0;
    bool minus = vl_prng_below(rng, 2) == 1;
    for (int i = 0; i < 32; i++) {
        unsigned x = minus ? dst[i] - d - borrow : dst[i] + d + borrow;
        dst[i] = (uint8_t)x;
        borrow = x >> 8 & 1;
        d = 0;
    }
}

/* The points of order 1, 2, 4 and 8 on the curve and on its twist (with 0 and p + 1 - 1 from near_p()). */
static void small_order(struct vl_prng *rng, uint8_t dst[32]) {
    static const uint8_t order8[2][32] = {
        { 0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
          0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00 },
        { 0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
          0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57 }
    };
    uint64_t which = vl_prng_below(rng, 4);
    memset(dst, 0, 32);
    if (which < 2)
        memcpy(dst, order8[which], 32);
    else
        dst[0] = (uint8_t)(which - 2);
    if (vl_prng_below(rng, 2) == 1) dst[31] |= 0x80;
}

static void make_case(struct vl_prng *rng, uint8_t scalar[32], uint8_t point[32]) {
    fill(rng, scalar);
    fill(rng, point);
    switch (vl_prng_below(rng, 32)) {
    case 0:
        near_p(rng, point);
        break;
    case 1:
        near_power(rng, point);
        break;
    case 2:
        small_order(rng, point);
        break;
    case 3:
        memset(scalar, vl_prng_below(rng, 2) == 1 ? 0xff : 0, 32);
        break;
    case 4:
        near_power(rng, scalar);
        break;
    case 5:
        memset(point, vl_prng_below(rng, 2) == 1 ? 0xff : 0, 16);
        break;
    default:
        break;
    }
}

static uint64_t count_wrong(const uint8_t (*want)[32], const uint8_t (*got)[32], size_t n) {
    uint64_t wrong = 0;
    for (size_t i = 0; i < n; i++) wrong += memcmp(want[i], got[i], 32) != 0;
    return wrong;
}

uint64_t x25519_diff(x25519_run *run, struct vl_prng *rng, uint64_t cases, uint64_t *ret_zero) {
    static uint8_t scalar[BATCH_MAX][32], point[BATCH_MAX][32], want[BATCH_MAX][32], got[BATCH_MAX][32];
    uint64_t wrong = 0;
    *ret_zero = 0;
    for (uint64_t done = 0, round = 0; done < cases; round++) {
        size_t n = (size_t)(round % 20 < 17 ? round % 20 + 1 : 60 + vl_prng_below(rng, BATCH_MAX - 59));
        for (size_t i = 0; i < n; i++) {
            make_case(rng, scalar[i], point[i]);
            if (crypto_scalarmult_curve25519(want[i], scalar[i], point[i]) != 0) memset(want[i], 0, 32);
            *ret_zero += crypto_x25519_is_zero(want[i]);
        }
        run((const uint8_t(*)[32])scalar, (const uint8_t(*)[32])point, got, n);
        wrong += count_wrong((const uint8_t(*)[32])want, (const uint8_t(*)[32])got, n);
        uint8_t(*over)[32] = round % 2 == 0 ? scalar : point;
        run((const uint8_t(*)[32])scalar, (const uint8_t(*)[32])point, over, n);
        wrong += count_wrong((const uint8_t(*)[32])want, (const uint8_t(*)[32])over, n);
        done += n;
    }
    return wrong;
}
