/* directory_help.h - keys, charters and documents of made-up villages, for tests and fuzz targets. */
#ifndef VL_TESTS_DIRECTORY_HELP_H
#define VL_TESTS_DIRECTORY_HELP_H

#include "mix/consensus.h"
#include "mix/vote.h"

#define HELP_GENESIS 1000000u

/* Key number i of everybody's. */
struct crypto_sign_key help_key(uint32_t i);
/* n authorities, keys in the charter's order; signed by the root key. */
void help_charter(uint8_t n, uint8_t threshold, uint32_t epoch_ms, struct mix_charter *ret,
                  struct crypto_sign_key keys[MIX_AUTHORITIES_MAX], struct crypto_sign_key *ret_root);
/* Of key 1000 + i for that epoch, signed. */
struct mix_descriptor help_relay(uint32_t i, uint64_t epoch);
/* Of key 5000 + i; its provider is relay `provider`. */
struct mix_descriptor help_client(uint32_t i, uint64_t epoch, uint32_t provider);
/* relays numbered 1, 3, 5, ... and clients of the first; owned by the caller. */
void help_consensus(const struct mix_charter *charter, uint64_t epoch, uint32_t relays, uint32_t clients,
                    struct mix_consensus *ret);
/* c, signed by the authorities whose bits are in mask; out is emptied first. */
void help_consensus_doc(const struct mix_consensus *c, const struct mix_charter *charter,
                        const struct crypto_sign_key *keys, uint32_t mask, struct vl_buf *out);

#endif
