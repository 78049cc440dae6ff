#include "mem_backend.h"

#include "wire/cert.h"
#include "wire/succession.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "fog/market.h"
#include "fog/price.h"
#include "fog/plan_record.h"
#include "brain/brain.h"
#include "trust/reputation.h"
#include "wire/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS 20000u
#define NODES 64u
#define BLOBS 256u
#define TICKETS 64u
#define ANSWERS 256u
#define EVIDENCE REPUTATION_FOLD /* fewer: nothing is folded */
#define EVIDENCE_AT ((vl_ms)1700000000000u)

struct mem_job {
    struct vl_job_id id;
    enum view_job_state state;
    vl_ms submitted_ms, ended_ms;
    char name[64];
    struct vl_buf spec; /* encoded */
    uint32_t tasks;
    struct vl_hash out;
    uint64_t out_n;
};
struct mem_node {
    struct vl_node_id id;
    char name[64];
    enum view_node_state state;
};
struct mem_blob {
    struct vl_hash hash;
    uint8_t *p;
    uint64_t n;
};
struct mem_ticket {
    char id[17];
    uint32_t uses;
    vl_ms created_ms, expires_ms;
    bool revoked;
};
struct mem_upload {
    struct vl_hash hash;
    uint64_t size, got;
    uint8_t *p;
};
struct later {
    backend_done_fn done;
    backend_ticket_fn ticket;
    void *arg;
    enum vl_err err;
    struct mem_ticket *t;
    struct later *next;
};
struct mem_backend {
    uv_timer_t timer;
    bool healthy, hold;
    uint32_t retry_s; /* jobs are turned away */
    struct mem_job *jobs;
    size_t jobs_n;
    struct mem_node nodes[NODES];
    size_t nodes_n;
    struct mem_blob blobs[BLOBS];
    size_t blobs_n;
    struct mem_ticket tickets[TICKETS];
    size_t tickets_n;
    struct backend_answer *answers;
    size_t answers_n, uploads;
    struct later *first, **last;
    struct market *market;
    struct reputation *book;
    struct evidence *evidence; /* of all nodes, as it came; EVIDENCE of them at most */
    size_t evidence_n;
};

static void view_ticket_of(const struct mem_ticket *t, struct view_ticket *v) {
    *v = (struct view_ticket){
        .id = t->id, .uses = t->uses, .created_ms = t->created_ms, .expires_ms = t->expires_ms, .revoked = t->revoked
    };
}

static void on_later(uv_timer_t *timer) {
    struct mem_backend *m = timer->data;
    struct later *l = m->first;
    m->first = NULL;
    m->last = &m->first;
    while (l) {
        struct later *next = l->next;
        if (l->ticket) {
            struct view_ticket v;
            view_ticket_of(l->t, &v);
            l->ticket(l->arg, l->err, NULL, &v, "vl1secretsecretsecret");
        } else {
            l->done(l->arg, l->err, NULL);
        }
        free(l);
        l = next;
    }
}

static enum vl_err later(struct mem_backend *m, struct later what) {
    struct later *l = malloc(sizeof *l);
    if (l == NULL) return VL_ENOMEM;
    *l = what;
    l->next = NULL;
    *m->last = l;
    m->last = &l->next;
    if (!m->hold) uv_timer_start(&m->timer, on_later, 0, 0);
    return VL_OK;
}

static enum vl_err soon(struct mem_backend *m, enum vl_err err, backend_done_fn done, void *arg) {
    return later(m, (struct later){ .done = done, .arg = arg, .err = err });
}

struct mem_backend *mem_create(uv_loop_t *loop) {
    struct mem_backend *m = calloc(1, sizeof *m);
    m->jobs = calloc(JOBS, sizeof *m->jobs);
    m->answers = calloc(ANSWERS, sizeof *m->answers);
    m->evidence = calloc(EVIDENCE, sizeof *m->evidence);
    m->book = reputation_create(&(struct reputation_config){ .max_nodes = NODES, .base_milli = 500 });
    m->healthy = true;
    m->last = &m->first;
    uv_timer_init(loop, &m->timer);
    m->timer.data = m;
    return m;
}

static void on_closed(uv_handle_t *h) {
    struct mem_backend *m = h->data;
    for (size_t i = 0; i < m->jobs_n; i++) vl_buf_free(&m->jobs[i].spec);
    reputation_destroy(m->book);
    free(m->evidence);
    for (size_t i = 0; i < m->blobs_n; i++) free(m->blobs[i].p);
    free(m->jobs);
    free(m->answers);
    market_destroy(m->market);
    free(m);
}

void mem_destroy(struct mem_backend *m) { uv_close((uv_handle_t *)&m->timer, on_closed); }
void mem_healthy(struct mem_backend *m, bool yes) { m->healthy = yes; }
size_t mem_jobs(const struct mem_backend *m) { return m->jobs_n; }
size_t mem_uploads_open(const struct mem_backend *m) { return m->uploads; }

void mem_hold(struct mem_backend *m, bool on) {
    m->hold = on;
    if (!on && m->first) uv_timer_start(&m->timer, on_later, 0, 0);
}

/* ---- reads ---- */

static bool healthy(void *self) { return ((struct mem_backend *)self)->healthy; }

