/* armor.h - an artefact as a text file: canonical bytes in base64 between two lines that name them, as in RFC 7468 (lines of 64
 * characters, no headers).  What people keep, mail and check with `village verify`.  Strict: one text for the same bytes. */
#ifndef VL_WIRE_ARMOR_H
#define VL_WIRE_ARMOR_H

#include "base/bytes.h"

#define ARMOR_LABEL_MAX 48u      /* characters: A-Z, 0-9, and single spaces between words */
#define ARMOR_BYTES_MAX (1u << 20) /* of what is inside */

/* Appends the text to out.  VL_ERANGE: label, or more bytes than ARMOR_BYTES_MAX.  Errors of appending. */
VL_MUST_CHECK enum vl_err armor_write(const char *label, struct vl_span bytes, struct vl_buf *out);
/* All of `text` is one armoured file; its bytes are appended to out, its label goes into label.  Line ends may be CR LF, and white space
 * may stand around the file, since mail adds both.  VL_EPARSE, VL_ELIMIT, VL_ENOMEM: out is as before. */
VL_MUST_CHECK enum vl_err armor_read(struct vl_span text, char label[ARMOR_LABEL_MAX + 1], struct vl_buf *out);
/* Whether it begins as one: enough to tell it from other kinds of files. */
bool armor_is(struct vl_span text);

#endif
