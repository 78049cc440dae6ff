/* The coordinator's side of membership, its commands, its start and its timers. */
#include "brain/priv.h"

#include "base/text.h"
#include "crypto/random.h"

#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_CHUNK_HEAD 4u

/* ---- membership -------------------------------------------------------------------------------------------------- */

static void member_records(struct brain *b, const struct membership_result *r) {
    for (size_t i = 0; i < r->effects; i++) {
        const struct membership_record *m = &r->effect[i];
        uint8_t bytes[MEMBERSHIP_RECORD_MAX], key[33] = { (uint8_t)((m->kind + 1) / 2) };
        size_t n = 0;
        if (membership_record_encode(m, bytes, sizeof bytes, &n)) {
            out_of_memory(b);
            return;
        }
        struct vl_span none = { 0 }, body = vl_span(bytes, n);
        switch (m->kind) {
        case MEMBERSHIP_PUT_TICKET:
        case MEMBERSHIP_DROP_TICKET: {
            struct record *rec = record_add(b, RECORD_TICKET, m->u.ticket.secret_hash, 8, none, body);
            rec->at_ms = m->u.ticket.expires_ms;
            rec->remove = m->kind == MEMBERSHIP_DROP_TICKET;
            break;
        }
        case MEMBERSHIP_PUT_MEMBER:
        case MEMBERSHIP_DROP_MEMBER:
            record_add(b, RECORD_MEMBER, m->u.member.cert.node.b, 32, none, body)->remove =
                m->kind == MEMBERSHIP_DROP_MEMBER;
            break;
        case MEMBERSHIP_PUT_REVOCATION:
        case MEMBERSHIP_DROP_REVOCATION: { /* beside the member's row of the same node: number tells them apart */
            struct record *rec = record_add(b, RECORD_MEMBER, m->u.revocation.entry.node.b, 32, none, body);
            rec->number = 1;
            rec->remove = m->kind == MEMBERSHIP_DROP_REVOCATION;
            break;
        }
        case MEMBERSHIP_PUT_COUNTERS:
            record_add(b, RECORD_MEMBER, key, 32, none, body)->number = 2;
            break;
        }
    }
}

static void revocations_publish(struct brain *b) {
    uint8_t *list = malloc(REVOCATIONS_BYTES_MAX);
    size_t n = 0;
    if (list == NULL) {
        out_of_memory(b);
        return;
    }
    if (membership_revocations(b->membership, list, REVOCATIONS_BYTES_MAX, &n) == VL_OK && n > 0) {
        vl_ignore(roster_revoke(b->roster, vl_span(list, n)));
        held_inside(b, OUT_BROADCAST, b->self, LANE_CONTROL, LINK_REVOCATIONS, vl_span(list, n));
    }
    free(list);
}

static enum vl_err member_step(struct brain *b, const struct membership_event *ev, struct membership_result *r) {
    enum vl_err err = membership_step(b->membership, ev, r);
    if (err == VL_ENOMEM) out_of_memory(b);
    if (err) return err;
    member_records(b, r);
    if (r->list_changed) revocations_publish(b);
    return VL_OK;
}

/* The result holds a few certificates: too large for the stack of a recursive step. */
static struct membership_result *result_new(struct brain *b) {
    struct membership_result *r = calloc(1, sizeof *r);
    if (r == NULL) out_of_memory(b);
    return r;
}