static void info(void *self, struct view_info *ret) {
    static const struct view_library libs[] = { { "sqlite", "3.40.1" } };
    (void)self;
    *ret = (struct view_info){ .version = "0.1.0",
                               .village_id = "ab",
                               .name = "n\"1",
                               .role = "coordinator",
                               .addr = "127.0.0.1:1",
                               .started_ms = 1000,
                               .cpus = 2,
                               .memory_bytes = 1u << 30,
                               .libraries = libs,
                               .libraries_n = 1 };
}

static void metrics(void *self, view_metric_fn sink, void *arg) {
    const struct mem_backend *m = self;
    struct view_metric v = {
        .name = "village_jobs", .help = "Jobs known.", .type = VIEW_GAUGE, .value = (double)m->jobs_n
    };
    sink(arg, &v);
    v = (struct view_metric){ .name = "village_tasks_total",
                              .help = "Tasks\nby outcome.",
                              .type = VIEW_COUNTER,
                              .label = "outcome",
                              .label_value = "do\"ne",
                              .value = 3 };
    sink(arg, &v);
    v.label_value = "failed";
    sink(arg, &v);
}

static void give_node(const struct mem_node *n, view_node_fn sink, void *arg) {
    struct view_node v = { .id = n->id,
                           .name = n->name,
                           .kind = "compute_node",
                           .addr = "",
                           .region = "",
                           .state = n->state,
                           .cpus = 2,
                           .features = VIEW_FEATURE_WASM | VIEW_FEATURE_NATIVE,
                           .joined_ms = 5 };
    sink(arg, &v);
}

void mem_add_node(struct mem_backend *m, struct vl_node_id id, const char *name, enum view_node_state state) {
    size_t i = m->nodes_n++;
    while (i > 0 && memcmp(m->nodes[i - 1].id.b, id.b, 32) > 0) {
        m->nodes[i] = m->nodes[i - 1];
        i--;
    }
    m->nodes[i] = (struct mem_node){ .id = id, .state = state };
    snprintf(m->nodes[i].name, sizeof m->nodes[i].name, "%s", name);
}

static void nodes(void *self, int state, const struct vl_node_id *after, uint32_t max, view_node_fn sink, void *arg) {
    const struct mem_backend *m = self;
    for (size_t i = 0; i < m->nodes_n && max > 0; i++) {
        const struct mem_node *n = &m->nodes[i];
        if ((state >= 0 && (int)n->state != state) || (after && memcmp(n->id.b, after->b, 32) <= 0)) continue;
        give_node(n, sink, arg);
        max--;
    }
}

static struct mem_node *find_node(struct mem_backend *m, struct vl_node_id id) {
    for (size_t i = 0; i < m->nodes_n; i++)
        if (vl_node_eq(m->nodes[i].id, id)) return &m->nodes[i];
    return NULL;
}

static enum vl_err node(void *self, struct vl_node_id id, view_node_fn sink, void *arg) {
    const struct mem_node *n = find_node(self, id);
    if (n == NULL) return VL_ENOTFOUND;
    give_node(n, sink, arg);
    return VL_OK;
}

static void topology(void *self, view_topology_fn sink, void *arg) {
    const struct mem_backend *m = self;
    struct view_link link = { .a = m->nodes[0].id, .b = m->nodes[1].id };
    struct view_topology v = {
        .at_ms = 7, .nodes = (uint32_t)m->nodes_n, .active = 1, .links = &link, .links_n = m->nodes_n > 1
    };
    sink(arg, &v);
}

static struct mem_job *find_job(struct mem_backend *m, struct vl_job_id id) {
    for (size_t i = m->jobs_n; i-- > 0;)
        if (vl_job_eq(m->jobs[i].id, id)) return &m->jobs[i];
    return NULL;
}

static void view_of(const struct mem_job *j, struct view_job *v) {
    *v = (struct view_job){ .id = j->id,
                            .name = j->name,
                            .kind = "wasm",
                            .priority = "normal",
                            .state = j->state,
                            .total = j->tasks,
                            .replicas = 1,
                            .submitted_ms = j->submitted_ms,
                            .ended_ms = j->ended_ms };
    if (j->state == VIEW_JOB_DONE)
        v->done = j->tasks;
    else
        v->waiting = j->tasks;
}

bool mem_view_job(struct mem_backend *m, struct vl_job_id id, struct view_job *ret) {
    const struct mem_job *j = find_job(m, id);
    if (j) view_of(j, ret);
    return j != NULL;
}

static void jobs(void *self, int state, const struct vl_job_id *before, uint32_t max, view_job_fn sink, void *arg) {
    const struct mem_backend *m = self;
    for (size_t i = m->jobs_n; i-- > 0 && max > 0;) {
        struct view_job v;
        if (state >= 0 && (int)m->jobs[i].state != state) continue;
        if (before && memcmp(m->jobs[i].id.b, before->b, 16) >= 0) continue;
        view_of(&m->jobs[i], &v);
        sink(arg, &v);
        max--;
    }
}

static enum vl_err job(void *self, struct vl_job_id id, view_job_fn sink, view_spec_fn spec, void *arg) {
    const struct mem_job *j = find_job(self, id);
    struct view_job v;
    if (j == NULL) return VL_ENOTFOUND;
    view_of(j, &v);
    sink(arg, &v);
    struct job_spec s;
    if (spec && job_spec_decode(vl_span(j->spec.p, j->spec.len), &s) == VL_OK) spec(arg, &s);
    return VL_OK;
}

