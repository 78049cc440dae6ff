/* relay.core_rate: packets a second that a mix node's core takes from links, unwraps, delays and hands on, all on one
 * thread, with real packets over two hops and a mean delay of 50 ms in virtual time.  The peer is the bare packet: open
 * and peel of the same packets in the same batches, with nothing around.  Rounds of the two alternate. relay.queue:
 * nanoseconds of one operation (put or take) on a delay queue that holds 65,536 packets. */
#include "mix_bench.h"

#include "crypto/random.h"
#include "crypto/x25519_batch.h"
#include "mix/relay_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PACKETS 16384u
#define EACH_MS 64u /* packets that arrive in a millisecond of virtual time */
#define ROUNDS 7

struct node {
    struct sphinx_node_key key, next;
    uint8_t (*packet)[SPHINX_PACKET];
    uint8_t (*copy)[SPHINX_PACKET];
};

static void *memory(size_t n) {
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) bench_die("no memory for the relay");
    (void)madvise(p, n, MADV_HUGEPAGE);
    memset(p, 0, n);
    return p;
}
static void key_make(struct crypto_drbg *rng, uint8_t id, struct sphinx_node_key *ret) {
    uint8_t secret[1][32], public[1][32];
    crypto_drbg_bytes(rng, secret, sizeof secret);
    crypto_x25519_base_batch((const uint8_t(*)[32])secret, public, 1);
    memcpy(ret->secret, secret[0], 32);
    memcpy(ret->public, public[0], 32);
    ret->key_id = id;
}
static void node_make(struct node *n) {
    static struct sphinx_path path[SPHINX_BATCH];
    static struct sphinx_prebuilt pre[SPHINX_BATCH];
    struct crypto_drbg rng;
    uint8_t body[SPHINX_BODY], seed[32] = { 3 };
    crypto_drbg_init(&rng, seed);
    key_make(&rng, 1, &n->key);
    key_make(&rng, 2, &n->next);
    n->packet = memory(PACKETS * sizeof *n->packet);
    n->copy = memory(PACKETS * sizeof *n->copy);
    for (size_t i = 0; i < SPHINX_BATCH; i++) {
        path[i] = (struct sphinx_path){ .n = 2, .end = { .command = SPHINX_DELIVER, .service = 1 } };
        path[i].hop[0] = (struct sphinx_hop){ .node = 1, .key_id = 1, .delay_ms = 50 };
        path[i].hop[1] = (struct sphinx_hop){ .node = 2, .key_id = 2, .delay_ms = 50 };
        memcpy(path[i].hop[0].key, n->key.public, 32);
        memcpy(path[i].hop[1].key, n->next.public, 32);
    }
    if (sphinx_body(1, vl_span_str("bench"), body) != VL_OK) bench_die("sphinx_body");
    for (size_t at = 0; at < PACKETS; at += SPHINX_BATCH) {
        if (sphinx_build(path, SPHINX_BATCH, &rng, pre) != VL_OK) bench_die("sphinx_build");
        for (size_t i = 0; i < SPHINX_BATCH; i++) sphinx_seal(&pre[i], body, n->packet[at + i]);
    }
}

