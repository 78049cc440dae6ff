#include "wire/envelope.h"

#include "wire/blob.h"

#include "check.h"

#include <string.h>

static struct envelope_body sample(void) {
    struct envelope_body b = { .id = { { 1 } }, .sender = { { 2 } }, .recipient = { { 3 } }, .epoch = 4, .seq = 5, .type = 6,
                               .priority = ENVELOPE_BULK, .requires_ack = true, .compressed = true, .encrypted = true,
                               .chunk_index = 1, .chunk_total = 2, .created_ms = 1000, .expires_ms = 1000,
                               .payload = vl_span_str("payload") };
    return b;
}
static uint8_t out[ENVELOPE_MAX];
static struct vl_buf buf(void) { return (struct vl_buf){ .p = out, .cap = sizeof out, .max = sizeof out }; }
static struct vl_span span(const struct vl_buf *b) { return vl_span(b->p, b->len); }

TEST(envelope, body_returns_as_it_went) {
    struct envelope_body b = sample(), got;
    struct vl_buf w = buf();
    CHECK_OK(envelope_body_encode(&b, &w));
    CHECK_OK(envelope_body_decode(span(&w), &got));
    CHECK(vl_msg_eq(b.id, got.id) && vl_node_eq(b.sender, got.sender) && vl_node_eq(b.recipient, got.recipient));
    CHECK_EQ(4, got.epoch);
    CHECK_EQ(5, got.seq);
    CHECK_EQ(6, got.type);
    CHECK_EQ(ENVELOPE_BULK, got.priority);
    CHECK(got.requires_ack && got.compressed && got.encrypted);
    CHECK_EQ(1, got.chunk_index);
    CHECK_EQ(2, got.chunk_total);
    CHECK_EQ(1000, got.expires_ms);
    CHECK(vl_span_eq(b.payload, got.payload));
    CHECK(got.payload.p >= w.p && got.payload.p < w.p + w.len); /* borrowed */
    CHECK_EQ(0, got.topic.n);
}

TEST(envelope, body_takes_the_largest_payload_and_not_one_byte_more) {
    static uint8_t big[VL_PAYLOAD_MAX + 1];
    struct envelope_body b = sample(), got;
    struct vl_buf w = buf();
    b.epoch = b.seq = b.created_ms = b.expires_ms = UINT64_MAX;
    b.type = UINT32_MAX;
    b.chunk_total = ENVELOPE_CHUNKS_MAX;
    b.payload = vl_span(big, VL_PAYLOAD_MAX);
    CHECK_OK(envelope_body_encode(&b, &w));
    CHECK(w.len <= ENVELOPE_BODY_MAX);
    CHECK_OK(envelope_body_decode(span(&w), &got));
    b.payload.n++;
    CHECK_EQ(VL_ERANGE, envelope_body_encode(&b, &w));
}

TEST(envelope, body_refuses_what_cannot_be) {
    struct vl_buf w = buf();
    struct envelope_body b;
#define REFUSED(change)                                                                                                \
    do {                                                                                                               \
        b = sample();                                                                                                  \
        change;                                                                                                        \
        CHECK_EQ(VL_ERANGE, envelope_body_encode(&b, &w));                                                             \
    } while (0)
    REFUSED(memset(&b.id, 0, sizeof b.id));
    REFUSED(memset(&b.sender, 0, sizeof b.sender));
    REFUSED(memset(&b.recipient, 0, sizeof b.recipient)); /* neither node nor topic */
    REFUSED(b.topic = vl_span_str("news"));               /* both */
    REFUSED(b.type = 0);
    REFUSED(b.priority = (enum envelope_priority)5);
    REFUSED(b.chunk_total = 0);
    REFUSED(b.chunk_index = 2);
    REFUSED(b.chunk_total = ENVELOPE_CHUNKS_MAX + 1);
    REFUSED(b.expires_ms = 999);
    REFUSED(b.payload.n = 4); /* compressed, and no room for a block */
#undef REFUSED
    memset(&b.recipient, 0, sizeof b.recipient);
    b.payload = vl_span_str("payload");
    const char *bad[] = { "a\x01", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        b.topic = vl_span_str(bad[i]);
        CHECK_EQ(VL_ERANGE, envelope_body_encode(&b, &w));
    }
    b.topic = vl_span_str("gr\xc3\xbc\xc3\x9f/\xe2\x82\xac/\xf0\x9f\x8c\x8d");
    CHECK_OK(envelope_body_encode(&b, &w));
    CHECK_OK(envelope_body_decode(span(&w), &b));
}

