#include "trust/zk_batch.h"

#include "crypto/msm.h"
#include "trust/zk_priv.h"

#include <assert.h>
#include <stdlib.h>

struct zk_batch {
    const struct zk_gens *gens;
    unsigned n;
    struct zk_equation *e; /* ZK_BATCH_MAX */
};

struct zk_batch *zk_batch_create(const struct zk_gens *g) {
    struct zk_batch *b = calloc(1, sizeof *b);
    if (b == NULL) return NULL;
    b->gens = g;
    b->e = calloc(ZK_BATCH_MAX, sizeof *b->e);
    if (b->e == NULL) {
        free(b);
        return NULL;
    }
    return b;
}

void zk_batch_destroy(struct zk_batch *b) {
    if (b == NULL) return;
    for (unsigned i = 0; i < b->n; i++) {
        free(b->e[i].point);
        free(b->e[i].scalar);
    }
    free(b->e);
    free(b);
}

unsigned zk_batch_count(const struct zk_batch *b) { return b->n; }
const struct zk_gens *zk_batch_gens(const struct zk_batch *b) { return b->gens; }

struct zk_equation *zk_batch_claim(struct zk_batch *b) {
    if (b->n == ZK_BATCH_MAX) return NULL;
    struct zk_equation *e = &b->e[b->n++];
    e->verdict = VL_ERANGE;
    return e;
}

bool zk_equation_room(struct zk_equation *e, unsigned room, unsigned count) {
    e->point = calloc(room, sizeof *e->point);
    e->scalar = calloc(room + 2 * (size_t)count, sizeof *e->scalar);
    if (e->point == NULL || e->scalar == NULL) {
        e->verdict = VL_ENOMEM;
        return false;
    }
    e->room = room;
    e->count = count;
    e->g = e->scalar + room;
    e->h = e->g + count;
    return true;
}

bool zk_equation_point(struct zk_equation *e, const uint8_t in[32], bool identity_allowed) {
    assert(e->own < e->room);
    struct ristretto *p = &e->point[e->own++];
    if (ristretto_decode(in, p) == VL_OK && (identity_allowed || !ristretto_is_identity(p))) return true;
    e->verdict = VL_EPARSE;
    return false;
}

/* A sum under way: the generators' scalars added up, own terms side by side. */
struct sum {
    const struct zk_gens *gens;
    unsigned each; /* generators of a kind */
    struct zk_scalar *g, *h, value, blind;
    size_t n;
    uint8_t (*scalar)[32];
    struct ristretto *point;
};

static void sum_free(struct sum *s) {
    free(s->g);
    free(s->scalar);
    free(s->point);
}

static bool sum_make(const struct zk_batch *b, struct sum *s) {
    size_t room = 2;
    *s = (struct sum){ .gens = b->gens };
    for (unsigned i = 0; i < b->n; i++) {
        if (b->e[i].verdict != VL_OK) continue;
        room += b->e[i].own;
        if (b->e[i].count > s->each) s->each = b->e[i].count;
    }
    room += 2 * (size_t)s->each;
    s->g = calloc(2 * (size_t)s->each + 1, sizeof *s->g);
    s->scalar = calloc(room, sizeof *s->scalar);
    s->point = calloc(room, sizeof *s->point);
    if (s->g == NULL || s->scalar == NULL || s->point == NULL) {
        sum_free(s);
        return false;
    }
    s->h = s->g + s->each;
    return true;
}

static void sum_clear(struct sum *s) {
    memset(s->g, 0, 2 * (size_t)s->each * sizeof *s->g);
    s->value = s->blind = zk_of_u64(0);
    s->n = 0;
}

static void sum_term(struct sum *s, struct zk_scalar scalar, const struct ristretto *point) {
    memcpy(s->scalar[s->n], scalar.b, 32);
    s->point[s->n++] = *point;
}

static void sum_add(struct sum *s, const struct zk_equation *e, struct zk_scalar weight) {
    for (unsigned i = 0; i < e->own; i++) sum_term(s, zk_mul(weight, e->scalar[i]), &e->point[i]);
    for (unsigned i = 0; i < e->count; i++) {
        s->g[i] = zk_muladd(weight, e->g[i], s->g[i]);
        s->h[i] = zk_muladd(weight, e->h[i], s->h[i]);
    }
    s->value = zk_muladd(weight, e->value, s->value);
    s->blind = zk_muladd(weight, e->blind, s->blind);
}

