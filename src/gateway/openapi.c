/* openapi.c - the table of routes as an OpenAPI 3.1 document. */
#include "gateway/router.h"

#include <stdio.h>
#include <string.h>

static void emit_parameter(struct jw *j, const char *name, const char *in, bool required, const char *doc) {
    jw_put_str(j, "name", name);
    jw_put_str(j, "in", in);
    if (required) jw_put_bool(j, "required", true);
    if (doc) jw_put_str(j, "description", doc);
}

static void emit_query_schema(struct jw *j, const struct query_row *q) {
    jw_key(j, "schema");
    jw_obj(j);
    jw_put_str(j, "type", q->type == QUERY_LIMIT ? "integer" : "string");
    if (q->type == QUERY_LIMIT) {
        jw_put_u64(j, "minimum", 1);
        jw_put_u64(j, "maximum", 1000);
        jw_put_u64(j, "default", 50);
    } else if (q->type == QUERY_ENUM) {
        jw_key(j, "enum");
        jw_arr(j);
        for (size_t i = 0; q->values[i]; i++) jw_str(j, q->values[i]);
        jw_arr_end(j);
    }
    jw_obj_end(j);
}

static void emit_parameters(struct jw *j, const struct route *r) {
    const char *open = strchr(r->path, '{');
    jw_key(j, "parameters");
    jw_arr(j);
    if (open) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)(strchr(open, '}') - open - 1), open + 1);
        jw_obj(j);
        emit_parameter(j, name, "path", true, NULL);
        jw_key(j, "schema");
        jw_raw(j, "{\"type\":\"string\"}", 17);
        jw_obj_end(j);
    }
    for (const struct query_row *q = r->query; q && q->name; q++) {
        jw_obj(j);
        emit_parameter(j, q->name, "query", false, q->doc);
        emit_query_schema(j, q);
        jw_obj_end(j);
    }
    if (r->method == HTTP_POST) {
        jw_obj(j);
        emit_parameter(j, "Idempotency-Key", "header", false,
                       "The same key and body give the same answer for 24 hours.");
        jw_key(j, "schema");
        jw_raw(j, "{\"type\":\"string\",\"minLength\":1,\"maxLength\":128}", 47);
        jw_obj_end(j);
    }
    jw_arr_end(j);
}

static void emit_body(struct jw *j, const struct route *r) {
    if (r->body == ROUTE_NO_BODY || (r->body == ROUTE_JSON_OPTIONAL && r->rows == NULL)) return;
    jw_key(j, "requestBody");
    jw_obj(j);
    jw_put_bool(j, "required", r->body != ROUTE_JSON_OPTIONAL);
    jw_key(j, "content");
    jw_obj(j);
    jw_key(j, r->body == ROUTE_BYTES ? "application/octet-stream" : "application/json");
    jw_obj(j);
    jw_key(j, "schema");
    if (r->rows)
        schema_emit(j, r->rows);
    else
        jw_raw(j, "{}", 2);
    jw_obj_end(j);
    jw_obj_end(j);
    jw_obj_end(j);
}

static void emit_responses(struct jw *j, const struct route *r) {
    char status[8];
    snprintf(status, sizeof status, "%u", r->success);
    jw_key(j, "responses");
    jw_obj(j);
    jw_key(j, status);
    jw_obj(j);
    jw_put_str(j, "description", r->answer);
    if (r->media_type) {
        jw_key(j, "content");
        jw_obj(j);
        jw_key(j, r->media_type);
        jw_raw(j, "{}", 2);
        jw_obj_end(j);
    }
    jw_obj_end(j);
    jw_key(j, "default");
    jw_raw(j, "{\"$ref\":\"#/components/responses/Problem\"}", 41);
    jw_obj_end(j);
}

static void emit_operation(struct jw *j, const struct route *r) {
    char method[8] = "";
    const char *m = http_method_text(r->method);
    for (size_t i = 0; m[i] && i + 1 < sizeof method; i++) method[i] = (char)(m[i] | 0x20);
    jw_key(j, method);
    jw_obj(j);
    jw_put_str(j, "operationId", r->name);
    jw_key(j, "tags");
    jw_arr(j);
    jw_str(j, r->tag);
    jw_arr_end(j);
    jw_put_str(j, "summary", r->summary);
    if (r->open) {
        jw_key(j, "security");
        jw_raw(j, "[]", 2);
    }
    emit_parameters(j, r);
    emit_body(j, r);
    emit_responses(j, r);
    jw_obj_end(j);
}

static bool first_of_path(size_t i) {
    for (size_t k = 0; k < i; k++)
        if (strcmp(gateway_routes[k].path, gateway_routes[i].path) == 0) return false;
    return true;
}

void openapi_emit(struct jw *j, const char *version) {
    static const char components[] =
        "{\"securitySchemes\":{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
        "\"responses\":{\"Problem\":{\"description\":\"What went wrong (RFC "
        "9457).\",\"content\":{\"application/problem+json\":"
        "{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}},"
        "\"schemas\":{\"Problem\":{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"detail\",\"code\","
        "\"request_id\"],"
        "\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"status\":{\"type\":"
        "\"integer\"},"
        "\"detail\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"},\"request_id\":{\"type\":\"string\"},"
        "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"field\":{\"type\":\"string\"},"
        "\"detail\":{\"type\":\"string\"}}}}}}}}";
    jw_obj(j);
    jw_put_str(j, "openapi", "3.1.0");
    jw_key(j, "info");
    jw_obj(j);
    jw_put_str(j, "title", "Village");
    jw_put_str(j, "version", version);
    jw_obj_end(j);
    jw_key(j, "security");
    jw_raw(j, "[{\"bearer\":[]}]", 15);
    jw_key(j, "paths");
    jw_obj(j);
    for (size_t i = 0; i < gateway_routes_n; i++) {
        if (!first_of_path(i)) continue;
        jw_key(j, gateway_routes[i].path);
        jw_obj(j);
        for (size_t k = i; k < gateway_routes_n; k++)
            if (strcmp(gateway_routes[k].path, gateway_routes[i].path) == 0) emit_operation(j, &gateway_routes[k]);
        jw_obj_end(j);
    }
    jw_obj_end(j);
    jw_key(j, "components");
    jw_raw(j, components, sizeof components - 1);
    jw_obj_end(j);
}
