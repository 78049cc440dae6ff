/* zk_pred.h - the language of predicates: what shall be shown about committed numbers, compiled to a program that
 * zk_proof.h proves and checks.
 *
 *     # What a customer may know of a quarter.
 *     attribute uptime : 32
 *     attribute total  : 32
 *     attribute zone   : 16
 *     prove uptime / total >= 0.999 and zone in {3, 5, 9} and not (zone = 5 and total < 1000)
 *
 *   program   = { "issuer" HEX | "attribute" NAME ":" BITS [ "self-asserted" ] } "prove" or
 *   or        = and { "or" and }                    and = not { "and" not }           not = "not" not | atom
 *   atom      = sum [ relation sum | [ "not" ] "in" ( NUMBER ".." NUMBER | "{" NUMBER { "," NUMBER } "}" | "set" "@" HEX ) ]
 *   relation  = "=" | "!=" | "<" | "<=" | ">" | ">="
 *   sum       = product { ( "+" | "-" ) product }   product = factor { ( "*" | "/" ) factor }
 *   factor    = "-" factor | NUMBER | NAME | "(" or ")"
 *
 * NAME: a letter or _, then letters, digits, _; at most 31.  NUMBER: decimal, up to 20 digits, and up to 9 of a
 * fraction; in sets whole and below 2^62.  HEX: 64 digits.  BITS: 1..64.  "#" begins a remark that ends with the line.
 *
 * Meaning: attributes are integers in [0, 2^BITS), whoever signed them vouches for that; of self-asserted ones a proof
 * shows it.  Comparisons are of integers, never modulo anything: the compiler bounds each sum and refuses one that
 * could leave the range in which its back-end is exact.  A ratio is compared by products, so that a / b >= c says
 * a >= c * b; where b = 0 that is all it says.
 *
 * A program has one canonical text; its id is the hash of that.  Everything here is public but for values, and pure but
 * for allocations.  Limits are below; each error names the place and what was expected. */
#ifndef VL_TRUST_ZK_PRED_H
#define VL_TRUST_ZK_PRED_H

#include "base/bytes.h"
#include "base/id.h"
#include "trust/zk_members.h"

#include <stdint.h>

#define ZK_TEXT_MAX (16u << 10) /* bytes of a program */
#define ZK_NAME_SIZE 32u        /* of an attribute, with its NUL */
#define ZK_ATTRS_MAX 32u
#define ZK_SETS_MAX 4u   /* different published sets in a program */
#define ZK_ATOMS_MAX 64u /* comparisons and memberships, as written and after ranges became two of them */
#define ZK_DEPTH_MAX 24u /* of brackets and `not` */
#define ZK_INLINE_MAX 1024u /* numbers between {}, of one program */
/* What the compiler takes to be too long, in ms on one core of 2.5 GHz. */
#define ZK_PROVE_MS_MAX 1000u
#define ZK_VERIFY_MS_MAX 500u

struct zk_program; /* never changes once made */

/* What is wrong, and where; line and column count from 1, 0: not at one place. */
struct zk_diag {
    struct vl_errmsg msg;
    unsigned line, column;
};

/* sets: those that `set@HEX` may mean (borrowed, copied when meant); n_sets <= 16, NULL when 0.
 * VL_EPARSE: not the language.  VL_ERANGE: it is, and is refused: a sum that could wrap, a width, a predicate that is
 * true or false whatever the attributes are, an attribute not used.  VL_ENOTFOUND: a set that is not among `sets`.
 * VL_ELIMIT: above a limit, or it would take longer than ZK_PROVE_MS_MAX or ZK_VERIFY_MS_MAX.  VL_ENOMEM.
 * *diag (may be NULL) is filled on error.  Returns owned. */
VL_MUST_CHECK enum vl_err zk_compile(struct vl_span text, const struct zk_set *const *sets, unsigned n_sets,
                                     struct zk_program **ret, struct zk_diag *diag);
void zk_program_destroy(struct zk_program *p);

/* Hash of the canonical text, with a domain of its own. */
struct vl_hash zk_program_id(const struct zk_program *p);
/* The canonical text: compiles to the same program and the same text.  Borrowed from p. */
struct vl_span zk_program_text(const struct zk_program *p);
struct zk_attribute {
    char name[ZK_NAME_SIZE];
    uint8_t bits; /* 1..64 */
    bool self_asserted;
};
unsigned zk_program_attributes(const struct zk_program *p); /* 1..ZK_ATTRS_MAX, in the order of the text */
const struct zk_attribute *zk_program_attribute(const struct zk_program *p, unsigned i);
/* Place of an attribute; -1: none of that name. */
int zk_program_find(const struct zk_program *p, struct vl_span name);
/* The issuer that the text pins; NULL: none. */
const struct vl_node_id *zk_program_issuer(const struct zk_program *p);
/* Sets that the text means, in order of first mention; borrowed. */
unsigned zk_program_sets(const struct zk_program *p);
const struct zk_set *zk_program_set(const struct zk_program *p, unsigned i);

/* Is it true of these numbers, one for each attribute?  Plain evaluation, without a proof; false where a number is not
 * below 2^bits.  The prover's own: time depends on the values. */
bool zk_program_holds(const struct zk_program *p, const uint64_t *value);

/* How it is proved.  Steps in the order of the proof. */
enum zk_step_kind { ZK_STEP_RANGE = 1, ZK_STEP_LINEAR, ZK_STEP_SMALL_SET, ZK_STEP_SET, ZK_STEP_GAP, ZK_STEP_CIRCUIT };
struct zk_step {
    enum zk_step_kind kind;
    unsigned bits, values; /* of RANGE: every value in [0, 2^bits) */
    unsigned members;      /* of the sets: their tuples */
    unsigned gates;        /* of CIRCUIT */
    unsigned bytes;        /* of its proof */
    unsigned prove_us, verify_us; /* estimates, as for ZK_PROVE_MS_MAX */
};
struct zk_plan {
    unsigned n_steps, bytes; /* of the proof, without the artefact around it */
    unsigned prove_us, verify_us;
    unsigned widest; /* bits of the widest difference that a range or the circuit compares with 0 */
    unsigned folded; /* atoms that are true or false whatever the attributes are, and were left out */
};
struct zk_plan zk_program_plan(const struct zk_program *p);
const struct zk_step *zk_program_step(const struct zk_program *p, unsigned i);
/* "range", "linear", "small-set", "set", "gap", "circuit".  Static storage. */
const char *zk_step_name(enum zk_step_kind kind);

#endif
