/* Small parts: timing wheel, cursors, metrics, sign-in, router, topics. */
#include "gateway/auth.h"
#include "gateway/cursor.h"
#include "gateway/metrics.h"
#include "gateway/router.h"
#include "gateway/topic.h"
#include "gateway/wheel.h"
#include "gateway/ws.h"

#include "check.h"

#include "base/prng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(wheel, never_fires_early_and_at_most_two_ticks_late) {
    struct wheel *w = malloc(sizeof *w);
    struct wheel_node n[200] = { 0 };
    bool fired[200] = { 0 };
    struct vl_prng r;
    vl_prng_seed(&r, 1);
    wheel_init(w, 1000);
    for (size_t i = 0; i < 200; i++) wheel_set(w, &n[i], 1000 + vl_prng_below(&r, 300000));
    for (size_t i = 0; i < 200; i += 3) wheel_set(w, &n[i], 1000 + vl_prng_below(&r, 300000)); /* earlier or later */
    for (uint64_t now = 1000; now < 302000; now += 100) {
        wheel_advance(w, now);
        for (struct wheel_node *x = wheel_pop(w); x; x = wheel_pop(w)) {
            CHECK(x->deadline <= now && now - x->deadline <= 2 * WHEEL_TICK_MS);
            CHECK(!fired[x - n]);
            fired[x - n] = true;
        }
    }
    for (size_t i = 0; i < 200; i++) CHECK(fired[i]);
    CHECK_EQ(0, w->len);
    free(w);
}

TEST(wheel, forgets_removed_nodes_and_survives_a_long_sleep) {
    struct wheel *w = malloc(sizeof *w);
    struct wheel_node a = { 0 }, b = { 0 };
    wheel_init(w, 0);
    wheel_set(w, &a, 500);
    wheel_set(w, &b, 500);
    wheel_remove(w, &a);
    wheel_remove(w, &a);
    wheel_advance(w, 10000000);
    CHECK(wheel_pop(w) == &b);
    CHECK(wheel_pop(w) == NULL);
    wheel_set(w, &b, 5); /* long past: due at the next look */
    wheel_advance(w, 10000000 + 2 * WHEEL_TICK_MS);
    CHECK(wheel_pop(w) == &b);
    free(w);
}

TEST(cursor, comes_back_only_to_its_own_list_and_unchanged) {
    struct cursor_seal seal = { { 1, 2 } }, other = { { 1, 3 } };
    char text[CURSOR_TEXT_MAX];
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    cursor_encode(&seal, CURSOR_JOBS, "0123456789abcdef", 16, text);
    CHECK_OK(cursor_decode(&seal, CURSOR_JOBS, text, key, &n));
    CHECK_EQ(16, n);
    CHECK_MEM("0123456789abcdef", key, 16);
    CHECK_EQ(VL_EPARSE, cursor_decode(&seal, CURSOR_NODES, text, key, &n));
    CHECK_EQ(VL_EPARSE, cursor_decode(&other, CURSOR_JOBS, text, key, &n));
    text[3] = text[3] == 'a' ? 'b' : 'a';
    CHECK_EQ(VL_EPARSE, cursor_decode(&seal, CURSOR_JOBS, text, key, &n));
    CHECK_EQ(VL_EPARSE, cursor_decode(&seal, CURSOR_JOBS, "", key, &n));
    char long_text[300];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    CHECK_EQ(VL_EPARSE, cursor_decode(&seal, CURSOR_JOBS, long_text, key, &n));
    uint8_t full[CURSOR_KEY_MAX] = { 7 };
    cursor_encode(&seal, CURSOR_TICKETS, full, sizeof full, text);
    CHECK_OK(cursor_decode(&seal, CURSOR_TICKETS, text, key, &n));
    CHECK_EQ(CURSOR_KEY_MAX, n);
}

static const double bounds[] = { 0.5, 1 };
static const struct metric_def defs[] = {
    { .name = "a_total", .help = "A\\B\nC", .type = METRIC_COUNTER, .labels = { "x" }, .max_series = 2 },
    { .name = "b_seconds", .help = "b", .type = METRIC_HISTOGRAM, .bounds = bounds, .bounds_n = 2, .max_series = 1 },
};

