#include "trust/zk_range.h"

#include "crypto/msm_secret.h"
#include "trust/zk_inner.h"
#include "trust/zk_range_priv.h"
#include "trust/zk_sigma.h"

#include <stdlib.h>

int zk_range_rounds(unsigned bits, unsigned m) {
    int rounds = 0;
    if ((bits != 8 && bits != 16 && bits != 32 && bits != 64) || (m != 1 && m != 2 && m != 4 && m != 8)) return -1;
    while (1u << rounds < bits * m) rounds++;
    return rounds;
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

/* All a prover holds; every part of it is secret until the proof is out. */
struct prover {
    unsigned n, m, count; /* bits, values, their product */
    struct transcript rng;
    struct zk_scalar l0[ZK_TERMS_MAX], l1[ZK_TERMS_MAX], r0[ZK_TERMS_MAX], r1[ZK_TERMS_MAX]; /* l(X), r(X) */
    struct ristretto g[2 * ZK_TERMS_MAX + 1], *h; /* those generators that this proof needs; C behind them */
    uint8_t scalar[2 * ZK_TERMS_MAX + 1][32];
};

static unsigned bit_of(const uint64_t *v, const struct prover *p, unsigned i) {
    return (unsigned)(v[i / p->n] >> i % p->n & 1);
}

/* a when take is 1, else b, in constant time. */
static struct ristretto either(uint64_t take, const struct ristretto *a, const struct ristretto *b) {
    return (struct ristretto){ { fe_select(b->e.x, a->e.x, take), fe_select(b->e.y, a->e.y, take),
                                 fe_select(b->e.z, a->e.z, take), fe_select(b->e.t, a->e.t, take) } };
}

/* A = alpha C + <bits, G> + <bits - 1, H>: for each bit either G_i or -H_i. */
static void commit_bits(const struct prover *p, const uint64_t *v, struct zk_scalar alpha, uint8_t ret[32]) {
    struct ristretto sum, one, minus;
    ristretto_mul(alpha.b, &p->g[2 * (size_t)p->count], &sum);
    for (unsigned i = 0; i < p->count; i++) {
        minus = ristretto_neg(&p->h[i]);
        minus.e.x = fe_carry(minus.e.x);
        minus.e.t = fe_carry(minus.e.t);
        one = either(bit_of(v, p, i), &p->g[i], &minus);
        sum = ristretto_add(&sum, &one);
    }
    ristretto_encode(&sum, ret);
    sodium_memzero(&one, sizeof one);
    sodium_memzero(&sum, sizeof sum);
}

/* S = rho C + <l1, G> + <r1, H>, where r1 is still without the powers of y. */
static enum vl_err commit_masks(struct prover *p, struct zk_scalar rho, uint8_t ret[32]) {
    struct ristretto sum;
    for (unsigned i = 0; i < p->count; i++) {
        memcpy(p->scalar[i], p->l1[i].b, 32);
        memcpy(p->scalar[p->count + i], p->r1[i].b, 32);
    }
    memcpy(p->scalar[2 * (size_t)p->count], rho.b, 32);
    enum vl_err err = msm_secret((const uint8_t(*)[32])p->scalar, p->g, 2 * (size_t)p->count + 1, &sum);
    if (err == VL_OK) ristretto_encode(&sum, ret);
    return err;
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
    s->alpha = zk_nonce(&p->rng);
    s->rho = zk_nonce(&p->rng);
    s->tau1 = zk_nonce(&p->rng);
    s->tau2 = zk_nonce(&p->rng);
    for (unsigned i = 0; i < p->count; i++) {
        p->l1[i] = zk_nonce(&p->rng);
        p->r1[i] = zk_nonce(&p->rng);
    }
    commit_bits(p, v, s->alpha, proof);
    enum vl_err err = commit_masks(p, s->rho, proof + 32);
    if (err != VL_OK) return err;
    transcript_append(t, "A", vl_span(proof, 32));
    transcript_append(t, "S", vl_span(proof + 32, 32));
    struct zk_scalar y = zk_challenge(t, "y"), z = zk_challenge(t, "z");
    fill_polynomials(p, v, y, z);
    s->t0 = zk_inner_product(p->l0, p->r0, p->count);
    s->t1 = zk_add(zk_inner_product(p->l0, p->r1, p->count), zk_inner_product(p->l1, p->r0, p->count));
    s->t2 = zk_inner_product(p->l1, p->r1, p->count);
    zk_commit_scalar(g, &s->t1, s->tau1.b, proof + 64);
    zk_commit_scalar(g, &s->t2, s->tau2.b, proof + 96);
    transcript_append(t, "T_1", vl_span(proof + 64, 32));
    transcript_append(t, "T_2", vl_span(proof + 96, 32));
    struct zk_scalar x = zk_challenge(t, "x");
    if (zk_is_zero(x) || zk_is_zero(y) || zk_is_zero(z)) return VL_ECRYPTO; /* would show what is to be hidden */
    open_polynomial(p, s, blind, x, z, proof + 128);
    transcript_append(t, "t_x", vl_span(proof + 128, 32));
    transcript_append(t, "t_x_blinding", vl_span(proof + 160, 32));
    transcript_append(t, "e_blinding", vl_span(proof + 192, 32));
    struct zk_scalar w = zk_challenge(t, "w");
    return zk_inner_prove(g, p->g, p->h, t, p->count, p->l0, p->r0, y, w, proof + ZK_HEAD);
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
    p->h = p->g + p->count;
    for (unsigned i = 0; i < p->count; i++) {
        p->g[i] = g->g[i / bits * g->bits + i % bits];
        p->h[i] = g->h[i / bits * g->bits + i % bits];
    }
    p->g[2 * (size_t)p->count] = g->blind;
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
