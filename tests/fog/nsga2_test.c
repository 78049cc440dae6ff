#include "fog/pareto.h"
#include "problems.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLOW 1u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW 1u
#endif
#endif
#ifndef SLOW
#define SLOW 0u
#endif
#define SEEDS_MAX 31u

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- quality: medians over the seeds 1, 2, ... of problem_config() ---- */

/* With sanitizers only every second seed or so; floors are wide enough for both, and for processors on which libm
 * rounds otherwise, where the same seed is another run. */
static void expect_quality(const char *name, uint32_t seeds, double least_volume, double most_igd) {
    static double front[PROBLEM_FRONT_MAX * 3];
    const struct problem *p = problem_find(name);
    const double reference[3] = { p->reference, p->reference, p->reference };
    double lo[PROBLEM_VARIABLES_MAX], hi[PROBLEM_VARIABLES_MAX], volume[SEEDS_MAX], igd[SEEDS_MAX];
    uint32_t n_front = problem_front(p, front);
    struct nsga2_problem problem = problem_for_nsga2(p, lo, hi);
    if (SLOW) seeds = (seeds + 1) / 2 - 1;
    for (uint32_t s = 0; s < seeds; s++) {
        struct nsga2_config c = problem_config(s + 1);
        struct nsga2_result r;
        CHECK_OK(nsga2_run(&c, &problem, &r));
        CHECK_EQ(25100, r.evaluations);
        CHECK_OK(pareto_hypervolume(r.f, r.n, r.objectives, reference, &volume[s]));
        CHECK(volume[s] < p->ideal);
        igd[s] = problem_igd(front, n_front, r.f, r.n, r.objectives);
        nsga2_result_free(&r);
    }
    qsort(volume, seeds, sizeof *volume, by_value);
    qsort(igd, seeds, sizeof *igd, by_value);
    print_message("# %s: hypervolume %.4f, IGD %.4f\n", name, volume[seeds / 2], igd[seeds / 2]);
    CHECK(volume[seeds / 2] >= least_volume);
    CHECK(igd[seeds / 2] <= most_igd);
}

TEST(nsga2, passes_the_published_hypervolume_and_distance_on_zdt1) { expect_quality("zdt1", 11, 0.8703, 0.0043); }
TEST(nsga2, reaches_the_published_hypervolume_and_distance_on_zdt2) { expect_quality("zdt2", 11, 0.5363, 0.0050); }
TEST(nsga2, reaches_the_published_hypervolume_and_distance_on_zdt3) { expect_quality("zdt3", 11, 1.3275, 0.0055); }
TEST(nsga2, comes_near_the_published_figures_on_zdt4_with_its_many_local_fronts) {
    expect_quality("zdt4", 11, 0.8567, 0.0110);
}
TEST(nsga2, comes_near_the_published_figures_on_zdt6_with_its_uneven_front) {
    expect_quality("zdt6", 11, 0.4933, 0.0085);
}
TEST(nsga2, comes_near_the_published_figures_on_dtlz1_where_a_run_in_six_gets_stuck) {
    expect_quality("dtlz1", 31, 0.1, 0.08);
}
TEST(nsga2, comes_near_the_published_figures_on_dtlz2) { expect_quality("dtlz2", 11, 0.694, 0.0730); }

/* Every seventh point. */
static uint32_t thin(double *f, uint32_t n) {
    for (uint32_t i = 0; i < n / 7; i++) memmove(f + 3 * (size_t)i, f + 21 * (size_t)i, 3 * sizeof *f);
    return n / 7;
}

/* The fronts that the figures are taken against are fronts, and have the volume that is told. */
TEST(problems, have_fronts_that_no_point_dominates_with_the_ideal_hypervolume) {
    static double front[PROBLEM_FRONT_MAX * 3];
    static uint32_t rank[PROBLEM_FRONT_MAX], order[PROBLEM_FRONT_MAX], scratch[PROBLEM_FRONT_MAX];
    for (uint32_t k = 0; k < n_problems; k++) {
        const struct problem *p = &problems[k];
        const double reference[3] = { p->reference, p->reference, p->reference };
        uint32_t n = problem_front(p, front), fronts;
        CHECK(n >= 900 && n <= PROBLEM_FRONT_MAX);
        CHECK_OK(pareto_sort(front, NULL, n, p->objectives, rank, order, scratch, &fronts));
        CHECK_EQ(1, fronts);
        CHECK(problem_igd(front, n, front, n, p->objectives) == 0);
        double volume, below = p->objectives == 2 ? 0.001 : 0.07; /* stairs stay below a surface */
        if (p->objectives == 3) n = thin(front, n);
        CHECK_OK(pareto_hypervolume(front, n, p->objectives, reference, &volume));
        CHECK(volume < p->ideal + 0.0001 && volume > p->ideal * (1 - below));
    }
}

