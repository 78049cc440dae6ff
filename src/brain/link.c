/* Links of a member: who may come in, the link to the coordinator, joining, and what arrives on a stream. */
#include "brain/priv.h"

#include "crypto/random.h"
#include "wire/cert.h"

#include <stdlib.h>
#include <string.h>

#define REFUSED_AGAIN_MS 3600000u

static const enum htx_priority lane_priority[LANES] = { HTX_CONTROL, HTX_HIGH, HTX_BULK, HTX_NORMAL };

enum vl_err link_create(struct brain *b) {
    struct htx_config cfg = { .suite = HTX_AESGCM_SHA256,
                              .limits = htx_limits_default(),
                              .certificate = b->cfg.certificate };
    struct village_id village;
    memcpy(cfg.sign_seed, b->cfg.sign_seed, sizeof cfg.sign_seed);
    memcpy(cfg.static_secret, b->cfg.static_secret, sizeof cfg.static_secret);
    memcpy(cfg.seed, b->cfg.seed, sizeof cfg.seed);
    enum vl_err err = htx_endpoint_create(&cfg, &b->htx);
    crypto_wipe(&cfg, sizeof cfg);
    if (err) return err;
    b->member = b->certificate_n > 0;
    if (b->cfg.coordinator) {
        struct crypto_sign_key root;
        crypto_sign_key_from_seed(b->cfg.root_seed, &root);
        memcpy(b->cfg.root_key, root.public, sizeof root.public);
        crypto_sign_key_wipe(&root);
        b->coordinator = b->self;
        b->home.known = true;
    }
    if (b->cfg.coordinator || b->member)
        village = village_id_of(b->cfg.root_key);
    else
        memcpy(village.b, b->cfg.ticket_village, sizeof village.b);
    b->roster = roster_create(village);
    return b->roster ? VL_OK : VL_ENOMEM;
}

void link_start(struct brain *b) {
    if (!b->cfg.coordinator) b->home.at = b->now;
    b->heartbeat_at = b->now;
}

