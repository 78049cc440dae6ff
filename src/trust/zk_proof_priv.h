/* zk_proof_priv.h - what prover and verifier of predicates do alike: the transcript's beginning, sums of commitments, the
 * circuit.  Internal to zk_*.c. */
#ifndef VL_TRUST_ZK_PROOF_PRIV_H
#define VL_TRUST_ZK_PROOF_PRIV_H

#include "trust/zk_artefact.h"
#include "trust/zk_many.h"
#include "trust/zk_pred_priv.h"
#include "trust/zk_r1cs.h"

#define ZK_HOLDER_CONTEXT "village-zk-holder-1:"

/* Values of 64 bits for which generators are needed. */
unsigned zk_program_gens(const struct zk_program *p);
/* Program of canonical text with these sets (borrowed); compiled when it is not known yet.  Borrowed from the kit, until
 * the next call.  VL_EPARSE: not canonical.  Errors of zk_compile(). */
VL_MUST_CHECK enum vl_err zk_kit_program(struct zk_kit *kit, struct vl_span text, const struct zk_set *const *sets,
                                         unsigned n_sets, const struct zk_program **ret, struct zk_diag *diag);
/* The next 32 bytes that provers cannot foresee. */
void zk_kit_seed(struct zk_kit *kit, uint8_t ret[32]);

/* All of the statement but what the steps say themselves. */
void zk_begin(struct transcript *t, struct vl_span text, struct vl_span credential, const uint8_t (*commitment)[32], unsigned n,
              const struct zk_context *context);
/* Before each step. */
void zk_begin_step(struct transcript *t, const struct zk_program *p, unsigned step);
/* What a holder signs: all of the transcript, the proof added. */
void zk_holder_digest(const struct transcript *t, struct vl_span proof, uint8_t ret[32]);

/* Form of a slot over the attributes; *ret_end: 0, or the factor of which end of its gap: -1 lower, +1 upper. */
struct zk_form zk_slot_form(const struct zk_program *p, const struct zk_slot *s, int *ret_end);
/* The sorted numbers whose neighbours enclose what is not in the set: members between two ends out of reach.
 * n + 2 of them.  NULL: out of memory.  Returns owned, free(). */
struct zk_scalar *zk_gap_ends(const struct zk_atom *a);
/* The tuples of an IN atom, at least two.  NULL: out of memory.  Returns owned, free(). */
struct zk_scalar *zk_member_scalars(const struct zk_atom *a, unsigned *ret_n);

/* Adds the circuit of all clauses.  opening: NULL for a verifier, else one for each attribute. */
void zk_circuit(struct zk_cs *cs, const struct zk_program *p, const uint8_t (*commitment)[32], const struct zk_opening *opening);

#endif
