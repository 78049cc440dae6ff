/* htx_queue.h - wire-ready frames of one stream, kept from htx_send() until the peer acknowledges them.
 * Frames are built once, header and all, back to back in chunks of one record's size: output seals straight from here,
 * and a replay after a lost connection sends the very same bytes.  Pure; memory comes from the endpoint's pool. */
#ifndef VL_NET_HTX_QUEUE_H
#define VL_NET_HTX_QUEUE_H

#include "base/bytes.h"
#include "base/err.h"
#include "net/htx_frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTX_PLAIN_MAX 16384u                          /* frames of one record */
#define HTX_FRAGMENT_MAX (HTX_PLAIN_MAX - HTX_HEADER) /* DATA payload of one frame: the frame then fills a record */
#define HTX_POOL_KEEP 32u                             /* spare chunks an endpoint holds back from free(): 512 KiB */

struct htx_chunk {
    struct htx_chunk *next;
    uint32_t cap, len;
    uint8_t bytes[];
};
struct htx_pool {
    struct htx_chunk *spare;
    uint32_t n;
};
void htx_pool_free(struct htx_pool *pool);

/* Order in the chunks: acknowledged (gone) < head < sent, unacknowledged < at < not yet sent < tail's end.
 * Invariant: at == NULL only when the queue is empty; unsent <= bytes. */
struct htx_queue {
    struct htx_chunk *head, *tail, *at;
    uint32_t head_off, at_off;
    size_t bytes, unsent; /* with frame headers */
};

/* What every frame of a message has in common. */
struct htx_queue_message {
    uint8_t type, flags; /* flag MORE is set by the queue */
    uint32_t stream;
    uint64_t timestamp_ms;
    const struct vl_span *parts;
    size_t nparts, total; /* total: sum of the parts */
};
/* Bytes and frames that a message of `total` bytes adds at most. */
size_t htx_queue_cost(size_t total);
uint32_t htx_queue_frames(size_t total);
/* Appends the frames with sequence numbers from *seq on, and moves *seq behind them.  VL_ENOMEM: nothing changed. */
VL_MUST_CHECK enum vl_err htx_queue_push(struct htx_queue *q, struct htx_pool *pool, const struct htx_queue_message *m,
                                         uint32_t *seq);
/* Next frame to send: points into the queue; false when all is sent.  *ret_left: bytes in this chunk from there on. */
bool htx_queue_next(struct htx_queue *q, const uint8_t **ret_frame, size_t *ret_left);
/* The next n bytes, whole frames within one chunk, are sent. */
void htx_queue_sent(struct htx_queue *q, size_t n);
/* Frees the frames up to and including `seq`; *ret_more is flag MORE of the last one freed (else untouched).
 * Returns true when it freed any. */
bool htx_queue_ack(struct htx_queue *q, struct htx_pool *pool, uint32_t seq, bool *ret_more);
/* All unacknowledged frames are to be sent again. */
void htx_queue_rewind(struct htx_queue *q);
void htx_queue_clear(struct htx_queue *q, struct htx_pool *pool);
/* Bytes of memory behind the queue. */
size_t htx_queue_memory(const struct htx_queue *q);

#endif
