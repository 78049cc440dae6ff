#include "mix/relay_rig.h"

#include "crypto/random.h"
#include "crypto/stream.h"
#include "crypto/x25519_batch.h"
#include "mix/sphinx_priv.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

struct relay_limits rig_limits(void) {
    return (struct relay_limits){ .packets = 2048,
                                  .ingress = 1024,
                                  .rate = 1000000,
                                  .burst = 1000000,
                                  .link_rate = 1000000,
                                  .link_burst = 1000000,
                                  .links = 16 };
}

static void key_make(struct crypto_drbg *rng, uint8_t id, struct sphinx_node_key *ret) {
    uint8_t secret[1][32], public[1][32];
    crypto_drbg_bytes(rng, secret, sizeof secret);
    crypto_x25519_base_batch((const uint8_t(*)[32])secret, public, 1);
    memcpy(ret->secret, secret[0], 32);
    memcpy(ret->public, public[0], 32);
    ret->key_id = id;
}

void rig_init(struct relay_rig *g, const struct relay_limits *limits, uint64_t seed) {
    uint8_t bytes[32] = { 0 };
    CHECK_OK(crypto_init());
    memset(g, 0, sizeof *g);
    memcpy(bytes, &seed, sizeof seed);
    CHECK_OK(relay_create(limits, bytes, &g->r));
    bytes[31] = 1;
    crypto_drbg_init(&g->rng, bytes);
    for (unsigned k = 0; k < RIG_KEYS; k++) key_make(&g->rng, (uint8_t)(10 + k), &g->key[k]);
    key_make(&g->rng, 200, &g->next);
    crypto_drbg_bytes(&g->rng, g->y, sizeof g->y);
    g->now = 1000000;
}

static void table_free(struct relay_rig *g, unsigned k) {
    replay_close(g->table[k]);
    free(g->mem[k]);
    g->table[k] = NULL;
    g->mem[k] = NULL;
}
void rig_free(struct relay_rig *g) {
    relay_destroy(g->r);
    for (unsigned k = 0; k < RIG_KEYS; k++) table_free(g, k);
}

void rig_key(struct relay_rig *g, unsigned k, uint64_t capacity) {
    size_t size = replay_size(capacity);
    uint8_t sip[16];
    crypto_drbg_bytes(&g->rng, sip, sizeof sip);
    g->mem[k] = aligned_alloc(64, size);
    CHECK(g->mem[k] != NULL);
    memset(g->mem[k], 0, size);
    CHECK_OK(replay_create(g->mem[k], size, capacity, g->key[k].public, sip, &g->table[k]));
    CHECK_OK(relay_key_add(g->r, &g->key[k], g->table[k], g->y[k]));
    rig_check(g);
}
void rig_key_fresh(struct relay_rig *g, unsigned k) { key_make(&g->rng, (uint8_t)(10 + k), &g->key[k]); }
void rig_key_drop(struct relay_rig *g, unsigned k) {
    CHECK(relay_key_drop(g->r, g->key[k].key_id));
    table_free(g, k);
    rig_check(g);
}

/* ---- packets ---- */

static struct sphinx_hop hop(uint32_t node, const struct sphinx_node_key *key, uint16_t delay_ms) {
    struct sphinx_hop h = { .node = node, .key_id = key->key_id, .delay_ms = delay_ms };
    memcpy(h.key, key->public, 32);
    return h;
}

struct rig_made rig_packet(struct relay_rig *g, unsigned k, enum sphinx_command command, uint16_t delay_ms,
                           uint8_t packet[SPHINX_PACKET]) {
    struct sphinx_path path = { .n = 1, .hop = { hop(RIG_NODE, &g->key[k], delay_ms) }, .end = { .command = command } };
    struct rig_made m;
    uint8_t data[40], body[SPHINX_BODY];
    if (command == SPHINX_FORWARD) {
        path.hop[path.n++] = hop(RIG_NEXT, &g->next, 0);
        path.end.command = SPHINX_DROP;
    }
    if (command == SPHINX_DELIVER) path.end.service = 3;
    if (command != SPHINX_DROP && command != SPHINX_FORWARD) memset(path.end.recipient, 0xa5, 32);
    if (command == SPHINX_REPLY) memset(path.end.surb_id, 0xc3, 16);
    if (g->serial != 0 && command != SPHINX_DROP && command != SPHINX_FORWARD)
        memcpy(path.end.recipient, &g->serial, sizeof g->serial);
    crypto_drbg_bytes(&g->rng, data, sizeof data);
    CHECK_OK(sphinx_body(7, vl_span(data, sizeof data), body));
    if (command == SPHINX_REPLY) {
        uint8_t surb[1][SPHINX_SURB];
        struct sphinx_surb_keys keys;
        uint32_t first;
        CHECK_OK(sphinx_surb_build(&path, 1, 9, &g->rng, surb, &keys));
        CHECK_OK(sphinx_surb_use(surb[0], body, packet, &first));
        memcpy(m.delay_input, keys.delay_input[0], 16);
    } else {
        struct sphinx_prebuilt p;
        CHECK_OK(sphinx_build(&path, 1, &g->rng, &p));
        sphinx_seal(&p, body, packet);
        memcpy(m.delay_input, p.delay_input[0], 16);
    }
    return m;
}

