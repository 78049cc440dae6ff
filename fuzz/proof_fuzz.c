/* Any artefact from a stranger: a verdict with a reason comes out, never a crash; what decodes encodes to the same bytes. */
#include "trust/anchor_artefact.h"
#include "trust/proof_execution.h"
#include "trust/proof_log.h"
#include "trust/verify.h"
#include "trust/zk_proof.h"

#include "wire/armor.h"

#include <stdlib.h>

static void same(enum vl_err err, struct vl_span in, const struct vl_buf *out) {
    if (err != VL_ENOMEM && (err != VL_OK || !vl_span_eq(in, vl_span(out->p, out->len)))) abort();
}

static void codecs(struct vl_span in) {
    static struct proof_execution e;
    static struct proof_consistency c;
    struct proof_contradiction d;
    struct vl_buf out;
    vl_buf_init(&out, 1u << 20);
    if (proof_execution_decode(in, &e) == VL_OK) same(proof_execution_encode(&e, &out), in, &out);
    vl_buf_clear(&out);
    if (proof_consistency_decode(in, &c) == VL_OK) same(proof_consistency_encode(&c, &out), in, &out);
    vl_buf_clear(&out);
    if (proof_contradiction_decode(in, &d) == VL_OK) same(proof_contradiction_encode(&d, &out), in, &out);
    vl_buf_free(&out);
}

/* No key of ours signed anything, so nothing of a village can be proved but what the input brings whole. */
static void judge(struct vl_span in) {
    static struct verdict v;
    struct verify_query q = { .at_ms = 1800000000000, .has_village = true, .has_signer = true, .has_file = true };
    verify_artefact(in, &q, &v);
    if (v.proved == (v.reason[0] != 0)) abort();
    if (!v.proved && (v.n_proves > 0 || v.whom[0] != 0)) abort();
    if (v.proved) abort(); /* a village of zeros has no key */
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const char *const label[] = { PROOF_EXECUTION_LABEL, PROOF_CONSISTENCY_LABEL, PROOF_CONTRADICTION_LABEL, VERIFY_CERTIFICATE_LABEL,
                                         ANCHOR_ARTEFACT_LABEL, ZK_ARTEFACT_LABEL, "VILLAGE CAKE", "VILLAGE ANCHORS" };
    struct vl_buf text;
    if (n == 0) return 0;
    struct vl_span in = vl_span(p + 1, n - 1);
    codecs(in);
    judge(in);
    vl_buf_init(&text, 2u << 20);
    if (armor_write(label[p[0] & 7], in, &text) == VL_OK) judge(vl_span(text.p, text.len));
    vl_buf_free(&text);
    return 0;
}