TEST(metrics, expose_text_with_escapes_and_cumulative_buckets) {
    struct metrics *m = metrics_create(defs, 2);
    const char *const one[METRIC_LABELS_MAX] = { "q\"\\\n" }, *const two[METRIC_LABELS_MAX] = { "two" };
    const char *const three[METRIC_LABELS_MAX] = { "three" }, *const four[METRIC_LABELS_MAX] = { "four" };
    const char *const none[METRIC_LABELS_MAX] = { 0 };
    metric_add(metrics_series(m, 0, one), 2);
    metric_add(metrics_series(m, 0, two), 1);
    metric_add(metrics_series(m, 0, three), 1); /* beyond the limit */
    metric_add(metrics_series(m, 0, four), 1);
    metric_add(metrics_series(m, 0, one), 0.5);
    struct metric_series *h = metrics_series(m, 1, none);
    metric_observe(h, 0.5);
    metric_observe(h, 0.75);
    metric_observe(h, 9);
    struct vl_buf b;
    vl_buf_init(&b, 65536);
    CHECK_OK(metrics_write(m, &b));
    CHECK_OK(vl_buf_append(&b, "", 1));
    CHECK_STR("# HELP a_total A\\\\B\\nC\n# TYPE a_total counter\n"
              "a_total{x=\"q\\\"\\\\\\n\"} 2.5\na_total{x=\"two\"} 1\na_total{x=\"other\"} 2\n"
              "# HELP b_seconds b\n# TYPE b_seconds histogram\n"
              "b_seconds_bucket{le=\"0.5\"} 1\nb_seconds_bucket{le=\"1\"} 2\nb_seconds_bucket{le=\"+Inf\"} 3\n"
              "b_seconds_sum 10.25\nb_seconds_count 3\n",
              (const char *)b.p);
    vl_buf_free(&b);
    metrics_destroy(m);
}

TEST(auth, takes_only_the_whole_token) {
    struct auth a;
    CHECK_OK(auth_init(&a, "0123456789abcdef", "127.0.0.1", NULL));
    CHECK(auth_bearer_ok(&a, vl_span_str("Bearer 0123456789abcdef")));
    CHECK(auth_bearer_ok(&a, vl_span_str("bearer 0123456789abcdef")));
    CHECK(!auth_bearer_ok(&a, vl_span_str("Bearer 0123456789abcde")));
    CHECK(!auth_bearer_ok(&a, vl_span_str("Bearer 0123456789abcdef0")));
    CHECK(!auth_bearer_ok(&a, vl_span_str("Bearer  0123456789abcdef")));
    CHECK(!auth_bearer_ok(&a, vl_span_str("Basic 0123456789abcdef")));
    CHECK(!auth_bearer_ok(&a, vl_span_str("Bearer ")));
    CHECK(!auth_bearer_ok(&a, vl_span(NULL, 0)));
    CHECK_EQ(VL_ERANGE, auth_init(&a, "0123456789abcde", NULL, NULL));
    CHECK_EQ(VL_ERANGE, auth_init(&a, "0123456789abcde\n", NULL, NULL));
    CHECK_EQ(VL_ERANGE, auth_init(&a, NULL, NULL, NULL));
}

