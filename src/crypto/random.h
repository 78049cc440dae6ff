/* random.h - the kernel's randomness, and the three things every holder of a secret needs: wipe, compare, start up.
 * Cores never include this: their seeds come in at create (see drbg.h).  Thread-safe after crypto_init(). */
#ifndef VL_CRYPTO_RANDOM_H
#define VL_CRYPTO_RANDOM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Picks the fastest implementations for this CPU.  Call once before anything else of this folder and before any thread
 * or sandbox exists; again is a no-op.  VL_EUNSUPPORTED: the kernel gives no randomness. */
VL_MUST_CHECK enum vl_err crypto_init(void);
/* n bytes fit for keys (getrandom).  Never fails after crypto_init(). */
void crypto_random(void *dst, size_t n);
/* Zeroes, in a way the compiler may not remove. */
void crypto_wipe(void *p, size_t n);
/* Time depends on n only. */
bool crypto_equal(const void *a, const void *b, size_t n);

#endif
