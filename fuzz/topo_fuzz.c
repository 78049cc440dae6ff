/* What peers say of draws, to a coordinator and to a member: raw bytes in every kind of message, certificates and challenges that begin
 * honestly, time that goes on.  Nobody may get into a roll that way, and no book may change but by the coordinator. */
#include "brain/priv.h"
#include "crypto/random.h"
#include "trust/topology.h"

#include <stdlib.h>
#include <string.h>

enum { EPOCH_MS = 64000 };
static const enum link_kind kinds[] = { LINK_ROLL, LINK_REVEAL, LINK_DRAW };

static struct brain *make(bool coordinator) {
    struct brain_config cfg = { .coordinator = coordinator, .name = "alder", .epoch_ms = EPOCH_MS, .caps = { .cpus = 1 } };
    struct brain *b = NULL;
    memset(cfg.sign_seed, coordinator ? 1 : 2, 32);
    memset(cfg.static_secret, coordinator ? 3 : 4, 32);
    memset(cfg.root_seed, 5, 32);
    memcpy(cfg.coordinator_addr, "node-0:1", 9);
    if (brain_create(&cfg, 1000000, &b) != VL_OK) abort();
    brain_start(b, 1000000);
    if (!coordinator) memset(b->coordinator.b, 7, 32);
    return b;
}

/* The shell: everything is on disk at once, and nothing is answered. */
static void drain(struct brain *b, vl_ms now) {
    struct brain_effect e;
    uint64_t seq = 0;
    while (brain_next_effect(b, &e)) {
        if (e.kind != BRAIN_COMMIT) continue;
        seq = e.seq;
        brain_committed(b, now, seq);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    if (crypto_init() != VL_OK) abort();
    if (n < 2) return 0;
    bool lead = p[0] & 1;
    struct brain *b = make(lead);
    struct peer peer = { .attached = true };
    struct brain_topology t;
    vl_ms now = 1000000;
    memset(peer.node.b, 7, 32); /* the member's coordinator, the coordinator's member */
    drain(b, now);
    for (size_t at = 1; at + 2 < n;) {
        unsigned op = p[at], len = p[at + 1];
        if (at + 2 + len > n) len = (unsigned)(n - at - 2);
        if (op >= 0xf0) { /* time, up to an epoch */
            now += 1 + (vl_ms)(op & 15) * EPOCH_MS / 15;
            brain_tick(b, now);
        } else {
            step_begin(b, now);
            topo_message(b, &peer, kinds[op % 3], vl_span(p + at + 2, len));
            step_end(b);
        }
        drain(b, now);
        at += 2 + len;
    }
    brain_topology(b, &t);
    if (!lead && t.known && t.members > 0) abort(); /* a roll with somebody in it needs a seal, which nobody guesses */
    if (lead && t.members > 2) abort(); /* itself, and the one member there is */
    if (t.counters.answered + t.counters.statements + t.counters.disagreed > 0) abort();
    brain_destroy(b);
    return 0;
}
