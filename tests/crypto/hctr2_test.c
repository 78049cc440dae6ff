/* HCTR2 and its parts, each implementation against published vectors and against the portable one. */
#include "crypto/hctr2.h"

#include "base/prng.h"
#include "base/text.h"
#include "crypto/aes_sliced.h"
#include "crypto/hctr2_priv.h"
#include "crypto/random.h"

#include "check.h"
#include "vectors.h"

#include <string.h>

static const enum crypto_hctr2_impl impls[] = { CRYPTO_HCTR2_PORTABLE, CRYPTO_HCTR2_AESNI, CRYPTO_HCTR2_VAES };
#define IMPLS (sizeof impls / sizeof impls[0])

static size_t unhex(const char *hex, uint8_t *dst) {
    size_t n = strlen(hex) / 2;
    CHECK_OK(vl_hex_decode(hex, dst, n));
    return n;
}

/* Both directions, out of place and in place, with one implementation. */
static void check_one(enum crypto_hctr2_impl impl, const uint8_t key[32], struct vl_span tweak, const uint8_t *plain,
                      const uint8_t *sealed, size_t n) {
    static uint8_t got[4096];
    CHECK(n <= sizeof got);
    crypto_hctr2_with(impl, true, key, tweak, plain, n, got);
    CHECK_MEM(sealed, got, n);
    crypto_hctr2_with(impl, false, key, tweak, got, n, got);
    CHECK_MEM(plain, got, n);
    crypto_hctr2_with(impl, true, key, tweak, got, n, got);
    CHECK_MEM(sealed, got, n);
    crypto_hctr2_with(impl, false, key, tweak, sealed, n, got);
    CHECK_MEM(plain, got, n);
}

/* From test_vectors/ours/HCTR2/HCTR2_AES256.json of github.com/google/hctr2 (MIT). */
static const struct {
    const char *key, *tweak, *plain, *sealed;
} few[] = {
    { "7fc7152ae1f5fda4176769aec92bba82a314e7cfadfd8540da7b7d24bdf17d07", "", "9be382c65ac19fad4659b80bacc857a0",
      "596a76ff906fbe9b792767778fed2361" },
    { "93fa7ee20e67c439e7ca4795689d5e5a7c2619abc6ca6a4c45a69642ae6cffe7",
      "ea8247953b22a13a6aca244c507e23cd0e50e541b66529d8302300d254a7d656", "db1f1fecad836e5d19a5f63bb4935a576f",
      "f1466e9db301f06bc2ac5788486d407268" },
    { "874ca2a1f977a5c48bb03fafe12e64930fbcd556eb0c37167db75cc96ba5995b",
      "659b9415af3d3f4ca12bdd45e07524857589c267fef103b01b6635ea5a0cd19d032d98af26bd610a4ba20943f3f9b2",
      "b786180402d4e52a4f572ece2c296a31de2d74536d8b64cf0c7edac02915f6",
      "be3c3036228faf7497883521684f2d4ad2642bfde362cba70ebc1f8045b2a9" },
    { "89c83d9ad210aa20754b41a6ca0218a6baaf4f7d7e60d1c2b2a312cc21a636e4",
      "6691e8770febf8a0bd3130c46eeebcd59d78a0dfede2acdf7ea3a4b325d81d04dc29a4499ed0d016a2a2456f418d97",
      "75c05d8f995fe8ed82785888fddf894f71ae115c8bc1b6d94c5525cbc6de2278d393776ed36e61ec62f9652c82711535",
      "a80e56fe5a2e8abc21cb17053444fd153467e5832efd3091e83f7ec91c1d4d6870fb432cd50b2b33eac474b07d98ad1b" },
};

TEST(hctr2, agrees_with_a_few_vectors_of_its_authors) {
    CHECK_OK(crypto_init());
    for (size_t i = 0; i < IMPLS; i++)
        for (size_t v = 0; crypto_hctr2_available(impls[i]) && v < sizeof few / sizeof few[0]; v++) {
            uint8_t key[32], tweak[64], plain[64], sealed[64];
            (void)unhex(few[v].key, key);
            size_t tweak_n = unhex(few[v].tweak, tweak), n = unhex(few[v].plain, plain);
            (void)unhex(few[v].sealed, sealed);
            check_one(impls[i], key, vl_span(tweak, tweak_n), plain, sealed, n);
        }
}

