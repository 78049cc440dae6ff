#include "trust/zk_sigma.h"

#include "crypto/random.h"

#include "check.h"

#include <sodium.h>
#include <string.h>

static struct zk_gens *gens; /* of the test that runs */

static void open_all(void) {
    CHECK_OK(crypto_init());
    gens = zk_gens_create(8, 1);
    CHECK(gens != NULL);
}
static void close_all(void) { zk_gens_destroy(gens); }
static struct zk_scalar u64(uint64_t v) { return zk_of_u64(v); }

static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                   0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10 };
#define N 5u
struct committed {
    struct zk_scalar v[N];
    uint8_t blind[N][32], commitment[N][32];
};
static struct committed commit(const uint64_t *v, unsigned n) {
    struct committed c;
    for (unsigned i = 0; i < n; i++) {
        c.v[i] = u64(v[i]);
        crypto_core_ristretto255_scalar_random(c.blind[i]);
        zk_commit_scalar(gens, &c.v[i], c.blind[i], c.commitment[i]);
    }
    return c;
}
typedef const uint8_t (*rows)[32];

/* What a verifier is asked, behind one pointer, so that all kinds go through the same attempts. */
struct question {
    enum vl_err (*ask)(const struct question *q, const char *context, struct vl_span proof);
    struct committed c;
    struct zk_scalar a[N], k;
    unsigned n;
};
static struct transcript in(const char *context) {
    struct transcript t;
    transcript_init(&t, context);
    return t;
}
static enum vl_err ask_linear(const struct question *q, const char *context, struct vl_span proof) {
    struct transcript t = in(context);
    return zk_linear_verify(gens, &t, q->a, (rows)q->c.commitment, q->n, &q->k, proof);
}
static enum vl_err ask_open(const struct question *q, const char *context, struct vl_span proof) {
    struct transcript t = in(context);
    return zk_open_verify(gens, &t, (rows)q->c.commitment, q->n, proof);
}
static enum vl_err ask_set(const struct question *q, const char *context, struct vl_span proof) {
    struct transcript t = in(context);
    return zk_set_verify(gens, &t, q->a, q->n, q->c.commitment[0], proof);
}

/* A right proof of `size` bytes at p: every changed byte, every length, another context, and every number plus L. */
static void attack(const struct question *q, uint8_t *p, size_t size, size_t first_number) {
    CHECK_OK(q->ask(q, "context", vl_span(p, size)));
    CHECK_EQ(VL_ECRYPTO, q->ask(q, "another", vl_span(p, size)));
    for (size_t i = 0; i < size; i++) {
        p[i] ^= 1;
        enum vl_err err = q->ask(q, "context", vl_span(p, size));
        CHECK(err == VL_EPARSE || err == VL_ECRYPTO);
        p[i] ^= 1;
    }
    for (size_t n = 0; n < size; n++) CHECK_EQ(VL_EPARSE, q->ask(q, "context", vl_span(p, n)));
    CHECK_EQ(VL_EPARSE, q->ask(q, "context", vl_span(p, size + 1)));
    for (size_t at = first_number; at < size; at += 32) {
        uint8_t was[32];
        memcpy(was, p + at, 32);
        sodium_add(p + at, order, 32);
        CHECK_EQ(VL_EPARSE, q->ask(q, "context", vl_span(p, size)));
        memcpy(p + at, was, 32);
    }
    memset(p, 0, 32);
    CHECK_EQ(VL_EPARSE, q->ask(q, "context", vl_span(p, size)));
}

static struct question linear(uint64_t k) { /* 2 * 3 + 5 * 7 - 1 = 40 */
    const uint64_t v[3] = { 3, 7, 1 };
    struct question q = { .ask = ask_linear, .c = commit(v, 3), .k = u64(k), .n = 3 };
    q.a[0] = u64(2);
    q.a[1] = u64(5);
    q.a[2] = zk_neg(u64(1));
    return q;
}
static enum vl_err prove_linear(const struct question *q, uint8_t *ret) {
    struct transcript t = in("context");
    uint8_t random[32];
    randombytes_buf(random, sizeof random);
    return zk_linear_prove(gens, &t, q->a, (rows)q->c.commitment, q->n, &q->k, (rows)q->c.blind, random, ret);
}

TEST(zk_sigma, proves_a_linear_relation_of_committed_numbers) {
    open_all();
    uint8_t p[ZK_LINEAR_PROOF + 1];
    struct question q = linear(40), other = q;
    CHECK_OK(prove_linear(&q, p));
    other.k = u64(41);
    CHECK_EQ(VL_ECRYPTO, other.ask(&other, "context", vl_span(p, ZK_LINEAR_PROOF)));
    other = q;
    other.a[0] = u64(3);
    CHECK_EQ(VL_ECRYPTO, other.ask(&other, "context", vl_span(p, ZK_LINEAR_PROOF)));
    other = linear(40); /* the same numbers, committed anew */
    CHECK_EQ(VL_ECRYPTO, other.ask(&other, "context", vl_span(p, ZK_LINEAR_PROOF)));
    attack(&q, p, ZK_LINEAR_PROOF, 32);
    close_all();
}

