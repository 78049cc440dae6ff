/* breaker.h - circuit breaker of one node (Nygard 2007; figures: fog.md 7).  A plain value, no allocation.
 *
 *            5 failures in a row, or 10 of the last 20
 *   CLOSED ------------------------------------------> OPEN <--+ probe failed: wait doubles, 30 s .. 10 min
 *     ^                                                 | wait is over (asked with `now`)
 *     |                probe succeeded                  v     |
 *     +--------------------------------------------- HALF-OPEN: one probe at a time */
#ifndef VL_FOG_BREAKER_H
#define VL_FOG_BREAKER_H

#include "base/ms.h"

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_ROW 5u
#define BREAKER_WINDOW 20u
#define BREAKER_WAIT_MS 30000u
#define BREAKER_WAIT_MAX_MS 600000u

enum breaker_state { BREAKER_CLOSED = 0, BREAKER_OPEN = 1, BREAKER_HALF_OPEN = 2 };

/* Zeroed: closed, nothing seen. */
struct breaker {
    uint32_t window; /* last 20 results, newest in bit 0; 1: failed */
    uint8_t seen;    /* results in the window */
    uint8_t row;     /* failures in a row, cut at BREAKER_ROW */
    bool open;
    bool probing;     /* half-open and the probe is out */
    uint32_t wait_ms; /* of the present opening */
    vl_ms until;      /* open until */
};

enum breaker_state breaker_state(const struct breaker *b, vl_ms now);
/* May one more task go there?  Half-open: one, until its result is known. */
bool breaker_allows(const struct breaker *b, vl_ms now);
/* A task went there. */
void breaker_sent(struct breaker *b, vl_ms now);
/* Its result.  Returns true when the state changed. */
bool breaker_result(struct breaker *b, vl_ms now, bool ok);

#endif
