/* The shared random value: shares on hash chains, and what they make together. */
#include "mix/authority_priv.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <string.h>

#define CHAIN 512u /* epochs of a chain; a vote costs at most twice as many hashes, a quarter of a millisecond */

/* share(e) = step(share(e + 1)) within a chain.  Chains of different authorities end in different epochs, so that there
 * is no epoch for which nobody is bound but for the one before. */
void authority_share(const struct authority *a, uint64_t epoch, uint8_t ret[32]) {
    const struct vl_node_id *self = &a->cfg.charter.authority[a->self].node;
    uint64_t at = epoch + vl_get_u16(self->b) % CHAIN;
    uint8_t in[40];
    memcpy(in, self->b, 32);
    vl_put_u64(in + 32, at / CHAIN);
    crypto_blake2b_keyed(vl_span(in, sizeof in), vl_span(a->cfg.seed, 32), "village-mix-seed", ret, 32);
    for (uint64_t i = at % CHAIN; i < CHAIN - 1; i++) mix_share_step(ret, ret);
}

static const uint8_t *commitment_of(const struct mix_consensus *c, struct vl_node_id authority) {
    for (size_t i = 0; i < c->commitments_n; i++)
        if (vl_node_eq(c->commitment[i].authority, authority)) return c->commitment[i].value;
    return NULL;
}

/* Whether the share is the one that its authority is bound to.  At the first consensus nobody is. */
static bool share_ok(const struct mix_consensus *base, const struct mix_vote *v) {
    uint8_t x[32];
    if (base == NULL) return true;
    const uint8_t *commitment = commitment_of(base, v->authority);
    if (commitment == NULL || v->epoch - base->epoch > AUTHORITY_SHARE_STEPS) return false;
    memcpy(x, v->reveal, sizeof x);
    for (uint64_t e = base->epoch; e < v->epoch; e++) mix_share_step(x, x);
    return crypto_equal(x, commitment, sizeof x);
}

void authority_shared_random(const struct authority *a, const struct mix_consensus *base, uint8_t ret[32]) {
    static const char domain[] = "village-mix-shared-random-1:";
    struct crypto_blake2b h;
    struct vl_hash hash;
    uint8_t zero[32] = { 0 }, epoch[8];
    vl_put_u64(epoch, a->epoch);
    crypto_blake2b_init(&h);
    crypto_blake2b_update(&h, domain, sizeof domain - 1);
    crypto_blake2b_update(&h, base ? base->shared_random : zero, 32);
    crypto_blake2b_update(&h, epoch, sizeof epoch);
    for (size_t i = 0; i < a->cfg.charter.n; i++) { /* ascending by node, as the charter is */
        const struct ballot *b = &a->ballot[i];
        if (!authority_counts(b) || !share_ok(base, &b->vote)) continue;
        crypto_blake2b_update(&h, b->vote.authority.b, 32);
        crypto_blake2b_update(&h, b->vote.reveal, 32);
    }
    crypto_blake2b_final(&h, &hash);
    memcpy(ret, hash.b, 32);
}
