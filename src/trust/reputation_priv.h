/* reputation_priv.h - sums of evidence, shared by the reputation*.c files only. */
#ifndef VL_TRUST_REPUTATION_PRIV_H
#define VL_TRUST_REPUTATION_PRIV_H

#include "trust/reputation.h"

enum { PART_FOLDED = 0, PART_MIDDLE = 1, PART_NEWEST = 2, PARTS = 3 };
enum { SLOTS = 2 * REPUTATION_DIMS };

static inline uint64_t add_saturating(uint64_t a, uint64_t b) { return b > UINT64_MAX - a ? UINT64_MAX : a + b; }

/* Room for a piece: at most one new cell per dimension.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err cells_reserve(struct reputation_state *s);
/* After cells_reserve(), cannot fail. */
void cells_add(struct reputation_state *s, uint8_t part, const struct evidence *e);
/* Parts move one back: the middle into the folded, the newest into the middle. */
void cells_fold(struct reputation_state *s);

#endif
