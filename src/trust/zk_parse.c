#include "trust/zk_pred_priv.h"

#include "base/text.h"

#include <stdlib.h>

#define FORMS_MAX 2048u
#define DIGITS_MAX 20u
#define FRACTION_MAX 9u
enum { FALSE_NODE = 0, TRUE_NODE = 1 }; /* their places */

/* What a piece of text stands for: a truth value that is a node, or a fraction of forms. */
struct operand {
    bool is_bool;
    uint16_t node;
    struct zk_form *num, *den;
    struct zk_token at;
};

struct parser {
    struct zk_lexer lexer;
    struct zk_token now;
    struct zk_program *p;
    struct zk_sets sets;
    struct zk_diag *diag;
    enum vl_err err;
    unsigned depth, n_forms, n_inline;
    struct zk_form *form; /* FORMS_MAX */
    bool used[ZK_ATTRS_MAX];
    struct zk_token declared[ZK_ATTRS_MAX];
};

static const char *const words[] = { "attribute", "issuer", "prove", "and", "or", "not", "in", "set", "self" };

#define FAIL(ps, tok, code, ...)                                                                                       \
    ((ps)->err = zk_diag_set((ps)->diag, code, (tok).line, (tok).column, __VA_ARGS__), false)

static bool no_memory(struct parser *ps) { return FAIL(ps, (struct zk_token){ 0 }, VL_ENOMEM, "out of memory"); }

static bool expected(struct parser *ps, const char *what) {
    struct zk_token t = ps->now;
    if (t.kind == ZK_TOK_END) return FAIL(ps, t, VL_EPARSE, "expected %s, but the text ends here", what);
    if (t.text.n == 1 && (t.text.p[0] < 0x20 || t.text.p[0] > 0x7e))
        return FAIL(ps, t, VL_EPARSE, "expected %s, found the byte 0x%02x", what, t.text.p[0]);
    return FAIL(ps, t, VL_EPARSE, "expected %s, found '%.*s'", what, (int)(t.text.n < 70 ? t.text.n : 70),
                (const char *)t.text.p);
}

static void next(struct parser *ps) { ps->now = zk_lex(&ps->lexer); }
static bool is(const struct parser *ps, const char *text) {
    return (ps->now.kind == ZK_TOK_NAME || ps->now.kind == ZK_TOK_SIGN) &&
           vl_span_eq(ps->now.text, vl_span_str(text));
}
static bool take(struct parser *ps, const char *text) {
    bool yes = is(ps, text);
    if (yes) next(ps);
    return yes;
}
static bool word_of_language(struct vl_span s) {
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        if (vl_span_eq(s, vl_span_str(words[i]))) return true;
    return false;
}

/* ---- numbers ---- */

/* Of the digits of a token, the point left out; *ret_digits behind it. */
static bool number(struct parser *ps, zk_wide *ret, unsigned *ret_fraction) {
    zk_wide v = 0;
    unsigned whole = 0, fraction = 0;
    bool behind = false;
    if (ps->now.kind != ZK_TOK_NUMBER) return expected(ps, "a number");
    for (size_t i = 0; i < ps->now.text.n; i++) {
        uint8_t c = ps->now.text.p[i];
        if (c == '.') {
            behind = true;
            continue;
        }
        if (++*(behind ? &fraction : &whole) > (behind ? FRACTION_MAX : DIGITS_MAX))
            return FAIL(ps, ps->now, VL_ERANGE, "a number has up to %u digits and %u behind the point", DIGITS_MAX, FRACTION_MAX);
        v = v * 10 + (c - '0');
    }
    *ret = v;
    *ret_fraction = fraction;
    next(ps);
    return true;
}

static bool whole_number(struct parser *ps, zk_wide most, const char *what, zk_wide *ret) {
    struct zk_token at = ps->now;
    unsigned fraction = 0;
    if (ps->now.kind != ZK_TOK_NUMBER) return expected(ps, what);
    if (!number(ps, ret, &fraction)) return false;
    char text[ZK_WIDE_TEXT];
    if (fraction > 0 || *ret > most)
        return FAIL(ps, at, VL_ERANGE, "%s must be a whole number up to %s", what, zk_wide_text(most, text));
    return true;
}

