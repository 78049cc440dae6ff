/* api_harvest.c - this machine as its owner lends it, and what machines gave. */
#include "gateway/gateway_priv.h"

#include "base/bytes.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_i64(struct jw *j, const char *key, int64_t v) {
    jw_key(j, key);
    jw_i64(j, v);
}

static void contribution_members(struct jw *j, const struct view_contribution *v) {
    jw_put_ms(j, "start_ms", v->start_ms);
    jw_put_ms(j, "end_ms", v->end_ms);
    jw_put_bool(j, "open", v->open);
    jw_put_u64(j, "cpu_us", v->cpu_us);
    jw_put_u64(j, "gpu_us", v->gpu_us);
    jw_put_u64(j, "memory_byte_s", v->memory_byte_s);
    jw_put_u64(j, "storage_bytes", v->storage_bytes);
    jw_put_u64(j, "network_bytes", v->network_bytes);
    jw_put_u64(j, "tasks_done", v->done);
    jw_put_u64(j, "tasks_failed", v->failed);
    jw_put_u64(j, "tasks_handed_back", v->handed_back);
    jw_put_u64(j, "frozen_ms", v->frozen_ms);
    jw_put_u64(j, "throttled_ms", v->throttled_ms);
}

static void put_reason(struct jw *j, const struct view_harvest *v) {
    jw_key(j, "reason");
    jw_obj(j);
    jw_put_str(j, "rule", v->rule);
    if (v->rule_known) {
        put_i64(j, "value", v->rule_value);
        put_i64(j, "limit", v->rule_limit);
    }
    jw_put_str(j, "text", v->reason);
    jw_obj_end(j);
}

static void put_signals(struct jw *j, const struct view_harvest *v) {
    jw_key(j, "signals");
    jw_arr(j);
    for (uint32_t i = 0; i < v->signals_n; i++) {
        const struct view_signal *s = &v->signals[i];
        jw_obj(j);
        jw_put_str(j, "name", s->name);
        jw_put_bool(j, "known", s->known);
        if (s->known) put_i64(j, "value", s->value);
        jw_put_str(j, "unit", s->unit);
        jw_obj_end(j);
    }
    jw_arr_end(j);
}

static void put_policy(struct jw *j, const struct view_harvest *v) {
    jw_key(j, "policy");
    jw_arr(j);
    for (uint32_t i = 0; i < v->policy_n; i++) {
        jw_obj(j);
        jw_put_str(j, "name", v->policy[i].name);
        jw_put_str(j, "value", v->policy[i].value);
        jw_put_str(j, "help", v->policy[i].help);
        jw_obj_end(j);
    }
    jw_arr_end(j);
}

void api_harvest(struct gateway *g, struct http_req *r, const struct call *k) {
    struct view_harvest *v = calloc(1, sizeof *v);
    struct jw j = api_json(r);
    (void)k;
    if (v == NULL) {
        api_error(r, VL_ENOMEM, NULL);
        return;
    }
    g->backend->ops->harvest(g->backend->self, v);
    jw_obj(&j);
    jw_put_bool(&j, "harvested", v->harvested);
    if (v->harvested) {
        jw_put_str(&j, "state", v->state);
        jw_put_ms(&j, "since_ms", v->since_ms);
        jw_put_str(&j, "says", v->says);
        put_reason(&j, v);
        jw_put_u64(&j, "cpu_permille", v->cap_milli);
        jw_put_u64(&j, "memory_percent", v->memory_percent);
        jw_put_u64(&j, "bandwidth_bps", v->bandwidth_bps);
        jw_put_u64(&j, "tasks", v->running);
        jw_put_ms(&j, "read_ms", v->read_ms);
        jw_put_ms(&j, "cooldown_until_ms", v->cooldown_until_ms);
        jw_put_bool(&j, "paused", v->pause_until_ms != 0);
        jw_put_ms(&j, "pause_until_ms", v->pause_until_ms == VL_MS_NEVER ? 0 : v->pause_until_ms);
        put_signals(&j, v);
        put_policy(&j, v);
        jw_key(&j, "session");
        if (v->in_session) {
            jw_obj(&j);
            contribution_members(&j, &v->session);
            jw_obj_end(&j);
        } else {
            jw_null(&j);
        }
    }
    jw_obj_end(&j);
    free(v);
    api_send(g, r, 200, &j, NULL);
}

