/* Anchors as files: one made of a real development chain's answers is shown, and no changed one is. */
#include "trust/anchor_artefact.h"

#include "crypto/keccak.h"
#include "crypto/random.h"
#include "trust/eth_rpc.h"
#include "trust/json.h"
#include "trust/rlp.h"

#include "chain_answers.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

enum { ANCHOR_AT = 2, REFUSED_AT = 3, SIZE = 777 };

/* All that an artefact borrows from. */
struct kit {
    struct anchor_artefact a;
    struct crypto_sign_key key;
    struct eth_block block;
    struct vl_buf receipts, nodes, out;
    char text[MERKLE_CHECKPOINT_MAX];
};

static void prove(struct kit *k, uint32_t index) {
    struct vl_span one, item[8];
    struct mpt_proof way;
    size_t at[9] = { 0 }, used = 0;
    uint32_t n = 0;
    vl_buf_clear(&k->receipts);
    for (; n < sizeof chain_receipts / sizeof chain_receipts[0]; at[++n] = k->receipts.len) {
        CHECK(jspan_read(vl_span_str(chain_receipts[n]), &one));
        CHECK_OK(eth_rpc_receipt_bytes(one, &k->receipts));
    }
    for (uint32_t i = 0; i < n; i++) item[i] = vl_span(k->receipts.p + at[i], at[i + 1] - at[i]);
    vl_buf_clear(&k->nodes);
    CHECK_OK(mpt_prove(item, n, index, &k->nodes, &way));
    for (uint32_t i = 0; i < way.nodes; used += way.len[i++]) k->a.node[i] = vl_span(k->nodes.p + used, way.len[i]);
    k->a.nodes = way.nodes;
    k->a.tx_index = index;
}

static void sign(struct kit *k, uint64_t size, uint8_t last) {
    struct merkle_checkpoint c = { .origin = "village.test/receipts", .size = size, .time_ms = 1 };
    for (unsigned i = 0; i < 32; i++) c.root.b[i] = (uint8_t)(i % 16 * 0x11);
    c.root.b[31] = last;
    CHECK_OK(merkle_checkpoint_sign(&c, &k->key, k->text));
    k->a.checkpoint = vl_span_str(k->text);
}

static struct kit *kit(void) {
    static const uint8_t seed[32] = { 7 };
    struct kit *k = calloc(1, sizeof *k);
    struct vl_span v;
    CHECK_OK(crypto_init());
    vl_buf_init(&k->receipts, 1 << 16);
    vl_buf_init(&k->nodes, 1 << 16);
    vl_buf_init(&k->out, 1 << 17);
    crypto_sign_key_from_seed(seed, &k->key);
    k->a.signer = crypto_sign_node_id(&k->key);
    CHECK(jspan_read(vl_span_str(chain_block), &v));
    CHECK_OK(eth_rpc_read_block(v, &k->block));
    k->a.chain = 31337;
    k->a.block = k->block.number;
    k->a.block_name = k->block.name;
    k->a.header = vl_span(k->block.header, k->block.header_n);
    CHECK_OK(eth_address_parse(chain_contract, &k->a.contract));
    CHECK_OK(eth_address_parse(chain_owner, &k->a.sender));
    CHECK_OK(eth_block_transaction(&k->block, ANCHOR_AT, &k->a.tx));
    prove(k, ANCHOR_AT);
    sign(k, SIZE, 0xff);
    return k;
}

static void kit_free(struct kit *k) {
    vl_buf_free(&k->receipts);
    vl_buf_free(&k->nodes);
    vl_buf_free(&k->out);
    free(k);
}

static enum anchor_verdict judged(struct kit *k, const struct vl_hash *block, struct anchor_shown *s) {
    vl_buf_clear(&k->out);
    CHECK_OK(anchor_artefact_encode(&k->a, &k->out));
    return anchor_artefact_check(vl_span(k->out.p, k->out.len), block, s);
}

