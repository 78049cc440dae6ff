/* verify_draw.h - neighbours, availability and service levels in words: three kinds of `village verify`.  Pure, total. */
#ifndef VL_TRUST_VERIFY_DRAW_H
#define VL_TRUST_VERIFY_DRAW_H

#include "trust/verify.h"

/* bytes: the inside of an armoured file of TOPOLOGY_FILE_LABEL, CHALLENGE_LABEL, SLA_LABEL. */
void verify_neighbours(struct vl_span bytes, const struct verify_query *q, struct verdict *v);
void verify_availability(struct vl_span bytes, const struct verify_query *q, struct verdict *v);
void verify_sla(struct vl_span bytes, const struct verify_query *q, struct verdict *v);

#endif
