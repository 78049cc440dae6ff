#include "sim/world.h"

#include "courier.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

/* ---- the world itself, with a node that only records ---- */

struct probe {
    struct world *w;
    uint32_t me;
    uint64_t conn;
    char got[64];
    size_t got_n;
    unsigned accepted, dialed, closed, datagrams, steps;
    vl_ms deadline, last_now;
};
static struct probe *probe_of(struct world *w, uint32_t i) { return world_node(w, i); }
static void *probe_create(void *user, struct world *w, uint32_t node, vl_ms now) {
    struct probe *p = calloc(1, sizeof *p);
    (void)user;
    if (p != NULL) *p = (struct probe){ .w = w, .me = node, .deadline = VL_MS_NEVER, .last_now = now };
    return p;
}
static void probe_conn(void *self, uint64_t conn, enum world_conn_event ev, uint32_t peer, vl_ms now) {
    struct probe *p = self;
    (void)peer;
    (void)now;
    p->conn = conn;
    p->accepted += ev == WORLD_ACCEPTED;
    p->dialed += ev == WORLD_DIALED;
    p->closed += ev == WORLD_CLOSED;
}
static void probe_bytes(void *self, uint64_t conn, struct vl_span bytes, vl_ms now) {
    struct probe *p = self;
    (void)conn;
    (void)now;
    for (size_t i = 0; i < bytes.n && p->got_n < sizeof p->got; i++) p->got[p->got_n++] = (char)bytes.p[i];
}
static void probe_datagram(void *self, uint32_t from, struct vl_span bytes, vl_ms now) {
    struct probe *p = self;
    (void)from;
    (void)bytes;
    (void)now;
    p->datagrams++;
}
static void probe_step(void *self, vl_ms now) {
    struct probe *p = self;
    p->steps++;
    p->deadline = VL_MS_NEVER;
    p->last_now = now;
}
static vl_ms probe_deadline(void *self) { return ((struct probe *)self)->deadline; }
static const struct world_node_ops probe_ops = { .create = probe_create, .on_conn = probe_conn, .on_bytes = probe_bytes,
                                                 .on_datagram = probe_datagram, .step = probe_step,
                                                 .deadline = probe_deadline, .destroy = free };

static struct world *probe_world(uint32_t nodes, struct world_cfg cfg) {
    struct world *w = NULL;
    cfg.nodes = nodes;
    cfg.ops = &probe_ops;
    CHECK_OK(world_create(&cfg, &w));
    for (uint32_t i = 0; i < nodes; i++) CHECK_OK(world_start(w, i));
    return w;
}

TEST(world, keeps_a_stream_in_order_whatever_it_loses) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world_cfg cfg = world_cfg_default();
        uint64_t conn;
        cfg.seed = seed;
        cfg.link.loss_ppm = 300000;
        struct world *w = probe_world(2, cfg);
        CHECK_OK(world_dial(w, 0, 1, &conn));
        for (uint8_t i = 0; i < 20; i++) {
            uint8_t two[2] = { (uint8_t)(2 * i), (uint8_t)(2 * i + 1) };
            CHECK_OK(world_send(w, 0, conn, vl_span(two, 2)));
        }
        CHECK_OK(world_run(w, world_now(w) + 100000));
        const struct probe *p = probe_of(w, 1);
        CHECK_EQ(1, p->accepted);
        CHECK_EQ(40, p->got_n);
        for (size_t i = 0; i < 40; i++) CHECK_EQ(i, p->got[i]);
        world_destroy(w);
    }
}

TEST(world, takes_longer_for_more_bytes_on_a_narrow_link) {
    struct world_cfg cfg = world_cfg_default();
    uint64_t conn;
    static uint8_t kib[1024];
    cfg.link.delay_min_ms = cfg.link.delay_max_ms = 5;
    cfg.link.bytes_per_ms = 100;
    struct world *w = probe_world(2, cfg);
    vl_ms t = world_now(w);
    CHECK_OK(world_dial(w, 0, 1, &conn));
    CHECK_OK(world_send(w, 0, conn, vl_span(kib, sizeof kib)));
    CHECK_OK(world_run(w, t + 15));
    CHECK_EQ(0, probe_of(w, 1)->got_n);
    CHECK_OK(world_run(w, t + 16)); /* 11 ms on the wire, 5 ms of way */
    CHECK_EQ(64, probe_of(w, 1)->got_n);
    world_destroy(w);
}

