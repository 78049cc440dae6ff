/* fec.h - systematic Reed-Solomon erasure code over GF(2^8): of n shards any k give the data back (Rizzo 1997, with a
 * Cauchy matrix, Bloemer et al. 1995).  Pure; public data only (tables are fine). */
#ifndef VL_MIX_FEC_H
#define VL_MIX_FEC_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEC_SHARDS_MAX 255u
/* shard[0..k-1] are the data, shard[k..n-1] are written; all of `size` bytes.  VL_ERANGE: not 1 <= k <= n <= 255. */
VL_MUST_CHECK enum vl_err fec_encode(uint32_t k, uint32_t n, size_t size, uint8_t *const *shard);
/* Restores the missing ones among shard[0..k-1] from any k that are there (have[i]).  VL_EAGAIN: fewer than k.
 * VL_ERANGE, VL_ENOMEM. */
VL_MUST_CHECK enum vl_err fec_decode(uint32_t k, uint32_t n, size_t size, uint8_t *const *shard, const bool *have);

#endif