static enum vl_err sum_decide(struct sum *s) {
    struct ristretto total;
    for (unsigned i = 0; i < s->each; i++) {
        if (!zk_is_zero(s->g[i])) sum_term(s, s->g[i], &s->gens->g[i]);
        if (!zk_is_zero(s->h[i])) sum_term(s, s->h[i], &s->gens->h[i]);
    }
    sum_term(s, s->value, &s->gens->value);
    sum_term(s, s->blind, &s->gens->blind);
    enum vl_err err = msm_vartime((const uint8_t(*)[32])s->scalar, s->point, s->n, &total);
    if (err != VL_OK) return err;
    return ristretto_is_identity(&total) ? VL_OK : VL_ECRYPTO;
}

static enum vl_err decide_one(struct sum *s, const struct zk_equation *e) {
    sum_clear(s);
    sum_add(s, e, zk_of_u64(1));
    return sum_decide(s);
}

enum vl_err zk_batch_decide(struct zk_batch *b) {
    struct sum s;
    assert(b->n == 1);
    if (b->e[0].verdict != VL_OK) return b->e[0].verdict;
    if (!sum_make(b, &s)) return VL_ENOMEM;
    enum vl_err err = decide_one(&s, &b->e[0]);
    sum_free(&s);
    return err;
}

/* Weights depend on the seed and on all proofs: also on what the seed's owner is told later. */
static enum vl_err sum_all(const struct zk_batch *b, struct sum *s, const uint8_t seed[32]) {
    struct transcript t, after;
    uint8_t bound[32];
    transcript_init(&t, "village zk batch");
    transcript_append(&t, "seed", vl_span(seed, 32));
    for (unsigned i = 0; i < b->n; i++) {
        if (b->e[i].verdict != VL_OK) continue;
        after = b->e[i].t;
        transcript_challenge(&after, "batch", bound, sizeof bound);
        transcript_append(&t, "proof", vl_span(bound, sizeof bound));
    }
    sum_clear(s);
    for (unsigned i = 0; i < b->n; i++)
        if (b->e[i].verdict == VL_OK) sum_add(s, &b->e[i], zk_challenge(&t, "weight"));
    return sum_decide(s);
}

static enum vl_err tell(const struct zk_batch *b, const enum vl_err *verdict, enum vl_err *ret_each) {
    enum vl_err first = VL_OK;
    for (unsigned i = b->n; i-- > 0;) {
        if (ret_each != NULL) ret_each[i] = verdict[i];
        if (verdict[i] != VL_OK) first = verdict[i];
    }
    return first;
}

enum vl_err zk_batch_check(struct zk_batch *b, const uint8_t seed[32], enum vl_err *ret_each) {
    enum vl_err verdict[ZK_BATCH_MAX], err = VL_OK;
    struct sum s;
    bool left = false;
    for (unsigned i = 0; i < b->n; i++) {
        verdict[i] = b->e[i].verdict;
        left |= verdict[i] == VL_OK;
        if (verdict[i] == VL_ENOMEM) err = VL_ENOMEM;
    }
    if (err == VL_OK && left) {
        if (!sum_make(b, &s)) {
            err = VL_ENOMEM;
        } else {
            err = sum_all(b, &s, seed);
            for (unsigned i = 0; i < b->n && err == VL_ECRYPTO; i++) { /* one is wrong: which? */
                if (verdict[i] == VL_OK) verdict[i] = decide_one(&s, &b->e[i]);
                if (verdict[i] == VL_ENOMEM) err = VL_ENOMEM;
            }
            sum_free(&s);
        }
    }
    enum vl_err first = tell(b, verdict, ret_each);
    if (err == VL_OK || (err == VL_ECRYPTO && first != VL_OK)) return first;
    for (unsigned i = 0; i < b->n; i++) verdict[i] = err;
    return tell(b, verdict, ret_each);
}
