#include "trust/zk_range.h"

#include "trust/zk_priv.h"
#include "trust/zk_range_priv.h"

#include <stdlib.h>

struct proof {
    const uint8_t *p, *ab;
    unsigned n, m, count, rounds;
    struct zk_scalar y, z, x, w, c;
    struct zk_inner inner;
};

/* All points and numbers of the proof are well-formed.  Terms: A, S, T1, T2, Ls and Rs, commitments. */
static bool take(struct zk_equation *e, const uint8_t (*commitment)[32], const struct proof *in) {
    for (unsigned i = 0; i < 4; i++)
        if (!zk_equation_point(e, in->p + (size_t)i * 32, false)) return false;
    for (unsigned i = 0; i < 2 * in->rounds; i++)
        if (!zk_equation_point(e, in->p + ZK_HEAD + (size_t)i * 32, false)) return false;
    for (unsigned j = 0; j < in->m; j++) /* of 0 with blinding factor 0 is allowed: an honest sum can be that */
        if (!zk_equation_point(e, commitment[j], true)) return false;
    e->verdict = VL_EPARSE;
    for (unsigned i = 4; i < 7; i++)
        if (!zk_canonical_vartime(in->p + (size_t)i * 32)) return false;
    return zk_canonical_vartime(in->ab) && zk_canonical_vartime(in->ab + 32);
}

static bool draw_challenges(struct transcript *t, struct proof *in) {
    transcript_append(t, "A", vl_span(in->p, 32));
    transcript_append(t, "S", vl_span(in->p + 32, 32));
    in->y = zk_challenge(t, "y");
    in->z = zk_challenge(t, "z");
    transcript_append(t, "T_1", vl_span(in->p + 64, 32));
    transcript_append(t, "T_2", vl_span(in->p + 96, 32));
    in->x = zk_challenge(t, "x");
    transcript_append(t, "t_x", vl_span(in->p + 128, 32));
    transcript_append(t, "t_x_blinding", vl_span(in->p + 160, 32));
    transcript_append(t, "e_blinding", vl_span(in->p + 192, 32));
    in->w = zk_challenge(t, "w");
    if (zk_is_zero(in->y) || zk_is_zero(in->z) || zk_is_zero(in->x)) return false;
    return zk_inner_read(t, in->count, in->p + ZK_HEAD, in->y, &in->inner);
}

/* (z - z^2) <1, y^i> - <1, 2^k> (z^3 + z^4 + ...) */
static struct zk_scalar delta(const struct proof *in) {
    struct zk_scalar zz = zk_mul(in->z, in->z), zj = zk_mul(zz, in->z), sum_y = zk_of_u64(0), sum_z = zk_of_u64(0);
    struct zk_scalar yi = zk_of_u64(1);
    for (unsigned i = 0; i < in->count; i++) {
        sum_y = zk_add(sum_y, yi);
        yi = zk_mul(yi, in->y);
    }
    for (unsigned j = 0; j < in->m; j++) {
        sum_z = zk_add(sum_z, zj);
        zj = zk_mul(zj, in->z);
    }
    struct zk_scalar ones = zk_of_u64(in->n == 64 ? UINT64_MAX : (1ull << in->n) - 1);
    return zk_sub(zk_mul(zk_sub(in->z, zz), sum_y), zk_mul(ones, sum_z));
}

/* Of the generators; s: room for `count`. */
static void fill_generators(struct zk_equation *e, const struct proof *in, unsigned gens_bits, struct zk_scalar *s) {
    struct zk_scalar a = zk_of_bytes(in->ab), b = zk_of_bytes(in->ab + 32), minus_z = zk_neg(in->z);
    struct zk_scalar zj = zk_mul(in->z, in->z), yi = zk_of_u64(1);
    zk_inner_scalars(&in->inner, s);
    for (unsigned i = 0; i < in->count; i++) {
        unsigned at = i / in->n * gens_bits + i % in->n;
        if (i > 0 && i % in->n == 0) zj = zk_mul(zj, in->z);
        struct zk_scalar want = zk_mul(zj, zk_of_u64(1ull << i % in->n));
        e->h[at] = zk_muladd(yi, zk_sub(want, zk_mul(b, s[in->count - 1 - i])), in->z);
        e->g[at] = zk_sub(minus_z, zk_mul(a, s[i]));
        yi = zk_mul(yi, in->inner.inv_y);
    }
}

