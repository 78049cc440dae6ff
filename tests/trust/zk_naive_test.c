/* The equations of every proof as the papers have them, term by term on libsodium alone: what our verifiers, who fold each
 * proof into one sum, say must be the same.  Bytes of proofs and statements are changed at random. */
#include "trust/zk_gadget.h"
#include "trust/zk_many.h"
#include "trust/zk_sigma.h"

#include "base/prng.h"
#include "crypto/random.h"
#include "trust/zk_r1cs_priv.h"

#include "check.h"

#include <sodium.h>
#include <string.h>

#define N 4u
#define M 2u /* bits of an index below N */
typedef const uint8_t (*rows)[32];
static const uint8_t random_bytes[32] = { 7 };

struct el {
    uint8_t b[32];
};
static struct el zero(void) { return (struct el){ { 0 } }; }
static struct el mul(struct zk_scalar k, struct el p) {
    struct el r;
    if (crypto_scalarmult_ristretto255(r.b, k.b, p.b) != 0) return zero(); /* refuses to give the identity */
    return r;
}
static struct el add(struct el p, struct el q) {
    struct el r;
    CHECK_EQ(0, crypto_core_ristretto255_add(r.b, p.b, q.b));
    return r;
}
static struct el sum_to(struct el sum, struct zk_scalar k, struct el p) { return add(sum, mul(k, p)); }
static bool same(struct el p, struct el q) { return memcmp(p.b, q.b, 32) == 0; }
static struct el of(const struct ristretto *p) {
    struct el r;
    ristretto_encode(p, r.b);
    return r;
}
static struct el base(void) {
    struct el r;
    const uint8_t one[32] = { 1 };
    CHECK_EQ(0, crypto_scalarmult_ristretto255_base(r.b, one));
    return r;
}
static struct zk_scalar inverse(struct zk_scalar v) {
    struct zk_scalar r;
    CHECK_EQ(0, crypto_core_ristretto255_scalar_invert(r.b, v.b));
    return r;
}
static struct zk_scalar challenge(struct transcript *t, const char *label) {
    struct zk_scalar r;
    transcript_challenge_scalar(t, label, r.b);
    return r;
}

/* A statement, a proof, and what reads it. */
struct scene {
    struct zk_gens *g;
    struct el b, c; /* B and C */
    struct zk_scalar v[N], a[N], k;
    uint8_t blind[N][32], commitment[N][32], proof[ZK_R1CS_PROOF_MAX];
    size_t size;
    const uint8_t *at; /* of the naive reader */
};
static struct transcript context(void) {
    struct transcript t;
    transcript_init(&t, "naive");
    return t;
}
static void scene_make(struct scene *s) {
    memset(s, 0, sizeof *s);
    CHECK_OK(crypto_init());
    s->g = zk_gens_create(64, 1);
    s->b = base();
    s->c = of(zk_gens_blind(s->g));
    for (unsigned i = 0; i < N; i++) {
        s->v[i] = zk_of_u64(3 + 4 * i);
        s->a[i] = zk_of_u64(i + 1);
        s->k = zk_muladd(s->a[i], s->v[i], s->k);
        memset(s->blind[i], (int)(1 + i), 31); /* the same in every run, and so all that follows */
        struct el p = add(mul(s->v[i], s->b), mul(zk_of_bytes(s->blind[i]), s->c));
        memcpy(s->commitment[i], p.b, 32);
    }
}
static struct el commitment(const struct scene *s, unsigned i) {
    struct el p;
    memcpy(p.b, s->commitment[i], 32);
    return p;
}
static struct el next_point(struct scene *s) {
    struct el p;
    memcpy(p.b, s->at, 32);
    s->at += 32;
    return p;
}
static struct zk_scalar next_number(struct scene *s) {
    s->at += 32;
    return zk_of_bytes(s->at - 32);
}
/* The first `points` rows, and `more` of them from row `from` on, are points and not the identity; all others are numbers
 * below L. */
