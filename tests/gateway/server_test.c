/* The server itself over real sockets: pipelining, slow and rude clients, limits, many idle connections, draining. */
#include "gateway/server.h"

#include "check.h"
#include "client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Echoes "METHOD PATH BODY"; "/later" is answered when the test says so, "/sink" counts, "/big" streams zeros. */
struct echo {
    uv_loop_t loop;
    struct http_server *server;
    struct http_req *later[8];
    size_t later_n, sunk, aborted, ended, closed;
    uint64_t big_left;
};

static void reply_text(struct http_req *r, uint16_t status, const char *text) {
    struct http_answer a = { .status = status, .type = "text/plain", .body = vl_span_str(text) };
    http_reply(r, &a);
}

static enum vl_err sink_write(void *arg, struct vl_span data) {
    struct echo *e = ((struct http_req *)arg)->context;
    e->sunk += data.n;
    return VL_OK;
}
static void sink_end(void *arg) {
    struct http_req *r = arg;
    ((struct echo *)r->context)->ended++;
    reply_text(r, 200, "sunk");
}
static void sink_abort(void *arg) { ((struct echo *)((struct http_req *)arg)->context)->aborted++; }

static void on_head(void *user, struct http_req *r) {
    r->context = user;
    r->body_max = 100;
    if (vl_span_eq(r->path, vl_span_str("/early")))
        reply_text(r, 200, "early");
    else if (vl_span_eq(r->path, vl_span_str("/sink"))) {
        r->body_max = 1u << 30;
        r->sink = (struct http_sink){ sink_write, sink_end, sink_abort, r };
    }
}

static enum vl_err zeros(void *arg, uint8_t *dst, size_t n, size_t *ret_n) {
    struct echo *e = arg;
    memset(dst, 'z', n);
    e->big_left -= n;
    *ret_n = n;
    return VL_OK;
}
static void zeros_close(void *arg) { ((struct echo *)arg)->closed++; }

static void on_request(void *user, struct http_req *r) {
    struct echo *e = user;
    char text[256];
    if (vl_span_eq(r->path, vl_span_str("/later"))) {
        e->later[e->later_n++] = r;
        return;
    }
    if (vl_span_eq(r->path, vl_span_str("/big"))) {
        struct http_answer a = { .status = 200, .type = "application/octet-stream" };
        e->big_left = 50u << 20;
        http_reply_stream(r, &a, e->big_left, (struct http_source){ zeros, zeros_close, e });
        return;
    }
    snprintf(text, sizeof text, "%s %.*s %.*s", http_method_text(r->method), (int)r->path.n, (const char *)r->path.p,
             (int)r->body.n, (const char *)r->body.p);
    reply_text(r, 200, text);
}

static void on_refuse(void *user, struct http_req *r, uint16_t status) {
    (void)user;
    reply_text(r, status, "refused");
}
static void on_done(void *user, const struct http_req *r, uint16_t status, uint64_t bytes) {
    (void)user;
    (void)r;
    (void)status;
    (void)bytes;
}

static void echo_open(struct echo *e, struct http_times times, uint32_t max) {
    struct http_config c = { .host = "127.0.0.1",
                             .max_connections = max,
                             .times = times,
                             .user = e,
                             .callbacks = { on_head, on_request, on_refuse, on_done } };
    struct vl_errmsg msg;
    memset(e, 0, sizeof *e);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&e->loop);
    CHECK_OK(http_server_create(&e->loop, &c, &msg, &e->server));
}

static void echo_close(struct echo *e) {
    for (size_t i = 0; i < e->later_n; i++)
        if (e->later[i]) reply_text(e->later[i], 200, "late");
    http_server_destroy(e->server, NULL, NULL);
    uv_run(&e->loop, UV_RUN_DEFAULT);
    CHECK_EQ(0, uv_loop_close(&e->loop));
}

static int say(struct echo *e, const char *text) {
    int fd = dial_port(http_server_port(e->server));
    CHECK(send_all(&e->loop, fd, text, strlen(text)));
    return fd;
}

static void expect(struct echo *e, int fd, int status, const char *body) {
    struct answer a;
    hear(&e->loop, fd, false, &a);
    CHECK_EQ(status, a.status);
    if (body) CHECK_STR(body, a.body);
    answer_free(&a);
}

#define H "Host: a\r\n"
static const struct http_times normal = { 0 };

