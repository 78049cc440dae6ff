/* Heads of a log, its open tiles, and proofs from a stranger.  First byte: what the rest is. */
#include "trust/merkle_log.h"

#include <stdlib.h>
#include <string.h>

static void log_bytes(struct vl_span in) {
    static struct merkle_log l;
    struct vl_buf out;
    vl_buf_init(&out, MERKLE_LOG_BYTES_MAX);
    if (merkle_log_decode(in, &l) == VL_OK && (merkle_log_encode(&l, &out) != VL_OK || !vl_span_eq(in, vl_span(out.p, out.len)))) abort();
    vl_buf_free(&out);
}

/* A log of a few leaves; the proof is the input's.  Whatever it says, no leaf that is not there is proved. */
static void proof(const uint8_t *p, size_t n) {
    struct vl_hash leaf[8], path[16], root, stranger = merkle_leaf(vl_span_str("not there"));
    struct merkle_log l;
    struct merkle_tile full[MERKLE_LEVELS];
    uint32_t k = 0, tiles;
    if (n < 2) return;
    uint64_t size = 1 + p[0] % 8, index = p[1];
    merkle_log_init(&l);
    for (uint8_t i = 0; i < size; i++) {
        leaf[i] = merkle_leaf(vl_span(&i, 1));
        if (merkle_log_append(&l, &leaf[i], full, &tiles)) abort();
    }
    root = merkle_log_root(&l);
    for (p += 2, n -= 2; n >= 32 && k < 16; p += 32, n -= 32) memcpy(path[k++].b, p, 32);
    if (merkle_inclusion_check(index, size, &stranger, path, k, &root) == VL_OK) abort();
    if (index >= size && merkle_inclusion_check(index, size, &leaf[0], path, k, &root) == VL_OK) abort();
    struct vl_hash other = merkle_node(&stranger, &stranger);
    if (merkle_consistency_check(1 + index % 8, size, &other, &root, path, k) == VL_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const uint8_t seed[32] = { 1 };
    struct crypto_sign_key key;
    struct merkle_checkpoint c;
    char text[MERKLE_CHECKPOINT_MAX];
    if (n == 0) return 0;
    if (p[0] == 0) log_bytes(vl_span(p + 1, n - 1));
    if (p[0] == 1) proof(p + 1, n - 1);
    if (p[0] < 2) return 0;
    crypto_sign_key_from_seed(seed, &key);
    if (merkle_checkpoint_open(vl_span(p + 1, n - 1), key.public, &c) == VL_OK &&
        (merkle_checkpoint_sign(&c, &key, text) != VL_OK || !vl_span_eq(vl_span(p + 1, n - 1), vl_span_str(text))))
        abort();
    return 0;
}
