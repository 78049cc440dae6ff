#include "trust/zk_pred.h"

#include "base/text.h"
#include "crypto/hash.h"
#include "trust/zk_pred_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DOMAIN "village-zk-predicate-1:"

enum vl_err zk_diag_set(struct zk_diag *d, enum vl_err err, unsigned line, unsigned column, const char *fmt, ...) {
    va_list ap;
    if (d == NULL) return err;
    va_start(ap, fmt);
    (void)vsnprintf(d->msg.text, sizeof d->msg.text, fmt, ap);
    va_end(ap);
    d->line = line;
    d->column = column;
    return err;
}

struct vl_hash zk_text_id(struct vl_span text) {
    struct crypto_blake2b h;
    struct vl_hash id;
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, DOMAIN, sizeof DOMAIN - 1);
    crypto_blake2b_update(&h, text.p, text.n);
    crypto_blake2b_final(&h, &id);
    return id;
}

struct zk_program *zk_program_blank(void) {
    struct zk_program *p = calloc(1, sizeof *p);
    if (p != NULL) vl_buf_init(&p->text, ZK_TEXT_MAX);
    return p;
}

void zk_program_destroy(struct zk_program *p) {
    if (p == NULL) return;
    for (unsigned i = 0; i < p->n_sets; i++) zk_set_destroy(p->set[i]);
    for (unsigned i = 0; i < p->n_atoms; i++) free(p->atom[i].v);
    vl_buf_free(&p->text);
    free(p);
}

static enum vl_err parse_and_print(struct vl_span text, struct zk_sets sets, struct zk_program **ret, struct zk_diag *diag) {
    struct zk_program *p = zk_program_blank();
    if (p == NULL) return zk_diag_set(diag, VL_ENOMEM, 0, 0, "out of memory");
    enum vl_err err = zk_parse(text, sets, p, diag);
    if (err == VL_OK) {
        err = zk_print(p, &p->text);
        if (err != VL_OK)
            err = zk_diag_set(diag, err, 0, 0, err == VL_ELIMIT ? "written out the predicate has more than %u bytes" : "out of memory", ZK_TEXT_MAX);
    }
    if (err == VL_OK)
        *ret = p;
    else
        zk_program_destroy(p);
    return err;
}

/* The program is what its canonical text says, so that prover and verifier build the same proof from the same bytes. */
enum vl_err zk_compile(struct vl_span text, const struct zk_set *const *sets, unsigned n_sets, struct zk_program **ret,
                       struct zk_diag *diag) {
    struct zk_sets at_hand = { sets, n_sets };
    struct zk_program *typed = NULL, *p = NULL;
    enum vl_err err = parse_and_print(text, at_hand, &typed, diag);
    if (err != VL_OK) return err;
    err = parse_and_print(vl_span(typed->text.p, typed->text.len), at_hand, &p, diag);
    if (err == VL_OK && !vl_span_eq(vl_span(typed->text.p, typed->text.len), vl_span(p->text.p, p->text.len)))
        err = zk_diag_set(diag, VL_EINTERNAL, 0, 0, "this predicate has no stable text");
    if (err == VL_OK) {
        p->plan.folded = typed->plan.folded;
        for (unsigned i = 0; i < p->n_atoms && p->n_atoms == typed->n_atoms; i++) { /* errors of the plan name the typed text */
            p->atom[i].line = typed->atom[i].line;
            p->atom[i].column = typed->atom[i].column;
        }
        p->id = zk_text_id(vl_span(p->text.p, p->text.len));
        err = zk_plan_make(p, diag);
    }
    zk_program_destroy(typed);
    if (err == VL_OK)
        *ret = p;
    else
        zk_program_destroy(p);
    return err;
}

struct vl_hash zk_program_id(const struct zk_program *p) { return p->id; }
struct vl_span zk_program_text(const struct zk_program *p) { return vl_span(p->text.p, p->text.len); }
unsigned zk_program_attributes(const struct zk_program *p) { return p->n_attrs; }
const struct zk_attribute *zk_program_attribute(const struct zk_program *p, unsigned i) {
    assert(i < p->n_attrs);
    return &p->attr[i];
}
int zk_program_find(const struct zk_program *p, struct vl_span name) {
    for (unsigned i = 0; i < p->n_attrs; i++)
        if (vl_span_eq(name, vl_span_str(p->attr[i].name))) return (int)i;
    return -1;
}
const struct vl_node_id *zk_program_issuer(const struct zk_program *p) { return p->has_issuer ? &p->issuer : NULL; }
unsigned zk_program_sets(const struct zk_program *p) { return p->n_sets; }
const struct zk_set *zk_program_set(const struct zk_program *p, unsigned i) {
    assert(i < p->n_sets);
    return p->set[i];
}

/* ---- evaluation ---- */

static bool among(const struct zk_atom *a, zk_wide v) {
    for (unsigned i = 0; i < a->n; i++)
        if (a->v[i] == v) return true;
    return false;
}

static bool atom_holds(const struct zk_program *p, const struct zk_atom *a, const uint64_t *value) {
    zk_wide v = zk_form_at(&a->form, value, p->n_attrs);
    switch (a->kind) {
    case ZK_ATOM_AT_LEAST: return v >= 0;
    case ZK_ATOM_ZERO: return v == 0;
    case ZK_ATOM_NONZERO: return v != 0;
    case ZK_ATOM_IN: return among(a, v);
    case ZK_ATOM_NOT_IN: return !among(a, v);
    }
    return false;
}

