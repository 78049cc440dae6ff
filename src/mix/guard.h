/* guard.h - through which few relays a member enters the network, and for how long it keeps to them.
 * Who draws a new first hop for every packet meets a watching one for certain, after a while; who keeps to few meets
 * it seldom.  The state machine is prop-271's (Tor guard-spec), with its constants:
 *
 *   guards of the consensus -> sampled (kept for months) -> filtered: listed and good for us now
 *                                 |                            |
 *                              confirmed: were reached once    |   order of preference: confirmed in the order in which
 *                                 +--------- usable -----------+   they were reached, then the others as sampled;
 *                                                                  the first three are primary, the first is used
 *
 * A guard that could not be reached is left alone until its next try: primary ones after 10 min in the first 6 h, 90
 * min in the next 90 h, 4 h in the next 3 days, then 9 h; others after 1, 4, 18, 36 h.  A guard leaves the sample 20
 * days after it left the consensus, or 120 days after it was sampled, a confirmed one not before 60 days after that.
 *
 * Size of the sample: a fifth of the guards there are, at most 60, yet at least 20 (prop-271).  So a village of up to
 * 20 guards is sampled whole: a smaller sample would protect nobody there, as three relays of ten are soon used up, and
 * a village of three has just them.  What limits whom a member meets is the order.  There, too, relays that left do not
 * count against the sample, else a village whose relays are often set up anew would be shut for 20 days.
 * What differs from prop-271: no circuits, hence no pending state; when nothing can be reached, everything is tried
 * again after GUARD_EXHAUSTED_MS instead of at once, for most likely our own network is down.  Pure. */
#ifndef VL_MIX_GUARD_H
#define VL_MIX_GUARD_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/drbg.h"

#include <stdbool.h>
#include <stdint.h>

#define GUARD_DAY_MS (86400ull * 1000u)
#define GUARD_SAMPLE_MAX 60u
#define GUARD_SAMPLE_MIN 20u
#define GUARD_SAMPLE_PART 5u /* one of so many guards */
#define GUARD_PRIMARY 3u
#define GUARD_LIFETIME_MS (120 * GUARD_DAY_MS)
#define GUARD_CONFIRMED_MS (60 * GUARD_DAY_MS)
#define GUARD_UNLISTED_MS (20 * GUARD_DAY_MS)
#define GUARD_DOWN_MS (10u * 60000u)     /* nothing reached for so long: the network was down, not the guards */
#define GUARD_EXHAUSTED_MS (60u * 1000u) /* after the last failure, when no guard is left to try */

enum guard_reach { GUARD_MAYBE = 0, GUARD_YES, GUARD_NO };
struct guard {
    struct vl_node_id node;
    vl_ms added_ms;     /* > 0; up to 12 days earlier than it was, so that its end does not tell its beginning */
    vl_ms confirmed_ms; /* 0: never reached; likewise */
    vl_ms unlisted_ms;  /* 0: listed */
    /* of this run */
    uint32_t number; /* directory number; 0: not listed */
    bool filtered;
    enum guard_reach reach;
    bool failing;               /* since the last success */
    vl_ms tried_ms, failing_ms; /* last and first failure in a row */
};
/* Plain value; no allocation.  confirmed[] are places in v, most preferred first. */
struct guards {
    uint32_t n, confirmed_n;
    struct guard v[GUARD_SAMPLE_MAX]; /* in the order of sampling */
    uint8_t confirmed[GUARD_SAMPLE_MAX];
    bool changed;          /* what is stored differs since the last save */
    bool reached;          /* ever in this run */
    vl_ms reached_ms;      /* last success */
    vl_ms failed_ms;       /* last failure */
    uint32_t sample_limit; /* of the last consensus */
};

/* A relay that the consensus lists as a guard, with its weight (> 0). */
struct guard_candidate {
    uint32_t number;
    struct vl_node_id node;
    uint64_t weight;
    bool filtered; /* good for us now */
};
/* Finds who is listed; for a state that was just decoded. */
void guards_bind(struct guards *g, const struct guard_candidate *v, uint32_t n);
/* A new consensus: who is listed, who has had its time, whom to add. */
void guards_consensus(struct guards *g, vl_ms now, const struct guard_candidate *v, uint32_t n,
                      struct crypto_drbg *rng);
/* Numbers of the guards that may be tried or used now, most preferred first; how many.  0: none, see guards_next_ms. */
uint32_t guards_list(struct guards *g, vl_ms now, uint32_t ret[GUARD_SAMPLE_MAX]);
/* How many are filtered, whether they can be reached or not. */
uint32_t guards_filtered(const struct guards *g);
/* When guards_list() gives one again although it gives none now; VL_MS_NEVER: not before another consensus. */
vl_ms guards_next_ms(const struct guards *g);
/* True: usable guards are short and guards_sample() should be given the candidates again. */
bool guards_short(const struct guards *g);
void guards_sample(struct guards *g, vl_ms now, const struct guard_candidate *v, uint32_t n, struct crypto_drbg *rng);
/* What came of using a guard.  Numbers that are not sampled are ignored. */
void guards_result(struct guards *g, vl_ms now, uint32_t number, bool reached, struct crypto_drbg *rng);

/* VL_ECORRUPT: not what guards_encode() writes; then *ret is untouched.  Errors of vl_buf_append(). */
VL_MUST_CHECK enum vl_err guards_decode(struct vl_span bytes, struct guards *ret);
VL_MUST_CHECK enum vl_err guards_encode(const struct guards *g, struct vl_buf *out);

#endif
