#include "trust/zk_inner.h"

#include "crypto/msm.h"

#include <stdlib.h>

unsigned zk_log2(unsigned n) {
    unsigned rounds = 0;
    while (1u << rounds < n) rounds++;
    return rounds;
}

struct work {
    const struct zk_gens *gens;
    const struct ristretto *g, *h; /* the given ones, later those in `folded` */
    unsigned n;                    /* how many there are of each */
    struct zk_scalar w;
    struct zk_scalar *gs, *hs; /* of the generators of this round in those */
    uint8_t (*scalar)[32];
    struct ristretto *point, *folded; /* folded: `room` of each */
    unsigned room;
};

/* Generators are folded on paper (gs, hs) for some rounds and then in fact, all at once: sums of FOLD terms share their
 * doublings, and the rounds that follow have FOLD times fewer terms.  Fewer than FOLD_MIN are not worth it. */
#define FOLD 8u
#define FOLD_MIN 64u

/* ret[i] = what stands for place i, of `length` places, in `from` with the scalars k, which become 1. */
static enum vl_err fold_kind(struct work *p, const struct ristretto *from, struct zk_scalar *k, unsigned length,
                             struct ristretto *ret) {
    enum vl_err err = VL_OK;
    for (unsigned i = 0; i < length && err == VL_OK; i++) {
        unsigned terms = 0;
        for (unsigned at = i; at < p->n; at += length) {
            memcpy(p->scalar[terms], k[at].b, 32);
            p->point[terms++] = from[at];
        }
        err = msm_vartime((const uint8_t(*)[32])p->scalar, p->point, terms, &ret[i]);
        k[i] = zk_of_u64(1);
    }
    return err;
}

/* Overwrites what it reads only where it was folded before: place i depends on places i and above. */
static enum vl_err fold(struct work *p, unsigned length) {
    struct ristretto *g = p->folded, *h = p->folded + p->room;
    enum vl_err err = fold_kind(p, p->g, p->gs, length, g);
    if (err == VL_OK) err = fold_kind(p, p->h, p->hs, length, h);
    p->g = g;
    p->h = h;
    p->n = length;
    return err;
}

/* L (side 0) or R (side 1) of a round on vectors of 2 * half: the halves of a on the other half of G and so on, written
 * in the generators that there are. */
static enum vl_err cross(struct work *p, const struct zk_scalar *a, const struct zk_scalar *b, unsigned half,
                         unsigned side, uint8_t ret[32]) {
    struct ristretto sum;
    for (unsigned i = 0; i < p->n; i++) {
        unsigned place = i % (2 * half);
        bool high = place >= half, is_g = high == (side == 0);
        struct zk_scalar s = is_g ? zk_mul(a[high ? place - half : place + half], p->gs[i])
                                  : zk_mul(b[high ? place - half : place + half], p->hs[i]);
        memcpy(p->scalar[i], s.b, 32);
        p->point[i] = is_g ? p->g[i] : p->h[i];
    }
    struct zk_scalar c = side == 0 ? zk_inner_product(a, b + half, half) : zk_inner_product(a + half, b, half);
    c = zk_mul(c, p->w);
    memcpy(p->scalar[p->n], c.b, 32);
    p->point[p->n] = p->gens->value;
    enum vl_err err = msm_vartime((const uint8_t(*)[32])p->scalar, p->point, p->n + 1, &sum);
    if (err == VL_OK) ristretto_encode(&sum, ret);
    return err;
}

