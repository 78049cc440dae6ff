/* world.h - a deterministic world for nodes: virtual time, network, disks, faults; everything from one seed.
 * One thread, one heap of events ordered by (time, order of insertion), one generator per concern, so that a draw more in
 * one does not reshuffle the others (style.md section 3.4).  The nodes are real cores with real codecs behind a small
 * table of functions.  Not thread-safe; several worlds in one process are fine.
 *
 * Network: connections are byte streams: in order, nothing lost while they live; lost segments show as delay, many of them
 * as a broken connection.  Different connections overtake each other.  Datagrams are lost, doubled and reordered.
 * Disk: writes are seen at once and are durable after world_disk_sync(); a crash keeps, drops or cuts each unsynced write.
 * Time: ops get the node's own clock, which may step; it never runs backwards for the node (base/ms.h). */
#ifndef VL_SIM_WORLD_H
#define VL_SIM_WORLD_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/ms.h"
#include "base/prng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_FILE_NAME_MAX 32u /* bytes with the NUL */
#define WORLD_FILES_MAX 4096u   /* per node */
#define WORLD_CONNS_MAX (1u << 22)
#define WORLD_NONE UINT32_MAX

struct world;

enum world_conn_event {
    WORLD_ACCEPTED, /* someone dialled us: peer is the node index */
    WORLD_DIALED,   /* our dial succeeded */
    WORLD_CLOSED,   /* refused, closed by the other end, broken; the number means nothing any more */
};
/* What a simulated node is.  All functions are called with the node's own time; none may be NULL but on_datagram. */
struct world_node_ops {
    /* Starts the node from its disk.  NULL: it cannot start; the run fails. */
    void *(*create)(void *user, struct world *w, uint32_t node, vl_ms now);
    void (*on_conn)(void *self, uint64_t conn, enum world_conn_event ev, uint32_t peer, vl_ms now);
    void (*on_bytes)(void *self, uint64_t conn, struct vl_span bytes, vl_ms now); /* borrowed */
    void (*on_datagram)(void *self, uint32_t from, struct vl_span bytes, vl_ms now);
    void (*step)(void *self, vl_ms now); /* the deadline has come */
    vl_ms (*deadline)(void *self);       /* in the node's time; <= now: at once; VL_MS_NEVER */
    void (*destroy)(void *self);         /* stop or crash: must not touch the world */
};

struct world_link {
    vl_ms delay_min_ms, delay_max_ms; /* one way, uniform */
    uint32_t loss_ppm;                /* of segments; a datagram is lost, a stream is delayed by stall_ms */
    uint32_t kill_ppm;                /* of stream segments: the connection breaks */
    uint32_t copy_ppm;                /* of datagrams: arrives twice */
    vl_ms stall_ms;                   /* retransmission time of a stream */
    uint64_t bytes_per_ms;            /* per connection and direction; 0: no limit */
};
/* Mean times between faults; 0: never.  Drawn from the generator of faults. */
struct world_faults {
    vl_ms crash_ms, down_ms;          /* some node crashes; how long it stays down (mean) */
    vl_ms write_crash_ms;             /* some node crashes inside one of its next 16 disk calls */
    vl_ms partition_ms, heal_ms;      /* nodes are split in two groups; for how long (mean) */
    vl_ms cut_ms;                     /* some connection breaks */
    vl_ms clock_ms, clock_step_ms;    /* some node's clock steps by at most +- clock_step_ms */
};
struct world_cfg {
    uint64_t seed;
    uint32_t nodes; /* indices 0..nodes-1; all start down */
    const struct world_node_ops *ops;
    void *user;                /* for ops->create and the checks */
    struct world_link link;    /* between any two */
    vl_ms start_ms;            /* > 0 */
    vl_ms break_ms;            /* a stream that cannot move for so long breaks (partition) */
    uint64_t disk_bytes;       /* per node: above it, VL_ENOSPC; 0: no limit */
    /* Safety, after every event of `node` (NULL: none).  Returns NULL, or what is wrong; static text. */
    const char *(*check)(void *user, struct world *w, uint32_t node);
};
struct world_cfg world_cfg_default(void); /* 1..20 ms, no faults */

