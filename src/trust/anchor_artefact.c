#include "trust/anchor_artefact.h"

#include "crypto/keccak.h"
#include "trust/eth_rpc.h"
#include "wire/pack.h"

#include <string.h>

enum { TAG = 0x8a, VERSION = 1 };

enum vl_err anchor_artefact_encode(const struct anchor_artefact *a, struct vl_buf *out) {
    size_t before = out->len;
    if (a->nodes > MPT_NODES_MAX || a->proof_n > MERKLE_PROOF_MAX || a->leaf.n > ANCHOR_LEAF_MAX) return VL_ELIMIT;
    struct pack w = pack_message(out, TAG, VERSION);
    pack_span16(&w, a->checkpoint);
    pack_bytes(&w, a->signer.b, sizeof a->signer.b);
    pack_u64(&w, a->chain);
    pack_bytes(&w, a->contract.b, sizeof a->contract.b);
    pack_bytes(&w, a->sender.b, sizeof a->sender.b);
    pack_bytes(&w, a->tx.b, sizeof a->tx.b);
    pack_u64(&w, a->block);
    pack_bytes(&w, a->block_name.b, sizeof a->block_name.b);
    pack_u32(&w, a->tx_index);
    pack_u32(&w, a->log_index);
    pack_span16(&w, a->header);
    pack_u8(&w, (uint8_t)a->nodes);
    for (uint32_t i = 0; i < a->nodes; i++) pack_span32(&w, a->node[i]);
    pack_span16(&w, a->leaf);
    pack_u64(&w, a->leaf_index);
    pack_u8(&w, (uint8_t)a->proof_n);
    for (uint32_t i = 0; i < a->proof_n; i++) pack_bytes(&w, a->proof[i].b, sizeof a->proof[i].b);
    enum vl_err err = pack_end(&w);
    if (err == VL_OK && out->len - before > ANCHOR_ARTEFACT_MAX) {
        out->len = before;
        err = VL_ELIMIT;
    }
    return err;
}

static struct eth_address get_address(struct vl_reader *r) {
    struct eth_address a;
    vl_read_bytes(r, a.b, sizeof a.b);
    return a;
}

enum vl_err anchor_artefact_decode(struct vl_span in, struct anchor_artefact *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct anchor_artefact a = { 0 };
    if (in.n > ANCHOR_ARTEFACT_MAX) return VL_EPARSE;
    enum vl_err err = unpack_message(&r, TAG, VERSION);
    if (err) return err;
    a.checkpoint = unpack_span16(&r, MERKLE_CHECKPOINT_MAX - 1);
    a.signer = unpack_node(&r);
    a.chain = vl_read_u64(&r);
    a.contract = get_address(&r);
    a.sender = get_address(&r);
    a.tx = unpack_hash(&r);
    a.block = vl_read_u64(&r);
    a.block_name = unpack_hash(&r);
    a.tx_index = vl_read_u32(&r);
    a.log_index = vl_read_u32(&r);
    a.header = unpack_span16(&r, ETH_RPC_HEADER_MAX);
    a.nodes = unpack_u8_in(&r, 0, MPT_NODES_MAX);
    for (uint32_t i = 0; i < a.nodes; i++) a.node[i] = unpack_span32(&r, ANCHOR_ARTEFACT_MAX);
    unpack_require(&r, (a.header.n == 0) == (a.nodes == 0));
    a.leaf = unpack_span16(&r, ANCHOR_LEAF_MAX);
    a.leaf_index = vl_read_u64(&r);
    a.proof_n = unpack_u8_in(&r, 0, MERKLE_PROOF_MAX);
    for (uint32_t i = 0; i < a.proof_n; i++) a.proof[i] = unpack_hash(&r);
    unpack_require(&r, a.leaf.n > 0 || (a.leaf_index == 0 && a.proof_n == 0));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = a;
    return err;
}

