#include "trust/zk_many.h"

#include "crypto/msm_secret.h"
#include "trust/zk_inner.h"
#include "trust/zk_sigma.h"

#include <stdlib.h>

/* Names: m bits b[j] of the index, the highest first; V the commitment (for tuples, to the sum of columns by powers of
 * y), s[i] the numbers, r the blinding factor of V.
 *
 *   prover   BITS  = sum b[j] G[j] + rb C               CROSS  = sum a[j] (1 - 2 b[j]) G[j] + rc C
 *            MASKS = sum a[j] G[j] + ra C               SQUARE = sum -a[j]^2 G[j] + rd C
 *            Q[k]  = S[k] B + rho[k] C for k < m, where S[k] is the coefficient of X^k of sum p[i](X) s[i]
 *   verifier x
 *   prover   f[j] = b[j] x + a[j],  za = rb x + ra,  zc = rc x + rd,  zv = r x^m + sum rho[k] x^k
 *   checks   x BITS + MASKS = sum f[j] G[j] + za C
 *            x CROSS + SQUARE = sum f[j] (x - f[j]) G[j] + zc C         hence each b[j] is 0 or 1
 *            x^m V + sum x^k Q[k] = (sum p[i](x) s[i]) B + zv C        where p[i](x) = product of f[j] or x - f[j]
 *
 * p[i](X) has degree m for the i that is meant alone, so sum p[i](X) s[i] = s[index] X^m + sum S[k] X^k.
 * Bytes: BITS, MASKS, CROSS, SQUARE, Q[0..m), f[0..m), za, zc, zv. */
#define M_MAX 13u

size_t zk_many_size(unsigned n) {
    return n < ZK_MANY_MIN || n > ZK_MANY_MAX ? 0 : 32 * (7 + 2 * (size_t)zk_log2(n));
}

static unsigned numbers_of(const struct zk_many_set *set) { return (set->n - 1) * set->stride + set->width; }

static bool possible(const struct zk_gens *g, const struct zk_many_set *set) {
    if (zk_many_size(set->n) == 0 || set->width < 1 || set->width > ZK_MANY_WIDTH_MAX) return false;
    if (set->stride < 1 || set->stride > ZK_MANY_WIDTH_MAX) return false;
    return g->bits >= M_MAX && zk_canonical_all_vartime(set->at, numbers_of(set));
}

unsigned zk_many_find(const struct zk_many_set *set, const struct zk_scalar *v) {
    uint64_t at = set->n;
    for (unsigned i = set->n; i-- > 0;) {
        uint64_t same = 1;
        for (unsigned j = 0; j < set->width; j++)
            same &= (uint64_t)(sodium_memcmp(set->at[i * set->stride + j].b, v[j].b, 32) == 0);
        at ^= (0 - same) & (at ^ i);
    }
    return (unsigned)at;
}

/* The statement; ret[0..width): by what each column is multiplied. */
static void begin(struct transcript *t, const struct zk_many_set *set, const uint8_t (*commitment)[32],
                  struct zk_scalar *ret) {
    transcript_append(t, "dom-sep", vl_span_str("village zk many v1"));
    transcript_append_u64(t, "n", set->n);
    transcript_append_u64(t, "width", set->width);
    transcript_append_u64(t, "stride", set->stride);
    transcript_append(t, "set", vl_span(set->at, (size_t)numbers_of(set) * 32));
    for (unsigned j = 0; j < set->width; j++) transcript_append(t, "V", vl_span(commitment[j], 32));
    zk_powers(set->width > 1 ? zk_challenge(t, "y") : zk_of_u64(1), set->width, ret);
}

/* Number i as one; beyond the end the last one goes on, which fills up to a power of two. */
static struct zk_scalar number(const struct zk_many_set *set, const struct zk_scalar *column, unsigned i) {
    const struct zk_scalar *v = &set->at[(i < set->n ? i : set->n - 1) * set->stride];
    struct zk_scalar r = v[0];
    for (unsigned j = 1; j < set->width; j++) r = zk_muladd(column[j], v[j], r);
    return r;
}

struct secrets {
    struct transcript rng;
    uint64_t bit[M_MAX];
    struct zk_scalar a[M_MAX], rho[M_MAX], ra, rb, rc, rd, r;
};

