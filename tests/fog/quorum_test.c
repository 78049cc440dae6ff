#include "fog/quorum.h"

#include "fog_help.h"

#include "base/prng.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A95 950000000u
#define A85 850000000u

static struct quorum_beta only_sites(uint32_t ppb) {
    struct quorum_beta b = { { 0 } };
    b.ppb[DOMAIN_SITE] = ppb;
    return b;
}

/* n nodes spread evenly over so many sites. */
static void spread(struct quorum_node *v, uint32_t n, uint32_t sites, uint32_t avail) {
    for (uint32_t i = 0; i < n; i++) {
        v[i] = (struct quorum_node){ .id = node_n(i), .avail_ppb = avail };
        v[i].domain[DOMAIN_SITE] = 1 + i % sites;
    }
}

static double power(double x, uint32_t n) {
    double y = 1;
    while (n-- > 0) y *= x;
    return y;
}

/* The formula of fog.md section 5 as it stands there. */
static double formula(uint32_t n, uint32_t sites, double a, double beta) {
    double q = 1 - a, down = 1;
    for (uint32_t d = 0; d < sites && d < n; d++) {
        uint32_t m = n / sites + (d < n % sites);
        down *= beta * q + (1 - beta * q) * power((1 - beta) * q, m);
    }
    return down;
}

static uint32_t promise(uint32_t n, uint32_t sites, uint32_t avail, uint32_t beta_ppb) {
    struct quorum_node v[QUORUM_NODES_MAX];
    struct quorum_beta b = only_sites(beta_ppb);
    spread(v, n, sites, avail);
    return quorum_avail_ppb(quorum_down(v, NULL, n, false, &b, NULL));
}

/* Fewest replicas over so many domains; 0: impossible with nine, which is as many as a job may have. */
static uint32_t fewest(enum sla_tier t, uint32_t sites, uint32_t avail, uint32_t beta_ppb) {
    for (uint32_t n = 1; n <= QUORUM_NODES_MAX; n++)
        if (promise(n, sites, avail, beta_ppb) >= quorum_tier(t).promise_ppb) return n;
    return 0;
}

TEST(quorum, gives_the_numbers_of_replicas_of_the_research) {
    const uint32_t b1 = 100000000, b3 = 300000000;
    CHECK_EQ(1, fewest(TIER_BRONZE, 1, A95, b1));
    CHECK_EQ(1, fewest(TIER_BRONZE, 1, A95, b3));
    CHECK_EQ(2, fewest(TIER_BRONZE, 2, A85, b3));
    CHECK_EQ(3, fewest(TIER_BRONZE, 1, A85, b3));

    CHECK_EQ(2, fewest(TIER_SILVER, 2, A95, b1));
    CHECK_EQ(2, fewest(TIER_SILVER, 2, A95, b3));
    CHECK_EQ(4, fewest(TIER_SILVER, 2, A85, b3));
    CHECK_EQ(3, fewest(TIER_SILVER, 3, A85, b3));

    CHECK_EQ(3, fewest(TIER_GOLD, 2, A95, b1));
    CHECK_EQ(3, fewest(TIER_GOLD, 2, A95, b3));
    CHECK_EQ(5, fewest(TIER_GOLD, 3, A85, b3));
    CHECK_EQ(4, fewest(TIER_GOLD, 4, A85, b3));

    CHECK_EQ(4, fewest(TIER_PLATINUM, 2, A95, b1));
    CHECK_EQ(4, fewest(TIER_PLATINUM, 3, A95, b3));
    CHECK(fewest(TIER_PLATINUM, 2, A95, b3) == 0 || fewest(TIER_PLATINUM, 2, A95, b3) > 4);
    CHECK_EQ(9, fewest(TIER_PLATINUM, 3, A85, b3));
    CHECK_EQ(6, fewest(TIER_PLATINUM, 4, A85, b3));

    const uint32_t avail[] = { A95, A85 };
    for (uint32_t i = 0; i < 2; i++) /* one domain: impossible from silver on */
        for (int t = TIER_SILVER; t <= TIER_PLATINUM; t++) CHECK_EQ(0, fewest((enum sla_tier)t, 1, avail[i], b3));
}

