#include "fog/registry.h"

#include "fog_help.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct office {
    struct registry *r;
    struct registry_effects fx;
    vl_ms now;
    struct heartbeat beat;
};

static struct office *office_open(uint32_t max) {
    struct office *o = calloc(1, sizeof *o);
    CHECK(o != NULL);
    struct registry_config config;
    registry_config_defaults(&config);
    config.max_nodes = max;
    o->r = registry_create(&config);
    o->now = 1000000;
    o->beat = (struct heartbeat){ .kind = NODE_COMPUTE,
                                  .protocol = 1,
                                  .started_ms = 5,
                                  .free_slots = 4,
                                  .memory_free_bytes = 100,
                                  .disk_free_bytes = 100 };
    o->beat.caps = (struct node_caps){ .cpus = 4, .slots = 4, .memory_bytes = 100, .disk_bytes = 100, .features = 3 };
    return o;
}
static void office_close(struct office *o) {
    registry_destroy(o->r);
    free(o);
}
static enum vl_err step(struct office *o, enum registry_event_kind kind, uint32_t node, bool flag) {
    struct registry_event ev = {
        .kind = kind, .now = o->now, .node = node_n(node), .heartbeat = &o->beat, .name = "n", .flag = flag
    };
    return registry_step(o->r, &ev, &o->fx);
}
static uint32_t count(const struct office *o, enum registry_effect_kind kind) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->fx.n; i++) n += o->fx.v[i].kind == kind;
    return n;
}
static bool persisted(const struct office *o) {
    for (uint32_t i = 0; i < o->fx.n; i++)
        if (o->fx.v[i].persist) return true;
    return false;
}
static const struct node_record *rec(const struct office *o, uint32_t node) { return registry_get(o->r, node_n(node)); }
static void join(struct office *o, uint32_t node) {
    CHECK_OK(step(o, REGISTRY_JOINED, node, false));
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, node, false));
}
/* Ticks at `at`; sums the effects of one kind over all calls. */
static uint32_t tick(struct office *o, vl_ms at, enum registry_effect_kind kind) {
    uint32_t n = 0;
    o->now = at;
    do {
        CHECK_OK(step(o, REGISTRY_TICK, 0, false));
        n += count(o, kind);
    } while (registry_deadline(o->r) <= at);
    return n;
}

TEST(registry, silent_node_is_suspect_at_60_s_and_lost_at_90_s_exactly) {
    struct office *o = office_open(10);
    join(o, 1);
    vl_ms t0 = o->now;
    tick(o, t0, REGISTRY_TOPOLOGY);
    CHECK_EQ(t0 + 60000, registry_deadline(o->r));
    CHECK_EQ(0, tick(o, t0 + 59999, REGISTRY_NODE_SUSPECT));
    CHECK_EQ(1, tick(o, t0 + 60000, REGISTRY_NODE_SUSPECT));
    struct sched_node s;
    registry_sched_node(rec(o, 1), o->now, NULL, &s);
    CHECK_EQ(SCHED_OFFLINE, s.blocked); /* no new tasks already */
    CHECK_EQ(0, tick(o, t0 + 89999, REGISTRY_NODE_LOST));
    CHECK_EQ(1, tick(o, t0 + 90000, REGISTRY_NODE_LOST));
    CHECK_EQ(NODE_OFFLINE, rec(o, 1)->state);
    CHECK_EQ(90000, rec(o, 1)->online_ms);
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(1, count(o, REGISTRY_NODE_BACK));
    CHECK_EQ(NODE_ACTIVE, rec(o, 1)->state); /* idle only once heard again */
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(NODE_IDLE, rec(o, 1)->state);
    office_close(o);
}

TEST(registry, heartbeats_alone_are_not_written) {
    struct office *o = office_open(10);
    join(o, 1);
    CHECK(persisted(o)); /* the first brings what the node is */
    vl_ms t0 = o->now;
    for (uint32_t i = 1; i < 20; i++) {
        o->now = t0 + i * 30000 - 1;
        o->beat.free_slots = 4 - i % 5;
        o->beat.done++;
        CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
        CHECK(!persisted(o));
    }
    o->now = t0 + REGISTRY_PERSIST_MS;
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK(persisted(o));
    o->beat.caps.memory_bytes = 200;
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK(persisted(o));
    CHECK_EQ(19, rec(o, 1)->done);
    o->beat.started_ms++; /* a new process counts from 0 */
    o->beat.done = 2;
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(21, rec(o, 1)->done);
    CHECK_EQ(1, count(o, REGISTRY_NODE_BACK));
    office_close(o);
}

