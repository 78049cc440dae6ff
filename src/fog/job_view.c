/* What others see of the job book: the ready queue, assignments, views for the API. */
#include "fog/job_priv.h"

#include <assert.h>

static struct job *next_ready(const struct job_book *b, const uint64_t key[2]) {
    return job_of(order_above(&b->ready, key[0], key[1]), offsetof(struct job, queue));
}

/* First queued task at or above i; UINT32_MAX: none. */
static uint32_t next_queued(const struct job *j, uint32_t i) {
    while (i < j->n_tasks) {
        uint64_t word = j->queued_bits[i / 64] >> (i % 64);
        if (word != 0) return i + (uint32_t)__builtin_ctzll(word);
        i = (i / 64 + 1) * 64;
    }
    return UINT32_MAX;
}

static void terms_of(const struct job_terms *terms, struct sched_task *ret) {
    ret->class = terms->class;
    ret->strategy = terms->strategy;
    ret->spread_set = terms->spread_set;
    ret->spread = terms->spread;
    ret->min_trust_milli = terms->min_trust_milli;
    ret->min_attest_milli = terms->min_attest_milli;
    ret->max_latency_us = terms->max_latency_us;
    ret->max_price = terms->max_price;
    ret->region = label_hash(terms->region);
    ret->n_exclude = terms->n_exclude;
    memcpy(ret->exclude, terms->exclude, terms->n_exclude * sizeof terms->exclude[0]);
}

/* What a task of the job is expected to take; 0: too few have ended to say. */
static uint32_t expected_ms(const struct job *j) {
    uint64_t mean = j->done < JOB_STRAGGLER_SAMPLE ? 0 : j->worked_ms / j->done;
    return j->done < JOB_STRAGGLER_SAMPLE ? 0 : mean == 0 ? 1 : mean < UINT32_MAX ? (uint32_t)mean : UINT32_MAX;
}

static void describe(const struct task *t, vl_ms now, struct sched_task *ret) {
    const struct job *j = t->job;
    *ret = (struct sched_task){
        .job = j->id,
        .task = task_index(t),
        .features = (j->kind == TASK_WASM ? NODE_FEATURE_WASM : NODE_FEATURE_NATIVE) |
                    (j->privacy ? NODE_FEATURE_PRIVATE : 0u),
        .memory_bytes = j->memory_bytes,
        .disk_bytes = j->disk_bytes,
        .priority = j->priority,
        .privacy = j->privacy != 0,
        .program = j->program,
        .cpu_milli = expected_ms(j),
        .left_ms = !j->dated ? 0 : j->expires_ms > now ? j->expires_ms - now : 1,
    };
    if (j->terms) terms_of(j->terms, ret);
    if (t->target > 1 && !ret->spread_set && (j->class != SLA_B || j->replicas == 1)) {
        ret->spread_set = true; /* who owns two nodes can make both lie: a comparison of theirs says nothing */
        ret->spread = DOMAIN_OWNER;
    }
    for (const struct copy *c = t->copies; c != NULL && ret->n_avoid < SCHED_AVOID_MAX; c = c->next)
        ret->avoid[ret->n_avoid++] = (struct sched_avoid){ c->node->id, copy_live(c) || c->state == COPY_VOTE };
}

uint32_t job_book_ready(const struct job_book *b, vl_ms now, struct job_cursor *cursor, struct sched_task *ret, uint32_t max) {
    uint32_t n = 0;
    struct job *j = NULL;
    if (cursor->task > 0)
        j = job_of(order_find(&b->ready, cursor->key[0], cursor->key[1]), offsetof(struct job, queue));
    while (n < max) {
        if (j == NULL) {
            j = next_ready(b, cursor->key);
            if (j == NULL) break;
            memcpy(cursor->key, j->queue.key, sizeof cursor->key);
            cursor->task = 0;
        }
        uint32_t i = next_queued(j, cursor->task);
        if (i == UINT32_MAX) {
            j = NULL;
            continue;
        }
        /* All copies of a task together, as far as there is room: those that are compared must all be there. */
        for (uint32_t want = task_want(&j->tasks[i]); want > 0 && n < max; want--) describe(&j->tasks[i], now, &ret[n++]);
        cursor->task = i + 1;
    }
    return n;
}

bool job_book_waiting(const struct job_book *b, vl_ms now, struct vl_job_id job, struct sched_task *ret) {
    const struct job *j = book_find(b, job);
    uint32_t i = j && j->n_queued > 0 ? next_queued(j, 0) : UINT32_MAX;
    if (i != UINT32_MAX) describe(&j->tasks[i], now, ret);
    return i != UINT32_MAX;
}

