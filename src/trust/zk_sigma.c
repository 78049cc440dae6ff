#include "trust/zk_sigma.h"

#include "crypto/msm.h"
#include "trust/zk_priv.h"

/* Both kinds: the statement is absorbed, R follows, then challenge c, then the responses. */
static void absorb_commitments(struct transcript *t, const uint8_t (*commitment)[32], unsigned n) {
    transcript_append_u64(t, "n", n);
    for (unsigned i = 0; i < n; i++) transcript_append(t, "V", vl_span(commitment[i], 32));
}

static struct zk_scalar challenge_after(struct transcript *t, const uint8_t r[32]) {
    transcript_append(t, "R", vl_span(r, 32));
    return zk_challenge(t, "c");
}

/* --- linear relations --- */
static bool linear_possible(const struct zk_scalar *a, unsigned n, const struct zk_scalar *k) {
    return n >= 1 && n <= ZK_LINEAR_MAX && zk_canonical_all_vartime(a, n) && zk_canonical_vartime(k->b);
}

static void linear_begin(struct transcript *t, const struct zk_scalar *a, const uint8_t (*commitment)[32], unsigned n,
                         const struct zk_scalar *k) {
    transcript_append(t, "dom-sep", vl_span_str("village zk linear v1"));
    absorb_commitments(t, commitment, n);
    for (unsigned i = 0; i < n; i++) transcript_append(t, "a", vl_span(a[i].b, 32));
    transcript_append(t, "k", vl_span(k->b, 32));
}

/* Is sum(a V) - k B = rho C?  Then the relation holds, or the prover knows the logarithm that nobody knows. */
static enum vl_err linear_holds(const struct zk_gens *g, const struct zk_scalar *a, const uint8_t (*commitment)[32],
                                unsigned n, const struct zk_scalar *k, struct zk_scalar rho) {
    uint8_t scalar[ZK_LINEAR_MAX + 1][32];
    struct ristretto point[ZK_LINEAR_MAX + 1], sum, is;
    struct zk_scalar minus_k = zk_neg(*k);
    for (unsigned i = 0; i < n; i++) {
        memcpy(scalar[i], a[i].b, 32);
        if (ristretto_decode(commitment[i], &point[i]) != VL_OK) return VL_EPARSE;
    }
    memcpy(scalar[n], minus_k.b, 32);
    point[n] = g->value;
    enum vl_err err = msm_vartime((const uint8_t(*)[32])scalar, point, n + 1, &sum);
    ristretto_mul(rho.b, &g->blind, &is);
    if (err == VL_OK && !ristretto_equal(&is, &sum)) err = VL_ERANGE;
    return err;
}

enum vl_err zk_linear_prove(const struct zk_gens *g, struct transcript *t, const struct zk_scalar *a,
                            const uint8_t (*commitment)[32], unsigned n, const struct zk_scalar *k,
                            const uint8_t (*blind)[32], const uint8_t random[32], uint8_t ret_proof[ZK_LINEAR_PROOF]) {
    struct transcript rng;
    struct ristretto point;
    struct zk_scalar rho = zk_of_u64(0);
    if (!linear_possible(a, n, k)) return VL_ERANGE;
    for (unsigned i = 0; i < n; i++) rho = zk_muladd(a[i], zk_of_bytes(blind[i]), rho);
    enum vl_err err = linear_holds(g, a, commitment, n, k, rho);
    if (err == VL_OK) {
        linear_begin(t, a, commitment, n, k);
        transcript_rng_begin(t, &rng);
        transcript_rng_rekey(&rng, "rho", vl_span(rho.b, 32));
        transcript_rng_finish(&rng, random);
        struct zk_scalar nonce = zk_nonce(&rng);
        ristretto_mul(nonce.b, &g->blind, &point);
        ristretto_encode(&point, ret_proof);
        struct zk_scalar s = zk_muladd(challenge_after(t, ret_proof), rho, nonce);
        memcpy(ret_proof + 32, s.b, 32);
        transcript_append(t, "s", vl_span(s.b, 32));
        transcript_wipe(&rng);
        sodium_memzero(&nonce, sizeof nonce);
    }
    sodium_memzero(&rho, sizeof rho);
    return err;
}

/* R, then commitments: s C - R - c (sum(a V) - k B) = 0 */
enum vl_err zk_linear_add(struct zk_batch *b, struct transcript *t, const struct zk_scalar *a,
                          const uint8_t (*commitment)[32], unsigned n, const struct zk_scalar *k,
                          struct vl_span proof) {
    struct zk_equation *e = zk_batch_claim(b);
    if (e == NULL) return VL_ELIMIT;
    if (!linear_possible(a, n, k)) return e->verdict;
    e->verdict = VL_EPARSE;
    if (proof.n != ZK_LINEAR_PROOF || !zk_canonical_vartime(proof.p + 32)) return e->verdict;
    if (!zk_equation_room(e, 1 + n, 0) || !zk_equation_point(e, proof.p, false)) return e->verdict;
    for (unsigned i = 0; i < n; i++)
        if (!zk_equation_point(e, commitment[i], true)) return e->verdict;
    linear_begin(t, a, commitment, n, k);
    struct zk_scalar c = challenge_after(t, proof.p), minus_c = zk_neg(c);
    transcript_append(t, "s", vl_span(proof.p + 32, 32));
    e->scalar[0] = zk_neg(zk_of_u64(1));
    for (unsigned i = 0; i < n; i++) e->scalar[1 + i] = zk_mul(minus_c, a[i]);
    e->value = zk_mul(c, *k);
    e->blind = zk_of_bytes(proof.p + 32);
    e->t = *t;
    return e->verdict = VL_OK;
}