TEST(anchor_artefact, shows_a_head_in_a_real_block) {
    struct kit *k = kit();
    struct anchor_shown s;
    CHECK_EQ(ANCHOR_SHOWN, judged(k, &k->block.name, &s));
    CHECK(s.block_trusted && s.leaf.n == 0);
    CHECK_EQ(SIZE, s.head.size);
    CHECK_EQ(k->block.time, s.time_s);
    CHECK_EQ(31337, s.chain);
    CHECK_MEM("\x8a\x01", k->out.p, 2); /* what others keep */
    CHECK_MEM(k->a.sender.b, s.sender.b, 20);
    CHECK_EQ(ANCHOR_SHOWN, judged(k, NULL, &s)); /* fits together; of which chain, nobody said */
    CHECK(!s.block_trusted);
    kit_free(k);
}

TEST(anchor_artefact, says_what_does_not_hold) {
    struct kit *k = kit();
    struct anchor_shown s;
    struct vl_hash other = { { 1 } };
    const struct anchor_artefact good = k->a;
    CHECK_EQ(ANCHOR_OTHER_BLOCK, judged(k, &other, &s));
    k->a.block_name = other;
    CHECK_EQ(ANCHOR_OTHER_BLOCK, judged(k, NULL, &s));
    CHECK_EQ(ANCHOR_OTHER_BLOCK, judged(k, &other, &s));
    k->a = good;
    k->a.block++;
    CHECK_EQ(ANCHOR_OTHER_BLOCK, judged(k, NULL, &s));
    k->a = good;
    k->a.tx_index = 1;
    CHECK_EQ(ANCHOR_NOT_IN_BLOCK, judged(k, NULL, &s));
    k->a = good;
    k->a.log_index = 1;
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, NULL, &s));
    k->a = good;
    k->a.contract.b[19] ^= 1;
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, NULL, &s));
    k->a = good;
    k->a.sender.b[0] ^= 1;
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, NULL, &s));
    k->a = good;
    sign(k, SIZE + 1, 0xff);
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, NULL, &s));
    sign(k, SIZE, 0xfe);
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, NULL, &s));
    sign(k, SIZE, 0xff);
    k->a.signer.b[3] ^= 1;
    CHECK_EQ(ANCHOR_NOT_SIGNED, judged(k, NULL, &s));
    k->a = good;
    prove(k, REFUSED_AT);
    CHECK_EQ(ANCHOR_NOT_DONE, judged(k, NULL, &s));
    prove(k, 1); /* a transaction without events */
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, NULL, &s));
    k->a.nodes = 0;
    k->a.header.n = 0;
    CHECK_EQ(ANCHOR_NOT_PROVED, judged(k, &k->block.name, &s));
    for (int v = -1; v <= ANCHOR_VERDICTS; v++) CHECK(anchor_verdict_text((enum anchor_verdict)v)[0] != '\0');
    kit_free(k);
}