TEST(hctr2, agrees_with_every_vector_of_its_authors) {
    CHECK_OK(crypto_init());
    json_t *file = vectors_load("hctr2/hctr2_HCTR2_AES256.json");
    if (file == NULL) SKIP("no vectors/hctr2/hctr2_HCTR2_AES256.json");
    CHECK_EQ(350, json_array_size(file));
    for (size_t v = 0; v < json_array_size(file); v++) {
        const json_t *row = json_array_get(file, v);
        uint8_t key[32], tweak[64], plain[512], sealed[512];
        CHECK_EQ(32, vectors_bytes(row, "input/key_hex", key, sizeof key));
        size_t tweak_n = vectors_bytes(row, "input/tweak_hex", tweak, sizeof tweak);
        size_t n = vectors_bytes(row, "plaintext_hex", plain, sizeof plain);
        CHECK_EQ(n, vectors_bytes(row, "ciphertext_hex", sealed, sizeof sealed));
        for (size_t i = 0; i < IMPLS; i++)
            if (crypto_hctr2_available(impls[i])) check_one(impls[i], key, vl_span(tweak, tweak_n), plain, sealed, n);
    }
    json_decref(file);
}

TEST(hctr2, its_polyval_agrees_with_rfc_8452_and_every_vector) {
    CHECK_OK(crypto_init());
    json_t *file = vectors_load("hctr2/hctr2_Polyval.json");
    for (size_t i = 0; i < IMPLS; i++) {
        _Alignas(64) uint8_t state[HCTR2_STATE];
        uint8_t key[16], message[256], want[16], got[16] = { 0 };
        const struct hctr2_ops *ops = hctr2_ops_of(impls[i]);
        if (ops == NULL) continue;
        (void)unhex("25629347589242761d31f826ba4b757b", key); /* appendix A */
        (void)unhex("4f4f95668c83dfb6401762bb2d01a262d1a24ddd2721d006bbe45f20d3c9f362", message);
        (void)unhex("f7a3b47b846119fae5b7866cf5e5b77e", want);
        ops->hash_key(state, key);
        ops->polyval(state, got, message, 2);
        CHECK_MEM(want, got, 16);
        for (size_t v = 0; file != NULL && v < json_array_size(file); v++) {
            const json_t *row = json_array_get(file, v);
            CHECK_EQ(16, vectors_bytes(row, "input/key_hex", key, sizeof key));
            size_t n = vectors_bytes(row, "input/message_hex", message, sizeof message);
            CHECK_EQ(16, vectors_bytes(row, "hash_hex", want, sizeof want));
            ops->hash_key(state, key);
            memset(got, 0, sizeof got);
            ops->polyval(state, got, message, n / 16);
            CHECK_MEM(want, got, 16);
            memset(got, 0, sizeof got); /* and block by block */
            for (size_t b = 0; b < n / 16; b++) ops->polyval(state, got, message + 16 * b, 1);
            CHECK_MEM(want, got, 16);
        }
    }
    if (file == NULL) SKIP("no vectors/hctr2/hctr2_Polyval.json");
    json_decref(file);
}

TEST(hctr2, its_stream_agrees_with_every_vector_of_xctr) {
    CHECK_OK(crypto_init());
    json_t *file = vectors_load("hctr2/hctr2_XCTR_AES256.json");
    if (file == NULL) SKIP("no vectors/hctr2/hctr2_XCTR_AES256.json");
    CHECK_EQ(90, json_array_size(file));
    for (size_t v = 0; v < json_array_size(file); v++) {
        const json_t *row = json_array_get(file, v);
        uint8_t key[32], iv[16], l[16], plain[512], want[512], got[512];
        CHECK_EQ(32, vectors_bytes(row, "input/key_hex", key, sizeof key));
        CHECK_EQ(16, vectors_bytes(row, "input/nonce_hex", iv, sizeof iv));
        size_t n = vectors_bytes(row, "plaintext_hex", plain, sizeof plain);
        CHECK_EQ(n, vectors_bytes(row, "ciphertext_hex", want, sizeof want));
        for (size_t i = 0; i < IMPLS; i++) {
            _Alignas(64) uint8_t state[HCTR2_STATE];
            const struct hctr2_ops *ops = hctr2_ops_of(impls[i]);
            if (ops == NULL) continue;
            ops->setup(state, key, l);
            ops->xctr(state, iv, plain, n, got);
            CHECK_MEM(want, got, n);
        }
    }
    json_decref(file);
}

TEST(hctr2, its_aes_agrees_with_fips_197_in_all_eight_places) {
    struct aes_sliced_key sliced;
    uint8_t key[32], plain[8][16] = { { 0 } }, sealed[8][16], want[16];
    for (int i = 0; i < 32; i++) key[i] = (uint8_t)i; /* appendix C.3 */
    (void)unhex("8ea2b7ca516745bfeafc49904b496089", want);
    aes_sliced_expand(&sliced, key);
    for (int at = 0; at < 8; at++) {
        memset(plain, at, sizeof plain);
        (void)unhex("00112233445566778899aabbccddeeff", plain[at]);
        memcpy(sealed, plain, sizeof sealed);
        aes_sliced_encrypt(&sliced, sealed);
        CHECK_MEM(want, sealed[at], 16);
        aes_sliced_decrypt(&sliced, sealed);
        CHECK_MEM(plain, sealed, sizeof plain);
    }
}

