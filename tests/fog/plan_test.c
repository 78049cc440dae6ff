/* The multi-objective placement: rules kept on random batches, optima found by trying everything on small ones, bounds
 * that hold, and what may go wrong with what people ask. */
#include "batch_check.h"
#include "fog/pareto.h"
#include "fog/plan.h"
#include "fog_help.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct sched_node plain_node(uint32_t n, uint32_t slots) {
    return (struct sched_node){ .id = node_n(n),
                                .features = NODE_FEATURE_WASM,
                                .slots = slots,
                                .free_slots = slots,
                                .memory_free = 1000,
                                .memory_total = 1000,
                                .disk_free = 1000,
                                .disk_total = 1000,
                                .latency_us = 1000,
                                .trust_milli = 500,
                                .cost = 100,
                                .price = 200 };
}
static struct sched_task plain_task(uint32_t n) {
    return (struct sched_task){
        .job = job_n(n), .features = NODE_FEATURE_WASM, .memory_bytes = 10, .disk_bytes = 10, .class = SLA_A
    };
}

/* A batch with its result. */
struct trial {
    struct plan_config config;
    struct plan_input in;
    struct plan_result r;
};
static struct trial trial_of(const struct sched_node *nodes, uint32_t n, const struct sched_task *tasks,
                             uint32_t n_tasks, uint64_t seed) {
    return (struct trial){ .config = plan_config_default(),
                           .in = { .seed = seed, .nodes = nodes, .n_nodes = n, .tasks = tasks, .n_tasks = n_tasks } };
}
static void run(struct trial *t) {
    t->in.config = &t->config;
    CHECK_OK(plan_run(&t->in, &t->r));
}
/* Everything that must be true of any result. */
static void check_result(const struct trial *t) {
    const struct plan_result *r = &t->r;
    double f[PLAN_OBJECTIVES];
    uint32_t placed = 0;
    const char *wrong = batch_wrong(t->in.nodes, t->in.n_nodes, t->in.tasks, t->in.n_tasks, r->choice);
    if (wrong) print_message("# %s\n", wrong);
    CHECK(wrong == NULL);
    CHECK(plan_evaluate(&t->in, r->choice, f) <= 0);
    for (uint32_t k = 0; k < t->in.n_tasks; k++) placed += r->choice[k].reason == SCHED_PLACED;
    CHECK_EQ(placed, r->placed);
    CHECK_EQ(t->in.n_tasks, r->n_tasks);
    CHECK(r->n_front <= PLAN_FRONT_MAX && (r->n_front == 0 || r->taken < r->n_front));
    CHECK(placed == 0 || r->n_front > 0);
    for (uint32_t i = 0; i < r->n_front; i++) {
        CHECK(i == 0 || r->front[i - 1].f[PLAN_LATENCY] <= r->front[i].f[PLAN_LATENCY]);
        for (uint32_t k = 0; k < r->n_front; k++)
            CHECK(!pareto_dominates(r->front[k].f, r->front[i].f, PLAN_OBJECTIVES));
        for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
            CHECK(isfinite(r->front[i].f[o]) && r->front[i].f[o] >= r->ideal[o] && r->front[i].f[o] <= r->nadir[o]);
            if (o != PLAN_BALANCE) CHECK(r->bound[o] <= r->ideal[o] && r->gap[o] >= 0);
        }
    }
    CHECK(isnan(r->bound[PLAN_BALANCE]));
    CHECK(r->hypervolume >= r->hypervolume_first && r->hypervolume_first >= 0 && r->hypervolume <= 1);
    CHECK(isfinite(r->score) && r->score >= 0);
}
static void end(struct trial *t) { plan_result_free(&t->r); }

TEST(plan, has_names_defaults_and_weights_that_sum_to_one) {
    const char *const names[PLAN_OBJECTIVES] = { "latency", "balance", "trust", "cost", "price" };
    struct plan_config c = plan_config_default();
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) CHECK_STR(names[o], plan_objective_name((enum plan_objective)o));
    CHECK(c.population == 50 && c.generations == 100 && c.tournament == 3 && !c.plain);
    for (uint32_t k = 0; k < SLA_CLASSES; k++) {
        double w[PLAN_OBJECTIVES], sum = 0;
        plan_weights((enum sla_class)k, w);
        for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) sum += w[o];
        CHECK(fabs(sum - 1) < 1e-12);
    }
}

