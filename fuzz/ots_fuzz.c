/* OpenTimestamps files from a stranger: what is taken can be written again from its digest and timestamp. */
#include "trust/ots.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    enum { HEAD = 65 };
    static struct ots o;
    struct vl_buf out;
    if (ots_parse(vl_span(p, n), &o) != VL_OK) return 0;
    for (uint32_t i = 0; i < o.n; i++)
        if (!o.at[i].computed && o.at[i].message_n != 0) abort();
    vl_buf_init(&out, OTS_FILE_MAX + HEAD);
    enum vl_err err = ots_write(o.digest, vl_span(p + HEAD, n - HEAD), &out);
    if (err != VL_ENOMEM && err != VL_ELIMIT && (err != VL_OK || !vl_span_eq(vl_span(p, n), vl_span(out.p, out.len)))) abort();
    vl_buf_free(&out);
    return 0;
}
