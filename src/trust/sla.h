/* sla.h - core: a node shows what share of its challenges it answered, and how fast, without showing how many there were.
 *
 * The coordinator counts what witnesses state (challenge.h) and signs commitments of the sums for the node: a credential (zk_credential.h) with
 * answered, asked, epochs, latency_ms, stored.  The node proves a claim about them (zk_proof.h):
 *     answered / asked >= N ppm, asked >= least, and, if it likes, latency_ms / answered <= mean_ms
 * The file has the claim, the coordinator's certificate and the proof: whoever knows the village's id checks it alone.
 *
 * Shown: the claim is true of numbers that the village's coordinator signed for this node and this span of epochs.  Not shown: the numbers;
 * that witnesses and coordinator counted right (each proof of availability shows that for its epoch); that no other span was worse.
 * Pure but for allocations; readers are total. */
#ifndef VL_TRUST_SLA_H
#define VL_TRUST_SLA_H

#include "trust/zk_proof.h"
#include "wire/cert.h"

#define SLA_LABEL "VILLAGE SLA PROOF"
#define SLA_ATTRS 5u
#define SLA_PPM 1000000u

struct sla_counters { /* sums over epochs first .. last */
    uint64_t answered, asked, epochs, stored; /* below 2^32; epochs: of one witness each */
    uint64_t latency_ms;                      /* below 2^48 */
    uint64_t first_epoch, last_epoch;
};
struct sla_claim {
    uint32_t answered_ppm; /* 1..SLA_PPM */
    uint32_t least_asked;  /* 1.. */
    uint32_t mean_ms;      /* of an answer, at most; 0: nothing is said of it */
};

/* Fills c: the issuer's (blind: below L, uniform, secret, used once; in the order of sla_values()).  Errors of zk_credential_issue(). */
VL_MUST_CHECK enum vl_err sla_credential_issue(struct zk_credential *c, const struct crypto_sign_key *issuer, const struct zk_gens *g,
                                               const struct sla_counters *n, struct vl_node_id holder, vl_ms from_ms, vl_ms until_ms,
                                               const uint8_t (*blind)[32]);
/* As attributes stand in the credential: by name. */
void sla_values(const struct sla_counters *n, uint64_t ret[SLA_ATTRS]);
/* The text of the predicate; appends.  VL_ERANGE: the claim. */
VL_MUST_CHECK enum vl_err sla_predicate(const struct sla_claim *claim, struct vl_node_id issuer, struct vl_buf *out);

struct sla_making {
    const struct zk_credential *credential;
    const uint64_t *value;       /* SLA_ATTRS, in the credential's order; secret, as are the blinding factors */
    const uint8_t (*blind)[32];
    const struct crypto_sign_key *holder;
    struct vl_span issuer_cert;  /* the coordinator's certificate of membership */
    const uint8_t *random;       /* 32 fresh bytes */
};
/* Appends the armoured file.  VL_ERANGE: the claim is not true, or none; errors of zk_prove() and armor_write(). */
VL_MUST_CHECK enum vl_err sla_artefact_make(struct zk_kit *kit, const struct sla_claim *claim, const struct sla_making *in, struct vl_buf *out,
                                            struct vl_errmsg *msg);

struct sla_verdict {
    struct village_id village;
    struct vl_node_id node, coordinator;
    struct sla_claim claim;
    char about[ZK_ABOUT_SIZE];
    vl_ms from_ms, until_ms;
};
/* The bytes inside of the armour, judged at at_ms; kit (NULL: one made for this) keeps generators from one check to the next, its seed must
 * be unknown to who made the file.  VL_EPARSE, VL_EVERSION; VL_EDENIED: not of the village's coordinator, or held by nobody;
 * VL_EEXPIRED, VL_EAGAIN: the credential's time; VL_ECRYPTO; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err sla_artefact_check_with(struct zk_kit *kit, struct vl_span bytes, vl_ms at_ms, struct sla_verdict *ret, struct vl_errmsg *why);
VL_MUST_CHECK enum vl_err sla_artefact_check(struct vl_span bytes, vl_ms at_ms, struct sla_verdict *ret, struct vl_errmsg *why);

#endif
