/* TPM 2.0: quotes by a key that never leaves it, over the PCRs of the machine's start and one that holds the program. */
#include "os/tee_tpm.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOT_PCRS 8u     /* 0..7: firmware, its settings, the loader, secure boot */
#define PROGRAM_PCR 23u  /* "application support": any program may reset it */
#define DIGEST 32u
#define TRIES 3u
#define QUOTE_MAGIC 0xff544347u
#define LOG "/sys/kernel/security/tpm0/binary_bios_measurements"

struct own {
    struct tss tss;
    char tcti[TEE_TCTI_MAX + TEE_PATH];
    bool has_program;
    uint8_t register_[DIGEST]; /* what PROGRAM_PCR then holds */
    uint8_t event[DIGEST];     /* what it is extended with */
};

static bool detect(const struct tee *t, struct tee_found *ret) {
    struct tss tss;
    struct tpm_link l = { 0 };
    struct vl_errmsg msg = { "" };
    char tcti[TEE_TCTI_MAX + TEE_PATH], maker[32];
    if (!t->has_tpm) {
        int err = 0, fd = tee_open(t, "/dev/tpmrm0", O_RDWR, &err);
        if (fd < 0) {
            ret->denied = tee_open_why(t, "/dev/tpmrm0", err,
                                       "no TPM 2.0, one that the firmware hides (look for TPM, fTPM or PTT in its setup), or a kernel without its driver",
                                       ret->why);
            return false;
        }
        close(fd);
    }
    enum vl_err err = tpm_tcti(t, tcti, &msg);
    if (err == VL_OK) err = tss_load(&tss, &msg);
    if (err == VL_OK) {
        err = tpm_dial(&tss, tcti, &l, &msg);
        if (err == VL_OK) err = tpm_maker(&l, maker, &msg);
        tpm_hang_up(&l);
        tss_unload(&tss);
    }
    if (err == VL_OK) snprintf(ret->why, sizeof ret->why, "TPM 2.0 of %s, by %.120s", maker, tcti);
    if (err != VL_OK) snprintf(ret->why, sizeof ret->why, "%.*s", (int)sizeof ret->why - 1, msg.text);
    return err == VL_OK;
}

static enum vl_err create(struct tee *t, struct vl_errmsg *msg) {
    struct own *o = calloc(1, sizeof *o);
    if (o == NULL) return vl_errmsg_set(msg, VL_ENOMEM, "out of memory");
    enum vl_err err = tpm_tcti(t, o->tcti, msg);
    if (err == VL_OK) err = tss_load(&o->tss, msg);
    if (err) {
        free(o);
        return err;
    }
    t->own = o;
    return VL_OK;
}

/* ---- the register of the program ---- */

static enum vl_err pcr_read(const struct tpm_link *l, unsigned from, unsigned n, uint8_t *dst, struct vl_errmsg *msg) {
    for (unsigned i = from; i < from + n; i++) { /* a TPM gives as many as it likes at once, and always one */
        TPML_PCR_SELECTION which = { .count = 1, .pcrSelections[0] = { .hash = TPM2_ALG_SHA256, .sizeofSelect = 3 } };
        TPML_DIGEST *values = NULL;
        which.pcrSelections[0].pcrSelect[i / 8] = (uint8_t)(1u << i % 8);
        TSS2_RC rc = l->tss->Esys_PCR_Read(l->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &which, NULL, NULL, &values);
        if (rc != TSS2_RC_SUCCESS) return tpm_failed(rc, "reading PCRs", msg);
        bool good = values->count == 1 && values->digests[0].size == DIGEST;
        if (good) memcpy(dst + (i - from) * DIGEST, values->digests[0].buffer, DIGEST);
        l->tss->Esys_Free(values);
        if (!good) return vl_errmsg_set(msg, VL_EUNSUPPORTED, "the TPM has no SHA-256 bank of PCRs; enable it in the firmware's setup");
    }
    return VL_OK;
}

static enum vl_err program_set(const struct tpm_link *l, const struct own *o, struct vl_errmsg *msg) {
    TPML_DIGEST_VALUES v = { .count = 1, .digests[0] = { .hashAlg = TPM2_ALG_SHA256 } };
    memcpy(v.digests[0].digest.sha256, o->event, DIGEST);
    TSS2_RC rc = l->tss->Esys_PCR_Reset(l->esys, PROGRAM_PCR, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);
    if (rc == TSS2_RC_SUCCESS) rc = l->tss->Esys_PCR_Extend(l->esys, PROGRAM_PCR, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &v);
    return rc == TSS2_RC_SUCCESS ? VL_OK : tpm_failed(rc, "measuring the program into PCR 23", msg);
}

