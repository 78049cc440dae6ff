/* Keys and signatures of x509.h over libcrypto's EVP. */
#include "crypto/x509_priv.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define SPKI_MAX 2048u
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define CURVE_BYTES_MAX 48u

static size_t curve_bytes(enum crypto_curve c) { return c == CRYPTO_P256 ? 32 : 48; }

/* What kind of key it is, or VL_EPARSE. */
static enum vl_err classify(struct crypto_pubkey *k) {
    char group[32];
    size_t n = 0;
    k->curve = 0;
    switch (EVP_PKEY_get_base_id(k->pkey)) {
    case EVP_PKEY_RSA: {
        int bits = EVP_PKEY_get_bits(k->pkey);
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? VL_OK : VL_EPARSE;
    }
    case EVP_PKEY_EC:
        if (EVP_PKEY_get_group_name(k->pkey, group, sizeof group, &n) != 1) return VL_EPARSE;
        if (strcmp(group, "prime256v1") == 0) k->curve = CRYPTO_P256;
        if (strcmp(group, "secp384r1") == 0) k->curve = CRYPTO_P384;
        return k->curve != 0 ? VL_OK : VL_EPARSE;
    default:
        return VL_EPARSE;
    }
}

/* Takes pkey, also on an error. */
static enum vl_err wrap(EVP_PKEY *pkey, struct crypto_pubkey **ret) {
    if (pkey == NULL) {
        ERR_clear_error();
        return VL_EPARSE;
    }
    struct crypto_pubkey *k = calloc(1, sizeof *k);
    if (k == NULL) {
        EVP_PKEY_free(pkey);
        return VL_ENOMEM;
    }
    k->pkey = pkey;
    enum vl_err err = classify(k);
    if (err != VL_OK) {
        crypto_pubkey_free(k);
        ERR_clear_error();
        return err;
    }
    *ret = k;
    return VL_OK;
}

enum vl_err crypto_pubkey_spki(struct vl_span der, struct crypto_pubkey **ret) {
    if (der.n == 0 || der.n > SPKI_MAX) return VL_EPARSE;
    const unsigned char *p = der.p;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)der.n);
    if (pkey != NULL && p != der.p + der.n) {
        EVP_PKEY_free(pkey);
        return VL_EPARSE;
    }
    return wrap(pkey, ret);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld) {
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

enum vl_err crypto_pubkey_point(enum crypto_curve curve, struct vl_span xy, struct crypto_pubkey **ret) {
    if (xy.n != 2 * curve_bytes(curve)) return VL_EPARSE;
    unsigned char point[1 + 2 * CURVE_BYTES_MAX] = { 4 }; /* uncompressed, SEC 1 section 2.3.3 */
    memcpy(point + 1, xy.p, xy.n);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (bld == NULL) return VL_ENOMEM;
    EVP_PKEY *pkey = NULL;
    const char *group = curve == CRYPTO_P256 ? "prime256v1" : "secp384r1";
    if (OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + xy.n) == 1)
        pkey = from_params("EC", bld); /* refuses what is not on the curve */
    OSSL_PARAM_BLD_free(bld);
    return wrap(pkey, ret);
}

enum vl_err crypto_pubkey_rsa(struct vl_span n, struct vl_span e, struct crypto_pubkey **ret) {
    if (n.n == 0 || n.n > RSA_BITS_MAX / 8 || e.n == 0 || e.n > 8 || (e.p[e.n - 1] & 1) == 0) return VL_EPARSE;
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn(n.p, (int)n.n, NULL), *be = BN_bin2bn(e.p, (int)e.n, NULL);
    EVP_PKEY *pkey = NULL;
    /* An exponent of 1 would make every message its own signature. */
    if (bld != NULL && bn != NULL && be != NULL && !BN_is_one(be) &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) == 1)
        pkey = from_params("RSA", bld);
    BN_free(bn);
    BN_free(be);
    OSSL_PARAM_BLD_free(bld);
    return wrap(pkey, ret);
}

void crypto_pubkey_free(struct crypto_pubkey *k) {
    if (k == NULL) return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

enum vl_err crypto_pubkey_hash(const struct crypto_pubkey *k, uint8_t ret[32]) {
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(k->pkey, &der);
    if (n <= 0) return VL_ENOMEM;
    crypto_sha256(vl_span(der, (size_t)n), ret);
    OPENSSL_free(der);
    return VL_OK;
}

/* r || s as the DER that libcrypto asks for: SEQUENCE of two INTEGERs.  Returns its length. */
static size_t ecdsa_der(struct vl_span raw, uint8_t *dst) {
    size_t half = raw.n / 2, at = 2;
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *v = raw.p + i * half;
        size_t n = half;
        while (n > 1 && *v == 0) v++, n--;
        bool pad = (*v & 0x80) != 0;
        dst[at++] = 2;
        dst[at++] = (uint8_t)(n + pad);
        if (pad) dst[at++] = 0;
        memcpy(dst + at, v, n);
        at += n;
    }
    dst[0] = 0x30;
    dst[1] = (uint8_t)(at - 2); /* at most 2 * 51 = 102: one byte of length */
    return at;
}

static const struct scheme {
    const char *hash;
    int type, padding;
} schemes[] = {
    [CRYPTO_ECDSA_SHA256] = { "SHA256", EVP_PKEY_EC, 0 },
    [CRYPTO_ECDSA_SHA384] = { "SHA384", EVP_PKEY_EC, 0 },
    [CRYPTO_RSA_SHA256] = { "SHA256", EVP_PKEY_RSA, RSA_PKCS1_PADDING },
    [CRYPTO_RSA_SHA1] = { "SHA1", EVP_PKEY_RSA, RSA_PKCS1_PADDING },
    [CRYPTO_RSA_PSS_SHA256] = { "SHA256", EVP_PKEY_RSA, RSA_PKCS1_PSS_PADDING },
    [CRYPTO_RSA_SHA384] = { "SHA384", EVP_PKEY_RSA, RSA_PKCS1_PADDING },
};

enum vl_err crypto_pubkey_verify(const struct crypto_pubkey *k, enum crypto_scheme scheme, struct vl_span message,
                                 struct vl_span signature) {
    assert((size_t)scheme < sizeof schemes / sizeof *schemes && schemes[scheme].hash != NULL);
    const struct scheme *s = &schemes[scheme];
    uint8_t der[8 + 2 * (CURVE_BYTES_MAX + 1)];
    if (EVP_PKEY_get_base_id(k->pkey) != s->type) return VL_ECRYPTO;
    if (s->type == EVP_PKEY_EC) {
        if (signature.n != 2 * curve_bytes(k->curve)) return VL_ECRYPTO;
        signature = vl_span(der, ecdsa_der(signature, der));
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL; /* ctx's own */
    bool good = ctx != NULL && EVP_DigestVerifyInit_ex(ctx, &pctx, s->hash, NULL, NULL, k->pkey, NULL) == 1 &&
                (s->padding == 0 || EVP_PKEY_CTX_set_rsa_padding(pctx, s->padding) == 1) &&
                EVP_DigestVerify(ctx, signature.p, signature.n, message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    if (!good) ERR_clear_error();
    return good ? VL_OK : VL_ECRYPTO;
}

void crypto_sha384(struct vl_span in, uint8_t ret[48]) { SHA384(in.p, in.n, ret); }
void crypto_sha512(struct vl_span in, uint8_t ret[64]) { SHA512(in.p, in.n, ret); }
void crypto_sha1(struct vl_span in, uint8_t ret[20]) { SHA1(in.p, in.n, ret); }
