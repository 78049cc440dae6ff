/* proof_log.h - artefacts about a log and its heads, beside that of an execution (proof_execution.h): that one head follows from another,
 * and that somebody signed two things of which only one can be true.  Pure.  Bytes, big-endian:
 *   "VILLAGE CONSISTENCY PROOF": u8 tag=0x91 | u8 version=1 | u16 n, older head | u16 n, newer head | u8 n, n x 32 | u16 n, certificate
 *   "VILLAGE CONTRADICTION":     u8 tag=0x92 | u8 version=1 | u8 what: 1 receipts, 2 heads | u16 n, first | u16 n, second | u16 n, certificate
 * The certificate is the signer's: of the coordinator for heads, of the worker for receipts. */
#ifndef VL_TRUST_PROOF_LOG_H
#define VL_TRUST_PROOF_LOG_H

#include "crypto/cosign.h"
#include "trust/verify.h"
#include "wire/task.h"

#define PROOF_CONSISTENCY_LABEL "VILLAGE CONSISTENCY PROOF"
#define PROOF_CONTRADICTION_LABEL "VILLAGE CONTRADICTION"
#define PROOF_CONSISTENCY_HASHES (MERKLE_PROOF_MAX + 1)

struct proof_consistency {
    struct vl_span older, newer, coordinator; /* texts of heads; certificate */
    uint32_t n;
    struct vl_hash proof[PROOF_CONSISTENCY_HASHES];
};
enum proof_contradiction_of { PROOF_TWO_RECEIPTS = 1, PROOF_TWO_HEADS = 2 };
struct proof_contradiction {
    enum proof_contradiction_of what;
    struct vl_span first, second, signer; /* as signed; certificate */
};

/* VL_ERANGE: does not decode; VL_ELIMIT, VL_ENOMEM.  Decoders look at lengths alone, spans borrow.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err proof_consistency_encode(const struct proof_consistency *p, struct vl_buf *out);
VL_MUST_CHECK enum vl_err proof_consistency_decode(struct vl_span in, struct proof_consistency *ret);
VL_MUST_CHECK enum vl_err proof_contradiction_encode(const struct proof_contradiction *p, struct vl_buf *out);
VL_MUST_CHECK enum vl_err proof_contradiction_decode(struct vl_span in, struct proof_contradiction *ret);

/* Decoded, and signed by the node it names.  VL_EPARSE, VL_ECRYPTO, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err proof_receipt_open(struct vl_span bytes, struct receipt *ret);
/* Whether two encoded receipts cannot both be honest: one node, right signatures, other bytes, and the same slot: the same run of a task,
 * or the same receipt before them.  *why: which, static.  VL_ENOTFOUND: they get on; VL_ECRYPTO: a signature; VL_EPARSE. */
VL_MUST_CHECK enum vl_err proof_receipts_clash(struct vl_span a, struct vl_span b, struct receipt *ret_a, struct receipt *ret_b, const char **why);

void proof_consistency_verify(struct vl_span bytes, const struct verify_query *q, struct verdict *v);
void proof_contradiction_verify(struct vl_span bytes, const struct verify_query *q, struct verdict *v);
/* A head alone, as text (C2SP checkpoint). */
bool proof_checkpoint_is(struct vl_span bytes);
void proof_checkpoint_verify(struct vl_span bytes, const struct verify_query *q, struct verdict *v);

#endif
