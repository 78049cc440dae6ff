/* Range proofs: any bytes give a verdict; a proof of ours with bytes of the input over it is accepted only when nothing
 * has changed; a batch says of each proof what is said of it alone. */
#include "crypto/random.h"
#include "trust/zk_range.h"

#include <stdlib.h>
#include <string.h>

static enum vl_err check(const struct zk_gens *g, uint8_t (*v)[32], unsigned m, unsigned bits, struct vl_span proof) {
    struct transcript t;
    transcript_init(&t, "fuzz");
    return zk_range_verify(g, &t, (const uint8_t(*)[32])v, m, bits, proof);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static struct zk_gens *g;
    static uint8_t good_v[2][32], good[ZK_RANGE_PROOF_MAX];
    const size_t size = zk_range_size(8, 2);
    struct transcript t[2];
    if (g == NULL) {
        const uint64_t v[2] = { 255, 0 };
        const uint8_t blind[2][32] = { { 1 }, { 2 } }, random[32] = { 3 };
        if (crypto_init() != VL_OK || (g = zk_gens_create(16, 4)) == NULL) abort();
        transcript_init(&t[0], "fuzz");
        if (zk_range_prove(g, &t[0], v, blind, 2, 8, random, good_v, good) != VL_OK) abort();
        if (check(g, good_v, 2, 8, vl_span(good, size)) != VL_OK) abort();
    }
    if (n < 36) return 0;
    uint8_t v[8][32] = { { 0 } }, proof[ZK_RANGE_PROOF_MAX];
    /* all of it from the input, in every shape */
    unsigned bits = p[0] & 1 ? p[1] : 8u << (p[1] & 3), m = p[0] & 2 ? p[2] % 9 : 1u << (p[2] & 3);
    memcpy(v[0], p + 4, 32);
    if (check(g, v, m, bits, vl_span(p + 4, n - 4)) == VL_OK) abort();
    /* ours, with some of the input over it */
    memcpy(proof, good, sizeof proof);
    memcpy(v, good_v, sizeof good_v);
    size_t at = vl_get_u16(p + 1) % (size + 64), len = 1 + p[3] % 64;
    for (size_t i = 0; i < len && 4 + i < n && at + i < size + 64; i++)
        *(at + i < size ? &proof[at + i] : &v[0][at + i - size]) = p[4 + i];
    bool same = memcmp(proof, good, size) == 0 && memcmp(v, good_v, sizeof good_v) == 0;
    enum vl_err alone = check(g, v, 2, 8, vl_span(proof, size)), each[2];
    if ((alone == VL_OK) != same) abort();
    transcript_init(&t[0], "fuzz");
    transcript_init(&t[1], "fuzz");
    const struct zk_range_claim claim[2] = {
        { &t[0], (const uint8_t(*)[32])v, 2, 8, vl_span(proof, size) },
        { &t[1], (const uint8_t(*)[32])good_v, 2, 8, vl_span(good, size) },
    };
    if (zk_range_verify_batch(g, claim, 2, p + 4, each) != alone || each[0] != alone || each[1] != VL_OK) abort();
    return 0;
}
