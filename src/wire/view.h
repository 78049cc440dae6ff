/* view.h - the rows that the API shows of a job, a task and the topology, as they stand in the store.
 * Written by brain/, read by gateway/.  Same codec rules as wire/task.h: one encoding per value, strict, borrowed
 * spans. */
#ifndef VL_WIRE_VIEW_H
#define VL_WIRE_VIEW_H

#include "wire/task.h"

struct job_row {
    uint8_t state; /* fog/job.h enum job_state */
    enum task_kind kind;
    enum task_priority priority;
    uint32_t replicas, attempts;
    uint32_t total, waiting, running, done, failed; /* tasks */
    vl_ms submitted_ms, started_ms, ended_ms;       /* 0: not yet */
    int32_t error;                                  /* enum vl_err; 0: none */
    uint32_t history;                               /* lines of history so far */
    uint8_t waits;                                  /* fog/sched.h enum sched_reason: what its tasks wait for; 0: nothing */
    struct vl_span name, error_text;
};
struct task_row {
    uint8_t state; /* fog/job.h enum job_task_state */
    bool merge, has_node;
    struct vl_node_id node;
    uint32_t attempt;
    uint64_t epoch, batch; /* batch: struct plan_record of fog/plan_record.h; 0: unknown */
    vl_ms started_ms, ended_ms;
    int32_t error;
    struct vl_span input, error_text;
    struct vl_span report; /* encoded task_report; may be empty */
};

struct topology_row {
    vl_ms at_ms;
    uint32_t nodes, active, offline, n_links; /* n_links <= VL_LINKS_MAX */
    struct vl_node_id self;                   /* near end of every link */
    const struct vl_node_id *links;           /* far ends; NULL after decode: read them with topology_row_link() */
    struct vl_span packed;                    /* after decode: 32 bytes each, borrowed */
};

VL_MUST_CHECK enum vl_err job_row_encode(const struct job_row *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err job_row_decode(struct vl_span in, struct job_row *ret);
VL_MUST_CHECK enum vl_err task_row_encode(const struct task_row *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err task_row_decode(struct vl_span in, struct task_row *ret);
VL_MUST_CHECK enum vl_err topology_row_encode(const struct topology_row *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err topology_row_decode(struct vl_span in, struct topology_row *ret);
/* i < n_links, of a decoded row. */
struct vl_node_id topology_row_link(const struct topology_row *r, uint32_t i);

#endif
