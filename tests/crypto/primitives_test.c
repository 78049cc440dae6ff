#include "crypto/aead.h"
#include "crypto/dh.h"
#include "crypto/drbg.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "crypto/vaes.h"

#include "base/text.h"

#include "check.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONE vl_span(NULL, 0)

static struct vl_span unhex(const char *hex, uint8_t *dst) {
    size_t n = strlen(hex) / 2;
    CHECK_OK(vl_hex_decode(hex, dst, n));
    return vl_span(dst, n);
}

static void check_hex(const char *want, const void *got) {
    uint8_t raw[256];
    struct vl_span s = unhex(want, raw);
    CHECK_MEM(s.p, got, s.n);
}

TEST(random, starts_twice_and_does_not_repeat_itself) {
    uint8_t a[32], b[32];
    CHECK_OK(crypto_init());
    CHECK_OK(crypto_init());
    crypto_random(a, sizeof a);
    crypto_random(b, sizeof b);
    CHECK(!crypto_equal(a, b, sizeof a));
    memcpy(b, a, sizeof b);
    CHECK(crypto_equal(a, b, sizeof a));
    b[31] ^= 1;
    CHECK(!crypto_equal(a, b, sizeof a));
    CHECK(crypto_equal(a, b, 31));
    crypto_wipe(a, sizeof a);
    CHECK(sodium_is_zero(a, sizeof a));
}

TEST(hash, blake2b_agrees_with_libsodium_at_every_length_and_cut) {
    static uint8_t data[1100];
    struct vl_hash want, got;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 31 + i / 256);
    for (size_t n = 0; n <= sizeof data; n++) {
        CHECK_EQ(0, crypto_generichash(want.b, sizeof want.b, data, n, NULL, 0));
        crypto_blake2b256(vl_span(data, n), &got);
        CHECK_MEM(want.b, got.b, 32);
        for (size_t step = 1; step < 300; step += 61) { /* in pieces */
            struct crypto_blake2b h;
            crypto_blake2b_init(&h);
            for (size_t at = 0; at < n; at += step) crypto_blake2b_update(&h, data + at, n - at < step ? n - at : step);
            crypto_blake2b_final(&h, &got);
            CHECK_MEM(want.b, got.b, 32);
        }
    }
}

TEST(hash, blake2b_agrees_with_rfc_7693_and_its_256_bit_form) {
    struct vl_hash h;
    uint8_t d[64];
    crypto_blake2b256(vl_span_str("abc"), &h);
    check_hex("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319", h.b);
    crypto_blake2b256(NONE, &h);
    check_hex("0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8", h.b);
    crypto_hash2(CRYPTO_BLAKE2B, vl_span_str("ab"), vl_span_str("c"), d); /* RFC 7693 appendix A */
    check_hex("ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
              "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
              d);
}

/* Computed with another implementation (Python's hashlib). */
TEST(hash, key_and_personalisation_each_change_the_digest) {
    uint8_t d[16];
    crypto_blake2b_keyed(vl_span_str("abc"), vl_span_str("key"), NULL, d, sizeof d);
    check_hex("2cf02ae16ac225ee731f9d359d8a1c38", d);
    crypto_blake2b_keyed(vl_span_str("abc"), vl_span_str("key"), "village-test....", d, sizeof d);
    check_hex("b04f76e5c1e927f6535a6e6448093dd1", d);
}

TEST(hash, pieces_give_the_same_as_the_whole_at_every_cut_and_place_in_memory) {
    uint8_t data[300];
    struct vl_hash want, got;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)i;
    crypto_blake2b256(vl_span(data, sizeof data), &want);
    uint8_t *room = malloc(sizeof(struct crypto_blake2b) + 64);
    CHECK(room != NULL);
    for (size_t cut = 0; cut <= sizeof data; cut++) {
        /* any 16-byte place: libsodium would like 64 */
        struct crypto_blake2b *h = (void *)(room + 16 * (cut % 4));
        crypto_blake2b_init(h);
        crypto_blake2b_update(h, data, cut);
        crypto_blake2b_update(h, NULL, 0);
        struct crypto_blake2b fork = *h;
        crypto_blake2b_update(h, data + cut, sizeof data - cut);
        crypto_blake2b_final(h, &got);
        CHECK(vl_hash_eq(want, got));
        crypto_blake2b_update(&fork, data + cut, sizeof data - cut);
        crypto_blake2b_final(&fork, &got);
        CHECK(vl_hash_eq(want, got));
    }
    free(room);
}

