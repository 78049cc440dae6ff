/* tee.h - what this machine has to prove where it runs with (TRU-07): found, opened, made to measure a program and to sign.  One
 * vtable, one row for each provider (tee.c); the evidence is what trust/attest.h verifies, carried by wire/attestation.h.
 *
 * All of it blocks: a TPM takes up to seconds for a signature, a quoting service as long.  Never on a loop's thread.  A struct tee
 * belongs to one thread at a time.  Nothing is kept open between two calls, so that a TPM that is restarted, or a simulator that
 * is killed, costs one error and no more.
 *
 * Paths are below a configurable root.  What is absent is said in words: what was looked for, and what that means.
 *
 * Sources: Linux Documentation/ABI/testing/configfs-tsm, Documentation/virt/coco/{sev-guest,tdx-guest}; SEV-ES GHCB
 * specification 2.03, 4.1.8.1 (table of certificates); Gramine's "Attestation and Secret Provisioning"; AWS Nitro NSM API;
 * TCG TPM 2.0 Library 1.59; TCG EK Credential Profile 2.5, annex B. */
#ifndef VL_OS_TEE_H
#define VL_OS_TEE_H

#include "base/bytes.h"
#include "base/err.h"
#include "wire/attestation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEE_PROVIDERS 8u
#define TEE_DATA 64u       /* bytes of report data */
#define TEE_WHY 200u
#define TEE_ROOT_MAX 256u
#define TEE_TCTI_MAX 256u
#define TEE_SECRET_MAX 64u /* bytes that a credential can hide */

struct tee_config {
    const char *root;      /* before every path, NULL or "": the machine itself; shorter than TEE_ROOT_MAX */
    const char *tpm;       /* TCTI of the TPM ("swtpm:port=2321", "device:/dev/tpmrm0"); NULL: /dev/tpmrm0 below the root */
    const char *ek;        /* file with the certificate of the TPM's endorsement key, DER or PEM, its issuers may follow; NULL: the TPM's own.
                              Not below the root.  Intel and AMD have many of these on servers of theirs */
    const char *qgs;       /* socket of the quote generation service, a path; NULL: vsock of the host, port 4050 */
    const uint8_t *seed;   /* 32 bytes, Ed25519: of the node's key, for its own statement; NULL: the provider `self` is absent */
};

struct tee_found {
    const char *name;   /* of the provider: "tsm", "sev-guest", ...; static storage */
    const char *what;   /* for people; static storage */
    uint8_t kind;       /* enum attest_kind of trust/attest.h of what it would make */
    bool automatic;     /* evidence of its own: "auto" may choose it */
    bool here;
    bool denied; /* not here for this user: `why` says what to do */
    char why[TEE_WHY];  /* here: what it is; else what was looked for and is not there, and what to do about it */
};
/* Looks at every provider, best one first; the order is that of the table, ret[i].name is never NULL.  A TPM is asked who made it. */
void tee_detect(const struct tee_config *cfg, struct tee_found ret[TEE_PROVIDERS]);

/* What was made: owned buffers in the form of struct attestation. */
struct tee_evidence {
    uint8_t kind;
    struct vl_buf evidence, leaf, certificates, collateral[ATTESTATION_COLLATERAL];
};
void tee_evidence_init(struct tee_evidence *e);
void tee_evidence_free(struct tee_evidence *e); /* leaves an empty one */
/* Sets kind and spans of ret and leaves the rest; borrowed from e. */
void tee_evidence_view(const struct tee_evidence *e, struct attestation *ret);

/* A context of one provider for one node or one job. */
struct tee;
/* Opens a provider by name; NULL or "auto": the first that is here and makes evidence of its own (never `self`).  Copies cfg.
 * Errors, here and below: `msg` says what is missing and what to do.  VL_EUNSUPPORTED: not on this machine, or no such provider.
 * VL_EDENIED: may not be opened by this user.  VL_EIO, VL_ENOMEM, VL_ERANGE: root or TCTI too long. */
VL_MUST_CHECK enum vl_err tee_create(const struct tee_config *cfg, const char *name, struct tee **ret, struct vl_errmsg *msg);
/* Undoes what measuring left in the hardware, as far as it answers.  NULL is a no-op. */
void tee_destroy(struct tee *t);
const char *tee_name(const struct tee *t);
uint8_t tee_kind(const struct tee *t);

/* Binds the context to a program, by BLAKE2b-256 of it.  TPM: PCR 23 is reset and extended with SHA-256 of that digest, and every
 * quote is over that PCR as well.  Others have no such register for guests: the program is in their evidence through report data
 * alone (trust/attest_bind.h).  Again: another program takes its place. */
VL_MUST_CHECK enum vl_err tee_measure(struct tee *t, const uint8_t program[32], struct vl_errmsg *msg);
/* Whether a register of the hardware holds the program after tee_measure(). */
bool tee_measures(const struct tee *t);

/* Evidence over `data`, in the form of its kind (a TPM signs SHA-256 of it).  What came back of SNP, TDX, SGX and TPM is looked at:
 * evidence that does not carry our data is an error here and not only at the verifier.  Appends to nothing: *ret is freed first, and empty on an error.
 * A PCR 23 that somebody else changed is measured anew.  VL_ESTATE: another driver took over.  VL_EAGAIN: others disturb, try again.  VL_EPARSE: an answer that is none. */
VL_MUST_CHECK enum vl_err tee_attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg);

/* TPM: opens a credential made for its endorsement key and this attestation key (trust/tpm_credential.h); `in` is TPM2B_ID_OBJECT and
 * TPM2B_ENCRYPTED_SECRET, one after the other.  VL_ECRYPTO: made for another key.  VL_EPARSE.  VL_EUNSUPPORTED: no TPM. */
VL_MUST_CHECK enum vl_err tee_credential(struct tee *t, struct vl_span in, uint8_t ret[TEE_SECRET_MAX], size_t *ret_n, struct vl_errmsg *msg);

/* ---- what others said, read; pure, for the providers and their fuzz targets ---- */

/* The table of certificates of SEV-SNP: leaf (VCEK, or VLEK where the report says `vlek`), and issuers (ASK or ASVK, ARK) as PEM.
 * A table may be empty.  VL_EPARSE.  Errors of appending. */
VL_MUST_CHECK enum vl_err tee_snp_certificates(struct vl_span table, bool vlek, struct vl_buf *leaf, struct vl_buf *issuers);
/* Request for a document with these user data, and the document in an answer (borrowed).  VL_EPARSE; VL_EDENIED: the module says no, and
 * `word` which ("InvalidArgument"). */
VL_MUST_CHECK enum vl_err tee_nsm_request(struct vl_span nonce, struct vl_buf *out);
VL_MUST_CHECK enum vl_err tee_nsm_answer(struct vl_span in, struct vl_span *ret, char word[32]);
/* Request of the quote generation service for a TDREPORT, and the quote in its answer (borrowed).  VL_EPARSE; VL_EDENIED: *ret_code is
 * its error. */
VL_MUST_CHECK enum vl_err tee_qgs_request(struct vl_span report, struct vl_buf *out);
VL_MUST_CHECK enum vl_err tee_qgs_answer(struct vl_span in, struct vl_span *ret, uint32_t *ret_code);
/* Length of the DER certificate that a larger field begins with; 0: none. */
size_t tee_der_length(struct vl_span in);
/* The 64 bytes of report data in evidence of kind SNP, SGX or TDX; empty: too short or of an unknown version. */
struct vl_span tee_report_data(uint8_t kind, struct vl_span evidence);

#endif
