#include "trust/mpt.h"

#include "crypto/keccak.h"
#include "trust/rlp.h"

#include <stdlib.h>
#include <string.h>

enum { LEAF = 2, ODD = 1, BRANCH = 16 };

static unsigned nibble(struct vl_span key, size_t i) { return i % 2 ? key.p[i / 2] & 15u : key.p[i / 2] >> 4; }

/* ---- checking --------------------------------------------------------------------------------------------------------- */

/* A path (hex prefix encoding) must be the key's nibbles from *at on; *at moves behind them. */
static bool path_fits(struct vl_span path, struct vl_span key, size_t *at, bool *ret_leaf) {
    if (path.n == 0) return false;
    unsigned flag = path.p[0] >> 4;
    if (flag > 3 || (!(flag & ODD) && (path.p[0] & 15) != 0)) return false;
    for (size_t i = flag & ODD ? 1 : 2; i < 2 * path.n; i++, ++*at)
        if (*at >= 2 * key.n || nibble(path, i) != nibble(key, *at)) return false;
    *ret_leaf = flag & LEAF;
    return true;
}

struct walk {
    struct vl_span key;
    size_t at;           /* nibbles gone */
    bool done;
    struct vl_span value;
    struct rlp_item next; /* the reference to follow */
};

/* One node: a list of 17 or of 2 items. */
static bool step(struct vl_reader node, struct walk *w) {
    struct rlp_item item[BRANCH + 1];
    uint32_t n = 0;
    for (; node.n > 0; n++)
        if (n > BRANCH || rlp_next(&node, &item[n]) != VL_OK) return false;
    if (n == BRANCH + 1) {
        w->done = w->at == 2 * w->key.n;
        w->next = item[w->done ? BRANCH : nibble(w->key, w->at++)];
    } else if (n == 2 && !item[0].list) {
        if (!path_fits(item[0].body, w->key, &w->at, &w->done)) return false;
        if (w->done && w->at != 2 * w->key.n) return false;
        w->next = item[1];
    } else {
        return false;
    }
    if (!w->done) return true;
    w->value = w->next.body;
    return !w->next.list && w->value.n > 0;
}

enum vl_err mpt_check(const struct vl_hash *root, struct vl_span key, const struct vl_span *node, uint32_t n, struct vl_span *ret) {
    struct walk w = { .key = key, .next = { .body = { root->b, sizeof root->b } } };
    uint8_t name[32];
    if (key.n > MPT_KEY_MAX || n > MPT_NODES_MAX) return VL_ERANGE;
    for (uint32_t i = 0; !w.done;) {
        struct vl_reader r;
        if (w.next.list) { /* shorter than its hash would be: it stands in its parent */
            r = vl_reader(w.next.body.p, w.next.body.n);
        } else {
            if (i == n || w.next.body.n != sizeof name) return VL_ECRYPTO;
            keccak_256(node[i], name);
            if (memcmp(name, w.next.body.p, sizeof name) != 0) return VL_ECRYPTO;
            struct vl_reader whole = vl_reader(node[i].p, node[i].n);
            if (rlp_next_list(&whole, &r) != VL_OK || vl_reader_end(&whole) != VL_OK) return VL_ECRYPTO;
            i++;
        }
        if (!step(r, &w)) return VL_ECRYPTO;
        if (w.done && i != n) return VL_ECRYPTO;
    }
    *ret = w.value;
    return VL_OK;
}

/* ---- proving ------------------------------------------------------------------------------------------------------------ */

size_t mpt_key(uint32_t at, uint8_t ret[8]) {
    struct vl_writer w = vl_writer(ret, 8);
    rlp_put_u64(&w, at);
    return w.len;
}

struct trie {
    const struct vl_span *item;
    uint32_t n, at;
    uint32_t *order; /* items by key */
    struct vl_buf node[MPT_NODES_MAX]; /* on the way to `at`, the deepest first */
    uint32_t nodes;
};

static struct vl_span key_of(const struct trie *t, uint32_t i, uint8_t buf[8]) { return vl_span(buf, mpt_key(t->order[i], buf)); }

/* Keys in order: 1..127 are their own byte, 0 is 0x80, from 128 on there is a length before. */
static void sort(struct trie *t) {
    uint32_t k = 0;
    for (uint32_t i = 1; i < t->n && i < 128; i++) t->order[k++] = i;
    t->order[k++] = 0;
    for (uint32_t i = 128; i < t->n; i++) t->order[k++] = i;
}

/* Path nibbles from..to of a key. */
static struct vl_span path_make(struct vl_span key, size_t from, size_t to, bool leaf, uint8_t buf[MPT_KEY_MAX + 1]) {
    size_t n = to - from, k = 0;
    unsigned flag = (leaf ? LEAF : 0u) | (n % 2 ? ODD : 0u);
    buf[k++] = (uint8_t)(flag << 4 | (n % 2 ? nibble(key, from++) : 0));
    for (; from < to; from += 2) buf[k++] = (uint8_t)(nibble(key, from) << 4 | nibble(key, from + 1));
    return vl_span(buf, k);
}

