#include "wire/pack.h"

#include <string.h>

struct pack pack_begin(struct vl_buf *out) {
    return (struct pack){ .out = out, .start = out->len, .err = VL_OK };
}

struct pack pack_message(struct vl_buf *out, uint8_t tag, uint8_t version) {
    struct pack w = pack_begin(out);
    pack_u8(&w, tag);
    pack_u8(&w, version);
    return w;
}

enum vl_err pack_end(struct pack *w) {
    if (w->err) w->out->len = w->start;
    return w->err;
}

void pack_fail(struct pack *w, enum vl_err err) {
    if (w->err == VL_OK) w->err = err;
}

void pack_bytes(struct pack *w, const void *p, size_t n) {
    if (w->err == VL_OK) w->err = vl_buf_append(w->out, p, n);
}

void pack_u8(struct pack *w, uint8_t v) { pack_bytes(w, &v, 1); }

void pack_u16(struct pack *w, uint16_t v) {
    uint8_t p[2];
    vl_put_u16(p, v);
    pack_bytes(w, p, sizeof p);
}

void pack_u32(struct pack *w, uint32_t v) {
    uint8_t p[4];
    vl_put_u32(p, v);
    pack_bytes(w, p, sizeof p);
}

void pack_u64(struct pack *w, uint64_t v) {
    uint8_t p[8];
    vl_put_u64(p, v);
    pack_bytes(w, p, sizeof p);
}

void pack_bool(struct pack *w, bool v) { pack_u8(w, v ? 1 : 0); }

void pack_span8(struct pack *w, struct vl_span s) {
    if (s.n > UINT8_MAX) pack_fail(w, VL_ERANGE);
    pack_u8(w, (uint8_t)s.n);
    pack_bytes(w, s.p, s.n);
}

void pack_span16(struct pack *w, struct vl_span s) {
    if (s.n > UINT16_MAX) pack_fail(w, VL_ERANGE);
    pack_u16(w, (uint16_t)s.n);
    pack_bytes(w, s.p, s.n);
}

void pack_span32(struct pack *w, struct vl_span s) {
    if (s.n > UINT32_MAX) pack_fail(w, VL_ERANGE);
    pack_u32(w, (uint32_t)s.n);
    pack_bytes(w, s.p, s.n);
}

enum vl_err unpack_message(struct vl_reader *r, uint8_t tag, uint8_t version) {
    uint8_t t = vl_read_u8(r), v = vl_read_u8(r);
    if (r->failed || t != tag) return VL_EPARSE;
    return v == version ? VL_OK : VL_EVERSION;
}

void unpack_require(struct vl_reader *r, bool ok) {
    if (!ok) r->failed = true;
}

bool unpack_bool(struct vl_reader *r) { return unpack_u8_in(r, 0, 1) == 1; }

uint8_t unpack_u8_in(struct vl_reader *r, uint8_t lo, uint8_t hi) {
    uint8_t v = vl_read_u8(r);
    unpack_require(r, v >= lo && v <= hi);
    return r->failed ? lo : v;
}

uint32_t unpack_u32_in(struct vl_reader *r, uint32_t lo, uint32_t hi) {
    uint32_t v = vl_read_u32(r);
    unpack_require(r, v >= lo && v <= hi);
    return r->failed ? lo : v;
}

uint64_t unpack_u64_in(struct vl_reader *r, uint64_t lo, uint64_t hi) {
    uint64_t v = vl_read_u64(r);
    unpack_require(r, v >= lo && v <= hi);
    return r->failed ? lo : v;
}

static struct vl_span span_of(struct vl_reader *r, size_t n, size_t max) {
    unpack_require(r, n <= max);
    return vl_read_span(r, n);
}

struct vl_span unpack_span8(struct vl_reader *r, size_t max) {
    return span_of(r, vl_read_u8(r), max);
}
struct vl_span unpack_span16(struct vl_reader *r, size_t max) {
    return span_of(r, vl_read_u16(r), max);
}
struct vl_span unpack_span32(struct vl_reader *r, size_t max) {
    return span_of(r, vl_read_u32(r), max);
}

struct vl_hash unpack_hash(struct vl_reader *r) {
    struct vl_hash h;
    vl_read_bytes(r, h.b, sizeof h.b);
    return h;
}

struct vl_job_id unpack_job(struct vl_reader *r) {
    struct vl_job_id id;
    vl_read_bytes(r, id.b, sizeof id.b);
    return id;
}

struct vl_node_id unpack_node(struct vl_reader *r) {
    struct vl_node_id id;
    vl_read_bytes(r, id.b, sizeof id.b);
    return id;
}

void unpack_ascii8(struct vl_reader *r, char *dst, size_t size) {
    struct vl_span s = unpack_span8(r, size - 1);
    for (size_t i = 0; i < s.n; i++) unpack_require(r, s.p[i] >= 0x20 && s.p[i] < 0x7f);
    memset(dst, 0, size);
    if (!r->failed && s.n > 0) memcpy(dst, s.p, s.n);
}
