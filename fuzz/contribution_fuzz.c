/* Sessions from members, rows from the disk: what is decoded encodes to the same bytes. */
#include "wire/contribution.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct contribution c;
    struct contribution_row row;
    struct vl_buf out;
    vl_buf_init(&out, CONTRIBUTION_RECORD_MAX);
    if (contribution_decode(vl_span(data, size), &c) == VL_OK &&
        (contribution_encode(&c, &out) != VL_OK || out.len != size || memcmp(out.p, data, size) != 0))
        abort();
    vl_buf_clear(&out);
    if (contribution_row_decode(vl_span(data, size), &row) == VL_OK &&
        (contribution_row_encode(&row, &out) != VL_OK || out.len != size || memcmp(out.p, data, size) != 0))
        abort();
    vl_buf_free(&out);
    return 0;
}
