/* pack.h - LZ4 for payloads where it helps (NET-12).  Pure.  A packed payload is the raw size as u32, then one LZ4 block. */
#ifndef VL_NET_PACK_H
#define VL_NET_PACK_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define PACK_MIN 1024u       /* below, the header and the CPU cost more than the bytes */
#define PACK_PROBE 4096u     /* so much is tried before the rest of a large payload */
#define PACK_HEAD 4u
#define PACK_SAVES_MIN 8u    /* a packed payload is smaller by at least one part in so many */

/* Appends the packed form of raw (<= VL_PAYLOAD_MAX) to dst and sets *ret_packed; leaves dst and sets false when raw is
 * short or does not shrink enough.  VL_ENOMEM, VL_ELIMIT from dst. */
VL_MUST_CHECK enum vl_err pack_try(struct vl_span raw, struct vl_buf *dst, bool *ret_packed);
/* Appends the raw bytes of `packed` to dst, at most VL_PAYLOAD_MAX.  VL_EPARSE: not such a block or another size than it
 * says.  VL_ENOMEM, VL_ELIMIT from dst. */
VL_MUST_CHECK enum vl_err pack_open(struct vl_span packed, struct vl_buf *dst);

#endif
