/* JSON read in place: what is taken can be walked, and every span lies in the text. */
#include "trust/json.h"

#include <stdlib.h>

static void inside(struct vl_span v, const uint8_t *p, size_t n) {
    if (v.p < p || v.p + v.n > p + n) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct vl_span v, one, text;
    uint8_t bytes[4];
    uint64_t x;
    struct vl_span raw = vl_span(p, n), again;
    (void)jspan_member(raw, "a", &v); /* safe on what was not read before, too */
    (void)jspan_next(&raw, &v);
    if (!jspan_read(vl_span(p, n), &v)) return 0;
    inside(v, p, n);
    if (!jspan_read(v, &again) || again.p != v.p || again.n != v.n) abort();
    if (jspan_text(v, &text)) inside(text, p, n);
    (void)jspan_uint(v, &x);
    (void)jspan_hex(v, bytes, sizeof bytes);
    if (jspan_member(v, "a", &one)) inside(one, p, n);
    for (size_t i = 0; jspan_next(&v, &one); i++) {
        inside(one, p, n);
        if (i > n) abort();
    }
    return 0;
}
