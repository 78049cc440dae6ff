/* What a member knows of itself and its village between two starts: root key, coordinator, certificate. */
#include "brain/priv.h"

#include <string.h>

#define IDENTITY_VERSION 1u

void identity_record(struct brain *b) {
    uint8_t p[1 + 32 + 32 + 32 + 2 + HTX_CERT_MAX + 1 + VL_ADDR_MAX];
    struct vl_writer w = vl_writer(p, sizeof p);
    size_t addr = strlen(b->home.addr);
    vl_write_u8(&w, IDENTITY_VERSION);
    vl_write_bytes(&w, b->cfg.root_key, 32);
    vl_write_bytes(&w, b->coordinator.b, 32);
    vl_write_bytes(&w, b->home.static_key, 32);
    vl_write_u16(&w, (uint16_t)b->certificate_n);
    vl_write_bytes(&w, b->certificate, b->certificate_n);
    vl_write_u8(&w, (uint8_t)addr);
    vl_write_bytes(&w, b->home.addr, addr);
    record_add(b, RECORD_IDENTITY, NULL, 0, (struct vl_span){ 0 }, vl_span(p, w.len));
}

enum vl_err identity_restore(struct brain *b, struct vl_span bytes) {
    struct vl_reader r = vl_reader(bytes.p, bytes.n);
    uint8_t root[32], stat[32];
    struct vl_node_id node;
    if (vl_read_u8(&r) != IDENTITY_VERSION) return VL_EVERSION;
    vl_read_bytes(&r, root, sizeof root);
    vl_read_bytes(&r, node.b, sizeof node.b);
    vl_read_bytes(&r, stat, sizeof stat);
    struct vl_span cert = vl_read_span(&r, vl_read_u16(&r));
    struct vl_span addr = vl_read_span(&r, vl_read_u8(&r));
    if (vl_reader_end(&r) || cert.n > HTX_CERT_MAX || addr.n >= VL_ADDR_MAX || b->cfg.coordinator) return VL_ECORRUPT;
    memcpy(b->cfg.root_key, root, sizeof root);
    memcpy(b->home.static_key, stat, sizeof stat);
    b->coordinator = b->home.node = node;
    b->home.known = true;
    memcpy(b->certificate, cert.p, cert.n);
    b->certificate_n = cert.n;
    memcpy(b->home.addr, addr.p, addr.n);
    b->home.addr[addr.n] = '\0';
    b->member = cert.n > 0;
    roster_destroy(b->roster);
    b->roster = roster_create(village_id_of(root));
    if (b->roster == NULL) return VL_ENOMEM;
    return htx_set_certificate(b->htx, vl_span(b->certificate, b->certificate_n));
}


enum vl_err brain_identity_adopt(struct vl_span identity, struct vl_span heir, struct vl_node_id self, struct vl_buf *out,
                                 struct vl_node_id *ret_old) {
    struct vl_reader r = vl_reader(identity.p, identity.n);
    struct cert cert, next;
    uint8_t n[2];
    if (vl_read_u8(&r) != IDENTITY_VERSION) return VL_EVERSION;
    struct vl_span before = vl_read_span(&r, 96);
    struct vl_span own = vl_read_span(&r, vl_read_u16(&r));
    struct vl_span after = r.failed ? (struct vl_span){ 0 } : vl_span(r.p, r.n);
    if (r.failed) return VL_ECORRUPT;
    if (own.n == 0) return VL_OK; /* not a member yet: nothing was ever signed for this key */
    if (cert_decode(own, &cert)) return VL_ECORRUPT;
    if (vl_node_eq(cert.node, self)) return VL_OK;
    if (heir.n == 0 || heir.n > HTX_CERT_MAX || cert_decode(heir, &next) || !vl_node_eq(next.node, self)) return VL_ESTALE;
    *ret_old = cert.node;
    vl_put_u16(n, (uint16_t)heir.n);
    enum vl_err err = vl_buf_append(out, &(uint8_t){ IDENTITY_VERSION }, 1);
    if (err == VL_OK) err = vl_buf_append(out, before.p, before.n);
    if (err == VL_OK) err = vl_buf_append(out, n, sizeof n);
    if (err == VL_OK) err = vl_buf_append(out, heir.p, heir.n);
    return err ? err : vl_buf_append(out, after.p, after.n);
}
