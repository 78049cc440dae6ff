#include "gateway/schema.h"

#include "gateway/http_parse.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a value stands: a chain on the stack, rendered only when there is something to report. */
struct place {
    const struct place *up;
    const char *key; /* NULL: an item */
    size_t index;
};

struct checker {
    struct schema_errors *errors;
};

static size_t pointer_append(char *dst, size_t at, const char *key, size_t n) {
    size_t cap = SCHEMA_POINTER_MAX;
    if (at + 1 < cap) dst[at++] = '/';
    for (size_t i = 0; i < n && at + 2 < cap; i++) { /* RFC 6901 3: '~' is ~0, '/' is ~1 */
        if (key[i] == '~' || key[i] == '/') {
            dst[at++] = '~';
            dst[at++] = key[i] == '~' ? '0' : '1';
        } else {
            dst[at++] = key[i];
        }
    }
    dst[at] = '\0';
    return at;
}

static size_t place_render(const struct place *p, char dst[SCHEMA_POINTER_MAX]) {
    if (p == NULL) {
        dst[0] = '\0';
        return 0;
    }
    size_t at = place_render(p->up, dst);
    char index[24];
    const char *key = p->key;
    if (key == NULL) {
        snprintf(index, sizeof index, "%zu", p->index);
        key = index;
    }
    return pointer_append(dst, at, key, strlen(key));
}

void schema_error_add(struct schema_errors *e, const char *pointer, const char *fmt, ...) {
    size_t i = e->n++;
    if (i >= SCHEMA_ERRORS_MAX) return;
    va_list ap;
    va_start(ap, fmt);
    snprintf(e->v[i].pointer, sizeof e->v[i].pointer, "%s", pointer);
    vsnprintf(e->v[i].detail, sizeof e->v[i].detail, fmt, ap);
    va_end(ap);
}

