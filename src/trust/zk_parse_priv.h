/* zk_parse_priv.h - what the parser of predicates is made of: zk_parse.c reads text, zk_atom.c makes atoms of forms.
 * Functions return false after they have set err and diag. */
#ifndef VL_TRUST_ZK_PARSE_PRIV_H
#define VL_TRUST_ZK_PARSE_PRIV_H

#include "trust/zk_pred_priv.h"

#define ZK_DIGITS_MAX 20u

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

#define FAIL(ps, tok, code, ...)                                                                                       \
    ((ps)->err = zk_diag_set((ps)->diag, code, (tok).line, (tok).column, __VA_ARGS__), false)

bool zk_no_memory(struct parser *ps);
/* `at`: the place that an error names. */
bool zk_too_large(struct parser *ps, struct zk_token at);
/* a and b, or or; folded where one is true or false anyway. */
bool zk_node(struct parser *ps, enum zk_node_kind kind, uint16_t a, uint16_t b, uint16_t *ret);
/* form >= 0 */
bool zk_atom_at_least(struct parser *ps, struct zk_token at, struct zk_form f, uint16_t *ret);
/* form = 0, or not */
bool zk_atom_zero(struct parser *ps, struct zk_token at, struct zk_form f, bool is_zero, uint16_t *ret);
/* form in v[0..n), or not; `set`: which published one, -1: written out. */
bool zk_atom_member(struct parser *ps, struct zk_token at, const struct zk_form *f, const int64_t *v, unsigned n, int set, bool inside,
                    uint16_t *ret);
/* a RELATION b, or its opposite. */
bool zk_atom_compare(struct parser *ps, const struct operand *a, const char *relation, const struct operand *b, bool negated, uint16_t *ret);

#endif
