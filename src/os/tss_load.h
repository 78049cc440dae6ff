/* tss_load.h - tpm2-tss, loaded when the first TPM is spoken to: a node without one needs none of it. */
#ifndef VL_OS_TSS_LOAD_H
#define VL_OS_TSS_LOAD_H

#include "base/err.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#define TSS_FUNCTIONS(X)                                                                                               \
    X(esys, Esys_Initialize)                                                                                           \
    X(esys, Esys_Finalize)                                                                                             \
    X(esys, Esys_CreatePrimary)                                                                                        \
    X(esys, Esys_Create)                                                                                               \
    X(esys, Esys_Load)                                                                                                 \
    X(esys, Esys_Unseal)                                                                                               \
    X(esys, Esys_StartAuthSession)                                                                                     \
    X(esys, Esys_TRSess_SetAttributes)                                                                                 \
    X(esys, Esys_PolicyPCR)                                                                                            \
    X(esys, Esys_PolicyGetDigest)                                                                                      \
    X(esys, Esys_FlushContext)                                                                                         \
    X(esys, Esys_Free)                                                                                                 \
    X(esys, Esys_ReadPublic)                                                                                           \
    X(esys, Esys_TR_FromTPMPublic)                                                                                     \
    X(esys, Esys_GetCapability)                                                                                        \
    X(esys, Esys_Quote)                                                                                                \
    X(esys, Esys_PCR_Read)                                                                                             \
    X(esys, Esys_PCR_Reset)                                                                                            \
    X(esys, Esys_PCR_Extend)                                                                                           \
    X(esys, Esys_NV_ReadPublic)                                                                                        \
    X(esys, Esys_NV_Read)                                                                                              \
    X(esys, Esys_PolicySecret)                                                                                         \
    X(esys, Esys_ActivateCredential)                                                                                   \
    X(mu, Tss2_MU_TPMT_PUBLIC_Marshal)                                                                                 \
    X(mu, Tss2_MU_TPMT_SIGNATURE_Marshal)                                                                              \
    X(mu, Tss2_MU_TPM2B_PUBLIC_Marshal)                                                                                \
    X(mu, Tss2_MU_TPM2B_PUBLIC_Unmarshal)                                                                              \
    X(mu, Tss2_MU_TPM2B_PRIVATE_Marshal)                                                                               \
    X(mu, Tss2_MU_TPM2B_PRIVATE_Unmarshal)                                                                             \
    X(ldr, Tss2_TctiLdr_Initialize)                                                                                    \
    X(ldr, Tss2_TctiLdr_Finalize)

struct tss {
    void *esys, *mu, *ldr; /* libraries */
#define TSS_SLOT(library, name) __typeof__(&name) name;
    TSS_FUNCTIONS(TSS_SLOT)
#undef TSS_SLOT
};

/* VL_EUNSUPPORTED: not installed, or one that lacks a function. */
VL_MUST_CHECK enum vl_err tss_load(struct tss *ret, struct vl_errmsg *msg);
void tss_unload(struct tss *t);

#endif
