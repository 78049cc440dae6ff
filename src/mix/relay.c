#include "mix/relay.h"

#include "crypto/random.h"
#include "mix/relay_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct relay_limits relay_limits_default(void) {
    return (struct relay_limits){ .packets = 65536,
                                  .ingress = 10000,
                                  .rate = 100000,
                                  .burst = 10000,
                                  .link_rate = 20000,
                                  .link_burst = 2000,
                                  .links = 1024 };
}

static bool limits_sound(const struct relay_limits *l) {
    return l->packets >= 64 && l->packets <= RELAY_PACKETS_MAX && l->ingress >= 1 && l->ingress <= l->packets &&
           l->rate >= 1 && l->burst >= 1 && l->link_rate >= 1 && l->link_burst >= 1 && l->links >= 1 &&
           l->links <= RELAY_LINKS_MAX;
}

enum vl_err relay_create(const struct relay_limits *limits, const uint8_t seed[32], struct relay **ret) {
    if (!limits_sound(limits)) return VL_ERANGE;
    struct relay *r = calloc(1, sizeof *r);
    if (r == NULL) return VL_ENOMEM;
    r->limits = *limits;
    r->out = RELAY_NONE;
    r->longest_ms = UINT16_MAX;
    crypto_drbg_init(&r->rng, seed);
    uint64_t sip[2] = { crypto_drbg_u64(&r->rng), crypto_drbg_u64(&r->rng) };
    r->pool = aligned_alloc(4096, ((size_t)limits->packets * SPHINX_PACKET + 4095) / 4096 * 4096);
    r->slot = calloc(limits->packets, sizeof *r->slot);
    r->free = calloc(limits->packets, sizeof *r->free);
    r->ingress = calloc(limits->ingress, sizeof *r->ingress);
    enum vl_err err = relay_queue_init(&r->queue, limits->packets);
    if (!err) err = relay_links_init(&r->links, limits, sip);
    if (r->pool == NULL || r->slot == NULL || r->free == NULL || r->ingress == NULL) err = VL_ENOMEM;
    if (err) {
        relay_destroy(r);
        return err;
    }
    for (uint32_t i = 0; i < limits->packets; i++) r->free[i] = limits->packets - 1 - i;
    r->free_n = r->lowest_free = limits->packets;
    r->all.milli = (uint64_t)limits->burst * 1000;
    *ret = r;
    return VL_OK;
}

void relay_destroy(struct relay *r) {
    if (r == NULL) return;
    assert(!r->batch.out);
    uint32_t used = r->pool != NULL ? r->limits.packets - r->lowest_free : 0;
    if (used > 0) crypto_wipe(r->pool, (size_t)used * SPHINX_PACKET);
    if (r->slot != NULL) crypto_wipe(r->slot, (size_t)used * sizeof *r->slot);
    free(r->pool);
    free(r->slot);
    free(r->free);
    free(r->ingress);
    relay_queue_free(&r->queue);
    relay_links_free(&r->links);
    crypto_drbg_wipe(&r->rng);
    crypto_wipe(r, sizeof *r);
    free(r);
}

/* ---- keys ---- */

enum vl_err relay_key_add(struct relay *r, const struct sphinx_node_key *key, struct replay *table,
                          const uint8_t delay_y[CRYPTO_VRF_OUTPUT]) {
    for (uint32_t i = 0; i < r->keys; i++)
        if (r->key[i].key_id == key->key_id) return VL_EEXISTS;
    for (uint32_t i = 0; r->batch.out && i < r->batch.keys; i++)
        if (r->batch.key[i].key_id == key->key_id) return VL_EEXISTS;
    if (r->keys == RELAY_KEYS_MAX) return VL_ELIMIT;
    r->key[r->keys] = *key;
    struct relay_epoch *e = &r->epoch[r->keys++];
    *e = (struct relay_epoch){ .table = table, .seen = replay_stats(table) };
    memcpy(e->y, delay_y, sizeof e->y);
    return VL_OK;
}

