/* challenge.h - core: was a node there, and did it still have what it promised to keep?  Asked by the neighbours that were drawn for it.
 *
 * When.  A witness has one VRF output for an epoch (role CHALLENGE of trust/topology.h), known to nobody but itself until it shows it.  The
 * epoch has 64 slots; in slot s it challenges node x when BLAKE2b-256("village-chall-01" || output || x || s), as a share of 64, is
 * below 4: four times in the mean, each slot drawn on its own, so that what has been asked tells nothing of what will be.  With the
 * certificate everybody can compute afterwards which slots were due: a witness can neither add one nor leave one out.
 * What.  The nonce comes from the same output; the first eight bytes of it name the chunk of the node's promise (4,096 bytes each) that
 * the answer must bring, with its path to the promised root.
 * Answer.  Signed by the node over all of that.  Late is unanswered.
 * Statement.  One witness on one node in one epoch: each due slot is answered (with the node's signature), unanswered, or was not asked
 * since the witness itself was away; signed by the witness.
 * Proof.  The node's draw (topology_roll.h), which says who its witnesses are, with the statements of three or more of them.
 *
 * What a proof shows: how often the node answered in time, by the word of each witness for what was not answered, and by the node's own
 * signature for what was.  That a chunk came is the witness's word.  A witness in league with the node can have it sign late; one in
 * league against it can call an answer missing: the figure of each witness stands by itself, and who the witnesses are nobody chose.
 * Statements that the one who made the file left out show as witnesses that are missing.
 * Pure; readers are total. */
#ifndef VL_TRUST_CHALLENGE_H
#define VL_TRUST_CHALLENGE_H

#include "base/bytes.h"
#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "trust/topology_roll.h"

#define CHALLENGE_SLOTS 64u
#define CHALLENGE_MEAN 4u
#define CHALLENGE_WITNESSES 3u /* a proof with fewer says so, and is not enough */
#define CHALLENGE_CHUNK 4096u
#define CHALLENGE_KEEP_MAX (256u << 20) /* bytes of a promise: 65,536 chunks */
#define CHALLENGE_STATEMENT_MAX 5120u
#define CHALLENGE_LATE_MS 10000u /* no deadline is longer: one witness that lies must not spoil a mean for good */
#define CHALLENGE_LABEL "VILLAGE AVAILABILITY"

/* What a node promises to keep: root of the Merkle tree (crypto/merkle.h) over the chunks.  size 0: nothing. */
struct challenge_promise {
    struct vl_hash root;
    uint64_t size; /* bytes, up to CHALLENGE_KEEP_MAX */
};
static inline uint64_t challenge_chunks(uint64_t size) { return (size + CHALLENGE_CHUNK - 1) / CHALLENGE_CHUNK; }

/* Whether a witness with this output challenges the node in that slot. */
bool challenge_due(const uint8_t output[CRYPTO_VRF_OUTPUT], struct vl_node_id subject, unsigned slot);
struct vl_hash challenge_nonce(const uint8_t output[CRYPTO_VRF_OUTPUT], struct vl_node_id subject, unsigned slot);
/* Which chunk of so many bytes; 0 for none. */
uint64_t challenge_chunk(const struct vl_hash *nonce, uint64_t size);

struct challenge_ask {
    uint64_t epoch;
    struct vl_node_id witness, subject;
    uint8_t slot;
    struct vl_hash nonce;
};
/* The node's part.  Errors of signing. */
VL_MUST_CHECK enum vl_err challenge_answer_sign(const struct crypto_sign_key *key, const struct challenge_ask *ask,
                                                const struct challenge_promise *promise, uint8_t ret[CRYPTO_SIGNATURE]);
VL_MUST_CHECK enum vl_err challenge_answer_check(const struct challenge_ask *ask, const struct challenge_promise *promise,
                                                 const uint8_t signature[CRYPTO_SIGNATURE]);
/* Whether these bytes are the chunk that the nonce names.  VL_ERANGE: their number is wrong.  VL_ECRYPTO: they are not. */
VL_MUST_CHECK enum vl_err challenge_chunk_check(const struct challenge_promise *promise, const struct vl_hash *nonce, struct vl_span chunk,
                                                const struct vl_hash *path, uint32_t path_n);

/* Stable: part of statements. */
enum challenge_state { CHALLENGE_OPEN = 0 /* never in a statement */, CHALLENGE_ANSWERED = 1, CHALLENGE_UNANSWERED = 2, CHALLENGE_NOT_ASKED = 3 };
struct challenge_slot {
    uint8_t state, stored; /* stored: the chunk came and is right */
    uint32_t latency_ms;   /* of an answer; below CHALLENGE_LATE_MS */
    uint8_t signature[CRYPTO_SIGNATURE];
};