void coordinator_join(struct brain *b, const struct peer *p, struct vl_span body) {
    struct link_join m;
    struct link_join_reply answer = { 0 };
    struct membership_event ev = { .kind = MEMBERSHIP_JOIN, .now = b->now };
    struct membership_result *r = result_new(b);
    struct vl_buf buf;
    if (r == NULL) return;
    enum vl_err err = link_join_decode(body, &m);
    if (err == VL_OK && memcmp(m.static_key, p->static_key, 32) != 0)
        err = VL_ECRYPTO; /* the link proved another key */
    if (err == VL_OK) {
        memcpy(ev.u.join.secret, m.secret, sizeof m.secret);
        memcpy(ev.u.join.static_key, m.static_key, sizeof m.static_key);
        ev.u.join.node = p->node;
        ev.u.join.name = m.name;
        ev.u.join.roles = (uint8_t)(m.roles & CERT_ROLES_ALL);
        if (!p->guest) ev.kind = MEMBERSHIP_RENEW;
        err = member_step(b, &ev, r);
    }
    answer.code = err;
    if (err == VL_OK) err = answer.code = cert_encode(&r->cert, answer.cert, sizeof answer.cert, &answer.cert_len);
    if (err) {
        size_t n = strlen(membership_problem(err));
        memcpy(answer.detail, membership_problem(err), n < sizeof answer.detail ? n : sizeof answer.detail - 1);
        b->counters.join_refused++;
        note(b, err, p->node, "a join was refused");
    } else {
        memcpy(answer.root_key, b->cfg.root_key, sizeof answer.root_key);
        b->counters.joins++;
        coordinator_registry(b, &(struct registry_event){
                                    .kind = REGISTRY_JOINED, .now = b->now, .node = p->node, .name = r->cert.name });
    }
    vl_buf_init(&buf, 4096);
    if (link_join_reply_encode(&answer, &buf) == VL_OK)
        held_inside(b, OUT_SEND, p->node, LANE_CONTROL, LINK_JOIN_REPLY, vl_span(buf.p + 1, buf.len - 1));
    vl_buf_free(&buf);
    crypto_wipe(&m, sizeof m);
    crypto_wipe(&ev, sizeof ev);
    free(r);
}

void coordinator_peer_up(struct brain *b, const struct peer *p) {
    const struct member_record *m = membership_get(b->membership, p->node);
    struct vl_span list = roster_list(b->roster);
    if (m == NULL) return;
    if (registry_get(b->registry, p->node) == NULL)
        coordinator_registry(b, &(struct registry_event){
                                    .kind = REGISTRY_JOINED, .now = b->now, .node = p->node, .name = m->cert.name });
    coordinator_registry(b, &(struct registry_event){ .kind = REGISTRY_LINK_UP, .now = b->now, .node = p->node });
    keys_peer_up(b, p->node);
    list = roster_list(b->roster); /* it may be a newer one now */
    if (list.n > 0) (void)link_send(b, p->node, LANE_CONTROL, LINK_REVOCATIONS, list, (struct vl_span){ 0 });
}

