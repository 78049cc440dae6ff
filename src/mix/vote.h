/* vote.h - what one authority says for one epoch: which descriptors it took, by their hashes, what it thinks of those
 * nodes, which consensus it goes on from, and its part of the shared random value.  Codec only; see authority.h.
 * Votes name descriptors by hash (34 bytes each) because 2,304 whole ones would not fit into a message. */
#ifndef VL_MIX_VOTE_H
#define VL_MIX_VOTE_H

#include "mix/consensus.h"

#define MIX_VOTE_ENTRIES_MAX (MIX_RELAYS_MAX + MIX_CLIENTS_MAX)

struct mix_vote_entry {
    uint8_t digest[32];  /* BLAKE2b-256 of the encoded descriptor */
    uint16_t reputation; /* 0..MIX_REPUTATION_MAX */
};
struct mix_vote {
    struct vl_node_id authority;
    uint64_t epoch;
    uint64_t previous_epoch; /* < epoch; 0 with a zero hash: it knows of no consensus */
    uint8_t previous[32];
    uint8_t reveal[32];     /* its share for this epoch */
    uint8_t commitment[32]; /* to its share for the next: mix_share_step() of that */
    uint16_t delay_ms[MIX_DELAYS];
    uint16_t tolerance_permille;
    uint32_t anonymity_floor;
    uint32_t entries_n;
    struct mix_vote_entry *entries; /* strictly ascending by digest; owned */
    struct mix_statement statement; /* hash and signature */
};
void mix_vote_free(struct mix_vote *v);
/* Encodes the vote with its signature; fills v->statement. */
VL_MUST_CHECK enum vl_err mix_vote_sign(struct mix_vote *v, const struct mix_charter *charter,
                                        const struct crypto_sign_key *key, struct vl_buf *out);
/* Decodes and checks the signature.  VL_EPARSE, VL_EVERSION, VL_ECRYPTO, VL_EDENIED: of nobody in the charter;
 * VL_ENOMEM. ret->entries is owned by the caller: mix_vote_free(). */
VL_MUST_CHECK enum vl_err mix_vote_decode(struct vl_span in, const struct mix_charter *charter, struct mix_vote *ret);
/* The entry of a digest, NULL: not listed. */
const struct mix_vote_entry *mix_vote_find(const struct mix_vote *v, const uint8_t digest[32]);

/* One step of the hash chain on which the shares of an authority lie: share(e) = step(share(e + 1)). */
void mix_share_step(const uint8_t in[32], uint8_t ret[32]);
void mix_descriptor_digest(struct vl_span encoded, uint8_t ret[32]);

#endif
