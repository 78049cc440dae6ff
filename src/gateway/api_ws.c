/* api_ws.c - tickets for the WebSocket, its opening handshake (RFC 6455 4.2), and what is published to it. */
#include "gateway/gateway_priv.h"

#include "gateway/ws.h"

#include <stdio.h>
#include <string.h>

void api_ws_ticket(struct gateway *g, struct http_req *r, const struct call *k) {
    char ticket[AUTH_WS_TICKET_TEXT];
    struct jw j = api_json(r);
    (void)k;
    auth_ticket_make(&g->auth, http_server_now(g->server), ticket);
    jw_obj(&j);
    jw_put_str(&j, "ticket", ticket);
    jw_put_u64(&j, "expires_ms", gateway_wall_ms() + AUTH_WS_TICKET_MS);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

static struct vl_span field(const struct http_req *r, const char *name) {
    return http_part_span(r->base, http_head_find(r->head, r->base, name));
}

/* 24 characters of base64 that stand for 16 bytes (RFC 6455 4.2.1). */
static bool key_ok(struct vl_span key) {
    if (key.n != 24 || key.p[22] != '=' || key.p[23] != '=') return false;
    for (size_t i = 0; i < 22; i++)
        if (memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", key.p[i], 64) == NULL)
            return false;
    return true;
}

static bool may_open(struct gateway *g, const struct http_req *r, const struct call *k) {
    if (k->text[0]) return auth_ticket_use(&g->auth, http_server_now(g->server), k->text);
    return auth_bearer_ok(&g->auth, http_part_span(r->base, r->head->authorization));
}

void api_ws(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_span key = field(r, "sec-websocket-key"), origin = http_part_span(r->base, r->head->origin);
    if (r->method != HTTP_GET || !http_list_has(field(r, "upgrade"), "websocket") ||
        !http_list_has(field(r, "connection"), "upgrade")) {
        api_problem(r, 426, "upgrade", "This address speaks WebSocket only.",
                    "Upgrade: websocket\r\nConnection: Upgrade\r\n", NULL);
        return;
    }
    if (!http_span_is(field(r, "sec-websocket-version"), "13")) {
        api_problem(r, 426, "upgrade", "WebSocket version 13 is spoken here.",
                    "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n", NULL);
        return;
    }
    if (!key_ok(key)) {
        api_problem(r, 400, "bad_request", "Sec-WebSocket-Key must be 16 bytes of base64.", NULL, NULL);
        return;
    }
    if (r->head->origin.at != 0 && !auth_origin_ok(origin, http_part_span(r->base, r->head->host))) {
        api_problem(r, 403, "origin", "A page of another site may not open this WebSocket.", NULL, NULL);
        return;
    }
    if (!may_open(g, r, k)) {
        api_problem(r, 401, "unauthorized", "A fresh ticket or the token is needed.", "WWW-Authenticate: Bearer\r\n",
                    NULL);
        return;
    }
    enum vl_err err = ws_hub_accept(g->hub, r, key);
    if (err != VL_OK) api_error(r, err, NULL);
}

/* ---- publishing ---- */

static struct jw event_json(struct gateway *g) { return jw_begin(http_server_scratch(g->server)); }

static void publish(struct gateway *g, const char *topic, struct jw *j) {
    ws_hub_publish(g->hub, topic, j->failed ? vl_span(NULL, 0) : vl_span(j->out->p, j->out->len));
}

void gateway_publish_node(struct gateway *g, const struct view_node *v) {
    struct jw j = event_json(g);
    if (ws_hub_wants(g->hub, "nodes")) emit_node(&j, v);
    publish(g, "nodes", &j);
}

void gateway_publish_job(struct gateway *g, const struct view_job *v) {
    struct jw j = event_json(g);
    if (ws_hub_wants(g->hub, "jobs")) emit_job(&j, v);
    publish(g, "jobs", &j);
}

void gateway_publish_task(struct gateway *g, struct vl_job_id job, const struct view_task *v) {
    char topic[TOPIC_NAME_MAX] = "tasks:";
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof job.b; i++) {
        topic[6 + 2 * i] = digits[job.b[i] >> 4];
        topic[7 + 2 * i] = digits[job.b[i] & 15];
    }
    if (!ws_hub_wants(g->hub, topic)) return;
    struct jw j = event_json(g);
    emit_task(&j, v);
    publish(g, topic, &j);
}
