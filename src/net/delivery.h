/* delivery.h - durable messages between nodes: at least once on the wire, exactly once at the application (NET-09, NET-10).
 * Pure core: one event in, an ordered list of effects out, time in the event.  Not thread-safe.
 *
 * Contract with the caller
 *   1. Carry out all effects of one step in their order, in ONE transaction with whatever the application does on DELIVER;
 *      hand TRANSMIT to the link only after that transaction is durable.
 *   2. After a restart: a new core with a larger epoch, RESTORE_IN and RESTORE_OUT for every row, then PEER_UP.
 *   3. Call with TICK at delivery_deadline().
 *
 * Exactly once.  Every message carries (sender, epoch, priority, seq).  A sender never has a message on the wire whose seq
 * is DELIVERY_WINDOW or more above its oldest undecided one of the same recipient, epoch and priority.  So the receiver
 * needs only a window of that many bits per (sender, epoch, priority): what lies below it has been decided and can only
 * be a late copy (the window of RFC 4303 section 3.4.3, made exact by the sender's rule).  Memory and disk do not grow
 * with traffic, and no rate makes it forget.  A window is dropped once all it could refuse has expired.
 * Only the authenticated peer of the link may be the sender: nobody can fill the table under borrowed names. */
#ifndef VL_NET_DELIVERY_H
#define VL_NET_DELIVERY_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/sign.h"
#include "wire/envelope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DELIVERY_WINDOW 256u          /* part of the wire contract: both ends must agree */
#define DELIVERY_IN_ROW 90u           /* bytes of a PUT_IN row */
#define DELIVERY_EFFECTS_MAX 32768u   /* of one step: PURGE of a destination whose five queues are full at the largest limit */
#define DELIVERY_QUEUE_MAX 2048u      /* largest legal limits.queue[] */
#define DELIVERY_TTL_MAX (7ull * 86400000u)

struct delivery_limits {
    uint32_t queue[ENVELOPE_PRIORITIES];     /* waiting + unacknowledged messages per destination, 1..DELIVERY_QUEUE_MAX */
    uint32_t in_flight[ENVELOPE_PRIORITIES]; /* unacknowledged per destination, 1..DELIVERY_WINDOW */
    uint32_t messages;                       /* of all destinations */
    uint64_t bytes;                          /* memory of all queued messages */
    uint32_t peers;                          /* destinations and links remembered at a time */
    uint32_t windows;                        /* receive windows of all senders */
    uint32_t windows_per_sender;             /* the oldest of the same sender gives way */
    vl_ms ttl_ms;                            /* when SEND says 0 */
    vl_ms ttl_max_ms;                        /* longest life accepted from a peer or SEND; <= DELIVERY_TTL_MAX */
    vl_ms skew_ms;                           /* how far two clocks may differ */
};
struct delivery_retry {
    vl_ms base_ms, cap_ms;    /* wait before try n: uniform in [0, min(cap, base * 2^n)], on top of the time-out */
    vl_ms ack_timeout_ms;     /* on a reliable link: doubled per try up to cap_ms */
    vl_ms unreliable_ms;      /* the same on an unreliable link, not doubled */
    vl_ms ack_delay_ms;       /* how long an acknowledgement may wait for company */
};
struct delivery_cfg {
    struct vl_node_id self;                 /* == public half of key */
    const struct crypto_sign_key *key;      /* borrowed for the core's life */
    uint64_t seed;                          /* jitter, hash tables */
    uint64_t epoch;                         /* boot number: larger at every start of this node */
    struct delivery_limits limits;
    struct delivery_retry retry;
};
/* Limits 10/50/200/500/500, 24 h, retry 0.25 s doubling to 60 s, acknowledgement time-out 5 s.  Fill in self, key, seed, epoch. */
struct delivery_cfg delivery_cfg_default(void);

enum delivery_event_kind {
    DELIVERY_SEND,         /* u.send */
    DELIVERY_PEER_UP,      /* u.up: a (new) link to that peer; everything undecided is sent again */
    DELIVERY_PEER_DOWN,    /* u.peer */
    DELIVERY_RECV_ENVELOPE, /* u.recv: kind envelope from a link */
    DELIVERY_RECV_ACK,     /* u.recv */
    DELIVERY_TICK,
    DELIVERY_RESTORE_OUT,  /* u.row: bytes of a PUT_OUT */
    DELIVERY_RESTORE_IN,   /* u.row: bytes of a PUT_IN */
    DELIVERY_PURGE,        /* u.peer: forget all messages to that node, for it has left for good */
};
/* Borrowed by the core for the call. */
struct delivery_event {
    enum delivery_event_kind kind;
    vl_ms now; /* never smaller than before */
    union {
        struct {
            struct vl_node_id dst; /* self is allowed: DELIVER comes in the same step, nothing is stored */
            uint32_t type;         /* > 0 */
            enum envelope_priority priority;
            vl_ms ttl_ms; /* 0: the default */
            struct vl_span payload;
        } send;
        struct {
            struct vl_node_id peer;
            bool reliable; /* the link itself repeats what is lost */
        } up;
        struct vl_node_id peer;
        struct {
            struct vl_node_id peer; /* authenticated peer of the link */
            struct vl_span bytes;
        } recv;
        struct vl_span row;
    } u;
};

