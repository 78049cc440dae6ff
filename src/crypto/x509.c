#include "crypto/x509.h"

#include "crypto/x509_priv.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

bool crypto_x509_time(const ASN1_TIME *t, uint64_t *ret_s) {
    struct tm tm;
    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1 || tm.tm_year < 70) return false;
    /* Days of the Gregorian calendar, years beginning in March so that the leap day is the last. */
    uint64_t y = (uint64_t)tm.tm_year + 1900 - (tm.tm_mon < 2), m = (uint64_t)((tm.tm_mon + 10) % 12);
    uint64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + (uint64_t)tm.tm_mday - 1 - 719468;
    *ret_s = days * 86400 + (uint64_t)tm.tm_hour * 3600 + (uint64_t)tm.tm_min * 60 + (uint64_t)tm.tm_sec;
    return true;
}

static struct vl_span name_der(const X509_NAME *name) {
    const unsigned char *p = NULL;
    size_t n = 0;
    if (X509_NAME_get0_der(name, &p, &n) != 1) n = 0;
    return vl_span(p, n);
}

static bool key_hash(const X509 *x, uint8_t ret[32]) {
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    if (n <= 0) return false;
    crypto_sha256(vl_span(der, (size_t)n), ret);
    OPENSSL_free(der);
    return true;
}

static bool fill(struct crypto_x509 *c) {
    const ASN1_INTEGER *serial = X509_get0_serialNumber(c->x);
    if (serial == NULL || ASN1_STRING_type(serial) != V_ASN1_INTEGER) return false; /* the negative type is another */
    c->serial = vl_span(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
    c->subject = name_der(X509_get_subject_name(c->x));
    c->issuer = name_der(X509_get_issuer_name(c->x));
    return key_hash(c->x, c->key) && crypto_x509_time(X509_get0_notBefore(c->x), &c->from_s) &&
           crypto_x509_time(X509_get0_notAfter(c->x), &c->until_s);
}

enum vl_err crypto_x509_parse(struct vl_span der, struct crypto_x509 **ret) {
    if (der.n == 0) return VL_EPARSE;
    if (der.n > CRYPTO_X509_MAX) return VL_ELIMIT;
    struct crypto_x509 *c = calloc(1, sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    const unsigned char *p = der.p;
    c->x = d2i_X509(NULL, &p, (long)der.n);
    if (c->x == NULL || p != der.p + der.n || !fill(c)) {
        crypto_x509_free(c);
        ERR_clear_error();
        return VL_EPARSE;
    }
    *ret = c;
    return VL_OK;
}

void crypto_x509_free(struct crypto_x509 *c) {
    if (c == NULL) return;
    X509_free(c->x);
    free(c);
}

void crypto_x509_key_hash(const struct crypto_x509 *c, uint8_t ret[32]) { memcpy(ret, c->key, 32); }

enum vl_err crypto_x509_key(const struct crypto_x509 *c, struct crypto_pubkey **ret) {
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), &der);
    if (n <= 0) return VL_ENOMEM;
    enum vl_err err = crypto_pubkey_spki(vl_span(der, (size_t)n), ret);
    OPENSSL_free(der);
    return err;
}

enum vl_err crypto_x509_extension(const struct crypto_x509 *c, const char *oid, struct vl_span *ret) {
    ASN1_OBJECT *want = OBJ_txt2obj(oid, 1);
    if (want == NULL) return VL_ENOTFOUND;
    int at = X509_get_ext_by_OBJ(c->x, want, -1);
    enum vl_err err = at < 0 ? VL_ENOTFOUND : X509_get_ext_by_OBJ(c->x, want, at) >= 0 ? VL_EPARSE : VL_OK;
    ASN1_OBJECT_free(want);
    if (err != VL_OK) return err;
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(c->x, at));
    *ret = vl_span(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    return VL_OK;
}

struct vl_span crypto_x509_serial(const struct crypto_x509 *c) {
    return c->serial;
}
struct vl_span crypto_x509_subject(const struct crypto_x509 *c) {
    return c->subject;
}
struct vl_span crypto_x509_issuer(const struct crypto_x509 *c) {
    return c->issuer;
}

void crypto_x509_common_name(const struct crypto_x509 *c, char *ret, size_t cap) {
    ret[0] = '\0';
    const X509_NAME *name = X509_get_subject_name(c->x);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0) return;
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    size_t n = (size_t)ASN1_STRING_length(s);
    const unsigned char *p = ASN1_STRING_get0_data(s);
    if (n >= cap) return;
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] > 0x7e) return;
    memcpy(ret, p, n);
    ret[n] = '\0';
}

void crypto_x509_times(const struct crypto_x509 *c, uint64_t *ret_from_s, uint64_t *ret_until_s) {
    *ret_from_s = c->from_s;
    *ret_until_s = c->until_s;
}

/* --- pool --- */

struct crypto_x509_pool *crypto_x509_pool_create(void) {
    return calloc(1, sizeof(struct crypto_x509_pool));
}

static void crl_free(struct crypto_crl *c) {
    if (c == NULL) return;
    X509_CRL_free(c->x);
    free(c);
}

static void shrink(struct crypto_x509_pool *p, size_t n) {
    while (p->n > n) crypto_x509_free(p->cert[--p->n]);
}

void crypto_x509_pool_destroy(struct crypto_x509_pool *p) {
    if (p == NULL) return;
    shrink(p, 0);
    while (p->ncrl > 0) crl_free(p->crl[--p->ncrl]);
    free(p);
}

static enum vl_err add_one(struct crypto_x509_pool *p, struct vl_span der) {
    if (p->n == CRYPTO_X509_POOL) return VL_ELIMIT;
    enum vl_err err = crypto_x509_parse(der, &p->cert[p->n]);
    if (err == VL_OK) p->n++;
    return err;
}

