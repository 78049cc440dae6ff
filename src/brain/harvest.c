/* A harvested member: its owner's rules (fog/harvest.h) put into orders for worker and runner, and what it gave metered in sessions.
 *
 * A session begins when a task may run and ends when nothing is held any more and none may begin.  It is stored as it grows, so that a
 * node that dies loses a minute of it at most; the next start closes it.  Reports go first: when a session is told, the coordinator has
 * every receipt of it. */
#include "brain/harvest_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SESSION_LOCAL = 0 }; /* sequence of the item; the coordinator's accounts have another */

enum vl_err harvest_create(struct brain *b) {
    if (!b->cfg.harvest) return VL_OK;
    b->harvest = calloc(1, sizeof *b->harvest);
    if (b->harvest == NULL) return VL_ENOMEM;
    harvest_init(&b->harvest->core, b->now);
    b->harvest->told = (struct harvest_orders){ .cap_milli = UINT32_MAX };
    b->harvest->accounted_at = b->now;
    return VL_OK;
}

void harvest_destroy(struct brain *b) {
    free(b->harvest);
    b->harvest = NULL;
}

enum vl_err harvest_item(struct brain *b, const struct record *r) {
    return b->harvest ? harvest_restore(&b->harvest->core, b->now, r->bytes) : VL_OK;
}

/* ---- sessions ------------------------------------------------------------------------------------------------------- */

