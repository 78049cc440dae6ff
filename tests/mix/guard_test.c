#include "mix/guard.h"

#include "check.h"
#include "mix/path.h"
#include "village.h"

#include <string.h>

#define MINUTE 60000ull
#define HOUR 3600000ull
#define DAY GUARD_DAY_MS

static struct village v;

/* ---- the state by itself ---- */

static struct guard_candidate list[MIX_RELAYS_MAX];
static struct crypto_drbg rng;
static struct guards g;

static void candidates(uint32_t from, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        list[i] = (struct guard_candidate){
            .number = 10 * (from + i + 1), .node = village_node(from + i), .weight = 100, .filtered = true
        };
}

static void fresh(uint32_t n) {
    uint8_t seed[32] = { 42 };
    crypto_drbg_init(&rng, seed);
    memset(&g, 0, sizeof g);
    candidates(0, n);
    guards_consensus(&g, T0, list, n, &rng);
}

static void result(vl_ms now, uint32_t number, bool reached) { guards_result(&g, now, number, reached, &rng); }

/* The guard in use; 0: none. */
static uint32_t in_use(vl_ms now) {
    uint32_t order[GUARD_SAMPLE_MAX];
    return guards_list(&g, now, order) > 0 ? order[0] : 0;
}

static const struct guard *entry(uint32_t number) {
    for (uint32_t i = 0; i < g.n; i++)
        if (g.v[i].number == number) return &g.v[i];
    return NULL;
}

TEST(guard, samples_a_fifth_but_twenty_at_least) {
    static const struct {
        uint32_t guards, sampled;
    } row[] = { { 0, 0 },    { 1, 1 },    { 3, 3 },    { 10, 10 },  { 20, 20 },  { 21, 20 },
                { 104, 20 }, { 105, 20 }, { 120, 20 }, { 255, 20 }, { MIX_RELAYS_MAX, 20 } };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        fresh(row[i].guards);
        CHECK_EQ(row[i].sampled, g.n); /* no more than are needed for 20 that can be used */
    }
    static const uint32_t guards[] = { 21, 100, 105, 200, 255, 256 }, most[] = { 20, 20, 21, 40, 51, 51 };
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++) { /* whatever fails */
        fresh(guards[i]);
        for (uint32_t round = 0; round < 100; round++) {
            for (uint32_t k = 0; k < g.n; k++) result(T0, g.v[k].number, false);
            if (guards_short(&g)) guards_sample(&g, T0, list, guards[i], &rng);
        }
        CHECK_EQ(most[i], g.n);
    }
}

TEST(guard, prefers_by_weight_when_it_samples) {
    uint32_t heavy = 0;
    for (uint8_t s = 0; s < 200; s++) {
        uint8_t seed[32] = { s };
        crypto_drbg_init(&rng, seed);
        memset(&g, 0, sizeof g);
        candidates(0, 100);
        for (uint32_t i = 0; i < 50; i++) list[i].weight = 900;
        guards_consensus(&g, T0, list, 100, &rng);
        heavy += g.v[0].number <= 500;
    }
    CHECK(heavy > 165 && heavy < 195); /* 180 expected */
}

TEST(guard, stays_in_use_while_it_can_be_reached) {
    fresh(30);
    uint32_t first = in_use(T0);
    CHECK_EQ(g.v[0].number, first);
    for (vl_ms t = T0; t < T0 + 50 * DAY; t += HOUR) {
        CHECK_EQ(first, in_use(t));
        result(t, first, true);
        if ((t - T0) % DAY == 0) guards_consensus(&g, t, list, 30, &rng);
    }
    CHECK_EQ(1, g.confirmed_n);
}

