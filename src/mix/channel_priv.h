/* channel_priv.h - the insides of mix/channel, shared by its files only:
 *   channel.c            the interface, whose turn a slot is, events, time
 *   channel_out.c        messages and answers on their way: pieces, retransmission, receipts
 *   channel_in.c         putting together, remembering, acknowledging
 *   channel_owner.c      conversations we began: reply blocks given out, refills
 *   channel_responder.c  conversations others began: reply blocks held, answers
 *   channel_wire.c       bytes and boxes */
#ifndef VL_MIX_CHANNEL_PRIV_H
#define VL_MIX_CHANNEL_PRIV_H

#include "base/heap.h"
#include "base/map.h"
#include "crypto/drbg.h"
#include "mix/channel_wire.h"

#define CHANNEL_OPEN_MAX 8u     /* control cells handed to a slot and not filled yet */
#define CHANNEL_FLIGHTS_MAX 24u /* refills of one conversation on their way */
#define CHANNEL_SKIP_MS 1000u   /* what has no path now is not offered again before */
#define CHANNEL_BACKOFF_MAX 3u  /* the round trip counts up to so many times in the wait of later tries */
#define CHANNEL_OF(type, member, p) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* ---- lists ---- */

struct channel_link {
    struct channel_link *next, *prev;
    bool in;
};
struct channel_list {
    struct channel_link *first, *last;
    uint32_t n;
};
void channel_list_add(struct channel_list *l, struct channel_link *x); /* at the end; x is in no list */
void channel_list_del(struct channel_list *l, struct channel_link *x); /* a no-op when it is not in */

/* ---- what is owed to somebody: waits until its time, then for a slot ---- */

enum channel_task_kind { CHANNEL_TASK_ACK, CHANNEL_TASK_STATUS, CHANNEL_TASK_REFILL };
struct channel_task {
    struct vl_heap_node due;
    struct channel_link link; /* in c->replies or c->controls */
    enum channel_task_kind kind;
    bool control; /* leaves in a cell of ours, not in a reply */
};

/* ---- reply blocks ---- */

/* What we keep of one given out. */
struct out_msg;
struct talk_out;
struct surb_key {
    struct channel_link all, own; /* own: in msg->keys or talk->keys */
    struct sphinx_surb_keys keys;
    uint32_t expiry;
    struct out_msg *msg; /* one of the two */
    struct talk_out *talk;
};
/* One that somebody gave us. */
struct block {
    struct channel_link link;
    uint8_t surb[SPHINX_SURB];
};

/* ---- messages on their way ---- */

enum frag_state { FRAG_IDLE, FRAG_WAITING, FRAG_OPEN, FRAG_FLIGHT, FRAG_KNOWN };
#define FRAG_STATES 5u
/*            plan            slot          fill
 *   IDLE ---------> WAITING ------> OPEN --------> FLIGHT ---> receipt: KNOWN (from any state)
 *     ^                ^             |skip            |
 *     |                +-------------+                |
 *     +-----------------------------------------------+ time-out */
struct frag {
    vl_ms at; /* FLIGHT: presumed lost */
    enum frag_state state;
    uint8_t tries;
};
struct talk_in;
struct channel_event_node {
    struct channel_link link;
    struct channel_event event;
    uint8_t *bytes;
};
struct out_msg {
    struct vl_heap_node due;
    struct channel_link ring;   /* in c->ring: has something for a slot */
    struct channel_link answer; /* in responder->answers */
    uint64_t number;
    uint8_t id[16];
    struct channel_to to;
    struct talk_out *talk;     /* anonymous: its conversation */
    struct talk_in *responder; /* an answer: its conversation; else NULL */
    uint8_t *shards;
    uint32_t size, k, n, length; /* size: of a shard */
    uint32_t count[FRAG_STATES];
    struct frag frag[CHANNEL_SHARDS_MAX];
    bool has_instance;
    uint32_t instance;
    vl_ms expires, blocked_until;
    struct channel_list keys;
    struct channel_event_node *event;
};

/* ---- messages coming in ---- */

struct in_msg {
    struct channel_task task;
    struct channel_link link; /* in c->partial (idle longest first), c->recent or c->old */
    struct channel_link age;  /* in c->ages: incomplete, oldest first */
    uint8_t key[24];          /* message id; then the number of our conversation that it answers, else 0 */
    enum mix_level level;
    bool complete, has_conversation;
    uint8_t conversation[16];
    uint8_t k, n;
    uint32_t size, length, have, instance;
    uint8_t bitmap[CHANNEL_BITMAP];
    vl_ms at;            /* first seen; when complete: completed */
    uint64_t epoch;      /* in c->old: when it came there */
    uint8_t **shard;     /* n pointers; NULL when complete */
    struct block *block; /* newest, not used yet; NULL */
};

