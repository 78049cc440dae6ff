#include "timing.h"

#include "crypto/random.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define CUTS 20 /* where the tail is cut: from the fastest 30 % up to all */

struct sample {
    double ns;
    int class;
};

static double now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_time(const void *a, const void *b) {
    double x = ((const struct sample *)a)->ns, y = ((const struct sample *)b)->ns;
    return (x > y) - (x < y);
}

static double welch(const struct sample *s, size_t n) {
    double count[2] = { 0 }, sum[2] = { 0 }, square[2] = { 0 };
    double origin = s[n / 2].ns; /* near the mean: no digits are lost in the squares */
    for (size_t i = 0; i < n; i++) {
        double x = s[i].ns - origin;
        count[s[i].class]++;
        sum[s[i].class] += x;
        square[s[i].class] += x * x;
    }
    if (count[0] < 2 || count[1] < 2) return 0;
    double mean[2], part = 0;
    for (int c = 0; c < 2; c++) {
        mean[c] = sum[c] / count[c];
        part += (square[c] - sum[c] * mean[c]) / (count[c] - 1) / count[c];
    }
    return part > 0 ? fabs(mean[0] - mean[1]) / sqrt(part) : 0;
}

double timing_t(timing_prepare *prepare, timing_run *run, void *arg, size_t n) {
    struct sample *s = calloc(n, sizeof *s);
    if (s == NULL) abort();
    for (size_t i = 0; i < n; i++) {
        uint8_t coin;
        crypto_random(&coin, 1);
        s[i].class = coin & 1;
        prepare(arg, s[i].class);
        double began = now_ns();
        run(arg);
        s[i].ns = now_ns() - began;
    }
    size_t warm = n / 50; /* caches and clocks settle */
    qsort(s + warm, n - warm, sizeof *s, by_time);
    double worst = 0;
    for (int cut = 0; cut <= CUTS; cut++) {
        size_t kept = (size_t)((double)(n - warm) * (0.3 + 0.7 * cut / CUTS));
        double t = welch(s + warm, kept);
        if (t > worst) worst = t;
    }
    free(s);
    return worst;
}
