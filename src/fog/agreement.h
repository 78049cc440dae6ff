/* agreement.h - core: one promise of availability, measured: time up and down in whole milliseconds, what was missed,
 * what is paid back (FOG-16).
 *
 * A group is up while enough of its nodes are up: one, or more than half when results are voted on.  A wide job has
 * several groups of one size, each of which keeps the tier by itself; its tasks are spread over them evenly.  What counts is
 * the mean over the groups: while one of twenty is down, a twentieth of each millisecond is.
 *
 * What is seen late counts from when it happened.  A node is found lost long after it was last heard;
 * its downtime begins when it was last heard.  So what was seen is kept for `lag_ms` before it is added up.
 *
 * Time in which nobody looked (the coordinator was away, or stood still for more than `gap_ms`) is `blind`: nobody can
 * show that the service was up, so it is not counted as up, and counts against the promise.  It is kept apart from
 * `down`, which the nodes caused.
 *
 * Paid back: for each part of the agreed time that was missed beyond what the tier allows, AGREEMENT_REFUND_TIMES that
 * part of the price, at most all of it; rounded up to a whole micro-credit, in favour of whoever paid.  The price is of
 * the whole time. */
#ifndef VL_FOG_AGREEMENT_H
#define VL_FOG_AGREEMENT_H

#include "base/bytes.h"
#include "base/ms.h"
#include "fog/quorum.h"

#define AGREEMENT_REFUND_TIMES 10u
#define AGREEMENT_PENDING_MAX 128u /* all nodes of a wide one gone and back within the lag */
#define AGREEMENT_SPAN_MAX_MS (1ull << 33) /* 99 days, above JOB_TTL_MAX_MS: products with a billion stay in 64 bits */
#define AGREEMENT_RECORD_MAX 4096u

enum agreement_seen { SEEN_DOWN = 0, SEEN_UP = 1, SEEN_BLIND = 2, SEEN_AGAIN = 3 };
struct agreement_event {
    vl_ms at_ms;
    uint8_t slot; /* of DOWN and UP */
    enum agreement_seen what;
};

/* Read only for others. */
struct agreement {
    struct vl_job_id job;
    enum sla_tier tier;
    bool majority;
    uint32_t computed_ppb;   /* what the choice promised */
    vl_ms start_ms, end_ms;  /* end: when it ends at the latest; once closed, when it did */
    bool closed;
    uint64_t lag_ms, gap_ms;
    uint64_t up_ms, down_ms, blind_ms; /* sum: settled_ms - start_ms */
    uint32_t outages;                  /* times that a group went down */
    vl_ms settled_ms, looked_ms;       /* added up to; somebody looked last */
    bool blind;                        /* as of settled_ms */
    uint32_t rest;      /* < groups: parts of a millisecond that groups were down, beyond down_ms; rounded up at the end */
    uint32_t n, groups; /* n / groups nodes in each, one group after another; a node is in one group once, maybe in two */
    struct vl_node_id node[QUORUM_WIDE_MAX];
    bool node_up[QUORUM_WIDE_MAX]; /* as of settled_ms */
    uint32_t n_pending;
    struct agreement_event pending[AGREEMENT_PENDING_MAX]; /* by time */
};

struct agreement_terms {
    struct vl_job_id job;
    enum sla_tier tier;
    bool majority;
    uint32_t computed_ppb;
    uint64_t span_ms;        /* at most so long, 1..AGREEMENT_SPAN_MAX_MS */
    uint64_t lag_ms, gap_ms; /* > 0 */
    uint32_t n, groups;      /* groups 1..n, of n / groups <= QUORUM_NODES_MAX each; all different within a group */
    struct vl_node_id node[QUORUM_WIDE_MAX];
};
/* Begins now with all nodes up.  VL_ERANGE. */
VL_MUST_CHECK enum vl_err agreement_open(struct agreement *a, const struct agreement_terms *t, vl_ms now);
/* Somebody looked; to be called oftener than gap_ms. */
void agreement_look(struct agreement *a, vl_ms now);
/* A node of it changed at `at` <= now.  False: it is none of its nodes, or nothing changed. */
bool agreement_node(struct agreement *a, vl_ms now, struct vl_node_id node, vl_ms at, bool up);
/* Another node, up, takes the place of one that is down.  False: `old` is no node of that group, or `node` is one. */
bool agreement_replace(struct agreement *a, vl_ms now, uint32_t group, struct vl_node_id old, struct vl_node_id node);
/* Nodes of a group that are up as far as is known by now, and whether they are enough. */
bool agreement_group_up(const struct agreement *a, uint32_t group, uint32_t *ret_nodes);
/* Whether the node is one of its nodes, and up as far as is known by now. */
bool agreement_holds(const struct agreement *a, struct vl_node_id node, bool *ret_up);
/* Ends it: everything is added up.  Changes nothing when it has ended. */
void agreement_close(struct agreement *a, vl_ms now);

struct agreement_bill {
    uint64_t up_ms, down_ms, blind_ms, total_ms;
    uint64_t allowed_ms, missed_ms; /* missed: down + blind */
    bool breach;                    /* missed > allowed */
    uint32_t measured_ppb;          /* up / total, rounded down; 1 when total is 0 */
    uint32_t share_ppb;             /* of the price to be paid back */
};
/* As it stands at `now`, or at its end; an open one counts what is not settled by what is known. */
void agreement_bill(const struct agreement *a, vl_ms now, struct agreement_bill *ret);
/* From sums alone; total = up + down + blind, cut at AGREEMENT_SPAN_MAX_MS each. */
void agreement_bill_of(enum sla_tier tier, uint64_t up_ms, uint64_t down_ms, uint64_t blind_ms,
                       struct agreement_bill *ret);
/* share_ppb of the price, micro-credits, rounded up; never above the price.  price <= TERMS_PRICE_MAX. */
uint64_t agreement_refund(const struct agreement_bill *bill, uint64_t price);

/* Durable form, <= AGREEMENT_RECORD_MAX bytes.  VL_ERANGE, VL_ENOMEM, VL_ELIMIT; VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err agreement_encode(const struct agreement *a, struct vl_buf *out);
VL_MUST_CHECK enum vl_err agreement_decode(struct vl_span in, struct agreement *ret);

/* What was owed when it ended: a record for people, kept with the job. */
struct agreement_refund_row {
    enum sla_tier tier;
    vl_ms at_ms;
    uint64_t price, refund; /* micro-credits */
    uint32_t measured_ppb, share_ppb;
    uint64_t allowed_ms, down_ms, blind_ms;
};
VL_MUST_CHECK enum vl_err agreement_refund_encode(const struct agreement_refund_row *v, struct vl_buf *out);
VL_MUST_CHECK enum vl_err agreement_refund_decode(struct vl_span in, struct agreement_refund_row *ret);

#endif
