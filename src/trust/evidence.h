/* evidence.h - one signed fact about a node: what became of a copy of a task, or how long it was there (TRU-05).
 * Facts about a node form a chain: each names the hash of the one before it, so that who holds a later one can tell
 * whether any before it was changed, left out or put in. Signed by who states them, under "village-evidence-1:".
 *
 * Canonical bytes, big-endian: u8 tag=0x60 | u8 version=1 | node 32 | by 32 | u64 seq | previous 32 | u8 kind |
 * u32 weight | u64 at_ms | job 16 | u32 task | u64 epoch | receipt 32 | signature 64.  Hash: BLAKE2b-256 of all but the
 * signature; the hash is what is signed. */
#ifndef VL_TRUST_EVIDENCE_H
#define VL_TRUST_EVIDENCE_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/sign.h"

#include <stdbool.h>

#define EVIDENCE_BYTES 243u
#define EVIDENCE_WEIGHT_MAX 1000u
#define EVIDENCE_TIME_MAX ((vl_ms)1 << 47) /* the year 6429: keeps every product of times in 64 bits */

/* Four promises, kept apart because a node may keep one and break another. */
enum reputation_dim {
    REPUTATION_CORRECT = 0,
    REPUTATION_IN_TIME = 1,
    REPUTATION_AVAILABLE = 2,
    REPUTATION_HONEST = 3, /* its metering */
};
#define REPUTATION_DIMS 4u
const char *reputation_dim_text(enum reputation_dim d); /* "correct", "in_time", "available", "honest" */

/* Numbers are stored and signed; 1 to 8 are those of enum job_verdict.  Weights: fog.md 5. */
enum evidence_kind {
    EVIDENCE_AGREED = 1,      /* correct +1, in time +1, honest +1 */
    EVIDENCE_WRONG = 2,       /* correct -10 */
    EVIDENCE_ACCEPTED = 3,    /* in time +1, honest +1: nobody looked whether it was right */
    EVIDENCE_LATE = 4,        /* in time -1 */
    EVIDENCE_LOST = 5,        /* in time -1: gone without a word */
    EVIDENCE_HANDED_BACK = 6, /* in time -0.2: gone with a word */
    EVIDENCE_SILENT = 8,      /* in time -2: others had to wait for it, too */
    EVIDENCE_FALSE_METER = 9, /* honest -10: its receipt claims more than can have been */
    EVIDENCE_ONLINE = 10,     /* available +1; weight: share of a period */
    EVIDENCE_OFFLINE = 11,    /* available -1; the same */
};
#define EVIDENCE_KINDS 12u
const char *evidence_kind_text(enum evidence_kind k); /* "agreed" ...; NULL: there is no such kind */
/* What one full piece adds to a dimension: > 0 good, < 0 bad, in thousandths. */
int32_t evidence_effect(enum evidence_kind k, enum reputation_dim d);

struct evidence {
    struct vl_node_id node, by; /* about; who states it */
    uint64_t seq;               /* 1.. of this node, without gaps */
    struct vl_hash previous;    /* of the piece before; zeros: it is the first */
    enum evidence_kind kind;
    uint32_t weight_milli; /* quality, 1..EVIDENCE_WEIGHT_MAX: scales the effect */
    vl_ms at_ms;           /* <= EVIDENCE_TIME_MAX; not before the piece before */
    struct vl_job_id job;  /* this and what follows: zeros when it is not about a task */
    uint32_t task;
    uint64_t epoch;
    struct vl_hash receipt; /* BLAKE2b-256 of the encoded receipt; zeros: that copy left none */
    uint8_t signature[64];
};

/* VL_ERANGE: a field out of its range.  VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err evidence_encode(const struct evidence *e, struct vl_buf *out);
/* VL_EPARSE, VL_EVERSION.  The signature is not looked at. */
VL_MUST_CHECK enum vl_err evidence_decode(struct vl_span in, struct evidence *ret);
struct vl_hash evidence_hash(const struct evidence *e);
/* Sets `by` and `signature`; borrows the key.  VL_ERANGE: as above. */
VL_MUST_CHECK enum vl_err evidence_sign(struct evidence *e, const struct crypto_sign_key *key);
/* VL_ECRYPTO: not signed by e->by.  VL_ERANGE. */
VL_MUST_CHECK enum vl_err evidence_verify(const struct evidence *e);

#endif
