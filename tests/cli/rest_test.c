#include "check.h"
#include "cli/inputs.h"
#include "cli/rest.h"
#include "cli/session.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OK_JSON(body) "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: r1\r\nContent-Length: " body
#define N(a) (sizeof(a) / sizeof((a)[0]))

struct talk {
    struct server *server;
    struct rest_target target;
    struct rest *rest;
    struct rest_reply reply;
    struct vl_errmsg msg;
};
static void talk_start(struct talk *t, const struct answer *script, size_t n) {
    *t = (struct talk){ .server = server_start(script, n) };
    CHECK_OK(rest_target_find(server_url(t->server), "secret-token", "/nonexistent", &t->target, &t->msg));
    CHECK_OK(rest_create(&t->target, NULL, &t->rest, &t->msg));
}
static enum vl_err ask(struct talk *t, struct rest_request q) {
    rest_reply_free(&t->reply);
    if (q.method == NULL) q.method = "GET";
    if (q.path == NULL) q.path = "/v1/x";
    return rest_call(t->rest, &q, &t->reply, &t->msg);
}
static void talk_stop(struct talk *t) {
    rest_reply_free(&t->reply);
    rest_destroy(t->rest);
    server_stop(t->server);
}
static void talk_end(struct talk *t) {
    server_free(t->server);
    rest_target_free(&t->target);
}

