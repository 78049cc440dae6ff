/* Keys, consensus, birth and end of a simulated mixnet. */
#include "sim/mixnet_priv.h"

#include "brain/mix_priv.h" /* its figures: what is measured shall be what is shipped */
#include "crypto/dh.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- relays ---- */

/* For a key, with much room: a table that is full shows as packets refused. */
static uint64_t packets_expected(const struct sim_mixnet *s) {
    const struct sim_mixnet_cfg *c = &s->cfg;
    double rate = (c->rates.payload_mhz + c->rates.loop_mhz + c->rates.drop_mhz) / 1000.0;
    double seconds = (double)(c->rate_ms + c->measure_ms + c->drain_ms) / 1000.0 + 30;
    return (uint64_t)(2 * rate * c->clients * seconds * SPHINX_HOPS_MAX / c->relays) + 10000;
}

static struct relay_limits limits_of(const struct sim_mixnet *s) {
    struct relay_limits l = relay_limits_default();
    l.packets = 65536;
    l.rate = l.burst = l.link_rate = l.link_burst = 1000000; /* buckets are tested elsewhere */
    l.links = s->cfg.clients + s->cfg.relays < RELAY_LINKS_MAX ? s->cfg.clients + s->cfg.relays : RELAY_LINKS_MAX;
    return l;
}

static enum vl_err key_make(struct sim_mixnet *s, struct sim_relay *r, unsigned k) {
    struct crypto_dh_key dh;
    uint64_t capacity = packets_expected(s);
    size_t size = (replay_size(capacity) + 63) / 64 * 64;
    uint8_t seed[32], sip[16];
    crypto_drbg_bytes(&s->keys, seed, sizeof seed);
    crypto_drbg_bytes(&s->keys, sip, sizeof sip);
    crypto_dh_key_from_seed(seed, &dh);
    memcpy(r->key[k].secret, dh.secret, 32);
    memcpy(r->key[k].public, dh.public, 32);
    r->key[k].key_id = (uint8_t)(k + 1);
    r->mem[k] = aligned_alloc(64, size);
    if (r->mem[k] == NULL) return VL_ENOMEM;
    memset(r->mem[k], 0, size);
    return replay_create(r->mem[k], size, capacity, r->key[k].public, sip, &r->table[k]);
}

static enum vl_err relay_make(struct sim_mixnet *s, struct sim_relay *r) {
    struct relay_limits limits = limits_of(s);
    uint8_t seed[32];
    crypto_drbg_bytes(&s->keys, seed, sizeof seed);
    enum vl_err err = relay_create(&limits, seed, &r->r);
    if (err) return err;
    crypto_drbg_bytes(&s->keys, seed, sizeof seed);
    crypto_vrf_key_from_seed(seed, &r->vrf);
    r->packet = calloc(limits.packets, sizeof *r->packet);
    r->order = calloc(limits.packets, sizeof *r->order);
    r->deadline = VL_MS_NEVER;
    if (r->packet == NULL || r->order == NULL) return VL_ENOMEM;
    err = key_make(s, r, 0);
    return err ? err : key_make(s, r, 1);
}

/* The delay secret of the epoch, from its shared random value; the relay takes packets for it. */
static enum vl_err relay_begin(struct sim_relay *r, const struct mix_consensus *c) {
    uint8_t y[CRYPTO_VRF_OUTPUT], proof[CRYPTO_VRF_PROOF];
    struct delay_epoch e = { .epoch = c->epoch };
    memcpy(e.shared_random, c->shared_random, sizeof e.shared_random);
    enum vl_err err = delay_epoch_begin(&r->vrf, &e, y, proof);
    return err ? err : relay_key_add(r->r, &r->key[c->epoch - 1], r->table[c->epoch - 1], y);
}

/* ---- the consensus ---- */

/* Relays of one size, each a family and a subnet of its own, all roles, layers in turn. */
static void list_relay(const struct sim_mixnet *s, uint64_t epoch, uint32_t i, struct mix_relay *ret) {
    const struct sim_relay *r = &s->relays[i];
    *ret = (struct mix_relay){ .number = i + 1,
                               .roles = MIX_ROLES_RELAY,
                               .layer = (uint8_t)(i % 3),
                               .subnet = i + 1,
                               .bandwidth = 10000,
                               .rate = r->rate,
                               .reputation = MIX_REPUTATION_MAX };
    memcpy(ret->mix_key, r->key[epoch - 1].public, 32);
    memcpy(ret->vrf_key, r->vrf.public, 32);
    vl_put_u32(ret->family, i + 1);
    memset(ret->node.b, 0xff, sizeof ret->node.b); /* no client: those end in other bytes */
    vl_put_u32(ret->node.b, i + 1);
}

