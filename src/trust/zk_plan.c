/* Which back-end shows what.  Conditions that all must hold go to the cheapest one each: comparisons to ranges, in one
 * aggregated proof for each width; equations to a linear relation; members of sets to CDS or one-out-of-many.  What is
 * joined by `or`, and inequality, goes into one circuit. */
#include "trust/zk_pred_priv.h"

#include "trust/zk_gadget.h"
#include "trust/zk_many.h"
#include "trust/zk_r1cs.h"
#include "trust/zk_sigma.h"

#include <stdarg.h>
#include <stdio.h>

#define SMALL_SET 9u     /* zk_many.h is shorter from 10 members on */
#define TERMS_MAX 60000u /* of a circuit, estimated; the system takes ZK_CS_TERMS_MAX */

/* Estimates in microseconds, a quarter above what was measured on a shared machine of 2.5 GHz. */
#define VERIFY_BASE 300u
#define POINT_US 30u

struct planner {
    struct zk_program *p;
    struct zk_diag *diag;
    unsigned gates, terms;
    struct zk_slot wanted[ZK_SLOTS_MAX];
    uint8_t bits[ZK_SLOTS_MAX];
    unsigned n_wanted;
    enum vl_err err;
};

#define FAIL(l, a, code, ...) ((l)->err = zk_diag_set((l)->diag, code, (a)->line, (a)->column, __VA_ARGS__), false)

static unsigned range_bits(unsigned bits) { return bits <= 8 ? 8 : bits <= 16 ? 16 : bits <= 32 ? 32 : 64; }

static bool want(struct planner *l, enum zk_slot_kind kind, unsigned at, unsigned gap, zk_wide most) {
    unsigned bits = zk_wide_bits(most);
    if (bits > l->p->plan.widest) l->p->plan.widest = bits;
    if (l->n_wanted == ZK_SLOTS_MAX) {
        l->err = zk_diag_set(l->diag, VL_ELIMIT, 0, 0, "more than %u ranges", ZK_SLOTS_MAX);
        return false;
    }
    l->bits[l->n_wanted] = (uint8_t)range_bits(bits);
    l->wanted[l->n_wanted++] = (struct zk_slot){ kind, (uint16_t)at, (uint16_t)gap };
    return true;
}

static bool add_work(struct planner *l, struct zk_work w) {
    struct zk_program *p = l->p;
    if (p->plan.n_steps == ZK_STEPS_MAX) {
        l->err = zk_diag_set(l->diag, VL_ELIMIT, 0, 0, "more than %u steps", ZK_STEPS_MAX);
        return false;
    }
    p->work[p->plan.n_steps++] = w;
    return true;
}

/* ---- circuit ---- */

static void use(struct planner *l, const struct zk_form *f) {
    for (unsigned i = 0; i < l->p->n_attrs; i++) l->p->in_circuit[i] |= f->k[i] != 0;
}

static unsigned width(const struct zk_atom *a) {
    unsigned hi = zk_wide_bits(a->bounds.hi), lo = zk_wide_bits(-a->bounds.lo);
    return hi > lo ? hi : lo;
}

static bool circuit_atom(struct planner *l, const struct zk_atom *a) {
    unsigned terms = zk_form_terms(&a->form) + 1;
    use(l, &a->form);
    switch (a->kind) {
    case ZK_ATOM_AT_LEAST: {
        unsigned bits = width(a);
        if (bits > l->p->plan.widest) l->p->plan.widest = bits;
        if (bits > ZK_CIRCUIT_WIDTH)
            return FAIL(l, a, VL_ERANGE, "this comparison is part of an `or` and needs %u bits, where %u are the most: declare narrower attributes",
                        bits, ZK_CIRCUIT_WIDTH);
        l->gates += bits + 1;
        l->terms += 4 * (bits + 1) + bits + terms + 4;
        return true;
    }
    case ZK_ATOM_ZERO:
    case ZK_ATOM_NONZERO:
        l->gates += 2;
        l->terms += 2 * terms + 12;
        return true;
    case ZK_ATOM_IN:
    case ZK_ATOM_NOT_IN:
        l->gates += a->n + 1;
        l->terms += (a->n + 1) * (terms + 8);
        return true;
    }
    return true;
}

static bool circuit_node(struct planner *l, unsigned i) {
    const struct zk_node *n = &l->p->node[i];
    if (n->kind == ZK_NODE_ATOM) return circuit_atom(l, &l->p->atom[n->a]);
    l->gates++;
    l->terms += 200; /* of two booleans, each a few terms */
    return circuit_node(l, n->a) && circuit_node(l, n->b);
}

