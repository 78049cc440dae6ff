/* OpenTimestamps: a file that Debian's python3-opentimestamps 0.4.2 wrote, with the messages that it computes; then damage. */
#include "trust/ots.h"

#include "base/text.h"
#include "crypto/hash.h"

#include "check.h"

#include <string.h>

/* SHA-256 of "village"; forks to Bitcoin 1 behind RIPEMD-160, to a calendar, to Bitcoin 358391 and to Ethereum 42. */
static const char *const file =
    "004f70656e54696d657374616d7073000050726f6f6600bf89e2e884e892940108"
    "05cfbe283381aab8902e93d508ff031c0bcd3f95501c59ee28ac34b21b240fa3"
    "ff03000588960d73d719010101"
    "fff00301020308"
    "ff0083dfe30d2ef90c8e1e1d68747470733a2f2f63616c2e6578616d706c652e6f72672f782d795f7a"
    "f120aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa08080005"
    "88960d73d7190103f7ef15"
    "f1017a670030fe8087b5c7ead7012a";
enum { HEAD = 33 + 32 }; /* magic, version, operation, digest */

static size_t load(uint8_t dst[512]) {
    size_t n = strlen(file) / 2;
    CHECK(n <= 512);
    CHECK_OK(vl_hex_decode(file, dst, n));
    return n;
}

static void load_head(uint8_t dst[HEAD]) {
    uint8_t whole[512];
    load(whole);
    memcpy(dst, whole, HEAD);
}

static void attests(const struct ots_attestation *a, enum ots_kind kind, uint64_t height, const char *message) {
    char got[65];
    CHECK_EQ(kind, a->kind);
    CHECK_EQ(height, a->height);
    CHECK(a->computed);
    CHECK_EQ(32, a->message_n);
    vl_hex_encode(a->message, 32, got);
    CHECK_STR(message, got);
}

TEST(ots, computes_every_message_as_the_reference_does) {
    static struct ots o;
    uint8_t in[512], digest[32];
    size_t n = load(in);
    CHECK_OK(ots_parse(vl_span(in, n), &o));
    crypto_sha256(vl_span_str("village"), digest);
    CHECK_MEM(digest, o.digest, 32);
    CHECK_EQ(4, o.n);
    CHECK_EQ(OTS_BITCOIN, o.at[0].kind); /* its message is not computed here, and so not claimed */
    CHECK(!o.at[0].computed && o.at[0].message_n == 0);
    attests(&o.at[1], OTS_PENDING, 0, "d6542d7268f2d9f5b3aee2ec38774d422391d43f70af05b736b215a4f740ed43");
    CHECK(vl_span_eq(o.at[1].uri, vl_span_str("https://cal.example.org/x-y_z")));
    attests(&o.at[2], OTS_BITCOIN, 358391, "b8a8a3c0a45225424c5ed679fe1b58804e4293463b4edaf25f7c35820054fbd0");
    attests(&o.at[3], OTS_ETHEREUM, 42, "4939758961b713d61ed39d9542d7fe84953caa4e36711a50e04d3939a3bf3876");
}

TEST(ots, reverses_a_message) {
    static struct ots o;
    static const uint8_t tail[] = { 0xf2, 0x00, 0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01, 0x01, 0x05 };
    uint8_t in[HEAD + sizeof tail], digest[32];
    load_head(in);
    memcpy(in + HEAD, tail, sizeof tail);
    CHECK_OK(ots_parse(vl_span(in, sizeof in), &o));
    crypto_sha256(vl_span_str("village"), digest);
    CHECK(o.n == 1 && o.at[0].computed && o.at[0].height == 5 && o.at[0].message_n == 32);
    for (size_t k = 0; k < 32; k++) CHECK_EQ(digest[31 - k], o.at[0].message[k]);
}

TEST(ots, knows_an_attestation_of_litecoin) {
    static struct ots o;
    uint8_t in[HEAD + 12];
    load_head(in);
    CHECK_OK(vl_hex_decode("0006869a0d73d71b450107", in + HEAD, 11));
    CHECK_OK(ots_parse(vl_span(in, HEAD + 11), &o));
    CHECK_EQ(1, o.n);
    CHECK_EQ(OTS_LITECOIN, o.at[0].kind);
    CHECK_EQ(7, o.at[0].height);
    CHECK_MEM(o.digest, o.at[0].message, 32);
}

