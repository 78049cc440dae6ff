/* brain.h - one member of a village as a pure state machine: the cores wired together.
 * Links (net/htx), durable messages (net/delivery), blobs (net/blob), certificates (trust/membership), and on the
 * coordinator the registry, the job book and the scheduler (fog/).  node/ drives it with sockets, a store and a runner;
 * sim/ with virtual ones.  No I/O, no clock, no threads.
 *
 * Durability: a step that changes state yields BRAIN_COMMIT with its records.  Every later effect that the outside can
 * see waits inside until brain_committed() says that this batch, and so all before it, is on disk (architecture.md
 * section 2).
 *
 * After every call: take effects with brain_next_effect() until it returns false, then drain brain_next_output_conn().
 */
#ifndef VL_BRAIN_BRAIN_H
#define VL_BRAIN_BRAIN_H

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/ms.h"
#include "brain/chain.h"
#include "brain/record.h"
#include "fog/harvest.h"
#include "fog/agreement.h"
#include "fog/job.h"
#include "fog/quorum.h"
#include "fog/market.h"
#include "fog/price.h"
#include "fog/rate.h"
#include "fog/registry.h"
#include "fog/verify.h"
#include "mix/audit.h"
#include "mix/authority.h"
#include "mix/channel.h"
#include "mix/consensus.h"
#include "mix/cover.h"
#include "mix/path.h"
#include "mix/relay.h"
#include "trust/challenge.h"
#include "trust/membership.h"
#include "trust/merkle_log.h"
#include "wire/attestation.h"
#include "wire/contribution.h"
#include "wire/succession.h"
#include "trust/reputation.h"
#include "trust/sla.h"
#include "wire/task.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BRAIN_EPOCH_MIN_MS 1000u
#define BRAIN_SLOTS_MAX 48u /* of a node: below what a runner holds, with those whose outputs are being stored */

struct brain;
struct brain_plan;
struct brain_attest;
struct admission; /* trust/admission.h */

/* The private network (docs/mixnet.md). */
struct brain_mix_config {
    bool relay;              /* be a mix: others reach this node at addr */
    char addr[VL_ADDR_MAX];  /* as advertised */
    uint8_t family[16];      /* operator of this node, the same for all of one; zeros: none declared */
    uint32_t bandwidth;      /* packets per second, measured */
    struct relay_limits limits;
    struct cover_rates cover; /* of this member as a client; all zero: it sends and receives nothing private */
};
struct brain_mix_config brain_mix_config_default(void); /* no relay, cover_rates_default(), relay_limits_default() */

struct brain_config {
    uint8_t sign_seed[32];     /* Ed25519: the node's identity */
    uint8_t static_secret[32]; /* X25519 */
    uint8_t seed[32];          /* fresh random bytes each start */
    uint64_t boot_epoch;       /* grows with each start of this node: message ids never repeat */
    char name[VL_NAME_MAX];
    char addr[VL_ADDR_MAX]; /* where this node listens, shown to others; "" when it does not */

    bool has_next;          /* member: a pair that is about to take over: brain_rotate() goes on with it */
    uint8_t next_seed[32], next_secret[32];

    bool coordinator;      /* holds the root key, the registry and the job book */
    uint8_t root_seed[32]; /* coordinator only: Ed25519 seed of the village's root key */

    /* member: where the coordinator is, and what is known of it */
    char coordinator_addr[VL_ADDR_MAX];
    uint8_t root_key[32];       /* of the village; all zero before the join */
    struct vl_span certificate; /* own, as given by the coordinator; empty before the join; copied */
    uint8_t ticket_village[16]; /* before the join: the village id of the ticket and its secret */
    uint8_t ticket_secret[16];

