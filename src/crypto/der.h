/* der.h - one element after the other of DER (ITU-T X.690), strictly: tags below 31 and context tags up to 30 in one
 * byte, definite lengths in their shortest form. */
#ifndef VL_CRYPTO_DER_H
#define VL_CRYPTO_DER_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTETS = 0x04,
    DER_OID = 0x06,
    DER_ENUM = 0x0a,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31
};

/* Takes the element with this tag from the front of *at: its content is borrowed in *ret.  false: another tag, a length
 * that is not the shortest form or goes past the end; *at and *ret are untouched. */
bool der_take(struct vl_span *at, uint8_t tag, struct vl_span *ret);
/* The same for any tag; also tells which. */
bool der_any(struct vl_span *at, uint8_t *ret_tag, struct vl_span *ret);
/* An INTEGER (or ENUMERATED) of 0..UINT32_MAX, in its shortest form. */
bool der_u32(struct vl_span *at, uint8_t tag, uint32_t *ret);

#endif
