#include "os/tpm_seal.h"

#include "crypto/random.h"
#include "os/tss_load.h"

#include <string.h>

/* params: u8 version=1 | u32 pcrs | u16 n public | u16 n private; both as TPM 2.0 part 2 marshals TPM2B_PUBLIC and TPM2B_PRIVATE */
#define VERSION 1u
#define PART_MAX 512u /* of either; a sealed object of 32 bytes has about 90 and 180 */

struct link {
    struct tss tss;
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR parent, session, object; /* ESYS_TR_NONE: not there */
};

struct params {
    uint32_t pcrs;
    struct vl_span public, private;
};

static enum vl_err params_get(struct vl_span in, struct params *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct params p;
    uint8_t version = vl_read_u8(&r);
    p.pcrs = vl_read_u32(&r);
    p.public = vl_read_span(&r, vl_read_u16(&r));
    p.private = vl_read_span(&r, vl_read_u16(&r));
    if (vl_reader_end(&r) || version != VERSION || p.pcrs >> TPM_SEAL_PCRS || p.public.n == 0 || p.public.n > PART_MAX ||
        p.private.n == 0 || p.private.n > PART_MAX)
        return VL_EPARSE;
    *ret = p;
    return VL_OK;
}

enum vl_err tpm_params_pcrs(struct vl_span params, uint32_t *ret_pcrs) {
    struct params p;
    enum vl_err err = params_get(params, &p);
    if (err == VL_OK) *ret_pcrs = p.pcrs;
    return err;
}

/* ---- link ---- */

static void forget(struct link *l, ESYS_TR *object) {
    if (*object != ESYS_TR_NONE) (void)l->tss.Esys_FlushContext(l->esys, *object);
    *object = ESYS_TR_NONE;
}

static void hang_up(struct link *l) {
    if (l->esys) {
        forget(l, &l->object);
        forget(l, &l->session);
        forget(l, &l->parent);
        l->tss.Esys_Finalize(&l->esys);
    }
    if (l->tcti) l->tss.Tss2_TctiLdr_Finalize(&l->tcti);
    tss_unload(&l->tss);
}

static enum vl_err failed(TSS2_RC rc, const char *doing, struct vl_errmsg *msg) {
    return vl_errmsg_set(msg, VL_EIO, "the TPM failed when %s (0x%x)", doing, (unsigned)rc);
}

static const TPML_PCR_SELECTION no_pcrs = { .count = 0 };

static TPML_PCR_SELECTION selection(uint32_t pcrs) {
    return (TPML_PCR_SELECTION){ .count = 1,
                                 .pcrSelections[0] = { .hash = TPM2_ALG_SHA256,
                                                       .sizeofSelect = 3,
                                                       .pcrSelect = { (uint8_t)pcrs, (uint8_t)(pcrs >> 8), (uint8_t)(pcrs >> 16) } } };
}

/* The same key each time: it follows from the hierarchy's seed and this template. */
static enum vl_err parent_make(struct link *l, struct vl_errmsg *msg) {
    const TPM2B_SENSITIVE_CREATE sensitive = { .size = 0 };
    const TPM2B_DATA outside = { .size = 0 };
    const TPM2B_PUBLIC want = {
        .publicArea = { .type = TPM2_ALG_ECC,
                        .nameAlg = TPM2_ALG_SHA256,
                        .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                                            TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
                        .parameters.eccDetail = { .symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB },
                                                  .scheme.scheme = TPM2_ALG_NULL,
                                                  .curveID = TPM2_ECC_NIST_P256,
                                                  .kdf.scheme = TPM2_ALG_NULL } },
    };
    TSS2_RC rc = l->tss.Esys_CreatePrimary(l->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &want,
                                           &outside, &no_pcrs, &l->parent, NULL, NULL, NULL, NULL);
    return rc == TSS2_RC_SUCCESS ? VL_OK : failed(rc, "making a storage key", msg);
}

/* Salted with the storage key, so that what is sent and answered can be encrypted. */
static enum vl_err session_start(struct link *l, TPM2_SE type, struct vl_errmsg *msg) {
    const TPMT_SYM_DEF cipher = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };
    TSS2_RC rc = l->tss.Esys_StartAuthSession(l->esys, l->parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, type, &cipher,
                                              TPM2_ALG_SHA256, &l->session);
    if (rc == TSS2_RC_SUCCESS && type != TPM2_SE_TRIAL)
        rc = l->tss.Esys_TRSess_SetAttributes(l->esys, l->session, TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT,
                                              0xff);
    return rc == TSS2_RC_SUCCESS ? VL_OK : failed(rc, "starting a session", msg);
}

