/* Every implementation of batched X25519 against RFC 7748, Wycheproof and libsodium, and the fast ones once more in a
 * build that asserts the bounds of their limbs. */
#include "crypto/x25519_batch.h"

#include "base/text.h"
#include "crypto/random.h"
#include "crypto/x25519_priv.h"

#include "check.h"
#include "vectors.h"
#include "x25519_diff.h"

#include <sodium.h>
#include <string.h>

typedef const uint8_t (*lanes)[32];

static void portable(lanes scalar, lanes point, uint8_t (*ret)[32], size_t n) {
    crypto_x25519_batch_with(CRYPTO_X25519_PORTABLE, scalar, point, ret, n);
}
static void avx2(lanes scalar, lanes point, uint8_t (*ret)[32], size_t n) {
    crypto_x25519_batch_with(CRYPTO_X25519_AVX2, scalar, point, ret, n);
}
static void ifma(lanes scalar, lanes point, uint8_t (*ret)[32], size_t n) {
    crypto_x25519_batch_with(CRYPTO_X25519_IFMA, scalar, point, ret, n);
}
x25519_run x25519_avx2_checked, x25519_ifma_checked; /* the same sources with X25519_BOUNDS and sanitizers: slow */

static const struct {
    enum crypto_x25519_impl impl;
    x25519_run *run;
    unsigned cases;
} runs[] = {
    { CRYPTO_X25519_PORTABLE, portable, 500 },
    { CRYPTO_X25519_AVX2, avx2, 6000 },
    { CRYPTO_X25519_IFMA, ifma, 20000 },
#ifdef __x86_64__
    { CRYPTO_X25519_AVX2, x25519_avx2_checked, 500 },
    { CRYPTO_X25519_IFMA, x25519_ifma_checked, 700 },
#endif
};
#define RUNS (sizeof runs / sizeof runs[0])
#define EACH_RUN(r)                                                                                                    \
    for (size_t r = 0; r < RUNS; r++)                                                                                  \
        if (crypto_x25519_available(runs[r].impl))

static void unhex(const char *hex, uint8_t dst[32]) { CHECK_OK(vl_hex_decode(hex, dst, 32)); }

TEST(x25519, agrees_with_rfc_7748_in_every_lane) {
    uint8_t scalar[3][32], point[3][32], want[3][32]; /* section 5.2; section 6.1: Alice's public key */
    unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", scalar[0]);
    unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", point[0]);
    unhex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552", want[0]);
    unhex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d", scalar[1]);
    unhex("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493", point[1]);
    unhex("95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957", want[1]);
    unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", scalar[2]);
    unhex("0900000000000000000000000000000000000000000000000000000000000000", point[2]);
    unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", want[2]);
    CHECK_OK(crypto_init());
    EACH_RUN(r) {
        uint8_t k[24][32], u[24][32], got[24][32];
        for (size_t i = 0; i < 24; i++) {
            memcpy(k[i], scalar[(i + i / 8) % 3], 32);
            memcpy(u[i], point[(i + i / 8) % 3], 32);
        }
        runs[r].run((lanes)k, (lanes)u, got, 24);
        for (size_t i = 0; i < 24; i++) CHECK_MEM(want[(i + i / 8) % 3], got[i], 32);
    }
}

/* Section 5.2 of RFC 7748: k = X25519(k, u), u = the old k, a thousand times, each lane of its own. */
TEST(x25519, agrees_with_the_thousand_rounds_of_rfc_7748) {
    uint8_t want[32];
    unhex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", want);
    CHECK_OK(crypto_init());
    for (size_t r = 0; r < 3; r++) {
        uint8_t k[8][32] = { { 0 } }, u[8][32], next[8][32];
        if (!crypto_x25519_available(runs[r].impl)) continue;
        for (size_t i = 0; i < 8; i++) k[i][0] = 9;
        memcpy(u, k, sizeof u);
        for (int round = 0; round < 1000; round++) {
            runs[r].run((lanes)k, (lanes)u, next, runs[r].impl == CRYPTO_X25519_PORTABLE ? 1 : 8);
            memcpy(u, k, sizeof u);
            memcpy(k, next, sizeof k);
        }
        for (size_t i = 0; i < (runs[r].impl == CRYPTO_X25519_PORTABLE ? 1 : 8); i++) CHECK_MEM(want, k[i], 32);
    }
}

