#include "trust/zk_range.h"

#include "crypto/keccak.h"
#include "crypto/msm.h"
#include "trust/zk_range_priv.h"

#include <assert.h>
#include <stdlib.h>

/* dalek's chain of one party: SHAKE256("GeneratorsChain" || letter || number, 4 bytes little-endian), 64 bytes each. */
static void chain(char letter, unsigned value, unsigned n, struct ristretto *ret) {
    uint8_t in[20] = "GeneratorsChain", out[ZK_RANGE_BITS_MAX * RISTRETTO_UNIFORM];
    in[15] = (uint8_t)letter;
    in[16] = (uint8_t)value;
    keccak_shake256(vl_span(in, sizeof in), out, (size_t)n * RISTRETTO_UNIFORM);
    for (unsigned i = 0; i < n; i++) ristretto_from_uniform(out + (size_t)i * RISTRETTO_UNIFORM, &ret[i]);
}

int zk_range_rounds(unsigned bits, unsigned m) {
    int rounds = 0;
    if ((bits != 8 && bits != 16 && bits != 32 && bits != 64) || (m != 1 && m != 2 && m != 4 && m != 8)) return -1;
    while (1u << rounds < bits * m) rounds++;
    return rounds;
}

struct zk_gens *zk_gens_create(unsigned bits, unsigned values) {
    uint8_t base[32], wide[64];
    assert(zk_range_rounds(bits, values) >= 0);
    struct zk_gens *g = calloc(1, sizeof *g);
    if (g == NULL) return NULL;
    g->bits = bits;
    g->values = values;
    g->g = calloc((size_t)bits * values, sizeof *g->g);
    g->h = calloc((size_t)bits * values, sizeof *g->h);
    if (g->g == NULL || g->h == NULL) {
        zk_gens_destroy(g);
        return NULL;
    }
    g->value = ristretto_base();
    ristretto_encode(&g->value, base);
    keccak_sha3_512(vl_span(base, sizeof base), wide);
    ristretto_from_uniform(wide, &g->blind);
    for (unsigned j = 0; j < values; j++) {
        chain('G', j, bits, &g->g[(size_t)j * bits]);
        chain('H', j, bits, &g->h[(size_t)j * bits]);
    }
    return g;
}

void zk_gens_destroy(struct zk_gens *g) {
    if (g == NULL) return;
    free(g->g);
    free(g->h);
    free(g);
}

const struct ristretto *zk_gens_value(const struct zk_gens *g) { return &g->value; }
const struct ristretto *zk_gens_blind(const struct zk_gens *g) { return &g->blind; }

/* v B + blind C of secret scalars. */
static void commit(const struct zk_gens *g, struct zk_scalar v, struct zk_scalar blind, uint8_t ret[32]) {
    struct ristretto a, b;
    ristretto_mul_base(v.b, &a);
    ristretto_mul(blind.b, &g->blind, &b);
    b = ristretto_add(&a, &b);
    ristretto_encode(&b, ret);
    sodium_memzero(&a, sizeof a);
}

void zk_commit(const struct zk_gens *g, uint64_t v, const uint8_t blind[32], uint8_t ret[32]) {
    commit(g, zk_of_u64(v), zk_of_bytes(blind), ret);
}

size_t zk_range_size(unsigned bits, unsigned values) {
    int rounds = zk_range_rounds(bits, values);
    return rounds < 0 ? 0 : ZK_HEAD + 64u * (unsigned)rounds + 64u;
}

void zk_range_begin(struct transcript *t, const uint8_t (*commitment)[32], unsigned m, unsigned bits) {
    transcript_append(t, "dom-sep", vl_span_str("rangeproof v1"));
    transcript_append_u64(t, "n", bits);
    transcript_append_u64(t, "m", m);
    for (unsigned j = 0; j < m; j++) transcript_append(t, "V", vl_span(commitment[j], 32));
}

struct zk_scalar zk_challenge(struct transcript *t, const char *label) {
    struct zk_scalar r;
    transcript_challenge_scalar(t, label, r.b);
    return r;
}

/* All a prover holds; every part of it is secret until the proof is out. */
struct prover {
    unsigned n, m, count; /* bits, values, their product */
    struct transcript rng;
    struct zk_scalar l0[ZK_TERMS_MAX], l1[ZK_TERMS_MAX], r0[ZK_TERMS_MAX], r1[ZK_TERMS_MAX]; /* l(X), r(X) */
    struct zk_scalar gs[ZK_TERMS_MAX], hs[ZK_TERMS_MAX]; /* of the folded generators in the given ones */
    uint8_t scalar[ZK_TERMS_MAX + 1][32];
    struct ristretto point[ZK_TERMS_MAX + 1];
};

