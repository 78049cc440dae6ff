#include "fog/registry.h"

#include "fog_help.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

TEST(window, believes_a_stranger_sixteen_slots_and_one_more_for_each_good_task_while_it_is_half_full) {
    struct window w = { 0 };
    CHECK_EQ(16, window_slots(&w, 1000));
    CHECK_EQ(4, window_slots(&w, 4));
    CHECK(!window_good(&w, 1000, 1, 7)); /* half empty it shows nothing */
    CHECK_EQ(16, window_slots(&w, 1000));
    CHECK(!window_good(&w, 1000, 1, 8));
    CHECK_EQ(17, window_slots(&w, 1000));
    unsigned told = 0;
    for (int i = 0; i < 983; i++) told += window_good(&w, 1000, 1, window_slots(&w, 1000));
    CHECK_EQ(1000, window_slots(&w, 1000));
    CHECK_EQ(6, told); /* 32, 64, 128, 256, 512 and all: rows are few */
    CHECK(!window_good(&w, 1000, 1, 1000));
}

TEST(window, is_halved_once_for_a_burst_of_refusals_and_then_grows_slowly) {
    struct window w = { 0 };
    CHECK(window_lack(&w, 10000, 1000, 16, 0, false));
    CHECK_EQ(8, window_slots(&w, 1000));
    CHECK(!window_lack(&w, 10001, 1000, 15, 0, false));
    CHECK(!window_lack(&w, 11999, 1000, 14, 0, false));
    CHECK_EQ(8, window_slots(&w, 1000));
    CHECK(window_lack(&w, 12000, 1000, 8, 0, false));
    CHECK_EQ(4, window_slots(&w, 1000));
    for (int i = 0; i < 15; i++) CHECK(!window_good(&w, 1000, 1, 4));
    CHECK_EQ(4, window_slots(&w, 1000));
    CHECK(window_good(&w, 1000, 1, 4)); /* 4 rounds of 4 */
    CHECK_EQ(5, window_slots(&w, 1000));
}

TEST(window, a_node_that_refuses_faster_than_rounds_pass_is_halved_by_the_count_of_its_refusals) {
    struct window w = { 0 };
    CHECK(window_lack(&w, 10000, 1000, 16, 0, false));
    for (int i = 0; i < 15; i++) CHECK(!window_lack(&w, 10000, 1000, 16, 0, false));
    CHECK(window_lack(&w, 10000, 1000, 16, 0, false)); /* the sixteenth: all that it was sent ahead */
    CHECK_EQ(4, window_slots(&w, 1000));
    unsigned more = 0;
    while (window_slots(&w, 1000) > 1) more += 1u + 0u * (unsigned)window_lack(&w, 10000, 1000, 16, 0, false);
    CHECK_EQ(8 + 4, more);
}

TEST(window, never_falls_below_one_slot) {
    struct window w = { 0 };
    for (int i = 0; i < 20; i++) (void)window_lack(&w, 10000u + 2000u * (unsigned)i, 8, 8, 0, false);
    CHECK_EQ(1, window_slots(&w, 8));
    CHECK_EQ(0, window_slots(&w, 0));
}

TEST(window, learns_how_much_memory_there_really_is_and_forgets_it_again) {
    struct window w = { 0 };
    const uint64_t gib = 1ull << 30;
    CHECK_EQ(64 * gib, window_memory(&w, 64 * gib));
    CHECK(window_lack(&w, 10000, 8, 8, 16 * gib, true));
    CHECK_EQ(8 * gib, window_memory(&w, 64 * gib));
    CHECK_EQ(8, window_slots(&w, 8)); /* slots are not in question */
    CHECK(window_lack(&w, 20000, 8, 4, 8 * gib, true));
    CHECK(window_memory(&w, 64 * gib) <= 4 * gib + 1);
    for (int i = 0; i < 8 * 4; i++) (void)window_good(&w, 8, 64 * gib, 8);
    CHECK(window_memory(&w, 64 * gib) > 4 * gib && window_memory(&w, 64 * gib) < 5 * gib);
    for (int i = 0; i < 8 * 4 * 60; i++) (void)window_good(&w, 8, 64 * gib, 8);
    CHECK_EQ(64 * gib, window_memory(&w, 64 * gib));
    CHECK_EQ(0, w.memory);
}

TEST(standing, comes_back_as_it_was_and_is_strict) {
    struct node_record n = { .flaps = 3, .flap_ms = 77, .hold_until_ms = 99 }, back = { 0 };
    struct vl_buf b;
    vl_buf_init(&b, REGISTRY_STANDING_MAX);
    CHECK(!registry_standing_blank(&n));
    CHECK(registry_standing_blank(&back));
    for (int i = 0; i < 5; i++) (void)breaker_result(&n.breaker, 1000, false);
    (void)window_lack(&n.window, 5000, 1000, 16, 1 << 20, true);
    (void)window_lack(&n.window, 9000, 1000, 16, 0, false);
    CHECK_OK(registry_standing_encode(&n, &b));
    CHECK_OK(registry_standing_decode(vl_span(b.p, b.len), &back));
    CHECK(back.breaker.open && back.breaker.until == n.breaker.until && back.breaker.wait_ms == BREAKER_WAIT_MS);
    CHECK_EQ(3, back.flaps);
    CHECK_EQ(99, back.hold_until_ms);
    CHECK_EQ(8, window_slots(&back.window, 1000));
    CHECK_EQ(1 << 19, window_memory(&back.window, 1 << 20));
    for (size_t cut = 0; cut < b.len; cut++) CHECK(registry_standing_decode(vl_span(b.p, cut), &back) != VL_OK);
    b.p[2] = 2; /* a bool that is neither */
    CHECK_EQ(VL_EPARSE, registry_standing_decode(vl_span(b.p, b.len), &back));
    vl_buf_free(&b);
}