TEST(auth, answers_only_to_its_names_whatever_the_port) {
    static const char *const more[] = { "Village.Example", NULL };
    static const char *const yes[] = { "127.0.0.1", "127.0.0.1:8000",     "LOCALHOST:1",  "[::1]:8000",
                                       "[::1]",     "village.example:80", "10.0.0.7:8000" };
    static const char *const no[] = { "evil.example",  "127.0.0.1.evil.example",
                                      "localhost.",    "localhostx",
                                      "local",         "[::1",
                                      "[::1]x",        "::1",
                                      "127.0.0.1:80x", "" };
    struct auth a;
    CHECK_OK(auth_init(&a, "0123456789abcdef", "10.0.0.7", more));
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) CHECK(auth_host_ok(&a, vl_span_str(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) CHECK(!auth_host_ok(&a, vl_span_str(no[i])));
    CHECK_OK(auth_init(&a, "0123456789abcdef", "0.0.0.0", NULL));
    CHECK(!auth_host_ok(&a, vl_span_str("0.0.0.0")));
    CHECK(auth_origin_ok(vl_span_str("http://a:8000"), vl_span_str("a:8000")));
    CHECK(!auth_origin_ok(vl_span_str("http://a:8001"), vl_span_str("a:8000")));
    CHECK(!auth_origin_ok(vl_span_str("null"), vl_span_str("a:8000")));
}

TEST(auth, lets_a_socket_ticket_be_used_once_before_its_exact_end) {
    struct auth a;
    char t[AUTH_WS_TICKET_TEXT], u[AUTH_WS_TICKET_TEXT];
    CHECK_OK(auth_init(&a, "0123456789abcdef", NULL, NULL));
    auth_ticket_make(&a, 1000, t);
    auth_ticket_make(&a, 1000, u);
    CHECK(auth_ticket_use(&a, 1000 + AUTH_WS_TICKET_MS - 1, t));
    CHECK(!auth_ticket_use(&a, 1001, t));
    CHECK(!auth_ticket_use(&a, 1000 + AUTH_WS_TICKET_MS, u));
    CHECK(!auth_ticket_use(&a, 1001, "nonsense"));
}

TEST(router, matches_templates_and_lists_methods) {
    char param[ROUTE_PARAM_MAX], allow[64];
    CHECK(router_match("/a/{id}/b", vl_span_str("/a/x.y/b"), param));
    CHECK_STR("x.y", param);
    CHECK(!router_match("/a/{id}/b", vl_span_str("/a//b"), param));
    CHECK(!router_match("/a/{id}/b", vl_span_str("/a/x/b/"), param));
    CHECK(!router_match("/a/{id}", vl_span_str("/a/x/b"), param));
    CHECK(!router_match("/a", vl_span_str("/a/"), param));
    const struct route *r = router_find(HTTP_HEAD, vl_span_str("/v1/fog/nodes/abc"), param, allow);
    CHECK(r && r->method == HTTP_GET);
    CHECK(router_find(HTTP_PUT, vl_span_str("/v1/fog/nodes/abc"), param, allow) == NULL);
    CHECK_STR("GET, HEAD, DELETE, OPTIONS", allow);
    CHECK(router_find(HTTP_GET, vl_span_str("/v1/nothing"), param, allow) == NULL);
    CHECK_STR("", allow);
}

TEST(router, has_no_two_routes_of_one_name_or_place) {
    for (size_t i = 0; i < gateway_routes_n; i++) {
        const struct route *a = &gateway_routes[i];
        CHECK((a->handle != NULL) != (a->begin != NULL));
        CHECK(a->summary && a->answer && a->tag);
        for (size_t k = 0; k < i; k++) {
            const struct route *b = &gateway_routes[k];
            CHECK(strcmp(a->name, b->name) != 0);
            CHECK(a->method != b->method || strcmp(a->path, b->path) != 0);
        }
    }
}

/* Collects seq numbers that a subscriber would get. */
static size_t drain(struct topic_sub *s, bool *lost) {
    size_t n = 0;
    for (const struct topic_frame *f = topic_next(s, lost); f; f = topic_next(s, lost)) {
        topic_advance(s, f);
        n++;
    }
    return n;
}

TEST(topic, resumes_after_a_gap_from_its_ring_or_says_that_it_cannot) {
    struct topic *t = topic_create("jobs", 1000, 1);
    struct topic_sub s = { .topic = t };
    bool lost;
    uint64_t first = t->next_seq;
    CHECK(topic_seek(t, &s, false, 0));
    for (int i = 0; i < 5; i++) CHECK_OK(topic_publish(t, true, vl_span_str("{}")));
    CHECK_EQ(5, drain(&s, &lost));
    CHECK(!lost);
    CHECK(topic_seek(t, &s, true, first + 2)); /* has seen three */
    CHECK_EQ(2, drain(&s, &lost));
    CHECK(topic_seek(t, &s, true, first - 1)); /* has seen nothing, all is still there */
    CHECK_EQ(5, drain(&s, &lost));
    CHECK(!topic_seek(t, &s, true, first - 2));
    CHECK(!topic_seek(t, &s, true, first + 5)); /* from the future: another life of this topic */
    CHECK(topic_seek(t, &s, true, first + 4));
    CHECK_EQ(0, drain(&s, &lost));
    topic_destroy(t);
}

TEST(topic, holds_no_more_than_its_bytes_and_tells_who_fell_off) {
    struct topic *t = topic_create("jobs", 1000, 1);
    struct topic_sub s = { .topic = t };
    char data[101];
    bool lost;
    memset(data, '1', 100);
    data[100] = '\0';
    CHECK(topic_seek(t, &s, false, 0));
    for (int i = 0; i < 50; i++) CHECK_OK(topic_publish(t, true, vl_span_str(data)));
    CHECK(t->ring_bytes <= 1000 && t->len >= 5);
    CHECK(topic_next(&s, &lost) == NULL);
    CHECK(lost);
    CHECK(t->published - s.offset > 50 * 100);
    CHECK_OK(topic_publish(t, false, vl_span(NULL, 0))); /* counted only: a hole */
    CHECK_EQ(0, t->len);
    CHECK(!topic_seek(t, &s, true, t->next_seq - 2));
    CHECK(topic_seek(t, &s, true, t->next_seq - 1));
    topic_destroy(t);
}

TEST(topic, writes_the_three_frame_lengths_of_rfc6455_section_5_2) {
    uint8_t h[10];
    CHECK_EQ(2, topic_frame_header(125, h));
    CHECK_MEM("\x81\x7d", h, 2);
    CHECK_EQ(4, topic_frame_header(126, h));
    CHECK_MEM("\x81\x7e\x00\x7e", h, 4);
    CHECK_EQ(4, topic_frame_header(65535, h));
    CHECK_EQ(10, topic_frame_header(65536, h));
    CHECK_MEM("\x81\x7f\0\0\0\0\0\x01\0\0", h, 10);
}

TEST(ws, accepts_with_the_text_of_rfc6455_section_1_3) {
    char t[29];
    ws_accept_text(vl_span_str("dGhlIHNhbXBsZSBub25jZQ=="), t);
    CHECK_STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", t);
}
