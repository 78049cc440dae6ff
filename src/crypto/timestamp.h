/* timestamp.h - RFC 3161 time-stamps, offline: a request for a digest, and a response or bare token checked against a digest and
 * roots.  Over libcrypto's TS.  All of it is public data.  Pure: the time of judging is an input. */
#ifndef VL_CRYPTO_TIMESTAMP_H
#define VL_CRYPTO_TIMESTAMP_H

#include "base/bytes.h"
#include "base/ms.h"

#define TIMESTAMP_MAX 262144u /* bytes of a response */
#define TIMESTAMP_NAME 128u

enum timestamp_hash { TIMESTAMP_SHA256 = 1, TIMESTAMP_SHA384 = 2, TIMESTAMP_SHA512 = 3 };

/* Digest of all of `in` into dst: 32, 48 or 64 bytes. */
VL_MUST_CHECK enum vl_err timestamp_digest(enum timestamp_hash hash, struct vl_span in, uint8_t *dst);

/* DER of a TimeStampReq for a SHA-256 digest, asking for the certificate.  nonce: 0: none.  VL_ENOMEM; errors of appending. */
VL_MUST_CHECK enum vl_err timestamp_request(const uint8_t sha256[32], uint64_t nonce, struct vl_buf *out);

/* Whether bytes are a TimeStampResp or a TimeStampToken. */
bool timestamp_is(struct vl_span bytes);

struct timestamp {
    enum timestamp_hash hash;
    uint8_t imprint[64]; /* its first 32, 48 or 64 bytes */
    uint64_t time_s;     /* genTime, whole seconds */
    uint64_t accuracy_ms; /* 0: it names none */
    uint64_t nonce;       /* 0: none, or longer than 64 bits */
    char policy[64];      /* dotted OID */
    char serial[64];      /* hexadecimal */
    char signer[TIMESTAMP_NAME]; /* common name of its certificate; printable ASCII, may be empty */
};
/* The token: well formed, granted, signed by a certificate in it whose one purpose is time-stamping (critical, RFC 3161 2.3), which led
 * to one of `roots` (PEM certificates) at the time of the stamp.  No revocation is looked at.  The imprint is for the caller to compare.
 * VL_EPARSE: not a time-stamp; VL_EDENIED: a response that grants none; VL_EUNSUPPORTED: digest other than SHA-2 of 256, 384 or 512;
 * VL_ENOTFOUND: no root given; VL_ELIMIT, VL_ENOMEM; VL_ECRYPTO: signature, certificates or path are wrong.  *why: a sentence without full stop, static. */
VL_MUST_CHECK enum vl_err timestamp_check(struct vl_span bytes, struct vl_span roots, struct timestamp *ret, const char **why);
/* Only what it says, nothing checked.  VL_EPARSE, VL_EDENIED, VL_EUNSUPPORTED. */
VL_MUST_CHECK enum vl_err timestamp_read(struct vl_span bytes, struct timestamp *ret);

#endif
