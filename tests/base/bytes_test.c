#include "base/bytes.h"
#include "base/err.h"
#include "base/ms.h"

#include "check.h"

#include <string.h>

TEST(err, names_and_classes_come_from_the_table) {
    CHECK_STR("ENOSPC", vl_err_name(VL_ENOSPC));
    CHECK_STR("no space left", vl_err_text(VL_ENOSPC));
    CHECK_EQ(VL_CLASS_RETRY, vl_err_class(VL_ENOSPC));
    CHECK_STR("unknown error", vl_err_text((enum vl_err) - 999));
    CHECK_EQ(VL_CLASS_STOP, vl_err_class((enum vl_err) - 999));
}

TEST(buf, refuses_to_grow_past_its_cap_by_one_byte) {
    struct vl_buf b;
    vl_buf_init(&b, 4);
    CHECK_OK(vl_buf_append(&b, "abcd", 4));
    CHECK_EQ(VL_ELIMIT, vl_buf_append(&b, "e", 1));
    CHECK_EQ(4, b.len);
    vl_buf_consume(&b, 1);
    CHECK_MEM("bcd", b.p, 3);
    CHECK_OK(vl_buf_append(&b, "e", 1));
    CHECK_EQ(VL_ELIMIT, vl_buf_reserve(&b, SIZE_MAX));
    vl_buf_free(&b);
}

TEST(reader, fails_sticky_and_yields_zeros_after_the_first_short_read) {
    const uint8_t in[] = { 1, 2, 3 };
    struct vl_reader r = vl_reader(in, sizeof in);
    CHECK_EQ(0x0102, vl_read_u16(&r));
    CHECK_EQ(0, vl_read_u32(&r));
    CHECK_EQ(0, vl_read_u8(&r)); /* one byte is left, but the reader has failed */
    CHECK_EQ(VL_EPARSE, vl_reader_end(&r));
}

TEST(reader, refuses_trailing_bytes) {
    struct vl_reader r = vl_reader("xy", 2);
    vl_read_u8(&r);
    CHECK_EQ(VL_EPARSE, vl_reader_end(&r));
    vl_read_u8(&r);
    CHECK_OK(vl_reader_end(&r));
}

TEST(writer, writes_what_the_reader_reads_and_stops_at_its_cap) {
    uint8_t p[15];
    struct vl_writer w = vl_writer(p, sizeof p);
    vl_write_u8(&w, 0xfe);
    vl_write_u16(&w, 0xabcd);
    vl_write_u32(&w, 0x01020304);
    vl_write_u64(&w, UINT64_MAX - 1);
    CHECK(!w.failed && w.len == 15);
    vl_write_u8(&w, 0);
    CHECK(w.failed && w.len == 15);
    struct vl_reader r = vl_reader(p, w.len);
    CHECK_EQ(0xfe, vl_read_u8(&r));
    CHECK_EQ(0xabcd, vl_read_u16(&r));
    CHECK_EQ(0x01020304, vl_read_u32(&r));
    CHECK(vl_read_u64(&r) == UINT64_MAX - 1);
    CHECK_OK(vl_reader_end(&r));
}

TEST(time, formats_rfc3339_and_saturates) {
    char s[25];
    vl_ms_format(1767323045678u, s);
    CHECK_STR("2026-01-02T03:04:05.678Z", s);
    vl_ms_format(VL_MS_NEVER, s);
    CHECK_STR("9999-12-31T23:59:59.999Z", s);
    CHECK(vl_ms_add(VL_MS_NEVER - 1, 5) == VL_MS_NEVER);
}
