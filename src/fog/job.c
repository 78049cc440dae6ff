#include "fog/job.h"

#include "fog/job_priv.h"
#include "fog/receipt.h"
#include "fog/verify.h"

#include <assert.h>
#include <stdlib.h>

void job_config_defaults(struct job_config *ret) {
    *ret = (struct job_config){ .max_jobs = VL_JOBS_MAX,
                                .max_tasks = 2000000,
                                .lease_ms = JOB_LEASE_MS,
                                .accept_ms = JOB_ACCEPT_MS,
                                .overtime_ms = JOB_OVERTIME_MS };
}

struct job_book *job_book_create(const struct job_config *config) {
    assert(config->max_jobs > 0 && config->max_jobs <= VL_JOBS_MAX && config->max_tasks > 0);
    assert(config->lease_ms > 0 && config->accept_ms > 0 && config->overtime_ms > 0);
    struct job_book *b = calloc(1, sizeof *b);
    if (b == NULL) return NULL;
    b->config = *config;
    vl_map_init(&b->jobs, sizeof(struct vl_job_id), config->max_jobs, config->seed);
    vl_map_init(&b->nodes, sizeof(struct vl_node_id), 2 * VL_NODES_MAX, config->seed);
    struct order *trees[] = { &b->by_seq, &b->ready, &b->ended, &b->task_timers, &b->job_timers, &b->release };
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) trees[i]->seed = config->seed + i;
    b->next_seq = 1;
    return b;
}

void job_book_destroy(struct job_book *b) {
    if (b == NULL) return;
    size_t it = 0;
    for (struct job *j; (j = vl_map_next(&b->jobs, &it, NULL)) != NULL;) job_free(b, j);
    vl_map_free(&b->jobs);
    vl_map_free(&b->nodes);
    free(b);
}

static enum vl_err step_submit(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    const struct job_spec *spec = ev->spec;
    if (book_find(b, ev->job) != NULL) return VL_EEXISTS;
    enum vl_err err = job_spec_check(spec, NULL);
    if (err) return err;
    if (b->jobs.len >= b->config.max_jobs || job_task_total(spec) > b->config.max_tasks - b->n_tasks) return VL_ELIMIT;
    const struct job *broken = NULL;
    for (uint32_t i = 0; i < spec->n_after; i++) {
        const struct job *other = book_find(b, spec->after[i]);
        if (other == NULL) return VL_ENOTFOUND;
        if (job_state_final((enum job_state)other->state) && other->state != JOB_DONE) broken = other;
    }
    struct vl_buf buf;
    vl_buf_init(&buf, JOB_SPEC_MAX);
    struct job *j = NULL;
    err = job_spec_encode(spec, &buf);
    if (err == VL_OK) err = job_new(spec, vl_span(buf.p, buf.len), &j);
    vl_buf_free(&buf);
    if (err) return err;
    j->id = ev->job;
    j->seq = b->next_seq;
    j->submitted_ms = ev->now;
    j->expires_ms = vl_ms_add(ev->now, spec->ttl_ms ? spec->ttl_ms : JOB_TTL_DEFAULT_MS);
    err = fx_reserve(fx, fx_of_job(j));
    if (err == VL_OK) err = job_enter(b, j, spec);
    if (err) {
        job_free(b, j);
        return err;
    }
    b->next_seq++;
    fx_history(fx, j, UINT32_MAX, JOB_H_SUBMITTED, "%u task%s", j->n_tasks, j->n_tasks == 1 ? "" : "s");
    job_set_state(b, j, JOB_PRICED);
    fx_history(fx, j, UINT32_MAX, JOB_H_PRICED, "no price yet");
    fx_job(b, fx, j);
    if (broken != NULL && !broken->release) {
        job_end(b, j, JOB_FAILED, ev->now, VL_ESTATE, "a job it waits for has ended without success", fx);
        return VL_OK;
    }
    for (uint32_t i = 0; i < j->n_tasks; i++) task_settle(b, &j->tasks[i], ev->now, fx);
    job_settle(b, j, ev->now, fx);
    return VL_OK;
}

/* The oldest copy that is over, when one must be forgotten to remember another. */
static struct copy *forgettable(const struct task *t) {
    struct copy *c = t->copies;
    while (c != NULL && c->state != COPY_FAILED && c->state != COPY_GONE && c->state != COPY_AWAY) c = c->next;
    return c;
}
_Static_assert(JOB_COPIES_MAX > JOB_REPLICAS_MAX + JOB_EXTRA_VOTES + 1, "replicas, extra votes and a duplicate");

