/* TCP under the links: listener, dials, and bytes between sockets and the brain. */
#include "node/priv.h"

#include "net/htx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN_BACKLOG 128
#define UNREACHABLE_MS 60000u /* between two lines about it */

struct lookup {
    uv_getaddrinfo_t req;
    struct link_conn *conn; /* NULL: it closed before the answer came */
};

static void lookup_forget(struct lookup *l) { l->conn = NULL; }

static void conn_closed(uv_handle_t *h) {
    struct link_conn *c = h->data;
    struct node *n = c->node;
    for (struct link_conn **at = &n->conns; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    n->conns_n--;
    if (c->lookup) lookup_forget(c->lookup);
    free(c->rest);
    free(c);
    node_handle_closed(n);
}

static void conn_end(struct link_conn *c, bool tell) {
    struct node *n = c->node;
    if (c->closing) return;
    c->closing = true;
    if (c->conn != 0) (void)vl_map_del(&n->by_conn, &c->conn);
    if (tell && c->conn != 0 && n->brain) brain_conn_lost(n->brain, c->conn, node_now(n));
    c->conn = 0;
    uv_close((uv_handle_t *)&c->tcp, conn_closed);
}

static void conn_read(uv_stream_t *s, ssize_t got, const uv_buf_t *buf) {
    struct link_conn *c = s->data;
    struct node *n = c->node;
    if (got == 0 || c->closing) return;
    if (got < 0 || c->conn == 0) {
        conn_end(c, true);
    } else {
        n->stats.bytes_in += (uint64_t)got;
        if (brain_input(n->brain, c->conn, node_now(n), buf->base, (size_t)got) && !c->draining) conn_end(c, true);
    }
    node_pump(n);
}

static void conn_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf) {
    struct link_conn *c = h->data;
    (void)suggested;
    *buf = uv_buf_init((char *)c->node->read_buffer, sizeof c->node->read_buffer);
}

static void conn_flush(struct link_conn *c);

static void conn_written(uv_write_t *w, int status) {
    struct link_conn *c = w->data;
    free(c->rest);
    c->rest = NULL;
    c->writing = false;
    if (c->closing) return;
    if (status < 0)
        conn_end(c, true);
    else
        conn_flush(c);
    node_pump(c->node);
}

/* Writes until the brain has nothing more or the socket is full; what it could not take is kept until it can. */
static void conn_flush(struct link_conn *c) {
    struct node *n = c->node;
    while (!c->writing && !c->closing && c->conn != 0) {
        size_t len = brain_output(n->brain, c->conn, node_now(n), n->out_buffer, HTX_OUTPUT_GOOD);
        if (len == 0) break;
        n->stats.bytes_out += len;
        uv_buf_t buf = uv_buf_init((char *)n->out_buffer, (unsigned)len);
        int put = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
        if (put < 0) put = put == UV_EAGAIN ? 0 : put;
        if (put < 0) {
            conn_end(c, true);
            return;
        }
        if ((size_t)put == len) continue;
        size_t left = len - (size_t)put;
        c->rest = malloc(left);
        if (c->rest == NULL) {
            conn_end(c, true);
            return;
        }
        memcpy(c->rest, n->out_buffer + put, left);
        buf = uv_buf_init((char *)c->rest, (unsigned)left);
        c->write.data = c;
        c->writing = true;
        if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, conn_written) != 0) {
            c->writing = false;
            conn_end(c, true);
        }
    }
    if (c->draining && !c->writing) conn_end(c, true);
}

static struct link_conn *conn_by_number(struct node *n, uint32_t conn) { return vl_map_get(&n->by_conn, &conn); }

void net_flush(struct node *n) {
    for (uint32_t conn; (conn = brain_next_output_conn(n->brain)) != 0;) {
        struct link_conn *c = conn_by_number(n, conn);
        if (c) conn_flush(c);
    }
}

