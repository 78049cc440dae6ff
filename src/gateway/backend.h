/* backend.h - all that the gateway asks of the node behind it, as one table of operations.
 * The gateway owns no state of the village: it reads views and starts commands here, and tells subscribers what
 * gateway.h's publish functions hand it. Two implementations exist (the node, an embedded library); tests bring a third
 * that keeps its jobs in memory. Everything runs on the gateway's loop thread.
 *
 * Reads are synchronous and cheap (memory, or one indexed row). Commands whose effect must be on disk before the answer
 * leaves are asynchronous: the operation returns VL_OK and calls `done` exactly once, on the loop thread, possibly
 * before it returns; or it returns an error and never calls `done`. Strings and spans in views are borrowed by the
 * sink for the length of the call; spans given to an operation are borrowed for the length of that operation.
 *
 * Errors that reach people: VL_ENOTFOUND 404, VL_EEXISTS VL_ESTATE VL_ESTALE VL_EBUSY 409, VL_ERANGE VL_EPARSE
 * VL_EUNSUPPORTED 422, VL_EDENIED 403, VL_EOVERLOAD 429, VL_ENOSPC 507, VL_ELIMIT VL_ENOMEM VL_EAGAIN VL_ETIMEOUT 503 with Retry-After,
 * the rest 500. */
#ifndef VL_GATEWAY_BACKEND_H
#define VL_GATEWAY_BACKEND_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "crypto/merkle.h"
#include "wire/terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct brain_topology; /* brain/brain.h */
struct sla_counters;   /* trust/sla.h */
struct market; /* fog/market.h */
struct market_order;
struct price_series; /* fog/price.h */
struct price_quote;
struct evidence;         /* trust/evidence.h */
struct reputation_score; /* trust/reputation.h, these two */
struct reputation_state;
struct job_spec; /* wire/job.h: the one definition of what a person may submit */
struct plan_record; /* fog/plan_record.h */
struct sched_why;   /* fog/sched.h */
struct succession;  /* wire/succession.h */

/* ---- views: what a read hands to its sink ---- */

enum view_node_state { VIEW_NODE_ACTIVE = 0, VIEW_NODE_IDLE, VIEW_NODE_BUSY, VIEW_NODE_OFFLINE, VIEW_NODE_MAINTENANCE };
#define VIEW_NODE_STATES 5

#define VIEW_FEATURE_WASM 1u
#define VIEW_FEATURE_NATIVE 2u

struct view_node {
    struct vl_node_id id;
    const char *name, *kind, *addr, *region; /* "" when unknown; kind such as "compute_node" */
    const char (*labels)[LABEL_MAX];         /* DOMAINS of them, in the order of enum domain; NULL: none known */
    uint64_t cost, ask;                      /* micro-credits: an hour of a slot costs its owner; asked for an H200-hour */
    const char *harvest;                     /* NULL: not harvested; else "ready", "throttled", "paused", "away" */
    enum view_node_state state;
    bool self;
    uint32_t cpus, free_slots, running;
    uint32_t load_milli; /* 1000 = every CPU busy */
    uint64_t memory_bytes, disk_bytes;
    vl_ms joined_ms, seen_ms;
    uint64_t done, failed; /* tasks, since it joined */
    uint32_t features;     /* VIEW_FEATURE_* */
    bool rated;            /* its reputation is known here */
    uint32_t trust_milli, doubt_milli;
    bool flagged;
    bool attest_known;     /* where it runs is known here, as the next ones */
    uint32_t attest_milli; /* level of its evidence now, 0..1000 */
    bool quarantined;      /* below what the policy admits */
    const char *attest_why;
};

