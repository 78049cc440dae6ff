/* Messages between node and runner: what decodes must encode again to the same bytes. */
#include "sandbox/request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static uint8_t out[SANDBOX_MESSAGE_MAX];
    static struct sandbox_request q;
    static struct sandbox_event ev;
    size_t len = 0;
    if (n > sizeof out) return 0;
    if (sandbox_request_decode(vl_span(p, n), &q) == VL_OK)
        if (sandbox_request_encode(&q, out, sizeof out, &len) || len != n || memcmp(out, p, n) != 0) abort();
    if (sandbox_event_decode(vl_span(p, n), &ev) == VL_OK)
        if (sandbox_event_encode(&ev, out, sizeof out, &len) || len != n || memcmp(out, p, n) != 0) abort();
    return 0;
}
