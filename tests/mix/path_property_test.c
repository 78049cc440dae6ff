/* 10,000 random consensuses: whatever path is given keeps every rule, and none is refused where one exists.  What
 * exists is found by another way than the product's: dynamic programming over families, with the set of subnets used as
 * state. */
#include "mix/guard.h"
#include "mix/path.h"

#include "base/prng.h"
#include "check.h"
#include "village.h"

#include <stdlib.h>
#include <string.h>

enum { SUBNETS = 7, RELAYS = 60 };

static struct village v;
static struct vl_prng rng;

static uint32_t below(uint32_t n) { return (uint32_t)vl_prng_below(&rng, n); }

static void random_village(void) {
    uint32_t n = 1 + below(RELAYS), families = 1 + below(12), subnets = 1 + below(SUBNETS), lonely = below(4);
    static const uint8_t some_roles[] = { 7, 7, 7, 1, 2, 4, 3, 6, 5, 8, 0 };
    uint32_t roles = 1 + below(sizeof some_roles);
    village_init(&v, n);
    for (uint32_t i = 0; i < n; i++) {
        struct mix_relay *r = &v.relay[i];
        if (below(4) >= lonely) memset(r->family, (int)(1 + below(families)), 16);
        r->subnet = below(4) < lonely ? 0 : 1 + below(subnets);
        r->roles = some_roles[below(roles)];
        r->layer = (uint8_t)below(3);
        r->reputation = (uint16_t)(below(8) == 0 ? 0 : 1 + below(1000));
        r->bandwidth = below(3) == 0 ? below(5) : below(1000000);
        r->rate = below(8) == 0 ? below(70) : below(5) == 0 ? 0 : 3200;
    }
    if (below(3) == 0) v.relay[below(n)].node = village_self();
    for (uint32_t i = 0; i < 4; i++) village_client(&v, (uint8_t)(i + 1), 10 * (1 + below(n)));
    if (below(2) == 0) village_client(&v, 0xee, 10 * (1 + below(n)));
}

/* May be drawn at all, as the header says. */
static bool eligible(const struct mix_relay *r) {
    return r->reputation > 0 && (r->roles & 7) != 0 && !vl_node_eq(r->node, village_self()) &&
           (r->rate == 0 || r->rate >= 64);
}

/* Most relays with one of the roles, free of conflict with the ends (NULL: none) and each other. */
static uint32_t most_between(const struct mix_relay *a, const struct mix_relay *b, uint8_t roles) {
    static int best[1u << SUBNETS], next[1u << SUBNETS];
    bool done[RELAYS] = { false };
    uint32_t alone = 0, most = 0;
    memset(best, 0xff, sizeof best);
    best[0] = 0;
    for (uint32_t i = 0; i < v.c.relays_n; i++) {
        if (done[i]) continue;
        bool free_of_subnet = false;
        memcpy(next, best, sizeof best);
        for (uint32_t k = i; k < v.c.relays_n; k++) { /* all of i's family: one of them, or none */
            const struct mix_relay *r = &v.relay[k];
            struct mix_relay bare = *r, mine = v.relay[i];
            bare.subnet = mine.subnet = 0;
            if (village_conflict(&bare, &mine) == NULL) continue;
            done[k] = true;
            if (!eligible(r) || (r->roles & roles) == 0 || (a && village_conflict(a, r)) ||
                (b && village_conflict(b, r)))
                continue;
            if (r->subnet == 0)
                free_of_subnet = true;
            else
                for (uint32_t m = 0; m < 1u << SUBNETS; m++)
                    if (best[m] >= 0 && (m >> (r->subnet - 1) & 1) == 0) {
                        uint32_t with = m | 1u << (r->subnet - 1);
                        if (next[with] < best[m] + 1) next[with] = best[m] + 1;
                    }
        }
        if (free_of_subnet)
            alone++; /* takes nothing from anybody: never worse than any other of the family */
        else
            memcpy(best, next, sizeof best);
    }
    for (uint32_t m = 0; m < 1u << SUBNETS; m++)
        if (best[m] >= 0 && (uint32_t)best[m] > most) most = (uint32_t)best[m];
    return alone + most;
}

