/* What other makers' answers look like: read, never believed.  Pure. */
#include "os/tee_priv.h"

#include <string.h>

#define SNP_REPORT 1184u
#define QUOTE_HEAD 48u
#define TD_DATA 520u  /* report data in the body of a TD report */
#define SGX_DATA 320u
#define V5_HEAD 6u    /* of a body in a quote v5: type, size */

static uint16_t le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t le32(const uint8_t *p) { return le16(p) | (uint32_t)le16(p + 2) << 16; }
static void put_le32(uint8_t *p, uint32_t v) {
    for (unsigned i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

size_t tee_der_length(struct vl_span in) {
    if (in.n < 4 || in.p[0] != 0x30) return 0;
    size_t head = 2, n = in.p[1];
    if (n >= 0x80) {
        size_t bytes = n & 0x7f;
        if (bytes == 0 || bytes > 3 || in.n < 2 + bytes) return 0;
        n = 0;
        for (size_t i = 0; i < bytes; i++) n = n << 8 | in.p[2 + i];
        head += bytes;
    }
    return n > 0 && n <= in.n - head ? head + n : 0;
}

struct vl_span tee_report_data(uint8_t kind, struct vl_span e) {
    size_t at = 0;
    if (kind == TEE_KIND_SNP && e.n == SNP_REPORT) at = 0x50;
    if ((kind == TEE_KIND_TDX || kind == TEE_KIND_SGX) && e.n > QUOTE_HEAD) {
        uint16_t version = le16(e.p);
        size_t in_body = kind == TEE_KIND_TDX ? TD_DATA : SGX_DATA;
        if (version == 3 || version == 4) at = QUOTE_HEAD + in_body;
        if (version == 5) at = QUOTE_HEAD + V5_HEAD + in_body;
    }
    return at == 0 || e.n < at + TEE_DATA ? vl_span(NULL, 0) : vl_span(e.p + at, TEE_DATA);
}

/* ---- CBOR of AWS's security module: maps of text keys, definite lengths ---- */

/* Head of an item of this major type with a value of at most `most`. */
static bool head(struct vl_reader *r, unsigned major, uint32_t most, uint32_t *ret) {
    uint8_t b = vl_read_u8(r);
    uint32_t v = b & 0x1fu;
    if (v == 24)
        v = vl_read_u8(r);
    else if (v == 25)
        v = vl_read_u16(r);
    else if (v == 26)
        v = vl_read_u32(r);
    else if (v > 23)
        r->failed = true;
    if (r->failed || b >> 5 != major || v > most) {
        r->failed = true;
        return false;
    }
    *ret = v;
    return true;
}

static bool text_is(struct vl_reader *r, const char *want) {
    uint32_t n = 0;
    if (!head(r, 3, 64, &n)) return false;
    struct vl_span s = vl_read_span(r, n);
    return !r->failed && vl_span_eq(s, vl_span_str(want));
}

enum vl_err tee_nsm_request(struct vl_span nonce, struct vl_buf *out) {
    /* {"Attestation": {"user_data": null, "nonce": bytes, "public_key": null}} */
    static const uint8_t before[] = "\xa1\x6b" "Attestation" "\xa3\x69" "user_data" "\xf6\x65" "nonce";
    static const uint8_t after[] = "\x6a" "public_key" "\xf6";
    uint8_t length[3] = { 0x59 };
    if (nonce.n > 512) return VL_ERANGE; /* the module's own limit */
    vl_put_u16(length + 1, (uint16_t)nonce.n);
    enum vl_err err = vl_buf_append(out, before, sizeof before - 1);
    /* the module reads shortest forms */
    if (err == VL_OK && nonce.n > 255) err = vl_buf_append(out, length, 3);
    if (err == VL_OK && nonce.n <= 255 && nonce.n > 23) err = vl_buf_append(out, (uint8_t[]){ 0x58, (uint8_t)nonce.n }, 2);
    if (err == VL_OK && nonce.n <= 23) err = vl_buf_append(out, (uint8_t[]){ (uint8_t)(0x40 | nonce.n) }, 1);
    if (err == VL_OK && nonce.n > 0) err = vl_buf_append(out, nonce.p, nonce.n);
    return err ? err : vl_buf_append(out, after, sizeof after - 1);
}

enum vl_err tee_nsm_answer(struct vl_span in, struct vl_span *ret, char word[32]) {
    struct vl_reader r = vl_reader(in.p, in.n), again;
    uint32_t n = 0;
    word[0] = '\0';
    if (!head(&r, 5, 1, &n) || n != 1) return VL_EPARSE;
    again = r;
    if (text_is(&again, "Error")) {
        if (!head(&again, 3, 31, &n)) return VL_EPARSE;
        vl_read_bytes(&again, word, n);
        word[again.failed ? 0 : n] = '\0';
        for (char *p = word; *p; p++)
            if (*p < ' ' || *p > '~') *p = '?';
        return vl_reader_end(&again) == VL_OK && word[0] ? VL_EDENIED : VL_EPARSE;
    }
    if (!text_is(&r, "Attestation") || !head(&r, 5, 1, &n) || n != 1 || !text_is(&r, "document") || !head(&r, 2, TEE_ANSWER_MAX, &n) ||
        n == 0)
        return VL_EPARSE;
    struct vl_span document = vl_read_span(&r, n);
    if (vl_reader_end(&r) != VL_OK) return VL_EPARSE;
    *ret = document;
    return VL_OK;
}

/* ---- the quote generation service: a length, then a head of 16 bytes ---- */

#define QGS_HEAD 16u
#define QGS_ANSWER 8u /* lengths of the id and of the quote */

enum vl_err tee_qgs_request(struct vl_span report, struct vl_buf *out) {
    uint8_t m[4 + QGS_HEAD + 8] = { 0 };
    uint32_t size = (uint32_t)(QGS_HEAD + 8 + report.n);
    if (report.n == 0 || report.n > TEE_ANSWER_MAX) return VL_ERANGE;
    vl_put_u32(m, size);   /* of the whole message, big-endian: the socket's framing; all else is little-endian */
    m[4] = 1;              /* version 1.0, type 0: a quote is wanted */
    put_le32(m + 12, size);
    put_le32(m + 20, (uint32_t)report.n);
    enum vl_err err = vl_buf_append(out, m, sizeof m); /* no list of ids: the service chooses its quoting enclave */
    return err ? err : vl_buf_append(out, report.p, report.n);
}

enum vl_err tee_qgs_answer(struct vl_span in, struct vl_span *ret, uint32_t *ret_code) {
    if (in.n < 4 + QGS_HEAD || vl_get_u32(in.p) != in.n - 4) return VL_EPARSE;
    const uint8_t *p = in.p + 4;
    size_t n = in.n - 4;
    if (le16(p) != 1 || le32(p + 4) != 1 || le32(p + 8) != n) return VL_EPARSE;
    *ret_code = le32(p + 12);
    if (*ret_code != 0) return VL_EDENIED;
    if (n < QGS_HEAD + QGS_ANSWER) return VL_EPARSE;
    uint32_t id = le32(p + QGS_HEAD), quote = le32(p + QGS_HEAD + 4);
    size_t rest = n - QGS_HEAD - QGS_ANSWER;
    if (id > rest || quote != rest - id || quote == 0) return VL_EPARSE;
    *ret = vl_span(p + QGS_HEAD + QGS_ANSWER + id, quote);
    return VL_OK;
}
