#include "trust/zk_many.h"

#include "crypto/random.h"
#include "trust/zk_sigma.h"

#include "check.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MOST 40u
typedef const uint8_t (*rows)[32];

struct scene {
    struct zk_gens *g;
    struct zk_scalar at[MOST * ZK_MANY_WIDTH_MAX];
    struct zk_many_set set;
    uint8_t blind[ZK_MANY_WIDTH_MAX][32], commitment[ZK_MANY_WIDTH_MAX][32];
    uint8_t proof[ZK_MANY_PROOF_MAX + 1];
};
/* n tuples: number i is 100 + i; commitments to those of tuple `index`. */
static void scene_make(struct scene *s, unsigned n, unsigned width, unsigned stride, unsigned index) {
    CHECK_OK(crypto_init());
    s->g = zk_gens_create(16, 1);
    CHECK(s->g != NULL);
    for (unsigned i = 0; i < (n - 1) * stride + width; i++) s->at[i] = zk_of_u64(100 + i);
    s->set = (struct zk_many_set){ s->at, n, width, stride };
    for (unsigned j = 0; j < width; j++) {
        crypto_core_ristretto255_scalar_random(s->blind[j]);
        zk_commit_scalar(s->g, &s->at[index * stride + j], s->blind[j], s->commitment[j]);
    }
}
static enum vl_err prove(struct scene *s, unsigned index) {
    struct transcript t;
    uint8_t random[32];
    randombytes_buf(random, sizeof random);
    transcript_init(&t, "context");
    return zk_many_prove(s->g, &t, &s->set, (rows)s->commitment, index, (rows)s->blind, random, s->proof);
}
static enum vl_err verify_in(struct scene *s, const char *context, size_t n) {
    struct transcript t;
    transcript_init(&t, context);
    return zk_many_verify(s->g, &t, &s->set, (rows)s->commitment, vl_span(s->proof, n));
}
static enum vl_err verify(struct scene *s) { return verify_in(s, "context", zk_many_size(s->set.n)); }

TEST(zk_many, proves_membership_at_each_place_of_sets_of_all_small_sizes) {
    struct scene s;
    for (unsigned n = 2; n <= 9; n++)
        for (unsigned index = 0; index < n; index++) {
            scene_make(&s, n, 1, 1, index);
            CHECK_OK(prove(&s, index));
            CHECK_OK(verify(&s));
            zk_gens_destroy(s.g);
        }
}

TEST(zk_many, proves_tuples_and_neighbours) {
    struct scene s;
    for (unsigned width = 1; width <= ZK_MANY_WIDTH_MAX; width++)
        for (unsigned stride = 1; stride <= width; stride++) {
            unsigned n = 3 + 7 * stride, index = width * stride % n;
            scene_make(&s, n, width, stride, index);
            CHECK_OK(prove(&s, index));
            CHECK_OK(verify(&s));
            if (width > 1) { /* halves of two tuples are no tuple */
                zk_commit_scalar(s.g, &s.at[((index + 1) % n) * stride], s.blind[0], s.commitment[0]);
                CHECK_EQ(VL_ECRYPTO, verify(&s));
                CHECK_EQ(VL_ERANGE, prove(&s, index));
            }
            zk_gens_destroy(s.g);
        }
}

TEST(zk_many, has_no_proof_for_another_place_or_number) {
    struct scene s;
    scene_make(&s, 20, 1, 1, 7);
    for (unsigned i = 0; i < 21; i++) CHECK_EQ(i == 7 ? VL_OK : VL_ERANGE, prove(&s, i));
    zk_gens_destroy(s.g);
}

TEST(zk_many, refuses_another_set_context_or_commitment) {
    struct scene s;
    scene_make(&s, 33, 1, 1, 32);
    CHECK_OK(prove(&s, 32));
    CHECK_OK(verify(&s));
    CHECK_EQ(VL_ECRYPTO, verify_in(&s, "another", zk_many_size(33)));
    s.at[5] = zk_of_u64(1);
    CHECK_EQ(VL_ECRYPTO, verify(&s));
    s.at[5] = zk_of_u64(105);
    s.set.n = 34; /* as many bits, so the same length */
    s.at[33] = zk_of_u64(133);
    CHECK_EQ(VL_ECRYPTO, verify(&s));
    s.set.n = 33;
    s.blind[0][0] ^= 1;
    zk_commit_scalar(s.g, &s.at[32], s.blind[0], s.commitment[0]);
    CHECK_EQ(VL_ECRYPTO, verify(&s));
    memset(s.at[3].b, 0xff, 32); /* not below L */
    CHECK_EQ(VL_ERANGE, verify(&s));
    zk_gens_destroy(s.g);
}

