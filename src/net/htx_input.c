/* What each frame of an opened record does.  Everything here is said by a peer that has proved who it is, and is still
 * checked: form first, then whether it is allowed now. */
#include "net/htx_priv.h"

#include <string.h>

enum { SETTING_MAX_STREAMS = 1, SETTING_MAX_MESSAGE = 2 };

/* A fault that leaves the session's state in doubt ends the session, not only the connection. */
static void fault(struct htx_conn *c, vl_ms now, enum htx_reason reason) { htx_conn_close(c, now, reason, false); }

struct form {
    uint8_t flags;     /* allowed */
    bool on_stream;    /* stream != 0 allowed */
    bool on_session;   /* stream == 0 allowed */
    bool seq;          /* seq != 0 allowed */
    uint16_t min, max; /* payload */
    uint16_t multiple;
};
static const struct form forms[HTX_T_KNOWN] = {
    [HTX_T_DATA] = { HTX_FLAG_LZ4 | HTX_FLAG_MORE | HTX_FLAG_ACKREQ, true, false, true, 0, HTX_FRAGMENT_MAX, 1 },
    [HTX_T_ACK] = { 0, true, false, true, 8, 8, 1 },
    [HTX_T_WINDOW] = { 0, true, true, false, 8, 8, 1 },
    [HTX_T_PING] = { 0, false, true, false, 8, 8, 1 },
    [HTX_T_PONG] = { 0, false, true, false, 8, 8, 1 },
    [HTX_T_CLOSE] = { HTX_FLAG_ACKREQ, true, true, true, 4, 4, 1 },
    [HTX_T_RESET] = { HTX_FLAG_ACKREQ, true, true, true, 4, 4, 1 },
    [HTX_T_KEYUPDATE] = { 0, false, true, false, 0, 0, 1 },
    [HTX_T_DATAGRAM] = { 0, false, true, false, 0, HTX_DATAGRAM_MAX, 1 },
    [HTX_T_SETTINGS] = { 0, false, true, false, 0, 96, 6 },
    [HTX_T_GOAWAY] = { 0, false, true, false, 4, 4, 1 },
    [HTX_T_RESUME] = { 0, false, true, false, 36, HTX_FRAGMENT_MAX, 1 },
    [HTX_T_PAD] = { 0, false, true, false, 0, HTX_FRAGMENT_MAX, 1 },
};

static bool well_formed(const struct htx_frame *f) {
    const struct form *form = &forms[f->type];
    if (f->flags & ~form->flags) return false;
    if (f->stream != 0 ? !form->on_stream : !form->on_session) return false;
    if (f->seq != 0 && (!form->seq || f->stream == 0)) return false;
    return f->payload.n >= form->min && f->payload.n <= form->max && f->payload.n % form->multiple == 0;
}

static bool apply_settings(struct htx_session *s, struct vl_span payload) {
    bool have_streams = false, have_message = false;
    struct vl_reader r = vl_reader(payload.p, payload.n);
    while (r.n > 0) {
        uint16_t id = vl_read_u16(&r);
        uint32_t value = vl_read_u32(&r);
        if (id == SETTING_MAX_STREAMS) {
            if (have_streams || value == 0) return false;
            have_streams = true;
            s->peer_max_streams = value < HTX_STREAMS_MAX ? value : HTX_STREAMS_MAX;
        } else if (id == SETTING_MAX_MESSAGE) {
            if (have_message || value == 0) return false;
            have_message = true;
            s->peer_max_message = value < VL_MESSAGE_MAX ? value : VL_MESSAGE_MAX;
        } /* else: of a newer version, none of our business */
    }
    s->settings_received = true;
    return true;
}

/* The dialler's first frame was SETTINGS: a new session. */
static void begin_session(struct htx_conn *c, vl_ms now, const struct htx_frame *f) {
    struct htx_session *s = htx_session_create(c->ep, c, now);
    if (s == NULL)
        htx_conn_close(c, now, HTX_LIMIT, true);
    else if (!apply_settings(s, f->payload))
        fault(c, now, HTX_PROTOCOL);
    else
        c->send_settings = true;
}

static struct htx_session *session_by_id(struct htx_endpoint *ep, const uint8_t *id, struct vl_node_id node) {
    for (uint32_t i = 0; i < ep->limits.max_links; i++) {
        struct htx_session *s = ep->sessions[i].object;
        if (s != NULL && !s->dead && memcmp(s->id, id, sizeof s->id) == 0 && vl_node_eq(s->node, node)) return s;
    }
    return NULL;
}

static void move_session(struct htx_session *s, struct htx_conn *c, vl_ms now, const struct htx_frame *f) {
    struct htx_conn *old = s->conn;
    if (old != NULL) {
        old->session = NULL;
        s->conn = NULL;
        htx_conn_close(old, now, HTX_SUPERSEDED, true);
    }
    if (htx_resume_apply(s, f->payload, now) != VL_OK) {
        c->session = s; /* so that the fault ends it */
        s->conn = c;
        fault(c, now, HTX_PROTOCOL);
        return;
    }
    htx_session_attach(s, c, now, true);
}