    struct node_caps caps; /* what this machine can do; caps.slots: tasks at once, 0: takes no work */
    vl_ms heartbeat_ms;    /* 0: the default of fog/registry.h */
    vl_ms lost_ms;         /* coordinator: silence after which a node is lost; 0: the default */
    struct brain_mix_config mix;
    struct verify_policy verify; /* coordinator; faulty_ppm 0: verify_policy_defaults() */
    bool harvest; /* takes work only while its owner's rules allow it: brain_harvest() must be called each second */
    enum strategy strategy;   /* coordinator: of jobs that name none; STRATEGY_DEFAULT: NSGA-II with its fast path */
    struct vl_span bench_program; /* coordinator: the WebAssembly that measures nodes (examples/bench); static storage;
                                     empty: rates stay unknown */
    uint64_t price_base;          /* coordinator: micro-credits for an H200-hour in the gold tier; 0: PRICE_BASE_DEFAULT */
    /* coordinator: policy and certificates for members' evidence; borrowed, outlives the brain and every brain_attest.  NULL: an
     * empty one of its own; then no brain_attest may be out when the brain is destroyed. */
    const struct admission *admission;
    struct brain_chain_config chain; /* coordinator */
    uint64_t snapshot_events; /* coordinator: log events between two snapshots of the job book; 0: the default */
    vl_ms epoch_ms; /* coordinator: of draws; 0: TOPOLOGY_EPOCH_MS; at least BRAIN_EPOCH_MIN_MS.  Members take the coordinator's */
    uint64_t snapshot_bytes;  /* coordinator: of the largest snapshot; beyond it the log just stays; 0: the default */
};

/* ---- life ---- */

/* Copies the configuration.  `now` is the time of start.  VL_ENOMEM, VL_ERANGE, VL_ECRYPTO: keys or certificate
 * unusable. */
VL_MUST_CHECK enum vl_err brain_create(const struct brain_config *cfg, vl_ms now, struct brain **ret_brain);
void brain_destroy(struct brain *b); /* NULL is a no-op; wipes keys */

/* Before brain_start(): give back what was stored, in the order of enum record_kind, the log last.
 * VL_ECORRUPT: the record does not decode; VL_ENOMEM, VL_ELIMIT. */
VL_MUST_CHECK enum vl_err brain_restore(struct brain *b, vl_ms now, const struct record *r);
/* All is restored: dial, schedule, go on.  Nothing leaves before this. */
void brain_start(struct brain *b, vl_ms now);

/* ---- connections: handles are those of net/htx ---- */

VL_MUST_CHECK enum vl_err brain_accept(struct brain *b, vl_ms now, uint32_t *ret_conn); /* errors of htx_accept() */
/* A BRAIN_DIAL succeeded.  Errors of htx_dial(): close the transport. */
VL_MUST_CHECK enum vl_err brain_dialled(struct brain *b, vl_ms now, uint32_t dial, uint32_t *ret_conn);
void brain_dial_failed(struct brain *b, vl_ms now, uint32_t dial);
/* All of p is taken (what the endpoint leaves is kept inside, bounded).  VL_ECLOSED, VL_ENOTFOUND: close the transport.
 */
VL_MUST_CHECK enum vl_err brain_input(struct brain *b, uint32_t conn, vl_ms now, const void *p, size_t n);
size_t brain_output(struct brain *b, uint32_t conn, vl_ms now, void *buf, size_t cap); /* as htx_output() */
uint32_t brain_next_output_conn(struct brain *b);
void brain_conn_lost(struct brain *b, uint32_t conn, vl_ms now);

vl_ms brain_deadline(const struct brain *b);
void brain_tick(struct brain *b, vl_ms now);

/* ---- the store's answers ---- */

/* Batches up to `seq` are durable. */
void brain_committed(struct brain *b, vl_ms now, uint64_t seq);

/* ---- commands; each is answered by one BRAIN_REPLY with its token.  The coordinator's alone, but for submit, cancel
 * and what concerns this node: VL_EUNSUPPORTED on others ---- */

/* On the coordinator: VL_EOVERLOAD, bytes of the reply: u32 milliseconds to stay away.
 * On a member: goes to the coordinator in durable messages at the job's level; VL_ERANGE: larger than members may
 * send (wire/remote.h), VL_ELIMIT: too many of this member's jobs have not ended, VL_ESTATE: not a member yet, or why
 * that level cannot be had (errors of paths_level()). */
void brain_submit_job(struct brain *b, vl_ms now, uint64_t token, struct vl_job_id id, const struct job_spec *spec,
                      uint64_t program_size /* bytes; 0 when the program is no blob */,
                      const struct record_answer *answer /* NULL: none; stored with the job */);
void brain_cancel_job(struct brain *b, vl_ms now, uint64_t token, struct vl_job_id id);
void brain_create_ticket(struct brain *b, vl_ms now, uint64_t token, const uint8_t secret[16], uint32_t uses,
                         vl_ms ttl_ms);
