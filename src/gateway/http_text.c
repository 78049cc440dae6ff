/* http_text.c - the parts of http_parse.h that decode text: paths, queries, chunks, UTF-8. */
#include "gateway/http_parse.h"

#include <string.h>

static int hex_of(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* One byte of percent-encoded text at *i, or -1. */
static int decode_byte(struct vl_span s, size_t *i) {
    uint8_t c = s.p[(*i)++];
    if (c != '%') return c;
    if (s.n - *i < 2) return -1;
    int hi = hex_of(s.p[*i]), lo = hex_of(s.p[*i + 1]);
    if (hi < 0 || lo < 0) return -1;
    *i += 2;
    return hi << 4 | lo;
}

bool http_utf8_valid(const void *p, size_t n) {
    const uint8_t *s = p;
    for (size_t i = 0; i < n;) {
        uint8_t c = s[i];
        size_t more = c < 0x80                 ? 0
                      : c >= 0xc2 && c <= 0xdf ? 1
                      : c >= 0xe0 && c <= 0xef ? 2
                      : c >= 0xf0 && c <= 0xf4 ? 3
                                               : 9;
        if (more == 9 || n - i <= more) return false;
        if (more >= 2) { /* overlong forms, surrogates, beyond U+10FFFF (RFC 3629 4) */
            uint8_t d = s[i + 1];
            if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) ||
                (c == 0xf4 && d > 0x8f))
                return false;
        }
        for (size_t k = 1; k <= more; k++)
            if ((s[i + k] & 0xc0) != 0x80) return false;
        i += more + 1;
    }
    return true;
}

/* Drops "." and ".." segments of the n bytes at p in place (RFC 3986 5.2.4), but refuses to climb above the root. */
static enum vl_err remove_dots(char *p, size_t *n) {
    size_t out = 0, i = 0;
    while (i < *n) { /* p[i] is '/' */
        size_t end = i + 1;
        while (end < *n && p[end] != '/') end++;
        size_t len = end - i - 1;
        bool last = end == *n;
        if (len == 1 && p[i + 1] == '.') {
            if (last) p[out++] = '/';
        } else if (len == 2 && p[i + 1] == '.' && p[i + 2] == '.') {
            if (out == 0) return VL_EPARSE;
            do out--;
            while (p[out] != '/');
            if (last) p[out++] = '/';
        } else {
            memmove(p + out, p + i, end - i);
            out += end - i;
        }
        i = end;
    }
    *n = out;
    return VL_OK;
}

enum vl_err http_path_normalise(struct vl_span raw, char *dst, size_t *ret_n) {
    size_t n = 0;
    if (raw.n == 0 || raw.p[0] != '/' || raw.n > HTTP_TARGET_MAX) return VL_EPARSE;
    for (size_t i = 0; i < raw.n;) {
        bool escaped = raw.p[i] == '%';
        int c = decode_byte(raw, &i);
        if (c < 0x20 || c == 0x7f || c == '\\') return VL_EPARSE;
        if (escaped && c == '/') return VL_EPARSE; /* a slash that routers split and others do not */
        dst[n++] = (char)c;
    }
    if (!http_utf8_valid(dst, n) || remove_dots(dst, &n) != VL_OK) return VL_EPARSE;
    *ret_n = n;
    return VL_OK;
}

enum vl_err http_query_decode(struct vl_span raw, char *dst, size_t cap, size_t *ret_n) {
    size_t n = 0;
    for (size_t i = 0; i < raw.n;) {
        bool plus = raw.p[i] == '+';
        int c = decode_byte(raw, &i);
        if (c < 0x20 || c == 0x7f) return VL_EPARSE;
        if (n + 1 >= cap) return VL_ELIMIT;
        dst[n++] = plus ? ' ' : (char)c;
    }
    if (cap == 0) return VL_ELIMIT;
    if (!http_utf8_valid(dst, n)) return VL_EPARSE;
    dst[n] = '\0';
    *ret_n = n;
    return VL_OK;
}

/*  SIZE --CR--> SIZE_LF --LF--> DATA --(left 0)--> DATA_CR --> DATA_LF --> SIZE
 *                          \--(size 0)--> END_CR --> END_LF --> OVER               */
enum { SIZE = 0, SIZE_LF, DATA, DATA_CR, DATA_LF, END_CR, END_LF, OVER };

void http_chunks_init(struct http_chunks *c) { *c = (struct http_chunks){ .state = SIZE }; }

static enum vl_err chunk_size_byte(struct http_chunks *c, uint8_t b) {
    if (b == '\r') {
        if (c->digits == 0) return VL_EPARSE;
        c->state = SIZE_LF;
        return VL_OK;
    }
    int v = hex_of(b);
    if (v < 0 || c->digits == 15) return VL_EPARSE; /* 60 bits: no overflow, and more than any limit */
    c->digits++;
    c->left = c->left << 4 | (uint64_t)v;
    return VL_OK;
}

enum vl_err http_chunks_next(struct http_chunks *c, struct vl_span *in, struct vl_span *ret_data) {
    *ret_data = vl_span(NULL, 0);
    while (in->n > 0 && c->state != OVER) {
        if (c->state == DATA) {
            size_t n = in->n < c->left ? in->n : (size_t)c->left;
            *ret_data = vl_span(in->p, n);
            in->p += n;
            in->n -= n;
            c->left -= n;
            if (c->left == 0) c->state = DATA_CR;
            return VL_EAGAIN;
        }
        uint8_t b = *in->p++;
        in->n--;
        if (c->state == SIZE) {
            if (chunk_size_byte(c, b) != VL_OK) return VL_EPARSE;
            continue;
        }
        bool cr = c->state == DATA_CR || c->state == END_CR;
        if (b != (cr ? '\r' : '\n')) return VL_EPARSE; /* no trailers: after the last chunk only the empty line */
        switch (c->state) {
        case SIZE_LF:
            c->state = c->left == 0 ? END_CR : DATA;
            c->digits = 0;
            break;
        case DATA_CR:
            c->state = DATA_LF;
            break;
        case DATA_LF:
            c->state = SIZE;
            break;
        case END_CR:
            c->state = END_LF;
            break;
        default:
            c->state = OVER;
            break;
        }
    }
    return c->state == OVER ? VL_OK : VL_EAGAIN;
}
