#include "trust/zk_pred.h"

#include "base/prng.h"
#include "base/text.h"

#include "check.h"
#include "zk_random.h"

#include <stdio.h>
#include <string.h>

#define ABC "attribute a : 8 attribute b : 16 attribute c : 32 prove "

static enum vl_err compile(const char *text, struct zk_program **ret, struct zk_diag *diag) {
    *ret = NULL;
    *diag = (struct zk_diag){ .line = 0 };
    return zk_compile(vl_span_str(text), NULL, 0, ret, diag);
}

static void says(const char *text, const char *canonical) {
    struct zk_program *p = NULL, *again = NULL;
    struct zk_diag diag;
    char got[4096];
    if (compile(text, &p, &diag) != VL_OK) fail_msg("%s: %u:%u %s", text, diag.line, diag.column, diag.msg.text);
    (void)snprintf(got, sizeof got, "%.*s", (int)zk_program_text(p).n, (const char *)zk_program_text(p).p);
    const char *prove = strstr(got, "prove ");
    CHECK(prove != NULL);
    got[strlen(got) - 1] = '\0';
    CHECK_STR(canonical, prove + 6);
    CHECK_OK(zk_compile(zk_program_text(p), NULL, 0, &again, &diag));
    struct vl_hash one = zk_program_id(p), two = zk_program_id(again);
    CHECK_MEM(one.b, two.b, 32);
    zk_program_destroy(p);
    zk_program_destroy(again);
}

TEST(zk_language, writes_one_text_for_what_means_the_same) {
    static const char *const rows[][2] = {
        { ABC "a >= 5 and b > 5 and c < 9", "a >= 5 and b >= 6 and c <= 8" },
        { ABC "5 <= a and b + c = 7", "a >= 5 and b + c = 7" },
        { ABC "not (a < 5 or b = 3) and c != 1", "a >= 5 and b != 3 and c != 1" },
        { ABC "not (a >= 5 and not b = 3) and c > 1", "(a <= 4 or b = 3) and c >= 2" },
        { ABC "b / c >= 0.999 and a > 0", "1000*b - 999*c >= 0 and a >= 1" },
        { ABC "(a + b) / c < 1/3", "3*a + 3*b - c <= -1" },
        { ABC "2*a + 4*b - 6*c >= 7", "a + 2*b - 3*c >= 4" }, /* half of 7, upwards: integers */
        { ABC "0.5*a + b*0.25 = c", "2*a + b - 4*c = 0" },
        { ABC "-a = -b and c in 3..9", "a - b = 0 and c >= 3 and c <= 9" },
        { ABC "a not in 3..9 and b in {7, 5, 7, 6} and c > 1", "(a <= 2 or a >= 10) and b in {5, 6, 7} and c >= 2" },
        { ABC "not a in {1,2} and b in {5} and c not in {5}", "a not in {1, 2} and b = 5 and c != 5" },
        { ABC "a in {1, 2, 300} and b + c in {7, 8}", "a in {1, 2} and b + c in {7, 8}" }, /* a is below 256 */
        { ABC "((a > 1) and ((b > 1))) or (c > 1 and not not a = 3)", "a >= 2 and b >= 2 or c >= 2 and a = 3" },
        { ABC "a > 1 and (b > 1 or c > 1)", "a >= 2 and (b >= 2 or c >= 2)" },
        { ABC "a > 1 and (b > 1 and c > 1)", "a >= 2 and b >= 2 and c >= 2" },
        { ABC "a + 3 in {5, 6} and b * 2 * 3 > 1 and c / 2 > 5", "a + 3 in {5, 6} and b >= 1 and c >= 11" },
        { ABC "(a > 300 or b > 5) and (c > 1 or a >= 0)", "b >= 6" }, /* what is always true or false goes, and with it a and c */
        { "attribute x : 64 prove x >= 18446744073709551615 # all ones", "x >= 18446744073709551615" },
        { "attribute x:8 self-asserted\r\nprove\tx>1", "x >= 2" },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) says(rows[i][0], rows[i][1]);
}

