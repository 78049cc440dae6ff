/* Paths of certificates at a time that the test names, with keys made for it. */
#include "check.h"
#include "crypto/der.h"
#include "crypto/x509.h"
#include "pki.h"

#include <openssl/evp.h>
#include <string.h>

#define NOW 1750000000u
#define DAY 86400u

/* root -> middle -> leaf, all good at NOW; a test spoils one thing. */
struct world {
    struct pki_key *key[3];
    struct pki_spec spec[3]; /* root, middle, leaf */
    struct crypto_x509_pool *pool, *leaf;
    uint8_t roots[1][32];
    struct crypto_x509_rules rules;
    struct crypto_x509_path path;
};

static void begin(struct world *w) {
    memset(w, 0, sizeof *w);
    for (unsigned i = 0; i < 3; i++) w->key[i] = pki_key("P-256");
    static const char *const names[] = { "root", "middle", "leaf" };
    for (unsigned i = 0; i < 3; i++)
        w->spec[i] = (struct pki_spec){ .name = names[i],
                                        .issuer = names[i == 0 ? 0 : i - 1],
                                        .key = w->key[i],
                                        .issuer_key = w->key[i == 0 ? 0 : i - 1],
                                        .from_s = NOW - (30 - i) * DAY,
                                        .until_s = NOW + (30 - i) * DAY,
                                        .serial = 100 + i,
                                        .ca = i < 2 };
    w->pool = crypto_x509_pool_create();
    w->leaf = crypto_x509_pool_create();
    CHECK(w->pool != NULL && w->leaf != NULL);
    w->rules = (struct crypto_x509_rules){ .pool = { w->leaf, w->pool }, .nroots = 1, .when_s = NOW };
}
static void end(struct world *w) {
    crypto_x509_pool_destroy(w->pool);
    crypto_x509_pool_destroy(w->leaf);
    for (unsigned i = 0; i < 3; i++) pki_key_free(w->key[i]);
}
static void make(struct world *w) {
    struct pki_der der;
    pki_certificate(&w->spec[2], &der);
    CHECK_OK(crypto_x509_pool_add(w->leaf, pki_span(&der)));
    for (unsigned i = 0; i < 2; i++) {
        pki_certificate(&w->spec[i], &der);
        CHECK_OK(crypto_x509_pool_add(w->pool, pki_span(&der)));
    }
    crypto_x509_key_hash(crypto_x509_pool_get(w->pool, 0), w->roots[0]);
    w->rules.roots = (const uint8_t(*)[32])w->roots;
}
static enum crypto_x509_fault judge(struct world *w) {
    return crypto_x509_verify(crypto_x509_pool_get(w->leaf, 0), &w->rules, &w->path);
}
/* Makes, judges, ends. */
static enum crypto_x509_fault outcome(struct world *w) {
    make(w);
    enum crypto_x509_fault fault = judge(w);
    end(w);
    return fault;
}

TEST(x509, a_path_to_the_pinned_key_is_good) {
    struct world w;
    begin(&w);
    make(&w);
    CHECK_EQ(CRYPTO_X509_OK, judge(&w));
    CHECK_EQ(3, w.path.n);
    CHECK_EQ(NOW - 28 * DAY, w.path.from_s);
    CHECK_EQ(NOW + 28 * DAY, w.path.until_s);
    CHECK(!w.path.late && !w.path.crl);
    w.roots[0][31] ^= 1;
    CHECK_EQ(CRYPTO_X509_NO_ROOT, judge(&w));
    end(&w);
}

TEST(x509, the_first_and_the_last_second_count) {
    struct world w;
    begin(&w);
    make(&w);
    w.rules.when_s = NOW + 28 * DAY;
    CHECK_EQ(CRYPTO_X509_OK, judge(&w));
    w.rules.when_s++;
    CHECK_EQ(CRYPTO_X509_EXPIRED, judge(&w));
    w.rules.grace_s = 1;
    CHECK_EQ(CRYPTO_X509_OK, judge(&w));
    CHECK(w.path.late);
    w.rules.when_s++;
    CHECK_EQ(CRYPTO_X509_EXPIRED, judge(&w));
    w.rules.leaf_undated = true;
    w.rules.grace_s = 0;
    CHECK_EQ(CRYPTO_X509_OK, judge(&w));
    CHECK(!w.path.late);
    w.rules.leaf_undated = false;
    w.rules.when_s = NOW - 28 * DAY;
    CHECK_EQ(CRYPTO_X509_OK, judge(&w));
    w.rules.when_s--;
    w.rules.grace_s = 10 * DAY; /* does not reach back */
    CHECK_EQ(CRYPTO_X509_EARLY, judge(&w));
    end(&w);
}

