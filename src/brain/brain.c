#include "brain/brain.h"

#include "brain/priv.h"

#include "crypto/random.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- effects -------------------------------------------------------------------------------------------------- */

void out_of_memory(struct brain *b) { b->out_of_memory = true; }

static void list_push(struct out_list *l, struct out *o) {
    o->next = NULL;
    *l->last = o;
    l->last = &o->next;
}

static struct out *list_pop(struct out_list *l) {
    struct out *o = l->first;
    if (o == NULL) return NULL;
    l->first = o->next;
    if (l->first == NULL) l->last = &l->first;
    return o;
}

static struct out *out_new(struct brain *b, enum out_kind kind, struct vl_span bytes, const char *detail) {
    size_t text = detail ? strlen(detail) + 1 : 0;
    struct out *o = calloc(1, sizeof *o + bytes.n + text);
    if (o == NULL) {
        out_of_memory(b);
        return NULL;
    }
    o->kind = kind;
    o->n = bytes.n;
    if (bytes.n) memcpy(o->bytes, bytes.p, bytes.n);
    o->effect.bytes = vl_span(o->bytes, bytes.n);
    if (text) o->effect.detail = memcpy(o->bytes + bytes.n, detail, text);
    return o;
}

static struct brain_effect *effect_push(struct brain *b, bool held, enum brain_effect_kind kind, struct vl_span bytes,
                                        const char *detail) {
    struct out *o = out_new(b, OUT_EFFECT, bytes, detail);
    if (o == NULL) return &b->scrap;
    o->effect.kind = kind;
    list_push(held ? &b->held : &b->due, o);
    if (held && b->step_first == NULL) b->step_first = o;
    return &o->effect;
}

struct brain_effect *effect_now(struct brain *b, enum brain_effect_kind kind, struct vl_span bytes,
                                const char *detail) {
    return effect_push(b, false, kind, bytes, detail);
}

struct brain_effect *effect_held(struct brain *b, enum brain_effect_kind kind, struct vl_span bytes,
                                 const char *detail) {
    return effect_push(b, true, kind, bytes, detail);
}

void held_inside(struct brain *b, enum out_kind kind, struct vl_node_id node, enum lane lane, uint8_t link_kind,
                 struct vl_span bytes) {
    struct out *o = out_new(b, kind, bytes, NULL);
    if (o == NULL) return;
    o->node = node;
    o->lane = lane;
    o->effect.index = link_kind;
    list_push(&b->held, o);
    if (b->step_first == NULL) b->step_first = o;
}

void reply(struct brain *b, uint64_t token, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct brain_effect *e = effect_held(b, BRAIN_REPLY, bytes, detail);
    e->token = token;
    e->err = err;
}

void reply_now(struct brain *b, uint64_t token, enum vl_err err, const char *detail, struct vl_span bytes) {
    struct brain_effect *e = effect_now(b, BRAIN_REPLY, bytes, detail);
    e->token = token;
    e->err = err;
}

void note(struct brain *b, enum vl_err err, struct vl_node_id node, const char *detail) {
    struct brain_effect *e = effect_now(b, BRAIN_NOTE, (struct vl_span){ 0 }, detail);
    e->err = err;
    e->node = node;
}

struct record *record_add(struct brain *b, enum record_kind kind, const void *key, size_t key_n, struct vl_span text,
                          struct vl_span bytes) {
    assert(key_n <= sizeof b->slots->r.key);
    if (b->slots_n == b->slots_cap) {
        size_t cap = b->slots_cap ? b->slots_cap * 2 : 16;
        struct record_slot *v = realloc(b->slots, cap * sizeof *v);
        if (v == NULL) {
            out_of_memory(b);
            return &b->slots[0].r; /* the step will not be committed */
        }
        b->slots = v;
        b->slots_cap = cap;
    }
    struct record_slot *s = &b->slots[b->slots_n];
    *s = (struct record_slot){ .r = { .kind = kind }, .text_at = b->arena.len, .bytes_at = b->arena.len + text.n };
    if (vl_buf_append(&b->arena, text.p, text.n) || vl_buf_append(&b->arena, bytes.p, bytes.n)) out_of_memory(b);
    s->r.text.n = text.n;
    s->r.bytes.n = bytes.n;
    if (key_n) memcpy(s->r.key, key, key_n);
    b->slots_n++;
    return &s->r;
}

