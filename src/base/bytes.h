/* bytes.h - borrowed spans, a growing buffer with a hard cap, and strict big-endian readers and writers.
 * A reader or writer fails sticky: after the first error every call is a no-op that yields zeros, so a decoder
 * needs one check at its end (the idea is Core Lightning's fromwire). Not thread-safe. */
#ifndef VL_BASE_BYTES_H
#define VL_BASE_BYTES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed, never owned.  p may be NULL only when n is 0. */
struct vl_span {
    const uint8_t *p;
    size_t n;
};
struct vl_span vl_span(const void *p, size_t n);
struct vl_span vl_span_str(const char *s);
bool vl_span_eq(struct vl_span a, struct vl_span b);

/* Owned growing buffer; len <= cap <= max. */
struct vl_buf {
    uint8_t *p;
    size_t len, cap, max;
};
/* Empty, nothing allocated; grows up to `max` bytes. */
void vl_buf_init(struct vl_buf *b, size_t max);
/* Frees and leaves an empty buffer with the same max. */
void vl_buf_free(struct vl_buf *b);
void vl_buf_clear(struct vl_buf *b); /* keeps the memory */
/* Room for n more bytes at p + len.  VL_ELIMIT: would pass max.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err vl_buf_reserve(struct vl_buf *b, size_t n);
/* Same errors as reserve. */
VL_MUST_CHECK enum vl_err vl_buf_append(struct vl_buf *b, const void *p, size_t n);
VL_MUST_CHECK enum vl_err vl_buf_printf(struct vl_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n <= len bytes. */
void vl_buf_consume(struct vl_buf *b, size_t n);

struct vl_reader {
    const uint8_t *p;
    size_t n;
    bool failed;
};
struct vl_reader vl_reader(const void *p, size_t n);
uint8_t vl_read_u8(struct vl_reader *r);
uint16_t vl_read_u16(struct vl_reader *r);
uint32_t vl_read_u32(struct vl_reader *r);
uint64_t vl_read_u64(struct vl_reader *r);
/* Copies n bytes to dst; zeros dst when the input is too short. */
void vl_read_bytes(struct vl_reader *r, void *dst, size_t n);
/* Borrows n bytes of the input; an empty span on failure. */
struct vl_span vl_read_span(struct vl_reader *r, size_t n);
/* VL_OK only when nothing failed and nothing is left; else VL_EPARSE. */
VL_MUST_CHECK enum vl_err vl_reader_end(const struct vl_reader *r);

struct vl_writer {
    uint8_t *p;
    size_t len, cap;
    bool failed;
};
struct vl_writer vl_writer(void *p, size_t cap);
void vl_write_u8(struct vl_writer *w, uint8_t v);
void vl_write_u16(struct vl_writer *w, uint16_t v);
void vl_write_u32(struct vl_writer *w, uint32_t v);
void vl_write_u64(struct vl_writer *w, uint64_t v);
void vl_write_bytes(struct vl_writer *w, const void *p, size_t n);

static inline uint16_t vl_get_u16(const uint8_t *p) { return (uint16_t)((p[0] << 8) | p[1]); }
static inline uint32_t vl_get_u32(const uint8_t *p) {
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}
static inline uint64_t vl_get_u64(const uint8_t *p) { return ((uint64_t)vl_get_u32(p) << 32) | vl_get_u32(p + 4); }
static inline void vl_put_u16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void vl_put_u32(uint8_t *p, uint32_t v) {
    vl_put_u16(p, (uint16_t)(v >> 16));
    vl_put_u16(p + 2, (uint16_t)v);
}
static inline void vl_put_u64(uint8_t *p, uint64_t v) {
    vl_put_u32(p, (uint32_t)(v >> 32));
    vl_put_u32(p + 4, (uint32_t)v);
}

#endif
