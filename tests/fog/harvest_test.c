#include "fog/harvest.h"

#include "check.h"

#include <string.h>
#include <time.h>
#include <stdlib.h>

#define T0 1800000000000ull
#define MINUTE 60000u

/* A machine on which every rule holds: the middle of the night, nobody there. */
static struct machine_reading good(void) {
    struct machine_reading r = { 0 };
    const int64_t v[SIGNALS] = { [SIGNAL_BATTERY] = 80, [SIGNAL_AC] = 0,   [SIGNAL_TEMPERATURE] = 40000, [SIGNAL_LOAD] = 50,
                                 [SIGNAL_PRESSURE] = 0, [SIGNAL_IDLE] = 600000, [SIGNAL_LOCKED] = 0, [SIGNAL_SCREEN] = 0,
                                 [SIGNAL_METERED] = 0 };
    for (unsigned i = 0; i < SIGNALS; i++) r.signal[i] = (struct signal_value){ .known = true, .v = v[i] };
    return r;
}

struct rig {
    struct harvest h;
    struct machine_reading r;
    vl_ms now;
    uint16_t minute;
    uint32_t running;
};
static void step(struct rig *g, vl_ms after) {
    g->now += after;
    harvest_step(&g->h, &(struct harvest_input){
                            .now = g->now, .local_minute = g->minute, .running = g->running, .reading = &g->r });
}
static struct rig rig(void) {
    struct rig g = { .r = good(), .now = T0, .minute = 2 * 60 };
    harvest_init(&g.h, T0);
    step(&g, 0);
    return g;
}
/* Second by second, as readings come. */
static void seconds(struct rig *g, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) step(g, 1000);
}
static struct rig working(void) {
    struct rig g = rig();
    g.running = 1;
    step(&g, 1000);
    CHECK_EQ(HARVEST_RUNNING, g.h.state);
    return g;
}
static void set(struct rig *g, enum signal_kind s, int64_t v) { g->r.signal[s] = (struct signal_value){ .known = true, .v = v }; }

TEST(harvest, begins_only_when_every_rule_holds_and_is_off_before_the_first_reading) {
    struct harvest h;
    harvest_init(&h, T0);
    CHECK_EQ(HARVEST_OFF, h.state);
    CHECK_EQ(HARVEST_SAYS_AWAY, h.orders.says);
    CHECK_EQ(0, h.orders.cap_milli);
    struct rig g = rig();
    CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
    CHECK_EQ(HARVEST_SAYS_READY, g.h.orders.says);
    CHECK_EQ(500, g.h.orders.cap_milli);
    CHECK_EQ(30, g.h.orders.memory_percent);
    CHECK_EQ(10000000, g.h.orders.bandwidth_bps);
    CHECK(g.h.orders.may_start);
}

