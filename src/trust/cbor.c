#include "trust/cbor.h"

#include <string.h>

/* One head; of bytes and text also the content. */
static bool head(struct vl_reader *at, struct cbor_item *ret) {
    uint8_t first = vl_read_u8(at), more = first & 31;
    ret->major = (enum cbor_major)(first >> 5);
    ret->body = vl_span(NULL, 0);
    uint64_t least = 0;
    switch (more) {
    case 24:
        ret->value = vl_read_u8(at), least = 24;
        break;
    case 25:
        ret->value = vl_read_u16(at), least = 1u << 8;
        break;
    case 26:
        ret->value = vl_read_u32(at), least = 1u << 16;
        break;
    case 27:
        ret->value = vl_read_u64(at), least = 1ull << 32;
        break;
    default:
        ret->value = more;
    }
    if (at->failed || more > 27 || ret->value < least) return false;
    if (ret->major == CBOR_SIMPLE) return more >= 20 && more <= 23; /* false, true, null, undefined */
    if (ret->major == CBOR_BYTES || ret->major == CBOR_TEXT) {
        if (ret->value > at->n) return false;
        ret->body = vl_read_span(at, (size_t)ret->value);
    }
    return true;
}

static bool item(struct vl_reader *at, unsigned depth, struct cbor_item *ret);

static bool pairs(struct vl_reader *at, unsigned depth, uint64_t n) {
    struct vl_span keys[CBOR_ITEMS];
    struct cbor_item one;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *from = at->p;
        if (!item(at, depth, &one) || one.major == CBOR_BYTES || one.major > CBOR_TEXT) return false;
        keys[i] = vl_span(from, (size_t)(at->p - from));
        for (size_t k = 0; k < i; k++)
            if (vl_span_eq(keys[k], keys[i])) return false;
        if (!item(at, depth, &one)) return false;
    }
    return true;
}

static bool item(struct vl_reader *at, unsigned depth, struct cbor_item *ret) {
    struct cbor_item one;
    if (!head(at, ret)) return false;
    if (ret->major != CBOR_ARRAY && ret->major != CBOR_MAP && ret->major != CBOR_TAG) return true;
    if (depth == 0) return false;
    const uint8_t *from = at->p;
    uint64_t n = ret->major == CBOR_TAG ? 1 : ret->value;
    if (n > CBOR_ITEMS) return false;
    if (ret->major == CBOR_MAP) {
        if (!pairs(at, depth - 1, n)) return false;
    } else {
        for (uint64_t i = 0; i < n; i++)
            if (!item(at, depth - 1, &one)) return false;
    }
    ret->body = vl_span(from, (size_t)(at->p - from));
    return true;
}

bool cbor_read(struct vl_span text, struct cbor_item *ret) {
    struct vl_reader at = vl_reader(text.p, text.n);
    struct cbor_item one;
    if (!item(&at, CBOR_DEPTH, &one) || vl_reader_end(&at) != VL_OK) return false;
    *ret = one;
    return true;
}

bool cbor_next(struct vl_span *rest, struct cbor_item *ret) {
    struct vl_reader at = vl_reader(rest->p, rest->n);
    struct cbor_item one;
    if (rest->n == 0 || !item(&at, CBOR_DEPTH, &one)) return false;
    *rest = vl_span(at.p, at.n);
    *ret = one;
    return true;
}

bool cbor_at(const struct cbor_item *map, int64_t key, struct cbor_item *ret) {
    struct vl_span rest = map->body;
    struct cbor_item k, v;
    int64_t number;
    if (map->major != CBOR_MAP) return false;
    while (cbor_next(&rest, &k) && cbor_next(&rest, &v))
        if (cbor_int(&k, &number) && number == key) {
            *ret = v;
            return true;
        }
    return false;
}
bool cbor_at_text(const struct cbor_item *map, const char *key, struct cbor_item *ret) {
    struct vl_span rest = map->body;
    struct cbor_item k, v;
    if (map->major != CBOR_MAP) return false;
    while (cbor_next(&rest, &k) && cbor_next(&rest, &v))
        if (cbor_is_text(&k, key)) {
            *ret = v;
            return true;
        }
    return false;
}

