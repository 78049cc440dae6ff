/* Whole quotes of an enclave under a platform made for the test: what no enclave of Intel would sign. */
#include "attest_vectors.h"
#include "check.h"
#include "crypto/hash.h"
#include "pki.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define WHEN_S 1751328000u /* 2025-07-01 */

struct made {
    struct pki_key *root_key, *ca_key, *pck_key, *key;
    struct pki_spec root, ca, pck;
    struct attest_root anchor;
    struct attest_policy policy;
    struct attest_input in;
    struct attest_result r;
    uint8_t header[48], body[384], qe[384], quote[16384];
    bool no_intermediate;
};

static void header(uint8_t *p, size_t *n, uint8_t tag, size_t inner) {
    p[(*n)++] = tag;
    if (inner >= 256) {
        p[(*n)++] = 0x82;
        p[(*n)++] = (uint8_t)(inner >> 8);
    } else if (inner >= 128)
        p[(*n)++] = 0x81;
    p[(*n)++] = (uint8_t)inner;
}
static void oid(uint8_t *p, size_t *n, int i, int j) {
    static const uint8_t arc[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };
    header(p, n, 6, sizeof arc + (j > 0 ? 2 : 1));
    memcpy(p + *n, arc, sizeof arc);
    *n += sizeof arc;
    p[(*n)++] = (uint8_t)i;
    if (j > 0) p[(*n)++] = (uint8_t)j;
}
static void octets(uint8_t *p, size_t *n, int i, int j, size_t bytes) {
    header(p, n, 0x30, (j > 0 ? 13u : 12u) + 2 + bytes);
    oid(p, n, i, j);
    header(p, n, 4, bytes);
    memset(p + *n, 7, bytes);
    *n += bytes;
}
/* The extension of a PCK certificate: PPID, 16 components of 5, PCESVN 9, CPUSVN, PCE id and FMSPC. */
static void extension(struct pki_extension *e) {
    *e = (struct pki_extension){ .oid = "1.2.840.113741.1.13.1" };
    uint8_t *p = e->value;
    size_t n = 0, levels = 17 * 18 + 33;
    header(p, &n, 0x30, 32 + (4 + 12 + 4 + levels) + 18 + 22);
    octets(p, &n, 1, 0, 16);
    header(p, &n, 0x30, 12 + 4 + levels);
    oid(p, &n, 2, 0);
    header(p, &n, 0x30, levels);
    for (int j = 1; j <= 17; j++) {
        header(p, &n, 0x30, 13 + 3);
        oid(p, &n, 2, j);
        header(p, &n, 2, 1);
        p[n++] = j == 17 ? 9 : 5;
    }
    octets(p, &n, 2, 18, 16);
    octets(p, &n, 3, 0, 2);
    octets(p, &n, 4, 0, 6);
    e->n = n;
}

static struct pki_spec spec(const char *name, const struct pki_key *key, const char *issuer,
                            const struct pki_key *issuer_key, bool ca) {
    return (struct pki_spec){ .name = name,
                              .issuer = issuer,
                              .key = key,
                              .issuer_key = issuer_key,
                              .from_s = WHEN_S - 1000,
                              .until_s = WHEN_S + 1000,
                              .ca = ca };
}

static void begin(struct made *m) {
    static const uint8_t vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                        0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
    static const uint8_t signer[32] = { 0x8c, 0x4f, 0x57, 0x75, 0xd7, 0x96, 0x50, 0x3e, 0x96, 0x13, 0x7f,
                                        0x77, 0xc6, 0x8a, 0x82, 0x9a, 0x00, 0x56, 0xac, 0x8d, 0xed, 0x70,
                                        0x14, 0x0b, 0x08, 0x1b, 0x09, 0x44, 0x90, 0xc5, 0x7b, 0xff };
    memset(m, 0, sizeof *m);
    m->root_key = pki_key("P-256");
    m->ca_key = pki_key("P-256");
    m->pck_key = pki_key("P-256");
    m->key = pki_key("P-256");
    m->root = spec("made root", m->root_key, "made root", m->root_key, true);
    m->ca = spec("made CA", m->ca_key, "made root", m->root_key, true);
    m->pck = spec("made PCK", m->pck_key, "made CA", m->ca_key, false);
    extension(&m->pck.extension[0]);
    m->pck.extensions = 1;
    m->header[0] = 3;
    m->header[2] = 2;
    memcpy(m->header + 12, vendor, sizeof vendor);
    m->body[48] = 5; /* initialised, 64 bits */
    m->qe[48] = 0x11;
    memcpy(m->qe + 128, signer, sizeof signer);
    m->anchor = (struct attest_root){ .kind = ATTEST_SGX, .anchor = ATTEST_ANCHOR_OPERATOR, .name = "made" };
    m->policy = (struct attest_policy){ .roots = &m->anchor, .nroots = 1 };
    m->in = (struct attest_input){ .kind = ATTEST_SGX, .when = WHEN_S * 1000ull, .policy = &m->policy };
}
static void end(struct made *m) {
    pki_key_free(m->root_key);
    pki_key_free(m->ca_key);
    pki_key_free(m->pck_key);
    pki_key_free(m->key);
}

