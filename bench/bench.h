/* bench.h - what programs of this folder that time one thread share: its clock, and medians. */
#ifndef VL_BENCH_H
#define VL_BENCH_H

#include <stdlib.h>
#include <time.h>

/* Seconds of processor time of this thread alone: others build on the same machine. */
static inline double bench_cpu_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline int bench_by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Number i of v[0..n) in ascending order; sorts v. */
static inline double bench_at(double *v, size_t n, size_t i) {
    qsort(v, n, sizeof *v, bench_by_value);
    return v[i];
}
static inline double bench_median(double *v, size_t n) { return bench_at(v, n, n / 2); }

#endif