void net_conn_close(struct node *n, uint32_t conn) {
    struct link_conn *c = conn_by_number(n, conn);
    if (c == NULL) return;
    c->draining = true;
    conn_flush(c);
}

static struct link_conn *conn_new(struct node *n) {
    struct link_conn *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->node = n;
    if (uv_tcp_init(n->loop, &c->tcp) != 0) {
        free(c);
        return NULL;
    }
    c->tcp.data = c;
    c->next = n->conns;
    n->conns = c;
    n->conns_n++;
    n->handles++;
    return c;
}

/* The brain has given it a number. */
static bool conn_begin(struct link_conn *c) {
    if (vl_map_put(&c->node->by_conn, &c->conn, c)) return false;
    uv_tcp_nodelay(&c->tcp, 1);
    return uv_read_start((uv_stream_t *)&c->tcp, conn_alloc, conn_read) == 0;
}

static void accepted(uv_stream_t *server, int status) {
    struct node *n = server->data;
    if (status < 0 || n->stopping) return;
    struct link_conn *c = conn_new(n);
    if (c == NULL) return;
    n->stats.accepts++;
    if (uv_accept(server, (uv_stream_t *)&c->tcp) != 0 || brain_accept(n->brain, node_now(n), &c->conn) != VL_OK ||
        !conn_begin(c)) {
        n->stats.accept_refused++;
        conn_end(c, true);
    }
    node_pump(n);
}

static int parse_addr(const char *text, struct sockaddr_storage *ret, char host[VL_ADDR_MAX], char port[8]) {
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (colon == NULL || len == 0 || len >= VL_ADDR_MAX || strlen(colon + 1) == 0 || strlen(colon + 1) > 5) return -1;
    for (const char *p = colon + 1; *p; p++)
        if (*p < '0' || *p > '9') return -1;
    unsigned long number = strtoul(colon + 1, NULL, 10);
    if (number > 65535) return -1;
    bool v6 = text[0] == '[' && text[len - 1] == ']';
    memcpy(host, text + v6, len - 2u * v6);
    host[len - 2u * v6] = '\0';
    snprintf(port, 8, "%lu", number);
    memset(ret, 0, sizeof *ret);
    if (v6) return uv_ip6_addr(host, (int)number, (struct sockaddr_in6 *)ret) == 0 ? 1 : -1;
    return uv_ip4_addr(host, (int)number, (struct sockaddr_in *)ret) == 0 ? 1 : 0; /* 0: a name to look up */
}

enum vl_err net_listen(struct node *n, const char *addr, struct vl_errmsg *msg) {
    struct sockaddr_storage ss, bound;
    char host[VL_ADDR_MAX], port[8];
    int len = sizeof bound;
    if (parse_addr(addr, &ss, host, port) != 1)
        return vl_errmsg_set(msg, VL_EPARSE, "--listen %s: not an address; write it as 0.0.0.0:8888 or [::]:8888",
                             addr);
    if (uv_tcp_init(n->loop, &n->listener) != 0) return VL_ENOMEM;
    n->listening = true;
    n->handles++;
    n->listener.data = n;
    int rc = uv_tcp_bind(&n->listener, (struct sockaddr *)&ss, 0);
    if (rc == 0) rc = uv_listen((uv_stream_t *)&n->listener, LISTEN_BACKLOG, accepted);
    if (rc == UV_EADDRINUSE)
        return vl_errmsg_set(msg, VL_EBUSY, "%s is in use by another program: choose another with --listen", addr);
    if (rc != 0)
        return vl_errmsg_set(msg, rc == UV_EACCES ? VL_EDENIED : VL_EIO, "cannot listen on %s: %s", addr,
                             uv_strerror(rc));
    if (uv_tcp_getsockname(&n->listener, (struct sockaddr *)&bound, &len) != 0) return VL_EIO;
    bool v6 = bound.ss_family == AF_INET6; /* the port is where the kernel put it when 0 was asked for */
    unsigned number = ntohs(v6 ? ((struct sockaddr_in6 *)&bound)->sin6_port : ((struct sockaddr_in *)&bound)->sin_port);
    if (snprintf(n->addr, sizeof n->addr, v6 ? "[%s]:%u" : "%s:%u", host, number) >= (int)sizeof n->addr)
        return VL_ERANGE;
    return VL_OK;
}