static bool well_formed(const struct scene *s, unsigned points, unsigned from, unsigned more) {
    for (unsigned i = 0; i < s->size / 32; i++) {
        const uint8_t *p = s->proof + 32 * i;
        bool is_point = i < points || (i >= from && i < from + more);
        if (is_point && (!crypto_core_ristretto255_is_valid_point(p) || sodium_is_zero(p, 32))) return false;
        if (!is_point && !zk_canonical_vartime(p)) return false;
    }
    for (unsigned i = 0; i < N; i++)
        if (!crypto_core_ristretto255_is_valid_point(s->commitment[i])) return false;
    return true;
}
static enum vl_err verdict(bool right) { return right ? VL_OK : VL_ECRYPTO; }

/* --- linear relations, openings, sets --- */
static void append_rows(struct transcript *t, const char *label, const void *row, unsigned n) {
    for (unsigned i = 0; i < n; i++) transcript_append(t, label, vl_span((const uint8_t *)row + 32 * i, 32));
}
static enum vl_err naive_linear(struct scene *s) {
    struct transcript t = context();
    if (!well_formed(s, 1, 0, 0)) return VL_EPARSE;
    transcript_append(&t, "dom-sep", vl_span_str("village zk linear v1"));
    transcript_append_u64(&t, "n", N);
    append_rows(&t, "V", s->commitment, N);
    append_rows(&t, "a", s->a, N);
    append_rows(&t, "k", &s->k, 1);
    append_rows(&t, "R", s->at, 1);
    struct el r = next_point(s), sum = mul(zk_neg(s->k), s->b);
    for (unsigned i = 0; i < N; i++) sum = sum_to(sum, s->a[i], commitment(s, i));
    return verdict(same(mul(next_number(s), s->c), sum_to(r, challenge(&t, "c"), sum)));
}
static enum vl_err naive_open(struct scene *s) {
    struct transcript t = context();
    if (!well_formed(s, 1, 0, 0)) return VL_EPARSE;
    transcript_append(&t, "dom-sep", vl_span_str("village zk open v1"));
    transcript_append_u64(&t, "n", N);
    append_rows(&t, "V", s->commitment, N);
    append_rows(&t, "R", s->at, 1);
    struct zk_scalar c = challenge(&t, "c"), power = c;
    struct el sum = next_point(s);
    for (unsigned i = 0; i < N; i++, power = zk_mul(power, c)) sum = sum_to(sum, power, commitment(s, i));
    struct el left = mul(next_number(s), s->b);
    return verdict(same(sum_to(left, next_number(s), s->c), sum));
}
static enum vl_err naive_set(struct scene *s) {
    struct transcript t = context();
    bool right = true;
    if (!well_formed(s, N, 0, 0)) return VL_EPARSE;
    transcript_append(&t, "dom-sep", vl_span_str("village zk set v1"));
    transcript_append_u64(&t, "n", N);
    transcript_append(&t, "set", vl_span(s->v, sizeof s->v));
    append_rows(&t, "V", s->commitment, 1);
    append_rows(&t, "R", s->at, N);
    struct zk_scalar rest = challenge(&t, "c");
    const uint8_t *p = s->proof;
    for (unsigned i = 0; i < N; i++) {
        struct el r, d = sum_to(commitment(s, 0), zk_neg(s->v[i]), s->b);
        struct zk_scalar c = i + 1 < N ? zk_of_bytes(p + 32 * (N + i)) : rest;
        memcpy(r.b, p + 32 * i, 32);
        right &= same(mul(zk_of_bytes(p + 32 * (2 * N - 1 + i)), s->c), sum_to(r, c, d));
        rest = zk_sub(rest, c);
    }
    return verdict(right);
}

