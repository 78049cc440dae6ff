#include "crypto/msm_secret.h"
#include "trust/zk_r1cs_priv.h"
#include "trust/zk_sigma.h"

#include <stdlib.h>

/* l(X) = l1 X + l2 X^2 + l3 X^3 and r(X) = r0 + r1 X + r3 X^3, such that t2, of t(X) = <l(X), r(X)>, is what all
 * constraints say together. */
struct prover {
    unsigned n;
    struct transcript rng;
    struct zk_scalar *l1, *l2, *l3, *r0, *r1, *r3; /* n each, the first owns them all, up to inv_y */
    struct zk_scalar *y, *inv_y;                   /* powers */
    struct zk_scalar of_in, of_out, of_mask, tau[7];
    uint8_t (*scalar)[32]; /* 2 n + 1, as points */
    struct ristretto *point;
};

static bool prover_make(struct prover *p, unsigned n) {
    memset(p, 0, sizeof *p);
    p->n = n;
    p->l1 = calloc(8 * (size_t)n, sizeof *p->l1);
    p->scalar = calloc(2 * (size_t)n + 1, sizeof *p->scalar);
    p->point = calloc(2 * (size_t)n + 1, sizeof *p->point);
    if (p->l1 == NULL || p->scalar == NULL || p->point == NULL) return false;
    struct zk_scalar **part[7] = { &p->l2, &p->l3, &p->r0, &p->r1, &p->r3, &p->y, &p->inv_y };
    for (unsigned i = 0; i < 7; i++) *part[i] = p->l1 + (i + 1) * (size_t)n;
    return true;
}

static void prover_wipe(struct prover *p) {
    if (p->l1 != NULL) sodium_memzero(p->l1, 8 * (size_t)p->n * sizeof *p->l1);
    if (p->scalar != NULL) sodium_memzero(p->scalar, (2 * (size_t)p->n + 1) * sizeof *p->scalar);
    free(p->l1);
    free(p->scalar);
    free(p->point);
    sodium_memzero(p, sizeof *p);
}

static void term(struct prover *p, unsigned *at, const struct zk_scalar *k, const struct ristretto *point) {
    memcpy(p->scalar[*at], k->b, 32);
    p->point[(*at)++] = *point;
}

/* <a, G> + <b, H> + blind C; b may be NULL.  Secret. */
static enum vl_err commit(const struct zk_cs *cs, struct prover *p, const struct zk_scalar *a, const struct zk_scalar *b,
                          unsigned n, struct zk_scalar blind, uint8_t ret[32]) {
    struct ristretto sum;
    unsigned at = 0;
    for (unsigned i = 0; i < n; i++) term(p, &at, &a[i], &cs->gens->g[i]);
    for (unsigned i = 0; b != NULL && i < n; i++) term(p, &at, &b[i], &cs->gens->h[i]);
    term(p, &at, &blind, &cs->gens->blind);
    enum vl_err err = msm_secret((const uint8_t(*)[32])p->scalar, p->point, at, &sum);
    if (err == VL_OK) ristretto_encode(&sum, ret);
    return err;
}

/* AI, AO, S, and their places in the transcript. */
static enum vl_err commit_gates(struct zk_cs *cs, struct prover *p, uint8_t *out) {
    p->of_in = zk_nonce(&p->rng);
    p->of_out = zk_nonce(&p->rng);
    p->of_mask = zk_nonce(&p->rng);
    for (unsigned i = 0; i < p->n; i++) {
        p->l3[i] = zk_nonce(&p->rng);
        p->r3[i] = zk_nonce(&p->rng);
    }
    enum vl_err err = commit(cs, p, cs->left, cs->right, cs->gates, p->of_in, out);
    if (err == VL_OK) err = commit(cs, p, cs->output, NULL, cs->gates, p->of_out, out + 32);
    if (err == VL_OK) err = commit(cs, p, p->l3, p->r3, p->n, p->of_mask, out + 64);
    if (err != VL_OK) return err;
    transcript_append(cs->t, "A_I", vl_span(out, 32));
    transcript_append(cs->t, "A_O", vl_span(out + 32, 32));
    transcript_append(cs->t, "S", vl_span(out + 64, 32));
    return VL_OK;
}