TEST(quorum, never_promises_more_than_the_formula_and_hardly_less) {
    const double beta[] = { 0, 0.1, 0.3, 0.9 }, a[] = { 0.5, 0.85, 0.95, 0.99 };
    for (uint32_t n = 1; n <= 9; n++)
        for (uint32_t sites = 1; sites <= n; sites++)
            for (uint32_t i = 0; i < 4; i++)
                for (uint32_t k = 0; k < 4; k++) {
                    struct quorum_node v[QUORUM_NODES_MAX];
                    struct quorum_beta b = only_sites((uint32_t)(beta[i] * 1e9 + 0.5));
                    spread(v, n, sites, (uint32_t)(a[k] * 1e9 + 0.5));
                    double ours = quorum_down(v, NULL, n, false, &b, NULL), theirs = formula(n, sites, a[k], beta[i]);
                    CHECK(ours >= theirs - 1e-9); /* a share of 0 leaves the kind out: equal */
                    if (a[k] >= 0.95) CHECK(ours <= theirs * 1.2);
                }
}

TEST(quorum, one_node_is_down_what_it_is_down_whatever_it_shares) {
    CHECK_EQ(A95, promise(1, 1, A95, 0));
    CHECK_EQ(A95, promise(1, 1, A95, 300000000));
    CHECK_EQ(949999999, promise(1, 1, 949999999, 300000000));
    CHECK(949999999 < quorum_tier(TIER_BRONZE).promise_ppb);
}

static double voting(uint32_t n, double q) { /* more than half of n are down or exactly half is */
    double down = 0;
    for (uint32_t mask = 0; mask < 1u << n; mask++) {
        uint32_t up = (uint32_t)__builtin_popcount(mask);
        if (2 * up <= n) down += power(1 - q, up) * power(q, n - up);
    }
    return down;
}

TEST(quorum, majorities_give_the_figures_of_the_research) {
    const struct {
        uint32_t n, ppb;
    } rows[] = { { 3, 992750000 }, { 5, 998841875 }, { 7, 999806421 }, { 9, 999966786 } };
    for (uint32_t i = 0; i < 4; i++) {
        struct quorum_node v[QUORUM_NODES_MAX];
        struct quorum_beta b = only_sites(0);
        spread(v, rows[i].n, rows[i].n, A95);
        double down = quorum_down(v, NULL, rows[i].n, true, &b, NULL);
        CHECK_EQ(rows[i].ppb / 1000, quorum_avail_ppb(down) / 1000);
        double by_count = voting(rows[i].n, 0.05);
        CHECK(down - by_count < 1e-12 && by_count - down < 1e-12);
    }
}

TEST(quorum, tiers_allow_what_people_expect_of_thirty_days) {
    const uint64_t month = 30ull * 86400000;
    CHECK_EQ(36ull * 3600000, quorum_allowed_ms(TIER_BRONZE, month));
    CHECK_EQ(12960000, quorum_allowed_ms(TIER_SILVER, month)); /* 3.6 h */
    CHECK_EQ(2592000, quorum_allowed_ms(TIER_GOLD, month));    /* 43.2 min: 28 failovers of 90 s */
    CHECK_EQ(259200, quorum_allowed_ms(TIER_PLATINUM, month)); /* 4.3 min */
    CHECK_EQ(28, quorum_allowed_ms(TIER_GOLD, month) / 90000);
    CHECK_EQ(2, quorum_allowed_ms(TIER_PLATINUM, month) / 90000);
    CHECK_EQ(0, quorum_allowed_ms(TIER_PLATINUM, 9999));
    CHECK_EQ(1, quorum_allowed_ms(TIER_PLATINUM, 10000));
}

/* ---- properties --------------------------------------------------------------------------------------------------- */

