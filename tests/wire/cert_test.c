#include "wire/cert.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

static struct cert sample(void) {
    struct cert c = { .serial = 0x0102030405060708, .issued_ms = 1000, .expires_ms = 2000, .roles = CERT_WORKER };
    memset(c.root, 1, sizeof c.root);
    memset(c.node.b, 2, sizeof c.node.b);
    memset(c.static_key, 3, sizeof c.static_key);
    memset(c.signature, 4, sizeof c.signature);
    strcpy(c.name, "Kn\xc3\xb6terich");
    return c;
}

TEST(cert, has_the_layout_of_its_header) {
    struct cert c = sample(), back;
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = 0;
    CHECK_OK(cert_encode(&c, raw, sizeof raw, &n));
    CHECK_EQ(187 + 10, n);
    CHECK_EQ(1, raw[0]);
    CHECK_MEM("\1\2\3\4\5\6\7\x08", raw + 97, 8);
    CHECK_EQ(CERT_WORKER, raw[121]);
    CHECK_EQ(10, raw[122]);
    CHECK_OK(cert_decode(vl_span(raw, n), &back));
    CHECK_MEM(c.root, back.root, 32);
    CHECK_MEM(c.node.b, back.node.b, 32);
    CHECK_MEM(c.static_key, back.static_key, 32);
    CHECK_EQ(c.serial, back.serial);
    CHECK_EQ(c.issued_ms, back.issued_ms);
    CHECK_EQ(c.expires_ms, back.expires_ms);
    CHECK_EQ(c.roles, back.roles);
    CHECK_STR(c.name, back.name);
    CHECK_MEM(c.signature, back.signature, 64);
    CHECK_EQ(n - 64, cert_body(vl_span(raw, n)).n);
    CHECK_EQ(0, cert_body(vl_span(raw, 64)).n);
}

TEST(cert, refuses_every_cut_and_every_trailing_byte) {
    struct cert c = sample(), back = { .serial = 77 };
    uint8_t raw[CERT_BYTES_MAX + 1];
    size_t n = 0;
    CHECK_OK(cert_encode(&c, raw, sizeof raw, &n));
    for (size_t cut = 0; cut < n; cut++) CHECK_EQ(VL_EPARSE, cert_decode(vl_span(raw, cut), &back));
    CHECK_EQ(VL_EPARSE, cert_decode(vl_span(raw, n + 1), &back));
    CHECK_EQ(77, back.serial);
    for (size_t cap = 0; cap < n; cap++) CHECK_EQ(VL_ELIMIT, cert_encode(&c, raw, cap, &n));
}

TEST(cert, tells_a_newer_version_apart) {
    struct cert c = sample();
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = 0;
    CHECK_OK(cert_encode(&c, raw, sizeof raw, &n));
    raw[0] = 2;
    CHECK_EQ(VL_EVERSION, cert_decode(vl_span(raw, n), &c));
    raw[0] = 0;
    CHECK_EQ(VL_EVERSION, cert_decode(vl_span(raw, n), &c));
}

static void refused(const struct cert *bad, size_t at, const void *bytes, size_t bytes_n) {
    struct cert c = sample(), back;
    uint8_t raw[CERT_BYTES_MAX];
    size_t n = 0;
    CHECK_EQ(VL_ERANGE, cert_encode(bad, raw, sizeof raw, &n));
    CHECK_OK(cert_encode(&c, raw, sizeof raw, &n));
    memcpy(raw + at, bytes, bytes_n); /* the same on the wire */
    CHECK_EQ(VL_EPARSE, cert_decode(vl_span(raw, n), &back));
}

TEST(cert, refuses_values_out_of_range_both_ways) {
    static const uint8_t zeros[8] = { 0 };
    struct cert c = sample();
    c.serial = 0;
    refused(&c, 97, zeros, 8);
    c = sample();
    c.expires_ms = c.issued_ms;
    refused(&c, 113, "\0\0\0\0\0\0\x03\xe8", 8);
    c = sample();
    c.roles = 0;
    refused(&c, 121, zeros, 1);
    c = sample();
    c.roles = 8;
    refused(&c, 121, "\x08", 1);
    c = sample();
    strcpy(c.name, "a\nb");
    refused(&c, 124, "\n", 1);
}

