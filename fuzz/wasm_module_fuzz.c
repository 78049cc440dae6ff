/* The module check and the copy without custom sections on any bytes; what passes once must pass again when stripped. */
#include "sandbox/module.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct module_info info, again;
    struct vl_errmsg why;
    struct vl_buf out;
    if (module_check(vl_span(p, n), &info, &why)) return 0;
    vl_buf_init(&out, n);
    if (module_strip(vl_span(p, n), &out) || out.len > n) abort();
    if (module_check(vl_span(out.p, out.len), &again, &why) || again.functions != info.functions) abort();
    vl_buf_free(&out);
    return 0;
}
