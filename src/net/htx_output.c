/* Building records: what goes first, how much of it, and sealing without a copy where one run of frames fills a record.
 * Order: words of the connection and session, ACK and WINDOW, CONTROL streams, datagrams, then the other classes by
 * deficit round robin over bytes (Shreedhar & Varghese 1995), 8:4:2:1. */
#include "net/htx_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct builder {
    uint8_t *plain; /* in the caller's buffer, where the record's ciphertext will stand */
    size_t len, max;
    const uint8_t *run; /* frames that are still in a queue; only while len == 0 */
    size_t run_len;
    vl_ms now;
};

static size_t room(const struct builder *b) { return b->max - b->len - b->run_len; }

static void settle(struct builder *b) {
    if (b->run_len == 0) return;
    memcpy(b->plain, b->run, b->run_len);
    b->len = b->run_len;
    b->run_len = 0;
}

static void put_run(struct builder *b, const uint8_t *p, size_t n) {
    if (b->len == 0 && b->run_len == 0) {
        b->run = p;
        b->run_len = n;
        return;
    }
    settle(b);
    memcpy(b->plain + b->len, p, n);
    b->len += n;
}

/* Room for a frame with n payload bytes; NULL: does not fit any more. */
static uint8_t *put_frame(struct builder *b, enum htx_type type, uint32_t stream, uint32_t seq, size_t n) {
    if (room(b) < HTX_HEADER + n) return NULL;
    settle(b);
    struct htx_frame f = {
        .type = (uint8_t)type, .stream = stream, .seq = seq, .timestamp_ms = b->now, .payload = { .n = n }
    };
    htx_frame_put_header(b->plain + b->len, &f);
    b->len += HTX_HEADER + n;
    return b->plain + b->len - n;
}

static bool put_u32(struct builder *b, enum htx_type type, uint32_t value) {
    uint8_t *p = put_frame(b, type, 0, 0, 4);
    if (p != NULL) vl_put_u32(p, value);
    return p != NULL;
}
static bool put_u64(struct builder *b, enum htx_type type, uint32_t stream, uint32_t seq, uint64_t value) {
    uint8_t *p = put_frame(b, type, stream, seq, 8);
    if (p != NULL) vl_put_u64(p, value);
    return p != NULL;
}

static void put_settings(struct builder *b) {
    uint8_t *p = put_frame(b, HTX_T_SETTINGS, 0, 0, 12);
    assert(p != NULL); /* first in its record */
    vl_put_u16(p, 1);
    vl_put_u32(p + 2, HTX_STREAMS_MAX);
    vl_put_u16(p + 6, 2);
    vl_put_u32(p + 8, VL_MESSAGE_MAX);
}

static void put_resume(struct htx_conn *c, struct builder *b) {
    struct htx_session *s = c->session != NULL ? c->session : htx_session_of(c->ep, c->resume);
    c->send_resume = false;
    if (s == NULL) return;
    uint8_t *p = put_frame(b, HTX_T_RESUME, 0, 0, htx_resume_size(s));
    assert(p != NULL); /* first in its record, and bounded by HTX_STREAMS_HELD */
    htx_resume_put(s, p);
    c->resume_rx = s->rx_bytes;
    c->resume_sent = true;
}

static void put_words(struct htx_conn *c, struct builder *b) {
    if (c->send_unknown) {
        if (put_u32(b, HTX_T_RESET, HTX_UNKNOWN_SESSION)) c->send_unknown = false;
    }
    if (c->send_settings) {
        put_settings(b);
        c->send_settings = false;
    }
    if (c->send_resume) put_resume(c, b);
    if (c->send_pong && put_u64(b, HTX_T_PONG, 0, 0, c->pong_token)) c->send_pong = false;
    if (c->send_ping && put_u64(b, HTX_T_PING, 0, 0, c->ping_token + 1)) {
        c->send_ping = false;
        c->ping_out = true;
        c->ping_token++;
        c->ping_ms = b->now;
    }
    struct htx_session *s = c->session;
    if (s != NULL && s->goaway_pending && put_u32(b, HTX_T_GOAWAY, s->goaway_code)) s->goaway_pending = false;
}

/* ACKs and WINDOWs of all streams that have one; those that do not fit stay for the next record. */
static void put_acks(struct htx_session *s, struct builder *b) {
    if (s->window_pending && put_u64(b, HTX_T_WINDOW, 0, 0, s->rx_limit)) s->window_pending = false;
    while (s->nghosts > 0) {
        if (!put_u64(b, HTX_T_ACK, s->ghosts[s->nghosts - 1].stream, s->ghosts[s->nghosts - 1].seq, 0)) return;
        s->nghosts--;
    }
    while (s->ctl_head != NULL) {
        struct htx_stream *st = s->ctl_head;
        if (st->ack_pending && !put_u64(b, HTX_T_ACK, st->id, st->rx_seq, htx_stream_sack(st))) return;
        st->ack_pending = false;
        if (st->window_pending && !put_u64(b, HTX_T_WINDOW, st->id, 0, st->rx_limit)) return;
        st->window_pending = false;
        s->ctl_head = st->next_ctl;
        if (s->ctl_head == NULL) s->ctl_tail = NULL;
        st->in_ctl = false;
        htx_stream_reap(st);
    }
    s->ack_urgent = false;
    s->ack_bytes = 0;
    s->ack_at = VL_MS_NEVER;
}

