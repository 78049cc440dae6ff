#include "wire/remote.h"

#include "check.h"

#include <string.h>

static uint8_t bytes[REMOTE_SPEC_MAX + 1];

/* Every cut of a message is refused, and so is one byte more. */
#define REFUSES_EVERY_CUT(decode, type, buf)                                                                           \
    do {                                                                                                               \
        type m_;                                                                                                       \
        uint8_t more_[REMOTE_PIECE + 256];                                                                             \
        for (size_t n_ = 0; n_<(buf).len; n_ += (buf).len> 1000 && n_ > 100 && n_ + 200 < (buf).len ? 97 : 1)          \
            CHECK(decode(vl_span((buf).p, n_), &m_) != VL_OK);                                                         \
        CHECK((buf).len < sizeof more_);                                                                               \
        memcpy(more_, (buf).p, (buf).len);                                                                             \
        more_[(buf).len] = 0;                                                                                          \
        CHECK_EQ(VL_EPARSE, decode(vl_span(more_, (buf).len + 1), &m_));                                               \
        more_[1] = 9;                                                                                                  \
        CHECK_EQ(VL_EVERSION, decode(vl_span(more_, (buf).len), &m_));                                                 \
        more_[0] ^= 0x80;                                                                                              \
        CHECK_EQ(VL_EPARSE, decode(vl_span(more_, (buf).len), &m_));                                                   \
    } while (0)

TEST(remote, a_submission_comes_back_as_it_was_and_is_bounded) {
    struct remote_submit m = { .job = { { 1, 2 } }, .spec = vl_span(bytes, 1000) }, got;
    struct vl_buf b;
    vl_buf_init(&b, VL_PAYLOAD_MAX);
    CHECK_OK(remote_submit_encode(&m, &b));
    CHECK_OK(remote_submit_decode(vl_span(b.p, b.len), &got));
    CHECK(vl_job_eq(m.job, got.job) && vl_span_eq(m.spec, got.spec));
    REFUSES_EVERY_CUT(remote_submit_decode, struct remote_submit, b);
    m.spec.n = 0;
    CHECK_EQ(VL_ERANGE, remote_submit_encode(&m, &b));
    m.spec.n = REMOTE_SPEC_MAX + 1;
    CHECK_EQ(VL_ERANGE, remote_submit_encode(&m, &b));
    vl_buf_clear(&b);
    m.spec.n = REMOTE_SPEC_MAX;
    CHECK_OK(remote_submit_encode(&m, &b)); /* the largest fits into an envelope */
    vl_buf_free(&b);
}

