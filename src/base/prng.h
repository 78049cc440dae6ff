/* prng.h - xoshiro256** (Blackman & Vigna 2018), seeded by splitmix64: jitter, sampling, the simulator.
 * Never for secrets: those come from crypto/random.h or from a seed that node/ drew there. */
#ifndef VL_BASE_PRNG_H
#define VL_BASE_PRNG_H

#include <stdint.h>

struct vl_prng {
    uint64_t s[4];
};
void vl_prng_seed(struct vl_prng *r, uint64_t seed);
uint64_t vl_prng_next(struct vl_prng *r);
/* Uniform in [0, n), n > 0, without modulo bias. */
uint64_t vl_prng_below(struct vl_prng *r, uint64_t n);
/* Uniform in [0, 1). */
double vl_prng_unit(struct vl_prng *r);

#endif