static enum vl_err tasks(void *self, struct vl_job_id id, uint32_t first, uint32_t max, view_task_fn sink, void *arg) {
    const struct mem_job *j = find_job(self, id);
    if (j == NULL) return VL_ENOTFOUND;
    for (uint32_t i = first; i < j->tasks && max > 0; i++, max--) {
        struct view_output out = { .task = i, .name = "stdout", .hash = j->out, .size = j->out_n };
        bool done = j->state == VIEW_JOB_DONE;
        struct view_task v = { .index = i,
                               .state = done ? VIEW_TASK_DONE : VIEW_TASK_WAITING,
                               .outputs = &out,
                               .outputs_n = done,
                               .has_exit_code = done,
                               .exit_code = done ? -1 : 0 };
        sink(arg, &v);
    }
    return VL_OK;
}

static enum vl_err events(void *self, struct vl_job_id id, uint64_t after, uint32_t max, view_event_fn sink,
                          void *arg) {
    const struct mem_job *j = find_job(self, id);
    if (j == NULL) return VL_ENOTFOUND;
    uint64_t n = j->state == VIEW_JOB_SUBMITTED ? 1 : 2;
    for (uint64_t seq = after + 1; seq <= n && max > 0; seq++, max--) {
        struct view_event v = {
            .seq = seq, .at_ms = j->submitted_ms, .kind = seq == 1 ? "job_submitted" : "job_ended", .detail = ""
        };
        sink(arg, &v);
    }
    return VL_OK;
}

static enum vl_err outputs(void *self, struct vl_job_id id, uint32_t max, view_output_fn sink, void *arg) {
    const struct mem_job *j = find_job(self, id);
    if (j == NULL) return VL_ENOTFOUND;
    for (uint32_t i = 0; j->state == VIEW_JOB_DONE && i < j->tasks && i < max; i++) {
        struct view_output v = { .task = i, .name = "stdout", .hash = j->out, .size = j->out_n };
        sink(arg, &v);
    }
    return VL_OK;
}

static enum vl_err result(void *self, struct vl_job_id id, view_output_fn sink, void *arg) {
    const struct mem_job *j = find_job(self, id);
    if (j && j->state != VIEW_JOB_DONE) return VL_ESTATE;
    return outputs(self, id, UINT32_MAX, sink, arg);
}

static void tickets(void *self, const char *after_id, uint32_t max, view_ticket_fn sink, void *arg) {
    const struct mem_backend *m = self;
    for (size_t i = 0; i < m->tickets_n && max > 0; i++) {
        struct view_ticket v;
        if (after_id && strcmp(m->tickets[i].id, after_id) <= 0) continue;
        view_ticket_of(&m->tickets[i], &v);
        sink(arg, &v);
        max--;
    }
}

/* ---- commands ---- */

static enum vl_err keep_answer(struct mem_backend *m, const struct backend_answer *a) {
    if (m->answers_n == ANSWERS) return VL_ELIMIT;
    m->answers[m->answers_n++] = *a;
    return VL_OK;
}

static enum vl_err job_submit(void *self, struct vl_job_id id, vl_ms submitted_ms, const struct job_spec *spec,
                              const struct backend_answer *answer, backend_done_fn done, void *arg) {
    struct mem_backend *m = self;
    if (m->retry_s) return soon(m, VL_EOVERLOAD, done, arg);
    if (m->jobs_n == JOBS) return VL_ELIMIT;
    if (find_job(m, id)) return VL_EEXISTS;
    for (uint32_t i = 0; i < spec->n_after; i++)
        if (find_job(m, spec->after[i]) == NULL) return soon(m, VL_ENOTFOUND, done, arg);
    struct mem_job *j = &m->jobs[m->jobs_n++];
    *j = (struct mem_job){ .id = id, .submitted_ms = submitted_ms };
    j->tasks = (spec->map ? spec->n_inputs : 1) + spec->has_merge;
    memcpy(j->name, spec->name.p ? spec->name.p : (const uint8_t *)"", spec->name.n);
    vl_buf_init(&j->spec, JOB_SPEC_MAX);
    enum vl_err err = job_spec_encode(spec, &j->spec);
    if (err == VL_OK && answer) err = keep_answer(m, answer);
    return soon(m, err, done, arg);
}

static uint32_t retry_s(void *self) { return ((struct mem_backend *)self)->retry_s; }
void mem_overload(struct mem_backend *m, uint32_t retry_s_now) { m->retry_s = retry_s_now; }

static enum vl_err job_cancel(void *self, struct vl_job_id id, backend_done_fn done, void *arg) {
    struct mem_job *j = find_job(self, id);
    if (j == NULL) return VL_ENOTFOUND;
    if (j->state >= VIEW_JOB_DONE) return soon(self, VL_ESTATE, done, arg);
    j->state = VIEW_JOB_CANCELLED;
    return soon(self, VL_OK, done, arg);
}

