#include "os/tee_tpm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RC_LAYER 0xff0000u  /* who says it; 0: the TPM itself */
#define RC_PARAMETER 0xfc0u /* which handle, session or parameter is meant, in codes of format one (bit 7) */
#define NV_CERTIFICATE 0x01c00002u
#define EK_HANDLE 0x81010001u
#define NV_CHUNK 512u /* every TPM reads so much at once */
#define P256 32u

/* Kinds of TCTI that speak to a TPM; others (cmd: runs a program) are not for a configuration. */
static const char *const kinds[] = { "device:", "swtpm:", "mssim:", "tabrmd:" };

enum vl_err tpm_tcti(const struct tee *t, char ret[TEE_TCTI_MAX + TEE_PATH], struct vl_errmsg *msg) {
    char path[TEE_PATH];
    if (!t->has_tpm) {
        if (!tee_path(t, "/dev/tpmrm0", path)) return vl_errmsg_set(msg, VL_ERANGE, "the root of devices is too long");
        snprintf(ret, TEE_TCTI_MAX + TEE_PATH, "device:%s", path);
        return VL_OK;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(t->tpm, kinds[i], strlen(kinds[i])) == 0) {
            snprintf(ret, TEE_TCTI_MAX + TEE_PATH, "%s", t->tpm);
            return VL_OK;
        }
    return vl_errmsg_set(msg, VL_EUNSUPPORTED, "'%.64s' names no TPM: use device:/dev/tpmrm0, swtpm:port=2321, mssim:... or tabrmd:...", t->tpm);
}

enum vl_err tpm_failed(TSS2_RC rc, const char *doing, struct vl_errmsg *msg) {
    if ((rc & RC_LAYER) != 0 && (rc & 0xffff) != TSS2_BASE_RC_MEMORY)
        return vl_errmsg_set(msg, VL_EIO, "%s: the TPM does not answer as one (code 0x%x)", doing, (unsigned)rc);
    if ((rc & RC_LAYER) != 0) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    TSS2_RC bare = rc & TPM2_RC_FMT1 ? rc & ~(TSS2_RC)(RC_PARAMETER & ~TPM2_RC_FMT1) : rc;
    switch (bare) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
        return vl_errmsg_set(msg, VL_EAGAIN, "%s: the TPM is busy (code 0x%x); try again", doing, (unsigned)rc);
    case TPM2_RC_BAD_AUTH:
    case TPM2_RC_AUTH_FAIL:
        return vl_errmsg_set(msg, VL_EDENIED, "%s: the TPM's endorsement hierarchy has a password (code 0x%x); clear it: tpm2_changeauth -c e",
                             doing, (unsigned)rc);
    case TPM2_RC_LOCKOUT:
        return vl_errmsg_set(msg, VL_EDENIED, "%s: the TPM is locked after wrong passwords; wait, or tpm2_dictionarylockout -c", doing);
    case TPM2_RC_INITIALIZE:
        return vl_errmsg_set(msg, VL_EIO, "%s: the TPM was not started by the firmware (of a simulator: --flags startup-clear)", doing);
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_SESSION_MEMORY:
        return vl_errmsg_set(msg, VL_EBUSY, "%s: the TPM has no room; use its resource manager /dev/tpmrm0, or flush what others left", doing);
    case TPM2_RC_CURVE:
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "%s: the TPM has no keys on P-256", doing);
    default:
        return vl_errmsg_set(msg, VL_EIO, "%s: the TPM says 0x%x", doing, (unsigned)rc);
    }
}

enum vl_err tpm_dial(const struct tss *tss, const char *tcti, struct tpm_link *ret, struct vl_errmsg *msg) {
    struct tpm_link l = { .tss = tss, .tcti_name = tcti };
    TSS2_RC rc = tss->Tss2_TctiLdr_Initialize(tcti, &l.tcti);
    if (rc == TSS2_RC_SUCCESS) rc = tss->Esys_Initialize(&l.esys, l.tcti, NULL);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_hang_up(&l);
        return vl_errmsg_set(msg, VL_EIO, "no TPM answers at %.100s (code 0x%x): is it there, and is its TCTI installed (libtss2-tcti-*)?", tcti,
                             (unsigned)rc);
    }
    *ret = l;
    return VL_OK;
}

