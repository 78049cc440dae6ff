/* zk_r1cs.h - circuits over committed numbers: multipliers and linear constraints, proved as in Bulletproofs (Bünz and
 * others 2018, section 5), in one phase.  For what ranges, linear relations and sets cannot say alone: OR and NOT of
 * comparisons, products.  Gadgets are in zk_gadget.h.
 *
 * One builder for both sides.  A prover's system knows what its variables are, a verifier's does not; the code that
 * builds must not ask which one it is, so that both build the same circuit:
 *
 *     struct zk_cs *cs = zk_cs_create(gens, t, prover);
 *     struct zk_var v = zk_cs_commit(cs, V, prover ? &opening : NULL);
 *     ... zk_cs_multiply(), zk_cs_constrain(), gadgets ...
 *     zk_cs_prove(cs, random, proof)        or        zk_cs_verify(cs, proof), zk_cs_add(cs, batch, proof)
 *
 * Errors stick: after the first one (a limit, memory, an opening that is none) the calls that build do nothing, give
 * the variable ZK_ONE, and the final call returns it.
 *
 * Everything is absorbed into the caller's transcript before the first challenge: commitments, sizes, and every
 * constraint with its coefficients.  Format and labels are our own.  The prover takes time that depends on the circuit
 * alone; sums over secrets are constant time, the inner-product argument is not, as its vectors are blinded (decision
 * 28).  Pure but for allocations. */
#ifndef VL_TRUST_ZK_R1CS_H
#define VL_TRUST_ZK_R1CS_H

#include "trust/zk_batch.h"
#include "trust/zk_range.h"
#include "trust/zk_scalar.h"

#define ZK_GATES_MAX 4096u        /* multipliers; with generators for 64 bits and 64 values */
#define ZK_CS_COMMITTED_MAX 64u   /* commitments */
#define ZK_CONSTRAINTS_MAX 16384u /* linear constraints, those of multipliers included */
#define ZK_CS_TERMS_MAX 131072u   /* terms of all of them */
#define ZK_LC_MAX 96u             /* terms of one linear combination */
#define ZK_R1CS_PROOF_MAX 1184u   /* bytes, of 4,096 multipliers: 32 (13 + 2 log2) */

enum zk_var_kind { ZK_ONE = 0, ZK_COMMITTED = 1, ZK_LEFT = 2, ZK_RIGHT = 3, ZK_OUTPUT = 4 };
struct zk_var {
    enum zk_var_kind kind;
    uint32_t at; /* which commitment or multiplier; 0 for the constant 1 */
};

/* coefficient[0] var[0] + ...; a value, hold and copy it.  Too many terms: n is ZK_LC_MAX + 1, which is VL_ELIMIT for
 * the system that it is given to. */
struct zk_lc {
    unsigned n;
    struct {
        struct zk_var var;
        struct zk_scalar k;
    } term[ZK_LC_MAX];
};
struct zk_lc zk_lc_zero(void);
struct zk_lc zk_lc_var(struct zk_var v);
struct zk_lc zk_lc_const(uint64_t k);
/* *lc += k * v; a variable that is in it already gets no second term. */
void zk_lc_add_var(struct zk_lc *lc, struct zk_scalar k, struct zk_var v);
/* *lc += k * other */
void zk_lc_add_lc(struct zk_lc *lc, struct zk_scalar k, const struct zk_lc *other);

struct zk_cs;
/* Borrows g (made for 64 bits; multipliers up to 64 times its values) and t until destroyed.  NULL: out of memory. */
struct zk_cs *zk_cs_create(const struct zk_gens *g, struct transcript *t, bool prover);
/* Wipes the witness. */
void zk_cs_destroy(struct zk_cs *cs);
/* The first error, VL_OK so far. */
enum vl_err zk_cs_err(const struct zk_cs *cs);
unsigned zk_cs_gates(const struct zk_cs *cs);

struct zk_opening {
    struct zk_scalar value, blind; /* below L; secret */
};
/* A committed number.  opening: the prover's, copied; a verifier's system takes none (NULL; asserted both ways).
 * Sticks VL_ERANGE: the commitment does not open so.  VL_EPARSE: no encoding.  VL_ELIMIT. */
struct zk_var zk_cs_commit(struct zk_cs *cs, const uint8_t commitment[32], const struct zk_opening *opening);

/* A multiplier: left * right = output. */
struct zk_gate {
    struct zk_var left, right, output;
};
/* One whose inputs are chosen by the prover: left and right are read in a prover's system only.  Nothing binds them
 * yet: zk_cs_constrain(). */
struct zk_gate zk_cs_gate(struct zk_cs *cs, struct zk_scalar left, struct zk_scalar right);
/* One for the product of two linear combinations; its output is it. */
struct zk_gate zk_cs_multiply(struct zk_cs *cs, const struct zk_lc *left, const struct zk_lc *right);
/* lc = 0. */
void zk_cs_constrain(struct zk_cs *cs, const struct zk_lc *lc);
/* What lc is now, for gadgets that choose inputs of gates; 0 in a verifier's system.  Secret. */
struct zk_scalar zk_cs_value(const struct zk_cs *cs, const struct zk_lc *lc);

/* Bytes of a proof for this many multipliers; they are filled up to a power of two.  0: more than ZK_GATES_MAX. */
size_t zk_cs_proof_size(unsigned gates);
/* Writes zk_cs_proof_size(zk_cs_gates(cs)) bytes, at most ZK_R1CS_PROOF_MAX.  random: 32 fresh bytes.
 * VL_ERANGE: the witness does not fulfil the constraints, or the generators are too few.  VL_ECRYPTO: a challenge was
 * 0, probability 2^-250.  VL_ENOMEM, or what stuck.  On error no output; the system is of no use after either. */
VL_MUST_CHECK enum vl_err zk_cs_prove(struct zk_cs *cs, const uint8_t random[32], uint8_t *ret_proof);
/* Any bytes give a verdict.  VL_EPARSE: not the length, a point that is no encoding or the identity, a scalar that is
 * not reduced.  VL_ECRYPTO: wrong.  VL_ERANGE: the generators are too few.  Or what stuck. */
VL_MUST_CHECK enum vl_err zk_cs_verify(struct zk_cs *cs, struct vl_span proof);
/* The same into a batch that was made with the same generators (zk_batch.h). */
VL_MUST_CHECK enum vl_err zk_cs_add(struct zk_cs *cs, struct zk_batch *b, struct vl_span proof);

#endif
