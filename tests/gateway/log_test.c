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
