/* sphinx.unwrap, sphinx.unwrap_portable: packets a second that one core of a mix opens, looks up in its replay table
 * and peels, in batches of 256.  sphinx.create7: packets over seven nodes a second that one core builds and seals. The
 * peer is the classic packet on libsodium, built here: the same sizes, group element blinded at each node (one more
 * multiplication), HMAC-SHA256, LIONESS of ChaCha20 and BLAKE2b.  Both do all their work on every packet; the peer's
 * packets are random, so its MAC is computed and compared and the answer ignored.  Rounds of the two alternate. */
#include "mix_bench.h"

#include "crypto/cpu.h"
#include "crypto/hctr2_priv.h"
#include "crypto/random.h"
#include "crypto/stream_priv.h"
#include "crypto/x25519_priv.h"
#include "mix/replay.h"
#include "mix/sphinx_priv.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PACKETS 1024u
#define STRIDE 4096u /* a node's pooled buffers */
#define ROUNDS 15
#define REPLAY_CAPACITY (1u << 24)

struct unwrap {
    struct sphinx_node_key key;
    uint8_t *master, *packet; /* PACKETS x STRIDE */
    struct replay *replay;
    uint64_t round;
};

static void *memory(size_t n) {
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) bench_die("no memory");
    (void)madvise(p, n, MADV_HUGEPAGE);
    memset(p, 0, n);
    return p;
}

/* Paths of n nodes, every node with the same key. */
static void make_paths(const struct sphinx_node_key *key, uint32_t n, struct sphinx_path *path, size_t count) {
    for (size_t k = 0; k < count; k++) {
        path[k] = (struct sphinx_path){ .n = n, .end = { .command = SPHINX_DELIVER } };
        for (uint32_t i = 0; i < n; i++) {
            path[k].hop[i] = (struct sphinx_hop){ .node = i + 1, .key_id = key->key_id, .delay_ms = 50 };
            memcpy(path[k].hop[i].key, key->public, 32);
        }
    }
}

static void unwrap_init(struct unwrap *u, struct crypto_drbg *rng) {
    static struct sphinx_path path[SPHINX_BATCH];
    static struct sphinx_prebuilt pre[SPHINX_BATCH];
    uint8_t body[SPHINX_BODY], hash[32] = { 1 }, sip[16] = { 2 };
    crypto_drbg_bytes(rng, u->key.secret, 32);
    (void)crypto_scalarmult_base(u->key.public, u->key.secret);
    u->key.key_id = 7;
    u->master = memory((size_t)PACKETS * STRIDE);
    u->packet = memory((size_t)PACKETS * STRIDE);
    make_paths(&u->key, 2, path, SPHINX_BATCH);
    if (sphinx_body(1, vl_span_str("bench"), body) != VL_OK) bench_die("sphinx_body");
    for (size_t from = 0; from < PACKETS; from += SPHINX_BATCH) {
        if (sphinx_build(path, SPHINX_BATCH, rng, pre) != VL_OK) bench_die("sphinx_build");
        for (size_t k = 0; k < SPHINX_BATCH; k++) sphinx_seal(&pre[k], body, u->master + (from + k) * STRIDE);
    }
    size_t size = replay_size(REPLAY_CAPACITY);
    if (replay_create(memory(size), size, REPLAY_CAPACITY, hash, sip, &u->replay) != VL_OK) bench_die("replay_create");
}

/* The same packets come again each round, so the table gets their tags xor the number of the round. */
static void check_replays(struct unwrap *u, struct sphinx_work *w, size_t n) {
    static uint8_t tag[SPHINX_BATCH][SPHINX_TAG];
    for (size_t k = 0; k < n; k++) {
        memcpy(tag[k], w[k].tag, SPHINX_TAG);
        for (size_t i = 0; i < 8; i++) tag[k][i] ^= (uint8_t)(u->round >> 8 * i);
    }
    replay_prefetch(u->replay, (const uint8_t(*)[16])tag, n);
    for (size_t k = 0; k < n; k++)
        if (w[k].verdict == SPHINX_OK && replay_check(u->replay, tag[k]) != VL_OK) w[k].verdict = SPHINX_REPLAYED;
}

static double unwrap_round(struct unwrap *u, size_t batch) {
    static struct sphinx_work w[SPHINX_BATCH];
    memcpy(u->packet, u->master, (size_t)PACKETS * STRIDE);
    u->round++;
    double began = bench_now_s();
    for (size_t from = 0; from < PACKETS; from += batch) {
        for (size_t k = 0; k < batch; k++) {
            w[k].packet = u->packet + (from + k) * STRIDE;
            w[k].verdict = sphinx_glance(w[k].packet, &u->key, 1, &w[k].key);
        }
        sphinx_open(w, batch, &u->key);
        check_replays(u, w, batch);
        sphinx_peel(w, batch);
        for (size_t k = 0; k < batch; k++)
            if (w[k].verdict != SPHINX_OK || w[k].next != 2) bench_die("a good packet was dropped");
    }
    return PACKETS / (bench_now_s() - began);
}