/* Each limit of FOG-12: the last value that may begin, and the first that may not. */
TEST(harvest, holds_every_limit_to_begin_at_its_exact_edge) {
    static const struct {
        enum signal_kind s;
        int64_t may, may_not;
        enum harvest_rule rule;
    } rows[] = {
        { SIGNAL_BATTERY, 20, 19, HARVEST_RULE_BATTERY },
        { SIGNAL_TEMPERATURE, 45000, 45001, HARVEST_RULE_TEMPERATURE },
        { SIGNAL_IDLE, 300000, 299999, HARVEST_RULE_IDLE },
        { SIGNAL_SCREEN, 0, 1, HARVEST_RULE_SCREEN },
        { SIGNAL_METERED, 0, 1, HARVEST_RULE_NETWORK },
        { SIGNAL_LOAD, 250, 251, HARVEST_RULE_LOAD },
        { SIGNAL_PRESSURE, 100, 101, HARVEST_RULE_PRESSURE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g = rig();
        set(&g, rows[i].s, rows[i].may);
        step(&g, 1000);
        CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
        set(&g, rows[i].s, rows[i].may_not);
        step(&g, 1000);
        CHECK_EQ(HARVEST_OFF, g.h.state);
        CHECK_EQ(rows[i].rule, g.h.reason.rule);
        CHECK_EQ(rows[i].may_not, g.h.reason.value);
        CHECK(g.h.reason.known);
    }
}

TEST(harvest, does_not_begin_on_what_it_cannot_see_unless_its_owner_says_that_the_machine_lacks_it) {
    static const struct {
        enum signal_kind s;
        enum harvest_param blind;
        enum harvest_rule rule;
    } rows[] = {
        { SIGNAL_BATTERY, HARVEST_BLIND_BATTERY, HARVEST_RULE_BATTERY },
        { SIGNAL_TEMPERATURE, HARVEST_BLIND_TEMPERATURE, HARVEST_RULE_TEMPERATURE },
        { SIGNAL_LOAD, HARVEST_BLIND_LOAD, HARVEST_RULE_LOAD },
        { SIGNAL_IDLE, HARVEST_BLIND_IDLE, HARVEST_RULE_IDLE },
        { SIGNAL_SCREEN, HARVEST_BLIND_SCREEN, HARVEST_RULE_SCREEN },
        { SIGNAL_METERED, HARVEST_BLIND_NETWORK, HARVEST_RULE_NETWORK },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g = rig();
        g.r.signal[rows[i].s].known = false;
        step(&g, 1000);
        CHECK_EQ(HARVEST_OFF, g.h.state);
        CHECK_EQ(rows[i].rule, g.h.reason.rule);
        CHECK(!g.h.reason.known);
        g.h.policy.v[rows[i].blind] = 1;
        step(&g, 1000);
        CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
    }
}

TEST(harvest, takes_a_machine_without_a_battery_and_one_on_mains_whatever_its_charge) {
    struct rig g = rig();
    set(&g, SIGNAL_BATTERY, -1);
    step(&g, 1000);
    CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
    set(&g, SIGNAL_BATTERY, 3);
    step(&g, 1000);
    CHECK_EQ(HARVEST_OFF, g.h.state);
    set(&g, SIGNAL_AC, 1);
    step(&g, 1000);
    CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
    g.h.policy.v[HARVEST_MAINS_SUFFICES] = 0;
    step(&g, 1000);
    CHECK_EQ(HARVEST_OFF, g.h.state);
}

TEST(harvest, wants_25_percent_again_after_the_battery_was_below_20) {
    struct rig g = rig();
    set(&g, SIGNAL_BATTERY, 22);
    step(&g, 1000);
    CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
    set(&g, SIGNAL_BATTERY, 19);
    step(&g, 1000);
    set(&g, SIGNAL_BATTERY, 24);
    step(&g, 1000);
    CHECK_EQ(HARVEST_OFF, g.h.state);
    CHECK_EQ(25, g.h.reason.limit);
    set(&g, SIGNAL_BATTERY, 25);
    step(&g, 1000);
    CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
    set(&g, SIGNAL_BATTERY, 22);
    step(&g, 1000);
    CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
}

TEST(harvest, gives_half_its_cap_below_half_a_battery) {
    struct rig g = rig();
    set(&g, SIGNAL_BATTERY, 50);
    step(&g, 1000);
    CHECK_EQ(500, g.h.orders.cap_milli);
    set(&g, SIGNAL_BATTERY, 49);
    step(&g, 1000);
    CHECK_EQ(250, g.h.orders.cap_milli);
    set(&g, SIGNAL_AC, 1);
    step(&g, 1000);
    CHECK_EQ(500, g.h.orders.cap_milli);
}

TEST(harvest, halves_the_cap_every_ten_seconds_from_55_degrees_and_doubles_it_below_50) {
    struct rig g = working();
    set(&g, SIGNAL_TEMPERATURE, 54999);
    step(&g, 1000);
    CHECK_EQ(HARVEST_RUNNING, g.h.state);
    CHECK_EQ(500, g.h.orders.cap_milli);
    set(&g, SIGNAL_TEMPERATURE, 55000);
    step(&g, 1000);
    CHECK_EQ(HARVEST_THROTTLED, g.h.state);
    CHECK_EQ(HARVEST_SAYS_THROTTLED, g.h.orders.says);
    CHECK(!g.h.orders.may_start);
    CHECK_EQ(250, g.h.orders.cap_milli);
    step(&g, 9999);
    CHECK_EQ(250, g.h.orders.cap_milli);
    step(&g, 1);
    CHECK_EQ(125, g.h.orders.cap_milli);
    step(&g, 10000);
    CHECK_EQ(100, g.h.orders.cap_milli); /* the floor */
    seconds(&g, 60);
    CHECK_EQ(100, g.h.orders.cap_milli);
    set(&g, SIGNAL_TEMPERATURE, 50000);
    seconds(&g, 60);
    CHECK_EQ(100, g.h.orders.cap_milli); /* between the two nothing changes */
    set(&g, SIGNAL_TEMPERATURE, 49999);
    step(&g, 1000);
    CHECK_EQ(125, g.h.orders.cap_milli);
    step(&g, 10000);
    CHECK_EQ(250, g.h.orders.cap_milli);
    step(&g, 10000);
    CHECK_EQ(500, g.h.orders.cap_milli);
    CHECK_EQ(HARVEST_RUNNING, g.h.state);
}

TEST(harvest, freezes_at_65_degrees_gives_back_and_cools_down_for_half_an_hour) {
    struct rig g = working();
    set(&g, SIGNAL_TEMPERATURE, 64999);
    step(&g, 1000);
    CHECK_EQ(HARVEST_THROTTLED, g.h.state);
    set(&g, SIGNAL_TEMPERATURE, 65000);
    step(&g, 100);
    vl_ms hot = g.now;
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    CHECK_EQ(0, g.h.orders.cap_milli);
    CHECK_EQ(HARVEST_RULE_TEMPERATURE, g.h.reason.rule);
    CHECK(g.h.dirty);
    step(&g, 1000); /* half an hour is longer than tasks may wait */
    CHECK_EQ(HARVEST_EVICTED, g.h.state);
    CHECK(g.h.orders.hand_back);
    g.running = 0;
    step(&g, 1000);
    CHECK_EQ(HARVEST_COOLING, g.h.state);
    set(&g, SIGNAL_TEMPERATURE, 30000);
    step(&g, hot + 30 * MINUTE - 1 - g.now);
    CHECK_EQ(HARVEST_COOLING, g.h.state);
    CHECK_EQ(HARVEST_RULE_COOLDOWN, g.h.reason.rule);
    CHECK_EQ(1, g.h.reason.value);
    step(&g, 1);
    CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
}

TEST(harvest, freezes_on_input_and_goes_on_after_five_idle_minutes_and_twenty_seconds) {
    struct rig g = working();
    set(&g, SIGNAL_IDLE, 0);
    step(&g, 50);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    CHECK_EQ(0, g.h.orders.cap_milli);
    CHECK_EQ(HARVEST_SAYS_PAUSED, g.h.orders.says);
    CHECK(!g.h.orders.hand_back);
    set(&g, SIGNAL_IDLE, 299999);
    step(&g, 299999);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    set(&g, SIGNAL_IDLE, 300000);
    step(&g, 1);
    step(&g, 19999);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    step(&g, 1);
    CHECK_EQ(HARVEST_RUNNING, g.h.state);
}

TEST(harvest, gives_tasks_back_that_were_frozen_for_ten_minutes) {
    struct rig g = working();
    set(&g, SIGNAL_IDLE, 0);
    step(&g, 1000);
    step(&g, 599999);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    step(&g, 1);
    CHECK_EQ(HARVEST_EVICTED, g.h.state);
    CHECK(g.h.orders.hand_back);
    CHECK_EQ(HARVEST_SAYS_AWAY, g.h.orders.says);
    g.running = 0;
    step(&g, 1000);
    CHECK_EQ(HARVEST_OFF, g.h.state);
}

TEST(harvest, keeps_tasks_frozen_while_the_mains_flap) {
    struct rig g = working();
    set(&g, SIGNAL_BATTERY, 10);
    for (int i = 0; i < 100; i++) { /* the plug comes and goes every 2 seconds */
        set(&g, SIGNAL_AC, i % 2);
        step(&g, 2000);
        CHECK_EQ(HARVEST_PAUSED, g.h.state);
    }
    set(&g, SIGNAL_AC, 1);
    seconds(&g, 21);
    CHECK_EQ(HARVEST_RUNNING, g.h.state);
}

TEST(harvest, pauses_when_a_signal_goes_dark_or_all_readings_stop) {
    struct rig g = working();
    g.r.signal[SIGNAL_IDLE].known = false;
    step(&g, 1000);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    g = working();
    CHECK_EQ(g.now + HARVEST_STALE_MS, harvest_deadline(&g.h));
    struct harvest_input in = { .now = g.now + HARVEST_STALE_MS - 1, .local_minute = g.minute, .running = 1 };
    harvest_step(&g.h, &in);
    CHECK_EQ(HARVEST_RUNNING, g.h.state);
    in.now++;
    harvest_step(&g.h, &in);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    CHECK_EQ(HARVEST_RULE_SENSORS, g.h.reason.rule);
    in.now = harvest_deadline(&g.h); /* and even then tasks are given back in time */
    CHECK_EQ(g.h.since + 600000, in.now);
    harvest_step(&g.h, &in);
    CHECK_EQ(HARVEST_EVICTED, g.h.state);
}

TEST(harvest, hands_back_what_was_assigned_while_it_was_off) {
    struct rig g = rig();
    set(&g, SIGNAL_SCREEN, 1);
    step(&g, 1000);
    CHECK_EQ(HARVEST_OFF, g.h.state);
    CHECK(!g.h.orders.hand_back);
    g.running = 1;
    step(&g, 1000);
    CHECK_EQ(HARVEST_OFF, g.h.state);
    CHECK(g.h.orders.hand_back);
    CHECK_EQ(0, g.h.orders.cap_milli);
}

TEST(harvest, opens_its_window_at_22_and_closes_it_at_7_over_midnight) {
    struct harvest_policy p = harvest_policy_default();
    CHECK_EQ(1, harvest_window_wait(&p, 21 * 60 + 59));
    CHECK_EQ(0, harvest_window_wait(&p, 22 * 60));
    CHECK_EQ(0, harvest_window_wait(&p, 23 * 60 + 59));
    CHECK_EQ(0, harvest_window_wait(&p, 0));
    CHECK_EQ(0, harvest_window_wait(&p, 6 * 60 + 59));
    CHECK_EQ(15 * 60, harvest_window_wait(&p, 7 * 60));
    p.v[HARVEST_WINDOW_FROM] = 9 * 60;
    p.v[HARVEST_WINDOW_TO] = 17 * 60;
    CHECK_EQ(1, harvest_window_wait(&p, 8 * 60 + 59));
    CHECK_EQ(0, harvest_window_wait(&p, 9 * 60));
    CHECK_EQ(0, harvest_window_wait(&p, 16 * 60 + 59));
    CHECK_EQ(16 * 60, harvest_window_wait(&p, 17 * 60));
    p.v[HARVEST_WINDOW_TO] = 9 * 60;
    for (uint16_t m = 0; m < 1440; m++) CHECK_EQ(0, harvest_window_wait(&p, m));
    p.v[HARVEST_WINDOW_FROM] = 23 * 60 + 59; /* one minute around midnight */
    p.v[HARVEST_WINDOW_TO] = 0;
    CHECK_EQ(0, harvest_window_wait(&p, 23 * 60 + 59));
    CHECK_EQ(1439, harvest_window_wait(&p, 0));
}

TEST(harvest, gives_back_at_once_when_the_window_closes_and_waits_when_it_opens_again_soon) {
    struct rig g = working();
    g.minute = 7 * 60;
    step(&g, 1000);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    CHECK_EQ(HARVEST_RULE_WINDOW, g.h.reason.rule);
    step(&g, 1000);
    CHECK_EQ(HARVEST_EVICTED, g.h.state);
    g = working();
    g.h.policy.v[HARVEST_WINDOW_TO] = 21 * 60 + 55; /* five minutes a day are not given */
    g.minute = 21 * 60 + 55;
    step(&g, 1000);
    step(&g, 1000);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    g.minute = 22 * 60;
    seconds(&g, 21);
    CHECK_EQ(HARVEST_RUNNING, g.h.state);
}

/* How many minutes of a window fall into one night, minute by minute of UTC in a zone with daylight saving. */
static uint32_t minutes_in_window(const struct harvest_policy *p, time_t from, uint32_t minutes) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < minutes; i++) {
        time_t t = from + (time_t)i * 60;
        struct tm tm;
        localtime_r(&t, &tm);
        n += harvest_window_wait(p, (uint16_t)(tm.tm_hour * 60 + tm.tm_min)) == 0;
    }
    return n;
}