static void random_nodes(struct vl_prng *rng, struct quorum_node *v, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        v[i] = (struct quorum_node){ .id = node_n(i),
                                     .avail_ppb = 700000000 + (uint32_t)vl_prng_below(rng, 300000001),
                                     .price = vl_prng_below(rng, 6) };
        if (vl_prng_below(rng, 12) == 0) v[i].avail_ppb = (uint32_t)vl_prng_below(rng, QUORUM_ONE + 1);
        for (uint32_t d = 0; d < DOMAINS; d++) v[i].domain[d] = vl_prng_below(rng, 6);
        if (vl_prng_below(rng, 4) != 0) /* mostly places and owners are known */
            for (uint32_t d = 0; d < DOMAINS; d++) v[i].domain[d] += v[i].domain[d] == 0;
    }
}

TEST(quorum, another_node_never_lowers_what_one_of_them_promises) {
    struct vl_prng rng;
    vl_prng_seed(&rng, 5);
    for (uint32_t round = 0; round < 20000; round++) {
        struct quorum_node v[QUORUM_NODES_MAX];
        struct quorum_beta b = quorum_beta_default();
        uint32_t n = 2 + (uint32_t)vl_prng_below(&rng, QUORUM_NODES_MAX - 1);
        random_nodes(&rng, v, n);
        for (uint32_t i = 0; i < n; i++) /* of known labels: an unknown one may drag a kind in that nobody spoke of */
            for (uint32_t d = 0; d < DOMAINS; d++) v[i].domain[d] += v[i].domain[d] == 0;
        double all = quorum_down(v, NULL, n, false, &b, NULL);
        for (uint32_t leave = 0; leave < n; leave++) {
            uint32_t which[QUORUM_NODES_MAX], k = 0;
            for (uint32_t i = 0; i < n; i++)
                if (i != leave) which[k++] = i;
            CHECK(quorum_down(v, which, k, false, &b, NULL) >= all - 1e-12);
        }
    }
}

TEST(quorum, splitting_a_domain_never_lowers_the_availability) {
    struct vl_prng rng;
    vl_prng_seed(&rng, 6);
    for (uint32_t round = 0; round < 20000; round++) {
        struct quorum_node v[QUORUM_NODES_MAX];
        struct quorum_beta b = only_sites(300000000);
        uint32_t n = 2 + (uint32_t)vl_prng_below(&rng, QUORUM_NODES_MAX - 1);
        random_nodes(&rng, v, n);
        for (uint32_t i = 0; i < n; i++) v[i].domain[DOMAIN_SITE] = 1 + i % 3;
        double before = quorum_down(v, NULL, n, false, &b, NULL);
        v[vl_prng_below(&rng, n)].domain[DOMAIN_SITE] = 99;
        CHECK(quorum_down(v, NULL, n, false, &b, NULL) <= before + 1e-12);
    }
}

TEST(quorum, a_label_nobody_knows_is_taken_for_the_worst_one) {
    struct quorum_node v[3];
    struct quorum_beta b = only_sites(300000000);
    spread(v, 3, 3, A95);
    double apart = quorum_down(v, NULL, 3, false, &b, NULL);
    v[2].domain[DOMAIN_SITE] = 0;
    double unknown = quorum_down(v, NULL, 3, false, &b, NULL);
    CHECK(unknown > apart);
    v[2].domain[DOMAIN_SITE] = 1;
    CHECK(unknown >= quorum_down(v, NULL, 3, false, &b, NULL));
    struct quorum_node w[4]; /* sound ones at site 1, weak ones at site 2, and one that does not say */
    spread(w, 4, 2, A95);
    w[1].avail_ppb = 600000000;
    double worst = 0;
    for (uint64_t site = 1; site <= 2; site++) {
        w[3].domain[DOMAIN_SITE] = site;
        double down = quorum_down(w, NULL, 4, false, &b, NULL);
        if (down > worst) worst = down;
    }
    w[3].domain[DOMAIN_SITE] = 0;
    CHECK(quorum_down(w, NULL, 4, false, &b, NULL) == worst);
    for (uint32_t i = 0; i < 3; i++) v[i].domain[DOMAIN_SITE] = 0;
    double nobody = quorum_down(v, NULL, 3, false, &b, NULL);
    for (uint32_t i = 0; i < 3; i++) v[i].domain[DOMAIN_SITE] = 7;
    CHECK(nobody == quorum_down(v, NULL, 3, false, &b, NULL)); /* saying nothing gains nothing */
}