void brain_revoke_ticket(struct brain *b, vl_ms now, uint64_t token, const uint8_t id[8]);
void brain_expel(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node);
/* As expel; BRAIN_REPLY with the time in the signed list, u64 ms.  A node that has left already: VL_ENOTFOUND. */
void brain_revoke_key(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node);
/* On a member: this pair, which the shell keeps durably, takes over when nothing runs under the present one any more (BRAIN_ROTATE).
 * BRAIN_REPLY with the new id (32 bytes) once it has begun.  VL_EUNSUPPORTED: the coordinator; VL_ESTATE: not a member yet, or an authority
 * of the private network. */
void brain_rotate(struct brain *b, vl_ms now, uint64_t token, const uint8_t next_seed[32], const uint8_t next_secret[32]);
/* What brain_rotate() would say of this node; *ret_why is static and set on error. */
VL_MUST_CHECK enum vl_err brain_rotate_check(const struct brain *b, const char **ret_why);
bool brain_rotating(const struct brain *b);
/* Before brain_create() with another key than the one that the stored identity is of: appends the identity for `self` to out, made of the
 * certificate that was kept for it (ITEM_HEIR), and sets *ret_old.  VL_OK with nothing appended: the identity is that of `self` already.  VL_ESTALE: neither
 * is.  VL_ECORRUPT. */
VL_MUST_CHECK enum vl_err brain_identity_adopt(struct vl_span identity, struct vl_span heir, struct vl_node_id self, struct vl_buf *out,
                                                struct vl_node_id *ret_old);
void brain_maintenance(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node, bool on);
/* Opens an auction; order->requester, period and has_job are filled in here.  spec NULL: only capacity is bought; else
 * that job is submitted as `id`, waits for the end of the auction, runs on its winners alone and is cancelled when it
 * fails.  BRAIN_REPLY with the auction's id (32 bytes).  Errors of market_step() and brain_submit_job(). */
void brain_auction_open(struct brain *b, vl_ms now, uint64_t token, const struct market_order *order, struct vl_job_id id,
                        const struct job_spec *spec);
void brain_auction_cancel(struct brain *b, vl_ms now, uint64_t token, struct vl_hash auction);
/* Measure that node as soon as it has nothing to do; all zero: every node. VL_EUNSUPPORTED: this build has no benchmark. */
void brain_measure(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node);
void brain_store_answer(struct brain *b, vl_ms now, uint64_t token, const struct record_answer *answer);

/* The head of the log of receipts, signed; BRAIN_REPLY with bytes for brain_log_head_open(), once all that it covers is
 * durable. */
void brain_log_head(struct brain *b, vl_ms now, uint64_t token);
/* VL_EPARSE, VL_EVERSION; VL_ECRYPTO: not signed by `signer`. */
VL_MUST_CHECK enum vl_err brain_log_head_open(struct vl_span bytes, struct vl_node_id signer, struct merkle_checkpoint *ret_head,
                                              char ret_text[MERKLE_CHECKPOINT_MAX], struct merkle_log *ret_log);

/* What a proof of execution is made of beside the leaf and the way to it: BRAIN_REPLY with bytes for brain_proof_parts_open().  The head is
 * the one with most witnesses that covers the leaf, else one signed now.  VL_EUNSUPPORTED; VL_ENOTFOUND: no such leaf, or no certificate. */
#define BRAIN_PROOF_NO_LEAF UINT64_MAX /* as `index`: for certificates alone, which an empty log has, too */
void brain_proof_parts(struct brain *b, vl_ms now, uint64_t token, uint64_t index, struct vl_node_id worker);
#define BRAIN_WITNESSES_MAX 16u
struct brain_proof_parts {
    struct vl_span note, worker, coordinator; /* head with its lines; certificates.  Borrowed */
    uint32_t witnesses;
    struct vl_span witness[BRAIN_WITNESSES_MAX]; /* in the order of the lines */
};
VL_MUST_CHECK enum vl_err brain_proof_parts_open(struct vl_span bytes, struct brain_proof_parts *ret);
/* Answer to BRAIN_LOG_PROVE: the consistency proof.  VL_EAGAIN: a tile of it is not in the store yet. */
void brain_log_proved(struct brain *b, vl_ms now, struct vl_node_id node, uint64_t first, uint64_t second, enum vl_err err,
                      const struct vl_hash *proof, uint32_t n);
