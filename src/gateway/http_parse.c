#include "gateway/http_parse.h"

#include <string.h>

static const char *const method_texts[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "OTHER" };

const char *http_method_text(enum http_method m) { return method_texts[m]; }

enum {
    C_TOKEN = 1,   /* RFC 9110 5.6.2 tchar */
    C_VALUE = 2,   /* field-vchar, SP, HTAB */
    C_TARGET = 4,  /* may stand in a request target: RFC 3986 pchar, '/', '?', '%' */
    C_SPECIAL = 8, /* in a path: needs the slow look */
};

/* The sum of the classes of each byte, 16 to a row; bytes from 128 are obs-text, carried as opaque values.
 * http_parse_test.c checks it against the grammar's own words. */
/* clang-format off */
static const uint8_t classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 7, 2, 3, 7, 15, 7, 7, 6, 6, 7, 7, 6, 7, 15, 6,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 2, 6, 2, 6,
    6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2, 2, 2, 3, 7,
    3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2, 3, 2, 7, 0,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
};
/* clang-format on */

static uint8_t class_of(char c) { return classes[(uint8_t)c]; }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

static bool text_is(const char *p, size_t n, const char *low) {
    for (size_t i = 0; i < n; i++)
        if (low[i] == '\0' || lower(p[i]) != low[i]) return false;
    return low[n] == '\0';
}

bool http_span_is(struct vl_span s, const char *low) { return text_is((const char *)s.p, s.n, low); }

bool http_list_has(struct vl_span s, const char *low) {
    const char *p = (const char *)s.p;
    size_t i = 0;
    while (i <= s.n) {
        size_t end = i;
        while (end < s.n && p[end] != ',') end++;
        size_t a = i, b = end;
        while (a < b && (p[a] == ' ' || p[a] == '\t')) a++;
        while (b > a && (p[b - 1] == ' ' || p[b - 1] == '\t')) b--;
        if (text_is(p + a, b - a, low)) return true;
        i = end + 1;
    }
    return false;
}

void http_head_init(struct http_head *h) { memset(h, 0, offsetof(struct http_head, fields)); }

static enum vl_err refuse(struct http_head *h, uint16_t status) {
    h->status = status;
    return VL_EPARSE;
}

static struct http_part part(size_t from, size_t to) {
    return (struct http_part){ .at = (uint16_t)from, .n = (uint16_t)(to - from) };
}

static enum http_method method_of(const char *p, size_t n) {
    for (int m = HTTP_GET; m < HTTP_OTHER; m++)
        if (strlen(method_texts[m]) == n && memcmp(p, method_texts[m], n) == 0) return (enum http_method)m;
    return HTTP_OTHER;
}

/* Splits the target at i..end into path and query; absolute-form must be accepted (RFC 9112 3.2.2), its authority
 * then stands where the Host field would. */
static enum vl_err parse_target(struct http_head *h, const char *p, size_t i, size_t end) {
    if (end - i > HTTP_TARGET_MAX) return refuse(h, 414);
    if (end - i == 1 && p[i] == '*') {
        if (h->method != HTTP_OPTIONS) return refuse(h, 400);
        h->path = part(i, end);
        h->path_plain = true;
        return VL_OK;
    }
    if (p[i] != '/') {
        size_t scheme = end - i > 7 && text_is(p + i, 7, "http://")    ? 7
                        : end - i > 8 && text_is(p + i, 8, "https://") ? 8
                                                                       : 0;
        if (scheme == 0) return refuse(h, 400);
        size_t host = i + scheme;
        for (i = host; i < end && p[i] != '/' && p[i] != '?'; i++)
            if ((class_of(p[i]) & C_TARGET) == 0 && p[i] != '[' && p[i] != ']') return refuse(h, 400);
        if (i == host || i == end || p[i] != '/' || memchr(p + host, '@', i - host)) return refuse(h, 400);
        h->host = part(host, i);
    }
    size_t q = i;
    h->path_plain = true;
    for (; q < end && p[q] != '?'; q++) {
        uint8_t c = class_of(p[q]);
        if ((c & C_TARGET) == 0) return refuse(h, 400);
        if (c & C_SPECIAL && (p[q] == '%' || p[q - 1] == '/')) h->path_plain = false;
    }
    h->path = part(i, q);
    if (q < end) {
        for (size_t k = ++q; k < end; k++)
            if ((class_of(p[k]) & C_TARGET) == 0) return refuse(h, 400);
        h->query = part(q, end);
    }
    return VL_OK;
}

