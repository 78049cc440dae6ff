#include "base/heap.h"
#include "base/map.h"
#include "base/prng.h"

#include "check.h"

#include <stdbool.h>
#include <stdlib.h>

TEST(map, agrees_with_a_plain_array_over_a_random_history) {
    enum { KEYS = 300, STEPS = 20000 };
    static int values[KEYS];
    bool in[KEYS] = { false };
    size_t len = 0;
    struct vl_map m;
    struct vl_prng r;
    vl_map_init(&m, sizeof(uint32_t), KEYS, 7);
    vl_prng_seed(&r, 1);
    for (int i = 0; i < STEPS; i++) {
        uint32_t k = (uint32_t)vl_prng_below(&r, KEYS);
        if (vl_prng_below(&r, 2)) {
            CHECK_OK(vl_map_put(&m, &k, &values[k]));
            len += !in[k];
            in[k] = true;
        } else {
            CHECK((vl_map_del(&m, &k) == &values[k]) == in[k]);
            len -= in[k];
            in[k] = false;
        }
        CHECK_EQ(len, m.len);
    }
    for (uint32_t k = 0; k < KEYS; k++) CHECK((vl_map_get(&m, &k) == &values[k]) == in[k]);
    size_t it = 0, seen = 0;
    const void *key;
    while (vl_map_next(&m, &it, &key)) seen++;
    CHECK_EQ(len, seen);
    vl_map_free(&m);
}

TEST(map, loses_no_entry_when_the_one_given_last_is_deleted_and_the_walk_steps_back) {
    enum { KEYS = 700 };
    static int values[KEYS];
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct vl_map m;
        size_t it = 0, kept = 0;
        const void *key;
        vl_map_init(&m, sizeof(uint32_t), KEYS, seed);
        for (uint32_t k = 0; k < KEYS; k++) CHECK_OK(vl_map_put(&m, &k, &values[k]));
        for (int *v; (v = vl_map_next(&m, &it, &key));) {
            uint32_t k = *(const uint32_t *)key;
            if ((k * 2654435761u ^ (uint32_t)seed) % 4 == 0) continue; /* these stay */
            CHECK(vl_map_del(&m, &k) == v);
            it--;
        }
        for (uint32_t k = 0; k < KEYS; k++) {
            bool stays = (k * 2654435761u ^ (uint32_t)seed) % 4 == 0;
            CHECK_EQ(stays, vl_map_get(&m, &k) != NULL);
            kept += stays;
        }
        CHECK_EQ(kept, m.len);
        vl_map_free(&m);
    }
}

TEST(map, refuses_the_entry_above_its_limit_but_replaces_at_it) {
    int v = 0, w = 0;
    uint8_t a = 1, b = 2;
    struct vl_map m;
    vl_map_init(&m, 1, 1, 0);
    CHECK_OK(vl_map_put(&m, &a, &v));
    CHECK_EQ(VL_ELIMIT, vl_map_put(&m, &b, &v));
    CHECK_OK(vl_map_put(&m, &a, &w));
    CHECK(vl_map_get(&m, &a) == &w);
    vl_map_free(&m);
}

TEST(heap, yields_by_time_then_by_insertion_through_moves_and_removals) {
    enum { N = 500 };
    static struct vl_heap_node nodes[N];
    struct vl_heap h = { 0 };
    struct vl_prng r;
    vl_prng_seed(&r, 2);
    for (int i = 0; i < N; i++) CHECK_OK(vl_heap_set(&h, &nodes[i], vl_prng_below(&r, 50)));
    for (int i = 0; i < N; i += 3) CHECK_OK(vl_heap_set(&h, &nodes[i], vl_prng_below(&r, 50)));
    for (int i = 0; i < N; i += 5) vl_heap_remove(&h, &nodes[i]);
    vl_heap_remove(&h, &nodes[0]); /* twice is a no-op */
    vl_ms at = 0;
    uint64_t order = 0;
    size_t seen = 0;
    for (struct vl_heap_node *n; (n = vl_heap_top(&h)); vl_heap_remove(&h, n), seen++) {
        CHECK(n->at > at || (n->at == at && (seen == 0 || n->order > order)));
        at = n->at;
        order = n->order;
    }
    CHECK_EQ(N - N / 5, seen);
    CHECK(vl_heap_deadline(&h) == VL_MS_NEVER);
    vl_heap_free(&h);
}

TEST(prng, matches_the_reference_sequence_of_xoshiro256starstar) {
    /* state 1,2,3,4: first outputs of the authors' reference program */
    struct vl_prng r = { .s = { 1, 2, 3, 4 } };
    CHECK(vl_prng_next(&r) == 11520u);
    CHECK(vl_prng_next(&r) == 0u);
    CHECK(vl_prng_next(&r) == 1509978240u);
    CHECK(vl_prng_next(&r) == 1215971899390074240u);
}

TEST(siphash, depends_on_seed_and_on_every_byte) {
    const uint64_t a[2] = { 1, 2 }, b[2] = { 1, 3 };
    CHECK(vl_siphash(a, "abcdefghi", 9) != vl_siphash(b, "abcdefghi", 9));
    CHECK(vl_siphash(a, "abcdefghi", 9) != vl_siphash(a, "abcdefghj", 9));
    CHECK(vl_siphash(a, "abcdefgh", 8) != vl_siphash(a, "abcdefgh\0", 9));
}