static enum vl_err rounds(struct work *p, struct transcript *t, struct zk_scalar *a, struct zk_scalar *b,
                          uint8_t *out) {
    struct zk_scalar work, inverse;
    for (unsigned half = p->n / 2; half > 0; half /= 2, out += 64) {
        enum vl_err err = p->n >= FOLD_MIN && p->n == FOLD * 2 * half ? fold(p, 2 * half) : VL_OK;
        if (err == VL_OK) err = cross(p, a, b, half, 0, out);
        if (err == VL_OK) err = cross(p, a, b, half, 1, out + 32);
        if (err != VL_OK) return err;
        transcript_append(t, "L", vl_span(out, 32));
        transcript_append(t, "R", vl_span(out + 32, 32));
        struct zk_scalar u = zk_challenge(t, "u");
        if (zk_is_zero(u)) return VL_ECRYPTO;
        zk_invert_all(&u, 1, &work, &inverse);
        for (unsigned i = 0; i < half; i++) {
            a[i] = zk_add(zk_mul(a[i], u), zk_mul(a[i + half], inverse));
            b[i] = zk_add(zk_mul(b[i], inverse), zk_mul(b[i + half], u));
        }
        for (unsigned i = 0; i < p->n; i++) {
            bool high = i % (2 * half) >= half;
            p->gs[i] = zk_mul(p->gs[i], high ? u : inverse);
            p->hs[i] = zk_mul(p->hs[i], high ? inverse : u);
        }
    }
    memcpy(out, a[0].b, 32);
    memcpy(out + 32, b[0].b, 32);
    return VL_OK;
}

enum vl_err zk_inner_prove(const struct zk_gens *gens, const struct ristretto *g, const struct ristretto *h,
                           struct transcript *t, unsigned n, struct zk_scalar *a, struct zk_scalar *b,
                           struct zk_scalar y, struct zk_scalar w, uint8_t *out) {
    struct zk_scalar work, inverse;
    struct work p = { .gens = gens, .g = g, .h = h, .n = n, .w = w };
    p.gs = calloc(2 * (size_t)n, sizeof *p.gs);
    p.scalar = calloc((size_t)n + 1, sizeof *p.scalar);
    p.point = calloc((size_t)n + 1, sizeof *p.point);
    p.room = n / FOLD;
    p.folded = calloc(2 * (size_t)p.room + 1, sizeof *p.folded);
    enum vl_err err = VL_ENOMEM;
    if (p.gs != NULL && p.scalar != NULL && p.point != NULL && p.folded != NULL) {
        p.hs = p.gs + n;
        zk_invert_all(&y, 1, &work, &inverse);
        for (unsigned i = 0; i < n; i++) p.gs[i] = zk_of_u64(1);
        zk_powers(inverse, n, p.hs);
        transcript_append(t, "dom-sep", vl_span_str("ipp v1"));
        transcript_append_u64(t, "n", n);
        err = rounds(&p, t, a, b, out);
    }
    free(p.gs);
    free(p.scalar);
    free(p.point);
    free(p.folded);
    return err;
}

bool zk_inner_read(struct transcript *t, unsigned n, const uint8_t *in, struct zk_scalar y, struct zk_inner *ret) {
    struct zk_scalar u[ZK_ROUNDS_MAX + 1], work[ZK_ROUNDS_MAX + 1], inverse[ZK_ROUNDS_MAX + 1];
    ret->n = n;
    ret->rounds = zk_log2(n);
    transcript_append(t, "dom-sep", vl_span_str("ipp v1"));
    transcript_append_u64(t, "n", n);
    u[ret->rounds] = y;
    for (unsigned i = 0; i < ret->rounds; i++) {
        transcript_append(t, "L", vl_span(in + (size_t)i * 64, 32));
        transcript_append(t, "R", vl_span(in + (size_t)i * 64 + 32, 32));
        u[i] = zk_challenge(t, "u");
        if (zk_is_zero(u[i])) return false;
    }
    zk_invert_all(u, ret->rounds + 1, work, inverse);
    ret->inv_y = inverse[ret->rounds];
    ret->inv_all = zk_of_u64(1);
    for (unsigned i = 0; i < ret->rounds; i++) {
        ret->sq[i] = zk_mul(u[i], u[i]);
        ret->inv_sq[i] = zk_mul(inverse[i], inverse[i]);
        ret->inv_all = zk_mul(ret->inv_all, inverse[i]);
    }
    return true;
}

/* Each s[i] is a product of u or 1/u for each round, by the bits of i. */
void zk_inner_scalars(const struct zk_inner *c, struct zk_scalar *s) {
    s[0] = c->inv_all;
    for (unsigned i = 1, top = 0; i < c->n; i++) {
        if (i == 2u << top) top++;
        s[i] = zk_mul(s[i - (1u << top)], c->sq[c->rounds - 1 - top]);
    }
}
