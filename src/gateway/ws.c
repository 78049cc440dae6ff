#include "gateway/ws.h"

#include "gateway/gateway_priv.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

struct client {
    struct ws_hub *hub;
    struct http_conn *conn; /* NULL: gone */
    wslay_event_context_ptr ws;
    struct vl_span in; /* bytes that wslay may take */
    unsigned busy;     /* held by callers up the stack: freeing waits for leave() */
    bool awaits_pong, closing;
    struct topic_sub subs[WS_SUBS_MAX];
    struct client *prev, *next;
};

struct ws_hub {
    struct http_server *server;
    uv_prepare_t prepare;
    struct topic *topics; /* list; "jobs" and "nodes" always */
    size_t topics_n;
    struct client *clients;
    struct ws_stats stats;
    bool dirty;
};

/* ---- sending ---- */

static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *p, size_t n, int flags, void *arg) {
    struct client *c = arg;
    (void)ws;
    (void)flags;
    if (c->conn) http_conn_write(c->conn, p, n);
    return (ssize_t)n;
}

/* The functions below expect that their caller holds the client (busy > 0) when they may end its connection. */
static void client_free(struct client *c) {
    wslay_event_context_free(c->ws);
    free(c);
}

static void leave(struct client *c) {
    if (--c->busy == 0 && c->conn == NULL) client_free(c);
}

/* Lets wslay say what it has queued (pongs, closes). Once we said close it is on us to end the connection (RFC
 * 6455 7.1.1); waiting for the client's own close would let a broken one hold it open. */
static void flush_control(struct client *c) {
    if (c->conn && wslay_event_want_write(c->ws)) wslay_event_send(c->ws);
    if (c->conn && wslay_event_get_close_sent(c->ws)) http_conn_finish(c->conn);
}

static void say(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct client *c, const char *fmt, ...) {
    char text[400];
    uint8_t header[10];
    va_list ap;
    va_start(ap, fmt);
    int k = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t n = (size_t)k < sizeof text ? (size_t)k : sizeof text - 1;
    if (c->conn) http_conn_write(c->conn, header, topic_frame_header(n, header));
    if (c->conn) http_conn_write(c->conn, text, n);
}

static void close_client(struct client *c, uint16_t status, const char *why) {
    c->closing = true;
    if (c->conn) {
        wslay_event_queue_close(c->ws, status, (const uint8_t *)why, strlen(why));
        wslay_event_send(c->ws);
    }
    if (c->conn) http_conn_finish(c->conn);
}

/* Hands s what its connection can take now. False: the client was dropped. */
static bool feed_sub(struct client *c, struct topic_sub *s) {
    while (c->conn && !c->closing && http_conn_backlog(c->conn) < WS_BURST) {
        bool lost;
        const struct topic_frame *f = topic_next(s, &lost);
        if (lost) {
            if (s->topic->published - s->offset > TOPIC_RING_BYTES) {
                c->hub->stats.dropped++;
                close_client(c, 1013, "reads too slowly");
                return false;
            }
            (void)topic_seek(s->topic, s, false, 0);
            say(c, "{\"op\":\"resync\",\"topic\":\"%s\"}", s->topic->name);
            continue;
        }
        if (f == NULL) return true;
        http_conn_write(c->conn, f->bytes, f->n);
        c->hub->stats.frames++;
        topic_advance(s, f);
    }
    return c->conn != NULL;
}

static void feed_client(struct client *c) {
    c->busy++;
    for (size_t i = 0; i < WS_SUBS_MAX; i++)
        if (c->subs[i].topic && !feed_sub(c, &c->subs[i])) break;
    leave(c);
}

/* A client that reads nothing never becomes writable: it must be dropped from here. */
static void fan_out(struct topic *t) {
    t->dirty = false;
    for (struct topic_sub *s = t->subs, *next; s; s = next) {
        next = s->next;
        struct client *c = s->client;
        if (c->closing) continue;
        bool lost;
        c->busy++;
        if (http_conn_backlog(c->conn) < WS_BURST) {
            (void)feed_sub(c, s);
        } else if ((void)topic_next(s, &lost), lost && t->published - s->offset > TOPIC_RING_BYTES) {
            c->hub->stats.dropped++;
            close_client(c, 1013, "reads too slowly");
        }
        leave(c);
    }
}

static void on_prepare(uv_prepare_t *p) {
    struct ws_hub *h = p->data;
    if (!h->dirty) return;
    h->dirty = false;
    for (struct topic *t = h->topics; t; t = t->next)
        if (t->dirty) fan_out(t);
}

/* ---- topics ---- */

static struct topic *topic_find(struct ws_hub *h, const char *name) {
    for (struct topic *t = h->topics; t; t = t->next)
        if (strcmp(t->name, name) == 0) return t;
    return NULL;
}

static void forget_left(struct ws_hub *h) {
    uint64_t now = http_server_now(h->server);
    for (struct topic **at = &h->topics; *at;) {
        struct topic *t = *at;
        if (strncmp(t->name, "tasks:", 6) != 0 || topic_listened(t, now)) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        h->topics_n--;
        topic_destroy(t);
    }
}

