/* tee_tpm.h - a TPM 2.0 as the provider in tee_tpm.c uses it: one connection, its keys, its certificate.  Not for others.
 * Sources: TCG TPM 2.0 Library 1.59 parts 1 to 3; TCG EK Credential Profile 2.5, 2.2 (NV indices) and B.3 (template L-1). */
#ifndef VL_OS_TEE_TPM_H
#define VL_OS_TEE_TPM_H

#include "os/tee_priv.h"
#include "os/tss_load.h"

struct tpm_link {
    const struct tss *tss;
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    const char *tcti_name; /* borrowed */
};
/* The TCTI this context means: the configured one, else the device below the root.  VL_ERANGE, VL_EUNSUPPORTED: of a kind that we do
 * not take. */
VL_MUST_CHECK enum vl_err tpm_tcti(const struct tee *t, char ret[TEE_TCTI_MAX + TEE_PATH], struct vl_errmsg *msg);
/* VL_EIO: nobody answers. */
VL_MUST_CHECK enum vl_err tpm_dial(const struct tss *tss, const char *tcti, struct tpm_link *ret, struct vl_errmsg *msg);
void tpm_hang_up(struct tpm_link *l);
/* What went wrong in `doing`, in words. */
enum vl_err tpm_failed(TSS2_RC rc, const char *doing, struct vl_errmsg *msg);
/* Who made it: up to 4 characters and up to 16 of the vendor. */
VL_MUST_CHECK enum vl_err tpm_maker(const struct tpm_link *l, char ret[32], struct vl_errmsg *msg);

/* The attestation key: restricted, P-256, derived from the endorsement seed, so that it is the same after each start and nothing is
 * kept.  *ret_public: to be freed with Esys_Free(). */
VL_MUST_CHECK enum vl_err tpm_attestation_key(const struct tpm_link *l, ESYS_TR *ret, TPM2B_PUBLIC **ret_public, struct vl_errmsg *msg);
/* The RSA endorsement key: the persistent one, else made from the template.  *ret_made: to be flushed. */
VL_MUST_CHECK enum vl_err tpm_endorsement_key(const struct tpm_link *l, ESYS_TR *ret, bool *ret_made, struct vl_errmsg *msg);
void tpm_flush(const struct tpm_link *l, ESYS_TR *object); /* ESYS_TR_NONE is a no-op; leaves that */
/* Certificate of the RSA endorsement key, DER, from the TPM; nothing is appended when there is none. */
VL_MUST_CHECK enum vl_err tpm_certificate(const struct tpm_link *l, struct vl_buf *out, struct vl_errmsg *msg);

#endif
