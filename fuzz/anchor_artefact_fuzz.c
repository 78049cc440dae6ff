/* Anchors as files: one encoding for each, any bytes give a verdict with words, and nothing is shown of another block than the one trusted. */
#include "trust/anchor_artefact.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct vl_span in = vl_span(p, n);
    struct anchor_artefact a;
    struct anchor_shown s;
    struct vl_hash never = { { 0 } };
    struct vl_buf out;
    enum anchor_verdict v = anchor_artefact_check(in, NULL, &s);
    if (anchor_verdict_text(v)[0] == '\0' || s.block_trusted) abort();
    if (anchor_artefact_check(in, &never, &s) == ANCHOR_SHOWN) abort(); /* no header has this hash */
    bool read = anchor_artefact_decode(in, &a) == VL_OK;
    if (read != (v != ANCHOR_UNREADABLE)) abort();
    if (!read) return 0;
    vl_buf_init(&out, ANCHOR_ARTEFACT_MAX);
    if (anchor_artefact_encode(&a, &out) != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len))) abort();
    vl_buf_free(&out);
    return 0;
}