TEST(zk_sigma, has_no_proof_of_a_wrong_relation) {
    open_all();
    uint8_t p[ZK_LINEAR_PROOF];
    struct question q = linear(41);
    CHECK_EQ(VL_ERANGE, prove_linear(&q, p));
    q = linear(40);
    q.n = 0;
    CHECK_EQ(VL_ERANGE, prove_linear(&q, p));
    q = linear(40);
    memset(q.a[0].b, 0xff, 32); /* not below L */
    CHECK_EQ(VL_ERANGE, prove_linear(&q, p));
    CHECK_EQ(VL_ERANGE, q.ask(&q, "context", vl_span(p, sizeof p)));
    close_all();
}

TEST(zk_sigma, never_answers_two_challenges_with_one_nonce_though_the_random_bytes_are_the_same) {
    open_all();
    const uint8_t random[32] = { 9 };
    uint8_t p[2][ZK_LINEAR_PROOF];
    struct question q = linear(40);
    struct transcript t = in("context"), u = in("another");
    CHECK_OK(zk_linear_prove(gens, &t, q.a, (rows)q.c.commitment, q.n, &q.k, (rows)q.c.blind, random, p[0]));
    CHECK_OK(zk_linear_prove(gens, &u, q.a, (rows)q.c.commitment, q.n, &q.k, (rows)q.c.blind, random, p[1]));
    CHECK(memcmp(p[0], p[1], 32) != 0);
    close_all();
}

TEST(zk_sigma, proves_that_openings_are_known) {
    open_all();
    const uint64_t v[N] = { 1, 2, 3, 4, 5 };
    const uint8_t random[32] = { 4 };
    uint8_t p[ZK_OPEN_PROOF + 1];
    struct question q = { .ask = ask_open, .c = commit(v, N), .n = N }, other = q;
    struct transcript t = in("context");
    CHECK_OK(zk_open_prove(gens, &t, (rows)q.c.commitment, N, q.c.v, (rows)q.c.blind, random, p));
    memcpy(other.c.commitment[0], q.c.commitment[1], 32);
    memcpy(other.c.commitment[1], q.c.commitment[0], 32);
    CHECK_EQ(VL_ECRYPTO, other.ask(&other, "context", vl_span(p, ZK_OPEN_PROOF)));
    attack(&q, p, ZK_OPEN_PROOF, 32);
    q.c.v[3] = u64(6);
    t = in("context");
    CHECK_EQ(VL_ERANGE, zk_open_prove(gens, &t, (rows)q.c.commitment, N, q.c.v, (rows)q.c.blind, random, p));
    close_all();
}

static enum vl_err prove_set(const struct question *q, unsigned index, uint8_t *ret) {
    const uint8_t random[32] = { 5 };
    struct transcript t = in("context");
    return zk_set_prove(gens, &t, q->a, q->n, q->c.commitment[0], index, q->c.blind[0], random, ret);
}

TEST(zk_sigma, proves_membership_in_a_small_set_at_each_place) {
    open_all();
    static const uint64_t set[N] = { 8, 13, 21, 34, 55 };
    uint8_t p[ZK_SET_PROOF_MAX + 1];
    for (unsigned n = 2; n <= N; n++)
        for (unsigned index = 0; index < n; index++) {
            struct question q = { .ask = ask_set, .c = commit(&set[index], 1), .n = n };
            for (unsigned i = 0; i < n; i++) q.a[i] = u64(set[i]);
            CHECK_OK(prove_set(&q, index, p));
            CHECK_EQ(VL_ERANGE, prove_set(&q, (index + 1) % n, p + 1 - 1));
            CHECK_OK(prove_set(&q, index, p));
            struct question other = q;
            other.a[(index + 1) % n] = u64(99);
            CHECK_EQ(VL_ECRYPTO, other.ask(&other, "context", vl_span(p, zk_set_size(n))));
            if (n < 4) attack(&q, p, zk_set_size(n), 32 * (size_t)n);
        }
    close_all();
}