TEST(x509, dates_of_a_pinned_key_do_not_count) {
    struct world w;
    begin(&w);
    w.spec[0].until_s = NOW - DAY;
    CHECK_EQ(CRYPTO_X509_OK, outcome(&w));
}

TEST(x509, a_signature_of_another_key_of_that_name_is_forged) {
    struct world w;
    begin(&w);
    w.spec[2].issuer_key = w.key[2];
    CHECK_EQ(CRYPTO_X509_FORGED, outcome(&w));
}

TEST(x509, who_is_no_authority_may_not_issue) {
    struct world w;
    begin(&w);
    w.spec[1].ca = false;
    CHECK_EQ(CRYPTO_X509_CONSTRAINT, outcome(&w));
    begin(&w);
    w.spec[1].usage = "critical,cRLSign";
    CHECK_EQ(CRYPTO_X509_CONSTRAINT, outcome(&w));
    begin(&w);
    w.spec[1].usage = "critical,keyCertSign";
    CHECK_EQ(CRYPTO_X509_OK, outcome(&w));
}

TEST(x509, the_path_length_is_kept) {
    struct world w;
    begin(&w);
    w.spec[0].below = 1; /* none between it and the leaf */
    CHECK_EQ(CRYPTO_X509_CONSTRAINT, outcome(&w));
    begin(&w);
    w.spec[0].below = 2;
    w.spec[1].below = 1;
    CHECK_EQ(CRYPTO_X509_OK, outcome(&w));
}

TEST(x509, an_unknown_critical_part_of_an_issuer_is_refused) {
    struct world w;
    begin(&w);
    w.spec[1].extensions = 1;
    w.spec[1].extension[0] = (struct pki_extension){ .oid = "1.2.3.4", .critical = true, .value = { 5, 0 }, .n = 2 };
    CHECK_EQ(CRYPTO_X509_CONSTRAINT, outcome(&w));
    begin(&w);
    w.spec[1].extensions = 1;
    w.spec[1].extension[0] = (struct pki_extension){ .oid = "1.2.3.4", .value = { 5, 0 }, .n = 2 };
    CHECK_EQ(CRYPTO_X509_OK, outcome(&w));
}

TEST(x509, critical_name_constraints_are_refused_and_not_ignored) {
    /* permittedSubtrees: dNSName "a" */
    static const uint8_t constraints[] = { 0x30, 0x07, 0xa0, 0x05, 0x30, 0x03, 0x82, 0x01, 'a' };
    struct world w;
    begin(&w);
    w.spec[1].extensions = 1;
    w.spec[1].extension[0] = (struct pki_extension){ .oid = "2.5.29.30", .critical = true, .n = sizeof constraints };
    memcpy(w.spec[1].extension[0].value, constraints, sizeof constraints);
    CHECK_EQ(CRYPTO_X509_CONSTRAINT, outcome(&w));
}

TEST(x509, a_signature_with_sha1_is_weak) {
    struct world w;
    begin(&w);
    w.spec[2].hash = "SHA1";
    CHECK_EQ(CRYPTO_X509_WEAK, outcome(&w));
}

TEST(x509, of_two_issuers_of_one_name_the_right_one_is_found) {
    struct world w;
    struct pki_der der;
    begin(&w);
    struct pki_spec other = w.spec[1];
    other.key = w.key[2]; /* another key, the same name, and first in line */
    pki_certificate(&other, &der);
    struct pki_spec old = w.spec[1]; /* the right key, expired */
    old.until_s = NOW - DAY;
    make(&w);
    CHECK_OK(crypto_x509_pool_add(w.leaf, pki_span(&der)));
    pki_certificate(&old, &der);
    CHECK_OK(crypto_x509_pool_add(w.leaf, pki_span(&der)));
    CHECK_EQ(CRYPTO_X509_OK, judge(&w));
    CHECK(!w.path.late);
    end(&w);
}