TEST(zk_language, names_the_place_and_what_was_expected) {
    static const struct {
        const char *text;
        enum vl_err err;
        unsigned line, column;
        const char *part;
    } rows[] = {
        { "", VL_EPARSE, 1, 1, "expected `attribute`, `issuer` or `prove`, but the text ends" },
        { "attribute", VL_EPARSE, 1, 10, "the name of an attribute" },
        { "attribute and : 8 prove and > 1", VL_EPARSE, 1, 11, "found 'and'" },
        { "attribute a 8 prove a > 1", VL_EPARSE, 1, 13, "':' and the width" },
        { "attribute a : 65 prove a > 1", VL_ERANGE, 1, 15, "up to 64" },
        { "attribute a : 0 prove a > 1", VL_ERANGE, 1, 15, "0 bits" },
        { "attribute a : 8.5 prove a > 1", VL_ERANGE, 1, 15, "whole number" },
        { "attribute a : 8 attribute a : 8 prove a > 1", VL_EPARSE, 1, 27, "declared already" },
        { "attribute abcdefghijklmnopqrstuvwxyzabcdef : 8 prove a > 1", VL_ERANGE, 1, 11, "31 characters" },
        { "attribute a : 8 self prove a > 1", VL_EPARSE, 1, 22, "self-asserted" },
        { "issuer 12 attribute a : 8 prove a > 1", VL_EPARSE, 1, 8, "64 digits" },
        { "attribute a : 8\nprove a >", VL_EPARSE, 2, 10, "a name, a number or '('" },
        { "attribute a : 8\nprove a > 1 a", VL_EPARSE, 2, 13, "`and`, `or` or the end" },
        { "attribute a : 8\nprove a", VL_EPARSE, 2, 7, "a comparison is missing" },
        { "attribute a : 8 prove a > b", VL_EPARSE, 1, 27, "'b' is no attribute" },
        { "attribute a : 8 prove 1 < a < 5", VL_EPARSE, 1, 29, "do not chain" },
        { "attribute a : 8 prove (a > 1", VL_EPARSE, 1, 29, "expected ')'" },
        { "attribute a : 8 prove (a > 1) + 1 > 2", VL_EPARSE, 1, 23, "a number is wanted" },
        { "attribute a : 8 prove a * a > 2", VL_EPARSE, 1, 27, "not multiplied" },
        { "attribute a : 8 attribute b : 8 prove a / b > b / a", VL_EPARSE, 1, 39, "two ratios" },
        { "attribute a : 8 attribute b : 8 prove a / (b - a) > 1", VL_ERANGE, 1, 43, "must not be negative" },
        { "attribute a : 8 prove a / 0 > 1", VL_ERANGE, 1, 27, "division by 0" },
        { "attribute a : 8 prove a in {1, 2", VL_EPARSE, 1, 33, "',' or '}'" },
        { "attribute a : 8 prove a in {1.5}", VL_ERANGE, 1, 29, "whole number" },
        { "attribute a : 8 prove a in 9..3", VL_ERANGE, 1, 28, "empty range" },
        { "attribute a : 8 prove a in set@12", VL_EPARSE, 1, 32, "hash of a set" },
        { "attribute a : 8 prove a in set@0000000000000000000000000000000000000000000000000000000000000000", VL_ENOTFOUND, 1, 32, "no set" },
        { "attribute a : 8 prove a / 2 in {1, 2}", VL_EPARSE, 1, 23, "must be whole" },
        { "attribute a : 8 prove a >= 0", VL_ERANGE, 1, 23, "true whatever" },
        { "attribute a : 8 prove a > 255", VL_ERANGE, 1, 23, "false whatever" },
        { "attribute a : 8 prove 2*a = 3", VL_ERANGE, 1, 23, "false whatever" },
        { "attribute a : 8 attribute b : 8 prove a > 2", VL_ERANGE, 1, 27, "b is not used" },
        { "attribute a : 8 prove a > 123456789012345678901", VL_ERANGE, 1, 27, "20 digits" },
        { "attribute a : 8 prove a > 1 \x01", VL_EPARSE, 1, 29, "byte 0x01" },
        { "attribute a : 8 prove a > 3x", VL_EPARSE, 1, 27, "found '3'" },
        { "attribute a : 8 prove ((((((((((((((((((((((((((a > 3))))))))))))))))))))))))))", VL_ELIMIT, 1, 48, "24 brackets" },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zk_program *p = NULL;
        struct zk_diag d;
        enum vl_err err = compile(rows[i].text, &p, &d);
        if (err != rows[i].err || d.line != rows[i].line || d.column != rows[i].column || strstr(d.msg.text, rows[i].part) == NULL)
            fail_msg("%s: %s at %u:%u: %s", rows[i].text, vl_err_name(err), d.line, d.column, d.msg.text);
    }
}

