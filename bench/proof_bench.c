/* proof_bench.c - what proofs of execution and the log of receipts cost on one core.
 *   proof.execution_ms  making one: a receipt signed, its leaf appended, head signed, inclusion proof from the log, artefact written as text;
 *                       the peer is its budget, 1 ms
 *   proof.verify_ms     checking one with two witnesses, from the text on; the peer is the five signatures in it alone, by libsodium
 *   proof.hash_gbps     GB/s of the hash that roots of inputs and outputs are over (BLAKE2b-256), 64 MiB at a time; the peer is libcrypto's
 *                       BLAKE2b-512
 *   log.append_rate     leaves a second with the hash of an encoded receipt; the peer is the budget, 50,000
 *   log.inclusion_us    an inclusion proof at 10^7 leaves out of SQLite; the peer is the budget, 50 us
 * Rounds of a pair alternate; medians of processor time.  Usage: proof_bench [LEAVES [DIRECTORY]] */
#include "bench.h"

#include "crypto/cosign.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "node/persist.h"
#include "store/sqlite.h"
#include "trust/merkle_log.h"
#include "trust/proof_execution.h"
#include "trust/roster.h"
#include "trust/signing.h"
#include "wire/armor.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 15
#define AT 200u /* proofs in a round */
#define HASHED (64u << 20)
#define APPENDS 200000u
#define ASKED 20000u
#define TILES_A_BATCH 1000u

static double median(double *v) { return bench_median(v, ROUNDS); }
static _Noreturn void die(const char *what) {
    (void)fprintf(stderr, "proof_bench: %s\n", what);
    exit(1);
}
static void ok(enum vl_err err, const char *what) {
    if (err) die(what);
}
static void print(const char *name, double value, const char *unit, const char *peer, double other) {
    printf("{\"name\":\"%s\",\"value\":%.4f,\"unit\":\"%s\",\"peer\":\"%s\",\"ratio\":%.3f}\n", name, value, unit, peer, value / other);
    (void)fflush(stdout);
}

/* ---- proofs --------------------------------------------------------------------------------------------------------------- */

struct party {
    struct crypto_sign_key key;
    uint8_t cert[CERT_BYTES_MAX];
    size_t n;
};
static struct crypto_sign_key root;
static struct party coordinator, worker, witness[2];

static void party(struct party *p, uint8_t n, uint8_t roles) {
    uint8_t seed[32] = { n };
    struct cert c = { .static_key = { 1 }, .serial = n, .issued_ms = 1, .expires_ms = 1ull << 41, .roles = roles, .name = "n" };
    crypto_sign_key_from_seed(seed, &p->key);
    c.node = crypto_sign_node_id(&p->key);
    ok(cert_sign(&root, &c), "certificate");
    ok(cert_encode(&c, p->cert, sizeof p->cert, &p->n), "certificate");
}

static void receipt_make(uint32_t i, struct receipt *r, struct vl_buf *out) {
    struct vl_buf body;
    vl_buf_init(&body, RECEIPT_BYTES_MAX);
    *r = (struct receipt){ .task = i % TASK_INDEX_MAX, .epoch = 1 + i, .started_ms = 1000, .ended_ms = 2000, .node = crypto_sign_node_id(&worker.key) };
    memset(r->previous.b, 7, 32);
    ok(receipt_body_encode(r, &body), "receipt");
    ok(crypto_sign_message(&worker.key, RECEIPT_CONTEXT, vl_span(body.p, body.len), r->signature), "receipt");
    ok(receipt_encode(r, out), "receipt");
    vl_buf_free(&body);
}

static struct merkle_log tree;
/* The way from the newest leaf: all its nodes are in open tiles, or in the tile just closed. */
static struct merkle_tile closed[MERKLE_LEVELS];
static uint32_t closed_n;

static bool node_of(unsigned height, uint64_t index, struct vl_hash *ret) {
    uint8_t level;
    uint64_t tile;
    if (merkle_log_node(&tree, height, index, ret)) return true;
    merkle_tile_of(height, index, &level, &tile);
    for (uint32_t i = 0; i < closed_n; i++)
        if (closed[i].level == level && closed[i].index == tile)
            return merkle_tile_node(vl_span(closed[i].node[0].b, MERKLE_TILE_BYTES), height, index, ret) == VL_OK;
    return false;
}

