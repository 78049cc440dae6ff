/* registry_standing.c - what a coordinator remembers of a node's conduct across its own restart: breaker, flapping, belief. */
#include "fog/registry.h"

#include "wire/pack.h"

enum { TAG_STANDING = 0x41, STANDING_VERSION = 1 };

bool registry_standing_blank(const struct node_record *n) {
    return !n->breaker.open && n->flaps == 0 && n->window.slots == 0 && n->window.memory == 0 && !n->window.lacked;
}

enum vl_err registry_standing_encode(const struct node_record *n, struct vl_buf *out) {
    struct pack w = pack_message(out, TAG_STANDING, STANDING_VERSION);
    pack_bool(&w, n->breaker.open);
    pack_u32(&w, n->breaker.wait_ms);
    pack_u64(&w, n->breaker.until);
    pack_u32(&w, n->flaps);
    pack_u64(&w, n->flap_ms);
    pack_u64(&w, n->hold_until_ms);
    pack_u32(&w, n->window.slots);
    pack_u64(&w, n->window.memory);
    pack_bool(&w, n->window.lacked);
    pack_u64(&w, n->window.cut_ms);
    return pack_end(&w);
}

enum vl_err registry_standing_decode(struct vl_span in, struct node_record *n) {
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = unpack_message(&r, TAG_STANDING, STANDING_VERSION);
    if (err) return err;
    /* Of a closed breaker nothing is kept: results are written down when they change its state, not one by one. */
    struct breaker b = { .open = unpack_bool(&r) };
    b.wait_ms = unpack_u32_in(&r, 0, BREAKER_WAIT_MAX_MS);
    b.until = vl_read_u64(&r);
    unpack_require(&r, b.open ? b.wait_ms > 0 : b.wait_ms == 0 && b.until == 0);
    uint32_t flaps = unpack_u32_in(&r, 0, REGISTRY_FLAPS_MAX);
    vl_ms flap_ms = vl_read_u64(&r), hold_until_ms = vl_read_u64(&r);
    struct window window = { .slots = unpack_u32_in(&r, 0, NODE_SLOTS_MAX) };
    window.memory = vl_read_u64(&r);
    window.lacked = unpack_bool(&r);
    window.cut_ms = vl_read_u64(&r);
    err = vl_reader_end(&r);
    if (err) return err;
    n->breaker = b;
    n->flaps = flaps;
    n->flap_ms = flap_ms;
    n->hold_until_ms = hold_until_ms;
    n->window = window;
    return VL_OK;
}
