/* trust_bench.c - what proofs and draws cost on one core.
 * vrf.prove_ms, vrf.verify_ms: suite ELL2, inputs of 58 bytes as draws have them; the peer is what can be done of it
 * with the public interface of libsodium alone: the multiplications and sums of one proof or one check, nothing else.
 * msm.1024: terms a second in sums of 1,024 products; the peer is libsodium, one product and one sum a term.
 * Rounds of the two alternate; medians. */
#include "bench.h"

#include "crypto/msm.h"
#include "crypto/random.h"
#include "crypto/vrf.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 31
#define PROOFS 20u
#define TERMS 1024u
#define SINGLES 64u

/* Of this thread alone: others build on the same machine. */
static double median(double *v) { return bench_median(v, ROUNDS); }
static _Noreturn void die(const char *what) {
    (void)fprintf(stderr, "trust_bench: %s\n", what);
    exit(1);
}
static void print(const char *name, double value, const char *unit, const char *peer, double other) {
    printf("{\"name\":\"%s\",\"value\":%.4f,\"unit\":\"%s\",\"peer\":\"%s\",\"ratio\":%.3f}\n", name, value, unit, peer,
           value / other);
    (void)fflush(stdout);
}

static void draw_scalar(uint8_t ret[32]) {
    uint8_t wide[64];
    crypto_random(wide, sizeof wide);
    crypto_core_ristretto255_scalar_reduce(ret, wide);
}

/* n products with a point, of the base point, and sums. */
static double on_sodium(unsigned products, unsigned bases, unsigned sums) {
    uint8_t k[32], p[32], r[32];
    int bad = 0;
    draw_scalar(k);
    crypto_core_ed25519_random(p);
    double began = bench_cpu_s();
    for (unsigned i = 0; i < PROOFS; i++) {
        for (unsigned j = 0; j < products; j++) bad |= crypto_scalarmult_ed25519_noclamp(r, k, p);
        for (unsigned j = 0; j < bases; j++) bad |= crypto_scalarmult_ed25519_base_noclamp(r, k);
        for (unsigned j = 0; j < sums; j++) bad |= crypto_core_ed25519_add(r, r, p);
    }
    if (bad != 0) die("libsodium");
    return (bench_cpu_s() - began) * 1e3 / PROOFS;
}

static void bench_vrf(void) {
    static uint8_t proof[PROOFS][CRYPTO_VRF_PROOF];
    double prove[ROUNDS], verify[ROUNDS], prove_peer[ROUNDS], verify_peer[ROUNDS];
    uint8_t seed[32], input[58] = { 0 };
    struct crypto_vrf_key key;
    crypto_random(seed, sizeof seed);
    if (crypto_vrf_key_make(CRYPTO_VRF_ELL2, seed, &key) != VL_OK) die("key");
    struct crypto_vrf_public public = crypto_vrf_public_of(&key);
    for (int round = 0; round < ROUNDS; round++) {
        double began = bench_cpu_s();
        for (unsigned i = 0; i < PROOFS; i++) {
            input[0] = (uint8_t)i;
            if (crypto_vrf_prove(&key, vl_span(input, sizeof input), proof[i]) != VL_OK) die("prove");
        }
        prove[round] = (bench_cpu_s() - began) * 1e3 / PROOFS;
        began = bench_cpu_s();
        for (unsigned i = 0; i < PROOFS; i++) {
            input[0] = (uint8_t)i;
            if (crypto_vrf_check(&public, vl_span(input, sizeof input), vl_span(proof[i], sizeof proof[i]), NULL) !=
                VL_OK)
                die("verify");
        }
        verify[round] = (bench_cpu_s() - began) * 1e3 / PROOFS;
        prove_peer[round] = on_sodium(2, 1, 3);  /* Gamma, kH; kB; the cofactor */
        verify_peer[round] = on_sodium(3, 1, 5); /* cY, sH, cGamma; sB; U, V and the cofactor */
    }
    crypto_vrf_key_wipe(&key);
    print("vrf.prove_ms", median(prove), "ms", "the same products on libsodium alone", median(prove_peer));
    print("vrf.verify_ms", median(verify), "ms", "the same products on libsodium alone", median(verify_peer));
}

static void bench_msm(void) {
    static uint8_t scalar[TERMS][32], encoded[TERMS][32];
    static struct ristretto point[TERMS];
    double ours[ROUNDS], peer[ROUNDS];
    struct ristretto sum;
    for (unsigned i = 0; i < TERMS; i++) {
        draw_scalar(scalar[i]);
        crypto_core_ristretto255_random(encoded[i]);
        if (ristretto_decode(encoded[i], &point[i]) != VL_OK) die("decode");
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t product[32], total[32] = { 0 };
        double began = bench_cpu_s();
        if (msm_vartime((const uint8_t(*)[32])scalar, point, TERMS, &sum) != VL_OK) die("msm");
        ours[round] = TERMS / (bench_cpu_s() - began);
        began = bench_cpu_s();
        for (unsigned i = 0; i < SINGLES; i++)
            if (crypto_scalarmult_ristretto255(product, scalar[i], encoded[i]) != 0 ||
                crypto_core_ristretto255_add(total, total, product) != 0)
                die("libsodium");
        peer[round] = SINGLES / (bench_cpu_s() - began);
    }
    print("msm.1024", median(ours), "terms/s", "libsodium, one product and one sum a term", median(peer));
}

int main(void) {
    if (crypto_init() != VL_OK) die("crypto_init");
    bench_vrf();
    bench_msm();
    return 0;
}