/* --- one of many: N - 1 pairs of neighbours --- */
static enum vl_err naive_many(struct scene *s) {
    struct transcript t = context();
    if (!well_formed(s, 4 + M, 0, 0)) return VL_EPARSE;
    transcript_append(&t, "dom-sep", vl_span_str("village zk many v1"));
    transcript_append_u64(&t, "n", N - 1);
    transcript_append_u64(&t, "width", 2);
    transcript_append_u64(&t, "stride", 1);
    transcript_append(&t, "set", vl_span(s->v, sizeof s->v));
    append_rows(&t, "V", s->commitment, 2);
    struct zk_scalar y = challenge(&t, "y"), f[M], value = zk_of_u64(0), one = zk_of_u64(1), xm = one;
    transcript_append(&t, "points", vl_span(s->at, 32 * (4 + M)));
    struct zk_scalar x = challenge(&t, "x");
    struct el bits = next_point(s), masks = next_point(s), cross = next_point(s), square = next_point(s), q = zero();
    for (unsigned k = 0; k < M; k++, xm = zk_mul(xm, x)) q = sum_to(q, xm, next_point(s));
    for (unsigned j = 0; j < M; j++) f[j] = next_number(s);
    struct zk_scalar za = next_number(s), zc = next_number(s), zv = next_number(s);
    struct el of_bits = mul(za, s->c), of_cross = mul(zc, s->c), v = sum_to(commitment(s, 0), y, commitment(s, 1));
    for (unsigned j = 0; j < M; j++) {
        of_bits = sum_to(of_bits, f[j], of(&s->g->g[j]));
        of_cross = sum_to(of_cross, zk_mul(f[j], zk_sub(x, f[j])), of(&s->g->g[j]));
    }
    for (unsigned i = 0; i < 1u << M; i++) {
        unsigned at = i < N - 1 ? i : N - 2;
        struct zk_scalar p = one;
        for (unsigned j = 0; j < M; j++) p = zk_mul(p, i >> (M - 1 - j) & 1 ? f[j] : zk_sub(x, f[j]));
        value = zk_muladd(p, zk_muladd(y, s->v[at + 1], s->v[at]), value);
    }
    bool right = same(sum_to(masks, x, bits), of_bits);
    right &= same(sum_to(square, x, cross), of_cross);
    right &= same(sum_to(q, xm, v), sum_to(mul(value, s->b), zv, s->c));
    return verdict(right);
}

/* --- circuits --- */
static struct zk_cs *circuit(struct scene *s, struct transcript *t, bool prover) {
    struct zk_cs *cs = zk_cs_create(s->g, t, prover);
    struct zk_lc v[2];
    for (unsigned i = 0; i < 2; i++) {
        struct zk_opening o = { s->v[i], zk_of_bytes(s->blind[i]) };
        v[i] = zk_lc_var(zk_cs_commit(cs, s->commitment[i], prover ? &o : NULL));
    }
    struct zk_lc is = zk_gadget_at_least(cs, &v[1], &v[0], 4), product = zk_lc_var(zk_cs_multiply(cs, &v[0], &v[1]).output);
    struct zk_lc want = zk_lc_const(21);
    zk_gadget_true(cs, &is);
    zk_lc_add_lc(&product, zk_neg(zk_of_u64(1)), &want);
    zk_cs_constrain(cs, &product);
    return cs;
}

#define GATES 8u
#define ROUNDS 3u
struct weights { /* of constraints added up; the committed and the constant one on their side */
    struct zk_scalar l[GATES], r[GATES], o[GATES], v[2], one;
};
static struct weights weigh(const struct zk_cs *cs, struct zk_scalar z) {
    struct weights w;
    struct zk_scalar power = z;
    memset(&w, 0, sizeof w);
    for (size_t i = 0, k = 0; i < cs->constraints; i++, power = zk_mul(power, z))
        for (; k < cs->end[i]; k++) {
            struct zk_var v = cs->term[k].var;
            struct zk_scalar *to = v.kind == ZK_ONE         ? &w.one
                                   : v.kind == ZK_COMMITTED ? &w.v[v.at]
                                   : v.kind == ZK_LEFT      ? &w.l[v.at]
                                   : v.kind == ZK_RIGHT     ? &w.r[v.at]
                                                            : &w.o[v.at];
            *to = zk_muladd(power, cs->term[k].k, *to);
        }
    return w;
}