void record_answer_add(struct brain *b, const struct record_answer *a) {
    struct record *r =
        record_add(b, RECORD_ANSWER, a->key.b, sizeof a->key.b, (struct vl_span){ 0 }, vl_span(a->answer, a->answer_n));
    r->at_ms = a->expires_ms;
    r->node = (struct vl_node_id){ 0 };
    memcpy(r->node.b, a->request.b, sizeof r->node.b);
}

void step_begin(struct brain *b, vl_ms now) {
    if (now > b->now) b->now = now;
    b->step_first = NULL;
}

/* Turns the records of the step into one COMMIT, which carries copies of them and of their bytes. */
static void step_commit(struct brain *b) {
    size_t head = b->slots_n * sizeof(struct record);
    struct out *o = calloc(1, sizeof *o + head + b->arena.len + sizeof(struct record));
    if (o == NULL) {
        out_of_memory(b);
        return;
    }
    /* the record array needs its alignment: `bytes` follows 8-byte members */
    struct record *v = (struct record *)(void *)(((uintptr_t)o->bytes + _Alignof(struct record) - 1) &
                                                 ~(uintptr_t)(_Alignof(struct record) - 1));
    uint8_t *data = (uint8_t *)(v + b->slots_n);
    if (b->arena.len) memcpy(data, b->arena.p, b->arena.len);
    for (size_t i = 0; i < b->slots_n; i++) {
        v[i] = b->slots[i].r;
        v[i].text.p = data + b->slots[i].text_at;
        v[i].bytes.p = data + b->slots[i].bytes_at;
    }
    o->kind = OUT_EFFECT;
    o->effect = (struct brain_effect){ .kind = BRAIN_COMMIT, .seq = ++b->seq, .records = v, .records_n = b->slots_n };
    load_committing(b, head + b->arena.len);
    list_push(&b->due, o);
    b->slots_n = 0;
    vl_buf_clear(&b->arena);
}

/* Closes a step: its records become one commit, and what it holds back waits for that. */
static void step_close(struct brain *b) {
    if (b->schedule_due && load_may_place(b))
        coordinator_schedule(b);
    else if (b->schedule_due)
        b->schedule_at = VL_MS_NEVER; /* what becomes durable is a step of its own, and ends here */
    if (b->changed_n > 0) coordinator_views(b);
    if (b->slots_n > 0 && !b->out_of_memory) step_commit(b);
    for (struct out *o = b->step_first; o; o = o->next) {
        o->after = b->seq;
        b->counters.effects_held++;
    }
    b->step_first = NULL;
}

/* Carries out what waited for commits that are durable now.  What it does may begin new work, which is a step of its
 * own. True when something was done inside, so that the endpoint may have news. */
static bool release(struct brain *b) {
    bool inside = false;
    while (b->held.first && b->held.first->after <= b->durable && !b->out_of_memory) {
        struct out *o = list_pop(&b->held);
        struct vl_span bytes = vl_span(o->bytes, o->n);
        switch (o->kind) {
        case OUT_EFFECT:
            list_push(&b->due, o);
            continue;
        case OUT_SEND:
            link_send(b, o->node, o->lane, (enum link_kind)o->effect.index, bytes, (struct vl_span){ 0 });
            break;
        case OUT_PRIVATE: /* message id, then the frame */
            mix_send_frame(b, o->node, (enum mix_level)(o->effect.index >> 1), o->effect.index & 1, o->bytes,
                           vl_span(o->bytes + 16, o->n - 16));
            break;
        case OUT_BROADCAST:
            link_broadcast(b, o->lane, (enum link_kind)o->effect.index, bytes, o->node);
            break;
        case OUT_CLOSE:
            link_close_node(b, o->node, HTX_DENIED);
            break;
        case OUT_SELF_ASSIGN:
            worker_assign(b, bytes);
            break;
        case OUT_SELF_REVOKE:
            worker_revoke(b, bytes);
            break;
        case OUT_SELF_REVEAL:
            worker_reveal(b, bytes);
            break;
        }
        free(o);
        inside = true;
        step_close(b);
    }
    return inside;
}