static enum vl_err measure(struct tee *t, const uint8_t program[32], struct vl_errmsg *msg) {
    struct own *o = t->own;
    struct tpm_link l;
    uint8_t both[2 * DIGEST] = { 0 };
    crypto_sha256(vl_span(program, 32), o->event);
    memcpy(both + DIGEST, o->event, DIGEST);
    crypto_sha256(vl_span(both, sizeof both), o->register_);
    enum vl_err err = tpm_dial(&o->tss, o->tcti, &l, msg);
    if (err) return err;
    err = program_set(&l, o, msg);
    tpm_hang_up(&l);
    o->has_program = err == VL_OK;
    return err;
}

static void destroy(struct tee *t) {
    struct own *o = t->own;
    struct tpm_link l;
    struct vl_errmsg ignored;
    uint8_t now[DIGEST];
    if (o == NULL) return;
    if (o->has_program && tpm_dial(&o->tss, o->tcti, &l, &ignored) == VL_OK) {
        if (pcr_read(&l, PROGRAM_PCR, 1, now, &ignored) == VL_OK && memcmp(now, o->register_, DIGEST) == 0)
            (void)l.tss->Esys_PCR_Reset(l.esys, PROGRAM_PCR, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);
        tpm_hang_up(&l);
    }
    tss_unload(&o->tss);
    free(o);
}

/* ---- quotes ---- */

struct signed_quote {
    TPM2B_ATTEST *quoted;
    TPMT_SIGNATURE *signature;
    uint8_t pcrs[(BOOT_PCRS + 1) * DIGEST];
    size_t pcrs_n;
};

/* What is in it: our data and the digest of those PCRs. */
static bool quote_is(const struct signed_quote *q, const uint8_t data[DIGEST]) {
    uint8_t digest[DIGEST];
    struct vl_reader r = vl_reader(q->quoted->attestationData, q->quoted->size);
    bool magic = vl_read_u32(&r) == QUOTE_MAGIC && vl_read_u16(&r) == TPM2_ST_ATTEST_QUOTE;
    (void)vl_read_span(&r, vl_read_u16(&r)); /* signer */
    struct vl_span extra = vl_read_span(&r, vl_read_u16(&r));
    (void)vl_read_span(&r, 17 + 8); /* clock, firmware */
    (void)vl_read_u32(&r);          /* one bank */
    (void)vl_read_u16(&r);
    (void)vl_read_span(&r, vl_read_u8(&r));
    struct vl_span pcrs = vl_read_span(&r, vl_read_u16(&r));
    crypto_sha256(vl_span(q->pcrs, q->pcrs_n), digest);
    return magic && vl_reader_end(&r) == VL_OK && vl_span_eq(extra, vl_span(data, DIGEST)) && vl_span_eq(pcrs, vl_span(digest, DIGEST));
}

static enum vl_err pcrs_read(const struct tpm_link *l, const struct own *o, struct signed_quote *q, struct vl_errmsg *msg) {
    uint8_t *program = q->pcrs + BOOT_PCRS * DIGEST;
    q->pcrs_n = (BOOT_PCRS + (o->has_program ? 1u : 0u)) * DIGEST;
    enum vl_err err = pcr_read(l, 0, BOOT_PCRS, q->pcrs, msg);
    if (err || !o->has_program) return err;
    err = pcr_read(l, PROGRAM_PCR, 1, program, msg);
    if (err == VL_OK && memcmp(program, o->register_, DIGEST) != 0) { /* another context or program was there */
        err = program_set(l, o, msg);
        if (err == VL_OK) err = pcr_read(l, PROGRAM_PCR, 1, program, msg);
        if (err == VL_OK && memcmp(program, o->register_, DIGEST) != 0) err = VL_EAGAIN;
    }
    return err;
}