static struct zk_form *new_form(struct parser *ps, struct zk_token at, zk_wide c) {
    if (ps->n_forms == FORMS_MAX) {
        (void)FAIL(ps, at, VL_ELIMIT, "more than %u numbers and names", FORMS_MAX / 2);
        return NULL;
    }
    struct zk_form *f = &ps->form[ps->n_forms++];
    *f = (struct zk_form){ .c = c };
    return f;
}

/* ---- atoms ---- */

static bool too_large(struct parser *ps, struct zk_token at) {
    return FAIL(ps, at, VL_ERANGE, "this sum could pass 2^124, where numbers would wrap: declare narrower attributes or use smaller factors");
}

static bool node(struct parser *ps, enum zk_node_kind kind, uint16_t a, uint16_t b, uint16_t *ret) {
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
    for (unsigned i = 0; i < DIGITS_MAX; i++) most *= 10;
    for (unsigned i = 0; i < ZK_ATTRS_MAX; i++)
        if (f->k[i] >= most || f->k[i] <= -most) return false;
    return f->c < most && f->c > -most;
}

static bool add_atom(struct parser *ps, struct zk_token at, const struct zk_atom *made, uint16_t *ret) {
    struct zk_program *p = ps->p;
    if (!printable(&made->form))
        return FAIL(ps, at, VL_ERANGE, "a factor here has more than %u digits", DIGITS_MAX);
    if (p->n_atoms == ZK_ATOMS_MAX)
        return FAIL(ps, at, VL_ELIMIT, "more than %u comparisons; a range counts as two", ZK_ATOMS_MAX);
    struct zk_atom *a = &p->atom[p->n_atoms];
    *a = *made;
    a->line = at.line;
    a->column = at.column;
    return node(ps, ZK_NODE_ATOM, (uint16_t)p->n_atoms++, 0, ret);
}

/* form >= 0 */
static bool at_least(struct parser *ps, struct zk_token at, struct zk_form f, uint16_t *ret) {
    struct zk_atom a = { .kind = ZK_ATOM_AT_LEAST, .set = -1 };
    zk_wide g = zk_form_gcd(&f), limit = (zk_wide)1 << ZK_RANGE_WIDTH;
    for (unsigned i = 0; i < ZK_ATTRS_MAX; i++) f.k[i] /= g;
    f.c = zk_wide_div_floor(f.c, g); /* the rest of the form is a multiple of g: between two of them nothing is */
    a.form = f;
    if (!zk_form_bounds(&f, ps->p->attr, ps->p->n_attrs, &a.bounds)) return too_large(ps, at);
    if (a.bounds.lo >= 0) return constant(ps, true, ret);
    if (a.bounds.hi < 0) return constant(ps, false, ret);
    if (a.bounds.hi >= limit || a.bounds.lo < -limit) {
        unsigned hi = zk_wide_bits(a.bounds.hi), lo = zk_wide_bits(-a.bounds.lo);
        return FAIL(ps, at, VL_ERANGE, "this comparison needs %u bits, and ranges have %u: declare narrower attributes or use smaller factors",
                    hi > lo ? hi : lo, ZK_RANGE_WIDTH);
    }
    return add_atom(ps, at, &a, ret);
}

