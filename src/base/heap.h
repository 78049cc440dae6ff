/* heap.h - intrusive binary min-heap of deadlines, ordered by (time, order of insertion).
 * Embed a struct vl_heap_node in what waits; the heap holds pointers only.  For timers, leases, the simulator. */
#ifndef VL_BASE_HEAP_H
#define VL_BASE_HEAP_H

#include "base/err.h"
#include "base/ms.h"

#include <stddef.h>

struct vl_heap_node {
    vl_ms at;
    uint64_t order;
    size_t index; /* 1-based place in the heap; 0: not in it */
};
struct vl_heap {
    struct vl_heap_node **v;
    size_t len, cap;
    uint64_t next_order;
};

void vl_heap_free(struct vl_heap *h); /* frees the table, not the nodes */
/* Adds n, or moves it when it is in the heap already.  VL_ENOMEM (only when adding). */
VL_MUST_CHECK enum vl_err vl_heap_set(struct vl_heap *h, struct vl_heap_node *n, vl_ms at);
/* A no-op when n is not in the heap. */
void vl_heap_remove(struct vl_heap *h, struct vl_heap_node *n);
/* Earliest node, NULL when empty; stays in the heap. */
struct vl_heap_node *vl_heap_top(const struct vl_heap *h);
/* VL_MS_NEVER when empty. */
vl_ms vl_heap_deadline(const struct vl_heap *h);

#endif
