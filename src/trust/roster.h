/* roster.h - the member's view of its village: whose certificate is good now?  Core: pure.
 * Holds the village id, and the newest revocation list it has seen. */
#ifndef VL_TRUST_ROSTER_H
#define VL_TRUST_ROSTER_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/ms.h"
#include "wire/cert.h"

#include <stdint.h>

#define ROSTER_SKEW_MS 120000u /* a certificate issued by a clock this much ahead of ours is good already */

/* BLAKE2b-128 of the root public key. */
struct village_id village_id_of(const uint8_t root[32]);

struct roster;
/* NULL: out of memory.  Returns owned. */
struct roster *roster_create(struct village_id village);
void roster_destroy(struct roster *r);
struct village_id roster_village(const struct roster *r);

/* Takes an encoded list (copied).  VL_EPARSE, VL_EVERSION.  VL_EDENIED: of another village.  VL_ECRYPTO: not signed by
 * the root.  VL_ESTALE: older than the list we have; the same number again is VL_OK and changes nothing.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err roster_revoke(struct roster *r, struct vl_span encoded);
/* 0: none yet. */
uint64_t roster_list_number(const struct roster *r);
/* The list itself, to pass on to others; empty when none.  Borrowed until the next roster_revoke(). */
struct vl_span roster_list(const struct roster *r);

/* Whether this certificate makes its node a member at `now`.  The caller has proved that the peer holds cert->node or
 * cert->static_key.  In this order:
 * VL_EPARSE, VL_EVERSION  not a certificate      VL_EDENIED   of another village
 * VL_ECRYPTO  not signed by the root             VL_EAGAIN    not valid yet (clocks differ)
 * VL_EEXPIRED  now >= expires_ms                 VL_ESTALE    revoked: the node was expelled */
VL_MUST_CHECK enum vl_err roster_check(const struct roster *r, struct vl_span encoded, vl_ms now, struct cert *ret);
/* The same for a certificate checked before (links that live long): time and revocation only. */
VL_MUST_CHECK enum vl_err roster_recheck(const struct roster *r, const struct cert *cert, vl_ms now);
/* Whether what `node` signed about the time `at` counts: VL_ESTALE when its key was revoked before.  A node that was admitted again after
 * an expulsion stays in the list for the certificates it had then: ask only about nodes that are no members. */
VL_MUST_CHECK enum vl_err roster_signed_at(const struct roster *r, struct vl_node_id node, vl_ms at);
/* What to tell people about an error of roster_check().  Static storage. */
const char *roster_problem(enum vl_err err);

#endif