void step_end(struct brain *b) {
    do {
        link_pump(b);
        mix_pump(b);
        step_close(b);
    } while (release(b));
    if (b->load) load_look(b);
}

void brain_committed(struct brain *b, vl_ms now, uint64_t seq) {
    step_begin(b, now);
    uint64_t before = b->durable;
    if (seq > b->durable) b->durable = seq;
    load_committed(b, before);
    step_end(b);
}

bool brain_next_effect(struct brain *b, struct brain_effect *ret) {
    for (;;) {
        free(b->lent);
        b->lent = list_pop(&b->due);
        if (b->lent == NULL) return false;
        *ret = b->lent->effect;
        if (ret->kind != BRAIN_TASK_RUN) return true;
        ret->assignment = worker_assignment(b, ret->task);
        if (ret->assignment) return true; /* else it was revoked before the shell saw it */
    }
}

bool brain_pending(const struct brain *b) { return b->due.first != NULL; }

/* ---- life ------------------------------------------------------------------------------------------------------ */

static const char *config_fault(const struct brain_config *cfg) {
    if (memchr(cfg->name, '\0', sizeof cfg->name) == NULL || cfg->name[0] == '\0') return "name";
    if (cfg->caps.slots > BRAIN_SLOTS_MAX) return "slots";
    if (cfg->certificate.n > HTX_CERT_MAX) return "certificate";
    if (cfg->epoch_ms != 0 && (cfg->epoch_ms < BRAIN_EPOCH_MIN_MS || cfg->epoch_ms > UINT32_MAX)) return "epoch";
    return NULL;
}

enum vl_err brain_create(const struct brain_config *cfg, vl_ms now, struct brain **ret_brain) {
    if (config_fault(cfg)) return VL_ERANGE;
    struct brain *b = calloc(1, sizeof *b);
    if (b == NULL) return VL_ENOMEM;
    b->cfg = *cfg;
    b->now = b->started_ms = now;
    b->due.last = &b->due.first;
    b->held.last = &b->held.first;
    if (cfg->certificate.n) memcpy(b->certificate, cfg->certificate.p, cfg->certificate.n);
    b->certificate_n = cfg->certificate.n;
    b->cfg.certificate = vl_span(b->certificate, b->certificate_n);
    if (b->cfg.heartbeat_ms == 0) b->cfg.heartbeat_ms = REGISTRY_HEARTBEAT_MS;
    if (b->cfg.snapshot_events == 0) b->cfg.snapshot_events = BRAIN_SNAPSHOT_EVENTS;
    if (b->cfg.snapshot_bytes == 0) b->cfg.snapshot_bytes = BRAIN_SNAPSHOT_BYTES;
    crypto_sign_key_from_seed(cfg->sign_seed, &b->key);
    b->self = crypto_sign_node_id(&b->key);
    vl_prng_seed(&b->rng, vl_get_u64(cfg->seed));
    vl_buf_init(&b->arena, 256u << 20);
    vl_buf_init(&b->snapshot, 256u << 20);
    vl_buf_init(&b->rx, VL_MESSAGE_MAX);
    vl_map_init(&b->by_session, sizeof(uint32_t), VL_LINKS_MAX, vl_prng_next(&b->rng));
    vl_map_init(&b->by_conn, sizeof(uint32_t), VL_LINKS_MAX, vl_prng_next(&b->rng));
    vl_map_init(&b->by_node, sizeof(struct vl_node_id), VL_LINKS_MAX, vl_prng_next(&b->rng));
    contribution_create(b);
    b->heartbeat_at = b->reoffer_at = b->guest_at = VL_MS_NEVER;
    b->home.at = b->ways_at = b->schedule_at = b->load_at = VL_MS_NEVER;
    memcpy(b->home.addr, cfg->coordinator_addr, sizeof b->home.addr);
    enum vl_err err = link_create(b);
    if (err == VL_OK) err = message_create(b);
    if (err == VL_OK) err = blobs_create(b);
    if (err == VL_OK) err = mix_create(b);
    if (err == VL_OK) err = remote_create(b);
    if (err == VL_OK) err = harvest_create(b);
    if (err == VL_OK) err = trade_create(b);
    if (err == VL_OK) err = dispute_create(b);
    if (err == VL_OK) err = attest_create(b);
    if (err == VL_OK) err = witness_create(b);
    if (err == VL_OK) err = keys_create(b);
    if (err == VL_OK && cfg->coordinator) err = coordinator_create(b);
    if (err == VL_OK) err = topo_create(b);
    if (err) {
        brain_destroy(b);
        return err;
    }
    *ret_brain = b;
    return VL_OK;
}