TEST(plan, random_batches_keep_every_rule_and_no_node_is_above_its_capacity) {
    enum { N = 24, T = 40 };
    static struct sched_node n[N];
    static struct sched_task tasks[T];
    struct vl_prng r;
    vl_prng_seed(&r, 21);
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t nodes = (uint32_t)vl_prng_below(&r, round % 2 ? N + 1 : 5), k = (uint32_t)vl_prng_below(&r, T + 1);
        batch_draw(&r, n, nodes, tasks, k);
        struct trial t = trial_of(n, nodes, tasks, k, round);
        t.config.generations = 8;
        t.config.plain = round % 8 == 7;
        if (round % 3 == 1) t.config.full_scan = 2; /* samples, as in large villages */
        if (round % 3 == 1) t.config.sample = 3;
        if (round % 5 == 2) t.config.archive = 10;
        if (round % 5 == 3) t.config.population = 4 + (uint32_t)vl_prng_below(&r, 80);
        if (round % 7 == 3) t.config.sweep = (uint32_t)vl_prng_below(&r, 90);
        run(&t);
        check_result(&t);
        end(&t);
    }
}

static bool twice(void *arg) { return ++*(uint32_t *)arg > 2; }
TEST(plan, is_the_same_for_the_same_seed_and_after_a_cut_for_the_generations_that_it_tells) {
    enum { N = 20, T = 30 };
    static struct sched_node n[N];
    static struct sched_task tasks[T];
    struct vl_prng r;
    uint32_t asked = 0;
    vl_prng_seed(&r, 4);
    batch_draw(&r, n, N, tasks, T);
    for (uint32_t i = 0; i < N; i++) n[i].blocked = 0;
    struct trial cut = trial_of(n, N, tasks, T, 9);
    cut.in.expired = twice;
    cut.in.arg = &asked;
    run(&cut);
    CHECK(cut.r.cut);
    CHECK_EQ(2, cut.r.generations);
    struct trial again = trial_of(n, N, tasks, T, 9), other = trial_of(n, N, tasks, T, 10);
    again.config.generations = 2;
    other.config.generations = 2;
    run(&again);
    run(&other);
    CHECK(!again.r.cut);
    CHECK_MEM(cut.r.choice, again.r.choice, T * sizeof *cut.r.choice);
    CHECK_MEM(cut.r.front, again.r.front, sizeof cut.r.front);
    CHECK(memcmp(again.r.front, other.r.front, sizeof again.r.front) != 0);
    end(&cut);
    end(&again);
    end(&other);
}

static bool at_once(void *arg) { return arg == NULL; }
TEST(plan, places_everything_even_when_its_time_is_over_at_once) {
    struct sched_node n[3] = { plain_node(0, 2), plain_node(1, 2), plain_node(2, 2) };
    struct sched_task tasks[6];
    for (uint32_t k = 0; k < 6; k++) tasks[k] = plain_task(k);
    struct trial t = trial_of(n, 3, tasks, 6, 1);
    t.in.expired = at_once;
    run(&t);
    CHECK(t.r.cut && t.r.generations == 0);
    CHECK_EQ(6, t.r.placed);
    check_result(&t);
    end(&t);
}

/* ---- against all placements of small batches ---- */

