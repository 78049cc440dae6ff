/* RFC 3161 answers from a stranger: read or refused, never proved without roots. */
#include "crypto/timestamp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct timestamp t;
    const char *why = NULL;
    bool readable = timestamp_read(vl_span(p, n), &t) == VL_OK;
    if (timestamp_check(vl_span(p, n), vl_span(NULL, 0), &t, &why) == VL_OK || why == NULL) abort();
    if (readable && !timestamp_is(vl_span(p, n))) abort();
    return 0;
}