static void keys(void *self, struct view_keys *ret) {
    (void)self;
    *ret = (struct view_keys){ .with = "nothing", .since_ms = 1, .age_ms = 2, .replaceable = true };
}
static bool succession(void *self, struct vl_node_id id, struct succession *ret) { /* 5, 6, 7 are one line */
    (void)self;
    if (id.b[0] != 6 && id.b[0] != 7) return false;
    *ret = (struct succession){ .old = { { (uint8_t)(id.b[0] - 1) } }, .next = id, .at_ms = id.b[0] };
    return true;
}
static struct vl_span revocations(void *self) { /* node 5, at 77 */
    static uint8_t list[53 + 48 + CERT_SIGNATURE];
    const struct revocation one = { .node = { { 5 } }, .serial = 3, .at_ms = 77 };
    size_t n = 0;
    (void)self;
    return revocations_encode_body((const uint8_t[32]){ 1 }, 4, 80, &one, 1, list, sizeof list, &n) ? (struct vl_span){ 0 }
                                                                                                    : vl_span(list, sizeof list);
}
static enum vl_err keys_rotate(void *self, backend_bytes_fn done, void *arg) {
    static const uint8_t next[32] = { 7 };
    (void)self;
    done(arg, VL_OK, NULL, vl_span(next, sizeof next));
    return VL_OK;
}
static enum vl_err key_revoke(void *self, struct vl_node_id id, backend_bytes_fn done, void *arg) {
    static const uint8_t at[8] = { 0, 0, 0, 0, 0, 0, 0, 9 };
    if (find_node(self, id) == NULL) return VL_ENOTFOUND;
    done(arg, VL_OK, NULL, vl_span(at, sizeof at));
    return VL_OK;
}

static enum vl_err node_expel(void *self, struct vl_node_id id, backend_done_fn done, void *arg) {
    struct mem_backend *m = self;
    struct mem_node *n = find_node(m, id);
    if (n == NULL) return VL_ENOTFOUND;
    memmove(n, n + 1, (size_t)(&m->nodes[--m->nodes_n] - n) * sizeof *n);
    return soon(m, VL_OK, done, arg);
}

static void harvest(void *self, struct view_harvest *ret) {
    (void)self;
    *ret = (struct view_harvest){ .harvested = true, .state = "paused", .rule = "idle", .says = "paused", .since_ms = 1, .rule_known = true,
                                  .rule_value = 1000, .rule_limit = 300000, .reason = "in use", .signals_n = 2, .policy_n = 1 };
    ret->signals[0] = (struct view_signal){ .name = "battery", .unit = "percent", .known = true, .value = -1 };
    ret->signals[1] = (struct view_signal){ .name = "temperature", .unit = "milli_c" };
    ret->policy[0] = (struct view_policy){ .name = "cpu", .help = "of all", .value = "50" };
}

static void contributions(void *self, const struct vl_node_id *after, vl_ms after_start, uint32_t max, view_contribution_fn sink, void *arg) {
    (void)self;
    for (uint32_t i = 0; i < 3 && max > 0; i++) { /* of the node with id zero, started in ms 1, 2, 3 */
        struct view_contribution v = { .start_ms = i + 1, .end_ms = 100, .cpu_us = 10 * i };
        if (after && v.start_ms <= after_start) continue;
        sink(arg, &v);
        max--;
    }
}

void mem_tell(struct mem_backend *m, struct vl_node_id node, enum evidence_kind kind) {
    struct crypto_sign_key key;
    uint8_t seed[32] = { 7 };
    uint64_t first, n;
    struct evidence *e = &m->evidence[m->evidence_n++];
    *e = (struct evidence){
        .node = node, .kind = kind, .weight_milli = 1000, .at_ms = EVIDENCE_AT, .job = { { 1 } }, .epoch = 2
    };
    crypto_sign_key_from_seed(seed, &key);
    vl_ignore(reputation_add(m->book, &key, e, &first, &n));
}

static void reputations(void *self, const struct vl_node_id *after, uint32_t max, view_reputation_fn sink, void *arg) {
    const struct mem_backend *m = self;
    for (size_t i = 0; i < m->nodes_n && max > 0; i++) {
        const struct mem_node *n = &m->nodes[i];
        struct reputation_score s;
        if (after && memcmp(n->id.b, after->b, 32) <= 0) continue;
        (void)reputation_get(m->book, n->id, EVIDENCE_AT, &s);
        sink(arg, &(struct view_reputation){ .id = n->id, .name = n->name, .score = &s, .base_milli = 500 });
        max--;
    }
}

static enum vl_err owner_policy(void *self, const char *const *names, const char *const *values, size_t n, struct vl_errmsg *why,
                                  backend_done_fn done, void *arg) {
    (void)values;
    if (n != 1 || strcmp(names[0], "cpu") != 0) return vl_errmsg_set(why, VL_ENOTFOUND, "there is no policy '%s'", names[0]);
    return soon(self, VL_OK, done, arg);
}

static enum vl_err owner_pause(void *self, bool pause, vl_ms duration, backend_done_fn done, void *arg) {
    if (!pause) return VL_ESTATE;
    return duration == VL_MS_NEVER || duration == 5000 ? soon(self, VL_OK, done, arg) : VL_ERANGE;
}

static enum vl_err reputation(void *self, struct vl_node_id id, uint64_t after, uint32_t max, view_reputation_fn head,
                              view_evidence_fn sink, void *arg) {
    struct mem_backend *m = self;
    const struct mem_node *n = find_node(m, id);
    struct reputation_score s;
    if (n == NULL) return VL_ENOTFOUND;
    (void)reputation_get(m->book, id, EVIDENCE_AT, &s);
    head(arg, &(struct view_reputation){
                  .id = id, .name = n->name, .score = &s, .base_milli = 500, .state = reputation_state(m->book, id) });
    for (size_t i = 0; i < m->evidence_n && max > 0; i++) {
        if (!vl_node_eq(m->evidence[i].node, id) || m->evidence[i].seq <= after) continue;
        sink(arg, &m->evidence[i]);
        max--;
    }
    return VL_OK;
}

