/* witness.h - what coordinator and witnesses say about heads of the log of receipts (C2SP tlog-witness in messages of a village).
 *   head       u8 tag=0x95 | u8 version=1 | u64 size that the witness saw last | u8 n, n x 32 consistency proof | u16 n, signed head
 *   answer     u8 tag=0x96 | u8 version=1 | u8 what | u64 size | u64 seconds | 64 bytes of signature; zeros but for SIGNED
 * Strict codecs; VL_EPARSE, VL_EVERSION; VL_ERANGE: would not decode. */
#ifndef VL_WIRE_WITNESS_H
#define VL_WIRE_WITNESS_H

#include "base/bytes.h"
#include "base/id.h"

#define WITNESS_PROOF_MAX 65u /* hashes (crypto/merkle.h) */
#define WITNESS_HEAD_MAX 511u /* bytes of a head's text with the log's signature alone */

struct witness_head {
    uint64_t old_size; /* of the head that the proof begins with; 0: none, then no proof */
    uint32_t n;
    struct vl_hash proof[WITNESS_PROOF_MAX];
    struct vl_span text; /* borrowed */
};
enum witness_answer_kind {
    WITNESS_SIGNED = 1,
    WITNESS_AHEAD = 2,   /* it saw a head of `size`, and wants a proof from there */
    WITNESS_REFUSED = 3, /* the head contradicts that of `size` */
};
struct witness_answer {
    enum witness_answer_kind what;
    uint64_t size;   /* SIGNED: of the head signed */
    uint64_t time_s; /* SIGNED: of the cosignature */
    uint8_t signature[64];
};

VL_MUST_CHECK enum vl_err witness_head_encode(const struct witness_head *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err witness_head_decode(struct vl_span in, struct witness_head *ret);
VL_MUST_CHECK enum vl_err witness_answer_encode(const struct witness_answer *m, struct vl_buf *out);
VL_MUST_CHECK enum vl_err witness_answer_decode(struct vl_span in, struct witness_answer *ret);

#endif