/* A node of the log that is in no tile yet; false: it stands in one. */
bool brain_log_node(const struct brain *b, unsigned height, uint64_t index, struct vl_hash *ret);
struct brain_witness_view {
    uint64_t seen_size; /* member: of the head it cosigned last; 0: none */
    bool fork;          /* member: it saw a log that contradicts it */
    uint64_t best_size, asked_size; /* coordinator: of the head shown; of the one being cosigned */
    uint32_t best_witnesses, asked_witnesses;
    vl_ms best_time_ms;
};
void brain_witness_view(const struct brain *b, struct brain_witness_view *ret);
/* The answer to BRAIN_CHAIN_ASK (brain/chain.h). */
void brain_chain_answer(struct brain *b, vl_ms now, const struct brain_chain_answer *a);
/* False: heads are anchored nowhere; then only log_size is filled in. */
bool brain_chain_view(const struct brain *b, struct brain_chain_view *ret);

/* Names the directory authorities of the private network; number and signature of `wanted` are filled in here. */
void brain_mix_charter(struct brain *b, vl_ms now, uint64_t token, const struct mix_charter *wanted);

/* Asks a member through the private network without saying who asks; BRAIN_REPLY with a u32 of milliseconds there and
 * back, or VL_ETIMEOUT, or why that level cannot be had (errors of paths_level()). */
void brain_mix_ping(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id to, enum mix_level level);
/* Hands packets (SPHINX_PACKET bytes each) made elsewhere to the relay that is their first hop: for measurements.
 * Returns how many its link took. */
size_t brain_mix_hand(struct brain *b, vl_ms now, uint32_t first, const uint8_t *packets, size_t count);

/* ---- a harvested machine (fog/harvest.h) ---- */

struct brain_harvest_input {
    uint16_t local_minute;                 /* of the local day */
    const struct machine_reading *reading; /* NULL: none; borrowed */
    uint64_t blob_bytes;                   /* moved over links since start, both ways */
};
/* What the machine says of itself: each second, and at once when a person comes or it gets hot. */
void brain_harvest(struct brain *b, vl_ms now, const struct brain_harvest_input *in);
/* Commands; VL_ESTATE: not harvested.  policy: VL_ERANGE. duration: VL_MS_NEVER: until resumed. */
void brain_harvest_policy(struct brain *b, vl_ms now, uint64_t token, const struct harvest_policy *p);
void brain_harvest_pause(struct brain *b, vl_ms now, uint64_t token, bool pause, vl_ms duration);
/* NULL: not harvested; no session is open. */
const struct harvest *brain_harvest_view(const struct brain *b);
const struct contribution *brain_harvest_session(const struct brain *b);

/* ---- the shell's part of a mix ---- */

/* Answer to BRAIN_MIX_KEY.  VL_OK: secret and table (borrowed until BRAIN_MIX_KEY_DROP of that epoch).  VL_ENOTFOUND:
 * none from earlier, and not to be made; VL_ESTALE: its table is not provably whole, so it was destroyed; VL_ENOSPC,
 * VL_EIO, VL_ENOMEM. */
void brain_mix_key(struct brain *b, vl_ms now, uint64_t epoch, enum vl_err err, const uint8_t secret[32],
                   struct replay *table);
/* Runs a batch of BRAIN_MIX_BATCH, on any thread; touches nothing of a brain. */
void brain_mix_batch_run(struct relay_batch *batch);
/* Gives it back.  A brain may be destroyed only when no batch is out. */
void brain_mix_batch_done(struct brain *b, vl_ms now, struct relay_batch *batch);

/* ---- placing on another thread ---- */

/* A batch of BRAIN_PLAN, which owns all it needs.  `expired` is asked now and then: true ends the search with the best
 * found so far; NULL: never. */
void brain_plan_run(struct brain_plan *p, bool (*expired)(void *arg), void *arg);
/* Gives it back: what it found is placed. */
void brain_plan_done(struct brain *b, vl_ms now, struct brain_plan *p, uint32_t took_us);
/* Its brain is gone. */
void brain_plan_free(struct brain_plan *p);

/* ---- evidence of where this node runs (TRU-06, TRU-07): made by the shell, verified on the pool ---- */

