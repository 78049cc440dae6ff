/* The brain's part in the private network: life, messages of links, time.  What the parts do: mix_directory.c,
 * mix_relay.c, mix_client.c. */
#include "brain/mix_priv.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <stdlib.h>
#include <string.h>

struct brain_mix_config brain_mix_config_default(void) {
    return (struct brain_mix_config){ .limits = relay_limits_default(), .cover = cover_rates_default() };
}

enum vl_err mix_create(struct brain *b) {
    struct mix *m = calloc(1, sizeof *m);
    if (m == NULL) return VL_ENOMEM;
    b->mix = m;
    m->relay_on = b->cfg.mix.relay;
    m->describe_at = m->rest_at = m->sweep_at = m->fetch_at = m->ping_at = VL_MS_NEVER;
    vl_buf_init(&m->charter_bytes, MIX_DOC_MAX);
    vl_buf_init(&m->current.bytes, MIX_DOC_MAX);
    vl_buf_init(&m->next.bytes, MIX_DOC_MAX);
    vl_map_init(&m->peers, sizeof(struct vl_node_id), MIX_CLIENTS_MAX, vl_prng_next(&b->rng));
    vl_map_init(&m->sending, sizeof(struct vl_msg_id), CHANNEL_OUT_MAX, vl_prng_next(&b->rng));
    vl_map_init(&m->mailboxes, sizeof(struct vl_node_id), MIX_MAILBOXES_MAX, vl_prng_next(&b->rng));
    uint8_t seed[32];
    crypto_blake2b_keyed(vl_span(b->cfg.seed, 32), (struct vl_span){ 0 }, "village-mix-seed", seed, sizeof seed);
    crypto_drbg_init(&m->rng, seed);
    crypto_blake2b_keyed(vl_span(b->cfg.sign_seed, 32), (struct vl_span){ 0 }, "village-mix-vrf\0", seed, sizeof seed);
    crypto_vrf_key_from_seed(seed, &m->vrf);
    crypto_wipe(seed, sizeof seed);
    enum vl_err err = mix_client_create(b);
    if (err == VL_OK && m->relay_on) err = mix_relay_create(b);
    return err;
}

void mix_destroy(struct brain *b) {
    struct mix *m = b->mix;
    if (m == NULL) return;
    mix_client_destroy(b);
    mix_relay_destroy(b);
    authority_destroy(m->authority);
    mix_consensus_free(&m->current.c);
    mix_consensus_free(&m->next.c);
    vl_buf_free(&m->current.bytes);
    vl_buf_free(&m->next.bytes);
    vl_buf_free(&m->charter_bytes);
    size_t it = 0;
    for (void *p; (p = vl_map_next(&m->peers, &it, NULL));) free(p);
    it = 0;
    for (void *p; (p = vl_map_next(&m->sending, &it, NULL));) free(p);
    vl_map_free(&m->peers);
    vl_map_free(&m->sending);
    vl_map_free(&m->mailboxes);
    crypto_vrf_key_wipe(&m->vrf);
    crypto_drbg_wipe(&m->rng);
    free(m);
    b->mix = NULL;
}

enum vl_err mix_restore(struct brain *b, const struct record *r) {
    struct mix *m = b->mix;
    switch (r->index) {
    case MIX_RECORD_CHARTER:
        mix_charter_take(b, r->bytes, NULL, true);
        return m->has_charter ? VL_OK : VL_ECORRUPT;
    case MIX_RECORD_CONSENSUS:
        mix_consensus_take(b, r->bytes, NULL, true); /* one that is too old by now is no fault of the store */
        return VL_OK;
    case MIX_RECORD_GUARDS:
        return paths_guards_restore(m->paths, r->bytes);
    case MIX_RECORD_VOTE: {
        /* Of another charter, or of one whose epochs were counted otherwise: an authority without its state does not vote
         * where it could have voted before, so that going on without is safe. */
        enum vl_err err = m->authority ? authority_restore_state(m->authority, b->now, r->bytes) : VL_OK;
        return err == VL_ENOMEM ? err : VL_OK;
    }
    case MIX_RECORD_EQUIVOCATION:
        mix_equivocation_restored(b, r->bytes);
        return VL_OK;
    }
    return VL_ECORRUPT;
}