/* At once, then once a minute: who joins with a wrong address must not wait in silence. */
static void unreachable(struct link_conn *c, int status) {
    struct node *n = c->node;
    vl_ms now = node_now(n);
    if (n->unreachable_at != 0 && now < n->unreachable_at + UNREACHABLE_MS) return;
    n->unreachable_at = now;
    vl_log(n->cfg.log, now, VL_WARN, "a node cannot be reached; trying again", VL_S("address", c->addr),
           VL_S("error", status ? uv_strerror(status) : "no such address"),
           VL_S("look", "does it run, is its port open, and is that the address it was given with --advertise?"));
}

static void dial_failed(struct link_conn *c, int status) {
    struct node *n = c->node;
    n->stats.dials_failed++;
    unreachable(c, status);
    if (n->brain) brain_dial_failed(n->brain, node_now(n), c->dial);
    conn_end(c, false);
    node_pump(n);
}

static void connected(uv_connect_t *req, int status) {
    struct link_conn *c = req->data;
    struct node *n = c->node;
    if (c->closing) return;
    if (status < 0) {
        dial_failed(c, status);
        return;
    }
    if (brain_dialled(n->brain, node_now(n), c->dial, &c->conn) != VL_OK || !conn_begin(c)) conn_end(c, true);
    node_pump(n);
}

static void looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *res) {
    struct lookup *l = req->data;
    struct link_conn *c = l->conn;
    if (c) c->lookup = NULL;
    if (c && !c->closing) {
        if (status == 0 && res) status = uv_tcp_connect(&c->connect, &c->tcp, res->ai_addr, connected);
        if (status < 0 || res == NULL) dial_failed(c, status);
    }
    uv_freeaddrinfo(res);
    free(l);
}

void net_dial(struct node *n, uint32_t dial, const char *addr) {
    struct sockaddr_storage ss;
    char host[VL_ADDR_MAX], port[8];
    struct link_conn *c = conn_new(n);
    int kind = parse_addr(addr, &ss, host, port);
    n->stats.dials++;
    if (c == NULL) {
        brain_dial_failed(n->brain, node_now(n), dial);
        return;
    }
    c->dial = dial;
    c->connect.data = c;
    snprintf(c->addr, sizeof c->addr, "%s", addr);
    if (kind == 1) {
        int status = uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&ss, connected);
        if (status != 0) dial_failed(c, status);
        return;
    }
    struct lookup *l = kind == 0 ? calloc(1, sizeof *l) : NULL;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    if (l == NULL) {
        dial_failed(c, kind == 0 ? UV_ENOMEM : 0);
        return;
    }
    l->conn = c;
    c->lookup = l;
    l->req.data = l;
    int status = uv_getaddrinfo(n->loop, &l->req, looked_up, host, port, &hints);
    if (status != 0) {
        c->lookup = NULL;
        free(l);
        dial_failed(c, status);
    }
}

static void listener_closed(uv_handle_t *h) { node_handle_closed(h->data); }

void net_forget(struct node *n) {
    for (struct link_conn *c = n->conns; c; c = c->next) {
        if (c->conn != 0) (void)vl_map_del(&n->by_conn, &c->conn);
        c->conn = 0;
    }
}

void net_drop_all(struct node *n) {
    for (struct link_conn *c = n->conns; c; c = c->next) conn_end(c, false);
}

void net_close_all(struct node *n) {
    net_drop_all(n);
    if (n->listening && !uv_is_closing((uv_handle_t *)&n->listener))
        uv_close((uv_handle_t *)&n->listener, listener_closed);
}