struct peer *link_peer(const struct brain *b, struct vl_node_id node) {
    return vl_map_get(&b->by_node, node.b);
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

static bool peer_send(struct brain *b, struct peer *p, enum lane lane, enum link_kind kind, struct vl_span body,
                      struct vl_span tail) {
    uint8_t k = (uint8_t)kind;
    const struct vl_span parts[] = { vl_span(&k, 1), body, tail };
    if (p->stream[lane] == 0 && htx_open(b->htx, p->session, lane_priority[lane], &p->stream[lane])) return false;
    enum vl_err err = htx_send(b->htx, p->session, p->stream[lane], b->now, parts, 3);
    if (err == VL_ELIMIT ||
        err == VL_ECLOSED) { /* stream numbers used up, or reset by the peer: go on with a new one */
        if (htx_open(b->htx, p->session, lane_priority[lane], &p->stream[lane])) return false;
        err = htx_send(b->htx, p->session, p->stream[lane], b->now, parts, 3);
    }
    return err == VL_OK;
}

bool link_is_star(const struct brain *b, const struct peer *p) {
    return b->cfg.coordinator || vl_node_eq(p->node, b->coordinator);
}

bool link_send(struct brain *b, struct vl_node_id to, enum lane lane, enum link_kind kind, struct vl_span body,
               struct vl_span tail) {
    struct peer *p = link_peer(b, to);
    return p != NULL && peer_send(b, p, lane, kind, body, tail);
}

void link_broadcast(struct brain *b, enum lane lane, enum link_kind kind, struct vl_span body, struct vl_node_id but) {
    size_t it = 0;
    for (struct peer *p; (p = vl_map_next(&b->by_session, &it, NULL));)
        if (!p->guest && !vl_node_eq(p->node, but)) (void)peer_send(b, p, lane, kind, body, (struct vl_span){ 0 });
}

/* ---- who may come in -------------------------------------------------------------------------------------------- */

/* Remembers who is behind a connection until its session comes up. */
static bool pending_add(struct brain *b, const struct htx_event *ev, const struct cert *cert) {
    struct peer *p = calloc(1, sizeof *p);
    if (p == NULL || vl_map_put(&b->by_conn, &ev->conn, p)) {
        free(p);
        return false;
    }
    p->node = ev->node;
    p->guest = cert == NULL;
    if (cert) p->cert = *cert;
    memcpy(p->static_key, ev->peer_static, sizeof p->static_key);
    return true;
}

static void conn_up(struct brain *b, const struct htx_event *ev) {
    struct cert cert;
    const struct way *way = way_of_conn(b, ev->conn);
    bool guest = ev->data.n == 0,
         admit = guest && b->cfg.coordinator && b->guests < BRAIN_GUESTS_MAX; /* it may only ask for membership */
    if (!guest) {
        enum vl_err err = roster_check(b->roster, ev->data, b->now, &cert);
        if (err == VL_OK && (!vl_node_eq(cert.node, ev->node) || memcmp(cert.static_key, ev->peer_static, 32) != 0))
            err = VL_ECRYPTO; /* a certificate of somebody else */
        if (err == VL_OK && way == &b->home && !(cert.roles & CERT_COORDINATOR)) err = VL_EDENIED;
        /* another member lives at that address now, or it is our own: no link for the one we want */
        if (err == VL_OK && way && way != &b->home && !vl_node_eq(way->node, ev->node)) err = VL_EDENIED;
        if (err == VL_OK && vl_node_eq(ev->node, b->self)) err = VL_EDENIED;
        admit = err == VL_OK;
        if (err) note(b, err, ev->node, roster_problem(err));
    }
    admit = admit && pending_add(b, ev, guest ? NULL : &cert);
    if (!admit) b->counters.peers_denied++;
    if (!admit) b->denied_conn = ev->conn;
    if (htx_admit(b->htx, ev->conn, b->now, admit) || !admit) return;
    if (way == &b->home) { /* known from now on: the next handshake is XK, then IK */
        b->coordinator = b->home.node = ev->node;
        b->home.known = true;
        memcpy(b->home.static_key, ev->peer_static, sizeof b->home.static_key);
        memcpy(b->cfg.root_key, cert.root, sizeof cert.root);
    }
}

static void send_join(struct brain *b, struct peer *p) {
    struct crypto_dh_key key;
    struct vl_buf buf;
    struct link_join join = { .roles = CERT_WORKER };
    vl_buf_init(&buf, 1024);
    crypto_dh_key_from_seed(b->cfg.static_secret, &key);
    memcpy(join.secret, b->cfg.ticket_secret, sizeof join.secret);
    memcpy(join.static_key, key.public, sizeof join.static_key);
    memcpy(join.name, b->cfg.name, sizeof join.name);
    crypto_dh_key_wipe(&key);
    if (link_join_encode(&join, &buf))
        out_of_memory(b);
    else
        (void)peer_send(b, p, LANE_CONTROL, LINK_JOIN, vl_span(buf.p + 1, buf.len - 1), (struct vl_span){ 0 });
    crypto_wipe(&join, sizeof join);
    vl_buf_free(&buf);
}

/* Certificates end while links live on: looked at with every heartbeat.  A member asks for a new one in the second half
 * of the life of its own. */
static bool still_member(struct brain *b, struct peer *p) {
    enum vl_err err = roster_recheck(b->roster, &p->cert, b->now);
    if (err == VL_OK) return true;
    note(b, err, p->node, roster_problem(err));
    held_inside(b, OUT_CLOSE, p->node, LANE_CONTROL, 0, (struct vl_span){ 0 });
    return false;
}

/* A member's links to others than the coordinator, too: who was expelled must not stay because nobody dials again. */
static void links_recheck(struct brain *b) {
    size_t it = 0;
    for (struct peer *p; (p = vl_map_next(&b->by_session, &it, NULL));)
        if (!p->guest) (void)still_member(b, p);
}

static void renew(struct brain *b, struct peer *p) {
    struct cert own;
    if (p->renewing || cert_decode(vl_span(b->certificate, b->certificate_n), &own)) return;
    if (b->now < own.issued_ms + (own.expires_ms - own.issued_ms) / 2) return;
    p->renewing = true;
    send_join(b, p); /* of a member it needs no ticket */
}

static void send_heartbeat(struct brain *b) {
    struct peer *up = b->cfg.coordinator ? NULL : link_peer(b, b->coordinator);
    struct heartbeat h;
    struct vl_buf buf;
    vl_buf_init(&buf, VL_MESSAGE_MAX);
    if (!b->cfg.coordinator && b->member) links_recheck(b);
    if (up && b->member) renew(b, up);
    if (up) keys_ask(b);
    worker_heartbeat(b, &h);
    b->heartbeat_at = heartbeat_next(&b->rng, b->now, b->cfg.heartbeat_ms);
    if (b->cfg.coordinator)
        coordinator_heartbeat(b, b->self, &h);
    else if (heartbeat_encode(&h, &buf) == VL_OK)
        (void)link_send(b, b->coordinator, LANE_CONTROL, LINK_HEARTBEAT, vl_span(buf.p, buf.len),
                        (struct vl_span){ 0 });
    vl_buf_free(&buf);
}

/* The link carries members' traffic from here on. */
static void peer_ready(struct brain *b, struct peer *p) {
    if (p->guest) return;
    message_step(b, &(struct delivery_event){
                        .kind = DELIVERY_PEER_UP, .now = b->now, .u.up = { .peer = p->node, .reliable = true } });
    if (link_is_star(b, p)) blobs_step(b, &(struct blob_event){ .kind = BLOB_PEER_UP, .now = b->now, .u.peer = p->node });
    if (b->cfg.coordinator) {
        coordinator_peer_up(b, p);
        witness_peer_up(b);
    } else if (vl_node_eq(p->node, b->coordinator)) {
        send_heartbeat(b); /* asks for a new key's certificate, too */
        worker_link_up(b);
    }
    mix_peer_up(b, p);
    topo_peer_up(b, p);
}

static void peer_forget(struct brain *b, struct peer *p, bool tell) {
    vl_map_del(&b->by_session, &p->session);
    if (vl_map_get(&b->by_node, p->node.b) == p) {
        vl_map_del(&b->by_node, p->node.b);
        if (tell && !p->guest) {
            message_step(b, &(struct delivery_event){ .kind = DELIVERY_PEER_DOWN, .now = b->now, .u.peer = p->node });
            if (link_is_star(b, p))
                blobs_step(b, &(struct blob_event){ .kind = BLOB_PEER_DOWN, .now = b->now, .u.peer = p->node });
            if (b->cfg.coordinator) coordinator_peer_down(b, p->node);
            mix_peer_down(b, p);
        }
    }
    way_session_gone(b, p->session);
    if (!p->guest) way_node_gone(b, p->node);
    if (p->guest) b->guests--;
    free(p);
}

static void session_up(struct brain *b, const struct htx_event *ev) {
    struct peer *p = vl_map_get(&b->by_session, &ev->session), *fresh = vl_map_del(&b->by_conn, &ev->conn);
    way_session_up(b, ev->conn, ev->session);
    if (p != NULL) { /* resumed: nothing was lost */
        free(fresh);
        p->attached = true;
        if (b->cfg.coordinator && !p->guest) coordinator_peer_up(b, p);
        return;
    }
    struct peer *old = link_peer(b, ev->node);
    if (old != NULL) { /* the node restarted, or its old link died unseen: the newer one counts */
        uint32_t session = old->session;
        peer_forget(b, old, true);
        vl_ignore(htx_close(b->htx, session, b->now, HTX_SUPERSEDED));
    }
    if (fresh == NULL || vl_map_put(&b->by_session, &ev->session, fresh) ||
        vl_map_put(&b->by_node, ev->node.b, fresh)) {
        vl_map_del(&b->by_session, &ev->session);
        free(fresh);
        vl_ignore(htx_close(b->htx, ev->session, b->now, HTX_LIMIT));
        return;
    }
    fresh->session = ev->session;
    fresh->attached = true;
    if (fresh->guest) {
        b->guests++;
        fresh->until = b->now + BRAIN_GUEST_MS;
        b->guest_at = vl_ms_min(b->guest_at, fresh->until);
    }
    if (!b->cfg.coordinator && !b->member)
        send_join(b, fresh);
    else
        peer_ready(b, fresh);
}

void link_close_node(struct brain *b, struct vl_node_id node, uint32_t reason) {
    struct peer *p = link_peer(b, node);
    if (p == NULL) return;
    uint32_t session = p->session;
    peer_forget(b, p, true);
    vl_ignore(htx_close(b->htx, session, b->now, reason));
}

/* ---- joining, seen from the one who joins -------------------------------------------------------------------------
 */

static void joined(struct brain *b, struct peer *p, struct vl_span body) {
    struct link_join_reply m;
    struct cert cert;
    bool first = !b->member;
    if (b->cfg.coordinator || (b->member && !p->renewing) || link_join_reply_decode(body, &m)) {
        b->counters.messages_bad++;
        return;
    }
    p->renewing = false;
    if (m.code == VL_OK) m.code = roster_check(b->roster, vl_span(m.cert, m.cert_len), b->now, &cert);
    if (m.code == VL_OK &&
        (!vl_node_eq(cert.node, b->self) || htx_set_certificate(b->htx, vl_span(m.cert, m.cert_len))))
        m.code = VL_ECRYPTO;
    if (m.code) {
        const char *why = m.detail[0] ? m.detail : roster_problem(m.code);
        if (first)
            effect_held(b, BRAIN_REFUSED, (struct vl_span){ 0 }, why)->err = m.code;
        else
            note(b, m.code, p->node, why);
        return;
    }
    memcpy(b->certificate, m.cert, m.cert_len);
    b->certificate_n = m.cert_len;
    b->member = true;
    identity_record(b);
    if (!first) return;
    effect_held(b, BRAIN_JOINED, vl_span(m.cert, m.cert_len), NULL);
    link_close_node(b, p->node, HTX_NORMAL_END); /* come back with the certificate */
    b->home.failures = 0;
    b->home.at = b->now;
}

/* Its owner should not have to guess why nobody talks to it any more; once in an hour, for it dials again and again. */
static void refused_note(struct brain *b, const struct htx_event *ev) {
    if (ev->reason != HTX_DENIED || ev->conn == b->denied_conn || !b->member || way_of_conn(b, ev->conn) != &b->home) return;
    if (b->refused_ms != 0 && b->now < b->refused_ms + REFUSED_AGAIN_MS) return;
    b->refused_ms = b->now;
    note(b, VL_EDENIED, b->coordinator,
         "the coordinator does not admit this node: its key was revoked, or its certificate has expired; ask for a new ticket");
}

/* ---- what arrives -------------------------------------------------------------------------------------------------
 */

static void member_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body) {
    struct heartbeat h;
    enum vl_err err;
    struct delivery_event dev = { .now = b->now, .u.recv = { .peer = p->node, .bytes = body } };
    struct blob_event bev = { .kind = BLOB_RECV, .now = b->now, .u.recv = { .peer = p->node, .bytes = body } };
    if (roster_recheck(b->roster, &p->cert, b->now) == VL_ESTALE) {
        b->counters.messages_bad++; /* revoked: its link stays until that is durable */
        return;
    }
    if (!link_is_star(b, p) && kind != LINK_ENVELOPE && kind != LINK_ACK && (kind < LINK_MIX || kind > LINK_DIRECTORY)) {
        b->counters.messages_bad++; /* what only coordinator and member have to say to each other */
        return;
    }
    switch (kind) {
    case LINK_HEARTBEAT:
        if (b->cfg.coordinator && !still_member(b, p)) return;
        if (b->cfg.coordinator && heartbeat_decode(body, &h) == VL_OK)
            coordinator_heartbeat(b, p->node, &h);
        else
            b->counters.messages_bad++;
        return;
    case LINK_ENVELOPE:
    case LINK_ACK:
        dev.kind = kind == LINK_ACK ? DELIVERY_RECV_ACK : DELIVERY_RECV_ENVELOPE;
        b->over_link = true;
        vl_ignore(message_step(b, &dev));
        b->over_link = false;
        return;
    case LINK_BLOB:
        blobs_step(b, &bev);
        return;
    case LINK_BLOB_OFFER:
        blobs_offer(b, p, body);
        return;
    case LINK_BLOB_HAVE:
        blobs_have(b, p, body);
        return;
    case LINK_STATUS:
        if (b->cfg.coordinator) coordinator_status(b, p->node, body);
        return;
    case LINK_REVOCATIONS:
        err = roster_revoke(b->roster, body);
        if (err == VL_OK) record_add(b, RECORD_REVOCATIONS, NULL, 0, (struct vl_span){ 0 }, body);
        if (err == VL_OK && !b->cfg.coordinator) links_recheck(b);
        if (err && err != VL_ESTALE) b->counters.messages_bad++; /* an older list comes from an honest peer too */
        return;
    case LINK_JOIN: /* a member that lost the reply, or wants to renew */
        if (b->cfg.coordinator) coordinator_join(b, p, body);
        return;
    case LINK_JOIN_REPLY:
        joined(b, p, body);
        return;
    case LINK_ATTEST_ASK:
    case LINK_ATTEST_PART:
    case LINK_ATTEST_CREDENTIAL:
    case LINK_ATTEST_SECRET:
        if (link_is_star(b, p))
            attest_message(b, p, kind, body);
        else
            b->counters.messages_bad++;
        return;
    case LINK_SUCCEED:
        keys_succeed(b, p, body);
        return;
    case LINK_SUCCEED_REPLY:
        keys_reply(b, body);
        return;
    case LINK_MIX:
    case LINK_MIX_FETCH:
    case LINK_MIX_MAIL:
    case LINK_CHARTER:
    case LINK_DIRECTORY:
        mix_message(b, p, kind, body);
        return;
    case LINK_ROLL:
    case LINK_REVEAL:
    case LINK_DRAW:
        topo_message(b, p, kind, body);
        return;
    }
}