/* ---- behaviour ---- */
#define VARIABLES 5u

struct watch {
    uint32_t calls, outside, objectives;
    const double *lo, *hi;
    uint32_t nan_every; /* 0: never */
    double violation;   /* what every point violates at least */
};

/* f_j: distance from 0.1 j in every variable. */
static double watched(const void *arg, const double *x, double *f) {
    struct watch *w = (struct watch *)(uintptr_t)arg;
    w->calls++;
    double sum = 0;
    for (uint32_t i = 0; i < VARIABLES; i++) {
        w->outside += !(x[i] >= w->lo[i] && x[i] <= w->hi[i]);
        sum += x[i] - w->lo[i];
    }
    for (uint32_t j = 0; j < w->objectives; j++) {
        f[j] = 0;
        for (uint32_t i = 0; i < VARIABLES; i++) f[j] += (x[i] - 0.1 * j) * (x[i] - 0.1 * j);
    }
    if (w->nan_every > 0 && w->calls % w->nan_every == 0) {
        if (w->calls % 2) return (double)NAN;
        f[w->objectives - 1] = (double)NAN;
    }
    return w->violation > 0 ? w->violation + sum : 0;
}

static const double low[VARIABLES] = { -1, -1, -1, -1, 0.25 },
                    high[VARIABLES] = { 1, 1, 2, 1, 0.25 }; /* the last is fixed */

static enum vl_err run(struct watch *w, uint32_t objectives, struct nsga2_config c, struct nsga2_result *ret) {
    w->objectives = objectives;
    w->lo = low;
    w->hi = high;
    struct nsga2_problem p = {
        .variables = VARIABLES, .objectives = objectives, .lo = low, .hi = high, .evaluate = watched, .arg = w
    };
    return nsga2_run(&c, &p, ret);
}

static struct nsga2_config small_run(void) {
    struct nsga2_config c = nsga2_config_default();
    c.generations = 20;
    return c;
}

static void check_result(const struct nsga2_result *r) {
    uint32_t first = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        first += r->rank[i] == 0;
        for (uint32_t j = 0; j < r->objectives; j++) CHECK(!isnan(r->f[i * r->objectives + j]));
        CHECK(r->violation[i] >= 0);
        for (uint32_t k = 0; k < r->n; k++)
            if (pareto_beats(r->f + k * r->objectives, r->violation[k], r->f + i * r->objectives, r->violation[i],
                             r->objectives))
                CHECK(r->rank[k] < r->rank[i]);
    }
    CHECK(first > 0);
}

TEST(nsga2, keeps_to_the_bounds_and_counts_what_it_evaluates) {
    static const double etas[] = { 0, 1, 15, 20, 33.3, 1000 }; /* with squares and roots, and with powers */
    for (uint32_t e = 0; e < sizeof etas / sizeof *etas; e++) {
        for (uint32_t m = 1; m <= PARETO_OBJECTIVES_MAX; m++) {
            struct watch w = { 0 };
            struct nsga2_config c = small_run();
            struct nsga2_result r;
            c.eta_crossover = c.eta_mutation = etas[e];
            c.crossover = 1;
            c.mutation = e % 2 ? 1 : 0.3;
            CHECK_OK(run(&w, m, c, &r));
            CHECK_EQ(0, w.outside);
            CHECK_EQ(50 * 21, w.calls);
            CHECK_EQ(50 * 21, r.evaluations);
            CHECK(r.n == 50 && r.variables == VARIABLES && r.objectives == m);
            check_result(&r);
            for (uint32_t i = 0; i < r.n; i++) CHECK(r.x[i * VARIABLES + 4] == 0.25);
            nsga2_result_free(&r);
        }
    }
}

