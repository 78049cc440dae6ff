/* Copies and tasks of the job book: who runs what, what is wanted next, which result counts. */
#include "fog/job_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

uint32_t task_index(const struct task *t) { return (uint32_t)(t - t->job->tasks); }

bool copy_live(const struct copy *c) {
    return c->state == COPY_PLACED || c->state == COPY_ACCEPTED || c->state == COPY_STARTED;
}

static bool copy_open(const struct copy *c) {
    return copy_live(c) || c->state == COPY_AWAY || c->state == COPY_VOTE;
}

struct job *book_find(const struct job_book *b, struct vl_job_id id) {
    return vl_map_get(&b->jobs, id.b);
}

struct task *job_task(const struct job *j, uint32_t i) {
    return i < j->n_tasks ? &j->tasks[i] : NULL;
}

struct copy *task_copy(const struct task *t, uint64_t epoch) {
    struct copy *c = t->copies;
    while (c != NULL && c->epoch != epoch) c = c->next;
    return c;
}

struct node_load *node_find(const struct job_book *b, struct vl_node_id id) {
    return vl_map_get(&b->nodes, id.b);
}

enum vl_err node_get(struct job_book *b, struct vl_node_id id, struct node_load **ret) {
    struct node_load *n = node_find(b, id);
    if (n == NULL) {
        n = calloc(1, sizeof *n);
        if (n == NULL) return VL_ENOMEM;
        n->id = id;
        enum vl_err err = vl_map_put(&b->nodes, id.b, n);
        if (err) {
            free(n);
            return err;
        }
    }
    *ret = n;
    return VL_OK;
}

void node_put(struct job_book *b, struct node_load *n) {
    if (n->refs > 0) return;
    vl_map_del(&b->nodes, n->id.b);
    free(n);
}

/* What has committed to a result runs no more: it holds no slot while it waits for the others of its round, who may need
 * that very slot. `sign`: 1, or its negative. */
static void load_add(const struct copy *c, uint64_t sign) {
    const struct job *j = c->task->job;
    if (c->committed) return;
    c->node->load.running += (uint32_t)sign;
    c->node->load.memory_bytes += sign * j->memory_bytes;
    c->node->load.disk_bytes += sign * j->disk_bytes;
}

void copy_link(struct job_book *b, struct copy *c) {
    struct task *t = c->task;
    struct job *j = t->job;
    if (copy_open(c)) j->open++;
    if (copy_live(c) || c->state == COPY_AWAY)
        order_put(&c->node->copies, &c->on_node, j->seq, (uint64_t)task_index(t) << 48 | c->epoch);
    if (copy_live(c)) {
        t->live++;
        j->live++;
        b->n_live++;
        load_add(c, 1);
    } else if (c->state == COPY_VOTE && t->votes++ == 0) {
        j->voting++;
    }
}

void copy_unlink(struct job_book *b, struct copy *c) {
    struct task *t = c->task;
    struct job *j = t->job;
    order_del(&c->node->copies, &c->on_node);
    if (copy_open(c)) j->open--;
    if (copy_live(c)) {
        t->live--;
        j->live--;
        b->n_live--;
        load_add(c, UINT64_MAX);
    } else if (c->state == COPY_VOTE && --t->votes == 0) {
        j->voting--;
    }
}

void copy_set(struct job_book *b, struct copy *c, enum copy_state state) {
    copy_unlink(b, c);
    c->state = state;
    copy_link(b, c);
}

void copy_free(struct job_book *b, struct copy *c) {
    struct task *t = c->task;
    copy_unlink(b, c);
    for (struct copy **at = &t->copies; *at != NULL; at = &(*at)->next) {
        if (*at != c) continue;
        *at = c->next;
        t->n_copies--;
        break;
    }
    c->node->refs--;
    node_put(b, c->node);
    free(c->report);
    free(c);
}

void task_drop_copies(struct job_book *b, struct task *t) {
    while (t->copies != NULL) copy_free(b, t->copies);
}

static uint32_t *counter_of(struct job *j, enum job_task_state s) {
    switch (s) {
    case JOB_TASK_WAITING:
        return &j->waiting;
    case JOB_TASK_PLACED:
    case JOB_TASK_RUNNING:
        return &j->running;
    case JOB_TASK_DONE:
        return &j->done;
    case JOB_TASK_FAILED:
        return &j->failed;
    case JOB_TASK_CANCELLED:
        return NULL;
    }
    return NULL;
}

