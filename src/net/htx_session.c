/* Sessions: created with a connection, attached, detached, resumed, lost. */
#include "net/htx_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What libcrypto holds for one AES-GCM or ChaChaPoly context once a large record has passed; measured, see the test. */
#define AEAD_HIDDEN 1024u

struct htx_session *htx_session_create(struct htx_endpoint *ep, struct htx_conn *c, vl_ms now) {
    struct htx_session *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    *s = (struct htx_session){ .ep = ep,
                               .pending = { .kind = HTX_OF_SESSION },
                               .dialled = c->initiator,
                               .node = c->node,
                               .next_local = c->initiator ? 1 : 2,
                               .peer_max_streams = HTX_STREAMS_MAX,
                               .peer_max_message = VL_MESSAGE_MAX,
                               .tx_limit = HTX_WINDOW_SESSION,
                               .rx_limit = HTX_WINDOW_SESSION,
                               .window = HTX_WINDOW_SESSION,
                               .window_ms = now,
                               .turn = HTX_HIGH,
                               .ack_at = VL_MS_NEVER };
    memcpy(s->id, c->hash, sizeof s->id);
    memcpy(s->binding, c->hash, sizeof s->binding);
    memcpy(s->peer_static, c->peer_static, 32);
    s->handle = htx_slot_take(ep->sessions, ep->limits.max_links, s);
    if (s->handle == 0 || vl_heap_set(&ep->session_timers, &s->timer, VL_MS_NEVER) != VL_OK) {
        if (s->handle != 0) ep->sessions[s->handle & 0x7ff].object = NULL;
        free(s);
        return NULL;
    }
    ep->stats.sessions++;
    htx_session_attach(s, c, now, false);
    return s;
}

static void drop_datagrams(struct htx_session *s) {
    while (s->dgram_head != NULL) {
        struct htx_datagram_item *d = s->dgram_head;
        s->dgram_head = d->next;
        free(d);
    }
    s->dgram_tail = NULL;
    s->ndgrams = 0;
}

static void drop_all(struct htx_session *s) {
    while (s->nstreams > 0) htx_stream_free(s->streams[s->nstreams - 1]);
    free(s->streams);
    s->streams = NULL;
    s->streams_cap = 0;
    drop_datagrams(s);
}

void htx_session_free(struct htx_session *s) {
    struct htx_endpoint *ep = s->ep;
    drop_all(s);
    htx_unraise(&s->pending);
    if (s->conn != NULL) s->conn->session = NULL;
    if (s->resuming != NULL) s->resuming->resume = 0;
    vl_heap_remove(&ep->session_timers, &s->timer);
    ep->sessions[s->handle & 0x7ff].object = NULL;
    if (!s->dead) ep->stats.sessions--;
    free(s);
}

void htx_session_attach(struct htx_session *s, struct htx_conn *c, vl_ms now, bool resumed) {
    assert(s->conn == NULL);
    s->conn = c;
    c->session = s;
    c->state = CONN_UP;
    c->send_ping = true; /* the first RTT sample */
    if (c->initiator && c->early.len > 0)
        htx_conn_early_again(c);
    else
        vl_buf_free(&c->early); /* all of it was handed out before this record was taken */
    memcpy(s->peer_static, c->peer_static, 32);
    if (s->resuming == c) s->resuming = NULL;
    c->resume = 0;
    s->resumed = resumed;
    s->ack_progress = now;
    s->ack_at = VL_MS_NEVER;
    s->ack_bytes = 0;
    enum vl_err err = vl_heap_set(&s->ep->session_timers, &s->timer, VL_MS_NEVER); /* moving cannot fail */
    assert(err == VL_OK);
    (void)err;
    s->pending.bits &= ~(uint32_t)SESSION_BIT_DETACHED; /* not yet told: then it never happened */
    htx_raise(s->ep, &s->pending, SESSION_BIT_UP);
    if (s->goaway_said) s->goaway_pending = true; /* the connection before may have lost it */
    htx_mark_dirty(c);
    htx_wake_by(c, htx_conn_deadline(c));
}

void htx_session_detach(struct htx_session *s, vl_ms now, uint32_t reason) {
    s->conn = NULL;
    s->reason = reason;
    drop_datagrams(s);
    s->pending.bits &= ~(uint32_t)SESSION_BIT_UP;
    htx_raise(s->ep, &s->pending, SESSION_BIT_DETACHED);
    enum vl_err err = vl_heap_set(&s->ep->session_timers, &s->timer, vl_ms_add(now, s->ep->limits.resume_ms));
    assert(err == VL_OK); /* moving cannot fail */
    (void)err;
}

void htx_session_lose(struct htx_session *s, uint32_t reason) {
    if (s->dead) return;
    s->dead = true;
    s->reason = reason;
    if (s->conn != NULL) s->conn->session = NULL;
    s->conn = NULL;
    if (s->resuming != NULL) s->resuming->resume = 0;
    s->resuming = NULL;
    drop_all(s);
    s->ep->stats.sessions--;
    htx_unraise(&s->pending);
    htx_raise(s->ep, &s->pending, SESSION_BIT_LOST);
}

void htx_session_wants_ack(struct htx_session *s, vl_ms now, bool urgent) {
    if (s->conn == NULL) return;
    if (urgent) {
        s->ack_urgent = true;
        htx_mark_dirty(s->conn);
    } else if (s->ack_at == VL_MS_NEVER) {
        s->ack_at = vl_ms_add(now, s->ep->limits.ack_delay_ms);
        htx_wake_by(s->conn, s->ack_at);
    }
}

void htx_session_ghost(struct htx_session *s, uint32_t stream, uint32_t seq) {
    uint32_t i = 0;
    while (i < s->nghosts && s->ghosts[i].stream != stream) i++;
    if (i == HTX_GHOSTS_MAX) return; /* the sender asks again when it resumes */
    if (i == s->nghosts) {
        s->nghosts++;
        s->ghosts[i].seq = 0;
    }
    s->ghosts[i].stream = stream;
    if (seq > s->ghosts[i].seq) s->ghosts[i].seq = seq;
}

void htx_session_rtt(struct htx_session *s, vl_ms sample) {
    uint64_t x8 = (sample > 60000 ? 60000 : sample) * 8;
    s->srtt_x8 = s->srtt_x8 == 0 ? x8 + 1 : (7 * (s->srtt_x8 - 1) + x8) / 8 + 1;
}
vl_ms htx_session_rtt_ms(const struct htx_session *s) { return s->srtt_x8 == 0 ? VL_MS_NEVER : (s->srtt_x8 - 1) / 8; }

size_t htx_session_memory(const struct htx_session *s) {
    size_t n = sizeof *s + s->streams_cap * sizeof *s->streams + s->ahead_bytes;
    for (uint32_t i = 0; i < s->nstreams; i++) {
        const struct htx_stream *st = s->streams[i];
        n += sizeof *st + st->msg.cap + htx_queue_memory(&st->q) + (st->bitmap != NULL ? HTX_BITMAP / 8 : 0);
    }
    for (const struct htx_datagram_item *d = s->dgram_head; d != NULL; d = d->next) n += sizeof *d + d->n;
    const struct htx_conn *c = s->conn;
    if (c != NULL)
        n += sizeof *c + c->in.cap + c->out.cap + c->early.cap + (c->hs != NULL ? sizeof *c->hs : 0) +
             2 * (size_t)AEAD_HIDDEN;
    return n;
}