void tpm_hang_up(struct tpm_link *l) {
    if (l->esys) l->tss->Esys_Finalize(&l->esys);
    if (l->tcti) l->tss->Tss2_TctiLdr_Finalize(&l->tcti);
    l->esys = NULL;
    l->tcti = NULL;
}

enum vl_err tpm_maker(const struct tpm_link *l, char ret[32], struct vl_errmsg *msg) {
    TPMS_CAPABILITY_DATA *cap = NULL;
    TPMI_YES_NO more = 0;
    TSS2_RC rc = l->tss->Esys_GetCapability(l->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_MANUFACTURER,
                                            5, &more, &cap);
    if (rc != TSS2_RC_SUCCESS) return tpm_failed(rc, "asking the TPM who made it", msg);
    size_t n = 0;
    const TPML_TAGGED_TPM_PROPERTY *p = &cap->data.tpmProperties;
    for (uint32_t i = 0; i < p->count && i < 5; i++) { /* MANUFACTURER, VENDOR_STRING_1 .. 4 */
        if (p->tpmProperty[i].property > TPM2_PT_VENDOR_STRING_4) break;
        if (i == 1) ret[n++] = ' ';
        for (unsigned s = 0; s < 4; s++) {
            char c = (char)(p->tpmProperty[i].value >> (24 - 8 * s));
            if (c > ' ' && c <= '~') ret[n++] = c;
        }
    }
    while (n > 0 && ret[n - 1] == ' ') n--;
    ret[n] = '\0';
    l->tss->Esys_Free(cap);
    if (n == 0) snprintf(ret, 32, "an unnamed maker");
    return VL_OK;
}

/* ---- keys ---- */

enum vl_err tpm_attestation_key(const struct tpm_link *l, ESYS_TR *ret, TPM2B_PUBLIC **ret_public, struct vl_errmsg *msg) {
    static const char label[] = "village attestation key, form 1"; /* what follows from the seed is told apart by this */
    _Static_assert(sizeof label == P256, "fills x");
    const TPM2B_SENSITIVE_CREATE sensitive = { .size = 0 };
    const TPM2B_DATA outside = { .size = 0 };
    const TPML_PCR_SELECTION none = { .count = 0 };
    TPM2B_PUBLIC want = {
        .publicArea = { .type = TPM2_ALG_ECC,
                        .nameAlg = TPM2_ALG_SHA256,
                        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                            TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT,
                        .parameters.eccDetail = { .symmetric.algorithm = TPM2_ALG_NULL,
                                                  .scheme = { .scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256 },
                                                  .curveID = TPM2_ECC_NIST_P256,
                                                  .kdf.scheme = TPM2_ALG_NULL } },
    };
    want.publicArea.unique.ecc.x.size = P256;
    memcpy(want.publicArea.unique.ecc.x.buffer, label, P256);
    want.publicArea.unique.ecc.y.size = P256; /* zeros */
    TSS2_RC rc = l->tss->Esys_CreatePrimary(l->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &want,
                                            &outside, &none, ret, ret_public, NULL, NULL, NULL);
    return rc == TSS2_RC_SUCCESS ? VL_OK : tpm_failed(rc, "making the attestation key", msg);
}

/* PolicyA of the profile: PolicySecret(TPM_RH_ENDORSEMENT). */
static const uint8_t policy_a[32] = { 0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
                                      0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa };

