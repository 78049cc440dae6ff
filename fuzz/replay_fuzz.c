/* Any memory given to replay_open(): bytes as they come, the same with a header whose checksum is right, then a whole table
 * with some of its bytes changed.  What is
 * accepted must work: known tags stay known, the counts add up, nothing is touched outside. */
#include "crypto/hash.h"
#include "mix/replay_priv.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 50, SPARE = 64 };
static const uint8_t key_hash[32] = { 5 }, sip_key[16] = { 6 };

static void use(struct replay *r, const uint8_t *tags, size_t n) {
    struct replay_stats before = replay_stats(r);
    uint64_t fresh = 0;
    if (before.entries > before.capacity || before.stash > before.entries) abort();
    for (size_t i = 0; i + 16 <= n; i += 16) {
        replay_prefetch(r, (const uint8_t(*)[16])(tags + i), 1);
        enum vl_err err = replay_check(r, tags + i);
        if (err != VL_OK && err != VL_EREPLAY && err != VL_ELIMIT) abort();
        if (err == VL_ELIMIT && replay_check(r, tags + i) != VL_ELIMIT) abort();
        if (err != VL_ELIMIT && replay_check(r, tags + i) != VL_EREPLAY) abort();
        fresh += err == VL_OK;
    }
    struct replay_stats s = replay_stats(r);
    if (s.entries != before.entries + fresh || s.entries > s.capacity) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    size_t size = replay_size(CAPACITY);
    uint8_t *mem = aligned_alloc(64, size);
    struct replay *r;
    if (mem == NULL || n < 4) {
        free(mem);
        return 0;
    }
    memset(mem, 0, size);
    memcpy(mem, p, n < size ? n : size);
    if (replay_open(mem, size, key_hash, &r) == VL_OK) {
        use(r, p, n);
        replay_close(r);
    }
    struct replay_fixed *fixed = (struct replay_fixed *)(void *)mem;
    struct vl_hash check;
    fixed->magic = REPLAY_MAGIC;
    fixed->version = REPLAY_VERSION;
    if (p[0] & 1) fixed->stash = REPLAY_STASH;
    if (p[0] & 2) fixed->lines = (fixed->capacity + REPLAY_FILL - 1) / REPLAY_FILL;
    memcpy(fixed->key_hash, key_hash, 32);
    crypto_blake2b256(vl_span(fixed, offsetof(struct replay_fixed, check)), &check);
    memcpy(fixed->check, check.b, 32);
    if (replay_open(mem, size, key_hash, &r) == VL_OK) {
        use(r, p, n);
        replay_close(r);
    }
    memset(mem, 0, size);
    if (replay_create(mem, size, CAPACITY, key_hash, sip_key, &r) != VL_OK) abort();
    size_t tags = n / 2 & ~(size_t)15;
    use(r, p, tags);
    replay_close(r);
    for (size_t i = tags; i + 3 <= n; i += 3) mem[(p[i] | (size_t)p[i + 1] << 8) % size] ^= p[i + 2];
    if (replay_open(mem, size, key_hash, &r) == VL_OK) {
        use(r, p, n);
        struct replay_stats s = replay_stats(r);
        replay_close(r);
        if (replay_open(mem, size, key_hash, &r) != VL_OK || replay_stats(r).entries != s.entries) abort();
        replay_close(r);
    }
    free(mem);
    return 0;
}