const char *anchor_verdict_text(enum anchor_verdict v) {
    static const char *const text[ANCHOR_VERDICTS] = {
        [ANCHOR_SHOWN] = "this block contains this head",
        [ANCHOR_UNREADABLE] = "this is no anchor, or one of a newer version",
        [ANCHOR_NOT_SIGNED] = "the head is not signed by the node that it names",
        [ANCHOR_NOT_PROVED] = "it names a block without a proof: ask a node of the chain",
        [ANCHOR_OTHER_BLOCK] = "the header is not that of this block",
        [ANCHOR_NOT_IN_BLOCK] = "the receipt is not proved to be in this block",
        [ANCHOR_NOT_DONE] = "the transaction was refused by the contract",
        [ANCHOR_NOT_IN_LOG] = "the leaf is not in the log that has this head",
        [ANCHOR_OTHER_HEAD] = "the event is of another contract, account or head",
    };
    return (unsigned)v < ANCHOR_VERDICTS ? text[v] : "no such verdict";
}

/* The event at its place among the receipt's logs. */
static bool event_fits(struct vl_reader logs, const struct anchor_artefact *a, const struct merkle_checkpoint *head) {
    struct eth_log log;
    struct eth_word sender = { { 0 } }, size = eth_word_u64(head->size);
    uint8_t name[32];
    for (uint32_t i = 0;; i++) {
        if (eth_log_next(&logs, &log) != VL_OK) return false;
        if (i == a->log_index) break;
    }
    keccak_256(vl_span_str(ANCHOR_EVENT), name);
    memcpy(sender.b + 12, a->sender.b, sizeof a->sender.b);
    return memcmp(log.address.b, a->contract.b, sizeof log.address.b) == 0 && log.topics == 3 && memcmp(log.topic[0].b, name, 32) == 0 &&
           memcmp(log.topic[1].b, sender.b, 32) == 0 && memcmp(log.topic[2].b, head->root.b, 32) == 0 &&
           vl_span_eq(log.data, vl_span(size.b, sizeof size.b));
}

static enum anchor_verdict proof_check(const struct anchor_artefact *a, struct anchor_shown *s) {
    struct eth_header header;
    struct vl_span receipt;
    struct vl_reader logs;
    uint8_t name[32], key[8];
    bool ok = false;
    keccak_256(a->header, name);
    if (memcmp(name, a->block_name.b, sizeof name) != 0 || eth_header_read(a->header, &header) != VL_OK || header.number != a->block) return ANCHOR_OTHER_BLOCK;
    s->time_s = header.time;
    if (mpt_check(&header.receipts, vl_span(key, mpt_key(a->tx_index, key)), a->node, a->nodes, &receipt) != VL_OK) return ANCHOR_NOT_IN_BLOCK;
    if (eth_receipt_read(receipt, &ok, &logs) != VL_OK) return ANCHOR_NOT_IN_BLOCK;
    if (!ok) return ANCHOR_NOT_DONE;
    return event_fits(logs, a, &s->head) ? ANCHOR_SHOWN : ANCHOR_OTHER_HEAD;
}

enum anchor_verdict anchor_artefact_check(struct vl_span in, const struct vl_hash *block, struct anchor_shown *ret) {
    struct anchor_artefact a;
    memset(ret, 0, sizeof *ret);
    if (anchor_artefact_decode(in, &a) != VL_OK) return ANCHOR_UNREADABLE;
    ret->signer = a.signer;
    ret->chain = a.chain;
    ret->block = a.block;
    ret->contract = a.contract;
    ret->sender = a.sender;
    ret->block_name = a.block_name;
    ret->tx = a.tx;
    if (merkle_checkpoint_open(a.checkpoint, a.signer.b, &ret->head) != VL_OK) return ANCHOR_NOT_SIGNED;
    if (a.leaf.n > 0) {
        struct vl_hash leaf = merkle_leaf(a.leaf);
        if (merkle_inclusion_check(a.leaf_index, ret->head.size, &leaf, a.proof, a.proof_n, &ret->head.root) != VL_OK) return ANCHOR_NOT_IN_LOG;
        ret->leaf = a.leaf;
        ret->leaf_index = a.leaf_index;
    }
    if (block != NULL && !vl_hash_eq(*block, a.block_name)) return ANCHOR_OTHER_BLOCK;
    ret->block_trusted = block != NULL;
    return a.nodes == 0 ? ANCHOR_NOT_PROVED : proof_check(&a, ret);
}