TEST(guard, that_dies_gives_way_and_comes_back_after_ten_minutes) {
    fresh(30);
    uint32_t first = g.v[0].number, second = g.v[1].number;
    result(T0, first, true);
    result(T0 + HOUR, first, false);
    CHECK_EQ(second, in_use(T0 + HOUR));
    result(T0 + HOUR, second, true);
    CHECK_EQ(second, in_use(T0 + HOUR + 10 * MINUTE - 1));
    CHECK_EQ(first, in_use(T0 + HOUR + 10 * MINUTE)); /* worth a try */
    result(T0 + HOUR + 10 * MINUTE, first, false);
    CHECK_EQ(second, in_use(T0 + HOUR + 10 * MINUTE));
    CHECK_EQ(first, in_use(T0 + HOUR + 20 * MINUTE));
    result(T0 + HOUR + 20 * MINUTE, first, true);
    CHECK_EQ(first, in_use(T0 + 10 * DAY));
    CHECK_EQ(2, g.confirmed_n);
}

/* Fails guard `number` whenever it is worth a try, beginning at T0, and returns the ms of the next try after `since`.
 */
static vl_ms next_try(uint32_t number, vl_ms from, vl_ms step) {
    for (vl_ms t = from;; t += step) {
        uint32_t order[GUARD_SAMPLE_MAX], n = guards_list(&g, t, order);
        for (uint32_t i = 0; i < n; i++)
            if (order[i] == number) return t;
        result(t, g.v[5].number, true); /* the network is up: nothing is exhausted, no outage */
    }
}

static void check_schedule(uint32_t place, const vl_ms *interval) {
    static const vl_ms begin[] = { 0, 6 * HOUR, 96 * HOUR, 168 * HOUR };
    fresh(30);
    uint32_t number = g.v[place].number, row = 0;
    for (uint32_t i = 0; i < 3; i++) result(T0, g.v[i].number, true); /* the three primary ones */
    result(T0, g.v[5].number, true);
    vl_ms tried = T0;
    result(tried, number, false);
    while (tried < T0 + 300 * HOUR) {
        while (row < 3 && tried - T0 >= begin[row + 1]) row++;
        CHECK_EQ(tried + interval[row], next_try(number, tried, MINUTE));
        tried += interval[row];
        result(tried, number, false);
    }
    CHECK_EQ(3, row);
}

TEST(guard, is_tried_again_ever_more_seldom) {
    static const vl_ms primary[] = { 10 * MINUTE, 90 * MINUTE, 4 * HOUR, 9 * HOUR };
    static const vl_ms other[] = { HOUR, 4 * HOUR, 18 * HOUR, 36 * HOUR };
    check_schedule(0, primary);
    check_schedule(2, primary);
    check_schedule(3, other);
    check_schedule(8, other);
}

TEST(guard, beyond_the_three_primary_ones_is_used_only_when_all_three_fail) {
    fresh(30);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(g.v[i].number, in_use(T0));
        result(T0, g.v[i].number, false);
    }
    CHECK_EQ(g.v[3].number, in_use(T0));
    CHECK_EQ(0, g.confirmed_n);
}

TEST(guard, that_was_reached_is_preferred_to_those_that_never_were) {
    fresh(30);
    uint32_t fourth = g.v[3].number;
    for (uint32_t i = 0; i < 3; i++) result(T0, g.v[i].number, false);
    result(T0, fourth, true);
    CHECK_EQ(1, g.confirmed_n);
    CHECK_EQ(fourth, in_use(T0 + 7 * HOUR)); /* first of the primary ones now */
}

TEST(guard, beyond_the_primary_ones_that_answers_after_an_outage_gives_these_another_chance) {
    fresh(30);
    uint32_t first = g.v[0].number, later = g.v[6].number;
    for (uint32_t i = 0; i < 3; i++) result(T0, g.v[i].number, true);
    for (uint32_t i = 0; i < g.n; i++)
        if (g.v[i].number != later) result(T0 + 2 * MINUTE, g.v[i].number, false);
    result(T0 + 9 * MINUTE, later, true); /* last success 9 minutes ago: they are dead, not the network */
    CHECK_EQ(later, in_use(T0 + 9 * MINUTE));
    fresh(30);
    for (uint32_t i = 0; i < 3; i++) result(T0, g.v[i].number, true);
    for (uint32_t i = 0; i < g.n; i++) result(T0 + 8 * MINUTE, g.v[i].number, false);
    result(T0 + 10 * MINUTE, later, true);
    CHECK_EQ(first, in_use(T0 + 10 * MINUTE));
}

