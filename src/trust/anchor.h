/* anchor.h - core: brings heads of the log of receipts onto a chain, one transaction at a time.
 * Pure: time comes in, what is to be asked of the chain comes out (anchor_next()), answers come in; without answers nothing is
 * lost, and the newest head goes first once they come again.  A transaction keeps its nonce until a block with it is deep
 * enough, whatever happens meanwhile: so it is counted once, also when it was sent twice or its fee was raised.
 * Units: wei per gas, vl_ms of the wall clock. */
#ifndef VL_TRUST_ANCHOR_H
#define VL_TRUST_ANCHOR_H

#include "base/bytes.h"
#include "base/id.h"
#include "base/ms.h"

#define ANCHOR_TRIES 16u /* transactions of one nonce; then the last is sent again as it is */
#define ANCHOR_BYTES_MAX 1024u

struct anchor_head {
    uint64_t size;
    struct vl_hash root;
};
struct anchor_rules {
    uint32_t depth;   /* blocks on top before an anchor counts, 1..1000 */
    vl_ms poll;       /* between questions; after one failed, too */
    vl_ms patience;   /* before the fee is raised by a tenth */
    uint64_t fee_cap; /* never offered more */
};
enum anchor_ask { ANCHOR_IDLE, ANCHOR_ASK_QUOTE, ANCHOR_SEND, ANCHOR_ASK_RECEIPT };
/* One of the transactions that were sent with this nonce. */
struct anchor_try {
    uint64_t tip, fee;
    struct vl_hash name; /* zeros until anchor_signed() */
};
struct anchor {
    struct anchor_rules rules;
    struct anchor_head newest, pending, done; /* size 0: none */
    uint64_t nonce, block;                    /* block: where `pending` was last seen, 0 for nowhere */
    struct vl_hash block_name;
    uint64_t done_block, reorgs; /* reorgs: how often a block with an anchor went away */
    uint32_t tries;              /* 0: no nonce yet */
    struct anchor_try tried[ANCHOR_TRIES];
    vl_ms sent_at, due;
    bool to_send, waiting; /* waiting: asked and not answered */
};

/* VL_ERANGE: rules out of range. */
VL_MUST_CHECK enum vl_err anchor_init(struct anchor *a, const struct anchor_rules *rules);
/* The log has grown; an older head is ignored. */
void anchor_head(struct anchor *a, const struct anchor_head *head);
/* What to ask now; each question is given out once and ends with an answer or anchor_failed().  ANCHOR_SEND: sign `pending`
 * with `nonce` and the fees of the last of `tried`, call anchor_signed(), save the state, and only then send. */
enum anchor_ask anchor_next(struct anchor *a, vl_ms now);
vl_ms anchor_due(const struct anchor *a); /* when to call next; VL_MS_NEVER: when something comes in */
/* VL_ESTATE: not asked. */
VL_MUST_CHECK enum vl_err anchor_quoted(struct anchor *a, uint64_t nonce, uint64_t tip, uint64_t fee);
VL_MUST_CHECK enum vl_err anchor_signed(struct anchor *a, const struct vl_hash *name);
VL_MUST_CHECK enum vl_err anchor_sent(struct anchor *a, vl_ms now);
/* Of any of the tries.  tip_block: the chain's newest.  found false: in no block now; when the
 * account's nonce has passed, somebody else used the key, and another nonce is asked for.  ok false: the contract refused it, and the nonce
 * is spent: the head is tried again with another once that is as deep.  VL_EPARSE: a block above the newest; counted as no answer. */
struct anchor_receipt {
    bool found, ok;
    uint64_t block, tip_block, nonce; /* nonce: the account's next one, asked before the receipts */
    struct vl_hash block_name;
};
VL_MUST_CHECK enum vl_err anchor_receipt(struct anchor *a, const struct anchor_receipt *r, vl_ms now);
/* No answer, or one that means nothing. */
void anchor_failed(struct anchor *a, vl_ms now);
/* All but the rules and what was asked: after a restart everything is asked again, and a transaction that was signed is sent again. */
VL_MUST_CHECK enum vl_err anchor_encode(const struct anchor *a, struct vl_buf *out);
/* Into one that anchor_init() made.  VL_EVERSION, VL_EPARSE: a is unchanged. */
VL_MUST_CHECK enum vl_err anchor_decode(struct vl_span in, struct anchor *a);

#endif