/* The dialler's first frame was RESUME. */
static void accept_resume(struct htx_conn *c, vl_ms now, const struct htx_frame *f) {
    struct htx_session *s = session_by_id(c->ep, f->payload.p, c->node);
    if (s == NULL) {
        c->send_unknown = true;
        htx_mark_dirty(c);
        return;
    }
    if (s->resuming != NULL && s->dialled) { /* both dial at once: the dial of the session's first dialler wins */
        htx_conn_close(c, now, HTX_SUPERSEDED, true);
        return;
    }
    if (s->resuming != NULL) htx_conn_close(s->resuming, now, HTX_SUPERSEDED, true);
    move_session(s, c, now, f);
    c->send_resume = c->session != NULL;
}

/* Answer to our RESUME: the session goes on. */
static void confirm_resume(struct htx_conn *c, vl_ms now, const struct htx_frame *f) {
    struct htx_session *s = htx_session_of(c->ep, c->resume);
    if (s == NULL) {
        htx_conn_close(c, now, HTX_SUPERSEDED, true);
        return;
    }
    s->rx_bytes = c->resume_rx; /* what came on the old connection since then comes again and counts again */
    move_session(s, c, now, f);
    if (c->session == NULL) return;
    for (uint32_t i = 0; i < s->nstreams; i++) { /* our RESUME may be older than what we have by now */
        s->streams[i]->ack_pending = s->streams[i]->rx_seq > 0;
        s->streams[i]->window_pending = true;
        htx_stream_ctl(s->streams[i]);
    }
    s->window_pending = true;
    htx_session_wants_ack(s, now, true);
}

/* Answer to our RESUME: the peer has forgotten; a new session takes the connection. */
static void replace_session(struct htx_conn *c, vl_ms now) {
    struct htx_session *old = htx_session_of(c->ep, c->resume);
    if (old != NULL) {
        struct htx_conn *at = old->conn;
        htx_session_lose(old, HTX_UNKNOWN_SESSION);
        if (at != NULL) htx_conn_close(at, now, HTX_UNKNOWN_SESSION, false);
    }
    c->resume = 0;
    c->resume_sent = false;
    if (htx_session_create(c->ep, c, now) == NULL)
        htx_conn_close(c, now, HTX_LIMIT, true);
    else
        c->send_settings = true;
}

/* Frames before a session is attached. */
static void opening_frame(struct htx_conn *c, vl_ms now, const struct htx_frame *f) {
    if (f->type == HTX_T_CLOSE && f->stream == 0) {
        uint32_t reason = vl_get_u32(f->payload.p);
        htx_conn_close(c, now, reason, true);
    } else if (f->type == HTX_T_PAD)
        return;
    else if (!c->initiator && f->type == HTX_T_SETTINGS)
        begin_session(c, now, f);
    else if (!c->initiator && f->type == HTX_T_RESUME && !c->send_unknown)
        accept_resume(c, now, f);
    else if (c->initiator && c->resume_sent && f->type == HTX_T_RESUME)
        confirm_resume(c, now, f);
    else if (c->initiator && c->resume_sent && f->type == HTX_T_RESET && f->stream == 0)
        replace_session(c, now);
    else
        fault(c, now, HTX_PROTOCOL);
}

/* The stream of a sequenced frame; creates what the peer opens by it.  NULL: nothing more to do with this frame. */
static struct htx_stream *stream_of(struct htx_conn *c, vl_ms now, const struct htx_frame *f) {
    struct htx_session *s = c->session;
    struct htx_stream *st = htx_stream_find(s, f->stream);
    if (st != NULL) return st;
    bool local = htx_stream_local(s, f->stream);
    if (local ? f->stream < s->next_local : f->stream <= s->last_remote) { /* finished and forgotten */
        htx_session_ghost(s, f->stream, f->seq);
        htx_session_wants_ack(s, now, true);
        return NULL;
    }
    if (local) { /* a stream that we never opened */
        fault(c, now, HTX_PROTOCOL);
        return NULL;
    }
    /* A stream opens all lower ones too (RFC 9000 2.1), so that "highest seen" tells a RESUME all it needs. */
    uint32_t first = s->last_remote == 0 ? (s->dialled ? 2 : 1) : s->last_remote + 2;
    if ((f->stream - first) / 2 + s->open_remote >= HTX_STREAMS_MAX + HTX_STREAMS_LINGER) {
        fault(c, now, HTX_LIMIT);
        return NULL;
    }
    for (uint32_t id = first;; id += 2) {
        enum vl_err err = htx_stream_create(s, id, now, &st);
        if (err) {
            fault(c, now, err == VL_ELIMIT ? HTX_LIMIT : HTX_NO_MEMORY);
            return NULL;
        }
        s->last_remote = id;
        htx_raise(c->ep, &st->pending, STREAM_BIT_OPENED);
        if (id == f->stream) return st;
    }
}

