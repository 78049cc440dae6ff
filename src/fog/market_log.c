/* Events of the market as log records. */
#include "fog/market.h"

#include "wire/pack.h"

#include <string.h>

enum { TAG_EVENT = 0x71, VERSION = 1 };

static void order_pack(struct pack *w, const struct market_order *o) {
    if (market_order_check(o, NULL)) {
        pack_fail(w, VL_ERANGE);
        return;
    }
    pack_bytes(w, o->requester.b, sizeof o->requester.b);
    pack_u8(w, (uint8_t)o->tier);
    pack_span8(w, vl_span_str(o->title));
    pack_u32(w, o->units);
    pack_u64(w, o->quantity);
    pack_u64(w, o->reserve);
    pack_u32(w, o->min_providers);
    pack_u64(w, o->duration_ms);
    pack_bool(w, o->quality);
    pack_u64(w, o->period);
    pack_bool(w, o->has_job);
    if (o->has_job) pack_bytes(w, o->job.b, sizeof o->job.b);
}

static struct market_order order_unpack(struct vl_reader *r) {
    struct market_order o = { .requester = unpack_node(r) };
    o.tier = (enum sla_tier)vl_read_u8(r);
    unpack_ascii8(r, o.title, sizeof o.title);
    o.units = vl_read_u32(r);
    o.quantity = vl_read_u64(r);
    o.reserve = vl_read_u64(r);
    o.min_providers = vl_read_u32(r);
    o.duration_ms = vl_read_u64(r);
    o.quality = unpack_bool(r);
    o.period = vl_read_u64(r);
    o.has_job = unpack_bool(r);
    if (o.has_job) o.job = unpack_job(r);
    unpack_require(r, market_order_check(&o, NULL) == VL_OK);
    return o;
}

enum vl_err market_event_encode(const struct market_event *ev, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_EVENT, VERSION);
    pack_u8(&w, (uint8_t)ev->kind);
    pack_u64(&w, ev->now);
    pack_bytes(&w, ev->auction.b, sizeof ev->auction.b);
    switch (ev->kind) {
    case MARKET_EV_OPEN:
        order_pack(&w, &ev->order);
        break;
    case MARKET_EV_BID:
        pack_bytes(&w, ev->node.b, sizeof ev->node.b);
        pack_u64(&w, ev->group);
        if (ev->trust_milli > 1000) pack_fail(&w, VL_ERANGE);
        pack_u32(&w, ev->trust_milli);
        pack_bytes(&w, ev->seal.b, sizeof ev->seal.b);
        break;
    case MARKET_EV_SHOW:
        pack_bytes(&w, ev->node.b, sizeof ev->node.b);
        pack_u64(&w, ev->bid);
        pack_bytes(&w, ev->salt, sizeof ev->salt);
        break;
    case MARKET_EV_ENDED:
        pack_bytes(&w, ev->node.b, sizeof ev->node.b);
        if (ev->share > MARKET_SHARE) pack_fail(&w, VL_ERANGE);
        pack_u32(&w, ev->share);
        break;
    case MARKET_EV_METERED:
        pack_bytes(&w, ev->node.b, sizeof ev->node.b);
        pack_u64(&w, ev->nh);
        break;
    case MARKET_EV_CANCEL:
    case MARKET_EV_ABANDONED:
    case MARKET_EV_WRONG:
        pack_bytes(&w, ev->node.b, sizeof ev->node.b);
        break;
    case MARKET_EV_TICK:
    case MARKET_EV_RESUMED:
        break;
    default:
        pack_fail(&w, VL_ERANGE);
    }
    return pack_end(&w);
}

enum vl_err market_event_decode(struct vl_span in, struct market_event *ret) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_EVENT, VERSION);
    if (err) return err;
    struct market_event ev = { .kind = (enum market_event_kind)unpack_u8_in(&r, MARKET_EV_OPEN, MARKET_EV_RESUMED) };
    ev.now = vl_read_u64(&r);
    ev.auction = unpack_hash(&r);
    if (ev.kind != MARKET_EV_OPEN && ev.kind != MARKET_EV_TICK && ev.kind != MARKET_EV_RESUMED)
        ev.node = unpack_node(&r);
    switch (ev.kind) {
    case MARKET_EV_OPEN:
        ev.order = order_unpack(&r);
        break;
    case MARKET_EV_BID:
        ev.group = vl_read_u64(&r);
        ev.trust_milli = unpack_u32_in(&r, 0, 1000);
        ev.seal = unpack_hash(&r);
        break;
    case MARKET_EV_SHOW:
        ev.bid = vl_read_u64(&r);
        vl_read_bytes(&r, ev.salt, sizeof ev.salt);
        break;
    case MARKET_EV_ENDED:
        ev.share = unpack_u32_in(&r, 0, MARKET_SHARE);
        break;
    case MARKET_EV_METERED:
        ev.nh = vl_read_u64(&r);
        break;
    case MARKET_EV_CANCEL:
    case MARKET_EV_ABANDONED:
    case MARKET_EV_WRONG:
    case MARKET_EV_TICK:
    case MARKET_EV_RESUMED:
        break;
    }
    err = vl_reader_end(&r);
    if (err == VL_OK) *ret = ev;
    return err;
}
