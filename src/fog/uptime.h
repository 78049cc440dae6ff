/* uptime.h - core: how available one node is, from the times it was seen up and down (FOG-16; fog.md section 5).
 * Evidence is time, in milliseconds; what is old counts less: half after UPTIME_HALF_MS.  An hour is one observation of
 * a Beta distribution, since outages last minutes to hours and seconds of one outage tell nothing new.  A newcomer
 * begins with UPTIME_PRIOR_*: a home machine that is on 85 % of the time, known as little as after 20 hours; it fades
 * like everything else.  Integers throughout: the same history gives the same bound everywhere. */
#ifndef VL_FOG_UPTIME_H
#define VL_FOG_UPTIME_H

#include "base/bytes.h"
#include "base/ms.h"

#define UPTIME_HALF_MS (14ull * 86400000u)
#define UPTIME_PRIOR_UP_MS (16ull * 3600000u) /* and 1 hour each of the uniform distribution: mean 17 of 20 */
#define UPTIME_PRIOR_DOWN_MS (2ull * 3600000u)
#define UPTIME_RECORD_MAX 64u

struct uptime {
    uint64_t up_ms, down_ms; /* decayed, as of at_ms */
    vl_ms at_ms;             /* told up to here */
    bool up;
};

/* A node that nothing is known of, in state `up` from `now` on. */
void uptime_begin(struct uptime *u, vl_ms now, bool up);
/* The state held until `now`; earlier than at_ms changes nothing. */
void uptime_pass(struct uptime *u, vl_ms now);
/* Was in the old state until `at`, is in this one since; `at` before at_ms: since at_ms. */
void uptime_mark(struct uptime *u, vl_ms at, bool up);
/* Nobody looked until `now`: the time counts neither way. */
void uptime_blind(struct uptime *u, vl_ms now);
/* Lower bound of availability, ppb: mean - 1.645 standard deviations of the Beta distribution (95 % one-sided). */
uint32_t uptime_lower_ppb(const struct uptime *u);
/* Mean of the same, ppb. */
uint32_t uptime_mean_ppb(const struct uptime *u);

/* Durable form, <= UPTIME_RECORD_MAX bytes.  VL_ENOMEM, VL_ELIMIT; VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err uptime_encode(const struct uptime *u, struct vl_buf *out);
VL_MUST_CHECK enum vl_err uptime_decode(struct vl_span in, struct uptime *ret);

#endif
