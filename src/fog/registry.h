/* registry.h - core: which nodes there are, what they can do, and whether they live (FOG-01, FOG-02, FOG-05).
 * The caller feeds events with their time and carries out the effects; nothing here reads a clock.  Not thread-safe.
 *
 * States.  OFFLINE leads only to ACTIVE or MAINTENANCE: a node that comes back must be heard once before it counts as
 * idle.
 *
 *      JOINED                  figures of a heartbeat
 *   -----------> ACTIVE <------> IDLE <------> BUSY        IDLE: nothing runs, BUSY: no free slot, ACTIVE: between,
 *                ^ ^ ^                         ^              or not known yet
 *                | | +-------------------------+
 *     off        | |                           |
 *   +------------+ | heard     90 s silent     | (from all three)
 *   |              +--------- OFFLINE <--------+
 *   |                            ^   |
 *   |             90 s silent    |   | heard, with maintenance set
 *   MAINTENANCE -----------------+   |
 *       ^ ^--------------------------+
 *       +---- on, from ACTIVE, IDLE, BUSY
 *
 * Beside the state a node may be suspect (60 s silent, or its link fell): it keeps its state but takes no new tasks. */
#ifndef VL_FOG_REGISTRY_H
#define VL_FOG_REGISTRY_H

#include "base/prng.h"
#include "fog/breaker.h"
#include "fog/sched.h"
#include "fog/window.h"
#include "wire/heartbeat.h"

#define REGISTRY_HEARTBEAT_MS 30000u
#define REGISTRY_SUSPECT_MS 60000u
#define REGISTRY_LOST_MS 90000u
#define REGISTRY_SNAPSHOTS 100u /* FOG-02: the last 100 kept */
#define REGISTRY_SNAPSHOT_GAP_MS                                                                                       \
    5000u /* changes closer together share one snapshot: a storm must not wash the history out */
#define REGISTRY_SNAPSHOT_LINKS 1024u /* VL_LINKS_MAX: the coordinator's own links */
#define REGISTRY_PERSIST_MS 600000u   /* figures alone are written no oftener than this */
#define REGISTRY_PARTITION_WINDOW_MS 60000u
#define REGISTRY_PARTITION_MILLI 300u   /* more than 30 % lost within the window */
#define REGISTRY_PARTITION_MIN 3u       /* fewer lost nodes than this are just lost: 1 of 3 is no sign of a partition */
#define REGISTRY_EFFECTS_MAX 256u       /* of one step; TICK leaves the rest for the next call (deadline stays due) */
#define REGISTRY_FLAP_HOLD_MS 30000u    /* doubles with each further return, up to 10 min */
#define REGISTRY_FLAP_FORGET_MS 600000u /* a node that stays this long is forgiven one flap */
#define REGISTRY_FLAPS_MAX 16u
#define REGISTRY_RECORD_MAX 512u
#define REGISTRY_STANDING_MAX 64u

enum node_state { NODE_ACTIVE = 1, NODE_IDLE = 2, NODE_BUSY = 3, NODE_OFFLINE = 4, NODE_MAINTENANCE = 5 };
const char *node_state_text(enum node_state s); /* "active" ... as in the API */
const char *node_kind_text(enum node_kind k);   /* "edge_device", "relay", "mix_node", "compute_node", "gateway" */
bool node_state_may(enum node_state from, enum node_state to);

/* One node as the registry knows it; read only for everyone else. */
struct node_record {
    struct vl_node_id id;
    char name[VL_NAME_MAX];
    char addr[VL_ADDR_MAX];
    enum node_kind kind;
    enum node_state state;
    bool heard; /* a heartbeat came since JOINED or RESTORE */
    bool suspect, linked, maintenance;
    bool lost; /* NODE_LOST was emitted and the node has not been back */
    uint32_t protocol;
    struct node_caps caps;
    uint64_t domain[DOMAINS]; /* label_hash() of each */
    enum node_harvest harvest;
    uint32_t free_slots, running, load_milli;
    uint64_t memory_free_bytes, disk_free_bytes;
    uint64_t done, failed;           /* over all processes of the node */
    uint64_t boot_done, boot_failed; /* the heartbeat's own counters, to add only what is new */
    vl_ms joined_ms, seen_ms, started_ms;
    uint64_t online_ms;    /* summed time online, for uptime; up to the last change of state */
    vl_ms online_since_ms; /* 0: offline */
    struct breaker breaker;
    struct window window; /* what is believed of caps */
    uint32_t flaps;
    vl_ms flap_ms, hold_until_ms; /* last flap; no tasks before */
};

struct registry; /* opaque: index, deadlines and counts agree */

struct registry_config {
    uint64_t seed;                /* of the hash table */
    struct vl_node_id self;       /* one end of the links in topology snapshots */
    uint32_t max_nodes;           /* 1..VL_NODES_MAX */
    uint64_t suspect_ms, lost_ms; /* 0 < suspect < lost */
};
/* Fills the figures above; seed and self are left zero. */
void registry_config_defaults(struct registry_config *ret);

