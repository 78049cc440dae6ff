/* harvest_priv.h - a harvested member inside of the brain: harvest.c and contribution.c.  Not for others. */
#ifndef VL_BRAIN_HARVEST_PRIV_H
#define VL_BRAIN_HARVEST_PRIV_H

#include "brain/priv.h"
#include "fog/harvest.h"
#include "wire/contribution.h"

#define HARVEST_STORE_MS 60000u         /* how much of a session a sudden death may cost */
#define HARVEST_TELL_MS 600000u         /* how often the coordinator hears of one that goes on */
#define HARVEST_SESSION_MIN_MS 60000u   /* so that a rule that flaps makes no heap of sessions */
#define CONTRIBUTION_GAP_MS 30000u      /* coordinator: closed sessions of a node that come faster are not kept */
#define CONTRIBUTION_AHEAD_MS 86400000u /* how far a node's clock may be ahead of ours */

struct member_harvest {
    struct harvest core;
    struct harvest_orders told; /* what the shell has heard */
    uint16_t local_minute;
    uint64_t network, network_seen; /* bytes of blobs since start; of these, counted already */
    bool in_session, left_over;     /* left_over: of the process before */
    struct contribution session;
    vl_ms accounted_at, stored_at, told_at;
};

/* The coordinator's account of one node's open session. */
struct account {
    struct vl_node_id node;
    struct contribution_row row; /* claimed.start_ms 0: receipts came, no word of a session yet */
    vl_ms closed_at, closed_start; /* of the last session kept */
};

#endif