static void session_store(struct brain *b) {
    struct member_harvest *m = b->harvest;
    struct vl_buf buf;
    vl_buf_init(&buf, CONTRIBUTION_RECORD_MAX);
    if (contribution_encode(&m->session, &buf))
        out_of_memory(b);
    else
        item_put(b, ITEM_SESSION, b->self.b, SESSION_LOCAL, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
    m->stored_at = b->now;
}

/* Durable before it is sent; to ourselves when we are the coordinator. */
static void session_tell(struct brain *b) {
    struct vl_buf buf;
    vl_buf_init(&buf, CONTRIBUTION_RECORD_MAX);
    if (contribution_encode(&b->harvest->session, &buf))
        out_of_memory(b);
    else if (b->cfg.coordinator)
        contribution_message(b, b->self, vl_span(buf.p, buf.len));
    else if (b->member && message_send(b, b->coordinator, MIX_OFF, MSG_CONTRIBUTION, ENVELOPE_NORMAL, vl_span(buf.p, buf.len), NULL))
        note(b, VL_ELIMIT, b->self, "a contribution could not be told: the outbox is full");
    vl_buf_free(&buf);
    b->harvest->told_at = b->now;
}

static void session_keep(struct brain *b) { /* what this member's own gateway shows; the coordinator keeps its own row */
    struct contribution_row row = { .claimed = b->harvest->session };
    struct vl_buf buf;
    if (b->cfg.coordinator) return;
    vl_buf_init(&buf, CONTRIBUTION_RECORD_MAX);
    if (contribution_row_encode(&row, &buf))
        out_of_memory(b);
    else
        item_put(b, ITEM_CONTRIBUTION, b->self.b, row.claimed.start_ms, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static void session_open(struct brain *b) {
    struct member_harvest *m = b->harvest;
    m->session = (struct contribution){ .start_ms = b->now, .end_ms = b->now, .open = true };
    m->network_seen = m->network;
    m->in_session = true;
    session_store(b);
    session_tell(b);
}

static void session_close(struct brain *b) {
    struct member_harvest *m = b->harvest;
    m->session.open = false;
    m->in_session = false;
    session_tell(b);
    session_keep(b);
    item_remove(b, ITEM_SESSION, b->self.b, SESSION_LOCAL);
}

enum vl_err harvest_session_restore(struct brain *b, const struct record *r) {
    struct contribution c;
    if (r->number != SESSION_LOCAL) return contribution_restore(b, r);
    enum vl_err err = contribution_decode(r->bytes, &c);
    if (err || b->harvest == NULL) return err;
    b->harvest->session = c;
    b->harvest->in_session = b->harvest->left_over = true;
    return VL_OK;
}

/* Time since the last look goes to the state that lasted until now. */
static void account(struct brain *b) {
    struct member_harvest *m = b->harvest;
    uint64_t passed = b->now > m->accounted_at ? b->now - m->accounted_at : 0;
    m->accounted_at = b->now;
    if (!m->in_session) return;
    if (m->core.state == HARVEST_PAUSED) m->session.frozen_ms += passed;
    if (m->core.state == HARVEST_THROTTLED) m->session.throttled_ms += passed;
    m->session.end_ms = b->now;
    m->session.network_bytes += m->network - m->network_seen;
    m->network_seen = m->network;
}

static void session_step(struct brain *b) {
    struct member_harvest *m = b->harvest;
    bool working = m->core.state == HARVEST_RUNNING || m->core.state == HARVEST_THROTTLED;
    if (!m->in_session && working) {
        session_open(b);
    } else if (m->in_session) {
        /* between two tasks a session goes on: it ends when none may begin */
        bool over = !m->core.orders.may_start && m->core.running == 0 && b->tasks == NULL;
        if (over && b->now - m->session.start_ms >= HARVEST_SESSION_MIN_MS) {
            session_close(b);
        } else {
            if (b->now - m->stored_at >= HARVEST_STORE_MS) session_store(b);
            if (b->now - m->told_at >= HARVEST_TELL_MS) session_tell(b);
        }
    }
}

void harvest_task_ended(struct brain *b, const struct wtask *t, const struct brain_task_end *end) {
    struct member_harvest *m = b->harvest;
    if (m == NULL || !m->in_session) return;
    struct contribution *c = &m->session;
    c->cpu_us += end->cpu_us;
    if (t != NULL && t->state == W_RUNNING) {
        uint64_t s = b->now > t->started_ms ? (b->now - t->started_ms + 999) / 1000 : 0;
        c->memory_byte_s += end->peak_bytes <= TASK_MEMORY_MAX ? end->peak_bytes * s : 0;
        c->done += end->outcome == TASK_DONE;
        c->failed += end->outcome == TASK_FAILED;
        for (size_t i = 0; i < end->outputs_n; i++) c->storage_bytes += end->outputs[i].size;
    }
    account(b);
    session_store(b); /* in the commit of its report */
}

/* ---- orders --------------------------------------------------------------------------------------------------------- */

static void tell_state(struct brain *b, enum harvest_state before) {
    struct member_harvest *m = b->harvest;
    char why[HARVEST_REASON_TEXT], text[200];
    bool stands = m->core.state == HARVEST_PAUSED || m->core.state == HARVEST_THROTTLED;
    harvest_reason_format(&m->core.reason, why);
    snprintf(text, sizeof text, "harvest: %s, was %s%s%s", harvest_state_text(m->core.state), harvest_state_text(before),
             why[0] ? ": " : "", why);
    note(b, VL_OK, b->self, text);
    if (b->started) b->heartbeat_at = b->now; /* the coordinator hears of it at once */
    if (stands) worker_frozen(b);
}

static void apply(struct brain *b, enum harvest_state before) {
    struct member_harvest *m = b->harvest;
    const struct harvest_orders *o = &m->core.orders;
    if (m->core.state != before) tell_state(b, before);
    if (o->memory_percent != m->told.memory_percent && b->started) b->heartbeat_at = b->now;
    if (o->cap_milli != m->told.cap_milli || o->bandwidth_bps != m->told.bandwidth_bps) {
        struct brain_effect *e = effect_now(b, BRAIN_HARVEST, (struct vl_span){ 0 }, NULL);
        e->index = o->cap_milli;
        e->length = o->bandwidth_bps;
    }
    m->told = *o;
    if (o->hand_back) {
        char why[HARVEST_REASON_TEXT], text[200];
        harvest_reason_format(&m->core.reason, why);
        snprintf(text, sizeof text, "given back by its machine's owner: %s", why);
        m->session.handed_back += worker_hand_back(b, text);
    }
    if (m->core.dirty) {
        struct vl_buf buf;
        static const uint8_t nobody[32];
        vl_buf_init(&buf, HARVEST_RECORD_MAX);
        if (harvest_encode(&m->core, b->now, &buf))
            out_of_memory(b);
        else
            item_put(b, ITEM_HARVEST, nobody, 0, vl_span(buf.p, buf.len));
        vl_buf_free(&buf);
    }
}

/* Until orders and what they make of the worker agree: tasks handed back leave nothing to run. */
static void step(struct brain *b, const struct machine_reading *reading) {
    struct member_harvest *m = b->harvest;
    account(b);
    for (unsigned i = 0; i < 3; i++) {
        enum harvest_state before = m->core.state;
        uint32_t running = worker_active(b);
        harvest_step(&m->core, &(struct harvest_input){
                                   .now = b->now, .local_minute = m->local_minute, .running = running, .reading = reading });
        apply(b, before);
        reading = NULL;
        if (worker_active(b) == running) break;
    }
    session_step(b);
}

bool harvest_may_start(const struct brain *b) { return b->harvest == NULL || b->harvest->core.orders.may_start; }

uint64_t harvest_memory(const struct brain *b) {
    if (b->harvest == NULL) return UINT64_MAX; /* the coordinator reckons */
    return b->cfg.caps.memory_bytes / 100 * b->harvest->core.orders.memory_percent;
}

void harvest_heartbeat(const struct brain *b, struct heartbeat *h) {
    if (b->harvest == NULL) return;
    h->harvest = b->harvest->core.orders.says;
    h->caps.memory_bytes = h->memory_free_bytes = harvest_memory(b);
}

void harvest_work_changed(struct brain *b) {
    if (b->harvest && worker_active(b) != b->harvest->core.running) step(b, NULL);
}

void harvest_start(struct brain *b) {
    struct member_harvest *m = b->harvest;
    if (m == NULL) return;
    m->accounted_at = b->now;
    if (m->left_over) session_close(b); /* it ended with the process before */
    m->left_over = false;
    step(b, NULL);
}

void harvest_tick(struct brain *b) {
    if (b->harvest && harvest_deadline(&b->harvest->core) <= b->now) step(b, NULL);
}

vl_ms harvest_due(const struct brain *b) { return b->harvest ? harvest_deadline(&b->harvest->core) : VL_MS_NEVER; }

/* ---- calls ---------------------------------------------------------------------------------------------------------- */

void brain_harvest(struct brain *b, vl_ms now, const struct brain_harvest_input *in) {
    if (b->harvest == NULL) return;
    step_begin(b, now);
    b->harvest->local_minute = in->local_minute;
    b->harvest->network = in->blob_bytes;
    bool waited = !harvest_may_start(b);
    step(b, in->reading);
    if (waited && harvest_may_start(b)) worker_go_on(b);
    step_end(b);
}

static bool refuse(struct brain *b, uint64_t token) {
    if (b->harvest) return false;
    reply(b, token, VL_ESTATE, "this node is not harvested: it was started without --harvest", (struct vl_span){ 0 });
    return true;
}

void brain_harvest_policy(struct brain *b, vl_ms now, uint64_t token, const struct harvest_policy *p) {
    struct vl_errmsg why = { "" };
    step_begin(b, now);
    if (!refuse(b, token)) {
        enum vl_err err = harvest_policy_check(p, &why);
        if (err == VL_OK) {
            harvest_policy_take(&b->harvest->core, p);
            step(b, NULL);
            worker_go_on(b);
        }
        reply(b, token, err, err ? why.text : NULL, (struct vl_span){ 0 });
    }
    step_end(b);
}

void brain_harvest_pause(struct brain *b, vl_ms now, uint64_t token, bool pause, vl_ms duration) {
    step_begin(b, now);
    if (!refuse(b, token)) {
        if (pause)
            harvest_pause(&b->harvest->core, b->now, duration);
        else
            harvest_resume(&b->harvest->core);
        step(b, NULL);
        worker_go_on(b);
        reply(b, token, VL_OK, NULL, (struct vl_span){ 0 });
    }
    step_end(b);
}

const struct harvest *brain_harvest_view(const struct brain *b) { return b->harvest ? &b->harvest->core : NULL; }

const struct contribution *brain_harvest_session(const struct brain *b) {
    return b->harvest && b->harvest->in_session ? &b->harvest->session : NULL;
}
