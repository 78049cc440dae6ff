/* Hostile handshake and transport messages: the input chooses pattern, suite, side, and which message it replaces. */
#include "crypto/noise.h"
#include "crypto/random.h"

#include <stdlib.h>
#include <string.h>

static enum vl_err start(struct noise *ns, uint8_t choice, bool initiator, const struct crypto_dh_key key[2]) {
    enum noise_pattern pattern = (enum noise_pattern)(choice % 4 + 1);
    struct noise_config c = { .pattern = pattern,
                              .cipher = choice & 4 ? CRYPTO_AESGCM : CRYPTO_CHACHAPOLY,
                              .hash = choice & 8 ? CRYPTO_BLAKE2B : CRYPTO_SHA256,
                              .initiator = initiator,
                              .prologue = vl_span_str("fuzz"),
                              .static_key = &key[initiator],
                              .remote_static = initiator && pattern != NOISE_XX ? key[0].public : NULL,
                              .ephemeral_seed = key[!initiator].secret };
    return noise_init(ns, &c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (n < 2 || crypto_init() != VL_OK) return 0;
    struct crypto_dh_key key[2];
    uint8_t seed[32] = { 1 }, m[1024], got[70000];
    for (int i = 0; i < 2; i++, seed[0]++) crypto_dh_key_from_seed(seed, &key[i]);
    struct noise side[2]; /* [1]: initiator */
    for (int i = 0; i < 2; i++)
        if (start(&side[i], p[0], i == 1, key) != VL_OK) abort();
    size_t m_n = 0, got_n = 0;
    for (unsigned step = 0; noise_next(&side[1]) <= NOISE_READ; step++) {
        int from = noise_next(&side[1]) == NOISE_WRITE;
        enum vl_err wrote = noise_write(&side[from], vl_span_str("hello"), m, sizeof m, &m_n);
        if (wrote == VL_ECRYPTO && step > p[1] % 3u) break; /* a low-order key, taken in clear, is met now */
        if (wrote != VL_OK) abort();
        bool replace = step == p[1] % 3u;
        struct vl_span in = replace ? vl_span(p + 2, n - 2) : vl_span(m, m_n);
        enum vl_err err = noise_read(&side[!from], in, got, sizeof got, &got_n);
        if (!replace && err == VL_OK && (got_n != 5 || memcmp(got, "hello", 5) != 0)) abort();
        if (err) break;
    }
    struct noise_cipher send, recv;
    for (int i = 0; i < 2; i++) {
        if (noise_split(&side[i], &send, &recv) == VL_OK) {
            if (noise_cipher_open(&recv, vl_span(NULL, 0), p, n, got) == VL_OK) abort();
            noise_cipher_destroy(&send);
            noise_cipher_destroy(&recv);
        }
        noise_destroy(&side[i]);
    }
    return 0;
}
