#include "crypto/timestamp.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOTS_MAX 1024

enum vl_err timestamp_digest(enum timestamp_hash hash, struct vl_span in, uint8_t *dst) {
    const EVP_MD *md = hash == TIMESTAMP_SHA256 ? EVP_sha256() : hash == TIMESTAMP_SHA384 ? EVP_sha384() : EVP_sha512();
    return EVP_Digest(in.n ? in.p : (const uint8_t *)"", in.n, dst, NULL, md, NULL) == 1 ? VL_OK : VL_ENOMEM;
}

/* ---- asking --------------------------------------------------------------------------------------------------------- */

static bool request_fill(TS_REQ *req, TS_MSG_IMPRINT *imprint, X509_ALGOR *algor, ASN1_INTEGER *number, const uint8_t sha256[32], uint64_t nonce) {
    uint8_t digest[32];
    memcpy(digest, sha256, sizeof digest);
    if (!X509_ALGOR_set0(algor, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) || !TS_MSG_IMPRINT_set_algo(imprint, algor) ||
        !TS_MSG_IMPRINT_set_msg(imprint, digest, sizeof digest) || !TS_REQ_set_version(req, 1) || !TS_REQ_set_msg_imprint(req, imprint) ||
        !TS_REQ_set_cert_req(req, 1))
        return false;
    return nonce == 0 || (ASN1_INTEGER_set_uint64(number, nonce) && TS_REQ_set_nonce(req, number));
}

enum vl_err timestamp_request(const uint8_t sha256[32], uint64_t nonce, struct vl_buf *out) {
    TS_REQ *req = TS_REQ_new();
    TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
    X509_ALGOR *algor = X509_ALGOR_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    unsigned char *der = NULL;
    int n = 0;
    bool ok = req != NULL && imprint != NULL && algor != NULL && number != NULL && request_fill(req, imprint, algor, number, sha256, nonce);
    if (ok) n = i2d_TS_REQ(req, &der);
    enum vl_err err = ok && n > 0 ? vl_buf_append(out, der, (size_t)n) : VL_ENOMEM;
    OPENSSL_free(der);
    ASN1_INTEGER_free(number);
    X509_ALGOR_free(algor);
    TS_MSG_IMPRINT_free(imprint);
    TS_REQ_free(req);
    ERR_clear_error();
    return err;
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

/* The content of the DER value at the front of s, whatever its tag; empty when it is none. */
static struct vl_span content(struct vl_span s) {
    if (s.n < 2) return vl_span(NULL, 0);
    size_t head = 2, n = s.p[1];
    if (n & 0x80) {
        size_t more = n & 0x7f;
        if (more == 0 || more > 4 || s.n < 2 + more) return vl_span(NULL, 0);
        n = 0;
        for (size_t i = 0; i < more; i++) n = n << 8 | s.p[2 + i];
        head += more;
    }
    return n <= s.n - head ? vl_span(s.p + head, n) : vl_span(NULL, 0);
}

bool timestamp_is(struct vl_span bytes) {
    static const uint8_t signed_data[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02 };
    if (bytes.n < 8 || bytes.p[0] != 0x30) return false;
    struct vl_span in = content(bytes);
    if (in.n >= sizeof signed_data && memcmp(in.p, signed_data, sizeof signed_data) == 0) return true; /* a bare token */
    if (in.n < 5 || in.p[0] != 0x30) return false;
    struct vl_span status = content(in); /* PKIStatusInfo begins with a small number */
    return status.n >= 3 && status.p[0] == 0x02 && status.p[1] == 0x01 && status.p[2] <= 5;
}

/* The token, owned by the caller; all of the bytes are it, or the response around it. */
static enum vl_err token_open(struct vl_span bytes, PKCS7 **ret) {
    const unsigned char *p = bytes.p;
    if (bytes.n > TIMESTAMP_MAX || !timestamp_is(bytes)) return VL_EPARSE;
    PKCS7 *token = d2i_PKCS7(NULL, &p, (long)bytes.n);
    if (token == NULL) {
        p = bytes.p;
        TS_RESP *resp = d2i_TS_RESP(NULL, &p, (long)bytes.n);
        if (resp == NULL) return VL_EPARSE;
        long status = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(resp)));
        PKCS7 *inside = TS_RESP_get_token(resp);
        enum vl_err err = status != 0 && status != 1 ? VL_EDENIED : inside == NULL ? VL_EPARSE : VL_OK;
        if (err == VL_OK && (token = PKCS7_dup(inside)) == NULL) err = VL_ENOMEM;
        TS_RESP_free(resp);
        if (err) return err;
    }
    if (p != bytes.p + bytes.n || !PKCS7_type_is_signed(token)) {
        PKCS7_free(token);
        return VL_EPARSE;
    }
    *ret = token;
    return VL_OK;
}

