/* The coordinator's side of work: registry and job book, their records, and placing what is ready. */
#include "brain/priv.h"

#include "crypto/hash.h"
#include "fog/receipt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_BATCH 256u     /* tasks placed in one step: bounds the step and its transaction */
#define PLACE_PAGES 16u      /* of as many tasks looked at in one step */
#define PLACE_AGAIN_MS 1000u /* the private network is busy */

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
    b->strategy = sched_strategy_find("least_loaded");
    assert(b->strategy != NULL);
    return b->membership && b->registry && b->jobs && b->registry_fx && verify_create(b) == VL_OK && receipts_create(b) == VL_OK ? standing_create(b) : VL_ENOMEM;
}

void coordinator_destroy(struct brain *b) {
    membership_destroy(b->membership);
    registry_destroy(b->registry);
    job_book_destroy(b->jobs);
    job_effects_free(&b->job_fx);
    standing_destroy(b);
    verify_destroy(b);
    receipts_destroy(b);
    free(b->registry_fx);
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
    remote_in_forgotten(b, id);
}

static void job_effect(struct brain *b, const struct job_effects *fx, uint32_t i) {
    const struct job_effect *e = &fx->v[i];
    switch (e->kind) {
    case JOB_FX_ASSIGN:
        assign(b, e);
        return;
    case JOB_FX_REVOKE:
        revoke_run(b, e);
        return;
    case JOB_FX_JOB_CHANGED:
        for (uint32_t k = i + 1; k < fx->n; k++) /* only the last word of a step is worth a row */
            if (fx->v[k].kind == JOB_FX_JOB_CHANGED && vl_job_eq(fx->v[k].job, e->job)) return;
        view_job(b, e->job);
        remote_in_changed(b, e->job);
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
        return; /* told by JOB_CHANGED */
    case JOB_FX_VERDICT:
        standing_verdict(b, e);
        verify_verdict(b, e);
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
        switch (e->kind) {
        case REGISTRY_NODE_CHANGED:
            if (e->persist) node_put(b, e->node);
            effect_held(b, BRAIN_NODE_CHANGED, (struct vl_span){ 0 }, NULL)->node = e->node;
            b->schedule_due = true;
            break;
        case REGISTRY_NODE_REMOVED:
            record_add(b, RECORD_NODE, e->node.b, sizeof e->node.b, (struct vl_span){ 0 }, (struct vl_span){ 0 })
                ->remove = true;
            effect_held(b, BRAIN_NODE_CHANGED, (struct vl_span){ 0 }, NULL)->node = e->node;
            vl_ignore(
                coordinator_job(b, &(struct job_event){ .kind = JOB_EV_NODE_LOST, .now = b->now, .node = e->node }));
            break;
        case REGISTRY_NODE_LOST:
            note(b, VL_ETIMEOUT, e->node, "node lost: its tasks are moved");
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
    struct task_status s;
    if (task_status_decode(body, &s)) {
        b->counters.messages_bad++;
        return;
    }
    enum vl_err err =
        coordinator_job(b, &(struct job_event){ .kind = s.phase == TASK_STARTED ? JOB_EV_STARTED : JOB_EV_ACCEPTED,
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
    if (err == VL_OK && (!outputs_true(r) || (r->outcome == TASK_DONE && !receipt_true(b, node, r)))) err = VL_ECRYPTO;
    if (err) {
        b->counters.messages_bad++;
        note(b, err, node, "a report was refused: malformed, or its receipt or outputs are not what they claim");
        free(r);
        return;
    }
    b->counters.reports++;
    struct job_ruling ruling = { 0 };
    if (r->outcome == TASK_DONE) ruling = verify_ruling(b, node, r);
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
        outputs_keep(b, r);
        vl_buf_init(&buf, 1024);
        if (r->has_receipt && receipt_encode(&r->receipt, &buf) == VL_OK) {
            struct record *rec = record_add(b, RECORD_RECEIPT, r->job.b, sizeof r->job.b, (struct vl_span){ 0 },
                                            vl_span(buf.p, buf.len));
            rec->index = r->task;
            rec->number = r->epoch;
            receipts_add(b, &r->receipt, vl_span(buf.p, buf.len));
        }
        vl_buf_free(&buf);
        if (r->outcome == TASK_DONE || r->outcome == TASK_REFUSED) /* a program's own failure is not the node's */
            coordinator_registry(
                b, &(struct registry_event){
                       .kind = REGISTRY_RESULT, .now = b->now, .node = node, .flag = r->outcome == TASK_DONE });
    }
    b->schedule_due = true;
    free(r);
}

/* ---- placing ------------------------------------------------------------------------------------------------------
 */

/* Nodes with room, sorted by id; a worker holds a few assignments ahead of its slots, so that it never waits for us.
 * `pardon`: SCHED_* bits that do not count.  *ret_sound: nodes without any other, whether they have room or not. */
static uint32_t nodes_with_room(struct brain *b, uint32_t pardon, struct sched_node *v, uint32_t max,
                                uint32_t *ret_slots, uint32_t *ret_sound) {
    uint32_t n = 0, slots = 0, sound = 0;
    const struct node_record *r = NULL;
    while (n < max && (r = registry_next(b->registry, r ? &r->id : NULL)) != NULL) {
        struct sched_load load = job_book_on_node(b->jobs, r->id);
        uint32_t held = load.running, ahead = r->caps.slots * BRAIN_QUEUE_FACTOR;
        registry_sched_node(r, b->now, &load, &v[n]);
        v[n].blocked &= ~pardon;
        v[n].features &= ~NODE_FEATURE_PRIVATE;
        if (mix_reaches(b, r->id)) v[n].features |= NODE_FEATURE_PRIVATE;
        if (v[n].blocked || ahead == 0) continue;
        sound++;
        if (held >= ahead) continue;
        v[n].slots = ahead;
        v[n].free_slots = ahead - held;
        slots += v[n].free_slots;
        struct standing s = standing_of(b, r->id);
        v[n].trust_milli = s.trust_milli, v[n].doubt_milli = s.doubt_milli;
        v[n].attested |= verify_audited(b, r->id);
        n++;
    }
    *ret_slots = slots;
    *ret_sound = sound;
    return n;
}

/* Nodes that come and go are left out while there are others; where all do, as in a house with bad radio, they are what
 * there is. */
static uint32_t nodes_for_placing(struct brain *b, struct sched_node *v, uint32_t max, uint32_t *ret_slots) {
    uint32_t sound = 0, n = nodes_with_room(b, 0, v, max, ret_slots, &sound);
    return sound > 0 ? n : nodes_with_room(b, SCHED_FLAPPING, v, max, ret_slots, &sound);
}

struct placing {
    struct sched_node *nodes;
    uint32_t nodes_n, private_room; /* private_room: assignments that the private network takes now */
    struct sched_task *tasks;
    struct sched_choice *choice;
    uint32_t placed;
    bool again; /* something waits for the private network to get through what it has */
};

static bool private_task(const struct sched_task *t) { return (t->features & NODE_FEATURE_PRIVATE) != 0; }

static void place(struct brain *b, struct placing *p, uint32_t got) {
    for (uint32_t i = 0; i < got; i++) {
        if (p->choice[i].reason != SCHED_PLACED) continue;
        if (private_task(&p->tasks[i]) && p->private_room == 0) {
            p->again = true;
            continue;
        }
        if (coordinator_job(b, &(struct job_event){ .kind = JOB_EV_PLACED,
                                                    .now = b->now,
                                                    .job = p->tasks[i].job,
                                                    .task = p->tasks[i].task,
                                                    .node = p->nodes[p->choice[i].node].id }))
            continue;
        p->private_room -= private_task(&p->tasks[i]);
        b->counters.placed++;
        p->placed++;
    }
}

/* Pages of the queue until the slots are given away: tasks that nobody can take now (there is no private network, no node of
 * that kind) must not keep those behind them waiting. */
static void place_pages(struct brain *b, struct placing *p, uint32_t slots) {
    struct job_cursor cursor = { 0 };
    for (uint32_t page = 0; page < PLACE_PAGES && p->placed < slots && p->placed < PLACE_BATCH; page++) {
        uint32_t got = job_book_ready(b->jobs, &cursor, p->tasks, PLACE_BATCH);
        if (got == 0 ||
            sched_place(b->strategy, &b->sched_state, p->nodes, p->nodes_n, p->tasks, got, p->choice) != VL_OK)
            return;
        place(b, p, got);
        if (got < PLACE_BATCH) return;
    }
}

void coordinator_schedule(struct brain *b) {
    struct job_stats stats;
    b->schedule_due = false;
    if (!b->started) return;
    job_book_stats(b->jobs, &stats);
    if (stats.ready == 0) return;
    uint32_t count = registry_count(b->registry), slots = 0;
    struct placing p = { .nodes = calloc(count ? count : 1, sizeof *p.nodes), .private_room = mix_room(b) };
    if (p.nodes) p.nodes_n = nodes_for_placing(b, p.nodes, count, &slots);
    for (uint32_t i = 0; p.private_room == 0 && i < p.nodes_n; i++) {
        p.nodes[i].features &= ~NODE_FEATURE_PRIVATE;
        p.again = true;
    }
    if (slots > 0) {
        p.tasks = calloc(PLACE_BATCH, sizeof *p.tasks);
        p.choice = calloc(PLACE_BATCH, sizeof *p.choice);
        if (p.tasks && p.choice) place_pages(b, &p, slots);
    }
    b->schedule_due = false; /* placing itself is no reason to place again in this step */
    b->schedule_at = p.placed >= PLACE_BATCH ? b->now : p.again ? b->now + PLACE_AGAIN_MS : VL_MS_NEVER;
    free(p.nodes);
    free(p.tasks);
    free(p.choice);
}
