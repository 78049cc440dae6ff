/* conn_in.c - one connection, the way in: read, heads, bodies.
 * The common case copies nothing: a request that came whole is parsed and answered where the shared buffer holds it. */
#include "gateway/server_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct http_req *req_take(struct http_conn *c) {
    struct http_server *s = c->server;
    struct http_req *r = s->free_reqs;
    if (r) {
        s->free_reqs = r->next_free;
        s->free_reqs_n--;
    } else {
        r = malloc(sizeof *r);
        if (r == NULL) return NULL;
    }
    memset(r, 0, offsetof(struct http_req, id));
    r->conn = c;
    r->server = s;
    r->began_ns = uv_hrtime();
    s->stats.active++;
    return r;
}

static bool id_char(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
}

/* Echoes a sane id of the client, so that its logs and ours can be joined; else makes one. */
static void set_id(struct http_req *r, struct vl_span given) {
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    while (n < given.n && n < HTTP_ID_MAX && id_char(given.p[n])) n++;
    if (n > 0 && n == given.n) {
        memcpy(r->id, given.p, n);
        r->id_n = (uint8_t)n;
        return;
    }
    /* splitmix64 of a counter: unique within the process, no secret */
    uint64_t z = r->server->id_prefix + 0x9e3779b97f4a7c15u * ++r->server->id_next;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    for (int i = 0; i < 16; i++) r->id[i] = digits[z >> (60 - 4 * i) & 15];
    r->id_n = 16;
}

void conn_refuse(struct http_conn *c, uint16_t status) {
    struct http_server *s = c->server;
    if (c->req == NULL) {
        c->req = req_take(c);
        if (c->req == NULL) {
            conn_close(c);
            return;
        }
        set_id(c->req, vl_span(NULL, 0));
    }
    struct http_req *r = c->req;
    s->stats.bad_requests++;
    if (r->sink.write) {
        r->sink.abort(r->sink.arg);
        r->sink.write = NULL;
    }
    r->head = NULL;
    r->base = NULL;
    r->path = r->body = vl_span(NULL, 0);
    r->close = true;
    c->state = CONN_WAIT;
    s->config.callbacks.refuse(s->config.user, r, status);
    assert(c->req == NULL);
}

/* The user answers now, or keeps r and answers later. */
static void call_request(struct http_conn *c, const char *base, const struct http_head *h, struct vl_span body) {
    struct http_req *r = c->req;
    r->base = base;
    r->head = h;
    r->body = body;
    r->body_ended = true;
    c->state = CONN_WAIT;
    c->server->config.callbacks.request(c->server->config.user, r);
}

static bool set_path(struct http_conn *c, const char *base, const struct http_head *h) {
    struct http_req *r = c->req;
    r->path = http_part_span(base, h->path);
    if (h->path_plain) return true;
    size_t n = 0;
    if (http_path_normalise(r->path, c->server->path, &n) != VL_OK) return false;
    r->path = vl_span(c->server->path, n);
    return true;
}

/* The head is whole at `base`: asks the user what to do with it. False: answered already. */
static bool begin_request(struct http_conn *c, const char *base, const struct http_head *h) {
    struct http_server *s = c->server;
    struct http_req *r = c->req = req_take(c);
    if (r == NULL) {
        conn_close(c);
        return false;
    }
    set_id(r, http_part_span(base, h->request_id));
    r->method = h->method;
    r->close = h->close || s->draining;
    r->body_ended = !h->chunked && h->length == 0;
    if (!set_path(c, base, h)) {
        conn_refuse(c, 400);
        return false;
    }
    r->head = h;
    r->base = base;
    c->state = CONN_WAIT; /* so that an answer given in `head` finds its place */
    s->config.callbacks.head(s->config.user, r);
    if (c->req != r) return false;
    if (h->length > r->body_max) {
        conn_refuse(c, 413);
        return false;
    }
    return true;
}

