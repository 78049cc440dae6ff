#include "trust/zk_r1cs_priv.h"

#include <stdlib.h>

struct proof {
    const uint8_t *p, *numbers, *ab;
    unsigned n, rounds;
    struct zk_scalar y, z, x, w, c;
    struct zk_inner inner;
};

/* All points and numbers are well-formed.  Own terms: the eight points, Ls and Rs, commitments. */
static bool take(struct zk_equation *e, const struct zk_cs *cs, const struct proof *in) {
    for (unsigned i = 0; i < ZK_CS_POINTS; i++)
        if (!zk_equation_point(e, in->p + 32 * (size_t)i, false)) return false;
    for (unsigned i = 0; i < 2 * in->rounds; i++)
        if (!zk_equation_point(e, in->p + ZK_CS_HEAD + 32 * (size_t)i, false)) return false;
    for (unsigned j = 0; j < cs->committed; j++)
        if (!zk_equation_point(e, cs->commitment[j], true)) return false;
    e->verdict = VL_EPARSE;
    for (unsigned i = 0; i < 3; i++)
        if (!zk_canonical_vartime(in->numbers + 32 * (size_t)i)) return false;
    return zk_canonical_vartime(in->ab) && zk_canonical_vartime(in->ab + 32);
}

static bool draw_challenges(struct transcript *t, struct proof *in) {
    static const char *const label[ZK_CS_POINTS] = { "A_I", "A_O", "S", "T_1", "T_3", "T_4", "T_5", "T_6" };
    for (unsigned i = 0; i < 3; i++) transcript_append(t, label[i], vl_span(in->p + 32 * (size_t)i, 32));
    in->y = zk_challenge(t, "y");
    in->z = zk_challenge(t, "z");
    for (unsigned i = 3; i < ZK_CS_POINTS; i++) transcript_append(t, label[i], vl_span(in->p + 32 * (size_t)i, 32));
    in->x = zk_challenge(t, "x");
    transcript_append(t, "t_x", vl_span(in->numbers, 32));
    transcript_append(t, "t_x_blinding", vl_span(in->numbers + 32, 32));
    transcript_append(t, "e_blinding", vl_span(in->numbers + 64, 32));
    in->w = zk_challenge(t, "w");
    if (zk_is_zero(in->y) || zk_is_zero(in->z) || zk_is_zero(in->x)) return false;
    return zk_inner_read(t, in->n, in->p + ZK_CS_HEAD, in->y, &in->inner);
}

/* Of the generators: x y^-i wr - a s on G, y^-i (x wl + wo - b / s) - 1 on H. */
static void fill_generators(struct zk_equation *e, const struct proof *in, const struct zk_flat *w,
                            const struct zk_scalar *inv_y, struct zk_scalar *s) {
    struct zk_scalar a = zk_of_bytes(in->ab), b = zk_of_bytes(in->ab + 32), one = zk_of_u64(1);
    zk_inner_scalars(&in->inner, s);
    for (unsigned i = 0; i < in->n; i++) {
        struct zk_scalar h = zk_sub(zk_muladd(in->x, w->l[i], w->o[i]), zk_mul(b, s[in->n - 1 - i]));
        e->g[i] = zk_sub(zk_mul(in->x, zk_mul(inv_y[i], w->r[i])), zk_mul(a, s[i]));
        e->h[i] = zk_sub(zk_mul(inv_y[i], h), one);
    }
}

/* The check of t(x), times c, added to that of the inner product. */
static void fill(struct zk_equation *e, const struct proof *in, const struct zk_flat *w, unsigned committed,
                 struct zk_scalar delta) {
    struct zk_scalar tx = zk_of_bytes(in->numbers), tau = zk_of_bytes(in->numbers + 32), mu = zk_of_bytes(in->numbers + 64);
    struct zk_scalar a = zk_of_bytes(in->ab), b = zk_of_bytes(in->ab + 32), power = in->x, xx = zk_mul(in->x, in->x);
    unsigned at = 0;
    for (unsigned i = 0; i < 3; i++) {
        e->scalar[at++] = power;
        power = zk_mul(power, in->x);
    }
    power = in->x;
    for (unsigned i = 1; i < 7; i++) {
        if (i != 2) e->scalar[at++] = zk_mul(in->c, power);
        power = zk_mul(power, in->x);
    }
    for (unsigned i = 0; i < in->rounds; i++) {
        e->scalar[at++] = in->inner.sq[i];
        e->scalar[at++] = in->inner.inv_sq[i];
    }
    for (unsigned j = 0; j < committed; j++) e->scalar[at++] = zk_mul(in->c, zk_mul(xx, w->v[j]));
    struct zk_scalar constant = zk_sub(zk_mul(xx, zk_add(w->one, delta)), tx);
    e->value = zk_muladd(in->w, zk_sub(tx, zk_mul(a, b)), zk_mul(in->c, constant));
    e->blind = zk_neg(zk_muladd(in->c, tau, mu));
}

/* Memory for powers of 1/y and the scalars of the argument, n each. */
static enum vl_err fill_all(const struct zk_cs *cs, struct zk_equation *e, const struct proof *in) {
    struct zk_flat w;
    struct zk_scalar *inv_y = calloc(2 * (size_t)in->n, sizeof *inv_y);
    enum vl_err err = zk_flat_make(cs, in->n, in->z, &w);
    if (inv_y == NULL) err = VL_ENOMEM;
    if (err == VL_OK) {
        zk_powers(in->inner.inv_y, in->n, inv_y);
        fill_generators(e, in, &w, inv_y, inv_y + in->n);
        fill(e, in, &w, cs->committed, zk_flat_delta(&w, inv_y));
    }
    zk_flat_free(&w);
    free(inv_y);
    return err;
}

enum vl_err zk_cs_add(struct zk_cs *cs, struct zk_batch *b, struct vl_span proof) {
    struct zk_equation *e = zk_batch_claim(b);
    const struct zk_gens *g = zk_batch_gens(b);
    if (e == NULL) return VL_ELIMIT;
    if (cs->err != VL_OK) return e->verdict = cs->err;
    unsigned n = zk_cs_padded(cs->gates);
    if (g->bits != ZK_RANGE_BITS_MAX || n > g->bits * g->values) return e->verdict; /* VL_ERANGE */
    e->verdict = VL_EPARSE;
    if (proof.n != zk_cs_proof_size(cs->gates)) return e->verdict;
    struct proof in = { .p = proof.p, .n = n, .rounds = zk_log2(n) };
    in.numbers = proof.p + 32 * ZK_CS_POINTS;
    in.ab = proof.p + proof.n - 64;
    if (!zk_equation_room(e, ZK_CS_POINTS + 2 * in.rounds + cs->committed, n)) return e->verdict;
    if (!take(e, cs, &in)) return e->verdict;
    zk_cs_begin(cs);
    e->verdict = VL_ECRYPTO;
    if (!draw_challenges(cs->t, &in)) return e->verdict;
    /* The two equations are told apart by a challenge of a fork that has seen a and b, too. */
    e->t = *cs->t;
    transcript_append(&e->t, "ab", vl_span(in.ab, 64));
    in.c = zk_challenge(&e->t, "c");
    return e->verdict = fill_all(cs, e, &in);
}

enum vl_err zk_cs_verify(struct zk_cs *cs, struct vl_span proof) {
    struct zk_batch *b = zk_batch_create(cs->gens);
    if (b == NULL) return VL_ENOMEM;
    enum vl_err err = zk_cs_add(cs, b, proof);
    if (err == VL_OK) err = zk_batch_decide(b);
    zk_batch_destroy(b);
    return err;
}
