#include "wire/ticket.h"

#include "base/bytes.h"
#include "base/map.h"
#include "base/text.h"

#include "check.h"

#include <ctype.h>
#include <string.h>

static struct ticket sample(const char *address) {
    struct ticket t = { 0 };
    for (uint8_t i = 0; i < 16; i++) {
        t.village.b[i] = (uint8_t)(0xa0 + i);
        t.secret[i] = (uint8_t)(0x10 + i);
    }
    CHECK_OK(ticket_address_parse(address, &t.address));
    return t;
}

static void check_same(const struct ticket *a, const struct ticket *b) {
    CHECK_MEM(a->village.b, b->village.b, sizeof a->village.b);
    CHECK_MEM(a->secret, b->secret, sizeof a->secret);
    CHECK_EQ(a->address.kind, b->address.kind);
    CHECK_EQ(a->address.port, b->address.port);
    CHECK_MEM(a->address.ip, b->address.ip, sizeof a->address.ip);
    CHECK_MEM(a->address.host, b->address.host, sizeof a->address.host);
}

TEST(ticket, is_one_short_string_that_reads_back) {
    static const struct {
        const char *address;
        size_t len;
    } rows[] = {
        { "192.0.2.1:8888", 72 },
        { "[2001:db8::1]:1", 91 },
        { "fog.example:65535", 83 },
        { "a.b:80", 71 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ticket t = sample(rows[i].address), back;
        char text[TICKET_TEXT], address[VL_ADDR_MAX];
        CHECK_OK(ticket_encode(&t, text));
        CHECK_EQ(rows[i].len, strlen(text));
        CHECK_MEM("vl1", text, 3);
        CHECK_OK(ticket_decode(text, &back));
        check_same(&t, &back);
        ticket_address_format(&back.address, address);
        CHECK_STR(rows[i].address, address);
        for (char *c = text; *c; c++) *c = (char)toupper(*c); /* as a QR code carries it */
        CHECK_OK(ticket_decode(text, &back));
        check_same(&t, &back);
    }
}

TEST(ticket, longest_name_fits_exactly) {
    char address[80], text[TICKET_TEXT];
    memset(address, 'x', 63);
    strcpy(address + 63, ":8888");
    struct ticket t = sample(address), back;
    CHECK_OK(ticket_encode(&t, text));
    CHECK_EQ(TICKET_TEXT - 1, strlen(text));
    CHECK_OK(ticket_decode(text, &back));
    check_same(&t, &back);
    memset(address, 'x', 64);
    strcpy(address + 64, ":8888");
    CHECK_EQ(VL_EPARSE, ticket_address_parse(address, &t.address));
}

TEST(ticket, every_mistyped_cut_or_doubled_character_is_called_damaged) {
    struct ticket t = sample("192.0.2.1:8888"), back = { .secret = { 42 } };
    char text[TICKET_TEXT], bad[TICKET_TEXT + 2];
    CHECK_OK(ticket_encode(&t, text));
    size_t n = strlen(text);
    for (size_t at = 3; at < n; at++) {
        for (const char *c = "abcdefghijklmnopqrstuvwxyz234567018 -"; *c; c++) {
            if (*c == text[at]) continue;
            strcpy(bad, text);
            bad[at] = *c;
            CHECK_EQ(VL_ECRYPTO, ticket_decode(bad, &back));
        }
        memcpy(bad, text, at);
        strcpy(bad + at, text + at + 1); /* left out */
        CHECK_EQ(VL_ECRYPTO, ticket_decode(bad, &back));
        memcpy(bad, text, at + 1);
        strcpy(bad + at + 1, text + at); /* doubled */
        CHECK_EQ(VL_ECRYPTO, ticket_decode(bad, &back));
        memcpy(bad, text, at); /* cut */
        bad[at] = '\0';
        CHECK_EQ(VL_ECRYPTO, ticket_decode(bad, &back));
        if (at + 1 < n && text[at] != text[at + 1]) { /* swapped */
            strcpy(bad, text);
            bad[at] = text[at + 1];
            bad[at + 1] = text[at];
            CHECK_EQ(VL_ECRYPTO, ticket_decode(bad, &back));
        }
    }
    CHECK_EQ(42, back.secret[0]);
}

TEST(ticket, something_else_is_not_a_ticket) {
    static const char *const bad[] = { "",         "v",      "vl", "vlan", "vl0abc", "hello", "12D3KooWBtg3aaRM",
                                       "http://x", " vl1abc" };
    struct ticket t;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(VL_EPARSE, ticket_decode(bad[i], &t));
    static char huge[5000] = "vl1";
    memset(huge + 3, 'a', sizeof huge - 4);
    CHECK_EQ(VL_ECRYPTO, ticket_decode(huge, &t));
    CHECK(strcmp(ticket_problem(VL_EPARSE), ticket_problem(VL_ECRYPTO)) != 0);
    CHECK(strcmp(ticket_problem(VL_EVERSION), ticket_problem(VL_ECRYPTO)) != 0);
}

/* What ticket_decode() says to these n bytes under a right check, as only a program makes it. */
static enum vl_err decode_raw(uint8_t *raw, size_t n) {
    static const uint64_t key[2] = { 0x76696c6c61676520, 0x7469636b65742031 };
    struct ticket t;
    char text[2 * TICKET_TEXT] = "vl1";
    vl_put_u32(raw + n, (uint32_t)vl_siphash(key, raw, n));
    vl_base32_encode(raw, n + 4, text + 3);
    return ticket_decode(text, &t);
}

TEST(ticket, contents_are_checked_even_when_the_check_is_right) {
    struct ticket t = sample("192.0.2.1:8888");
    char text[TICKET_TEXT];
    uint8_t raw[160] = { 0 };
    size_t n = 0;
    CHECK_OK(ticket_encode(&t, text));
    CHECK_OK(vl_base32_decode(text + 3, raw, sizeof raw, &n));
    n -= 4;
    CHECK_OK(decode_raw(raw, n));
    CHECK_EQ(VL_ECRYPTO, decode_raw(raw, n + 1));
    CHECK_EQ(VL_OK, decode_raw(raw, n));
    CHECK_EQ(VL_ECRYPTO, decode_raw(raw, n - 1));
    CHECK_EQ(VL_ECRYPTO, decode_raw(raw, 1));
    CHECK_EQ(VL_ECRYPTO, decode_raw(raw, 0));
    CHECK_OK(vl_base32_decode(text + 3, raw, sizeof raw, &n));
    n -= 4;
    for (unsigned kind = 0; kind < 16; kind++) {
        if (kind == TICKET_IP4) continue;
        raw[0] = (uint8_t)(0x10 | kind);
        CHECK_EQ(VL_ECRYPTO, decode_raw(raw, n)); /* as a name its bytes are no letters */
    }
    for (unsigned version = 0; version < 16; version++) {
        raw[0] = (uint8_t)(version << 4 | TICKET_IP4);
        CHECK_EQ(version == 1 ? VL_OK : version == 0 ? VL_ECRYPTO : VL_EVERSION, decode_raw(raw, n));
    }
    raw[0] = 0x10 | TICKET_IP4;
    raw[n - 2] = raw[n - 1] = 0; /* port 0 */
    CHECK_EQ(VL_ECRYPTO, decode_raw(raw, n));
    raw[0] = 0x10 | TICKET_DNS;
    memcpy(raw + 33, "\x1f\x90name", 6);
    CHECK_OK(decode_raw(raw, 39));
    raw[39] = 0; /* a NUL would hide what follows it */
    CHECK_EQ(VL_ECRYPTO, decode_raw(raw, 40));
    memcpy(raw + 37, "\0x", 2);
    CHECK_EQ(VL_ECRYPTO, decode_raw(raw, 39));
}

TEST(ticket, a_newer_one_is_told_apart_by_its_heading) {
    struct ticket t = sample("192.0.2.1:8888");
    char text[TICKET_TEXT];
    CHECK_OK(ticket_encode(&t, text));
    text[2] = '2';
    CHECK_EQ(VL_EVERSION, ticket_decode(text, &t));
    text[2] = '9';
    CHECK_EQ(VL_EVERSION, ticket_decode(text, &t));
}

TEST(ticket, refuses_to_write_an_address_that_nobody_can_dial) {
    struct ticket t = sample("192.0.2.1:8888");
    char text[TICKET_TEXT] = "kept";
    t.address.port = 0;
    CHECK_EQ(VL_ERANGE, ticket_encode(&t, text));
    t = sample("fog.example:1");
    strcpy(t.address.host, "bad host");
    CHECK_EQ(VL_ERANGE, ticket_encode(&t, text));
    t.address.kind = (enum ticket_address_kind)4;
    CHECK_EQ(VL_ERANGE, ticket_encode(&t, text));
    CHECK_STR("kept", text);
}

TEST(ticket_address, reads_the_three_kinds_and_nothing_else) {
    static const char *const bad[] = {
        "",
        ":",
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:080",
        "1.2.3:80",
        "256.1.1.1:8",
        "2001:db8::1:80",
        "[2001:db8::1]",
        "[]:80",
        "[192.0.2.1]:80",
        "[::1]x:80",
        "-a.b:80",
        "a-.b:80",
        "a..b:80",
        ".a:80",
        "a.:80",
        "a_b:80",
        "a b:80",
        "a.1:80",
        "a:+80",
        "a:8 0",
        "a:99999999999",
        "[fe80::1%1]:9",
        "\xc3\xb6.org:80",
        "a/b:80",
    };
    struct ticket_address a = { .port = 7 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(VL_EPARSE, ticket_address_parse(bad[i], &a));
    CHECK_EQ(7, a.port);
    CHECK_OK(ticket_address_parse("LocalHost:8888", &a));
    CHECK_EQ(TICKET_DNS, a.kind);
    CHECK_STR("localhost", a.host);
    CHECK_OK(ticket_address_parse("x-1.4a:65535", &a));
    CHECK_OK(ticket_address_parse("[::]:1", &a));
    CHECK_EQ(TICKET_IP6, a.kind);
}
