/* Credentials for a TPM, opened here as a TPM opens them but over libcrypto's own OAEP, KDF and CFB; a real one opens them in
 * tests/node/tee_tpm_test.c. */
#include "check.h"
#include "crypto/hash.h"
#include "crypto/oaep.h"
#include "pki.h"
#include "trust/tpm_credential.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>
#include <string.h>

struct scene {
    struct pki_key *key;
    struct pki_der certificate;
    uint8_t name[34], secret[TPM_SECRET], random[TPM_CREDENTIAL_RANDOM];
    struct vl_buf out;
};
static void begin(struct scene *s, const char *kind) {
    *s = (struct scene){ .key = pki_key(kind), .name = { 0x00, 0x0b, 1, 2, 3 } };
    struct pki_spec spec = { .name = "ek", .issuer = "ek", .key = s->key, .issuer_key = s->key, .from_s = 1, .until_s = 4000000000u, .serial = 1 };
    pki_certificate(&spec, &s->certificate);
    for (unsigned i = 0; i < TPM_SECRET; i++) s->secret[i] = (uint8_t)(i + 1);
    for (unsigned i = 0; i < TPM_CREDENTIAL_RANDOM; i++) s->random[i] = (uint8_t)(200 - i);
    vl_buf_init(&s->out, TPM_CREDENTIAL_MAX);
}
static void end(struct scene *s) {
    pki_key_free(s->key);
    vl_buf_free(&s->out);
}
static enum vl_err wrap(struct scene *s) {
    return tpm_credential_make(pki_span(&s->certificate), vl_span(s->name, sizeof s->name), s->secret, s->random, &s->out);
}

/* SP 800-108 in counter mode with HMAC, which KDFa is. */
static void kdf(const uint8_t seed[32], const char *label, struct vl_span context, uint8_t *dst, size_t n) {
    EVP_KDF *k = EVP_KDF_fetch(NULL, "KBKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(k);
    char hmac[] = "HMAC", sha[] = "SHA256", mode[] = "counter";
    OSSL_PARAM p[] = { OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MAC, hmac, 0),
                       OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha, 0),
                       OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, mode, 0),
                       OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)seed, 32),
                       OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)label, strlen(label)),
                       OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)context.p, context.n),
                       OSSL_PARAM_construct_end() };
    if (context.n == 0) p[5] = OSSL_PARAM_construct_end();
    CHECK_EQ(1, EVP_KDF_derive(ctx, dst, n, p));
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(k);
}

static void unwrap_seed(const struct scene *s, struct vl_span wrapped, uint8_t seed[32]) {
    uint8_t text[512];
    size_t n = sizeof text;
    unsigned char *label = OPENSSL_memdup("IDENTITY", 9); /* its NUL counts; the context takes it */
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new((EVP_PKEY *)s->key, NULL);
    CHECK_EQ(1, EVP_PKEY_decrypt_init(ctx));
    CHECK_EQ(1, EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING));
    CHECK_EQ(1, EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()));
    CHECK_EQ(1, EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()));
    CHECK_EQ(1, EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, label, 9));
    CHECK_EQ(1, EVP_PKEY_decrypt(ctx, text, &n, wrapped.p, wrapped.n));
    CHECK_EQ(32, n);
    memcpy(seed, text, 32);
    EVP_PKEY_CTX_free(ctx);
}

TEST(tpm_credential, opens_as_a_tpm_opens_it) {
    struct scene s;
    uint8_t seed[32], key[32], zero[16] = { 0 }, plain[64], mac[32];
    begin(&s, "RSA");
    CHECK_OK(wrap(&s));
    struct vl_reader r = vl_reader(s.out.p, s.out.len);
    struct vl_span object = vl_read_span(&r, vl_read_u16(&r)), wrapped = vl_read_span(&r, vl_read_u16(&r));
    CHECK_OK(vl_reader_end(&r));
    CHECK_EQ(256, wrapped.n);
    unwrap_seed(&s, wrapped, seed);
    CHECK_MEM(s.random, seed, 32);
    r = vl_reader(object.p, object.n);
    struct vl_span tag = vl_read_span(&r, vl_read_u16(&r)), identity = vl_read_span(&r, r.n);
    kdf(seed, "INTEGRITY", vl_span(NULL, 0), key, 32);
    crypto_hmac(CRYPTO_SHA256, vl_span(key, 32), identity, vl_span(s.name, sizeof s.name), vl_span(NULL, 0), mac);
    CHECK_EQ(32, tag.n);
    CHECK_MEM(mac, tag.p, 32);
    kdf(seed, "STORAGE", vl_span(s.name, sizeof s.name), key, 16);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    CHECK_EQ(34, identity.n);
    CHECK_EQ(1, EVP_DecryptInit_ex(ctx, EVP_aes_128_cfb128(), NULL, key, zero));
    CHECK_EQ(1, EVP_DecryptUpdate(ctx, plain, &n, identity.p, (int)identity.n));
    EVP_CIPHER_CTX_free(ctx);
    CHECK_EQ(TPM_SECRET, vl_get_u16(plain));
    CHECK_MEM(s.secret, plain + 2, TPM_SECRET);
    end(&s);
}

