/* attestation.h - evidence of where a node runs as it travels and is kept (TRU-06, TRU-07), the challenge it answers, and the
 * coordinator's signed result.  Nothing is verified or signed here: trust/admission.h does.  Big-endian, versioned, strict.
 *
 * An artefact of one struct attestation is an armoured file (wire/armor.h) with the label ATTESTATION_LABEL; a signed result
 * one with ATTESTED_LABEL.
 *
 * A node that is asked answers with up to ATTESTATIONS_MAX of them, one for each provider that it has: a list.  A list may be
 * larger than a message of a link, hence pieces. */
#ifndef VL_WIRE_ATTESTATION_H
#define VL_WIRE_ATTESTATION_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"

#include <stdbool.h>
#include <stdint.h>

#define ATTESTATION_LABEL "VILLAGE ATTESTATION"
#define ATTESTED_LABEL "VILLAGE ATTESTATION RESULT"

#define ATTESTATION_KINDS 11u              /* as ATTEST_KINDS of trust/attest.h */
#define ATTESTATION_EVIDENCE_MAX 262144u   /* bytes, as ATTEST_EVIDENCE_MAX of trust/attest.h */
#define ATTESTATION_LEAF_MAX 16384u        /* DER or PEM */
#define ATTESTATION_COLLATERAL 8u          /* pieces; meaning by kind: the verifier in trust/attest_KIND.c */
#define ATTESTATION_PIECE_MAX 131072u      /* bytes of one piece of collateral */
#define ATTESTATION_CERTIFICATES_MAX 65536u
#define ATTESTATION_MAX 393216u            /* one, encoded: all of the above together */
#define ATTESTATIONS_MAX 4u                /* of one node in one answer */
#define ATTESTATION_LIST_MAX 524288u       /* that answer, encoded */

struct attestation {
    uint8_t kind;                /* enum attest_kind of trust/attest.h; below ATTESTATION_KINDS */
    uint8_t nonce[32];           /* of the challenge it answers */
    uint8_t binding[32];         /* of the channel it was asked over (htx_binding()); zeros: none, it was made for a file */
    struct vl_node_id node;      /* whose evidence it is */
    struct vl_job_id job;        /* it is bound to this job; zeros: to none */
    uint8_t program[32];         /* and this program: BLAKE2b-256 of it; zeros: to none */
    vl_ms made_ms;               /* by the node's clock, for people */
    struct vl_span evidence;     /* 1..ATTESTATION_EVIDENCE_MAX; of kind 0 (self) it may be empty */
    struct vl_span leaf;         /* certificate of the signing key, where evidence does not carry it; may be empty */
    struct vl_span collateral[ATTESTATION_COLLATERAL]; /* each may be empty */
    struct vl_span certificates; /* issuers: PEM, or one in DER; may be empty */
};
/* VL_ERANGE: a field outside its bounds.  Errors of appending. */
VL_MUST_CHECK enum vl_err attestation_encode(const struct attestation *a, struct vl_buf *out);
/* Spans borrow from in.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err attestation_decode(struct vl_span in, struct attestation *ret);

/* 0..ATTESTATIONS_MAX of them, in the order of their kinds, no kind twice.  Same errors. */
VL_MUST_CHECK enum vl_err attestation_list_encode(const struct attestation *v, size_t n, struct vl_buf *out);
VL_MUST_CHECK enum vl_err attestation_list_decode(struct vl_span in, struct attestation ret[ATTESTATIONS_MAX], size_t *ret_n);

/* ---- over a link: LINK_ATTEST_* of wire/link.h.  All four may be lost; who asked asks again. ---- */