/* Answer to BRAIN_TEE_QUOTE: what the machine's providers made, 0..ATTESTATIONS_MAX in any order, one for each kind.  Of each
 * kind, evidence, leaf, collateral, certificates and made_ms are read, the rest is known here.  n 0: none, `why` says what
 * this machine lacks (printable ASCII).  Copied.  Unknown or late requests are no-ops. */
void brain_tee_quoted(struct brain *b, vl_ms now, uint64_t req, const struct attestation *v, size_t n, const char *why);
/* Answer to BRAIN_TEE_ACTIVATE: 1..64 bytes; empty: the TPM could not open it. */
void brain_tee_activated(struct brain *b, vl_ms now, uint64_t req, struct vl_span secret);
/* Verifies, on any thread; touches nothing of a brain. */
void brain_attest_run(struct brain_attest *a);
/* Gives it back. */
void brain_attest_done(struct brain *b, vl_ms now, struct brain_attest *a);
/* Its brain is gone. */
void brain_attest_free(struct brain_attest *a);

/* What is known of where a node runs.  Levels in thousandths. */
struct brain_attested {
    bool known, running;  /* there is a result; a round is under way */
    uint32_t level;       /* now, aged; 300: nothing is proven */
    uint32_t found;       /* of the result, when it was made */
    uint32_t admit;       /* the policy's; a node below it is in quarantine */
    uint32_t barred;      /* bit c: gets no tasks of class c */
    vl_ms when_ms, until_ms; /* of the result; when it stops counting (0 on members: not known there) */
    uint64_t number;
    char why[ATTESTED_WHY_MAX];
};
/* At the coordinator of every node, elsewhere of this node.  false: not known here. */
bool brain_attested(const struct brain *b, struct vl_node_id node, struct brain_attested *ret);
/* Command of the coordinator: ask that node now, or when it comes back. */
void brain_attest_now(struct brain *b, vl_ms now, uint64_t token, struct vl_node_id node);

/* ---- the runner and the blob directory answer ---- */

/* The runner is ready (again): tasks that were with it are started anew. */
void brain_runner_ready(struct brain *b, vl_ms now, uint32_t features);
void brain_runner_lost(struct brain *b, vl_ms now);
/* What the next heartbeats say of this machine. */
void brain_machine(struct brain *b, vl_ms now, uint32_t load_milli, uint64_t disk_free);
void brain_task_started(struct brain *b, vl_ms now, uint64_t task);
struct brain_task_end {
    uint64_t task;
    enum task_outcome outcome;
    int32_t exit_code;
    enum vl_err err;
    const char *detail; /* for people; borrowed */
    uint64_t cpu_us, peak_bytes;
    struct vl_hash toolchain;
    const struct task_output *outputs; /* already in the blob directory, or inline when small; borrowed */
    size_t outputs_n;
};
void brain_task_ended(struct brain *b, vl_ms now, const struct brain_task_end *end);
/* size: of the whole blob; bytes: what lies at the offset asked for. */
void brain_blob_read(struct brain *b, vl_ms now, uint64_t req, enum vl_err err, uint64_t size, struct vl_span bytes);
void brain_blob_written(struct brain *b, vl_ms now, struct vl_hash hash, uint64_t offset, enum vl_err err);
void brain_blob_verified(struct brain *b, vl_ms now, struct vl_hash hash, enum vl_err err);
/* Answer to BRAIN_BLOB_FIND: complete (size > 0 or empty blob), or only `partial` bytes of it. */
void brain_blob_found(struct brain *b, vl_ms now, struct vl_hash hash, bool complete, uint64_t size, uint64_t partial);

/* ---- effects ---- */

