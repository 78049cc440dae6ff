/* The rows that the API reads of jobs and tasks: projections, written beside what they show. */
#include "brain/priv.h"

bool view_job_row(const struct brain *b, struct vl_job_id id, struct job_row *ret) {
    struct job_view v;
    if (!job_book_job(b->jobs, id, &v)) return false;
    *ret = (struct job_row){ .state = (uint8_t)v.state,
                             .kind = v.kind,
                             .priority = v.priority,
                             .replicas = v.replicas,
                             .attempts = v.attempts,
                             .total = v.total,
                             .waiting = v.waiting,
                             .running = v.running,
                             .done = v.done,
                             .failed = v.failed,
                             .submitted_ms = v.submitted_ms,
                             .started_ms = v.started_ms,
                             .ended_ms = v.ended_ms,
                             .error = v.error,
                             .waits = v.waiting > 0 ? (uint8_t)placing_waits(b, id) : 0,
                             .name = v.name,
                             .error_text = v.error_text };
    return true;
}

bool view_task_row(const struct brain *b, struct vl_job_id id, uint32_t task, struct task_row *ret) {
    struct job_task_view v;
    if (!job_book_task(b->jobs, id, task, &v)) return false;
    *ret = (struct task_row){ .state = (uint8_t)v.state,
                              .merge = v.merge,
                              .has_node = v.has_node,
                              .node = v.node,
                              .attempt = v.attempt - (v.state == JOB_TASK_FAILED && v.attempt > 1), /* the last made */
                              .epoch = v.epoch,
                              .batch = v.batch,
                              .started_ms = v.started_ms,
                              .ended_ms = v.ended_ms,
                              .error = v.error,
                              .input = v.input,
                              .error_text = v.error_text,
                              .report = v.report };
    return true;
}

void view_job_put(struct brain *b, struct vl_job_id id, const struct job_row *row) {
    struct vl_buf buf;
    vl_buf_init(&buf, 16384);
    if (job_row_encode(row, &buf)) {
        out_of_memory(b);
    } else {
        struct record *r = record_add(b, RECORD_JOB, id.b, sizeof id.b, row->name, vl_span(buf.p, buf.len));
        r->state = row->state;
        r->at_ms = row->submitted_ms;
        r->number = b->now;
    }
    vl_buf_free(&buf);
    effect_held(b, BRAIN_JOB_CHANGED, (struct vl_span){ 0 }, NULL)->job = id;
}

void view_task_put(struct brain *b, struct vl_job_id id, uint32_t task, const struct task_row *row) {
    struct vl_buf buf;
    vl_buf_init(&buf, VL_MESSAGE_MAX);
    if (task_row_encode(row, &buf)) {
        out_of_memory(b);
    } else {
        struct record *r =
            record_add(b, RECORD_TASK, id.b, sizeof id.b, (struct vl_span){ 0 }, vl_span(buf.p, buf.len));
        r->index = task;
        r->state = row->state;
        r->has_node = row->has_node;
        r->node = row->node;
    }
    vl_buf_free(&buf);
    struct brain_effect *e = effect_held(b, BRAIN_TASK_CHANGED, (struct vl_span){ 0 }, NULL);
    e->job = id;
    e->index = task;
}

void view_job(struct brain *b, struct vl_job_id id) {
    struct job_row row;
    if (view_job_row(b, id, &row)) view_job_put(b, id, &row);
}

void view_task(struct brain *b, struct vl_job_id id, uint32_t task) {
    struct task_row row;
    if (view_task_row(b, id, task, &row)) view_task_put(b, id, task, &row);
}

void view_history(struct brain *b, struct vl_job_id id, const char *kind, const char *detail, uint32_t task,
                  struct vl_node_id node) {
    static const struct vl_node_id nobody;
    struct record *r = record_add(b, RECORD_HISTORY, id.b, sizeof id.b, vl_span_str(kind), vl_span_str(detail));
    uint64_t floor = b->now << 20; /* grows across restarts without a stored counter: lines of one ms have 20 bits */
    b->history = b->history >= floor ? b->history + 1 : floor;
    r->number = b->history & (UINT64_MAX >> 1);
    r->at_ms = b->now;
    r->index = task;
    r->node = node;
    r->has_node = !vl_node_eq(node, nobody);
}
