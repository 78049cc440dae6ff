#include "trust/attest_bind.h"

#include "crypto/hash.h"

#include <assert.h>
#include <string.h>

#define JOB_TAG "village-attest-job-v1"

static bool zero(const uint8_t *p, size_t n) {
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

void attest_bind(const struct attestation *a, uint8_t ret[ATTEST_DATA]) {
    uint8_t nonce[32], text[sizeof JOB_TAG - 1 + 32 + 16 + 32];
    memcpy(nonce, a->nonce, sizeof nonce);
    if (!zero(a->job.b, sizeof a->job.b) || !zero(a->program, sizeof a->program)) {
        struct vl_writer w = vl_writer(text, sizeof text);
        vl_write_bytes(&w, JOB_TAG, sizeof JOB_TAG - 1);
        vl_write_bytes(&w, a->nonce, sizeof a->nonce);
        vl_write_bytes(&w, a->job.b, sizeof a->job.b);
        vl_write_bytes(&w, a->program, sizeof a->program);
        assert(!w.failed);
        crypto_sha256(vl_span(text, w.len), nonce);
    }
    attest_report_data(vl_span(nonce, sizeof nonce), a->node.b, a->binding, ret);
}

size_t attest_bind_form(enum attest_kind kind, const uint8_t report_data[ATTEST_DATA], uint8_t ret[ATTEST_DATA]) {
    memset(ret, 0, ATTEST_DATA);
    if (kind == ATTEST_TPM || kind == ATTEST_AZURE || kind == ATTEST_NVIDIA) {
        crypto_sha256(vl_span(report_data, ATTEST_DATA), ret);
        return 32;
    }
    memcpy(ret, report_data, ATTEST_DATA);
    return ATTEST_DATA;
}
