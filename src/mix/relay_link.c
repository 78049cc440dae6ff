/* Token buckets, one for each link: integers only, in thousandths of a packet. */
#include "mix/relay_priv.h"

#include "base/map.h"

#include <stdlib.h>

/* ---- a bucket ---- */

static uint64_t full(uint32_t burst) { return (uint64_t)burst * 1000; }

void relay_bucket_fill(struct relay_bucket *b, uint32_t rate, uint32_t burst, vl_ms now) {
    uint64_t room = full(burst) - b->milli, gone = now > b->at ? now - b->at : 0;
    b->milli += gone > room / rate ? room : gone * rate;
    if (now > b->at) b->at = now;
}
bool relay_bucket_take(struct relay_bucket *b) {
    if (b->milli < 1000) return false;
    b->milli -= 1000;
    return true;
}
vl_ms relay_bucket_rest(const struct relay_bucket *b, uint32_t rate, uint32_t burst) {
    uint64_t enough = burst > 1 ? full(burst) / 4 * 3 : 1000;
    return b->milli >= full(burst) / 2 ? 0 : (enough - b->milli + rate - 1) / rate;
}

/* ---- the table of links ---- */

enum vl_err relay_links_init(struct relay_links *l, const struct relay_limits *limits, const uint64_t sip[2]) {
    uint32_t size = 4;
    while (size < 2 * limits->links) size *= 2;
    *l = (struct relay_links){ .v = calloc(limits->links, sizeof *l->v),
                               .table = calloc(size, sizeof *l->table),
                               .mask = size - 1,
                               .cap = limits->links,
                               .oldest = RELAY_NONE,
                               .newest = RELAY_NONE,
                               .free = RELAY_NONE,
                               .rate = limits->link_rate,
                               .burst = limits->link_burst,
                               .sip = { sip[0], sip[1] } };
    return l->v != NULL && l->table != NULL ? VL_OK : VL_ENOMEM;
}
void relay_links_free(struct relay_links *l) {
    free(l->v);
    free(l->table);
    *l = (struct relay_links){ 0 };
}

static uint32_t home(const struct relay_links *l, uint64_t id) {
    return (uint32_t)vl_siphash(l->sip, &id, sizeof id) & l->mask;
}
/* Where the table has that id, or the free place where it belongs; at least half of the places are free. */
static uint32_t find(const struct relay_links *l, uint64_t id) {
    uint32_t at = home(l, id);
    while (l->table[at] != 0 && l->v[l->table[at] - 1].id != id) at = (at + 1) & l->mask;
    return at;
}
/* Takes a place out and closes the gap, so that no search ends too early. */
static void table_remove(struct relay_links *l, uint32_t at) {
    uint32_t gap = at;
    l->table[gap] = 0;
    for (uint32_t i = (gap + 1) & l->mask; l->table[i] != 0; i = (i + 1) & l->mask) {
        uint32_t want = home(l, l->v[l->table[i] - 1].id);
        if (((i - want) & l->mask) < ((i - gap) & l->mask)) continue; /* it would stand before its home */
        l->table[gap] = l->table[i];
        l->table[i] = 0;
        gap = i;
    }
}

static void chain_remove(struct relay_links *l, uint32_t i) {
    struct relay_link *k = &l->v[i];
    *(k->older == RELAY_NONE ? &l->oldest : &l->v[k->older].newer) = k->newer;
    *(k->newer == RELAY_NONE ? &l->newest : &l->v[k->newer].older) = k->older;
}
static void chain_add(struct relay_links *l, uint32_t i) {
    l->v[i].older = l->newest;
    l->v[i].newer = RELAY_NONE;
    *(l->newest == RELAY_NONE ? &l->oldest : &l->v[l->newest].newer) = i;
    l->newest = i;
}
static void forget(struct relay_links *l, uint32_t i) {
    table_remove(l, find(l, l->v[i].id));
    chain_remove(l, i);
    l->v[i].older = l->free;
    l->free = i;
}
static bool is_full(struct relay_links *l, uint32_t i, vl_ms now) {
    relay_bucket_fill(&l->v[i].bucket, l->rate, l->burst, now);
    return l->v[i].bucket.milli == full(l->burst);
}

static uint32_t unused(struct relay_links *l, vl_ms now) {
    if (l->free == RELAY_NONE && l->n < l->cap) return l->n++;
    if (l->free == RELAY_NONE && is_full(l, l->oldest, now)) forget(l, l->oldest);
    uint32_t i = l->free;
    if (i != RELAY_NONE) l->free = l->v[i].older;
    return i;
}

struct relay_bucket *relay_links_get(struct relay_links *l, uint64_t id, vl_ms now) {
    uint32_t at = find(l, id), i;
    if (l->table[at] != 0) {
        i = l->table[at] - 1;
        chain_remove(l, i);
    } else {
        i = unused(l, now);
        if (i == RELAY_NONE) return NULL;
        l->v[i] = (struct relay_link){ .id = id, .bucket = { .milli = full(l->burst), .at = now } };
        l->table[find(l, id)] = i + 1; /* again: forgetting another may have moved the place */
    }
    chain_add(l, i);
    relay_bucket_fill(&l->v[i].bucket, l->rate, l->burst, now);
    return &l->v[i].bucket;
}

void relay_links_gone(struct relay_links *l, uint64_t id, vl_ms now) {
    uint32_t at = find(l, id);
    if (l->table[at] != 0 && is_full(l, l->table[at] - 1, now)) forget(l, l->table[at] - 1);
}
