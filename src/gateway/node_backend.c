#include "gateway/node_backend.h"

#include "base/text.h"
#include "fog/job.h"
#include "fog/registry.h"
#include "node/persist.h"
#include "os/machine.h"
#include "trust/membership.h"
#include "wire/view.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct node *node_of(void *self) { return ((struct node_backend *)self)->node; }
static struct store *store_of(void *self) { return node_store(node_of(self)); }

/* Text of a span as a C string in caller's memory. */
static const char *text_copy(char *dst, size_t cap, struct vl_span s) {
    size_t n = s.n < cap ? s.n : cap - 1;
    if (n) memcpy(dst, s.p, n);
    dst[n] = '\0';
    return dst;
}

static const char *kind_text(enum task_kind k) { return k == TASK_WASM ? "wasm" : "native"; }

static const char *priority_text(enum task_priority p) {
    static const char *const names[] = { "normal", "critical", "high", "normal", "low", "bulk" };
    return p >= TASK_CRITICAL && p <= TASK_BULK ? names[p] : names[0];
}

static struct view_error error_view(int32_t err, struct vl_span text, char dst[TASK_ERROR_MAX + 1]) {
    if (err == 0) return (struct view_error){ 0 };
    const char *said = text_copy(dst, TASK_ERROR_MAX + 1, text);
    return (struct view_error){ .code = vl_err_name((enum vl_err)err),
                                .detail = said[0] ? said : vl_err_text((enum vl_err)err) };
}

/* ---- system --------------------------------------------------------------------------------------------------------
 */

static bool be_healthy(void *self) { return node_health(node_of(self)) == VL_OK; }

static void be_info(void *self, struct view_info *ret) {
    struct node *n = node_of(self);
    static const struct view_library libraries[] = { { "sqlite", SQLITE_VERSION } };
    struct node_backend *b = self;
    struct os_machine m;
    uint8_t village[16];
    os_machine_read(".", &m);
    brain_village_id(node_brain(n), village);
    vl_hex_encode(village, sizeof village, b->village_text);
    *ret = (struct view_info){ .version = VILLAGE_VERSION,
                               .village_id = b->village_text,
                               .name = node_name(n),
                               .role = brain_members(node_brain(n)) ? "coordinator" : "worker",
                               .addr = node_addr(n),
                               .node_id = brain_node_id(node_brain(n)),
                               .started_ms = node_started(n),
                               .cpus = m.cpus,
                               .memory_bytes = m.memory_bytes,
                               .rss_bytes = os_rss(),
                               .libraries = libraries,
                               .libraries_n = sizeof libraries / sizeof libraries[0] };
}

struct metric_row {
    const char *name, *help;
    enum view_metric_type type;
    double value;
};