/* A new copy on node n fences off one that was lost: the one on n itself, as n must never hold two, else the oldest.  A
 * duplicate beside a full set of live copies replaces nothing elsewhere. */
static void fence(struct job_book *b, struct task *t, const struct node_load *n, struct job_effects *fx) {
    struct copy *oldest = NULL, *here = NULL;
    for (struct copy *c = t->copies; c != NULL; c = c->next) {
        if (c->state != COPY_AWAY) continue;
        if (oldest == NULL) oldest = c;
        if (c->node == n) here = c;
    }
    if (here == NULL && (uint32_t)t->live + t->votes < t->target) here = oldest;
    if (here == NULL) return;
    fx_verdict(fx, here, VERDICT_LOST);
    copy_set(b, here, COPY_GONE);
}

static bool has_referee(const struct task *t) {
    for (const struct copy *c = t->copies; c != NULL; c = c->next)
        if (c->referee && (copy_live(c) || c->state == COPY_VOTE)) return true;
    return false;
}

static enum vl_err step_placed(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    struct job *j = book_find(b, ev->job);
    if (j == NULL) return VL_ENOTFOUND;
    struct task *t = job_task(j, ev->task);
    if (t == NULL) return VL_ERANGE;
    if (!t->queued) return VL_ESTATE;
    for (const struct copy *c = t->copies; c != NULL; c = c->next)
        if ((copy_live(c) || c->state == COPY_VOTE) && vl_node_eq(c->node->id, ev->node)) return VL_ESTATE;
    if (t->n_copies >= JOB_COPIES_MAX && forgettable(t) == NULL) return VL_ELIMIT;
    enum vl_err err = fx_reserve(fx, fx_of_job(j));
    if (err) return err;
    struct copy *c = calloc(1, sizeof *c);
    struct node_load *n = NULL;
    err = c ? node_get(b, ev->node, &n) : VL_ENOMEM;
    if (err) {
        free(c);
        return err;
    }
    n->refs++;
    if (t->n_copies >= JOB_COPIES_MAX) {
        struct copy *old = forgettable(t);
        if (old->state == COPY_AWAY) fx_verdict(fx, old, VERDICT_LOST);
        copy_free(b, old);
    }
    fence(b, t, n, fx);
    c->node = n;
    c->task = t;
    c->epoch = ++t->epoch;
    c->batch = ev->batch;
    c->placed_ms = c->touched_ms = ev->now;
    c->deadline_ms = vl_ms_add(ev->now, b->config.accept_ms + (j->privacy ? JOB_PRIVATE_MS : 0));
    c->referee = t->referee && !has_referee(t);
    c->due = t->target > (j->standby ? j->replicas : 1) && !c->referee; /* a referee's word is not compared, so nobody's can be copied into it */
    c->state = COPY_PLACED;
    struct copy **end = &t->copies;
    while (*end != NULL) end = &(*end)->next;
    *end = c;
    t->n_copies++;
    copy_link(b, c);
    j->placed = true;
    fx_assign(fx, c);
    fx_history_of(fx, c, JOB_H_PLACED, (struct vl_span){ 0 });
    task_settle(b, t, ev->now, fx);
    job_settle(b, j, ev->now, fx);
    return VL_OK;
}

/* The copy that a message from a node is about.  AWAY ones only when `away`. */
static enum vl_err find_copy(struct job_book *b, const struct job_event *ev, struct vl_job_id job, uint32_t task,
                             uint64_t epoch, bool away, struct copy **ret) {
    struct job *j = book_find(b, job);
    if (j == NULL) return VL_ENOTFOUND;
    struct task *t = job_task(j, task);
    if (t == NULL) return VL_ERANGE;
    struct copy *c = task_copy(t, epoch);
    if (c != NULL && !vl_node_eq(c->node->id, ev->node)) {
        b->denied++;
        return VL_EDENIED;
    }
    if (c == NULL || !(copy_live(c) || (away && c->state == COPY_AWAY))) {
        b->stale++;
        return VL_ESTALE;
    }
    *ret = c;
    return VL_OK;
}

