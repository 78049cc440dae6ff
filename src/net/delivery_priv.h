/* delivery_priv.h - the insides of net/delivery, shared by its three files only:
 *   delivery.c      events, configuration, receiving, acknowledgements
 *   delivery_out.c  destinations, queues, transmission, retry, expiry, giving way
 *   delivery_in.c   receive windows and their rows */
#ifndef VL_NET_DELIVERY_PRIV_H
#define VL_NET_DELIVERY_PRIV_H

#include "base/heap.h"
#include "base/map.h"
#include "base/prng.h"
#include "net/delivery.h"

/* Effects of optional work in one step (transmissions, expiries); the rest waits for an immediate TICK, so that a step
 * stays short however long the queues are. */
#define STEP_BUDGET 256u
#define STEP_ARENA (8u * ENVELOPE_MAX) /* reserved before a step, never grown in it: spans into it stay valid */

struct dest;
struct message {
    struct vl_heap_node due; /* next retry or expiry */
    struct message *next, *prev; /* in dest->waiting[priority] or dest->flight[priority], by (epoch, seq) */
    struct message *idle_next, *idle_prev; /* in d->idle[priority]: never transmitted, may give way; oldest first */
    struct dest *dest;
    struct vl_msg_id id;
    uint64_t epoch, seq;
    vl_ms expires_ms, retry_ms;
    uint32_t type, attempt;
    enum envelope_priority priority;
    bool in_flight, idle;
    uint8_t *row; /* encoded envelope of attempt 0 */
    size_t row_n;
};
struct message_list {
    struct message *first, *last;
};

struct dest {
    struct vl_node_id id;
    bool up, reliable, listed;
    struct dest *ready_next;
    struct message_list waiting[ENVELOPE_PRIORITIES], flight[ENVELOPE_PRIORITIES];
    uint32_t queued[ENVELOPE_PRIORITIES], in_flight[ENVELOPE_PRIORITIES];
    uint64_t seq[ENVELOPE_PRIORITIES]; /* next */
    struct vl_heap_node ack_due;
    struct envelope_ack *acks; /* what waits to be acknowledged; NULL until the first */
};

struct sender;
struct window {
    struct window *newer, *older;           /* all windows, by last use */
    struct window *sibling_newer, *sibling_older; /* those of one sender */
    struct sender *sender;
    struct vl_msg_id row_id;
    uint64_t epoch;
    enum envelope_priority priority;
    uint64_t top;     /* highest seq seen */
    uint64_t bits[4]; /* bit i of them all: top - i was seen */
    vl_ms seen_ms;
};
struct sender {
    struct vl_node_id id;
    struct window *newest, *oldest;
    uint32_t windows;
};

struct delivery {
    struct delivery_cfg cfg;
    struct vl_prng prng;
    struct vl_map messages; /* id -> struct message */
    struct vl_map dests;    /* node id -> struct dest */
    struct vl_map windows;  /* (sender, epoch, priority) -> struct window */
    struct vl_map senders;  /* node id -> struct sender */
    struct vl_heap due, ack_due;
    struct message_list idle[ENVELOPE_PRIORITIES];
    struct dest *ready_first, *ready_last; /* destinations that may have something to transmit */
    struct window *newest, *oldest;
    uint64_t counter;  /* of ids */
    uint64_t seq_base; /* above every seq of destinations that were forgotten */
    uint64_t bytes;
    struct delivery_counters counters;
};

/* Room for `n` more effects beside the optional ones, and for STEP_ARENA bytes.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err delivery_fx_reserve(struct delivery_effects *fx, size_t n);
/* The room was reserved. */
void delivery_fx_add(struct delivery_effects *fx, struct delivery_effect e);
bool delivery_fx_full(const struct delivery_effects *fx);

/* delivery_out.c */
struct dest *delivery_dest_find(const struct delivery *d, struct vl_node_id id);
VL_MUST_CHECK enum vl_err delivery_dest_get(struct delivery *d, struct vl_node_id id, struct dest **ret);
void delivery_dest_release(struct delivery *d, struct dest *t); /* frees it when nothing depends on it */
VL_MUST_CHECK enum vl_err delivery_out_send(struct delivery *d, const struct delivery_event *ev,
                                            struct delivery_effects *fx);
VL_MUST_CHECK enum vl_err delivery_out_restore(struct delivery *d, struct vl_span row);
VL_MUST_CHECK enum vl_err delivery_out_up(struct delivery *d, const struct delivery_event *ev);
void delivery_out_down(struct delivery *d, struct dest *t);
/* A message ends: row deleted, counted, told. */
void delivery_out_acked(struct delivery *d, struct message *m, struct delivery_effects *fx);
VL_MUST_CHECK enum vl_err delivery_out_purge(struct delivery *d, struct vl_node_id dst, struct delivery_effects *fx);
/* Optional work: expiries and retries that are due, then new transmissions. */
void delivery_out_run(struct delivery *d, vl_ms now, struct delivery_effects *fx);
void delivery_out_destroy(struct delivery *d);
struct vl_msg_id delivery_next_id(struct delivery *d);

/* delivery_in.c */
/* Whether that message was decided before; no change. */
bool delivery_in_seen(const struct delivery *d, const struct envelope_body *b);
/* Notes a message that was not seen before and emits PUT_IN (and DEL_IN of what gave way: up to 2).
 * VL_ELIMIT, VL_ENOMEM: nothing changed. */
VL_MUST_CHECK enum vl_err delivery_in_note(struct delivery *d, const struct envelope_body *b, vl_ms now,
                                           struct delivery_effects *fx);
VL_MUST_CHECK enum vl_err delivery_in_restore(struct delivery *d, struct vl_span row);
/* Drops windows that can refuse nothing any more. */
void delivery_in_age(struct delivery *d, vl_ms now, struct delivery_effects *fx);
vl_ms delivery_in_deadline(const struct delivery *d);
void delivery_in_destroy(struct delivery *d);

#endif