uint64_t rig_delay(const struct relay_rig *g, unsigned k, struct rig_made m, uint16_t delay_ms) {
    return delay_us(g->y[k], m.delay_input, delay_ms);
}

void rig_forged_slot(struct relay_rig *g, unsigned k, uint8_t packet[SPHINX_PACKET]) {
    struct sphinx_work w = { .packet = packet };
    uint8_t stream[SPHINX_STREAM];
    (void)rig_packet(g, k, SPHINX_FORWARD, 0, packet);
    CHECK_EQ(SPHINX_OK, sphinx_glance(packet, &g->key[k], 1, &w.key));
    sphinx_open(&w, 1, &g->key[k]);
    CHECK_EQ(SPHINX_OK, w.verdict);
    crypto_chacha20(w.okm + SPHINX_OKM_HEADER, stream, sizeof stream);
    memset(packet + SPHINX_AT_BETA, 0xee, SPHINX_SLOT);
    sphinx_xor(packet + SPHINX_AT_BETA, stream, SPHINX_SLOT);
    sphinx_mac(w.okm + SPHINX_OKM_MAC, packet, packet + SPHINX_AT_GAMMA);
}

void rig_garbage(struct relay_rig *g, unsigned k, uint8_t packet[SPHINX_PACKET]) {
    crypto_drbg_bytes(&g->rng, packet, SPHINX_PACKET);
    sphinx_put_ad(packet, g->key[k].key_id);
}

/* ---- running ---- */

vl_ms rig_input(struct relay_rig *g, uint64_t link, const uint8_t *p, size_t n) {
    vl_ms rest = relay_input(g->r, g->now, link, p, n);
    CHECK(rest == 0 || rest > g->now);
    CHECK(relay_balanced(g->r));
    return rest;
}
unsigned rig_batches(struct relay_rig *g) {
    unsigned n = 0;
    for (struct relay_batch *b; (b = relay_batch_take(g->r, g->now)) != NULL; n++) {
        CHECK(relay_batch_take(g->r, g->now) == NULL); /* one out at a time */
        relay_batch_run(b);
        relay_batch_done(g->r, g->now, b);
        CHECK(relay_balanced(g->r));
    }
    return n;
}
void rig_flush(struct relay_rig *g) {
    g->now += RELAY_FLUSH_MS;
    (void)rig_batches(g);
    CHECK_EQ(0, rig_stats(g).ingress);
}
unsigned rig_hand_on(struct relay_rig *g) {
    struct relay_out out;
    unsigned n = 0;
    for (; relay_next(g->r, g->now, &out); n++) relay_gone(g->r, out.handle);
    CHECK(relay_balanced(g->r));
    return n;
}

struct relay_stats rig_stats(const struct relay_rig *g) {
    return relay_stats(g->r, g->now);
}
uint64_t rig_dropped(const struct relay_rig *g) {
    struct relay_stats s = rig_stats(g);
    uint64_t n = 0;
    for (unsigned i = 0; i < RELAY_DROPS; i++) n += s.dropped[i];
    return n;
}

static void put(const struct relay *r, uint8_t *where, uint32_t slot, enum relay_place place) {
    CHECK(slot < r->limits.packets && where[slot] == 0 && r->slot[slot].place == place);
    where[slot] = 1;
}
void rig_check(const struct relay_rig *g) {
    const struct relay *r = g->r;
    uint8_t *where = calloc(r->limits.packets, 1);
    CHECK(where != NULL);
    for (uint32_t i = 0; i < r->free_n; i++) put(r, where, r->free[i], RELAY_FREE);
    for (uint32_t i = 0; i < r->ingress_n; i++)
        put(r, where, r->ingress[(r->ingress_head + i) % r->limits.ingress], RELAY_INGRESS);
    for (uint32_t i = 0; r->batch.out && i < r->batch.n; i++) put(r, where, r->batch.slot[i], RELAY_BATCHED);
    for (uint32_t i = 0; i < r->queue.n; i++) {
        const struct relay_wait *v = r->queue.v + 3; /* as relay_queue.c shifts it */
        put(r, where, v[i].slot, RELAY_WAITING);
        CHECK(i == 0 || v[(i - 1) / 4].due <= v[i].due);
    }
    if (r->out != RELAY_NONE) put(r, where, r->out, RELAY_OUT);
    for (uint32_t i = 0; i < r->limits.packets; i++) CHECK(where[i] == 1);
    free(where);
    CHECK(relay_balanced(r));
}
