/* fog_pareto_bench.c - NSGA-II on problems with known fronts, 100 x 250, against that of pagmo with the same operators
 * (crossover 0.9 with eta 15, mutation 1/variables with eta 20): hypervolume and CPU time of the process, rounds in
 * turn, medians over the seeds.  Two JSON lines for ZDT1; without pagmo their peer is null. Usage: fog_pareto_bench
 * [table]; table: every problem, its hypervolume and IGD, as a Markdown table. */
#include "fog/pareto.h"
#include "problems.h"
#ifdef VILLAGE_PAGMO
#include "pagmo_peer.h"
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEEDS 31u
#define POPULATION 100u

static _Noreturn void die(const char *what) {
    (void)fprintf(stderr, "fog_pareto_bench: %s\n", what);
    exit(1);
}

static double cpu_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct figures {
    double volume[SEEDS], igd[SEEDS], ms[SEEDS];
};

static void judge(const struct problem *p, const double *front, uint32_t n_front, const double *f, uint32_t i,
                  struct figures *ret) {
    const double reference[3] = { p->reference, p->reference, p->reference };
    if (pareto_hypervolume(f, POPULATION, p->objectives, reference, &ret->volume[i]) != VL_OK) die("hypervolume");
    ret->igd[i] = problem_igd(front, n_front, f, POPULATION, p->objectives);
}

static void sort_figures(struct figures *x) {
    qsort(x->volume, SEEDS, sizeof *x->volume, by_value);
    qsort(x->igd, SEEDS, sizeof *x->igd, by_value);
    qsort(x->ms, SEEDS, sizeof *x->ms, by_value);
}

static void run_ours(const struct problem *p, const double *front, uint32_t n_front, uint32_t i, struct figures *ret) {
    double lo[PROBLEM_VARIABLES_MAX], hi[PROBLEM_VARIABLES_MAX];
    struct nsga2_config c = problem_config(i + 1);
    struct nsga2_problem problem = problem_for_nsga2(p, lo, hi);
    struct nsga2_result r;
    double began = cpu_ms();
    if (nsga2_run(&c, &problem, &r) != VL_OK) die("nsga2_run");
    ret->ms[i] = cpu_ms() - began;
    judge(p, front, n_front, r.f, i, ret);
    nsga2_result_free(&r);
}

static bool run_peer(const struct problem *p, const double *front, uint32_t n_front, uint32_t i, struct figures *ret) {
#ifdef VILLAGE_PAGMO
    static double f[POPULATION * 3];
    struct nsga2_config c = problem_config(i + 1);
    double began = cpu_ms();
    if (pagmo_peer_run(p->name, c.population, c.generations, c.crossover, c.eta_crossover, 1.0 / p->variables,
                       c.eta_mutation, i + 1, f) != 0)
        die("pagmo failed");
    ret->ms[i] = cpu_ms() - began;
    judge(p, front, n_front, f, i, ret);
    return true;
#else
    (void)p, (void)front, (void)n_front, (void)i, (void)ret;
    return false;
#endif
}

static const char *peer_name(void) {
#ifdef VILLAGE_PAGMO
    return pagmo_peer_version();
#else
    return "no pagmo here";
#endif
}

static bool measure(const struct problem *p, struct figures *ours, struct figures *peer) {
    static double front[PROBLEM_FRONT_MAX * 3];
    uint32_t n_front = problem_front(p, front);
    bool has_peer = false;
    for (uint32_t i = 0; i < SEEDS; i++) {
        run_ours(p, front, n_front, i, ours);
        has_peer = run_peer(p, front, n_front, i, peer);
    }
    sort_figures(ours);
    if (has_peer) sort_figures(peer);
    return has_peer;
}

static void print_line(const char *name, double value, const char *unit, bool has_peer, double ratio) {
    (void)printf("{\"name\":\"%s\",\"value\":%.5g,\"unit\":\"%s\",\"peer\":", name, value, unit);
    if (has_peer)
        (void)printf("\"%s nsga2\",\"ratio\":%.4g}\n", peer_name(), ratio);
    else
        (void)printf("null,\"ratio\":null}\n");
}

static void print_volume(const struct figures *x) {
    (void)printf(" %.4f [%.4f, %.4f] | %.4f | %.1f |", x->volume[SEEDS / 2], x->volume[SEEDS / 10],
                 x->volume[SEEDS - 1 - SEEDS / 10], x->igd[SEEDS / 2], x->ms[SEEDS / 2]);
}

static void print_table(struct figures *ours, struct figures *peer) {
    (void)printf("| problem | whole front | ours [p10, p90] | IGD | CPU ms | %s [p10, p90] | IGD | CPU ms |\n",
                 peer_name());
    (void)printf("|---|---|---|---|---|---|---|---|\n");
    for (uint32_t k = 0; k < n_problems; k++) {
        bool has_peer = measure(&problems[k], ours, peer);
        (void)printf("| %s | %.4f |", problems[k].name, problems[k].ideal);
        print_volume(ours);
        if (has_peer)
            print_volume(peer);
        else
            (void)printf(" - | - | - |");
        (void)printf("\n");
    }
}

int main(int argc, char **argv) {
    static struct figures ours, peer;
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "table") != 0)) die("usage: fog_pareto_bench [table]");
    if (peer_name() == NULL)
        (void)fprintf(stderr, "fog_pareto_bench: built without pagmo (Debian: libpagmo-dev), so there is no peer\n");
    if (argc == 2) {
        print_table(&ours, &peer);
        return 0;
    }
    bool has_peer = measure(problem_find("zdt1"), &ours, &peer);
    print_line("nsga2.zdt1_hv", ours.volume[SEEDS / 2], "hypervolume", has_peer,
               has_peer ? ours.volume[SEEDS / 2] / peer.volume[SEEDS / 2] : 0);
    /* how many times as fast */
    print_line("nsga2.zdt1_ms", ours.ms[SEEDS / 2], "ms", has_peer,
               has_peer ? peer.ms[SEEDS / 2] / ours.ms[SEEDS / 2] : 0);
    return 0;
}
