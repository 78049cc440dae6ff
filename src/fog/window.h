/* window.h - how much of what a node claims to hold it is believed, learned from what it did (FOG-05).  A plain value.
 * As TCP learns what a path carries (Jacobson 1988): a node that nobody knows is given a few tasks, each that ends well
 * lets it have one more; when it lacks room for what was within its claim, belief is halved, and from then on grows by one
 * task for every four rounds of good ones.  So a node that claims a thousand slots and has two costs tens of placements
 * once, not thousands again and again. */
#ifndef VL_FOG_WINDOW_H
#define VL_FOG_WINDOW_H

#include "base/ms.h"

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_START 16u      /* slots believed of a stranger */
#define WINDOW_ROUND_MS 2000u /* refusals of one burst halve once, unless there are twice as many as is believed */
#define WINDOW_ROUNDS 4u      /* of good tasks, for one slot more, once room was lacking */
#define WINDOW_MEMORY_SHARE 16u /* same for memory: a sixteenth of what is believed */

/* Zeroed: nothing known. */
struct window {
    uint32_t slots;   /* believed; 0: WINDOW_START */
    bool lacked;      /* it lacked room once: growth is slow */
    uint32_t credit;  /* good tasks towards the next step */
    uint32_t lacks;   /* refusals since it was halved */
    uint64_t memory;  /* bytes believed; 0: as claimed */
    vl_ms cut_ms;     /* last time it was halved */
};

/* What is believed of a claim; at least 1 slot of a claim above 0. */
uint32_t window_slots(const struct window *w, uint32_t claimed);
uint64_t window_memory(const struct window *w, uint64_t claimed);
/* A task ended well while the node held `held` tasks, itself among them.  True when the change is worth storing: belief
 * doubled since a power of two, or became whole. */
bool window_good(struct window *w, uint32_t claimed, uint64_t claimed_memory, uint32_t held);
/* A task found no room while the node held `held` tasks of together `held_memory` bytes, itself among them.  `memory`: it
 * was memory that lacked.  True when belief changed. */
bool window_lack(struct window *w, vl_ms now, uint32_t claimed, uint32_t held, uint64_t held_memory, bool memory);

#endif