static struct zk_scalar draw(struct prover *p) {
    uint8_t wide[64];
    struct zk_scalar r;
    transcript_rng_fill(&p->rng, wide, sizeof wide);
    crypto_core_ristretto255_scalar_reduce(r.b, wide);
    sodium_memzero(wide, sizeof wide);
    return r;
}

static unsigned bit_of(const uint64_t *v, const struct prover *p, unsigned i) {
    return (unsigned)(v[i / p->n] >> i % p->n & 1);
}

/* a when take is 1, else b, in constant time. */
static struct ristretto either(uint64_t take, const struct ristretto *a, const struct ristretto *b) {
    return (struct ristretto){ { fe_select(b->e.x, a->e.x, take), fe_select(b->e.y, a->e.y, take),
                                 fe_select(b->e.z, a->e.z, take), fe_select(b->e.t, a->e.t, take) } };
}

/* A = alpha C + <bits, G> + <bits - 1, H>: for each bit either G_i or -H_i. */
static void commit_bits(const struct zk_gens *g, const struct prover *p, const uint64_t *v, struct zk_scalar alpha,
                        uint8_t ret[32]) {
    struct ristretto sum, one, minus;
    ristretto_mul(alpha.b, &g->blind, &sum);
    for (unsigned i = 0; i < p->count; i++) {
        unsigned at = i / p->n * g->bits + i % p->n;
        minus = ristretto_neg(&g->h[at]);
        minus.e.x = fe_carry(minus.e.x);
        minus.e.t = fe_carry(minus.e.t);
        one = either(bit_of(v, p, i), &g->g[at], &minus);
        sum = ristretto_add(&sum, &one);
    }
    ristretto_encode(&sum, ret);
    sodium_memzero(&one, sizeof one);
    sodium_memzero(&sum, sizeof sum);
}

/* S = rho C + <l1, G> + <r1, H>, where r1 is still without the powers of y. */
static void commit_masks(const struct zk_gens *g, const struct prover *p, struct zk_scalar rho, uint8_t ret[32]) {
    struct ristretto sum, one;
    ristretto_mul(rho.b, &g->blind, &sum);
    for (unsigned i = 0; i < p->count; i++) {
        unsigned at = i / p->n * g->bits + i % p->n;
        ristretto_mul(p->l1[i].b, &g->g[at], &one);
        sum = ristretto_add(&sum, &one);
        ristretto_mul(p->r1[i].b, &g->h[at], &one);
        sum = ristretto_add(&sum, &one);
    }
    ristretto_encode(&sum, ret);
    sodium_memzero(&one, sizeof one);
    sodium_memzero(&sum, sizeof sum);
}

/* l0 = bits - z, r0 = y^i (bits - 1 + z) + z^(2+j) 2^k; r1 gets its y^i. */
static void fill_polynomials(struct prover *p, const uint64_t *v, struct zk_scalar y, struct zk_scalar z) {
    struct zk_scalar yi = zk_of_u64(1), zj = zk_mul(z, z), one = zk_of_u64(1);
    for (unsigned i = 0; i < p->count; i++) {
        if (i > 0 && i % p->n == 0) zj = zk_mul(zj, z);
        struct zk_scalar bit = zk_of_u64(bit_of(v, p, i)), power = zk_of_u64(1ull << i % p->n);
        p->l0[i] = zk_sub(bit, z);
        p->r0[i] = zk_add(zk_mul(yi, zk_add(zk_sub(bit, one), z)), zk_mul(zj, power));
        p->r1[i] = zk_mul(yi, p->r1[i]);
        yi = zk_mul(yi, y);
        sodium_memzero(&bit, sizeof bit);
    }
}

static struct zk_scalar inner(const struct zk_scalar *a, const struct zk_scalar *b, unsigned n) {
    struct zk_scalar r = zk_of_u64(0);
    for (unsigned i = 0; i < n; i++) r = zk_muladd(a[i], b[i], r);
    return r;
}

/* L (side 0) or R (side 1) of a round on vectors of 2 * half: the halves of a on the other half of G and so on, written
 * in the given generators, which are never folded. */
