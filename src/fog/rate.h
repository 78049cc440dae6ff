/* rate.h - the unit in which computing is sold, and the measured speed of nodes (FOG-15).  Pure, integers only.
 *
 * Unit: the nano-H200-hour, nH.  spec/fog.md: "H200-equivalent hours = TOPS x utilisation x seconds / (900 x 10^12 x
 * 3,600)"; so an H200-hour is 3.24e18 operations and 1 nH is 3.24e9 of them.  A rate is nH an hour, that is billionths
 * of the reference machine.  Everything rounds down: nobody is credited with work that was not done.
 *
 * A rate is measured by the coordinator, never declared: a task with a fresh nonce (rate_kernel.h), timed from the
 * assignment's leaving to the report's coming, so that whatever is in between only makes a node look slower; its answer
 * is checked by doing some of its segments over.  First alone, then on all slots at once: only the second run counts for
 * the rate of a slot, so that a node which borrows the whole machine for one task gains nothing. */
#ifndef VL_FOG_RATE_H
#define VL_FOG_RATE_H

#include "base/ms.h"
#include "crypto/sign.h"
#include "wire/heartbeat.h"

#define RATE_H200_OPS 900000000000000ull /* a second */
#define RATE_NH_HOUR 1000000000ull       /* nH in an H200-hour */
#define RATE_NH_OPS 3240000000ull        /* operations in 1 nH */
#define RATE_OPS_MAX 1000000000000000000ull /* a second: a thousand reference machines and more */
#define RATE_MS_MAX (1ull << 45)         /* a thousand years: with the two above products stay below 2^127 */
#define RATE_PPM 1000000u
#define RATE_MAX (1ull << 40) /* nH an hour of one slot that we believe: a thousand reference machines */

#define RATE_AGE_MAX_MS (7ull * 86400000u) /* older is measured again */
#define RATE_AGE_MIN_MS 86400000u          /* and at a random time between the two, so that nobody can prepare */
#define RATE_RETRY_MS 3600000u             /* after a run that came to nothing */
#define RATE_WIDE_MAX 16u                  /* slots measured at once; more are taken to scale as those did */
#define RATE_CHECKS 4u /* segments done over: who skips a tenth of the work is caught once in three runs, a half 15 in 16 */
#define RATE_LIE 2u    /* so many times slower when all slots work: more than two threads of one core explain */
#define RATE_RECEIPT_MAX 512u
#define RATE_RECORD_MAX 1024u /* encoded */

/* floor(ops_per_s * utilisation * ms) in nH.  VL_ERANGE: beyond the limits above. */
VL_MUST_CHECK enum vl_err rate_work(uint64_t ops_per_s, uint32_t utilisation_ppm, uint64_t ms, uint64_t *ret_nh);
/* What a slot of that rate does in ms, rounded down; saturates at UINT64_MAX. */
uint64_t rate_of_time(uint64_t rate_nh_hour, uint64_t ms);
/* floor(a * b / c) by 128 bits, saturating at UINT64_MAX; c > 0. */
uint64_t rate_mul_div(uint64_t a, uint64_t b, uint64_t c);
/* The same rounded up: for prices, which are never less than what is sold costs. */
uint64_t rate_mul_div_up(uint64_t a, uint64_t b, uint64_t c);
/* From the time that `segments` took, 1..RATE_SEGMENTS; 0 ms counts as 1.  At most RATE_MAX. */
uint64_t rate_from_run(uint32_t segments, uint64_t elapsed_ms);

#define RATE_NONCE 16u
#define RATE_ANSWER(segments) ((size_t)(segments) * 8u)
/* One segment's answer, done here: two to five milliseconds. */
uint64_t rate_segment(const uint8_t nonce[RATE_NONCE], uint32_t segment);
/* Whether `answer` (RATE_ANSWER bytes, big-endian words) has the right length and `checks` of its segments, drawn by
 * `pick`, are right. */
bool rate_answer_true(const uint8_t nonce[RATE_NONCE], uint32_t segments, struct vl_span answer, uint64_t pick,
                      uint32_t checks);

/* Numbers are on disk. */
enum rate_verdict {
    RATE_GOOD = 1,
    RATE_OVERSOLD = 2, /* claims more slots than it has: cut to what was measured */
    RATE_FALSE = 3,    /* an answer was wrong: its rate is unknown and it is not trusted with another guess */
};
const char *rate_verdict_text(enum rate_verdict v); /* "good", "oversold", "false" */

/* What the two runs showed. */
struct rate_run {
    uint32_t segments; /* of each task */
    uint64_t alone_ms; /* one task */
    uint32_t wide;     /* tasks at once, 1..RATE_WIDE_MAX */
    uint64_t wide_ms;  /* until the last of them */
    bool answers_true;
};

struct rate_record {
    struct vl_node_id node, signer; /* signer: the coordinator */
    enum rate_verdict verdict;
    uint64_t rate; /* nH an hour of one slot; 0: unknown */
    uint32_t slots_claimed, cpus_claimed, slots_measured;
    struct rate_run run;
    vl_ms measured_ms;
    uint64_t hardware;      /* rate_hardware() at that time */
    struct vl_hash program; /* of the benchmark */
    uint32_t receipt_n;     /* the worker's signed receipt of its last task (wire/task.h): the evidence */
    uint8_t receipt[RATE_RECEIPT_MAX];
    uint8_t signature[CRYPTO_SIGNATURE];
};

/* Fills verdict, rate and slots_measured of *ret from what else it says.  VL_ERANGE: a run out of range. */
VL_MUST_CHECK enum vl_err rate_judge(struct rate_record *ret);
/* The figures of the hardware that make a measurement stale when they change. */
uint64_t rate_hardware(const struct node_caps *caps);
/* When to measure again; draw: random, of the coordinator alone. */
vl_ms rate_due(const struct rate_record *r, uint64_t hardware_now, uint64_t draw);
/* Slots that a node may fill: the claimed ones, or fewer when they were found not to be there. */
uint32_t rate_slots(const struct rate_record *r, uint32_t claimed);

/* Signs in place: sets signer and signature.  Context "village-rate-1:". */
VL_MUST_CHECK enum vl_err rate_sign(struct rate_record *r, const struct crypto_sign_key *key);
VL_MUST_CHECK enum vl_err rate_verify(const struct rate_record *r); /* VL_ECRYPTO */
/* Codec rules of wire/task.h. */
VL_MUST_CHECK enum vl_err rate_record_encode(const struct rate_record *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err rate_record_decode(struct vl_span in, struct rate_record *ret);

#endif
