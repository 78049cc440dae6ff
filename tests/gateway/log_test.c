#include "client.h"

#include "check.h"

#include "base/text.h"
#include "crypto/merkle.h"
#include "crypto/node_id.h"

static const char *text_at(const struct answer *a, const char *name) { return json_string_value(json_object_get(a->json, name)); }

static void expect(struct house *h, const char *target, int status) {
    struct answer a;
    call_api(h, "GET", target, NULL, NULL, &a);
    CHECK_EQ(status, a.status);
    answer_free(&a);
}

TEST(log, shows_the_log_of_receipts_with_proofs_that_hold) {
    struct house h;
    struct answer a;
    struct vl_hash proof, root, leaf = merkle_leaf(vl_span_str("leaf"));
    struct vl_node_id signer;
    struct merkle_checkpoint head;
    house_open(&h, NULL);
    call_api(&h, "GET", "/v1/fog/log", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_OK(node_id_parse(text_at(&a, "signer"), &signer));
    const char *text = text_at(&a, "checkpoint");
    CHECK_OK(merkle_checkpoint_open(vl_span_str(text), signer.b, &head));
    CHECK_EQ(2, head.size);
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/log/0", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("bGVhZg==", text_at(&a, "leaf"));
    CHECK_OK(vl_hex_decode(json_string_value(json_array_get(json_object_get(a.json, "proof"), 0)), proof.b, 32));
    CHECK_OK(vl_hex_decode(text_at(&a, "root"), root.b, 32));
    CHECK_OK(merkle_inclusion_check(0, 2, &leaf, &proof, 1, &root));
    answer_free(&a);
    expect(&h, "/v1/fog/log/2", 404);
    expect(&h, "/v1/fog/log/-1", 404);
    expect(&h, "/v1/fog/log/1x", 404);
    expect(&h, "/v1/fog/log/consistency?sizes=1-2", 200);
    expect(&h, "/v1/fog/log/consistency?sizes=1-3", 404);
    expect(&h, "/v1/fog/log/consistency?sizes=2-1", 400);
    expect(&h, "/v1/fog/log/consistency?sizes=0-1", 400);
    expect(&h, "/v1/fog/log/consistency?sizes=1", 400);
    expect(&h, "/v1/fog/log/consistency", 400);
    call_api(&h, "GET", "/v1/fog/jobs/00000000000000000000000000000001/receipts", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_EQ(1, json_array_size(json_object_get(a.json, "items")));
    answer_free(&a);
    expect(&h, "/v1/fog/jobs/zz/receipts", 404);
    house_close(&h);
}

static void refused(struct house *h, const char *target, const char *body, int status, const char *field) {
    struct answer a;
    call_api(h, "POST", target, NULL, body, &a);
    CHECK_EQ(status, a.status);
    if (field != NULL) CHECK_STR(field, json_string_value(json_object_get(json_array_get(json_object_get(a.json, "errors"), 0), "field")));
    answer_free(&a);
}

TEST(proofs, are_made_by_kind_and_wrong_fields_are_named) {
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    call_api(&h, "POST", "/v1/fog/proofs/generate", NULL, "{\"kind\":\"execution\",\"job\":\"00000000000000000000000000000001\"}", &a);
    CHECK_EQ(201, a.status);
    CHECK_STR("-----BEGIN VILLAGE EXECUTION PROOF-----\nAQID\n-----END VILLAGE EXECUTION PROOF-----\n", text_at(&a, "artefact"));
    CHECK_STR("execution", text_at(&a, "kind"));
    CHECK_EQ(2, json_integer_value(json_object_get(a.json, "witnesses")));
    answer_free(&a);
    refused(&h, "/v1/fog/proofs/generate", "{\"kind\":\"execution\",\"job\":\"00000000000000000000000000000001\",\"task\":1}", 404, NULL);
    refused(&h, "/v1/fog/proofs/generate", "{\"kind\":\"execution\",\"job\":\"x\"}", 422, "/job");
    refused(&h, "/v1/fog/proofs/generate", "{\"kind\":\"cake\"}", 400, "/kind");
    refused(&h, "/v1/fog/proofs/generate", "{\"kind\":\"certificate\",\"node\":\"x\"}", 422, "/node");
    refused(&h, "/v1/fog/proofs/generate", "{\"kind\":\"contradiction\",\"first\":3,\"second\":3}", 422, "/second");
    refused(&h, "/v1/fog/proofs/generate", "{\"kind\":\"consistency\"}", 422, "/older");
    refused(&h, "/v1/fog/proofs/generate", "{\"kind\":\"checkpoint\"}", 422, NULL); /* not the coordinator */
    house_close(&h);
}

TEST(proofs, are_checked_and_a_false_one_is_an_answer) {
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    call_api(&h, "POST", "/v1/fog/proofs/verify", NULL, "{\"artefact\":\"hello\"}", &a);
    CHECK_EQ(200, a.status);
    CHECK(json_is_false(json_object_get(a.json, "proved")));
    CHECK_STR("it is no artefact that this version knows", text_at(&a, "reason"));
    answer_free(&a);
    call_api(&h, "POST", "/v1/fog/proofs/verify", NULL,
             "{\"artefact\":\"-----BEGIN VILLAGE EXECUTION PROOF-----\\nAQID\\n-----END VILLAGE EXECUTION PROOF-----\\n\"}", &a);
    CHECK_STR("execution", text_at(&a, "kind"));
    CHECK_STR("it is malformed", text_at(&a, "reason"));
    answer_free(&a);
    call_api(&h, "POST", "/v1/fog/proofs/verify", NULL, "{\"base64\":\"MAA=\",\"kind\":\"timestamp\"}", &a);
    CHECK_EQ(200, a.status);
    CHECK(json_is_false(json_object_get(a.json, "proved")));
    answer_free(&a);
    refused(&h, "/v1/fog/proofs/verify", "{}", 422, "/artefact");
    refused(&h, "/v1/fog/proofs/verify", "{\"artefact\":\"a\",\"base64\":\"AAAA\"}", 422, "/artefact");
    refused(&h, "/v1/fog/proofs/verify", "{\"base64\":\"*\"}", 422, "/base64");
    refused(&h, "/v1/fog/proofs/verify", "{\"artefact\":\"a\",\"key\":\"x\"}", 422, "/key");
    house_close(&h);
}

TEST(neighbours, are_shown_with_checks_and_a_promise_names_a_blob_that_is_here) {
    struct house h;
    struct answer a;
    char body[128];
    house_open(&h, NULL);
    call_api(&h, "GET", "/v1/fog/neighbours", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_EQ(7, json_integer_value(json_object_get(a.json, "epoch")));
    CHECK_EQ(1, json_array_size(json_object_get(a.json, "neighbours")));
    CHECK_EQ(0, json_array_size(json_object_get(a.json, "next")));
    CHECK_EQ(5, json_integer_value(json_object_get(json_object_get(a.json, "challenges"), "asked")));
    answer_free(&a);
    for (unsigned first = 0; first < 3; first++) {
        snprintf(body, sizeof body, "{\"blob\":\"%02x%062d\"}", first, 0);
        call_api(&h, "POST", "/v1/fog/kept", NULL, body, &a);
        CHECK_EQ(first == 0 ? 404 : first == 1 ? 204 : 422, a.status);
        answer_free(&a);
    }
    refused(&h, "/v1/fog/kept", "{\"blob\":\"12\"}", 400, "/blob");
    house_close(&h);
}

TEST(log, shows_how_anchors_stand_and_gives_their_proofs_as_files) {
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    call_api(&h, "GET", "/v1/fog/anchors", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("sent", text_at(&a, "state"));
    CHECK_STR("the chain cannot be reached", text_at(&a, "problem"));
    CHECK_STR("https://rpc.example.org", text_at(&a, "server"));
    const json_t *p = json_object_get(a.json, "pending");
    CHECK_EQ(9, json_integer_value(json_object_get(p, "size")));
    CHECK_EQ(1000000007, json_integer_value(json_object_get(p, "fee_wei")));
    CHECK_EQ(2, json_integer_value(json_object_get(p, "tries")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/anchors/0", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_EQ(0, json_integer_value(json_object_get(a.json, "index")));
    CHECK_STR("-----BEGIN VILLAGE ANCHOR-----\nYXJ0ZWZhY3Q=\n-----END VILLAGE ANCHOR-----\n", text_at(&a, "artefact"));
    answer_free(&a);
    call_api(&h, "GET", "/v1/fog/anchors/newest", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK(json_object_get(a.json, "index") == NULL);
    answer_free(&a);
    expect(&h, "/v1/fog/anchors/1", 404);
    expect(&h, "/v1/fog/anchors/oldest", 404);
    expect(&h, "/v1/fog/anchors/1x", 404);
    expect(&h, "/v1/fog/anchors/18446744073709551615", 404);
    house_close(&h);
}
