/* polyval.h - POLYVAL (RFC 8452 section 3), portable: without tables, branches or indices that depend on secrets.  For
 * hctr2_portable.c only.  Pure. */
#ifndef VL_CRYPTO_POLYVAL_H
#define VL_CRYPTO_POLYVAL_H

#include <stddef.h>
#include <stdint.h>

/* acc = (acc + block) * h * x^-128 for each of `blocks` blocks of 16 bytes.  h and acc are field elements as RFC 8452
 * writes them; before the first block acc is zero. */
void polyval_update(const uint8_t h[16], uint8_t acc[16], const uint8_t *data, size_t blocks);

#endif
