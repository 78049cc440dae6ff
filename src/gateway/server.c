#include "gateway/server.h"

#include "crypto/random.h"
#include "gateway/server_priv.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void sweep(uv_timer_t *t) {
    struct http_server *s = t->data;
    wheel_advance(&s->wheel, uv_now(s->loop));
    for (struct wheel_node *n = wheel_pop(&s->wheel); n; n = wheel_pop(&s->wheel))
        conn_timeout((struct http_conn *)((char *)n - offsetof(struct http_conn, timer)));
    if (s->draining && s->drained && uv_now(s->loop) >= s->drain_deadline) {
        for (struct http_conn *c = s->conns.next; c != &s->conns; c = c->next) conn_close(c);
    }
    server_conn_gone(s);
}

static void on_connection(uv_stream_t *listener, int status) {
    if (status == 0) conn_accept(listener->data);
}

static enum vl_err listen_error(struct vl_errmsg *msg, const struct http_config *config, int rc) {
    enum vl_err err = rc == UV_EADDRINUSE ? VL_EBUSY : rc == UV_EACCES ? VL_EDENIED : VL_EIO;
    return vl_errmsg_set(msg, err, "cannot listen on %s port %u: %s", config->host, config->port, uv_strerror(rc));
}

static enum vl_err open_listener(struct http_server *s, struct vl_errmsg *msg) {
    struct sockaddr_storage addr;
    int port = s->config.port, len = sizeof addr;
    if (uv_ip4_addr(s->config.host, port, (struct sockaddr_in *)&addr) != 0 &&
        uv_ip6_addr(s->config.host, port, (struct sockaddr_in6 *)&addr) != 0)
        return vl_errmsg_set(msg, VL_ERANGE, "%s is no IP address to listen on", s->config.host);
    int rc = uv_tcp_bind(&s->listener, (const struct sockaddr *)&addr, 0);
    if (rc == 0) rc = uv_listen((uv_stream_t *)&s->listener, 1024, on_connection);
    if (rc == 0) rc = uv_tcp_getsockname(&s->listener, (struct sockaddr *)&addr, &len);
    if (rc != 0) return listen_error(msg, &s->config, rc);
    const uint8_t *be = addr.ss_family == AF_INET ? (const uint8_t *)&((struct sockaddr_in *)&addr)->sin_port
                                                  : (const uint8_t *)&((struct sockaddr_in6 *)&addr)->sin6_port;
    s->port = vl_get_u16(be);
    return VL_OK;
}

static void set_times(struct http_times *t) {
    if (t->idle_ms == 0) t->idle_ms = HTTP_IDLE_MS;
    if (t->head_ms == 0) t->head_ms = HTTP_HEAD_MS;
    if (t->body_grace_ms == 0) t->body_grace_ms = HTTP_BODY_GRACE_MS;
    if (t->write_ms == 0) t->write_ms = HTTP_WRITE_MS;
    if (t->linger_ms == 0) t->linger_ms = HTTP_LINGER_MS;
}

enum vl_err http_server_create(uv_loop_t *loop, const struct http_config *config, struct vl_errmsg *msg,
                               struct http_server **ret_server) {
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL) return VL_ENOMEM;
    s->loop = loop;
    s->config = *config;
    set_times(&s->config.times);
    s->conns.prev = s->conns.next = &s->conns;
    vl_buf_init(&s->scratch, HTTP_ANSWER_MAX);
    vl_buf_init(&s->batch, HTTP_ANSWER_MAX + 2 * HTTP_HEAD_MAX);
    wheel_init(&s->wheel, uv_now(loop));
    crypto_random(&s->id_prefix, sizeof s->id_prefix);
    int rc = uv_tcp_init(loop, &s->listener);
    if (rc == 0) rc = uv_timer_init(loop, &s->timer);
    if (rc != 0) {
        free(s); /* neither handle is in the loop when its init failed: both only touch memory */
        return vl_errmsg_set(msg, VL_ENOMEM, "cannot start: %s", uv_strerror(rc));
    }
    s->listener.data = s->timer.data = s;
    enum vl_err err = open_listener(s, msg);
    if (err != VL_OK) {
        http_server_destroy(s, NULL, NULL);
        return err;
    }
    uv_timer_start(&s->timer, sweep, WHEEL_TICK_MS, WHEEL_TICK_MS);
    uv_unref((uv_handle_t *)&s->timer);
    *ret_server = s;
    return VL_OK;
}

