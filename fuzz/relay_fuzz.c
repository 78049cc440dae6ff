/* A mix node's core under any list of events, with real, replayed, damaged and random packets.  After each event the ledger
 * must balance; no packet is delivered twice under one key; at the end every buffer is free and nothing is unaccounted for. */
#include "mix/relay.h"

#include "crypto/random.h"
#include "crypto/x25519_batch.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS = 4, PACKETS = 64, TABLE = 24 };
static struct sphinx_node_key keys[KEYS];
static uint8_t packets[PACKETS][SPHINX_PACKET]; /* i: under key i % KEYS; its number is in its recipient */

struct run {
    struct relay *r;
    struct replay *table[KEYS];
    uint8_t *mem[KEYS];
    bool added[KEYS], dropped[KEYS], delivered[PACKETS];
    struct relay_batch *batch;
    bool ran;
    vl_ms now;
};

static void make_packets(void) {
    static const enum sphinx_command ends[] = { SPHINX_DELIVER, SPHINX_DELIVER, SPHINX_DROP };
    static const uint16_t delays[] = { 0, 5, 100, 2000 };
    uint8_t secret[KEYS][32], public[KEYS][32], seed[32] = { 1 }, body[SPHINX_BODY];
    struct crypto_drbg rng;
    if (crypto_init() != VL_OK) abort();
    crypto_drbg_init(&rng, seed);
    crypto_drbg_bytes(&rng, secret, sizeof secret);
    crypto_x25519_base_batch((const uint8_t(*)[32])secret, public, KEYS);
    for (unsigned k = 0; k < KEYS; k++) {
        memcpy(keys[k].secret, secret[k], 32);
        memcpy(keys[k].public, public[k], 32);
        keys[k].key_id = (uint8_t)(k + 1);
    }
    if (sphinx_body(1, vl_span_str("fuzz"), body) != VL_OK) abort();
    for (unsigned i = 0; i < PACKETS; i++) {
        unsigned n = i % 3 == 0 ? 2 : 1;
        struct sphinx_path path = { .n = n, .end = { .command = ends[i / KEYS % 3], .service = 1 } };
        struct sphinx_prebuilt pre;
        for (unsigned h = 0; h < n; h++) {
            path.hop[h] = (struct sphinx_hop){ .node = 1 + h, .key_id = keys[i % KEYS].key_id, .delay_ms = delays[i / 5 % 4] };
            memcpy(path.hop[h].key, public[i % KEYS], 32);
        }
        if (path.end.command == SPHINX_DROP)
            path.end.service = 0;
        else
            path.end.recipient[0] = (uint8_t)i;
        if (sphinx_build(&path, 1, &rng, &pre) != VL_OK) abort();
        sphinx_seal(&pre, body, packets[i]);
    }
}

static void key_add(struct run *f, unsigned k) {
    const uint8_t sip[16] = { 4 }, y[CRYPTO_VRF_OUTPUT] = { (uint8_t)k };
    size_t size = replay_size(TABLE);
    if (f->added[k]) {
        if (!f->dropped[k] && relay_key_add(f->r, &keys[k], f->table[k], y) != VL_EEXISTS) abort();
        return;
    }
    f->mem[k] = aligned_alloc(64, size);
    memset(f->mem[k], 0, size);
    if (replay_create(f->mem[k], size, TABLE, keys[k].public, sip, &f->table[k]) != VL_OK) abort();
    unsigned live = 0;
    for (unsigned i = 0; i < KEYS; i++) live += f->added[i] && !f->dropped[i];
    enum vl_err err = relay_key_add(f->r, &keys[k], f->table[k], y);
    if (err != (live == RELAY_KEYS_MAX ? VL_ELIMIT : VL_OK)) abort();
    f->added[k] = err == VL_OK;
    if (err) {
        replay_close(f->table[k]);
        free(f->mem[k]);
        f->table[k] = NULL;
        f->mem[k] = NULL;
    }
}
static void batch(struct run *f) {
    if (f->batch == NULL) {
        f->batch = relay_batch_take(f->r, f->now);
        f->ran = false;
    } else if (!f->ran) {
        relay_batch_run(f->batch);
        f->ran = true;
    } else {
        relay_batch_done(f->r, f->now, f->batch);
        f->batch = NULL;
    }
}
static void key_drop(struct run *f, unsigned k) {
    if (!f->added[k] || f->dropped[k]) return;
    if (!relay_key_drop(f->r, keys[k].key_id)) {
        if (f->batch == NULL) abort();
        while (f->batch != NULL) batch(f);
        if (!relay_key_drop(f->r, keys[k].key_id)) abort();
    }
    replay_close(f->table[k]); /* whoever still touches it is found out */
    free(f->mem[k]);
    f->table[k] = NULL;
    f->mem[k] = NULL;
    f->dropped[k] = true;
}