/* The coefficients of sum p[i](X) s[i].  The numbers are folded pair by pair, the lowest bit of the index first: with f =
 * b X + a a pair (lo, hi) of polynomials becomes lo (X - f) + hi f, that is X times the one which b says, plus
 * a (hi - lo).  There are 2 n products in all, and nothing depends on b but a choice in constant time.
 * poly: n numbers for n a power of two; polynomial i of a level begins at i * (degree + 1).  Ends in poly[0..m]. */
static void fold(const struct secrets *w, unsigned m, struct zk_scalar *poly) {
    struct zk_scalar lo[M_MAX + 2], hi[M_MAX + 2];
    for (unsigned level = 0; level < m; level++) { /* polynomials of `level` + 1 coefficients, twice as many as after */
        unsigned j = m - 1 - level, size = level + 1;
        for (unsigned i = 0; i < 1u << j; i++) {
            memcpy(lo, &poly[(size_t)2 * i * size], size * sizeof *lo);
            memcpy(hi, &poly[(size_t)(2 * i + 1) * size], size * sizeof *hi);
            struct zk_scalar *out = &poly[(size_t)i * (size + 1)], carry = zk_of_u64(0);
            for (unsigned k = 0; k < size; k++) {
                out[k] = zk_muladd(w->a[j], zk_sub(hi[k], lo[k]), carry);
                carry = zk_select(w->bit[j], hi[k], lo[k]);
            }
            out[size] = carry;
        }
    }
    sodium_memzero(lo, sizeof lo);
    sodium_memzero(hi, sizeof hi);
}

/* sum k[j] G[j] + blind C */
static enum vl_err commit_vector(const struct zk_gens *g, const struct zk_scalar *k, unsigned m, struct zk_scalar blind,
                                 uint8_t ret[32]) {
    uint8_t scalar[M_MAX + 1][32];
    struct ristretto point[M_MAX + 1], sum;
    for (unsigned j = 0; j < m; j++) {
        memcpy(scalar[j], k[j].b, 32);
        point[j] = g->g[j];
    }
    memcpy(scalar[m], blind.b, 32);
    point[m] = g->blind;
    enum vl_err err = msm_secret((const uint8_t(*)[32])scalar, point, m + 1, &sum);
    if (err == VL_OK) ristretto_encode(&sum, ret);
    sodium_memzero(scalar, sizeof scalar);
    return err;
}

static enum vl_err commit_bits(const struct zk_gens *g, const struct secrets *w, unsigned m, uint8_t *out) {
    struct zk_scalar k[4][M_MAX];
    for (unsigned j = 0; j < m; j++) {
        struct zk_scalar minus = zk_neg(w->a[j]);
        k[0][j] = zk_of_u64(w->bit[j]);
        k[1][j] = w->a[j];
        k[2][j] = zk_select(w->bit[j], minus, w->a[j]);
        k[3][j] = zk_mul(minus, w->a[j]);
    }
    const struct zk_scalar blind[4] = { w->rb, w->ra, w->rc, w->rd };
    enum vl_err err = VL_OK;
    for (unsigned i = 0; i < 4 && err == VL_OK; i++) err = commit_vector(g, k[i], m, blind[i], out + 32 * i);
    sodium_memzero(k, sizeof k);
    return err;
}

/* Everything after the points. */
static void respond(const struct secrets *w, unsigned m, struct zk_scalar x, uint8_t *out) {
    struct zk_scalar zv = w->r, zero = zk_of_u64(0);
    for (unsigned j = 0; j < m; j++) {
        struct zk_scalar f = zk_add(zk_select(w->bit[j], x, zero), w->a[j]);
        memcpy(out + 32 * j, f.b, 32);
    }
    for (unsigned k = m; k-- > 0;) zv = zk_muladd(zv, x, w->rho[k]);
    struct zk_scalar za = zk_muladd(w->rb, x, w->ra), zc = zk_muladd(w->rc, x, w->rd);
    memcpy(out + 32 * m, za.b, 32);
    memcpy(out + 32 * (m + 1), zc.b, 32);
    memcpy(out + 32 * (m + 2), zv.b, 32);
}

