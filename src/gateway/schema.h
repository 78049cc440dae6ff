/* schema.h - bodies of requests as tables: one table checks the JSON a client sent, names the wrong field by its JSON
 * pointer (RFC 6901), and becomes the schema in OpenAPI. Parsing is jansson's, duplicates refused. */
#ifndef VL_GATEWAY_SCHEMA_H
#define VL_GATEWAY_SCHEMA_H

#include "base/bytes.h"
#include "base/err.h"
#include "gateway/json.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schema_type {
    SCHEMA_STRING = 0, /* min..max bytes of UTF-8 without control characters */
    SCHEMA_TEXT,       /* min..max bytes of UTF-8, control characters but NUL allowed (arguments, values) */
    SCHEMA_INT,        /* min..max */
    SCHEMA_BOOL,
    SCHEMA_HEX,    /* exactly max / 2 bytes as max lower-case hex digits */
    SCHEMA_ENUM,   /* one of `values` */
    SCHEMA_OBJECT, /* of `rows` */
    SCHEMA_LIST,   /* min..max items, each as rows[0] says (its name is not used) */
    SCHEMA_MAP,    /* object of at most max members; keys are environment names, values as rows[0] says */
};

struct schema_row {
    const char *name; /* NULL ends a table */
    enum schema_type type;
    bool required, nullable;
    int64_t min, max;
    const struct schema_row *rows;
    const char *const *values; /* NULL-terminated */
    const char *fallback;      /* default as JSON text, NULL: none */
    const char *doc;
};

#define SCHEMA_ERRORS_MAX 8u /* reported at once */
#define SCHEMA_POINTER_MAX 160u
#define SCHEMA_DEPTH_MAX 16u /* nesting of a body; jansson itself allows 2,048 */

struct schema_error {
    char pointer[SCHEMA_POINTER_MAX];
    char detail[160];
};
struct schema_errors {
    struct schema_error v[SCHEMA_ERRORS_MAX];
    size_t n; /* more than SCHEMA_ERRORS_MAX: so many were found */
};

/* Parses and checks `text` against `rows` (an object).  VL_OK: *ret_root is owned by the caller (json_decref).
 * VL_EPARSE: not what the table says, `errors` has at least one.  VL_ENOMEM. */
VL_MUST_CHECK enum vl_err schema_parse(struct vl_span text, const struct schema_row *rows, struct schema_errors *errors,
                                       json_t **ret_root);
/* The JSON pointer of the value that byte `offset` of the text belongs to, as far as the text can be read. */
void schema_pointer_at(struct vl_span text, size_t offset, char dst[SCHEMA_POINTER_MAX]);
/* Emits `rows` as a JSON Schema object. */
void schema_emit(struct jw *j, const struct schema_row *rows);
void schema_emit_row(struct jw *j, const struct schema_row *row);
/* Adds one more error at `pointer`; the detail is formatted. */
void schema_error_add(struct schema_errors *e, const char *pointer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Members of a checked object; the fallback when absent or null. */
uint64_t schema_u64(const json_t *obj, const char *key, uint64_t fallback);
bool schema_bool(const json_t *obj, const char *key, bool fallback);
const char *schema_str(const json_t *obj, const char *key, const char *fallback);

#endif
