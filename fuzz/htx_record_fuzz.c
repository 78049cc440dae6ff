/* Preface, handshake and records.  Even first byte: the bytes go to an accepting endpoint as they are.  Odd: a peer
 * with the right keys completes an IK handshake and the bytes are the frames of its records (u8 length x 64 each); with
 * the second bit the session is up and frames get true headers from five bytes each (type, flags, stream, seq, length).
 * Sources: src/net, src/crypto, src/base; libsodium, libcrypto, liblz4. */
#include "net/htx_priv.h"

#include <stdlib.h>
#include <string.h>

static void events(struct htx_endpoint *ep) {
    struct htx_event ev;
    uint8_t sum = 0;
    while (htx_next_event(ep, &ev)) {
        if (ev.type == HTX_CONN_UP && htx_admit(ep, ev.conn, 1000, true) != VL_OK) abort();
        for (size_t i = 0; i < ev.data.n; i++) sum ^= ev.data.p[i]; /* touch what is lent */
        if (ev.type == HTX_MESSAGE && ev.stream & 4) (void)!htx_send(ep, ev.session, ev.stream, 1000, &ev.data, 1);
        if (ev.type == HTX_STREAM_CLOSED) (void)!htx_close_stream(ep, ev.session, ev.stream, 1000);
    }
    volatile uint8_t sink = sum;
    (void)sink;
}

static void give(struct htx_endpoint *ep, uint32_t conn, const uint8_t *p, size_t n) {
    size_t used = 1;
    for (size_t at = 0; at < n && used > 0; at += used) {
        if (htx_input(ep, conn, 1000, p + at, n - at, &used) != VL_OK) return;
        events(ep);
    }
}

/* Frames with true headers; returns the input used. */
static size_t frames(const uint8_t *p, size_t n, uint8_t *plain, size_t *ret_len) {
    size_t at = 0, len = 0;
    while (at + 5 <= n && len < 8192) {
        size_t take = p[at + 4] < n - at - 5 ? p[at + 4] : n - at - 5;
        struct htx_frame f = { .flags = p[at + 1] & 7, .type = p[at], .stream = p[at + 2], .seq = p[at + 3] };
        f.payload.n = take;
        htx_frame_put_header(plain + len, &f);
        memcpy(plain + len + HTX_HEADER, p + at + 5, take);
        len += HTX_HEADER + take;
        at += 5 + take;
        if (p[at - take - 4] & 128) break; /* end of the record */
    }
    *ret_len = len;
    return at;
}

static void keyed(struct htx_endpoint *ep, uint32_t conn, bool built, const uint8_t *p, size_t n) {
    static uint8_t plain[16384];
    static uint8_t buf[HTX_OUTPUT_GOOD];
    struct crypto_dh_key key;
    struct crypto_sign_key sign;
    struct htx_handshake hs;
    struct htx_record tx = { 0 }, rx = { 0 };
    uint8_t seed[32], remote[32], identity[HTX_IDENTITY_MAX], hash[32];
    size_t len = 0;
    memset(seed, 7, sizeof seed);
    crypto_dh_key_from_seed(seed, &key);
    crypto_sign_key_from_seed(seed, &sign);
    htx_static_public(ep, remote);
    if (htx_identity_make(&sign, key.public, 9999999, 0, vl_span(NULL, 0), identity, &len) != VL_OK) abort();
    struct htx_handshake_config hc = { .initiator = true,
                                       .pattern = HTX_IK,
                                       .suite = HTX_AESGCM_SHA256,
                                       .static_key = &key,
                                       .remote_static = remote,
                                       .ephemeral_seed = seed,
                                       .identity = vl_span(identity, len) };
    if (htx_handshake_init(&hs, &hc) != VL_OK) abort();
    give(ep, conn, buf, htx_handshake_put(&hs, buf));
    len = htx_output(ep, conn, 1000, buf, sizeof buf);
    if (len < HTX_PREFACE + 2) abort();
    htx_handshake_take(&hs, 1000, vl_span(buf, HTX_PREFACE));
    htx_handshake_take(&hs, 1000, vl_span(buf + HTX_PREFACE, len - HTX_PREFACE));
    if (htx_handshake_split(&hs, &tx.cipher, &rx.cipher, hash) != VL_OK) abort();
    if (built) {
        struct htx_frame settings = { .type = HTX_T_SETTINGS };
        htx_frame_put_header(plain, &settings);
        if (htx_record_seal(&tx, plain, HTX_HEADER, buf) != VL_OK) abort();
        give(ep, conn, buf, HTX_HEADER + HTX_RECORD_HEAD + HTX_TAG);
    }
    while (n > 1) {
        size_t take = (size_t)p[0] * 64 + 24;
        if (take > n - 1) take = n - 1;
        if (take > HTX_PLAIN_MAX) take = HTX_PLAIN_MAX;
        size_t sealed = take;
        memcpy(plain, p + 1, take);
        if (built && (take = frames(p, n, plain, &sealed) - 1) + 1 == 0) break;
        if (htx_record_seal(&tx, plain, sealed, buf) != VL_OK) abort();
        give(ep, conn, buf, sealed + HTX_RECORD_HEAD + HTX_TAG);
        while (htx_output(ep, conn, 1000, buf, sizeof buf) > 0) events(ep);
        p += 1 + take;
        n -= 1 + take;
    }
    htx_handshake_wipe(&hs);
    htx_record_wipe(&tx);
    htx_record_wipe(&rx);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct htx_config c = { .suite = HTX_AESGCM_SHA256,
                            .limits = htx_limits_default(),
                            .sign_seed = { 1 },
                            .static_secret = { 2 },
                            .seed = { 3 } };
    struct htx_endpoint *ep = NULL;
    uint32_t conn = 0;
    c.limits.max_links = 2;
    if (n == 0) return 0;
    if (htx_endpoint_create(&c, &ep) != VL_OK || htx_accept(ep, 1000, &conn) != VL_OK) abort();
    if (p[0] & 1)
        keyed(ep, conn, p[0] & 2, p + 1, n - 1);
    else
        give(ep, conn, p + 1, n - 1);
    htx_expire(ep, 1000000);
    events(ep);
    htx_endpoint_destroy(ep);
    return 0;
}
