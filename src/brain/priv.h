/* priv.h - inside of the brain: what its files share.  Not for others. */
#ifndef VL_BRAIN_PRIV_H
#define VL_BRAIN_PRIV_H

#include "base/map.h"
#include "base/prng.h"
#include "brain/brain.h"
#include "crypto/dh.h"
#include "crypto/sign.h"
#include "fog/sched.h"
#include "fog/shed.h"
#include "net/blob.h"
#include "net/delivery.h"
#include "net/htx.h"
#include "trust/roster.h"
#include "wire/heartbeat.h"
#include "wire/level.h"
#include "wire/link.h"
#include "wire/view.h"

/* Payload types of envelopes: on the wire, never renumber. */
enum brain_message {
    MSG_ASSIGN = 1,
    MSG_REVOKE = 2,
    MSG_REPORT = 3,
    MSG_SUBMIT = 4, /* this and what follows: wire/remote.h */
    MSG_DATA = 5,
    MSG_MISSING = 6,
    MSG_NEWS = 7,
    MSG_TASK = 8,
    MSG_CANCEL = 9,
    MSG_COMMIT = 10, /* wire/task.h */
    MSG_REVEAL = 11,
    MSG_JUDGED = 12,  /* a task_reveal: of the run that lost */
    MSG_DISPUTE = 13, /* a receipt */
    MSG_ATTESTED = 44, /* coordinator to member: its signed result, wire/attestation.h */
    MSG_CONTRIBUTION = 30, /* wire/contribution.h */
    MSG_HEAD = 40, /* wire/witness.h */
    MSG_COSIGNATURE = 41,
    MSG_MARKET_CALL = 20, /* these: wire/market.h */
    MSG_MARKET_SEAL = 21,
    MSG_MARKET_OPEN = 22,
    MSG_MARKET_SHOW = 23,
    MSG_MARKET_AWARD = 24,
};
#define MESSAGE_TYPE 0xffffu      /* enum brain_message in the type of an envelope; above it the privacy level */
#define MESSAGE_LEVEL_SHIFT 16u

/* Streams of a link, opened by each side for what it sends: heartbeats must not queue behind blobs. */
enum lane { LANE_CONTROL = 0, LANE_MESSAGE = 1, LANE_BLOB = 2, LANE_MIX = 3, LANES = 4 };

#define BRAIN_REDIAL_MIN_MS 250u
#define BRAIN_REDIAL_MAX_MS 30000u /* a coordinator that is away for long is found again within this */
#define BRAIN_REOFFER_MS 10000u
#define BRAIN_GUEST_MS 30000u /* time to ask for membership; then the link is wanted for others */
#define BRAIN_GUESTS_MAX 64u  /* strangers at once: far fewer than VL_LINKS_MAX, so that they cannot keep members out  \
                               */
#define BRAIN_SNAPSHOT_EVENTS 50000u /* log events between two snapshots: bounds replay to about a second */
#define BRAIN_SNAPSHOT_BYTES (64ull << 20) /* as STORE_SNAPSHOT_MAX: a larger one is refused, and the node would begin again and again */
#define BRAIN_TASKS_KEPT 100000u     /* tasks in the book, at 400 bytes of a snapshot: above it jobs that ended an hour ago are forgotten */
#define BRAIN_TASKS_KEPT_MS 3600000u
#define BRAIN_ENDED_KEPT 20000u      /* ended jobs kept in the book for dependencies and lists: their rows go with them */
#define BRAIN_QUEUE_FACTOR 2u        /* assignments a worker holds for each slot: hides the way of the next one */

struct peer {
    struct vl_node_id node;
    uint32_t session, stream[LANES];
    bool guest;    /* came without a certificate: may only ask to join */
    bool attached; /* has a live connection now */
    vl_ms until;   /* of a guest */
    bool renewing; /* asked for a newer certificate on this link */
    uint8_t static_key[32];
    struct cert cert; /* of members */
    vl_ms rest_until; /* its packets come too fast: the stream is on hold; 0: it is not */
    uint32_t rest_stream;
};

/* A member that we dial and keep a link to. */
struct way {
    struct way *next;
    struct vl_node_id node; /* meaningful when known */
    bool known;             /* the next handshake is XK, or IK to resume */
    uint8_t static_key[32];
    char addr[VL_ADDR_MAX];
    unsigned uses; /* of enum way_use; 0: may go */
    uint32_t dial, session, conn, failures;
    vl_ms at; /* to be dialled */
};
enum way_use { WAY_AUTHORITY = 1, WAY_RELAY = 2, WAY_PROVIDER = 4 };

