/* router.h - one table of routes; dispatch, 405 with Allow, OpenAPI, metric labels and tests all read it (routes.c). */
#ifndef VL_GATEWAY_ROUTER_H
#define VL_GATEWAY_ROUTER_H

#include "base/bytes.h"
#include "gateway/http_parse.h"
#include "gateway/schema.h"
#include "gateway/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gateway;

#define ROUTE_PARAM_MAX 128u /* longest value of {id} or {hash}, bytes with the NUL */
#define ROUTE_QUERY_MAX 3u   /* query parameters of one route */
#define QUERY_VALUE_MAX 256u

enum route_body { ROUTE_NO_BODY = 0, ROUTE_JSON, ROUTE_JSON_OPTIONAL, ROUTE_BYTES };

enum query_type { QUERY_LIMIT = 0, QUERY_CURSOR, QUERY_ENUM, QUERY_TEXT };
struct query_row {
    const char *name; /* NULL ends the table */
    enum query_type type;
    const char *const *values; /* QUERY_ENUM, NULL-terminated */
    const char *doc;
};

/* What a handler gets besides the request; borrowed for the call. */
struct call {
    const struct route *route;
    char param[ROUTE_PARAM_MAX];  /* value of {id} or {hash}, "" when the route has none */
    uint32_t limit;               /* 1..1000 */
    char cursor[QUERY_VALUE_MAX]; /* "" when not given */
    int choice;                   /* index of the QUERY_ENUM value, -1 when not given */
    char text[QUERY_VALUE_MAX];   /* QUERY_TEXT */
    json_t *body;                 /* checked against the route's rows; NULL: none came */
};

typedef void (*route_fn)(struct gateway *g, struct http_req *r, const struct call *k);

struct route {
    enum http_method method;
    const char *path; /* template with at most one {param} segment */
    const char *name; /* operationId */
    const char *tag;
    const char *summary;
    bool open; /* needs no token */
    enum route_body body;
    const struct schema_row *rows; /* of the JSON body */
    uint64_t body_max;             /* 0: the gateway's setting */
    const struct query_row *query; /* NULL: none */
    uint16_t success;
    const char *answer;     /* what a success brings, for OpenAPI */
    const char *media_type; /* of it; NULL: no body */
    route_fn handle;        /* JSON or no body */
    route_fn begin;         /* ROUTE_BYTES: called at the head, sets the sink or answers */
};

extern const struct route gateway_routes[];
extern const size_t gateway_routes_n;

/* Route of method and path, HEAD as GET.  NULL with *ret_allow empty: no such path; NULL with a list: no such method.
 */
const struct route *router_find(enum http_method m, struct vl_span path, char param[ROUTE_PARAM_MAX],
                                char ret_allow[64]);
/* True when the template fits the path; param gets its {..} value. */
bool router_match(const char *template, struct vl_span path, char param[ROUTE_PARAM_MAX]);
/* Reads the query string by the rows.  VL_EPARSE: errors says which parameter. */
VL_MUST_CHECK enum vl_err router_query(const struct query_row *rows, struct vl_span raw, struct call *k,
                                       struct schema_errors *errors);
/* The whole OpenAPI 3.1 document. */
void openapi_emit(struct jw *j, const char *version);

#endif
