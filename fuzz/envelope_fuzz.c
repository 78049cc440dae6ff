/* Decoders of wire/envelope and wire/blob: what is accepted must encode to the same bytes. */
#include "wire/blob.h"
#include "wire/envelope.h"

#include <stdlib.h>
#include <string.h>

static void same(const struct vl_buf *w, struct vl_span in) {
    if (w->len != in.n || (in.n != 0 && memcmp(w->p, in.p, in.n) != 0)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct vl_span in = vl_span(p, n), body;
    struct envelope_body b;
    struct envelope e;
    struct envelope_ack a;
    struct wire_blob m;
    uint8_t sig[ENVELOPE_SIGNATURE];
    struct vl_buf w;
    vl_buf_init(&w, ENVELOPE_MAX);
    if (envelope_body_decode(in, &b) == VL_OK) {
        if (envelope_body_encode(&b, &w) != VL_OK) abort();
        same(&w, in);
    }
    vl_buf_clear(&w);
    if (envelope_decode(in, &e) == VL_OK) {
        if (envelope_encode(&e, &w) != VL_OK) abort();
        same(&w, in);
        (void)!envelope_body_decode(e.body, &b);
    }
    vl_buf_clear(&w);
    if (envelope_ack_decode(in, &body, sig) == VL_OK) {
        if (envelope_ack_encode(body, sig, &w) != VL_OK) abort();
        same(&w, in);
        (void)!envelope_ack_body_decode(body, &a);
    }
    vl_buf_clear(&w);
    if (envelope_ack_body_decode(in, &a) == VL_OK) {
        if (envelope_ack_body_encode(&a, &w) != VL_OK) abort();
        same(&w, in);
    }
    vl_buf_clear(&w);
    if (wire_blob_decode(in, &m) == VL_OK) {
        if (wire_blob_encode_head(&m, &w) != VL_OK) abort();
        if (m.kind == WIRE_BLOB_CHUNK && vl_buf_append(&w, m.data.p, m.data.n) != VL_OK) w.len = 0;
        if (in.n <= ENVELOPE_MAX) same(&w, in);
    }
    vl_buf_free(&w);
    return 0;
}