enum brain_effect_kind {
    BRAIN_COMMIT,       /* seq, records: write them in one transaction, then brain_committed(seq) */
    BRAIN_DIAL,         /* dial, addr: open a transport, then brain_dialled() or brain_dial_failed() */
    BRAIN_CONN_CLOSE,   /* conn: write what brain_output() still gives, then close and brain_conn_lost() */
    BRAIN_TASK_RUN,     /* task, assignment: blobs are here; run it */
    BRAIN_TASK_KILL,    /* task */
    BRAIN_BLOB_FIND,    /* hash */
    BRAIN_BLOB_READ,    /* req, hash, offset, length */
    BRAIN_BLOB_WRITE,   /* hash, offset, bytes: to the partial file */
    BRAIN_BLOB_VERIFY,  /* hash, size: hash the partial file and adopt it */
    BRAIN_BLOB_DISCARD, /* hash: the partial file is worthless */
    BRAIN_REPLY,        /* token, err, detail; ticket for brain_create_ticket() */
    BRAIN_JOB_CHANGED,  /* job: tell subscribers */
    BRAIN_TASK_CHANGED, /* job, index */
    BRAIN_NODE_CHANGED, /* node */
    BRAIN_JOINED,       /* certificate, root key: this node is a member now (durable by the record before it) */
    BRAIN_REFUSED,      /* err, detail: the join was refused for good */
    BRAIN_NOTE,         /* err, detail, node: something worth a log line */
    BRAIN_MIX_KEY,      /* seq: epoch; index 1: make key and replay table unless they are there, 0: only take up earlier
                           ones; length: tags its replay table must hold; answer with brain_mix_key() */
    BRAIN_MIX_KEY_DROP, /* seq: epoch: destroy key and table; index 1: of all epochs up to it, but for those that this
                           brain was given */
    BRAIN_PLAN,         /* plan: brain_plan_run() on the pool, then brain_plan_done() */
    BRAIN_LOG_PROVE,    /* node, offset, length: a consistency proof of the log of receipts between these sizes; brain_log_proved() */
    BRAIN_MIX_BATCH,    /* batch: brain_mix_batch_run() on the pool, then brain_mix_batch_done() */
    BRAIN_TEE_QUOTE,    /* req; bytes: 64 of report data (trust/attest_bind.h has its form by kind); job, hash: of the program, zeros
                           when it is bound to none: let every provider of this machine make evidence, off the loop; then
                           brain_tee_quoted() */
    BRAIN_TEE_ACTIVATE, /* req, bytes: TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET: let the TPM whose quote was given last open
                           them; then brain_tee_activated() */
    BRAIN_ATTEST,       /* attest: brain_attest_run() on the pool, then brain_attest_done() */
    BRAIN_CHAIN_ASK,    /* bytes: a struct brain_chain_ask, to be copied; answer with brain_chain_answer() */
    BRAIN_ROTATE,       /* err VL_OK: the next pair may take over now; else: it was refused (detail), and must be forgotten */
    BRAIN_HARVEST,      /* index: share of all processors that tasks may use, 1/1000, 0: frozen; length: bits a second for blobs */
};
/* All pointers are borrowed until the next call into the brain. */
struct brain_effect {
    enum brain_effect_kind kind;
    uint64_t seq, token, task, req;
    uint32_t dial, conn, index;
    const struct record *records;
    size_t records_n;
    const char *addr, *detail;
    const struct assignment *assignment;
    struct vl_hash hash;
    uint64_t offset, length;
    struct vl_span bytes; /* BLOB_WRITE; REPLY: ticket record */
    enum vl_err err;
    struct vl_job_id job;
    struct vl_node_id node;
    struct relay_batch *batch;
    struct brain_plan *plan;
    struct brain_attest *attest;
};
bool brain_next_effect(struct brain *b, struct brain_effect *ret);
bool brain_pending(const struct brain *b); /* an effect waits to be taken */

/* ---- views for the API: borrowed until the next call into the brain ---- */

struct vl_node_id brain_node_id(const struct brain *b);
bool brain_is_member(const struct brain *b);
/* Memory ran out in a step that cannot be undone: destroy this brain and build it again from the store. */
bool brain_failed(const struct brain *b);
void brain_village_id(const struct brain *b, uint8_t ret[16]);
const struct registry *brain_registry(const struct brain *b);  /* NULL when not the coordinator */
const struct job_book *brain_jobs(const struct brain *b);      /* same */
const struct membership *brain_members(const struct brain *b); /* same */
const struct reputation *brain_reputation(const struct brain *b); /* same; by the first key of a member: brain_origin() */
struct vl_node_id brain_origin(const struct brain *b, struct vl_node_id node);
/* The statement that made this key the successor of another; NULL: none, or not the coordinator. */
const struct succession *brain_succession_to(const struct brain *b, struct vl_node_id node);
struct vl_span brain_revocations(const struct brain *b); /* the newest signed list; empty: none */

/* Why the tasks of a job wait, looked at now: how many nodes each reason stops.  ret_tasks: tasks that wait.  VL_ENOTFOUND:
 * no such job here, or nothing of it waits; VL_EUNSUPPORTED: not the coordinator. */
