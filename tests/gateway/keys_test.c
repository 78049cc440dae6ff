#include "client.h"
#include "mem_backend.h"

#include "crypto/node_id.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

static void expect(struct house *h, const char *method, const char *target, const char *body, int status) {
    struct answer a;
    call_api(h, method, target, NULL, body, &a);
    CHECK_EQ(status, a.status);
    answer_free(&a);
}

TEST(api_keys, shows_keys_their_lines_and_the_revoked_and_changes_them) {
    struct house h;
    struct answer a;
    char text[8][NODE_ID_TEXT], target[160];
    house_open(&h, NULL);
    for (uint8_t i = 5; i < 8; i++) node_id_format((struct vl_node_id){ { i } }, text[i]);
    call_api(&h, "GET", "/v1/keys", NULL, NULL, &a);
    CHECK_STR("nothing", json_text(a.json, "with"));
    CHECK(json_is_false(json_object_get(a.json, "sealed")) && json_is_true(json_object_get(a.json, "replaceable")));
    answer_free(&a);
    snprintf(target, sizeof target, "/v1/keys/%s", text[7]);
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK(json_is_false(json_object_get(a.json, "revoked")));
    CHECK_EQ(2, json_array_size(json_object_get(a.json, "chain")));
    CHECK_STR(text[6], json_text(a.json, "chain/0/old"));
    CHECK_STR(text[5], json_text(a.json, "chain/1/old"));
    CHECK(strstr(json_text(a.json, "chain/0/statement"), "BEGIN VILLAGE KEY SUCCESSION") != NULL);
    answer_free(&a);
    snprintf(target, sizeof target, "/v1/keys/%s", text[5]);
    call_api(&h, "GET", target, NULL, NULL, &a);
    CHECK(json_is_true(json_object_get(a.json, "revoked")));
    CHECK_EQ(77, json_integer_value(json_object_get(a.json, "revoked_ms")));
    answer_free(&a);
    call_api(&h, "GET", "/v1/keys/revocations", NULL, NULL, &a);
    CHECK_EQ(4, json_integer_value(json_object_get(a.json, "number")));
    CHECK_STR(text[5], json_text(a.json, "items/0/id"));
    CHECK(strstr(json_text(a.json, "signed"), "BEGIN VILLAGE REVOCATIONS") != NULL);
    answer_free(&a);
    call_api(&h, "POST", "/v1/keys/rotate", NULL, "{}", &a);
    CHECK_EQ(202, a.status);
    CHECK_STR(text[7], json_text(a.json, "next"));
    answer_free(&a);
    expect(&h, "GET", "/v1/keys/nonsense", NULL, 404);
    expect(&h, "POST", "/v1/keys/nonsense/revoke", "{}", 404);
    snprintf(target, sizeof target, "/v1/keys/%s/revoke", text[6]);
    expect(&h, "POST", target, "{}", 404); /* no member */
    mem_add_node(h.mem, (struct vl_node_id){ { 6 } }, "node", VIEW_NODE_ACTIVE);
    call_api(&h, "POST", target, NULL, "{}", &a);
    CHECK_EQ(200, a.status);
    CHECK_STR(text[6], json_text(a.json, "id"));
    CHECK_EQ(9, json_integer_value(json_object_get(a.json, "at_ms")));
    answer_free(&a);
    expect(&h, "POST", "/v1/keys/rotate", "{\"unknown\":1}", 400);
    house_close(&h);
}
