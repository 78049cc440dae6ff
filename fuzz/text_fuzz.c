/* Base58, base32, hex, peer ids, job ids: what is decoded encodes to the same text again. */
#include "base/text.h"
#include "crypto/node_id.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    char s[300], again[512];
    uint8_t raw[256];
    size_t raw_n = 0;
    if (n >= sizeof s) return 0;
    memcpy(s, p, n);
    s[n] = '\0';
    if (vl_base58_decode(s, raw, sizeof raw, &raw_n) == VL_OK && raw_n <= 128 &&
        (vl_base58_encode(raw, raw_n, again, sizeof again) != VL_OK || strcmp(s, again) != 0))
        abort();
    if (vl_base32_decode(s, raw, sizeof raw, &raw_n) == VL_OK) {
        vl_base32_encode(raw, raw_n, again);
        if (strcasecmp(s, again) != 0) abort();
    }
    struct vl_node_id node;
    if (node_id_parse(s, &node) == VL_OK) {
        node_id_format(node, again);
        if (strcmp(s, again) != 0) abort();
    }
    struct vl_job_id job;
    if (job_id_parse(s, &job) == VL_OK) {
        job_id_format(job, again);
        if (strcmp(s, again) != 0) abort();
    }
    struct vl_hash hash;
    if (hash_parse(s, &hash) == VL_OK) {
        hash_format(hash, again);
        if (strcmp(s, again) != 0) abort();
    }
    return 0;
}
