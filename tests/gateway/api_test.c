/* Every route over a real socket, with the in-memory backend. */
#include "client.h"

#include "check.h"

#include "base/prng.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/node_id.h"
#include "base/text.h"
#include "gateway/router.h"
#include "trust/reputation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define H64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define JOB "{\"kind\":\"wasm\",\"program\":\"" H64 "\",\"name\":\"n\"}"

static void expect(struct house *h, const char *method, const char *target, const char *body, int status) {
    struct answer a;
    call_api(h, method, target, NULL, body, &a);
    if (a.status != status) print_message("# %s %s -> %d %s\n", method, target, a.status, a.body);
    CHECK_EQ(status, a.status);
    if (status >= 400) CHECK_EQ(status, json_integer_value(json_object_get(a.json, "status")));
    answer_free(&a);
}

static struct vl_job_id submit(struct house *h, const char *body) {
    struct answer a;
    struct vl_job_id id;
    char field[512];
    call_api(h, "POST", "/v1/fog/jobs", NULL, body, &a);
    CHECK_EQ(201, a.status);
    CHECK_OK(job_id_parse(json_text(a.json, "id"), &id));
    CHECK_STR(json_text(a.json, "id"), answer_field(&a, "Location", field) + strlen("/v1/fog/jobs/"));
    answer_free(&a);
    return id;
}

static struct vl_node_id add_node(struct house *h, uint8_t n, enum view_node_state state, char text[NODE_ID_TEXT]) {
    struct vl_node_id id = { .b = { n } };
    mem_add_node(h->mem, id, "node", state);
    node_id_format(id, text);
    return id;
}