static enum vl_err dial(const char *tcti, struct link *ret, struct vl_errmsg *msg) {
    struct link *l = ret;
    *l = (struct link){ .parent = ESYS_TR_NONE, .session = ESYS_TR_NONE, .object = ESYS_TR_NONE };
    enum vl_err err = tss_load(&l->tss, msg);
    if (err) return err;
    TSS2_RC rc = l->tss.Tss2_TctiLdr_Initialize(tcti, &l->tcti);
    if (rc == TSS2_RC_SUCCESS) rc = l->tss.Esys_Initialize(&l->esys, l->tcti, NULL);
    if (rc != TSS2_RC_SUCCESS)
        return vl_errmsg_set(msg, VL_EUNSUPPORTED, "no TPM answers at %.100s (0x%x): is it there, and may this user open it (group tss)?",
                             tcti ? tcti : "the usual place", (unsigned)rc);
    return parent_make(l, msg);
}

/* ---- policy ---- */

static enum vl_err policy_now(struct link *l, uint32_t pcrs, TPM2B_DIGEST *ret, struct vl_errmsg *msg) {
    const TPM2B_DIGEST current = { .size = 0 };
    const TPML_PCR_SELECTION which = selection(pcrs);
    TPM2B_DIGEST *digest = NULL;
    enum vl_err err = session_start(l, TPM2_SE_TRIAL, msg);
    if (err) return err;
    TSS2_RC rc = l->tss.Esys_PolicyPCR(l->esys, l->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &current, &which);
    if (rc == TSS2_RC_SUCCESS)
        rc = l->tss.Esys_PolicyGetDigest(l->esys, l->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest);
    if (rc != TSS2_RC_SUCCESS) return failed(rc, "reading its PCRs", msg);
    *ret = *digest;
    l->tss.Esys_Free(digest);
    forget(l, &l->session);
    return VL_OK;
}

static enum vl_err params_put(const struct link *l, uint32_t pcrs, const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private, struct vl_buf *out) {
    uint8_t bytes[2][PART_MAX], all[9 + 2 * PART_MAX];
    size_t n[2] = { 0, 0 };
    if (l->tss.Tss2_MU_TPM2B_PUBLIC_Marshal(public, bytes[0], PART_MAX, &n[0]) != TSS2_RC_SUCCESS ||
        l->tss.Tss2_MU_TPM2B_PRIVATE_Marshal(private, bytes[1], PART_MAX, &n[1]) != TSS2_RC_SUCCESS)
        return VL_EIO;
    struct vl_writer w = vl_writer(all, sizeof all);
    vl_write_u8(&w, VERSION);
    vl_write_u32(&w, pcrs);
    for (int i = 0; i < 2; i++) {
        vl_write_u16(&w, (uint16_t)n[i]);
        vl_write_bytes(&w, bytes[i], n[i]);
    }
    return vl_buf_append(out, all, w.len);
}

enum vl_err tpm_seal(const char *tcti, uint32_t pcrs, const uint8_t key[TPM_SEAL_KEY], struct vl_buf *params, struct vl_errmsg *msg) {
    struct link l;
    TPM2B_SENSITIVE_CREATE sensitive = { .sensitive.data.size = TPM_SEAL_KEY };
    const TPM2B_DATA outside = { .size = 0 };
    TPM2B_PUBLIC want = { .publicArea = { .type = TPM2_ALG_KEYEDHASH,
                                          .nameAlg = TPM2_ALG_SHA256,
                                          .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA,
                                          .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL } };
    TPM2B_PUBLIC *public = NULL;
    TPM2B_PRIVATE *private = NULL;
    if (pcrs >> TPM_SEAL_PCRS) return vl_errmsg_set(msg, VL_ERANGE, "PCRs are numbered 0 to %u", TPM_SEAL_PCRS - 1);
    enum vl_err err = dial(tcti, &l, msg);
    if (err == VL_OK && pcrs)
        err = policy_now(&l, pcrs, &want.publicArea.authPolicy, msg); /* without USERWITHAUTH the policy is the only way */
    else
        want.publicArea.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
    if (err == VL_OK) err = session_start(&l, TPM2_SE_HMAC, msg);
    if (err == VL_OK) {
        memcpy(sensitive.sensitive.data.buffer, key, TPM_SEAL_KEY);
        TSS2_RC rc = l.tss.Esys_Create(l.esys, l.parent, l.session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &want, &outside, &no_pcrs,
                                       &private, &public, NULL, NULL, NULL);
        if (rc != TSS2_RC_SUCCESS) err = failed(rc, "sealing", msg);
    }
    crypto_wipe(&sensitive, sizeof sensitive);
    if (err == VL_OK && (err = params_put(&l, pcrs, public, private, params)))
        vl_errmsg_set(msg, err, "what the TPM sealed cannot be kept: %s", vl_err_text(err));
    if (public) l.tss.Esys_Free(public);
    if (private) l.tss.Esys_Free(private);
    hang_up(&l);
    return err;
}