static enum vl_err consensus_make(struct sim_mixnet *s, uint64_t epoch) {
    struct mix_consensus *c = &s->consensus[epoch - 1];
    *c = (struct mix_consensus){ .epoch = epoch,
                                 .valid_from = s->now,
                                 .valid_until = s->now + 2 * SIM_MIX_EPOCH_MS,
                                 .next_number = s->cfg.relays + 1,
                                 .tolerance_permille = MIX_TOLERANCE_DEFAULT,
                                 .anonymity_floor = epoch == 1 ? 0 : s->cfg.floor,
                                 .relays_n = s->cfg.relays,
                                 .clients_n = s->cfg.clients };
    memcpy(c->delay_ms, s->cfg.delay_ms, sizeof c->delay_ms);
    crypto_drbg_bytes(&s->keys, c->shared_random, sizeof c->shared_random);
    c->relays = calloc(c->relays_n, sizeof *c->relays);
    c->clients = calloc(c->clients_n, sizeof *c->clients);
    if (c->relays == NULL || c->clients == NULL) return VL_ENOMEM;
    for (uint32_t i = 0; i < c->relays_n; i++) list_relay(s, epoch, i, &c->relays[i]);
    for (uint32_t i = 0; i < c->clients_n; i++) {
        c->clients[i].node = s->clients[i].node;
        memcpy(c->clients[i].static_key, s->clients[i].static_key, 32);
        c->clients[i].provider = s->clients[i].mailbox + 1;
    }
    return VL_OK;
}

/* As the brain does: links to the first guards come up, the first one is the provider. */
static void guards_choose(struct sim_mixnet *s, struct sim_client *c, struct mix_consensus *list) {
    uint32_t guards[PATHS_GUARDS];
    paths_consensus(c->paths, s->now, list);
    uint32_t n = paths_guards(c->paths, s->now, guards);
    for (uint32_t i = 0; i < n; i++) paths_guard_result(c->paths, s->now, guards[i], true);
    uint32_t first = paths_guard(c->paths, s->now);
    if (first != 0) c->mailbox = first - 1;
    list->clients[c->index].provider = c->mailbox + 1;
}

/* Somebody else.  At SECRET of another provider: from one to itself leads no way back there, so that members of one
 * provider cannot talk at that level. */
static void partner_choose(struct sim_mixnet *s, struct sim_client *c) {
    enum { TRIES = 100 };
    for (unsigned i = 0; i < TRIES; i++) {
        c->partner = (uint32_t)vl_prng_below(&s->talk, s->cfg.clients - 1);
        c->partner += c->partner >= c->index;
        if (s->cfg.level != MIX_SECRET || s->clients[c->partner].mailbox != c->mailbox) return;
    }
}

enum vl_err sim_epoch(struct sim_mixnet *s, uint64_t epoch) {
    enum vl_err err = consensus_make(s, epoch);
    struct mix_consensus *list = &s->consensus[epoch - 1];
    for (uint32_t i = 0; i < s->cfg.relays && !err; i++) err = relay_begin(&s->relays[i], list);
    if (err) return err;
    s->epoch = epoch;
    for (uint32_t i = 0; i < s->cfg.clients; i++) {
        struct sim_client *c = &s->clients[i];
        if (epoch == 1) guards_choose(s, c, list);
        paths_consensus(c->paths, s->now, list);
        cover_tolerance(c->cover, list->tolerance_permille);
        if (c->channel) channel_epoch(c->channel, s->now, epoch);
    }
    for (uint32_t i = 0; epoch == 1 && i < s->cfg.clients; i++) partner_choose(s, &s->clients[i]);
    return VL_OK;
}

/* ---- clients ---- */

/* Most members receive or send nothing in a short run. */
enum vl_err sim_channel(struct sim_mixnet *s, struct sim_client *c) {
    struct channel_config cc = channel_config_default();
    if (c->channel) return VL_OK;
    crypto_drbg_bytes(&c->rng, cc.seed, sizeof cc.seed);
    memcpy(cc.static_secret, c->static_secret, sizeof cc.static_secret);
    enum vl_err err = channel_create(&cc, &c->channel);
    if (err == VL_OK) channel_epoch(c->channel, s->now, s->epoch);
    return err;
}

