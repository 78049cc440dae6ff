/* admission_priv.h - what admission.c and admission_policy.c share. */
#ifndef VL_TRUST_ADMISSION_PRIV_H
#define VL_TRUST_ADMISSION_PRIV_H

#include "trust/admission.h"

struct admission {
    struct vl_buf policy, snapshot;
    struct vl_hash policy_hash, snapshot_hash;
    uint32_t admit, tasks[SLA_CLASSES];
    uint32_t platforms; /* bit i: evidence of kind i counts */
    uint64_t period_ms;
    struct attest_policy rules;
    struct attest_root roots[ADMISSION_ROOTS];
    char root_name[ADMISSION_ROOTS][ADMISSION_NAME_MAX];
    uint8_t measurement[ADMISSION_MEASUREMENTS][ATTEST_DATA];
    struct vl_span measurements[ADMISSION_MEASUREMENTS];
    /* What the files beside the policy hold; borrowed from snapshot. */
    struct vl_span certificate[ADMISSION_FILES], list[ADMISSION_FILES], tcb[ADMISSION_TCB], identity[ADMISSION_TCB];
    size_t ncertificate, nlist, ntcb, nidentity;
    struct vl_span revoked; /* Android's list of serial numbers */
};
/* Fills all but snapshot and hashes.  policy empty: the defaults. */
enum vl_err admission_policy_read(struct vl_span policy, struct admission *ret, struct vl_errmsg *why);

#endif