/* ---- choosing ----------------------------------------------------------------------------------------------------- */

static uint32_t labels(const struct quorum_node *v, uint32_t mask, enum domain d) {
    bool seen[16] = { false };
    uint32_t n = 0;
    for (uint32_t i = 0; mask >> i; i++)
        if (mask >> i & 1 && v[i].domain[d] != 0 && !seen[v[i].domain[d]]) {
            seen[v[i].domain[d]] = true;
            n++;
        }
    return n ? n : 1;
}

struct truth {
    bool possible;
    uint64_t price;
    uint32_t best_ppb;
};

/* By hand, sharing nothing with the choice but the availability of one set. */
static struct truth brute(const struct quorum_ask *ask, const struct quorum_node *v, uint32_t n) {
    struct truth t = { 0 };
    struct quorum_tier tier = quorum_tier(ask->tier);
    for (uint32_t mask = 1; mask < 1u << n; mask++) {
        uint32_t which[QUORUM_NODES_MAX], k = 0, size = (uint32_t)__builtin_popcount(mask);
        uint64_t price = 0;
        bool apart = true;
        if (size < ask->least || size > ask->most) continue;
        for (uint32_t i = 0; i < n; i++) {
            if (!(mask >> i & 1)) continue;
            which[k++] = i;
            price += v[i].price;
            for (uint32_t j = 0; j < i && ask->spread_set; j++)
                if (mask >> j & 1)
                    apart = apart && v[i].domain[ask->spread] != 0 && v[i].domain[ask->spread] != v[j].domain[ask->spread];
            for (uint32_t j = i + 1; j < n && ask->spread_set && v[i].domain[ask->spread] == 0; j++)
                if (mask >> j & 1) apart = false;
        }
        if (!apart) continue;
        uint32_t ppb = quorum_avail_ppb(quorum_down(v, which, k, ask->majority, &ask->beta, NULL));
        if (ppb > t.best_ppb) t.best_ppb = ppb;
        if (ppb < tier.promise_ppb || labels(v, mask, DOMAIN_OWNER) < tier.owners ||
            labels(v, mask, DOMAIN_REGION) < tier.regions || labels(v, mask, DOMAIN_INFRA) < tier.infras)
            continue;
        if (!t.possible || price < t.price) t.price = price;
        t.possible = true;
    }
    return t;
}

static struct quorum_ask ask_of(enum sla_tier tier) {
    return (struct quorum_ask){ .tier = tier, .least = 1, .most = QUORUM_NODES_MAX, .beta = quorum_beta_default() };
}

TEST(quorum, chooses_the_cheapest_and_refuses_only_what_cannot_be) {
    struct vl_prng rng;
    uint32_t kept = 0, refused = 0;
    vl_prng_seed(&rng, 7);
    for (uint32_t round = 0; round < 400; round++) {
        struct quorum_node v[10];
        struct quorum_ask ask = ask_of((enum sla_tier)(1 + vl_prng_below(&rng, 4)));
        struct quorum_choice c;
        uint32_t n = (uint32_t)vl_prng_below(&rng, 9);
        random_nodes(&rng, v, n);
        ask.majority = vl_prng_below(&rng, 4) == 0;
        ask.least = 1 + (uint32_t)vl_prng_below(&rng, 3);
        ask.spread_set = vl_prng_below(&rng, 4) == 0;
        ask.spread = DOMAIN_SITE;
        CHECK_OK(quorum_choose(&ask, v, n, &c));
        struct truth t = brute(&ask, v, n);
        CHECK_EQ(t.possible, c.ok);
        if (c.ok) {
            CHECK_EQ(t.price, c.price);
            CHECK(c.avail_ppb >= quorum_tier(ask.tier).promise_ppb && c.n >= ask.least);
        } else {
            CHECK_EQ(t.best_ppb, c.avail_ppb);
            CHECK(c.why[0] != '\0' && strlen(c.why) < QUORUM_TEXT - 1);
        }
        for (uint32_t i = 1; i < c.n; i++) CHECK(c.node[i - 1] < c.node[i]);
        kept += c.ok;
        refused += !c.ok;
    }
    CHECK(kept > 60 && refused > 60);
}

