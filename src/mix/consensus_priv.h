/* consensus_priv.h - tags and small parts that the codecs of the directory documents share. */
#ifndef VL_MIX_CONSENSUS_PRIV_H
#define VL_MIX_CONSENSUS_PRIV_H

#include "mix/consensus.h"
#include "wire/pack.h"

enum { TAG_CHARTER = 'C', TAG_DESCRIPTOR = 'D', TAG_VOTE = 'V', TAG_CONSENSUS = 'S', TAG_EQUIVOCATION = 'E' };
#define MIX_VERSION 1u

/* `n` bytes, all zero. */
bool mix_is_zero(const uint8_t *p, size_t n);
bool mix_charter_ok(const struct mix_charter *c);
/* Not empty, printable ASCII, ends within its array. */
bool mix_addr_ok(const char addr[VL_ADDR_MAX]);
void mix_pack_text(struct pack *w, const char *s);
/* Parameters that votes and consensuses have in common: delays, tolerance, floor. */
bool mix_delays_ok(const uint16_t delay_ms[MIX_DELAYS]);
/* Of a document that ends with its signature. */
VL_MUST_CHECK enum vl_err mix_signature_check(const uint8_t public[32], const char *context, struct vl_span whole,
                                              const uint8_t signature[CRYPTO_SIGNATURE]);

#endif
