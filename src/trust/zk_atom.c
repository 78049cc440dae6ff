/* Atoms of predicates: one spelling for what means the same, bounds, and what is true or false whatever the attributes are.
 */
#include "trust/zk_parse_priv.h"

#include <stdlib.h>

bool zk_no_memory(struct parser *ps) { return FAIL(ps, (struct zk_token){ 0 }, VL_ENOMEM, "out of memory"); }

bool zk_too_large(struct parser *ps, struct zk_token at) {
    return FAIL(ps, at, VL_ERANGE, "this sum could pass 2^124, where numbers would wrap: declare narrower attributes or use smaller factors");
}

bool zk_node(struct parser *ps, enum zk_node_kind kind, uint16_t a, uint16_t b, uint16_t *ret) {
    bool both = kind == ZK_NODE_AND;
    int absorbing = both ? FALSE_NODE : TRUE_NODE, neutral = both ? TRUE_NODE : FALSE_NODE;
    if (kind != ZK_NODE_ATOM && (a == absorbing || b == absorbing || a == neutral || b == neutral)) {
        *ret = a == absorbing || b == neutral ? a : b;
        return true;
    }
    struct zk_program *p = ps->p;
    if (p->n_nodes == ZK_NODES_MAX) return FAIL(ps, ps->now, VL_ELIMIT, "too many parts");
    p->node[p->n_nodes] = (struct zk_node){ kind, a, b };
    *ret = (uint16_t)p->n_nodes++;
    return true;
}

static bool constant(struct parser *ps, bool yes, uint16_t *ret) {
    ps->p->plan.folded++;
    *ret = yes ? TRUE_NODE : FALSE_NODE;
    return true;
}

/* Coefficients must be numbers of the language, or the canonical text could not be read. */
static bool printable(const struct zk_form *f) {
    zk_wide most = 1;
    for (unsigned i = 0; i < ZK_DIGITS_MAX; i++) most *= 10;
    for (unsigned i = 0; i < ZK_ATTRS_MAX; i++)
        if (f->k[i] >= most || f->k[i] <= -most) return false;
    return f->c < most && f->c > -most;
}

static bool add_atom(struct parser *ps, struct zk_token at, const struct zk_atom *made, uint16_t *ret) {
    struct zk_program *p = ps->p;
    if (!printable(&made->form))
        return FAIL(ps, at, VL_ERANGE, "a factor here has more than %u digits", ZK_DIGITS_MAX);
    if (p->n_atoms == ZK_ATOMS_MAX)
        return FAIL(ps, at, VL_ELIMIT, "more than %u comparisons; a range counts as two", ZK_ATOMS_MAX);
    struct zk_atom *a = &p->atom[p->n_atoms];
    *a = *made;
    a->line = at.line;
    a->column = at.column;
    return zk_node(ps, ZK_NODE_ATOM, (uint16_t)p->n_atoms++, 0, ret);
}

bool zk_atom_at_least(struct parser *ps, struct zk_token at, struct zk_form f, uint16_t *ret) {
    struct zk_atom a = { .kind = ZK_ATOM_AT_LEAST, .set = -1 };
    zk_wide g = zk_form_gcd(&f), limit = (zk_wide)1 << ZK_RANGE_WIDTH;
    for (unsigned i = 0; i < ZK_ATTRS_MAX; i++) f.k[i] /= g;
    f.c = zk_wide_div_floor(f.c, g); /* the rest of the form is a multiple of g: between two of them nothing is */
    a.form = f;
    if (!zk_form_bounds(&f, ps->p->attr, ps->p->n_attrs, &a.bounds)) return zk_too_large(ps, at);
    if (a.bounds.lo >= 0) return constant(ps, true, ret);
    if (a.bounds.hi < 0) return constant(ps, false, ret);
    if (a.bounds.hi >= limit || a.bounds.lo < -limit) {
        unsigned hi = zk_wide_bits(a.bounds.hi), lo = zk_wide_bits(-a.bounds.lo);
        return FAIL(ps, at, VL_ERANGE, "this comparison needs %u bits, and ranges have %u: declare narrower attributes or use smaller factors",
                    hi > lo ? hi : lo, ZK_RANGE_WIDTH);
    }
    return add_atom(ps, at, &a, ret);
}

