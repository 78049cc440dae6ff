#include "crypto/msm.h"
#include "trust/zk_range.h"
#include "trust/zk_range_priv.h"

#include <stdlib.h>

/* Terms of one proof beside the generators: A, S, T1, T2, the Ls and Rs, the commitments. */
#define OWN_MAX (4u + 2u * ZK_ROUNDS_MAX + ZK_RANGE_VALUES_MAX)

/* The equations of one proof as one sum that must be the identity. */
struct equation {
    enum vl_err verdict; /* VL_OK: the sum decides */
    unsigned own, count, m, n;
    struct ristretto point[OWN_MAX];
    struct zk_scalar scalar[OWN_MAX];
    struct zk_scalar value, blind; /* of B and C */
    struct zk_scalar *g, *h;       /* `count` each */
    struct transcript t;           /* after all of the proof: the weights of a batch come from it */
};

/* Challenges of one proof and their inverses. */
struct challenges {
    struct zk_scalar y, z, x, w, c;
    struct zk_scalar u[ZK_ROUNDS_MAX], sq[ZK_ROUNDS_MAX], inv_sq[ZK_ROUNDS_MAX], inv_y, inv_all;
};

static bool take_point(struct equation *e, const uint8_t in[32]) {
    if (ristretto_decode(in, &e->point[e->own]) != VL_OK) return false;
    return !ristretto_is_identity(&e->point[e->own++]);
}

/* All points and numbers of the proof are well-formed. */
static bool take(struct equation *e, const uint8_t (*commitment)[32], unsigned rounds, const uint8_t *proof) {
    for (unsigned i = 0; i < 4; i++)
        if (!take_point(e, proof + (size_t)i * 32)) return false;
    for (unsigned i = 0; i < 2 * rounds; i++)
        if (!take_point(e, proof + ZK_HEAD + (size_t)i * 32)) return false;
    for (unsigned j = 0; j < e->m; j++) /* of 0 with blinding factor 0 is allowed: an honest sum can be that */
        if (ristretto_decode(commitment[j], &e->point[e->own++]) != VL_OK) return false;
    for (unsigned i = 4; i < 7; i++)
        if (!zk_canonical_vartime(proof + (size_t)i * 32)) return false;
    const uint8_t *ab = proof + ZK_HEAD + (size_t)rounds * 64;
    return zk_canonical_vartime(ab) && zk_canonical_vartime(ab + 32);
}

static bool draw_challenges(struct transcript *t, const struct equation *e, unsigned rounds, const uint8_t *proof,
                            struct challenges *ret) {
    struct zk_scalar in[ZK_ROUNDS_MAX + 1], work[ZK_ROUNDS_MAX + 1], out[ZK_ROUNDS_MAX + 1];
    transcript_append(t, "A", vl_span(proof, 32));
    transcript_append(t, "S", vl_span(proof + 32, 32));
    ret->y = zk_challenge(t, "y");
    ret->z = zk_challenge(t, "z");
    transcript_append(t, "T_1", vl_span(proof + 64, 32));
    transcript_append(t, "T_2", vl_span(proof + 96, 32));
    ret->x = zk_challenge(t, "x");
    transcript_append(t, "t_x", vl_span(proof + 128, 32));
    transcript_append(t, "t_x_blinding", vl_span(proof + 160, 32));
    transcript_append(t, "e_blinding", vl_span(proof + 192, 32));
    ret->w = zk_challenge(t, "w");
    transcript_append(t, "dom-sep", vl_span_str("ipp v1"));
    transcript_append_u64(t, "n", e->count);
    in[0] = ret->y;
    bool zero = zk_is_zero(ret->y) || zk_is_zero(ret->z) || zk_is_zero(ret->x);
    for (unsigned i = 0; i < rounds; i++) {
        transcript_append(t, "L", vl_span(proof + ZK_HEAD + (size_t)i * 64, 32));
        transcript_append(t, "R", vl_span(proof + ZK_HEAD + (size_t)i * 64 + 32, 32));
        in[i + 1] = ret->u[i] = zk_challenge(t, "u");
        zero |= zk_is_zero(ret->u[i]);
    }
    if (zero) return false;
    zk_invert_all(in, rounds + 1, work, out);
    ret->inv_y = out[0];
    ret->inv_all = zk_of_u64(1);
    for (unsigned i = 0; i < rounds; i++) {
        ret->sq[i] = zk_mul(ret->u[i], ret->u[i]);
        ret->inv_sq[i] = zk_mul(out[i + 1], out[i + 1]);
        ret->inv_all = zk_mul(ret->inv_all, out[i + 1]);
    }
    return true;
}

