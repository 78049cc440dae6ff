#include "net/htx_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A queue that holds one small message costs 1 KiB, not 16: most streams of an idle link are like that. */
#define SMALL_CHUNK (1024u - sizeof(struct htx_chunk))
/* Less room than this at the end of a chunk is not worth a fragment of a large message. */
#define FRAGMENT_MIN 1024u

static struct htx_chunk *chunk_new(struct htx_pool *pool, uint32_t cap) {
    struct htx_chunk *c = pool->spare;
    if (cap == HTX_PLAIN_MAX && c != NULL) {
        pool->spare = c->next;
        pool->n--;
    } else if ((c = malloc(sizeof *c + cap)) == NULL)
        return NULL;
    c->next = NULL;
    c->cap = cap;
    c->len = 0;
    return c;
}

static void chunk_free(struct htx_pool *pool, struct htx_chunk *c) {
    if (c->cap == HTX_PLAIN_MAX && pool->n < HTX_POOL_KEEP) {
        c->next = pool->spare;
        pool->spare = c;
        pool->n++;
    } else
        free(c);
}

static void chain_free(struct htx_pool *pool, struct htx_chunk *c) {
    while (c != NULL) {
        struct htx_chunk *next = c->next;
        chunk_free(pool, c);
        c = next;
    }
}

void htx_pool_free(struct htx_pool *pool) {
    while (pool->spare != NULL) {
        struct htx_chunk *next = pool->spare->next;
        free(pool->spare);
        pool->spare = next;
    }
    pool->n = 0;
}

/* One frame more than needed, for the fragment that may fill up the last chunk. */
uint32_t htx_queue_frames(size_t total) { return (uint32_t)(total / HTX_FRAGMENT_MAX) + 2; }
size_t htx_queue_cost(size_t total) { return total + (size_t)htx_queue_frames(total) * HTX_HEADER; }

struct cursor {
    const struct vl_span *part;
    size_t off;
};

static void copy_parts(struct cursor *c, uint8_t *dst, size_t n) {
    while (n > 0) {
        size_t left = c->part->n - c->off;
        size_t take = left < n ? left : n;
        if (take > 0) memcpy(dst, c->part->p + c->off, take);
        dst += take;
        n -= take;
        c->off += take;
        if (c->off == c->part->n && n > 0) {
            c->part++;
            c->off = 0;
        }
    }
}

static void put_frame(struct htx_queue *q, struct htx_chunk *c, const struct htx_queue_message *m, struct cursor *from,
                      size_t n, bool more, uint32_t seq) {
    struct htx_frame f = { .flags = (uint8_t)(m->flags | (more ? HTX_FLAG_MORE : 0)),
                           .type = m->type,
                           .stream = m->stream,
                           .seq = seq,
                           .timestamp_ms = m->timestamp_ms,
                           .payload = { .n = n } };
    assert(c->len + HTX_HEADER + n <= c->cap);
    htx_frame_put_header(c->bytes + c->len, &f);
    copy_parts(from, c->bytes + c->len + HTX_HEADER, n);
    c->len += (uint32_t)(HTX_HEADER + n);
    q->bytes += HTX_HEADER + n;
    q->unsent += HTX_HEADER + n;
}

/* Chunks for `total` payload bytes that do not go into the tail.  NULL: out of memory. */
static struct htx_chunk *chain_new(struct htx_queue *q, struct htx_pool *pool, size_t total) {
    if (q->bytes == 0 && total + HTX_HEADER <= SMALL_CHUNK) return chunk_new(pool, SMALL_CHUNK);
    struct htx_chunk *first = chunk_new(pool, HTX_PLAIN_MAX), *last = first;
    for (size_t held = HTX_FRAGMENT_MAX; last != NULL && held < total; held += HTX_FRAGMENT_MAX) {
        last->next = chunk_new(pool, HTX_PLAIN_MAX);
        if (last->next == NULL) {
            chain_free(pool, first);
            return NULL;
        }
        last = last->next;
    }
    return first;
}