TEST(remote, a_piece_has_the_one_size_that_its_place_gives_it) {
    static const struct {
        uint32_t total, offset;
        size_t n;
        bool ok;
    } cases[] = { { 1, 0, 1, true },
                  { REMOTE_PIECE, 0, REMOTE_PIECE, true },
                  { REMOTE_PIECE + 1, REMOTE_PIECE, 1, true },
                  { REMOTE_DATA_MAX, 0, REMOTE_PIECE, true },
                  { 0, 0, 0, false },
                  { REMOTE_DATA_MAX + 1, 0, REMOTE_PIECE, false },
                  { REMOTE_PIECE + 1, 1, REMOTE_PIECE, false },
                  { REMOTE_PIECE, REMOTE_PIECE, 0, false },
                  { REMOTE_PIECE + 1, 0, REMOTE_PIECE - 1, false },
                  { 10, 0, 9, false },
                  { 10, 0, 11, false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct remote_data m = { .hash = { { 7 } },
                                 .total = cases[i].total,
                                 .offset = cases[i].offset,
                                 .bytes = vl_span(bytes, cases[i].n) },
                           got;
        struct vl_buf b;
        vl_buf_init(&b, VL_PAYLOAD_MAX);
        CHECK_EQ(cases[i].ok ? VL_OK : VL_ERANGE, remote_data_encode(&m, &b));
        if (cases[i].ok) {
            CHECK_OK(remote_data_decode(vl_span(b.p, b.len), &got));
            CHECK(vl_hash_eq(m.hash, got.hash) && got.total == m.total && got.offset == m.offset &&
                  vl_span_eq(m.bytes, got.bytes));
            REFUSES_EVERY_CUT(remote_data_decode, struct remote_data, b);
        }
        vl_buf_free(&b);
    }
}

TEST(remote, hashes_are_told_in_order_and_once) {
    uint8_t hashes[3 * 32] = { 0 };
    hashes[0] = 1;
    hashes[32] = 2;
    hashes[64] = 3;
    struct remote_missing m = { .job = { { 4 } }, .n = 3, .hashes = vl_span(hashes, sizeof hashes) }, got;
    struct vl_buf b;
    vl_buf_init(&b, VL_PAYLOAD_MAX);
    CHECK_OK(remote_missing_encode(&m, &b));
    CHECK_OK(remote_missing_decode(vl_span(b.p, b.len), &got));
    CHECK(got.n == 3 && remote_hash_at(&got, 2).b[0] == 3 && vl_job_eq(m.job, got.job));
    REFUSES_EVERY_CUT(remote_missing_decode, struct remote_missing, b);
    vl_buf_clear(&b);
    hashes[32] = 1;
    CHECK_EQ(VL_ERANGE, remote_missing_encode(&m, &b));
    hashes[32] = 4;
    CHECK_EQ(VL_ERANGE, remote_missing_encode(&m, &b));
    m.n = 0;
    m.hashes.n = 0;
    CHECK_OK(remote_missing_encode(&m, &b)); /* a question for news */
    CHECK_OK(remote_missing_decode(vl_span(b.p, b.len), &got));
    m.n = REMOTE_HASHES_MAX + 1;
    m.hashes = vl_span(bytes, (size_t)m.n * 32);
    CHECK_EQ(VL_ERANGE, remote_missing_encode(&m, &b));
    vl_buf_free(&b);
}

TEST(remote, news_rows_and_cancels_come_back_as_they_were) {
    struct remote_news news = { .job = { { 1 } }, .seq = 1ull << 60, .row = vl_span(bytes, 60) }, news2;
    struct remote_task task = { .job = { { 2 } }, .index = REMOTE_ROWS_MAX - 1, .row = vl_span(bytes, 50) }, task2;
    struct remote_cancel cancel = { .job = { { 3 } } }, cancel2;
    struct vl_buf b;
    vl_buf_init(&b, VL_PAYLOAD_MAX);
    CHECK_OK(remote_news_encode(&news, &b));
    CHECK_OK(remote_news_decode(vl_span(b.p, b.len), &news2));
    CHECK(vl_job_eq(news.job, news2.job) && news2.seq == news.seq && vl_span_eq(news.row, news2.row));
    REFUSES_EVERY_CUT(remote_news_decode, struct remote_news, b);
    vl_buf_clear(&b);
    CHECK_OK(remote_task_encode(&task, &b));
    CHECK_OK(remote_task_decode(vl_span(b.p, b.len), &task2));
    CHECK(vl_job_eq(task.job, task2.job) && task2.index == task.index && vl_span_eq(task.row, task2.row));
    REFUSES_EVERY_CUT(remote_task_decode, struct remote_task, b);
    task.index = REMOTE_ROWS_MAX;
    CHECK_EQ(VL_ERANGE, remote_task_encode(&task, &b));
    vl_buf_clear(&b);
    CHECK_OK(remote_cancel_encode(&cancel, &b));
    CHECK_OK(remote_cancel_decode(vl_span(b.p, b.len), &cancel2));
    CHECK(vl_job_eq(cancel.job, cancel2.job));
    REFUSES_EVERY_CUT(remote_cancel_decode, struct remote_cancel, b);
    vl_buf_free(&b);
}

TEST(remote, a_record_says_only_what_its_state_can_have) {
    struct remote_record m = { .state = REMOTE_SUBMITTING,
                               .level = MIX_PRIVATE,
                               .at_ms = 5,
                               .spec = vl_span(bytes, 10) },
                         got;
    struct vl_buf b;
    vl_buf_init(&b, VL_MESSAGE_MAX);
    CHECK_OK(remote_record_encode(&m, &b));
    CHECK_OK(remote_record_decode(vl_span(b.p, b.len), &got));
    CHECK(got.state == m.state && got.level == m.level && got.at_ms == 5 && vl_span_eq(m.spec, got.spec) &&
          !got.cancel);
    REFUSES_EVERY_CUT(remote_record_decode, struct remote_record, b);
    m.row = vl_span(bytes, 4); /* not yet */
    CHECK_EQ(VL_ERANGE, remote_record_encode(&m, &b));
    m.state = REMOTE_FETCHING;
    CHECK_OK(remote_record_encode(&m, &b));
    m.row.n = 0;
    CHECK_EQ(VL_ERANGE, remote_record_encode(&m, &b));
    m.state = REMOTE_ENDED; /* nothing to send any more */
    CHECK_EQ(VL_ERANGE, remote_record_encode(&m, &b));
    m.spec.n = 0;
    m.unanswered = m.cancel = true;
    CHECK_OK(remote_record_encode(&m, &b));
    m.level = (enum mix_level)MIX_LEVELS;
    CHECK_EQ(VL_ERANGE, remote_record_encode(&m, &b));
    vl_buf_free(&b);
}
