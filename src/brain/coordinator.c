/* The coordinator's side of work: registry and job book, their records, and placing what is ready. */
#include "brain/priv.h"

#include "crypto/hash.h"
#include "fog/receipt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>


enum vl_err coordinator_create(struct brain *b) {
    struct registry_config rc;
    struct job_config jc;
    struct crypto_sign_key root;
    registry_config_defaults(&rc);
    rc.seed = vl_prng_next(&b->rng);
    rc.self = b->self;
    if (b->cfg.lost_ms) {
        rc.lost_ms = b->cfg.lost_ms;
        rc.suspect_ms = b->cfg.lost_ms * 2 / 3;
    }
    job_config_defaults(&jc);
    jc.seed = vl_prng_next(&b->rng);
    if (b->cfg.lost_ms) jc.lease_ms = jc.accept_ms = b->cfg.lost_ms;
    crypto_sign_key_from_seed(b->cfg.root_seed, &root);
    b->membership = membership_create(&root, 0, VL_NODES_MAX, vl_prng_next(&b->rng));
    crypto_sign_key_wipe(&root);
    b->registry = registry_create(&rc);
    b->jobs = job_book_create(&jc);
    b->registry_fx = calloc(1, sizeof *b->registry_fx);
    enum vl_err err = load_create(b);
    if (err == VL_OK) err = placing_create(b);
    if (err == VL_OK) err = standing_create(b);
    if (err == VL_OK) err = quorum_create(b);
    if (err == VL_OK) err = bench_create(b);
    if (err == VL_OK) err = verify_create(b);
    if (err == VL_OK) err = receipts_create(b);
    if (err == VL_OK) err = chain_create(b);
    return err == VL_OK && !(b->membership && b->registry && b->jobs && b->registry_fx) ? VL_ENOMEM : err;
}

void coordinator_destroy(struct brain *b) {
    quorum_destroy(b);
    membership_destroy(b->membership);
    registry_destroy(b->registry);
    job_book_destroy(b->jobs);
    job_effects_free(&b->job_fx);
    standing_destroy(b);
    verify_destroy(b);
    chain_destroy(b);
    receipts_destroy(b);
    bench_destroy(b);
    free(b->registry_fx);
    placing_destroy(b);
    free(b->changed);
    load_destroy(b);
    for (struct offer *o; (o = b->offers); free(o)) b->offers = o->next;
}

/* ---- effects of the job book ------------------------------------------------------------------------------------ */

static void assign(struct brain *b, const struct job_effect *fx) {
    struct job_names *names = malloc(sizeof *names);
    struct assignment *a = malloc(sizeof *a);
    struct vl_buf buf;
    vl_buf_init(&buf, VL_PAYLOAD_MAX);
    enum vl_err err = names && a ? job_book_assignment(b->jobs, fx->job, fx->task, fx->epoch, names, a) : VL_ENOMEM;
    if (err == VL_OK) err = assignment_encode(a, &buf);
    if (err == VL_OK && vl_node_eq(fx->node, b->self))
        held_inside(b, OUT_SELF_ASSIGN, b->self, LANE_MESSAGE, 0, vl_span(buf.p, buf.len));
    else if (err == VL_OK)
        err = message_send(b, fx->node, a->privacy, MSG_ASSIGN, (enum envelope_priority)(a->priority - TASK_CRITICAL),
                           vl_span(buf.p, buf.len), NULL);
    if (err) note(b, err, fx->node, "an assignment could not be sent; the task is placed again when its lease ends");
    coordinator_registry(b, &(struct registry_event){ .kind = REGISTRY_SENT, .now = b->now, .node = fx->node });
    free(names);
    free(a);
    vl_buf_free(&buf);
}

static void revoke_run(struct brain *b, const struct job_effect *fx) {
    struct vl_buf buf;
    vl_buf_init(&buf, 256);
    if (revoke_encode(&(struct revoke){ .job = fx->job, .task = fx->task, .epoch = fx->epoch }, &buf) == VL_OK) {
        if (vl_node_eq(fx->node, b->self))
            held_inside(b, OUT_SELF_REVOKE, b->self, LANE_MESSAGE, 0, vl_span(buf.p, buf.len));
        else
            vl_ignore(message_send(b, fx->node, MIX_OFF, MSG_REVOKE, ENVELOPE_HIGH, vl_span(buf.p, buf.len), NULL));
    }
    vl_buf_free(&buf);
}

static void forgotten(struct brain *b, struct vl_job_id id) {
    record_add(b, RECORD_JOB, id.b, sizeof id.b, (struct vl_span){ 0 }, (struct vl_span){ 0 })->remove = true;
    quorum_job_forgotten(b, id);
    remote_in_forgotten(b, id);
}

