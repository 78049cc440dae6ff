#include "crypto/der.h"

bool der_any(struct vl_span *at, uint8_t *ret_tag, struct vl_span *ret) {
    struct vl_span s = *at;
    if (s.n < 2 || (s.p[0] & 0x1f) == 0x1f) return false;
    uint8_t tag = s.p[0];
    size_t n = s.p[1], head = 2;
    if (n >= 0x80) {
        size_t bytes = n & 0x7f;
        if (bytes == 0 || bytes > 3 || s.n < 2 + bytes || s.p[2] == 0) return false;
        n = 0;
        for (size_t i = 0; i < bytes; i++) n = n << 8 | s.p[2 + i];
        if (n < 0x80) return false;
        head += bytes;
    }
    if (n > s.n - head) return false;
    *ret_tag = tag;
    *ret = vl_span(s.p + head, n);
    *at = vl_span(s.p + head + n, s.n - head - n);
    return true;
}

bool der_take(struct vl_span *at, uint8_t tag, struct vl_span *ret) {
    struct vl_span s = *at, v;
    uint8_t got;
    if (!der_any(&s, &got, &v) || got != tag) return false;
    *at = s;
    *ret = v;
    return true;
}

bool der_u32(struct vl_span *at, uint8_t tag, uint32_t *ret) {
    struct vl_span s = *at, v;
    if (!der_take(&s, tag, &v) || v.n == 0 || v.n > 5 || (v.p[0] & 0x80) != 0) return false;
    if (v.n > 1 && v.p[0] == 0 && (v.p[1] & 0x80) == 0) return false;
    if (v.n == 5 && v.p[0] != 0) return false;
    uint32_t x = 0;
    for (size_t i = 0; i < v.n; i++) x = x << 8 | v.p[i];
    *at = s;
    *ret = x;
    return true;
}