/* (z - z^2) <1, y^i> - <1, 2^k> (z^3 + z^4 + ...) */
static struct zk_scalar delta(const struct equation *e, const struct challenges *c) {
    struct zk_scalar zz = zk_mul(c->z, c->z), zj = zk_mul(zz, c->z), sum_y = zk_of_u64(0), sum_z = zk_of_u64(0);
    struct zk_scalar yi = zk_of_u64(1);
    for (unsigned i = 0; i < e->count; i++) {
        sum_y = zk_add(sum_y, yi);
        yi = zk_mul(yi, c->y);
    }
    for (unsigned j = 0; j < e->m; j++) {
        sum_z = zk_add(sum_z, zj);
        zj = zk_mul(zj, c->z);
    }
    struct zk_scalar ones = zk_of_u64(e->n == 64 ? UINT64_MAX : (1ull << e->n) - 1);
    return zk_sub(zk_mul(zk_sub(c->z, zz), sum_y), zk_mul(ones, sum_z));
}

/* The scalars: the check of t(x), times c, added to that of the inner product. */
static void fill(struct equation *e, const struct challenges *c, unsigned rounds, const uint8_t *proof) {
    struct zk_scalar tx = zk_of_bytes(proof + 128), tau = zk_of_bytes(proof + 160), mu = zk_of_bytes(proof + 192);
    const uint8_t *ab = proof + ZK_HEAD + (size_t)rounds * 64;
    struct zk_scalar a = zk_of_bytes(ab), b = zk_of_bytes(ab + 32), minus_z = zk_neg(c->z), zz = zk_mul(c->z, c->z);
    unsigned at = 0;
    e->scalar[at++] = zk_of_u64(1);
    e->scalar[at++] = c->x;
    e->scalar[at++] = zk_mul(c->c, c->x);
    e->scalar[at++] = zk_mul(c->c, zk_mul(c->x, c->x));
    for (unsigned i = 0; i < rounds; i++) {
        e->scalar[at++] = c->sq[i];
        e->scalar[at++] = c->inv_sq[i];
    }
    struct zk_scalar zj = zz, yi = zk_of_u64(1);
    for (unsigned j = 0; j < e->m; j++) {
        e->scalar[at++] = zk_mul(c->c, zj);
        zj = zk_mul(zj, c->z);
    }
    e->value = zk_add(zk_mul(c->w, zk_sub(tx, zk_mul(a, b))), zk_mul(c->c, zk_sub(delta(e, c), tx)));
    e->blind = zk_neg(zk_muladd(c->c, tau, mu));
    /* g: s_i, of the sign of each bit of i in each round; h below needs them in reverse */
    e->g[0] = c->inv_all;
    for (unsigned i = 1, top = 0; i < e->count; i++) {
        if (i == 2u << top) top++;
        e->g[i] = zk_mul(e->g[i - (1u << top)], c->sq[rounds - 1 - top]);
    }
    zj = zz;
    for (unsigned i = 0; i < e->count; i++) {
        if (i > 0 && i % e->n == 0) zj = zk_mul(zj, c->z);
        struct zk_scalar want = zk_mul(zj, zk_of_u64(1ull << i % e->n));
        e->h[i] = zk_muladd(yi, zk_sub(want, zk_mul(b, e->g[e->count - 1 - i])), c->z);
        yi = zk_mul(yi, c->inv_y);
    }
    for (unsigned i = 0; i < e->count; i++) e->g[i] = zk_sub(minus_z, zk_mul(a, e->g[i]));
}

