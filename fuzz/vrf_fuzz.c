/* VRF: no input breaks prove, and no proof but the one of prove() is accepted.  Delays: bounded, and they do not grow
 * with u. */
#include "crypto/random.h"
#include "crypto/vrf.h"
#include "mix/delay.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static struct crypto_vrf_key key;
    uint8_t proof[CRYPTO_VRF_PROOF], other[CRYPTO_VRF_PROOF], out[CRYPTO_VRF_OUTPUT], out2[CRYPTO_VRF_OUTPUT];
    if (n < 16) return 0;
    if (key.public[0] == 0) {
        if (crypto_init() != VL_OK) abort();
        crypto_vrf_key_from_seed((const uint8_t[32]){ 3 }, &key);
    }
    uint64_t h = vl_get_u64(p);
    uint32_t mean = vl_get_u32(p + 8);
    uint64_t d = delay_from_uniform(h, mean);
    if (d > (uint64_t)mean * 44362u || (h < UINT64_MAX && delay_from_uniform(h + 1, mean) > d)) abort();

    struct vl_span input = vl_span(p, n);
    if (crypto_vrf_prove(&key, input, proof) != VL_OK) abort();
    if (crypto_vrf_verify(key.public, input, proof, out) != VL_OK || crypto_vrf_output(proof, out2) != VL_OK ||
        memcmp(out, out2, sizeof out) != 0)
        abort();
    /* the proof with bytes of the input over some of it, under our key and under a key from the input */
    memcpy(other, proof, sizeof other);
    size_t at = p[12] % sizeof other, len = p[13] % (sizeof other - at);
    memcpy(other + at, p + 14, len < n - 14 ? len : n - 14);
    bool equal = memcmp(other, proof, sizeof other) == 0;
    if ((crypto_vrf_verify(key.public, input, other, NULL) == VL_OK) != equal) abort();
    if (crypto_vrf_output(other, out2) == VL_OK && equal && memcmp(out, out2, sizeof out) != 0) abort();
    /* the other suite, and a proof of any length */
    static struct crypto_vrf_key ell2;
    if (ell2.public[0] == 0 && crypto_vrf_key_make(CRYPTO_VRF_ELL2, (const uint8_t[32]){ 4 }, &ell2) != VL_OK) abort();
    struct crypto_vrf_public public = crypto_vrf_public_of(&ell2);
    if (crypto_vrf_prove(&ell2, input, other) != VL_OK) abort();
    if (crypto_vrf_check(&public, input, vl_span(other, sizeof other), out) != VL_OK) abort();
    if (crypto_vrf_check(&public, input, input, NULL) == VL_OK) abort();
    other[at] ^= (uint8_t)(p[12] | 1);
    if (crypto_vrf_check(&public, input, vl_span(other, sizeof other), NULL) == VL_OK) abort();
    if (n >= 32 + 16 && memcmp(p + 16, key.public, 32) != 0 && crypto_vrf_verify(p + 16, input, proof, NULL) == VL_OK)
        abort();
    return 0;
}
