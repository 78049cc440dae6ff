/* pack.h - what the codecs of wire/ and the logs of the cores are written with: a sticky writer into a growing buffer,
 * and strict readers of the common fields on top of base/bytes.h.  After the first error every call is a no-op. */
#ifndef VL_WIRE_PACK_H
#define VL_WIRE_PACK_H

#include "base/bytes.h"
#include "base/id.h"

struct pack {
    struct vl_buf *out;
    size_t start;
    enum vl_err err;
};
struct pack pack_begin(struct vl_buf *out);
/* Message head: tag and version. */
struct pack pack_message(struct vl_buf *out, uint8_t tag, uint8_t version);
/* The first error, with out cut back to where it began; or VL_OK. */
VL_MUST_CHECK enum vl_err pack_end(struct pack *w);
/* Notes err unless there is one already. */
void pack_fail(struct pack *w, enum vl_err err);
void pack_u8(struct pack *w, uint8_t v);
void pack_u16(struct pack *w, uint16_t v);
void pack_u32(struct pack *w, uint32_t v);
void pack_u64(struct pack *w, uint64_t v);
void pack_bool(struct pack *w, bool v);
void pack_bytes(struct pack *w, const void *p, size_t n);
/* Length in 1, 2 or 4 bytes, then the bytes; VL_ERANGE when it does not fit. */
void pack_span8(struct pack *w, struct vl_span s);
void pack_span16(struct pack *w, struct vl_span s);
void pack_span32(struct pack *w, struct vl_span s);

/* Reads the head.  VL_EPARSE: another tag, or too short.  VL_EVERSION. */
VL_MUST_CHECK enum vl_err unpack_message(struct vl_reader *r, uint8_t tag, uint8_t version);
/* Fails the reader unless ok. */
void unpack_require(struct vl_reader *r, bool ok);
bool unpack_bool(struct vl_reader *r); /* 0 or 1 */
/* Value in lo..hi, else the reader fails and lo comes back. */
uint8_t unpack_u8_in(struct vl_reader *r, uint8_t lo, uint8_t hi);
uint32_t unpack_u32_in(struct vl_reader *r, uint32_t lo, uint32_t hi);
uint64_t unpack_u64_in(struct vl_reader *r, uint64_t lo, uint64_t hi);
struct vl_span unpack_span8(struct vl_reader *r, size_t max);
struct vl_span unpack_span16(struct vl_reader *r, size_t max);
struct vl_span unpack_span32(struct vl_reader *r, size_t max);
struct vl_hash unpack_hash(struct vl_reader *r);
struct vl_job_id unpack_job(struct vl_reader *r);
struct vl_node_id unpack_node(struct vl_reader *r);
/* NUL-terminated copy of a span8 of printable ASCII, shorter than size. */
void unpack_ascii8(struct vl_reader *r, char *dst, size_t size);

#endif
