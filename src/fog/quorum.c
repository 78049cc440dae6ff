#include "fog/quorum.h"

#include <stdio.h>
#include <string.h>

struct quorum_tier quorum_tier(enum sla_tier t) {
    switch (t) {
    case TIER_NONE:
        break;
    case TIER_BRONZE:
        return (struct quorum_tier){ .promise_ppb = 950000000, .owners = 1, .regions = 1, .infras = 1 };
    case TIER_SILVER:
        return (struct quorum_tier){ .promise_ppb = 995000000, .owners = 2, .regions = 1, .infras = 1 };
    case TIER_GOLD:
        return (struct quorum_tier){ .promise_ppb = 999000000, .owners = 3, .regions = 2, .infras = 1 };
    case TIER_PLATINUM:
        return (struct quorum_tier){ .promise_ppb = 999900000, .owners = 5, .regions = 2, .infras = 2 };
    }
    return (struct quorum_tier){ 0 };
}

uint64_t quorum_allowed_ms(enum sla_tier t, uint64_t period_ms) {
    uint64_t miss = t == TIER_NONE ? QUORUM_ONE : QUORUM_ONE - quorum_tier(t).promise_ppb;
    return period_ms / QUORUM_ONE * miss + period_ms % QUORUM_ONE * miss / QUORUM_ONE;
}

struct quorum_beta quorum_beta_default(void) {
    struct quorum_beta b;
    for (uint32_t d = 0; d < DOMAINS; d++) b.ppb[d] = 300000000;
    b.ppb[DOMAIN_HOST] = 900000000;
    b.ppb[DOMAIN_PLATFORM] = b.ppb[DOMAIN_VENDOR] = b.ppb[DOMAIN_INFRA] = b.ppb[DOMAIN_REGION] = 30000000;
    return b;
}

/* ---- availability of a set ------------------------------------------------------------------------------------- */

struct group {
    uint64_t label;
    uint32_t n;
    double q[QUORUM_NODES_MAX], best;
};

static void group_add(struct group *g, double q) {
    g->q[g->n++] = q;
    if (g->n == 1 || q < g->best) g->best = q;
}

/* Chance that fewer than `need` of all are up: the groups one after another, by how many are up. */
static double groups_down(const struct group *g, uint32_t groups, double beta, uint32_t need) {
    double up[QUORUM_NODES_MAX + 1] = { 1 }, down = 0;
    uint32_t all = 0;
    for (uint32_t i = 0; i < groups; i++) {
        double in[QUORUM_NODES_MAX + 1] = { 1 }, next[QUORUM_NODES_MAX + 1] = { 0 }, c = beta * g[i].best;
        for (uint32_t k = 0; k < g[i].n; k++) {
            /* one alone is down q, without the noise of taking c out and putting it in again */
            double own = g[i].n == 1 ? g[i].q[k] : c < 1 ? (g[i].q[k] - c) / (1 - c) : 1;
            for (uint32_t u = k + 1; u > 0; u--) in[u] = in[u] * own + in[u - 1] * (1 - own);
            in[0] *= own;
        }
        if (g[i].n > 1) {
            for (uint32_t u = 0; u <= g[i].n; u++) in[u] *= 1 - c;
            in[0] += c;
        }
        for (uint32_t a = 0; a <= all; a++)
            for (uint32_t u = 0; u <= g[i].n; u++) next[a + u] += up[a] * in[u];
        all += g[i].n;
        memcpy(up, next, sizeof up);
    }
    for (uint32_t u = 0; u < need; u++) down += up[u];
    return down;
}

static uint32_t groups_of(const struct quorum_node *nodes, const uint32_t *which, uint32_t n, enum domain d,
                          struct group *ret, struct group *ret_unknown) {
    uint32_t groups = 0;
    ret_unknown->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct quorum_node *v = &nodes[which ? which[i] : i];
        double q = (double)(QUORUM_ONE - v->avail_ppb) / QUORUM_ONE;
        uint32_t at = 0;
        if (v->domain[d] == 0) {
            group_add(ret_unknown, q);
            continue;
        }
        while (at < groups && ret[at].label != v->domain[d]) at++;
        if (at == groups) {
            ret[at].label = v->domain[d];
            ret[at].n = 0;
            groups++;
        }
        group_add(&ret[at], q);
    }
    return groups;
}

