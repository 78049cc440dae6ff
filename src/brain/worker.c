/* The worker's side of a task.
 *
 *   assignment -> FETCHING -> READY -> RUNNING -> UPLOADING -> [COMMITTED ->] REPORTED -> gone
 *                 blobs come   slot     runner     outputs go    report is
 *                 from the     is       has it     to the        in the outbox
 *                 coordinator  free                coordinator
 *
 * COMMITTED: others run it too; the result is told when asked for (held.c).
 *
 * Nothing here is durable but the report in the outbox and what held.c keeps: after a crash the coordinator sees from the first heartbeat
 * which runs are gone and places them anew. */
#include "brain/priv.h"

#include "fog/receipt.h"

#include <stdlib.h>
#include <string.h>

static bool hash_is_zero(struct vl_hash h) {
    static const struct vl_hash zero;
    return vl_hash_eq(h, zero);
}

static void task_free(struct wtask *t) {
    free(t->bytes);
    free(t->report);
    free(t->waits);
    free(t->wait_sizes);
    free(t);
}

static void task_drop(struct brain *b, struct wtask *t) {
    for (struct wtask **at = &b->tasks; *at; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            break;
        }
    if (t->state == W_RUNNING) b->running--;
    b->held_tasks--;
    task_free(t);
}

void worker_destroy(struct brain *b) {
    while (b->tasks) task_drop(b, b->tasks);
}

static bool task_is(const struct wtask *t, struct vl_job_id job, uint32_t task, uint64_t epoch) {
    return vl_job_eq(t->a.job, job) && t->a.task == task && t->a.epoch == epoch && !t->rerun;
}

/* ---- the report ------------------------------------------------------------------------------------------------ */

/* For nobody but ourselves. */
static void rerun_ended(struct brain *b, struct wtask *t) {
    struct task_report *r = malloc(sizeof *r);
    if (r == NULL)
        out_of_memory(b);
    else if (task_report_decode(vl_span(t->report, t->report_n), r) == VL_OK)
        dispute_decided(b, t->id, r);
    free(r);
    task_drop(b, t);
}

void worker_report(struct brain *b, struct wtask *t) {
    struct vl_span bytes = vl_span(t->report, t->report_n);
    if (t->rerun) {
        rerun_ended(b, t);
        return;
    }
    if (held_due(t)) {
        held_commit(b, t);
        return;
    }
    t->state = W_REPORTED;
    if (b->cfg.coordinator) { /* its own worker: the job book's log makes it durable */
        held_forget(b, t);
        coordinator_report(b, b->self, bytes);
        task_drop(b, t);
        return;
    }
    if (message_send(b, b->coordinator, t->a.privacy, MSG_REPORT, ENVELOPE_HIGH, bytes, &t->message)) {
        t->state = W_UPLOADING; /* the outbox is full: worker_tick() tries again */
        b->reoffer_at = vl_ms_min(b->reoffer_at, b->now + 1000);
    } else {
        held_forget(b, t);
    }
}

static void outputs_offer(struct brain *b, const struct wtask *t) {
    struct vl_buf buf;
    vl_buf_init(&buf, 256);
    for (uint32_t i = 0; i < t->missing; i++) {
        vl_buf_clear(&buf);
        if (link_blob_offer_encode(&(struct link_blob_offer){ .hash = t->waits[i], .size = t->wait_sizes[i] }, &buf) ==
            VL_OK)
            (void)link_send(b, b->coordinator, LANE_CONTROL, LINK_BLOB_OFFER, vl_span(buf.p + 1, buf.len - 1),
                            (struct vl_span){ 0 });
    }
    vl_buf_free(&buf);
    b->reoffer_at = vl_ms_min(b->reoffer_at, b->now + BRAIN_REOFFER_MS);
}

