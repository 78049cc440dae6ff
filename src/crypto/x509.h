/* x509.h - X.509 certificates and revocation lists (RFC 5280) that are judged at a time the caller names, against roots
 * pinned by key; and signatures of EC and RSA keys.  Pure: no clock, no file, no network; what is parsed comes from
 * strangers.  All of it is public data: nothing here is constant-time.  Over libcrypto's parser and arithmetic; the
 * path is our own, because libcrypto's asks for a trusted certificate where we have the hash of a key. Times: seconds
 * since the Unix epoch. */
#ifndef VL_CRYPTO_X509_H
#define VL_CRYPTO_X509_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_X509_MAX 16384u  /* bytes of one certificate */
#define CRYPTO_CRL_MAX 1048576u /* bytes of one revocation list */
#define CRYPTO_X509_POOL 128u   /* certificates, and as many revocation lists, of one pool */
#define CRYPTO_X509_DEPTH 8u    /* certificates of one path, leaf and root included */

struct crypto_pubkey; /* opaque: EC P-256 or P-384, or RSA of 2048..8192 bits */
struct crypto_x509;   /* opaque: one certificate */

/* --- keys and signatures --- */
enum crypto_curve { CRYPTO_P256 = 1, CRYPTO_P384 = 2 };
enum crypto_scheme {
    CRYPTO_ECDSA_SHA256 = 1, /* signature: r || s, each as long as the curve, big-endian */
    CRYPTO_ECDSA_SHA384 = 2,
    CRYPTO_RSA_SHA256 = 3, /* PKCS #1 v1.5 */
    CRYPTO_RSA_SHA1 = 4,   /* the same, for old TPM quotes alone: the caller downgrades what rests on it */
    CRYPTO_RSA_PSS_SHA256 = 5,
    CRYPTO_RSA_SHA384 = 6,
};
/* All three: VL_EPARSE not such a key, not on the curve, of a size outside the range.  VL_ENOMEM.  *ret is owned. */
VL_MUST_CHECK enum vl_err crypto_pubkey_spki(struct vl_span der, struct crypto_pubkey **ret);
/* x || y, each as long as the curve, big-endian. */
VL_MUST_CHECK enum vl_err crypto_pubkey_point(enum crypto_curve curve, struct vl_span xy, struct crypto_pubkey **ret);
/* Modulus and exponent, big-endian. */
VL_MUST_CHECK enum vl_err crypto_pubkey_rsa(struct vl_span n, struct vl_span e, struct crypto_pubkey **ret);
void crypto_pubkey_free(struct crypto_pubkey *k); /* NULL is a no-op */
/* SHA-256 of the DER SubjectPublicKeyInfo. */
VL_MUST_CHECK enum vl_err crypto_pubkey_hash(const struct crypto_pubkey *k, uint8_t ret[32]);
/* VL_ECRYPTO: not a signature of `message` by this key under this scheme (a key of another kind included). */
VL_MUST_CHECK enum vl_err crypto_pubkey_verify(const struct crypto_pubkey *k, enum crypto_scheme scheme,
                                               struct vl_span message, struct vl_span signature);

void crypto_sha384(struct vl_span in, uint8_t ret[48]);
void crypto_sha512(struct vl_span in, uint8_t ret[64]);
void crypto_sha1(struct vl_span in, uint8_t ret[20]); /* for PCR banks alone */

/* --- certificates --- */
/* One DER certificate, all of `der`.  VL_EPARSE.  VL_ELIMIT: longer than CRYPTO_X509_MAX.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err crypto_x509_parse(struct vl_span der, struct crypto_x509 **ret);
void crypto_x509_free(struct crypto_x509 *c); /* NULL is a no-op */
/* SHA-256 of its DER SubjectPublicKeyInfo: the name by which roots are pinned. */
void crypto_x509_key_hash(const struct crypto_x509 *c, uint8_t ret[32]);
/* A key of its own, to be freed.  VL_EPARSE: a kind of key that this header has not.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err crypto_x509_key(const struct crypto_x509 *c, struct crypto_pubkey **ret);
/* The value (inside of the OCTET STRING) of the extension with this dotted OID; borrowed from c.  VL_ENOTFOUND: none.
 * VL_EPARSE: there are two. */
