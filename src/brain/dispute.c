/* Disputes: a worker whose result was not the accepted one may ask once for the run to be done again (FOG-11).
 *
 *   coordinator  JUDGED job, task, epoch  -->  worker
 *                <--  DISPUTE its receipt          from memory: who restarts meanwhile loses the chance
 *   runs the task itself, in its own runner; whoever came to the same root was right.
 *
 * Only of programs that are deterministic, by a coordinator that has a runner, and while both remember: anything else
 * stays as the majority left it.  A job's result is not taken back, for others may have used it: the history of the job
 * says that it is wrong, reputation says whose fault it is. */
#include "brain/priv.h"

#include "fog/receipt.h"
#include "wire/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_DISPUTE = 0x74, DISPUTE_VERSION = 1 };

/* Stored in the row of a dispute. */
enum dispute_state { DISPUTE_OPEN = 1, DISPUTE_RUNNING = 2, DISPUTE_UPHELD = 3, DISPUTE_OVERTURNED = 4, DISPUTE_UNDECIDED = 5 };

struct judged { /* a copy that may contest */
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
    struct vl_node_id node;
    enum dispute_state state; /* 0: the place is free */
    uint64_t run;             /* wtask of ours that does it again */
    struct vl_hash claimed;
};
struct own_receipt {
    bool used;
    struct receipt r;
};
struct disputes {
    struct judged judged[DISPUTES_MAX];
    struct own_receipt own[DISPUTES_MAX];
    uint32_t next_judged, next_own;
};

enum vl_err dispute_create(struct brain *b) {
    b->disputes = calloc(1, sizeof *b->disputes);
    return b->disputes ? VL_OK : VL_ENOMEM;
}

void dispute_destroy(struct brain *b) { free(b->disputes); }

/* ---- at the worker ------------------------------------------------------------------------------------------------ */

void dispute_remember(struct brain *b, const struct receipt *r) {
    struct own_receipt *o = &b->disputes->own[b->disputes->next_own++ % DISPUTES_MAX];
    *o = (struct own_receipt){ .used = true, .r = *r };
}

void worker_judged(struct brain *b, struct vl_span bytes) {
    struct task_reveal v;
    struct vl_buf buf;
    if (task_reveal_decode(bytes, &v)) {
        b->counters.messages_bad++;
        return;
    }
    vl_buf_init(&buf, 1024);
    for (uint32_t i = 0; i < DISPUTES_MAX; i++) {
        struct own_receipt *o = &b->disputes->own[i];
        if (!o->used || !vl_job_eq(o->r.job, v.job) || o->r.task != v.task || o->r.epoch != v.epoch) continue;
        o->used = false;
        note(b, VL_ESTATE, b->self, "a result of this node was not the accepted one: it asks for the run to be repeated");
        if (receipt_encode(&o->r, &buf) == VL_OK)
            vl_ignore(message_send(b, b->coordinator, MIX_OFF, MSG_DISPUTE, ENVELOPE_NORMAL, vl_span(buf.p, buf.len), NULL));
        break;
    }
    vl_buf_free(&buf);
}

/* ---- at the coordinator --------------------------------------------------------------------------------------------- */

static struct judged *judged_find(struct brain *b, struct vl_job_id job, uint32_t task, uint64_t epoch) {
    for (uint32_t i = 0; i < DISPUTES_MAX; i++) {
        struct judged *d = &b->disputes->judged[i];
        if (d->state != 0 && vl_job_eq(d->job, job) && d->task == task && d->epoch == epoch) return d;
    }
    return NULL;
}

static bool can_run(const struct brain *b) { return b->cfg.caps.slots > 0 && (b->features & NODE_FEATURE_WASM); }