static bool imprint_read(TS_TST_INFO *info, struct timestamp *t) {
    static const struct {
        int nid;
        size_t n;
        enum timestamp_hash hash;
    } known[] = { { NID_sha256, 32, TIMESTAMP_SHA256 }, { NID_sha384, 48, TIMESTAMP_SHA384 }, { NID_sha512, 64, TIMESTAMP_SHA512 } };
    TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(info);
    const ASN1_OBJECT *oid = NULL;
    X509_ALGOR_get0(&oid, NULL, NULL, TS_MSG_IMPRINT_get_algo(imprint));
    const ASN1_OCTET_STRING *msg = TS_MSG_IMPRINT_get_msg(imprint);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (OBJ_obj2nid(oid) != known[i].nid || (size_t)ASN1_STRING_length(msg) != known[i].n) continue;
        t->hash = known[i].hash;
        memcpy(t->imprint, ASN1_STRING_get0_data(msg), known[i].n);
        return true;
    }
    return false;
}

static uint64_t accuracy_of(TS_TST_INFO *info) {
    TS_ACCURACY *a = TS_TST_INFO_get_accuracy(info);
    uint64_t s = 0, ms = 0, us = 0;
    if (a == NULL) return 0;
    if (TS_ACCURACY_get_seconds(a)) (void)ASN1_INTEGER_get_uint64(&s, TS_ACCURACY_get_seconds(a));
    if (TS_ACCURACY_get_millis(a)) (void)ASN1_INTEGER_get_uint64(&ms, TS_ACCURACY_get_millis(a));
    if (TS_ACCURACY_get_micros(a)) (void)ASN1_INTEGER_get_uint64(&us, TS_ACCURACY_get_micros(a));
    if (s > 1000000000 || ms > 999 || us > 999) return 0;
    return s * 1000 + ms + (us > 0);
}

/* genTime, whole seconds since the epoch (its fraction is dropped). */
static bool time_read(const ASN1_GENERALIZEDTIME *gen, uint64_t *ret) {
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool ok = epoch != NULL && gen != NULL && ASN1_TIME_diff(&days, &seconds, epoch, gen) == 1 && days >= 0 && seconds >= 0;
    if (ok) *ret = (uint64_t)days * 86400 + (uint64_t)seconds;
    ASN1_TIME_free(epoch);
    return ok;
}

static void serial_read(const ASN1_INTEGER *serial, char ret[64]) {
    static const char digit[] = "0123456789abcdef";
    const unsigned char *p = ASN1_STRING_get0_data(serial);
    int n = ASN1_STRING_length(serial);
    size_t at = 0;
    for (int i = 0; i < n && at + 2 < 64; i++) {
        ret[at++] = digit[p[i] >> 4];
        ret[at++] = digit[p[i] & 15];
    }
    ret[at] = 0;
}

static enum vl_err info_read(PKCS7 *token, struct timestamp *ret) {
    struct timestamp t = { .time_s = 0 };
    TS_TST_INFO *info = PKCS7_to_TS_TST_INFO(token);
    if (info == NULL) return VL_EPARSE;
    enum vl_err err = VL_OK;
    if (TS_TST_INFO_get_version(info) != 1 || !time_read(TS_TST_INFO_get_time(info), &t.time_s)) err = VL_EPARSE;
    if (err == VL_OK && !imprint_read(info, &t)) err = VL_EUNSUPPORTED;
    if (err == VL_OK) {
        const ASN1_INTEGER *nonce = TS_TST_INFO_get_nonce(info);
        if (nonce == NULL || ASN1_INTEGER_get_uint64(&t.nonce, nonce) != 1) t.nonce = 0;
        t.accuracy_ms = accuracy_of(info);
        if (OBJ_obj2txt(t.policy, sizeof t.policy, TS_TST_INFO_get_policy_id(info), 1) < 0) t.policy[0] = 0;
        serial_read(TS_TST_INFO_get_serial(info), t.serial);
        *ret = t;
    }
    TS_TST_INFO_free(info);
    return err;
}

