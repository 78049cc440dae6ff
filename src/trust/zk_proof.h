/* zk_proof.h - proofs that a predicate (zk_pred.h) is true of committed numbers, as artefacts that anybody can check
 * alone: program, sets, credential, context, proof.
 *
 *     struct zk_kit *kit = zk_kit_create(seed);
 *     zk_compile(text, NULL, 0, &program, &diag);
 *     zk_prove(kit, &(struct zk_proving){ ... }, &artefact, &msg);
 *     zk_verify(kit, artefact, &policy, &verdict);
 *
 * The transcript has, before the first challenge: version of the format, canonical text, credential with its signature,
 * all commitments, context, label of the generators.  A proof for another verifier, purpose, nonce or epoch is refused.
 *
 * What is proved: the prover knows openings of the commitments, and the predicate is true of them.  Not which branch of
 * an `or` is, nor anything else of the numbers.  Not that the numbers are true: that is the issuer's word.
 * Where the credential names a holder, its key has signed the proof.
 *
 * Verifiers are total: any bytes give a verdict with a reason.  Pure but for allocations; a kit serves one thread. */
#ifndef VL_TRUST_ZK_PROOF_H
#define VL_TRUST_ZK_PROOF_H

#include "trust/zk_credential.h"
#include "trust/zk_pred.h"

#define ZK_PURPOSE_SIZE 64u /* with the NUL; printable ASCII, not empty */
#define ZK_ARTEFACT_MAX (288u << 10) /* bytes; most of it the sets */
#define ZK_ARTEFACT_LABEL "VILLAGE PREDICATE PROOF"

/* Generators, made when they are first needed (up to 50 ms), and compiled programs by id.  seed: 32 bytes that provers
 * cannot foresee.  NULL: out of memory.  Returns owned. */
struct zk_kit;
struct zk_kit *zk_kit_create(const uint8_t seed[32]);
void zk_kit_destroy(struct zk_kit *kit);
/* Generators for so many values of 64 bits (a power of two up to ZK_GENS_VALUES_MAX).  NULL: out of memory.  Borrowed from the kit. */
const struct zk_gens *zk_kit_gens(struct zk_kit *kit, unsigned values);

/* To whom, what for, and when: chosen by the verifier, or agreed upon. */
struct zk_context {
    struct vl_node_id verifier; /* zeros: anybody */
    char purpose[ZK_PURPOSE_SIZE];
    uint8_t nonce[32]; /* the verifier's, fresh; zeros where a proof is for anybody */
    uint64_t epoch; /* below 2^63 */
};

struct zk_proving {
    const struct zk_program *program;
    const struct zk_credential *credential; /* NULL: all attributes are self-asserted */
    /* One for each attribute of the program, in its order; secret.  Blinding factors of signed ones are the issuer's,
     * those of self-asserted ones uniform below L and fresh. */
    const uint64_t *value;
    const uint8_t (*blind)[32];
    const struct crypto_sign_key *holder; /* of the credential; NULL: it names none */
    const struct zk_context *context;
    uint8_t random[32]; /* fresh */
};
/* Appends the artefact's canonical bytes (ZK_ARTEFACT_LABEL is for armor_write()).
 * VL_ERANGE: the predicate is not true of these numbers, a number is too large, or the context is malformed.
 * VL_ECRYPTO: an opening does not fit its commitment.  VL_ENOTFOUND: the credential lacks an attribute, or there is
 * none.  VL_EDENIED: the wrong issuer or holder.  VL_ENOMEM; errors of appending.  *msg (may be NULL) says it in words.
 * On error nothing is appended. */
VL_MUST_CHECK enum vl_err zk_prove(struct zk_kit *kit, const struct zk_proving *in, struct vl_buf *out,
                                   struct vl_errmsg *msg);

/* What a verifier demands. */
struct zk_policy {
    const struct vl_hash *program;     /* this predicate; NULL: any, the verdict says which */
    const struct zk_context *context;  /* exactly this; NULL: any, the verdict says which */
    const struct vl_node_id *issuer;   /* one of n_issuers; 0: only one that the predicate pins */
    unsigned n_issuers;
    const struct vl_node_id *holder;   /* NULL: any */
    const char *about;                 /* of the credential; NULL: any */
    bool any_issuer;                   /* the caller judges verdict.issuer itself */
    bool allow_self_asserted;
    vl_ms at_ms;                       /* when the credential must be valid */
};

struct zk_verdict {
    enum vl_err err;        /* VL_OK alone is a yes */
    struct vl_errmsg reason; /* in words, also of a yes */
    /* As far as they could be read; true of the proof only after a yes. */
    struct vl_hash program;
    struct zk_context context;
    bool signed_attributes, self_asserted; /* it has such */
    struct vl_node_id issuer, holder;      /* zeros: none */
    char about[ZK_ABOUT_SIZE];
    vl_ms from_ms, until_ms;
};
/* Returns ret->err.  VL_EPARSE, VL_EVERSION, VL_ELIMIT: the bytes.  VL_ESTALE: another predicate or context than
 * demanded.  VL_EDENIED: issuer, holder, self-asserted attributes.  VL_EEXPIRED, VL_EAGAIN: the credential's time.
 * VL_ECRYPTO: a signature or the proof is wrong.  VL_ENOMEM: no verdict. */
VL_MUST_CHECK enum vl_err zk_verify(struct zk_kit *kit, struct vl_span artefact, const struct zk_policy *policy,
                                    struct zk_verdict *ret);

struct zk_claim {
    struct vl_span artefact;
    const struct zk_policy *policy;
};
/* Checks n artefacts as one sum where that can be; every wrong one is named by its own verdict.  VL_OK: all are right;
 * else the first error.  n is not limited; VL_ENOMEM is in all verdicts that were not reached. */
VL_MUST_CHECK enum vl_err zk_verify_batch(struct zk_kit *kit, const struct zk_claim *claim, unsigned n,
                                          struct zk_verdict *ret);

/* The predicate's text inside of an artefact, for people; borrowed from it.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err zk_artefact_text(struct vl_span artefact, struct vl_span *ret);

#endif