/* Something to do once the batch `after` is durable; what the shell sees is an effect, the rest happens inside. */
enum out_kind { OUT_EFFECT, OUT_SEND, OUT_PRIVATE, OUT_BROADCAST, OUT_CLOSE, OUT_SELF_ASSIGN, OUT_SELF_REVOKE, OUT_SELF_REVEAL };
struct out {
    struct out *next;
    enum out_kind kind;
    uint64_t after;
    struct brain_effect effect;
    struct vl_node_id node; /* OUT_SEND; OUT_BROADCAST: to all but this one */
    enum lane lane;
    size_t n;
    uint8_t bytes[]; /* what the effect's spans point to */
};
struct out_list {
    struct out *first, **last;
};

struct record_slot { /* a record whose spans are offsets into the step's arena */
    struct record r;
    size_t text_at, bytes_at;
};

enum worker_state { W_FETCHING = 1, W_READY, W_RUNNING, W_UPLOADING, W_REPORTED, W_COMMITTED };
struct wtask {
    struct wtask *next;
    uint64_t id;
    enum worker_state state;
    uint32_t missing; /* blobs not here yet, or outputs the coordinator has not got yet */
    bool started;
    bool rerun; /* of the coordinator itself: to settle a dispute */
    bool salted, held, revealed; /* held.c: the report opens a commitment; is on disk; was asked for */
    vl_ms started_ms;
    struct assignment a; /* borrows from `bytes` */
    uint8_t *bytes;
    uint8_t *report;
    size_t report_n;
    struct vl_hash *waits; /* of `missing`: hashes still awaited; room for 1 + inputs, or outputs */
    uint64_t *wait_sizes;
    struct vl_msg_id message; /* the report's, once sent */
};

struct offer { /* coordinator: a worker waits until this blob is here */
    struct offer *next;
    struct vl_hash hash;
    uint64_t size;
    struct vl_node_id from;
};

struct brain {
    struct brain_config cfg;
    uint8_t certificate[HTX_CERT_MAX];
    size_t certificate_n;
    vl_ms now;
    bool started, member, out_of_memory;
    struct crypto_sign_key key;
    struct vl_node_id self;
    struct vl_prng rng;

    /* effects */
    struct out_list due, held; /* due: the shell may take it; held: waits for its commit */
    struct out *lent;          /* the one whose spans the shell is looking at */
    struct brain_effect scrap; /* takes the writes of a caller when memory is out */
    struct out *step_first;    /* first held one of the running step */
    struct record_slot *slots;
    size_t slots_n, slots_cap;
    struct vl_buf arena;
    struct record *lent_records;
    uint64_t seq, durable;

    /* links */
    struct htx_endpoint *htx;
    struct vl_buf rx; /* the message being handled */
    struct roster *roster;
    struct vl_map by_session, by_node; /* struct peer */
    struct vl_map by_conn;             /* struct peer, admitted but without a session yet */
    struct vl_node_id coordinator;
    struct way home, *ways; /* to the coordinator; to others */
    uint32_t dials;         /* number of the last dial */
    vl_ms ways_at;          /* no way is to be dialled before: kept, for it is asked for with every packet */
    uint32_t guests;
    vl_ms heartbeat_at, guest_at;
    uint32_t denied_conn; /* the last one that we did not admit */
    vl_ms refused_ms;     /* when it was said last that the coordinator does not admit us; 0: never */

    struct delivery *delivery;
    struct delivery_effects delivery_fx;
    bool over_link; /* what delivery is given now came over a link, not through the mixnet */
    struct blob *blob;
    struct blob_effects blob_fx;

    /* worker */
    struct wtask *tasks;
    uint64_t next_task;
    uint32_t running, held_tasks, features, load_milli;
    uint64_t done, failed;
    vl_ms started_ms, reoffer_at;

    /* coordinator */
    struct membership *membership;
    struct registry *registry;
    struct job_book *jobs;
    struct job_effects job_fx;
    struct registry_effects *registry_fx;
    struct placing *placing;
    struct offer *offers;
    uint32_t offers_n;
    bool schedule_due;
    vl_ms schedule_at;
    uint64_t log_events; /* since the last snapshot */
    uint64_t history;
    struct vl_buf snapshot; /* chunks of a restored snapshot are fed at once; kept for writing */

    struct verify *verify;       /* verify.c; the same */
    struct merkle_log *receipts; /* receipts.c; the same */
    struct chain *chain;         /* anchor.c; NULL: no anchors */
    struct disputes *disputes;   /* dispute.c; on every member */
    struct witness *witness;     /* witness.c; on every member */
    struct vl_hash attestation;  /* id of the attestation result that this node runs under, for its receipts; zeros: none */
    struct load *load; /* load.c; NULL: not the coordinator */
    vl_ms load_at;     /* when it is looked at */
    struct vl_job_id *changed; /* jobs whose rows this step writes */
    size_t changed_n, changed_cap;
    struct quorum *quorum; /* quorum.c; on the coordinator */
    struct trade *trade; /* trade.c: the market; on a member its own bids */
    struct attests *attests; /* attest.c */
    struct bench *bench; /* bench.c: measured rates; NULL: not the coordinator */
    struct standings *standings; /* standing.c; NULL: not the coordinator */
    struct mix *mix; /* mix.c; NULL: no part in the private network */
    struct remote *remote; /* jobs submitted at members: own ones, or on the coordinator those of members */