/* ---- conversations ---- */

struct refill_flight {
    uint32_t seq, blocks;
    vl_ms at; /* presumed lost */
};
struct talk_out {
    struct vl_heap_node due;
    struct channel_link link;
    struct channel_task refill;
    uint64_t number, newest; /* newest: message in it */
    uint8_t id[16];
    struct channel_to to;
    vl_ms fresh_until, expires, quiet_until, probe_at, probe_every, rtt_ms;
    struct channel_list keys;
    bool started, open; /* started: a fragment has left; open: a refill is in a slot */
    uint32_t status_seq, left, wanted;
    struct refill_flight flight[CHANNEL_FLIGHTS_MAX];
    uint32_t flights, next_seq, fails;
};
struct talk_in {
    struct channel_link link; /* in c->talks_in_list: not heard of for the longest first */
    struct channel_task status;
    uint8_t id[16];
    enum mix_level level;
    vl_ms heard, rtt_ms;
    struct channel_list pool;    /* struct block, oldest first */
    struct channel_list answers; /* struct out_msg */
    uint32_t seq, top;
    uint64_t bits; /* bit i: refill top - i was seen */
};
/* A control cell handed to a slot. */
struct control_open {
    uint64_t handle; /* 0: free */
    uint64_t talk;
    uint32_t blocks;
    bool has_receipt;
    uint8_t receipt[24]; /* key of the in_msg */
};

struct channel {
    vl_ms ttl_ms;
    uint32_t parity_permille, low_water;
    struct crypto_dh_key self;
    struct crypto_drbg rng;
    uint64_t epoch, numbers, opens;
    struct channel_stats stats;

    struct vl_map out, out_ids; /* struct out_msg by number; by id */
    struct vl_heap out_due;
    struct channel_list ring;
    uint64_t out_bytes;

    struct vl_map keys; /* struct surb_key by id */
    struct channel_list keys_list;

    struct vl_map in; /* struct in_msg by key */
    struct channel_list partial, ages, recent, old;
    uint64_t in_bytes;

    struct vl_heap tasks_due;
    struct channel_list replies, controls;
    struct control_open open[CHANNEL_OPEN_MAX];
    uint32_t urgent_run; /* slots in a row that went to tasks */
    bool control_turn;

    struct vl_map talks_out; /* struct talk_out by number */
    struct channel_list talks_out_list;
    struct vl_heap talks_due;
    struct vl_map talks_in; /* struct talk_in by id */
    struct channel_list talks_in_list;
    uint32_t blocks;

    struct channel_list events;
    struct channel_event_node *given; /* lent to the caller */
};

/* channel.c */
void channel_wipe_free(void *p, size_t n); /* p may be NULL */
/* lo + uniform in [0, span]. */
vl_ms channel_random(struct channel *c, vl_ms lo, vl_ms span);
void channel_task_at(struct channel *c, struct channel_task *t, vl_ms at); /* the earlier one counts */
void channel_task_ready(struct channel *c, struct channel_task *t);
void channel_task_off(struct channel *c, struct channel_task *t);
void channel_event_push(struct channel *c, struct channel_event_node *e); /* takes e */
/* Keeps the keys of a block that goes out; exactly one of m and t.  VL_EEXISTS, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err channel_key_add(struct channel *c, const struct sphinx_surb_keys *keys, uint32_t expiry,
                                          struct out_msg *m, struct talk_out *t);
void channel_key_free(struct channel *c, struct surb_key *k);
bool channel_block_dead(const struct channel *c, const uint8_t *surb); /* its epoch is over */
/* The packet that carries `data` through `b`, which is used up.  VL_EPARSE: not a reply block. */
VL_MUST_CHECK enum vl_err channel_reply(struct block *b, struct vl_span data, struct channel_slot *ret);
struct block *channel_block_new(const uint8_t surb[SPHINX_SURB]); /* NULL: no memory */
void channel_block_free(struct block *b);