/* Trusted execution of this node, and what the village found of it. */
#define VIEW_TEE_PROVIDERS 8u
#define VIEW_TEE_CONTEXTS 16u
struct view_tee_context {
    uint64_t id;
    const char *provider, *kind;
    bool measured, has_job, has_program;
    struct vl_job_id job;
    uint8_t program[32];
    vl_ms created_ms, attested_ms;
    uint32_t create_us, attested;
};
struct view_tee {
    struct {
        const char *name, *what, *kind, *why;
        bool present, denied;
    } provider[VIEW_TEE_PROVIDERS];
    uint32_t providers_n, contexts_n;
    struct view_tee_context context[VIEW_TEE_CONTEXTS];
    bool known, quarantined; /* known: there is a result */
    uint32_t level, found, admit;
    const char *barred[3]; /* classes; NULL behind the last */
    vl_ms when_ms, until_ms;
    uint64_t number;
    const char *why;
};
struct view_tee_made {
    struct view_tee_context context;
    const char *evidence; /* armoured, evidence_n bytes */
    size_t evidence_n;
    uint64_t took_us;
    uint32_t level;
    bool accepted;
    const char *reason;
};
struct backend_tee_wish {
    const char *provider; /* NULL: the best one */
    struct vl_job_id job; /* zeros: none */
    struct vl_hash module;
    const char *config;
    uint8_t nonce[32];
    bool has_nonce; /* else a random one */
};
/* What was found of a node, as it is kept; texts are armoured files, borrowed. */
struct view_attestation {
    const char *result, *evidence[4], *policy; /* policy: as the verifier had it; "" when none, or not kept here */
    size_t result_n, evidence_n[4], policy_n;
    unsigned n;
    struct vl_hash id;
};
typedef void (*view_attestation_fn)(void *arg, const struct view_attestation *v);
typedef void (*backend_tee_fn)(void *arg, enum vl_err err, const char *detail, const struct view_tee *v);
typedef void (*backend_tee_made_fn)(void *arg, enum vl_err err, const char *detail, const struct view_tee_made *v);

struct view_reputation {
    struct vl_node_id id;
    const char *name; /* "": no member any more */
    const struct reputation_score *score;
    uint32_t base_milli;
    const struct reputation_state *state; /* NULL: in lists, and of a node of which nothing is known */
};

enum view_job_state {
    VIEW_JOB_SUBMITTED = 0,
    VIEW_JOB_PRICED,
    VIEW_JOB_PLACED,
    VIEW_JOB_RUNNING,
    VIEW_JOB_VERIFYING,
    VIEW_JOB_DONE,
    VIEW_JOB_FAILED,
    VIEW_JOB_CANCELLED,
    VIEW_JOB_EXPIRED,
};
#define VIEW_JOB_STATES 9

struct view_error {
    const char *code, *detail; /* code NULL: no error */
};

struct view_job {
    struct vl_job_id id;
    const char *name; /* "" when the submitter gave none */
    const char *kind; /* "wasm" or "native" */
    const char *priority;
    enum view_job_state state;
    uint32_t total, waiting, running, done, failed; /* tasks */
    uint32_t replicas;
    uint32_t attempts;                        /* task attempts begun so far, all tasks together */
    vl_ms submitted_ms, started_ms, ended_ms; /* 0: not yet */
    struct view_error error;
    const char *waits; /* what its tasks wait for; NULL: nothing */
};

enum view_task_state {
    VIEW_TASK_WAITING = 0,
    VIEW_TASK_PLACED,
    VIEW_TASK_RUNNING,
    VIEW_TASK_DONE,
    VIEW_TASK_FAILED,
    VIEW_TASK_CANCELLED,
};

struct view_output {
    uint32_t task;
    const char *name;
    struct vl_hash hash;
    uint64_t size;
};

struct view_receipt {
    const uint8_t *signature; /* 64 bytes of Ed25519; NULL: no receipt */
    struct vl_node_id signer;
    vl_ms signed_ms;
};

struct view_task {
    uint32_t index;
    enum view_task_state state;
    bool has_node;
    struct vl_node_id node;
    uint32_t attempt;
    uint64_t epoch, batch; /* batch: see explain; 0: unknown */
    bool has_exit_code;
    int32_t exit_code;
    vl_ms started_ms, ended_ms; /* 0: not yet */
    uint64_t cpu_us, peak_bytes;
    struct view_error error;
    const char *input; /* NULL: the task has none or several */
    const struct view_output *outputs;
    size_t outputs_n;
    struct view_receipt receipt;
};

struct view_event {
    uint64_t seq; /* grows within the job */
    vl_ms at_ms;
    const char *kind;   /* such as "job_submitted", "task_placed" */
    const char *detail; /* "" when there is none */
    bool has_task, has_node;
    uint32_t task;
    struct vl_node_id node;
};

struct view_link {
    struct vl_node_id a, b;
};

struct view_topology {
    vl_ms at_ms;
    uint32_t nodes, active, offline;
    const struct view_link *links;
    size_t links_n;
};