void task_set_state(struct task *t, enum job_task_state to) {
    uint32_t *from_count = counter_of(t->job, (enum job_task_state)t->state), *to_count = counter_of(t->job, to);
    if (from_count) --*from_count;
    if (to_count) ++*to_count;
    t->state = (uint8_t)to;
    if (to < JOB_TASK_DONE) return;
    t->judge = false;
    t->until = t->round_ms = 0;
}

bool task_eligible(const struct task *t) {
    return !job_state_final((enum job_state)t->job->state) && t->job->after_left == 0 && t->pending == 0 &&
           t->state < JOB_TASK_DONE;
}

uint32_t task_want(const struct task *t) {
    if (!task_eligible(t) || t->failures >= t->job->max_attempts) return 0;
    uint32_t goal = t->target + (t->duplicate ? 1u : 0u), have = (uint32_t)t->live + t->votes;
    return goal > have ? goal - have : 0;
}

/* Critical jobs first; then by age, where each class below high starts 10 min behind, so that nothing waits for ever.
 * 42 bits of ms reach the year 2109. */
static void ready_put(struct job_book *b, struct job *j) {
    enum { HANDICAP_MS = 600000 };
    uint64_t class = j->priority > TASK_HIGH ? j->priority - (uint64_t)TASK_HIGH : 0;
    uint64_t at = vl_ms_add(j->submitted_ms, class * HANDICAP_MS), limit = (1ull << 42) - 1;
    uint64_t key = (j->priority == TASK_CRITICAL ? 0 : 1ull << 63) | (at < limit ? at : limit);
    order_put(&b->ready, &j->queue, key, j->seq);
}

void task_queue(struct job_book *b, struct task *t, bool queued) {
    if (t->queued == queued) return;
    struct job *j = t->job;
    uint32_t i = task_index(t);
    t->queued = queued;
    j->queued_bits[i / 64] ^= 1ull << (i % 64);
    if (queued) {
        b->n_queued++;
        if (j->n_queued++ == 0) ready_put(b, j);
    } else {
        b->n_queued--;
        if (--j->n_queued == 0) order_del(&b->ready, &j->queue);
    }
}

static bool round_can_settle(const struct task *t) {
    uint32_t pool = t->votes;
    for (const struct copy *c = t->copies; c != NULL; c = c->next) pool += copy_live(c) && c->committed;
    return pool >= t->job->quorum;
}

void task_timer(struct job_book *b, struct task *t) {
    vl_ms at = VL_MS_NEVER;
    for (const struct copy *c = t->copies; c != NULL; c = c->next)
        if (copy_live(c)) at = vl_ms_min(at, c->deadline_ms);
    if (!t->queued && task_want(t) > 0) at = vl_ms_min(at, t->not_before);
    if (t->until != 0 && t->live == 0) at = vl_ms_min(at, t->until);
    if (t->round_ms != 0 && round_can_settle(t)) at = vl_ms_min(at, t->round_ms);
    if (order_has(&t->timer) && t->timer.key[0] == at) return;
    order_del(&b->task_timers, &t->timer);
    if (at != VL_MS_NEVER) order_put(&b->task_timers, &t->timer, at, t->job->seq << TASK_BITS | task_index(t));
}

vl_ms copy_deadline(const struct job_book *b, const struct copy *c, vl_ms now) {
    const struct job *j = c->task->job;
    uint64_t private = j->privacy ? JOB_PRIVATE_MS : 0;
    if (c->asked) return vl_ms_add(now, JOB_REVEAL_MS + private);
    if (c->committed) return VL_MS_NEVER; /* it has done its part and waits for others */
    return vl_ms_add(now, j->timeout_ms + b->config.overtime_ms);
}

/* A round is over when as many have committed as results are wanted, or when it has lasted and those that have can settle
 * the task by themselves: a straggler must not hold them up, and nobody tells before it is of use. */
