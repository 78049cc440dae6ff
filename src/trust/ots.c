#include "trust/ots.h"

#include "crypto/hash.h"
#include "crypto/keccak.h"

#include <stdlib.h>
#include <string.h>

enum {
    VERSION = 1,
    TAG = 8,
    OP_SHA1 = 0x02,
    OP_RIPEMD160 = 0x03,
    OP_SHA256 = 0x08,
    OP_KECCAK256 = 0x67,
    OP_APPEND = 0xf0,
    OP_PREPEND = 0xf1,
    OP_REVERSE = 0xf2,
    OP_HEXLIFY = 0xf3,
    MORE = 0xff,
    ATTESTATION = 0x00,
};
static const uint8_t magic[31] = "\0OpenTimestamps\0\0Proof\0\xbf\x89\xe2\xe8\x84\xe8\x92\x94";

static const struct {
    uint8_t tag[TAG];
    enum ots_kind kind;
} kinds[] = {
    { { 0x83, 0xdf, 0xe3, 0x0d, 0x2e, 0xf9, 0x0c, 0x8e }, OTS_PENDING },
    { { 0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01 }, OTS_BITCOIN },
    { { 0x06, 0x86, 0x9a, 0x0d, 0x73, 0xd7, 0x1b, 0x45 }, OTS_LITECOIN },
    { { 0x30, 0xfe, 0x80, 0x87, 0xb5, 0xc7, 0xea, 0xd7 }, OTS_ETHEREUM },
};

struct message {
    bool computed;
    size_t n;
    uint8_t b[OTS_MESSAGE_MAX];
};
struct walk {
    struct vl_reader r;
    struct ots *ots;
    uint32_t steps;
};

/* LEB128; a last byte of zero would be a second form. */
static uint64_t varint(struct vl_reader *r) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
        uint8_t b = vl_read_u8(r);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b & 0x80) continue;
        if (b == 0 && shift > 0) r->failed = true;
        return v;
    }
    r->failed = true;
    return 0;
}

static struct vl_span sized(struct vl_reader *r, size_t min, size_t max) {
    uint64_t n = varint(r);
    if (n < min || n > max) r->failed = true;
    return vl_read_span(r, r->failed ? 0 : (size_t)n);
}

static bool uri_ok(struct vl_span u) {
    for (size_t i = 0; i < u.n; i++) {
        uint8_t c = u.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || strchr("-._/:", c) == NULL)) return false;
    }
    return true;
}

static enum vl_err attestation(struct walk *w, const struct message *m) {
    struct ots_attestation a = { .kind = OTS_UNKNOWN, .computed = m->computed, .message_n = m->computed ? m->n : 0 };
    uint8_t tag[TAG];
    vl_read_bytes(&w->r, tag, sizeof tag);
    struct vl_span body = sized(&w->r, 0, OTS_PAYLOAD_MAX);
    if (w->r.failed) return VL_EPARSE;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (memcmp(tag, kinds[i].tag, TAG) == 0) a.kind = kinds[i].kind;
    struct vl_reader r = vl_reader(body.p, body.n);
    if (a.kind == OTS_PENDING) {
        a.uri = sized(&r, 0, OTS_URI_MAX);
        if (!uri_ok(a.uri)) return VL_EPARSE;
    } else if (a.kind != OTS_UNKNOWN) {
        a.height = varint(&r);
    }
    if (a.kind != OTS_UNKNOWN && vl_reader_end(&r) != VL_OK) return VL_EPARSE;
    if (a.message_n > 0 && a.message_n <= sizeof a.message) memcpy(a.message, m->b, a.message_n);
    if (w->ots->n == OTS_ATTESTATIONS_MAX) return VL_ELIMIT;
    w->ots->at[w->ots->n++] = a;
    return VL_OK;
}

static void become(struct message *m, const uint8_t *p, size_t n, bool computed) {
    memcpy(m->b, p, n);
    m->n = n;
    m->computed = m->computed && computed;
}

static enum vl_err join(struct message *m, struct vl_span v, bool front) {
    if (v.n > OTS_MESSAGE_MAX - m->n) return VL_ELIMIT;
    if (front) memmove(m->b + v.n, m->b, m->n);
    memcpy(front ? m->b : m->b + m->n, v.p, v.n);
    m->n += v.n;
    return VL_OK;
}

static enum vl_err hexlify(struct message *m) {
    static const char digit[] = "0123456789abcdef";
    if (m->n > OTS_MESSAGE_MAX / 2) return VL_ELIMIT;
    for (size_t i = m->n; i-- > 0;) {
        uint8_t b = m->b[i];
        m->b[2 * i] = (uint8_t)digit[b >> 4];
        m->b[2 * i + 1] = (uint8_t)digit[b & 15];
    }
    m->n *= 2;
    return VL_OK;
}

static void reverse(struct message *m) {
    for (size_t i = 0; i < m->n / 2; i++) {
        uint8_t b = m->b[i];
        m->b[i] = m->b[m->n - 1 - i];
        m->b[m->n - 1 - i] = b;
    }
}

