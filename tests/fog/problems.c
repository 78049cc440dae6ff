#include "problems.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static double mean_of_rest(const double *x, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 1; i < n; i++) sum += x[i];
    return sum / (n - 1);
}

static double zdt1(const void *arg, const double *x, double *f) {
    (void)arg;
    double g = 1 + 9 * mean_of_rest(x, 30);
    f[0] = x[0];
    f[1] = g * (1 - sqrt(x[0] / g));
    return 0;
}

static double zdt2(const void *arg, const double *x, double *f) {
    (void)arg;
    double g = 1 + 9 * mean_of_rest(x, 30), part = x[0] / g;
    f[0] = x[0];
    f[1] = g * (1 - part * part);
    return 0;
}

static double zdt3(const void *arg, const double *x, double *f) {
    (void)arg;
    double g = 1 + 9 * mean_of_rest(x, 30), part = x[0] / g;
    f[0] = x[0];
    f[1] = g * (1 - sqrt(part) - part * sin(10 * pi * x[0]));
    return 0;
}

static double zdt4(const void *arg, const double *x, double *f) {
    (void)arg;
    double g = 91;
    for (uint32_t i = 1; i < 10; i++) g += x[i] * x[i] - 10 * cos(4 * pi * x[i]);
    f[0] = x[0];
    f[1] = g * (1 - sqrt(x[0] / g));
    return 0;
}

static double zdt6(const void *arg, const double *x, double *f) {
    (void)arg;
    double g = 1 + 9 * sqrt(sqrt(mean_of_rest(x, 10))), wave = sin(6 * pi * x[0]);
    wave *= wave * wave;
    f[0] = 1 - exp(-4 * x[0]) * wave * wave;
    f[1] = g * (1 - f[0] / g * (f[0] / g));
    return 0;
}

static double dtlz1(const void *arg, const double *x, double *f) {
    (void)arg;
    double g = 5;
    for (uint32_t i = 2; i < 7; i++) g += (x[i] - 0.5) * (x[i] - 0.5) - cos(20 * pi * (x[i] - 0.5));
    double scale = 0.5 * (1 + 100 * g);
    f[0] = scale * x[0] * x[1];
    f[1] = scale * x[0] * (1 - x[1]);
    f[2] = scale * (1 - x[0]);
    return 0;
}

static double dtlz2(const void *arg, const double *x, double *f) {
    (void)arg;
    double g = 1;
    for (uint32_t i = 2; i < 12; i++) g += (x[i] - 0.5) * (x[i] - 0.5);
    f[0] = g * cos(x[0] * pi / 2) * cos(x[1] * pi / 2);
    f[1] = g * cos(x[0] * pi / 2) * sin(x[1] * pi / 2);
    f[2] = g * sin(x[0] * pi / 2);
    return 0;
}

const struct problem problems[] = {
    { "zdt1", 30, 2, 0, 1, 1.1, 0.8762, zdt1 },   { "zdt2", 30, 2, 0, 1, 1.1, 0.5428, zdt2 },
    { "zdt3", 30, 2, 0, 1, 1.1, 1.3315, zdt3 },   { "zdt4", 10, 2, -5, 5, 1.1, 0.8762, zdt4 },
    { "zdt6", 10, 2, 0, 1, 1.1, 0.5076, zdt6 },   { "dtlz1", 7, 3, 0, 1, 0.55, 0.1455, dtlz1 },
    { "dtlz2", 12, 3, 0, 1, 1.1, 0.8074, dtlz2 },
};
const uint32_t n_problems = sizeof problems / sizeof *problems;

const struct problem *problem_find(const char *name) {
    for (uint32_t i = 0; i < n_problems; i++)
        if (strcmp(problems[i].name, name) == 0) return &problems[i];
    return NULL;
}

struct nsga2_problem problem_for_nsga2(const struct problem *p, double *lo, double *hi) {
    for (uint32_t i = 0; i < p->variables; i++) {
        lo[i] = i == 0 ? 0 : p->rest_lo;
        hi[i] = i == 0 ? 1 : p->rest_hi;
    }
    return (struct nsga2_problem){
        .variables = p->variables, .objectives = p->objectives, .lo = lo, .hi = hi, .evaluate = p->evaluate
    };
}

struct nsga2_config problem_config(uint64_t seed) {
    return (struct nsga2_config){ .population = 100,
                                  .generations = 250,
                                  .crossover = 0.9,
                                  .eta_crossover = 15,
                                  .eta_mutation = 20,
                                  .tournament = 2,
                                  .seed = seed };
}

static uint32_t front_of_three(const struct problem *p, double *ret) {
    uint32_t n = pareto_directions(3, 99, ret, PROBLEM_FRONT_MAX);
    for (uint32_t i = 0; i < n; i++) {
        double *w = ret + 3 * (size_t)i;
        double scale = p->evaluate == dtlz1 ? 0.5 : 1 / sqrt(w[0] * w[0] + w[1] * w[1] + w[2] * w[2]);
        for (uint32_t j = 0; j < 3; j++) w[j] *= scale;
    }
    return n;
}

uint32_t problem_front(const struct problem *p, double *ret) {
    if (p->objectives == 3) return front_of_three(p, ret);
    bool waves = p->evaluate == zdt3;
    uint32_t n = 0, steps = waves ? 4000 : 1000; /* of ZDT3 about a quarter is not dominated */
    double from = p->evaluate == zdt6 ? 0.2807753191 : 0, lowest = (double)INFINITY;
    for (uint32_t i = 0; i < steps; i++) {
        double a = from + (1 - from) * i / (steps - 1), b = 1 - a * a;
        if (p->evaluate == zdt1 || p->evaluate == zdt4) b = 1 - sqrt(a);
        if (waves) b = 1 - sqrt(a) - a * sin(10 * pi * a);
        if (b >= lowest) continue;
        lowest = b;
        ret[2 * (size_t)n] = a;
        ret[2 * (size_t)n++ + 1] = b;
    }
    return n;
}

double problem_igd(const double *front, uint32_t n_front, const double *f, uint32_t n, uint32_t m) {
    double sum = 0;
    for (uint32_t i = 0; i < n_front; i++) {
        double best = (double)INFINITY;
        for (uint32_t k = 0; k < n; k++) {
            double d = 0;
            for (uint32_t j = 0; j < m; j++) {
                double x = front[(size_t)i * m + j] - f[(size_t)k * m + j];
                d += x * x;
            }
            best = d < best ? d : best;
        }
        sum += sqrt(best);
    }
    return sum / n_front;
}