void mix_start(struct brain *b) {
    struct mix *m = b->mix;
    m->sweep_at = b->now + MIX_MAILBOX_IDLE_MS;
    mix_authority_ways(b);
    if (m->relay && m->has_charter) mix_relay_keys_sweep(b, mix_epoch_at(&m->charter, b->now));
    mix_epoch_turn(b);
}

void mix_message(struct brain *b, struct peer *p, enum link_kind kind, struct vl_span body) {
    struct mix *m = b->mix;
    switch ((unsigned)kind) {
    case LINK_MIX_FETCH:
        if (body.n == 0 && m->relay)
            mix_mail_fetch(b, p);
        else
            b->counters.messages_bad++;
        return;
    case LINK_MIX_MAIL:
        mix_client_mail(b, p, body);
        return;
    case LINK_CHARTER:
        mix_charter_take(b, body, p, false);
        return;
    case LINK_DIRECTORY:
        mix_directory_message(b, p, body);
        return;
    default:
        return;
    }
}

void mix_pump(struct brain *b) {
    if (b->mix->relay && b->mix->pump) mix_relay_pump(b);
}

void mix_peer_up(struct brain *b, struct peer *p) {
    mix_directory_peer_up(b, p);
    mix_way_result(b, p->node, true);
}

void mix_peer_down(struct brain *b, struct peer *p) {
    struct mix *m = b->mix;
    if (m->relay) relay_link_gone(m->relay, mix_link_number(p));
    mix_way_result(b, p->node, false);
    struct mix_peer *mp = vl_map_get(&m->peers, p->node.b);
    if (mp) mp->up = false; /* delivery was told that the link is down: the next private message says otherwise */
}

void mix_tick(struct brain *b) {
    struct mix *m = b->mix;
    if (m->has_charter && b->now >= m->charter.genesis_ms && mix_epoch_at(&m->charter, b->now) != m->epoch)
        mix_epoch_turn(b);
    mix_directory_tick(b);
    if (m->relay) mix_relay_tick(b);
    mix_client_tick(b);
}

vl_ms mix_deadline(const struct brain *b) {
    const struct mix *m = b->mix;
    vl_ms at = vl_ms_min(mix_directory_deadline(b), mix_client_deadline(b));
    if (m->relay) at = vl_ms_min(at, mix_relay_deadline(b));
    if (m->has_charter) at = vl_ms_min(at, mix_epoch_start(&m->charter, m->epoch + 1));
    return at;
}

void mix_in_clear(struct brain *b) { b->mix->counters.in_clear++; }

void brain_mix_view(const struct brain *b, struct brain_mix_view *ret) {
    struct mix *m = b->mix;
    *ret = (struct brain_mix_view){ .relay_on = m->relay_on,
                                    .authority_on = m->authority != NULL,
                                    .counters = m->counters };
    if (m->has_charter) ret->charter = &m->charter;
    if (m->current.have) ret->consensus = &m->current.c;
    ret->epoch = m->epoch;
    ret->provider = m->provider;
    ret->cover = cover_stats(m->cover);
    ret->paths = paths_stats(m->paths);
    ret->channel = channel_stats(m->channel);
    ret->audit = audit_stats(m->audit);
    if (m->relay) ret->relay = relay_stats(m->relay, b->now);
    ret->relay_balanced = m->relay == NULL || relay_balanced(m->relay);
    ret->ways_down = way_down(b);
    ret->mail_waiting = m->mail_n;
    if (m->current.have) ret->consensus_bytes = vl_span(m->current.bytes.p, m->current.bytes.len);
    ret->authority_core = m->authority;
    if (m->authority) ret->authority = authority_stats(m->authority);
}

/* Why each level can or cannot be had now. */
enum vl_err brain_mix_level(struct brain *b, vl_ms now, enum mix_level level, uint16_t *ret_mean_ms,
                            struct vl_errmsg *msg) {
    return paths_level(b->mix->paths, now, level, ret_mean_ms, msg);
}
