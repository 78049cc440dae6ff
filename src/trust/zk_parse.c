#include "trust/zk_parse_priv.h"

#include "base/text.h"

#include <stdlib.h>

#define FORMS_MAX 2048u
#define FRACTION_MAX 9u

static const char *const words[] = { "attribute", "issuer", "prove", "and", "or", "not", "in", "set", "self" };

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

/* Of the digits of a token, the point left out; *ret_fraction: how many are behind it. */
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
        if (++*(behind ? &fraction : &whole) > (behind ? FRACTION_MAX : ZK_DIGITS_MAX))
            return FAIL(ps, ps->now, VL_ERANGE, "a number has up to %u digits and %u behind the point", ZK_DIGITS_MAX, FRACTION_MAX);
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

/* ---- sets ---- */

static bool inline_set(struct parser *ps, const struct operand *a, bool inside, uint16_t *ret) {
    int64_t *v = calloc(ZK_INLINE_MAX, sizeof *v);
    unsigned n = 0;
    bool ok = v != NULL || zk_no_memory(ps);
    do {
        zk_wide k = 0;
        struct zk_token at = ps->now;
        ok = ok && whole_number(ps, ZK_NUMBER_MAX, "a number of the set", &k);
        if (ok && ps->n_inline++ == ZK_INLINE_MAX)
            ok = FAIL(ps, at, VL_ELIMIT, "more than %u numbers between {}: publish a set, and write set@HASH", ZK_INLINE_MAX);
        if (ok) v[n++] = (int64_t)k;
    } while (ok && take(ps, ","));
    ok = ok && (take(ps, "}") || expected(ps, "',' or '}'"));
    ok = ok && zk_atom_member(ps, a->at, a->num, v, n, -1, inside, ret);
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
        if (zk_set_make(found->v, found->n, &p->set[i]) != VL_OK) return zk_no_memory(ps);
        p->n_sets++;
    }
    return zk_atom_member(ps, a->at, a->num, p->set[i]->v, p->set[i]->n, (int)i, inside, ret);
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
    if (!zk_form_add(&above, 1, a->num) || !zk_form_add(&below, -1, a->num)) return zk_too_large(ps, a->at);
    above.c -= inside ? lo : hi + 1;
    return inside ? zk_atom_at_least(ps, a->at, above, &l) && zk_atom_at_least(ps, a->at, below, &r) && zk_node(ps, ZK_NODE_AND, l, r, ret)
                  : zk_atom_at_least(ps, a->at, below, &l) && zk_atom_at_least(ps, a->at, above, &r) && zk_node(ps, ZK_NODE_OR, l, r, ret);
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
        if (!zk_form_add(&minus, -1, ret->num)) return zk_too_large(ps, at);
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
    if (!zk_form_mul(a->num, num) || !zk_form_mul(a->den, den)) return zk_too_large(ps, a->at);
    struct zk_bounds d;
    if (!zk_form_bounds(a->den, ps->p->attr, ps->p->n_attrs, &d)) return zk_too_large(ps, a->at);
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
            return zk_too_large(ps, ret->at);
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
        if (!numeric(ps, ret) || !sum(ps, neg, &b) || !numeric(ps, &b) || !zk_atom_compare(ps, ret, r, &b, neg, &ret->node)) return false;
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
            !zk_node(ps, neg ? ZK_NODE_OR : ZK_NODE_AND, ret->node, b.node, &ret->node))
            return false;
    return true;
}

static bool any(struct parser *ps, bool neg, struct operand *ret) {
    struct operand b;
    if (!all(ps, neg, ret)) return false;
    while (take(ps, "or"))
        if (!truth(ps, ret) || !all(ps, neg, &b) || !truth(ps, &b) ||
            !zk_node(ps, neg ? ZK_NODE_AND : ZK_NODE_OR, ret->node, b.node, &ret->node))
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