TEST(hash, sha256_and_hmac_agree_with_fips_180_and_rfc_4231) {
    uint8_t d[32], key[131];
    crypto_sha256(vl_span_str("abc"), d);
    check_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", d);
    crypto_hmac(CRYPTO_SHA256, vl_span_str("Jefe"), vl_span_str("what do ya "), vl_span_str("want for "),
                vl_span_str("nothing?"), d); /* test case 2 */
    check_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", d);
    memset(key, 0xaa, sizeof key); /* test case 6: a key longer than a block */
    crypto_hmac(CRYPTO_SHA256, vl_span(key, sizeof key),
                vl_span_str("Test Using Larger Than Block-Size Key - Hash Key First"), NONE, NONE, d);
    check_hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", d);
}

/* Computed with another implementation (Python's hmac over hashlib.blake2b). */
TEST(hash, hmac_over_blake2b_has_a_block_of_128) {
    uint8_t d[64], key[200];
    crypto_hmac(CRYPTO_BLAKE2B, vl_span_str("key"), vl_span_str("The quick brown fox "),
                vl_span_str("jumps over the lazy dog"), NONE, d);
    check_hex("92294f92c0dfb9b00ec9ae8bd94d7e7d8a036b885a499f149dfe2fd2199394aa"
              "af6b8894a1730cccb2cd050f9bcf5062a38b51b0dab33207f8ef35ae2c9df51b",
              d);
    memset(key, 'k', sizeof key);
    crypto_hmac(CRYPTO_BLAKE2B, vl_span(key, sizeof key), vl_span_str("a"), NONE, vl_span_str("b"), d);
    check_hex("da9c93e76ce5489a57335b3d0a9b23307e72f2bdd6c28c7b304e874edc7532b0"
              "1e8d6b17ee9c86274c17c659818f5f65945e6d9d6d0feacaa943704b585f8106",
              d);
}

TEST(hash, hkdf_agrees_with_rfc_5869) {
    uint8_t ikm[80], salt[80], info[80], prk[32], okm[255 * 32];
    memset(ikm, 0x0b, 22); /* test case 1 */
    crypto_hkdf_extract(CRYPTO_SHA256, unhex("000102030405060708090a0b0c", salt), vl_span(ikm, 22), prk);
    check_hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", prk);
    CHECK_OK(crypto_hkdf_expand(CRYPTO_SHA256, vl_span(prk, 32), unhex("f0f1f2f3f4f5f6f7f8f9", info), okm, 42));
    check_hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865", okm);
    crypto_hkdf_extract(CRYPTO_SHA256, NONE, vl_span(ikm, 22), prk); /* test case 3 */
    CHECK_OK(crypto_hkdf_expand(CRYPTO_SHA256, vl_span(prk, 32), NONE, okm, 42));
    check_hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8", okm);
    CHECK_OK(crypto_hkdf_expand(CRYPTO_SHA256, vl_span(prk, 32), NONE, okm, sizeof okm));
    CHECK_EQ(VL_ERANGE, crypto_hkdf_expand(CRYPTO_SHA256, vl_span(prk, 32), NONE, okm, sizeof okm + 1));
}

static void rfc8032_key_3(struct crypto_sign_key *key) {
    uint8_t seed[32];
    unhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", seed);
    crypto_sign_key_from_seed(seed, key);
}

TEST(sign, agrees_with_rfc_8032_test_3) {
    struct crypto_sign_key key;
    uint8_t sig[64], msg[2] = { 0xaf, 0x82 };
    rfc8032_key_3(&key);
    check_hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", key.public);
    CHECK_MEM(key.public, crypto_sign_node_id(&key).b, 32);
    CHECK_OK(crypto_sign_message(&key, "", vl_span(msg, 2), sig));
    check_hex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
              "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
              sig);
    CHECK_OK(crypto_verify_message(key.public, "", vl_span(msg, 2), sig));
    crypto_sign_key_wipe(&key);
    CHECK(sodium_is_zero((const uint8_t *)&key, sizeof key));
}