static void list_free(struct out_list *l) {
    for (struct out *o; (o = list_pop(l));) {
        if (o->kind == OUT_EFFECT && o->effect.kind == BRAIN_PLAN) brain_plan_free(o->effect.plan);
        if (o->kind == OUT_EFFECT && o->effect.kind == BRAIN_ATTEST) brain_attest_free(o->effect.attest);
        free(o);
    }
}

void brain_destroy(struct brain *b) {
    if (b == NULL) return;
    worker_destroy(b);
    mix_destroy(b);
    remote_destroy(b);
    harvest_destroy(b);
    contribution_destroy(b);
    trade_destroy(b);
    coordinator_destroy(b);
    dispute_destroy(b);
    attest_destroy(b);
    topo_destroy(b);
    witness_destroy(b);
    keys_destroy(b);
    blob_destroy(b->blob);
    blob_effects_free(&b->blob_fx);
    delivery_destroy(b->delivery);
    delivery_effects_free(&b->delivery_fx);
    htx_endpoint_destroy(b->htx);
    way_destroy(b);
    roster_destroy(b->roster);
    size_t it = 0;
    for (struct peer *p; (p = vl_map_next(&b->by_session, &it, NULL));) free(p);
    it = 0;
    for (struct peer *p; (p = vl_map_next(&b->by_conn, &it, NULL));) free(p);
    vl_map_free(&b->by_conn);
    vl_map_free(&b->by_session);
    vl_map_free(&b->by_node);
    if (b->due.last) list_free(&b->due);
    if (b->held.last) list_free(&b->held);
    free(b->lent);
    free(b->slots);
    vl_buf_free(&b->arena);
    vl_buf_free(&b->snapshot);
    vl_buf_free(&b->rx);
    crypto_sign_key_wipe(&b->key);
    crypto_wipe(&b->cfg, sizeof b->cfg);
    free(b);
}

