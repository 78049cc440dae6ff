/* json.h - streaming JSON writer (RFC 8259): straight into a buffer, no tree. The prefix jw_ because jansson has json_.
 * Errors are sticky: look at `failed` once at the end. Keys are literals of ours and need no escaping. */
#ifndef VL_GATEWAY_JSON_H
#define VL_GATEWAY_JSON_H

#include "base/bytes.h"
#include "base/ms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jw {
    struct vl_buf *out; /* borrowed */
    bool comma;         /* a value stands before this place */
    bool failed;        /* the buffer is at its limit or memory is out */
};

struct jw jw_begin(struct vl_buf *out);
void jw_obj(struct jw *j);
void jw_obj_end(struct jw *j);
void jw_arr(struct jw *j);
void jw_arr_end(struct jw *j);
void jw_key(struct jw *j, const char *key);

void jw_str(struct jw *j, const char *s); /* NULL emits null */
/* Bytes that are no UTF-8 come out as U+FFFD. */
void jw_strn(struct jw *j, const char *s, size_t n);
void jw_u64(struct jw *j, uint64_t v);
void jw_i64(struct jw *j, int64_t v);
void jw_bool(struct jw *j, bool v);
void jw_null(struct jw *j);
void jw_hex(struct jw *j, const void *p, size_t n); /* as a string; n <= 64 */
/* Shortest decimal that reads back as the same double; null when not finite. */
void jw_double(struct jw *j, double v);
/* JSON text made elsewhere, copied as it is. */
void jw_raw(struct jw *j, const char *s, size_t n);

/* A member in one call. */
void jw_put_str(struct jw *j, const char *key, const char *s);
void jw_put_u64(struct jw *j, const char *key, uint64_t v);
void jw_put_bool(struct jw *j, const char *key, bool v);
void jw_put_hex(struct jw *j, const char *key, const void *p, size_t n);
void jw_put_ms(struct jw *j, const char *key, vl_ms t); /* 0 emits null */

/* The shortest form itself; dst holds 32 bytes.  Returns the length. */
size_t jw_format_double(double v, char *dst);
/* Decimal digits of v, no NUL; dst holds 20 bytes.  Returns the length. */
size_t jw_format_u64(uint64_t v, char *dst);

#endif
