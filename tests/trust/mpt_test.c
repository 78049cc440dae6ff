/* Tries of receipts against roots of a real development chain: proofs of every item hold, and nothing else does. */
#include "trust/mpt.h"

#include "base/text.h"
#include "crypto/keccak.h"
#include "trust/rlp.h"

#include "chain_answers.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

#define ITEM_MAX 300u
#define ITEMS_MAX 300u

/* Receipts of n plain transactions of type 2. */
struct receipts {
    uint8_t bytes[ITEMS_MAX][ITEM_MAX];
    struct vl_span item[ITEMS_MAX];
};

static void fill(struct receipts *r, uint32_t n) {
    static const uint8_t bloom[256];
    for (uint32_t i = 0; i < n; i++) {
        uint8_t items[ITEM_MAX];
        struct vl_writer w = vl_writer(items, sizeof items), out = vl_writer(r->bytes[i], ITEM_MAX);
        rlp_put_u64(&w, 1);
        rlp_put_u64(&w, 21000ull * (i + 1));
        rlp_put_bytes(&w, vl_span(bloom, sizeof bloom));
        rlp_put_list(&w, vl_span(NULL, 0));
        vl_write_u8(&out, 2);
        rlp_put_list(&out, vl_span(items, w.len));
        CHECK(!w.failed && !out.failed);
        r->item[i] = vl_span(r->bytes[i], out.len);
    }
}

static uint32_t split(const struct mpt_proof *p, const struct vl_buf *b, struct vl_span node[MPT_NODES_MAX]) {
    size_t at = 0;
    for (uint32_t i = 0; i < p->nodes; at += p->len[i++]) node[i] = vl_span(b->p + at, p->len[i]);
    CHECK_EQ(b->len, at);
    return p->nodes;
}

TEST(mpt, has_the_roots_of_the_chain_and_proves_every_receipt) {
    struct receipts *r = malloc(sizeof *r);
    struct vl_buf b;
    struct mpt_proof p;
    struct vl_span node[MPT_NODES_MAX], got;
    char root[65];
    uint8_t key[8];
    vl_buf_init(&b, 1 << 16);
    for (size_t k = 0; k < sizeof chain_roots / sizeof chain_roots[0]; k++) {
        uint32_t n = chain_roots[k].n;
        fill(r, n);
        for (uint32_t i = 0; i < n; i += n > 20 && i > 2 && i + 3 < n && (i < 126 || i > 129) ? 7 : 1) { /* all, or those where keys change their form */
            vl_buf_clear(&b);
            CHECK_OK(mpt_prove(r->item, n, i, &b, &p));
            vl_hex_encode(p.root.b, 32, root);
            CHECK_STR(chain_roots[k].root, root);
            CHECK_OK(mpt_check(&p.root, vl_span(key, mpt_key(i, key)), node, split(&p, &b, node), &got));
            CHECK(vl_span_eq(r->item[i], got));
            CHECK_EQ(VL_ECRYPTO, mpt_check(&p.root, vl_span(key, mpt_key(i + 1, key)), node, p.nodes, &got));
        }
    }
    vl_buf_free(&b);
    free(r);
}

