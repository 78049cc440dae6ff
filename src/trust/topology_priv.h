/* topology_priv.h - what topology.c (book and beacon) and topology_cert.c (draws) share. */
#ifndef VL_TRUST_TOPOLOGY_PRIV_H
#define VL_TRUST_TOPOLOGY_PRIV_H

#include "trust/topology.h"

#define TOPOLOGY_ROLLS (TOPOLOGY_WAIT + 2) /* of the last epoch, the current one, and those already closed */
#define TOPOLOGY_SEEDS (TOPOLOGY_LOOKBACK + 2)

struct topology_entry {
    struct vl_node_id node;
    struct crypto_vrf_public vrf;
    uint32_t weight;
    bool counts; /* had weight before halving: its silence is noted */
};
/* In the order of node ids; never changed once closed. */
struct topology_roll {
    struct topology_entry *entry;
    uint32_t n;
    uint64_t total;
};
struct topology_book_member {
    struct vl_node_id node;
    struct crypto_vrf_public vrf;
    uint32_t weight;
    uint8_t missed;
};
struct topology_beta {
    bool given;
    uint8_t beta[CRYPTO_VRF_OUTPUT];
};

struct topology {
    uint64_t epoch;
    uint32_t max_members, n;
    struct topology_book_member *member;       /* in the order of node ids */
    struct topology_roll roll[TOPOLOGY_ROLLS]; /* of epoch x at x % ROLLS */
    struct vl_hash seed[TOPOLOGY_SEEDS];       /* S_x at x % SEEDS */
    struct topology_beta *reveal;              /* one for each entry of the current roll */
};

/* NULL unless it is the last, the current or the next epoch. */
const struct topology_roll *topology_roll_of(const struct topology *t, uint64_t epoch);
const struct topology_entry *topology_entry_of(const struct topology_roll *r, struct vl_node_id node);

#endif