/* method SP request-target SP HTTP-version: exactly one space each (RFC 9112 3). */
static enum vl_err parse_request_line(struct http_head *h, const char *p, size_t i, size_t end) {
    size_t at = i;
    while (i < end && class_of(p[i]) & C_TOKEN) i++;
    if (i == at || i == end || p[i] != ' ' || i - at > 32) return refuse(h, 400);
    h->method_text = part(at, i);
    h->method = method_of(p + at, i - at);
    size_t target = ++i;
    const char *space = memchr(p + i, ' ', end - i);
    if (space == NULL || space == p + i) return refuse(h, end - i > HTTP_TARGET_MAX ? 414 : 400);
    size_t target_end = (size_t)(space - p);
    i = target_end + 1;
    if (end - i != 8 || memcmp(p + i, "HTTP/", 5) != 0 || p[i + 6] != '.') return refuse(h, 400);
    if (p[i + 5] < '0' || p[i + 5] > '9' || p[i + 7] < '0' || p[i + 7] > '9') return refuse(h, 400);
    if (p[i + 5] != '1' || p[i + 7] != '1') return refuse(h, 505);
    return parse_target(h, p, target, target_end);
}

/* Digits only, one value, no list, no sign (RFC 9110 8.6; a repeated field is refused by the caller). */
static enum vl_err parse_length(struct http_head *h, const char *p, size_t n) {
    uint64_t v = 0;
    if (n == 0) return refuse(h, 400);
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return refuse(h, 400);
        if (v > (UINT64_MAX >> 1) / 10) return refuse(h, 413);
        v = v * 10 + (uint64_t)(p[i] - '0');
    }
    h->has_length = true;
    h->length = v;
    return VL_OK;
}

static enum vl_err once(struct http_head *h, struct http_part *dst, struct http_part value) {
    if (dst->n != 0 || dst->at != 0) return refuse(h, 400);
    *dst = value;
    return VL_OK;
}

static enum vl_err note_host(struct http_head *h, const char *p, struct http_part v) {
    for (uint16_t i = 0; i < h->fields_n; i++) /* RFC 9112 3.2: more than one Host is 400 */
        if (h->fields[i].name.n == 4 && text_is(p + h->fields[i].name.at, 4, "host")) return refuse(h, 400);
    for (size_t i = 0; i < v.n; i++) {
        char c = p[v.at + i];
        if ((class_of(c) & C_TARGET) == 0 && c != '[' && c != ']') return refuse(h, 400);
        if (c == '/' || c == '?' || c == '@' || c == '%' || c == ',') return refuse(h, 400);
    }
    if (h->host.n == 0) {
        h->host = v;
        return VL_OK;
    }
    if (h->host.n != v.n || memcmp(p + h->host.at, p + v.at, v.n) != 0) return refuse(h, 400);
    return VL_OK;
}

