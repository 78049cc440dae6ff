/* One stream: frames out of the queue are acknowledged, frames in are put in order and joined to messages. */
#include "net/htx_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool htx_stream_local(const struct htx_session *s, uint32_t id) { return (id & 1) == (s->dialled ? 1u : 0u); }

/* First index whose id is >= `id`. */
static uint32_t place_of(const struct htx_session *s, uint32_t id) {
    uint32_t low = 0, high = s->nstreams;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (s->streams[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct htx_stream *htx_stream_find(struct htx_session *s, uint32_t id) {
    if (s->last_found != NULL && s->last_found->id == id) return s->last_found;
    uint32_t i = place_of(s, id);
    if (i == s->nstreams || s->streams[i]->id != id) return NULL;
    return s->last_found = s->streams[i];
}

enum vl_err htx_stream_create(struct htx_session *s, uint32_t id, vl_ms now, struct htx_stream **ret) {
    if (s->nstreams >= HTX_STREAMS_HELD) return VL_ELIMIT;
    if (s->nstreams == s->streams_cap) {
        uint32_t cap = s->streams_cap ? s->streams_cap * 2 : 4;
        struct htx_stream **p = realloc(s->streams, cap * sizeof *p);
        if (p == NULL) return VL_ENOMEM;
        s->streams = p;
        s->streams_cap = cap;
    }
    struct htx_stream *st = calloc(1, sizeof *st);
    if (st == NULL) return VL_ENOMEM;
    *st = (struct htx_stream){ .session = s,
                               .pending = { .kind = HTX_OF_STREAM },
                               .id = id,
                               .priority = HTX_NORMAL,
                               .next_seq = 1,
                               .tx_limit = HTX_WINDOW_STREAM,
                               .rx_limit = HTX_WINDOW_STREAM,
                               .window = HTX_WINDOW_STREAM,
                               .window_ms = now };
    vl_buf_init(&st->msg, VL_MESSAGE_MAX);
    uint32_t at = place_of(s, id);
    memmove(s->streams + at + 1, s->streams + at, (s->nstreams - at) * sizeof *s->streams);
    s->streams[at] = st;
    s->nstreams++;
    if (htx_stream_local(s, id))
        s->open_local++;
    else
        s->open_remote++;
    *ret = st;
    return VL_OK;
}

void htx_stream_drop_tx(struct htx_stream *st) {
    st->session->queued -= st->q.bytes;
    st->session->unsent -= st->q.unsent;
    htx_queue_clear(&st->q, &st->session->ep->pool);
    htx_stream_set_in_message(st, false);
    htx_stream_deactivate(st);
    if (st->want_write) st->session->want_writes--;
    st->want_write = false;
}

static void close_message(struct htx_stream *st) {
    if (st->msg_open) st->session->rx_partial--;
    st->msg_open = false;
}

static void free_ahead(struct htx_stream *st, struct htx_ahead *e) {
    st->session->ahead_bytes -= sizeof *e + e->n;
    free(e);
}

void htx_stream_drop_rx(struct htx_stream *st) {
    close_message(st);
    vl_buf_free(&st->msg);
    while (st->ahead != NULL) {
        struct htx_ahead *e = st->ahead;
        st->ahead = e->next;
        free_ahead(st, e);
    }
    free(st->bitmap);
    st->bitmap = NULL;
}

static void leave_ctl(struct htx_stream *st) {
    struct htx_session *s = st->session;
    if (!st->in_ctl) return;
    struct htx_stream **link = &s->ctl_head, *before = NULL;
    while (*link != st) {
        before = *link;
        link = &before->next_ctl;
    }
    *link = st->next_ctl;
    if (s->ctl_tail == st) s->ctl_tail = before;
    st->in_ctl = false;
}

void htx_stream_free(struct htx_stream *st) {
    struct htx_session *s = st->session;
    htx_stream_drop_tx(st);
    htx_stream_drop_rx(st);
    leave_ctl(st);
    htx_unraise(&st->pending);
    uint32_t at = place_of(s, st->id);
    assert(s->streams[at] == st);
    memmove(s->streams + at, s->streams + at + 1, (s->nstreams - at - 1) * sizeof *s->streams);
    s->nstreams--;
    if (htx_stream_local(s, st->id))
        s->open_local--;
    else
        s->open_remote--;
    if (s->last_found == st) s->last_found = NULL;
    free(st);
}

void htx_stream_reap(struct htx_stream *st) {
    bool closed = st->fin_acked && st->fin_received;
    bool reset = st->reset_local ? st->q.bytes == 0 : st->reset_remote;
    if ((closed || reset) && !st->ack_pending && st->pending.bits == 0) htx_stream_free(st);
}

void htx_stream_ctl(struct htx_stream *st) {
    struct htx_session *s = st->session;
    if (st->in_ctl) return;
    st->next_ctl = NULL;
    if (s->ctl_tail != NULL)
        s->ctl_tail->next_ctl = st;
    else
        s->ctl_head = st;
    s->ctl_tail = st;
    st->in_ctl = true;
}

void htx_stream_activate(struct htx_stream *st) {
    if (st->active || st->q.unsent == 0) return;
    struct htx_session *s = st->session;
    st->next_active = NULL;
    if (s->ring[st->priority].tail != NULL)
        s->ring[st->priority].tail->next_active = st;
    else
        s->ring[st->priority].head = st;
    s->ring[st->priority].tail = st;
    st->active = true;
}

void htx_stream_deactivate(struct htx_stream *st) {
    if (!st->active) return;
    struct htx_session *s = st->session;
    struct htx_stream **link = &s->ring[st->priority].head, *before = NULL;
    while (*link != st) {
        before = *link;
        link = &before->next_active;
    }
    *link = st->next_active;
    if (s->ring[st->priority].tail == st) s->ring[st->priority].tail = before;
    st->active = false;
}

void htx_stream_set_in_message(struct htx_stream *st, bool in_message) {
    if (st->in_message && !in_message) st->session->tx_partial--;
    if (!st->in_message && in_message) st->session->tx_partial++;
    st->in_message = in_message;
}

static void note_writable(struct htx_session *s) {
    if (s->want_writes == 0 || s->queued > s->ep->limits.send_budget / 2) return;
    for (uint32_t i = 0; i < s->nstreams; i++)
        if (s->streams[i]->want_write) {
            s->streams[i]->want_write = false;
            htx_raise(s->ep, &s->streams[i]->pending, STREAM_BIT_WRITABLE);
        }
    s->want_writes = 0;
}

enum vl_err htx_stream_acked(struct htx_stream *st, uint32_t seq, uint64_t sack, vl_ms now) {
    struct htx_session *s = st->session;
    if (seq > st->sent_seq) return VL_EPARSE;
    st->sack_base = seq;
    st->sack = sack;
    size_t bytes = st->q.bytes, unsent = st->q.unsent;
    if (!htx_queue_ack(&st->q, &s->ep->pool, seq, &st->acked_more)) return VL_OK;
    s->queued -= bytes - st->q.bytes;
    s->unsent -= unsent - st->q.unsent;
    s->ack_progress = now;
    if (st->q.unsent == st->q.bytes) htx_stream_set_in_message(st, st->acked_more);
    if (st->q.unsent == 0) htx_stream_deactivate(st);
    if (st->q.bytes == 0 && st->fin_queued) st->fin_acked = true;
    note_writable(s);
    return VL_OK;
}

void htx_stream_rewind(struct htx_stream *st) {
    struct htx_session *s = st->session;
    s->unsent -= st->q.unsent;
    htx_queue_rewind(&st->q);
    s->unsent += st->q.unsent;
    htx_stream_set_in_message(st, st->q.bytes > 0 && st->acked_more);
    htx_stream_activate(st);
}

enum vl_err htx_stream_end(struct htx_stream *st, enum htx_type type, uint32_t code, vl_ms now) {
    struct htx_session *s = st->session;
    uint8_t payload[4];
    vl_put_u32(payload, code);
    struct vl_span part = vl_span(payload, sizeof payload);
    struct htx_queue_message m = { .type = (uint8_t)type,
                                   .flags = HTX_FLAG_ACKREQ, /* the stream's memory waits for it */
                                   .stream = st->id,
                                   .timestamp_ms = now,
                                   .parts = &part,
                                   .nparts = 1,
                                   .total = sizeof payload };
    struct htx_queue fresh = { 0 }, *q = type == HTX_T_RESET ? &fresh : &st->q;
    size_t before = q->bytes;
    enum vl_err err = htx_queue_push(q, &s->ep->pool, &m, &st->next_seq);
    if (err) return err;
    size_t added = q->bytes - before;
    if (type == HTX_T_RESET) {
        htx_stream_drop_tx(st);
        st->q = fresh;
    }
    s->queued += added;
    s->unsent += added;
    htx_stream_activate(st);
    return VL_OK;
}

uint64_t htx_stream_sack(const struct htx_stream *st) {
    uint64_t sack = 0;
    for (const struct htx_ahead *e = st->ahead; e != NULL && e->seq - st->rx_seq - 2 < 64; e = e->next)
        sack |= 1ull << (e->seq - st->rx_seq - 2);
    return sack;
}

static uint64_t grow_window(uint64_t window, uint64_t max, vl_ms since, vl_ms now, vl_ms rtt) {
    if (rtt == 0 || rtt == VL_MS_NEVER) rtt = 1;
    bool fast = now - since < 4 * rtt; /* half a window came in four round trips: the window is what limits */
    return fast && window < max ? window * 2 : window;
}

void htx_stream_credit(struct htx_stream *st, vl_ms now) {
    struct htx_session *s = st->session;
    if (st->rx_limit - st->rx_bytes > st->window / 2 || st->fin_received) return;
    /* Not in the middle of a message: it would hold one of the few places for unfinished ones for ever. */
    if (st->hold && !st->msg_open) return;
    st->window = (uint32_t)grow_window(st->window, HTX_WINDOW_STREAM_MAX, st->window_ms, now, htx_session_rtt_ms(s));
    st->window_ms = now;
    st->rx_limit = st->rx_bytes + st->window;
    st->window_pending = true;
    htx_stream_ctl(st);
    htx_session_wants_ack(s, now, true);
}

void htx_session_credit(struct htx_session *s, vl_ms now) {
    if (s->rx_limit - s->rx_bytes > s->window / 2) return;
    s->window = (uint32_t)grow_window(s->window, HTX_WINDOW_SESSION_MAX, s->window_ms, now, htx_session_rtt_ms(s));
    s->window_ms = now;
    s->rx_limit = s->rx_bytes + s->window;
    s->window_pending = true;
    htx_session_wants_ack(s, now, true);
}

/* The message is whole: `data` is in the record, or NULL when it is in st->msg. */
static enum htx_reason finish_message(struct htx_stream *st, const struct vl_span *data, uint64_t sent_ms) {
    struct htx_session *s = st->session;
    struct htx_endpoint *ep = s->ep;
    struct vl_span whole = data != NULL ? *data : vl_span(st->msg.p, st->msg.len);
    if (st->msg_lz4) {
        enum vl_err err = htx_decompress(ep, whole, &whole);
        if (err) return err == VL_ENOMEM ? HTX_NO_MEMORY : HTX_PROTOCOL;
    }
    if (data == NULL) { /* the endpoint keeps the buffer while the caller reads; the one before becomes a spare */
        if (ep->done.p != NULL && ep->nspares < HTX_SPARES_MAX)
            ep->spares[ep->nspares++] = ep->done;
        else
            vl_buf_free(&ep->done);
        ep->done = st->msg;
        vl_buf_init(&st->msg, VL_MESSAGE_MAX);
    }
    close_message(st);
    s->rx_msgs++;
    s->rx_payload += whole.n;
    ep->have_message = true;
    ep->message = (struct htx_event){
        .type = HTX_MESSAGE, .session = s->handle, .stream = st->id, .node = s->node, .sent_ms = sent_ms, .data = whole
    };
    return HTX_NORMAL_END;
}

static enum htx_reason take_data(struct htx_stream *st, uint8_t flags, struct vl_span payload, uint64_t sent_ms,
                                 bool in_record) {
    struct htx_endpoint *ep = st->session->ep;
    bool more = flags & HTX_FLAG_MORE, lz4 = flags & HTX_FLAG_LZ4, first = !st->msg_open;
    if (st->fin_received || (more && payload.n == 0)) return HTX_PROTOCOL;
    if (first)
        st->msg_lz4 = lz4;
    else if (st->msg_lz4 != lz4)
        return HTX_PROTOCOL;
    if (first && !more && in_record) return finish_message(st, &payload, sent_ms);
    if (first) {
        if (st->session->rx_partial >= HTX_PARTIAL_MAX) return HTX_LIMIT;
        if (st->msg.p == NULL && ep->nspares > 0) st->msg = ep->spares[--ep->nspares];
        vl_buf_clear(&st->msg);
        st->msg_open = true;
        st->session->rx_partial++;
    }
    enum vl_err err = vl_buf_append(&st->msg, payload.p, payload.n);
    if (err) return err == VL_ELIMIT ? HTX_LIMIT : HTX_NO_MEMORY;
    return more ? HTX_NORMAL_END : finish_message(st, NULL, sent_ms);
}

/* The frame with seq rx_seq + 1. */
static enum htx_reason take_in_order(struct htx_stream *st, uint8_t type, uint8_t flags, struct vl_span payload,
                                     uint64_t sent_ms, bool in_record, vl_ms now) {
    enum htx_reason reason = HTX_NORMAL_END;
    st->rx_seq++;
    if (st->bitmap != NULL) st->bitmap[st->rx_seq % HTX_BITMAP / 64] &= ~(1ull << st->rx_seq % 64);
    if (type == HTX_T_DATA) {
        reason = take_data(st, flags, payload, sent_ms, in_record);
        if (reason == HTX_NORMAL_END) htx_stream_credit(st, now);
    } else { /* CLOSE */
        if (st->msg_open || st->fin_received) return HTX_PROTOCOL;
        st->fin_received = true;
        htx_raise(st->session->ep, &st->pending, STREAM_BIT_CLOSED);
    }
    if (st->ahead != NULL && st->ahead->seq == st->rx_seq + 1) {
        st->session->ep->ahead_session = st->session->handle;
        st->session->ep->ahead_stream = st->id;
    }
    return reason;
}

bool htx_stream_take_ahead(struct htx_stream *st, vl_ms now, enum htx_reason *ret_reason) {
    struct htx_ahead *e = st->ahead;
    if (e == NULL || e->seq != st->rx_seq + 1) return false;
    st->ahead = e->next;
    *ret_reason = take_in_order(st, e->type, e->flags, vl_span(e->payload, e->n), e->timestamp_ms, false, now);
    free_ahead(st, e);
    return true;
}

/* A frame beyond a gap: kept until the gap closes.  Only peers that send over several ways at once cause this. */
static enum htx_reason keep_ahead(struct htx_stream *st, const struct htx_frame *f) {
    struct htx_session *s = st->session;
    if (st->bitmap == NULL && (st->bitmap = calloc(HTX_BITMAP / 64, sizeof *st->bitmap)) == NULL) return HTX_NO_MEMORY;
    struct htx_ahead *e = NULL;
    size_t size = sizeof *e + f->payload.n;
    if (s->ahead_bytes + size > HTX_AHEAD_MAX) return HTX_LIMIT;
    if ((e = malloc(size)) == NULL) return HTX_NO_MEMORY;
    *e = (struct htx_ahead){
        .seq = f->seq, .n = (uint32_t)f->payload.n, .timestamp_ms = f->timestamp_ms, .type = f->type, .flags = f->flags
    };
    if (f->payload.n > 0) memcpy(e->payload, f->payload.p, f->payload.n);
    struct htx_ahead **link = &st->ahead;
    while (*link != NULL && (*link)->seq < f->seq) link = &(*link)->next;
    e->next = *link;
    *link = e;
    s->ahead_bytes += size;
    st->bitmap[f->seq % HTX_BITMAP / 64] |= 1ull << f->seq % 64;
    return HTX_NORMAL_END;
}

static bool seen(const struct htx_stream *st, uint32_t seq) {
    return seq <= st->rx_seq || (st->bitmap != NULL && (st->bitmap[seq % HTX_BITMAP / 64] >> seq % 64 & 1));
}

static void take_reset(struct htx_stream *st, const struct htx_frame *f) {
    if (f->seq > st->rx_seq) st->rx_seq = f->seq; /* what came before it will not come any more */
    if (st->reset_remote) return;
    st->reset_remote = true;
    st->reset_code = vl_get_u32(f->payload.p);
    htx_stream_drop_rx(st);
    if (st->reset_local) return; /* ours is on its way too; the caller has forgotten the stream */
    htx_stream_drop_tx(st);
    htx_unraise(&st->pending);
    htx_raise(st->session->ep, &st->pending, STREAM_BIT_RESET);
}

enum htx_reason htx_stream_frame(struct htx_stream *st, const struct htx_frame *f, vl_ms now) {
    struct htx_session *s = st->session;
    if (f->seq == 0) return HTX_PROTOCOL;
    st->ack_pending = true;
    htx_stream_ctl(st);
    s->ack_bytes += (uint32_t)(HTX_HEADER + f->payload.n);
    htx_session_wants_ack(s, now, (f->flags & HTX_FLAG_ACKREQ) || s->ack_bytes >= HTX_ACK_BYTES);
    if (f->type == HTX_T_RESET) {
        take_reset(st, f);
        return HTX_NORMAL_END;
    }
    if (st->reset_local || st->reset_remote) { /* was on its way when the stream died */
        if (f->seq == st->rx_seq + 1) st->rx_seq++;
        return HTX_NORMAL_END;
    }
    if (f->seq > st->rx_seq && f->seq - st->rx_seq > HTX_BITMAP) return HTX_LIMIT;
    if (seen(st, f->seq)) {
        s->duplicates++;
        s->ep->stats.duplicate_frames++;
        return HTX_NORMAL_END;
    }
    if (f->type == HTX_T_DATA) {
        if (f->payload.n > st->rx_limit - st->rx_bytes) return HTX_LIMIT;
        st->rx_bytes += f->payload.n;
    }
    if (f->seq != st->rx_seq + 1) return keep_ahead(st, f);
    return take_in_order(st, f->type, f->flags, f->payload, f->timestamp_ms, true, now);
}