/* P, which the vectors at the end must open: folded round by round with all generators. */
static bool inner_holds(struct scene *s, struct transcript *t, struct el p, struct el *g, struct el *h, struct el q) {
    transcript_append(t, "dom-sep", vl_span_str("ipp v1"));
    transcript_append_u64(t, "n", GATES);
    for (unsigned half = GATES / 2; half > 0; half /= 2) {
        append_rows(t, "L", s->at, 1);
        append_rows(t, "R", s->at + 32, 1);
        struct zk_scalar u = challenge(t, "u"), inv = inverse(u);
        p = sum_to(p, zk_mul(u, u), next_point(s));
        p = sum_to(p, zk_mul(inv, inv), next_point(s));
        for (unsigned i = 0; i < half; i++) {
            g[i] = add(mul(inv, g[i]), mul(u, g[i + half]));
            h[i] = add(mul(u, h[i]), mul(inv, h[i + half]));
        }
    }
    struct zk_scalar a = next_number(s), b = next_number(s);
    return same(p, sum_to(add(mul(a, g[0]), mul(b, h[0])), zk_mul(a, b), q));
}

static enum vl_err naive_circuit(struct scene *s) {
    static const char *const label[ZK_CS_POINTS] = { "A_I", "A_O", "S", "T_1", "T_3", "T_4", "T_5", "T_6" };
    static const unsigned degree[ZK_CS_POINTS] = { 1, 2, 3, 1, 3, 4, 5, 6 };
    struct transcript t = context();
    if (!well_formed(s, ZK_CS_POINTS, ZK_CS_POINTS + 3, 2 * ROUNDS)) return VL_EPARSE;
    struct zk_cs *cs = circuit(s, &t, false);
    zk_cs_begin(cs); /* what the statement is; zk_format_test.c holds it */
    append_rows(&t, label[0], s->at, 1);
    append_rows(&t, label[1], s->at + 32, 1);
    append_rows(&t, label[2], s->at + 64, 1);
    struct zk_scalar y = challenge(&t, "y"), z = challenge(&t, "z"), inv_y = inverse(y), yi = zk_of_u64(1), x_to[7];
    for (unsigned i = 3; i < ZK_CS_POINTS; i++) append_rows(&t, label[i], s->at + 32 * i, 1);
    x_to[0] = yi;
    x_to[1] = challenge(&t, "x");
    for (unsigned i = 2; i < 7; i++) x_to[i] = zk_mul(x_to[i - 1], x_to[1]);
    struct el p = zero(), ts = zero(), g[GATES], h[GATES];
    for (unsigned i = 0; i < ZK_CS_POINTS; i++) {
        struct el *to = i < 3 ? &p : &ts;
        *to = sum_to(*to, x_to[degree[i]], next_point(s));
    }
    append_rows(&t, "t_x", s->at, 1);
    append_rows(&t, "t_x_blinding", s->at + 32, 1);
    append_rows(&t, "e_blinding", s->at + 64, 1);
    struct zk_scalar tx = next_number(s), tau = next_number(s), mu = next_number(s), delta = zk_of_u64(0), w = challenge(&t, "w");
    struct weights k = weigh(cs, z);
    zk_cs_destroy(cs);
    for (unsigned i = 0; i < GATES; i++, yi = zk_mul(yi, inv_y)) { /* H'[i] = y^-i H[i] */
        g[i] = of(&s->g->g[i]);
        h[i] = mul(yi, of(&s->g->h[i]));
        delta = zk_muladd(zk_mul(yi, k.r[i]), k.l[i], delta);
        p = sum_to(p, zk_mul(x_to[1], zk_mul(yi, k.r[i])), g[i]);
        p = sum_to(p, zk_sub(zk_muladd(x_to[1], k.l[i], k.o[i]), inverse(yi)), h[i]);
    }
    struct el want = sum_to(ts, zk_mul(x_to[2], zk_sub(delta, k.one)), s->b);
    for (unsigned j = 0; j < 2; j++) want = sum_to(want, zk_neg(zk_mul(x_to[2], k.v[j])), commitment(s, j));
    bool right = same(add(mul(tx, s->b), mul(tau, s->c)), want);
    struct el q = mul(w, s->b);
    p = sum_to(sum_to(p, zk_neg(mu), s->c), tx, q);
    return verdict(inner_holds(s, &t, p, g, h, q) && right);
}

