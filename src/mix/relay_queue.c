/* The delay queue: packets by the millisecond in which they are due. */
#include "mix/relay_priv.h"

#include <assert.h>
#include <stdlib.h>

#define CHILDREN 4u
/* Children of i stand at 4i + 1 .. 4i + 4; shifting all by three puts each four into one line of 64 bytes. */
#define SHIFT 3u

static struct relay_wait *at(const struct relay_queue *q, uint32_t i) { return &q->v[(size_t)i + SHIFT]; }
static bool before(const struct relay_wait *a, const struct relay_wait *b) {
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

enum vl_err relay_queue_init(struct relay_queue *q, uint32_t cap) {
    size_t bytes = ((size_t)cap + SHIFT) * sizeof(struct relay_wait);
    *q = (struct relay_queue){ .v = aligned_alloc(64, (bytes + 63) / 64 * 64), .cap = cap };
    return q->v != NULL ? VL_OK : VL_ENOMEM;
}
void relay_queue_free(struct relay_queue *q) {
    free(q->v);
    *q = (struct relay_queue){ 0 };
}

void relay_queue_push(struct relay_queue *q, struct relay_wait w) {
    assert(q->n < q->cap);
    uint32_t i = q->n++;
    while (i > 0) {
        uint32_t parent = (i - 1) / CHILDREN;
        if (!before(&w, at(q, parent))) break;
        *at(q, i) = *at(q, parent);
        i = parent;
    }
    *at(q, i) = w;
}

struct relay_wait relay_queue_top(const struct relay_queue *q) {
    assert(q->n > 0);
    return *at(q, 0);
}

struct relay_wait relay_queue_pop(struct relay_queue *q) {
    assert(q->n > 0);
    struct relay_wait top = *at(q, 0), last = *at(q, --q->n);
    uint32_t i = 0;
    for (;;) {
        uint64_t child = (uint64_t)i * CHILDREN + 1; /* of 2^20 packets no index overflows; of a larger cap it might */
        if (child >= q->n) break;
        uint32_t least = (uint32_t)child;
        for (uint64_t k = child + 1; k < child + CHILDREN && k < q->n; k++)
            if (before(at(q, (uint32_t)k), at(q, least))) least = (uint32_t)k;
        if (!before(at(q, least), &last)) break;
        *at(q, i) = *at(q, least);
        i = least;
    }
    if (q->n > 0) *at(q, i) = last;
    return top;
}
