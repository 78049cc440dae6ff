/* tpm_credential.h - how a verifier learns that an attestation key lives in the TPM whose endorsement key a maker certified: it
 * wraps a secret to that endorsement key and the Name of the attestation key; a TPM unwraps it only if it holds both (TPM 2.0
 * Library part 1, section 24 and 11.4.10.2 (KDFa); part 3, 12.5 and 12.6).  The verifier needs no TPM.  Core: pure, random bytes
 * come in.  Both keys come from strangers.
 *
 * An answer that equals the secret shows: a TPM that has the private half of this endorsement key, and now holds a key of this Name,
 * took part in this conversation.  The Name is a hash of the key's public area, attributes included: it is then restricted, made in
 * the TPM, and cannot leave it, if attest_tpm() says so of that area.  What it does not show: whose machine that is. */
#ifndef VL_TRUST_TPM_CREDENTIAL_H
#define VL_TRUST_TPM_CREDENTIAL_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>

#define TPM_NAME_MAX 50u        /* two bytes of algorithm, a digest */
#define TPM_SECRET 32u          /* bytes of the secret */
#define TPM_CREDENTIAL_RANDOM 64u
#define TPM_CREDENTIAL_MAX 512u /* bytes appended at most */

/* Name of a key by its TPMT_PUBLIC: algorithm || hash of all of it.  VL_EPARSE: too short, or a hash that we do not have. */
VL_MUST_CHECK enum vl_err tpm_name(struct vl_span public_area, uint8_t ret[TPM_NAME_MAX], size_t *ret_n);

/* Appends TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, one after the other, which only the TPM with the key of `endorsement` (its
 * certificate, DER or PEM, the first one counts) opens, and only for the key of `name`.  secret, random: fresh; never used again.
 * The certificate is not judged here: attest_verify() does.
 * VL_EPARSE: no certificate, or no Name.  VL_EUNSUPPORTED: its key is not RSA of 2048 bits (template L-1, with SHA-256 and AES-128).
 * VL_ECRYPTO, VL_ENOMEM; errors of appending.  Nothing is appended on an error. */
VL_MUST_CHECK enum vl_err tpm_credential_make(struct vl_span endorsement, struct vl_span name, const uint8_t secret[TPM_SECRET],
                                              const uint8_t random[TPM_CREDENTIAL_RANDOM], struct vl_buf *out);
/* Whether an answer is the secret.  Constant time for answers of its length. */
bool tpm_credential_answered(const uint8_t secret[TPM_SECRET], struct vl_span answer);

#endif