TEST(quorum, finds_nearly_always_what_exists_among_many) {
    struct vl_prng rng;
    uint32_t possible = 0, missed = 0, dear = 0;
    vl_prng_seed(&rng, 8);
    for (uint32_t round = 0; round < 60; round++) {
        struct quorum_node v[14];
        struct quorum_ask ask = ask_of((enum sla_tier)(2 + vl_prng_below(&rng, 3)));
        struct quorum_choice c;
        random_nodes(&rng, v, 14);
        ask.majority = round % 5 == 0;
        CHECK_OK(quorum_choose(&ask, v, 14, &c));
        struct truth t = brute(&ask, v, 14);
        CHECK(!c.ok || t.possible); /* never more than there is */
        possible += t.possible;
        missed += t.possible && !c.ok;
        dear += c.ok && c.price > t.price;
    }
    printf("# among 14: %u possible, %u missed, %u dearer than needed\n", possible, missed, dear);
    CHECK(possible > 20);
    CHECK_EQ(0, missed);
    CHECK(dear * 5 <= possible);
}

TEST(quorum, chooses_among_thousands_and_keeps_to_them) {
    enum { MANY = 5000 };
    struct quorum_node *v = calloc(MANY, sizeof *v);
    struct quorum_choice c;
    CHECK(v != NULL);
    for (uint32_t i = 0; i < MANY; i++) {
        v[i] = (struct quorum_node){ .id = node_n(i), .avail_ppb = 720000000 + i % 7 * 30000000, .price = 10 + i % 11 };
        v[i].domain[DOMAIN_SITE] = v[i].domain[DOMAIN_OWNER] = 1 + i % 40;
        v[i].domain[DOMAIN_REGION] = 1 + i % 3;
        v[i].domain[DOMAIN_INFRA] = 1 + i % 2;
    }
    struct quorum_ask ask = ask_of(TIER_PLATINUM);
    CHECK_OK(quorum_choose(&ask, v, MANY, &c));
    CHECK(c.ok && c.n >= 5 && c.node[c.n - 1] < MANY);
    CHECK_EQ(c.avail_ppb, quorum_avail_ppb(quorum_down(v, c.node, c.n, false, &ask.beta, NULL)));
    free(v);
}

static bool says(const struct quorum_choice *c, const char *text) { return strstr(c->why, text) != NULL; }

TEST(quorum, says_how_many_owners_are_missing) {
    struct quorum_node v[4];
    struct quorum_ask ask = ask_of(TIER_PLATINUM);
    struct quorum_choice c;
    spread(v, 4, 4, 999000000);
    for (uint32_t i = 0; i < 4; i++) v[i].domain[DOMAIN_OWNER] = 1 + i % 2;
    CHECK_OK(quorum_choose(&ask, v, 4, &c));
    CHECK(!c.ok);
    CHECK_STR("platinum needs nodes of 5 owners; of those that fit there are 2", c.why);
    v[3].domain[DOMAIN_OWNER] = 0;
    CHECK_OK(quorum_choose(&ask, v, 4, &c));
    CHECK(says(&c, "--label owner=NAME"));
}