static void wrong(struct checker *c, const struct place *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void wrong(struct checker *c, const struct place *at, const char *fmt, ...) {
    char pointer[SCHEMA_POINTER_MAX], detail[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    place_render(at, pointer);
    schema_error_add(c->errors, pointer, "%s", detail);
}

static void check_value(struct checker *c, const struct schema_row *row, json_t *v, const struct place *at);

static void check_text(struct checker *c, const struct schema_row *row, const json_t *v, const struct place *at) {
    if (!json_is_string(v)) {
        wrong(c, at, "must be a string");
        return;
    }
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    if ((int64_t)n < row->min || (int64_t)n > row->max) {
        wrong(c, at, "must be %" PRId64 " to %" PRId64 " bytes long", row->min, row->max);
        return;
    }
    for (size_t i = 0; i < n && row->type == SCHEMA_STRING; i++)
        if ((uint8_t)s[i] < 0x20 || s[i] == 0x7f) {
            wrong(c, at, "must not hold control characters");
            return;
        }
}

static void check_int(struct checker *c, const struct schema_row *row, const json_t *v, const struct place *at) {
    if (!json_is_integer(v))
        wrong(c, at, "must be an integer");
    else if (json_integer_value(v) < row->min || json_integer_value(v) > row->max)
        wrong(c, at, "must be from %" PRId64 " to %" PRId64, row->min, row->max);
}

static void check_hex(struct checker *c, const struct schema_row *row, const json_t *v, const struct place *at) {
    const char *s = json_string_value(v);
    if (s && strlen(s) == (size_t)row->max && strspn(s, "0123456789abcdef") == (size_t)row->max) return;
    wrong(c, at, "must be %" PRId64 " lower-case hex digits", row->max);
}

static void check_enum(struct checker *c, const struct schema_row *row, const json_t *v, const struct place *at) {
    const char *s = json_string_value(v);
    char all[120] = "";
    for (size_t i = 0; row->values[i]; i++) {
        if (s && strcmp(s, row->values[i]) == 0) return;
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", row->values[i]);
    }
    wrong(c, at, "must be one of %s", all);
}

static void check_object(struct checker *c, const struct schema_row *rows, json_t *v, const struct place *at) {
    const char *key;
    json_t *member;
    if (!json_is_object(v)) {
        wrong(c, at, "must be an object");
        return;
    }
    json_object_foreach(v, key, member) {
        const struct schema_row *row = rows;
        struct place here = { .up = at, .key = key };
        while (row->name && strcmp(row->name, key) != 0) row++;
        if (row->name == NULL)
            wrong(c, &here, "is not a known field");
        else
            check_value(c, row, member, &here);
    }
    for (const struct schema_row *row = rows; row->name; row++) {
        struct place here = { .up = at, .key = row->name };
        if (row->required && json_object_get(v, row->name) == NULL) wrong(c, &here, "is required");
    }
}

static void check_list(struct checker *c, const struct schema_row *row, json_t *v, const struct place *at) {
    size_t n = json_array_size(v);
    if (!json_is_array(v)) {
        wrong(c, at, "must be a list");
        return;
    }
    if ((int64_t)n < row->min || (int64_t)n > row->max) {
        wrong(c, at, "must have %" PRId64 " to %" PRId64 " items", row->min, row->max);
        return;
    }
    for (size_t i = 0; i < n && c->errors->n < SCHEMA_ERRORS_MAX; i++) {
        struct place here = { .up = at, .index = i };
        check_value(c, row->rows, json_array_get(v, i), &here);
    }
}

/* POSIX.1-2017 8.1: letters, digits, underscore, not beginning with a digit. */
static bool env_name(const char *s) {
    if (*s == '\0' || strlen(s) > 63 || (*s >= '0' && *s <= '9')) return false;
    return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

static void check_map(struct checker *c, const struct schema_row *row, json_t *v, const struct place *at) {
    const char *key;
    json_t *member;
    if (!json_is_object(v)) {
        wrong(c, at, "must be an object");
        return;
    }
    if ((int64_t)json_object_size(v) > row->max) {
        wrong(c, at, "must have at most %" PRId64 " members", row->max);
        return;
    }
    json_object_foreach(v, key, member) {
        struct place here = { .up = at, .key = key };
        if (!env_name(key))
            wrong(c, &here, "is not a valid name: letters, digits and underscores, at most 63");
        else
            check_value(c, row->rows, member, &here);
    }
}

static void check_value(struct checker *c, const struct schema_row *row, json_t *v, const struct place *at) {
    if (json_is_null(v)) {
        if (!row->nullable) wrong(c, at, "must not be null");
        return;
    }
    switch (row->type) {
    case SCHEMA_STRING:
    case SCHEMA_TEXT:
        check_text(c, row, v, at);
        break;
    case SCHEMA_INT:
        check_int(c, row, v, at);
        break;
    case SCHEMA_BOOL:
        if (!json_is_boolean(v)) wrong(c, at, "must be true or false");
        break;
    case SCHEMA_HEX:
        check_hex(c, row, v, at);
        break;
    case SCHEMA_ENUM:
        check_enum(c, row, v, at);
        break;
    case SCHEMA_OBJECT:
        check_object(c, row->rows, v, at);
        break;
    case SCHEMA_LIST:
        check_list(c, row, v, at);
        break;
    case SCHEMA_MAP:
        check_map(c, row, v, at);
        break;
    }
}

/* jansson recurses to 2,048; a body of ours needs 4, and this bounds our own scanning too. */
static bool too_deep(struct vl_span text) {
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > SCHEMA_DEPTH_MAX) return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

enum vl_err schema_parse(struct vl_span text, const struct schema_row *rows, struct schema_errors *errors,
                         json_t **ret_root) {
    json_error_t e;
    errors->n = 0;
    if (too_deep(text)) {
        schema_error_add(errors, "", "nests deeper than %u", SCHEMA_DEPTH_MAX);
        return VL_EPARSE;
    }
    json_t *root = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &e);
    if (root == NULL) {
        if (json_error_code(&e) == json_error_out_of_memory) return VL_ENOMEM;
        char pointer[SCHEMA_POINTER_MAX];
        schema_pointer_at(text, e.position > 0 ? (size_t)e.position : 0, pointer);
        schema_error_add(errors, pointer, "line %d, column %d: %.120s", e.line, e.column, e.text);
        return VL_EPARSE;
    }
    struct checker c = { .errors = errors };
    check_object(&c, rows, root, NULL);
    if (errors->n > 0) {
        json_decref(root);
        return VL_EPARSE;
    }
    *ret_root = root;
    return VL_OK;
}

struct level {
    bool object;
    size_t index;      /* in a list */
    size_t key, key_n; /* in an object: raw key of the current member */
};

void schema_pointer_at(struct vl_span text, size_t offset, char dst[SCHEMA_POINTER_MAX]) {
    struct level levels[SCHEMA_DEPTH_MAX + 1];
    size_t depth = 0, end = offset < text.n ? offset : text.n;
    bool want_key = false;
    for (size_t i = 0; i < end; i++) {
        uint8_t ch = text.p[i];
        struct level *top = depth ? &levels[depth - 1] : NULL;
        if (ch == '"') {
            size_t from = ++i;
            while (i < end && text.p[i] != '"') i += text.p[i] == '\\' ? 2u : 1u;
            if (top && top->object && want_key) {
                top->key = from;
                top->key_n = (i < end ? i : end) - from;
                want_key = false;
            }
        } else if (ch == '{' || ch == '[') {
            if (depth > SCHEMA_DEPTH_MAX) break;
            levels[depth++] = (struct level){ .object = ch == '{' };
            want_key = ch == '{';
        } else if (ch == '}' || ch == ']') {
            if (depth > 0) depth--;
            want_key = false;
        } else if (ch == ',' && top) {
            top->index++;
            want_key = top->object;
        }
    }
    size_t at = 0;
    dst[0] = '\0';
    for (size_t d = 0; d < depth; d++) {
        char index[24];
        if (levels[d].object && levels[d].key == 0) break;
        if (levels[d].object) {
            at = pointer_append(dst, at, (const char *)text.p + levels[d].key, levels[d].key_n);
        } else {
            snprintf(index, sizeof index, "%zu", levels[d].index);
            at = pointer_append(dst, at, index, strlen(index));
        }
    }
    if (!http_utf8_valid(dst, strlen(dst))) dst[0] = '\0';
}

uint64_t schema_u64(const json_t *obj, const char *key, uint64_t fallback) {
    const json_t *v = json_object_get(obj, key);
    return json_is_integer(v) ? (uint64_t)json_integer_value(v) : fallback;
}

bool schema_bool(const json_t *obj, const char *key, bool fallback) {
    const json_t *v = json_object_get(obj, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

const char *schema_str(const json_t *obj, const char *key, const char *fallback) {
    const char *s = json_string_value(json_object_get(obj, key));
    return s ? s : fallback;
}
