#include "wire/market.h"

#include "wire/pack.h"

enum { TAG_CALL = 0x74, TAG_SEAL = 0x75, TAG_OPEN = 0x76, TAG_SHOW = 0x77, TAG_AWARD = 0x78 };
enum { VERSION = 1 };

static bool call_ok(const struct market_call *m) {
    return m->tier >= TIER_BRONZE && m->tier <= TIER_PLATINUM && m->units >= 1 && m->quantity >= 1 && m->reserve >= 1 &&
           m->reserve <= TERMS_PRICE_MAX;
}

enum vl_err market_call_encode(const struct market_call *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_CALL, VERSION);
    if (!call_ok(m)) pack_fail(&w, VL_ERANGE);
    pack_bytes(&w, m->auction.b, sizeof m->auction.b);
    pack_u8(&w, (uint8_t)m->tier);
    pack_u32(&w, m->units);
    pack_u64(&w, m->quantity);
    pack_u64(&w, m->reserve);
    pack_u64(&w, m->hour_price);
    pack_bool(&w, m->quality);
    pack_u64(&w, m->until_ms);
    return pack_end(&w);
}

enum vl_err market_call_decode(struct vl_span in, struct market_call *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_CALL, VERSION);
    if (err) return err;
    struct market_call m = { .auction = unpack_hash(&r) };
    m.tier = (enum sla_tier)unpack_u8_in(&r, TIER_BRONZE, TIER_PLATINUM);
    m.units = vl_read_u32(&r);
    m.quantity = vl_read_u64(&r);
    m.reserve = vl_read_u64(&r);
    m.hour_price = vl_read_u64(&r);
    m.quality = unpack_bool(&r);
    m.until_ms = vl_read_u64(&r);
    unpack_require(&r, call_ok(&m));
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

enum vl_err market_seal_encode(const struct market_seal_msg *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_SEAL, VERSION);
    pack_bytes(&w, m->auction.b, sizeof m->auction.b);
    pack_bytes(&w, m->seal.b, sizeof m->seal.b);
    return pack_end(&w);
}

enum vl_err market_seal_decode(struct vl_span in, struct market_seal_msg *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_SEAL, VERSION);
    if (err) return err;
    struct market_seal_msg m = { .auction = unpack_hash(&r) };
    m.seal = unpack_hash(&r);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

enum vl_err market_open_encode(const struct market_open_msg *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_OPEN, VERSION);
    pack_bytes(&w, m->auction.b, sizeof m->auction.b);
    pack_u64(&w, m->until_ms);
    return pack_end(&w);
}

enum vl_err market_open_decode(struct vl_span in, struct market_open_msg *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_OPEN, VERSION);
    if (err) return err;
    struct market_open_msg m = { .auction = unpack_hash(&r) };
    m.until_ms = vl_read_u64(&r);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

enum vl_err market_show_encode(const struct market_show_msg *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_SHOW, VERSION);
    pack_bytes(&w, m->auction.b, sizeof m->auction.b);
    pack_u64(&w, m->bid);
    pack_bytes(&w, m->salt, sizeof m->salt);
    return pack_end(&w);
}

enum vl_err market_show_decode(struct vl_span in, struct market_show_msg *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_SHOW, VERSION);
    if (err) return err;
    struct market_show_msg m = { .auction = unpack_hash(&r) };
    m.bid = vl_read_u64(&r);
    vl_read_bytes(&r, m.salt, sizeof m.salt);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}

enum vl_err market_award_encode(const struct market_award_msg *m, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_AWARD, VERSION);
    if (m->price > TERMS_PRICE_MAX) pack_fail(&w, VL_ERANGE);
    pack_bytes(&w, m->auction.b, sizeof m->auction.b);
    pack_bool(&w, m->won);
    pack_u64(&w, m->price);
    return pack_end(&w);
}

enum vl_err market_award_decode(struct vl_span in, struct market_award_msg *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_AWARD, VERSION);
    if (err) return err;
    struct market_award_msg m = { .auction = unpack_hash(&r) };
    m.won = unpack_bool(&r);
    m.price = unpack_u64_in(&r, 0, TERMS_PRICE_MAX);
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = m;
    return err;
}
