/* village_priv.h - inside of a simulated village: nodes, their disks, and the checks.  Not for others. */
#ifndef VL_SIM_VILLAGE_PRIV_H
#define VL_SIM_VILLAGE_PRIV_H

#include "sim/village.h"

#include "base/map.h"
#include "mix/replay.h"
#include "store/mem.h"

#define SIM_COMMIT_MS 3u /* a commit takes up to this long */
#define SIM_LARGE 60000u /* bytes of an output that must travel as a blob, and of some inputs: two pieces in messages */
#define SIM_AUTHORITIES 3u
#define SIM_VOTES 8u    /* states of an authority that are remembered */
#define SIM_EPOCHS 4096u /* of the private network, of all charters */

struct sim_blob {
    size_t n;
    uint8_t p[];
};
struct sim_conn {
    struct sim_conn *next;
    uint64_t world;
    uint32_t conn, dial;
};
#define SIM_FORGED "made up: no program writes this"

struct sim_run {
    struct sim_run *next;
    uint64_t task;
    bool lie; /* by the one that lies where it is compared */
    vl_ms at;
    struct task_spec spec; /* borrows from bytes */
    struct vl_buf bytes;
};
struct sim_mix_key {
    struct sim_mix_key *next;
    uint64_t epoch;
    bool open; /* the running brain was given it */
    uint8_t secret[32];
    void *mem;
    struct replay *table;
};
struct sim_disk { /* what survives a crash */
    struct store *store;
    struct vl_map blobs; /* struct sim_blob, complete and durable */
    uint64_t boots;
    struct sim_mix_key *mix_keys; /* survive when a process is killed, not when the power fails */
    struct vl_buf votes[SIM_VOTES]; /* of an authority: its last durable states */
    uint64_t votes_n;
    uint64_t mix_tags;            /* in the tables that were destroyed since the start of the node */
};
struct sim_node {
    struct sim_village *v;
    uint32_t index;
    struct sim_disk *disk;
    struct brain *brain;
    struct sim_conn *conns;
    struct sim_run *runs;
    struct sim_commit *commits; /* whose outcome is awaited; a crash forgets them */
    struct vl_map parts;        /* struct sim_blob being fetched */
    uint64_t mix_tags_before;   /* in its tables when it started */
    uint64_t mix_charter;       /* of the consensus looked at last: number and hash */
    uint8_t mix_seen[32];
    vl_ms commit_at, submit_at, charter_at;
    vl_ms owner_at, left_ms, frozen_at; /* of a machine with an owner: next reading; when he left or will; 0: tasks run */
};
struct sim_job {
    struct vl_job_id id;
    uint32_t node; /* where it was submitted: what a user sees there counts */
    bool acknowledged, ended, private, booked, tier;
    uint8_t state, booked_state; /* there; in the coordinator's book */
};
struct sim_epoch { /* what the village agreed on */
    vl_ms genesis_ms;
    uint32_t epoch_ms;
    uint64_t epoch;
    uint8_t hash[32];
};
struct sim_village {
    struct sim_village_cfg cfg;
    struct world *world;
    struct sim_disk *disks;
    struct vl_node_id *ids;
    struct sim_job *jobs;
    uint64_t *done_epoch; /* per job: epochs of its done tasks, tasks_max each; 0: not done */
    uint8_t ticket[16], root_seed[32];
    struct sim_epoch *epochs;
    uint32_t epochs_n, charters;
    struct sim_village_stats stats;
    const char *wrong;
};

/* village.c */
void sim_seed(struct sim_village *v, uint32_t node, uint64_t what, uint8_t dst[32]);
struct vl_node_id sim_node_id(struct sim_village *v, uint32_t node);
struct vl_span sim_blob_get(struct sim_node *n, struct vl_hash h);

/* village_check.c: what must hold of jobs */
void sim_job_seen(struct sim_village *v, struct sim_node *n, struct vl_job_id id);
void sim_task_seen(struct sim_village *v, struct sim_node *n, struct vl_job_id id, uint32_t task);
/* In the store of a node that has just started. */
void sim_acknowledged_kept(struct sim_village *v, struct sim_node *n);
const char *sim_quorum_check(struct sim_node *n);
bool sim_job_stored(struct store *s, struct vl_job_id id);
/* village_reputation.c: when the coordinator has come back, before it goes on. */
void sim_reputations_hold(struct sim_village *v, struct sim_node *head, vl_ms now);

/* village_owner.c: machines with owners; no-ops on others */
void sim_owner_config(const struct sim_node *n, struct brain_config *cfg);
void sim_owner_start(struct sim_node *n, vl_ms now);
void sim_owner_order(struct sim_node *n, uint32_t cap_milli, vl_ms now);
void sim_owner_step(struct sim_node *n, vl_ms now);
const char *sim_owner_check(const struct sim_node *n, vl_ms now);
/* village_market.c */
void sim_market_config(struct sim_village *v, uint32_t index, struct brain_config *cfg);
/* False: this job is not auctioned. */
bool sim_market_submit(struct sim_node *n, vl_ms now, uint64_t token, struct vl_job_id id, const struct job_spec *spec);
const char *sim_market_check(struct sim_node *n); /* as sim_mix_check() */
bool sim_market_settled(struct sim_village *v);   /* every auction has ended and nothing is held */

/* village_mix.c: the private network */
void sim_mix_config(struct sim_village *v, uint32_t index, struct brain_config *cfg);
void sim_mix_start(struct sim_node *n); /* before its brain: a crash may have destroyed its tables */
void sim_mix_key(struct sim_node *n, uint64_t epoch, bool make, uint64_t capacity, vl_ms now);
void sim_mix_key_drop(struct sim_node *n, uint64_t epoch, bool earlier);
void sim_mix_disk_free(struct sim_disk *d);
/* These records are durable now. */
void sim_mix_committed(struct sim_node *n, const struct record *records, size_t count);
/* The coordinator signs a charter, and others later. */
void sim_mix_charter(struct sim_node *n, vl_ms now);
/* What must hold after every event of a node; NULL, or what is wrong. */
const char *sim_mix_check(struct sim_node *n);
bool sim_mix_linked(struct sim_village *v); /* every link that is wanted is up */
void sim_mix_describe(struct sim_village *v, FILE *to);

#endif