static enum vl_err operate(struct walk *w, uint8_t op, struct message *m) {
    static const uint8_t unknown[20] = { 0 }; /* only its length counts from here on */
    uint8_t h[32];
    if (++w->steps > OTS_STEPS_MAX) return VL_ELIMIT;
    switch (op) {
    case OP_SHA256: crypto_sha256(vl_span(m->b, m->n), h); break;
    case OP_KECCAK256: keccak_256(vl_span(m->b, m->n), h); break;
    case OP_SHA1:
    case OP_RIPEMD160: become(m, unknown, sizeof unknown, false); return VL_OK;
    case OP_REVERSE: reverse(m); return VL_OK;
    case OP_HEXLIFY: return hexlify(m);
    case OP_APPEND:
    case OP_PREPEND: {
        struct vl_span v = sized(&w->r, 1, OTS_MESSAGE_MAX);
        return w->r.failed ? VL_EPARSE : join(m, v, op == OP_PREPEND);
    }
    default: return VL_EPARSE;
    }
    become(m, h, sizeof h, true);
    return VL_OK;
}

/* A timestamp of m: branches, each but the last after MORE.  Along a chain without forks it goes on in place; only a fork
 * goes deeper, with a copy of the message on the heap. */
static enum vl_err timestamp(struct walk *w, struct message *m, unsigned depth);

static enum vl_err branch(struct walk *w, const struct message *m, uint8_t op, unsigned depth) {
    if (op == ATTESTATION) return attestation(w, m);
    if (depth == OTS_DEPTH_MAX) return VL_ELIMIT;
    struct message *copy = malloc(sizeof *copy);
    if (copy == NULL) return VL_ENOMEM;
    *copy = *m;
    enum vl_err err = operate(w, op, copy);
    if (!err) err = timestamp(w, copy, depth + 1);
    free(copy);
    return err;
}

static enum vl_err timestamp(struct walk *w, struct message *m, unsigned depth) {
    for (;;) {
        uint8_t op = vl_read_u8(&w->r);
        if (w->r.failed) return VL_EPARSE;
        enum vl_err err;
        if (op == MORE) {
            op = vl_read_u8(&w->r);
            if (w->r.failed || op == MORE) return VL_EPARSE;
            err = branch(w, m, op, depth);
        } else if (op == ATTESTATION) {
            return attestation(w, m);
        } else {
            err = operate(w, op, m);
        }
        if (err) return err;
    }
}

/* From the digest on, to the end of the input. */
static enum vl_err walk(struct vl_reader r, struct ots *ots) {
    struct walk w = { .r = r, .ots = ots };
    struct message *m = calloc(1, sizeof *m);
    if (m == NULL) return VL_ENOMEM;
    m->computed = true;
    become(m, ots->digest, sizeof ots->digest, true);
    enum vl_err err = timestamp(&w, m, 0);
    if (!err) err = vl_reader_end(&w.r);
    free(m);
    return err;
}

enum vl_err ots_parse(struct vl_span in, struct ots *ret) {
    if (in.n > OTS_FILE_MAX) return VL_ELIMIT;
    struct ots *o = calloc(1, sizeof *o);
    if (o == NULL) return VL_ENOMEM;
    struct vl_reader r = vl_reader(in.p, in.n);
    struct vl_span head = vl_read_span(&r, sizeof magic);
    uint64_t version = varint(&r);
    uint8_t op = vl_read_u8(&r);
    vl_read_bytes(&r, o->digest, sizeof o->digest);
    enum vl_err err = VL_OK;
    if (head.n != sizeof magic || memcmp(head.p, magic, sizeof magic) != 0)
        err = VL_EPARSE;
    else if (version != VERSION)
        err = VL_EVERSION;
    else if (op != OP_SHA256)
        err = VL_EUNSUPPORTED;
    else if (r.failed)
        err = VL_EPARSE;
    if (!err) err = walk(r, o);
    if (!err) *ret = *o;
    free(o);
    return err;
}

enum vl_err ots_write(const uint8_t digest[32], struct vl_span tail, struct vl_buf *out) {
    static const uint8_t next[2] = { VERSION, OP_SHA256 };
    if (tail.n > OTS_FILE_MAX - 128) return VL_ELIMIT;
    struct ots *o = calloc(1, sizeof *o);
    if (o == NULL) return VL_ENOMEM;
    memcpy(o->digest, digest, sizeof o->digest);
    enum vl_err err = walk(vl_reader(tail.p, tail.n), o);
    free(o);
    if (!err) err = vl_buf_reserve(out, sizeof magic + sizeof next + 32 + tail.n);
    if (!err) err = vl_buf_append(out, magic, sizeof magic);
    if (!err) err = vl_buf_append(out, next, sizeof next);
    if (!err) err = vl_buf_append(out, digest, 32);
    if (!err) err = vl_buf_append(out, tail.p, tail.n);
    return err;
}
