#include "mix/delay.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <string.h>

__extension__ typedef unsigned __int128 u128;

#define DOMAIN "village-mix-delay-1:"
#define DOMAIN_N (sizeof DOMAIN - 1)
#define INPUT_N (DOMAIN_N + 32u + 8u)
#define LN2_Q64 0xb17217f7d1cf79acu /* ln 2 * 2^64, rounded */
#define LOG_BITS 56u                /* binary places of the logarithm */

static void vrf_input(const struct delay_epoch *e, uint8_t ret[INPUT_N]) {
    memcpy(ret, DOMAIN, DOMAIN_N);
    memcpy(ret + DOMAIN_N, e->shared_random, 32);
    vl_put_u64(ret + DOMAIN_N + 32, e->epoch);
}

enum vl_err delay_epoch_begin(const struct crypto_vrf_key *key, const struct delay_epoch *e,
                              uint8_t ret_y[CRYPTO_VRF_OUTPUT], uint8_t ret_proof[CRYPTO_VRF_PROOF]) {
    uint8_t input[INPUT_N], proof[CRYPTO_VRF_PROOF], y[CRYPTO_VRF_OUTPUT];
    vrf_input(e, input);
    enum vl_err err = crypto_vrf_prove(key, vl_span(input, sizeof input), proof);
    if (!err) err = crypto_vrf_output(proof, y);
    if (!err) {
        memcpy(ret_y, y, sizeof y);
        memcpy(ret_proof, proof, sizeof proof);
    }
    crypto_wipe(proof, sizeof proof); /* tells y */
    crypto_wipe(y, sizeof y);
    return err;
}

enum vl_err delay_audit(const uint8_t vrf_public[32], const struct delay_epoch *e,
                        const uint8_t proof[CRYPTO_VRF_PROOF], uint8_t ret_y[CRYPTO_VRF_OUTPUT]) {
    uint8_t input[INPUT_N];
    vrf_input(e, input);
    return crypto_vrf_verify(vrf_public, vl_span(input, sizeof input), proof, ret_y);
}

/* 64 - log2(m) with LOG_BITS binary places, m > 0, by squaring: x in [1, 2) has a next binary place of log2(x) exactly
 * when x * x >= 2.  A product that loses its last bit at place i is off by 2^-63 / 2^i in the end, so the sum of all
 * errors is below 2^-61.  No branch and no table depends on m: who could time it would learn the delay. */
static uint64_t minus_log2(uint64_t m) {
    unsigned e = 63u - (unsigned)__builtin_clzll(m);
    uint64_t x = m << (63u - e), log = e; /* x: 63 places */
    for (unsigned i = 0; i < LOG_BITS; i++) {
        u128 square = (u128)x * x; /* 126 places, in [1, 4) */
        uint64_t bit = (uint64_t)(square >> 127);
        x = (uint64_t)(square >> (63u + bit));
        log = log << 1 | bit;
    }
    return ((uint64_t)64 << LOG_BITS) - log;
}

uint64_t delay_from_uniform(uint64_t h, uint32_t mean_ms) {
    if (h == UINT64_MAX) return 0; /* u = 1 */
    u128 minus_ln = ((u128)minus_log2(h + 1) * LN2_Q64) >> 64;
    u128 us = minus_ln * ((uint64_t)mean_ms * 1000u);
    return (uint64_t)((us + ((u128)1 << (LOG_BITS - 1))) >> LOG_BITS);
}

uint64_t delay_us(const uint8_t y[CRYPTO_VRF_OUTPUT], const uint8_t input[16], uint32_t mean_ms) {
    uint8_t h[8];
    crypto_blake2b_keyed(vl_span(input, 16), vl_span(y, CRYPTO_VRF_OUTPUT), "village-mix-wait", h, sizeof h);
    return delay_from_uniform(vl_get_u64(h), mean_ms);
}
