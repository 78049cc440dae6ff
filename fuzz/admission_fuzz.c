/* Policies of operators, folders of certificates, and answers of members under a policy: any bytes give an error or a verdict, and no
 * bytes that nobody signed are worth more than a node's own word. */
#include "trust/admission.h"
#include "trust/verify_attest.h"

#include <stdlib.h>
#include <string.h>

static const char policy[] = "{\"version\": 1, \"admit\": 300, \"grace_s\": 60, \"roots\": [{\"kind\": \"tpm\", \"key\": "
                             "\"0000000000000000000000000000000000000000000000000000000000000000\", \"anchor\": \"operator\"}]}";

static void of_policy(struct vl_span in) {
    struct admission *a = NULL, *again = NULL;
    struct vl_errmsg why = { "" };
    enum vl_err err = admission_create(in, NULL, 0, &a, &why);
    if (err != VL_OK && why.text[0] == '\0' && err != VL_ENOMEM) abort(); /* what is refused is refused in words */
    if (err == VL_OK && (admission_admit(a) > 1000 || admission_period_ms(a) < 60000)) abort();
    if (err == VL_OK && admission_reopen(admission_policy_bytes(a), admission_snapshot(a), &again) != VL_OK) abort();
    admission_destroy(a);
    admission_destroy(again);
    if (admission_reopen(vl_span(NULL, 0), in, &a) == VL_OK) admission_destroy(a);
}

static void of_answer(struct vl_span in) {
    struct attestation v[ATTESTATIONS_MAX];
    struct admission *a = NULL;
    struct admission_verdict found;
    struct vl_errmsg why;
    size_t n = 0;
    if (attestation_list_decode(in, v, &n) != VL_OK) return;
    if (admission_create(vl_span(policy, sizeof policy - 1), NULL, 0, &a, &why) != VL_OK) abort();
    struct admission_case c = { .nonce = { 1 }, .when = 1751328000000u, .number = 1, .answer = v, .n = n };
    admission_judge(a, &c, &found);
    if (found.result.level > ADMISSION_SELF || found.result.n != n || found.result.why[0] == '\0') abort();
    struct vl_buf out;
    vl_buf_init(&out, 4 * ATTESTED_BYTES_MAX);
    if (attested_encode(&found.result, &out) != VL_OK) abort();
    vl_buf_free(&out);
    admission_destroy(a);
}

static void of_artefact(struct vl_span in) {
    static struct verdict v;
    struct verify_query q = { .at_ms = 1751328000000u };
    verdict_begin(&v, "attestation");
    attest_artefact(in, &q, &v);
    if (v.proved) abort();
    verdict_begin(&v, "attested");
    attested_artefact(in, &q, &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct vl_span in = vl_span(data + 1, size - 1);
    if (data[0] % 3 == 0) of_policy(in);
    if (data[0] % 3 == 1) of_answer(in);
    if (data[0] % 3 == 2) of_artefact(in);
    return 0;
}
