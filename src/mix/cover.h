/* cover.h - when a member sends a packet, whatever it has to say: three Poisson streams (payload, loops, drops) whose
 * total is constant, so that an observer of the first link learns nothing from when or how much (Loopix, MIX-05).
 * A payload slot with nothing to send carries drop cover; real traffic replaces cover, it never adds to it.  Loops
 * measure loss and delay.  Pure. */
#ifndef VL_MIX_COVER_H
#define VL_MIX_COVER_H

#include "base/err.h"
#include "base/ms.h"
#include "base/prng.h"

#include <stdbool.h>
#include <stdint.h>

struct cover_rates {
    uint32_t payload_mhz, loop_mhz, drop_mhz; /* slots in 1/1000 per second; 0: off */
};
struct cover_rates cover_rates_default(void); /* 10, 1, 1 per second */

enum cover_slot { COVER_PAYLOAD = 0, COVER_LOOP = 1, COVER_DROP = 2 };
#define COVER_LOOPS_OUT 256u /* loops on their way that are remembered */

struct cover;
VL_MUST_CHECK enum vl_err cover_create(const struct cover_rates *rates, const uint8_t seed[32], vl_ms now,
                                       struct cover **ret);
void cover_destroy(struct cover *c);
vl_ms cover_deadline(const struct cover *c);
/* The next slot that is due; false: none yet.  After a pause (sleep, stall) missed slots are not caught up. */
bool cover_next(struct cover *c, vl_ms now, enum cover_slot *ret_slot);

/* A loop leaves: writes its 32-byte body data (an unguessable id).  expected_ms: sum of the assigned delays if known
 * (audit), else of the means. */
void cover_loop_sent(struct cover *c, vl_ms now, vl_ms expected_ms, uint8_t ret_data[32]);
/* Something came back to ourselves.  VL_ENOTFOUND: no such loop is out (forged, or long given up). */
VL_MUST_CHECK enum vl_err cover_loop_back(struct cover *c, vl_ms now, const uint8_t data[32]);

struct cover_stats {
    uint64_t payload, filled, loops, drops, back, lost,
        late; /* filled: payload slots that carried real data; late: over tolerance */
    uint32_t loss_permille, delay_p50_ms, delay_p95_ms; /* of the last 256 loops */
};
struct cover_stats cover_stats(const struct cover *c);
void cover_filled(struct cover *c); /* the payload slot just given carried data */
void cover_tolerance(struct cover *c, uint16_t permille);

#endif
