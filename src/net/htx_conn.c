/* Connections: from dial or accept over handshake and verdict to their end, and their clocks. */
#include "net/htx_priv.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct htx_conn *htx_conn_create(struct htx_endpoint *ep, vl_ms now, bool initiator) {
    struct htx_conn *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    *c = (struct htx_conn){ .ep = ep,
                            .pending = { .kind = HTX_OF_CONN },
                            .state = CONN_HANDSHAKE,
                            .initiator = initiator,
                            .started = now,
                            .last_rx = now,
                            .dirty_since = VL_MS_NEVER };
    vl_buf_init(&c->in, HTX_RECORD_WIRE_MAX);
    vl_buf_init(&c->early, HTX_EARLY_SECTION_MAX);
    vl_buf_init(&c->out, HTX_PREFACE + 2 * (2 + HTX_HANDSHAKE_MAX));
    c->hs = calloc(1, sizeof *c->hs);
    if (c->hs == NULL || vl_heap_set(&ep->conn_timers, &c->timer, vl_ms_add(now, ep->limits.handshake_ms)) != VL_OK) {
        free(c->hs);
        free(c);
        return NULL;
    }
    return c;
}

static void drop_handshake(struct htx_conn *c) {
    if (c->hs == NULL) return;
    htx_handshake_wipe(c->hs);
    free(c->hs);
    c->hs = NULL;
}

static void unmark_dirty(struct htx_conn *c) {
    struct htx_endpoint *ep = c->ep;
    if (!c->dirty) return;
    struct htx_conn **link = &ep->dirty_head, *before = NULL;
    while (*link != c) {
        before = *link;
        link = &before->next_dirty;
    }
    *link = c->next_dirty;
    if (ep->dirty_tail == c) ep->dirty_tail = before;
    c->dirty = false;
}

static void release_resume(struct htx_conn *c) {
    struct htx_session *s = htx_session_of(c->ep, c->resume);
    if (s != NULL && s->resuming == c) s->resuming = NULL;
    c->resume = 0;
}

void htx_conn_free(struct htx_conn *c) {
    struct htx_endpoint *ep = c->ep;
    if (c->session != NULL) c->session->conn = NULL;
    release_resume(c);
    if (ep->rec_conn == c->handle) ep->rec_n = ep->rec_at = 0;
    unmark_dirty(c);
    htx_unraise(&c->pending);
    vl_heap_remove(&ep->conn_timers, &c->timer);
    drop_handshake(c);
    htx_record_wipe(&c->tx);
    htx_record_wipe(&c->rx);
    vl_buf_free(&c->in);
    vl_buf_free(&c->out);
    vl_buf_free(&c->early);
    ep->conns[c->handle & 0x7ff].object = NULL;
    ep->stats.conns--;
    sodium_memzero(c, sizeof *c);
    free(c);
}

void htx_conn_close(struct htx_conn *c, vl_ms now, uint32_t reason, bool keep) {
    struct htx_endpoint *ep = c->ep;
    struct htx_session *s = c->session;
    if (c->state == CONN_CLOSING) return;
    ep->stats.ended[reason < 16 ? reason : 0]++;
    /* CLOSE ends the session at the peer.  A connection whose session lives on ends without a word. */
    c->send_close = c->state != CONN_HANDSHAKE && !(c->state == CONN_UP && keep) && reason != HTX_CRYPTO;
    c->reason = reason;
    c->state = CONN_CLOSING;
    c->session = NULL;
    if (s != NULL) {
        s->conn = NULL;
        if (keep)
            htx_session_detach(s, now, reason);
        else
            htx_session_lose(s, reason);
    }
    release_resume(c);
    if (ep->rec_conn == c->handle) ep->rec_n = ep->rec_at = 0; /* the rest of its record is of no use */
    drop_handshake(c);
    htx_record_wipe(&c->rx);
    vl_buf_free(&c->in);
    vl_buf_free(&c->early);
    htx_unraise(&c->pending);
    htx_raise(ep, &c->pending, CONN_BIT_CLOSE);
    if (c->send_close || c->out.len > 0) htx_mark_dirty(c);
}

enum vl_err htx_conn_open(struct htx_conn *c, vl_ms now) {
    drop_handshake(c);
    c->state = CONN_OPENING;
    if (!c->initiator) {
        if (c->early.len > 0) htx_raise(c->ep, &c->pending, CONN_BIT_EARLY);
        return VL_OK;
    }
    struct htx_session *s = htx_session_of(c->ep, c->resume);
    if (s != NULL) {
        c->send_resume = true;
        htx_mark_dirty(c);
        return VL_OK;
    }
    c->resume = 0;
    if (htx_session_create(c->ep, c, now) == NULL)
        htx_conn_close(c, now, HTX_LIMIT, true);
    else
        c->send_settings = true;
    return VL_OK;
}

/* -- early data ---------------------------------------------------------------------------------------------------- */

