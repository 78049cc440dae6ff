/* channel.h - messages through the mixnet: fragments, erasure code, acknowledgement by reply block, randomised
 * retransmission, reassembly exactly once; and answers to senders that nobody knows.
 *
 * Out: channel_send() cuts a message into k data and n - k parity fragments.  channel_slot() gives the next one when
 * the cover traffic has a payload slot.  Each fragment carries a reply block for its acknowledgement, and is sealed to
 * the recipient's static key with an ephemeral of its own, so that the provider in between sees neither sender, nor
 * message id, nor which fragments belong together. In: channel_recv() of what the mailbox held. Does not: choose paths
 * (the caller gives headers and reply blocks), know the time but by argument.  Pure. */
#ifndef VL_MIX_CHANNEL_H
#define VL_MIX_CHANNEL_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/dh.h"
#include "mix/path.h"
#include "mix/sphinx.h"

#define CHANNEL_MESSAGE_MAX (72u * 1024u) /* an envelope of ENVELOPE_MAX with a certificate */
#define CHANNEL_FRAGMENT_DATA 992u        /* of a message in one fragment */
#define CHANNEL_OUT_MAX 1024u             /* messages on their way */
#define CHANNEL_IN_MAX 1024u              /* messages being put together */
#define CHANNEL_TRIES 12u

struct channel_config {
    uint8_t seed[32];
    uint8_t static_secret[32];
    vl_ms ttl_ms;             /* of an undelivered message; default 10 min */
    uint16_t parity_permille; /* parity fragments per data fragment; default 250, at least one when k > 1 */
    uint32_t surbs_low_water; /* anonymous conversations: ask for more below this; default 8 */
};
struct channel_config channel_config_default(void);
struct channel;
VL_MUST_CHECK enum vl_err channel_create(const struct channel_config *cfg, struct channel **ret);
void channel_destroy(struct channel *c);

struct channel_to {
    struct vl_node_id node;
    uint8_t static_key[32];
    enum mix_level level;
    bool anonymous; /* the recipient may answer with channel_answer(); reply blocks for that go along */
};
/* Queues a message (copied).  VL_ELIMIT: CHANNEL_OUT_MAX, or one queue's bytes; VL_ERANGE: longer than
 * CHANNEL_MESSAGE_MAX, or level OFF; VL_ENOMEM.  *ret_id names it in DONE and FAILED. */
VL_MUST_CHECK enum vl_err channel_send(struct channel *c, vl_ms now, const struct channel_to *to,
                                       struct vl_span message, uint64_t *ret_id);
/* Answers in a conversation that RECEIVED named, through the reply blocks the other side gave.  VL_ENOTFOUND;
 * VL_EAGAIN: no block left, more were asked for. */
VL_MUST_CHECK enum vl_err channel_answer(struct channel *c, vl_ms now, const uint8_t conversation[16],
                                         struct vl_span message);

/* What a payload slot shall carry.  The caller builds a path to `to` of `level` and, for each of surbs (<= 3), a reply
 * block of that level, then calls channel_fill(); or, with reply set, `packet` and `first` are ready to go. */
struct channel_slot {
    bool reply;
    uint8_t packet[SPHINX_PACKET];
    uint32_t first;
    struct vl_node_id to;
    enum mix_level level;
    uint32_t surbs;
    uint64_t handle;
};
/* False: nothing is waiting (the slot carries cover). */
bool channel_slot(struct channel *c, vl_ms now, struct channel_slot *ret);
/* rtt_ms: 99.9 % of round trips are shorter (from the delays of both paths): the retransmission timer starts there.
 * Writes the body for sphinx_seal().  VL_ESTALE: acknowledged or given up meanwhile. */
VL_MUST_CHECK enum vl_err channel_fill(struct channel *c, vl_ms now, uint64_t handle, vl_ms rtt_ms,
                                       const uint8_t (*surb)[SPHINX_SURB], const struct sphinx_surb_keys *keys,
                                       uint8_t ret_body[SPHINX_BODY]);
/* No path could be built now: the fragment goes back into the queue. */
void channel_skip(struct channel *c, vl_ms now, uint64_t handle);

/* From the mailbox.  delta: SPHINX_DELTA bytes of a reply under surb_id.  VL_EPARSE, VL_ECRYPTO, VL_ENOTFOUND (block
 * unknown or used: single use), VL_EREPLAY: a fragment we have; VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err channel_recv(struct channel *c, vl_ms now, const uint8_t body[SPHINX_BODY]);
VL_MUST_CHECK enum vl_err channel_recv_reply(struct channel *c, vl_ms now, const uint8_t surb_id[16],
                                             const uint8_t delta[SPHINX_DELTA]);

enum channel_event_kind {
    CHANNEL_RECEIVED, /* bytes: a whole message, once; conversation when has_conversation */
    CHANNEL_DONE,     /* id: acknowledged */
    CHANNEL_FAILED,   /* id: given up (ttl or CHANNEL_TRIES) */
};
struct channel_event {
    enum channel_event_kind kind;
    uint64_t id;
    struct vl_span bytes; /* borrowed until the next call */
    bool has_conversation;
    uint8_t conversation[16];
    enum mix_level level; /* at which the sender sent it, and answers should travel */
};
bool channel_next(struct channel *c, struct channel_event *ret);
vl_ms channel_deadline(const struct channel *c);
void channel_tick(struct channel *c, vl_ms now);
/* Reply blocks of an epoch that is over are worth nothing: forget them (both sides). */
void channel_epoch(struct channel *c, vl_ms now, uint64_t epoch);

struct channel_stats {
    uint64_t sent, done, failed, received, duplicates, fragments, retransmitted, acks_sent, acks, recovered, bad;
    uint32_t out, in, waiting; /* messages on their way, being put together; fragments ready for a slot */
};
struct channel_stats channel_stats(const struct channel *c);

#endif
