/* relay.h - a mix node as a pure core: packets come in from links, are unwrapped in batches, wait, and go on.
 *
 *   relay_input()  link -> token bucket -> glance -> ingress queue      (packets are copied into pooled buffers)
 *   relay_batch_take()  -> a batch for the pool: relay_batch_run() on any thread -> relay_batch_done()
 *   relay_next()   what is due: forward to a node, deliver here, a loop of our own came back
 *
 * No allocation after create.  At any time, and asserted after every call:
 *   received + made == forwarded + delivered + queued + sum(dropped), counted in packets; queued: in a pooled buffer.
 * Back-pressure: relay_input() says how long that link should rest, long before anything of it is dropped.
 * When packets leave tells nothing of when they came: each waits its delay, and those that are due in the same
 * millisecond leave in random order.
 *
 * Threads.  One for all calls but relay_batch_run(), which may run on any other: it touches the batch (with its own
 * copies of keys and delay secrets), the buffers of its packets, and the replay tables of its keys; the rest of the
 * relay never touches these while a batch is out.  So nobody else may call replay_*() on a table that a relay has, and
 * only one batch is out at a time.  Time is vl_ms of the event and never runs backwards (an earlier one counts as the
 * latest seen); delays are kept in microseconds and end with the millisecond in which they end: never early. */
#ifndef VL_MIX_RELAY_H
#define VL_MIX_RELAY_H

#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "mix/delay.h"
#include "mix/replay.h"
#include "mix/sphinx.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELAY_KEYS_MAX 3u /* previous, current, next epoch */
/* A batch that is not a multiple of eight waits no longer than this (mixnet.md 2.2: 250 us, rounded up). */
#define RELAY_FLUSH_MS 1u

struct relay_limits {
    uint32_t packets;               /* pooled buffers, in all: rate x mean delay + 6 sigma; 64..RELAY_PACKETS_MAX */
    uint32_t ingress;               /* waiting to be unwrapped, 1..packets (MIX-02: 10,000) */
    uint32_t rate, burst;           /* packets per second of all links, and at once; >= 1 */
    uint32_t link_rate, link_burst; /* of one link */
    uint32_t links;                 /* token buckets at once, 1..RELAY_LINKS_MAX */
};
#define RELAY_PACKETS_MAX (1u << 20)
#define RELAY_LINKS_MAX (1u << 16)
/* 65,536 packets, 10,000 ingress, 100,000/s (10,000 at once), 20,000/s a link (2,000 at once), 1,024 links */
struct relay_limits relay_limits_default(void);

/* Stable names in metrics, texts in relay_drop_name(). */
enum relay_drop {
    RELAY_DROP_VERSION = 0,
    RELAY_DROP_KEY_ID,
    RELAY_DROP_POINT,
    RELAY_DROP_MAC,
    RELAY_DROP_REPLAY,
    RELAY_DROP_COMMAND, /* authentic, yet not a slot we know, or a delay longer than any of the consensus */
    RELAY_DROP_PAYLOAD,
    RELAY_DROP_SIZE,        /* not SPHINX_PACKET bytes */
    RELAY_DROP_RATE,        /* a link that goes on although told to rest, or one link too many */
    RELAY_DROP_FULL,        /* the ingress queue is full; or no pooled buffer: the earliest deadline gives way */
    RELAY_DROP_REPLAY_FULL, /* the replay table of the epoch is full */
    RELAY_DROP_EPOCH,       /* its key was destroyed while it waited */
    RELAY_DROP_NO_ROUTE,    /* next node is not in the consensus */
    RELAY_DROP_LINK,        /* next node could not be reached in time */
    RELAY_DROP_RECIPIENT,   /* no mailbox of that name here, or it is full */
    RELAY_DROP_COVER,       /* drop cover has come to its end: as it should */
    RELAY_DROPS
};
const char *relay_drop_name(enum relay_drop why);

struct relay;
/* VL_ERANGE: limits; VL_ENOMEM.  seed: hash tables and batch order. */
VL_MUST_CHECK enum vl_err relay_create(const struct relay_limits *limits, const uint8_t seed[32], struct relay **ret);
void relay_destroy(struct relay *r); /* wipes keys and packets */

/* A mix key with its replay table (borrowed until relay_key_drop() returns true) and the epoch's delay secret; key and
 * secret are copied.  VL_ELIMIT: RELAY_KEYS_MAX; VL_EEXISTS: that key id lives already, or a batch still uses it. */
VL_MUST_CHECK enum vl_err relay_key_add(struct relay *r, const struct sphinx_node_key *key, struct replay *table,
                                        const uint8_t delay_y[CRYPTO_VRF_OUTPUT]);
