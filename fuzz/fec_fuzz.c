/* The erasure code: shards from the input, any pattern of losses; what comes back must be what went in, and never
 * without k shards.  Source: src/mix/fec.c. */
#include "mix/fec.h"

#include <stdlib.h>
#include <string.h>

static void need(bool x) {
    if (!x) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    uint8_t *shard[FEC_SHARDS_MAX], *copy[FEC_SHARDS_MAX];
    bool have[FEC_SHARDS_MAX];
    if (n < 4) return 0;
    uint32_t k = p[0], total = p[1], there = 0;
    size_t size = p[2] % 80u;
    if (k < 1 || k > total) {
        need(fec_encode(k, total, 0, shard) == VL_ERANGE && fec_decode(k, total, 0, shard, have) == VL_ERANGE);
        return 0;
    }
    for (uint32_t i = 0; i < total; i++) {
        shard[i] = malloc(size + 1);
        copy[i] = malloc(size + 1);
        for (size_t b = 0; b < size; b++) shard[i][b] = (uint8_t)(p[3 + (i * size + b) % (n - 3)] + b + i);
        have[i] = p[3 + i / 8 % (n - 3)] >> i % 8 & 1;
        there += have[i];
    }
    need(fec_encode(k, total, size, shard) == VL_OK);
    for (uint32_t i = 0; i < total; i++) {
        memcpy(copy[i], shard[i], size);
        if (!have[i]) memset(shard[i], 0xaa, size);
    }
    enum vl_err err = fec_decode(k, total, size, shard, have);
    need(err == (there >= k ? VL_OK : VL_EAGAIN));
    for (uint32_t i = 0; i < total; i++) {
        if (have[i] || (i < k && err == VL_OK)) need(memcmp(copy[i], shard[i], size) == 0);
        free(shard[i]);
        free(copy[i]);
    }
    return 0;
}