TEST(world, refuses_a_dial_to_a_node_that_is_down) {
    struct world *w = probe_world(2, world_cfg_default());
    uint64_t conn;
    world_crash(w, 1);
    CHECK_OK(world_dial(w, 0, 1, &conn));
    CHECK_OK(world_run(w, world_now(w) + 100));
    CHECK_EQ(1, probe_of(w, 0)->closed);
    CHECK_EQ(VL_ECLOSED, world_send(w, 0, conn, vl_span_str("x")));
    world_destroy(w);
}

TEST(world, lets_bytes_arrive_that_were_sent_before_the_close) {
    struct world *w = probe_world(2, world_cfg_default());
    uint64_t conn;
    CHECK_OK(world_dial(w, 0, 1, &conn));
    CHECK_OK(world_send(w, 0, conn, vl_span_str("bye")));
    world_close(w, 0, conn);
    CHECK_OK(world_run(w, world_now(w) + 100));
    CHECK_EQ(3, probe_of(w, 1)->got_n);
    CHECK_EQ(1, probe_of(w, 1)->closed);
    CHECK_EQ(0, probe_of(w, 0)->closed);
    world_destroy(w);
}

TEST(world, holds_a_stream_over_a_short_partition_and_breaks_it_over_a_long_one) {
    for (vl_ms cut = 9000; cut <= 11000; cut += 2000) {
        struct world *w = probe_world(2, world_cfg_default());
        uint64_t conn;
        CHECK_OK(world_dial(w, 0, 1, &conn));
        CHECK_OK(world_run(w, world_now(w) + 100));
        world_group_set(w, 1, 1);
        CHECK_OK(world_send(w, 0, conn, vl_span_str("abc")));
        CHECK_OK(world_run(w, world_now(w) + cut));
        world_group_set(w, 1, 0);
        CHECK_OK(world_run(w, world_now(w) + 1000));
        CHECK_EQ(cut < 10000 ? 3 : 0, probe_of(w, 1)->got_n);
        CHECK_EQ(cut < 10000 ? 0 : 1, probe_of(w, 0)->closed);
        CHECK_EQ(cut < 10000 ? 0 : 1, probe_of(w, 1)->closed);
        world_destroy(w);
    }
}

TEST(world, tells_the_other_end_of_a_crash_at_once_or_when_it_sends) {
    unsigned at_once = 0;
    for (uint64_t seed = 1; seed <= 32; seed++) {
        struct world_cfg cfg = world_cfg_default();
        uint64_t conn;
        cfg.seed = seed;
        struct world *w = probe_world(2, cfg);
        CHECK_OK(world_dial(w, 0, 1, &conn));
        CHECK_OK(world_run(w, world_now(w) + 100));
        world_crash(w, 1);
        CHECK_OK(world_start(w, 1));
        CHECK_OK(world_run(w, world_now(w) + 100));
        at_once += probe_of(w, 0)->closed;
        (void)!world_send(w, 0, conn, vl_span_str("x"));
        CHECK_OK(world_run(w, world_now(w) + 100));
        CHECK_EQ(1, probe_of(w, 0)->closed);
        CHECK_EQ(0, probe_of(w, 1)->got_n);
        world_destroy(w);
    }
    CHECK(at_once > 4 && at_once < 28);
}

TEST(world, loses_and_doubles_datagrams_as_told) {
    struct world_cfg cfg = world_cfg_default();
    cfg.link.loss_ppm = 300000;
    cfg.link.copy_ppm = 200000;
    struct world *w = probe_world(2, cfg);
    for (unsigned i = 0; i < 10000; i++) CHECK_OK(world_datagram(w, 0, 1, vl_span_str("x")));
    CHECK_OK(world_run(w, world_now(w) + 100));
    CHECK(probe_of(w, 1)->datagrams > 8000 && probe_of(w, 1)->datagrams < 8800); /* 0.7 * 1.2 */
    world_destroy(w);
}

