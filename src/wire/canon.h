/* canon.h - protobuf in its one canonical form, for messages too large to copy: bytes fields are borrowed from the input.
 * Of the many encodings of a message only the one we would write is accepted, so that unknown, repeated or misordered
 * fields cannot smuggle anything past a reader that looks at another copy.  For codecs in wire/ only. */
#ifndef VL_WIRE_CANON_H
#define VL_WIRE_CANON_H

#include "base/bytes.h"
#include "base/err.h"

#include <pb.h>

/* A field of type FT_CALLBACK whose content is the span at `at`: borrowed on decode, absent when empty. */
pb_callback_t canon_field_read(struct vl_span *at);
pb_callback_t canon_field_write(struct vl_span *at);

/* Appends the encoding.  VL_ERANGE: not encodable; VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err canon_append(const pb_msgdesc_t *fields, const void *m, struct vl_buf *dst);
/* Decodes into m; callback fields must be canon_field_read().  VL_EPARSE. */
VL_MUST_CHECK enum vl_err canon_read(struct vl_span in, const pb_msgdesc_t *fields, void *m);
/* VL_OK when encoding m gives exactly `in`; callback fields must be canon_field_write().  VL_EPARSE. */
VL_MUST_CHECK enum vl_err canon_check(struct vl_span in, const pb_msgdesc_t *fields, const void *m);

#endif