struct limits {
    size_t room;
    uint64_t session_credit, stream_credit;
    bool may_begin; /* a message of several frames */
};

static struct limits limits_of(const struct htx_stream *st, size_t room_now) {
    const struct htx_session *s = st->session;
    /* The last place is CONTROL's, so that long messages of others never lock it out. */
    uint32_t places = st->priority == HTX_CONTROL ? HTX_PARTIAL_MAX : HTX_PARTIAL_MAX - 1;
    return (struct limits){ .room = room_now,
                            .session_credit = s->tx_limit - s->tx_off,
                            .stream_credit = st->tx_limit - st->tx_off,
                            .may_begin = s->tx_partial < places };
}

/* May the frame at `p` go, being the next of st, whose message is or is not begun? */
static bool may_send(const struct htx_stream *st, const uint8_t *p, const struct limits *l, bool in_message) {
    uint32_t n = vl_get_u32(p + 4);
    if (HTX_HEADER + n > l->room) return false;
    if (p[3] != HTX_T_DATA) return true;
    if (n > l->session_credit) return false;
    if (vl_get_u32(p + 12) > st->sent_seq && n > l->stream_credit) return false;
    return in_message || !(p[2] & HTX_FLAG_MORE) || l->may_begin;
}

/* Frames that the peer already has (SACK) are passed over in a replay. */
static void skip_sacked(struct htx_stream *st) {
    const uint8_t *p;
    size_t left;
    while (st->sack != 0 && htx_queue_next(&st->q, &p, &left)) {
        uint32_t seq = vl_get_u32(p + 12);
        if (seq > st->sent_seq || seq < st->sack_base + 2 || seq - st->sack_base - 2 > 63) return;
        if (!(st->sack >> (seq - st->sack_base - 2) & 1)) return;
        size_t len = HTX_HEADER + vl_get_u32(p + 4);
        htx_stream_set_in_message(st, p[2] & HTX_FLAG_MORE);
        htx_queue_sent(&st->q, len);
        st->session->unsent -= len;
    }
}

static bool sendable(struct htx_stream *st) {
    const uint8_t *p;
    size_t left;
    skip_sacked(st);
    if (!htx_queue_next(&st->q, &p, &left)) return false;
    struct limits l = limits_of(st, HTX_PLAIN_MAX);
    return may_send(st, p, &l, st->in_message);
}

static struct htx_stream *first_sendable(struct htx_session *s, unsigned class) {
    for (struct htx_stream *st = s->ring[class].head, *next; st != NULL; st = next) {
        next = st->next_active;
        if (sendable(st)) return st;
        if (st->q.unsent == 0 || st->tx_off >= st->tx_limit) htx_stream_deactivate(st); /* WINDOW brings it back */
    }
    return NULL;
}

struct htx_stream *htx_sched_pick(struct htx_session *s) {
    static const int64_t weight[HTX_CLASSES] = { 0, 8, 4, 2, 1 };
    if (s->unsent == 0) return NULL;
    struct htx_stream *st = first_sendable(s, HTX_CONTROL);
    /* Twice around: the first round may only fill up deficits. */
    for (unsigned i = 0; st == NULL && i < 2 * (HTX_CLASSES - 1); i++) {
        st = first_sendable(s, s->turn);
        if (st == NULL) s->deficit[s->turn] = 0; /* an idle class saves nothing up */
        if (st != NULL && s->deficit[s->turn] > 0) return st;
        st = NULL;
        s->turn = s->turn % (HTX_CLASSES - 1) + 1;
        s->deficit[s->turn] += weight[s->turn] * (int64_t)HTX_QUANTUM;
    }
    return st;
}