static void task_round(const struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx) {
    uint32_t pool = t->votes, waiting = 0;
    vl_ms took = 0;
    bool last = task_want(t) == 0; /* nobody else will come */
    for (const struct copy *c = t->copies; c != NULL; c = c->next) {
        if (!copy_live(c)) continue;
        last &= c->committed;
        if (!c->committed) continue;
        pool++;
        if (c->asked) continue;
        if (waiting++ == 0) took = c->touched_ms - (c->started_ms ? c->started_ms : c->placed_ms);
    }
    if (waiting == 0) {
        t->round_ms = 0;
        return;
    }
    if (t->round_ms == 0) t->round_ms = vl_ms_add(now, took > JOB_ROUND_MS ? took : JOB_ROUND_MS);
    if (pool < t->target && !((last || now >= t->round_ms) && pool >= t->job->quorum)) return;
    t->round_ms = 0;
    for (struct copy *c = t->copies; c != NULL; c = c->next) {
        if (!copy_live(c) || !c->committed || c->asked) continue;
        c->asked = true;
        c->deadline_ms = copy_deadline(b, c, now);
        fx_reveal(fx, c);
    }
}

static enum job_task_state state_by_copies(const struct task *t) {
    for (const struct copy *c = t->copies; c != NULL; c = c->next)
        if (c->state == COPY_STARTED) return JOB_TASK_RUNNING;
    if (t->live > 0) return JOB_TASK_PLACED;
    return t->votes > 0 ? JOB_TASK_RUNNING : JOB_TASK_WAITING;
}

static struct copy *vote_of(const struct task *t, uint64_t epoch) {
    struct copy *c = task_copy(t, epoch);
    return c != NULL && c->state == COPY_VOTE ? c : NULL;
}

static void task_done(struct job_book *b, struct task *t, struct copy *winner, vl_ms now, struct job_effects *fx);

/* The task is what its job fails of. */
static void fail_task(struct job_book *b, struct task *t, vl_ms now, int32_t error, const char *text,
                      struct job_effects *fx) {
    if (t->until != 0 && vote_of(t, t->winner) != NULL) { /* nobody could be had to compare a result with that was good enough */
        task_done(b, t, vote_of(t, t->winner), now, fx);
        return;
    }
    t->error = error;
    t->ended_ms = now;
    for (const struct copy *c = t->copies; c != NULL; c = c->next)
        if (c->state == COPY_AWAY)
            fx_verdict(fx, c, VERDICT_LOST);
        else if (copy_live(c))
            fx_revoke(fx, c->node->id, t->job->id, task_index(t), c->epoch);
    task_drop_copies(b, t);
    task_queue(b, t, false);
    order_del(&b->task_timers, &t->timer);
    task_set_state(t, JOB_TASK_FAILED);
    fx_task(fx, t);
    job_end(b, t->job, JOB_FAILED, now, error, text, fx);
}

/* Nothing runs and nothing more may be tried. */
static void give_up(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx) {
    struct job *j = t->job;
    char text[TASK_ERROR_MAX];
    struct task_report r = { 0 };
    bool failed = t->failures >= j->max_attempts;
    if (t->report != NULL && task_report_decode(vl_span(t->report, t->report_len), &r) != VL_OK) r.detail.n = 0;
    if (failed && t->error == VL_EUNSUPPORTED)
        snprintf(text, sizeof text, "task %u cannot run: %.*s", task_index(t),
                 r.detail.n ? (int)r.detail.n : (int)strlen(vl_err_text(VL_EUNSUPPORTED)),
                 r.detail.n ? (const char *)r.detail.p : vl_err_text(VL_EUNSUPPORTED));
    else if (failed)
        snprintf(text, sizeof text, "task %u failed %u times: %.*s", task_index(t), t->failures,
                 r.detail.n ? (int)r.detail.n : (int)strlen(vl_err_text((enum vl_err)t->error)),
                 r.detail.n ? (const char *)r.detail.p : vl_err_text((enum vl_err)t->error));
    else
        snprintf(text, sizeof text, "task %u: the results of %u replicas disagree", task_index(t), t->votes);
    fail_task(b, t, now, failed ? t->error : VL_ESTATE, text, fx);
}

/* Whether anything may still come of the copies there are: those that wait for others do not count. */
static bool task_moving(const struct task *t) {
    for (const struct copy *c = t->copies; c != NULL; c = c->next)
        if (copy_live(c) && (!c->committed || c->asked)) return true;
    return false;
}

