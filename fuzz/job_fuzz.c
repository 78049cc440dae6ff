/* The job book under a list of events made from the input, and its log and snapshots under raw bytes.
 * First byte: 0 raw event record, 1 raw snapshot chunks, else events of 4 bytes. */
#include "fog/job.h"
#include "fog/receipt.h"
#include "fog/verify.h"

#include <stdlib.h>
#include <string.h>

enum { JOBS = 4, NODES = 4 };

static struct vl_job_id job_n(uint8_t n) { return (struct vl_job_id){ { (uint8_t)(1 + n % JOBS) } }; }
static struct vl_node_id node_n(uint8_t n) { return (struct vl_node_id){ { (uint8_t)(1 + n % NODES) } }; }

static struct job_book *book_new(void) {
    struct job_config config;
    job_config_defaults(&config);
    config.max_tasks = 1000;
    return job_book_create(&config);
}

static void submit(struct job_book *b, struct job_event *ev, struct job_effects *fx, uint8_t how) {
    struct job_spec s;
    struct vl_buf inputs;
    vl_buf_init(&inputs, 65536);
    job_spec_defaults(&s);
    s.kind = TASK_NATIVE;
    s.command = vl_span_str("/bin/true");
    s.n_inputs = how % 5 == 4 ? 70 : how % 5;
    s.map = s.n_inputs > 0;
    s.has_merge = s.map && (how & 32);
    s.replicas = how >> 6;
    s.terms.class = (enum sla_class)(s.replicas == 0 ? how / 8 % 3 : 0);
    for (uint32_t i = 0; i < s.n_inputs; i++)
        if (job_inputs_append(&inputs, vl_span_str("in"), (struct vl_hash){ { 0 } }, 1)) abort();
    s.inputs = vl_span(inputs.p, inputs.len);
    if (how & 16) {
        s.n_after = 1;
        s.after[0] = job_n(how);
    }
    ev->spec = &s;
    (void)!job_book_step(b, ev, fx);
    vl_buf_free(&inputs);
}

/* kind, what, where, value */
static void one(struct job_book *b, const uint8_t e[4], vl_ms *now, struct job_effects *fx) {
    struct job_event ev = { .kind = (enum job_event_kind)(1 + (e[0] & 15) % 12),
                            .job = job_n(e[1] & 3),
                            .task = e[1] >> 2,
                            .node = node_n(e[2] & 3),
                            .epoch = 1 + (e[2] >> 2) % 8 };
    if ((e[0] & 15) % 12 == 11) ev.kind = JOB_EV_PRICE;
    ev.price = (uint64_t)e[3] << (e[2] >> 2);
    ev.cleared = e[2] & 1;
    *now += e[0] & 128 ? (vl_ms)e[3] * 2000 : e[3];
    ev.now = *now;
    struct task_ref refs[1] = { { ev.job, ev.task, ev.epoch } };
    struct task_report r = {
        .job = ev.job, .task = ev.task, .epoch = ev.epoch, .outcome = (enum task_outcome)(1 + e[3] % 4)
    };
    if (ev.kind == JOB_EV_SUBMIT) {
        submit(b, &ev, fx, e[3]);
        return;
    }
    if (r.outcome != TASK_DONE) r.error = VL_EIO;
    r.n_outputs = r.outcome == TASK_DONE;
    r.outputs[0] = (struct task_output){ .name = vl_span_str("stdout"), .size = e[3] >> 6 };
    struct vl_hash root = receipt_output_root(r.outputs, r.n_outputs);
    r.has_salt = r.outcome == TASK_DONE && e[3] % 7 != 0;
    ev.commitment = verify_commitment(&root, r.salt, ev.node, ev.job, ev.task, ev.epoch);
    ev.ruling = (struct job_ruling){ .rule = (enum job_rule)(e[3] / 16 % 4), .winner = ev.epoch, .want = (uint8_t)(2 + e[3] % 3), .until = e[0] & 64 ? *now + 50 : 0 };
    ev.report = &r;
    ev.running = refs;
    ev.n_running = e[3] & 1;
    ev.restarted = e[3] & 2;
    (void)!job_book_step(b, &ev, fx);
}

/* A book made from the snapshot of another has the same snapshot. */
static void compare(const struct job_book *b) {
    struct job_book *copy = book_new();
    struct vl_buf one_chunk, again;
    vl_buf_init(&one_chunk, 16u << 20);
    vl_buf_init(&again, 16u << 20);
    uint64_t at = 0, at_copy = 0;
    while (job_book_snapshot(b, &at, &one_chunk) == VL_OK) {
        if (job_book_restore(copy, vl_span(one_chunk.p, one_chunk.len)) != VL_OK) abort();
        if (job_book_snapshot(copy, &at_copy, &again) != VL_OK) abort();
        if (!vl_span_eq(vl_span(one_chunk.p, one_chunk.len), vl_span(again.p, again.len))) abort();
        vl_buf_clear(&one_chunk);
        vl_buf_clear(&again);
    }
    if (job_book_deadline(copy) != job_book_deadline(b)) abort();
    vl_buf_free(&one_chunk);
    vl_buf_free(&again);
    job_book_destroy(copy);
}

static void raw_event(const uint8_t *p, size_t n) {
    static struct job_event_store store;
    struct job_event ev;
    struct vl_buf out;
    vl_buf_init(&out, 4u << 20);
    if (job_event_decode(vl_span(p, n), &store, &ev) == VL_OK)
        if (job_event_encode(&ev, &out) != VL_OK || out.len > n) abort();
    vl_buf_free(&out);
}

static void raw_snapshot(const uint8_t *p, size_t n) {
    struct job_book *b = book_new();
    struct job_effects fx = { 0 };
    struct vl_reader r = vl_reader(p, n);
    struct vl_buf head;
    uint64_t cursor = 0;
    vl_buf_init(&head, 64);
    if (job_book_snapshot(b, &cursor, &head) || head.len != 10) abort();
    head.p[8] = 1; /* room for 255 jobs to come */
    head.p[9] = 0;
    if (job_book_restore(b, vl_span(head.p, head.len))) abort();
    vl_buf_free(&head);
    while (r.n > 0 && !r.failed) {
        struct vl_span chunk = vl_read_span(&r, vl_read_u16(&r));
        if (r.failed || job_book_restore(b, chunk) != VL_OK) break;
    }
    if (r.n == 0 && !r.failed) {
        compare(b);
        struct job_event ev = { .kind = JOB_EV_TICK, .now = 1ull << 41 };
        (void)!job_book_step(b, &ev, &fx);
        compare(b);
    }
    job_effects_free(&fx);
    job_book_destroy(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (n == 0) return 0;
    if (p[0] == 0) raw_event(p + 1, n - 1);
    if (p[0] == 1) raw_snapshot(p + 1, n - 1);
    if (p[0] < 2) return 0;
    struct job_book *b = book_new();
    struct job_effects fx = { 0 };
    vl_ms now = 1000;
    for (size_t i = 1; i + 4 <= n && i < 4000; i += 4) one(b, p + i, &now, &fx);
    compare(b);
    job_effects_free(&fx);
    job_book_destroy(b);
    return 0;
}