    struct topo *topo; /* topo.c */
    struct keys *keys; /* keys.c */
    struct member_harvest *harvest; /* NULL: not harvested */
    struct vl_map accounts;         /* coordinator: contribution sessions, struct account by node */

    struct brain_counters counters;
};

/* ---- brain.c: steps and effects ---- */
void step_begin(struct brain *b, vl_ms now);
void step_end(struct brain *b);
/* An effect at once, or after the commit of this step and all before it.  Copies the spans named. */
struct brain_effect *effect_now(struct brain *b, enum brain_effect_kind kind, struct vl_span bytes, const char *detail);
struct brain_effect *effect_held(struct brain *b, enum brain_effect_kind kind, struct vl_span bytes,
                                 const char *detail);
void held_inside(struct brain *b, enum out_kind kind, struct vl_node_id node, enum lane lane, uint8_t link_kind,
                 struct vl_span bytes);
void reply(struct brain *b, uint64_t token, enum vl_err err, const char *detail, struct vl_span bytes);
/* A refusal promises nothing: it does not queue behind a disk that is the reason for it. */
void reply_now(struct brain *b, uint64_t token, enum vl_err err, const char *detail, struct vl_span bytes);
void note(struct brain *b, enum vl_err err, struct vl_node_id node, const char *detail);
/* Adds a record to the step; `text` and `bytes` are copied.  The pointer is valid until the next one. */
struct record *record_add(struct brain *b, enum record_kind kind, const void *key, size_t key_n, struct vl_span text,
                          struct vl_span bytes);
void record_answer_add(struct brain *b, const struct record_answer *answer);
/* For allocations that a core cannot undo: the node must start again from its store (crash-only). */
void out_of_memory(struct brain *b);

/* ---- link.c ---- */
enum vl_err link_create(struct brain *b);
void link_start(struct brain *b);
void link_pump(struct brain *b); /* handles all events of the endpoint */
void link_tick(struct brain *b);
vl_ms link_deadline(const struct brain *b);
struct peer *link_peer(const struct brain *b, struct vl_node_id node);
/* kind byte and body on a lane.  False: no link, or its budget is full. */
bool link_send(struct brain *b, struct vl_node_id to, enum lane lane, enum link_kind kind, struct vl_span body,
               struct vl_span tail);
void link_close_node(struct brain *b, struct vl_node_id node, uint32_t reason);
/* To every member that has a link to us, but one. */
void link_broadcast(struct brain *b, enum lane lane, enum link_kind kind, struct vl_span body, struct vl_node_id but);
/* ---- identity.c ---- */
void identity_record(struct brain *b);
enum vl_err identity_restore(struct brain *b, struct vl_span bytes);

/* Between coordinator and member, whichever of them we are: heartbeats, work and blobs pass here only. */
bool link_is_star(const struct brain *b, const struct peer *p);

/* ---- way.c ---- */
const struct way *way_of_conn(struct brain *b, uint32_t conn); /* NULL: not dialled by us */
void way_session_up(struct brain *b, uint32_t conn, uint32_t session);
void way_session_down(struct brain *b, uint32_t session); /* detached or lost: come back */
void way_session_gone(struct brain *b, uint32_t session);
/* No link to that node any more, whoever had dialled it. */
void way_node_gone(struct brain *b, struct vl_node_id node);
void way_conn_closing(struct brain *b, uint32_t conn);
void way_conn_lost(struct brain *b, uint32_t conn);
void way_tick(struct brain *b);
vl_ms way_deadline(const struct brain *b);
/* Keep a link to that member for `use`; static_key may be NULL.  Not for ourselves nor the coordinator. */
void way_want(struct brain *b, struct vl_node_id node, const uint8_t static_key[32], const char *addr, unsigned use);
/* All ways lose this use; those without any are closed by way_sweep(). */
void way_unwant_all(struct brain *b, unsigned use);
void way_sweep(struct brain *b);
uint32_t way_down(const struct brain *b); /* ways, but the one home, that have no link now */
void way_destroy(struct brain *b);

/* ---- message.c: delivery ---- */
enum vl_err message_create(struct brain *b);
/* level MIX_OFF: over the link to `to`; else through the mixnet only, however long that takes. */
enum vl_err message_send(struct brain *b, struct vl_node_id to, enum mix_level level, enum brain_message type,
                         enum envelope_priority priority, struct vl_span payload, struct vl_msg_id *ret_id);
/* VL_OK: delivery took it, its signature is right.  Errors are counted in here. */
enum vl_err message_step(struct brain *b, const struct delivery_event *ev);