void task_settle(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx) {
    if (t->state >= JOB_TASK_DONE) return;
    task_round(b, t, now, fx);
    if (t->judge && !task_revealing(t)) {
        task_judge(b, t, now, fx);
        return;
    }
    uint32_t want = task_want(t);
    if (want == 0 && !task_moving(t) && task_eligible(t)) {
        give_up(b, t, now, fx);
        return;
    }
    if (want == 0)
        task_queue(b, t, false);
    else if (now >= t->not_before)
        task_queue(b, t, true);
    enum job_task_state s = state_by_copies(t);
    if (s != (enum job_task_state)t->state) {
        task_set_state(t, s);
        fx_task(fx, t);
    }
    task_timer(b, t);
}

static uint64_t backoff(uint32_t failures, uint64_t limit) {
    uint64_t wait = failures > 20 ? limit : (uint64_t)JOB_RETRY_MS << (failures - 1);
    return wait < limit ? wait : limit;
}

void task_failed(struct job_book *b, const struct copy *c, vl_ms now, int32_t error, struct vl_span why,
                 struct job_effects *fx) {
    struct task *t = c->task;
    t->duplicate = false;
    t->error = error;
    t->failures++;
    t->job->attempts++;
    t->not_before = vl_ms_add(now, backoff(t->failures, JOB_RETRY_MAX_MS));
    task_queue(b, t, false);
    fx_history_of(fx, c, JOB_H_TASK_FAILED, why);
    if (error == VL_EUNSUPPORTED && t->failures < t->job->max_attempts)
        t->failures = t->job->max_attempts; /* the program cannot run in this sandbox at all: trying again only costs time */
    task_settle(b, t, now, fx);
}

/* The task itself is at fault when it was lost or refused so often; another copy that still runs may prove otherwise.
 */
static bool worn_out(struct job_book *b, struct task *t, vl_ms now, uint32_t count, uint32_t limit, enum vl_err error,
                     const char *what, struct job_effects *fx) {
    if (count <= limit || t->live > 0) return false;
    char text[TASK_ERROR_MAX];
    snprintf(text, sizeof text, "task %u was %s %u times", task_index(t), what, count);
    fail_task(b, t, now, error, text, fx);
    return true;
}

void task_refused(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx) {
    t->duplicate = false;
    if (t->refusals < UINT16_MAX) t->refusals++;
    if (worn_out(b, t, now, t->refusals, JOB_REFUSED_MAX, VL_EUNSUPPORTED, "refused", fx)) return;
    t->not_before = vl_ms_add(now, backoff(t->refusals, JOB_REFUSED_WAIT_MAX_MS));
    task_queue(b, t, false);
    task_settle(b, t, now, fx);
}

/* No fault of anybody's: another node may take it at once. */
void task_handed_back(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx) {
    t->duplicate = false;
    if (t->refusals < UINT16_MAX) t->refusals++;
    if (!worn_out(b, t, now, t->refusals, JOB_REFUSED_MAX, VL_EUNSUPPORTED, "refused", fx)) task_settle(b, t, now, fx);
}

void task_lost(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx) {
    t->duplicate = false;
    if (t->losses < UINT16_MAX) t->losses++;
    if (!worn_out(b, t, now, t->losses, JOB_LOST_MAX, VL_ECLOSED, "lost with its node", fx)) task_settle(b, t, now, fx);
}

