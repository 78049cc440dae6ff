/* eth_rpc.h - JSON-RPC of the Ethereum chain as text: what is asked, and what came back, read strictly.  Pure; who carries it is
 * os/http_post.h.  An answer comes from a server that may lie or be broken: it is one JSON value without doubled keys (trust/json.h),
 * numbers are "0x" and digits without leading zeros, bytes are "0x" and whole pairs; anything else is VL_EPARSE. */
#ifndef VL_TRUST_ETH_RPC_H
#define VL_TRUST_ETH_RPC_H

#include "base/bytes.h"
#include "base/id.h"
#include "trust/eth_tx.h"

#define ETH_RPC_ANSWER_MAX (16u << 20) /* receipts of a full block are about 1 MiB */
#define ETH_RPC_HEADER_MAX 2048u
#define ETH_RPC_TOPICS_MAX 4u

/* ---- asking: a whole request into out (emptied first).  Errors of appending. ---- */

VL_MUST_CHECK enum vl_err eth_rpc_chain_id(struct vl_buf *out, uint32_t id);
VL_MUST_CHECK enum vl_err eth_rpc_nonce(struct vl_buf *out, uint32_t id, const struct eth_address *of); /* in the newest block */
VL_MUST_CHECK enum vl_err eth_rpc_balance(struct vl_buf *out, uint32_t id, const struct eth_address *of);
VL_MUST_CHECK enum vl_err eth_rpc_tip_fee(struct vl_buf *out, uint32_t id);
/* What a call by `from` would take; to NULL: makes a contract. */
VL_MUST_CHECK enum vl_err eth_rpc_estimate(struct vl_buf *out, uint32_t id, const struct eth_address *from, const struct eth_address *to, struct vl_span data);
VL_MUST_CHECK enum vl_err eth_rpc_call(struct vl_buf *out, uint32_t id, const struct eth_address *to, struct vl_span data);
VL_MUST_CHECK enum vl_err eth_rpc_code(struct vl_buf *out, uint32_t id, const struct eth_address *of);
VL_MUST_CHECK enum vl_err eth_rpc_send(struct vl_buf *out, uint32_t id, struct vl_span transaction);
VL_MUST_CHECK enum vl_err eth_rpc_newest_block(struct vl_buf *out, uint32_t id);
VL_MUST_CHECK enum vl_err eth_rpc_block(struct vl_buf *out, uint32_t id, uint64_t number);
VL_MUST_CHECK enum vl_err eth_rpc_receipt(struct vl_buf *out, uint32_t id, const struct vl_hash *transaction);
/* All receipts of a block in one answer, where a server can: an array of what eth_rpc_read_receipt() reads. */
VL_MUST_CHECK enum vl_err eth_rpc_block_receipts(struct vl_buf *out, uint32_t id, uint64_t number);
/* Whether the server knows a transaction, be it in a block or not: null or an object. */
VL_MUST_CHECK enum vl_err eth_rpc_transaction(struct vl_buf *out, uint32_t id, const struct vl_hash *transaction);

/* ---- reading ---- */

/* The result (borrowed) of the answer with that id.  VL_EPARSE: none of JSON-RPC 2.0, or to another question; VL_EDENIED: the server
 * refused, `msg` has its words as printable ASCII. */
VL_MUST_CHECK enum vl_err eth_rpc_result(struct vl_span text, uint32_t id, struct vl_span *ret, struct vl_errmsg *msg);
/* Of what eth_rpc_result() gave.  VL_ERANGE: above 64 bits. */
VL_MUST_CHECK enum vl_err eth_rpc_read_u64(struct vl_span v, uint64_t *ret);
VL_MUST_CHECK enum vl_err eth_rpc_read_hash(struct vl_span v, struct vl_hash *ret);
/* VL_ELIMIT: more than cap bytes. */
VL_MUST_CHECK enum vl_err eth_rpc_read_bytes(struct vl_span v, uint8_t *dst, size_t cap, size_t *ret_n);

struct eth_block {
    uint64_t number, time, base_fee; /* time: seconds, by whoever made the block */
    struct vl_hash name, receipts;
    uint32_t transactions;
    struct vl_span names; /* of the transactions, borrowed: eth_block_transaction() */
    uint8_t header[ETH_RPC_HEADER_MAX]; /* RLP; header_n 0: its Keccak-256 is not `name`, so this chain has fields that are not known here */
    size_t header_n;
};
/* VL_ENOTFOUND: null. */
VL_MUST_CHECK enum vl_err eth_rpc_read_block(struct vl_span v, struct eth_block *ret);
VL_MUST_CHECK enum vl_err eth_block_transaction(const struct eth_block *b, uint32_t index, struct vl_hash *ret);

struct eth_receipt {
    bool ok;
    uint64_t block;
    struct vl_hash name, block_name; /* name: of the transaction */
    uint32_t index;                  /* of the transaction in its block */
    uint64_t gas;
    struct vl_span logs; /* borrowed */
};
/* VL_ENOTFOUND: null, in no block. */
VL_MUST_CHECK enum vl_err eth_rpc_read_receipt(struct vl_span v, struct eth_receipt *ret);
/* As it is hashed into the block (EIP-2718, EIP-658), appended to out. */
VL_MUST_CHECK enum vl_err eth_rpc_receipt_bytes(struct vl_span v, struct vl_buf *out);

/* A block's header, read back: its parts that an anchor needs.  VL_EPARSE. */
struct eth_header {
    uint64_t number, time;
    struct vl_hash receipts;
};
VL_MUST_CHECK enum vl_err eth_header_read(struct vl_span rlp, struct eth_header *ret);
/* The same of a receipt.  Logs one by one: eth_log_next().  VL_EPARSE; ok: its transaction was carried out. */
VL_MUST_CHECK enum vl_err eth_receipt_read(struct vl_span bytes, bool *ret_ok, struct vl_reader *ret_logs);
struct eth_log {
    struct eth_address address;
    uint32_t topics;
    struct eth_word topic[ETH_RPC_TOPICS_MAX];
    struct vl_span data; /* borrowed */
};
VL_MUST_CHECK enum vl_err eth_log_next(struct vl_reader *logs, struct eth_log *ret);

#endif
