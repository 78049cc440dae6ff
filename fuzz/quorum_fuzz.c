/* Labels, prices and uptimes come from nodes: whatever they say, the choice keeps its own rules. */
#include "fog/quorum.h"

#include <stdlib.h>
#include <string.h>

#define MAX 40u

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    struct quorum_node v[MAX];
    struct quorum_ask ask = { .least = 1, .most = QUORUM_NODES_MAX, .beta = quorum_beta_default() };
    struct quorum_choice c;
    uint32_t count = 0;
    if (n < 4) return 0;
    ask.tier = (enum sla_tier)(1 + p[0] % 4);
    ask.majority = p[1] & 1;
    ask.spread_set = p[1] & 2;
    ask.spread = (enum domain)(p[1] / 4 % DOMAINS);
    ask.most = 1 + p[2] % QUORUM_NODES_MAX;
    ask.least = 1 + p[3] % ask.most;
    for (size_t i = 4; i + 7 < n && count < MAX; i += 8, count++) {
        v[count] = (struct quorum_node){ .id = { { (uint8_t)count } }, .price = (uint64_t)p[i] << (p[i + 1] & 31) };
        v[count].avail_ppb = QUORUM_ONE - (uint32_t)p[i + 2] * (p[i + 3] << 8);
        for (uint32_t d = 0; d < DOMAINS; d++) v[count].domain[d] = p[i + 4 + d / 3] >> d % 3 * 2 & 3;
    }
    if (quorum_choose(&ask, v, count, &c)) abort();
    if (c.ok != (c.why[0] == '\0') || memchr(c.why, '\0', sizeof c.why) == NULL) abort();
    if (c.ok && (c.n < ask.least || c.n > ask.most)) abort();
    if (c.n > 0 && c.avail_ppb != quorum_avail_ppb(quorum_down(v, c.node, c.n, ask.majority, &ask.beta, NULL))) abort();
    if (c.ok && c.avail_ppb < quorum_tier(ask.tier).promise_ppb) abort();
    for (uint32_t i = 1; i < c.n; i++)
        if (c.node[i - 1] >= c.node[i] || c.node[i] >= count) abort();
    return 0;
}