enum vl_err zk_linear_verify(const struct zk_gens *g, struct transcript *t, const struct zk_scalar *a,
                             const uint8_t (*commitment)[32], unsigned n, const struct zk_scalar *k,
                             struct vl_span proof) {
    struct zk_batch *b = zk_batch_create(g);
    if (b == NULL) return VL_ENOMEM;
    enum vl_err err = zk_linear_add(b, t, a, commitment, n, k, proof);
    if (err == VL_OK) err = zk_batch_decide(b);
    zk_batch_destroy(b);
    return err;
}

/* --- openings --- */
static void open_begin(struct transcript *t, const uint8_t (*commitment)[32], unsigned n) {
    transcript_append(t, "dom-sep", vl_span_str("village zk open v1"));
    absorb_commitments(t, commitment, n);
}

/* x[0] c + x[1] c^2 + ... + nonce: n + 1 answers to different c give every x[i]. */
static struct zk_scalar respond(const uint8_t (*x)[32], unsigned n, struct zk_scalar c, struct zk_scalar nonce) {
    struct zk_scalar r = zk_of_u64(0);
    for (unsigned i = n; i-- > 0;) r = zk_mul(zk_add(r, zk_of_bytes(x[i])), c);
    return zk_add(r, nonce);
}

enum vl_err zk_open_prove(const struct zk_gens *g, struct transcript *t, const uint8_t (*commitment)[32], unsigned n,
                          const struct zk_scalar *v, const uint8_t (*blind)[32], const uint8_t random[32],
                          uint8_t ret_proof[ZK_OPEN_PROOF]) {
    struct transcript rng;
    if (n < 1 || n > ZK_LINEAR_MAX) return VL_ERANGE;
    for (unsigned i = 0; i < n; i++) {
        enum vl_err err = zk_opens(g, commitment[i], v[i], zk_of_bytes(blind[i]));
        if (err != VL_OK) return err;
    }
    open_begin(t, commitment, n);
    transcript_rng_begin(t, &rng);
    transcript_rng_rekey(&rng, "v", vl_span(v, (size_t)n * 32));
    transcript_rng_rekey(&rng, "blind", vl_span(blind, (size_t)n * 32));
    transcript_rng_finish(&rng, random);
    struct zk_scalar nonce[2];
    for (unsigned i = 0; i < 2; i++) nonce[i] = zk_nonce(&rng);
    zk_commit_scalar(g, &nonce[0], nonce[1].b, ret_proof);
    struct zk_scalar c = challenge_after(t, ret_proof), s = respond((const uint8_t(*)[32])v, n, c, nonce[0]);
    memcpy(ret_proof + 32, s.b, 32);
    s = respond(blind, n, c, nonce[1]);
    memcpy(ret_proof + 64, s.b, 32);
    transcript_append(t, "s", vl_span(ret_proof + 32, 64));
    transcript_wipe(&rng);
    sodium_memzero(nonce, sizeof nonce);
    return VL_OK;
}

/* R, then commitments: s B + s' C - R - c V[0] - c^2 V[1] ... = 0 */
enum vl_err zk_open_add(struct zk_batch *b, struct transcript *t, const uint8_t (*commitment)[32], unsigned n,
                        struct vl_span proof) {
    struct zk_equation *e = zk_batch_claim(b);
    if (e == NULL) return VL_ELIMIT;
    if (n < 1 || n > ZK_LINEAR_MAX) return e->verdict;
    e->verdict = VL_EPARSE;
    if (proof.n != ZK_OPEN_PROOF || !zk_canonical_vartime(proof.p + 32) || !zk_canonical_vartime(proof.p + 64))
        return e->verdict;
    if (!zk_equation_room(e, 1 + n, 0) || !zk_equation_point(e, proof.p, false)) return e->verdict;
    for (unsigned i = 0; i < n; i++)
        if (!zk_equation_point(e, commitment[i], true)) return e->verdict;
    open_begin(t, commitment, n);
    struct zk_scalar c = challenge_after(t, proof.p);
    transcript_append(t, "s", vl_span(proof.p + 32, 64));
    e->scalar[0] = zk_neg(zk_of_u64(1));
    for (unsigned i = 0; i < n; i++) e->scalar[1 + i] = zk_mul(c, e->scalar[i]);
    e->value = zk_of_bytes(proof.p + 32);
    e->blind = zk_of_bytes(proof.p + 64);
    e->t = *t;
    return e->verdict = VL_OK;
}

enum vl_err zk_open_verify(const struct zk_gens *g, struct transcript *t, const uint8_t (*commitment)[32], unsigned n,
                           struct vl_span proof) {
    struct zk_batch *b = zk_batch_create(g);
    if (b == NULL) return VL_ENOMEM;
    enum vl_err err = zk_open_add(b, t, commitment, n, proof);
    if (err == VL_OK) err = zk_batch_decide(b);
    zk_batch_destroy(b);
    return err;
}