TEST(harvest, follows_the_clock_on_the_wall_when_summer_time_begins_and_ends) {
    struct harvest_policy p = harvest_policy_default();
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    CHECK_EQ(9 * 60, minutes_in_window(&p, 1772280000, 1440)); /* 28 February 2026, 12:00 UTC: a plain night */
    CHECK_EQ(8 * 60, minutes_in_window(&p, 1774699200, 1440)); /* 28 March 2026: the hour from 2 to 3 is missing */
    CHECK_EQ(10 * 60, minutes_in_window(&p, 1792843200, 1440)); /* 24 October 2026: it comes twice */
    p.v[HARVEST_WINDOW_FROM] = 2 * 60 + 15;
    p.v[HARVEST_WINDOW_TO] = 2 * 60 + 45;
    CHECK_EQ(30, minutes_in_window(&p, 1772280000, 1440));
    CHECK_EQ(0, minutes_in_window(&p, 1774699200, 1440));
    CHECK_EQ(60, minutes_in_window(&p, 1792843200, 1440));
    unsetenv("TZ");
    tzset();
}

static struct vl_buf stored(struct harvest *h, vl_ms now) {
    struct vl_buf b;
    vl_buf_init(&b, HARVEST_RECORD_MAX);
    CHECK_OK(harvest_encode(h, now, &b));
    return b;
}