TEST(nsga2, is_the_same_run_for_the_same_seed_and_another_for_another) {
    struct nsga2_result a, b, other;
    struct watch w = { 0 };
    struct nsga2_config c = small_run();
    CHECK_OK(run(&w, 2, c, &a));
    CHECK_OK(run(&w, 2, c, &b));
    c.seed++;
    CHECK_OK(run(&w, 2, c, &other));
    CHECK_MEM(a.x, b.x, a.n * VARIABLES * sizeof *a.x);
    CHECK_MEM(a.f, b.f, a.n * 2 * sizeof *a.f);
    CHECK_MEM(a.rank, b.rank, a.n * sizeof *a.rank);
    CHECK(memcmp(a.x, other.x, a.n * VARIABLES * sizeof *a.x) != 0);
    nsga2_result_free(&a);
    nsga2_result_free(&b);
    nsga2_result_free(&other);
}

/* f[0] and f[1] of ZDT1 in two variables, and with `arg` one more that is always the same. */
static double with_constant(const void *arg, const double *x, double *f) {
    f[0] = x[0];
    f[1] = 1 + x[1] - sqrt(x[0]);
    if (arg != NULL) f[2] = 7;
    return 0;
}

TEST(nsga2, runs_the_same_beside_an_objective_in_which_all_are_alike) {
    const double lo[2] = { 0, 0 }, hi[2] = { 1, 1 };
    struct nsga2_problem p = { .variables = 2, .objectives = 2, .lo = lo, .hi = hi, .evaluate = with_constant };
    struct nsga2_config c = small_run();
    struct nsga2_result two, three;
    CHECK_OK(nsga2_run(&c, &p, &two));
    p.objectives = 3;
    p.arg = &p;
    CHECK_OK(nsga2_run(&c, &p, &three));
    CHECK_MEM(two.x, three.x, two.n * 2 * sizeof *two.x);
    nsga2_result_free(&two);
    nsga2_result_free(&three);
}

TEST(nsga2, gives_the_first_population_when_there_are_no_generations) {
    struct watch w = { 0 };
    struct nsga2_config c = small_run();
    struct nsga2_result r;
    c.generations = 0;
    c.population = 4;
    c.tournament = 4;
    CHECK_OK(run(&w, 3, c, &r));
    CHECK_EQ(4, w.calls);
    check_result(&r);
    nsga2_result_free(&r);
    c.generations = 30;
    CHECK_OK(run(&w, 3, c, &r)); /* the smallest one lives on */
    check_result(&r);
    nsga2_result_free(&r);
}

TEST(nsga2, takes_nan_for_infinitely_infeasible_and_never_returns_it) {
    for (uint32_t every = 1; every <= 3; every++) {
        struct watch w = { .nan_every = every };
        struct nsga2_result r;
        CHECK_OK(run(&w, 2, small_run(), &r));
        check_result(&r);
        for (uint32_t i = 0; i < r.n; i++) CHECK_EQ(every == 1, isinf(r.violation[i]) != 0);
        nsga2_result_free(&r);
    }
}

TEST(nsga2, goes_down_the_violation_where_nothing_is_feasible) {
    struct watch w = { .violation = 3 };
    struct nsga2_config c = small_run();
    struct nsga2_result first, last;
    c.generations = 0;
    CHECK_OK(run(&w, 2, c, &first));
    c.generations = 60;
    CHECK_OK(run(&w, 2, c, &last));
    check_result(&last);
    double before = 0, after = 0;
    for (uint32_t i = 0; i < first.n; i++) {
        before += first.violation[i] / first.n;
        after += last.violation[i] / last.n;
        CHECK(last.violation[i] >= 3);
    }
    CHECK(before > 6 && after < 3.2);
    nsga2_result_free(&first);
    nsga2_result_free(&last);
}

/* x0 and x1 both small, but together at least 1. */
static double at_least_one(const void *arg, const double *x, double *f) {
    (void)arg;
    f[0] = x[0];
    f[1] = x[1];
    return 1 - x[0] - x[1];
}

