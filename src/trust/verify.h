/* verify.h - any artefact of a village, or of those whose formats it takes: recognised, checked offline, and put into words.  Core:
 * pure.  Total: any bytes give a verdict with a reason.  To add a kind: a row in `kinds` of verify.c. */
#ifndef VL_TRUST_VERIFY_H
#define VL_TRUST_VERIFY_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/ms.h"
#include "trust/verdict.h"
#include "wire/cert.h"

#define VERIFY_FILES_MAX 64u
#define VERIFY_BYTES_MAX (2u << 20) /* of an artefact as it is read */
#define VERIFY_SKEW_MS 120000u      /* how far clocks of members may differ (trust/roster.h) */
#define VERIFY_WITH_MAX 8u
#define VERIFY_CERTIFICATE_LABEL "VILLAGE CERTIFICATE" /* wire/cert.h */

/* A file as the caller hashed it. */
struct verify_named {
    struct vl_span name; /* as the task has it */
    uint64_t size;
    struct vl_hash hash; /* BLAKE2b-256 */
};
struct verify_query {
    vl_ms at_ms;      /* the time of judging */
    const char *kind; /* NULL: by its looks */
    bool has_village;
    struct village_id village;  /* expected */
    bool has_signer;
    struct vl_node_id signer;   /* of a bare head, of an anchored one; issuer of a predicate's numbers */
    uint32_t witnesses;         /* least number */
    /* Files to hold it against.  Execution: */
    bool has_program, has_inputs, has_outputs;
    struct vl_hash program;     /* BLAKE2b-256 of the module */
    const struct verify_named *inputs, *outputs;
    uint32_t n_inputs, n_outputs;
    /* Timestamps: */
    bool has_file;
    uint8_t sha256[32], sha384[48], sha512[64];
    struct vl_span header; /* of the Bitcoin block, 80 bytes; empty: none */
    struct vl_span ca;     /* PEM: roots of timestamps, issuers of evidence; empty: none */
    /* Anchors: hash of the block as the caller has it from somebody else. */
    bool has_block;
    struct vl_hash block;
    /* Predicates: 32 bytes that nobody could foresee; without them such proofs are refused. */
    bool has_seed;
    uint8_t seed[32];
    struct vl_span nonce, leaf, with[VERIFY_WITH_MAX]; /* of evidence: attest.h */
};

/* Never fails: ret is filled. */
void verify_artefact(struct vl_span bytes, const struct verify_query *q, struct verdict *ret);
/* Names of kinds for verify_query.kind; NULL past the end. */
const char *verify_kind(size_t i);

#endif
