/* zk_members.h - a published set of numbers: what `in set@HASH` and `not in set@HASH` of a predicate (zk_pred.h) mean.  Its hash is
 * over the sorted numbers without doubles, so that order, spaces and remarks of a file do not change it.  Pure but for the allocation. */
#ifndef VL_TRUST_ZK_MEMBERS_H
#define VL_TRUST_ZK_MEMBERS_H

#include "base/bytes.h"
#include "base/id.h"

#include <stdint.h>

#define ZK_SET_SIZE_MAX 8192u        /* members: what one-out-of-many proofs take (zk_many.h) */
#define ZK_SET_TEXT_MAX (256u << 10) /* bytes of a file */
#define ZK_NUMBER_MAX ((1ll << 62) - 1)

struct zk_set {
    uint32_t n; /* 1..ZK_SET_SIZE_MAX */
    int64_t *v; /* sorted, each once, 0..ZK_NUMBER_MAX */
    struct vl_hash hash;
};

/* Decimal numbers between white space; `#` begins a remark that ends with the line.  VL_EPARSE: anything else, or no number at all;
 * VL_ERANGE: a number above ZK_NUMBER_MAX; VL_ELIMIT: too many; *ret_line (may be NULL) is where.  VL_ENOMEM.  Returns owned. */
VL_MUST_CHECK enum vl_err zk_set_read(struct vl_span text, struct zk_set **ret, unsigned *ret_line);
/* The same of n numbers in any order (copied).  VL_ERANGE: n, or a number out of range.  VL_ENOMEM.  Returns owned. */
VL_MUST_CHECK enum vl_err zk_set_make(const int64_t *v, uint32_t n, struct zk_set **ret);
void zk_set_destroy(struct zk_set *s);

#endif