TEST(harvest, remembers_the_cool_down_over_a_restart_and_never_makes_it_longer_when_the_clock_was_set_back) {
    struct rig g = working();
    set(&g, SIGNAL_TEMPERATURE, 70000);
    step(&g, 0);
    vl_ms end = g.now + 30 * MINUTE;
    struct vl_buf b = stored(&g.h, g.now);
    const struct {
        vl_ms at, left;
    } rows[] = {
        { g.now + 10 * MINUTE, 20 * MINUTE },         /* the plain case */
        { end - 1, 1 },
        { end, 0 },
        { end + 100 * MINUTE, 0 },                    /* off for long, or set forward */
        { g.now - 365ull * 24 * 60 * MINUTE, 30 * MINUTE }, /* set back by a year */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct harvest h;
        harvest_init(&h, rows[i].at);
        CHECK_OK(harvest_restore(&h, rows[i].at, vl_span(b.p, b.len)));
        CHECK_EQ(rows[i].left ? rows[i].at + rows[i].left : 0, h.cooldown_until);
        CHECK_EQ(rows[i].left ? HARVEST_COOLING : HARVEST_OFF, h.state);
    }
    vl_buf_free(&b);
}

TEST(harvest, remembers_its_owners_pause_and_policy_over_a_restart) {
    struct rig g = working();
    g.h.policy.v[HARVEST_CPU] = 77;
    harvest_pause(&g.h, g.now, VL_MS_NEVER);
    step(&g, 1000);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    CHECK_EQ(HARVEST_RULE_OWNER, g.h.reason.rule);
    step(&g, 1000);
    CHECK_EQ(HARVEST_EVICTED, g.h.state); /* no end in sight */
    struct vl_buf b = stored(&g.h, g.now);
    struct harvest h;
    harvest_init(&h, g.now);
    CHECK_OK(harvest_restore(&h, g.now, vl_span(b.p, b.len)));
    CHECK_EQ(77, h.policy.v[HARVEST_CPU]);
    CHECK_EQ(VL_MS_NEVER, h.pause_until);
    g.h = h;
    g.running = 0;
    step(&g, 1000);
    CHECK_EQ(HARVEST_OFF, g.h.state);
    harvest_resume(&g.h);
    step(&g, 1000);
    CHECK_EQ(HARVEST_ELIGIBLE, g.h.state);
    vl_buf_free(&b);
}