TEST(envelope, body_has_one_encoding_only) {
    struct envelope_body b = sample(), got;
    struct vl_buf w = buf();
    CHECK_OK(envelope_body_encode(&b, &w));
    size_t n = w.len;
    for (size_t cut = 0; cut < n; cut++) /* 102: all optional fields cut off at once leave another sound body */
        CHECK(cut == 102 || envelope_body_decode(vl_span(w.p, cut), &got) != VL_OK);
    const uint8_t tails[][3] = { { 0x08, 0x01 }, { 0x48, 0x01 }, { 0x98, 0x06, 0x01 }, { 0x00, 0x00 } };
    /* version again, priority again, unknown field 99, tag 0 */
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        memcpy(w.p + n, tails[i], 3);
        CHECK_EQ(VL_EPARSE, envelope_body_decode(vl_span(w.p, n + 2 + (i == 2)), &got));
    }
    CHECK_EQ(0x08, w.p[0]); /* version: field 1 */
    w.p[1] = 2;
    CHECK_EQ(VL_EVERSION, envelope_body_decode(vl_span(w.p, n), &got));
    memmove(w.p + 3, w.p + 2, n - 2); /* the version as an overlong varint */
    w.p[1] = 0x81;
    w.p[2] = 0x00;
    CHECK_EQ(VL_EPARSE, envelope_body_decode(vl_span(w.p, n + 1), &got));
}

TEST(envelope, carries_any_body_bytes_and_a_path_of_its_hops) {
    struct envelope e = { .body = vl_span_str("signed as it stands"), .attempt = 3, .hop_limit = 10, .hop_count = 10 }, got;
    struct vl_buf w = buf();
    for (uint8_t i = 0; i < 10; i++) e.path[i].b[31] = i;
    memset(e.signature, 7, sizeof e.signature);
    CHECK_OK(envelope_encode(&e, &w));
    CHECK_OK(envelope_decode(span(&w), &got));
    CHECK(vl_span_eq(e.body, got.body));
    CHECK_MEM(e.signature, got.signature, sizeof e.signature);
    CHECK_MEM(e.path, got.path, sizeof e.path);
    CHECK_EQ(3, got.attempt);
    for (size_t cut = 0; cut < w.len; cut++) /* 91: neither hops nor path */
        CHECK(cut == 91 || envelope_decode(vl_span(w.p, cut), &got) != VL_OK);
    e.hop_count = 11;
    CHECK_EQ(VL_ERANGE, envelope_encode(&e, &w));
    e.hop_count = 0;
    e.hop_limit = 0;
    CHECK_EQ(VL_ERANGE, envelope_encode(&e, &w));
}