struct brute {
    double best[PLAN_OBJECTIVES]; /* of each objective by itself */
    double score;                 /* least augmented Tchebycheff in the box of the plan's archive */
    uint32_t placements;
};
static double score_of(const struct plan_result *r, const double f[PLAN_OBJECTIVES]) {
    double worst = 0, sum = 0;
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
        double range = r->nadir[o] - r->ideal[o],
               d = range > 1e-12 * fmax(r->nadir[o], 1) ? r->weights[o] * (f[o] - r->ideal[o]) / range : 0;
        worst = fmax(worst, d);
        sum += d;
    }
    return worst + 0.05 * sum;
}
static struct brute try_all(const struct trial *t) {
    struct brute b = { .score = (double)INFINITY };
    uint32_t n = t->in.n_nodes, k = t->in.n_tasks;
    struct sched_choice c[8];
    uint64_t all = 1;
    for (uint32_t i = 0; i < k; i++) all *= n;
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) b.best[o] = (double)INFINITY;
    for (uint64_t x = 0; x < all; x++) {
        double f[PLAN_OBJECTIVES];
        uint64_t rest = x;
        for (uint32_t i = 0; i < k; i++, rest /= n) c[i] = (struct sched_choice){ SCHED_PLACED, (uint32_t)(rest % n) };
        if (plan_evaluate(&t->in, c, f) > 0) continue;
        b.placements++;
        for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) b.best[o] = fmin(b.best[o], f[o]);
        b.score = fmin(b.score, score_of(&t->r, f));
    }
    return b;
}

TEST(plan, bounds_hold_and_small_batches_come_to_the_optimum_that_trying_everything_finds) {
    struct vl_prng r;
    uint32_t ideals = 0, reached = 0, batches = 0, best_taken = 0, tight = 0;
    vl_prng_seed(&r, 31);
    for (uint32_t round = 0; round < 60; round++) {
        struct sched_node n[4];
        struct sched_task tasks[6];
        uint32_t nodes = 2 + (uint32_t)vl_prng_below(&r, 3), k = 2 + (uint32_t)vl_prng_below(&r, 5);
        for (uint32_t i = 0; i < nodes; i++) {
            n[i] = plain_node(i, 1 + (uint32_t)vl_prng_below(&r, 4));
            n[i].latency_us = 500 + (uint32_t)vl_prng_below(&r, 9000);
            n[i].trust_milli = (uint32_t)vl_prng_below(&r, 1000);
            n[i].cost = 10 + vl_prng_below(&r, 500);
            n[i].price = 10 + vl_prng_below(&r, 500);
            n[i].memory_free = 20 + vl_prng_below(&r, 60);
            n[i].features = 1 + (uint32_t)vl_prng_below(&r, 3);
        }
        for (uint32_t i = 0; i < k; i++) {
            tasks[i] = plain_task(i);
            tasks[i].features = 1 + (uint32_t)vl_prng_below(&r, 2);
            tasks[i].cpu_milli = (uint32_t)vl_prng_below(&r, 9) * 100000;
            tasks[i].memory_bytes = 5 + vl_prng_below(&r, 20);
        }
        struct trial t = trial_of(n, nodes, tasks, k, round);
        run(&t);
        check_result(&t);
        if (t.r.placed == k && t.r.front[0].placed == k) {
            struct brute b = try_all(&t);
            CHECK(b.placements > 0);
            batches++;
            tight += b.placements < 50;
            best_taken += t.r.score <= b.score * 1.02 + 1e-9;
            CHECK(t.r.score >= b.score - 1e-9);
            for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) {
                double slack = 1e-9 * fmax(1, fabs(b.best[o]));
                CHECK(t.r.ideal[o] >= b.best[o] - slack);
                if (o != PLAN_BALANCE) CHECK(t.r.bound[o] <= b.best[o] + slack);
                ideals++;
                reached += t.r.ideal[o] <= b.best[o] * 1.001 + slack;
            }
        }
        end(&t);
    }
    print_message("# %u of %u optima, best point taken in %u of %u batches, %u of them tight\n", reached, ideals,
                  best_taken, batches, tight);
    CHECK(batches > 20 && tight > 0);
    CHECK(reached * 100 >= ideals * 95);
    CHECK(best_taken * 100 >= batches * 90);
}

TEST(plan, bound_of_slots_is_exact_where_slots_alone_decide) {
    struct sched_node n[3] = { plain_node(0, 2), plain_node(1, 2), plain_node(2, 4) };
    struct sched_task tasks[6];
    for (uint32_t i = 0; i < 3; i++) n[i].latency_us = 1000 * (i + 1);
    for (uint32_t k = 0; k < 6; k++) tasks[k] = plain_task(k);
    struct trial t = trial_of(n, 3, tasks, 6, 1);
    run(&t);
    CHECK(fabs(t.r.bound[PLAN_LATENCY] - 2) < 1e-6); /* 2 x 1, 2 x 2, 2 x 3 ms */
    CHECK(fabs(t.r.ideal[PLAN_LATENCY] - 2) < 1e-9);
    CHECK(t.r.gap[PLAN_LATENCY] < 1e-6);
    end(&t);
}

