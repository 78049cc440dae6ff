#include "fog_help.h"

#include "fog/receipt.h"
#include "fog/verify.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

struct vl_node_id node_n(uint32_t n) {
    struct vl_node_id id = { { 0 } };
    vl_put_u32(id.b, n + 1);
    return id;
}

struct vl_job_id job_n(uint32_t n) {
    struct vl_job_id id = { { 0 } };
    vl_put_u32(id.b, n + 1);
    return id;
}

void spec_of(struct job_spec *ret, struct vl_buf *inputs, uint32_t n) {
    job_spec_defaults(ret);
    ret->kind = TASK_NATIVE;
    ret->command = vl_span_str("/usr/bin/wc");
    vl_buf_clear(inputs);
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u.txt", i);
        CHECK_OK(job_inputs_append(inputs, vl_span_str(name), (struct vl_hash){ { 1 } }, i));
    }
    ret->inputs = vl_span(inputs->p, inputs->len);
    ret->n_inputs = n;
    ret->map = n > 0;
}

struct task_report report_of(struct vl_job_id job, uint32_t task, uint64_t epoch, enum task_outcome outcome,
                             uint8_t content) {
    struct task_report r = { .job = job, .task = task, .epoch = epoch, .outcome = outcome };
    if (outcome != TASK_DONE) {
        r.error = VL_EINTERNAL;
        r.detail = vl_span_str("it broke");
    } else {
        r.n_outputs = 1;
        r.outputs[0] = (struct task_output){ .name = vl_span_str("stdout"), .size = content };
        r.outputs[0].hash.b[0] = content;
        r.has_salt = true;
        memset(r.salt, 7, sizeof r.salt);
    }
    return r;
}

void snapshot_of(const struct job_book *b, struct vl_buf *ret) {
    vl_buf_clear(ret);
    uint64_t cursor = 0;
    for (;;) {
        size_t at = ret->len;
        CHECK_OK(vl_buf_append(ret, "\0\0\0\0", 4));
        enum vl_err err = job_book_snapshot(b, &cursor, ret);
        if (err == VL_ENOTFOUND) {
            ret->len = at;
            return;
        }
        CHECK_OK(err);
        vl_put_u32(ret->p + at, (uint32_t)(ret->len - at - 4));
    }
}

struct job_book *book_from(struct vl_span snapshot) {
    struct job_config config;
    job_config_defaults(&config);
    config.seed = 99; /* another one than the original's: nothing may depend on it */
    struct job_book *b = job_book_create(&config);
    struct vl_reader r = vl_reader(snapshot.p, snapshot.n);
    while (r.n > 0) {
        struct vl_span chunk = vl_read_span(&r, vl_read_u32(&r));
        if (!r.failed && job_book_restore(b, chunk) == VL_OK) continue;
        job_book_destroy(b);
        return NULL;
    }
    return b;
}

struct desk desk_open(void) {
    struct job_config config;
    job_config_defaults(&config);
    config.seed = 1;
    return (struct desk){ .book = job_book_create(&config), .now = 1000000 };
}

void desk_close(struct desk *d) {
    job_effects_free(&d->fx);
    job_book_destroy(d->book);
}

enum vl_err desk_event(struct desk *d, struct job_event ev) {
    ev.now = d->now;
    return job_book_step(d->book, &ev, &d->fx);
}

enum vl_err desk_submit(struct desk *d, uint32_t job, const struct job_spec *spec) {
    return desk_event(d, (struct job_event){ .kind = JOB_EV_SUBMIT, .job = job_n(job), .spec = spec });
}

enum vl_err desk_place(struct desk *d, uint32_t job, uint32_t task, uint32_t node) {
    return desk_event(
        d, (struct job_event){ .kind = JOB_EV_PLACED, .job = job_n(job), .task = task, .node = node_n(node) });
}

enum vl_err desk_status(struct desk *d, uint32_t job, uint32_t task, uint32_t node, uint64_t epoch,
                        enum job_event_kind kind) {
    return desk_event(
        d, (struct job_event){ .kind = kind, .job = job_n(job), .task = task, .node = node_n(node), .epoch = epoch });
}

enum vl_err desk_report(struct desk *d, uint32_t job, uint32_t task, uint32_t node, uint64_t epoch,
                        enum task_outcome outcome, uint8_t content) {
    struct task_report r = report_of(job_n(job), task, epoch, outcome, content);
    return desk_event(d, (struct job_event){ .kind = JOB_EV_REPORT, .node = node_n(node), .report = &r });
}

struct vl_hash commitment_of(const struct task_report *r, struct vl_node_id node) {
    struct vl_hash root = receipt_output_root(r->outputs, r->n_outputs);
    return verify_commitment(&root, r->salt, node, r->job, r->task, r->epoch);
}

enum vl_err desk_commit(struct desk *d, uint32_t job, uint32_t task, uint32_t node, uint64_t epoch, uint8_t content) {
    struct task_report r = report_of(job_n(job), task, epoch, TASK_DONE, content);
    return desk_event(d, (struct job_event){ .kind = JOB_EV_COMMIT,
                                             .job = r.job,
                                             .task = task,
                                             .epoch = epoch,
                                             .node = node_n(node),
                                             .commitment = commitment_of(&r, node_n(node)) });
}

enum vl_err desk_rule(struct desk *d, uint32_t job, uint32_t task, uint32_t node, uint64_t epoch, uint8_t content,
                      struct job_ruling ruling) {
    struct task_report r = report_of(job_n(job), task, epoch, TASK_DONE, content);
    return desk_event(d, (struct job_event){ .kind = JOB_EV_REPORT, .node = node_n(node), .report = &r, .ruling = ruling });
}

void desk_tick(struct desk *d, vl_ms at) {
    d->now = at;
    do CHECK_OK(desk_event(d, (struct job_event){ .kind = JOB_EV_TICK }));
    while (job_book_deadline(d->book) <= at);
}

struct job_view desk_job(struct desk *d, uint32_t job) {
    struct job_view v;
    CHECK(job_book_job(d->book, job_n(job), &v));
    return v;
}

struct job_task_view desk_task(struct desk *d, uint32_t job, uint32_t task) {
    struct job_task_view v;
    CHECK(job_book_task(d->book, job_n(job), task, &v));
    return v;
}

uint32_t desk_ready(struct desk *d) {
    static struct sched_task tasks[256];
    struct job_cursor cursor = { 0 };
    uint32_t n = 0, some;
    while ((some = job_book_ready(d->book, d->now, &cursor, tasks, 256)) > 0) n += some;
    return n;
}

uint32_t fx_count(const struct job_effects *fx, enum job_effect_kind kind) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < fx->n; i++) n += fx->v[i].kind == kind;
    return n;
}

const struct job_effect *fx_find(const struct job_effects *fx, enum job_effect_kind kind) {
    for (uint32_t i = 0; i < fx->n; i++)
        if (fx->v[i].kind == kind) return &fx->v[i];
    return NULL;
}

bool fx_history_has(const struct job_effects *fx, enum job_history h) {
    for (uint32_t i = 0; i < fx->n; i++)
        if (fx->v[i].kind == JOB_FX_HISTORY && fx->v[i].history == h) return true;
    return false;
}
