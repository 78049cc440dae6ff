#include "village.h"

#include "crypto/dh.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

struct vl_node_id village_node(uint32_t relay) {
    struct vl_node_id id = { { 1, (uint8_t)(relay >> 8), (uint8_t)relay } };
    return id;
}

struct vl_node_id village_self(void) {
    struct vl_node_id id = { { 2, 0xee } };
    return id;
}

void village_init(struct village *v, uint32_t n) {
    static const uint16_t delays[MIX_DELAYS] = { 5, 10, 20, 50, 100, 200, 500, 1000 };
    memset(v, 0, sizeof *v);
    v->c = (struct mix_consensus){ .epoch = 0x12345,
                                   .valid_from = T0,
                                   .valid_until = T0 + 2 * EPOCH,
                                   .anonymity_floor = 64,
                                   .relays_n = n,
                                   .relays = v->relay,
                                   .clients = v->client };
    memcpy(v->c.delay_ms, delays, sizeof delays);
    for (uint32_t i = 0; i < n; i++) {
        struct mix_relay *r = &v->relay[i];
        *r = (struct mix_relay){ .number = 10 * (i + 1),
                                 .node = village_node(i),
                                 .layer = (uint8_t)(i % 3),
                                 .roles = MIX_ROLE_GUARD | MIX_ROLE_MIX | MIX_ROLE_EXIT,
                                 .subnet = i + 1,
                                 .bandwidth = 1000,
                                 .rate = 3200,
                                 .reputation = 500 };
        r->mix_key[0] = 9; /* the base point: no low order */
    }
}

struct vl_node_id village_client(struct village *v, uint8_t name, uint32_t provider) {
    struct mix_client *c = &v->client[v->c.clients_n++];
    c->node = (struct vl_node_id){ { 2, name } };
    c->provider = provider;
    return c->node;
}

struct paths *village_paths(const struct village *v, uint8_t seed) {
    uint8_t bytes[32] = { seed };
    struct paths *p = NULL;
    CHECK_OK(paths_create(bytes, village_self(), &p));
    paths_consensus(p, T0, &v->c);
    return p;
}

const struct mix_relay *village_relay(const struct village *v, uint32_t number) {
    for (uint32_t i = 0; i < v->c.relays_n; i++)
        if (v->relay[i].number == number) return &v->relay[i];
    return NULL;
}

const char *village_conflict(const struct mix_relay *a, const struct mix_relay *b) {
    static const uint8_t none[16] = { 0 };
    if (vl_node_eq(a->node, b->node)) return "node";
    if (memcmp(a->family, none, 16) != 0 && memcmp(a->family, b->family, 16) == 0) return "family";
    if (a->subnet != 0 && a->subnet == b->subnet) return "subnet";
    return NULL;
}
