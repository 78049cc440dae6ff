/* busy.c - computes for as many ms of its own time as its first argument says, then prints its input in upper case.  Time in which it
 * stood still hardly counts: a step is 30 ms at most. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    double left = argc > 1 ? (double)strtol(argv[1], NULL, 10) : 0, last = now_ms();
    volatile unsigned sum = 0;
    while (left > 0) {
        for (unsigned i = 0; i < 100000; i++) sum = sum * 31 + i;
        double t = now_ms();
        left -= t - last < 30 ? t - last : 30;
        last = t;
    }
    for (int c; (c = getchar()) != EOF;) putchar(c >= 'a' && c <= 'z' ? c - 32 : c);
    return sum == 1;
}