/* What nodes of unknown label cost at most: all of them in the known domain where it is worst. */
static double kind_down(const struct group *known, uint32_t groups, const struct group *unknown, double beta,
                        uint32_t need) {
    struct group g[QUORUM_NODES_MAX + 1];
    memcpy(g, known, groups * sizeof *g);
    if (unknown->n == 0) return groups_down(g, groups, beta, need);
    if (groups == 0) return groups_down(unknown, 1, beta, need);
    double worst = 0;
    for (uint32_t i = 0; i < groups; i++) {
        struct group kept = g[i];
        for (uint32_t k = 0; k < unknown->n; k++) group_add(&g[i], unknown->q[k]);
        double down = groups_down(g, groups, beta, need);
        if (down > worst) worst = down;
        g[i] = kept;
    }
    return worst;
}

double quorum_down(const struct quorum_node *nodes, const uint32_t *which, uint32_t n, bool majority,
                   const struct quorum_beta *beta, enum domain *ret_worst) {
    struct group known[QUORUM_NODES_MAX], unknown;
    enum domain at = DOMAIN_SITE;
    double worst = -1;
    uint32_t need = majority ? n / 2 + 1 : 1;
    if (n == 0 || n > QUORUM_NODES_MAX) return 1;
    for (uint32_t d = 0; d < DOMAINS; d++) {
        uint32_t groups = groups_of(nodes, which, n, (enum domain)d, known, &unknown);
        if (beta->ppb[d] == 0 || (groups == 0 && d != DOMAIN_SITE && d != DOMAIN_OWNER)) continue;
        double down = kind_down(known, groups, &unknown, (double)beta->ppb[d] / QUORUM_ONE, need);
        if (down <= worst) continue;
        worst = down;
        at = (enum domain)d;
    }
    if (worst < 0) { /* no kind counts: they fail each by itself */
        for (uint32_t i = 0; i < n; i++) {
            known[i].n = 0;
            group_add(&known[i], (double)(QUORUM_ONE - nodes[which ? which[i] : i].avail_ppb) / QUORUM_ONE);
        }
        worst = groups_down(known, n, 0, need);
    }
    if (ret_worst) *ret_worst = at;
    return worst;
}

uint32_t quorum_avail_ppb(double down) {
    double ppb = down * QUORUM_ONE;
    uint32_t whole = ppb >= QUORUM_ONE ? QUORUM_ONE : (uint32_t)ppb;
    if (ppb - whole > 1e-4) whole++; /* down is rounded up, but for the last digits of the computation */
    return whole >= QUORUM_ONE ? 0 : QUORUM_ONE - whole;
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

/* Different labels; the unknown are one more at most when nothing else is known: they may be any of the others. */
static uint32_t different(const struct quorum_node *nodes, const uint32_t *which, uint32_t n, enum domain d) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t label = nodes[which ? which[i] : i].domain[d];
        bool seen = label == 0;
        for (uint32_t k = 0; k < i && !seen; k++) seen = nodes[which ? which[k] : k].domain[d] == label;
        count += !seen;
    }
    return n > 0 && count == 0 ? 1 : count;
}

struct set {
    uint32_t n, v[QUORUM_NODES_MAX];
    uint32_t avail;
    uint64_t price, busy;
    bool ok; /* honours the tier */
};

struct search {
    const struct quorum_ask *ask;
    const struct quorum_node *nodes;
    uint32_t n;
    struct quorum_tier tier;
    struct set cheapest, best; /* best: the most available, whatever else it lacks; n 0: none yet */
};

static bool apart(const struct quorum_ask *ask, const struct quorum_node *nodes, const uint32_t *which, uint32_t n) {
    for (uint32_t i = 0; ask->spread_set && i < n; i++)
        for (uint32_t k = 0; k < i; k++) {
            uint64_t a = nodes[which[i]].domain[ask->spread], b = nodes[which[k]].domain[ask->spread];
            if (a == 0 || b == 0 || a == b) return false;
        }
    return true;
}