/* ---- blobs.c ---- */
enum vl_err blobs_create(struct brain *b);
void blobs_step(struct brain *b, const struct blob_event *ev);
void blobs_offer(struct brain *b, const struct peer *from, struct vl_span body);
void blobs_have(struct brain *b, const struct peer *from, struct vl_span body);

/* ---- mix.c, mix_client.c: the private network ---- */
enum vl_err mix_create(struct brain *b);
void mix_destroy(struct brain *b);
enum vl_err mix_restore(struct brain *b, const struct record *r);
void mix_start(struct brain *b);
void mix_tick(struct brain *b);
vl_ms mix_deadline(const struct brain *b);
/* Batches out, packets on: at the end of each step that brought some. */
void mix_pump(struct brain *b);
void mix_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body);
void mix_packets(struct brain *b, struct peer *p, uint32_t stream, struct vl_span bytes);
bool mix_authority(const struct brain *b, struct vl_node_id node); /* named by the charter */
void mix_peer_up(struct brain *b, struct peer *p);
void mix_peer_down(struct brain *b, struct peer *p);
/* A link to that node came up, or could not be made or broke. */
void mix_way_result(struct brain *b, struct vl_node_id node, bool reached);
/* A frame of delivery at a level; id: of the envelope, 16 bytes. */
void mix_send_frame(struct brain *b, struct vl_node_id to, enum mix_level level, bool ack, const uint8_t id[16],
                    struct vl_span frame);
/* At which level acknowledgements to that node travel: as its messages did. */
enum mix_level mix_ack_level(const struct brain *b, struct vl_node_id to);
/* Whether private messages can be sent to that node: the consensus lists it with a provider, or it is ourselves. */
bool mix_reaches(const struct brain *b, struct vl_node_id node);
/* How many more private messages may be begun: what waits for slots of cover is kept short, for what comes late is sent
 * again by everybody who waits for it. */
uint32_t mix_room(const struct brain *b);
/* Something private came over a link: counted. */
void mix_in_clear(struct brain *b);
/* A frame will be handed to mix_send_frame() once its commit is durable. */
void mix_private_promised(struct brain *b);
/* Delivery may send to that node although it has no link to us. */
void mix_private_peer(struct brain *b, struct vl_node_id to);

/* ---- worker.c ---- */
void worker_assign(struct brain *b, struct vl_span bytes);
void worker_revoke(struct brain *b, struct vl_span bytes);
/* Sends a result on its way: the commitment to it, or the report. */
void worker_report(struct brain *b, struct wtask *t);
void worker_blob_here(struct brain *b, struct vl_hash hash, enum vl_err err);
void worker_blob_found(struct brain *b, struct vl_hash hash, bool complete, uint64_t partial);
void worker_output_taken(struct brain *b, struct vl_hash hash, enum vl_err err);
void worker_reported(struct brain *b, struct vl_msg_id id);
void worker_heartbeat(struct brain *b, struct heartbeat *ret);
void worker_link_up(struct brain *b);
void worker_tick(struct brain *b);
vl_ms worker_deadline(const struct brain *b);
void worker_destroy(struct brain *b);
/* NULL when there is no such task (any more). */
const struct assignment *worker_assignment(const struct brain *b, uint64_t task);

/* Those it fetches for, that wait and that run. */
uint32_t worker_active(const struct brain *b);
/* Starts what may start now. */
void worker_go_on(struct brain *b);
/* Gives all of these back, with the reason; how many. */
uint32_t worker_hand_back(struct brain *b, const char *why);
/* Tells the coordinator that what runs here stands still, so that its time is not held against it. */
void worker_frozen(struct brain *b);

/* ---- harvest.c: this machine's owner comes first; all are no-ops on a node that is not harvested ---- */
enum vl_err harvest_create(struct brain *b);
void harvest_destroy(struct brain *b);
enum vl_err harvest_item(struct brain *b, const struct record *r);
enum vl_err harvest_session_restore(struct brain *b, const struct record *r);
void harvest_start(struct brain *b);
void harvest_tick(struct brain *b);
vl_ms harvest_due(const struct brain *b);
void harvest_heartbeat(const struct brain *b, struct heartbeat *h);
bool harvest_may_start(const struct brain *b);
uint64_t harvest_memory(const struct brain *b); /* bytes that all tasks together may be promised; UINT64_MAX: not ours to say */
void harvest_work_changed(struct brain *b);     /* a task came or went */
void harvest_task_ended(struct brain *b, const struct wtask *t, const struct brain_task_end *end); /* t NULL: gone already */

