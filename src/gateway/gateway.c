#include "gateway/gateway.h"

#include "base/bounds.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "gateway/gateway_priv.h"
#include "gateway/idempotency.h"
#include "gateway/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLASSES 6 /* other, 1xx .. 5xx */

enum { METRIC_REQUESTS = 0, METRIC_LATENCY = 1 };
static const double latency_bounds[] = { 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                         0.01,    0.025,  0.05,    0.1,    0.25,  1,      5 };
static const struct metric_def metric_table[] = {
    { .name = "village_http_requests_total",
      .help = "Requests answered, by route template and class of status.",
      .type = METRIC_COUNTER,
      .labels = { "route", "method", "code" },
      .max_series = 768 },
    { .name = "village_http_request_duration_seconds",
      .help = "From the head of a request to its answer.",
      .type = METRIC_HISTOGRAM,
      .labels = { "route", "method" },
      .bounds = latency_bounds,
      .bounds_n = sizeof latency_bounds / sizeof latency_bounds[0],
      .max_series = 128 },
};

vl_ms gateway_wall_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (vl_ms)t.tv_sec * 1000u + (vl_ms)t.tv_nsec / 1000000u;
}

/* ---- requests ---- */

static const struct route *route_of(const struct http_req *r) { return r->route; }

static bool is_json(struct vl_span type) {
    size_t n = type.n;
    const uint8_t *semicolon = memchr(type.p, ';', n);
    if (semicolon) n = (size_t)(semicolon - type.p);
    while (n > 0 && (type.p[n - 1] == ' ' || type.p[n - 1] == '\t')) n--;
    return http_span_is(vl_span(type.p, n), "application/json");
}

/* 404, 405 or OPTIONS. */
static void no_route(struct http_req *r, const char *list) {
    char fields[96];
    snprintf(fields, sizeof fields, "Allow: %s\r\n", list);
    if (r->method == HTTP_OTHER) {
        api_problem(r, 501, "method", "No route here knows this method.", NULL, NULL);
    } else if (list[0] == '\0') {
        api_not_found(r, "Nothing is at this address.");
    } else if (r->method == HTTP_OPTIONS) { /* no CORS fields: other sites may not call us */
        struct http_answer a = { .status = 204, .fields = fields };
        http_reply(r, &a);
    } else {
        api_problem(r, 405, "method", "This address does not know that method.", fields, NULL);
    }
}

/* What the route expects of a body, before any of it is read. False: answered. */
static bool plan_body(struct gateway *g, struct http_req *r, const struct route *route) {
    const struct http_head *h = r->head;
    bool has = h->chunked || h->length > 0;
    switch (route->body) {
    case ROUTE_NO_BODY:
        if (!has) return true;
        api_problem(r, 400, "bad_request", "This address takes no body.", NULL, NULL);
        return false;
    case ROUTE_BYTES:
        r->body_max = g->max_blob;
        if (h->has_length) return true;
        api_problem(r, 411, "length_required", "Say the Content-Length.", NULL, NULL);
        return false;
    case ROUTE_JSON:
    case ROUTE_JSON_OPTIONAL:
        r->body_max = route->body_max ? route->body_max : g->max_json;
        if (!has || is_json(http_part_span(r->base, h->content_type))) return true;
        api_problem(r, 415, "media_type", "The body must be application/json.", "Accept: application/json\r\n", NULL);
        return false;
    }
    return false;
}

static void on_head(void *user, struct http_req *r) {
    struct gateway *g = user;
    char param[ROUTE_PARAM_MAX], list[64];
    if (!auth_host_ok(&g->auth, http_part_span(r->base, r->head->host))) {
        api_problem(r, 421, "misdirected", "This gateway does not answer to that Host.", NULL, NULL);
        return;
    }
    bool api = (r->path.n >= 4 && memcmp(r->path.p, "/v1/", 4) == 0) ||
               (r->path.n == 7 && memcmp(r->path.p, "/health", 7) == 0);
    if (!api && !(r->path.n == 1 && r->path.p[0] == '*')) {
        if (r->head->chunked || r->head->length > 0)
            api_problem(r, 400, "bad_request", "This address takes no body.", NULL, NULL);
        else
            assets_serve(g, r);
        return;
    }
    const struct route *route = router_find(r->method, r->path, param, list);
    r->route = route;
    if (route == NULL) {
        no_route(r, r->path.p[0] == '*' ? "GET, HEAD, POST, PUT, DELETE, OPTIONS" : list);
        return;
    }
    if (!route->open && !auth_bearer_ok(&g->auth, http_part_span(r->base, r->head->authorization))) {
        api_problem(r, 401, "unauthorized", "A bearer token is needed.", "WWW-Authenticate: Bearer\r\n", NULL);
        return;
    }
    if (!route->open && http_server_stats(g->server)->active > ACTIVE_MAX) {
        api_problem(r, 503, "busy", "Too many requests are waiting.", "Retry-After: 1\r\n", NULL);
        return;
    }
    if (!plan_body(g, r, route) || route->begin == NULL) return;
    struct call k = { .route = route };
    memcpy(k.param, param, sizeof param);
    route->begin(g, r, &k);
}

