#include "base/prng.h"

#include <assert.h>

static uint64_t rotl(uint64_t x, unsigned b) { return x << b | x >> (64 - b); }

void vl_prng_seed(struct vl_prng *r, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

uint64_t vl_prng_next(struct vl_prng *r) {
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t vl_prng_below(struct vl_prng *r, uint64_t n) {
    assert(n > 0);
    uint64_t reject = -n % n, x; /* 2^64 mod n values are too many */
    do x = vl_prng_next(r);
    while (x < reject);
    return x % n;
}

double vl_prng_unit(struct vl_prng *r) { return (double)(vl_prng_next(r) >> 11) * 0x1p-53; }