/* A step that places a page of tasks changes few jobs many times: only the last word is worth a row. */
static void changed(struct brain *b, struct vl_job_id job) {
    enum { LOOK_BACK = 8 }; /* jobs come in order; a row written twice does no harm */
    for (size_t i = b->changed_n; i > 0 && i + LOOK_BACK > b->changed_n; i--)
        if (vl_job_eq(b->changed[i - 1], job)) return;
    if (b->changed_n == b->changed_cap) {
        size_t cap = b->changed_cap ? b->changed_cap * 2 : 16;
        struct vl_job_id *v = realloc(b->changed, cap * sizeof *v);
        if (v == NULL) {
            out_of_memory(b);
            return;
        }
        b->changed = v;
        b->changed_cap = cap;
    }
    b->changed[b->changed_n++] = job;
}

void coordinator_views(struct brain *b) {
    for (size_t i = 0; i < b->changed_n; i++) {
        view_job(b, b->changed[i]);
        remote_in_changed(b, b->changed[i]);
    }
    b->changed_n = 0;
}

static void job_effect(struct brain *b, const struct job_effects *fx, uint32_t i) {
    const struct job_effect *e = &fx->v[i];
    if (e->kind == JOB_FX_ASSIGN || e->kind == JOB_FX_REVOKE || e->kind == JOB_FX_VERDICT) placing_touch(b, e->node);
    switch (e->kind) {
    case JOB_FX_ASSIGN:
        assign(b, e);
        return;
    case JOB_FX_REVOKE:
        revoke_run(b, e);
        return;
    case JOB_FX_JOB_CHANGED:
        changed(b, e->job);
        return;
    case JOB_FX_TASK_CHANGED:
        for (uint32_t k = i + 1; k < fx->n; k++)
            if (fx->v[k].kind == JOB_FX_TASK_CHANGED && fx->v[k].task == e->task && vl_job_eq(fx->v[k].job, e->job))
                return;
        view_task(b, e->job, e->task);
        return;
    case JOB_FX_HISTORY:
        view_history(b, e->job, job_history_text(e->history), e->detail, e->task, e->node);
        return;
    case JOB_FX_FORGOTTEN:
        forgotten(b, e->job);
        return;
    case JOB_FX_JOB_ENDED:
        placing_forget(b, e->job);
        quorum_job_ended(b, e->job);
        trade_job_ended(b, e->job, e->state);
        return; /* told by JOB_CHANGED */
    case JOB_FX_VERDICT:
        b->counters.lost += e->verdict == VERDICT_LOST;
        standing_verdict(b, e);
        verify_verdict(b, e);
        trade_verdict(b, e);
        return;
    case JOB_FX_REVEAL:
        verify_reveal(b, e);
        return;
    }
}

enum vl_err coordinator_job(struct brain *b, const struct job_event *ev) {
    struct job_effects fx = b->job_fx;
    struct vl_buf buf;
    b->job_fx = (struct job_effects){ 0 };
    enum vl_err err = job_book_step(b->jobs, ev, &fx);
    if (err == VL_ENOMEM) out_of_memory(b);
    if (err == VL_OK && fx.changed) {
        vl_buf_init(&buf, JOB_SPEC_MAX + 65536);
        if (job_event_encode(ev, &buf))
            out_of_memory(b);
        else
            record_add(b, RECORD_LOG, NULL, 0, (struct vl_span){ 0 }, vl_span(buf.p, buf.len));
        vl_buf_free(&buf);
        b->log_events++;
        for (uint32_t i = 0; i < fx.n; i++) job_effect(b, &fx, i);
        if (ev->kind == JOB_EV_SUBMIT) trade_job_submitted(b, ev->job, ev->spec);
        b->schedule_due = true;
    }
    job_effects_free(&b->job_fx);
    b->job_fx = fx;
    return err;
}

/* ---- effects of the registry ------------------------------------------------------------------------------------- */

static void node_put(struct brain *b, struct vl_node_id id) {
    const struct node_record *n = registry_get(b->registry, id);
    struct vl_buf buf;
    if (n == NULL) return;
    vl_buf_init(&buf, REGISTRY_RECORD_MAX);
    if (registry_record_encode(n, &buf)) {
        out_of_memory(b);
    } else {
        struct record *r = record_add(b, RECORD_NODE, id.b, sizeof id.b, vl_span_str(n->name), vl_span(buf.p, buf.len));
        r->state = (int32_t)n->state;
        r->at_ms = n->joined_ms;
        r->number = n->seen_ms;
    }
    vl_buf_free(&buf);
}