enum vl_err timestamp_read(struct vl_span bytes, struct timestamp *ret) {
    PKCS7 *token = NULL;
    enum vl_err err = token_open(bytes, &token);
    if (err == VL_OK) err = info_read(token, ret);
    PKCS7_free(token);
    ERR_clear_error();
    return err;
}

/* ---- checking ------------------------------------------------------------------------------------------------------- */

/* Roots of the caller and nothing else, judged at the time of the stamp.  Owned by the caller. */
static X509_STORE *store_of(struct vl_span roots, uint64_t time_s, int *ret_n) {
    X509_STORE *store = X509_STORE_new();
    BIO *bio = BIO_new_mem_buf(roots.n ? roots.p : (const uint8_t *)"", (int)roots.n);
    bool ok = store != NULL && bio != NULL;
    *ret_n = 0;
    while (ok && *ret_n < ROOTS_MAX) {
        X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (x == NULL) break;
        ok = X509_STORE_add_cert(store, x) == 1;
        X509_free(x);
        ++*ret_n;
    }
    if (ok) X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)time_s);
    BIO_free(bio);
    if (ok) return store;
    X509_STORE_free(store);
    return NULL;
}

static void name_of(const X509 *signer, char ret[TIMESTAMP_NAME]) {
    char text[TIMESTAMP_NAME] = "";
    X509_NAME *name = X509_get_subject_name(signer);
    if (X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof text) <= 0) text[0] = 0;
    for (size_t i = 0; i < sizeof text && text[i]; i++)
        if (text[i] < ' ' || text[i] > '~' || text[i] == '"') text[i] = '?';
    memcpy(ret, text, sizeof text);
}

static enum vl_err signed_well(PKCS7 *token, struct vl_span roots, struct timestamp *t, const char **why) {
    int n = 0;
    X509 *signer = NULL;
    X509_STORE *store = store_of(roots, t->time_s, &n);
    enum vl_err err = VL_OK;
    if (store == NULL) {
        *why = "out of memory, or a certificate given twice";
        err = VL_ENOMEM;
    } else if (n == 0) {
        *why = "no root certificate of an authority for time-stamps was given (--root, PEM)";
        err = VL_ENOTFOUND;
    } else if (TS_RESP_verify_signature(token, NULL, store, &signer) != 1) {
        *why = "its signature is wrong, or the certificate that made it is not for time-stamps alone, not named by the token, or leads to none of the roots";
        err = VL_ECRYPTO;
    } else {
        name_of(signer, t->signer);
    }
    X509_free(signer);
    X509_STORE_free(store);
    return err;
}

enum vl_err timestamp_check(struct vl_span bytes, struct vl_span roots, struct timestamp *ret, const char **why) {
    PKCS7 *token = NULL;
    struct timestamp t;
    if (roots.n > TIMESTAMP_MAX) {
        *why = "more root certificates than anybody needs";
        return VL_ELIMIT;
    }
    enum vl_err err = token_open(bytes, &token);
    if (err == VL_OK) err = info_read(token, &t);
    if (err == VL_OK)
        err = signed_well(token, roots, &t, why);
    else
        *why = err == VL_EDENIED        ? "the authority refused: the response holds no time-stamp"
               : err == VL_EUNSUPPORTED ? "it is over another digest than SHA-256, SHA-384 or SHA-512"
               : err == VL_ENOMEM       ? "out of memory"
                                        : "it is a damaged time-stamp";
    PKCS7_free(token);
    ERR_clear_error();
    if (err == VL_OK) *ret = t;
    return err;
}