static enum vl_err object_load(struct link *l, const struct params *p, struct vl_errmsg *msg) {
    TPM2B_PUBLIC public = { 0 };
    TPM2B_PRIVATE private = { 0 };
    size_t at = 0;
    bool whole = l->tss.Tss2_MU_TPM2B_PUBLIC_Unmarshal(p->public.p, p->public.n, &at, &public) == TSS2_RC_SUCCESS && at == p->public.n;
    at = 0;
    whole = whole && l->tss.Tss2_MU_TPM2B_PRIVATE_Unmarshal(p->private.p, p->private.n, &at, &private) == TSS2_RC_SUCCESS &&
            at == p->private.n;
    if (!whole) return vl_errmsg_set(msg, VL_EPARSE, "what the file says of its TPM cannot be read");
    TSS2_RC rc = l->tss.Esys_Load(l->esys, l->parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &private, &public, &l->object);
    if (rc == TSS2_RC_SUCCESS) return VL_OK;
    bool other = (rc & 0xff0000) == 0; /* it answered itself: the blob is none of its own */
    return other ? vl_errmsg_set(msg, VL_ECRYPTO, "this TPM did not seal the file, or was cleared since (0x%x): use the file's backup", (unsigned)rc)
                 : failed(rc, "loading what it sealed", msg);
}

enum vl_err tpm_unseal(const char *tcti, struct vl_span params, uint8_t ret_key[TPM_SEAL_KEY], struct vl_errmsg *msg) {
    struct link l;
    struct params p;
    const TPM2B_DIGEST current = { .size = 0 };
    TPM2B_SENSITIVE_DATA *data = NULL;
    if (params_get(params, &p)) return vl_errmsg_set(msg, VL_EPARSE, "what the file says of its TPM cannot be read");
    enum vl_err err = dial(tcti, &l, msg);
    if (err == VL_OK) err = object_load(&l, &p, msg);
    if (err == VL_OK) err = session_start(&l, p.pcrs ? TPM2_SE_POLICY : TPM2_SE_HMAC, msg);
    if (err == VL_OK && p.pcrs) {
        const TPML_PCR_SELECTION which = selection(p.pcrs);
        TSS2_RC rc = l.tss.Esys_PolicyPCR(l.esys, l.session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &current, &which);
        if (rc != TSS2_RC_SUCCESS) err = failed(rc, "reading its PCRs", msg);
    }
    if (err == VL_OK) {
        TSS2_RC rc = l.tss.Esys_Unseal(l.esys, l.object, l.session, ESYS_TR_NONE, ESYS_TR_NONE, &data);
        if (rc != TSS2_RC_SUCCESS)
            err = (rc & 0xbf) == TPM2_RC_POLICY_FAIL
                      ? vl_errmsg_set(msg, VL_EDENIED, "firmware or configuration of this machine changed since the file was sealed (its PCRs differ)")
                      : failed(rc, "unsealing", msg);
    }
    if (err == VL_OK && data->size != TPM_SEAL_KEY) err = vl_errmsg_set(msg, VL_EPARSE, "the TPM sealed something else");
    if (err == VL_OK) memcpy(ret_key, data->buffer, TPM_SEAL_KEY);
    if (data) {
        crypto_wipe(data, sizeof *data);
        l.tss.Esys_Free(data);
    }
    hang_up(&l);
    return err;
}
