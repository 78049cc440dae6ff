/* Arm CCA and PSA tokens of third parties, signed with test keys, and what their README says of each. */
#include "attest_vectors.h"
#include "check.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "crypto/hash.h"

struct scene {
    struct attest_files files;
    struct attest_input in;
    struct attest_policy policy;
    struct attest_root root;
    uint8_t *spki;
    struct attest_result r;
};

/* veraison-iak-p256-pub.jwk, as its two coordinates. */
static const char veraison_x[] = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4=";
static const char veraison_y[] = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM=";
static int veraison_spki(uint8_t **ret) {
    static const uint8_t prefix[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                      0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };
    uint8_t x[36], y[36], *der = OPENSSL_malloc(sizeof prefix + 64);
    CHECK(EVP_DecodeBlock(x, (const uint8_t *)veraison_x, 44) == 33);
    CHECK(EVP_DecodeBlock(y, (const uint8_t *)veraison_y, 44) == 33);
    memcpy(der, prefix, sizeof prefix);
    memcpy(der + sizeof prefix, x, 32);
    memcpy(der + sizeof prefix + 32, y, 32);
    *ret = der;
    return sizeof prefix + 64;
}

static void end(struct scene *s) {
    OPENSSL_free(s->spki);
    attest_files_free(&s->files);
}
/* key: a PEM file; NULL: that of veraison. */
static bool begin(struct scene *s, enum attest_kind kind, const char *token, const char *key,
                  enum attest_anchor anchor) {
    int n = 0;
    memset(s, 0, sizeof *s);
    struct vl_span evidence = attest_file(&s->files, token), pem = vl_span(NULL, 0);
    if (key != NULL) pem = attest_file(&s->files, key);
    if (s->files.missing) {
        end(s);
        return false;
    }
    if (key == NULL) {
        n = veraison_spki(&s->spki);
    } else {
        BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
        EVP_PKEY *k = PEM_read_bio_PUBKEY(b, NULL, NULL, NULL);
        CHECK(k != NULL);
        n = i2d_PUBKEY(k, &s->spki);
        EVP_PKEY_free(k);
        BIO_free(b);
    }
    CHECK(n > 0);
    s->root = (struct attest_root){ .kind = kind, .anchor = anchor, .name = "test key" };
    crypto_sha256(vl_span(s->spki, (size_t)n), s->root.key);
    s->policy.roots = &s->root;
    s->policy.nroots = 1;
    s->in = (struct attest_input){ .kind = kind,
                                   .evidence = evidence,
                                   .leaf = vl_span(s->spki, (size_t)n),
                                   .when = attest_date("2024-01-01"),
                                   .policy = &s->policy };
    return true;
}
#define BEGIN(s, ...)                                                                                                  \
    do {                                                                                                               \
        if (!begin(&(s), __VA_ARGS__)) SKIP("this attestation vector is not here");                                    \
    } while (0)
static void verify(struct scene *s) { attest_verify(&s->in, &s->r); }
static void refused(struct scene *s, const char *why) {
    verify(s);
    CHECK_STR(why, s->r.reason);
    CHECK(!s->r.accepted);
    CHECK_EQ(0, s->r.level);
}
#define TFRMM ATTEST_CCA, "arm/cca-tfrmm-token.cbor", "arm/cca-tfrmm-cpak-pub.pem"
#define VERAISON ATTEST_CCA, "arm/cca-veraison-token.cbor", NULL
#define TFM2 ATTEST_PSA, "arm/psa-tfm-2_0_0-token.cbor", "arm/psa-tfm-iak-pub.pem"
#define TFM1 ATTEST_PSA, "arm/psa-tfm-iot1-token.cbor", "arm/psa-tfm-iak-pub.pem"
#define PSA_VERAISON ATTEST_PSA, "arm/psa-veraison-token.cbor", NULL

/* Genuine under a key that everybody has: worth what a node says of itself, however fresh. */
static void simulated(struct scene *s) {
    verify(s);
    CHECK_STR("accepted", s->r.reason);
    CHECK_EQ(ATTEST_YES, s->r.genuine.state);
    CHECK_EQ(ATTEST_NO, s->r.debug.state);
    uint8_t nonce[64];
    size_t n = s->r.report_data_n;
    memcpy(nonce, s->r.report_data, n);
    s->in.nonce = vl_span(nonce, n);
    s->in.nonce_binds_key = true;
    verify(s);
    CHECK_EQ(ATTEST_YES, s->r.fresh.state);
    CHECK_EQ(300, s->r.level);
    s->root.anchor = ATTEST_ANCHOR_OPERATOR;
    verify(s);
    CHECK_EQ(s->in.kind == ATTEST_CCA ? 900 : 500, s->r.level);
    nonce[0] ^= 1;
    refused(s, "made for another challenge");
}

