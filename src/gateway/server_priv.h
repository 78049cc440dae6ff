/* server_priv.h - inside of the server: shared by server.c and conn*.c only. */
#ifndef VL_GATEWAY_SERVER_PRIV_H
#define VL_GATEWAY_SERVER_PRIV_H

#include "gateway/server.h"
#include "gateway/wheel.h"

#define READ_BUFFER 65536u
#define CHUNK_OUT 65536u /* bytes asked of a source at a time */
#define FREE_MAX 256u    /* pooled connections and requests kept for reuse */

/*        +--------------- next request --------------+
 *        v                                           |
 *      HEAD --> BODY --> WAIT --> (answer) --> STREAM+
 *        |       |                   |
 *        +-------+--> LINGER         +--> TUNNEL          any --> CLOSING
 * HEAD: between requests or within a head. BODY: collecting or sinking. WAIT: the handler owes the answer.
 * STREAM: a source is being sent. LINGER: answered, reading what the client still sends. */
enum conn_state { CONN_HEAD = 0, CONN_BODY, CONN_WAIT, CONN_STREAM, CONN_TUNNEL, CONN_LINGER, CONN_CLOSING };

struct http_conn {
    uv_tcp_t tcp;
    uv_write_t write;
    struct wheel_node timer;
    struct http_server *server;
    struct http_conn *prev, *next; /* all connections; next also links the free list */
    enum conn_state state;
    bool reading, writing, running;
    bool eof;     /* the client sends no more */
    bool starved; /* what lies in `in` is a part of a head: only more input helps */
    bool shut;    /* we send no more */
    bool chunked;
    struct http_head *head; /* own copy, only while a request is in pieces */
    struct http_req *req;
    struct vl_buf in;              /* input not yet taken; a request's first byte is its first */
    struct vl_buf body;            /* head and decoded body of a request in pieces */
    struct vl_buf pending, flight; /* to send; being sent by `write` */
    size_t unsent;                 /* of `flight`, when the time-out last looked */
    uint64_t body_left;            /* with Content-Length */
    uint64_t body_got;
    uint64_t body_began; /* loop ms */
    struct http_chunks chunks;
    struct http_source source;
    uint64_t source_left;
    bool source_close; /* close the connection after it */
    struct http_tunnel tunnel;
};

struct http_server {
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t timer;
    struct http_config config;
    struct http_stats stats;
    uint16_t port;
    struct http_conn conns; /* list head */
    struct http_conn *free_conns;
    struct http_req *free_reqs;
    uint32_t free_conns_n, free_reqs_n;
    struct wheel wheel;
    struct vl_buf scratch; /* bodies of answers */
    struct vl_buf batch;   /* answers of the connection that runs now, not yet written */
    struct http_conn *batching;
    struct http_head head;      /* of the request being parsed */
    char path[HTTP_TARGET_MAX]; /* its path, when it needed decoding */
    char rbuf[READ_BUFFER];
    char date[40]; /* "Date: ...\r\n" */
    uint8_t date_n;
    uint64_t date_at; /* loop ms when it was made; 0: never */
    uint64_t id_prefix, id_next;
    bool draining, destroying, listener_closed, timer_closed;
    void (*drained)(void *arg);
    void *drained_arg;
    uint64_t drain_deadline;
    void (*destroyed)(void *arg);
    void *destroyed_arg;
};

/* conn.c */
void conn_accept(struct http_server *s);
void conn_close(struct http_conn *c);
void conn_timeout(struct http_conn *c);
void conn_arm(struct http_conn *c, uint64_t after_ms);
/* Does all that can be done now: sends, streams, takes waiting requests. A no-op when it is running already. */
void conn_drive(struct http_conn *c);
void req_release(struct http_req *r);
/* The request of c has its whole answer: what is next on this connection. */
void conn_answered(struct http_conn *c, bool close);

/* conn_in.c */
/* Takes data (may be empty) after what waits in c->in; keeps what cannot be taken now. */
void conn_take(struct http_conn *c, struct vl_span data);
void conn_reading(struct http_conn *c);
/* Answers with an error and closes; whatever request was on its way is over. */
void conn_refuse(struct http_conn *c, uint16_t status);

/* conn_out.c */
struct vl_buf *out_open(struct http_conn *c); /* where to append what shall be sent */
void out_flush(struct http_conn *c);
bool out_idle(const struct http_conn *c);
void source_step(struct http_conn *c, bool queue);
void source_drop(struct http_conn *c);

/* server.c */
void server_conn_gone(struct http_server *s);
void server_date(struct http_server *s);

#endif
