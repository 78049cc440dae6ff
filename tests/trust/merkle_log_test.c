/* The receipt log against the test tree of RFC 6962 implementations, against the recursive definition written down again here,
 * and against forged proofs. */
#include "trust/merkle_log.h"

#include "base/text.h"
#include "crypto/hash.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A log with the tiles it gave out. */
struct shelf {
    struct merkle_log log;
    struct vl_buf tiles[MERKLE_LEVELS];
    struct vl_hash *leaf;
};

static void shelf_add(struct shelf *s, struct vl_span leaf, uint64_t max) {
    struct merkle_tile full[MERKLE_LEVELS];
    uint32_t n = 0;
    if (s->leaf == NULL) s->leaf = calloc(max, sizeof *s->leaf);
    struct vl_hash h = merkle_leaf(leaf);
    s->leaf[s->log.size] = h;
    CHECK_OK(merkle_log_append(&s->log, &h, full, &n));
    for (uint32_t i = 0; i < n; i++) {
        struct vl_buf *b = &s->tiles[full[i].level];
        if (b->max == 0) vl_buf_init(b, 1u << 30);
        CHECK_EQ(b->len / MERKLE_TILE_BYTES, full[i].index); /* in order, none left out */
        CHECK_OK(vl_buf_append(b, full[i].node, MERKLE_TILE_BYTES));
    }
}

static void shelf_free(struct shelf *s) {
    for (unsigned i = 0; i < MERKLE_LEVELS; i++)
        if (s->tiles[i].max) vl_buf_free(&s->tiles[i]);
    free(s->leaf);
}

static uint32_t shelf_prove(const struct shelf *s, const struct merkle_plan *p, struct vl_hash *ret) {
    struct vl_hash node[MERKLE_PLAN_MAX];
    for (uint32_t i = 0; i < p->n; i++) {
        uint8_t level;
        uint64_t tile;
        if (merkle_log_node(&s->log, p->at[i].height, p->at[i].index, &node[i])) continue;
        merkle_tile_of(p->at[i].height, p->at[i].index, &level, &tile);
        CHECK((tile + 1) * MERKLE_TILE_BYTES <= s->tiles[level].len);
        CHECK_OK(merkle_tile_node(vl_span(s->tiles[level].p + tile * MERKLE_TILE_BYTES, MERKLE_TILE_BYTES), p->at[i].height,
                                  p->at[i].index, &node[i]));
    }
    merkle_plan_fold(p, node, ret);
    return p->items;
}

/* RFC 9162 section 2.1.1, word for word. */
static struct vl_hash mth(const struct vl_hash *leaf, uint64_t n) {
    uint64_t k = 1;
    if (n == 1) return leaf[0];
    while (k * 2 < n) k *= 2;
    struct vl_hash l = mth(leaf, k), r = mth(leaf + k, n - k);
    uint8_t p[65] = { 1 };
    memcpy(p + 1, l.b, 32);
    memcpy(p + 33, r.b, 32);
    crypto_sha256(vl_span(p, 65), l.b);
    return l;
}

