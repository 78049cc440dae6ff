/* htx_pair.h - two endpoints wired in memory, on virtual time, with a transport that can be cut at any moment. */
#ifndef VL_TESTS_NET_HTX_PAIR_H
#define VL_TESTS_NET_HTX_PAIR_H

#include "net/htx.h"

#include <stdbool.h>

#define PAIR_STREAMS 300

struct pair_side {
    struct htx_endpoint *ep;
    uint32_t conn, session;
    bool deny;         /* verdict to give */
    bool no_verdict;   /* give none */
    bool echo;         /* send every message back on its stream */
    bool forget;       /* do not keep the messages */
    struct vl_buf out; /* bytes on their way to the other side */
    struct vl_buf in;  /* bytes that the endpoint did not take yet */
    uint32_t seen[16]; /* events by type */
    struct htx_event last[16];
    struct vl_buf got[PAIR_STREAMS]; /* per stream id: u32 length and bytes of each message */
    struct vl_buf early, datagrams;  /* u32 length and bytes of each payload */
    uint8_t certificate[HTX_CERT_MAX];
    size_t certificate_n;
};
struct pair {
    struct pair_side side[2]; /* 0 dials */
    vl_ms now;
    uint64_t chunks;  /* outputs moved so far */
    uint64_t cut_at;  /* the transport dies when chunks reaches this; 0: never */
    size_t cut_keep;  /* bytes of the last chunk that still arrive */
    size_t chunk_max; /* buffer given to htx_output() */
    bool cut;
};

struct htx_config pair_config(unsigned who);
/* Two endpoints, not connected.  NULL: the standard configuration. */
void pair_init(struct pair *p, const struct htx_config *a, const struct htx_config *b);
void pair_free(struct pair *p);
/* Connects and pumps; side 0 dials with `pattern`, resuming its session if it has one and `resume`. */
void pair_dial(struct pair *p, enum htx_pattern pattern, bool resume);
/* The same, resuming, with these payloads as early data; without the pump. */
void pair_dial_early(struct pair *p, const struct vl_span *payloads, size_t n);
/* Runs until nothing moves any more or the transport is cut. */
void pair_pump(struct pair *p);
/* Both sides lose the transport; what is on the way is gone. */
void pair_cut(struct pair *p);
/* Lets `ms` pass, calling expire at each deadline. */
void pair_wait(struct pair *p, vl_ms ms);
void pair_drain_events(struct pair *p, unsigned who);
/* Sends with CHECK_OK. */
void pair_send(struct pair *p, unsigned who, uint32_t stream, const void *data, size_t n);
uint32_t pair_open(struct pair *p, unsigned who, enum htx_priority priority);

#endif
