/* verify.h - core: may the results of a task that are in be taken for right, and how many more are wanted (FOG-11)?
 * Pure; no state.  Sources: Sarmenta, "Sabotage-tolerance mechanisms for volunteer computing systems" (2002), section 4:
 * credibility of nodes by spot checks, and of groups of equal results; Anderson, "BOINC" (2004): adaptive replication,
 * which has no cap and so lets honest errors through for ever.
 *
 * Probabilities are in parts per million (ppm, 0..1,000,000), products in parts per 10^12: integers, so that a decision
 * can be recomputed anywhere.  What was decided is in the log (struct job_ruling); how credible a node was is not. */
#ifndef VL_FOG_VERIFY_H
#define VL_FOG_VERIFY_H

#include "base/err.h"
#include "base/id.h"
#include "wire/task.h"
#include "wire/terms.h"

#include <stdbool.h>
#include <stdint.h>

#define VERIFY_PPM 1000000u
#define VERIFY_WRONG_WEIGHT 10u /* one wrong result weighs as much as that many right ones (fog.md section 5) */
#define VERIFY_VOTES_MAX 24u
#define VERIFY_AUDIT_WAIT_MS 60000u /* a result of class B waits that long for somebody to repeat it */

struct verify_policy {
    uint32_t faulty_ppm; /* share of members that is assumed to cheat or to be broken before anything is known of them */
    uint32_t floor_ppm;  /* nobody is taken for better than this: upper 95 % bound of the error rate of honest nodes */
    uint32_t audit_ppm;  /* of the results that would be taken as they are, so many are repeated elsewhere, for ever */
};
/* A private village, whose members came by invitation: faulty 0.5 %, floor 0.2 %, audits 3 %. */
void verify_policy_defaults(struct verify_policy *ret);

/* Error to be expected of a node: `faulty_ppm` / (1 + passed) while it was never wrong (Sarmenta's 1 - f/k); wrong results
 * count VERIFY_WRONG_WEIGHT times. */
uint32_t verify_error_ppm(const struct verify_policy *p, uint64_t passed, uint64_t wrong);
/* Upper bound of the true rate, one-sided 95 %, of `wrong` among `n` compared results (Wilson's score interval, rounded
 * up); 1,000,000 for n = 0. */
uint32_t verify_upper95_ppm(uint64_t wrong, uint64_t n);

/* What a class and tier demand.  S: 3 equal results of attested or audited nodes, 99.99 %; A: 2 from different owners and
 * domains, 99.9 %; B: 1, 99 %.  A tier of availability above that raises the second. */
struct verify_need {
    uint32_t equal;     /* results */
    uint32_t theta_ppm; /* credibility of the group */
};
struct verify_need verify_need_of(enum sla_class class, enum sla_tier tier);

struct verify_vote {
    struct vl_node_id node;
    struct vl_hash root; /* of the outputs */
    uint32_t error_ppm;  /* of the node; raised to the floor in here */
};
struct verify_case {
    enum sla_class class;
    enum sla_tier tier;
    uint32_t n; /* 1..VERIFY_VOTES_MAX, one node once */
    const struct verify_vote *v;
    uint32_t coming; /* results on their way */
    uint32_t room;   /* more that may still be asked for, beyond those */
    uint32_t replicas; /* as the job itself says; 0: by class */
    bool audit;      /* this result was chosen to be repeated */
};
enum verify_answer {
    VERIFY_TAKE = 1,     /* ret->winner is right */
    VERIFY_MORE = 2,     /* ret->want results in all */
    VERIFY_HOPELESS = 3, /* no room for what would be needed: a referee, or the majority */
};
struct verify_result {
    enum verify_answer answer;
    uint32_t winner;    /* index of a vote of the best group */
    uint32_t equal;     /* results in it */
    uint32_t want;      /* MORE */
    uint32_t error_ppm; /* that the best group is wrong, rounded up */
};
/* VL_ERANGE: n, or a node twice. */
VL_MUST_CHECK enum vl_err verify_decide(const struct verify_policy *p, const struct verify_case *c, struct verify_result *ret);

/* Whether this result is to be repeated: the hash of the run and of `beacon`, which nobody knows before the result is
 * bound.  So a node cannot tell which of its results will be looked at. */
bool verify_audit(const struct verify_policy *p, struct vl_job_id job, uint32_t task, uint64_t epoch,
                  const struct vl_hash *beacon);

/* What a worker commits to: BLAKE2b-256 over a domain prefix, output root, salt, node, job, task and epoch. */
struct vl_hash verify_commitment(const struct vl_hash *output_root, const uint8_t salt[TASK_SALT], struct vl_node_id node,
                                 struct vl_job_id job, uint32_t task, uint64_t epoch);

#endif
