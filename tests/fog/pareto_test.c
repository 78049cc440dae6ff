#include "fog/pareto.h"
#include "base/prng.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INF ((double)INFINITY)

static void check_near(double want, double got, double tolerance) {
    if (!(fabs(want - got) <= tolerance)) fail_msg("want %.17g, got %.17g", want, got);
}

/* ---- sorting ---- */
#define SORT_MAX 200u

/* Deb's sort as the definition says it: peel off what nothing left beats. */
static uint32_t peel(const double *f, const double *v, uint32_t n, uint32_t m, uint32_t *rank) {
    uint32_t left = n, front = 0;
    bool gone[SORT_MAX] = { false };
    for (; left > 0; front++) {
        bool out[SORT_MAX] = { false };
        for (uint32_t i = 0; i < n; i++) {
            bool beaten = gone[i];
            for (uint32_t k = 0; k < n && !beaten; k++)
                beaten = !gone[k] && pareto_beats(f + k * m, v ? v[k] : 0, f + i * m, v ? v[i] : 0, m);
            out[i] = !beaten;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (!out[i]) continue;
            gone[i] = true;
            rank[i] = front;
            left--;
        }
    }
    return front;
}

/* Few values: many ties and equal points; kind 1: real numbers; kind 2: infinities among them. */
static double value_of(struct vl_prng *r, uint32_t kind) {
    if (kind == 1) return vl_prng_unit(r);
    uint64_t x = vl_prng_below(r, 5);
    if (kind == 2 && x == 0) return -INF;
    if (kind == 2 && x == 4) return INF;
    return (double)x * (x % 2 ? 1 : -1) * 0.5; /* 0 and -0 are equal */
}

TEST(pareto_sort, is_debs_sort_with_ties_equal_points_infinities_and_violations) {
    struct vl_prng r;
    vl_prng_seed(&r, 1);
    static double f[SORT_MAX * PARETO_OBJECTIVES_MAX], v[SORT_MAX];
    uint32_t want[SORT_MAX], got[SORT_MAX], order[SORT_MAX], scratch[SORT_MAX], fronts = 0;
    for (uint32_t round = 0; round < 600; round++) {
        uint32_t m = 1 + round % PARETO_OBJECTIVES_MAX, kind = round % 3;
        uint32_t n = (uint32_t)vl_prng_below(&r, round % 20 ? 60 : SORT_MAX + 1);
        for (uint32_t i = 0; i < n * m; i++) f[i] = value_of(&r, kind);
        for (uint32_t i = 0; i < n; i++) /* none, some or all feasible; with ties */
            v[i] = round % 4 == 0 || vl_prng_below(&r, round % 4) == 0 ? 0 : (double)vl_prng_below(&r, 4);
        const double *violation = round % 8 == 0 ? NULL : v;
        CHECK_OK(pareto_sort(f, violation, n, m, got, order, scratch, &fronts));
        CHECK_EQ(peel(f, violation, n, m, want), fronts);
        CHECK_MEM(want, got, n * sizeof *got);
    }
}

TEST(pareto_sort, lists_every_front_from_its_last_point_in_lexicographic_order) {
    const double f[] = { 3, 1, 0, 4, 1, 2, 2, 3, 0, 5, 1, 2 };
    uint32_t rank[6], order[6], scratch[6], fronts;
    CHECK_OK(pareto_sort(f, NULL, 6, 2, rank, order, scratch, &fronts));
    CHECK_EQ(2, fronts);
    CHECK_EQ(0, order[0]); /* (3,1), (1,2) twice, (0,4) */
    CHECK_EQ(5, scratch[0]);
    CHECK_EQ(2, scratch[5]);
    CHECK_EQ(1, scratch[2]);
    CHECK_EQ(PARETO_NONE, scratch[1]);
    CHECK_EQ(3, order[1]); /* (2,3), (0,5) */
    CHECK_EQ(4, scratch[3]);
    CHECK_EQ(PARETO_NONE, scratch[4]);
}

