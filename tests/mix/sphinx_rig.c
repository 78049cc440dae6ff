#include "mix/sphinx_rig.h"

#include "crypto/random.h"
#include "crypto/x25519_batch.h"

#include "check.h"

#include <string.h>

void sphinx_rig_init(struct sphinx_rig *r, const char *seed) {
    uint8_t full[CRYPTO_DRBG_SEED] = { 0 }, secret[SPHINX_HOPS_MAX][32], public[SPHINX_HOPS_MAX][32];
    CHECK_OK(crypto_init());
    memcpy(full, seed, strlen(seed));
    crypto_drbg_init(&r->rng, full);
    crypto_drbg_bytes(&r->rng, secret, sizeof secret);
    crypto_x25519_base_batch((const uint8_t(*)[32])secret, public, SPHINX_HOPS_MAX);
    for (uint32_t i = 0; i < SPHINX_HOPS_MAX; i++) {
        memcpy(r->key[i].secret, secret[i], 32);
        memcpy(r->key[i].public, public[i], 32);
        r->key[i].key_id = (uint8_t)(10 + i);
    }
}

struct sphinx_path sphinx_rig_path(const struct sphinx_rig *r, uint32_t n, enum sphinx_command command) {
    struct sphinx_path p = { .n = n, .end = { .command = command, .flags = 0x5a } };
    for (uint32_t i = 0; i < n; i++) {
        p.hop[i] =
            (struct sphinx_hop){ .node = 100 + i, .key_id = r->key[i].key_id, .delay_ms = (uint16_t)(20 + 1000 * i) };
        memcpy(p.hop[i].key, r->key[i].public, 32);
    }
    if (command == SPHINX_DELIVER) p.end.service = 0xfedcba98;
    if (command != SPHINX_DROP) memset(p.end.recipient, 0xa5, sizeof p.end.recipient);
    if (command == SPHINX_REPLY) memset(p.end.surb_id, 0xc3, sizeof p.end.surb_id);
    return p;
}

enum sphinx_verdict sphinx_rig_open(const struct sphinx_rig *r, uint32_t i, uint8_t *packet, struct sphinx_work *ret) {
    *ret = (struct sphinx_work){ .packet = packet };
    ret->verdict = sphinx_glance(packet, &r->key[i], 1, &ret->key);
    sphinx_open(ret, 1, &r->key[i]);
    return ret->verdict;
}

enum sphinx_verdict sphinx_rig_pass(const struct sphinx_rig *r, uint32_t i, uint8_t *packet, struct sphinx_work *ret) {
    (void)sphinx_rig_open(r, i, packet, ret);
    sphinx_peel(ret, 1);
    return ret->verdict;
}

void sphinx_rig_body(struct sphinx_rig *r, size_t n, uint8_t body[SPHINX_BODY]) {
    uint8_t data[SPHINX_DATA_MAX];
    crypto_drbg_bytes(&r->rng, data, n);
    CHECK_OK(sphinx_body(7, vl_span(data, n), body));
}