static bool level_has_relays(enum mix_level level) {
    uint32_t n = 0, families = 0, hops = mix_level_hops(level);
    for (uint32_t i = 0; i < v.c.relays_n; i++) {
        if (!eligible(&v.relay[i])) continue;
        bool first = true;
        for (uint32_t k = 0; k < i; k++) {
            struct mix_relay a = v.relay[k], b = v.relay[i];
            a.subnet = b.subnet = 0;
            first = first && !(eligible(&v.relay[k]) && village_conflict(&a, &b));
        }
        n++;
        families += first;
    }
    if (level == MIX_SECRET && (n < 21 || families < 7)) return false;
    return most_between(NULL, NULL, 7) >= hops;
}

/* Relays that may be our guard, from what is stored: the sample is the product's choice, its use is what we judge. */
static uint32_t usable_guards(struct paths *p, const struct mix_relay *ret[GUARD_SAMPLE_MAX]) {
    struct guards g;
    struct vl_buf buf;
    bool changed;
    uint32_t n = 0;
    vl_buf_init(&buf, 65536);
    CHECK_OK(paths_guards_save(p, &buf, &changed));
    CHECK_OK(guards_decode(vl_span(buf.p, buf.len), &g));
    const struct mix_relay *self = NULL;
    for (uint32_t i = 0; i < v.c.relays_n; i++)
        if (vl_node_eq(v.relay[i].node, village_self())) self = &v.relay[i];
    for (uint32_t i = 0; i < v.c.relays_n; i++)
        for (uint32_t k = 0; k < g.n; k++)
            if (vl_node_eq(v.relay[i].node, g.v[k].node) && eligible(&v.relay[i]) && (v.relay[i].roles & 1) != 0 &&
                (self == NULL || village_conflict(self, &v.relay[i]) == NULL))
                ret[n++] = &v.relay[i];
    vl_buf_free(&buf);
    return n;
}

/* A path from a usable guard to `last`; NULL: to any exit. */
static bool exists(struct paths *p, enum mix_level level, const struct mix_relay *last, bool may_return) {
    const struct mix_relay *guard[GUARD_SAMPLE_MAX];
    uint32_t hops = mix_level_hops(level), n = usable_guards(p, guard);
    for (uint32_t e = 0; e < v.c.relays_n; e++) {
        const struct mix_relay *r = &v.relay[e];
        if (last != NULL ? r != last : !eligible(r) || (r->roles & 4) == 0) continue;
        if (hops == 1) return true;
        for (uint32_t i = 0; i < n; i++) {
            if (village_conflict(guard[i], r) && !(may_return && guard[i] == r)) continue;
            if (most_between(guard[i], r, 2) >= hops - 2) return true;
        }
    }
    return false;
}

/* Every rule for a path whose ends may be `given` (no guard first, or ourselves last). */
static void check_path(const struct sphinx_path *path, enum mix_level level, bool guard_first, bool may_meet,
                       bool self_first, bool self_last) {
    uint32_t n = path->n;
    CHECK_EQ(mix_level_hops(level), n);
    for (uint32_t i = 0; i < n; i++) {
        const struct mix_relay *a = village_relay(&v, path->hop[i].node);
        CHECK(a != NULL);
        bool own_end = vl_node_eq(a->node, village_self()) && ((self_last && i == n - 1) || (self_first && i == 0));
        if (!own_end) CHECK(eligible(a));
        if (i > 0 && i + 1 < n) CHECK((a->roles & 2) != 0);
        if (i == 0 && n > 1 && guard_first) CHECK((a->roles & 1) != 0);
        if (a->rate == 0 && !vl_node_eq(a->node, village_self())) CHECK_EQ(1000, path->hop[i].delay_ms);
        for (uint32_t k = i + 1; k < n; k++)
            if (!(may_meet && i == 0 && k == n - 1))
                CHECK(village_conflict(a, village_relay(&v, path->hop[k].node)) == NULL);
    }
}

