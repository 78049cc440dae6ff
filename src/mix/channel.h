/* channel.h - messages through the mixnet: fragments, erasure code, acknowledgement by reply block, randomised
 * retransmission, reassembly exactly once; and answers to senders that nobody knows.
 *
 * Out: channel_send() cuts a message into k data and n - k parity fragments.  channel_slot() gives the next one when
 * the cover traffic has a payload slot.  Each fragment carries a reply block for its acknowledgement, and is sealed to
 * the recipient's static key with an ephemeral of its own, so that the provider in between sees neither sender, nor
 * message id, nor which fragments belong together. In: channel_recv() of what the mailbox held. Does not: choose paths
 * (the caller gives headers and reply blocks), know the time but by argument.  Bytes: docs/spec/channel.md.
 *
 * Who is next in a slot.  Acknowledgements and reply blocks for others go before messages, for each saves the far end a
 * retransmission or lets it speak at all; but after two such slots a waiting message has one, so that a stranger who
 * makes us acknowledge cannot silence us.  Messages take turns, one fragment each, whether it goes for the first time
 * or again: with first transmissions in front a steady stream of new messages would starve old ones until their ttl,
 * with retransmissions in front one recipient that is gone would slow down all others.
 *
 * What a stranger can do.  Anybody who knows our static key can fill the tables below, up to their limits and at the
 * rate at which our mailbox is fetched.  Senders are anonymous, so there is no share that one of them could be held to:
 * what has made no progress for the longest time goes first, whoever sent it; only answers in conversations we began
 * have a known sender, and no more than CHANNEL_ANSWERS_MAX of one are put together at a time.  A flood therefore costs
 * others retransmissions, not correctness; and 16 cells a second, the rate of a mailbox, push no id of a delivered
 * message out before its fragments are worthless (ttl and two epochs, 70 min).  All tables full take about 130 MiB.
 * Pure; deterministic by seed; times never run backwards.  Not thread-safe.
 */
#ifndef VL_MIX_CHANNEL_H
#define VL_MIX_CHANNEL_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/dh.h"
#include "mix/sphinx.h"
#include "wire/level.h"

#define CHANNEL_BODY 1u                   /* type byte of the bodies of all packets made here */
#define CHANNEL_MESSAGE_MAX (72u * 1024u) /* an envelope of ENVELOPE_MAX with a certificate */
#define CHANNEL_FRAGMENT_DATA 992u        /* of a message in one fragment */
#define CHANNEL_ANSWER_DATA 1536u         /* of an answer in one fragment: it carries no reply block */
#define CHANNEL_SHARDS_MAX 160u           /* fragments of a message, parity included */
#define CHANNEL_OUT_MAX 1024u             /* messages and answers on their way */
#define CHANNEL_OUT_BYTES (32u << 20)     /* of their fragments */
#define CHANNEL_TTL_MAX 86400000u
#define CHANNEL_IN_MAX 1024u             /* messages being put together; the one that waited longest gives way */
#define CHANNEL_IN_BYTES (16u << 20)     /* of their fragments; the same */
#define CHANNEL_REMEMBERED (72u * 1024u) /* ids of delivered messages: 76 min of 16 a second; the oldest gives way */
#define CHANNEL_EVENTS_MAX 4096u         /* messages received that channel_next() was not asked for */
/* Times one fragment is sent.  A round trip over 7 hops each way with 5 % loss at each hop succeeds in 49 of 100 cases:
 * 16 tries fail in 2 of 100,000, 12 would in 3 of 10,000. */
#define CHANNEL_TRIES 16u
#define CHANNEL_TALKS_OUT 256u    /* conversations we began */
#define CHANNEL_TALKS_IN 4096u    /* conversations others began; the one not heard of for the longest gives way */
#define CHANNEL_POOL_MAX 64u      /* reply blocks held for one conversation; more are dropped */
#define CHANNEL_BLOCKS_MAX 16384u /* held for all; and keys of blocks given out: the oldest gives way */
#define CHANNEL_ANSWERS_MAX 8u    /* unacknowledged answers of one conversation */
/* A whole message is acknowledged within so long, what there is of an incomplete one within half to all of that. */
#define CHANNEL_ACK_MS 250u
#define CHANNEL_PARTIAL_ACK_MS 2000u

struct channel_config {
    uint8_t seed[32];
    uint8_t static_secret[32];
    vl_ms ttl_ms; /* 1..CHANNEL_TTL_MAX; of an undelivered message; the same in the whole village; default 10 min */
    uint16_t parity_permille; /* 0..1000: parity fragments per data fragment; default 250, at least one when k > 1 */
    uint32_t surbs_low_water; /* 1..32; anonymous conversations: the responder gets more below this; default 8 */
};
struct channel_config channel_config_default(void);
struct channel;
/* Copies cfg; its secrets are the caller's to wipe.  VL_ERANGE, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err channel_create(const struct channel_config *cfg, struct channel **ret);
void channel_destroy(struct channel *c); /* wipes; NULL is a no-op */