static bool persistent(const struct tpm_link *l, ESYS_TR *ret) {
    TPM2B_PUBLIC *public = NULL;
    ESYS_TR key = ESYS_TR_NONE;
    if (l->tss->Esys_TR_FromTPMPublic(l->esys, EK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &key) != TSS2_RC_SUCCESS) return false;
    TSS2_RC rc = l->tss->Esys_ReadPublic(l->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL, NULL);
    bool ours = rc == TSS2_RC_SUCCESS && public->publicArea.type == TPM2_ALG_RSA && public->publicArea.nameAlg == TPM2_ALG_SHA256 &&
                public->publicArea.authPolicy.size == sizeof policy_a &&
                memcmp(public->publicArea.authPolicy.buffer, policy_a, sizeof policy_a) == 0;
    if (public) l->tss->Esys_Free(public);
    if (ours) *ret = key; /* else it stays known to this connection alone, and ends with it */
    return ours;
}

enum vl_err tpm_endorsement_key(const struct tpm_link *l, ESYS_TR *ret, bool *ret_made, struct vl_errmsg *msg) {
    const TPM2B_SENSITIVE_CREATE sensitive = { .size = 0 };
    const TPM2B_DATA outside = { .size = 0 };
    const TPML_PCR_SELECTION none = { .count = 0 };
    TPM2B_PUBLIC want = {
        .publicArea = { .type = TPM2_ALG_RSA,
                        .nameAlg = TPM2_ALG_SHA256,
                        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                            TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
                        .authPolicy.size = sizeof policy_a,
                        .parameters.rsaDetail = { .symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB },
                                                  .scheme.scheme = TPM2_ALG_NULL,
                                                  .keyBits = 2048 },
                        .unique.rsa.size = 256 },
    };
    memcpy(want.publicArea.authPolicy.buffer, policy_a, sizeof policy_a);
    *ret_made = false;
    if (persistent(l, ret)) return VL_OK;
    TSS2_RC rc = l->tss->Esys_CreatePrimary(l->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &want,
                                            &outside, &none, ret, NULL, NULL, NULL, NULL);
    if (rc != TSS2_RC_SUCCESS) return tpm_failed(rc, "making the endorsement key", msg);
    *ret_made = true;
    return VL_OK;
}

void tpm_flush(const struct tpm_link *l, ESYS_TR *object) {
    if (*object != ESYS_TR_NONE) (void)l->tss->Esys_FlushContext(l->esys, *object);
    *object = ESYS_TR_NONE;
}

enum vl_err tpm_certificate(const struct tpm_link *l, struct vl_buf *out, struct vl_errmsg *msg) {
    ESYS_TR nv = ESYS_TR_NONE;
    TPM2B_NV_PUBLIC *public = NULL;
    size_t before = out->len;
    if (l->tss->Esys_TR_FromTPMPublic(l->esys, NV_CERTIFICATE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &nv) != TSS2_RC_SUCCESS) return VL_OK;
    TSS2_RC rc = l->tss->Esys_NV_ReadPublic(l->esys, nv, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL);
    if (rc != TSS2_RC_SUCCESS) return tpm_failed(rc, "reading the certificate of the TPM", msg);
    bool written = (public->nvPublic.attributes & TPMA_NV_WRITTEN) != 0;
    size_t n = written ? public->nvPublic.dataSize : 0;
    l->tss->Esys_Free(public);
    enum vl_err err = VL_OK;
    for (size_t at = 0; at < n && err == VL_OK;) {
        TPM2B_MAX_NV_BUFFER *part = NULL;
        uint16_t want = (uint16_t)(n - at < NV_CHUNK ? n - at : NV_CHUNK);
        rc = l->tss->Esys_NV_Read(l->esys, nv, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, want, (uint16_t)at, &part);
        if (rc != TSS2_RC_SUCCESS) return tpm_failed(rc, "reading the certificate of the TPM", msg);
        if (part->size != want) err = vl_errmsg_set(msg, VL_EPARSE, "the TPM cuts its certificate short");
        if (err == VL_OK) err = vl_buf_append(out, part->buffer, want);
        at += want;
        l->tss->Esys_Free(part);
    }
    if (err || n == 0) return err;
    size_t der = tee_der_length(vl_span(out->p + before, out->len - before));
    if (der == 0) return vl_errmsg_set(msg, VL_EPARSE, "what the TPM has for a certificate is none");
    out->len = before + der; /* indices are larger than what they hold */
    return VL_OK;
}
