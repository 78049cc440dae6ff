/* x25519_diff.h - batches of X25519 held against libsodium: for the test and for the long run of it. */
#ifndef VL_TESTS_X25519_DIFF_H
#define VL_TESTS_X25519_DIFF_H

#include "base/prng.h"
#include "crypto/x25519_batch.h"

#include <stddef.h>
#include <stdint.h>

/* Any implementation, as crypto_x25519_batch(). */
typedef void x25519_run(const uint8_t (*scalar)[32], const uint8_t (*point)[32], uint8_t (*ret)[32], size_t n);

/* At least `cases` results in batches of 1 to 17, of around 64, and of some more, each once out of place and once over
 * its scalars or its points.  Most points are random; some are of small order, not reduced, or near a power of two, and
 * some scalars are all zeros or ones.  The number of wrong results; *ret_zero counts the zero ones. */
uint64_t x25519_diff(x25519_run *run, struct vl_prng *rng, uint64_t cases, uint64_t *ret_zero);

#endif
