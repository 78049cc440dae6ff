/* priv.h - inside of the running node.  Not for others. */
#ifndef VL_NODE_PRIV_H
#define VL_NODE_PRIV_H

#include "base/map.h"
#include "node/node.h"
#include "node/persist.h"
#include "os/blob_dir.h"
#include "os/clock.h"
#include "os/machine.h"
#include "os/mapping.h"
#include "sandbox/request.h"

#include <netinet/in.h>

#define NODE_DISK_RESERVE                                                                                              \
    (64ull << 20) /* left free for the store: uploads and jobs are refused before it is needed                         \
                   */
#define NODE_READ_BUFFER 65536u
#define NODE_UPLOADS_MAX 256u
#define NODE_WAITING_MAX 65536u /* commands waiting for their commit */

struct lookup;
struct link_conn { /* one TCP connection */
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct node *node;
    struct link_conn *next;
    uint32_t conn, dial; /* conn 0: not yet, or no longer, the brain's */
    char addr[VL_ADDR_MAX]; /* that was dialled */
    bool writing, closing, draining;
    uint8_t *rest;         /* being written */
    struct lookup *lookup; /* a name being resolved for this dial */
};

#define NODE_MIX_KEYS 4u /* as the brain asks for: MIX_KEYS of brain/mix_priv.h */
struct node_mix_key {    /* table NULL: free */
    uint64_t epoch;
    struct replay *table;
    struct os_mapping map;
};
struct node_mix_batch;
struct node_chain; /* chain.c */

struct waiter { /* a command that waits for its reply */
    node_done_fn done;
    void *arg;
};

struct runner_job { /* a task inside the runner */
    struct runner_job *next;
    struct node *node;
    uint64_t task;
    uv_work_t work;
    bool working;
    struct sandbox_exited exited; /* borrows from packet */
    uint8_t *packet;
    struct vl_hash hash[VL_TASK_OUTPUTS_MAX];
    uint8_t *content[VL_TASK_OUTPUTS_MAX]; /* small outputs; NULL: adopted as a blob */
    enum vl_err err;
};

struct node {
    uv_loop_t *loop;
    struct node_config cfg;
    struct node_hooks hooks;
    char data_dir[400], name[VL_NAME_MAX], addr[VL_ADDR_MAX];
    struct os_clock clock;
    vl_ms started_ms;
    struct os_machine machine;

    struct store *store;
    struct persist_tiles *tiles; /* made when first needed */
    struct brain *brain;
    enum vl_err health;
    bool coordinator, trimming, stopping, pumping, rebuild, polling_store;
    struct keyfile keyfile;
    bool rotate;          /* the next pair takes over as soon as the brain is at rest */
    vl_ms keys_warned_ms; /* 0: not yet */
    struct brain_config brain_cfg;

    uv_timer_t timer, slow; /* the brain's deadline; once in a while: machine, clock, trim */
    uv_poll_t store_poll;
    uint32_t generation;

    uv_tcp_t listener;
    bool listening;
    struct link_conn *conns;
    uint32_t conns_n;
    vl_ms unreachable_at; /* when it was last said that a node cannot be reached */
    struct vl_map by_conn; /* the same, by the brain's number: asked for every flush */
    uint8_t read_buffer[NODE_READ_BUFFER];
    uint8_t *out_buffer;

    struct vl_map waiting; /* token -> struct waiter */
    uint64_t next_token;

    struct os_blob_dir blobs;
    uint32_t uploads;

    uv_process_t runner;
    uv_poll_t runner_poll;
    int runner_fd;
    bool runner_running, runner_ready, runner_polling;
    uint32_t features;
    vl_ms runner_restart_at;
    struct vl_hash toolchain;
    char runner_text[1024];
    struct runner_job *jobs;

    struct node_mix_key mix_keys[NODE_MIX_KEYS];
    struct node_mix_batch *mix_batch; /* one that is out */

    struct admission *admission; /* policy on evidence */
    struct tees *tees;

    struct sensors *sensors; /* NULL: not harvested */
    uv_poll_t sensor_poll;
    uint32_t cap_milli;         /* what the runner was told; 1000: no cap */
    uint64_t blob_bytes;        /* moved over links, both ways */
    struct blob_wait *waits, **waits_last; /* answers that wait for the bandwidth of a harvested machine */
    uv_timer_t bucket;
    bool bucket_open;
    uint64_t bandwidth_bps;     /* 0: no limit */
    int64_t bucket_bits;
    uint64_t bucket_at_ms;

    struct node_chain *chain; /* NULL: heads are anchored nowhere */

    uint32_t slow_ticks;
    unsigned handles; /* libuv handles of ours that are open */
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct node_stats stats;
};

