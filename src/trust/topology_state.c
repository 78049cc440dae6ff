#include "trust/topology_priv.h"

#include <stdlib.h>

#define VERSION 1
#define MEMBER_BYTES 70u
#define ENTRY_BYTES 70u
#define EPOCH_MAX (UINT64_MAX / TOPOLOGY_EPOCH_MS) /* vl_ms ends there */

/* Appends; remembers the first error. */
static void put(struct vl_buf *b, const void *p, size_t n, enum vl_err *err) {
    if (*err == VL_OK) *err = vl_buf_append(b, p, n);
}
static void put_number(struct vl_buf *b, uint64_t v, unsigned bytes, enum vl_err *err) {
    uint8_t be[8];
    vl_put_u64(be, v);
    put(b, be + 8 - bytes, bytes, err);
}
static void put_vrf(struct vl_buf *b, const struct crypto_vrf_public *p, enum vl_err *err) {
    put(b, &p->suite, 1, err);
    put(b, p->key, sizeof p->key, err);
}

enum vl_err topology_save(const struct topology *t, struct vl_buf *dst) {
    enum vl_err err = VL_OK;
    size_t began = dst->len;
    put_number(dst, VERSION, 1, &err);
    put_number(dst, t->epoch, 8, &err);
    for (unsigned i = 0; i < TOPOLOGY_SEEDS; i++) put(dst, t->seed[i].b, sizeof t->seed[i].b, &err);
    put_number(dst, t->n, 4, &err);
    for (uint32_t i = 0; i < t->n; i++) {
        put(dst, t->member[i].node.b, sizeof t->member[i].node.b, &err);
        put_vrf(dst, &t->member[i].vrf, &err);
        put_number(dst, t->member[i].weight, 4, &err);
        put_number(dst, t->member[i].missed, 1, &err);
    }
    for (unsigned k = 0; k < TOPOLOGY_ROLLS; k++) {
        const struct topology_roll *r = &t->roll[k];
        put_number(dst, r->n, 4, &err);
        for (uint32_t i = 0; i < r->n; i++) {
            put(dst, r->entry[i].node.b, sizeof r->entry[i].node.b, &err);
            put_vrf(dst, &r->entry[i].vrf, &err);
            put_number(dst, r->entry[i].weight, 4, &err);
            put_number(dst, r->entry[i].counts, 1, &err);
        }
    }
    for (uint32_t i = 0; i < topology_roll_of(t, t->epoch)->n; i++) {
        put_number(dst, t->reveal[i].given, 1, &err);
        if (t->reveal[i].given) put(dst, t->reveal[i].beta, sizeof t->reveal[i].beta, &err);
    }
    if (err != VL_OK) dst->len = began;
    return err;
}

/* One row; false: not the one that topology_save() writes after one with the id `before` (NULL: the first). */
static bool read_row(struct vl_reader *r, const struct vl_node_id *before, struct vl_node_id *node,
                     struct crypto_vrf_public *vrf, uint32_t *weight, uint8_t *last) {
    vl_read_bytes(r, node->b, sizeof node->b);
    vrf->suite = vl_read_u8(r);
    vl_read_bytes(r, vrf->key, sizeof vrf->key);
    *weight = vl_read_u32(r);
    *last = vl_read_u8(r);
    return !r->failed && (vrf->suite == CRYPTO_VRF_TAI || vrf->suite == CRYPTO_VRF_ELL2) &&
           (before == NULL || memcmp(before->b, node->b, sizeof node->b) < 0);
}

static enum vl_err read_members(struct vl_reader *r, struct topology *t) {
    uint32_t n = vl_read_u32(r);
    if (n > t->max_members || r->n / MEMBER_BYTES < n) return VL_EPARSE;
    for (; t->n < n; t->n++) {
        struct topology_book_member *m = &t->member[t->n];
        if (!read_row(r, t->n > 0 ? &m[-1].node : NULL, &m->node, &m->vrf, &m->weight, &m->missed) ||
            m->missed > TOPOLOGY_MISSED_MAX)
            return VL_EPARSE;
    }
    return VL_OK;
}

static enum vl_err read_roll(struct vl_reader *r, const struct topology *t, struct topology_roll *roll) {
    uint32_t n = vl_read_u32(r);
    if (n > t->max_members || r->n / ENTRY_BYTES < n) return VL_EPARSE;
    roll->entry = calloc(n + 1u, sizeof *roll->entry);
    if (roll->entry == NULL) return VL_ENOMEM;
    for (; roll->n < n; roll->n++) {
        struct topology_entry *e = &roll->entry[roll->n];
        uint8_t counts;
        if (!read_row(r, roll->n > 0 ? &e[-1].node : NULL, &e->node, &e->vrf, &e->weight, &counts) || counts > 1)
            return VL_EPARSE;
        e->counts = counts == 1;
        roll->total += e->weight;
    }
    return VL_OK;
}

static enum vl_err read_reveals(struct vl_reader *r, struct topology *t) {
    uint32_t n = topology_roll_of(t, t->epoch)->n;
    free(t->reveal);
    t->reveal = calloc(n + 1u, sizeof *t->reveal);
    if (t->reveal == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t given = vl_read_u8(r);
        if (given > 1) return VL_EPARSE;
        t->reveal[i].given = given == 1;
        if (given == 1) vl_read_bytes(r, t->reveal[i].beta, sizeof t->reveal[i].beta);
    }
    return vl_reader_end(r);
}

enum vl_err topology_restore(struct vl_span in, uint32_t max_members, struct topology **ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    struct vl_hash none = { { 0 } };
    unsigned version = vl_read_u8(&r);
    uint64_t epoch = vl_read_u64(&r);
    if (r.failed) return VL_EPARSE;
    if (version != VERSION) return VL_EVERSION;
    if (epoch > EPOCH_MAX) return VL_EPARSE;
    struct topology *t = topology_create(max_members, &none, epoch);
    if (t == NULL) return VL_ENOMEM;
    for (unsigned i = 0; i < TOPOLOGY_SEEDS; i++) vl_read_bytes(&r, t->seed[i].b, sizeof t->seed[i].b);
    enum vl_err err = read_members(&r, t);
    for (unsigned k = 0; k < TOPOLOGY_ROLLS && err == VL_OK; k++) err = read_roll(&r, t, &t->roll[k]);
    if (err == VL_OK) err = read_reveals(&r, t);
    if (err == VL_OK)
        *ret = t;
    else
        topology_destroy(t);
    return err;
}
