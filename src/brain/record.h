/* record.h - what a member wants to be durable, as flat records; node/persist.c turns them into rows of the store.
 * All records of one BRAIN_COMMIT go into one transaction.  The log is the truth; rows marked (view) are projections of
 * it that only the API reads and that brain_restore() never needs. */
#ifndef VL_BRAIN_RECORD_H
#define VL_BRAIN_RECORD_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/ms.h"

#include <stdbool.h>
#include <stdint.h>

/* Restored in this order.  Numbers are not stored. */
enum record_kind {
    RECORD_IDENTITY = 1, /* bytes: village and certificate of this member (brain-private form) */
    RECORD_MEMBER,       /* key: node, number: 0 member, 1 revocation, 2 counters; bytes */
    RECORD_TICKET,       /* key: 8 bytes of ticket id; at_ms: expiry; bytes */
    RECORD_REVOCATIONS,  /* bytes: the signed list */
    RECORD_MIX,          /* index: enum record_mix; CONSENSUS: number 0 or 1, the parity of its epoch; bytes: document */
    RECORD_NODE,         /* key: node; state, text: name, at_ms: joined, number: seen; bytes */
    RECORD_INBOX,        /* key: 16 bytes; at_ms: last use; bytes */
    RECORD_OUTBOX,       /* key: 16 bytes; at_ms: expiry; bytes */
    RECORD_REMOTE,       /* key: job submitted at a member; bytes: wire/remote.h record, on both sides */
    RECORD_ITEM,         /* state: enum record_item; key: 32 bytes; number: sequence; at_ms; bytes.  remove: by all three */
    RECORD_SNAPSHOT,     /* number: up to which event of the log; bytes: the job book */
    RECORD_LOG,          /* bytes: one event of the job book; number: its place when restored */
    RECORD_BLOB,         /* key: hash; bytes: content of a blob that lives in the store */
    RECORD_JOB,          /* (view) key: job; state, at_ms: submitted, number: updated, text: name; bytes: wire/view.h */
    RECORD_SPEC,         /* (view) key: job; bytes: encoded job_spec */
    RECORD_TASK,         /* (view) key: job, index; state; node in `node` when has_node; bytes: wire/view.h */
    RECORD_HISTORY,      /* (view) key: job, number: sequence; at_ms, text: kind; bytes: detail (text), index, node */
    RECORD_RECEIPT,      /* (view) key: job, index, number: epoch; bytes: wire/task.h receipt */
    RECORD_TOPOLOGY,     /* (view) at_ms; bytes: wire/view.h */
    RECORD_ANSWER, /* key: of the answer, node: hash of the request; at_ms: expiry; bytes: answer to an Idempotency-Key
                    */
};

/* Of the private network; stored by name, so numbers may change.  Restored in this order. */
enum record_mix { MIX_RECORD_CHARTER, MIX_RECORD_CONSENSUS, MIX_RECORD_GUARDS, MIX_RECORD_VOTE, MIX_RECORD_EQUIVOCATION };

/* Numbers are on disk: never renumber.  Those below ITEM_VIEWS come back in brain_restore(), in this order. */
enum record_item {
    ITEM_REPUTATION = 1, /* key: node; trust/reputation.h record */
    ITEM_VERIFY = 2,     /* what fog/verify.h remembers of nodes and programs */
    ITEM_LOG_HEAD = 3,   /* key: zeros; frontier of the receipt log (trust/merkle_log.h) */
    ITEM_RATE = 4,       /* key: node; its measured rate (fog/rate.h) */
    ITEM_MARKET = 5,     /* coordinator: key: auction; number: n-th event (fog/market.h); key zeros: 0 sums, 1 + tier prices.
                            member: key: auction; its own sealed bid */
    ITEM_AGREEMENT = 6,  /* key: job; availability promised and measured: fog/agreement.h */
    ITEM_HARVEST = 7,    /* this machine's own: cool-down, pause (fog/harvest.h) */
    ITEM_SESSION = 8,    /* open contribution sessions */
    ITEM_STANDING = 9,   /* key: node; circuit breaker and flapping */
    ITEM_UPTIME = 10,    /* key: node; when it was there: fog/uptime.h */
    ITEM_ATTESTED = 14, /* coordinator: key: node; its newest signed result (wire/attestation.h).  Member: its own */
    ITEM_TOPOLOGY = 12,  /* key: node, or zeros; number: enum topo_row; draws of three epochs and challenges (topo_priv.h) */
    ITEM_WITNESS = 11,   /* key: zeros; number: what it is, witness.c */
    ITEM_ANCHOR = 13,    /* key: zeros; the anchor that is on its way (trust/anchor.h), with chain, contract and account */
    ITEM_SUCCESSION = 20, /* coordinator: key: the new key; what made it one (wire/succession.h) */
    ITEM_HEIR = 21,       /* member: key: zeros; certificate of the key that is about to take over; gone when it has */
    ITEM_HELD = 30,      /* worker: key: job, task; number: epoch; a result it has committed to and not told yet */
    ITEM_VIEWS = 64,
    ITEM_PLAN = 64,         /* key: job; number: batch; why its tasks are where they are (fog/plan.h) */
    ITEM_EVIDENCE = 65,     /* key: node; number: sequence; one piece of evidence */
    ITEM_LEAF = 66,         /* key: zeros; number: index in the receipt log; the leaf */
    ITEM_PRICE = 67,        /* key: what is sold; number: time; a clearing price */
    ITEM_AUCTION = 68,      /* key: auction; how it ended */
    ITEM_CONTRIBUTION = 69, /* key: node; number: start of the session; what was metered */
    ITEM_REFUND = 70,       /* key: job; what was owed for a promise not kept: fog/agreement.h */
    ITEM_MOVE = 74,         /* key: auction; number: event * 1024 + n; one movement of money, for the ledger */
    ITEM_DISPUTE = 71,      /* key: job; number: task */
    ITEM_ANCHORED = 76,     /* key: zeros; number: size of the log; a head that is on a chain: trust/anchor_artefact.h */
    ITEM_TILE = 80,         /* key: level in the first byte; number: index; a full tile of the receipt log */
    ITEM_LEAF_OF = 81,      /* key: job; number: task above 48 bits of epoch; index of its receipt in the log */
    ITEM_ATTESTATION = 83, /* key: node; number: of the result; that result and the evidence it is about.  Key: hash of what the
                              verifier had beside it (policy, or certificates and collateral), number 0; those bytes */
    ITEM_FORK = 82,         /* key: zeros; number: when; head of the log that contradicts what this member had seen */
    ITEM_AGREEMENT_ENDED = 72, /* key: job; an agreement as it ended: fog/agreement.h */
};

#define RECORD_ANSWER_MAX 4096u
struct record_answer {
    struct vl_hash key, request;
    uint8_t answer[RECORD_ANSWER_MAX];
    uint32_t answer_n;
    vl_ms expires_ms;
};

struct record {
    enum record_kind kind;
    bool remove; /* delete by key; JOB: with all of its rows */
    bool has_node;
    uint8_t key[32]; /* shorter ids first, zeros behind */
    uint32_t index;
    int32_t state;
    uint64_t number;
    vl_ms at_ms;
    struct vl_node_id node;
    struct vl_span text, bytes; /* borrowed */
};

#endif
