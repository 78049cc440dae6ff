/* schema_emit.c - the same tables as JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
#include "gateway/schema.h"

#include <string.h>

static void emit_type(struct jw *j, const char *type, bool nullable) {
    jw_key(j, "type");
    if (!nullable) {
        jw_str(j, type);
        return;
    }
    jw_arr(j);
    jw_str(j, type);
    jw_str(j, "null");
    jw_arr_end(j);
}

static void emit_i64(struct jw *j, const char *key, int64_t v) {
    jw_key(j, key);
    jw_i64(j, v);
}

static void emit_members(struct jw *j, const struct schema_row *rows) {
    bool any = false;
    jw_key(j, "properties");
    jw_obj(j);
    for (const struct schema_row *r = rows; r->name; r++) {
        jw_key(j, r->name);
        schema_emit_row(j, r);
        any = any || r->required;
    }
    jw_obj_end(j);
    if (any) {
        jw_key(j, "required");
        jw_arr(j);
        for (const struct schema_row *r = rows; r->name; r++)
            if (r->required) jw_str(j, r->name);
        jw_arr_end(j);
    }
    jw_put_bool(j, "additionalProperties", false);
}

static void emit_enum(struct jw *j, const struct schema_row *row) {
    jw_key(j, "enum");
    jw_arr(j);
    for (size_t i = 0; row->values[i]; i++) jw_str(j, row->values[i]);
    jw_arr_end(j);
}

static void emit_shape(struct jw *j, const struct schema_row *row) {
    switch (row->type) {
    case SCHEMA_STRING:
    case SCHEMA_TEXT:
        emit_type(j, "string", row->nullable);
        if (row->min > 0) emit_i64(j, "minLength", row->min);
        emit_i64(j, "maxLength", row->max);
        break;
    case SCHEMA_INT:
        emit_type(j, "integer", row->nullable);
        emit_i64(j, "minimum", row->min);
        emit_i64(j, "maximum", row->max);
        break;
    case SCHEMA_BOOL:
        emit_type(j, "boolean", row->nullable);
        break;
    case SCHEMA_HEX:
        emit_type(j, "string", row->nullable);
        emit_i64(j, "minLength", row->max);
        emit_i64(j, "maxLength", row->max);
        jw_put_str(j, "pattern", "^[0-9a-f]*$");
        break;
    case SCHEMA_ENUM:
        emit_type(j, "string", row->nullable);
        emit_enum(j, row);
        break;
    case SCHEMA_OBJECT:
        emit_type(j, "object", row->nullable);
        emit_members(j, row->rows);
        break;
    case SCHEMA_LIST:
        emit_type(j, "array", row->nullable);
        if (row->min > 0) emit_i64(j, "minItems", row->min);
        emit_i64(j, "maxItems", row->max);
        jw_key(j, "items");
        schema_emit_row(j, row->rows);
        break;
    case SCHEMA_MAP:
        emit_type(j, "object", row->nullable);
        emit_i64(j, "maxProperties", row->max);
        jw_key(j, "additionalProperties");
        schema_emit_row(j, row->rows);
        break;
    }
}

void schema_emit_row(struct jw *j, const struct schema_row *row) {
    jw_obj(j);
    emit_shape(j, row);
    if (row->doc) jw_put_str(j, "description", row->doc);
    if (row->fallback) {
        jw_key(j, "default");
        jw_raw(j, row->fallback, strlen(row->fallback));
    }
    jw_obj_end(j);
}

void schema_emit(struct jw *j, const struct schema_row *rows) {
    jw_obj(j);
    emit_type(j, "object", false);
    emit_members(j, rows);
    jw_obj_end(j);
}
