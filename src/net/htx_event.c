/* Events: raised bits of connections, sessions and streams first, then the frames of the record taken last, one by one.
 */
#include "net/htx_priv.h"

#include <assert.h>
#include <string.h>

/* The next payload of the peer's early data; it stays in place until the session is up. */
static void early_event(struct htx_conn *c, struct htx_event *ev) {
    struct htx_frame f = { 0 };
    size_t len = 0;
    enum vl_err err = htx_frame_read(vl_span(c->early.p + c->early_at, c->early.len - c->early_at), &f, &len);
    assert(err == VL_OK); /* htx_early_check() */
    (void)err;
    c->early_at += len;
    ev->type = HTX_EARLY;
    ev->sent_ms = f.timestamp_ms;
    ev->data = f.payload;
    if (c->early_at < c->early.len) htx_raise(c->ep, &c->pending, CONN_BIT_EARLY);
}

static void conn_event(struct htx_conn *c, uint32_t bit, struct htx_event *ev) {
    *ev = (struct htx_event){ .conn = c->handle, .node = c->node, .reason = c->reason };
    memcpy(ev->peer_static, c->peer_static, 32);
    if (bit == CONN_BIT_EARLY) {
        early_event(c, ev);
        return;
    }
    ev->type = bit == CONN_BIT_UP ? HTX_CONN_UP : HTX_CONN_CLOSE;
    if (bit != CONN_BIT_UP) return;
    ev->capabilities = c->hs->capabilities;
    if (c->initiator) ev->early = c->hs->answer;
    ev->data = vl_span(c->hs->certificate, c->hs->certificate_n);
}

static void session_event(struct htx_session *s, uint32_t bit, struct htx_event *ev) {
    *ev = (struct htx_event){ .session = s->handle, .node = s->node, .reason = s->reason };
    if (bit == SESSION_BIT_UP) {
        ev->type = HTX_SESSION_UP;
        ev->conn = s->conn->handle;
        ev->resumed = s->resumed;
        ev->reason = 0;
        memcpy(ev->peer_static, s->peer_static, 32);
    } else if (bit == SESSION_BIT_DETACHED)
        ev->type = HTX_SESSION_DETACHED;
    else if (bit == SESSION_BIT_LOST)
        ev->type = HTX_SESSION_LOST;
    else {
        ev->type = HTX_PEER_GOING_AWAY;
        ev->reason = s->peer_goaway_code;
    }
}

static void stream_event(struct htx_stream *st, uint32_t bit, struct htx_event *ev) {
    *ev = (struct htx_event){ .session = st->session->handle, .stream = st->id, .node = st->session->node };
    if (bit == STREAM_BIT_OPENED)
        ev->type = HTX_STREAM_OPENED;
    else if (bit == STREAM_BIT_CLOSED)
        ev->type = HTX_STREAM_CLOSED;
    else if (bit == STREAM_BIT_WRITABLE)
        ev->type = HTX_WRITABLE;
    else {
        ev->type = HTX_STREAM_RESET;
        ev->reason = st->reset_code;
    }
}

/* The first raised event; false: none. */
static bool take_raised(struct htx_endpoint *ep, struct htx_event *ev) {
    struct htx_pending *p = ep->events.next;
    if (p == &ep->events) return false;
    uint32_t bit = p->bits & -p->bits;
    p->bits &= ~bit;
    if (p->bits == 0) htx_unraise(p);
    if (bit == 0) return take_raised(ep, ev); /* withdrawn while it waited */
    switch (p->kind) {
    case HTX_OF_CONN:
        conn_event(HTX_OBJECT(struct htx_conn, pending, p), bit, ev);
        break;
    case HTX_OF_SESSION: {
        struct htx_session *s = HTX_OBJECT(struct htx_session, pending, p);
        session_event(s, bit, ev);
        if (bit == SESSION_BIT_LOST) htx_session_free(s);
        break;
    }
    case HTX_OF_STREAM: {
        struct htx_stream *st = HTX_OBJECT(struct htx_stream, pending, p);
        stream_event(st, bit, ev);
        htx_stream_reap(st);
        break;
    }
    }
    return true;
}

/* One frame that came ahead, whose gap has closed; false: there was none. */
static bool step_ahead(struct htx_endpoint *ep) {
    if (ep->ahead_session == 0) return false;
    struct htx_session *s = htx_session_of(ep, ep->ahead_session);
    struct htx_stream *st = s != NULL ? htx_stream_find(s, ep->ahead_stream) : NULL;
    enum htx_reason reason = HTX_NORMAL_END;
    ep->ahead_session = 0; /* taking one sets it again when there is another */
    if (st == NULL || !htx_stream_take_ahead(st, ep->rec_now, &reason)) return true;
    if (reason != HTX_NORMAL_END && s->conn != NULL) htx_conn_close(s->conn, ep->rec_now, reason, false);
    return true;
}

/* One frame of the record; false: no more. */
static bool step_record(struct htx_endpoint *ep) {
    if (ep->rec_at >= ep->rec_n) return false;
    struct htx_conn *c = htx_conn_of(ep, ep->rec_conn);
    struct htx_frame f;
    size_t len = 0;
    assert(c != NULL); /* htx_conn_free() drops the record with the connection */
    enum vl_err err = htx_frame_read(vl_span(ep->plain + ep->rec_at, ep->rec_n - ep->rec_at), &f, &len);
    if (err) {
        ep->rec_n = ep->rec_at = 0;
        htx_conn_close(c, ep->rec_now, HTX_PROTOCOL, false);
        return true;
    }
    ep->rec_at += len;
    htx_conn_frame(c, ep->rec_now, &f, ep->rec_at == ep->rec_n);
    return true;
}

bool htx_next_event(struct htx_endpoint *ep, struct htx_event *ret_ev) {
    for (;;) {
        if (take_raised(ep, ret_ev)) return true;
        if (ep->have_message) {
            ep->have_message = false;
            if (htx_session_of(ep, ep->message.session) == NULL) continue;
            *ret_ev = ep->message;
            return true;
        }
        if (!step_ahead(ep) && !step_record(ep)) return false;
    }
}
