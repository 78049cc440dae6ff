/* The strategies of the scheduler, each for what it promises, and all of them for what every one must keep. */
#include "batch_check.h"
#include "fog_help.h"

#include "check.h"

#include <string.h>

#define ROWS 11u /* strategies in the table */

static struct sched_node plain_node(uint32_t n, uint32_t slots) {
    return (struct sched_node){ .id = node_n(n),
                                .features = NODE_FEATURE_WASM | NODE_FEATURE_NATIVE,
                                .slots = slots,
                                .free_slots = slots,
                                .memory_free = 1000,
                                .memory_total = 1000,
                                .disk_free = 1000,
                                .disk_total = 1000,
                                .latency_us = 1000,
                                .trust_milli = 500 };
}
static struct sched_task plain_task(uint32_t n) {
    return (struct sched_task){ .job = job_n(n), .features = NODE_FEATURE_WASM, .memory_bytes = 10, .disk_bytes = 10 };
}
static void place(const char *name, struct sched_node *nodes, uint32_t n, const struct sched_task *t, uint32_t n_tasks,
                  struct sched_choice *ret) {
    struct sched_state memory_of = { 0 };
    CHECK_OK(sched_place(sched_strategy_find(name), &memory_of, nodes, n, t, n_tasks, ret));
}
static uint32_t where(const char *name, struct sched_node *nodes, uint32_t n, const struct sched_task *t) {
    struct sched_choice c;
    place(name, nodes, n, t, 1, &c);
    CHECK_EQ(SCHED_PLACED, c.reason);
    return c.node;
}

TEST(strategy, each_name_of_the_terms_but_the_plans_has_its_row) {
    for (uint32_t s = 0; s < STRATEGIES; s++) {
        const struct sched_strategy *row = sched_strategy_find(strategy_name((enum strategy)s));
        CHECK_EQ(s == STRATEGY_NSGA2, row == NULL);
    }
    CHECK(sched_strategy_at(ROWS - 1) != NULL && sched_strategy_at(ROWS) == NULL);
}

TEST(strategy, latency_first_takes_the_nearest_with_room_and_the_unknown_as_the_farthest) {
    struct sched_node n[3] = { plain_node(0, 1), plain_node(1, 1), plain_node(2, 1) };
    struct sched_task t[4] = { plain_task(0), plain_task(1), plain_task(2), plain_task(3) };
    struct sched_choice c[4];
    n[0].latency_us = 0;
    n[1].latency_us = 900;
    n[2].latency_us = 30;
    place("latency_first", n, 3, t, 4, c);
    CHECK_EQ(2, c[0].node);
    CHECK_EQ(0, c[1].node); /* as far as node 1, the worst known; the smaller id */
    CHECK_EQ(1, c[2].node);
    CHECK_EQ(SCHED_NO_SLOT, c[3].reason);
}

TEST(strategy, trust_first_takes_the_most_trusted) {
    struct sched_node n[3] = { plain_node(0, 1), plain_node(1, 1), plain_node(2, 1) };
    struct sched_task t = plain_task(0);
    n[1].trust_milli = 900;
    CHECK_EQ(1, where("trust_first", n, 3, &t));
    CHECK_EQ(0, where("trust_first", n, 3, &t)); /* node 1 is full; a tie */
}

TEST(strategy, cost_counts_the_work_done_for_it_and_then_the_price) {
    struct sched_node n[3] = { plain_node(0, 1), plain_node(1, 1), plain_node(2, 1) };
    struct sched_task t = plain_task(0);
    n[0].cost = 100;
    n[1].cost = 150;
    n[1].rate_milli = 2000; /* twice as fast: 75 for the same work */
    n[2].cost = 100;
    n[0].price = 300;
    n[2].price = 299;
    CHECK_EQ(1, where("cost", n, 3, &t));
    CHECK_EQ(2, where("cost", n, 3, &t));
    CHECK_EQ(0, where("cost", n, 3, &t));
}

TEST(strategy, least_loaded_counts_what_was_measured_beside_what_runs) {
    struct sched_node n[2] = { plain_node(0, 4), plain_node(1, 4) };
    struct sched_task t[3] = { plain_task(0), plain_task(1), plain_task(2) };
    struct sched_choice c[3];
    n[0].load_milli = 400; /* somebody else's work */
    place("least_loaded", n, 2, t, 3, c);
    CHECK_EQ(1, c[0].node);
    CHECK_EQ(1, c[1].node); /* 1 of 4 is still less than 0.4 */
    CHECK_EQ(0, c[2].node); /* 2 of 4 is not */
}

