/* topology.h - core: who is drawn for what in which epoch, so that everybody can check it and nobody can arrange it.
 *
 * Beacon.  An epoch is an hour.  Every member of an epoch's roll reveals one VRF output (role BEACON) in it, and
 * S_(e+1) = BLAKE2b-256("village-beacon-1" || S_e || e || node || beta || ...), reveals in the order of node ids.
 * Draws of epoch x use S_(x-2), so that they are known an epoch before they count; the reveals that made S_(x-2) were
 * given in epoch x-3, and the roll of x, with keys and weights, was closed when x-3 began: who enrols, changes a key or
 * gains weight later does not count in x.  So no key can be chosen for a seed, and no seed for a key, but by silence:
 *   Whoever reveals last knows two candidates for the seed, with the reveal and without: one bit of choice for each
 *   reveal that a coalition can withhold, never more.  It does not reach neighbours of others (below), it can shift
 *   draws by the coalition's own keys.  Each silence adds TOPOLOGY_MISSED_STEP to a counter that halves the weight
 *   of that member once per unit; each reveal takes one off.  Whoever orders the reveals can also leave one out;
 *   that member sees it.
 * Draw.  For (node, epoch, role) there is one beta, of the node's VRF key over role, epoch and seed.  All that follows
 * is integers: a 256-bit number r (big-endian) falls to the share [lo, hi) of a total T when lo <= floor(r T / 2^256) <
 * hi, which is r compared with the thresholds ceil(lo 2^256 / T) and ceil(hi 2^256 / T).  No floating point anywhere.
 * Neighbours.  The numbers BLAKE2b-256("village-neighb-1" || beta || i), i = 0 .. 7, draw eight others from the roll by
 * weight, without putting back.  Only the holder of the key knows beta before it shows it, so whatever others do, each
 * of the eight is one of theirs with their share of the weight: with 30 % five or more of eight with probability 5.8 %.
 * Committees.  A node sits on one of k expected seats when beta falls to [0, k weight) of the total weight.
 * Certificate.  (node, epoch, role, weight, beta, proof): whoever has roll and seed checks it alone.
 *
 * Pure; not thread-safe.  Members are whatever the owner says (the roster); expelled nodes stay in rolls that are
 * closed, callers filter them.  Nodes that agree on members, weights and the set of reveals agree on every bit. */
#ifndef VL_TRUST_TOPOLOGY_H
#define VL_TRUST_TOPOLOGY_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/vrf.h"

#include <stdbool.h>

#define TOPOLOGY_EPOCH_MS 3600000u
#define TOPOLOGY_LOOKBACK 2u /* draws of x use S_(x - LOOKBACK) */
#define TOPOLOGY_WAIT 3u     /* the roll of x is closed when x - WAIT begins */
#define TOPOLOGY_NEIGHBOURS 8u
#define TOPOLOGY_MISSED_STEP 16u
#define TOPOLOGY_MISSED_MAX 31u
#define TOPOLOGY_MEMBERS_MAX 100000u
#define TOPOLOGY_CATCH_UP 1000u /* epochs that one call may close */
#define TOPOLOGY_CERT_BYTES 191u

/* Part of what is signed: never renumber.  Other numbers are fine, each draws on its own. */
enum topology_role { TOPOLOGY_BEACON = 1, TOPOLOGY_NEIGHBOUR = 2, TOPOLOGY_COMMITTEE = 3, TOPOLOGY_CHALLENGE = 4 };

struct topology_cert {
    uint64_t epoch;
    struct vl_node_id node;
    uint32_t weight; /* in the roll of that epoch, after halving */
    uint16_t role;
    uint8_t beta[CRYPTO_VRF_OUTPUT];
    uint8_t proof[CRYPTO_VRF_PROOF];
};

static inline uint64_t topology_epoch_of(vl_ms now) { return now / TOPOLOGY_EPOCH_MS; }

struct topology;
/* Begins in `epoch`.  The rolls of the first WAIT + 1 epochs are empty; the first seeds follow from the village's id,
 * so the draws of the three epochs after these can be foreseen by whoever holds the keys (its own draws, that is).
 * max_members: 1 .. TOPOLOGY_MEMBERS_MAX.  NULL: out of memory.  Owned by the caller. */
struct topology *topology_create(uint32_t max_members, const struct vl_hash *village, uint64_t epoch);
void topology_destroy(struct topology *t); /* NULL is a no-op */

