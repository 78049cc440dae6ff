#include "trust/zk_gadget.h"

#include "crypto/random.h"
#include "trust/zk_r1cs_priv.h"
#include "trust/zk_sigma.h"

#include "check.h"

#include <sodium.h>
#include <string.h>

static struct zk_gens *gens; /* of the test that runs */

static void open_all(void) {
    CHECK_OK(crypto_init());
    gens = zk_gens_create(64, 16);
    CHECK(gens != NULL);
}
static void close_all(void) { zk_gens_destroy(gens); }

static struct zk_scalar any_scalar(void) {
    struct zk_scalar r;
    crypto_core_ristretto255_scalar_random(r.b);
    return r;
}

#define INPUTS 4u
/* What a test proves: numbers, and a circuit over them.  Both sides build it. */
struct statement {
    unsigned n;
    struct zk_opening open[INPUTS];
    uint8_t commitment[INPUTS][32];
    uint64_t k; /* for the circuit */
    void (*build)(struct zk_cs *cs, const struct zk_var *v, uint64_t k);
};
static struct statement of(void (*build)(struct zk_cs *, const struct zk_var *, uint64_t), uint64_t k, unsigned n, const struct zk_scalar *v) {
    struct statement s = { .n = n, .k = k, .build = build };
    for (unsigned i = 0; i < n; i++) {
        s.open[i] = (struct zk_opening){ v[i], any_scalar() };
        zk_commit_scalar(gens, &v[i], s.open[i].blind.b, s.commitment[i]);
    }
    return s;
}
static struct zk_cs *system_of(const struct statement *s, struct transcript *t, const char *context, bool prover) {
    struct zk_var v[INPUTS];
    transcript_init(t, context);
    struct zk_cs *cs = zk_cs_create(gens, t, prover);
    CHECK(cs != NULL);
    for (unsigned i = 0; i < s->n; i++) v[i] = zk_cs_commit(cs, s->commitment[i], prover ? &s->open[i] : NULL);
    s->build(cs, v, s->k);
    return cs;
}
static struct vl_span prove(const struct statement *s, uint8_t dst[ZK_R1CS_PROOF_MAX], enum vl_err want, bool cheat) {
    struct transcript t;
    uint8_t random[32];
    randombytes_buf(random, sizeof random);
    struct zk_cs *cs = system_of(s, &t, "context", true);
    CHECK_OK(zk_cs_err(cs));
    CHECK_EQ(want, cheat ? zk_cs_prove_unchecked(cs, random, dst) : zk_cs_prove(cs, random, dst));
    size_t n = zk_cs_proof_size(zk_cs_gates(cs));
    zk_cs_destroy(cs);
    return vl_span(dst, n);
}
static enum vl_err verify_in(const struct statement *s, const char *context, struct vl_span proof) {
    struct transcript t;
    struct zk_cs *cs = system_of(s, &t, context, false);
    enum vl_err err = zk_cs_verify(cs, proof);
    zk_cs_destroy(cs);
    return err;
}
static enum vl_err verify(const struct statement *s, struct vl_span proof) { return verify_in(s, "context", proof); }

/* A true statement has a proof that holds; a false one has none, and what a cheat makes of it is refused. */
static void expect(const struct statement *s, bool truth) {
    uint8_t p[ZK_R1CS_PROOF_MAX];
    if (truth) {
        CHECK_OK(verify(s, prove(s, p, VL_OK, false)));
    } else {
        prove(s, p, VL_ERANGE, false);
        CHECK_EQ(VL_ECRYPTO, verify(s, prove(s, p, VL_OK, true)));
    }
}

static struct zk_lc lc_of(struct zk_var v) { return zk_lc_var(v); }
static struct zk_scalar u64(uint64_t v) { return zk_of_u64(v); }

static void product_is(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_lc a = lc_of(v[0]), b = lc_of(v[1]), is = zk_lc_const(k);
    struct zk_lc out = zk_lc_var(zk_cs_multiply(cs, &a, &b).output);
    zk_lc_add_lc(&out, zk_neg(u64(1)), &is);
    zk_cs_constrain(cs, &out);
}
static void sum_is(struct zk_cs *cs, const struct zk_var *v, uint64_t k) { /* no multiplier at all */
    struct zk_lc a = lc_of(v[0]), is = zk_lc_const(k);
    zk_lc_add_var(&a, u64(3), v[1]);
    zk_lc_add_lc(&a, zk_neg(u64(1)), &is);
    zk_cs_constrain(cs, &a);
}