TEST(guard, none_can_be_reached_until_a_minute_after_the_last_failure) {
    fresh(3);
    for (uint32_t i = 0; i < 3; i++) result(T0 + i, g.v[i].number, false);
    CHECK_EQ(0, in_use(T0 + 2));
    CHECK_EQ(T0 + 2 + MINUTE, guards_next_ms(&g));
    CHECK_EQ(0, in_use(T0 + 1 + MINUTE));
    CHECK_EQ(g.v[0].number, in_use(T0 + 2 + MINUTE));
}

/* ---- months ---- */

TEST(guard, never_reached_leaves_the_sample_after_120_days) {
    fresh(3);
    struct vl_node_id node = g.v[1].node;
    vl_ms end = g.v[1].added_ms + GUARD_LIFETIME_MS;
    CHECK(end <= T0 + 120 * DAY && end >= T0 + 108 * DAY); /* begun up to 12 days ago */
    for (uint32_t i = 0; i < 3; i++)                       /* the others do not matter here */
        if (i != 1) g.v[i].added_ms = T0;
    guards_consensus(&g, end - 1, list, 3, &rng);
    CHECK(vl_node_eq(node, g.v[1].node));
    guards_consensus(&g, end, list, 3, &rng);
    CHECK(vl_node_eq(node, g.v[2].node)); /* sampled anew, in a village that has no other, and last in line */
    CHECK(g.v[2].added_ms > end - GUARD_LIFETIME_MS / 10 - 1);
}

TEST(guard, confirmed_late_stays_for_60_days_after_that) {
    fresh(3);
    struct guard *e = &g.v[0];
    result(T0 + 100 * DAY, e->number, true);
    vl_ms end = e->confirmed_ms + GUARD_CONFIRMED_MS;
    struct vl_node_id node = e->node;
    CHECK(end > T0 + 148 * DAY - 1 && end <= T0 + 160 * DAY);
    for (uint32_t i = 1; i < 3; i++) g.v[i].added_ms = T0 + 100 * DAY;
    guards_consensus(&g, end - 1, list, 3, &rng);
    CHECK(vl_node_eq(node, g.v[0].node));
    CHECK_EQ(1, g.confirmed_n);
    guards_consensus(&g, end, list, 3, &rng);
    CHECK(vl_node_eq(node, g.v[2].node));
    CHECK_EQ(0, g.confirmed_n);
}

TEST(guard, unlisted_leaves_after_20_days_and_not_when_it_comes_back) {
    fresh(30);
    struct vl_node_id node = g.v[0].node;
    uint32_t number = g.v[0].number, at = number / 10 - 1;
    result(T0, number, true);
    struct guard_candidate kept = list[at];
    list[at] = list[29];
    guards_consensus(&g, T0 + DAY, list, 29, &rng);
    CHECK(in_use(T0 + DAY) != number && in_use(T0 + DAY) != 0);
    vl_ms since = g.v[0].unlisted_ms;
    CHECK(since > T0 - 3 * DAY - 1 && since <= T0 + DAY); /* up to 4 days earlier */
    guards_consensus(&g, since + GUARD_UNLISTED_MS - 1, list, 29, &rng);
    CHECK(vl_node_eq(node, g.v[0].node));
    CHECK_EQ(since, g.v[0].unlisted_ms);
    struct guards before = g;
    list[29] = list[at];
    list[at] = kept;
    guards_consensus(&g, since + GUARD_UNLISTED_MS - 1, list, 30, &rng); /* back in time: first again */
    CHECK_EQ(0, g.v[0].unlisted_ms);
    CHECK_EQ(number, in_use(since + GUARD_UNLISTED_MS - 1));
    g = before;
    list[at] = list[29];
    guards_consensus(&g, since + GUARD_UNLISTED_MS, list, 29, &rng);
    CHECK(!vl_node_eq(node, g.v[0].node));
    CHECK(entry(number) == NULL);
    CHECK_EQ(0, g.confirmed_n);
}