/* As many frames of st as fit, up to the end of their chunk. */
static size_t take_run(struct htx_stream *st, struct builder *b) {
    struct htx_session *s = st->session;
    const uint8_t *p;
    size_t left, n = 0;
    if (!htx_queue_next(&st->q, &p, &left)) return 0;
    struct limits l = limits_of(st, room(b));
    bool in_message = st->in_message;
    while (n < left && may_send(st, p + n, &l, in_message)) {
        uint32_t payload = vl_get_u32(p + n + 4), seq = vl_get_u32(p + n + 12);
        bool data = p[n + 3] == HTX_T_DATA, again = seq <= st->sent_seq;
        if (again && st->sack != 0 && n > 0) break; /* the next may be one to pass over */
        bool more = p[n + 2] & HTX_FLAG_MORE;
        if (more != in_message) {
            htx_stream_set_in_message(st, more);
            in_message = more;
            l.may_begin = limits_of(st, 0).may_begin;
        }
        if (data) {
            s->tx_off += payload;
            l.session_credit -= payload;
        }
        if (again)
            s->replayed++;
        else {
            st->sent_seq = seq;
            if (data) {
                st->tx_off += payload;
                l.stream_credit -= payload;
            }
        }
        n += HTX_HEADER + payload;
        l.room -= HTX_HEADER + payload;
    }
    if (n == 0) return 0;
    put_run(b, p, n);
    if (s->queued == s->unsent) s->ack_progress = b->now; /* from now on an answer is due */
    htx_queue_sent(&st->q, n);
    s->unsent -= n;
    return n;
}

static void put_streams(struct htx_session *s, struct builder *b) {
    struct htx_stream *st;
    while (room(b) > HTX_HEADER && (st = htx_sched_pick(s)) != NULL) {
        size_t n = take_run(st, b);
        if (n == 0) return; /* its next frame needs a record of its own */
        if (st->priority != HTX_CONTROL) s->deficit[st->priority] -= (int64_t)n;
        htx_stream_deactivate(st); /* and to the end of the ring */
        htx_stream_activate(st);
    }
}

static void put_datagrams(struct htx_session *s, struct builder *b) {
    while (s->dgram_head != NULL && s->dgram_head->n <= room(b)) {
        struct htx_datagram_item *d = s->dgram_head;
        settle(b);
        memcpy(b->plain + b->len, d->frame, d->n);
        b->len += d->n;
        s->dgram_head = d->next;
        if (d->next == NULL) s->dgram_tail = NULL;
        s->ndgrams--;
        free(d);
    }
}

static bool rekey_due(const struct htx_conn *c, vl_ms now) {
    const struct htx_limits *l = &c->ep->limits;
    return c->tx.records + 1 >= l->rekey_records || c->tx.bytes + HTX_PLAIN_MAX >= l->rekey_bytes ||
           now - c->tx.since >= l->rekey_ms;
}

/* One record at dst; 0: nothing to send. */
static size_t put_record(struct htx_conn *c, vl_ms now, uint8_t *dst) {
    struct htx_session *s = c->session;
    bool rekey = c->state != CONN_CLOSING && rekey_due(c, now);
    struct builder b = { .plain = dst + HTX_RECORD_HEAD,
                         .max = rekey ? HTX_PLAIN_MAX - HTX_HEADER : HTX_PLAIN_MAX,
                         .now = now };
    if (!htx_conn_wants_output(c, now)) return 0;
    if (c->state == CONN_CLOSING) {
        put_u32(&b, HTX_T_CLOSE, c->reason);
        c->send_close = false;
    } else {
        put_words(c, &b);
        if (s != NULL && c->state == CONN_UP) {
            put_acks(s, &b);
            if (s->dgram_head != NULL) put_datagrams(s, &b);
            put_streams(s, &b);
        }
    }
    if (rekey) {
        b.max = HTX_PLAIN_MAX;
        put_frame(&b, HTX_T_KEYUPDATE, 0, 0, 0);
    }
    if (b.len + b.run_len == 0) return 0;
    const uint8_t *plain = b.run_len > 0 ? b.run : b.plain;
    size_t n = b.len + b.run_len;
    if (htx_record_seal(&c->tx, plain, n, dst) != VL_OK) {
        htx_conn_close(c, now, HTX_NO_MEMORY, true);
        return 0;
    }
    if (rekey) {
        if (htx_record_rekey(&c->tx, now) != VL_OK) { /* the peer has changed its key: this connection is over */
            htx_conn_close(c, now, HTX_NO_MEMORY, true);
            c->send_close = false;
        } else
            c->ep->stats.rekeys_sent++;
    }
    c->ep->stats.tx_records++;
    return HTX_RECORD_HEAD + n + HTX_TAG;
}

size_t htx_conn_output(struct htx_conn *c, vl_ms now, uint8_t *dst, size_t cap) {
    size_t n = 0;
    if (cap < HTX_RECORD_WIRE_MAX) return 0;
    if (c->out.len > 0) { /* handshake messages, shorter than a record */
        n = c->out.len;
        memcpy(dst, c->out.p, n);
        vl_buf_free(&c->out);
    }
    while (cap - n >= HTX_RECORD_WIRE_MAX) {
        size_t got = put_record(c, now, dst + n);
        if (got == 0) break;
        n += got;
    }
    c->ep->stats.tx_wire_bytes += n;
    return n;
}