static void fill_polynomials(const struct zk_cs *cs, struct prover *p, const struct zk_flat *w) {
    for (unsigned i = 0; i < p->n; i++) {
        p->l1[i] = zk_muladd(p->inv_y[i], w->r[i], cs->left[i]);
        p->l2[i] = cs->output[i];
        p->r0[i] = zk_sub(w->o[i], p->y[i]);
        p->r1[i] = zk_muladd(p->y[i], cs->right[i], w->l[i]);
        p->r3[i] = zk_mul(p->y[i], p->r3[i]);
    }
}

/* T1, T3, T4, T5, T6; t[2] stays inside. */
static void commit_polynomial(struct zk_cs *cs, struct prover *p, struct zk_scalar t[7], uint8_t *out) {
    static const char *const label[7] = { "", "T_1", "", "T_3", "T_4", "T_5", "T_6" };
    unsigned n = p->n;
    t[1] = zk_inner_product(p->l1, p->r0, n);
    t[2] = zk_add(zk_inner_product(p->l1, p->r1, n), zk_inner_product(p->l2, p->r0, n));
    t[3] = zk_add(zk_inner_product(p->l2, p->r1, n), zk_inner_product(p->l3, p->r0, n));
    t[4] = zk_add(zk_inner_product(p->l1, p->r3, n), zk_inner_product(p->l3, p->r1, n));
    t[5] = zk_inner_product(p->l2, p->r3, n);
    t[6] = zk_inner_product(p->l3, p->r3, n);
    for (unsigned i = 1; i < 7; i++) {
        if (i == 2) continue;
        p->tau[i] = zk_nonce(&p->rng);
        zk_commit_scalar(cs->gens, &t[i], p->tau[i].b, out);
        transcript_append(cs->t, label[i], vl_span(out, 32));
        out += 32;
    }
}

/* sum of k[i] x^i for i of 1..6 */
static struct zk_scalar at(const struct zk_scalar k[7], struct zk_scalar x) {
    struct zk_scalar r = k[6];
    for (unsigned i = 5; i >= 1; i--) r = zk_muladd(r, x, k[i]);
    return zk_mul(r, x);
}

/* The numbers; l1 and r1 become l(x) and r(x). */
static void open_polynomial(struct zk_cs *cs, struct prover *p, const struct zk_flat *w, const struct zk_scalar t[7],
                            struct zk_scalar x, uint8_t *out) {
    struct zk_scalar xx = zk_mul(x, x), tx = at(t, x), mu;
    p->tau[2] = zk_of_u64(0);
    for (unsigned j = 0; j < cs->committed; j++) p->tau[2] = zk_muladd(w->v[j], cs->opening[j].blind, p->tau[2]);
    struct zk_scalar taux = at(p->tau, x);
    mu = zk_mul(x, zk_muladd(x, zk_muladd(x, p->of_mask, p->of_out), p->of_in));
    for (unsigned i = 0; i < p->n; i++) {
        p->l1[i] = zk_mul(x, zk_muladd(xx, p->l3[i], zk_muladd(x, p->l2[i], p->l1[i])));
        p->r1[i] = zk_muladd(x, zk_muladd(xx, p->r3[i], p->r1[i]), p->r0[i]);
    }
    memcpy(out, tx.b, 32);
    memcpy(out + 32, taux.b, 32);
    memcpy(out + 64, mu.b, 32);
    transcript_append(cs->t, "t_x", vl_span(out, 32));
    transcript_append(cs->t, "t_x_blinding", vl_span(out + 32, 32));
    transcript_append(cs->t, "e_blinding", vl_span(out + 64, 32));
}