/* A block of the test's own with one receipt of one event. */
static void event_make(struct kit *k, const char *name, uint32_t topics, uint64_t status) {
    static const uint8_t bloom[256], other[32] = { 9 };
    uint8_t bytes[1024], items[1024], log[512], list[512], header[2048], node[1200], key[8];
    struct vl_writer w = vl_writer(list, sizeof list);
    uint8_t hash[32], sender[32] = { 0 };
    struct eth_word size = eth_word_u64(SIZE);
    struct merkle_checkpoint c;
    CHECK_OK(merkle_checkpoint_open(k->a.checkpoint, k->a.signer.b, &c));
    keccak_256(vl_span_str(name), hash);
    memcpy(sender + 12, k->a.sender.b, 20);
    const uint8_t *const topic[] = { hash, sender, c.root.b, other };
    for (uint32_t i = 0; i < topics; i++) rlp_put_bytes(&w, vl_span(topic[i], 32));
    struct vl_writer l = vl_writer(log, sizeof log);
    rlp_put_bytes(&l, vl_span(k->a.contract.b, 20));
    rlp_put_list(&l, vl_span(list, w.len));
    rlp_put_bytes(&l, vl_span(size.b, 32));
    w = vl_writer(bytes, sizeof bytes); /* the list of one log */
    rlp_put_list(&w, vl_span(log, l.len));
    struct vl_writer r = vl_writer(items, sizeof items);
    rlp_put_u64(&r, status);
    rlp_put_u64(&r, 50000);
    rlp_put_bytes(&r, vl_span(bloom, sizeof bloom));
    rlp_put_list(&r, vl_span(bytes, w.len));
    w = vl_writer(bytes, sizeof bytes);
    rlp_put_list(&w, vl_span(items, r.len));
    struct vl_writer n = vl_writer(items, sizeof items); /* a trie of one leaf */
    key[0] = 0x20;
    key[1] = 0x80;
    rlp_put_bytes(&n, vl_span(key, 2));
    rlp_put_bytes(&n, vl_span(bytes, w.len));
    struct vl_writer t = vl_writer(node, sizeof node);
    rlp_put_list(&t, vl_span(items, n.len));
    keccak_256(vl_span(node, t.len), hash);
    struct vl_writer h = vl_writer(items, sizeof items);
    for (unsigned i = 0; i < 15; i++) {
        if (i == 8 || i == 11) rlp_put_u64(&h, k->a.block);
        else rlp_put_bytes(&h, i == 5 ? vl_span(hash, 32) : vl_span(bloom, 32));
    }
    struct vl_writer all = vl_writer(header, sizeof header);
    rlp_put_list(&all, vl_span(items, h.len));
    CHECK(!w.failed && !r.failed && !n.failed && !t.failed && !h.failed && !all.failed);
    keccak_256(vl_span(header, all.len), k->a.block_name.b);
    k->a.tx_index = 0;
    k->a.nodes = 1;
    vl_buf_clear(&k->nodes);
    CHECK_OK(vl_buf_append(&k->nodes, node, t.len));
    CHECK_OK(vl_buf_append(&k->nodes, header, all.len));
    k->a.node[0] = vl_span(k->nodes.p, t.len);
    k->a.header = vl_span(k->nodes.p + t.len, all.len);
}

TEST(anchor_artefact, takes_the_event_of_the_contract_and_no_other) {
    struct kit *k = kit();
    struct anchor_shown s;
    event_make(k, ANCHOR_EVENT, 3, 1);
    CHECK_EQ(ANCHOR_SHOWN, judged(k, &k->a.block_name, &s));
    event_make(k, "Approved(address,bytes32,uint64)", 3, 1);
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, &k->a.block_name, &s));
    event_make(k, ANCHOR_EVENT, 4, 1);
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, &k->a.block_name, &s));
    event_make(k, ANCHOR_EVENT, 2, 1);
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, &k->a.block_name, &s));
    event_make(k, ANCHOR_EVENT, 3, 0);
    CHECK_EQ(ANCHOR_NOT_DONE, judged(k, &k->a.block_name, &s));
    event_make(k, ANCHOR_EVENT, 3, 1);
    k->a.nodes = 0; /* a header without a way, or a way without a header, is no artefact */
    CHECK_EQ(ANCHOR_UNREADABLE, judged(k, &k->a.block_name, &s));
    k->a.nodes = 1;
    k->a.header.n = 0;
    CHECK_EQ(ANCHOR_UNREADABLE, judged(k, &k->a.block_name, &s));
    kit_free(k);
}