TEST(zk_r1cs, proves_products_and_sums_of_committed_numbers_and_no_false_ones) {
    open_all();
    const struct zk_scalar v[2] = { u64(6), u64(7) };
    struct statement s = of(product_is, 42, 2, v);
    expect(&s, true);
    s.k = 43;
    expect(&s, false);
    s = of(sum_is, 27, 2, v);
    expect(&s, true);
    s.k = 26;
    expect(&s, false);
    close_all();
}

TEST(zk_r1cs, refuses_a_proof_with_any_byte_changed_cut_or_added) {
    open_all();
    const struct zk_scalar v[2] = { u64(6), u64(7) };
    struct statement s = of(product_is, 42, 2, v);
    uint8_t p[ZK_R1CS_PROOF_MAX + 1] = { 0 };
    struct vl_span proof = prove(&s, p, VL_OK, false);
    for (size_t i = 0; i < proof.n; i++) {
        p[i] ^= 1;
        enum vl_err err = verify(&s, proof);
        CHECK(err == VL_EPARSE || err == VL_ECRYPTO);
        p[i] ^= 1;
    }
    for (size_t n = 0; n < proof.n; n++) CHECK_EQ(VL_EPARSE, verify(&s, vl_span(p, n)));
    CHECK_EQ(VL_EPARSE, verify(&s, vl_span(p, proof.n + 1)));
    CHECK_OK(verify(&s, proof));
    close_all();
}

TEST(zk_r1cs, refuses_a_proof_for_another_context_commitment_order_or_circuit) {
    open_all();
    const struct zk_scalar v[2] = { u64(6), u64(7) };
    struct statement s = of(product_is, 42, 2, v), other = s;
    uint8_t p[ZK_R1CS_PROOF_MAX];
    struct vl_span proof = prove(&s, p, VL_OK, false);
    CHECK_EQ(VL_ECRYPTO, verify_in(&s, "another", proof));
    memcpy(other.commitment[0], s.commitment[1], 32);
    memcpy(other.commitment[1], s.commitment[0], 32);
    CHECK_EQ(VL_ECRYPTO, verify(&other, proof)); /* 7 * 6, but not what was proved */
    other = of(product_is, 42, 2, v);
    CHECK_EQ(VL_ECRYPTO, verify(&other, proof));
    other = s;
    other.k = 41;
    CHECK_EQ(VL_ECRYPTO, verify(&other, proof));
    other.build = sum_is;
    CHECK_EQ(VL_ECRYPTO, verify(&other, proof));
    close_all();
}

/* Numbers are below L: the same number plus L is another encoding, which nobody needs. */
TEST(zk_r1cs, refuses_other_encodings_of_a_right_proof) {
    open_all();
    static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                       0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10 };
    const struct zk_scalar v[2] = { u64(6), u64(7) };
    struct statement s = of(product_is, 42, 2, v);
    uint8_t p[ZK_R1CS_PROOF_MAX], was[32];
    struct vl_span proof = prove(&s, p, VL_OK, false);
    const size_t at[5] = { 32 * 8, 32 * 9, 32 * 10, proof.n - 64, proof.n - 32 };
    for (unsigned i = 0; i < 5; i++) {
        memcpy(was, p + at[i], 32);
        sodium_add(p + at[i], order, 32);
        CHECK_EQ(VL_EPARSE, verify(&s, proof));
        memcpy(p + at[i], was, 32);
    }
    memset(p, 0, 32); /* A_I: the identity */
    CHECK_EQ(VL_EPARSE, verify(&s, proof));
    close_all();
}

static void prover_only_says_so(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    (void)k;
    zk_cs_gate(cs, v[0].kind == ZK_COMMITTED ? u64(2) : u64(1), u64(3));
}

TEST(zk_r1cs, counts_its_multipliers_into_the_size_of_a_proof) {
    CHECK_EQ(32 * 13, zk_cs_proof_size(0));
    CHECK_EQ(32 * 13, zk_cs_proof_size(1));
    CHECK_EQ(32 * 15, zk_cs_proof_size(2));
    CHECK_EQ(32 * 17, zk_cs_proof_size(3));
    CHECK_EQ(ZK_R1CS_PROOF_MAX, zk_cs_proof_size(ZK_GATES_MAX));
    CHECK_EQ(0, zk_cs_proof_size(ZK_GATES_MAX + 1));
    open_all();
    const struct zk_scalar v[1] = { u64(1) };
    struct statement s = of(prover_only_says_so, 0, 1, v);
    expect(&s, true);
    close_all();
}