/* The body as the route's table wants it. False: answered. */
static bool read_body(struct http_req *r, const struct route *route, struct call *k) {
    static const struct schema_row none[] = { { 0 } };
    struct schema_errors errors = { 0 };
    if (r->body.n == 0 && route->body == ROUTE_JSON_OPTIONAL) return true;
    if (r->body.n == 0) {
        schema_error_add(&errors, "", "a JSON object is needed");
        api_problem(r, 400, "bad_request", "The body is missing.", NULL, &errors);
        return false;
    }
    enum vl_err err = schema_parse(r->body, route->rows ? route->rows : none, &errors, &k->body);
    if (err == VL_OK) return true;
    if (err == VL_EPARSE)
        api_problem(r, 400, "bad_request", "Fields of the body are wrong.", NULL, &errors);
    else
        api_error(r, err, NULL);
    return false;
}

static void on_request(void *user, struct http_req *r) {
    struct gateway *g = user;
    const struct route *route = route_of(r);
    struct call k;
    struct schema_errors errors;
    k.route = route;
    k.body = NULL;
    (void)router_match(route->path, r->path, k.param);
    if (router_query(route->query, http_part_span(r->base, r->head->query), &k, &errors) != VL_OK) {
        api_problem(r, 400, "bad_request", "A parameter is wrong.", NULL, &errors);
        return;
    }
    if (route->method == HTTP_POST && !idem_begin(g, r, route)) return;
    bool json = route->body == ROUTE_JSON || route->body == ROUTE_JSON_OPTIONAL;
    if ((route->method == HTTP_POST || json) && !read_body(r, route, &k)) return;
    route->handle(g, r, &k);
    json_decref(k.body);
}

static void on_refuse(void *user, struct http_req *r, uint16_t status) {
    static const struct {
        uint16_t status;
        const char *code, *detail;
    } rows[] = {
        { 400, "bad_request", "The request is no well-formed HTTP/1.1." },
        { 408, "timeout", "The request came too slowly." },
        { 413, "too_large", "The body is larger than this address takes." },
        { 414, "too_large", "The address is too long." },
        { 417, "expectation", "Only 100-continue can be expected." },
        { 431, "too_large", "The header fields are too many or too large." },
        { 503, "busy", "Out of memory for now." },
        { 505, "version", "Only HTTP/1.1 is spoken here." },
    };
    (void)user;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status) {
            api_problem(r, status, rows[i].code, rows[i].detail, status == 503 ? "Retry-After: 1\r\n" : NULL, NULL);
            return;
        }
    api_problem(r, status, "internal", "The request could not be taken.", NULL, NULL);
}

static void on_done(void *user, const struct http_req *r, uint16_t status, uint64_t bytes) {
    struct gateway *g = user;
    const struct route *route = route_of(r);
    size_t i = route ? (size_t)(route - gateway_routes) : gateway_routes_n,
           class = status / 100 < CLASSES ? status / 100 : 0;
    uint64_t ns = uv_hrtime() - r->began_ns;
    metric_add(g->by_class[i * CLASSES + class], 1);
    metric_observe(g->latency[i], (double)ns / 1e9);
    if (r->context) idem_end(g, r->context);
    if (g->log && g->log->min <= VL_DEBUG) {
        char id[HTTP_ID_MAX + 1];
        memcpy(id, r->id, r->id_n);
        id[r->id_n] = '\0';
        vl_log(g->log, gateway_wall_ms(), VL_DEBUG, "request answered", VL_S("route", route ? route->path : ""),
               VL_S("method", http_method_text(r->method)), VL_U("status", status), VL_U("bytes", bytes),
               VL_U("us", ns / 1000), VL_S("request_id", id));
    }
}

/* ---- life ---- */

struct gateway *gateway_of(struct http_req *r) {
    return http_server_user(r->server);
}

