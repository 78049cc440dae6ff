/* zk_pred_priv.h - what a program is inside: a tree of `and` and `or` over atoms, and the plan that follows from it.
 * Negations are gone: the parser pushes them into the atoms.  Internal to zk_*.c. */
#ifndef VL_TRUST_ZK_PRED_PRIV_H
#define VL_TRUST_ZK_PRED_PRIV_H

#include "trust/zk_form.h"

#define ZK_NODES_MAX (4u * ZK_ATOMS_MAX)
#define ZK_STEPS_MAX 128u
#define ZK_SLOTS_MAX 256u
#define ZK_GAPS_MAX 8u
#define ZK_RANGE_WIDTH 64u   /* of what ranges compare with 0 */
#define ZK_CIRCUIT_WIDTH 62u /* of what circuits do: ZK_COMPARE_MAX */
#define ZK_GAP_ABOVE 24u     /* members from which `not in` is a gap between neighbours and no product in the circuit */

enum zk_atom_kind { ZK_ATOM_AT_LEAST, ZK_ATOM_ZERO, ZK_ATOM_NONZERO, ZK_ATOM_IN, ZK_ATOM_NOT_IN };
struct zk_atom {
    enum zk_atom_kind kind;
    struct zk_form form; /* compared with 0, or the member */
    struct zk_bounds bounds;
    int set;    /* of IN and NOT_IN: place in program->set; -1: inline */
    int64_t *v; /* of these: members that the form can be, sorted, each once, at least one; owned */
    unsigned n;
    unsigned line, column;
};

enum zk_node_kind { ZK_NODE_TRUE, ZK_NODE_FALSE, ZK_NODE_ATOM, ZK_NODE_AND, ZK_NODE_OR };
struct zk_node {
    enum zk_node_kind kind;
    uint16_t a, b; /* nodes; of ATOM: a is the atom */
};

/* A number of which a range is proved. */
enum zk_slot_kind {
    ZK_SLOT_FORM,  /* the form of atom `at` */
    ZK_SLOT_VALUE, /* attribute `at`, self-asserted */
    ZK_SLOT_ROOM,  /* 2^bits - 1 - attribute `at`, where no range has just its bits */
    ZK_SLOT_BELOW, /* form of atom `at` - lower end of gap - 1 */
    ZK_SLOT_ABOVE  /* upper end - form - 1 */
};
struct zk_slot {
    enum zk_slot_kind kind;
    uint16_t at, gap;
};

struct zk_work {
    struct zk_step step;
    unsigned first;  /* of RANGE: its first slot; the values after the last slot repeat it */
    unsigned slots;  /* of RANGE: 1..values */
    unsigned atom;   /* of the others but CIRCUIT */
    unsigned gap;    /* of GAP: which one */
};

struct zk_program {
    struct vl_hash id;
    struct vl_buf text;
    bool has_issuer;
    struct vl_node_id issuer;
    unsigned n_attrs, n_sets, n_atoms, n_nodes, root;
    struct zk_attribute attr[ZK_ATTRS_MAX];
    struct zk_set *set[ZK_SETS_MAX]; /* owned */
    struct zk_atom atom[ZK_ATOMS_MAX];
    struct zk_node node[ZK_NODES_MAX];
    /* the plan */
    struct zk_plan plan;
    struct zk_work work[ZK_STEPS_MAX];
    unsigned n_slots, n_gaps;
    struct zk_slot slot[ZK_SLOTS_MAX];
    bool in_circuit[ZK_ATTRS_MAX]; /* attributes that the circuit needs */
    uint16_t clause[ZK_NODES_MAX]; /* nodes that the circuit proves, in order */
    unsigned n_clauses;
};

struct zk_sets {
    const struct zk_set *const *at;
    unsigned n;
};

/* Fills all but text, id and plan.  Errors as zk_compile(). */
VL_MUST_CHECK enum vl_err zk_parse(struct vl_span text, struct zk_sets sets, struct zk_program *p,
                                   struct zk_diag *diag);
/* Appends the canonical text. */
VL_MUST_CHECK enum vl_err zk_print(const struct zk_program *p, struct vl_buf *out);
/* Fills the plan.  VL_ERANGE, VL_ELIMIT with *diag. */
VL_MUST_CHECK enum vl_err zk_plan_make(struct zk_program *p, struct zk_diag *diag);
struct zk_program *zk_program_blank(void);
enum vl_err zk_diag_set(struct zk_diag *d, enum vl_err err, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The hash that names a canonical text. */
struct vl_hash zk_text_id(struct vl_span text);

enum zk_token_kind {
    ZK_TOK_END,
    ZK_TOK_NAME,   /* also the words of the language */
    ZK_TOK_NUMBER, /* digits, perhaps with a fraction */
    ZK_TOK_HEX,    /* 64 hexadecimal digits */
    ZK_TOK_SIGN,   /* one or two characters */
    ZK_TOK_BAD
};
struct zk_token {
    enum zk_token_kind kind;
    struct vl_span text;
    unsigned line, column;
};
struct zk_lexer {
    struct vl_span rest;
    unsigned line, column;
};
/* The next token; END for ever at the end. */
struct zk_token zk_lex(struct zk_lexer *l);

#endif
