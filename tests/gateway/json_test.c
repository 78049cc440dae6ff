#include "gateway/json.h"

#include "gateway/job_body.h"
#include "gateway/gateway_priv.h"

#include "check.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char *text_of(struct vl_buf *b) {
    CHECK_OK(vl_buf_append(b, "", 1));
    return (const char *)b->p;
}

TEST(json, writes_nested_values_with_commas_in_the_right_places) {
    struct vl_buf b;
    vl_buf_init(&b, 4096);
    struct jw j = jw_begin(&b);
    jw_obj(&j);
    jw_put_u64(&j, "a", UINT64_MAX);
    jw_key(&j, "b");
    jw_arr(&j);
    jw_i64(&j, INT64_MIN);
    jw_obj(&j);
    jw_obj_end(&j);
    jw_null(&j);
    jw_arr_end(&j);
    jw_put_bool(&j, "c", false);
    jw_put_ms(&j, "d", 0);
    jw_put_hex(&j, "e", "\x01\xff", 2);
    jw_obj_end(&j);
    CHECK(!j.failed);
    CHECK_STR("{\"a\":18446744073709551615,\"b\":[-9223372036854775808,{},null],\"c\":false,\"d\":null,\"e\":\"01ff\"}",
              text_of(&b));
    vl_buf_free(&b);
}

TEST(json, escapes_what_must_be_and_replaces_broken_utf8) {
    struct vl_buf b;
    vl_buf_init(&b, 4096);
    struct jw j = jw_begin(&b);
    jw_strn(&j, "a\"\\\b\f\n\r\t\x01\x1f\x7f\0/", 13);
    CHECK_STR("\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u0000/\"", text_of(&b));
    vl_buf_clear(&b);
    j = jw_begin(&b);
    jw_str(&j, "\xc3\xa9\xf0\x9f\x98\x80\xff\xc3(\xed\xa0\x80");
    CHECK_STR("\"\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", text_of(&b));
    vl_buf_free(&b);
}

TEST(json, writes_doubles_in_the_shortest_form_that_reads_back) {
    static const double values[] = { 0.1, 1.0 / 3, 1e300, DBL_MIN, 5e-324, 123456789012345680.0, 0, -2.5 };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char d[33];
        d[jw_format_double(values[i], d)] = '\0';
        CHECK(strtod(d, NULL) == values[i]);
    }
    char d[33];
    d[jw_format_double(0.1, d)] = '\0';
    CHECK_STR("0.1", d);
    struct vl_buf b;
    vl_buf_init(&b, 64);
    struct jw j = jw_begin(&b);
    jw_double(&j, NAN);
    CHECK_STR("null", text_of(&b));
    vl_buf_free(&b);
}

TEST(json, fails_sticky_at_the_limit_of_its_buffer) {
    struct vl_buf b;
    vl_buf_init(&b, 4);
    struct jw j = jw_begin(&b);
    jw_str(&j, "abcdef");
    CHECK(j.failed);
    jw_u64(&j, 1);
    CHECK(j.failed && b.len <= 4);
    vl_buf_free(&b);
}

/* Pointer of the first error, "" plus detail in `e`; "ok" when it was taken. */
static const char *first_error(const char *text, struct schema_errors *e) {
    json_t *root = NULL;
    enum vl_err err = schema_parse(vl_span_str(text), job_body_rows, e, &root);
    if (err == VL_OK) {
        struct job_body b;
        err = job_body_read(root, &b, e);
        job_body_free(&b);
        json_decref(root);
    }
    if (err == VL_OK) return "ok";
    CHECK_EQ(VL_EPARSE, err);
    CHECK(e->n > 0);
    return e->v[0].pointer;
}

#define H64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define WASM "{\"kind\":\"wasm\",\"program\":\"" H64 "\""

TEST(schema, takes_a_whole_job) {
    struct schema_errors e;
    CHECK_STR("ok", first_error(WASM "}", &e));
    CHECK_STR(
        "ok",
        first_error(
            "{\"kind\":\"native\",\"command\":\"/usr/bin/wc\",\"args\":[\"-w\",\"\"],\"env\":{\"A_1\":\"x\\ny\"}}",
            &e));
    CHECK_STR(
        "ok",
        first_error(WASM
                    ",\"name\":\"n\",\"inputs\":[{\"name\":\"a\",\"hash\":\"" H64 "\",\"size\":1}],\"map\":true,"
                    "\"merge\":{\"args\":[\"x\"]},\"replicas\":9,\"limits\":{\"timeout_ms\":1},\"deterministic\":true,"
                    "\"priority\":\"bulk\",\"max_attempts\":10,\"after\":[],\"network\":false}",
                    &e));
    CHECK_STR("ok", first_error(WASM ",\"merge\":null}", &e));
}

/* The names are written twice: for the schema, and with the numbers that travel. */
TEST(schema, knows_every_class_tier_strategy_and_domain_there_is) {
    struct schema_errors e;
    char text[512];
    for (unsigned i = 0; i < STRATEGIES; i++) {
        snprintf(text, sizeof text, WASM ",\"strategy\":\"%s\",\"class\":\"%s\",\"tier\":\"%s\",\"require\":{\"spread\":\"%s\"}}",
                 strategy_name((enum strategy)i), sla_class_name((enum sla_class)(i % SLA_CLASSES)),
                 sla_tier_name((enum sla_tier)(i % SLA_TIERS)), domain_name((enum domain)(i % DOMAINS)));
        CHECK_STR("ok", first_error(text, &e));
    }
}