static enum vl_err explain(void *self, struct vl_job_id id, uint32_t max, view_wait_fn wait, view_plan_fn plan, void *arg) {
    struct plan_record r = { .batch = 9, .strategy = STRATEGY_NSGA2, .class = SLA_A, .tasks = 2, .placed = 2, .n_front = 2, .taken = 1 };
    struct sched_why why = { .nodes = 3, .by = { [SCHED_NO_READY] = 1, [SCHED_TOO_LARGE] = 2 } };
    if (find_job(self, id) == NULL) return VL_ENOTFOUND;
    wait(arg, 1, &why);
    if (max > 0) plan(arg, &r, 1);
    return VL_OK;
}

/* One node of 97 %: enough for bronze. */
static enum vl_err quorum_check(void *self, const struct job_spec *spec, struct view_quorum *ret) {
    (void)self;
    if (spec->terms.class == SLA_S) return VL_EUNSUPPORTED;
    *ret = (struct view_quorum){ .possible = spec->terms.tier == TIER_BRONZE,
                                 .majority = spec->replicas > 1,
                                 .promised_ppb = 950000000,
                                 .computed_ppb = 970000000,
                                 .decided_by = "site",
                                 .domains = 1,
                                 .candidates = 1,
                                 .reason = "no",
                                 .n = 1 };
    ret->nodes[0].availability_ppb = 970000000;
    return VL_OK;
}

static void agreements(void *self, const struct vl_job_id *before, uint32_t max, view_agreement_fn sink, void *arg) {
    (void)self;
    for (uint8_t i = before ? before->b[15] - 1u : 3; i > 0 && max > 0; i--, max--)
        sink(arg, &(struct view_agreement){
                      .job = { { [15] = i } }, .tier = "gold", .open = i == 3, .breach = i == 2, .up_ms = i, .refund = 7 });
}

static enum vl_err agreement(void *self, struct vl_job_id job, view_agreement_fn sink, void *arg) {
    struct vl_job_id above = job;
    if (job.b[15] == 0 || job.b[15] > 3) return VL_ENOTFOUND;
    above.b[15]++;
    agreements(self, &above, 1, sink, arg);
    return VL_OK;
}

static void mix(void *self, struct view_mix *ret) {
    (void)self;
    *ret = (struct view_mix){ .charter = true, .epoch = 7, .epoch_ms = 1800000, .authorities = 3, .threshold = 2 };
    for (unsigned i = 0; i < VIEW_LEVELS; i++) {
        static const char *const names[] = { "public", "private", "confidential", "secret" };
        ret->levels[i].name = names[i];
        ret->levels[i].available = i < 2;
    }
}

static void relays(void *self, view_relay_fn sink, void *arg) {
    (void)self;
    sink(arg, &(struct view_relay){ .number = 3, .addr = "192.0.2.1:8888" });
}

/* A log of two leaves, made anew for each question. */
static enum vl_err log_ask(void *self, const struct backend_log_query *q, backend_log_fn done, void *arg) {
    static const uint8_t seed[32] = { 1 };
    struct crypto_sign_key key;
    struct view_log v = { .size = 2, .time_ms = 1700000000000, .leaf = vl_span_str("leaf") };
    (void)self;
    crypto_sign_key_from_seed(seed, &key);
    struct vl_hash one = merkle_leaf(vl_span_str("leaf")), two = merkle_leaf(vl_span_str("other"));
    struct merkle_checkpoint c = { .origin = "village.test/receipts", .size = 2, .root = merkle_node(&one, &two), .time_ms = v.time_ms };
    v.root = c.root;
    v.signer = crypto_sign_node_id(&key);
    enum vl_err err = merkle_checkpoint_sign(&c, &key, v.text);
    if (err) return err;
    if (q->kind == BACKEND_LOG_LEAF && q->index > 1) return VL_ENOTFOUND;
    if (q->kind == BACKEND_LOG_ANCHOR && q->index > 0 && q->index != UINT64_MAX) return VL_ENOTFOUND; /* one of the two is on a chain */
    if (q->kind == BACKEND_LOG_ANCHOR) v.artefact = vl_span_str("artefact");
    if (q->kind == BACKEND_LOG_CONSISTENCY && q->second > 2) return VL_ENOTFOUND;
    v.index = q->index;
    v.proof_n = q->kind == BACKEND_LOG_HEAD ? 0 : 1;
    v.proof[0] = two;
    done(arg, VL_OK, NULL, &v);
    return VL_OK;
}

static void neighbours(void *self, struct brain_topology *ret, struct vl_node_id *ret_self) {
    (void)self;
    *ret = (struct brain_topology){ .known = true, .epoch = 7, .epoch_ms = 1000, .members = 2, .weight = 3, .n = { 1, 0 }, .counters = { .asked = 5 } };
    ret->neighbour[0][0].b[0] = 9;
    *ret_self = (struct vl_node_id){ { 8 } };
}

static bool service(void *self, struct vl_node_id id, struct sla_counters *ret, struct vl_span *ret_cert) {
    struct mem_backend *m = self;
    *ret_cert = vl_span_str("cert");
    *ret = (struct sla_counters){ .answered = 9, .asked = 10, .epochs = 3 };
    return vl_node_eq(id, m->nodes[0].id);
}

