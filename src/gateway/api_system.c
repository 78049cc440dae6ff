/* api_system.c - health, info, metrics, the API's own description. */
#include "gateway/gateway_priv.h"
#include "gateway/ws.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

void api_health(struct gateway *g, struct http_req *r, const struct call *k) {
    struct jw j = api_json(r);
    (void)k;
    jw_obj(&j);
    jw_put_str(&j, "status", g->backend->ops->healthy(g->backend->self) ? "ok" : "degraded");
    jw_put_str(&j, "version", g->version);
    jw_put_u64(&j, "uptime_ms", http_server_now(g->server) - g->started_ms);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

static void put_library(struct jw *j, const char *name, const char *version) {
    jw_obj(j);
    jw_put_str(j, "name", name);
    jw_put_str(j, "version", version);
    jw_obj_end(j);
}

void api_info(struct gateway *g, struct http_req *r, const struct call *k) {
    struct view_info v = { 0 };
    struct jw j = api_json(r);
    (void)k;
    g->backend->ops->info(g->backend->self, &v);
    jw_obj(&j);
    jw_put_str(&j, "version", v.version);
    jw_key(&j, "node_id");
    emit_node_id(&j, v.node_id);
    jw_put_str(&j, "village_id", v.village_id);
    jw_put_str(&j, "name", v.name);
    jw_put_str(&j, "role", v.role);
    jw_put_ms(&j, "started_ms", v.started_ms);
    jw_put_str(&j, "addr", v.addr);
    jw_put_u64(&j, "cpus", v.cpus);
    jw_put_u64(&j, "memory_bytes", v.memory_bytes);
    jw_put_u64(&j, "rss_bytes", v.rss_bytes);
    jw_key(&j, "libraries");
    jw_arr(&j);
    for (size_t i = 0; i < v.libraries_n; i++) put_library(&j, v.libraries[i].name, v.libraries[i].version);
    put_library(&j, "libuv", uv_version_string());
    put_library(&j, "jansson", JANSSON_VERSION);
    put_library(&j, "libsodium", sodium_version_string());
    jw_arr_end(&j);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

struct metric_page {
    struct vl_buf *out;
    char name[128];
    enum vl_err err;
};

static void sample(struct metric_page *p, const char *name, const char *help, enum metric_type type, const char *label,
                   const char *value, double v) {
    if (p->err != VL_OK) return;
    if (strcmp(p->name, name) != 0) {
        snprintf(p->name, sizeof p->name, "%s", name);
        p->err = metrics_write_head(p->out, name, help, type);
    }
    if (p->err == VL_OK) p->err = metrics_write_sample(p->out, name, label, value, v);
}

static void on_metric(void *arg, const struct view_metric *v) {
    sample(arg, v->name, v->help, v->type == VIEW_COUNTER ? METRIC_COUNTER : METRIC_GAUGE, v->label, v->label_value,
           v->value);
}

static void own_samples(struct gateway *g, struct metric_page *p) {
    const struct http_stats *s = http_server_stats(g->server);
    const struct ws_stats *w = ws_hub_stats(g->hub);
    const struct {
        const char *name, *help;
        enum metric_type type;
        double value;
    } rows[] = {
        { "village_http_connections", "Open connections.", METRIC_GAUGE, s->open },
        { "village_http_requests_active", "Requests that wait for their answer.", METRIC_GAUGE, s->active },
        { "village_http_connections_total", "Connections accepted.", METRIC_COUNTER, (double)s->accepted },
        { "village_http_connections_refused_total", "Connections turned away at the limit.", METRIC_COUNTER,
          (double)s->refused },
        { "village_http_timeouts_total", "Connections ended for being slow or idle.", METRIC_COUNTER,
          (double)s->timed_out },
        { "village_http_malformed_total", "Requests that could not be read.", METRIC_COUNTER, (double)s->bad_requests },
        { "village_http_received_bytes_total", "Bytes read from clients.", METRIC_COUNTER, (double)s->bytes_in },
        { "village_http_sent_bytes_total", "Bytes written to clients.", METRIC_COUNTER, (double)s->bytes_out },
        { "village_websocket_clients", "Open WebSocket connections.", METRIC_GAUGE, w->clients },
        { "village_websocket_events_total", "Events put into topics.", METRIC_COUNTER, (double)w->events },
        { "village_websocket_frames_total", "Event frames sent.", METRIC_COUNTER, (double)w->frames },
        { "village_websocket_dropped_total", "Clients dropped for reading too slowly.", METRIC_COUNTER,
          (double)w->dropped },
        { "village_websocket_holes_total", "Events that could not be kept for subscribers.", METRIC_COUNTER,
          (double)w->holes },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        sample(p, rows[i].name, rows[i].help, rows[i].type, NULL, NULL, rows[i].value);
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0) return;
    double cpu =
        (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    size_t rss = 0;
    sample(p, "process_cpu_seconds_total", "User and system CPU time.", METRIC_COUNTER, NULL, NULL, cpu);
    if (uv_resident_set_memory(&rss) == 0)
        sample(p, "process_resident_memory_bytes", "Resident memory.", METRIC_GAUGE, NULL, NULL, (double)rss);
}

void api_metrics(struct gateway *g, struct http_req *r, const struct call *k) {
    struct metric_page p = { .out = http_server_scratch(r->server) };
    (void)k;
    p.err = metrics_write(g->metrics, p.out);
    own_samples(g, &p);
    g->backend->ops->metrics(g->backend->self, on_metric, &p);
    if (p.err != VL_OK) {
        api_error(r, p.err, NULL);
        return;
    }
    struct http_answer a = { .status = 200,
                             .type = "text/plain; version=0.0.4; charset=utf-8",
                             .fields = "Cache-Control: no-store\r\n",
                             .body = vl_span(p.out->p, p.out->len) };
    http_reply(r, &a);
}

void api_openapi(struct gateway *g, struct http_req *r, const struct call *k) {
    struct jw j = api_json(r);
    (void)k;
    openapi_emit(&j, g->version);
    api_send(g, r, 200, &j, NULL);
}