bool cbor_int(const struct cbor_item *i, int64_t *ret) {
    if (i->major > CBOR_NEGATIVE || i->value > INT64_MAX) return false;
    *ret = i->major == CBOR_UINT ? (int64_t)i->value : -1 - (int64_t)i->value;
    return true;
}
bool cbor_is_text(const struct cbor_item *i, const char *text) {
    return i->major == CBOR_TEXT && vl_span_eq(i->body, vl_span_str(text));
}

bool cose_read(struct vl_span text, struct cose_sign1 *ret) {
    struct cbor_item top, part[4], headers, v;
    if (!cbor_read(text, &top)) return false;
    if (top.major == CBOR_TAG) {
        struct vl_span inside = top.body;
        if (top.value != 18 || !cbor_next(&inside, &top)) return false;
    }
    if (top.major != CBOR_ARRAY || top.value != 4) return false;
    struct vl_span at = top.body;
    for (unsigned i = 0; i < 4; i++)
        if (!cbor_next(&at, &part[i]) || part[i].major != (i == 1 ? CBOR_MAP : CBOR_BYTES)) return false;
    if (!cbor_read(part[0].body, &headers) || headers.major != CBOR_MAP) return false;
    if (!cbor_at(&headers, 1, &v) || !cbor_int(&v, &ret->algorithm)) return false;
    if (ret->algorithm != COSE_ES256 && ret->algorithm != COSE_ES384) return false;
    if (cbor_at(&headers, 2, &v) || cbor_at(&part[1], 1, &v) || cbor_at(&part[1], 2, &v)) return false;
    ret->protected = part[0].body;
    ret->payload = part[2].body;
    ret->signature = part[3].body;
    return ret->payload.n > 0 && ret->signature.n == (ret->algorithm == COSE_ES256 ? 64u : 96u);
}

static enum vl_err append_bytes(struct vl_buf *b, struct vl_span s) {
    uint8_t text[5];
    struct vl_writer w = vl_writer(text, sizeof text);
    if (s.n < 24) {
        vl_write_u8(&w, (uint8_t)(CBOR_BYTES << 5 | s.n));
    } else if (s.n <= UINT8_MAX) {
        vl_write_u8(&w, CBOR_BYTES << 5 | 24);
        vl_write_u8(&w, (uint8_t)s.n);
    } else if (s.n <= UINT16_MAX) {
        vl_write_u8(&w, CBOR_BYTES << 5 | 25);
        vl_write_u16(&w, (uint16_t)s.n);
    } else {
        vl_write_u8(&w, CBOR_BYTES << 5 | 26);
        vl_write_u32(&w, (uint32_t)s.n);
    }
    enum vl_err err = vl_buf_append(b, text, w.len);
    return err != VL_OK || s.n == 0 ? err : vl_buf_append(b, s.p, s.n);
}

/* Section 4.4 of RFC 9052: what is signed is [ "Signature1", protected, external data (none), payload ]. */
enum vl_err cose_verify(const struct cose_sign1 *c, const struct crypto_pubkey *key) {
    static const uint8_t start[] = "\x84\x6aSignature1";
    struct vl_buf b;
    vl_buf_init(&b, c->protected.n + c->payload.n + 64);
    enum vl_err err = vl_buf_append(&b, start, sizeof start - 1);
    if (err == VL_OK) err = append_bytes(&b, c->protected);
    if (err == VL_OK) err = append_bytes(&b, vl_span(NULL, 0));
    if (err == VL_OK) err = append_bytes(&b, c->payload);
    if (err == VL_OK)
        err = crypto_pubkey_verify(key, c->algorithm == COSE_ES256 ? CRYPTO_ECDSA_SHA256 : CRYPTO_ECDSA_SHA384,
                                   vl_span(b.p, b.len), c->signature);
    vl_buf_free(&b);
    return err;
}
