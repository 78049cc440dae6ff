/* Whole jobs of the job book: birth, dependencies, merge rounds, stragglers, end. */
#include "fog/job_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Tasks per level: map, then merge rounds until one is left.  Returns the number of levels. */
static uint32_t levels_of(uint32_t maps, bool has_merge, uint32_t width[MERGE_LEVELS]) {
    uint32_t n = 1;
    width[0] = maps;
    while (has_merge && (n == 1 || width[n - 1] > 1)) {
        assert(n < MERGE_LEVELS);
        width[n] = (width[n - 1] + JOB_MERGE_FANIN - 1) / JOB_MERGE_FANIN;
        n++;
    }
    return n;
}

uint32_t job_task_total(const struct job_spec *spec) {
    uint32_t width[MERGE_LEVELS], total = 0, n = levels_of(spec->map ? spec->n_inputs : 1, spec->has_merge, width);
    for (uint32_t i = 0; i < n; i++) total += width[i];
    return total;
}

void merge_children(const struct job *j, uint32_t i, uint32_t *ret_first, uint32_t *ret_n) {
    uint32_t width[MERGE_LEVELS], n = levels_of(j->n_maps, j->has_merge, width);
    *ret_first = *ret_n = 0;
    for (uint32_t level = 1, start = width[0], below = 0; level < n; level++) {
        if (i >= start && i < start + width[level]) {
            uint32_t first = (i - start) * JOB_MERGE_FANIN, left = width[level - 1] - first;
            *ret_first = below + first;
            *ret_n = left < JOB_MERGE_FANIN ? left : JOB_MERGE_FANIN;
            return;
        }
        below = start;
        start += width[level];
    }
}

uint32_t merge_parent(const struct job *j, uint32_t i) {
    uint32_t width[MERGE_LEVELS], n = levels_of(j->n_maps, j->has_merge, width);
    for (uint32_t level = 0, start = 0; level + 1 < n; start += width[level++])
        if (i < start + width[level]) return start + width[level] + (i - start) / JOB_MERGE_FANIN;
    return UINT32_MAX;
}

/* An empty stdout beside files is noise; alone it is the (empty) result. */
static bool merges(const struct task_report *r, uint32_t k) {
    const struct task_output *o = &r->outputs[k];
    if (vl_span_eq(o->name, vl_span_str("stderr"))) return false;
    if (o->size > 0 || !vl_span_eq(o->name, vl_span_str("stdout"))) return true;
    for (uint32_t i = 0; i < r->n_outputs; i++)
        if (i != k && !vl_span_eq(r->outputs[i].name, vl_span_str("stderr"))) return false;
    return true;
}

uint32_t merge_inputs(const struct job *j, uint32_t i, struct job_names *names, struct task_input *ret) {
    uint32_t first, n, count = 0;
    merge_children(j, i, &first, &n);
    for (uint32_t child = first; child < first + n; child++) {
        const struct task *t = &j->tasks[child];
        struct task_report r;
        enum vl_err err = task_report_decode(vl_span(t->report, t->report_len), &r);
        assert(err == VL_OK); /* encoded by this book, or checked by restore */
        for (uint32_t k = 0; k < r.n_outputs && err == VL_OK; k++) {
            if (!merges(&r, k)) continue;
            if (ret != NULL && count < VL_TASK_INPUTS_MAX) {
                struct vl_span out = r.outputs[k].name;
                char *name = names->v[count];
                if (out.n + 6 < VL_NAME_MAX)
                    snprintf(name, VL_NAME_MAX, "%05u.%.*s", child, (int)out.n, (const char *)out.p);
                else /* too long with the number before it */
                    snprintf(name, VL_NAME_MAX, "%05u.output%02u", child, k);
                ret[count] = (struct task_input){ vl_span_str(name), r.outputs[k].hash, r.outputs[k].size, { 0 } };
            }
            count++;
        }
    }
    return count;
}

static uint64_t program_of(const struct job_spec *spec) {
    static const uint64_t domain[2] = { 0x76696c6c6167652du, 0x70726f6772616d2eu }; /* "village-program." */
    return spec->kind == TASK_WASM ? vl_get_u64(spec->program.b) : vl_siphash(domain, spec->command.p, spec->command.n);
}

