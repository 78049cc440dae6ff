#include "wire/armor.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define LINE 64u

static bool label_ok(const char *label, size_t n) {
    if (n == 0 || n > ARMOR_LABEL_MAX || label[0] == ' ' || label[n - 1] == ' ') return false;
    for (size_t i = 0; i < n; i++) {
        bool word = (label[i] >= 'A' && label[i] <= 'Z') || (label[i] >= '0' && label[i] <= '9');
        if (!word && (label[i] != ' ' || label[i - 1] == ' ')) return false;
    }
    return true;
}

static enum vl_err put(struct vl_buf *out, const char *s) { return vl_buf_append(out, s, strlen(s)); }

static enum vl_err bound(struct vl_buf *out, const char *which, const char *label) {
    enum vl_err err = put(out, which);
    if (err == VL_OK) err = put(out, label);
    if (err == VL_OK) err = put(out, DASHES "\n");
    return err;
}

static enum vl_err body(struct vl_buf *out, const char *text, size_t n) {
    enum vl_err err = VL_OK;
    for (size_t i = 0; i < n && err == VL_OK; i += LINE) {
        err = vl_buf_append(out, text + i, n - i < LINE ? n - i : LINE);
        if (err == VL_OK) err = put(out, "\n");
    }
    return err;
}

enum vl_err armor_write(const char *label, struct vl_span bytes, struct vl_buf *out) {
    if (!label_ok(label, strlen(label)) || bytes.n > ARMOR_BYTES_MAX) return VL_ERANGE;
    char *text = malloc(VL_BASE64_SIZE(bytes.n));
    size_t before = out->len;
    if (text == NULL) return VL_ENOMEM;
    vl_base64_encode(bytes.p, bytes.n, text);
    enum vl_err err = bound(out, BEGIN, label);
    if (err == VL_OK) err = body(out, text, strlen(text));
    if (err == VL_OK) err = bound(out, END, label);
    if (err) out->len = before;
    free(text);
    return err;
}

/* Takes a line off *s, without its end; the last one may have none. */
static struct vl_span line_next(struct vl_span *s) {
    const uint8_t *nl = s->n > 0 ? memchr(s->p, '\n', s->n) : NULL;
    size_t n = nl ? (size_t)(nl - s->p) : s->n;
    struct vl_span line = vl_span(s->p, n);
    size_t taken = nl ? n + 1 : n;
    *s = vl_span(s->p + taken, s->n - taken);
    if (line.n > 0 && line.p[line.n - 1] == '\r') line.n--;
    return line;
}

static struct vl_span trim(struct vl_span s) {
    while (s.n > 0 && memchr(" \t\r\n", s.p[0], 4) != NULL) s = vl_span(s.p + 1, s.n - 1);
    while (s.n > 0 && memchr(" \t\r\n", s.p[s.n - 1], 4) != NULL) s.n--;
    return s;
}

static bool bound_is(struct vl_span line, const char *which, char label[ARMOR_LABEL_MAX + 1]) {
    size_t head = strlen(which), tail = strlen(DASHES);
    if (line.n <= head + tail || line.n - head - tail > ARMOR_LABEL_MAX) return false;
    if (memcmp(line.p, which, head) != 0 || memcmp(line.p + line.n - tail, DASHES, tail) != 0) return false;
    size_t n = line.n - head - tail;
    memcpy(label, line.p + head, n);
    label[n] = 0;
    return label_ok(label, n);
}

bool armor_is(struct vl_span text) {
    text = trim(text);
    return text.n >= strlen(BEGIN) && memcmp(text.p, BEGIN, strlen(BEGIN)) == 0;
}

/* Whole lines but for the last: base64 has no other place for a break. */
static enum vl_err gather(struct vl_span *rest, const char *label, char *text, size_t cap) {
    char last[ARMOR_LABEL_MAX + 1];
    size_t n = 0;
    for (bool short_seen = false;;) {
        if (rest->n == 0) return VL_EPARSE;
        struct vl_span line = line_next(rest);
        if (bound_is(line, END, last)) break;
        if (line.n == 0 || line.n > LINE || short_seen) return VL_EPARSE;
        if (n + line.n >= cap) return VL_ELIMIT;
        short_seen = line.n < LINE;
        memcpy(text + n, line.p, line.n);
        n += line.n;
    }
    text[n] = 0;
    return rest->n == 0 && strcmp(last, label) == 0 && strlen(text) == n ? VL_OK : VL_EPARSE;
}

enum vl_err armor_read(struct vl_span in, char ret_label[ARMOR_LABEL_MAX + 1], struct vl_buf *out) {
    char label[ARMOR_LABEL_MAX + 1];
    struct vl_span rest = trim(in);
    if (rest.n > 2 * ARMOR_BYTES_MAX) return VL_ELIMIT;
    if (!bound_is(line_next(&rest), BEGIN, label)) return VL_EPARSE;
    size_t cap = rest.n + 1, n = 0;
    char *text = malloc(cap);
    uint8_t *raw = malloc(cap);
    enum vl_err err = text != NULL && raw != NULL ? gather(&rest, label, text, cap) : VL_ENOMEM;
    if (err == VL_OK) err = vl_base64_decode(text, raw, ARMOR_BYTES_MAX < cap ? ARMOR_BYTES_MAX : cap, &n);
    if (err == VL_OK) err = vl_buf_append(out, raw, n);
    if (err == VL_OK) memcpy(ret_label, label, sizeof label);
    free(text);
    free(raw);
    return err;
}
