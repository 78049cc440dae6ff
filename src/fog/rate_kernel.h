/* rate_kernel.h - the work by which a node's speed is measured, in pieces that depend on nothing but a nonce and a
 * number, so that whoever ordered it can do a few of them over.  Freestanding: compiled into the coordinator and, by
 * examples/bench/bench.c, to WebAssembly.  Integers only: every machine gives the same answer.
 *
 * A segment is 64 KiB of memory traffic and 187.5 times as many operations: the proportion in which the reference
 * machine does both in the same time (900e12 operations and 4.8e12 bytes a second), so that the time of the whole is
 * the harmonic mix of the two.  An operation is one 64-bit multiplication, addition, shift or exclusive or.  Squares and
 * shifts in turn have no known short cut, unlike a plain linear generator, which can be skipped through. */
#ifndef VL_FOG_RATE_KERNEL_H
#define VL_FOG_RATE_KERNEL_H

#include <stdint.h>

#define RATE_SEGMENT_WORDS 4096u /* 32 KiB written once and read once */
#define RATE_SEGMENT_BYTES (2u * 8u * RATE_SEGMENT_WORDS)
#define RATE_SEGMENT_OPS 12288000u /* RATE_SEGMENT_BYTES * 900 / 4.8 */
#define RATE_LANES 8u
#define RATE_STEP_OPS 4u
#define RATE_SEGMENTS 512u /* of a full run: 16 MiB of memory, two seconds of a slow core */

static inline uint64_t rate_mix(uint64_t x) { /* splitmix64's finish */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t rate_seed(const uint64_t nonce[2], uint32_t segment) {
    return rate_mix(rate_mix(nonce[0] + segment) ^ nonce[1]);
}

static inline void rate_fill(const uint64_t nonce[2], uint32_t segment, uint64_t *words) {
    uint64_t x = rate_seed(nonce, segment);
    for (uint32_t i = 0; i < RATE_SEGMENT_WORDS; i++) {
        x += 0x9e3779b97f4a7c15u;
        words[i] = x ^ (x >> 29);
    }
}

static inline uint64_t rate_spin(const uint64_t nonce[2], uint32_t segment) {
    uint64_t v[RATE_LANES], sum = 0;
    for (uint32_t l = 0; l < RATE_LANES; l++) v[l] = rate_mix(rate_seed(nonce, segment) + l);
    for (uint32_t i = 0; i < RATE_SEGMENT_OPS / (RATE_LANES * RATE_STEP_OPS); i++)
        for (uint32_t l = 0; l < RATE_LANES; l++) {
            v[l] = v[l] * 0xd1342543de82ef95u + 0x2545f4914f6cdd1du;
            v[l] ^= v[l] >> 32;
        }
    for (uint32_t l = 0; l < RATE_LANES; l++) sum = (sum << 7 | sum >> 57) ^ v[l];
    return sum;
}

static inline uint64_t rate_fold(uint64_t from, const uint64_t *words) {
    for (uint32_t i = 0; i < RATE_SEGMENT_WORDS; i++) from = (from << 5 | from >> 59) ^ words[i];
    return rate_mix(from);
}

#endif
