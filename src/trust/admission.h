/* admission.h - who may do what by evidence of where it runs (TRU-06): the operator's policy, the certificates and lists beside
 * it, and the verdict on what a node answered to a challenge.  Core: pure; what it is made of comes in as bytes, the evaluation
 * time with the question, so that a verdict can be derived again years later from what admission_policy_bytes() and
 * admission_snapshot() gave.
 *
 * Policy: one JSON object, strict (an unknown name is an error).  All but "version" may be left out.  Levels are thousandths.
 *   "version": 1
 *   "platforms": ["tpm", "snp", ...]   kinds of evidence that count; without it all
 *   "admit": 0          a member below it is in quarantine: it stays a member and is asked again, gets no tasks and may send no jobs
 *   "tasks": {"B": 0, "A": 0, "S": 0}   level below which a node gets no tasks of that class
 *   "period_s": 43200   a result older than this is made anew (60 .. 2592000)
 *   "grace_s", "half_life_s", "need_crl", "no_smt", "allow_migration", "snp_single_socket", "snp_vmpl_max",
 *   "android_patch_minimum": as in struct attest_policy
 *   "snp_minimum": {"fmc": 0, "bootloader": 0, "tee": 0, "snp": 0, "microcode": 0}
 *   "caps": {"tcb": 600, "late": 500, "sha1": 500}
 *   "bonuses": {"tpm": 50, "tee": 50, "secure_boot": 50}
 *   "roots": [{"kind": "tpm", "key": "SHA-256 of the SubjectPublicKeyInfo, hex", "anchor": "operator", "name": "..."}]
 *   "measurements": ["hex", ...]
 * Files beside it, by the end of their names: .pem .crt .cer certificates (DER or PEM), .crl lists, .json Intel's TCB info and QE
 * identities as its service gives them, android-revoked.txt serial numbers that Google revoked, one a line. */
#ifndef VL_TRUST_ADMISSION_H
#define VL_TRUST_ADMISSION_H

#include "crypto/sign.h"
#include "trust/attest.h"
#include "trust/tpm_credential.h"
#include "wire/attestation.h"
#include "wire/terms.h"

#define ADMISSION_POLICY_MAX 65536u
#define ADMISSION_ROOTS 16u
#define ADMISSION_MEASUREMENTS 64u
#define ADMISSION_FILES 200u
#define ADMISSION_TCB 32u /* of Intel's TCB infos, and as many identities */
#define ADMISSION_FILE_MAX 1048576u
#define ADMISSION_SNAPSHOT_MAX (4u << 20) /* all files together, encoded */
#define ADMISSION_NAME_MAX 64u
#define ADMISSION_PERIOD_MS 43200000u
#define ADMISSION_SELF 300u /* what a node may say of itself */

struct admission_file {
    const char *name; /* without its folder; 1..ADMISSION_NAME_MAX - 1 printable ASCII */
    struct vl_span bytes;
};
struct admission;

/* policy: the file, empty: none, everybody is admitted and results are only noted.  Copies all; sorts files by name.
 * VL_EPARSE, VL_ERANGE, VL_ELIMIT: why names the field or the file.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err admission_create(struct vl_span policy, const struct admission_file *files, size_t n,
                                           struct admission **ret, struct vl_errmsg *why);
/* From the bytes that the two functions below gave. */
VL_MUST_CHECK enum vl_err admission_reopen(struct vl_span policy, struct vl_span snapshot, struct admission **ret);
void admission_destroy(struct admission *a); /* NULL is a no-op */

struct vl_span admission_policy_bytes(const struct admission *a); /* as given; borrowed */
struct vl_span admission_snapshot(const struct admission *a);     /* of the files, canonical; empty when there are none */
struct vl_hash admission_policy_hash(const struct admission *a);  /* BLAKE2b-256; zeros: none */
struct vl_hash admission_snapshot_hash(const struct admission *a);
const struct attest_policy *admission_rules(const struct admission *a);
uint32_t admission_admit(const struct admission *a);
uint32_t admission_tasks(const struct admission *a, enum sla_class c);
uint64_t admission_period_ms(const struct admission *a);

/* What was asked of a node, and what came back. */
struct admission_case {
    struct vl_node_id node, verifier;
    uint8_t nonce[32], binding[32];
    struct vl_job_id job;
    uint8_t program[32];
    vl_ms when;
    uint64_t number;
    const struct attestation *answer; /* what the node says of nonce, node and the rest is not believed, */
    size_t n;                         /* nor that a credential was activated, nor its earlier quote */
    struct vl_span activated; /* Name of the key that answered our credential activation under the endorsement key of the answer */
    struct vl_span earlier;   /* evidence of a TPM of this node that was accepted before; empty: none */
    const char *why;          /* n 0: the node's reason, or ours */
};
struct admission_verdict {
    struct attested result; /* unsigned */
    bool activate;          /* the TPM's quote is good but for credential activation: */
    struct vl_span endorsement; /* under the key of this certificate; borrowed from the answer */
    uint8_t name[TPM_NAME_MAX]; /* for the key of this Name */
    size_t name_n;
    struct vl_span earlier; /* accepted evidence of the TPM, for the next case; borrowed, empty: none */
};
/* Never blocks; total.  A few milliseconds at most: docs/decisions/0035-admission.md. */
void admission_judge(const struct admission *a, const struct admission_case *c, struct admission_verdict *ret);
/* The level of a result now. */
uint32_t admission_level(const struct admission *a, const struct attested *r, vl_ms now);
/* The same from its parts.  A result counts in full for a period, then ages by the half-life.  One under another policy, and one that is older than two periods, counts as a
 * node's own word at most. */
uint32_t admission_level_of(const struct admission *a, uint32_t level, vl_ms when, struct vl_hash policy, vl_ms now);
/* When a result made at `when` stops counting. */
vl_ms admission_until(const struct admission *a, vl_ms when);

/* ---- results are signed by their verifier ---- */

/* Encodes with the signature, which is filled in.  Errors of attested_encode(). */
VL_MUST_CHECK enum vl_err attested_sign(const struct crypto_sign_key *key, struct attested *r, struct vl_buf *out);
/* VL_EPARSE, VL_EVERSION; VL_ECRYPTO: not signed by the verifier that it names.  Whose verifier that is, is the caller's to know.
 * ret_id: BLAKE2b-256 of attested_body(); may be NULL. */
VL_MUST_CHECK enum vl_err attested_open(struct vl_span in, struct attested *ret, struct vl_hash *ret_id);

#endif