static void message(struct brain *b, const struct htx_event *ev) {
    struct peer *p = vl_map_get(&b->by_session, &ev->session);
    enum link_kind kind;
    struct vl_span body;
    if (p == NULL) return;
    if (!p->guest && ev->data.n > 0 && ev->data.p[0] == LINK_MIX) { /* many of them: the relay makes the only copy */
        mix_packets(b, p, ev->stream, vl_span(ev->data.p + 1, ev->data.n - 1));
        return;
    }
    vl_buf_clear(&b->rx); /* the endpoint takes its bytes back as soon as an answer is sent */
    if (vl_buf_append(&b->rx, ev->data.p, ev->data.n)) {
        out_of_memory(b);
        return;
    }
    if (link_split(vl_span(b->rx.p, b->rx.len), &kind, &body)) {
        b->counters.messages_bad++;
        return;
    }
    if (p->guest) {
        if (kind == LINK_JOIN)
            coordinator_join(b, p, body);
        else
            b->counters.messages_bad++;
        return;
    }
    if (!b->member && kind != LINK_JOIN_REPLY && !b->cfg.coordinator) return;
    member_message(b, p, kind, body);
}

static void event(struct brain *b, const struct htx_event *ev) {
    struct peer *p = vl_map_get(&b->by_session, &ev->session);
    switch (ev->type) {
    case HTX_CONN_UP:
        conn_up(b, ev);
        return;
    case HTX_CONN_CLOSE:
        effect_now(b, BRAIN_CONN_CLOSE, (struct vl_span){ 0 }, NULL)->conn = ev->conn;
        free(vl_map_del(&b->by_conn, &ev->conn));
        refused_note(b, ev);
        way_conn_closing(b, ev->conn);
        return;
    case HTX_SESSION_UP:
        session_up(b, ev);
        return;
    case HTX_SESSION_DETACHED:
        if (p == NULL) return;
        p->attached = false;
        if (b->cfg.coordinator && !p->guest) coordinator_peer_down(b, p->node);
        way_session_down(b, p->session);
        return;
    case HTX_SESSION_LOST:
        if (p == NULL) return;
        way_session_down(b, p->session);
        peer_forget(b, p, true);
        return;
    case HTX_MESSAGE:
        message(b, ev);
        return;
    case HTX_STREAM_RESET:
        for (unsigned i = 0; p && i < LANES; i++)
            if (p->stream[i] == ev->stream) p->stream[i] = 0;
        return;
    case HTX_STREAM_OPENED:
    case HTX_STREAM_CLOSED:
    case HTX_WRITABLE:
    case HTX_DATAGRAM:
    case HTX_PEER_GOING_AWAY:
    case HTX_EARLY: /* members dial without: decision 10 */
        return;
    }
}

