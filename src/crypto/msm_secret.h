/* msm_secret.h - sums of products like msm.h's for SECRET scalars and public points: no branch, no index and no time
 * depends on a scalar, only on how many terms there are.
 *
 * Straus with signed digits of four bits: one chain of doublings for each 64 terms; of a table of eight multiples every
 * entry is read for every digit.  A fifth of the time that one product with libsodium and one addition take.  Working
 * memory, 86 KiB, holds digits of the scalars and is wiped.  Pure but for its allocation. */
#ifndef VL_CRYPTO_MSM_SECRET_H
#define VL_CRYPTO_MSM_SECRET_H

#include "crypto/ristretto.h"

/* scalar[i]: below 2^253, as everything below L is.  n = 0 gives the identity; nothing may overlap *ret.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err msm_secret(const uint8_t (*scalar)[32], const struct ristretto *point, size_t n,
                                     struct ristretto *ret);

#endif