static enum vl_err step_status(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    struct copy *c;
    enum vl_err err = find_copy(b, ev, ev->job, ev->task, ev->epoch, false, &c);
    if (err) return err;
    enum copy_state to = ev->kind == JOB_EV_STARTED ? COPY_STARTED : COPY_ACCEPTED;
    if (c->state >= to) {
        fx->changed = false; /* said before, or overtaken */
        return VL_OK;
    }
    struct task *t = c->task;
    err = fx_reserve(fx, fx_of_job(t->job));
    if (err) return err;
    copy_set(b, c, to);
    c->touched_ms = ev->now;
    c->deadline_ms = copy_deadline(b, c, ev->now);
    if (to == COPY_STARTED) {
        c->started_ms = ev->now;
        if (t->job->started_ms == 0) t->job->started_ms = ev->now;
        fx_history_of(fx, c, JOB_H_STARTED, (struct vl_span){ 0 });
    }
    task_settle(b, t, ev->now, fx);
    job_settle(b, t->job, ev->now, fx);
    return VL_OK;
}

static enum vl_err step_frozen(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    struct copy *c;
    enum vl_err err = find_copy(b, ev, ev->job, ev->task, ev->epoch, false, &c);
    if (err) return err;
    vl_ms begun = c->started_ms ? c->started_ms : c->placed_ms;
    vl_ms latest = vl_ms_add(begun, c->task->job->timeout_ms + b->config.overtime_ms + JOB_FROZEN_MAX_MS);
    vl_ms at = vl_ms_min(vl_ms_add(c->deadline_ms, JOB_FROZEN_MS), latest);
    if (c->state < COPY_ACCEPTED || c->committed || at <= c->deadline_ms) { /* who has a result does not need time to work */
        fx->changed = false;
        return VL_OK;
    }
    c->touched_ms = ev->now;
    c->deadline_ms = at;
    task_timer(b, c->task);
    return VL_OK;
}

/* Owned encoding of the report without inline bytes: those are blobs of the store by now. */
static enum vl_err keep_report(const struct task_report *r, uint8_t **ret, uint32_t *ret_len) {
    struct task_report bare = *r;
    for (uint32_t i = 0; i < bare.n_outputs && i < VL_TASK_OUTPUTS_MAX; i++)
        bare.outputs[i].inline_bytes = vl_span(NULL, 0);
    bare.has_salt = false;
    struct vl_buf buf;
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    enum vl_err err = task_report_encode(&bare, &buf);
    uint8_t *p = err == VL_OK ? malloc(buf.len) : NULL;
    if (err == VL_OK && p == NULL) err = VL_ENOMEM;
    if (err == VL_OK) {
        memcpy(p, buf.p, buf.len);
        *ret = p;
        *ret_len = (uint32_t)buf.len;
    }
    vl_buf_free(&buf);
    return err;
}

static enum vl_err step_commit(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    struct copy *c;
    enum vl_err err = find_copy(b, ev, ev->job, ev->task, ev->epoch, true, &c);
    if (err) return err;
    if (!c->due) return VL_ESTATE;
    if (c->committed) {
        fx->changed = false; /* delivered twice; another hash would be another result */
        return vl_hash_eq(c->commitment, ev->commitment) ? VL_OK : VL_ESTATE;
    }
    struct job *j = c->task->job;
    err = fx_reserve(fx, fx_of_job(j));
    if (err) return err;
    copy_unlink(b, c); /* counted differently from now on */
    c->committed = true;
    c->commitment = ev->commitment;
    copy_link(b, c);
    c->touched_ms = ev->now;
    if (j->started_ms == 0) j->started_ms = ev->now;
    if (copy_live(c)) {
        if (c->started_ms == 0) c->started_ms = c->placed_ms; /* a short run's STARTED may have been lost */
        copy_set(b, c, COPY_STARTED);
        c->deadline_ms = copy_deadline(b, c, ev->now);
    }
    task_settle(b, c->task, ev->now, fx);
    job_settle(b, j, ev->now, fx);
    return VL_OK;
}

/* NULL, or why a result of this copy is not taken. */
static const char *refusal(const struct copy *c, const struct task_report *r) {
    if (!c->due) return NULL;
    if (!c->committed) return "a result without the commitment that was due";
    if (!c->asked) return "a result before it was asked for";
    struct vl_hash root = receipt_output_root(r->outputs, r->n_outputs),
                   opened = verify_commitment(&root, r->salt, c->node->id, r->job, r->task, r->epoch);
    return r->has_salt && vl_hash_eq(opened, c->commitment) ? NULL : "the result is not what it committed to";
}