TEST(mpt, refuses_every_changed_bit_a_missing_and_a_further_node) {
    struct receipts *r = malloc(sizeof *r);
    struct vl_buf b;
    struct mpt_proof p;
    struct vl_span node[MPT_NODES_MAX], got;
    uint8_t key[8];
    vl_buf_init(&b, 1 << 16);
    fill(r, 200);
    CHECK_OK(mpt_prove(r->item, 200, 170, &b, &p));
    struct vl_span k = vl_span(key, mpt_key(170, key));
    uint32_t n = split(&p, &b, node);
    CHECK(n >= 3);
    CHECK_OK(mpt_check(&p.root, k, node, n, &got));
    for (size_t i = 0; i < 8 * b.len; i++) {
        b.p[i / 8] ^= (uint8_t)(1u << i % 8);
        CHECK_EQ(VL_ECRYPTO, mpt_check(&p.root, k, node, n, &got));
        b.p[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    CHECK_EQ(VL_ECRYPTO, mpt_check(&p.root, k, node, n - 1, &got));
    CHECK_EQ(VL_ECRYPTO, mpt_check(&p.root, k, node + 1, n - 1, &got));
    CHECK_EQ(VL_ECRYPTO, mpt_check(&p.root, k, node, 0, &got));
    node[n] = node[n - 1];
    CHECK_EQ(VL_ECRYPTO, mpt_check(&p.root, k, node, n + 1, &got));
    CHECK_EQ(VL_ECRYPTO, mpt_check(&p.root, vl_span(key, 0), node, n, &got));
    CHECK_EQ(VL_ERANGE, mpt_check(&p.root, k, node, MPT_NODES_MAX + 1, &got));
    uint8_t long_key[MPT_KEY_MAX + 1] = { 0 };
    CHECK_EQ(VL_ERANGE, mpt_check(&p.root, vl_span(long_key, sizeof long_key), node, n, &got));
    vl_buf_free(&b);
    free(r);
}

/* A trie of one leaf with that path; key 0 has the nibbles 8, 0. */
static enum vl_err leaf_with(const uint8_t *path, size_t n, struct vl_span key) {
    static const uint8_t value[40] = { 7 };
    uint8_t items[128], node[160];
    struct vl_writer w = vl_writer(items, sizeof items), out = vl_writer(node, sizeof node);
    struct vl_hash root;
    struct vl_span whole, got;
    rlp_put_bytes(&w, vl_span(path, n));
    rlp_put_bytes(&w, vl_span(value, sizeof value));
    rlp_put_list(&out, vl_span(items, w.len));
    whole = vl_span(node, out.len);
    keccak_256(whole, root.b);
    return mpt_check(&root, key, &whole, 1, &got);
}

TEST(mpt, takes_paths_in_their_one_form_and_to_the_end_of_the_key) {
    static const uint8_t key[] = { 0x80 }, longer[] = { 0x80, 0x11 };
    struct vl_span k = vl_span(key, 1);
    CHECK_OK(leaf_with((const uint8_t[]){ 0x20, 0x80 }, 2, k));
    CHECK_EQ(VL_ECRYPTO, leaf_with((const uint8_t[]){ 0x60, 0x80 }, 2, k)); /* a flag that is none */
    CHECK_EQ(VL_ECRYPTO, leaf_with((const uint8_t[]){ 0x21, 0x80 }, 2, k)); /* what fills up is not zero */
    CHECK_EQ(VL_ECRYPTO, leaf_with((const uint8_t[]){ 0x38 }, 1, k));       /* half of the key */
    CHECK_EQ(VL_ECRYPTO, leaf_with((const uint8_t[]){ 0x20, 0x80 }, 2, vl_span(longer, 2)));
    CHECK_EQ(VL_ECRYPTO, leaf_with((const uint8_t[]){ 0x20, 0x80, 0x00 }, 3, k)); /* more than the key */
    CHECK_EQ(VL_ECRYPTO, leaf_with((const uint8_t[]){ 0x00, 0x80 }, 2, k)); /* an extension */
    CHECK_EQ(VL_ECRYPTO, leaf_with((const uint8_t[]){ 0x20, 0x81 }, 2, k));
    CHECK_EQ(VL_ECRYPTO, leaf_with(NULL, 0, k));
}

TEST(mpt, proves_nothing_beyond_its_items_or_of_short_ones) {
    struct receipts *r = malloc(sizeof *r);
    struct vl_buf b;
    struct mpt_proof p;
    vl_buf_init(&b, 1 << 16);
    fill(r, 3);
    CHECK_EQ(VL_ERANGE, mpt_prove(r->item, 3, 3, &b, &p));
    CHECK_EQ(VL_ERANGE, mpt_prove(r->item, 0, 0, &b, &p));
    CHECK_EQ(VL_ERANGE, mpt_prove(r->item, MPT_ITEMS_MAX + 1, 0, &b, &p));
    r->item[1].n = 31;
    CHECK_EQ(VL_ERANGE, mpt_prove(r->item, 3, 0, &b, &p));
    vl_buf_free(&b);
    vl_buf_init(&b, 40);
    fill(r, 3);
    CHECK_EQ(VL_ELIMIT, mpt_prove(r->item, 3, 0, &b, &p));
    CHECK_EQ(0, b.len);
    vl_buf_free(&b);
    free(r);
}
