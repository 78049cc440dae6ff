/* conn.c - one connection: accept, time-outs, what comes next, the end. Input is in conn_in.c, output in conn_out.c. */
#include "gateway/server_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void conn_arm(struct http_conn *c, uint64_t after_ms) {
    wheel_set(&c->server->wheel, &c->timer, uv_now(c->server->loop) + after_ms);
}

void req_release(struct http_req *r) {
    struct http_server *s = r->server;
    s->stats.active--;
    if (s->free_reqs_n < FREE_MAX) {
        r->next_free = s->free_reqs;
        s->free_reqs = r;
        s->free_reqs_n++;
    } else {
        free(r);
    }
    if (s->destroying) server_conn_gone(s);
}

static void on_closed(uv_handle_t *h) {
    struct http_conn *c = h->data;
    struct http_server *s = c->server;
    c->prev->next = c->next;
    c->next->prev = c->prev;
    vl_buf_free(&c->in);
    vl_buf_free(&c->body);
    vl_buf_free(&c->pending);
    vl_buf_free(&c->flight);
    free(c->head);
    s->stats.open--;
    if (s->free_conns_n < FREE_MAX) {
        c->next = s->free_conns;
        s->free_conns = c;
        s->free_conns_n++;
    } else {
        free(c);
    }
    server_conn_gone(s);
}