struct view_ticket {
    const char *id;
    uint32_t uses, used;
    vl_ms created_ms, expires_ms;
    bool revoked;
};

struct view_library {
    const char *name, *version;
};

struct view_info {
    const char *version, *village_id, *name, *role, *addr;
    struct vl_node_id node_id;
    vl_ms started_ms;
    uint32_t cpus;
    uint64_t memory_bytes, rss_bytes;
    const struct view_library *libraries; /* those of the node; the gateway adds its own */
    size_t libraries_n;
};

struct view_keys {
    struct vl_node_id node;
    bool sealed, due, rotating, replaceable;
    const char *with; /* "nothing", "passphrase", "tpm", "token" */
    vl_ms since_ms;
    uint64_t age_ms;
};

enum view_metric_type { VIEW_COUNTER = 0, VIEW_GAUGE = 1 };

/* One sample for /v1/system/metrics. Samples of one name must come one after another. */
struct view_metric {
    const char *name; /* Prometheus rules: base units, `_total` on counters */
    const char *help;
    enum view_metric_type type;
    const char *label, *label_value; /* NULL: no label */
    double value;
};

/* This machine as its owner lends it (docs/fog.md). */
#define VIEW_SIGNALS_MAX 16u
#define VIEW_POLICY_MAX 48u
struct view_signal {
    const char *name, *unit;
    bool known;
    int64_t value;
};
struct view_policy {
    const char *name, *help;
    char value[16];
};
struct view_contribution {
    struct vl_node_id node;
    vl_ms start_ms, end_ms;
    bool open;
    uint64_t cpu_us, believed_cpu_us, receipts_cpu_us, gpu_us, memory_byte_s, storage_bytes, network_bytes, frozen_ms, throttled_ms;
    uint32_t receipts, done, failed, handed_back;
};
struct view_harvest {
    bool harvested; /* false: nothing else is set */
    const char *state, *rule, *says;
    vl_ms since_ms, read_ms, cooldown_until_ms, pause_until_ms; /* 0: none; pause: VL_MS_NEVER until resumed */
    bool rule_known;
    int64_t rule_value, rule_limit;
    char reason[128];
    uint32_t cap_milli, memory_percent, running;
    uint64_t bandwidth_bps;
    uint32_t signals_n, policy_n;
    struct view_signal signals[VIEW_SIGNALS_MAX];
    struct view_policy policy[VIEW_POLICY_MAX];
    bool in_session;
    struct view_contribution session;
};
typedef void (*view_contribution_fn)(void *arg, const struct view_contribution *v);

/* A node's measured speed (fog/rate.h). */
struct view_rate {
    struct vl_node_id id;
    const char *name;
    bool known, running;
    vl_ms due_ms;         /* VL_MS_NEVER: this build cannot measure */
    const char *verdict;  /* when known: "good", "oversold", "false" */
    uint64_t rate;        /* nH an hour of one slot; 0: unknown */
    uint32_t rate_milli;  /* of the village's median; 0: unknown */
    uint64_t hour_price;  /* of one slot, micro-credits */
    uint32_t slots_claimed, slots_measured, cpus_claimed, wide;
    uint64_t alone_ms, wide_ms;
    vl_ms measured_ms;
    const uint8_t *signature; /* of the record, 64 bytes */
};
typedef void (*view_rate_fn)(void *arg, const struct view_rate *v);

/* Micro-credits since the village began: held = released + paid + slashed + now. */
struct view_sums {
    uint64_t held, released, paid, slashed, treasury, now;
};

