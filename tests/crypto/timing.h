/* timing.h - does the time of a function depend on its input?  The method of dudect (Reparaz, Balasch, Verbauwhede
 * 2017, eprint 2016/1123): inputs of two classes in random order, Welch's t-test on the times, over all of them and
 * with the slow tail, where interrupts are, cut off at several places. */
#ifndef VL_TESTS_TIMING_H
#define VL_TESTS_TIMING_H

#include <stddef.h>

#define TIMING_LEAK 10.0 /* |t| above this is no chance */

typedef void timing_prepare(void *arg, int class); /* makes an input of class 0 or 1; not timed */
typedef void timing_run(void *arg);

/* The largest |t| of n measurements; aborts when there is no memory. */
double timing_t(timing_prepare *prepare, timing_run *run, void *arg, size_t n);

#endif
