/* zk_credential.h - numbers that somebody vouches for without showing them: an issuer signs Pedersen commitments of
 * attributes (zk_range.h) for a holder.  The holder gets the openings beside it, and proves predicates about them
 * (zk_proof.h).
 *
 * The commitments are the same each time: whoever sees a credential twice knows that it is the same one.
 * The issuer vouches that each number is below 2^bits, and that attributes are what their names say.
 * Parsers are strict: one encoding for each credential.  Pure but for the buffer. */
#ifndef VL_TRUST_ZK_CREDENTIAL_H
#define VL_TRUST_ZK_CREDENTIAL_H

#include "base/ms.h"
#include "crypto/sign.h"
#include "trust/zk_pred.h"
#include "trust/zk_range.h"

#define ZK_ABOUT_SIZE 64u /* with the NUL; printable ASCII */
#define ZK_CREDENTIAL_MAX 3072u /* bytes */
#define ZK_CREDENTIAL_LABEL "VILLAGE CREDENTIAL"

struct zk_credential {
    struct vl_node_id issuer;
    struct vl_node_id holder;   /* zeros: whoever knows the openings */
    vl_ms from_ms, until_ms;    /* from <= now < until < 2^63 */
    char about[ZK_ABOUT_SIZE];  /* what it is about: "sla 2026-Q3"; may be "" */
    unsigned n;                 /* 1..ZK_ATTRS_MAX */
    struct {
        char name[ZK_NAME_SIZE]; /* of the language; strictly ascending */
        uint8_t bits;            /* 1..64 */
        uint8_t commitment[32];
    } attr[ZK_ATTRS_MAX];
    uint8_t signature[CRYPTO_SIGNATURE];
};

/* Fills issuer, commitments of value[i] with blind[i] (below L, secret, uniform, used once), and signature; all else is
 * the caller's.  VL_ERANGE: a number not below 2^bits, names out of order or not of the language, no time between
 * from_ms and until_ms, text not printable; *c is as before. */
VL_MUST_CHECK enum vl_err zk_credential_issue(struct zk_credential *c, const struct crypto_sign_key *issuer,
                                              const struct zk_gens *g, const uint64_t *value,
                                              const uint8_t (*blind)[32]);
/* VL_ERANGE: as above; errors of appending. */
VL_MUST_CHECK enum vl_err zk_credential_write(const struct zk_credential *c, struct vl_buf *out);
/* All of `in`.  VL_EPARSE, VL_EVERSION; signatures are not looked at. */
VL_MUST_CHECK enum vl_err zk_credential_read(struct vl_span in, struct zk_credential *ret);
/* VL_ECRYPTO: not signed by c->issuer.  VL_EEXPIRED, VL_EAGAIN: at at_ms it is no longer, not yet valid. */
VL_MUST_CHECK enum vl_err zk_credential_check(const struct zk_credential *c, vl_ms at_ms);
/* Place of an attribute; -1: none of that name. */
int zk_credential_find(const struct zk_credential *c, const char *name);
bool zk_credential_held(const struct zk_credential *c); /* by somebody named */

#endif