/* e->g and e->h: room for ZK_TERMS_MAX. */
static void read_claim(const struct zk_gens *g, const struct zk_range_claim *in, struct equation *e) {
    struct challenges c;
    int rounds = zk_range_rounds(in->bits, in->m);
    e->own = 0;
    e->verdict = VL_ERANGE;
    if (rounds < 0 || in->bits > g->bits || in->m > g->values) return;
    e->n = in->bits;
    e->m = in->m;
    e->count = in->bits * in->m;
    e->verdict = VL_EPARSE;
    if (in->proof.n != zk_range_size(in->bits, in->m)) return;
    if (!take(e, in->commitment, (unsigned)rounds, in->proof.p)) return;
    zk_range_begin(in->t, in->commitment, in->m, in->bits);
    e->verdict = VL_ECRYPTO;
    if (!draw_challenges(in->t, e, (unsigned)rounds, in->proof.p, &c)) return;
    /* The two equations are told apart by a challenge of a fork that has seen a and b, too: nothing is left to choose,
     * and no random bytes are needed. */
    e->t = *in->t;
    transcript_append(&e->t, "ab", vl_span(in->proof.p + ZK_HEAD + (size_t)rounds * 64, 64));
    c.c = zk_challenge(&e->t, "c");
    fill(e, &c, (unsigned)rounds, in->proof.p);
    e->verdict = VL_OK;
}

/* A sum under way: the generators' scalars added up, own terms side by side. */
struct sum {
    struct zk_scalar g[ZK_TERMS_MAX], h[ZK_TERMS_MAX], value, blind;
    size_t n, cap;
    uint8_t (*scalar)[32];
    struct ristretto *point;
};

static void sum_clear(const struct zk_gens *g, struct sum *s) {
    memset(s->g, 0, (size_t)g->bits * g->values * sizeof *s->g);
    memset(s->h, 0, (size_t)g->bits * g->values * sizeof *s->h);
    s->value = s->blind = zk_of_u64(0);
    s->n = 0;
}

static void sum_term(struct sum *s, struct zk_scalar scalar, const struct ristretto *point) {
    memcpy(s->scalar[s->n], scalar.b, 32);
    s->point[s->n++] = *point;
}

static void sum_add(const struct zk_gens *g, struct sum *s, const struct equation *e, struct zk_scalar weight) {
    for (unsigned i = 0; i < e->own; i++) sum_term(s, zk_mul(weight, e->scalar[i]), &e->point[i]);
    for (unsigned i = 0; i < e->count; i++) {
        unsigned at = i / e->n * g->bits + i % e->n;
        s->g[at] = zk_muladd(weight, e->g[i], s->g[at]);
        s->h[at] = zk_muladd(weight, e->h[i], s->h[at]);
    }
    s->value = zk_muladd(weight, e->value, s->value);
    s->blind = zk_muladd(weight, e->blind, s->blind);
}

static enum vl_err sum_decide(const struct zk_gens *g, struct sum *s) {
    struct ristretto total;
    for (unsigned i = 0; i < g->bits * g->values; i++) {
        if (!zk_is_zero(s->g[i])) sum_term(s, s->g[i], &g->g[i]);
        if (!zk_is_zero(s->h[i])) sum_term(s, s->h[i], &g->h[i]);
    }
    sum_term(s, s->value, &g->value);
    sum_term(s, s->blind, &g->blind);
    enum vl_err err = msm_vartime((const uint8_t(*)[32])s->scalar, s->point, s->n, &total);
    if (err != VL_OK) return err;
    return ristretto_is_identity(&total) ? VL_OK : VL_ECRYPTO;
}

