/* anchor_artefact.h - proof that a block of an Ethereum chain contains a head of a log of receipts, as a file that is checked offline
 * ("VILLAGE ANCHOR", wire/armor.h around these bytes): a signed head (crypto/merkle.h), the header of the block, and the way from its root
 * of receipts to the receipt with the event of contracts/AnchorRegistry.sol; and, if it is about one leaf of the log, that leaf with the way
 * to the head (RFC 9162).  Pure.
 *
 * What it shows: whoever trusts that this block is on the chain knows that the head existed at the block's time, that the account `sender` wrote
 * it, and that every other who trusts the block sees the same.  What it does not: that the block is on the chain (ask a node you trust for its
 * hash), that `sender` is the village's (its owner says so), and that `tx` is the transaction's name: that is a help to look it up. */
#ifndef VL_TRUST_ANCHOR_ARTEFACT_H
#define VL_TRUST_ANCHOR_ARTEFACT_H

#include "base/id.h"
#include "crypto/merkle.h"
#include "trust/eth_tx.h"
#include "trust/mpt.h"

#define ANCHOR_ARTEFACT_LABEL "VILLAGE ANCHOR"
#define ANCHOR_ARTEFACT_MAX 65536u
#define ANCHOR_LEAF_MAX 4096u
#define ANCHOR_EVENT "Anchored(address,bytes32,uint64)"
#define ANCHOR_CALL "anchor(bytes32,uint64)"
#define ANCHOR_NEWEST "newest(address)"

struct anchor_artefact {
    struct vl_span checkpoint; /* text, borrowed as all spans here */
    struct vl_node_id signer;
    uint64_t chain;
    struct eth_address contract, sender;
    struct vl_hash tx;
    uint64_t block;
    struct vl_hash block_name;
    uint32_t tx_index, log_index; /* in the block; in its receipt */
    struct vl_span header;        /* RLP; empty: no proof, nothing is shown offline */
    uint32_t nodes;
    struct vl_span node[MPT_NODES_MAX];
    struct vl_span leaf; /* of the log; empty: about the head alone */
    uint64_t leaf_index;
    uint32_t proof_n;
    struct vl_hash proof[MERKLE_PROOF_MAX]; /* from the leaf to the head's root */
};
/* VL_ELIMIT: larger than ANCHOR_ARTEFACT_MAX, too many nodes.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err anchor_artefact_encode(const struct anchor_artefact *a, struct vl_buf *out);
/* Strict: one encoding.  VL_EPARSE, VL_EVERSION. */
VL_MUST_CHECK enum vl_err anchor_artefact_decode(struct vl_span in, struct anchor_artefact *ret);

enum anchor_verdict {
    ANCHOR_SHOWN,          /* all holds */
    ANCHOR_UNREADABLE,     /* no such artefact, or of another version */
    ANCHOR_NOT_SIGNED,     /* the head is not signed by `signer` */
    ANCHOR_NOT_PROVED,     /* it only names a block: ask the chain */
    ANCHOR_OTHER_BLOCK,    /* the header is not that of the block named, or this is not the block that you trust */
    ANCHOR_NOT_IN_BLOCK,   /* the receipt is not in the block */
    ANCHOR_NOT_DONE,       /* the transaction failed */
    ANCHOR_NOT_IN_LOG,     /* the leaf is not in the log with this head */
    ANCHOR_OTHER_HEAD,     /* the event is of another contract or account, or of another head */
    ANCHOR_VERDICTS
};
const char *anchor_verdict_text(enum anchor_verdict v); /* a sentence; static */
struct anchor_shown {
    struct merkle_checkpoint head;
    struct vl_node_id signer;
    uint64_t chain, block, time_s; /* of the block, by its header */
    struct eth_address contract, sender;
    struct vl_hash block_name, tx;
    struct vl_span leaf; /* borrowed from what was checked; empty: none */
    uint64_t leaf_index;
    bool block_trusted; /* the caller's own knowledge of the block was compared */
};
/* Total: any bytes give a verdict.  block: the hash of the block as the caller knows it from elsewhere; NULL: the artefact's word for it, to be
 * compared by the caller.  *ret is filled as far as it was read. */
enum anchor_verdict anchor_artefact_check(struct vl_span in, const struct vl_hash *block, struct anchor_shown *ret);

#endif