static enum vl_err prove(const struct zk_gens *g, struct secrets *w, struct transcript *t, unsigned m,
                         struct zk_scalar *poly, uint8_t *proof) {
    for (unsigned j = 0; j < m; j++) {
        w->a[j] = zk_nonce(&w->rng);
        w->rho[j] = zk_nonce(&w->rng);
    }
    w->ra = zk_nonce(&w->rng);
    w->rb = zk_nonce(&w->rng);
    w->rc = zk_nonce(&w->rng);
    w->rd = zk_nonce(&w->rng);
    enum vl_err err = commit_bits(g, w, m, proof);
    if (err != VL_OK) return err;
    fold(w, m, poly);
    for (unsigned k = 0; k < m; k++) zk_commit_scalar(g, &poly[k], w->rho[k].b, proof + 32 * (4 + k));
    transcript_append(t, "points", vl_span(proof, 32 * (4 + m)));
    struct zk_scalar x = zk_challenge(t, "x");
    if (zk_is_zero(x)) return VL_ECRYPTO; /* would show which one it is */
    respond(w, m, x, proof + 32 * (4 + m));
    transcript_append(t, "numbers", vl_span(proof + 32 * (4 + m), 32 * (m + 3)));
    return VL_OK;
}

/* Do the commitments open to tuple `index`?  Reads all of the set for it. */
static enum vl_err is_of(const struct zk_gens *g, const struct zk_many_set *set, const uint8_t (*commitment)[32],
                         unsigned index, const uint8_t (*blind)[32]) {
    enum vl_err err = VL_OK;
    for (unsigned j = 0; j < set->width && err == VL_OK; j++) {
        struct zk_scalar v = zk_of_u64(0);
        for (unsigned i = 0; i < set->n; i++) v = zk_select(zk_same(i, index), set->at[i * set->stride + j], v);
        err = zk_opens(g, commitment[j], v, zk_of_bytes(blind[j]));
        sodium_memzero(&v, sizeof v);
    }
    return err;
}

enum vl_err zk_many_prove(const struct zk_gens *g, struct transcript *t, const struct zk_many_set *set,
                          const uint8_t (*commitment)[32], unsigned index, const uint8_t (*blind)[32],
                          const uint8_t random[32], uint8_t *ret_proof) {
    struct secrets w;
    struct zk_scalar column[ZK_MANY_WIDTH_MAX];
    uint8_t le[4], proof[ZK_MANY_PROOF_MAX];
    if (!possible(g, set) || index >= set->n) return VL_ERANGE;
    unsigned m = zk_log2(set->n), n = 1u << m;
    enum vl_err err = is_of(g, set, commitment, index, blind);
    if (err != VL_OK) return err;
    struct zk_scalar *poly = calloc(n, sizeof *poly);
    if (poly == NULL) return VL_ENOMEM;
    memset(&w, 0, sizeof w);
    begin(t, set, commitment, column);
    for (unsigned j = 0; j < m; j++) w.bit[j] = index >> (m - 1 - j) & 1;
    for (unsigned j = 0; j < set->width; j++) w.r = zk_muladd(column[j], zk_of_bytes(blind[j]), w.r);
    for (unsigned i = 0; i < n; i++) poly[i] = number(set, column, i);
    vl_put_u32(le, index);
    transcript_rng_begin(t, &w.rng);
    transcript_rng_rekey(&w.rng, "index", vl_span(le, sizeof le));
    transcript_rng_rekey(&w.rng, "blind", vl_span(blind, 32 * (size_t)set->width));
    transcript_rng_finish(&w.rng, random);
    err = prove(g, &w, t, m, poly, proof);
    if (err == VL_OK) memcpy(ret_proof, proof, zk_many_size(set->n));
    sodium_memzero(&w, sizeof w);
    sodium_memzero(le, sizeof le);
    sodium_memzero(poly, n * sizeof *poly);
    free(poly);
    return err;
}

/* sum p[i](x) s[i], by folding as above.  v: the numbers, overwritten. */
static struct zk_scalar evaluate(struct zk_scalar *v, unsigned m, struct zk_scalar x, const uint8_t *f) {
    for (unsigned j = m; j-- > 0;) {
        struct zk_scalar one = zk_of_bytes(f + 32 * j), zero = zk_sub(x, one);
        for (unsigned i = 0; i < 1u << j; i++) v[i] = zk_muladd(v[2 * i + 1], one, zk_mul(v[2 * i], zero));
    }
    return v[0];
}