static void row_put(struct brain *b, const struct judged *d) {
    uint8_t key[32] = { 0 };
    struct vl_buf buf;
    memcpy(key, d->job.b, sizeof d->job.b);
    vl_buf_init(&buf, 256);
    struct pack w = pack_message(&buf, TAG_DISPUTE, DISPUTE_VERSION);
    pack_u8(&w, (uint8_t)d->state);
    pack_bytes(&w, d->node.b, sizeof d->node.b);
    pack_bytes(&w, d->claimed.b, sizeof d->claimed.b);
    if (pack_end(&w) == VL_OK) item_put(b, ITEM_DISPUTE, key, (uint64_t)d->task << 48 | d->epoch, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

/* Its result was compared and lost: it may speak up. */
void dispute_offer(struct brain *b, const struct job_effect *e) {
    struct vl_buf buf;
    if (!can_run(b) || vl_node_eq(e->node, b->self)) return;
    struct judged *d = &b->disputes->judged[b->disputes->next_judged++ % DISPUTES_MAX];
    if (d->state == DISPUTE_RUNNING) return; /* more than can be looked into */
    *d = (struct judged){ .job = e->job, .task = e->task, .epoch = e->epoch, .node = e->node, .state = DISPUTE_OPEN };
    vl_buf_init(&buf, 256);
    if (task_reveal_encode(&(struct task_reveal){ .job = e->job, .task = e->task, .epoch = e->epoch }, &buf) == VL_OK)
        vl_ignore(message_send(b, e->node, MIX_OFF, MSG_JUDGED, ENVELOPE_NORMAL, vl_span(buf.p, buf.len), NULL));
    vl_buf_free(&buf);
}

static bool rerun(struct brain *b, struct judged *d) {
    struct job_names *names = malloc(sizeof *names);
    struct assignment *a = malloc(sizeof *a);
    struct vl_buf buf;
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    bool ok = names && a && job_book_rerun(b->jobs, d->job, d->task, names, a) == VL_OK && assignment_encode(a, &buf) == VL_OK;
    if (ok) d->run = worker_rerun(b, vl_span(buf.p, buf.len));
    free(names);
    free(a);
    vl_buf_free(&buf);
    return ok && d->run != 0;
}

void coordinator_dispute(struct brain *b, struct vl_node_id node, struct vl_span body) {
    struct receipt r;
    struct judged *d = NULL;
    if (receipt_decode(body, &r) || !vl_node_eq(r.node, node) || receipt_verify(&r)) {
        b->counters.messages_bad++;
        return;
    }
    d = judged_find(b, r.job, r.task, r.epoch);
    if (d == NULL || d->state != DISPUTE_OPEN || !vl_node_eq(d->node, node)) {
        b->counters.reports_stale++;
        return;
    }
    d->claimed = r.output_root;
    d->state = can_run(b) && rerun(b, d) ? DISPUTE_RUNNING : DISPUTE_UNDECIDED;
    row_put(b, d);
    view_history(b, d->job, "disputed", d->state == DISPUTE_RUNNING ? "the run is done again here" : "it cannot be run again here: it stays as it is",
                 d->task, node);
}

static void tell_reputation(struct brain *b, const struct judged *d, struct vl_node_id node, uint64_t epoch, enum job_verdict v) {
    struct job_effect e = { .kind = JOB_FX_VERDICT, .job = d->job, .task = d->task, .epoch = epoch, .node = node, .verdict = v };
    standing_verdict(b, &e);
    verify_account(b, &e);
}

/* Our own run of it has ended. */
void dispute_decided(struct brain *b, uint64_t run, const struct task_report *r) {
    struct judged *d = b->disputes->judged;
    struct job_task_view t;
    struct task_report *was = malloc(sizeof *was);
    while (d < b->disputes->judged + DISPUTES_MAX && !(d->state == DISPUTE_RUNNING && d->run == run)) d++;
    if (was == NULL || d == b->disputes->judged + DISPUTES_MAX) {
        free(was);
        return;
    }
    d->state = DISPUTE_UNDECIDED;
    const char *text = "the run could not be repeated: it stays as it is";
    if (r->outcome == TASK_DONE && job_book_task(b->jobs, d->job, d->task, &t) && task_report_decode(t.report, was) == VL_OK) {
        struct vl_hash truth = receipt_output_root(r->outputs, r->n_outputs), accepted = receipt_output_root(was->outputs, was->n_outputs);
        bool right = vl_hash_eq(truth, d->claimed), good = vl_hash_eq(truth, accepted);
        d->state = good ? DISPUTE_UPHELD : DISPUTE_OVERTURNED;
        text = good ? "run again: the accepted result is right" : "run again: the accepted result is WRONG";
        tell_reputation(b, d, d->node, d->epoch, right ? VERDICT_AGREED : VERDICT_WRONG); /* a dispute without ground costs as much */
        if (!good && t.has_node) tell_reputation(b, d, t.node, t.epoch, VERDICT_WRONG);
    }
    row_put(b, d);
    view_history(b, d->job, "dispute_ended", text, d->task, d->node);
    free(was);
}