/* --- PEM (RFC 7468), strict: label, lines of base64, nothing else --- */

static bool blank(uint8_t c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t' || c == 0; }

static void skip_blank(struct vl_span *at) {
    while (at->n > 0 && blank(*at->p)) at->p++, at->n--;
}
static bool take(struct vl_span *at, const char *text) {
    size_t n = strlen(text);
    if (at->n < n || memcmp(at->p, text, n) != 0) return false;
    at->p += n;
    at->n -= n;
    return true;
}
static int base64_digit(uint8_t c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Base64 up to the first '-' into dst. */
static enum vl_err pem_body(struct vl_span *at, uint8_t *dst, size_t cap, size_t *ret_n) {
    uint32_t bits = 0;
    unsigned have = 0, digits = 0, pads = 0;
    size_t n = 0;
    for (; at->n > 0 && *at->p != '-'; at->p++, at->n--) {
        if (blank(*at->p) && *at->p != 0) continue;
        digits++;
        if (*at->p == '=') {
            if (++pads > 2) return VL_EPARSE;
            continue;
        }
        int v = base64_digit(*at->p);
        if (v < 0 || pads > 0) return VL_EPARSE;
        bits = (bits << 6 | (uint32_t)v) & 0xffffff;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        if (n == cap) return VL_ELIMIT;
        dst[n++] = (uint8_t)(bits >> have);
    }
    /* Spare bits that are not zero would be a second text of the same bytes. */
    if (digits % 4 != 0 || have / 2 != pads || (bits & ((1u << have) - 1)) != 0) return VL_EPARSE;
    *ret_n = n;
    return VL_OK;
}

/* One block of this label.  Returns bytes in ret, malloc()ed. */
static enum vl_err pem_block(struct vl_span *at, const char *begin, const char *end, size_t cap, struct vl_buf *ret) {
    if (!take(at, begin)) return VL_EPARSE;
    size_t room = at->n / 4 * 3 + 3;
    if (room > cap) room = cap;
    enum vl_err err = vl_buf_reserve(ret, room);
    if (err == VL_OK) err = pem_body(at, ret->p, room, &ret->len);
    if (err == VL_OK && !take(at, end)) err = VL_EPARSE;
    skip_blank(at);
    return err;
}

enum vl_err crypto_x509_pool_add(struct crypto_x509_pool *p, struct vl_span certificates) {
    size_t before = p->n;
    struct vl_span at = certificates;
    if (at.n > 0 && *at.p == 0x30) return add_one(p, at);
    enum vl_err err = VL_OK;
    skip_blank(&at);
    if (at.n == 0) return VL_EPARSE;
    while (at.n > 0 && err == VL_OK) {
        struct vl_buf der;
        vl_buf_init(&der, CRYPTO_X509_MAX);
        err = pem_block(&at, "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", CRYPTO_X509_MAX, &der);
        if (err == VL_OK) err = add_one(p, vl_span(der.p, der.len));
        vl_buf_free(&der);
    }
    if (err != VL_OK) shrink(p, before);
    return err;
}

/* Whether there is no critical extension but the issuing distribution point, and it is no delta. */
static bool crl_readable(const X509_CRL *x) {
    for (int i = 0; i < X509_CRL_get_ext_count(x); i++) {
        X509_EXTENSION *e = X509_CRL_get_ext(x, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));
        if (nid == NID_delta_crl) return false;
        if (X509_EXTENSION_get_critical(e) && nid != NID_issuing_distribution_point) return false;
    }
    return true;
}

static enum vl_err crl_parse(struct vl_span der, struct crypto_crl **ret) {
    if (der.n == 0) return VL_EPARSE;
    if (der.n > CRYPTO_CRL_MAX) return VL_ELIMIT;
    struct crypto_crl *c = calloc(1, sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    const unsigned char *p = der.p;
    c->x = d2i_X509_CRL(NULL, &p, (long)der.n);
    c->until_s = UINT64_MAX;
    if (c->x == NULL || p != der.p + der.n || !crypto_x509_time(X509_CRL_get0_lastUpdate(c->x), &c->from_s) ||
        (X509_CRL_get0_nextUpdate(c->x) != NULL && !crypto_x509_time(X509_CRL_get0_nextUpdate(c->x), &c->until_s))) {
        crl_free(c);
        ERR_clear_error();
        return VL_EPARSE;
    }
    c->issuer = name_der(X509_CRL_get_issuer(c->x));
    c->readable = crl_readable(c->x);
    *ret = c;
    return VL_OK;
}

enum vl_err crypto_x509_pool_add_crl(struct crypto_x509_pool *p, struct vl_span crl) {
    if (p->ncrl == CRYPTO_X509_POOL) return VL_ELIMIT;
    struct vl_buf der;
    vl_buf_init(&der, CRYPTO_CRL_MAX);
    struct vl_span at = crl;
    enum vl_err err = VL_OK;
    if (at.n == 0 || *at.p != 0x30) {
        skip_blank(&at);
        err = pem_block(&at, "-----BEGIN X509 CRL-----", "-----END X509 CRL-----", CRYPTO_CRL_MAX, &der);
        if (err == VL_OK && at.n > 0) err = VL_EPARSE;
        at = vl_span(der.p, der.len);
    }
    if (err == VL_OK) err = crl_parse(at, &p->crl[p->ncrl]);
    if (err == VL_OK) p->ncrl++;
    vl_buf_free(&der);
    return err;
}

size_t crypto_x509_pool_count(const struct crypto_x509_pool *p) { return p->n; }
const struct crypto_x509 *crypto_x509_pool_get(const struct crypto_x509_pool *p, size_t i) {
    return i < p->n ? p->cert[i] : NULL;
}