struct channel_to {
    struct vl_node_id node;
    uint8_t static_key[32];
    enum mix_level level;
    bool anonymous; /* the recipient may answer with channel_answer(); reply blocks for that go along */
};
/* Queues a message (copied; may be empty).  Anonymous messages to one recipient at one level within ttl_ms belong to
 * one conversation.  VL_ELIMIT: CHANNEL_OUT_MAX, CHANNEL_OUT_BYTES or CHANNEL_TALKS_OUT; VL_ERANGE: longer than
 * CHANNEL_MESSAGE_MAX, or level OFF; VL_ECRYPTO: a static key of low order; VL_ENOMEM.
 * *ret_id > 0 names it in DONE and FAILED. */
VL_MUST_CHECK enum vl_err channel_send(struct channel *c, vl_ms now, const struct channel_to *to,
                                       struct vl_span message, uint64_t *ret_id);
/* Answers in a conversation that RECEIVED named, through the reply blocks the other side gave; it leaves as far as
 * there are blocks, and more are asked for.  DONE and FAILED name it, too.  VL_ENOTFOUND: no such conversation, or it
 * is over; VL_EAGAIN: CHANNEL_ANSWERS_MAX answers wait for blocks or their acknowledgement; VL_ERANGE, VL_ELIMIT,
 * VL_ENOMEM: as above. */
VL_MUST_CHECK enum vl_err channel_answer(struct channel *c, vl_ms now, const uint8_t conversation[16],
                                         struct vl_span message, uint64_t *ret_id);

/* What a payload slot shall carry.  The caller builds a path to `to` of `level` and, for each of surbs (<= 3, may be
 * 0), a reply block of that level, then calls channel_fill() or channel_skip(); or, with reply set, `packet` and
 * `first` are ready to go.  At most 8 slots may be open (neither filled nor skipped) at a time. */
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
/* rtt_ms: 99.9 % of round trips are shorter (from the delays of both paths, and the wait in mailbox and queues): the
 * retransmission timer starts there.  surb and keys: as many as the slot said; borrowed.  Writes the body for
 * sphinx_seal().  VL_ESTALE: acknowledged or given up meanwhile, or no such handle; VL_EEXISTS: the id of a block is
 * not new; VL_ENOMEM.  After the last two the fragment is back in the queue. */
VL_MUST_CHECK enum vl_err channel_fill(struct channel *c, vl_ms now, uint64_t handle, vl_ms rtt_ms,
                                       const uint8_t (*surb)[SPHINX_SURB], const struct sphinx_surb_keys *keys,
                                       uint8_t ret_body[SPHINX_BODY]);
/* No path could be built now: the fragment goes back into the queue, and its message waits a second. */
void channel_skip(struct channel *c, vl_ms now, uint64_t handle);

/* From the mailbox.  delta: SPHINX_DELTA bytes of a reply under surb_id.  VL_EPARSE, VL_EVERSION, VL_ECRYPTO;
 * VL_EEXPIRED: its reply block belongs to an epoch that is over; VL_ENOTFOUND (block unknown or used: single use);
 * VL_EREPLAY: a fragment we have; VL_ELIMIT: CHANNEL_EVENTS_MAX; VL_ENOMEM.  A damaged reply (VL_ECRYPTO) does not use
 * its block up; after VL_ENOMEM what came counts as lost. */
VL_MUST_CHECK enum vl_err channel_recv(struct channel *c, vl_ms now, const uint8_t body[SPHINX_BODY]);
VL_MUST_CHECK enum vl_err channel_recv_reply(struct channel *c, vl_ms now, const uint8_t surb_id[16],
                                             const uint8_t delta[SPHINX_DELTA]);

enum channel_event_kind {
    CHANNEL_RECEIVED, /* bytes: a whole message, once; conversation when has_conversation */
    CHANNEL_DONE,     /* id: acknowledged */
    CHANNEL_FAILED,   /* id: given up (ttl or CHANNEL_TRIES; an answer also when its conversation ends) */
};
struct channel_event {
    enum channel_event_kind kind;
    uint64_t id;          /* RECEIVED: 0; of an answer: the newest message that was sent in its conversation */
    struct vl_span bytes; /* borrowed until the next call */
    bool has_conversation;
    bool answer; /* to us: who sent it is whom `id` went to */
    uint8_t conversation[16];
    enum mix_level level; /* at which the sender sent it, and answers should travel */
};
bool channel_next(struct channel *c, struct channel_event *ret);
/* After channel_tick(now) it is later than now.  VL_MS_NEVER: nothing waits. */
vl_ms channel_deadline(const struct channel *c);
void channel_tick(struct channel *c, vl_ms now);
/* Reply blocks of an epoch that is over are worth nothing: forget them (both sides). */
void channel_epoch(struct channel *c, vl_ms now, uint64_t epoch);

struct channel_stats {
    uint64_t sent, done, failed, received, duplicates; /* messages and answers; duplicates: fragments */
    uint64_t fragments, retransmitted;                 /* sent; retransmitted is a part */
    uint64_t acks_sent, acks, recovered, bad;          /* recovered: messages that needed parity */
    uint64_t refills, evicted;            /* cells of reply blocks sent; incomplete messages that gave way */
    uint32_t out, in, waiting;            /* messages on their way, being put together; fragments ready for a slot */
    uint32_t talks_out, talks_in, blocks; /* conversations; reply blocks of others that we hold for answers */
};
struct channel_stats channel_stats(const struct channel *c);

#endif
