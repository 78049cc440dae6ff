#include "check.h"
#include "trust/json.h"

#include <stdio.h>
#include <string.h>

TEST(json, takes_what_is_json_and_nothing_else) {
    static const char *const good[] = {
        "0", "-1.5e+3", "\"\"", "[]", "{}", " [1, {\"a\" : null}, true,false ] ", "\"\\u00e9\\n\\\"\""
    };
    static const char *const bad[] = { "",        "01",      "1.",        "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}",
                                       "\"\n\"",  "\"\\x\"", "\"\\u12\"", "nul",  "1 2",        "[1",
                                       "{\"a\"}", "{a:1}",   "\"",        "'a'",  "+1",         "[,1]",
                                       "{,}",     "\"\\",    "[1}",       "-",    "1e",         "\\" };
    struct vl_span v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) CHECK(jspan_read(vl_span_str(good[i]), &v));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!jspan_read(vl_span_str(bad[i]), &v));
}

TEST(json, walks_an_object_pair_by_pair) {
    struct vl_span v, name, at;
    CHECK(jspan_read(vl_span_str(" { \"a\" : 1 , \"b\":[2, 3],\"c\":{} } "), &v));
    at = v;
    CHECK(jspan_pair(&at, &name, &v) && vl_span_eq(name, vl_span_str("a")) && vl_span_eq(v, vl_span_str("1")));
    CHECK(jspan_pair(&at, &name, &v) && vl_span_eq(name, vl_span_str("b")) && vl_span_eq(v, vl_span_str("[2, 3]")));
    CHECK(jspan_pair(&at, &name, &v) && vl_span_eq(name, vl_span_str("c")) && vl_span_eq(v, vl_span_str("{}")));
    CHECK(!jspan_pair(&at, &name, &v));
    at = vl_span_str("{}");
    CHECK(!jspan_pair(&at, &name, &v));
    at = vl_span_str("[1]");
    CHECK(!jspan_pair(&at, &name, &v));
}

TEST(json, depth_and_keys_have_their_limits) {
    char text[2048] = "";
    struct vl_span v;
    memset(text, '[', JSON_DEPTH);
    memset(text + JSON_DEPTH, ']', JSON_DEPTH);
    CHECK(jspan_read(vl_span(text, 24), &v));
    memset(text, '[', 13);
    memset(text + 13, ']', 13);
    CHECK(!jspan_read(vl_span(text, 26), &v));
    for (unsigned keys = JSON_KEYS; keys <= JSON_KEYS + 1; keys++) {
        int n = snprintf(text, sizeof text, "{\"k\":0");
        for (unsigned i = 1; i < keys; i++) n += snprintf(text + n, sizeof text - (size_t)n, ",\"k%u\":0", i);
        (void)snprintf(text + n, sizeof text - (size_t)n, "}");
        CHECK_EQ(keys == JSON_KEYS, jspan_read(vl_span_str(text), &v));
    }
}

TEST(json, values_are_the_bytes_of_the_text) {
    struct vl_span all, v, list, text;
    uint64_t x;
    uint8_t bytes[2];
    CHECK(jspan_read(vl_span_str(" {\"a\" : { \"b\":[ 1 ,22,\"0aFF\"] } ,\"c\":18446744073709551615} "), &all));
    CHECK(jspan_member(all, "a", &v));
    CHECK(vl_span_eq(v, vl_span_str("{ \"b\":[ 1 ,22,\"0aFF\"] }")));
    CHECK(!jspan_member(all, "b", &v)); /* not of the outer object */
    CHECK(jspan_member(v, "b", &list));
    CHECK(jspan_next(&list, &v) && jspan_uint(v, &x) && x == 1);
    CHECK(jspan_next(&list, &v) && jspan_uint(v, &x) && x == 22);
    CHECK(jspan_next(&list, &v) && jspan_hex(v, bytes, 2) && bytes[0] == 0x0a && bytes[1] == 0xff);
    CHECK(!jspan_hex(v, bytes, 1));
    CHECK(jspan_text(v, &text) && text.n == 4);
    CHECK(!jspan_next(&list, &v));
    CHECK(jspan_member(all, "c", &v) && jspan_uint(v, &x) && x == UINT64_MAX);
    CHECK(!jspan_uint(vl_span_str("18446744073709551616"), &x));
    CHECK(!jspan_uint(vl_span_str("1.0"), &x));
}
