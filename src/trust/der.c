#include "trust/der.h"

#define CLASS 0xe0u
#define CONTEXT_CONSTRUCTED 0xa0u
#define LONG_TAG 0x1fu

static bool tag(struct vl_reader *at, uint32_t *ret) {
    uint8_t first = vl_read_u8(at), number = first & LONG_TAG;
    if (number != LONG_TAG) {
        *ret = (first & CLASS) == CONTEXT_CONSTRUCTED ? DER_CONTEXT + number : first;
        return !at->failed;
    }
    uint32_t n = 0;
    if ((first & CLASS) != CONTEXT_CONSTRUCTED) return false;
    for (unsigned i = 0; i < 3; i++) {
        uint8_t b = vl_read_u8(at);
        if (i == 0 && b == 0x80) return false;
        n = n << 7 | (b & 0x7fu);
        if ((b & 0x80) != 0) continue;
        *ret = DER_CONTEXT + n;
        return !at->failed && n >= LONG_TAG;
    }
    return false;
}

static bool length(struct vl_reader *at, size_t *ret) {
    uint8_t first = vl_read_u8(at);
    uint32_t n = first;
    if (first >= 0x80) {
        unsigned bytes = first & 0x7fu;
        if (bytes < 1 || bytes > 3) return false;
        n = 0;
        for (unsigned i = 0; i < bytes; i++) n = n << 8 | vl_read_u8(at);
        if (n < 0x80 || n >> (8 * (bytes - 1)) == 0) return false;
    }
    *ret = n;
    return !at->failed && n <= at->n;
}

bool der_next(struct vl_span *at, uint32_t *ret_tag, struct vl_span *ret) {
    struct vl_reader r = vl_reader(at->p, at->n);
    uint32_t t;
    size_t n;
    if (!tag(&r, &t) || !length(&r, &n)) return false;
    *ret = vl_read_span(&r, n);
    *ret_tag = t;
    *at = vl_span(r.p, r.n);
    return true;
}

bool der_take(struct vl_span *at, uint32_t want, struct vl_span *ret) {
    struct vl_span rest = *at, v;
    uint32_t t;
    if (!der_next(&rest, &t, &v) || t != want) return false;
    *at = rest;
    *ret = v;
    return true;
}

bool der_uint(struct vl_span *at, uint32_t want, uint32_t *ret) {
    struct vl_span v;
    if (!der_take(at, want, &v) || v.n == 0 || (v.p[0] & 0x80) != 0) return false;
    if (v.n > 1 && v.p[0] == 0 && (v.p[1] & 0x80) == 0) return false;
    if (v.n > 5 || (v.n == 5 && v.p[0] != 0)) return false;
    uint32_t n = 0;
    for (size_t i = 0; i < v.n; i++) n = n << 8 | v.p[i];
    *ret = n;
    return true;
}

bool der_bool(struct vl_span *at, bool *ret) {
    struct vl_span v;
    if (!der_take(at, DER_BOOLEAN, &v) || v.n != 1 || (v.p[0] != 0 && v.p[0] != 0xff)) return false;
    *ret = v.p[0] != 0;
    return true;
}