static void ingress_forget(struct relay *r, uint8_t key_id) {
    uint32_t kept = 0, n = r->ingress_n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = r->ingress[(r->ingress_head + i) % r->limits.ingress];
        if (r->slot[slot].key_id == key_id)
            relay_slot_drop(r, slot, RELAY_DROP_EPOCH);
        else
            r->ingress[(r->ingress_head + kept++) % r->limits.ingress] = slot;
    }
    r->ingress_n = kept;
}

bool relay_key_drop(struct relay *r, uint8_t key_id) {
    for (uint32_t i = 0; i < r->keys; i++) {
        if (r->key[i].key_id != key_id) continue;
        ingress_forget(r, key_id);
        r->key[i] = r->key[--r->keys];
        r->epoch[i] = r->epoch[r->keys];
        crypto_wipe(&r->key[r->keys], sizeof r->key[0]);
        crypto_wipe(&r->epoch[r->keys], sizeof r->epoch[0]);
        break;
    }
    relay_settle(r);
    for (uint32_t i = 0; r->batch.out && i < r->batch.keys; i++)
        if (r->batch.key[i].key_id == key_id) return false;
    return true;
}

void relay_longest_delay(struct relay *r, uint16_t mean_ms) { r->longest_ms = mean_ms; }

/* ---- buffers ---- */

uint32_t relay_slot_get(struct relay *r) {
    if (r->free_n == 0) {
        if (r->queue.n == 0) return RELAY_NONE;
        relay_slot_drop(r, relay_queue_pop(&r->queue).slot, RELAY_DROP_FULL);
    }
    uint32_t slot = r->free[--r->free_n];
    if (r->free_n < r->lowest_free) r->lowest_free = r->free_n;
    return slot;
}
void relay_slot_free(struct relay *r, uint32_t slot) {
    r->slot[slot] = (struct relay_slot){ .place = RELAY_FREE };
    r->free[r->free_n++] = slot;
}
void relay_slot_drop(struct relay *r, uint32_t slot, enum relay_drop why) {
    relay_slot_free(r, slot);
    r->stats.dropped[why]++;
}
void relay_slot_wait(struct relay *r, uint32_t slot, vl_ms due) {
    r->slot[slot].place = RELAY_WAITING;
    uint32_t order = (uint32_t)(crypto_drbg_u64(&r->rng) >> 32);
    relay_queue_push(&r->queue, (struct relay_wait){ .due = due, .order = order, .slot = slot });
}

vl_ms relay_clock(struct relay *r, vl_ms now) {
    if (now > r->now) r->now = now;
    return r->now;
}

/* ---- figures ---- */

static uint32_t queued(const struct relay *r) {
    return r->ingress_n + (r->batch.out ? r->batch.n : 0) + r->queue.n + (r->out != RELAY_NONE);
}

bool relay_balanced(const struct relay *r) {
    const struct relay_stats *s = &r->stats;
    uint64_t gone = s->forwarded + s->delivered;
    for (unsigned i = 0; i < RELAY_DROPS; i++) gone += s->dropped[i];
    return s->received + s->made == gone + queued(r) && r->free_n + queued(r) == r->limits.packets;
}
void relay_settle(const struct relay *r) { assert(relay_balanced(r)); }

struct relay_stats relay_stats(const struct relay *r, vl_ms now) {
    struct relay_stats s = r->stats;
    uint64_t second = (now > r->now ? now : r->now) / 1000, sum = 0;
    for (unsigned i = 0; i <= RELAY_RATE_SECONDS; i++)
        if (r->rate[i].second < second && r->rate[i].second + RELAY_RATE_SECONDS >= second) sum += r->rate[i].n;
    s.rate = (uint32_t)(sum / RELAY_RATE_SECONDS);
    s.ingress = r->ingress_n;
    s.batched = r->batch.out ? r->batch.n : 0;
    s.delayed = r->queue.n;
    s.free_packets = r->free_n;
    s.replay = (struct replay_stats){ 0 };
    for (uint32_t i = 0; i < r->keys; i++) {
        const struct replay_stats *t = &r->epoch[i].seen;
        if (s.replay.capacity == 0 || t->entries * 1000 / t->capacity > s.replay.entries * 1000 / s.replay.capacity)
            s.replay = *t;
    }
    return s;
}