static void one_proof(uint32_t i, bool witnessed, struct vl_buf *text) {
    struct receipt r;
    struct vl_buf leaf, bytes;
    struct vl_hash node[MERKLE_PLAN_MAX];
    struct merkle_plan plan;
    struct proof_execution p = { .witnesses = 0 };
    char note[2048], village[33], line[COSIGN_LINE];
    vl_buf_init(&leaf, RECEIPT_BYTES_MAX);
    vl_buf_init(&bytes, PROOF_EXECUTION_MAX);
    receipt_make(i, &r, &leaf);
    struct vl_hash h = merkle_leaf(vl_span(leaf.p, leaf.len));
    ok(merkle_log_append(&tree, &h, closed, &closed_n), "append");
    struct merkle_checkpoint head = { .size = tree.size, .root = merkle_log_root(&tree), .time_ms = 3000 };
    struct village_id id = village_id_of(root.public);
    for (unsigned k = 0; k < 16; k++) (void)snprintf(village + 2 * k, 3, "%02x", id.b[k]);
    (void)snprintf(head.origin, sizeof head.origin, "village.%s/receipts", village);
    ok(merkle_checkpoint_sign(&head, &coordinator.key, note), "head");
    for (unsigned k = 0; witnessed && k < 2; k++) {
        struct cosignature c;
        struct vl_span body;
        ok(cosign_body(vl_span_str(note), &body), "body");
        ok(cosign_make(body, &witness[k].key, 4, &c), "cosignature");
        cosign_line(&c, line);
        size_t n = strlen(note);
        memcpy(note + n, line, strlen(line) + 1);
        p.witness[p.witnesses++] = vl_span(witness[k].cert, witness[k].n);
    }
    p.index = tree.size - 1;
    ok(merkle_inclusion_plan(p.index, tree.size, &plan), "plan");
    for (uint32_t k = 0; k < plan.n; k++)
        if (!node_of(plan.at[k].height, plan.at[k].index, &node[k])) die("a node of the log");
    merkle_plan_fold(&plan, node, p.proof);
    p.n = plan.items;
    p.receipt = vl_span(leaf.p, leaf.len);
    p.note = vl_span_str(note);
    p.worker = vl_span(worker.cert, worker.n);
    p.coordinator = vl_span(coordinator.cert, coordinator.n);
    ok(proof_execution_encode(&p, &bytes), "proof");
    ok(armor_write(PROOF_EXECUTION_LABEL, vl_span(bytes.p, bytes.len), text), "armour");
    vl_buf_free(&leaf);
    vl_buf_free(&bytes);
}

static void bench_proofs(void) {
    static struct verdict v;
    double make[ROUNDS], check[ROUNDS], peer[ROUNDS];
    struct verify_query q = { .at_ms = 5000, .witnesses = 2 };
    struct vl_buf text, good;
    uint8_t pk[32], sk[64], signature[64], message[300] = { 0 };
    int bad = 0;
    vl_buf_init(&text, 1u << 20);
    vl_buf_init(&good, 1u << 20);
    one_proof(0, true, &good);
    crypto_sign_keypair(pk, sk);
    crypto_sign_detached(signature, NULL, message, sizeof message, sk);
    for (int round = 0; round < ROUNDS; round++) {
        double began = bench_cpu_s();
        for (uint32_t i = 0; i < AT; i++) {
            vl_buf_clear(&text);
            one_proof(i, false, &text);
        }
        make[round] = (bench_cpu_s() - began) * 1e3 / AT;
        began = bench_cpu_s();
        for (uint32_t i = 0; i < AT; i++) {
            verify_artefact(vl_span(good.p, good.len), &q, &v);
            if (!v.proved) die(v.reason);
        }
        check[round] = (bench_cpu_s() - began) * 1e3 / AT;
        began = bench_cpu_s(); /* receipt, head, two cosignatures, four certificates */
        for (uint32_t i = 0; i < 8 * AT; i++) bad |= crypto_sign_verify_detached(signature, message, sizeof message, pk);
        peer[round] = (bench_cpu_s() - began) * 1e3 / AT;
    }
    if (bad != 0) die("libsodium");
    print("proof.execution_ms", median(make), "ms", "budget of 1 ms", 1.0);
    print("proof.verify_ms", median(check), "ms", "its eight signatures alone", median(peer));
    vl_buf_free(&text);
    vl_buf_free(&good);
}

static void bench_hash(void) {
    double own[ROUNDS], peer[ROUNDS];
    uint8_t *p = malloc(HASHED), md[64];
    struct vl_hash h;
    if (p == NULL) die("memory");
    memset(p, 5, HASHED);
    for (int round = 0; round < ROUNDS; round++) {
        double began = bench_cpu_s();
        crypto_blake2b256(vl_span(p, HASHED), &h);
        own[round] = HASHED / (bench_cpu_s() - began) / 1e9;
        began = bench_cpu_s();
        if (EVP_Digest(p, HASHED, md, NULL, EVP_blake2b512(), NULL) != 1) die("libcrypto");
        peer[round] = HASHED / (bench_cpu_s() - began) / 1e9;
    }
    print("proof.hash_gbps", median(own), "GB/s", "libcrypto blake2b512", median(peer));
    free(p);
}

/* ---- the log --------------------------------------------------------------------------------------------------------------- */

static void bench_append(void) {
    double rate[ROUNDS];
    struct merkle_tile full[MERKLE_LEVELS];
    uint8_t receipt[RECEIPT_BYTES_MAX] = { 0 };
    uint32_t n;
    for (int round = 0; round < ROUNDS; round++) {
        struct merkle_log log;
        merkle_log_init(&log);
        double began = bench_cpu_s();
        for (uint32_t i = 0; i < APPENDS; i++) {
            vl_put_u32(receipt, i);
            struct vl_hash h = merkle_leaf(vl_span(receipt, sizeof receipt));
            ok(merkle_log_append(&log, &h, full, &n), "append");
        }
        rate[round] = APPENDS / (bench_cpu_s() - began);
    }
    print("log.append_rate", median(rate), "leaves/s", "budget of 50,000", 50000.0);
}