TEST(sign, a_signature_is_good_for_its_key_context_and_message_only) {
    struct crypto_sign_key key, other;
    uint8_t sig[64], seed[32] = { 1 };
    rfc8032_key_3(&key);
    crypto_sign_key_from_seed(seed, &other);
    struct vl_span msg = vl_span_str("message");
    CHECK_OK(crypto_sign_message(&key, "purpose-a:", msg, sig));
    CHECK_OK(crypto_verify_message(key.public, "purpose-a:", msg, sig));
    CHECK_EQ(VL_ECRYPTO, crypto_verify_message(key.public, "purpose-b:", msg, sig));
    CHECK_EQ(VL_ECRYPTO, crypto_verify_message(key.public, "", msg, sig));
    CHECK_EQ(VL_ECRYPTO, crypto_verify_message(key.public, "purpose-a:", vl_span_str("Message"), sig));
    CHECK_EQ(VL_ECRYPTO, crypto_verify_message(other.public, "purpose-a:", msg, sig));
    for (size_t i = 0; i < sizeof sig; i++) {
        sig[i] ^= 1;
        CHECK_EQ(VL_ECRYPTO, crypto_verify_message(key.public, "purpose-a:", msg, sig));
        sig[i] ^= 1;
    }
}

TEST(sign, refuses_small_order_keys_and_a_scalar_that_is_not_reduced) {
    struct crypto_sign_key key;
    uint8_t sig[64] = { 1 }, neutral[32] = { 1 };
    /* R = A = neutral element, S = 0: the equation of RFC 8032 holds for every message */
    CHECK_EQ(VL_ECRYPTO, crypto_verify_message(neutral, "", vl_span_str("anything"), sig));
    /* S + L: the same signature in other bytes */
    static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                       0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
    rfc8032_key_3(&key);
    CHECK_OK(crypto_sign_message(&key, "", vl_span_str("x"), sig));
    CHECK_OK(crypto_verify_message(key.public, "", vl_span_str("x"), sig));
    sodium_add(sig + 32, order, 32);
    CHECK_EQ(VL_ECRYPTO, crypto_verify_message(key.public, "", vl_span_str("x"), sig));
}

TEST(sign, message_and_context_end_at_4096_bytes) {
    static const uint8_t msg[CRYPTO_SIGN_MAX];
    struct crypto_sign_key key;
    uint8_t sig[64];
    rfc8032_key_3(&key);
    CHECK_OK(crypto_sign_message(&key, "a:", vl_span(msg, CRYPTO_SIGN_MAX - 2), sig));
    CHECK_EQ(VL_ELIMIT, crypto_sign_message(&key, "a:", vl_span(msg, CRYPTO_SIGN_MAX - 1), sig));
    CHECK_EQ(VL_ELIMIT, crypto_verify_message(key.public, "a:", vl_span(msg, CRYPTO_SIGN_MAX - 1), sig));
}

TEST(dh, agrees_with_rfc_7748_section_5_2) {
    uint8_t k[32], u[32], out[32];
    unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", k);
    unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", u);
    CHECK_OK(crypto_dh(k, u, out));
    check_hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552", out);
    struct crypto_dh_key key;
    uint8_t nine[32] = { 9 };
    crypto_dh_key_from_seed(nine, &key); /* the iterated test, after one round: k = u = 9 */
    check_hex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079", key.public);
}

TEST(dh, both_sides_agree_and_a_low_order_point_is_refused) {
    struct crypto_dh_key a, b;
    uint8_t seed[32] = { 1 }, ab[32], ba[32], zero[32] = { 0 };
    crypto_dh_key_from_seed(seed, &a);
    seed[0] = 2;
    crypto_dh_key_from_seed(seed, &b);
    CHECK_OK(crypto_dh(a.secret, b.public, ab));
    CHECK_OK(crypto_dh(b.secret, a.public, ba));
    CHECK_MEM(ab, ba, 32);
    CHECK_EQ(VL_ECRYPTO, crypto_dh(a.secret, zero, ab));
    CHECK_MEM(ba, ab, 32); /* untouched */
    crypto_dh_key_wipe(&a);
    CHECK(sodium_is_zero((const uint8_t *)&a, sizeof a));
}