static bool metrics_init(struct gateway *g) {
    static const char *const classes[CLASSES] = { "other", "1xx", "2xx", "3xx", "4xx", "5xx" };
    g->metrics = metrics_create(metric_table, sizeof metric_table / sizeof metric_table[0]);
    g->by_class = calloc((gateway_routes_n + 1) * CLASSES, sizeof(struct metric_series *));
    g->latency = calloc(gateway_routes_n + 1, sizeof(struct metric_series *));
    if (g->metrics == NULL || g->by_class == NULL || g->latency == NULL) return false;
    for (size_t i = 0; i <= gateway_routes_n; i++) {
        bool none = i == gateway_routes_n;
        const char *labels[METRIC_LABELS_MAX] = { none ? "none" : gateway_routes[i].path,
                                                  none ? "any" : http_method_text(gateway_routes[i].method), NULL };
        g->latency[i] = metrics_series(g->metrics, METRIC_LATENCY, labels);
        for (size_t c = 0; c < CLASSES; c++) {
            labels[2] = classes[c];
            g->by_class[i * CLASSES + c] = metrics_series(g->metrics, METRIC_REQUESTS, labels);
        }
    }
    return true;
}

static void free_gateway(void *arg) {
    struct gateway *g = arg;
    metrics_destroy(g->metrics);
    free(g->by_class);
    free(g->latency);
    vl_map_free(&g->in_flight);
    crypto_wipe(&g->auth, sizeof g->auth);
    free(g);
}

static enum vl_err start(struct gateway *g, const struct gateway_config *c, struct vl_errmsg *msg) {
    struct http_config hc = {
        .host = c->host ? c->host : "127.0.0.1",
        .port = c->port,
        .max_connections = c->max_connections ? c->max_connections : CONNECTIONS_MAX,
        .callbacks = { .head = on_head, .request = on_request, .refuse = on_refuse, .done = on_done },
        .user = g,
    };
    enum vl_err err = auth_init(&g->auth, c->token, hc.host, c->allowed_hosts);
    if (err != VL_OK)
        return vl_errmsg_set(msg, err, "the token must be 16 to 256 printable characters, the hosts at most %u",
                             AUTH_HOSTS_MAX);
    crypto_blake2b_keyed(vl_span(g->auth.token.b, sizeof g->auth.token.b), vl_span(NULL, 0), "village-cursor--",
                         (uint8_t *)g->seal.k, sizeof g->seal.k);
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    vl_map_init(&g->in_flight, sizeof(struct vl_hash), ACTIVE_MAX, seed);
    if (!metrics_init(g)) return VL_ENOMEM;
    err = http_server_create(g->loop, &hc, msg, &g->server);
    if (err != VL_OK) return err;
    g->hub = ws_hub_create(g->loop, g->server);
    if (g->hub) return VL_OK;
    http_server_destroy(g->server, NULL, NULL);
    return VL_ENOMEM;
}

enum vl_err gateway_create(uv_loop_t *loop, const struct gateway_config *config, const struct backend *backend,
                           struct vl_errmsg *msg, struct gateway **ret_gateway) {
    struct gateway *g = calloc(1, sizeof *g);
    if (g == NULL) return VL_ENOMEM;
    g->loop = loop;
    g->backend_copy = *backend;
    g->backend = &g->backend_copy;
    g->log = config->log;
    g->assets = config->assets;
    g->assets_n = config->assets ? config->assets_n : 0;
    g->max_json = config->max_json_bytes ? config->max_json_bytes : JSON_BODY_MAX;
    g->max_blob = config->max_blob_bytes ? config->max_blob_bytes : VL_BLOB_MAX;
    g->started_ms = uv_now(loop);
    snprintf(g->version, sizeof g->version, "%s", config->version ? config->version : "");
    enum vl_err err = start(g, config, msg);
    if (err != VL_OK) {
        free_gateway(g);
        return err;
    }
    *ret_gateway = g;
    return VL_OK;
}

uint16_t gateway_port(const struct gateway *g) { return http_server_port(g->server); }

void gateway_drain(struct gateway *g, vl_ms grace_ms, void (*done)(void *arg), void *arg) {
    ws_hub_drain(g->hub);
    http_server_drain(g->server, grace_ms, done, arg);
}

void gateway_destroy(struct gateway *g) {
    if (g == NULL) return;
    api_proofs_forget(g);
    http_server_destroy(g->server, free_gateway, g); /* ends the clients of the hub too */
    ws_hub_destroy(g->hub);
}