/* A witness's account of one node in one epoch.  Plain value; the output in it is a secret until the epoch ends. */
struct challenge_watch {
    uint64_t epoch;
    struct vl_node_id witness, subject;
    uint8_t output[CRYPTO_VRF_OUTPUT];
    struct challenge_promise promise; /* the first that it showed counts for the epoch */
    bool has_promise;
    uint8_t asked; /* slot that waits for an answer, when asked_ms is not 0; one at a time */
    vl_ms asked_ms;
    struct challenge_slot slot[CHALLENGE_SLOTS];
};
void challenge_watch_begin(struct challenge_watch *w, const struct topology_cert *own, struct vl_node_id subject);
/* Time has come to `slot` (below CHALLENGE_SLOTS): what waits longer than deadline_ms (CHALLENGE_LATE_MS at most) is unanswered.  True: send *ret_ask now.  Each slot
 * once, whatever order; a slot that was passed over stays not asked. */
bool challenge_watch_go(struct challenge_watch *w, vl_ms now, unsigned slot, vl_ms deadline_ms, struct challenge_ask *ret_ask);
/* An answer came.  VL_ESTALE: nothing waits for it, or too late.  VL_EDENIED: another promise than before.  VL_ECRYPTO: the signature,
 * or the chunk.  stored is decided here: chunk and path may be empty when the promise is. */
VL_MUST_CHECK enum vl_err challenge_watch_answer(struct challenge_watch *w, vl_ms now, vl_ms deadline_ms, uint8_t slot,
                                                 const struct challenge_promise *promise, const uint8_t signature[CRYPTO_SIGNATURE],
                                                 struct vl_span chunk, const struct vl_hash *path, uint32_t path_n);
/* It never reached the node: the slot counts as not asked. */
void challenge_watch_unsent(struct challenge_watch *w, uint8_t slot);
/* For a restart: what was decided, with nothing that waits.  Appends; errors of appending. */
VL_MUST_CHECK enum vl_err challenge_watch_save(const struct challenge_watch *w, struct vl_buf *dst);
/* VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err challenge_watch_restore(struct vl_span in, struct challenge_watch *ret);

/* The epoch is over: own is the certificate that the output is from.  Appends to out.  Errors of signing and appending. */
VL_MUST_CHECK enum vl_err challenge_statement_make(const struct challenge_watch *w, const struct topology_cert *own,
                                                   const struct crypto_sign_key *key, struct vl_buf *out);

/* Whom it says to be about and by, unchecked: for leaving out early what is known already.  False: too short. */
bool challenge_statement_names(struct vl_span in, struct vl_node_id *ret_subject, struct vl_node_id *ret_witness);

struct challenge_count {
    uint32_t due, answered, unanswered, not_asked, stored; /* due: the sum of the three behind it */
    uint64_t latency_ms; /* sum of those answered */
};
struct challenge_statement {
    struct vl_node_id witness;
    struct challenge_promise promise;
    struct challenge_count count;
};
/* t has the roll; subject is the checked certificate of role NEIGHBOUR that says who may witness.  VL_EPARSE, VL_EVERSION; VL_EDENIED: no
 * witness of that node and epoch, or slots that were not due; VL_ECRYPTO: a signature; errors of topology_check(). */
VL_MUST_CHECK enum vl_err challenge_statement_check(const struct topology *t, const struct topology_cert *subject, struct vl_span in,
                                                    struct challenge_statement *ret, struct vl_errmsg *why);

/* ---- the proof as a file ---- */

struct availability_verdict {
    struct village_id village;
    struct vl_node_id node, coordinator;
    uint64_t epoch;
    uint32_t drawn, witnesses; /* of those drawn, who stated something */
    uint32_t asking;           /* of those, who asked at least once: a witness that asked nothing has seen nothing */
    bool enough;               /* asking is CHALLENGE_WITNESSES or more */
    struct challenge_count sum;
    uint32_t answered_ppm; /* of those asked; 0 when none was */
    uint32_t at_least_ppm; /* as if every witness that is missing had asked CHALLENGE_MEAN times and heard nothing */
    uint64_t promised;     /* bytes that a majority of the statements names; 0: none */
    struct challenge_statement by[TOPOLOGY_NEIGHBOURS];
};
/* statements: up to eight encoded ones, each of another witness.  Appends the armoured file to out.  Errors of topology_proof_pack(),
 * VL_ERANGE: n. */
VL_MUST_CHECK enum vl_err availability_artefact_make(const struct topology *t, struct village_id village, const struct topology_cert *subject,
                                                     const struct topology_seal *seal, const struct vl_span *statements, uint32_t n,
                                                     struct vl_buf *out);
/* The bytes inside of the armour.  VL_OK says that all in it is right, also when it is not enough: look at the verdict. */
VL_MUST_CHECK enum vl_err availability_artefact_check(struct vl_span bytes, struct availability_verdict *ret, struct vl_errmsg *why);

#endif