/* The scalars: the check of t(x), times c, added to that of the inner product. */
static void fill(struct zk_equation *e, const struct proof *in) {
    struct zk_scalar tx = zk_of_bytes(in->p + 128), tau = zk_of_bytes(in->p + 160), mu = zk_of_bytes(in->p + 192);
    struct zk_scalar a = zk_of_bytes(in->ab), b = zk_of_bytes(in->ab + 32), zj = zk_mul(in->z, in->z);
    unsigned at = 0;
    e->scalar[at++] = zk_of_u64(1);
    e->scalar[at++] = in->x;
    e->scalar[at++] = zk_mul(in->c, in->x);
    e->scalar[at++] = zk_mul(in->c, zk_mul(in->x, in->x));
    for (unsigned i = 0; i < in->rounds; i++) {
        e->scalar[at++] = in->inner.sq[i];
        e->scalar[at++] = in->inner.inv_sq[i];
    }
    for (unsigned j = 0; j < in->m; j++) {
        e->scalar[at++] = zk_mul(in->c, zj);
        zj = zk_mul(zj, in->z);
    }
    e->value = zk_add(zk_mul(in->w, zk_sub(tx, zk_mul(a, b))), zk_mul(in->c, zk_sub(delta(in), tx)));
    e->blind = zk_neg(zk_muladd(in->c, tau, mu));
}

enum vl_err zk_range_add(struct zk_batch *b, struct transcript *t, const uint8_t (*commitment)[32], unsigned m,
                         unsigned bits, struct vl_span proof) {
    const struct zk_gens *g = zk_batch_gens(b);
    struct zk_equation *e = zk_batch_claim(b);
    int rounds = zk_range_rounds(bits, m);
    struct zk_scalar s[ZK_TERMS_MAX];
    if (e == NULL) return VL_ELIMIT;
    if (rounds < 0 || bits > g->bits || m > g->values) return e->verdict;
    e->verdict = VL_EPARSE;
    if (proof.n != zk_range_size(bits, m)) return e->verdict;
    struct proof in = { .p = proof.p, .n = bits, .m = m, .count = bits * m, .rounds = (unsigned)rounds };
    in.ab = proof.p + proof.n - 64;
    if (!zk_equation_room(e, 4 + 2 * in.rounds + m, (m - 1) * g->bits + bits)) return e->verdict;
    if (!take(e, commitment, &in)) return e->verdict;
    zk_range_begin(t, commitment, m, bits);
    e->verdict = VL_ECRYPTO;
    if (!draw_challenges(t, &in)) return e->verdict;
    /* The two equations are told apart by a challenge of a fork that has seen a and b, too: nothing is left to choose,
     * and no random bytes are needed. */
    e->t = *t;
    transcript_append(&e->t, "ab", vl_span(in.ab, 64));
    in.c = zk_challenge(&e->t, "c");
    fill(e, &in);
    fill_generators(e, &in, g->bits, s);
    return e->verdict = VL_OK;
}

enum vl_err zk_range_verify(const struct zk_gens *g, struct transcript *t, const uint8_t (*commitment)[32], unsigned m,
                            unsigned bits, struct vl_span proof) {
    struct zk_batch *b = zk_batch_create(g);
    if (b == NULL) return VL_ENOMEM;
    enum vl_err err = zk_range_add(b, t, commitment, m, bits, proof);
    if (err == VL_OK) err = zk_batch_decide(b);
    zk_batch_destroy(b);
    return err;
}

static enum vl_err refuse_all(enum vl_err err, unsigned n, enum vl_err *ret_each) {
    for (unsigned i = 0; i < n; i++) ret_each[i] = err;
    return err;
}

enum vl_err zk_range_verify_batch(const struct zk_gens *g, const struct zk_range_claim *claim, unsigned n,
                                  const uint8_t seed[32], enum vl_err *ret_each) {
    if (n > ZK_BATCH_MAX) return refuse_all(VL_ELIMIT, n, ret_each);
    struct zk_batch *b = zk_batch_create(g);
    if (b == NULL) return refuse_all(VL_ENOMEM, n, ret_each);
    for (unsigned i = 0; i < n; i++) /* a verdict of now is one of the batch as well */
        vl_ignore(zk_range_add(b, claim[i].t, claim[i].commitment, claim[i].m, claim[i].bits, claim[i].proof));
    enum vl_err err = zk_batch_check(b, seed, ret_each);
    zk_batch_destroy(b);
    return err;
}