TEST(zk_language, refuses_sums_that_could_wrap_and_says_why) {
    static const char *const rows[][2] = {
        /* 64 bits are the most: at the edge, and one above it */
        { "attribute a : 64 attribute b : 64 prove a > b", NULL },
        { "attribute a : 64 attribute b : 64 prove a + b > 5", "needs 65 bits" },
        { "attribute a : 54 attribute b : 54 prove a / b >= 0.999", NULL },
        { "attribute a : 55 attribute b : 55 prove a / b >= 0.999", "needs 65 bits" },
        { "attribute a : 62 attribute b : 62 prove a >= b or a < 5", NULL },
        { "attribute a : 63 attribute b : 63 prove a >= b or a < 5", "part of an `or` and needs 63 bits" },
        { "attribute a : 64 attribute b : 60 prove 99999999999999999999*a = b + 3", "2^124" },
        { "attribute a : 56 attribute b : 60 prove 99999999999999999999*a = b", NULL },
        { "attribute a : 8 prove 99999999999999999999 * 99999999999999999999 * a > 5", "2^124" },
        { "attribute a : 8 attribute b : 8 prove 9999999999 * 99999999999 * a = b", "20 digits" },
        { "attribute a : 64 attribute b : 64 prove a + b in {1, 2}", "65 bits" },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zk_program *p = NULL;
        struct zk_diag d;
        enum vl_err err = compile(rows[i][0], &p, &d);
        if (err != (rows[i][1] == NULL ? VL_OK : VL_ERANGE) || (rows[i][1] != NULL && strstr(d.msg.text, rows[i][1]) == NULL))
            fail_msg("%s: %s: %s", rows[i][0], vl_err_name(err), d.msg.text);
        zk_program_destroy(p);
    }
}

TEST(zk_language, chooses_the_back_end_by_what_must_hold) {
    static const struct {
        const char *text, *steps;
    } rows[] = {
        { ABC "a > 5 and b > 5 and c > 5", "range 8x1, range 16x1, range 32x1, " },
        { "attribute a : 64 attribute b : 64 attribute c : 64 attribute d : 64 prove a > 1 and b > 1 and c > 1 and d > 1", "range 64x4, " },
        { "attribute a : 8 prove a > 1 and a > 2 and a > 3", "range 8x4, " },
        { "attribute a : 8 prove a > 1 and a > 2 and a > 3 and a > 4 and a > 5", "range 8x4, range 8x1, " },
        { ABC "a + b = c", "linear, " },
        { ABC "a + b != c", "circuit 1, " },
        { ABC "a > 5 or b > 5 and c = 3", "circuit 30, " }, /* 9 + 17 + 2, and one each for `and` and `or` */
        { "attribute a : 8 prove a in {1, 2, 3}", "small-set, " },
        { "attribute a : 8 prove a in {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}", "set, " },
        { "attribute a : 8 prove a not in {1, 2, 3}", "circuit 3, " },
        { "attribute a : 8 self-asserted prove a = 3", "linear, range 8x1, " },
        { "attribute a : 7 self-asserted prove a = 3", "linear, range 8x2, " },
        { "attribute a : 8 prove a not in {1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45,47}", "gap, range 8x2, " },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zk_program *p = NULL;
        struct zk_diag d;
        char got[256] = "";
        size_t at = 0;
        if (compile(rows[i].text, &p, &d) != VL_OK) fail_msg("%s: %s", rows[i].text, d.msg.text);
        for (unsigned k = 0; k < zk_program_plan(p).n_steps; k++) {
            const struct zk_step *s = zk_program_step(p, k);
            at += (size_t)snprintf(got + at, sizeof got - at, "%s", zk_step_name(s->kind));
            if (s->kind == ZK_STEP_RANGE) at += (size_t)snprintf(got + at, sizeof got - at, " %ux%u", s->bits, s->values);
            if (s->kind == ZK_STEP_CIRCUIT) at += (size_t)snprintf(got + at, sizeof got - at, " %u", s->gates);
            at += (size_t)snprintf(got + at, sizeof got - at, ", ");
        }
        CHECK_STR(rows[i].steps, got);
        zk_program_destroy(p);
    }
}

