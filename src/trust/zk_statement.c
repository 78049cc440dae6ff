#include "trust/zk_proof_priv.h"

#include "trust/zk_gadget.h"

#include <stdlib.h>

#define GENERATORS "ristretto255, B, C = SHA3-512(B), GeneratorsChain of 64 bits"

unsigned zk_program_gens(const struct zk_program *p) {
    unsigned need = 1;
    for (unsigned i = 0; i < p->plan.n_steps; i++) {
        const struct zk_step *s = &p->work[i].step;
        if (s->kind == ZK_STEP_RANGE && s->values > need) need = s->values;
        while (s->kind == ZK_STEP_CIRCUIT && need * ZK_RANGE_BITS_MAX < s->gates) need *= 2;
    }
    return need;
}

void zk_begin(struct transcript *t, struct vl_span text, struct vl_span credential, const uint8_t (*commitment)[32], unsigned n,
              const struct zk_context *context) {
    transcript_init(t, "village-zk-predicate-1");
    transcript_append(t, "generators", vl_span_str(GENERATORS));
    transcript_append(t, "predicate", text);
    transcript_append(t, "credential", credential);
    transcript_append_u64(t, "attributes", n);
    for (unsigned i = 0; i < n; i++) transcript_append(t, "V", vl_span(commitment[i], 32));
    transcript_append(t, "verifier", vl_span(context->verifier.b, 32));
    transcript_append(t, "purpose", vl_span_str(context->purpose));
    transcript_append(t, "nonce", vl_span(context->nonce, sizeof context->nonce));
    transcript_append_u64(t, "epoch", context->epoch);
}

void zk_begin_step(struct transcript *t, const struct zk_program *p, unsigned step) {
    transcript_append_u64(t, "step", step);
    transcript_append(t, "kind", vl_span_str(zk_step_name(p->work[step].step.kind)));
}

void zk_holder_digest(const struct transcript *t, struct vl_span proof, uint8_t ret[32]) {
    struct transcript fork = *t;
    transcript_append(&fork, "proof", proof);
    transcript_challenge(&fork, "holder", ret, 32);
}

struct zk_form zk_slot_form(const struct zk_program *p, const struct zk_slot *s, int *ret_end) {
    struct zk_form f = { .c = 0 };
    *ret_end = 0;
    switch (s->kind) {
    case ZK_SLOT_FORM: return p->atom[s->at].form;
    case ZK_SLOT_VALUE: f.k[s->at] = 1; return f;
    case ZK_SLOT_ROOM:
        f.k[s->at] = -1;
        f.c = ((zk_wide)1 << p->attr[s->at].bits) - 1;
        return f;
    case ZK_SLOT_BELOW:
        f = p->atom[s->at].form;
        f.c -= 1;
        *ret_end = -1;
        return f;
    case ZK_SLOT_ABOVE:
        for (unsigned i = 0; i < ZK_ATTRS_MAX; i++) f.k[i] = -p->atom[s->at].form.k[i];
        f.c = -p->atom[s->at].form.c - 1;
        *ret_end = 1;
        return f;
    }
    return f;
}

struct zk_scalar *zk_gap_ends(const struct zk_atom *a) {
    struct zk_scalar *v = calloc(a->n + 2, sizeof *v);
    if (v == NULL) return NULL;
    v[0] = zk_of_wide(a->bounds.lo - 1);
    for (unsigned i = 0; i < a->n; i++) v[i + 1] = zk_of_wide(a->v[i]);
    v[a->n + 1] = zk_of_wide(a->bounds.hi + 1);
    return v;
}

struct zk_scalar *zk_member_scalars(const struct zk_atom *a, unsigned *ret_n) {
    unsigned n = a->n > 1 ? a->n : 2;
    struct zk_scalar *v = calloc(n, sizeof *v);
    for (unsigned i = 0; v != NULL && i < n; i++) v[i] = zk_of_wide(a->v[i < a->n ? i : 0]);
    *ret_n = n;
    return v;
}

/* ---- circuit ---- */

