#include "trust/topology.h"

#include "crypto/hash.h"
#include "trust/topology_priv.h"

#include <assert.h>
#include <stdlib.h>

static struct vl_hash first_seed(const struct vl_hash *village, unsigned which) {
    static const char tag[] = "village-beacon-0";
    const uint8_t number = (uint8_t)which;
    struct crypto_blake2b h;
    struct vl_hash r;
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, tag, sizeof tag - 1);
    crypto_blake2b_update(&h, village->b, sizeof village->b);
    crypto_blake2b_update(&h, &number, 1);
    crypto_blake2b_final(&h, &r);
    return r;
}

struct topology *topology_create(uint32_t max_members, const struct vl_hash *village, uint64_t epoch) {
    assert(max_members > 0 && max_members <= TOPOLOGY_MEMBERS_MAX);
    struct topology *t = calloc(1, sizeof *t);
    if (t == NULL) return NULL;
    t->max_members = max_members;
    t->epoch = epoch;
    t->member = calloc(max_members, sizeof *t->member);
    t->reveal = calloc(1, sizeof *t->reveal);
    if (t->member == NULL || t->reveal == NULL) {
        topology_destroy(t);
        return NULL;
    }
    for (unsigned i = 0; i < TOPOLOGY_SEEDS; i++)
        t->seed[(epoch + TOPOLOGY_SEEDS - i) % TOPOLOGY_SEEDS] = first_seed(village, i);
    return t;
}

void topology_destroy(struct topology *t) {
    if (t == NULL) return;
    for (unsigned i = 0; i < TOPOLOGY_ROLLS; i++) free(t->roll[i].entry);
    free(t->member);
    free(t->reveal);
    free(t);
}

uint64_t topology_epoch(const struct topology *t) { return t->epoch; }

struct vl_hash topology_seed(const struct topology *t) {
    return t->seed[t->epoch % TOPOLOGY_SEEDS];
}

