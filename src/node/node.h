/* node.h - a running node: a brain (brain/brain.h) on a libuv loop with sockets, a store, a blob directory and a
 * runner. Everything here runs on the loop's thread; several nodes may share a loop.  Nothing is global. */
#ifndef VL_NODE_NODE_H
#define VL_NODE_NODE_H

#include "base/log.h"
#include "brain/brain.h"
#include "node/tee.h"
#include "os/keyfile.h"
#include "store/store.h"
#include "wire/ticket.h"

#include <uv.h>

#define NODE_NO_SLOTS UINT32_MAX
#define NODE_MIX_RATE 2000u

struct node;

/* Where heads of the log of receipts are anchored; the coordinator's.  Strings are borrowed until node_create() returns. */
#define NODE_ANCHOR_DEPTH 12u
#define NODE_ANCHOR_EVERY_MS 3600000u
#define NODE_ANCHOR_PATIENCE_MS 180000u
#define NODE_ANCHOR_FEE_MAX 200000000000ull
struct node_anchor {
    const char *url;      /* https://..., of a server with the chain's JSON-RPC; NULL: nowhere */
    bool plain;           /* http:// may go to other machines, too */
    const char *key_file; /* of the account (node/chain_client.h); NULL: "anchor.key" in the data directory, made when absent */
    uint64_t chain;
    struct eth_address contract;
    uint32_t depth;       /* blocks on top before an anchor counts, 1..1000; 0: NODE_ANCHOR_DEPTH */
    vl_ms every;          /* between two heads; 0: NODE_ANCHOR_EVERY_MS */
    vl_ms patience;       /* before the fee is raised; 0: NODE_ANCHOR_PATIENCE_MS */
    uint64_t fee_max;     /* wei per gas that are never exceeded; 0: NODE_ANCHOR_FEE_MAX */
};

struct node_config {
    const char *data_dir;  /* made when absent (0700) */
    const char *name;      /* 1..VL_NAME_MAX - 1 bytes */
    const char *listen;    /* "ADDR:PORT" for links; NULL: do not listen */
    const char *advertise; /* "ADDR:PORT" that tickets carry; NULL: what `listen` suggests */
    const char *ticket;    /* to join with; NULL: coordinator, or a member that joined before */
    bool found;            /* a new data directory founds a village; one that exists keeps its role.  false: join */
    unsigned slots;        /* tasks at once; 0: one for each CPU; NODE_NO_SLOTS: takes no work */
    bool mix;           /* take part in the private network as a mix; needs `listen` */
    uint32_t mix_rate;  /* packets per second it is to carry at most; 0: NODE_MIX_RATE.  Its replay tables have room for
                           that: 24 KiB of disk for each at epochs of 30 min, thrice */
    const char *family; /* operator, the same for all nodes of one; NULL: not declared */
    bool no_cover;      /* sends and receives nothing private */
    bool harvest;       /* takes work only while its owner's rules allow it (fog/harvest.h) */
    const char *sensor_root; /* with harvest: before the path of every sensor; NULL: "" */
    const char *const *labels; /* "KIND=NAME", n_labels of them: failure domains (enum domain); borrowed until node_create() returns */
    unsigned n_labels;
    uint64_t cost;               /* of an hour of one slot, micro-credits */
    uint64_t ask;                /* for an H200-hour, micro-credits; 0: the village's price */
    uint64_t price_base;         /* founder: the village's price of an H200-hour, micro-credits; 0: the default */
    struct vl_span bench;        /* the program that measures nodes, static storage; empty: none */
    const char *attest_policy, *attest_dir; /* coordinator: trust/admission.h; NULL: none */
    const char *tpm, *ek, *qgs, *device_root; /* as in struct tee_config of os/tee.h; NULL: the machine's own */
    struct node_anchor anchor;
    vl_ms heartbeat_ms, lost_ms; /* 0: defaults */
    vl_ms epoch_ms;              /* founder: of draws; 0: an hour */
    uint64_t cache_bytes; /* blobs a member keeps; 0: 10 GiB.  The coordinator keeps all */
    struct keyfile_ways keys;    /* how node.keys is opened when it is sealed; strings borrowed until node_create() returns */
    uint64_t rotate_after_ms;    /* member: keys of this age are replaced without being asked to; 0: never */
    struct vl_log *log;          /* borrowed */
};

/* What the program around a node hears; each may be NULL.  Called on the loop; may call the node. */
struct node_hooks {
    void *arg;    /* of the first three */
    void *daemon; /* of the others */
    void (*job_changed)(void *arg, struct vl_job_id id);
    void (*task_changed)(void *arg, struct vl_job_id id, uint32_t task);
    void (*node_changed)(void *arg, struct vl_node_id id);
    void (*joined)(void *daemon);                                    /* durable: this node is a member now */
    void (*refused)(void *daemon, enum vl_err err, const char *why); /* the join was refused for good */
    void (*failed)(void *daemon, enum vl_err err, const char *why);  /* the node cannot go on: end the process */
};

