/* blob.h - fetches and serves content-addressed blobs in pieces: resumable, from several sources, checked before use.
 * Pure core, as net/delivery.h: one event in, effects out.  It holds no content: pieces pass through to WRITE and from
 * READ.  Not thread-safe.
 *
 * Fetching: WANT -> request pieces (up to BLOB_PIPELINE at a time) from one source -> WRITE each -> VERIFY the whole ->
 * DONE.  A source that is silent, gone or without the blob is left for the next.  Content with the wrong hash is thrown
 * away; when all of it came from one source, that source is banned for this blob, else nobody can say who lied and the
 * fetch goes on "solo": from one source at a time, so that the next lie has a name.  When no source is left: FAILED; while
 * one is only disconnected: waiting, until it comes up or the time-out ends.
 * The caller carries out WRITE, DISCARD and VERIFY of one hash in the order of the effects.
 * Serving: every request becomes READ; READ_DONE becomes SEND.  A peer gets at most limits.serve_bytes at a time. */
#ifndef VL_NET_BLOB_H
#define VL_NET_BLOB_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOB_PIPELINE 4u            /* pieces asked for ahead: 512 KiB on the way hide a round trip on a LAN */
#define BLOB_PIECE (VL_CHUNK / 2u)  /* head and content together fit in VL_MESSAGE_MAX; others' frames get a turn */
#define BLOB_SOURCES_MAX 16u        /* per blob */
#define BLOB_RUNNING_MAX 64u        /* largest legal limits.running */
#define BLOB_SERVES_MAX 64u         /* largest legal limits.serves_per_peer */
#define BLOB_STRIKES_MAX 3u         /* time-outs until a source is given up */
#define BLOB_EFFECTS_MAX 1024u      /* of one step; what is left waits for the next TICK */

struct blob_limits {
    uint32_t fetches;         /* WANTs at a time, running and waiting */
    uint32_t running;         /* of these, with requests on the way */
    uint32_t peers;           /* links and peers being served */
    uint32_t serves_per_peer; /* queued requests of one peer; more are refused */
    uint64_t serve_bytes;     /* of one peer between READ and SEND */
    vl_ms piece_timeout_ms;   /* no progress from a source for so long: next source */
    vl_ms fetch_timeout_ms;   /* no progress from any source for so long: FAILED */
};
struct blob_cfg {
    uint64_t seed; /* hash tables */
    struct blob_limits limits;
};
struct blob_cfg blob_cfg_default(void);

enum blob_event_kind {
    BLOB_WANT = 1,     /* u.want */
    BLOB_CANCEL,       /* u.hash: no DONE, no FAILED will come */
    BLOB_PEER_UP,      /* u.peer */
    BLOB_PEER_DOWN,    /* u.peer */
    BLOB_RECV,         /* u.recv: one link message of wire/blob.h */
    BLOB_READ_DONE,    /* u.read: answer to READ */
    BLOB_WRITE_DONE,   /* u.write: answer to WRITE */
    BLOB_VERIFIED,     /* u.verified: answer to VERIFY */
    BLOB_TICK,
};
struct blob_event {
    enum blob_event_kind kind;
    vl_ms now;
    union {
        struct {
            struct vl_hash hash;
            uint64_t size; /* 0: not known */
            uint64_t have; /* first bytes that are on disk from before; the fetch goes on from there */
            const struct vl_node_id *sources; /* preferred first */
            size_t sources_n; /* 1..BLOB_SOURCES_MAX; again for a running hash: the sources are added */
        } want;
        struct vl_hash hash;
        struct vl_node_id peer;
        struct {
            struct vl_node_id peer;
            struct vl_span bytes;
        } recv;
        struct {
            uint64_t req;
            bool found;
            uint64_t size;       /* of the whole blob */
            struct vl_span data; /* what lies at the offset, at most the length asked; shorter only at the end */
        } read;
        struct {
            struct vl_hash hash;
            uint64_t offset;
            enum vl_err err; /* VL_OK; anything else ends the fetch with that error */
        } write;
        struct {
            struct vl_hash hash;
            bool ok; /* content on disk has this hash */
        } verified;
    } u;
};

enum blob_effect_kind {
    BLOB_READ = 1, /* req, hash, offset, length -> READ_DONE */
    BLOB_WRITE,    /* hash, offset, data: into the partial file; copy data if it is written later -> WRITE_DONE */
    BLOB_DISCARD,  /* hash: empty the partial file (its content was a lie) */
    BLOB_VERIFY,   /* hash, size: cut the partial file at size and hash it -> VERIFIED */
    BLOB_SEND,     /* peer, head, then data: one link message */
    BLOB_DONE,     /* hash, size: complete and verified; the caller renames it into place */
    BLOB_FAILED,   /* hash, err: VL_ENOTFOUND nobody has it, VL_ECRYPTO only lies, VL_ETIMEOUT, or the disk's error */
};
struct blob_effect {
    enum blob_effect_kind kind;
    enum vl_err err;
    uint64_t req;
    struct vl_hash hash;
    struct vl_node_id peer;
    uint64_t offset, size;
    uint32_t length;
    struct vl_span head; /* borrowed from the effects */
    struct vl_span data; /* borrowed from the event */
};
/* Caller-owned, may serve several cores in turn.  Valid until the next step or the end of the event's bytes. */
struct blob_effects {
    struct blob_effect *v;
    size_t n, cap;
    struct vl_buf arena; /* private */
};
void blob_effects_init(struct blob_effects *fx);
void blob_effects_free(struct blob_effects *fx);

struct blob_counters {
    uint64_t wanted, done, failed, cancelled, active; /* wanted == done + failed + cancelled + active */
    uint64_t bytes_in, bytes_out, pieces_in, pieces_out;
    uint64_t failovers, lies, refused; /* refused: malformed, unasked or excessive messages */
};

struct blob;
/* VL_ERANGE: a limit is 0.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err blob_create(const struct blob_cfg *cfg, struct blob **ret);
void blob_destroy(struct blob *b);
/* Replaces the contents of fx; on error nothing has changed and fx is empty.
 *   WANT          VL_ERANGE size or sources; VL_ELIMIT too many fetches; VL_ENOMEM
 *   CANCEL, READ_DONE, WRITE_DONE, VERIFIED   VL_ENOTFOUND: no such fetch or request (any more)
 *   RECV          VL_EPARSE; VL_ENOTFOUND a piece nobody asked for; VL_ELIMIT the peer asks for too much; VL_ENOMEM
 *   PEER_UP       VL_ELIMIT, VL_ENOMEM */
VL_MUST_CHECK enum vl_err blob_step(struct blob *b, const struct blob_event *ev, struct blob_effects *fx);
/* 0: at once; VL_MS_NEVER: nothing waits. */
vl_ms blob_deadline(const struct blob *b);
struct blob_counters blob_counters(const struct blob *b);

#endif