struct harvest_call {
    struct gateway *g;
    struct http_req *r;
};

static void on_done(void *arg, enum vl_err err, const char *detail) {
    struct harvest_call c = *(struct harvest_call *)arg;
    free(arg);
    if (err)
        api_error(c.r, err, detail);
    else
        api_no_content(c.g, c.r, 204);
}

static struct harvest_call *call_make(struct gateway *g, struct http_req *r) {
    struct harvest_call *c = malloc(sizeof *c);
    if (c == NULL)
        api_error(r, VL_ENOMEM, NULL);
    else
        *c = (struct harvest_call){ .g = g, .r = r };
    return c;
}

#define NOT_HARVESTED "This node is not harvested: start it with --harvest."

void api_harvest_policy(struct gateway *g, struct http_req *r, const struct call *k) {
    const char *names[VIEW_POLICY_MAX], *values[VIEW_POLICY_MAX];
    const json_t *set = json_object_get(k->body, "set");
    size_t n = 0;
    struct vl_errmsg why = { "" };
    for (; n < json_array_size(set) && n < VIEW_POLICY_MAX; n++) {
        names[n] = schema_str(json_array_get(set, n), "name", "");
        values[n] = schema_str(json_array_get(set, n), "value", "");
    }
    struct harvest_call *c = call_make(g, r);
    if (c == NULL) return;
    enum vl_err err = g->backend->ops->harvest_policy(g->backend->self, names, values, n, &why, on_done, c);
    if (err == VL_OK) return;
    free(c);
    if (err == VL_ENOTFOUND || err == VL_EPARSE || err == VL_ERANGE) {
        struct schema_errors e = { 0 };
        schema_error_add(&e, "/set", "%s", why.text);
        api_problem(r, 422, "validation", "A figure of the policy is wrong.", NULL, &e);
    } else {
        api_error(r, err, err == VL_ESTATE ? NOT_HARVESTED : NULL);
    }
}

void api_harvest_pause(struct gateway *g, struct http_req *r, const struct call *k) {
    uint64_t ms = schema_u64(k->body, "duration_ms", 0);
    struct harvest_call *c = call_make(g, r);
    if (c == NULL) return;
    enum vl_err err =
        g->backend->ops->harvest_pause(g->backend->self, schema_bool(k->body, "on", true), ms ? ms : VL_MS_NEVER, on_done, c);
    if (err == VL_OK) return;
    free(c);
    api_error(r, err, err == VL_ESTATE ? NOT_HARVESTED : NULL);
}

#define KEY_BYTES 40u /* node, start */

static void contribution_item(void *arg, const struct view_contribution *v) {
    struct page *p = arg;
    uint8_t key[KEY_BYTES];
    memcpy(key, v->node.b, 32);
    vl_put_u64(key + 32, v->start_ms);
    if (!page_takes(p, key, sizeof key)) return;
    jw_obj(&p->j);
    jw_key(&p->j, "node");
    emit_node_id(&p->j, v->node);
    contribution_members(&p->j, v);
    jw_put_u64(&p->j, "receipts", v->receipts);
    jw_put_u64(&p->j, "receipts_cpu_us", v->receipts_cpu_us);
    jw_put_u64(&p->j, "believed_cpu_us", v->believed_cpu_us);
    jw_obj_end(&p->j);
}

void api_contributions(struct gateway *g, struct http_req *r, const struct call *k) {
    uint8_t key[CURSOR_KEY_MAX];
    struct vl_node_id after;
    size_t n = 0;
    if (!page_cursor(g, r, k, CURSOR_CONTRIBUTIONS, KEY_BYTES, key, &n)) return;
    if (n > 0) memcpy(after.b, key, sizeof after.b);
    struct page p = page_begin(r, k);
    g->backend->ops->contributions(g->backend->self, n ? &after : NULL, n ? vl_get_u64(key + 32) : 0, k->limit + 1, contribution_item, &p);
    page_send(g, r, &p, CURSOR_CONTRIBUTIONS);
}