/* Every length around blocks and around the widths of the implementations, and tweaks of every kind. */
TEST(hctr2, all_implementations_give_the_same_and_the_way_back) {
    static uint8_t plain[2100], sealed[2100];
    struct vl_prng rng;
    CHECK_OK(crypto_init());
    vl_prng_seed(&rng, 0x4c7712);
    for (size_t n = CRYPTO_HCTR2_MIN; n <= sizeof plain; n += n < 600 ? 1 : 61) {
        uint8_t key[32], tweak[80];
        size_t tweak_n = n % 81;
        for (size_t i = 0; i < n; i++) plain[i] = (uint8_t)vl_prng_next(&rng);
        for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)vl_prng_next(&rng);
        for (size_t i = 0; i < sizeof tweak; i++) tweak[i] = (uint8_t)vl_prng_next(&rng);
        crypto_hctr2_encrypt(key, vl_span(tweak, tweak_n), plain, n, sealed);
        for (size_t i = 0; i < IMPLS; i++)
            if (crypto_hctr2_available(impls[i])) check_one(impls[i], key, vl_span(tweak, tweak_n), plain, sealed, n);
        crypto_hctr2_decrypt(key, vl_span(tweak, tweak_n), sealed, n, sealed);
        CHECK_MEM(plain, sealed, n);
    }
}

TEST(hctr2, one_flipped_bit_of_message_tweak_or_key_changes_every_block) {
    uint8_t key[32] = { 1 }, tweak[20] = { 2 }, sealed[160] = { 3 }, plain[160], other[160];
    CHECK_OK(crypto_init());
    crypto_hctr2_decrypt(key, vl_span(tweak, sizeof tweak), sealed, sizeof sealed, plain);
    for (size_t bit = 0; bit < 8 * (sizeof sealed + sizeof tweak + sizeof key); bit++) {
        size_t byte = bit / 8;
        uint8_t *at = byte < sizeof sealed                  ? &sealed[byte]
                      : byte < sizeof sealed + sizeof tweak ? &tweak[byte - sizeof sealed]
                                                            : &key[byte - sizeof sealed - sizeof tweak];
        *at ^= (uint8_t)(1u << bit % 8);
        crypto_hctr2_decrypt(key, vl_span(tweak, sizeof tweak), sealed, sizeof sealed, other);
        *at ^= (uint8_t)(1u << bit % 8);
        for (size_t block = 0; block < sizeof sealed; block += 16) CHECK(memcmp(plain + block, other + block, 16) != 0);
    }
}

TEST(hctr2, a_longer_tweak_of_zeros_is_another_tweak) {
    uint8_t key[32] = { 1 }, zeros[48] = { 0 }, plain[40] = { 0 }, sealed[49][40];
    CHECK_OK(crypto_init());
    for (size_t n = 0; n <= sizeof zeros; n++) {
        crypto_hctr2_encrypt(key, vl_span(zeros, n), plain, sizeof plain, sealed[n]);
        for (size_t m = 0; m < n; m++) CHECK(memcmp(sealed[n], sealed[m], sizeof plain) != 0);
    }
}

TEST(hctr2, the_best_implementation_that_the_processor_can_run_is_chosen) {
    CHECK_OK(crypto_init());
    struct crypto_cpu cpu = crypto_cpu_detect(), none = { 0 }, old = { .aes = true, .vaes = true };
    hctr2_choose(&none);
    CHECK_EQ(CRYPTO_HCTR2_PORTABLE, crypto_hctr2_chosen());
    CHECK(!crypto_hctr2_available(CRYPTO_HCTR2_AESNI) && !crypto_hctr2_available(CRYPTO_HCTR2_VAES));
    if (cpu.aes) { /* the kernel does not save zmm */
        hctr2_choose(&old);
        CHECK_EQ(CRYPTO_HCTR2_AESNI, crypto_hctr2_chosen());
        CHECK(!crypto_hctr2_available(CRYPTO_HCTR2_VAES));
    }
    hctr2_choose(&cpu);
    bool wide = cpu.aes && cpu.vaes && cpu.avx512;
    CHECK_EQ(wide ? CRYPTO_HCTR2_VAES : cpu.aes ? CRYPTO_HCTR2_AESNI : CRYPTO_HCTR2_PORTABLE, crypto_hctr2_chosen());
    CHECK(crypto_hctr2_available(CRYPTO_HCTR2_PORTABLE));
    CHECK(!crypto_hctr2_available((enum crypto_hctr2_impl)0) && !crypto_hctr2_available((enum crypto_hctr2_impl)9));
}
