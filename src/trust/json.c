#include "trust/json.h"

#include <string.h>

static bool white(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static void skip(struct vl_span *at) {
    while (at->n > 0 && white(*at->p)) at->p++, at->n--;
}
static bool take(struct vl_span *at, uint8_t c) {
    if (at->n == 0 || *at->p != c) return false;
    at->p++;
    at->n--;
    return true;
}
static bool digit(const struct vl_span *at) { return at->n > 0 && *at->p >= '0' && *at->p <= '9'; }

static bool hex_digit(uint8_t c, uint8_t *ret) {
    if (c >= '0' && c <= '9')
        *ret = (uint8_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *ret = (uint8_t)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
        *ret = (uint8_t)(c - 'A' + 10);
    else
        return false;
    return true;
}

/* *ret is the inside, escapes and all.  Bytes above 127 pass: nothing here is shown to anyone. */
static bool string(struct vl_span *at, struct vl_span *ret) {
    if (!take(at, '"')) return false;
    const uint8_t *from = at->p;
    while (at->n > 0 && *at->p != '"') {
        if (*at->p < 0x20) return false;
        if (take(at, '\\')) {
            uint8_t ignored;
            size_t more = at->n > 0 && *at->p == 'u' ? 4 : 0;
            if (at->n < 1 + more || memchr("\"\\/bfnrtu", *at->p, 9) == NULL) return false;
            for (size_t i = 1; i <= more; i++)
                if (!hex_digit(at->p[i], &ignored)) return false;
            at->p += more;
            at->n -= more;
        }
        at->p++;
        at->n--;
    }
    *ret = vl_span(from, (size_t)(at->p - from));
    return take(at, '"');
}

static bool number(struct vl_span *at) {
    (void)take(at, '-');
    if (!digit(at)) return false;
    if (!take(at, '0'))
        while (digit(at)) at->p++, at->n--;
    if (take(at, '.')) {
        if (!digit(at)) return false;
        while (digit(at)) at->p++, at->n--;
    }
    if (take(at, 'e') || take(at, 'E')) {
        if (!take(at, '+')) (void)take(at, '-');
        if (!digit(at)) return false;
        while (digit(at)) at->p++, at->n--;
    }
    return true;
}

static bool word(struct vl_span *at, const char *text) {
    size_t n = strlen(text);
    if (at->n < n || memcmp(at->p, text, n) != 0) return false;
    at->p += n;
    at->n -= n;
    return true;
}

static bool value(struct vl_span *at, unsigned depth);

static bool object(struct vl_span *at, unsigned depth) {
    struct vl_span keys[JSON_KEYS];
    size_t n = 0;
    skip(at);
    if (take(at, '}')) return true;
    do {
        skip(at);
        if (n == JSON_KEYS || !string(at, &keys[n])) return false;
        for (size_t i = 0; i < n; i++)
            if (vl_span_eq(keys[i], keys[n])) return false;
        n++;
        skip(at);
        if (!take(at, ':')) return false;
        skip(at);
        if (!value(at, depth)) return false;
        skip(at);
    } while (take(at, ','));
    return take(at, '}');
}

static bool array(struct vl_span *at, unsigned depth) {
    skip(at);
    if (take(at, ']')) return true;
    do {
        skip(at);
        if (!value(at, depth)) return false;
        skip(at);
    } while (take(at, ','));
    return take(at, ']');
}

static bool value(struct vl_span *at, unsigned depth) {
    struct vl_span ignored;
    if (at->n == 0 || depth == 0) return false;
    switch (*at->p) {
    case '{':
        return take(at, '{') && object(at, depth - 1);
    case '[':
        return take(at, '[') && array(at, depth - 1);
    case '"':
        return string(at, &ignored);
    case 't':
        return word(at, "true");
    case 'f':
        return word(at, "false");
    case 'n':
        return word(at, "null");
    default:
        return number(at);
    }
}

/* The next value of *at as a span. */
static bool whole(struct vl_span *at, struct vl_span *ret) {
    skip(at);
    const uint8_t *from = at->p;
    if (!value(at, JSON_DEPTH)) return false;
    *ret = vl_span(from, (size_t)(at->p - from));
    return true;
}

bool jspan_read(struct vl_span text, struct vl_span *ret) {
    struct vl_span v;
    if (!whole(&text, &v)) return false;
    skip(&text);
    if (text.n != 0) return false;
    *ret = v;
    return true;
}

size_t jspan_stop(struct vl_span text) {
    struct vl_span at = text, v;
    if (whole(&at, &v)) skip(&at);
    return text.n - at.n;
}

bool jspan_member(struct vl_span o, const char *key, struct vl_span *ret) {
    if (!take(&o, '{')) return false;
    for (;;) {
        struct vl_span name, v;
        skip(&o);
        if (!string(&o, &name)) return false;
        skip(&o);
        if (!take(&o, ':') || !whole(&o, &v)) return false;
        if (vl_span_eq(name, vl_span_str(key))) {
            *ret = v;
            return true;
        }
        skip(&o);
        if (!take(&o, ',')) return false;
    }
}

bool jspan_next(struct vl_span *at, struct vl_span *ret) {
    /* Between elements *at stands on what was before them: the bracket, then commas. */
    struct vl_span s = *at;
    if (!take(&s, '[') && !take(&s, ',')) return false;
    skip(&s);
    if (s.n > 0 && *s.p == ']') return false;
    if (!whole(&s, ret)) return false;
    skip(&s);
    *at = s;
    return true;
}

bool jspan_pair(struct vl_span *at, struct vl_span *ret_name, struct vl_span *ret) {
    struct vl_span s = *at;
    if (!take(&s, '{') && !take(&s, ',')) return false;
    skip(&s);
    if (!string(&s, ret_name)) return false;
    skip(&s);
    if (!take(&s, ':') || !whole(&s, ret)) return false;
    skip(&s);
    *at = s;
    return true;
}

bool jspan_text(struct vl_span v, struct vl_span *ret) {
    struct vl_span s;
    if (!string(&v, &s) || v.n != 0 || (s.n > 0 && memchr(s.p, '\\', s.n) != NULL)) return false;
    *ret = s;
    return true;
}

bool jspan_is(struct vl_span v, const char *text) {
    struct vl_span s;
    return jspan_text(v, &s) && vl_span_eq(s, vl_span_str(text));
}

bool jspan_uint(struct vl_span v, uint64_t *ret) {
    uint64_t x = 0;
    if (v.n == 0 || (v.n > 1 && v.p[0] == '0')) return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9') return false;
        uint64_t d = (uint64_t)(v.p[i] - '0');
        if (x > (UINT64_MAX - d) / 10) return false;
        x = 10 * x + d;
    }
    *ret = x;
    return true;
}

bool jspan_hex(struct vl_span v, uint8_t *dst, size_t n) {
    struct vl_span s;
    if (!jspan_text(v, &s) || s.n != 2 * n) return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t high, low;
        if (!hex_digit(s.p[2 * i], &high) || !hex_digit(s.p[2 * i + 1], &low)) return false;
        dst[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
