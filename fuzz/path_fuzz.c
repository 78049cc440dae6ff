/* Any consensus, and any list of events on it: guards that are reached or not, time, paths of every kind and level,
 * headers.  Every path given keeps every rule of path.h; header paths lead through listed relays; counters balance. */
#include "crypto/random.h"
#include "mix/path.h"

#include <stdlib.h>
#include <string.h>

enum { RELAYS = 64, CLIENTS = 4, RELAY_BYTES = 5 };
#define NOW 1700000000000ull

static struct mix_relay relays[RELAYS];
static struct mix_client clients[CLIENTS];
static struct mix_consensus c;
static uint32_t takes; /* left: each may build eight headers, which is slow */
static const struct vl_node_id self = { { 200, 1 } };

static size_t consensus(const uint8_t *p, size_t n) {
    static const uint32_t rates[4] = { 0, 3, 64, 100000 };
    if (n < 6) return 0;
    uint32_t count = p[0] % (RELAYS + 1);
    if (count > (n - 6) / RELAY_BYTES) count = (uint32_t)((n - 6) / RELAY_BYTES);
    c = (struct mix_consensus){ .epoch = p[1],
                                .valid_from = NOW,
                                .valid_until = NOW + 3600000,
                                .relays_n = count,
                                .clients_n = CLIENTS,
                                .relays = relays,
                                .clients = clients,
                                .anonymity_floor = p[1] };
    for (size_t i = 0; i < MIX_DELAYS; i++) c.delay_ms[i] = (uint16_t)(130 * (i + 1));
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *r = p + 6 + i * RELAY_BYTES;
        relays[i] = (struct mix_relay){ .number = i + 1,
                                        .node = { { (uint8_t)(i + 1) } },
                                        .roles = r[0] & 15u,
                                        .layer = (uint8_t)((r[0] >> 4) % 3),
                                        .subnet = r[1] % 16,
                                        .bandwidth = r[2] == 255 ? UINT32_MAX : r[2],
                                        .rate = rates[r[3] & 3u],
                                        .reputation = (uint16_t)(r[3] < 16 ? 0 : r[4] * 3) };
        memset(relays[i].family, r[1] >> 4, 16);
        relays[i].mix_key[0] = 9;
        if (r[4] == 77 && (i == 0 || !vl_node_eq(relays[i - 1].node, self))) relays[i].node = self;
    }
    for (uint32_t i = 0; i < CLIENTS; i++)
        clients[i] = (struct mix_client){ .node = { { (uint8_t)(197 + i) } }, .provider = p[2 + i] };
    clients[CLIENTS - 1].node = self;
    for (uint32_t i = 0, seen = 0; i < count; i++) /* one of us at most */
        if (vl_node_eq(relays[i].node, self) && seen++ > 0)
            relays[i].node.b[0] = (uint8_t)(i + 1), relays[i].node.b[1] = 0;
    return 6 + (size_t)count * RELAY_BYTES;
}

static bool conflict(const struct mix_relay *a, const struct mix_relay *b) {
    static const uint8_t none[16] = { 0 };
    return vl_node_eq(a->node, b->node) || (a->subnet != 0 && a->subnet == b->subnet) ||
           (memcmp(a->family, none, 16) != 0 && memcmp(a->family, b->family, 16) == 0);
}

static void check(const struct sphinx_path *path, enum mix_level level, bool guard_first, bool ends_may_meet) {
    uint32_t n = path->n;
    if (n != mix_level_hops(level) || n == 0) abort();
    for (uint32_t i = 0; i < n; i++) {
        if (path->hop[i].node == 0 || path->hop[i].node > c.relays_n) abort();
        const struct mix_relay *r = &relays[path->hop[i].node - 1];
        bool own = vl_node_eq(r->node, self);
        if (own && !(i == n - 1 && ends_may_meet)) abort();
        if (!own && (r->reputation == 0 || (r->roles & 7) == 0)) abort();
        if (!own && r->rate != 0 && r->rate * path->hop[i].delay_ms < 1000ull * c.anonymity_floor) abort();
        if (i > 0 && i < n - 1 && (r->roles & MIX_ROLE_MIX) == 0) abort();
        if (i == 0 && n > 1 && guard_first && (r->roles & MIX_ROLE_GUARD) == 0) abort();
        if (path->hop[i].delay_ms != path->hop[0].delay_ms || path->hop[i].key_id != (uint8_t)c.epoch) abort();
        for (uint32_t k = 0; k < i; k++)
            if (conflict(r, &relays[path->hop[k].node - 1]) && !(ends_may_meet && k == 0 && i == n - 1)) abort();
    }
}

static void take(struct paths *p, vl_ms now, uint8_t what, enum mix_level level) {
    struct sphinx_prebuilt h;
    uint32_t sum = 0;
    if (takes == 0) return;
    takes--;
    if (paths_take(p, now, (enum paths_use)(what % 3), level, clients[what % CLIENTS].node, &h, &sum)) return;
    if (h.n != mix_level_hops(level) || h.first == 0 || h.first > c.relays_n || sum == 0) abort();
    sphinx_prebuilt_wipe(&h);
}

static void event(struct paths *p, vl_ms now, const uint8_t e[2]) {
    struct sphinx_path path;
    struct vl_errmsg msg;
    static const uint8_t id[16] = { 1 };
    enum mix_level level = (enum mix_level)(1 + e[1] % 4);
    uint16_t mean = 0;
    switch (e[0] % 8) {
    case 0:
        paths_guard_result(p, now, e[1] >> 1, e[1] & 1u);
        break;
    case 1:
        if (paths_to_client(p, now, level, clients[(e[1] >> 2) % CLIENTS].node, &path, &msg) == VL_OK)
            check(&path, level, true, false);
        break;
    case 2:
        if (paths_reply(p, now, level, clients[(e[1] >> 2) % CLIENTS].node, id, &path, &msg) == VL_OK)
            check(&path, level, false, true);
        break;
    case 3:
        if (paths_loop(p, now, level, 0, &path) == VL_OK) check(&path, level, true, true);
        break;
    case 4: {
        enum vl_err can = paths_level(p, now, level, &mean, &msg), err = paths_drop(p, now, level, &path);
        if (can != err) abort();
        if (err == VL_OK) check(&path, level, true, false);
        if (err == VL_OK && path.hop[0].delay_ms > mean) abort();
        break;
    }
    case 5:
        take(p, now, e[1] >> 2, level);
        break;
    case 6:
        paths_consensus(p, now, &c);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const uint8_t seed[32] = { 3 };
    struct paths *paths = NULL;
    size_t at = consensus(p, n);
    if (at == 0 || crypto_init() || paths_create(seed, self, &paths)) return 0;
    vl_ms now = NOW;
    takes = 3;
    paths_consensus(paths, now, &c);
    for (size_t i = 0; at + 2 <= n && i < 60; i++, at += 2) {
        event(paths, now, p + at);
        now += (vl_ms)(p[at] >> 3) * 1000;
        struct paths_stats s = paths_stats(paths);
        if (s.built != s.taken + s.expired + s.ready) abort();
    }
    paths_destroy(paths);
    return 0;
}