/* The fields that frame the message or that every request needs; the rest stays in the table. */
static enum vl_err note_field(struct http_head *h, const char *p, struct http_part name, struct http_part v) {
    const char *n = p + name.at, *val = p + v.at;
    switch (name.n) {
    case 4:
        if (text_is(n, 4, "host")) return note_host(h, p, v);
        break;
    case 6:
        if (text_is(n, 6, "expect")) {
            if (!text_is(val, v.n, "100-continue")) return refuse(h, 417);
            h->expect_continue = true;
        } else if (text_is(n, 6, "origin")) {
            return once(h, &h->origin, v);
        }
        break;
    case 7:
        if (text_is(n, 7, "upgrade")) h->upgrade = true;
        break;
    case 10:
        if (text_is(n, 10, "connection")) {
            struct vl_span s = http_part_span(p, v);
            if (http_list_has(s, "close")) h->close = true;
            if (http_list_has(s, "keep-alive")) h->keep_alive = true;
        }
        break;
    case 12:
        if (text_is(n, 12, "content-type")) return once(h, &h->content_type, v);
        if (text_is(n, 12, "x-request-id")) return once(h, &h->request_id, v);
        break;
    case 13:
        if (text_is(n, 13, "authorization")) return once(h, &h->authorization, v);
        break;
    case 14:
        if (text_is(n, 14, "content-length")) return h->has_length ? refuse(h, 400) : parse_length(h, val, v.n);
        break;
    case 17:
        if (text_is(n, 17, "transfer-encoding")) {
            if (h->chunked || !text_is(val, v.n, "chunked")) return refuse(h, 400);
            h->chunked = true;
        }
        break;
    default:
        break;
    }
    return VL_OK;
}

static enum vl_err parse_field(struct http_head *h, const char *p, size_t i, size_t end) {
    size_t at = i;
    if (h->fields_n == HTTP_FIELDS_MAX) return refuse(h, 431);
    while (i < end && class_of(p[i]) & C_TOKEN) i++;
    /* Covers obs-fold (starts with a space), an empty name, and a space before the colon. */
    if (i == at || i == end || p[i] != ':') return refuse(h, 400);
    struct http_part name = part(at, i++);
    while (i < end && (p[i] == ' ' || p[i] == '\t')) i++;
    while (end > i && (p[end - 1] == ' ' || p[end - 1] == '\t')) end--;
    for (size_t k = i; k < end; k++)
        if ((class_of(p[k]) & C_VALUE) == 0) return refuse(h, 400);
    struct http_part value = part(i, end);
    enum vl_err err = note_field(h, p, name, value);
    if (err != VL_OK) return err;
    h->fields[h->fields_n++] = (struct http_field){ .name = name, .value = value };
    return VL_OK;
}

static enum vl_err finish_head(struct http_head *h) {
    if (h->host.n == 0) return refuse(h, 400);
    if (h->chunked && h->has_length) return refuse(h, 400); /* RFC 9112 6.3: an attempt at smuggling */
    h->size = h->line;
    return VL_OK;
}

enum vl_err http_parse_head(struct http_head *h, const char *p, size_t n) {
    if (h->status != 0) return VL_EPARSE;
    size_t limit = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;
    for (;;) {
        const char *lf = limit > h->scan ? memchr(p + h->scan, '\n', limit - h->scan) : NULL;
        if (lf == NULL) {
            h->scan = (uint32_t)limit;
            if (limit < HTTP_HEAD_MAX) return VL_EAGAIN;
            return refuse(h, h->begun ? 431 : 414);
        }
        size_t end = (size_t)(lf - p), line = h->line;
        if (end == line || p[end - 1] != '\r') return refuse(h, 400);
        h->line = h->scan = (uint32_t)end + 1;
        enum vl_err err;
        if (h->begun) {
            if (end - 1 == line) return finish_head(h);
            err = parse_field(h, p, line, end - 1);
        } else {
            err = parse_request_line(h, p, line, end - 1);
            h->begun = true;
        }
        if (err != VL_OK) return err;
    }
}

struct http_part http_head_find(const struct http_head *h, const char *base, const char *lower_name) {
    size_t n = strlen(lower_name);
    for (uint16_t i = 0; i < h->fields_n; i++)
        if (h->fields[i].name.n == n && text_is(base + h->fields[i].name.at, n, lower_name)) return h->fields[i].value;
    return (struct http_part){ 0 };
}
