/* http_parse.h - strict HTTP/1.1 request parser: bytes in, a table of offsets out. No I/O, no allocation.
 * What two programs could read in two ways is refused, because that is how requests are smuggled: bare LF, obs-fold,
 * space before a colon, two Hosts, two lengths, a length beside chunks, chunk extensions, trailers.
 * Source: RFC 9112 (messages), RFC 9110 section 5 (fields), RFC 3986 sections 2.1, 3.3, 5.2.4 (paths). */
#ifndef VL_GATEWAY_HTTP_PARSE_H
#define VL_GATEWAY_HTTP_PARSE_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 16384u  /* request line and header fields; offsets fit 16 bits */
#define HTTP_FIELDS_MAX 100u  /* header fields */
#define HTTP_TARGET_MAX 4096u /* request target; the path after decoding is never longer */

enum http_method {
    HTTP_GET = 0,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
    HTTP_OTHER, /* a well-formed method that no route here knows */
};
const char *http_method_text(enum http_method m);

/* Part of the head: offset from the first byte of the request. */
struct http_part {
    uint16_t at, n;
};
struct http_field {
    struct http_part name, value; /* value without the white space around it */
};

/* Results are valid once http_parse_head() returned VL_OK and as long as the caller keeps the bytes.
 * Plain struct: the server keeps one on its stack and copies it only when a head comes in pieces. */
struct http_head {
    /* state of the parser */
    uint32_t line, scan; /* where the unparsed line starts; how far it was searched for its end */
    bool begun;          /* the request line is done */
    uint16_t status;     /* why parsing failed: 400, 413, 414, 431, 501, 505; 0: it has not */
    /* results */
    enum http_method method;
    struct http_part method_text;
    struct http_part path;  /* raw, begins with '/', or is "*" */
    struct http_part query; /* raw, without '?' */
    bool path_plain;        /* nothing in the path needs decoding or normalising */
    bool has_length, chunked, expect_continue, close, keep_alive, upgrade;
    uint64_t length; /* Content-Length */
    struct http_part host, authorization, content_type, request_id, origin;
    uint32_t size; /* bytes of the whole head */
    uint16_t fields_n;
    struct http_field fields[HTTP_FIELDS_MAX];
};

/* Ready for a new request; leaves the table of fields as it is. */
void http_head_init(struct http_head *h);
/* Goes on with the n bytes at p that begin with the request's first byte: the same bytes as last time, and more.
 * VL_OK: the head is whole, h->size bytes long.  VL_EAGAIN: more bytes needed.
 * VL_EPARSE: refused, h->status says with which status; stays refused. */
VL_MUST_CHECK enum vl_err http_parse_head(struct http_head *h, const char *p, size_t n);

static inline struct vl_span http_part_span(const char *base, struct http_part s) {
    return (struct vl_span){ .p = (const uint8_t *)base + s.at, .n = s.n };
}
/* First field of that name (lower case), in any case; an empty part (n 0, at 0) when there is none. */
struct http_part http_head_find(const struct http_head *h, const char *base, const char *lower_name);

/* Decodes %xx and removes dot segments, once.  Refuses: broken or double-meaning escapes (%00, controls, %2F, %5C, a
 * second level as %25xx stays literal), a backslash, a path above the root, bytes that are not UTF-8.
 * dst holds HTTP_TARGET_MAX bytes; no NUL is added.  VL_EPARSE; dst may be scribbled on. */
VL_MUST_CHECK enum vl_err http_path_normalise(struct vl_span raw, char *dst, size_t *ret_n);
/* Decodes one query component ('+' is a space).  dst holds cap bytes, with a NUL.  VL_EPARSE, VL_ELIMIT. */
VL_MUST_CHECK enum vl_err http_query_decode(struct vl_span raw, char *dst, size_t cap, size_t *ret_n);
/* True when the n bytes are well-formed UTF-8 (RFC 3629). */
bool http_utf8_valid(const void *p, size_t n);
/* Same letters, ASCII case aside. */
bool http_span_is(struct vl_span s, const char *lower);
/* True when the comma-separated list holds the token, ASCII case aside. */
bool http_list_has(struct vl_span s, const char *lower);

/* Body in chunks (RFC 9112 7.1): no extensions, no trailers. */
struct http_chunks {
    uint64_t left; /* data bytes left in this chunk */
    uint8_t state, digits;
};
void http_chunks_init(struct http_chunks *c);
/* Eats from the front of *in and yields the next run of data (borrowed from the input, may be empty).
 * VL_OK: the body is over.  VL_EAGAIN: call again, with more input once *in is empty.  VL_EPARSE: refused. */
VL_MUST_CHECK enum vl_err http_chunks_next(struct http_chunks *c, struct vl_span *in, struct vl_span *ret_data);

#endif