VL_MUST_CHECK enum vl_err brain_explain(const struct brain *b, struct vl_job_id job, struct sched_why *ret,
                                        uint32_t *ret_tasks);

/* ---- availability (fog/quorum.h), on the coordinator ---- */

struct brain_quorum {
    struct quorum_choice choice;
    uint32_t n, groups;                       /* of the n / groups nodes of each group choice.n is the number */
    struct quorum_node node[QUORUM_WIDE_MAX]; /* the chosen ones, group by group; choice.node is of no use here */
    bool majority;
    uint32_t candidates; /* nodes that fit the job */
};
/* What a job with a tier would get, or why not, without submitting it.  VL_EUNSUPPORTED: not the coordinator; VL_ERANGE:
 * no tier; VL_ENOMEM. */
VL_MUST_CHECK enum vl_err brain_quorum_check(const struct brain *b, const struct job_spec *spec,
                                             struct brain_quorum *ret);
/* Of a job that has not ended; those that have are rows ITEM_AGREEMENT_ENDED.  NULL: none. */
const struct agreement *brain_agreement(const struct brain *b, struct vl_job_id id);
/* The one with the largest job id below *below (NULL: of all). */
const struct agreement *brain_agreement_below(const struct brain *b, const struct vl_job_id *below);
/* The market as the coordinator knows it; NULL elsewhere. */
const struct market *brain_market(const struct brain *b);
/* Clearing prices of a tier; NULL when not the coordinator. */
const struct price_series *brain_prices(const struct brain *b, enum sla_tier tier);
struct brain_market_sums { /* micro-credits since the village began; held = released + paid + slashed + now */
    uint64_t held, released, paid, slashed, treasury, now;
};
void brain_market_sums(const struct brain *b, struct brain_market_sums *ret);
/* A signed quote for nh of work; VL_ERANGE: beyond TERMS_PRICE_MAX; VL_EUNSUPPORTED: not the coordinator. */
VL_MUST_CHECK enum vl_err brain_quote(const struct brain *b, vl_ms now, enum sla_tier tier, uint64_t nh,
                                      struct price_quote *ret);
/* What that much time of one slot of median speed is in nH. */
uint64_t brain_work_of(const struct brain *b, uint64_t slot_ms);
struct brain_rate { /* one node */
    bool known;     /* a record is there */
    bool running;   /* being measured now */
    vl_ms due_ms;   /* to be measured again; VL_MS_NEVER: this build cannot */
    uint32_t rate_milli;
    uint64_t hour_price; /* of one slot, micro-credits */
    struct rate_record record;
};
/* False: no such node, or not the coordinator. */
bool brain_rate(const struct brain *b, struct vl_node_id node, struct brain_rate *ret);

/* ---- draws of an epoch (trust/topology.h) and availability (trust/challenge.h) ---- */

struct brain_topology_counters {
    uint64_t closes, states;     /* epochs whose close this node made or recomputed; states taken as they came */
    uint64_t refused_rolls, disagreed, left_out; /* of the coordinator: what does not follow; another book; our reveal, taken and not counted */
    uint64_t reveals;            /* taken, by the coordinator */
    uint64_t checked, refused;   /* certificates of others, and what else members say: right, false */
    uint64_t asked, unanswered, answered, answers, statements; /* challenges sent, without and with an answer; own answers; statements kept */
};
struct brain_topology {
    bool known; /* false: nothing from the coordinator yet */
    uint64_t epoch;
    vl_ms epoch_ms, began_ms; /* began: by this node's clock */
    struct vl_hash seed;
    uint32_t members, weight, missed; /* of the roll; this node's in it, 0: not in it; its silences */
    uint64_t total;                   /* weight of all */
    uint32_t n[2];                    /* neighbours of this epoch, and of the next */
    struct vl_node_id neighbour[2][TOPOLOGY_NEIGHBOURS];
    uint32_t watched; /* nodes that drew this one as witness for this epoch */
    uint64_t kept_bytes; /* of the blob that this node promises to keep; 0: none */
    struct brain_topology_counters counters;
};
void brain_topology(const struct brain *b, struct brain_topology *ret);
/* Own certificate of neighbours of this epoch as a file (trust/topology_roll.h); appends.  VL_ENOTFOUND: no draw in it.  VL_ELIMIT,
 * VL_ENOMEM. */
