/* Messages and records of jobs submitted at members: what decodes encodes to the same bytes.  First byte: which. */
#include "wire/remote.h"

#include <stdlib.h>

#define SAME(type, name)                                                                                               \
    do {                                                                                                               \
        type m;                                                                                                        \
        if (name##_decode(in, &m) == VL_OK &&                                                                          \
            (name##_encode(&m, &out) != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len))))                            \
            abort();                                                                                                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct vl_buf out;
    if (n == 0) return 0;
    struct vl_span in = vl_span(p + 1, n - 1);
    vl_buf_init(&out, VL_MESSAGE_MAX);
    switch (p[0] % 7) {
    case 0:
        SAME(struct remote_submit, remote_submit);
        break;
    case 1:
        SAME(struct remote_data, remote_data);
        break;
    case 2:
        SAME(struct remote_missing, remote_missing);
        break;
    case 3:
        SAME(struct remote_news, remote_news);
        break;
    case 4:
        SAME(struct remote_task, remote_task);
        break;
    case 5:
        SAME(struct remote_cancel, remote_cancel);
        break;
    case 6:
        SAME(struct remote_record, remote_record);
        break;
    }
    vl_buf_free(&out);
    return 0;
}
