/* Batches: out of the ingress queue, unwrapped on any thread, into the delay queue. */
#include "mix/relay_priv.h"

#include "crypto/random.h"

#include <assert.h>
#include <string.h>

static uint32_t ingress_at(const struct relay *r, uint32_t i) {
    return r->ingress[(r->ingress_head + i) % r->limits.ingress];
}

/* How many of those that wait go now. */
static uint32_t batch_size(const struct relay *r, vl_ms now) {
    uint32_t most = r->ingress_n >= RELAY_BACKLOG ? SPHINX_BATCH : RELAY_BATCH;
    uint32_t n = r->ingress_n < most ? r->ingress_n : most, rest = n % RELAY_LANES;
    /* First come, first served: of the incomplete group the first one has waited longest. */
    if (rest > 0 && now < vl_ms_add(r->slot[ingress_at(r, n - rest)].came, RELAY_FLUSH_MS)) n -= rest;
    return n;
}

/* The batch's own number of a key, which it gets with the first packet that needs it. */
static uint8_t batch_key(struct relay *r, struct relay_batch *b, uint8_t key_id) {
    uint32_t i = 0, k = 0;
    while (i < b->keys && b->key[i].key_id != key_id) i++;
    if (i < b->keys) return (uint8_t)i;
    while (r->key[k].key_id != key_id) {
        k++;
        assert(k < r->keys); /* packets of a dropped key do not wait */
    }
    b->key[b->keys] = r->key[k];
    b->epoch[b->keys] = r->epoch[k];
    return (uint8_t)b->keys++;
}

struct relay_batch *relay_batch_take(struct relay *r, vl_ms now) {
    struct relay_batch *b = &r->batch;
    now = relay_clock(r, now);
    if (b->out || r->ingress_n == 0) return NULL;
    b->n = batch_size(r, now);
    if (b->n == 0) return NULL;
    b->out = true;
    b->ran = false;
    b->keys = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t slot = ingress_at(r, i);
        r->slot[slot].place = RELAY_BATCHED;
        b->slot[i] = slot;
        b->full[i] = false;
        b->work[i] = (struct sphinx_work){ .packet = relay_packet(r, slot),
                                           .verdict = SPHINX_OK,
                                           .key = batch_key(r, b, r->slot[slot].key_id) };
    }
    r->ingress_head = (r->ingress_head + b->n) % r->limits.ingress;
    r->ingress_n -= b->n;
    relay_settle(r);
    return b;
}

/* After the MAC, before any work on the payload (mixnet.md 4). */
static void check_replays(struct relay_batch *b) {
    uint8_t tag[SPHINX_BATCH][SPHINX_TAG];
    for (uint32_t k = 0; k < b->keys; k++) {
        size_t n = 0;
        for (uint32_t i = 0; i < b->n; i++)
            if (b->work[i].verdict == SPHINX_OK && b->work[i].key == k) memcpy(tag[n++], b->work[i].tag, SPHINX_TAG);
        replay_prefetch(b->epoch[k].table, (const uint8_t(*)[SPHINX_TAG])tag, n);
    }
    for (uint32_t i = 0; i < b->n; i++) {
        struct sphinx_work *w = &b->work[i];
        if (w->verdict != SPHINX_OK) continue;
        enum vl_err err = replay_check(b->epoch[w->key].table, w->tag);
        b->full[i] = err == VL_ELIMIT;
        if (err) w->verdict = SPHINX_REPLAYED;
    }
    for (uint32_t k = 0; k < b->keys; k++) b->epoch[k].seen = replay_stats(b->epoch[k].table);
}

void relay_batch_opened(struct relay_batch *b) {
    assert(b->out && !b->ran);
    b->ran = true;
    check_replays(b);
    sphinx_peel(b->work, b->n);
    for (uint32_t i = 0; i < b->n; i++) {
        const struct sphinx_work *w = &b->work[i];
        if (w->verdict == SPHINX_OK) b->delay_us[i] = delay_us(b->epoch[w->key].y, w->delay_input, w->delay_ms);
    }
}

void relay_batch_run(struct relay_batch *b) {
    sphinx_open(b->work, b->n, b->key);
    relay_batch_opened(b);
}

/* RELAY_DROPS: it goes on. */
static enum relay_drop drop_of(const struct relay *r, const struct sphinx_work *w, bool full) {
    switch (w->verdict) {
    case SPHINX_OK:
        if (w->command == SPHINX_DROP) return RELAY_DROP_COVER;
        return w->delay_ms > r->longest_ms ? RELAY_DROP_COMMAND : RELAY_DROPS;
    case SPHINX_BAD_VERSION:
        return RELAY_DROP_VERSION;
    case SPHINX_BAD_KEY_ID:
        return RELAY_DROP_KEY_ID;
    case SPHINX_BAD_POINT:
        return RELAY_DROP_POINT;
    case SPHINX_BAD_MAC:
        return RELAY_DROP_MAC;
    case SPHINX_REPLAYED:
        return full ? RELAY_DROP_REPLAY_FULL : RELAY_DROP_REPLAY;
    case SPHINX_BAD_COMMAND:
        return RELAY_DROP_COMMAND;
    case SPHINX_BAD_PAYLOAD:
        return RELAY_DROP_PAYLOAD;
    }
    assert(false);
    return RELAY_DROP_VERSION;
}

static void rate_count(struct relay *r, vl_ms now) {
    uint64_t second = now / 1000;
    unsigned i = (unsigned)(second % (RELAY_RATE_SECONDS + 1));
    if (r->rate[i].second != second) {
        r->rate[i].second = second;
        r->rate[i].n = 0;
    }
    r->rate[i].n++;
}

static void goes_on(struct relay *r, vl_ms now, uint32_t slot, const struct sphinx_work *w, uint64_t wait_us) {
    enum relay_out_kind kind = w->command == SPHINX_FORWARD ? RELAY_FORWARD
                               : w->command == SPHINX_REPLY ? RELAY_REPLY
                                                            : RELAY_DELIVER;
    r->slot[slot] = (struct relay_slot){ .kind = kind, .next = w->next, .end = w->end };
    r->stats.delay_sum_us += wait_us;
    r->stats.delay_n++;
    rate_count(r, now);
    relay_slot_wait(r, slot, vl_ms_add(now, wait_us / 1000 + (wait_us % 1000 != 0)));
}

void relay_batch_done(struct relay *r, vl_ms now, struct relay_batch *b) {
    assert(b == &r->batch && b->out && b->ran);
    now = relay_clock(r, now);
    b->out = false;
    r->stats.batches++;
    r->stats.opened += b->n;
    for (uint32_t i = 0; i < b->n; i++) {
        enum relay_drop why = drop_of(r, &b->work[i], b->full[i]);
        if (why != RELAY_DROPS)
            relay_slot_drop(r, b->slot[i], why);
        else
            goes_on(r, now, b->slot[i], &b->work[i], b->delay_us[i]);
    }
    for (uint32_t k = 0; k < r->keys; k++)
        for (uint32_t i = 0; i < b->keys; i++)
            if (b->key[i].key_id == r->key[k].key_id) r->epoch[k].seen = b->epoch[i].seen;
    crypto_wipe(b->key, sizeof b->key); /* of a key that was dropped meanwhile these are the last copies */
    crypto_wipe(b->epoch, sizeof b->epoch);
    crypto_wipe(b->work, b->n * sizeof b->work[0]);
    crypto_wipe(b->delay_us, sizeof b->delay_us);
    b->n = b->keys = 0;
    relay_settle(r);
}
