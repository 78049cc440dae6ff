/* x509_priv.h - bodies of the structs of x509.h, and what its three files share. */
#ifndef VL_CRYPTO_X509_PRIV_H
#define VL_CRYPTO_X509_PRIV_H

#include "crypto/hash.h"
#include "crypto/x509.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct crypto_pubkey {
    EVP_PKEY *pkey;
    enum crypto_curve curve; /* 0: RSA */
};

struct crypto_x509 {
    X509 *x;
    uint8_t key[32]; /* SHA-256 of the SubjectPublicKeyInfo */
    uint64_t from_s, until_s;
    struct vl_span subject, issuer, serial; /* borrowed from x */
};

struct crypto_crl {
    X509_CRL *x;
    uint64_t from_s, until_s; /* until UINT64_MAX: no nextUpdate */
    struct vl_span issuer;
    bool readable; /* no critical part that we do not know, and no delta */
};

struct crypto_x509_pool {
    struct crypto_x509 *cert[CRYPTO_X509_POOL];
    struct crypto_crl *crl[CRYPTO_X509_POOL];
    size_t n, ncrl;
};

/* false: not a time, or before 1970. */
bool crypto_x509_time(const ASN1_TIME *t, uint64_t *ret_s);

#endif
