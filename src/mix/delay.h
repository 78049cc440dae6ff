/* delay.h - how long a packet waits at a node: exponential, drawn from the node's VRF output of the epoch, so that the
 * node can show afterwards what each packet ought to have waited, and nobody could choose it (mixnet.md 6.4).
 * Pure. */
#ifndef VL_MIX_DELAY_H
#define VL_MIX_DELAY_H

#include "base/err.h"
#include "crypto/vrf.h"

#include <stdint.h>

/* The input of the epoch's VRF: domain, shared random value, epoch. */
struct delay_epoch {
    uint64_t epoch;
    uint8_t shared_random[32];
};
/* y and proof of this node for the epoch; keep both secret until the mix key of the epoch is destroyed.
 * Errors of crypto_vrf_prove(). */
VL_MUST_CHECK enum vl_err delay_epoch_begin(const struct crypto_vrf_key *key, const struct delay_epoch *e,
                                            uint8_t ret_y[CRYPTO_VRF_OUTPUT], uint8_t ret_proof[CRYPTO_VRF_PROOF]);
/* Microseconds, rounded to the nearest: -mean * ln(u), u in (0, 1] from BLAKE2b(y, input).  Computed so that auditors on
 * other machines get the same value bit for bit (integers only); mean_ms 0 gives 0.  No visible cap: up to 44.4 times
 * the mean.  Constant time. */
uint64_t delay_us(const uint8_t y[CRYPTO_VRF_OUTPUT], const uint8_t input[16], uint32_t mean_ms);
/* The same from 64 uniform bits: u = (h + 1) / 2^64. */
uint64_t delay_from_uniform(uint64_t h, uint32_t mean_ms);

/* What a sender checks once the node has published y and proof.  VL_ECRYPTO: the proof is not of this node and epoch.
 */
VL_MUST_CHECK enum vl_err delay_audit(const uint8_t vrf_public[32], const struct delay_epoch *e,
                                      const uint8_t proof[CRYPTO_VRF_PROOF], uint8_t ret_y[CRYPTO_VRF_OUTPUT]);

#endif