enum vl_err job_new(const struct job_spec *spec, struct vl_span encoded, struct job **ret) {
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL) return VL_ENOMEM;
    j->n_maps = spec->map ? spec->n_inputs : 1;
    j->map = spec->map;
    j->has_merge = spec->has_merge;
    j->n_tasks = j->waiting = job_task_total(spec);
    j->tasks = calloc(j->n_tasks, sizeof *j->tasks);
    j->spec = malloc(encoded.n);
    j->queued_bits = j->n_tasks <= 64 ? &j->one_word : calloc((j->n_tasks + 63) / 64, sizeof *j->queued_bits);
    if (j->n_maps > 1) j->input_at = malloc(j->n_maps * sizeof *j->input_at);
    static const struct job_terms nothing;
    bool asks = memcmp(&spec->terms, &nothing, sizeof nothing) != 0;
    if (asks) j->terms = malloc(sizeof *j->terms);
    if ((asks && j->terms == NULL) || j->tasks == NULL || j->spec == NULL || j->queued_bits == NULL || (j->n_maps > 1 && j->input_at == NULL)) {
        job_free(NULL, j);
        return VL_ENOMEM;
    }
    memcpy(j->spec, encoded.p, encoded.n);
    j->spec_len = (uint32_t)encoded.n;
    j->kind = (uint8_t)spec->kind;
    j->priority = (uint8_t)spec->priority;
    j->privacy = (uint8_t)spec->privacy;
    j->class = (uint8_t)spec->terms.class;
    j->deterministic = spec->kind == TASK_WASM && spec->deterministic;
    j->counted = spec->replicas != 0;
    j->replicas = (uint8_t)job_spec_replicas(spec);
    j->quorum = (uint8_t)(j->class == SLA_S && j->replicas < 6 ? 3 : j->replicas / 2 + 1);
    if (j->class == SLA_A && j->quorum < 2) j->quorum = 2;
    j->standby = j->class == SLA_B && spec->terms.tier != TIER_NONE;
    if (j->standby) j->quorum = 1;
    j->max_attempts = (uint8_t)spec->max_attempts;
    j->memory_bytes = spec->limits.memory_bytes;
    j->disk_bytes = spec->limits.disk_bytes;
    j->timeout_ms = spec->limits.timeout_ms;
    if (asks) *j->terms = spec->terms;
    j->program = program_of(spec);
    j->dated = spec->ttl_ms != 0;
    j->state = JOB_SUBMITTED;
    struct vl_span rest = spec->inputs;
    struct task_input in;
    for (uint32_t i = 0; i < j->n_maps && j->input_at != NULL; i++) {
        j->input_at[i] = (uint32_t)(spec->inputs.n - rest.n);
        if (!job_inputs_next(&rest, &in)) break; /* not after job_spec_check() */
    }
    for (uint32_t i = 0; i < j->n_tasks; i++) {
        uint32_t first;
        j->tasks[i].job = j;
        j->tasks[i].state = JOB_TASK_WAITING;
        j->tasks[i].target = j->replicas;
        merge_children(j, i, &first, &j->tasks[i].pending);
    }
    *ret = j;
    return VL_OK;
}

void job_free(struct job_book *b, struct job *j) {
    for (uint32_t i = 0; j->tasks != NULL && i < j->n_tasks; i++) {
        if (b != NULL) task_drop_copies(b, &j->tasks[i]);
        free(j->tasks[i].report);
    }
    while (j->waiters != NULL) {
        struct waiter *w = j->waiters;
        j->waiters = w->next;
        free(w);
    }
    if (j->queued_bits != &j->one_word) free(j->queued_bits);
    free(j->input_at);
    free(j->tasks);
    free(j->spec);
    free(j->terms);
    free(j);
}

/* A job that ended but has not told its waiters yet still counts as one to wait for. */
static bool holds_up(const struct job *j) { return !job_state_final((enum job_state)j->state) || j->release; }