TEST(registry, figures_make_a_node_idle_active_or_busy) {
    struct office *o = office_open(10);
    join(o, 1);
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(NODE_IDLE, rec(o, 1)->state);
    o->beat.free_slots = 0;
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(NODE_BUSY, rec(o, 1)->state);
    o->beat.free_slots = 1;
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(NODE_ACTIVE, rec(o, 1)->state);
    struct sched_load promised = { 4, 70, 0 }; /* our books know more than the last heartbeat */
    struct sched_node s;
    registry_sched_node(rec(o, 1), o->now, &promised, &s);
    CHECK_EQ(0, s.free_slots);
    CHECK_EQ(30, s.memory_free);
    office_close(o);
}

TEST(registry, maintenance_survives_being_offline) {
    struct office *o = office_open(10);
    join(o, 1);
    CHECK_OK(step(o, REGISTRY_MAINTENANCE, 1, true));
    CHECK(persisted(o) && rec(o, 1)->state == NODE_MAINTENANCE);
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(NODE_MAINTENANCE, rec(o, 1)->state);
    tick(o, o->now + 90000, REGISTRY_NODE_LOST);
    CHECK_EQ(NODE_OFFLINE, rec(o, 1)->state);
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(NODE_MAINTENANCE, rec(o, 1)->state);
    struct sched_node s;
    registry_sched_node(rec(o, 1), o->now, NULL, &s);
    CHECK_EQ(SCHED_MAINTENANCE, s.blocked);
    CHECK_OK(step(o, REGISTRY_MAINTENANCE, 1, false));
    CHECK_EQ(NODE_ACTIVE, rec(o, 1)->state);
    office_close(o);
}

TEST(registry, mass_loss_pauses_redistribution_for_one_period) {
    struct office *o = office_open(20);
    for (uint32_t i = 0; i < 10; i++) join(o, i);
    vl_ms t0 = o->now;
    o->now = t0 + 60000;
    for (uint32_t i = 4; i < 10; i++) CHECK_OK(step(o, REGISTRY_HEARTBEAT, i, false));
    CHECK_EQ(0, tick(o, t0 + 89999, REGISTRY_PARTITION));
    o->now = t0 + 90000;
    CHECK_OK(step(o, REGISTRY_TICK, 0, false));
    CHECK_EQ(1, count(o, REGISTRY_PARTITION)); /* 4 of 10 */
    CHECK_EQ(0, count(o, REGISTRY_NODE_LOST));
    CHECK_EQ(NODE_OFFLINE, rec(o, 0)->state);
    o->now = t0 + 120000;
    for (uint32_t i = 1; i < 10; i++)
        CHECK_OK(step(o, REGISTRY_HEARTBEAT, i, false)); /* the cable is back, but for one */
    o->now = t0 + 170000;
    for (uint32_t i = 1; i < 10; i++) CHECK_OK(step(o, REGISTRY_HEARTBEAT, i, false));
    CHECK_EQ(0, tick(o, t0 + 179999, REGISTRY_NODE_LOST));
    CHECK_EQ(1, tick(o, t0 + 180000, REGISTRY_NODE_LOST));
    office_close(o);
}

TEST(registry, exactly_thirty_percent_is_no_partition) {
    struct office *o = office_open(20);
    for (uint32_t i = 0; i < 10; i++) join(o, i);
    vl_ms t0 = o->now;
    o->now = t0 + 60000;
    for (uint32_t i = 3; i < 10; i++) CHECK_OK(step(o, REGISTRY_HEARTBEAT, i, false));
    CHECK_EQ(3, tick(o, t0 + 90000, REGISTRY_NODE_LOST));
    CHECK(!registry_paused(o->r, o->now));
    office_close(o);
}

