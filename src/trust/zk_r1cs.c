#include "trust/zk_r1cs.h"

#include "crypto/hash.h"
#include "trust/zk_r1cs_priv.h"

#include <assert.h>
#include <stdlib.h>

static const struct zk_var ONE = { ZK_ONE, 0 };

struct zk_lc zk_lc_zero(void) {
    struct zk_lc r;
    r.n = 0;
    return r;
}

struct zk_lc zk_lc_var(struct zk_var v) {
    struct zk_lc r = zk_lc_zero();
    zk_lc_add_var(&r, zk_of_u64(1), v);
    return r;
}

struct zk_lc zk_lc_const(uint64_t k) {
    struct zk_lc r = zk_lc_zero();
    zk_lc_add_var(&r, zk_of_u64(k), ONE);
    return r;
}

void zk_lc_add_var(struct zk_lc *lc, struct zk_scalar k, struct zk_var v) {
    if (lc->n > ZK_LC_MAX) return;
    for (unsigned i = 0; i < lc->n; i++)
        if (lc->term[i].var.kind == v.kind && lc->term[i].var.at == v.at) {
            lc->term[i].k = zk_add(lc->term[i].k, k);
            return;
        }
    if (lc->n == ZK_LC_MAX) {
        lc->n = ZK_LC_MAX + 1;
        return;
    }
    lc->term[lc->n].var = v;
    lc->term[lc->n++].k = k;
}

void zk_lc_add_lc(struct zk_lc *lc, struct zk_scalar k, const struct zk_lc *other) {
    if (other->n > ZK_LC_MAX) {
        lc->n = ZK_LC_MAX + 1;
        return;
    }
    for (unsigned i = 0; i < other->n; i++) zk_lc_add_var(lc, zk_mul(k, other->term[i].k), other->term[i].var);
}

struct zk_cs *zk_cs_create(const struct zk_gens *g, struct transcript *t, bool prover) {
    struct zk_cs *cs = calloc(1, sizeof *cs);
    if (cs == NULL) return NULL;
    cs->gens = g;
    cs->t = t;
    cs->prover = prover;
    return cs;
}

void zk_cs_destroy(struct zk_cs *cs) {
    if (cs == NULL) return;
    struct zk_scalar *of_gates[3] = { cs->left, cs->right, cs->output };
    for (unsigned i = 0; i < 3; i++) sodium_memzero(of_gates[i], cs->gates * sizeof *of_gates[i]);
    sodium_memzero(cs->opening, sizeof cs->opening);
    free(cs->term);
    free(cs);
}

enum vl_err zk_cs_err(const struct zk_cs *cs) { return cs->err; }
unsigned zk_cs_gates(const struct zk_cs *cs) { return cs->gates; }

static void stick(struct zk_cs *cs, enum vl_err err) {
    if (cs->err == VL_OK) cs->err = err;
}

struct zk_var zk_cs_commit(struct zk_cs *cs, const uint8_t commitment[32], const struct zk_opening *opening) {
    struct ristretto p;
    assert(cs->prover == (opening != NULL));
    if (cs->err == VL_OK && cs->committed == ZK_CS_COMMITTED_MAX) stick(cs, VL_ELIMIT);
    if (cs->err == VL_OK && ristretto_decode(commitment, &p) != VL_OK) stick(cs, VL_EPARSE);
    if (cs->err == VL_OK && opening != NULL) stick(cs, zk_opens(cs->gens, commitment, opening->value, opening->blind));
    if (cs->err != VL_OK) return ONE;
    memcpy(cs->commitment[cs->committed], commitment, 32);
    if (opening != NULL) cs->opening[cs->committed] = *opening;
    return (struct zk_var){ ZK_COMMITTED, cs->committed++ };
}

struct zk_gate zk_cs_gate(struct zk_cs *cs, struct zk_scalar left, struct zk_scalar right) {
    if (cs->err == VL_OK && cs->gates == ZK_GATES_MAX) stick(cs, VL_ELIMIT);
    if (cs->err != VL_OK) return (struct zk_gate){ ONE, ONE, ONE };
    uint32_t at = cs->gates++;
    if (cs->prover) {
        cs->left[at] = left;
        cs->right[at] = right;
        cs->output[at] = zk_mul(left, right);
    }
    return (struct zk_gate){ { ZK_LEFT, at }, { ZK_RIGHT, at }, { ZK_OUTPUT, at } };
}

/* *lc - v = 0 */
static void bind(struct zk_cs *cs, const struct zk_lc *lc, struct zk_var v) {
    struct zk_lc same = *lc;
    zk_lc_add_var(&same, zk_neg(zk_of_u64(1)), v);
    zk_cs_constrain(cs, &same);
}

struct zk_gate zk_cs_multiply(struct zk_cs *cs, const struct zk_lc *left, const struct zk_lc *right) {
    struct zk_gate g = zk_cs_gate(cs, zk_cs_value(cs, left), zk_cs_value(cs, right));
    bind(cs, left, g.left);
    bind(cs, right, g.right);
    return g;
}

static bool make_room(struct zk_cs *cs, unsigned more) {
    if (cs->terms + more <= cs->terms_room) return true;
    size_t room = cs->terms_room == 0 ? 1024 : 2 * cs->terms_room;
    struct zk_term *at = realloc(cs->term, room * sizeof *at);
    if (at == NULL) return false;
    cs->term = at;
    cs->terms_room = room;
    return true;
}