TEST(merkle, heads_of_the_known_test_tree) {
    static const struct {
        const char *leaf, *root;
    } known[] = {
        { "", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
        { "00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
        { "10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
        { "2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
        { "3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
        { "40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
        { "5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
        { "606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
    };
    struct shelf s = { .leaf = NULL };
    char hex[65];
    merkle_log_init(&s.log);
    struct vl_hash root = merkle_log_root(&s.log);
    vl_hex_encode(root.b, 32, hex);
    CHECK_STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hex);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint8_t leaf[16];
        CHECK_OK(vl_hex_decode(known[i].leaf, leaf, strlen(known[i].leaf) / 2));
        shelf_add(&s, vl_span(leaf, strlen(known[i].leaf) / 2), 8);
        root = merkle_log_root(&s.log);
        vl_hex_encode(root.b, 32, hex);
        CHECK_STR(known[i].root, hex);
    }
    shelf_free(&s);
}

TEST(merkle, every_leaf_is_proved_in_every_size_and_every_size_in_every_later_one) {
    enum { MAX = 290 };
    struct shelf s = { .leaf = NULL };
    struct vl_hash proof[MERKLE_PROOF_MAX + 1], roots[MAX + 1];
    struct merkle_plan p;
    merkle_log_init(&s.log);
    for (uint32_t n = 1; n <= MAX; n++) {
        uint8_t leaf[4];
        vl_put_u32(leaf, n);
        shelf_add(&s, vl_span(leaf, 4), MAX);
        roots[n] = mth(s.leaf, n);
        struct vl_hash root = merkle_log_root(&s.log);
        CHECK(vl_hash_eq(roots[n], root));
    }
    for (uint32_t n = 1; n <= MAX; n += n > 40 ? 7 : 1) /* the log is larger by now: old sizes stay provable */
        for (uint32_t i = 0; i < n; i++) {
            CHECK_OK(merkle_inclusion_plan(i, n, &p));
            uint32_t k = shelf_prove(&s, &p, proof);
            CHECK_OK(merkle_inclusion_check(i, n, &s.leaf[i], proof, k, &roots[n]));
            CHECK_EQ(VL_ECRYPTO, merkle_inclusion_check(i, n, &s.leaf[(i + 1) % MAX], proof, k, &roots[n]));
            if (k > 0) CHECK_EQ(VL_ECRYPTO, merkle_inclusion_check(i, n, &s.leaf[i], proof, k - 1, &roots[n]));
            if (k > 0) CHECK_EQ(VL_ECRYPTO, merkle_inclusion_check(i ^ 1u, n, &s.leaf[i], proof, k, &roots[n]));
            if (k == 0) continue;
            proof[i % k].b[i % 32] ^= 1;
            CHECK_EQ(VL_ECRYPTO, merkle_inclusion_check(i, n, &s.leaf[i], proof, k, &roots[n]));
        }
    for (uint32_t n = 1; n <= MAX; n += n > 40 ? 11 : 1)
        for (uint32_t m = 1; m <= n; m++) {
            CHECK_OK(merkle_consistency_plan(m, n, &p));
            uint32_t k = shelf_prove(&s, &p, proof);
            CHECK_OK(merkle_consistency_check(m, n, &roots[m], &roots[n], proof, k));
            if (m < n) CHECK_EQ(VL_ECRYPTO, merkle_consistency_check(m, n, &roots[n], &roots[n], proof, k));
            if (k == 0) continue;
            CHECK_EQ(VL_ECRYPTO, merkle_consistency_check(m, n, &roots[m], &roots[n], proof, k - 1));
            proof[m % k].b[n % 32] ^= 4;
            CHECK_EQ(VL_ECRYPTO, merkle_consistency_check(m, n, &roots[m], &roots[n], proof, k));
        }
    CHECK_EQ(VL_ERANGE, merkle_inclusion_plan(5, 5, &p));
    CHECK_EQ(VL_ERANGE, merkle_consistency_plan(6, 5, &p));
    CHECK_EQ(VL_ERANGE, merkle_consistency_plan(0, 5, &p));
    CHECK_EQ(VL_ECRYPTO, merkle_inclusion_check(0, 0, &s.leaf[0], NULL, 0, &roots[1]));
    shelf_free(&s);
}

TEST(merkle, opens_again_from_its_bytes_at_every_size_and_refuses_others) {
    struct merkle_log a, b;
    struct merkle_tile full[MERKLE_LEVELS];
    struct vl_buf buf;
    uint32_t n;
    merkle_log_init(&a);
    vl_buf_init(&buf, MERKLE_LOG_BYTES_MAX);
    for (uint32_t i = 0; i < 600; i++) {
        struct vl_hash h = merkle_leaf(vl_span(&i, sizeof i));
        vl_buf_clear(&buf);
        CHECK_OK(merkle_log_encode(&a, &buf));
        memset(&b, 0xff, sizeof b);
        CHECK_OK(merkle_log_decode(vl_span(buf.p, buf.len), &b));
        CHECK_OK(merkle_log_append(&a, &h, full, &n));
        CHECK_OK(merkle_log_append(&b, &h, full, &n));
        struct vl_hash x = merkle_log_root(&a), y = merkle_log_root(&b);
        CHECK(vl_hash_eq(x, y));
    }
    for (size_t cut = 0; cut < buf.len; cut++) CHECK_EQ(VL_EPARSE, merkle_log_decode(vl_span(buf.p, cut), &b));
    CHECK_OK(vl_buf_append(&buf, "", 0));
    buf.p[1]++;
    CHECK_EQ(VL_EVERSION, merkle_log_decode(vl_span(buf.p, buf.len), &b));
    vl_buf_free(&buf);
}

TEST(merkle, checkpoint_is_text_that_only_the_key_could_have_signed) {
    uint8_t seed[32] = { 3 }, seed2[32] = { 4 };
    struct crypto_sign_key key, other;
    crypto_sign_key_from_seed(seed, &key);
    crypto_sign_key_from_seed(seed2, &other);
    struct merkle_checkpoint c = { .origin = "village.example/receipts", .size = 70, .root = { { 9 } }, .time_ms = 1700000000000 }, got;
    char text[MERKLE_CHECKPOINT_MAX], bad[MERKLE_CHECKPOINT_MAX];
    CHECK_OK(merkle_checkpoint_sign(&c, &key, text));
    CHECK(strncmp(text, "village.example/receipts\n70\nCQAA", 32) == 0);
    CHECK(strstr(text, "\n\n\xe2\x80\x94 village.example/receipts ") != NULL);
    size_t n = strlen(text);
    CHECK_OK(merkle_checkpoint_open(vl_span(text, n), key.public, &got));
    CHECK(got.size == 70 && got.time_ms == c.time_ms && vl_hash_eq(got.root, c.root));
    CHECK_EQ(VL_ECRYPTO, merkle_checkpoint_open(vl_span(text, n), other.public, &got));
    for (size_t i = 0; i < n; i++) {
        memcpy(bad, text, n);
        bad[i] ^= 1;
        CHECK(merkle_checkpoint_open(vl_span(bad, n), key.public, &got) != VL_OK);
        CHECK(merkle_checkpoint_open(vl_span(text, i), key.public, &got) != VL_OK);
    }
    snprintf(c.origin, sizeof c.origin, "two words");
    CHECK_EQ(VL_ERANGE, merkle_checkpoint_sign(&c, &key, text));
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Figures for the documents, with bounds an order of magnitude off so that a slow or sanitized build passes. */
TEST(merkle, appends_and_proves_fast_enough) {
    const uint32_t leaves = getenv("VILLAGE_LONG") ? 10000000 : 200000, proofs = 2000;
    struct shelf s = { .leaf = NULL };
    struct vl_hash proof[MERKLE_PROOF_MAX + 1], root;
    struct merkle_plan p;
    uint8_t leaf[300] = { 0 };
    merkle_log_init(&s.log);
    double t0 = seconds();
    for (uint32_t i = 0; i < leaves; i++) {
        vl_put_u32(leaf, i);
        shelf_add(&s, vl_span(leaf, sizeof leaf), leaves);
    }
    double t1 = seconds();
    for (uint32_t i = 0; i < proofs; i++) {
        CHECK_OK(merkle_inclusion_plan((uint64_t)i * 7919 % leaves, leaves, &p));
        (void)shelf_prove(&s, &p, proof);
    }
    double t2 = seconds();
    root = merkle_log_root(&s.log);
    CHECK_OK(merkle_inclusion_check((uint64_t)(proofs - 1) * 7919 % leaves, leaves, &s.leaf[(uint64_t)(proofs - 1) * 7919 % leaves],
                                    proof, p.items, &root));
    print_message("# %u leaves of 300 bytes: %.0f appends/s, proof %.1f us\n", leaves, leaves / (t1 - t0), 1e6 * (t2 - t1) / proofs);
    CHECK(leaves / (t1 - t0) > 5000);
    CHECK(1e6 * (t2 - t1) / proofs < 500);
    shelf_free(&s);
}