/* A body that is not there as a whole, or goes to a sink: prepares for its pieces. */
static bool begin_body(struct http_conn *c, const char *base, const struct http_head *h) {
    struct http_req *r = c->req;
    c->body_left = h->length;
    c->body_got = 0;
    c->body_began = uv_now(c->server->loop);
    c->chunked = h->chunked;
    c->state = CONN_BODY;
    http_chunks_init(&c->chunks);
    conn_arm(c, c->server->config.times.body_grace_ms);
    if (h->expect_continue && vl_buf_append(out_open(c), "HTTP/1.1 100 Continue\r\n\r\n", 25) != VL_OK) goto fail;
    if (r->sink.write) return true; /* no one needs the head again */
    if (c->head == NULL) {
        c->head = malloc(sizeof *c->head);
        if (c->head == NULL) goto fail;
        *c->head = *h;
    }
    vl_buf_init(&c->body, h->size + (size_t)(r->body_max < SIZE_MAX / 2 ? r->body_max : SIZE_MAX / 2));
    if (vl_buf_append(&c->body, base, h->size) != VL_OK) goto fail;
    return true;
fail:
    conn_close(c);
    return false;
}

/* One run of decoded body bytes. */
static void body_data(struct http_conn *c, struct vl_span data) {
    struct http_req *r = c->req;
    c->body_got += data.n;
    if (c->body_got > r->body_max) {
        conn_refuse(c, 413);
        return;
    }
    if (r->sink.write == NULL) {
        if (vl_buf_append(&c->body, data.p, data.n) != VL_OK) conn_refuse(c, 503);
        return;
    }
    c->state = CONN_WAIT; /* so that an answer of the sink finds its place */
    enum vl_err err = r->sink.write(r->sink.arg, data);
    if (c->req != r) return;
    c->state = CONN_BODY;
    if (err != VL_OK) conn_refuse(c, 500);
}

static void body_over(struct http_conn *c) {
    struct http_req *r = c->req;
    r->body_ended = true;
    if (r->sink.write) {
        c->state = CONN_WAIT;
        r->sink.end(r->sink.arg);
        return;
    }
    struct vl_buf whole = c->body;
    struct http_head *h = c->head;
    vl_buf_init(&c->body, 0);
    c->head = NULL;
    (void)set_path(c, (const char *)whole.p, h); /* was valid when the head came */
    call_request(c, (const char *)whole.p, h, vl_span(whole.p + h->size, whole.len - h->size));
    free(h);
    vl_buf_free(&whole);
}

static void take_body(struct http_conn *c, struct vl_span *in) {
    struct vl_span data;
    bool over;
    if (c->chunked) {
        enum vl_err err = http_chunks_next(&c->chunks, in, &data);
        if (err == VL_EPARSE) {
            conn_refuse(c, 400);
            return;
        }
        over = err == VL_OK;
    } else {
        data = vl_span(in->p, in->n < c->body_left ? in->n : (size_t)c->body_left);
        in->p += data.n;
        in->n -= data.n;
        c->body_left -= data.n;
        over = c->body_left == 0;
    }
    if (data.n > 0) body_data(c, data);
    if (over && c->state == CONN_BODY) body_over(c);
}

/* False: more bytes needed. */
static bool take_head(struct http_conn *c, struct vl_span *in) {
    struct http_head *h = c->head ? c->head : &c->server->head;
    const char *base = (const char *)in->p;
    if (c->head == NULL) http_head_init(h);
    enum vl_err err = http_parse_head(h, base, in->n);
    if (err == VL_EAGAIN) {
        c->starved = true;
        if (c->head) return false;
        c->head = malloc(sizeof *c->head);
        if (c->head == NULL) {
            conn_close(c);
            return false;
        }
        *c->head = *h;
        if (out_idle(c)) conn_arm(c, c->server->config.times.head_ms);
        return false;
    }
    c->head = NULL; /* h itself stays valid until the end of this function */
    uint32_t size = h->size;
    if (err != VL_OK) {
        conn_refuse(c, h->status);
    } else if (begin_request(c, base, h)) {
        bool whole = !h->chunked && c->req->sink.write == NULL && in->n - size >= h->length;
        in->p += size;
        in->n -= size;
        if (whole) {
            struct vl_span body = vl_span(in->p, (size_t)h->length);
            in->p += body.n;
            in->n -= body.n;
            call_request(c, base, h, body);
        } else if (begin_body(c, base, h) && !c->chunked && c->body_left == 0) {
            body_over(c);
        }
    } else if (c->state != CONN_CLOSING) {
        in->p += size;
        in->n -= size;
    }
    if (h != &c->server->head && h != c->head) free(h);
    return true;
}