static enum vl_err cross(const struct zk_gens *g, struct prover *p, const struct zk_scalar *a,
                         const struct zk_scalar *b, unsigned half, unsigned side, struct zk_scalar w, uint8_t ret[32]) {
    struct ristretto sum;
    for (unsigned i = 0; i < p->count; i++) {
        unsigned at = i / p->n * g->bits + i % p->n, place = i % (2 * half);
        bool high = place >= half, is_g = high == (side == 0);
        struct zk_scalar s = is_g ? zk_mul(a[high ? place - half : place + half], p->gs[i])
                                  : zk_mul(b[high ? place - half : place + half], p->hs[i]);
        memcpy(p->scalar[i], s.b, 32);
        p->point[i] = is_g ? g->g[at] : g->h[at];
    }
    struct zk_scalar c = side == 0 ? inner(a, b + half, half) : inner(a + half, b, half);
    c = zk_mul(c, w);
    memcpy(p->scalar[p->count], c.b, 32);
    p->point[p->count] = g->value;
    enum vl_err err = msm_vartime((const uint8_t(*)[32])p->scalar, p->point, p->count + 1, &sum);
    if (err == VL_OK) ristretto_encode(&sum, ret);
    return err;
}

/* The inner-product argument for a = l0, b = r0 (which are l(x) and r(x) by now).  These two could be shown as they are
 * (the argument is there to make them short, not to hide them: they are blinded by l1 and r1), hence sums may take time
 * that depends on them. */
static enum vl_err prove_inner(const struct zk_gens *g, struct prover *p, struct transcript *t, struct zk_scalar y,
                               struct zk_scalar w, uint8_t *out) {
    struct zk_scalar *a = p->l0, *b = p->r0, work[2], inverse[2], power = zk_of_u64(1);
    transcript_append(t, "dom-sep", vl_span_str("ipp v1"));
    transcript_append_u64(t, "n", p->count);
    zk_invert_all(&y, 1, work, inverse);
    for (unsigned i = 0; i < p->count; i++) {
        p->gs[i] = zk_of_u64(1);
        p->hs[i] = power;
        power = zk_mul(power, inverse[0]);
    }
    for (unsigned half = p->count / 2; half > 0; half /= 2, out += 64) {
        enum vl_err err = cross(g, p, a, b, half, 0, w, out);
        if (err == VL_OK) err = cross(g, p, a, b, half, 1, w, out + 32);
        if (err != VL_OK) return err;
        transcript_append(t, "L", vl_span(out, 32));
        transcript_append(t, "R", vl_span(out + 32, 32));
        struct zk_scalar u = zk_challenge(t, "u");
        if (zk_is_zero(u)) return VL_ECRYPTO;
        zk_invert_all(&u, 1, work, inverse);
        for (unsigned i = 0; i < half; i++) {
            a[i] = zk_add(zk_mul(a[i], u), zk_mul(a[i + half], inverse[0]));
            b[i] = zk_add(zk_mul(b[i], inverse[0]), zk_mul(b[i + half], u));
        }
        for (unsigned i = 0; i < p->count; i++) {
            bool high = i % (2 * half) >= half;
            p->gs[i] = zk_mul(p->gs[i], high ? u : inverse[0]);
            p->hs[i] = zk_mul(p->hs[i], high ? inverse[0] : u);
        }
    }
    memcpy(out, a[0].b, 32);
    memcpy(out + 32, b[0].b, 32);
    return VL_OK;
}

/* Of the secrets of the polynomial t(X) and what blinds it. */
struct blinds {
    struct zk_scalar alpha, rho, tau1, tau2, t0, t1, t2;
};

/* t(x), its blinding factor and that of the inner product go into the proof; l0 and r0 become l(x) and r(x). */
static void open_polynomial(struct prover *p, const struct blinds *s, const uint8_t (*blind)[32], struct zk_scalar x,
                            struct zk_scalar z, uint8_t *out) {
    struct zk_scalar tx = zk_muladd(zk_muladd(s->t2, x, s->t1), x, s->t0), zj = zk_mul(z, z);
    struct zk_scalar tau = zk_mul(zk_muladd(s->tau2, x, s->tau1), x), e = zk_muladd(s->rho, x, s->alpha);
    for (unsigned j = 0; j < p->m; j++) {
        tau = zk_muladd(zj, zk_of_bytes(blind[j]), tau);
        zj = zk_mul(zj, z);
    }
    for (unsigned i = 0; i < p->count; i++) {
        p->l0[i] = zk_muladd(p->l1[i], x, p->l0[i]);
        p->r0[i] = zk_muladd(p->r1[i], x, p->r0[i]);
    }
    memcpy(out, tx.b, 32);
    memcpy(out + 32, tau.b, 32);
    memcpy(out + 64, e.b, 32);
}