enum registry_event_kind {
    REGISTRY_JOINED = 1,      /* node, name, addr: admitted by membership; again: updates name and addr */
    REGISTRY_HEARTBEAT = 2,   /* node, heartbeat */
    REGISTRY_LINK_UP = 3,     /* node */
    REGISTRY_LINK_DOWN = 4,   /* node */
    REGISTRY_MAINTENANCE = 5, /* node, flag */
    REGISTRY_EXPELLED = 6,    /* node */
    REGISTRY_RESTORE = 7,     /* record: at start, before others */
    REGISTRY_TICK = 8,        /* at registry_deadline() or later */
    REGISTRY_SENT = 9,        /* node: a task was assigned to it */
    REGISTRY_RESULT = 10,     /* node, flag: a task it ran ended well (true), or badly by the node's fault; load */
    REGISTRY_LACK = 11,       /* node, load, flag: a task found no room there; true: no memory */
    REGISTRY_STANDING = 12,   /* node, record: at start, after RESTORE; nothing happens when there is no such node */
    REGISTRY_HANDED_BACK = 30, /* node: its owner takes the machine; it gets nothing until its next heartbeat */
};
struct registry_event {
    enum registry_event_kind kind;
    vl_ms now;
    struct vl_node_id node;
    const struct heartbeat *heartbeat;
    const char *name,
        *addr; /* NUL-terminated, task_name_ok() and printable ASCII < VL_ADDR_MAX; NULL: unchanged, or empty */
    struct vl_span record;
    const struct sched_load *load; /* what it held, this task among it; NULL: not known */
    bool flag;
};

enum registry_effect_kind {
    REGISTRY_NODE_CHANGED = 1, /* id; persist: write registry_record_encode() of it */
    REGISTRY_NODE_REMOVED = 2, /* id: delete the stored record */
    REGISTRY_NODE_SUSPECT = 3, /* id */
    REGISTRY_NODE_LOST = 4,    /* id: move its tasks now */
    REGISTRY_NODE_BACK =
        5, /* id: after LOST, or after a restart of its process: compare its running list with the job book */
    REGISTRY_PARTITION = 6, /* count lost of total: NODE_LOST is held back until `until_ms` */
    REGISTRY_TOPOLOGY = 7,  /* a new snapshot: registry_topology_at(r, 0) */
    REGISTRY_NODE_STANDING = 8, /* id: write registry_standing_encode() of it, or delete it when it is blank */
};
struct registry_effect {
    enum registry_effect_kind kind;
    struct vl_node_id node;
    bool persist;
    uint32_t count, total;
    vl_ms until_ms;
};
struct registry_effects {
    struct registry_effect v[REGISTRY_EFFECTS_MAX];
    uint32_t n; /* the step sets it to 0 first */
};

struct topology {
    vl_ms at_ms;
    uint32_t nodes, active, offline; /* active: every state but offline */
    uint32_t n_links;
    const struct vl_node_id *links; /* the far ends; the near end is config.self */
};

/* NULL: out of memory.  Owned by the caller. */
struct registry *registry_create(const struct registry_config *config);
void registry_destroy(struct registry *r);
/* VL_ENOTFOUND: an event about a node that has not joined.  VL_ERANGE: a name too long, a heartbeat that contradicts
 * itself. VL_EPARSE, VL_EVERSION, VL_EEXISTS: RESTORE.  VL_ELIMIT: max_nodes.  VL_ENOMEM.  On error nothing changed. */
VL_MUST_CHECK enum vl_err registry_step(struct registry *r, const struct registry_event *ev,
                                        struct registry_effects *ret);
/* When to feed TICK; VL_MS_NEVER when nothing waits. */
vl_ms registry_deadline(const struct registry *r);

/* Borrowed until the next step.  NULL when unknown. */
const struct node_record *registry_get(const struct registry *r, struct vl_node_id id);
uint32_t registry_count(const struct registry *r);
/* Nodes in the order of their ids: the first one above *after (NULL: the very first).  NULL at the end.  O(log n). */
const struct node_record *registry_next(const struct registry *r, const struct vl_node_id *after);
/* i = 0 is the newest snapshot; false past the last.  ret->links borrowed until the next step. */
bool registry_topology_at(const struct registry *r, uint32_t i, struct topology *ret);
/* True while a partition is suspected: do not redistribute. */
bool registry_paused(const struct registry *r, vl_ms now);

/* The scheduler's view of one node: health, breaker, flapping and maintenance as SCHED_* bits.  Free figures are the
 * smaller of what the last heartbeat said and what is left after `promised` (NULL: nothing), since a heartbeat is up to
 * 30 s old. */
void registry_sched_node(const struct node_record *n, vl_ms now, const struct sched_load *promised,
                         struct sched_node *ret);

/* Durable form, <= REGISTRY_RECORD_MAX bytes.  VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err registry_record_encode(const struct node_record *n, struct vl_buf *out);

/* Conduct that outlives the coordinator's process: an open breaker, flapping, what is believed of the claim.  Written only
 * when one of these changes.  <= REGISTRY_STANDING_MAX bytes. */
VL_MUST_CHECK enum vl_err registry_standing_encode(const struct node_record *n, struct vl_buf *out);
/* Into *n, untouched on error.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err registry_standing_decode(struct vl_span in, struct node_record *n);
/* Nothing to remember: no row. */
bool registry_standing_blank(const struct node_record *n);
/* Slots believed of a node: what it may be given, whatever it claims. */
uint32_t registry_slots(const struct node_record *n);

/* Time of the next heartbeat: period +-10 %, so that nodes started together do not beat together. */
vl_ms heartbeat_next(struct vl_prng *rng, vl_ms now, uint64_t period_ms);

#endif