static uint32_t told_of(const struct registry_effects *fx, enum registry_effect_kind kind) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < fx->n; i++) n += fx->v[i].kind == kind;
    return n;
}

static void house_step(struct registry *r, struct registry_effects *fx, struct registry_event ev) {
    ev.node = node_n(1);
    ev.name = "n";
    CHECK_OK(registry_step(r, &ev, fx));
}

TEST(registry, a_node_that_claims_a_thousand_slots_and_has_two_is_shown_to_the_scheduler_as_what_it_is) {
    struct registry_config cfg;
    struct registry_effects *fx = calloc(1, sizeof *fx);
    struct heartbeat *h = calloc(1, sizeof *h);
    struct sched_node s;
    registry_config_defaults(&cfg);
    struct registry *r = registry_create(&cfg);
    *h = (struct heartbeat){ .kind = NODE_COMPUTE, .protocol = 1, .started_ms = 1, .free_slots = 1000 };
    h->caps.slots = 1000;
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_JOINED, .now = 1000 });
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_HEARTBEAT, .now = 1000, .heartbeat = h });
    registry_sched_node(registry_get(r, node_n(1)), 1000, NULL, &s);
    CHECK_EQ(16, s.slots);
    CHECK_EQ(16, s.free_slots);
    unsigned rows = 0, wasted = 0;
    vl_ms now = 1000;
    for (int burst = 0; burst < 100; burst++, now += 10000) { /* all that is believed is sent at once; two succeed */
        uint32_t sent = registry_slots(registry_get(r, node_n(1)));
        for (uint32_t held = sent; held > 0; held--) {
            struct sched_load load = { .running = held };
            bool good = held <= 2;
            wasted += !good;
            house_step(r, fx, (struct registry_event){ .kind = good ? REGISTRY_RESULT : REGISTRY_LACK, .now = now, .flag = good, .load = &load });
            rows += told_of(fx, REGISTRY_NODE_STANDING);
        }
    }
    CHECK(registry_slots(registry_get(r, node_n(1))) <= 3);
    CHECK(wasted <= 14 + 6 + 2 + 100 / 5); /* coming down from 16, then a third slot is tried every few rounds; 99,800 without */
    CHECK(wasted > 14);
    CHECK(rows <= 60);
    registry_sched_node(registry_get(r, node_n(1)), now, NULL, &s);
    CHECK(s.slots <= 3);
    registry_destroy(r);
    free(h);
    free(fx);
}

TEST(registry, an_open_breaker_and_flapping_outlive_a_restart) {
    struct registry_config cfg;
    struct registry_effects *fx = calloc(1, sizeof *fx);
    struct heartbeat *h = calloc(1, sizeof *h);
    struct vl_buf rec, standing;
    struct sched_node s;
    registry_config_defaults(&cfg);
    vl_buf_init(&rec, REGISTRY_RECORD_MAX);
    vl_buf_init(&standing, REGISTRY_STANDING_MAX);
    struct registry *r = registry_create(&cfg);
    *h = (struct heartbeat){ .kind = NODE_COMPUTE, .protocol = 1, .started_ms = 1, .free_slots = 4 };
    h->caps.slots = 4;
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_JOINED, .now = 1000 });
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_LINK_UP, .now = 1000 });
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_HEARTBEAT, .now = 1000, .heartbeat = h });
    for (int i = 0; i < 4; i++) {
        house_step(r, fx, (struct registry_event){ .kind = REGISTRY_RESULT, .now = 2000 });
        CHECK_EQ(0, told_of(fx, REGISTRY_NODE_STANDING)); /* results alone are not written */
    }
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_RESULT, .now = 2000 });
    CHECK_EQ(1, told_of(fx, REGISTRY_NODE_STANDING));
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_LINK_DOWN, .now = 2100 });
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_LINK_UP, .now = 2200 });
    CHECK_EQ(1, told_of(fx, REGISTRY_NODE_STANDING));
    CHECK_OK(registry_record_encode(registry_get(r, node_n(1)), &rec));
    CHECK_OK(registry_standing_encode(registry_get(r, node_n(1)), &standing));
    registry_destroy(r);
    r = registry_create(&cfg);
    struct registry_event ev = { .kind = REGISTRY_STANDING, .now = 3000, .record = vl_span(standing.p, standing.len) };
    house_step(r, fx, ev); /* of a node that is not there: nothing happens */
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_RESTORE, .now = 3000, .record = vl_span(rec.p, rec.len) });
    house_step(r, fx, ev);
    house_step(r, fx, (struct registry_event){ .kind = REGISTRY_HEARTBEAT, .now = 3000, .heartbeat = h });
    registry_sched_node(registry_get(r, node_n(1)), 31999, NULL, &s);
    CHECK_EQ(SCHED_BREAKER, s.blocked);
    registry_sched_node(registry_get(r, node_n(1)), 32000, NULL, &s);
    CHECK_EQ(0, s.blocked);
    CHECK_EQ(1, s.free_slots); /* the probe */
    CHECK_EQ(1, registry_get(r, node_n(1))->flaps);
    registry_destroy(r);
    vl_buf_free(&rec);
    vl_buf_free(&standing);
    free(h);
    free(fx);
}