static bool circuit_clause(struct planner *l, unsigned i) {
    const struct zk_node *n = &l->p->node[i];
    l->p->clause[l->p->n_clauses++] = (uint16_t)i;
    if (n->kind != ZK_NODE_ATOM) return circuit_node(l, i);
    const struct zk_atom *a = &l->p->atom[n->a]; /* a product of differences that is not 0 */
    use(l, &a->form);
    l->gates += a->kind == ZK_ATOM_NONZERO ? 1 : a->n;
    l->terms += (a->n + 1) * (zk_form_terms(&a->form) + 8);
    return true;
}

/* ---- what must hold by itself ---- */

static bool direct(struct planner *l, unsigned i) {
    struct zk_program *p = l->p;
    const struct zk_node *n = &p->node[i];
    const struct zk_atom *a = &p->atom[n->a];
    struct zk_work w = { .atom = n->a };
    switch (a->kind) {
    case ZK_ATOM_AT_LEAST: return want(l, ZK_SLOT_FORM, n->a, 0, a->bounds.hi);
    case ZK_ATOM_NONZERO: return circuit_clause(l, i);
    case ZK_ATOM_ZERO:
        w.step = (struct zk_step){ .kind = ZK_STEP_LINEAR, .bytes = ZK_LINEAR_PROOF };
        return add_work(l, w);
    case ZK_ATOM_IN:
        w.step = (struct zk_step){ .kind = a->n <= SMALL_SET ? ZK_STEP_SMALL_SET : ZK_STEP_SET, .members = a->n > 1 ? a->n : 2 };
        w.step.bytes = (unsigned)(a->n <= SMALL_SET ? zk_set_size(w.step.members) : zk_many_size(w.step.members));
        return add_work(l, w);
    case ZK_ATOM_NOT_IN:
        if (a->n < ZK_GAP_ABOVE) return circuit_clause(l, i);
        if (a->n + 1 > ZK_MANY_MAX) return FAIL(l, a, VL_ELIMIT, "`not in` takes sets of at most %u numbers", ZK_MANY_MAX - 1);
        if (p->n_gaps == ZK_GAPS_MAX) return FAIL(l, a, VL_ELIMIT, "more than %u times `not in` of a large set", ZK_GAPS_MAX);
        w.gap = p->n_gaps++;
        w.step = (struct zk_step){ .kind = ZK_STEP_GAP, .members = a->n + 1 };
        w.step.bytes = 64 + (unsigned)zk_many_size(w.step.members); /* both ends, and the proof */
        return add_work(l, w) && want(l, ZK_SLOT_BELOW, n->a, w.gap, a->bounds.hi - a->bounds.lo) &&
               want(l, ZK_SLOT_ABOVE, n->a, w.gap, a->bounds.hi - a->bounds.lo);
    }
    return true;
}

static bool conjunct(struct planner *l, unsigned i) {
    const struct zk_node *n = &l->p->node[i];
    if (n->kind == ZK_NODE_AND) return conjunct(l, n->a) && conjunct(l, n->b);
    return n->kind == ZK_NODE_OR ? circuit_clause(l, i) : direct(l, i);
}

/* An attribute for which nobody signed must be shown to be as narrow as it says. */
static bool self_asserted(struct planner *l) {
    struct zk_program *p = l->p;
    for (unsigned i = 0; i < p->n_attrs; i++) {
        zk_wide most = ((zk_wide)1 << p->attr[i].bits) - 1;
        if (!p->attr[i].self_asserted) continue;
        if (!want(l, ZK_SLOT_VALUE, i, 0, most)) return false;
        if (range_bits(p->attr[i].bits) != p->attr[i].bits && !want(l, ZK_SLOT_ROOM, i, 0, most)) return false;
    }
    return true;
}

/* Ranges of one width in proofs of 8, 4, 2, 1; three are filled up to four, seven to eight, by saying the last one twice. */
static bool group(struct planner *l, unsigned bits) {
    struct zk_program *p = l->p;
    unsigned left = 0, first = p->n_slots;
    for (unsigned i = 0; i < l->n_wanted; i++)
        if (l->bits[i] == bits) {
            p->slot[p->n_slots++] = l->wanted[i];
            left++;
        }
    while (left > 0) {
        unsigned m = left >= 7 ? 8 : left >= 3 ? 4 : left;
        struct zk_work w = { .first = first, .slots = left < m ? left : m };
        w.step = (struct zk_step){ .kind = ZK_STEP_RANGE, .bits = bits, .values = m, .bytes = (unsigned)zk_range_size(bits, m) };
        if (!add_work(l, w)) return false;
        first += w.slots;
        left -= w.slots;
    }
    return true;
}