TEST(x25519, agrees_with_every_vector_of_wycheproof) {
    static uint8_t scalar[518][32], point[518][32], want[518][32], got[518][32];
    size_t n = 0;
    json_t *file = vectors_load("x25519/wycheproof_x25519_test.json");
    if (file == NULL) SKIP("no vectors/x25519/wycheproof_x25519_test.json");
    CHECK_OK(crypto_init());
    const json_t *groups = json_object_get(file, "testGroups");
    for (size_t g = 0; g < json_array_size(groups); g++) {
        const json_t *tests = json_object_get(json_array_get(groups, g), "tests");
        for (size_t i = 0; i < json_array_size(tests); i++, n++) {
            const json_t *test = json_array_get(tests, i);
            CHECK(n < 518);
            CHECK_EQ(32, vectors_bytes(test, "private", scalar[n], 32));
            CHECK_EQ(32, vectors_bytes(test, "public", point[n], 32));
            CHECK_EQ(32, vectors_bytes(test, "shared", want[n], 32));
        }
    }
    json_decref(file);
    CHECK_EQ(518, n);
    EACH_RUN(r) {
        memset(got, 1, sizeof got);
        runs[r].run((lanes)scalar, (lanes)point, got, n);
        for (size_t i = 0; i < n; i++) CHECK_MEM(want[i], got[i], 32);
    }
}

TEST(x25519, agrees_with_libsodium_in_batches_of_any_size_and_in_place) {
    CHECK_OK(crypto_init());
    EACH_RUN(r) {
        struct vl_prng rng;
        uint64_t zero;
        vl_prng_seed(&rng, 25519 + r);
        CHECK_EQ(0, x25519_diff(runs[r].run, &rng, runs[r].cases, &zero));
        CHECK(zero > 0);
    }
}

TEST(x25519, public_keys_are_those_of_libsodium) {
    uint8_t scalar[70][32], want[70][32], got[71][32];
    struct vl_prng rng;
    CHECK_OK(crypto_init());
    vl_prng_seed(&rng, 9);
    for (size_t i = 0; i < 70; i++) {
        for (size_t j = 0; j < 32; j++) scalar[i][j] = (uint8_t)vl_prng_next(&rng);
        (void)crypto_scalarmult_curve25519_base(want[i], scalar[i]);
    }
    for (size_t r = 0; r < 3; r++) {
        if (!crypto_x25519_available(runs[r].impl)) continue;
        for (size_t n = 0; n <= 70; n += n < 18 ? 1 : 13) {
            memset(got, 0xaa, sizeof got);
            crypto_x25519_base_batch_with(runs[r].impl, (lanes)scalar, got, n);
            CHECK_MEM(want, got, 32 * n);
            CHECK(got[n][0] == 0xaa && got[n][31] == 0xaa); /* and nothing behind it */
        }
    }
    crypto_x25519_base_batch((lanes)scalar, got, 70);
    CHECK_MEM(want, got, sizeof want);
    crypto_x25519_base_batch((lanes)scalar, scalar, 70);
    CHECK_MEM(want, scalar, sizeof want);
}

/* A point of small order makes its own lane zero, and no other lane of the same batch, wherever it stands. */
TEST(x25519, a_point_of_small_order_costs_only_its_own_lane) {
    uint8_t scalar[20][32], point[20][32], want[20][32], got[20][32];
    CHECK_OK(crypto_init());
    EACH_RUN(r) {
        for (size_t bad = 0; bad < 20; bad++) {
            memset(scalar, 0x42, sizeof scalar);
            memset(point, 0x11, sizeof point);
            memset(point[bad], 0, 32);
            portable((lanes)scalar, (lanes)point, want, 20);
            runs[r].run((lanes)scalar, (lanes)point, got, 20);
            for (size_t i = 0; i < 20; i++) CHECK_EQ(i == bad, crypto_x25519_is_zero(got[i]));
            CHECK_MEM(want, got, sizeof want);
        }
    }
}

TEST(x25519, writes_nothing_for_an_empty_batch) {
    uint8_t x[1][32] = { { 7 } };
    CHECK_OK(crypto_init());
    EACH_RUN(r) {
        runs[r].run((lanes)x, (lanes)x, x, 0);
        CHECK_EQ(7, x[0][0]);
    }
}

TEST(x25519, the_widest_implementation_that_the_processor_can_run_is_chosen) {
    CHECK_OK(crypto_init());
    struct crypto_cpu cpu = crypto_cpu_detect(), none = { 0 }, old = { .avx2 = true, .ifma = true };
    x25519_choose(&none);
    CHECK_EQ(CRYPTO_X25519_PORTABLE, crypto_x25519_chosen());
    CHECK(!crypto_x25519_available(CRYPTO_X25519_AVX2) && !crypto_x25519_available(CRYPTO_X25519_IFMA));
    if (cpu.avx2) { /* the kernel does not save zmm */
        x25519_choose(&old);
        CHECK_EQ(CRYPTO_X25519_AVX2, crypto_x25519_chosen());
        CHECK(!crypto_x25519_available(CRYPTO_X25519_IFMA));
    }
    x25519_choose(&cpu);
    bool wide = cpu.avx512 && cpu.ifma;
    CHECK_EQ(wide       ? CRYPTO_X25519_IFMA
             : cpu.avx2 ? CRYPTO_X25519_AVX2
                        : CRYPTO_X25519_PORTABLE,
             crypto_x25519_chosen());
    CHECK(!crypto_x25519_available((enum crypto_x25519_impl)0) && !crypto_x25519_available((enum crypto_x25519_impl)9));
}
