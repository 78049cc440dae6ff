/* Scores: decay and bounds, in integers. */
#include "trust/reputation_priv.h"

#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

#define ONE_Q30 (1u << 30)
#define SUM_SHIFT 24u          /* fraction bits of a cell's sum */
#define MICRO 1000000u
#define BILLION 1000000000u
#define WEIGHT_MAX_MICRO 1000000000000u /* a million of weights */
#define Z_MILLI 1645u          /* 95 %, one-sided, of the normal distribution */
#define PRIOR_MICRO 2000000u   /* weight of the base rate: as two pieces of evidence */
#define WRONG_WEIGHT 10u       /* of EVIDENCE_WRONG in `correct` */

uint64_t reputation_half_life_ms(enum reputation_dim d) {
    bool slow = d == REPUTATION_CORRECT || d == REPUTATION_HONEST;
    return (uint64_t)REPUTATION_DAY_MS * (slow ? REPUTATION_SLOW_DAYS : REPUTATION_FAST_DAYS);
}

/* 2^(x / 65536) for x < 65536, in 2^-30. */
static uint64_t power_q30(uint32_t x) {
    static const uint32_t root[16] = { /* 2^(2^-1), 2^(2^-2) ... */
        1518500250u, 1276901417u, 1170923762u, 1121280436u, 1097253708u, 1085434106u, 1079572136u, 1076653033u,
        1075196443u, 1074468888u, 1074105294u, 1073923544u, 1073832680u, 1073787251u, 1073764537u, 1073753181u,
    };
    uint64_t v = ONE_Q30;
    for (unsigned i = 0; i < 16; i++)
        if (x & (0x8000u >> i)) v = (v * root[i]) >> 30;
    return v;
}

/* Where in its half-life a time is, in 2^-16. */
static uint32_t phase_of(vl_ms t, uint64_t half_life) { return (uint32_t)((t % half_life) * 65536u / half_life); }

/* ---- cells -------------------------------------------------------------------------------------------------------- */

static int cell_cmp(const struct reputation_cell *a, const struct reputation_cell *b) {
    if (a->part != b->part) return a->part < b->part ? -1 : 1;
    if (a->slot != b->slot) return a->slot < b->slot ? -1 : 1;
    return (a->epoch > b->epoch) - (a->epoch < b->epoch);
}

enum vl_err cells_reserve(struct reputation_state *s) {
    if (s->n_cells + REPUTATION_DIMS <= s->cells_cap) return VL_OK;
    uint32_t cap = s->cells_cap + s->cells_cap / 2 + 2 * REPUTATION_DIMS;
    struct reputation_cell *p = realloc(s->cells, cap * sizeof *p);
    if (p == NULL) return VL_ENOMEM;
    s->cells = p;
    s->cells_cap = cap;
    return VL_OK;
}

static void cell_put(struct reputation_state *s, struct reputation_cell c) {
    uint32_t i = s->n_cells;
    while (i > 0 && cell_cmp(&s->cells[i - 1], &c) > 0) i--;
    if (i > 0 && cell_cmp(&s->cells[i - 1], &c) == 0) {
        s->cells[i - 1].sum = add_saturating(s->cells[i - 1].sum, c.sum);
        return;
    }
    memmove(&s->cells[i + 1], &s->cells[i], (s->n_cells - i) * sizeof *s->cells);
    s->cells[i] = c;
    s->n_cells++;
}

static uint32_t epoch_of(const struct reputation_cell *c, vl_ms t) {
    return (uint32_t)(t / reputation_half_life_ms((enum reputation_dim)(c->slot / 2)));
}

/* What counts nothing any more, now or later, goes: bounds the table. */
static void cells_expire(struct reputation_state *s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_cells; i++)
        if (s->cells[i].epoch + REPUTATION_HALF_LIVES >= epoch_of(&s->cells[i], s->last_ms)) s->cells[n++] = s->cells[i];
    s->n_cells = n;
}

void cells_add(struct reputation_state *s, uint8_t part, const struct evidence *e) {
    if (s->last_ms < e->at_ms) s->last_ms = e->at_ms;
    cells_expire(s);
    for (unsigned d = 0; d < REPUTATION_DIMS; d++) {
        int32_t effect = evidence_effect(e->kind, (enum reputation_dim)d);
        if (effect == 0) continue;
        uint64_t h = reputation_half_life_ms((enum reputation_dim)d), size = (uint64_t)(effect < 0 ? -effect : effect);
        struct reputation_cell c = { .part = part, .slot = (uint8_t)(2 * d + (effect < 0)) };
        c.epoch = epoch_of(&c, e->at_ms);
        /* thousandths of thousandths by 2^-30, < 2^55, to thousandths by 2^-24 */
        c.sum = (size * e->weight_milli * power_q30(phase_of(e->at_ms, h)) / EVIDENCE_WEIGHT_MAX) >> (30 - SUM_SHIFT);
        if (c.epoch + REPUTATION_HALF_LIVES >= epoch_of(&c, s->last_ms)) cell_put(s, c);
    }
}

void cells_fold(struct reputation_state *s) {
    uint32_t n = s->n_cells;
    struct reputation_cell c;
    s->n_cells = 0;
    for (uint32_t i = 0; i < n; i++) { /* never writes beyond what it has read: the table only shrinks */
        c = s->cells[i];
        if (c.part > PART_FOLDED) c.part--;
        cell_put(s, c);
    }
}

