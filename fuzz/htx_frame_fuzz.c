/* Frames, in records and bare: whatever is accepted encodes to the same bytes.
 * Sources: src/net/htx_frame.c, src/base. */
#include "net/htx_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static uint8_t out[VL_FRAME_MAX];
    struct htx_frame f;
    size_t len = 0, again = 0;
    for (size_t at = 0; at < n; at += len) {
        if (htx_frame_read(vl_span(p + at, n - at), &f, &len) != VL_OK) break;
        if (len < HTX_HEADER || len > n - at || f.payload.n != len - HTX_HEADER) abort();
        htx_frame_put_header(out, &f);
        if (memcmp(out, p + at, HTX_HEADER) != 0) abort();
    }
    if (n >= HTX_HEADER + HTX_CRC && n <= VL_FRAME_MAX && n != 0 &&
        p[n - 1] & 1) { /* so that checksums can be passed */
        memcpy(out, p, n);
        vl_put_u32(out + n - HTX_CRC, htx_crc32(out, n - HTX_CRC));
        if (htx_frame_decode_bare(vl_span(out, n), &f, &len) == VL_OK && len > n) abort();
    }
    if (htx_frame_decode_bare(vl_span(p, n), &f, &len) == VL_OK) {
        if (htx_frame_encode_bare(&f, out, sizeof out, &again) != VL_OK || again != len || memcmp(out, p, len) != 0)
            abort();
    }
    return 0;
}
