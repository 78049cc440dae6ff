#include "wire/contribution.h"
#include "wire/reading.h"

#include "check.h"

#include <string.h>

static struct contribution session(void) {
    return (struct contribution){ .start_ms = 1000, .end_ms = 9000, .open = true, .cpu_us = 1, .gpu_us = 2, .memory_byte_s = 3,
                                  .storage_bytes = 4, .network_bytes = 5, .done = 6, .failed = 7, .handed_back = 8, .frozen_ms = 8000,
                                  .throttled_ms = 10 };
}

TEST(contribution, survives_the_round_trip_and_no_cut_or_trailing_byte_is_taken) {
    struct contribution c = session(), back;
    struct contribution_row row = { .claimed = c, .receipts_cpu_us = 11, .receipts = 12, .believed_cpu_us = 13 }, row_back;
    struct vl_buf b, r;
    vl_buf_init(&b, CONTRIBUTION_RECORD_MAX);
    vl_buf_init(&r, CONTRIBUTION_RECORD_MAX);
    CHECK_OK(contribution_encode(&c, &b));
    CHECK_OK(contribution_decode(vl_span(b.p, b.len), &back));
    CHECK_OK(contribution_encode(&back, &r));
    CHECK_EQ(b.len, r.len);
    CHECK_MEM(b.p, r.p, b.len);
    vl_buf_clear(&r);
    CHECK_EQ(8000, back.frozen_ms);
    CHECK_EQ(8, back.handed_back);
    CHECK_OK(contribution_row_encode(&row, &r));
    CHECK_OK(contribution_row_decode(vl_span(r.p, r.len), &row_back));
    CHECK_EQ(12, row_back.receipts);
    CHECK_EQ(13, row_back.believed_cpu_us);
    for (size_t n = 0; n < b.len; n++) CHECK(contribution_decode(vl_span(b.p, n), &back) != VL_OK);
    for (size_t n = 0; n < r.len; n++) CHECK(contribution_row_decode(vl_span(r.p, n), &row_back) != VL_OK);
    CHECK_OK(vl_buf_append(&b, "", 1));
    CHECK_EQ(VL_EPARSE, contribution_decode(vl_span(b.p, b.len), &back));
    vl_buf_free(&b);
    vl_buf_free(&r);
}

TEST(contribution, refuses_sessions_that_contradict_themselves) {
    struct contribution c[6];
    struct vl_buf b;
    vl_buf_init(&b, CONTRIBUTION_RECORD_MAX);
    for (int i = 0; i < 6; i++) c[i] = session();
    c[0].start_ms = 0;
    c[1].end_ms = 999;
    c[2].frozen_ms = 8001;
    c[3].throttled_ms = 8001;
    c[4].end_ms = VL_MS_NEVER;
    for (int i = 0; i < 5; i++) CHECK_EQ(VL_ERANGE, contribution_encode(&c[i], &b));
    CHECK_OK(contribution_encode(&c[5], &b));
    vl_buf_free(&b);
}

TEST(reading, names_every_signal_and_nothing_else) {
    for (unsigned i = 0; i < SIGNALS; i++) CHECK(signal_name((enum signal_kind)i) != NULL && signal_unit((enum signal_kind)i) != NULL);
    CHECK_STR("unknown", signal_name((enum signal_kind)SIGNALS));
}