TEST(quorum, says_that_one_site_is_not_enough_however_many_replicas) {
    struct quorum_node v[9];
    struct quorum_ask ask = ask_of(TIER_GOLD);
    struct quorum_choice c;
    spread(v, 9, 1, 973333333);
    for (uint32_t i = 0; i < 9; i++) {
        v[i].domain[DOMAIN_OWNER] = 1 + i;
        v[i].domain[DOMAIN_REGION] = 1 + i % 2;
    }
    CHECK_OK(quorum_choose(&ask, v, 9, &c));
    CHECK_STR("gold cannot be honoured: with one site 99.9 % cannot be promised whatever the number of replicas; at best "
              "99.1999 %",
              c.why);
    for (uint32_t i = 0; i < 9; i++) v[i].domain[DOMAIN_SITE] = 1 + i % 2;
    CHECK_OK(quorum_choose(&ask, v, 9, &c));
    CHECK(c.ok);
}

TEST(quorum, asks_the_high_tiers_for_different_regions_and_kinds_of_infrastructure) {
    struct quorum_node v[6];
    struct quorum_choice c;
    struct quorum_ask gold = ask_of(TIER_GOLD), platinum = ask_of(TIER_PLATINUM);
    spread(v, 6, 6, 995000000);
    for (uint32_t i = 0; i < 6; i++) {
        v[i].domain[DOMAIN_OWNER] = 1 + i;
        v[i].domain[DOMAIN_REGION] = 1;
        v[i].domain[DOMAIN_INFRA] = 1;
    }
    CHECK_OK(quorum_choose(&gold, v, 6, &c));
    CHECK(!c.ok && says(&c, "gold needs nodes of 2 regions"));
    v[5].domain[DOMAIN_REGION] = 2;
    CHECK_OK(quorum_choose(&gold, v, 6, &c));
    CHECK(c.ok && c.node[c.n - 1] == 5);
    CHECK_OK(quorum_choose(&platinum, v, 6, &c));
    CHECK(!c.ok && says(&c, "platinum needs nodes of 2 infrastructure kinds"));
    v[0].domain[DOMAIN_INFRA] = 2;
    CHECK_OK(quorum_choose(&platinum, v, 6, &c));
    CHECK(c.ok && c.n >= 5 && c.node[0] == 0 && c.node[c.n - 1] == 5);
}

TEST(quorum, says_when_no_node_fits_or_too_few) {
    struct quorum_node v[2];
    struct quorum_choice c;
    struct quorum_ask ask = ask_of(TIER_BRONZE);
    CHECK_OK(quorum_choose(&ask, v, 0, &c));
    CHECK(!c.ok && c.n == 0 && says(&c, "no node fits"));
    spread(v, 2, 2, 990000000);
    ask.least = 3;
    CHECK_OK(quorum_choose(&ask, v, 2, &c));
    CHECK(!c.ok && c.n == 0 && says(&c, "3 replicas on different nodes"));
}

TEST(quorum, refuses_arguments_out_of_range) {
    struct quorum_node v[2];
    struct quorum_choice c = { .n = 77 };
    struct quorum_ask ask = ask_of(TIER_BRONZE);
    spread(v, 2, 2, A95);
    ask.tier = TIER_NONE;
    CHECK_EQ(VL_ERANGE, quorum_choose(&ask, v, 2, &c));
    ask = ask_of(TIER_BRONZE);
    ask.most = QUORUM_NODES_MAX + 1;
    CHECK_EQ(VL_ERANGE, quorum_choose(&ask, v, 2, &c));
    ask = ask_of(TIER_BRONZE);
    v[1].id = v[0].id;
    CHECK_EQ(VL_ERANGE, quorum_choose(&ask, v, 2, &c));
    CHECK_EQ(77, c.n);
}

