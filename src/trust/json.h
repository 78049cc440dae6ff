/* json.h - reads JSON (RFC 8259) in place, for documents whose signature covers their very bytes: a value is the span
 * of its text, nothing is copied or written again.  Strict: no key twice in an object, no more than JSON_DEPTH levels
 * and JSON_KEYS keys an object, nothing after the value.
 * The prefix is jspan_, as json_ is jansson's. */
#ifndef VL_TRUST_JSON_H
#define VL_TRUST_JSON_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH 12u
#define JSON_KEYS 48u

/* The whole text is one value.  *ret: the value without the white space around it. */
bool jspan_read(struct vl_span text, struct vl_span *ret);
/* How many bytes jspan_read() had read when it stopped: where to look for what is wrong. */
size_t jspan_stop(struct vl_span text);

/* What follows takes values of a text that jspan_read() took; on others it is safe, and may find less.
 * The value of this key; key is ASCII without escapes.  false: no object, no such key. */
bool jspan_member(struct vl_span object, const char *key, struct vl_span *ret);
/* Walks an array: *at begins as the array and is the rest afterwards.  false: no array, or its end. */
bool jspan_next(struct vl_span *at, struct vl_span *ret);
/* Walks an object: *at begins as the object and is the rest afterwards; the name is the inside of its string, escapes and all.
 * false: no object, or its end. */
bool jspan_pair(struct vl_span *at, struct vl_span *ret_name, struct vl_span *ret);
/* The inside of a string that has no escapes.  false: not such a string. */
bool jspan_text(struct vl_span value, struct vl_span *ret);
bool jspan_is(struct vl_span value, const char *text);
/* A number of 0..UINT64_MAX in digits. */
bool jspan_uint(struct vl_span value, uint64_t *ret);
/* A string of exactly 2n hexadecimal digits of either case. */
bool jspan_hex(struct vl_span value, uint8_t *dst, size_t n);

#endif
