/* Everything goes wrong at once: loss, copies, reordering, links that come and go, nodes that crash between any step and
 * its commit or its transmission.  Every accepted message must arrive, once.  A failing seed is printed by the assertion. */
#include "delivery_rig.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENDERS 3u

struct sent {
    struct vl_msg_id id;
    unsigned to;
    uint32_t tag;
};

static void reconnect(struct rig *r) {
    for (unsigned a = 0; a < SENDERS; a++)
        for (unsigned b = 0; b < SENDERS; b++)
            if (a != b) rig_up(r, a, b, vl_prng_below(&r->prng, 2) == 0);
}

static size_t storm(struct rig *r, struct sent *sent, size_t max) {
    size_t n = 0;
    for (unsigned round = 0; round < 400 && n < max; round++) {
        unsigned a = (unsigned)vl_prng_below(&r->prng, SENDERS), b = (a + 1 + (unsigned)vl_prng_below(&r->prng, SENDERS - 1)) % SENDERS;
        uint32_t tag[400] = { (uint32_t)n };
        size_t size = vl_prng_below(&r->prng, 8) == 0 ? sizeof tag : sizeof *tag;
        if (r->node[a].d == NULL) rig_start(r, a);
        switch (vl_prng_below(&r->prng, 8)) {
        case 0: rig_up(r, a, b, vl_prng_below(&r->prng, 2) == 0); break;
        case 1: rig_down(r, a, b); break;
        case 2: rig_crash(r, a); break;
        default: {
            enum envelope_priority p = (enum envelope_priority)vl_prng_below(&r->prng, ENVELOPE_PRIORITIES);
            sent[n] = (struct sent){ .to = b, .tag = tag[0] };
            if (rig_send(r, a, b, p, 0, tag, size, &sent[n].id) == VL_OK) n++;
        }
        }
        rig_run(r, r->now + vl_prng_below(&r->prng, 500));
    }
    return n;
}

static void seed_run(uint64_t seed) {
    struct rig r;
    static struct sent sent[400];
    rig_init(&r, seed);
    for (unsigned i = 0; i < RIG_NODES; i++) {
        rig_crash(&r, i);
        r.node[i].cfg.limits.queue[ENVELOPE_CRITICAL] = 500; /* nothing gives way here: what is accepted must arrive */
        rig_start(&r, i);
    }
    r.loss = 30;
    r.copies = 20;
    r.delay_max = 3000;
    r.crash = 20;
    size_t n = storm(&r, sent, sizeof sent / sizeof *sent);
    r.loss = r.copies = r.crash = 0;
    for (unsigned i = 0; i < SENDERS; i++)
        if (r.node[i].d == NULL) rig_start(&r, i);
    reconnect(&r);
    rig_run(&r, r.now + 300000);
    size_t delivers = 0;
    for (unsigned i = 0; i < SENDERS; i++) {
        CHECK_EQ(0, delivery_counters(r.node[i].d).pending);
        CHECK_EQ(0, r.node[i].out.len);
        CHECK_EQ(0, r.node[i].dropped);
        delivers += r.node[i].delivers;
    }
    for (size_t i = 0; i < n; i++) {
        const struct rig_row *row = vl_map_get(&r.node[sent[i].to].got, sent[i].id.b);
        CHECK(row != NULL && memcmp(row->p, &sent[i].tag, sizeof sent[i].tag) == 0);
    }
    CHECK_EQ(n, delivers);
    rig_free(&r);
}

TEST(storm, delivers_every_accepted_message_exactly_once_whatever_breaks) {
    const char *one = getenv("SEED");
    uint64_t from = one ? strtoull(one, NULL, 10) : 1, to = one ? from : 25;
    for (uint64_t seed = from; seed <= to; seed++) {
        print_message("# seed=%llu\n", (unsigned long long)seed);
        seed_run(seed);
    }
}

/* Crash after exactly the k-th step of one node's life, for every k. */
TEST(storm, survives_a_crash_at_each_single_step) {
    for (unsigned k = 0; k < 120; k++) {
        struct rig r;
        rig_init(&r, 77);
        r.delay_max = 20;
        r.loss = 30;
        unsigned victim = k % 2, sent = 0;
        for (unsigned i = 0; i < 20; i++) {
            if (i == k / 6) { /* all its later packets of this round are lost as well */
                rig_crash(&r, victim);
                rig_run(&r, r.now + k % 6 * 5);
                rig_start(&r, victim);
            }
            rig_up(&r, 0, 1, i % 2 == 0);
            rig_up(&r, 1, 0, true);
            if (rig_send(&r, 0, 1, ENVELOPE_NORMAL, 0, &i, sizeof i, NULL) == VL_OK) sent++;
            rig_run(&r, r.now + 7);
        }
        rig_run(&r, r.now + 400000);
        CHECK_EQ(20, sent);
        CHECK_EQ(sent, r.node[1].delivers);
        CHECK_EQ(0, delivery_counters(r.node[0].d).pending);
        rig_free(&r);
    }
}