/* A node is done: what its parent writes is its bytes when they are short, else their hash. */
static enum vl_err node_end(struct trie *t, struct vl_span items, bool on_way, struct vl_buf *ref) {
    struct vl_buf b;
    uint8_t name[32];
    vl_buf_init(&b, items.n + 16);
    enum vl_err err = vl_buf_reserve(&b, items.n + 16);
    if (err) return err;
    struct vl_writer w = vl_writer(b.p, b.cap);
    rlp_put_list(&w, items);
    b.len = w.len;
    vl_buf_clear(ref);
    keccak_256(vl_span(b.p, b.len), name);
    if (b.len < 32) {
        err = vl_buf_append(ref, b.p, b.len);
    } else if ((err = vl_buf_reserve(ref, 33)) == VL_OK) {
        ref->p[0] = 0xa0;
        memcpy(ref->p + 1, name, sizeof name);
        ref->len = 33;
    }
    if (err == VL_OK && on_way && b.len >= 32) {
        if (t->nodes == MPT_NODES_MAX) err = VL_ELIMIT;
        else t->node[t->nodes++] = b;
        if (err == VL_OK) return VL_OK;
    }
    vl_buf_free(&b);
    return err;
}

static enum vl_err put(struct vl_buf *b, struct vl_span v) {
    enum vl_err err = vl_buf_reserve(b, v.n + 9);
    if (err) return err;
    struct vl_writer w = vl_writer(b->p + b->len, b->cap - b->len);
    rlp_put_bytes(&w, v);
    b->len += w.len;
    return VL_OK;
}

static enum vl_err build(struct trie *t, uint32_t lo, uint32_t hi, size_t depth, struct vl_buf *ref);

static enum vl_err branch(struct trie *t, uint32_t lo, uint32_t hi, size_t depth, struct vl_buf *items, struct vl_buf *ref) {
    enum vl_err err = VL_OK;
    uint8_t buf[8];
    for (unsigned v = 0; err == VL_OK && v < BRANCH; v++) {
        uint32_t end = lo;
        while (end < hi && nibble(key_of(t, end, buf), depth) == v) end++;
        if (end == lo) {
            err = put(items, vl_span(NULL, 0));
            continue;
        }
        err = build(t, lo, end, depth + 1, ref);
        if (err == VL_OK) err = vl_buf_append(items, ref->p, ref->len);
        lo = end;
    }
    return err ? err : put(items, vl_span(NULL, 0));
}

/* The node over the items lo..hi - 1 in order, whose keys are alike in their first `depth` nibbles.  Depth of recursion: nibbles of a key. */
static enum vl_err build(struct trie *t, uint32_t lo, uint32_t hi, size_t depth, struct vl_buf *ref) {
    struct vl_buf items;
    uint8_t a[8], b[8], path[MPT_KEY_MAX + 1];
    struct vl_span first = key_of(t, lo, a), last = key_of(t, hi - 1, b);
    bool on_way = false;
    for (uint32_t i = lo; i < hi; i++) on_way |= t->order[i] == t->at;
    size_t same = depth;
    while (hi - lo > 1 && nibble(first, same) == nibble(last, same)) same++; /* no key begins another: it ends before they do */
    vl_buf_init(&items, SIZE_MAX / 4);
    enum vl_err err;
    if (hi - lo == 1) {
        err = put(&items, path_make(first, depth, 2 * first.n, true, path));
        if (err == VL_OK) err = put(&items, t->item[t->order[lo]]);
    } else if (same > depth) {
        err = build(t, lo, hi, same, ref);
        if (err == VL_OK) err = put(&items, path_make(first, depth, same, false, path));
        if (err == VL_OK) err = vl_buf_append(&items, ref->p, ref->len);
    } else {
        err = branch(t, lo, hi, depth, &items, ref);
    }
    if (err == VL_OK) err = node_end(t, vl_span(items.p, items.len), on_way, ref);
    vl_buf_free(&items);
    return err;
}

static enum vl_err proof_take(struct trie *t, struct vl_buf *out, struct mpt_proof *ret) {
    enum vl_err err = VL_OK;
    size_t before = out->len;
    for (uint32_t i = 0; err == VL_OK && i < t->nodes; i++) { /* the root was built last */
        const struct vl_buf *b = &t->node[t->nodes - 1 - i];
        ret->len[i] = b->len;
        err = vl_buf_append(out, b->p, b->len);
    }
    if (err) out->len = before;
    return err;
}

enum vl_err mpt_prove(const struct vl_span *item, uint32_t n, uint32_t at, struct vl_buf *out, struct mpt_proof *ret) {
    struct trie t = { .item = item, .n = n, .at = at };
    struct vl_buf ref;
    if (n == 0 || n > MPT_ITEMS_MAX || at >= n) return VL_ERANGE;
    for (uint32_t i = 0; i < n; i++)
        if (item[i].n < 32) return VL_ERANGE; /* so that no node is short, and the root has a hash of its own */
    t.order = calloc(n, sizeof *t.order);
    vl_buf_init(&ref, 64);
    enum vl_err err = t.order ? VL_OK : VL_ENOMEM;
    if (err == VL_OK) {
        sort(&t);
        err = build(&t, 0, n, 0, &ref);
    }
    if (err == VL_OK) {
        memcpy(ret->root.b, ref.p + 1, sizeof ret->root.b);
        ret->nodes = t.nodes;
        err = proof_take(&t, out, ret);
    }
    for (uint32_t i = 0; i < t.nodes; i++) vl_buf_free(&t.node[i]);
    vl_buf_free(&ref);
    free(t.order);
    return err;
}