TEST(strategy, load_balance_sees_the_memory_of_a_node_whose_slots_are_free) {
    struct sched_node n[2] = { plain_node(0, 8), plain_node(1, 8) };
    struct sched_task t = plain_task(0);
    n[0].memory_free = 100; /* nine tenths are promised */
    n[1].running = 4;
    n[1].free_slots = 4;
    CHECK_EQ(1, where("load_balance", n, 2, &t));
    CHECK_EQ(0, where("least_loaded", n, 2, &t));
}

TEST(strategy, affinity_sends_a_program_to_the_same_nodes_while_they_have_room) {
    enum { N = 12 };
    struct sched_node n[N], copy[N];
    uint32_t home[50], moved = 0, used = 0;
    for (uint32_t i = 0; i < N; i++) n[i] = plain_node(i, 2);
    for (uint32_t p = 0; p < 50; p++) {
        struct sched_task t = plain_task(p);
        t.program = 1000 + p;
        memcpy(copy, n, sizeof n);
        home[p] = where("affinity", copy, N, &t);
        CHECK_EQ(home[p], where("affinity", copy, N, &t));
        CHECK(home[p] != where("affinity", copy, N, &t)); /* both slots are taken */
        used |= 1u << home[p];
    }
    CHECK(__builtin_popcount(used) > 8);
    for (uint32_t p = 0; p < 50; p++) { /* node 5 leaves: only its programs move */
        struct sched_task t = plain_task(p);
        t.program = 1000 + p;
        memcpy(copy, n, sizeof n);
        copy[5].blocked = SCHED_OFFLINE;
        uint32_t now = where("affinity", copy, N, &t);
        CHECK(home[p] == 5 ? now != 5 : now == home[p]);
        moved += home[p] == 5;
    }
    CHECK(moved > 0);
}

TEST(strategy, affinity_serves_programs_that_alternate_in_one_batch) {
    struct sched_node n[6];
    struct sched_task t[6];
    struct sched_choice c[6];
    for (uint32_t i = 0; i < 6; i++) {
        n[i] = plain_node(i, 8);
        t[i] = plain_task(i);
        t[i].program = i % 2 ? 77 : 78;
    }
    place("affinity", n, 6, t, 6, c);
    CHECK(c[0].node == c[2].node && c[2].node == c[4].node && c[1].node == c[3].node && c[3].node == c[5].node);
    CHECK(c[0].node != c[1].node);
}

TEST(strategy, proximity_prefers_the_home_region_among_the_equally_near) {
    struct sched_node n[3] = { plain_node(0, 1), plain_node(1, 1), plain_node(2, 1) };
    struct sched_task t[3] = { plain_task(0), plain_task(1), plain_task(2) };
    struct sched_choice c[3];
    struct sched_state memory_of = { .home_region = label_hash("eu") };
    n[0].latency_us = 500;
    n[0].domain[DOMAIN_REGION] = label_hash("us");
    n[1].latency_us = 900; /* no farther, as far as one can tell */
    n[1].domain[DOMAIN_REGION] = label_hash("eu");
    n[2].latency_us = 40000;
    n[2].domain[DOMAIN_REGION] = label_hash("eu");
    CHECK_OK(sched_place(sched_strategy_find("proximity"), &memory_of, n, 3, t, 3, c));
    CHECK(c[0].node == 1 && c[1].node == 0 && c[2].node == 2);
}

TEST(strategy, privacy_aware_takes_an_owner_that_holds_no_replica_and_lets_private_tasks_choose_first) {
    struct sched_node n[3] = { plain_node(0, 1), plain_node(1, 1), plain_node(2, 1) };
    struct sched_task t[2] = { plain_task(0), plain_task(1) };
    struct sched_choice c[2];
    for (uint32_t i = 0; i < 3; i++) n[i].domain[DOMAIN_OWNER] = i == 2 ? 9 : 8;
    for (uint32_t i = 1; i < 3; i++) n[i].features |= NODE_FEATURE_PRIVATE;
    n[1].trust_milli = 900;
    n[2].trust_milli = 700;
    t[1].privacy = true;
    t[1].features |= NODE_FEATURE_PRIVATE;
    t[1].avoid[t[1].n_avoid++] = (struct sched_avoid){ node_n(0), true };
    place("privacy_aware", n, 3, t, 2, c);
    CHECK_EQ(2, c[1].node); /* not node 1, whose owner has a replica on node 0 */
    CHECK_EQ(1, c[0].node); /* then by trust */
}