/* VL_EAGAIN: a PCR changed while we looked. */
static enum vl_err quote_once(const struct tpm_link *l, const struct own *o, ESYS_TR key, const uint8_t data[DIGEST], struct signed_quote *q,
                              struct vl_errmsg *msg) {
    const TPMT_SIG_SCHEME of_the_key = { .scheme = TPM2_ALG_NULL };
    TPML_PCR_SELECTION which = { .count = 1, .pcrSelections[0] = { .hash = TPM2_ALG_SHA256, .sizeofSelect = 3, .pcrSelect = { 0xff } } };
    TPM2B_DATA extra = { .size = DIGEST };
    if (o->has_program) which.pcrSelections[0].pcrSelect[PROGRAM_PCR / 8] = 1u << PROGRAM_PCR % 8;
    memcpy(extra.buffer, data, DIGEST);
    enum vl_err err = pcrs_read(l, o, q, msg);
    if (err) return err;
    TSS2_RC rc = l->tss->Esys_Quote(l->esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &extra, &of_the_key, &which, &q->quoted,
                                    &q->signature);
    if (rc != TSS2_RC_SUCCESS) return tpm_failed(rc, "signing the quote", msg);
    if (quote_is(q, data)) return VL_OK;
    l->tss->Esys_Free(q->quoted);
    l->tss->Esys_Free(q->signature);
    q->quoted = NULL;
    q->signature = NULL;
    return VL_EAGAIN;
}

static enum vl_err marshal(const struct tss *tss, const struct signed_quote *q, const TPM2B_PUBLIC *key, struct tee_evidence *ret) {
    uint8_t bytes[sizeof(TPMT_PUBLIC) + sizeof(TPMT_SIGNATURE)];
    size_t n = 0;
    enum vl_err err = vl_buf_append(&ret->evidence, q->quoted->attestationData, q->quoted->size);
    if (err == VL_OK && tss->Tss2_MU_TPMT_SIGNATURE_Marshal(q->signature, bytes, sizeof bytes, &n) != TSS2_RC_SUCCESS) err = VL_EPARSE;
    if (err == VL_OK) err = vl_buf_append(&ret->collateral[0], bytes, n);
    n = 0;
    if (err == VL_OK && tss->Tss2_MU_TPMT_PUBLIC_Marshal(&key->publicArea, bytes, sizeof bytes, &n) != TSS2_RC_SUCCESS) err = VL_EPARSE;
    if (err == VL_OK) err = vl_buf_append(&ret->collateral[1], bytes, n);
    return err ? err : vl_buf_append(&ret->collateral[2], q->pcrs, q->pcrs_n);
}

static enum vl_err quote(const struct tpm_link *l, const struct own *o, const uint8_t data[DIGEST], struct tee_evidence *ret,
                         struct vl_errmsg *msg) {
    ESYS_TR key = ESYS_TR_NONE;
    TPM2B_PUBLIC *public = NULL;
    struct signed_quote q = { 0 };
    enum vl_err err = tpm_attestation_key(l, &key, &public, msg);
    if (err) return err;
    err = VL_EAGAIN;
    for (unsigned i = 0; i < TRIES && err == VL_EAGAIN; i++) err = quote_once(l, o, key, data, &q, msg);
    if (err == VL_EAGAIN) vl_errmsg_set(msg, err, "PCRs of the TPM change while they are quoted: another program measures; try again");
    tpm_flush(l, &key);
    if (err == VL_OK) err = marshal(l->tss, &q, public, ret);
    l->tss->Esys_Free(public);
    if (q.quoted) l->tss->Esys_Free(q.quoted);
    if (q.signature) l->tss->Esys_Free(q.signature);
    return err;
}

/* The log of the machine's start, for a TPM that is the machine's.  Without it (it is root's to read) a verifier sees PCRs and not why
 * they are so. */
static void event_log(const struct tee *t, const struct own *o, struct vl_buf *out) {
    char path[TEE_PATH];
    if ((strncmp(o->tcti, "device:", 7) != 0 && t->root[0] == '\0') || !tee_path(t, LOG, path) || tee_read(path, out) != VL_OK) vl_buf_free(out);
}

static enum vl_err certificate(const struct tee *t, const struct tpm_link *l, struct vl_buf *out, struct vl_errmsg *msg) {
    if (!t->has_ek) return tpm_certificate(l, out, msg);
    enum vl_err err = tee_read(t->ek, out);
    return err ? vl_errmsg_set(msg, err, "the TPM's certificate %.150s cannot be read: %s", t->ek, vl_err_text(err)) : VL_OK;
}

static enum vl_err attest(struct tee *t, const uint8_t data[TEE_DATA], struct tee_evidence *ret, struct vl_errmsg *msg) {
    struct own *o = t->own;
    struct tpm_link l;
    uint8_t short_data[DIGEST];
    crypto_sha256(vl_span(data, TEE_DATA), short_data);
    enum vl_err err = tpm_dial(&o->tss, o->tcti, &l, msg);
    if (err) return err;
    err = quote(&l, o, short_data, ret, msg);
    if (err == VL_OK) err = certificate(t, &l, &ret->leaf, msg);
    if (err == VL_OK) event_log(t, o, &ret->collateral[3]);
    tpm_hang_up(&l);
    return err;
}