static void topology_put(struct brain *b) {
    struct topology t;
    struct vl_buf buf;
    if (!registry_topology_at(b->registry, 0, &t)) return;
    vl_buf_init(&buf, 65536);
    if (topology_row_encode(&(struct topology_row){ .at_ms = t.at_ms,
                                                    .nodes = t.nodes,
                                                    .active = t.active,
                                                    .offline = t.offline,
                                                    .self = b->self,
                                                    .n_links = t.n_links,
                                                    .links = t.links },
                            &buf) == VL_OK)
        record_add(b, RECORD_TOPOLOGY, NULL, 0, (struct vl_span){ 0 }, vl_span(buf.p, buf.len))->at_ms = t.at_ms;
    vl_buf_free(&buf);
}

void coordinator_registry(struct brain *b, const struct registry_event *ev) {
    struct registry_effects *fx = malloc(sizeof *fx); /* a lost node makes the job book assign, which comes back here */
    if (fx == NULL) {
        out_of_memory(b);
        return;
    }
    enum vl_err err = registry_step(b->registry, ev, fx);
    if (err == VL_ENOMEM) out_of_memory(b);
    if (err && err != VL_ENOTFOUND) b->counters.messages_bad++;
    for (uint32_t i = 0; err == VL_OK && i < fx->n; i++) {
        const struct registry_effect *e = &fx->v[i];
        if (e->kind != REGISTRY_PARTITION && e->kind != REGISTRY_TOPOLOGY) placing_touch(b, e->node);
        switch (e->kind) {
        case REGISTRY_NODE_CHANGED:
            if (e->persist) node_put(b, e->node);
            quorum_node(b, e->node);
            if (e->persist) quorum_node_save(b, e->node);
            effect_held(b, BRAIN_NODE_CHANGED, (struct vl_span){ 0 }, NULL)->node = e->node;
            b->schedule_due = true;
            break;
        case REGISTRY_NODE_REMOVED:
            trade_node_lost(b, e->node);
            record_add(b, RECORD_NODE, e->node.b, sizeof e->node.b, (struct vl_span){ 0 }, (struct vl_span){ 0 })
                ->remove = true;
            item_remove(b, ITEM_STANDING, e->node.b, 0);
            quorum_node(b, e->node);
            effect_held(b, BRAIN_NODE_CHANGED, (struct vl_span){ 0 }, NULL)->node = e->node;
            vl_ignore(
                coordinator_job(b, &(struct job_event){ .kind = JOB_EV_NODE_LOST, .now = b->now, .node = e->node }));
            break;
        case REGISTRY_NODE_LOST:
            note(b, VL_ETIMEOUT, e->node, "node lost: its tasks are moved");
            quorum_node(b, e->node);
            trade_node_lost(b, e->node);
            vl_ignore(
                coordinator_job(b, &(struct job_event){ .kind = JOB_EV_NODE_LOST, .now = b->now, .node = e->node }));
            break;
        case REGISTRY_NODE_SUSPECT:
            note(b, VL_ETIMEOUT, e->node, "node silent: it gets no new tasks");
            break;
        case REGISTRY_NODE_BACK:
            note(b, VL_OK, e->node, "node is back");
            break; /* its heartbeat is compared anyway */
        case REGISTRY_PARTITION:
            note(b, VL_ETIMEOUT, b->self, "many nodes lost at once: waiting before tasks are moved");
            break;
        case REGISTRY_TOPOLOGY:
            topology_put(b);
            break;
        case REGISTRY_NODE_STANDING:
            conduct_put(b, e->node);
            break;
        }
    }
    free(fx);
}

void coordinator_heartbeat(struct brain *b, struct vl_node_id node, const struct heartbeat *h) {
    const struct node_record *known = registry_get(b->registry, node);
    /* A new process holds nothing of what the old one ran: no need to wait for what might still be on its way. */
    bool restarted = known && known->started_ms != 0 && known->started_ms != h->started_ms;
    b->counters.heartbeats++;
    coordinator_registry(
        b, &(struct registry_event){ .kind = REGISTRY_HEARTBEAT, .now = b->now, .node = node, .heartbeat = h });
    if (restarted || job_book_differs(b->jobs, b->now, node, h->running, h->n_running))
        vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_NODE_BACK,
                                                          .now = b->now,
                                                          .node = node,
                                                          .running = h->running,
                                                          .n_running = h->n_running,
                                                          .restarted = restarted }));
    b->schedule_due = true;
}