void link_pump(struct brain *b) {
    struct htx_event ev;
    while (htx_next_event(b->htx, &ev)) event(b, &ev);
}

/* A stranger that has not become a member in time gives its place back. */
static void guests_dismiss(struct brain *b) {
    size_t it = 0;
    vl_ms next = VL_MS_NEVER;
    for (struct peer *p; (p = vl_map_next(&b->by_session, &it, NULL));) {
        if (!p->guest) continue;
        if (p->until <= b->now)
            held_inside(b, OUT_CLOSE, p->node, LANE_CONTROL, 0, (struct vl_span){ 0 });
        else
            next = vl_ms_min(next, p->until);
    }
    b->guest_at = next;
}

void link_tick(struct brain *b) {
    if (htx_deadline(b->htx) <= b->now) htx_expire(b->htx, b->now);
    link_pump(b);
    way_tick(b);
    if (b->heartbeat_at <= b->now) send_heartbeat(b);
    if (b->guest_at <= b->now) guests_dismiss(b);
}

vl_ms link_deadline(const struct brain *b) {
    return vl_ms_min(vl_ms_min(htx_deadline(b->htx), b->guest_at), vl_ms_min(way_deadline(b), b->heartbeat_at));
}

/* ---- bytes --------------------------------------------------------------------------------------------------------
 */