TEST(strategy, random_reaches_every_node_and_draws_by_its_seed) {
    enum { N = 8, T = 64 };
    struct sched_node n[N];
    struct sched_task t[T];
    struct sched_choice c[3][T];
    struct sched_state memory_of[3] = { { .seed = 1 }, { .seed = 1 }, { .seed = 2 } };
    uint32_t used = 0;
    for (uint32_t k = 0; k < T; k++) t[k] = plain_task(k);
    for (uint32_t s = 0; s < 3; s++) {
        for (uint32_t i = 0; i < N; i++) n[i] = plain_node(i, T);
        CHECK_OK(sched_place(sched_strategy_find("random"), &memory_of[s], n, N, t, T, c[s]));
    }
    for (uint32_t k = 0; k < T; k++) used |= 1u << c[0][k].node;
    CHECK_EQ((1u << N) - 1, used);
    CHECK_MEM(c[0], c[1], sizeof c[0]);
    CHECK(memcmp(c[0], c[2], sizeof c[0]) != 0);
    for (uint32_t i = 0; i < N; i++) n[i] = plain_node(i, T);
    CHECK_OK(sched_place(sched_strategy_find("random"), &memory_of[0], n, N, t, T, c[2]));
    CHECK(memcmp(c[0], c[2], sizeof c[0]) != 0); /* the next batch draws anew */
}

/* ---- replicas and domains ---- */

TEST(strategy, replicas_of_class_a_go_to_different_owners_and_the_last_waits_when_there_are_too_few) {
    for (uint32_t k = 0; k < ROWS; k++) {
        struct sched_node n[4];
        struct sched_task t[3];
        struct sched_choice c[3];
        for (uint32_t i = 0; i < 4; i++) {
            n[i] = plain_node(i, 4);
            n[i].domain[DOMAIN_OWNER] = i < 2 ? 7 : 8;
        }
        for (uint32_t i = 0; i < 3; i++) {
            t[i] = plain_task(0);
            t[i].class = SLA_A;
        }
        place(sched_strategy_at(k)->name, n, 4, t, 3, c);
        CHECK(c[0].reason == SCHED_PLACED && c[1].reason == SCHED_PLACED);
        CHECK(c[0].node / 2 != c[1].node / 2);
        CHECK_EQ(SCHED_SPREAD, c[2].reason); /* two owners, three copies */
    }
}

TEST(strategy, a_replica_on_a_node_that_is_blocked_still_keeps_its_owner_off) {
    struct sched_node n[3] = { plain_node(0, 4), plain_node(1, 4), plain_node(2, 4) };
    struct sched_task t = plain_task(0);
    t.class = SLA_A;
    t.avoid[t.n_avoid++] = (struct sched_avoid){ node_n(0), true };
    n[0].blocked = SCHED_OFFLINE;
    n[0].domain[DOMAIN_OWNER] = n[1].domain[DOMAIN_OWNER] = 5;
    for (uint32_t k = 0; k < ROWS; k++) {
        struct sched_node copy[3] = { n[0], n[1], n[2] };
        CHECK_EQ(2, where(sched_strategy_at(k)->name, copy, 3, &t)); /* an unknown owner keeps nobody off */
    }
}

TEST(strategy, one_machine_is_one_domain_whatever_was_asked) {
    struct sched_node n[2] = { plain_node(0, 4), plain_node(1, 4) };
    struct sched_task t = plain_task(0);
    struct sched_choice c;
    t.spread_set = true;
    t.spread = DOMAIN_POWER;
    t.avoid[t.n_avoid++] = (struct sched_avoid){ node_n(0), true };
    n[0].domain[DOMAIN_HOST] = n[1].domain[DOMAIN_HOST] = 3;
    place("least_loaded", n, 2, &t, 1, &c);
    CHECK_EQ(SCHED_SPREAD, c.reason);
    n[1].domain[DOMAIN_HOST] = 4;
    CHECK_EQ(1, where("least_loaded", n, 2, &t));
    n[0].domain[DOMAIN_POWER] = n[1].domain[DOMAIN_POWER] = 1;
    place("least_loaded", n, 2, &t, 1, &c);
    CHECK_EQ(SCHED_SPREAD, c.reason);
}