/* channel_out.c */
/* Cuts and queues a message.  One of to and responder.  VL_ELIMIT, VL_ERANGE, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err channel_out_new(struct channel *c, vl_ms now, struct vl_span message,
                                          const struct channel_to *to, struct talk_in *responder, struct out_msg **ret);
void channel_out_end(struct channel *c, struct out_msg *m, enum channel_event_kind kind);
void channel_out_free(struct channel *c, struct out_msg *m);
/* After a change or a time-out: presumes lost, plans, lists, sets the timer; may end and free m. */
void channel_out_settle(struct channel *c, vl_ms now, struct out_msg *m);
void channel_out_receipt(struct channel *c, vl_ms now, struct out_msg *m, const struct channel_receipt *r);
bool channel_out_take(struct channel *c, vl_ms now, struct channel_slot *ret);
VL_MUST_CHECK enum vl_err channel_out_fill(struct channel *c, vl_ms now, uint64_t handle, vl_ms rtt_ms,
                                           const uint8_t *surb, const struct sphinx_surb_keys *keys,
                                           uint8_t ret_body[SPHINX_BODY]);
void channel_out_skip(struct channel *c, vl_ms now, uint64_t handle);
/* Fragment i leaves now. */
void channel_out_sent(struct channel *c, vl_ms now, struct out_msg *m, uint32_t i, vl_ms rtt_ms);
void channel_out_set(struct channel *c, struct out_msg *m, uint32_t i, enum frag_state state);
int channel_out_waiting(const struct out_msg *m); /* index of a fragment; -1 */
struct channel_shard channel_out_shard(const struct out_msg *m, uint32_t i);

/* channel_in.c */
struct in_source {
    enum mix_level level;
    const uint8_t *conversation; /* NULL: none */
    const uint8_t *surb;         /* reply block that came with it; NULL for answers */
    struct talk_out *answers;    /* the conversation of ours; NULL for messages */
    uint32_t size;
};
VL_MUST_CHECK enum vl_err channel_in_shard(struct channel *c, vl_ms now, const struct channel_shard *s,
                                           const struct in_source *from);
struct in_msg *channel_in_find(const struct channel *c, const uint8_t key[24]);
void channel_in_receipt(const struct in_msg *m, struct channel_receipt *ret);
bool channel_in_ack(struct channel *c, struct in_msg *m, struct channel_slot *ret);
void channel_in_age(struct channel *c, vl_ms now);
vl_ms channel_in_deadline(const struct channel *c);
void channel_in_epoch(struct channel *c);
void channel_in_destroy(struct channel *c);

/* channel_owner.c */
/* The conversation of a new message.  VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err channel_owner_talk(struct channel *c, vl_ms now, const struct channel_to *to,
                                             struct talk_out **ret);
void channel_owner_plan(struct channel *c, vl_ms now, struct talk_out *t); /* may end and free t */
void channel_owner_status(struct channel *c, vl_ms now, struct talk_out *t, const struct channel_status *s,
                          bool answer);
bool channel_owner_refill(struct channel *c, vl_ms now, struct talk_out *t, struct channel_slot *ret);
bool channel_owner_ack(struct channel *c, vl_ms now, struct in_msg *m, struct channel_slot *ret);
VL_MUST_CHECK enum vl_err channel_owner_fill(struct channel *c, vl_ms now, uint64_t handle, vl_ms rtt_ms,
                                             const uint8_t (*surb)[SPHINX_SURB], const struct sphinx_surb_keys *keys,
                                             uint8_t ret_body[SPHINX_BODY]);
void channel_owner_skip(struct channel *c, vl_ms now, uint64_t handle);
void channel_owner_free(struct channel *c, struct talk_out *t);

/* channel_responder.c */
struct talk_in *channel_responder_find(const struct channel *c, const uint8_t id[16]);
/* Makes it when there is none, and notes that it lives.  NULL: no memory. */
struct talk_in *channel_responder_hear(struct channel *c, vl_ms now, const uint8_t id[16], enum mix_level level,
                                       uint32_t rtt_ms);
void channel_responder_give(struct channel *c, vl_ms now, struct talk_in *t, struct block *b); /* takes b */
VL_MUST_CHECK enum vl_err channel_responder_refill(struct channel *c, vl_ms now, const struct channel_refill *r);
/* A fragment of an answer into a slot.  False: no block. */
bool channel_responder_take(struct channel *c, vl_ms now, struct out_msg *m, struct channel_slot *ret);
bool channel_responder_status(struct channel *c, struct talk_in *t, struct channel_slot *ret);
void channel_responder_stand(struct channel *c, struct talk_in *t, struct channel_status *ret);
void channel_responder_age(struct channel *c, vl_ms now);
vl_ms channel_responder_deadline(const struct channel *c);
void channel_responder_epoch(struct channel *c);
void channel_responder_free(struct channel *c, struct talk_in *t); /* its answers fail */

#endif