/* --- both of each kind --- */
enum kind { LINEAR, OPEN, SET, MANY, CIRCUIT, KINDS };
static const char *const names[KINDS] = { "linear", "open", "set", "many", "circuit" };

static void prove(struct scene *s, enum kind kind) {
    struct transcript t = context();
    const struct zk_many_set pairs = { s->v, N - 1, 2, 1 };
    struct zk_cs *cs = NULL;
    switch (kind) {
    case LINEAR: s->size = ZK_LINEAR_PROOF; CHECK_OK(zk_linear_prove(s->g, &t, s->a, (rows)s->commitment, N, &s->k, (rows)s->blind, random_bytes, s->proof)); break;
    case OPEN: s->size = ZK_OPEN_PROOF; CHECK_OK(zk_open_prove(s->g, &t, (rows)s->commitment, N, s->v, (rows)s->blind, random_bytes, s->proof)); break;
    case SET: s->size = zk_set_size(N); CHECK_OK(zk_set_prove(s->g, &t, s->v, N, s->commitment[0], 0, s->blind[0], random_bytes, s->proof)); break;
    case MANY: s->size = zk_many_size(N - 1); CHECK_OK(zk_many_prove(s->g, &t, &pairs, (rows)s->commitment, 0, (rows)s->blind, random_bytes, s->proof)); break;
    case CIRCUIT:
        cs = circuit(s, &t, true);
        s->size = zk_cs_proof_size(zk_cs_gates(cs));
        CHECK_EQ(GATES, zk_cs_padded(zk_cs_gates(cs)));
        CHECK_OK(zk_cs_prove(cs, random_bytes, s->proof));
        zk_cs_destroy(cs);
        break;
    case KINDS: break;
    }
}
static enum vl_err ours(struct scene *s, enum kind kind) {
    struct transcript t = context();
    const struct zk_many_set pairs = { s->v, N - 1, 2, 1 };
    struct vl_span p = vl_span(s->proof, s->size);
    enum vl_err err = VL_EINTERNAL;
    struct zk_cs *cs = NULL;
    switch (kind) {
    case LINEAR: err = zk_linear_verify(s->g, &t, s->a, (rows)s->commitment, N, &s->k, p); break;
    case OPEN: err = zk_open_verify(s->g, &t, (rows)s->commitment, N, p); break;
    case SET: err = zk_set_verify(s->g, &t, s->v, N, s->commitment[0], p); break;
    case MANY: err = zk_many_verify(s->g, &t, &pairs, (rows)s->commitment, p); break;
    case CIRCUIT:
        cs = circuit(s, &t, false);
        err = zk_cs_verify(cs, p);
        zk_cs_destroy(cs);
        break;
    case KINDS: break;
    }
    return err;
}
static enum vl_err naive(struct scene *s, enum kind kind) {
    static enum vl_err (*const ask[KINDS])(struct scene *) = { naive_linear, naive_open, naive_set, naive_many, naive_circuit };
    s->at = s->proof;
    return ask[kind](s);
}
/* Moves a number of the proof by one, up or down: still well-formed. */
static void move(struct scene *s, unsigned row, bool up) {
    struct zk_scalar v = zk_of_bytes(s->proof + 32 * row), one = zk_of_u64(1);
    v = up ? zk_add(v, one) : zk_sub(v, one);
    memcpy(s->proof + 32 * row, v.b, 32);
}
/* Puts another valid point into a row, or moves the number there. */
static void spoil(struct scene *s, struct vl_prng *rng) {
    unsigned row = (unsigned)(vl_prng_next(rng) % (s->size / 32));
    uint8_t *p = s->proof + 32 * row;
    switch (vl_prng_next(rng) % 4) {
    case 0: p[vl_prng_next(rng) % 32] ^= (uint8_t)(1u << vl_prng_next(rng) % 8); break;
    case 1: s->v[1] = zk_of_u64(vl_prng_next(rng)); break;
    case 2: memcpy(s->commitment[vl_prng_next(rng) % 2], s->b.b, 32); break;
    default:
        if (crypto_core_ristretto255_is_valid_point(p)) {
            struct el q, is;
            memcpy(q.b, p, 32);
            is = add(q, s->b);
            memcpy(p, is.b, 32);
        } else {
            move(s, row, true);
        }
    }
}

