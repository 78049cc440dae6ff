#include "mix/audit.h"

#include <stdlib.h>
#include <string.h>

#define RELAYS (4u * MIX_RELAYS_MAX) /* judged ones that are remembered: those of one consensus, and many that left */

struct hop {
    uint32_t node;
    uint16_t mean_ms;
    uint8_t input[16], vrf_key[32];
};
struct loop {
    bool used, back;
    uint8_t id[32];
    uint64_t epoch;
    vl_ms sent, transit;
    uint32_t n;
    struct hop hop[SPHINX_HOPS_MAX];
};
struct secret { /* of a relay in the epoch that is being judged */
    uint32_t node;
    bool good;
    uint8_t vrf_key[32], y[CRYPTO_VRF_OUTPUT];
};
struct audit {
    struct loop loops[AUDIT_LOOPS];
    uint32_t next;
    struct delay_epoch epochs[AUDIT_EPOCHS]; /* epoch 0: none */
    uint32_t next_epoch;
    uint64_t epoch; /* of the consensus in force */
    uint16_t tolerance_permille;
    struct mix_consensus_keys {
        uint32_t node;
        uint8_t vrf_key[32];
    } * keys; /* of the consensus in force, ascending by node */
    uint32_t keys_n;
    struct audit_relay relays[RELAYS];
    uint32_t relays_n;
    struct audit_stats stats;
};

struct audit *audit_create(void) {
    return calloc(1, sizeof(struct audit));
}

void audit_destroy(struct audit *a) {
    if (a == NULL) return;
    free(a->keys);
    free(a);
}

static const struct delay_epoch *epoch_find(const struct audit *a, uint64_t epoch) {
    for (unsigned i = 0; i < AUDIT_EPOCHS; i++)
        if (a->epochs[i].epoch == epoch) return &a->epochs[i];
    return NULL;
}

static struct audit_relay *relay_of(struct audit *a, uint32_t number) {
    for (uint32_t i = 0; i < a->relays_n; i++)
        if (a->relays[i].number == number) return &a->relays[i];
    if (a->relays_n == RELAYS) return NULL;
    a->relays[a->relays_n] = (struct audit_relay){ .number = number };
    return &a->relays[a->relays_n++];
}

static const struct secret *secret_find(const struct secret *v, uint32_t n, uint32_t node) {
    for (uint32_t i = 0; i < n; i++)
        if (v[i].node == node) return &v[i];
    return NULL;
}

/* What each hop ought to have waited.  False: a proof is missing, wrong, or of another key than was registered then. */
static bool assigned_us(struct audit *a, const struct loop *l, const struct secret *v, uint32_t n, uint64_t *ret_us) {
    bool good = true;
    *ret_us = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct secret *s = secret_find(v, n, l->hop[i].node);
        bool proven = s && s->good && memcmp(s->vrf_key, l->hop[i].vrf_key, 32) == 0;
        struct audit_relay *r = relay_of(a, l->hop[i].node);
        if (r) r->unproven = !proven;
        good = good && proven;
        if (proven) *ret_us += delay_us(s->y, l->hop[i].input, l->hop[i].mean_ms);
    }
    return good;
}

static void judge(struct audit *a, struct loop *l, const struct secret *v, uint32_t n) {
    uint64_t sum_us;
    l->used = false;
    if (!l->back) return; /* lost: cover.h counts it */
    if (!assigned_us(a, l, v, n, &sum_us)) {
        a->stats.unproven++;
        return;
    }
    bool early = (l->transit + 2u) * 1000u < sum_us; /* both ends of the transit were cut to milliseconds */
    bool late = l->transit * 1000u > sum_us + sum_us * a->tolerance_permille / 1000u + AUDIT_SLACK_MS * 1000u;
    a->stats.judged++;
    a->stats.early += early;
    a->stats.late += late;
    for (uint32_t i = 0; i < l->n; i++) {
        struct audit_relay *r = relay_of(a, l->hop[i].node);
        if (r == NULL) continue;
        r->judged++;
        r->early += early;
        r->late += late;
    }
}

/* The loops of one epoch, once the proofs of its delay secrets are here. */
static void judge_epoch(struct audit *a, const struct mix_consensus *c, const struct delay_epoch *e) {
    struct secret *v = calloc(c->relays_n ? c->relays_n : 1, sizeof *v);
    uint32_t n = 0;
    if (v == NULL) return; /* the loops stay for the next consensus */
    for (uint32_t i = 0; i < c->relays_n; i++) {
        const struct mix_relay *r = &c->relays[i];
        if (r->proof_epoch != e->epoch) continue;
        struct secret *s = &v[n++];
        s->node = r->number;
        memcpy(s->vrf_key, r->vrf_key, 32);
        s->good = delay_audit(r->vrf_key, e, r->proof, s->y) == VL_OK;
    }
    for (uint32_t i = 0; i < AUDIT_LOOPS; i++)
        if (a->loops[i].used && a->loops[i].epoch == e->epoch) judge(a, &a->loops[i], v, n);
    free(v);
}

void audit_consensus(struct audit *a, const struct mix_consensus *c) {
    if (c->epoch == a->epoch) return;
    a->tolerance_permille = c->tolerance_permille;
    if (c->epoch >= 3) { /* the keys of that epoch died before the descriptors of this consensus were written */
        const struct delay_epoch *e = epoch_find(a, c->epoch - 3);
        if (e != NULL) judge_epoch(a, c, e);
    }
    a->epochs[a->next_epoch] = (struct delay_epoch){ .epoch = c->epoch };
    memcpy(a->epochs[a->next_epoch].shared_random, c->shared_random, 32);
    a->next_epoch = (a->next_epoch + 1) % AUDIT_EPOCHS;
    a->epoch = c->epoch;
    free(a->keys);
    a->keys = calloc(c->relays_n ? c->relays_n : 1, sizeof *a->keys);
    a->keys_n = a->keys ? c->relays_n : 0;
    for (uint32_t i = 0; i < a->keys_n; i++) {
        a->keys[i].node = c->relays[i].number;
        memcpy(a->keys[i].vrf_key, c->relays[i].vrf_key, 32);
    }
}

void audit_sent(struct audit *a, vl_ms now, const uint8_t id[32], const struct sphinx_prebuilt *header) {
    struct loop *l = &a->loops[a->next];
    a->next = (a->next + 1) % AUDIT_LOOPS;
    *l = (struct loop){ .used = true, .epoch = a->epoch, .sent = now, .n = header->n };
    memcpy(l->id, id, sizeof l->id);
    for (uint32_t i = 0; i < header->n; i++) {
        l->hop[i].node = header->node[i];
        l->hop[i].mean_ms = header->mean_ms[i];
        memcpy(l->hop[i].input, header->delay_input[i], 16);
        for (uint32_t k = 0; k < a->keys_n; k++)
            if (a->keys[k].node == header->node[i]) memcpy(l->hop[i].vrf_key, a->keys[k].vrf_key, 32);
    }
}

void audit_back(struct audit *a, vl_ms now, const uint8_t id[32]) {
    for (uint32_t i = 0; i < AUDIT_LOOPS; i++) {
        struct loop *l = &a->loops[i];
        if (!l->used || l->back || memcmp(l->id, id, 32) != 0) continue;
        l->back = true;
        l->transit = now - l->sent;
        return;
    }
}

struct audit_stats audit_stats(const struct audit *a) {
    return a->stats;
}

bool audit_relay_at(const struct audit *a, uint32_t i, struct audit_relay *ret) {
    if (i >= a->relays_n) return false;
    *ret = a->relays[i];
    return true;
}