TEST(aead, chachapoly_agrees_with_rfc_8439_appendix_a5) {
    static const char text[] = "Internet-Drafts are draft documents valid for a maximum of six months and may be "
                               "updated, replaced, or obsoleted "
                               "by other documents at any time. It is inappropriate to use Internet-Drafts as "
                               "reference material or to cite them "
                               "other than as /\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
    uint8_t key[32], ad[12], out[sizeof text + 16];
    struct crypto_aead a;
    size_t n = sizeof text - 1;
    unhex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0", key);
    struct vl_span aad = unhex("f33388860000000000004e91", ad);
    crypto_aead_init(&a, CRYPTO_CHACHAPOLY, key);
    CHECK_OK(crypto_aead_seal(&a, 0x0807060504030201, aad, (const uint8_t *)text, n, out));
    check_hex("64a0861575861af460f062c79be643bd", out);
    check_hex("eead9d67890cbb22392336fea1851f38", out + n);
    CHECK_OK(crypto_aead_open(&a, 0x0807060504030201, aad, out, n + 16, out));
    CHECK_MEM(text, out, n);
    crypto_aead_destroy(&a);
}

TEST(aead, aesgcm_agrees_with_test_cases_13_and_14_of_its_authors) {
    uint8_t key[32] = { 0 }, zeros[16] = { 0 }, out[32];
    struct crypto_aead a;
    crypto_aead_init(&a, CRYPTO_AESGCM, key);
    CHECK_OK(crypto_aead_seal(&a, 0, NONE, NULL, 0, out));
    check_hex("530f8afbc74536b9a963b4f1c4cb738b", out);
    CHECK_OK(crypto_aead_open(&a, 0, NONE, out, 16, NULL));
    CHECK_OK(crypto_aead_seal(&a, 0, NONE, zeros, 16, out));
    check_hex("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919", out);
    crypto_aead_destroy(&a);
}

static const enum crypto_aead_kind kinds[] = { CRYPTO_CHACHAPOLY, CRYPTO_AESGCM };

/* What may be underneath: AES-GCM without and with the vector instructions, the latter only where the machine has them.
 */
#define ENGINES 3u
static void init_engine(struct crypto_aead *a, size_t engine, const uint8_t key[32]) {
    crypto_aead_init(a, engine == 0 ? CRYPTO_CHACHAPOLY : CRYPTO_AESGCM, key);
    CHECK_EQ(engine > 0 && crypto_vaes_available(), a->use_vaes);
    if (engine == 1) a->use_vaes = false;
}

static void same_bytes(struct crypto_aead *a, const uint8_t key[32], size_t n, struct vl_span ad) {
    static uint8_t plain[17000], sealed[17016], want[17016], got[17000];
    uint8_t nonce[12] = { 0 };
    for (size_t i = 0; i < n; i++) plain[i] = (uint8_t)(i * 7 + i / 256);
    nonce[a->kind == CRYPTO_AESGCM ? 11 : 4] = (uint8_t)n;
    nonce[a->kind == CRYPTO_AESGCM ? 10 : 5] = (uint8_t)(n >> 8);
    CHECK_OK(crypto_aead_seal(a, n, ad, plain, n, sealed));
    if (a->kind == CRYPTO_CHACHAPOLY) {
        crypto_aead_chacha20poly1305_ietf_encrypt(want, NULL, plain, n, ad.p, ad.n, NULL, nonce, key);
        CHECK_MEM(want, sealed, n + 16);
    } else if (crypto_aead_aes256gcm_is_available()) {
        crypto_aead_aes256gcm_encrypt(want, NULL, plain, n, ad.p, ad.n, NULL, nonce, key);
        CHECK_MEM(want, sealed, n + 16);
    }
    CHECK_OK(crypto_aead_open(a, n, ad, sealed, n + 16, got));
    CHECK_MEM(plain, got, n);
    CHECK_OK(crypto_aead_open(a, n, ad, sealed, n + 16, sealed)); /* in place */
    CHECK_MEM(plain, sealed, n);
    CHECK_OK(crypto_aead_seal(a, n, ad, sealed, n, sealed));
    CHECK_OK(crypto_aead_open(a, n, ad, sealed, n + 16, got));
}

