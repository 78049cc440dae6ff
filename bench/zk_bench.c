/* zk_bench.c - what range proofs cost on one core, CPU time, medians of alternating rounds.
 * zk.range64_prove_ms, zk.range64_verify_ms: one value of 64 bits; peers are the products of one proof, and of one
 * check, on the interface of libsodium alone.  zk.range4x64_prove_ms, zk.range4x64_verify_ms: four values in one proof.
 * zk.range64_batch32_ms: each of 32 proofs in a batch; the peer is checking them one by one.
 * zk.many1000_prove_ms, zk.many1000_verify_ms: membership in a public set of 1,000.
 * zk.r1cs_prove_ms, zk.r1cs_verify_ms: circuits that take numbers of 64 bits apart, 1,024 multipliers;
 * zk.r1cs_max_prove_ms, zk.r1cs_max_verify_ms: as many as there may be. */
#include "bench.h"

#include "crypto/random.h"
#include "trust/zk_gadget.h"
#include "trust/zk_many.h"
#include "trust/zk_range.h"
#include "trust/zk_sigma.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 15
#define BATCH 32u

static double now_ms(void) { return bench_cpu_s() * 1e3; }
static double median(double *v) { return bench_median(v, ROUNDS); }
static _Noreturn void die(const char *what) {
    (void)fprintf(stderr, "zk_bench: %s\n", what);
    exit(1);
}
static void print(const char *name, double value, const char *peer, double other) {
    printf("{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"ms\",\"peer\":\"%s\",\"ratio\":%.3f}\n", name, value, peer,
           value / other);
    (void)fflush(stdout);
}

static double on_sodium(unsigned products) {
    uint8_t k[32], p[32], r[32], sum[32] = { 0 };
    int bad = 0;
    crypto_core_ristretto255_scalar_random(k);
    crypto_core_ristretto255_random(p);
    double began = now_ms();
    for (unsigned i = 0; i < products; i++)
        bad |= crypto_scalarmult_ristretto255(r, k, p) | crypto_core_ristretto255_add(sum, sum, r);
    if (bad != 0) die("libsodium");
    return now_ms() - began;
}

static uint8_t blind[4][32], seed[32];
static const uint64_t value[4] = { UINT64_MAX, 1, 999, 1u << 20 };

static double prove(const struct zk_gens *g, unsigned m, uint8_t (*commitment)[32], uint8_t *proof) {
    struct transcript t;
    double began = now_ms();
    transcript_init(&t, "bench");
    if (zk_range_prove(g, &t, value, (const uint8_t(*)[32])blind, m, 64, seed, commitment, proof) != VL_OK)
        die("prove");
    return now_ms() - began;
}
static double verify(const struct zk_gens *g, unsigned m, uint8_t (*commitment)[32], const uint8_t *proof) {
    struct transcript t;
    double began = now_ms();
    transcript_init(&t, "bench");
    if (zk_range_verify(g, &t, (const uint8_t(*)[32])commitment, m, 64, vl_span(proof, zk_range_size(64, m))) != VL_OK)
        die("verify");
    return now_ms() - began;
}
static double batch(const struct zk_gens *g, uint8_t (*commitment)[32], const uint8_t *proof) {
    static struct transcript t[BATCH];
    struct zk_range_claim claim[BATCH];
    enum vl_err each[BATCH];
    double began = now_ms();
    for (unsigned i = 0; i < BATCH; i++) {
        transcript_init(&t[i], "bench");
        claim[i] = (struct zk_range_claim){ &t[i], (const uint8_t(*)[32])commitment, 1, 64,
                                            vl_span(proof, zk_range_size(64, 1)) };
    }
    if (zk_range_verify_batch(g, claim, BATCH, seed, each) != VL_OK) die("batch");
    return (now_ms() - began) / BATCH;
}

/* --- membership --- */
#define MANY 1000u
static double many(const struct zk_gens *g, double *ret_verify) {
    static struct zk_scalar at[MANY];
    const struct zk_many_set set = { at, MANY, 1, 1 };
    uint8_t commitment[1][32], proof[ZK_MANY_PROOF_MAX];
    struct transcript t;
    for (unsigned i = 0; i < MANY; i++) at[i] = zk_of_u64(3 * (uint64_t)i);
    zk_commit_scalar(g, &at[777], blind[0], commitment[0]);
    double began = now_ms();
    transcript_init(&t, "bench");
    if (zk_many_prove(g, &t, &set, (const uint8_t(*)[32])commitment, 777, (const uint8_t(*)[32])blind, seed, proof) != VL_OK) die("many");
    double proved = now_ms();
    transcript_init(&t, "bench");
    if (zk_many_verify(g, &t, &set, (const uint8_t(*)[32])commitment, vl_span(proof, zk_many_size(MANY))) != VL_OK) die("many: verify");
    *ret_verify = now_ms() - proved;
    return proved - began;
}