VL_MUST_CHECK enum vl_err brain_neighbours_file(const struct brain *b, struct vl_buf *out);
/* Proof of availability of the last epoch, of this node; on the coordinator of any.  VL_ENOTFOUND: it drew no neighbours for it.  VL_ELIMIT,
 * VL_ENOMEM. */
VL_MUST_CHECK enum vl_err brain_availability_file(const struct brain *b, struct vl_node_id node, struct vl_buf *out);
/* This node's certificate of membership, encoded; empty: none yet. */
struct vl_span brain_certificate(const struct brain *b);
/* What witnesses stated of a node since it was first counted, for trust/sla.h; false: nothing, or not the coordinator. */
bool brain_service(const struct brain *b, struct vl_node_id node, struct sla_counters *ret);
/* From now on this node promises to keep that blob, and answers challenges with chunks of it.  BRAIN_REPLY once it has been read: VL_EBUSY;
 * VL_ENOTFOUND, VL_EIO: not here; VL_ERANGE: empty, or more than CHALLENGE_KEEP_MAX. */
void brain_keep(struct brain *b, vl_ms now, uint64_t token, struct vl_hash blob);

struct brain_counters {
    uint64_t joins, join_refused, peers_denied, messages_bad, heartbeats, placed, reports, reports_stale;
    uint64_t lost; /* copies of tasks that were lost with their nodes */
    uint64_t batches, plans, plan_conflicts; /* placed together; those by NSGA-II; placements that others had forestalled */
    uint64_t tasks_run, tasks_failed, blobs_fetched, effects_held;
    uint64_t remote_taken, remote_refused; /* coordinator: jobs of members */
    uint64_t cosigned; /* cosignatures of heads: given, or on the coordinator taken */
    uint64_t witness_forks, witness_refused; /* heads refused as a witness; refusals heard by the coordinator */
    uint64_t remote_stale;                 /* of both: late, doubled or unasked, without harm */
    uint64_t attest_asked, attested, attest_refused; /* challenges sent (a member: answered); results; those below a node's own word */
    uint64_t attest_silent, attest_stale;            /* no answer in time; answers to no open challenge */
};
void brain_counters(const struct brain *b, struct brain_counters *ret);

/* Overload of the coordinator (fog/shed.h); zeros on other members. */
struct brain_load {
    uint32_t level;              /* 0: all jobs are taken, 1: not those of class B, 2: those of class S only */
    uint64_t taken[SLA_CLASSES], refused[SLA_CLASSES]; /* jobs that asked to come in, by class */
    uint64_t commit_ms, loop_ms; /* last samples of both gauges */
    uint64_t paced;              /* times that placing waited for the disk */
};
void brain_load(const struct brain *b, struct brain_load *ret);

struct brain_mix_counters {
    uint64_t documents_sent, consensuses, consensus_refused, equivocations, equivocation_epoch, keys_failed;
    uint64_t fetches, fetches_refused, unsent, no_path, messages_in, messages_out, messages_bad, messages_failed, replies_bad;
    uint64_t mail_in, mail_out, mail_lost; /* cells of mailboxes: put in, fetched, forgotten */
    uint64_t in_clear; /* private messages, and acknowledgements of such, that came over a link: never */
};
struct brain_mix_view {
    bool relay_on, authority_on;
    const struct mix_charter *charter;     /* NULL: this village has no private network yet */
    const struct mix_consensus *consensus; /* in force; NULL: none */
    uint64_t epoch;
    struct vl_node_id provider;
    struct brain_mix_counters counters;
    struct cover_stats cover;
    struct paths_stats paths;
    struct channel_stats channel;
    struct audit_stats audit;
    struct relay_stats relay;
    struct authority_stats authority;
    bool relay_balanced;                    /* relay_balanced(); true without a relay */
    uint32_t ways_down;                     /* links to relays and authorities that are wanted and not up */
    uint32_t mail_waiting;                  /* cells in mailboxes */
    struct vl_span consensus_bytes;         /* signed, as it came */
    const struct authority *authority_core; /* NULL: none */
};
void brain_mix_view(const struct brain *b, struct brain_mix_view *ret);
/* Whether a privacy level can be had now, and why not: paths_level() of mix/path.h. */
enum vl_err brain_mix_level(struct brain *b, vl_ms now, enum mix_level level, uint16_t *ret_mean_ms,
                            struct vl_errmsg *msg);

#endif
