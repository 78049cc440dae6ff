/* wheel.h - hashed timing wheel (Varghese & Lauck 1987): thousands of time-outs at O(1) each.
 * Made for time-outs that nearly always move later: wheel_set() to a later time only writes it down, and the wheel
 * moves the node when its old slot comes by. Times: ms of any one clock. Coarse: fires up to WHEEL_TICK_MS late, never
 * early. */
#ifndef VL_GATEWAY_WHEEL_H
#define VL_GATEWAY_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_MS 250u
#define WHEEL_SLOTS 512u /* a turn is 128 s, longer than any time-out of the gateway; longer ones take more turns */

struct wheel_node {
    struct wheel_node *prev, *next; /* NULL: not in the wheel */
    uint64_t deadline;              /* when it is due */
    uint64_t slot_tick;             /* the tick whose slot it sits in; never after the deadline's */
};
struct wheel {
    struct wheel_node slots[WHEEL_SLOTS]; /* list heads */
    uint64_t tick;                        /* all ticks before this one were looked at */
    struct wheel_node due;                /* taken out by wheel_advance, not yet handed over */
    uint32_t len;
};

void wheel_init(struct wheel *w, uint64_t now);
/* Adds or moves. */
void wheel_set(struct wheel *w, struct wheel_node *n, uint64_t deadline);
void wheel_remove(struct wheel *w, struct wheel_node *n); /* a no-op when it is not in */
/* Moves time on; then call wheel_pop until it yields NULL: each node is out of the wheel when handed over. */
void wheel_advance(struct wheel *w, uint64_t now);
struct wheel_node *wheel_pop(struct wheel *w);

#endif
