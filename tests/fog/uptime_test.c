#include "fog/uptime.h"

#include "check.h"

#define HOUR 3600000ull
#define DAY (24 * HOUR)

TEST(uptime, a_newcomer_is_thought_little_of) {
    struct uptime u;
    uptime_begin(&u, 1000, true);
    CHECK_EQ(850, (uptime_mean_ppb(&u) + 500000) / 1000000); /* 17 of 20 hours */
    CHECK(uptime_lower_ppb(&u) > 710000000 && uptime_lower_ppb(&u) < 730000000); /* .85 - 1.645 * .0779 */
}

TEST(uptime, hours_are_the_observations_of_the_bound) {
    /* fog.md section 5, E - 1.645 sd of Beta(r + 1, s + 1): 10/0 .791, 50/0 .950, 100/1 .958, 500/1 .991 */
    const struct {
        uint64_t up, down;
        uint32_t milli;
    } rows[] = { { 10, 0, 791 }, { 50, 0, 950 }, { 100, 1, 958 }, { 500, 1, 991 } };
    for (uint32_t i = 0; i < 4; i++) {
        struct uptime u = { .up_ms = rows[i].up * HOUR, .down_ms = rows[i].down * HOUR, .up = true };
        CHECK_EQ(rows[i].milli, (uptime_lower_ppb(&u) + 500000) / 1000000);
    }
}

TEST(uptime, forgets_half_of_what_it_saw_in_a_half_life) {
    struct uptime u = { .up_ms = 400 * HOUR, .down_ms = 40 * HOUR, .at_ms = 5 * DAY, .up = true };
    struct uptime v = u;
    uptime_pass(&u, 5 * DAY + UPTIME_HALF_MS);
    CHECK(u.down_ms > 19.98 * HOUR && u.down_ms < 20.02 * HOUR);
    /* 336 hours that fade while they last: 336 / ln 2 / 2 = 242.4 */
    CHECK(u.up_ms > (200 + 240) * HOUR && u.up_ms < (200 + 245) * HOUR);
    for (uint64_t t = 1; t <= 14 * 24 * 4; t++) uptime_pass(&v, 5 * DAY + t * HOUR / 4); /* however often one looks */
    CHECK(v.down_ms > 19.98 * HOUR && v.down_ms < 20.02 * HOUR);
    CHECK(v.up_ms + 2 * HOUR > u.up_ms && v.up_ms < u.up_ms + 2 * HOUR);
}

TEST(uptime, a_year_of_a_sound_node_ends_below_a_promise_of_silver) {
    struct uptime u;
    uptime_begin(&u, DAY, true);
    uptime_pass(&u, 366 * DAY);
    CHECK(uptime_lower_ppb(&u) > 994000000 && uptime_lower_ppb(&u) < 995000000);
    CHECK(u.down_ms < 1000); /* what a newcomer was charged with has faded */
}

TEST(uptime, downtime_counts_from_when_it_began) {
    struct uptime u = { .up_ms = 0, .down_ms = 0, .at_ms = 100 * DAY, .up = true };
    uptime_mark(&u, 100 * DAY + 1000, false);
    CHECK_EQ(1000, u.up_ms);
    uptime_mark(&u, 100 * DAY + 3500, true);
    CHECK_EQ(2500, u.down_ms);
    uptime_mark(&u, 100 * DAY, false); /* before what is told: from there on */
    uptime_pass(&u, 100 * DAY + 3600);
    CHECK_EQ(2600, u.down_ms);
    CHECK_EQ(1000, u.up_ms);
}

TEST(uptime, time_nobody_watched_counts_neither_way) {
    struct uptime u, before;
    uptime_begin(&u, 10 * DAY, true);
    before = u;
    uptime_blind(&u, 20 * DAY);
    CHECK_EQ(before.up_ms, u.up_ms);
    CHECK_EQ(before.down_ms, u.down_ms);
    uptime_pass(&u, 15 * DAY); /* the clock does not run backwards, but an event may be late */
    CHECK_EQ(20 * DAY, u.at_ms);
}

TEST(uptime, reads_back_what_it_wrote_and_nothing_shorter) {
    struct uptime u, back;
    struct vl_buf b;
    vl_buf_init(&b, UPTIME_RECORD_MAX);
    uptime_begin(&u, 77 * DAY, true);
    uptime_mark(&u, 78 * DAY, false);
    CHECK_OK(uptime_encode(&u, &b));
    CHECK_OK(uptime_decode(vl_span(b.p, b.len), &back));
    CHECK(back.up_ms == u.up_ms && back.down_ms == u.down_ms && back.at_ms == u.at_ms && back.up == u.up);
    for (size_t n = 0; n < b.len; n++) CHECK_EQ(VL_EPARSE, uptime_decode(vl_span(b.p, n), &back));
    b.p[b.len - 1] = 2;
    CHECK_EQ(VL_EPARSE, uptime_decode(vl_span(b.p, b.len), &back));
    b.p[1] = 9;
    CHECK_EQ(VL_EVERSION, uptime_decode(vl_span(b.p, b.len), &back));
    vl_buf_free(&b);
}