void coordinator_status(struct brain *b, struct vl_node_id node, struct vl_span body) {
    static const enum job_event_kind kinds[] = { [TASK_ACCEPTED] = JOB_EV_ACCEPTED,
                                                 [TASK_STARTED] = JOB_EV_STARTED,
                                                 [TASK_FROZEN] = JOB_EV_FROZEN };
    struct task_status s;
    if (task_status_decode(body, &s)) {
        b->counters.messages_bad++;
        return;
    }
    enum vl_err err =
        coordinator_job(b, &(struct job_event){ .kind = kinds[s.phase],
                                                .now = b->now,
                                                .job = s.job,
                                                .task = s.task,
                                                .epoch = s.epoch,
                                                .node = node });
    if (err) b->counters.reports_stale++;
}

/* Small outputs came inside the report: they become blobs of ours in the same transaction. */
static void outputs_keep(struct brain *b, const struct task_report *r) {
    for (uint32_t i = 0; i < r->n_outputs; i++)
        if (r->outputs[i].inline_bytes.n > 0)
            record_add(b, RECORD_BLOB, r->outputs[i].hash.b, sizeof r->outputs[i].hash.b, (struct vl_span){ 0 },
                       r->outputs[i].inline_bytes);
}

static bool outputs_true(const struct task_report *r) {
    for (uint32_t i = 0; i < r->n_outputs; i++) {
        struct vl_hash h;
        if (r->outputs[i].inline_bytes.n == 0) continue;
        crypto_blake2b256(r->outputs[i].inline_bytes, &h);
        if (!vl_hash_eq(h, r->outputs[i].hash)) return false;
    }
    return true;
}

/* The receipt names the program and the inputs that were assigned, is signed by the sender and covers these outputs. Of
 * a run that is over, the assignment is gone and the report will be stale anyway. */
static bool receipt_true(const struct brain *b, struct vl_node_id node, const struct task_report *r) {
    struct job_names *names = malloc(sizeof *names);
    struct assignment *a = malloc(sizeof *a);
    bool known = names && a && job_book_assignment(b->jobs, r->job, r->task, r->epoch, names, a) == VL_OK;
    bool ok = receipt_check(r, node, known ? &a->spec : NULL) == VL_OK;
    free(names);
    free(a);
    return ok;
}

void coordinator_report(struct brain *b, struct vl_node_id node, struct vl_span body) {
    struct task_report *r = malloc(sizeof *r);
    struct vl_buf buf;
    if (r == NULL) {
        out_of_memory(b);
        return;
    }
    enum vl_err err = task_report_decode(body, r);
    if (err == VL_OK && r->has_receipt && membership_get(b->membership, node) == NULL)
        err = roster_signed_at(b->roster, node, r->receipt.ended_ms);
    if (err == VL_OK && (!outputs_true(r) || (r->outcome == TASK_DONE && !receipt_true(b, node, r)))) err = VL_ECRYPTO;
    if (err) {
        b->counters.messages_bad++;
        note(b, err, node, "a report was refused: malformed, or its receipt or outputs are not what they claim");
        free(r);
        return;
    }
    b->counters.reports++;
    struct job_ruling ruling = { 0 };
    bool taken = r->outcome != TASK_DONE || verify_ruling(b, node, r, &ruling);
    standing_metered(b, node, r);
    struct sched_load held = job_book_on_node(b->jobs, node);
    uint64_t limit = conduct_limit(b, r);
    err = coordinator_job(b, &(struct job_event){ .kind = JOB_EV_REPORT,
                                                  .now = b->now,
                                                  .job = r->job,
                                                  .task = r->task,
                                                  .epoch = r->epoch,
                                                  .node = node,
                                                  .report = r,
                                                  .ruling = ruling });
    if (err == VL_OK && ruling.rule == JOB_RULE_REFEREE) verify_referee(b, r);
    if (err) {
        b->counters.reports_stale++;
    } else {
        if (taken) outputs_keep(b, r);
        bench_report(b, node, r);
        vl_buf_init(&buf, 1024);
        if (taken && r->has_receipt && receipt_encode(&r->receipt, &buf) == VL_OK) {
            struct record *rec = record_add(b, RECORD_RECEIPT, r->job.b, sizeof r->job.b, (struct vl_span){ 0 },
                                            vl_span(buf.p, buf.len));
            rec->index = r->task;
            rec->number = r->epoch;
            receipts_add(b, &r->receipt, vl_span(buf.p, buf.len));
            contribution_receipt(b, node, r->receipt.cpu_us);
        }
        vl_buf_free(&buf);
        conduct(b, node, r, &held, limit);
    }
    placing_touch(b, node);
    b->schedule_due = true;
    free(r);
}
