/* authority.h - a directory authority as a pure core: collects descriptors, votes, reveals its share of the shared
 * random value, signs what the votes give, echoes what it saw, and refuses to count what equivocates.
 *
 * The epoch before epoch e, in sixteenths of its length.  A step is half a sixteenth; what a peer lacks is sent at
 * each.
 *
 *   0..10   nodes hand in descriptors for e; authorities tell each other which consensus is their newest (HAVE)
 *   10      vote for e: hashes of descriptors, share for e, commitment to the share for e + 1; stored, then sent
 *   10..14  ECHO: the signed hashes of all votes seen.  A vote counts when it came from its author before 12, or is
 *           echoed by another before 14: so who tells only one of us, or tells us two things, tells all of us.
 *           Two different votes: proof, accusation, and neither counts.  Bodies and descriptors that are missing are
 *           asked for (WANT) from whoever has them
 *   14      everybody computes the same bytes from the same votes and signs their hash; at `threshold` signatures the
 *           consensus is published.  At 15 votes, and previous consensuses, are given up that nobody sends
 *
 * A node is listed when more than half of all authorities list it with the same descriptor.  Numbers are kept from the
 * previous consensus, which is the one that most votes name (ties: the later; votes that know of none count only when
 * all do).  An epoch without consensus is survived: the next one goes on from the last.  A chain is lost only when
 * every authority that votes has lost it.
 *
 * Shared random value: H(previous value, epoch, shares).  The shares of an authority lie on a hash chain, so that the
 * commitment in a consensus binds it for the next AUTHORITY_SHARE_STEPS epochs, even if some of them fail.  Who does
 * not show the share it is bound to is left out, and stands there for all to see.  The last of f colluding authorities to
 * vote can see the others' shares and choose among the 2^f values that showing or withholding gives: f bits of
 * influence, no more.  The first value of a village, and the first after a pause of more than AUTHORITY_SHARE_STEPS
 * epochs, are weaker: commitments to check are missing.
 *
 * One Byzantine authority cannot split the honest ones while messages between them arrive within two sixteenths;
 * several that collude can make an epoch fail by timing, never have two consensuses signed by honest ones.
 *
 * An authority never signs two votes or two consensuses of one epoch, not even over a crash: STORE comes first.  One
 * that starts within the voting phase without its stored state does not vote (nor, after 14, sign) until the next
 * epoch. Source: dir-spec (voting), prop-239 (hash chain), srv-spec (commit and reveal), Dolev & Strong 1983 (echo
 * rounds); mixnet.md 6.2. */
#ifndef VL_MIX_AUTHORITY_H
#define VL_MIX_AUTHORITY_H

#include "mix/consensus.h"

#define AUTHORITY_SHARE_STEPS 64u

enum authority_message {
    AUTHORITY_DESCRIPTOR = 1,
    AUTHORITY_VOTE,
    AUTHORITY_ECHO,
    AUTHORITY_SIGNATURE,
    AUTHORITY_CONSENSUS,
    AUTHORITY_EQUIVOCATION,
    AUTHORITY_WANT, /* between authorities: documents by hash */
    AUTHORITY_HAVE, /* between authorities: epoch and hash of the newest consensus */
};                  /* first byte of what travels between members; on the wire */

struct authority_config {
    const struct crypto_sign_key *key; /* borrowed for life */
    struct mix_charter charter;
    struct mix_charter former; /* the one before it, whose consensus is gone on from; number 0: none */
    uint8_t seed[32];          /* of the shares of the shared random value: durable, the same after a restart */
    /* What this authority votes for; each value of the consensus is the (lower) median. */
    uint16_t delay_ms[MIX_DELAYS];
    uint16_t tolerance_permille;
    uint32_t anonymity_floor;
};
struct authority;
/* VL_EDENIED: key is not of the charter.  VL_ERANGE: charter; delays do not ascend; former has another root or other
 * epochs. VL_ENOMEM. */
VL_MUST_CHECK enum vl_err authority_create(const struct authority_config *cfg, vl_ms now, struct authority **ret);
void authority_destroy(struct authority *a);
/* The consensus that was stored last, signed form; before the first tick.  Errors of mix_consensus_decode() but expiry.
 */
VL_MUST_CHECK enum vl_err authority_restore(struct authority *a, vl_ms now, struct vl_span consensus);
/* The bytes of the last STORE; before the first tick.  VL_ECORRUPT: not ours.  VL_ENOMEM.  Of an epoch that is over:
 * VL_OK, without effect. */
VL_MUST_CHECK enum vl_err authority_restore_state(struct authority *a, vl_ms now, struct vl_span state);

/* From a member that the link authenticated.  `reputation` 0..1000: what the village's books say of that node (of use
 * with a descriptor only).  Nodes repeat their descriptor until 10/16, or until VL_OK.
 * VL_EPARSE, VL_EVERSION, VL_ECRYPTO, VL_ERANGE: dropped and counted; VL_EDENIED: `from` may not say this; VL_EEXISTS:
 * a different descriptor of that node for that epoch was taken before; VL_ESTALE: too late, or known; VL_ELIMIT: too
 * many nodes (those of the previous consensus always have room), or asks too much; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err authority_recv(struct authority *a, vl_ms now, struct vl_node_id from, uint16_t reputation,
                                         struct vl_span message);
vl_ms authority_deadline(const struct authority *a);
void authority_tick(struct authority *a, vl_ms now);

enum authority_effect_kind {
    AUTHORITY_SEND,    /* bytes to authority `to` */
    AUTHORITY_PUBLISH, /* bytes: a whole consensus message: store durably, then give it to every member */
    AUTHORITY_ACCUSE,  /* bytes: an equivocation message: store, log, give to every member */
    AUTHORITY_STORE,   /* bytes: state, replaces the one before; durable before any later effect is carried out */
};
struct authority_effect {
    enum authority_effect_kind kind;
    struct vl_node_id to;
    struct vl_span bytes; /* message with its first byte; borrowed until the next call of authority_next() or destroy */
};
/* In order; drain after every call above. */
bool authority_next(struct authority *a, struct authority_effect *ret);

struct authority_stats {
    uint64_t descriptors, refused, votes, echoes, signatures, consensuses, failed_epochs, equivocations;
    /* why epochs failed; they add up to failed_epochs */
    uint64_t failed_votes;      /* fewer votes than the threshold */
    uint64_t failed_documents;  /* a descriptor or the previous consensus could not be had */
    uint64_t failed_signatures; /* computed, but too few signed the same */
    uint64_t withheld;          /* own votes, for the state was not restored in the voting phase */
    uint64_t epoch;             /* of the newest consensus */
};
struct authority_stats authority_stats(const struct authority *a);
/* The newest consensus, NULL: none yet.  Borrowed until the next call.  And its signed bytes, as in PUBLISH. */
const struct mix_consensus *authority_consensus(const struct authority *a);
/* The signature of the vote that was admitted of an authority (its index in the charter) in the running round; false: none
 * yet. */
bool authority_vote_seen(const struct authority *a, int index, uint8_t ret_signature[CRYPTO_SIGNATURE]);
struct vl_span authority_consensus_message(const struct authority *a);

#endif