/* Puts what could not be taken into c->in: `held` is the former c->in that the rest may lie in. */
static void keep_rest(struct http_conn *c, struct vl_buf *held, struct vl_span rest) {
    if (c->state == CONN_CLOSING || c->state == CONN_LINGER) rest.n = 0;
    if (rest.n > 0 && held->p) {
        vl_buf_consume(held, (size_t)(rest.p - held->p));
        c->in = *held;
        return;
    }
    vl_buf_free(held);
    if (rest.n > 0 && vl_buf_append(&c->in, rest.p, rest.n) != VL_OK) conn_close(c);
}

void conn_take(struct http_conn *c, struct vl_span data) {
    struct http_server *s = c->server;
    struct vl_buf held = { 0 };
    struct vl_span in = data;
    if (c->in.len > 0) {
        if (data.n > 0 && vl_buf_append(&c->in, data.p, data.n) != VL_OK) {
            conn_close(c);
            return;
        }
        held = c->in;
        c->in = (struct vl_buf){ .max = held.max };
        in = vl_span(held.p, held.len);
    }
    if (data.n > 0) c->starved = false;
    if (s->batching == NULL && out_idle(c)) s->batching = c;
    while (in.n > 0) {
        if (c->state == CONN_HEAD && http_conn_backlog(c) < HTTP_BACKLOG_MAX) {
            if (!take_head(c, &in)) break;
        } else if (c->state == CONN_BODY) {
            take_body(c, &in);
        } else if (c->state == CONN_TUNNEL) {
            c->tunnel.data(c->tunnel.arg, in);
            in.n = 0;
        } else {
            break;
        }
    }
    keep_rest(c, &held, in);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b) {
    struct http_conn *c = h->data;
    (void)hint;
    *b = uv_buf_init(c->server->rbuf, READ_BUFFER);
}

static void on_end(struct http_conn *c) {
    c->eof = true;
    c->reading = false;
    uv_read_stop((uv_stream_t *)&c->tcp);
    /* A client may end its side after its last request and still wait for the answer; in the middle of one it is gone.
     */
    if (c->state == CONN_WAIT || c->state == CONN_STREAM || (c->state == CONN_HEAD && !out_idle(c))) return;
    if (c->state == CONN_LINGER && !c->shut) return;
    conn_close(c);
}

static void on_read(uv_stream_t *tcp, ssize_t n, const uv_buf_t *b) {
    struct http_conn *c = tcp->data;
    if (n == 0 || c->state == CONN_CLOSING) return;
    if (n < 0) {
        if (n == UV_EOF)
            on_end(c);
        else
            conn_close(c);
        return;
    }
    c->server->stats.bytes_in += (uint64_t)n;
    if (c->state == CONN_LINGER) return; /* read to be thrown away */
    c->running = true;
    conn_take(c, vl_span(b->base, (size_t)n));
    c->running = false;
    conn_drive(c);
}

/* Reads unless more than enough waits to be taken. */
void conn_reading(struct http_conn *c) {
    bool want = !c->eof && c->state != CONN_CLOSING && c->in.len < HTTP_STASH_MAX;
    if (want == c->reading || c->state == CONN_CLOSING) return;
    c->reading = want;
    if (!want)
        uv_read_stop((uv_stream_t *)&c->tcp);
    else if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
        conn_close(c);
}