TEST(registry, fallen_link_makes_a_suspect_at_once_and_flapping_holds_work_back) {
    struct office *o = office_open(10);
    join(o, 1);
    CHECK_OK(step(o, REGISTRY_LINK_UP, 1, false));
    struct sched_node s;
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_OK(step(o, REGISTRY_LINK_DOWN, 1, false));
        CHECK_EQ(1, count(o, REGISTRY_NODE_SUSPECT));
        CHECK_OK(step(o, REGISTRY_LINK_UP, 1, false));
        registry_sched_node(rec(o, 1), o->now, NULL, &s);
        CHECK_EQ(i == 0 ? 0 : SCHED_FLAPPING, s.blocked);
    }
    registry_sched_node(rec(o, 1), o->now + 2 * REGISTRY_FLAP_HOLD_MS - 1, NULL, &s);
    CHECK_EQ(SCHED_FLAPPING, s.blocked);
    registry_sched_node(rec(o, 1), o->now + 2 * REGISTRY_FLAP_HOLD_MS, NULL, &s);
    CHECK_EQ(0, s.blocked);
    office_close(o);
}

TEST(registry, record_brings_a_node_back_after_a_restart) {
    struct office *o = office_open(10);
    join(o, 1);
    CHECK_OK(step(o, REGISTRY_MAINTENANCE, 1, true));
    struct vl_buf b;
    vl_buf_init(&b, REGISTRY_RECORD_MAX);
    CHECK_OK(registry_record_encode(rec(o, 1), &b));
    struct office *p = office_open(1);
    struct registry_event ev = { .kind = REGISTRY_RESTORE, .now = p->now, .record = vl_span(b.p, b.len) };
    for (size_t cut = 0; cut < b.len; cut++) {
        ev.record.n = cut;
        CHECK_EQ(VL_EPARSE, registry_step(p->r, &ev, &p->fx));
    }
    ev.record.n = b.len;
    CHECK_OK(registry_step(p->r, &ev, &p->fx));
    CHECK_EQ(VL_ELIMIT, registry_step(p->r, &ev, &p->fx)); /* room for one */
    CHECK_STR("n", rec(p, 1)->name);
    CHECK(rec(p, 1)->maintenance && rec(p, 1)->state == NODE_OFFLINE && rec(p, 1)->caps.cpus == 4);
    CHECK_EQ(1, tick(p, p->now + REGISTRY_LOST_MS, REGISTRY_NODE_LOST)); /* never heard: its tasks must move */
    CHECK_OK(step(p, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(1, count(p, REGISTRY_NODE_BACK));
    vl_buf_free(&b);
    office_close(o);
    office_close(p);
}

TEST(registry, expelled_node_loses_its_tasks_and_is_unknown) {
    struct office *o = office_open(10);
    join(o, 1);
    CHECK_OK(step(o, REGISTRY_EXPELLED, 1, false));
    CHECK_EQ(1, count(o, REGISTRY_NODE_LOST));
    CHECK_EQ(1, count(o, REGISTRY_NODE_REMOVED));
    CHECK_EQ(VL_ENOTFOUND, step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_EQ(0, registry_count(o->r));
    tick(o, o->now, REGISTRY_TOPOLOGY);
    CHECK_EQ(VL_MS_NEVER, registry_deadline(o->r));
    office_close(o);
}

TEST(registry, keeps_the_last_hundred_snapshots_and_joins_changes_within_five_seconds) {
    struct office *o = office_open(200);
    join(o, 0);
    CHECK_EQ(1, tick(o, o->now, REGISTRY_TOPOLOGY));
    for (uint32_t i = 1; i <= 150; i++) {
        o->now += REGISTRY_SNAPSHOT_GAP_MS - 1;
        CHECK_OK(step(o, REGISTRY_JOINED, i, false));
        CHECK_OK(step(o, REGISTRY_LINK_UP, i, false));
        CHECK_EQ(0, tick(o, o->now, REGISTRY_TOPOLOGY));
        CHECK_EQ(1, tick(o, o->now + 1, REGISTRY_TOPOLOGY));
        o->beat.done++;
        for (uint32_t k = 0; k <= i; k++) CHECK_OK(step(o, REGISTRY_HEARTBEAT, k, false));
    }
    struct topology t;
    CHECK(registry_topology_at(o->r, 0, &t));
    CHECK_EQ(151, t.nodes);
    CHECK_EQ(150, t.n_links);
    CHECK(vl_node_eq(node_n(1), t.links[0]));
    CHECK(registry_topology_at(o->r, 99, &t));
    CHECK_EQ(52, t.nodes);
    CHECK(!registry_topology_at(o->r, 100, &t));
    office_close(o);
}

TEST(registry, circuit_breaker_blocks_a_failing_node_and_lets_one_probe_through) {
    struct office *o = office_open(10);
    join(o, 1);
    for (uint32_t i = 0; i < BREAKER_ROW; i++) CHECK_OK(step(o, REGISTRY_RESULT, 1, false));
    struct sched_node s;
    registry_sched_node(rec(o, 1), o->now, NULL, &s);
    CHECK_EQ(SCHED_BREAKER, s.blocked);
    o->now += BREAKER_WAIT_MS;
    registry_sched_node(rec(o, 1), o->now, NULL, &s);
    CHECK(s.blocked == 0 && s.free_slots == 1);
    CHECK_OK(step(o, REGISTRY_SENT, 1, false));
    registry_sched_node(rec(o, 1), o->now, NULL, &s);
    CHECK_EQ(SCHED_BREAKER, s.blocked);
    office_close(o);
}

TEST(registry, walks_nodes_by_id_and_refuses_one_above_the_limit) {
    struct office *o = office_open(3);
    join(o, 5);
    join(o, 1);
    join(o, 9);
    CHECK_EQ(VL_ELIMIT, step(o, REGISTRY_JOINED, 2, false));
    uint32_t want[] = { 1, 5, 9 }, n = 0;
    for (const struct node_record *r = registry_next(o->r, NULL); r != NULL; r = registry_next(o->r, &r->id))
        CHECK(vl_node_eq(node_n(want[n++]), r->id));
    CHECK_EQ(3, n);
    office_close(o);
}

TEST(registry, one_tick_never_overflows_its_effects) {
    struct office *o = office_open(2000);
    for (uint32_t i = 0; i < 2000; i++) join(o, i);
    uint32_t partition = tick(o, o->now + 90000, REGISTRY_PARTITION);
    CHECK_EQ(1, partition);
    CHECK_EQ(2000, tick(o, o->now + 90000, REGISTRY_NODE_LOST));
    office_close(o);
}

TEST(registry, next_heartbeat_stays_within_ten_percent) {
    struct vl_prng rng;
    vl_prng_seed(&rng, 1);
    vl_ms lo = VL_MS_NEVER, hi = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        vl_ms at = heartbeat_next(&rng, 1000, 30000);
        lo = vl_ms_min(lo, at);
        hi = at > hi ? at : hi;
    }
    CHECK(lo >= 28000 && lo < 28020 && hi <= 34000 && hi > 33980);
}

TEST(registry, state_table_lets_an_offline_node_only_become_active_or_maintenance) {
    for (int to = NODE_ACTIVE; to <= NODE_MAINTENANCE; to++)
        CHECK_EQ(to == NODE_ACTIVE || to == NODE_MAINTENANCE, node_state_may(NODE_OFFLINE, (enum node_state)to));
    CHECK(!node_state_may(NODE_MAINTENANCE, NODE_IDLE));
}

TEST(registry, node_whose_owner_took_it_back_gets_nothing_until_its_next_word) {
    struct office *o = office_open(10);
    struct sched_node n;
    join(o, 1);
    CHECK_OK(step(o, REGISTRY_HANDED_BACK, 1, false)); /* a machine given for good has no such owner */
    CHECK_EQ(HARVEST_SAYS_ALWAYS, rec(o, 1)->harvest);
    o->beat.harvest = HARVEST_SAYS_READY;
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    CHECK_OK(step(o, REGISTRY_HANDED_BACK, 1, false));
    CHECK_EQ(1, count(o, REGISTRY_NODE_CHANGED));
    registry_sched_node(rec(o, 1), o->now, NULL, &n);
    CHECK(n.blocked & SCHED_HARVEST);
    CHECK_OK(step(o, REGISTRY_HEARTBEAT, 1, false));
    registry_sched_node(rec(o, 1), o->now, NULL, &n);
    CHECK(!(n.blocked & SCHED_HARVEST));
    CHECK_EQ(VL_ENOTFOUND, step(o, REGISTRY_HANDED_BACK, 9, false));
    office_close(o);
}
