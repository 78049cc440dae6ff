/* vrf.h - verifiable random function ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381 section 5.5, suite 0x03): whoever has the
 * secret key can compute one unpredictable value for an input and prove that it is the only possible one.
 * Constant time in the secret key; the input is public (try-and-increment takes time that depends on it).  Pure. */
#ifndef VL_CRYPTO_VRF_H
#define VL_CRYPTO_VRF_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdint.h>

#define CRYPTO_VRF_PROOF 80u
#define CRYPTO_VRF_OUTPUT 64u

/* A secret: wipe with crypto_vrf_key_wipe(). */
struct crypto_vrf_key {
    uint8_t seed[32];   /* RFC 8032 private key */
    uint8_t scalar[32]; /* clamped x */
    uint8_t nonce_key[32];
    uint8_t public[32];
};
void crypto_vrf_key_from_seed(const uint8_t seed[32], struct crypto_vrf_key *ret);
void crypto_vrf_key_wipe(struct crypto_vrf_key *key);
/* VL_ECRYPTO: no point was found for this input (probability 2^-256). */
VL_MUST_CHECK enum vl_err crypto_vrf_prove(const struct crypto_vrf_key *key, struct vl_span input,
                                           uint8_t ret_proof[CRYPTO_VRF_PROOF]);
/* The output that a proof stands for (5.2); says nothing of its validity.  VL_ECRYPTO: gamma is no point, s >= q. */
VL_MUST_CHECK enum vl_err crypto_vrf_output(const uint8_t proof[CRYPTO_VRF_PROOF], uint8_t ret[CRYPTO_VRF_OUTPUT]);
/* Full validation (RFC 9381 5.3 with validate_key): VL_ECRYPTO for a wrong proof, and for non-canonical or small-order
 * keys and points.  Stricter than the RFC in one thing: keys and gammas with a part of small order are refused, which
 * no honest prover makes.  ret_output (may be NULL) is written on success only. */
VL_MUST_CHECK enum vl_err crypto_vrf_verify(const uint8_t public[32], struct vl_span input,
                                            const uint8_t proof[CRYPTO_VRF_PROOF],
                                            uint8_t ret_output[CRYPTO_VRF_OUTPUT]);

#endif