static bool spread_ok(const struct search *s, const struct set *t) { return apart(s->ask, s->nodes, t->v, t->n); }

bool quorum_keeps(const struct quorum_ask *ask, const struct quorum_node *nodes, const uint32_t *which, uint32_t n,
                  uint32_t *ret_ppb) {
    struct quorum_tier tier = quorum_tier(ask->tier);
    uint32_t ppb = quorum_avail_ppb(quorum_down(nodes, which, n, ask->majority, &ask->beta, NULL));
    if (ret_ppb) *ret_ppb = ppb;
    return n >= ask->least && n <= ask->most && ppb >= tier.promise_ppb && apart(ask, nodes, which, n) &&
           different(nodes, which, n, DOMAIN_OWNER) >= tier.owners &&
           different(nodes, which, n, DOMAIN_REGION) >= tier.regions &&
           different(nodes, which, n, DOMAIN_INFRA) >= tier.infras;
}

static void weigh(const struct search *s, struct set *t) {
    t->price = 0;
    t->busy = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        t->price += s->nodes[t->v[i]].price;
        t->busy += s->nodes[t->v[i]].busy;
    }
    t->ok = quorum_keeps(s->ask, s->nodes, t->v, t->n, &t->avail);
}

static bool cheaper(const struct set *a, const struct set *b) {
    if (b->n == 0 || a->price != b->price) return b->n == 0 || a->price < b->price;
    if (a->n != b->n) return a->n < b->n;
    if (a->busy != b->busy) return a->busy < b->busy;
    if (a->avail != b->avail) return a->avail > b->avail;
    return memcmp(a->v, b->v, a->n * sizeof a->v[0]) < 0;
}

static bool sounder(const struct set *a, const struct set *b) {
    if (b->n == 0 || a->avail != b->avail) return b->n == 0 || a->avail > b->avail;
    return a->n != b->n ? a->n < b->n : a->price < b->price;
}

static void consider(struct search *s, struct set *t) {
    if (!spread_ok(s, t)) return;
    weigh(s, t);
    if (t->ok && cheaper(t, &s->cheapest)) s->cheapest = *t;
    if (t->n >= s->ask->least && sounder(t, &s->best)) s->best = *t;
}

/* Every set of the pool. */
static void search_all(struct search *s, const uint32_t *pool, uint32_t n) {
    for (uint32_t mask = 1; mask < 1u << n; mask++) {
        struct set t = { 0 };
        uint32_t size = (uint32_t)__builtin_popcount(mask);
        if (size < s->ask->least || size > s->ask->most) continue;
        for (uint32_t i = 0; i < n; i++)
            if (mask >> i & 1u) t.v[t.n++] = pool[i];
        consider(s, &t);
    }
}

static void pool_sort(uint32_t *v, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = i; k > 0 && v[k] < v[k - 1]; k--) {
            uint32_t x = v[k];
            v[k] = v[k - 1];
            v[k - 1] = x;
        }
}

static bool holds(const struct set *t, uint32_t node) {
    for (uint32_t i = 0; i < t->n; i++)
        if (t->v[i] == node) return true;
    return false;
}

/* What is missing in providers and places, then in availability. */
double quorum_lacking(const struct quorum_ask *ask, const struct quorum_node *nodes, const uint32_t *which, uint32_t n) {
    struct quorum_tier tier = quorum_tier(ask->tier);
    double lack = 0;
    uint32_t o = different(nodes, which, n, DOMAIN_OWNER), r = different(nodes, which, n, DOMAIN_REGION),
             f = different(nodes, which, n, DOMAIN_INFRA);
    if (!apart(ask, nodes, which, n)) return QUORUM_NEVER;
    if (o < tier.owners) lack += tier.owners - o;
    if (r < tier.regions) lack += tier.regions - r;
    if (f < tier.infras) lack += tier.infras - f;
    double down = quorum_down(nodes, which, n, ask->majority, &ask->beta, NULL);
    double over = down * QUORUM_ONE / (QUORUM_ONE - tier.promise_ppb); /* 1: just kept */
    return lack + (over > 1 ? 1 - 1 / over : 0) + down * 1e-3;
}