static void link_chain(struct htx_queue *q, struct htx_chunk *first) {
    if (q->tail == NULL) {
        q->head = q->at = first;
        q->head_off = q->at_off = 0;
    } else
        q->tail->next = first;
}

enum vl_err htx_queue_push(struct htx_queue *q, struct htx_pool *pool, const struct htx_queue_message *m,
                           uint32_t *seq) {
    size_t room = q->tail != NULL ? q->tail->cap - q->tail->len : 0, first = 0;
    bool in_tail = room >= HTX_HEADER + m->total;
    if (in_tail)
        first = m->total;
    else if (m->total > HTX_FRAGMENT_MAX && room >= FRAGMENT_MIN)
        first = room - HTX_HEADER;

    struct htx_chunk *chain = in_tail ? NULL : chain_new(q, pool, m->total - first);
    if (!in_tail && chain == NULL) return VL_ENOMEM;

    struct cursor from = { .part = m->parts };
    size_t left = m->total;
    if (in_tail || first > 0) {
        put_frame(q, q->tail, m, &from, first, !in_tail, (*seq)++);
        left -= first;
    }
    if (chain != NULL) link_chain(q, chain);
    for (struct htx_chunk *c = chain; c != NULL; c = c->next) {
        size_t n = left < HTX_FRAGMENT_MAX ? left : HTX_FRAGMENT_MAX;
        put_frame(q, c, m, &from, n, n < left, (*seq)++);
        left -= n;
        q->tail = c;
    }
    assert(left == 0);
    return VL_OK;
}

bool htx_queue_next(struct htx_queue *q, const uint8_t **ret_frame, size_t *ret_left) {
    if (q->unsent == 0) return false;
    while (q->at_off == q->at->len) {
        q->at = q->at->next;
        q->at_off = 0;
    }
    *ret_frame = q->at->bytes + q->at_off;
    *ret_left = q->at->len - q->at_off;
    return true;
}

void htx_queue_sent(struct htx_queue *q, size_t n) {
    assert(n <= q->unsent && q->at_off + n <= q->at->len);
    q->at_off += (uint32_t)n;
    q->unsent -= n;
}

bool htx_queue_ack(struct htx_queue *q, struct htx_pool *pool, uint32_t seq, bool *ret_more) {
    bool any = false;
    while (q->bytes > 0) {
        if (q->head_off == q->head->len) { /* chunk done: the next one exists, because bytes > 0 */
            struct htx_chunk *done = q->head;
            q->head = done->next;
            q->head_off = 0;
            if (q->at == done) {
                q->at = q->head;
                q->at_off = 0;
            }
            chunk_free(pool, done);
            continue;
        }
        const uint8_t *f = q->head->bytes + q->head_off;
        if (vl_get_u32(f + 12) > seq) break;
        uint32_t len = HTX_HEADER + vl_get_u32(f + 4);
        *ret_more = (f[2] & HTX_FLAG_MORE) != 0;
        if (q->at == q->head && q->at_off == q->head_off) { /* acknowledged before it was sent again */
            q->at_off += len;
            q->unsent -= len;
        }
        q->head_off += len;
        q->bytes -= len;
        any = true;
    }
    if (q->bytes == 0) htx_queue_clear(q, pool);
    return any;
}

void htx_queue_rewind(struct htx_queue *q) {
    q->at = q->head;
    q->at_off = q->head_off;
    q->unsent = q->bytes;
}

void htx_queue_clear(struct htx_queue *q, struct htx_pool *pool) {
    chain_free(pool, q->head);
    *q = (struct htx_queue){ 0 };
}

size_t htx_queue_memory(const struct htx_queue *q) {
    size_t n = 0;
    for (const struct htx_chunk *c = q->head; c != NULL; c = c->next) n += sizeof *c + c->cap;
    return n;
}