void conn_close(struct http_conn *c) {
    if (c->state == CONN_CLOSING) return;
    enum conn_state was = c->state;
    struct http_server *s = c->server;
    c->state = CONN_CLOSING;
    if (s->batching == c) {
        s->batching = NULL;
        vl_buf_clear(&s->batch);
    }
    wheel_remove(&s->wheel, &c->timer);
    struct http_req *r = c->req;
    c->req = NULL;
    if (r) {
        r->conn = NULL;
        if (was == CONN_BODY) { /* no handler has it yet, or only its sink */
            if (r->sink.write) r->sink.abort(r->sink.arg);
            req_release(r);
        }
    }
    source_drop(c);
    if (c->tunnel.data) {
        struct http_tunnel t = c->tunnel;
        c->tunnel.data = NULL;
        t.closed(t.arg);
    }
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void conn_timeout(struct http_conn *c) {
    if (c->state == CONN_TUNNEL) {
        c->tunnel.tick(c->tunnel.arg);
        return;
    }
    if (!out_idle(c)) { /* a slow reader may take its time as long as it takes anything at all */
        size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
        if (left < c->unsent) {
            c->unsent = left;
            conn_arm(c, c->server->config.times.write_ms);
            return;
        }
        c->server->stats.timed_out++;
        conn_close(c);
        return;
    }
    if (c->state == CONN_WAIT) return; /* the answer is ours to give */
    if (c->state == CONN_BODY) {
        uint64_t age = uv_now(c->server->loop) - c->body_began;
        uint64_t allowed = c->server->config.times.body_grace_ms + c->body_got * 1000u / HTTP_BODY_RATE;
        if (age < allowed) {
            conn_arm(c, allowed - age);
            return;
        }
    }
    c->server->stats.timed_out++;
    if (c->state == CONN_BODY || (c->state == CONN_HEAD && c->in.len > 0)) {
        conn_refuse(c, 408);
        conn_drive(c);
        return;
    }
    conn_close(c);
}

void conn_answered(struct http_conn *c, bool close) {
    bool body_over = c->req == NULL || c->req->body_ended;
    c->req = NULL;
    if (c->state == CONN_CLOSING) return;
    if (close || !body_over || c->server->draining) {
        c->state = CONN_LINGER;
        vl_buf_free(&c->in);
        conn_arm(c, c->server->config.times.write_ms);
        return;
    }
    c->state = CONN_HEAD;
    c->starved = false;
    if (out_idle(c)) conn_arm(c, c->server->config.times.idle_ms);
}

/* Answered for the last time. The client may still be sending: closing at once would reset the connection and could
 * destroy the answer before it is read (RFC 9112 9.6). So: end our side, read on a while, then close. */
static void end_our_side(struct http_conn *c) {
    uv_os_fd_t fd;
    if (c->shut) return;
    c->shut = true;
    if (c->eof || uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        conn_close(c);
        return;
    }
    conn_arm(c, c->server->config.times.linger_ms);
}

static bool can_take(const struct http_conn *c) {
    return c->in.len > 0 && !c->starved && c->state == CONN_HEAD && http_conn_backlog(c) < HTTP_BACKLOG_MAX;
}

static void idle(struct http_conn *c) {
    switch (c->state) {
    case CONN_LINGER:
        end_our_side(c);
        break;
    case CONN_TUNNEL:
        c->tunnel.drained(c->tunnel.arg);
        break;
    case CONN_HEAD:
        if (c->eof) conn_close(c); /* what is left in `in` can never become a request */
        break;
    case CONN_BODY:
    case CONN_WAIT:
    case CONN_STREAM:
    case CONN_CLOSING:
        break;
    }
}

void conn_drive(struct http_conn *c) {
    const struct http_server *s = c->server;
    if (c->running || c->state == CONN_CLOSING) return;
    c->running = true;
    for (unsigned chunks = 0;;) {
        out_flush(c);
        if (c->state == CONN_CLOSING) break;
        if (can_take(c)) {
            conn_take(c, vl_span(NULL, 0));
        } else if (c->state == CONN_STREAM && out_idle(c)) {
            source_step(c, ++chunks % 8 == 0); /* now and then others get their turn */
        } else {
            if (out_idle(c)) idle(c);
            if (c->state == CONN_TUNNEL && s->batching == c) continue; /* it had more to send */
            break;
        }
    }
    c->running = false;
    conn_reading(c);
}

/* ---- accept ---- */

static void on_surplus_closed(uv_handle_t *h) {
    struct http_conn *c = h->data;
    struct http_server *s = c->server;
    free(c);
    s->stats.open--;
    server_conn_gone(s);
}

static struct http_conn *conn_new(struct http_server *s) {
    struct http_conn *c = s->free_conns;
    if (c) {
        s->free_conns = c->next;
        s->free_conns_n--;
    } else {
        c = malloc(sizeof *c);
        if (c == NULL) return NULL;
    }
    memset(c, 0, sizeof *c);
    c->server = s;
    vl_buf_init(&c->in, HTTP_STASH_MAX + READ_BUFFER);
    vl_buf_init(&c->pending, HTTP_ANSWER_MAX + HTTP_BACKLOG_MAX + 2 * HTTP_HEAD_MAX);
    vl_buf_init(&c->flight, c->pending.max);
    if (uv_tcp_init(s->loop, &c->tcp) != 0) {
        free(c);
        return NULL;
    }
    c->tcp.data = c;
    c->write.data = c;
    s->stats.open++;
    return c;
}

void conn_accept(struct http_server *s) {
    static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
                               "Content-Length: 0\r\n\r\n";
    struct http_conn *c = conn_new(s);
    if (c == NULL) return; /* the kernel keeps it in the backlog; libuv asks again */
    if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->tcp) != 0) {
        uv_close((uv_handle_t *)&c->tcp, on_surplus_closed);
        return;
    }
    s->stats.accepted++;
    if (s->stats.open > s->config.max_connections || s->draining) {
        uv_buf_t b = uv_buf_init((char *)(uintptr_t)full, sizeof full - 1);
        s->stats.refused++;
        uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
        uv_close((uv_handle_t *)&c->tcp, on_surplus_closed);
        return;
    }
    c->prev = &s->conns;
    c->next = s->conns.next;
    c->next->prev = c;
    s->conns.next = c;
    uv_tcp_nodelay(&c->tcp, 1);
    conn_arm(c, c->server->config.times.head_ms); /* a new connection has something to say */
    conn_reading(c);
}
