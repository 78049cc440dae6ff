/* A member's side of the market: it asks what its owner told it to ask, seals that, and opens it when called to.
 * Its bid is durable before the seal leaves, so that a restart, perhaps with another price, opens what was sealed. */
#include "brain/trade_priv.h"

#include "crypto/hash.h"
#include "wire/market.h"
#include "wire/pack.h"

#include <string.h>

enum { TAG_OWN = 0x7b, VERSION = 1 };

/* Nobody else can guess it, and nothing of it need be kept: a keyed hash of the auction. */
static void salt_of(const struct brain *b, struct vl_hash auction, uint8_t ret[MARKET_SALT]) {
    crypto_blake2b_keyed(vl_span(auction.b, sizeof auction.b), vl_span(b->cfg.sign_seed, sizeof b->cfg.sign_seed),
                         "village-bid-salt", ret, MARKET_SALT);
}

static void own_put(struct brain *b, const struct own_bid *o) {
    struct vl_buf buf;
    vl_buf_init(&buf, 64);
    struct pack w = pack_message(&buf, TAG_OWN, VERSION);
    pack_u64(&w, o->bid);
    pack_u64(&w, o->until_ms);
    if (pack_end(&w))
        out_of_memory(b);
    else
        item_put(b, ITEM_MARKET, o->auction.b, 0, vl_span(buf.p, buf.len));
    vl_buf_free(&buf);
}

static void own_drop(struct brain *b, struct own_bid *o) {
    item_remove(b, ITEM_MARKET, o->auction.b, 0);
    o->used = false;
}

static struct own_bid *own_find(struct brain *b, struct vl_hash auction) {
    for (uint32_t i = 0; i < TRADE_OWN_BIDS_MAX; i++)
        if (b->trade->own[i].used && vl_hash_eq(b->trade->own[i].auction, auction)) return &b->trade->own[i];
    return NULL;
}

/* A free place, or that of a bid whose auction must be over: twice the longest time an auction may run. */
static struct own_bid *own_place(struct brain *b) {
    for (uint32_t i = 0; i < TRADE_OWN_BIDS_MAX; i++) {
        struct own_bid *o = &b->trade->own[i];
        if (o->used && vl_ms_add(o->until_ms, 2ull * MARKET_DURATION_MAX_MS) < b->now) own_drop(b, o);
        if (!o->used) return o;
    }
    return NULL;
}

enum vl_err bid_restore(struct brain *b, const struct record *r) {
    struct vl_reader in = vl_reader(r->bytes.p, r->bytes.n);
    struct own_bid o = { .used = true }, *at = own_place(b);
    enum vl_err err = unpack_message(&in, TAG_OWN, VERSION);
    memcpy(o.auction.b, r->key, sizeof o.auction.b);
    o.bid = vl_read_u64(&in);
    o.until_ms = vl_read_u64(&in);
    if (err == VL_OK) err = vl_reader_end(&in);
    if (err == VL_OK && at) *at = o;
    return err;
}

/* Nobody who cannot do the work, or only at a loss, takes part. */
void bid_called(struct brain *b, struct vl_span bytes) {
    struct market_call m;
    struct vl_buf buf;
    if (market_call_decode(bytes, &m)) {
        b->counters.messages_bad++;
        return;
    }
    uint64_t bid = price_of_work(b->cfg.caps.ask ? b->cfg.caps.ask : m.hour_price, m.quantity);
    struct own_bid *o = own_find(b, m.auction) ? NULL : own_place(b);
    if (o == NULL || b->cfg.caps.slots == 0 || b->features == 0 || bid > m.reserve) return;
    *o = (struct own_bid){ .auction = m.auction, .bid = bid, .until_ms = m.until_ms, .used = true };
    own_put(b, o);
    struct market_seal_msg seal = { .auction = m.auction };
    uint8_t salt[MARKET_SALT];
    salt_of(b, m.auction, salt);
    seal.seal = market_seal(m.auction, b->self, bid, salt);
    vl_buf_init(&buf, 128);
    enum vl_err err = market_seal_encode(&seal, &buf);
    if (err == VL_OK)
        err = message_send(b, b->coordinator, MIX_OFF, MSG_MARKET_SEAL, ENVELOPE_HIGH, vl_span(buf.p, buf.len), NULL);
    if (err) own_drop(b, o);
    vl_buf_free(&buf);
}

void bid_open(struct brain *b, struct vl_span bytes) {
    struct market_open_msg m;
    struct vl_buf buf;
    if (market_open_decode(bytes, &m)) {
        b->counters.messages_bad++;
        return;
    }
    const struct own_bid *o = own_find(b, m.auction);
    if (o == NULL) return;
    struct market_show_msg show = { .auction = m.auction, .bid = o->bid };
    salt_of(b, m.auction, show.salt);
    vl_buf_init(&buf, 128);
    enum vl_err err = market_show_encode(&show, &buf);
    if (err == VL_OK)
        err = message_send(b, b->coordinator, MIX_OFF, MSG_MARKET_SHOW, ENVELOPE_HIGH, vl_span(buf.p, buf.len), NULL);
    if (err) note(b, err, b->coordinator, "a bid could not be opened");
    vl_buf_free(&buf);
}

void bid_awarded(struct brain *b, struct vl_span bytes) {
    struct market_award_msg m;
    if (market_award_decode(bytes, &m)) {
        b->counters.messages_bad++;
        return;
    }
    struct own_bid *o = own_find(b, m.auction);
    if (o == NULL) return;
    note(b, VL_OK, b->coordinator, m.won ? "this node won an auction" : "this node lost an auction");
    own_drop(b, o);
}