TEST(x509, a_revoked_certificate_is_refused_however_old_the_list) {
    struct world w;
    struct pki_der der;
    begin(&w);
    make(&w);
    pki_crl("middle", w.key[1], NOW - 20 * DAY, NOW - 10 * DAY, 102, &der);
    CHECK_OK(crypto_x509_pool_add_crl(w.pool, pki_span(&der)));
    CHECK_EQ(CRYPTO_X509_REVOKED, judge(&w));
    end(&w);
    begin(&w);
    make(&w);
    pki_crl("root", w.key[0], NOW - DAY, NOW + DAY, 101, &der);
    CHECK_OK(crypto_x509_pool_add_crl(w.pool, pki_span(&der)));
    CHECK_EQ(CRYPTO_X509_REVOKED, judge(&w));
    end(&w);
}

TEST(x509, lists_must_be_there_signed_and_of_this_time_where_they_are_asked_for) {
    struct world w;
    struct pki_der root, middle;
    begin(&w);
    make(&w);
    w.rules.need_crl = true;
    CHECK_EQ(CRYPTO_X509_CRL_MISSING, judge(&w));
    pki_crl("root", w.key[0], NOW - DAY, NOW + DAY, 7, &root);
    CHECK_OK(crypto_x509_pool_add_crl(w.pool, pki_span(&root)));
    CHECK_EQ(CRYPTO_X509_CRL_MISSING, judge(&w));
    pki_crl("middle", w.key[1], NOW - DAY, NOW + DAY, 7, &middle);
    CHECK_OK(crypto_x509_pool_add_crl(w.pool, pki_span(&middle)));
    CHECK_EQ(CRYPTO_X509_OK, judge(&w));
    CHECK(w.path.crl);
    CHECK_EQ(NOW + DAY, w.path.until_s);
    w.rules.when_s = NOW + DAY + 1;
    CHECK_EQ(CRYPTO_X509_CRL_EXPIRED, judge(&w));
    w.rules.grace_s = 1;
    CHECK_EQ(CRYPTO_X509_OK, judge(&w));
    CHECK(w.path.late);
    end(&w);
}

TEST(x509, a_forged_list_is_not_passed_over) {
    struct world w;
    struct pki_der der;
    begin(&w);
    make(&w);
    pki_crl("middle", w.key[2], NOW - DAY, NOW + DAY, 7, &der);
    CHECK_OK(crypto_x509_pool_add_crl(w.pool, pki_span(&der)));
    CHECK_EQ(CRYPTO_X509_CRL_BAD, judge(&w));
    end(&w);
}

TEST(x509, pem_is_read_strictly) {
    struct world w;
    struct pki_der der;
    uint8_t body[PKI_DER * 2];
    char pem[PKI_DER * 3];
    begin(&w);
    pki_certificate(&w.spec[0], &der);
    CHECK(EVP_EncodeBlock(body, der.p, (int)der.n) > 0);
    (void)snprintf(pem, sizeof pem, "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n", (char *)body);
    CHECK_OK(crypto_x509_pool_add(w.pool, vl_span_str(pem)));
    CHECK_EQ(1, crypto_x509_pool_count(w.pool));
    for (size_t n = 0; n < strlen(pem) - 1; n++) CHECK(crypto_x509_pool_add(w.pool, vl_span(pem, n)) != VL_OK);
    size_t at = strlen(pem);
    (void)snprintf(pem + at, sizeof pem - at, "x");
    CHECK_EQ(VL_EPARSE, crypto_x509_pool_add(w.pool, vl_span_str(pem)));
    CHECK_EQ(1, crypto_x509_pool_count(w.pool)); /* nothing was added half */
    der.p[der.n] = 0;
    CHECK_EQ(VL_EPARSE, crypto_x509_pool_add(w.pool, vl_span(der.p, der.n + 1)));
    end(&w);
}

TEST(x509, a_full_pool_takes_no_more) {
    struct world w;
    struct pki_der der;
    begin(&w);
    pki_certificate(&w.spec[0], &der);
    for (unsigned i = 0; i < CRYPTO_X509_POOL; i++) CHECK_OK(crypto_x509_pool_add(w.pool, pki_span(&der)));
    CHECK_EQ(VL_ELIMIT, crypto_x509_pool_add(w.pool, pki_span(&der)));
    end(&w);
}