TEST(plan, the_point_taken_is_the_placement_that_is_given) {
    enum { N = 12, T = 20 };
    struct sched_node n[N];
    struct sched_task tasks[T];
    double f[PLAN_OBJECTIVES];
    for (uint32_t i = 0; i < N; i++) {
        n[i] = plain_node(i, 3);
        n[i].latency_us = 700 * (i + 1);
        n[i].trust_milli = 90 * i;
        n[i].cost = 40 * (i % 5);
        n[i].load_milli = i * 50;
    }
    for (uint32_t k = 0; k < T; k++) {
        tasks[k] = plain_task(k);
        tasks[k].cpu_milli = k % 4 * 1000000;
    }
    struct trial t = trial_of(n, N, tasks, T, 2);
    run(&t);
    check_result(&t);
    CHECK(plan_evaluate(&t.in, t.r.choice, f) <= 0);
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++)
        CHECK(fabs(f[o] - t.r.front[t.r.taken].f[o]) <= 1e-9 * fmax(1, fabs(f[o])));
    end(&t);
}

TEST(plan, class_decides_which_point_is_taken) {
    enum { N = 10, T = 10 };
    struct sched_node n[N];
    struct sched_task tasks[T];
    double mean[2][PLAN_OBJECTIVES];
    for (uint32_t i = 0; i < N; i++) { /* the dearer the more trusted */
        n[i] = plain_node(i, 10);
        n[i].trust_milli = 100 * i;
        n[i].cost = 100 * (i + 1);
        n[i].price = 120 * (i + 1);
        n[i].attested = true;
    }
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t k = 0; k < T; k++) {
            tasks[k] = plain_task(k);
            tasks[k].class = s ? SLA_S : SLA_B;
        }
        struct trial t = trial_of(n, N, tasks, T, 2);
        run(&t);
        check_result(&t);
        CHECK(plan_evaluate(&t.in, t.r.choice, mean[s]) <= 0);
        end(&t);
    }
    CHECK(mean[0][PLAN_COST] < mean[1][PLAN_COST] * 0.7);
    CHECK(mean[1][PLAN_TRUST] < mean[0][PLAN_TRUST] * 0.7);
}

TEST(plan, leaves_a_price_that_follows_the_cost_out_of_the_search_but_not_of_the_record) {
    enum { N = 10, T = 20 };
    struct sched_node n[N];
    struct sched_task tasks[T];
    for (uint32_t i = 0; i < N; i++) {
        n[i] = plain_node(i, 4);
        n[i].cost = 10 + 37 * (i * 7 % N);
        n[i].price = n[i].cost * 2;
        n[i].latency_us = 1000 + 100 * (i * 3 % N);
    }
    for (uint32_t k = 0; k < T; k++) tasks[k] = plain_task(k);
    struct trial t = trial_of(n, N, tasks, T, 2);
    run(&t);
    CHECK(t.r.merged & 1u << PLAN_PRICE);
    CHECK(!(t.r.merged & 1u << PLAN_COST));
    CHECK(t.r.ideal[PLAN_PRICE] > 0);
    check_result(&t);
    end(&t);
}

/* ---- what people and nodes may send ---- */

