#include "gateway/http_parse.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 200 stands for "taken". The whole at once and byte by byte must agree; the copy has no byte to spare, so that ASan
 * sees a read too far. */
static int parse(const char *text, size_t n, struct http_head *h) {
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    http_head_init(h);
    enum vl_err err = http_parse_head(h, exact, n);
    int whole = err == VL_OK ? 200 : err == VL_EAGAIN ? 0 : h->status;
    struct http_head slow;
    http_head_init(&slow);
    int pieces = 0;
    for (size_t i = 1; i <= n && pieces == 0; i++) {
        char *part = malloc(i);
        memcpy(part, text, i);
        err = http_parse_head(&slow, part, i);
        pieces = err == VL_OK ? 200 : err == VL_EAGAIN ? 0 : slow.status;
        free(part);
    }
    CHECK_EQ(whole, pieces);
    free(exact);
    return whole;
}
static int status(const char *text) {
    struct http_head h;
    return parse(text, strlen(text), &h);
}

#define OK "GET / HTTP/1.1\r\nHost: a\r\n"

TEST(http, takes_a_plain_request_and_says_where_its_parts_are) {
    const char *t = "GET /v1/fog/jobs?limit=2&x HTTP/1.1\r\nHost: a.b:80\r\nX-Request-ID:\t id1 \r\nConnection: "
                    "Keep-Alive, Upgrade\r\n\r\nrest";
    struct http_head h;
    CHECK_EQ(200, parse(t, strlen(t), &h));
    CHECK_EQ(HTTP_GET, h.method);
    CHECK(vl_span_eq(vl_span_str("/v1/fog/jobs"), http_part_span(t, h.path)));
    CHECK(vl_span_eq(vl_span_str("limit=2&x"), http_part_span(t, h.query)));
    CHECK(vl_span_eq(vl_span_str("a.b:80"), http_part_span(t, h.host)));
    CHECK(vl_span_eq(vl_span_str("id1"), http_part_span(t, h.request_id)));
    CHECK(h.keep_alive && !h.close && h.path_plain && !h.has_length && !h.chunked);
    CHECK_EQ(strlen(t) - 4, h.size);
    CHECK_EQ(3, h.fields_n);
}

TEST(http, waits_for_the_rest_of_a_head) {
    CHECK_EQ(0, status(""));
    CHECK_EQ(0, status("GET / HTTP/1.1\r\n"));
    CHECK_EQ(0, status(OK));
    CHECK_EQ(0, status(OK "\r"));
    CHECK_EQ(200, status(OK "\r\n"));
}

TEST(http, refuses_line_ends_other_than_crlf) {
    CHECK_EQ(400, status("GET / HTTP/1.1\nHost: a\n\n"));
    CHECK_EQ(400, status(OK "\n"));
    CHECK_EQ(400, status("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"));
    CHECK_EQ(400, status("\r\n" OK "\r\n"));
    CHECK_EQ(400, status("GET / HTTP/1.1\r\nHost: a\r\nX: 1\nTransfer-Encoding: chunked\r\n\r\n"));
}

TEST(http, refuses_folded_and_malformed_fields) {
    static const char *const bad[] = { "X: a\r\n b\r\n", " X: a\r\n", "X : a\r\n",    "X\t: a\r\n",
                                       ": a\r\n",        "X a\r\n",   "X\r\n",        "X: a\x01\r\n",
                                       "X: a\x7f\r\n",   "X(: a\r\n", "X\x80: a\r\n", "Content-Length : 1\r\n" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char t[256];
        snprintf(t, sizeof t, OK "%s\r\n", bad[i]);
        CHECK_EQ(400, status(t));
    }
    struct http_head h;
    CHECK_EQ(400, parse(OK "X: a\0b\r\n\r\n", sizeof(OK "X: a\0b\r\n\r\n") - 1, &h));
    CHECK_EQ(200, status(OK "X: caf\xc3\xa9 \t~\r\nEmpty:\r\n\r\n"));
}