/* Opens the data directory, restores, listens, starts the runner and dials.  Copies cfg and hooks.
 * VL_EBUSY: another process has the directory, or the port is taken; VL_EPARSE: ticket or address; VL_ESTATE: role, or
 * no ticket and never joined; VL_EVERSION, VL_ECORRUPT: the store; VL_EDENIED, VL_ENOSPC, VL_EIO, VL_ENOMEM.  `msg`
 * says more. */
VL_MUST_CHECK enum vl_err node_create(uv_loop_t *loop, const struct node_config *cfg, const struct node_hooks *hooks,
                                      struct node **ret_node, struct vl_errmsg *msg);
/* Closes links, kills tasks, flushes the store; `done` (may be NULL) is called when all handles of the loop are closed.
 * Then the node is freed. */
void node_stop(struct node *n, void (*done)(void *arg), void *arg);

/* ---- commands: `done` is called once, after the change is durable, never from within the call ---- */

typedef void (*node_done_fn)(void *arg, enum vl_err err, const char *detail, struct vl_span bytes);
void node_submit_job(struct node *n, struct vl_job_id id, const struct job_spec *spec,
                     const struct record_answer *answer, node_done_fn done, void *arg);
/* bytes of `done`: the auction's id. Errors of brain_auction_open(). */
void node_auction_open(struct node *n, const struct market_order *order, struct vl_job_id id, const struct job_spec *spec,
                       node_done_fn done, void *arg);
void node_auction_cancel(struct node *n, struct vl_hash auction, node_done_fn done, void *arg);
/* All zero: every node. */
void node_measure(struct node *n, struct vl_node_id id, node_done_fn done, void *arg);
void node_cancel_job(struct node *n, struct vl_job_id id, node_done_fn done, void *arg);
/* bytes of `done`: u64 ms, since when it counts as revoked. */
void node_revoke_key(struct node *n, struct vl_node_id id, node_done_fn done, void *arg);
/* bytes of `done`: the new id.  Errors of brain_rotate(), and those of writing node.keys. */
void node_rotate(struct node *n, node_done_fn done, void *arg);
#define NODE_KEYS_AGE_MS (90ull * 86400000) /* when keys are to be replaced */
#define NODE_KEYS_WARN_MS (80ull * 86400000)
struct node_keys_view {
    vl_ms since_ms;
    uint64_t age_ms;
    bool sealed, due, rotating, replaceable; /* due: older than NODE_KEYS_WARN_MS, and can be replaced */
    enum sealed_kind kind;
};
void node_keys_view(const struct node *n, struct node_keys_view *ret);
void node_expel(struct node *n, struct vl_node_id id, node_done_fn done, void *arg);
void node_maintenance(struct node *n, struct vl_node_id id, bool on, node_done_fn done, void *arg);
void node_store_answer(struct node *n, const struct record_answer *answer, node_done_fn done, void *arg);
/* bytes of `done`: 8 bytes of ticket id.  *ret is the whole ticket to show; wipe it.  VL_EUNSUPPORTED: not the
 * coordinator. */
VL_MUST_CHECK enum vl_err node_create_ticket(struct node *n, uint32_t uses, vl_ms ttl_ms, char ret[TICKET_TEXT],
                                             node_done_fn done, void *arg);
/* Whether a privacy level can be had now: as brain_mix_level(). */
enum vl_err node_mix_level(struct node *n, enum mix_level level, uint16_t *ret_mean_ms, struct vl_errmsg *msg);
/* Hands packets made elsewhere to the relay that is their first hop, as brain_mix_hand(). */
size_t node_mix_hand(struct node *n, uint32_t first, const uint8_t *packets, size_t count);
/* bytes of `done`: u32 milliseconds there and back. */
void node_mix_ping(struct node *n, struct vl_node_id to, enum mix_level level, node_done_fn done, void *arg);
/* number and signature of `wanted` are filled in. */
void node_mix_charter(struct node *n, const struct mix_charter *wanted, node_done_fn done, void *arg);
/* bytes of `done`: for brain_log_head_open(). */
void node_log_head(struct node *n, node_done_fn done, void *arg);
void node_keep(struct node *n, struct vl_hash blob, node_done_fn done, void *arg);
/* Tiles of the log that were read; NULL: out of memory.  Borrowed. */
struct persist_tiles;
struct persist_tiles *node_tiles(struct node *n);
/* bytes of `done`: for brain_proof_parts_open(). */
void node_proof_parts(struct node *n, uint64_t index, struct vl_node_id worker, node_done_fn done, void *arg);
/* VL_ESTATE: not started with `harvest`; VL_ERANGE: the detail says which figure. */
void node_harvest_policy(struct node *n, const struct harvest_policy *p, node_done_fn done, void *arg);
void node_harvest_pause(struct node *n, bool pause, vl_ms duration, node_done_fn done, void *arg);
void node_revoke_ticket(struct node *n, const uint8_t id[8], node_done_fn done, void *arg);