TEST(harvest, waits_through_a_short_pause_and_goes_on_when_it_is_over) {
    struct rig g = working();
    harvest_pause(&g.h, g.now, 5 * MINUTE);
    step(&g, 1000);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    seconds(&g, 298);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    seconds(&g, 22);
    CHECK_EQ(HARVEST_RUNNING, g.h.state);
    CHECK_EQ(0, g.h.pause_until);
}

TEST(harvest, takes_a_new_policy_while_it_runs) {
    struct rig g = working();
    struct harvest_policy p = g.h.policy;
    p.v[HARVEST_CPU] = 20;
    harvest_policy_take(&g.h, &p);
    step(&g, 1000);
    CHECK_EQ(200, g.h.orders.cap_milli);
    p.v[HARVEST_TEMP_START] = 20;
    p.v[HARVEST_TEMP_BACK] = 25;
    p.v[HARVEST_TEMP_THROTTLE] = 30;
    p.v[HARVEST_TEMP_STOP] = 40;
    harvest_policy_take(&g.h, &p);
    step(&g, 1000);
    CHECK_EQ(HARVEST_PAUSED, g.h.state);
    p.v[HARVEST_COOLDOWN] = 60;
    harvest_policy_take(&g.h, &p);
    CHECK_EQ(g.now + 60000, g.h.cooldown_until);
}