static enum vl_err prove(const struct zk_gens *g, struct prover *p, struct blinds *s, struct transcript *t,
                         const uint64_t *v, const uint8_t (*blind)[32], uint8_t *proof) {
    s->alpha = draw(p);
    s->rho = draw(p);
    s->tau1 = draw(p);
    s->tau2 = draw(p);
    for (unsigned i = 0; i < p->count; i++) {
        p->l1[i] = draw(p);
        p->r1[i] = draw(p);
    }
    commit_bits(g, p, v, s->alpha, proof);
    commit_masks(g, p, s->rho, proof + 32);
    transcript_append(t, "A", vl_span(proof, 32));
    transcript_append(t, "S", vl_span(proof + 32, 32));
    struct zk_scalar y = zk_challenge(t, "y"), z = zk_challenge(t, "z");
    fill_polynomials(p, v, y, z);
    s->t0 = inner(p->l0, p->r0, p->count);
    s->t1 = zk_add(inner(p->l0, p->r1, p->count), inner(p->l1, p->r0, p->count));
    s->t2 = inner(p->l1, p->r1, p->count);
    commit(g, s->t1, s->tau1, proof + 64);
    commit(g, s->t2, s->tau2, proof + 96);
    transcript_append(t, "T_1", vl_span(proof + 64, 32));
    transcript_append(t, "T_2", vl_span(proof + 96, 32));
    struct zk_scalar x = zk_challenge(t, "x");
    if (zk_is_zero(x) || zk_is_zero(y) || zk_is_zero(z)) return VL_ECRYPTO; /* would show what is to be hidden */
    open_polynomial(p, s, blind, x, z, proof + 128);
    transcript_append(t, "t_x", vl_span(proof + 128, 32));
    transcript_append(t, "t_x_blinding", vl_span(proof + 160, 32));
    transcript_append(t, "e_blinding", vl_span(proof + 192, 32));
    struct zk_scalar w = zk_challenge(t, "w");
    return prove_inner(g, p, t, y, w, proof + ZK_HEAD);
}

enum vl_err zk_range_prove(const struct zk_gens *g, struct transcript *t, const uint64_t *v, const uint8_t (*blind)[32],
                           unsigned m, unsigned bits, const uint8_t random[32], uint8_t (*ret_commitment)[32],
                           uint8_t *ret_proof) {
    uint8_t commitment[ZK_RANGE_VALUES_MAX][32], proof[ZK_RANGE_PROOF_MAX];
    if (zk_range_rounds(bits, m) < 0 || bits > g->bits || m > g->values) return VL_ERANGE;
    for (unsigned j = 0; j < m; j++)
        if (bits < 64 && v[j] >> bits != 0) return VL_ERANGE;
    struct prover *p = calloc(1, sizeof *p);
    if (p == NULL) return VL_ENOMEM;
    p->n = bits;
    p->m = m;
    p->count = bits * m;
    for (unsigned j = 0; j < m; j++) zk_commit(g, v[j], blind[j], commitment[j]);
    zk_range_begin(t, (const uint8_t(*)[32])commitment, m, bits);
    transcript_rng_begin(t, &p->rng);
    for (unsigned j = 0; j < m; j++) {
        struct zk_scalar value = zk_of_u64(v[j]);
        transcript_rng_rekey(&p->rng, "v", vl_span(value.b, 8));
        transcript_rng_rekey(&p->rng, "v_blinding", vl_span(blind[j], 32));
        sodium_memzero(&value, sizeof value);
    }
    transcript_rng_finish(&p->rng, random);
    struct blinds s;
    memset(&s, 0, sizeof s);
    enum vl_err err = prove(g, p, &s, t, v, blind, proof);
    sodium_memzero(&s, sizeof s);
    sodium_memzero(p, sizeof *p);
    free(p);
    if (err != VL_OK) return err;
    memcpy(ret_commitment, commitment, (size_t)m * 32);
    memcpy(ret_proof, proof, zk_range_size(bits, m));
    return VL_OK;
}
