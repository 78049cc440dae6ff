/* The stored state of guards.  What is taken encodes to the same bytes; and whatever it says, a member that begins with
 * it finds a guard among the relays of the consensus, and stores a state that can be read again.  The first byte says
 * how many relays there are, and which of them the state is made to name. */
#include "mix/guard.h"
#include "mix/path.h"

#include <stdlib.h>
#include <string.h>

enum { RELAYS = 70 };
#define NOW 1700000000000ull

static struct mix_relay relays[RELAYS];

static void consensus(struct mix_consensus *c, uint32_t n) {
    *c = (struct mix_consensus){
        .epoch = 7, .valid_from = NOW, .valid_until = NOW + 3600000, .relays_n = n, .relays = relays
    };
    for (size_t i = 0; i < MIX_DELAYS; i++) c->delay_ms[i] = (uint16_t)(100 * (i + 1));
    for (uint32_t i = 0; i < n; i++)
        relays[i] = (struct mix_relay){ .number = i + 1,
                                        .node = { { (uint8_t)(i + 1) } },
                                        .bandwidth = 1,
                                        .reputation = 1,
                                        .roles = MIX_ROLE_GUARD | MIX_ROLE_MIX | MIX_ROLE_EXIT };
}

static void live(struct paths *p, uint32_t n) {
    struct mix_consensus c;
    struct guards g;
    struct vl_buf buf;
    bool changed;
    consensus(&c, n);
    vl_ms now = NOW;
    for (int round = 0; round < 4; round++, now += 40 * GUARD_DAY_MS) {
        paths_consensus(p, now, &c);
        uint32_t guard = paths_guard(p, now);
        if (guard == 0 || guard > n) abort();
        paths_guard_result(p, now, guard, round % 2 == 0);
    }
    vl_buf_init(&buf, 65536);
    if (paths_guards_save(p, &buf, &changed) || guards_decode(vl_span(buf.p, buf.len), &g)) abort();
    if (g.n > GUARD_SAMPLE_MAX || g.confirmed_n > g.n) abort();
    vl_buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    static const uint8_t seed[32] = { 1 };
    static const struct vl_node_id self = { { 0, 1 } };
    struct paths *paths = NULL;
    struct guards g;
    struct vl_buf buf;
    if (n == 0) return 0;
    struct vl_span state = vl_span(p + 1, n - 1);
    enum vl_err err = guards_decode(state, &g);
    if (err != VL_OK && err != VL_ECORRUPT) abort();
    if (err == VL_OK) {
        vl_buf_init(&buf, 65536);
        if (guards_encode(&g, &buf) || !vl_span_eq(state, vl_span(buf.p, buf.len))) abort();
        vl_buf_free(&buf);
    }
    if (paths_create(seed, self, &paths)) return 0;
    if (paths_guards_restore(paths, state) != err) abort();
    live(paths, 1 + p[0] % RELAYS);
    paths_destroy(paths);
    return 0;
}