TEST(pareto_sort, puts_every_infeasible_point_behind_the_feasible_ones_by_what_it_violates) {
    const double f[] = { 0, 0, 5, 5, 1, 1, 0, 0 }, v[] = { 2, 0, 1, INF };
    uint32_t rank[4], order[4], scratch[4], fronts;
    CHECK_OK(pareto_sort(f, v, 4, 2, rank, order, scratch, &fronts));
    const uint32_t want[] = { 2, 0, 1, 3 };
    CHECK_MEM(want, rank, sizeof want);
    CHECK_EQ(4, fronts);
}

TEST(pareto_sort, refuses_what_is_out_of_bounds_and_takes_nothing_at_all) {
    double f[1] = { 0 };
    uint32_t rank[1], order[1], scratch[1], fronts = 7;
    CHECK_EQ(VL_ERANGE, pareto_sort(f, NULL, 1, 0, rank, order, scratch, &fronts));
    CHECK_EQ(VL_ERANGE, pareto_sort(f, NULL, 1, PARETO_OBJECTIVES_MAX + 1, rank, order, scratch, &fronts));
    CHECK_EQ(VL_ERANGE, pareto_sort(f, NULL, PARETO_POINTS_MAX + 1, 1, rank, order, scratch, &fronts));
    CHECK_EQ(7, fronts);
    CHECK_OK(pareto_sort(f, NULL, 0, 1, rank, order, scratch, &fronts));
    CHECK_EQ(0, fronts);
    CHECK_OK(pareto_sort(f, NULL, 1, 1, rank, order, scratch, &fronts));
    CHECK_EQ(1, fronts);
    CHECK_EQ(0, rank[0]);
}

TEST(pareto_beats, feasible_then_less_violation_then_pareto) {
    const double a[] = { 1, 1 }, b[] = { 1, 2 }, c[] = { 2, 0 };
    CHECK(pareto_dominates(a, b, 2) && !pareto_dominates(b, a, 2) && !pareto_dominates(a, a, 2));
    CHECK(!pareto_dominates(a, c, 2) && !pareto_dominates(c, a, 2));
    CHECK(pareto_beats(b, 0, a, 0.1, 2) && !pareto_beats(a, 0.1, b, 0, 2));
    CHECK(pareto_beats(b, 1, a, 2, 2) && !pareto_beats(a, 2, b, 1, 2));
    CHECK(pareto_beats(a, 2, b, 2, 2) && !pareto_beats(b, 2, a, 2, 2));
}

/* ---- crowding ---- */
TEST(pareto_crowding, is_the_relative_side_length_of_the_gap_and_infinite_at_the_ends) {
    const double f[] = { 0, 10, 9, 9, 1, 4, 3, 2, 4, 0 }; /* point 1 is in no front of ours */
    uint32_t index[] = { 4, 2, 0, 3 };
    double d[5] = { -1, -1, -1, -1, -1 };
    pareto_crowding(f, 2, index, 4, d);
    CHECK(isinf(d[0]) && isinf(d[4]));
    CHECK(d[1] == -1);
    check_near(3.0 / 4 + 8.0 / 10, d[2], 1e-12);
    check_near(3.0 / 4 + 4.0 / 10, d[3], 1e-12);
}

TEST(pareto_crowding, knows_no_ends_where_all_are_alike_and_no_nan_between_infinities) {
    const double same[] = { 1, 1, 1, 1, 1, 1 }, wide[] = { -INF, 0, 0, 1, 0, 2, INF, 3 };
    uint32_t index[] = { 0, 1, 2, 3 };
    double d[4];
    pareto_crowding(same, 2, index, 3, d);
    for (uint32_t i = 0; i < 3; i++) CHECK(d[i] == 0);
    pareto_crowding(same, 2, index, 2, d); /* two points are ends */
    CHECK(isinf(d[index[0]]) && isinf(d[index[1]]));
    for (uint32_t i = 0; i < 4; i++) index[i] = i;
    pareto_crowding(wide, 2, index, 4, d);
    CHECK(isinf(d[0]) && isinf(d[3]));
    check_near(2.0 / 3, d[1], 1e-12);
    check_near(2.0 / 3, d[2], 1e-12);
}