/* ---- contribution.c: the coordinator's account of sessions ---- */
void contribution_create(struct brain *b);
void contribution_destroy(struct brain *b);
enum vl_err contribution_restore(struct brain *b, const struct record *r);
void contribution_receipt(struct brain *b, struct vl_node_id node, uint64_t cpu_us); /* one that was accepted */
void contribution_message(struct brain *b, struct vl_node_id node, struct vl_span bytes);
/* ---- placing.c: tasks to nodes ---- */
enum vl_err placing_create(struct brain *b);
void placing_destroy(struct brain *b);
void coordinator_schedule(struct brain *b);
/* What the scheduler knows of a node: registry, books, link, reputation, rate, price. */
void placing_node(const struct brain *b, const struct node_record *r, struct sched_node *ret);
/* Something about the node changed: what it holds, how it is. */
void placing_touch(struct brain *b, struct vl_node_id node);
/* The job ended. */
void placing_forget(struct brain *b, struct vl_job_id job);
/* What its tasks wait for, as far as the last batch saw; SCHED_PLACED: nothing. */
enum sched_reason placing_waits(const struct brain *b, struct vl_job_id job);

/* ---- item.c: facts of the fog's cores, as rows of one table ---- */
/* Adds or replaces the item (kind, key, seq) with this step's commit. */
void item_put(struct brain *b, enum record_item kind, const uint8_t key[32], uint64_t seq, struct vl_span bytes);
void item_remove(struct brain *b, enum record_item kind, const uint8_t key[32], uint64_t seq);
enum vl_err item_restore(struct brain *b, const struct record *r);

/* ---- keys.c: one key of a member follows another ---- */
enum vl_err keys_create(struct brain *b);
void keys_destroy(struct brain *b);
enum vl_err keys_restore(struct brain *b, const struct record *r);
void keys_start(struct brain *b);
void keys_tick(struct brain *b);
vl_ms keys_deadline(const struct brain *b);
/* Member: the statement goes out (again), if there is one without an answer. */
void keys_ask(struct brain *b);
void keys_reply(struct brain *b, struct vl_span body);
/* Coordinator. */
void keys_succeed(struct brain *b, const struct peer *p, struct vl_span body);
void keys_peer_up(struct brain *b, struct vl_node_id node);
/* The first key of that member: what is remembered of it for long is remembered there. */
struct vl_node_id keys_origin(const struct brain *b, struct vl_node_id node);

/* ---- dispute.c: a run is done again ---- */
#define DISPUTES_MAX 256u /* copies that may contest, and receipts a worker remembers for it; the oldest are forgotten */
enum vl_err dispute_create(struct brain *b);
void dispute_destroy(struct brain *b);
void dispute_remember(struct brain *b, const struct receipt *r);
void worker_judged(struct brain *b, struct vl_span bytes);
void dispute_offer(struct brain *b, const struct job_effect *e);
void coordinator_dispute(struct brain *b, struct vl_node_id node, struct vl_span body);
void dispute_decided(struct brain *b, uint64_t run, const struct task_report *r);
/* An assignment of our own that reports to dispute_decided().  Its number; 0: it could not be taken. */
uint64_t worker_rerun(struct brain *b, struct vl_span bytes);

/* ---- anchor.c: its heads on a chain ---- */
enum vl_err chain_create(struct brain *b);
void chain_destroy(struct brain *b);
enum vl_err chain_restore(struct brain *b, const struct record *r);
void chain_tick(struct brain *b);
vl_ms chain_deadline(const struct brain *b);

/* ---- receipts.c: the log of receipts, on the coordinator ---- */
enum vl_err receipts_create(struct brain *b);
void receipts_destroy(struct brain *b);
enum vl_err receipts_restore(struct brain *b, const struct record *r);
/* One more leaf, with this step's commit. */
/* "village.ID/receipts" */
void receipts_origin(const struct brain *b, char ret[MERKLE_ORIGIN_MAX]);
void receipts_add(struct brain *b, const struct receipt *r, struct vl_span encoded);

/* ---- witness.c: heads of the log that others cosign; on every member ---- */
enum vl_err witness_create(struct brain *b);
void witness_destroy(struct brain *b);
enum vl_err witness_restore(struct brain *b, const struct record *r);
/* Hash of the receipt that this node signed last, and that it signed one more, with this step's commit. */
struct vl_hash witness_last_receipt(const struct brain *b);
void witness_receipt_signed(struct brain *b, const struct receipt *r);
/* Coordinator: a leaf came; a member came; its answer. */
void witness_log_grew(struct brain *b);
void witness_peer_up(struct brain *b);
void coordinator_cosignature(struct brain *b, struct vl_node_id from, struct vl_span bytes);
void witness_tick(struct brain *b);
vl_ms witness_deadline(const struct brain *b);
/* Member: a head from the coordinator. */
void witness_head(struct brain *b, struct vl_span bytes);

/* ---- held.c: results that are committed to before they are told, at the worker ---- */
void held_salt(const struct brain *b, const struct wtask *t, uint8_t ret[TASK_SALT]);
bool held_due(const struct wtask *t);
void held_commit(struct brain *b, struct wtask *t);
void held_forget(struct brain *b, struct wtask *t);
enum vl_err held_restore(struct brain *b, const struct record *r);
void worker_reveal(struct brain *b, struct vl_span bytes);
/* On the coordinator, at start: asking itself is not in any outbox. */
void held_start(struct brain *b);