/* Both sides of the size at which the implementation changes, against libsodium throughout, and with a context that
 * both seals and opens.  The second time round the context has seen large messages. */
TEST(aead, gives_the_same_bytes_at_every_size_whatever_is_underneath) {
    static const size_t large[] = { 2047, 2048, 4095, 4096, 4097, 8191, 12345, 16383, 16384, 16385, 16400, 17000 };
    uint8_t key[32] = { 5 };
    CHECK_OK(crypto_init());
    for (size_t engine = 0; engine < ENGINES; engine++) {
        struct crypto_aead a;
        init_engine(&a, engine, key);
        for (unsigned round = 0; round < 2; round++) {
            for (size_t n = 0; n <= 1100; n++) same_bytes(&a, key, n, vl_span_str("header"));
            for (size_t i = 0; i < sizeof large / sizeof *large; i++) same_bytes(&a, key, large[i], NONE);
            for (size_t n = 0; n <= 64; n++) same_bytes(&a, key, 600, vl_span(key, n < 32 ? n : 32));
        }
        CHECK_EQ(a.use_vaes, a.vaes != NULL);
        crypto_aead_destroy(&a);
    }
}

TEST(aead, seals_with_vector_instructions_where_the_build_and_the_machine_have_them) {
    if (!crypto_vaes_available()) SKIP("no VAES, or built without ipsec-mb");
    struct crypto_aead a;
    uint8_t key[32] = { 1 }, buf[1040] = { 0 };
    crypto_aead_init(&a, CRYPTO_AESGCM, key);
    CHECK_OK(crypto_aead_seal(&a, 0, NONE, buf, 1024, buf));
    CHECK(a.vaes != NULL && a.evp == NULL);
    crypto_aead_destroy(&a);
}

TEST(aead, a_forgery_is_refused_and_leaves_no_plaintext) {
    static const size_t sizes[] = { 40, 2000 };
    static uint8_t plain[2000], sealed[2016], out[2000], zeros[2000];
    uint8_t key[32] = { 9 };
    memset(plain, 'p', sizeof plain);
    for (size_t engine = 0; engine < ENGINES; engine++) {
        for (size_t s = 0; s < 2; s++) {
            size_t n = sizes[s];
            struct crypto_aead a;
            init_engine(&a, engine, key);
            CHECK_OK(crypto_aead_seal(&a, 3, vl_span_str("ad"), plain, n, sealed));
            for (size_t at = 0; at < n + 16; at += s == 0 ? 1 : 63) {
                memset(out, 1, sizeof out);
                sealed[at] ^= 0x80;
                CHECK_EQ(VL_ECRYPTO, crypto_aead_open(&a, 3, vl_span_str("ad"), sealed, n + 16, out));
                CHECK_MEM(zeros, out, n);
                sealed[at] ^= 0x80;
            }
            CHECK_EQ(VL_ECRYPTO, crypto_aead_open(&a, 2, vl_span_str("ad"), sealed, n + 16, out));
            CHECK_EQ(VL_ECRYPTO, crypto_aead_open(&a, 3, vl_span_str("da"), sealed, n + 16, out));
            CHECK_EQ(VL_ECRYPTO, crypto_aead_open(&a, 3, NONE, sealed, n + 16, out));
            CHECK_EQ(VL_ECRYPTO, crypto_aead_open(&a, 3, vl_span_str("ad"), sealed, n + 15, out));
            CHECK_EQ(VL_ECRYPTO, crypto_aead_open(&a, 3, vl_span_str("ad"), sealed, 15, out));
            CHECK_OK(crypto_aead_open(&a, 3, vl_span_str("ad"), sealed, n + 16, out)); /* still good after all that */
            CHECK_MEM(plain, out, n);
            crypto_aead_destroy(&a);
            CHECK(sodium_is_zero((const uint8_t *)&a, sizeof a));
        }
    }
}