TEST(schema, names_the_wrong_field_by_its_pointer) {
    static const struct {
        const char *text, *pointer;
    } rows[] = {
        { "[]", "" },
        { "{}", "/kind" },
        { "{\"kind\":\"perl\"}", "/kind" },
        { "{\"kind\":1}", "/kind" },
        { "{\"kind\":null}", "/kind" },
        { "{\"kind\":\"wasm\"}", "/program" },
        { "{\"kind\":\"native\"}", "/command" },
        { WASM ",\"command\":\"/x\"}", "/command" },
        { "{\"kind\":\"native\",\"command\":\"x/y\"}", "/command" },
        { WASM ",\"bogus\":1}", "/bogus" },
        { WASM ",\"a/b~\":1}", "/a~1b~0" },
        { WASM ",\"replicas\":0}", "/replicas" },
        { WASM ",\"replicas\":10}", "/replicas" },
        { WASM ",\"replicas\":1.0}", "/replicas" },
        { WASM ",\"replicas\":\"1\"}", "/replicas" },
        { WASM ",\"replicas\":true}", "/replicas" },
        { WASM ",\"replicas\":9223372036854775807}", "/replicas" },
        { WASM ",\"replicas\":-1}", "/replicas" },
        { WASM ",\"map\":1}", "/map" },
        { WASM ",\"args\":\"x\"}", "/args" },
        { WASM ",\"args\":[1]}", "/args/0" },
        { WASM ",\"args\":[\"a\",null]}", "/args/1" },
        { WASM ",\"env\":{\"1A\":\"x\"}}", "/env/1A" },
        { WASM ",\"env\":{\"A=B\":\"x\"}}", "/env/A=B" },
        { WASM ",\"env\":{\"A\":1}}", "/env/A" },
        { WASM ",\"env\":[]}", "/env" },
        { WASM ",\"inputs\":[{}]}", "/inputs/0/name" },
        { WASM ",\"inputs\":[{\"name\":\"a\",\"hash\":\"" H64 "\",\"size\":-1}]}", "/inputs/0/size" },
        { WASM ",\"inputs\":[{\"name\":\"a\",\"hash\":\"A\",\"size\":1}]}", "/inputs/0/hash" },
        { WASM ",\"inputs\":[{\"name\":\"a/b\",\"hash\":\"" H64 "\",\"size\":1}]}", "/inputs/0/name" },
        { WASM ",\"inputs\":[{\"name\":\"..\",\"hash\":\"" H64 "\",\"size\":1}]}", "/inputs/0/name" },
        { WASM ",\"inputs\":[{\"name\":\"a\",\"hash\":\"" H64 "\",\"size\":1},7]}", "/inputs/1" },
        { WASM ",\"limits\":{\"memory_bytes\":0}}", "/limits/memory_bytes" },
        { WASM ",\"limits\":{\"x\":0}}", "/limits/x" },
        { WASM ",\"merge\":{}}", "" }, /* without map there is nothing to merge */
        { WASM ",\"after\":[\"x\"]}", "/after/0" },
        { WASM ",\"name\":\"\"}", "/name" },
        { WASM ",\"name\":\"a\\u0001\"}", "/name" },
        { WASM ",\"priority\":\"urgent\"}", "/priority" },
        { WASM ",\"network\":\"no\"}", "/network" },
        { WASM ",\"deadline_ms\":999}", "/deadline_ms" },
        { WASM ",\"class\":\"C\"}", "/class" },
        { WASM ",\"tier\":\"iron\"}", "/tier" },
        { WASM ",\"strategy\":\"luck\"}", "/strategy" },
        { WASM ",\"require\":{\"min_trust\":1001}}", "/require/min_trust" },
        { WASM ",\"require\":{\"spread\":\"planet\"}}", "/require/spread" },
        { WASM ",\"require\":{\"region\":\"sixteen-letters-\"}}", "/require/region" },
        { WASM ",\"require\":{\"exclude\":[\"nobody\"]}}", "/require/exclude/0" },
    };
    struct schema_errors e;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) CHECK_STR(rows[i].pointer, first_error(rows[i].text, &e));
}

TEST(schema, names_the_field_of_numbers_too_huge_for_any_type) {
    struct schema_errors e;
    CHECK_STR("/replicas", first_error(WASM ",\"replicas\":99999999999999999999}", &e));
    CHECK_STR("/limits/memory_bytes", first_error(WASM ",\"limits\":{\"memory_bytes\":1e999}}", &e));
    CHECK_STR("/inputs/1/size",
              first_error(WASM ",\"inputs\":[{\"name\":\"b\"},{\"size\":123456789012345678901234567890}]}", &e));
}

TEST(schema, refuses_what_is_no_strict_json) {
    static const char *const bad[] = { "",
                                       "{",
                                       "{\"kind\":\"wasm\"} x",
                                       "{\"kind\":\"wasm\",}",
                                       "{'kind':1}",
                                       "{\"kind\":\"\xff\"}",
                                       "{\"kind\":\"\\u0000\"}",
                                       "{\"kind\":NaN}",
                                       "\xef\xbb\xbf{}" };
    struct schema_errors e;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK(strcmp("ok", first_error(bad[i], &e)) != 0);
    CHECK_STR("/kind", first_error("{\"kind\":\"wasm\",\"kind\":\"native\"}", &e)); /* duplicates */
    static const char deep[] = "[[[[[[[[[[[[[[[[[";
    CHECK_STR("", first_error(deep, &e));
    CHECK(strstr(e.v[0].detail, "deeper") != NULL);
}

TEST(schema, reports_several_errors_at_once_but_not_without_end) {
    struct schema_errors e;
    CHECK_STR("/kind", first_error("{\"kind\":1,\"map\":2,\"network\":3}", &e));
    CHECK_EQ(3, e.n);
    static const char many[] = WASM ",\"args\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}";
    CHECK_STR("/args/0", first_error(many, &e));
    CHECK_EQ(SCHEMA_ERRORS_MAX, e.n);
}