/* ---- conditions ---- */

TEST(strategy, class_s_goes_to_attested_nodes_alone) {
    struct sched_node n[2] = { plain_node(0, 4), plain_node(1, 4) };
    struct sched_task t = plain_task(0);
    t.class = SLA_S;
    for (uint32_t k = 0; k < ROWS; k++) {
        struct sched_choice c;
        n[1].attested = false;
        place(sched_strategy_at(k)->name, n, 2, &t, 1, &c);
        CHECK_EQ(SCHED_NO_TRUST, c.reason);
        n[1].attested = true;
        struct sched_node copy[2] = { n[0], n[1] };
        CHECK_EQ(1, where(sched_strategy_at(k)->name, copy, 2, &t));
    }
}

TEST(strategy, a_task_with_a_deadline_goes_only_where_it_would_end_in_time) {
    struct sched_task t[4] = { plain_task(0), plain_task(1), plain_task(2), plain_task(3) };
    struct sched_choice c[4];
    for (uint32_t k = 0; k < 4; k++) t[k].cpu_milli = 10000;
    t[0].left_ms = 10000;  /* exactly what the median needs */
    t[1].left_ms = 9999;
    t[2].left_ms = 1;
    t[2].cpu_milli = 0; /* nothing is known of it: nothing is held against anybody */
    for (uint32_t k = 0; k < ROWS; k++) {
        struct sched_node n[2] = { plain_node(0, 4), plain_node(1, 4) };
        n[0].rate_milli = 500; /* half as fast as the median */
        n[1].rate_milli = 0;   /* not measured: as the median */
        place(sched_strategy_at(k)->name, n, 2, t, 4, c);
        CHECK(c[0].reason == SCHED_PLACED && c[0].node == 1);
        CHECK_EQ(SCHED_TOO_LATE, c[1].reason);
        CHECK_EQ(SCHED_PLACED, c[2].reason);
        CHECK_EQ(SCHED_PLACED, c[3].reason);
    }
}

TEST(strategy, conflicting_wishes_wait_with_the_furthest_reason) {
    struct sched_node n[3] = { plain_node(0, 1), plain_node(1, 1), plain_node(2, 1) };
    n[0].domain[DOMAIN_REGION] = label_hash("eu");
    n[1].domain[DOMAIN_REGION] = label_hash("us");
    struct sched_task region_and_excluded = plain_task(0), above_all = plain_task(1), near_unknown = plain_task(2),
                      cheap = plain_task(3), huge = plain_task(4);
    region_and_excluded.region = label_hash("eu");
    region_and_excluded.exclude[region_and_excluded.n_exclude++] = node_n(0);
    above_all.min_trust_milli = 1001;
    near_unknown.max_latency_us = UINT32_MAX;
    for (int i = 0; i < 3; i++) n[i].latency_us = 0;
    n[0].price = n[1].price = n[2].price = TERMS_PRICE_MAX;
    cheap.max_price = TERMS_PRICE_MAX - 1;
    huge.memory_bytes = UINT64_MAX;
    for (uint32_t k = 0; k < ROWS; k++) {
        const struct sched_task t[5] = { region_and_excluded, above_all, near_unknown, cheap, huge };
        struct sched_choice c[5];
        place(sched_strategy_at(k)->name, n, 3, t, 5, c);
        CHECK_EQ(SCHED_NO_REGION, c[0].reason); /* the others come as far as the region */
        CHECK_EQ(SCHED_NO_TRUST, c[1].reason);
        CHECK_EQ(SCHED_TOO_FAR, c[2].reason); /* an unknown latency is below no bound */
        CHECK_EQ(SCHED_TOO_DEAR, c[3].reason);
        CHECK_EQ(SCHED_TOO_LARGE, c[4].reason);
    }
}

TEST(strategy, a_task_that_cannot_be_placed_costs_the_others_nothing) {
    for (uint32_t k = 0; k < ROWS; k++) {
        struct sched_node n[4];
        struct sched_task t[12];
        struct sched_choice c[12];
        for (uint32_t i = 0; i < 4; i++) n[i] = plain_node(i, 2);
        for (uint32_t i = 0; i < 12; i++) {
            t[i] = plain_task(i);
            if (i % 3 == 0) t[i].min_trust_milli = 999;
        }
        place(sched_strategy_at(k)->name, n, 4, t, 12, c);
        for (uint32_t i = 0; i < 12; i++) CHECK_EQ(i % 3 == 0 ? SCHED_NO_TRUST : SCHED_PLACED, c[i].reason);
    }
}

