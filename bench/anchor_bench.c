/* anchor_bench.c - anchor.sign_ms: the transaction of an anchor built, hashed, signed, encoded and named, on one core; the peer is the
 * signature of libsecp256k1 alone.  Rounds of the two alternate; medians. */
#include "bench.h"

#include "crypto/keccak.h"
#include "crypto/secp256k1.h"
#include "trust/anchor_artefact.h"
#include "trust/eth_tx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 31
#define EACH 200u

static _Noreturn void die(void) {
    (void)fprintf(stderr, "anchor_bench: a signature failed\n");
    exit(1);
}

static void whole(const struct secp *c, const uint8_t secret[32], uint64_t size, struct vl_buf *out) {
    struct eth_word w[2] = { { { 7 } }, eth_word_u64(size) };
    uint8_t data[ETH_CALL_MAX], digest[32], name[32];
    struct secp_signature s;
    struct eth_signature e;
    size_t n = 0;
    vl_buf_clear(out);
    if (eth_call(ANCHOR_CALL, w, 2, data, &n) != VL_OK) die();
    struct eth_tx t = { .chain = 1, .nonce = size, .tip_max = 1000000000, .fee_max = 30000000000, .gas = 60000, .data = vl_span(data, n) };
    if (eth_tx_digest(&t, digest) != VL_OK || secp_sign(c, secret, digest, &s) != VL_OK) die();
    memcpy(e.r, s.r, sizeof e.r);
    memcpy(e.s, s.s, sizeof e.s);
    e.parity = s.parity;
    if (eth_tx_encode(&t, &e, out) != VL_OK) die();
    keccak_256(vl_span(out->p, out->len), name);
}

int main(void) {
    uint8_t secret[32] = { 1, 2, 3 }, blind[32] = { 4 }, digest[32] = { 0 };
    double built[ROUNDS], alone[ROUNDS];
    struct secp_signature s;
    struct vl_buf out;
    struct secp *c = secp_create(blind);
    if (c == NULL) die();
    vl_buf_init(&out, 4096);
    for (unsigned r = 0; r < ROUNDS; r++) {
        double began = bench_cpu_s();
        for (unsigned i = 0; i < EACH; i++) whole(c, secret, i + 1, &out);
        built[r] = (bench_cpu_s() - began) / EACH;
        began = bench_cpu_s();
        for (unsigned i = 0; i < EACH; i++) {
            digest[0] = (uint8_t)i;
            if (secp_sign(c, secret, digest, &s) != VL_OK) die();
        }
        alone[r] = (bench_cpu_s() - began) / EACH;
    }
    qsort(built, ROUNDS, sizeof built[0], bench_by_value);
    qsort(alone, ROUNDS, sizeof alone[0], bench_by_value);
    printf("{\"name\":\"anchor.sign_ms\",\"value\":%.4f,\"unit\":\"ms\",\"peer\":\"libsecp256k1, the signature alone\",\"ratio\":%.3f}\n", built[ROUNDS / 2] * 1e3,
           built[ROUNDS / 2] / alone[ROUNDS / 2]);
    vl_buf_free(&out);
    secp_destroy(c);
    return 0;
}