enum delivery_effect_kind {
    DELIVERY_PUT_OUT,   /* store row `bytes` under id; peer = destination, type, at_ms = expiry */
    DELIVERY_DEL_OUT,   /* delete that row */
    DELIVERY_PUT_IN,    /* store or replace row `bytes` under id (names a window, not a message); at_ms = last use */
    DELIVERY_DEL_IN,    /* delete that row */
    DELIVERY_DELIVER,   /* give to the application: id, peer = sender, type, priority, bytes = payload */
    DELIVERY_DELIVERED, /* the recipient acknowledged: id, peer, type */
    DELIVERY_DROPPED,   /* given up: id, peer, type; err VL_EEXPIRED (time to live), VL_ELIMIT (gave way), VL_EDENIED (purged) */
    DELIVERY_TRANSMIT,  /* after commit: send `bytes` (frame says what) to link peer with `priority`; id of an envelope */
};
enum delivery_frame { DELIVERY_FRAME_ENVELOPE = 1, DELIVERY_FRAME_ACK = 2 }; /* the caller's framing tells them apart */
struct delivery_effect {
    enum delivery_effect_kind kind;
    enum delivery_frame frame;
    struct vl_msg_id id;
    struct vl_node_id peer;
    uint32_t type;
    enum envelope_priority priority;
    enum vl_err err;
    vl_ms at_ms;
    struct vl_span bytes; /* borrowed from the effects, the core or the event: valid until the next step */
};
/* Caller-owned, may serve several cores in turn. */
struct delivery_effects {
    struct delivery_effect *v;
    size_t n, cap;
    struct vl_buf arena; /* bytes of effects; private */
};
void delivery_effects_init(struct delivery_effects *fx);
void delivery_effects_free(struct delivery_effects *fx);

/* accepted == delivered + expired + purged + pending after every step; purged counts `evicted` too. */
struct delivery_counters {
    uint64_t accepted, delivered, expired, purged, pending;
    uint64_t evicted;               /* gave way to something critical */
    uint64_t restored;              /* part of accepted: came from the store at start */
    uint64_t transmitted, retried;  /* envelopes to links; retried is a part */
    uint64_t received, duplicates;  /* given to the application; copies of such */
    uint64_t acks_sent, acks_received;
    uint64_t refused_malformed, refused_signature, refused_recipient, refused_expired, refused_limit;
    uint64_t raw_bytes, packed_bytes; /* payloads of SEND before and after compression */
};

struct delivery; /* opaque: counters, queues and windows must agree */
/* VL_ERANGE: a limit is 0 or above its maximum, or self is not the key's.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err delivery_create(const struct delivery_cfg *cfg, struct delivery **ret);
void delivery_destroy(struct delivery *d);

/* One event; replaces the contents of fx.  On error nothing but a counter has changed and fx is empty.
 * The first effect of SEND is PUT_OUT, or DELIVER when it goes to self: its id is the new message's.
 *   SEND          VL_ERANGE payload, type, ttl or priority; VL_ELIMIT queue full (try later); VL_ENOMEM
 *   RECV_*        VL_EPARSE, VL_EVERSION, VL_ECRYPTO bad signature, VL_EDENIED not for us or not from that peer,
 *                 VL_EEXPIRED, VL_ERANGE times that cannot be, VL_EUNSUPPORTED topic, chunk, encrypted; VL_ELIMIT, VL_ENOMEM
 *   RESTORE_*     VL_ECORRUPT not such a row; VL_ESTATE not from an earlier epoch; VL_EEXISTS; VL_ELIMIT; VL_ENOMEM
 *   PEER_UP       VL_ELIMIT, VL_ENOMEM
 *   others        VL_ENOMEM only
 * VL_ERANGE: no such kind of event. */
VL_MUST_CHECK enum vl_err delivery_step(struct delivery *d, const struct delivery_event *ev, struct delivery_effects *fx);
/* When TICK is due: 0 means at once (work was left because the list had its fill), VL_MS_NEVER nothing waits. */
vl_ms delivery_deadline(const struct delivery *d);
struct delivery_counters delivery_counters(const struct delivery *d);
/* Messages queued or in flight for a destination. */
uint32_t delivery_pending(const struct delivery *d, struct vl_node_id dst);

#endif
