/* heartbeat.h - what a node tells its coordinator every 30 s (FOG-02).  Same codec rules as wire/task.h. */
#ifndef VL_WIRE_HEARTBEAT_H
#define VL_WIRE_HEARTBEAT_H

#include "wire/task.h"
#include "wire/terms.h"

#define HEARTBEAT_RUNNING_MAX                                                                                          \
    512u                     /* runs that one node holds: its slots, and reports that wait for their acknowledgement */
#define NODE_VERSION_MAX 24u /* with the NUL */
#define NODE_SLOTS_MAX 65535u

enum node_kind { NODE_EDGE = 1, NODE_RELAY = 2, NODE_MIX = 3, NODE_COMPUTE = 4, NODE_GATEWAY = 5 };
/* Feature bits; unknown bits are kept, so that an older coordinator can serve newer nodes. */
#define NODE_FEATURE_WASM 1u
#define NODE_FEATURE_NATIVE 2u
#define NODE_FEATURE_PRIVATE 4u /* said by no heartbeat: the coordinator knows it from the consensus */

struct node_caps {
    uint32_t cpus;                     /* logical */
    uint32_t slots;                    /* tasks at once, <= NODE_SLOTS_MAX; 0: takes no tasks */
    uint64_t memory_bytes, disk_bytes; /* what tasks may use in all */
    uint32_t gpus;
    uint64_t gpu_memory_bytes;
    uint64_t bandwidth_bps; /* measured; 0: unknown */
    uint32_t features;
    char domain[DOMAINS][LABEL_MAX]; /* printable ASCII, may be empty */
    uint64_t cost;                  /* what an hour of one slot costs its owner, micro-credits, <= TERMS_PRICE_MAX */
    uint64_t ask;                   /* what the owner asks for an H200-hour, same; 0: the village's rate of the tier */
    char version[NODE_VERSION_MAX]; /* of the program, printable ASCII */
};

/* What the machine's owner leaves to the village at present (fog/harvest.h). */
enum node_harvest {
    HARVEST_SAYS_ALWAYS = 0, /* not harvested: a machine given to the village */
    HARVEST_SAYS_READY = 1,
    HARVEST_SAYS_THROTTLED = 2, /* runs what it has, more slowly; takes nothing new */
    HARVEST_SAYS_PAUSED = 3,    /* frozen, for a while */
    HARVEST_SAYS_AWAY = 4,      /* gave its work back, or may not begin */
};

struct task_ref {
    struct vl_job_id job;
    uint32_t task;
    uint64_t epoch;
};

struct heartbeat {
    enum node_kind kind;
    uint32_t protocol; /* highest version of the messages between nodes that it speaks, > 0 */
    struct node_caps caps;
    char addr[VL_ADDR_MAX]; /* where it accepts links, printable ASCII; empty: nowhere */
    vl_ms started_ms;       /* of the node's process: a change means that it restarted */
    enum node_harvest harvest;
    uint32_t free_slots; /* <= caps.slots */
    uint32_t load_milli; /* system load / cpus in 1/1000, cut at 1,000,000 */
    uint64_t memory_free_bytes, disk_free_bytes;
    uint64_t done, failed; /* tasks since the process started */
    uint32_t n_running;    /* every run it holds, until its report is acknowledged; ascending by task_ref_compare() */
    struct task_ref running[HEARTBEAT_RUNNING_MAX];
};

/* Order by job, task, epoch: < 0, 0, > 0 as memcmp. */
int task_ref_compare(const struct task_ref *a, const struct task_ref *b);
/* Sorts and drops duplicates; returns the new count. */
uint32_t task_refs_sort(struct task_ref *refs, uint32_t n);
/* Strictly ascending? */
bool task_refs_sorted(const struct task_ref *refs, uint32_t n);

VL_MUST_CHECK enum vl_err heartbeat_encode(const struct heartbeat *h, struct vl_buf *out);
VL_MUST_CHECK enum vl_err heartbeat_decode(struct vl_span in, struct heartbeat *ret);

#endif