static void estimate(const struct planner *l, struct zk_step *s, const struct zk_work *w) {
    const struct zk_program *p = l->p;
    unsigned terms = 0, n = s->bits * s->values, m = s->members, log = zk_wide_bits(m > 0 ? m - 1 : 0);
    if (s->kind == ZK_STEP_RANGE)
        for (unsigned i = 0; i < w->slots; i++) terms += 3;
    else if (s->kind != ZK_STEP_CIRCUIT)
        terms = zk_form_terms(&p->atom[w->atom].form) + 1;
    switch (s->kind) {
    case ZK_STEP_RANGE:
        s->prove_us = 500 + 160 * n;
        s->verify_us = 300 + 7 * n + terms * POINT_US;
        break;
    case ZK_STEP_LINEAR:
        s->prove_us = 300;
        s->verify_us = 200 + terms * POINT_US;
        break;
    case ZK_STEP_SMALL_SET:
        s->prove_us = 300 + 200 * m;
        s->verify_us = 200 + 30 * m + terms * POINT_US;
        break;
    case ZK_STEP_SET:
    case ZK_STEP_GAP:
        s->prove_us = 600 + 400 * log + m * (log + 2) / 12;
        s->verify_us = 300 + 40 * log + m + terms * POINT_US;
        break;
    case ZK_STEP_CIRCUIT:
        for (n = 1; n < s->gates;) n *= 2;
        s->prove_us = 1000 + 140 * n + l->terms / 4;
        s->verify_us = 500 + 12 * n + l->terms / 4;
        break;
    }
}

static bool costs(struct planner *l) {
    struct zk_plan *plan = &l->p->plan;
    plan->verify_us = VERIFY_BASE;
    for (unsigned i = 0; i < plan->n_steps; i++) {
        struct zk_step *s = &l->p->work[i].step;
        estimate(l, s, &l->p->work[i]);
        plan->bytes += s->bytes;
        plan->prove_us += s->prove_us;
        plan->verify_us += s->verify_us;
    }
    unsigned prove_ms = plan->prove_us / 1000, verify_ms = plan->verify_us / 1000;
    if (prove_ms <= ZK_PROVE_MS_MAX && verify_ms <= ZK_VERIFY_MS_MAX) return true;
    l->err = zk_diag_set(l->diag, VL_ELIMIT, 0, 0,
                         "a proof would take about %u ms and a check %u ms, and may take %u and %u: split the predicate, narrow attributes or use smaller sets",
                         prove_ms, verify_ms, ZK_PROVE_MS_MAX, ZK_VERIFY_MS_MAX);
    return false;
}

static bool circuit(struct planner *l) {
    struct zk_program *p = l->p;
    if (p->n_clauses == 0) return true;
    if (l->gates > ZK_GATES_MAX || l->terms > TERMS_MAX) {
        l->err = zk_diag_set(l->diag, VL_ELIMIT, 0, 0,
                             "the parts joined by `or`, and `!=`, need a circuit of %u multipliers and %u terms, and may have %u and %u: use smaller sets "
                             "or narrower attributes there",
                             l->gates, l->terms, ZK_GATES_MAX, TERMS_MAX);
        return false;
    }
    struct zk_work w = { .step = { .kind = ZK_STEP_CIRCUIT, .gates = l->gates, .bytes = (unsigned)zk_cs_proof_size(l->gates) } };
    return add_work(l, w);
}

enum vl_err zk_plan_make(struct zk_program *p, struct zk_diag *diag) {
    struct planner l = { .p = p, .diag = diag };
    bool ok = conjunct(&l, p->root) && self_asserted(&l) && group(&l, 8) && group(&l, 16) && group(&l, 32) && group(&l, 64) && circuit(&l) &&
              costs(&l);
    return ok ? VL_OK : l.err;
}

struct zk_plan zk_program_plan(const struct zk_program *p) { return p->plan; }
const struct zk_step *zk_program_step(const struct zk_program *p, unsigned i) { return &p->work[i].step; }

const char *zk_step_name(enum zk_step_kind kind) {
    switch (kind) {
    case ZK_STEP_RANGE: return "range";
    case ZK_STEP_LINEAR: return "linear";
    case ZK_STEP_SMALL_SET: return "small-set";
    case ZK_STEP_SET: return "set";
    case ZK_STEP_GAP: return "gap";
    case ZK_STEP_CIRCUIT: return "circuit";
    }
    return "?";
}
