/* view.h - the rows that the API shows of a job, a task and the topology, as they stand in the store.
 * Written by brain/, read by gateway/.  Same codec rules as wire/task.h: one encoding per value, strict, borrowed spans. */
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
    struct vl_span name, error_text;
};
struct task_row {
    uint8_t state; /* fog/job.h enum job_task_state */
    bool merge, has_node;
    struct vl_node_id node;
    uint32_t attempt;
    uint64_t epoch;
    vl_ms started_ms, ended_ms;
    int32_t error;
    struct vl_span input, error_text;
    struct vl_span report; /* encoded task_report; may be empty */
};

VL_MUST_CHECK enum vl_err job_row_encode(const struct job_row *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err job_row_decode(struct vl_span in, struct job_row *ret);
VL_MUST_CHECK enum vl_err task_row_encode(const struct task_row *r, struct vl_buf *out);
VL_MUST_CHECK enum vl_err task_row_decode(struct vl_span in, struct task_row *ret);

#endif
