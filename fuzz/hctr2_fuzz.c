/* HCTR2: every implementation gives the same, out of place and in place, and deciphers what it enciphered.  The input
 * is a key, the length of the tweak, the tweak, the message; memory is exact, so that a byte too far is seen. */
#include "crypto/hctr2.h"
#include "crypto/random.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t size) {
    static const enum crypto_hctr2_impl impls[] = { CRYPTO_HCTR2_PORTABLE, CRYPTO_HCTR2_AESNI, CRYPTO_HCTR2_VAES };
    if (crypto_init() != VL_OK || size < 33 || size > 5000) return 0;
    size_t tweak_n = p[32] < size - 33 ? p[32] : size - 33, n = size - 33 - tweak_n;
    if (n < CRYPTO_HCTR2_MIN) return 0;
    uint8_t *tweak = malloc(tweak_n + (tweak_n == 0)), *plain = malloc(n), *want = malloc(n), *got = malloc(n);
    if (tweak == NULL || plain == NULL || want == NULL || got == NULL) abort();
    memcpy(tweak, p + 33, tweak_n);
    memcpy(plain, p + 33 + tweak_n, n);
    struct vl_span t = vl_span(tweak, tweak_n);
    crypto_hctr2_encrypt(p, t, plain, n, want);
    if (memcmp(plain, want, n) == 0) abort();
    for (size_t k = 0; k < sizeof impls / sizeof impls[0]; k++) {
        if (!crypto_hctr2_available(impls[k])) continue;
        crypto_hctr2_with(impls[k], true, p, t, plain, n, got);
        if (memcmp(want, got, n) != 0) abort();
        crypto_hctr2_with(impls[k], false, p, t, got, n, got);
        if (memcmp(plain, got, n) != 0) abort();
        crypto_hctr2_with(impls[k], true, p, t, got, n, got);
        if (memcmp(want, got, n) != 0) abort();
        crypto_hctr2_with(impls[k], false, p, t, want, n, got);
        if (memcmp(plain, got, n) != 0) abort();
    }
    free(tweak);
    free(plain);
    free(want);
    free(got);
    return 0;
}