TEST(x509, keys_and_raw_signatures_fit_together) {
    static const struct {
        const char *kind, *hash;
        enum crypto_curve curve;
        enum crypto_scheme scheme;
        size_t half;
    } rows[] = { { "P-256", "SHA256", CRYPTO_P256, CRYPTO_ECDSA_SHA256, 32 },
                 { "P-384", "SHA384", CRYPTO_P384, CRYPTO_ECDSA_SHA384, 48 } };
    for (unsigned i = 0; i < 2; i++) {
        struct pki_key *k = pki_key(rows[i].kind);
        uint8_t xy[96], signature[96];
        size_t half = rows[i].half;
        struct crypto_pubkey *public;
        pki_point(k, xy, half);
        pki_sign(k, rows[i].hash, vl_span_str("text"), signature, half);
        CHECK_OK(crypto_pubkey_point(rows[i].curve, vl_span(xy, 2 * half), &public));
        struct vl_span sig = vl_span(signature, 2 * half);
        CHECK_OK(crypto_pubkey_verify(public, rows[i].scheme, vl_span_str("text"), sig));
        CHECK_EQ(VL_ECRYPTO, crypto_pubkey_verify(public, rows[i].scheme, vl_span_str("texu"), sig));
        CHECK_EQ(VL_ECRYPTO, crypto_pubkey_verify(public, CRYPTO_RSA_SHA256, vl_span_str("text"), sig));
        sig.n--;
        CHECK_EQ(VL_ECRYPTO, crypto_pubkey_verify(public, rows[i].scheme, vl_span_str("text"), sig));
        memset(signature, 0, sizeof signature); /* r = s = 0 */
        sig.n++;
        CHECK_EQ(VL_ECRYPTO, crypto_pubkey_verify(public, rows[i].scheme, vl_span_str("text"), sig));
        crypto_pubkey_free(public);
        xy[2 * half - 1] ^= 1; /* off the curve */
        CHECK_EQ(VL_EPARSE, crypto_pubkey_point(rows[i].curve, vl_span(xy, 2 * half), &public));
        pki_key_free(k);
    }
}

TEST(x509, weak_rsa_keys_are_refused) {
    uint8_t n[256], three = 3, one = 1, two = 2;
    struct crypto_pubkey *k;
    memset(n, 0xff, sizeof n);
    CHECK_OK(crypto_pubkey_rsa(vl_span(n, 256), vl_span(&three, 1), &k));
    crypto_pubkey_free(k);
    CHECK_EQ(VL_EPARSE, crypto_pubkey_rsa(vl_span(n, 256), vl_span(&one, 1), &k));
    CHECK_EQ(VL_EPARSE, crypto_pubkey_rsa(vl_span(n, 256), vl_span(&two, 1), &k));
    CHECK_EQ(VL_EPARSE, crypto_pubkey_rsa(vl_span(n, 255), vl_span(&three, 1), &k));
}

TEST(der, lengths_and_integers_have_one_form) {
    static const struct {
        uint8_t p[8];
        size_t n;
        bool good;
        uint32_t value;
    } rows[] = {
        { { 2, 1, 0 }, 3, true, 0 },
        { { 2, 1, 0x7f }, 3, true, 127 },
        { { 2, 2, 0, 0x80 }, 4, true, 128 },
        { { 2, 5, 0, 0xff, 0xff, 0xff, 0xff }, 7, true, UINT32_MAX },
        { { 2, 1, 0x80 }, 3, false, 0 },          /* negative */
        { { 2, 2, 0, 0x7f }, 4, false, 0 },       /* a zero too many */
        { { 2, 0x81, 1, 5 }, 4, false, 0 },       /* long form of a short length */
        { { 2, 0x80, 0, 0 }, 4, false, 0 },       /* indefinite */
        { { 2, 0 }, 2, false, 0 },                /* empty */
        { { 2, 3, 1, 2 }, 4, false, 0 },          /* past the end */
        { { 2, 5, 1, 0, 0, 0, 0 }, 7, false, 0 }, /* too large */
        { { 0x1f, 1, 0 }, 3, false, 0 },          /* a long tag */
        { { 3, 1, 0 }, 3, false, 0 },             /* another tag */
        { { 2 }, 1, false, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vl_span at = vl_span(rows[i].p, rows[i].n);
        uint32_t v = 99;
        CHECK_EQ(rows[i].good, der_u32(&at, DER_INTEGER, &v));
        CHECK_EQ(rows[i].good ? rows[i].value : 99, v);
        CHECK_EQ(rows[i].good ? 0 : rows[i].n, at.n);
    }
}
