/* Loops are judged by the proofs that relays publish once the keys of their epoch are gone. */
#include "check.h"

#include "crypto/random.h"
#include "mix/audit.h"

#include <string.h>

#define RELAYS 3u
#define EPOCH 7u

struct world {
    struct crypto_vrf_key vrf[RELAYS];
    struct mix_relay relays[RELAYS];
    struct mix_consensus c;
    uint8_t y[RELAYS][CRYPTO_VRF_OUTPUT];
};

static void world_epoch(struct world *w, uint64_t epoch) {
    w->c = (struct mix_consensus){ .epoch = epoch, .tolerance_permille = 500, .relays_n = RELAYS, .relays = w->relays };
    memset(w->c.shared_random, (int)epoch, 32);
}

static void world_open(struct world *w) {
    memset(w, 0, sizeof *w);
    for (unsigned i = 0; i < RELAYS; i++) {
        uint8_t seed[32] = { (uint8_t)(i + 1) };
        crypto_vrf_key_from_seed(seed, &w->vrf[i]);
        w->relays[i].number = i + 1;
        memcpy(w->relays[i].vrf_key, w->vrf[i].public, 32);
    }
    world_epoch(w, EPOCH);
}

/* Publishes the proofs of EPOCH in the consensus three epochs later. */
static void world_prove(struct world *w) {
    struct delay_epoch e = { .epoch = EPOCH };
    memcpy(e.shared_random, w->c.shared_random, 32);
    for (unsigned i = 0; i < RELAYS; i++) {
        CHECK_EQ(VL_OK, delay_epoch_begin(&w->vrf[i], &e, w->y[i], w->relays[i].proof));
        w->relays[i].proof_epoch = EPOCH;
    }
    world_epoch(w, EPOCH + 3);
}

static struct sphinx_prebuilt header(void) {
    struct sphinx_prebuilt h = { .first = 1, .n = RELAYS };
    for (unsigned i = 0; i < RELAYS; i++) {
        h.node[i] = i + 1;
        h.mean_ms[i] = 100;
        memset(h.delay_input[i], (int)(40 + i), 16);
    }
    return h;
}

/* Sends one loop that takes `extra_ms` more than what the relays were to wait. */
static struct audit_stats judged(int extra_ms, void (*spoil)(struct world *w)) {
    struct world w;
    struct sphinx_prebuilt h = header();
    const uint8_t id[32] = { 1, 2, 3 };
    struct audit *a = audit_create();
    world_open(&w);
    audit_consensus(a, &w.c);
    audit_sent(a, 1000000, id, &h);
    world_prove(&w);
    uint64_t us = 0;
    for (unsigned i = 0; i < RELAYS; i++) us += delay_us(w.y[i], h.delay_input[i], h.mean_ms[i]);
    audit_back(a, (vl_ms)(1000000 + (int)((us + 999) / 1000) + extra_ms), id);
    if (spoil) spoil(&w);
    audit_consensus(a, &w.c);
    struct audit_stats s = audit_stats(a);
    audit_destroy(a);
    return s;
}

TEST(audit, finds_nothing_wrong_with_a_loop_that_waited_as_assigned) {
    struct audit_stats s = judged(3, NULL);
    CHECK_EQ(1, s.judged);
    CHECK_EQ(0, s.early + s.late + s.unproven);
}

TEST(audit, notices_a_loop_that_came_back_before_its_delays_had_passed) {
    struct audit_stats s = judged(-4, NULL);
    CHECK_EQ(1, s.judged);
    CHECK_EQ(1, s.early);
}

TEST(audit, notices_a_loop_that_took_longer_than_the_tolerance) {
    CHECK_EQ(0, judged((int)AUDIT_SLACK_MS, NULL).late);
    CHECK_EQ(1, judged((int)AUDIT_SLACK_MS + 100000, NULL).late);
}

static void spoil_proof(struct world *w) { w->relays[1].proof[70] ^= 1; }
static void spoil_silent(struct world *w) { w->relays[2].proof_epoch = 0; }
static void spoil_other_key(struct world *w) {
    /* a proof that is right, of a key that was registered after the shared random value was known */
    uint8_t seed[32] = { 99 };
    struct delay_epoch e = { .epoch = EPOCH };
    memset(e.shared_random, EPOCH, 32);
    crypto_vrf_key_from_seed(seed, &w->vrf[0]);
    memcpy(w->relays[0].vrf_key, w->vrf[0].public, 32);
    CHECK_EQ(VL_OK, delay_epoch_begin(&w->vrf[0], &e, w->y[0], w->relays[0].proof));
}

TEST(audit, judges_no_loop_without_the_proofs_of_all_its_hops) {
    void (*const all[])(struct world *w) = { spoil_proof, spoil_silent, spoil_other_key };
    for (unsigned i = 0; i < 3; i++) {
        struct audit_stats s = judged(3, all[i]);
        CHECK_EQ(0, s.judged);
        CHECK_EQ(1, s.unproven);
    }
}

TEST(audit, names_the_relay_whose_proof_is_missing) {
    struct world w;
    struct sphinx_prebuilt h = header();
    const uint8_t id[32] = { 5 };
    struct audit *a = audit_create();
    struct audit_relay r;
    world_open(&w);
    audit_consensus(a, &w.c);
    audit_sent(a, 1000, id, &h);
    audit_back(a, 90000, id);
    world_prove(&w);
    spoil_silent(&w);
    audit_consensus(a, &w.c);
    for (uint32_t i = 0; audit_relay_at(a, i, &r); i++) CHECK_EQ(r.number == 3, r.unproven);
    audit_destroy(a);
}

TEST(audit, forgets_the_oldest_loop_when_there_are_too_many) {
    struct world w;
    struct sphinx_prebuilt h = header();
    struct audit *a = audit_create();
    world_open(&w);
    audit_consensus(a, &w.c);
    for (unsigned i = 0; i <= AUDIT_LOOPS; i++) {
        uint8_t id[32] = { (uint8_t)i, (uint8_t)(i >> 8), 1 };
        audit_sent(a, 1000, id, &h);
        audit_back(a, 60000, id);
    }
    world_prove(&w);
    audit_consensus(a, &w.c);
    CHECK_EQ(AUDIT_LOOPS, audit_stats(a).judged);
    audit_destroy(a);
}