uint64_t topology_epoch(const struct topology *t);
/* S of the current epoch. */
struct vl_hash topology_seed(const struct topology *t);
/* Adds a member or changes its key or weight, from the next roll that is closed on.  VL_EVERSION: unknown suite.
 * VL_ELIMIT: max_members.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err topology_member(struct topology *t, struct vl_node_id node,
                                          const struct crypto_vrf_public *vrf, uint32_t weight);
/* Out of the rolls that are closed from now on.  VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err topology_leave(struct topology *t, struct vl_node_id node);
/* The counter of silences, 0 .. TOPOLOGY_MISSED_MAX; 0 for who is no member. */
unsigned topology_missed(const struct topology *t, struct vl_node_id node);
/* What the book has of a member now; false: it is none. */
bool topology_book(const struct topology *t, struct vl_node_id node, struct crypto_vrf_public *ret_vrf, uint32_t *ret_weight);
/* Whether its reveal for the current epoch is here. */
bool topology_has_revealed(const struct topology *t, struct vl_node_id node);
/* Members of the roll of the last, the current or the next epoch; 0: another one.  ret_weight: of that node, ret_total: of all; either
 * may be NULL. */
uint32_t topology_roll_size(const struct topology *t, uint64_t epoch, struct vl_node_id node, uint32_t *ret_weight, uint64_t *ret_total);

/* Takes a reveal for the current epoch: a certificate of role BEACON.  Errors of topology_check(); VL_EXISTS: has
 * revealed already; VL_EDENIED: another role; VL_ESTALE: another epoch than the current one. */
VL_MUST_CHECK enum vl_err topology_reveal(struct topology *t, struct vl_span cert);
/* Closes epochs until `epoch` is the current one: next seed, counters, next roll.  VL_ERANGE: back, or more than
 * TOPOLOGY_CATCH_UP epochs on.  VL_ENOMEM: stopped at an epoch between; call again. */
VL_MUST_CHECK enum vl_err topology_advance(struct topology *t, uint64_t epoch);

/* Our own draw for an epoch from the last to the next one.  VL_ENOTFOUND: not in that roll under that key.  VL_ERANGE:
 * another epoch.  VL_ECRYPTO: as crypto_vrf_prove(). */
VL_MUST_CHECK enum vl_err topology_draw(const struct topology *t, struct vl_node_id node,
                                        const struct crypto_vrf_key *key, uint64_t epoch, uint16_t role,
                                        struct topology_cert *ret);
void topology_cert_encode(const struct topology_cert *c, uint8_t ret[TOPOLOGY_CERT_BYTES]);
/* Any bytes: a certificate that is right, or why not.  VL_EPARSE: length.  VL_EVERSION.  VL_ERANGE: an epoch before the
 * last or after the next one.  VL_ENOTFOUND: not in the roll.  VL_EDENIED: another weight than there.  VL_ECRYPTO: the
 * proof is wrong, or beta is not its output.  why (may be NULL) says it in words. */
VL_MUST_CHECK enum vl_err topology_check(const struct topology *t, struct vl_span in, struct topology_cert *ret,
                                         struct vl_errmsg *why);

/* The neighbours that a checked certificate of role NEIGHBOUR draws, in the order drawn; fewer than eight only when the
 * roll has not eight others of some weight.  Returns how many; 0 for another role, or an epoch that is gone. */
unsigned topology_neighbours(const struct topology *t, const struct topology_cert *c,
                             struct vl_node_id ret[TOPOLOGY_NEIGHBOURS]);
/* Is `node` among them? */
bool topology_is_neighbour(const struct topology *t, const struct topology_cert *c, struct vl_node_id node);
/* Does a checked certificate give one of `seats` expected seats? */
bool topology_elected(const struct topology *t, const struct topology_cert *c, uint32_t seats);

/* All of it, to be written in one transaction with what came in: 70 bytes for each member and for each entry of five
 * rolls, 64 for each reveal.  Appends to dst; on error dst is as before.  VL_ELIMIT, VL_ENOMEM: of dst. */
VL_MUST_CHECK enum vl_err topology_save(const struct topology *t, struct vl_buf *dst);
/* *ret is what was saved, owned by the caller.  VL_EVERSION.  VL_EPARSE: not what topology_save() writes, or more
 * members than max_members.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err topology_restore(struct vl_span in, uint32_t max_members, struct topology **ret);

/* floor(r * total / 2^256) for a big-endian r: below total (0 for 0). */
uint64_t topology_share(const uint8_t r[32], uint64_t total);

#endif
