/* verify_attest.h - `village verify` for evidence of where a node runs, and for a coordinator's signed result of it (TRU-06).  Core:
 * pure and total, as trust/verify.h.  Evidence is held against the policy and files of the query (verify_query.admission; NULL:
 * the vendors' roots that are built in and nothing else). */
#ifndef VL_TRUST_VERIFY_ATTEST_H
#define VL_TRUST_VERIFY_ATTEST_H

#include "trust/verify.h"

/* bytes: a struct attestation (wire/attestation.h).  Proved: hardware under an accepted root signed these words. */
void attest_artefact(struct vl_span bytes, const struct verify_query *q, struct verdict *v);
/* bytes: a struct attested.  Proved: that verifier says so; what it says is its word. */
void attested_artefact(struct vl_span bytes, const struct verify_query *q, struct verdict *v);

#endif