enum vl_err brain_restore(struct brain *b, vl_ms now, const struct record *r) {
    struct delivery_event ev = { .now = now, .u.row = r->bytes };
    if (now > b->now) b->now = now;
    switch (r->kind) {
    case RECORD_IDENTITY:
        return identity_restore(b, r->bytes);
    case RECORD_INBOX:
    case RECORD_OUTBOX:
        ev.kind = r->kind == RECORD_INBOX ? DELIVERY_RESTORE_IN : DELIVERY_RESTORE_OUT;
        return delivery_step(b->delivery, &ev, &b->delivery_fx);
    case RECORD_REVOCATIONS:
        return roster_revoke(b->roster, r->bytes);
    case RECORD_MIX:
        return mix_restore(b, r);
    case RECORD_REMOTE:
        return remote_restore(b, r);
    case RECORD_ITEM:
        return item_restore(b, r);
    case RECORD_MEMBER:
    case RECORD_TICKET:
    case RECORD_NODE:
    case RECORD_SNAPSHOT:
    case RECORD_LOG:
        return b->cfg.coordinator ? coordinator_restore(b, r) : VL_ECORRUPT;
    case RECORD_BLOB:
    case RECORD_JOB:
    case RECORD_SPEC:
    case RECORD_TASK:
    case RECORD_HISTORY:
    case RECORD_RECEIPT:
    case RECORD_TOPOLOGY:
    case RECORD_ANSWER:
        return VL_ESTATE; /* views are not read back */
    }
    return VL_ECORRUPT;
}

void brain_start(struct brain *b, vl_ms now) {
    step_begin(b, now);
    b->started = true;
    if (b->cfg.coordinator) coordinator_start(b);
    trade_start(b);
    keys_start(b);
    link_start(b);
    mix_start(b);
    remote_start(b);
    harvest_start(b);
    topo_start(b);
    step_end(b);
}

vl_ms brain_deadline(const struct brain *b) {
    vl_ms at = vl_ms_min(link_deadline(b), worker_deadline(b));
    at = vl_ms_min(at, vl_ms_min(delivery_deadline(b->delivery), remote_deadline(b)));
    at = vl_ms_min(at, vl_ms_min(blob_deadline(b->blob), mix_deadline(b)));
    at = vl_ms_min(at, harvest_due(b));
    at = vl_ms_min(at, trade_deadline(b));
    at = vl_ms_min(at, topo_deadline(b));
    at = vl_ms_min(at, witness_deadline(b));
    at = vl_ms_min(at, keys_deadline(b));
    return b->cfg.coordinator ? vl_ms_min(at, coordinator_deadline(b)) : at;
}

void brain_tick(struct brain *b, vl_ms now) {
    if (b->load) load_tick(b, now, brain_deadline(b));
    step_begin(b, now);
    link_tick(b);
    if (delivery_deadline(b->delivery) <= b->now)
        message_step(b, &(struct delivery_event){ .kind = DELIVERY_TICK, .now = b->now });
    if (blob_deadline(b->blob) <= b->now) blobs_step(b, &(struct blob_event){ .kind = BLOB_TICK, .now = b->now });
    worker_tick(b);
    harvest_tick(b);
    mix_tick(b);
    trade_tick(b);
    topo_tick(b);
    keys_tick(b);
    if (b->cfg.coordinator) coordinator_tick(b);
    witness_tick(b);
    remote_tick(b);
    step_end(b);
    if (b->cfg.coordinator && b->log_events > b->cfg.snapshot_events) {
        step_begin(b, now); /* a batch of its own: it covers all events before it and none beside it */
        coordinator_snapshot(b);
        step_end(b);
    }
}

struct vl_node_id brain_node_id(const struct brain *b) {
    return b->self;
}
bool brain_is_member(const struct brain *b) { return b->member; }
bool brain_failed(const struct brain *b) { return b->out_of_memory; }
void brain_village_id(const struct brain *b, uint8_t ret[16]) {
    struct village_id id = roster_village(b->roster);
    memcpy(ret, id.b, sizeof id.b);
}
const struct registry *brain_registry(const struct brain *b) { return b->registry; }
const struct job_book *brain_jobs(const struct brain *b) { return b->jobs; }
const struct membership *brain_members(const struct brain *b) { return b->membership; }
const struct reputation *brain_reputation(const struct brain *b) { return standing_book(b); }
void brain_counters(const struct brain *b, struct brain_counters *ret) { *ret = b->counters; }
