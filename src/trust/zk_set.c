#include "trust/zk_sigma.h"

#include "trust/zk_priv.h"

#include <stdlib.h>

/* One of D[i] = V - set[i] B is r C.  For each i a proof (R[i], c[i], s[i]) with s C = R + c D, of which all but the true
 * one are made backwards; that the c[i] add up to the challenge leaves one without that freedom.
 * Bytes: R[0..n), c[0..n-1) (the last one follows), s[0..n). */
struct layout {
    uint8_t *r, *c, *s;
};
static struct layout layout_of(uint8_t *proof, unsigned n) {
    return (struct layout){ proof, proof + 32 * (size_t)n, proof + 64 * (size_t)n - 32 };
}

size_t zk_set_size(unsigned n) { return n < ZK_SET_MIN || n > ZK_SET_MAX ? 0 : 96 * (size_t)n - 32; }

static bool possible(const struct zk_scalar *set, unsigned n) {
    return zk_set_size(n) != 0 && zk_canonical_all_vartime(set, n);
}

static void begin(struct transcript *t, const struct zk_scalar *set, unsigned n, const uint8_t commitment[32]) {
    transcript_append(t, "dom-sep", vl_span_str("village zk set v1"));
    transcript_append_u64(t, "n", n);
    transcript_append(t, "set", vl_span(set, (size_t)n * 32));
    transcript_append(t, "V", vl_span(commitment, 32));
}

struct prover {
    struct transcript rng;
    struct zk_scalar c[ZK_SET_MAX], s[ZK_SET_MAX];
};

/* Every R is made backwards, from random c and s, also the true one: only afterwards are its c and s moved to what the
 * challenge demands, which takes r.  So nothing depends on which one it is. */
static void prove(const struct zk_gens *g, struct prover *p, struct transcript *t, const struct zk_scalar *set,
                  unsigned n, const struct ristretto *v, unsigned index, struct zk_scalar blind, uint8_t *proof) {
    struct layout at = layout_of(proof, n);
    for (unsigned i = 0; i < n; i++) {
        struct ristretto d, a, b;
        p->c[i] = zk_nonce(&p->rng);
        p->s[i] = zk_nonce(&p->rng);
        ristretto_mul_base(set[i].b, &d);
        d = ristretto_sub(v, &d);
        ristretto_mul(p->s[i].b, &g->blind, &a);
        ristretto_mul(p->c[i].b, &d, &b);
        a = ristretto_sub(&a, &b);
        ristretto_encode(&a, at.r + 32 * (size_t)i);
        transcript_append(t, "R", vl_span(at.r + 32 * (size_t)i, 32));
    }
    struct zk_scalar rest = zk_challenge(t, "c"), zero = zk_of_u64(0);
    for (unsigned i = 0; i < n; i++) rest = zk_sub(rest, p->c[i]);
    for (unsigned i = 0; i < n; i++) {
        struct zk_scalar move = zk_select(zk_same(i, index), rest, zero);
        p->c[i] = zk_add(p->c[i], move);
        p->s[i] = zk_muladd(move, blind, p->s[i]);
        if (i + 1 < n) memcpy(at.c + 32 * (size_t)i, p->c[i].b, 32);
        memcpy(at.s + 32 * (size_t)i, p->s[i].b, 32);
    }
    transcript_append(t, "c, s", vl_span(at.c, 64 * (size_t)n - 32));
}

