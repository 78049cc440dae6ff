/* api_nodes.c - nodes, links, join tickets. */
#include "gateway/gateway_priv.h"

#include "crypto/node_id.h"

#include <stdlib.h>
#include <string.h>

/* A command on its way: the request that waits for it. */
struct waiting {
    struct gateway *g;
    struct http_req *r;
    uint16_t status;
};

static struct waiting *wait_for(struct gateway *g, struct http_req *r, uint16_t status) {
    struct waiting *w = malloc(sizeof *w);
    if (w)
        *w = (struct waiting){ .g = g, .r = r, .status = status };
    else
        api_error(r, VL_ENOMEM, NULL);
    return w;
}

static void on_done(void *arg, enum vl_err err, const char *detail) {
    struct waiting *w = arg;
    if (err == VL_OK)
        api_no_content(w->g, w->r, w->status);
    else
        api_error(w->r, err, detail);
    free(w);
}

static void node_item(void *arg, const struct view_node *v) {
    struct page *p = arg;
    if (page_takes(p, v->id.b, sizeof v->id.b)) emit_node(&p->j, v);
}

void api_nodes(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id after;
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    if (!page_cursor(g, r, k, CURSOR_NODES, sizeof after.b, key, &n)) return;
    if (n > 0) memcpy(after.b, key, sizeof after.b);
    struct page p = page_begin(r, k);
    g->backend->ops->nodes(g->backend->self, k->choice, n ? &after : NULL, k->limit + 1, node_item, &p);
    page_send(g, r, &p, CURSOR_NODES);
}

static void one_node(void *arg, const struct view_node *v) { emit_node(arg, v); }

void api_node(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id id;
    struct jw j = api_json(r);
    if (node_id_parse(k->param, &id) != VL_OK || g->backend->ops->node(g->backend->self, id, one_node, &j) != VL_OK) {
        api_not_found(r, "No node has this id.");
        return;
    }
    api_send(g, r, 200, &j, NULL);
}

void api_node_expel(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id id;
    if (node_id_parse(k->param, &id) != VL_OK) {
        api_not_found(r, "No node has this id.");
        return;
    }
    struct waiting *w = wait_for(g, r, 204);
    if (w == NULL) return;
    enum vl_err err = g->backend->ops->node_expel(g->backend->self, id, on_done, w);
    if (err != VL_OK) on_done(w, err, NULL);
}

void api_node_maintenance(struct gateway *g, struct http_req *r, const struct call *k) {
    struct vl_node_id id;
    if (node_id_parse(k->param, &id) != VL_OK) {
        api_not_found(r, "No node has this id.");
        return;
    }
    struct waiting *w = wait_for(g, r, 204);
    if (w == NULL) return;
    enum vl_err err =
        g->backend->ops->node_maintenance(g->backend->self, id, schema_bool(k->body, "on", true), on_done, w);
    if (err != VL_OK) on_done(w, err, NULL);
}

static void snapshot(void *arg, const struct view_topology *v) {
    struct jw *j = arg;
    jw_obj(j);
    jw_put_ms(j, "at_ms", v->at_ms);
    jw_put_u64(j, "nodes", v->nodes);
    jw_put_u64(j, "active", v->active);
    jw_put_u64(j, "offline", v->offline);
    jw_key(j, "links");
    jw_arr(j);
    for (size_t i = 0; i < v->links_n; i++) {
        jw_arr(j);
        emit_node_id(j, v->links[i].a);
        emit_node_id(j, v->links[i].b);
        jw_arr_end(j);
    }
    jw_arr_end(j);
    jw_obj_end(j);
}

void api_topology(struct gateway *g, struct http_req *r, const struct call *k) {
    struct jw j = api_json(r);
    (void)k;
    jw_obj(&j);
    jw_key(&j, "items");
    jw_arr(&j);
    g->backend->ops->topology(g->backend->self, snapshot, &j);
    jw_arr_end(&j);
    jw_put_str(&j, "next", NULL);
    jw_obj_end(&j);
    api_send(g, r, 200, &j, NULL);
}

/* ---- tickets ---- */

static void ticket_item(void *arg, const struct view_ticket *v) {
    struct page *p = arg;
    size_t n = strlen(v->id);
    if (n > CURSOR_KEY_MAX - 1 || !page_takes(p, v->id, n)) return;
    jw_obj(&p->j);
    emit_ticket_members(&p->j, v);
    jw_obj_end(&p->j);
}

void api_tickets(struct gateway *g, struct http_req *r, const struct call *k) {
    uint8_t key[CURSOR_KEY_MAX];
    size_t n = 0;
    if (!page_cursor(g, r, k, CURSOR_TICKETS, 0, key, &n)) return;
    if (n >= sizeof key) n = sizeof key - 1;
    key[n] = '\0';
    struct page p = page_begin(r, k);
    g->backend->ops->tickets(g->backend->self, n ? (const char *)key : NULL, k->limit + 1, ticket_item, &p);
    page_send(g, r, &p, CURSOR_TICKETS);
}

static void on_ticket(void *arg, enum vl_err err, const char *detail, const struct view_ticket *v, const char *text) {
    struct waiting *w = arg;
    if (err != VL_OK) {
        api_error(w->r, err, detail);
    } else {
        struct jw j = api_json(w->r);
        jw_obj(&j);
        jw_put_str(&j, "ticket", text);
        emit_ticket_members(&j, v);
        jw_obj_end(&j);
        api_send(w->g, w->r, 201, &j, NULL);
    }
    free(w);
}

void api_ticket_create(struct gateway *g, struct http_req *r, const struct call *k) {
    struct waiting *w = wait_for(g, r, 201);
    if (w == NULL) return;
    enum vl_err err = g->backend->ops->ticket_create(g->backend->self, (uint32_t)schema_u64(k->body, "uses", 1),
                                                     schema_u64(k->body, "ttl_s", 86400), on_ticket, w);
    if (err != VL_OK) on_ticket(w, err, NULL, NULL, NULL);
}

void api_ticket_revoke(struct gateway *g, struct http_req *r, const struct call *k) {
    struct waiting *w = wait_for(g, r, 204);
    if (w == NULL) return;
    enum vl_err err = g->backend->ops->ticket_revoke(g->backend->self, k->param, on_done, w);
    if (err != VL_OK) on_done(w, err, NULL);
}
