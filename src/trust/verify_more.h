/* verify_more.h - artefacts with verifiers of their own, put into words for `village verify`: anchors on a chain (anchor_artefact.h) and
 * proofs of predicates (zk_proof.h).  Internal to this folder. */
#ifndef VL_TRUST_VERIFY_MORE_H
#define VL_TRUST_VERIFY_MORE_H

#include "trust/verify.h"

void verify_anchor(struct vl_span bytes, const struct verify_query *q, struct verdict *v);
void verify_predicate(struct vl_span bytes, const struct verify_query *q, struct verdict *v);

#endif
