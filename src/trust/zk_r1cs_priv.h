/* zk_r1cs_priv.h - what the builder (zk_r1cs.c), the prover (zk_r1cs_prove.c) and the verifier (zk_r1cs_verify.c) of circuits
 * share.  Internal to zk_r1cs*.c. */
#ifndef VL_TRUST_ZK_R1CS_PRIV_H
#define VL_TRUST_ZK_R1CS_PRIV_H

#include "trust/zk_inner.h"
#include "trust/zk_r1cs.h"

/* A proof begins with AI, AO, S, T1, T3, T4, T5, T6; the numbers t(x), its blinding factor, that of the inner product;
 * pairs L, R follow; then a and b. */
#define ZK_CS_POINTS 8u
#define ZK_CS_HEAD ((ZK_CS_POINTS + 3u) * 32u)

struct zk_term {
    struct zk_var var;
    struct zk_scalar k;
};

struct zk_cs {
    const struct zk_gens *gens;
    struct transcript *t;
    bool prover;
    enum vl_err err;
    unsigned gates, committed, constraints;
    size_t terms, terms_room;
    struct zk_term *term;
    uint32_t end[ZK_CONSTRAINTS_MAX]; /* of the terms of each constraint */
    uint8_t commitment[ZK_CS_COMMITTED_MAX][32];
    struct zk_opening opening[ZK_CS_COMMITTED_MAX]; /* a prover's, as the next line */
    struct zk_scalar left[ZK_GATES_MAX], right[ZK_GATES_MAX], output[ZK_GATES_MAX];
};

/* The weights that multipliers and commitments have when all constraints are added up with powers of z:
 * <l, left> + <r, right> + <o, output> = <v, committed> + one. */
struct zk_flat {
    unsigned n; /* multipliers, filled up */
    struct zk_scalar *l, *r, *o; /* n each; owned by l */
    struct zk_scalar v[ZK_CS_COMMITTED_MAX], one;
};

/* Multipliers filled up to a power of two; 0: too many. */
unsigned zk_cs_padded(unsigned gates);
/* Absorbs all of the statement. */
void zk_cs_begin(struct zk_cs *cs);
/* VL_ENOMEM.  zk_flat_free() in any case. */
VL_MUST_CHECK enum vl_err zk_flat_make(const struct zk_cs *cs, unsigned n, struct zk_scalar z, struct zk_flat *ret);
void zk_flat_free(struct zk_flat *f);
/* <y^-i r, l>, what constraints on both inputs of a multiplier add; inv_y: powers of 1/y. */
struct zk_scalar zk_flat_delta(const struct zk_flat *f, const struct zk_scalar *inv_y);
/* What a constraint is; 0 when it holds.  Of a prover. */
struct zk_scalar zk_cs_constraint_value(const struct zk_cs *cs, unsigned i);
/* zk_cs_prove() for a system without an error, whether or not the witness fulfils it: also what a cheating prover would run. */
VL_MUST_CHECK enum vl_err zk_cs_prove_unchecked(struct zk_cs *cs, const uint8_t random[32], uint8_t *ret_proof);

#endif
