/* Boot logs from strangers, in the three banks. */
#include "trust/tpm_eventlog.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const uint16_t banks[] = { TPM_SHA1, TPM_SHA256, TPM_SHA384, 0x000d };
    struct tpm_replay r;
    for (size_t i = 0; i < 4; i++)
        if (tpm_eventlog_replay(vl_span(p, n), banks[i], &r) &&
            (i == 3 || r.events > TPM_EVENTS_MAX || r.extended >> TPM_PCRS != 0))
            abort();
    return 0;
}
