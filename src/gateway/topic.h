/* topic.h - topics of events: each event is built once as a WebSocket frame and kept in a bounded ring. A subscriber is
 * a position in that ring, so a slow one costs no memory: it falls behind until it falls off. */
#ifndef VL_GATEWAY_TOPIC_H
#define VL_GATEWAY_TOPIC_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/ms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOPIC_NAME_MAX 48u
#define TOPIC_RING_FRAMES 8192u
#define TOPIC_RING_BYTES (1u << 20)          /* the backlog of which a client may be behind */
#define TOPIC_TASK_RING_BYTES (128u * 1024u) /* there may be many of these */
#define TOPIC_EVENT_MAX (64u * 1024u)        /* one event; a task with 64 outputs is about 12 KiB */
#define TOPIC_KEEP_MS 60000u                 /* events are kept for resumption so long after the last subscriber left */

struct topic_frame {
    uint64_t offset; /* bytes published before it */
    size_t n;
    uint8_t bytes[]; /* whole frame with its header */
};

struct topic {
    char name[TOPIC_NAME_MAX];
    uint64_t next_seq;  /* of the next event; the ring holds the `len` before it */
    uint64_t published; /* bytes, ever */
    size_t ring_bytes, max_bytes;
    struct topic_frame **ring;
    size_t cap, head, len;
    struct topic_sub *subs; /* list */
    uint64_t left_ms; /* when the last subscriber left, by the loop's clock; 0: there are some, or never were any */
    bool dirty;       /* events since the last fan-out */
    struct topic *next;
};

struct topic_sub {
    struct topic *topic;
    uint64_t next_seq;
    uint64_t offset; /* bytes published before next_seq, as far as known */
    void *client;
    struct topic_sub *prev, *next; /* of the topic */
};

/* Sequence numbers begin at a number that no earlier run can have reached: `wall` ms times 1024 (below 2^53). */
struct topic *topic_create(const char *name, size_t max_bytes, vl_ms wall);
void topic_destroy(struct topic *t);
/* Counts one event; keeps it when `keep`, with `data` as its JSON.  VL_ELIMIT: too large; VL_ENOMEM: counted, not kept.
 */
VL_MUST_CHECK enum vl_err topic_publish(struct topic *t, bool keep, struct vl_span data);
/* Puts s at the event after `after`, or at the end when !resume. False: those are gone; s stands at the end. */
bool topic_seek(struct topic *t, struct topic_sub *s, bool resume, uint64_t after);
/* Next frame for s, NULL when it has them all.  *ret_lost: it fell off the ring (nothing is handed out). */
const struct topic_frame *topic_next(const struct topic_sub *s, bool *ret_lost);
void topic_advance(struct topic_sub *s, const struct topic_frame *f);
void topic_attach(struct topic *t, struct topic_sub *s);
void topic_detach(struct topic_sub *s, uint64_t now);
/* True while events have to be kept. */
bool topic_listened(const struct topic *t, uint64_t now);

/* Unmasked final text frame header for n payload bytes (RFC 6455 5.2) into dst[10]; returns its length. */
size_t topic_frame_header(size_t n, uint8_t dst[10]);

#endif
