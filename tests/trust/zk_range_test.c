#include "trust/zk_range.h"

#include "base/text.h"
#include "crypto/random.h"

#include "check.h"
#include "zk_vectors.h"

#include <sodium.h>
#include <string.h>

static struct zk_gens *make(unsigned bits, unsigned values) {
    CHECK_OK(crypto_init());
    struct zk_gens *g = zk_gens_create(bits, values);
    CHECK(g != NULL);
    return g;
}

static void vector_commitments(uint8_t ret[8][32]) {
    for (unsigned j = 0; j < 8; j++) CHECK_OK(vl_hex_decode(zk_vector_commitment[j], ret[j], 32));
}
static struct vl_span vector_proof(unsigned i, unsigned j, uint8_t dst[ZK_RANGE_PROOF_MAX]) {
    size_t n = strlen(zk_vector_proof[i][j]) / 2;
    CHECK(n <= ZK_RANGE_PROOF_MAX);
    CHECK_OK(vl_hex_decode(zk_vector_proof[i][j], dst, n));
    return vl_span(dst, n);
}
static enum vl_err check_as(const char *label, const struct zk_gens *g, const uint8_t (*v)[32], unsigned m,
                            unsigned bits, struct vl_span proof) {
    struct transcript t;
    transcript_init(&t, label);
    return zk_range_verify(g, &t, v, m, bits, proof);
}
static enum vl_err check(const struct zk_gens *g, uint8_t (*v)[32], unsigned m, unsigned bits, struct vl_span proof) {
    return check_as(ZK_VECTOR_LABEL, g, (const uint8_t(*)[32])v, m, bits, proof);
}

TEST(zk_range, accepts_the_sixteen_published_proofs_of_dalek) {
    struct zk_gens *g = make(64, 8);
    uint8_t v[8][32], p[ZK_RANGE_PROOF_MAX];
    vector_commitments(v);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned j = 0; j < 4; j++) {
            struct vl_span proof = vector_proof(i, j, p);
            CHECK_EQ(zk_range_size(8u << i, 1u << j), proof.n);
            CHECK_OK(check(g, v, 1u << j, 8u << i, proof));
            CHECK_EQ(VL_ECRYPTO, check_as("another label", g, (const uint8_t(*)[32])v, 1u << j, 8u << i, proof));
        }
    zk_gens_destroy(g);
}

/* Every byte of those up to 32 terms; of the others every 37th, which reaches each part. */
TEST(zk_range, refuses_published_proofs_with_one_byte_changed) {
    struct zk_gens *g = make(64, 8);
    uint8_t v[8][32], p[ZK_RANGE_PROOF_MAX];
    vector_commitments(v);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned j = 0; j < 4; j++) {
            struct vl_span proof = vector_proof(i, j, p);
            for (size_t at = 0; at < proof.n; at += i + j <= 2 ? 1 : 37) {
                p[at] ^= (uint8_t)(1u << at % 8);
                enum vl_err err = check(g, v, 1u << j, 8u << i, proof);
                CHECK(err == VL_ECRYPTO || err == VL_EPARSE);
                p[at] ^= (uint8_t)(1u << at % 8);
            }
        }
    for (unsigned at = 0; at < 32; at++) { /* the commitment */
        v[0][at] ^= 4;
        CHECK(check(g, v, 1, 8, vector_proof(0, 0, p)) != VL_OK);
        v[0][at] ^= 4;
    }
    zk_gens_destroy(g);
}

TEST(zk_range, refuses_other_sizes_lengths_orders_and_widths) {
    struct zk_gens *g = make(64, 8), *small = make(32, 2);
    uint8_t v[8][32], swapped[2][32], p[ZK_RANGE_PROOF_MAX];
    vector_commitments(v);
    struct vl_span proof = vector_proof(3, 1, p); /* two values of 64 bits: as long as four of 32 */
    CHECK_OK(check(g, v, 2, 64, proof));
    CHECK_EQ(VL_ECRYPTO, check(g, v, 4, 32, proof));
    CHECK_EQ(VL_ECRYPTO, check(g, v, 8, 16, proof));
    CHECK_EQ(VL_EPARSE, check(g, v, 1, 64, proof));
    CHECK_EQ(VL_EPARSE, check(g, v, 2, 64, vl_span(p, proof.n - 1)));
    CHECK_EQ(VL_EPARSE, check(g, v, 2, 64, vl_span(NULL, 0)));
    CHECK_EQ(VL_ERANGE, check(g, v, 3, 64, proof));
    CHECK_EQ(VL_ERANGE, check(g, v, 0, 64, proof));
    CHECK_EQ(VL_ERANGE, check(g, v, 16, 8, proof));
    CHECK_EQ(VL_ERANGE, check(g, v, 2, 63, proof));
    CHECK_EQ(VL_ERANGE, check(small, v, 2, 64, proof));
    CHECK_EQ(VL_ERANGE, check(small, v, 4, 32, proof));
    memcpy(swapped[0], v[1], 32);
    memcpy(swapped[1], v[0], 32);
    CHECK_EQ(VL_ECRYPTO, check(g, swapped, 2, 64, proof));
    CHECK_EQ(0, zk_range_size(64, 3));
    CHECK_EQ(0, zk_range_size(7, 1));
    zk_gens_destroy(g);
    zk_gens_destroy(small);
}