TEST(server, answers_pipelined_requests_in_order) {
    struct echo e;
    echo_open(&e, normal, 100);
    int fd = say(&e, "GET /1 HTTP/1.1\r\n" H "\r\nPOST /2 HTTP/1.1\r\n" H
                     "Content-Length: 3\r\n\r\nabcPOST /3 HTTP/1.1\r\n" H
                     "Transfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\nGET /later HTTP/1.1\r\n" H
                     "\r\nGET /5 HTTP/1.1\r\n" H "\r\n");
    expect(&e, fd, 200, "GET /1 ");
    expect(&e, fd, 200, "POST /2 abc");
    expect(&e, fd, 200, "POST /3 xy");
    char c;
    CHECK_EQ(0, hear_some(&e.loop, fd, &c, 1, 20)); /* nothing overtakes the late one */
    CHECK_EQ(1, e.later_n);
    reply_text(e.later[0], 200, "late");
    e.later[0] = NULL;
    expect(&e, fd, 200, "late");
    expect(&e, fd, 200, "GET /5 ");
    close(fd);
    echo_close(&e);
}

TEST(server, takes_requests_byte_by_byte) {
    static const char text[] =
        "POST /%61 HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcPOST /b HTTP/1.1\r\n" H
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1\r\ny\r\n0\r\n\r\nGET /c HTTP/1.1\r\n" H "\r\n";
    struct echo e;
    echo_open(&e, normal, 100);
    int fd = dial_port(http_server_port(e.server));
    for (size_t i = 0; i + 1 < sizeof text; i++) CHECK(send_all(&e.loop, fd, text + i, 1));
    expect(&e, fd, 200, "POST /a abc");
    expect(&e, fd, 200, "POST /b xy");
    expect(&e, fd, 200, "GET /c ");
    close(fd);
    echo_close(&e);
}

TEST(server, takes_many_pipelined_requests_split_anywhere) {
    struct echo e;
    echo_open(&e, normal, 100);
    char *all = malloc(400000);
    size_t n = 0;
    for (int i = 0; i < 2000; i++) {
        n += (size_t)snprintf(all + n, 400000 - n, "POST /%d HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", i, i % 50);
        memset(all + n, 'b', (size_t)(i % 50));
        n += (size_t)(i % 50);
    }
    int fd = dial_port(http_server_port(e.server));
    for (size_t at = 0; at < n;) {
        size_t k = 1 + (at * 7919) % 3000;
        if (k > n - at) k = n - at;
        CHECK(send_all(&e.loop, fd, all + at, k));
        at += k;
    }
    for (int i = 0; i < 2000; i++) {
        struct answer a;
        char want[32];
        hear(&e.loop, fd, false, &a);
        snprintf(want, sizeof want, "POST /%d ", i);
        CHECK_EQ(200, a.status);
        CHECK_MEM(want, a.body, strlen(want));
        CHECK_EQ(strlen(want) + (size_t)(i % 50), a.n);
        answer_free(&a);
    }
    free(all);
    close(fd);
    echo_close(&e);
}

TEST(server, refuses_and_closes_after_what_it_cannot_read) {
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        { "GET / HTTP/1.1\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\n" H "\r\n", 505 },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 101\r\n\r\n", 413 },
        { "GET /%00 HTTP/1.1\r\n" H "\r\n", 400 },
        { "\x16\x03\x01\x02 hello\r\n", 400 },
        { "POST / HTTP/1.1\r\n" H
          "Transfer-Encoding: chunked\r\n\r\n65\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n",
          413 },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400 },
    };
    struct echo e;
    echo_open(&e, normal, 100);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = say(&e, rows[i].text);
        expect(&e, fd, rows[i].status, "refused");
        send(fd, "GET /smuggled HTTP/1.1\r\n" H "\r\n", 34, MSG_NOSIGNAL);
        char buf[256];
        CHECK_EQ(0, hear_some(&e.loop, fd, buf, sizeof buf, 50)); /* never answered */
        CHECK(hear_end(&e.loop, fd, 1000));
        close(fd);
    }
    CHECK_EQ(sizeof rows / sizeof rows[0], http_server_stats(e.server)->bad_requests);
    echo_close(&e);
}