TEST(zk_many, refuses_a_proof_with_any_byte_changed_cut_or_added) {
    struct scene s;
    scene_make(&s, 6, 2, 1, 3);
    CHECK_OK(prove(&s, 3));
    size_t size = zk_many_size(6);
    for (size_t i = 0; i < size; i++) {
        s.proof[i] ^= 1;
        enum vl_err err = verify(&s);
        CHECK(err == VL_EPARSE || err == VL_ECRYPTO);
        s.proof[i] ^= 1;
    }
    for (size_t n = 0; n < size; n++) CHECK_EQ(VL_EPARSE, verify_in(&s, "context", n));
    CHECK_EQ(VL_EPARSE, verify_in(&s, "context", size + 1));
    CHECK_OK(verify(&s));
    memset(s.proof, 0, 32);
    CHECK_EQ(VL_EPARSE, verify(&s));
    zk_gens_destroy(s.g);
}

TEST(zk_many, refuses_other_encodings_of_its_numbers) {
    static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                       0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10 };
    struct scene s;
    scene_make(&s, 8, 1, 1, 0);
    CHECK_OK(prove(&s, 0));
    for (size_t at = 32 * (4 + 3); at < zk_many_size(8); at += 32) {
        uint8_t was[32];
        memcpy(was, s.proof + at, 32);
        sodium_add(s.proof + at, order, 32);
        CHECK_EQ(VL_EPARSE, verify(&s));
        memcpy(s.proof + at, was, 32);
    }
    zk_gens_destroy(s.g);
}

TEST(zk_many, finds_the_place_of_a_tuple) {
    struct scene s;
    scene_make(&s, 20, 2, 1, 0);
    const struct zk_scalar v[2] = { zk_of_u64(107), zk_of_u64(108) }, w[2] = { zk_of_u64(107), zk_of_u64(109) };
    CHECK_EQ(7, zk_many_find(&s.set, v));
    CHECK_EQ(20, zk_many_find(&s.set, w));
    s.at[0] = v[0];
    s.at[1] = v[1];
    CHECK_EQ(0, zk_many_find(&s.set, v)); /* of equal ones the first */
    zk_gens_destroy(s.g);
}

TEST(zk_many, proves_membership_in_the_largest_set) {
    struct scene s;
    scene_make(&s, 2, 1, 1, 0);
    struct zk_scalar *at = calloc(ZK_MANY_MAX, sizeof *at);
    CHECK(at != NULL);
    for (unsigned i = 0; i < ZK_MANY_MAX; i++) at[i] = zk_of_u64(7 * (uint64_t)i);
    s.set = (struct zk_many_set){ at, ZK_MANY_MAX, 1, 1 };
    zk_commit_scalar(s.g, &at[5555], s.blind[0], s.commitment[0]);
    CHECK_EQ(ZK_MANY_PROOF_MAX, zk_many_size(ZK_MANY_MAX));
    CHECK_OK(prove(&s, 5555));
    CHECK_OK(verify(&s));
    at[5555] = zk_of_u64(1);
    CHECK_EQ(VL_ECRYPTO, verify(&s));
    free(at);
    zk_gens_destroy(s.g);
}

TEST(zk_many, refuses_sizes_out_of_range) {
    struct scene s;
    scene_make(&s, 8, 1, 1, 0);
    CHECK_OK(prove(&s, 0));
    const struct zk_many_set bad[] = { { s.at, 1, 1, 1 }, { s.at, ZK_MANY_MAX + 1, 1, 1 }, { s.at, 8, 0, 1 }, { s.at, 8, 5, 1 }, { s.at, 8, 1, 0 }, { s.at, 8, 1, 5 } };
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        s.set = bad[i];
        CHECK_EQ(VL_ERANGE, verify(&s));
        CHECK_EQ(VL_ERANGE, prove(&s, 0));
    }
    zk_gens_destroy(s.g);
}
