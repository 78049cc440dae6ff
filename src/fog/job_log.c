/* The job book on disk: events for the log, and snapshots.
 * A snapshot holds what cannot be recomputed; everything else (counters, queues, timers, who waits for whom) is
 * rebuilt, so that a damaged snapshot cannot smuggle in a contradiction between the two. */
#include "fog/job_priv.h"
#include "wire/pack.h"

#include <stdlib.h>

enum { TAG_EVENT = 0x50, TAG_HEAD = 0x51, TAG_JOB_RECORD = 0x52, VERSION = 3 };
enum { EPOCH_BITS = 48, SEQ_BITS = 48 };

/* Another codec's message inside ours, behind a 4-byte length. */
static void pack_spec(struct pack *w, const struct job_spec *spec) {
    struct vl_buf buf;
    vl_buf_init(&buf, JOB_SPEC_MAX);
    enum vl_err err = job_spec_encode(spec, &buf);
    if (err) pack_fail(w, err);
    pack_span32(w, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static void pack_report(struct pack *w, const struct task_report *r) {
    struct task_report bare = *r;
    for (uint32_t i = 0; i < bare.n_outputs && i < VL_TASK_OUTPUTS_MAX; i++)
        bare.outputs[i].inline_bytes = vl_span(NULL, 0);
    struct vl_buf buf;
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    enum vl_err err = task_report_encode(&bare, &buf);
    if (err) pack_fail(w, err);
    pack_span32(w, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static void pack_running(struct pack *w, const struct job_event *ev) {
    if (ev->n_running > HEARTBEAT_RUNNING_MAX || !task_refs_sorted(ev->running, ev->n_running)) {
        pack_fail(w, VL_ERANGE);
        return;
    }
    pack_bool(w, ev->restarted);
    pack_u16(w, (uint16_t)ev->n_running);
    for (uint32_t i = 0; i < ev->n_running; i++) {
        pack_bytes(w, ev->running[i].job.b, sizeof ev->running[i].job.b);
        pack_u32(w, ev->running[i].task);
        pack_u64(w, ev->running[i].epoch);
    }
}

static void pack_run(struct pack *w, const struct job_event *ev) {
    pack_bytes(w, ev->job.b, sizeof ev->job.b);
    pack_u32(w, ev->task);
    pack_bytes(w, ev->node.b, sizeof ev->node.b);
}

enum vl_err job_event_encode(const struct job_event *ev, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_EVENT, VERSION);
    pack_u8(&w, (uint8_t)ev->kind);
    pack_u64(&w, ev->now);
    switch (ev->kind) {
    case JOB_EV_SUBMIT:
        pack_bytes(&w, ev->job.b, sizeof ev->job.b);
        pack_spec(&w, ev->spec);
        break;
    case JOB_EV_PLACED:
        pack_run(&w, ev);
        pack_u64(&w, ev->batch);
        break;
    case JOB_EV_ACCEPTED:
    case JOB_EV_STARTED:
    case JOB_EV_FROZEN:
        pack_run(&w, ev);
        pack_u64(&w, ev->epoch);
        break;
    case JOB_EV_REPORT:
        pack_bytes(&w, ev->node.b, sizeof ev->node.b);
        pack_report(&w, ev->report);
        pack_u8(&w, (uint8_t)ev->ruling.rule);
        pack_u64(&w, ev->ruling.winner);
        pack_u8(&w, ev->ruling.want);
        pack_u64(&w, ev->ruling.until);
        break;
    case JOB_EV_COMMIT:
        pack_run(&w, ev);
        pack_u64(&w, ev->epoch);
        pack_bytes(&w, ev->commitment.b, sizeof ev->commitment.b);
        break;
    case JOB_EV_NODE_LOST:
        pack_bytes(&w, ev->node.b, sizeof ev->node.b);
        break;
    case JOB_EV_NODE_BACK:
        pack_bytes(&w, ev->node.b, sizeof ev->node.b);
        pack_running(&w, ev);
        break;
    case JOB_EV_CANCEL:
    case JOB_EV_FORGET:
        pack_bytes(&w, ev->job.b, sizeof ev->job.b);
        break;
    case JOB_EV_PRICE:
        pack_bytes(&w, ev->job.b, sizeof ev->job.b);
        if (ev->price > TERMS_PRICE_MAX) pack_fail(&w, VL_ERANGE);
        pack_u64(&w, ev->price);
        pack_bool(&w, ev->cleared);
        break;
    case JOB_EV_TICK:
        break;
    }
    return pack_end(&w);
}

static void unpack_run(struct vl_reader *r, struct job_event *ev) {
    ev->job = unpack_job(r);
    ev->task = unpack_u32_in(r, 0, TASK_INDEX_MAX - 1);
    ev->node = unpack_node(r);
}

static void unpack_running(struct vl_reader *r, struct job_event_store *store, struct job_event *ev) {
    ev->restarted = unpack_bool(r);
    ev->n_running = vl_read_u16(r);
    unpack_require(r, ev->n_running <= HEARTBEAT_RUNNING_MAX);
    for (uint32_t i = 0; i < ev->n_running && !r->failed; i++) {
        store->running[i].job = unpack_job(r);
        store->running[i].task = vl_read_u32(r);
        store->running[i].epoch = vl_read_u64(r);
    }
    unpack_require(r, !r->failed && task_refs_sorted(store->running, ev->n_running));
    ev->running = store->running;
}

enum vl_err job_event_decode(struct vl_span in, struct job_event_store *store, struct job_event *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_EVENT, VERSION);
    if (err) return err;
    struct job_event ev = { .kind = (enum job_event_kind)unpack_u8_in(&r, JOB_EV_SUBMIT, JOB_EV_PRICE) };
    unpack_require(&r, ev.kind <= JOB_EV_COMMIT || ev.kind == JOB_EV_PRICE);
    ev.now = vl_read_u64(&r);
    switch (ev.kind) {
    case JOB_EV_SUBMIT:
        ev.job = unpack_job(&r);
        err = job_spec_decode(unpack_span32(&r, JOB_SPEC_MAX), &store->spec);
        ev.spec = &store->spec;
        break;
    case JOB_EV_PLACED:
        unpack_run(&r, &ev);
        ev.batch = vl_read_u64(&r);
        break;
    case JOB_EV_ACCEPTED:
    case JOB_EV_STARTED:
    case JOB_EV_FROZEN:
        unpack_run(&r, &ev);
        ev.epoch = vl_read_u64(&r);
        break;
    case JOB_EV_REPORT:
        ev.node = unpack_node(&r);
        err = task_report_decode(unpack_span32(&r, VL_PAYLOAD_MAX), &store->report);
        ev.report = &store->report;
        ev.ruling.rule = (enum job_rule)unpack_u8_in(&r, JOB_RULE_MAJORITY, JOB_RULE_REFEREE);
        ev.ruling.winner = vl_read_u64(&r);
        ev.ruling.want = vl_read_u8(&r);
        ev.ruling.until = vl_read_u64(&r);
        break;
    case JOB_EV_COMMIT:
        unpack_run(&r, &ev);
        ev.epoch = vl_read_u64(&r);
        ev.commitment = unpack_hash(&r);
        break;
    case JOB_EV_NODE_LOST:
        ev.node = unpack_node(&r);
        break;
    case JOB_EV_NODE_BACK:
        ev.node = unpack_node(&r);
        unpack_running(&r, store, &ev);
        break;
    case JOB_EV_CANCEL:
    case JOB_EV_FORGET:
        ev.job = unpack_job(&r);
        break;
    case JOB_EV_PRICE:
        ev.job = unpack_job(&r);
        ev.price = unpack_u64_in(&r, 0, TERMS_PRICE_MAX);
        ev.cleared = unpack_bool(&r);
        break;
    case JOB_EV_TICK:
        break;
    }
    if (vl_reader_end(&r) != VL_OK) return VL_EPARSE;
    if (err) return err;
    *ret = ev;
    return VL_OK;
}

static void pack_copy(struct pack *w, const struct copy *c) {
    pack_u64(w, c->epoch);
    pack_u64(w, c->batch);
    pack_u8(w, (uint8_t)c->state);
    pack_bytes(w, c->node->id.b, sizeof c->node->id.b);
    pack_u64(w, c->placed_ms);
    pack_u64(w, c->started_ms);
    pack_u64(w, c->touched_ms);
    pack_u64(w, c->deadline_ms);
    pack_u8(w, (uint8_t)(c->due | c->committed << 1 | c->asked << 2 | c->referee << 3));
    if (c->committed) pack_bytes(w, c->commitment.b, sizeof c->commitment.b);
    if (c->state != COPY_VOTE) return;
    pack_bytes(w, c->root.b, sizeof c->root.b);
    pack_span32(w, vl_span(c->report, c->report_len));
}

/* Most tasks of a large waiting job are as they were born: one byte each. */
static bool pristine(const struct task *t) {
    return t->state == JOB_TASK_WAITING && t->epoch == 0 && t->not_before == 0 && t->refusals == 0 && t->losses == 0;
}

static void pack_task(struct pack *w, const struct task *t) {
    pack_u8(w, pristine(t) ? (t->queued ? 0x81 : 0x80) : t->state);
    if (pristine(t)) return;
    pack_bool(w, t->queued);
    pack_bool(w, t->duplicate);
    pack_u64(w, t->epoch);
    pack_u64(w, t->not_before);
    pack_u64(w, t->started_ms);
    pack_u64(w, t->ended_ms);
    pack_u32(w, (uint32_t)t->error);
    pack_u16(w, t->failures);
    pack_u16(w, t->refusals);
    pack_u16(w, t->losses);
    pack_u8(w, t->target);
    pack_bool(w, t->judge);
    pack_bool(w, t->referee);
    pack_u8(w, t->rule);
    pack_u64(w, t->winner);
    pack_u64(w, t->until);
    pack_u64(w, t->round_ms);
    pack_span32(w, vl_span(t->report, t->report_len));
    pack_u8(w, t->n_copies);
    for (const struct copy *c = t->copies; c != NULL; c = c->next) pack_copy(w, c);
}

static void pack_job(struct pack *w, const struct job *j) {
    pack_u64(w, j->seq);
    pack_bytes(w, j->id.b, sizeof j->id.b);
    pack_u8(w, j->state);
    pack_bool(w, j->placed);
    pack_bool(w, j->release);
    pack_u32(w, j->attempts);
    pack_u64(w, j->submitted_ms);
    pack_u64(w, j->started_ms);
    pack_u64(w, j->ended_ms);
    pack_u64(w, j->expires_ms);
    pack_u64(w, j->price);
    pack_u32(w, (uint32_t)j->error);
    pack_span8(w, vl_span_str(j->error_text));
    pack_span32(w, vl_span(j->spec, j->spec_len));
    for (uint32_t i = 0; i < j->n_tasks && w->err == VL_OK; i++) pack_task(w, &j->tasks[i]);
}

enum vl_err job_book_snapshot(const struct job_book *b, uint64_t *cursor, struct vl_buf *chunk) {
    struct pack w;
    if (*cursor == 0) {
        w = pack_message(chunk, TAG_HEAD, VERSION);
        pack_u64(&w, b->next_seq);
        enum vl_err err = pack_end(&w);
        if (err == VL_OK) *cursor = 1;
        return err;
    }
    const struct job *j = job_of(order_above(&b->by_seq, *cursor - 1, 0), offsetof(struct job, by_seq));
    if (j == NULL) return VL_ENOTFOUND;
    w = pack_message(chunk, TAG_JOB_RECORD, VERSION);
    pack_job(&w, j);
    enum vl_err err = pack_end(&w);
    if (err == VL_OK) *cursor = j->seq + 1;
    return err;
}

/* Owned copy of a report that must decode. */
static enum vl_err restore_report(struct vl_span in, enum task_outcome outcome, const struct task *t, uint64_t epoch,
                                  uint8_t **ret, uint32_t *ret_len) {
    struct task_report r;
    if (task_report_decode(in, &r) != VL_OK || r.outcome != outcome || !vl_job_eq(r.job, t->job->id) ||
        r.task != task_index(t) || (epoch != 0 && r.epoch != epoch))
        return VL_ECORRUPT;
    uint8_t *p = malloc(in.n);
    if (p == NULL) return VL_ENOMEM;
    memcpy(p, in.p, in.n);
    *ret = p;
    *ret_len = (uint32_t)in.n;
    return VL_OK;
}

static bool copy_state_fits(const struct task *t, enum copy_state s) {
    if (t->state == JOB_TASK_DONE) return s == COPY_WON;
    return t->state < JOB_TASK_DONE && s != COPY_WON;
}

static enum vl_err restore_copy(struct job_book *b, struct task *t, struct copy **end, struct vl_reader *r) {
    uint64_t last = 0;
    for (const struct copy *c = t->copies; c != NULL; c = c->next) last = c->epoch;
    uint64_t epoch = unpack_u64_in(r, last + 1, t->epoch);
    uint64_t batch = vl_read_u64(r);
    enum copy_state state = (enum copy_state)unpack_u8_in(r, COPY_PLACED, COPY_WON);
    struct vl_node_id node = unpack_node(r);
    if (r->failed || !copy_state_fits(t, state)) return VL_ECORRUPT;
    struct copy *c = calloc(1, sizeof *c);
    struct node_load *n = NULL;
    enum vl_err err = c ? node_get(b, node, &n) : VL_ENOMEM;
    if (err) {
        free(c);
        return err;
    }
    n->refs++;
    *c = (struct copy){ .node = n, .task = t, .epoch = epoch, .batch = batch, .state = state };
    c->placed_ms = vl_read_u64(r);
    c->started_ms = vl_read_u64(r);
    c->touched_ms = vl_read_u64(r);
    c->deadline_ms = vl_read_u64(r);
    uint8_t flags = unpack_u8_in(r, 0, 15);
    c->due = flags & 1;
    c->committed = flags >> 1 & 1;
    c->asked = flags >> 2 & 1;
    c->referee = flags >> 3 & 1;
    if (c->committed) c->commitment = unpack_hash(r);
    unpack_require(r, c->committed ? c->due : !c->asked);
    *end = c;
    t->n_copies++;
    copy_link(b, c);
    if (state != COPY_VOTE) return VL_OK;
    c->root = unpack_hash(r);
    struct vl_span report = unpack_span32(r, VL_PAYLOAD_MAX);
    return r->failed ? VL_EPARSE : restore_report(report, TASK_DONE, t, epoch, &c->report, &c->report_len);
}

static enum vl_err restore_task(struct job_book *b, struct task *t, struct vl_reader *r) {
    uint8_t first = vl_read_u8(r);
    if (first == 0x80 || first == 0x81) {
        t->queued = first == 0x81;
        return VL_OK;
    }
    if (first < JOB_TASK_WAITING || first > JOB_TASK_CANCELLED) return VL_EPARSE;
    task_set_state(t, (enum job_task_state)first);
    t->queued = unpack_bool(r);
    t->duplicate = unpack_bool(r);
    t->epoch = unpack_u64_in(r, 0, (1ull << EPOCH_BITS) - 1);
    t->not_before = vl_read_u64(r);
    t->started_ms = vl_read_u64(r);
    t->ended_ms = vl_read_u64(r);
    if (t->state == JOB_TASK_DONE && t->ended_ms > t->started_ms) t->job->worked_ms += t->ended_ms - t->started_ms;
    t->error = (int32_t)vl_read_u32(r);
    t->failures = vl_read_u16(r);
    unpack_require(r, t->failures <= JOB_ATTEMPTS_MAX + JOB_COPIES_MAX);
    t->refusals = vl_read_u16(r);
    t->losses = vl_read_u16(r);
    t->target = unpack_u8_in(r, t->job->replicas, (uint8_t)(t->job->replicas + JOB_EXTRA_VOTES + 2)); /* a duplicate and a referee */
    t->judge = unpack_bool(r);
    t->referee = unpack_bool(r);
    t->rule = unpack_u8_in(r, JOB_RULE_MAJORITY, JOB_RULE_REFEREE);
    t->winner = vl_read_u64(r);
    t->until = vl_read_u64(r);
    t->round_ms = vl_read_u64(r);
    struct vl_span report = unpack_span32(r, VL_PAYLOAD_MAX);
    uint8_t n = unpack_u8_in(r, 0, JOB_COPIES_MAX);
    if (r->failed || pristine(t)) return VL_EPARSE; /* one encoding per value */
    enum task_outcome outcome = t->state == JOB_TASK_DONE ? TASK_DONE : TASK_FAILED;
    enum vl_err err = VL_OK;
    if (report.n > 0 || outcome == TASK_DONE) err = restore_report(report, outcome, t, 0, &t->report, &t->report_len);
    struct copy **end = &t->copies;
    for (uint8_t i = 0; i < n && err == VL_OK; i++) {
        err = restore_copy(b, t, end, r);
        if (err == VL_OK) end = &(*end)->next;
    }
    if (err) return err;
    if (t->judge && !task_revealing(t)) return VL_ECORRUPT; /* it would have been judged */
    bool alone = t->state == JOB_TASK_DONE && t->n_copies == 1;
    return t->state < JOB_TASK_DONE || alone || (t->state > JOB_TASK_DONE && t->n_copies == 0) ? VL_OK : VL_ECORRUPT;
}

/* Do the parts agree?  What follows from others is not in the record; this is the rest. */
static bool job_consistent(struct job *j) {
    bool final = job_state_final((enum job_state)j->state);
    if ((j->state == JOB_DONE) != (j->done == j->n_tasks) || j->state == JOB_SUBMITTED) return false;
    if (j->release && !final) return false;
    if ((j->state == JOB_PRICED && j->placed) || (j->state >= JOB_PLACED && j->state <= JOB_DONE && !j->placed))
        return false;
    if ((j->state == JOB_PRICED || j->state == JOB_PLACED) && j->started_ms != 0) return false;
    if (j->state >= JOB_RUNNING && j->state <= JOB_DONE && j->started_ms == 0) return false;
    for (uint32_t i = 0; i < j->n_tasks; i++) {
        struct task *t = &j->tasks[i];
        if (final ? t->state < JOB_TASK_DONE : t->state > JOB_TASK_DONE) return false;
        if (!j->placed && t->epoch != 0) return false;
        uint32_t first, n, pending = 0;
        merge_children(j, i, &first, &n);
        for (uint32_t k = first; k < first + n; k++) pending += j->tasks[k].state != JOB_TASK_DONE;
        t->pending = pending;
        if (pending > 0 && t->epoch != 0) return false;
        if (n > 0 && pending == 0 && !final && merge_inputs(j, i, NULL, NULL) > VL_TASK_INPUTS_MAX) return false;
    }
    return true;
}

/* Timers and queues; the states must be those that follow from the copies. */
static bool tasks_rebuild(struct job_book *b, struct job *j) {
    for (uint32_t i = 0; i < j->n_tasks; i++) {
        struct task *t = &j->tasks[i];
        bool queued = t->queued;
        uint8_t state = t->state;
        t->queued = false;
        uint32_t want = task_want(t);
        if (queued && want == 0) return false;
        if (state < JOB_TASK_DONE && task_eligible(t) && want == 0 && t->live == 0 && !t->judge) return false;
        if (j->after_left > 0 && (t->epoch != 0 || queued)) return false;
        if (queued) task_queue(b, t, true);
        if (state >= JOB_TASK_DONE) continue;
        task_settle(b, t, 0, NULL);
        if (t->state != state || t->queued != queued) return false;
    }
    return true;
}

static enum vl_err restore_job(struct job_book *b, struct vl_reader *r) {
    uint64_t seq = unpack_u64_in(r, 1, (1ull << SEQ_BITS) - 1);
    struct vl_job_id id = unpack_job(r);
    uint8_t state = unpack_u8_in(r, JOB_SUBMITTED, JOB_EXPIRED);
    bool placed = unpack_bool(r), release = unpack_bool(r);
    uint32_t attempts = vl_read_u32(r);
    vl_ms submitted = vl_read_u64(r), started = vl_read_u64(r), ended = vl_read_u64(r), expires = vl_read_u64(r);
    uint64_t price = unpack_u64_in(r, 0, TERMS_PRICE_MAX);
    int32_t error = (int32_t)vl_read_u32(r);
    struct vl_span text = unpack_span8(r, sizeof((struct job *)0)->error_text - 1),
                   encoded = unpack_span32(r, JOB_SPEC_MAX);
    if (r->failed || !task_text_ok(text, text.n)) return VL_EPARSE;
    struct job_spec spec;
    enum vl_err err = job_spec_decode(encoded, &spec);
    if (err) return err;
    const struct order_node *newest = order_below(&b->by_seq, UINT64_MAX, 0);
    if (seq >= b->next_seq || (newest && newest->key[0] >= seq) || book_find(b, id) != NULL) return VL_ECORRUPT;
    if (b->jobs.len >= b->config.max_jobs || job_task_total(&spec) > b->config.max_tasks - b->n_tasks) return VL_ELIMIT;
    struct job *j;
    err = job_new(&spec, encoded, &j);
    if (err) return err;
    j->id = id;
    j->seq = seq;
    j->state = state;
    j->placed = placed;
    j->release = release;
    j->attempts = attempts;
    j->submitted_ms = submitted;
    j->started_ms = started;
    j->ended_ms = ended;
    j->expires_ms = expires;
    j->price = price;
    j->error = error;
    if (text.n) memcpy(j->error_text, text.p, text.n);
    if (job_state_final((enum job_state)state)) spec.n_after = 0; /* it waits for nothing any more */
    err = job_enter(b, j, &spec);
    if (err) {
        job_free(b, j);
        return err;
    }
    for (uint32_t i = 0; i < j->n_tasks && err == VL_OK; i++) err = restore_task(b, &j->tasks[i], r);
    if (err == VL_OK && r->failed) err = VL_EPARSE;
    if (err == VL_OK && !job_consistent(j)) err = VL_ECORRUPT;
    if (err == VL_OK && !tasks_rebuild(b, j)) err = VL_ECORRUPT;
    if (err) return err; /* the caller destroys the book */
    if (job_state_final((enum job_state)state)) {
        order_put(&b->ended, &j->queue, ended, seq);
        b->n_ended++;
        if (release) order_put(&b->release, &j->timer, ended, seq);
    }
    job_timer(b, j);
    return VL_OK;
}

enum vl_err job_book_restore(struct job_book *b, struct vl_span chunk) {
    struct vl_reader r = vl_reader(chunk.p, chunk.n);
    enum vl_err err;
    if (b->next_seq == 1) {
        err = unpack_message(&r, TAG_HEAD, VERSION);
        if (err) return err;
        uint64_t next = unpack_u64_in(&r, 1, (1ull << SEQ_BITS) - 1);
        err = vl_reader_end(&r);
        if (err == VL_OK) b->next_seq = next;
        return err;
    }
    err = unpack_message(&r, TAG_JOB_RECORD, VERSION);
    if (err == VL_OK) err = restore_job(b, &r);
    return err ? err : vl_reader_end(&r);
}
