#include "wire/node_keys.h"

#include <string.h>

#define OLD_BYTES 98u

void node_keys_put(const struct node_keys *k, uint8_t ret[NODE_KEYS_BYTES]) {
    static const uint8_t none[32];
    struct vl_writer w = vl_writer(ret, NODE_KEYS_BYTES);
    vl_write_u8(&w, 2);
    vl_write_u8(&w, k->coordinator);
    vl_write_bytes(&w, k->sign_seed, 32);
    vl_write_bytes(&w, k->link_secret, 32);
    vl_write_bytes(&w, k->coordinator ? k->root_seed : none, 32);
    vl_write_u64(&w, k->since_ms);
    vl_write_u8(&w, k->has_next);
    vl_write_bytes(&w, k->has_next ? k->next_seed : none, 32);
    vl_write_bytes(&w, k->has_next ? k->next_secret : none, 32);
}

enum vl_err node_keys_get(struct vl_span in, struct node_keys *ret) {
    static const uint8_t none[32];
    struct vl_reader r = vl_reader(in.p, in.n);
    struct node_keys k = { 0 };
    uint8_t version = vl_read_u8(&r);
    if (in.n > 0 && version != 1 && version != 2) return VL_EVERSION;
    if (in.n != (version == 1 ? OLD_BYTES : NODE_KEYS_BYTES)) return VL_EPARSE;
    uint8_t coordinator = vl_read_u8(&r), next = 0;
    vl_read_bytes(&r, k.sign_seed, 32);
    vl_read_bytes(&r, k.link_secret, 32);
    vl_read_bytes(&r, k.root_seed, 32);
    if (version == 2) {
        k.since_ms = vl_read_u64(&r);
        next = vl_read_u8(&r);
        vl_read_bytes(&r, k.next_seed, 32);
        vl_read_bytes(&r, k.next_secret, 32);
    }
    k.coordinator = coordinator == 1;
    k.has_next = next == 1;
    if (vl_reader_end(&r) || coordinator > 1 || next > 1 || (!next && (memcmp(k.next_seed, none, 32) != 0 || memcmp(k.next_secret, none, 32) != 0)) ||
        (!coordinator && memcmp(k.root_seed, none, 32) != 0))
        return VL_EPARSE;
    *ret = k;
    return VL_OK;
}

void node_keys_note_put(const struct node_keys *k, uint8_t ret[NODE_KEYS_NOTE]) {
    vl_put_u64(ret, k->since_ms);
    ret[8] = k->has_next;
}

enum vl_err node_keys_note_get(struct vl_span in, struct node_keys *ret) {
    if (in.n != NODE_KEYS_NOTE || in.p[8] > 1) return VL_EPARSE;
    ret->since_ms = vl_get_u64(in.p);
    ret->has_next = in.p[8] == 1;
    return VL_OK;
}
