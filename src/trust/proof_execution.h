/* proof_execution.h - that a member ran a program, as one artefact that needs nothing else (TRU-10): the receipt it signed, the way
 * from it to a head of the coordinator's log, that head with its witnesses, and the certificates that say who they all are.  Pure.
 *
 * Bytes, big-endian, behind the label "VILLAGE EXECUTION PROOF" (wire/armor.h):
 *   u8 tag=0x90 | u8 version=1 | u16 n, receipt | u64 index of its leaf | u8 n, n x 32 inclusion proof | u16 n, head with its lines
 *   (crypto/cosign.h) | u16 n, certificate of the worker | u16 n, certificate of the coordinator | u8 n, n x (u16 n, certificate) of
 *   the witnesses, one for each line of a cosignature and in their order. */
#ifndef VL_TRUST_PROOF_EXECUTION_H
#define VL_TRUST_PROOF_EXECUTION_H

#include "crypto/cosign.h"
#include "trust/verify.h"
#include "wire/cert.h"
#include "wire/task.h"

#define PROOF_EXECUTION_LABEL "VILLAGE EXECUTION PROOF"
#define PROOF_EXECUTION_MAX 65536u

struct proof_execution {
    struct vl_span receipt; /* encoded: the leaf */
    uint64_t index;
    uint32_t n; /* <= MERKLE_PROOF_MAX */
    struct vl_hash proof[MERKLE_PROOF_MAX];
    struct vl_span note, worker, coordinator;
    uint32_t witnesses; /* <= COSIGN_MAX */
    struct vl_span witness[COSIGN_MAX];
};
/* VL_ERANGE: does not decode; VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err proof_execution_encode(const struct proof_execution *p, struct vl_buf *out);
/* Lengths alone are looked at; spans borrow.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err proof_execution_decode(struct vl_span in, struct proof_execution *ret);

/* Everything is checked: fills v.  `bytes`: as decoded. */
void proof_execution_verify(struct vl_span bytes, const struct verify_query *q, struct verdict *v);

/* Root over files as receipts have it (fog/receipt.h, which only the fog may include); domain "village-inputs-1:" or
 * "village-outputs-1:".  Sorts nothing in place.  VL_ERANGE: more than VERIFY_FILES_MAX. */
VL_MUST_CHECK enum vl_err proof_files_root(const char *domain, const struct verify_named *files, uint32_t n, struct vl_hash *ret);

/* ---- shared by the verifiers of this folder ---- */

/* A membership certificate in an artefact: decoded, signed by the root it names, of `root` (NULL: of any).  False: v says why; `whose`
 * begins its sentence. */
bool proof_cert(struct verdict *v, const char *whose, struct vl_span bytes, const uint8_t root[32], struct cert *ret);
/* Notes the village and holds it against the one expected. */
bool proof_village(struct verdict *v, const struct verify_query *q, const uint8_t root[32], char ret_text[33]);

#endif