/* ---- the peer ---- */

struct classic_keys {
    uint8_t mac[32], header[32], lioness[4][32], tag[16], blind[32];
};

static void classic_derive(const uint8_t ss[32], const uint8_t e[32], struct classic_keys *k) {
    static const uint8_t nonce[12] = { 0 };
    uint8_t in[64], prk[32], okm[sizeof *k];
    memcpy(in, ss, 32);
    memcpy(in + 32, e, 32);
    (void)crypto_generichash(prk, sizeof prk, in, sizeof in, NULL, 0);
    (void)crypto_stream_chacha20_ietf(okm, sizeof okm, nonce, prk);
    memcpy(k, okm, sizeof *k);
}

static void lioness_stream(uint8_t *left, uint8_t *right, size_t n, const uint8_t key[32]) {
    static const uint8_t nonce[12] = { 0 };
    uint8_t k[32];
    for (size_t i = 0; i < 32; i++) k[i] = left[i] ^ key[i];
    (void)crypto_stream_chacha20_ietf_xor(right, right, n, nonce, k);
}
static void lioness_hash(uint8_t *left, const uint8_t *right, size_t n, const uint8_t key[32]) {
    uint8_t h[32];
    (void)crypto_generichash(h, sizeof h, right, n, key, 32);
    for (size_t i = 0; i < 32; i++) left[i] ^= h[i];
}
/* Either direction costs the same. */
static void lioness(uint8_t *block, size_t n, uint8_t (*key)[32]) {
    lioness_hash(block, block + 32, n - 32, key[3]);
    lioness_stream(block, block + 32, n - 32, key[2]);
    lioness_hash(block, block + 32, n - 32, key[1]);
    lioness_stream(block, block + 32, n - 32, key[0]);
}

static void classic_unwrap(struct unwrap *u, uint8_t *packet) {
    static const uint8_t nonce[12] = { 0 };
    struct classic_keys k;
    uint8_t ss[32], mac[32], p[SPHINX_STREAM], message[SPHINX_AT_GAMMA + SPHINX_BETA];
    volatile int ignored;
    ignored = crypto_scalarmult(ss, u->key.secret, packet + SPHINX_AT_E);
    classic_derive(ss, packet + SPHINX_AT_E, &k);
    memcpy(message, packet, SPHINX_AT_GAMMA);
    memcpy(message + SPHINX_AT_GAMMA, packet + SPHINX_AT_BETA, SPHINX_BETA);
    (void)crypto_auth_hmacsha256(mac, message, sizeof message, k.mac);
    ignored = sodium_memcmp(mac, packet + SPHINX_AT_GAMMA, 16);
    for (size_t i = 0; i < 8; i++) k.tag[i] ^= (uint8_t)(u->round >> 8 * i);
    ignored = (int)replay_check(u->replay, k.tag);
    memcpy(p, packet + SPHINX_AT_BETA, SPHINX_BETA);
    memset(p + SPHINX_BETA, 0, SPHINX_SLOT);
    (void)crypto_stream_chacha20_ietf_xor(p, p, sizeof p, nonce, k.header);
    lioness(packet + SPHINX_HEADER, SPHINX_DELTA, k.lioness);
    ignored = crypto_scalarmult(packet + SPHINX_AT_E, k.blind, packet + SPHINX_AT_E);
    memcpy(packet + SPHINX_AT_GAMMA, p + 8, 16);
    memcpy(packet + SPHINX_AT_BETA, p + SPHINX_SLOT, SPHINX_BETA);
    sodium_memzero(&k, sizeof k);
    sodium_memzero(ss, sizeof ss);
    (void)ignored;
}

static double classic_round(struct unwrap *u) {
    memcpy(u->packet, u->master, (size_t)PACKETS * STRIDE);
    u->round++;
    double began = bench_now_s();
    for (size_t k = 0; k < PACKETS; k++) classic_unwrap(u, u->packet + k * STRIDE);
    return PACKETS / (bench_now_s() - began);
}

/* ---- the figures ---- */

static void begin(struct unwrap *u, struct crypto_drbg *rng) {
    const uint8_t seed[32] = { 42 };
    if (crypto_init() != VL_OK) bench_die("crypto_init");
    crypto_drbg_init(rng, seed);
    if (u != NULL) unwrap_init(u, rng);
}