/* The private network as this node sees it (docs/mixnet.md). */
#define VIEW_LEVELS 4u
#define VIEW_DROPS_MAX 24u
struct view_level {
    const char *name;
    bool available;
    uint32_t mean_delay_ms; /* of a hop, when available */
    char reason[192];       /* when not */
};
struct view_mix {
    bool charter, relay, authority; /* there is one; this node is one */
    uint64_t epoch;
    uint32_t epoch_ms, authorities, threshold;
    vl_ms epoch_ends_ms, valid_until_ms; /* valid_until 0: no consensus */
    uint64_t consensus_epoch;
    uint32_t relays, clients;
    bool has_provider;
    struct vl_node_id provider;
    struct view_level levels[VIEW_LEVELS];
    uint64_t slots, filled, loops, loops_back, loops_lost;
    uint32_t loss_permille, delay_p50_ms, delay_p95_ms;
    uint64_t messages_out, messages_in, messages_failed, fragments, retransmitted;
    uint64_t received, made, forwarded, delivered; /* packets, of the relay */
    uint32_t queued, rate;
    uint64_t replay_entries, replay_capacity;
    struct {
        const char *reason;
        uint64_t n;
    } drops[VIEW_DROPS_MAX];
    uint32_t drops_n;
    uint64_t audited, early, late, unproven;                   /* own loops whose delays were checked */
    uint64_t votes, consensuses, failed_epochs, equivocations; /* of the authority */
};
struct view_relay {
    uint32_t number;
    struct vl_node_id id;
    const char *addr;
    bool self;
    uint32_t layer, bandwidth, rate, mean_delay_ms, reputation;
};
struct backend_charter {
    const struct vl_node_id *authorities;
    uint32_t n, threshold; /* threshold 0: more than half */
    uint32_t epoch_ms;     /* 0: the default */
    uint32_t floor;        /* packets that should wait at each relay; 0: the default */
};

/* Promises of availability (docs/fog.md).  Shares and availabilities in parts of a billion, money in micro-credits. */
#define VIEW_QUORUM_NODES 64u
struct view_quorum {
    bool possible, majority;
    uint32_t promised_ppb, computed_ppb; /* what the tier asks for; what these nodes give, or the best there is */
    const char *decided_by;              /* kind of failure domain; "" when there are no nodes */
    uint32_t domains, candidates;        /* different ones among the nodes; nodes that fit the job */
    uint64_t price;                      /* of an hour of all together */
    char reason[200];                    /* when it is not possible */
    uint32_t n, groups; /* n / groups nodes each, one group after another */
    struct {
        struct vl_node_id id;
        uint32_t availability_ppb;
        uint64_t price;
    } nodes[VIEW_QUORUM_NODES];
};
struct view_agreement {
    struct vl_job_id job;
    const char *tier;
    bool open, majority, breach;
    uint32_t promised_ppb, computed_ppb, measured_ppb, share_ppb;
    vl_ms start_ms, end_ms; /* end 0: open */
    uint64_t up_ms, down_ms, blind_ms, allowed_ms;
    uint32_t outages;
    uint64_t price, refund; /* once it has ended */
    uint32_t n, groups; /* as above */
    struct {
        struct vl_node_id id;
        bool up;
    } nodes[VIEW_QUORUM_NODES];
};

/* Heads of the log of receipts on a chain (docs/trust.md).  Texts are static, or borrowed for the call. */
struct view_anchor {
    bool on; /* false: only log_size is filled in */
    const char *state;   /* "nothing yet", "waits", "sent", "in a block", "anchored" */
    char problem[256];   /* "": none now */
    const char *server;
    char contract[43], account[43];
    uint64_t chain, log_size;
    uint32_t confirmations;
    vl_ms every_ms;
    uint64_t size, block;                  /* of the newest head that is deep enough; 0: none */
    uint64_t pending_size, pending_block, nonce, fee; /* of the one on its way; 0: none; fee: wei per gas, the last offered */
    uint32_t tries;
    uint64_t reorgs, anchored, sent, failures; /* the last three since start */
};

/* ---- sinks: called once for each item, inside the read ---- */

typedef void (*view_node_fn)(void *arg, const struct view_node *v);
typedef void (*view_job_fn)(void *arg, const struct view_job *v);
typedef void (*view_task_fn)(void *arg, const struct view_task *v);
typedef void (*view_event_fn)(void *arg, const struct view_event *v);
typedef void (*view_output_fn)(void *arg, const struct view_output *v);
typedef void (*view_topology_fn)(void *arg, const struct view_topology *v);
typedef void (*view_ticket_fn)(void *arg, const struct view_ticket *v);
typedef void (*view_metric_fn)(void *arg, const struct view_metric *v);
typedef void (*view_spec_fn)(void *arg, const struct job_spec *v);
typedef void (*view_reputation_fn)(void *arg, const struct view_reputation *v);
typedef void (*view_evidence_fn)(void *arg, const struct evidence *v);
/* tasks: how many of the job wait; why: how many nodes each reason stops, for the first of them. */
typedef void (*view_wait_fn)(void *arg, uint32_t tasks, const struct sched_why *why);
/* tasks: of this job in that batch. */
typedef void (*view_plan_fn)(void *arg, const struct plan_record *v, uint32_t tasks);
typedef void (*view_relay_fn)(void *arg, const struct view_relay *v);
typedef void (*view_agreement_fn)(void *arg, const struct view_agreement *v);

