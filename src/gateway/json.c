#include "gateway/json.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct jw jw_begin(struct vl_buf *out) {
    return (struct jw){ .out = out };
}

static void put(struct jw *j, const void *p, size_t n) {
    if (j->failed) return;
    if (j->out->cap - j->out->len < n && vl_buf_reserve(j->out, n) != VL_OK) {
        j->failed = true;
        return;
    }
    memcpy(j->out->p + j->out->len, p, n);
    j->out->len += n;
}

static void value_begins(struct jw *j) {
    if (j->comma) put(j, ",", 1);
    j->comma = true;
}

static void open_with(struct jw *j, const char *c) {
    value_begins(j);
    put(j, c, 1);
    j->comma = false;
}

static void close_with(struct jw *j, const char *c) {
    put(j, c, 1);
    j->comma = true;
}

void jw_obj(struct jw *j) { open_with(j, "{"); }
void jw_obj_end(struct jw *j) { close_with(j, "}"); }
void jw_arr(struct jw *j) { open_with(j, "["); }
void jw_arr_end(struct jw *j) { close_with(j, "]"); }

void jw_key(struct jw *j, const char *key) {
    if (j->comma)
        put(j, ",\"", 2);
    else
        put(j, "\"", 1);
    put(j, key, strlen(key));
    put(j, "\":", 2);
    j->comma = false;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629 4), 0 when it is not one. */
static size_t utf8_len(const uint8_t *p, size_t n) {
    uint8_t c = p[0];
    size_t len = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (len == 0 || n < len) return 0;
    uint8_t lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < lo || p[1] > hi) return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return len;
}

static void put_escaped(struct jw *j, uint8_t c) {
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char e[7] = { '\\', 'u', '0', '0', 0 };
    for (const char *s = shorts; *s; s += 2)
        if ((uint8_t)s[0] == c) {
            e[1] = s[1];
            put(j, e, 2);
            return;
        }
    vl_hex_encode(&c, 1, e + 4);
    put(j, e, 6);
}

void jw_strn(struct jw *j, const char *s, size_t n) {
    const uint8_t *p = (const uint8_t *)(n > 0 ? s : ""); /* an empty span may have no address */
    size_t from = 0, i = 0;
    value_begins(j);
    put(j, "\"", 1);
    while (i < n) {
        if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\') {
            i++;
            continue;
        }
        size_t len = p[i] < 0x80 ? 0 : utf8_len(p + i, n - i);
        if (len > 0) {
            i += len;
            continue;
        }
        put(j, p + from, i - from);
        if (p[i] < 0x80)
            put_escaped(j, p[i]);
        else
            put(j, "\xef\xbf\xbd", 3);
        from = ++i;
    }
    put(j, p + from, n - from);
    put(j, "\"", 1);
}

void jw_str(struct jw *j, const char *s) {
    if (s)
        jw_strn(j, s, strlen(s));
    else
        jw_null(j);
}

size_t jw_format_u64(uint64_t v, char *dst) {
    char tmp[20];
    size_t n = 0;
    do tmp[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    for (size_t i = 0; i < n; i++) dst[i] = tmp[n - 1 - i];
    return n;
}

void jw_u64(struct jw *j, uint64_t v) {
    char d[20];
    value_begins(j);
    put(j, d, jw_format_u64(v, d));
}

void jw_i64(struct jw *j, int64_t v) {
    char d[21] = "-";
    if (v >= 0) {
        jw_u64(j, (uint64_t)v);
        return;
    }
    value_begins(j);
    put(j, d, 1 + jw_format_u64(0 - (uint64_t)v, d + 1));
}

void jw_bool(struct jw *j, bool v) { jw_raw(j, v ? "true" : "false", v ? 4 : 5); }
void jw_null(struct jw *j) { jw_raw(j, "null", 4); }

void jw_hex(struct jw *j, const void *p, size_t n) {
    char h[131] = "\"";
    if (n > 64) n = 64;
    vl_hex_encode(p, n, h + 1);
    h[2 * n + 1] = '"';
    jw_raw(j, h, 2 * n + 2);
}

size_t jw_format_double(double v, char *dst) {
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(dst, 32, "%.*g", digits, v);
        if (strtod(dst, NULL) == v) break;
    }
    return (size_t)n;
}

void jw_double(struct jw *j, double v) {
    char d[32];
    if (isfinite(v))
        jw_raw(j, d, jw_format_double(v, d));
    else
        jw_null(j);
}

void jw_raw(struct jw *j, const char *s, size_t n) {
    value_begins(j);
    put(j, s, n);
}

void jw_put_str(struct jw *j, const char *key, const char *s) {
    jw_key(j, key);
    jw_str(j, s);
}
void jw_put_u64(struct jw *j, const char *key, uint64_t v) {
    jw_key(j, key);
    jw_u64(j, v);
}
void jw_put_bool(struct jw *j, const char *key, bool v) {
    jw_key(j, key);
    jw_bool(j, v);
}
void jw_put_hex(struct jw *j, const char *key, const void *p, size_t n) {
    jw_key(j, key);
    jw_hex(j, p, n);
}
void jw_put_ms(struct jw *j, const char *key, vl_ms t) {
    jw_key(j, key);
    if (t > 0)
        jw_u64(j, t);
    else
        jw_null(j);
}
