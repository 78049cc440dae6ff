/* vrf.h - verifiable random functions of RFC 9381 on edwards25519: whoever has the secret key can compute one
 * unpredictable value for an input and prove that it is the only possible one.  Two suites that differ in how an input
 * becomes a point: ECVRF-EDWARDS25519-SHA512-TAI (try and increment) and -ELL2 (Elligator 2, RFC 9380, the same time
 * for every input).  The suite belongs to the key: a proof under one says nothing under the other. Constant time in the
 * secret key; input, public key and proof are public.  Pure. */
#ifndef VL_CRYPTO_VRF_H
#define VL_CRYPTO_VRF_H

#include "base/bytes.h"
#include "base/err.h"

#include <stdint.h>

#define CRYPTO_VRF_PROOF 80u
#define CRYPTO_VRF_OUTPUT 64u

/* RFC 9381 5.5: the suite string. */
enum crypto_vrf_suite { CRYPTO_VRF_TAI = 3, CRYPTO_VRF_ELL2 = 4 };

/* A secret: wipe with crypto_vrf_key_wipe(). */
struct crypto_vrf_key {
    uint8_t seed[32];   /* RFC 8032 private key */
    uint8_t scalar[32]; /* clamped x */
    uint8_t nonce_key[32];
    uint8_t public[32];
    uint8_t suite; /* enum crypto_vrf_suite */
};
/* A public key with its suite, as it is published and stored. */
struct crypto_vrf_public {
    uint8_t suite;
    uint8_t key[32];
};

/* VL_EVERSION: no such suite.  Never use one seed under two suites. */
VL_MUST_CHECK enum vl_err crypto_vrf_key_make(enum crypto_vrf_suite suite, const uint8_t seed[32],
                                              struct crypto_vrf_key *ret);
/* The same with suite TAI. */
void crypto_vrf_key_from_seed(const uint8_t seed[32], struct crypto_vrf_key *ret);
void crypto_vrf_key_wipe(struct crypto_vrf_key *key);
struct crypto_vrf_public crypto_vrf_public_of(const struct crypto_vrf_key *key);

/* VL_ECRYPTO: no point was found for this input (probability 2^-256). */
VL_MUST_CHECK enum vl_err crypto_vrf_prove(const struct crypto_vrf_key *key, struct vl_span input,
                                           uint8_t ret_proof[CRYPTO_VRF_PROOF]);

/* Full validation (RFC 9381 5.3 with validate_key).  VL_EVERSION: no such suite.  VL_EPARSE: the proof has not 80
 * bytes. VL_ECRYPTO for a wrong proof, for a response that is not reduced, and for non-canonical or small-order keys
 * and points. Stricter than the RFC in one thing: keys and gammas with a part of small order are refused, which no
 * honest prover makes.  ret_output (may be NULL) is written on success only. */
VL_MUST_CHECK enum vl_err crypto_vrf_check(const struct crypto_vrf_public *public, struct vl_span input,
                                           struct vl_span proof, uint8_t ret_output[CRYPTO_VRF_OUTPUT]);
/* The same for suite TAI and a proof of the right length. */
VL_MUST_CHECK enum vl_err crypto_vrf_verify(const uint8_t public[32], struct vl_span input,
                                            const uint8_t proof[CRYPTO_VRF_PROOF],
                                            uint8_t ret_output[CRYPTO_VRF_OUTPUT]);

/* The output that a proof stands for (5.2); says nothing of its validity.  VL_EVERSION: no such suite.  VL_ECRYPTO:
 * gamma is no point, s >= q. */
VL_MUST_CHECK enum vl_err crypto_vrf_output_of(enum crypto_vrf_suite suite, const uint8_t proof[CRYPTO_VRF_PROOF],
                                               uint8_t ret[CRYPTO_VRF_OUTPUT]);
/* The same for suite TAI. */
VL_MUST_CHECK enum vl_err crypto_vrf_output(const uint8_t proof[CRYPTO_VRF_PROOF], uint8_t ret[CRYPTO_VRF_OUTPUT]);

#endif
