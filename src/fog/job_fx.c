#include "crypto/hash.h"
#include "fog/job_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *job_state_text(enum job_state s) {
    switch (s) {
    case JOB_SUBMITTED:
        return "submitted";
    case JOB_PRICED:
        return "priced";
    case JOB_PLACED:
        return "placed";
    case JOB_RUNNING:
        return "running";
    case JOB_VERIFYING:
        return "verifying";
    case JOB_DONE:
        return "done";
    case JOB_FAILED:
        return "failed";
    case JOB_CANCELLED:
        return "cancelled";
    case JOB_EXPIRED:
        return "expired";
    }
    return "unknown";
}

const char *job_task_state_text(enum job_task_state s) {
    switch (s) {
    case JOB_TASK_WAITING:
        return "waiting";
    case JOB_TASK_PLACED:
        return "placed";
    case JOB_TASK_RUNNING:
        return "running";
    case JOB_TASK_DONE:
        return "done";
    case JOB_TASK_FAILED:
        return "failed";
    case JOB_TASK_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

const char *job_verdict_text(enum job_verdict v) {
    switch (v) {
    case VERDICT_AGREED:
        return "agreed";
    case VERDICT_WRONG:
        return "wrong";
    case VERDICT_ACCEPTED:
        return "accepted";
    case VERDICT_LATE:
        return "late";
    case VERDICT_LOST:
        return "lost";
    case VERDICT_HANDED_BACK:
        return "handed_back";
    case VERDICT_FAILED:
        return "failed";
    case VERDICT_SILENT:
        return "silent";
    }
    return "unknown";
}

const char *job_history_text(enum job_history h) {
    switch (h) {
    case JOB_H_SUBMITTED:
        return "submitted";
    case JOB_H_PRICED:
        return "priced";
    case JOB_H_PLACED:
        return "placed";
    case JOB_H_STARTED:
        return "started";
    case JOB_H_TASK_DONE:
        return "task_done";
    case JOB_H_TASK_FAILED:
        return "task_failed";
    case JOB_H_TASK_REFUSED:
        return "task_refused";
    case JOB_H_NODE_LOST:
        return "node_lost";
    case JOB_H_RECONNECTED:
        return "reconnected";
    case JOB_H_DUPLICATED:
        return "duplicated";
    case JOB_H_DISAGREED:
        return "disagreed";
    case JOB_H_TIMEOUT:
        return "timeout";
    case JOB_H_DONE:
        return "done";
    case JOB_H_FAILED:
        return "failed";
    case JOB_H_CANCELLED:
        return "cancelled";
    case JOB_H_EXPIRED:
        return "expired";
    case JOB_H_RELEASED:
        return "released";
    case JOB_H_AUDITED:
        return "audited";
    case JOB_H_WRONG:
        return "wrong";
    case JOB_H_REFEREE:
        return "referee";
    }
    return "unknown";
}

bool job_state_final(enum job_state s) { return s >= JOB_DONE; }

bool job_state_may(enum job_state from, enum job_state to) {
    enum { STOP = 1 << JOB_FAILED | 1 << JOB_CANCELLED | 1 << JOB_EXPIRED };
    static const uint16_t allowed[] = {
        [JOB_SUBMITTED] = 1 << JOB_PRICED | STOP,
        [JOB_PRICED] = 1 << JOB_PLACED | STOP,
        [JOB_PLACED] = 1 << JOB_RUNNING | STOP,
        [JOB_RUNNING] = 1 << JOB_VERIFYING | 1 << JOB_DONE | STOP,
        [JOB_VERIFYING] = 1 << JOB_RUNNING | 1 << JOB_DONE | STOP,
        [JOB_EXPIRED] = 0,
    };
    return from < sizeof allowed / sizeof *allowed && (allowed[from] >> to & 1) != 0;
}

void job_effects_free(struct job_effects *fx) {
    free(fx->v);
    *fx = (struct job_effects){ 0 };
}

enum vl_err fx_reserve(struct job_effects *fx, size_t more) {
    size_t need = fx->n + more;
    if (need <= fx->cap) return VL_OK;
    if (need > UINT32_MAX / 2) return VL_ENOMEM;
    size_t cap = fx->cap ? fx->cap : 32;
    while (cap < need) cap *= 2;
    struct job_effect *v = realloc(fx->v, cap * sizeof *v);
    if (v == NULL) return VL_ENOMEM;
    fx->v = v;
    fx->cap = (uint32_t)cap;
    return VL_OK;
}

size_t fx_of_job(const struct job *j) { return 24 + 8 * (size_t)j->open; }

/* NULL while a book is being restored: then nothing is to be carried out. */
static struct job_effect *emit(struct job_effects *fx, enum job_effect_kind kind, struct vl_job_id job, uint32_t task) {
    if (fx == NULL) return NULL;
    assert(fx->n < fx->cap); /* the step reserved too little */
    fx->v[fx->n] = (struct job_effect){ .kind = kind, .job = job, .task = task };
    return &fx->v[fx->n++];
}

void fx_assign(struct job_effects *fx, const struct copy *c) {
    struct job_effect *f = emit(fx, JOB_FX_ASSIGN, c->task->job->id, task_index(c->task));
    if (f == NULL) return;
    f->node = c->node->id;
    f->epoch = c->epoch;
}

void fx_reveal(struct job_effects *fx, const struct copy *c) {
    struct job_effect *f = emit(fx, JOB_FX_REVEAL, c->task->job->id, task_index(c->task));
    if (f == NULL) return;
    f->node = c->node->id;
    f->epoch = c->epoch;
}

void fx_revoke(struct job_effects *fx, struct vl_node_id node, struct vl_job_id job, uint32_t task, uint64_t epoch) {
    struct job_effect *f = emit(fx, JOB_FX_REVOKE, job, task);
    if (f == NULL) return;
    f->node = node;
    f->epoch = epoch;
}

void fx_verdict(struct job_effects *fx, const struct copy *c, enum job_verdict verdict) {
    struct job_effect *f = emit(fx, JOB_FX_VERDICT, c->task->job->id, task_index(c->task));
    if (f == NULL) return;
    f->node = c->node->id;
    f->epoch = c->epoch;
    f->verdict = verdict;
    struct task_report r;
    struct vl_buf buf;
    if (c->report == NULL || task_report_decode(vl_span(c->report, c->report_len), &r) != VL_OK || !r.has_receipt) return;
    vl_buf_init(&buf, 1024);
    if (receipt_encode(&r.receipt, &buf) == VL_OK) crypto_blake2b256(vl_span(buf.p, buf.len), &f->receipt);
    vl_buf_free(&buf);
}

void fx_job(struct job_book *b, struct job_effects *fx, struct job *j) {
    if (fx == NULL || j->step == b->step) return;
    j->step = b->step;
    emit(fx, JOB_FX_JOB_CHANGED, j->id, UINT32_MAX);
}

void fx_task(struct job_effects *fx, const struct task *t) { emit(fx, JOB_FX_TASK_CHANGED, t->job->id, task_index(t)); }

void text_trim(char *s) {
    for (size_t n = strlen(s); n > 0 && !task_text_ok(vl_span(s, n), n); n--) s[n - 1] = 0;
}

void fx_history_of(struct job_effects *fx, const struct copy *c, enum job_history what, struct vl_span text) {
    struct job_effect *f = emit(fx, JOB_FX_HISTORY, c->task->job->id, task_index(c->task));
    if (f == NULL) return;
    f->history = what;
    f->node = c->node->id;
    snprintf(f->detail, sizeof f->detail, "epoch %llu%s%.*s", (unsigned long long)c->epoch, text.n ? ": " : "", (int)text.n,
             text.n ? (const char *)text.p : "");
    text_trim(f->detail);
}

void fx_history(struct job_effects *fx, const struct job *j, uint32_t task, enum job_history what, const char *fmt,
                ...) {
    struct job_effect *f = emit(fx, JOB_FX_HISTORY, j->id, task);
    if (f == NULL) return;
    f->history = what;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->detail, sizeof f->detail, fmt, ap);
    va_end(ap);
    text_trim(f->detail);
}
