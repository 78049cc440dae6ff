/* village.h - whole members (brain/) as nodes of a simulated world: the shipped cores and codecs, over a virtual
 * network, the memory store and a virtual executor.  Node 0 is the coordinator; the others join it by ticket, as real
 * ones do.
 *
 * Checked after every event: what was acknowledged is in the store; an ended job stays as it ended; a task is done
 * once, by one epoch; the bytes that came out are those the program would have written; delivery's books balance; a
 * member shows its job as ended as the coordinator has it, and as done with all its outputs.
 * With a private network also: the books of relays and mailboxes balance, every packet is looked up in a replay table, an
 * epoch has one consensus with enough signatures, votes are durable before others see them, nothing private goes over a
 * link, and no honest authority is accused. */
#ifndef VL_SIM_VILLAGE_H
#define VL_SIM_VILLAGE_H

#include "brain/brain.h"
#include "sim/world.h"

#include <stdio.h>

struct sim_village; /* owns the world */

struct sim_village_cfg {
    struct world_cfg world;         /* ops, user and check are set by this module */
    uint32_t slots;                 /* of each worker */
    uint32_t liars, liar_slots;     /* nodes 1..liars claim liar_slots and refuse what is above `slots` */
    vl_ms heartbeat_ms, lost_ms;    /* 0: defaults */
    vl_ms submit_every_ms;          /* mean time between jobs; 0: none */
    bool submit_at_members;         /* every second job, at one of them; the others at the coordinator */
    bool tiers;                     /* every second job of the coordinator has one */
    uint32_t tasks_max;             /* of one job: 1..tasks_max */
    vl_ms task_min_ms, task_max_ms; /* how long a task runs */
    uint32_t fail_ppm;              /* runs that fail */
    uint32_t jobs_max;              /* stop submitting after so many */
    bool mix;                       /* a private network: */
    uint32_t mix_relays;            /* nodes 1..mix_relays are mixes; three are authorities */
    uint32_t mix_epoch_ms;
    uint32_t mix_charters;          /* how many are signed: the second names other authorities, the third other epochs */
    vl_ms mix_charter_ms;           /* between two of them */
    uint32_t private_percent;       /* of the jobs */
    uint32_t owners;                /* nodes 1..owners are harvested, and people come and go */
    uint32_t market_percent;        /* of the jobs submitted at the coordinator: auctioned */
    vl_ms epoch_ms;                 /* of draws; 0: the default */
    uint32_t chosen;                /* nodes 1..chosen chose their ids next to that of the last node, out of 256 keys each */
    bool forger;                    /* the last node makes up the results that are compared with others' */
};
struct sim_village_cfg sim_village_cfg_default(void);

VL_MUST_CHECK enum vl_err sim_village_create(const struct sim_village_cfg *cfg, struct sim_village **ret);
void sim_village_destroy(struct sim_village *v);
struct world *sim_village_world(struct sim_village *v);

struct sim_village_stats {
    uint32_t submitted, acknowledged, refused, done, failed, members, ended_at_members, private_done, consensuses;
    uint64_t visits, handed_back; /* of owners; tasks they stopped */
    uint32_t auctions, auctions_paid; /* opened; of those remembered at the end, sold */
    uint64_t runs, lies, commits, events; /* runs: begun; lies: refused by those that had claimed room for them */
};
void sim_village_stats(struct sim_village *v, struct sim_village_stats *ret);
/* The coordinator's, for figures; NULL while it is down. */
const struct brain *sim_village_coordinator(const struct sim_village *v);
/* Any node's, to look at, or for tests that make it a liar (brain/priv.h); NULL while it is down. */
struct brain *sim_village_brain(const struct sim_village *v, uint32_t node);
struct vl_node_id sim_village_id(const struct sim_village *v, uint32_t node);
/* All nodes are members, every acknowledged job has ended, and every link that is wanted is up.  For world_run_until(). */
bool sim_village_settled(void *user, struct world *w);
/* What has not ended, and why: for a person who looks at a seed. */
void sim_village_describe(struct sim_village *v, FILE *to);

#endif
