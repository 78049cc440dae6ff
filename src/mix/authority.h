/* authority.h - a directory authority as a pure core: collects descriptors, votes, reveals its share of the shared
 * random value, signs what the votes give, echoes what it saw, and refuses to sign where somebody equivocates.
 *
 * The epoch before epoch e, in sixteenths of its length: descriptors for e are taken up to 10; vote at 10 (with the
 * commitment for e + 1 and the reveal for e); every vote is echoed to all authorities at 12; consensus computed and
 * signature sent at 14; published as soon as `threshold` signatures are there.  Documents are sent again every
 * sixteenth until that phase ends, so that a lost message costs nothing.
 * Source: dir-spec (voting), prop-239 (hash chain), srv-spec (commit and reveal); mixnet.md 6.2. */
#ifndef VL_MIX_AUTHORITY_H
#define VL_MIX_AUTHORITY_H

#include "mix/consensus.h"

enum authority_message {
    AUTHORITY_DESCRIPTOR = 1,
    AUTHORITY_VOTE,
    AUTHORITY_ECHO,
    AUTHORITY_SIGNATURE,
    AUTHORITY_CONSENSUS,
    AUTHORITY_EQUIVOCATION
}; /* first byte of what travels between members; on the wire */

struct authority_config {
    const struct crypto_sign_key *key; /* borrowed for life */
    struct mix_charter charter;
    uint8_t seed[32]; /* of the shares of the shared random value: durable, the same after a restart */
    uint16_t delay_ms[MIX_DELAYS];
    uint16_t tolerance_permille;
    uint32_t anonymity_floor;
};
struct authority;
/* VL_EDENIED: key is not of the charter.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err authority_create(const struct authority_config *cfg, vl_ms now, struct authority **ret);
void authority_destroy(struct authority *a);
/* The consensus that was stored last, signed form; before the first tick.  Errors of mix_consensus_decode() but expiry.
 */
VL_MUST_CHECK enum vl_err authority_restore(struct authority *a, vl_ms now, struct vl_span consensus);

/* From a member that the link authenticated.  `reputation` 0..1000: what the village's books say of that node.
 * VL_EPARSE, VL_ECRYPTO, VL_ERANGE: dropped and counted; VL_EDENIED: `from` may not say this; VL_ESTALE: too late;
 * VL_ELIMIT; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err authority_recv(struct authority *a, vl_ms now, struct vl_node_id from, uint16_t reputation,
                                         struct vl_span message);
vl_ms authority_deadline(const struct authority *a);
void authority_tick(struct authority *a, vl_ms now);

enum authority_effect_kind {
    AUTHORITY_SEND,    /* bytes to authority `to` */
    AUTHORITY_PUBLISH, /* bytes: a whole consensus message: store durably, then give it to every member */
    AUTHORITY_ACCUSE,  /* bytes: an equivocation message: store, log, give to every member */
};
struct authority_effect {
    enum authority_effect_kind kind;
    struct vl_node_id to;
    struct vl_span bytes; /* message with its first byte; borrowed until the next call */
};
bool authority_next(struct authority *a, struct authority_effect *ret);

struct authority_stats {
    uint64_t descriptors, refused, votes, echoes, signatures, consensuses, failed_epochs, equivocations;
    uint64_t epoch; /* of the newest consensus */
};
struct authority_stats authority_stats(const struct authority *a);

#endif