TEST(strategy, empty_villages_blocked_nodes_and_nodes_without_slots_take_nothing) {
    for (uint32_t k = 0; k < ROWS; k++) {
        struct sched_node n[2] = { plain_node(0, 0), plain_node(1, 3) };
        struct sched_task t = plain_task(0);
        struct sched_choice c;
        place(sched_strategy_at(k)->name, n, 0, &t, 1, &c);
        CHECK_EQ(SCHED_NO_NODES, c.reason);
        place(sched_strategy_at(k)->name, n, 2, &t, 0, &c);
        place(sched_strategy_at(k)->name, n, 1, &t, 1, &c);
        CHECK_EQ(SCHED_NO_FEATURE, c.reason); /* it takes no tasks of any kind */
        n[0].blocked = SCHED_MAINTENANCE;
        n[1].blocked = SCHED_HARVEST;
        place(sched_strategy_at(k)->name, n, 2, &t, 1, &c);
        CHECK_EQ(SCHED_NO_READY, c.reason);
        n[1].blocked = 0;
        CHECK_EQ(1, where(sched_strategy_at(k)->name, n, 2, &t));
    }
}

TEST(strategy, why_counts_the_nodes_behind_each_reason) {
    struct sched_node n[6];
    struct sched_task t = plain_task(0);
    struct sched_why why;
    for (uint32_t i = 0; i < 6; i++) n[i] = plain_node(i, 2);
    n[0].blocked = SCHED_OFFLINE;
    n[1].trust_milli = 10;
    n[2].trust_milli = 20;
    n[3].domain[DOMAIN_SITE] = n[4].domain[DOMAIN_SITE] = 6;
    t.min_trust_milli = 400;
    t.spread_set = true;
    t.spread = DOMAIN_SITE;
    t.avoid[t.n_avoid++] = (struct sched_avoid){ node_n(3), true };
    sched_why(n, 6, &t, &why);
    CHECK_EQ(6, why.nodes);
    CHECK_EQ(1, why.by[SCHED_NO_READY]);
    CHECK_EQ(2, why.by[SCHED_NO_TRUST]);
    CHECK_EQ(1, why.by[SCHED_AVOIDED]);
    CHECK_EQ(1, why.by[SCHED_SPREAD]);
    CHECK_EQ(1, why.by[SCHED_PLACED]);
}

/* ---- newcomers ---- */

TEST(strategy, one_in_twenty_tasks_of_class_b_goes_to_a_newcomer_and_no_other) {
    enum { N = 40, T = 2000 };
    static struct sched_node n[N];
    static struct sched_task t[T];
    static struct sched_choice c[T];
    const char *const names[] = { "default", "trust_first" };
    for (uint32_t s = 0; s < 2; s++) {
        uint32_t explored = 0, in_class_b = 0;
        for (uint32_t i = 0; i < N; i++) {
            n[i] = plain_node(i, T);
            n[i].memory_free = n[i].memory_total = n[i].disk_free = n[i].disk_total = 1u << 30;
            n[i].trust_milli = i == 17 ? 25 : 950;
            n[i].doubt_milli = i == 17 ? 1000 : 20;
            n[i].attested = true;
        }
        for (uint32_t k = 0; k < T; k++) {
            t[k] = plain_task(k);
            t[k].class = (enum sla_class)(k % 3);
            t[k].privacy = k % 30 == 0;
        }
        place(names[s], n, N, t, T, c);
        for (uint32_t k = 0; k < T; k++) {
            bool there = c[k].reason == SCHED_PLACED && c[k].node == 17;
            CHECK_EQ(there, sched_explores(&t[k], 0));
            explored += there;
            in_class_b += t[k].class == SLA_B && !t[k].privacy;
            CHECK(!there || (t[k].class == SLA_B && !t[k].privacy));
        }
        CHECK(explored * 20 > in_class_b / 2 && explored * 20 < in_class_b * 2);
    }
    n[17].latency_us = 900000; /* a wish for the nearest is no wish to try somebody out */
    for (uint32_t i = 0; i < N; i++) n[i].running = 0;
    place("latency_first", n, N, t, T, c);
    for (uint32_t k = 0; k < T; k++) CHECK(c[k].reason == SCHED_PLACED && c[k].node != 17);
}