/* There is one blob: the one of ones. */
static enum vl_err keep(void *self, struct vl_hash blob, backend_done_fn done, void *arg) {
    (void)self;
    if (blob.b[0] == 2) return VL_ERANGE;
    done(arg, blob.b[0] == 1 ? VL_OK : VL_ENOTFOUND, NULL);
    return VL_OK;
}

/* The bytes 1 2 3 as an execution of task 0 of any job that begins with a zero. */
static enum vl_err prove(void *self, const struct backend_proof_query *q, backend_proof_fn done, void *arg) {
    static const uint8_t bytes[] = { 1, 2, 3 };
    struct view_proof v = { .label = "VILLAGE EXECUTION PROOF", .bytes = vl_span(bytes, sizeof bytes), .witnesses = 2 };
    (void)self;
    if (q->kind != BACKEND_PROOF_EXECUTION) return VL_EUNSUPPORTED;
    if (q->job.b[0] != 0 || q->task != 0) return VL_ENOTFOUND;
    done(arg, VL_OK, NULL, &v);
    return VL_OK;
}

static void anchor(void *self, struct view_anchor *ret) {
    (void)self;
    *ret = (struct view_anchor){ .on = true, .state = "sent", .problem = "the chain cannot be reached", .server = "https://rpc.example.org",
                                 .contract = "0x00000000000000000000000000000000000000aa", .account = "0x00000000000000000000000000000000000000bb",
                                 .chain = 5, .log_size = 9, .confirmations = 12, .every_ms = 3600000, .size = 7, .block = 70, .pending_size = 9, .nonce = 3,
                                 .fee = 1000000007, .tries = 2, .reorgs = 1, .anchored = 4, .sent = 6, .failures = 2 };
}

static enum vl_err receipts(void *self, struct vl_job_id id, uint64_t after_run, uint32_t max, view_receipt_fn sink, void *arg) {
    (void)self, (void)max;
    if (id.b[0] != 0) return VL_ENOTFOUND;
    if (after_run == 0) sink(arg, 1, 0, 1, 0);
    return VL_OK;
}

/* A real market, with nobody who bids. */
static const struct market *market(void *self, struct view_sums *ret) {
    struct mem_backend *m = self;
    if (m->market == NULL) m->market = market_create(1);
    *ret = (struct view_sums){ .held = 5, .now = 5 };
    return m->market;
}

static const struct price_series *prices(void *self, enum sla_tier tier) {
    static struct price_series s[SLA_TIERS];
    (void)self;
    if (tier == TIER_GOLD && s[tier].n == 0)
        for (uint64_t h = 1; h <= 5; h++) price_add(&s[tier], h * PRICE_HOUR_MS, 1000000000, 4000000);
    return &s[tier];
}

static enum vl_err quote(void *self, enum sla_tier tier, uint64_t work, uint64_t slot_ms, struct price_quote *ret) {
    (void)self;
    if (work > 1ull << 49) return VL_ERANGE;
    *ret = (struct price_quote){ .tier = tier, .nh = work ? work : slot_ms, .hour_price = price_tier(4000000, tier) };
    ret->price = price_of_work(ret->hour_price, ret->nh);
    return VL_OK;
}

static void rates(void *self, view_rate_fn sink, void *arg) {
    struct mem_backend *m = self;
    for (size_t i = 0; i < m->nodes_n; i++)
        sink(arg, &(struct view_rate){ .id = m->nodes[i].id, .name = m->nodes[i].name, .verdict = "unknown", .due_ms = VL_MS_NEVER });
}

static enum vl_err measure(void *self, const struct vl_node_id *node, backend_done_fn done, void *arg) {
    return node && find_node(self, *node) == NULL ? VL_ENOTFOUND : soon(self, VL_OK, done, arg);
}

static enum vl_err market_event(struct mem_backend *m, const struct market_event *ev) {
    struct market_effects fx = { 0 };
    struct view_sums sums;
    market(m, &sums);
    enum vl_err err = market_step(m->market, ev, &fx);
    market_effects_free(&fx);
    return err;
}

static enum vl_err auction_open(void *self, const struct market_order *order, struct vl_job_id id,
                                const struct job_spec *spec, backend_auction_fn done, void *arg) {
    struct market_event ev = { .kind = MARKET_EV_OPEN, .now = 1000, .auction = { { 0xab } }, .order = *order };
    struct vl_errmsg why = { "" };
    ev.order.has_job = spec != NULL;
    ev.order.job = id;
    ev.order.period = 1;
    if (spec && spec->program.b[0] == 0xff) return VL_ENOTFOUND;
    enum vl_err err = market_order_check(&ev.order, &why);
    done(arg, err ? err : market_event(self, &ev), why.text, ev.auction);
    return VL_OK;
}

static enum vl_err auction_cancel(void *self, struct vl_hash auction, backend_done_fn done, void *arg) {
    enum vl_err err = market_event(self, &(struct market_event){ .kind = MARKET_EV_CANCEL, .now = 2000, .auction = auction });
    return err ? err : soon(self, VL_OK, done, arg);
}

static enum vl_err mix_ping(void *self, struct vl_node_id to, const char *level, backend_ping_fn done, void *arg) {
    (void)self;
    (void)to;
    if (strcmp(level, "secret") == 0) return VL_EUNSUPPORTED;
    done(arg, VL_OK, NULL, 321);
    return VL_OK;
}

