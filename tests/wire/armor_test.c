#include "check.h"

#include "wire/armor.h"

#include <string.h>

static struct vl_span text_of(const char *s) { return vl_span(s, strlen(s)); }

TEST(armor, brings_bytes_of_every_length_back) {
    uint8_t raw[200];
    char label[ARMOR_LABEL_MAX + 1];
    for (size_t i = 0; i < sizeof raw; i++) raw[i] = (uint8_t)(i * 7 + 1);
    for (size_t n = 0; n <= sizeof raw; n++) {
        struct vl_buf text, back;
        vl_buf_init(&text, 4096);
        vl_buf_init(&back, 4096);
        CHECK_OK(armor_write("VILLAGE TEST 1", vl_span(raw, n), &text));
        CHECK(armor_is(vl_span(text.p, text.len)));
        CHECK_OK(armor_read(vl_span(text.p, text.len), label, &back));
        CHECK(strcmp(label, "VILLAGE TEST 1") == 0);
        CHECK_EQ(n, back.len);
        if (n > 0) CHECK_MEM(raw, back.p, n);
        vl_buf_free(&text);
        vl_buf_free(&back);
    }
}

TEST(armor, refuses_every_cut_and_what_is_not_its_own_form) {
    static const char good[] = "-----BEGIN A B-----\nAAEC\n-----END A B-----\n";
    static const char *const bad[] = {
        "",
        "-----BEGIN A B-----\n-----END A C-----\n",
        "-----BEGIN A  B-----\nAAEC\n-----END A  B-----\n",
        "-----BEGIN a-----\nAAEC\n-----END a-----\n",
        "-----BEGIN -----\nAAEC\n-----END -----\n",
        "-----BEGIN A B-----\nAAEC\n\n-----END A B-----\n",
        "-----BEGIN A B-----\nAA\nEC\n-----END A B-----\n",
        "-----BEGIN A B-----\nAAE=\n-----END A B-----\nmore",
        "-----BEGIN A B-----\nAAF=\n-----END A B-----\n", /* a spare bit is set */
        "-----BEGIN A B-----\nAA*C\n-----END A B-----\n",
    };
    char label[ARMOR_LABEL_MAX + 1];
    struct vl_buf out;
    vl_buf_init(&out, 4096);
    for (size_t n = 0; n < strlen(good) - 1; n++) CHECK(armor_read(vl_span(good, n), label, &out) != VL_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(armor_read(text_of(bad[i]), label, &out) != VL_OK);
    CHECK(out.len == 0);
    CHECK_OK(armor_read(text_of("\r\n  -----BEGIN A B-----\r\nAAEC\r\n-----END A B-----\r\n"), label, &out));
    CHECK_EQ(3, out.len);
    CHECK_MEM("\0\1\2", out.p, 3);
    vl_buf_free(&out);
}

TEST(armor, writes_no_label_that_it_would_not_read) {
    struct vl_buf out;
    vl_buf_init(&out, 4096);
    CHECK_EQ(VL_ERANGE, armor_write("lower", vl_span("x", 1), &out));
    CHECK_EQ(VL_ERANGE, armor_write("", vl_span("x", 1), &out));
    CHECK_EQ(VL_ERANGE, armor_write("A ", vl_span("x", 1), &out));
    CHECK(out.len == 0);
    vl_buf_free(&out);
}