/* --- circuits --- */
static struct zk_cs *circuit(const struct zk_gens *g, unsigned gates, struct transcript *t, const struct zk_opening *o,
                             const uint8_t commitment[32]) {
    struct zk_cs *cs = zk_cs_create(g, t, o != NULL);
    if (cs == NULL) die("out of memory");
    struct zk_lc v = zk_lc_var(zk_cs_commit(cs, commitment, o));
    for (unsigned i = 0; i < gates / 64; i++) zk_gadget_range(cs, &v, 64, NULL);
    return cs;
}
static double r1cs(const struct zk_gens *g, unsigned gates, double *ret_verify) {
    const struct zk_opening o = { zk_of_u64(1u << 30), zk_of_bytes(blind[0]) };
    uint8_t commitment[32], proof[ZK_R1CS_PROOF_MAX];
    struct transcript t;
    zk_commit_scalar(g, &o.value, blind[0], commitment);
    double began = now_ms();
    transcript_init(&t, "bench");
    struct zk_cs *cs = circuit(g, gates, &t, &o, commitment);
    if (zk_cs_prove(cs, seed, proof) != VL_OK) die("circuit");
    zk_cs_destroy(cs);
    double proved = now_ms();
    transcript_init(&t, "bench");
    cs = circuit(g, gates, &t, NULL, commitment);
    if (zk_cs_verify(cs, vl_span(proof, zk_cs_proof_size(zk_cs_gates(cs)))) != VL_OK) die("circuit: verify");
    zk_cs_destroy(cs);
    *ret_verify = now_ms() - proved;
    return proved - began;
}

int main(void) {
    double p1[ROUNDS], v1[ROUNDS], p4[ROUNDS], v4[ROUNDS], b[ROUNDS], peer_p[ROUNDS], peer_v[ROUNDS];
    double pm[ROUNDS], vm[ROUNDS], pc[ROUNDS], vc[ROUNDS], px[ROUNDS], vx[ROUNDS];
    uint8_t commitment[4][32], proof[ZK_RANGE_PROOF_MAX];
    if (crypto_init() != VL_OK) die("crypto_init");
    struct zk_gens *g = zk_gens_create(64, ZK_GATES_MAX / 64);
    if (g == NULL) die("out of memory");
    crypto_random(seed, sizeof seed);
    for (unsigned j = 0; j < 4; j++) crypto_core_ristretto255_scalar_random(blind[j]);
    for (int i = 0; i < ROUNDS; i++) {
        p4[i] = prove(g, 4, commitment, proof);
        v4[i] = verify(g, 4, commitment, proof);
        p1[i] = prove(g, 1, commitment, proof);
        v1[i] = verify(g, 1, commitment, proof);
        b[i] = batch(g, commitment, proof);
        pm[i] = many(g, &vm[i]);
        pc[i] = r1cs(g, 1024, &vc[i]);
        px[i] = r1cs(g, ZK_GATES_MAX, &vx[i]);
        peer_p[i] = on_sodium(2 * 64 + 12 * 65); /* S; L and R of six rounds */
        peer_v[i] = on_sodium(2 * 64 + 4 + 12 + 3);
    }
    double alone = median(v1);
    print("zk.range64_prove_ms", median(p1), "the same products on libsodium alone", median(peer_p));
    print("zk.range64_verify_ms", alone, "the same products on libsodium alone", median(peer_v));
    print("zk.range4x64_prove_ms", median(p4), "200 ms", 200);
    print("zk.range4x64_verify_ms", median(v4), "25 ms", 25);
    print("zk.range64_batch32_ms", median(b), "one by one", alone);
    print("zk.many1000_prove_ms", median(pm), "200 ms", 200);
    print("zk.many1000_verify_ms", median(vm), "25 ms", 25);
    print("zk.r1cs_prove_ms", median(pc), "1 s", 1000);
    print("zk.r1cs_verify_ms", median(vc), "500 ms", 500);
    print("zk.r1cs_max_prove_ms", median(px), "1 s", 1000);
    print("zk.r1cs_max_verify_ms", median(vx), "500 ms", 500);
    zk_gens_destroy(g);
    return 0;
}
