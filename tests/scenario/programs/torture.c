/* Arithmetic whose bits a compiler or processor could change: contraction, reassociation, NaNs, conversions at the edges, integer
 * wrap, sorting with a comparison that ties.  Prints digests of what came out; the inputs only make it a map job. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t digest = 1469598103934665603u;
static void take(uint64_t v) {
    for (int i = 0; i < 8; i++) digest = (digest ^ (v >> 8 * i & 255)) * 1099511628211u;
}
static void take_double(double d) {
    uint64_t v;
    memcpy(&v, &d, 8);
    take(v);
}
static uint32_t seed = 12345;
static uint32_t next(void) { return seed = seed * 1664525u + 1013904223u; }
static double some(void) { return ((double)next() - 2147483648.0) / (1 + next() % 1000) * (next() % 7 ? 1e-3 : 1e150); }

static void contraction(void) { /* a * b + c: one rounding or two */
    double sum = 0;
    float fsum = 0;
    for (int i = 0; i < 200000; i++) {
        double a = some(), b = some(), c = some();
        sum = a * b + c - a * b;
        fsum = (float)a * (float)b + fsum * 0.5f;
        take_double(sum);
        take_double(fsum);
    }
}

static void order(void) { /* (x + y) + z is not x + (y + z) */
    static double v[4096];
    for (int i = 0; i < 4096; i++) v[i] = some();
    double forward = 0, back = 0;
    for (int i = 0; i < 4096; i++) forward += v[i];
    for (int i = 4095; i >= 0; i--) back += v[i];
    take_double(forward);
    take_double(back);
}

static void odd(void) { /* NaN, infinities, zeros, denormals */
    volatile double zero = 0, inf = 1 / zero, tiny = 4.9e-324;
    double odd[] = { 0.0, -0.0, inf, -inf, zero / zero, -(zero / zero), tiny, -tiny, 2.2250738585072014e-308, 1.7976931348623157e308 };
    for (unsigned i = 0; i < 10; i++)
        for (unsigned k = 0; k < 10; k++) {
            take_double(odd[i] + odd[k]);
            take_double(odd[i] * odd[k]);
            take_double(odd[i] / odd[k]);
            take_double(odd[i] - odd[k]);
            take((uint64_t)(odd[i] < odd[k]));
            take_double(fmin(odd[i], odd[k]));
            take_double(sqrt(odd[i]));
            take_double(copysign(odd[i], odd[k]));
        }
}

static void library(void) {
    for (int i = 0; i < 20000; i++) {
        double x = some();
        take_double(sin(x));
        take_double(exp(fmod(x, 50)));
        take_double(log(fabs(x) + 1e-300));
        take_double(pow(fabs(x) + 1e-300, 0.3));
        take_double(floor(x) + rint(x));
        take((uint64_t)(int64_t)fmod(x, 1e15));
    }
}

static int by_low_bits(const void *a, const void *b) { return (int)(*(const uint32_t *)a & 15) - (int)(*(const uint32_t *)b & 15); }

static void integers(void) {
    static uint32_t v[5000];
    for (int i = 0; i < 5000; i++) v[i] = next();
    qsort(v, 5000, sizeof v[0], by_low_bits); /* many ties */
    for (int i = 0; i < 5000; i++) take(v[i]);
    for (int i = 1; i < 40000; i++) {
        uint32_t a = next(), b = next() | 1;
        take((uint64_t)a * b + a / b + a % b);
        take((uint64_t)((int32_t)a >> (b & 31)));
        take((uint64_t)(a << (b & 31) | a >> (-b & 31)));
    }
}

int main(int n, char **v) {
    void (*const parts[])(void) = { contraction, order, odd, library, integers };
    (void)n, (void)v;
    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        parts[i]();
        printf("%u %016llx\n", i, (unsigned long long)digest);
    }
    return 0;
}