/* ---- verify.c: whose results are believed, on the coordinator ---- */
enum vl_err verify_create(struct brain *b);
void verify_destroy(struct brain *b);
enum vl_err verify_restore(struct brain *b, const struct record *r);
/* A verdict changes the node's account, with this step's commit. */
void verify_verdict(struct brain *b, const struct job_effect *e);
void verify_account(struct brain *b, const struct job_effect *e);
/* What is to be done now that this result is in; to be part of the event.  False: the book will refuse it. */
bool verify_ruling(struct brain *b, struct vl_node_id node, const struct task_report *report, struct job_ruling *ret);
/* After a ruling that wants a referee. */
void verify_referee(struct brain *b, const struct task_report *r);
void verify_reveal(struct brain *b, const struct job_effect *e);
/* Its results were compared with others' and right, lately: class S may go there. */
bool verify_audited(const struct brain *b, struct vl_node_id node);
void coordinator_commit(struct brain *b, struct vl_node_id node, struct vl_span body);
/* ---- quorum.c: promises of availability, on the coordinator ---- */
enum vl_err quorum_create(struct brain *b);
void quorum_destroy(struct brain *b);
enum vl_err quorum_restore_agreement(struct brain *b, const struct record *r);
enum vl_err quorum_restore_uptime(struct brain *b, const struct record *r);
void quorum_start(struct brain *b);
void quorum_tick(struct brain *b);
vl_ms quorum_deadline(const struct brain *b);
/* Before a job is taken: replicas and class of a spec with a tier become what the tier needs.  VL_EUNSUPPORTED: cannot
 * be honoured, with the reason; VL_ELIMIT, VL_ENOMEM.  Without a tier: VL_OK, and nothing changes. */
enum vl_err quorum_admit(struct brain *b, struct job_spec *spec, struct brain_quorum *ret, struct vl_errmsg *why);
/* In the step that took it, with what quorum_admit() found. */
void quorum_open(struct brain *b, struct vl_job_id id, const struct job_spec *spec, const struct brain_quorum *q);
/* Keeps a task to the nodes of its job's agreement, as long as one of them is free of it. */
void quorum_only(const struct brain *b, struct sched_task *t);
/* A new look at the room that nodes have: before a page of tasks goes through quorum_only(). */
void quorum_page(struct brain *b);
/* Free slots of a node that takes tasks now, as placing last saw it. */
uint32_t placing_room(const struct brain *b, struct vl_node_id node);
/* The registry's word on a node may differ; its record is written. */
void quorum_node(struct brain *b, struct vl_node_id node);
void quorum_node_save(struct brain *b, struct vl_node_id node);
/* What is known of a node's presence goes to its next key. */
void quorum_renamed(struct brain *b, struct vl_node_id old, struct vl_node_id node);
void quorum_job_ended(struct brain *b, struct vl_job_id id);
void quorum_job_forgotten(struct brain *b, struct vl_job_id id);
/* Lower bound of the node's availability, ppb (fog/uptime.h): the one measure of it. */
uint32_t quorum_lower_ppb(const struct brain *b, struct vl_node_id node);
/* ---- trade.c, trade_bid.c: the market (FOG-15) ---- */
enum vl_err trade_create(struct brain *b);
void trade_destroy(struct brain *b);
enum vl_err trade_restore(struct brain *b, const struct record *r);
void trade_start(struct brain *b);
void trade_tick(struct brain *b);
vl_ms trade_deadline(const struct brain *b);
/* One of MSG_MARKET_* from a member or the coordinator. */
void trade_message(struct brain *b, struct vl_node_id from, enum brain_message type, struct vl_span bytes);
/* The job book took this event: a new job gets its quote; an end settles what was bought for it. */
void trade_job_submitted(struct brain *b, struct vl_job_id job, const struct job_spec *spec);
void trade_job_ended(struct brain *b, struct vl_job_id job, enum job_state state);
void trade_verdict(struct brain *b, const struct job_effect *e);
/* The node is gone: with it whatever it had won. */
void trade_node_lost(struct brain *b, struct vl_node_id node);
/* Places the tasks of jobs whose auction has cleared on its winners, and nowhere else. */
void trade_place(struct brain *b);
/* What an hour of one slot of that node is sold for at present, micro-credits. */
uint64_t market_price(const struct brain *b, struct vl_node_id node);
/* Whether that task is placed by the market or measures a node: others must leave it alone. */
bool market_holds(const struct brain *b, const struct sched_task *t);