TEST(zk_naive, verifiers_say_what_the_equations_say_one_by_one) {
    struct scene right, s;
    struct vl_prng rng;
    vl_prng_seed(&rng, 1);
    for (enum kind kind = LINEAR; kind < KINDS; kind++) {
        unsigned seen[2] = { 0, 0 };
        scene_make(&right);
        prove(&right, kind);
        CHECK_OK(ours(&right, kind));
        CHECK_OK(naive(&right, kind));
        for (unsigned i = 0; i < 60; i++) {
            s = right;
            spoil(&s, &rng);
            enum vl_err is = ours(&s, kind), want = naive(&s, kind);
            if (is != want) printf("# %s, case %u\n", names[kind], i);
            CHECK_EQ(want, is);
            if (want != VL_OK) seen[want == VL_ECRYPTO]++;
        }
        CHECK(seen[0] > 1 && seen[1] > 10); /* malformed ones, and wrong ones */
        zk_gens_destroy(right.g);
    }
}

/* Two numbers of one proof that enter its sum by the same generator, one up, one down: equations of a proof have weights,
 * too. */
TEST(zk_naive, errors_of_two_equations_of_one_proof_do_not_cancel) {
    static const struct {
        enum kind kind;
        unsigned a, b;
    } pair[] = { { SET, 2 * N - 1, 2 * N },                          /* s of two members */
                 { MANY, 4 + 2 * M, 5 + 2 * M },                     /* za, zc */
                 { MANY, 5 + 2 * M, 6 + 2 * M } };                   /* zc, zv */
    struct scene s;
    for (unsigned i = 0; i < sizeof pair / sizeof pair[0]; i++) {
        scene_make(&s);
        prove(&s, pair[i].kind);
        move(&s, pair[i].a, true);
        move(&s, pair[i].b, false);
        CHECK_EQ(VL_ECRYPTO, ours(&s, pair[i].kind));
        zk_gens_destroy(s.g);
    }
}

/* In every place of a point: p, p + 1 and 2^255 - 1, which are numbers not reduced; 1, which is negative; the identity. */
TEST(zk_naive, points_have_one_encoding_and_are_not_the_identity) {
    struct scene s;
    uint8_t bad[5][32] = { { 0 } };
    for (unsigned k = 0; k < 3; k++) {
        memset(bad[k], 0xff, 32);
        bad[k][31] = 0x7f;
        if (k < 2) bad[k][0] = (uint8_t)(0xed + k);
    }
    bad[3][0] = 1;
    for (enum kind kind = LINEAR; kind < KINDS; kind++) {
        static const unsigned points[KINDS] = { 1, 1, N, 4 + M, ZK_CS_POINTS };
        scene_make(&s);
        prove(&s, kind);
        for (unsigned row = 0; row < s.size / 32; row++) {
            uint8_t was[32];
            bool is_point = row < points[kind] || (kind == CIRCUIT && row >= ZK_CS_POINTS + 3 && row < s.size / 32 - 2);
            memcpy(was, s.proof + 32 * row, 32);
            for (unsigned k = 0; k < 5 && is_point; k++) {
                memcpy(s.proof + 32 * row, bad[k], 32);
                CHECK_EQ(VL_EPARSE, ours(&s, kind));
            }
            memcpy(s.proof + 32 * row, was, 32);
        }
        for (unsigned k = 0; k < 4; k++) { /* commitments; to the identity there may be one */
            memcpy(s.commitment[0], bad[k], 32);
            CHECK_EQ(VL_EPARSE, ours(&s, kind));
        }
        memset(s.commitment[0], 0, 32);
        CHECK_EQ(VL_ECRYPTO, ours(&s, kind));
        zk_gens_destroy(s.g);
    }
}
