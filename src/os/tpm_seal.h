/* tpm_seal.h - a key that only this machine's TPM 2.0 can give back, and on wish only while some PCRs are as they were.
 * Sealed data object under a storage key (ECC P-256) that the owner hierarchy derives anew each time, so that nothing is kept in the
 * TPM.  Over the ESAPI of tpm2-tss (TPM 2.0 library, part 3), loaded when it is needed.  Its answers are encrypted on the way (salted
 * session, AES-128-CFB): whoever listens on the bus learns nothing; whoever answers in the TPM's place is not recognised. */
#ifndef VL_OS_TPM_SEAL_H
#define VL_OS_TPM_SEAL_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdint.h>

#define TPM_SEAL_KEY 32u
#define TPM_SEAL_PCRS 24u

/* tcti: how to reach it, as tpm2-tss writes it ("device:/dev/tpmrm0", "swtpm:host=127.0.0.1,port=2321"); NULL: its default.
 * pcrs: bits of PCRs of the SHA-256 bank that must not change; 0: none.  Appends to `params` what tpm_unseal() needs.
 * VL_EUNSUPPORTED: no TPM or no library.  VL_ERANGE: pcrs.  VL_EIO: the TPM failed, msg says at what. */
VL_MUST_CHECK enum vl_err tpm_seal(const char *tcti, uint32_t pcrs, const uint8_t key[TPM_SEAL_KEY], struct vl_buf *params,
                                   struct vl_errmsg *msg);
/* VL_EPARSE: params.  VL_EDENIED: the PCRs changed.  VL_ECRYPTO: another TPM, or one that was cleared.  The rest as above. */
VL_MUST_CHECK enum vl_err tpm_unseal(const char *tcti, struct vl_span params, uint8_t ret_key[TPM_SEAL_KEY], struct vl_errmsg *msg);
/* The mask in params.  VL_EPARSE. */
VL_MUST_CHECK enum vl_err tpm_params_pcrs(struct vl_span params, uint32_t *ret_pcrs);

#endif