/* node.c */
void node_pump(struct node *n); /* after every call into the brain */
/* Everybody who waits for a commit that will not come is told so: nothing was acknowledged. */
void node_waiters_fail(struct node *n, enum vl_err err, const char *why);
void node_fail(struct node *n, enum vl_err err, const char *why);
void node_handle_closed(struct node *n);
enum vl_err node_brain_open(struct node *n, struct vl_errmsg *msg); /* from the store */
/* labels.c: fills the failure domains of brain_cfg.caps.  VL_ERANGE: what the owner says is no label. */
enum vl_err node_labels_take(struct node *n, struct vl_errmsg *msg);
void node_store_ready(uv_poll_t *p, int status, int events);
void node_slow_fired(uv_timer_t *t);
#define NODE_SLOW_MS 5000u
#define NODE_TRIM_EVERY 60u            /* slow ticks: five minutes */
#define NODE_CACHE_BYTES (10ull << 30) /* default of a member's blob cache */
#define NODE_CACHE_KEEP_S 3600         /* blobs of tasks that may still run are never taken away */

/* net.c */
enum vl_err net_listen(struct node *n, const char *addr, struct vl_errmsg *msg);
void net_dial(struct node *n, uint32_t dial, const char *addr);
void net_conn_close(struct node *n, uint32_t conn);
void net_flush(struct node *n);
void net_forget(struct node *n);   /* the brain's numbers mean nothing any more */
void net_drop_all(struct node *n); /* the brain that knew them is gone */
void net_close_all(struct node *n);

/* work.c: the runner */
enum vl_err runner_start(struct node *n);
void runner_stop(struct node *n);
void runner_run(struct node *n, uint64_t task, const struct assignment *a);
void runner_kill(struct node *n, uint64_t task);

void runner_pace(struct node *n, uint32_t cap_milli); /* kept, and told again to a new runner */

/* harvest.c */
enum vl_err harvest_open(struct node *n);
void harvest_close(struct node *n);
void harvest_order(struct node *n, uint32_t cap_milli, uint64_t bandwidth_bps);
/* An answer about `bytes` of a blob may leave now (true), or is kept until the bandwidth allows it and then given by `go`. */
struct blob_wait {
    struct blob_wait *next;
    uint64_t bits;
    uint32_t generation; /* of the brain that asked */
    struct vl_hash hash;
    uint64_t req, offset, size;
    enum vl_err err;
    bool written; /* else read */
    size_t n;
    uint8_t bytes[];
};
/* NULL: answer at once; else filled in by the caller and queued with bandwidth_queue(). */
struct blob_wait *bandwidth_wait(struct node *n, uint64_t moved, size_t keep);
void bandwidth_queue(struct node *n, struct blob_wait *w);
/* attest.c: the machine's providers of evidence (node/tee.h), */
void tee_quote(struct node *n, const struct brain_effect *e);    /* BRAIN_TEE_QUOTE */
void tee_activate(struct node *n, const struct brain_effect *e); /* BRAIN_TEE_ACTIVATE */
/* and others' evidence, verified; both on the pool */
void attest_batch(struct node *n, struct brain_attest *a);
enum vl_err attest_open(struct node *n, struct vl_errmsg *msg);
enum vl_err node_tees_open(struct node *n, struct vl_errmsg *msg);
void attest_close(struct node *n); /* both */
void tee_job_changed(struct node *n, struct vl_job_id job);
void tee_rekey(struct node *n); /* this node has another key now */

/* keys.c */
enum vl_err keys_next(struct node *n, struct vl_errmsg *msg); /* makes and stores the pair that is to take over, unless there is one */
void keys_verdict(struct node *n, const struct brain_effect *e);
bool keys_swap(struct node *n);                                /* false: could not be stored, and has said so */
enum vl_err keys_adopt(struct node *n, struct vl_errmsg *msg); /* before the brain opens: makes the store that of our key */
void keys_config(struct node *n);                              /* of the brain */
void keys_look(struct node *n);                                /* now and then: warns, or begins */
/* plan.c */
void plan_batch(struct node *n, struct brain_plan *plan);

/* chain.c */
/* Fills brain_cfg.chain.  Errors of chain_account_open() and chain_client_open(). */
enum vl_err chain_open(struct node *n, struct vl_errmsg *msg);
void chain_ask(struct node *n, struct vl_span ask);
void chain_stop(struct node *n); /* ends the request that runs, within about a second */
void chain_close(struct node *n); /* when nothing runs any more */

/* mix.c */
void mix_key(struct node *n, uint64_t epoch, bool make, uint64_t capacity);
/* earlier: all up to that epoch that are not open */
void mix_key_drop(struct node *n, uint64_t epoch, bool earlier);
void mix_batch(struct node *n, struct relay_batch *batch);
void mix_wait(struct node *n);  /* until the batch that is out has run; given back to the brain */
void mix_close(struct node *n); /* tables; the files stay for the next start */

/* blob.c */
void blob_find(struct node *n, struct vl_hash h);
void blob_read(struct node *n, uint64_t req, struct vl_hash h, uint64_t offset, uint64_t length);
void blob_write(struct node *n, struct vl_hash h, uint64_t offset, struct vl_span bytes);
void blob_verify(struct node *n, struct vl_hash h, uint64_t size);
void blob_trim(struct node *n);
/* The blob as a file, made from the store when it is a small one. */
enum vl_err blob_ensure(struct node *n, const struct vl_hash *h, char path[640], uint64_t *ret_size);
enum vl_err blob_hash_file(const char *path, struct vl_hash *ret, uint64_t *ret_size);

#endif
