#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vl_span vl_span(const void *p, size_t n) {
    return (struct vl_span){ .p = p, .n = n };
}
struct vl_span vl_span_str(const char *s) {
    return vl_span(s, strlen(s));
}
bool vl_span_eq(struct vl_span a, struct vl_span b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }

void vl_buf_init(struct vl_buf *b, size_t max) { *b = (struct vl_buf){ .max = max }; }

void vl_buf_free(struct vl_buf *b) {
    free(b->p);
    *b = (struct vl_buf){ .max = b->max };
}

void vl_buf_clear(struct vl_buf *b) { b->len = 0; }

enum vl_err vl_buf_reserve(struct vl_buf *b, size_t n) {
    if (n > b->max || b->len > b->max - n) return VL_ELIMIT;
    size_t need = b->len + n;
    if (need <= b->cap) return VL_OK;
    size_t cap = b->cap ? b->cap : 256;
    while (cap < need) cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->max) cap = b->max;
    uint8_t *p = realloc(b->p, cap);
    if (p == NULL) return VL_ENOMEM;
    b->p = p;
    b->cap = cap;
    return VL_OK;
}

enum vl_err vl_buf_append(struct vl_buf *b, const void *p, size_t n) {
    if (n == 0) return VL_OK;
    enum vl_err err = vl_buf_reserve(b, n);
    if (err) return err;
    memcpy(b->p + b->len, p, n);
    b->len += n;
    return VL_OK;
}

enum vl_err vl_buf_printf(struct vl_buf *b, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    enum vl_err err = n < 0 ? VL_EINTERNAL : vl_buf_reserve(b, (size_t)n + 1); /* + 1: vsnprintf ends with a NUL */
    if (err == VL_OK) {
        vsnprintf((char *)b->p + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return err;
}

void vl_buf_consume(struct vl_buf *b, size_t n) {
    if (n > b->len) n = b->len;
    if (n == 0) return;
    memmove(b->p, b->p + n, b->len - n);
    b->len -= n;
}

struct vl_reader vl_reader(const void *p, size_t n) {
    return (struct vl_reader){ .p = p, .n = n };
}

struct vl_span vl_read_span(struct vl_reader *r, size_t n) {
    if (r->failed || n > r->n) {
        r->failed = true;
        return (struct vl_span){ 0 };
    }
    struct vl_span s = { .p = r->p, .n = n };
    r->n -= n;
    if (n > 0) r->p += n;
    return s;
}

uint8_t vl_read_u8(struct vl_reader *r) {
    struct vl_span s = vl_read_span(r, 1);
    return s.p ? s.p[0] : 0;
}

uint16_t vl_read_u16(struct vl_reader *r) {
    struct vl_span s = vl_read_span(r, 2);
    return s.p ? vl_get_u16(s.p) : 0;
}

uint32_t vl_read_u32(struct vl_reader *r) {
    struct vl_span s = vl_read_span(r, 4);
    return s.p ? vl_get_u32(s.p) : 0;
}

uint64_t vl_read_u64(struct vl_reader *r) {
    struct vl_span s = vl_read_span(r, 8);
    return s.p ? vl_get_u64(s.p) : 0;
}

void vl_read_bytes(struct vl_reader *r, void *dst, size_t n) {
    struct vl_span s = vl_read_span(r, n);
    if (n == 0) return;
    if (s.n == n)
        memcpy(dst, s.p, n);
    else
        memset(dst, 0, n);
}

enum vl_err vl_reader_end(const struct vl_reader *r) { return r->failed || r->n != 0 ? VL_EPARSE : VL_OK; }

struct vl_writer vl_writer(void *p, size_t cap) {
    return (struct vl_writer){ .p = p, .cap = cap };
}

static uint8_t *write_room(struct vl_writer *w, size_t n) {
    if (w->failed || n > w->cap - w->len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->p + w->len;
    w->len += n;
    return at;
}

void vl_write_u8(struct vl_writer *w, uint8_t v) {
    uint8_t *at = write_room(w, 1);
    if (at) *at = v;
}

void vl_write_u16(struct vl_writer *w, uint16_t v) {
    uint8_t *at = write_room(w, 2);
    if (at) vl_put_u16(at, v);
}

void vl_write_u32(struct vl_writer *w, uint32_t v) {
    uint8_t *at = write_room(w, 4);
    if (at) vl_put_u32(at, v);
}

void vl_write_u64(struct vl_writer *w, uint64_t v) {
    uint8_t *at = write_room(w, 8);
    if (at) vl_put_u64(at, v);
}

void vl_write_bytes(struct vl_writer *w, const void *p, size_t n) {
    if (n == 0) return;
    uint8_t *at = write_room(w, n);
    if (at) memcpy(at, p, n);
}
