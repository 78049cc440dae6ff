/* clock.h - the only place that reads the clock: Unix milliseconds that never run backwards.
 * Wall time at start plus the monotonic clock, so that a stepped wall clock cannot fire or freeze every timer at once;
 * os_clock_follow() lets it catch up slowly.  Several clocks may exist; not thread-safe. */
#ifndef VL_OS_CLOCK_H
#define VL_OS_CLOCK_H

#include "base/ms.h"

struct os_clock {
    vl_ms base_wall, base_mono, last;
};
/* `floor`: the newest time this node has recorded; the clock never starts before it. */
void os_clock_start(struct os_clock *c, vl_ms floor);
vl_ms os_clock_now(struct os_clock *c);
/* Moves towards the wall clock by at most 1/64 of the time since the last call (backwards only by running slower).
 * Returns wall minus ours in ms. */
int64_t os_clock_follow(struct os_clock *c);

#endif