/* Wipes the key; packets that wait to be unwrapped with it are dropped as EPOCH, those that were unwrapped go on.  No
 * such key: true.  False: all that is done, but a batch that is out has a copy, which is wiped when it comes back: ask
 * again before freeing the table. */
bool relay_key_drop(struct relay *r, uint8_t key_id);

/* The largest mean delay of the consensus.  From now on packets that ask for more are dropped as COMMAND: each would
 * hold a buffer for up to a minute and more, so that a few links could fill the pool and drive out those that are due
 * soon. At create: any. */
void relay_longest_delay(struct relay *r, uint16_t mean_ms);

/* Packets from a link (n bytes: any multiple of SPHINX_PACKET; else all is dropped as SIZE, a part counting as one).
 * `link`: any stable number of the peer.  Returns the time until which that link should rest (htx_hold), or 0: go on.
 * Rest is asked for when less than half of a bucket is left (the link's or that of all links) or the ingress queue is
 * three quarters full; what comes nevertheless is taken while there is anything left, so that what was on its way is
 * not lost. */
vl_ms relay_input(struct relay *r, vl_ms now, uint64_t link, const uint8_t *p, size_t n);
/* Its bucket may be forgotten; one that is not full is kept, so that a link does not gain by dialling again. */
void relay_link_gone(struct relay *r, uint64_t link);
/* A packet of our own (loops, payload of this member): enters as `made`, for node `first`, without a delay.
 * VL_ERANGE: first is 0.  VL_ELIMIT: no buffer; not counted. */
VL_MUST_CHECK enum vl_err relay_send(struct relay *r, vl_ms now, uint32_t first, const uint8_t packet[SPHINX_PACKET]);

/* A batch to be unwrapped, or NULL: one is out, or what waits can wait for more.  Takes what is there in groups of
 * eight, up to 64 and under backlog SPHINX_BATCH; fewer than eight wait for company, RELAY_FLUSH_MS at most.
 * Run it once, on any thread, then give it back: relay_destroy() must not come before. */
struct relay_batch;
struct relay_batch *relay_batch_take(struct relay *r, vl_ms now);
void relay_batch_run(struct relay_batch *b);
void relay_batch_done(struct relay *r, vl_ms now, struct relay_batch *b);

enum relay_out_kind { RELAY_FORWARD = 1, RELAY_DELIVER, RELAY_REPLY };
struct relay_out {
    enum relay_out_kind kind;
    uint32_t next;         /* FORWARD */
    const uint8_t *packet; /* FORWARD: SPHINX_PACKET bytes; DELIVER: SPHINX_BODY; REPLY: SPHINX_DELTA.  Borrowed */
    struct sphinx_end end; /* DELIVER, REPLY */
    uint32_t handle;
};
/* The next packet that is due; false: none.  Answer each with exactly one of the three below before the next call. */
bool relay_next(struct relay *r, vl_ms now, struct relay_out *ret);
void relay_gone(struct relay *r, uint32_t handle);                      /* handed over: forwarded or delivered */
void relay_drop(struct relay *r, uint32_t handle, enum relay_drop why); /* counted */
/* The link is full or not up: tried again at `at`, though no earlier than a millisecond from now; when RELAY_RETRY_MS
 * have passed since the first such call it is tried for the last time, then dropped as LINK. */
#define RELAY_RETRY_MS 5000u
void relay_retry(struct relay *r, vl_ms now, uint32_t handle, vl_ms at);

/* When to call relay_batch_take() or relay_next() again; VL_MS_NEVER: when something comes. */
vl_ms relay_deadline(const struct relay *r);

struct relay_stats {
    uint64_t received;       /* from links, whatever became of them */
    uint64_t taken;          /* of these: into the ingress queue */
    uint64_t opened;         /* key exchanges done */
    uint64_t made;           /* own */
    uint64_t forwarded;      /* own ones too */
    uint64_t delivered;      /* replies too */
    uint64_t replied;        /* of these: replies */
    uint64_t batches, rests; /* rests: answers of relay_input() other than 0 */
    uint64_t dropped[RELAY_DROPS];
    uint32_t ingress, batched, delayed, free_packets; /* now; one more may be in the hands of relay_next()'s caller */
    uint32_t rate;         /* unwrapped packets per second that were given a delay, of the last 60 whole seconds */
    uint64_t delay_sum_us; /* of all packets that were given a delay */
    uint64_t delay_n;
    struct replay_stats replay; /* of the fullest table, as of the last batch; capacity 0: none */
};
/* now: for the rate. */
struct relay_stats relay_stats(const struct relay *r, vl_ms now);
/* The invariant above; false is a bug of ours. */
bool relay_balanced(const struct relay *r);

#endif