/* Strangers cannot fill the memory of handshakes: IK resumes a session, and its early data is heard of a node with
 * which there is one. */
static bool has_session_with(const struct htx_endpoint *ep, struct vl_node_id node) {
    for (uint32_t i = 0; i < ep->limits.max_links; i++) {
        const struct htx_session *s = ep->sessions[i].object;
        if (s != NULL && !s->dead && vl_node_eq(s->node, node)) return true;
    }
    return false;
}

void htx_conn_judge_early(struct htx_conn *c, vl_ms now) {
    struct htx_endpoint *ep = c->ep;
    struct htx_handshake *hs = c->hs;
    hs->answer = has_session_with(ep, hs->node) ? htx_early_judge(&ep->early, now, hs->early_ms, hs->ephemeral)
                                                : HTX_EARLY_REFUSED;
    if (hs->answer == HTX_EARLY_ACCEPTED) {
        ep->stats.early_accepted++;
        c->early = hs->early; /* for the verdict, which ends the handshake */
        c->early_at = HTX_EARLY_HEAD;
        vl_buf_init(&hs->early, HTX_EARLY_SECTION_MAX);
    } else
        ep->stats.early_refused++;
}

void htx_conn_early_again(struct htx_conn *c) {
    size_t len = 0;
    for (size_t at = HTX_EARLY_HEAD; at < c->early.len; at += len) {
        struct htx_frame f;
        enum vl_err err = htx_frame_read(vl_span(c->early.p + at, c->early.len - at), &f, &len);
        assert(err == VL_OK); /* we wrote it */
        err = htx_session_datagram(c->session, c->early.p + at, f.payload);
        if (err) c->ep->stats.dropped_datagrams++;
    }
    vl_buf_free(&c->early);
}

bool htx_conn_wants_output(struct htx_conn *c, vl_ms now) {
    struct htx_session *s = c->session;
    if (c->state == CONN_CLOSING) return c->send_close;
    if (c->state < CONN_OPENING) return false;
    if (c->send_unknown || c->send_settings || c->send_resume || c->send_ping || c->send_pong) return true;
    if (s == NULL) return false;
    if (s->ack_urgent || now >= s->ack_at || s->window_pending || s->goaway_pending || s->dgram_head != NULL)
        return true;
    return htx_sched_pick(s) != NULL;
}

/* -- clocks ------------------------------------------------------------------------------------------------------ */

static vl_ms slow_at(const struct htx_conn *c) {
    const struct htx_session *s = c->session;
    vl_ms drain = c->ep->limits.drain_ms, at = VL_MS_NEVER;
    if (c->dirty_since != VL_MS_NEVER) at = vl_ms_add(c->dirty_since, drain);
    if (s != NULL && s->queued > s->unsent) at = vl_ms_min(at, vl_ms_add(s->ack_progress, drain));
    return at;
}

vl_ms htx_conn_deadline(const struct htx_conn *c) {
    const struct htx_limits *l = &c->ep->limits;
    if (c->state == CONN_CLOSING) return VL_MS_NEVER;
    vl_ms at = c->established && c->state == CONN_UP ? VL_MS_NEVER : vl_ms_add(c->started, l->handshake_ms);
    if (c->state != CONN_UP) return at;
    at = vl_ms_min(at, vl_ms_add(c->last_rx, l->idle_ms));
    if (!c->ping_out && !c->send_ping) at = vl_ms_min(at, vl_ms_add(c->last_rx, l->keepalive_ms));
    at = vl_ms_min(at, slow_at(c));
    return vl_ms_min(at, c->session->ack_at);
}

/* Memory that a burst left behind goes back when the link has been quiet for a while. */
static void shrink(struct htx_conn *c) {
    if (c->in.len == 0) vl_buf_free(&c->in);
    if (c->out.len == 0) vl_buf_free(&c->out);
}

void htx_conn_expire(struct htx_conn *c, vl_ms now) {
    const struct htx_limits *l = &c->ep->limits;
    if (c->state == CONN_CLOSING) return;
    if ((!c->established || c->state != CONN_UP) && now >= vl_ms_add(c->started, l->handshake_ms)) {
        htx_conn_close(c, now, HTX_HANDSHAKE_TIMEOUT, true);
        return;
    }
    if (c->state != CONN_UP) return;
    if (now >= slow_at(c)) {
        htx_conn_close(c, now, HTX_SLOW, true);
        return;
    }
    if (now >= vl_ms_add(c->last_rx, l->idle_ms)) {
        htx_conn_close(c, now, HTX_IDLE, true);
        return;
    }
    if (now >= vl_ms_add(c->last_rx, l->keepalive_ms) && !c->ping_out && !c->send_ping) {
        shrink(c);
        c->send_ping = true;
        htx_mark_dirty(c);
    }
    if (now >= c->session->ack_at) htx_mark_dirty(c);
}