/* ---- directions and niches ---- */
TEST(pareto_directions, are_all_compositions_once) {
    static const struct {
        uint32_t m, p, n;
    } rows[] = { { 1, 7, 1 }, { 2, 99, 100 }, { 3, 12, 91 }, { 5, 3, 35 }, { 5, 4, 70 }, { 8, 2, 36 }, { 8, 1, 8 } };
    static double w[100 * PARETO_OBJECTIVES_MAX];
    for (uint32_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        uint32_t m = rows[k].m;
        CHECK_EQ(0, pareto_directions(m, rows[k].p, w, rows[k].n - 1));
        CHECK_EQ(rows[k].n, pareto_directions(m, rows[k].p, w, rows[k].n));
        for (uint32_t i = 0; i < rows[k].n; i++) {
            double sum = 0;
            for (uint32_t j = 0; j < m; j++) {
                double steps = w[i * m + j] * rows[k].p;
                check_near(round(steps), steps, 1e-9);
                CHECK(steps >= 0);
                sum += w[i * m + j];
            }
            check_near(1, sum, 1e-12);
            for (uint32_t other = 0; other < i; other++) CHECK(memcmp(w + other * m, w + i * m, m * sizeof *w) != 0);
        }
    }
    CHECK_EQ(0, pareto_directions(0, 3, w, 100));
    CHECK_EQ(0, pareto_directions(3, 0, w, 100));
    CHECK_EQ(0, pareto_directions(PARETO_OBJECTIVES_MAX + 1, 1, w, 100));
    CHECK_EQ(0, pareto_directions(8, 60000, w, 100)); /* far too many; no overflow on the way */
}

TEST(pareto_niche, is_the_line_with_the_smallest_perpendicular_distance) {
    struct vl_prng r;
    vl_prng_seed(&r, 2);
    double w[35 * 5];
    uint32_t n = pareto_directions(5, 3, w, 35);
    for (uint32_t round = 0; round < 500; round++) {
        double f[5], got, best = INF;
        for (uint32_t j = 0; j < 5; j++) f[j] = vl_prng_unit(&r);
        uint32_t at = pareto_niche(f, 5, w, n, &got);
        for (uint32_t i = 0; i < n; i++) { /* the closest of many points along the line */
            double dot = 0, square = 0, d = 0;
            for (uint32_t j = 0; j < 5; j++) dot += f[j] * w[i * 5 + j], square += w[i * 5 + j] * w[i * 5 + j];
            for (uint32_t j = 0; j < 5; j++) d += pow(f[j] - dot / square * w[i * 5 + j], 2);
            if (i == at) check_near(sqrt(d), got, 1e-9);
            best = d < best ? d : best;
        }
        check_near(sqrt(best), got, 1e-9);
    }
    const double zero[5] = { 0 }, far[5] = { 1, INF, 0, 0, 0 };
    double d;
    CHECK_EQ(0, pareto_niche(zero, 5, w, n, &d));
    CHECK(d == 0);
    CHECK(pareto_niche(far, 5, w, n, &d) < n);
    CHECK(isinf(d));
}

/* ---- hypervolume ---- */
#define SIDE 4u

/* Points on a grid: the volume is a number of cells that can be counted. */
static uint32_t count_cells(const double *f, uint32_t n, uint32_t m) {
    uint32_t cells = 1, hit = 0;
    for (uint32_t j = 0; j < m; j++) cells *= SIDE;
    for (uint32_t c = 0; c < cells; c++) {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t rest = c, j = 0;
            for (; j < m && f[i * m + j] <= rest % SIDE; j++) rest /= SIDE;
            if (j < m) continue;
            hit++;
            break;
        }
    }
    return hit;
}

TEST(pareto_hypervolume, counts_the_cells_of_a_grid_for_one_to_six_objectives) {
    struct vl_prng r;
    vl_prng_seed(&r, 3);
    const double reference[6] = { SIDE, SIDE, SIDE, SIDE, SIDE, SIDE };
    double f[30 * 6], got;
    for (uint32_t round = 0; round < 240; round++) {
        uint32_t m = 1 + round % 6, n = (uint32_t)vl_prng_below(&r, 31);
        /* SIDE itself and above: not better than the reference, counts nothing */
        for (uint32_t i = 0; i < n * m; i++) f[i] = (double)vl_prng_below(&r, SIDE + 1 + round % 2);
        CHECK_OK(pareto_hypervolume(f, n, m, reference, &got));
        check_near(count_cells(f, n, m), got, 1e-9);
    }
}