/* form = 0, or not */
static bool zero(struct parser *ps, struct zk_token at, struct zk_form f, bool is_zero, uint16_t *ret) {
    struct zk_atom a = { .kind = is_zero ? ZK_ATOM_ZERO : ZK_ATOM_NONZERO, .set = -1 };
    zk_wide g = zk_form_gcd(&f);
    if (!zk_form_is_const(&f) && f.c % g != 0) return constant(ps, !is_zero, ret);
    for (unsigned i = 0; i < ZK_ATTRS_MAX; i++) f.k[i] /= g;
    f.c /= g;
    for (unsigned i = 0; i < ZK_ATTRS_MAX && f.k[i] <= 0; i++)
        if (f.k[i] < 0) { /* one sign for both spellings */
            struct zk_form negated = { .c = 0 };
            if (!zk_form_add(&negated, -1, &f)) return too_large(ps, at);
            f = negated;
            break;
        }
    a.form = f;
    if (!zk_form_bounds(&f, ps->p->attr, ps->p->n_attrs, &a.bounds)) return too_large(ps, at);
    if (a.bounds.lo > 0 || a.bounds.hi < 0) return constant(ps, !is_zero, ret);
    if (zk_form_is_const(&f)) return constant(ps, is_zero, ret);
    return add_atom(ps, at, &a, ret);
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* form in v[0..n), or not; `set`: which published one, -1: written out. */
static bool member(struct parser *ps, struct zk_token at, const struct zk_form *f, const int64_t *v, unsigned n, int set,
                   bool inside, uint16_t *ret) {
    struct zk_atom a = { .kind = inside ? ZK_ATOM_IN : ZK_ATOM_NOT_IN, .form = *f, .set = set };
    if (!zk_form_bounds(f, ps->p->attr, ps->p->n_attrs, &a.bounds)) return too_large(ps, at);
    if (zk_wide_bits(a.bounds.hi - a.bounds.lo) > ZK_RANGE_WIDTH)
        return FAIL(ps, at, VL_ERANGE, "what is looked for in a set has %u bits, and may have %u: declare narrower attributes or use smaller factors",
                    zk_wide_bits(a.bounds.hi - a.bounds.lo), ZK_RANGE_WIDTH);
    a.v = calloc(n, sizeof *a.v);
    if (a.v == NULL) return no_memory(ps);
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
        ok = zero(ps, at, less, inside, ret);
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
    if (!zk_form_mul(&l, b->den) || !zk_form_mul(&r, a->den) || !zk_form_add(&l, -1, &r)) return too_large(ps, a->at);
    *ret = l;
    return true;
}

static bool compare(struct parser *ps, const struct operand *a, const char *relation, const struct operand *b, bool negated,
                    uint16_t *ret) {
    struct zk_form f;
    if (!difference(ps, a, b, &f)) return false;
    if (relation[0] == '=' || relation[0] == '!') return zero(ps, a->at, f, (relation[0] == '=') != negated, ret);
    bool less = relation[0] == '<', strict = relation[1] == '\0';
    if (negated) {
        less = !less;
        strict = !strict;
    }
    struct zk_form d = { .c = strict ? -1 : 0 };
    if (!zk_form_add(&d, less ? -1 : 1, &f)) return too_large(ps, a->at);
    return at_least(ps, a->at, d, ret);
}

/* ---- sets ---- */

static bool inline_set(struct parser *ps, const struct operand *a, bool inside, uint16_t *ret) {
    int64_t *v = calloc(ZK_INLINE_MAX, sizeof *v);
    unsigned n = 0;
    bool ok = v != NULL || no_memory(ps);
    do {
        zk_wide k = 0;
        struct zk_token at = ps->now;
        ok = ok && whole_number(ps, ZK_NUMBER_MAX, "a number of the set", &k);
        if (ok && ps->n_inline++ == ZK_INLINE_MAX)
            ok = FAIL(ps, at, VL_ELIMIT, "more than %u numbers between {}: publish a set, and write set@HASH", ZK_INLINE_MAX);
        if (ok) v[n++] = (int64_t)k;
    } while (ok && take(ps, ","));
    ok = ok && (take(ps, "}") || expected(ps, "',' or '}'"));
    ok = ok && member(ps, a->at, a->num, v, n, -1, inside, ret);
    free(v);
    return ok;
}

static bool published_set(struct parser *ps, const struct operand *a, bool inside, uint16_t *ret) {
    struct vl_hash hash;
    char hex[65] = { 0 };
    struct zk_program *p = ps->p;
    if (!take(ps, "@")) return expected(ps, "'@' and the hash of a published set");
    struct zk_token at = ps->now;
    if (at.kind != ZK_TOK_HEX) return expected(ps, "the hash of a set, 64 digits 0-9 a-f");
    memcpy(hex, at.text.p, 64);
    if (vl_hex_decode(hex, hash.b, sizeof hash.b) != VL_OK) return expected(ps, "the hash of a set");
    next(ps);
    unsigned i = 0;
    while (i < p->n_sets && !vl_hash_eq(p->set[i]->hash, hash)) i++;
    if (i == p->n_sets) {
        const struct zk_set *found = NULL;
        for (unsigned k = 0; k < ps->sets.n && found == NULL; k++)
            if (vl_hash_eq(ps->sets.at[k]->hash, hash)) found = ps->sets.at[k];
        if (found == NULL) return FAIL(ps, at, VL_ENOTFOUND, "no set with this hash is at hand: give its file");
        if (p->n_sets == ZK_SETS_MAX) return FAIL(ps, at, VL_ELIMIT, "more than %u published sets", ZK_SETS_MAX);
        if (zk_set_make(found->v, found->n, &p->set[i]) != VL_OK) return no_memory(ps);
        p->n_sets++;
    }
    return member(ps, a->at, a->num, p->set[i]->v, p->set[i]->n, (int)i, inside, ret);
}

static bool span_of_numbers(struct parser *ps, const struct operand *a, bool inside, uint16_t *ret) {
    zk_wide lo = 0, hi = 0;
    uint16_t l = 0, r = 0;
    struct zk_token at = ps->now;
    if (!whole_number(ps, (zk_wide)UINT64_MAX, "the lower end", &lo)) return false;
    if (!take(ps, "..")) return expected(ps, "'..' and the upper end");
    if (!whole_number(ps, (zk_wide)UINT64_MAX, "the upper end", &hi)) return false;
    if (lo > hi) return FAIL(ps, at, VL_ERANGE, "an empty range: its lower end is above the upper one");
    struct zk_form above = { .c = 0 }, below = { .c = inside ? hi : lo - 1 };
    if (!zk_form_add(&above, 1, a->num) || !zk_form_add(&below, -1, a->num)) return too_large(ps, a->at);
    above.c -= inside ? lo : hi + 1;
    return inside ? at_least(ps, a->at, above, &l) && at_least(ps, a->at, below, &r) && node(ps, ZK_NODE_AND, l, r, ret)
                  : at_least(ps, a->at, below, &l) && at_least(ps, a->at, above, &r) && node(ps, ZK_NODE_OR, l, r, ret);
}

static bool whole(const struct operand *a) { return zk_form_is_const(a->den) && a->den->c == 1; }

static bool membership(struct parser *ps, const struct operand *a, bool inside, uint16_t *ret) {
    if (!whole(a)) return FAIL(ps, a->at, VL_EPARSE, "what is looked for in a set or range must be whole: no ratio, no fraction");
    if (take(ps, "{")) return inline_set(ps, a, inside, ret);
    if (take(ps, "set")) return published_set(ps, a, inside, ret);
    if (ps->now.kind == ZK_TOK_NUMBER) return span_of_numbers(ps, a, inside, ret);
    return expected(ps, "a range 1..9, a set {1, 2} or set@HASH");
}

/* ---- expressions; `neg`: what is read is wanted negated ---- */

static bool any(struct parser *ps, bool neg, struct operand *ret);

static bool deeper(struct parser *ps) {
    return ++ps->depth <= ZK_DEPTH_MAX || FAIL(ps, ps->now, VL_ELIMIT, "more than %u brackets and `not` inside each other", ZK_DEPTH_MAX);
}

static bool numeric(struct parser *ps, const struct operand *a) {
    return !a->is_bool || FAIL(ps, a->at, VL_EPARSE, "a number is wanted here, and this is true or false");
}
static bool truth(struct parser *ps, const struct operand *a) {
    return a->is_bool || FAIL(ps, a->at, VL_EPARSE, "a comparison is missing: this is a number, not true or false");
}

static bool literal(struct parser *ps, struct operand *ret) {
    zk_wide v = 0, den = 1;
    unsigned fraction = 0;
    if (!number(ps, &v, &fraction)) return false;
    while (fraction-- > 0) den *= 10;
    ret->num = new_form(ps, ret->at, v);
    ret->den = ret->num != NULL ? new_form(ps, ret->at, den) : NULL;
    return ret->den != NULL;
}

static bool name(struct parser *ps, struct operand *ret) {
    int i = zk_program_find(ps->p, ps->now.text);
    if (word_of_language(ps->now.text)) return expected(ps, "a name, a number or '('");
    if (i < 0)
        return FAIL(ps, ps->now, VL_EPARSE, "'%.*s' is no attribute: declare it as `attribute %.*s : BITS`", (int)(ps->now.text.n < 40 ? ps->now.text.n : 40),
                    (const char *)ps->now.text.p, (int)(ps->now.text.n < 40 ? ps->now.text.n : 40), (const char *)ps->now.text.p);
    ps->used[i] = true;
    ret->num = new_form(ps, ret->at, 0);
    ret->den = ret->num != NULL ? new_form(ps, ret->at, 1) : NULL;
    if (ret->den == NULL) return false;
    ret->num->k[i] = 1;
    next(ps);
    return true;
}

static bool factor(struct parser *ps, bool neg, struct operand *ret) {
    *ret = (struct operand){ .at = ps->now };
    if (ps->now.kind == ZK_TOK_NUMBER) return literal(ps, ret);
    if (take(ps, "(")) {
        struct zk_token at = ret->at;
        if (!deeper(ps) || !any(ps, neg, ret)) return false;
        ps->depth--;
        ret->at = at;
        return take(ps, ")") || expected(ps, "')'");
    }
    if (take(ps, "-")) {
        struct zk_token at = ret->at;
        if (!deeper(ps) || !factor(ps, neg, ret) || !numeric(ps, ret)) return false;
        ps->depth--;
        ret->at = at;
        struct zk_form minus = { .c = 0 };
        if (!zk_form_add(&minus, -1, ret->num)) return too_large(ps, at);
        *ret->num = minus;
        return true;
    }
    if (ps->now.kind == ZK_TOK_NAME) return name(ps, ret);
    return expected(ps, "a name, a number or '('");
}

static bool multiply(struct parser *ps, struct operand *a, const struct operand *b, bool divide) {
    const struct zk_form *num = divide ? b->den : b->num, *den = divide ? b->num : b->den;
    if ((!zk_form_is_const(a->num) && !zk_form_is_const(num)) || (!zk_form_is_const(a->den) && !zk_form_is_const(den)))
        return FAIL(ps, b->at, VL_EPARSE, "attributes are not multiplied with each other here: the language has sums, factors and ratios");
    if (!zk_form_mul(a->num, num) || !zk_form_mul(a->den, den)) return too_large(ps, a->at);
    struct zk_bounds d;
    if (!zk_form_bounds(a->den, ps->p->attr, ps->p->n_attrs, &d)) return too_large(ps, a->at);
    if (d.lo < 0) return FAIL(ps, b->at, VL_ERANGE, "a denominator must not be negative, and this one can be");
    if (d.hi == 0) return FAIL(ps, b->at, VL_ERANGE, "division by 0");
    return true;
}

static bool product(struct parser *ps, bool neg, struct operand *ret) {
    struct operand b;
    if (!factor(ps, neg, ret)) return false;
    while (is(ps, "*") || is(ps, "/")) {
        bool divide = is(ps, "/");
        next(ps);
        if (!numeric(ps, ret) || !factor(ps, neg, &b) || !numeric(ps, &b) || !multiply(ps, ret, &b, divide)) return false;
    }
    return true;
}

static bool sum(struct parser *ps, bool neg, struct operand *ret) {
    struct operand b;
    if (!product(ps, neg, ret)) return false;
    while (is(ps, "+") || is(ps, "-")) {
        zk_wide sign = is(ps, "-") ? -1 : 1;
        next(ps);
        if (!numeric(ps, ret) || !product(ps, neg, &b) || !numeric(ps, &b)) return false;
        if (!zk_form_is_const(ret->den) || !zk_form_is_const(b.den))
            return FAIL(ps, b.at, VL_EPARSE, "a ratio stands alone on its side: compare it with a number");
        if (!zk_form_mul(ret->num, b.den) || !zk_form_mul(b.num, ret->den) || !zk_form_mul(ret->den, b.den) ||
            !zk_form_add(ret->num, sign, b.num))
            return too_large(ps, ret->at);
    }
    return true;
}

/* Which relation stands here; NULL: none.  Takes nothing. */
static const char *relation(const struct parser *ps) {
    static const char *const relations[] = { "=", "!=", "<", "<=", ">", ">=" };
    for (unsigned i = 0; i < sizeof relations / sizeof relations[0]; i++)
        if (is(ps, relations[i])) return relations[i];
    return NULL;
}

static bool atom(struct parser *ps, bool neg, struct operand *ret) {
    struct operand b;
    if (!sum(ps, neg, ret)) return false;
    const char *r = relation(ps);
    if (r != NULL) {
        next(ps);
        if (!numeric(ps, ret) || !sum(ps, neg, &b) || !numeric(ps, &b) || !compare(ps, ret, r, &b, neg, &ret->node)) return false;
    } else if (is(ps, "in") || is(ps, "not")) {
        bool inside = !take(ps, "not");
        if (!take(ps, "in")) return expected(ps, "`in` after `not`");
        if (!numeric(ps, ret) || !membership(ps, ret, inside != neg, &ret->node)) return false;
    } else {
        return true;
    }
    ret->is_bool = true;
    if (relation(ps) != NULL || is(ps, "in")) return FAIL(ps, ps->now, VL_EPARSE, "comparisons do not chain: join two of them with `and`");
    return true;
}

static bool negation(struct parser *ps, bool neg, struct operand *ret) {
    unsigned depth = ps->depth;
    struct zk_token at = ps->now;
    bool any_not = false;
    while (take(ps, "not")) {
        neg = !neg;
        any_not = true;
        if (!deeper(ps)) return false;
    }
    if (!atom(ps, neg, ret) || (any_not && !truth(ps, ret))) return false;
    if (any_not) ret->at = at;
    ps->depth = depth;
    return true;
}

static bool all(struct parser *ps, bool neg, struct operand *ret) {
    struct operand b;
    if (!negation(ps, neg, ret)) return false;
    while (take(ps, "and"))
        if (!truth(ps, ret) || !negation(ps, neg, &b) || !truth(ps, &b) ||
            !node(ps, neg ? ZK_NODE_OR : ZK_NODE_AND, ret->node, b.node, &ret->node))
            return false;
    return true;
}

static bool any(struct parser *ps, bool neg, struct operand *ret) {
    struct operand b;
    if (!all(ps, neg, ret)) return false;
    while (take(ps, "or"))
        if (!truth(ps, ret) || !all(ps, neg, &b) || !truth(ps, &b) ||
            !node(ps, neg ? ZK_NODE_AND : ZK_NODE_OR, ret->node, b.node, &ret->node))
            return false;
    return true;
}

/* ---- declarations ---- */

static bool declare_issuer(struct parser *ps) {
    char hex[65] = { 0 };
    if (ps->p->has_issuer) return FAIL(ps, ps->now, VL_EPARSE, "a second issuer; all signed attributes come from one");
    if (ps->now.kind != ZK_TOK_HEX) return expected(ps, "the issuer's public key, 64 digits 0-9 a-f");
    memcpy(hex, ps->now.text.p, 64);
    if (vl_hex_decode(hex, ps->p->issuer.b, 32) != VL_OK) return expected(ps, "the issuer's public key");
    ps->p->has_issuer = true;
    next(ps);
    return true;
}

static bool declare_attribute(struct parser *ps) {
    struct zk_program *p = ps->p;
    struct zk_token at = ps->now;
    zk_wide bits = 0;
    if (at.kind != ZK_TOK_NAME || word_of_language(at.text)) return expected(ps, "the name of an attribute");
    if (at.text.n >= ZK_NAME_SIZE) return FAIL(ps, at, VL_ERANGE, "a name has at most %u characters", ZK_NAME_SIZE - 1);
    if (zk_program_find(p, at.text) >= 0) return FAIL(ps, at, VL_EPARSE, "this attribute is declared already");
    if (p->n_attrs == ZK_ATTRS_MAX) return FAIL(ps, at, VL_ELIMIT, "more than %u attributes", ZK_ATTRS_MAX);
    next(ps);
    if (!take(ps, ":")) return expected(ps, "':' and the width in bits");
    struct zk_token width = ps->now;
    if (!whole_number(ps, 64, "the width in bits", &bits)) return false;
    if (bits == 0) return FAIL(ps, width, VL_ERANGE, "a width of 0 bits");
    struct zk_attribute a = { .bits = (uint8_t)bits };
    memcpy(a.name, at.text.p, at.text.n);
    if (take(ps, "self")) {
        if (!take(ps, "-") || !take(ps, "asserted")) return expected(ps, "`self-asserted`");
        a.self_asserted = true;
    }
    ps->declared[p->n_attrs] = at;
    p->attr[p->n_attrs++] = a;
    return true;
}

static bool program(struct parser *ps) {
    struct operand all_of_it;
    struct zk_program *p = ps->p;
    next(ps);
    while (!take(ps, "prove")) {
        if (take(ps, "issuer")) {
            if (!declare_issuer(ps)) return false;
        } else if (take(ps, "attribute")) {
            if (!declare_attribute(ps)) return false;
        } else {
            return expected(ps, "`attribute`, `issuer` or `prove`");
        }
    }
    if (!any(ps, false, &all_of_it) || !truth(ps, &all_of_it)) return false;
    if (ps->now.kind != ZK_TOK_END) return expected(ps, "`and`, `or` or the end");
    for (unsigned i = 0; i < p->n_attrs; i++)
        if (!ps->used[i]) return FAIL(ps, ps->declared[i], VL_ERANGE, "attribute %s is not used", p->attr[i].name);
    p->root = all_of_it.node;
    if (p->root <= TRUE_NODE)
        return FAIL(ps, all_of_it.at, VL_ERANGE, "this is %s whatever the attributes are", p->root == TRUE_NODE ? "true" : "false");
    return true;
}

enum vl_err zk_parse(struct vl_span text, struct zk_sets sets, struct zk_program *p, struct zk_diag *diag) {
    struct parser ps = { .lexer = { text, 1, 1 }, .p = p, .sets = sets, .diag = diag };
    if (text.n > ZK_TEXT_MAX) return zk_diag_set(diag, VL_ELIMIT, 0, 0, "a predicate has at most %u bytes", ZK_TEXT_MAX);
    ps.form = calloc(FORMS_MAX, sizeof *ps.form);
    if (ps.form == NULL) return zk_diag_set(diag, VL_ENOMEM, 0, 0, "out of memory");
    p->node[FALSE_NODE] = (struct zk_node){ .kind = ZK_NODE_FALSE };
    p->node[TRUE_NODE] = (struct zk_node){ .kind = ZK_NODE_TRUE };
    p->n_nodes = TRUE_NODE + 1;
    bool ok = program(&ps);
    free(ps.form);
    return ok ? VL_OK : ps.err;
}
