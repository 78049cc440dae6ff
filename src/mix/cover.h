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
#define COVER_LOOPS_OUT 256u         /* loops on their way that are remembered; more are cover only, and not measured */
#define COVER_CATCH_UP_MS 100u       /* a slot later than this is a pause: what else was missed is left out */
#define COVER_SLACK_MS 5000u         /* links and fetching, on top of the delays */
#define COVER_RATE_MAX 1000000u      /* 1,000 slots per second in all */
#define COVER_TOLERANCE_DEFAULT 250u /* per mille, until cover_tolerance() */

struct cover;
/* VL_ERANGE: more than COVER_RATE_MAX in all; VL_ENOMEM.  The gaps come from crypto/drbg.h: whoever could foresee them
 * would know which packets come on top. */
VL_MUST_CHECK enum vl_err cover_create(const struct cover_rates *rates, const uint8_t seed[32], vl_ms now,
                                       struct cover **ret);
void cover_destroy(struct cover *c);
vl_ms cover_deadline(const struct cover *c); /* of the next slot; VL_MS_NEVER: all rates are 0 */
/* The next slot that is due; false: none yet.  Call until false.  After a pause (sleep, stall) missed slots are not
 * caught up: one is given, and the streams begin anew. */
bool cover_next(struct cover *c, vl_ms now, enum cover_slot *ret_slot);

/* A loop leaves: writes its 32-byte body data (an unguessable id).  expected_ms: sum of the assigned delays if known
 * (audit), else of the means.  It is lost after 4 times that (99.9 % of the sums of 3 exponential delays are shorter,
 * and more of 5 or 7; mixnet.md 6.3), the tolerance, and COVER_SLACK_MS. */
void cover_loop_sent(struct cover *c, vl_ms now, vl_ms expected_ms, uint8_t ret_data[32]);
/* Something came back to ourselves.  VL_ENOTFOUND: no such loop is out (forged, or long given up). */
VL_MUST_CHECK enum vl_err cover_loop_back(struct cover *c, vl_ms now, const uint8_t data[32]);

struct cover_stats {
    uint64_t payload, loops, drops;                     /* slots given */
    uint64_t filled;                                    /* payload slots that carried real data */
    uint64_t back, lost;                                /* loops, each once */
    uint64_t late;                                      /* part of back: longer than expected_ms plus the tolerance */
    uint32_t out;                                       /* loops remembered that are on their way */
    uint32_t loss_permille, delay_p50_ms, delay_p95_ms; /* of the last 256 loops that came back or were lost */
};
struct cover_stats cover_stats(const struct cover *c);
void cover_filled(struct cover *c); /* the payload slot just given carried data */
void cover_tolerance(struct cover *c, uint16_t permille);

#endif