enum vl_err brain_accept(struct brain *b, vl_ms now, uint32_t *ret_conn) {
    step_begin(b, now);
    enum vl_err err = htx_accept(b->htx, b->now, ret_conn);
    step_end(b);
    return err;
}

enum vl_err brain_input(struct brain *b, uint32_t conn, vl_ms now, const void *p, size_t n) {
    const uint8_t *at = p;
    enum vl_err err = VL_OK;
    step_begin(b, now);
    while (n > 0) {
        size_t used = 0;
        err = htx_input(b->htx, conn, b->now, at, n, &used);
        link_pump(b);
        at += used;
        n -= used;
        if (err || used == 0) break;
    }
    if (err == VL_OK && n > 0) err = VL_ECLOSED; /* verdicts are given at once, so that nothing is ever left over */
    step_end(b);
    return err;
}

size_t brain_output(struct brain *b, uint32_t conn, vl_ms now, void *buf, size_t cap) {
    if (now > b->now) b->now = now;
    return htx_output(b->htx, conn, b->now, buf, cap);
}

uint32_t brain_next_output_conn(struct brain *b) { return htx_next_output_conn(b->htx); }

void brain_conn_lost(struct brain *b, uint32_t conn, vl_ms now) {
    step_begin(b, now);
    htx_conn_lost(b->htx, conn, b->now);
    free(vl_map_del(&b->by_conn, &conn));
    link_pump(b);
    way_conn_lost(b, conn);
    step_end(b);
}
