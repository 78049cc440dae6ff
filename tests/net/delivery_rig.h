/* delivery_rig.h - nodes with a delivery core, a recorded store and a lossy network in virtual time, for tests. */
#ifndef VL_TESTS_DELIVERY_RIG_H
#define VL_TESTS_DELIVERY_RIG_H

#include "base/heap.h"
#include "base/map.h"
#include "base/prng.h"
#include "net/delivery.h"

#include <stdbool.h>

#define RIG_NODES 4u
#define RIG_ROWS 8192u

struct rig_row {
    struct vl_msg_id id;
    uint8_t *p;
    size_t n;
};
struct rig_node {
    struct crypto_sign_key key;
    struct vl_node_id id;
    struct delivery_cfg cfg;
    struct delivery *d; /* NULL: down */
    struct vl_map out, in, got; /* rows, rows, what the application has (id -> struct rig_row with the payload) */
    uint64_t delivers, dropped, confirmed;
};
struct rig_packet {
    struct vl_heap_node at;
    unsigned from, to;
    enum delivery_frame frame;
    uint8_t *p;
    size_t n;
};
struct rig {
    struct rig_node node[RIG_NODES];
    struct vl_heap net;
    struct vl_prng prng;
    struct delivery_effects fx;
    vl_ms now;
    unsigned loss, copies; /* percent */
    vl_ms delay_max;
    unsigned crash; /* per mille of steps: half before the commit, half after it and before transmission */
    bool trace;
};

void rig_init(struct rig *r, uint64_t seed);
void rig_free(struct rig *r);
/* One event at a node through step, commit, transmission.  On VL_OK of a step whose commit was lost to a crash: VL_ECLOSED. */
enum vl_err rig_event(struct rig *r, unsigned node, struct delivery_event ev);
enum vl_err rig_send(struct rig *r, unsigned from, unsigned to, enum envelope_priority p, vl_ms ttl, const void *payload,
                     size_t n, struct vl_msg_id *ret_id);
void rig_up(struct rig *r, unsigned node, unsigned peer, bool reliable);
void rig_down(struct rig *r, unsigned node, unsigned peer);
/* Drops the core: all that was not committed is gone. */
void rig_crash(struct rig *r, unsigned node);
/* A new core with the next epoch, fed from the rows. */
void rig_start(struct rig *r, unsigned node);
/* Time passes: packets arrive, deadlines are met, until `end` or (quiet) nothing is left before it. */
void rig_run(struct rig *r, vl_ms end);
/* Packets on the way. */
size_t rig_flying(const struct rig *r);
/* Asserts the ledger of a node. */
void rig_check(const struct rig *r, unsigned node);

#endif