/* ---- all of them ---- */

TEST(strategy, random_batches_keep_every_rule_under_every_strategy) {
    enum { N = 24, T = 40 };
    static struct sched_node n[N], before[N];
    static struct sched_task t[T];
    struct sched_choice c[T], again[T];
    struct vl_prng r;
    uint32_t seen[SCHED_REASONS] = { 0 };
    vl_prng_seed(&r, 11);
    for (uint32_t round = 0; round < 330; round++) {
        uint32_t nodes = (uint32_t)vl_prng_below(&r, round % 2 ? N + 1 : 4), tasks = (uint32_t)vl_prng_below(&r, T + 1);
        struct sched_state memory_of = { .seed = round, .home_region = round % 3 }, same = memory_of;
        batch_draw(&r, before, nodes, t, tasks);
        memcpy(n, before, sizeof n);
        CHECK_OK(sched_place(sched_strategy_at(round % ROWS), &memory_of, n, nodes, t, tasks, c));
        const char *wrong = batch_wrong(before, nodes, t, tasks, c);
        if (wrong) print_message("# round %u, %s: %s\n", round, sched_strategy_at(round % ROWS)->name, wrong);
        CHECK(wrong == NULL);
        for (uint32_t k = 0; k < tasks; k++) seen[c[k].reason]++;
        memcpy(n, before, sizeof n);
        CHECK_OK(sched_place(sched_strategy_at(round % ROWS), &same, n, nodes, t, tasks, again));
        CHECK(tasks == 0 || memcmp(c, again, tasks * sizeof *c) == 0);
    }
    for (uint32_t i = 0; i < SCHED_REASONS; i++) { /* the draws reach everything */
        if (seen[i] == 0) print_message("# never: %s\n", sched_reason_text((enum sched_reason)i));
        CHECK(seen[i] > 0);
    }
}

/* Refusals are kept for the rest of a batch, by what was asked: 64 of them, so that 300 wishes share places. */
TEST(strategy, a_refusal_is_held_against_nobody_who_asks_for_something_else) {
    enum { N = 12, T = 300, FIELDS = 8 };
    static struct sched_node n[N], before[N];
    static struct sched_task t[T];
    static struct sched_choice c[T];
    for (uint32_t field = 0; field < FIELDS; field++) {
        for (uint32_t i = 0; i < N; i++) {
            before[i] = plain_node(i, T);
            before[i].memory_total = before[i].memory_free = before[i].disk_total = before[i].disk_free = 1u << 20;
            before[i].price = 1000;
            before[i].domain[DOMAIN_REGION] = 100 + i;
        }
        for (uint32_t k = 0; k < T; k++) {
            bool good = k % 5 == 4;
            t[k] = plain_task(k);
            if (field == 0) t[k].region = good ? 100 + k % N : 1000 + k;
            if (field == 1) t[k].memory_bytes = good ? k : (2u << 20) + k;
            if (field == 2) t[k].disk_bytes = good ? k : (2u << 20) + k;
            if (field == 3) t[k].min_trust_milli = good ? k : 501 + k;
            if (field == 4) t[k].max_latency_us = good ? 1000 + k : 500 + k;
            if (field == 5) t[k].max_price = good ? 1000 + k : 500 + k;
            if (field == 6) t[k].only[t[k].n_only++] = node_n(good ? k % N : 1000 + k);
            for (uint32_t i = 0; field == 7 && i < N && (!good || i != k % N); i++)
                t[k].exclude[t[k].n_exclude++] = node_n(i);
            t[k].features = k % 3 ? NODE_FEATURE_WASM : NODE_FEATURE_NATIVE;
        }
        for (uint32_t s = 0; s < ROWS; s++) {
            memcpy(n, before, sizeof n);
            place(sched_strategy_at(s)->name, n, N, t, T, c);
            CHECK(batch_wrong(before, N, t, T, c) == NULL);
        }
    }
}

