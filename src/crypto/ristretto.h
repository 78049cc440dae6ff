/* ristretto.h - ristretto255, the group of prime order L = 2^252 + 27742317777372353535851937790883648493 (RFC 9496).
 * Elements stay in extended coordinates: sums need no encoding between them, which is what libsodium's interface lacks.
 * Many products at once, of public data: msm.h.
 *
 * Constant time in the values, but for whether ristretto_decode() succeeds.  Products with secret scalars go through
 * libsodium.  Pure. */
#ifndef VL_CRYPTO_RISTRETTO_H
#define VL_CRYPTO_RISTRETTO_H

#include "base/err.h"
#include "crypto/edwards.h"

#define RISTRETTO_BYTES 32u
#define RISTRETTO_UNIFORM 64u

/* Several coordinates stand for one element: compare with ristretto_equal(), never the bytes. */
struct ristretto {
    struct edwards e;
};

struct ristretto ristretto_identity(void);
struct ristretto ristretto_base(void);
struct ristretto ristretto_add(const struct ristretto *a, const struct ristretto *b);
struct ristretto ristretto_sub(const struct ristretto *a, const struct ristretto *b);
struct ristretto ristretto_double(const struct ristretto *a);
struct ristretto ristretto_neg(const struct ristretto *a);
bool ristretto_equal(const struct ristretto *a, const struct ristretto *b);
bool ristretto_is_identity(const struct ristretto *a);

/* RFC 9496 4.3.1: VL_EPARSE for each of the encodings that are none; an element has exactly one.  What comes from others
 * is decoded here and not by libsodium, whose version 1.0.18 ignores bit 255. */
VL_MUST_CHECK enum vl_err ristretto_decode(const uint8_t in[RISTRETTO_BYTES], struct ristretto *ret);
/* RFC 9496 4.3.2. */
void ristretto_encode(const struct ristretto *a, uint8_t ret[RISTRETTO_BYTES]);
/* RFC 9496 4.3.4: an element from 64 uniform bytes, of unknown discrete logarithm. */
void ristretto_from_uniform(const uint8_t in[RISTRETTO_UNIFORM], struct ristretto *ret);

/* scalar * a and scalar * base for a secret scalar (little-endian, below L), with libsodium.  0 and the identity are
 * fine. */
void ristretto_mul(const uint8_t scalar[32], const struct ristretto *a, struct ristretto *ret);
void ristretto_mul_base(const uint8_t scalar[32], struct ristretto *ret);

#endif