TEST(pareto_hypervolume, of_a_fine_front_is_the_integral_and_agrees_with_the_monte_carlo) {
    enum { N = 1000 };
    static double f[N * 5];
    const double one[5] = { 1.1, 1.1, 1.1, 1.1, 1.1 }, zero[5] = { 0 };
    double got;
    for (uint32_t i = 0; i < N; i++) {
        f[2 * i] = i / (N - 1.0);
        f[2 * i + 1] = 1 - sqrt(f[2 * i]);
    }
    CHECK_OK(pareto_hypervolume(f, N, 2, one, &got));
    check_near(0.8767, got, 0.001); /* 1.21 - 1/3: the stairs stay just below it */
    CHECK(got < 1.21 - 1.0 / 3);
    check_near(got / 1.21, pareto_hypervolume_share(f, N, 2, zero, one, 100000, 1), 0.005);
    struct vl_prng r;
    vl_prng_seed(&r, 4);
    for (uint32_t i = 0; i < 60; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < 5; j++) f[i * 5 + j] = vl_prng_unit(&r) + 0.01, sum += f[i * 5 + j] * f[i * 5 + j];
        for (uint32_t j = 0; j < 5; j++) f[i * 5 + j] /= sqrt(sum);
    }
    CHECK_OK(pareto_hypervolume(f, 60, 5, one, &got));
    double box = pow(1.1, 5), share = pareto_hypervolume_share(f, 60, 5, zero, one, 100000, 2);
    check_near(got / box, share, 0.006); /* four standard deviations */
    CHECK(share == pareto_hypervolume_share(f, 60, 5, zero, one, 100000, 2));
    CHECK(share != pareto_hypervolume_share(f, 60, 5, zero, one, 100000, 3));
    CHECK(pareto_hypervolume_share(f, 60, 5, zero, one, 0, 2) == 0);
    CHECK(pareto_hypervolume_share(f, 0, 5, zero, one, 10, 2) == 0);
}

TEST(pareto_hypervolume, refuses_what_has_no_volume_and_is_zero_without_points) {
    const double f[] = { 0, -INF, INF, 0 }, reference[] = { 1, 1 }, endless[] = { INF, 1 };
    double got = 7;
    CHECK_EQ(VL_ERANGE, pareto_hypervolume(f, 1, 2, reference, &got));
    CHECK_EQ(VL_ERANGE, pareto_hypervolume(f, 1, 2, endless, &got));
    CHECK_EQ(VL_ERANGE, pareto_hypervolume(f, 1, 0, reference, &got));
    CHECK_EQ(VL_ERANGE, pareto_hypervolume(f, 1, PARETO_OBJECTIVES_MAX + 1, reference, &got));
    CHECK(got == 7);
    CHECK_OK(pareto_hypervolume(f + 2, 1, 2, reference, &got)); /* infinitely bad counts nothing */
    CHECK(got == 0);
    CHECK_OK(pareto_hypervolume(f, 0, 2, reference, &got));
    CHECK(got == 0);
}

/* ---- rank correlation ---- */
TEST(pareto_rank_correlation, is_spearmans_with_ties_averaged) {
    /* ranks 1 2.5 2.5 4 against 2 1 3.5 3.5 */
    const double f[] = { 1, 5, 7, 2, 1, 7, 2, 9, 7, 3, 9, 7 };
    double scratch[4 * 4];
    check_near((-1.5 * -0.5 + 0 * -1.5 + 0 * 1 + 1.5 * 1) / sqrt(4.5 * 4.5),
               pareto_rank_correlation(f, 4, 3, 0, 1, scratch), 1e-12);
    CHECK(pareto_rank_correlation(f, 4, 3, 0, 2, scratch) == 0); /* constant */
    double curve[20], inverse[20], big[4 * 10];
    for (uint32_t i = 0; i < 10; i++) {
        curve[2 * i] = inverse[2 * i] = i;
        curve[2 * i + 1] = exp(i);
        inverse[2 * i + 1] = -(double)(i * i);
    }
    check_near(1, pareto_rank_correlation(curve, 10, 2, 0, 1, big), 1e-12);
    check_near(-1, pareto_rank_correlation(inverse, 10, 2, 0, 1, big), 1e-12);
    CHECK(pareto_rank_correlation(curve, 0, 2, 0, 1, big) == 0);
    CHECK(pareto_rank_correlation(curve, 1, 2, 0, 1, big) == 0);
}