void coordinator_peer_down(struct brain *b, struct vl_node_id node) {
    coordinator_registry(b, &(struct registry_event){ .kind = REGISTRY_LINK_DOWN, .now = b->now, .node = node });
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static const struct vl_span nothing;

void brain_submit_job(struct brain *b, vl_ms now, uint64_t token, struct vl_job_id id, const struct job_spec *spec,
                      uint64_t program_size, const struct record_answer *answer) {
    struct vl_errmsg why = { "" };
    uint64_t retry_ms = 0;
    uint8_t wait[4];
    struct brain_quorum quorum = { 0 };
    struct vl_buf buf;
    struct job_spec own = *spec; /* a tier says how many replicas there are */
    spec = &own;
    step_begin(b, now);
    vl_buf_init(&buf, JOB_SPEC_MAX);
    enum vl_err err = job_spec_check(spec, &why);
    if (err == VL_OK && b->cfg.coordinator) err = quorum_admit(b, &own, &quorum, &why);
    if (err == VL_OK) err = job_spec_encode(spec, &buf);
    if (err == VL_OK && !b->cfg.coordinator)
        err = remote_submit(b, id, spec, vl_span(buf.p, buf.len), program_size, &why);
    else if (err == VL_OK && (err = load_admit(b, spec->terms.class, &why, &retry_ms)) == VL_OK)
        err = coordinator_job(b, &(struct job_event){ .kind = JOB_EV_SUBMIT, .now = b->now, .job = id, .spec = spec });
    if (err == VL_OK) {
        record_add(b, RECORD_SPEC, id.b, sizeof id.b, nothing, vl_span(buf.p, buf.len));
        if (b->cfg.coordinator) quorum_open(b, id, spec, &quorum);
        if (answer) record_answer_add(b, answer);
    }
    vl_buf_free(&buf);
    vl_put_u32(wait, (uint32_t)retry_ms);
    if (err == VL_EOVERLOAD)
        reply_now(b, token, err, why.text, vl_span(wait, sizeof wait));
    else
        reply(b, token, err, why.text[0] ? why.text : NULL, nothing);
    step_end(b);
}

void brain_cancel_job(struct brain *b, vl_ms now, uint64_t token, struct vl_job_id id) {
    struct vl_errmsg why = { "" };
    step_begin(b, now);
    enum vl_err err = b->cfg.coordinator
                          ? coordinator_job(b, &(struct job_event){ .kind = JOB_EV_CANCEL, .now = b->now, .job = id })
                          : remote_cancel(b, id, &why);
    reply(b, token, err, why.text[0] ? why.text : NULL, nothing);
    step_end(b);
}

void brain_store_answer(struct brain *b, vl_ms now, uint64_t token, const struct record_answer *answer) {
    step_begin(b, now);
    record_answer_add(b, answer);
    reply(b, token, VL_OK, NULL, nothing);
    step_end(b);
}

void brain_create_ticket(struct brain *b, vl_ms now, uint64_t token, const uint8_t secret[16], uint32_t uses,
                         vl_ms ttl_ms) {
    step_begin(b, now);
    struct membership_result *r = result_new(b);
    if (r == NULL) return;
    struct membership_event ev = { .kind = MEMBERSHIP_TICKET_CREATE,
                                   .now = b->now,
                                   .u.ticket_create = {
                                       .uses = uses, .ttl_ms = ttl_ms, .roles = CERT_WORKER | CERT_GATEWAY } };
    memcpy(ev.u.ticket_create.secret, secret, sizeof ev.u.ticket_create.secret);
    enum vl_err err = b->cfg.coordinator ? member_step(b, &ev, r) : VL_EUNSUPPORTED;
    reply(b, token, err, err ? membership_problem(err) : NULL,
          err ? nothing : vl_span(r->ticket.b, sizeof r->ticket.b));
    crypto_wipe(&ev, sizeof ev);
    free(r);
    step_end(b);
}

void brain_revoke_ticket(struct brain *b, vl_ms now, uint64_t token, const uint8_t id[8]) {
    step_begin(b, now);
    struct membership_result *r = result_new(b);
    if (r == NULL) return;
    struct membership_event ev = { .kind = MEMBERSHIP_TICKET_REVOKE, .now = b->now };
    memcpy(ev.u.ticket.b, id, sizeof ev.u.ticket.b);
    enum vl_err err = b->cfg.coordinator ? member_step(b, &ev, r) : VL_EUNSUPPORTED;
    reply(b, token, err, err ? "no such ticket" : NULL, nothing);
    free(r);
    step_end(b);
}

/* A membership event with its records, for others of the coordinator's files; the certificate it gave. */
enum vl_err coordinator_member(struct brain *b, const struct membership_event *ev, struct cert *ret_cert) {
    struct membership_result *r = result_new(b);
    if (r == NULL) return VL_ENOMEM;
    enum vl_err err = member_step(b, ev, r);
    if (err == VL_OK && ret_cert) *ret_cert = r->cert;
    free(r);
    return err;
}

/* The node and all that is on its way to it leave this village. */
enum vl_err coordinator_expel(struct brain *b, struct vl_node_id node) {
    enum vl_err err = coordinator_member(b, &(struct membership_event){ .kind = MEMBERSHIP_EXPEL, .now = b->now, .u.node = node }, NULL);
    if (err) return err;
    message_step(b, &(struct delivery_event){ .kind = DELIVERY_PURGE, .now = b->now, .u.peer = node });
    remote_in_expelled(b, node);
    standing_gone(b, node);
    coordinator_registry(b, &(struct registry_event){ .kind = REGISTRY_EXPELLED, .now = b->now, .node = node });
    held_inside(b, OUT_CLOSE, node, LANE_CONTROL, 0, nothing);
    return VL_OK;
}

static void expel(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node, bool tell_time) {
    uint8_t at[8];
    step_begin(b, now);
    bool self = vl_node_eq(node, b->self);
    enum vl_err err = self ? VL_ESTATE : b->cfg.coordinator ? coordinator_expel(b, node) : VL_EUNSUPPORTED;
    vl_put_u64(at, b->now);
    reply(b, token, err, self ? "the coordinator cannot expel itself" : NULL, err == VL_OK && tell_time ? vl_span(at, sizeof at) : nothing);
    step_end(b);
}

void brain_expel(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node) { expel(b, now, token, node, false); }
void brain_revoke_key(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node) { expel(b, now, token, node, true); }

void brain_maintenance(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node, bool on) {
    step_begin(b, now);
    enum vl_err err = !b->cfg.coordinator ? VL_EUNSUPPORTED : registry_get(b->registry, node) ? VL_OK : VL_ENOTFOUND;
    if (err == VL_OK)
        coordinator_registry(
            b, &(struct registry_event){ .kind = REGISTRY_MAINTENANCE, .now = b->now, .node = node, .flag = on });
    reply(b, token, err, NULL, nothing);
    step_end(b);
}

/* ---- start and rebuild ---------------------------------------------------------------------------------------------
 */

static enum vl_err snapshot_restore(struct brain *b, struct vl_span bytes) {
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    while (r.n > 0) {
        struct vl_span chunk = vl_read_span(&r, vl_read_u32(&r));
        if (r.failed) return VL_ECORRUPT;
        enum vl_err err = job_book_restore(b->jobs, chunk);
        if (err) return err;
    }
    return VL_OK;
}

static enum vl_err log_replay(struct brain *b, struct vl_span bytes) {
    struct job_event_store *store = malloc(sizeof *store);
    struct job_event ev;
    if (store == NULL) return VL_ENOMEM;
    enum vl_err err = job_event_decode(bytes, store, &ev);
    if (err == VL_OK) err = job_book_step(b->jobs, &ev, &b->job_fx);
    free(store);
    return err == VL_ENOMEM ? err : err ? VL_ECORRUPT : VL_OK; /* what was logged was taken once: it must be again */
}

enum vl_err coordinator_restore(struct brain *b, const struct record *r) {
    struct membership_event ev = { .kind = MEMBERSHIP_RESTORE, .now = b->now };
    struct registry_event rev = { .kind = REGISTRY_RESTORE, .now = b->now, .record = r->bytes };
    struct membership_result *result;
    enum vl_err err;
    switch ((int)r->kind) {
    case RECORD_MEMBER:
    case RECORD_TICKET:
        err = membership_record_decode(r->bytes, &ev.u.restore);
        if (err || (result = result_new(b)) == NULL) return err ? err : VL_ENOMEM;
        err = membership_step(b->membership, &ev, result);
        free(result);
        return err;
    case RECORD_NODE:
        return registry_step(b->registry, &rev, b->registry_fx);
    case RECORD_SNAPSHOT:
        return snapshot_restore(b, r->bytes);
    case RECORD_LOG:
        b->log_events++;
        return log_replay(b, r->bytes);
    default:
        return VL_ECORRUPT;
    }
}

void coordinator_start(struct brain *b) {
    struct crypto_dh_key key;
    struct membership_result *r = result_new(b);
    struct membership_event ev = { .kind = MEMBERSHIP_ADMIT, .now = b->now };
    if (r == NULL) return;
    quorum_start(b);
    crypto_dh_key_from_seed(b->cfg.static_secret, &key);
    ev.u.join.node = b->self;
    ev.u.join.name = b->cfg.name;
    ev.u.join.roles = CERT_ROLES_ALL;
    memcpy(ev.u.join.static_key, key.public, sizeof key.public);
    crypto_dh_key_wipe(&key);
    enum vl_err err = member_step(b, &ev, r);
    if (err == VL_OK) err = cert_encode(&r->cert, b->certificate, sizeof b->certificate, &b->certificate_n);
    if (err == VL_OK) err = htx_set_certificate(b->htx, vl_span(b->certificate, b->certificate_n));
    if (err) note(b, err, b->self, "the coordinator cannot certify itself");
    b->member = err == VL_OK;
    revocations_publish(b);
    coordinator_registry(
        b, &(struct registry_event){
               .kind = REGISTRY_JOINED, .now = b->now, .node = b->self, .name = b->cfg.name, .addr = b->cfg.addr });
    coordinator_registry(b, &(struct registry_event){ .kind = REGISTRY_LINK_UP, .now = b->now, .node = b->self });
    held_start(b);
    bench_start(b);
    free(r);
}

/* ---- timers ---------------------------------------------------------------------------------------------------------
 */

void coordinator_snapshot(struct brain *b) {
    struct vl_buf chunk;
    uint64_t cursor = 0;
    enum vl_err err;
    vl_buf_init(&chunk, 64u << 20);
    vl_buf_clear(&b->snapshot);
    for (;;) {
        uint8_t head[SNAPSHOT_CHUNK_HEAD];
        vl_buf_clear(&chunk);
        err = job_book_snapshot(b->jobs, &cursor, &chunk);
        if (err) break;
        vl_put_u32(head, (uint32_t)chunk.len);
        if (b->snapshot.len + sizeof head + chunk.len > b->cfg.snapshot_bytes) break;
        if (vl_buf_append(&b->snapshot, head, sizeof head) || vl_buf_append(&b->snapshot, chunk.p, chunk.len)) break;
    }
    if (err == VL_ENOTFOUND) /* all chunks are there */
        record_add(b, RECORD_SNAPSHOT, NULL, 0, nothing, vl_span(b->snapshot.p, b->snapshot.len));
    else
        note(b, VL_ELIMIT, b->self, "the job book is too large for a snapshot: the event log stays longer");
    b->log_events = 0; /* tried again after as many more, not with every tick */
    vl_buf_free(&chunk);
    vl_buf_free(&b->snapshot);
}

static void retention(struct brain *b) {
    struct job_stats stats;
    struct job_view v;
    job_book_stats(b->jobs, &stats);
    for (unsigned i = 0; i < 64 && job_book_oldest_ended(b->jobs, &v); i++, stats.ended--, stats.tasks -= v.total) {
        bool old = b->now > vl_ms_add(v.ended_ms, BRAIN_TASKS_KEPT_MS);
        if (stats.ended <= BRAIN_ENDED_KEPT && !(stats.tasks > BRAIN_TASKS_KEPT && old)) break;
        if (coordinator_job(b, &(struct job_event){ .kind = JOB_EV_FORGET, .now = b->now, .job = v.id })) break;
    }
}

void coordinator_tick(struct brain *b) {
    quorum_tick(b); /* before nodes are found silent: it may be us who slept */
    if (registry_deadline(b->registry) <= b->now)
        coordinator_registry(b, &(struct registry_event){ .kind = REGISTRY_TICK, .now = b->now });
    if (job_book_deadline(b->jobs) <= b->now)
        vl_ignore(coordinator_job(b, &(struct job_event){ .kind = JOB_EV_TICK, .now = b->now }));
    if (membership_deadline(b->membership) <= b->now) {
        struct membership_result *r = result_new(b);
        if (r) vl_ignore(member_step(b, &(struct membership_event){ .kind = MEMBERSHIP_TICK, .now = b->now }, r));
        free(r);
    }
    if (b->schedule_at <= b->now) b->schedule_due = true;
    standing_tick(b);
    bench_tick(b);
    chain_tick(b);
    retention(b);
}

vl_ms coordinator_deadline(const struct brain *b) {
    vl_ms at = vl_ms_min(registry_deadline(b->registry), job_book_deadline(b->jobs));
    at = vl_ms_min(at, vl_ms_min(standing_deadline(b), b->load_at));
    at = vl_ms_min(at, quorum_deadline(b));
    at = vl_ms_min(at, bench_deadline(b));
    at = vl_ms_min(at, chain_deadline(b));
    return vl_ms_min(vl_ms_min(at, membership_deadline(b->membership)), b->schedule_at);
}
