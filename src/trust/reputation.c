#include "trust/reputation.h"

#include "trust/reputation_priv.h"

#include "base/map.h"
#include "wire/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_STATE = 0x61, STATE_VERSION = 1 };

struct reputation {
    struct reputation_config config;
    struct vl_map by_node; /* struct reputation_state */
};

void reputation_state_free(struct reputation_state *s) {
    free(s->cells);
    s->cells = NULL;
    s->n_cells = s->cells_cap = 0;
}

/* ---- codec -------------------------------------------------------------------------------------------------------- */

enum vl_err reputation_state_encode(const struct reputation_state *s, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_STATE, STATE_VERSION);
    pack_bytes(&w, s->node.b, sizeof s->node.b);
    pack_u64(&w, s->seq);
    pack_u64(&w, s->middle);
    pack_u64(&w, s->folded);
    pack_bytes(&w, s->head.b, sizeof s->head.b);
    pack_bytes(&w, s->middle_head.b, sizeof s->middle_head.b);
    pack_bytes(&w, s->folded_head.b, sizeof s->folded_head.b);
    pack_u64(&w, s->last_ms);
    pack_u16(&w, (uint16_t)s->n_cells);
    for (uint32_t i = 0; i < s->n_cells; i++) {
        pack_u8(&w, s->cells[i].part);
        pack_u8(&w, s->cells[i].slot);
        pack_u32(&w, s->cells[i].epoch);
        pack_u64(&w, s->cells[i].sum);
    }
    return pack_end(&w);
}

static bool cell_sound(const struct reputation_state *s, const struct reputation_cell *c) {
    uint64_t now = s->last_ms / reputation_half_life_ms((enum reputation_dim)(c->slot / 2));
    return c->sum > 0 && c->epoch <= now && now - c->epoch <= REPUTATION_HALF_LIVES;
}

static void cells_read(struct vl_reader *r, struct reputation_state *s) {
    uint64_t before = 0;
    for (uint32_t i = 0; i < s->n_cells && !r->failed; i++) {
        struct reputation_cell *c = &s->cells[i];
        c->part = unpack_u8_in(r, PART_FOLDED, PARTS - 1);
        c->slot = unpack_u8_in(r, 0, SLOTS - 1);
        c->epoch = vl_read_u32(r);
        c->sum = vl_read_u64(r);
        uint64_t key = (uint64_t)c->part << 40 | (uint64_t)c->slot << 32 | c->epoch;
        unpack_require(r, cell_sound(s, c) && (i == 0 || key > before));
        before = key;
    }
}

/* No piece, no hash. */
static bool head_sound(uint64_t seq, const struct vl_hash *head) {
    static const struct vl_hash none;
    return (seq == 0) == vl_hash_eq(*head, none);
}

enum vl_err reputation_state_decode(struct vl_span in, struct reputation_state *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_STATE, STATE_VERSION);
    if (err) return err;
    struct reputation_state s = { .node = unpack_node(&r) };
    s.seq = unpack_u64_in(&r, 1, UINT64_MAX >> 1); /* rows of the store are numbered by it */
    s.middle = unpack_u64_in(&r, 0, s.seq);
    s.folded = unpack_u64_in(&r, 0, s.middle);
    s.head = unpack_hash(&r);
    s.middle_head = unpack_hash(&r);
    s.folded_head = unpack_hash(&r);
    s.last_ms = unpack_u64_in(&r, 0, EVIDENCE_TIME_MAX);
    s.n_cells = vl_read_u16(&r);
    unpack_require(&r, s.n_cells <= REPUTATION_CELLS_MAX && s.seq - s.middle < REPUTATION_FOLD &&
                           s.middle - s.folded <= REPUTATION_FOLD && head_sound(s.seq, &s.head) &&
                           head_sound(s.middle, &s.middle_head) && head_sound(s.folded, &s.folded_head));
    if (r.failed) return VL_EPARSE;
    s.cells_cap = s.n_cells;
    s.cells = calloc(s.n_cells ? s.n_cells : 1, sizeof *s.cells);
    if (s.cells == NULL) return VL_ENOMEM;
    cells_read(&r, &s);
    err = vl_reader_end(&r);
    if (err)
        reputation_state_free(&s);
    else
        *ret = s;
    return err;
}