VL_MUST_CHECK enum vl_err crypto_x509_extension(const struct crypto_x509 *c, const char *oid, struct vl_span *ret);
/* Big-endian magnitude, borrowed from c; a serial below zero is refused by the parser. */
struct vl_span crypto_x509_serial(const struct crypto_x509 *c);
/* DER of the names, borrowed from c. */
struct vl_span crypto_x509_subject(const struct crypto_x509 *c);
struct vl_span crypto_x509_issuer(const struct crypto_x509 *c);
/* First commonName of the subject into ret; empty when there is none, when it does not fit, or has a byte outside
 * printable ASCII. */
void crypto_x509_common_name(const struct crypto_x509 *c, char *ret, size_t cap);
void crypto_x509_times(const struct crypto_x509 *c, uint64_t *ret_from_s, uint64_t *ret_until_s);

/* What a path may be built of and what revokes it: issuers, roots, revocation lists.  Owns what was added. */
struct crypto_x509_pool;
struct crypto_x509_pool *crypto_x509_pool_create(void); /* NULL: out of memory */
void crypto_x509_pool_destroy(struct crypto_x509_pool *p);
/* One DER certificate, or PEM with any number of them and nothing but white space and NUL bytes around (labels
 * CERTIFICATE and TRUSTED CERTIFICATE are not mixed: only the first is taken).  On an error nothing was added.
 * VL_EPARSE.  VL_ELIMIT: the pool is full.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err crypto_x509_pool_add(struct crypto_x509_pool *p, struct vl_span certificates);
/* One DER or PEM revocation list.  Same errors. */
VL_MUST_CHECK enum vl_err crypto_x509_pool_add_crl(struct crypto_x509_pool *p, struct vl_span crl);
size_t crypto_x509_pool_count(const struct crypto_x509_pool *p);
/* In the order of adding; NULL past the end.  Borrowed. */
const struct crypto_x509 *crypto_x509_pool_get(const struct crypto_x509_pool *p, size_t i);

/* --- paths --- */
enum crypto_x509_fault {
    CRYPTO_X509_OK = 0,
    CRYPTO_X509_NO_ROOT,     /* no path leads to a pinned key */
    CRYPTO_X509_FORGED,      /* an issuer of this name is there, and its key made no such signature */
    CRYPTO_X509_CONSTRAINT,  /* an issuer that may not issue: CA flag, path length, key usage, unknown critical part */
    CRYPTO_X509_WEAK,        /* signed with SHA-1 or less */
    CRYPTO_X509_EARLY,       /* not valid yet */
    CRYPTO_X509_EXPIRED,     /* and not within the grace */
    CRYPTO_X509_REVOKED,     /* on a revocation list */
    CRYPTO_X509_CRL_MISSING, /* asked for, and not there */
    CRYPTO_X509_CRL_BAD,     /* a revocation list of that issuer's name that it did not sign, or that we cannot read */
    CRYPTO_X509_CRL_EXPIRED, /* past its nextUpdate and not within the grace, or from the future */
};
/* A sentence without full stop.  Static storage. */
const char *crypto_x509_fault_text(enum crypto_x509_fault fault);

struct crypto_x509_rules {
    const struct crypto_x509_pool *pool[2]; /* of the evidence and of the caller; either may be NULL */
    const uint8_t (*roots)[32];             /* SHA-256 of the SubjectPublicKeyInfo of each accepted root */
    size_t nroots;
    uint64_t when_s;
    uint64_t grace_s;  /* how long after their end certificates and lists are still taken, with `late` set; 0: never */
    bool need_crl;     /* every certificate below the root must be covered by a list */
    bool leaf_undated; /* dates of the leaf mean nothing (Android keys) */
};
struct crypto_x509_path {
    const struct crypto_x509 *cert[CRYPTO_X509_DEPTH]; /* leaf first, the pinned one last; borrowed */
    size_t n;
    size_t root;              /* which of the rules' roots */
    uint64_t from_s, until_s; /* when all of it is valid, lists included; the dates of the root do not count: its key
                                 is pinned, whatever certificate carries it */
    bool late;                /* something was past its end, within the grace */
    bool crl;                 /* every certificate below the root was looked up in a list */
};
/* Searches for a path from `leaf` to a pinned key that holds in every respect; with several certificates of one name it
 * tries them all, within a bound.  *ret is filled on CRYPTO_X509_OK alone; else the fault of the path that got
 * furthest.  A leaf whose own key is pinned is a path of one. */
VL_MUST_CHECK enum crypto_x509_fault
crypto_x509_verify(const struct crypto_x509 *leaf, const struct crypto_x509_rules *rules, struct crypto_x509_path *ret);

#endif
