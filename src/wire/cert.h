/* cert.h - membership certificates and the revocation list of a village: plain structs and strict codecs.
 * No signature is made or checked here: trust/ does, over the bytes that *_body() names.  Big-endian, versioned.
 *
 * certificate: u8 version=1 | root 32 | node 32 | static 32 | u64 serial | u64 issued_ms | u64 expires_ms | u8 roles |
 *              u8 name length | name | signature 64                                             (187 + name bytes)
 * revocations: u8 version=2 | root 32 | u64 number | u64 issued_ms | u32 count | count x (node 32 | u64 serial | u64 at_ms) |
 *              signature 64, nodes strictly ascending.  An entry revokes every certificate of that node whose serial is
 *              not above the entry's: a node that is admitted again later gets a higher one.  What the node signed about
 *              later than at_ms counts for nothing.  Version 1 (read only) has no at_ms: issued_ms is taken for it. */
#ifndef VL_WIRE_CERT_H
#define VL_WIRE_CERT_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"

#include <stdint.h>

#define CERT_VERSION 1u
#define CERT_SIGNATURE 64u
#define CERT_NAME_MAX (VL_NAME_MAX - 1) /* bytes of UTF-8 */
#define CERT_BYTES_MAX (123u + CERT_NAME_MAX + CERT_SIGNATURE)
#define REVOCATIONS_MAX 4096u /* so that a list (48 bytes each) fits into one message of VL_MESSAGE_MAX */
#define REVOCATIONS_BYTES_MAX (53u + 48u * REVOCATIONS_MAX + CERT_SIGNATURE)

/* BLAKE2b-128 of the root public key: see village_id_of() in trust/roster.h. */
struct village_id {
    uint8_t b[16];
};
static inline bool village_eq(struct village_id a, struct village_id b) { return memcmp(a.b, b.b, sizeof a.b) == 0; }

/* Bits, stable on the wire. */
enum cert_role { CERT_WORKER = 1, CERT_GATEWAY = 2, CERT_COORDINATOR = 4 };
#define CERT_ROLES_ALL (CERT_WORKER | CERT_GATEWAY | CERT_COORDINATOR)

struct cert {
    uint8_t root[32];            /* Ed25519 key of the village */
    struct vl_node_id node;      /* Ed25519 key of the member */
    uint8_t static_key[32];      /* its X25519 static key for links */
    uint64_t serial;             /* > 0, unique in the village, growing */
    vl_ms issued_ms, expires_ms; /* valid while issued <= now < expires */
    uint8_t roles;               /* of enum cert_role, at least one */
    char name[VL_NAME_MAX];      /* UTF-8, 1..CERT_NAME_MAX bytes, no control characters, NUL-terminated */
    uint8_t signature[CERT_SIGNATURE];
};

/* VL_OK when name is what a certificate may carry, else VL_EPARSE. */
VL_MUST_CHECK enum vl_err cert_name_check(const char *name);
/* VL_ERANGE: a field out of its range (as above, or expires <= issued).  VL_ELIMIT: cap too small (CERT_BYTES_MAX
 * does). */
VL_MUST_CHECK enum vl_err cert_encode(const struct cert *cert, uint8_t *dst, size_t cap, size_t *ret_n);
/* Exactly what cert_encode() writes.  VL_EPARSE; VL_EVERSION: another version (nothing else was looked at). */
VL_MUST_CHECK enum vl_err cert_decode(struct vl_span in, struct cert *ret);
/* The part of an encoded certificate or list that is signed.  Borrowed. */
struct vl_span cert_body(struct vl_span encoded);

struct revocation {
    struct vl_node_id node;
    uint64_t serial; /* > 0; revoked up to and with this one */
    vl_ms at_ms;     /* when */
};
/* Borrows the bytes it was decoded from. */
struct revocations {
    uint8_t root[32];
    uint64_t number; /* > 0; a higher number replaces a lower */
    vl_ms issued_ms;
    uint32_t count;
    uint32_t entry_n;       /* bytes of one */
    const uint8_t *entries; /* count of them, checked; read with revocation_at() */
    uint8_t signature[CERT_SIGNATURE];
};
/* Bytes before the signature.  v: strictly ascending by node, count <= REVOCATIONS_MAX (else VL_ERANGE).
 * VL_ELIMIT: cap too small for body and signature. */
VL_MUST_CHECK enum vl_err revocations_encode_body(const uint8_t root[32], uint64_t number, vl_ms issued_ms,
                                                  const struct revocation *v, uint32_t count, uint8_t *dst, size_t cap,
                                                  size_t *ret_n);
/* VL_EPARSE, VL_EVERSION as above. */
VL_MUST_CHECK enum vl_err revocations_decode(struct vl_span in, struct revocations *ret);
/* i < count. */
struct revocation revocation_at(const struct revocations *list, uint32_t i);
/* Highest revoked serial of node, 0 when it is not in the list; ret_at_ms (may be NULL) is set only when it is.  O(log count). */
uint64_t revocations_find(const struct revocations *list, struct vl_node_id node, vl_ms *ret_at_ms);

#endif