bool job_book_votes(const struct job_book *b, struct vl_node_id node, const struct task_report *r, struct job_votes *ret) {
    const struct job *j = book_find(b, r->job);
    const struct task *t = j ? job_task(j, r->task) : NULL;
    const struct copy *mine = t ? task_copy(t, r->epoch) : NULL;
    if (r->outcome != TASK_DONE || mine == NULL || !vl_node_eq(mine->node->id, node)) return false;
    if (!(copy_live(mine) || mine->state == COPY_AWAY) || refusal(mine, r) != NULL) return false;
    *ret = (struct job_votes){ .replicas = j->counted && !j->standby ? j->replicas : 0,
                               .referee = t->referee,
                               .deterministic = j->deterministic,
                               .class = (enum sla_class)j->class,
                               .tier = j->terms ? j->terms->tier : TIER_NONE };
    for (const struct copy *c = t->copies; c != NULL; c = c->next) {
        if (c == mine) continue;
        ret->coming += copy_live(c);
        if (c->state == COPY_VOTE) ret->v[ret->n++] = (struct job_vote){ c->node->id, c->epoch, c->root };
    }
    ret->v[ret->n++] = (struct job_vote){ node, r->epoch, receipt_output_root(r->outputs, r->n_outputs) };
    uint32_t most = j->replicas + JOB_EXTRA_VOTES, have = ret->n + ret->coming;
    ret->room = most > have ? most - have : 0;
    return true;
}

static bool ruling_names_a_result(const struct task *t, const struct copy *c, const struct job_ruling *r) {
    if (r->rule != JOB_RULE_ACCEPT && !(r->rule == JOB_RULE_MORE && r->until != 0)) return true;
    const struct copy *w = task_copy(t, r->winner);
    return w == c || (w != NULL && w->state == COPY_VOTE);
}

static void take_result(struct job_book *b, struct copy *c, const struct job_event *ev, struct job_effects *fx) {
    struct task *t = c->task;
    const struct job_ruling *r = &ev->ruling;
    uint32_t most = t->job->replicas + JOB_EXTRA_VOTES;
    c->root = receipt_output_root(ev->report->outputs, ev->report->n_outputs);
    copy_set(b, c, COPY_VOTE);
    t->judge = true;
    t->rule = (uint8_t)r->rule;
    t->winner = r->winner;
    t->until = r->rule == JOB_RULE_MORE ? r->until : 0;
    if (r->rule == JOB_RULE_MORE && t->target < r->want) {
        t->target = (uint8_t)(r->want < most ? r->want : most);
        fx_history(fx, t->job, task_index(t), JOB_H_AUDITED, "%u results are wanted, %u are here", t->target, t->votes);
    } else if (r->rule == JOB_RULE_REFEREE && !t->referee) {
        t->referee = true;
        if (t->target < t->votes + t->live + 1) t->target = (uint8_t)(t->votes + t->live + 1);
        fx_history(fx, t->job, task_index(t), JOB_H_REFEREE, "%u results disagree: one more run decides", t->votes);
    }
    task_settle(b, t, ev->now, fx);
}

