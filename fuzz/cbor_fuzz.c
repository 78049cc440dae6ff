/* CBOR and COSE from strangers: what is taken can be walked to its end, and every part lies inside the input. */
#include "trust/cbor.h"

#include <stdlib.h>

static size_t walk(const struct cbor_item *item, struct vl_span input, unsigned depth) {
    size_t n = 1;
    struct vl_span rest = item->body;
    struct cbor_item one;
    if (depth > CBOR_DEPTH) abort();
    if (item->body.n > 0 && (item->body.p < input.p || item->body.p + item->body.n > input.p + input.n)) abort();
    if (item->major != CBOR_ARRAY && item->major != CBOR_MAP && item->major != CBOR_TAG) return n;
    while (cbor_next(&rest, &one)) n += walk(&one, input, depth + 1);
    if (rest.n != 0) abort();
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct vl_span input = vl_span(p, n);
    struct cbor_item top, v;
    struct cose_sign1 cose;
    if (cbor_read(input, &top)) {
        if (walk(&top, input, 0) > n) abort();
        (void)cbor_at(&top, 1, &v);
        (void)cbor_at_text(&top, "pcrs", &v);
    }
    if (cose_read(input, &cose) && (cose.payload.n == 0 || cose.signature.n < 64)) abort();
    return 0;
}