/* ---- bench.c: measured rates, on the coordinator ---- */
enum vl_err bench_create(struct brain *b);
void bench_destroy(struct brain *b);
enum vl_err bench_restore(struct brain *b, const struct record *r);
void bench_start(struct brain *b);
void bench_tick(struct brain *b);
vl_ms bench_deadline(const struct brain *b);
/* A report was taken; one of a measurement's tasks is noted. */
void bench_report(struct brain *b, struct vl_node_id node, const struct task_report *r);
bool bench_owns(const struct brain *b, struct vl_job_id job);
/* True while the node is measured: nothing else goes there. */
bool bench_on(const struct brain *b, struct vl_node_id node);
/* Measured speed of a slot, 1000: the village's median; 0: unknown. */
uint32_t rate_of(const struct brain *b, struct vl_node_id node);
/* nH an hour of one slot of that node; of nodes not measured the median, or a cautious guess where none is. */
uint64_t bench_rate(const struct brain *b, struct vl_node_id node);
uint64_t bench_median(const struct brain *b);
/* Slots that may be filled: the claimed ones, or those that were found to be there. */
uint32_t bench_slots(const struct brain *b, struct vl_node_id node, uint32_t claimed);

/* ---- attest.c: where members run, by evidence ---- */
enum vl_err attest_create(struct brain *b);
void attest_destroy(struct brain *b);
enum vl_err attest_restore(struct brain *b, const struct record *r);
void attest_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body);
void attest_member_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body);
void attest_told(struct brain *b, struct vl_span bytes);
/* These: on the coordinator.  Level now, thousandths; 300: nothing is proven. */
uint32_t attest_level_of(const struct brain *b, struct vl_node_id node);
uint32_t attest_barred(const struct brain *b, struct vl_node_id node); /* bit c: the policy gives it no tasks of class c */
bool attest_admitted(const struct brain *b, struct vl_node_id node);   /* at least the policy's `admit` */
void attest_start(struct brain *b);
void attest_tick(struct brain *b);
vl_ms attest_deadline(const struct brain *b);
void attest_peer_up(struct brain *b, const struct peer *p);
void attest_gone(struct brain *b, struct vl_node_id node); /* it was expelled */

/* ---- standing.c: reputation, on the coordinator ---- */
struct standing {
    uint32_t trust_milli; /* lower bound, rounded down: 0..1000 */
    uint32_t doubt_milli; /* uncertainty, rounded up */
    uint32_t error_ppm;   /* upper 95 % bound of its rate of wrong results */
    bool flagged;         /* its results want to be checked */
    bool trusted;
};
enum vl_err standing_create(struct brain *b);
void standing_destroy(struct brain *b);
enum vl_err standing_restore(struct brain *b, const struct record *r);
/* A newcomer's when nothing is known of it. */
struct standing standing_of(const struct brain *b, struct vl_node_id node);
/* For the directory of mixes: the smallest expectation of all its promises, presence too; 500: nothing known. */
uint32_t standing_mix_milli(const struct brain *b, struct vl_node_id node);
/* A verdict of the job book becomes evidence, with this step's commit. */
void standing_verdict(struct brain *b, const struct job_effect *e);
/* A report is about to be taken: evidence when its receipt claims more work than can have been. */
void standing_metered(struct brain *b, struct vl_node_id node, const struct task_report *r);
/* A node is no member any more.  What is known of its key stays: a new ticket does not wash it off. */
void standing_gone(struct brain *b, struct vl_node_id node);
const struct reputation *standing_book(const struct brain *b); /* NULL: not the coordinator */
/* Presence, metered by the registry's own account once in a period. */
void standing_tick(struct brain *b);
vl_ms standing_deadline(const struct brain *b);

/* ---- view.c: rows that the API reads ---- */
/* From the job book; spans borrow from it.  False: no such job or task. */
bool view_job_row(const struct brain *b, struct vl_job_id id, struct job_row *ret);
bool view_task_row(const struct brain *b, struct vl_job_id id, uint32_t task, struct task_row *ret);
void view_job_put(struct brain *b, struct vl_job_id id, const struct job_row *row);
void view_task_put(struct brain *b, struct vl_job_id id, uint32_t task, const struct task_row *row);
/* The same as they stand in the job book. */
void view_job(struct brain *b, struct vl_job_id id);
void view_task(struct brain *b, struct vl_job_id id, uint32_t task);
/* A line of a job's history; task UINT32_MAX: the job; node all zero: none. */
void view_history(struct brain *b, struct vl_job_id id, const char *kind, const char *detail, uint32_t task,
                  struct vl_node_id node);

/* ---- remote_data.c, remote.c, remote_in.c: jobs submitted at members (decision 16) ---- */
enum vl_err remote_create(struct brain *b);
void remote_destroy(struct brain *b);
enum vl_err remote_restore(struct brain *b, const struct record *r);
void remote_start(struct brain *b);
void remote_tick(struct brain *b);
vl_ms remote_deadline(const struct brain *b);
/* One of MSG_SUBMIT .. MSG_CANCEL from a member or the coordinator, at the level it came with. */
void remote_message(struct brain *b, struct vl_node_id from, enum mix_level level, enum brain_message type,
                    struct vl_span bytes);