TEST(zk_r1cs, keeps_its_first_error_and_does_nothing_after_it) {
    open_all();
    struct transcript t;
    uint8_t random[32] = { 1 }, proof[ZK_R1CS_PROOF_MAX], no_point[32];
    memset(no_point, 0xff, sizeof no_point);
    transcript_init(&t, "context");
    struct zk_cs *cs = zk_cs_create(gens, &t, false);
    CHECK_EQ(ZK_ONE, zk_cs_commit(cs, no_point, NULL).kind);
    CHECK_EQ(VL_EPARSE, zk_cs_err(cs));
    CHECK_EQ(ZK_ONE, zk_cs_gate(cs, u64(1), u64(1)).left.kind);
    CHECK_EQ(0, zk_cs_gates(cs));
    CHECK_EQ(VL_EPARSE, zk_cs_verify(cs, vl_span(proof, 0)));
    zk_cs_destroy(cs);

    cs = zk_cs_create(gens, &t, true);
    for (unsigned i = 0; i <= ZK_GATES_MAX; i++) zk_cs_gate(cs, u64(1), u64(1));
    CHECK_EQ(VL_ELIMIT, zk_cs_err(cs));
    CHECK_EQ(VL_ELIMIT, zk_cs_prove(cs, random, proof));
    zk_cs_destroy(cs);

    cs = zk_cs_create(gens, &t, true);
    struct zk_opening wrong = { u64(5), any_scalar() };
    uint8_t commitment[32];
    struct zk_scalar six = u64(6);
    zk_commit_scalar(gens, &six, wrong.blind.b, commitment);
    zk_cs_commit(cs, commitment, &wrong);
    CHECK_EQ(VL_ERANGE, zk_cs_err(cs));
    zk_cs_destroy(cs);

    cs = zk_cs_create(gens, &t, false);
    struct zk_lc many = zk_lc_zero();
    for (unsigned i = 0; i <= ZK_LC_MAX; i++) zk_lc_add_var(&many, u64(1), (struct zk_var){ ZK_LEFT, i });
    zk_cs_constrain(cs, &many);
    CHECK_EQ(VL_ELIMIT, zk_cs_err(cs));
    zk_cs_destroy(cs);
    close_all();
}

static void many_ranges(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_lc a = lc_of(v[0]);
    for (uint64_t i = 0; i < k; i++) zk_gadget_range(cs, &a, 64, NULL);
}

TEST(zk_r1cs, refuses_generators_that_are_too_few_or_for_fewer_bits) {
    open_all();
    const struct zk_scalar v[2] = { u64(6), u64(7) };
    struct statement s = of(product_is, 42, 2, v);
    uint8_t p[ZK_R1CS_PROOF_MAX];
    struct vl_span proof = prove(&s, p, VL_OK, false);
    struct zk_gens *all = gens, *few = zk_gens_create(32, 16), *one = zk_gens_create(64, 1);
    gens = few;
    CHECK_EQ(VL_ERANGE, verify(&s, proof));
    prove(&s, p, VL_ERANGE, false);
    gens = one;
    s.build = many_ranges;
    s.k = 2; /* 128 multipliers */
    prove(&s, p, VL_ERANGE, false);
    CHECK_EQ(VL_ERANGE, verify(&s, vl_span(p, zk_cs_proof_size(128))));
    gens = all;
    zk_gens_destroy(few);
    zk_gens_destroy(one);
    close_all();
}

TEST(zk_r1cs, proves_the_largest_circuit) {
    open_all();
    struct zk_gens *some = gens;
    gens = zk_gens_create(64, ZK_GATES_MAX / 64);
    const struct zk_scalar v[1] = { u64(1ull << 63) };
    struct statement s = of(many_ranges, ZK_GATES_MAX / 64, 1, v);
    uint8_t p[ZK_R1CS_PROOF_MAX];
    struct vl_span proof = prove(&s, p, VL_OK, false);
    CHECK_EQ(ZK_R1CS_PROOF_MAX, proof.n);
    CHECK_OK(verify(&s, proof));
    p[32 * 8] ^= 1;
    CHECK_EQ(VL_ECRYPTO, verify(&s, proof));
    zk_gens_destroy(gens);
    gens = some;
    close_all();
}