/* ---- commands ---- */

/* `err` is VL_OK or why not; `detail` is a sentence for people or NULL, borrowed. */
typedef void (*backend_auction_fn)(void *arg, enum vl_err err, const char *detail, struct vl_hash auction);
typedef void (*backend_done_fn)(void *arg, enum vl_err err, const char *detail);
typedef void (*backend_bytes_fn)(void *arg, enum vl_err err, const char *detail, struct vl_span bytes); /* bytes: borrowed */
/* The log of receipts: its head, and what was asked for.  Borrowed for the call. */
/* ANCHOR: the leaf `index` in the first head with it that is on a chain; UINT64_MAX: the newest such head alone. */
enum backend_log_kind { BACKEND_LOG_HEAD, BACKEND_LOG_LEAF, BACKEND_LOG_CONSISTENCY, BACKEND_LOG_ANCHOR };
struct backend_log_query {
    enum backend_log_kind kind;
    uint64_t index;         /* LEAF, ANCHOR */
    uint64_t first, second; /* CONSISTENCY: sizes, 1 <= first <= second */
};
struct view_log {
    uint64_t size, index;
    struct vl_hash root;
    vl_ms time_ms;
    struct vl_node_id signer;
    char text[MERKLE_CHECKPOINT_MAX]; /* the signed head */
    struct vl_span leaf;              /* LEAF, ANCHOR: an encoded receipt */
    struct vl_span artefact;          /* ANCHOR: trust/anchor_artefact.h */
    uint32_t proof_n;
    struct vl_hash proof[MERKLE_PROOF_MAX + 1];
};
typedef void (*backend_log_fn)(void *arg, enum vl_err err, const char *detail, const struct view_log *v);
/* Artefacts (trust/verify.h). */
enum backend_proof_kind {
    BACKEND_PROOF_EXECUTION,
    BACKEND_PROOF_CERTIFICATE,
    BACKEND_PROOF_CONTRADICTION,
    BACKEND_PROOF_CONSISTENCY,
    BACKEND_PROOF_CHECKPOINT,
    BACKEND_PROOF_NEIGHBOURS,   /* of this node */
    BACKEND_PROOF_AVAILABILITY, /* of node in the last epoch */
};
struct backend_proof_query {
    enum backend_proof_kind kind;
    struct vl_job_id job; /* EXECUTION; epoch 0: the last run that has a receipt */
    uint32_t task;
    uint64_t epoch;
    struct vl_node_id node; /* CERTIFICATE, AVAILABILITY */
    uint64_t first, second; /* CONTRADICTION: leaves */
    struct vl_span older;   /* CONSISTENCY: text of a head */
};
struct view_proof {
    const char *label;    /* of the armour; NULL: it is text as it is */
    struct vl_span bytes; /* borrowed for the call */
    uint64_t witnesses;
};
/* VL_ENOTFOUND with what is not there; VL_EUNSUPPORTED: not at the coordinator; VL_ERANGE; VL_EAGAIN. */
typedef void (*backend_proof_fn)(void *arg, enum vl_err err, const char *detail, const struct view_proof *v);
/* run: names task and epoch for `after_run`. */
typedef void (*view_receipt_fn)(void *arg, uint64_t run, uint32_t task, uint64_t epoch, uint64_t index);

/* As above; `text` is the whole secret ticket "vl1...", shown this once; NULL on error. */
typedef void (*backend_ticket_fn)(void *arg, enum vl_err err, const char *detail, const struct view_ticket *v,
                                  const char *text);

typedef void (*backend_ping_fn)(void *arg, enum vl_err err, const char *detail, uint32_t rtt_ms);

#define BACKEND_ANSWER_MAX 4096u /* bytes of a stored answer; a job summary is about 600 */

/* The answer to keep for a request that carried an Idempotency-Key. `key` names the request and the key in it,
 * `request` the body. `answer` is sealed under the client's key, so the stored bytes disclose nothing. */
struct backend_answer {
    struct vl_hash key, request;
    uint8_t answer[BACKEND_ANSWER_MAX];
    uint32_t answer_n;
    vl_ms expires_ms; /* forget it then */
};