static size_t pem(const struct pki_spec *s, struct attest_root *anchor, uint8_t *dst, size_t cap) {
    struct pki_der der;
    static uint8_t text[2 * PKI_DER];
    struct crypto_x509 *c;
    pki_certificate(s, &der);
    CHECK_OK(crypto_x509_parse(pki_span(&der), &c));
    if (anchor != NULL) crypto_x509_key_hash(c, anchor->key);
    crypto_x509_free(c);
    CHECK(EVP_EncodeBlock(text, der.p, (int)der.n) > 0);
    int n = snprintf((char *)dst, cap, "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n", (char *)text);
    CHECK(n > 0 && (size_t)n < cap);
    return (size_t)n;
}

/* Puts the quote together, signs it and verifies. */
static const char *verify(struct made *m) {
    uint8_t *p = m->quote, *key = p + 48 + 384 + 4 + 64, *qe = key + 64, *rest = qe + 384 + 64 + 2 + 6;
    memcpy(p, m->header, 48);
    memcpy(p + 48, m->body, 384);
    pki_sign(m->key, "SHA256", vl_span(p, 48 + 384), key - 64, 32);
    pki_point(m->key, key, 32);
    memcpy(qe, m->qe, 384);
    crypto_sha256(vl_span(key, 64), qe + 320);
    pki_sign(m->pck_key, "SHA256", vl_span(qe, 384), qe + 384, 32);
    qe[384 + 64] = qe[384 + 65] = 0;
    size_t cap = (size_t)(m->quote + sizeof m->quote - rest), n = pem(&m->pck, NULL, rest, cap);
    if (!m->no_intermediate) n += pem(&m->ca, NULL, rest + n, cap - n);
    n += pem(&m->root, &m->anchor, rest + n, cap - n);
    memcpy(rest - 6, (uint8_t[]){ 5, 0, (uint8_t)n, (uint8_t)(n >> 8), 0, 0 }, 6);
    size_t data = (size_t)(rest - key) + 64 + n;
    memcpy(key - 68, (uint8_t[]){ (uint8_t)data, (uint8_t)(data >> 8), 0, 0 }, 4);
    m->in.evidence = vl_span(m->quote, (size_t)(rest - m->quote) + n);
    attest_verify(&m->in, &m->r);
    return m->r.reason;
}

TEST(attest_quote, one_of_a_made_platform_is_accepted_under_its_root_alone) {
    struct made m;
    begin(&m);
    CHECK_STR("accepted", verify(&m));
    CHECK_EQ(ATTEST_ANCHOR_OPERATOR, m.r.anchor);
    CHECK_EQ(ATTEST_NO, m.r.debug.state);
    m.policy.nroots = 0;
    CHECK_STR("no chain of certificates to a root we accept", verify(&m));
    end(&m);
}

TEST(attest_quote, a_quoting_enclave_that_may_be_debugged_is_refused) {
    struct made m;
    begin(&m);
    m.qe[48] |= 2;
    CHECK_STR("the quoting enclave may be debugged", verify(&m));
    end(&m);
}

TEST(attest_quote, any_other_enclave_is_no_quoting_enclave) {
    struct made m;
    begin(&m);
    m.qe[128] ^= 1;
    CHECK_STR("the quoting enclave is not Intel's", verify(&m));
    end(&m);
}

TEST(attest_quote, the_enclave_must_be_initialised_and_not_debugged) {
    struct made m;
    begin(&m);
    m.body[48] = 4;
    CHECK_STR("an enclave that was never initialised", verify(&m));
    m.body[48] = 7;
    CHECK_STR("the enclave may be debugged", verify(&m));
    CHECK_EQ(ATTEST_YES, m.r.genuine.state);
    end(&m);
}

TEST(attest_quote, a_certificate_without_the_words_of_a_platform_is_refused) {
    struct made m;
    begin(&m);
    m.pck.extensions = 0;
    CHECK_STR("not the certificate of a platform", verify(&m));
    m.pck.extensions = 1;
    /* One bit of each byte of the extension's frame: a part is named twice, missing, or of another length. */
    for (size_t at = 0; at < 60; at++) {
        if (at >= 18 && at < 34 + 2) continue; /* the PPID may be any */
        m.pck.extension[0].value[at] ^= 0x10;
        CHECK_STR("not the certificate of a platform", verify(&m));
        m.pck.extension[0].value[at] ^= 0x10;
    }
    CHECK_STR("accepted", verify(&m));
    end(&m);
}

TEST(attest_quote, a_platform_right_under_the_root_is_refused) {
    struct made m;
    begin(&m);
    m.no_intermediate = true;
    m.pck.issuer = "made root";
    m.pck.issuer_key = m.root_key;
    CHECK_STR("not the certificate of a platform", verify(&m));
    end(&m);
}

TEST(attest_quote, header_and_key_must_be_of_a_known_kind) {
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = { { 0, 2 }, { 0, 6 }, { 2, 3 }, { 12, 0x92 } };
    struct made m;
    begin(&m);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t before = m.header[rows[i].at];
        m.header[rows[i].at] = rows[i].value;
        CHECK_STR("not a quote of Intel with an ECDSA P-256 key", verify(&m));
        m.header[rows[i].at] = before;
    }
    end(&m);
}