static struct topic *topic_get(struct ws_hub *h, const char *name, size_t max_bytes) {
    struct topic *t = topic_find(h, name);
    if (t) return t;
    if (h->topics_n >= WS_TOPICS_MAX) forget_left(h);
    if (h->topics_n >= WS_TOPICS_MAX) return NULL;
    t = topic_create(name, max_bytes, gateway_wall_ms());
    if (t == NULL) return NULL;
    t->next = h->topics;
    h->topics = t;
    h->topics_n++;
    return t;
}

static bool topic_name_ok(const char *s) {
    if (strcmp(s, "jobs") == 0 || strcmp(s, "nodes") == 0) return true;
    return strncmp(s, "tasks:", 6) == 0 && strlen(s) == 38 && strspn(s + 6, "0123456789abcdef") == 32;
}

bool ws_hub_wants(struct ws_hub *h, const char *topic) {
    const struct topic *t = topic_find(h, topic);
    return t && topic_listened(t, http_server_now(h->server));
}

void ws_hub_publish(struct ws_hub *h, const char *topic, struct vl_span data) {
    struct topic *t = topic_find(h, topic);
    if (t == NULL) return;
    h->stats.events++;
    /* An event that cannot be kept leaves a hole, and the hole makes its subscribers resync. */
    if (topic_publish(t, data.n > 0, data) != VL_OK) h->stats.holes++;
    t->dirty = h->dirty = true;
}

/* ---- messages from a client ---- */

static struct topic_sub *sub_find(struct client *c, const char *topic) {
    for (size_t i = 0; i < WS_SUBS_MAX; i++)
        if (c->subs[i].topic && strcmp(c->subs[i].topic->name, topic) == 0) return &c->subs[i];
    return NULL;
}

static void subscribe(struct client *c, const char *name, const json_t *after) {
    struct topic_sub *s = sub_find(c, name);
    for (size_t i = 0; s == NULL && i < WS_SUBS_MAX; i++)
        if (c->subs[i].topic == NULL) s = &c->subs[i];
    bool tasks = strncmp(name, "tasks:", 6) == 0;
    struct topic *t = s ? topic_get(c->hub, name, tasks ? TOPIC_TASK_RING_BYTES : TOPIC_RING_BYTES) : NULL;
    if (t == NULL) {
        say(c, "{\"op\":\"error\",\"code\":\"limit\",\"detail\":\"too many topics\"}");
        return;
    }
    if (s->topic == NULL) {
        s->client = c;
        topic_attach(t, s);
    }
    bool resume = json_is_integer(after) && json_integer_value(after) >= 0;
    if (!topic_seek(t, s, resume, resume ? (uint64_t)json_integer_value(after) : 0))
        say(c, "{\"op\":\"resync\",\"topic\":\"%s\"}", name);
    if (c->conn) (void)feed_sub(c, s);
}

static void on_op(struct client *c, const json_t *m) {
    const char *op = json_string_value(json_object_get(m, "op")),
               *topic = json_string_value(json_object_get(m, "topic"));
    const json_t *after = json_object_get(m, "after");
    if (op && strcmp(op, "ping") == 0) {
        say(c, "{\"op\":\"pong\"}");
    } else if (op == NULL || (strcmp(op, "subscribe") != 0 && strcmp(op, "unsubscribe") != 0)) {
        say(c, "{\"op\":\"error\",\"code\":\"bad_request\",\"detail\":\"op must be subscribe, unsubscribe or ping\"}");
    } else if (topic == NULL || !topic_name_ok(topic)) {
        say(c, "{\"op\":\"error\",\"code\":\"bad_request\",\"detail\":\"topic must be jobs, nodes or tasks:JOBID\"}");
    } else if (after && !json_is_null(after) && !json_is_integer(after)) {
        say(c, "{\"op\":\"error\",\"code\":\"bad_request\",\"detail\":\"after must be an integer\"}");
    } else if (op[0] == 's') {
        subscribe(c, topic, after);
    } else {
        struct topic_sub *s = sub_find(c, topic);
        if (s) topic_detach(s, http_server_now(c->hub->server));
    }
}

