/* der.h - reads DER (X.690) in place: one element after another, lengths in their shortest form. */
#ifndef VL_TRUST_DER_H
#define VL_TRUST_DER_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define DER_BOOLEAN 0x01u
#define DER_INTEGER 0x02u
#define DER_OCTETS 0x04u
#define DER_OID 0x06u
#define DER_ENUM 0x0au
#define DER_SEQUENCE 0x30u
/* Explicit context tags of any number begin here; their element is inside. */
#define DER_CONTEXT 0x100u

/* *ret_tag: the identifier byte, or DER_CONTEXT + number for a constructed context tag.  Takes the element off *at.
 * false: malformed, or nothing is left. */
bool der_next(struct vl_span *at, uint32_t *ret_tag, struct vl_span *ret);
/* The same for an element that must have this tag. */
bool der_take(struct vl_span *at, uint32_t tag, struct vl_span *ret);
/* An INTEGER or ENUMERATED of 0..UINT32_MAX. */
bool der_uint(struct vl_span *at, uint32_t tag, uint32_t *ret);
/* Only the two values that DER has. */
bool der_bool(struct vl_span *at, bool *ret);

#endif