TEST(world, keeps_what_was_synced_and_only_perhaps_what_was_not) {
    unsigned kept = 0, cut = 0, lost = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world_cfg cfg = world_cfg_default();
        cfg.seed = seed;
        struct world *w = probe_world(1, cfg);
        CHECK_OK(world_disk_write(w, 0, "f", 0, vl_span_str("safe")));
        CHECK_OK(world_disk_sync(w, 0, "f"));
        CHECK_OK(world_disk_write(w, 0, "f", 4, vl_span_str("unsafe")));
        CHECK_EQ(10, world_disk_read(w, 0, "f").n);
        world_crash(w, 0);
        struct vl_span f = world_disk_read(w, 0, "f");
        CHECK(f.n >= 4 && memcmp(f.p, "safe", 4) == 0 && memcmp(f.p + 4, "unsafe", f.n - 4) == 0);
        kept += f.n == 10;
        lost += f.n == 4;
        cut += f.n > 4 && f.n < 10;
        world_destroy(w);
    }
    CHECK(kept > 30 && cut > 20 && lost > 30);
}

TEST(world, writes_short_when_the_disk_is_full) {
    struct world_cfg cfg = world_cfg_default();
    cfg.disk_bytes = 10;
    struct world *w = probe_world(1, cfg);
    CHECK_OK(world_disk_write(w, 0, "f", 0, vl_span_str("0123456789")));
    CHECK_OK(world_disk_write(w, 0, "f", 0, vl_span_str("9876543210")));
    CHECK_EQ(VL_ENOSPC, world_disk_write(w, 0, "f", 8, vl_span_str("abc")));
    CHECK(world_disk_read(w, 0, "f").n <= 10);
    CHECK_EQ(VL_ERANGE, world_disk_write(w, 0, "f", 11, vl_span_str("a")));
    CHECK_OK(world_disk_truncate(w, 0, "f", 0));
    CHECK_OK(world_disk_write(w, 0, "g", 0, vl_span_str("0123456789")));
    world_destroy(w);
}

TEST(world, never_lets_a_node_see_its_clock_run_backwards) {
    struct world *w = probe_world(1, world_cfg_default());
    vl_ms t = world_now(w), own = world_clock(w, 0);
    world_clock_step(w, 0, -5000);
    probe_of(w, 0)->deadline = own + 10;
    world_clock_step(w, 0, 0); /* asks for the deadline again */
    CHECK_EQ(own, world_clock(w, 0));
    CHECK_OK(world_run(w, t + 5009));
    CHECK_EQ(0, probe_of(w, 0)->steps);
    CHECK_OK(world_run(w, t + 5010));
    CHECK_EQ(1, probe_of(w, 0)->steps);
    CHECK_EQ(own + 10, probe_of(w, 0)->last_now);
    world_clock_step(w, 0, 100000);
    CHECK_EQ(own + 10 + 100000, world_clock(w, 0));
    world_destroy(w);
}

/* ---- delivery and blobs through everything at once ---- */

static uint64_t storm(uint64_t seed, struct observer *o, const char **ret_failure) {
    struct world_cfg cfg = world_cfg_default();
    struct world *w = NULL;
    cfg.seed = seed;
    cfg.nodes = o->n;
    cfg.ops = &courier_ops;
    cfg.user = o;
    cfg.check = courier_check;
    cfg.link.loss_ppm = 300000;
    cfg.link.kill_ppm = 2000;
    cfg.link.bytes_per_ms = 10000;
    CHECK_OK(world_create(&cfg, &w));
    for (uint32_t i = 0; i < o->n; i++) courier_blob_make(o, w, i);
    const struct world_faults faults = { .crash_ms = 4000, .down_ms = 2000, .write_crash_ms = 2000, .partition_ms = 15000,
                                         .heal_ms = 8000, .cut_ms = 3000, .clock_ms = 9000, .clock_step_ms = 30000 };
    world_faults_set(w, &faults);
    enum vl_err err = VL_OK;
    for (uint32_t i = 0; i < o->n && !err; i++) err = world_start(w, i);
    struct vl_prng *r = world_workload(w);
    for (unsigned i = 0; i < 300 && !err; i++) {
        uint32_t from = (uint32_t)vl_prng_below(r, o->n), to = (from + 1 + (uint32_t)vl_prng_below(r, o->n - 1)) % o->n;
        uint32_t size = (uint32_t)vl_prng_below(r, 3000);
        struct letter letter = { .to = to, .size = size };
        world_call(w, from, courier_send, &letter);
        err = world_run(w, world_now(w) + vl_prng_below(r, 400));
    }
    if (!err) err = world_heal(w);
    if (!err) err = world_run_until(w, courier_done, world_now(w) + 600000);
    *ret_failure = world_failure(w);
    CHECK_EQ(err == VL_OK, *ret_failure == NULL);
    uint64_t trace = world_trace(w);
    world_destroy(w);
    return trace;
}