static double lacking(const struct search *s, const struct set *t) {
    return quorum_lacking(s->ask, s->nodes, t->v, t->n);
}

/* Adds, one at a time, the node that brings the set nearest to the tier for its price.  dear: how much prices weigh. */
static struct set grow(const struct search *s, double dear, double mean) {
    struct set t = { 0 };
    while (t.n < s->ask->most) {
        double now = t.n ? lacking(s, &t) : 10, best_gain = -1;
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < s->n; i++) {
            if (holds(&t, i)) continue;
            struct set u = t;
            u.v[u.n++] = i;
            if (!spread_ok(s, &u)) continue;
            double gain = (now - lacking(s, &u) + 10) / (1 + dear * (double)s->nodes[i].price / mean);
            if (gain > best_gain) {
                best_gain = gain;
                best = i;
            }
        }
        if (best == UINT32_MAX) break;
        t.v[t.n++] = best;
        struct set u = t;
        weigh(s, &u);
        if (u.ok && !s->ask->majority) break; /* of voters more may be worse: all sizes are looked at below */
    }
    return t;
}

/* Leaves nodes out and exchanges them as long as that helps. */
static void improve(struct search *s, struct set t) {
    bool better = true;
    weigh(s, &t);
    for (uint32_t round = 0; better && round < 64; round++) {
        struct set at = t;
        better = false;
        for (uint32_t i = 0; i < at.n; i++) {
            struct set u = at;
            u.v[i] = u.v[--u.n];
            pool_sort(u.v, u.n);
            consider(s, &u);
            if (u.n > 0 && u.ok && (!t.ok || cheaper(&u, &t))) t = u, better = true;
            for (uint32_t k = 0; k < s->n; k++) {
                if (holds(&at, k)) continue;
                u = at;
                u.v[i] = k;
                pool_sort(u.v, u.n);
                if (!spread_ok(s, &u)) continue;
                consider(s, &u);
                if (u.ok && t.ok ? cheaper(&u, &t) : u.ok || (!t.ok && sounder(&u, &t))) t = u, better = true;
            }
        }
    }
}

/* s->n is at most SHORT_MAX here. */
static void search_some(struct search *s) {
    static const double dear[] = { 0, 0.3, 10 };
    uint32_t pool[QUORUM_EXACT_MAX], used = 0;
    double mean = 1;
    for (uint32_t i = 0; i < s->n; i++) mean += (double)s->nodes[i].price / s->n;
    for (uint32_t i = 0; i < sizeof dear / sizeof dear[0]; i++) {
        struct set t = grow(s, dear[i], mean);
        for (uint32_t size = t.n; size >= s->ask->least; size--) { /* in the order of growth: every beginning is a set */
            struct set u = t;
            u.n = size;
            pool_sort(u.v, u.n);
            consider(s, &u);
        }
        pool_sort(t.v, t.n);
        if (t.n >= s->ask->least) improve(s, t);
    }
    /* all sets of what was found */
    for (uint32_t i = 0; i < s->cheapest.n; i++) pool[used++] = s->cheapest.v[i];
    for (uint32_t i = 0; i < s->best.n && used < QUORUM_EXACT_MAX; i++)
        if (!holds(&s->cheapest, s->best.v[i])) pool[used++] = s->best.v[i];
    pool_sort(pool, used);
    search_all(s, pool, used);
}

/* ---- many candidates: those worth looking at ---------------------------------------------------------------------- */

#define SHORT_MAX 48u
#define SHORT_LABELS 5u /* of a kind, besides the best of all */

struct shortlist {
    const struct quorum_node *nodes;
    uint32_t n, used, v[SHORT_MAX];
};

static bool listed(const struct shortlist *l, uint32_t node) {
    for (uint32_t i = 0; i < l->used; i++)
        if (l->v[i] == node) return true;
    return false;
}

