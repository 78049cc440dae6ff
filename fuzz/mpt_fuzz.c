/* Tries: any nodes give a verdict; a made proof holds, and holds for no other value, key or changed byte. */
#include "trust/mpt.h"

#include "crypto/keccak.h"

#include <stdlib.h>
#include <string.h>

/* Nodes as they come, the first of which gives the root: so that what lies behind the hash is reached. */
static void any(struct vl_reader r) {
    struct vl_span node[MPT_NODES_MAX], got;
    struct vl_hash root;
    uint8_t key[8];
    size_t key_n = mpt_key(vl_read_u32(&r), key);
    uint32_t n = 0;
    for (; r.n > 2 && n < MPT_NODES_MAX; n++) {
        size_t len = vl_read_u8(&r) * 8u;
        node[n] = vl_read_span(&r, len < r.n ? len : r.n);
    }
    if (n == 0) return;
    keccak_256(node[0], root.b);
    if (mpt_check(&root, vl_span(key, key_n), node, n, &got) == VL_OK && (got.n == 0 || got.p < node[n - 1].p || got.p + got.n > node[n - 1].p + node[n - 1].n)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static uint8_t bytes[512][40];
    struct vl_span item[512], node[MPT_NODES_MAX], got;
    struct mpt_proof way;
    struct vl_buf out;
    uint8_t key[8], other[8];
    struct vl_reader r = vl_reader(p, n);
    any(r);
    uint32_t many = vl_read_u32(&r), count = 1 + many % (many >> 28 ? 24u : 140u), at = vl_read_u32(&r) % count, flip = vl_read_u32(&r);
    if (r.failed) return 0;
    for (uint32_t i = 0; i < count; i++) {
        memset(bytes[i], (int)(i + 1), sizeof bytes[i]);
        memcpy(bytes[i], r.p, r.n < 32 ? r.n : 32);
        item[i] = vl_span(bytes[i], 32 + i % 9u);
    }
    vl_buf_init(&out, 1 << 20);
    if (mpt_prove(item, count, at, &out, &way) != VL_OK) abort();
    size_t used = 0;
    for (uint32_t i = 0; i < way.nodes; used += way.len[i++]) node[i] = vl_span(out.p + used, way.len[i]);
    struct vl_span k = vl_span(key, mpt_key(at, key));
    if (used != out.len || mpt_check(&way.root, k, node, way.nodes, &got) != VL_OK || !vl_span_eq(got, item[at])) abort();
    uint32_t wrong = flip % 70000u;
    if (wrong != at && mpt_check(&way.root, vl_span(other, mpt_key(wrong, other)), node, way.nodes, &got) == VL_OK && wrong >= count) abort();
    out.p[flip / 8 % out.len] ^= (uint8_t)(1u << flip % 8);
    if (mpt_check(&way.root, k, node, way.nodes, &got) == VL_OK) abort();
    vl_buf_free(&out);
    return 0;
}