TEST(server, honours_close_head_expect_and_early_answers) {
    struct echo e;
    struct answer a;
    echo_open(&e, normal, 100);
    int fd = say(&e, "GET /x HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    hear(&e.loop, fd, false, &a);
    CHECK(strstr(a.head, "Connection: close\r\n") != NULL);
    CHECK(hear_end(&e.loop, fd, 1000));
    answer_free(&a);
    close(fd);
    fd = say(&e, "HEAD /x HTTP/1.1\r\n" H "\r\nGET /y HTTP/1.1\r\n" H "\r\n");
    hear(&e.loop, fd, true, &a);
    CHECK(strstr(a.head, "Content-Length: 8\r\n") != NULL);
    answer_free(&a);
    expect(&e, fd, 200, "GET /y ");
    close(fd);
    fd = say(&e, "POST /x HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    char buf[64];
    CHECK_EQ(25, hear_some(&e.loop, fd, buf, 25, 1000));
    CHECK_MEM("HTTP/1.1 100 Continue\r\n\r\n", buf, 25);
    CHECK(send_all(&e.loop, fd, "ok", 2));
    expect(&e, fd, 200, "POST /x ok");
    close(fd);
    fd = say(&e,
             "POST /early HTTP/1.1\r\n" H "Content-Length: 50\r\n\r\n"); /* answered before its body: no way to go on */
    expect(&e, fd, 200, "early");
    CHECK(send_all(&e.loop, fd, "GET /smuggled HTTP/1.1\r\n" H "\r\n", 34));
    CHECK(hear_end(&e.loop, fd, 4000));
    close(fd);
    echo_close(&e);
}

TEST(server, answers_a_client_that_has_ended_its_side) {
    struct echo e;
    echo_open(&e, normal, 100);
    int fd =
        say(&e, "GET /1 HTTP/1.1\r\n" H "\r\nGET /later HTTP/1.1\r\n" H "\r\nGET /3 HTTP/1.1\r\n" H "\r\nGET /half");
    shutdown(fd, SHUT_WR);
    expect(&e, fd, 200, "GET /1 ");
    for (int i = 0; i < 20; i++) turn(&e.loop);
    CHECK_EQ(1, e.later_n);
    reply_text(e.later[0], 200, "late");
    e.later[0] = NULL;
    expect(&e, fd, 200, "late");
    expect(&e, fd, 200, "GET /3 ");
    CHECK(hear_end(&e.loop, fd, 1000));
    close(fd);
    echo_close(&e);
}

TEST(server, ends_slow_heads_slow_bodies_and_idle_connections) {
    struct http_times t = { .idle_ms = 300, .head_ms = 300, .body_grace_ms = 300, .write_ms = 300, .linger_ms = 300 };
    struct echo e;
    echo_open(&e, t, 100);
    int head = say(&e, "GET / HTTP/1.1\r\nHost:"), body = say(&e, "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\na");
    int sink = say(&e, "PUT /sink HTTP/1.1\r\n" H "Content-Length: 3000\r\n\r\na"), idle = say(&e, ""),
        used = say(&e, "GET /x HTTP/1.1\r\n" H "\r\n");
    expect(&e, used, 200, NULL);
    expect(&e, head, 408, "refused");
    expect(&e, body, 408, "refused");
    expect(&e, sink, 408, "refused");
    CHECK(hear_end(&e.loop, idle, 2000));
    CHECK(hear_end(&e.loop, used, 2000));
    CHECK_EQ(1, e.aborted);
    CHECK_EQ(5, http_server_stats(e.server)->timed_out);
    close(head);
    close(body);
    close(sink);
    close(idle);
    close(used);
    echo_close(&e);
}

TEST(server, drops_a_client_that_does_not_read_and_keeps_the_others_going) {
    struct http_times t = { .write_ms = 400 };
    struct echo e;
    echo_open(&e, t, 100);
    int stuck = say(&e, "GET /big HTTP/1.1\r\n" H "\r\n");
    for (int i = 0; i < 100; i++) turn(&e.loop);
    CHECK(e.big_left > 20u << 20); /* most of it was never made */
    int other = say(&e, "GET /x HTTP/1.1\r\n" H "\r\n");
    expect(&e, other, 200, "GET /x ");
    uint64_t end = uv_now(&e.loop) + 3000;
    while (e.closed == 0 && uv_now(&e.loop) < end) {
        turn(&e.loop);
        usleep(2000);
    }
    CHECK_EQ(1, e.closed);
    close(stuck);
    close(other);
    echo_close(&e);
}

TEST(server, stops_taking_requests_while_answers_pile_up) {
    struct echo e;
    echo_open(&e, normal, 100);
    static const char one[] = "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n" H "\r\n";
    int fd = dial_port(http_server_port(e.server)), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    size_t sent = 0, limit = 64u << 20;
    for (int quiet = 0; quiet < 50 && sent < limit;) { /* writes, never reads */
        ssize_t k = send(fd, one + sent % (sizeof one - 1), sizeof one - 1 - sent % (sizeof one - 1),
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (k > 0) sent += (size_t)k;
        quiet = k > 0 ? 0 : quiet + 1;
        turn(&e.loop);
    }
    CHECK(sent < limit);                                       /* it was held back ... */
    CHECK(http_server_stats(e.server)->bytes_out < 32u << 20); /* ... at a bounded backlog ... */
    size_t whole = sent / (sizeof one - 1);
    for (size_t i = 0; i < whole && i < 300; i++) expect(&e, fd, 200, NULL); /* ... and nothing was lost */
    close(fd);
    echo_close(&e);
}

TEST(server, streams_a_large_answer_and_takes_a_large_body) {
    struct echo e;
    struct answer a;
    echo_open(&e, normal, 100);
    int fd = say(&e, "GET /big HTTP/1.1\r\n" H "\r\nGET /after HTTP/1.1\r\n" H "\r\n");
    hear(&e.loop, fd, false, &a);
    CHECK_EQ(50u << 20, a.n);
    CHECK_EQ('z', a.body[a.n - 1]);
    answer_free(&a);
    expect(&e, fd, 200, "GET /after ");
    CHECK_EQ(1, e.closed);
    char *block = calloc(1, 1u << 20);
    const char *put = "PUT /sink HTTP/1.1\r\n" H "Content-Length: 8388608\r\n\r\n";
    CHECK(send_all(&e.loop, fd, put, strlen(put)));
    for (int i = 0; i < 8; i++) CHECK(send_all(&e.loop, fd, block, 1u << 20));
    expect(&e, fd, 200, "sunk");
    CHECK_EQ(8u << 20, e.sunk);
    put = "PUT /sink HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    CHECK(send_all(&e.loop, fd, put, strlen(put)));
    expect(&e, fd, 200, "sunk");
    CHECK_EQ((8u << 20) + 3, e.sunk);
    free(block);
    close(fd);
    echo_close(&e);
}

TEST(server, turns_surplus_connections_away_with_503) {
    struct echo e;
    echo_open(&e, normal, 2);
    int a = say(&e, "GET /1 HTTP/1.1\r\n" H "\r\n"), b = say(&e, "GET /2 HTTP/1.1\r\n" H "\r\n");
    expect(&e, a, 200, NULL);
    expect(&e, b, 200, NULL);
    int c = dial_port(http_server_port(e.server));
    expect(&e, c, 503, NULL);
    close(a);
    for (int i = 0; i < 20; i++) turn(&e.loop);
    int d = say(&e, "GET /4 HTTP/1.1\r\n" H "\r\n");
    expect(&e, d, 200, "GET /4 ");
    close(b);
    close(c);
    close(d);
    echo_close(&e);
}

static void drained(void *arg) { *(bool *)arg = true; }

TEST(server, drains_what_runs_and_refuses_what_is_new) {
    struct echo e;
    bool done = false;
    echo_open(&e, normal, 100);
    int idle = say(&e, "GET /1 HTTP/1.1\r\n" H "\r\n"), busy = say(&e, "GET /later HTTP/1.1\r\n" H "\r\n");
    expect(&e, idle, 200, NULL);
    while (e.later_n == 0) turn(&e.loop);
    http_server_drain(e.server, 10000, drained, &done);
    CHECK(hear_end(&e.loop, idle, 1000));
    CHECK(!done);
    reply_text(e.later[0], 200, "late");
    e.later[0] = NULL;
    struct answer a;
    hear(&e.loop, busy, false, &a);
    CHECK_STR("late", a.body);
    CHECK(strstr(a.head, "Connection: close") != NULL);
    answer_free(&a);
    close(busy);
    for (int i = 0; i < 1000 && !done; i++) {
        turn(&e.loop);
        usleep(2000);
    }
    CHECK(done);
    close(idle);
    echo_close(&e);
}

static size_t resident(void) {
    size_t n = 0;
    uv_resident_set_memory(&n);
    return n;
}

TEST(server, keeps_4000_idle_connections_for_less_than_10_kb_each) {
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    if (lim.rlim_cur < 8200) {
        lim.rlim_cur = lim.rlim_max < 8200 ? lim.rlim_max : 8200;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    if (lim.rlim_cur < 8200) SKIP("needs 8,200 file descriptors");
    struct echo e;
    int *fd = malloc(4000 * sizeof *fd);
    echo_open(&e, normal, 5000);
    int first = say(&e, "GET /x HTTP/1.1\r\n" H "\r\n");
    expect(&e, first, 200, NULL);
    size_t before = resident();
    for (int i = 0; i < 4000; i++) {
        fd[i] = say(&e, "GET /x HTTP/1.1\r\n" H "\r\n");
        expect(&e, fd[i], 200, NULL);
    }
    CHECK_EQ(4001, http_server_stats(e.server)->open);
#if !defined(__SANITIZE_ADDRESS__)
    CHECK(resident() - before < 4000u * 10000u);
#endif
    (void)before;
    for (int i = 0; i < 4000; i++) close(fd[i]);
    close(first);
    free(fd);
    echo_close(&e);
}