static enum vl_err mix_charter(void *self, const struct backend_charter *c, backend_done_fn done, void *arg) {
    (void)self;
    if (c->threshold > c->n) return VL_ERANGE;
    done(arg, VL_OK, NULL);
    return VL_OK;
}

static enum vl_err node_attest(void *self, struct vl_node_id id, backend_done_fn done, void *arg) {
    return find_node(self, id) ? soon(self, VL_OK, done, arg) : VL_ENOTFOUND;
}

static enum vl_err node_attestation(void *self, struct vl_node_id id, view_attestation_fn sink, void *arg) {
    struct view_attestation v = { .result = "-----BEGIN\n", .result_n = 11, .evidence = { "one" }, .evidence_n = { 3 }, .n = 1, .policy = "{}", .policy_n = 2, .id = { { 0xab } } };
    if (find_node(self, id) == NULL) return VL_ENOTFOUND;
    sink(arg, &v);
    return VL_OK;
}

static const struct view_tee_context mem_context = { .id = 7,
                                                     .provider = "tpm",
                                                     .kind = "tpm",
                                                     .measured = true,
                                                     .has_program = true,
                                                     .program = { 0xcd },
                                                     .created_ms = 1000,
                                                     .attested_ms = 1001,
                                                     .create_us = 4200,
                                                     .attested = 1 };

static enum vl_err tee_create(void *self, const struct backend_tee_wish *wish, backend_tee_made_fn done, void *arg) {
    (void)self;
    struct view_tee_made v = { .context = mem_context, .evidence = "-----BEGIN\n", .evidence_n = 11, .took_us = 5000, .level = 700, .accepted = true, .reason = "accepted" };
    if (wish->provider && strcmp(wish->provider, "tpm") != 0)
        done(arg, VL_EUNSUPPORTED, "this machine has no such provider", NULL);
    else
        done(arg, VL_OK, NULL, &v);
    return VL_OK;
}

static enum vl_err tee_close(void *self, uint64_t id, backend_done_fn done, void *arg) {
    return id == 7 ? soon(self, VL_OK, done, arg) : VL_ENOTFOUND;
}

static enum vl_err tee_status(void *self, backend_tee_fn done, void *arg) {
    struct view_tee v = { .providers_n = 1, .contexts_n = 1, .context = { mem_context }, .known = true, .level = 650, .found = 700,
                          .admit = 700, .quarantined = true, .barred = { "S" }, .when_ms = 1002, .until_ms = 9000, .number = 3, .why = "tpm: accepted" };
    (void)self;
    v.provider[0].name = v.provider[0].kind = "tpm";
    v.provider[0].what = "TPM 2.0";
    v.provider[0].why = "made by a test";
    v.provider[0].present = true;
    done(arg, VL_OK, NULL, &v);
    return VL_OK;
}

static enum vl_err node_maintenance(void *self, struct vl_node_id id, bool on, backend_done_fn done, void *arg) {
    struct mem_node *n = find_node(self, id);
    if (n == NULL) return VL_ENOTFOUND;
    n->state = on ? VIEW_NODE_MAINTENANCE : VIEW_NODE_ACTIVE;
    return soon(self, VL_OK, done, arg);
}

static enum vl_err ticket_create(void *self, uint32_t uses, uint64_t ttl_s, backend_ticket_fn done, void *arg) {
    struct mem_backend *m = self;
    if (m->tickets_n == TICKETS) return VL_ELIMIT;
    struct mem_ticket *t = &m->tickets[m->tickets_n++];
    *t = (struct mem_ticket){ .uses = uses, .created_ms = 1000, .expires_ms = 1000 + ttl_s * 1000 };
    snprintf(t->id, sizeof t->id, "t%04zu", m->tickets_n);
    return later(m, (struct later){ .ticket = done, .arg = arg, .t = t });
}

static enum vl_err ticket_revoke(void *self, const char *id, backend_done_fn done, void *arg) {
    struct mem_backend *m = self;
    for (size_t i = 0; i < m->tickets_n; i++)
        if (strcmp(m->tickets[i].id, id) == 0) {
            m->tickets[i].revoked = true;
            return soon(m, VL_OK, done, arg);
        }
    return VL_ENOTFOUND;
}

static enum vl_err answer_get(void *self, struct vl_hash key, vl_ms now, struct backend_answer *ret) {
    const struct mem_backend *m = self;
    for (size_t i = 0; i < m->answers_n; i++)
        if (vl_hash_eq(m->answers[i].key, key) && now < m->answers[i].expires_ms) {
            *ret = m->answers[i];
            return VL_OK;
        }
    return VL_ENOTFOUND;
}

static enum vl_err answer_put(void *self, const struct backend_answer *answer, backend_done_fn done, void *arg) {
    return soon(self, keep_answer(self, answer), done, arg);
}

/* ---- blobs ---- */

static struct mem_blob *find_blob(struct mem_backend *m, struct vl_hash hash) {
    for (size_t i = 0; i < m->blobs_n; i++)
        if (vl_hash_eq(m->blobs[i].hash, hash)) return &m->blobs[i];
    return NULL;
}

static enum vl_err blob_stat(void *self, struct vl_hash hash, uint64_t *ret_size) {
    const struct mem_blob *b = find_blob(self, hash);
    if (b == NULL) return VL_ENOTFOUND;
    *ret_size = b->n;
    return VL_OK;
}

