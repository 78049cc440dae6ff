/* Heads and answers of witnesses, and notes with cosignatures, from a stranger. */
#include "crypto/cosign.h"
#include "wire/witness.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const uint8_t nobody[32] = { 1 };
    static struct cosign_note note;
    struct vl_span in = vl_span(p, n);
    struct witness_head head;
    struct witness_answer answer;
    struct vl_buf out;
    vl_buf_init(&out, 1u << 16);
    if (witness_head_decode(in, &head) == VL_OK && (witness_head_encode(&head, &out) != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len)))) abort();
    vl_buf_clear(&out);
    if (witness_answer_decode(in, &answer) == VL_OK && (witness_answer_encode(&answer, &out) != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len)))) abort();
    vl_buf_free(&out);
    if (cosign_open(in, nobody, &note) == VL_OK) abort(); /* nobody signs */
    return 0;
}
