/* relay_priv.h - the inside of a mix node, shared by relay*.c and by tests that look at every buffer.
 *
 * A pooled buffer is in exactly one place:
 *
 *   FREE -> INGRESS -> BATCH -> WAITING <-> OUT -> FREE        (a drop leads from any place to FREE)
 *             ^                    ^
 *        relay_input()        relay_send() */
#ifndef VL_MIX_RELAY_PRIV_H
#define VL_MIX_RELAY_PRIV_H

#include "crypto/drbg.h"
#include "mix/relay.h"

#define RELAY_LANES 8u     /* a batch of a multiple of this wastes no lane of the key exchange */
#define RELAY_BATCH 64u    /* a batch while nothing is behind */
#define RELAY_BACKLOG 256u /* waiting packets from which on batches are as large as they can be */
#define RELAY_RATE_SECONDS 60u
#define RELAY_NONE UINT32_MAX

/* ---- the packets that wait for their time: relay_queue.c ---- */

struct relay_wait {
    vl_ms due;
    uint32_t order; /* random: among those due in the same millisecond nothing tells who came first */
    uint32_t slot;
};
/* A heap with four children to a node, so that a node's children share a cache line.  Members are private. */
struct relay_queue {
    struct relay_wait *v; /* 64-aligned */
    uint32_t n, cap;
};
VL_MUST_CHECK enum vl_err relay_queue_init(struct relay_queue *q, uint32_t cap);
void relay_queue_free(struct relay_queue *q);
void relay_queue_push(struct relay_queue *q, struct relay_wait w); /* n < cap */
/* The one that is due first.  n > 0. */
struct relay_wait relay_queue_top(const struct relay_queue *q);
struct relay_wait relay_queue_pop(struct relay_queue *q);

/* ---- token buckets: relay_link.c ---- */

struct relay_bucket {
    uint64_t milli; /* thousandths of a packet: a rate in packets a second is so many of them a millisecond */
    vl_ms at;       /* when it was filled last */
};
void relay_bucket_fill(struct relay_bucket *b, uint32_t rate, uint32_t burst, vl_ms now);
bool relay_bucket_take(struct relay_bucket *b); /* one packet; false: not even one is left */
/* Milliseconds that the sender should rest: until three quarters are back when less than half is left; else 0. */
vl_ms relay_bucket_rest(const struct relay_bucket *b, uint32_t rate, uint32_t burst);

struct relay_link {
    uint64_t id;
    struct relay_bucket bucket;
    uint32_t older, newer; /* by last use; RELAY_NONE at the ends.  Of free ones `older` chains */
};
struct relay_links {
    struct relay_link *v;
    uint32_t *table; /* by hash of id: index + 1; 0: free */
    uint32_t mask, n, cap, oldest, newest, free;
    uint32_t rate, burst;
    uint64_t sip[2];
};
/* VL_ENOMEM; destroy in every case. */
VL_MUST_CHECK enum vl_err relay_links_init(struct relay_links *l, const struct relay_limits *limits,
                                           const uint64_t sip[2]);
void relay_links_free(struct relay_links *l);
/* The filled bucket of that link, a new one when it has none; NULL: all are in use.  One that has been idle until it
 * was full again gives way: forgetting it changes nothing. */
struct relay_bucket *relay_links_get(struct relay_links *l, uint64_t id, vl_ms now);
/* Forgets a full bucket at once; one that is not stays, so that dialling again does not fill it. */
void relay_links_gone(struct relay_links *l, uint64_t id, vl_ms now);

/* ---- the node ---- */

enum relay_place { RELAY_FREE = 0, RELAY_INGRESS, RELAY_BATCHED, RELAY_WAITING, RELAY_OUT };

/* What is known of a buffer. */
struct relay_slot {
    struct sphinx_end end; /* DELIVER, REPLY */
    vl_ms came;            /* INGRESS */
    vl_ms give_up;         /* after the first try that failed; 0: none has */
    uint32_t next;         /* FORWARD */
    enum relay_out_kind kind;
    enum relay_place place;
    uint8_t key_id; /* INGRESS */
};
/* What belongs to a key beside the key: same index. */
struct relay_epoch {
    struct replay *table;
    uint8_t y[CRYPTO_VRF_OUTPUT];
    struct replay_stats seen; /* as of the last batch that came back */
};
/* All that relay_batch_run() may touch, and the tables in it. */
struct relay_batch {
    uint32_t n, keys;
    bool out, ran;
    struct sphinx_node_key key[RELAY_KEYS_MAX]; /* copies of those its packets use */
    struct relay_epoch epoch[RELAY_KEYS_MAX];
    uint32_t slot[SPHINX_BATCH];
    bool full[SPHINX_BATCH]; /* the replay table had no room */
    uint64_t delay_us[SPHINX_BATCH];
    struct sphinx_work work[SPHINX_BATCH];
};

struct relay {
    struct relay_limits limits;
    uint8_t *pool; /* limits.packets buffers of SPHINX_PACKET */
    struct relay_slot *slot;
    uint32_t *free;               /* a stack: the buffer used last is the one still in the cache */
    uint32_t free_n, lowest_free; /* buffers below limits.packets - lowest_free have been written to */
    uint32_t *ingress;            /* a ring */
    uint32_t ingress_head, ingress_n;
    struct relay_queue queue;
    struct relay_links links;
    struct relay_bucket all;
    struct sphinx_node_key key[RELAY_KEYS_MAX];
    struct relay_epoch epoch[RELAY_KEYS_MAX];
    uint32_t keys;
    uint16_t longest_ms;
    uint32_t out; /* slot given out by relay_next(), RELAY_NONE */
    struct crypto_drbg rng;
    vl_ms now; /* latest seen */
    struct {
        uint64_t second;
        uint32_t n;
    } rate[RELAY_RATE_SECONDS + 1]; /* by second modulo; the current one is not whole yet */
    struct relay_stats stats;
    struct relay_batch batch;
};

static inline uint8_t *relay_packet(const struct relay *r, uint32_t slot) {
    return r->pool + (size_t)slot * SPHINX_PACKET;
}
/* All of relay_batch_run() that follows sphinx_open(): a simulator of many relays, each with few packets, opens theirs
 * side by side. */
void relay_batch_opened(struct relay_batch *b);
/* A buffer; when there is none, the packet that is due first gives way.  RELAY_NONE: nothing waits that could. */
uint32_t relay_slot_get(struct relay *r);
void relay_slot_free(struct relay *r, uint32_t slot);
void relay_slot_drop(struct relay *r, uint32_t slot, enum relay_drop why);
/* Puts it among those that wait, `place` WAITING. */
void relay_slot_wait(struct relay *r, uint32_t slot, vl_ms due);
/* The latest time seen; takes note of `now`. */
vl_ms relay_clock(struct relay *r, vl_ms now);
/* Ends every call: a relay that has lost count of its packets must not go on. */
void relay_settle(const struct relay *r);

#endif