/* Seconds that one core is busy with all packets; hands out what is due in every millisecond. */
static double relay_run(const struct node *n) {
    const uint8_t seed[32] = { 1 }, hash[32] = { 1 }, sip[16] = { 1 }, y[CRYPTO_VRF_OUTPUT] = { 1 };
    struct relay_limits limits = relay_limits_default();
    struct relay *r;
    struct replay *table;
    struct relay_out out;
    uint64_t handed = 0;
    static uint8_t wire[SPHINX_PACKET];
    size_t size = replay_size(45000000); /* half an hour at 25,000 a second */
    void *mem = memory(size);
    vl_ms now = 1000;
    limits.link_rate = limits.rate;
    if (replay_create(mem, size, 45000000, hash, sip, &table) != VL_OK) bench_die("replay_create");
    if (relay_create(&limits, seed, &r) != VL_OK) bench_die("relay_create");
    if (relay_key_add(r, &n->key, table, y) != VL_OK) bench_die("relay_key_add");
    double start = bench_now_s();
    for (uint32_t at = 0; handed < PACKETS; now++) {
        if (at < PACKETS) {
            if (relay_input(r, now, at / EACH_MS % 8, n->packet[at], EACH_MS * SPHINX_PACKET) != 0) bench_die("rest");
            at += EACH_MS;
        }
        for (struct relay_batch *b; (b = relay_batch_take(r, now)) != NULL;) {
            relay_batch_run(b);
            relay_batch_done(r, now, b);
        }
        for (; relay_next(r, now, &out); handed++) {
            memcpy(wire, out.packet, SPHINX_PACKET); /* as a link does */
            relay_gone(r, out.handle);
        }
    }
    double spent = bench_now_s() - start;
    if (relay_stats(r, now).forwarded != PACKETS) bench_die("packets were lost");
    relay_destroy(r);
    replay_close(table);
    (void)munmap(mem, size);
    return spent;
}
static double bare_run(const struct node *n) {
    static struct sphinx_work w[EACH_MS];
    memcpy(n->copy, n->packet, PACKETS * sizeof *n->packet);
    double start = bench_now_s();
    for (uint32_t at = 0; at < PACKETS; at += EACH_MS) {
        for (uint32_t i = 0; i < EACH_MS; i++) w[i] = (struct sphinx_work){ .packet = n->copy[at + i] };
        sphinx_open(w, EACH_MS, &n->key);
        sphinx_peel(w, EACH_MS);
        for (uint32_t i = 0; i < EACH_MS; i++)
            if (w[i].verdict != SPHINX_OK) bench_die("a packet did not open");
    }
    return bench_now_s() - start;
}

void bench_relay_core(void) {
    static struct node n;
    double core[ROUNDS], bare[ROUNDS];
    if (crypto_init() != VL_OK) bench_die("crypto_init");
    node_make(&n);
    for (int i = 0; i < ROUNDS; i++) {
        core[i] = PACKETS / relay_run(&n);
        bare[i] = PACKETS / bare_run(&n);
    }
    double c = bench_median(core, ROUNDS), b = bench_median(bare, ROUNDS);
    (void)fprintf(stderr, "mix_bench: relay: %.2f us a packet, of these %.2f open and peel\n", 1e6 / c, 1e6 / b);
    bench_print("relay.core_rate", c, "1/s", "open and peel", b);
    (void)munmap(n.packet, PACKETS * sizeof *n.packet);
    (void)munmap(n.copy, PACKETS * sizeof *n.copy);
}

/* Steady state: the first leaves, another comes whose time is exponential. */
static double queue_run(uint32_t n) {
    enum { OPERATIONS = 1000000, DRAWS = 4096 };
    static uint32_t wait[DRAWS];
    struct relay_queue q;
    struct crypto_drbg rng;
    uint8_t seed[32] = { 9 };
    crypto_drbg_init(&rng, seed);
    for (size_t i = 0; i < DRAWS; i++) { /* geometric steps of 1/16: near enough to exponential */
        for (wait[i] = 0; crypto_drbg_below(&rng, 16) != 0; wait[i]++) {
        }
        wait[i] = wait[i] * 64 + (uint32_t)crypto_drbg_below(&rng, 64);
    }
    if (relay_queue_init(&q, n) != VL_OK) bench_die("no memory for the queue");
    for (uint32_t i = 0; i < n; i++)
        relay_queue_push(&q, (struct relay_wait){ .due = wait[i % DRAWS], .order = i * 2654435761u });
    double start = bench_now_s();
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        struct relay_wait w = relay_queue_pop(&q);
        w.due += wait[i % DRAWS];
        w.order = i * 2654435761u;
        relay_queue_push(&q, w);
    }
    double spent = bench_now_s() - start;
    relay_queue_free(&q);
    return spent * 1e9 / (2.0 * OPERATIONS);
}
void bench_relay_queue(void) {
    double small[ROUNDS], large[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        small[i] = queue_run(65536);
        large[i] = queue_run(RELAY_PACKETS_MAX);
    }
    (void)fprintf(stderr, "mix_bench: relay.queue: %.1f ns with %u packets\n", bench_median(large, ROUNDS),
                  RELAY_PACKETS_MAX);
    bench_print("relay.queue", bench_median(small, ROUNDS), "ns", NULL, 0);
}
