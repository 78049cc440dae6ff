/* chain.h - the coordinator's part in bringing heads of the log of receipts onto a chain (trust/anchor.h), as brain.h has it: what the shell
 * asks the chain, and what it answers.  The shell holds key and connections; it signs what it is told to, and nothing else. */
#ifndef VL_BRAIN_CHAIN_H
#define VL_BRAIN_CHAIN_H

#include "trust/anchor.h"
#include "trust/anchor_artefact.h"
#include "trust/eth_tx.h"

#define BRAIN_CHAIN_RAW_MAX 512u
#define BRAIN_CHAIN_PROBLEM_MAX 256u

struct brain_chain_config {
    bool on; /* false: heads are anchored nowhere */
    uint64_t chain;
    struct eth_address contract, sender; /* a state saved for other ones is left aside */
    struct anchor_rules rules;
    vl_ms every; /* between two heads */
};

enum brain_chain_kind {
    BRAIN_CHAIN_QUOTE = 1, /* nonce of the account, fees, gas for `head` */
    BRAIN_CHAIN_SIGN,      /* `head` with nonce, gas and fees, at once */
    BRAIN_CHAIN_SEND,      /* raw; what it is is on disk */
    BRAIN_CHAIN_RECEIPT,   /* of any of `name`; with a proof when it is `depth` blocks deep */
};
struct brain_chain_ask {
    enum brain_chain_kind kind;
    uint64_t chain;
    struct eth_address contract, sender;
    struct anchor_head head;
    uint64_t nonce, gas, tip, fee;
    uint32_t depth;
    uint32_t raw_n, names;
    uint8_t raw[BRAIN_CHAIN_RAW_MAX];
    struct vl_hash name[ANCHOR_TRIES]; /* the newest last; SEND: the last is raw's */
};
/* One for each ask.  err: no answer, or one that means nothing; problem says why (printable ASCII), else NULL. */
struct brain_chain_answer {
    enum brain_chain_kind kind;
    enum vl_err err;
    const char *problem;
    uint64_t nonce, gas, tip, fee; /* QUOTE */
    struct vl_hash name;           /* SIGN */
    struct vl_span raw;            /* SIGN: at most BRAIN_CHAIN_RAW_MAX, borrowed */
    struct anchor_receipt receipt; /* RECEIPT */
    const struct anchor_artefact *proof; /* RECEIPT, found and deep: all but checkpoint and signer, borrowed; its header may be empty */
};

struct brain_chain_view {
    bool on;
    struct brain_chain_config config;
    uint64_t log_size;
    struct anchor anchor;
    uint64_t anchored, sent, failures; /* since start: heads done, transactions handed over, asks without an answer */
    vl_ms done_at;                     /* 0: none since start */
    char problem[BRAIN_CHAIN_PROBLEM_MAX]; /* of the last ask; "" when it was answered */
};

#endif
