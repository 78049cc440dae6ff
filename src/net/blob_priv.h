/* blob_priv.h - the insides of net/blob, shared by blob.c (events, serving) and blob_fetch.c only. */
#ifndef VL_NET_BLOB_PRIV_H
#define VL_NET_BLOB_PRIV_H

#include "base/heap.h"
#include "base/map.h"
#include "net/blob.h"
#include "wire/blob.h"

struct source {
    struct vl_node_id id;
    uint8_t strikes;
    bool missing, banned, gave; /* gave: some of the content on disk is its */
};
enum piece_state { PIECE_FREE = 0, PIECE_ASKED, PIECE_WRITING };
struct piece {
    enum piece_state state;
    uint64_t offset;
    uint32_t length;
};
/*            source is up                 all written             hash right
 *  WAITING <--------------> RUNNING ----------------> VERIFYING ------------> DONE (freed)
 *            no source up      ^                          | hash wrong
 *                              +-- DISCARD, from 0 -------+
 *  DRAINING: RUNNING that must start again, until its last WRITE is done. */
enum fetch_state { FETCH_WAITING, FETCH_RUNNING, FETCH_DRAINING, FETCH_VERIFYING };
struct fetch {
    struct vl_heap_node due;
    struct fetch *next, *prev; /* in order of WANT */
    struct vl_hash hash;
    enum fetch_state state;
    uint64_t hint, size; /* size: hint, or learned from a source */
    bool size_known, resumed;
    bool solo;  /* content of one source only */
    bool again; /* from 0 before the next source */
    uint64_t next_offset; /* first byte nobody was asked for */
    vl_ms progress_ms, source_ms; /* last piece of any source; last sign of life of this one */
    size_t current; /* index of the source while RUNNING */
    struct piece pieces[BLOB_PIPELINE];
    size_t sources_n;
    struct source sources[BLOB_SOURCES_MAX];
};
struct serve {
    struct serve *next; /* queue of the peer */
    uint64_t req;
    struct vl_node_id peer;
    struct vl_hash hash;
    uint64_t offset;
    uint32_t length;
    bool reading;
};
struct peer {
    struct vl_node_id id;
    struct serve *first, *last; /* all of its requests, oldest first */
    uint32_t serves;
    uint64_t bytes; /* of those being read */
};
struct blob {
    struct blob_cfg cfg;
    struct vl_map fetches, peers, serves;
    struct fetch *first, *last;
    struct vl_heap due;
    uint32_t running;
    bool dirty; /* a waiting fetch may be able to start, or has lost its last hope */
    uint64_t next_req;
    struct blob_counters counters;
};

/* Room is there: effects and heads of one step are bounded and reserved before it. */
void blob_fx_add(struct blob_effects *fx, struct blob_effect e);
void blob_fx_send(struct blob_effects *fx, struct vl_node_id peer, const struct wire_blob *m, struct vl_span data);
bool blob_fx_full(const struct blob_effects *fx);

VL_MUST_CHECK enum vl_err blob_fetch_want(struct blob *b, const struct blob_event *ev);
VL_MUST_CHECK enum vl_err blob_fetch_cancel(struct blob *b, struct vl_hash hash);
void blob_fetch_peer_down(struct blob *b, struct vl_node_id peer);
VL_MUST_CHECK enum vl_err blob_fetch_chunk(struct blob *b, struct vl_node_id peer, const struct wire_blob *m, vl_ms now,
                                           struct blob_effects *fx);
VL_MUST_CHECK enum vl_err blob_fetch_missing(struct blob *b, struct vl_node_id peer, struct vl_hash hash);
VL_MUST_CHECK enum vl_err blob_fetch_written(struct blob *b, const struct blob_event *ev, struct blob_effects *fx);
VL_MUST_CHECK enum vl_err blob_fetch_verified(struct blob *b, const struct blob_event *ev, struct blob_effects *fx);
/* Time-outs, then whatever may start. */
void blob_fetch_run(struct blob *b, vl_ms now, struct blob_effects *fx);
void blob_fetch_destroy(struct blob *b);

#endif