/* ---- scores ------------------------------------------------------------------------------------------------------- */

static uint64_t root_of(u128 v) {
    uint64_t r = 0;
    for (uint64_t bit = (uint64_t)1 << 63; bit != 0; bit >>= 1)
        if ((u128)(r | bit) * (r | bit) <= v) r |= bit;
    return r;
}

/* Sum of one slot, decayed to `now`, in millionths of a weight. */
static uint64_t decayed(const struct reputation_state *s, unsigned slot, vl_ms now) {
    uint64_t h = reputation_half_life_ms((enum reputation_dim)(slot / 2)), by_age[REPUTATION_HALF_LIVES + 1] = { 0 };
    uint64_t epoch = now / h, sum = 0;
    uint32_t phase = phase_of(now, h);
    for (uint32_t i = 0; i < s->n_cells; i++) {
        const struct reputation_cell *c = &s->cells[i];
        if (c->slot != slot || epoch - c->epoch > REPUTATION_HALF_LIVES) continue;
        uint64_t *age = &by_age[epoch - c->epoch]; /* parts first: shifting each alone would round otherwise */
        *age = add_saturating(*age, c->sum);
    }
    for (unsigned i = 0; i <= REPUTATION_HALF_LIVES; i++) sum = add_saturating(sum, by_age[i] >> i);
    u128 v = (u128)sum * (phase ? power_q30(65536 - phase) : 2ull * ONE_Q30) * (MICRO / 1000); /* 2^-phase, in 2^-31 */
    v = (v + ((u128)1 << (30 + SUM_SHIFT))) >> (31 + SUM_SHIFT); /* to the nearest: eight pieces are eight */
    return v > WEIGHT_MAX_MICRO ? WEIGHT_MAX_MICRO : (uint64_t)v;
}

void reputation_beta_of(uint64_t good, uint64_t bad, uint32_t base_milli, struct reputation_beta *ret) {
    uint64_t n = good + bad + PRIOR_MICRO, alpha = good + (uint64_t)PRIOR_MICRO / 1000 * base_milli;
    uint64_t e = (uint64_t)((u128)alpha * BILLION / n);
    uint64_t sd = root_of((u128)e * (BILLION - e) * MICRO / (n + MICRO)), gap = (sd * Z_MILLI + 999) / 1000;
    uint64_t doubt = (uint64_t)(((u128)PRIOR_MICRO * MICRO + n - 1) / n);
    uint64_t belief = (uint64_t)((u128)good * MICRO / n);
    *ret = (struct reputation_beta){
        .good_micro = good,
        .bad_micro = bad,
        .expect_ppm = (uint32_t)(e / 1000),
        .sd_ppm = (uint32_t)((sd + 999) / 1000),
        .lower_ppm = (uint32_t)(e > gap ? (e - gap) / 1000 : 0),
        .upper_ppm = (uint32_t)(e + gap < BILLION ? (e + gap + 999) / 1000 : MICRO),
        .belief_ppm = (uint32_t)belief,
        .disbelief_ppm = (uint32_t)(belief + doubt < MICRO ? MICRO - belief - doubt : 0),
        .doubt_ppm = (uint32_t)doubt,
    };
}

uint32_t reputation_error_ppm(uint64_t checked, uint64_t wrong) {
    uint64_t k = wrong + MICRO, root = root_of((u128)k * MICRO);
    uint64_t t = MICRO - (uint64_t)((u128)MICRO * MICRO / (9 * (u128)k)) + (uint64_t)Z_MILLI * 1000 * MICRO / (3 * root);
    u128 rate = (u128)k * t / MICRO * t / MICRO * t / MICRO;
    rate += rate / 100;
    u128 share = (2 * rate * MICRO) / (2 * (u128)checked + wrong + rate) + 1;
    return share > MICRO ? MICRO : (uint32_t)share;
}

void reputation_state_score(const struct reputation_state *s, uint32_t base_milli, vl_ms now,
                            struct reputation_score *ret) {
    struct reputation_score v = { .at_ms = now > s->last_ms ? now : s->last_ms, .pieces = s->seq };
    if (v.at_ms > EVIDENCE_TIME_MAX) v.at_ms = EVIDENCE_TIME_MAX;
    v.trust_ppm = MICRO;
    for (unsigned d = 0; d < REPUTATION_DIMS; d++) {
        struct reputation_beta *b = &v.dim[d];
        reputation_beta_of(decayed(s, 2 * d, v.at_ms), decayed(s, 2 * d + 1, v.at_ms), base_milli, b);
        if (d == REPUTATION_AVAILABLE) continue;
        if (b->lower_ppm < v.trust_ppm) v.trust_ppm = b->lower_ppm;
        if (b->doubt_ppm > v.doubt_ppm) v.doubt_ppm = b->doubt_ppm;
    }
    v.error_ppm = reputation_error_ppm(v.dim[REPUTATION_CORRECT].good_micro,
                                       v.dim[REPUTATION_CORRECT].bad_micro / WRONG_WEIGHT);
    v.flagged = v.doubt_ppm > REPUTATION_DOUBT_PPM;
    v.trusted = v.trust_ppm >= REPUTATION_TRUSTED_PPM && !v.flagged;
    *ret = v;
}