static void in_a_batch(struct zk_batch *b, const struct statement *s, struct vl_span proof) {
    struct transcript t;
    struct zk_cs *cs = system_of(s, &t, "context", false);
    vl_ignore(zk_cs_add(cs, b, proof));
    zk_cs_destroy(cs);
}

TEST(zk_r1cs, is_checked_in_a_batch_that_names_the_wrong_one) {
    open_all();
    const struct zk_scalar v[2] = { u64(6), u64(7) };
    struct statement good = of(product_is, 42, 2, v), bad = of(product_is, 43, 2, v), sum = of(sum_is, 27, 2, v);
    uint8_t p[3][ZK_R1CS_PROOF_MAX], seed[32] = { 7 };
    enum vl_err each[3];
    struct zk_batch *b = zk_batch_create(gens);
    in_a_batch(b, &good, prove(&good, p[0], VL_OK, false));
    in_a_batch(b, &sum, prove(&sum, p[1], VL_OK, false));
    CHECK_OK(zk_batch_check(b, seed, NULL));
    in_a_batch(b, &bad, prove(&bad, p[2], VL_OK, true));
    CHECK_EQ(VL_ECRYPTO, zk_batch_check(b, seed, each));
    CHECK_OK(each[0]);
    CHECK_OK(each[1]);
    CHECK_EQ(VL_ECRYPTO, each[2]);
    zk_batch_destroy(b);
    close_all();
}

/* --- gadgets --- */
static void is_bool(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_lc a = lc_of(v[0]);
    (void)k;
    zk_gadget_bool(cs, &a);
}
static void in_range(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_lc a = lc_of(v[0]);
    zk_gadget_range(cs, &a, (unsigned)k, NULL);
}
static void not_zero(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_lc a = lc_of(v[0]);
    (void)k;
    zk_gadget_nonzero(cs, &a);
}
/* k: the wanted answer */
static void answer(struct zk_cs *cs, struct zk_lc is, uint64_t k) {
    struct zk_lc no = zk_gadget_not(&is);
    zk_gadget_true(cs, k != 0 ? &is : &no);
}
static void zero_is(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_lc a = lc_of(v[0]);
    answer(cs, zk_gadget_is_zero(cs, &a), k);
}
static void and_is(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_lc a = lc_of(v[0]), b = lc_of(v[1]);
    answer(cs, zk_gadget_and(cs, &a, &b), k);
}
static void or_is(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_lc a = lc_of(v[0]), b = lc_of(v[1]);
    answer(cs, zk_gadget_or(cs, &a, &b), k);
}
static void at_least_is(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_lc a = lc_of(v[0]), b = lc_of(v[1]);
    answer(cs, zk_gadget_at_least(cs, &a, &b, (unsigned)(k >> 8)), k & 1);
}
#define SET 5u
static const uint64_t numbers[SET] = { 3, 14, 15, 92, 65 };
static void a_member(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_scalar set[SET];
    struct zk_lc a = lc_of(v[0]);
    for (unsigned i = 0; i < SET; i++) set[i] = u64(numbers[i]);
    zk_gadget_member(cs, &a, set, (unsigned)k);
}
static void member_is(struct zk_cs *cs, const struct zk_var *v, uint64_t k) {
    struct zk_scalar set[SET];
    struct zk_lc a = lc_of(v[0]);
    for (unsigned i = 0; i < SET; i++) set[i] = u64(numbers[i]);
    answer(cs, zk_gadget_is_member(cs, &a, set, SET), k);
}
static void expect1(void (*build)(struct zk_cs *, const struct zk_var *, uint64_t), struct zk_scalar v, uint64_t k, bool truth) {
    struct statement s = of(build, k, 1, &v);
    expect(&s, truth);
}
static void expect2(void (*build)(struct zk_cs *, const struct zk_var *, uint64_t), uint64_t a, uint64_t b, uint64_t k, bool truth) {
    const struct zk_scalar v[2] = { u64(a), u64(b) };
    struct statement s = of(build, k, 2, v);
    expect(&s, truth);
}

