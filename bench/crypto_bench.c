/* x25519.batch64, x25519.base64: multiplications a second on one core in batches of 64; the peer is libsodium, one by
 * one. hctr2.1600: payloads of 1,600 bytes deciphered a second, each with a key of its own that is set up in the time;
 * the peer is the cipher of the same kind that packets of this sort mostly have, LIONESS, of ChaCha20 and BLAKE2b on
 * libsodium.  Rounds of the two alternate.  The slower implementations go to standard error. */
#include "mix_bench.h"

#include "crypto/hctr2.h"
#include "crypto/random.h"
#include "crypto/x25519_batch.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 51
#define BATCH 64u
#define BATCHES 4u /* a round */
#define SINGLES 32u
#define PAYLOAD 1600u
#define PAYLOADS 128u

static uint8_t scalar[BATCH][32], point[BATCH][32], result[BATCH][32];

static void begin(void) {
    if (crypto_init() != VL_OK) bench_die("crypto_init");
    crypto_random(scalar, sizeof scalar);
    crypto_random(point, sizeof point);
}

static double batches(enum crypto_x25519_impl impl, bool base) {
    double began = bench_now_s();
    for (unsigned i = 0; i < BATCHES; i++)
        if (base)
            crypto_x25519_base_batch_with(impl, (const uint8_t(*)[32])scalar, result, BATCH);
        else
            crypto_x25519_batch_with(impl, (const uint8_t(*)[32])scalar, (const uint8_t(*)[32])point, result, BATCH);
    return BATCHES * BATCH / (bench_now_s() - began);
}

static double singles(bool base) {
    volatile int ignored;
    double began = bench_now_s();
    for (unsigned i = 0; i < SINGLES; i++)
        ignored = base ? crypto_scalarmult_curve25519_base(result[i], scalar[i])
                       : crypto_scalarmult_curve25519(result[i], scalar[i], point[i]);
    (void)ignored;
    return SINGLES / (bench_now_s() - began);
}

static void run_x25519(const char *name, bool base) {
    double ours[ROUNDS], second[ROUNDS], peer[ROUNDS];
    begin();
    enum crypto_x25519_impl impl = crypto_x25519_chosen();
    bool avx2 = impl != CRYPTO_X25519_AVX2 && crypto_x25519_available(CRYPTO_X25519_AVX2);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = batches(impl, base);
        second[i] = avx2 ? batches(CRYPTO_X25519_AVX2, base) : 0;
        peer[i] = singles(base);
    }
    double value = bench_median(ours, ROUNDS), other = bench_median(peer, ROUNDS);
    (void)fprintf(stderr, "mix_bench: %s: implementation %d: %.0f/s; AVX2: %.0f/s; libsodium %.0f/s\n", name, (int)impl,
                  value, avx2 ? bench_median(second, ROUNDS) : 0, other);
    bench_print(name, value, "ops/s", "libsodium", other);
}
void bench_x25519_batch64(void) { run_x25519("x25519.batch64", false); }
void bench_x25519_base64(void) { run_x25519("x25519.base64", true); }

static void lioness_stream(const uint8_t left[32], uint8_t *right, size_t n, const uint8_t key[32]) {
    static const uint8_t nonce[8] = { 0 };
    uint8_t k[32];
    for (size_t i = 0; i < 32; i++) k[i] = left[i] ^ key[i];
    (void)crypto_stream_chacha20_xor(right, right, n, nonce, k);
}
static void lioness_hash(uint8_t left[32], const uint8_t *right, size_t n, const uint8_t key[32]) {
    uint8_t h[32];
    (void)crypto_generichash(h, sizeof h, right, n, key, 32);
    for (size_t i = 0; i < 32; i++) left[i] ^= h[i];
}
static void lioness(uint8_t *block, size_t n, uint8_t (*key)[32]) {
    lioness_hash(block, block + 32, n - 32, key[3]);
    lioness_stream(block, block + 32, n - 32, key[2]);
    lioness_hash(block, block + 32, n - 32, key[1]);
    lioness_stream(block, block + 32, n - 32, key[0]);
}

static double payloads(enum crypto_hctr2_impl impl, uint8_t *payload) {
    uint8_t key[32] = { 0 };
    double began = bench_now_s();
    for (unsigned i = 0; i < PAYLOADS; i++) {
        key[0] = (uint8_t)i;
        crypto_hctr2_with(impl, false, key, vl_span(NULL, 0), payload, PAYLOAD, payload);
    }
    return PAYLOADS / (bench_now_s() - began);
}

static double lionesses(uint8_t *payload) {
    uint8_t key[4][32] = { { 0 } };
    double began = bench_now_s();
    for (unsigned i = 0; i < PAYLOADS / 4; i++) {
        key[0][0] = (uint8_t)i;
        lioness(payload, PAYLOAD, key);
    }
    return PAYLOADS / 4 / (bench_now_s() - began);
}

void bench_hctr2_1600(void) {
    static uint8_t payload[PAYLOAD];
    double ours[CRYPTO_HCTR2_VAES + 1][ROUNDS], peer[ROUNDS], value = 0;
    begin();
    for (int i = 0; i < ROUNDS; i++) {
        for (int impl = CRYPTO_HCTR2_PORTABLE; impl <= CRYPTO_HCTR2_VAES; impl++)
            ours[impl][i] = crypto_hctr2_available((enum crypto_hctr2_impl)impl)
                                ? payloads((enum crypto_hctr2_impl)impl, payload)
                                : 0;
        peer[i] = lionesses(payload);
    }
    double other = bench_median(peer, ROUNDS);
    for (int impl = CRYPTO_HCTR2_PORTABLE; impl <= CRYPTO_HCTR2_VAES; impl++) {
        double rate = bench_median(ours[impl], ROUNDS);
        (void)fprintf(stderr, "mix_bench: hctr2.1600: implementation %d: %.0f/s; LIONESS %.0f/s\n", impl, rate, other);
        if (impl == (int)crypto_hctr2_chosen()) value = rate;
    }
    bench_print("hctr2.1600", value, "ops/s", "LIONESS of ChaCha20 and BLAKE2b on libsodium", other);
}