TEST(zk_language, refuses_what_would_take_too_long) {
    static char text[ZK_TEXT_MAX];
    struct zk_program *p = NULL;
    struct zk_diag d;
    size_t at = (size_t)snprintf(text, sizeof text, "attribute x : 62 prove ");
    for (unsigned i = 0; i < 60; i++) at += (size_t)snprintf(text + at, sizeof text - at, "%sx > %u", i > 0 ? " or " : "", i + 1000);
    CHECK_OK(compile(text, &p, &d));
    zk_program_destroy(p);
    for (unsigned i = 0; i < 400; i++) at += (size_t)snprintf(text + at, sizeof text - at, "%s%u", i > 0 ? ", " : " or x in {", 2 * i);
    (void)snprintf(text + at, sizeof text - at, "}");
    CHECK_EQ(VL_ELIMIT, compile(text, &p, &d));
    CHECK(strstr(d.msg.text, "multipliers") != NULL);
    for (unsigned wide = 0; wide < 2; wide++) { /* 64 values and as many comparisons of 62 bits, or of 30 */
        at = 0;
        for (unsigned i = 0; i < 32; i++) at += (size_t)snprintf(text + at, sizeof text - at, "attribute a%u : %u self-asserted ", i, wide ? 62 : 30);
        at += (size_t)snprintf(text + at, sizeof text - at, "prove a0 > 9");
        for (unsigned i = 1; i < 64; i++) at += (size_t)snprintf(text + at, sizeof text - at, " and a%u > %u", i / 2, i + 9);
        CHECK_EQ(wide ? VL_ELIMIT : VL_OK, compile(text, &p, &d));
        zk_program_destroy(p);
    }
    CHECK(strstr(d.msg.text, "ms") != NULL);
    (void)snprintf(text + at, sizeof text - at, " and a0 = 5");
    CHECK_EQ(VL_ELIMIT, compile(text, &p, &d));
    CHECK(strstr(d.msg.text, "more than 64 comparisons") != NULL);
}

/* The same random tree written as text and computed here: holds() says the same, before and after the canonical text. */
TEST(zk_language, means_what_plain_evaluation_says) {
    struct vl_prng r;
    unsigned seen[2] = { 0 }, compiled = 0;
    vl_prng_seed(&r, 29);
    for (unsigned round = 0; round < 3000; round++) {
        struct zk_random q;
        struct zk_program *p = NULL;
        struct zk_diag d;
        zk_random_make(&q, &r);
        if (compile(q.text, &p, &d) != VL_OK) {
            CHECK(strstr(d.msg.text, "whatever") != NULL || strstr(d.msg.text, "not used") != NULL);
            continue;
        }
        compiled++;
        for (unsigned k = 0; k < 8; k++) {
            uint64_t value[ZK_RANDOM_ATTRS], in_order[ZK_ATTRS_MAX];
            zk_random_values(&q, &r, value);
            zk_random_order(p, value, in_order);
            bool want = zk_random_holds(&q, value);
            if (zk_program_holds(p, in_order) != want) fail_msg("%s with a=%u b=%u c=%u", q.text, (unsigned)value[0], (unsigned)value[1], (unsigned)value[2]);
            seen[want]++;
        }
        zk_program_destroy(p);
    }
    CHECK(compiled > 2000 && seen[0] > 2000 && seen[1] > 2000);
}

