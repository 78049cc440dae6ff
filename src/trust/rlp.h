/* rlp.h - recursive length prefix (yellow paper, appendix B): the encoding of the Ethereum chain.  Pure.
 * What is written into a vl_writer fails sticky.  The reader takes the one canonical form and nothing else. */
#ifndef VL_TRUST_RLP_H
#define VL_TRUST_RLP_H

#include "base/bytes.h"

void rlp_put_bytes(struct vl_writer *w, struct vl_span v);
/* Big-endian without leading zeros; 0 is the empty string. */
void rlp_put_u64(struct vl_writer *w, uint64_t v);
/* The same for a number of 256 bits. */
void rlp_put_u256(struct vl_writer *w, const uint8_t v[32]);
/* A list of items that are encoded already.  items may lie anywhere but in w. */
void rlp_put_list(struct vl_writer *w, struct vl_span items);

struct rlp_item {
    bool list;
    struct vl_span body; /* borrowed: the string, or the items of the list one after the other */
};
/* The next item of r.  VL_EPARSE (r has failed): cut short, or a length or a single byte that has a shorter form. */
VL_MUST_CHECK enum vl_err rlp_next(struct vl_reader *r, struct rlp_item *ret);
/* The next item as a string, a list, a number.  VL_EPARSE: malformed, or something else. */
VL_MUST_CHECK enum vl_err rlp_next_bytes(struct vl_reader *r, struct vl_span *ret);
VL_MUST_CHECK enum vl_err rlp_next_list(struct vl_reader *r, struct vl_reader *ret);
/* VL_EPARSE also for a leading zero.  VL_ERANGE: above 64 bits. */
VL_MUST_CHECK enum vl_err rlp_next_u64(struct vl_reader *r, uint64_t *ret);
VL_MUST_CHECK enum vl_err rlp_next_u256(struct vl_reader *r, uint8_t ret[32]);

#endif
