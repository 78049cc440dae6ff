/* mixnet.h - a whole mixnet in virtual time: the shipped relays, paths, cover and channels of src/mix/ with real
 * packets and keys, thousands of clients, one seed.  Measures what MIX-14 asks for: delay, loss, and the entropy of the
 * set of senders, against rate and cover.  One thread; no clock, no files; the same configuration gives the same
 * result.
 *
 * Clients do what src/brain/mix_client.c does: the same slots, reply blocks, fetches.  Each is a recipient, its guard
 * its provider.  What differs from a village: relays send nothing of their own, links are datagrams that take a uniform
 * time and may lose a packet (real links are streams: what is lost there comes late), and the consensus is made by
 * hand.
 *
 * A run: epoch 1, in which no relay has published a rate yet (nor asks the consensus for a floor: with the delays that
 * an unknown rate calls for it would only take longer); then epoch 2 with the rates that were seen, in which the level
 * is asked for (the floor may raise the delay or refuse it), a while for the pools to fill, the measured minutes, and
 * as long as measured messages are on their way.  Entropy: see mixnet_entropy.h. */
#ifndef VL_SIM_MIXNET_H
#define VL_SIM_MIXNET_H

#include "base/err.h"
#include "base/ms.h"
#include "mix/consensus.h"
#include "mix/cover.h"
#include "wire/level.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_MIX_CLIENTS_MAX 65536u
#define SIM_MIX_LATENCY_MAX 500u

/* Planted bugs: what such a mixnet looks like must turn sim_mixnet_wrong() red. */
enum sim_mix_bug {
    SIM_MIX_SOUND = 0,
    SIM_MIX_NO_DELAY, /* relays hand on at once */
    SIM_MIX_NO_COVER, /* payload slots with nothing to say stay empty */
    SIM_MIX_IN_ORDER, /* every packet waits the mean, so the first to come is the first to leave */
};

struct sim_mixnet_cfg {
    uint64_t seed;
    uint32_t clients, relays;             /* 2..SIM_MIX_CLIENTS_MAX; 1..MIX_RELAYS_MAX */
    enum mix_level level;                 /* of messages: PUBLIC..SECRET */
    enum mix_level cover_level;           /* of loops and drops; the brain takes PRIVATE */
    struct cover_rates rates;             /* of each client */
    double load;                          /* messages per client and minute */
    uint32_t message_bytes;               /* 16..CHANNEL_MESSAGE_MAX */
    uint32_t loss_ppm;                    /* of packets, at each link to a relay */
    vl_ms latency_min_ms, latency_max_ms; /* of links, uniform; <= SIM_MIX_LATENCY_MAX */
    uint32_t floor;                       /* K of the consensus; 0: none */
    uint16_t delay_ms[MIX_DELAYS];        /* of the consensus */
    vl_ms rate_ms;                        /* epoch 1; the rate is that of all but its first quarter; >= 1000 */
    vl_ms measure_ms, drain_ms;           /* drain: at most so long after */
    enum sim_mix_bug bug;
};
/* 200 clients that send 1 payload slot, 0.1 loops, 0.1 drops a second and 1 message of 600 bytes a minute through 25
 * relays at PRIVATE, links of 5..40 ms without loss, K = 64; one minute. */
struct sim_mixnet_cfg sim_mixnet_cfg_default(void);

struct sim_mixnet_result {
    struct vl_errmsg refused; /* why there is no such level; then what follows is of epoch 1, or zero */
    uint32_t relay_rate;      /* published: packets a second, mean over relays */
    uint16_t level_mean_ms;   /* mean delay a hop that paths_level() named: the longest a path may get */
    double mean_ms;           /* mean over packets that carry messages, a hop */
    double sent_rate;         /* packets a second that one client handed to its guard while it was measured */

    uint64_t messages, received, failed, pending, doubled, wrong; /* measured ones; wrong: other bytes than sent */
    uint32_t delay_p50_ms, delay_p95_ms, delay_p99_ms;            /* from channel_send() to RECEIVED */
    uint64_t fragments, retransmitted, no_path;                   /* of the whole run */

    uint64_t loops_back, loops_lost;            /* of the whole run */
    uint64_t packets, lost, bad, undeliverable; /* of the whole run; packets: over a link; bad: refused by a relay */
    uint64_t hops;                              /* packets that relays unwrapped */

    uint64_t samples;           /* message packets that came to a provider while measured */
    double entropy, entropy_5;  /* bits of the distribution over senders: mean; 5th percentile */
    double effective, fraction; /* 2^entropy; entropy / log2(clients) */
    double surprise;            /* mean of -log2 of the chance given to the true sender: as entropy if that is honest */
    double pool;                /* packets among which a packet hides when it leaves a relay, itself among them, mean */
    double age_rank;            /* of the packet that leaves among these, 0 oldest, 1 newest, mean: 0.5 */
    double wait_ratio;          /* time waited over mean delay asked for, mean: 1 */
    uint64_t waits, ranks;      /* packets that these figures are of: all that left, and those that were not alone */

    double virtual_s;
    uint64_t trace; /* digest of all that happened */
};

/* VL_OK also when the level is refused: see ret->refused.  VL_ERANGE: cfg; VL_ENOMEM; VL_EINTERNAL: a relay's books or
 * those of the network do not balance. */
VL_MUST_CHECK enum vl_err sim_mixnet_run(const struct sim_mixnet_cfg *cfg, struct sim_mixnet_result *ret);

/* What cannot be in a mixnet that works, from the figures alone; NULL: nothing.  Static text.  Meant for runs with some
 * hundred message packets. */
const char *sim_mixnet_wrong(const struct sim_mixnet_cfg *cfg, const struct sim_mixnet_result *r);

#endif