static enum vl_err client_make(struct sim_mixnet *s, struct sim_client *c) {
    struct crypto_dh_key dh;
    uint8_t seed[32];
    crypto_drbg_bytes(&s->keys, seed, sizeof seed);
    crypto_drbg_init(&c->rng, seed);
    crypto_drbg_bytes(&c->rng, c->static_secret, sizeof c->static_secret);
    crypto_dh_key_from_seed(c->static_secret, &dh);
    memcpy(c->static_key, dh.public, 32);
    vl_put_u32(c->node.b, c->index); /* ascending, as the consensus wants them */
    sim_queue_init(&c->mail);
    crypto_drbg_bytes(&c->rng, seed, sizeof seed);
    enum vl_err err = paths_create(seed, c->node, &c->paths);
    if (err) return err;
    crypto_drbg_bytes(&c->rng, seed, sizeof seed);
    c->fetch_at = s->now + vl_prng_below(&s->talk, MIX_FETCH_MS);
    c->talk_at = VL_MS_NEVER;
    return cover_create(&s->cfg.rates, seed, s->now, &c->cover);
}

/* ---- all ---- */

enum vl_err sim_setup(struct sim_mixnet *s) {
    uint8_t seed[32] = { 0 };
    enum vl_err err = VL_OK;
    vl_put_u64(seed, s->cfg.seed);
    crypto_drbg_init(&s->keys, seed);
    vl_prng_seed(&s->net, s->cfg.seed * 2 + 1);
    vl_prng_seed(&s->talk, s->cfg.seed * 2 + 2);
    s->now = SIM_MIX_START;
    s->measure_from = s->measure_to = VL_MS_NEVER;
    for (uint32_t i = 0; i < SIM_MIX_WHEEL; i++) sim_queue_init(&s->wheel[i]);
    s->relays = calloc(s->cfg.relays, sizeof *s->relays);
    s->clients = calloc(s->cfg.clients, sizeof *s->clients);
    if (s->relays == NULL || s->clients == NULL) return VL_ENOMEM;
    err = mass_create(s->cfg.clients, s->cfg.relays * SIM_MIX_CLASSES, &s->mass);
    for (uint32_t i = 0; i < s->cfg.relays && !err; i++) err = relay_make(s, &s->relays[i]);
    for (uint32_t i = 0; i < s->cfg.clients && !err; i++) {
        s->clients[i].index = i;
        err = client_make(s, &s->clients[i]);
    }
    if (!err) err = sim_epoch(s, 1);
    for (uint32_t i = 0; i < s->cfg.clients && !err; i++) sim_client_wait(s, &s->clients[i]);
    return err ? err : s->err;
}

static void queue_free(struct sim_queue *q) {
    for (struct sim_packet *p = q->first, *next; p; p = next) {
        next = p->next;
        free(p->chance);
        free(p);
    }
}

static void relay_unmake(struct sim_relay *r) {
    for (uint32_t i = 0; r->packet && i < r->r->limits.packets; i++) {
        if (r->packet[i]) free(r->packet[i]->chance);
        free(r->packet[i]);
    }
    relay_destroy(r->r);
    for (unsigned k = 0; k < 2; k++) {
        replay_close(r->table[k]);
        free(r->mem[k]);
    }
    free(r->packet);
    free(r->order);
    crypto_vrf_key_wipe(&r->vrf);
}

void sim_teardown(struct sim_mixnet *s) {
    for (uint32_t i = 0; s->clients && i < s->cfg.clients; i++) {
        struct sim_client *c = &s->clients[i];
        paths_destroy(c->paths);
        cover_destroy(c->cover);
        channel_destroy(c->channel);
        if (c->mail.last) queue_free(&c->mail);
    }
    for (uint32_t i = 0; s->relays && i < s->cfg.relays; i++) relay_unmake(&s->relays[i]);
    for (uint32_t i = 0; i < SIM_MIX_WHEEL; i++) queue_free(&s->wheel[i]);
    for (struct sim_packet *p = s->spare, *next; p; p = next) { /* theirs lie among the spare ones */
        next = p->next;
        free(p);
    }
    mass_destroy(s->mass);
    vl_heap_free(&s->due);
    mix_consensus_free(&s->consensus[0]);
    mix_consensus_free(&s->consensus[1]);
    free(s->relays);
    free(s->clients);
    free(s->messages);
    free(s->bits);
}