TEST(api, answers_health_without_a_token_and_says_when_degraded) {
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    ask(&h, "GET /v1/system/health HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n", &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("ok", json_text(a.json, "status"));
    CHECK_STR("0.1.0", json_text(a.json, "version"));
    answer_free(&a);
    mem_healthy(h.mem, false);
    ask(&h, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", &a);
    CHECK_STR("degraded", json_text(a.json, "status"));
    answer_free(&a);
    house_close(&h);
}

TEST(api, wants_the_token_and_one_of_its_own_names) {
    struct house h;
    struct answer a;
    char field[512];
    house_open(&h, NULL);
    ask(&h, "GET /v1/system/info HTTP/1.1\r\nHost: localhost\r\n\r\n", &a);
    CHECK_EQ(401, a.status);
    CHECK_STR("Bearer", answer_field(&a, "WWW-Authenticate", field));
    CHECK_STR("application/problem+json", answer_field(&a, "Content-Type", field));
    answer_free(&a);
    ask(&h, "GET /v1/system/info HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer test-token-0123456780\r\n\r\n",
        &a);
    CHECK_EQ(401, a.status);
    answer_free(&a);
    ask(&h, "GET /v1/system/health HTTP/1.1\r\nHost: evil.example\r\n\r\n", &a); /* DNS rebinding */
    CHECK_EQ(421, a.status);
    answer_free(&a);
    ask(&h, "GET /v1/system/info HTTP/1.1\r\nHost: localhost\r\n" AUTH "X-Request-Id: my-id.1\r\n\r\n", &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("my-id.1", answer_field(&a, "X-Request-Id", field));
    CHECK_STR("n\"1", json_text(a.json, "name"));
    answer_free(&a);
    ask(&h, "GET /v1/system/info HTTP/1.1\r\nHost: localhost\r\n" AUTH "X-Request-Id: a b\r\n\r\n", &a);
    CHECK_EQ(16, strlen(answer_field(&a, "X-Request-Id", field))); /* not sane: one of ours */
    answer_free(&a);
    house_close(&h);
}

TEST(api, answers_on_every_route_of_the_table) {
    struct house h;
    house_open(&h, NULL);
    for (size_t i = 0; i < gateway_routes_n; i++) {
        const struct route *r = &gateway_routes[i];
        char path[256] = "";
        const char *open = strchr(r->path, '{');
        /* An id of the right shape that nobody has. */
        const char *id = strstr(r->path, "nodes/{") || strstr(r->path, "reputation/{") ? "12D3KooWAtbCiGDhaTRN2LAtyHFLSpWC8dn9itWpgYCVeyH2vFHc"
                         : strstr(r->path, "{hash}") ? H64
                                                     : "0123456789abcdef0123456789abcdef";
        if (open)
            snprintf(path, sizeof path, "%.*s%s%s", (int)(open - r->path), r->path, id, strchr(open, '}') + 1);
        else
            snprintf(path, sizeof path, "%s", r->path);
        const char *body = r->body == ROUTE_JSON || r->body == ROUTE_JSON_OPTIONAL ? "{}" : NULL;
        struct answer a;
        call_api(&h, http_method_text(r->method), path, NULL, body, &a);
        int want = open ? 404 : r->success;
        if (strcmp(r->name, "openSocket") == 0) want = 426;
        static const char *const need_fields[] = { "submitJob", "setMaintenance", "pingPrivately", "setCharter", "checkQuorum", "setHarvestPolicy", "openAuction", "proveLogConsistency", "generateProof", "keepBlob" };
        for (size_t k = 0; k < sizeof need_fields / sizeof need_fields[0]; k++)
            if (strcmp(r->name, need_fields[k]) == 0) want = 400;
        if (strcmp(r->name, "putBlob") == 0) want = 411;
        if (strcmp(r->name, "verifyProof") == 0) want = 422;
        if (a.status != want) print_message("# %s %s -> %d %s\n", r->name, path, a.status, a.body);
        CHECK_EQ(want, a.status);
        answer_free(&a);
    }
    house_close(&h);
}

TEST(api, describes_in_openapi_exactly_the_routes_it_has) {
    struct house h;
    struct answer a;
    size_t operations = 0;
    const char *path, *method;
    json_t *item, *op;
    house_open(&h, NULL);
    ask(&h, "GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("3.1.0", json_text(a.json, "openapi"));
    json_object_foreach(json_object_get(a.json, "paths"), path, item) json_object_foreach(item, method, op) {
        bool found = false;
        for (size_t i = 0; i < gateway_routes_n; i++)
            if (strcmp(gateway_routes[i].name, json_text(op, "operationId")) == 0) {
                found = strcmp(gateway_routes[i].path, path) == 0 &&
                        strcasecmp(method, http_method_text(gateway_routes[i].method)) == 0;
                CHECK_EQ(gateway_routes[i].rows != NULL,
                         json_object_get(op, "requestBody") && gateway_routes[i].body != ROUTE_BYTES);
            }
        CHECK(found);
        operations++;
    }
    CHECK_EQ(gateway_routes_n, operations);
    const json_t *schema = json_object_get(json_object_get(json_object_get(a.json, "paths"), "/v1/fog/jobs"), "post");
    CHECK(strstr(a.body, "\"additionalProperties\":false") != NULL && schema != NULL);
    answer_free(&a);
    house_close(&h);
}

TEST(api, refuses_unknown_paths_methods_parameters_and_bodies) {
    struct house h;
    struct answer a;
    char field[512];
    house_open(&h, NULL);
    expect(&h, "GET", "/v1/nothing", NULL, 404);
    expect(&h, "GET", "/v1/fog/jobs/", NULL, 404);
    expect(&h, "GET", "/index.html", NULL, 404); /* built without the dashboard */
    expect(&h, "BREW", "/v1/fog/jobs", NULL, 501);
    call_api(&h, "PATCH", "/v1/fog/jobs", NULL, NULL, &a);
    CHECK_EQ(405, a.status);
    CHECK_STR("POST, GET, HEAD, OPTIONS", answer_field(&a, "Allow", field));
    answer_free(&a);
    call_api(&h, "OPTIONS", "/v1/fog/jobs", "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n",
             NULL, &a);
    CHECK_EQ(204, a.status);
    CHECK_STR("", answer_field(&a, "Access-Control-Allow-Origin", field)); /* closed to other sites */
    answer_free(&a);
    expect(&h, "GET", "/v1/fog/jobs", "{}", 400);
    static const char *const bad[] = { "limit=0",    "limit=1001", "limit=abc",   "limit=",  "limit=1&limit=2",
                                       "cursor=zzz", "cursor=",    "state=bogus", "other=1", "%zz=1" };
    static const char *const names[] = { "?limit",  "?limit",  "?limit", "?limit", "?limit",
                                         "?cursor", "?cursor", "?state", "?other", "?" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char target[64];
        snprintf(target, sizeof target, "/v1/fog/jobs?%s", bad[i]);
        call_api(&h, "GET", target, NULL, NULL, &a);
        CHECK_EQ(400, a.status);
        CHECK_STR(names[i], json_text(a.json, "errors/0/field"));
        answer_free(&a);
    }
    ask(&h,
        "POST /v1/fog/jobs HTTP/1.1\r\nHost: localhost\r\n" AUTH
        "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        &a);
    CHECK_EQ(415, a.status);
    answer_free(&a);
    ask(&h, "POST /v1/fog/jobs HTTP/1.1\r\nHost: localhost\r\n" AUTH "\r\n", &a);
    CHECK_EQ(400, a.status);
    answer_free(&a);
    call_api(&h, "POST", "/v1/fog/jobs", NULL,
             "{\"kind\":\"wasm\",\"program\":\"" H64 "\",\"limits\":{\"cpu_ms\":1e999}}", &a);
    CHECK_EQ(400, a.status);
    CHECK_STR("/limits/cpu_ms", json_text(a.json, "errors/0/field"));
    CHECK_STR("urn:village:problem:bad_request", json_text(a.json, "type"));
    answer_free(&a);
    CHECK_EQ(0, mem_jobs(h.mem));
    house_close(&h);
}

static size_t unhex(const char *text, uint8_t *dst, size_t cap) {
    size_t n = strlen(text) / 2;
    CHECK(n <= cap && vl_hex_decode(text, dst, n) == VL_OK);
    return n;
}

TEST(api, gives_reputations_with_the_evidence_that_they_follow_from) {
    struct house h;
    struct answer a;
    char text[2][NODE_ID_TEXT], target[256], by[NODE_ID_TEXT], cursor[256] = "";
    static uint8_t records[64 * EVIDENCE_BYTES], sums[REPUTATION_RECORD_MAX];
    size_t records_n = 0, sums_n = 0;
    house_open(&h, NULL);
    struct vl_node_id id = add_node(&h, 1, VIEW_NODE_IDLE, text[0]);
    add_node(&h, 2, VIEW_NODE_IDLE, text[1]);
    for (unsigned i = 0; i < 11; i++) mem_tell(h.mem, id, EVIDENCE_AGREED);
    mem_tell(h.mem, id, EVIDENCE_HANDED_BACK);

    call_api(&h, "GET", "/v1/fog/reputation?limit=1", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    const json_t *item = json_array_get(json_object_get(a.json, "items"), 0);
    CHECK_STR(text[0], json_text(item, "id"));
    CHECK_EQ(805925, json_integer_value(json_object_get(json_object_get(json_object_get(item, "dimensions"), "correct"),
                                                        "lower_ppm")));
    CHECK(json_is_false(json_object_get(item, "flagged")));
    snprintf(target, sizeof target, "/v1/fog/reputation?limit=1&cursor=%s", json_text(a.json, "next"));
    answer_free(&a);
    call_api(&h, "GET", target, NULL, NULL, &a);
    item = json_array_get(json_object_get(a.json, "items"), 0);
    CHECK_STR(text[1], json_text(item, "id")); /* a newcomer */
    CHECK(json_is_true(json_object_get(item, "flagged")));
    CHECK_EQ(1000000, json_integer_value(json_object_get(item, "doubt_ppm")));
    answer_free(&a);

    do { /* pages of five: all of it, then anyone's check */
        size_t i = 0;
        const json_t *e = NULL;
        snprintf(target, sizeof target, "/v1/fog/reputation/%s?limit=5%s", text[0], cursor);
        call_api(&h, "GET", target, NULL, NULL, &a);
        CHECK_EQ(200, a.status);
        sums_n = unhex(json_text(a.json, "state"), sums, sizeof sums);
        json_array_foreach(json_object_get(a.json, "items"), i, e) {
            records_n += unhex(json_text(e, "record"), records + records_n, sizeof records - records_n);
            snprintf(by, sizeof by, "%s", json_text(e, "by"));
        }
        snprintf(cursor, sizeof cursor, "&cursor=%s", json_text(a.json, "next"));
        if (!json_is_string(json_object_get(a.json, "next"))) cursor[0] = '\0';
        if (cursor[0]) answer_free(&a);
    } while (cursor[0]);
    CHECK_EQ(12 * EVIDENCE_BYTES, records_n);
    struct reputation_score s;
    struct vl_node_id signer;
    struct vl_errmsg why = { "" };
    char signer_text[NODE_ID_TEXT];
    CHECK_OK(reputation_check(vl_span(sums, sums_n), vl_span(records, records_n),
                              (uint32_t)json_integer_value(json_object_get(a.json, "base_milli")),
                              (vl_ms)json_integer_value(json_object_get(a.json, "at_ms")), &s, &signer, &why));
    CHECK_EQ(s.trust_ppm, json_integer_value(json_object_get(a.json, "trust_ppm")));
    CHECK_EQ(s.error_ppm, json_integer_value(json_object_get(a.json, "error_ppm")));
    node_id_format(signer, signer_text);
    CHECK_STR(by, signer_text);
    answer_free(&a);

    snprintf(target, sizeof target, "/v1/fog/reputation/%s", text[1]); /* a newcomer has a score and no evidence */
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK(json_is_null(json_object_get(a.json, "state")));
    CHECK_EQ(0, json_array_size(json_object_get(a.json, "items")));
    answer_free(&a);
    expect(&h, "GET", "/v1/fog/reputation/nonsense", NULL, 404);
    snprintf(target, sizeof target, "/v1/fog/reputation/%s?cursor=abc", text[0]);
    expect(&h, "GET", target, NULL, 400);
    house_close(&h);
}

TEST(api, lists_expels_and_rests_nodes) {
    struct house h;
    struct answer a;
    char text[3][NODE_ID_TEXT], target[160];
    house_open(&h, NULL);
    for (uint8_t i = 0; i < 3; i++)
        add_node(&h, (uint8_t)(i + 1), i == 2 ? VIEW_NODE_OFFLINE : VIEW_NODE_ACTIVE, text[i]);
    call_api(&h, "GET", "/v1/fog/nodes?limit=2", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_EQ(2, json_array_size(json_object_get(a.json, "items")));
    CHECK_STR(text[0], json_text(a.json, "items/0/id"));
    snprintf(target, sizeof target, "/v1/fog/nodes?limit=2&cursor=%s", json_text(a.json, "next"));
    answer_free(&a);
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_EQ(1, json_array_size(json_object_get(a.json, "items")));
    CHECK_STR(text[2], json_text(a.json, "items/0/id"));
    CHECK(json_is_null(json_object_get(a.json, "next")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/nodes?state=offline", NULL, NULL, &a);
    CHECK_STR(text[2], json_text(a.json, "items/0/id"));
    answer_free(&a);
    snprintf(target, sizeof target, "/v1/fog/nodes/%s", text[1]);
    expect(&h, "GET", target, NULL, 200);
    expect(&h, "GET", "/v1/fog/nodes/nonsense", NULL, 404);
    snprintf(target, sizeof target, "/v1/fog/nodes/%s/maintenance", text[1]);
    expect(&h, "POST", target, "{\"on\":true}", 204);
    expect(&h, "POST", target, "{\"on\":1}", 400);
    snprintf(target, sizeof target, "/v1/fog/nodes/%s", text[1]);
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_STR("maintenance", json_text(a.json, "state"));
    answer_free(&a);
    expect(&h, "DELETE", target, NULL, 204);
    expect(&h, "DELETE", target, NULL, 404);
    call_api(&h, "GET", "/v1/fog/topology", NULL, NULL, &a);
    CHECK_STR(text[2], json_text(a.json, "items/0/links/0/1"));
    answer_free(&a);
    house_close(&h);
}

TEST(api, makes_lists_and_revokes_tickets) {
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    call_api(&h, "POST", "/v1/tickets", NULL, "{\"uses\":3,\"ttl_s\":60}", &a);
    CHECK_EQ(201, a.status);
    CHECK_STR("vl1secretsecretsecret", json_text(a.json, "ticket"));
    CHECK_EQ(3, json_integer_value(json_object_get(a.json, "uses")));
    answer_free(&a);
    call_api(&h, "POST", "/v1/tickets", NULL, NULL, &a); /* all defaults */
    CHECK_EQ(201, a.status);
    answer_free(&a);
    expect(&h, "POST", "/v1/tickets", "{\"uses\":0}", 400);
    expect(&h, "POST", "/v1/tickets", "{\"uses\":1001}", 400);
    expect(&h, "POST", "/v1/tickets", "{\"ttl_s\":59}", 400);
    call_api(&h, "GET", "/v1/tickets?limit=1", NULL, NULL, &a);
    CHECK_STR("t0001", json_text(a.json, "items/0/id"));
    CHECK_STR("", json_text(a.json, "items/0/ticket"));
    CHECK(strstr(a.body, "vl1secret") == NULL);
    char target[200];
    snprintf(target, sizeof target, "/v1/tickets?cursor=%s", json_text(a.json, "next"));
    answer_free(&a);
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_STR("t0002", json_text(a.json, "items/0/id"));
    answer_free(&a);
    expect(&h, "DELETE", "/v1/tickets/t0001", NULL, 204);
    expect(&h, "DELETE", "/v1/tickets/t9999", NULL, 404);
    house_close(&h);
}

TEST(api, takes_a_job_through_its_life) {
    struct house h;
    struct answer a;
    char base[96], target[128];
    house_open(&h, NULL);
    struct vl_job_id id = submit(
        &h,
        "{\"kind\":\"native\",\"command\":\"/usr/bin/wc\",\"args\":[\"-w\"],\"env\":{\"LANG\":\"C\"},\"inputs\":["
        "{\"name\":\"a.txt\",\"hash\":\"" H64 "\",\"size\":1},{\"name\":\"b.txt\",\"hash\":\"" H64 "\",\"size\":2}]}");
    char text[JOB_ID_TEXT];
    job_id_format(id, text);
    snprintf(base, sizeof base, "/v1/fog/jobs/%s", text);
    call_api(&h, "GET", base, NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("submitted", json_text(a.json, "state"));
    CHECK_STR("/usr/bin/wc", json_text(a.json, "spec/command"));
    CHECK_STR("-w", json_text(a.json, "spec/args/0"));
    CHECK_STR("C", json_text(a.json, "spec/env/LANG"));
    CHECK_STR("b.txt", json_text(a.json, "spec/inputs/1/name"));
    CHECK_EQ(2, json_integer_value(json_object_get(json_object_get(a.json, "tasks"), "total")));
    answer_free(&a);
    snprintf(target, sizeof target, "%s/output", base);
    expect(&h, "GET", target, NULL, 409);
    mem_finish_job(h.mem, id, "12 words\n");
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("12 words\n12 words\n", a.body);
    answer_free(&a);
    snprintf(target, sizeof target, "%s/tasks?limit=1", base);
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_STR("stdout", json_text(a.json, "items/0/outputs/0/name"));
    CHECK_EQ(-1, json_integer_value(json_object_get(json_array_get(json_object_get(a.json, "items"), 0), "exit_code")));
    snprintf(target, sizeof target, "%s/tasks?cursor=%s", base, json_text(a.json, "next"));
    answer_free(&a);
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_EQ(1, json_array_size(json_object_get(a.json, "items")));
    answer_free(&a);
    snprintf(target, sizeof target, "%s/events", base);
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_STR("job_ended", json_text(a.json, "items/1/kind"));
    answer_free(&a);
    expect(&h, "DELETE", base, NULL, 409);
    id = submit(&h, JOB);
    job_id_format(id, text);
    snprintf(base, sizeof base, "/v1/fog/jobs/%s", text);
    expect(&h, "DELETE", base, NULL, 202);
    expect(&h, "GET", "/v1/fog/jobs/xyz", NULL, 404);
    expect(&h, "POST", "/v1/fog/jobs",
           "{\"kind\":\"wasm\",\"program\":\"" H64 "\",\"after\":[\"0123456789abcdef0123456789abcdef\"]}", 422);
    house_close(&h);
}

TEST(api, pages_through_jobs_newest_first_without_loss) {
    struct house h;
    char target[256] = "/v1/fog/jobs?limit=7", last[JOB_ID_TEXT] = "g";
    size_t seen = 0;
    house_open(&h, NULL);
    for (int i = 0; i < 30; i++) (void)submit(&h, JOB); /* many within one millisecond */
    for (bool more = true; more;) {
        struct answer a;
        size_t i;
        json_t *item;
        call_api(&h, "GET", target, NULL, NULL, &a);
        json_array_foreach(json_object_get(a.json, "items"), i, item) {
            CHECK(strcmp(json_text(item, "id"), last) < 0);
            snprintf(last, sizeof last, "%s", json_text(item, "id"));
            seen++;
        }
        more = json_is_string(json_object_get(a.json, "next"));
        snprintf(target, sizeof target, "/v1/fog/jobs?limit=7&cursor=%s", json_text(a.json, "next"));
        answer_free(&a);
    }
    CHECK_EQ(30, seen);
    house_close(&h);
}

TEST(api, gives_the_kept_answer_for_an_idempotency_key) {
    struct house h;
    struct answer a, b;
    char field[512];
    house_open(&h, NULL);
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key: k1\r\n", JOB, &a);
    CHECK_EQ(201, a.status);
    CHECK_STR("", answer_field(&a, "Idempotent-Replayed", field));
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key: k1\r\n", JOB, &b);
    CHECK_EQ(201, b.status);
    CHECK_STR("true", answer_field(&b, "Idempotent-Replayed", field));
    CHECK_STR(a.body, b.body);
    CHECK(strlen(answer_field(&b, "Location", field)) > 20);
    CHECK_EQ(1, mem_jobs(h.mem));
    answer_free(&b);
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key: k1\r\n", "{\"kind\":\"native\",\"command\":\"/bin/true\"}",
             &b);
    CHECK_EQ(422, b.status);
    answer_free(&b);
    call_api(&h, "POST", "/v1/tickets", "Idempotency-Key: k1\r\n", JOB, &b); /* another address: another name */
    CHECK_EQ(400, b.status);
    answer_free(&b);
    call_api(&h, "POST", "/v1/tickets", "Idempotency-Key: k2\r\n", NULL, &b);
    CHECK_EQ(201, b.status);
    answer_free(&b);
    call_api(&h, "POST", "/v1/tickets", "Idempotency-Key: k2\r\n", NULL, &b);
    CHECK_EQ(201, b.status);
    CHECK_STR("vl1secretsecretsecret", json_text(b.json, "ticket"));
    answer_free(&b);
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key:\r\n", JOB, &b);
    CHECK_EQ(400, b.status);
    CHECK_STR("Idempotency-Key", json_text(b.json, "errors/0/field"));
    answer_free(&b);
    char wrong[] = "{\"kind\":\"wasm\"}";
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key: k3\r\n", wrong, &b);
    CHECK_EQ(400, b.status);
    answer_free(&b);
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key: k3\r\n", JOB, &b); /* failures are not kept */
    CHECK_EQ(201, b.status);
    answer_free(&b);
    answer_free(&a);
    house_close(&h);
}

TEST(api, turns_a_job_away_with_429_and_the_time_to_come_back_and_takes_it_then) {
    struct house h;
    struct answer a;
    char field[512];
    house_open(&h, NULL);
    mem_overload(h.mem, 17);
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key: k1\r\n", JOB, &a);
    CHECK_EQ(429, a.status);
    CHECK_STR("17", answer_field(&a, "Retry-After", field));
    CHECK_STR("application/problem+json", answer_field(&a, "Content-Type", field));
    CHECK_STR("overload", json_text(a.json, "code"));
    CHECK_EQ(0, mem_jobs(h.mem));
    answer_free(&a);
    mem_overload(h.mem, 0);
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key: k1\r\n", JOB, &a); /* being turned away is no answer to keep */
    CHECK_EQ(201, a.status);
    CHECK_EQ(1, mem_jobs(h.mem));
    answer_free(&a);
    house_close(&h);
}

TEST(api, says_409_while_a_request_with_the_same_key_is_in_flight) {
    struct house h;
    struct answer a;
    char request[512];
    house_open(&h, NULL);
    int fd = dial(&h);
    mem_hold(h.mem, true);
    snprintf(request, sizeof request,
             "POST /v1/fog/jobs HTTP/1.1\r\nHost: localhost\r\n" AUTH
             "Idempotency-Key: k\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(JOB), JOB);
    send_all(&h.loop, fd, request, strlen(request));
    for (int i = 0; i < 50 && mem_jobs(h.mem) == 0; i++) turn(&h.loop);
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key: k\r\n", JOB, &a);
    CHECK_EQ(409, a.status);
    CHECK_STR("in_flight", json_text(a.json, "code"));
    answer_free(&a);
    mem_hold(h.mem, false);
    hear(&h.loop, fd, false, &a);
    CHECK_EQ(201, a.status);
    answer_free(&a);
    close(fd);
    house_close(&h);
}

TEST(api, survives_a_client_that_leaves_before_its_answer) {
    struct house h;
    char request[512];
    house_open(&h, NULL);
    mem_hold(h.mem, true);
    int fd = dial(&h);
    snprintf(request, sizeof request,
             "POST /v1/fog/jobs HTTP/1.1\r\nHost: localhost\r\n" AUTH
             "Idempotency-Key: gone\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(JOB), JOB);
    send_all(&h.loop, fd, request, strlen(request));
    for (int i = 0; i < 50 && mem_jobs(h.mem) == 0; i++) turn(&h.loop);
    struct linger hard = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd); /* with a reset */
    for (int i = 0; i < 20; i++) turn(&h.loop);
    mem_hold(h.mem, false);
    struct answer a;
    call_api(&h, "POST", "/v1/fog/jobs", "Idempotency-Key: gone\r\n", JOB, &a);
    CHECK_EQ(201, a.status); /* the answer was kept for it */
    CHECK_EQ(1, mem_jobs(h.mem));
    answer_free(&a);
    house_close(&h);
}

/* ---- blobs ---- */

static void put_blob(struct house *h, const char *hash, const void *p, size_t n, const char *more, struct answer *a) {
    char head[512];
    int fd = dial(h),
        k = snprintf(head, sizeof head,
                     "PUT /v1/blobs/%s HTTP/1.1\r\nHost: localhost\r\n" AUTH "%sContent-Length: %zu\r\n\r\n", hash,
                     more, n);
    send_all(&h->loop, fd, head, (size_t)k);
    send_all(&h->loop, fd, p, n);
    hear(&h->loop, fd, false, a);
    close(fd);
}

TEST(api, stores_streams_and_cuts_blobs) {
    struct house h;
    struct answer a;
    struct vl_prng r;
    struct vl_hash hash;
    char text[HASH_TEXT], target[96], field[512];
    size_t n = 3000000;
    uint8_t *data = malloc(n);
    vl_prng_seed(&r, 7);
    for (size_t i = 0; i < n; i++) data[i] = (uint8_t)vl_prng_next(&r);
    crypto_blake2b256(vl_span(data, n), &hash);
    hash_format(hash, text);
    snprintf(target, sizeof target, "/v1/blobs/%s", text);
    house_open(&h, NULL);
    put_blob(&h, text, data, n, "", &a);
    CHECK_EQ(201, a.status);
    answer_free(&a);
    put_blob(&h, text, data, n, "", &a);
    CHECK_EQ(200, a.status);
    answer_free(&a);
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_EQ(n, a.n);
    CHECK_MEM(data, a.body, n);
    answer_free(&a);
    call_api(&h, "HEAD", target, NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("3000000", answer_field(&a, "Content-Length", field));
    answer_free(&a);
    static const struct {
        const char *range;
        int status;
        size_t from, n;
    } rows[] = { { "bytes=0-0", 206, 0, 1 },
                 { "bytes=10-19", 206, 10, 10 },
                 { "bytes=2999999-", 206, 2999999, 1 },
                 { "bytes=-5", 206, 2999995, 5 },
                 { "bytes=2999990-9999999", 206, 2999990, 10 },
                 { "bytes=-9999999", 206, 0, 3000000 },
                 { "bytes=3000000-", 416, 0, 0 },
                 { "bytes=-0", 416, 0, 0 },
                 { "bytes=5-2", 200, 0, 3000000 },
                 { "lines=1-2", 200, 0, 3000000 },
                 { "bytes=0-1,4-5", 200, 0, 3000000 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char more[64];
        snprintf(more, sizeof more, "Range: %s\r\n", rows[i].range);
        call_api(&h, "GET", target, more, NULL, &a);
        CHECK_EQ(rows[i].status, a.status);
        if (a.status != 416) {
            CHECK_EQ(rows[i].n, a.n);
            CHECK_MEM(data + rows[i].from, a.body, a.n);
        }
        answer_free(&a);
    }
    free(data);
    house_close(&h);
}

TEST(api, refuses_blobs_with_another_hash_or_without_a_length) {
    struct house h;
    struct answer a;
    struct gateway_config c = { .max_blob_bytes = 1000 };
    char big[2000] = { 0 };
    house_open(&h, &c);
    put_blob(&h, H64, "abc", 3, "", &a);
    CHECK_EQ(422, a.status);
    CHECK_STR("hash_mismatch", json_text(a.json, "code"));
    answer_free(&a);
    put_blob(&h, "ABC", "abc", 3, "", &a);
    CHECK_EQ(400, a.status);
    answer_free(&a);
    put_blob(&h, H64, big, sizeof big, "", &a);
    CHECK_EQ(413, a.status);
    answer_free(&a);
    CHECK_EQ(0, mem_uploads_open(h.mem));
    ask(&h, "PUT /v1/blobs/" H64 " HTTP/1.1\r\nHost: localhost\r\n" AUTH "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &a);
    CHECK_EQ(411, a.status);
    answer_free(&a);
    int fd = dial(&h); /* leaves in the middle */
    const char *part = "PUT /v1/blobs/" H64 " HTTP/1.1\r\nHost: localhost\r\n" AUTH "Content-Length: 100\r\n\r\nabc";
    send_all(&h.loop, fd, part, strlen(part));
    for (int i = 0; i < 20; i++) turn(&h.loop);
    CHECK_EQ(1, mem_uploads_open(h.mem));
    close(fd);
    for (int i = 0; i < 20; i++) turn(&h.loop);
    CHECK_EQ(0, mem_uploads_open(h.mem));
    put_blob(&h, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8", "", 0, "",
             &a); /* BLAKE2b-256 of nothing */
    CHECK_EQ(201, a.status);
    answer_free(&a);
    house_close(&h);
}

TEST(api, exposes_metrics_by_route_template) {
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    expect(&h, "GET", "/v1/fog/jobs/0123456789abcdef0123456789abcdef", NULL, 404);
    expect(&h, "GET", "/v1/whatever", NULL, 404);
    call_api(&h, "GET", "/v1/system/metrics", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK(strstr(a.body, "village_http_requests_total{route=\"/v1/fog/jobs/{id}\",method=\"GET\",code=\"4xx\"} 1\n"));
    CHECK(strstr(a.body, "village_http_requests_total{route=\"none\",method=\"any\",code=\"4xx\"} 1\n"));
    CHECK(strstr(a.body, "# HELP village_tasks_total Tasks\\nby outcome.\n# TYPE village_tasks_total "
                         "counter\nvillage_tasks_total{outcome=\"do\\\"ne\"} 3\n"
                         "village_tasks_total{outcome=\"failed\"} 3\n"));
    CHECK(strstr(a.body, "0123456789abcdef") == NULL); /* nothing that a client chose */
    answer_free(&a);
    house_close(&h);
}

TEST(api, serves_the_dashboard_with_etags_gzip_and_a_tight_policy) {
    static const uint8_t gz[] = { 0x1f, 0x8b, 1 };
    static const struct asset assets[] = {
        { .path = "/index.html",
          .type = "text/html; charset=utf-8",
          .etag = "\"e1\"",
          .bytes = (const uint8_t *)"<p>",
          .n = 3,
          .gz_bytes = gz,
          .gz_n = 3 },
        { .path = "/app.abc.js",
          .type = "text/javascript",
          .etag = "\"e2\"",
          .bytes = (const uint8_t *)"1",
          .n = 1,
          .hashed = true },
    };
    struct gateway_config c = { .assets = assets, .assets_n = 2 };
    struct house h;
    struct answer a;
    char field[512];
    house_open(&h, &c);
    ask(&h, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("<p>", a.body);
    CHECK(strstr(answer_field(&a, "Content-Security-Policy", field), "frame-ancestors 'none'"));
    CHECK(strstr(field, "unsafe") == NULL);
    CHECK_STR("nosniff", answer_field(&a, "X-Content-Type-Options", field));
    CHECK_STR("no-cache", answer_field(&a, "Cache-Control", field));
    CHECK_STR("\"e1\"", answer_field(&a, "ETag", field));
    answer_free(&a);
    ask(&h, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: br, gzip\r\n\r\n", &a);
    CHECK_STR("gzip", answer_field(&a, "Content-Encoding", field));
    CHECK_MEM(gz, a.body, 3);
    CHECK_STR("\"e1-gz\"", answer_field(&a, "ETag", field));
    answer_free(&a);
    ask(&h, "GET /index.html HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"x\", \"e1\"\r\n\r\n", &a);
    CHECK_EQ(304, a.status);
    CHECK_EQ(0, a.n);
    answer_free(&a);
    ask(&h, "GET /app.abc.js HTTP/1.1\r\nHost: localhost\r\n\r\n", &a);
    CHECK_STR("public, max-age=31536000, immutable", answer_field(&a, "Cache-Control", field));
    answer_free(&a);
    ask(&h, "DELETE /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n", &a);
    CHECK_EQ(405, a.status);
    answer_free(&a);
    ask(&h, "GET /../index.html HTTP/1.1\r\nHost: localhost\r\n\r\n", &a);
    CHECK_EQ(400, a.status);
    answer_free(&a);
    house_close(&h);
}

#define NODE "12D3KooWAtbCiGDhaTRN2LAtyHFLSpWC8dn9itWpgYCVeyH2vFHc"

TEST(harvest, shows_the_machine_with_its_sensors_and_pages_through_sessions) {
    struct house h;
    struct answer a;
    char path[256];
    house_open(&h, NULL);
    call_api(&h, "GET", "/v1/fog/harvest", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("paused", json_string_value(json_object_get(a.json, "state")));
    CHECK_EQ(300000, json_integer_value(json_object_get(json_object_get(a.json, "reason"), "limit")));
    const json_t *signals = json_object_get(a.json, "signals");
    CHECK_EQ(-1, json_integer_value(json_object_get(json_array_get(signals, 0), "value")));
    CHECK(json_is_false(json_object_get(json_array_get(signals, 1), "known")));
    CHECK(json_object_get(json_array_get(signals, 1), "value") == NULL);
    CHECK(json_is_null(json_object_get(a.json, "session")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/contributions?limit=2", NULL, NULL, &a);
    CHECK_EQ(2, json_array_size(json_object_get(a.json, "items")));
    snprintf(path, sizeof path, "/v1/fog/contributions?limit=2&cursor=%s", json_string_value(json_object_get(a.json, "next")));
    answer_free(&a);
    call_api(&h, "GET", path, NULL, NULL, &a);
    CHECK_EQ(1, json_array_size(json_object_get(a.json, "items")));
    CHECK_EQ(20, json_integer_value(json_object_get(json_array_get(json_object_get(a.json, "items"), 0), "cpu_us")));
    answer_free(&a);
    house_close(&h);
}

TEST(harvest, names_the_figure_of_a_wrong_policy_and_says_when_the_node_is_not_harvested) {
    static const struct {
        const char *method, *path, *body;
        int status;
    } rows[] = {
        { "PUT", "/v1/fog/harvest/policy", "{\"set\":[{\"name\":\"cpu\",\"value\":\"40\"}]}", 204 },
        { "PUT", "/v1/fog/harvest/policy", "{\"set\":[{\"name\":\"cpus\",\"value\":\"40\"}]}", 422 },
        { "PUT", "/v1/fog/harvest/policy", "{\"set\":[]}", 400 },
        { "PUT", "/v1/fog/harvest/policy", "{\"set\":[{\"name\":\"cpu\"}]}", 400 },
        { "PUT", "/v1/fog/harvest/policy", "", 400 },
        { "POST", "/v1/fog/harvest/pause", "{}", 204 },
        { "POST", "/v1/fog/harvest/pause", "{\"duration_ms\":5000}", 204 },
        { "POST", "/v1/fog/harvest/pause", "{\"duration_ms\":999}", 400 },
        { "POST", "/v1/fog/harvest/pause", "{\"on\":false}", 409 },
    };
    struct house h;
    house_open(&h, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a;
        call_api(&h, rows[i].method, rows[i].path, NULL, rows[i].body, &a);
        if (a.status != rows[i].status) print_message("# %s: %d %s\n", rows[i].body, a.status, a.body);
        CHECK_EQ(rows[i].status, a.status);
        if (a.status == 422) CHECK(strstr(a.body, "there is no policy 'cpus'") != NULL);
        if (a.status == 409) CHECK(strstr(a.body, "--harvest") != NULL);
        answer_free(&a);
    }
    house_close(&h);
}

TEST(mix, shows_levels_relays_and_answers_of_a_ping) {
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    call_api(&h, "GET", "/v1/mix", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_EQ(7, json_integer_value(json_object_get(a.json, "epoch")));
    const json_t *levels = json_object_get(a.json, "levels");
    CHECK_EQ(4, json_array_size(levels));
    CHECK(json_is_true(json_object_get(json_array_get(levels, 1), "available")));
    CHECK(json_is_string(json_object_get(json_array_get(levels, 3), "reason")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/mix/relays", NULL, NULL, &a);
    CHECK_EQ(3, json_integer_value(json_object_get(json_array_get(json_object_get(a.json, "items"), 0), "number")));
    answer_free(&a);
    call_api(&h, "POST", "/v1/mix/ping", NULL, "{\"node\":\"" NODE "\"}", &a);
    CHECK_EQ(200, a.status);
    CHECK_EQ(321, json_integer_value(json_object_get(a.json, "rtt_ms")));
    answer_free(&a);
    house_close(&h);
}

TEST(mix, names_the_field_of_a_wrong_ping_or_charter) {
    static const struct {
        const char *path, *body;
        int status;
        const char *field; /* NULL: the problem is of no field */
    } rows[] = {
        { "/v1/mix/ping", "{\"node\":\"nobody\"}", 422, "/node" },
        { "/v1/mix/ping", "{\"node\":\"" NODE "\",\"level\":\"deep\"}", 400, "/level" },
        { "/v1/mix/ping", "{\"node\":\"" NODE "\",\"level\":\"secret\"}", 422, NULL },
        { "/v1/mix/charter", "{\"authorities\":[\"" NODE "\"]}", 400, "/authorities" },
        { "/v1/mix/charter", "{\"authorities\":[\"" NODE "\",\"x\",\"" NODE "\"]}", 422, "/authorities/1" },
        { "/v1/mix/charter", "{\"authorities\":[\"" NODE "\",\"" NODE "\",\"" NODE "\"],\"threshold\":9}", 422, NULL },
        { "/v1/mix/charter", "{\"authorities\":[\"" NODE "\",\"" NODE "\",\"" NODE "\"],\"epoch_ms\":3999}", 400, "/epoch_ms" },
        { "/v1/mix/charter", "{\"authorities\":[\"" NODE "\",\"" NODE "\",\"" NODE "\"],\"floor\":0}", 400, "/floor" },
    };
    struct house h;
    house_open(&h, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a;
        call_api(&h, "POST", rows[i].path, NULL, rows[i].body, &a);
        if (a.status != rows[i].status) print_message("# %s %s\n", rows[i].body, a.body);
        CHECK_EQ(rows[i].status, a.status);
        const json_t *e = json_array_get(json_object_get(a.json, "errors"), 0);
        if (rows[i].field) CHECK_STR(rows[i].field, json_text(e, "field"));
        answer_free(&a);
    }
    house_close(&h);
}

TEST(quorum, says_which_nodes_keep_a_tier_or_why_none_do) {
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    call_api(&h, "POST", "/v1/fog/quorum/check", NULL, "{\"tier\":\"bronze\",\"replicas\":2}", &a);
    CHECK_EQ(200, a.status);
    CHECK(json_is_true(json_object_get(a.json, "possible")) && json_is_null(json_object_get(a.json, "reason")));
    CHECK(json_is_true(json_object_get(a.json, "majority")));
    CHECK_EQ(970000000, json_integer_value(json_object_get(
                            json_array_get(json_object_get(a.json, "nodes"), 0), "availability_ppb")));
    answer_free(&a);
    call_api(&h, "POST", "/v1/fog/quorum/check", NULL, "{\"tier\":\"gold\"}", &a);
    CHECK_EQ(200, a.status);
    CHECK(json_is_false(json_object_get(a.json, "possible")));
    CHECK_STR("no", json_text(a.json, "reason"));
    answer_free(&a);
    call_api(&h, "POST", "/v1/fog/quorum/check", NULL, "{\"tier\":\"gold\",\"class\":\"S\"}", &a);
    CHECK_EQ(422, a.status);
    answer_free(&a);
    static const char *const wrong[][2] = { { "{\"tier\":\"none\"}", "/tier" },
                                            { "{\"tier\":\"gold\",\"replicas\":10}", "/replicas" },
                                            { "{\"tier\":\"gold\",\"region\":\"\"}", "/region" } };
    for (size_t i = 0; i < 3; i++) {
        call_api(&h, "POST", "/v1/fog/quorum/check", NULL, wrong[i][0], &a);
        CHECK_EQ(400, a.status);
        CHECK_STR(wrong[i][1], json_text(json_array_get(json_object_get(a.json, "errors"), 0), "field"));
        answer_free(&a);
    }
    house_close(&h);
}

TEST(quorum, lists_agreements_page_by_page_and_shows_one) {
    struct house h;
    struct answer a;
    char path[256];
    house_open(&h, NULL);
    call_api(&h, "GET", "/v1/fog/agreements?limit=2", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    const json_t *items = json_object_get(a.json, "items");
    CHECK_EQ(2, json_array_size(items));
    CHECK_STR("open", json_text(json_array_get(items, 0), "state"));
    CHECK_STR("missed", json_text(json_array_get(items, 1), "state"));
    snprintf(path, sizeof path, "/v1/fog/agreements?limit=2&cursor=%s", json_text(a.json, "next"));
    answer_free(&a);
    call_api(&h, "GET", path, NULL, NULL, &a);
    CHECK_EQ(1, json_array_size(json_object_get(a.json, "items")));
    CHECK_STR("kept", json_text(json_array_get(json_object_get(a.json, "items"), 0), "state"));
    CHECK(json_is_null(json_object_get(a.json, "next")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/agreements/00000000000000000000000000000002", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_EQ(7, json_integer_value(json_object_get(a.json, "refund")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/agreements/00000000000000000000000000000009", NULL, NULL, &a);
    CHECK_EQ(404, a.status);
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/agreements/nonsense", NULL, NULL, &a);
    CHECK_EQ(404, a.status);
    answer_free(&a);
    house_close(&h);
}

#define PROGRAM "0000000000000000000000000000000000000000000000000000000000000001"

TEST(market, quotes_prices_rates_and_auctions_answer) {
    static const char id[] = "ab00000000000000000000000000000000000000000000000000000000000000";
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    call_api(&h, "POST", "/v1/fog/market/quote", NULL, "{\"tier\":\"silver\",\"work_nh\":1000000000}", &a);
    CHECK_EQ(200, a.status);
    CHECK_EQ(3000000, json_integer_value(json_object_get(a.json, "price")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/market/prices", NULL, NULL, &a);
    const json_t *gold = json_array_get(json_object_get(a.json, "tiers"), 2);
    CHECK_EQ(5, json_array_size(json_object_get(gold, "hours")));
    const json_t *f = json_array_get(json_object_get(gold, "forecast"), 0);
    CHECK_EQ(4000000, json_integer_value(json_object_get(f, "price")));
    CHECK_EQ(0, json_array_size(json_object_get(json_array_get(json_object_get(a.json, "tiers"), 0), "forecast")));
    CHECK_EQ(5, json_integer_value(json_object_get(json_object_get(a.json, "money"), "held")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/rates", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK(json_is_array(json_object_get(a.json, "items")));
    answer_free(&a);
    call_api(&h, "POST", "/v1/fog/rates", NULL, "{}", &a);
    CHECK_EQ(202, a.status);
    answer_free(&a);
    call_api(&h, "POST", "/v1/fog/market/auctions", NULL,
             "{\"work_nh\":1000,\"reserve\":50,\"title\":\"t\",\"job\":{\"kind\":\"wasm\",\"program\":\"" PROGRAM "\"}}", &a);
    if (a.status != 201) print_message("# %s\n", a.body);
    CHECK_EQ(201, a.status);
    CHECK_STR("commit", json_text(a.json, "state"));
    CHECK_STR(id, json_text(a.json, "id"));
    CHECK_EQ(50, json_integer_value(json_object_get(a.json, "escrow")));
    CHECK_EQ(32, strlen(json_text(a.json, "job")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/market/auctions", NULL, NULL, &a);
    CHECK_EQ(1, json_array_size(json_object_get(a.json, "items")));
    answer_free(&a);
    char path[128];
    snprintf(path, sizeof path, "/v1/fog/market/auctions/%s", id);
    call_api(&h, "GET", path, NULL, NULL, &a);
    CHECK_EQ(0, json_array_size(json_object_get(a.json, "bids")));
    answer_free(&a);
    call_api(&h, "DELETE", path, NULL, NULL, &a);
    CHECK_EQ(204, a.status);
    answer_free(&a);
    call_api(&h, "GET", path, NULL, NULL, &a);
    CHECK_STR("cancelled", json_text(a.json, "state"));
    CHECK_EQ(50, json_integer_value(json_object_get(a.json, "released")));
    answer_free(&a);
    house_close(&h);
}

TEST(market, names_the_field_of_a_wrong_quote_auction_or_measurement) {
    static const struct {
        const char *path, *body;
        int status;
        const char *field;
    } rows[] = {
        { "/v1/fog/market/quote", "{\"slot_s\":0}", 400, "/slot_s" },
        { "/v1/fog/market/quote", "{\"work_nh\":0}", 400, "/work_nh" },
        { "/v1/fog/market/quote", "{\"work_nh\":1,\"tier\":\"none\"}", 400, "/tier" },
        { "/v1/fog/market/quote", "{\"work_nh\":1125899906842624}", 422, NULL },
        { "/v1/fog/market/auctions", "{\"work_nh\":5}", 400, "/reserve" },
        { "/v1/fog/market/auctions", "{\"reserve\":5}", 400, "/work_nh" },
        { "/v1/fog/market/auctions", "{\"work_nh\":5,\"reserve\":5,\"units\":33}", 400, "/units" },
        { "/v1/fog/market/auctions", "{\"work_nh\":5,\"reserve\":5,\"duration_ms\":999}", 400, "/duration_ms" },
        { "/v1/fog/market/auctions", "{\"work_nh\":5,\"reserve\":5,\"job\":{\"kind\":\"wasm\"}}", 400, NULL },
        { "/v1/fog/market/auctions", "{\"work_nh\":5,\"reserve\":5,\"job\":{\"kind\":\"odd\"}}", 400, "/job/kind" },
        { "/v1/fog/market/auctions", "{\"work_nh\":5,\"reserve\":5,\"title\":\"\u00fcber\"}", 422, NULL },
        { "/v1/fog/rates", "{\"node\":\"nobody\"}", 422, "/node" },
        { "/v1/fog/rates", "{\"node\":\"" NODE "\"}", 404, NULL },
    };
    struct house h;
    house_open(&h, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a;
        call_api(&h, "POST", rows[i].path, NULL, rows[i].body, &a);
        if (a.status != rows[i].status) print_message("# %s %s\n", rows[i].body, a.body);
        CHECK_EQ(rows[i].status, a.status);
        const json_t *e = json_array_get(json_object_get(a.json, "errors"), 0);
        if (rows[i].field) CHECK_STR(rows[i].field, json_text(e, "field"));
        answer_free(&a);
    }
    struct answer a;
    call_api(&h, "GET", "/v1/fog/market/auctions/ff", NULL, NULL, &a);
    CHECK_EQ(404, a.status);
    answer_free(&a);
    house_close(&h);
}
