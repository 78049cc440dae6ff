/* Early data.  Even first byte: the rest is a section; what is accepted is written again to the same bytes, and goes
 * through a whole handshake as the tail of a true identity, where the same verdict must fall.  Odd: moments and
 * handshakes for the memory, held against one that never forgets. Sources: src/net, src/crypto, src/base; libsodium,
 * libcrypto. */
#include "net/htx_handshake.h"
#include "net/htx_frame.h"

#include <stdlib.h>
#include <string.h>

static void handshake(struct vl_span section, bool good) {
    struct htx_handshake hs[2];
    struct crypto_dh_key key[2];
    struct crypto_sign_key sign;
    uint8_t seed[32] = { 1 }, identity[HTX_IDENTITY_MAX], buf[HTX_PREFACE + 2 + HTX_HANDSHAKE_MAX];
    size_t n = 0;
    crypto_sign_key_from_seed(seed, &sign);
    for (int i = 0; i < 2; i++, seed[0]++) crypto_dh_key_from_seed(seed, &key[i]);
    for (int i = 0; i < 2; i++) {
        if (htx_identity_make(&sign, key[i].public, 2000, 0, vl_span(NULL, 0), identity, &n) != VL_OK) abort();
        struct htx_handshake_config c = { .initiator = i == 0,
                                          .pattern = HTX_IK,
                                          .suite = HTX_CHACHAPOLY_SHA256,
                                          .static_key = &key[i],
                                          .remote_static = key[1].public,
                                          .ephemeral_seed = seed,
                                          .identity = vl_span(identity, n),
                                          .early = i == 0 ? section : vl_span(NULL, 0) };
        if (htx_handshake_init(&hs[i], &c) != VL_OK) abort();
    }
    for (int from = 0; from < 2; from++) {
        n = htx_handshake_put(&hs[from], buf);
        htx_handshake_take(&hs[1 - from], 1000, vl_span(buf, HTX_PREFACE));
        htx_handshake_take(&hs[1 - from], 1000, vl_span(buf + HTX_PREFACE, n - HTX_PREFACE));
        if (from == 0 && good != (hs[1].state == HTX_HS_RUNNING)) abort();
        if (!good) break;
    }
    if (good && (hs[0].state != HTX_HS_DONE || hs[0].answer != (section.n > 0 ? HTX_EARLY_REFUSED : 0))) abort();
    for (int i = 0; i < 2; i++) htx_handshake_wipe(&hs[i]);
}

static void section(struct vl_span in) {
    struct vl_span payloads[HTX_EARLY_COUNT_MAX];
    uint8_t again[HTX_EARLY_SECTION_MAX];
    vl_ms sent = 0;
    size_t n = 0, len = 0;
    bool good = htx_early_check(in, &sent) == VL_OK;
    if (good) {
        for (size_t at = HTX_EARLY_HEAD; at < in.n; at += len, n++) {
            struct htx_frame f;
            if (htx_frame_read(vl_span(in.p + at, in.n - at), &f, &len) != VL_OK) abort();
            payloads[n] = f.payload;
        }
        if (htx_early_put(again, sent, payloads, n) != in.n || memcmp(again, in.p, in.n) != 0) abort();
    }
    if (in.n <= HTX_EARLY_SECTION_MAX) handshake(in, good || in.n == 0);
}

static void memory(const uint8_t *p, size_t n) {
    struct htx_early_cache cache = { 0 };
    bool heard[256] = { false };
    vl_ms start = 5000000, now = start, newest = now;
    htx_early_watch(&cache, now);
    for (size_t at = 0; at + 3 < n; at += 4) {
        if (p[at] & 1)
            now += vl_get_u16(p + at + 2) * 16u;
        else if (p[at] & 2)
            now -= p[at + 2] * 64u; /* a clock that steps back */
        if (now > newest) newest = now;
        uint8_t ephemeral[32] = { p[at + 1] };
        vl_ms sent = start + p[at + 1] * 8192u; /* a handshake has one moment */
        bool fresh = sent + HTX_EARLY_PAST_MS >= newest && sent <= newest + HTX_EARLY_FUTURE_MS;
        bool want = newest - start >= HTX_EARLY_WINDOW_MS && fresh && !heard[p[at + 1]];
        if ((htx_early_judge(&cache, now, sent, ephemeral) == HTX_EARLY_ACCEPTED) != want) abort();
        heard[p[at + 1]] |= want;
    }
    htx_early_cache_free(&cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (n == 0) return 0;
    if (p[0] & 1)
        memory(p + 1, n - 1);
    else
        section(vl_span(p + 1, n - 1));
    return 0;
}