/* The best that is not listed, by price or by availability; `kind`: of a label in it that no listed node has. */
static bool shortlist_add(struct shortlist *l, bool by_price, const enum domain *kind) {
    uint32_t best = UINT32_MAX;
    if (l->used == SHORT_MAX) return false;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct quorum_node *a = &l->nodes[i], *b = best == UINT32_MAX ? NULL : &l->nodes[best];
        bool wins = b == NULL || (by_price && a->price != b->price ? a->price < b->price
                                  : by_price && a->busy != b->busy ? a->busy < b->busy
                                                                   : a->avail_ppb > b->avail_ppb);
        bool known = kind != NULL && a->domain[*kind] == 0;
        for (uint32_t k = 0; wins && !known && kind && k < l->used; k++)
            known = l->nodes[l->v[k]].domain[*kind] == a->domain[*kind];
        if (wins && !known && !listed(l, i)) best = i;
    }
    if (best == UINT32_MAX) return false;
    l->v[l->used++] = best;
    return true;
}

static void shortlist_make(struct shortlist *l) {
    static const enum domain kinds[] = { DOMAIN_OWNER, DOMAIN_REGION, DOMAIN_INFRA, DOMAIN_SITE };
    for (uint32_t i = 0; i < QUORUM_NODES_MAX; i++) shortlist_add(l, false, NULL);
    for (uint32_t i = 0; i < QUORUM_NODES_MAX; i++) shortlist_add(l, true, NULL);
    for (uint32_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (uint32_t i = 0; i < SHORT_LABELS && shortlist_add(l, i % 2 == 1, &kinds[k]); i++) {}
    for (uint32_t i = 0; shortlist_add(l, i % 2 == 1, NULL); i++) {}
    pool_sort(l->v, l->used);
}

/* ---- saying why not ----------------------------------------------------------------------------------------------- */

/* "99.95 %", as many digits as it has, at most four behind the point; rounded down. */
static void percent(uint32_t ppb, char ret[16]) {
    int n = snprintf(ret, 16, "%u.%04u", ppb / 10000000 % 1000, ppb % 10000000 / 1000);
    while (n > 0 && ret[n - 1] == '0') n--;
    if (n > 0 && ret[n - 1] == '.') n--;
    snprintf(ret + n, 16 - (size_t)n, " %%");
}

static const char *plural(uint32_t n) { return n == 1 ? "is" : "are"; }

static bool few(const struct search *s, enum domain d, uint32_t need, const char *one, const char *many, char *why) {
    uint32_t have = different(s->nodes, NULL, s->n, d);
    uint32_t unknown = 0;
    if (have >= need) return false;
    for (uint32_t i = 0; i < s->n; i++) unknown += s->nodes[i].domain[d] == 0;
    char hint[64] = "";
    if (unknown > 0) snprintf(hint, sizeof hint, " (%u %s not say: --label %s=NAME)", unknown,
                              unknown == 1 ? "does" : "do", domain_name(d));
    snprintf(why, QUORUM_TEXT, "%s needs nodes of %u %s; of those that fit there %s %u%s", sla_tier_name(s->ask->tier),
             need, need == 1 ? one : many, plural(have), have, hint);
    return true;
}

/* Labels of that kind among the candidates; 1 when none says. */
static uint32_t places(const struct search *s, enum domain d) { return different(s->nodes, NULL, s->n, d); }

static void why_short(const struct search *s, const struct set *best, enum domain worst, char *why) {
    char promise[16], got[16];
    uint32_t least_q = QUORUM_ONE;
    percent(s->tier.promise_ppb, promise);
    percent(best->avail, got);
    for (uint32_t i = 0; i < s->n; i++)
        if (QUORUM_ONE - s->nodes[i].avail_ppb < least_q) least_q = QUORUM_ONE - s->nodes[i].avail_ppb;
    bool exact = s->n <= QUORUM_EXACT_MAX;
    double common = (double)least_q / QUORUM_ONE * s->ask->beta.ppb[worst] / QUORUM_ONE;
    if (places(s, worst) == 1 && quorum_avail_ppb(common) < s->tier.promise_ppb) {
        percent(quorum_avail_ppb(common), got);
        snprintf(why, QUORUM_TEXT,
                 "%s cannot be honoured: with one %s %s cannot be promised whatever the number of replicas; "
                 "at best %s",
                 sla_tier_name(s->ask->tier), domain_name(worst), promise, got);
        return;
    }
    snprintf(why, QUORUM_TEXT,
             "%s cannot be honoured: %s of availability is needed, the best %s is %s with %u of the %u nodes that fit, "
             "held down by what those of one %s share",
             sla_tier_name(s->ask->tier), promise, exact ? "possible" : "found", got, best->n, s->n, domain_name(worst));
}

static void explain(const struct search *s, struct quorum_choice *ret) {
    const char *tier = sla_tier_name(s->ask->tier);
    if (s->n == 0) {
        snprintf(ret->why, sizeof ret->why, "%s cannot be honoured: no node fits the job", tier);
        return;
    }
    if (few(s, DOMAIN_OWNER, s->tier.owners, "owner", "owners", ret->why) ||
        few(s, DOMAIN_REGION, s->tier.regions, "region", "regions", ret->why) ||
        few(s, DOMAIN_INFRA, s->tier.infras, "infrastructure kind", "infrastructure kinds", ret->why))
        return;
    if (s->best.n == 0) {
        snprintf(ret->why, sizeof ret->why, "%s cannot be honoured: %u replicas on different nodes%s%s are asked for, %u nodes fit",
                 tier, s->ask->least, s->ask->spread_set ? " and no two of one " : "",
                 s->ask->spread_set ? domain_name(s->ask->spread) : "", s->n);
        return;
    }
    if (s->best.avail >= s->tier.promise_ppb) {
        snprintf(ret->why, sizeof ret->why,
                 "%s cannot be honoured: no %u nodes together have %u owners, %u regions, %u infrastructure kinds and the "
                 "availability",
                 tier, s->ask->most, s->tier.owners, s->tier.regions, s->tier.infras);
        return;
    }
    why_short(s, &s->best, ret->worst, ret->why);
}

enum vl_err quorum_choose(const struct quorum_ask *ask, const struct quorum_node *nodes, uint32_t n,
                          struct quorum_choice *ret) {
    uint32_t all[QUORUM_EXACT_MAX];
    if (ask->tier == TIER_NONE || (unsigned)ask->tier >= SLA_TIERS || (unsigned)ask->spread >= DOMAINS ||
        ask->least == 0 || ask->least > ask->most || ask->most > QUORUM_NODES_MAX)
        return VL_ERANGE;
    for (uint32_t d = 0; d < DOMAINS; d++)
        if (ask->beta.ppb[d] > QUORUM_ONE) return VL_ERANGE;
    for (uint32_t i = 0; i < n; i++)
        if (nodes[i].avail_ppb > QUORUM_ONE || nodes[i].price > TERMS_PRICE_MAX ||
            (i > 0 && memcmp(nodes[i - 1].id.b, nodes[i].id.b, sizeof nodes[i].id.b) >= 0))
            return VL_ERANGE;
    struct search s = { .ask = ask, .nodes = nodes, .n = n, .tier = quorum_tier(ask->tier) };
    struct quorum_node near[SHORT_MAX];
    struct shortlist list = { .nodes = nodes, .n = n };
    if (n <= QUORUM_EXACT_MAX) {
        for (uint32_t i = 0; i < n; i++) all[i] = i;
        search_all(&s, all, n);
    } else {
        shortlist_make(&list);
        for (uint32_t i = 0; i < list.used; i++) near[i] = nodes[list.v[i]];
        s.nodes = near;
        s.n = list.used;
        search_some(&s);
        for (uint32_t i = 0; i < s.cheapest.n; i++) s.cheapest.v[i] = list.v[s.cheapest.v[i]];
        for (uint32_t i = 0; i < s.best.n; i++) s.best.v[i] = list.v[s.best.v[i]];
        s.nodes = nodes;
        s.n = n;
    }
    const struct set *t = s.cheapest.n ? &s.cheapest : &s.best;
    *ret = (struct quorum_choice){ .ok = s.cheapest.n > 0, .n = t->n, .avail_ppb = t->avail, .price = t->price };
    memcpy(ret->node, t->v, t->n * sizeof t->v[0]);
    if (t->n > 0) {
        (void)quorum_down(nodes, t->v, t->n, ask->majority, &ask->beta, &ret->worst);
        ret->domains = different(nodes, t->v, t->n, ret->worst);
    }
    if (!ret->ok) explain(&s, ret);
    return VL_OK;
}