TEST(http, wants_exactly_one_host) {
    CHECK_EQ(400, status("GET / HTTP/1.1\r\n\r\n"));
    CHECK_EQ(400, status("GET / HTTP/1.1\r\nHost:\r\n\r\n"));
    CHECK_EQ(400, status(OK "Host: a\r\n\r\n"));
    CHECK_EQ(400, status(OK "hOST: b\r\n\r\n"));
    static const char *const bad[] = { "a b", "a/b", "a@b", "a,b", "a?b", "a%00", "\"a\"" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char t[256];
        snprintf(t, sizeof t, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        CHECK_EQ(400, status(t));
    }
    CHECK_EQ(200, status("GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n"));
}

/* The corpus of ways to make two programs see two different requests. */
TEST(http, refuses_every_ambiguous_body_length) {
    static const char *const bad[] = {
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -0\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5_0\r\n",
        "Content-Length: 5 0\r\n",
        "Content-Length:\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: \"5\"\r\n",
        "Content-Length: ٥\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked\x0b\r\n",
        "Transfer-Encoding\x0b: chunked\r\n",
        "Transfer_Encoding : chunked\r\n",
        "Content-Length: 5\r\n\tTransfer-Encoding: chunked\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char t[512];
        snprintf(t, sizeof t, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", bad[i]);
        CHECK_EQ(400, status(t));
    }
    CHECK_EQ(413, status(OK "Content-Length: 18446744073709551616\r\n\r\n"));
    CHECK_EQ(413, status(OK "Content-Length: 99999999999999999999999999999\r\n\r\n"));
    struct http_head h;
    const char *good = OK "Content-Length: \t0042 \r\n\r\n";
    CHECK_EQ(200, parse(good, strlen(good), &h));
    CHECK_EQ(42, h.length);
    good = OK "TRANSFER-ENCODING: ChunkED\r\n\r\n";
    CHECK_EQ(200, parse(good, strlen(good), &h));
    CHECK(h.chunked);
}

TEST(http, refuses_other_versions_and_malformed_request_lines) {
    CHECK_EQ(505, status("GET / HTTP/1.0\r\nHost: a\r\n\r\n"));
    CHECK_EQ(505, status("GET / HTTP/2.0\r\nHost: a\r\n\r\n"));
    static const char *const bad[] = { "GET /\r\n",
                                       "GET  / HTTP/1.1\r\n",
                                       "GET / HTTP/1.1 \r\n",
                                       "GET /  HTTP/1.1\r\n",
                                       " GET / HTTP/1.1\r\n",
                                       "GET\t/ HTTP/1.1\r\n",
                                       "GET / http/1.1\r\n",
                                       "GET / HTTP/1.10\r\n",
                                       "GET / HTTP/11\r\n",
                                       "GET x HTTP/1.1\r\n",
                                       "GET /a b HTTP/1.1\r\n",
                                       "GET /\x80 HTTP/1.1\r\n",
                                       "GET /a#b HTTP/1.1\r\n",
                                       "GET /\"HTTP/1.1\r\n",
                                       "GET * HTTP/1.1\r\n",
                                       "GET  HTTP/1.1\r\n",
                                       "(GET) / HTTP/1.1\r\n",
                                       "GET /<x> HTTP/1.1\r\n" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char t[256];
        snprintf(t, sizeof t, "%sHost: a\r\n\r\n", bad[i]);
        CHECK_EQ(400, status(t));
    }
    struct http_head h;
    const char *t = "BREW / HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK_EQ(200, parse(t, strlen(t), &h));
    CHECK_EQ(HTTP_OTHER, h.method);
    t = "get / HTTP/1.1\r\nHost: a\r\n\r\n"; /* methods are case-sensitive */
    CHECK_EQ(200, parse(t, strlen(t), &h));
    CHECK_EQ(HTTP_OTHER, h.method);
}

TEST(http, takes_the_absolute_form_only_for_the_same_host) {
    const char *t = "GET http://a:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n";
    struct http_head h;
    CHECK_EQ(200, parse(t, strlen(t), &h));
    CHECK(vl_span_eq(vl_span_str("/x"), http_part_span(t, h.path)));
    CHECK_EQ(400, status("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_EQ(400, status("GET http://u@a/x HTTP/1.1\r\nHost: u@a\r\n\r\n"));
    CHECK_EQ(400, status("GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_EQ(400, status("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_EQ(200, status("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"));
}

static size_t put(char *dst, size_t at, const char *text) {
    memcpy(dst + at, text, strlen(text) + 1);
    return at + strlen(text);
}

TEST(http, limits_target_fields_and_head_at_their_exact_edges) {
    struct http_head h;
    static char t[40000];
    size_t n = put(t, 0, "GET /");
    memset(t + n, 'a', HTTP_TARGET_MAX - 1);
    n += HTTP_TARGET_MAX - 1;
    size_t tail = put(t, n, " HTTP/1.1\r\nHost: a\r\n\r\n") - n;
    CHECK_EQ(200, parse(t, n + tail, &h));
    memmove(t + 6, t + 5, n - 5 + tail);
    t[5] = 'a';
    CHECK_EQ(414, parse(t, n + 1 + tail, &h));

    n = put(t, 0, OK);
    for (unsigned i = 1; i < HTTP_FIELDS_MAX; i++) n = put(t, n, "a: b\r\n");
    (void)put(t, n, "\r\n");
    CHECK_EQ(200, parse(t, n + 2, &h));
    CHECK_EQ(HTTP_FIELDS_MAX, h.fields_n);
    (void)put(t, n, "x: y\r\n\r\n");
    CHECK_EQ(431, parse(t, n + 8, &h));

    n = put(t, 0, OK "X: ");
    memset(t + n, 'b', 20000);
    memcpy(t + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    http_head_init(&h);
    CHECK_OK(http_parse_head(&h, t, HTTP_HEAD_MAX));
    memcpy(t + HTTP_HEAD_MAX - 4, "b\r\n\r\n", 5);
    http_head_init(&h);
    CHECK_EQ(VL_EPARSE, http_parse_head(&h, t, HTTP_HEAD_MAX + 1));
    CHECK_EQ(431, h.status);
}

TEST(http, knows_expect_and_refuses_what_it_cannot_meet) {
    struct http_head h;
    const char *t = OK "Expect: 100-Continue\r\n\r\n";
    CHECK_EQ(200, parse(t, strlen(t), &h));
    CHECK(h.expect_continue);
    CHECK_EQ(417, status(OK "Expect: tea\r\n\r\n"));
    CHECK_EQ(400, status(OK "Authorization: a\r\nAuthorization: b\r\n\r\n"));
}

static const char *normal(const char *raw) {
    static char out[HTTP_TARGET_MAX + 1];
    size_t n = 0;
    if (http_path_normalise(vl_span_str(raw), out, &n) != VL_OK) return "refused";
    out[n] = '\0';
    return out;
}

TEST(http, normalises_a_path_once_and_refuses_double_meanings) {
    CHECK_STR("/a/b", normal("/a/b"));
    CHECK_STR("/a b", normal("/%61%20b"));
    CHECK_STR("/c", normal("/a/b/../../c"));
    CHECK_STR("/a/", normal("/a/b/.."));
    CHECK_STR("/a/", normal("/a/."));
    CHECK_STR("/a/c", normal("/a/./%2e/b/%2E%2e/c"));
    CHECK_STR("/...", normal("/..."));
    CHECK_STR("/%41", normal("/%2541")); /* decoded once, not twice */
    CHECK_STR("/\xc3\xa9", normal("/%C3%a9"));
    static const char *const bad[] = { "",        "a",      "/..",  "/a/../..", "/%2e%2e/x",  "/a%2fb",
                                       "/a%2Fb",  "/a%5cb", "/%",   "/%4",      "/%zz",       "/%00",
                                       "/%0d%0a", "/%7f",   "/%c3", "/%c0%af",  "/%ed%a0%80", "/%f5%80%80%80" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_STR("refused", normal(bad[i]));
}

TEST(http, decodes_a_query_value_within_its_room) {
    char d[8];
    size_t n = 0;
    CHECK_OK(http_query_decode(vl_span_str("a+b%2B"), d, sizeof d, &n));
    CHECK_STR("a b+", d);
    CHECK_OK(http_query_decode(vl_span_str("1234567"), d, sizeof d, &n));
    CHECK_EQ(VL_ELIMIT, http_query_decode(vl_span_str("12345678"), d, sizeof d, &n));
    CHECK_EQ(VL_EPARSE, http_query_decode(vl_span_str("%0"), d, sizeof d, &n));
    CHECK_EQ(VL_EPARSE, http_query_decode(vl_span_str("%00"), d, sizeof d, &n));
}

/* Whole and byte by byte. */
static enum vl_err dechunk(const char *text, char *out, size_t *left) {
    enum vl_err errs[2] = { VL_EAGAIN, VL_EAGAIN };
    for (int pass = 0; pass < 2; pass++) {
        struct http_chunks c;
        struct vl_span in = vl_span_str(text), data;
        size_t n = 0;
        http_chunks_init(&c);
        while (in.n > 0 && errs[pass] == VL_EAGAIN) {
            struct vl_span step = pass ? vl_span(in.p, 1) : in;
            size_t before = step.n;
            errs[pass] = http_chunks_next(&c, &step, &data);
            if (data.n > 0) memcpy(out + n, data.p, data.n);
            n += data.n;
            in.p += before - step.n;
            in.n -= before - step.n;
        }
        out[n] = '\0';
        *left = in.n;
    }
    CHECK_EQ(errs[0], errs[1]);
    return errs[0];
}

TEST(chunks, yield_the_body_and_leave_what_follows) {
    char out[64];
    size_t left = 0;
    CHECK_OK(dechunk("3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nGET", out, &left));
    CHECK_STR("abc0123456789", out);
    CHECK_EQ(3, left);
    CHECK_EQ(VL_EAGAIN, dechunk("3\r\nab", out, &left));
}

TEST(chunks, refuse_extensions_trailers_and_sloppy_framing) {
    static const char *const bad[] = {
        "3;a=b\r\nabc\r\n",  "3 \r\nabc\r\n", " 3\r\nabc\r\n", "+3\r\nabc\r\n",        "0x3\r\nabc\r\n",
        "\r\nabc",           "3\nabc",        "3\r\nabcd\r\n", "3\r\nab\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n",
        "0\r\nX: y\r\n\r\n", "0\r\n\n",       "g\r\n",         "1234567890123456\r\n", "-1\r\n",
        "3\r\r\nabc"
    };
    char out[64];
    size_t left;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(VL_EPARSE, dechunk(bad[i], out, &left));
}
