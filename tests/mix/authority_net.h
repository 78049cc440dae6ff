/* authority_net.h - a village of authorities and nodes in virtual time over a lossy network, for tests.
 * After every effect it checks what must always hold: one consensus for an epoch, a chain, no number given twice, no
 * accusation of an honest authority. */
#ifndef VL_TESTS_AUTHORITY_NET_H
#define VL_TESTS_AUTHORITY_NET_H

#include "base/heap.h"
#include "base/prng.h"
#include "directory_help.h"
#include "mix/authority.h"

#include <stdbool.h>

#define NET_EPOCH MIX_EPOCH_MS_MIN
#define NET_EPOCHS 64u
#define NET_NUMBERS 512u
#define NET_NODES 64u

/* Sizes of villages that tests go through. */
#define NET_SIZES 4u
struct net_size {
    uint8_t n, threshold;
};
extern const struct net_size net_sizes[NET_SIZES];

struct net_packet {
    struct vl_heap_node at;
    struct vl_node_id from;
    int to;
    size_t n;
    uint8_t p[];
};
struct net_authority {
    struct authority *a;    /* NULL: down */
    struct authority *twin; /* a second core with the same key, for authorities with an odd index: it lies */
    struct authority_config cfg;
    struct vl_buf consensus, state; /* its disk */
    uint32_t published;             /* of this life and those before */
};
struct net {
    struct mix_charter charter;
    struct crypto_sign_key key[MIX_AUTHORITIES_MAX], root;
    int n;
    struct net_authority at[MIX_AUTHORITIES_MAX];
    struct vl_heap packets;
    struct vl_prng prng;
    vl_ms now;
    unsigned loss;   /* percent */
    vl_ms delay_max; /* ms */
    /* true: this message is lost.  kind: its first byte. */
    bool (*drop)(struct net *net, int from, int to, uint8_t kind);
    int chosen; /* for drop() */
    bool lax;   /* more fail than the threshold allows for: a consensus may be lost with all who had it, and be gone on
                   before */

    uint32_t relays, clients;                       /* that hand in descriptors */
    uint32_t only[NET_NODES];                       /* bits of the authorities that relay i speaks to; 0: all */
    uint32_t taken[NET_NODES][MIX_AUTHORITIES_MAX]; /* epoch for which that authority has taken it */
    vl_ms next_members;

    /* what happened */
    uint8_t hash[NET_EPOCHS][32]; /* consensus of an epoch; zero: none */
    uint8_t previous[NET_EPOCHS][32];
    vl_ms first[NET_EPOCHS]; /* published at */
    struct vl_node_id owner[NET_NUMBERS];
    struct mix_vote vote[MIX_AUTHORITIES_MAX]; /* the last one seen on the wire; entries freed */
    struct mix_consensus last;
    struct vl_buf message[AUTHORITY_HAVE + 1]; /* the last of each kind, with the sender: */
    int sender[AUTHORITY_HAVE + 1];
    int liar; /* who may be accused; -1 */
    uint32_t accusations;
};

/* All up, at genesis.  net is zeroed by it. */
void net_init(struct net *net, uint8_t n, uint8_t threshold, uint64_t seed);
void net_free(struct net *net);
void net_run(struct net *net, vl_ms end);
/* Until step (0..31) of the epoch before `epoch`. */
void net_run_to(struct net *net, uint64_t epoch, uint32_t step);
void net_crash(struct net *net, int i);
/* From its disk. */
void net_start(struct net *net, int i);
/* The disk is lost. */
void net_wipe(struct net *net, int i);
/* Authority i lies from now on: a second core speaks to every other authority with an odd index. */
void net_corrupt(struct net *net, int i);
/* Everybody who is up has the newest consensus, and it is of that epoch. */
void net_check_all_have(const struct net *net, uint64_t epoch);
uint32_t net_consensuses(const struct net *net, uint64_t first, uint64_t last); /* epochs that have one */

#endif
