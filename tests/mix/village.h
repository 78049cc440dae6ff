/* village.h - consensuses for tests of paths: as many relays as wanted, all alike until a test changes them. */
#ifndef VL_TESTS_MIX_VILLAGE_H
#define VL_TESTS_MIX_VILLAGE_H

#include "mix/consensus.h"
#include "mix/path.h"

#define T0 1700000000000ull /* begin of the epoch of village_init() */
#define EPOCH 1800000ull
#define VILLAGE_RELAYS 1024u
#define VILLAGE_CLIENTS 16u

struct village {
    struct mix_consensus c; /* relays and clients are the arrays below */
    struct mix_relay relay[VILLAGE_RELAYS];
    struct mix_client client[VILLAGE_CLIENTS];
};
/* n relays with the numbers 10, 20, ...: every role, no family, a subnet of their own, enough rate for 20 ms. */
void village_init(struct village *v, uint32_t n);
/* Adds a recipient; numbers of recipients must ascend.  provider: directory number. */
struct vl_node_id village_client(struct village *v, uint8_t name, uint32_t provider);
struct vl_node_id village_node(uint32_t relay); /* node id of v->relay[relay] */
struct vl_node_id village_self(void);           /* no relay, and no recipient until added with name 0xee */
struct paths *village_paths(const struct village *v, uint8_t seed);
/* Relay of a directory number, NULL. */
const struct mix_relay *village_relay(const struct village *v, uint32_t number);
/* The rule that hops a and b break together, NULL: none. */
const char *village_conflict(const struct mix_relay *a, const struct mix_relay *b);

#endif