static void sequenced_frame(struct htx_conn *c, vl_ms now, const struct htx_frame *f) {
    struct htx_session *s = c->session;
    if (f->type == HTX_T_DATA) {
        if (f->payload.n > s->rx_limit - s->rx_bytes) {
            fault(c, now, HTX_LIMIT);
            return;
        }
        s->rx_bytes += f->payload.n; /* whatever becomes of it: the sender counted it too */
        htx_session_credit(s, now);
    }
    struct htx_stream *st = stream_of(c, now, f);
    if (st == NULL) return;
    enum htx_reason reason = htx_stream_frame(st, f, now);
    if (reason != HTX_NORMAL_END) fault(c, now, reason);
}

static void ack_frame(struct htx_conn *c, vl_ms now, const struct htx_frame *f) {
    struct htx_stream *st = htx_stream_find(c->session, f->stream);
    if (st == NULL) return; /* of a stream that is done here */
    if (htx_stream_acked(st, f->seq, vl_get_u64(f->payload.p), now) != VL_OK) {
        fault(c, now, HTX_PROTOCOL);
        return;
    }
    htx_stream_reap(st);
    if (c->session->unsent > 0) htx_mark_dirty(c); /* a place for another long message may be free */
}

static void window_frame(struct htx_conn *c, const struct htx_frame *f) {
    struct htx_session *s = c->session;
    uint64_t limit = vl_get_u64(f->payload.p);
    if (f->stream == 0) {
        if (limit > s->tx_limit) s->tx_limit = limit;
    } else {
        struct htx_stream *st = htx_stream_find(s, f->stream);
        if (st == NULL) return;
        if (limit > st->tx_limit) st->tx_limit = limit;
        htx_stream_activate(st);
    }
    if (s->unsent > 0) htx_mark_dirty(c);
}

static void datagram_frame(struct htx_conn *c, const struct htx_frame *f) {
    struct htx_endpoint *ep = c->ep;
    ep->have_message = true;
    ep->message = (struct htx_event){ .type = HTX_DATAGRAM,
                                      .session = c->session->handle,
                                      .node = c->session->node,
                                      .sent_ms = f->timestamp_ms,
                                      .data = f->payload };
}

static void session_frame(struct htx_conn *c, vl_ms now, const struct htx_frame *f) {
    struct htx_session *s = c->session;
    switch ((enum htx_type)f->type) {
    case HTX_T_DATA:
        sequenced_frame(c, now, f);
        break;
    case HTX_T_ACK:
        ack_frame(c, now, f);
        break;
    case HTX_T_WINDOW:
        window_frame(c, f);
        break;
    case HTX_T_PING: /* one answer however many questions: a flood does not come back */
        c->pong_token = vl_get_u64(f->payload.p);
        c->send_pong = true;
        htx_mark_dirty(c);
        break;
    case HTX_T_PONG:
        if (!c->ping_out || vl_get_u64(f->payload.p) != c->ping_token) break;
        c->ping_out = false;
        htx_session_rtt(s, now - c->ping_ms);
        htx_wake_by(c, htx_conn_deadline(c)); /* the next keep-alive */
        break;
    case HTX_T_CLOSE:
        if (f->stream != 0)
            sequenced_frame(c, now, f);
        else {
            htx_conn_close(c, now, vl_get_u32(f->payload.p), false);
            c->send_close = false; /* the peer has said it already */
        }
        break;
    case HTX_T_RESET:
        if (f->stream != 0)
            sequenced_frame(c, now, f);
        else
            fault(c, now, HTX_PROTOCOL);
        break;
    case HTX_T_DATAGRAM:
        datagram_frame(c, f);
        break;
    case HTX_T_SETTINGS: /* the answer of the side that was dialled */
        if (!c->initiator || s->resumed || s->settings_received || !apply_settings(s, f->payload))
            fault(c, now, HTX_PROTOCOL);
        break;
    case HTX_T_GOAWAY:
        s->peer_goaway = true;
        s->peer_goaway_code = vl_get_u32(f->payload.p);
        htx_raise(c->ep, &s->pending, SESSION_BIT_GOAWAY);
        break;
    case HTX_T_RESUME:
        fault(c, now, HTX_PROTOCOL);
        break;
    case HTX_T_KEYUPDATE: /* done by the caller */
    case HTX_T_PAD:
        break;
    }
}

void htx_conn_frame(struct htx_conn *c, vl_ms now, const struct htx_frame *f, bool last) {
    if (f->type >= HTX_T_KNOWN) {
        if (f->type < HTX_T_IGNORABLE)
            fault(c, now, HTX_PROTOCOL);
        else
            c->ep->stats.unknown_frames++;
        return;
    }
    if (!well_formed(f)) {
        fault(c, now, HTX_PROTOCOL);
        return;
    }
    if (f->type == HTX_T_KEYUPDATE) {
        if (!last)
            fault(c, now, HTX_PROTOCOL); /* "KEYUPDATE is the last frame under the old key" */
        else if (htx_record_rekey(&c->rx, now) != VL_OK)
            htx_conn_close(c, now, HTX_NO_MEMORY, true);
        else
            c->ep->stats.rekeys_received++;
        return;
    }
    if (c->state == CONN_OPENING)
        opening_frame(c, now, f);
    else if (c->state == CONN_UP)
        session_frame(c, now, f);
}
