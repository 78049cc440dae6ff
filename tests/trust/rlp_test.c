/* Recursive length prefix: the examples of the yellow paper's appendix B, and every form that is not the canonical one. */
#include "trust/rlp.h"

#include "base/text.h"

#include "check.h"

#include <string.h>

#define HEX_MAX 256u

static void is(const struct vl_writer *w, const char *hex) {
    char got[2 * HEX_MAX + 1];
    CHECK(!w->failed && w->len <= HEX_MAX);
    vl_hex_encode(w->p, w->len, got);
    CHECK_STR(hex, got);
}

static void writes_bytes(const char *s, const char *hex) {
    uint8_t out[HEX_MAX];
    struct vl_writer w = vl_writer(out, sizeof out);
    rlp_put_bytes(&w, vl_span_str(s));
    is(&w, hex);
}

static void writes_u64(uint64_t v, const char *hex) {
    uint8_t out[HEX_MAX];
    struct vl_writer w = vl_writer(out, sizeof out);
    rlp_put_u64(&w, v);
    is(&w, hex);
    struct vl_reader r = vl_reader(out, w.len);
    uint64_t back = ~v;
    CHECK_OK(rlp_next_u64(&r, &back));
    CHECK_OK(vl_reader_end(&r));
    CHECK_EQ(v, back);
}

TEST(rlp, writes_the_published_examples) {
    writes_bytes("dog", "83646f67");
    writes_bytes("", "80");
    writes_bytes("\x0f", "0f");
    writes_bytes("Lorem ipsum dolor sit amet, consectetur adipisicing elit",
                 "b8384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e7365637465747572206164697069736963696e6720656c6974");
    writes_u64(0, "80");
    writes_u64(15, "0f");
    writes_u64(127, "7f");
    writes_u64(128, "8180");
    writes_u64(1024, "820400");
    writes_u64(UINT64_MAX, "88ffffffffffffffff");
}

TEST(rlp, nests_lists) {
    uint8_t a[16], b[16], c[16], d[16];
    struct vl_writer none = vl_writer(a, sizeof a), one = vl_writer(b, sizeof b), all = vl_writer(c, sizeof c), out = vl_writer(d, sizeof d);
    rlp_put_list(&none, vl_span(NULL, 0));
    rlp_put_list(&one, vl_span(none.p, none.len));
    vl_write_bytes(&all, none.p, none.len);
    vl_write_bytes(&all, one.p, one.len);
    uint8_t both[16];
    struct vl_writer two = vl_writer(both, sizeof both);
    vl_write_bytes(&two, none.p, none.len);
    vl_write_bytes(&two, one.p, one.len);
    rlp_put_list(&all, vl_span(two.p, two.len));
    rlp_put_list(&out, vl_span(all.p, all.len));
    is(&out, "c7c0c1c0c3c0c1c0");
}

static void refuses(const char *hex) {
    uint8_t in[HEX_MAX];
    struct rlp_item item;
    size_t n = strlen(hex) / 2;
    CHECK_OK(vl_hex_decode(hex, in, n));
    struct vl_reader r = vl_reader(in, n);
    CHECK_EQ(VL_EPARSE, rlp_next(&r, &item));
    CHECK(r.failed);
}

TEST(rlp, takes_no_second_form_of_anything) {
    refuses("");
    refuses("8100");               /* one byte below 0x80 stands for itself */
    refuses("817f");
    refuses("b800");               /* a short length written long */
    refuses("b837" "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000");
    refuses("f80180");
    refuses("b90038");             /* a length with a leading zero */
    refuses("83646f");             /* cut short */
    refuses("c2");
    refuses("b8");
    refuses("bfffffffffffffffff"); /* longer than any memory */
    refuses("ffffffffffffffffff");
}

TEST(rlp, tells_numbers_from_strings_with_leading_zeros_and_from_longer_numbers) {
    static const uint8_t zero_led[] = { 0x82, 0x00, 0x80 }, zero[] = { 0x00 },
                         nine[] = { 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0 }, list[] = { 0xc0 };
    uint64_t v = 7;
    struct vl_reader r = vl_reader(zero_led, sizeof zero_led);
    CHECK_EQ(VL_EPARSE, rlp_next_u64(&r, &v));
    r = vl_reader(zero, sizeof zero);
    CHECK_EQ(VL_EPARSE, rlp_next_u64(&r, &v));
    r = vl_reader(nine, sizeof nine);
    CHECK_EQ(VL_ERANGE, rlp_next_u64(&r, &v));
    r = vl_reader(list, sizeof list);
    CHECK_EQ(VL_EPARSE, rlp_next_u64(&r, &v));
    CHECK_EQ(7, v);
}