static struct vl_span program_name(const struct job_spec *s) {
    struct vl_span name = s->name.n ? s->name : vl_span_str("program");
    if (s->kind == TASK_NATIVE) {
        size_t at = s->command.n;
        while (at > 0 && s->command.p[at - 1] != '/') at--;
        struct vl_span base = vl_span(s->command.p + at, s->command.n - at);
        if (task_name_ok(base)) name = base;
    }
    return name;
}

/* The same program over the same input sees the same randomness, whoever runs it and however often. */
static uint64_t seed_of(const struct task_spec *s, uint32_t task) {
    uint8_t p[32 + 32 + 4];
    static const uint64_t domain[2] = { 0x76696c6c6167652du, 0x7461736b2d736565u }; /* "village-task-see" */
    memcpy(p, s->program.b, 32);
    memset(p + 32, 0, 32);
    if (s->n_inputs > 0) memcpy(p + 32, s->inputs[0].hash.b, 32);
    vl_put_u32(p + 64, task);
    uint64_t seed = vl_siphash(domain, p, sizeof p);
    return seed != 0 ? seed : 1;
}

static void map_inputs(const struct job *j, uint32_t i, const struct job_spec *spec, struct task_spec *ret) {
    uint32_t at = j->input_at ? j->input_at[i] : 0;
    struct vl_span rest = vl_span(spec->inputs.p + at, spec->inputs.n - at);
    uint32_t want = j->map ? 1 : spec->n_inputs;
    while (ret->n_inputs < want && job_inputs_next(&rest, &ret->inputs[ret->n_inputs])) ret->n_inputs++;
}

static enum vl_err work_of(const struct job_book *b, const struct job *j, uint32_t task, uint64_t epoch, bool commit,
                           struct job_names *names, struct assignment *ret) {
    const struct task *t = &j->tasks[task];
    struct job_spec spec;
    enum vl_err err = job_spec_reopen(vl_span(j->spec, j->spec_len), &spec);
    if (err) return err;
    bool merge = task >= j->n_maps;
    *ret = (struct assignment){
        .job = j->id,
        .task = task,
        .epoch = epoch,
        .lease_ms = b->config.lease_ms,
        .attempt = t->failures + 1u,
        .priority = spec.priority,
        .privacy = spec.privacy,
        .commit = commit,
        .spec = { .kind = spec.kind,
                  .deterministic = spec.deterministic,
                  .network = spec.network,
                  .name = program_name(&spec),
                  .program = spec.program,
                  .command = spec.command,
                  .args = merge ? spec.merge_args : spec.args,
                  .env = spec.env,
                  .limits = spec.limits },
    };
    if (merge)
        ret->spec.n_inputs = merge_inputs(j, task, names, ret->spec.inputs);
    else
        map_inputs(j, task, &spec, &ret->spec);
    if (spec.deterministic) ret->spec.seed = seed_of(&ret->spec, task);
    return VL_OK;
}

enum vl_err job_book_assignment(const struct job_book *b, struct vl_job_id job, uint32_t task, uint64_t epoch,
                                struct job_names *names, struct assignment *ret) {
    const struct job *j = book_find(b, job);
    const struct task *t = j ? job_task(j, task) : NULL;
    const struct copy *c = t ? task_copy(t, epoch) : NULL;
    return c != NULL && copy_live(c) ? work_of(b, j, task, epoch, c->due, names, ret) : VL_ENOTFOUND;
}

enum vl_err job_book_rerun(const struct job_book *b, struct vl_job_id job, uint32_t task, struct job_names *names,
                           struct assignment *ret) {
    const struct job *j = book_find(b, job);
    const struct task *t = j ? job_task(j, task) : NULL;
    return t != NULL && t->state == JOB_TASK_DONE ? work_of(b, j, task, 1, false, names, ret) : VL_ENOTFOUND;
}

bool job_book_deterministic(const struct job_book *b, struct vl_job_id job) {
    const struct job *j = book_find(b, job);
    return j != NULL && j->deterministic;
}

bool job_book_asked(const struct job_book *b, struct vl_job_id job, uint32_t task, uint64_t epoch) {
    const struct job *j = book_find(b, job);
    const struct task *t = j ? job_task(j, task) : NULL;
    const struct copy *c = t ? task_copy(t, epoch) : NULL;
    return c != NULL && copy_live(c) && c->asked;
}

struct sched_load job_book_on_node(const struct job_book *b, struct vl_node_id node) {
    const struct node_load *n = node_find(b, node);
    return n ? n->load : (struct sched_load){ 0 };
}