static void be_metrics(void *self, view_metric_fn sink, void *arg) {
    struct node *n = node_of(self);
    struct node_stats s;
    struct store_metrics st;
    struct job_stats jobs = { 0 };
    struct brain_topology draws;
    brain_topology(node_brain(n), &draws);
    node_stats(n, &s);
    store_metrics_get(node_store(n), &st);
    if (brain_jobs(node_brain(n))) job_book_stats(brain_jobs(node_brain(n)), &jobs);
    const struct registry *reg = brain_registry(node_brain(n));
    const struct metric_row rows[] = {
        { "village_up_seconds", "Time since the node started.", VIEW_GAUGE,
          (double)(node_now(n) - node_started(n)) / 1000 },
        { "village_resident_bytes", "Resident memory of the daemon.", VIEW_GAUGE, (double)os_rss() },
        { "village_nodes", "Nodes of the village.", VIEW_GAUGE, reg ? registry_count(reg) : 0 },
        { "village_draw_epoch", "Epoch of draws.", VIEW_GAUGE, (double)draws.epoch },
        { "village_draw_members", "Members of the roll of this epoch.", VIEW_GAUGE, draws.members },
        { "village_draw_refused_total", "Certificates, reveals and answers that were false.", VIEW_COUNTER, (double)draws.counters.refused },
        { "village_draw_disputed_total", "Rolls refused, books that differed, own reveals left out.", VIEW_COUNTER,
          (double)(draws.counters.refused_rolls + draws.counters.disagreed + draws.counters.left_out) },
        { "village_challenges_sent_total", "Challenges sent as witness.", VIEW_COUNTER, (double)draws.counters.asked },
        { "village_challenges_unanswered_total", "Of those, without an answer in time.", VIEW_COUNTER, (double)draws.counters.unanswered },
        { "village_challenges_answered_total", "Challenges of others that this node answered.", VIEW_COUNTER, (double)draws.counters.answers },
        { "village_links", "Open connections to other nodes.", VIEW_GAUGE, s.links },
        { "village_link_received_bytes_total", "Bytes read from links.", VIEW_COUNTER, (double)s.bytes_in },
        { "village_link_sent_bytes_total", "Bytes written to links.", VIEW_COUNTER, (double)s.bytes_out },
        { "village_peers_denied_total", "Peers without a valid certificate.", VIEW_COUNTER,
          (double)s.brain.peers_denied },
        { "village_messages_bad_total", "Messages that were malformed or out of place.", VIEW_COUNTER,
          (double)s.brain.messages_bad },
        { "village_joins_total", "Nodes admitted by ticket.", VIEW_COUNTER, (double)s.brain.joins },
        { "village_joins_refused_total", "Joins refused.", VIEW_COUNTER, (double)s.brain.join_refused },
        { "village_heartbeats_total", "Heartbeats received.", VIEW_COUNTER, (double)s.brain.heartbeats },
        { "village_jobs", "Jobs remembered.", VIEW_GAUGE, jobs.jobs },
        { "village_tasks_ready", "Tasks that want a node.", VIEW_GAUGE, jobs.ready },
        { "village_tasks_live", "Task copies on nodes.", VIEW_GAUGE, jobs.live },
        { "village_tasks_placed_total", "Tasks placed on nodes.", VIEW_COUNTER, (double)s.brain.placed },
        { "village_tasks_lost_total", "Copies of tasks lost with their nodes.", VIEW_COUNTER, (double)s.brain.lost },
        { "village_placing_batches_total", "Batches of tasks placed together.", VIEW_COUNTER, (double)s.brain.batches },
        { "village_placing_plans_total", "Batches searched on another thread.", VIEW_COUNTER, (double)s.brain.plans },
        { "village_placing_conflicts_total", "Planned placements that others had forestalled.", VIEW_COUNTER,
          (double)s.brain.plan_conflicts },
        { "village_reports_total", "Task reports taken.", VIEW_COUNTER, (double)s.brain.reports },
        { "village_reports_stale_total", "Task reports of an older epoch.", VIEW_COUNTER,
          (double)s.brain.reports_stale },
        { "village_tasks_run_total", "Tasks run on this node.", VIEW_COUNTER, (double)s.brain.tasks_run },
        { "village_tasks_failed_total", "Tasks that failed on this node.", VIEW_COUNTER, (double)s.brain.tasks_failed },
        { "village_blobs_fetched_total", "Blobs fetched from other nodes.", VIEW_COUNTER,
          (double)s.brain.blobs_fetched },
        { "village_member_jobs_total", "Jobs taken from members.", VIEW_COUNTER, (double)s.brain.remote_taken },
        { "village_member_jobs_refused_total", "Jobs of members refused.", VIEW_COUNTER,
          (double)s.brain.remote_refused },
        { "village_member_messages_stale_total", "Messages about members' jobs that were late, doubled or unasked.",
          VIEW_COUNTER, (double)s.brain.remote_stale },
        { "village_witness_cosigned_total", "Cosignatures of heads of the log of receipts: given, at the coordinator taken.", VIEW_COUNTER,
          (double)s.brain.cosigned },
        { "village_witness_forks_total", "Heads that this node refused to cosign: they contradict what it saw.", VIEW_COUNTER,
          (double)s.brain.witness_forks },
        { "village_witness_refused_total", "Refusals of witnesses that the coordinator heard.", VIEW_COUNTER, (double)s.brain.witness_refused },
        { "village_runner_starts_total", "Starts of the runner.", VIEW_COUNTER, (double)s.runner_starts },
        { "village_store_batches_total", "Batches made durable.", VIEW_COUNTER, (double)st.batches },
        { "village_store_commits_total", "Commits that carried them.", VIEW_COUNTER, (double)st.commits },
        { "village_store_failures_total", "Commits that failed.", VIEW_COUNTER, (double)s.store_failures },
        { "village_store_wal_bytes", "Size of the write-ahead log.", VIEW_GAUGE, (double)st.wal_bytes },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        sink(arg, &(struct view_metric){
                      .name = rows[i].name, .help = rows[i].help, .type = rows[i].type, .value = rows[i].value });
    node_backend_keys_metrics(self, sink, arg);
    node_backend_load_metrics(self, sink, arg);
    node_backend_attest_metrics(self, sink, arg);
    node_backend_market_metrics(self, sink, arg);
    node_backend_mix_metrics(self, sink, arg);
    node_backend_anchor_metrics(self, sink, arg);
}

/* ---- nodes ----------------------------------------------------------------------------------------------------------
 */

static enum view_node_state node_state_view(enum node_state s) {
    switch (s) {
    case NODE_ACTIVE:
        return VIEW_NODE_ACTIVE;
    case NODE_IDLE:
        return VIEW_NODE_IDLE;
    case NODE_BUSY:
        return VIEW_NODE_BUSY;
    case NODE_OFFLINE:
        return VIEW_NODE_OFFLINE;
    case NODE_MAINTENANCE:
        return VIEW_NODE_MAINTENANCE;
    }
    return VIEW_NODE_OFFLINE;
}

static const char *harvest_text(enum node_harvest h) {
    static const char *const names[] = { NULL, "ready", "throttled", "paused", "away" };
    return (unsigned)h <= HARVEST_SAYS_AWAY ? names[h] : NULL;
}

static void node_show(struct node *n, const struct node_record *r, view_node_fn sink, void *arg) {
    const struct job_book *jobs = brain_jobs(node_brain(n));
    uint32_t running = jobs ? job_book_on_node(jobs, r->id).running : r->running;
    struct view_node v = { .id = r->id,
                           .name = r->name,
                           .kind = node_kind_text(r->kind),
                           .addr = r->addr,
                           .region = r->caps.domain[DOMAIN_REGION],
                           .labels = r->caps.domain,
                           .cost = r->caps.cost,
                           .ask = r->caps.ask,
                           .harvest = harvest_text(r->harvest),
                           .state = node_state_view(r->state),
                           .self = vl_node_eq(r->id, brain_node_id(node_brain(n))),
                           .cpus = r->caps.cpus,
                           .free_slots = r->caps.slots > running ? r->caps.slots - running : 0,
                           .running = running,
                           .load_milli = r->load_milli,
                           .memory_bytes = r->caps.memory_bytes,
                           .disk_bytes = r->disk_free_bytes,
                           .joined_ms = r->joined_ms,
                           .seen_ms = r->seen_ms,
                           .done = r->done,
                           .failed = r->failed,
                           .features = (r->caps.features & NODE_FEATURE_WASM ? VIEW_FEATURE_WASM : 0u) |
                                       (r->caps.features & NODE_FEATURE_NATIVE ? VIEW_FEATURE_NATIVE : 0u) };
    struct brain_attested room;
    node_backend_rate(n, &v);
    node_backend_attested(n, &v, &room);
    sink(arg, &v);
}

static void be_nodes(void *self, int state, const struct vl_node_id *after, uint32_t max, view_node_fn sink,
                     void *arg) {
    struct node *n = node_of(self);
    const struct registry *reg = brain_registry(node_brain(n));
    const struct node_record *r = NULL;
    uint32_t shown = 0;
    if (reg == NULL) return;
    for (r = registry_next(reg, after); r && shown < max; r = registry_next(reg, &r->id)) {
        if (state >= 0 && (int)node_state_view(r->state) != state) continue;
        node_show(n, r, sink, arg);
        shown++;
    }
}

static enum vl_err be_node(void *self, struct vl_node_id id, view_node_fn sink, void *arg) {
    struct node *n = node_of(self);
    const struct registry *reg = brain_registry(node_brain(n));
    const struct node_record *r = reg ? registry_get(reg, id) : NULL;
    if (r == NULL) return VL_ENOTFOUND;
    node_show(n, r, sink, arg);
    return VL_OK;
}

static void be_topology(void *self, view_topology_fn sink, void *arg) {
    const struct registry *reg = brain_registry(node_brain(node_of(self)));
    struct topology t;
    struct view_link *links = calloc(REGISTRY_SNAPSHOT_LINKS, sizeof *links);
    struct vl_node_id me = brain_node_id(node_brain(node_of(self)));
    for (uint32_t i = REGISTRY_SNAPSHOTS; reg && links && i-- > 0;) {
        if (!registry_topology_at(reg, i, &t)) continue;
        for (uint32_t k = 0; k < t.n_links; k++) links[k] = (struct view_link){ .a = me, .b = t.links[k] };
        sink(arg, &(struct view_topology){ .at_ms = t.at_ms,
                                           .nodes = t.nodes,
                                           .active = t.active,
                                           .offline = t.offline,
                                           .links = links,
                                           .links_n = t.n_links });
    }
    free(links);
}

/* ---- jobs
 * ------------------------------------------------------------------------------------------------------------ */

static enum view_job_state job_state_view(uint8_t s) {
    return s >= JOB_SUBMITTED && s <= JOB_EXPIRED ? (enum view_job_state)(s - JOB_SUBMITTED) : VIEW_JOB_FAILED;
}

static void job_show(struct vl_job_id id, const struct job_row *r, view_job_fn sink, void *arg) {
    char name[VL_NAME_MAX], error[TASK_ERROR_MAX + 1];
    struct view_job v = { .id = id,
                          .name = text_copy(name, sizeof name, r->name),
                          .kind = kind_text(r->kind),
                          .priority = priority_text(r->priority),
                          .state = job_state_view(r->state),
                          .total = r->total,
                          .waiting = r->waiting,
                          .running = r->running,
                          .done = r->done,
                          .failed = r->failed,
                          .replicas = r->replicas,
                          .attempts = r->attempts,
                          .submitted_ms = r->submitted_ms,
                          .started_ms = r->started_ms,
                          .ended_ms = r->ended_ms,
                          .waits = r->waits ? sched_reason_text((enum sched_reason)r->waits) : NULL };
    v.error = error_view(r->error, r->error_text, error);
    sink(arg, &v);
}

static void be_jobs(void *self, int state, const struct vl_job_id *before, uint32_t max, view_job_fn sink, void *arg) {
    struct store_value prefix = store_int(state + JOB_SUBMITTED), from;
    struct store_query q = { .table = STORE_JOBS, .index = STORE_JOBS_BY_KEY, .descending = true, .limit = max };
    struct store_iter *it;
    struct store_row row;
    if (before) {
        from = store_blob(before->b, sizeof before->b);
        q.from = &from;
        q.n_from = 1;
    }
    if (state >= 0) {
        q.index = STORE_JOBS_BY_STATE;
        q.prefix = &prefix;
        q.n_prefix = 1;
    }
    if (max == 0 || store_scan(store_of(self), &q, &it)) return;
    while (store_next(it, &row)) {
        struct vl_job_id id;
        struct job_row r;
        if (store_row_bytes(&row, STORE_JOBS_ID, id.b, sizeof id.b) == VL_OK &&
            job_row_decode(store_row_blob(&row, STORE_JOBS_RECORD), &r) == VL_OK)
            job_show(id, &r, sink, arg);
    }
    vl_ignore(store_end(it));
}

static enum vl_err job_get(struct store *s, struct vl_job_id id, struct job_row *ret) {
    struct store_value key = store_blob(id.b, sizeof id.b);
    struct store_row row;
    enum vl_err err = store_get(s, STORE_JOBS, &key, &row);
    return err ? err : job_row_decode(store_row_blob(&row, STORE_JOBS_RECORD), ret);
}

static enum vl_err spec_get(struct store *s, struct vl_job_id id, struct job_spec *ret) {
    struct store_value key = store_blob(id.b, sizeof id.b);
    struct store_row row;
    enum vl_err err = store_get(s, STORE_SPECS, &key, &row);
    return err ? err : job_spec_decode(store_row_blob(&row, STORE_SPECS_RECORD), ret);
}

static enum vl_err be_job(void *self, struct vl_job_id id, view_job_fn sink, view_spec_fn spec, void *arg) {
    struct job_row r;
    enum vl_err err = job_get(store_of(self), id, &r);
    if (err) return err;
    job_show(id, &r, sink, arg);
    struct job_spec *s = spec ? malloc(sizeof *s) : NULL;
    if (s && spec_get(store_of(self), id, s) == VL_OK) spec(arg, s);
    free(s);
    return VL_OK;
}

static void task_show(uint32_t index, const struct task_row *r, view_task_fn sink, void *arg) {
    struct task_report *rep = malloc(sizeof *rep);
    struct view_output *outputs = calloc(VL_TASK_OUTPUTS_MAX, sizeof *outputs);
    char(*names)[VL_NAME_MAX] = calloc(VL_TASK_OUTPUTS_MAX, sizeof *names);
    char error[TASK_ERROR_MAX + 1], input[VL_NAME_MAX];
    struct view_task v = { .index = index,
                           .state = (enum view_task_state)(r->state - JOB_TASK_WAITING),
                           .has_node = r->has_node,
                           .node = r->node,
                           .attempt = r->attempt,
                           .epoch = r->epoch,
                           .batch = r->batch,
                           .started_ms = r->started_ms,
                           .ended_ms = r->ended_ms,
                           .input = r->input.n ? text_copy(input, sizeof input, r->input) : NULL };
    v.error = error_view(r->error, r->error_text, error);
    if (rep && outputs && names && r->report.n && task_report_decode(r->report, rep) == VL_OK) {
        v.has_exit_code = rep->started_ms > 0;
        v.exit_code = rep->exit_code;
        v.cpu_us = rep->cpu_us;
        v.peak_bytes = rep->peak_bytes;
        for (uint32_t i = 0; i < rep->n_outputs; i++)
            outputs[v.outputs_n++] =
                (struct view_output){ .task = index,
                                      .name = text_copy(names[i], VL_NAME_MAX, rep->outputs[i].name),
                                      .hash = rep->outputs[i].hash,
                                      .size = rep->outputs[i].size };
        v.outputs = outputs;
        if (rep->has_receipt)
            v.receipt = (struct view_receipt){ .signature = rep->receipt.signature,
                                               .signer = rep->receipt.node,
                                               .signed_ms = rep->receipt.ended_ms };
    }
    sink(arg, &v);
    free(rep);
    free(outputs);
    free(names);
}

/* Rows exist from a task's first change on; before, it waits. */
static enum vl_err be_tasks(void *self, struct vl_job_id id, uint32_t first, uint32_t max, view_task_fn sink,
                            void *arg) {
    struct job_row job;
    enum vl_err err = job_get(store_of(self), id, &job);
    if (err) return err;
    for (uint32_t i = first; i < job.total && max > 0; i++, max--) {
        struct store_value key[2] = { store_blob(id.b, sizeof id.b), store_int(i) };
        struct store_row row;
        struct task_row r = { .state = JOB_TASK_WAITING, .attempt = 1 };
        struct job_task_view waiting;
        const struct job_book *book = brain_jobs(node_brain(node_of(self)));
        if (store_get(store_of(self), STORE_TASKS, key, &row) == VL_OK)
            vl_ignore(task_row_decode(store_row_blob(&row, STORE_TASKS_RECORD), &r));
        else if (book && job_book_task(book, id, i, &waiting))
            r.input = waiting.input;
        task_show(i, &r, sink, arg);
    }
    return VL_OK;
}

static enum vl_err be_events(void *self, struct vl_job_id id, uint64_t after, uint32_t max, view_event_fn sink,
                             void *arg) {
    struct job_row job;
    struct store_value prefix = store_blob(id.b, sizeof id.b), from = store_int((int64_t)after);
    struct store_query q = { .table = STORE_JOB_EVENTS,
                             .prefix = &prefix,
                             .n_prefix = 1,
                             .from = &from,
                             .n_from = after ? 1 : 0,
                             .limit = max };
    struct store_iter *it;
    struct store_row row;
    enum vl_err err = job_get(store_of(self), id, &job);
    if (err || max == 0) return err;
    if ((err = store_scan(store_of(self), &q, &it))) return err;
    while (store_next(it, &row)) {
        struct view_event v = { .seq = (uint64_t)store_row_int(&row, STORE_JOB_EVENTS_SEQ),
                                .at_ms = (vl_ms)store_row_int(&row, STORE_JOB_EVENTS_AT_MS),
                                .kind = store_row_text(&row, STORE_JOB_EVENTS_KIND),
                                .detail = store_row_text(&row, STORE_JOB_EVENTS_DETAIL) };
        if (!store_row_is_null(&row, STORE_JOB_EVENTS_IDX)) {
            v.has_task = true;
            v.task = (uint32_t)store_row_int(&row, STORE_JOB_EVENTS_IDX);
        }
        v.has_node = store_row_bytes(&row, STORE_JOB_EVENTS_NODE, v.node.b, sizeof v.node.b) == VL_OK;
        sink(arg, &v);
    }
    return store_end(it);
}

struct output_sink {
    view_output_fn sink;
    void *arg;
    uint32_t left;
    bool stdout_only;
};

static void outputs_of_task(void *arg, const struct view_task *t) {
    struct output_sink *s = arg;
    if (t->state != VIEW_TASK_DONE) return;
    for (size_t i = 0; i < t->outputs_n && s->left > 0; i++) {
        if (s->stdout_only && strcmp(t->outputs[i].name, "stdout") != 0) continue;
        s->sink(s->arg, &t->outputs[i]);
        s->left--;
    }
}

static enum vl_err be_outputs(void *self, struct vl_job_id id, uint32_t max, view_output_fn sink, void *arg) {
    struct output_sink s = { .sink = sink, .arg = arg, .left = max };
    return be_tasks(self, id, 0, UINT32_MAX, outputs_of_task, &s);
}

static enum vl_err be_result(void *self, struct vl_job_id id, view_output_fn sink, void *arg) {
    struct output_sink s = { .sink = sink, .arg = arg, .left = UINT32_MAX, .stdout_only = true };
    struct job_row job;
    enum vl_err err = job_get(store_of(self), id, &job);
    if (err) return err;
    if (job.state != JOB_DONE) return VL_ESTATE;
    struct job_spec *spec = malloc(sizeof *spec);
    bool merged = spec && spec_get(store_of(self), id, spec) == VL_OK && spec->has_merge;
    free(spec);
    return be_tasks(self, id, merged ? job.total - 1 : 0, UINT32_MAX, outputs_of_task, &s);
}

/* ---- tickets
 * ---------------------------------------------------------------------------------------------------------- */

static void ticket_view(const struct ticket_record *r, char id[17], struct view_ticket *ret) {
    vl_hex_encode(r->secret_hash, 8, id);
    *ret = (struct view_ticket){ .id = id,
                                 .uses = r->uses,
                                 .used = r->used,
                                 .created_ms = r->created_ms,
                                 .expires_ms = r->expires_ms,
                                 .revoked = r->revoked };
}

static void be_tickets(void *self, const char *after_id, uint32_t max, view_ticket_fn sink, void *arg) {
    const struct membership *m = brain_members(node_brain(node_of(self)));
    size_t n = m ? membership_ticket_count(m) : 0;
    bool on = after_id == NULL;
    for (size_t i = 0; i < n && max > 0; i++) {
        char id[17];
        struct view_ticket v;
        ticket_view(membership_ticket_at(m, i), id, &v);
        if (on) {
            sink(arg, &v);
            max--;
        } else {
            on = strcmp(id, after_id) == 0;
        }
    }
}

/* ---- commands
 * ---------------------------------------------------------------------------------------------------------- */

struct call { /* carries the gateway's callback through the node's */
    backend_done_fn done;
    backend_ticket_fn ticket;
    void *arg;
    void *self;
    char text[TICKET_TEXT];
};

static struct call *call_new(void *self, backend_done_fn done, void *arg) {
    struct call *c = calloc(1, sizeof *c);
    if (c) *c = (struct call){ .done = done, .arg = arg, .self = self };
    return c;
}

static void call_done(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct call *c = arg;
    if (err == VL_EOVERLOAD && bytes.n == 4) ((struct node_backend *)c->self)->retry_s = (vl_get_u32(bytes.p) + 999) / 1000;
    c->done(c->arg, err, detail);
    free(c);
}

static void answer_copy(const struct backend_answer *from, struct record_answer *to) {
    *to = (struct record_answer){
        .key = from->key, .request = from->request, .answer_n = from->answer_n, .expires_ms = from->expires_ms
    };
    memcpy(to->answer, from->answer, from->answer_n);
}

enum vl_err node_backend_inputs_here(struct node *n, const struct job_spec *spec) {
    struct task_input in;
    uint64_t size = 0;
    if (spec->kind == TASK_WASM && node_blob_size(n, spec->program, &size)) return VL_ENOTFOUND;
    for (struct vl_span rest = spec->inputs; job_inputs_next(&rest, &in);)
        if (in.size > 0 && (node_blob_size(n, in.hash, &size) || size != in.size)) return VL_ENOTFOUND;
    return VL_OK;
}

static enum vl_err be_job_submit(void *self, struct vl_job_id id, vl_ms submitted_ms, const struct job_spec *spec,
                                 const struct backend_answer *answer, backend_done_fn done, void *arg) {
    struct record_answer kept;
    (void)submitted_ms; /* the id carries it */
    enum vl_err err = node_backend_inputs_here(node_of(self), spec);
    if (err) return err;
    struct call *c = call_new(self, done, arg);
    if (c == NULL) return VL_ENOMEM;
    if (answer) answer_copy(answer, &kept);
    node_submit_job(node_of(self), id, spec, answer ? &kept : NULL, call_done, c);
    return VL_OK;
}

static uint32_t be_retry_s(void *self) { return ((struct node_backend *)self)->retry_s; }

static enum vl_err be_job_cancel(void *self, struct vl_job_id id, backend_done_fn done, void *arg) {
    struct call *c = call_new(self, done, arg);
    if (c == NULL) return VL_ENOMEM;
    node_cancel_job(node_of(self), id, call_done, c);
    return VL_OK;
}

static enum vl_err be_node_expel(void *self, struct vl_node_id id, backend_done_fn done, void *arg) {
    struct call *c = call_new(self, done, arg);
    if (c == NULL) return VL_ENOMEM;
    node_expel(node_of(self), id, call_done, c);
    return VL_OK;
}

static enum vl_err be_node_maintenance(void *self, struct vl_node_id id, bool on, backend_done_fn done, void *arg) {
    struct call *c = call_new(self, done, arg);
    if (c == NULL) return VL_ENOMEM;
    node_maintenance(node_of(self), id, on, call_done, c);
    return VL_OK;
}

static void ticket_done(void *arg, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct call *c = arg;
    const struct membership *m = err == VL_OK ? brain_members(node_brain(node_of(c->self))) : NULL;
    struct view_ticket v = { 0 };
    char id[17] = "";
    for (size_t i = 0; m && bytes.n == 8 && i < membership_ticket_count(m); i++) {
        const struct ticket_record *r = membership_ticket_at(m, i);
        if (memcmp(r->secret_hash, bytes.p, 8) == 0) ticket_view(r, id, &v);
    }
    if (err == VL_OK && v.id == NULL) err = VL_EINTERNAL;
    c->ticket(c->arg, err, detail, err ? NULL : &v, err ? NULL : c->text);
    explicit_bzero(c->text, sizeof c->text);
    free(c);
}

static enum vl_err be_mix_charter(void *self, const struct backend_charter *wanted, backend_done_fn done, void *arg) {
    struct mix_charter charter;
    enum vl_err err = node_backend_charter(node_of(self), wanted, &charter);
    if (err) return err;
    struct call *c = call_new(self, done, arg);
    if (c == NULL) return VL_ENOMEM;
    node_mix_charter(node_of(self), &charter, call_done, c);
    return VL_OK;
}

static enum vl_err be_ticket_create(void *self, uint32_t uses, uint64_t ttl_s, backend_ticket_fn done, void *arg) {
    struct call *c = call_new(self, NULL, arg);
    if (c == NULL) return VL_ENOMEM;
    c->ticket = done;
    enum vl_err err = node_create_ticket(node_of(self), uses, ttl_s * 1000, c->text, ticket_done, c);
    if (err) free(c);
    return err;
}

static enum vl_err be_ticket_revoke(void *self, const char *id, backend_done_fn done, void *arg) {
    uint8_t raw[8];
    if (vl_hex_decode(id, raw, sizeof raw)) return VL_ENOTFOUND;
    struct call *c = call_new(self, done, arg);
    if (c == NULL) return VL_ENOMEM;
    node_revoke_ticket(node_of(self), raw, call_done, c);
    return VL_OK;
}

/* ---- stored answers
 * ------------------------------------------------------------------------------------------------------ */

static enum vl_err be_answer_get(void *self, struct vl_hash key, vl_ms now, struct backend_answer *ret) {
    char text[65];
    struct store_row row;
    vl_hex_encode(key.b, sizeof key.b, text);
    struct store_value k = store_text(text);
    enum vl_err err = store_get(store_of(self), STORE_IDEMPOTENCY, &k, &row);
    if (err) return err;
    struct vl_span answer = store_row_blob(&row, STORE_IDEMPOTENCY_RESPONSE);
    vl_ms expires = (vl_ms)store_row_int(&row, STORE_IDEMPOTENCY_CREATED_MS);
    if (expires <= now) return VL_ENOTFOUND;
    if (answer.n > sizeof ret->answer) return VL_ECORRUPT;
    ret->key = key;
    ret->expires_ms = expires;
    ret->answer_n = (uint32_t)answer.n;
    if (answer.n) memcpy(ret->answer, answer.p, answer.n);
    return store_row_bytes(&row, STORE_IDEMPOTENCY_REQUEST_HASH, ret->request.b, sizeof ret->request.b);
}

static enum vl_err be_answer_put(void *self, const struct backend_answer *answer, backend_done_fn done, void *arg) {
    struct record_answer kept;
    struct call *c = call_new(self, done, arg);
    if (c == NULL) return VL_ENOMEM;
    answer_copy(answer, &kept);
    node_store_answer(node_of(self), &kept, call_done, c);
    return VL_OK;
}

/* ---- blobs
 * ------------------------------------------------------------------------------------------------------------------ */

static enum vl_err be_blob_stat(void *self, struct vl_hash hash, uint64_t *ret_size) {
    return node_blob_size(node_of(self), hash, ret_size);
}

static enum vl_err be_blob_open(void *self, struct vl_hash hash, void **ret_reader, uint64_t *ret_size) {
    int fd = -1;
    enum vl_err err = node_blob_open(node_of(self), hash, &fd, ret_size);
    if (err) return err;
    int *reader = malloc(sizeof *reader);
    if (reader == NULL) {
        close(fd);
        return VL_ENOMEM;
    }
    *reader = fd;
    *ret_reader = reader;
    return VL_OK;
}

static enum vl_err be_blob_read(void *self, void *reader, uint64_t offset, void *dst, size_t n) {
    (void)self;
    return pread(*(int *)reader, dst, n, (off_t)offset) == (ssize_t)n ? VL_OK : VL_EIO;
}

static void be_blob_close(void *self, void *reader) {
    (void)self;
    close(*(int *)reader);
    free(reader);
}

static enum vl_err be_blob_begin(void *self, struct vl_hash hash, uint64_t size, void **ret_upload) {
    struct node_upload *u = NULL;
    enum vl_err err = node_upload_begin(node_of(self), hash, size, &u);
    if (err == VL_OK) *ret_upload = u;
    return err;
}

static enum vl_err be_blob_write(void *self, void *upload, const void *p, size_t n) {
    (void)self;
    return node_upload_write(upload, p, n);
}

static enum vl_err be_blob_commit(void *self, void *upload, backend_done_fn done, void *arg) {
    struct call *c = call_new(self, done, arg);
    if (c == NULL) return VL_ENOMEM;
    node_upload_commit(upload, call_done, c);
    return VL_OK;
}

static void be_blob_abort(void *self, void *upload) {
    (void)self;
    node_upload_abort(upload);
}

/* ---- the table
 * ---------------------------------------------------------------------------------------------------------------- */

struct backend node_backend(struct node_backend *b) {
    static const struct backend_ops ops = {
        .healthy = be_healthy,
        .info = be_info,
        .metrics = be_metrics,
        .nodes = be_nodes,
        .node = be_node,
        .reputations = node_backend_reputations,
        .reputation = node_backend_reputation,
        .topology = be_topology,
        .jobs = be_jobs,
        .job = be_job,
        .tasks = be_tasks,
        .events = be_events,
        .outputs = be_outputs,
        .result = be_result,
        .tickets = be_tickets,
        .job_submit = be_job_submit,
        .market = node_backend_market,
        .prices = node_backend_prices,
        .quote = node_backend_quote,
        .rates = node_backend_rates,
        .measure = node_backend_measure,
        .auction_open = node_backend_auction_open,
        .auction_cancel = node_backend_auction_cancel,
        .retry_s = be_retry_s,
        .job_cancel = be_job_cancel,
        .keys = node_backend_keys,
        .succession = node_backend_succession,
        .revocations = node_backend_revocations,
        .keys_rotate = node_backend_keys_rotate,
        .key_revoke = node_backend_key_revoke,
        .node_expel = be_node_expel,
        .node_maintenance = be_node_maintenance,
        .node_attest = node_backend_attest,
        .node_attestation = node_backend_attestation,
        .tee_create = node_backend_tee_create,
        .tee_close = node_backend_tee_close,
        .tee_status = node_backend_tee_status,
        .harvest = node_backend_harvest,
        .contributions = node_backend_contributions,
        .harvest_policy = node_backend_harvest_policy,
        .harvest_pause = node_backend_harvest_pause,
        .explain = node_backend_explain,
        .quorum_check = node_backend_quorum_check,
        .agreements = node_backend_agreements,
        .agreement = node_backend_agreement,
        .mix = node_backend_mix,
        .relays = node_backend_relays,
        .mix_ping = node_backend_ping,
        .mix_charter = be_mix_charter,
        .anchor = node_backend_anchor,
        .log = node_backend_log,
        .prove = node_backend_prove,
        .neighbours = node_backend_neighbours,
        .keep = node_backend_keep,
        .service = node_backend_service,
        .receipts = node_backend_receipts,
        .ticket_create = be_ticket_create,
        .ticket_revoke = be_ticket_revoke,
        .answer_get = be_answer_get,
        .answer_put = be_answer_put,
        .blob_stat = be_blob_stat,
        .blob_open = be_blob_open,
        .blob_read = be_blob_read,
        .blob_close = be_blob_close,
        .blob_begin = be_blob_begin,
        .blob_write = be_blob_write,
        .blob_commit = be_blob_commit,
        .blob_abort = be_blob_abort,
    };
    return (struct backend){ .ops = &ops, .self = b };
}

/* ---- what subscribers hear
 * ---------------------------------------------------------------------------------------------------- */

static void publish_job(void *arg, const struct view_job *v) {
    gateway_publish_job(((struct node_backend *)arg)->gateway, v);
}
static void publish_node(void *arg, const struct view_node *v) {
    gateway_publish_node(((struct node_backend *)arg)->gateway, v);
}

struct task_publisher {
    struct gateway *gateway;
    struct vl_job_id job;
};
static void publish_task(void *arg, const struct view_task *v) {
    struct task_publisher *p = arg;
    gateway_publish_task(p->gateway, p->job, v);
}

void node_backend_job_changed(void *arg, struct vl_job_id id) {
    struct node_backend *b = arg;
    if (b->gateway) vl_ignore(be_job(b, id, publish_job, NULL, b));
}

void node_backend_task_changed(void *arg, struct vl_job_id id, uint32_t task) {
    struct node_backend *b = arg;
    struct task_publisher p = { .gateway = b->gateway, .job = id };
    if (b->gateway) vl_ignore(be_tasks(b, id, task, 1, publish_task, &p));
}

void node_backend_node_changed(void *arg, struct vl_node_id id) {
    struct node_backend *b = arg;
    if (b->gateway) vl_ignore(be_node(b, id, publish_node, b));
}
