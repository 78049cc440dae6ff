/* path.h - which relays a packet takes: levels, guards, weights, constraints; ready-made headers; the anonymity floor.
 * Fails closed: when the consensus cannot give a path of the level's length within the constraints, there is none, and
 * the reason says why.  Pure; deterministic by seed. Source: prop-271 (guards), path-spec; mixnet.md 6.1 to 6.3. */
#ifndef VL_MIX_PATH_H
#define VL_MIX_PATH_H

#include "mix/consensus.h"
#include "mix/sphinx.h"
#include "wire/level.h"

/* DELIVER into a mailbox, mail and loops alike: a provider must not tell one from the other. */
#define PATHS_SERVICE_MAIL 0u

struct paths;
/* seed: fresh or, in tests, fixed.  self is never on a path.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err paths_create(const uint8_t seed[32], struct vl_node_id self, struct paths **ret);
void paths_destroy(struct paths *p);
/* Guard state as stored earlier.  VL_ECORRUPT.  And its bytes now; *ret_changed: since the last call. */
VL_MUST_CHECK enum vl_err paths_guards_restore(struct paths *p, struct vl_span bytes);
VL_MUST_CHECK enum vl_err paths_guards_save(struct paths *p, struct vl_buf *out, bool *ret_changed);

/* A new consensus (borrowed until the next one or destroy): templates and headers of the old one are thrown away. */
void paths_consensus(struct paths *p, vl_ms now, const struct mix_consensus *c);
/* The guard in use, 0: none.  prop-271: sampled, filtered, confirmed, primary (guard.h).  A path to a recipient whose
 * provider is that guard, or of its family or subnet, begins at the next guard that is not: see hop[0].
 * paths_guard_result(): what came of a link to a guard, each time it is tried, comes up or breaks (not: that there is
 * none yet). */
uint32_t paths_guard(struct paths *p, vl_ms now);
void paths_guard_result(struct paths *p, vl_ms now, uint32_t guard, bool reached);
/* The guards to which a member keeps links, the one in use first; how many.  The others carry what may not begin at the
 * first: payload to its own mailboxes, and the like share of drop cover. */
#define PATHS_GUARDS 3u
uint32_t paths_guards(struct paths *p, vl_ms now, uint32_t ret[PATHS_GUARDS]);

/* Why a level cannot be had; VL_OK: it can.  msg names the constraint, e.g. "secret needs 21 relays in 7 families;
 * there are 9 in 3".  *ret_mean_ms: the mean delay a hop that the anonymity floor asks for (rate x mean >= K), a value
 * of the consensus: the longest that a path of the level may get, for the mean of a path goes by the slowest relay on
 * it.  Relays whose published rate cannot reach K with the longest delay are never chosen; a rate of 0 is unknown, and
 * gets the longest delay.  VL_EUNSUPPORTED: too few relays or families, level OFF; VL_EDENIED: the floor would need a
 * longer delay than any value of the consensus; VL_EEXPIRED: no consensus, too old, or not begun; VL_EAGAIN: no guard
 * that would do can be reached now. */
VL_MUST_CHECK enum vl_err paths_level(struct paths *p, vl_ms now, enum mix_level level, uint16_t *ret_mean_ms,
                                      struct vl_errmsg *msg);
/* A path guard, ..., exit to a recipient through its provider (the provider is the last hop, whatever its roles; a
 * level of 1 hop goes to the provider alone).  When we are that provider the path ends here, as our loops do: it has as
 * many hops, and who waits with us in our own mailboxes we know anyway.  Errors of paths_level(), VL_EUNSUPPORTED also
 * when the recipient is ourselves; VL_ENOTFOUND: the recipient, or its provider, is not listed. */
VL_MUST_CHECK enum vl_err paths_to_client(struct paths *p, vl_ms now, enum mix_level level, struct vl_node_id to,
                                          struct sphinx_path *ret, struct vl_errmsg *msg);
/* The way back to our own mailbox, for a reply block that `from` will use: it begins at from's provider, where all of
 * its packets go (a first hop of our choice would lead `from` to a relay of our choice), and ends at ours with REPLY.
 * Ours is the provider that the consensus lists for us, which is ourselves when we are a relay; not listed: the guard.
 * The two may be one relay or of one family, but for SECRET.  VL_ENOTFOUND: one of the two is not listed. */
VL_MUST_CHECK enum vl_err paths_reply(struct paths *p, vl_ms now, enum mix_level level, struct vl_node_id from,
                                      const uint8_t surb_id[16], struct sphinx_path *ret, struct vl_errmsg *msg);
/* Cover: a loop back to ourselves (DELIVER with `service`), and drop cover to a random relay with the role exit.  A
 * loop starts where payload starts, so that the first link shows no difference, and ends at our mailbox: it alone may
 * have one relay, the guard, at both ends. */
VL_MUST_CHECK enum vl_err paths_loop(struct paths *p, vl_ms now, enum mix_level level, uint32_t service,
                                     struct sphinx_path *ret);
VL_MUST_CHECK enum vl_err paths_drop(struct paths *p, vl_ms now, enum mix_level level, struct sphinx_path *ret);

/* Headers made ahead, eight at a time, for loop and drop cover (service PATHS_SERVICE_MAIL) and for one recipient at a
 * time: the level and recipient of the last paths_take().  Taken oldest first, each once; thrown away at the end of
 * their epoch, after 10 minutes, or when another guard comes into use.  paths_refill() does the work when fewer than
 * `wanted` (25 at most) of a use are there: call it when idle.  paths_take(): errors as above, and of sphinx_build(),
 * when none is ready and none can be built. */
enum paths_use { PATHS_LOOP = 0, PATHS_DROP = 1, PATHS_CLIENT = 2 };
void paths_refill(struct paths *p, vl_ms now, uint32_t wanted);
VL_MUST_CHECK enum vl_err paths_take(struct paths *p, vl_ms now, enum paths_use use, enum mix_level level,
                                     struct vl_node_id to, struct sphinx_prebuilt *ret, uint32_t *ret_delay_sum_ms);

struct paths_stats {
    uint32_t eligible, families, ready, sampled_guards, confirmed_guards;
    uint64_t built, taken, expired, refused;
};
struct paths_stats paths_stats(const struct paths *p);

#endif