enum vl_err job_enter(struct job_book *b, struct job *j, const struct job_spec *spec) {
    struct waiter *edges[JOB_AFTER_MAX] = { NULL };
    enum vl_err err = VL_OK;
    for (uint32_t i = 0; i < spec->n_after && err == VL_OK; i++) {
        struct job *other = book_find(b, spec->after[i]);
        if (other == NULL || !holds_up(other)) continue;
        if (other->n_waiters >= JOB_DEPENDENTS_MAX)
            err = VL_ELIMIT;
        else if ((edges[i] = calloc(1, sizeof **edges)) == NULL)
            err = VL_ENOMEM;
    }
    if (err == VL_OK) err = vl_map_put(&b->jobs, j->id.b, j);
    for (uint32_t i = 0; i < spec->n_after; i++) {
        if (edges[i] == NULL) continue;
        if (err) {
            free(edges[i]);
            continue;
        }
        struct job *other = book_find(b, spec->after[i]);
        edges[i]->job = j;
        struct waiter **end = &other->waiters;
        while (*end != NULL) end = &(*end)->next;
        *end = edges[i];
        other->n_waiters++;
        j->after_left++;
    }
    if (err) return err;
    order_put(&b->by_seq, &j->by_seq, j->seq, 0);
    b->n_tasks += j->n_tasks;
    b->by_state[j->state]++;
    return VL_OK;
}

void job_set_state(struct job_book *b, struct job *j, enum job_state to) {
    if (j->state == to) return;
    assert(job_state_may((enum job_state)j->state, to));
    b->by_state[j->state]--;
    b->by_state[to]++;
    j->state = (uint8_t)to;
}

