#include "wire/succession.h"

#include <string.h>

#define VERSION 1u

void succession_body(const struct succession *s, uint8_t ret[SUCCESSION_BODY]) {
    struct vl_writer w = vl_writer(ret, SUCCESSION_BODY);
    vl_write_u8(&w, VERSION);
    vl_write_bytes(&w, s->village.b, sizeof s->village.b);
    vl_write_bytes(&w, s->old.b, 32);
    vl_write_bytes(&w, s->next.b, 32);
    vl_write_bytes(&w, s->static_key, 32);
    vl_write_u64(&w, s->at_ms);
}

void succession_encode(const struct succession *s, uint8_t ret[SUCCESSION_BYTES]) {
    succession_body(s, ret);
    memcpy(ret + SUCCESSION_BODY, s->by_old, 64);
    memcpy(ret + SUCCESSION_BODY + 64, s->by_next, 64);
}

enum vl_err succession_decode(struct vl_span in, struct succession *ret) {
    struct succession s;
    struct vl_reader r = vl_reader(in.p, in.n);
    uint8_t version = vl_read_u8(&r);
    if (!r.failed && version != VERSION) return VL_EVERSION;
    vl_read_bytes(&r, s.village.b, sizeof s.village.b);
    vl_read_bytes(&r, s.old.b, 32);
    vl_read_bytes(&r, s.next.b, 32);
    vl_read_bytes(&r, s.static_key, 32);
    s.at_ms = vl_read_u64(&r);
    vl_read_bytes(&r, s.by_old, 64);
    vl_read_bytes(&r, s.by_next, 64);
    if (vl_reader_end(&r) || vl_node_eq(s.old, s.next)) return VL_EPARSE;
    *ret = s;
    return VL_OK;
}