TEST(zk_gadget, tells_bits_and_ranges) {
    open_all();
    expect1(is_bool, u64(0), 0, true);
    expect1(is_bool, u64(1), 0, true);
    expect1(is_bool, u64(2), 0, false);
    expect1(is_bool, zk_neg(u64(1)), 0, false);
    expect1(in_range, u64(1), 1, true);
    expect1(in_range, u64(2), 1, false);
    expect1(in_range, u64(4095), 12, true);
    expect1(in_range, u64(4096), 12, false);
    expect1(in_range, zk_neg(u64(1)), 12, false);
    expect1(in_range, u64(UINT64_MAX), 64, true);
    expect1(in_range, zk_add(u64(UINT64_MAX), u64(1)), 64, false);
    close_all();
}

TEST(zk_gadget, tells_zero_from_all_others) {
    open_all();
    expect1(not_zero, u64(5), 0, true);
    expect1(not_zero, zk_neg(u64(1)), 0, true);
    expect1(not_zero, u64(0), 0, false);
    for (uint64_t k = 0; k < 2; k++) {
        expect1(zero_is, u64(0), k, k == 1);
        expect1(zero_is, u64(7), k, k == 0);
        expect1(zero_is, any_scalar(), k, k == 0);
    }
    close_all();
}

TEST(zk_gadget, joins_booleans) {
    open_all();
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t a = i & 1, b = i >> 1 & 1, k = i >> 2;
        expect2(and_is, a, b, k, (a & b) == k);
        expect2(or_is, a, b, k, (a | b) == k);
    }
    close_all();
}

TEST(zk_gadget, compares_numbers_up_to_the_ends_of_their_width) {
    open_all();
    const uint64_t top = (1ull << 62) - 1;
    const struct {
        uint64_t a, b;
        unsigned width;
    } pair[] = { { 0, 0, 1 }, { 1, 0, 1 }, { 0, 1, 1 }, { 7, 7, 3 }, { 6, 7, 3 }, { 7, 6, 3 }, { top, 0, 62 }, { 0, top, 62 }, { top, top, 62 } };
    for (unsigned i = 0; i < sizeof pair / sizeof pair[0]; i++)
        for (uint64_t k = 0; k < 2; k++)
            expect2(at_least_is, pair[i].a, pair[i].b, (uint64_t)pair[i].width << 8 | k, (pair[i].a >= pair[i].b) == (k == 1));
    close_all();
}

TEST(zk_gadget, tells_members_of_a_set) {
    open_all();
    for (unsigned i = 0; i < SET; i++) {
        expect1(a_member, u64(numbers[i]), SET, true);
        expect1(member_is, u64(numbers[i]), 1, true);
        expect1(member_is, u64(numbers[i]), 0, false);
    }
    expect1(a_member, u64(16), SET, false);
    expect1(member_is, u64(16), 0, true);
    expect1(member_is, u64(16), 1, false);
    expect1(a_member, u64(3), 1, true);
    expect1(a_member, u64(14), 1, false);
    close_all();
}

TEST(zk_gadget, costs_the_multipliers_that_its_header_says) {
    open_all();
    struct transcript t;
    struct zk_var bit[ZK_BITS_MAX];
    struct zk_scalar set[SET];
    transcript_init(&t, "context");
    struct zk_cs *cs = zk_cs_create(gens, &t, false);
    struct zk_lc a = zk_lc_const(3);
    unsigned at = 0;
    for (unsigned i = 0; i < SET; i++) set[i] = u64(numbers[i]);
    zk_gadget_bool(cs, &a);
    CHECK_EQ(at += 1, zk_cs_gates(cs));
    zk_gadget_range(cs, &a, 17, bit);
    CHECK_EQ(at += 17, zk_cs_gates(cs));
    zk_gadget_and(cs, &a, &a);
    CHECK_EQ(at += 1, zk_cs_gates(cs));
    zk_gadget_or(cs, &a, &a);
    CHECK_EQ(at += 1, zk_cs_gates(cs));
    zk_gadget_true(cs, &a);
    CHECK_EQ(at, zk_cs_gates(cs));
    zk_gadget_nonzero(cs, &a);
    CHECK_EQ(at += 1, zk_cs_gates(cs));
    zk_gadget_is_zero(cs, &a);
    CHECK_EQ(at += 2, zk_cs_gates(cs));
    zk_gadget_member(cs, &a, set, SET);
    CHECK_EQ(at += SET - 1, zk_cs_gates(cs));
    zk_gadget_is_member(cs, &a, set, SET);
    CHECK_EQ(at += SET + 1, zk_cs_gates(cs));
    zk_gadget_at_least(cs, &a, &a, 20);
    CHECK_EQ(at + 21, zk_cs_gates(cs));
    zk_cs_destroy(cs);
    close_all();
}