static uint32_t given, refused;

static void check_answer(enum vl_err err, bool there_is, const struct vl_errmsg *msg) {
    if ((err == VL_OK) != there_is)
        fail_msg("%s, yet a path %s: %s", vl_err_name(err), there_is ? "exists" : "does not exist", msg->text);
    if (err)
        refused++;
    else
        given++;
}

static void drops(struct paths *p, enum mix_level level) {
    struct sphinx_path path;
    struct vl_errmsg msg = { "" };
    uint16_t mean;
    bool there_is = level_has_relays(level) && exists(p, level, NULL, false);
    check_answer(paths_level(p, T0, level, &mean, &msg), there_is, &msg);
    enum vl_err err = paths_drop(p, T0, level, &path);
    check_answer(err, there_is, &msg);
    if (err) return;
    check_path(&path, level, true, false, false, false);
    CHECK((village_relay(&v, path.hop[path.n - 1].node)->roles & 4) != 0);
}

static void to_clients(struct paths *p, enum mix_level level) {
    struct sphinx_path path;
    struct vl_errmsg msg = { "" };
    for (uint32_t i = 0; i < 2; i++) {
        const struct mix_relay *provider = village_relay(&v, v.client[i].provider);
        bool own = vl_node_eq(provider->node, village_self());
        bool there_is = (eligible(provider) || own) && level_has_relays(level) && exists(p, level, provider, false);
        enum vl_err err = paths_to_client(p, T0, level, v.client[i].node, &path, &msg);
        check_answer(err, there_is, &msg);
        if (err) continue;
        check_path(&path, level, true, false, false, own);
        CHECK_EQ(provider->number, path.hop[path.n - 1].node);
    }
}

/* Our mailbox, NULL: not known or not usable. */
static const struct mix_relay *mailbox(struct paths *p) {
    if (v.c.clients_n == 4) return village_relay(&v, paths_guard(p, T0));
    const struct mix_relay *r = village_relay(&v, v.client[4].provider);
    return eligible(r) || vl_node_eq(r->node, village_self()) ? r : NULL;
}

static void loops_and_replies(struct paths *p, enum mix_level level) {
    struct sphinx_path path;
    struct vl_errmsg msg = { "" };
    uint8_t id[16] = { 0 };
    const struct mix_relay *box = mailbox(p), *from = village_relay(&v, v.client[3].provider);
    bool own = box != NULL && vl_node_eq(box->node, village_self()), relays = level_has_relays(level);
    uint32_t hops = mix_level_hops(level);
    enum vl_err err = paths_loop(p, T0, level, 0, &path);
    check_answer(err, box && relays && !(own && hops == 1) && exists(p, level, box, true), &msg);
    if (err == VL_OK) check_path(&path, level, true, path.hop[0].node == path.hop[hops - 1].node, false, own);
    err = paths_reply(p, T0, level, v.client[3].node, id, &path, &msg);
    bool from_own = vl_node_eq(from->node, village_self());
    bool there_is = box && relays && (hops == 1 || ((eligible(from) || from_own) && most_between(from, box, 2) >= hops - 2));
    if (level == MIX_SECRET && box && village_conflict(from, box)) there_is = false;
    check_answer(err, there_is, &msg);
    if (err == VL_OK) {
        check_path(&path, level, false, true, from_own, own);
        CHECK_EQ(box->number, path.hop[hops - 1].node);
        if (hops > 1) CHECK_EQ(from->number, path.hop[0].node);
    }
}

TEST(path_property, every_path_keeps_the_rules_and_none_is_refused_that_exists) {
    vl_prng_seed(&rng, 20260701);
    given = refused = 0;
    for (uint32_t round = 0; round < 10000; round++) {
        enum mix_level level = (enum mix_level)(1 + round % 4);
        random_village();
        struct paths *p = village_paths(&v, (uint8_t)round);
        drops(p, level);
        to_clients(p, level);
        loops_and_replies(p, level);
        paths_destroy(p);
    }
    CHECK(given > 10000 && refused > 10000); /* both sides of the question were asked */
}