static void report_fill(struct brain *b, struct wtask *t, const struct brain_task_end *end, struct task_report *r) {
    size_t detail = end->detail ? strlen(end->detail) : 0;
    *r = (struct task_report){ .job = t->a.job,
                               .task = t->a.task,
                               .epoch = t->a.epoch,
                               .outcome = end->outcome,
                               .error = end->err,
                               .exit_code = end->exit_code,
                               .cpu_us = end->cpu_us,
                               .peak_bytes = end->peak_bytes,
                               .started_ms = t->started_ms,
                               .ended_ms = t->started_ms ? b->now : 0 };
    r->detail = vl_span(end->detail, detail > TASK_ERROR_MAX ? TASK_ERROR_MAX : detail);
    while (r->detail.n > 0 && !task_text_ok(r->detail, TASK_ERROR_MAX)) r->detail.n--; /* a character cut in two */
    for (size_t i = 0; i < end->outputs_n && i < VL_TASK_OUTPUTS_MAX; i++) r->outputs[r->n_outputs++] = end->outputs[i];
    size_t room = TASK_INLINE_TOTAL_MAX;
    for (uint32_t i = 0; i < r->n_outputs; i++) { /* small ones travel in the report while it has room */
        struct task_output *o = &r->outputs[i];
        if (o->inline_bytes.n > room)
            o->inline_bytes = (struct vl_span){ 0 };
        else
            room -= o->inline_bytes.n;
    }
    if (end->outcome != TASK_DONE) return;
    r->has_receipt = true;
    r->receipt = (struct receipt){ .job = r->job,
                                   .task = r->task,
                                   .epoch = r->epoch,
                                   .exit_code = r->exit_code,
                                   .cpu_us = r->cpu_us,
                                   .started_ms = r->started_ms,
                                   .ended_ms = r->ended_ms,
                                   .toolchain = end->toolchain,
                                   .program = receipt_program(&t->a.spec),
                                   .input_root = receipt_input_root(&t->a.spec),
                                   .output_root = receipt_output_root(r->outputs, r->n_outputs),
                                   .previous = witness_last_receipt(b),
                                   .attestation = b->attestation };
    if (receipt_sign(&r->receipt, &b->key)) r->has_receipt = false;
    if (r->has_receipt) witness_receipt_signed(b, &r->receipt);
    if (!t->a.commit || !r->has_receipt) return;
    r->has_salt = t->salted = true;
    dispute_remember(b, &r->receipt);
    held_salt(b, t, r->salt);
}

static void task_finish(struct brain *b, struct wtask *t, const struct brain_task_end *end) {
    struct task_report r;
    struct vl_buf buf;
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    report_fill(b, t, end, &r);
    enum vl_err err = task_report_encode(&r, &buf);
    if (err) { /* outputs that cannot be told: say so rather than nothing */
        r.outcome = TASK_FAILED;
        r.error = err;
        r.detail = vl_span_str("the outputs of this task cannot be described");
        r.n_outputs = 0;
        r.has_receipt = r.has_salt = t->salted = false;
        vl_buf_clear(&buf);
        err = task_report_encode(&r, &buf);
    }
    if (end->outcome == TASK_DONE) b->done++;
    if (end->outcome == TASK_FAILED) b->failed++;
    b->counters.tasks_failed += end->outcome == TASK_FAILED;
    t->report = buf.p; /* taken over */
    t->report_n = buf.len;
    t->missing = 0;
    free(t->waits);
    free(t->wait_sizes);
    t->waits = calloc(r.n_outputs + 1, sizeof *t->waits);
    t->wait_sizes = calloc(r.n_outputs + 1, sizeof *t->wait_sizes);
    if (err || t->waits == NULL || t->wait_sizes == NULL) {
        out_of_memory(b);
        return;
    }
    for (uint32_t i = 0; i < r.n_outputs && !b->cfg.coordinator; i++) {
        if (r.outputs[i].size == 0 || r.outputs[i].inline_bytes.n > 0) continue;
        t->waits[t->missing] = r.outputs[i].hash;
        t->wait_sizes[t->missing++] = r.outputs[i].size;
    }
    t->state = W_UPLOADING;
    if (t->missing == 0)
        worker_report(b, t);
    else
        outputs_offer(b, t);
}