struct attestation_ask { /* coordinator to member: LINK_ATTEST_ASK */
    uint8_t nonce[32];   /* fresh; names this round in the other three */
    struct vl_job_id job;
    uint8_t program[32];
};
VL_MUST_CHECK enum vl_err attestation_ask_encode(const struct attestation_ask *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err attestation_ask_decode(struct vl_span in, struct attestation_ask *ret);

#define ATTESTATION_PART_MAX 65536u
struct attestation_part { /* member to coordinator: LINK_ATTEST_PART */
    uint8_t nonce[32];
    uint32_t total; /* bytes of the list, 1..ATTESTATION_LIST_MAX; 0: there is none, and `why` says so */
    uint32_t at;    /* where these bytes stand; parts come in order */
    struct vl_span bytes; /* 1..ATTESTATION_PART_MAX, ending within total; empty when that is 0 */
    char why[160];  /* printable ASCII; "" when there is a list */
};
VL_MUST_CHECK enum vl_err attestation_part_encode(const struct attestation_part *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err attestation_part_decode(struct vl_span in, struct attestation_part *ret);

#define ATTESTATION_CREDENTIAL_MAX 1024u
struct attestation_credential { /* both ways: LINK_ATTEST_CREDENTIAL, LINK_ATTEST_SECRET */
    uint8_t nonce[32];
    /* To the member: TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, one after the other, each with its own size (TPM 2.0 part 3,
     * 12.5).  Back: the secret that its TPM found in them, 1..64 bytes; empty when it could not. */
    struct vl_span bytes;
};
VL_MUST_CHECK enum vl_err attestation_credential_encode(const struct attestation_credential *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err attestation_credential_decode(struct vl_span in, struct attestation_credential *ret);

/* ---- what the coordinator found: a signed result, as in EAR (one entry for each kind of evidence) ---- */

#define ATTESTED_WHY_MAX 96u
#define ATTESTED_SIGNATURE 64u
#define ATTESTED_BYTES_MAX 2048u

struct attested_entry {
    uint8_t kind, class; /* enum attest_kind, attest_class */
    /* The vector, each an enum attest_state: 0 unknown, 1 no, 2 yes. */
    uint8_t genuine, fresh, debug, measurement_known, key_bound;
    uint8_t tcb, anchor; /* enum attest_tcb, attest_anchor */
    uint8_t secure_boot; /* enum attest_state */
    bool late, revoked, sha1, with_tpm, tcb_partial, accepted;
    uint32_t level;      /* thousandths, of this evidence alone, at when_ms */
    struct vl_hash evidence;   /* BLAKE2b-256 of the encoded attestation, as the verifier had it */
    struct vl_hash measurement; /* BLAKE2b-256 of what was measured */
    char why[ATTESTED_WHY_MAX]; /* the first thing that does not hold, or "accepted"; printable ASCII */
};
struct attested {
    struct vl_node_id node, verifier;
    uint8_t nonce[32];
    struct vl_job_id job;
    uint8_t program[32];
    vl_ms when_ms;         /* evaluation time */
    uint64_t number;       /* of this node's results, from 1 */
    uint32_t level;        /* of the node, thousandths, bonuses included, at when_ms */
    uint32_t half_life_s;  /* the part above 300 halves in so long; 0: the default of trust/attest.h */
    struct vl_hash policy;   /* BLAKE2b-256 of the policy file; zeros: none */
    struct vl_hash snapshot; /* of the certificates, lists and collateral the verifier had beside the evidence; zeros: none */
    uint8_t n;             /* entries, 0: the node said that it has no evidence, or sent none in time */
    struct attested_entry entry[ATTESTATIONS_MAX];
    char why[ATTESTED_WHY_MAX]; /* for people */
    uint8_t signature[ATTESTED_SIGNATURE]; /* Ed25519 of the verifier over attested_body() */
};
/* VL_ERANGE.  Errors of appending. */
VL_MUST_CHECK enum vl_err attested_encode(const struct attested *a, struct vl_buf *out);
/* VL_EPARSE, VL_EVERSION.  The signature is not checked. */
VL_MUST_CHECK enum vl_err attested_decode(struct vl_span in, struct attested *ret);
/* The part of an encoded result that is signed.  Borrowed.  Its BLAKE2b-256 is the id of the result. */
struct vl_span attested_body(struct vl_span encoded);

#endif
