#include "os/tpm_seal.h"

#include "crypto/random.h"
#include "os/tss_load.h"

#include "check.h"
#include "swtpm.h"

#include <string.h>

static const uint8_t secret[TPM_SEAL_KEY] = { 9, 8, 7, 6, 5 };

TEST(tpm, gives_back_what_it_sealed_and_another_tpm_does_not) {
    struct swtpm one, two;
    struct vl_buf params;
    struct vl_errmsg msg = { "" };
    uint8_t got[TPM_SEAL_KEY] = { 0 };
    uint32_t pcrs = 1;
    if (!swtpm_begin(&one)) SKIP(SWTPM_ABSENT);
    vl_buf_init(&params, 2048);
    CHECK_OK(tpm_seal(one.tcti, 0, secret, &params, &msg));
    CHECK_OK(tpm_params_pcrs(vl_span(params.p, params.len), &pcrs));
    CHECK_EQ(0, pcrs);
    CHECK(params.len > TPM_SEAL_KEY && memmem(params.p, params.len, secret, sizeof secret) == NULL);
    CHECK_OK(tpm_unseal(one.tcti, vl_span(params.p, params.len), got, &msg));
    CHECK_MEM(secret, got, sizeof got);
    swtpm_stop(&one);
    swtpm_start(&one); /* nothing is kept in the TPM: it survives a power failure */
    memset(got, 0, sizeof got);
    CHECK_OK(tpm_unseal(one.tcti, vl_span(params.p, params.len), got, &msg));
    CHECK_MEM(secret, got, sizeof got);
    CHECK(swtpm_begin(&two));
    memset(got, 0, sizeof got);
    CHECK_EQ(VL_ECRYPTO, tpm_unseal(two.tcti, vl_span(params.p, params.len), got, &msg));
    CHECK_EQ(0, got[0]);
    swtpm_end(&two);
    vl_buf_free(&params);
    swtpm_end(&one);
}

static void extend(const char *tcti, uint32_t pcr) {
    struct tss t;
    struct vl_errmsg msg = { "" };
    TSS2_TCTI_CONTEXT *link = NULL;
    ESYS_CONTEXT *esys = NULL;
    CHECK_OK(tss_load(&t, &msg));
    CHECK_EQ(0, t.Tss2_TctiLdr_Initialize(tcti, &link));
    CHECK_EQ(0, t.Esys_Initialize(&esys, link, NULL));
    const TPML_DIGEST_VALUES v = { .count = 1, .digests[0] = { .hashAlg = TPM2_ALG_SHA256, .digest.sha256 = { 1 } } };
    CHECK_EQ(0, t.Esys_PCR_Extend(esys, pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &v));
    t.Esys_Finalize(&esys);
    t.Tss2_TctiLdr_Finalize(&link);
    tss_unload(&t);
}

TEST(tpm, gives_nothing_back_once_a_pcr_it_was_bound_to_has_changed) {
    struct swtpm s;
    struct vl_buf params;
    struct vl_errmsg msg = { "" };
    uint8_t got[TPM_SEAL_KEY] = { 0 };
    uint32_t pcrs = 0;
    if (!swtpm_begin(&s)) SKIP(SWTPM_ABSENT);
    vl_buf_init(&params, 2048);
    CHECK_EQ(VL_ERANGE, tpm_seal(s.tcti, 1u << 24, secret, &params, &msg));
    CHECK_OK(tpm_seal(s.tcti, 1u << 7 | 1u << 16, secret, &params, &msg));
    CHECK_OK(tpm_params_pcrs(vl_span(params.p, params.len), &pcrs));
    CHECK_EQ(1u << 7 | 1u << 16, pcrs);
    CHECK_OK(tpm_unseal(s.tcti, vl_span(params.p, params.len), got, &msg));
    CHECK_MEM(secret, got, sizeof got);
    extend(s.tcti, 8); /* another one */
    CHECK_OK(tpm_unseal(s.tcti, vl_span(params.p, params.len), got, &msg));
    extend(s.tcti, 16);
    memset(got, 0, sizeof got);
    CHECK_EQ(VL_EDENIED, tpm_unseal(s.tcti, vl_span(params.p, params.len), got, &msg));
    CHECK_EQ(0, got[0]);
    /* the mask in the file is what the owner reads, not what the TPM goes by */
    vl_put_u32(params.p + 1, 1u << 8);
    CHECK_EQ(VL_EDENIED, tpm_unseal(s.tcti, vl_span(params.p, params.len), got, &msg));
    vl_put_u32(params.p + 1, 0);
    CHECK(tpm_unseal(s.tcti, vl_span(params.p, params.len), got, &msg) != VL_OK);
    CHECK_EQ(0, got[0]);
    vl_buf_free(&params);
    swtpm_end(&s);
}

TEST(tpm, refuses_parameters_that_it_did_not_write) {
    struct swtpm s;
    struct vl_buf params;
    struct vl_errmsg msg = { "" };
    uint8_t got[TPM_SEAL_KEY] = { 0 };
    uint32_t pcrs = 0;
    CHECK_EQ(VL_EPARSE, tpm_params_pcrs(vl_span("", 0), &pcrs));
    CHECK_EQ(VL_EUNSUPPORTED, tpm_seal("swtpm:host=127.0.0.1,port=1", 0, secret, &params, &msg));
    CHECK(strstr(msg.text, "no TPM answers") != NULL);
    if (!swtpm_begin(&s)) SKIP(SWTPM_ABSENT);
    vl_buf_init(&params, 2048);
    CHECK_OK(tpm_seal(s.tcti, 0, secret, &params, &msg));
    for (size_t i = 0; i < params.len; i++) CHECK_EQ(VL_EPARSE, tpm_params_pcrs(vl_span(params.p, i), &pcrs));
    for (size_t i = 0; i < params.len; i += 7) {
        params.p[i] ^= 0x20;
        CHECK(tpm_unseal(s.tcti, vl_span(params.p, params.len), got, &msg) != VL_OK);
        params.p[i] ^= 0x20;
    }
    CHECK_EQ(0, got[0]);
    vl_buf_free(&params);
    swtpm_end(&s);
}