struct backend_ops {
    /* -- reads -- */
    bool (*healthy)(void *self); /* on every health request: a flag, not an inquiry */
    void (*info)(void *self, struct view_info *ret);
    void (*metrics)(void *self, view_metric_fn sink, void *arg);

    /* Nodes in order of id, those after *after (NULL: from the start); state < 0: every state; at most max. */
    void (*nodes)(void *self, int state, const struct vl_node_id *after, uint32_t max, view_node_fn sink, void *arg);
    enum vl_err (*node)(void *self, struct vl_node_id id, view_node_fn sink, void *arg); /* VL_ENOTFOUND */
    /* Of members in order of id, as nodes() above.  Nothing where no reputations are kept: beside the coordinator. */
    void (*reputations)(void *self, const struct vl_node_id *after, uint32_t max, view_reputation_fn sink, void *arg);
    /* `head` once, then its pieces with seq > after that are kept one by one.  VL_ENOTFOUND; VL_EUNSUPPORTED: none are
     * kept here. */
    enum vl_err (*reputation)(void *self, struct vl_node_id id, uint64_t after, uint32_t max, view_reputation_fn head,
                              view_evidence_fn sink, void *arg);
    /* Oldest first, the last 100. */
    void (*topology)(void *self, view_topology_fn sink, void *arg);

    /* Jobs newest first (falling id), those before *before (NULL: from the newest); state < 0: every state. */
    void (*jobs)(void *self, int state, const struct vl_job_id *before, uint32_t max, view_job_fn sink, void *arg);
    /* VL_ENOTFOUND; `spec` may be NULL when the caller needs the summary only. */
    enum vl_err (*job)(void *self, struct vl_job_id id, view_job_fn sink, view_spec_fn spec, void *arg);
    /* Tasks first, first+1, ... at most max.  VL_ENOTFOUND: no such job. */
    enum vl_err (*tasks)(void *self, struct vl_job_id id, uint32_t first, uint32_t max, view_task_fn sink, void *arg);
    /* Events with seq > after.  VL_ENOTFOUND. */
    enum vl_err (*events)(void *self, struct vl_job_id id, uint64_t after, uint32_t max, view_event_fn sink, void *arg);
    /* Every output of the job's finished tasks in task order, at most max.  VL_ENOTFOUND. */
    enum vl_err (*outputs)(void *self, struct vl_job_id id, uint32_t max, view_output_fn sink, void *arg);
    /* The blobs that make up the job's result in order: stdout of the merge task, else of each task.
     * VL_ENOTFOUND: no such job.  VL_ESTATE: it is not done. */
    enum vl_err (*result)(void *self, struct vl_job_id id, view_output_fn sink, void *arg);

    /* The market (fog/market.h, fog/price.h); both NULL when this is not the coordinator. */
    const struct market *(*market)(void *self, struct view_sums *ret);
    const struct price_series *(*prices)(void *self, enum sla_tier tier);
    /* work: nH, or when 0 what slot_ms of one slot of median speed are.  VL_EUNSUPPORTED, VL_ERANGE. */
    enum vl_err (*quote)(void *self, enum sla_tier tier, uint64_t work, uint64_t slot_ms, struct price_quote *ret);
    void (*rates)(void *self, view_rate_fn sink, void *arg); /* nothing when this is not the coordinator */
    /* Why its tasks are where they are, and why others wait: `wait` at most once, then the newest batches that are still
     * kept, at most max, newest first.  VL_ENOTFOUND. */
    enum vl_err (*explain)(void *self, struct vl_job_id id, uint32_t max, view_wait_fn wait, view_plan_fn plan, void *arg);
    /* What a job with a tier would get, or why not.  VL_EUNSUPPORTED: only the coordinator knows. */
    enum vl_err (*quorum_check)(void *self, const struct job_spec *spec, struct view_quorum *ret);
    /* Falling by job id, as jobs. */
    void (*agreements)(void *self, const struct vl_job_id *before, uint32_t max, view_agreement_fn sink, void *arg);
    enum vl_err (*agreement)(void *self, struct vl_job_id job, view_agreement_fn sink, void *arg); /* VL_ENOTFOUND */

    void (*mix)(void *self, struct view_mix *ret);
    void (*relays)(void *self, view_relay_fn sink, void *arg); /* of the consensus in force, by number */