/* Where node is or would be in t->member. */
static uint32_t place_of(const struct topology *t, struct vl_node_id node, bool *ret_found) {
    uint32_t lo = 0, hi = t->n;
    *ret_found = false;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = memcmp(t->member[mid].node.b, node.b, sizeof node.b);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

enum vl_err topology_member(struct topology *t, struct vl_node_id node, const struct crypto_vrf_public *vrf,
                            uint32_t weight) {
    bool found;
    if (vrf->suite != CRYPTO_VRF_TAI && vrf->suite != CRYPTO_VRF_ELL2) return VL_EVERSION;
    uint32_t at = place_of(t, node, &found);
    if (!found) {
        if (t->n == t->max_members) return VL_ELIMIT;
        memmove(t->member + at + 1, t->member + at, (t->n - at) * sizeof *t->member);
        t->member[at] = (struct topology_book_member){ .node = node };
        t->n++;
    }
    t->member[at].vrf = *vrf; /* the counter of silences stays with the node, whatever key it takes */
    t->member[at].weight = weight;
    return VL_OK;
}

enum vl_err topology_leave(struct topology *t, struct vl_node_id node) {
    bool found;
    uint32_t at = place_of(t, node, &found);
    if (!found) return VL_ENOTFOUND;
    t->n--;
    memmove(t->member + at, t->member + at + 1, (t->n - at) * sizeof *t->member);
    return VL_OK;
}

unsigned topology_missed(const struct topology *t, struct vl_node_id node) {
    bool found;
    uint32_t at = place_of(t, node, &found);
    return found ? t->member[at].missed : 0;
}

const struct topology_roll *topology_roll_of(const struct topology *t, uint64_t epoch) {
    if (epoch > t->epoch ? epoch - t->epoch > 1 : t->epoch - epoch > 1) return NULL;
    return &t->roll[epoch % TOPOLOGY_ROLLS];
}

const struct topology_entry *topology_entry_of(const struct topology_roll *r, struct vl_node_id node) {
    uint32_t lo = 0, hi = r->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = memcmp(r->entry[mid].node.b, node.b, sizeof node.b);
        if (c == 0) return &r->entry[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

bool topology_book(const struct topology *t, struct vl_node_id node, struct crypto_vrf_public *ret_vrf, uint32_t *ret_weight) {
    bool found;
    uint32_t at = place_of(t, node, &found);
    if (!found) return false;
    *ret_vrf = t->member[at].vrf;
    *ret_weight = t->member[at].weight;
    return true;
}

bool topology_has_revealed(const struct topology *t, struct vl_node_id node) {
    const struct topology_roll *r = topology_roll_of(t, t->epoch);
    const struct topology_entry *e = topology_entry_of(r, node);
    return e != NULL && t->reveal[e - r->entry].given;
}

uint32_t topology_roll_size(const struct topology *t, uint64_t epoch, struct vl_node_id node, uint32_t *ret_weight, uint64_t *ret_total) {
    const struct topology_roll *r = topology_roll_of(t, epoch);
    const struct topology_entry *e = r ? topology_entry_of(r, node) : NULL;
    if (ret_weight) *ret_weight = e ? e->weight : 0;
    if (ret_total) *ret_total = r ? r->total : 0;
    return r ? r->n : 0;
}

enum vl_err topology_reveal(struct topology *t, struct vl_span cert) {
    struct topology_cert c;
    enum vl_err err = topology_check(t, cert, &c, NULL);
    if (err) return err;
    if (c.role != TOPOLOGY_BEACON) return VL_EDENIED;
    if (c.epoch != t->epoch) return VL_ESTALE;
    const struct topology_roll *r = topology_roll_of(t, t->epoch);
    struct topology_beta *beta = &t->reveal[topology_entry_of(r, c.node) - r->entry]; /* checked: it is there */
    if (beta->given) return VL_EEXISTS;
    beta->given = true;
    memcpy(beta->beta, c.beta, sizeof beta->beta);
    return VL_OK;
}

static struct vl_hash next_seed(const struct topology *t) {
    static const char tag[] = "village-beacon-1";
    const struct topology_roll *r = topology_roll_of(t, t->epoch);
    struct vl_hash s = topology_seed(t);
    struct crypto_blake2b h;
    uint8_t epoch[8];
    vl_put_u64(epoch, t->epoch);
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, tag, sizeof tag - 1);
    crypto_blake2b_update(&h, s.b, sizeof s.b);
    crypto_blake2b_update(&h, epoch, sizeof epoch);
    for (uint32_t i = 0; i < r->n; i++) {
        if (!t->reveal[i].given) continue;
        crypto_blake2b_update(&h, r->entry[i].node.b, sizeof r->entry[i].node.b);
        crypto_blake2b_update(&h, t->reveal[i].beta, sizeof t->reveal[i].beta);
    }
    crypto_blake2b_final(&h, &s);
    return s;
}

/* Silence in the epoch that ends. */
static void note_missed(struct topology *t) {
    const struct topology_roll *r = topology_roll_of(t, t->epoch);
    for (uint32_t i = 0; i < r->n; i++) {
        bool found;
        uint32_t at = place_of(t, r->entry[i].node, &found);
        if (!found || !r->entry[i].counts) continue;
        unsigned missed = t->member[at].missed;
        if (!t->reveal[i].given)
            missed = missed + TOPOLOGY_MISSED_STEP < TOPOLOGY_MISSED_MAX ? missed + TOPOLOGY_MISSED_STEP
                                                                         : TOPOLOGY_MISSED_MAX;
        else if (missed > 0)
            missed--;
        t->member[at].missed = (uint8_t)missed;
    }
}

/* All or nothing. */
static enum vl_err next_epoch(struct topology *t) {
    const struct topology_roll *coming = topology_roll_of(t, t->epoch + 1);
    struct topology_roll fresh = { .entry = calloc(t->n + 1u, sizeof *fresh.entry), .n = t->n };
    struct topology_beta *reveal = calloc(coming->n + 1u, sizeof *reveal);
    if (fresh.entry == NULL || reveal == NULL) {
        free(fresh.entry);
        free(reveal);
        return VL_ENOMEM;
    }
    struct vl_hash seed = next_seed(t);
    note_missed(t);
    for (uint32_t i = 0; i < t->n; i++) {
        const struct topology_book_member *m = &t->member[i];
        fresh.entry[i] = (struct topology_entry){ m->node, m->vrf, m->weight >> m->missed, m->weight > 0 };
        fresh.total += fresh.entry[i].weight;
    }
    t->epoch++;
    t->seed[t->epoch % TOPOLOGY_SEEDS] = seed;
    struct topology_roll *slot =
        &t->roll[(t->epoch + TOPOLOGY_WAIT) % TOPOLOGY_ROLLS]; /* of the epoch before the last */
    free(slot->entry);
    *slot = fresh;
    free(t->reveal);
    t->reveal = reveal;
    return VL_OK;
}

enum vl_err topology_advance(struct topology *t, uint64_t epoch) {
    if (epoch < t->epoch || epoch - t->epoch > TOPOLOGY_CATCH_UP) return VL_ERANGE;
    enum vl_err err = VL_OK;
    while (t->epoch < epoch && err == VL_OK) err = next_epoch(t);
    return err;
}