static void view_of(const struct job *j, struct job_view *ret) {
    struct job_spec spec = { 0 };
    enum vl_err err = job_spec_reopen(vl_span(j->spec, j->spec_len), &spec);
    assert(err == VL_OK); /* our own encoding, or checked by restore */
    (void)err;
    *ret = (struct job_view){
        .id = j->id,
        .seq = j->seq,
        .state = (enum job_state)j->state,
        .kind = spec.kind,
        .priority = spec.priority,
        .name = spec.name,
        .replicas = j->replicas,
        .total = j->n_tasks,
        .waiting = j->waiting,
        .running = j->running,
        .done = j->done,
        .failed = j->failed,
        .submitted_ms = j->submitted_ms,
        .started_ms = j->started_ms,
        .ended_ms = j->ended_ms,
        .error = j->error,
        .error_text = vl_span_str(j->error_text),
        .attempts = j->attempts,
        .after_left = j->after_left,
        .price = j->price,
        .spec = vl_span(j->spec, j->spec_len),
    };
}

bool job_book_job(const struct job_book *b, struct vl_job_id id, struct job_view *ret) {
    const struct job *j = book_find(b, id);
    if (j != NULL) view_of(j, ret);
    return j != NULL;
}

static struct vl_span input_name(const struct job *j, uint32_t i) {
    struct job_spec spec;
    struct task_input in;
    if (!j->map || i >= j->n_maps || job_spec_reopen(vl_span(j->spec, j->spec_len), &spec) != VL_OK)
        return vl_span(NULL, 0);
    uint32_t at = j->input_at ? j->input_at[i] : 0;
    struct vl_span rest = vl_span(spec.inputs.p + at, spec.inputs.n - at);
    return job_inputs_next(&rest, &in) ? in.name : vl_span(NULL, 0);
}

bool job_book_task(const struct job_book *b, struct vl_job_id id, uint32_t task, struct job_task_view *ret) {
    const struct job *j = book_find(b, id);
    const struct task *t = j ? job_task(j, task) : NULL;
    if (t == NULL) return false;
    *ret = (struct job_task_view){
        .index = task,
        .state = (enum job_task_state)t->state,
        .merge = task >= j->n_maps,
        .attempt = t->failures + 1u,
        .started_ms = t->started_ms,
        .ended_ms = t->ended_ms,
        .copies = t->live,
        .votes = t->votes,
        .input = input_name(j, task),
        .error = t->error,
        .report = vl_span(t->report, t->report_len),
    };
    if (t->error != 0) ret->error_text = vl_span_str(vl_err_text((enum vl_err)t->error));
    struct task_report r;
    if (t->error != 0 && t->report != NULL && task_report_decode(ret->report, &r) == VL_OK && r.detail.n > 0)
        ret->error_text = r.detail;
    for (const struct copy *c = t->copies; c != NULL; c = c->next) {
        if (!copy_live(c) && c->state != COPY_WON) continue;
        ret->has_node = true;
        ret->node = c->node->id;
        ret->epoch = c->epoch;
        ret->batch = c->batch;
        if (c->state != COPY_WON) ret->started_ms = c->started_ms;
    }
    return true;
}

bool job_book_older(const struct job_book *b, uint64_t below_seq, struct job_view *ret) {
    uint64_t below = below_seq == 0 ? UINT64_MAX : below_seq;
    const struct job *j = job_of(order_below(&b->by_seq, below, 0), offsetof(struct job, by_seq));
    if (j != NULL) view_of(j, ret);
    return j != NULL;
}

bool job_book_oldest_ended(const struct job_book *b, struct job_view *ret) {
    const struct job *j = job_of(order_first(&b->ended), offsetof(struct job, queue));
    if (j != NULL) view_of(j, ret);
    return j != NULL;
}

void job_book_stats(const struct job_book *b, struct job_stats *ret) {
    *ret = (struct job_stats){ .jobs = (uint32_t)b->jobs.len,
                               .ended = b->n_ended,
                               .tasks = b->n_tasks,
                               .ready = b->n_queued,
                               .live = b->n_live,
                               .stale = b->stale,
                               .denied = b->denied };
    memcpy(ret->by_state, b->by_state, sizeof ret->by_state);
}

bool job_book_placed(const struct job_book *b, struct vl_job_id job, uint32_t task, uint64_t epoch,
                     struct vl_node_id node, vl_ms *ret_at) {
    const struct job *j = book_find(b, job);
    const struct task *t = j ? job_task(j, task) : NULL;
    const struct copy *c = t ? task_copy(t, epoch) : NULL;
    if (c == NULL || !copy_live(c) || !vl_node_eq(c->node->id, node)) return false;
    *ret_at = c->placed_ms;
    return true;
}