/* ---- archive ---- */
#define STREAM 400u

static bool holds(const struct pareto_archive *a, uint32_t item) {
    for (uint32_t i = 0; i < a->n; i++)
        if (a->item[i] == item) return true;
    return false;
}

/* What has been told: in when add said true, out when its item was dropped. */
static void follow(struct pareto_archive *a, const double *f, uint32_t item, bool *in) {
    uint32_t dropped[STREAM], n = 99;
    bool entered = pareto_archive_add(a, f, item, dropped, &n);
    CHECK(n <= a->cap && (entered || n == 0));
    in[item] = entered;
    for (uint32_t k = 0; k < n; k++) {
        CHECK(in[dropped[k]] && dropped[k] != item);
        in[dropped[k]] = false;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i <= item; i++) {
        CHECK_EQ(in[i], holds(a, i));
        count += in[i];
    }
    CHECK_EQ(count, a->n);
}

TEST(pareto_archive, holds_exactly_the_non_dominated_points_while_there_is_room) {
    struct vl_prng r;
    vl_prng_seed(&r, 5);
    for (uint32_t round = 0; round < 10; round++) {
        static double f[STREAM * 3];
        bool in[STREAM] = { false };
        uint32_t m = 1 + round % 3;
        struct pareto_archive a;
        CHECK_OK(pareto_archive_init(&a, m, STREAM));
        for (uint32_t i = 0; i < STREAM; i++) {
            for (uint32_t j = 0; j < m; j++) f[i * m + j] = value_of(&r, round % 3);
            follow(&a, f + i * m, i, in);
        }
        for (uint32_t i = 0; i < STREAM; i++) {
            bool best = true;
            for (uint32_t k = 0; k < STREAM && best; k++)
                best = !pareto_dominates(f + k * m, f + i * m, m) &&
                       !(k < i && memcmp(f + k * m, f + i * m, m * sizeof *f) == 0);
            if (round % 3 == 1) CHECK_EQ(best, in[i]); /* with 0 and -0 memcmp does not see what is equal */
            for (uint32_t k = 0; !best && k < a.n && !in[i]; k++) CHECK(a.item[k] != i);
        }
        for (uint32_t i = 0; i < a.n; i++)
            for (uint32_t k = 0; k < a.n; k++) CHECK(!pareto_dominates(a.f + i * m, a.f + k * m, m));
        pareto_archive_free(&a);
    }
}

/* Distance of the nearest two, and whether the best of every objective seen is there. */
static double closest_pair(const struct pareto_archive *a) {
    double best = INF;
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t k = 0; k < i; k++) {
            double d = 0;
            for (uint32_t j = 0; j < a->m; j++) d += pow(a->f[i * a->m + j] - a->f[k * a->m + j], 2);
            best = d < best ? d : best;
        }
    return sqrt(best);
}

TEST(pareto_archive, when_full_gives_up_the_most_crowded_and_keeps_the_best_of_every_objective) {
    struct vl_prng r;
    vl_prng_seed(&r, 6);
    for (uint32_t m = 2; m <= 5; m++) {
        struct pareto_archive a;
        CHECK_OK(pareto_archive_init(&a, m, 20));
        double best[5] = { INF, INF, INF, INF, INF }, first = 0;
        bool in[STREAM] = { false };
        for (uint32_t i = 0; i < STREAM; i++) { /* on a sphere: none dominates another */
            double f[5], sum = 0;
            for (uint32_t j = 0; j < m; j++) f[j] = vl_prng_unit(&r) + 1e-6, sum += f[j] * f[j];
            for (uint32_t j = 0; j < m; j++) {
                f[j] /= sqrt(sum);
                best[j] = f[j] < best[j] ? f[j] : best[j];
            }
            follow(&a, f, i, in);
            for (uint32_t j = 0; j < m; j++) {
                double least = INF;
                for (uint32_t k = 0; k < a.n; k++) least = fmin(least, a.f[k * m + j]);
                CHECK(least == best[j]);
            }
            if (i == 20) first = closest_pair(&a);
        }
        CHECK_EQ(20, a.n);
        CHECK(closest_pair(&a) > 2 * first); /* spread out, not merely bounded */
        pareto_archive_free(&a);
    }
}

