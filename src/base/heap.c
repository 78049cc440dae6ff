#include "base/heap.h"

#include <stdbool.h>
#include <stdlib.h>

static bool earlier(const struct vl_heap_node *a, const struct vl_heap_node *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void place(struct vl_heap *h, size_t i, struct vl_heap_node *n) {
    h->v[i - 1] = n;
    n->index = i;
}

static void sift_up(struct vl_heap *h, size_t i) {
    struct vl_heap_node *n = h->v[i - 1];
    for (; i > 1 && earlier(n, h->v[i / 2 - 1]); i /= 2) place(h, i, h->v[i / 2 - 1]);
    place(h, i, n);
}

static void sift_down(struct vl_heap *h, size_t i) {
    struct vl_heap_node *n = h->v[i - 1];
    for (;;) {
        size_t child = 2 * i;
        if (child > h->len) break;
        if (child < h->len && earlier(h->v[child], h->v[child - 1])) child++;
        if (!earlier(h->v[child - 1], n)) break;
        place(h, i, h->v[child - 1]);
        i = child;
    }
    place(h, i, n);
}

void vl_heap_free(struct vl_heap *h) {
    free(h->v);
    *h = (struct vl_heap){ 0 };
}

enum vl_err vl_heap_set(struct vl_heap *h, struct vl_heap_node *n, vl_ms at) {
    if (n->index == 0) {
        if (h->len == h->cap) {
            size_t cap = h->cap ? h->cap * 2 : 16;
            struct vl_heap_node **v = realloc(h->v, cap * sizeof *v);
            if (v == NULL) return VL_ENOMEM;
            h->v = v;
            h->cap = cap;
        }
        place(h, ++h->len, n);
    }
    n->at = at;
    n->order = h->next_order++;
    size_t i = n->index;
    sift_up(h, i);
    sift_down(h, n->index);
    return VL_OK;
}

void vl_heap_remove(struct vl_heap *h, struct vl_heap_node *n) {
    if (n->index == 0) return;
    size_t i = n->index;
    struct vl_heap_node *last = h->v[--h->len];
    n->index = 0;
    if (last == n) return;
    place(h, i, last);
    sift_up(h, i);
    sift_down(h, last->index);
}

struct vl_heap_node *vl_heap_top(const struct vl_heap *h) {
    return h->len ? h->v[0] : NULL;
}
vl_ms vl_heap_deadline(const struct vl_heap *h) { return h->len ? h->v[0]->at : VL_MS_NEVER; }
