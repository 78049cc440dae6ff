#include "pki.h"

#include "check.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

static EVP_PKEY *evp(const struct pki_key *k) { return (EVP_PKEY *)(uintptr_t)k; }

struct pki_key *pki_key(const char *kind) {
    EVP_PKEY *k = strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen(kind);
    CHECK(k != NULL);
    return (struct pki_key *)k;
}
void pki_key_free(struct pki_key *k) { EVP_PKEY_free(evp(k)); }

void pki_sign(const struct pki_key *k, const char *hash, struct vl_span message, uint8_t *dst, size_t half) {
    unsigned char der[256];
    const unsigned char *p = der;
    size_t n = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK_EQ(1, EVP_DigestSignInit_ex(ctx, NULL, hash, NULL, NULL, evp(k), NULL));
    CHECK_EQ(1, EVP_DigestSign(ctx, der, &n, message.p, message.n));
    EVP_MD_CTX_free(ctx);
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
    CHECK(sig != NULL);
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(sig), dst, (int)half) > 0);
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(sig), dst + half, (int)half) > 0);
    ECDSA_SIG_free(sig);
}

void pki_point(const struct pki_key *k, uint8_t *dst, size_t half) {
    unsigned char *p = NULL;
    size_t n = EVP_PKEY_get1_encoded_public_key(evp(k), &p);
    CHECK_EQ(1 + 2 * half, n);
    memcpy(dst, p + 1, 2 * half);
    OPENSSL_free(p);
}

static X509_NAME *name_of(const char *common) {
    X509_NAME *n = X509_NAME_new();
    CHECK_EQ(1, X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0));
    return n;
}

static void add_config(X509 *x, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(e != NULL);
    CHECK_EQ(1, X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

static void add_extension(X509 *x, const struct pki_extension *from) {
    ASN1_OBJECT *oid = OBJ_txt2obj(from->oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    CHECK_EQ(1, ASN1_OCTET_STRING_set(value, from->value, (int)from->n));
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, from->critical, value);
    CHECK_EQ(1, X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
}

void pki_certificate(const struct pki_spec *s, struct pki_der *ret) {
    X509 *x = X509_new();
    X509_NAME *subject = name_of(s->name), *issuer = name_of(s->issuer);
    CHECK_EQ(1, X509_set_version(x, X509_VERSION_3));
    CHECK_EQ(1, ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), s->serial));
    CHECK_EQ(1, X509_set_subject_name(x, subject));
    CHECK_EQ(1, X509_set_issuer_name(x, issuer));
    CHECK(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)s->from_s) != NULL);
    CHECK(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)s->until_s) != NULL);
    CHECK_EQ(1, X509_set_pubkey(x, evp(s->key)));
    char text[64] = "critical,CA:TRUE";
    if (s->below > 0) (void)snprintf(text, sizeof text, "critical,CA:TRUE,pathlen:%d", s->below - 1);
    if (s->ca) add_config(x, NID_basic_constraints, text);
    if (s->usage != NULL) add_config(x, NID_key_usage, s->usage);
    for (size_t i = 0; i < s->extensions; i++) add_extension(x, &s->extension[i]);
    CHECK(X509_sign(x, evp(s->issuer_key), EVP_get_digestbyname(s->hash != NULL ? s->hash : "SHA256")) > 0);
    unsigned char *p = ret->p;
    int n = i2d_X509(x, NULL);
    CHECK(n > 0 && (size_t)n <= sizeof ret->p);
    ret->n = (size_t)i2d_X509(x, &p);
    X509_NAME_free(subject);
    X509_NAME_free(issuer);
    X509_free(x);
}

void pki_crl(const char *issuer, const struct pki_key *key, uint64_t from_s, uint64_t until_s, uint32_t revoked,
             struct pki_der *ret) {
    X509_CRL *x = X509_CRL_new();
    X509_NAME *name = name_of(issuer);
    ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)from_s), *until = ASN1_TIME_set(NULL, (time_t)until_s);
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    CHECK_EQ(1, X509_CRL_set_version(x, X509_CRL_VERSION_2));
    CHECK_EQ(1, X509_CRL_set_issuer_name(x, name));
    CHECK_EQ(1, X509_CRL_set1_lastUpdate(x, from));
    CHECK_EQ(1, X509_CRL_set1_nextUpdate(x, until));
    X509_REVOKED *one = X509_REVOKED_new();
    CHECK_EQ(1, ASN1_INTEGER_set_uint64(serial, revoked));
    CHECK_EQ(1, X509_REVOKED_set_serialNumber(one, serial));
    CHECK_EQ(1, X509_REVOKED_set_revocationDate(one, from));
    CHECK_EQ(1, X509_CRL_add0_revoked(x, one));
    CHECK(X509_CRL_sign(x, evp(key), EVP_sha256()) > 0);
    unsigned char *p = ret->p;
    int n = i2d_X509_CRL(x, NULL);
    CHECK(n > 0 && (size_t)n <= sizeof ret->p);
    ret->n = (size_t)i2d_X509_CRL(x, &p);
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    X509_NAME_free(name);
    X509_CRL_free(x);
}