TEST(nsga2, finds_the_front_along_the_edge_of_a_constraint) {
    const double lo[2] = { 0, 0 }, hi[2] = { 5, 5 }, reference[2] = { 1.1, 1.1 };
    struct nsga2_problem p = { .variables = 2, .objectives = 2, .lo = lo, .hi = hi, .evaluate = at_least_one };
    struct nsga2_config c = problem_config(1);
    struct nsga2_result r;
    double volume;
    CHECK_OK(nsga2_run(&c, &p, &r));
    for (uint32_t i = 0; i < r.n; i++)
        CHECK(r.violation[i] == 0 && r.rank[i] == 0 && r.f[2 * i] + r.f[2 * i + 1] < 1.02);
    CHECK_OK(pareto_hypervolume(r.f, r.n, 2, reference, &volume));
    CHECK(volume > 0.69 && volume < 0.71); /* of the whole edge: 1.21 - 1/2 */
    nsga2_result_free(&r);
}

static double all_alike(const void *arg, const double *x, double *f) {
    (void)x;
    f[0] = f[1] = *(const double *)arg;
    return 0;
}

TEST(nsga2, lives_with_points_that_are_all_alike_or_infinitely_bad) {
    const double values[] = { 1, (double)INFINITY, -(double)INFINITY };
    for (uint32_t k = 0; k < 3; k++) {
        for (uint32_t fixed = 0; fixed < 2; fixed++) { /* and where there is one point only */
            const double lo[2] = { 1, 1 }, hi[2] = { fixed ? 1 : 2, fixed ? 1 : 2 };
            struct nsga2_problem p = {
                .variables = 2, .objectives = 2, .lo = lo, .hi = hi, .evaluate = all_alike, .arg = &values[k]
            };
            struct nsga2_config c = small_run();
            struct nsga2_result r;
            CHECK_OK(nsga2_run(&c, &p, &r));
            check_result(&r);
            for (uint32_t i = 0; i < r.n; i++) CHECK(r.rank[i] == 0 && r.x[2 * i] >= 1 && r.x[2 * i] <= hi[0]);
            nsga2_result_free(&r);
        }
    }
}

TEST(nsga2, refuses_every_configuration_out_of_range) {
    struct watch w = { 0 };
    struct nsga2_result r = { .n = 7 };
    struct nsga2_config bad[16], good = small_run();
    for (uint32_t i = 0; i < 16; i++) bad[i] = good;
    bad[0].population = 0;
    bad[1].population = 51;
    bad[2].population = 2;
    bad[3].population = 10002;
    bad[4].tournament = 1;
    bad[5].tournament = 51;
    bad[6].crossover = -0.1;
    bad[7].crossover = 1.1;
    bad[8].crossover = (double)NAN;
    bad[9].mutation = -0.1;
    bad[10].mutation = (double)NAN;
    bad[11].eta_crossover = -1;
    bad[12].eta_crossover = (double)INFINITY;
    bad[13].eta_mutation = (double)NAN;
    bad[14].eta_mutation = 1001;
    bad[15].mutation = 2;
    for (uint32_t i = 0; i < 16; i++) CHECK_EQ(VL_ERANGE, run(&w, 2, bad[i], &r));
    CHECK_EQ(VL_ERANGE, run(&w, 0, good, &r));
    CHECK_EQ(VL_ERANGE, run(&w, PARETO_OBJECTIVES_MAX + 1, good, &r));
    CHECK_EQ(0, w.calls);
    CHECK_EQ(7, r.n); /* untouched */
}

TEST(nsga2, refuses_bounds_that_are_upside_down_or_not_finite) {
    static const double wrong[][2] = {
        { 1, 0 },           { 0, (double)INFINITY }, { -(double)INFINITY, 0 },
        { (double)NAN, 1 }, { 0, (double)NAN },      { -1.7e308, 1.7e308 }
    }; /* the width is not */
    struct nsga2_config c = small_run();
    struct nsga2_result r;
    double value = 0;
    for (uint32_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        const double lo[2] = { 0, wrong[k][0] }, hi[2] = { 1, wrong[k][1] };
        struct nsga2_problem p = {
            .variables = 2, .objectives = 2, .lo = lo, .hi = hi, .evaluate = all_alike, .arg = &value
        };
        CHECK_EQ(VL_ERANGE, nsga2_run(&c, &p, &r));
        p.variables = 1; /* the first is fine */
        CHECK_OK(nsga2_run(&c, &p, &r));
        nsga2_result_free(&r);
        p.variables = 0;
        CHECK_EQ(VL_ERANGE, nsga2_run(&c, &p, &r));
    }
}