TEST(plan, tasks_that_cannot_be_placed_are_told_why_and_cost_the_others_nothing) {
    enum { N = 6, T = 20 };
    struct sched_node n[N];
    struct sched_task tasks[T];
    for (uint32_t i = 0; i < N; i++) {
        n[i] = plain_node(i, 3);
        n[i].domain[DOMAIN_REGION] = i ? 2 : 1;
        n[i].price = TERMS_PRICE_MAX;
    }
    for (uint32_t k = 0; k < T; k++) tasks[k] = plain_task(k);
    tasks[3].region = 1;
    tasks[3].exclude[tasks[3].n_exclude++] = node_n(0);
    tasks[4].min_trust_milli = 1001;
    tasks[5].memory_bytes = UINT64_MAX;
    tasks[6].max_price = 1;
    tasks[7].features = NODE_FEATURE_NATIVE;
    struct trial t = trial_of(n, N, tasks, T, 3);
    run(&t);
    check_result(&t);
    CHECK_EQ(T - 5, t.r.placed);
    CHECK_EQ(SCHED_NO_REGION, t.r.choice[3].reason);
    CHECK_EQ(SCHED_NO_TRUST, t.r.choice[4].reason);
    CHECK_EQ(SCHED_TOO_LARGE, t.r.choice[5].reason);
    CHECK_EQ(SCHED_TOO_DEAR, t.r.choice[6].reason);
    CHECK_EQ(SCHED_NO_FEATURE, t.r.choice[7].reason);
    end(&t);
}

TEST(plan, a_batch_beyond_the_room_fills_it_in_its_order) {
    struct sched_node n[2] = { plain_node(0, 3), plain_node(1, 2) };
    struct sched_task tasks[9];
    for (uint32_t k = 0; k < 9; k++) tasks[k] = plain_task(k);
    struct trial t = trial_of(n, 2, tasks, 9, 1);
    run(&t);
    check_result(&t);
    for (uint32_t k = 0; k < 9; k++) CHECK_EQ(k < 5 ? SCHED_PLACED : SCHED_NO_SLOT, t.r.choice[k].reason);
    end(&t);
}

TEST(plan, makes_room_for_a_task_with_one_possible_node_by_moving_one_that_has_others) {
    struct sched_node n[4];
    struct sched_task tasks[4];
    for (uint32_t i = 0; i < 4; i++) n[i] = plain_node(i, 1);
    n[2].features |= NODE_FEATURE_NATIVE;
    n[2].latency_us = 10; /* whom everyone would like best */
    n[2].trust_milli = 999;
    for (uint32_t k = 0; k < 4; k++) tasks[k] = plain_task(k);
    tasks[3].features = NODE_FEATURE_NATIVE;
    struct trial t = trial_of(n, 4, tasks, 4, 1);
    run(&t);
    check_result(&t);
    CHECK_EQ(4, t.r.placed);
    CHECK_EQ(2, t.r.choice[3].node);
    end(&t);
}

TEST(plan, no_nodes_no_tasks_no_slots_and_blocked_nodes_are_no_errors) {
    struct sched_node n[2] = { plain_node(0, 0), plain_node(1, 4) };
    struct sched_task tasks[2] = { plain_task(0), plain_task(1) };
    const struct {
        uint32_t nodes, tasks;
        enum sched_reason reason;
    } cases[] = {
        { 0, 0, 0 }, { 0, 2, SCHED_NO_NODES }, { 2, 0, 0 }, { 1, 2, SCHED_NO_FEATURE }, { 2, 2, SCHED_NO_READY }
    };
    n[1].blocked = SCHED_BREAKER;
    for (uint32_t i = 0; i < 5; i++) {
        n[0].blocked = i == 4 ? SCHED_OFFLINE : 0;
        struct trial t = trial_of(n, cases[i].nodes, tasks, cases[i].tasks, 1);
        run(&t);
        CHECK_EQ(0, t.r.placed);
        CHECK_EQ(0, t.r.n_front);
        for (uint32_t k = 0; k < cases[i].tasks; k++) CHECK_EQ(cases[i].reason, t.r.choice[k].reason);
        end(&t);
    }
}

TEST(plan, one_node_takes_what_fits) {
    struct sched_node n = plain_node(0, 5);
    struct sched_task tasks[3] = { plain_task(0), plain_task(1), plain_task(2) };
    n.memory_free = 25;
    struct trial t = trial_of(&n, 1, tasks, 3, 1);
    run(&t);
    check_result(&t);
    CHECK_EQ(2, t.r.placed);
    CHECK_EQ(SCHED_NO_ROOM, t.r.choice[2].reason);
    end(&t);
}