TEST(strategy, the_index_is_the_same_after_a_task_ends_and_another_comes) {
    enum { N = 200, T = 60 };
    static struct sched_node n[N], start[N];
    static struct sched_task t[T];
    struct sched_choice c[T];
    struct sched_fast *f;
    struct vl_prng r;
    vl_prng_seed(&r, 3);
    for (uint32_t i = 0; i < N; i++) start[i] = n[i] = plain_node(i, 1 + i % 2);
    CHECK_OK(sched_fast_create(n, N, 5, &f));
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t k = 0; k < T; k++) {
            batch_draw_task(&r, round * T + k, N, &t[k]);
            t[k].min_trust_milli = 0;
        }
        memcpy(start, n, sizeof n);
        CHECK_OK(sched_fast_place(f, t, T, c));
        const char *wrong = batch_wrong(start, N, t, T, c);
        if (wrong) print_message("# round %u: %s\n", round, wrong);
        CHECK(wrong == NULL);
        for (uint32_t k = 0; k < T; k++) {
            if (c[k].reason != SCHED_PLACED || round % 3 == 2) continue; /* every third batch stays */
            struct sched_node *x = &n[c[k].node];
            x->free_slots++;
            x->running--;
            x->memory_free += t[k].memory_bytes;
            x->disk_free += t[k].disk_bytes;
            sched_fast_update(f, c[k].node);
        }
        uint32_t x = (uint32_t)vl_prng_below(&r, N);
        n[x].blocked ^= SCHED_OFFLINE;
        sched_fast_update(f, x);
    }
    sched_fast_destroy(f);
}

TEST(strategy, a_sample_is_nearly_as_good_as_looking_at_every_node) {
    enum { N = 3000, T = 2000 };
    static struct sched_node n[2][N];
    static struct sched_task t[T];
    static struct sched_choice c[2][T];
    struct vl_prng r;
    struct sched_fast *f;
    double cost[2] = { 0, 0 };
    vl_prng_seed(&r, 9);
    for (uint32_t i = 0; i < N; i++) {
        n[0][i] = plain_node(i, 1 + (uint32_t)vl_prng_below(&r, 4));
        n[0][i].cost = 1000 + vl_prng_below(&r, 9000);
        n[0][i].price = n[0][i].cost * 2;
    }
    memcpy(n[1], n[0], sizeof n[0]);
    for (uint32_t k = 0; k < T; k++) t[k] = plain_task(k);
    CHECK_OK(sched_fast_create(n[0], N, 5, &f));
    CHECK_OK(sched_fast_place(f, t, T, c[0]));
    sched_fast_destroy(f);
    place("cost", n[1], N, t, T, c[1]);
    for (uint32_t s = 0; s < 2; s++)
        for (uint32_t k = 0; k < T; k++) cost[s] += (double)n[s][c[s][k].node].cost;
    CHECK(cost[0] < cost[1] * 1.15 && cost[0] >= cost[1]);
}

TEST(strategy, refuses_what_is_out_of_range) {
    static struct sched_node n[2];
    static struct sched_task t[2];
    struct sched_choice c = { .node = 77 };
    struct sched_state memory_of = { 0 };
    struct sched_fast *f = NULL;
    n[0] = plain_node(1, 1);
    n[1] = plain_node(1, 1); /* twice the same */
    CHECK_EQ(VL_ERANGE, sched_fast_create(n, 2, 0, &f));
    CHECK(f == NULL);
    n[1] = plain_node(2, 1);
    CHECK_OK(sched_fast_create(n, 2, 0, &f));
    t[0] = plain_task(0);
    t[0].n_avoid = SCHED_AVOID_MAX + 1;
    CHECK_EQ(VL_ERANGE, sched_fast_place(f, t, 1, &c));
    t[0].n_avoid = 0;
    t[0].n_exclude = TERMS_EXCLUDE_MAX + 1;
    CHECK_EQ(VL_ERANGE, sched_place(sched_strategy_at(0), &memory_of, n, 2, t, 1, &c));
    t[0].n_exclude = 0;
    t[0].class = (enum sla_class)3;
    CHECK_EQ(VL_ERANGE, sched_place(sched_strategy_at(0), &memory_of, n, 2, t, 1, &c));
    t[0].class = SLA_B;
    CHECK_EQ(VL_ERANGE, sched_place(sched_strategy_at(0), &memory_of, n, 2, t, SCHED_BATCH_MAX + 1, &c));
    CHECK_EQ(77, c.node);
    sched_fast_destroy(f);
    sched_fast_destroy(NULL);
}