TEST(envelope, acknowledgement_names_1_to_64_messages) {
    struct envelope_ack a = { .n = ENVELOPE_ACK_IDS_MAX }, got;
    struct vl_buf w = buf();
    struct vl_span body;
    uint8_t body_bytes[ENVELOPE_ACK_MAX], sig[64] = { 1 }, got_sig[64];
    memset(&a.from, 0xff, sizeof a.from);
    memset(&a.to, 0xfe, sizeof a.to);
    for (uint8_t i = 0; i < 64; i++) memset(&a.ids[i], i + 1, sizeof a.ids[i]);
    CHECK_OK(envelope_ack_body_encode(&a, &w));
    CHECK_OK(envelope_ack_body_decode(span(&w), &got));
    CHECK_EQ(64, got.n);
    CHECK_MEM(a.ids, got.ids, sizeof a.ids);
    size_t n = w.len;
    memcpy(body_bytes, w.p, n);
    vl_buf_clear(&w);
    CHECK_OK(envelope_ack_encode(vl_span(body_bytes, n), sig, &w));
    CHECK(w.len <= ENVELOPE_ACK_MAX);
    CHECK_OK(envelope_ack_decode(span(&w), &body, got_sig));
    CHECK(vl_span_eq(vl_span(body_bytes, n), body));
    CHECK_MEM(sig, got_sig, 64);
    a.n = 0;
    CHECK_EQ(VL_ERANGE, envelope_ack_body_encode(&a, &w));
    a.n = 65;
    CHECK_EQ(VL_ERANGE, envelope_ack_body_encode(&a, &w));
}

TEST(wire_blob, messages_return_as_they_went_and_take_no_trailing_byte) {
    struct wire_blob m = { .kind = WIRE_BLOB_CHUNK, .hash = { { 9 } }, .offset = 10, .size = 15, .length = 5 }, got;
    struct vl_buf w = buf();
    CHECK_OK(wire_blob_encode_head(&m, &w));
    CHECK(w.len <= WIRE_BLOB_HEAD_MAX);
    CHECK_OK(vl_buf_append(&w, "hello!", 6));
    CHECK_EQ(VL_EPARSE, wire_blob_decode(span(&w), &got));
    w.len--;
    CHECK_OK(wire_blob_decode(span(&w), &got));
    CHECK(vl_span_eq(vl_span_str("hello"), got.data));
    CHECK_EQ(10, got.offset);
    CHECK_EQ(15, got.size);
    for (size_t cut = 0; cut < w.len; cut++) CHECK_EQ(VL_EPARSE, wire_blob_decode(vl_span(w.p, cut), &got));
    vl_buf_clear(&w);
    m.kind = WIRE_BLOB_REQUEST;
    m.length = VL_CHUNK;
    CHECK_OK(wire_blob_encode_head(&m, &w));
    CHECK_OK(wire_blob_decode(span(&w), &got));
    CHECK_EQ(VL_CHUNK, got.length);
    w.p[0] = 4;
    CHECK_EQ(VL_EPARSE, wire_blob_decode(span(&w), &got));
    w.p[0] = WIRE_BLOB_MISSING; /* a request's head is no "missing" */
    CHECK_EQ(VL_EPARSE, wire_blob_decode(span(&w), &got));
}

TEST(wire_blob, refuses_pieces_outside_the_blob) {
    struct vl_buf w = buf();
    struct wire_blob m = { .kind = WIRE_BLOB_CHUNK, .offset = 10, .size = 14, .length = 5 };
    CHECK_EQ(VL_ERANGE, wire_blob_encode_head(&m, &w));
    m.offset = 9;
    CHECK_OK(wire_blob_encode_head(&m, &w));
    m.length = 0;
    CHECK_EQ(VL_ERANGE, wire_blob_encode_head(&m, &w));
    m.offset = m.size = 0;
    CHECK_OK(wire_blob_encode_head(&m, &w));
    m.size = VL_BLOB_MAX + 1;
    m.length = 1;
    CHECK_EQ(VL_ERANGE, wire_blob_encode_head(&m, &w));
    m = (struct wire_blob){ .kind = WIRE_BLOB_REQUEST, .length = VL_CHUNK + 1 };
    CHECK_EQ(VL_ERANGE, wire_blob_encode_head(&m, &w));
    m.length = 0;
    CHECK_EQ(VL_ERANGE, wire_blob_encode_head(&m, &w));
    m = (struct wire_blob){ .kind = (enum wire_blob_kind)7 };
    CHECK_EQ(VL_ERANGE, wire_blob_encode_head(&m, &w));
}