TEST(zk_language, refuses_values_wider_than_declared) {
    struct zk_program *p = NULL;
    struct zk_diag d;
    CHECK_OK(compile("attribute a : 8 prove a > 5", &p, &d));
    CHECK(zk_program_holds(p, (const uint64_t[]){ 255 }));
    CHECK(!zk_program_holds(p, (const uint64_t[]){ 256 }));
    zk_program_destroy(p);
}

TEST(zk_language, takes_published_sets_by_their_hash) {
    struct zk_set *s = NULL, *same = NULL, *other = NULL;
    struct zk_program *p = NULL;
    struct zk_diag d;
    char text[256], hex[65];
    unsigned line = 0;
    CHECK_OK(zk_set_read(vl_span_str("3 1 2 # a remark 7\n3\n40"), &s, &line));
    CHECK_OK(zk_set_read(vl_span_str("40\n3\n2\n1\n"), &same, NULL));
    CHECK_OK(zk_set_read(vl_span_str("40\n3\n2\n"), &other, NULL));
    CHECK_EQ(4, s->n);
    CHECK_MEM(s->hash.b, same->hash.b, 32);
    CHECK(memcmp(s->hash.b, other->hash.b, 32) != 0);
    vl_hex_encode(s->hash.b, 32, hex);
    (void)snprintf(text, sizeof text, "attribute a : 8 prove a in set@%s", hex);
    CHECK_EQ(VL_ENOTFOUND, zk_compile(vl_span_str(text), (const struct zk_set *const[]){ other }, 1, &p, &d));
    CHECK_OK(zk_compile(vl_span_str(text), (const struct zk_set *const[]){ other, s }, 2, &p, &d));
    CHECK_EQ(1, zk_program_sets(p));
    CHECK(zk_program_holds(p, (const uint64_t[]){ 40 }));
    CHECK(!zk_program_holds(p, (const uint64_t[]){ 41 }));
    zk_program_destroy(p);
    zk_set_destroy(s);
    zk_set_destroy(same);
    zk_set_destroy(other);
}

TEST(zk_language, refuses_files_that_are_no_set) {
    static const struct {
        const char *text;
        enum vl_err err;
        unsigned line;
    } rows[] = {
        { "", VL_EPARSE, 1 }, { "# nothing\n", VL_EPARSE, 2 }, { "1\n-2", VL_EPARSE, 2 }, { "1\n2\n0x3", VL_EPARSE, 3 },
        { "4611686018427387904", VL_ERANGE, 1 }, { "1,2", VL_EPARSE, 1 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zk_set *s = NULL;
        unsigned line = 0;
        CHECK_EQ(rows[i].err, zk_set_read(vl_span_str(rows[i].text), &s, &line));
        CHECK_EQ(rows[i].line, line);
    }
    struct zk_set *s = NULL;
    CHECK_OK(zk_set_read(vl_span_str("4611686018427387903"), &s, NULL));
    zk_set_destroy(s);
}

/* Known answers: whoever changes the domain, the form of the text or the order of the numbers changes every id. */
TEST(zk_language, keeps_its_ids) {
    struct zk_program *p = NULL;
    struct zk_set *s = NULL;
    struct zk_diag d;
    char hex[65];
    CHECK_OK(compile("attribute a : 8 prove a > 5", &p, &d));
    struct vl_hash id = zk_program_id(p);
    vl_hex_encode(id.b, 32, hex);
    CHECK_STR("a6cd46686b10748ebe158a5949bf2dc7438defba9e60f871cfab1350714de3b2", hex);
    CHECK_OK(zk_set_read(vl_span_str("1 2 3"), &s, NULL));
    vl_hex_encode(s->hash.b, 32, hex);
    CHECK_STR("c5cfbeb4a7cdb353ce09556e2a4dfd5028a92d877b86558a76b85e3f9e090930", hex);
    zk_program_destroy(p);
    zk_set_destroy(s);
}