TEST(ots, refuses_a_file_that_is_cut_anywhere_or_goes_on) {
    static struct ots o;
    uint8_t in[512] = { 0 };
    size_t n = load(in);
    for (size_t cut = 0; cut < n; cut++) CHECK(ots_parse(vl_span(in, cut), &o) != VL_OK);
    CHECK_EQ(VL_EPARSE, ots_parse(vl_span(in, n + 1), &o));
    CHECK_EQ(0, o.n); /* untouched */
}

TEST(ots, says_why_a_file_is_not_for_it) {
    static struct ots o;
    uint8_t in[512];
    size_t n = load(in);
    in[31] = 2;
    CHECK_EQ(VL_EVERSION, ots_parse(vl_span(in, n), &o));
    load(in);
    in[32] = 0x03;
    CHECK_EQ(VL_EUNSUPPORTED, ots_parse(vl_span(in, n), &o));
    load(in);
    in[1] ^= 1;
    CHECK_EQ(VL_EPARSE, ots_parse(vl_span(in, n), &o));
}

/* A file of the digest 0 and this timestamp. */
static enum vl_err tail_err(const void *tail, size_t n) {
    static const uint8_t digest[32] = { 0 };
    struct vl_buf out;
    vl_buf_init(&out, OTS_FILE_MAX);
    enum vl_err err = ots_write(digest, vl_span(tail, n), &out);
    vl_buf_free(&out);
    return err;
}

#define PENDING "\x00\x83\xdf\xe3\x0d\x2e\xf9\x0c\x8e"
#define TAIL(s) tail_err((s), sizeof(s) - 1)

TEST(ots, refuses_what_an_honest_calendar_never_says) {
    CHECK_OK(TAIL("\x08" PENDING "\x02\x01x"));
    CHECK_EQ(VL_EPARSE, TAIL("\x08" PENDING "\x02\x01;"));           /* a URI with a sign that a shell would read */
    CHECK_EQ(VL_EPARSE, TAIL("\x08" PENDING "\x03\x01xx"));          /* more payload than it says */
    CHECK_EQ(VL_EPARSE, TAIL("\x08" PENDING "\x02\x81\x00x"));       /* a number with a second form */
    CHECK_EQ(VL_EPARSE, TAIL("\x09" PENDING "\x02\x01x"));           /* no such operation */
    CHECK_EQ(VL_EPARSE, TAIL("\xff\xff" PENDING "\x02\x01x"));
    CHECK_EQ(VL_EPARSE, TAIL("\xf0\x00" PENDING "\x02\x01x"));       /* appends nothing */
    CHECK_EQ(VL_EPARSE, TAIL("\xf0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
}

TEST(ots, bounds_what_a_file_can_cost) {
    static uint8_t tail[3 * OTS_STEPS_MAX];
    size_t n = 0;
    for (n = 0; n <= 7; n++) tail[n] = 0xf3; /* 32 bytes, doubled eight times */
    CHECK_EQ(VL_ELIMIT, tail_err(tail, n));
    memset(tail, 0x08, sizeof tail);
    CHECK_EQ(VL_ELIMIT, tail_err(tail, sizeof tail));
    for (n = 0; n + 1 < sizeof tail; n += 2) tail[n] = 0xff, tail[n + 1] = 0x08;
    CHECK_EQ(VL_ELIMIT, tail_err(tail, sizeof tail));
}

TEST(ots, writes_the_file_that_a_calendars_answer_makes) {
    uint8_t in[512];
    size_t n = load(in);
    struct vl_buf out;
    vl_buf_init(&out, OTS_FILE_MAX);
    CHECK_OK(ots_write(in + 33, vl_span(in + HEAD, n - HEAD), &out));
    CHECK_EQ(n, out.len);
    CHECK_MEM(in, out.p, n);
    vl_buf_free(&out);
}