static int compare_ms(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Twice the median run time of the finished map tasks, once nothing of the job waits for a node. */
uint64_t straggler_age(const struct job *j) {
    if (!j->map || j->n_queued > 0 || j->running == 0 || j->done < JOB_STRAGGLER_SAMPLE) return VL_MS_NEVER;
    /* At most 255 evenly spaced samples: the median of a sample serves, and the work per step stays bounded. */
    uint64_t took[256];
    uint32_t n = 0, stride = j->n_maps / 256 + 1;
    for (uint32_t i = 0; i < j->n_maps; i += stride) {
        const struct task *t = &j->tasks[i];
        if (t->state == JOB_TASK_DONE) took[n++] = t->ended_ms > t->started_ms ? t->ended_ms - t->started_ms : 0;
    }
    if (n < JOB_STRAGGLER_SAMPLE) return VL_MS_NEVER;
    qsort(took, n, sizeof *took, compare_ms);
    uint64_t age = took[n / 2] > UINT64_MAX / 2 ? UINT64_MAX : took[n / 2] * 2;
    return age > JOB_STRAGGLER_MIN_MS ? age : JOB_STRAGGLER_MIN_MS;
}

/* Oldest start among the copies of a task that may get a duplicate. */
static vl_ms oldest_start(const struct task *t) {
    vl_ms oldest = VL_MS_NEVER;
    if (t->state != JOB_TASK_RUNNING || t->duplicate) return oldest;
    for (const struct copy *c = t->copies; c != NULL; c = c->next)
        if (c->state == COPY_STARTED && !c->committed) oldest = vl_ms_min(oldest, c->started_ms);
    return oldest;
}

vl_ms straggler_due(const struct job *j) {
    uint64_t age = straggler_age(j);
    vl_ms oldest = VL_MS_NEVER;
    if (age == VL_MS_NEVER) return oldest;
    for (uint32_t i = 0; i < j->n_maps; i++) oldest = vl_ms_min(oldest, oldest_start(&j->tasks[i]));
    return vl_ms_add(oldest, age);
}

void job_timer(struct job_book *b, struct job *j) {
    if (job_state_final((enum job_state)j->state)) return;
    vl_ms at = vl_ms_min(j->expires_ms, straggler_due(j));
    if (order_has(&j->timer) && j->timer.key[0] == at) return;
    order_del(&b->job_timers, &j->timer);
    order_put(&b->job_timers, &j->timer, at, j->seq);
}

void job_settle(struct job_book *b, struct job *j, vl_ms now, struct job_effects *fx) {
    if (job_state_final((enum job_state)j->state)) return;
    fx_job(b, fx, j);
    if (j->placed && j->state == JOB_PRICED) job_set_state(b, j, JOB_PLACED);
    if (j->started_ms != 0 && j->state == JOB_PLACED) job_set_state(b, j, JOB_RUNNING);
    if (j->state == JOB_RUNNING || j->state == JOB_VERIFYING) {
        bool comparing = j->voting > 0 && j->voting == j->n_tasks - j->done;
        job_set_state(b, j, comparing ? JOB_VERIFYING : JOB_RUNNING);
    }
    if (j->done == j->n_tasks)
        job_end(b, j, JOB_DONE, now, 0, "", fx);
    else
        job_timer(b, j);
}

void job_end(struct job_book *b, struct job *j, enum job_state to, vl_ms now, int32_t error, const char *text,
             struct job_effects *fx) {
    for (uint32_t i = 0; i < j->n_tasks; i++) {
        struct task *t = &j->tasks[i];
        if (t->state >= JOB_TASK_DONE) continue;
        bool seen = t->live > 0;
        for (const struct copy *c = t->copies; c != NULL; c = c->next)
            if (copy_live(c))
                fx_revoke(fx, c->node->id, j->id, i, c->epoch);
            else if (c->state == COPY_AWAY)
                fx_verdict(fx, c, VERDICT_LOST);
        task_drop_copies(b, t);
        task_queue(b, t, false);
        order_del(&b->task_timers, &t->timer);
        task_set_state(t, JOB_TASK_CANCELLED);
        if (seen) fx_task(fx, t);
    }
    job_set_state(b, j, to);
    order_del(&b->job_timers, &j->timer);
    j->ended_ms = now;
    j->error = error;
    snprintf(j->error_text, sizeof j->error_text, "%s", text);
    text_trim(j->error_text);
    job_detach(b, j);
    order_put(&b->ended, &j->queue, now, j->seq);
    b->n_ended++;
    if (j->waiters != NULL) {
        j->release = true;
        order_put(&b->release, &j->timer, now, j->seq);
    }
    enum job_history h = to == JOB_DONE        ? JOB_H_DONE
                         : to == JOB_CANCELLED ? JOB_H_CANCELLED
                         : to == JOB_EXPIRED   ? JOB_H_EXPIRED
                                               : JOB_H_FAILED;
    fx_history(fx, j, UINT32_MAX, h, "%s", text);
    fx_job(b, fx, j);
    if (fx != NULL) {
        assert(fx->n < fx->cap);
        fx->v[fx->n++] = (struct job_effect){ .kind = JOB_FX_JOB_ENDED, .job = j->id, .task = UINT32_MAX, .state = to };
    }
}

/* Takes j off the lists of the jobs it waits for. */
void job_detach(struct job_book *b, struct job *j) {
    struct job_spec spec;
    if (j->after_left == 0) return;
    enum vl_err err = job_spec_reopen(vl_span(j->spec, j->spec_len), &spec);
    assert(err == VL_OK);
    for (uint32_t i = 0; err == VL_OK && i < spec.n_after; i++) {
        struct job *other = book_find(b, spec.after[i]);
        for (struct waiter **at = other ? &other->waiters : NULL; at != NULL && *at != NULL; at = &(*at)->next) {
            if ((*at)->job != j) continue;
            struct waiter *w = *at;
            *at = w->next;
            other->n_waiters--;
            free(w);
            break;
        }
    }
    j->after_left = 0;
}

void job_release(struct job_book *b, struct job *j, vl_ms now, struct job_effects *fx) {
    order_del(&b->release, &j->timer);
    struct waiter *w = j->waiters;
    bool ok = j->state == JOB_DONE;
    char text[96], id[33];
    for (size_t i = 0; i < sizeof j->id.b; i++) snprintf(id + 2 * i, 3, "%02x", j->id.b[i]);
    snprintf(text, sizeof text, "job %s, which it waits for, ended as %s", id,
             job_state_text((enum job_state)j->state));
    j->waiters = NULL;
    j->n_waiters = 0;
    j->release = false;
    while (w != NULL) {
        struct waiter *next = w->next;
        struct job *dep = w->job;
        free(w);
        w = next;
        dep->after_left--;
        if (!ok) {
            job_end(b, dep, JOB_FAILED, now, VL_ESTATE, text, fx);
        } else if (dep->after_left == 0) {
            fx_history(fx, dep, UINT32_MAX, JOB_H_RELEASED, "%s", "");
            for (uint32_t i = 0; i < dep->n_tasks; i++) task_settle(b, &dep->tasks[i], now, fx);
            job_settle(b, dep, now, fx);
        }
    }
}
