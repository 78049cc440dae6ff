/* Facts of the fog's cores, each a row (kind, key, sequence) of one table of the store. */
#include "brain/priv.h"

/* What is given back at start, by kind; kinds without a row are views, or of a part that this member does not play. */
struct item_kind {
    enum record_item kind;
    enum vl_err (*restore)(struct brain *b, const struct record *r);
};
static const struct item_kind kinds[] = {
    { ITEM_HARVEST, harvest_item },
    { ITEM_SESSION, harvest_session_restore },
    { ITEM_AGREEMENT, quorum_restore_agreement },
    { ITEM_UPTIME, quorum_restore_uptime },
    { ITEM_REPUTATION, standing_restore },
    { ITEM_VERIFY, verify_restore },
    { ITEM_LOG_HEAD, receipts_restore },
    { ITEM_HELD, held_restore },
    { ITEM_STANDING, conduct_restore },
    { ITEM_RATE, bench_restore },
    { ITEM_MARKET, trade_restore },
    { ITEM_ATTESTED, attest_restore },
    { ITEM_TOPOLOGY, topo_restore },
    { ITEM_WITNESS, witness_restore },
    { ITEM_ANCHOR, chain_restore },
    { ITEM_SUCCESSION, keys_restore },
};

void item_put(struct brain *b, enum record_item kind, const uint8_t key[32], uint64_t seq, struct vl_span bytes) {
    struct record *r = record_add(b, RECORD_ITEM, key, 32, (struct vl_span){ 0 }, bytes);
    r->state = (int32_t)kind;
    r->number = seq;
    r->at_ms = b->now;
}

void item_remove(struct brain *b, enum record_item kind, const uint8_t key[32], uint64_t seq) {
    struct record *r = record_add(b, RECORD_ITEM, key, 32, (struct vl_span){ 0 }, (struct vl_span){ 0 });
    r->state = (int32_t)kind;
    r->number = seq;
    r->remove = true;
}

enum vl_err item_restore(struct brain *b, const struct record *r) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].restore != NULL && (int32_t)kinds[i].kind == r->state) return kinds[i].restore(b, r);
    return VL_OK;
}
