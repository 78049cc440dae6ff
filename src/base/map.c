#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint64_t rotl(uint64_t x, unsigned b) { return x << b | x >> (64 - b); }

/* Inlined by force: as a call it took twice as long. */
__attribute__((always_inline)) static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t vl_siphash(const uint64_t seed[2], const void *p, size_t n) {
    uint64_t v[4] = { seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du, seed[0] ^ 0x6c7967656e657261u,
                      seed[1] ^ 0x7465646279746573u };
    const uint8_t *at = p;
    size_t left = n;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t m;
        memcpy(&m, at, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)n << 56;
    for (size_t i = 0; i < left; i++) last |= (uint64_t)at[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void vl_map_init(struct vl_map *m, size_t key_size, size_t max, uint64_t seed) {
    assert(key_size >= 1 && key_size <= 64 && max > 0);
    *m = (struct vl_map){ .key_size = key_size, .max = max, .seed = { seed, ~seed } };
}

void vl_map_free(struct vl_map *m) {
    free(m->keys);
    free(m->values);
    m->keys = NULL;
    m->values = NULL;
    m->len = m->cap = 0;
}

static uint8_t *key_at(const struct vl_map *m, size_t i) { return m->keys + i * m->key_size; }
static size_t slot_of(const struct vl_map *m, const void *key) {
    return vl_siphash(m->seed, key, m->key_size) & (m->cap - 1);
}

/* The slot of the key, or the free slot where it belongs.  cap > len, so that a free slot exists. */
static size_t map_find(const struct vl_map *m, const void *key) {
    size_t i = slot_of(m, key);
    while (m->values[i] != NULL && memcmp(key_at(m, i), key, m->key_size) != 0) i = (i + 1) & (m->cap - 1);
    return i;
}

void *vl_map_get(const struct vl_map *m, const void *key) { return m->cap ? m->values[map_find(m, key)] : NULL; }

static enum vl_err map_grow(struct vl_map *m) {
    struct vl_map next = *m;
    next.cap = m->cap ? m->cap * 2 : 8;
    next.keys = malloc(next.cap * m->key_size);
    next.values = calloc(next.cap, sizeof *next.values);
    if (next.keys == NULL || next.values == NULL) {
        free(next.keys);
        free(next.values);
        return VL_ENOMEM;
    }
    for (size_t i = 0; i < m->cap; i++) {
        if (m->values[i] == NULL) continue;
        size_t to = map_find(&next, key_at(m, i));
        memcpy(key_at(&next, to), key_at(m, i), m->key_size);
        next.values[to] = m->values[i];
    }
    free(m->keys);
    free(m->values);
    *m = next;
    return VL_OK;
}

enum vl_err vl_map_put(struct vl_map *m, const void *key, void *value) {
    assert(value != NULL);
    if (m->cap) {
        size_t i = map_find(m, key);
        if (m->values[i] != NULL) {
            m->values[i] = value;
            return VL_OK;
        }
    }
    if (m->len >= m->max) return VL_ELIMIT;
    if ((m->len + 1) * 4 > m->cap * 3) {
        enum vl_err err = map_grow(m);
        if (err) return err;
    }
    size_t i = map_find(m, key);
    memcpy(key_at(m, i), key, m->key_size);
    m->values[i] = value;
    m->len++;
    return VL_OK;
}

/* Backward-shift deletion: no tombstones, so that probe lengths do not grow with age. */
void *vl_map_del(struct vl_map *m, const void *key) {
    if (m->cap == 0) return NULL;
    size_t hole = map_find(m, key);
    void *value = m->values[hole];
    if (value == NULL) return NULL;
    size_t mask = m->cap - 1;
    for (size_t i = (hole + 1) & mask; m->values[i] != NULL; i = (i + 1) & mask) {
        size_t home = slot_of(m, key_at(m, i));
        if (((i - home) & mask) < ((i - hole) & mask)) continue; /* already between its home and the hole */
        memcpy(key_at(m, hole), key_at(m, i), m->key_size);
        m->values[hole] = m->values[i];
        hole = i;
    }
    m->values[hole] = NULL;
    m->len--;
    return value;
}

void *vl_map_next(const struct vl_map *m, size_t *it, const void **ret_key) {
    for (; *it < m->cap; ++*it) {
        if (m->values[*it] == NULL) continue;
        if (ret_key) *ret_key = key_at(m, *it);
        return m->values[(*it)++];
    }
    return NULL;
}