static void task_done(struct job_book *b, struct task *t, struct copy *winner, vl_ms now, struct job_effects *fx) {
    struct job *j = t->job;
    uint32_t i = task_index(t);
    fx_verdict(fx, winner, t->votes > 1 ? VERDICT_AGREED : VERDICT_ACCEPTED);
    for (struct copy *c = t->copies, *next; c != NULL; c = next) {
        next = c->next;
        if (c == winner) continue;
        if (copy_live(c)) fx_revoke(fx, c->node->id, j->id, i, c->epoch);
        if (c->state == COPY_AWAY) fx_verdict(fx, c, VERDICT_LOST);
        bool equal = c->state == COPY_VOTE && vl_hash_eq(c->root, winner->root);
        if (c->state == COPY_VOTE) fx_verdict(fx, c, equal ? VERDICT_AGREED : VERDICT_WRONG);
        if (c->state == COPY_VOTE && !equal) fx_history_of(fx, c, JOB_H_WRONG, vl_span_str("its result is not the accepted one"));
        copy_free(b, c);
    }
    free(t->report);
    t->report = winner->report;
    t->report_len = winner->report_len;
    winner->report = NULL;
    winner->report_len = 0;
    copy_set(b, winner, COPY_WON);
    t->error = 0;
    t->started_ms = winner->started_ms ? winner->started_ms : winner->placed_ms;
    t->ended_ms = now;
    if (now > t->started_ms) j->worked_ms += now - t->started_ms;
    task_queue(b, t, false);
    order_del(&b->task_timers, &t->timer);
    task_set_state(t, JOB_TASK_DONE);
    fx_task(fx, t);
    fx_history_of(fx, winner, JOB_H_TASK_DONE, (struct vl_span){ 0 });
    uint32_t parent = merge_parent(j, i);
    if (parent == UINT32_MAX || --j->tasks[parent].pending > 0) return;
    uint32_t inputs = merge_inputs(j, parent, NULL, NULL);
    if (inputs > VL_TASK_INPUTS_MAX) {
        char text[96];
        snprintf(text, sizeof text, "merge task %u would have %u inputs, at most %u are possible", parent, inputs,
                 VL_TASK_INPUTS_MAX);
        job_end(b, j, JOB_FAILED, now, VL_ELIMIT, text, fx);
        return;
    }
    task_settle(b, &j->tasks[parent], now, fx);
}

bool task_revealing(const struct task *t) {
    for (const struct copy *c = t->copies; c != NULL; c = c->next)
        if (copy_live(c) && c->asked) return true;
    return false;
}

void task_cheated(struct job_book *b, struct task *t, struct copy *c, enum job_verdict verdict, const char *why, vl_ms now,
                  struct job_effects *fx) {
    fx_verdict(fx, c, verdict);
    fx_history_of(fx, c, JOB_H_WRONG, vl_span_str(why));
    copy_set(b, c, COPY_FAILED);
    task_lost(b, t, now, fx); /* bounds how often; the program is not at fault */
}

/* The first to have come to what the referee came to, or the referee itself. */
static struct copy *refereed(const struct task *t) {
    const struct copy *r = t->copies;
    while (r != NULL && !(r->referee && r->state == COPY_VOTE)) r = r->next;
    for (struct copy *c = t->copies; r != NULL && c != NULL; c = c->next)
        if (c->state == COPY_VOTE && vl_hash_eq(c->root, r->root)) return c;
    return NULL;
}

static struct copy *most_equal(const struct task *t, uint32_t *ret_votes) {
    struct copy *best = NULL;
    *ret_votes = 0;
    for (struct copy *c = t->copies; c != NULL; c = c->next) {
        if (c->state != COPY_VOTE) continue;
        uint32_t votes = 0;
        for (const struct copy *d = t->copies; d != NULL; d = d->next)
            votes += d->state == COPY_VOTE && vl_hash_eq(c->root, d->root);
        if (votes > *ret_votes) {
            best = c;
            *ret_votes = votes;
        }
    }
    return best;
}

void task_judge(struct job_book *b, struct task *t, vl_ms now, struct job_effects *fx) {
    struct job *j = t->job;
    uint32_t best_votes;
    struct copy *best = most_equal(t, &best_votes), *decided = refereed(t);
    t->judge = false;
    if (decided == NULL && t->rule == JOB_RULE_ACCEPT) decided = vote_of(t, t->winner);
    if (decided == NULL && t->rule == JOB_RULE_MAJORITY && !t->referee && best_votes >= j->quorum) decided = best;
    if (decided != NULL) {
        task_done(b, t, decided, now, fx);
        return;
    }
    uint32_t open = t->target > t->votes ? (uint32_t)t->target - t->votes : 0;
    if (t->rule == JOB_RULE_MAJORITY && !t->referee && best_votes + open < j->quorum) {
        fx_history(fx, j, task_index(t), JOB_H_DISAGREED, "%u results, at most %u equal", t->votes, best_votes);
        if (t->target < j->replicas + JOB_EXTRA_VOTES) t->target++;
    }
    task_settle(b, t, now, fx);
}
