/* conn_out.c - one connection, the way out: answers, streams, tunnels, back-pressure. */
#include "gateway/server_priv.h"

#include "gateway/json.h"

#include <assert.h>
#include <string.h>

bool out_idle(const struct http_conn *c) {
    return !c->writing && c->pending.len == 0 && (c->server->batching != c || c->server->batch.len == 0);
}

struct vl_buf *out_open(struct http_conn *c) {
    struct http_server *s = c->server;
    if (s->batching == c) return &s->batch;
    if (s->batching == NULL && !c->writing && c->pending.len == 0) {
        s->batching = c;
        return &s->batch;
    }
    return &c->pending;
}

static void on_written(uv_write_t *w, int status) {
    struct http_conn *c = w->data;
    c->writing = false;
    if (c->state == CONN_CLOSING) return;
    if (status != 0) {
        conn_close(c);
        return;
    }
    vl_buf_free(&c->flight);
    if (c->state == CONN_HEAD && c->pending.len == 0)
        conn_arm(c, c->in.len > 0 ? c->server->config.times.head_ms : c->server->config.times.idle_ms);
    conn_drive(c);
}

static void start_write(struct http_conn *c) {
    struct vl_buf empty = c->flight;
    c->flight = c->pending;
    c->pending = empty;
    uv_buf_t b = uv_buf_init((char *)c->flight.p, (unsigned)c->flight.len);
    c->writing = true;
    c->server->stats.bytes_out += c->flight.len;
    c->unsent = c->flight.len + 1; /* so that the first look at it finds progress */
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written) != 0) {
        c->writing = false;
        conn_close(c);
        return;
    }
    if (c->state != CONN_TUNNEL) conn_arm(c, c->server->config.times.write_ms);
}

void out_flush(struct http_conn *c) {
    struct http_server *s = c->server;
    if (s->batching == c) {
        s->batching = NULL;
        if (s->batch.len > 0) {
            uv_buf_t b = uv_buf_init((char *)s->batch.p, (unsigned)s->batch.len);
            int n = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
            size_t sent = n > 0 ? (size_t)n : 0;
            s->stats.bytes_out += sent;
            bool broken = n < 0 && n != UV_EAGAIN;
            if (!broken) broken = vl_buf_append(&c->pending, s->batch.p + sent, s->batch.len - sent) != VL_OK;
            vl_buf_clear(&s->batch);
            if (s->batch.cap > 4u * CHUNK_OUT) vl_buf_free(&s->batch);
            if (broken) {
                conn_close(c);
                return;
            }
        }
    }
    if (!c->writing && c->pending.len > 0) start_write(c);
}

/* ---- answers ---- */

static const char *reason(uint16_t status) {
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 416:
        return "Range Not Satisfiable";
    case 417:
        return "Expectation Failed";
    case 421:
        return "Misdirected Request";
    case 422:
        return "Unprocessable Content";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    case 507:
        return "Insufficient Storage";
    default:
        return "Status";
    }
}

struct line {
    char *p;
};
static void add(struct line *l, const void *p, size_t n) {
    memcpy(l->p, p, n);
    l->p += n;
}
#define ADD(l, literal) add((l), (literal), sizeof(literal) - 1)

/* The whole head, in one go into reserved room. */
static bool put_head(struct http_req *r, const struct http_answer *a, bool with_length, uint64_t length, bool close) {
    struct http_server *s = r->server;
    struct vl_buf *out = out_open(r->conn);
    const char *why = reason(a->status);
    size_t why_n = strlen(why), type_n = a->type ? strlen(a->type) : 0, fields_n = a->fields ? strlen(a->fields) : 0;
    size_t need = 400 + why_n + type_n + fields_n + HTTP_ID_MAX;
    if (out->cap - out->len < need && vl_buf_reserve(out, need) != VL_OK) return false;
    server_date(s);
    struct line l = { .p = (char *)out->p + out->len };
    ADD(&l, "HTTP/1.1 ");
    l.p += jw_format_u64(a->status, l.p);
    *l.p++ = ' ';
    add(&l, why, why_n);
    ADD(&l, "\r\n");
    add(&l, s->date, s->date_n);
    if (type_n > 0) {
        ADD(&l, "Content-Type: ");
        add(&l, a->type, type_n);
        ADD(&l, "\r\nX-Content-Type-Options: nosniff\r\n");
    }
    if (fields_n > 0) add(&l, a->fields, fields_n);
    if (with_length) {
        ADD(&l, "Content-Length: ");
        l.p += jw_format_u64(length, l.p);
        ADD(&l, "\r\n");
    }
    if (close) ADD(&l, "Connection: close\r\n");
    ADD(&l, "X-Request-Id: ");
    add(&l, r->id, r->id_n);
    ADD(&l, "\r\n\r\n");
    out->len = (size_t)(l.p - (char *)out->p);
    return true;
}