TEST(guard, preference_stays_when_others_leave_the_sample) {
    fresh(20);
    uint32_t sixth = g.v[6].number, third = g.v[3].number;
    result(T0, sixth, true);
    result(T0, third, true);
    uint32_t gone[] = { g.v[1].number, g.v[5].number, g.v[9].number };
    for (size_t i = 0; i < 3; i++)
        list[gone[i] / 10 - 1].node = village_node(500 + (uint32_t)i); /* others, with their numbers */
    guards_consensus(&g, T0 + DAY, list, 20, &rng);
    guards_consensus(&g, T0 + 30 * DAY, list, 20, &rng);
    uint32_t order[GUARD_SAMPLE_MAX];
    CHECK_EQ(20, guards_list(&g, T0 + 30 * DAY, order));
    CHECK_EQ(20, g.n);
    CHECK_EQ(2, g.confirmed_n);
    CHECK_EQ(sixth, order[0]);
    CHECK_EQ(third, order[1]);
    CHECK(g.v[g.confirmed[0]].number == sixth && g.v[g.confirmed[1]].number == third);
}

TEST(guard, of_a_small_village_is_found_though_all_relays_are_set_up_anew_every_day) {
    fresh(3);
    for (uint32_t day = 1; day < 200; day++) {
        candidates(3 * day, 3);
        guards_consensus(&g, T0 + day * DAY, list, 3, &rng);
        uint32_t now = in_use(T0 + day * DAY);
        CHECK(now > 30 * day && now <= 30 * (day + 1));
        result(T0 + day * DAY, now, true);
        CHECK(g.n <= GUARD_SAMPLE_MAX);
    }
}

TEST(guard, with_times_from_a_clock_that_was_ahead_does_not_stay_for_ever) {
    fresh(3);
    result(T0, g.v[0].number, true);
    g.v[0].added_ms = g.v[0].confirmed_ms = VL_MS_NEVER - 1;
    g.v[1].unlisted_ms = VL_MS_NEVER - 1;
    guards_consensus(&g, T0 + 5, list, 3, &rng);
    CHECK_EQ(T0 + 5, g.v[0].added_ms);
    CHECK_EQ(T0 + 5, g.v[0].confirmed_ms);
    CHECK_EQ(0, g.v[1].unlisted_ms);
}

TEST(guard, works_at_the_very_beginning_of_time) {
    uint8_t seed[32] = { 1 };
    crypto_drbg_init(&rng, seed);
    memset(&g, 0, sizeof g);
    candidates(0, 3);
    guards_consensus(&g, 0, list, 3, &rng);
    uint32_t first = in_use(0);
    result(0, first, false);
    result(0, in_use(0), true);
    CHECK_EQ(1, g.confirmed_n);
    guards_consensus(&g, 0, list, 2, &rng);
    guards_consensus(&g, 1, list, 3, &rng);
    CHECK_EQ(3, g.n);
}

/* ---- stored ---- */

static struct vl_buf stored(const struct guards *from) {
    struct vl_buf buf;
    vl_buf_init(&buf, 65536);
    CHECK_OK(guards_encode(from, &buf));
    return buf;
}

TEST(guard, state_comes_back_as_it_was_stored) {
    fresh(30);
    for (uint32_t i = 7; i > 3; i--) result(T0 + i, g.v[i].number, true);
    guards_consensus(&g, T0 + DAY, list, 12, &rng);
    struct vl_buf buf = stored(&g);
    struct guards back = { .n = 99 };
    CHECK_OK(guards_decode(vl_span(buf.p, buf.len), &back));
    CHECK_EQ(g.n, back.n);
    CHECK_EQ(4, back.confirmed_n);
    CHECK_MEM(g.confirmed, back.confirmed, 4);
    for (uint32_t i = 0; i < g.n; i++) {
        CHECK(vl_node_eq(g.v[i].node, back.v[i].node));
        CHECK_EQ(g.v[i].added_ms, back.v[i].added_ms);
        CHECK_EQ(g.v[i].confirmed_ms, back.v[i].confirmed_ms);
        CHECK_EQ(g.v[i].unlisted_ms, back.v[i].unlisted_ms);
    }
    struct vl_buf again = stored(&back);
    CHECK(vl_span_eq(vl_span(buf.p, buf.len), vl_span(again.p, again.len)));
    vl_buf_free(&again);
    vl_buf_free(&buf);
}