/* VL_ERANGE, VL_ENOMEM.  ops, user are borrowed. */
VL_MUST_CHECK enum vl_err world_create(const struct world_cfg *cfg, struct world **ret);
void world_destroy(struct world *w);

/* ---- running ---- */

/* Until virtual time `end`.  VL_EINTERNAL: a check failed or a node could not start; see world_failure(). VL_ENOMEM. */
VL_MUST_CHECK enum vl_err world_run(struct world *w, vl_ms end);
/* Liveness: until done(user, w) holds, asked after each event; VL_ETIMEOUT when it does not by `end`; as world_run(). */
VL_MUST_CHECK enum vl_err world_run_until(struct world *w, bool (*done)(void *user, struct world *w), vl_ms end);
/* One line with what failed, "seed=... commit=... t=... node=...: text"; NULL while nothing failed.  Also printed on
 * standard error when it happens.  The commit is that of the build. */
const char *world_failure(const struct world *w);
vl_ms world_now(const struct world *w);
uint64_t world_events(const struct world *w); /* worked off so far */
/* A digest of all events so far: equal for equal seeds, in any build. */
uint64_t world_trace(const struct world *w);
/* For what the scenario itself draws. */
struct vl_prng *world_workload(struct world *w);

/* ---- nodes and faults ---- */

/* A no-op when it runs. */
VL_MUST_CHECK enum vl_err world_start(struct world *w, uint32_t node);
/* Power loss: unsynced writes are kept, dropped or cut, connections break at the other end sooner or later. */
void world_crash(struct world *w, uint32_t node);
/* The node crashes inside its n-th disk call from now, n >= 1, before (even draw) or after it took effect. */
void world_crash_at_write(struct world *w, uint32_t node, uint32_t n);
bool world_is_up(const struct world *w, uint32_t node);
void *world_node(const struct world *w, uint32_t node); /* what create returned; NULL while down */
/* The scenario calls into a node as if from outside (a user's request): all that a node's code does to the world must
 * happen in its ops or in here.  A no-op while it is down. */
void world_call(struct world *w, uint32_t node, void (*fn)(void *self, void *arg, vl_ms now), void *arg);
/* Nodes of different groups cannot reach each other.  All start in group 0. */
void world_group_set(struct world *w, uint32_t node, uint32_t group);
void world_clock_step(struct world *w, uint32_t node, int64_t ms);
void world_disk_limit(struct world *w, uint32_t node, uint64_t bytes);
void world_link_set(struct world *w, const struct world_link *link);
/* Faults come from now on. */
void world_faults_set(struct world *w, const struct world_faults *f);
/* No more faults: one group, a clean link of the same delay, all nodes up.  For liveness. */
VL_MUST_CHECK enum vl_err world_heal(struct world *w);

/* ---- for nodes, inside their ops only ---- */

/* The node's own clock.  For code that is handed no `now`. */
vl_ms world_clock(const struct world *w, uint32_t node);
/* The answer is on_conn(DIALED or CLOSED).  VL_ECLOSED: the node is dying.  VL_ELIMIT, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err world_dial(struct world *w, uint32_t node, uint32_t to, uint64_t *ret_conn);
/* Copies.  VL_ECLOSED; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err world_send(struct world *w, uint32_t node, uint64_t conn, struct vl_span bytes);
/* No event comes back to the closer; bytes sent before still arrive. */
void world_close(struct world *w, uint32_t node, uint64_t conn);
VL_MUST_CHECK enum vl_err world_datagram(struct world *w, uint32_t node, uint32_t to, struct vl_span bytes);
/* Files are made by the first write; offset <= size.  VL_ENOSPC; VL_ERANGE offset, name; VL_ECLOSED; VL_ELIMIT; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err world_disk_write(struct world *w, uint32_t node, const char *file, uint64_t offset, struct vl_span bytes);
VL_MUST_CHECK enum vl_err world_disk_truncate(struct world *w, uint32_t node, const char *file, uint64_t size);
/* All writes of that file so far are durable. */
VL_MUST_CHECK enum vl_err world_disk_sync(struct world *w, uint32_t node, const char *file);
/* The whole file, borrowed until the next disk call of this node; empty when there is none. */
struct vl_span world_disk_read(const struct world *w, uint32_t node, const char *file);

#endif