static void task_refuse(struct brain *b, struct wtask *t, enum task_outcome outcome, enum vl_err err, const char *why) {
    task_finish(b, t, &(struct brain_task_end){ .task = t->id, .outcome = outcome, .err = err, .detail = why });
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

static void status_send(struct brain *b, const struct wtask *t, enum task_phase phase) {
    if (t->rerun) return; /* nobody waits for it */
    struct vl_buf buf;
    struct task_status s = { .job = t->a.job, .task = t->a.task, .epoch = t->a.epoch, .phase = phase };
    vl_buf_init(&buf, 256);
    if (task_status_encode(&s, &buf) == VL_OK) {
        if (b->cfg.coordinator)
            coordinator_status(b, b->self, vl_span(buf.p, buf.len));
        else
            (void)link_send(b, b->coordinator, LANE_CONTROL, LINK_STATUS, vl_span(buf.p, buf.len),
                            (struct vl_span){ 0 });
    }
    vl_buf_free(&buf);
}

static bool can_run(const struct brain *b, const struct wtask *t) {
    uint32_t need = t->a.spec.kind == TASK_WASM ? NODE_FEATURE_WASM : NODE_FEATURE_NATIVE;
    return b->features & need;
}

/* What the tasks that run were promised. */
static uint64_t promised(const struct brain *b) {
    uint64_t sum = 0;
    for (const struct wtask *t = b->tasks; t; t = t->next)
        if (t->state == W_RUNNING) sum += t->a.spec.limits.memory_bytes;
    return sum;
}

static void run_ready(struct brain *b) {
    for (;;) {
        struct wtask *best = NULL;
        if (b->running >= b->cfg.caps.slots || !harvest_may_start(b)) return;
        for (struct wtask *t = b->tasks; t; t = t->next)
            if (t->state == W_READY && can_run(b, t) &&
                (best == NULL || t->a.priority < best->a.priority ||
                 (t->a.priority == best->a.priority && t->id < best->id)))
                best = t;
        if (best == NULL) return;
        if (promised(b) + best->a.spec.limits.memory_bytes > harvest_memory(b) && b->running > 0) return;
        best->state = W_RUNNING;
        best->started_ms = b->now;
        b->running++;
        b->counters.tasks_run++;
        struct brain_effect *e = effect_now(b, BRAIN_TASK_RUN, (struct vl_span){ 0 }, NULL);
        e->task = best->id;
    }
}

/* ---- fetching --------------------------------------------------------------------------------------------------- */

static void want(struct wtask *t, struct vl_hash h, uint64_t size) {
    for (uint32_t i = 0; i < t->missing; i++)
        if (vl_hash_eq(t->waits[i], h)) return;
    t->waits[t->missing] = h;
    t->wait_sizes[t->missing++] = size;
}

static void task_fetch(struct brain *b, struct wtask *t) {
    const struct task_spec *s = &t->a.spec;
    if (s->kind == TASK_WASM && !hash_is_zero(s->program)) want(t, s->program, 0);
    for (uint32_t i = 0; i < s->n_inputs; i++)
        if (s->inputs[i].size > 0 && s->inputs[i].inline_bytes.n == 0) want(t, s->inputs[i].hash, s->inputs[i].size);
    t->state = t->missing ? W_FETCHING : W_READY;
    for (uint32_t i = 0; i < t->missing; i++)
        effect_now(b, BRAIN_BLOB_FIND, (struct vl_span){ 0 }, NULL)->hash = t->waits[i];
}

static uint64_t assign_take(struct brain *b, struct vl_span bytes, bool rerun) {
    struct wtask *t = calloc(1, sizeof *t);
    if (t == NULL || (t->bytes = malloc(bytes.n ? bytes.n : 1)) == NULL) {
        free(t);
        out_of_memory(b);
        return 0;
    }
    t->rerun = rerun;
    memcpy(t->bytes, bytes.p, bytes.n);
    if (assignment_decode(vl_span(t->bytes, bytes.n), &t->a)) {
        b->counters.messages_bad++;
        task_free(t);
        return 0;
    }
    for (struct wtask *o = b->tasks, *next; o; o = next) {
        next = o->next;
        if (!vl_job_eq(o->a.job, t->a.job) || o->a.task != t->a.task || o->rerun != t->rerun) continue;
        if (o->a.epoch >= t->a.epoch) { /* this very run, or an older one that is overtaken */
            task_free(t);
            return 0;
        }
        if (o->state == W_RUNNING) effect_now(b, BRAIN_TASK_KILL, (struct vl_span){ 0 }, NULL)->task = o->id;
        if (o->state == W_REPORTED) continue;
        held_forget(b, o);
        task_drop(b, o);
    }
    t->waits = calloc(t->a.spec.n_inputs + 1, sizeof *t->waits);
    t->wait_sizes = calloc(t->a.spec.n_inputs + 1, sizeof *t->wait_sizes);
    if (t->waits == NULL || t->wait_sizes == NULL) {
        task_free(t);
        out_of_memory(b);
        return 0;
    }
    uint64_t id = t->id = ++b->next_task;
    struct wtask **tail = &b->tasks;
    while (*tail) tail = &(*tail)->next;
    *tail = t;
    b->held_tasks++;
    if (b->held_tasks > HEARTBEAT_RUNNING_MAX - 1) {
        task_refuse(b, t, TASK_REFUSED, VL_ELIMIT, "this node holds too many tasks");
        return id;
    }
    if (t->a.spec.limits.memory_bytes > harvest_memory(b)) { /* its owner gives less than when it was placed */
        task_refuse(b, t, TASK_REFUSED, TASK_HANDED_BACK, "more memory than this machine's owner gives");
        return id;
    }
    task_fetch(b, t);
    run_ready(b);
    if (t->state != W_RUNNING) status_send(b, t, TASK_ACCEPTED);
    harvest_work_changed(b);
    return id;
}

void worker_assign(struct brain *b, struct vl_span bytes) { (void)assign_take(b, bytes, false); }

uint64_t worker_rerun(struct brain *b, struct vl_span bytes) {
    return b->held_tasks < HEARTBEAT_RUNNING_MAX - 2 ? assign_take(b, bytes, true) : 0;
}

void worker_revoke(struct brain *b, struct vl_span bytes) {
    struct revoke r;
    if (revoke_decode(bytes, &r)) {
        b->counters.messages_bad++;
        return;
    }
    for (struct wtask *t = b->tasks; t; t = t->next) {
        if (!task_is(t, r.job, r.task, r.epoch) || t->state == W_REPORTED) continue;
        if (t->state == W_RUNNING) effect_now(b, BRAIN_TASK_KILL, (struct vl_span){ 0 }, NULL)->task = t->id;
        held_forget(b, t);
        task_drop(b, t);
        run_ready(b);
        return;
    }
}

/* True when the hash was awaited; it is taken off. */
static bool arrived(struct wtask *t, struct vl_hash hash) {
    for (uint32_t i = 0; i < t->missing; i++) {
        if (!vl_hash_eq(t->waits[i], hash)) continue;
        t->waits[i] = t->waits[--t->missing];
        t->wait_sizes[i] = t->wait_sizes[t->missing];
        return true;
    }
    return false;
}

static void task_refuse_missing(struct brain *b, struct wtask *t, enum vl_err err) {
    t->missing = 0;
    task_refuse(b, t, TASK_REFUSED, err,
                err == VL_ENOSPC ? "no space for the program or its inputs"
                                 : "the program or an input cannot be fetched");
}

void worker_blob_here(struct brain *b, struct vl_hash hash, enum vl_err err) {
    for (struct wtask *t = b->tasks, *next; t; t = next) {
        next = t->next;
        if (t->state != W_FETCHING || !arrived(t, hash)) continue;
        if (err)
            task_refuse_missing(b, t, err);
        else if (t->missing == 0)
            t->state = W_READY;
    }
    run_ready(b);
}

void worker_blob_found(struct brain *b, struct vl_hash hash, bool complete, uint64_t partial) {
    if (complete) {
        worker_blob_here(b, hash, VL_OK);
        return;
    }
    for (struct wtask *t = b->tasks; t; t = t->next) {
        if (t->state != W_FETCHING) continue;
        for (uint32_t i = 0; i < t->missing; i++) {
            if (!vl_hash_eq(t->waits[i], hash)) continue;
            if (b->cfg.coordinator) { /* whoever submitted the job put its blobs here */
                worker_blob_here(b, hash, VL_ENOTFOUND);
                return;
            }
            blobs_step(b, &(struct blob_event){ .kind = BLOB_WANT,
                                                .now = b->now,
                                                .u.want = { .hash = hash,
                                                            .size = t->wait_sizes[i],
                                                            .have = partial,
                                                            .sources = t->a.n_sources ? t->a.sources : &b->coordinator,
                                                            .sources_n = t->a.n_sources ? t->a.n_sources : 1 } });
            return;
        }
    }
}

void worker_output_taken(struct brain *b, struct vl_hash hash, enum vl_err err) {
    for (struct wtask *t = b->tasks, *next; t; t = next) {
        next = t->next;
        if (t->state != W_UPLOADING || err || !arrived(t, hash)) continue; /* a failed fetch is offered again later */
        if (t->missing == 0) worker_report(b, t);
    }
}

void worker_reported(struct brain *b, struct vl_msg_id id) {
    for (struct wtask *t = b->tasks; t; t = t->next)
        if (t->state == W_REPORTED && vl_msg_eq(t->message, id)) {
            task_drop(b, t);
            return;
        }
}

void worker_heartbeat(struct brain *b, struct heartbeat *ret) {
    uint32_t slots = b->cfg.caps.slots;
    *ret = (struct heartbeat){ .kind = slots ? NODE_COMPUTE : NODE_GATEWAY,
                               .protocol = 1,
                               .caps = b->cfg.caps,
                               .started_ms = b->started_ms,
                               .load_milli = b->load_milli,
                               .done = b->done,
                               .failed = b->failed,
                               .memory_free_bytes = b->cfg.caps.memory_bytes,
                               .disk_free_bytes = b->cfg.caps.disk_bytes };
    ret->caps.features &= b->features;
    memcpy(ret->addr, b->cfg.mix.addr, sizeof ret->addr);
    for (struct wtask *t = b->tasks; t && ret->n_running < HEARTBEAT_RUNNING_MAX; t = t->next)
        if (!t->rerun)
            ret->running[ret->n_running++] = (struct task_ref){ .job = t->a.job, .task = t->a.task, .epoch = t->a.epoch };
    ret->n_running = task_refs_sort(ret->running, ret->n_running);
    ret->free_slots = slots > b->running ? slots - b->running : 0;
    harvest_heartbeat(b, ret);
}

/* ---- at the wish of the machine's owner (harvest.c) ---------------------------------------------------------------- */

static bool active(const struct wtask *t) { return t->state == W_FETCHING || t->state == W_READY || t->state == W_RUNNING; }

uint32_t worker_active(const struct brain *b) {
    uint32_t n = 0;
    for (const struct wtask *t = b->tasks; t; t = t->next) n += active(t);
    return n;
}

void worker_go_on(struct brain *b) { run_ready(b); }

uint32_t worker_hand_back(struct brain *b, const char *why) {
    uint32_t n = 0;
    for (struct wtask *t = b->tasks, *next; t; t = next) {
        next = t->next;
        if (!active(t)) continue;
        if (t->state == W_RUNNING) {
            effect_now(b, BRAIN_TASK_KILL, (struct vl_span){ 0 }, NULL)->task = t->id;
            b->running--;
        }
        t->state = W_UPLOADING;
        task_refuse(b, t, TASK_REFUSED, TASK_HANDED_BACK, why);
        n++;
    }
    return n;
}

void worker_frozen(struct brain *b) {
    for (const struct wtask *t = b->tasks; t; t = t->next)
        if (active(t)) status_send(b, t, TASK_FROZEN);
}

void worker_link_up(struct brain *b) {
    for (struct wtask *t = b->tasks; t; t = t->next)
        if (t->state == W_UPLOADING && t->missing > 0) outputs_offer(b, t);
}

void worker_tick(struct brain *b) {
    if (b->reoffer_at > b->now) return;
    b->reoffer_at = VL_MS_NEVER;
    for (struct wtask *t = b->tasks, *next; t; t = next) {
        next = t->next;
        if (t->state != W_UPLOADING) continue;
        if (t->missing > 0)
            outputs_offer(b, t);
        else
            worker_report(b, t);
    }
}

vl_ms worker_deadline(const struct brain *b) { return b->reoffer_at; }

/* ---- the runner's answers ------------------------------------------------------------------------------------------
 */

static struct wtask *task_find(const struct brain *b, uint64_t id) {
    for (struct wtask *t = b->tasks; t; t = t->next)
        if (t->id == id) return t;
    return NULL;
}

const struct assignment *worker_assignment(const struct brain *b, uint64_t task) {
    const struct wtask *t = task_find(b, task);
    return t && t->state == W_RUNNING ? &t->a : NULL;
}

void brain_runner_ready(struct brain *b, vl_ms now, uint32_t features) {
    step_begin(b, now);
    b->features = features;
    if (b->started) b->heartbeat_at = b->now; /* tell what this node can do */
    run_ready(b);
    step_end(b);
}

void brain_runner_lost(struct brain *b, vl_ms now) {
    step_begin(b, now);
    b->features = 0;
    for (struct wtask *t = b->tasks; t; t = t->next) {
        if (t->state != W_RUNNING) continue;
        t->state = W_READY; /* its process died with the runner; inputs are still here */
        b->running--;
    }
    step_end(b);
}

void brain_machine(struct brain *b, vl_ms now, uint32_t load_milli, uint64_t disk_free) {
    step_begin(b, now);
    b->load_milli = load_milli > 1000000 ? 1000000 : load_milli;
    b->cfg.caps.disk_bytes = disk_free;
    step_end(b);
}

void brain_task_started(struct brain *b, vl_ms now, uint64_t task) {
    step_begin(b, now);
    struct wtask *t = task_find(b, task);
    if (t && t->state == W_RUNNING && !t->started) {
        t->started = true;
        t->started_ms = b->now;
        status_send(b, t, TASK_STARTED);
    }
    step_end(b);
}

void brain_task_ended(struct brain *b, vl_ms now, const struct brain_task_end *end) {
    step_begin(b, now);
    struct wtask *t = task_find(b, end->task);
    harvest_task_ended(b, t, end);
    if (t && t->state == W_RUNNING) {
        b->running--;
        t->state = W_UPLOADING;
        task_finish(b, t, end);
        run_ready(b);
        harvest_work_changed(b);
    }
    step_end(b);
}