    void (*harvest)(void *self, struct view_harvest *ret);
    /* Sessions by node and start, past `after` (NULL: from the first): open ones of a node come with the same start once they are closed. */
    void (*contributions)(void *self, const struct vl_node_id *after, vl_ms after_start, uint32_t max, view_contribution_fn sink, void *arg);

    void (*tickets)(void *self, const char *after_id, uint32_t max, view_ticket_fn sink, void *arg);

    /* -- durable commands -- */

    /* Accepts the job under the id the gateway chose, and `answer` (NULL: none) in the same transaction.
     * VL_EEXISTS, VL_ENOTFOUND (a blob or a job in `after` is unknown), VL_EOVERLOAD, VL_ELIMIT, VL_ENOSPC ... */
    enum vl_err (*job_submit)(void *self, struct vl_job_id id, vl_ms submitted_ms, const struct job_spec *spec,
                              const struct backend_answer *answer, backend_done_fn done, void *arg);
    /* node NULL: every node.  VL_ENOTFOUND, VL_EUNSUPPORTED. */
    enum vl_err (*measure)(void *self, const struct vl_node_id *node, backend_done_fn done, void *arg);
    /* spec NULL: only a price is wanted; else a job that gets `id`.  Errors of brain_auction_open(), and VL_ENOTFOUND as
     * job_submit(). */
    enum vl_err (*auction_open)(void *self, const struct market_order *order, struct vl_job_id id,
                                const struct job_spec *spec, backend_auction_fn done, void *arg);
    enum vl_err (*auction_cancel)(void *self, struct vl_hash auction, backend_done_fn done, void *arg);
    /* While `done` hears VL_EOVERLOAD: the seconds after which to come back. */
    uint32_t (*retry_s)(void *self);
    /* VL_ENOTFOUND, VL_ESTATE: it has ended already. */
    enum vl_err (*job_cancel)(void *self, struct vl_job_id id, backend_done_fn done, void *arg);
    void (*keys)(void *self, struct view_keys *ret);
    /* That made `id` a successor; false: none, or not known here. */
    bool (*succession)(void *self, struct vl_node_id id, struct succession *ret);
    struct vl_span (*revocations)(void *self); /* signed list, borrowed; empty: none */
    /* value of `done`: the new id (32 bytes).  VL_EUNSUPPORTED: a coordinator; VL_ESTATE: with the reason. */
    enum vl_err (*keys_rotate)(void *self, backend_bytes_fn done, void *arg);
    /* value of `done`: u64 ms.  VL_ENOTFOUND, VL_EUNSUPPORTED, VL_ESTATE: the coordinator itself. */
    enum vl_err (*key_revoke)(void *self, struct vl_node_id id, backend_bytes_fn done, void *arg);
    enum vl_err (*node_expel)(void *self, struct vl_node_id id, backend_done_fn done, void *arg);
    /* VL_ENOTFOUND: nothing was found of it, or it is not known here. */
    enum vl_err (*node_attestation)(void *self, struct vl_node_id id, view_attestation_fn sink, void *arg);
    /* Asks it for evidence of where it runs.  VL_ENOTFOUND, VL_EUNSUPPORTED. */
    enum vl_err (*node_attest)(void *self, struct vl_node_id id, backend_done_fn done, void *arg);
    /* This node's own: create, measure and attest; on the pool.  VL_EUNSUPPORTED: no such hardware; VL_EEXISTS: the job has one. */
    enum vl_err (*tee_create)(void *self, const struct backend_tee_wish *wish, backend_tee_made_fn done, void *arg);
    enum vl_err (*tee_close)(void *self, uint64_t id, backend_done_fn done, void *arg); /* `done` hears VL_ENOTFOUND */
    enum vl_err (*tee_status)(void *self, backend_tee_fn done, void *arg);
    enum vl_err (*node_maintenance)(void *self, struct vl_node_id id, bool on, backend_done_fn done, void *arg);
    /* VL_EUNSUPPORTED: only the coordinator can; VL_ENOTFOUND: one of them is no member; VL_ESTATE: one has no address;
     * VL_ERANGE: 3 to 9 different members, threshold more than half. */
    /* rtt in milliseconds for `done`.  VL_ENOTFOUND, VL_EUNSUPPORTED, VL_EEXPIRED, VL_ETIMEOUT ... with the reason. */
    void (*anchor)(void *self, struct view_anchor *ret);
    /* VL_EUNSUPPORTED: only the coordinator has it; VL_ENOTFOUND: beyond its end, or anchored nowhere; VL_ERANGE: sizes. */
    enum vl_err (*log)(void *self, const struct backend_log_query *q, backend_log_fn done, void *arg);
    /* An error is returned, or told to `done`, never both. */
    /* Draws of this epoch; ret_self: this node. */
    void (*neighbours)(void *self, struct brain_topology *ret, struct vl_node_id *ret_self);
    /* What witnesses stated of a node; false: nothing, or not at the coordinator. */
    bool (*service)(void *self, struct vl_node_id id, struct sla_counters *ret, struct vl_span *ret_cert /* of this node; borrowed */);
    /* VL_ENOTFOUND, VL_EIO: the blob is not here; VL_ERANGE: empty, or too large to be kept so; VL_EBUSY. */
    enum vl_err (*keep)(void *self, struct vl_hash blob, backend_done_fn done, void *arg);
    enum vl_err (*prove)(void *self, const struct backend_proof_query *q, backend_proof_fn done, void *arg);
    /* Where the receipts of a job are in the log.  VL_ENOTFOUND: no such job. */
    enum vl_err (*receipts)(void *self, struct vl_job_id id, uint64_t after_run, uint32_t max, view_receipt_fn sink, void *arg);
    enum vl_err (*mix_ping)(void *self, struct vl_node_id to, const char *level, backend_ping_fn done, void *arg);
    enum vl_err (*mix_charter)(void *self, const struct backend_charter *c, backend_done_fn done, void *arg);
    /* Changes n figures of the owner's policy together.  VL_ENOTFOUND, VL_EPARSE, VL_ERANGE: `why` names the figure; VL_ESTATE: this
     * node is not harvested. */
    enum vl_err (*harvest_policy)(void *self, const char *const *names, const char *const *values, size_t n, struct vl_errmsg *why,
                                  backend_done_fn done, void *arg);
    enum vl_err (*harvest_pause)(void *self, bool pause, vl_ms duration /* VL_MS_NEVER */, backend_done_fn done, void *arg);
    enum vl_err (*ticket_create)(void *self, uint32_t uses, uint64_t ttl_s, backend_ticket_fn done, void *arg);
    enum vl_err (*ticket_revoke)(void *self, const char *id, backend_done_fn done, void *arg);