TEST(cert, name_is_1_to_63_bytes_of_clean_utf8) {
    char name[VL_NAME_MAX + 1];
    memset(name, 'x', sizeof name);
    name[63] = '\0';
    CHECK_OK(cert_name_check(name));
    name[63] = 'x';
    name[64] = '\0';
    CHECK_EQ(VL_EPARSE, cert_name_check(name));
    CHECK_OK(cert_name_check("\xf0\x9f\x8c\xb3 \xe6\x9d\x91"));
    static const char *const bad[] = {
        "",                 /* empty */
        "a\x1b[2J",         /* terminal control */
        "\x7f",             /* delete */
        "\xc2\x85",         /* next line, C1 */
        "\xe2\x80\xae gnp", /* right-to-left override */
        "\xe2\x81\xa6",     /* isolate */
        "\xe2\x80\xa8",     /* line separator */
        "\xc0\xaf",         /* overlong */
        "\xe0\x80\xaf",     /* overlong */
        "\xed\xa0\x80",     /* surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xff",
        "\x80",
        "a\xc3",    /* cut */
        "\xe2\x82", /* cut */
        "\xc3(",    /* no continuation */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(VL_EPARSE, cert_name_check(bad[i]));
}

static size_t list_encode(const struct revocation *v, uint32_t count, uint8_t *dst, size_t cap) {
    uint8_t root[32] = { 9 };
    size_t n = 0;
    CHECK_OK(revocations_encode_body(root, 5, 77, v, count, dst, cap, &n));
    memset(dst + n, 6, CERT_SIGNATURE);
    return n + CERT_SIGNATURE;
}

TEST(revocations, are_found_by_node) {
    struct revocation v[5];
    uint8_t raw[53 + 5 * 48 + 64];
    struct revocations list;
    for (uint8_t i = 0; i < 5; i++) v[i] = (struct revocation){ .node = { { (uint8_t)(10 * i) } }, .serial = 100u + i, .at_ms = 7u + i };
    size_t n = list_encode(v, 5, raw, sizeof raw);
    CHECK_EQ(sizeof raw, n);
    CHECK_OK(revocations_decode(vl_span(raw, n), &list));
    CHECK_EQ(5, list.number);
    CHECK_EQ(77, list.issued_ms);
    CHECK_EQ(5, list.count);
    for (uint8_t i = 0; i < 5; i++) {
        vl_ms at = 0;
        CHECK_EQ(100 + i, revocations_find(&list, v[i].node, &at));
        CHECK_EQ(7 + i, at);
        CHECK_EQ(100 + i, revocation_at(&list, i).serial);
        CHECK_EQ(0, revocations_find(&list, (struct vl_node_id){ { (uint8_t)(10 * i + 1) } }, NULL));
    }
    n = list_encode(v, 0, raw, sizeof raw);
    CHECK_OK(revocations_decode(vl_span(raw, n), &list));
    CHECK_EQ(0, revocations_find(&list, v[0].node, NULL));
}

TEST(revocations, refuse_disorder_doubles_zero_and_any_other_length) {
    struct revocation v[2] = { { .node = { { 1 } }, .serial = 1 }, { .node = { { 2 } }, .serial = 1 } };
    uint8_t raw[53 + 2 * 48 + 64 + 1], root[32] = { 9 };
    struct revocations list = { .number = 99 };
    size_t n = list_encode(v, 2, raw, sizeof raw), m = 0;
    for (size_t cut = 0; cut < n; cut++) CHECK_EQ(VL_EPARSE, revocations_decode(vl_span(raw, cut), &list));
    CHECK_EQ(VL_EPARSE, revocations_decode(vl_span(raw, n + 1), &list));
    raw[53 + 48] = 1; /* the same node twice */
    CHECK_EQ(VL_EPARSE, revocations_decode(vl_span(raw, n), &list));
    raw[53 + 48] = 0; /* descending */
    CHECK_EQ(VL_EPARSE, revocations_decode(vl_span(raw, n), &list));
    raw[53 + 48] = 2;
    raw[53 + 39] = 0; /* serial 0 */
    CHECK_EQ(VL_EPARSE, revocations_decode(vl_span(raw, n), &list));
    raw[53 + 39] = 1;
    raw[40] = 0; /* list number 0 */
    CHECK_EQ(VL_EPARSE, revocations_decode(vl_span(raw, n), &list));
    raw[40] = 5;
    raw[0] = 3;
    CHECK_EQ(VL_EVERSION, revocations_decode(vl_span(raw, n), &list));
    CHECK_EQ(99, list.number);
    v[1].node.b[0] = 1;
    CHECK_EQ(VL_ERANGE, revocations_encode_body(root, 5, 77, v, 2, raw, sizeof raw, &m));
    v[1].node.b[0] = 2;
    CHECK_EQ(VL_ERANGE, revocations_encode_body(root, 0, 77, v, 2, raw, sizeof raw, &m));
    CHECK_EQ(VL_ELIMIT, revocations_encode_body(root, 5, 77, v, 2, raw, n - 1, &m));
}

TEST(revocations, end_at_their_limit) {
    struct revocation *v = calloc(REVOCATIONS_MAX + 1, sizeof *v);
    uint8_t *raw = malloc(REVOCATIONS_BYTES_MAX + 48), root[32] = { 0 };
    CHECK(v != NULL && raw != NULL);
    size_t n = 0;
    for (uint32_t i = 0; i <= REVOCATIONS_MAX; i++) {
        vl_put_u32(v[i].node.b, i);
        v[i].serial = i + 1;
    }
    CHECK_EQ(VL_ERANGE,
             revocations_encode_body(root, 1, 1, v, REVOCATIONS_MAX + 1, raw, REVOCATIONS_BYTES_MAX + 48, &n));
    CHECK_OK(revocations_encode_body(root, 1, 1, v, REVOCATIONS_MAX, raw, REVOCATIONS_BYTES_MAX, &n));
    CHECK_EQ(REVOCATIONS_BYTES_MAX, n + CERT_SIGNATURE);
    CHECK(REVOCATIONS_BYTES_MAX <= VL_MESSAGE_MAX - 1024); /* fits a message with its heading */
    struct revocations list;
    memset(raw + n, 0, CERT_SIGNATURE);
    CHECK_OK(revocations_decode(vl_span(raw, n + CERT_SIGNATURE), &list));
    vl_put_u32(raw + 49, REVOCATIONS_MAX + 1); /* one more, well formed */
    memcpy(raw + n, v[REVOCATIONS_MAX].node.b, 32);
    vl_put_u64(raw + n + 32, v[REVOCATIONS_MAX].serial);
    vl_put_u64(raw + n + 40, 0);
    memset(raw + n + 48, 0, CERT_SIGNATURE);
    CHECK_EQ(VL_EPARSE, revocations_decode(vl_span(raw, n + 48 + CERT_SIGNATURE), &list));
    free(v);
    free(raw);
}

TEST(revocations, of_the_first_version_are_read_with_the_lists_time) {
    uint8_t raw[53 + 2 * 40 + 64] = { 1 };
    struct revocations list;
    vl_ms at = 0;
    vl_put_u64(raw + 33, 4);
    vl_put_u64(raw + 41, 999);
    vl_put_u32(raw + 49, 2);
    raw[53] = 1;
    raw[53 + 39] = 5;
    raw[93] = 2;
    raw[93 + 39] = 6;
    CHECK_OK(revocations_decode(vl_span(raw, sizeof raw), &list));
    CHECK_EQ(6, revocations_find(&list, (struct vl_node_id){ { 2 } }, &at));
    CHECK_EQ(999, at);
    raw[0] = 2; /* the entries of the second are longer */
    CHECK_EQ(VL_EPARSE, revocations_decode(vl_span(raw, sizeof raw), &list));
}
