/* pki.h - certificates and revocation lists made for one test, with keys of their own. */
#ifndef VL_TESTS_PKI_H
#define VL_TESTS_PKI_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define PKI_DER 4096u
#define PKI_EXTENSIONS 16u

struct pki_key; /* an EVP_PKEY */
/* "P-256", "P-384" or "RSA". */
struct pki_key *pki_key(const char *kind);
void pki_key_free(struct pki_key *k);
/* Raw r || s over `message`, of half bytes each, big-endian. */
void pki_sign(const struct pki_key *k, const char *hash, struct vl_span message, uint8_t *dst, size_t half);
/* x || y of an EC key, half bytes each. */
void pki_point(const struct pki_key *k, uint8_t *dst, size_t half);

struct pki_extension {
    const char *oid;
    bool critical;
    uint8_t value[512];
    size_t n;
};
struct pki_spec {
    const char *name, *issuer; /* common names */
    const struct pki_key *key, *issuer_key;
    uint64_t from_s, until_s;
    uint32_t serial;
    bool ca;
    int below;         /* path length of a CA, plus one; 0: none */
    const char *usage; /* as OpenSSL's configuration has it, "cRLSign"; NULL: none */
    const char *hash;  /* NULL: SHA256 */
    struct pki_extension extension[PKI_EXTENSIONS];
    size_t extensions;
};
struct pki_der {
    uint8_t p[PKI_DER];
    size_t n;
};
void pki_certificate(const struct pki_spec *s, struct pki_der *ret);
void pki_crl(const char *issuer, const struct pki_key *key, uint64_t from_s, uint64_t until_s, uint32_t revoked,
             struct pki_der *ret);
static inline struct vl_span pki_span(const struct pki_der *d) { return vl_span(d->p, d->n); }

#endif