TEST(harvest_policy, has_the_figures_of_the_specification_and_is_sound) {
    struct harvest_policy p = harvest_policy_default();
    struct vl_errmsg why = { "" };
    CHECK_OK(harvest_policy_check(&p, &why));
    const struct {
        enum harvest_param k;
        int32_t v;
    } want[] = { { HARVEST_BATTERY_MIN, 20 }, { HARVEST_BATTERY_RESTART, 25 }, { HARVEST_BATTERY_BEST, 50 },
                 { HARVEST_TEMP_START, 45 },  { HARVEST_TEMP_THROTTLE, 55 },   { HARVEST_TEMP_STOP, 65 },
                 { HARVEST_CPU, 50 },         { HARVEST_MEMORY, 30 },          { HARVEST_BANDWIDTH, 10 },
                 { HARVEST_METERED, 0 },      { HARVEST_SCREEN, 0 },           { HARVEST_IDLE, 300 },
                 { HARVEST_WINDOW_FROM, 1320 }, { HARVEST_WINDOW_TO, 420 },    { HARVEST_COOLDOWN, 1800 } };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) CHECK_EQ(want[i].v, p.v[want[i].k]);
    for (unsigned i = 0; i < HARVEST_PARAMS; i++) CHECK(harvest_params[i].name != NULL && harvest_params[i].help != NULL);
}

TEST(harvest_policy, is_set_from_text_within_its_ranges_only) {
    struct harvest_policy p = harvest_policy_default();
    struct vl_errmsg why = { "" };
    CHECK_OK(harvest_policy_set(&p, "window.from", "00:05", &why));
    CHECK_EQ(5, p.v[HARVEST_WINDOW_FROM]);
    CHECK_OK(harvest_policy_set(&p, "screen", "yes", &why));
    CHECK_EQ(1, p.v[HARVEST_SCREEN]);
    CHECK_EQ(VL_ENOTFOUND, harvest_policy_set(&p, "sceen", "yes", &why));
    const char *const bad[][2] = { { "cpu", "" },      { "cpu", "-1" },   { "cpu", "5x" },   { "cpu", "4294967297" }, { "screen", "1" },
                                   { "window.to", "24:00" }, { "window.to", "7" }, { "window.to", "7:60" }, { "window.to", "07:00 " } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(harvest_policy_set(&p, bad[i][0], bad[i][1], &why) == VL_EPARSE);
    CHECK_EQ(VL_ERANGE, harvest_policy_set(&p, "cpu", "101", &why));
    CHECK_EQ(VL_ERANGE, harvest_policy_set(&p, "cpu", "0", &why));
    CHECK_STR("cpu: 1 to 100", why.text);
    CHECK_EQ(50, p.v[HARVEST_CPU]);
    p.v[HARVEST_TEMP_THROTTLE] = 70;
    CHECK_EQ(VL_ERANGE, harvest_policy_check(&p, &why));
    CHECK_STR("temperature.throttle must not be above temperature.stop", why.text);
}

TEST(harvest, refuses_records_that_are_cut_or_contradict_themselves) {
    struct rig g = working();
    struct vl_buf b = stored(&g.h, g.now);
    struct harvest h;
    for (size_t n = 0; n < b.len; n++) {
        harvest_init(&h, T0);
        CHECK(harvest_restore(&h, T0, vl_span(b.p, n)) != VL_OK);
    }
    b.p[b.len - 1] = 2; /* blind.network: neither yes nor no */
    CHECK_EQ(VL_EPARSE, harvest_restore(&h, T0, vl_span(b.p, b.len)));
    CHECK_EQ(0, h.policy.v[HARVEST_BLIND_NETWORK]);
    vl_buf_free(&b);
}

TEST(harvest, says_why_in_words) {
    char text[HARVEST_REASON_TEXT];
    harvest_reason_format(&(struct harvest_reason){ HARVEST_RULE_TEMPERATURE, true, 66400, 45000 }, text);
    CHECK_STR("temperature 66.4 C, limit 45.0 C", text);
    harvest_reason_format(&(struct harvest_reason){ HARVEST_RULE_IDLE, true, 12000, 300000 }, text);
    CHECK_STR("in use: last input 12 s ago, at least 5 min 0 s", text);
    harvest_reason_format(&(struct harvest_reason){ HARVEST_RULE_WINDOW, true, 7 * 60 + 5, 22 * 60 }, text);
    CHECK_STR("outside the window: it is 07:05, it begins at 22:00", text);
    harvest_reason_format(&(struct harvest_reason){ HARVEST_RULE_NETWORK, false, 0, 0 }, text);
    CHECK_STR("network: unknown on this machine", text);
}