TEST(quorum, every_group_of_a_wide_job_keeps_the_tier_by_itself_and_there_are_nearly_as_many_as_can_be) {
    struct vl_prng rng;
    uint32_t wide = 0;
    vl_prng_seed(&rng, 21);
    for (uint32_t round = 0; round < 150; round++) {
        enum { MANY = 40 };
        struct quorum_node v[MANY];
        struct quorum_ask ask = ask_of((enum sla_tier)(1 + vl_prng_below(&rng, 4)));
        struct quorum_choice c;
        struct quorum_groups g;
        bool seen[MANY] = { false };
        uint32_t n = 4 + (uint32_t)vl_prng_below(&rng, MANY - 3), want = 1 + (uint32_t)vl_prng_below(&rng, 70), worst = QUORUM_ONE;
        uint64_t price = 0;
        random_nodes(&rng, v, n);
        ask.majority = round % 4 == 0;
        ask.spread_set = round % 7 == 0;
        ask.spread = DOMAIN_SITE;
        CHECK_OK(quorum_choose(&ask, v, n, &c));
        if (!c.ok) continue;
        CHECK_OK(quorum_widen(&ask, v, n, &c, want, &g));
        CHECK(g.groups >= 1 && g.groups <= want && g.groups * g.size <= QUORUM_WIDE_MAX && g.size >= c.n);
        for (uint32_t k = 0; k < g.groups; k++) {
            uint32_t ppb;
            CHECK(quorum_keeps(&ask, v, g.node + k * g.size, g.size, &ppb));
            worst = ppb < worst ? ppb : worst;
        }
        for (uint32_t k = 0; k < g.groups * g.size; k++) {
            CHECK(!seen[g.node[k]]);
            seen[g.node[k]] = true;
            price += v[g.node[k]].price;
        }
        CHECK_EQ(worst, g.avail_ppb);
        CHECK_EQ(price, g.price);
        if (ask.tier == TIER_BRONZE && !ask.majority && c.n == 1) { /* by count: each that keeps it alone is a group */
            uint32_t alone = 0;
            for (uint32_t i = 0; i < n; i++) alone += v[i].avail_ppb >= 950000000;
            CHECK(g.groups >= (alone < want ? alone : want));
        }
        wide += g.groups > 1;
    }
    CHECK(wide > 40);
}

TEST(quorum, of_equal_nodes_the_one_with_fewest_promises_is_chosen) {
    struct quorum_node v[20];
    struct quorum_ask ask = ask_of(TIER_BRONZE);
    struct quorum_choice c;
    spread(v, 20, 20, 990000000);
    for (uint32_t i = 0; i < 20; i++) v[i].busy = i == 13 ? 0 : 3;
    CHECK_OK(quorum_choose(&ask, v, 20, &c));
    CHECK(c.ok && c.n == 1 && c.node[0] == 13);
}

TEST(quorum, a_cheap_owners_hundred_machines_do_not_hide_the_others_from_a_wide_job) {
    enum { CHEAP = 150, DEAR = 30, ALL = CHEAP + DEAR };
    struct quorum_node v[ALL];
    struct quorum_ask ask = ask_of(TIER_PLATINUM);
    struct quorum_choice c;
    struct quorum_groups g;
    spread(v, ALL, ALL, 995000000);
    for (uint32_t i = 0; i < ALL; i++) {
        bool cheap = i < CHEAP;
        v[i].price = cheap ? 1 : 1000;
        v[i].domain[DOMAIN_OWNER] = cheap ? 1 : 2 + i % 5;
        v[i].domain[DOMAIN_REGION] = cheap ? 1 : 2 + i % 2;
        v[i].domain[DOMAIN_INFRA] = cheap ? 1 : 2;
    }
    CHECK_OK(quorum_choose(&ask, v, ALL, &c));
    CHECK(c.ok);
    CHECK_OK(quorum_widen(&ask, v, ALL, &c, 6, &g));
    CHECK_EQ(6, g.groups); /* each owner has six, and each group wants one of every owner */
    for (uint32_t k = 0; k < g.groups; k++) CHECK(quorum_keeps(&ask, v, g.node + k * g.size, g.size, NULL));
}