struct builder {
    struct zk_cs *cs;
    const struct zk_program *p;
    struct zk_var attr[ZK_ATTRS_MAX];
};

static struct zk_lc form_lc(const struct builder *b, const struct zk_form *f) {
    struct zk_lc lc = zk_lc_zero();
    struct zk_var one = { ZK_ONE, 0 };
    if (f->c != 0) zk_lc_add_var(&lc, zk_of_wide(f->c), one);
    for (unsigned i = 0; i < b->p->n_attrs; i++)
        if (f->k[i] != 0) zk_lc_add_var(&lc, zk_of_wide(f->k[i]), b->attr[i]);
    return lc;
}

/* (form - v[0]) (form - v[1]) ... */
static struct zk_lc differences(const struct builder *b, const struct zk_atom *a) {
    const struct zk_lc v = form_lc(b, &a->form);
    const struct zk_var one = { ZK_ONE, 0 };
    struct zk_lc all = v;
    zk_lc_add_var(&all, zk_of_wide(-(zk_wide)a->v[0]), one);
    for (unsigned i = 1; i < a->n; i++) {
        struct zk_lc next = v;
        zk_lc_add_var(&next, zk_of_wide(-(zk_wide)a->v[i]), one);
        all = zk_lc_var(zk_cs_multiply(b->cs, &all, &next).output);
    }
    return all;
}

static struct zk_lc atom_bool(const struct builder *b, const struct zk_atom *a) {
    struct zk_lc v = form_lc(b, &a->form), none = zk_lc_zero(), yes = none;
    zk_wide reach = a->bounds.hi > -a->bounds.lo ? a->bounds.hi : -a->bounds.lo;
    switch (a->kind) {
    case ZK_ATOM_AT_LEAST: return zk_gadget_at_least(b->cs, &v, &none, zk_wide_bits(reach));
    case ZK_ATOM_ZERO:
    case ZK_ATOM_NONZERO:
        yes = zk_gadget_is_zero(b->cs, &v);
        return a->kind == ZK_ATOM_ZERO ? yes : zk_gadget_not(&yes);
    case ZK_ATOM_IN:
    case ZK_ATOM_NOT_IN:
        v = differences(b, a);
        yes = zk_gadget_is_zero(b->cs, &v);
        return a->kind == ZK_ATOM_IN ? yes : zk_gadget_not(&yes);
    }
    return none;
}

static struct zk_lc tree_bool(const struct builder *b, unsigned i) {
    const struct zk_node *n = &b->p->node[i];
    if (n->kind == ZK_NODE_ATOM) return atom_bool(b, &b->p->atom[n->a]);
    struct zk_lc l = tree_bool(b, n->a), r = tree_bool(b, n->b);
    return n->kind == ZK_NODE_AND ? zk_gadget_and(b->cs, &l, &r) : zk_gadget_or(b->cs, &l, &r);
}

/* The form is none of the numbers (none but 0 of an inequality): the product of the differences is not 0. */
static void apart(const struct builder *b, const struct zk_atom *a) {
    struct zk_lc all = a->kind == ZK_ATOM_NOT_IN ? differences(b, a) : form_lc(b, &a->form);
    zk_gadget_nonzero(b->cs, &all);
}

void zk_circuit(struct zk_cs *cs, const struct zk_program *p, const uint8_t (*commitment)[32], const struct zk_opening *opening) {
    struct builder b = { .cs = cs, .p = p };
    for (unsigned i = 0; i < p->n_attrs; i++)
        if (p->in_circuit[i]) b.attr[i] = zk_cs_commit(cs, commitment[i], opening != NULL ? &opening[i] : NULL);
    for (unsigned i = 0; i < p->n_clauses; i++) {
        const struct zk_node *n = &p->node[p->clause[i]];
        if (n->kind == ZK_NODE_ATOM) {
            apart(&b, &p->atom[n->a]);
        } else {
            struct zk_lc yes = tree_bool(&b, p->clause[i]);
            zk_gadget_true(cs, &yes);
        }
    }
}
