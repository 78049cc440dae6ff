/* relay_rig.h - one relay with keys and tables, real packets for it, and a look at every buffer it has. */
#ifndef VL_TESTS_MIX_RELAY_RIG_H
#define VL_TESTS_MIX_RELAY_RIG_H

#include "mix/relay_priv.h"

#define RIG_KEYS 5u
#define RIG_NODE 41u /* directory number of the relay under test */
#define RIG_NEXT 77u /* of the node behind it */

struct relay_rig {
    struct relay *r;
    struct sphinx_node_key key[RIG_KEYS], next; /* key ids 10..; of the node behind: 200 */
    struct replay *table[RIG_KEYS];
    void *mem[RIG_KEYS];
    uint8_t y[RIG_KEYS][CRYPTO_VRF_OUTPUT];
    struct crypto_drbg rng;
    vl_ms now;
    uint64_t serial; /* written over the first bytes of recipients and mailboxes, 0: not */
};
/* Limits that only the tests of limits meet. */
struct relay_limits rig_limits(void);
/* No key yet; time is 1,000,000. */
void rig_init(struct relay_rig *g, const struct relay_limits *limits, uint64_t seed);
void rig_free(struct relay_rig *g);
/* Gives key k to the relay, with a table for so many tags. */
void rig_key(struct relay_rig *g, unsigned k, uint64_t capacity);
/* Another key under the id of key k, which the relay must not have. */
void rig_key_fresh(struct relay_rig *g, unsigned k);
/* No batch may be out.  Frees the table. */
void rig_key_drop(struct relay_rig *g, unsigned k);

/* A packet under key k that ends here or (FORWARD) goes on to RIG_NEXT.  Returns what its delay is drawn from. */
struct rig_made {
    uint8_t delay_input[16];
};
struct rig_made rig_packet(struct relay_rig *g, unsigned k, enum sphinx_command command, uint16_t delay_ms,
                           uint8_t packet[SPHINX_PACKET]);
/* Microseconds that the relay must give it. */
uint64_t rig_delay(const struct relay_rig *g, unsigned k, struct rig_made m, uint16_t delay_ms);
/* An authentic header around a slot that no rule knows. */
void rig_forged_slot(struct relay_rig *g, unsigned k, uint8_t packet[SPHINX_PACKET]);
/* Passes the glance and nothing else: random bytes behind a good AD. */
void rig_garbage(struct relay_rig *g, unsigned k, uint8_t packet[SPHINX_PACKET]);

vl_ms rig_input(struct relay_rig *g, uint64_t link, const uint8_t *p, size_t n); /* one or more packets; checks */
/* Takes, runs and gives back batches until there is none; returns their number. */
unsigned rig_batches(struct relay_rig *g);
/* Hands on all that is due; returns how many. */
unsigned rig_hand_on(struct relay_rig *g);
/* rig_batches() a millisecond later, so that nothing waits for company. */
void rig_flush(struct relay_rig *g);
struct relay_stats rig_stats(const struct relay_rig *g);
uint64_t rig_dropped(const struct relay_rig *g); /* of all reasons */
/* The invariants, each buffer in exactly one place, the queues in order. */
void rig_check(const struct relay_rig *g);

#endif
