#include "fog/shed.h"

#include "check.h"

#define ROOM 1000u

static struct shed fresh(void) {
    struct shed s;
    shed_init(&s, 1);
    return s;
}

/* Samples every 100 ms from `from` to `to`, both included. */
static void samples(struct shed *s, enum shed_gauge g, vl_ms from, vl_ms to, uint64_t delay_ms) {
    for (vl_ms t = from; t <= to; t += 100) shed_note(s, g, t, delay_ms);
}

static enum shed_why asked(struct shed *s, vl_ms now, enum sla_class class) { return shed_ask(s, now, class, 0, ROOM).why; }

TEST(shed, takes_every_class_while_nothing_waits) {
    struct shed s = fresh();
    CHECK_EQ(SHED_TAKEN, asked(&s, 1, SLA_B));
    CHECK_EQ(SHED_TAKEN, asked(&s, 1, SLA_A));
    CHECK_EQ(SHED_TAKEN, asked(&s, 1, SLA_S));
    CHECK_EQ(VL_MS_NEVER, shed_deadline(&s, 1));
}

TEST(shed, turns_class_b_away_after_exactly_a_second_over_100_ms_then_a_and_never_s) {
    struct shed s = fresh();
    samples(&s, SHED_COMMIT, 10000, 10900, 101);
    shed_note(&s, SHED_COMMIT, 10999, 101);
    CHECK_EQ(SHED_TAKEN, asked(&s, 10999, SLA_B));
    shed_note(&s, SHED_COMMIT, 11000, 101);
    CHECK_EQ(SHED_SLOW_COMMIT, asked(&s, 11000, SLA_B));
    CHECK_EQ(SHED_TAKEN, asked(&s, 11000, SLA_A));
    samples(&s, SHED_COMMIT, 11100, 11900, 500);
    CHECK_EQ(SHED_TAKEN, asked(&s, 11900, SLA_A));
    shed_note(&s, SHED_COMMIT, 12000, 500);
    CHECK_EQ(SHED_SLOW_COMMIT, asked(&s, 12000, SLA_A));
    CHECK_EQ(SHED_TAKEN, asked(&s, 12000, SLA_S));
    samples(&s, SHED_COMMIT, 12100, 60000, 60000);
    CHECK_EQ(SHED_TAKEN, asked(&s, 60000, SLA_S));
    CHECK_EQ(2, shed_level(&s));
}

TEST(shed, is_not_moved_by_a_delay_of_100_ms_nor_by_a_burst_that_one_quick_answer_interrupts) {
    struct shed s = fresh();
    samples(&s, SHED_COMMIT, 1000, 9000, 100);
    CHECK_EQ(0, shed_level(&s));
    samples(&s, SHED_COMMIT, 10000, 10900, 900);
    shed_note(&s, SHED_COMMIT, 10950, 20);
    samples(&s, SHED_COMMIT, 11000, 11900, 900);
    CHECK_EQ(0, shed_level(&s));
}

TEST(shed, does_not_take_one_long_sleep_of_the_machine_for_overload) {
    struct shed s = fresh();
    shed_note(&s, SHED_LOOP, 1000, 0);
    shed_note(&s, SHED_LOOP, 3601000, 3600000);
    shed_note(&s, SHED_LOOP, 3601001, 1);
    CHECK_EQ(0, shed_level(&s));
}

TEST(shed, recovers_a_class_at_a_time_and_only_below_50_ms) {
    struct shed s = fresh();
    samples(&s, SHED_COMMIT, 10000, 12000, 400);
    CHECK_EQ(2, shed_level(&s));
    samples(&s, SHED_COMMIT, 12100, 30000, 50); /* neither good nor bad: stays */
    CHECK_EQ(2, shed_level(&s));
    CHECK(shed_deadline(&s, 30000) == 30000 + SHED_LOOK_MS);
    samples(&s, SHED_COMMIT, 30100, 31000, 49);
    CHECK_EQ(2, shed_level(&s));
    shed_note(&s, SHED_COMMIT, 31100, 49);
    CHECK_EQ(1, shed_level(&s));
    CHECK_EQ(SHED_TAKEN, asked(&s, 31100, SLA_A));
    CHECK_EQ(SHED_SLOW_COMMIT, asked(&s, 31100, SLA_B));
    samples(&s, SHED_COMMIT, 31200, 32100, 0);
    CHECK_EQ(0, shed_level(&s));
    CHECK_EQ(SHED_TAKEN, asked(&s, 32100, SLA_B));
    CHECK_EQ(VL_MS_NEVER, shed_deadline(&s, 32100));
}

TEST(shed, goes_by_the_worse_gauge_and_names_it) {
    struct shed s = fresh();
    for (vl_ms t = 1000; t <= 2000; t += 100) {
        shed_note(&s, SHED_COMMIT, t, 1);
        shed_note(&s, SHED_LOOP, t, 300);
    }
    struct shed_answer a = shed_ask(&s, 2000, SLA_B, 0, ROOM);
    CHECK_EQ(SHED_SLOW_LOOP, a.why);
    CHECK_EQ(300, a.delay_ms);
    CHECK_EQ(1, a.level);
}

TEST(shed, bids_come_back_later_the_longer_it_lasts_and_not_all_at_once) {
    struct shed s = fresh();
    samples(&s, SHED_COMMIT, 10000, 11000, 400);
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t r = shed_ask(&s, 11000, SLA_B, 0, ROOM).retry_ms;
        least = r < least ? r : least;
        most = r > most ? r : most;
    }
    CHECK(least >= SHED_RETRY_MIN_MS && least < SHED_RETRY_MIN_MS + 100);
    CHECK(most <= 2 * SHED_RETRY_MIN_MS && most > 2 * SHED_RETRY_MIN_MS - 100);
    samples(&s, SHED_COMMIT, 11100, 51000, 400);
    uint64_t later = shed_ask(&s, 51000, SLA_B, 0, ROOM).retry_ms;
    CHECK(later >= 20000 && later <= 40000);
    samples(&s, SHED_COMMIT, 51100, 1000000, 400);
    CHECK(shed_ask(&s, 1000000, SLA_B, 0, ROOM).retry_ms <= 2 * SHED_RETRY_MAX_MS);
}

TEST(shed, keeps_room_for_the_higher_classes_when_jobs_pile_up) {
    struct shed s = fresh();
    CHECK_EQ(SHED_TAKEN, shed_ask(&s, 1, SLA_B, 799, ROOM).why);
    CHECK_EQ(SHED_FULL, shed_ask(&s, 1, SLA_B, 800, ROOM).why);
    CHECK_EQ(SHED_TAKEN, shed_ask(&s, 1, SLA_A, 899, ROOM).why);
    CHECK_EQ(SHED_FULL, shed_ask(&s, 1, SLA_A, 900, ROOM).why);
    CHECK_EQ(SHED_TAKEN, shed_ask(&s, 1, SLA_S, 999, ROOM).why);
    struct shed_answer a = shed_ask(&s, 1, SLA_S, 1000, ROOM);
    CHECK_EQ(SHED_FULL, a.why);
    CHECK(a.retry_ms > 0);
    CHECK_EQ(1, s.taken[SLA_B]);
    CHECK_EQ(1, s.refused[SLA_S]);
}
