#include "gateway/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool router_match(const char *template, struct vl_span path, char param[ROUTE_PARAM_MAX]) {
    const char *p = (const char *)path.p, *end = p + path.n, *t = template;
    for (; *t && *t != '{'; t++, p++)
        if (p == end || *p != *t) return false;
    if (*t == '\0') {
        param[0] = '\0';
        return p == end;
    }
    const char *from = p;
    while (p < end && *p != '/') p++;
    size_t n = (size_t)(p - from);
    if (n == 0 || n >= ROUTE_PARAM_MAX) return false;
    t = strchr(t, '}') + 1;
    if (strlen(t) != (size_t)(end - p) || memcmp(t, p, (size_t)(end - p)) != 0) return false;
    memcpy(param, from, n);
    param[n] = '\0';
    return true;
}

static void allow(char list[64], enum http_method m) {
    size_t n = strlen(list);
    snprintf(list + n, 64 - n, "%s%s", n ? ", " : "", http_method_text(m));
    if (m == HTTP_GET) allow(list, HTTP_HEAD);
}

const struct route *router_find(enum http_method m, struct vl_span path, char param[ROUTE_PARAM_MAX],
                                char ret_allow[64]) {
    if (m == HTTP_HEAD) m = HTTP_GET;
    ret_allow[0] = '\0';
    for (size_t i = 0; i < gateway_routes_n; i++) {
        const struct route *r = &gateway_routes[i];
        if (!router_match(r->path, path, param)) continue;
        if (r->method == m) return r;
        allow(ret_allow, r->method);
    }
    if (ret_allow[0]) allow(ret_allow, HTTP_OPTIONS);
    return NULL;
}

static bool read_limit(const char *s, uint32_t *ret) {
    char *end;
    if (*s < '0' || *s > '9' || strlen(s) > 4) return false;
    unsigned long v = strtoul(s, &end, 10);
    if (*end != '\0' || v < 1 || v > 1000) return false;
    *ret = (uint32_t)v;
    return true;
}

static void read_value(const struct query_row *row, const char *value, struct call *k, struct schema_errors *errors,
                       const char *pointer) {
    switch (row->type) {
    case QUERY_LIMIT:
        if (!read_limit(value, &k->limit)) schema_error_add(errors, pointer, "must be from 1 to 1000");
        break;
    case QUERY_CURSOR:
        if (*value == '\0') schema_error_add(errors, pointer, "must not be empty");
        snprintf(k->cursor, sizeof k->cursor, "%s", value);
        break;
    case QUERY_ENUM:
        for (int i = 0; row->values[i]; i++)
            if (strcmp(row->values[i], value) == 0) k->choice = i;
        if (k->choice < 0) schema_error_add(errors, pointer, "is none of the known values");
        break;
    case QUERY_TEXT:
        snprintf(k->text, sizeof k->text, "%s", value);
        break;
    }
}

static void read_pair(const struct query_row *rows, struct vl_span pair, struct call *k, unsigned *seen,
                      struct schema_errors *errors) {
    char name[64], value[QUERY_VALUE_MAX], pointer[80];
    size_t name_n = 0, value_n = 0;
    const uint8_t *eq = memchr(pair.p, '=', pair.n);
    size_t split = eq ? (size_t)(eq - pair.p) : pair.n;
    struct vl_span rest = eq ? vl_span(eq + 1, pair.n - split - 1) : vl_span("", 0);
    if (http_query_decode(vl_span(pair.p, split), name, sizeof name, &name_n) != VL_OK) {
        schema_error_add(errors, "?", "a parameter name cannot be read");
        return;
    }
    snprintf(pointer, sizeof pointer, "?%s", name);
    const struct query_row *row = rows;
    while (row && row->name && strcmp(row->name, name) != 0) row++;
    if (row == NULL || row->name == NULL) {
        schema_error_add(errors, pointer, "is not a known parameter");
        return;
    }
    unsigned bit = 1u << (row - rows);
    if (*seen & bit)
        schema_error_add(errors, pointer, "is given twice");
    else if (http_query_decode(rest, value, sizeof value, &value_n) != VL_OK)
        schema_error_add(errors, pointer, "cannot be read");
    else
        read_value(row, value, k, errors, pointer);
    *seen |= bit;
}

enum vl_err router_query(const struct query_row *rows, struct vl_span raw, struct call *k,
                         struct schema_errors *errors) {
    unsigned seen = 0;
    errors->n = 0;
    k->limit = 50;
    k->choice = -1;
    k->cursor[0] = k->text[0] = '\0';
    for (size_t i = 0; i < raw.n && errors->n < SCHEMA_ERRORS_MAX;) {
        size_t end = i;
        while (end < raw.n && raw.p[end] != '&') end++;
        if (end > i) read_pair(rows, vl_span(raw.p + i, end - i), k, &seen, errors);
        i = end + 1;
    }
    return errors->n ? VL_EPARSE : VL_OK;
}
