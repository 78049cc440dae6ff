#include "trust/rlp.h"

#include <string.h>

enum { STRING = 0x80, LIST = 0xc0, SHORT_MAX = 55 };

static unsigned width(uint64_t v) {
    unsigned n = 0;
    for (; v > 0; v >>= 8) n++;
    return n;
}

static void put_head(struct vl_writer *w, unsigned base, size_t n) {
    if (n <= SHORT_MAX) {
        vl_write_u8(w, (uint8_t)(base + n));
        return;
    }
    uint8_t be[8];
    unsigned k = width(n);
    vl_put_u64(be, n);
    vl_write_u8(w, (uint8_t)(base + SHORT_MAX + k));
    vl_write_bytes(w, be + 8 - k, k);
}

void rlp_put_bytes(struct vl_writer *w, struct vl_span v) {
    if (v.n != 1 || v.p[0] >= STRING) put_head(w, STRING, v.n);
    if (v.n > 0) vl_write_bytes(w, v.p, v.n);
}

static void put_number(struct vl_writer *w, const uint8_t *p, size_t n) {
    while (n > 0 && p[0] == 0) p++, n--;
    rlp_put_bytes(w, vl_span(p, n));
}

void rlp_put_u64(struct vl_writer *w, uint64_t v) {
    uint8_t be[8];
    vl_put_u64(be, v);
    put_number(w, be, sizeof be);
}

void rlp_put_u256(struct vl_writer *w, const uint8_t v[32]) { put_number(w, v, 32); }

void rlp_put_list(struct vl_writer *w, struct vl_span items) {
    put_head(w, LIST, items.n);
    if (items.n > 0) vl_write_bytes(w, items.p, items.n);
}

static enum vl_err fail(struct vl_reader *r) {
    r->failed = true;
    return VL_EPARSE;
}

/* The length in the next k bytes: at least 56, no leading zero; more than is left fails when the body is read. */
static bool long_length(struct vl_reader *r, unsigned k, uint64_t *ret) {
    struct vl_span be = vl_read_span(r, k);
    uint64_t n = 0;
    if (r->failed || be.p[0] == 0) return false;
    for (unsigned i = 0; i < k; i++) n = n << 8 | be.p[i];
    *ret = n;
    return n > SHORT_MAX;
}

enum vl_err rlp_next(struct vl_reader *r, struct rlp_item *ret) {
    const uint8_t *at = r->p;
    unsigned first = vl_read_u8(r);
    if (r->failed) return VL_EPARSE;
    if (first < STRING) {
        *ret = (struct rlp_item){ .list = false, .body = vl_span(at, 1) };
        return VL_OK;
    }
    bool list = first >= LIST;
    uint64_t n = first - (list ? LIST : STRING);
    if (n > SHORT_MAX && !long_length(r, (unsigned)n - SHORT_MAX, &n)) return fail(r);
    struct vl_span body = vl_read_span(r, (size_t)n);
    if (r->failed) return VL_EPARSE;
    if (!list && n == 1 && body.p[0] < STRING) return fail(r);
    *ret = (struct rlp_item){ .list = list, .body = body };
    return VL_OK;
}

enum vl_err rlp_next_bytes(struct vl_reader *r, struct vl_span *ret) {
    struct rlp_item item;
    enum vl_err err = rlp_next(r, &item);
    if (err) return err;
    if (item.list) return fail(r);
    *ret = item.body;
    return VL_OK;
}

enum vl_err rlp_next_list(struct vl_reader *r, struct vl_reader *ret) {
    struct rlp_item item;
    enum vl_err err = rlp_next(r, &item);
    if (err) return err;
    if (!item.list) return fail(r);
    *ret = vl_reader(item.body.p, item.body.n);
    return VL_OK;
}

enum vl_err rlp_next_u256(struct vl_reader *r, uint8_t ret[32]) {
    struct vl_span v;
    enum vl_err err = rlp_next_bytes(r, &v);
    if (err) return err;
    if (v.n > 0 && v.p[0] == 0) return fail(r);
    if (v.n > 32) {
        r->failed = true;
        return VL_ERANGE;
    }
    memset(ret, 0, 32);
    if (v.n > 0) memcpy(ret + 32 - v.n, v.p, v.n);
    return VL_OK;
}

enum vl_err rlp_next_u64(struct vl_reader *r, uint64_t *ret) {
    static const uint8_t none[24] = { 0 };
    uint8_t v[32];
    enum vl_err err = rlp_next_u256(r, v);
    if (err) return err;
    if (memcmp(v, none, sizeof none) != 0) {
        r->failed = true;
        return VL_ERANGE;
    }
    *ret = vl_get_u64(v + 24);
    return VL_OK;
}
