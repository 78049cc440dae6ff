/* Random events on a relay with little room, real packets among them; after each: the ledger, every buffer in one
 * place, and nothing delivered twice.  VILLAGE_SEED=17 before the program runs one seed. */
#include "mix/relay_rig.h"

#include "base/prng.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

enum { PACKETS = 600, EVENTS = 3000, LINKS = 6 };

struct storm {
    struct relay_rig g;
    struct vl_prng prng;
    uint8_t packet[PACKETS][SPHINX_PACKET];
    unsigned n; /* packets made so far */
    uint8_t delivered[PACKETS];
    bool live[RIG_KEYS];
    struct relay_batch *batch;
    bool ran;
    uint64_t seen[RELAY_DROPS];
    uint64_t given, made; /* counted here, apart from the relay's own books */
};

static uint64_t below(struct storm *s, uint64_t n) { return vl_prng_below(&s->prng, n); }

static const uint8_t *some_packet(struct storm *s) {
    static const enum sphinx_command command[] = { SPHINX_FORWARD, SPHINX_FORWARD, SPHINX_DELIVER,
                                                   SPHINX_DELIVER, SPHINX_REPLY,   SPHINX_DROP };
    static const uint16_t mean[] = { 0, 1, 20, 200, 2000 };
    if (s->n == PACKETS || (s->n > 0 && below(s, 5) == 0)) return s->packet[below(s, s->n)]; /* a replay */
    unsigned i = s->n++;
    s->g.serial = i + 1;
    uint64_t kind = below(s, 12);
    if (kind == 0)
        rig_garbage(&s->g, (unsigned)below(s, RIG_KEYS), s->packet[i]);
    else if (kind == 1)
        rig_forged_slot(&s->g, (unsigned)below(s, RIG_KEYS), s->packet[i]);
    else
        (void)rig_packet(&s->g, (unsigned)below(s, RIG_KEYS), command[below(s, 6)], mean[below(s, 5)], s->packet[i]);
    if (kind == 2) s->packet[i][below(s, SPHINX_PACKET)] ^= (uint8_t)(1u << below(s, 8));
    if (kind == 3) memset(s->packet[i] + 8, 0, 32);
    return s->packet[i];
}