struct pending {
    struct record r[TILES_A_BATCH];
    struct merkle_tile t[TILES_A_BATCH];
    uint32_t n;
};

static void pending_submit(struct store *s, struct pending *p) {
    if (p->n == 0) return;
    if (store_submit(s, persist_batch(p->r, p->n), NULL, NULL)) die("store");
    p->n = 0;
    store_flush(s);
}

static void pending_add(struct store *s, struct pending *p, const struct merkle_tile *t) {
    p->t[p->n] = *t;
    struct record *r = &p->r[p->n];
    *r = (struct record){ .kind = RECORD_ITEM, .state = ITEM_TILE, .key = { t->level }, .number = t->index, .at_ms = 1,
                          .bytes = vl_span(p->t[p->n].node[0].b, MERKLE_TILE_BYTES) };
    if (++p->n == TILES_A_BATCH) pending_submit(s, p);
}

static void prove(struct store *s, struct persist_tiles *tiles, const struct merkle_log *log, uint64_t index, const struct vl_hash *leaf,
                  const struct vl_hash *head) {
    struct merkle_plan plan;
    struct vl_hash node[MERKLE_PLAN_MAX], proof[MERKLE_PROOF_MAX + 1];
    ok(merkle_inclusion_plan(index, log->size, &plan), "plan");
    for (uint32_t i = 0; i < plan.n; i++)
        if (!merkle_log_node(log, plan.at[i].height, plan.at[i].index, &node[i]))
            ok(persist_log_node(s, tiles, plan.at[i].height, plan.at[i].index, &node[i]), "tile");
    merkle_plan_fold(&plan, node, proof);
    if (leaf) ok(merkle_inclusion_check(index, log->size, leaf, proof, plan.items, head), "proof");
}

static struct vl_hash leaf_of(uint64_t i) {
    uint8_t b[8];
    vl_put_u64(b, i);
    return merkle_leaf(vl_span(b, sizeof b));
}

static void bench_inclusion(uint64_t leaves, const char *dir) {
    double us[ROUNDS];
    struct merkle_log log;
    struct merkle_tile full[MERKLE_LEVELS];
    struct pending *p = calloc(1, sizeof *p);
    struct persist_tiles *tiles = persist_tiles_create();
    struct vl_errmsg msg = { .text = "" };
    struct store *s = NULL;
    char path[512], at[400];
    uint32_t n;
    (void)snprintf(at, sizeof at, "%s/proof_bench-XXXXXX", dir);
    if (p == NULL || tiles == NULL || mkdtemp(at) == NULL) die("directory");
    if (store_sqlite_open(at, &s, &msg)) die(msg.text);
    merkle_log_init(&log);
    for (uint64_t i = 0; i < leaves; i++) {
        struct vl_hash h = leaf_of(i);
        ok(merkle_log_append(&log, &h, full, &n), "append");
        for (uint32_t k = 0; k < n; k++) pending_add(s, p, &full[k]);
    }
    pending_submit(s, p);
    store_close(s); /* what a node finds at start: all of it in the file, not in the write-ahead log */
    if (store_sqlite_open(at, &s, &msg)) die(msg.text);
    struct vl_hash head = merkle_log_root(&log);
    for (uint64_t i = 0; i < 5000; i++) { /* they are right; and the upper tiles have been read once, as on a node that runs */
        uint64_t index = i * leaves / 5000;
        struct vl_hash h = leaf_of(index);
        prove(s, tiles, &log, index, &h, &head);
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t x = 88172645463325252u + (uint64_t)round;
        double began = bench_cpu_s();
        for (uint32_t i = 0; i < ASKED / ROUNDS; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            prove(s, tiles, &log, x % leaves, NULL, NULL);
        }
        us[round] = (bench_cpu_s() - began) * 1e6 / (ASKED / ROUNDS);
    }
    print("log.inclusion_us", median(us), "us", "budget of 50 us", 50.0);
    store_close(s);
    persist_tiles_destroy(tiles);
    free(p);
    static const char *const files[] = { "store.db", "store.db-wal", "store.db-shm", "store.lock" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", at, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(at);
}

int main(int argc, char **argv) {
    uint8_t seed[32] = { 9 };
    uint64_t leaves = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    if (crypto_init() || leaves < 1000) die("usage: proof_bench [LEAVES [DIRECTORY]]");
    crypto_sign_key_from_seed(seed, &root);
    party(&coordinator, 1, CERT_COORDINATOR);
    party(&worker, 2, CERT_WORKER);
    party(&witness[0], 3, CERT_WORKER);
    party(&witness[1], 4, CERT_WORKER);
    merkle_log_init(&tree);
    bench_proofs();
    bench_hash();
    bench_append();
    bench_inclusion(leaves, argc > 2 ? argv[2] : "/var/tmp");
    return 0;
}
