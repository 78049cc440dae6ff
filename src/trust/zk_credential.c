#include "trust/zk_credential.h"

#include "trust/zk_scalar.h"
#include "wire/pack.h"

#define TAG 0xc7
#define VERSION 1
#define CONTEXT "village-zk-credential-1:"

static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool name_ok(const char name[ZK_NAME_SIZE]) {
    size_t n = strnlen(name, ZK_NAME_SIZE);
    if (n == 0 || n == ZK_NAME_SIZE || !letter(name[0])) return false;
    for (size_t i = 1; i < n; i++)
        if (!letter(name[i]) && (name[i] < '0' || name[i] > '9')) return false;
    return true;
}
static bool printable(const char *s, size_t size) {
    size_t n = strnlen(s, size);
    if (n == size) return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] < 0x20 || s[i] > 0x7e) return false;
    return true;
}

static bool well_formed(const struct zk_credential *c) {
    if (c->n == 0 || c->n > ZK_ATTRS_MAX || c->from_ms >= c->until_ms || c->until_ms > INT64_MAX || !printable(c->about, sizeof c->about)) return false;
    for (unsigned i = 0; i < c->n; i++)
        if (!name_ok(c->attr[i].name) || c->attr[i].bits < 1 || c->attr[i].bits > 64 ||
            (i > 0 && strcmp(c->attr[i - 1].name, c->attr[i].name) >= 0))
            return false;
    return true;
}

/* What is signed. */
static void pack_body(struct pack *w, const struct zk_credential *c) {
    pack_bytes(w, c->issuer.b, 32);
    pack_bytes(w, c->holder.b, 32);
    pack_u64(w, c->from_ms);
    pack_u64(w, c->until_ms);
    pack_span8(w, vl_span_str(c->about));
    pack_u8(w, (uint8_t)c->n);
    for (unsigned i = 0; i < c->n; i++) {
        pack_span8(w, vl_span_str(c->attr[i].name));
        pack_u8(w, c->attr[i].bits);
        pack_bytes(w, c->attr[i].commitment, 32);
    }
}

static enum vl_err write_body(const struct zk_credential *c, struct vl_buf *out) {
    if (!well_formed(c)) return VL_ERANGE;
    struct pack w = pack_message(out, TAG, VERSION);
    pack_body(&w, c);
    return pack_end(&w);
}

enum vl_err zk_credential_issue(struct zk_credential *c, const struct crypto_sign_key *issuer, const struct zk_gens *g,
                                const uint64_t *value, const uint8_t (*blind)[32]) {
    struct zk_credential made = *c;
    struct vl_buf body;
    if (!well_formed(&made)) return VL_ERANGE;
    made.issuer = crypto_sign_node_id(issuer);
    for (unsigned i = 0; i < made.n; i++) {
        if (made.attr[i].bits < 64 && value[i] >> made.attr[i].bits != 0) return VL_ERANGE;
        zk_commit(g, value[i], blind[i], made.attr[i].commitment);
    }
    vl_buf_init(&body, ZK_CREDENTIAL_MAX);
    enum vl_err err = write_body(&made, &body);
    if (err == VL_OK) err = crypto_sign_message(issuer, CONTEXT, vl_span(body.p, body.len), made.signature);
    vl_buf_free(&body);
    if (err == VL_OK) *c = made;
    return err;
}

enum vl_err zk_credential_write(const struct zk_credential *c, struct vl_buf *out) {
    size_t start = out->len;
    enum vl_err err = write_body(c, out);
    if (err == VL_OK) err = vl_buf_append(out, c->signature, sizeof c->signature);
    if (err != VL_OK) out->len = start;
    return err;
}

enum vl_err zk_credential_read(struct vl_span in, struct zk_credential *ret) {
    struct zk_credential c = { .n = 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    if (in.n > ZK_CREDENTIAL_MAX) return VL_EPARSE;
    enum vl_err err = unpack_message(&r, TAG, VERSION);
    if (err != VL_OK) return err;
    vl_read_bytes(&r, c.issuer.b, 32);
    vl_read_bytes(&r, c.holder.b, 32);
    c.from_ms = vl_read_u64(&r);
    c.until_ms = vl_read_u64(&r);
    unpack_ascii8(&r, c.about, sizeof c.about);
    c.n = unpack_u8_in(&r, 1, ZK_ATTRS_MAX);
    for (unsigned i = 0; i < c.n && !r.failed; i++) {
        unpack_ascii8(&r, c.attr[i].name, sizeof c.attr[i].name);
        c.attr[i].bits = unpack_u8_in(&r, 1, 64);
        vl_read_bytes(&r, c.attr[i].commitment, 32);
    }
    vl_read_bytes(&r, c.signature, sizeof c.signature);
    err = vl_reader_end(&r);
    if (err == VL_OK && !well_formed(&c)) err = VL_EPARSE;
    if (err == VL_OK) *ret = c;
    return err;
}

enum vl_err zk_credential_check(const struct zk_credential *c, vl_ms at_ms) {
    struct vl_buf body;
    vl_buf_init(&body, ZK_CREDENTIAL_MAX);
    enum vl_err err = write_body(c, &body);
    if (err == VL_OK) err = crypto_verify_message(c->issuer.b, CONTEXT, vl_span(body.p, body.len), c->signature);
    vl_buf_free(&body);
    if (err == VL_ENOMEM) return err;
    if (err != VL_OK) return VL_ECRYPTO;
    if (at_ms < c->from_ms) return VL_EAGAIN;
    return at_ms < c->until_ms ? VL_OK : VL_EEXPIRED;
}

int zk_credential_find(const struct zk_credential *c, const char *name) {
    for (unsigned i = 0; i < c->n; i++)
        if (strcmp(c->attr[i].name, name) == 0) return (int)i;
    return -1;
}

bool zk_credential_held(const struct zk_credential *c) {
    struct vl_node_id nobody = { { 0 } };
    return !vl_node_eq(c->holder, nobody);
}