static enum vl_err blob_open(void *self, struct vl_hash hash, void **ret_reader, uint64_t *ret_size) {
    struct mem_blob *b = find_blob(self, hash);
    if (b == NULL) return VL_ENOTFOUND;
    *ret_reader = b;
    *ret_size = b->n;
    return VL_OK;
}

static enum vl_err blob_read(void *self, void *reader, uint64_t offset, void *dst, size_t n) {
    const struct mem_blob *b = reader;
    (void)self;
    if (offset > b->n || n > b->n - offset) return VL_EIO;
    memcpy(dst, b->p + offset, n);
    return VL_OK;
}

static void blob_close(void *self, void *reader) {
    (void)self;
    (void)reader;
}

static enum vl_err blob_begin(void *self, struct vl_hash hash, uint64_t size, void **ret_upload) {
    struct mem_backend *m = self;
    if (find_blob(m, hash)) return VL_EEXISTS;
    if (m->blobs_n == BLOBS || size > 64u << 20) return VL_ENOSPC;
    struct mem_upload *u = malloc(sizeof *u);
    *u = (struct mem_upload){ .hash = hash, .size = size, .p = malloc(size ? size : 1) };
    m->uploads++;
    *ret_upload = u;
    return VL_OK;
}

static enum vl_err blob_write(void *self, void *upload, const void *p, size_t n) {
    struct mem_upload *u = upload;
    (void)self;
    if (n > u->size - u->got) return VL_ERANGE;
    memcpy(u->p + u->got, p, n);
    u->got += n;
    return VL_OK;
}

static void blob_abort(void *self, void *upload) {
    struct mem_upload *u = upload;
    ((struct mem_backend *)self)->uploads--;
    free(u->p);
    free(u);
}

static enum vl_err blob_commit(void *self, void *upload, backend_done_fn done, void *arg) {
    struct mem_backend *m = self;
    struct mem_upload *u = upload;
    struct vl_hash h;
    crypto_blake2b256(vl_span(u->p, (size_t)u->got), &h);
    enum vl_err err = u->got != u->size ? VL_ERANGE : vl_hash_eq(h, u->hash) ? VL_OK : VL_ECRYPTO;
    if (err == VL_OK) {
        m->blobs[m->blobs_n++] = (struct mem_blob){ .hash = h, .p = u->p, .n = u->got };
        u->p = NULL;
    }
    blob_abort(m, u);
    return soon(m, err, done, arg);
}

void mem_finish_job(struct mem_backend *m, struct vl_job_id id, const char *text) {
    struct mem_job *j = find_job(m, id);
    crypto_blake2b256(vl_span_str(text), &j->out);
    j->out_n = strlen(text);
    if (find_blob(m, j->out) == NULL) {
        struct mem_blob *b = &m->blobs[m->blobs_n++];
        *b = (struct mem_blob){ .hash = j->out, .p = malloc(j->out_n + 1), .n = j->out_n };
        memcpy(b->p, text, j->out_n);
    }
    j->state = VIEW_JOB_DONE;
    j->ended_ms = j->submitted_ms + 5;
}

struct backend mem_as_backend(struct mem_backend *m) {
    static const struct backend_ops ops = {
        .healthy = healthy,
        .info = info,
        .metrics = metrics,
        .nodes = nodes,
        .node = node,
        .topology = topology,
        .jobs = jobs,
        .job = job,
        .tasks = tasks,
        .events = events,
        .outputs = outputs,
        .result = result,
        .tickets = tickets,
        .job_submit = job_submit,
        .retry_s = retry_s,
        .job_cancel = job_cancel,
        .keys = keys,
        .succession = succession,
        .revocations = revocations,
        .keys_rotate = keys_rotate,
        .key_revoke = key_revoke,
        .node_expel = node_expel,
        .node_maintenance = node_maintenance,
        .harvest = harvest,
        .contributions = contributions,
        .harvest_policy = owner_policy,
        .harvest_pause = owner_pause,
        .reputations = reputations,
        .reputation = reputation,
        .explain = explain,
        .quorum_check = quorum_check,
        .agreements = agreements,
        .agreement = agreement,
        .mix = mix,
        .relays = relays,
        .anchor = anchor,
        .log = log_ask,
        .prove = prove,
        .neighbours = neighbours,
        .keep = keep,
        .service = service,
        .receipts = receipts,
        .mix_ping = mix_ping,
        .node_attest = node_attest,
        .node_attestation = node_attestation,
        .tee_create = tee_create,
        .tee_close = tee_close,
        .tee_status = tee_status,
        .market = market,
        .prices = prices,
        .quote = quote,
        .rates = rates,
        .measure = measure,
        .auction_open = auction_open,
        .auction_cancel = auction_cancel,
        .mix_charter = mix_charter,
        .ticket_create = ticket_create,
        .ticket_revoke = ticket_revoke,
        .answer_get = answer_get,
        .answer_put = answer_put,
        .blob_stat = blob_stat,
        .blob_open = blob_open,
        .blob_read = blob_read,
        .blob_close = blob_close,
        .blob_begin = blob_begin,
        .blob_write = blob_write,
        .blob_commit = blob_commit,
        .blob_abort = blob_abort,
    };
    return (struct backend){ .ops = &ops, .self = m };
}