/* The third check, plus w times the second, plus w^2 times the first.  Own terms: BITS, MASKS, CROSS, SQUARE, Q[0..m),
 * V[0..width). */
static void fill(struct zk_equation *e, unsigned m, const struct zk_scalar *column, unsigned width, struct zk_scalar x,
                 struct zk_scalar w, struct zk_scalar value, const uint8_t *numbers) {
    struct zk_scalar ww = zk_mul(w, w), power = zk_of_u64(1);
    e->scalar[0] = zk_mul(ww, x);
    e->scalar[1] = ww;
    e->scalar[2] = zk_mul(w, x);
    e->scalar[3] = w;
    for (unsigned k = 0; k < m; k++) {
        struct zk_scalar f = zk_of_bytes(numbers + 32 * k), ff = zk_mul(f, zk_sub(x, f));
        e->g[k] = zk_neg(zk_muladd(ww, f, zk_mul(w, ff)));
        e->scalar[4 + k] = power;
        power = zk_mul(power, x);
    }
    for (unsigned j = 0; j < width; j++) e->scalar[4 + m + j] = zk_mul(power, column[j]);
    struct zk_scalar za = zk_of_bytes(numbers + 32 * m), zc = zk_of_bytes(numbers + 32 * (m + 1));
    struct zk_scalar zv = zk_of_bytes(numbers + 32 * (m + 2));
    e->value = zk_neg(value);
    e->blind = zk_neg(zk_muladd(ww, za, zk_muladd(w, zc, zv)));
}

enum vl_err zk_many_add(struct zk_batch *b, struct transcript *t, const struct zk_many_set *set,
                        const uint8_t (*commitment)[32], struct vl_span proof) {
    struct zk_equation *e = zk_batch_claim(b);
    struct zk_scalar column[ZK_MANY_WIDTH_MAX];
    if (e == NULL) return VL_ELIMIT;
    if (!possible(zk_batch_gens(b), set)) return e->verdict;
    e->verdict = VL_EPARSE;
    if (proof.n != zk_many_size(set->n)) return e->verdict;
    unsigned m = zk_log2(set->n), n = 1u << m;
    const uint8_t *numbers = proof.p + 32 * (4 + m);
    for (unsigned i = 0; i < m + 3; i++)
        if (!zk_canonical_vartime(numbers + 32 * i)) return e->verdict;
    if (!zk_equation_room(e, 4 + m + set->width, m)) return e->verdict;
    for (unsigned i = 0; i < 4 + m; i++)
        if (!zk_equation_point(e, proof.p + 32 * i, false)) return e->verdict;
    for (unsigned j = 0; j < set->width; j++)
        if (!zk_equation_point(e, commitment[j], true)) return e->verdict;
    e->verdict = VL_ENOMEM;
    struct zk_scalar *v = calloc(n, sizeof *v);
    if (v == NULL) return e->verdict;
    begin(t, set, commitment, column);
    transcript_append(t, "points", vl_span(proof.p, 32 * (4 + m)));
    struct zk_scalar x = zk_challenge(t, "x");
    transcript_append(t, "numbers", vl_span(numbers, 32 * (m + 3)));
    e->t = *t;
    for (unsigned i = 0; i < n; i++) v[i] = number(set, column, i);
    fill(e, m, column, set->width, x, zk_challenge(&e->t, "w"), evaluate(v, m, x, numbers), numbers);
    free(v);
    return e->verdict = zk_is_zero(x) ? VL_ECRYPTO : VL_OK;
}

enum vl_err zk_many_verify(const struct zk_gens *g, struct transcript *t, const struct zk_many_set *set,
                           const uint8_t (*commitment)[32], struct vl_span proof) {
    struct zk_batch *b = zk_batch_create(g);
    if (b == NULL) return VL_ENOMEM;
    enum vl_err err = zk_many_add(b, t, set, commitment, proof);
    if (err == VL_OK) err = zk_batch_decide(b);
    zk_batch_destroy(b);
    return err;
}
