/* capacity.h - how many packets a second a mix on this machine carries without losing one: a real mix process, real
 * links over loopback, real packets with delays, and a sender and a receiver beside it (RFC 2544 section 26.1, the
 * zero-loss search).  Several seconds of work; run it on a machine that has nothing else to do. */
#ifndef VL_NODE_CAPACITY_H
#define VL_NODE_CAPACITY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define CAPACITY_RATE_MAX 200000u
#define CAPACITY_SECONDS_MAX 60u

struct node_capacity_options {
    const char *program; /* this executable: the mix runs as a process of its own */
    uint32_t rate;       /* packets per second; 0: search for the highest */
    uint32_t seconds;    /* of a trial, 1..CAPACITY_SECONDS_MAX */
    void (*progress)(void *arg, const char *text); /* a line for people; may be NULL */
    void *arg;
};
struct node_capacity {
    uint32_t rate, seconds;
    uint64_t sent, received; /* of the last trial at `rate` */
    double cpu_us;           /* processor time of the mix for each packet received, microseconds; 0: unknown */
    bool one_core;           /* the mix was bound to one processor, the rest to another */
};
/* VL_OK: ret->rate is the highest trial without loss (or the one asked for, with whatever was lost in it).
 * VL_ETIMEOUT: the village for it did not come up; VL_ENOMEM, VL_ENOSPC, VL_EIO; `msg` says more. */
VL_MUST_CHECK enum vl_err node_capacity(const struct node_capacity_options *o, struct node_capacity *ret,
                                        struct vl_errmsg *msg);

#endif