TEST(tpm_credential, depends_on_the_name_the_secret_and_all_random_bytes) {
    struct scene s;
    uint8_t first[TPM_CREDENTIAL_MAX];
    begin(&s, "RSA");
    CHECK_OK(wrap(&s));
    size_t n = s.out.len;
    memcpy(first, s.out.p, n);
    uint8_t *const places[] = { &s.name[33], &s.secret[31], &s.random[0], &s.random[31], &s.random[32], &s.random[63] };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        *places[i] ^= 1;
        vl_buf_clear(&s.out);
        CHECK_OK(wrap(&s));
        CHECK_EQ(n, s.out.len);
        CHECK(memcmp(first, s.out.p, n) != 0);
        *places[i] ^= 1;
    }
    end(&s);
}

TEST(tpm_credential, refuses_other_keys_names_and_what_is_no_certificate) {
    struct scene s;
    begin(&s, "P-256");
    CHECK_EQ(VL_EUNSUPPORTED, wrap(&s));
    end(&s);
    begin(&s, "RSA");
    s.name[1] = 0x0a; /* no such hash */
    CHECK_EQ(VL_EPARSE, wrap(&s));
    s.name[1] = 0x04; /* SHA-1 has 20 bytes */
    CHECK_EQ(VL_EPARSE, wrap(&s));
    s.name[1] = 0x0b;
    for (size_t cut = 0; cut < s.certificate.n; cut += 37)
        CHECK_EQ(VL_EPARSE, tpm_credential_make(vl_span(s.certificate.p, cut), vl_span(s.name, 34), s.secret, s.random, &s.out));
    CHECK_EQ(0, s.out.len);
    vl_buf_free(&s.out);
    vl_buf_init(&s.out, 100); /* too small for all of it: nothing stays */
    CHECK_EQ(VL_ELIMIT, wrap(&s));
    CHECK_EQ(0, s.out.len);
    end(&s);
}

TEST(tpm_credential, an_answer_is_the_whole_secret) {
    uint8_t secret[TPM_SECRET] = { 1, 2, 3 }, longer[TPM_SECRET + 1] = { 1, 2, 3 };
    CHECK(tpm_credential_answered(secret, vl_span(longer, TPM_SECRET)));
    CHECK(!tpm_credential_answered(secret, vl_span(longer, TPM_SECRET + 1)));
    CHECK(!tpm_credential_answered(secret, vl_span(longer, TPM_SECRET - 1)));
    CHECK(!tpm_credential_answered(secret, vl_span(NULL, 0)));
    longer[31] = 1;
    CHECK(!tpm_credential_answered(secret, vl_span(longer, TPM_SECRET)));
}

TEST(tpm_credential, a_name_is_the_algorithm_and_the_hash_of_the_area) {
    uint8_t area[10] = { 0x00, 0x23, 0x00, 0x0b, 1, 2, 3, 4, 5, 6 }, name[TPM_NAME_MAX], digest[32];
    size_t n = 0;
    CHECK_OK(tpm_name(vl_span(area, sizeof area), name, &n));
    crypto_sha256(vl_span(area, sizeof area), digest);
    CHECK_EQ(34, n);
    CHECK_EQ(0x0b, name[1]);
    CHECK_MEM(digest, name + 2, 32);
    area[3] = 0x0c;
    CHECK_OK(tpm_name(vl_span(area, sizeof area), name, &n));
    CHECK_EQ(50, n);
    area[3] = 0x0d; /* SHA-512: none of ours */
    CHECK_EQ(VL_EPARSE, tpm_name(vl_span(area, sizeof area), name, &n));
    CHECK_EQ(VL_EPARSE, tpm_name(vl_span(area, 3), name, &n));
}

TEST(oaep, messages_that_are_too_long_are_refused) {
    struct scene s;
    uint8_t ret[CRYPTO_RSA_BYTES_MAX], message[256] = { 1 };
    struct crypto_x509 *c = NULL;
    struct crypto_pubkey *k = NULL;
    size_t n = 0;
    begin(&s, "RSA");
    CHECK_OK(crypto_x509_parse(pki_span(&s.certificate), &c));
    CHECK_OK(crypto_x509_key(c, &k));
    CHECK_OK(crypto_oaep_encrypt(k, vl_span(NULL, 0), vl_span(message, 190), s.random, ret, &n));
    CHECK_EQ(256, n);
    CHECK_EQ(VL_ERANGE, crypto_oaep_encrypt(k, vl_span(NULL, 0), vl_span(message, 191), s.random, ret, &n));
    CHECK_OK(crypto_oaep_encrypt(k, vl_span("x", 1), vl_span(NULL, 0), s.random, ret, &n));
    crypto_pubkey_free(k);
    crypto_x509_free(c);
    end(&s);
}
