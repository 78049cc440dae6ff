/* Every allocation of relays and tables refused once; and none at all after they are made. */
#include "mix/relay_rig.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t a, size_t b);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t a, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t a, size_t b);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t a, size_t n);

static uint32_t countdown; /* 0: off; 1: the next allocation fails */
static uint32_t allocations;

static bool refuse(void) {
    allocations++;
    return countdown > 0 && --countdown == 0;
}
void *__wrap_malloc(size_t n) { return refuse() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t a, size_t b) { return refuse() ? NULL : __real_calloc(a, b); }
void *__wrap_realloc(void *p, size_t n) { return refuse() ? NULL : __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t a, size_t n) { return refuse() ? NULL : __real_aligned_alloc(a, n); }

TEST(relay_oom, create_fails_cleanly_at_each_allocation) {
    const uint8_t seed[32] = { 1 };
    struct relay_limits l = rig_limits();
    struct relay *r = NULL;
    for (uint32_t k = 1;; k++) {
        countdown = k;
        enum vl_err err = relay_create(&l, seed, &r);
        countdown = 0;
        if (err == VL_OK) {
            CHECK(k > 5);
            break;
        }
        CHECK_EQ(VL_ENOMEM, err);
        CHECK(r == NULL);
    }
    relay_destroy(r);
}

TEST(relay_oom, a_table_without_a_handle_is_neither_made_nor_opened) {
    const uint8_t key_hash[32] = { 1 }, sip_key[16] = { 2 };
    size_t size = replay_size(10);
    struct replay *r = NULL;
    void *mem = aligned_alloc(64, size);
    CHECK(mem != NULL);
    memset(mem, 0, size);
    countdown = 1;
    CHECK_EQ(VL_ENOMEM, replay_create(mem, size, 10, key_hash, sip_key, &r));
    CHECK_EQ(VL_ECORRUPT, replay_open(mem, size, key_hash, &r)); /* the memory is as it was */
    CHECK_OK(replay_create(mem, size, 10, key_hash, sip_key, &r));
    replay_close(r);
    r = NULL;
    countdown = 1;
    CHECK_EQ(VL_ENOMEM, replay_open(mem, size, key_hash, &r));
    CHECK(r == NULL);
    CHECK_OK(replay_open(mem, size, key_hash, &r));
    replay_close(r);
    free(mem);
}

TEST(relay_oom, packets_cost_no_allocation) {
    static uint8_t packet[300][SPHINX_PACKET];
    struct relay_rig g;
    struct relay_limits l = rig_limits();
    struct relay_out out;
    rig_init(&g, &l, 1);
    rig_key(&g, 0, 1000);
    for (int i = 0; i < 300; i++) (void)rig_packet(&g, 0, i & 1 ? SPHINX_FORWARD : SPHINX_DELIVER, 3, packet[i]);
    uint32_t before = allocations;
    for (uint64_t link = 0; link < 40; link++) { /* more links than buckets */
        (void)relay_input(g.r, g.now, link, packet[0], link == 0 ? sizeof packet : SPHINX_PACKET);
        if (link % 5 == 0) relay_link_gone(g.r, link);
    }
    CHECK_OK(relay_send(g.r, g.now, 3, packet[0]));
    g.now += RELAY_FLUSH_MS;
    for (struct relay_batch *b; (b = relay_batch_take(g.r, g.now)) != NULL;) {
        relay_batch_run(b);
        relay_batch_done(g.r, g.now, b);
    }
    g.now += 1000;
    while (relay_next(g.r, g.now, &out)) relay_gone(g.r, out.handle);
    CHECK(relay_key_drop(g.r, g.key[0].key_id));
    CHECK_EQ(before, allocations);
    CHECK_EQ(301, rig_stats(&g).forwarded + rig_stats(&g).delivered);
    rig_free(&g);
}
