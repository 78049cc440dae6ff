/* idempotency.h - a POST with an Idempotency-Key takes effect once: its answer is kept for 24 hours and given again.
 * Same key and same body: the kept answer. Same key, other body: 422. Still in flight: 409. Only successes are kept:
 * what failed may be tried again. Kept answers are sealed under the client's key, because one may hold a secret (a join
 * ticket) and the database should not. Source: draft-ietf-httpapi-idempotency-key-header-07. */
#ifndef VL_GATEWAY_IDEMPOTENCY_H
#define VL_GATEWAY_IDEMPOTENCY_H

#include "gateway/gateway_priv.h"

#define IDEMPOTENCY_KEY_MAX 128u

/* Looks at r's Idempotency-Key. True: go on (r->context is set when there is a key). False: answered already. */
bool idem_begin(struct gateway *g, struct http_req *r, const struct route *route);
/* Seals the answer into the record that is to be stored; NULL when r carries no key or the answer is too large. */
const struct backend_answer *idem_seal(struct http_req *r, uint16_t status, const char *fields, struct vl_span body);
/* Stores the answer, then sends it.  Only when r->context is set. */
void idem_store_and_send(struct gateway *g, struct http_req *r, uint16_t status, const char *fields,
                         struct vl_span body);
/* r was answered. */
void idem_end(struct gateway *g, struct idem *i);

#endif