static void input(struct run *f, const uint8_t *a) {
    uint8_t burst[4 * SPHINX_PACKET];
    size_t n = 1 + (a[0] & 3u);
    for (size_t i = 0; i < n; i++) memcpy(burst + i * SPHINX_PACKET, packets[(a[1] + i * (a[0] >> 5)) % PACKETS], SPHINX_PACKET);
    if (a[0] & 4) burst[(a[2] * 13u) % sizeof burst] ^= a[1];
    if ((a[0] & 24) == 24) memset(burst + 8, a[2], 500);
    size_t bytes = n * SPHINX_PACKET - (a[2] == 255);
    vl_ms rest = relay_input(f->r, f->now, a[2] % 5, burst, bytes);
    if (rest != 0 && rest <= f->now) abort();
}
static void next(struct run *f, const uint8_t *a) {
    struct relay_out out;
    if (relay_deadline(f->r) > f->now && relay_next(f->r, f->now, &out)) abort(); /* a deadline that comes too late */
    for (unsigned i = 0; i < 1u + (a[0] & 7u) && relay_next(f->r, f->now, &out); i++) {
        switch ((a[1] >> (i & 3)) & 3) {
        case 0: relay_retry(f->r, f->now, out.handle, f->now + a[2] * 20u - 50); continue;
        case 1: relay_drop(f->r, out.handle, (enum relay_drop)(a[2] % RELAY_DROPS)); break;
        default: relay_gone(f->r, out.handle);
        }
        if (out.kind != RELAY_DELIVER) continue;
        bool *seen = &f->delivered[out.end.recipient[0] % PACKETS];
        if (*seen) abort();
        *seen = true;
    }
}
static void event(struct run *f, const uint8_t *e) {
    switch (e[0] & 15) {
    case 0: key_add(f, e[1] % KEYS); break;
    case 1: key_drop(f, e[1] % KEYS); break;
    case 2: f->now += (vl_ms)e[1] * e[2] * 64; break;
    case 3:
        if (relay_send(f->r, f->now, e[1], packets[0]) == VL_ERANGE && e[1] != 0) abort();
        break;
    case 4: relay_link_gone(f->r, e[1] % 5); break;
    case 5:
    case 6: f->now += e[1] & 7u; break;
    case 7:
    case 8:
    case 9: batch(f); break;
    case 10:
    case 11: next(f, e + 1); break;
    default: input(f, e + 1);
    }
    if (!relay_balanced(f->r)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    const struct relay_limits limits = { .packets = 64, .ingress = 48, .rate = 500, .burst = 100, .link_rate = 200, .link_burst = 40, .links = 3 };
    const uint8_t seed[32] = { 2 };
    struct run f = { .now = 5000 };
    if (keys[0].key_id == 0) make_packets();
    if (relay_create(&limits, seed, &f.r) != VL_OK) abort();
    key_add(&f, 0);
    key_add(&f, 1);
    for (size_t i = 0; i + 4 <= n && i < 1200; i += 4) event(&f, p + i);
    while (f.batch != NULL) batch(&f);
    for (unsigned k = 0; k < KEYS; k++) key_drop(&f, k);
    f.now += 1000000;
    for (struct relay_out out; relay_next(f.r, f.now, &out);) relay_gone(f.r, out.handle);
    struct relay_stats s = relay_stats(f.r, f.now);
    uint64_t gone = s.forwarded + s.delivered;
    for (unsigned i = 0; i < RELAY_DROPS; i++) gone += s.dropped[i];
    if (s.free_packets != limits.packets || s.received + s.made != gone || s.opened > s.taken) abort();
    relay_destroy(f.r);
    return 0;
}
