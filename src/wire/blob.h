/* blob.h - link messages that move blobs: a request, a piece of the content, or "I have it not".
 * Layout: u8 kind | u16 head length | head (proto/blob.proto) | content of a piece.  Strict, as in wire/envelope.h. */
#ifndef VL_WIRE_BLOB_H
#define VL_WIRE_BLOB_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"

#include <stdint.h>

#define WIRE_BLOB_HEAD_MAX 96u /* kind, length and the largest head */

enum wire_blob_kind { WIRE_BLOB_REQUEST = 1, WIRE_BLOB_CHUNK = 2, WIRE_BLOB_MISSING = 3 };
struct wire_blob {
    enum wire_blob_kind kind;
    struct vl_hash hash;
    uint64_t offset;      /* request, chunk: < VL_BLOB_MAX */
    uint64_t size;        /* chunk: of the whole blob, <= VL_BLOB_MAX */
    uint32_t length;      /* request: 1..VL_CHUNK wanted; chunk: bytes of data, offset + length <= size, 0 only if size is 0 */
    struct vl_span data;  /* chunk, after decode: the content, borrowed */
};
/* Appends kind, length and head; the caller sends `length` bytes of content behind a chunk's.  VL_ERANGE, VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err wire_blob_encode_head(const struct wire_blob *m, struct vl_buf *dst);
/* The whole message; ret->data borrows from `in`.  VL_EPARSE. */
VL_MUST_CHECK enum vl_err wire_blob_decode(struct vl_span in, struct wire_blob *ret);

#endif
