/* What hardware and its services answer, and what a stranger gives a verifier to wrap a secret for: any bytes.  What is borrowed lies within
 * the input, what is appended within its bounds, and an error leaves nothing. */
#include "os/tee_priv.h"
#include "trust/tpm_credential.h"

#include <stdlib.h>
#include <string.h>

static void within(struct vl_span part, const uint8_t *data, size_t size) {
    if (part.n > size || (part.n > 0 && (part.p < data || part.p + part.n > data + size))) abort();
}

static void certificates(const uint8_t *data, size_t size) {
    struct vl_buf leaf, issuers;
    vl_buf_init(&leaf, ATTESTATION_LEAF_MAX);
    vl_buf_init(&issuers, ATTESTATION_CERTIFICATES_MAX);
    for (unsigned vlek = 0; vlek < 2; vlek++) (void)!tee_snp_certificates(vl_span(data, size), vlek, &leaf, &issuers);
    vl_buf_free(&leaf);
    vl_buf_free(&issuers);
}

static void answers(const uint8_t *data, size_t size) {
    struct vl_span got = { 0 };
    char word[32] = "?";
    uint32_t code = 0;
    enum vl_err err = tee_nsm_answer(vl_span(data, size), &got, word);
    if (err == VL_OK) within(got, data, size);
    if (err == VL_EDENIED && (word[0] == '\0' || memchr(word, '\0', sizeof word) == NULL)) abort();
    got = (struct vl_span){ 0 };
    err = tee_qgs_answer(vl_span(data, size), &got, &code);
    if (err == VL_OK) within(got, data, size);
    if (err == VL_EDENIED && code == 0) abort();
    if (tee_der_length(vl_span(data, size)) > size) abort();
    for (uint8_t kind = 0; kind < 12; kind++) within(tee_report_data(kind, vl_span(data, size)), data, size);
}

static void credential(const uint8_t *data, size_t size) {
    static const uint8_t random[TPM_CREDENTIAL_RANDOM], secret[TPM_SECRET];
    uint8_t name[TPM_NAME_MAX];
    size_t n = 0, cut = size > 0 ? data[0] % (size < 60 ? size : 60) : 0;
    struct vl_buf out;
    vl_buf_init(&out, TPM_CREDENTIAL_MAX);
    if (tpm_name(vl_span(data, size), name, &n) == VL_OK && (n < 22 || n > TPM_NAME_MAX)) abort();
    enum vl_err err = tpm_credential_make(vl_span(data + cut, size - cut), vl_span(data, cut), secret, random, &out);
    if ((err == VL_OK) != (out.len > 0)) abort();
    vl_buf_clear(&out);
    if (n > 0) err = tpm_credential_make(vl_span(data, size), vl_span(name, n), secret, random, &out);
    (void)tpm_credential_answered(secret, vl_span(data, size));
    vl_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 65536) return 0;
    certificates(data, size);
    answers(data, size);
    credential(data, size);
    return 0;
}