TEST(plan, prices_of_nothing_and_of_everything_stay_finite) {
    enum { N = 6, T = 40 };
    struct sched_node n[N];
    static struct sched_task tasks[T];
    for (uint32_t i = 0; i < N; i++) {
        n[i] = plain_node(i, 10);
        n[i].cost = i % 2 ? TERMS_PRICE_MAX : 0;
        n[i].price = i % 3 ? UINT64_MAX : 0;
        n[i].rate_milli = i == 3 ? UINT32_MAX : 1;
        n[i].latency_us = i == 4 ? UINT32_MAX : 0;
        n[i].load_milli = UINT32_MAX;
        n[i].trust_milli = i == 5 ? UINT32_MAX : 0;
    }
    for (uint32_t k = 0; k < T; k++) {
        tasks[k] = plain_task(k);
        tasks[k].cpu_milli = k % 2 ? UINT32_MAX : 0;
        tasks[k].min_trust_milli = 0;
    }
    struct trial t = trial_of(n, N, tasks, T, 1);
    run(&t);
    check_result(&t);
    CHECK_EQ(T, t.r.placed);
    end(&t);
}

TEST(plan, equal_nodes_are_one_point_and_the_load_is_even) {
    enum { N = 8, T = 16 };
    struct sched_node n[N];
    struct sched_task tasks[T];
    uint32_t on[N] = { 0 };
    for (uint32_t i = 0; i < N; i++) n[i] = plain_node(i, 4);
    for (uint32_t k = 0; k < T; k++) tasks[k] = plain_task(k);
    struct trial t = trial_of(n, N, tasks, T, 1);
    run(&t);
    check_result(&t);
    CHECK_EQ(1, t.r.n_front);
    for (uint32_t k = 0; k < T; k++) on[t.r.choice[k].node]++;
    for (uint32_t i = 0; i < N; i++) CHECK_EQ(2, on[i]);
    end(&t);
}

TEST(plan, replicas_in_one_batch_are_kept_apart_and_wait_when_the_domains_run_out) {
    struct sched_node n[4];
    struct sched_task tasks[4];
    for (uint32_t i = 0; i < 4; i++) {
        n[i] = plain_node(i, 4);
        n[i].domain[DOMAIN_OWNER] = i < 2 ? 7 : 8;
    }
    for (uint32_t k = 0; k < 4; k++) tasks[k] = plain_task(k / 3);
    struct trial t = trial_of(n, 4, tasks, 4, 1);
    run(&t);
    check_result(&t);
    CHECK(t.r.choice[0].node / 2 != t.r.choice[1].node / 2);
    CHECK_EQ(SCHED_SPREAD, t.r.choice[2].reason);
    CHECK_EQ(SCHED_PLACED, t.r.choice[3].reason);
    end(&t);
}

TEST(plan, goes_back_to_a_node_where_the_task_failed_only_when_there_is_no_other) {
    struct sched_node n[2] = { plain_node(0, 1), plain_node(1, 1) };
    struct sched_task tasks[2] = { plain_task(0), plain_task(1) };
    n[1].latency_us = 900000;
    n[1].trust_milli = 0;
    for (uint32_t k = 0; k < 2; k++) tasks[k].avoid[tasks[k].n_avoid++] = (struct sched_avoid){ node_n(0), false };
    struct trial t = trial_of(n, 2, tasks, 2, 1);
    run(&t);
    check_result(&t);
    CHECK_EQ(1, t.r.choice[0].node);
    CHECK_EQ(0, t.r.choice[1].node);
    end(&t);
}

TEST(plan, gives_newcomers_their_share_of_class_b) {
    enum { N = 20, T = 400 };
    static struct sched_node n[N];
    static struct sched_task tasks[T];
    for (uint32_t i = 0; i < N; i++) {
        n[i] = plain_node(i, T);
        n[i].memory_free = n[i].memory_total = n[i].disk_free = n[i].disk_total = 1 << 20;
        n[i].trust_milli = i == 11 ? 25 : 950;
        n[i].doubt_milli = i == 11 ? 1000 : 10;
        n[i].cost = i == 11 ? 90000 : 100; /* nobody would choose it */
    }
    for (uint32_t k = 0; k < T; k++) {
        tasks[k] = plain_task(k);
        tasks[k].class = k % 2 ? SLA_A : SLA_B;
    }
    struct trial t = trial_of(n, N, tasks, T, 5);
    t.config.generations = 3;
    run(&t);
    check_result(&t);
    uint32_t explored = 0;
    for (uint32_t k = 0; k < T; k++)
        if (sched_explores(&tasks[k], 5)) {
            CHECK_EQ(11, t.r.choice[k].node);
            explored++;
        }
    CHECK(explored > 2 && explored < 30);
    end(&t);
}