TEST(zk_sigma, has_no_set_proof_for_a_number_that_is_in_none_of_its_places) {
    open_all();
    const uint64_t v = 9;
    uint8_t p[ZK_SET_PROOF_MAX];
    struct question q = { .ask = ask_set, .c = commit(&v, 1), .n = 3, .a = { u64(8), u64(13), u64(21) } };
    for (unsigned i = 0; i < 4; i++) CHECK_EQ(VL_ERANGE, prove_set(&q, i, p));
    CHECK_EQ(0, zk_set_size(1));
    CHECK_EQ(0, zk_set_size(ZK_SET_MAX + 1));
    CHECK_EQ(ZK_SET_PROOF_MAX, zk_set_size(ZK_SET_MAX));
    close_all();
}

TEST(zk_batch, names_the_wrong_proofs_of_all_kinds) {
    open_all();
    const uint64_t v = 13;
    uint8_t lin[2][ZK_LINEAR_PROOF], set[ZK_SET_PROOF_MAX], seed[32] = { 1 };
    enum vl_err each[3];
    struct question q = linear(40), r = linear(40), s = { .ask = ask_set, .c = commit(&v, 1), .n = 3, .a = { u64(8), u64(13), u64(21) } };
    CHECK_OK(prove_linear(&q, lin[0]));
    CHECK_OK(prove_linear(&r, lin[1]));
    CHECK_OK(prove_set(&s, 1, set));
    for (unsigned wrong = 0; wrong < 8; wrong++) {
        struct zk_batch *b = zk_batch_create(gens);
        struct transcript t = in("context");
        struct zk_scalar k = u64(wrong & 1 ? 41 : 40), l = u64(wrong & 2 ? 41 : 40);
        CHECK_OK(zk_linear_add(b, &t, q.a, (rows)q.c.commitment, 3, &k, vl_span(lin[0], sizeof lin[0])));
        t = in("context");
        CHECK_OK(zk_linear_add(b, &t, r.a, (rows)r.c.commitment, 3, &l, vl_span(lin[1], sizeof lin[1])));
        t = in(wrong & 4 ? "another" : "context");
        CHECK_OK(zk_set_add(b, &t, s.a, 3, s.c.commitment[0], vl_span(set, zk_set_size(3))));
        CHECK_EQ(3, zk_batch_count(b));
        CHECK_EQ(wrong == 0 ? VL_OK : VL_ECRYPTO, zk_batch_check(b, seed, each));
        for (unsigned i = 0; i < 3; i++) CHECK_EQ(wrong >> i & 1 ? VL_ECRYPTO : VL_OK, each[i]);
        zk_batch_destroy(b);
    }
    close_all();
}

/* Errors of +1 and -1 in the constants of one statement: without weights the sum of both would be right. */
TEST(zk_batch, finds_errors_that_cancel_each_other) {
    open_all();
    uint8_t lin[ZK_LINEAR_PROOF], up[ZK_LINEAR_PROOF], down[ZK_LINEAR_PROOF], seed[32] = { 2 };
    struct question q = linear(40);
    CHECK_OK(prove_linear(&q, lin));
    memcpy(up, lin, sizeof up);
    memcpy(down, lin, sizeof down);
    struct zk_scalar s = zk_of_bytes(lin + 32), plus = zk_add(s, u64(1)), minus = zk_sub(s, u64(1));
    memcpy(up + 32, plus.b, 32);
    memcpy(down + 32, minus.b, 32);
    struct zk_batch *b = zk_batch_create(gens);
    enum vl_err each[2];
    struct transcript t = in("context");
    CHECK_OK(zk_linear_add(b, &t, q.a, (rows)q.c.commitment, 3, &q.k, vl_span(up, sizeof up)));
    t = in("context");
    CHECK_OK(zk_linear_add(b, &t, q.a, (rows)q.c.commitment, 3, &q.k, vl_span(down, sizeof down)));
    CHECK_EQ(VL_ECRYPTO, zk_batch_check(b, seed, each));
    CHECK_EQ(VL_ECRYPTO, each[0]);
    CHECK_EQ(VL_ECRYPTO, each[1]);
    zk_batch_destroy(b);
    close_all();
}

TEST(zk_batch, takes_no_more_than_its_limit) {
    open_all();
    struct question q = linear(40);
    uint8_t lin[ZK_LINEAR_PROOF], seed[32] = { 3 };
    CHECK_OK(prove_linear(&q, lin));
    struct zk_batch *b = zk_batch_create(gens);
    CHECK_OK(zk_batch_check(b, seed, NULL)); /* none: nothing is wrong */
    for (unsigned i = 0; i <= ZK_BATCH_MAX; i++) {
        struct transcript t = in("context");
        CHECK_EQ(i < ZK_BATCH_MAX ? VL_OK : VL_ELIMIT, zk_linear_add(b, &t, q.a, (rows)q.c.commitment, 3, &q.k, vl_span(lin, sizeof lin)));
    }
    CHECK_OK(zk_batch_check(b, seed, NULL));
    zk_batch_destroy(b);
    close_all();
}