TEST(pareto_archive, of_two_near_points_gives_up_the_one_with_the_nearer_third) {
    struct pareto_archive a;
    CHECK_OK(pareto_archive_init(&a, 2, 4));
    const double f[][2] = { { 0, 10 }, { 10, 0 }, { 4, 6 }, { 5, 5 }, { 8, 2 } };
    uint32_t dropped[4], n;
    for (uint32_t i = 0; i < 4; i++) CHECK(pareto_archive_add(&a, f[i], i, dropped, &n));
    CHECK(pareto_archive_add(&a, f[4], 4, dropped, &n)); /* (4,6) and (5,5) are the pair, (5,5) is nearer to (8,2) */
    CHECK_EQ(1, n);
    CHECK_EQ(3, dropped[0]);
    const double between[] = { 9, 1 }; /* as near to (8,2) as to the end, and the newer one */
    CHECK(!pareto_archive_add(&a, between, 5, dropped, &n));
    CHECK_EQ(0, n);
    CHECK_EQ(4, a.n);
    pareto_archive_free(&a);
    CHECK_OK(pareto_archive_init(&a, 2, 4));
    const double g[][2] = { { 0, 10 }, { 10, 0 }, { 5, 5 }, { 6, 4 }, { 3, 7 } };
    for (uint32_t i = 0; i < 5; i++) CHECK(pareto_archive_add(&a, g[i], i, dropped, &n));
    CHECK_EQ(1, n);
    CHECK_EQ(2, dropped[0]); /* the older of the pair */
    pareto_archive_free(&a);
}

TEST(pareto_archive, measures_by_the_box_of_what_it_holds_now) {
    struct pareto_archive a;
    CHECK_OK(pareto_archive_init(&a, 2, 5));
    const double f[][2] = { { 0, 10 }, { 1000, 0 }, { 2.5, 5.1 }, { 5, 5 }, { 8, 2 }, { 10, 0 }, { 8.2, 1 } };
    uint32_t dropped[5], n;
    for (uint32_t i = 0; i < 5; i++) CHECK(pareto_archive_add(&a, f[i], i, dropped, &n));
    CHECK(pareto_archive_add(&a, f[5], 5, dropped, &n)); /* dominates (1000,0), beside which 2.5 and 5 were the same */
    CHECK(n == 1 && dropped[0] == 1);
    CHECK(!pareto_archive_add(&a, f[6], 6, dropped, &n));
    CHECK_EQ(0, n);
    pareto_archive_free(&a);
}

TEST(pareto_archive, refuses_equal_dominated_and_nan_points_and_a_cap_below_its_objectives) {
    struct pareto_archive a;
    uint32_t dropped[8], n;
    CHECK_EQ(VL_ERANGE, pareto_archive_init(&a, 3, 2));
    CHECK_EQ(VL_ERANGE, pareto_archive_init(&a, 0, 2));
    CHECK_EQ(VL_ERANGE, pareto_archive_init(&a, PARETO_OBJECTIVES_MAX + 1, 100));
    CHECK_EQ(VL_ERANGE, pareto_archive_init(&a, 2, PARETO_POINTS_MAX + 1));
    CHECK_OK(pareto_archive_init(&a, 2, 8));
    const double x[] = { 1, 1 }, same[] = { 1, 1 }, worse[] = { 1, 2 }, none[] = { (double)NAN, 0 },
                 better[] = { 0, 1 };
    CHECK(pareto_archive_add(&a, x, 1, dropped, &n));
    CHECK(!pareto_archive_add(&a, same, 2, dropped, &n));
    CHECK(!pareto_archive_add(&a, worse, 3, dropped, &n));
    CHECK(!pareto_archive_add(&a, none, 4, dropped, &n));
    CHECK(pareto_archive_add(&a, better, 5, dropped, &n));
    CHECK_EQ(1, n);
    CHECK_EQ(1, dropped[0]);
    CHECK_EQ(1, a.n);
    pareto_archive_free(&a);
}