static void free_server(struct http_server *s) {
    void (*done)(void *) = s->destroyed;
    void *arg = s->destroyed_arg;
    for (struct http_conn *c = s->free_conns, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    for (struct http_req *r = s->free_reqs, *next; r; r = next) {
        next = r->next_free;
        free(r);
    }
    vl_buf_free(&s->scratch);
    vl_buf_free(&s->batch);
    free(s);
    if (done) done(arg);
}

/* Also called after each connection's end: drained or destroyed when nothing is left. */
void server_conn_gone(struct http_server *s) {
    if (s->stats.open > 0) return;
    if (s->draining && s->drained) {
        void (*done)(void *) = s->drained;
        s->drained = NULL;
        done(s->drained_arg);
        return; /* done() may have destroyed the server */
    }
    if (s->destroying && s->listener_closed && s->timer_closed && s->stats.active == 0) free_server(s);
}

static void on_listener_closed(uv_handle_t *h) {
    struct http_server *s = h->data;
    s->listener_closed = true;
    server_conn_gone(s);
}

static void on_timer_closed(uv_handle_t *h) {
    struct http_server *s = h->data;
    s->timer_closed = true;
    server_conn_gone(s);
}

static void stop_listening(struct http_server *s) {
    if (!uv_is_closing((uv_handle_t *)&s->listener)) uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}

void http_server_drain(struct http_server *s, uint64_t grace_ms, void (*done)(void *arg), void *arg) {
    s->draining = true;
    s->drained = done;
    s->drained_arg = arg;
    s->drain_deadline = uv_now(s->loop) + grace_ms;
    stop_listening(s);
    for (struct http_conn *c = s->conns.next, *next; c != &s->conns; c = next) {
        next = c->next;
        if (c->state == CONN_HEAD && c->in.len == 0 && out_idle(c)) conn_close(c);
    }
    uv_ref((uv_handle_t *)&s->timer); /* its next tick reports, so that `done` is never called from in here */
}

void http_server_destroy(struct http_server *s, void (*done)(void *arg), void *arg) {
    if (s == NULL) return;
    s->destroying = true;
    s->drained = NULL;
    s->destroyed = done;
    s->destroyed_arg = arg;
    stop_listening(s);
    for (struct http_conn *c = s->conns.next, *next; c != &s->conns; c = next) {
        next = c->next;
        conn_close(c);
    }
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

void server_date(struct http_server *s) {
    uint64_t now = uv_now(s->loop);
    if (s->date_at != 0 && now - s->date_at < 250) return;
    time_t t = time(NULL);
    struct tm tm;
    gmtime_r(&t, &tm);
    /* RFC 9110 5.6.7; the C locale is the program's, names of days are English. */
    s->date_n = (uint8_t)strftime(s->date, sizeof s->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    s->date_at = now;
}

uint16_t http_server_port(const struct http_server *s) { return s->port; }
const struct http_stats *http_server_stats(const struct http_server *s) { return &s->stats; }
uint64_t http_server_now(const struct http_server *s) { return uv_now(s->loop); }
bool http_server_draining(const struct http_server *s) { return s->draining; }
void *http_server_user(const struct http_server *s) { return s->config.user; }

struct vl_buf *http_server_scratch(struct http_server *s) {
    if (s->scratch.cap > CHUNK_OUT * 4u) vl_buf_free(&s->scratch); /* one large list must not stay resident */
    vl_buf_clear(&s->scratch);
    return &s->scratch;
}