/* Points that are the identity, scalars that are the same modulo L: a proof has one encoding. */
TEST(zk_range, refuses_identities_and_scalars_not_reduced) {
    static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                       0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                       0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10 };
    struct zk_gens *g = make(8, 1);
    uint8_t v[8][32], p[ZK_RANGE_PROOF_MAX];
    vector_commitments(v);
    struct vl_span proof = vector_proof(0, 0, p);
    for (size_t part = 0; part < proof.n / 32; part++) {
        bool is_scalar = (part >= 4 && part < 7) || part >= proof.n / 32 - 2;
        vector_proof(0, 0, p);
        if (is_scalar)
            sodium_add(p + part * 32, order, 32);
        else
            memset(p + part * 32, 0, 32);
        CHECK_EQ(VL_EPARSE, check(g, v, 1, 8, proof));
    }
    vector_proof(0, 0, p);
    CHECK_OK(check(g, v, 1, 8, proof));
    zk_gens_destroy(g);
}

/* A proof of ours of m values. */
struct made {
    uint64_t v[8];
    uint8_t blind[8][32], commitment[8][32], proof[ZK_RANGE_PROOF_MAX], random[32];
};
static void blinds(struct made *s) {
    crypto_random(s->random, sizeof s->random);
    for (unsigned j = 0; j < 8; j++) crypto_core_ristretto255_scalar_random(s->blind[j]);
}
static enum vl_err prove(const struct zk_gens *g, struct made *s, unsigned m, unsigned bits) {
    struct transcript t;
    transcript_init(&t, ZK_VECTOR_LABEL);
    return zk_range_prove(g, &t, s->v, (const uint8_t(*)[32])s->blind, m, bits, s->random, s->commitment, s->proof);
}

TEST(zk_range, proves_the_ends_of_every_range_and_nothing_outside) {
    struct zk_gens *g = make(64, 8);
    struct made s = { .v = { 0 } };
    blinds(&s);
    for (unsigned bits = 8; bits <= 64; bits *= 2)
        for (unsigned m = 1; m <= (bits < 32 ? 8u : 2u); m *= 2) {
            uint64_t top = bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
            for (unsigned j = 0; j < m; j++) s.v[j] = j % 2 == 0 ? top : top / 3 * (j / 2);
            CHECK_OK(prove(g, &s, m, bits));
            CHECK_OK(check(g, s.commitment, m, bits, vl_span(s.proof, zk_range_size(bits, m))));
            uint8_t again[32];
            zk_commit(g, s.v[m - 1], s.blind[m - 1], again);
            CHECK_MEM(again, s.commitment[m - 1], 32);
            if (bits == 64) continue;
            s.v[m - 1] = top + 1;
            CHECK_EQ(VL_ERANGE, prove(g, &s, m, bits));
        }
    CHECK_EQ(VL_ERANGE, prove(g, &s, 3, 64));
    CHECK_EQ(VL_ERANGE, prove(g, &s, 1, 12));
    zk_gens_destroy(g);
}

/* 256 does not become 0 by being proved as 0: the proof is of a commitment. */
TEST(zk_range, proof_of_one_number_is_none_of_another) {
    struct zk_gens *g = make(8, 1);
    struct made s = { .v = { 0 } };
    uint8_t other[1][32];
    blinds(&s);
    CHECK_OK(prove(g, &s, 1, 8));
    zk_commit(g, 256, s.blind[0], other[0]);
    CHECK_EQ(VL_ECRYPTO, check(g, other, 1, 8, vl_span(s.proof, zk_range_size(8, 1))));
    zk_commit(g, 0, s.blind[1], other[0]);
    CHECK_EQ(VL_ECRYPTO, check(g, other, 1, 8, vl_span(s.proof, zk_range_size(8, 1))));
    zk_gens_destroy(g);
}

/* Two proofs with one nonce would show the secrets: even where the random bytes are the same, statements differ. */
TEST(zk_range, shares_no_nonce_between_statements_with_bad_randomness) {
    struct zk_gens *g = make(8, 1);
    struct made a = { .v = { 5 } }, b;
    blinds(&a);
    b = a;
    CHECK_OK(prove(g, &a, 1, 8));
    CHECK_OK(prove(g, &b, 1, 8));
    CHECK_MEM(a.proof, b.proof, zk_range_size(8, 1)); /* the same statement: the same proof */
    struct transcript t;
    transcript_init(&t, "elsewhere");
    CHECK_OK(zk_range_prove(g, &t, b.v, (const uint8_t(*)[32])b.blind, 1, 8, b.random, b.commitment, b.proof));
    for (unsigned part = 0; part < 4; part++) CHECK(memcmp(a.proof + 32 * part, b.proof + 32 * part, 32) != 0);
    b.random[0] ^= 1;
    CHECK_OK(prove(g, &b, 1, 8));
    CHECK(memcmp(a.proof + 32, b.proof + 32, 32) != 0);
    zk_gens_destroy(g);
}

