#include "made.h"

#include "base/text.h"
#include "check.h"
#include "crypto/x509.h"

#include <stdio.h>
#include <string.h>

#define YEAR_S 31536000u
#define REPORT_SIGNED 0x2a0

static void integer(struct pki_spec *s, const char *oid, uint8_t v) {
    s->extension[s->extensions++] = v >= 0x80 ? (struct pki_extension){ .oid = oid, .value = { 2, 2, 0, v }, .n = 4 }
                                              : (struct pki_extension){ .oid = oid, .value = { 2, 1, v }, .n = 3 };
}

static struct pki_spec spec(const char *name, const struct pki_key *key, const char *issuer, const struct pki_key *issuer_key, bool ca) {
    return (struct pki_spec){ .name = name,
                              .issuer = issuer,
                              .key = key,
                              .issuer_key = issuer_key,
                              .from_s = MADE_WHEN_S - YEAR_S,
                              .until_s = MADE_WHEN_S + YEAR_S,
                              .serial = 1,
                              .ca = ca };
}

static void pem(const struct pki_der *der, char *dst, size_t cap) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at = (size_t)snprintf(dst, cap, "-----BEGIN CERTIFICATE-----\n");
    for (size_t i = 0, line = 0; i < der->n; i += 3) {
        size_t n = der->n - i < 3 ? der->n - i : 3;
        uint32_t v = (uint32_t)der->p[i] << 16 | (n > 1 ? (uint32_t)der->p[i + 1] << 8 : 0) | (n > 2 ? der->p[i + 2] : 0);
        CHECK(at + 6 < cap);
        for (unsigned k = 0; k < 4; k++) dst[at++] = k <= n ? digits[v >> (18 - 6 * k) & 63] : '=';
        if (++line % 16 == 0 || i + 3 >= der->n) dst[at++] = '\n';
    }
    CHECK(at + 32 < cap);
    snprintf(dst + at, cap - at, "-----END CERTIFICATE-----\n");
}

void made_begin(struct made *m) {
    struct pki_der ask_der;
    struct crypto_x509_pool *pool = crypto_x509_pool_create();
    memset(m, 0, sizeof *m);
    m->ark = pki_key("P-384");
    m->ask = pki_key("P-384");
    m->leaf_key = pki_key("P-384");
    struct pki_spec ark = spec("ARK-Made", m->ark, "ARK-Made", m->ark, true), ask = spec("SEV-Made", m->ask, "ARK-Made", m->ark, true),
                    leaf = spec("SEV-VCEK", m->leaf_key, "SEV-Made", m->ask, false);
    integer(&leaf, "1.3.6.1.4.1.3704.1.3.1", 3);
    integer(&leaf, "1.3.6.1.4.1.3704.1.3.2", 4);
    integer(&leaf, "1.3.6.1.4.1.3704.1.3.3", 5);
    integer(&leaf, "1.3.6.1.4.1.3704.1.3.8", 0xd1);
    struct pki_extension *chip = &leaf.extension[leaf.extensions++];
    *chip = (struct pki_extension){ .oid = "1.3.6.1.4.1.3704.1.4", .n = 64 };
    memset(chip->value, 0xc1, 64);
    pki_certificate(&ark, &m->ark_der);
    pki_certificate(&ask, &ask_der);
    pki_certificate(&leaf, &m->leaf_der);
    CHECK_OK(crypto_x509_pool_add(pool, pki_span(&m->ark_der)));
    crypto_x509_key_hash(crypto_x509_pool_get(pool, 0), m->root);
    crypto_x509_pool_destroy(pool);
    pem(&ask_der, m->issuers, sizeof m->issuers);
    size_t n = strlen(m->issuers);
    pem(&m->ark_der, m->issuers + n, sizeof m->issuers - n);
}

void made_end(struct made *m) {
    pki_key_free(m->ark);
    pki_key_free(m->ask);
    pki_key_free(m->leaf_key);
}

void made_report(struct made *m, const uint8_t data[64], bool debug, struct attestation *ret) {
    uint8_t raw[96], *p = m->report;
    memset(m->report, 0, sizeof m->report);
    p[0] = 2;
    p[0x0a] = debug ? 0x0b : 3; /* SMT, the bit that must be, debugging */
    p[0x34] = 1;
    memcpy(p + 0x50, data, 64);
    p[0x180] = 3, p[0x181] = 4, p[0x186] = 5, p[0x187] = 0xd1;
    memset(p + 0x1a0, 0xc1, 64);
    pki_sign(m->leaf_key, "SHA384", vl_span(p, REPORT_SIGNED), raw, 48);
    for (unsigned i = 0; i < 48; i++) {
        p[REPORT_SIGNED + i] = raw[47 - i];
        p[REPORT_SIGNED + 72 + i] = raw[95 - i];
    }
    ret->kind = 1; /* ATTEST_SNP */
    ret->evidence = vl_span(m->report, sizeof m->report);
    ret->leaf = pki_span(&m->leaf_der);
    ret->certificates = vl_span_str(m->issuers);
}

void made_policy(const struct made *m, const char *more, char *dst, size_t cap) {
    char key[65];
    vl_hex_encode(m->root, sizeof m->root, key);
    /* all that these reports have is the minimum: up to date */
    int n = snprintf(dst, cap,
                     "{\"version\": 1,\n \"snp_minimum\": {\"bootloader\": 3, \"tee\": 4, \"snp\": 5, \"microcode\": 209},\n"
                     " \"roots\": [{\"kind\": \"snp\", \"key\": \"%s\", \"anchor\": \"operator\", \"name\": \"accepted test root\"}]%s}\n",
                     key, more);
    CHECK(n > 0 && (size_t)n < cap);
}
