/* A village with saboteurs, judged by its reputations: 100 nodes, 10 of them in league, who return the same wrong result
 * in 30 % of the jobs they agree to spoil; honest ones err in 0.2 % (the figures of fog.md 4). Each task goes to two nodes
 * drawn by lot, and to one more while no two agree. */
#include "trust/reputation.h"

#include "base/prng.h"
#include "crypto/random.h"

#include "check.h"

#include <stdlib.h>

enum { NODES = 100, LEAGUE = 10, TASKS = 1000 /* two copies: twenty for each node */ };
#define START ((vl_ms)20000 * REPUTATION_DAY_MS)

struct village {
    struct reputation *book;
    struct crypto_sign_key key;
    struct vl_prng rng;
    vl_ms now;
};

static void tell(struct village *v, unsigned node, enum evidence_kind kind) {
    struct evidence e = { .node = { { (uint8_t)(node + 1) } }, .kind = kind, .weight_milli = 1000, .at_ms = v->now };
    uint64_t first, n;
    CHECK_OK(reputation_add(v->book, &v->key, &e, &first, &n));
}

/* 0: right; 1: what the league says; above: an honest mistake, unlike any other. */
static uint64_t result_of(struct village *v, unsigned node, bool spoil) {
    if (node < LEAGUE) return spoil;
    return vl_prng_below(&v->rng, 1000) < 2 ? 2 + vl_prng_below(&v->rng, UINT32_MAX) : 0;
}

static void task(struct village *v) {
    unsigned who[12], n = 0;
    uint64_t said[12], winner = UINT64_MAX;
    bool spoil = vl_prng_below(&v->rng, 10) < 3;
    while (winner == UINT64_MAX && n < 12) {
        unsigned node = (unsigned)vl_prng_below(&v->rng, NODES);
        bool used = false;
        for (unsigned i = 0; i < n; i++) used |= who[i] == node;
        if (used) continue;
        who[n] = node;
        said[n] = result_of(v, node, spoil);
        for (unsigned i = 0; i < n; i++)
            if (said[i] == said[n]) winner = said[n];
        n++;
    }
    for (unsigned i = 0; i < n; i++) tell(v, who[i], said[i] == winner ? EVIDENCE_AGREED : EVIDENCE_WRONG);
}

static uint32_t trust(const struct village *v, unsigned node) {
    struct reputation_score s;
    reputation_get(v->book, (struct vl_node_id){ { (uint8_t)(node + 1) } }, v->now, &s);
    return s.trust_ppm;
}

/* Pairs of an honest node and one of the league in which the honest one does not stand higher. */
static uint32_t unsorted(const struct village *v) {
    uint32_t n = 0;
    for (unsigned a = 0; a < LEAGUE; a++)
        for (unsigned b = LEAGUE; b < NODES; b++) n += trust(v, a) >= trust(v, b);
    return n;
}

/* Measured: all sorted after 450 to 850 tasks, seeds 1 to 5. */
TEST(reputation, a_tenth_in_league_sinks_below_every_honest_node_within_twenty_tasks_of_each) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct village v = { .book = reputation_create(&(struct reputation_config){ .max_nodes = NODES, .base_milli = 500 }),
                             .now = START };
        uint8_t secret[32] = { 1 };
        uint32_t trusted = 0;
        CHECK_OK(crypto_init());
        crypto_sign_key_from_seed(secret, &v.key);
        vl_prng_seed(&v.rng, seed);
        for (uint32_t i = 0; i < TASKS; i++, v.now += 60000) task(&v);
        CHECK_EQ(0, unsorted(&v));
        for (unsigned i = 0; i < NODES; i++) {
            CHECK(i >= LEAGUE || trust(&v, i) < 400000);
            trusted += trust(&v, i) >= REPUTATION_TRUSTED_PPM;
        }
        CHECK(trusted >= 80); /* nine in ten honest ones have had no bad luck */
        reputation_destroy(v.book);
    }
}
