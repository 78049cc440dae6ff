/* Batches of X25519: every implementation gives what libsodium gives, in a batch, in place, and for the base point. The
 * input is pairs of scalar and point; the last one may be short. */
#include "crypto/random.h"
#include "crypto/x25519_batch.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LANES_MAX 20u

typedef const uint8_t (*lanes)[32];

static void check(const uint8_t (*want)[32], const uint8_t (*got)[32], size_t n) {
    if (memcmp(want, got, 32 * n) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t size) {
    static const enum crypto_x25519_impl impls[] = { CRYPTO_X25519_PORTABLE, CRYPTO_X25519_AVX2, CRYPTO_X25519_IFMA };
    uint8_t scalar[LANES_MAX][32] = { { 0 } }, point[LANES_MAX][32] = { { 0 } }, want[LANES_MAX][32],
            base[LANES_MAX][32], got[LANES_MAX][32];
    if (crypto_init() != VL_OK || size == 0) return 0;
    size_t n = (size + 63) / 64 < LANES_MAX ? (size + 63) / 64 : LANES_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t left = size - 64 * i;
        memcpy(scalar[i], p + 64 * i, left < 32 ? left : 32);
        if (left > 32) memcpy(point[i], p + 64 * i + 32, left < 64 ? left - 32 : 32);
        if (crypto_scalarmult_curve25519(want[i], scalar[i], point[i]) != 0) memset(want[i], 0, 32);
        (void)crypto_scalarmult_curve25519_base(base[i], scalar[i]);
    }
    for (size_t k = 0; k < sizeof impls / sizeof impls[0]; k++) {
        if (!crypto_x25519_available(impls[k])) continue;
        crypto_x25519_batch_with(impls[k], (lanes)scalar, (lanes)point, got, n);
        check((lanes)want, (lanes)got, n);
        memcpy(got, scalar, sizeof got);
        crypto_x25519_batch_with(impls[k], (lanes)got, (lanes)point, got, n);
        check((lanes)want, (lanes)got, n);
        memcpy(got, point, sizeof got);
        crypto_x25519_batch_with(impls[k], (lanes)scalar, (lanes)got, got, n);
        check((lanes)want, (lanes)got, n);
        crypto_x25519_base_batch_with(impls[k], (lanes)scalar, got, n);
        check((lanes)base, (lanes)got, n);
    }
    return 0;
}