enum vl_err zk_set_prove(const struct zk_gens *g, struct transcript *t, const struct zk_scalar *set, unsigned n,
                         const uint8_t commitment[32], unsigned index, const uint8_t blind[32],
                         const uint8_t random[32], uint8_t *ret_proof) {
    struct prover p;
    struct ristretto v;
    struct zk_scalar meant = zk_of_u64(0);
    uint8_t le[4];
    if (!possible(set, n) || index >= n) return VL_ERANGE;
    if (ristretto_decode(commitment, &v) != VL_OK) return VL_EPARSE;
    for (unsigned i = 0; i < n; i++) meant = zk_select(zk_same(i, index), set[i], meant);
    enum vl_err err = zk_opens(g, commitment, meant, zk_of_bytes(blind));
    if (err == VL_OK) {
        begin(t, set, n, commitment);
        vl_put_u32(le, index);
        transcript_rng_begin(t, &p.rng);
        transcript_rng_rekey(&p.rng, "index", vl_span(le, sizeof le));
        transcript_rng_rekey(&p.rng, "blind", vl_span(blind, 32));
        transcript_rng_finish(&p.rng, random);
        prove(g, &p, t, set, n, &v, index, zk_of_bytes(blind), ret_proof);
        sodium_memzero(&p, sizeof p);
        sodium_memzero(le, sizeof le);
    }
    sodium_memzero(&meant, sizeof meant);
    return err;
}

/* All n equations s[i] C - R[i] - c[i] (V - set[i] B) = 0, added up with powers of a challenge that follows the whole
 * proof.  Own terms: R[0..n), V. */
static void fill(struct zk_equation *e, const struct zk_scalar *set, unsigned n, struct layout at,
                 struct zk_scalar challenge, struct zk_scalar w) {
    struct zk_scalar power = zk_of_u64(1), of_v = zk_of_u64(0);
    for (unsigned i = 0; i < n; i++) {
        struct zk_scalar c = i + 1 < n ? zk_of_bytes(at.c + 32 * (size_t)i) : challenge;
        if (i + 1 < n) challenge = zk_sub(challenge, c);
        c = zk_mul(power, c);
        e->scalar[i] = zk_neg(power);
        of_v = zk_sub(of_v, c);
        e->value = zk_muladd(c, set[i], e->value);
        e->blind = zk_muladd(power, zk_of_bytes(at.s + 32 * (size_t)i), e->blind);
        power = zk_mul(power, w);
    }
    e->scalar[n] = of_v;
}

enum vl_err zk_set_add(struct zk_batch *b, struct transcript *t, const struct zk_scalar *set, unsigned n,
                       const uint8_t commitment[32], struct vl_span proof) {
    struct zk_equation *e = zk_batch_claim(b);
    uint8_t copy[ZK_SET_PROOF_MAX];
    if (e == NULL) return VL_ELIMIT;
    if (!possible(set, n)) return e->verdict;
    e->verdict = VL_EPARSE;
    if (proof.n != zk_set_size(n)) return e->verdict;
    memcpy(copy, proof.p, proof.n);
    struct layout at = layout_of(copy, n);
    for (unsigned i = 0; i < 2 * n - 1; i++)
        if (!zk_canonical_vartime(at.c + 32 * (size_t)i)) return e->verdict;
    if (!zk_equation_room(e, n + 1, 0)) return e->verdict;
    for (unsigned i = 0; i < n; i++)
        if (!zk_equation_point(e, at.r + 32 * (size_t)i, false)) return e->verdict;
    if (!zk_equation_point(e, commitment, true)) return e->verdict;
    begin(t, set, n, commitment);
    for (unsigned i = 0; i < n; i++) transcript_append(t, "R", vl_span(at.r + 32 * (size_t)i, 32));
    struct zk_scalar challenge = zk_challenge(t, "c");
    transcript_append(t, "c, s", vl_span(at.c, 64 * (size_t)n - 32));
    e->t = *t;
    fill(e, set, n, at, challenge, zk_challenge(&e->t, "w"));
    return e->verdict = VL_OK;
}

enum vl_err zk_set_verify(const struct zk_gens *g, struct transcript *t, const struct zk_scalar *set, unsigned n,
                          const uint8_t commitment[32], struct vl_span proof) {
    struct zk_batch *b = zk_batch_create(g);
    if (b == NULL) return VL_ENOMEM;
    enum vl_err err = zk_set_add(b, t, set, n, commitment, proof);
    if (err == VL_OK) err = zk_batch_decide(b);
    zk_batch_destroy(b);
    return err;
}
