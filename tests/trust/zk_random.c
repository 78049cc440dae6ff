#include "zk_random.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const relations[] = { "=", "!=", "<", "<=", ">", ">=" };

static unsigned below(struct vl_prng *r, unsigned n) { return (unsigned)vl_prng_below(r, n); }

__attribute__((format(printf, 2, 3))) static void add(struct zk_random *q, const char *fmt, ...) {
    va_list ap;
    size_t at = strlen(q->text);
    va_start(ap, fmt);
    (void)vsnprintf(q->text + at, sizeof q->text - at, fmt, ap);
    va_end(ap);
}

static void leaf(struct zk_random *q, struct vl_prng *r, unsigned at) {
    static const int factors[] = { 0, 0, 0, 1, 1, 1, -1, 2, -3, 10 };
    unsigned any = below(r, 3), kind = below(r, 5);
    for (unsigned i = 0; i < 3; i++) q->node[at].k[i] = factors[below(r, 10)];
    if (q->node[at].k[any] == 0) q->node[at].k[any] = 1;
    q->node[at].c = (int)below(r, 41) - 20;
    q->node[at].kind = kind < 3 ? RANDOM_COMPARE : kind == 3 ? RANDOM_BETWEEN : RANDOM_IN;
    q->node[at].relation = below(r, 6);
    q->node[at].negated = below(r, 2) != 0;
    q->node[at].n = q->node[at].kind == RANDOM_BETWEEN ? 2 : 1 + below(r, 4);
    for (unsigned i = 0; i < q->node[at].n; i++) q->node[at].set[i] = below(r, 24);
    if (q->node[at].kind == RANDOM_BETWEEN && q->node[at].set[0] > q->node[at].set[1]) q->node[at].set[1] = q->node[at].set[0];
    static const char *const names[] = { "a", "b", "c" };
    for (unsigned i = 0; i < 3; i++)
        if (q->node[at].k[i] != 0) add(q, "%d*%s + ", q->node[at].k[i], names[i]);
    add(q, "%d", q->node[at].c);
    if (q->node[at].kind == RANDOM_COMPARE) {
        add(q, " %s 0", relations[q->node[at].relation]);
        return;
    }
    add(q, q->node[at].negated ? " not in " : " in ");
    if (q->node[at].kind == RANDOM_BETWEEN) {
        add(q, "%u..%u", q->node[at].set[0], q->node[at].set[1]);
        return;
    }
    for (unsigned i = 0; i < q->node[at].n; i++) add(q, "%s%u", i > 0 ? ", " : "{", q->node[at].set[i]);
    add(q, "}");
}

static unsigned tree(struct zk_random *q, struct vl_prng *r, unsigned depth) {
    unsigned at = q->n++, what = depth > 2 ? 5 : below(r, 7);
    if (what == 0) {
        q->node[at].kind = RANDOM_NOT;
        add(q, "not (");
        q->node[at].a = tree(q, r, depth + 1);
        add(q, ")");
    } else if (what < 4) {
        q->node[at].kind = what == 1 ? RANDOM_OR : RANDOM_AND;
        add(q, "(");
        q->node[at].a = tree(q, r, depth + 1);
        add(q, what == 1 ? " or " : " and ");
        q->node[at].b = tree(q, r, depth + 1);
        add(q, ")");
    } else {
        leaf(q, r, at);
    }
    return at;
}

void zk_random_make(struct zk_random *q, struct vl_prng *r) {
    static const unsigned widths[] = { 3, 4, 5, 8 };
    memset(q, 0, sizeof *q);
    for (unsigned i = 0; i < 3; i++) {
        q->bits[i] = widths[below(r, 4)];
        add(q, "attribute %c : %u%s\n", "abc"[i], q->bits[i], below(r, 3) == 0 ? " self-asserted" : "");
    }
    add(q, "prove a + b + c >= 0 and "); /* all of them are used, and this says nothing */
    q->root = tree(q, r, 0);
}

void zk_random_values(const struct zk_random *q, struct vl_prng *r, uint64_t value[ZK_RANDOM_ATTRS]) {
    for (unsigned i = 0; i < 3; i++) value[i] = below(r, below(r, 2) ? 1u << q->bits[i] : 8);
}

static bool leaf_holds(const struct zk_random *q, unsigned at, const uint64_t value[ZK_RANDOM_ATTRS]) {
    long v = q->node[at].c;
    bool in = false;
    for (unsigned i = 0; i < 3; i++) v += q->node[at].k[i] * (long)value[i];
    if (q->node[at].kind == RANDOM_COMPARE) {
        const bool holds[] = { v == 0, v != 0, v < 0, v <= 0, v > 0, v >= 0 };
        return holds[q->node[at].relation];
    }
    if (q->node[at].kind == RANDOM_BETWEEN)
        in = v >= (long)q->node[at].set[0] && v <= (long)q->node[at].set[1];
    else
        for (unsigned i = 0; i < q->node[at].n; i++) in |= v == (long)q->node[at].set[i];
    return in != q->node[at].negated;
}

static bool holds_at(const struct zk_random *q, unsigned at, const uint64_t value[ZK_RANDOM_ATTRS]) {
    switch (q->node[at].kind) {
    case RANDOM_AND: return holds_at(q, q->node[at].a, value) && holds_at(q, q->node[at].b, value);
    case RANDOM_OR: return holds_at(q, q->node[at].a, value) || holds_at(q, q->node[at].b, value);
    case RANDOM_NOT: return !holds_at(q, q->node[at].a, value);
    case RANDOM_COMPARE:
    case RANDOM_BETWEEN:
    case RANDOM_IN: return leaf_holds(q, at, value);
    }
    return false;
}

bool zk_random_holds(const struct zk_random *q, const uint64_t value[ZK_RANDOM_ATTRS]) { return holds_at(q, q->root, value); }

void zk_random_order(const struct zk_program *p, const uint64_t value[ZK_RANDOM_ATTRS], uint64_t ret[ZK_ATTRS_MAX]) {
    for (unsigned i = 0; i < zk_program_attributes(p); i++) ret[i] = value[zk_program_attribute(p, i)->name[0] - 'a'];
}