TEST(anchor_artefact, binds_a_leaf_to_the_head) {
    struct kit *k = kit();
    struct anchor_shown s;
    struct vl_hash leaf = merkle_leaf(vl_span_str("a receipt")), other = { { 5 } };
    struct merkle_checkpoint c = { .origin = "village.test/receipts", .size = 2, .root = merkle_node(&other, &leaf), .time_ms = 1 };
    CHECK_OK(merkle_checkpoint_sign(&c, &k->key, k->text));
    k->a.checkpoint = vl_span_str(k->text);
    k->a.leaf = vl_span_str("a receipt");
    k->a.leaf_index = 1;
    k->a.proof_n = 1;
    k->a.proof[0] = other;
    CHECK_EQ(ANCHOR_OTHER_HEAD, judged(k, NULL, &s)); /* the leaf is in this log, which is not the anchored one */
    CHECK_EQ(1, s.leaf_index);
    CHECK(vl_span_eq(vl_span_str("a receipt"), s.leaf));
    k->a.leaf = vl_span_str("a recript");
    CHECK_EQ(ANCHOR_NOT_IN_LOG, judged(k, NULL, &s));
    CHECK_EQ(0, s.leaf.n);
    k->a.leaf = vl_span_str("a receipt");
    k->a.leaf_index = 0;
    CHECK_EQ(ANCHOR_NOT_IN_LOG, judged(k, NULL, &s));
    k->a.leaf_index = 2;
    CHECK_EQ(ANCHOR_NOT_IN_LOG, judged(k, NULL, &s));
    k->a.leaf_index = 1;
    k->a.proof_n = 2;
    CHECK_EQ(ANCHOR_NOT_IN_LOG, judged(k, NULL, &s));
    k->a.proof_n = MERKLE_PROOF_MAX + 1;
    CHECK_EQ(VL_ELIMIT, anchor_artefact_encode(&k->a, &k->out));
    kit_free(k);
}

/* What no signature and no hash covers: the name of the transaction and the number of the chain, which the caller reads and compares. */
static bool uncovered(const struct anchor_artefact *a, const struct vl_buf *b, size_t at) {
    size_t chain = 2 + 2 + a->checkpoint.n + 32, tx = chain + 8 + 20 + 20;
    CHECK(b->len > tx + 32);
    return (at >= chain && at < chain + 8) || (at >= tx && at < tx + 32);
}

TEST(anchor_artefact, is_not_shown_with_any_byte_changed_or_cut_but_those_that_it_only_tells) {
    struct kit *k = kit();
    struct anchor_shown s;
    uint32_t told = 0;
    CHECK_EQ(ANCHOR_SHOWN, judged(k, &k->block.name, &s));
    for (size_t i = 0; i < k->out.len; i++) {
        CHECK_EQ(ANCHOR_UNREADABLE, anchor_artefact_check(vl_span(k->out.p, i), &k->block.name, &s));
        for (unsigned bit = 0; bit < 8; bit += 3) {
            k->out.p[i] ^= (uint8_t)(1u << bit);
            bool shown = anchor_artefact_check(vl_span(k->out.p, k->out.len), &k->block.name, &s) == ANCHOR_SHOWN;
            CHECK_EQ(uncovered(&k->a, &k->out, i), shown);
            told += shown;
            k->out.p[i] ^= (uint8_t)(1u << bit);
        }
    }
    CHECK_EQ(3 * 40, told);
    CHECK_OK(vl_buf_append(&k->out, "", 1));
    CHECK_EQ(ANCHOR_UNREADABLE, anchor_artefact_check(vl_span(k->out.p, k->out.len), &k->block.name, &s));
    CHECK_EQ(ANCHOR_UNREADABLE, anchor_artefact_check(vl_span(NULL, 0), NULL, &s));
    kit_free(k);
}

TEST(anchor_artefact, comes_back_from_its_bytes) {
    struct kit *k = kit();
    struct anchor_artefact b;
    struct vl_buf again;
    k->a.leaf = vl_span_str("leaf");
    k->a.leaf_index = 1ull << 40;
    k->a.proof_n = 3;
    CHECK_OK(anchor_artefact_encode(&k->a, &k->out));
    CHECK_OK(anchor_artefact_decode(vl_span(k->out.p, k->out.len), &b));
    vl_buf_init(&again, 1 << 17);
    CHECK_OK(anchor_artefact_encode(&b, &again));
    CHECK(vl_span_eq(vl_span(k->out.p, k->out.len), vl_span(again.p, again.len)));
    k->a.node[0] = vl_span(calloc(1, ANCHOR_ARTEFACT_MAX), ANCHOR_ARTEFACT_MAX);
    size_t before = again.len;
    CHECK_EQ(VL_ELIMIT, anchor_artefact_encode(&k->a, &again));
    CHECK_EQ(before, again.len);
    free((void *)(uintptr_t)k->a.node[0].p);
    vl_buf_free(&again);
    kit_free(k);
}
