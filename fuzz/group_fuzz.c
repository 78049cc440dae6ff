/* Own group arithmetic against libsodium under raw bytes. First byte: decoding and encoding, sums of products,
 * transcripts. Sums: terms of 64 bytes, a scalar and the start of a point; every seventh point is the identity or one
 * seen before. */
#include "crypto/keccak.h"
#include "crypto/msm.h"
#include "crypto/random.h"
#include "crypto/transcript.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void encodings(const uint8_t *p, size_t n) {
    struct ristretto a;
    struct edwards e;
    uint8_t again[32], want[32], wide[64] = { 0 };
    if (n < 32) return;
    enum vl_err err = ristretto_decode(p, &a);
    /* libsodium 1.0.18 ignores bit 255, which RFC 9496 does not */
    if ((err == VL_OK) != (p[31] < 0x80 && crypto_core_ristretto255_is_valid_point(p) == 1)) abort();
    if (err == VL_OK) {
        ristretto_encode(&a, again);
        if (memcmp(again, p, 32) != 0) abort();
    }
    if (edwards_decode_vartime(p, &e) == VL_OK) {
        edwards_encode(&e, again);
        if (memcmp(again, p, 32) != 0) abort();
        if (edwards_is_prime_order_vartime(&e) && !edwards_is_identity_vartime(&e) &&
            crypto_core_ed25519_is_valid_point(p) != 1)
            abort();
    } else if (crypto_core_ed25519_is_valid_point(p) == 1) {
        abort();
    }
    memcpy(wide, p, n < 64 ? n : 64);
    ristretto_from_uniform(wide, &a);
    ristretto_encode(&a, again);
    if (crypto_core_ristretto255_from_hash(want, wide) != 0 || memcmp(again, want, 32) != 0) abort();
}

#define TERMS (MSM_STRAUS_MAX + 20)
static void sums(const uint8_t *p, size_t n) {
    static uint8_t scalar[TERMS][32], point[TERMS][32];
    uint8_t want[32] = { 0 }, got[32], repeat = n > 0 ? (uint8_t)(1 + p[0] % 32) : 1;
    struct ristretto sum;
    size_t terms = 0;
    for (; n >= 64; p += 64, n -= 64) {
        for (unsigned r = 0; r < repeat && terms < TERMS; r++, terms++) { /* so that short inputs reach both methods */
            uint8_t wide[64] = { 0 }, product[32], reduced[32];
            memcpy(scalar[terms], p, 32);
            scalar[terms][r] = (uint8_t)(scalar[terms][r] + r);
            memcpy(wide, p + 32, 32);
            wide[63] = (uint8_t)r;
            if (p[32] % 7 == 0)
                memset(point[terms], 0, 32);
            else if (crypto_core_ristretto255_from_hash(point[terms], wide) != 0)
                abort();
            memset(wide, 0, sizeof wide);
            memcpy(wide, scalar[terms], 32);
            crypto_core_ristretto255_scalar_reduce(reduced, wide);
            if (crypto_scalarmult_ristretto255(product, reduced, point[terms]) == 0 &&
                crypto_core_ristretto255_add(want, want, product) != 0)
                abort();
        }
    }
    if (msm_encoded_vartime((const uint8_t(*)[32])scalar, (const uint8_t(*)[32])point, terms, &sum) != VL_OK) abort();
    ristretto_encode(&sum, got);
    if (memcmp(want, got, 32) != 0) abort();
}

/* Messages of up to 255 bytes, each after its length: taken in one by one, and by a copy made between two of them. */
static void transcripts(const uint8_t *p, size_t n) {
    struct transcript a, b;
    uint8_t one[64], two[64];
    transcript_init(&a, "fuzz");
    b = a;
    while (n > 0) {
        size_t len = p[0] < n - 1 ? p[0] : n - 1;
        if (n % 3 == 0) b = a;
        transcript_append(&a, "m", vl_span(p + 1, len));
        if (n % 5 == 0) transcript_challenge(&a, "c", one, (uint32_t)(len % 65));
        transcript_append(&b, "m", vl_span(p + 1, len));
        if (n % 5 == 0) transcript_challenge(&b, "c", two, (uint32_t)(len % 65));
        if (n % 5 == 0 && memcmp(one, two, len % 65) != 0) abort();
        p += 1 + len;
        n -= 1 + len;
    }
    transcript_challenge_scalar(&a, "s", one);
    transcript_challenge_scalar(&b, "s", two);
    if (memcmp(one, two, 32) != 0) abort();
}

static void hashes(const uint8_t *p, size_t n) {
    struct keccak k;
    uint8_t one[32], two[32];
    keccak_init(&k);
    for (size_t at = 0, step; at < n; at += step) {
        step = 1 + p[at] % 200u < n - at ? 1 + p[at] % 200u : n - at;
        keccak_update(&k, p + at, step);
    }
    keccak_final_keccak_256(&k, one);
    keccak_256(vl_span(p, n), two);
    if (memcmp(one, two, 32) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (n == 0 || crypto_init() != VL_OK) return 0;
    switch (p[0] % 4) {
    case 0:
        encodings(p + 1, n - 1);
        break;
    case 1:
        sums(p + 1, n - 1);
        break;
    case 2:
        transcripts(p + 1, n - 1);
        break;
    default:
        hashes(p + 1, n - 1);
        break;
    }
    return 0;
}