/* ---- what the API reads ---- */

bool node_is_coordinator(const struct node *n);
struct store *node_store(const struct node *n);
const struct brain *node_brain(const struct node *n);
vl_ms node_now(struct node *n);
vl_ms node_started(const struct node *n);
const char *node_name(const struct node *n);
const char *node_anchor_server(const struct node *n); /* "https://host:port"; "": heads are anchored nowhere */
const char *node_addr(const struct node *n); /* "ADDR:PORT" as bound; "" */
/* VL_OK, or why durable commands are refused now: VL_ENOSPC, VL_EIO. */
enum vl_err node_health(const struct node *n);

/* ---- trusted execution on this node (TRU-07): node/tee.h, on the pool ---- */

#define NODE_TEE_CONFIG_MAX 4096u
struct node_tee_wish {
    const char *provider; /* NULL: the best one here */
    struct vl_job_id job; /* zeros: none */
    struct vl_hash module;
    uint8_t config[NODE_TEE_CONFIG_MAX], nonce[32];
    size_t config_n;
    vl_ms now; /* filled in here */
};
struct node_tee_answer {
    enum vl_err err; /* as tees_open() and tees_attest() */
    struct vl_errmsg msg;
    /* create: */
    struct tees_status status;
    bool made;
    struct tees_proof proof;
    uint64_t took_us; /* created, measured and attested */
    struct attested verdict; /* by this node's own policy and files, unsigned: how it looks to a verifier that has these */
    /* status: */
    struct tee_found found[TEE_PROVIDERS];
    struct tees_status open[TEES_MAX];
    size_t open_n;
};
/* Called once, on the loop, never from within the call; what it gets is borrowed. */
typedef void (*node_tee_fn)(void *arg, const struct node_tee_answer *a);
/* Opens a context, measures and attests offline; on an error nothing is left open.  VL_ENOMEM, VL_ERANGE: `done` is not called. */
VL_MUST_CHECK enum vl_err node_tee_create(struct node *n, const struct node_tee_wish *wish, node_tee_fn done, void *arg);
/* Closes a context: err of the answer is VL_OK or VL_ENOTFOUND.  Those of a job that ended close by themselves where that is known. */
VL_MUST_CHECK enum vl_err node_tee_close(struct node *n, uint64_t id, node_tee_fn done, void *arg);
VL_MUST_CHECK enum vl_err node_tee_status(struct node *n, node_tee_fn done, void *arg);
const struct admission *node_admission(const struct node *n);
/* Asks a node for evidence now. */
void node_attest_now(struct node *n, struct vl_node_id id, node_done_fn done, void *arg);

/* ---- blobs ---- */

/* Size of a blob that is here.  VL_ENOTFOUND. */
VL_MUST_CHECK enum vl_err node_blob_size(struct node *n, struct vl_hash h, uint64_t *ret);
/* An open descriptor of the whole blob; the caller closes.  VL_ENOTFOUND, VL_EIO. */
VL_MUST_CHECK enum vl_err node_blob_open(struct node *n, struct vl_hash h, int *ret_fd, uint64_t *ret_size);
struct node_upload;
/* VL_EEXISTS: here already.  VL_ENOSPC: less than the reserve would be left.  VL_ELIMIT: too large, or too many
 * uploads. */
VL_MUST_CHECK enum vl_err node_upload_begin(struct node *n, struct vl_hash h, uint64_t size, struct node_upload **ret);
VL_MUST_CHECK enum vl_err node_upload_write(struct node_upload *u, const void *p,
                                            size_t n); /* VL_ENOSPC, VL_EIO, VL_ERANGE */
/* Checks, syncs, adopts on another thread, then calls done: VL_ECRYPTO: another hash, VL_ERANGE: too few bytes, VL_EIO,
 * VL_ENOSPC.  Ends the upload. */
void node_upload_commit(struct node_upload *u, node_done_fn done, void *arg);
void node_upload_abort(struct node_upload *u);

struct node_stats {
    struct brain_counters brain;
    uint32_t links;
    uint64_t bytes_in, bytes_out, accepts, accept_refused, dials, dials_failed, runner_starts, store_failures;
};
void node_stats(const struct node *n, struct node_stats *ret);

#endif