static enum vl_err prove(struct zk_cs *cs, struct prover *p, struct zk_flat *w, struct zk_scalar t[7], uint8_t *out) {
    struct zk_scalar work, inverse;
    enum vl_err err = commit_gates(cs, p, out);
    if (err != VL_OK) return err;
    struct zk_scalar y = zk_challenge(cs->t, "y"), z = zk_challenge(cs->t, "z");
    if (zk_is_zero(y) || zk_is_zero(z)) return VL_ECRYPTO;
    zk_invert_all(&y, 1, &work, &inverse);
    zk_powers(y, p->n, p->y);
    zk_powers(inverse, p->n, p->inv_y);
    err = zk_flat_make(cs, p->n, z, w);
    if (err != VL_OK) return err;
    fill_polynomials(cs, p, w);
    commit_polynomial(cs, p, t, out + 96);
    struct zk_scalar x = zk_challenge(cs->t, "x");
    if (zk_is_zero(x)) return VL_ECRYPTO; /* would show what is to be hidden */
    open_polynomial(cs, p, w, t, x, out + 32 * ZK_CS_POINTS);
    struct zk_scalar of_product = zk_challenge(cs->t, "w");
    return zk_inner_prove(cs->gens, cs->gens->g, cs->gens->h, cs->t, p->n, p->l1, p->r1, y, of_product, out + ZK_CS_HEAD);
}

/* Reads every constraint whatever comes of it. */
static bool fulfilled(const struct zk_cs *cs) {
    struct zk_scalar v;
    uint8_t any = 0;
    for (unsigned i = 0; i < cs->constraints; i++) {
        v = zk_cs_constraint_value(cs, i);
        for (unsigned k = 0; k < 32; k++) any |= v.b[k];
    }
    sodium_memzero(&v, sizeof v);
    return any == 0;
}

static void key_nonces(const struct zk_cs *cs, struct prover *p, const uint8_t random[32]) {
    transcript_rng_begin(cs->t, &p->rng);
    for (unsigned j = 0; j < cs->committed; j++) {
        transcript_rng_rekey(&p->rng, "v", vl_span(cs->opening[j].value.b, 32));
        transcript_rng_rekey(&p->rng, "v_blinding", vl_span(cs->opening[j].blind.b, 32));
    }
    transcript_rng_rekey(&p->rng, "left", vl_span(cs->left, 32 * (size_t)cs->gates));
    transcript_rng_rekey(&p->rng, "right", vl_span(cs->right, 32 * (size_t)cs->gates));
    transcript_rng_finish(&p->rng, random);
}

enum vl_err zk_cs_prove_unchecked(struct zk_cs *cs, const uint8_t random[32], uint8_t *ret_proof) {
    uint8_t proof[ZK_R1CS_PROOF_MAX];
    struct zk_scalar t[7];
    struct zk_flat w = { .l = NULL };
    unsigned n = zk_cs_padded(cs->gates);
    if (!cs->prover || cs->gens->bits != ZK_RANGE_BITS_MAX || n > cs->gens->bits * cs->gens->values) return VL_ERANGE;
    struct prover p;
    enum vl_err err = prover_make(&p, n) ? VL_OK : VL_ENOMEM;
    if (err == VL_OK) {
        zk_cs_begin(cs);
        key_nonces(cs, &p, random);
        err = prove(cs, &p, &w, t, proof);
    }
    if (err == VL_OK) memcpy(ret_proof, proof, zk_cs_proof_size(cs->gates));
    zk_flat_free(&w);
    sodium_memzero(t, sizeof t);
    prover_wipe(&p);
    return err;
}

enum vl_err zk_cs_prove(struct zk_cs *cs, const uint8_t random[32], uint8_t *ret_proof) {
    if (cs->err != VL_OK) return cs->err;
    return !cs->prover || !fulfilled(cs) ? VL_ERANGE : zk_cs_prove_unchecked(cs, random, ret_proof);
}
