/* What the application calls on sessions and streams, and the figures. */
#include "net/htx_priv.h"

#include <stdlib.h>
#include <string.h>

/* A live stream of a live session, for the application: reset streams are dead to it. */
static enum vl_err stream_for(struct htx_endpoint *ep, uint32_t session, uint32_t stream, struct htx_stream **ret) {
    struct htx_session *s = htx_session_of(ep, session);
    struct htx_stream *st = s != NULL ? htx_stream_find(s, stream) : NULL;
    if (st == NULL || st->reset_local || st->reset_remote) return VL_ENOTFOUND;
    *ret = st;
    return VL_OK;
}

static void wants_output(struct htx_session *s) {
    if (s->conn != NULL) htx_mark_dirty(s->conn);
}

enum vl_err htx_open(struct htx_endpoint *ep, uint32_t session, enum htx_priority priority, uint32_t *ret_stream) {
    struct htx_session *s = htx_session_of(ep, session);
    if (s == NULL) return VL_ENOTFOUND;
    if ((unsigned)priority >= HTX_CLASSES) return VL_ERANGE;
    if (s->peer_goaway) return VL_ECLOSED;
    if (s->open_local >= s->peer_max_streams || s->next_local > UINT32_MAX - 2) return VL_ELIMIT;
    struct htx_stream *st = NULL;
    enum vl_err err = htx_stream_create(s, s->next_local, s->window_ms, &st);
    if (err) return err;
    st->priority = priority;
    s->next_local += 2;
    *ret_stream = st->id;
    return VL_OK;
}

enum vl_err htx_tune(struct htx_endpoint *ep, uint32_t session, uint32_t stream, enum htx_priority priority,
                     bool compress) {
    struct htx_stream *st = NULL;
    enum vl_err err = stream_for(ep, session, stream, &st);
    if (err) return err;
    if ((unsigned)priority >= HTX_CLASSES) return VL_ERANGE;
    bool active = st->active;
    htx_stream_deactivate(st); /* it stands in the ring of its class */
    st->priority = priority;
    st->compress = compress;
    if (active) htx_stream_activate(st);
    return VL_OK;
}

/* CONTROL may go past the budget by one message, so that a full queue of bulk never silences it. */
static bool budget_full(const struct htx_stream *st, size_t cost) {
    const struct htx_session *s = st->session;
    size_t budget = s->ep->limits.send_budget + (st->priority == HTX_CONTROL ? VL_MESSAGE_MAX : 0);
    return s->queued + cost > budget;
}

enum vl_err htx_send(struct htx_endpoint *ep, uint32_t session, uint32_t stream, vl_ms now, const struct vl_span *parts,
                     size_t nparts) {
    struct htx_stream *st = NULL;
    enum vl_err err = stream_for(ep, session, stream, &st);
    if (err) return err;
    struct htx_session *s = st->session;
    if (st->fin_queued) return VL_ECLOSED;
    if (st->next_seq > HTX_SEQ_MAX) return VL_ELIMIT;
    struct htx_queue_message m = {
        .type = HTX_T_DATA, .stream = stream, .timestamp_ms = now, .parts = parts, .nparts = nparts
    };
    for (size_t i = 0; i < nparts; i++) {
        if (parts[i].n > s->peer_max_message - m.total) return VL_ERANGE;
        m.total += parts[i].n;
    }
    if (budget_full(st, htx_queue_cost(m.total))) {
        if (!st->want_write) s->want_writes++;
        st->want_write = true;
        return VL_EAGAIN;
    }
    size_t raw = m.total;
    struct vl_span whole;
    if (st->compress) htx_compress(ep, &m, &whole);
    size_t bytes = st->q.bytes;
    err = htx_queue_push(&st->q, &ep->pool, &m, &st->next_seq);
    if (err) return err;
    s->queued += st->q.bytes - bytes;
    s->unsent += st->q.bytes - bytes;
    s->tx_msgs++;
    s->tx_payload += raw;
    htx_stream_activate(st);
    wants_output(s);
    return VL_OK;
}

enum vl_err htx_close_stream(struct htx_endpoint *ep, uint32_t session, uint32_t stream, vl_ms now) {
    struct htx_stream *st = NULL;
    enum vl_err err = stream_for(ep, session, stream, &st);
    if (err) return err;
    if (st->fin_queued) return VL_ECLOSED;
    err = htx_stream_end(st, HTX_T_CLOSE, HTX_NORMAL_END, now);
    if (err) return err;
    st->fin_queued = true;
    wants_output(st->session);
    return VL_OK;
}