TEST(plan, refuses_what_is_out_of_range) {
    struct sched_node n[2] = { plain_node(1, 1), plain_node(0, 1) };
    struct sched_task tasks[1] = { plain_task(0) };
    struct trial t = trial_of(n, 2, tasks, 1, 1);
    t.in.config = &t.config;
    t.r.placed = 77;
    CHECK_EQ(VL_ERANGE, plan_run(&t.in, &t.r)); /* not sorted */
    t.in.n_nodes = 1;
    t.config.population = 3;
    CHECK_EQ(VL_ERANGE, plan_run(&t.in, &t.r));
    t.config = plan_config_default();
    t.config.mutation = 1.5;
    CHECK_EQ(VL_ERANGE, plan_run(&t.in, &t.r));
    t.config = plan_config_default();
    t.config.crossover = (double)NAN;
    CHECK_EQ(VL_ERANGE, plan_run(&t.in, &t.r));
    t.config = plan_config_default();
    t.in.n_tasks = SCHED_BATCH_MAX + 1;
    CHECK_EQ(VL_ERANGE, plan_run(&t.in, &t.r));
    CHECK_EQ(77, t.r.placed);
}

TEST(plan, covers_twice_the_volume_of_nsga_ii_as_published) {
    enum { N = 100, T = 100 };
    static struct sched_node n[N];
    static struct sched_task tasks[T];
    struct vl_prng r;
    double volume[2], lo[PLAN_OBJECTIVES], hi[PLAN_OBJECTIVES];
    vl_prng_seed(&r, 77);
    for (uint32_t i = 0; i < N; i++) {
        n[i] = plain_node(i, 1 + (uint32_t)vl_prng_below(&r, 3));
        n[i].latency_us = 2000 + (uint32_t)vl_prng_below(&r, 40000);
        n[i].trust_milli = 400 + (uint32_t)vl_prng_below(&r, 600);
        n[i].cost = 5000 + vl_prng_below(&r, 50000);
        n[i].price = n[i].cost + vl_prng_below(&r, 40) * n[i].trust_milli;
    }
    for (uint32_t k = 0; k < T; k++) {
        tasks[k] = plain_task(k);
        tasks[k].cpu_milli = 1000 + (uint32_t)vl_prng_below(&r, 4000000);
        tasks[k].memory_bytes = 1 + vl_prng_below(&r, 400);
    }
    struct trial t[2] = { trial_of(n, N, tasks, T, 1), trial_of(n, N, tasks, T, 1) };
    t[1].config.plain = true;
    for (uint32_t s = 0; s < 2; s++) {
        run(&t[s]);
        check_result(&t[s]);
        CHECK_EQ(T, t[s].r.placed);
    }
    for (uint32_t o = 0; o < PLAN_OBJECTIVES; o++) { /* the box of both */
        lo[o] = fmin(t[0].r.ideal[o], t[1].r.ideal[o]);
        hi[o] = fmax(t[0].r.nadir[o], t[1].r.nadir[o]);
    }
    for (uint32_t s = 0; s < 2; s++) {
        double f[PLAN_FRONT_MAX * PLAN_OBJECTIVES];
        for (uint32_t i = 0; i < t[s].r.n_front; i++)
            memcpy(f + (size_t)i * PLAN_OBJECTIVES, t[s].r.front[i].f, sizeof t[s].r.front[i].f);
        volume[s] = pareto_hypervolume_share(f, t[s].r.n_front, PLAN_OBJECTIVES, lo, hi, 20000, 3);
        end(&t[s]);
    }
    print_message("# volume %.3f, as published %.3f\n", volume[0], volume[1]);
    CHECK(volume[0] >= 2 * volume[1] && volume[0] > 0.1);
}