/* ---- credentials ---- */

static bool take(struct vl_reader *r, uint8_t *dst, size_t cap, uint16_t *ret_n) {
    uint16_t n = vl_read_u16(r);
    if (r->failed || n == 0 || n > cap) {
        r->failed = true;
        return false;
    }
    vl_read_bytes(r, dst, n);
    *ret_n = n;
    return !r->failed;
}

static enum vl_err activate(const struct tpm_link *l, ESYS_TR attestation, ESYS_TR endorsement, const TPM2B_ID_OBJECT *credential,
                            const TPM2B_ENCRYPTED_SECRET *secret, TPM2B_DIGEST **ret, struct vl_errmsg *msg) {
    const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
    ESYS_TR policy = ESYS_TR_NONE;
    TSS2_RC rc = l->tss->Esys_StartAuthSession(l->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
                                               TPM2_SE_POLICY, &none, TPM2_ALG_SHA256, &policy);
    if (rc == TSS2_RC_SUCCESS)
        rc = l->tss->Esys_PolicySecret(l->esys, ESYS_TR_RH_ENDORSEMENT, policy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0,
                                       NULL, NULL);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_flush(l, &policy);
        return tpm_failed(rc, "using the endorsement key", msg);
    }
    rc = l->tss->Esys_ActivateCredential(l->esys, attestation, endorsement, ESYS_TR_PASSWORD, policy, ESYS_TR_NONE, credential, secret, ret);
    tpm_flush(l, &policy);
    if (rc == TSS2_RC_SUCCESS) return VL_OK;
    /* About a parameter: sizes, padding, integrity.  libtpms says FAILURE of padding that is wrong; a TPM that had failed would have
     * said so before. */
    if ((rc & TPM2_RC_FMT1) != 0 || rc == TPM2_RC_FAILURE)
        return vl_errmsg_set(msg, VL_ECRYPTO, "the credential was made for another TPM or another attestation key (code 0x%x)", (unsigned)rc);
    return tpm_failed(rc, "opening the credential", msg);
}

static enum vl_err credential(struct tee *t, struct vl_span in, uint8_t *ret, size_t *ret_n, struct vl_errmsg *msg) {
    struct own *o = t->own;
    struct tpm_link l;
    TPM2B_ID_OBJECT object = { .size = 0 };
    TPM2B_ENCRYPTED_SECRET secret = { .size = 0 };
    TPM2B_DIGEST *found = NULL;
    TPM2B_PUBLIC *public = NULL;
    ESYS_TR attestation = ESYS_TR_NONE, endorsement = ESYS_TR_NONE;
    bool made = false;
    struct vl_reader r = vl_reader(in.p, in.n);
    if (!take(&r, object.credential, sizeof object.credential, &object.size) || !take(&r, secret.secret, sizeof secret.secret, &secret.size) ||
        vl_reader_end(&r) != VL_OK)
        return vl_errmsg_set(msg, VL_EPARSE, "a malformed credential: %zu bytes", in.n);
    enum vl_err err = tpm_dial(&o->tss, o->tcti, &l, msg);
    if (err) return err;
    err = tpm_attestation_key(&l, &attestation, &public, msg);
    if (err == VL_OK) err = tpm_endorsement_key(&l, &endorsement, &made, msg);
    if (err == VL_OK) err = activate(&l, attestation, endorsement, &object, &secret, &found, msg);
    if (err == VL_OK && (found->size == 0 || found->size > TEE_SECRET_MAX)) err = vl_errmsg_set(msg, VL_EPARSE, "an empty credential");
    if (err == VL_OK) {
        memcpy(ret, found->buffer, found->size);
        *ret_n = found->size;
    }
    if (found) {
        crypto_wipe(found, sizeof *found);
        l.tss->Esys_Free(found);
    }
    if (public) l.tss->Esys_Free(public);
    tpm_flush(&l, &attestation);
    if (made) tpm_flush(&l, &endorsement);
    tpm_hang_up(&l);
    return err;
}

const struct tee_provider tee_tpm = { .name = "tpm",
                                      .what = "TPM 2.0, by tpm2-tss",
                                      .kind = TEE_KIND_TPM,
                                      .automatic = true,
                                      .detect = detect,
                                      .create = create,
                                      .destroy = destroy,
                                      .measure = measure,
                                      .attest = attest,
                                      .credential = credential };