TEST(rest, asks_with_the_token_and_reads_json_over_one_connection) {
    static const struct answer script[] = { { .raw = OK_JSON("8\r\n\r\n{\"a\": 1}") },
                                            { .raw = OK_JSON("2\r\n\r\n{}") } };
    struct talk t;
    talk_start(&t, script, N(script));
    CHECK_OK(ask(&t, (struct rest_request){ .path = "/v1/one" }));
    CHECK_EQ(1, json_count(t.reply.json, "a", 0));
    CHECK_STR("r1", t.reply.request_id);
    json_t *body = json_pack("{s:s}", "k", "v");
    CHECK_OK(ask(&t, (struct rest_request){ .method = "POST", .body = body, .idempotency_key = "key-1" }));
    json_decref(body);
    talk_stop(&t);
    CHECK_EQ(2, server_requests(t.server));
    CHECK(strncmp(server_request(t.server, 0), "GET /v1/one HTTP/1.1\r\n", 22) == 0);
    CHECK(strstr(server_request(t.server, 0), "Authorization: Bearer secret-token\r\n") != NULL);
    CHECK(strstr(server_request(t.server, 1), "Idempotency-Key: key-1\r\n") != NULL);
    CHECK(strstr(server_request(t.server, 1), "\r\n\r\n{\"k\":\"v\"}") != NULL);
    talk_end(&t);
}
TEST(rest, a_problem_is_read_with_its_fields) {
    static const struct answer script[] = {
        { .raw =
              "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: "
              "close\r\n\r\n{\"title\":\"t\",\"detail\":\"no "
              "good\",\"code\":\"invalid\",\"errors\":[{\"field\":\"/limits/memory_bytes\",\"detail\":\"too small\"}]}",
          .close = true },
        { .raw = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n" },
        { .raw = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" },
        { .raw = "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n" },
        { .raw = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" },
        { .raw = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" },
        { .raw = "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n" },
    };
    struct talk t;
    talk_start(&t, script, N(script));
    CHECK_EQ(VL_ERANGE, ask(&t, (struct rest_request){ 0 }));
    CHECK_EQ(1, t.reply.n_fields);
    CHECK_STR("/limits/memory_bytes", t.reply.fields[0].field);
    CHECK(strstr(t.msg.text, "no good") != NULL);
    CHECK_EQ(VL_EDENIED, ask(&t, (struct rest_request){ 0 }));
    CHECK_EQ(VL_ENOTFOUND, ask(&t, (struct rest_request){ 0 }));
    CHECK_EQ(VL_ESTATE, ask(&t, (struct rest_request){ 0 }));
    CHECK_EQ(VL_EAGAIN, ask(&t, (struct rest_request){ 0 }));
    CHECK_EQ(7, t.reply.retry_after_s);
    CHECK_EQ(VL_EIO, ask(&t, (struct rest_request){ 0 }));
    CHECK_EQ(VL_EIO, ask(&t, (struct rest_request){ 0 })); /* a redirect could carry the token away: not followed */
    talk_stop(&t);
    CHECK_EQ(7, server_requests(t.server));
    talk_end(&t);
}
TEST(rest, answers_that_are_no_json_are_refused) {
    static const struct answer script[] = {
        { .raw = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html" },
        { .raw = OK_JSON("13\r\n\r\n{\"a\":1,\"a\":2}") }, /* a name twice */
        { .raw = OK_JSON("4\r\n\r\n{}{}") },
        { .raw = OK_JSON("2\r\n\r\n{\"") },
        { .raw = OK_JSON("3\r\n\r\n[\xff]") },
    };
    struct talk t;
    talk_start(&t, script, N(script));
    for (size_t i = 0; i < N(script); i++) {
        CHECK_EQ(VL_EIO, ask(&t, (struct rest_request){ 0 }));
        CHECK(strstr(t.msg.text, "no Village gateway") != NULL);
    }
    talk_stop(&t);
    talk_end(&t);
}
TEST(rest, broken_connections_and_nonsense_end_in_an_error) {
    static const struct answer script[] = {
        { .raw = NULL }, /* closes without a word; libcurl asks once more on a fresh connection only */
        { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", .close = true },
        { .raw = "SSH-2.0-OpenSSH_9.2\r\n", .close = true },
        { .raw = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
          .close = true },
    };
    struct talk t;
    talk_start(&t, script, N(script));
    for (size_t i = 0; i < N(script); i++) CHECK_EQ(VL_EIO, ask(&t, (struct rest_request){ 0 }));
    talk_stop(&t);
    talk_end(&t);
}
TEST(rest, an_endless_answer_is_cut_off) {
    static const struct answer script[] = {
        { .raw = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", .zeros = 80u << 20, .close = true },
    };
    struct talk t;
    talk_start(&t, script, N(script));
    CHECK_EQ(VL_EIO, ask(&t, (struct rest_request){ 0 }));
    CHECK(strstr(t.msg.text, "larger than") != NULL);
    talk_stop(&t);
    talk_end(&t);
}
TEST(rest, no_gateway_is_told_with_the_next_step) {
    struct rest_target target;
    struct rest *rest = NULL;
    struct rest_reply reply;
    struct vl_errmsg msg;
    CHECK_OK(rest_target_find("http://127.0.0.1:1", NULL, "/nonexistent", &target, &msg));
    CHECK_OK(rest_create(&target, NULL, &rest, &msg));
    struct rest_request q = { .method = "GET", .path = "/v1/system/health" };
    CHECK_EQ(VL_EBUSY, rest_call(rest, &q, &reply, &msg));
    CHECK_EQ(CLI_UNREACHABLE, cli_exit_of(VL_EBUSY));
    CHECK(strstr(msg.text, "http://127.0.0.1:1: is `village up` running") != NULL);
    rest_reply_free(&reply);
    rest_destroy(rest);
    rest_target_free(&target);
}

static bool count_bytes(void *arg, const void *p, size_t n) {
    (void)p;
    *(uint64_t *)arg += n;
    return *(uint64_t *)arg <= (8u << 20);
}
TEST(rest, a_stream_reaches_the_sink_and_the_sink_may_stop_it) {
    static const struct answer script[] = {
        { .raw = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1048576\r\n\r\n",
          .zeros = 1u << 20 },
        { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n", .zeros = 64u << 20, .close = true },
    };
    struct talk t;
    uint64_t n = 0;
    talk_start(&t, script, N(script));
    CHECK_OK(ask(&t, (struct rest_request){ .sink = count_bytes, .arg = &n }));
    CHECK_EQ(1 << 20, n);
    CHECK_EQ(VL_EIO, ask(&t, (struct rest_request){ .sink = count_bytes, .arg = &n }));
    talk_stop(&t);
    talk_end(&t);
}

/* A data folder with gateway.json; dir holds "/tmp/village-cli-XXXXXX". */
static void write_gateway_json(char *dir, const char *text) {
    char path[128];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/gateway.json", dir);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}
static void remove_gateway_json(const char *dir) {
    char path[128];
    snprintf(path, sizeof path, "%s/gateway.json", dir);
    unlink(path);
    rmdir(dir);
}

TEST(target, the_local_token_never_goes_to_another_address) {
    char dir[] = "/tmp/village-cli-XXXXXX";
    struct rest_target t;
    struct vl_errmsg msg;
    unsetenv("VILLAGE_ADDR");
    unsetenv("VILLAGE_TOKEN");
    write_gateway_json(dir, "{\"url\":\"http://127.0.0.1:8123\",\"token\":\"local\"}");
    CHECK_OK(rest_target_find(NULL, NULL, dir, &t, &msg));
    CHECK_STR("http://127.0.0.1:8123", t.url);
    CHECK_STR("local", t.token);
    rest_target_free(&t);
    CHECK_OK(rest_target_find("http://127.0.0.1:8123/", NULL, dir, &t, &msg));
    CHECK_STR("local", t.token);
    rest_target_free(&t);
    CHECK_OK(rest_target_find("http://example.org:8123", NULL, dir, &t, &msg));
    CHECK(t.token == NULL);
    rest_target_free(&t);
    CHECK_OK(rest_target_find("http://example.org", "given", dir, &t, &msg));
    CHECK_STR("given", t.token);
    rest_target_free(&t);
    remove_gateway_json(dir);
}
TEST(target, the_environment_counts_and_options_win) {
    struct rest_target t;
    struct vl_errmsg msg;
    setenv("VILLAGE_ADDR", "http://10.0.0.1:9", 1);
    setenv("VILLAGE_TOKEN", "env", 1);
    CHECK_OK(rest_target_find(NULL, NULL, "/nonexistent", &t, &msg));
    CHECK_STR("http://10.0.0.1:9", t.url);
    CHECK_STR("env", t.token);
    rest_target_free(&t);
    CHECK_OK(rest_target_find("https://h", "opt", "/nonexistent", &t, &msg));
    CHECK_STR("https://h", t.url);
    CHECK_STR("opt", t.token);
    rest_target_free(&t);
    unsetenv("VILLAGE_ADDR");
    unsetenv("VILLAGE_TOKEN");
    CHECK_OK(rest_target_find(NULL, NULL, "/nonexistent", &t, &msg));
    CHECK_STR("http://127.0.0.1:8000", t.url);
    CHECK(t.token == NULL);
    rest_target_free(&t);
}
TEST(target, malformed_addresses_tokens_and_files_are_refused) {
    static const char *const bad[] = { "127.0.0.1:8000", "ftp://h",    "http://",    "http:///x", "http://h/?q",
                                       "http://u@h",     "http://h#f", "http://a b", "http://h\n" };
    struct rest_target t;
    struct vl_errmsg msg;
    for (size_t i = 0; i < N(bad); i++) CHECK_EQ(VL_EPARSE, rest_target_find(bad[i], NULL, "/nonexistent", &t, &msg));
    CHECK_EQ(VL_EPARSE, rest_target_find("http://h", "a\r\nX-Evil: 1", "/nonexistent", &t, &msg));
    static const char *const files[] = { "",
                                         "[]",
                                         "{",
                                         "{\"url\":\"http://h\"}",
                                         "{\"url\":1,\"token\":\"t\"}",
                                         "{\"url\":\"http://h\",\"token\":\"t\"}x" };
    for (size_t i = 0; i < N(files); i++) {
        char dir[] = "/tmp/village-cli-XXXXXX";
        write_gateway_json(dir, files[i]);
        CHECK_EQ(VL_EPARSE, rest_target_find(NULL, NULL, dir, &t, &msg));
        remove_gateway_json(dir);
    }
}

TEST(inputs, names_are_unique_short_and_plain) {
    struct cli cli;
    struct inputs in = { .n = 0 };
    cli_init(&cli, NULL);
    static const char *const paths[] = { "a/x.txt", "b/x.txt", "c/x.txt", "d/x-2.txt", "plain", "e/\033[2J.txt" };
    for (size_t i = 0; i < N(paths); i++) CHECK_OK(inputs_add_file(&cli, &in, paths[i]));
    CHECK_OK(inputs_add_file(&cli, &in, "a/x.txt")); /* the same file once */
    CHECK_EQ(N(paths), in.n);
    inputs_name(&in);
    CHECK_STR("x.txt", in.v[0].name);
    CHECK_STR("x-2.txt", in.v[1].name);
    CHECK_STR("x-3.txt", in.v[2].name);
    CHECK_STR("x-2-2.txt", in.v[3].name);
    CHECK_STR("plain", in.v[4].name);
    CHECK_STR("\xef\xbf\xbd[2J.txt", in.v[5].name);
    inputs_free(&in);
    char longer[300];
    memset(longer, 'n', 250);
    snprintf(longer + 250, sizeof longer - 250, ".csv");
    CHECK_OK(inputs_add_file(&cli, &in, longer));
    inputs_name(&in);
    CHECK_EQ(VL_NAME_MAX - 1, strlen(in.v[0].name));
    CHECK_STR(".csv", in.v[0].name + VL_NAME_MAX - 5);
    inputs_free(&in);
    cli_free(&cli);
}
TEST(inputs, hashes_are_blake2b_256) {
    /* BLAKE2b-256 of "abc", as b2sum -l 256 prints it (RFC 7693 defines the function). */
    static const uint8_t want[32] = { 0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
                                      0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
                                      0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19 };
    char path[] = "/tmp/village-hash-XXXXXX";
    struct vl_hash hash;
    uint64_t n = 0;
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "abc", 3) == 3);
    CHECK(file_hash(fd, &hash, &n));
    CHECK_EQ(3, n);
    CHECK_MEM(want, hash.b, 32);
    close(fd);
    unlink(path);
}
