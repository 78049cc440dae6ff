/* msm.h - sums of products, scalar[0] * point[0] + scalar[1] * point[1] + ..., of PUBLIC data only: time and memory
 * accesses depend on the scalars.  For secret scalars there is ristretto_mul().
 *
 * Few terms go through Straus' method (non-adjacent forms of width 5, one chain of doublings for all), many through
 * Pippenger's (buckets; Bernstein, Doumen, Lange, Oosterwijk 2012), whose window is the one that needs the fewest
 * field multiplications for that number of terms.  Scalars are any 32 bytes, little-endian: those at or above L count
 * as what they are modulo L.  Pure but for the allocation of working memory, at most 520 bytes a term and 1.4 MiB. */
#ifndef VL_CRYPTO_MSM_H
#define VL_CRYPTO_MSM_H

#include "crypto/ristretto.h"

#define MSM_MAX (1u << 18)  /* terms: 130 MiB of working memory */
#define MSM_STRAUS_MAX 127u /* terms; where the two methods were measured to be equal */

/* n = 0 gives the identity; nothing may overlap *ret.  VL_ERANGE: n > MSM_MAX.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err msm_vartime(const uint8_t (*scalar)[32], const struct ristretto *point, size_t n,
                                      struct ristretto *ret);
/* The same of encoded points.  VL_EPARSE as well: one of them is no encoding. */
VL_MUST_CHECK enum vl_err msm_encoded_vartime(const uint8_t (*scalar)[32], const uint8_t (*point)[32], size_t n,
                                              struct ristretto *ret);
/* a * p + b * q for any points of the curve, also with a part of small order: scalars are not reduced.  Cannot fail. */
struct edwards edwards_mul2_vartime(const uint8_t a[32], const struct edwards *p, const uint8_t b[32],
                                    const struct edwards *q);

#endif
