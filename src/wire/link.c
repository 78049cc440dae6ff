#include "wire/link.h"

#include "link.pb.h"
#include "wire/canon.h"

#include <string.h>

static bool known(uint8_t kind) {
    return (kind >= LINK_HEARTBEAT && kind <= LINK_DRAW) || (kind >= LINK_ATTEST_ASK && kind <= LINK_ATTEST_SECRET) ||
           kind == LINK_SUCCEED || kind == LINK_SUCCEED_REPLY;
}

enum vl_err link_split(struct vl_span msg, enum link_kind *ret_kind, struct vl_span *ret_body) {
    if (msg.n == 0 || !known(msg.p[0])) return VL_EPARSE;
    *ret_kind = (enum link_kind)msg.p[0];
    *ret_body = vl_span(msg.p + 1, msg.n - 1);
    return VL_OK;
}

static enum vl_err encode(enum link_kind kind, const pb_msgdesc_t *fields, const void *m, struct vl_buf *b) {
    uint8_t k = (uint8_t)kind;
    size_t before = b->len;
    enum vl_err err = vl_buf_append(b, &k, 1);
    if (err == VL_OK) err = canon_append(fields, m, b);
    if (err) b->len = before;
    return err;
}

static enum vl_err decode(struct vl_span body, const pb_msgdesc_t *fields, void *m) {
    enum vl_err err = canon_read(body, fields, m);
    return err ? err : canon_check(body, fields, m);
}

static bool code_known(int32_t code) { return strcmp(vl_err_name((enum vl_err)code), "EUNKNOWN") != 0; }

enum vl_err link_join_encode(const struct link_join *m, struct vl_buf *b) {
    village_v1_JoinRequest p = village_v1_JoinRequest_init_zero;
    if (memchr(m->name, '\0', sizeof m->name) == NULL) return VL_ERANGE;
    memcpy(p.secret, m->secret, sizeof p.secret);
    memcpy(p.static_key, m->static_key, sizeof p.static_key);
    memcpy(p.name, m->name, sizeof p.name);
    p.roles = m->roles;
    return encode(LINK_JOIN, village_v1_JoinRequest_fields, &p, b);
}

enum vl_err link_join_decode(struct vl_span body, struct link_join *ret) {
    village_v1_JoinRequest p = village_v1_JoinRequest_init_zero;
    enum vl_err err = decode(body, village_v1_JoinRequest_fields, &p);
    if (err) return err;
    if (p.name[0] == '\0') return VL_EPARSE;
    *ret = (struct link_join){ .roles = p.roles };
    memcpy(ret->secret, p.secret, sizeof ret->secret);
    memcpy(ret->static_key, p.static_key, sizeof ret->static_key);
    memcpy(ret->name, p.name, sizeof ret->name);
    return VL_OK;
}

enum vl_err link_join_reply_encode(const struct link_join_reply *m, struct vl_buf *b) {
    village_v1_JoinReply p = village_v1_JoinReply_init_zero;
    if (m->cert_len > sizeof m->cert || memchr(m->detail, '\0', sizeof m->detail) == NULL) return VL_ERANGE;
    p.code = m->code;
    memcpy(p.detail, m->detail, sizeof p.detail);
    p.certificate.size = (pb_size_t)m->cert_len;
    memcpy(p.certificate.bytes, m->cert, m->cert_len);
    memcpy(p.root_key, m->root_key, sizeof p.root_key);
    return encode(LINK_JOIN_REPLY, village_v1_JoinReply_fields, &p, b);
}

enum vl_err link_join_reply_decode(struct vl_span body, struct link_join_reply *ret) {
    village_v1_JoinReply p = village_v1_JoinReply_init_zero;
    enum vl_err err = decode(body, village_v1_JoinReply_fields, &p);
    if (err || !code_known(p.code)) return VL_EPARSE;
    *ret = (struct link_join_reply){ .code = (enum vl_err)p.code, .cert_len = p.certificate.size };
    memcpy(ret->detail, p.detail, sizeof ret->detail);
    memcpy(ret->cert, p.certificate.bytes, p.certificate.size);
    memcpy(ret->root_key, p.root_key, sizeof ret->root_key);
    return VL_OK;
}

enum vl_err link_blob_offer_encode(const struct link_blob_offer *m, struct vl_buf *b) {
    village_v1_BlobOffer p = village_v1_BlobOffer_init_zero;
    memcpy(p.hash, m->hash.b, sizeof p.hash);
    p.size = m->size;
    return encode(LINK_BLOB_OFFER, village_v1_BlobOffer_fields, &p, b);
}

enum vl_err link_blob_offer_decode(struct vl_span body, struct link_blob_offer *ret) {
    village_v1_BlobOffer p = village_v1_BlobOffer_init_zero;
    enum vl_err err = decode(body, village_v1_BlobOffer_fields, &p);
    if (err || p.size == 0 || p.size > VL_BLOB_MAX) return VL_EPARSE;
    memcpy(ret->hash.b, p.hash, sizeof p.hash);
    ret->size = p.size;
    return VL_OK;
}

enum vl_err link_blob_have_encode(const struct link_blob_have *m, struct vl_buf *b) {
    village_v1_BlobHave p = village_v1_BlobHave_init_zero;
    memcpy(p.hash, m->hash.b, sizeof p.hash);
    p.code = m->code;
    return encode(LINK_BLOB_HAVE, village_v1_BlobHave_fields, &p, b);
}

enum vl_err link_blob_have_decode(struct vl_span body, struct link_blob_have *ret) {
    village_v1_BlobHave p = village_v1_BlobHave_init_zero;
    enum vl_err err = decode(body, village_v1_BlobHave_fields, &p);
    if (err || !code_known(p.code)) return VL_EPARSE;
    memcpy(ret->hash.b, p.hash, sizeof p.hash);
    ret->code = (enum vl_err)p.code;
    return VL_OK;
}