static void run_unwrap(const char *name) {
    struct unwrap u = { 0 };
    struct crypto_drbg rng;
    double ours[ROUNDS], small[ROUNDS], peer[ROUNDS];
    begin(&u, &rng);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = unwrap_round(&u, SPHINX_BATCH);
        small[i] = unwrap_round(&u, SPHINX_LANES);
        peer[i] = classic_round(&u);
    }
    double value = bench_median(ours, ROUNDS), other = bench_median(peer, ROUNDS);
    (void)fprintf(stderr, "mix_bench: %s: %.0f/s in batches of 256, %.0f/s of 64; classic %.0f/s\n", name, value,
                  bench_median(small, ROUNDS), other);
    bench_print(name, value, "1/s", "classic Sphinx on libsodium", other);
    replay_close(u.replay);
}

void bench_sphinx_unwrap(void) { run_unwrap("sphinx.unwrap"); }

/* A processor without AVX-512 and AVX2: key exchanges one by one, payload by AES-NI, which nearly all have. */
void bench_sphinx_unwrap_portable(void) {
    if (crypto_init() != VL_OK) bench_die("crypto_init");
    struct crypto_cpu real = crypto_cpu_detect(), plain = { .aes = real.aes };
    hctr2_choose(&plain);
    stream_choose(&plain);
    x25519_choose(&plain);
    run_unwrap("sphinx.unwrap_portable");
    hctr2_choose(&real);
    stream_choose(&real);
    x25519_choose(&real);
}

/* Multiplications of a classic sender, in the order of its nodes: 1 + 7 + 21 + 6 = 35. */
static void classic_create(struct crypto_drbg *rng, const uint8_t node[32], uint8_t *packet) {
    static const uint8_t nonce[12] = { 0 };
    struct classic_keys k[SPHINX_HOPS_MAX];
    uint8_t x[32], e[32], ss[32], mac[32], stream[SPHINX_STREAM];
    volatile int ignored;
    crypto_drbg_bytes(rng, x, 32);
    ignored = crypto_scalarmult_base(e, x);
    for (size_t i = 0; i < SPHINX_HOPS_MAX; i++) {
        ignored = crypto_scalarmult(ss, x, node);
        for (size_t j = 0; j < i; j++) ignored = crypto_scalarmult(ss, k[j].blind, ss);
        classic_derive(ss, e, &k[i]);
        if (i + 1 < SPHINX_HOPS_MAX) ignored = crypto_scalarmult(e, k[i].blind, e);
    }
    for (size_t i = SPHINX_HOPS_MAX; i-- > 0;) {
        (void)crypto_stream_chacha20_ietf(stream, sizeof stream, nonce, k[i].header);
        memmove(packet + SPHINX_AT_BETA + SPHINX_SLOT, packet + SPHINX_AT_BETA, SPHINX_BETA - SPHINX_SLOT);
        sphinx_xor(packet + SPHINX_AT_BETA, stream, SPHINX_BETA);
        (void)crypto_auth_hmacsha256(mac, packet + SPHINX_AT_BETA, SPHINX_BETA, k[i].mac);
        memcpy(packet + SPHINX_AT_GAMMA, mac, 16);
        lioness(packet + SPHINX_HEADER, SPHINX_DELTA, k[i].lioness);
    }
    (void)ignored;
}

void bench_sphinx_create7(void) {
    static struct sphinx_path path[SPHINX_BATCH];
    static struct sphinx_prebuilt pre[SPHINX_BATCH];
    static uint8_t packet[STRIDE];
    struct crypto_drbg rng;
    struct sphinx_node_key key = { .key_id = 3 };
    uint8_t body[SPHINX_BODY];
    double ours[ROUNDS], peer[ROUNDS];
    begin(NULL, &rng);
    crypto_drbg_bytes(&rng, key.secret, 32);
    (void)crypto_scalarmult_base(key.public, key.secret);
    make_paths(&key, SPHINX_HOPS_MAX, path, SPHINX_BATCH);
    if (sphinx_body(1, vl_span_str("bench"), body) != VL_OK) bench_die("sphinx_body");
    for (int i = 0; i < ROUNDS; i++) {
        double began = bench_now_s();
        if (sphinx_build(path, SPHINX_BATCH, &rng, pre) != VL_OK) bench_die("sphinx_build");
        for (size_t k = 0; k < SPHINX_BATCH; k++) {
            sphinx_seal(&pre[k], body, packet);
            sphinx_prebuilt_wipe(&pre[k]);
        }
        ours[i] = SPHINX_BATCH / (bench_now_s() - began);
        began = bench_now_s();
        for (size_t k = 0; k < SPHINX_BATCH / 8; k++) classic_create(&rng, key.public, packet);
        peer[i] = SPHINX_BATCH / 8 / (bench_now_s() - began);
    }
    bench_print("sphinx.create7", bench_median(ours, ROUNDS), "1/s", "classic Sphinx on libsodium",
                bench_median(peer, ROUNDS));
}