static bool will_close(const struct http_req *r) { return r->close || !r->body_ended || r->server->draining; }

static void done(struct http_req *r, uint16_t status, uint64_t bytes) {
    r->answered = true;
    r->server->config.callbacks.done(r->server->config.user, r, status, bytes);
}

void http_reply(struct http_req *r, const struct http_answer *a) {
    struct http_conn *c = r->conn;
    bool close = false, ok = true;
    assert(!r->answered);
    if (c) {
        bool bodiless = a->status == 204 || a->status == 304;
        close = will_close(r);
        ok = put_head(r, a, !bodiless, a->body.n, close);
        if (ok && a->body.n > 0 && r->method != HTTP_HEAD && !bodiless)
            ok = vl_buf_append(out_open(c), a->body.p, a->body.n) == VL_OK;
    }
    done(r, a->status, a->body.n); /* only now: it may free what the body lies in */
    if (c) {
        conn_answered(c, close);
        if (!ok)
            conn_close(c);
        else
            conn_drive(c);
    }
    req_release(r);
}

void source_drop(struct http_conn *c) {
    if (c->source.read == NULL) return;
    c->source.read = NULL;
    c->source.close(c->source.arg);
}

/* Reads the next piece of the source into the way out. */
void source_step(struct http_conn *c, bool queue) {
    struct vl_buf *out = queue ? &c->pending : out_open(c);
    size_t want = c->source_left < CHUNK_OUT ? (size_t)c->source_left : CHUNK_OUT, got = 0;
    if (want > 0) {
        if (vl_buf_reserve(out, want) != VL_OK ||
            c->source.read(c->source.arg, out->p + out->len, want, &got) != VL_OK || got == 0 || got > want) {
            conn_close(c); /* the length was promised: only a break tells the truth */
            return;
        }
        out->len += got;
        c->source_left -= got;
    }
    if (c->source_left > 0) return;
    source_drop(c);
    conn_answered(c, c->source_close);
}

void http_reply_stream(struct http_req *r, const struct http_answer *a, uint64_t length, struct http_source source) {
    struct http_conn *c = r->conn;
    assert(!r->answered);
    done(r, a->status, length);
    if (c) {
        bool close = will_close(r), ok = put_head(r, a, true, length, close);
        if (ok && r->method != HTTP_HEAD) {
            c->req = NULL;
            c->source = source;
            c->source_left = length;
            c->source_close = close;
            c->state = CONN_STREAM;
            source.close = NULL; /* the connection has it now */
            source_step(c, false);
        } else {
            conn_answered(c, close);
        }
        if (!ok)
            conn_close(c);
        else
            conn_drive(c);
    }
    if (source.close) source.close(source.arg);
    req_release(r);
}

/* ---- tunnels ---- */

bool http_reply_upgrade(struct http_req *r, const char *fields, struct http_tunnel tunnel) {
    struct http_conn *c = r->conn;
    assert(!r->answered);
    done(r, 101, 0);
    bool ok = c != NULL;
    if (ok) {
        struct vl_buf *out = out_open(c);
        c->req = NULL;
        ok = vl_buf_printf(out,
                           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s"
                           "X-Request-Id: %.*s\r\n\r\n",
                           fields, (int)r->id_n, r->id) == VL_OK;
        if (ok) {
            c->tunnel = tunnel;
            c->state = CONN_TUNNEL;
            wheel_remove(&c->server->wheel, &c->timer);
        } else {
            conn_close(c);
        }
        conn_drive(c);
    }
    req_release(r);
    return ok;
}

void http_conn_write(struct http_conn *c, const void *p, size_t n) {
    if (c->state == CONN_CLOSING || c->state == CONN_LINGER) return;
    if (vl_buf_append(out_open(c), p, n) != VL_OK) {
        conn_close(c);
        return;
    }
    if (!c->running) out_flush(c);
}

size_t http_conn_backlog(const struct http_conn *c) {
    size_t batched = c->server->batching == c ? c->server->batch.len : 0;
    return batched + c->pending.len + (c->writing ? c->flight.len : 0);
}

void http_conn_finish(struct http_conn *c) {
    if (c->state == CONN_CLOSING) return;
    struct http_tunnel t = c->tunnel;
    c->tunnel.data = NULL;
    c->state = CONN_LINGER;
    conn_arm(c, c->server->config.times.linger_ms);
    t.closed(t.arg);
    conn_drive(c);
}

void http_conn_abort(struct http_conn *c) { conn_close(c); }

void http_tunnel_alarm(struct http_conn *c, uint64_t after_ms) {
    if (c->state == CONN_TUNNEL) conn_arm(c, after_ms);
}
