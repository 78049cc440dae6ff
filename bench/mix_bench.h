/* mix_bench.h - what the benches of mix_bench share: a clock, a median, one line of output. */
#ifndef VL_BENCH_MIX_BENCH_H
#define VL_BENCH_MIX_BENCH_H

#include <stddef.h>

/* Of this thread alone: others build on the same machine. */
double bench_now_s(void);
_Noreturn void bench_die(const char *what);
/* peer may be NULL; ratio is value over peer's value in the same unit. */
void bench_print(const char *name, double value, const char *unit, const char *peer, double peer_value);
/* Sorts v. */
double bench_median(double *v, size_t n);

void bench_x25519_batch64(void);
void bench_x25519_base64(void);
void bench_hctr2_1600(void);
void bench_relay_core(void);
void bench_relay_queue(void);
void bench_sphinx_unwrap(void);
void bench_sphinx_unwrap_portable(void);
void bench_sphinx_create7(void);

#endif
