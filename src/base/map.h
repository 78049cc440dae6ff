/* map.h - hash map from keys of one fixed size to pointers, with a hard limit on entries.
 * SipHash-1-3 under the caller's seed, because peers choose many of the keys (Aumasson & Bernstein 2012).
 * The order of vl_map_next() depends on the seed and on history: never decide anything by it in a core. */
#ifndef VL_BASE_MAP_H
#define VL_BASE_MAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vl_map {
    size_t key_size, len, cap, max;
    uint64_t seed[2];
    uint8_t *keys;
    void **values; /* NULL: free slot */
};

/* 1 <= key_size <= 64; at most max entries.  Allocates nothing yet. */
void vl_map_init(struct vl_map *m, size_t key_size, size_t max, uint64_t seed);
/* Frees the table, not the values. */
void vl_map_free(struct vl_map *m);
/* NULL when absent.  The value stays owned by whoever put it. */
void *vl_map_get(const struct vl_map *m, const void *key);
/* Adds or replaces; value != NULL; the key is copied.  VL_ELIMIT: max entries.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err vl_map_put(struct vl_map *m, const void *key, void *value);
/* Returns the value taken out, NULL when absent. */
void *vl_map_del(struct vl_map *m, const void *key);
/* Walks all entries: start with *it = 0, ends with NULL.  Do not put while walking, and delete only
 * the entry given last, stepping back then (--*it): what moves into its place was behind it, or comes a second time. */
void *vl_map_next(const struct vl_map *m, size_t *it, const void **ret_key);

/* The keyed hash itself, for tables built elsewhere. */
uint64_t vl_siphash(const uint64_t seed[2], const void *p, size_t n);

#endif
