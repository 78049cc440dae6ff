#include "mix/path_priv.h"

#include <assert.h>
#include <string.h>

/* ---- building ---- */

static bool is_zero(const uint8_t *p, size_t n) {
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

/* Packets wait rate x mean at a time; K of them are wanted.  No rate published is not a good rate: see path.c. */
static uint32_t floor_ms(const struct mix_consensus *c, const struct mix_relay *r) {
    if (c->anonymity_floor == 0) return 0;
    if (r->rate == 0) return SPOT_RATE_UNKNOWN;
    uint64_t ms = ((uint64_t)c->anonymity_floor * 1000 + r->rate - 1) / r->rate;
    return ms < SPOT_RATE_UNKNOWN ? (uint32_t)ms : SPOT_RATE_UNKNOWN - 1;
}

static void group(struct topo *t, uint16_t i) {
    const struct mix_relay *relays = t->c->relays;
    struct spot *s = &t->spot[i];
    bool alone = is_zero(relays[i].family, sizeof relays[i].family);
    s->family = s->subnet = i;
    s->next = SPOT_NONE;
    for (uint16_t k = 0; k < i; k++) {
        if (!alone && s->family == i && memcmp(relays[k].family, relays[i].family, sizeof relays[i].family) == 0) {
            s->family = k;
            s->next = t->spot[k].next;
            t->spot[k].next = i;
        }
        if (relays[i].subnet != 0 && s->subnet == i && relays[k].subnet == relays[i].subnet) s->subnet = k;
    }
}

static void count(struct topo *t, const bool *slow) {
    bool seen[MIX_RELAYS_MAX] = { false }, seen_slow[MIX_RELAYS_MAX] = { false };
    uint32_t layer[SPOT_LAYERS] = { 0 };
    for (uint32_t i = 0; i < t->n; i++) {
        const struct spot *s = &t->spot[i];
        if (slow[i]) {
            uint32_t rate = t->c->relays[i].rate;
            if (t->slow == 0 || rate < t->slowest_rate) t->slowest_rate = rate;
            t->slow++;
        }
        if (s->weight == 0 && !slow[i]) continue;
        t->slow_families += !seen_slow[s->family];
        seen_slow[s->family] = true;
        if (s->weight == 0) continue;
        t->families += !seen[s->family];
        seen[s->family] = true;
        t->eligible++;
        if (s->floor_ms > t->floor_ms) t->floor_ms = s->floor_ms;
        if ((s->roles & MIX_ROLE_MIX) != 0 && s->layer < SPOT_LAYERS) layer[s->layer]++;
    }
    t->layered = layer[0] >= SPOT_LAYER_MIN && layer[1] >= SPOT_LAYER_MIN && layer[2] >= SPOT_LAYER_MIN;
}

void topo_build(struct topo *t, const struct mix_consensus *c, struct vl_node_id self) {
    bool slow[MIX_RELAYS_MAX] = { false };
    *t = (struct topo){ .c = c, .self = SPOT_NONE };
    if (c == NULL) return;
    t->n = c->relays_n < MIX_RELAYS_MAX ? c->relays_n : MIX_RELAYS_MAX;
    for (uint16_t i = 0; i < t->n; i++) {
        const struct mix_relay *r = &c->relays[i];
        struct spot *s = &t->spot[i];
        group(t, i);
        s->roles = r->roles & SPOT_ROLES;
        s->layer = r->layer;
        s->floor_ms = floor_ms(c, r);
        if (vl_node_eq(r->node, self)) {
            t->self = i;
            continue;
        }
        if (r->reputation == 0 || s->roles == 0) continue;
        slow[i] = s->floor_ms != SPOT_RATE_UNKNOWN && s->floor_ms > c->delay_ms[MIX_DELAYS - 1];
        /* bandwidth 0: not measured yet, which must not shut a new relay out */
        if (!slow[i]) s->weight = (uint64_t)(r->bandwidth > 0 ? r->bandwidth : 1) * r->reputation;
    }
    count(t, slow);
}

uint16_t topo_find(const struct topo *t, uint32_t number) {
    uint32_t low = 0, high = t->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (t->c->relays[mid].number == number) return (uint16_t)mid;
        if (t->c->relays[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return SPOT_NONE;
}

bool topo_conflict(const struct topo *t, uint16_t a, uint16_t b) {
    return t->spot[a].family == t->spot[b].family || t->spot[a].subnet == t->spot[b].subnet;
}

static bool fits(const struct topo *t, const uint16_t *chosen, uint32_t n, uint16_t i) {
    for (uint32_t k = 0; k < n; k++)
        if (topo_conflict(t, chosen[k], i)) return false;
    return true;
}

/* ---- how many still fit: augmenting paths (Kuhn) between families and subnets ---- */

struct matching {
    const struct topo *t;
    bool open[MIX_RELAYS_MAX];     /* relays that may be taken */
    bool seen[MIX_RELAYS_MAX];     /* subnets tried since the last success: trying again cannot help */
    uint16_t held[MIX_RELAYS_MAX]; /* relay that holds the subnet */
};

/* One more relay of this family, moving others if need be.  No deeper than relays are held: at most 7. */
static bool augment(struct matching *m, uint16_t family) {
    for (uint16_t i = family; i != SPOT_NONE; i = m->t->spot[i].next) {
        uint16_t subnet = m->t->spot[i].subnet;
        if (!m->open[i] || m->seen[subnet]) continue;
        m->seen[subnet] = true;
        if (m->held[subnet] == SPOT_NONE || augment(m, m->t->spot[m->held[subnet]].family)) {
            m->held[subnet] = i;
            return true;
        }
    }
    return false;
}

uint32_t topo_room(const struct topo *t, const uint16_t *chosen, uint32_t n, uint8_t roles, uint32_t enough) {
    struct matching m;
    uint32_t found = 0;
    if (enough == 0) return 0;
    m.t = t;
    memset(m.seen, 0, t->n * sizeof m.seen[0]);
    for (uint16_t i = 0; i < t->n; i++) {
        m.open[i] = t->spot[i].weight > 0 && (t->spot[i].roles & roles) != 0 && fits(t, chosen, n, i);
        m.held[i] = SPOT_NONE;
    }
    for (uint16_t i = 0; i < t->n && found < enough; i++) {
        if (t->spot[i].family != i || !augment(&m, i)) continue;
        memset(m.seen, 0, t->n * sizeof m.seen[0]);
        found++;
    }
    return found;
}

/* ---- drawing ---- */

/* Largest cap with cap <= (sum of min(weight, cap)) / 3: with the k heaviest at the cap it is rest / (3 - k), and k
 * need never pass 2.  Fewer than three relays: all equal. */
static uint64_t cap_of(const uint64_t *weight, uint32_t n) {
    uint64_t sum = 0, first = 0, second = 0, least = UINT64_MAX;
    uint32_t some = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t w = weight[i];
        if (w == 0) continue;
        some++;
        sum += w;
        if (w < least) least = w;
        if (w > first) {
            second = first;
            first = w;
        } else if (w > second)
            second = w;
    }
    if (some < 3) return least;
    if (first <= sum / 3) return first;
    if (second <= (sum - first) / 2) return (sum - first) / 2;
    return sum - first - second;
}

uint32_t topo_weighted(const uint64_t *weight, uint32_t n, struct crypto_drbg *rng) {
    uint64_t cap = cap_of(weight, n), sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += weight[i] < cap ? weight[i] : cap;
    if (sum == 0) return n;
    uint64_t at = crypto_drbg_below(rng, sum);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t w = weight[i] < cap ? weight[i] : cap;
        if (at < w) return i;
        at -= w;
    }
    return n;
}

uint16_t topo_draw(const struct topo *t, const uint16_t *chosen, uint32_t n, uint8_t roles, uint32_t layer,
                   uint32_t after, struct crypto_drbg *rng) {
    uint64_t weight[MIX_RELAYS_MAX];
    uint16_t with[SPHINX_HOPS_MAX];
    assert(n < SPHINX_HOPS_MAX);
    if (n > 0) memcpy(with, chosen, n * sizeof *with);
    for (uint16_t i = 0; i < t->n; i++) {
        const struct spot *s = &t->spot[i];
        bool ok = (s->roles & roles) != 0 && (layer == SPOT_LAYER_ANY || s->layer == layer) && fits(t, chosen, n, i);
        weight[i] = ok ? s->weight : 0;
    }
    for (;;) {
        uint32_t at = topo_weighted(weight, t->n, rng);
        if (at == t->n) return SPOT_NONE;
        with[n] = (uint16_t)at;
        if (topo_room(t, with, n + 1, MIX_ROLE_MIX, after) >= after) return (uint16_t)at;
        weight[at] = 0;
    }
}