/* Memory for n claims; NULL: out of memory. */
struct work {
    struct sum sum;
    struct equation *e;
    struct zk_scalar *scalars;
};
static void work_destroy(struct work *w) {
    if (w == NULL) return;
    free(w->sum.scalar);
    free(w->sum.point);
    free(w->e);
    free(w->scalars);
    free(w);
}
static struct work *work_create(const struct zk_gens *g, unsigned n) {
    size_t each = (size_t)g->bits * g->values;
    struct work *w = calloc(1, sizeof *w);
    if (w == NULL) return NULL;
    w->sum.cap = n * (size_t)OWN_MAX + 2 * each + 2;
    w->sum.scalar = calloc(w->sum.cap, sizeof *w->sum.scalar);
    w->sum.point = calloc(w->sum.cap, sizeof *w->sum.point);
    w->e = calloc(n, sizeof *w->e);
    w->scalars = calloc(n * each * 2, sizeof *w->scalars);
    if (w->sum.scalar == NULL || w->sum.point == NULL || w->e == NULL || w->scalars == NULL) {
        work_destroy(w);
        return NULL;
    }
    for (unsigned i = 0; i < n; i++) {
        w->e[i].g = w->scalars + i * each * 2;
        w->e[i].h = w->e[i].g + each;
    }
    return w;
}

enum vl_err zk_range_verify(const struct zk_gens *g, struct transcript *t, const uint8_t (*commitment)[32], unsigned m,
                            unsigned bits, struct vl_span proof) {
    struct zk_range_claim claim = { t, commitment, m, bits, proof };
    struct work *w = work_create(g, 1);
    if (w == NULL) return VL_ENOMEM;
    read_claim(g, &claim, &w->e[0]);
    enum vl_err err = w->e[0].verdict;
    if (err == VL_OK) {
        sum_clear(g, &w->sum);
        sum_add(g, &w->sum, &w->e[0], zk_of_u64(1));
        err = sum_decide(g, &w->sum);
    }
    work_destroy(w);
    return err;
}

/* Weights depend on the seed and on all proofs: also on what the seed's owner is told later. */
static enum vl_err sum_all(const struct zk_gens *g, struct work *w, unsigned n, const uint8_t seed[32]) {
    struct transcript t;
    uint8_t bound[32];
    unsigned left = 0;
    transcript_init(&t, "village zk batch");
    transcript_append(&t, "seed", vl_span(seed, 32));
    for (unsigned i = 0; i < n; i++) {
        if (w->e[i].verdict != VL_OK) continue;
        transcript_challenge(&w->e[i].t, "batch", bound, sizeof bound);
        transcript_append(&t, "proof", vl_span(bound, sizeof bound));
        left++;
    }
    if (left == 0) return VL_OK;
    sum_clear(g, &w->sum);
    for (unsigned i = 0; i < n; i++)
        if (w->e[i].verdict == VL_OK) sum_add(g, &w->sum, &w->e[i], zk_challenge(&t, "weight"));
    return sum_decide(g, &w->sum);
}

static enum vl_err refuse_all(enum vl_err err, unsigned n, enum vl_err *ret_each) {
    for (unsigned i = 0; i < n; i++) ret_each[i] = err;
    return err;
}

enum vl_err zk_range_verify_batch(const struct zk_gens *g, const struct zk_range_claim *claim, unsigned n,
                                  const uint8_t seed[32], enum vl_err *ret_each) {
    if (n > ZK_BATCH_MAX) return refuse_all(VL_ELIMIT, n, ret_each);
    if (n == 0) return VL_OK;
    struct work *w = work_create(g, n);
    if (w == NULL) return refuse_all(VL_ENOMEM, n, ret_each);
    for (unsigned i = 0; i < n; i++) read_claim(g, &claim[i], &w->e[i]);
    enum vl_err err = sum_all(g, w, n, seed);
    for (unsigned i = 0; i < n && err == VL_ECRYPTO; i++) { /* one is wrong: which? */
        if (w->e[i].verdict != VL_OK) continue;
        sum_clear(g, &w->sum);
        sum_add(g, &w->sum, &w->e[i], zk_of_u64(1));
        w->e[i].verdict = sum_decide(g, &w->sum);
        if (w->e[i].verdict == VL_ENOMEM) err = VL_ENOMEM;
    }
    enum vl_err first = VL_OK;
    for (unsigned i = n; i-- > 0;) {
        ret_each[i] = w->e[i].verdict;
        if (ret_each[i] != VL_OK) first = ret_each[i];
    }
    work_destroy(w);
    if (err == VL_ENOMEM) return refuse_all(VL_ENOMEM, n, ret_each);
    return err != VL_OK && first == VL_OK ? refuse_all(err, n, ret_each) : first;
}