enum vl_err htx_reset_stream(struct htx_endpoint *ep, uint32_t session, uint32_t stream, vl_ms now, uint32_t code) {
    struct htx_stream *st = NULL;
    enum vl_err err = stream_for(ep, session, stream, &st);
    if (err) return err;
    err = htx_stream_end(st, HTX_T_RESET, code, now);
    if (err) return err;
    st->reset_local = true;
    htx_stream_drop_rx(st);
    htx_unraise(&st->pending);
    wants_output(st->session);
    return VL_OK;
}

enum vl_err htx_hold(struct htx_endpoint *ep, uint32_t session, uint32_t stream, bool hold) {
    struct htx_stream *st = NULL;
    enum vl_err err = stream_for(ep, session, stream, &st);
    if (err) return err;
    st->hold = hold;
    if (!hold) htx_stream_credit(st, st->window_ms);
    return VL_OK;
}

enum vl_err htx_session_datagram(struct htx_session *s, const uint8_t head[HTX_HEADER], struct vl_span payload) {
    struct htx_datagram_item *d = malloc(sizeof *d + HTX_HEADER + payload.n);
    if (d == NULL) return VL_ENOMEM;
    *d = (struct htx_datagram_item){ .n = (uint32_t)(HTX_HEADER + payload.n) };
    memcpy(d->frame, head, HTX_HEADER);
    if (payload.n > 0) memcpy(d->frame + HTX_HEADER, payload.p, payload.n);
    if (s->dgram_tail != NULL)
        s->dgram_tail->next = d;
    else
        s->dgram_head = d;
    s->dgram_tail = d;
    s->ndgrams++;
    wants_output(s);
    return VL_OK;
}

enum vl_err htx_datagram(struct htx_endpoint *ep, uint32_t session, vl_ms now, struct vl_span payload) {
    struct htx_session *s = htx_session_of(ep, session);
    if (s == NULL) return VL_ENOTFOUND;
    if (payload.n > HTX_DATAGRAM_MAX) return VL_ERANGE;
    if (s->conn == NULL || s->ndgrams >= HTX_DATAGRAMS_MAX) {
        ep->stats.dropped_datagrams++;
        return VL_EAGAIN;
    }
    struct htx_frame f = { .type = HTX_T_DATAGRAM, .timestamp_ms = now, .payload = payload };
    uint8_t head[HTX_HEADER];
    htx_frame_put_header(head, &f);
    return htx_session_datagram(s, head, payload);
}

enum vl_err htx_goaway(struct htx_endpoint *ep, uint32_t session, uint32_t code) {
    struct htx_session *s = htx_session_of(ep, session);
    if (s == NULL) return VL_ENOTFOUND;
    s->goaway_pending = s->goaway_said = true;
    s->goaway_code = code;
    wants_output(s);
    return VL_OK;
}

enum vl_err htx_close(struct htx_endpoint *ep, uint32_t session, vl_ms now, uint32_t reason) {
    struct htx_session *s = htx_session_of(ep, session);
    if (s == NULL) return VL_ENOTFOUND;
    struct htx_conn *c = s->conn, *resuming = s->resuming;
    htx_session_lose(s, reason);
    htx_session_free(s); /* no event: the caller knows */
    if (c != NULL) htx_conn_close(c, now, reason, false);
    if (resuming != NULL) htx_conn_close(resuming, now, reason, true);
    return VL_OK;
}

enum vl_err htx_session_info(const struct htx_endpoint *ep, uint32_t session, struct htx_session_info *ret) {
    const struct htx_session *s = htx_session_of(ep, session);
    if (s == NULL) return VL_ENOTFOUND;
    *ret = (struct htx_session_info){ .node = s->node,
                                      .conn = s->conn != NULL ? s->conn->handle : 0,
                                      .dialled = s->dialled,
                                      .rtt_ms = htx_session_rtt_ms(s),
                                      .rx_bytes = s->rx_payload,
                                      .tx_bytes = s->tx_payload,
                                      .rx_messages = s->rx_msgs,
                                      .tx_messages = s->tx_msgs,
                                      .replayed_frames = s->replayed,
                                      .duplicate_frames = s->duplicates,
                                      .streams = s->nstreams,
                                      .queued_bytes = s->queued,
                                      .memory = htx_session_memory(s) };
    return VL_OK;
}

enum vl_err htx_binding(const struct htx_endpoint *ep, uint32_t session, uint8_t ret[32]) {
    const struct htx_session *s = htx_session_of(ep, session);
    if (s == NULL) return VL_ENOTFOUND;
    memcpy(ret, s->binding, sizeof s->binding);
    return VL_OK;
}

void htx_stats(const struct htx_endpoint *ep, struct htx_stats *ret) {
    *ret = ep->stats;
    for (uint32_t i = 0; i < ep->limits.max_links; i++) {
        const struct htx_conn *c = ep->conns[i].object;
        ret->half_open += c != NULL && !c->initiator && c->state < CONN_UP;
    }
}