TEST(sim, delivers_all_messages_once_and_all_blobs_through_loss_partition_crash_and_clock_steps) {
    const char *one = getenv("SEED");
    uint64_t from = one ? strtoull(one, NULL, 10) : 1, to = one ? from : 8;
    for (uint64_t seed = from; seed <= to; seed++) {
        struct observer o;
        const char *failure = NULL;
        observer_init(&o, 5);
        o.liar = seed % 2 ? 4 : WORLD_NONE;
        (void)storm(seed, &o, &failure);
        CHECK(failure == NULL);
        CHECK(o.accepted.len > 100);
        observer_free(&o);
    }
}

TEST(sim, replays_bit_for_bit_from_its_seed) {
    uint64_t trace[3];
    for (uint64_t i = 0; i < 3; i++) {
        struct observer o;
        const char *failure = NULL;
        observer_init(&o, 3);
        trace[i] = storm(i < 2 ? 5 : 6, &o, &failure);
        observer_free(&o);
    }
    CHECK_EQ(trace[0], trace[1]);
    CHECK(trace[0] != trace[2]);
}

/* A simulator that cannot fail proves nothing: planted bugs must turn it red. */
static bool turns_red(bool forget_sync, bool forget_in) {
    bool red = false;
    for (uint64_t seed = 1; seed <= 10 && !red; seed++) {
        struct observer o;
        const char *failure = NULL;
        observer_init(&o, 4);
        o.forget_sync = forget_sync;
        o.forget_in = forget_in;
        (void)storm(seed, &o, &failure);
        red = failure != NULL;
        observer_free(&o);
    }
    return red;
}
TEST(canary, is_seen_when_a_node_sends_before_its_log_is_durable) { CHECK(turns_red(true, false)); }
TEST(canary, is_seen_when_receive_windows_are_lost_at_a_restart) { CHECK(turns_red(false, true)); }

/* ---- size ---- */

struct beat {
    struct world *w;
    uint32_t me;
    uint64_t conn;
    vl_ms next;
    uint64_t heard;
};
static void *beat_create(void *user, struct world *w, uint32_t node, vl_ms now) {
    struct beat *b = calloc(1, sizeof *b);
    (void)user;
    if (b == NULL) return NULL;
    *b = (struct beat){ .w = w, .me = node, .next = node ? now + node % 1000 * 30 : VL_MS_NEVER };
    if (node != 0 && world_dial(w, node, 0, &b->conn) != VL_OK) b->conn = 0;
    return b;
}
static void beat_conn(void *self, uint64_t conn, enum world_conn_event ev, uint32_t peer, vl_ms now) {
    (void)self;
    (void)conn;
    (void)ev;
    (void)peer;
    (void)now;
}
static void beat_bytes(void *self, uint64_t conn, struct vl_span bytes, vl_ms now) {
    struct beat *b = self;
    (void)now;
    b->heard += bytes.n;
    if (b->me == 0) (void)!world_send(b->w, 0, conn, vl_span("ok", 2));
}
static void beat_step(void *self, vl_ms now) {
    struct beat *b = self;
    static const uint8_t heartbeat[120];
    b->next = now + 30000;
    (void)!world_send(b->w, b->me, b->conn, vl_span(heartbeat, sizeof heartbeat));
}
static vl_ms beat_deadline(void *self) { return ((struct beat *)self)->next; }

TEST(world, runs_a_thousand_nodes_with_heartbeats_through_an_hour) {
    static const struct world_node_ops ops = { .create = beat_create, .on_conn = beat_conn, .on_bytes = beat_bytes,
                                               .step = beat_step, .deadline = beat_deadline, .destroy = free };
    struct world_cfg cfg = world_cfg_default();
    struct world *w = NULL;
    cfg.nodes = 1000;
    cfg.ops = &ops;
    CHECK_OK(world_create(&cfg, &w));
    for (uint32_t i = 0; i < cfg.nodes; i++) CHECK_OK(world_start(w, i));
    CHECK_OK(world_run(w, world_now(w) + 3600000));
    CHECK(((struct beat *)world_node(w, 0))->heard >= 999u * 119u * 120u);
    print_message("# %llu events\n", (unsigned long long)world_events(w));
    world_destroy(w);
}
