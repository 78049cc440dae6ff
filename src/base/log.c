#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct line {
    char p[4096];
    size_t n;
};

static void put(struct line *l, const char *s, size_t n) {
    size_t room = sizeof l->p - 1 - l->n; /* 1: the newline always fits */
    if (n > room) n = room;
    memcpy(l->p + l->n, s, n);
    l->n += n;
}

static void put_str(struct line *l, const char *s) { put(l, s, strlen(s)); }

/* Quoted; the escapes of RFC 8259 section 7, which logfmt readers understand too. */
static void put_quoted(struct line *l, const char *s) {
    put_str(l, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        char esc[8];
        if (c == '"' || c == '\\') {
            snprintf(esc, sizeof esc, "\\%c", c);
            put_str(l, esc);
        } else if (c < 0x20) {
            snprintf(esc, sizeof esc, "\\u%04x", c);
            put_str(l, esc);
        } else {
            put(l, s, 1);
        }
    }
    put_str(l, "\"");
}

static void put_field(struct line *l, enum vl_log_form form, const struct vl_field *f) {
    char num[32];
    if (form == VL_LOG_JSON) {
        put_str(l, ",");
        put_quoted(l, f->key);
        put_str(l, ":");
    } else {
        put_str(l, " ");
        put_str(l, f->key);
        put_str(l, "=");
    }
    switch (f->kind) {
    case 's':
        put_quoted(l, f->v.s ? f->v.s : "");
        return;
    case 'i':
        snprintf(num, sizeof num, "%" PRId64, f->v.i);
        break;
    case 'b':
        snprintf(num, sizeof num, "%s", f->v.u ? "true" : "false");
        break;
    default:
        snprintf(num, sizeof num, "%" PRIu64, f->v.u);
        break;
    }
    put_str(l, num);
}

void vl_log_write(struct vl_log *log, vl_ms now, enum vl_level level, const char *what, const struct vl_field *fields) {
    static const char *const names[] = { "debug", "info", "warn", "error" };
    if (log == NULL || level < log->min) return;
    struct line l = { .n = 0 };
    char when[25];
    vl_ms_format(now, when);
    struct vl_field head[] = { VL_S("time", when), VL_S("level", names[level]), VL_S("msg", what) };
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) put_field(&l, log->form, &head[i]);
    for (; fields->key != NULL; fields++) put_field(&l, log->form, fields);
    if (log->form == VL_LOG_JSON) {
        if (l.n > sizeof l.p - 2) l.n = sizeof l.p - 2; /* a cut line still ends as an object would */
        l.p[0] = '{';                                   /* over the first comma */
        l.p[l.n++] = '}';
    }
    l.p[l.n++] = '\n';
    size_t skip = log->form == VL_LOG_JSON ? 0 : 1;
    if (write(log->fd, l.p + skip, l.n - skip) == (ssize_t)(l.n - skip))
        log->written++;
    else
        log->dropped++;
}
