/* server.h - HTTP/1.1 server on libuv: connections, time-outs, limits, back-pressure. Knows nothing of routes.
 * One shared read buffer for the loop; a connection keeps bytes of its own only while a request is in pieces or an
 * answer does not fit the socket, so that thousands of idle ones cost little. Requests of one connection are answered
 * in order, one at a time; pipelined ones that are answered at once leave in one write. */
#ifndef VL_GATEWAY_SERVER_H
#define VL_GATEWAY_SERVER_H

#include "base/bytes.h"
#include "base/err.h"
#include "gateway/http_parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define HTTP_IDLE_MS 75000u /* keep-alive without a request; what browsers and nginx settle on */
#define HTTP_HEAD_MS 10000u /* from the first byte of a head to its end: slowloris */
#define HTTP_BODY_GRACE_MS 20000u
#define HTTP_BODY_RATE 1024u            /* bytes a second that a body must keep up beyond the grace */
#define HTTP_WRITE_MS 30000u            /* without progress while the client owes us a read */
#define HTTP_LINGER_MS 2000u            /* reading on after a refusal, so that the answer is not lost in a reset */
#define HTTP_STASH_MAX (256u * 1024u)   /* pipelined bytes kept while an answer is due; then we stop reading */
#define HTTP_BACKLOG_MAX (256u * 1024u) /* unsent answers above which no further request is taken */
#define HTTP_ANSWER_MAX (16u << 20)     /* one answer that is not streamed: 1,000 large items are about 2 MiB */
#define HTTP_ID_MAX 64u                 /* request id, characters */

struct http_server;
struct http_conn;

/* Takes a body piece by piece instead of having it collected. Ends with one of end or abort. */
struct http_sink {
    /* VL_OK, or the request was answered inside the call (an error): no more comes. */
    enum vl_err (*write)(void *arg, struct vl_span data);
    void (*end)(void *arg);   /* the whole body came: answer now or later */
    void (*abort)(void *arg); /* the client is gone or too slow: never answer, let the request go */
    void *arg;
};

/* Gives the bytes of an answer piece by piece. */
struct http_source {
    /* Up to n > 0 bytes into dst; at least 1.  An error breaks the connection: the length was promised. */
    enum vl_err (*read)(void *arg, uint8_t *dst, size_t n, size_t *ret_n);
    void (*close)(void *arg); /* exactly once, also after a broken connection */
    void *arg;
};

/* One request on its way. Head, path and body may be read until the callback that brought them returns; the rest until
 * the answer. Exactly one answer ends it, even when the client is gone by then. */
struct http_req {
    struct http_conn *conn; /* NULL: the client is gone */
    struct http_server *server;
    const struct http_head *head;
    const char *base;    /* first byte of the head */
    struct vl_span path; /* normalised */
    struct vl_span body;
    enum http_method method;
    bool close; /* close after the answer */
    bool answered;
    bool body_ended;
    uint64_t body_max;     /* set in on_head: a longer body is refused with 413 */
    struct http_sink sink; /* set in on_head to stream the body; write NULL: collect it */
    const void *route;     /* the user's */
    void *context;         /* the user's */
    uint64_t began_ns;
    uint8_t id_n;
    char id[HTTP_ID_MAX];
    struct http_req *next_free;
};

struct http_answer {
    uint16_t status;
    const char *type;   /* media type; NULL: no body */
    const char *fields; /* more header lines, each ended by CRLF; NULL: none */
    struct vl_span body;
};

/* After 101: bytes both ways. */
struct http_tunnel {
    void (*data)(void *arg, struct vl_span in);
    void (*drained)(void *arg); /* all that was written has left */
    void (*tick)(void *arg);    /* the time set by http_tunnel_alarm */
    void (*closed)(void *arg);  /* exactly once, at the end: forget the connection */
    void *arg;
};

struct http_callbacks {
    void (*head)(void *user, struct http_req *r);    /* set body_max or sink, or answer */
    void (*request)(void *user, struct http_req *r); /* head and collected body: answer now or later */
    /* What could not be read, or not in time: answer with `status`; the connection closes after it. */
    void (*refuse)(void *user, struct http_req *r, uint16_t status);
    void (*done)(void *user, const struct http_req *r, uint16_t status, uint64_t bytes); /* for metrics and logs */
};

/* Time-outs; 0 takes the constant above. */
struct http_times {
    uint32_t idle_ms, head_ms, body_grace_ms, write_ms, linger_ms;
};

struct http_config {
    struct http_times times;
    const char *host;
    uint16_t port;
    uint32_t max_connections;
    struct http_callbacks callbacks; /* copied */
    void *user;
};

struct http_stats {
    uint64_t accepted, refused, timed_out, bad_requests, bytes_in, bytes_out;
    uint32_t open, active;
};

VL_MUST_CHECK enum vl_err http_server_create(uv_loop_t *loop, const struct http_config *config, struct vl_errmsg *msg,
                                             struct http_server **ret_server);
uint16_t http_server_port(const struct http_server *s);
/* No new connections, no new requests; `done` once all have ended or grace_ms is over. */
void http_server_drain(struct http_server *s, uint64_t grace_ms, void (*done)(void *arg), void *arg);
/* Closes all; memory goes once the loop ran the close callbacks, then `done` (may be NULL) is called. */
void http_server_destroy(struct http_server *s, void (*done)(void *arg), void *arg);
const struct http_stats *http_server_stats(const struct http_server *s);
/* Empty buffer to compose one body in; valid until the next answer. */
struct vl_buf *http_server_scratch(struct http_server *s);
uint64_t http_server_now(const struct http_server *s); /* ms of the loop's clock */
bool http_server_draining(const struct http_server *s);
void *http_server_user(const struct http_server *s); /* of the config */

void http_reply(struct http_req *r, const struct http_answer *a);
/* Answer of `length` bytes that `source` yields; takes the source even when the client is gone. */
void http_reply_stream(struct http_req *r, const struct http_answer *a, uint64_t length, struct http_source source);
/* Sends 101 with `fields` and hands the connection over; the request is over. False: the client is gone, nothing taken.
 */
bool http_reply_upgrade(struct http_req *r, const char *fields, struct http_tunnel tunnel);

/* Sends or queues.  The tunnel watches http_conn_backlog() itself. */
void http_conn_write(struct http_conn *c, const void *p, size_t n);
size_t http_conn_backlog(const struct http_conn *c);
/* Closes after the backlog has left or HTTP_LINGER_MS. */
void http_conn_finish(struct http_conn *c);
void http_conn_abort(struct http_conn *c);
void http_tunnel_alarm(struct http_conn *c, uint64_t after_ms);

#endif