/* One of these was acknowledged, or given up. */
void remote_posted(struct brain *b, struct vl_msg_id id);
/* Answers to effects.  remote_read(): false when req is not one of ours. */
bool remote_read(struct brain *b, uint64_t req, enum vl_err err, uint64_t size, struct vl_span bytes);
void remote_found(struct brain *b, struct vl_hash hash, bool complete, uint64_t size);
/* On a member: submit, cancel; the step and the reply are the caller's.  Errors of brain_submit_job(). */
enum vl_err remote_submit(struct brain *b, struct vl_job_id id, const struct job_spec *spec, struct vl_span encoded,
                          uint64_t program_size, struct vl_errmsg *why);
enum vl_err remote_cancel(struct brain *b, struct vl_job_id id, struct vl_errmsg *why);
/* On the coordinator: a job differs or is gone; a member is gone. */
void remote_in_changed(struct brain *b, struct vl_job_id job);
void remote_in_forgotten(struct brain *b, struct vl_job_id job);
void remote_in_expelled(struct brain *b, struct vl_node_id node);
void remote_in_renamed(struct brain *b, struct vl_node_id old, struct vl_node_id node); /* its jobs are those of its next key */

/* ---- load.c: overload, at the coordinator; all but the last two are no-ops elsewhere ---- */
enum vl_err load_create(struct brain *b);
void load_destroy(struct brain *b);
/* The batch b->seq goes to the disk; those above `before` and up to b->durable have arrived there. */
void load_committing(struct brain *b, size_t bytes);
void load_committed(struct brain *b, uint64_t before);
/* A tick at `now` that was due at `due`, before the step begins. */
void load_tick(struct brain *b, vl_ms now, vl_ms due);
/* May more be placed, or has the disk enough to do?  Asked again when something is durable. */
bool load_may_place(struct brain *b);
void load_look(struct brain *b); /* at b->load_at, and after each step */
/* VL_OK, or VL_EOVERLOAD with a sentence for people and how long to stay away. */
VL_MUST_CHECK enum vl_err load_admit(struct brain *b, enum sla_class class, struct vl_errmsg *why, uint64_t *ret_retry_ms);

/* ---- conduct.c: what reports say of a node, and what of that survives a restart ---- */
/* Memory that the task of a report may use by its job; 0: not known. */
uint64_t conduct_limit(const struct brain *b, const struct task_report *r);
/* held: what the node had before the report, this task among it. */
void conduct(struct brain *b, struct vl_node_id node, const struct task_report *r, const struct sched_load *held, uint64_t limit);
void conduct_put(struct brain *b, struct vl_node_id node);
enum vl_err conduct_restore(struct brain *b, const struct record *r);

/* ---- topo.c: draws of an epoch, and challenges of availability ---- */
enum vl_err topo_create(struct brain *b);
void topo_destroy(struct brain *b);
enum vl_err topo_restore(struct brain *b, const struct record *r);
void topo_start(struct brain *b);
void topo_tick(struct brain *b);
vl_ms topo_deadline(const struct brain *b);
void topo_peer_up(struct brain *b, struct peer *p);
void topo_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body);
/* Answers to effects: false when req is not one of ours. */
bool topo_blob_read(struct brain *b, uint64_t req, enum vl_err err, uint64_t size, struct vl_span bytes);

/* ---- coordinator.c, coordinator_members.c ---- */
/* Rows of the jobs that changed in this step, each once. */
void coordinator_views(struct brain *b);
enum vl_err coordinator_create(struct brain *b);
void coordinator_destroy(struct brain *b);
enum vl_err coordinator_restore(struct brain *b, const struct record *r);
void coordinator_start(struct brain *b);
void coordinator_peer_up(struct brain *b, const struct peer *p);
void coordinator_peer_down(struct brain *b, struct vl_node_id node);
/* A membership event with its records; the certificate it gave.  Errors of membership_step(). */
enum vl_err coordinator_member(struct brain *b, const struct membership_event *ev, struct cert *ret_cert);
enum vl_err coordinator_expel(struct brain *b, struct vl_node_id node);
void coordinator_join(struct brain *b, const struct peer *p, struct vl_span body);
void coordinator_heartbeat(struct brain *b, struct vl_node_id node, const struct heartbeat *h);
void coordinator_status(struct brain *b, struct vl_node_id node, struct vl_span body);
void coordinator_report(struct brain *b, struct vl_node_id node, struct vl_span body);
void coordinator_registry(struct brain *b, const struct registry_event *ev);
enum vl_err coordinator_job(struct brain *b, const struct job_event *ev);
void coordinator_tick(struct brain *b);
void coordinator_snapshot(struct brain *b);
vl_ms coordinator_deadline(const struct brain *b);

#endif
