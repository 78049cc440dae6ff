#include "mix/fec.h"

#include "base/prng.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_HERE 1600u

struct code {
    uint32_t k, n;
    size_t size;
    uint8_t data[FEC_SHARDS_MAX][SIZE_MAX_HERE], copy[FEC_SHARDS_MAX][SIZE_MAX_HERE];
    uint8_t *shard[FEC_SHARDS_MAX];
    bool have[FEC_SHARDS_MAX];
};
static struct code *code_new(struct vl_prng *r, uint32_t k, uint32_t n, size_t size) {
    struct code *c = calloc(1, sizeof *c);
    assert_non_null(c);
    *c = (struct code){ .k = k, .n = n, .size = size };
    for (uint32_t i = 0; i < n; i++) {
        c->shard[i] = c->data[i];
        for (size_t b = 0; b < size; b++) c->data[i][b] = (uint8_t)vl_prng_next(r);
    }
    CHECK_OK(fec_encode(k, n, size, c->shard));
    memcpy(c->copy, c->data, sizeof c->copy);
    return c;
}
/* Scribbles over what is lost, decodes, compares the data shards; *c is whole again afterwards. */
static void lose_and_decode(struct code *c) {
    uint32_t there = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        there += c->have[i];
        if (!c->have[i]) memset(c->data[i], 0xee, c->size);
    }
    CHECK_EQ(there >= c->k ? VL_OK : VL_EAGAIN, fec_decode(c->k, c->n, c->size, c->shard, c->have));
    if (there >= c->k)
        for (uint32_t i = 0; i < c->k; i++) CHECK_MEM(c->copy[i], c->data[i], c->size);
    for (uint32_t i = c->k; i < c->n; i++)
        if (c->have[i]) CHECK_MEM(c->copy[i], c->data[i], c->size); /* parity is only read */
    memcpy(c->data, c->copy, sizeof c->data);
}

TEST(fec, restores_every_pattern_of_losses_of_small_codes) {
    struct vl_prng r;
    vl_prng_seed(&r, 1);
    for (uint32_t n = 1; n <= 9; n++)
        for (uint32_t k = 1; k <= n; k++) {
            struct code *c = code_new(&r, k, n, 35); /* one wide step and three single bytes */
            for (uint32_t set = 0; set < 1u << n; set++) {
                for (uint32_t i = 0; i < n; i++) c->have[i] = set >> i & 1;
                lose_and_decode(c);
            }
            free(c);
        }
}

TEST(fec, restores_random_losses_of_large_codes) {
    static const struct {
        uint32_t k, n;
    } sizes[] = { { 75, 94 }, { 48, 60 }, { 75, 150 }, { 127, 255 }, { 1, 255 }, { 254, 255 }, { 255, 255 } };
    struct vl_prng r;
    vl_prng_seed(&r, 2);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int round = 0; round < 4; round++) {
            struct code *c = code_new(&r, sizes[s].k, sizes[s].n, 97);
            for (uint32_t there = 0; there < c->k;) { /* exactly k of them */
                uint32_t i = (uint32_t)vl_prng_below(&r, c->n);
                there += !c->have[i];
                c->have[i] = true;
            }
            lose_and_decode(c);
            c->have[vl_prng_below(&r, c->n)] = false;
            lose_and_decode(c); /* sometimes one short */
            free(c);
        }
}

TEST(fec, restores_all_data_from_parity_alone) {
    struct vl_prng r;
    vl_prng_seed(&r, 3);
    struct code *c = code_new(&r, 75, 150, 992);
    for (uint32_t i = 0; i < 150; i++) c->have[i] = i >= 75;
    lose_and_decode(c);
    c->have[149] = false;
    lose_and_decode(c);
    free(c);
}

TEST(fec, gives_the_same_bytes_at_every_length_and_alignment) {
    /* The wide path does whole 32 bytes and the narrow one the rest: bytes must not depend on which did them. */
    struct vl_prng r;
    uint8_t in[2][200], one[200], cut[200];
    vl_prng_seed(&r, 4);
    for (size_t b = 0; b < sizeof in; b++) ((uint8_t *)in)[b] = (uint8_t)vl_prng_next(&r);
    CHECK_OK(fec_encode(2, 3, 200, (uint8_t *[]){ in[0], in[1], one }));
    for (size_t from = 0; from < 40; from++)
        for (size_t size = 0; from + size <= 200; size += 7) {
            memset(cut, 0x55, sizeof cut);
            CHECK_OK(fec_encode(2, 3, size, (uint8_t *[]){ in[0] + from, in[1] + from, cut + from }));
            CHECK_MEM(one + from, cut + from, size);
            for (size_t b = from + size; b < sizeof cut; b++) CHECK_EQ(0x55, cut[b]);
        }
}

TEST(fec, makes_the_parity_that_arithmetic_by_hand_gives) {
    /* k = 2, n = 4: rows 2, 3, columns 0, 1, coefficients 1/2, 1/3 and 1/3, 1/2.  In the field of 0x11d 2 * 0x8e = 1
     * and 3 * 0xf4 = 1 (0xf4 doubled is 0xe8 ^ 0x1d = 0xf5, and 0xf5 ^ 0xf4 = 1). */
    uint8_t a = 1, b = 0, p = 0, q = 0;
    CHECK_OK(fec_encode(2, 4, 1, (uint8_t *[]){ &a, &b, &p, &q }));
    CHECK_EQ(0x8e, p);
    CHECK_EQ(0xf4, q);
    a = 2, b = 3;
    CHECK_OK(fec_encode(2, 4, 1, (uint8_t *[]){ &a, &b, &p, &q }));
    CHECK_EQ(1 ^ 1, p);
    CHECK_EQ(0xf5 ^ 0x8f, q); /* 2 * 0xf4 and 3 * 0x8e */
}

TEST(fec, refuses_impossible_codes) {
    uint8_t byte = 0, *shard[256];
    bool have[256] = { true };
    for (size_t i = 0; i < 256; i++) shard[i] = &byte;
    static const struct {
        uint32_t k, n;
    } bad[] = { { 0, 0 }, { 0, 1 }, { 2, 1 }, { 1, 256 }, { 256, 256 }, { UINT32_MAX, UINT32_MAX } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(VL_ERANGE, fec_encode(bad[i].k, bad[i].n, 1, shard));
        CHECK_EQ(VL_ERANGE, fec_decode(bad[i].k, bad[i].n, 1, shard, have));
    }
    CHECK_OK(fec_encode(1, 1, 0, shard));
    CHECK_OK(fec_decode(1, 1, 0, shard, have));
    have[0] = false;
    CHECK_EQ(VL_EAGAIN, fec_decode(1, 1, 1, shard, have));
}