bool zk_atom_zero(struct parser *ps, struct zk_token at, struct zk_form f, bool is_zero, uint16_t *ret) {
    struct zk_atom a = { .kind = is_zero ? ZK_ATOM_ZERO : ZK_ATOM_NONZERO, .set = -1 };
    zk_wide g = zk_form_gcd(&f);
    if (!zk_form_is_const(&f) && f.c % g != 0) return constant(ps, !is_zero, ret);
    for (unsigned i = 0; i < ZK_ATTRS_MAX; i++) f.k[i] /= g;
    f.c /= g;
    for (unsigned i = 0; i < ZK_ATTRS_MAX && f.k[i] <= 0; i++)
        if (f.k[i] < 0) { /* one sign for both spellings */
            struct zk_form negated = { .c = 0 };
            if (!zk_form_add(&negated, -1, &f)) return zk_too_large(ps, at);
            f = negated;
            break;
        }
    a.form = f;
    if (!zk_form_bounds(&f, ps->p->attr, ps->p->n_attrs, &a.bounds)) return zk_too_large(ps, at);
    if (a.bounds.lo > 0 || a.bounds.hi < 0) return constant(ps, !is_zero, ret);
    if (zk_form_is_const(&f)) return constant(ps, is_zero, ret);
    return add_atom(ps, at, &a, ret);
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

bool zk_atom_member(struct parser *ps, struct zk_token at, const struct zk_form *f, const int64_t *v, unsigned n, int set,
                   bool inside, uint16_t *ret) {
    struct zk_atom a = { .kind = inside ? ZK_ATOM_IN : ZK_ATOM_NOT_IN, .form = *f, .set = set };
    if (!zk_form_bounds(f, ps->p->attr, ps->p->n_attrs, &a.bounds)) return zk_too_large(ps, at);
    if (zk_wide_bits(a.bounds.hi - a.bounds.lo) > ZK_RANGE_WIDTH)
        return FAIL(ps, at, VL_ERANGE, "what is looked for in a set has %u bits, and may have %u: declare narrower attributes or use smaller factors",
                    zk_wide_bits(a.bounds.hi - a.bounds.lo), ZK_RANGE_WIDTH);
    a.v = calloc(n, sizeof *a.v);
    if (a.v == NULL) return zk_no_memory(ps);
    for (unsigned i = 0; i < n; i++)
        if (v[i] >= a.bounds.lo && v[i] <= a.bounds.hi) a.v[a.n++] = v[i];
    if (set < 0) qsort(a.v, a.n, sizeof *a.v, by_value); /* published ones are sorted */
    unsigned once = 0;
    for (unsigned i = 0; i < a.n; i++)
        if (once == 0 || a.v[once - 1] != a.v[i]) a.v[once++] = a.v[i];
    a.n = once;
    bool ok = false;
    if (a.n == 0 || zk_form_is_const(f)) {
        ok = constant(ps, (a.n > 0) == inside, ret); /* a constant has only itself between its bounds */
    } else if (a.n == 1 && set < 0) {
        struct zk_form less = *f;
        less.c -= a.v[0];
        ok = zk_atom_zero(ps, at, less, inside, ret);
    } else {
        ok = add_atom(ps, at, &a, ret);
        if (ok) return true; /* the atom owns a.v now */
    }
    free(a.v);
    return ok;
}

/* num / den of two fractions without a fraction: *ret = a.num * b.den - b.num * a.den */
static bool difference(struct parser *ps, const struct operand *a, const struct operand *b, struct zk_form *ret) {
    struct zk_form l = *a->num, r = *b->num;
    if ((!zk_form_is_const(b->den) && !zk_form_is_const(&l)) || (!zk_form_is_const(a->den) && !zk_form_is_const(&r)))
        return FAIL(ps, a->at, VL_EPARSE, "a ratio is compared with a number only: two ratios multiply attributes with each other");
    if (!zk_form_mul(&l, b->den) || !zk_form_mul(&r, a->den) || !zk_form_add(&l, -1, &r)) return zk_too_large(ps, a->at);
    *ret = l;
    return true;
}

bool zk_atom_compare(struct parser *ps, const struct operand *a, const char *relation, const struct operand *b, bool negated,
                    uint16_t *ret) {
    struct zk_form f;
    if (!difference(ps, a, b, &f)) return false;
    if (relation[0] == '=' || relation[0] == '!') return zk_atom_zero(ps, a->at, f, (relation[0] == '=') != negated, ret);
    bool less = relation[0] == '<', strict = relation[1] == '\0';
    if (negated) {
        less = !less;
        strict = !strict;
    }
    struct zk_form d = { .c = strict ? -1 : 0 };
    if (!zk_form_add(&d, less ? -1 : 1, &f)) return zk_too_large(ps, a->at);
    return zk_atom_at_least(ps, a->at, d, ret);
}