static void check_corrupt(struct vl_buf *buf, size_t at, const void *bytes, size_t n) {
    uint8_t kept[64];
    struct guards back = { .n = 99 };
    memcpy(kept, buf->p + at, n);
    memcpy(buf->p + at, bytes, n);
    CHECK_EQ(VL_ECORRUPT, guards_decode(vl_span(buf->p, buf->len), &back));
    CHECK_EQ(99, back.n);
    memcpy(buf->p + at, kept, n);
}

TEST(guard, state_that_is_cut_or_cannot_be_is_refused) {
    fresh(3);
    result(T0, g.v[2].number, true);
    result(T0, g.v[0].number, true);
    struct vl_buf buf = stored(&g);
    struct guards back = { .n = 99 };
    CHECK_EQ(3 + 3 * 56 + 1 + 2, buf.len);
    for (size_t n = 0; n < buf.len; n++) CHECK_EQ(VL_ECORRUPT, guards_decode(vl_span(buf.p, n), &back));
    CHECK_OK(vl_buf_append(&buf, "", 1));
    CHECK_EQ(VL_ECORRUPT, guards_decode(vl_span(buf.p, buf.len), &back));
    CHECK_EQ(99, back.n);
    buf.len--;
    static const uint8_t zero[8] = { 0 }, one[8] = { 0, 0, 0, 0, 0, 0, 0, 1 },
                         never[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
    check_corrupt(&buf, 0, "x", 1);       /* tag */
    check_corrupt(&buf, 1, "\2", 1);      /* version */
    check_corrupt(&buf, 2, "\75", 1);     /* 61 entries */
    check_corrupt(&buf, 3 + 32, zero, 8); /* added: never */
    check_corrupt(&buf, 3 + 32, never, 8);
    check_corrupt(&buf, 3 + 40, one, 8);            /* confirmed before it was added */
    check_corrupt(&buf, 3 + 48, one, 8);            /* unlisted before it was added */
    check_corrupt(&buf, 3 + 40, zero, 8);           /* not confirmed, yet in the list */
    check_corrupt(&buf, 3 + 56 + 40, never, 8);     /* confirmed, yet not in the list */
    check_corrupt(&buf, 3 + 56, buf.p + 3, 32);     /* the same node twice */
    check_corrupt(&buf, 3 + 3 * 56 + 1, "\0\0", 2); /* the same place twice */
    check_corrupt(&buf, 3 + 3 * 56 + 1, "\1", 1);   /* place of one that is not confirmed */
    check_corrupt(&buf, 3 + 3 * 56 + 1, "\3", 1);   /* no such place */
    CHECK_OK(guards_decode(vl_span(buf.p, buf.len), &back));
    vl_buf_free(&buf);
}

/* ---- through paths.h ---- */

static struct vl_buf saved(struct paths *p, bool *ret_changed) {
    struct vl_buf buf;
    vl_buf_init(&buf, 65536);
    CHECK_OK(paths_guards_save(p, &buf, ret_changed));
    return buf;
}

TEST(guard, is_the_same_after_a_restart_whatever_its_number_is_then) {
    bool changed;
    village_init(&v, 40);
    struct paths *p = village_paths(&v, 1);
    uint32_t first = paths_guard(p, T0);
    paths_guard_result(p, T0, first, false);
    uint32_t second = paths_guard(p, T0);
    paths_guard_result(p, T0, second, true);
    struct vl_buf buf = saved(p, &changed);
    CHECK(changed);
    paths_destroy(p);
    for (uint32_t i = 0; i < 40; i++) v.relay[i].number += 5;
    for (int consensus_first = 0; consensus_first < 2; consensus_first++) {
        uint8_t seed[32] = { (uint8_t)(90 + consensus_first) };
        CHECK_OK(paths_create(seed, village_self(), &p));
        if (consensus_first) paths_consensus(p, T0 + DAY, &v.c);
        CHECK_OK(paths_guards_restore(p, vl_span(buf.p, buf.len)));
        if (!consensus_first) paths_consensus(p, T0 + DAY, &v.c);
        CHECK_EQ(second + 5, paths_guard(p, T0 + DAY)); /* confirmed, so preferred */
        CHECK_EQ(20, paths_stats(p).sampled_guards);
        CHECK_EQ(1, paths_stats(p).confirmed_guards);
        paths_destroy(p);
    }
    vl_buf_free(&buf);
}

TEST(guard, state_is_changed_only_by_what_is_stored) {
    bool changed;
    village_init(&v, 5);
    struct paths *p = village_paths(&v, 1);
    struct vl_buf buf = saved(p, &changed);
    CHECK(changed); /* five were sampled */
    struct vl_buf again = saved(p, &changed);
    CHECK(!changed);
    CHECK(vl_span_eq(vl_span(buf.p, buf.len), vl_span(again.p, again.len)));
    vl_buf_free(&again);
    paths_guard_result(p, T0, paths_guard(p, T0), false); /* what fails is not stored: after a restart it is tried */
    paths_consensus(p, T0 + HOUR, &v.c);
    again = saved(p, &changed);
    CHECK(!changed);
    vl_buf_free(&again);
    paths_guard_result(p, T0, paths_guard(p, T0), true);
    vl_buf_init(&again, 10); /* too small: still to be stored */
    CHECK_EQ(VL_ELIMIT, paths_guards_save(p, &again, &changed));
    CHECK_EQ(0, again.len);
    vl_buf_free(&again);
    again = saved(p, &changed);
    CHECK(changed);
    CHECK_OK(paths_guards_restore(p, vl_span(buf.p, buf.len)));
    CHECK_EQ(VL_ECORRUPT, paths_guards_restore(p, vl_span(buf.p, 5)));
    CHECK_EQ(0, paths_stats(p).confirmed_guards);
    CHECK_EQ(5, paths_stats(p).sampled_guards);
    vl_buf_free(&again);
    vl_buf_free(&buf);
    paths_destroy(p);
}

TEST(guard, of_a_village_of_three_survives_the_death_of_two) {
    village_init(&v, 3);
    struct paths *p = village_paths(&v, 1);
    uint32_t a = paths_guard(p, T0);
    paths_guard_result(p, T0, a, false);
    uint32_t b = paths_guard(p, T0);
    paths_guard_result(p, T0, b, false);
    uint32_t c = paths_guard(p, T0);
    paths_guard_result(p, T0, c, true);
    CHECK_EQ(60, a + b + c);
    CHECK_EQ(c, paths_guard(p, T0 + 5 * MINUTE));
    CHECK_EQ(c, paths_guard(p, T0 + DAY)); /* the one that worked comes first from now on */
    paths_destroy(p);
}

TEST(guard, without_reputation_or_role_is_out_of_use_at_once) {
    village_init(&v, 10);
    struct paths *p = village_paths(&v, 1);
    uint32_t first = paths_guard(p, T0);
    struct mix_relay *r = (struct mix_relay *)village_relay(&v, first);
    r->reputation = 0;
    paths_consensus(p, T0 + HOUR, &v.c);
    CHECK(paths_guard(p, T0 + HOUR) != first);
    r->reputation = 1;
    r->roles = MIX_ROLE_MIX | MIX_ROLE_EXIT;
    paths_consensus(p, T0 + HOUR, &v.c);
    CHECK(paths_guard(p, T0 + HOUR) != first);
    r->roles |= MIX_ROLE_GUARD;
    paths_consensus(p, T0 + HOUR, &v.c);
    CHECK_EQ(first, paths_guard(p, T0 + HOUR));
    r->rate = 1; /* too slow for the anonymity floor */
    paths_consensus(p, T0 + HOUR, &v.c);
    CHECK(paths_guard(p, T0 + HOUR) != first);
    paths_destroy(p);
}