TEST(attest_arm, a_cca_token_under_a_test_key_is_genuine_and_worth_300) {
    struct scene s;
    BEGIN(s, TFRMM, ATTEST_ANCHOR_SIMULATED);
    simulated(&s);
    CHECK_EQ(33, s.r.device_n);
    CHECK_EQ(4 * 32, s.r.registers_n);
    end(&s);
    BEGIN(s, VERAISON, ATTEST_ANCHOR_SIMULATED);
    simulated(&s);
    end(&s);
}

TEST(attest_arm, psa_tokens_of_both_profiles_are_genuine_and_worth_300) {
    struct scene s;
    BEGIN(s, TFM2, ATTEST_ANCHOR_SIMULATED);
    simulated(&s);
    CHECK_EQ(2, s.r.version);
    end(&s);
    BEGIN(s, TFM1, ATTEST_ANCHOR_SIMULATED);
    simulated(&s);
    CHECK_EQ(1, s.r.version);
    end(&s);
    BEGIN(s, PSA_VERAISON, ATTEST_ANCHOR_SIMULATED);
    simulated(&s);
    end(&s);
}

TEST(attest_arm, a_key_that_nobody_provisioned_is_no_anchor) {
    struct scene s;
    BEGIN(s, TFRMM, ATTEST_ANCHOR_SIMULATED);
    s.root.kind = ATTEST_PSA; /* vouched for another kind alone */
    refused(&s, "nobody vouches for the key of the machine");
    s.policy.nroots = 0;
    refused(&s, "nobody vouches for the key of the machine");
    s.in.leaf = vl_span(NULL, 0);
    refused(&s, "no key that endorses the machine");
    end(&s);
    BEGIN(s, ATTEST_PSA, "arm/psa-tfm-2_0_0-token.cbor", NULL, ATTEST_ANCHOR_OPERATOR);
    refused(&s, "the signature of the token is not good");
    end(&s);
}

TEST(attest_arm, one_kind_of_token_is_not_the_other) {
    struct scene s;
    BEGIN(s, TFM2, ATTEST_ANCHOR_OPERATOR);
    s.in.kind = ATTEST_CCA;
    refused(&s, "malformed token");
    end(&s);
    BEGIN(s, TFRMM, ATTEST_ANCHOR_OPERATOR);
    s.in.kind = ATTEST_PSA;
    refused(&s, "malformed token");
    end(&s);
}

/* Takes the realm's half of one token and the platform's of another: only the binding of the two can tell. */
static size_t find(struct vl_span in, const char *what, size_t n) {
    for (size_t i = 0; i + n <= in.n; i++)
        if (memcmp(in.p + i, what, n) == 0) return i;
    fail_msg("not found");
    return 0;
}
TEST(attest_arm, the_platform_of_one_machine_does_not_vouch_for_the_realm_of_another) {
    struct scene s;
    struct attest_files files = { .n = 0 };
    uint8_t mixed[4096];
    BEGIN(s, TFRMM, ATTEST_ANCHOR_OPERATOR);
    struct vl_span other = attest_file(&files, "arm/cca-veraison-token.cbor");
    if (files.missing) SKIP("this attestation vector is not here");
    /* Keys 44234 and 44241 of the collection. */
    size_t ours = find(s.in.evidence, "\x19\xac\xd1", 3), theirs = find(other, "\x19\xac\xd1", 3);
    CHECK(ours + other.n - theirs <= sizeof mixed);
    memcpy(mixed, s.in.evidence.p, ours);
    memcpy(mixed + ours, other.p + theirs, other.n - theirs);
    s.in.evidence = vl_span(mixed, ours + other.n - theirs);
    refused(&s, "the machine vouches for another realm");
    attest_files_free(&files);
    end(&s);
}

TEST(attest_arm, no_cut_and_no_flipped_bit_is_taken) {
    struct scene s;
    BEGIN(s, TFRMM, ATTEST_ANCHOR_OPERATOR);
    attest_check_truncations(&s.in, 0);
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.evidence, 1024, 5, 22));
    end(&s);
    BEGIN(s, VERAISON, ATTEST_ANCHOR_OPERATOR);
    attest_check_truncations(&s.in, 0);
    (void)attest_check_flips(&s.in, &s.in.evidence, 1024, 5, 23);
    end(&s);
    BEGIN(s, TFM2, ATTEST_ANCHOR_OPERATOR);
    attest_check_truncations(&s.in, 0);
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.evidence, 8 * 534, 1, 24));
    end(&s);
    BEGIN(s, TFM1, ATTEST_ANCHOR_OPERATOR);
    CHECK_EQ(SIZE_MAX, attest_check_flips(&s.in, &s.in.evidence, 8 * 548, 1, 25));
    end(&s);
}