    /* -- stored answers -- */

    /* Fills *ret.  VL_ENOTFOUND: never stored, or expired by `now`. */
    enum vl_err (*answer_get)(void *self, struct vl_hash key, vl_ms now, struct backend_answer *ret);
    enum vl_err (*answer_put)(void *self, const struct backend_answer *answer, backend_done_fn done, void *arg);

    /* -- blobs -- */

    /* VL_ENOTFOUND. */
    enum vl_err (*blob_stat)(void *self, struct vl_hash hash, uint64_t *ret_size);
    /* Opens for reading.  VL_ENOTFOUND, VL_EIO.  The caller closes. */
    enum vl_err (*blob_open)(void *self, struct vl_hash hash, void **ret_reader, uint64_t *ret_size);
    /* Exactly n bytes at `offset` within the size.  VL_EIO: damaged or gone. */
    enum vl_err (*blob_read)(void *self, void *reader, uint64_t offset, void *dst, size_t n);
    void (*blob_close)(void *self, void *reader);
    /* Begins an upload of `size` bytes that must hash to `hash`.  VL_EEXISTS: here already.  VL_ENOSPC, VL_ELIMIT.
     * Ends with exactly one of commit (once all bytes are written) or abort. */
    enum vl_err (*blob_begin)(void *self, struct vl_hash hash, uint64_t size, void **ret_upload);
    /* VL_ENOSPC, VL_EIO, VL_ERANGE: more than `size` bytes. */
    enum vl_err (*blob_write)(void *self, void *upload, const void *p, size_t n);
    /* Checks the hash, syncs, puts it in its place.  VL_ECRYPTO: the bytes hash to something else.  VL_ERANGE: too few.
     */
    enum vl_err (*blob_commit)(void *self, void *upload, backend_done_fn done, void *arg);
    void (*blob_abort)(void *self, void *upload);
};

struct backend {
    const struct backend_ops *ops; /* every slot is mandatory */
    void *self;
};

#endif