static void event_input(struct storm *s) {
    uint8_t burst[9 * SPHINX_PACKET];
    uint64_t n = 1 + below(s, 9);
    for (uint64_t i = 0; i < n; i++) memcpy(burst + i * SPHINX_PACKET, some_packet(s), SPHINX_PACKET);
    s->given += n;
    (void)rig_input(&s->g, below(s, LINKS), burst, n * SPHINX_PACKET - (below(s, 40) == 0));
}
static void event_batch(struct storm *s) {
    if (s->batch == NULL) {
        s->batch = relay_batch_take(s->g.r, s->g.now);
        s->ran = false;
    } else if (!s->ran) {
        relay_batch_run(s->batch);
        s->ran = true;
    } else {
        relay_batch_done(s->g.r, s->g.now, s->batch);
        s->batch = NULL;
    }
}
static void note(struct storm *s, const struct relay_out *out) {
    uint64_t serial;
    if (out->kind == RELAY_FORWARD) return;
    memcpy(&serial, out->end.recipient, sizeof serial);
    CHECK(serial >= 1 && serial <= PACKETS);
    CHECK_EQ(0, s->delivered[serial - 1]);
}
static void event_next(struct storm *s) {
    static const enum relay_drop why[] = { RELAY_DROP_NO_ROUTE, RELAY_DROP_LINK, RELAY_DROP_RECIPIENT };
    struct relay_out out;
    for (uint64_t n = below(s, 12); n > 0 && relay_next(s->g.r, s->g.now, &out); n--) {
        note(s, &out);
        rig_check(&s->g);
        uint64_t serial = 0;
        memcpy(&serial, out.end.recipient, sizeof serial);
        switch (below(s, 8)) {
        case 0:
            relay_drop(s->g.r, out.handle, why[below(s, 3)]);
            break;
        case 1:
            relay_retry(s->g.r, s->g.now, out.handle, s->g.now + below(s, 3000) - 10);
            continue;
        default:
            relay_gone(s->g.r, out.handle);
        }
        if (out.kind != RELAY_FORWARD) s->delivered[serial - 1] = 1;
    }
}
static void event_key(struct storm *s) {
    unsigned k = (unsigned)below(s, RIG_KEYS), live = 0;
    for (unsigned i = 0; i < RIG_KEYS; i++) live += s->live[i];
    if (s->live[k]) {
        if (!relay_key_drop(s->g.r, s->g.key[k].key_id)) {
            CHECK(s->batch != NULL);
            if (!s->ran) relay_batch_run(s->batch);
            relay_batch_done(s->g.r, s->g.now, s->batch);
            s->batch = NULL;
        }
        rig_key_drop(&s->g, k);
        s->live[k] = false;
    } else if (live < RELAY_KEYS_MAX) {
        rig_key_fresh(&s->g, k);
        rig_key(&s->g, k, 10 + below(s, 60));
        s->live[k] = true;
    }
}
static void event_time(struct storm *s) {
    static const vl_ms most[] = { 2, 2, 2, 20, 20, 500, 6000, 3600000 };
    s->g.now += below(s, most[below(s, 8)]);
}
static void event(struct storm *s) {
    static const uint8_t own[SPHINX_PACKET];
    uint64_t what = below(s, 100);
    if (what < 35)
        event_input(s);
    else if (what < 60)
        event_batch(s);
    else if (what < 75)
        event_next(s);
    else if (what < 90)
        event_time(s);
    else if (what < 95)
        s->made += relay_send(s->g.r, s->g.now, 1 + (uint32_t)below(s, 100), own) == VL_OK;
    else if (what < 98)
        relay_link_gone(s->g.r, below(s, LINKS));
    else
        event_key(s);
    rig_check(&s->g);
    struct relay_stats now = rig_stats(&s->g);
    CHECK_EQ(s->given, now.received);
    CHECK_EQ(s->made, now.made);
    CHECK_EQ(now.ingress, s->g.r->ingress_n);
}

static void storm(uint64_t seed, uint64_t seen[RELAY_DROPS]) {
    struct storm *s = calloc(1, sizeof *s);
    struct relay_limits l = {
        .packets = 80, .ingress = 40, .rate = 300, .burst = 90, .link_rate = 100, .link_burst = 30, .links = 4
    };
    CHECK(s != NULL);
    vl_prng_seed(&s->prng, seed);
    rig_init(&s->g, &l, seed);
    for (unsigned k = 0; k < 2; k++) {
        rig_key(&s->g, k, 60);
        s->live[k] = true;
    }
    for (unsigned i = 0; i < EVENTS; i++) event(s);
    while (s->batch != NULL) event_batch(s);
    rig_flush(&s->g);
    s->g.now += 200000; /* a hundred times the largest mean */
    (void)rig_hand_on(&s->g);
    struct relay_stats end = rig_stats(&s->g);
    CHECK_EQ(80, end.free_packets);
    CHECK_EQ(end.received + end.made, end.forwarded + end.delivered + rig_dropped(&s->g));
    for (unsigned i = 0; i < RELAY_DROPS; i++) seen[i] += end.dropped[i];
    rig_free(&s->g);
    free(s);
}

TEST(relay_storm, keeps_its_books_through_anything_and_delivers_nothing_twice) {
    uint64_t seen[RELAY_DROPS] = { 0 };
    const char *one = getenv("VILLAGE_SEED");
    uint64_t from = one != NULL ? strtoull(one, NULL, 10) : 1, to = one != NULL ? from : 6;
    for (uint64_t seed = from; seed <= to; seed++) {
        print_message("# VILLAGE_SEED=%llu\n", (unsigned long long)seed);
        storm(seed, seen);
    }
    for (unsigned i = 0; one == NULL && i < RELAY_DROPS; i++) /* a storm that misses a reason is none */
        if (seen[i] == 0) fail_msg("no packet was dropped as %s", relay_drop_name((enum relay_drop)i));
}