static enum vl_err step_report(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    const struct task_report *r = ev->report;
    struct copy *c;
    enum vl_err err = find_copy(b, ev, r->job, r->task, r->epoch, true, &c);
    if (err) return err;
    struct task *t = c->task;
    struct job *j = t->job;
    uint8_t *kept = NULL;
    uint32_t kept_len = 0;
    const char *why_not = r->outcome == TASK_DONE ? refusal(c, r) : NULL;
    if (r->outcome == TASK_DONE && !why_not && !ruling_names_a_result(t, c, &ev->ruling)) return VL_ESTATE;
    err = fx_reserve(fx, fx_of_job(j));
    if (err == VL_OK) err = keep_report(r, &kept, &kept_len);
    if (err) return err;
    if (j->started_ms == 0) j->started_ms = ev->now;
    if (why_not != NULL) {
        free(kept);
        task_cheated(b, t, c, VERDICT_WRONG, why_not, ev->now, fx);
    } else if (r->outcome == TASK_DONE) {
        c->report = kept;
        c->report_len = kept_len;
        take_result(b, c, ev, fx);
    } else if (r->outcome == TASK_FAILED) {
        fx_verdict(fx, c, VERDICT_FAILED);
        copy_set(b, c, COPY_FAILED);
        free(t->report);
        t->report = kept;
        t->report_len = kept_len;
        const char *why = vl_err_text((enum vl_err)r->error);
        task_failed(b, c, ev->now, r->error, r->detail.n ? r->detail : vl_span_str(why), fx);
    } else {
        free(kept);
        fx_verdict(fx, c, r->outcome == TASK_REFUSED ? VERDICT_HANDED_BACK : VERDICT_LOST);
        copy_set(b, c, COPY_GONE);
        t->error = r->error;
        fx_history_of(fx, c, r->outcome == TASK_REFUSED ? JOB_H_TASK_REFUSED : JOB_H_NODE_LOST, r->detail);
        if (r->outcome == TASK_REFUSED && r->error == TASK_HANDED_BACK)
            task_handed_back(b, t, ev->now, fx);
        else if (r->outcome == TASK_REFUSED)
            task_refused(b, t, ev->now, fx);
        else
            task_lost(b, t, ev->now, fx);
    }
    job_settle(b, j, ev->now, fx);
    return VL_OK;
}

/* Next copy of the node above `at`; the key survives whatever happens to the copy itself. */
static struct copy *copy_above(const struct node_load *n, const uint64_t at[2]) {
    return (struct copy *)(void *)order_above(&n->copies, at[0], at[1]);
}
_Static_assert(offsetof(struct copy, on_node) == 0, "copy_above casts");

/* Effects that a change of every copy on the node can cause: copies of one job are neighbours in its tree. */
static size_t fx_of_node(const struct node_load *n) {
    size_t sum = 0;
    uint64_t at[2] = { 0, 0 }, job = 0;
    for (const struct copy *c; (c = copy_above(n, at)) != NULL; memcpy(at, c->on_node.key, sizeof at)) {
        if (c->on_node.key[0] != job) sum += fx_of_job(c->task->job);
        job = c->on_node.key[0];
        sum += 8;
    }
    return sum;
}

static enum vl_err step_node_lost(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    struct node_load *n = node_find(b, ev->node);
    fx->changed = false;
    if (n == NULL) return VL_OK;
    enum vl_err err = fx_reserve(fx, fx_of_node(n));
    if (err) return err;
    n->refs++; /* stays while copies of it go */
    uint64_t at[2] = { 0, 0 };
    for (struct copy *c; (c = copy_above(n, at)) != NULL;) {
        memcpy(at, c->on_node.key, sizeof at);
        if (!copy_live(c)) continue;
        struct task *t = c->task;
        struct job *j = t->job;
        fx->changed = true;
        copy_set(b, c, COPY_AWAY);
        fx_history_of(fx, c, JOB_H_NODE_LOST, (struct vl_span){ 0 });
        task_lost(b, t, ev->now, fx);
        const struct copy *next = copy_above(n, at);
        if (next == NULL || next->task->job != j) job_settle(b, j, ev->now, fx);
    }
    n->refs--;
    node_put(b, n);
    return VL_OK;
}

