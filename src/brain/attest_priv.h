/* attest_priv.h - what attest.c (who asks) and attest_member.c (who answers) share. */
#ifndef VL_BRAIN_ATTEST_PRIV_H
#define VL_BRAIN_ATTEST_PRIV_H

#include "brain/priv.h"
#include "trust/admission.h"

/* What is known of a node by its newest result. */
struct attest_known {
    bool known;
    uint32_t level;
    vl_ms when_ms;
    uint64_t number;
    struct vl_hash policy, snapshot;
    char why[ATTESTED_WHY_MAX];
};

/* As a member, and the coordinator towards its own machine: one challenge at a time. */
struct attest_answer {
    bool busy, made; /* the shell makes evidence; it was made: a credential may follow */
    uint64_t req;
    vl_ms until_ms;
    struct attestation blank; /* nonce, binding, node, job, program of the challenge; no evidence */
};

struct attests {
    const struct admission *admission;
    struct admission *own; /* where the configuration gave none */
    uint64_t draws, reqs;
    struct attest_answer answer;
    struct attest_known self; /* a member: what the coordinator said */
    /* coordinator */
    struct vl_map subjects; /* struct subject by node */
    uint32_t running;
    vl_ms at;
    bool kept; /* the rows of policy and files were written since the start */
};

/* Asks the shell for evidence over the words of `blank`.  false: busy with another challenge. */
bool attest_answer_begin(struct brain *b, const struct attestation *blank);
/* attest.c: what our own machine answered; n 0: why. */
void attest_self_answered(struct brain *b, struct vl_span list, const char *why);
void attest_self_activated(struct brain *b, struct vl_span secret);
void attest_known_set(struct attest_known *k, const struct attested *r);
/* Rows of both roles: the signed result, and the quote that the next one is held against. */
void attest_put(struct brain *b, const struct attested *r, struct vl_span earlier);
VL_MUST_CHECK enum vl_err attest_row(struct vl_span row, struct attested *ret, struct vl_hash *ret_id, struct vl_span *ret_earlier);

#endif
