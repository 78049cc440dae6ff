#include "trust/evidence.h"

#include "crypto/hash.h"

#include <string.h>

enum { TAG_EVIDENCE = 0x60, EVIDENCE_VERSION = 1 };
#define EVIDENCE_CONTEXT "village-evidence-1:"
#define BODY_BYTES (EVIDENCE_BYTES - CRYPTO_SIGNATURE)

static const struct {
    const char *text;
    int32_t effect[REPUTATION_DIMS];
} kinds[EVIDENCE_KINDS] = {
    [EVIDENCE_AGREED] = { "agreed", { 1000, 1000, 0, 1000 } },
    [EVIDENCE_WRONG] = { "wrong", { -10000, 0, 0, 0 } },
    [EVIDENCE_ACCEPTED] = { "accepted", { 0, 1000, 0, 1000 } },
    [EVIDENCE_LATE] = { "late", { 0, -1000, 0, 0 } },
    [EVIDENCE_LOST] = { "lost", { 0, -1000, 0, 0 } },
    [EVIDENCE_HANDED_BACK] = { "handed_back", { 0, -200, 0, 0 } },
    [EVIDENCE_SILENT] = { "silent", { 0, -2000, 0, 0 } },
    [EVIDENCE_FALSE_METER] = { "false_meter", { 0, 0, 0, -10000 } },
    [EVIDENCE_ONLINE] = { "online", { 0, 0, 1000, 0 } },
    [EVIDENCE_OFFLINE] = { "offline", { 0, 0, -1000, 0 } },
};

const char *reputation_dim_text(enum reputation_dim d) {
    static const char *const text[REPUTATION_DIMS] = { "correct", "in_time", "available", "honest" };
    return text[d];
}

const char *evidence_kind_text(enum evidence_kind k) { return (unsigned)k < EVIDENCE_KINDS ? kinds[k].text : NULL; }

int32_t evidence_effect(enum evidence_kind k, enum reputation_dim d) {
    return (unsigned)k < EVIDENCE_KINDS && (unsigned)d < REPUTATION_DIMS ? kinds[k].effect[d] : 0;
}

static bool zeros(const void *p, size_t n) {
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++)
        if (b[i] != 0) return false;
    return true;
}

static bool in_range(const struct evidence *e) {
    return e->seq > 0 && evidence_kind_text(e->kind) != NULL && e->weight_milli > 0 &&
           e->weight_milli <= EVIDENCE_WEIGHT_MAX && e->at_ms <= EVIDENCE_TIME_MAX &&
           (e->seq == 1) == zeros(e->previous.b, sizeof e->previous.b);
}

static void body_write(const struct evidence *e, struct vl_writer *w) {
    vl_write_u8(w, TAG_EVIDENCE);
    vl_write_u8(w, EVIDENCE_VERSION);
    vl_write_bytes(w, e->node.b, sizeof e->node.b);
    vl_write_bytes(w, e->by.b, sizeof e->by.b);
    vl_write_u64(w, e->seq);
    vl_write_bytes(w, e->previous.b, sizeof e->previous.b);
    vl_write_u8(w, (uint8_t)e->kind);
    vl_write_u32(w, e->weight_milli);
    vl_write_u64(w, e->at_ms);
    vl_write_bytes(w, e->job.b, sizeof e->job.b);
    vl_write_u32(w, e->task);
    vl_write_u64(w, e->epoch);
    vl_write_bytes(w, e->receipt.b, sizeof e->receipt.b);
}

enum vl_err evidence_encode(const struct evidence *e, struct vl_buf *out) {
    uint8_t bytes[EVIDENCE_BYTES];
    struct vl_writer w = vl_writer(bytes, sizeof bytes);
    if (!in_range(e)) return VL_ERANGE;
    body_write(e, &w);
    vl_write_bytes(&w, e->signature, sizeof e->signature);
    return vl_buf_append(out, bytes, w.len);
}

enum vl_err evidence_decode(struct vl_span in, struct evidence *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct evidence e = { 0 };
    uint8_t tag = vl_read_u8(&r), version = vl_read_u8(&r);
    if (r.failed || tag != TAG_EVIDENCE) return VL_EPARSE;
    if (version != EVIDENCE_VERSION) return VL_EVERSION;
    vl_read_bytes(&r, e.node.b, sizeof e.node.b);
    vl_read_bytes(&r, e.by.b, sizeof e.by.b);
    e.seq = vl_read_u64(&r);
    vl_read_bytes(&r, e.previous.b, sizeof e.previous.b);
    e.kind = (enum evidence_kind)vl_read_u8(&r);
    e.weight_milli = vl_read_u32(&r);
    e.at_ms = vl_read_u64(&r);
    vl_read_bytes(&r, e.job.b, sizeof e.job.b);
    e.task = vl_read_u32(&r);
    e.epoch = vl_read_u64(&r);
    vl_read_bytes(&r, e.receipt.b, sizeof e.receipt.b);
    vl_read_bytes(&r, e.signature, sizeof e.signature);
    enum vl_err err = vl_reader_end(&r);
    if (err) return err;
    if (!in_range(&e)) return VL_EPARSE;
    *ret = e;
    return VL_OK;
}

struct vl_hash evidence_hash(const struct evidence *e) {
    uint8_t body[BODY_BYTES];
    struct vl_writer w = vl_writer(body, sizeof body);
    struct vl_hash ret;
    body_write(e, &w);
    crypto_blake2b256(vl_span(body, w.len), &ret);
    return ret;
}

enum vl_err evidence_sign(struct evidence *e, const struct crypto_sign_key *key) {
    if (!in_range(e)) return VL_ERANGE;
    e->by = crypto_sign_node_id(key);
    struct vl_hash hash = evidence_hash(e);
    return crypto_sign_message(key, EVIDENCE_CONTEXT, vl_span(hash.b, sizeof hash.b), e->signature);
}

enum vl_err evidence_verify(const struct evidence *e) {
    if (!in_range(e)) return VL_ERANGE;
    struct vl_hash hash = evidence_hash(e);
    return crypto_verify_message(e->by.b, EVIDENCE_CONTEXT, vl_span(hash.b, sizeof hash.b), e->signature);
}