static bool listed(const struct task_ref *running, uint32_t n, const struct copy *c) {
    struct task_ref want = { .job = c->task->job->id, .task = task_index(c->task), .epoch = c->epoch };
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int d = task_ref_compare(&running[mid], &want);
        if (d == 0) return true;
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

/* What a running list says about one copy of the node. */
enum verdict { KEEP, REVIVE, ACCEPT, LOSE, DROP };
static enum verdict verdict_of(const struct copy *c, vl_ms now, bool restarted, const struct task_ref *running,
                               uint32_t n) {
    bool there = listed(running, n, c);
    const struct task *t = c->task;
    if (c->state == COPY_AWAY)
        return there && (uint32_t)t->live + t->votes < t->target ? REVIVE : DROP; /* a duplicate took over */
    if (c->state == COPY_PLACED) return there ? ACCEPT : KEEP; /* not there: still on its way, accept_ms bounds that */
    if (there || (!restarted && now < vl_ms_add(c->touched_ms, JOB_RUNNING_GRACE_MS))) return KEEP;
    return LOSE;
}

static bool known_run(const struct job_book *b, struct vl_node_id node, const struct task_ref *ref) {
    const struct job *j = book_find(b, ref->job);
    const struct task *t = j ? job_task(j, ref->task) : NULL;
    const struct copy *c = t ? task_copy(t, ref->epoch) : NULL;
    return c != NULL && vl_node_eq(c->node->id, node) && (copy_live(c) || c->state == COPY_AWAY);
}

static void apply_verdict(struct job_book *b, struct copy *c, enum verdict v, bool restarted, vl_ms now, struct job_effects *fx) {
    struct task *t = c->task;
    switch (v) {
    case KEEP:
        return;
    case REVIVE:
        fx_history_of(fx, c, JOB_H_RECONNECTED, (struct vl_span){ 0 });
        copy_set(b, c, c->started_ms || c->committed ? COPY_STARTED : COPY_ACCEPTED);
        c->touched_ms = now;
        c->deadline_ms = copy_deadline(b, c, now);
        task_settle(b, t, now, fx);
        break;
    case ACCEPT:
        copy_set(b, c, COPY_ACCEPTED);
        c->touched_ms = now;
        c->deadline_ms = copy_deadline(b, c, now);
        task_settle(b, t, now, fx);
        break;
    case LOSE:
        fx_history_of(fx, c, JOB_H_NODE_LOST, vl_span_str("the node has it no more"));
        if (c->asked && !restarted) { /* it had a result, and the process that had it still lives */
            task_cheated(b, t, c, VERDICT_SILENT, "it committed to a result and has it no more", now, fx);
            break;
        }
        fx_verdict(fx, c, VERDICT_LOST);
        copy_set(b, c, COPY_GONE);
        task_lost(b, t, now, fx);
        break;
    case DROP:
        fx_verdict(fx, c, VERDICT_LOST);
        copy_set(b, c, COPY_GONE);
        task_settle(b, t, now, fx);
        break;
    }
}

static enum vl_err step_node_back(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    if (ev->n_running > HEARTBEAT_RUNNING_MAX || !task_refs_sorted(ev->running, ev->n_running)) return VL_ERANGE;
    struct node_load *n = node_find(b, ev->node);
    enum vl_err err = fx_reserve(fx, (n ? fx_of_node(n) : 0) + ev->n_running);
    if (err) return err;
    fx->changed = false;
    uint64_t at[2] = { 0, 0 };
    if (n != NULL) n->refs++;
    for (struct copy *c; n != NULL && (c = copy_above(n, at)) != NULL;) {
        memcpy(at, c->on_node.key, sizeof at);
        enum verdict v = verdict_of(c, ev->now, ev->restarted, ev->running, ev->n_running);
        if (v == KEEP) continue;
        struct job *j = c->task->job;
        fx->changed = true;
        apply_verdict(b, c, v, ev->restarted, ev->now, fx);
        job_settle(b, j, ev->now, fx);
    }
    for (uint32_t i = 0; i < ev->n_running; i++)
        if (!known_run(b, ev->node, &ev->running[i]))
            fx_revoke(fx, ev->node, ev->running[i].job, ev->running[i].task, ev->running[i].epoch);
    if (n != NULL) {
        n->refs--;
        node_put(b, n);
    }
    return VL_OK;
}

bool job_book_differs(const struct job_book *b, vl_ms now, struct vl_node_id node, const struct task_ref *running,
                      uint32_t n_running) {
    const struct node_load *n = node_find(b, node);
    uint64_t at[2] = { 0, 0 };
    for (const struct copy *c; n != NULL && (c = copy_above(n, at)) != NULL; memcpy(at, c->on_node.key, sizeof at))
        if (verdict_of(c, now, false, running, n_running) != KEEP) return true;
    for (uint32_t i = 0; i < n_running; i++)
        if (!known_run(b, node, &running[i])) return true;
    return false;
}

static enum vl_err step_cancel(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    struct job *j = book_find(b, ev->job);
    if (j == NULL) return VL_ENOTFOUND;
    if (job_state_final((enum job_state)j->state)) return VL_ESTATE;
    enum vl_err err = fx_reserve(fx, fx_of_job(j));
    if (err == VL_OK) job_end(b, j, JOB_CANCELLED, ev->now, 0, "", fx);
    return err;
}

static enum vl_err step_forget(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    struct job *j = book_find(b, ev->job);
    if (j == NULL) return VL_ENOTFOUND;
    if (!job_state_final((enum job_state)j->state) || j->release) return VL_ESTATE;
    enum vl_err err = fx_reserve(fx, 1);
    if (err) return err;
    fx->v[fx->n++] = (struct job_effect){ .kind = JOB_FX_FORGOTTEN, .job = j->id, .task = UINT32_MAX };
    vl_map_del(&b->jobs, j->id.b);
    order_del(&b->by_seq, &j->by_seq);
    order_del(&b->ended, &j->queue);
    b->n_ended--;
    b->by_state[j->state]--;
    b->n_tasks -= j->n_tasks;
    job_free(b, j);
    return VL_OK;
}

static void tick_task(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx) {
    struct job *j = t->job;
    for (;;) {
        struct copy *c = t->copies;
        while (c != NULL && !(copy_live(c) && c->deadline_ms <= now)) c = c->next;
        if (c == NULL) break;
        bool silent = c->state == COPY_PLACED;
        if (c->asked) {
            fx_revoke(fx, c->node->id, j->id, task_index(t), c->epoch);
            task_cheated(b, t, c, VERDICT_SILENT, "it committed to a result and did not tell it", now, fx);
            continue;
        }
        fx_revoke(fx, c->node->id, j->id, task_index(t), c->epoch);
        fx_history_of(fx, c, JOB_H_TIMEOUT, vl_span_str(silent ? "not accepted" : "ran too long"));
        fx_verdict(fx, c, VERDICT_LATE);
        copy_set(b, c, silent ? COPY_GONE : COPY_FAILED);
        if (silent) {
            task_refused(b, t, now, fx);
            continue;
        }
        free(t->report); /* of an earlier failure: it would explain this one wrongly */
        t->report = NULL;
        t->report_len = 0;
        task_failed(b, c, now, VL_ETIMEOUT, vl_span_str(vl_err_text(VL_ETIMEOUT)), fx);
    }
    if (t->until != 0 && t->until <= now && t->live == 0 && t->state < JOB_TASK_DONE) {
        t->rule = JOB_RULE_ACCEPT; /* nobody could be had to repeat it */
        t->until = 0;
        t->judge = true;
    }
    task_settle(b, t, now, fx);
    job_settle(b, j, now, fx);
}

static void tick_job(struct job_book *b, struct job *j, vl_ms now, struct job_effects *fx) {
    if (now >= j->expires_ms) {
        job_end(b, j, JOB_EXPIRED, now, VL_EEXPIRED, "it did not end within its time to live", fx);
        return;
    }
    uint64_t age = straggler_age(j);
    for (uint32_t i = 0; i < j->n_maps && age != VL_MS_NEVER; i++) {
        struct task *t = &j->tasks[i];
        bool slow = false;
        for (const struct copy *c = t->copies; c != NULL && !t->duplicate; c = c->next)
            slow |= c->state == COPY_STARTED && !c->committed && vl_ms_add(c->started_ms, age) <= now;
        if (!slow) continue;
        t->duplicate = true;
        fx_history(fx, j, i, JOB_H_DUPLICATED, "older than %llu ms", (unsigned long long)age);
        task_settle(b, t, now, fx);
    }
    job_settle(b, j, now, fx);
}

static size_t fx_of_release(const struct job *ended) { return (size_t)ended->n_waiters * 16; }

/* Effects that the things due now can cause, the first JOB_TICK_MAX of each kind. */
static size_t fx_of_due(const struct job_book *b, vl_ms now) {
    size_t sum = 0;
    struct order_node *n = order_first(&b->release);
    for (uint32_t i = 0; n != NULL && i < JOB_TICK_MAX; n = order_above(&b->release, n->key[0], n->key[1]), i++)
        sum += fx_of_release(job_of(n, offsetof(struct job, timer)));
    n = order_first(&b->job_timers);
    for (uint32_t i = 0; n != NULL && n->key[0] <= now && i < JOB_TICK_MAX; i++) {
        sum += fx_of_job(job_of(n, offsetof(struct job, timer)));
        n = order_above(&b->job_timers, n->key[0], n->key[1]);
    }
    n = order_first(&b->task_timers);
    for (uint32_t i = 0; n != NULL && n->key[0] <= now && i < JOB_TICK_MAX; i++) {
        sum += fx_of_job(((struct task *)(void *)n)->job);
        n = order_above(&b->task_timers, n->key[0], n->key[1]);
    }
    return sum;
}
_Static_assert(offsetof(struct task, timer) == 0, "a timer is its task");

/* Does one thing that is due and takes its share off the budget.  False: nothing is due, or the budget is too small. */
static bool tick_one(struct job_book *b, vl_ms now, size_t *budget, struct job_effects *fx) {
    struct job *ended = job_of(order_first(&b->release), offsetof(struct job, timer));
    struct job *j = job_of(order_first(&b->job_timers), offsetof(struct job, timer));
    struct order_node *tn = order_first(&b->task_timers);
    struct task *t = tn != NULL && tn->key[0] <= now ? (struct task *)(void *)tn : NULL;
    if (j != NULL && j->timer.key[0] > now) j = NULL;
    if (ended == NULL && j == NULL && t == NULL) return false;
    size_t need = ended ? fx_of_release(ended) : fx_of_job(j ? j : t->job);
    if (need > *budget) return false;
    *budget -= need;
    if (ended != NULL)
        job_release(b, ended, now, fx);
    else if (j != NULL)
        tick_job(b, j, now, fx);
    else
        tick_task(b, t, now, fx);
    return true;
}

/* How far one TICK gets must follow from the book alone, not from the memory that was to be had, or a replay would get
 * farther than the original: so the room is found first, and shared out as a budget. */
static enum vl_err step_tick(struct job_book *b, vl_ms now, struct job_effects *fx) {
    size_t budget = fx_of_due(b, now);
    enum vl_err err = fx_reserve(fx, budget);
    if (err) return err;
    fx->changed = false;
    for (uint32_t i = 0; i < JOB_TICK_MAX && tick_one(b, now, &budget, fx); i++) fx->changed = true;
    return VL_OK;
}

static enum vl_err step_price(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    struct job *j = book_find(b, ev->job);
    if (j == NULL) return VL_ENOTFOUND;
    if (ev->price > TERMS_PRICE_MAX) return VL_ERANGE;
    if (job_state_final((enum job_state)j->state)) return VL_ESTATE;
    enum vl_err err = fx_reserve(fx, fx_of_job(j));
    if (err) return err;
    j->price = ev->price;
    fx_history(fx, j, UINT32_MAX, JOB_H_PRICED, ev->cleared ? "auction cleared at %llu micro-credits" : "at most %llu micro-credits",
               (unsigned long long)ev->price);
    fx_job(b, fx, j);
    return VL_OK;
}

enum vl_err job_book_step(struct job_book *b, const struct job_event *ev, struct job_effects *fx) {
    fx->n = 0;
    fx->changed = true;
    b->step++;
    enum vl_err err = VL_ERANGE;
    switch (ev->kind) {
    case JOB_EV_SUBMIT:
        err = step_submit(b, ev, fx);
        break;
    case JOB_EV_PLACED:
        err = step_placed(b, ev, fx);
        break;
    case JOB_EV_ACCEPTED:
    case JOB_EV_STARTED:
        err = step_status(b, ev, fx);
        break;
    case JOB_EV_FROZEN:
        err = step_frozen(b, ev, fx);
        break;
    case JOB_EV_REPORT:
        err = step_report(b, ev, fx);
        break;
    case JOB_EV_NODE_LOST:
        err = step_node_lost(b, ev, fx);
        break;
    case JOB_EV_NODE_BACK:
        err = step_node_back(b, ev, fx);
        break;
    case JOB_EV_CANCEL:
        err = step_cancel(b, ev, fx);
        break;
    case JOB_EV_TICK:
        err = step_tick(b, ev->now, fx);
        break;
    case JOB_EV_FORGET:
        err = step_forget(b, ev, fx);
        break;
    case JOB_EV_COMMIT:
        err = step_commit(b, ev, fx);
        break;
    case JOB_EV_PRICE:
        err = step_price(b, ev, fx);
        break;
    }
    if (err) {
        fx->n = 0;
        fx->changed = false;
    }
    return err;
}

vl_ms job_book_deadline(const struct job_book *b) {
    if (order_first(&b->release) != NULL) return 0;
    const struct order_node *t = order_first(&b->task_timers), *j = order_first(&b->job_timers);
    return vl_ms_min(t ? t->key[0] : VL_MS_NEVER, j ? j->key[0] : VL_MS_NEVER);
}