static bool node_holds(const struct zk_program *p, unsigned i, const uint64_t *value) {
    const struct zk_node *n = &p->node[i];
    switch (n->kind) {
    case ZK_NODE_TRUE: return true;
    case ZK_NODE_FALSE: return false;
    case ZK_NODE_ATOM: return atom_holds(p, &p->atom[n->a], value);
    case ZK_NODE_AND: return node_holds(p, n->a, value) && node_holds(p, n->b, value);
    case ZK_NODE_OR: return node_holds(p, n->a, value) || node_holds(p, n->b, value);
    }
    return false;
}

bool zk_program_holds(const struct zk_program *p, const uint64_t *value) {
    for (unsigned i = 0; i < p->n_attrs; i++)
        if (p->attr[i].bits < 64 && value[i] >> p->attr[i].bits != 0) return false;
    return node_holds(p, p->root, value);
}

/* ---- canonical text ---- */

struct printer {
    const struct zk_program *p;
    struct vl_buf *out;
    enum vl_err err;
    bool used[ZK_ATTRS_MAX];
};

static void put(struct printer *w, const char *text) {
    if (w->err == VL_OK) w->err = vl_buf_append(w->out, text, strlen(text));
}
static void put_wide(struct printer *w, zk_wide v) {
    char text[ZK_WIDE_TEXT];
    put(w, zk_wide_text(v, text));
}
static void put_hex(struct printer *w, const uint8_t b[32]) {
    char hex[65];
    vl_hex_encode(b, 32, hex);
    put(w, hex);
}

/* sign * (form without its constant) */
static void put_form(struct printer *w, const struct zk_form *f, zk_wide sign) {
    bool first = true;
    for (unsigned i = 0; i < w->p->n_attrs; i++) {
        zk_wide k = sign * f->k[i];
        if (k == 0) continue;
        put(w, k < 0 ? (first ? "-" : " - ") : first ? "" : " + ");
        if (k < 0) k = -k;
        if (k != 1) {
            put_wide(w, k);
            put(w, "*");
        }
        put(w, w->p->attr[i].name);
        first = false;
    }
}

static void put_atom(struct printer *w, const struct zk_atom *a) {
    unsigned lead = 0;
    while (lead < ZK_ATTRS_MAX - 1 && a->form.k[lead] == 0) lead++;
    zk_wide sign = a->form.k[lead] < 0 ? -1 : 1;
    switch (a->kind) {
    case ZK_ATOM_AT_LEAST:
    case ZK_ATOM_ZERO:
    case ZK_ATOM_NONZERO:
        put_form(w, &a->form, sign);
        put(w, a->kind == ZK_ATOM_ZERO ? " = " : a->kind == ZK_ATOM_NONZERO ? " != " : sign > 0 ? " >= " : " <= ");
        put_wide(w, -sign * a->form.c);
        return;
    case ZK_ATOM_IN:
    case ZK_ATOM_NOT_IN:
        put_form(w, &a->form, 1);
        if (a->form.c != 0) {
            put(w, a->form.c < 0 ? " - " : " + ");
            put_wide(w, a->form.c < 0 ? -a->form.c : a->form.c);
        }
        put(w, a->kind == ZK_ATOM_IN ? " in " : " not in ");
        if (a->set >= 0) {
            put(w, "set@");
            put_hex(w, w->p->set[a->set]->hash.b);
            return;
        }
        for (unsigned i = 0; i < a->n; i++) {
            put(w, i == 0 ? "{" : ", ");
            put_wide(w, a->v[i]);
        }
        put(w, "}");
        return;
    }
}

static void put_node(struct printer *w, unsigned i) {
    const struct zk_node *n = &w->p->node[i];
    if (n->kind == ZK_NODE_ATOM) {
        put_atom(w, &w->p->atom[n->a]);
        return;
    }
    unsigned child[2] = { n->a, n->b };
    for (int k = 0; k < 2; k++) {
        bool brackets = n->kind == ZK_NODE_AND && w->p->node[child[k]].kind == ZK_NODE_OR;
        if (k == 1) put(w, n->kind == ZK_NODE_AND ? " and " : " or ");
        if (brackets) put(w, "(");
        put_node(w, child[k]);
        if (brackets) put(w, ")");
    }
}

static void mark(struct printer *w, unsigned i) {
    const struct zk_node *n = &w->p->node[i];
    if (n->kind == ZK_NODE_ATOM) {
        for (unsigned k = 0; k < w->p->n_attrs; k++) w->used[k] |= w->p->atom[n->a].form.k[k] != 0;
        return;
    }
    mark(w, n->a);
    mark(w, n->b);
}

/* Attributes that only stood in atoms that are true or false anyway are left out. */
enum vl_err zk_print(const struct zk_program *p, struct vl_buf *out) {
    struct printer w = { .p = p, .out = out };
    bool any_signed = false;
    char bits[16];
    mark(&w, p->root);
    for (unsigned i = 0; i < p->n_attrs; i++) any_signed |= w.used[i] && !p->attr[i].self_asserted;
    if (p->has_issuer && any_signed) {
        put(&w, "issuer ");
        put_hex(&w, p->issuer.b);
        put(&w, "\n");
    }
    for (unsigned i = 0; i < p->n_attrs; i++) {
        if (!w.used[i]) continue;
        put(&w, "attribute ");
        put(&w, p->attr[i].name);
        (void)snprintf(bits, sizeof bits, " : %u", p->attr[i].bits);
        put(&w, bits);
        put(&w, p->attr[i].self_asserted ? " self-asserted\n" : "\n");
    }
    put(&w, "prove ");
    put_node(&w, p->root);
    put(&w, "\n");
    return w.err;
}