void zk_cs_constrain(struct zk_cs *cs, const struct zk_lc *lc) {
    if (cs->err != VL_OK) return;
    bool fits = lc->n <= ZK_LC_MAX && cs->constraints < ZK_CONSTRAINTS_MAX && cs->terms + lc->n <= ZK_CS_TERMS_MAX;
    if (!fits || !make_room(cs, lc->n)) {
        stick(cs, fits ? VL_ENOMEM : VL_ELIMIT);
        return;
    }
    for (unsigned i = 0; i < lc->n; i++) cs->term[cs->terms++] = (struct zk_term){ lc->term[i].var, lc->term[i].k };
    cs->end[cs->constraints++] = (uint32_t)cs->terms;
}

static struct zk_scalar value_of(const struct zk_cs *cs, struct zk_var v) {
    switch (v.kind) {
    case ZK_ONE: return zk_of_u64(1);
    case ZK_COMMITTED: return cs->opening[v.at].value;
    case ZK_LEFT: return cs->left[v.at];
    case ZK_RIGHT: return cs->right[v.at];
    case ZK_OUTPUT: return cs->output[v.at];
    }
    return zk_of_u64(0);
}

struct zk_scalar zk_cs_value(const struct zk_cs *cs, const struct zk_lc *lc) {
    struct zk_scalar sum = zk_of_u64(0);
    if (!cs->prover || cs->err != VL_OK || lc->n > ZK_LC_MAX) return sum;
    for (unsigned i = 0; i < lc->n; i++) sum = zk_muladd(lc->term[i].k, value_of(cs, lc->term[i].var), sum);
    return sum;
}

static size_t first_term(const struct zk_cs *cs, unsigned i) { return i == 0 ? 0 : cs->end[i - 1]; }

struct zk_scalar zk_cs_constraint_value(const struct zk_cs *cs, unsigned i) {
    struct zk_scalar sum = zk_of_u64(0);
    for (size_t k = first_term(cs, i); k < cs->end[i]; k++)
        sum = zk_muladd(cs->term[k].k, value_of(cs, cs->term[k].var), sum);
    return sum;
}

unsigned zk_cs_padded(unsigned gates) {
    if (gates > ZK_GATES_MAX) return 0;
    return 1u << zk_log2(gates);
}

size_t zk_cs_proof_size(unsigned gates) {
    unsigned n = zk_cs_padded(gates);
    return n == 0 ? 0 : ZK_CS_HEAD + 64 + 64 * (size_t)zk_log2(n);
}

/* Constraints go through a hash of their own, which is faster than the transcript and binds as well. */
void zk_cs_begin(struct zk_cs *cs) {
    struct crypto_blake2b h;
    struct vl_hash all;
    uint8_t head[9];
    crypto_blake2b_init(&h);
    for (unsigned i = 0; i < cs->constraints; i++) {
        size_t from = first_term(cs, i);
        vl_put_u32(head, (uint32_t)(cs->end[i] - from));
        crypto_blake2b_update(&h, head, 4);
        for (size_t k = from; k < cs->end[i]; k++) {
            head[0] = (uint8_t)cs->term[k].var.kind;
            vl_put_u32(head + 1, cs->term[k].var.at);
            crypto_blake2b_update(&h, head, 5);
            crypto_blake2b_update(&h, cs->term[k].k.b, 32);
        }
    }
    crypto_blake2b_final(&h, &all);
    transcript_append(cs->t, "dom-sep", vl_span_str("village zk r1cs v1"));
    transcript_append_u64(cs->t, "m", cs->committed);
    for (unsigned i = 0; i < cs->committed; i++) transcript_append(cs->t, "V", vl_span(cs->commitment[i], 32));
    transcript_append_u64(cs->t, "gates", cs->gates);
    transcript_append_u64(cs->t, "constraints", cs->constraints);
    transcript_append(cs->t, "terms", vl_span(all.b, sizeof all.b));
}

enum vl_err zk_flat_make(const struct zk_cs *cs, unsigned n, struct zk_scalar z, struct zk_flat *ret) {
    struct zk_scalar power = z;
    memset(ret, 0, sizeof *ret);
    ret->n = n;
    ret->l = calloc(3 * (size_t)n, sizeof *ret->l);
    if (ret->l == NULL) return VL_ENOMEM;
    ret->r = ret->l + n;
    ret->o = ret->r + n;
    for (unsigned i = 0; i < cs->constraints; i++) {
        for (size_t k = first_term(cs, i); k < cs->end[i]; k++) {
            struct zk_var v = cs->term[k].var;
            struct zk_scalar w = zk_mul(power, cs->term[k].k);
            switch (v.kind) {
            case ZK_LEFT: ret->l[v.at] = zk_add(ret->l[v.at], w); break;
            case ZK_RIGHT: ret->r[v.at] = zk_add(ret->r[v.at], w); break;
            case ZK_OUTPUT: ret->o[v.at] = zk_add(ret->o[v.at], w); break;
            case ZK_COMMITTED: ret->v[v.at] = zk_sub(ret->v[v.at], w); break; /* the other side */
            case ZK_ONE: ret->one = zk_sub(ret->one, w); break;
            }
        }
        power = zk_mul(power, z);
    }
    return VL_OK;
}

void zk_flat_free(struct zk_flat *f) { free(f->l); }

struct zk_scalar zk_flat_delta(const struct zk_flat *f, const struct zk_scalar *inv_y) {
    struct zk_scalar sum = zk_of_u64(0);
    for (unsigned i = 0; i < f->n; i++) sum = zk_muladd(zk_mul(inv_y[i], f->r[i]), f->l[i], sum);
    return sum;
}
