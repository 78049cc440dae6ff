#include "htx_raw.h"

#include "check.h"
#include "htx_pair.h"

#include <string.h>

static void events(struct raw *r) {
    struct htx_event ev;
    while (htx_next_event(r->ep, &ev)) {
        r->seen[ev.type]++;
        r->last[ev.type] = ev;
        if (ev.type == HTX_CONN_UP) CHECK_OK(htx_admit(r->ep, ev.conn, r->now, true));
        if (ev.type == HTX_SESSION_UP) r->session = ev.session;
        if (ev.type == HTX_MESSAGE) CHECK_OK(vl_buf_append(&r->got, ev.data.p, ev.data.n));
    }
}

void raw_give(struct raw *r, const uint8_t *p, size_t n) {
    size_t used = 1;
    for (size_t at = 0; at < n && used > 0; at += used) {
        enum vl_err err = htx_input(r->ep, r->conn, r->now, p + at, n - at, &used);
        events(r);
        if (err != VL_OK) return;
    }
}

void raw_take(struct raw *r) {
    static uint8_t buf[HTX_OUTPUT_GOOD], plain[HTX_PLAIN_MAX];
    size_t n;
    while ((n = htx_output(r->ep, r->conn, r->now, buf, sizeof buf)) > 0)
        for (size_t at = 0; at < n;) {
            size_t body = vl_get_u16(buf + at), got = 0, len = 0;
            CHECK_OK(htx_record_open(&r->rx, vl_span(buf + at + 2, body), plain, &got));
            at += 2 + body;
            for (size_t k = 0; k < got; k += len) {
                struct htx_frame f;
                CHECK_OK(htx_frame_read(vl_span(plain + k, got - k), &f, &len));
                r->frames[f.type]++;
                r->value[f.type] = f.payload.n >= 8   ? vl_get_u64(f.payload.p)
                                   : f.payload.n >= 4 ? vl_get_u32(f.payload.p)
                                                      : 0;
                r->newest[f.type] = f;
                if (f.type == HTX_T_KEYUPDATE) CHECK_OK(htx_record_rekey(&r->rx, r->now));
            }
        }
}

void raw_frame(struct raw *r, uint8_t type, uint8_t flags, uint32_t stream, uint32_t seq, const void *payload,
               size_t n) {
    struct htx_frame f = { .type = type, .flags = flags, .stream = stream, .seq = seq, .timestamp_ms = r->now };
    f.payload.n = n;
    CHECK(r->n + HTX_HEADER + n <= sizeof r->plain);
    htx_frame_put_header(r->plain + r->n, &f);
    if (n > 0) memcpy(r->plain + r->n + HTX_HEADER, payload, n);
    r->n += HTX_HEADER + n;
}

void raw_u64(struct raw *r, uint8_t type, uint32_t stream, uint32_t seq, uint64_t value) {
    uint8_t payload[8];
    vl_put_u64(payload, value);
    raw_frame(r, type, 0, stream, seq, payload, 8);
}

void raw_send(struct raw *r) {
    static uint8_t wire[HTX_RECORD_WIRE_MAX];
    CHECK_OK(htx_record_seal(&r->tx, r->plain, r->n, wire));
    size_t n = r->n + HTX_RECORD_HEAD + HTX_TAG;
    r->n = 0;
    raw_give(r, wire, n);
    raw_take(r);
}

void raw_up(struct raw *r, const struct htx_config *config, bool begin) {
    struct htx_config standard = pair_config(1);
    *r = (struct raw){ .now = 1000000 };
    vl_buf_init(&r->got, 64u << 20);
    CHECK_OK(htx_endpoint_create(config != NULL ? config : &standard, &r->ep));
    CHECK_OK(htx_accept(r->ep, r->now, &r->conn));

    struct crypto_dh_key key;
    struct crypto_sign_key sign;
    uint8_t seed[32], remote[32], identity[HTX_IDENTITY_MAX], buf[HTX_PREFACE + 2 + HTX_HANDSHAKE_MAX];
    size_t n = 0;
    memset(seed, 0x77, 32);
    crypto_dh_key_from_seed(seed, &key);
    crypto_sign_key_from_seed(seed, &sign);
    htx_static_public(r->ep, remote);
    CHECK_OK(htx_identity_make(&sign, key.public, r->now + 1000000, 0, vl_span(NULL, 0), identity, &n));
    struct htx_handshake hs;
    struct htx_handshake_config hc = { .initiator = true,
                                       .pattern = HTX_IK,
                                       .suite = HTX_AESGCM_SHA256,
                                       .static_key = &key,
                                       .remote_static = remote,
                                       .ephemeral_seed = seed,
                                       .identity = vl_span(identity, n) };
    CHECK_OK(htx_handshake_init(&hs, &hc));
    n = htx_handshake_put(&hs, buf);
    raw_give(r, buf, n);
    static uint8_t answer[HTX_OUTPUT_GOOD];
    n = htx_output(r->ep, r->conn, r->now, answer, sizeof answer);
    htx_handshake_take(&hs, r->now, vl_span(answer, HTX_PREFACE));
    htx_handshake_take(&hs, r->now, vl_span(answer + HTX_PREFACE, n - HTX_PREFACE));
    CHECK_EQ(HTX_HS_DONE, hs.state);
    CHECK_OK(htx_handshake_split(&hs, &r->tx.cipher, &r->rx.cipher, r->hash));
    htx_handshake_wipe(&hs);
    if (!begin) return;
    raw_frame(r, HTX_T_SETTINGS, 0, 0, 0, NULL, 0);
    raw_send(r);
    CHECK_EQ(1, r->seen[HTX_SESSION_UP]);
}

void raw_down(struct raw *r) {
    htx_endpoint_destroy(r->ep);
    htx_record_wipe(&r->tx);
    htx_record_wipe(&r->rx);
    vl_buf_free(&r->got);
}
