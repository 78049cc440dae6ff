/* Evidence and results from members, rows from the disk, files of people: what is decoded encodes to the same bytes. */
#include "wire/attestation.h"

#include <stdlib.h>
#include <string.h>

static void same(enum vl_err err, const struct vl_buf *out, const uint8_t *data, size_t size) {
    if (err != VL_OK || out->len != size || memcmp(out->p, data, size) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct attestation one, list[ATTESTATIONS_MAX];
    struct attestation_ask ask;
    struct attestation_part part;
    struct attestation_credential credential;
    struct attested result;
    size_t n = 0;
    struct vl_span in = vl_span(data, size);
    struct vl_buf out;
    vl_buf_init(&out, 2 * ATTESTATION_LIST_MAX);
    if (attestation_decode(in, &one) == VL_OK) same(attestation_encode(&one, &out), &out, data, size);
    vl_buf_clear(&out);
    if (attestation_list_decode(in, list, &n) == VL_OK) same(attestation_list_encode(list, n, &out), &out, data, size);
    vl_buf_clear(&out);
    if (attestation_ask_decode(in, &ask) == VL_OK) same(attestation_ask_encode(&ask, &out), &out, data, size);
    vl_buf_clear(&out);
    if (attestation_part_decode(in, &part) == VL_OK) same(attestation_part_encode(&part, &out), &out, data, size);
    vl_buf_clear(&out);
    if (attestation_credential_decode(in, &credential) == VL_OK)
        same(attestation_credential_encode(&credential, &out), &out, data, size);
    vl_buf_clear(&out);
    if (attested_decode(in, &result) == VL_OK) same(attested_encode(&result, &out), &out, data, size);
    vl_buf_free(&out);
    return 0;
}