TEST(aead, keeps_the_reserved_nonce_for_rekey) {
    uint8_t key[32] = { 0 }, out[64], zeros[32] = { 0 }, nonce[12], want[48];
    for (size_t k = 0; k < 2; k++) {
        struct crypto_aead a, fresh;
        crypto_aead_init(&a, kinds[k], key);
        CHECK_OK(crypto_aead_seal(&a, CRYPTO_AEAD_NONCE_LAST, NONE, zeros, 32, out));
        CHECK_EQ(VL_ELIMIT, crypto_aead_seal(&a, CRYPTO_AEAD_NONCE_LAST + 1, NONE, zeros, 32, out));
        CHECK_EQ(VL_ELIMIT, crypto_aead_open(&a, CRYPTO_AEAD_NONCE_LAST + 1, NONE, out, 48, out));
        CHECK_OK(crypto_aead_rekey(&a));
        memset(nonce, 0, 4);
        memset(nonce + 4, 0xff, 8);
        if (kinds[k] == CRYPTO_CHACHAPOLY) {
            crypto_aead_chacha20poly1305_ietf_encrypt(want, NULL, zeros, 32, NULL, 0, NULL, nonce, key);
            crypto_aead_init(&fresh, kinds[k], want);
            CHECK_OK(crypto_aead_seal(&a, 0, NONE, zeros, 32, out));
            CHECK_OK(crypto_aead_open(&fresh, 0, NONE, out, 48, out));
            crypto_aead_destroy(&fresh);
        }
        crypto_aead_destroy(&a);
    }
}

TEST(drbg, is_chacha20_with_its_key_erased_first) {
    struct crypto_drbg g;
    uint8_t seed[32] = { 0 }, out[32];
    crypto_drbg_init(&g, seed);
    crypto_drbg_bytes(&g, out, sizeof out);
    /* second half of the first block under a zero key and nonce: RFC 8439 appendix A.1, vector 1 */
    check_hex("da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586", out);
    for (size_t i = 0; i < 64; i++) CHECK_EQ(0, g.block[i]); /* given out: gone */
    crypto_drbg_wipe(&g);
    CHECK(sodium_is_zero((const uint8_t *)&g, sizeof g));
}

TEST(drbg, stream_does_not_depend_on_how_it_is_cut) {
    struct crypto_drbg a, b;
    uint8_t seed[32] = { 3 }, whole[2000], parts[2000];
    crypto_drbg_init(&a, seed);
    crypto_drbg_init(&b, seed);
    crypto_drbg_bytes(&a, whole, sizeof whole);
    for (size_t at = 0, n = 1; at < sizeof parts; at += n, n = n % 97 + 1) {
        if (n > sizeof parts - at) n = sizeof parts - at;
        crypto_drbg_bytes(&b, parts + at, n);
    }
    CHECK_MEM(whole, parts, sizeof whole);
    CHECK(crypto_drbg_u64(&a) == crypto_drbg_u64(&b));
    seed[31] = 1;
    crypto_drbg_init(&b, seed);
    crypto_drbg_bytes(&b, parts, sizeof parts);
    CHECK(memcmp(whole, parts, 32) != 0);
}

TEST(drbg, below_stays_below_and_reaches_every_value) {
    struct crypto_drbg g;
    uint8_t seed[32] = { 8 };
    unsigned seen[7] = { 0 };
    crypto_drbg_init(&g, seed);
    for (int i = 0; i < 7000; i++) {
        uint64_t x = crypto_drbg_below(&g, 7);
        CHECK(x < 7);
        seen[x]++;
    }
    for (int i = 0; i < 7; i++) CHECK(seen[i] > 800 && seen[i] < 1200);
    CHECK_EQ(0, crypto_drbg_below(&g, 1));
    CHECK(crypto_drbg_below(&g, UINT64_MAX) < UINT64_MAX);
}
