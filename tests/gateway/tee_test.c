/* Trusted execution over REST. */
#include "client.h"

#include "check.h"

static void expect(struct house *h, const char *method, const char *target, const char *body, int status) {
    struct answer a;
    call_api(h, method, target, NULL, body, &a);
    if (a.status != status) print_message("# %s %s -> %d %s\n", method, target, a.status, a.body);
    CHECK_EQ(status, a.status);
    answer_free(&a);
}

TEST(tee, shows_makes_and_closes_contexts_of_trusted_execution) {
    struct house h;
    struct answer a;
    house_open(&h, NULL);
    call_api(&h, "GET", "/v1/fog/tee/status", NULL, NULL, &a);
    CHECK_EQ(200, a.status);
    CHECK_STR("tpm", json_string_value(json_object_get(json_array_get(json_object_get(a.json, "providers"), 0), "provider")));
    CHECK_STR("tpm: accepted", json_string_value(json_object_get(json_object_get(a.json, "village"), "reason")));
    CHECK_STR("S", json_string_value(json_array_get(json_object_get(json_object_get(a.json, "village"), "barred_classes"), 0)));
    answer_free(&a);
    call_api(&h, "POST", "/v1/fog/tee/create", NULL, "{\"provider\":\"tpm\"}", &a);
    CHECK_EQ(201, a.status);
    CHECK_STR("-----BEGIN\n", json_string_value(json_object_get(a.json, "evidence")));
    CHECK_STR("accepted", json_string_value(json_object_get(json_object_get(a.json, "verdict"), "reason")));
    answer_free(&a);
    expect(&h, "POST", "/v1/fog/tee/create", "{\"provider\":\"sgx\"}", 422);
    expect(&h, "POST", "/v1/fog/tee/create", "{\"job\":\"x\"}", 422);
    expect(&h, "POST", "/v1/fog/tee/create", "{\"config\":\"x\"}", 422);
    expect(&h, "POST", "/v1/fog/tee/create", "{\"nonce\":\"00\"}", 400);
    expect(&h, "DELETE", "/v1/fog/tee/contexts/7", NULL, 204);
    expect(&h, "DELETE", "/v1/fog/tee/contexts/8", NULL, 404);
    expect(&h, "DELETE", "/v1/fog/tee/contexts/99999999999999999999999999", NULL, 404);
    house_close(&h);
}