/* ---- the book ----------------------------------------------------------------------------------------------------- */

struct reputation *reputation_create(const struct reputation_config *config) {
    assert(config->max_nodes > 0 && config->base_milli > 0 && config->base_milli < 1000);
    struct reputation *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->config = *config;
    vl_map_init(&r->by_node, sizeof(struct vl_node_id), config->max_nodes, config->seed);
    return r;
}

static void subject_free(struct reputation_state *s) {
    if (s == NULL) return;
    reputation_state_free(s);
    free(s);
}

void reputation_destroy(struct reputation *r) {
    if (r == NULL) return;
    size_t it = 0;
    for (struct reputation_state *s; (s = vl_map_next(&r->by_node, &it, NULL)) != NULL;) subject_free(s);
    vl_map_free(&r->by_node);
    free(r);
}

static enum vl_err subject_get(struct reputation *r, struct vl_node_id node, struct reputation_state **ret) {
    *ret = vl_map_get(&r->by_node, node.b);
    if (*ret != NULL) return VL_OK;
    struct reputation_state *s = calloc(1, sizeof *s);
    if (s == NULL) return VL_ENOMEM;
    s->node = node;
    enum vl_err err = vl_map_put(&r->by_node, node.b, s);
    if (err)
        free(s);
    else
        *ret = s;
    return err;
}

/* The middle becomes sums only. */
static void fold(struct reputation_state *s, uint64_t *ret_first, uint64_t *ret_n) {
    *ret_first = s->folded + 1;
    *ret_n = s->middle - s->folded;
    cells_fold(s);
    s->folded = s->middle;
    s->folded_head = s->middle_head;
    s->middle = s->seq;
    s->middle_head = s->head;
}

enum vl_err reputation_add(struct reputation *r, const struct crypto_sign_key *key, struct evidence *e,
                           uint64_t *ret_first, uint64_t *ret_n) {
    struct evidence made = *e;
    struct reputation_state *s = vl_map_get(&r->by_node, e->node.b);
    made.seq = s ? s->seq + 1 : 1;
    made.previous = s ? s->head : (struct vl_hash){ 0 };
    if (s && made.at_ms < s->last_ms) made.at_ms = s->last_ms; /* the clock was set back: no time has passed */
    enum vl_err err = evidence_sign(&made, key);
    if (err == VL_OK && s == NULL) err = subject_get(r, e->node, &s);
    if (err == VL_OK) err = cells_reserve(s);
    if (err) {
        if (s && s->seq == 0) vl_ignore(reputation_forget(r, e->node));
        return err;
    }
    cells_add(s, PART_NEWEST, &made);
    s->seq = made.seq;
    s->head = evidence_hash(&made);
    *ret_n = 0;
    if (s->seq - s->middle == REPUTATION_FOLD) fold(s, ret_first, ret_n);
    *e = made;
    return VL_OK;
}

enum vl_err reputation_restore(struct reputation *r, struct vl_span record) {
    struct reputation_state s, *to;
    enum vl_err err = reputation_state_decode(record, &s);
    if (err) return err;
    err = vl_map_get(&r->by_node, s.node.b) ? VL_EEXISTS : subject_get(r, s.node, &to);
    if (err)
        reputation_state_free(&s);
    else
        *to = s;
    return err;
}

const struct reputation_state *reputation_state(const struct reputation *r, struct vl_node_id node) {
    return vl_map_get(&r->by_node, node.b);
}

bool reputation_get(const struct reputation *r, struct vl_node_id node, vl_ms now, struct reputation_score *ret) {
    static const struct reputation_state newcomer;
    const struct reputation_state *s = reputation_state(r, node);
    reputation_state_score(s ? s : &newcomer, r->config.base_milli, now, ret);
    return s != NULL;
}

enum vl_err reputation_forget(struct reputation *r, struct vl_node_id node) {
    struct reputation_state *s = vl_map_del(&r->by_node, node.b);
    subject_free(s);
    return s ? VL_OK : VL_ENOTFOUND;
}

uint32_t reputation_count(const struct reputation *r) { return (uint32_t)r->by_node.len; }

uint32_t reputation_base_milli(const struct reputation *r) { return r->config.base_milli; }
