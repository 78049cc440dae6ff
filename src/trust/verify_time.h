/* verify_time.h - timestamps of others under `village verify`: OpenTimestamps files (ots.h) and RFC 3161 tokens (crypto/timestamp.h).
 * Internal to this folder. */
#ifndef VL_TRUST_VERIFY_TIME_H
#define VL_TRUST_VERIFY_TIME_H

#include "trust/verify.h"

bool verify_ots_is(struct vl_span bytes);
void verify_ots(struct vl_span bytes, const struct verify_query *q, struct verdict *v);
bool verify_rfc3161_is(struct vl_span bytes);
void verify_rfc3161(struct vl_span bytes, const struct verify_query *q, struct verdict *v);

#endif