static void on_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *m, void *arg) {
    struct client *c = arg;
    (void)ws;
    if (m->opcode == WSLAY_PONG) c->awaits_pong = false;
    if (wslay_is_ctrl_frame(m->opcode) || c->conn == NULL) return;
    if (m->opcode != WSLAY_TEXT_FRAME) {
        wslay_event_queue_close(c->ws, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
        return;
    }
    json_t *root = json_loadb((const char *)m->msg, m->msg_length, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(root))
        on_op(c, root);
    else
        say(c, "{\"op\":\"error\",\"code\":\"bad_request\",\"detail\":\"a message must be a JSON object\"}");
    json_decref(root);
}

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *dst, size_t n, int flags, void *arg) {
    struct client *c = arg;
    (void)flags;
    if (c->in.n == 0) {
        wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (n > c->in.n) n = c->in.n;
    memcpy(dst, c->in.p, n);
    c->in.p += n;
    c->in.n -= n;
    return (ssize_t)n;
}

/* ---- the tunnel ---- */

static void on_data(void *arg, struct vl_span in) {
    struct client *c = arg;
    if (c->closing) return;
    c->in = in;
    c->busy++;
    bool broken = wslay_event_recv(c->ws) != 0;
    c->in = vl_span(NULL, 0);
    if (c->conn) flush_control(c);
    if (c->conn && broken) http_conn_abort(c->conn);
    leave(c);
}

static void on_drained(void *arg) { feed_client(arg); }

static void on_tick(void *arg) {
    struct client *c = arg;
    if (c->awaits_pong) { /* a whole period without an answer */
        http_conn_abort(c->conn);
        return;
    }
    struct wslay_event_msg ping = { .opcode = WSLAY_PING };
    c->awaits_pong = true;
    wslay_event_queue_msg(c->ws, &ping);
    http_tunnel_alarm(c->conn, WS_PING_MS);
    c->busy++;
    flush_control(c);
    leave(c);
}

static void on_closed(void *arg) {
    struct client *c = arg;
    struct ws_hub *h = c->hub;
    c->conn = NULL;
    for (size_t i = 0; i < WS_SUBS_MAX; i++)
        if (c->subs[i].topic) topic_detach(&c->subs[i], http_server_now(h->server));
    if (c->prev)
        c->prev->next = c->next;
    else
        h->clients = c->next;
    if (c->next) c->next->prev = c->prev;
    h->stats.clients--;
    if (c->busy == 0) client_free(c);
}

void ws_accept_text(struct vl_span key, char dst[29]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    uint8_t in[24 + sizeof guid - 1], sha[EVP_MAX_MD_SIZE];
    memcpy(in, key.p, 24);
    memcpy(in + 24, guid, sizeof guid - 1);
    unsigned n = 0;
    EVP_Digest(in, sizeof in, sha, &n, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)dst, sha, 20);
}

enum vl_err ws_hub_accept(struct ws_hub *h, struct http_req *r, struct vl_span key) {
    static const struct wslay_event_callbacks callbacks = { .recv_callback = on_recv,
                                                            .send_callback = on_send,
                                                            .on_msg_recv_callback = on_message };
    char accept[29], fields[64];
    if (h->stats.clients >= WS_CLIENTS_MAX) return VL_ELIMIT;
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL) return VL_ENOMEM;
    if (wslay_event_context_server_init(&c->ws, &callbacks, c) != 0) {
        free(c);
        return VL_ENOMEM;
    }
    wslay_event_config_set_max_recv_msg_length(c->ws, WS_MESSAGE_MAX);
    ws_accept_text(key, accept);
    snprintf(fields, sizeof fields, "Sec-WebSocket-Accept: %s\r\n", accept);
    c->hub = h;
    c->conn = r->conn;
    struct http_tunnel t = { .data = on_data, .drained = on_drained, .tick = on_tick, .closed = on_closed, .arg = c };
    c->next = h->clients;
    if (h->clients) h->clients->prev = c;
    h->clients = c;
    h->stats.clients++;
    c->busy++;
    struct http_conn *conn = r->conn;
    if (!http_reply_upgrade(r, fields, t)) {
        if (c->conn) on_closed(c);
    } else if (c->conn) {
        http_tunnel_alarm(conn, WS_PING_MS);
    }
    leave(c);
    return VL_OK;
}

/* ---- the hub ---- */

struct ws_hub *ws_hub_create(uv_loop_t *loop, struct http_server *server) {
    struct ws_hub *h = calloc(1, sizeof *h);
    if (h == NULL) return NULL;
    h->server = server;
    if (topic_get(h, "jobs", TOPIC_RING_BYTES) == NULL || topic_get(h, "nodes", TOPIC_RING_BYTES) == NULL) {
        while (h->topics) {
            struct topic *t = h->topics;
            h->topics = t->next;
            topic_destroy(t);
        }
        free(h);
        return NULL;
    }
    uv_prepare_init(loop, &h->prepare);
    h->prepare.data = h;
    uv_prepare_start(&h->prepare, on_prepare);
    uv_unref((uv_handle_t *)&h->prepare);
    return h;
}

void ws_hub_drain(struct ws_hub *h) {
    for (struct client *c = h->clients, *next; c; c = next) {
        next = c->next;
        c->busy++;
        close_client(c, 1001, "going away");
        leave(c);
    }
}

static void on_prepare_closed(uv_handle_t *p) {
    struct ws_hub *h = p->data;
    while (h->topics) {
        struct topic *t = h->topics;
        h->topics = t->next;
        topic_destroy(t);
    }
    free(h);
}

void ws_hub_destroy(struct ws_hub *h) {
    if (h) uv_close((uv_handle_t *)&h->prepare, on_prepare_closed);
}

const struct ws_stats *ws_hub_stats(const struct ws_hub *h) { return &h->stats; }
