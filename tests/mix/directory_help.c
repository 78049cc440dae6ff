#include "directory_help.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "wire/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(enum vl_err err) {
    if (err == VL_OK) return;
    fprintf(stderr, "directory_help: %s\n", vl_err_text(err));
    abort();
}

static void fill(uint8_t *p, size_t n, uint32_t kind, uint32_t i) {
    uint8_t in[8];
    vl_put_u32(in, kind);
    vl_put_u32(in + 4, i);
    crypto_blake2b_keyed(vl_span(in, sizeof in), vl_span(NULL, 0), NULL, p, n);
}

struct crypto_sign_key help_key(uint32_t i) {
    struct crypto_sign_key key;
    uint8_t seed[32];
    must(crypto_init());
    fill(seed, sizeof seed, 1, i);
    crypto_sign_key_from_seed(seed, &key);
    return key;
}

static int by_public(const void *a, const void *b) {
    return memcmp(((const struct crypto_sign_key *)a)->public, ((const struct crypto_sign_key *)b)->public, 32);
}

void help_charter(uint8_t n, uint8_t threshold, uint32_t epoch_ms, struct mix_charter *ret,
                  struct crypto_sign_key keys[MIX_AUTHORITIES_MAX], struct crypto_sign_key *ret_root) {
    *ret_root = help_key(0);
    memset(ret, 0, sizeof *ret);
    ret->number = 1;
    ret->genesis_ms = HELP_GENESIS;
    ret->epoch_ms = epoch_ms;
    ret->n = n;
    ret->threshold = threshold;
    ret->anonymity_floor = 64;
    for (uint8_t i = 0; i < n; i++) keys[i] = help_key(1u + i);
    qsort(keys, n, sizeof *keys, by_public);
    for (uint8_t i = 0; i < n; i++) {
        ret->authority[i].node = crypto_sign_node_id(&keys[i]);
        snprintf(ret->authority[i].addr, VL_ADDR_MAX, "192.0.2.%u:7000", i + 1u);
    }
    must(mix_charter_sign(ret, ret_root));
}

struct mix_descriptor help_relay(uint32_t i, uint64_t epoch) {
    struct crypto_sign_key key = help_key(1000 + i);
    struct mix_descriptor d = { .node = crypto_sign_node_id(&key),
                                .epoch = epoch,
                                .roles = MIX_ROLES_RELAY,
                                .bandwidth = 1000 + i,
                                .rate = 10 * i,
                                .mean_delay_ms = 20 + i };
    fill(d.static_key, 32, 2, i);
    fill(d.mix_key, 32, 3, i + 10000 * (uint32_t)epoch);
    fill(d.vrf_key, 32, 4, i);
    fill(d.family, 16, 5, i / 3);
    snprintf(d.addr, sizeof d.addr, "10.%u.0.1:9000", i % 256);
    if (epoch > MIX_PROOF_AGE) {
        d.proof_epoch = epoch - MIX_PROOF_AGE;
        fill(d.proof, 64, 6, i);
    }
    must(mix_descriptor_sign(&d, &key));
    return d;
}

struct mix_descriptor help_client(uint32_t i, uint64_t epoch, uint32_t provider) {
    struct crypto_sign_key key = help_key(5000 + i), relay = help_key(1000 + provider);
    struct mix_descriptor d = { .node = crypto_sign_node_id(&key),
                                .epoch = epoch,
                                .roles = MIX_ROLE_CLIENT,
                                .provider = crypto_sign_node_id(&relay) };
    fill(d.static_key, 32, 7, i);
    must(mix_descriptor_sign(&d, &key));
    return d;
}

static int by_node(const void *a, const void *b) {
    return memcmp(((const struct mix_client *)a)->node.b, ((const struct mix_client *)b)->node.b, 32);
}

void help_consensus(const struct mix_charter *charter, uint64_t epoch, uint32_t relays, uint32_t clients,
                    struct mix_consensus *ret) {
    static const uint16_t delays[MIX_DELAYS] = { 10, 20, 50, 100, 200, 500, 1000, 2000 };
    *ret = (struct mix_consensus){ .epoch = epoch,
                                   .valid_from = mix_epoch_start(charter, epoch),
                                   .valid_until = mix_epoch_start(charter, epoch + 2),
                                   .next_number = 2 * relays + 1,
                                   .tolerance_permille = 1500,
                                   .anonymity_floor = 64,
                                   .commitments_n = charter->n,
                                   .relays_n = relays,
                                   .clients_n = clients };
    memcpy(ret->delay_ms, delays, sizeof delays);
    fill(ret->previous, 32, 8, 0);
    fill(ret->shared_random, 32, 9, 0);
    for (uint32_t i = 0; i < charter->n; i++) {
        ret->commitment[i].authority = charter->authority[i].node;
        fill(ret->commitment[i].value, 32, 10, i);
    }
    ret->relays = calloc(relays + 1, sizeof *ret->relays);
    ret->clients = calloc(clients + 1, sizeof *ret->clients);
    if (ret->relays == NULL || ret->clients == NULL) abort();
    for (uint32_t i = 0; i < relays; i++) {
        struct mix_descriptor d = help_relay(i, epoch);
        struct mix_relay *r = &ret->relays[i];
        *r = (struct mix_relay){ .number = 2 * i + 1,
                                 .node = d.node,
                                 .roles = d.roles,
                                 .layer = (uint8_t)(i % 3),
                                 .subnet = mix_subnet(d.addr),
                                 .bandwidth = d.bandwidth,
                                 .rate = d.rate,
                                 .mean_delay_ms = d.mean_delay_ms,
                                 .reputation = (uint16_t)(i % 1000),
                                 .proof_epoch = d.proof_epoch };
        memcpy(r->static_key, d.static_key, 32);
        memcpy(r->mix_key, d.mix_key, 32);
        memcpy(r->vrf_key, d.vrf_key, 32);
        memcpy(r->family, d.family, 16);
        memcpy(r->addr, d.addr, sizeof r->addr);
        memcpy(r->proof, d.proof, sizeof r->proof);
    }
    for (uint32_t i = 0; i < clients; i++) {
        fill(ret->clients[i].node.b, 32, 11, i);
        fill(ret->clients[i].static_key, 32, 7, i);
        ret->clients[i].provider = relays ? 1 : 0;
    }
    qsort(ret->clients, clients, sizeof *ret->clients, by_node);
}

void help_consensus_doc(const struct mix_consensus *c, const struct mix_charter *charter,
                        const struct crypto_sign_key *keys, uint32_t mask, struct vl_buf *out) {
    struct mix_statement s = { .kind = MIX_STATEMENT_CONSENSUS, .epoch = c->epoch };
    struct vl_hash hash;
    vl_buf_clear(out);
    must(mix_consensus_encode(c, out));
    crypto_blake2b256(vl_span(out->p, out->len), &hash);
    memcpy(s.hash, hash.b, 32);
    struct pack w = pack_begin(out);
    pack_u8(&w, (uint8_t)__builtin_popcount(mask));
    for (uint8_t i = 0; i < charter->n; i++) {
        if ((mask >> i & 1u) == 0) continue;
        mix_statement_sign(&s, charter, &keys[i]);
        pack_u8(&w, i);
        pack_bytes(&w, s.signature, sizeof s.signature);
    }
    must(pack_end(&w));
}