/* Prover and verifier leave the transcript in one state: what follows is bound to the proof. */
TEST(zk_range, continues_the_transcript_alike_on_both_sides) {
    struct zk_gens *g = make(16, 2);
    struct made s = { .v = { 7, 65535 } };
    struct transcript p, q;
    uint8_t x[32], y[32];
    blinds(&s);
    transcript_init(&p, "both");
    q = p;
    CHECK_OK(zk_range_prove(g, &p, s.v, (const uint8_t(*)[32])s.blind, 2, 16, s.random, s.commitment, s.proof));
    CHECK_OK(zk_range_verify(g, &q, (const uint8_t(*)[32])s.commitment, 2, 16, vl_span(s.proof, zk_range_size(16, 2))));
    transcript_challenge(&p, "next", x, 32);
    transcript_challenge(&q, "next", y, 32);
    CHECK_MEM(x, y, 32);
    zk_gens_destroy(g);
}

/* The sixteen vectors as one batch, those of `bad` spoilt. */
static enum vl_err batch(const struct zk_gens *g, uint32_t bad, size_t at, enum vl_err each[16]) {
    static uint8_t p[16][ZK_RANGE_PROOF_MAX];
    struct transcript t[16];
    struct zk_range_claim claim[16];
    uint8_t v[8][32], seed[32];
    vector_commitments(v);
    crypto_random(seed, sizeof seed);
    for (unsigned i = 0; i < 16; i++) {
        transcript_init(&t[i], ZK_VECTOR_LABEL);
        claim[i] = (struct zk_range_claim){ &t[i], (const uint8_t(*)[32])v, 1u << i % 4, 8u << i / 4,
                                            vector_proof(i / 4, i % 4, p[i]) };
        if (bad >> i & 1) p[i][at] ^= 1;
    }
    return zk_range_verify_batch(g, claim, 16, seed, each);
}

TEST(zk_range, batch_names_exactly_the_wrong_proofs) {
    struct zk_gens *g = make(64, 8);
    enum vl_err each[16];
    static const uint32_t sets[] = { 0, 1, 1u << 15, 1u << 7, 1u << 3 | 1u << 12, 0xffff };
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
        CHECK_EQ(sets[k] == 0 ? VL_OK : VL_ECRYPTO, batch(g, sets[k], 4 * 32, each)); /* t(x) */
        for (unsigned i = 0; i < 16; i++) CHECK_EQ(sets[k] >> i & 1 ? VL_ECRYPTO : VL_OK, each[i]);
    }
    CHECK_EQ(VL_EPARSE, batch(g, 1u << 9, 0, each)); /* A with its lowest bit set is negative: no encoding */
    for (unsigned i = 0; i < 16; i++) CHECK_EQ(i == 9 ? VL_EPARSE : VL_OK, each[i]);
    CHECK_OK(zk_range_verify_batch(g, NULL, 0, (const uint8_t[32]){ 0 }, each));
    enum vl_err many[ZK_BATCH_MAX + 1];
    CHECK_EQ(VL_ELIMIT, zk_range_verify_batch(g, NULL, ZK_BATCH_MAX + 1, (const uint8_t[32]){ 0 }, many));
    CHECK_EQ(VL_ELIMIT, many[ZK_BATCH_MAX]);
    zk_gens_destroy(g);
}

/* Errors that cancel in a sum without weights: a, which no challenge follows, of one up by one, of its copy down by
 * one. */
TEST(zk_range, batch_refuses_errors_that_would_cancel) {
    struct zk_gens *g = make(8, 1);
    uint8_t v[8][32], p[2][ZK_RANGE_PROOF_MAX], one[32] = { 1 };
    enum vl_err each[2];
    struct transcript t[2];
    struct zk_range_claim claim[2];
    vector_commitments(v);
    for (unsigned i = 0; i < 2; i++) {
        transcript_init(&t[i], ZK_VECTOR_LABEL);
        claim[i] = (struct zk_range_claim){ &t[i], (const uint8_t(*)[32])v, 1, 8, vector_proof(0, 0, p[i]) };
    }
    uint8_t *a[2] = { p[0] + zk_range_size(8, 1) - 64, p[1] + zk_range_size(8, 1) - 64 };
    crypto_core_ristretto255_scalar_add(a[0], a[0], one);
    crypto_core_ristretto255_scalar_sub(a[1], a[1], one);
    CHECK_EQ(VL_ECRYPTO, zk_range_verify_batch(g, claim, 2, (const uint8_t[32]){ 9 }, each));
    CHECK_EQ(VL_ECRYPTO, each[0]);
    CHECK_EQ(VL_ECRYPTO, each[1]);
    zk_gens_destroy(g);
}
