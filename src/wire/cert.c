#include "wire/cert.h"

#include <string.h>

#define LIST_VERSION 2u
#define REVOCATION_BYTES 48u

/* One code point of strict UTF-8 (RFC 3629) at s, its length in *ret_n; -1: malformed, overlong or surrogate. */
static int32_t utf8_next(const uint8_t *s, size_t left, size_t *ret_n) {
    static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t n = s[0] < 0x80 ? 1 : (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : (s[0] & 0xf8) == 0xf0 ? 4 : 0;
    if (n == 0 || n > left) return -1;
    int32_t c = n == 1 ? s[0] : s[0] & (0x7f >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return -1;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return -1;
    *ret_n = n;
    return c;
}

/* Control characters would forge lines of a terminal or a log, direction marks another name. */
static bool shows(int32_t c) {
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;
    return !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

static enum vl_err name_check(const uint8_t *s, size_t len) {
    if (len == 0 || len > CERT_NAME_MAX) return VL_EPARSE;
    for (size_t at = 0, n = 0; at < len; at += n) {
        int32_t c = utf8_next(s + at, len - at, &n);
        if (c < 0 || !shows(c)) return VL_EPARSE;
    }
    return VL_OK;
}

enum vl_err cert_name_check(const char *name) { return name_check((const uint8_t *)name, strnlen(name, VL_NAME_MAX)); }

static bool cert_in_range(const struct cert *c) {
    return c->serial > 0 && c->issued_ms < c->expires_ms && c->roles != 0 && (c->roles & ~CERT_ROLES_ALL) == 0 &&
           cert_name_check(c->name) == VL_OK;
}

enum vl_err cert_encode(const struct cert *cert, uint8_t *dst, size_t cap, size_t *ret_n) {
    if (!cert_in_range(cert)) return VL_ERANGE;
    size_t name_n = strlen(cert->name);
    struct vl_writer w = vl_writer(dst, cap);
    vl_write_u8(&w, CERT_VERSION);
    vl_write_bytes(&w, cert->root, sizeof cert->root);
    vl_write_bytes(&w, cert->node.b, sizeof cert->node.b);
    vl_write_bytes(&w, cert->static_key, sizeof cert->static_key);
    vl_write_u64(&w, cert->serial);
    vl_write_u64(&w, cert->issued_ms);
    vl_write_u64(&w, cert->expires_ms);
    vl_write_u8(&w, cert->roles);
    vl_write_u8(&w, (uint8_t)name_n);
    vl_write_bytes(&w, cert->name, name_n);
    vl_write_bytes(&w, cert->signature, sizeof cert->signature);
    if (w.failed) return VL_ELIMIT;
    *ret_n = w.len;
    return VL_OK;
}

static enum vl_err version_check(struct vl_reader *r) {
    uint8_t version = vl_read_u8(r);
    if (r->failed) return VL_EPARSE;
    return version == CERT_VERSION ? VL_OK : VL_EVERSION;
}

enum vl_err cert_decode(struct vl_span in, struct cert *ret) {
    struct cert c = { 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    enum vl_err err = version_check(&r);
    if (err) return err;
    vl_read_bytes(&r, c.root, sizeof c.root);
    vl_read_bytes(&r, c.node.b, sizeof c.node.b);
    vl_read_bytes(&r, c.static_key, sizeof c.static_key);
    c.serial = vl_read_u64(&r);
    c.issued_ms = vl_read_u64(&r);
    c.expires_ms = vl_read_u64(&r);
    c.roles = vl_read_u8(&r);
    size_t name_n = vl_read_u8(&r);
    struct vl_span name = vl_read_span(&r, name_n);
    vl_read_bytes(&r, c.signature, sizeof c.signature);
    err = vl_reader_end(&r);
    if (err) return err;
    if (name_check(name.p, name.n) != VL_OK) return VL_EPARSE;
    memcpy(c.name, name.p, name.n);
    if (!cert_in_range(&c)) return VL_EPARSE;
    *ret = c;
    return VL_OK;
}

struct vl_span cert_body(struct vl_span encoded) {
    return vl_span(encoded.p, encoded.n > CERT_SIGNATURE ? encoded.n - CERT_SIGNATURE : 0);
}

enum vl_err revocations_encode_body(const uint8_t root[32], uint64_t number, vl_ms issued_ms,
                                    const struct revocation *v, uint32_t count, uint8_t *dst, size_t cap,
                                    size_t *ret_n) {
    if (number == 0 || count > REVOCATIONS_MAX) return VL_ERANGE;
    struct vl_writer w = vl_writer(dst, cap < CERT_SIGNATURE ? 0 : cap - CERT_SIGNATURE);
    vl_write_u8(&w, LIST_VERSION);
    vl_write_bytes(&w, root, 32);
    vl_write_u64(&w, number);
    vl_write_u64(&w, issued_ms);
    vl_write_u32(&w, count);
    for (uint32_t i = 0; i < count; i++) {
        if (v[i].serial == 0 || (i > 0 && memcmp(v[i - 1].node.b, v[i].node.b, 32) >= 0)) return VL_ERANGE;
        vl_write_bytes(&w, v[i].node.b, sizeof v[i].node.b);
        vl_write_u64(&w, v[i].serial);
        vl_write_u64(&w, v[i].at_ms);
    }
    if (w.failed) return VL_ELIMIT;
    *ret_n = w.len;
    return VL_OK;
}

enum vl_err revocations_decode(struct vl_span in, struct revocations *ret) {
    struct revocations list = { 0 };
    struct vl_reader r = vl_reader(in.p, in.n);
    uint8_t version = vl_read_u8(&r);
    if (r.failed) return VL_EPARSE;
    if (version != 1 && version != LIST_VERSION) return VL_EVERSION;
    list.entry_n = version == 1 ? 40 : REVOCATION_BYTES;
    vl_read_bytes(&r, list.root, sizeof list.root);
    list.number = vl_read_u64(&r);
    list.issued_ms = vl_read_u64(&r);
    list.count = vl_read_u32(&r);
    if (list.count > REVOCATIONS_MAX) return VL_EPARSE;
    list.entries = vl_read_span(&r, (size_t)list.entry_n * list.count).p;
    vl_read_bytes(&r, list.signature, sizeof list.signature);
    enum vl_err err = vl_reader_end(&r);
    if (err) return err;
    if (list.number == 0) return VL_EPARSE;
    for (uint32_t i = 0; i < list.count; i++) {
        const uint8_t *e = list.entries + (size_t)list.entry_n * i;
        if (vl_get_u64(e + 32) == 0 || (i > 0 && memcmp(e - list.entry_n, e, 32) >= 0)) return VL_EPARSE;
    }
    *ret = list;
    return VL_OK;
}

struct revocation revocation_at(const struct revocations *list, uint32_t i) {
    const uint8_t *e = list->entries + (size_t)list->entry_n * i;
    struct revocation r = { .serial = vl_get_u64(e + 32),
                            .at_ms = list->entry_n == REVOCATION_BYTES ? vl_get_u64(e + 40) : list->issued_ms };
    memcpy(r.node.b, e, sizeof r.node.b);
    return r;
}

uint64_t revocations_find(const struct revocations *list, struct vl_node_id node, vl_ms *ret_at_ms) {
    uint32_t low = 0, high = list->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = memcmp(list->entries + (size_t)list->entry_n * mid, node.b, sizeof node.b);
        if (order == 0) {
            struct revocation r = revocation_at(list, mid);
            if (ret_at_ms) *ret_at_ms = r.at_ms;
            return r.serial;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}
